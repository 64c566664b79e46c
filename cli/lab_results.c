/* lab_results.c - the study (births, accuracies), a run's metrics (losses) and lengths/RUN-STEP.h5 (longer prompts, swapped keys) -> a result.
 * A run whose last checkpoint is missing has none: a horizon that not all share compares nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/record.h>

#include "cli/lab_curves.h"

/* ---- the retrieval heads at the horizon ---- */

static void choose_heads(const cli_curves *c, double theta, cli_lab_result *out)
{
    for (int64_t l = 0; l < c->L; l++) {
        int64_t in_layer = 0;
        for (int64_t h = 0; h < c->H; h++) {
            if (!(cli_curves_at(c, c->find, c->P - 1, l, h) >= theta) || out->n_heads == CLI_LAB_HEADS)
                continue;
            out->heads[out->n_heads][0] = l;
            out->heads[out->n_heads++][1] = h;
            in_layer++;
        }
        out->whole_layer |= in_layer == c->H;
    }
}

/* The layer that retrieves: of the best head at the horizon among the full layers. Previous-token heads are looked for below it. */
static int64_t retrieving_layer(const cli_curves *c)
{
    int64_t best = -1;
    float most = -1;
    for (int64_t l = 0; l < c->L; l++) {
        for (int64_t h = 0; h < c->H && c->full[l]; h++) {
            const float score = cli_curves_at(c, c->find, c->P - 1, l, h);
            if (score > most) {
                most = score;
                best = l;
            }
        }
    }
    return best;
}

static void choose_previous(const cli_curves *c, int64_t below, int64_t out[2])
{
    float most = -1;
    out[0] = -1;
    for (int64_t l = 0; l < below; l++) {
        for (int64_t h = 0; h < c->H; h++) {
            const float score = cli_curves_at(c, c->link, c->P - 1, l, h);
            if (score > most) {
                most = score;
                out[0] = l;
                out[1] = h;
            }
        }
    }
}

/* ---- losses ---- */

/* A metric at each checkpoint of the lab; NaN where the file lacks one. out [points] */
static int read_metric(const cli_lab *lab, const ns_file *file, const char *name, const int64_t *step, int64_t n, float *out, ns_error *err)
{
    float *values;
    int64_t shape[NS_MAX_RANK];
    int rank;
    const int rc = ns_file_read_f32(file, name, &values, &rank, shape, NULL, err);
    if (rc < 0)
        return rc;
    for (int64_t p = 0; p < cli_lab_points(lab); p++) {
        out[p] = NAN;
        for (int64_t i = 0; i < n && i < shape[0]; i++)
            if (step[i] == cli_lab_step(lab, p))
                out[p] = values[i];
    }
    free(values);
    return NS_OK;
}

static int read_losses(const cli_lab *lab, const ns_file *file, cli_lab_result *out, float *scratch, ns_error *err)
{
    const struct { const char *name; double *out; } wanted[] = {
        {"loss", &out->loss}, {"loss_filler", &out->loss_filler}, {"loss_near", &out->loss_near}, {"loss_mid", &out->loss_mid},
        {"loss_far", &out->loss_far}, {"recall_in_window", &out->in_window},
    };
    int64_t *step = NULL, shape[NS_MAX_RANK];
    int rank, rc = ns_file_read_i64(file, "step", &step, &rank, shape, err);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && rc == NS_OK; i++) {
        rc = read_metric(lab, file, wanted[i].name, step, shape[0], scratch, err);
        *wanted[i].out = rc == NS_OK ? scratch[cli_lab_points(lab) - 1] : NAN;
    }
    if (rc == NS_OK)
        memcpy(out->series[CLI_LAB_IN_WINDOW], scratch, (size_t)cli_lab_points(lab) * sizeof *scratch);     /* the last one read */
    free(step);
    return rc;
}

static int open_metrics(const cli_lab *lab, const cli_lab_run *run, cli_lab_result *out, ns_error *err)
{
    char *const path = cli_lab_path(lab, "runs/%s/metrics.h5", run->name);
    float *const scratch = ns_alloc_array((size_t)cli_lab_points(lab), sizeof *scratch);
    ns_file *file = NULL;
    int rc = path && scratch ? ns_file_open(&file, path, err) : ns_oom(err, "metrics");
    if (rc == NS_OK)
        rc = read_losses(lab, file, out, scratch, err);
    ns_file_close(file);
    free(scratch);
    free(path);
    return rc;
}

/* ---- longer prompts and swapped keys ---- */

static double share_of(const int64_t *answered, const int64_t *length, char **template_name, int64_t n, int64_t wanted, bool swap)
{
    int64_t hits = 0, all = 0;
    for (int64_t i = 0; i < n; i++) {
        if ((strcmp(template_name[i], "swap") == 0) != swap || (!swap && length[i] != wanted))
            continue;
        hits += answered[i] != 0;
        all++;
    }
    return all ? (double)hits / (double)all : NAN;
}

static int read_lengths(const cli_lab *lab, const ns_file *file, cli_lab_result *out, ns_error *err)
{
    int64_t *answered = NULL, *length = NULL, shape[NS_MAX_RANK], n = 0;
    char **names = NULL;
    int rank, rc = ns_file_read_i64(file, "answered", &answered, &rank, shape, err);
    if (rc == NS_OK)
        rc = ns_file_read_i64(file, "length", &length, &rank, shape, err);
    if (rc == NS_OK)
        rc = ns_file_read_strings(file, "template", &names, &n, err);
    for (int k = 1; k < lab->n_lengths && rc == NS_OK; k++)
        out->accuracy[k] = share_of(answered, length, names, n, lab->lengths[k], false);
    if (rc == NS_OK)
        out->swap = share_of(answered, length, names, n, 0, true);
    for (int64_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    free(length);
    free(answered);
    return rc;
}

static int open_lengths(const cli_lab *lab, const cli_lab_run *run, cli_lab_result *out, ns_error *err)
{
    char *const path = cli_lab_path(lab, "lengths/%s-step%06lld.h5", run->name, (long long)lab->steps);
    ns_file *file = NULL;
    for (int k = 1; k < lab->n_lengths; k++)
        out->accuracy[k] = NAN;
    out->swap = NAN;
    int rc = !path ? ns_oom(err, "lengths") : ns_path_exists(path) ? ns_file_open(&file, path, err) : NS_OK;
    if (rc == NS_OK && file)
        rc = read_lengths(lab, file, out, err);
    ns_file_close(file);
    free(path);
    return rc;
}

/* ---- all runs ---- */

/* curve [c->P] -> the lab's checkpoints, NaN where the run has no shard. */
static void spread(const cli_lab *lab, const cli_curves *c, const float *curve, float *out)
{
    int64_t i = 0;
    for (int64_t p = 0; p < cli_lab_points(lab); p++)
        out[p] = i < c->P && c->step[i] == cli_lab_step(lab, p) ? curve[i++] : NAN;
}

static int measure_heads(const cli_lab *lab, cli_rule r, const cli_curves *c, cli_lab_result *out, ns_error *err)
{
    float *const curve = ns_alloc_array((size_t)c->P, sizeof *curve);
    for (int k = 0; k < CLI_LAB_SERIES; k++)
        out->series[k] = ns_alloc_array((size_t)cli_lab_points(lab), sizeof *out->series[k]);
    if (!curve || !out->series[0] || !out->series[1] || !out->series[2] || !out->series[3]) {
        free(curve);
        return ns_oom(err, "a run's results");
    }
    cli_curves_best(c, c->find, cli_layer_full, 0, curve);
    out->find = cli_curves_birth(c, r, curve);
    spread(lab, c, curve, out->series[CLI_LAB_FIND]);
    cli_curves_best(c, c->link, cli_layer_below, retrieving_layer(c), curve);
    out->previous = isnan(curve[c->P - 1]) ? (cli_lab_birth){CLI_LAB_NO_HEAD, -1} : cli_curves_birth(c, r, curve);
    spread(lab, c, curve, out->series[CLI_LAB_PREVIOUS]);
    out->solved = cli_curves_birth(c, r, c->accuracy);
    spread(lab, c, c->accuracy, out->series[CLI_LAB_ACCURACY]);
    free(curve);
    return NS_OK;
}

static int measure(const cli_lab *lab, const cli_lab_run *run, cli_rule r, const cli_curves *c, cli_lab_result *out, ns_error *err)
{
    out->accuracy[0] = c->accuracy[c->P - 1];
    choose_heads(c, r.theta, out);
    choose_previous(c, retrieving_layer(c), out->previous_head);
    int rc = measure_heads(lab, r, c, out, err);
    if (rc == NS_OK)
        rc = open_metrics(lab, run, out, err);
    if (rc == NS_OK)
        rc = open_lengths(lab, run, out, err);
    out->measured = rc == NS_OK;
    return rc;
}

static int read_study(cli_lab *lab, ns_study *study, cli_rule r, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < lab->n_runs && rc == NS_OK; i++) {
        cli_curves c;
        rc = cli_curves_read(lab, study, &lab->runs[i], &c, err);
        if (rc == NS_OK && c.P)
            rc = measure(lab, &lab->runs[i], r, &c, &lab->results[i], err);
        cli_curves_clear(&c);
    }
    return rc;
}

int cli_lab_read_results(cli_lab *lab, ns_error *err)
{
    const cJSON *const emergence = cJSON_GetObjectItemCaseSensitive(lab->protocol, "emergence");
    char *const path = cli_lab_path(lab, "study.h5");
    ns_study *study = NULL;
    cli_rule r;
    int rc = path ? ns_json_f64(emergence, "theta", .5, &r.theta, "protocol: emergence", err) : ns_oom(err, "the study");
    if (rc == NS_OK)
        rc = ns_json_i64(emergence, "consecutive", 3, &r.consecutive, "protocol: emergence", err);
    if (rc == NS_OK && ns_path_exists(path)) {       /* without a study no run was measured, and the summary says so */
        rc = ns_study_open(&study, path, err);
        if (rc == NS_OK)
            rc = read_study(lab, study, r, err);
    }
    ns_study_close(study);
    free(path);
    return rc;
}
