/* recurrence.c - the operations of band.h that a recurrence is made of: the short convolution, decays, the scan.
 *
 * A scan goes through the rows one by one; its states are cut into panels of 32 value columns, which know nothing of each other: a task
 * takes one panel, 16 kB for keys of 128 numbers, through all rows of the band. So a row's bits follow from the state before it and from
 * itself, however the rows came in. */
#include "model/tape.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* ---- convolution ---- */

enum { CHUNK = 512 };                      /* channels at a time */

typedef struct conv_job {
    const ns_member *m;
    const float *tail;                     /* [taps - 1][n] the inputs before the first row */
    const ns_math *math;
    const float *weight, *bias;            /* [taps][n]; [n] */
    ns_cols      x, out;
    int64_t      taps;
} conv_job;

/* The input of a row of the member; of rows before it, which begin with the tail. */
static const float *input(const conv_job *j, int64_t row, int64_t n)
{
    return row >= 0 ? ns_cols_at(j->x, j->m->row + row) : j->tail + (row + j->taps - 1) * n;
}

static void conv_row(const void *job, int64_t row)
{
    const conv_job *const j = job;
    const int64_t n = j->x.n, K = j->taps;
    float *const out = ns_cols_at(j->out, j->m->row + row);
    float product[CHUNK];
    memcpy(out, j->bias, (size_t)n * sizeof *out);
    for (int64_t t = 0; t < K; t++) {
        const float *const x = input(j, row - K + 1 + t, n);
        for (int64_t c = 0, m; c < n; c += m) {
            m = n - c < CHUNK ? n - c : CHUNK;
            j->math->mul(product, j->weight + t * n + c, x + c, m);
            j->math->add(out + c, out + c, product, m);
        }
    }
}

static float *tail_of(const ns_snapshot *s, const ns_keeps *k)
{
    return s->data + ns_state_floats(k) - k->tail;
}

/* What later rows need of the inputs: those of the last rows before `at`. */
static void leave_tail(const conv_job *j, float *to, int64_t at)
{
    for (int64_t t = 0; t < j->taps - 1; t++)
        memcpy(to + t * j->x.n, input(j, at - j->m->begin - j->taps + 1 + t, j->x.n), (size_t)j->x.n * sizeof *to);
}

/* scratch [taps - 1][n]: zeros. A whole sequence on a tape begins with nothing and leaves nothing. */
static int conv_member(ns_band *b, conv_job j, float *scratch)
{
    j.tail = scratch;
    if (b->tape) {
        ns_each_row(b, j.m->end - j.m->begin, conv_row, &j);
        return NS_OK;
    }
    ns_state *const s = &j.m->s->states[b->layer];
    const ns_keeps k = ns_branch_keeps(b->branch);
    j.tail = tail_of(&s->now, &k);
    ns_each_row(b, j.m->end - j.m->begin, conv_row, &j);
    for (int64_t i = 0; i < s->n; i++)
        if (s->list[i].at > j.m->begin && s->list[i].at <= j.m->end)
            leave_tail(&j, tail_of(&s->list[i], &k), s->list[i].at);
    leave_tail(&j, scratch, j.m->end);
    memcpy(tail_of(&s->now, &k), scratch, (size_t)k.tail * sizeof *scratch);
    s->now.at = j.m->end;
    return NS_OK;
}

/* The tables of all slots in the scratch, a row a tap: [taps][channels], then the biases. */
static float *join_tables(ns_band *b, const int *slots, int n_slots, int64_t n, int64_t taps)
{
    float *const out = ns_buffer_need(&b->p->scratch->tables, n * (taps + 1) + (taps - 1) * n, b->p->err);
    int64_t c = 0;
    if (out)
        memset(out + n * (taps + 1), 0, (size_t)((taps - 1) * n) * sizeof *out);
    for (int i = 0; out && i < n_slots; i++) {
        const ns_tref *const t = ns_slot_tref(b->branch, &b->branch->class_->slots[slots[i]]);
        const ns_gains *const g = &b->weights->gains[slots[i]];
        for (int64_t k = 0; k < t->n_out; k++) {
            for (int64_t tap = 0; tap < taps; tap++)
                out[tap * n + c + k] = g->gain[k * taps + tap];
            out[n * taps + c + k] = g->bias ? g->bias[k] : 0;
        }
        c += t->n_out;
    }
    return out;
}

ns_cols ns_band_conv(ns_band *b, ns_cols x, const int *slots, int n_slots, int64_t taps)
{
    const ns_cols out = ns_band_new(b, x.n);
    float *const tables = out.sheet ? join_tables(b, slots, n_slots, x.n, taps) : NULL;
    if (out.sheet && !tables)
        b->rc = NS_E_MEMORY;
    for (int i = 0; i < b->n_members && b->rc == NS_OK; i++)
        b->rc = conv_member(b, (conv_job){.m = &b->members[i], .math = b->p->math, .weight = tables, .bias = tables + x.n * taps, .x = x,
                                          .out = out, .taps = taps}, tables + x.n * (taps + 1));
    ns_tape_conv(b, x, out, slots, n_slots, taps);
    return b->rc == NS_OK ? out : (ns_cols){0};
}

/* ---- elementwise ---- */

typedef struct step_job { ns_cols x, out; const float *bias; double sign, low, high; } step_job;

double ns_softplus(double x)
{
    const double e = x > 20 ? 0 : ns_exp(x);
    return x > 20 ? x : e < 1e-6 ? e - e * e / 2 : ns_log(1 + e);
}

static void softplus_row(const void *job, int64_t row)
{
    const step_job *const j = job;
    const float *const x = ns_cols_at(j->x, row);
    float *const out = ns_cols_at(j->out, row);
    for (int64_t i = 0; i < j->x.n; i++) {
        const double y = ns_softplus(j->sign * (double)(x[i] + (j->bias ? j->bias[i] : 0)));
        out[i] = (float)(y < j->low ? j->low : y > j->high ? j->high : y);
    }
}

ns_cols ns_band_softplus(ns_band *b, ns_cols x, int slot, double sign, double low, double high)
{
    const step_job j = {x, ns_band_new(b, x.n), slot >= 0 ? b->weights->gains[slot].gain : NULL, sign, low, high};
    if (j.out.sheet)
        ns_each_row(b, b->rows, softplus_row, &j);
    ns_tape_softplus(b, x, j.out, slot >= 0 ? &b->weights->gains[slot] : NULL, sign, low, high);
    return j.out;
}

typedef struct decay_job { ns_cols step, out; int64_t heads; const float *log_rate; double rate; } decay_job;

static void decay_row(const void *job, int64_t row)
{
    const decay_job *const j = job;
    const float *const step = ns_cols_at(j->step, row);
    float *const out = ns_cols_at(j->out, row);
    const int64_t each = j->step.n / j->heads;
    for (int64_t h = 0; h < j->heads; h++) {
        const double rate = j->log_rate ? ns_exp((double)j->log_rate[h]) : j->rate;
        for (int64_t i = h * each; i < (h + 1) * each; i++)
            out[i] = (float)(-rate * (double)step[i]);
    }
}

ns_cols ns_band_log_decay(ns_band *b, ns_cols step, int64_t heads, int slot, double rate)
{
    const decay_job j = {step, ns_band_new(b, step.n), heads, slot >= 0 ? b->weights->gains[slot].gain : NULL, rate};
    if (j.out.sheet)
        ns_each_row(b, b->rows, decay_row, &j);
    ns_tape_log_decay(b, step, j.out, heads, slot >= 0 ? &b->weights->gains[slot] : NULL, rate);
    return j.out;
}

typedef struct sigmoid_job { const ns_math *math; ns_cols x, out; float times; } sigmoid_job;

static void sigmoid_row(const void *job, int64_t row)
{
    const sigmoid_job *const j = job;
    float *const out = ns_cols_at(j->out, row);
    j->math->sigmoid(out, ns_cols_at(j->x, row), j->x.n);
    if (j->times != 1)
        j->math->scale(out, j->x.n, j->times);
}

ns_cols ns_band_sigmoid(ns_band *b, ns_cols x, float times)
{
    const sigmoid_job j = {b->p->math, x, ns_band_new(b, x.n), times};
    if (j.out.sheet)
        ns_each_row(b, b->rows, sigmoid_row, &j);
    ns_tape_sigmoid(b, x, j.out, times);
    return j.out;
}

typedef struct skip_job { const ns_math *math; ns_cols z, v, out; int64_t heads; const float *D; } skip_job;

static void skip_row(const void *job, int64_t row)
{
    const skip_job *const j = job;
    const int64_t d = j->z.n / j->heads, shared = j->z.n / j->v.n;
    float *const out = ns_cols_at(j->out, row);
    const float *const v = ns_cols_at(j->v, row);
    memcpy(out, ns_cols_at(j->z, row), (size_t)j->z.n * sizeof *out);
    for (int64_t h = 0; h < j->heads; h++)
        j->math->axpy(out + h * d, v + h / shared * d, d, j->D[h]);
}

ns_cols ns_band_skip(ns_band *b, ns_cols z, ns_cols v, int64_t heads, int slot)
{
    const skip_job j = {b->p->math, z, v, ns_band_new(b, z.n), heads, b->weights->gains[slot].gain};
    if (j.out.sheet)
        ns_each_row(b, b->rows, skip_row, &j);
    ns_tape_skip(b, z, v, j.out, heads, &b->weights->gains[slot]);
    return j.out;
}

/* ---- decays themselves, and whether they are such ---- */

typedef struct factor_job { const ns_math *math; const ns_scan *s; ns_cols a; atomic_bool *broken; } factor_job;

static void factor_row(const void *job, int64_t row)
{
    const factor_job *const j = job;
    float *const a = ns_cols_at(j->a, row);
    for (int64_t i = 0; i < j->a.n; i++) {
        a[i] = j->s->log_decay.sheet ? ns_cols_at(j->s->log_decay, row)[i] : j->s->slope ? (float)-j->s->slope[i] : 0;
        if (!(a[i] <= 0))
            atomic_store(j->broken, true);
    }
    j->math->exp(a, a, j->a.n);
}

int ns_band_broken(const ns_band *b, ns_cols x, int64_t units, const char *unit, bool (*good)(float), const char *what)
{
    const ns_member *m = b->members;
    for (int64_t row = 0, i = 0; row < b->rows; row++, i = 0) {
        m = row >= m->row + m->end - m->begin ? m + 1 : m;
        while (i < x.n && good(ns_cols_at(x, row)[i]))
            i++;
        if (i < x.n)
            return ns_fail(b->p->err, NS_E_NUMERIC, "layer %lld, %s %lld, position %lld of session %lld: %s (%g)", (long long)b->layer,
                           unit, (long long)(i / (x.n / units)), (long long)(m->begin + row - m->row), (long long)m->session, what,
                           (double)ns_cols_at(x, row)[i]);
    }
    return ns_fail(b->p->err, NS_E_NUMERIC, "layer %lld: %s", (long long)b->layer, what);
}

static bool not_above_0(float x)
{
    return x <= 0;
}

static bool is_finite(float x)
{
    return isfinite(x);
}

static ns_cols factors(ns_band *b, const ns_scan *s)
{
    atomic_bool bad = false;
    const factor_job j = {b->p->math, s, ns_band_new(b, s->log_decay.sheet ? s->log_decay.n : s->heads), &bad};
    if (j.a.sheet)
        ns_each_row(b, b->rows, factor_row, &j);
    if (atomic_load(&bad))
        b->rc = ns_band_broken(b, s->log_decay, s->heads, "head", not_above_0,
                               "the log of a decay is above 0 or no number: the state would grow");
    return j.a;
}

/* ---- the scan ---- */

typedef struct scan_job {
    const ns_band *b;
    const ns_scan *s;
    ns_cols        q, a, z;                /* q: scaled */
    int64_t        panels;                 /* of a state */
    atomic_bool   *broken;
} scan_job;

/* Of a row of fewer heads, or as many, the one that state h reads. */
static const float *head_of(ns_cols x, int64_t row, int64_t h, int64_t states, int64_t heads)
{
    return ns_cols_at(x, row) + h / (states / heads) * (x.n / heads);
}

static void scan_row(const scan_job *j, int64_t h, int64_t panel, int64_t row, float *S)
{
    const ns_scan *const s = j->s;
    const int64_t H = s->heads, first = panel * NS_PANEL, n = s->value - first < NS_PANEL ? s->value - first : NS_PANEL;
    float v[NS_PANEL] = {0}, out[NS_PANEL];
    memcpy(v, head_of(s->v, row, h, H, s->v_heads) + first, (size_t)n * sizeof *v);
    j->b->p->math->scan(S, s->key, head_of(j->q, row, h, H, s->q_heads), head_of(s->k, row, h, H, s->k_heads), v,
                        head_of(j->a, row, h, H, H), j->a.n > H, s->write.sheet ? ns_cols_at(s->write, row)[h] : 1, s->delta, out);
    memcpy(ns_cols_at(j->z, row) + h * s->value + first, out, (size_t)n * sizeof *out);
    if (!j->b->p->math->all_finite(out, n))
        atomic_store(j->broken, true);
}

void ns_state_rows(const ns_member *m, int64_t layer, int64_t first, int64_t floats, ns_state_row_fn fn, const void *job)
{
    const ns_state *const state = &m->s->states[layer];
    float *const S = state->now.data + first;
    int64_t next = 0;
    while (next < state->n && state->list[next].at <= m->begin)
        next++;
    for (int64_t t = m->begin; t < m->end; t++) {
        fn(job, m->row + t - m->begin, S);
        if (next < state->n && state->list[next].at == t + 1)
            memcpy(state->list[next++].data + first, S, (size_t)floats * sizeof *S);
    }
}

typedef struct panel_job { const scan_job *j; int64_t head, panel; } panel_job;

static void panel_row(const void *job, int64_t row, float *S)
{
    const panel_job *const p = job;
    scan_row(p->j, p->head, p->panel, row, S);
}

/* One panel of one state of one session, through its rows. */
static void scan_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const scan_job *const j = user;
    const int64_t per_member = j->s->heads * j->panels, part = task % per_member, floats = j->s->key * NS_PANEL;
    const panel_job p = {j, part / j->panels, part % j->panels};
    ns_state_rows(&j->b->members[task / per_member], j->b->layer, part * floats, floats, panel_row, &p);
}

static void scale_row(const void *job, int64_t row)
{
    const scan_job *const j = job;
    float *const q = ns_cols_at(j->q, row);
    memcpy(q, ns_cols_at(j->s->q, row), (size_t)j->q.n * sizeof *q);
    j->b->p->math->scale(q, j->q.n, j->s->scale);
}

ns_cols ns_band_scan(ns_band *b, const ns_scan *s)
{
    atomic_bool bad = false;
    scan_job j = {.b = b, .s = s, .panels = (s->value + NS_PANEL - 1) / NS_PANEL, .broken = &bad};
    j.q = ns_band_new(b, s->q.n);
    j.a = factors(b, s);
    j.z = ns_band_new(b, s->heads * s->value);
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_each_row(b, b->rows, scale_row, &j);
    if (b->tape) {
        ns_tape_scan(b, s, j.q, j.a, j.z);
        return b->rc == NS_OK ? j.z : (ns_cols){0};
    }
    ns_engine_run(b->p->engine, b->n_members * s->heads * j.panels, scan_task, &j);
    for (int i = 0; i < b->n_members; i++)
        b->members[i].s->states[b->layer].now.at = b->members[i].end;
    if (atomic_load(&bad))
        b->rc = ns_band_broken(b, j.z, s->heads, "head", is_finite, "the state of a recurrence is no longer finite");
    ns_scan scaled = *s;
    scaled.q = j.q;
    scaled.scale = 1;
    ns_band_unroll(b, &scaled, j.a, j.z);
    return b->rc == NS_OK ? j.z : (ns_cols){0};
}
