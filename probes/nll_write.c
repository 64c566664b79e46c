/* nll_write.c - nll.h5: axes text and token, as long as the longest text; beyond a text NaN, -1 and 0. */
#include "nll.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/record.h>

typedef const float *(*floats_of)(const ns_nll_text *);
static const float *log_p_of(const ns_nll_text *t)
{
    return t->log_p;
}
static const float *short_of(const ns_nll_text *t)
{
    return t->log_p_short;
}

static int put_floats(ns_table_writer *w, const ns_nll *r, int64_t T, const char *name, const char *summary, floats_of of, ns_error *err)
{
    const int64_t shape[2] = {r->n, T};
    float *const values = ns_alloc_array((size_t)(r->n * T), sizeof *values);
    if (!values)
        return ns_oom(err, name);
    for (int64_t k = 0; k < r->n; k++)
        for (int64_t i = 0; i < T; i++)
            values[k * T + i] = i < r->list[k].n ? of(&r->list[k])[i] : NAN;
    const ns_view view = ns_view_of(values, NS_F32, 2, shape);
    const int rc = ns_table_array(w, name, "text token", &view, summary, err);
    free(values);
    return rc;
}

typedef int64_t (*whole_of)(const ns_nll_text *, int64_t i);
static int64_t token_of(const ns_nll_text *t, int64_t i)
{
    return i < t->n ? t->tokens[i] : -1;
}
static int64_t distance_of(const ns_nll_text *t, int64_t i)
{
    return i < t->n ? t->distance[i] : -1;
}

static int put_wholes(ns_table_writer *w, const ns_nll *r, int64_t T, const char *name, const char *summary, whole_of of, ns_error *err)
{
    const int64_t shape[2] = {r->n, T};
    int64_t *const values = ns_alloc_array((size_t)(r->n * T), sizeof *values);
    if (!values)
        return ns_oom(err, name);
    for (int64_t i = 0; i < r->n * T; i++)
        values[i] = of(&r->list[i / T], i % T);
    const ns_view view = ns_view_of(values, NS_I64, 2, shape);
    const int rc = ns_table_array(w, name, "text token", &view, summary, err);
    free(values);
    return rc;
}

static int put_keys(ns_table_writer *w, const ns_nll *r, int64_t T, ns_error *err)
{
    const int64_t shape[2] = {r->n, T};
    uint8_t *const values = ns_alloc_array((size_t)(r->n * T), sizeof *values);
    if (!values)
        return ns_oom(err, "keys");
    for (int64_t k = 0; k < r->n; k++)
        memcpy(values + k * T, r->list[k].key, (size_t)r->list[k].n);
    const ns_view view = ns_view_of(values, NS_U8, 2, shape);
    const int rc = ns_table_array(w, "is_key", "text token", &view, "1 where the token is a key token of LongPPL", err);
    free(values);
    return rc;
}

static int put_texts(ns_table_writer *w, const ns_nll *r, ns_error *err)
{
    const char **const ids = ns_alloc_array((size_t)r->n, sizeof *ids);
    int64_t *const lengths = ns_alloc_array((size_t)r->n, sizeof *lengths);
    int rc = ids && lengths ? NS_OK : ns_oom(err, "texts");
    for (int64_t k = 0; k < r->n && rc == NS_OK; k++) {
        ids[k] = r->list[k].c->id;
        lengths[k] = r->list[k].n;
    }
    const ns_view view = ns_view_of(lengths, NS_I64, 1, &r->n);
    rc = rc != NS_OK ? rc : ns_table_strings(w, "text_id", "text", ids, r->n, err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "n_tokens", "text", &view, "tokens of the text", err);
    free(ids);
    free(lengths);
    return rc;
}

static int put_all(ns_table_writer *w, const ns_nll *r, ns_error *err)
{
    int64_t T = 0;
    for (int64_t k = 0; k < r->n; k++)
        T = r->list[k].n > T ? r->list[k].n : T;
    int rc = ns_table_count(w, "text", r->n, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "token", T, err);
    rc = rc != NS_OK ? rc : put_texts(w, r, err);
    rc = rc != NS_OK ? rc : put_wholes(w, r, T, "token_id", "-1: beyond the text", token_of, err);
    rc = rc != NS_OK
             ? rc
             : put_floats(w, r, T, "log_p", "ln p of the token, given those before it; NaN: the first, and beyond the text", log_p_of, err);
    if (rc == NS_OK && r->short_context)
        rc = put_floats(w, r, T, "log_p_short", "the same in the short context", short_of, err);
    if (rc == NS_OK)
        rc = put_wholes(w, r, T, "distance", "tokens back to where it was last said behind the same token; 0: nowhere", distance_of, err);
    return rc == NS_OK && (r->keys_read || r->keys_found) ? put_keys(w, r, T, err) : rc;
}

int ns_nll_write(const ns_nll *r, const char *path, const ns_provenance *by, ns_error *err)
{
    char context[24], stride[24], second[24];
    snprintf(context, sizeof context, "%lld", (long long)r->context);
    snprintf(stride, sizeof stride, "%lld", (long long)r->stride);
    snprintf(second, sizeof second, "%lld", (long long)r->short_context);
    const ns_fact own[] = {{"kind", "nll", false},
                           {"context", context, false},
                           {"stride", stride, false},
                           {"short_context", second, false},
                           {"cases_sha256", r->cases_sha256, false},
                           {"keys_sha256", r->keys_sha256, false}};
    ns_fact_list facts = {0};
    ns_table_writer *w = NULL;
    const int n_own = (int)(sizeof own / sizeof *own) - !r->keys_read; /* the last is of keys that were read */
    int rc = ns_fact_list_add_all(&facts, own, n_own, err);
    rc = rc != NS_OK ? rc : ns_fact_list_join(&facts, &r->made_with, err);
    rc = rc != NS_OK ? rc : ns_table_create_by(&w, path, &facts, by, err);
    ns_fact_list_clear(&facts);
    rc = rc != NS_OK ? rc : put_all(w, r, err);
    return ns_table_end(w, rc, err);
}
