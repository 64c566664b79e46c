/* measures.c - the files of the stages -> numbers of each run: births from the study, losses from its metrics, the rest from a file a run.
 * What a file lacks is NaN. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/best.h>
#include <needlescope/lab.h>
#include <needlescope/record.h>
#include <needlescope/study.h>
#include <needlescope/training.h>

#include "paper.h"

#define TOP 4                            /* heads, as the paper's --top-k */
enum { LATE = 5 };                       /* last checkpoints that a late loss is the mean of: single ones jump by .05 */

const paper_measure_row ns_paper_measures[PAPER_MEASURES] = {
    [PAPER_SHORT_EARLY] = {"short_loss_early", "study.h5", "loss on filler after filler, nats, mean over checkpoints of the first half"},
    [PAPER_SHORT_LATE] = {"short_loss", "study.h5", "the same, mean over the last 5 checkpoints"},
    [PAPER_LONG_EARLY] = {"long_loss_early", "study.h5", "loss on values recalled from 32 tokens back and more, nats, first half"},
    [PAPER_LONG_LATE] = {"long_loss", "study.h5", "the same, last 5 checkpoints"},
    [PAPER_BIRTH] = {"retrieval_birth", "study.h5", "step at which the best head of the full layers is born by retrieval_find"},
    [PAPER_PREVIOUS] = {"previous_token_birth", "study.h5", "step at which the best previous-token head below it is born"},
    [PAPER_FULL_SHARE] = {"finders_in_full_layers", "score/RUN.h5", "share of the 4 best heads by retrieval_find that lie in full layers"},
    [PAPER_ACCURACY] = {"accuracy", "score/RUN.h5", "needle accuracy at the trained length"},
    [PAPER_LONGER] = {"accuracy_longer", "lengths/RUN.h5", "needle accuracy at twice the trained length"},
    [PAPER_LONGEST] = {"accuracy_longest", "lengths/RUN.h5", "needle accuracy at the longest prompts"},
    [PAPER_RECALL] = {"recall_accuracy", "recall/RUN.h5", "accuracy of multi-query recall of random tokens, a form not trained on"},
    [PAPER_WRITES] = {"writes_finders", "score/RUN.h5", "retrieval_logit, mean over the heads that find"},
    [PAPER_WRITES_OTHERS] = {"writes_others", "score/RUN.h5", "retrieval_logit, mean over the other heads of full layers"},
    [PAPER_INTACT] = {"intact", "ablate/RUN.h5", "needle accuracy, nothing cut"},
    [PAPER_CUT] = {"edges_cut", "ablate/RUN.h5", "needle accuracy without the finders' edges to the needle"},
    [PAPER_CUT_OTHERS] = {"other_edges_cut", "ablate/RUN.h5", "needle accuracy without as many other edges of theirs, the worst draw"},
    [PAPER_FAR] = {"far", "nll/RUN.h5", "loss on values recalled from 32 tokens back and more, nats, held-out texts"},
    [PAPER_FAR_FULL] = {"far_full_constrained", "full/RUN.h5", "the same with full layers that see 8 keys and the first one"},
    [PAPER_FAR_EFFICIENT] = {"far_efficient_constrained", "efficient/RUN.h5",
                             "the same with efficient layers that see 8 keys and the first one"},
    [PAPER_GAIN_FULL] = {"probe_gain_full", "probe/RUN.h5",
                         "accuracy of a linear reader of the answer (4 values) behind a full layer minus before it, mean"},
    [PAPER_GAIN_EFFICIENT] = {"probe_gain_efficient", "probe/RUN.h5", "the same of the other layers"},
    [PAPER_GAIN_SHUFFLED] = {"probe_gain_shuffled", "probe/RUN.h5", "full minus other layers, labels shuffled"},
    [PAPER_INFLUENCE] = {"influence", "gradient/RUN.h5", "ln of the mean gradient norm at distances 4 to 15 over that at 32 and more"},
    [PAPER_INFLUENCE_SHUFFLED] = {"influence_shuffled", "gradient/RUN.h5", "the same of shuffled texts"},
    [PAPER_ENTROPY] = {"entropy_final_top", "trace.h5", "entropy over its most, mean over training, of the 4 best heads at the end"},
    [PAPER_ENTROPY_STEP] = {"entropy_step_top", "trace.h5", "the same of the 4 best heads at each step"},
    [PAPER_ENTROPY_OTHERS] = {"entropy_others_full", "study.h5", "the same of the other heads of full layers"},
    [PAPER_DISTANCE] = {"distance_final_top", "trace.h5",
                        "distance of Q and K to the last checkpoint, mean over training, of the 4 best heads at the end"},
    [PAPER_DISTANCE_STEP] = {"distance_step_top", "trace.h5", "the same of the 4 best heads at each step"},
    [PAPER_DISTANCE_OTHERS] = {"distance_others", "trace.h5", "the same of the heads that are not the best at the end"},
};

/* ---- a file of a run ---- */

typedef int read_part(paper *, paper_run *, const ns_file *, paper_measure, ns_error *);

static int with_file(paper *p, paper_run *run, const char *folder, read_part *part, paper_measure m, ns_error *err)
{
    char *const path = ns_laboratory_path(&p->lab, "%s/%s.h5", folder, run->name);
    ns_file *file = NULL;
    int rc = path ? NS_OK : ns_oom(err, folder);
    if (rc == NS_OK && ns_path_exists(path))
        rc = ns_file_open_inside(&file, path, NS_KINDS_HDF5, "a file of needlescope", err);
    if (rc == NS_OK && file)
        rc = part(p, run, file, m, err);
    ns_file_close(file);
    free(path);
    return rc;
}

static double mean_of(double sum, int64_t n)
{
    return n ? sum / (double)n : (double)NAN;
}

static int read_answered(paper *p, paper_run *run, const ns_file *file, paper_measure m, ns_error *err)
{
    int64_t *answered = NULL, sum = 0;
    ns_expected w = {sizeof w, "answered", NS_I64, 1, {NS_ANY}, ns_between(0, 1)};
    const int rc = ns_file_array(file, &w, &answered, err);
    (void)p;
    for (int64_t i = 0; rc == NS_OK && i < w.shape[0]; i++)
        sum += answered[i];
    if (rc == NS_OK)
        run->value[m] = mean_of((double)sum, w.shape[0]);
    free(answered);
    return rc;
}

/* Values said again, behind the same key, half a context back and more. */
static int read_far(paper *p, paper_run *run, const ns_file *file, paper_measure m, ns_error *err)
{
    float *log_p = NULL;
    int64_t *distance = NULL, *token = NULL, n = 0;
    double sum = 0;
    ns_expected w = {sizeof w, "log_p", NS_F32, 2, {NS_ANY, NS_ANY}, ns_or_nan(ns_between(-INFINITY, 1e-4))};
    int rc = ns_file_array(file, &w, &log_p, err);
    ns_expected whole = {sizeof whole, "distance", NS_I64, 2, {w.shape[0], w.shape[1]}, ns_between(-1, 0x1p53)};
    rc = rc != NS_OK ? rc : ns_file_array(file, &whole, &distance, err);
    whole.name = "token_id";
    rc = rc != NS_OK ? rc : ns_file_array(file, &whole, &token, err);
    for (int64_t i = 0; rc == NS_OK && i < w.shape[0] * w.shape[1]; i++)
        if (token[i] >= NS_LAB_FILLERS + NS_LAB_KEYS && distance[i] >= p->lab.length / 2 && !isnan(log_p[i])) {
            sum -= (double)log_p[i];
            n++;
        }
    if (rc == NS_OK)
        run->value[m] = mean_of(sum, n);
    free(token);
    free(distance);
    free(log_p);
    return rc;
}

/* ln (mean norm at distances 4 ... 15 / mean norm at 32 and more): the last rows, which hang on themselves, are left out. */
static int read_influence(paper *p, paper_run *run, const ns_file *file, paper_measure m, ns_error *err)
{
    static const char *const names[] = {"mean_grad_norm", "shuffled_mean_grad_norm"};
    int rc = NS_OK;
    for (int i = 0; i < 2 && rc == NS_OK; i++) {
        double *norm = NULL, near = 0, far = 0;
        int64_t n_near = 0, n_far = 0;
        ns_expected w = {sizeof w, names[i], NS_F64, 1, {NS_ANY}, ns_or_nan(ns_between(0, INFINITY))};
        rc = ns_file_array(file, &w, &norm, err);
        for (int64_t d = PAPER_LAST; rc == NS_OK && d < w.shape[0]; d++) {
            if (d < p->lab.length / 4)
                near += norm[d], n_near++;
            else if (d >= p->lab.length / 2)
                far += norm[d], n_far++;
        }
        if (rc == NS_OK)
            run->value[m + i] = log(mean_of(near, n_near) / mean_of(far, n_far));
        free(norm);
    }
    return rc;
}

/* Mean gain of full layers and of the others, of accuracies behind each layer; before the first it is chance. gain[2]: full, others. */
static void mean_gains(const float *accuracy, char *const *kinds, int64_t L, double gain[2])
{
    double sum[2] = {0}, before = 1. / PAPER_CLASSES;
    int64_t n[2] = {0};
    for (int64_t l = 0; l < L; l++) {
        const int other = strcmp(kinds[l], "full") != 0;
        sum[other] += (double)accuracy[l] - before;
        before = (double)accuracy[l];
        n[other]++;
    }
    for (int i = 0; i < 2; i++)
        gain[i] = mean_of(sum[i], n[i]);
}

static int read_probing(paper *p, paper_run *run, const ns_file *file, paper_measure m, ns_error *err)
{
    float *accuracy = NULL, *shuffled = NULL;
    char **kinds = NULL;
    double gain[2];
    ns_expected w = {sizeof w, "probe_accuracy", NS_F32, 1, {NS_ANY}, ns_or_nan(ns_between(0, 1))};
    int rc = ns_file_array(file, &w, &accuracy, err);
    (void)p;
    w.name = "probe_accuracy_shuffled";
    rc = rc != NS_OK ? rc : ns_file_array(file, &w, &shuffled, err);
    w.name = "layer_kind";
    rc = rc != NS_OK ? rc : ns_file_texts(file, &w, &kinds, err);
    if (rc == NS_OK) {
        mean_gains(accuracy, kinds, w.shape[0], &run->value[m]);
        mean_gains(shuffled, kinds, w.shape[0], gain);
        run->value[PAPER_GAIN_SHUFFLED] = gain[0] - gain[1];
    }
    ns_free_strings(kinds, rc == NS_OK ? w.shape[0] : 0);
    free(shuffled);
    free(accuracy);
    return rc;
}

/* ---- scores of the last checkpoint ---- */

typedef struct scores { ns_study *study; ns_study_shape n; const float *find, *writes; } scores;

static bool is_full(const scores *s, int64_t layer)
{
    return strcmp(ns_study_layer_kind(s->study, 0, layer), "full") == 0;
}

static int take_heads(const paper *p, const scores *s, paper_run *run, ns_error *err)
{
    run->result.n_heads = 0;
    for (int64_t i = 0; i < s->n.L * s->n.H; i++) {
        if (!((double)s->find[i] >= p->lab.birth.theta))
            continue;
        if (run->result.n_heads == LAB_HEADS)
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: more than %d heads find", run->name, (int)LAB_HEADS);
        run->result.heads[run->result.n_heads++] = (ns_head){i / s->n.H, i % s->n.H};
    }
    return NS_OK;
}

static void take_share(const scores *s, paper_run *run)
{
    int64_t best[TOP], full = 0;
    const ns_score_meaning meaning = {NS_BEST_LARGEST, 0, 1, 0, false};
    const ns_best_cut cut = ns_best(s->find, s->n.L * s->n.H, TOP, &meaning, best);
    for (int64_t i = 0; i < cut.n; i++)
        full += is_full(s, best[i] / s->n.H);
    run->value[PAPER_FULL_SHARE] = mean_of((double)full, cut.n);
}

static void take_writes(const paper *p, const scores *s, paper_run *run)
{
    double sum[2] = {0};
    int64_t n[2] = {0};
    for (int64_t i = 0; i < s->n.L * s->n.H; i++) {
        const int finds = (double)s->find[i] >= p->lab.birth.theta;
        if (isnan(s->writes[i]) || (!finds && !is_full(s, i / s->n.H)))
            continue;
        sum[finds] += (double)s->writes[i];
        n[finds]++;
    }
    run->value[PAPER_WRITES] = mean_of(sum[1], n[1]);
    run->value[PAPER_WRITES_OTHERS] = n[1] ? mean_of(sum[0], n[0]) : (double)NAN;
}

/* path is freed. *out.study NULL: the file is not there. */
static int open_scores(char *path, scores *out, ns_error *err)
{
    *out = (scores){0};
    int rc = path ? NS_OK : ns_oom(err, "scores");
    if (rc == NS_OK && ns_path_exists(path)) {
        rc = ns_study_open(&out->study, path, err);
        rc = rc != NS_OK ? rc : ns_study_score(out->study, "retrieval_find", &out->find, err);
        rc = rc != NS_OK ? rc : ns_study_score(out->study, "retrieval_logit", &out->writes, err);
        if (rc == NS_OK)
            out->n = ns_study_size(out->study);
    }
    free(path);
    return rc;
}

static int read_scores(paper *p, paper_run *run, ns_error *err)
{
    scores s;
    int rc = open_scores(ns_laboratory_path(&p->lab, "score/%s.h5", run->name), &s, err);
    if (rc == NS_OK && s.study) {
        rc = take_heads(p, &s, run, err);
        take_share(&s, run);
        take_writes(p, &s, run);
    }
    ns_study_close(s.study);
    return rc;
}

int ns_paper_read_heads(paper *p, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < p->n_runs && rc == NS_OK; i++)
        rc = read_scores(p, &p->runs[i], err);
    return rc;
}

/* ---- the study ---- */

/* Mean over its steps in (from, to]; NaN where one was not measured. */
static double mean_between(const float *series, const int64_t *steps, int64_t P, int64_t from, int64_t to)
{
    double sum = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < P; i++)
        if (steps[i] > from && steps[i] <= to) {
            sum += (double)series[i];
            n++;
        }
    return mean_of(sum, n);
}

/* The last but LATE of the steps up to the end. */
static int64_t before_late(const int64_t *steps, int64_t P, int64_t end)
{
    int64_t last = P - 1;
    while (last >= 0 && steps[last] > end)
        last--;
    return last >= LATE ? steps[last - LATE] : 0;
}

static int read_losses(paper *p, paper_run *run, ns_study *study, int64_t r, ns_error *err)
{
    static const struct { const char *name; paper_measure early; } losses[] = {{"loss_filler", PAPER_SHORT_EARLY},
                                                                                 {"loss_far", PAPER_LONG_EARLY}};
    const int64_t P = ns_study_size(study).P, *const steps = ns_study_steps(study);
    int rc = NS_OK;
    for (int i = 0; i < 2 && rc == NS_OK; i++) {
        const float *series;
        if (!ns_study_has(study, losses[i].name))
            continue;
        rc = ns_study_series(study, losses[i].name, &series, err);
        if (rc != NS_OK)
            break;
        run->value[losses[i].early] = mean_between(series + r * P, steps, P, 0, p->step / 2);
        run->value[losses[i].early + 1] = mean_between(series + r * P, steps, P, before_late(steps, P, p->step), p->step);
    }
    return rc;
}

/* Entropy of a head with a window is less, the less it sees: windows are compared by heads of full layers. of[L * H]: those. */
static int read_other_entropy(paper *p, paper_run *run, ns_study *study, int64_t r, bool *of, ns_error *err)
{
    const ns_study_shape n = ns_study_size(study);
    const int64_t K = n.L * n.H, *const steps = ns_study_steps(study), last = ns_study_last(study, r);
    const ns_score_meaning meaning = {NS_BEST_LARGEST, 0, 1, 0, false};
    const float *find, *entropy;
    int64_t best[TOP], count = 0;
    double sum = 0;
    int rc = last < 0 || !ns_study_has(study, "entropy_norm") ? NS_STOP : ns_study_score(study, "retrieval_find", &find, err);
    rc = rc != NS_OK ? rc : ns_study_score(study, "entropy_norm", &entropy, err);
    if (rc != NS_OK)
        return rc == NS_STOP ? NS_OK : rc;
    for (int64_t i = 0; i < K; i++)
        of[i] = strcmp(ns_study_layer_kind(study, r, i / n.H), "full") == 0;
    const ns_best_cut cut = ns_best(find + (r * n.P + last) * K, K, TOP, &meaning, best);
    for (int64_t i = 0; i < cut.n; i++)
        of[best[i]] = false;
    for (int64_t at = 0; at < n.P * K; at++) {
        const double value = (double)entropy[r * n.P * K + at];
        if (of[at % K] && steps[at / K] > 0 && steps[at / K] <= p->step && !isnan(value)) {
            sum += value;
            count++;
        }
    }
    run->value[PAPER_ENTROPY_OTHERS] = mean_of(sum, count);
    return NS_OK;
}

/* In steps; a birth that was not seen up to the horizon lies beyond it. */
static double birth_of(ns_event e)
{
    return isnan(e.at) ? (double)NAN : isinf(e.at) ? (double)INFINITY : (double)e.step;
}

static int read_study(paper *p, ns_error *err)
{
    ns_study *study;
    ns_emergence *births;
    int rc = ns_laboratory_open_births(&p->lab, &study, &births, err);
    bool *const of = rc == NS_OK && births ? ns_alloc_array((size_t)(births->shape.L * births->shape.H), sizeof *of) : NULL;
    rc = rc == NS_OK && births && !of ? ns_oom(err, "the study") : rc;
    p->strangers = rc == NS_OK && births ? ns_study_size(study).R : 0;
    for (int64_t i = 0; rc == NS_OK && births && i < p->n_runs; i++) {
        int64_t r;
        paper_run *const run = &p->runs[i];
        if (ns_study_find_run(study, run->name, &r, NULL) != NS_OK)
            continue;
        p->strangers--;
        if (births->runs[r].measured == 0)
            continue;
        run->value[PAPER_BIRTH] = birth_of(births->runs[r].best);
        run->value[PAPER_PREVIOUS] = birth_of(births->runs[r].previous);
        rc = read_losses(p, run, study, r, err);
        rc = rc != NS_OK ? rc : read_other_entropy(p, run, study, r, of, err);
    }
    if (rc == NS_OK && p->strangers)
        ns_laboratory_say(&p->lab, NS_LABORATORY_WARNING, "study.h5 holds %lld run%s that this call did not name: figures show them, too",
                          (long long)p->strangers, ns_plural(p->strangers));
    free(of);
    ns_emergence_free(births);
    ns_study_close(study);
    return rc;
}

/* ---- the trace ---- */

typedef struct traced { int64_t R, P; char **names; int64_t *steps; } traced;

static int read_traced(const ns_file *file, traced *out, ns_error *err)
{
    *out = (traced){0};
    ns_expected w = {sizeof w, "step", NS_I64, 1, {NS_ANY}, ns_between(0, 0x1p53)};
    int rc = ns_file_array(file, &w, &out->steps, err);
    out->P = rc == NS_OK ? w.shape[0] : 0;
    ns_expected names = {sizeof names, "run_name", NS_F64, 1, {NS_ANY}, ns_any_number()};
    rc = rc != NS_OK ? rc : ns_file_texts(file, &names, &out->names, err);
    out->R = rc == NS_OK ? names.shape[0] : 0;
    return rc;
}

/* Mean over the checkpoints behind the first, whose heads are nobody's yet. */
static int take_trace(paper *p, const ns_file *file, const traced *t, paper_measure m, ns_error *err)
{
    double *values = NULL;
    ns_expected w = {sizeof w, ns_paper_measures[m].name, NS_F64, 2, {t->R, t->P}, ns_any_number()};
    const int rc = ns_file_array(file, &w, &values, err);
    for (int64_t i = 0; rc == NS_OK && i < p->n_runs; i++)
        for (int64_t r = 0; r < t->R; r++) {
            double sum = 0;
            int64_t n = 0;
            if (strcmp(t->names[r], p->runs[i].name) != 0)
                continue;
            for (int64_t s = 0; s < t->P; s++)
                if (t->steps[s] > 0 && t->steps[s] <= p->step && !isnan(values[r * t->P + s])) {
                    sum += values[r * t->P + s];
                    n++;
                }
            p->runs[i].value[m] = mean_of(sum, n);
        }
    free(values);
    return rc;
}

static int read_trace(paper *p, ns_error *err)
{
    char *const path = ns_laboratory_path(&p->lab, "trace.h5");
    ns_file *file = NULL;
    traced t = {0};
    int rc = path ? NS_OK : ns_oom(err, "the trace");
    if (rc == NS_OK && ns_path_exists(path)) {
        rc = ns_file_open_inside(&file, path, NS_KINDS(NS_KIND_TRACE), ns_kind_name(NS_KIND_TRACE), err);
        rc = rc != NS_OK ? rc : read_traced(file, &t, err);
        for (int m = PAPER_ENTROPY; m <= PAPER_DISTANCE_OTHERS && rc == NS_OK; m++)
            rc = m == PAPER_ENTROPY_OTHERS ? NS_OK : take_trace(p, file, &t, m, err);
    }
    ns_free_strings(t.names, t.R);
    free(t.steps);
    ns_file_close(file);
    free(path);
    return rc;
}

/* ---- all ---- */

static int read_cuts(paper *p, paper_run *run, ns_error *err)
{
    char *const lengths = ns_laboratory_path(&p->lab, "lengths/%s.h5", run->name);
    char *const ablation = ns_laboratory_path(&p->lab, "ablate/%s.h5", run->name);
    lab_result *const r = &run->result;
    int rc = lengths && ablation ? NS_OK : ns_oom(err, run->name);
    for (int k = 0; k < LAB_LENGTHS; k++)
        r->accuracy[k] = (double)NAN;
    rc = rc != NS_OK ? rc : ns_laboratory_read_lengths(&p->lab, lengths, r, err);
    rc = rc != NS_OK ? rc : ns_laboratory_read_ablation(&p->lab, ablation, r, err);
    if (rc == NS_OK) {
        run->value[PAPER_LONGER] = p->lab.n_lengths > 1 ? r->accuracy[1] : (double)NAN;
        run->value[PAPER_LONGEST] = p->lab.n_lengths > 1 ? r->accuracy[p->lab.n_lengths - 1] : (double)NAN;
    }
    if (rc == NS_OK && r->ablated) {
        run->value[PAPER_INTACT] = r->intact;
        run->value[PAPER_CUT] = r->knocked;
        run->value[PAPER_CUT_OTHERS] = r->n_others ? r->others[0] : (double)NAN;
        for (int k = 1; k < r->n_others; k++)
            run->value[PAPER_CUT_OTHERS] = fmin(run->value[PAPER_CUT_OTHERS], r->others[k]);
    }
    free(ablation);
    free(lengths);
    return rc;
}

int ns_paper_measure(paper *p, ns_error *err)
{
    static const struct { const char *folder; read_part *part; paper_measure m; } parts[] = {
        {"score", read_answered, PAPER_ACCURACY},
        {"recall", read_answered, PAPER_RECALL},
        {"nll", read_far, PAPER_FAR},
        {"full", read_far, PAPER_FAR_FULL},
        {"efficient", read_far, PAPER_FAR_EFFICIENT},
        {"probe", read_probing, PAPER_GAIN_FULL},
        {"gradient", read_influence, PAPER_INFLUENCE},
    };
    int rc = read_study(p, err);
    rc = rc != NS_OK ? rc : read_trace(p, err);
    for (int64_t i = 0; i < p->n_runs && rc == NS_OK; i++) {
        rc = read_cuts(p, &p->runs[i], err);
        for (size_t k = 0; k < sizeof parts / sizeof *parts && rc == NS_OK; k++)
            rc = with_file(p, &p->runs[i], parts[k].folder, parts[k].part, parts[k].m, err);
    }
    return rc;
}
