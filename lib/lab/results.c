/* results.c - the study (births, by the code of `emergence`), a run's metrics (losses), lengths/RUN-STEP.h5 (longer prompts, swapped keys)
 * and ablate/RUN.h5 -> a result. A run whose last checkpoint is missing has none: a horizon that not all share compares nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/record.h>
#include <needlescope/study.h>

#include "laboratory.h"

/* ---- births ---- */

/* The study's axis is in tokens, the laboratory speaks of steps: whole numbers, since each step has as many tokens. */
static ns_event in_steps(const laboratory *lab, ns_event e)
{
    const double per_step = (double)(lab->batch * lab->length);
    e.after /= per_step;
    e.at /= per_step;
    return e;
}

/* Of the needle accuracy, by the rule of heads. series [P] */
static int solved_at(const ns_emergence *e, const float *series, int64_t P, ns_event *out, ns_error *err)
{
    double *const values = ns_alloc_array((size_t)P, sizeof *values);
    const int64_t *const steps = ns_study_steps(e->study);
    if (!values)
        return ns_oom(err, "needle accuracy");
    for (int64_t p = 0; p < P; p++)
        values[p] = (double)series[p];
    const ns_life life = ns_first_birth(values, P, &e->birth);
    const int64_t limit = ns_birth_limit(values, P, &e->birth);
    *out = (ns_event){limit < 0 ? (double)NAN : (double)steps[limit], limit < 0 ? (double)NAN : (double)INFINITY, -1, -1, 0};
    if (life.at >= 0)
        *out = (ns_event){life.after < 0 ? 0 : (double)steps[life.after], (double)steps[life.at], steps[life.at], -1, life.gap};
    free(values);
    return NS_OK;
}

/* ---- the retrieval heads at the horizon ---- */

/* score [L, H] of the last checkpoint */
static int choose_heads(const ns_emergence *e, const float *score, lab_result *out, ns_error *err)
{
    for (int64_t l = 0; l < e->shape.L; l++) {
        int64_t in_layer = 0;
        for (int64_t h = 0; h < e->shape.H; h++) {
            if (!((double)score[l * e->shape.H + h] >= e->birth.theta))
                continue;
            if (out->n_heads == LAB_HEADS)
                return ns_fail(err, NS_E_UNSUPPORTED, "more than %d retrieval heads in one run", (int)LAB_HEADS);
            out->heads[out->n_heads++] = (ns_head){l, h};
            in_layer++;
        }
        out->whole_layer |= in_layer == e->shape.H;
    }
    return NS_OK;
}

static ns_head previous_of(const ns_emergence *e, const ns_run_emergence *run)
{
    const int64_t head = run->previous_head ? run->previous_head[run->P - 1] : -1;
    return head < 0 ? (ns_head){-1, -1} : (ns_head){head / e->shape.H, head % e->shape.H};
}

/* ---- losses ---- */

static int read_losses(const laboratory *lab, const ns_file *file, lab_result *out, ns_error *err)
{
    const struct { const char *name; double *out; } wanted[] = {
        {"loss", &out->loss}, {"loss_filler", &out->loss_filler}, {"loss_near", &out->loss_near}, {"loss_mid", &out->loss_mid},
        {"loss_far", &out->loss_far}, {"recall_in_window", &out->in_window},
    };
    int64_t *step;
    ns_expected steps = {sizeof steps, "step", NS_I64, 1, {NS_ANY}, ns_between(0, 0x1p53)};
    int rc = ns_file_array(file, &steps, &step, err);
    const int64_t n = rc == NS_OK ? steps.shape[0] : 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && rc == NS_OK; i++) {
        float *values = NULL;
        *wanted[i].out = (double)NAN;
        ns_expected w = {sizeof w, wanted[i].name, NS_F32, 1, {n}, ns_or_nan(ns_finite())};
        rc = ns_file_array(file, &w, &values, err);
        for (int64_t k = 0; k < n && rc == NS_OK; k++)
            if (step[k] == lab->steps)
                *wanted[i].out = (double)values[k];
        free(values);
    }
    free(step);
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
    return all ? (double)hits / (double)all : (double)NAN;
}

static int read_lengths(const laboratory *lab, const ns_file *file, lab_result *out, ns_error *err)
{
    int64_t *answered = NULL, *length = NULL;
    char **names = NULL;
    ns_expected w = {sizeof w, "answered", NS_I64, 1, {NS_ANY}, ns_between(0, 1)};
    int rc = ns_file_array(file, &w, &answered, err);
    const int64_t n = rc == NS_OK ? w.shape[0] : 0;
    ns_expected lengths = {sizeof lengths, "length", NS_I64, 1, {n}, ns_between(0, 0x1p53)};
    rc = rc != NS_OK ? rc : ns_file_array(file, &lengths, &length, err);
    w.name = "template";
    rc = rc != NS_OK ? rc : ns_file_texts(file, &w, &names, err);
    for (int k = 1; k < lab->n_lengths && rc == NS_OK; k++)
        out->accuracy[k] = share_of(answered, length, names, n, lab->lengths[k], false);
    if (rc == NS_OK)
        out->swap = share_of(answered, length, names, n, 0, true);
    ns_free_strings(names, n);
    free(length);
    free(answered);
    return rc;
}

/* ---- interventions ---- */

static int64_t head_named(const char *text, ns_head *at)
{
    char *end;
    at->layer = strtoll(text, &end, 10);
    at->head = *end == '.' ? strtoll(end + 1, &end, 10) : -1;
    return end - text;
}

/* "1.0,1.3": is the head among them? */
static bool names_head(const char *text, ns_head head)
{
    ns_head at;
    for (int64_t used = head_named(text, &at); used > 0; used = head_named(text, &at)) {
        if (ns_head_is(at, head))
            return true;
        text += used + (text[used] == ',');
    }
    return false;
}

static void take_condition(lab_result *r, const char *kind, const char *mode, const char *heads, double first)
{
    const bool knockout = strcmp(mode, "knockout") == 0, target = strcmp(kind, "target") == 0, control = strcmp(kind, "control") == 0;
    if (strcmp(kind, "none") == 0)
        r->intact = first;
    else if (target && knockout)
        r->knocked = first;
    else if (target)
        r->silenced = first;
    else if (control && strcmp(mode, "knockout_others") == 0 && r->n_others < LAB_DRAWS)
        r->others[r->n_others++] = first;
    else if (control && strcmp(mode, "zero_z") == 0 && r->n_draws < LAB_DRAWS) {
        r->hits_previous[r->n_draws] = r->previous_head.layer >= 0 && names_head(heads, r->previous_head);
        r->draws[r->n_draws++] = first;
    }
}

/* Of the controls of knockouts: what share of the needle's weight they hid. Files before it was written have none. */
static int read_weight(const ns_file *file, int64_t n_conditions, lab_result *out, ns_error *err)
{
    float *hidden = NULL;
    int64_t n = 0;
    double sum = 0;
    ns_expected w = {sizeof w, "hidden_share", NS_F32, 1, {n_conditions}, ns_intervention_range("hidden_share")};
    const int rc = ns_file_has(file, w.name) ? ns_file_array(file, &w, &hidden, err) : NS_OK;
    for (int64_t i = 0; hidden && i < n_conditions; i++)
        if (!isnan(hidden[i])) {
            sum += (double)hidden[i];
            n++;
        }
    out->others_weight = n ? sum / (double)n : (double)NAN;
    free(hidden);
    return rc;
}

static int read_ablation(const laboratory *lab, const ns_file *file, lab_result *out, ns_error *err)
{
    static const char *const names[] = {"kind", "mode", "heads"};
    char **text[3] = {0};
    float *first;
    ns_expected w = {sizeof w, "first_accuracy", NS_F32, 1, {NS_ANY}, ns_intervention_range("first_accuracy")};
    int rc = ns_file_array(file, &w, &first, err);
    const int64_t n = rc == NS_OK ? w.shape[0] : 0;
    (void)lab;
    for (int k = 0; k < 3 && rc == NS_OK; k++) {
        w.name = names[k];
        rc = ns_file_texts(file, &w, &text[k], err);
    }
    rc = rc != NS_OK ? rc : ns_match_read(&out->match, file, err);
    rc = rc != NS_OK ? rc : read_weight(file, n, out, err);
    for (int64_t i = 0; rc == NS_OK && i < n; i++)
        take_condition(out, text[0][i], text[1][i], text[2][i], (double)first[i]);
    for (int k = 0; k < 3; k++)
        ns_free_strings(text[k], n);
    free(first);
    out->ablated = rc == NS_OK;
    return rc;
}

/* ---- files of a run ---- */

/* Jobs that were done before: their files may have been through other programs since. */
static void note_seal(const laboratory *lab, const char *path)
{
    if (ns_file_is_unsealed(path))
        ns_laboratory_say(lab, NS_LABORATORY_NOTE, "%s has no seal: " NS_UNSEALED, path);
}

typedef int read_part(const laboratory *, const ns_file *, lab_result *, ns_error *);

/* path is freed; a file that is not there leaves the result as it is. */
static int read_file(const laboratory *lab, char *path, ns_kind kind, read_part *part, lab_result *out, ns_error *err)
{
    ns_file *file = NULL;
    int rc = !path ? ns_oom(err, "a path") : NS_OK;
    if (rc == NS_OK && ns_path_exists(path))
        rc = ns_file_open_inside(&file, path, NS_KINDS(kind), ns_kind_name(kind), err);
    if (rc == NS_OK && file)
        note_seal(lab, path);
    if (rc == NS_OK && file)
        rc = part(lab, file, out, err);
    ns_file_close(file);
    free(path);
    return rc;
}

static int read_files(const laboratory *lab, const lab_run *run, lab_result *out, ns_error *err)
{
    for (int k = 1; k < lab->n_lengths; k++)
        out->accuracy[k] = (double)NAN;
    out->swap = out->loss = out->loss_filler = out->loss_near = out->loss_mid = out->loss_far = out->in_window = (double)NAN;
    int rc = read_file(lab, ns_laboratory_path(lab, "runs/%s/metrics.h5", run->name), NS_KIND_METRICS, read_losses, out, err);
    return rc != NS_OK ? rc
              : read_file(lab, ns_laboratory_path(lab, "lengths/%s-step%06lld.h5", run->name, (long long)lab->steps),
                          NS_KIND_SCORES, read_lengths, out, err);
}

int ns_laboratory_read_lengths(const laboratory *lab, const char *path, lab_result *out, ns_error *err)
{
    return read_file(lab, ns_strdup(path), NS_KIND_SCORES, read_lengths, out, err);
}

int ns_laboratory_read_ablation(const laboratory *lab, const char *path, lab_result *out, ns_error *err)
{
    return read_file(lab, ns_strdup(path), NS_KIND_ABLATION, read_ablation, out, err);
}

int ns_laboratory_read_ablations(laboratory *lab, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < lab->n_runs && rc == NS_OK; i++)
        if (lab->results[i].measured)
            rc = read_file(lab, ns_laboratory_path(lab, "ablate/%s.h5", lab->runs[i].name), NS_KIND_ABLATION, read_ablation,
                           &lab->results[i], err);
    return rc;
}

/* ---- all runs ---- */

static int64_t run_index(const ns_study *study, const char *name)
{
    const int64_t R = ns_study_size(study).R;
    for (int64_t i = 0; i < R; i++)
        if (strcmp(ns_study_run_name(study, i), name) == 0)
            return i;
    return -1;
}

/* 95 % of the median over the seeds of the run's group, in steps. */
static void take_interval(const laboratory *lab, const ns_emergence *e, int64_t r, lab_result *out)
{
    const double per_step = (double)(lab->batch * lab->length);
    out->low = out->high = (double)NAN;
    for (int64_t g = 0; g < e->n_groups; g++)
        for (int64_t i = 0; i < e->groups[g].n; i++)
            if (e->groups[g].runs[i] == r) {
                out->low = e->groups[g].interval.low / per_step;
                out->high = e->groups[g].interval.high / per_step;
            }
}

/* find [R, P, L, H], accuracy [R, P] */
static int measure(const laboratory *lab, const ns_emergence *e, int64_t r, const float *find, const float *accuracy, lab_result *out,
                   ns_error *err)
{
    const ns_run_emergence *const run = &e->runs[r];
    const int64_t last = r * e->shape.P + run->P - 1;
    out->find = in_steps(lab, run->best);
    out->previous = in_steps(lab, run->previous);
    for (int i = 0; i < NS_SWEEP; i++)
        out->sweep[i] = in_steps(lab, run->sweep[i]);
    out->null_p = run->null.p;
    take_interval(lab, e, r, out);
    out->accuracy[0] = (double)accuracy[last];
    out->previous_head = previous_of(e, run);
    const int rc = choose_heads(e, find + last * e->shape.L * e->shape.H, out, err);
    return rc != NS_OK ? rc : solved_at(e, accuracy + r * e->shape.P, run->P, &out->solved, err);
}

static int measure_runs(laboratory *lab, ns_study *study, const ns_emergence *e, ns_error *err)
{
    const float *find, *accuracy;
    int rc = ns_study_score(study, e->score, &find, err);
    lab->null_control = e->null_control;
    if (rc == NS_OK)
        rc = ns_study_series(study, "accuracy", &accuracy, err);
    for (int64_t i = 0; i < lab->n_runs && rc == NS_OK; i++) {
        const int64_t r = run_index(study, lab->runs[i].name);
        lab_result *const out = &lab->results[i];
        if (r < 0 || e->runs[r].measured == 0)
            continue;
        rc = measure(lab, e, r, find, accuracy, out, err);
        rc = rc != NS_OK ? rc : read_files(lab, &lab->runs[i], out, err);
        out->measured = rc == NS_OK;
    }
    return rc;
}

static int find_births(const laboratory *lab, ns_study *study, ns_emergence **out, ns_error *err)
{
    ns_emergence_params params = {.size = sizeof params, .score = lab->score, .birth = lab->birth,
                                  .horizon = (double)(lab->steps * lab->batch * lab->length), .leave_short = true,
                                  .resamples = lab->resamples};
    memcpy(params.sweep, lab->sweep, sizeof params.sweep);
    const int rc = ns_emergence_run(out, study, &params, err);
    return rc == NS_OK && !(*out)->in_tokens ? ns_fail(err, NS_E_FORMAT, "%s/study.h5 does not know the tokens of its steps", lab->dir)
                                             : rc;
}

/* Up to which every run is compared; a study of runs that all failed before it has no births. */
static bool any_reaches(const ns_study *study, double horizon)
{
    const ns_study_shape n = ns_study_size(study);
    bool reaches = false;
    for (int64_t i = 0; i < n.R * n.P; i++)
        reaches |= ns_study_status(study)[i] == NS_STUDY_DONE && (double)ns_study_tokens(study)[i] >= horizon;
    return reaches;
}

int ns_laboratory_open_births(const laboratory *lab, ns_study **study, ns_emergence **births, ns_error *err)
{
    char *const path = ns_laboratory_path(lab, "study.h5");
    *study = NULL;
    *births = NULL;
    int rc = path ? NS_OK : ns_oom(err, "the study");
    if (rc == NS_OK && ns_path_exists(path)) {
        rc = ns_study_open(study, path, err);
        if (rc == NS_OK && any_reaches(*study, (double)(lab->steps * lab->batch * lab->length)))
            rc = find_births(lab, *study, births, err);
    }
    if (rc != NS_OK) {
        ns_study_close(*study);
        *study = NULL;
    }
    free(path);
    return rc;
}

/* Its own seal, and those of what the merge read in a process that nobody listens to. */
static void note_study(const laboratory *lab, const ns_study *study)
{
    const int64_t n = ns_study_unsealed(study);
    note_seal(lab, ns_study_path(study));
    if (n)
        ns_laboratory_say(lab, NS_LABORATORY_NOTE, "%s: %lld of the shards and metrics %s no seal: " NS_UNSEALED, ns_study_path(study),
                          (long long)n, n == 1 ? "has" : "have");
}

int ns_laboratory_read_results(laboratory *lab, ns_error *err)
{
    ns_study *study;
    ns_emergence *births;
    int rc = ns_laboratory_open_births(lab, &study, &births, err);
    if (rc == NS_OK && study)
        note_study(lab, study);
    if (rc == NS_OK && births)           /* without a study no run was measured, and the summary says so */
        rc = measure_runs(lab, study, births, err);
    ns_emergence_free(births);
    ns_study_close(study);
    return rc;
}
