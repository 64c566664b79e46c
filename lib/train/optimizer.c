/* optimizer.c - the rates, AdamW (Loshchilov & Hutter 2019), and Muon (Jordan et al. 2024) for the hidden matrices.
 *
 * Muon: m = mu m + g;  X = g + mu m (Nesterov), over its norm;  5 times X <- X (a I + b Y + c Y Y), Y = X^T X;  w <- w (1 - lr wd) - lr X.
 * q, k and v are parameters of their own, so each is made orthogonal apart. Plain C here: elementwise IEEE operations, the same bits
 * everywhere. */
#include "train/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int NEWTON_SCHULZ_STEPS = 5;
static const float QUINTIC[3] = {3.4445f, -4.7750f, 2.0315f};

/* ---- schedules ---- */

static double decayed(const ns_train_config *c, double remaining)       /* remaining: 1 before the decay, towards 0 at the end */
{
    double sine, cosine;
    if (c->schedule == NS_LR_CONSTANT)
        return 1;
    ns_sincos(0x1.921fb54442d18p1 * (1 - remaining), &sine, &cosine);
    return c->lr_end + (1 - c->lr_end) * (c->schedule == NS_LR_COSINE ? 0.5 * (1 + cosine) : remaining);
}

double ns_train_rate(const ns_train_config *c, int64_t step)
{
    const int64_t after = c->steps - c->warmup, span = c->decay_steps ? c->decay_steps : after > 0 ? after : 1;
    const double warm = c->warmup > 0 && step + 1 < c->warmup ? (double)(step + 1) / (double)c->warmup : 1;
    const double remaining = (double)(c->steps - step) / (double)span;
    return warm * decayed(c, remaining > 1 ? 1 : remaining < 0 ? 0 : remaining);
}

/* ---- AdamW ---- */

typedef struct adam { float keep, rate1, beta2, rate2, step_size, root_correction, eps; } adam;

static adam adam_at(const ns_train_config *c, int64_t step, double rate, bool decays)
{
    const double lr = c->lr * rate, left1 = 1 - ns_pow(c->beta1 > 0 ? c->beta1 : 1e-300, (double)(step + 1));
    const double left2 = 1 - ns_pow(c->beta2 > 0 ? c->beta2 : 1e-300, (double)(step + 1));
    return (adam){.keep = (float)(1 - (decays ? lr * c->weight_decay : 0)), .rate1 = (float)(1 - c->beta1), .beta2 = (float)c->beta2,
                  .rate2 = (float)(1 - c->beta2), .step_size = (float)(lr / left1), .root_correction = (float)sqrt(left2),
                  .eps = (float)c->adam_eps};
}

static void adam_step(const adam *a, int64_t n, float scale, float *restrict w, const float *restrict g, float *restrict m,
                      float *restrict v)
{
    for (int64_t i = 0; i < n; i++) {
        const float d = g[i] * scale;
        m[i] += a->rate1 * (d - m[i]);
        v[i] = a->beta2 * v[i] + a->rate2 * (d * d);
        w[i] = w[i] * a->keep - a->step_size * (m[i] / (sqrtf(v[i]) / a->root_correction + a->eps));
    }
}

/* ---- Muon ---- */

/* x[r, c] with r >= c: the matrix itself or its transpose. */
static void stand_up(float *x, const float *g, int64_t rows, int64_t cols)
{
    if (rows >= cols) {
        memcpy(x, g, (size_t)(rows * cols) * sizeof *x);
        return;
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            x[j * rows + i] = g[i * cols + j];
}

double ns_squares(const float *x, int64_t n)
{
    double lanes[8] = {0};
    for (int64_t i = 0; i < n; i++)
        lanes[i % 8] += (double)x[i] * (double)x[i];
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* One step of the quintic on x [r, c] -> out; y and z are [c, c]. */
static void quintic(const ns_math *math, int64_t r, int64_t c, const float *x, float *out, float *y, float *z)
{
    math->gemm_tn(c, c, r, x, c, x, c, y, c, NS_GEMM_KB, false);
    math->gemm_nn(c, c, c, y, c, y, c, z, c, NS_GEMM_KB, false);
    for (int64_t i = 0; i < c * c; i++)
        z[i] = QUINTIC[1] * y[i] + QUINTIC[2] * z[i];
    for (int64_t i = 0; i < c; i++)
        z[i * c + i] += QUINTIC[0];
    math->gemm_nn(r, c, c, x, c, z, c, out, c, NS_GEMM_KB, false);
}

/* The nearest orthogonal matrix, nearly, of g [rows, cols]; the result stands upright in the scratch that is returned. */
static const float *orthogonal(const ns_trainer *t, const float *g, int64_t rows, int64_t cols)
{
    const int64_t n = rows * cols, part = n + NS_TRAINABLE_SLACK, c = rows < cols ? rows : cols, r = n / c;
    float *x = t->muon, *other = x + part, *const y = other + part, *const z = y + part;
    stand_up(x, g, rows, cols);
    t->model.pass.math->scale(x, n, 1.0f / ((float)sqrt(ns_squares(x, n)) + 1e-7f));
    for (int i = 0; i < NEWTON_SCHULZ_STEPS; i++) {
        quintic(t->model.pass.math, r, c, x, other, y, z);
        float *const was = x;
        x = other;
        other = was;
    }
    return x;
}

bool ns_train_is_muon(const ns_trainer *t, const ns_param *p)
{
    return p->layer >= 0 && p->kind == NS_PARAM_MATRIX && t->config.optimizer == NS_OPTIMIZER_MUON;
}

static int64_t largest_matrix(const ns_trainer *t)
{
    int64_t most = 0;
    for (int64_t i = 0; i < t->model.n_params; i++) {
        const ns_param *const p = &t->model.params[i];
        most = ns_train_is_muon(t, p) && p->rows * p->cols > most ? p->rows * p->cols : most;
    }
    return most;
}

int ns_optimizer_new(ns_trainer *t, ns_error *err)
{
    const size_t n = (size_t)t->model.n_floats + NS_TRAINABLE_SLACK;
    t->m = ns_alloc_array(n, sizeof *t->m);
    t->v = ns_alloc_array(n, sizeof *t->v);
    t->muon = ns_alloc_array((size_t)(4 * (largest_matrix(t) + NS_TRAINABLE_SLACK)), sizeof *t->muon);
    return t->m && t->v && t->muon ? NS_OK : ns_oom(err, "the state of the optimiser");
}

void ns_optimizer_free(ns_trainer *t)
{
    free(t->m);
    free(t->v);
    free(t->muon);
}

/* The gradient's place takes g + mu m, which nobody else needs any more. */
static void muon_step(ns_trainer *t, const ns_param *p, double rate, float scale)
{
    const ns_train_config *const c = &t->config;
    const float mu = (float)c->muon_momentum, lr = (float)(c->muon_lr * rate), keep = (float)(1 - c->muon_lr * rate * c->weight_decay);
    float *const w = t->model.w + p->at, *const g = t->model.g + p->at, *const m = t->m + p->at;
    for (int64_t i = 0; i < p->rows * p->cols; i++) {
        const float d = g[i] * scale;
        m[i] = m[i] * mu + d;
        g[i] = d + mu * m[i];
    }
    const float *const x = orthogonal(t, g, p->rows, p->cols);
    const bool upright = p->rows >= p->cols;
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->cols; j++)
            w[i * p->cols + j] = w[i * p->cols + j] * keep - lr * x[upright ? i * p->cols + j : j * p->rows + i];
}

void ns_optimizer_step(ns_trainer *t, double rate, double scale)
{
    const adam matrix = adam_at(&t->config, t->done, rate, true), gain = adam_at(&t->config, t->done, rate, false);
    for (int64_t i = 0; i < t->model.n_params; i++) {
        const ns_param *const p = &t->model.params[i];
        if (ns_train_is_muon(t, p))
            muon_step(t, p, rate, (float)scale);
        else
            adam_step(p->kind == NS_PARAM_MATRIX ? &matrix : &gain, p->rows * p->cols, (float)scale, t->model.w + p->at, t->model.g + p->at,
                      t->m + p->at, t->v + p->at);
    }
}
