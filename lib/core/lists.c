/* lists.c - the k best of a list; lists of strings. */
#include "core/core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t ns_best(const float *values, int64_t n, int64_t k, bool ascending, int64_t *out)
{
    const float sign = ascending ? -1 : 1;
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(values[i]))
            continue;
        int64_t at = found;                          /* behind all that are at least as good: ties by place */
        while (at > 0 && sign * values[out[at - 1]] < sign * values[i])
            at--;
        if (at >= k)
            continue;
        found += found < k;
        memmove(out + at + 1, out + at, (size_t)(found - 1 - at) * sizeof *out);
        out[at] = i;
    }
    return found;
}

void ns_free_strings(char **list, int64_t n)
{
    for (int64_t i = 0; list && i < n; i++)
        free(list[i]);
    free(list);
}

char *ns_heads_text(const ns_head *heads, int64_t n)
{
    char *text = ns_strdup("");
    for (int64_t i = 0; text && i < n; i++) {
        char *const longer = ns_printf_alloc("%s%s%lld.%lld", text, i ? "," : "", (long long)heads[i].layer, (long long)heads[i].head);
        free(text);
        text = longer;
    }
    return text;
}
