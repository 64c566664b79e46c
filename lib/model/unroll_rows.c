/* unroll_rows.c - the rows of a recurrence, z_t = sum over s of W[t, s] v_s.
 *
 *     W[t, s] = write_s p_s . k_s,  p_t = q_t,  p_(s-1) = diag(decay_s) p_s;
 *     by the delta rule p_(s-1) = diag(decay_s) (p_s - write_s (k_s . p_s) k_s),
 *
 * from the row's own position backward: O(t key) a row, from what the positions before it left in pages. The rows of a block of positions
 * go back together, each in a lane of its own, so none depends on the others: through their own block position by position, through those
 * before it a block at a time. Where decays are one number a head and nothing is compared, W is a product of q and k.
 *
 * Blocks of positions come in spans, the last first: what a span lacks is prepared, then all blocks of rows go through it. A thread takes
 * a head's block of one or the other, whichever is next. What is prepared stays for the rows of later bands, as far as there is room. */
#include "model/unroll.h"

#include <string.h>

/* SPAN: blocks, which stay in L2. KEPT_FLOATS: of what is prepared and stays, where a band asks for MANY blocks of rows. */
enum { BLOCK = NS_UNROLL_BLOCK, SPAN = 16, KEPT_FLOATS = 8 << 20, MANY = 4 };

/* Blocks [first, first + n) of positions. */
typedef struct span {
    const ns_unroll *j;
    int64_t units;                                 /* heads, or the products that heads share */
    int64_t first, n;
    int64_t prepared_floats, carried_floats;       /* of a unit and block */
    float  *carried;                               /* [units][n_blocks] from span to span */
} span;

static float *prepared_at(const span *s, int64_t unit, int64_t at)
{
    const ns_prepared *const all = &s->j->b->p->scratch->prepared;
    const int64_t slot = at < all->room ? at : all->room + at % SPAN;
    return all->buffer.data + (slot * s->units + unit) * s->prepared_floats;
}

static float *carried_at(const span *s, int64_t unit, int64_t block)
{
    return s->carried + (unit * s->j->n_blocks + block) * s->carried_floats;
}

static int64_t own_block(const ns_unrolled *rows)
{
    return rows->row0 / BLOCK;
}

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

/* Positions of a block, which a page holds whole. */
static ns_unscan steps_of(const ns_unroll *j, int64_t h, int64_t begin, int64_t n)
{
    return (ns_unscan){.n = j->s->key, .steps = n, .k = key_at(j, h, begin), .decay = decay_at(j, h, begin),
                       .write = ns_unroll_left(j, begin) + j->s->k.n + j->a.n + h, .stride = ns_unroll_floats(j), .each = decay_step(j)};
}

/* ---- the block of a row's own position, step by step ---- */

static const float *query_at(const ns_unroll *j, int64_t h, int64_t position)
{
    return ns_cols_at(j->s->q, j->m->row + position - j->m->begin) + h / (j->s->heads / j->s->q_heads) * j->s->key;
}

static void unroll_own(const ns_unroll *j, int64_t h, const ns_unrolled *block, float *p)
{
    const int64_t rows = block->row1 - block->row0, begin = own_block(block) * BLOCK;
    float o[BLOCK][BLOCK];
    ns_unscan u = steps_of(j, h, begin, block->row1 - begin);
    u.delta = j->s->delta;
    u.first = block->row0 - begin;
    u.x = query_at(j, h, block->row0);
    u.ldx = j->s->q.sheet->ld;
    j->b->p->math->unscan(&u, p, o[0]);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t at = begin; at < block->row1; at++)       /* keys behind a row's own: 0 */
            block->rows[(h * rows + r) * block->row1 + at] = at > block->row0 + r ? 0 : u.write[(at - begin) * u.stride] * o[at - begin][r];
}

/* ---- a block of positions before it, at once: what comes out is linear in p ----
 *
 * With D_s the decays from behind position s to behind the block's end, the rows of p^T K' with K'_s = D_s k_s are what each position would
 * read if none before it had been written to. By the delta rule a position r takes write_r o_r k_r away, which s < r reads as C[s, r] o_r:
 * K'_s <- K'_s - sum over r > s of C[s, r] K'_r. What is left of p is D p - sum over s of (decays back from s) write_s k_s o_s. Sums run in
 * the order of positions, and so do not depend on which rows are ns_unrolled. */
typedef struct chunk {
    float *k_packed;                       /* [key][32] K', as a product reads it */
    float *taken_packed;                   /* [panels of key][32][32] -write_s k_s as it stands before the block; the delta rule's */
    float *all;                            /* [key] the decays of the whole block */
    float *write;                          /* [32] */
} chunk;

static int64_t chunk_floats(int64_t key)
{
    return BLOCK * key + ns_packed_floats(key, BLOCK) + key + BLOCK;
}

static chunk chunk_in(float *at, int64_t key)
{
    chunk c = {.k_packed = at};
    c.taken_packed = c.k_packed + BLOCK * key;
    c.all = c.taken_packed + ns_packed_floats(key, BLOCK);
    c.write = c.all + key;
    return c;
}

/* K' [32][key] without the delta rule, all decays, and what is written. */
static void decayed_keys(const ns_unroll *j, int64_t h, int64_t begin, float *k, const chunk *c)
{
    const ns_math *const math = j->b->p->math;
    const int64_t key = j->s->key;
    for (int64_t i = 0; i < key; i++)
        c->all[i] = 1;
    for (int64_t s = BLOCK - 1; s >= 0; s--) {
        const float *const decay = decay_at(j, h, begin + s + 1);
        c->write[s] = write_at(j, h, begin + s);
        if (decay_step(j))
            math->mul(c->all, c->all, decay, key);
        else
            math->scale(c->all, key, *decay);
        math->mul(k + s * key, c->all, key_at(j, h, begin + s), key);
    }
}

/* The lane of r begins with -write_r k_r, so that what s < r reads of it is -C[s, r]. */
static void take_back(const ns_unroll *j, int64_t h, int64_t begin, float *k, float *taken)
{
    const int64_t key = j->s->key;
    float read[BLOCK][BLOCK];
    ns_unscan u = steps_of(j, h, begin, BLOCK);
    u.x = u.k;
    u.ldx = u.stride;
    u.written = true;
    j->b->p->math->unscan(&u, taken, read[0]);
    for (int64_t s = BLOCK - 1; s >= 0; s--)
        for (int64_t r = s + 1; r < BLOCK; r++)
            j->b->p->math->axpy(k + s * key, k + r * key, key, read[s][r]);
}

static void prepare_task(void *user, int64_t task, int worker)
{
    const span *const s = user;
    const ns_unroll *const j = s->j;
    const int64_t key = j->s->key, h = task / s->n, at = s->first + task % s->n;
    const chunk c = chunk_in(prepared_at(s, h, at), key);
    float *const k = j->b->p->scratch->worker[worker].data, *const taken = k + BLOCK * key;
    decayed_keys(j, h, at * BLOCK, k, &c);
    if (j->s->delta) {
        take_back(j, h, at * BLOCK, k, taken);
        ns_pack_rows(c.taken_packed, taken, key, BLOCK, BLOCK);
    }
    ns_pack_rows(c.k_packed, k, BLOCK, key, key);
}

/* p [rows][key] of a block of rows, whose h-th heads they are. */
static void unroll_chunk(const span *s, int64_t h, const ns_unrolled *block, int64_t at, const chunk *c, float *p)
{
    const ns_unroll *const j = s->j;
    const int64_t rows = block->row1 - block->row0, next = -s->units * s->prepared_floats;
    const ns_unroll_step u = {rows, j->s->key, c->k_packed, j->s->delta ? c->taken_packed : NULL, c->write, at == 0 ? NULL : c->all, next};
    j->b->p->math->unroll(&u, p, block->rows + h * rows * block->row1 + at * BLOCK, block->row1);
}

/* What its own block of positions leaves of a block of rows. */
static void begin_rows(const ns_unroll *j, int64_t h, const ns_unrolled *block, float *scratch, float *p)
{
    unroll_own(j, h, block, scratch);
    ns_turn(p, j->s->key, scratch, BLOCK, j->s->key, block->row1 - block->row0);
}

/* A head's block of rows through the span, from its own block of positions on. */
static void unroll_task(void *user, int64_t task, int worker)
{
    const span *const s = user;
    const ns_unroll *const j = s->j;
    const int64_t h = task / j->n_blocks, b = task % j->n_blocks, own = own_block(&j->blocks[b]), key = j->s->key;
    float *const scratch = j->b->p->scratch->worker[worker].data, *const p = carried_at(s, h, b);
    for (int64_t at = own < s->first + s->n ? own : s->first + s->n - 1; at >= s->first; at--) {
        const chunk c = chunk_in(prepared_at(s, h, at), key);
        if (at == own)
            begin_rows(j, h, &j->blocks[b], scratch, p);
        else
            unroll_chunk(s, h, &j->blocks[b], at, &c, p);
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

/* The own block of row t. Returns the decays from its first position to t. */
static float own_products(const ns_unroll *j, int64_t h, const ns_unrolled *block, int64_t t, const float *product)
{
    const int64_t rows = block->row1 - block->row0, begin = own_block(block) * BLOCK, n = t - begin + 1;
    float *const row = block->rows + (h * rows + t - block->row0) * block->row1, within[BLOCK];
    const float left = decays_within(j, h, begin, n, within);
    for (int64_t s = 0; s < n; s++)
        row[begin + s] = within[s] * product[(t - block->row0) * BLOCK + s];
    memset(row + t + 1, 0, (size_t)(block->row1 - t - 1) * sizeof *row);
    return left;
}

/* A block before it. decays: of its keys, then of all. left [rows]: of the positions behind it. */
static void products_before(const ns_math *math, int64_t h, const ns_unrolled *block, int64_t at, const float *product, const float *decays,
                            float *left)
{
    const int64_t rows = block->row1 - block->row0;
    math->mul_rows(block->rows + h * rows * block->row1 + at * BLOCK, block->row1, product, BLOCK, rows, BLOCK, decays, left);
    math->scale(left, rows, decays[BLOCK]);
}

static int64_t n_products(const ns_scan *s)
{
    return s->q_heads > s->k_heads ? s->q_heads : s->k_heads;
}

/* Packed keys, and the decays of each head that reads them. */
static void pack_task(void *user, int64_t task, int worker)
{
    const span *const s = user;
    const ns_unroll *const j = s->j;
    const int64_t heads = j->s->heads / n_products(j->s), unit = task / s->n, at = s->first + task % s->n, begin = at * BLOCK;
    const int64_t n = j->m->end - begin < BLOCK ? j->m->end - begin : BLOCK;
    float *const packed = prepared_at(s, unit, at), *decays = packed + j->s->key * BLOCK;
    (void)worker;
    ns_pack_rows(packed, key_at(j, unit * heads, begin), n, j->s->key, ns_unroll_floats(j));
    for (int64_t h = unit * heads; h < (unit + 1) * heads; h++, decays += BLOCK + 1)
        decays[BLOCK] = decays_within(j, h, begin, n, decays);
}

/* A block of rows of the heads that read one q and one k, through the span. */
static void product_task(void *user, int64_t task, int worker)
{
    const span *const s = user;
    const ns_unroll *const j = s->j;
    const int64_t heads = j->s->heads / n_products(j->s), unit = task / j->n_blocks, b = task % j->n_blocks, first = unit * heads;
    const ns_unrolled *const block = &j->blocks[b];
    const int64_t rows = block->row1 - block->row0, own = own_block(block), key = j->s->key;
    float *const product = j->b->p->scratch->worker[worker].data, *left = carried_at(s, unit, b);
    for (int64_t at = own < s->first + s->n ? own : s->first + s->n - 1; at >= s->first; at--) {
        const int64_t n = block->row1 - at * BLOCK < BLOCK ? block->row1 - at * BLOCK : BLOCK;
        const float *const packed = prepared_at(s, unit, at), *const decays = packed + key * BLOCK;
        j->b->p->math->gemm(rows, n, key, query_at(j, first, block->row0), j->s->q.sheet->ld, packed, 0, product, BLOCK, NS_GEMM_KB, false);
        for (int64_t h = 0; h < heads; h++) {
            for (int64_t r = 0; r < rows && at == own; r++)
                left[h * BLOCK + r] = own_products(j, first + h, block, block->row0 + r, product);
            if (at < own)
                products_before(j->b->p->math, first + h, block, at, product, decays + h * (BLOCK + 1), left + h * BLOCK);
        }
    }
}

/* ---- spans ---- */

/* Room for what is prepared: for all blocks of the session as far as they are to stay, and for those of one span. */
static int ready_room(const span *s)
{
    const ns_unroll *const j = s->j;
    ns_pass *const p = j->b->p;
    ns_prepared *const all = &p->scratch->prepared;
    const int64_t floats = s->units * s->prepared_floats, blocks = j->m->s->n_tokens / BLOCK, most = KEPT_FLOATS / floats;
    if (all->session == j->m->s && all->layer == j->b->layer)
        return NS_OK;
    *all = (ns_prepared){.buffer = all->buffer, .session = j->m->s, .layer = j->b->layer};
    all->room = j->n_blocks < MANY ? 0 : blocks < most ? blocks : most;
    return ns_buffer_need(&all->buffer, (all->room + SPAN) * floats, p->err) ? NS_OK : NS_E_MEMORY;
}

/* The blocks of a span that rows go through and that are not prepared yet. */
static void prepare_span(span s, int64_t end, ns_task_fn task)
{
    ns_prepared *const all = &s.j->b->p->scratch->prepared;
    s.n = s.first + s.n < end ? s.n : end - s.first;
    if (all->n > s.first) {
        s.n -= all->n - s.first;
        s.first = all->n;
    }
    if (s.n > 0)
        ns_engine_run(s.j->b->p->engine, s.units * s.n, task, &s);
}

int ns_unroll_rows(const ns_unroll *j)
{
    ns_pass *const p = j->b->p;
    const bool shares = !j->s->delta && !decay_step(j);
    const int64_t units = shares ? n_products(j->s) : j->s->heads, key = j->s->key, heads = j->s->heads / units;
    const int64_t last = own_block(&j->blocks[j->n_blocks - 1]);
    span s = {.j = j, .units = units, .prepared_floats = shares ? key * BLOCK + heads * (BLOCK + 1) : chunk_floats(key),
              .carried_floats = BLOCK * (shares ? heads : key)};
    ns_prepared *const all = &p->scratch->prepared;
    s.carried = ns_buffer_need(&p->scratch->carried, units * j->n_blocks * s.carried_floats, p->err);
    if (!s.carried || ready_room(&s) != NS_OK)
        return NS_E_MEMORY;
    for (s.first = last / SPAN * SPAN; s.first >= 0; s.first -= SPAN) {
        s.n = s.first + SPAN < last + 1 ? SPAN : last + 1 - s.first;
        prepare_span(s, shares ? last + 1 : last, shares ? pack_task : prepare_task);
        ns_engine_run(p->engine, units * j->n_blocks, shares ? product_task : unroll_task, &s);
    }
    all->n = last < all->room ? (last > all->n ? last : all->n) : all->room;
    return NS_OK;
}

int64_t ns_unroll_scratch(const ns_unroll *j)
{
    const int64_t keys = 2 * BLOCK * j->s->key;                /* prepare_task's */
    return keys > BLOCK * BLOCK ? keys : BLOCK * BLOCK;
}
