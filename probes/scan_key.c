/* scan_key.c - how the files of a checkpoint are named in a scan's folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan_index.h"

int ns_scan_key_order(ns_scan_key a, ns_scan_key b)
{
    const int64_t x = a.stage != b.stage ? a.stage : a.step, y = a.stage != b.stage ? b.stage : b.step;
    return (x > y) - (x < y);
}

char *ns_scan_file(const char *folder, ns_scan_key key, const char *ending)
{
    char stage[40] = "";
    if (key.stage > 1)
        snprintf(stage, sizeof stage, "stage%lld-", (long long)key.stage);
    return ns_printf_alloc("%s/%sstep%06lld.%s", folder, stage, (long long)key.step, ending);
}

/* Of a name that goes on with the word and digits; *name is then what follows. */
static bool number_behind(const char **name, const char *word, int64_t *out)
{
    const char *const digits = *name + strlen(word);
    const size_t n = ns_starts(*name, word) ? strspn(digits, "0123456789") : 0;
    if (n)
        *out = strtoll(digits, NULL, 10);
    *name += n ? strlen(word) + n : 0;
    return n;
}

const char *ns_scan_key_read(const char *name, ns_scan_key *key)
{
    *key = (ns_scan_key){1, -1};
    if (number_behind(&name, "stage", &key->stage) && (key->stage < 2 || *name++ != '-'))
        return "";
    return number_behind(&name, "step", &key->step) ? name : "";
}
