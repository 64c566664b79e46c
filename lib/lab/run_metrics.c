/* run_metrics.c - what a run knows of itself at each checkpoint, in metrics.h5: the file is small and written anew each time, before the
 * checkpoint it belongs to, so that rows beyond the newest checkpoint are all that a killed run leaves, and a resumed one drops them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

enum { LOSS, FILLER, NEAR, MID, FAR, IN_WINDOW, BEYOND };
static const struct { const char *name, *summary; } metrics[NS_METRICS] = {
    [LOSS] = {"loss", "validation cross-entropy, nats, mean over all targets"},
    [FILLER] = {"loss_filler", "of filler after filler"},
    [NEAR] = {"loss_near", "of recalled values, distance 3 to 15"},
    [MID] = {"loss_mid", "of recalled values, distance 16 to 31"},
    [FAR] = {"loss_far", "of recalled values, distance 32 and more"},
    [IN_WINDOW] = {"recall_in_window", "share of recalled values with distance <= window that argmax says"},
    [BEYOND] = {"recall_beyond_window", "the same, distance > window"},
    [NS_METRIC_LR] = {"lr", "AdamW's rate in the step before"},
    [NS_METRIC_GRAD_NORM] = {"grad_norm", "gradient norm of the step before, before clipping"},
    [NS_METRIC_TRAIN_LOSS] = {"train_loss", "cross-entropy of the step before, on its own batch"},
};

struct ns_metrics {
    const ns_run *run;
    const ns_provenance *by;
    char    *path;
    int64_t  n, capacity, L, reach;      /* rows; layers; the longest distance that a layer with a window sees */
    int64_t *step;                       /* [capacity] */
    float   *value, *layer;              /* [capacity, NS_METRICS], [capacity, L] */
    int64_t  B, T;                       /* validation batch */
    int32_t *tokens, *distance;          /* [B, T] */
    float   *losses;                     /* [B, T - 1] */
    uint8_t *right;
};

static int64_t layers_of(const ns_run *run)
{
    return run->model ? ns_train_model_arch(run->model)->n_layers : (int64_t)strlen(run->train.pattern);
}

/* The widest window of a layer; without one every distance is in reach. */
static int64_t window_of(const ns_run *run)
{
    int64_t widest = ns_train_windowed(run->train.pattern) ? run->train.window : 0;
    for (int64_t l = 0; run->model && l < layers_of(run); l++) {
        const ns_attn *const a = ns_arch_attn(ns_train_model_arch(run->model), l);
        widest = a && a->window > widest ? a->window : widest;
    }
    return widest ? widest : run->train.length;
}

static int load_validation(ns_metrics *m, ns_error *err)
{
    ns_corpus *corpus = NULL;
    int rc = ns_run_open_corpus(m->run, true, &corpus, err);
    if (rc == NS_OK)
        rc = ns_corpus_batch(corpus, 0, m->B, m->T, m->tokens, m->distance, err);
    ns_corpus_close(corpus);
    return rc;
}

int ns_metrics_open(ns_metrics **out, const ns_run *run, const char *run_dir, const ns_provenance *by, ns_error *err)
{
    size_t cells = 0;
    *out = NULL;
    ns_metrics *const m = ns_alloc_array(1, sizeof *m);
    if (!m)
        return ns_oom(err, "metrics");
    *m = (ns_metrics){.run = run, .by = by, .path = ns_path_join(run_dir, "metrics.h5"), .L = layers_of(run),
                       .B = run->validation_sequences, .T = run->train.length, .reach = window_of(run)};
    if (m->path && ns_mul_size((size_t)m->B, (size_t)m->T, &cells)) {
        m->tokens = ns_alloc_array(cells, sizeof *m->tokens);
        m->distance = ns_alloc_array(cells, sizeof *m->distance);
        m->losses = ns_alloc_array(cells, sizeof *m->losses);
        m->right = ns_alloc_array(cells, 1);
    }
    const int rc = m->tokens && m->distance && m->losses && m->right ? load_validation(m, err) : ns_oom(err, "the validation batch");
    if (rc != NS_OK) {
        ns_metrics_close(m);
        return rc;
    }
    *out = m;
    return NS_OK;
}

void ns_metrics_close(ns_metrics *m)
{
    if (!m)
        return;
    free(m->path);
    free(m->step);
    free(m->value);
    free(m->layer);
    free(m->tokens);
    free(m->distance);
    free(m->losses);
    free(m->right);
    free(m);
}

/* Room for one more row. */
static int reserve(ns_metrics *m, ns_error *err)
{
    if (m->n < m->capacity)
        return NS_OK;
    const int64_t more = m->capacity ? 2 * m->capacity : 64;
    int64_t *const step = realloc(m->step, (size_t)more * sizeof *step);
    m->step = step ? step : m->step;
    float *const value = realloc(m->value, (size_t)more * NS_METRICS * sizeof *value);
    m->value = value ? value : m->value;
    float *const layer = realloc(m->layer, (size_t)(more * m->L) * sizeof *layer);
    m->layer = layer ? layer : m->layer;
    if (!step || !value || !layer)
        return ns_oom(err, "metrics");
    m->capacity = more;
    return NS_OK;
}

/* ---- a row ---- */

/* Mean over the targets that predict a token of distance low .. high: of its loss, or of argmax being right. */
static float mean_where(const ns_metrics *m, int64_t low, int64_t high, bool accuracy)
{
    double sum = 0;
    int64_t n = 0;
    for (int64_t b = 0; b < m->B; b++) {
        for (int64_t t = 1; t < m->T; t++) {
            const int64_t d = m->distance[b * m->T + t], i = b * (m->T - 1) + t - 1;
            if (d < low || d > high)
                continue;
            sum += accuracy ? m->right[i] : m->losses[i];
            n++;
        }
    }
    return n ? (float)(sum / (double)n) : NAN;
}

static void measure(const ns_metrics *m, float *row)
{
    row[LOSS] = mean_where(m, INT32_MIN, INT32_MAX, false);
    row[FILLER] = mean_where(m, NS_LAB_FILLER, NS_LAB_FILLER, false);
    row[NEAR] = mean_where(m, 1, 15, false);
    row[MID] = mean_where(m, 16, 31, false);
    row[FAR] = mean_where(m, 32, INT32_MAX, false);
    row[IN_WINDOW] = mean_where(m, 1, m->reach, true);
    row[BEYOND] = mean_where(m, m->reach + 1, INT32_MAX, true);
}

/* ---- the file ---- */

static int write_arrays(const ns_metrics *m, ns_table_writer *file, ns_error *err)
{
    const int64_t rows[1] = {m->n}, per_layer[2] = {m->n, m->L};
    int64_t *const tokens = ns_alloc_array((size_t)m->n, sizeof *tokens), *const layers = ns_alloc_array((size_t)m->L, sizeof *layers);
    float *const column = ns_alloc_array((size_t)m->n, sizeof *column);
    int rc = tokens && layers && column ? NS_OK : ns_oom(err, m->path);
    for (int64_t i = 0; rc == NS_OK && i < m->n; i++)
        tokens[i] = m->step[i] * m->run->train.batch * m->run->train.length;
    for (int64_t l = 0; rc == NS_OK && l < m->L; l++)
        layers[l] = l;
    const ns_view steps = ns_view_of(m->step, NS_I64, 1, rows), layer_axis = ns_view_of(layers, NS_I64, 1, &m->L);
    if (rc == NS_OK)
        rc = ns_table_axis(file, "step", &steps, err);
    if (rc == NS_OK)
        rc = ns_table_axis(file, "layer", &layer_axis, err);
    const ns_view total = ns_view_of(tokens, NS_I64, 1, rows), norms = ns_view_of(m->layer, NS_F32, 2, per_layer);
    if (rc == NS_OK)
        rc = ns_table_array(file, "tokens", "step", &total, "tokens trained on", err);
    for (int k = 0; k < NS_METRICS && rc == NS_OK; k++) {
        for (int64_t i = 0; i < m->n; i++)
            column[i] = m->value[i * NS_METRICS + k];
        const ns_view view = ns_view_of(column, NS_F32, 1, rows);
        rc = ns_table_array(file, metrics[k].name, "step", &view, metrics[k].summary, err);
    }
    if (rc == NS_OK)
        rc = ns_table_array(file, "grad_norm_layer", "step layer", &norms, "gradient norm of each layer in the step before", err);
    free(column);
    free(layers);
    free(tokens);
    return rc;
}

static int write_file(const ns_metrics *m, ns_error *err)
{
    const ns_fact own[] = {{"kind", "metrics", false}, {"run", m->run->name, false}, {"run_config_sha256", m->run->sha256, false}};
    ns_fact_list facts = {0};
    ns_table_writer *file = NULL;
    int rc = ns_fact_list_add_all(&facts, own, sizeof own / sizeof *own, err);
    rc = rc != NS_OK ? rc : ns_table_create_by(&file, m->path, &facts, m->by, err);
    ns_fact_list_clear(&facts);
    if (rc != NS_OK)
        return rc;
    rc = write_arrays(m, file, err);
    if (rc == NS_OK)
        return ns_table_commit(file, err);
    ns_table_abort(file);
    return rc;
}

int ns_metrics_add(ns_metrics *m, ns_trainer *trainer, const ns_train_result *result, ns_error *err)
{
    int rc = reserve(m, err);
    if (rc == NS_OK)
        rc = ns_trainer_losses(trainer, m->tokens, m->B, m->T, m->losses, m->right, err);
    if (rc != NS_OK)
        return rc;
    float *const row = m->value + m->n * NS_METRICS;
    measure(m, row);
    row[NS_METRIC_LR] = result ? (float)result->lr : NAN;
    row[NS_METRIC_GRAD_NORM] = result ? (float)result->grad_norm : NAN;
    row[NS_METRIC_TRAIN_LOSS] = result ? (float)result->loss : NAN;
    for (int64_t l = 0; l < m->L; l++)
        m->layer[m->n * m->L + l] = result ? (float)result->grad_norm_layer[l] : NAN;
    m->step[m->n++] = ns_trainer_steps_done(trainer);
    return write_file(m, err);
}

double ns_metrics_loss(const ns_metrics *m)
{
    return m->n ? m->value[(m->n - 1) * NS_METRICS + LOSS] : NAN;
}

/* ---- resuming ---- */

/* Rows behind the newest checkpoint are read, and dropped. all: how many the file has. */
static int read_columns(ns_metrics *m, const ns_file *file, int64_t all, ns_error *err)
{
    int rc = NS_OK;
    for (int k = 0; k <= NS_METRICS && rc == NS_OK; k++) {
        const bool layers = k == NS_METRICS;
        float *values;
        ns_expected w = {sizeof w, layers ? "grad_norm_layer" : metrics[k].name, NS_F32, layers ? 2 : 1, {all, m->L}, ns_any_number()};
        rc = ns_file_array(file, &w, &values, err);
        for (int64_t i = 0; rc == NS_OK && i < m->n * (layers ? m->L : 1); i++)
            (layers ? m->layer : m->value)[layers ? i : i * NS_METRICS + k] = values[i];
        free(values);
    }
    return rc;
}

static int read_rows(ns_metrics *m, const ns_file *file, int64_t last, ns_error *err)
{
    int64_t *steps, n = 0;
    ns_expected w = {sizeof w, "step", NS_I64, 1, {NS_ANY}, ns_between(0, 0x1p53)};
    int rc = ns_file_array(file, &w, &steps, err);
    while (rc == NS_OK && n < w.shape[0] && steps[n] <= last) {
        m->n = n;
        rc = reserve(m, err);
        if (rc == NS_OK)
            m->step[n] = steps[n];
        n++;
    }
    free(steps);
    m->n = rc == NS_OK ? n : 0;
    if (rc == NS_OK && (n == 0 || m->step[n - 1] != last))
        rc = ns_fail(err, NS_E_FORMAT, "%s: has no row of step %lld, where the newest checkpoint is", m->path, (long long)last);
    return rc != NS_OK ? rc : read_columns(m, file, w.shape[0], err);
}

int ns_metrics_resume(ns_metrics *m, int64_t last, ns_error *err)
{
    ns_file *file;
    int rc = ns_file_open_inside(&file, m->path, NS_KINDS(NS_KIND_METRICS), "training metrics", err);
    if (rc != NS_OK)
        return rc;
    const char *const sha = ns_file_fact(file, "run_config_sha256");
    if (!sha || strcmp(sha, m->run->sha256) != 0)
        rc = ns_fail(err, NS_E_FORMAT, "%s: the metrics are of another run", m->path);
    if (rc == NS_OK)
        rc = read_rows(m, file, last, err);
    ns_file_close(file);
    return rc == NS_E_MISSING && ns_path_exists(m->path) ? NS_E_FORMAT : rc;           /* it lacks a column */
}
