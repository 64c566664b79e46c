/* attention.c - rows of softmax(scale q.k) v, in blocks of 32 absolute positions.
 *
 * scores S[heads x rows, keys] = (scale q) K^T over pages -> soft-cap -> mask -> softmax (f64 over pages) -> z = P V, a page a K-block.
 * The keys of a block run from its first row's window to its last position, whatever rows the call holds, so a row's bits depend on
 * nothing but its own position. Probabilities are normalised before P V: what a hook sees is what is multiplied. Blocks that hooks look at
 * are staged for all heads; the others live and die in a worker's buffer. */
#include "model/tape.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 32, SCORES = 1, SOFTMAX = 2, TIMES_V = 4, TASK_BYTES = 1 << 20, MAX_STAGED = 16 };

typedef struct block { int64_t row0, row1, key0, key1; float *staged; } block;    /* staged: [H][row1 - row0][key1 - key0] or NULL */

typedef struct attn_job {
    const ns_band *band;
    const ns_member *m;
    const ns_attn *a;
    const ns_kv   *kv;
    const ns_math *math;
    ns_cols        q, z;                                       /* z is empty where nothing deeper than the pattern is needed */
    int64_t        group, heads_per_task, chunks;    /* group: heads per KV head; chunks of a group */
    const block   *blocks;
    int64_t        n_blocks;
    ns_buffer     *worker;
    int            needed, phases;                             /* of all steps; of this run */
    const float   *sinks;                                      /* [H] or NULL */
    bool           mask_whole;                                 /* a hook sees the scores: -inf everywhere it is masked */
} attn_job;

static int64_t align_down(int64_t x)
{
    return x / BLOCK * BLOCK;
}

/* First key that heads [h0, h1) of the block starting at `begin` may see, aligned. */
static int64_t first_key(const ns_attn *a, int64_t begin, int64_t h0, int64_t h1)
{
    int64_t first = begin;
    for (int64_t h = h0; h < h1; h++) {
        const int64_t key = ns_attn_first_key(a, h, begin);
        first = key < first ? key : first;
    }
    return align_down(first);
}

/* ---- the steps of one task: heads [h0, h1) of one KV group, rows of one block; S[(h1 - h0) * rows][ld] ---- */

typedef struct tile { int64_t h0, h1, g, row0, row1, key0, key1, ld; float *S; } tile;

static void stack_queries(const attn_job *j, const tile *t, float *qs)
{
    const int64_t d = j->a->head_dim;
    for (int64_t h = t->h0; h < t->h1; h++)
        for (int64_t r = t->row0; r < t->row1; r++, qs += d) {
            const float *q = ns_cols_at(j->q, j->m->row + r - j->m->begin) + h * d;
            for (int64_t i = 0; i < d; i++)
                qs[i] = q[i] * j->a->scale;
        }
}

static void tile_scores(const attn_job *j, const tile *t, float *qs)
{
    const int64_t d = j->a->head_dim, M = (t->h1 - t->h0) * (t->row1 - t->row0);
    stack_queries(j, t, qs);
    for (int64_t k = t->key0, end; k < t->key1; k = end) {
        end = (k / NS_PAGE + 1) * NS_PAGE < t->key1 ? (k / NS_PAGE + 1) * NS_PAGE : t->key1;
        const float *kt = j->kv->pages[k / NS_PAGE]->k + t->g * ns_kv_k_floats(j->a) + k % NS_PAGE / NS_PANEL * d * NS_PANEL;
        j->math->gemm(M, end - k, d, qs, d, kt, d * NS_PANEL, t->S + (k - t->key0), t->ld, NS_GEMM_KB, false);
    }
    if (j->a->softcap > 0)
        for (int64_t i = 0; i < M; i++)
            j->math->softcap(t->S + i * t->ld, t->key1 - t->key0, j->a->softcap);
}

static void fill(float *s, int64_t begin, int64_t end, float value)
{
    for (int64_t i = begin; i < end; i++)
        s[i] = value;
}

static double exp_of(const ns_math *math, float x)
{
    math->exp(&x, &x, 1);
    return (double)x;
}

/* One row whose visible keys are [lo, hi); s[0] is key0. Cells outside become 0. sink: a logit that is of no key; NULL: none. */
static void softmax_row(const ns_math *math, float *s, int64_t key0, int64_t key1, int64_t lo, int64_t hi, const float *sink)
{
    int64_t a0 = align_down(lo), a1 = align_down(hi + BLOCK - 1);
    float max = math->max(s + (lo - key0), hi - lo);
    fill(s, 0, a0 - key0, 0);
    fill(s, a1 - key0, key1 - key0, 0);
    if (max == -INFINITY) {                    /* an edit hid every key: the row attends to nothing */
        fill(s, a0 - key0, a1 - key0, 0);
        return;
    }
    fill(s, a0 - key0, lo - key0, -INFINITY);
    fill(s, hi - key0, a1 - key0, -INFINITY);
    max = sink && *sink > max ? *sink : max;
    double sum = math->exp_sum(s + (a0 - key0), a1 - a0, a0, max);
    sum += sink ? exp_of(math, *sink - max) : 0;
    math->scale(s + (a0 - key0), a1 - a0, (float)(1.0 / sum));
}

static void tile_rows(const attn_job *j, const tile *t, bool softmax)
{
    float *s = t->S;
    for (int64_t h = t->h0; h < t->h1; h++) {
        for (int64_t r = t->row0; r < t->row1; r++, s += t->ld) {
            const ns_seen_keys keys = ns_attn_seen_keys(j->a, h, r);
            fill(s, keys.gap - t->key0, keys.after - t->key0, -INFINITY);
            if (softmax) {
                softmax_row(j->math, s, t->key0, t->key1, keys.first, r + 1, j->sinks ? j->sinks + h : NULL);
            } else {
                fill(s, 0, keys.first - t->key0, -INFINITY);
                fill(s, r + 1 - t->key0, t->key1 - t->key0, -INFINITY);
            }
        }
    }
}

static void tile_times_v(const attn_job *j, const tile *t, float *zs)
{
    const int64_t d = j->a->head_dim, M = (t->h1 - t->h0) * (t->row1 - t->row0);
    for (int64_t k = t->key0, end; k < t->key1; k = end) {
        end = (k / NS_PAGE + 1) * NS_PAGE < t->key1 ? (k / NS_PAGE + 1) * NS_PAGE : t->key1;
        const float *v = j->kv->pages[k / NS_PAGE]->v + t->g * ns_kv_v_floats(j->a) + k % NS_PAGE * NS_PANEL;
        j->math->gemm(M, d, end - k, t->S + (k - t->key0), t->ld, v, NS_PAGE * NS_PANEL, zs, d, NS_PAGE, k > t->key0);
    }
    for (int64_t h = t->h0; h < t->h1; h++)
        for (int64_t r = t->row0; r < t->row1; r++, zs += d) {
            float *z = ns_cols_at(j->z, j->m->row + r - j->m->begin) + h * d;
            for (int64_t i = 0; i < d; i++)
                z[i] = zs[i] + 0.0f;           /* -0 and +0 are one: masked keys may only have added zeros */
        }
}

static void attn_task(void *user, int64_t task, int worker)
{
    const attn_job *j = user;
    const int64_t per_block = j->a->n_kv_heads * j->chunks, d = j->a->head_dim;
    const block *b = &j->blocks[j->n_blocks - 1 - task / per_block];       /* the longest first */
    tile t = {.g = task % per_block / j->chunks, .row0 = b->row0, .row1 = b->row1, .key0 = b->key0, .key1 = b->key1};
    t.h0 = t.g * j->group + task % j->chunks * j->heads_per_task;
    t.h1 = t.h0 + j->heads_per_task < (t.g + 1) * j->group ? t.h0 + j->heads_per_task : (t.g + 1) * j->group;
    float *qs = j->worker[worker].data, *zs = qs + j->heads_per_task * BLOCK * d;
    if (b->staged) {
        t.ld = t.key1 - t.key0;
        t.S = b->staged + t.h0 * (b->row1 - b->row0) * t.ld;
    } else {
        t.key0 = first_key(j->a, align_down(b->row0), t.h0, t.h1);
        t.ld = t.key1 - t.key0;
        t.S = zs + j->heads_per_task * BLOCK * d;
    }
    if (j->phases & SCORES)
        tile_scores(j, &t, qs);
    if ((j->phases & SCORES) && j->mask_whole)
        tile_rows(j, &t, false);
    if (j->phases & SOFTMAX)
        tile_rows(j, &t, true);
    if (j->phases & TIMES_V)
        tile_times_v(j, &t, zs);
}

static void run(ns_pass *p, attn_job *j, const block *blocks, int64_t n, int phases)
{
    j->blocks = blocks;
    j->n_blocks = n;
    j->phases = phases;
    ns_engine_run(p->engine, n * j->a->n_kv_heads * j->chunks, attn_task, j);
}

/* ---- blocks that hooks look at ---- */

static int deliver_blocks(ns_pass *p, const attn_job *j, const block *blocks, int64_t n, ns_point point)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        const block *b = &blocks[i];
        const int64_t rows = b->row1 - b->row0, ld = b->key1 - b->key0;
        ns_view v = ns_view_of(b->staged, NS_F32, 3, (int64_t[]) { j->a->n_heads, rows, ld });
        v.shape[2] = b->row1 - b->key0;
        rc = ns_deliver(p, j->m->session, point, j->band->layer, b->row0, &v, j->band->branch, b->key0);
    }
    return rc;
}

static int run_staged(ns_pass *p, attn_job *j, const block *blocks, int64_t n)
{
    const int64_t layer = j->band->layer;
    int todo = j->needed, rc = NS_OK;
    j->mask_whole = ns_hooks_any(p->hooks, NS_POINT_SCORES, layer);
    if (j->mask_whole) {
        run(p, j, blocks, n, SCORES);
        todo &= ~SCORES;
        rc = deliver_blocks(p, j, blocks, n, NS_POINT_SCORES);
    }
    if (rc == NS_OK && ns_hooks_edit(p->hooks, NS_POINT_PATTERN, layer)) {
        run(p, j, blocks, n, todo & ~TIMES_V);
        todo &= TIMES_V;
        rc = deliver_blocks(p, j, blocks, n, NS_POINT_PATTERN);
        if (rc == NS_OK)
            run(p, j, blocks, n, todo);
        return rc;
    }
    if (rc != NS_OK)
        return rc;
    run(p, j, blocks, n, todo);
    return deliver_blocks(p, j, blocks, n, NS_POINT_PATTERN);
}

/* Gives a block its place in the staging buffer; false when the buffer is full. */
static bool stage(block *b, const ns_attn *a, float *buffer, int64_t *used, int64_t room)
{
    b->key0 = first_key(a, align_down(b->row0), 0, a->n_heads);
    int64_t need = a->n_heads * (b->row1 - b->row0) * (b->key1 - b->key0);
    if (*used + need > room)
        return false;
    b->staged = buffer + *used;
    *used += need;
    return true;
}

/* Rows before somebody looks at them: who looks at scores too sees those of many blocks before the first pattern (hooks.h: order). */
static int64_t staged_floats(const ns_pass *p, const attn_job *j)
{
    enum { WITH_SCORES = (64 << 20) / 4 };
    return ns_hooks_any(p->hooks, NS_POINT_SCORES, j->band->layer) ? WITH_SCORES : ns_pass_shown_floats(p);
}

static int attend_staged(ns_pass *p, attn_job *j, block *blocks, int64_t n)
{
    int64_t room = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t most = j->a->n_heads * (blocks[i].row1 - blocks[i].row0) * blocks[i].key1;
        room = most > room ? most : room;
    }
    const int64_t some = staged_floats(p, j);
    room = room > some ? room : some < room * n ? some : room * n;
    float *buffer = ns_buffer_need(&p->scratch->staged, room, p->err);
    int rc = buffer ? NS_OK : NS_E_MEMORY;
    for (int64_t first = 0, last; first < n && rc == NS_OK; first = last) {
        int64_t used = 0;
        for (last = first; last < n && last - first < MAX_STAGED && stage(&blocks[last], j->a, buffer, &used, room);)
            last++;
        rc = run_staged(p, j, blocks + first, last - first);
    }
    return rc;
}

static void share_out(attn_job *j, int64_t keys)
{
    int64_t fit = TASK_BYTES / (BLOCK * keys * (int64_t)sizeof(float));
    j->group = j->a->n_heads / j->a->n_kv_heads;
    j->heads_per_task = fit < 1 ? 1 : fit > 4 ? 4 : fit;
    j->heads_per_task = j->heads_per_task > j->group ? j->group : j->heads_per_task;
    j->chunks = (j->group + j->heads_per_task - 1) / j->heads_per_task;
}

/* A block of positions, cut to its rows in [from, to). */
static block rows_from(int64_t at, int64_t from, int64_t to)
{
    return (block){from > at ? from : at, to < at + BLOCK ? to : at + BLOCK, 0, at + BLOCK, NULL};
}

typedef struct parts { block plain[2 * (NS_BAND_ROWS / BLOCK + 1)], watched[NS_BAND_ROWS / BLOCK + 1]; int64_t n_plain, n_watched; } parts;

/* Only the rows between those that hooks look at are staged: few, where answers are read of long cases. */
static void divide(const attn_job *j, int64_t at, parts *p)
{
    const block whole = rows_from(at, j->m->begin, j->m->end);
    int64_t from = whole.row0, to = whole.row1;
    if (!ns_band_shows(j->band, NS_POINT_PATTERN) ||
        !ns_wanted_rows(j->band->p, j->m->s, j->band->layer, NS_POINT_SCORES, NS_POINT_PATTERN, &from, &to))
        from = to = whole.row1;
    if (from > whole.row0)
        p->plain[p->n_plain++] = rows_from(at, whole.row0, from);
    if (to > from)
        p->watched[p->n_watched++] = rows_from(at, from, to);
    if (whole.row1 > to)
        p->plain[p->n_plain++] = rows_from(at, to, whole.row1);
}

/* The rows of one session. */
static int attend(ns_pass *p, attn_job j)
{
    const ns_attn *const a = j.a;
    const ns_member *const m = j.m;
    parts all = {.n_plain = 0};
    int64_t keys = 0;
    for (int64_t r = align_down(m->begin); r < m->end; r += BLOCK) {
        divide(&j, r, &all);
        const int64_t n = r + BLOCK - first_key(a, r, 0, a->n_heads);
        keys = n > keys ? n : keys;
    }
    share_out(&j, keys);
    for (int w = 0; w < p->scratch->n_workers; w++)
        if (!ns_buffer_need(&p->scratch->worker[w], j.heads_per_task * BLOCK * (2 * a->head_dim + keys), p->err))
            return NS_E_MEMORY;
    if (all.n_plain && j.z.sheet)
        run(p, &j, all.plain, all.n_plain, j.needed);
    return all.n_watched ? attend_staged(p, &j, all.watched, all.n_watched) : NS_OK;
}

ns_cols ns_band_attend(ns_band *b, const ns_attn *a, ns_cols q, int sinks)
{
    ns_pass *const p = b->p;
    if (!ns_band_past(b, NS_POINT_ROT_Q))
        return (ns_cols){0};
    const float *const sink = b->weights->gains[sinks].gain;
    if (b->tape)
        return b->rc == NS_OK ? ns_tape_attend(b, a, q, sink ? &b->weights->gains[sinks] : NULL) : (ns_cols){0};
    const ns_cols z = ns_band_past(b, NS_POINT_PATTERN) ? ns_band_new(b, a->n_heads * a->head_dim) : (ns_cols){0};
    for (int i = 0; i < b->n_members && b->rc == NS_OK; i++) {
        const ns_member *const m = &b->members[i];
        b->rc = attend(p, (attn_job){
            .band = b, .m = m, .a = a, .kv = &m->s->kv[b->layer], .math = p->math, .q = q, .z = z, .worker = p->scratch->worker,
            .sinks = sink, .needed = z.sheet ? SCORES | SOFTMAX | TIMES_V : SCORES | SOFTMAX});
    }
    return z;
}
