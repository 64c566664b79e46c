/* layer.c - one layer: bands of rows through norm -> q k v -> rope -> attention -> W_O, and norm -> MLP. A band is rows of one session, or
 * all new rows of several that have few (forks, decoding): the matrices are then read once for all of them.
 *
 * for each band:  for each stage:  out_b = out_norm(branch_b(in_norm(x)))  for all branches b, then  x += sum of out_scale_b out_b
 * In the last layer only the rows that somebody reads go beyond their keys and values, and no further than they are read. */
#include "model/internal.h"
#include "model/branch/heads.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TASK_ROWS = 32, BLOCK_ROWS = 32 };      /* of a task; of what is read in the last layer */

/* The parts of a band's work: keys and values of its rows; everything that follows from its queries. */
enum { KEYS = 1, ROWS = 2 };

typedef struct ctx {
    ns_pass *p;
    ns_band  band;                             /* of a group: rows 0 ... of all its members, next to each other */
    const ns_band *members;  int n_members;    /* of a group; 0 = the band is one session's */
    int      parts;
    const ns_layer *layer;
    const ns_layer_weights *weights;
} ctx;

static int64_t n_rows(const ctx *c)
{
    return c->band.end - c->band.begin;
}

static int64_t tasks_of(int64_t rows)
{
    return (rows + TASK_ROWS - 1) / TASK_ROWS;
}

static int64_t row_tasks(const ctx *c)
{
    return tasks_of(n_rows(c));
}

static bool deeper_than(const ctx *c, ns_point point)
{
    return c->band.deepest > point;
}

/* ---- the sessions of a band ---- */

typedef struct member { const ns_band *band; int64_t row, rows; } member;      /* its first row within the band */

/* for (member m = first_member(c); m.band; m = next_member(c, m)) */
static member first_member(const ctx *c)
{
    const ns_band *const band = c->n_members ? c->members : &c->band;
    return (member) { band, 0, band->end - band->begin };
}

static member next_member(const ctx *c, member m)
{
    const ns_band *const band = c->n_members && m.band + 1 < c->members + c->n_members ? m.band + 1 : NULL;
    return (member) { band, m.row + m.rows, band ? band->end - band->begin : 0 };
}

static int deliver(const ctx *c, ns_point point, float *data, int64_t ld, int64_t heads, int64_t width, const ns_branch *attn)
{
    int rc = NS_OK;
    if (!ns_hooks_any(c->p->hooks, point, c->band.layer))
        return NS_OK;
    for (member m = first_member(c); m.band && !rc; m = next_member(c, m)) {
        float *const x = data + m.row * ld;
        ns_view v = heads ? ns_view_of(x, NS_F32, 3, (int64_t[]){m.rows, heads, width})
                          : ns_view_of(x, NS_F32, 2, (int64_t[]){m.rows, width});
        v.stride[0] = ld;
        rc = ns_deliver(c->p, m.band->session, point, c->band.layer, m.band->begin, &v, attn, 0);
    }
    return rc;
}

/* ---- norms ---- */

typedef struct norm_job {
    const ns_math *math;
    const ns_norm *norm;
    const float   *gain, *bias, *x;
    float         *out;
    int64_t        rows, n, ldx, ldout;
    enum { WHOLE, HAT, AFFINE } step;      /* x_hat and gain at once, or apart with a hook between; the same bits */
} norm_job;

static void norm_one(const norm_job *j, float *out, const float *x)
{
    const float *gain = j->step == HAT ? NULL : j->gain, *bias = j->step == HAT ? NULL : j->bias;
    if (j->step == AFFINE) {
        if (gain || bias)
            j->math->affine(out, out, j->n, gain, j->norm->offset, bias);
    } else if (j->norm->type == NS_NORM_RMS) {
        j->math->rms_norm(out, x, j->n, j->norm->eps, gain, j->norm->offset);
    } else {
        j->math->layer_norm(out, x, j->n, j->norm->eps, gain, j->norm->offset, bias);
    }
}

static void norm_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const norm_job *j = user;
    for (int64_t r = task * TASK_ROWS; r < j->rows && r < (task + 1) * TASK_ROWS; r++)
        norm_one(j, j->out + r * j->ldout, j->x + r * j->ldx);
}

/* The branch's input: x itself, or its norm in scratch->normed. Delivers LN1 / LN2 while `announce`. */
static int branch_input(const ctx *c, const ns_branch *br, const ns_branch_weights *w, ns_point point, bool announce, const float **out)
{
    const int64_t D = c->p->arch->d_model;
    float *normed = c->p->scratch->normed.data;
    *out = br->in_norm.type == NS_NORM_NONE && !br->shares_norm ? c->band.x : normed;
    if (*out == c->band.x || br->shares_norm)
        return NS_OK;
    norm_job j = {c->p->math, &br->in_norm, w->in_norm.gain, w->in_norm.bias, c->band.x, normed, n_rows(c), D, D, D, WHOLE};
    bool hooked = announce && ns_hooks_any(c->p->hooks, point, c->band.layer);
    j.step = hooked ? HAT : WHOLE;
    ns_engine_run(c->p->engine, row_tasks(c), norm_task, &j);
    if (!hooked)
        return NS_OK;
    int rc = deliver(c, point, normed, D, 0, D, NULL);
    j.step = AFFINE;
    if (!rc)
        ns_engine_run(c->p->engine, row_tasks(c), norm_task, &j);
    return rc;
}

/* out <- scale * out_norm(out), in place. */
static void branch_output(const ctx *c, const ns_branch *br, const ns_branch_weights *w, float *out)
{
    const int64_t D = c->p->arch->d_model;
    if (br->out_norm.type != NS_NORM_NONE) {
        norm_job j = {c->p->math, &br->out_norm, w->out_norm.gain, w->out_norm.bias, out, out, n_rows(c), D, D, D, WHOLE};
        ns_engine_run(c->p->engine, row_tasks(c), norm_task, &j);
    }
    if (br->out_scale != 1.0f)
        c->p->math->scale(out, n_rows(c) * D, br->out_scale);
}

/* ---- q, k: activation, QK-norm and rope; k, v into pages ---- */

typedef struct heads_job {
    const ns_pass *p;
    const ns_attn *a;
    const ns_norm *norm;
    const ns_gains *gains;
    const ns_rope_table *rope;
    float         *x;                  /* [rows, heads, d] at stride ld */
    int64_t        ld, heads, rows, position;
} heads_job;

static void norm_heads(const heads_job *j, float *x)
{
    bool full = j->a->qk_norm == NS_QK_FULL;
    norm_job n = {.math = j->p->math, .norm = j->norm, .gain = j->gains->gain, .bias = j->gains->bias,
                  .n = full ? j->heads * j->a->head_dim : j->a->head_dim };
    for (int64_t h = 0; h < (full ? 1 : j->heads); h++)
        norm_one(&n, x + h * n.n, x + h * n.n);
}

static void heads_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const heads_job *j = user;
    for (int64_t r = task * TASK_ROWS; r < j->rows && r < (task + 1) * TASK_ROWS; r++) {
        float *x = j->x + r * j->ld;
        if (j->a->slope)
            j->p->math->act(x, x, j->heads * j->a->head_dim, j->a->qkv_act);
        if (j->a->qk_norm != NS_QK_NONE)
            norm_heads(j, x);
        if (!j->rope)
            continue;
        const ns_rope *rope = &j->p->arch->ropes[j->rope->rope];
        int64_t half = rope->rotary_dim / 2, at = (j->position + r) * half;
        for (int64_t h = 0; h < j->heads; h++)
            j->p->math->rope(x + h * j->a->head_dim, rope->rotary_dim, j->rope->cos + at, j->rope->sin + at,
                             rope->layout == NS_ROPE_INTERLEAVED);
    }
}

static void clip(float *x, int64_t ld, int64_t rows, int64_t n, float limit)
{
    for (int64_t r = 0; r < rows && limit > 0; r++)
        for (int64_t i = 0; i < n; i++) {
            float *v = x + r * ld + i;
            *v = *v > limit ? limit : *v < -limit ? -limit : *v;
        }
}

typedef struct store_job { ns_kv *kv; const ns_attn *a; const float *k, *v; int64_t ld, rows, position; } store_job;

static void store_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const store_job *j = user;
    const int64_t d = j->a->head_dim;
    for (int64_t r = task * TASK_ROWS; r < j->rows && r < (task + 1) * TASK_ROWS; r++)
        for (int64_t g = 0; g < j->a->n_kv_heads; g++)
            ns_kv_store(j->kv, j->a, j->position + r, g, j->k + r * j->ld + g * d, j->v + r * j->ld + g * d);
}

typedef struct act_rows_job { const ns_math *math; float *x; int64_t ld, rows, n; ns_act act; } act_rows_job;

static void act_rows_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const act_rows_job *j = user;
    for (int64_t r = task * TASK_ROWS; r < j->rows && r < (task + 1) * TASK_ROWS; r++)
        j->math->act(j->x + r * j->ld, j->x + r * j->ld, j->n, j->act);
}

static void act_rows(const ctx *c, float *x, int64_t ld, int64_t n, ns_act act)
{
    act_rows_job j = {c->p->math, x, ld, n_rows(c), n, act};
    ns_engine_run(c->p->engine, row_tasks(c), act_rows_task, &j);
}

static const ns_rope_table *rope_table(const ctx *c, const ns_session *s, const ns_attn *a)
{
    int64_t length = s->final_length > s->n_tokens ? s->final_length : s->n_tokens;
    return ns_pass_rope(c->p, a->rope, ns_arch_rope_class(c->p->arch, length), s->n_tokens, length);
}

/* Activation, norm and rotation of q or k, each session's rows at their own positions. */
static int finish_heads(const ctx *c, heads_job j)
{
    float *const x = j.x;
    for (member m = first_member(c); m.band; m = next_member(c, m)) {
        j.x = x + m.row * j.ld;
        j.rows = m.rows;
        j.position = m.band->begin;
        if (j.a->rope >= 0 && !(j.rope = rope_table(c, m.band->s, j.a)))
            return NS_E_MEMORY;
        ns_engine_run(c->p->engine, tasks_of(m.rows), heads_task, &j);
    }
    return NS_OK;
}

static void store(const ctx *c, const ns_attn *a, const float *k, const float *v, int64_t ld)
{
    for (member m = first_member(c); m.band; m = next_member(c, m)) {
        store_job j = {&m.band->s->kv[c->band.layer], a, k + m.row * ld, v + m.row * ld, ld, m.rows, m.band->begin};
        ns_engine_run(c->p->engine, tasks_of(m.rows), store_task, &j);
    }
}

/* k, v: [rows] at stride ld inside the projection buffer. */
static int keys_part(const ctx *c, const ns_branch *br, const ns_branch_weights *w, float *k, float *v, int64_t ld)
{
    const ns_attn *a = br->params;
    const int64_t G = a->n_kv_heads, d = a->head_dim;
    clip(k, ld, n_rows(c), G * d, a->clip_qkv);
    clip(v, ld, n_rows(c), G * d, a->clip_qkv);
    if (a->slope)
        act_rows(c, v, ld, G * d, a->qkv_act);
    int rc = deliver(c, NS_POINT_K, k, ld, G, d, br);
    if (!rc)
        rc = deliver(c, NS_POINT_V, v, ld, G, d, br);
    if (!rc)
        rc = finish_heads(
            c, (heads_job){.p = c->p, .a = a, .norm = &a->k_norm, .gains = &w->gains[NS_HEADS_K_NORM], .x = k, .ld = ld, .heads = G});
    if (!rc)
        rc = deliver(c, NS_POINT_ROT_K, k, ld, G, d, br);
    if (!rc)
        store(c, a, k, v, ld);
    return rc;
}

/* ---- hook_result: the share of each head, when somebody looks ---- */

static void sum_heads(float *out, const float *result, const float *bias, int64_t H, int64_t D)
{
    for (int64_t i = 0; i < D; i++) {
        float sum = 0;
        for (int64_t h = 0; h < H; h++)
            sum += result[h * D + i];
        out[i] = bias ? sum + bias[i] : sum;
    }
}

/* Of rows of one session. */
static int results_of(const ctx *c, const ns_branch *br, const ns_weight *w, const float *z, int64_t ldz, float *out)
{
    const ns_attn *const a = br->params;
    const int64_t H = a->n_heads, d = a->head_dim, D = c->p->arch->d_model;
    bool edited = ns_hooks_edit(c->p->hooks, NS_POINT_RESULT, c->band.layer);
    float *buffer = ns_buffer_need(&c->p->scratch->result, TASK_ROWS * H * D, c->p->err);
    int rc = buffer ? NS_OK : NS_E_MEMORY;
    for (int64_t r0 = 0, r1; r0 < n_rows(c) && !rc; r0 = r1) {
        r1 = r0 + TASK_ROWS < n_rows(c) ? r0 + TASK_ROWS : n_rows(c);
        if (!ns_wanted(c->p, c->band.s, NS_POINT_RESULT, c->band.layer, c->band.begin + r0, c->band.begin + r1))
            continue;
        for (int64_t h = 0; h < H; h++)
            ns_linear_slice(c->p->engine, r1 - r0, z + r0 * ldz + h * d, ldz, w, h * d, (h + 1) * d, buffer + h * D, H * D);
        ctx part = *c;
        part.band.begin = c->band.begin + r0;
        part.band.end = c->band.begin + r1;
        rc = deliver(&part, NS_POINT_RESULT, buffer, H * D, H, D, br);
        for (int64_t r = r0; r < r1 && edited; r++)
            sum_heads(out + r * D, buffer + (r - r0) * H * D, w->bias, H, D);
    }
    return rc;
}

static int results(const ctx *c, const ns_branch *br, const ns_weight *w, const float *z, int64_t ldz, float *out)
{
    int rc = NS_OK;
    if (!ns_hooks_any(c->p->hooks, NS_POINT_RESULT, c->band.layer))
        return NS_OK;
    for (member m = first_member(c); m.band && !rc; m = next_member(c, m)) {
        ctx one = *c;
        one.band = *m.band;
        one.n_members = 0;
        rc = results_of(&one, br, w, z + m.row * ldz, ldz, out + m.row * c->p->arch->d_model);
    }
    return rc;
}

/* ---- branches ---- */

typedef struct gate_job { const ns_attn *a; norm_job norm; float *gate; int64_t ldgate; } gate_job;

/* z <- sigmoid(gate) * z_norm(z), a row. */
static void gate_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const gate_job *j = user;
    const norm_job *n = &j->norm;
    for (int64_t r = task * TASK_ROWS; r < n->rows && r < (task + 1) * TASK_ROWS; r++) {
        float *z = n->out + r * n->ldout, *gate = j->gate + r * j->ldgate;
        if (j->a->z_norm.type != NS_NORM_NONE)
            norm_one(n, z, z);
        if (!j->a->z_gate.name)
            continue;
        n->math->sigmoid(gate, gate, n->n);
        n->math->mul(z, z, gate, n->n);
    }
}

static void gate_rows(const ctx *c, const ns_attn *a, const ns_branch_weights *w, float *z, float *gate, int64_t ldgate)
{
    const int64_t Hd = a->n_heads * a->head_dim;
    const ns_gains *const g = &w->gains[NS_HEADS_N_SLOTS + 1];
    gate_job j = {a, {c->p->math, &a->z_norm, g->gain, g->bias, z, z, n_rows(c), Hd, Hd, Hd, WHOLE}, gate, ldgate};
    ns_engine_run(c->p->engine, row_tasks(c), gate_task, &j);
}

static int attend(const ctx *c, const ns_attn *a, const float *q, int64_t ld, float *z)
{
    const int64_t Hd = a->n_heads * a->head_dim;
    int rc = NS_OK;
    for (member m = first_member(c); m.band && !rc; m = next_member(c, m))
        rc = ns_attention(c->p, m.band, a, &m.band->s->kv[c->band.layer], q + m.row * ld, ld, z + m.row * Hd, Hd);
    return rc;
}

/* q: [rows] at stride ld inside the projection buffer; before it the gate, where the layer has one. */
static int rows_part(const ctx *c, const ns_branch *br, const ns_branch_weights *w, float *q, int64_t ld, const float *in, float *out)
{
    const ns_attn *a = br->params;
    const int64_t H = a->n_heads, d = a->head_dim, D = c->p->arch->d_model;
    float *z = c->p->scratch->z.data;
    clip(q, ld, n_rows(c), H * d, a->clip_qkv);
    int rc = deliver(c, NS_POINT_Q, q, ld, H, d, br);
    if (!rc)
        rc = finish_heads(
            c, (heads_job){.p = c->p, .a = a, .norm = &a->q_norm, .gains = &w->gains[NS_HEADS_Q_NORM], .x = q, .ld = ld, .heads = H});
    if (!rc)
        rc = deliver(c, NS_POINT_ROT_Q, q, ld, H, d, br);
    if (!rc && deeper_than(c, NS_POINT_ROT_Q))
        rc = attend(c, a, q, ld, z);
    if (rc || !deeper_than(c, NS_POINT_PATTERN))
        return rc;
    rc = deliver(c, NS_POINT_Z, z, H * d, H, d, br);
    if (rc)
        return rc;
    if (a->slope) {
        if (a->z_gate.name)
            ns_linear(c->p->engine, n_rows(c), in, D, &w->packed[NS_HEADS_N_WEIGHTS], 0, H * d, q, ld);
        gate_rows(c, a, w, z, q, ld);
    }
    ns_linear(c->p->engine, n_rows(c), z, H * d, &w->packed[NS_HEADS_OUT], 0, D, out, D);
    rc = results(c, br, &w->packed[NS_HEADS_OUT], z, H * d, out);
    branch_output(c, br, w, out);
    return rc ? rc : deliver(c, NS_POINT_ATTN_OUT, out, D, 0, D, NULL);
}

static int attn_branch(const ctx *c, const ns_branch *br, const ns_branch_weights *w, float *out)
{
    const ns_attn *const a = br->params;
    const int64_t D = c->p->arch->d_model, k0 = a->n_heads * a->head_dim, Gd = a->n_kv_heads * a->head_dim;   /* columns: q, k, v */
    const ns_weight *const qkv = &w->packed[NS_HEADS_QKV];
    const float *in;
    int rc = branch_input(c, br, w, NS_POINT_LN1, c->parts & KEYS, &in);
    if (rc)
        return rc;
    float *proj = c->p->scratch->proj.data;
    const int64_t ld = qkv->n + NS_PANEL;
    int64_t c0 = ns_linear(c->p->engine, n_rows(c), in, D, qkv, c->parts & ROWS ? 0 : k0, c->parts & KEYS ? qkv->n : k0, proj, ld);
    if (c->parts & KEYS)
        rc = keys_part(c, br, w, proj + k0 - c0, proj + k0 + Gd - c0, ld);
    return rc || !(c->parts & ROWS) ? rc : rows_part(c, br, w, proj, ld, in, out);
}

typedef struct act_job { const ns_math *math; const ns_ffn *ffn; float *x; int64_t ld, rows; } act_job;

/* In place: the first F columns become act(gate) * up, or act(up). */
static void act_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const act_job *j = user;
    for (int64_t r = task * TASK_ROWS; r < j->rows && r < (task + 1) * TASK_ROWS; r++) {
        float *x = j->x + r * j->ld;
        j->math->act(x, x, j->ffn->d_ff, j->ffn->act);
        if (j->ffn->gate.name)
            j->math->mul(x, x, x + j->ffn->d_ff, j->ffn->d_ff);
    }
}

static int ffn_branch(const ctx *c, const ns_branch *br, const ns_branch_weights *w, float *out)
{
    const int64_t D = c->p->arch->d_model;
    const float *in;
    int rc = branch_input(c, br, w, NS_POINT_LN2, true, &in);
    if (rc)
        return rc;
    float *ff = c->p->scratch->ff.data;
    const ns_ffn *const f = br->params;
    ns_linear(c->p->engine, n_rows(c), in, D, &w->packed[0], 0, w->packed[0].n, ff, w->packed[0].n);
    act_job j = {c->p->math, f, ff, w->packed[0].n, n_rows(c)};
    ns_engine_run(c->p->engine, row_tasks(c), act_task, &j);
    rc = deliver(c, NS_POINT_MLP_POST, ff, w->packed[0].n, 0, f->d_ff, NULL);
    if (rc)
        return rc;
    ns_linear(c->p->engine, n_rows(c), ff, w->packed[0].n, &w->packed[1], 0, D, out, D);
    branch_output(c, br, w, out);
    return deliver(c, NS_POINT_MLP_OUT, out, D, 0, D, NULL);
}

/* ---- the residual stream ---- */

typedef struct add_job { const ns_math *math; float *x; const float *out[2], *normed; int n; float normed_scale; int64_t rows,
                        D; atomic_bool broken; } add_job;

static void add_task(void *user, int64_t task, int worker)
{
    (void)worker;
    add_job *j = user;
    for (int64_t r = task * TASK_ROWS; r < j->rows && r < (task + 1) * TASK_ROWS; r++) {
        if (j->normed_scale != 0) {
            memcpy(j->x + r * j->D, j->normed + r * j->D, (size_t)j->D * sizeof *j->x);
            j->math->scale(j->x + r * j->D, j->D, j->normed_scale);
        }
        for (int b = 0; b < j->n; b++)
            j->math->add(j->x + r * j->D, j->x + r * j->D, j->out[b] + r * j->D, j->D);
        if (!j->math->all_finite(j->x + r * j->D, j->D))
            atomic_store(&j->broken, true);
    }
}

static int add_branches(const ctx *c, const ns_stage *stage, ns_point point)
{
    add_job j = {.math = c->p->math, .x = c->band.x, .n = stage->n_branches, .rows = n_rows(c), .D = c->p->arch->d_model,
                  .normed = c->p->scratch->normed.data, .normed_scale = stage->normed_scale };
    for (int b = 0; b < stage->n_branches; b++)
        j.out[b] = c->p->scratch->branch[b].data;
    ns_engine_run(c->p->engine, row_tasks(c), add_task, &j);
    if (!atomic_load(&j.broken))
        return NS_OK;
    char name[64];
    member m = first_member(c);
    while (c->p->math->all_finite(c->band.x + m.row * c->p->arch->d_model, m.rows * c->p->arch->d_model))
        m = next_member(c, m);
    ns_point_format(point, c->band.layer, name, sizeof name);
    return ns_fail(c->p->err, NS_E_NUMERIC,
                   "%s: a value is NaN or Inf in rows %lld..%lld of session %lld; the checkpoint diverged or an edit broke it", name,
                   (long long)m.band->begin, (long long)m.band->end - 1, (long long)m.band->session);
}

static int band_run(const ctx *c)
{
    const int64_t D = c->p->arch->d_model;
    int rc = c->parts & KEYS ? deliver(c, NS_POINT_RESID_PRE, c->band.x, D, 0, D, NULL) : NS_OK;
    for (int s = 0; s < c->layer->n_stages && !rc; s++) {
        const ns_stage *stage = &c->layer->stages[s];
        for (int b = 0; b < stage->n_branches && !rc; b++) {
            const ns_branch *br = &stage->branches[b];
            float *out = c->p->scratch->branch[b].data;
            rc = br->class_->heads ? attn_branch(c, br, &c->weights->branch[s][b], out)
                                            : ffn_branch(c, br, &c->weights->branch[s][b], out);
            if (!(c->parts & ROWS) || (br->class_->heads && !deeper_than(c, NS_POINT_ATTN_OUT)))
                return rc;                     /* only keys were wanted, or nothing after this is read */
        }
        bool last = s + 1 == c->layer->n_stages;
        if (!rc)
            rc = add_branches(c, stage, last ? NS_POINT_RESID_POST : NS_POINT_RESID_MID);
        if (!rc)
            rc = deliver(c, last ? NS_POINT_RESID_POST : NS_POINT_RESID_MID, c->band.x, D, 0, D, NULL);
        if (!last && !deeper_than(c, NS_POINT_RESID_MID))
            return rc;
    }
    return rc;
}

static int run_bands(ctx *c, int64_t begin, int64_t end, int parts)
{
    int rc = NS_OK;
    c->parts = parts;
    for (int64_t r = begin, next; r < end && !rc; r = next) {
        next = (r / NS_BAND_ROWS + 1) * NS_BAND_ROWS < end ? (r / NS_BAND_ROWS + 1) * NS_BAND_ROWS : end;
        c->band.begin = r;
        c->band.end = next;
        c->band.x = c->band.s->x + (r - c->band.s->base) * c->p->arch->d_model;
        rc = band_run(c);
    }
    return rc;
}

static int64_t next_block(int64_t row, int64_t last)
{
    const int64_t end = (row / BLOCK_ROWS + 1) * BLOCK_ROWS;
    return end < last ? end : last;
}

/* The deepest point from the queries of the last layer on at which a row of [begin, end) is read; one before the queries when none is. */
static ns_point deepest_read(const ctx *c, int64_t begin, int64_t end)
{
    const ns_session *s = c->band.s;
    int point = NS_POINT_RESID_POST;
    if ((c->p->logits && end == s->n_tokens) || ns_wanted(c->p, s, NS_POINT_LN_FINAL, -1, begin, end) ||
        ns_wanted(c->p, s, NS_POINT_LOGITS, -1, begin, end))
        return point;
    while (point >= NS_POINT_Q && !ns_wanted(c->p, s, point, c->band.layer, begin, end))
        point--;
    return point;
}

/* Keys and values of all rows, then runs of those blocks of 32 rows that are read equally deep. */
static int run_read_rows(ctx *c)
{
    const int64_t last = c->band.s->n_tokens;
    int rc = run_bands(c, c->band.s->base, last, KEYS);
    for (int64_t begin = c->band.s->base, end; begin < last && !rc; begin = end) {
        end = next_block(begin, last);
        c->band.deepest = deepest_read(c, begin, end);
        while (end < last && deepest_read(c, end, next_block(end, last)) == c->band.deepest)
            end = next_block(end, last);
        if (deeper_than(c, NS_POINT_ROT_K))
            rc = run_bands(c, begin, end, ROWS);
    }
    return rc;
}

/* ---- scratch ---- */

static int need_scratch(ns_pass *p, const ns_layer *l, const ns_layer_weights *w, int64_t rows)
{
    const int64_t D = p->arch->d_model;
    ns_scratch *s = p->scratch;
    rows = rows < NS_BAND_ROWS ? rows : NS_BAND_ROWS;
    bool ok = ns_buffer_need(&s->normed, rows * D, p->err) && ns_buffer_need(&s->branch[0], rows * D, p->err) &&
              ns_buffer_need(&s->branch[1], rows * D, p->err);
    for (int st = 0; st < l->n_stages && ok; st++)
        for (int b = 0; b < l->stages[st].n_branches && ok; b++) {
            const ns_weight *in = &w->branch[st][b].packed[0];
            if (l->stages[st].branches[b].class_->heads)
                ok = ns_buffer_need(&s->proj, rows * (in->n + NS_PANEL), p->err) &&
                     ns_buffer_need(&s->z, rows * w->branch[st][b].packed[1].k, p->err);
            else
                ok = ns_buffer_need(&s->ff, rows * in->n, p->err) != NULL;
        }
    return ok ? NS_OK : NS_E_MEMORY;
}

static int ready_pages(const ns_pass *p, ns_session *s, int64_t layer, const ns_attn *a)
{
    ns_kv *kv = &s->kv[layer];
    if (s->parent && !kv->ready) {
        ns_session *parent = s->parent;
        if (!ns_kv_fork(kv, &parent->kv[layer], a, s->fork_at))
            return ns_oom(p->err, "forked keys and values");
        if (--parent->children_left == 0 && !parent->decode)
            ns_kv_free(&parent->kv[layer]);
    }
    return ns_kv_writable(kv, a, s->base, s->n_tokens) ? NS_OK : ns_oom(p->err, "keys and values");
}

static void end_session(ns_session *s, int64_t layer, const ns_attn *a)
{
    s->layers = layer + 1;
    if (a && !s->decode && s->children_left == 0)
        ns_kv_free(&s->kv[layer]);
}

/* Of a row of the layer, when all rows are taken alike. */
static ns_point deepest_needed(const ns_pass *p, int64_t layer)
{
    return layer < p->last_layer ? NS_POINT_RESID_POST : p->last_point;
}

static int run_session(ctx *c, int64_t session)
{
    ns_pass *const p = c->p;
    ns_session *const s = p->sessions[session];
    const int64_t layer = c->band.layer;
    const ns_attn *a = ns_arch_attn(p->arch, layer);
    c->band = (ns_band) { .s = s, .session = session, .layer = layer, .deepest = deepest_needed(p, layer) };
    c->n_members = 0;
    int rc = need_scratch(p, c->layer, c->weights, s->n_tokens - s->base);
    if (!rc && a)
        rc = ready_pages(p, s, layer, a);
    bool attn_first = c->layer->stages[0].branches[0].class_->heads;
    bool some_rows = layer == p->last_layer && attn_first && !ns_hooks_edit(p->hooks, NS_POINT_LN1, layer);
    if (!rc)
        rc = some_rows ? run_read_rows(c) : run_bands(c, s->base, s->n_tokens, KEYS | ROWS);
    end_session(s, layer, a);
    return rc;
}

/* ---- groups: sessions with few new rows ---- */

enum { FEW_ROWS = 16 };

static int64_t new_rows(const ns_session *s)
{
    return s->n_tokens - s->base;
}

/* Sessions from `first` on that go together: few rows each, no more than a band, none whose parent is among them (its keys are not there
 * yet). Those that begin in a later layer are passed over. */
static int64_t group_end(const ns_pass *p, int64_t layer, int64_t first, int64_t last)
{
    int64_t rows = 0, at = first;
    for (; at < last; at++) {
        const ns_session *const s = p->sessions[at];
        if (s->n_tokens <= s->computed)
            break;
        if (!ns_session_runs(s, layer))
            continue;
        rows += new_rows(s);
        if (new_rows(s) > FEW_ROWS || rows > NS_BAND_ROWS || (s->parent && s->parent->layers <= layer))
            break;
    }
    return at;
}

static void copy_rows(const ctx *c, bool back)
{
    const int64_t D = c->p->arch->d_model;
    for (member m = first_member(c); m.band; m = next_member(c, m)) {
        float *const own = m.band->s->x, *const shared = c->band.x + m.row * D;
        memcpy(back ? own : shared, back ? shared : own, (size_t)(m.rows * D) * sizeof *own);
    }
}

static int run_group(ctx *c, int64_t first, int64_t last)
{
    ns_pass *const p = c->p;
    const int64_t layer = c->band.layer;
    const ns_attn *a = ns_arch_attn(p->arch, layer);
    ns_band members[NS_BAND_ROWS];
    int64_t rows = 0;
    int rc = NS_OK;
    c->members = members;
    c->n_members = 0;
    for (int64_t i = first; i < last && !rc; i++) {
        ns_session *const s = p->sessions[i];
        if (!ns_session_runs(s, layer))
            continue;
        members[c->n_members++] =
            (ns_band){.s = s, .session = i, .layer = layer, .begin = s->base, .end = s->n_tokens, .deepest = deepest_needed(p, layer)};
        rows += new_rows(s);
        rc = a ? ready_pages(p, s, layer, a) : NS_OK;
    }
    if (c->n_members == 0)
        return rc;                             /* all of them begin later */
    if (!rc)
        rc = need_scratch(p, c->layer, c->weights, rows);
    float *const x = rc ? NULL : ns_buffer_need(&p->scratch->group, NS_BAND_ROWS * p->arch->d_model, p->err);
    if (!rc && !x)
        rc = NS_E_MEMORY;
    if (!rc) {
        c->band = (ns_band) { .layer = layer, .begin = 0, .end = rows, .x = x, .deepest = deepest_needed(p, layer) };
        c->parts = KEYS | ROWS;
        copy_rows(c, false);
        rc = band_run(c);
        copy_rows(c, true);
    }
    for (int i = 0; i < c->n_members; i++)
        end_session(members[i].s, layer, a);
    c->n_members = 0;
    return rc;
}

int ns_layer_run(ns_pass *p, int64_t first, int64_t last, int64_t layer, const ns_layer_weights *weights)
{
    ctx c = {.p = p, .layer = &p->arch->layers[layer], .weights = weights, .band = {.layer = layer}};
    const ns_attn *a = ns_arch_attn(p->arch, layer);
    int rc = a && a->slope ? ns_attention_decays(p, layer, a) : NS_OK;
    for (int64_t i = first, end; i < last && !rc; i = end) {
        end = group_end(p, layer, i, last);
        if (end > i + 1) {
            rc = run_group(&c, i, end);
            continue;
        }
        end = i + 1;
        if (ns_session_runs(p->sessions[i], layer))
            rc = run_session(&c, i);
    }
    return rc;
}
