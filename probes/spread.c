/* spread.c - some of the cases: as many of each kind (value type x template) as can be, and within a kind evenly over its ids. */
#include "dropped.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"

typedef struct member { char *kind; int64_t at; } member;

/* "value_type/template"; "/" where the case does not say. */
static int kind_of(const ns_case *c, char **out, ns_error *err)
{
    cJSON *meta = NULL;
    const int rc = c->meta ? ns_json_parse(&meta, c->meta, strlen(c->meta), 64, "meta", err) : NS_OK;
    if (rc != NS_OK)
        return rc;
    const char *const type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(meta, "value_type")),
               *const template_name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(meta, "template"));
    *out = ns_printf_alloc("%s/%s", type ? type : "", template_name ? template_name : "");
    cJSON_Delete(meta);
    return *out ? NS_OK : ns_oom(err, "kinds of cases");
}

static int by_kind(const void *a, const void *b)
{
    const member *const x = a, *const y = b;
    const int order = strcmp(x->kind, y->kind);
    return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

/* size[k] of the kinds that lie one after the other in the sorted list. */
static int64_t count_kinds(const member *list, int64_t n, int64_t *size)
{
    int64_t kinds = 0;
    for (int64_t i = 0; i < n; i++) {
        kinds += i == 0 || strcmp(list[i].kind, list[i - 1].kind) != 0;
        size[kinds - 1]++;
    }
    return kinds;
}

/* One of each kind in turn, while there are any. */
static void share_out(const int64_t *size, int64_t kinds, int64_t wanted, int64_t *quota)
{
    for (int64_t k = 0; wanted > 0; k = (k + 1) % kinds)
        if (quota[k] < size[k]) {
            quota[k]++;
            wanted--;
        }
}

int ns_spread_cases(const ns_case *const *cases, int64_t n, int64_t wanted, uint8_t *chosen, int64_t *n_kinds, ns_error *err)
{
    member *const list = ns_alloc_array((size_t)n, sizeof *list);
    int64_t *const size = ns_alloc_array((size_t)n, sizeof *size), *const quota = ns_alloc_array((size_t)n, sizeof *quota);
    int rc = list && size && quota ? NS_OK : ns_oom(err, "kinds of cases");
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        list[i].at = i;
        rc = kind_of(cases[i], &list[i].kind, err);
    }
    if (rc == NS_OK) {
        qsort(list, (size_t)n, sizeof *list, by_kind);
        *n_kinds = count_kinds(list, n, size);
        share_out(size, *n_kinds, wanted < n ? wanted : n, quota);
        const member *kind = list;
        for (int64_t k = 0; k < *n_kinds; kind += size[k++])
            for (int64_t j = 0; j < quota[k]; j++)
                chosen[kind[(2 * j + 1) * size[k] / (2 * quota[k])].at] = 1;
    }
    for (int64_t i = 0; list && i < n; i++)
        free(list[i].kind);
    free(list);
    free(size);
    free(quota);
    return rc;
}
