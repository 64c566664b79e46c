/* rows.c - the operations of band.h that work row by row: norms, activations, gates. What goes by positions is in positions.c. */
#include "model/tape.h"

#include <math.h>
#include <string.h>

/* ---- norms ---- */

typedef struct norm_job {
    const ns_math  *math;
    const ns_norm  *norm;
    const ns_gains *gains;
    ns_cols         x, out;
    int64_t         groups;
    enum { WHOLE, HAT, AFFINE } step;      /* x_hat and gain at once, or apart with a hook between; the same bits */
} norm_job;

static const float *from(const float *list, int64_t first)
{
    return list ? list + first : NULL;
}

/* first: of the gains. */
static void norm_part(const norm_job *j, float *out, const float *x, int64_t n, int64_t first)
{
    const float *const gain = j->step == HAT ? NULL : from(j->gains->gain, first);
    const float *const bias = j->step == HAT ? NULL : from(j->gains->bias, first);
    if (j->step == AFFINE) {
        if (gain || bias)
            j->math->affine(out, out, n, gain, j->norm->offset, bias);
    } else if (j->norm->type == NS_NORM_RMS) {
        j->math->rms_norm(out, x, n, j->norm->eps, gain, j->norm->offset);
    } else if (j->norm->type == NS_NORM_L2) {                              /* of the sum of squares, not of their mean */
        j->math->rms_norm(out, x, n, (float)((double)j->norm->eps / (double)n), NULL, 0);
        j->math->scale(out, n, (float)(1 / sqrt((double)n)));
    } else {
        j->math->layer_norm(out, x, n, j->norm->eps, gain, j->norm->offset, bias);
    }
}

static void norm_row(const void *job, int64_t row)
{
    const norm_job *const j = job;
    const int64_t n = j->x.n / j->groups;
    const int64_t gains = j->norm->weight.n_out == j->x.n ? n : 0;     /* one gain for all groups, or a part of it for each */
    float *const out = ns_cols_at(j->out, row);
    const float *const x = ns_cols_at(j->x, row);
    for (int64_t g = 0; g < j->groups; g++)
        norm_part(j, out + g * n, x + g * n, n, g * gains);
}

ns_cols ns_band_normed(ns_band *b, ns_cols x, ns_cols out, int64_t groups, const ns_norm *norm, const ns_gains *gains)
{
    const norm_job j = {b->p->math, norm, gains, x, out, groups, WHOLE};
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_each_row(b, b->rows, norm_row, &j);
    ns_tape_norm(b, x, out, groups, norm, gains);
    return out;
}

ns_cols ns_band_norm(ns_band *b, ns_cols x, int64_t groups, int slot)
{
    const ns_norm *const norm = ns_slot_norm(b->branch, &b->branch->class_->slots[slot]);
    if (norm->type == NS_NORM_NONE)
        return x;
    return ns_band_normed(b, x, ns_taped_out(b, x), groups, norm, &b->weights->gains[slot]);
}

/* Shown once: where states are asked for, else with the rows. */
static bool shows_input(const ns_band *b)
{
    const ns_branch_class *const c = b->branch->class_;
    return (!c->keeps || ns_band_asks(b, NS_PART_STATE)) && ns_hooks_any(b->p->hooks, c->in_point, b->layer);
}

ns_cols ns_band_in_norm(ns_band *b)
{
    const ns_norm *const norm = &b->branch->in_norm;
    if (norm->type == NS_NORM_NONE)
        return ns_band_x(b);
    if (b->tape)
        return ns_tape_hat(b, ns_band_x(b), norm, &b->weights->in_norm, b->branch->class_->in_point);
    norm_job j = {b->p->math, norm, &b->weights->in_norm, ns_band_x(b), ns_band_new(b, b->x->ld), 1, HAT};
    if (!shows_input(b))
        return ns_band_normed(b, j.x, j.out, 1, norm, j.gains);
    if (!j.out.sheet)
        return j.out;
    ns_each_row(b, b->rows, norm_row, &j);
    ns_band_show(b, b->branch->class_->in_point, j.out, 0);
    j.step = AFFINE;
    if (b->rc == NS_OK)
        ns_each_row(b, b->rows, norm_row, &j);
    return j.out;
}

ns_cols ns_band_in_scale(ns_band *b, ns_cols normed)
{
    const float factor = b->branch->in_scale;
    const ns_cols out = factor == 1.0f ? normed : ns_band_new(b, normed.n);
    if (factor == 1.0f || b->rc != NS_OK)
        return out;
    for (int64_t r = 0; r < b->rows; r++) {
        memcpy(ns_cols_at(out, r), ns_cols_at(normed, r), (size_t)normed.n * sizeof(float));
        b->p->math->scale(ns_cols_at(out, r), normed.n, factor);
    }
    ns_tape_share(b, normed, out, factor, false);
    return out;
}

ns_cols ns_band_out_norm(ns_band *b, ns_cols out)
{
    const ns_branch *const br = b->branch;
    if (br->out_norm.type != NS_NORM_NONE)
        out = ns_band_normed(b, out, ns_taped_out(b, out), 1, &br->out_norm, &b->weights->out_norm);
    return ns_band_scale(b, out, br->out_scale);
}

ns_cols ns_band_scale(ns_band *b, ns_cols x, float factor)
{
    if (b->rc != NS_OK || factor == 1.0f)
        return x;
    for (int64_t r = 0; r < b->rows; r++)
        b->p->math->scale(ns_cols_at(x, r), x.n, factor);
    ns_tape_scale(b, x, factor);
    return x;
}

ns_cols ns_band_softcap(ns_band *b, ns_cols x, float cap)
{
    if (b->rc != NS_OK || cap == 0)
        return x;
    for (int64_t r = 0; r < b->rows; r++)
        b->p->math->softcap(ns_cols_at(x, r), x.n, cap);
    ns_tape_softcap(b, x, cap);
    return x;
}

/* ---- elementwise ---- */

typedef struct pair_job { const ns_math *math; ns_cols x, y, out; ns_act act; } pair_job;

static void act_row(const void *job, int64_t row)
{
    const pair_job *const j = job;
    float *const out = ns_cols_at(j->out, row);
    j->math->act(out, ns_cols_at(j->x, row), j->x.n, j->act);
    if (j->y.sheet)
        j->math->mul(out, out, ns_cols_at(j->y, row), j->x.n);
}

/* relu alone stays in place: what came out of it says what went in. */
ns_cols ns_band_glu(ns_band *b, ns_cols x, ns_act act, ns_cols up)
{
    const pair_job j = {b->p->math, x, up, act == NS_ACT_RELU && !up.sheet ? x : ns_taped_out(b, x), act};
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_each_row(b, b->rows, act_row, &j);
    ns_tape_act(b, x, j.out, act, up);
    return j.out;
}

ns_cols ns_band_act(ns_band *b, ns_cols x, ns_act act)
{
    return ns_band_glu(b, x, act, (ns_cols){0});
}

/* ---- xIELU: x > 0: alpha_p x^2 + beta x; else (e^min(x, eps) - 1 - x) alpha_n + beta x ---- */

typedef struct xielu_job { const ns_math *math; ns_cols x, out; float alpha_p, alpha_n, beta, eps; } xielu_job;

static double softplus(float x)
{
    return ns_log(1 + ns_exp((double)x));
}

/* e^x - 1 - x for x <= 0; e is e^x. Near 0 by its series: the difference would be lost. */
static float exp_minus(float x, float e)
{
    float sum = 1;
    if (x < -1)
        return e - 1 - x;
    for (int i = 13; i > 2; i--)
        sum = 1 + x / (float)i * sum;
    return 0.5f * x * x * sum;
}

static void xielu_row(const void *job, int64_t row)
{
    const xielu_job *const j = job;
    const float *const x = ns_cols_at(j->x, row);
    float *const out = ns_cols_at(j->out, row);
    for (int64_t i = 0; i < j->x.n; i++)
        out[i] = x[i] < j->eps ? x[i] : j->eps;
    j->math->exp(out, out, j->x.n);
    for (int64_t i = 0; i < j->x.n; i++) {
        const float low = x[i] < j->eps ? x[i] : j->eps;
        out[i] = j->beta * x[i] +
                 (x[i] > 0 ? j->alpha_p * x[i] * x[i] : (exp_minus(low, out[i]) + (low - x[i])) * j->alpha_n);
    }
}

static xielu_job xielu_of(const ns_band *b, ns_cols x, ns_cols out, const ns_gains *g, const int slots[4])
{
    xielu_job j = {.math = b->p->math, .x = x, .out = out, .beta = *g[slots[2]].gain, .eps = *g[slots[3]].gain};
    j.alpha_p = (float)softplus(*g[slots[0]].gain);
    j.alpha_n = j.beta + (float)softplus(*g[slots[1]].gain);
    return j;
}

/* alpha_p and alpha_n are trained, beta and eps are not. softplus' = 1 - e^-softplus. */
static void xielu_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x);
    const xielu_job j = xielu_of(b, s->x, s->out, s->gains, s->slots);
    double above = 0, below = 0;
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++)
        for (int64_t i = 0; i < s->x.n; i++) {
            const float x = ns_cols_at(s->x, r)[i], low = x < j.eps ? x : j.eps, d = dy[r * s->out.sheet->ld + i];
            float e = low;
            j.math->exp(&e, &e, 1);
            dx[r * s->x.sheet->ld + i] += d * (j.beta + (x > 0 ? 2 * j.alpha_p * x : j.alpha_n * ((x < j.eps ? e : 0) - 1)));
            above += x > 0 ? (double)(d * x * x) : 0;
            below += x > 0 ? 0 : (double)(d * (exp_minus(low, e) + (low - x)));
        }
    const ns_gains *const p = &s->gains[s->slots[0]], *const n = &s->gains[s->slots[1]];
    if (p->gain_grad)
        *p->gain_grad += (float)(above * (1 - ns_exp(-softplus(*p->gain))));
    if (n->gain_grad)
        *n->gain_grad += (float)(below * (1 - ns_exp(-softplus(*n->gain))));
}

ns_cols ns_band_xielu(ns_band *b, ns_cols x, const int slots[4])
{
    const ns_gains *const g = b->weights->gains;
    const xielu_job j = xielu_of(b, x, ns_band_new(b, x.n), g, slots);
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_each_row(b, b->rows, xielu_row, &j);
    ns_tape_note(b, (ns_taped){.back = xielu_back, .x = x, .out = j.out, .slots = slots, .gains = g});
    return j.out;
}

/* ---- products and gates ---- */

static void times_row(const void *job, int64_t row)
{
    const pair_job *const j = job;
    j->math->mul(ns_cols_at(j->out, row), ns_cols_at(j->x, row), ns_cols_at(j->y, row), j->x.n);
}

ns_cols ns_band_times(ns_band *b, ns_cols x, ns_cols y)
{
    const pair_job j = {.math = b->p->math, .x = x, .y = y, .out = ns_band_new(b, x.n)};
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_each_row(b, b->rows, times_row, &j);
    ns_tape_times(b, x, y, j.out);
    return j.out;
}

static void gate_row(const void *job, int64_t row)
{
    const pair_job *const j = job;
    float *const gate = ns_cols_at(j->y, row);
    j->math->sigmoid(gate, gate, j->x.n);
    j->math->mul(ns_cols_at(j->out, row), ns_cols_at(j->x, row), gate, j->x.n);
}

ns_cols ns_band_gate(ns_band *b, ns_cols x, ns_cols gate)
{
    if (!gate.sheet || b->rc != NS_OK)
        return x;
    const pair_job j = {.math = b->p->math, .x = x, .y = gate, .out = ns_taped_out(b, x)};
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_each_row(b, b->rows, gate_row, &j);
    ns_tape_gate(b, x, j.out, gate);
    return j.out;
}

ns_cols ns_band_clip(ns_band *b, ns_cols x, float limit)
{
    const ns_cols out = limit > 0 ? ns_taped_out(b, x) : x;
    for (int64_t r = 0; r < b->rows && limit > 0 && out.sheet; r++) {
        const float *const from = ns_cols_at(x, r);
        float *const to = ns_cols_at(out, r);
        for (int64_t i = 0; i < x.n; i++)
            to[i] = from[i] > limit ? limit : from[i] < -limit ? -limit : from[i];
    }
    if (limit > 0)
        ns_tape_clip(b, x, out, limit);
    return out;
}
