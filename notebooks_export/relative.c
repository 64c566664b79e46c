/* relative.c - the path of a file as seen from the folder of another. */
#include "relative.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

/* The folder without symbolic links, the name as it is: a link stays one. */
static char *absolute(const char *path)
{
    char *const copy = ns_strdup(path), *const folder = copy ? realpath(dirname(copy), NULL) : NULL;
    char *const whole = folder ? ns_path_join(folder, ns_path_base(path)) : NULL;
    free(copy);
    free(folder);
    return whole;
}

/* Length of the folders that both begin with, the / included. */
static size_t common(const char *a, const char *b)
{
    size_t same = 0;
    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '/')
            same = i + 1;
    return same;
}

char *ns_relative_path(const char *from, const char *to)
{
    char *const a = absolute(from), *const b = absolute(to);
    const size_t same = a && b ? common(a, b) : 0;
    char *path = a && b ? ns_strdup(b + same) : NULL;
    for (const char *at = a ? a + same : ""; path && *at; at++) {
        if (*at != '/')
            continue;
        char *const longer = ns_printf_alloc("../%s", path);
        free(path);
        path = longer;
    }
    free(a);
    free(b);
    return path;
}
