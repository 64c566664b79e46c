/* back.c - the operations of a band on the way back. Each reads the derivative dy of what it gave and puts its share of dx where x is. */
#include "model/tape.h"

#include <math.h>
#include <string.h>

static float *data_at(ns_cols c)
{
    return ns_cols_at(c, 0);
}

/* Where x was spent on one operation, nobody else has put a number there. */
static float *spent(ns_band *b, ns_cols x)
{
    bool fresh;
    return ns_grad_into(b, x, &fresh);
}

static float *room_for(ns_band *b, int64_t n)
{
    float *const room = ns_buffer_need(&b->p->scratch->result, n, b->p->err);
    if (!room)
        b->rc = NS_E_MEMORY;
    return room;
}

/* ---- products: dx = dy W, dW += dy^T x, db += sum of dy ---- */

typedef struct product { const ns_band *b; const ns_taped *s; const float *dy; } product;

static void weight_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const product *const j = user;
    const ns_weight *const w = j->s->weight;
    const int64_t from = task * NS_PANEL * 8, n = w->n - from < NS_PANEL * 8 ? w->n - from : NS_PANEL * 8;
    j->b->p->math->gemm_tn(n, w->k, j->b->rows, j->dy + from, j->s->out.sheet->ld, data_at(j->s->x), j->s->x.sheet->ld,
                           w->grad + from * w->k, w->k, NS_GRADIENT_KB, true);
}

static void bias_back(const ns_band *b, const ns_weight *w, const float *dy, int64_t ld)
{
    for (int64_t r = 0; r < b->rows; r++)
        b->p->math->add(w->bias_grad, w->bias_grad, dy + r * ld, w->n);
}

/* Into the sheet itself where nothing is there yet, else through a second one. */
static void input_back(ns_band *b, const ns_taped *s, const float *dy)
{
    const ns_weight turned = {.packed = s->weight->turned, .dtype = s->weight->dtype, .n = s->weight->k, .k = s->weight->n};
    bool fresh;
    float *const dx = ns_grad_into(b, s->x, &fresh), *to = dx;
    int64_t ld = s->x.sheet->ld;
    if (dx && !fresh) {
        ld = s->x.n;
        to = room_for(b, b->rows * ld);
    }
    if (b->rc != NS_OK)
        return;
    ns_linear(b->p->engine, b->rows, dy, s->out.sheet->ld, &turned, 0, turned.n, to, ld);
    for (int64_t r = 0; r < b->rows && !fresh; r++)
        b->p->math->add(dx + r * s->x.sheet->ld, dx + r * s->x.sheet->ld, to + r * ld, ld);
}

static void linear_back(ns_band *b, const ns_taped *s)
{
    const ns_weight *const w = s->weight;
    const float *const dy = ns_grad_of(b, s->out);
    product j = {b, s, dy};
    if (w->grad)
        ns_engine_run(b->p->engine, (w->n + NS_PANEL * 8 - 1) / (NS_PANEL * 8), weight_task, &j);
    if (w->bias_grad)
        bias_back(b, w, dy, s->out.sheet->ld);
    input_back(b, s, dy);
}

void ns_tape_linear(ns_band *b, ns_cols x, ns_cols out, const ns_weight *w, bool more)
{
    ns_tape_note(b, (ns_taped){.back = linear_back, .x = x, .out = out, .weight = w, .more = more,
                               .unread = NS_OF_OUT | (w->grad ? 0 : NS_OF_X)});
}

/* ---- norms, row by row in order: gains add up over rows ---- */

typedef struct norm_rows { const ns_math *math; const ns_norm *norm; int64_t n; float *gain, *dgain, *dbias; } norm_rows;

/* y = x_hat gain + bias, x_hat = (x - mean) r:  dx += r (g - mean g - x_hat mean(g x_hat)), g = dy gain */
static void layer_norm_row(const norm_rows *j, float *dx, const float *x, const float *dy)
{
    const double n = (double)j->n;
    double sum = 0, square = 0, inner = 0, total = 0;
    for (int64_t i = 0; i < j->n; i++)
        sum += (double)x[i];
    const double mean = sum / n;
    for (int64_t i = 0; i < j->n; i++)
        square += ((double)x[i] - mean) * ((double)x[i] - mean);
    const double r = 1 / sqrt(square / n + (double)j->norm->eps);
    for (int64_t i = 0; i < j->n; i++) {
        const double g = (double)dy[i] * (double)j->gain[i];
        total += g;
        inner += g * ((double)x[i] - mean) * r;
    }
    for (int64_t i = 0; i < j->n; i++) {
        const double hat = ((double)x[i] - mean) * r;
        dx[i] += (float)(r * ((double)dy[i] * (double)j->gain[i] - total / n - hat * inner / n));
        j->dgain[i] += (float)((double)dy[i] * hat);
        j->dbias[i] += dy[i];
    }
}

/* L2: x over (sum of squares + eps)^1/2, which is the root-mean-square norm of eps / n over n^1/2. room [n]: dy over n^1/2. */
static void l2_row(const norm_rows *j, float *dx, const float *x, const float *dy, float *room)
{
    const float share = (float)(1 / sqrt((double)j->n));
    for (int64_t i = 0; i < j->n; i++)
        room[i] = dy[i] * share;
    j->math->rms_norm_back(dx, j->dgain, x, room, j->n, (float)((double)j->norm->eps / (double)j->n), j->gain);
}

static void norm_row(const norm_rows *j, float *dx, const float *x, const float *dy, float *room)
{
    if (j->norm->type == NS_NORM_RMS)
        j->math->rms_norm_back(dx, j->dgain, x, dy, j->n, j->norm->eps, j->gain);
    else if (j->norm->type == NS_NORM_L2)
        l2_row(j, dx, x, dy, room);
    else
        layer_norm_row(j, dx, x, dy);
}

/* What multiplies x_hat, and places for the gradients that nobody asks for: each [total] of the room. */
static norm_rows rows_of(const ns_band *b, const ns_taped *s, int64_t total, float *room)
{
    const ns_gains *const g = s->gains;
    const bool own = s->norm->type != NS_NORM_L2;
    norm_rows j = {b->p->math, s->norm, s->x.n / s->n, room, own ? g->gain_grad : NULL, own ? g->bias_grad : NULL};
    for (int64_t i = 0; i < total; i++)
        j.gain[i] = g->gain && own ? s->norm->offset + g->gain[i] : 1;
    j.dgain = j.dgain ? j.dgain : room + total;
    j.dbias = j.dbias ? j.dbias : room + 2 * total;
    return j;
}

/* One gain for all groups, or a part of it for each. */
static void norm_back(ns_band *b, const ns_taped *s)
{
    const int64_t n = s->x.n / s->n, stride = s->norm->weight.n_out == s->x.n ? n : 0, total = stride ? s->x.n : n;
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x), *const room = room_for(b, 4 * total);
    if (b->rc != NS_OK)
        return;
    const norm_rows all = rows_of(b, s, total, room);
    for (int64_t r = 0; r < b->rows; r++)
        for (int64_t g = 0; g < s->n; g++) {
            norm_rows j = all;
            j.gain += g * stride;
            j.dgain += g * stride;
            j.dbias += g * stride;
            norm_row(&j, dx + r * s->x.sheet->ld + g * n, ns_cols_at(s->x, r) + g * n, dy + r * s->out.sheet->ld + g * n, room + 3 * total);
        }
}

void ns_tape_norm(ns_band *b, ns_cols x, ns_cols out, int64_t groups, const ns_norm *norm, const ns_gains *gains)
{
    ns_tape_note(b, (ns_taped){.back = norm_back, .x = x, .out = out, .n = groups, .norm = norm, .gains = gains, .unread = NS_OF_OUT});
}

/* ---- activations ---- */

/* dy <- dy act'(x) for those whose derivative is written in terms of x; work [3 n] */
static void gelu_back(const ns_math *math, float *dy, const float *x, int64_t n, float *work)
{
    float *const normal = work, *const whole = work + n;
    for (int64_t i = 0; i < n; i++)
        normal[i] = -0.5f * x[i] * x[i];
    math->exp(normal, normal, n);
    math->act(whole, x, n, NS_ACT_GELU);
    for (int64_t i = 0; i < n; i++) {
        const float below = x[i] != 0 ? whole[i] / x[i] : 0.5f;          /* the normal distribution's share below x */
        dy[i] *= below + x[i] * (normal[i] * 0.3989422804f);
    }
}

static void gelu_tanh_back(const ns_math *math, float *dy, const float *x, int64_t n, float *work)
{
    const float c = 0.7978845608f, cubic = 0.044715f;
    for (int64_t i = 0; i < n; i++)
        work[i] = c * (x[i] + cubic * x[i] * x[i] * x[i]);
    math->softcap(work, n, 1);
    for (int64_t i = 0; i < n; i++) {
        const float t = work[i], inner = c * (1 + 3 * cubic * x[i] * x[i]);
        dy[i] *= 0.5f * (1 + t) + 0.5f * x[i] * (1 - t * t) * inner;
    }
}

static void quick_gelu_back(const ns_math *math, float *dy, const float *x, int64_t n, float *work)
{
    for (int64_t i = 0; i < n; i++)
        work[i] = 1.702f * x[i];
    math->sigmoid(work, work, n);
    for (int64_t i = 0; i < n; i++)
        dy[i] *= work[i] * (1 + 1.702f * x[i] * (1 - work[i]));
}

static void act_back(const ns_math *math, float *dy, const float *x, int64_t n, int act, float *work)
{
    switch ((ns_act)act) {
    case NS_ACT_SILU: math->silu_back(dy, x, n); break;
    case NS_ACT_GELU: gelu_back(math, dy, x, n, work); break;
    case NS_ACT_GELU_TANH: gelu_tanh_back(math, dy, x, n, work); break;
    case NS_ACT_RELU: math->relu_back(dy, x, n); break;
    case NS_ACT_RELU2:
        for (int64_t i = 0; i < n; i++)
            dy[i] *= x[i] > 0 ? 2 * x[i] : 0;
        break;
    case NS_ACT_XIELU: break;                  /* ns_band_xielu has its own */
    case NS_ACT_QUICK_GELU: quick_gelu_back(math, dy, x, n, work); break;
    }
}

static void act_rows_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = spent(b, s->x), *const work = room_for(b, 2 * s->x.n);
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++) {
        float *const to = dx + r * s->x.sheet->ld;
        memcpy(to, dy + r * s->out.sheet->ld, (size_t)s->x.n * sizeof *to);
        act_back(b->p->math, to, ns_cols_at(s->x, r), s->x.n, s->kind, work);
    }
}

/* relu in place: what is positive after it was so before. */
static void relu_in_place_back(ns_band *b, const ns_taped *s)
{
    float *const dy = ns_grad_of(b, s->out);
    for (int64_t r = 0; r < b->rows; r++)
        b->p->math->relu_back(dy + r * s->x.sheet->ld, ns_cols_at(s->x, r), s->x.n);
}

/* out = act(x) up:  dx = dy up act'(x),  dup = dy act(x) */
static void glu_back(ns_band *b, const ns_taped *s)
{
    const ns_math *const math = b->p->math;
    const float *dy = ns_grad_of(b, s->out);
    float *dx = spent(b, s->x), *dup = spent(b, s->y), *const work = room_for(b, 2 * s->x.n);
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++) {
        const float *const x = ns_cols_at(s->x, r);
        math->mul(dx, dy, ns_cols_at(s->y, r), s->x.n);
        act_back(math, dx, x, s->x.n, s->kind, work);
        math->act(dup, x, s->x.n, s->kind);
        math->mul(dup, dup, dy, s->x.n);
        dy += s->out.sheet->ld;
        dx += s->x.sheet->ld;
        dup += s->y.sheet->ld;
    }
}

void ns_tape_act(ns_band *b, ns_cols x, ns_cols out, ns_act act, ns_cols up)
{
    const bool in_place = x.sheet == out.sheet;
    const ns_back_fn back = up.sheet ? glu_back : in_place ? relu_in_place_back : act_rows_back;
    ns_tape_note(b, (ns_taped){.back = back, .x = x, .y = up, .out = out, .kind = act, .unread = NS_OF_OUT});
}

/* ---- gates, limits, turns ---- */

/* out = x y:  dx += dy y,  dy += dout x; of what goes on both ways */
static void times_back(ns_band *b, const ns_taped *s)
{
    const float *const d = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x), *const dy = ns_grad_onto(b, s->y);
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++) {
        const float *const x = ns_cols_at(s->x, r), *const y = ns_cols_at(s->y, r);
        for (int64_t i = 0; i < s->x.n; i++) {
            dx[r * s->x.sheet->ld + i] += d[r * s->out.sheet->ld + i] * y[i];
            dy[r * s->y.sheet->ld + i] += d[r * s->out.sheet->ld + i] * x[i];
        }
    }
}

void ns_tape_times(ns_band *b, ns_cols x, ns_cols y, ns_cols out)
{
    ns_tape_note(b, (ns_taped){.back = times_back, .x = x, .y = y, .out = out});
}

/* out = sigmoid(gate) x, where the gate's columns now hold the sigmoid:  dx = dy sigmoid,  dgate = dy x sigmoid (1 - sigmoid) */
static void gate_back(ns_band *b, const ns_taped *s)
{
    const float *dy = ns_grad_of(b, s->out);
    float *dx = spent(b, s->x), *dgate = spent(b, s->y);
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++) {
        const float *const gate = ns_cols_at(s->y, r), *const out = ns_cols_at(s->out, r);
        for (int64_t i = 0; i < s->x.n; i++)
            dgate[i] = dy[i] * out[i] * (1 - gate[i]);
        b->p->math->mul(dx, dy, gate, s->x.n);
        dy += s->out.sheet->ld;
        dx += s->x.sheet->ld;
        dgate += s->y.sheet->ld;
    }
}

void ns_tape_gate(ns_band *b, ns_cols x, ns_cols out, ns_cols gate)
{
    ns_tape_note(b, (ns_taped){.back = gate_back, .x = x, .y = gate, .out = out});
}

/* Nothing comes back from where the limit was met. */
static void clip_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = spent(b, s->x);
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++) {
        const float *const x = ns_cols_at(s->x, r);
        for (int64_t i = 0; i < s->x.n; i++)
            dx[r * s->x.sheet->ld + i] = x[i] > s->factor || x[i] < -s->factor ? 0 : dy[r * s->out.sheet->ld + i];
    }
}

void ns_tape_clip(ns_band *b, ns_cols x, ns_cols out, float limit)
{
    ns_tape_note(b, (ns_taped){.back = clip_back, .x = x, .out = out, .factor = limit});
}

static void rope_back(ns_band *b, const ns_taped *s)
{
    ns_rope_rows(b, (ns_cols){&(ns_sheet){.data = ns_grad_of(b, s->out), .ld = s->x.sheet->ld}, 0, s->x.n}, s->n, s->kind, true);
}

void ns_tape_rope(ns_band *b, ns_cols x, int64_t heads, int rope)
{
    ns_tape_note(b, (ns_taped){.back = rope_back, .x = x, .out = x, .n = heads, .kind = rope, .unread = NS_OF_X | NS_OF_OUT});
}

static void scale_back(ns_band *b, const ns_taped *s)
{
    float *const dy = ns_grad_of(b, s->out);
    for (int64_t r = 0; r < b->rows; r++)
        b->p->math->scale(dy + r * s->x.sheet->ld, s->x.n, s->factor);
}

void ns_tape_scale(ns_band *b, ns_cols x, float factor)
{
    ns_tape_note(b, (ns_taped){.back = scale_back, .x = x, .out = x, .factor = factor, .unread = NS_OF_X | NS_OF_OUT});
}

/* y = cap tanh(x / cap):  dx = dy (1 - (y / cap)^2) */
static void softcap_back(ns_band *b, const ns_taped *s)
{
    float *const dy = ns_grad_of(b, s->out);
    for (int64_t r = 0; r < b->rows; r++) {
        const float *const y = ns_cols_at(s->out, r);
        for (int64_t i = 0; i < s->x.n; i++)
            dy[r * s->x.sheet->ld + i] *= 1 - y[i] / s->factor * (y[i] / s->factor);
    }
}

void ns_tape_softcap(ns_band *b, ns_cols x, float cap)
{
    ns_tape_note(b, (ns_taped){.back = softcap_back, .x = x, .out = x, .factor = cap});
}

/* ---- the residual stream: what comes back goes to the branch and to what was there before ---- */

static void share_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    if (s->factor == 1 && !s->more && !s->x.sheet->grad && s->x.n == s->x.sheet->ld) {      /* nobody else reads it any more */
        s->x.sheet->grad = s->out.sheet->grad;
        s->out.sheet->grad = NULL;
        return;
    }
    bool fresh;
    float *const dx = ns_grad_into(b, s->x, &fresh);
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++) {
        float *const to = dx + r * s->x.sheet->ld;
        const float *const from = dy + r * s->out.sheet->ld;
        if (fresh && s->factor == 1)
            memcpy(to, from, (size_t)s->x.n * sizeof *to);
        for (int64_t i = 0; i < s->x.n && !(fresh && s->factor == 1); i++)
            to[i] = (fresh ? 0 : to[i]) + s->factor * from[i];
    }
}

/* x and the branches in turn: each is an operation that gives `out` its derivative back unchanged. */
void ns_tape_share(ns_band *b, ns_cols x, ns_cols out, float factor, bool more)
{
    ns_tape_note(b, (ns_taped){.back = share_back, .x = x, .out = out, .factor = factor, .more = more,
                               .unread = NS_OF_X | NS_OF_OUT});
}
