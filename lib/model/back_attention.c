/* back_attention.c - attention on a tape, forward and back: whole sequences, each head for itself.
 *
 * per head and block of 16 rows, over the keys that the mask allows (multiples of 16):
 *     S = cap(q K^T)  ->  P = softmax(S)  ->  z = P V        (q is scaled already, as attention.c scales it)
 *     dP = dz V^T  ->  dS = P (dP - sum P dP), through the cap  ->  dq = dS K,  dK += dS^T q,  dV += P^T dz
 * z has the bits of attention.c. The heads of a group share keys, and add to their gradients in order: a group is a task. */
#include "model/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    ns_band        *b;
    const ns_attn  *a;
    const ns_cols  *q, *k, *v, *z;
    const ns_kept  *kept;                      /* patterns; NULL: computed anew on the way back */
    const ns_gains *sinks;                     /* [H]; NULL: none */
    double         *dsinks;                    /* [members][H] */
    const float    *dz;
    const ns_keys_back *look;                  /* one block of derivatives is made and no more */
    float          *dq, *dk, *dv;
    bool            seeded;                    /* points of the layer have seeds */
    int64_t         padded;                    /* of the longest sequence */
    ns_buffer      *worker;
} job;

typedef struct head {
    const job *j;
    int64_t    index, n, padded, window;
    const float *q, *k, *v, *dz;               /* of the sequence's first row */
    float      *z, *dq, *dk, *dv;
    double     *dsink;
    float      *pattern, *kt, *vt, *dp, *capped;
    bool        keeps;
} head;

typedef struct block { int64_t r0, rows, key0, width, keys; } block;      /* keys: those that exist of `width` */

static int64_t padded_of(int64_t n)
{
    return (n + NS_ROW_BLOCK - 1) / NS_ROW_BLOCK * NS_ROW_BLOCK;
}

static int64_t first_key(const ns_attn *a, int64_t index, int64_t r0)
{
    return ns_attn_first_key(a, index, r0) / NS_ROW_BLOCK * NS_ROW_BLOCK;
}

static block block_at(const head *h, int64_t r0)
{
    block b = {.r0 = r0, .key0 = first_key(h->j->a, h->index, r0)};
    b.rows = h->n - r0 < NS_ROW_BLOCK ? h->n - r0 : NS_ROW_BLOCK;
    b.width = r0 + NS_ROW_BLOCK - b.key0;
    b.keys = r0 + b.rows - b.key0;
    return b;
}

static int64_t pattern_floats(const ns_attn *a, int64_t index, int64_t n)
{
    int64_t floats = 0;
    for (int64_t r0 = 0; r0 < n; r0 += NS_ROW_BLOCK)
        floats += NS_ROW_BLOCK * (r0 + NS_ROW_BLOCK - first_key(a, index, r0));
    return floats;
}

/* out[d, padded] = x[n, d]^T; columns from n on are 0. */
static void transpose(const head *h, float *out, const float *x, int64_t ld)
{
    for (int64_t j0 = 0; j0 < h->padded; j0 += NS_ROW_BLOCK)
        for (int64_t i = 0; i < h->j->a->head_dim; i++)
            for (int64_t j = j0; j < j0 + NS_ROW_BLOCK; j++)
                out[i * h->padded + j] = j < h->n ? x[j * ld + i] : 0;
}

static void scores(const head *h, const block *b, float *s)
{
    const ns_math *const math = h->j->b->p->math;
    const int64_t ld = h->j->q->sheet->ld;
    math->gemm_nn(b->rows, b->width, h->j->a->head_dim, h->q + b->r0 * ld, ld, h->kt + b->key0, h->padded, s, b->width, NS_GEMM_KB, false);
    for (int64_t r = 0; r < b->rows && h->j->a->softcap > 0; r++)
        math->softcap(s + r * b->width, b->width, h->j->a->softcap);
}

static void fill(float *s, int64_t from, int64_t to, float value)
{
    for (int64_t i = from; i < to; i++)
        s[i] = value;
}

/* A row beside a logit that no key has: what it sums to falls short of 1 by the sink's share. The bits of attention.c. */
static void sink_row(const head *h, const block *b, int64_t row, float *s)
{
    const ns_math *const math = h->j->b->p->math;
    const int64_t lo = ns_attn_first_key(h->j->a, h->index, row) - b->key0, hi = row + 1 - b->key0;
    const int64_t a0 = lo / NS_ROW_BLOCK * NS_ROW_BLOCK, a1 = (hi + NS_ROW_BLOCK - 1) / NS_ROW_BLOCK * NS_ROW_BLOCK;
    const float sink = h->j->sinks->gain[h->index], most = math->max(s + lo, hi - lo), top = sink > most ? sink : most;
    float rest = sink - top;
    fill(s, 0, a0, 0);
    fill(s, a0, lo, -INFINITY);
    fill(s, hi, a1, -INFINITY);
    fill(s, a1, b->width, 0);
    math->exp(&rest, &rest, 1);
    const double sum = math->exp_sum(s + a0, a1 - a0, b->key0 + a0, top) + (double)rest;
    math->scale(s + a0, a1 - a0, (float)(1.0 / sum));
}

static void hide_gaps(const head *h, const block *b, float *s)
{
    for (int64_t r = b->r0; r < b->r0 + b->rows; r++, s += b->width) {
        const ns_seen_keys keys = ns_attn_seen_keys(h->j->a, h->index, r);
        fill(s, keys.gap - b->key0, keys.after - b->key0, -INFINITY);
    }
}

static void pattern(const head *h, const block *b, float *p)
{
    const ns_math *const math = h->j->b->p->math;
    const ns_attn *const a = h->j->a;
    scores(h, b, p);
    if (a->cut)
        hide_gaps(h, b, p);
    if (h->j->sinks)
        for (int64_t r = 0; r < b->rows; r++)
            sink_row(h, b, b->r0 + r, p + r * b->width);
    else if (a->chunk || a->cut)
        for (int64_t r = b->r0; r < b->r0 + b->rows; r++)
            math->softmax(p + (r - b->r0) * b->width, b->width, 1, r, b->key0, b->width, r - ns_attn_first_key(a, h->index, r) + 1);
    else
        math->softmax(p, b->width, b->rows, b->r0, b->key0, b->width, h->window);
}

/* The sink's own derivative: its share times what the row has of dP in the mean. */
static void sink_back(const head *h, const block *b, const float *p)
{
    for (int64_t r = 0; r < b->rows; r++) {
        double share = 1, mean = 0;
        for (int64_t i = 0; i < b->width; i++) {
            share -= (double)p[r * b->width + i];
            mean += (double)p[r * b->width + i] * (double)h->dp[r * b->width + i];
        }
        *h->dsink -= share * mean;
    }
}

/* The engine's pages: a chain of products ends where a page of keys does. */
static void times_v(const head *h, const block *b, const float *p)
{
    const int64_t d = h->j->a->head_dim, ld = h->j->v->sheet->ld, ldz = h->j->z->sheet->ld;
    for (int64_t k = b->key0, end; k < b->key0 + b->keys; k = end) {
        end = (k / NS_PAGE + 1) * NS_PAGE < b->key0 + b->keys ? (k / NS_PAGE + 1) * NS_PAGE : b->key0 + b->keys;
        h->j->b->p->math->gemm_nn(b->rows, d, end - k, p + (k - b->key0), b->width, h->v + k * ld, ld, h->z + b->r0 * ldz, ldz, NS_PAGE,
                                  k > b->key0);
    }
}

static void head_forward(const head *h)
{
    float *p = h->pattern;
    for (int64_t r0 = 0; r0 < h->n; r0 += NS_ROW_BLOCK) {
        const block b = block_at(h, r0);
        pattern(h, &b, p);
        times_v(h, &b, p);
        p += h->keeps ? NS_ROW_BLOCK * b.width : 0;
    }
}

/* dS <- dS (1 - (s / cap)^2) */
static void cap_back(const head *h, const block *b, float *ds)
{
    const float cap = h->j->a->softcap;
    scores(h, b, h->capped);
    for (int64_t i = 0; i < b->rows * b->width; i++)
        ds[i] *= 1 - h->capped[i] / cap * (h->capped[i] / cap);
}

/* Seeds of a block's visible keys, onto h->dp. */
static void add_seeds(const head *h, const block *b, ns_point point)
{
    for (int64_t r = 0; h->j->seeded && r < b->rows; r++) {
        const ns_seen_keys keys = ns_attn_seen_keys(h->j->a, h->index, b->r0 + r);
        float *const dp = h->dp + r * b->width - b->key0;
        ns_seed_keys(h->j->b, point, h->index, b->r0 + r, keys.first, keys.gap, dp + keys.first);
        ns_seed_keys(h->j->b, point, h->index, b->r0 + r, keys.after, b->r0 + r + 1, dp + keys.after);
    }
}

static void pattern_back(const head *h, const block *b)
{
    const int64_t d = h->j->a->head_dim, ldz = h->j->z->sheet->ld;
    h->j->b->p->math->gemm_nn(b->rows, b->width, d, h->dz + b->r0 * ldz, ldz, h->vt + b->key0, h->padded, h->dp, b->width, NS_GEMM_KB,
                              false);
    add_seeds(h, b, NS_POINT_PATTERN);
}

static void scores_back(const head *h, const block *b, const float *p)
{
    h->j->b->p->math->softmax_back(h->dp, p, b->rows, b->width);
    add_seeds(h, b, NS_POINT_SCORES);
}

static void block_back(const head *h, const block *b, const float *p)
{
    const job *const j = h->j;
    const ns_math *const math = j->b->p->math;
    const int64_t d = j->a->head_dim, ldq = j->q->sheet->ld, ldk = j->k->sheet->ld, ldv = j->v->sheet->ld, ldz = j->z->sheet->ld;
    const float *const dz = h->dz + b->r0 * ldz;
    pattern_back(h, b);
    math->gemm_tn(b->keys, d, b->rows, p, b->width, dz, ldz, h->dv + b->key0 * ldv, ldv, NS_GEMM_KB, true);
    if (h->j->sinks)
        sink_back(h, b, p);
    scores_back(h, b, p);
    if (j->a->softcap > 0)
        cap_back(h, b, h->dp);
    math->gemm_nn(b->rows, d, b->keys, h->dp, b->width, h->k + b->key0 * ldk, ldk, h->dq + b->r0 * ldq, ldq, NS_GEMM_KB, false);
    math->gemm_tn(b->keys, d, b->rows, h->dp, b->width, h->q + b->r0 * ldq, ldq, h->dk + b->key0 * ldk, ldk, NS_GEMM_KB, true);
    for (int64_t r = b->r0; r < b->r0 + b->rows; r++)
        math->scale(h->dq + r * ldq, d, j->a->scale);
}

static void head_back(const head *h)
{
    float *p = h->pattern;
    for (int64_t r0 = 0; r0 < h->n; r0 += NS_ROW_BLOCK) {
        const block b = block_at(h, r0);
        if (!h->keeps)
            pattern(h, &b, p);
        block_back(h, &b, p);
        p += h->keeps ? NS_ROW_BLOCK * b.width : 0;
    }
}

/* The derivatives by the keys that the rows of one block see. */
static void head_look(const head *h)
{
    const ns_keys_back *const to = h->j->look;
    const block b = block_at(h, to->row0);
    const int64_t ld = to->row1 - to->key0;
    pattern(h, &b, h->pattern);
    pattern_back(h, &b);
    if (to->point == NS_POINT_SCORES)
        scores_back(h, &b, h->pattern);
    for (int64_t r = 0; r < b.rows; r++) {
        const ns_seen_keys keys = ns_attn_seen_keys(h->j->a, h->index, b.r0 + r);
        float *const out = to->data + (h->index * b.rows + r) * ld;
        const float *const dp = h->dp + r * b.width;
        memcpy(out + keys.first - to->key0, dp + keys.first - b.key0, (size_t)(keys.gap - keys.first) * sizeof *out);
        memcpy(out + keys.after - to->key0, dp + keys.after - b.key0, (size_t)(b.r0 + r + 1 - keys.after) * sizeof *out);
    }
}

/* ---- a group of heads of one sequence ---- */

static const float *at_row(ns_cols c, int64_t row, int64_t first)
{
    return ns_cols_at(c, row) + first;
}

static float *grad_at(float *grad, ns_cols c, int64_t row, int64_t first)
{
    return grad ? grad + row * c.sheet->ld + first : NULL;
}

/* Head i of group g of member m, in a worker's room: K^T, V^T, dP, a block of scores and, where none are kept, one of patterns. */
static head head_of(const job *j, int64_t m, int64_t i, int worker)
{
    const ns_attn *const a = j->a;
    const int64_t d = a->head_dim, row = j->b->members[m].row, g = i / (a->n_heads / a->n_kv_heads);
    head h = {.j = j, .n = j->b->members[m].end, .index = i, .window = ns_attn_window(a, i), .keeps = j->kept != NULL};
    h.padded = padded_of(h.n);
    h.q = at_row(*j->q, row, i * d);
    h.k = at_row(*j->k, row, g * d);
    h.v = at_row(*j->v, row, g * d);
    h.z = j->dz ? NULL : ns_cols_at(*j->z, row) + i * d;       /* the way back has no use for it */
    h.dz = j->dz ? j->dz + row * j->z->sheet->ld + i * d : NULL;
    h.dq = grad_at(j->dq, *j->q, row, i * d);
    h.dk = grad_at(j->dk, *j->k, row, g * d);
    h.dv = grad_at(j->dv, *j->v, row, g * d);
    h.dsink = j->dsinks ? j->dsinks + m * a->n_heads + i : NULL;
    h.kt = j->worker[worker].data;
    h.vt = h.kt + d * j->padded;
    h.dp = h.vt + d * j->padded + NS_PANEL;
    h.capped = h.dp + NS_ROW_BLOCK * j->padded;
    h.pattern = h.keeps ? j->kept->pattern.data + j->kept->at[m * a->n_heads + i] : h.capped + NS_ROW_BLOCK * j->padded;
    return h;
}

static void group_task(void *user, int64_t task, int worker)
{
    const job *const j = user;
    const int64_t G = j->a->n_kv_heads, group = j->a->n_heads / G, m = task / G, first = task % G * group;
    for (int64_t i = first; i < first + group; i++) {
        const head h = head_of(j, m, i, worker);
        if (i == first && (!j->dz || !h.keeps || j->a->softcap > 0))
            transpose(&h, h.kt, h.k, j->k->sheet->ld);
        if (i == first && j->dz)
            transpose(&h, h.vt, h.v, j->v->sheet->ld);
        (j->look ? head_look : j->dz ? head_back : head_forward)(&h);
    }
}

static int run(job *j)
{
    ns_band *const b = j->b;
    for (int i = 0; i < b->n_members; i++)
        j->padded = padded_of(b->members[i].end) > j->padded ? padded_of(b->members[i].end) : j->padded;
    const int64_t floats = 2 * j->a->head_dim * j->padded + 2 * NS_PANEL + 3 * NS_ROW_BLOCK * j->padded;
    j->worker = b->p->scratch->worker;
    for (int w = 0; w < b->p->scratch->n_workers && b->rc == NS_OK; w++)
        if (!ns_buffer_need(&j->worker[w], floats, b->p->err))
            b->rc = NS_E_MEMORY;
    if (b->rc == NS_OK)
        ns_engine_run(b->p->engine, b->n_members * j->a->n_kv_heads, group_task, j);
    return b->rc;
}

/* ---- what the tape keeps ---- */

static ns_kept *new_kept(ns_tape *t)
{
    const int64_t was = t->kept_capacity;
    if (!ns_grow(&t->kept, &t->kept_capacity, t->n_attends + 1, sizeof *t->kept))
        return NULL;
    memset(t->kept + was, 0, (size_t)(t->kept_capacity - was) * sizeof *t->kept);
    return &t->kept[t->n_attends];
}

static int place_patterns(ns_band *b, const ns_attn *a)
{
    ns_kept *const kept = new_kept(b->tape);
    int64_t floats = 0;
    if (!kept || !ns_grow(&kept->at, &kept->capacity, b->n_members * a->n_heads, sizeof *kept->at))
        return ns_oom(b->p->err, "patterns on a tape");
    for (int64_t i = 0; i < b->n_members * a->n_heads; i++) {
        kept->at[i] = floats;
        floats += pattern_floats(a, i % a->n_heads, b->members[i / a->n_heads].end);
    }
    return ns_buffer_need(&kept->pattern, floats, b->p->err) ? NS_OK : NS_E_MEMORY;
}

/* ---- points on the way back ---- */

static int64_t first_of_heads(const void *user, int64_t r0)
{
    const ns_attn *const a = ((const job *)user)->a;
    int64_t first = r0;
    for (int64_t h = 0; h < a->n_heads; h++)
        first = first_key(a, h, r0) < first ? first_key(a, h, r0) : first;
    return first;
}

static void look(ns_band *b, void *user, const ns_keys_back *to)
{
    job j = *(const job *)user;
    j.look = to;
    b->rc = run(&j);
}

/* Hooks read the derivatives by the pattern and the scores, with what seeds there add to them. */
static void look_at_keys(ns_band *b, const ns_branch *branch, job *j)
{
    static const ns_point points[] = {NS_POINT_PATTERN, NS_POINT_SCORES};
    j->seeded = true;
    for (int i = 0; i < 2; i++)
        ns_show_keys(b, branch, points[i], j->a->n_heads, first_of_heads, look, j);
}

/* ---- the operation ---- */

static job job_of(ns_band *b, const ns_taped *s)
{
    return (job){.b = b, .a = s->attn, .q = &s->x, .k = &s->y, .v = &s->z, .z = &s->out,
                 .kept = b->tape->keeps ? &b->tape->kept[s->kind] : NULL, .sinks = s->gains};
}

static void attend_back(ns_band *b, const ns_taped *s)
{
    job j = job_of(b, s);
    bool fresh;
    j.dz = ns_grad_onto(b, s->out);
    if (s->branch && b->rc == NS_OK)
        look_at_keys(b, s->branch, &j);
    j.dq = ns_grad_into(b, s->x, &fresh);      /* spent: nobody else put a number there */
    j.dk = ns_grad_onto(b, s->y);
    j.dv = ns_grad_onto(b, s->z);
    if (s->gains && !(j.dsinks = ns_alloc_array((size_t)(b->n_members * s->attn->n_heads), sizeof *j.dsinks)))
        b->rc = ns_oom(b->p->err, "gradients of sinks");
    if (b->rc == NS_OK)
        run(&j);
    for (int64_t i = 0; j.dsinks && s->gains->gain_grad && i < b->n_members * s->attn->n_heads; i++)
        s->gains->gain_grad[i % s->attn->n_heads] += (float)j.dsinks[i];
    free(j.dsinks);
}

ns_cols ns_tape_attend(ns_band *b, const ns_attn *a, ns_cols q, const ns_gains *sinks)
{
    const bool watched = ns_band_shows(b, NS_POINT_PATTERN) &&
                         (ns_tape_watches(b, NS_POINT_PATTERN) || ns_tape_watches(b, NS_POINT_SCORES));
    const ns_taped step = {.back = attend_back, .x = q, .y = b->k, .z = b->v, .out = ns_band_new(b, a->n_heads * a->head_dim), .attn = a,
                           .gains = sinks, .kind = (int)b->tape->n_attends,
                           .branch = watched ? b->branch : NULL, .always = watched, .unread = NS_OF_OUT};
    if (b->rc == NS_OK && b->tape->keeps)
        b->rc = place_patterns(b, a);
    if (b->rc != NS_OK)
        return (ns_cols){0};
    for (int64_t r = 0; r < b->rows; r++)
        b->p->math->scale(ns_cols_at(q, r), q.n, a->scale);
    job j = job_of(b, &step);
    b->tape->n_attends++;
    if (b->rc == NS_OK)
        run(&j);
    ns_tape_note(b, step);
    return b->rc == NS_OK ? step.out : (ns_cols){0};
}
