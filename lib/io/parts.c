/* parts.c - one checkpoint in several files that name each other: NAME-00001-of-0000N.gguf. */
#include "io/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAIL = 20 };                    /* "-00001-of-00003.gguf" */

static bool number_at(const char *s, int64_t *out)
{
    *out = strtoll(s, NULL, 10);
    return strspn(s, "0123456789") == 5 && *out > 0;
}

int64_t ns_parts_of(const char *name)
{
    int64_t no, count;
    const size_t n = strlen(name);
    const char *const tail = n > TAIL ? name + n - TAIL : "";
    return *tail == '-' && number_at(tail + 1, &no) && ns_starts(tail + 6, "-of-") && number_at(tail + 10, &count) &&
                   strcmp(tail + 15, ".gguf") == 0 && no <= count
               ? count
               : 0;
}

char *ns_part_name(const char *name, int64_t no)
{
    const size_t stem = strlen(name) - TAIL;
    return ns_printf_alloc("%.*s-%05lld%s", (int)stem, name, (long long)no, name + stem + 6);
}
