/* band.c - the operations of band.h: sheets, hooks, products, what is kept, the residual stream. Rows go 32 a task; which task a row falls
 * in never changes its bits. What works row by row is in rows.c. */
#include "model/tape.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TASK_ROWS = 32 };

/* ---- rows ---- */

typedef struct rows_job { ns_row_fn fn; const void *job; int64_t rows; } rows_job;

static void rows_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const rows_job *const j = user;
    const int64_t end = (task + 1) * TASK_ROWS < j->rows ? (task + 1) * TASK_ROWS : j->rows;
    for (int64_t r = task * TASK_ROWS; r < end; r++)
        j->fn(j->job, r);
}

void ns_each_row(const ns_band *b, int64_t rows, ns_row_fn fn, const void *job)
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
    sheet->rows = b->rows;
    sheet->read = false;
    sheet->data = b->tape ? ns_tape_room(b->tape, &sheet->buffer, b->rows * n, b->p->err)
                          : ns_buffer_need(&sheet->buffer, b->rows * n, b->p->err);
    if (!sheet->data)
        b->rc = NS_E_MEMORY;
    return sheet->data ? (ns_cols){sheet, 0, n} : (ns_cols){0};
}

ns_cols ns_band_x(ns_band *b)
{
    return (ns_cols){b->x, 0, b->x->ld};
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

bool ns_band_shows(const ns_band *b, ns_point point)
{
    const ns_branch *const owner = b->layer < 0 ? NULL : ns_layer_shows(&b->p->arch->layers[b->layer], point);
    return !owner || owner == b->branch;
}

void ns_band_show(ns_band *b, ns_point point, ns_cols x, int64_t heads)
{
    if (b->tape && ns_band_shows(b, point))
        ns_tape_show(b, point, x, heads);
    if (b->tape || !ns_hooks_any(b->p->hooks, point, b->layer) || !ns_band_shows(b, point))
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

ns_cols ns_band_product(ns_band *b, ns_cols x, const ns_weight *w, int64_t from, int64_t to)
{
    const ns_cols out = ns_band_new(b, to - from);
    if (out.sheet)
        ns_linear(b->p->engine, b->rows, ns_cols_at(x, 0), x.sheet->ld, w, from, to, ns_cols_at(out, 0), out.n);
    ns_tape_linear(b, x, out, w, false);
    return out;
}

static const ns_weight *weight_of(const ns_band *b, int weight)
{
    const ns_weight *const w = &b->weights->packed[weight];
    return w->experts ? &w->experts[b->expert] : w;
}

ns_cols ns_band_linear_part(ns_band *b, ns_cols x, int weight, int64_t c0, int64_t c1)
{
    const ns_weight *const w = weight_of(b, weight);
    const int64_t from = b->tape ? 0 : c0 / NS_PANEL * NS_PANEL, to = b->tape ? w->n : c1;      /* the way back takes whole products */
    return ns_columns(ns_band_product(b, x, w, from, to), c0 - from, c1 - c0);
}

ns_cols ns_band_linear(ns_band *b, ns_cols x, int weight)
{
    return ns_band_linear_part(b, x, weight, 0, weight_of(b, weight)->n);
}

ns_cols ns_band_blocks(ns_band *b, ns_cols x, int weight)
{
    const ns_weight *const w = &b->weights->packed[weight];
    const ns_cols out = ns_band_new(b, x.n);
    const int64_t d = x.n / w->n_experts;
    for (int64_t e = 0; e < w->n_experts && b->rc == NS_OK; e++) {
        const ns_cols from = ns_columns(x, e * d, d), to = ns_columns(out, e * d, d);
        b->rc = ns_weights_expert(b->p->model, b->branch, b->weights, e, b->p->err);
        if (b->rc != NS_OK)
            break;
        ns_linear(b->p->engine, b->rows, ns_cols_at(from, 0), x.sheet->ld, &w->experts[e], 0, d, ns_cols_at(to, 0), out.n);
        ns_tape_linear(b, from, to, &w->experts[e], e > 0);
    }
    return b->rc == NS_OK ? out : (ns_cols){0};
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
    b->k = k;
    b->v = v;
    if (b->tape)               /* all rows are here: nothing is kept for later ones */
        return;
    for (int i = 0; i < b->n_members && b->rc == NS_OK; i++) {
        const ns_member *const m = &b->members[i];
        const keep_job j = {&m->s->kv[b->layer], a, k, v, m->row, m->begin};
        ns_each_row(b, m->end - m->begin, keep_row, &j);
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
    if (b->tape || !ns_hooks_any(b->p->hooks, NS_POINT_RESULT, b->layer) || !ns_band_shows(b, NS_POINT_RESULT))
        return;
    for (int i = 0; i < b->n_members; i++) {
        const ns_member *const m = &b->members[i];
        const int64_t rows = m->end - m->begin;
        for (int64_t r = 0; r < rows && b->rc == NS_OK; r += TASK_ROWS)
            b->rc = show_shares(b, &s, m, r, r + TASK_ROWS < rows ? r + TASK_ROWS : rows);
    }
}

/* ---- the residual stream ---- */

typedef struct add_job {
    const ns_math  *math;
    const ns_stage *stage;
    ns_cols         x, sum, normed;
    const ns_cols  *out;
    atomic_bool    *broken;
} add_job;

static void add_row(const void *job, int64_t row)
{
    const add_job *const j = job;
    float *const sum = ns_cols_at(j->sum, row);
    const float *base = ns_cols_at(j->x, row);
    const int64_t D = j->x.n;
    if (j->stage->normed_scale != 0) {
        memcpy(sum, ns_cols_at(j->normed, row), (size_t)D * sizeof *sum);
        j->math->scale(sum, D, j->stage->normed_scale);
        base = sum;
    }
    for (int b = 0; b < j->stage->n_branches; b++, base = sum)
        j->math->add(sum, base, ns_cols_at(j->out[b], row), D);
    if (!j->math->all_finite(sum, D))
        atomic_store(j->broken, true);
}

static int not_finite(ns_band *b, ns_point point)
{
    char name[64], where[128];
    const ns_member *m = b->members;
    while (b->p->math->all_finite(b->x->data + m->row * b->x->ld, (m->end - m->begin) * b->x->ld))
        m++;
    b->broken = point;
    ns_point_format(point, b->layer, name, sizeof name);
    snprintf(where, sizeof where, "%s, rows %lld..%lld", name, (long long)m->begin, (long long)m->end - 1);
    return ns_pass_broken(b->p, m->session, where, "a value is NaN or Inf");
}

void ns_band_add(ns_band *b, const ns_stage *stage, ns_cols normed, const ns_cols *out, ns_point point)
{
    atomic_bool broken = false;
    const float scale = stage->normed_scale;
    const add_job j = {b->p->math, stage, ns_band_x(b), ns_taped_out(b, ns_band_x(b)), normed, out, &broken};
    if (b->rc != NS_OK)
        return;
    ns_each_row(b, b->rows, add_row, &j);
    b->x = j.sum.sheet;
    ns_tape_share(b, scale != 0 ? normed : j.x, j.sum, scale != 0 ? scale : 1, false);
    for (int i = 0; i < stage->n_branches; i++)
        ns_tape_share(b, out[i], j.sum, 1, true);
    if (atomic_load(&broken))
        b->rc = not_finite(b, point);
}
