/* pooled.c - a picture of every head: the map cut into square blocks, the largest cell and the mean of the visible cells of each.
 * pool_max, pool_mean (layer, head, qb, kb); NaN in blocks that no row can see. */
#include "record/sink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct part {
    ns_out_spec spec;
    hid_t dataset;
    ns_sha256 sha;
    float *cells;
} part;

typedef struct pooled {
    ns_sink sink;
    int64_t block, blocks;
    part max, mean;
    double *sums; /* [H][blocks][blocks] of this layer, then divided into mean.cells */
} pooled;

static int open_part(pooled *p, part *q, const char *name, const char *summary, ns_error *err)
{
    const ns_sink *const s = &p->sink;
    char axes[160], *const formula = ns_track_formula(&s->rec->plan, s->track);
    char *const words = formula ? ns_printf_alloc("%s; the row: %s", summary, formula) : NULL;
    q->spec = (ns_out_spec){
        .group = s->c->group,
        .name = name,
        .axes = ns_sink_axes(s, "head qb kb", axes, sizeof axes),
        .summary = words,
        .dtype = s->rec->plan.params.dtype,
        .rank = 4,
        .shape = {s->track->n_layers, s->rec->plan.n_heads, p->blocks, p->blocks},
    };
    ns_sha256_begin(&q->sha);
    const int rc = words ? ns_out_dataset(s->rec->out, &q->spec, &q->dataset, err) : ns_oom(err, "the words for pooled maps");
    q->spec.axes = q->spec.summary = NULL;
    free(words);
    free(formula);
    return rc;
}

static int open_pooled(ns_sink *s, ns_error *err)
{
    pooled *const p = (pooled *)s;
    p->block = s->c->block;
    p->blocks = (s->c->n + p->block - 1) / p->block;
    const int rc = open_part(p, &p->max, "pool_max", "largest cell of each block; NaN where no row can see", err);
    return rc == NS_OK ? open_part(p, &p->mean, "pool_mean", "mean of each block's visible cells; NaN where no row can see", err) : rc;
}

static int begin_layer(pooled *p, ns_error *err)
{
    const size_t n = (size_t)(p->sink.rec->plan.n_heads * p->blocks * p->blocks);
    p->max.cells = ns_alloc_array(n, sizeof *p->max.cells);
    p->mean.cells = ns_alloc_array(n, sizeof *p->mean.cells);
    p->sums = ns_alloc_array(n, sizeof *p->sums);
    if (!p->max.cells || !p->mean.cells || !p->sums)
        return ns_oom(err, "pooled attention maps");
    for (size_t i = 0; i < n; i++)
        p->max.cells[i] = NAN;
    return NS_OK;
}

typedef struct pool_job {
    pooled *p;
    const ns_site *site;
    const ns_view *view;
    int64_t first, n;
} pool_job;

static ns_seen_keys visible_keys(const ns_attn *attn, int64_t head, int64_t q)
{
    return attn ? ns_attn_seen_keys(attn, head, q) : (ns_seen_keys){0, 0, 0};
}

/* Keys from .. to of row x, into the blocks of columns that begin at cell `at`. */
static void pool_keys(pooled *p, const float *x, int64_t at, int64_t from, int64_t to)
{
    for (int64_t k = from, end; k < to; k = end) {
        const int64_t kb = k / p->block;
        float max = p->max.cells[at + kb];
        double sum = 0;
        for (end = (kb + 1) * p->block < to ? (kb + 1) * p->block : to; k < end; k++) {
            max = max >= x[k] ? max : x[k];   /* also when max is NaN: nothing seen yet */
            sum += (double)x[k];
        }
        p->max.cells[at + kb] = max;
        p->sums[at + kb] += sum;
    }
}

static void pool_head(void *user, int64_t head, int worker)
{
    const pool_job *const j = user;
    pooled *const p = j->p;
    (void)worker;
    for (int64_t i = 0; i < j->n; i++) {
        const int64_t q = j->site->row0 + j->first + i, at = (head * p->blocks + q / p->block) * p->blocks;
        const float *const x = ns_at(j->view, head, j->first + i, 0) - j->site->key0;
        const ns_seen_keys keys = visible_keys(j->site->attn, head, q);
        pool_keys(p, x, at, keys.first, keys.gap);
        pool_keys(p, x, at, keys.after, q + 1);
    }
}

static int rows_to_pooled(ns_sink *s, const ns_site *site, const ns_view *view, int64_t first, int64_t n, ns_error *err)
{
    pooled *const p = (pooled *)s;
    const int rc = s->row == 0 ? begin_layer(p, err) : NS_OK;
    if (rc == NS_OK)
        ns_pool_run(s->rec->pool, view->shape[0], pool_head, &(pool_job){p, site, view, first, n});
    return rc;
}

/* Of [from, to), what lies in block kb. */
static int64_t in_block(const pooled *p, int64_t kb, int64_t from, int64_t to)
{
    from = from > kb * p->block ? from : kb * p->block;
    to = to < (kb + 1) * p->block ? to : (kb + 1) * p->block;
    return to > from ? to - from : 0;
}

/* Cells (q, k) with q in block qb and k in block kb that are visible. */
static int64_t visible(const pooled *p, const ns_attn *attn, int64_t head, int64_t qb, int64_t kb)
{
    const int64_t q1 = (qb + 1) * p->block < p->sink.c->n ? (qb + 1) * p->block : p->sink.c->n;
    int64_t n = 0;
    for (int64_t q = qb * p->block; q < q1; q++) {
        const ns_seen_keys keys = visible_keys(attn, head, q);
        n += in_block(p, kb, keys.first, keys.gap) + in_block(p, kb, keys.after, q + 1);
    }
    return n;
}

static void divide(pooled *p, const ns_attn *attn)
{
    for (int64_t h = 0; h < p->sink.rec->plan.n_heads; h++)
        for (int64_t qb = 0; qb < p->blocks; qb++)
            for (int64_t kb = 0; kb < p->blocks; kb++) {
                const int64_t i = (h * p->blocks + qb) * p->blocks + kb;
                const int64_t n = kb > qb || (attn && h >= attn->n_heads) ? 0 : visible(p, attn, h, qb, kb);
                p->mean.cells[i] = n ? (float)(p->sums[i] / (double)n) : NAN;
            }
}

static int write_part(pooled *p, part *q, ns_error *err)
{
    const int64_t start[4] = {p->sink.layer}, count[4] = {1, q->spec.shape[1], p->blocks, p->blocks};
    const int64_t cells = count[1] * count[2] * count[3];
    if (q->spec.dtype == NS_F16)
        ns_sink_narrow(p->sink.rec, q->cells, cells);
    ns_sha256_add(&q->sha, q->cells, (size_t)cells * ns_dtype_size(q->spec.dtype));
    return ns_sink_write(p->sink.rec, q->dataset, q->spec.dtype, 4, start, count, q->cells, q->spec.name, err);
}

static int end_layer(ns_sink *s, ns_error *err)
{
    pooled *const p = (pooled *)s;
    divide(p, ns_arch_attn(s->rec->plan.arch, s->track->layers[s->layer]));
    int rc = write_part(p, &p->max, err);
    if (rc == NS_OK)
        rc = write_part(p, &p->mean, err);
    s->class->free(s);
    return rc;
}

static int close_pooled(ns_sink *s, ns_error *err)
{
    pooled *const p = (pooled *)s;
    char hex[65];
    ns_sha256_end(&p->max.sha, hex);
    const int rc = ns_out_digest(s->rec->out, &p->max.spec, hex, err);
    ns_sha256_end(&p->mean.sha, hex);
    return rc == NS_OK ? ns_out_digest(s->rec->out, &p->mean.spec, hex, err) : rc;
}

static void free_pooled(ns_sink *s)
{
    pooled *const p = (pooled *)s;
    free(p->max.cells);
    free(p->mean.cells);
    free(p->sums);
    p->max.cells = p->mean.cells = NULL;
    p->sums = NULL;
}

const ns_sink_class ns_sink_pooled = {
    .size = sizeof(pooled),
    .open = open_pooled,
    .rows = rows_to_pooled,
    .layer_end = end_layer,
    .close = close_pooled,
    .free = free_pooled,
};
