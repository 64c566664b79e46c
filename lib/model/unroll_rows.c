/* unroll_rows.c - the rows of a recurrence, z_t = sum over s of W[t, s] v_s.
 *
 *     W[t, s] = write_s p_s . k_s,  p_t = q_t,  p_(s-1) = diag(decay_s) p_s;
 *     by the delta rule p_(s-1) = diag(decay_s) (p_s - write_s (k_s . p_s) k_s),
 *
 * from the row's own position backward: O(t key) a row, from what the positions before it left in pages. The rows of a block of positions
 * go back together, each in a lane of its own, so none depends on the others: through their own block position by position, through those
 * before it a block at a time. Where decays are one number a head and nothing is compared, W is a product of q and k. */
#include "model/unroll.h"

#include <string.h>

enum { BLOCK = NS_UNROLL_BLOCK };

/* 32 vectors that go back side by side, each in a lane of its own: [key][32]. */
typedef struct lanes { const ns_unroll *j; int64_t h; float *p; } lanes;

static const float *key_at(const ns_unroll *j, int64_t h, int64_t position)
{
    return ns_unroll_left(j, position) + h / (j->s->heads / j->s->k_heads) * j->s->key;
}

/* How far the decays of a position lie apart: 0 where a head has one. */
static int64_t decay_step(const ns_unroll *j)
{
    return j->a.n > j->s->heads ? 1 : 0;
}

static const float *decay_at(const ns_unroll *j, int64_t h, int64_t position)
{
    return ns_unroll_left(j, position) + j->s->k.n + h * (decay_step(j) ? j->s->key : 1);
}

static float write_at(const ns_unroll *j, int64_t h, int64_t position)
{
    return ns_unroll_left(j, position)[j->s->k.n + j->a.n + h];
}

/* p <- diag(decay) p;  o = p^T k;  without decay for NULL */
static void read_lanes(const lanes *w, const float *k, const float *decay, float o[BLOCK])
{
    static const float none[BLOCK] = {0}, one = 1;
    w->j->b->p->math->scan(w->p, w->p, w->j->s->key, k, k, none, decay ? decay : &one, decay && decay_step(w->j), false, 0, false, o);
}

static void begin_lane(const lanes *w, int64_t lane, const float *x, float factor)
{
    for (int64_t i = 0; i < w->j->s->key; i++)
        w->p[i * BLOCK + lane] = factor * x[i];
}

/* ---- the block of a row's own position, step by step ---- */

static const float *query_at(const ns_unroll *j, int64_t h, int64_t position)
{
    return ns_cols_at(j->s->q, j->m->row + position - j->m->begin) + h / (j->s->heads / j->s->q_heads) * j->s->key;
}

/* Position `at` of all rows of the block that reach it. */
static void unroll_step(const lanes *w, const ns_unrolled *block, int64_t at, float o[BLOCK])
{
    static const float one = 1, none[BLOCK] = {0};
    const ns_unroll *const j = w->j;
    const float *const k = key_at(j, w->h, at);
    const float write = write_at(j, w->h, at);
    read_lanes(w, k, at + 1 < block->row1 ? decay_at(j, w->h, at + 1) : NULL, o);
    if (at >= block->row0) {
        begin_lane(w, at - block->row0, query_at(j, w->h, at), 1);
        read_lanes(w, k, NULL, o);
    }
    if (j->s->delta)
        j->b->p->math->scan(w->p, w->p, j->s->key, k, k, none, &one, false, false, write, true, (float[BLOCK]){0});
}

static void unroll_own(const lanes *w, const ns_unrolled *block)
{
    const int64_t rows = block->row1 - block->row0, begin = block->row0 / BLOCK * BLOCK;
    float o[BLOCK][BLOCK], write[BLOCK];
    memset(w->p, 0, (size_t)(w->j->s->key * BLOCK) * sizeof *w->p);
    for (int64_t at = block->row1 - 1; at >= begin; at--) {
        write[at - begin] = write_at(w->j, w->h, at);
        unroll_step(w, block, at, o[at - begin]);
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t at = begin; at < block->row1; at++)       /* keys behind a row's own: 0 */
            block->rows[(w->h * rows + r) * block->row1 + at] = at > block->row0 + r ? 0 : write[at - begin] * o[at - begin][r];
}

/* ---- a block of positions before it, at once: what comes out is linear in p ----
 *
 * With D_s the decays from behind position s to behind the block's end, the rows of p^T K' with K'_s = D_s k_s are what each position would
 * read if none before it had been written to. By the delta rule a position r takes write_r o_r k_r away, which s < r reads as C[s, r] o_r:
 * K'_s <- K'_s - sum over r > s of C[s, r] K'_r. What is left of p is D p - sum over s of (decays back from s) write_s k_s o_s. Sums run in
 * the order of positions, and so do not depend on which rows are ns_unrolled. */
typedef struct chunk {
    float *k;                              /* [32][key] K' */
    float *k_packed;                       /* [key][32] the same, as a product reads it */
    float *taken;                          /* [key][32] -write_s k_s as it stands before the block; the delta rule's */
    float *taken_packed;                   /* [panels of key][32][32] */
    float *all;                            /* [key] the decays of the whole block */
    float *write;                          /* [32] */
    float *o;                              /* [32][32], a row of p a row */
} chunk;

static int64_t chunk_floats(int64_t key)
{
    return ns_packed_floats(key, BLOCK) + (3 * BLOCK + 1) * key + (BLOCK + 1) * BLOCK;
}

static chunk chunk_in(float *at, int64_t key)
{
    chunk c = {.k = at};
    c.k_packed = c.k + BLOCK * key;
    c.taken = c.k_packed + BLOCK * key;
    c.taken_packed = c.taken + BLOCK * key;
    c.o = c.taken_packed + ns_packed_floats(key, BLOCK);
    c.write = c.o + BLOCK * BLOCK;
    c.all = c.write + BLOCK;
    return c;
}

/* K' without the delta rule, all decays, and what is written. */
static void decayed_keys(const ns_unroll *j, int64_t h, int64_t begin, const chunk *c)
{
    const int64_t key = j->s->key, step = decay_step(j);
    for (int64_t i = 0; i < key; i++)
        c->all[i] = 1;
    for (int64_t s = BLOCK - 1; s >= 0; s--) {
        const float *const decay = decay_at(j, h, begin + s + 1), *const k = key_at(j, h, begin + s);
        c->write[s] = write_at(j, h, begin + s);
        for (int64_t i = 0; i < key; i++) {
            c->all[i] *= decay[i * step];
            c->k[s * key + i] = c->all[i] * k[i];
        }
    }
}

/* The lane of r begins with -write_r k_r, so that what s < r reads of it is -C[s, r]. */
static void take_back(const ns_unroll *j, int64_t h, int64_t begin, const chunk *c)
{
    const lanes w = {j, h, c->taken};
    const int64_t key = j->s->key;
    memset(c->taken, 0, (size_t)(key * BLOCK) * sizeof *c->taken);
    for (int64_t s = BLOCK - 1; s >= 0; s--) {
        float read[BLOCK];
        read_lanes(&w, key_at(j, h, begin + s), decay_at(j, h, begin + s + 1), read);
        for (int64_t r = s + 1; r < BLOCK; r++)
            j->b->p->math->axpy(c->k + s * key, c->k + r * key, key, read[r]);
        begin_lane(&w, s, key_at(j, h, begin + s), -write_at(j, h, begin + s));
    }
}

static void prepare(const ns_unroll *j, int64_t h, int64_t begin, const chunk *c)
{
    const int64_t key = j->s->key;
    decayed_keys(j, h, begin, c);
    if (j->s->delta) {
        take_back(j, h, begin, c);
        ns_pack_rows(c->taken_packed, c->taken, key, BLOCK, BLOCK);
    }
    ns_pack_rows(c->k_packed, c->k, BLOCK, key, key);
}

static inline void multiply(float *out, const float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] * y[i];
}

/* p [rows][key] of a block of rows, whose h-th heads they are. */
static void unroll_chunk(const ns_unroll *j, int64_t h, const ns_unrolled *block, int64_t begin, const chunk *c, float *p)
{
    const ns_math *const math = j->b->p->math;
    const int64_t key = j->s->key, rows = block->row1 - block->row0;
    math->gemm(rows, BLOCK, key, p, key, c->k_packed, 0, c->o, BLOCK, NS_GEMM_KB, false);
    for (int64_t r = 0; r < rows; r++) {
        multiply(block->rows + (h * rows + r) * block->row1 + begin, c->o + r * BLOCK, c->write, BLOCK);
        multiply(p + r * key, p + r * key, c->all, key);
    }
    if (j->s->delta)
        math->gemm(rows, key, BLOCK, c->o, BLOCK, c->taken_packed, BLOCK * NS_PANEL, p, key, NS_GEMM_KB, true);
}

/* What its own block of positions leaves of a block of rows. */
static void begin_rows(const ns_unroll *j, int64_t h, const ns_unrolled *block, float *scratch, float *p)
{
    const int64_t key = j->s->key;
    const lanes w = {j, h, scratch};
    unroll_own(&w, block);
    for (int64_t r = 0; r < block->row1 - block->row0; r++)
        for (int64_t i = 0; i < key; i++)
            p[r * key + i] = scratch[i * BLOCK + r];
}

/* One head's rows: from the last block of positions to the first; each block of rows from its own on. */
static void unroll_task(void *user, int64_t h, int worker)
{
    const ns_unroll *const j = user;
    const int64_t floats = j->s->key * BLOCK;
    float *const data = j->b->p->scratch->worker[worker].data;
    const chunk c = chunk_in(data + j->n_blocks * floats, j->s->key);
    for (int64_t begin = j->blocks[j->n_blocks - 1].row0 / BLOCK * BLOCK; begin >= 0; begin -= BLOCK) {
        if (j->blocks[j->n_blocks - 1].row0 >= begin + BLOCK)      /* the last block's own needs no more, nor is there a row behind it */
            prepare(j, h, begin, &c);
        for (int64_t b = j->n_blocks - 1; b >= 0 && j->blocks[b].row1 > begin; b--)
            if (j->blocks[b].row0 >= begin + BLOCK)
                unroll_chunk(j, h, &j->blocks[b], begin, &c, data + b * floats);
            else
                begin_rows(j, h, &j->blocks[b], c.taken, data + b * floats);
    }
}

/* ---- one decay a head, and no delta rule: W[t, s] = write_s (decays from s + 1 to t) q_t . k_s, whose products heads may share ---- */

/* The decays that a block of positions lays on each of its keys: those of the positions behind it in the block. Returns that of all. */
static float decays_within(const ns_unroll *j, int64_t h, int64_t begin, int64_t n, float out[BLOCK])
{
    float all = 1;
    for (int64_t s = n - 1; s >= 0; s--) {
        out[s] = all * write_at(j, h, begin + s);
        all *= *decay_at(j, h, begin + s);
    }
    return all;
}

/* The own block of row t, and in *left the decays from its first position to t. */
static void own_products(const ns_unroll *j, int64_t h, const ns_unrolled *block, int64_t t, const float *product, float *left)
{
    const int64_t rows = block->row1 - block->row0, begin = block->row0 / BLOCK * BLOCK, n = t - begin + 1;
    float *const row = block->rows + (h * rows + t - block->row0) * block->row1, within[BLOCK];
    *left = decays_within(j, h, begin, n, within);
    for (int64_t s = 0; s < n; s++)
        row[begin + s] = within[s] * product[(t - block->row0) * BLOCK + s];
    memset(row + t + 1, 0, (size_t)(block->row1 - t - 1) * sizeof *row);
}

/* A block before it. */
static void products_before(const ns_unroll *j, int64_t h, const ns_unrolled *block, int64_t begin, const float *product, float left[BLOCK])
{
    const int64_t rows = block->row1 - block->row0;
    float within[BLOCK];
    const float all = decays_within(j, h, begin, BLOCK, within);
    for (int64_t r = 0; r < rows; r++) {
        float *restrict const row = block->rows + (h * rows + r) * block->row1 + begin;
        for (int64_t s = 0; s < BLOCK; s++)
            row[s] = within[s] * left[r] * product[r * BLOCK + s];
        left[r] *= all;
    }
}

static int64_t n_products(const ns_scan *s)
{
    return s->q_heads > s->k_heads ? s->q_heads : s->k_heads;
}

/* A block of rows of the heads that read one q and one k. */
static void product_task(void *user, int64_t task, int worker)
{
    const ns_unroll *const j = user;
    const int64_t key = j->s->key, heads = j->s->heads / n_products(j->s), first = task / j->n_blocks * heads;
    const ns_unrolled *const block = &j->blocks[task % j->n_blocks];
    const int64_t rows = block->row1 - block->row0, own = block->row0 / BLOCK * BLOCK;
    float *const packed = j->b->p->scratch->worker[worker].data, *const product = packed + key * BLOCK;
    float *const left = product + BLOCK * BLOCK;
    for (int64_t begin = own; begin >= 0; begin -= BLOCK) {
        const int64_t n = block->row1 - begin < BLOCK ? block->row1 - begin : BLOCK;
        ns_pack_rows(packed, key_at(j, first, begin), n, key, ns_unroll_floats(j));
        j->b->p->math->gemm(rows, n, key, query_at(j, first, block->row0), j->s->q.sheet->ld, packed, 0, product, BLOCK, NS_GEMM_KB, false);
        for (int64_t h = first; h < first + heads; h++) {
            float *const of = left + (h - first) * BLOCK;
            for (int64_t t = block->row0; t < block->row1 && begin == own; t++)
                own_products(j, h, block, t, product, &of[t - block->row0]);
            if (begin < own)
                products_before(j, h, block, begin, product, of);
        }
    }
}

void ns_unroll_rows(const ns_unroll *j)
{
    const bool shares = !j->s->delta && !decay_step(j);
    ns_engine_run(j->b->p->engine, shares ? n_products(j->s) * j->n_blocks : j->s->heads, shares ? product_task : unroll_task,
                  (void *)(uintptr_t)j);
}

int64_t ns_unroll_scratch(const ns_unroll *j)
{
    const int64_t key = j->s->key;
    return j->n_blocks * BLOCK * key + chunk_floats(key) + j->s->heads * BLOCK;
}
