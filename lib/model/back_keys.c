/* back_keys.c - points of rows and keys on the way back: seeds at hook_pattern and hook_attn_scores, and who reads derivatives there. Only
 * the rows that somebody asked for are made, a block at a time. */
#include <needlescope/backward.h>

#include "model/tape.h"

#include <string.h>

static int check_seeds(const ns_band *b, ns_point point, int64_t heads)
{
    const ns_watch *const w = b->tape->watch;
    const int64_t keys = b->members[0].end;
    for (int64_t i = 0; i < w->n_seeds; i++) {
        ns_placed_seed *const s = &w->seeds[i];
        if (s->point != point || s->layer != b->layer)
            continue;
        if (s->seed->width != heads * keys)
            return ns_fail(b->p->err, NS_E_ARG, "seed '%s': %lld numbers a row, the point has %lld: %lld heads by %lld keys", s->seed->at,
                           (long long)s->seed->width, (long long)(heads * keys), (long long)heads, (long long)keys);
        s->used = true;
    }
    return NS_OK;
}

void ns_seed_keys(const ns_band *b, ns_point point, int64_t head, int64_t row, int64_t lo, int64_t hi, float *to)
{
    const ns_watch *const w = b->tape->watch;
    for (int64_t i = 0; w && i < w->n_seeds; i++) {
        const ns_seed *const s = w->seeds[i].seed;
        if (w->seeds[i].point == point && w->seeds[i].layer == b->layer && row >= s->row0 && row < s->row0 + s->n_rows)
            b->p->math->add(to, to, s->values + (row - s->row0) * s->width + head * b->members[0].end + lo, hi - lo);
    }
}

static void show_block(ns_band *b, const ns_branch *branch, ns_keys_back k, ns_keys_fn make, void *job)
{
    const int64_t rows = k.row1 - k.row0, keys = k.row1 - k.key0, floats = k.heads * rows * keys;
    k.data = ns_buffer_need(&b->p->scratch->staged, floats, b->p->err);
    if (!k.data) {
        b->rc = NS_E_MEMORY;
        return;
    }
    memset(k.data, 0, (size_t)floats * sizeof *k.data);
    make(b, job, &k);
    const ns_view v = ns_view_of(k.data, NS_F32, 3, (int64_t[]){k.heads, rows, keys});
    if (b->rc == NS_OK)
        b->rc = ns_deliver(b->p, 0, k.point, b->layer, k.row0, &v, branch, k.key0);
}

void ns_show_keys(ns_band *b, const ns_branch *branch, ns_point point, int64_t heads, ns_first_key_fn first_key, ns_keys_fn make, void *job)
{
    const int64_t n = b->members[0].end;
    b->rc = b->rc == NS_OK ? check_seeds(b, point, heads) : b->rc;
    for (int64_t row0 = 0; ns_tape_wants(b, point) && row0 < n && b->rc == NS_OK; row0 += NS_ROW_BLOCK) {
        const int64_t row1 = row0 + NS_ROW_BLOCK < n ? row0 + NS_ROW_BLOCK : n;
        if (ns_wanted(b->p, b->members[0].s, point, b->layer, row0, row1))
            show_block(b, branch, (ns_keys_back){point, heads, row0, row1, first_key ? first_key(job, row0) : 0, NULL}, make, job);
    }
}

/* ---- the rows of a recurrence ---- */

typedef struct unrolled { const ns_band *b; const ns_scan *s; const float *dz; int64_t ld; const ns_keys_back *to; } unrolled;

static void head_task(void *user, int64_t h, int worker)
{
    const unrolled *const j = user;
    const ns_keys_back *const to = j->to;
    const int64_t value = j->s->value, rows = to->row1 - to->row0, ldv = j->s->v.sheet->ld;
    const float *const v = ns_cols_at(j->s->v, 0) + h / (j->s->heads / j->s->v_heads) * value;
    float *const packed = j->b->p->scratch->worker[worker].data, *const out = to->data + h * rows * to->row1;
    for (int64_t s = 0; s < to->row1; s += NS_PANEL) {
        const int64_t n = to->row1 - s < NS_PANEL ? to->row1 - s : NS_PANEL;
        ns_pack_rows(packed, v + s * ldv, n, value, ldv);
        j->b->p->math->gemm(rows, n, value, j->dz + to->row0 * j->ld + h * value, j->ld, packed, 0, out + s, to->row1, NS_GEMM_KB, false);
    }
    for (int64_t r = 0; r < rows; r++)
        memset(out + r * to->row1 + to->row0 + r + 1, 0, (size_t)(rows - r - 1) * sizeof *out);
}

static void make_unrolled(ns_band *b, void *job, const ns_keys_back *to)
{
    unrolled j = *(const unrolled *)job;
    j.to = to;
    if (ns_band_rooms(b, ns_packed_floats(NS_PANEL, j.s->value)))
        ns_engine_run(b->p->engine, j.s->heads, head_task, &j);
}

void ns_show_unrolled(ns_band *b, const ns_branch *branch, const ns_scan *s, const float *dz, int64_t ld)
{
    unrolled j = {.b = b, .s = s, .dz = dz, .ld = ld};
    ns_show_keys(b, branch, NS_POINT_PATTERN, s->heads, NULL, make_unrolled, &j);
}
