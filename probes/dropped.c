/* dropped.c - the order of cases, and the count of those that cannot be used. */
#include "dropped.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "heads/heads.h"

static int compare_ids(const int32_t *a, int64_t n, const int32_t *b, int64_t m)
{
    for (int64_t i = 0; i < n && i < m; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return n < m ? -1 : n > m;
}

int ns_by_case(const void *a, const void *b)
{
    const ns_case *const x = *(const ns_case *const *)a, *const y = *(const ns_case *const *)b;
    int order = strcmp(x->id, y->id);
    if (order == 0)
        order = compare_ids(x->tokens, x->n_tokens, y->tokens, y->n_tokens);
    return order ? order : compare_ids(x->answer, x->n_answer, y->answer, y->n_answer);
}

static bool beyond_vocabulary(const ns_case *c, int64_t vocab)
{
    for (int64_t i = 0; i < c->n_tokens + c->n_answer; i++)
        if (ns_case_token(c, i) >= vocab)
            return true;
    return false;
}

const char *ns_unfit(const ns_arch *arch, const ns_case *c, char buffer[NS_REASON])
{
    if (arch->max_positions > 0 && ns_case_length(c) > arch->max_positions) {
        snprintf(buffer, NS_REASON, "longer than the model's %lld positions", (long long)arch->max_positions);
        return buffer;
    }
    if (beyond_vocabulary(c, arch->vocab)) {
        snprintf(buffer, NS_REASON, "a token id beyond the model's vocabulary of %lld", (long long)arch->vocab);
        return buffer;
    }
    return NULL;
}

int ns_drops_add(ns_drops *d, const char *reason, const char *id, ns_error *err)
{
    for (int i = 0; i < d->n; i++)
        if (strcmp(d->list[i].reason, reason) == 0) {
            d->list[i].n++;
            return NS_OK;
        }
    ns_dropped *const list = realloc(d->list, ((size_t)d->n + 1) * sizeof *list);
    if (list)
        d->list = list;
    char *const copy = ns_strdup(reason);
    if (!list || !copy) {
        free(copy);
        return ns_oom(err, "dropped cases");
    }
    list[d->n] = (ns_dropped){.reason = copy, .n = 1};
    snprintf(list[d->n].first_id, sizeof list[d->n].first_id, "%s", id);
    ns_utf8_whole(list[d->n].first_id);
    d->n++;
    return NS_OK;
}

static char *text_of(const ns_drops *d, const char *quote)
{
    char *text = ns_strdup("");
    for (int i = 0; i < d->n && text; i++) {
        char *const longer = ns_printf_alloc("%s%s%lld %s (first: %s%s%s)", text, i ? "; " : "", (long long)d->list[i].n, d->list[i].reason,
                                             quote,
                                             d->list[i].first_id, quote);
        free(text);
        text = longer;
    }
    return text;
}

char *ns_drops_text(const ns_drops *d)
{
    return text_of(d, "");
}

int ns_drops_fail(const ns_drops *d, const char *what, ns_error *err)
{
    char *const text = text_of(d, "'");
    const int rc = ns_fail(err, NS_E_ARG, "no %s left%s%s", what, d->n ? "; dropped " : ": the list is empty", text ? text : "");
    free(text);
    return rc;
}

void ns_drops_clear(ns_drops *d)
{
    for (int i = 0; i < d->n; i++)
        free((char *)d->list[i].reason);
    free(d->list);
    *d = (ns_drops){0};
}
