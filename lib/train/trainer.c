/* trainer.c - a run's state and its steps: chunks forward and back -> norms of the gradients -> clip -> optimiser -> packed weights.
 *
 * Whatever fails before the optimiser leaves weights, momenta and the count of steps as they were. */
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static int64_t chunk_sequences(int64_t sequences, int64_t n)
{
    const int64_t fit = NS_CHUNK_ROWS / n;
    return fit < 1 ? 1 : fit < sequences ? fit : sequences;
}

/* The arch of a pattern of letters is by the own config.json at first: random streams go by its names. */
static int describe(ns_trainer *t, ns_error *err)
{
    if (t->given) {
        t->arch = t->given->of.arch;
        return NS_OK;
    }
    int rc = ns_train_model_config(&t->config, &t->own_config, err);
    rc = rc != NS_OK ? rc : ns_arch_from_config(&t->own_arch, t->own_config, strlen(t->own_config), "config", NULL, err);
    t->arch = t->own_arch;
    return rc;
}

/* How the checkpoints are written: as is asked for (by a run that goes on), or as the first class that holds the model. */
static int lay_out(ns_trainer *t, const char *type, ns_error *err)
{
    if (t->given || (type && strcmp(type, NS_TRAIN_OWN_TYPE) == 0))
        return NS_OK;
    const int rc = ns_layout_find(&t->layout, t->own_arch, type, t->why, sizeof t->why, err);
    if (rc == NS_OK && type && !t->layout.config)
        return ns_fail(err, NS_E_FORMAT, "config.json says model_type '%.40s', which the run is not written as: %s", type, t->why);
    if (rc != NS_OK || !t->layout.config)
        return rc;
    t->why[0] = '\0';
    t->arch = t->layout.arch;
    return ns_trainable_rename(&t->model, t->arch, err);
}

static int build(ns_trainer *t, const ns_trainer_params *params, ns_error *err)
{
    const ns_train_config *const c = &t->config;
    const ns_engine_params with = {.size = sizeof with, .threads = params->threads > 0 ? params->threads : 1, .cpu = params->cpu};
    int rc = ns_engine_new(&t->engine, &with, err);
    rc = rc != NS_OK ? rc : describe(t, err);
    rc = rc != NS_OK ? rc : ns_trainable_new(&t->model, t->engine, t->arch, err);
    rc = ns_fail_of(err, rc, t->given ? t->given->of.path : NULL);
    rc = rc != NS_OK ? rc : ns_optimizer_new(t, err);
    if (rc != NS_OK)
        return rc;
    t->layer_norms = ns_alloc_array((size_t)t->arch->n_layers, sizeof *t->layer_norms);
    t->target_loss = ns_alloc_array((size_t)(c->batch * (c->length - 1)), sizeof *t->target_loss);
    t->row = ns_alloc_array((size_t)(t->arch->vocab + 15) / 16 * 16, sizeof *t->row);
    return t->layer_norms && t->target_loss && t->row ? NS_OK : ns_oom(err, "the losses of a batch");
}

int ns_trainer_make(ns_trainer **out, const ns_train_config *config, const ns_trainer_params *params, const char *type, ns_error *err)
{
    *out = NULL;
    ns_trainer_params own = {.size = sizeof own};
    int rc = params ? ns_sized_copy(&own, sizeof own, params, "ns_trainer_params", err) : NS_OK;
    rc = rc != NS_OK ? rc : ns_train_config_check(config, "config", err);
    if (rc == NS_OK && strcmp(config->model, own.model ? own.model->of.sha256 : "") != 0)
        rc = ns_fail(err, NS_E_ARG, own.model ? "config: it is not of the model %s (ns_train_config_give)"
                                              : "config: its model is missing%s", own.model ? own.model->of.path : "");
    if (rc != NS_OK)
        return rc;
    ns_trainer *const t = ns_alloc_array(1, sizeof *t);
    if (!t)
        return ns_oom(err, "the trainer");
    t->config = *config;
    const ns_fpenv env = ns_fpenv_set();
    t->given = own.model;
    rc = build(t, &own, err);
    if (rc == NS_OK && t->given && t->given->of.checkpoint)
        rc = ns_trainable_load(&t->model, t->given->of.checkpoint, err);
    else if (rc == NS_OK)
        ns_train_init(t);
    rc = rc != NS_OK ? rc : lay_out(t, type, err);
    ns_fpenv_restore(env);
    if (rc != NS_OK)
        ns_trainer_free(t);
    else
        *out = t;
    return rc;
}

int ns_trainer_new(ns_trainer **out, const ns_train_config *config, const ns_trainer_params *params, ns_error *err)
{
    return ns_trainer_make(out, config, params, NULL, err);
}

void ns_trainer_free(ns_trainer *t)
{
    if (!t)
        return;
    free(t->layer_norms);
    free(t->target_loss);
    free(t->row);
    ns_optimizer_free(t);
    ns_trainable_free(&t->model);
    ns_layout_clear(&t->layout);
    ns_arch_free(t->own_arch);
    free(t->own_config);
    ns_train_model_free(t->own_given);
    ns_engine_free(t->engine);
    free(t);
}

const ns_train_config *ns_trainer_config(const ns_trainer *t)
{
    return &t->config;
}

const char *ns_trainer_layout(const ns_trainer *t, const char **of, const char **why)
{
    const bool own = !t->given && !t->layout.config;
    *of = own ? NS_TRAIN_OWN_TYPE : t->layout.of;
    *why = own && t->why[0] ? t->why : NULL;
    return t->arch->family;
}

int64_t ns_trainer_steps_done(const ns_trainer *t)
{
    return t->done;
}

int64_t ns_trainer_n_layers(const ns_trainer *t)
{
    return t->arch->n_layers;
}

int64_t ns_trainer_count(const ns_trainer *t)
{
    return t->model.n_params;
}

const char *ns_trainer_name(const ns_trainer *t, int64_t i)
{
    return i >= 0 && i < t->model.n_params ? t->model.params[i].name : NULL;
}

bool ns_trainer_tensor(ns_trainer *t, const char *name, ns_trainer_array array, ns_view *out)
{
    const ns_param *const p = ns_trainable_find(&t->model, name);
    if (!p)
        return false;
    t->model.stale |= array == NS_TRAIN_PARAMETER;
    float *const data = (array == NS_TRAIN_GRADIENT ? t->model.g : t->model.w) + p->at;
    *out = ns_param_view(p, data);
    return true;
}

/* ---- passes ---- */

static int check_tokens(const ns_trainer *t, const int32_t *tokens, int64_t n, ns_error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= t->arch->vocab)
            return ns_fail(err, NS_E_ARG, "token %d at position %lld of the batch: the vocabulary has %lld", tokens[i], (long long)i,
                           (long long)t->arch->vocab);
    return NS_OK;
}

/* What the first number that is not finite came out of. */
static int broken_forward(const ns_trainer *t, int rc, ns_error *err)
{
    const ns_band *const b = &t->model.band;
    char where[64] = "the logits";
    if (rc != NS_OK && rc != NS_E_NUMERIC)
        return rc;
    if (!t->model.pass.math->all_finite(ns_cols_at(t->model.begin, 0), b->rows * t->model.begin.n))
        snprintf(where, sizeof where, "the embedding");
    else if (rc == NS_E_NUMERIC)
        snprintf(where, sizeof where, "layer %lld, %s", (long long)b->layer, b->broken == NS_POINT_RESID_MID ? "attention" : "MLP");
    return ns_fail(err, NS_E_NUMERIC, "step %lld: the loss is not a finite number; the first value that is not comes out of %s: lower lr "
                   "and muon_lr, or resume an earlier checkpoint with a new config", (long long)t->done + 1, where);
}

static int32_t target_of(const ns_trainer *t, const int32_t *tokens, int64_t row, int64_t T)
{
    const int64_t n = t->model.sequence.n_tokens;
    return tokens[row / n * T + row % n + 1];
}

/* Losses of a chunk, and the derivatives of its logits. */
static int chunk_loss(ns_trainer *t, const int32_t *tokens, int64_t T, float *loss, double *sum)
{
    const int64_t targets = t->config.batch * t->model.sequence.n_tokens, V = t->arch->vocab;
    bool fresh;
    float *const d = ns_grad_into(&t->model.band, t->model.logits, &fresh);
    for (int64_t r = 0; d && r < t->model.band.rows; r++) {
        loss[r] = ns_cross_entropy(t, ns_cols_at(t->model.logits, r), target_of(t, tokens, r, T), targets);
        memcpy(d + r * V, t->row, (size_t)V * sizeof *d);
        *sum += (double)loss[r];
    }
    return t->model.band.rc;
}

static int gradient_norms(ns_trainer *t, double *total, ns_error *err)
{
    double all = 0;
    memset(t->layer_norms, 0, (size_t)t->arch->n_layers * sizeof *t->layer_norms);
    for (int64_t i = 0; i < t->model.n_params; i++) {
        const ns_param *const p = &t->model.params[i];
        const double square = ns_squares(t->model.g + p->at, p->rows * p->cols);
        if (!isfinite(square))
            return ns_fail(err, NS_E_NUMERIC, "step %lld: the gradient of %s is not finite: lower lr and muon_lr, or resume an earlier "
                           "checkpoint with a new config", (long long)t->done + 1, p->name);
        all += square;
        if (p->layer >= 0)
            t->layer_norms[p->layer] += square;
    }
    for (int64_t i = 0; i < t->arch->n_layers; i++)
        t->layer_norms[i] = sqrt(t->layer_norms[i]);
    *total = sqrt(all);
    return NS_OK;
}

static int gradient(ns_trainer *t, const int32_t *tokens, ns_train_result *out, ns_error *err)
{
    const int64_t B = t->config.batch, T = t->config.length, chunk = chunk_sequences(B, T - 1);
    double sum = 0;
    int rc = check_tokens(t, tokens, B * T, err);
    ns_trainable_pack(&t->model);
    memset(t->model.g, 0, (size_t)t->model.n_floats * sizeof *t->model.g);
    for (int64_t s = 0, n; s < B && rc == NS_OK; s += n) {
        n = B - s < chunk ? B - s : chunk;
        rc = ns_trainable_forward(&t->model, tokens + s * T, n, T, T - 1, true, err);
        rc = rc != NS_OK ? rc : chunk_loss(t, tokens + s * T, T, t->target_loss + s * (T - 1), &sum);
        if (rc == NS_E_NUMERIC || !isfinite(sum))
            rc = broken_forward(t, rc, err);
        rc = rc != NS_OK ? rc : ns_trainable_back(&t->model, tokens + s * T, T, err);
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
        t->model.stale = true;
        out->step = ++t->done;
    }
    ns_fpenv_restore(env);
    return rc;
}

/* ---- forward only ---- */

static int check_sequences(const ns_trainer *t, const int32_t *tokens, int64_t n, int64_t T, int64_t shortest, ns_error *err)
{
    if (n < 1 || T < shortest || T > t->config.max_positions)
        return ns_fail(err, NS_E_ARG, "%lld sequences of %lld tokens: lengths are %lld to max_positions = %lld", (long long)n, (long long)T,
                       (long long)shortest, (long long)t->config.max_positions);
    return check_tokens(t, tokens, n * T, err);
}

static void judge_chunk(ns_trainer *t, const int32_t *tokens, int64_t T, float *loss, uint8_t *right)
{
    for (int64_t r = 0; r < t->model.band.rows; r++) {
        const float *const logits = ns_cols_at(t->model.logits, r);
        const int32_t target = target_of(t, tokens, r, T);
        if (right)
            right[r] = t->model.pass.math->argmax(logits, t->arch->vocab) == target;
        if (loss)
            loss[r] = ns_cross_entropy(t, logits, target, 0);
    }
}

static int losses(ns_trainer *t, const int32_t *tokens, int64_t n, int64_t T, float *loss, uint8_t *right, ns_error *err)
{
    const int64_t chunk = chunk_sequences(n, T - 1);
    int rc = check_sequences(t, tokens, n, T, 2, err);
    for (int64_t s = 0, k; s < n && rc == NS_OK; s += k) {
        k = n - s < chunk ? n - s : chunk;
        rc = ns_trainable_forward(&t->model, tokens + s * T, k, T, T - 1, false, err);
        if (rc == NS_OK)
            judge_chunk(t, tokens + s * T, T, loss ? loss + s * (T - 1) : NULL, right ? right + s * (T - 1) : NULL);
    }
    return rc;
}

int ns_trainer_losses(ns_trainer *t, const int32_t *tokens, int64_t n, int64_t T, float *loss, uint8_t *right, ns_error *err)
{
    const ns_fpenv env = ns_fpenv_set();
    ns_trainable_pack(&t->model);
    const int rc = losses(t, tokens, n, T, loss, right, err);
    ns_fpenv_restore(env);
    return rc;
}

static int logits(ns_trainer *t, const int32_t *tokens, int64_t n, int64_t T, float *out, ns_error *err)
{
    const int64_t chunk = chunk_sequences(n, T), V = t->arch->vocab;
    int rc = check_sequences(t, tokens, n, T, 1, err);
    for (int64_t s = 0, k; s < n && rc == NS_OK; s += k) {
        k = n - s < chunk ? n - s : chunk;
        rc = ns_trainable_forward(&t->model, tokens + s * T, k, T, T, false, err);
        for (int64_t r = 0; r < k * T && rc == NS_OK; r++)
            memcpy(out + (s * T + r) * V, ns_cols_at(t->model.logits, r), (size_t)V * sizeof *out);
    }
    return rc;
}

int ns_trainer_logits(ns_trainer *t, const int32_t *tokens, int64_t n, int64_t T, float *out, ns_error *err)
{
    const ns_fpenv env = ns_fpenv_set();
    ns_trainable_pack(&t->model);
    const int rc = logits(t, tokens, n, T, out, err);
    ns_fpenv_restore(env);
    return rc;
}
