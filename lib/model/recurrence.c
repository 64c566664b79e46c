/* recurrence.c - the operations of band.h that a recurrence is made of, beside the scan: short convolution, steps and decays, skip. */
#include "model/tape.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
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

/* e^x, infinite where no number of 32 bits is it: so it is in transformers, where a step of 0 then gives no number. */
static double rate_of(float log_rate)
{
    const double rate = ns_exp((double)log_rate);
    return rate > (double)FLT_MAX ? (double)INFINITY : rate;
}

static void decay_row(const void *job, int64_t row)
{
    const decay_job *const j = job;
    const float *const step = ns_cols_at(j->step, row);
    float *const out = ns_cols_at(j->out, row);
    const int64_t each = j->step.n / j->heads;
    for (int64_t h = 0; h < j->heads; h++) {
        const double rate = j->log_rate ? rate_of(j->log_rate[h]) : j->rate;
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

static const double LARGEST_SHARE = 1 - 0x1p-53;       /* a logit of it is a number */

double ns_softmax_share(const float *x, int64_t n, int64_t stride, int64_t first, int64_t last)
{
    double most = (double)x[0], all = 0, own = 0;
    for (int64_t i = 1; i < n; i++)
        most = (double)x[i * stride] > most ? (double)x[i * stride] : most;
    for (int64_t i = 0; i < n; i++) {
        const double e = ns_exp((double)x[i * stride] - most);
        all += e;
        own += i >= first && i <= last ? e : 0;
    }
    return own / all < LARGEST_SHARE ? own / all : LARGEST_SHARE;
}

typedef struct bound_job { ns_cols x, out; const double *bound; } bound_job;

/* e^y = (bound + e^x) / (1 - bound) */
static void bound_row(const void *job, int64_t row)
{
    const bound_job *const j = job;
    const float *const x = ns_cols_at(j->x, row);
    float *const out = ns_cols_at(j->out, row);
    for (int64_t c = 0; c < j->x.n; c++) {
        const double bound = j->bound[c], log_bound = bound > 0 ? ns_log(bound) : 0;
        out[c] = bound > 0 ? (float)(log_bound + ns_softplus((double)x[c] - log_bound) - ns_log(1 - bound)) : x[c];
    }
}

ns_cols ns_band_lower_bound(ns_band *b, ns_cols x, int slot, int64_t depths, int64_t depth)
{
    const ns_gains *const table = &b->weights->gains[slot];
    double *const bound = ns_alloc_array((size_t)x.n, sizeof *bound);
    const bound_job j = {x, ns_band_new(b, x.n), bound};
    if (!bound && b->rc == NS_OK)
        b->rc = ns_oom(b->p->err, "lower bounds");
    for (int64_t c = 0; bound && c < x.n; c++)
        bound[c] = ns_softmax_share(table->gain + c, depths, x.n, 1, depth);
    if (bound && j.out.sheet)
        ns_each_row(b, b->rows, bound_row, &j);
    free(bound);
    ns_tape_lower_bound(b, x, j.out, table, depths, depth);
    return b->rc == NS_OK ? j.out : (ns_cols){0};
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
