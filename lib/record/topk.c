/* topk.c - the k largest cells of every row, and the mass of the rest: topk_index, topk_value (layer, head, row, k), topk_rest (layer,
 * head, row). A layer is kept until its last row, so that the datasets are written (and hashed) in their own order. */
#include "record/sink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct part {
    ns_out_spec spec;
    hid_t dataset;
    ns_sha256 sha;
} part;

typedef struct topk {
    ns_sink sink;
    int64_t k, rows; /* rows of one layer: heads * n_rows */
    part index, value, rest;
    int32_t *indices; /* [H][R][k], -1 past the end */
    float *values, *rests;
} topk;

static int open_part(topk *t, part *p, const char *name, const char *rest_axes, const char *summary, ns_dtype dtype, ns_error *err)
{
    const ns_sink *const s = &t->sink;
    char axes[160], *const formula = ns_track_formula(&s->rec->plan, s->track);
    char *const words = formula ? ns_printf_alloc("%s; the row: %s", summary, formula) : NULL;
    p->spec = (ns_out_spec){
        .group = s->c->group,
        .name = name,
        .axes = ns_sink_axes(s, rest_axes, axes, sizeof axes),
        .summary = words,
        .dtype = dtype,
        .rank = dtype == NS_F32 && p == &t->rest ? 3 : 4,
        .shape = {s->track->n_layers, s->rec->plan.n_heads, s->n_rows, t->k},
    };
    ns_sha256_begin(&p->sha);
    const int rc = words ? ns_out_dataset(s->rec->out, &p->spec, &p->dataset, err) : ns_oom(err, "the words for the largest cells");
    p->spec.axes = p->spec.summary = NULL;
    free(words);
    free(formula);
    return rc;
}

static int open_topk(ns_sink *s, ns_error *err)
{
    topk *const t = (topk *)s;
    const ns_plan *const p = &s->rec->plan;
    t->k = p->params.top_k;
    t->rows = p->n_heads * s->n_rows;
    int rc = open_part(t, &t->index, "topk_index", "head row k",
                       "key positions of the largest cells (signed rows: by magnitude), largest first; -1: the others are 0", NS_I32, err);
    if (rc == NS_OK)
        rc = open_part(t, &t->value, "topk_value", "head row k", "the cells at topk_index", p->params.dtype, err);
    return rc == NS_OK ? open_part(t, &t->rest, "topk_rest", "head row", "sum of the cells that are not listed", NS_F32, err) : rc;
}

static int begin_layer(topk *t, ns_error *err)
{
    t->indices = ns_alloc_array((size_t)(t->rows * t->k), sizeof *t->indices);
    t->values = ns_alloc_array((size_t)(t->rows * t->k), sizeof *t->values);
    t->rests = ns_alloc_array((size_t)t->rows, sizeof *t->rests);
    if (!t->indices || !t->values || !t->rests)
        return ns_oom(err, "the largest cells of attention maps");
    memset(t->indices, 0xff, (size_t)(t->rows * t->k) * sizeof *t->indices);
    return NS_OK;
}

typedef struct selection {
    int64_t have, k;
    bool magnitude;
    int32_t *index;
    float *value;
} selection;

/* What a cell must exceed to be listed. */
static float bar(const selection *s)
{
    const float last = s->have == s->k ? s->value[s->k - 1] : 0;
    return s->magnitude ? fabsf(last) : last;
}

/* Largest first; equal cells in the order of their keys. Signed rows (recurrent layers) are ranked by magnitude. */
static void offer(selection *s, float x, int32_t key)
{
    const float a = s->magnitude ? fabsf(x) : x;
    if (!(a > bar(s)))
        return;
    int64_t at = s->have < s->k ? s->have++ : s->k - 1;
    for (; at > 0 && (s->magnitude ? fabsf(s->value[at - 1]) : s->value[at - 1]) < a; at--) {
        s->value[at] = s->value[at - 1];
        s->index[at] = s->index[at - 1];
    }
    s->value[at] = x;
    s->index[at] = key;
}

enum { LOOK_AHEAD = 64 };

/* Returns the sum of the cells that are not listed. Long stretches below the bar are passed over by their maximum. */
static float select_row(selection *s, const ns_math *math, const float *x, int64_t n, int64_t key0)
{
    double rest = 0;
    for (int64_t i = 0; i < n; i++)
        rest += (double)x[i];
    for (int64_t i = 0; i < n; i += LOOK_AHEAD) {
        const int64_t m = n - i < LOOK_AHEAD ? n - i : LOOK_AHEAD;
        if (!s->magnitude && !(math->max(x + i, m) > bar(s)))
            continue;
        for (int64_t j = i; j < i + m; j++)
            offer(s, x[j], (int32_t)(key0 + j));
    }
    for (int64_t i = 0; i < s->have; i++)
        rest -= (double)s->value[i];
    return rest < 0 && !s->magnitude ? 0 : (float)rest;
}

typedef struct topk_job {
    topk *t;
    const ns_site *site;
    const ns_view *view;
    int64_t first, n;
} topk_job;

static void select_head(void *user, int64_t head, int worker)
{
    const topk_job *const j = user;
    topk *const t = j->t;
    (void)worker;
    for (int64_t i = 0; i < j->n; i++) {
        const int64_t row = head * t->sink.n_rows + t->sink.row + i;
        selection s = {0, t->k, j->site->kind == NS_ROW_UNROLLED, t->indices + row * t->k, t->values + row * t->k};
        t->rests[row] = select_row(&s, t->sink.rec->math, ns_at(j->view, head, j->first + i, 0), j->view->shape[2], j->site->key0);
    }
}

static int rows_to_topk(ns_sink *s, const ns_site *site, const ns_view *view, int64_t first, int64_t n, ns_error *err)
{
    topk *const t = (topk *)s;
    const int rc = s->row == 0 ? begin_layer(t, err) : NS_OK;
    if (rc == NS_OK)
        ns_pool_run(s->rec->pool, view->shape[0], select_head, &(topk_job){t, site, view, first, n});
    return rc;
}

static int write_part(topk *t, part *p, const void *data, ns_error *err)
{
    int64_t start[NS_MAX_RANK] = {t->sink.layer}, count[NS_MAX_RANK];
    memcpy(count, p->spec.shape, sizeof count);
    count[0] = 1;
    int64_t cells = 1;
    for (int i = 1; i < p->spec.rank; i++)
        cells *= count[i];
    ns_sha256_add(&p->sha, data, (size_t)cells * ns_dtype_size(p->spec.dtype));
    return ns_sink_write(t->sink.rec, p->dataset, p->spec.dtype, p->spec.rank, start, count, data, p->spec.name, err);
}

static int end_layer(ns_sink *s, ns_error *err)
{
    topk *const t = (topk *)s;
    int rc = write_part(t, &t->index, t->indices, err);
    if (rc == NS_OK)
        rc = write_part(t, &t->rest, t->rests, err);
    if (t->value.spec.dtype == NS_F16)
        ns_sink_narrow(s->rec, t->values, t->rows * t->k);
    if (rc == NS_OK)
        rc = write_part(t, &t->value, t->values, err);
    s->class->free(s);
    return rc;
}

static int close_topk(ns_sink *s, ns_error *err)
{
    topk *const t = (topk *)s;
    part *const parts[] = {&t->index, &t->value, &t->rest};
    int rc = NS_OK;
    for (int i = 0; i < 3 && rc == NS_OK; i++) {
        char hex[65];
        ns_sha256_end(&parts[i]->sha, hex);
        rc = ns_out_digest(s->rec->out, &parts[i]->spec, hex, err);
    }
    return rc;
}

static void free_topk(ns_sink *s)
{
    topk *const t = (topk *)s;
    free(t->indices);
    free(t->values);
    free(t->rests);
    t->indices = NULL;
    t->values = t->rests = NULL;
}

const ns_sink_class ns_sink_topk = {
    .size = sizeof(topk),
    .open = open_topk,
    .rows = rows_to_topk,
    .layer_end = end_layer,
    .close = close_topk,
    .free = free_topk,
};
