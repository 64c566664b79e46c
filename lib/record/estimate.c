/* estimate.c - the size of a recording before it is made: uncompressed cells, without the chunks that no row can see. */
#include "record/plan.h"
#include "record/sink.h"

/* a * b and a + b that stop at INT64_MAX: all terms are >= 0. */
static int64_t times(int64_t a, int64_t b)
{
    int64_t c;
    return ns_mul_i64(a, b, &c) ? c : INT64_MAX;
}

static int64_t plus(int64_t a, int64_t b)
{
    int64_t c;
    return ns_add_i64(a, b, &c) ? c : INT64_MAX;
}

static int64_t layer_heads(const ns_plan *p, int64_t layer)
{
    const ns_attn *const attn = ns_arch_attn(p->arch, layer);
    return attn ? attn->n_heads : p->n_heads;
}

/* The last chunks are counted as far as the dataset reaches. */
static int64_t band_cells(const ns_plan *p, const ns_plan_track *t, const ns_plan_case *c)
{
    const int64_t R = ns_track_rows(t, c);
    int64_t rows, keys, cells = 0;
    ns_plan_chunk(t, c, &rows, &keys);
    for (int64_t i = 0; i < t->n_layers; i++) {
        int64_t of_head = 0;
        for (int64_t first = 0; first < R; first += rows) {
            const int64_t end = first + rows < R ? first + rows : R;
            int64_t lo, hi;
            ns_plan_key_chunks(p, t, c, t->layers[i], first, end - 1, &lo, &hi);
            of_head = plus(of_head, times(end - first, (hi * keys < c->n ? hi * keys : c->n) - lo * keys));
        }
        cells = plus(cells, times(of_head, layer_heads(p, t->layers[i])));
    }
    return cells;
}

static int64_t value_cells(const ns_plan *p, const ns_plan_track *t, const ns_plan_case *c)
{
    int64_t dims[NS_MAX_RANK], cells = times(t->n_layers, ns_track_rows(t, c));
    const int rank = ns_plan_dims(p, t, c, dims);
    for (int i = 0; i < rank; i++)
        cells = times(cells, dims[i]);
    return cells;
}

static int64_t track_bytes(const ns_plan *p, const ns_plan_track *t, const ns_plan_case *c)
{
    const int64_t size = (int64_t)ns_dtype_size(p->params.dtype), maps = times(t->n_layers, p->n_heads);
    const int64_t blocks = (c->n + c->block - 1) / c->block;
    switch (t->kind) {
    case NS_SINK_VALUES:
        return times(value_cells(p, t, c), size);
    case NS_SINK_BANDS:
        return times(band_cells(p, t, c), size);
    case NS_SINK_TOPK:
        return times(times(maps, ns_track_rows(t, c)), p->params.top_k * (4 + size) + 4);
    case NS_SINK_POOLED:
        return times(times(maps, times(blocks, blocks)), 2 * size);
    case NS_SINK_STATS:
        return times(times(p->arch->n_layers, p->n_heads), NS_N_STATS * 2 * NS_STAT_BINS * 4);
    default:
        return 0;
    }
}

int64_t ns_plan_bytes(const ns_plan *p)
{
    int64_t bytes = 0;
    for (int64_t i = 0; i < p->cases->n; i++) {
        for (int t = 0; t < p->n_tracks; t++)
            bytes = plus(bytes, track_bytes(p, &p->tracks[t], &p->list[i]));
        bytes = plus(bytes, times(p->list[i].n + p->list[i].n_rows, 8)); /* tokens and positions */
    }
    return bytes;
}

int ns_recorder_estimate(const ns_arch *arch, const ns_cases *cases, const ns_recorder_params *params, int64_t *bytes, ns_error *err)
{
    ns_plan plan;
    const int rc = ns_plan_make(&plan, arch, cases, params, err);
    *bytes = rc == NS_OK ? ns_plan_bytes(&plan) : 0;
    if (rc == NS_OK)
        ns_plan_clear(&plan);
    return rc;
}
