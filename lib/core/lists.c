/* lists.c - lists of strings, lists of heads as text. */
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

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
