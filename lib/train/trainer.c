/* trainer.c - a run's state and its steps: chunks forward and back -> norms of the gradients -> clip -> optimiser -> packed weights.
 *
 * Whatever fails before the optimiser leaves weights, momenta and the count of steps as they were. */
#include "train/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static int64_t chunk_sequences(int64_t sequences, int64_t n)
{
    const int64_t fit = NS_CHUNK_ROWS / n;
    return fit < 1 ? 1 : fit < sequences ? fit : sequences;
}

static int build(ns_trainer *t, const ns_trainer_params *params, ns_error *err)
{
    const ns_train_config *const c = &t->config;
    t->math = ns_math_select(params ? params->cpu : NULL);
    if (!t->math)
        return ns_fail(err, NS_E_ARG, "cpu '%.40s': unknown kernels; use scalar, avx2 or avx512", params->cpu);
    t->L = (int64_t)strlen(c->pattern);
    t->D = c->d_model;
    t->H = c->heads;
    t->d = ns_train_head_dim(c);
    t->F = c->d_ff;
    t->V = c->vocab;
    t->Z = t->H * t->d;
    int rc = ns_params_new(t, err);
    if (rc != NS_OK)
        return rc;
    t->layer_norms = ns_alloc_array((size_t)t->L, sizeof *t->layer_norms);
    t->target_loss = ns_alloc_array((size_t)(c->batch * (c->length - 1)), sizeof *t->target_loss);
    if (!t->layer_norms || !t->target_loss)
        return ns_oom(err, "the losses of a batch");
    return ns_work_new(&t->step, t, chunk_sequences(c->batch, c->length - 1), c->length - 1, true, err);
}

int ns_trainer_new(ns_trainer **out, const ns_train_config *config, const ns_trainer_params *params, ns_error *err)
{
    *out = NULL;
    int rc = ns_train_config_check(config, "config", err);
    if (rc != NS_OK)
        return rc;
    ns_trainer *const t = ns_alloc_array(1, sizeof *t);
    if (!t)
        return ns_oom(err, "the trainer");
    t->config = *config;
    const ns_fpenv env = ns_fpenv_set();
    rc = build(t, params, err);
    if (rc == NS_OK)
        ns_params_init(t);
    ns_fpenv_restore(env);
    if (rc != NS_OK)
        ns_trainer_free(t);
    else
        *out = t;
    return rc;
}

void ns_trainer_free(ns_trainer *t)
{
    if (!t)
        return;
    ns_work_free(&t->step);
    ns_work_free(&t->other);
    free(t->layer_norms);
    free(t->target_loss);
    ns_params_free(t);
    free(t);
}

const ns_train_config *ns_trainer_config(const ns_trainer *t)
{
    return &t->config;
}

int64_t ns_trainer_steps_done(const ns_trainer *t)
{
    return t->done;
}

int64_t ns_trainer_n_layers(const ns_trainer *t)
{
    return t->L;
}

int64_t ns_trainer_count(const ns_trainer *t)
{
    return t->n_params;
}

const char *ns_trainer_name(const ns_trainer *t, int64_t i)
{
    return i >= 0 && i < t->n_params ? t->params[i].name : NULL;
}

bool ns_trainer_tensor(ns_trainer *t, const char *name, ns_trainer_array array, ns_view *out)
{
    const ns_param *const p = ns_param_find(t, name);
    if (!p)
        return false;
    t->stale |= array == NS_TRAIN_PARAMETER;
    float *const data = (array == NS_TRAIN_GRADIENT ? t->g : t->w) + p->at;
    *out = ns_view_of(data, NS_F32, p->cols == 1 ? 1 : 2, (int64_t[]){p->rows, p->cols});
    return true;
}

/* ---- passes ---- */

static int check_tokens(const ns_trainer *t, const int32_t *tokens, int64_t n, ns_error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= t->V)
            return ns_fail(err, NS_E_ARG, "token %d at position %lld of the batch: the vocabulary has %lld", tokens[i], (long long)i,
                           (long long)t->V);
    return NS_OK;
}

static int broken_forward(const ns_trainer *t, const ns_work *w, int64_t sequences, ns_error *err)
{
    char where[64];
    ns_train_find_broken(t, w, sequences, where, sizeof where);
    return ns_fail(err, NS_E_NUMERIC, "step %lld: the loss is not a finite number; the first value that is not comes out of %s: lower lr "
                   "and muon_lr, or resume an earlier checkpoint with a new config", (long long)t->done + 1, where);
}

/* Losses of a chunk; the logits become their derivatives. */
static double chunk_loss(const ns_trainer *t, const ns_work *w, const int32_t *tokens, int64_t sequences, int64_t T, float *loss)
{
    const int64_t targets = t->config.batch * w->n;
    double sum = 0;
    for (int64_t r = 0; r < sequences * w->n; r++) {
        loss[r] = ns_cross_entropy(t, w->logits + r * w->ld_logits, w->ld_logits, tokens[r / w->n * T + r % w->n + 1], targets);
        sum += (double)loss[r];
    }
    return sum;
}

static double squares(const float *x, int64_t n)
{
    double lanes[8] = {0};
    for (int64_t i = 0; i < n; i++)
        lanes[i % 8] += (double)x[i] * (double)x[i];
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static int gradient_norms(ns_trainer *t, double *total, ns_error *err)
{
    double all = 0;
    memset(t->layer_norms, 0, (size_t)t->L * sizeof *t->layer_norms);
    for (int64_t i = 0; i < t->n_params; i++) {
        const ns_param *const p = &t->params[i];
        const double square = squares(t->g + p->at, p->rows * p->cols);
        if (!isfinite(square))
            return ns_fail(err, NS_E_NUMERIC, "step %lld: the gradient of %s is not finite: lower lr and muon_lr, or resume an earlier "
                           "checkpoint with a new config", (long long)t->done + 1, p->name);
        all += square;
        if (p->layer >= 0)
            t->layer_norms[p->layer] += square;
    }
    for (int64_t i = 0; i < t->L; i++)
        t->layer_norms[i] = sqrt(t->layer_norms[i]);
    *total = sqrt(all);
    return NS_OK;
}

static int gradient(ns_trainer *t, const int32_t *tokens, ns_train_result *out, ns_error *err)
{
    const int64_t B = t->config.batch, T = t->config.length;
    double sum = 0;
    int rc = check_tokens(t, tokens, B * T, err);
    ns_params_pack(t);
    memset(t->g, 0, (size_t)t->n_floats * sizeof *t->g);
    for (int64_t s = 0, n; s < B && rc == NS_OK; s += n) {
        n = B - s < t->step.sequences ? B - s : t->step.sequences;
        ns_train_forward(t, &t->step, tokens + s * T, n, T);
        sum += chunk_loss(t, &t->step, tokens + s * T, n, T, t->target_loss + s * (T - 1));
        if (isfinite(sum))
            ns_train_backward(t, &t->step, tokens + s * T, n, T);
        else
            rc = broken_forward(t, &t->step, n, err);
    }
    *out = (ns_train_result){.step = t->done, .loss = sum / (double)(B * (T - 1)), .lr = t->config.lr * ns_train_rate(&t->config, t->done),
                             .grad_norm_layer = t->layer_norms, .target_loss = t->target_loss};
    return rc != NS_OK ? rc : gradient_norms(t, &out->grad_norm, err);
}

int ns_trainer_gradient(ns_trainer *t, const int32_t *tokens, ns_train_result *out, ns_error *err)
{
    const ns_fpenv env = ns_fpenv_set();
    const int rc = gradient(t, tokens, out, err);
    ns_fpenv_restore(env);
    return rc;
}

int ns_trainer_step(ns_trainer *t, const int32_t *tokens, ns_train_result *out, ns_error *err)
{
    const ns_fpenv env = ns_fpenv_set();
    const int rc = gradient(t, tokens, out, err);
    if (rc == NS_OK) {
        const double clip = t->config.clip, fit = clip > 0 ? clip / (out->grad_norm + 1e-6) : 1;
        ns_optimizer_step(t, ns_train_rate(&t->config, t->done), fit < 1 ? fit : 1);
        t->stale = true;
        out->step = ++t->done;
    }
    ns_fpenv_restore(env);
    return rc;
}

/* ---- forward only ---- */

static int ready_other(ns_trainer *t, int64_t sequences, int64_t n, ns_error *err)
{
    const int64_t chunk = chunk_sequences(sequences, n);
    ns_params_pack(t);
    if (t->other.arena && t->other.n == n && t->other.sequences >= chunk)
        return NS_OK;
    ns_work_free(&t->other);
    const int rc = ns_work_new(&t->other, t, chunk, n, false, err);
    if (rc != NS_OK)
        ns_work_free(&t->other);
    return rc;
}

static int check_sequences(const ns_trainer *t, const int32_t *tokens, int64_t n, int64_t T, int64_t shortest, ns_error *err)
{
    if (n < 1 || T < shortest || T > t->config.max_positions)
        return ns_fail(err, NS_E_ARG, "%lld sequences of %lld tokens: lengths are %lld to max_positions = %lld", (long long)n, (long long)T,
                       (long long)shortest, (long long)t->config.max_positions);
    return check_tokens(t, tokens, n * T, err);
}

static void judge_chunk(const ns_trainer *t, const int32_t *tokens, int64_t rows, int64_t T, float *loss, uint8_t *right)
{
    const ns_work *const w = &t->other;
    for (int64_t r = 0; r < rows; r++) {
        float *const logits = w->logits + r * w->ld_logits;
        const int32_t target = tokens[r / w->n * T + r % w->n + 1];
        if (right)
            right[r] = t->math->argmax(logits, t->V) == target;
        if (loss)
            loss[r] = ns_cross_entropy(t, logits, w->ld_logits, target, 0);
    }
}

int ns_trainer_losses(ns_trainer *t, const int32_t *tokens, int64_t n, int64_t T, float *loss, uint8_t *right, ns_error *err)
{
    const ns_fpenv env = ns_fpenv_set();
    int rc = check_sequences(t, tokens, n, T, 2, err);
    if (rc == NS_OK)
        rc = ready_other(t, n, T - 1, err);
    for (int64_t s = 0, k; s < n && rc == NS_OK; s += k) {
        k = n - s < t->other.sequences ? n - s : t->other.sequences;
        ns_train_forward(t, &t->other, tokens + s * T, k, T);
        judge_chunk(t, tokens + s * T, k * (T - 1), T, loss ? loss + s * (T - 1) : NULL, right ? right + s * (T - 1) : NULL);
    }
    ns_fpenv_restore(env);
    return rc;
}

int ns_trainer_logits(ns_trainer *t, const int32_t *tokens, int64_t n, int64_t T, float *logits, ns_error *err)
{
    const ns_fpenv env = ns_fpenv_set();
    int rc = check_sequences(t, tokens, n, T, 1, err);
    if (rc == NS_OK)
        rc = ready_other(t, n, T, err);
    for (int64_t s = 0, k; s < n && rc == NS_OK; s += k) {
        k = n - s < t->other.sequences ? n - s : t->other.sequences;
        ns_train_forward(t, &t->other, tokens + s * T, k, T);
        for (int64_t r = 0; r < k * T; r++)
            memcpy(logits + (s * T + r) * t->V, t->other.logits + r * t->other.ld_logits, (size_t)t->V * sizeof *logits);
    }
    ns_fpenv_restore(env);
    return rc;
}
