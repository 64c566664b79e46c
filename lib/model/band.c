/* band.c - the operations of band.h: loops over rows, 32 a task. Which task a row falls in never changes its bits. */
#include "model/internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TASK_ROWS = 32 };

/* ---- rows ---- */

typedef void (*row_fn)(const void *job, int64_t row);
typedef struct rows_job { row_fn fn; const void *job; int64_t rows; } rows_job;

static void rows_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const rows_job *const j = user;
    const int64_t end = (task + 1) * TASK_ROWS < j->rows ? (task + 1) * TASK_ROWS : j->rows;
    for (int64_t r = task * TASK_ROWS; r < end; r++)
        j->fn(j->job, r);
}

static void each_row(const ns_band *b, int64_t rows, row_fn fn, const void *job)
{
    rows_job j = {fn, job, rows};
    ns_engine_run(b->p->engine, (rows + TASK_ROWS - 1) / TASK_ROWS, rows_task, &j);
}

float *ns_cols_at(ns_cols c, int64_t row)
{
    return c.sheet->data + row * c.sheet->ld + c.first;
}

/* ---- sheets ---- */

static bool grow_sheets(ns_scratch *s)
{
    int64_t capacity = s->n_sheets;
    ns_sheet *const sheet = ns_alloc_array(1, sizeof *sheet);
    if (!sheet || !ns_grow(&s->sheets, &capacity, s->n_sheets + 1, sizeof *s->sheets)) {
        free(sheet);
        return false;
    }
    s->sheets[s->n_sheets++] = sheet;
    return true;
}

ns_cols ns_band_new(ns_band *b, int64_t n)
{
    ns_scratch *const s = b->p->scratch;
    if (b->rc != NS_OK)
        return (ns_cols){0};
    if (b->used == s->n_sheets && !grow_sheets(s)) {
        b->rc = ns_oom(b->p->err, "scratch");
        return (ns_cols){0};
    }
    ns_sheet *const sheet = s->sheets[b->used++];
    sheet->ld = n;
    sheet->data = ns_buffer_need(&sheet->buffer, b->rows * n, b->p->err);
    if (!sheet->data)
        b->rc = NS_E_MEMORY;
    return sheet->data ? (ns_cols){sheet, 0, n} : (ns_cols){0};
}

ns_cols ns_band_x(ns_band *b)
{
    return (ns_cols){&b->x, 0, b->x.ld};
}

bool ns_band_asks(const ns_band *b, int part)
{
    return (b->parts & part) != 0;
}

bool ns_band_past(const ns_band *b, ns_point point)
{
    return b->rc == NS_OK && b->deepest > point;
}

/* ---- hooks ---- */

void ns_band_show(ns_band *b, ns_point point, ns_cols x, int64_t heads)
{
    if (!ns_hooks_any(b->p->hooks, point, b->layer))
        return;
    for (int i = 0; i < b->n_members && b->rc == NS_OK; i++) {
        const ns_member *const m = &b->members[i];
        float *const at = ns_cols_at(x, m->row);
        const int64_t rows = m->end - m->begin;
        ns_view v = heads ? ns_view_of(at, NS_F32, 3, (int64_t[]){rows, heads, x.n / heads})
                          : ns_view_of(at, NS_F32, 2, (int64_t[]){rows, x.n});
        v.stride[0] = x.sheet->ld;
        b->rc = ns_deliver(b->p, m->session, point, b->layer, m->begin, &v, heads ? b->branch : NULL, 0);
    }
}

/* ---- products ---- */

ns_cols ns_band_linear_part(ns_band *b, ns_cols x, int weight, int64_t c0, int64_t c1)
{
    const int64_t from = c0 / NS_PANEL * NS_PANEL;
    const ns_cols out = ns_band_new(b, c1 - from);
    if (out.sheet)
        ns_linear(b->p->engine, b->rows, ns_cols_at(x, 0), x.sheet->ld, &b->weights->packed[weight], from, c1, ns_cols_at(out, 0), out.n);
    return ns_columns(out, c0 - from, c1 - c0);
}

ns_cols ns_band_linear(ns_band *b, ns_cols x, int weight)
{
    return ns_band_linear_part(b, x, weight, 0, b->weights->packed[weight].n);
}

/* ---- norms ---- */

typedef struct norm_job {
    const ns_math  *math;
    const ns_norm  *norm;
    const ns_gains *gains;
    ns_cols         x, out;
    int64_t         groups;
    enum { WHOLE, HAT, AFFINE } step;      /* x_hat and gain at once, or apart with a hook between; the same bits */
} norm_job;

static void norm_part(const norm_job *j, float *out, const float *x, int64_t n)
{
    const float *const gain = j->step == HAT ? NULL : j->gains->gain, *const bias = j->step == HAT ? NULL : j->gains->bias;
    if (j->step == AFFINE) {
        if (gain || bias)
            j->math->affine(out, out, n, gain, j->norm->offset, bias);
    } else if (j->norm->type == NS_NORM_RMS) {
        j->math->rms_norm(out, x, n, j->norm->eps, gain, j->norm->offset);
    } else {
        j->math->layer_norm(out, x, n, j->norm->eps, gain, j->norm->offset, bias);
    }
}

static void norm_row(const void *job, int64_t row)
{
    const norm_job *const j = job;
    const int64_t n = j->x.n / j->groups;
    float *const out = ns_cols_at(j->out, row);
    const float *const x = ns_cols_at(j->x, row);
    for (int64_t g = 0; g < j->groups; g++)
        norm_part(j, out + g * n, x + g * n, n);
}

ns_cols ns_band_norm(ns_band *b, ns_cols x, int64_t groups, int slot)
{
    const ns_norm *const norm = ns_slot_norm(b->branch, &b->branch->class_->slots[slot]);
    const norm_job j = {b->p->math, norm, &b->weights->gains[slot], x, x, groups, WHOLE};
    if (b->rc == NS_OK && norm->type != NS_NORM_NONE)
        each_row(b, b->rows, norm_row, &j);
    return x;
}

/* Shown once: where states are asked for, else with the rows. */
static bool shows_input(const ns_band *b)
{
    const ns_branch_class *const c = b->branch->class_;
    return (c->state == NS_STATE_NONE || ns_band_asks(b, NS_PART_STATE)) && ns_hooks_any(b->p->hooks, c->in_point, b->layer);
}

ns_cols ns_band_in_norm(ns_band *b)
{
    const ns_norm *const norm = &b->branch->in_norm;
    if (norm->type == NS_NORM_NONE)
        return ns_band_x(b);
    const bool shown = shows_input(b);
    norm_job j = {b->p->math, norm, &b->weights->in_norm, ns_band_x(b), ns_band_new(b, b->x.ld), 1, shown ? HAT : WHOLE};
    if (!j.out.sheet)
        return j.out;
    each_row(b, b->rows, norm_row, &j);
    if (!shown)
        return j.out;
    ns_band_show(b, b->branch->class_->in_point, j.out, 0);
    j.step = AFFINE;
    if (b->rc == NS_OK)
        each_row(b, b->rows, norm_row, &j);
    return j.out;
}

ns_cols ns_band_out_norm(ns_band *b, ns_cols out)
{
    const ns_branch *const br = b->branch;
    const norm_job j = {b->p->math, &br->out_norm, &b->weights->out_norm, out, out, 1, WHOLE};
    if (b->rc != NS_OK)
        return (ns_cols){0};
    if (br->out_norm.type != NS_NORM_NONE)
        each_row(b, b->rows, norm_row, &j);
    if (br->out_scale != 1.0f)
        b->p->math->scale(ns_cols_at(out, 0), b->rows * out.n, br->out_scale);
    return out;
}

/* ---- elementwise ---- */

typedef struct pair_job { const ns_math *math; ns_cols x, y; ns_act act; } pair_job;

static void act_row(const void *job, int64_t row)
{
    const pair_job *const j = job;
    float *const x = ns_cols_at(j->x, row);
    j->math->act(x, x, j->x.n, j->act);
    if (j->y.sheet)
        j->math->mul(x, x, ns_cols_at(j->y, row), j->x.n);
}

ns_cols ns_band_glu(ns_band *b, ns_cols x, ns_act act, ns_cols up)
{
    const pair_job j = {b->p->math, x, up, act};
    if (b->rc == NS_OK)
        each_row(b, b->rows, act_row, &j);
    return x;
}

ns_cols ns_band_act(ns_band *b, ns_cols x, ns_act act)
{
    return ns_band_glu(b, x, act, (ns_cols){0});
}

static void gate_row(const void *job, int64_t row)
{
    const pair_job *const j = job;
    float *const x = ns_cols_at(j->x, row), *const gate = ns_cols_at(j->y, row);
    j->math->sigmoid(gate, gate, j->x.n);
    j->math->mul(x, x, gate, j->x.n);
}

ns_cols ns_band_gate(ns_band *b, ns_cols x, ns_cols gate)
{
    const pair_job j = {.math = b->p->math, .x = x, .y = gate};
    if (b->rc == NS_OK && gate.sheet)
        each_row(b, b->rows, gate_row, &j);
    return x;
}

ns_cols ns_band_clip(ns_band *b, ns_cols x, float limit)
{
    for (int64_t r = 0; r < b->rows && limit > 0 && x.sheet; r++) {
        float *const v = ns_cols_at(x, r);
        for (int64_t i = 0; i < x.n; i++)
            v[i] = v[i] > limit ? limit : v[i] < -limit ? -limit : v[i];
    }
    return x;
}

/* ---- rope: each session's rows at their own positions ---- */

typedef struct rope_job {
    const ns_math *math;
    const ns_rope *rope;
    const ns_rope_table *table;
    ns_cols x;
    int64_t heads, row, position;          /* row: the session's first in the band */
} rope_job;

static void rope_row(const void *job, int64_t row)
{
    const rope_job *const j = job;
    const int64_t at = (j->position + row) * (j->rope->rotary_dim / 2), d = j->x.n / j->heads;
    float *const x = ns_cols_at(j->x, j->row + row);
    for (int64_t h = 0; h < j->heads; h++)
        j->math->rope(x + h * d, j->rope->rotary_dim, j->table->cos + at, j->table->sin + at, j->rope->layout == NS_ROPE_INTERLEAVED);
}

static const ns_rope_table *table_of(const ns_band *b, const ns_session *s, int rope)
{
    const int64_t length = s->final_length > s->n_tokens ? s->final_length : s->n_tokens;
    return ns_pass_rope(b->p, rope, ns_arch_rope_class(b->p->arch, length), s->n_tokens, length);
}

ns_cols ns_band_rope(ns_band *b, ns_cols x, int64_t heads, int rope)
{
    for (int i = 0; i < b->n_members && rope >= 0 && b->rc == NS_OK; i++) {
        const ns_member *const m = &b->members[i];
        const rope_job j = {b->p->math, &b->p->arch->ropes[rope], table_of(b, m->s, rope), x, heads, m->row, m->begin};
        if (j.table)
            each_row(b, m->end - m->begin, rope_row, &j);
        else
            b->rc = NS_E_MEMORY;
    }
    return x;
}

/* ---- keys and values ---- */

typedef struct keep_job { ns_kv *kv; const ns_attn *a; ns_cols k, v; int64_t row, position; } keep_job;

static void keep_row(const void *job, int64_t row)
{
    const keep_job *const j = job;
    const float *const k = ns_cols_at(j->k, j->row + row), *const v = ns_cols_at(j->v, j->row + row);
    for (int64_t g = 0; g < j->a->n_kv_heads; g++)
        ns_kv_store(j->kv, j->a, j->position + row, g, k + g * j->a->head_dim, v + g * j->a->head_dim);
}

void ns_band_keep(ns_band *b, const ns_attn *a, ns_cols k, ns_cols v)
{
    for (int i = 0; i < b->n_members && b->rc == NS_OK; i++) {
        const ns_member *const m = &b->members[i];
        const keep_job j = {&m->s->kv[b->layer], a, k, v, m->row, m->begin};
        each_row(b, m->end - m->begin, keep_row, &j);
    }
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

typedef struct shares { const ns_attn *a; const ns_weight *w; ns_cols z, out; } shares;

/* Rows [r0, r1) of the member. */
static int show_shares(const ns_band *b, const shares *s, const ns_member *m, int64_t r0, int64_t r1)
{
    const int64_t H = s->a->n_heads, d = s->a->head_dim, D = s->out.n, ldz = s->z.sheet->ld;
    if (!ns_wanted(b->p, m->s, NS_POINT_RESULT, b->layer, m->begin + r0, m->begin + r1))
        return NS_OK;
    float *const buffer = ns_buffer_need(&b->p->scratch->result, TASK_ROWS * H * D, b->p->err);
    if (!buffer)
        return NS_E_MEMORY;
    for (int64_t h = 0; h < H; h++)
        ns_linear_slice(b->p->engine, r1 - r0, ns_cols_at(s->z, m->row + r0) + h * d, ldz, s->w, h * d, (h + 1) * d, buffer + h * D, H * D);
    const ns_view v = ns_view_of(buffer, NS_F32, 3, (int64_t[]){r1 - r0, H, D});
    const int rc = ns_deliver(b->p, m->session, NS_POINT_RESULT, b->layer, m->begin + r0, &v, b->branch, 0);
    for (int64_t r = r0; r < r1 && ns_hooks_edit(b->p->hooks, NS_POINT_RESULT, b->layer); r++)
        sum_heads(ns_cols_at(s->out, m->row + r), buffer + (r - r0) * H * D, s->w->bias, H, D);
    return rc;
}

void ns_band_results(ns_band *b, const ns_attn *a, ns_cols z, int weight, ns_cols out)
{
    const shares s = {a, &b->weights->packed[weight], z, out};
    if (!ns_hooks_any(b->p->hooks, NS_POINT_RESULT, b->layer))
        return;
    for (int i = 0; i < b->n_members; i++) {
        const ns_member *const m = &b->members[i];
        const int64_t rows = m->end - m->begin;
        for (int64_t r = 0; r < rows && b->rc == NS_OK; r += TASK_ROWS)
            b->rc = show_shares(b, &s, m, r, r + TASK_ROWS < rows ? r + TASK_ROWS : rows);
    }
}

/* ---- the residual stream ---- */

typedef struct add_job { const ns_math *math; const ns_stage *stage; ns_cols x, normed; const ns_cols *out; atomic_bool *broken; } add_job;

static void add_row(const void *job, int64_t row)
{
    const add_job *const j = job;
    float *const x = ns_cols_at(j->x, row);
    const int64_t D = j->x.n;
    if (j->stage->normed_scale != 0) {
        memcpy(x, ns_cols_at(j->normed, row), (size_t)D * sizeof *x);
        j->math->scale(x, D, j->stage->normed_scale);
    }
    for (int b = 0; b < j->stage->n_branches; b++)
        j->math->add(x, x, ns_cols_at(j->out[b], row), D);
    if (!j->math->all_finite(x, D))
        atomic_store(j->broken, true);
}

static int not_finite(const ns_band *b, ns_point point)
{
    char name[64];
    const ns_member *m = b->members;
    while (b->p->math->all_finite(b->x.data + m->row * b->x.ld, (m->end - m->begin) * b->x.ld))
        m++;
    ns_point_format(point, b->layer, name, sizeof name);
    return ns_fail(b->p->err, NS_E_NUMERIC,
                   "%s: a value is NaN or Inf in rows %lld..%lld of session %lld; the checkpoint diverged or an edit broke it", name,
                   (long long)m->begin, (long long)m->end - 1, (long long)m->session);
}

void ns_band_add(ns_band *b, const ns_stage *stage, ns_cols normed, const ns_cols *out, ns_point point)
{
    atomic_bool broken = false;
    const add_job j = {b->p->math, stage, ns_band_x(b), normed, out, &broken};
    if (b->rc != NS_OK)
        return;
    each_row(b, b->rows, add_row, &j);
    if (atomic_load(&broken))
        b->rc = not_finite(b, point);
}
