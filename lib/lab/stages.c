/* stages.c - the stages of the laboratory: cases, configs -> thresholds -> train and scan every run, a process on each core -> results
 * -> interventions -> summary.
 * Every stage leaves files and does only what is missing, so a call that was killed is called again. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/lab.h>
#include <needlescope/probe.h>

#include "jobs.h"
#include "laboratory.h"

/* ---- stage: cases and configs ---- */

static int make_cases(const laboratory *lab, int64_t length, bool swap, ns_cases *out, ns_error *err)
{
    const ns_lab_cases_params params = {.size = sizeof params, .length = length, .count = (int)lab->n_cases,
                                        .seed = (uint64_t)lab->case_seed, .swap = swap};
    return ns_lab_cases(out, &params, err);
}

static int write_cases(const laboratory *lab, int64_t length, bool swap, ns_error *err)
{
    char *const path = ns_laboratory_path(lab, swap ? "cases/swap.jsonl" : "cases/%lld.jsonl", (long long)length);
    ns_cases cases = {0};
    int rc = path ? make_cases(lab, length, swap, &cases, err) : ns_oom(err, "cases");
    if (rc == NS_OK)
        rc = ns_cases_write(&cases, path, err);
    ns_cases_clear(&cases);
    free(path);
    return rc;
}

int ns_laboratory_prepare(laboratory *lab, ns_error *err)
{
    int rc = ns_laboratory_write_configs(lab, err);
    for (int i = 0; i < lab->n_lengths && rc == NS_OK; i++)
        rc = write_cases(lab, lab->lengths[i], false, err);
    return rc == NS_OK ? write_cases(lab, lab->lengths[0], true, err) : rc;
}

/* ---- stage: thresholds ---- */

/* What a head that spreads its attention evenly over the window gets of a score, mean over the cases; NaN: it is measured, or none. */
static int even_chance(const ns_cases *cases, const char *score, int64_t window, double *out, ns_error *err)
{
    const ns_attn swa = {.window = window};
    double sum = 0;
    int64_t n = 0;
    int rc = NS_OK;
    for (int64_t i = 0; i < cases->n && rc == NS_OK; i++) {
        const ns_probe_context ctx = {.c = &cases->list[i], .probe = ns_probe_find(score), .n_layers = 1, .n_heads = 1};
        double chance = 0;
        int64_t rows = 0;
        rc = ns_probe_chance(&ctx, &swa, 0, &chance, &rows, err);
        sum += rows ? chance : 0;
        n += rows > 0;
    }
    *out = n ? sum / (double)n : (double)NAN;
    return rc;
}

/* Chance that births do not take out of a score: what is more is. */
static int check_threshold(const laboratory *lab, const ns_cases *cases, const char *score, double theta, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < lab->n_runs && rc == NS_OK; i++) {
        double chance;
        rc = even_chance(cases, score, lab->runs[i].window, &chance, err);
        if (rc == NS_OK && chance <= NS_CHANCE_SMALL && theta <= chance)
            rc = ns_fail(err, NS_E_FORMAT,
                         "%s: emergence: heads that know nothing have %.2g of %s in %s; a threshold of %g is no more than that",
                         lab->params->protocol ? lab->params->protocol : "the protocol", chance, score, lab->runs[i].name, theta);
    }
    return rc;
}

/* Before anything is trained: what `emergence` would refuse afterwards, as far as it is known. */
static int check_thresholds(laboratory *lab, ns_error *err)
{
    ns_cases cases = {0};
    int rc = make_cases(lab, lab->lengths[0], false, &cases, err);
    rc = rc != NS_OK ? rc : check_threshold(lab, &cases, "previous_at_needle", lab->birth.theta, err);
    rc = rc != NS_OK ? rc : check_threshold(lab, &cases, lab->score, lab->birth.theta, err);
    for (int i = 0; i < NS_SWEEP && rc == NS_OK; i++)
        rc = check_threshold(lab, &cases, lab->score, lab->sweep[i], err);
    ns_cases_clear(&cases);
    return rc;
}

/* ---- stage: train and scan ---- */

const char ns_laboratory_probes[] = "retrieval_find,previous_at_needle,previous_token,entropy_norm,sink_mass,qk_distance";

/* The newest stepNNNNNN of a run's folder; 0 when there is none. */
static int64_t newest_step(const laboratory *lab, const char *run)
{
    char *const path = ns_laboratory_path(lab, "runs/%s", run);
    DIR *const dir = path ? opendir(path) : NULL;
    int64_t newest = 0;
    for (const struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        const long long step = ns_starts(entry->d_name, "step") ? strtoll(entry->d_name + 4, NULL, 10) : 0;
        newest = step > newest ? step : newest;
    }
    if (dir)
        closedir(dir);
    free(path);
    return newest;
}

/* What the callbacks of a list of jobs need. */
typedef struct shift { laboratory *lab; const char *what; } shift;

static double progress_of(void *user, const ns_job *job)
{
    const laboratory *const lab = ((const shift *)user)->lab;
    return strcmp(job->words[0], "train") == 0 ? (double)newest_step(lab, job->name) / (double)lab->steps : 0.5;
}

static void tell_fraction(void *user, double fraction)
{
    const shift *const s = user;
    if (s->lab->params->progress)
        s->lab->params->progress(s->lab->params->user, s->what, fraction);
}

static void tell_finished(void *user, const ns_job *job)
{
    laboratory *const lab = ((const shift *)user)->lab;
    if (job->state == NS_JOB_DONE) {
        if (strcmp(job->words[0], "train") == 0)
            ns_laboratory_say(lab, NS_LABORATORY_NOTE, "%s: trained, %.1f s", job->name, job->seconds);
        return;
    }
    char *const why = ns_job_complaint(job);
    ns_laboratory_say(lab, NS_LABORATORY_WARNING, "%s: %s failed: %s", job->name, job->words[0], why ? why : "see its log");
    lab->failures++;
    free(why);
}

static bool is_cancelled(void *user)
{
    const ns_laboratory_params *const p = ((const shift *)user)->lab->params;
    return p->cancelled && p->cancelled(p->user);
}

int ns_laboratory_run_jobs(laboratory *lab, ns_jobs *jobs, const char *what, ns_error *err)
{
    shift s = {lab, what};
    const ns_jobs_watch watch = {.progress = progress_of, .finished = tell_finished, .fraction = tell_fraction,
                                 .cancelled = is_cancelled, .user = &s};
    ns_laboratory_say(lab, NS_LABORATORY_DETAIL, "%s: %lld job%s, up to %d at a time", what, (long long)jobs->n,
                      ns_plural(jobs->n), lab->cores);
    const int rc = ns_jobs_run(jobs, lab->params->program ? lab->params->program : "needlescope", lab->cores, &watch, err);
    ns_jobs_clear(jobs);
    return rc == NS_STOP ? NS_OK : rc;       /* the summary says which runs are missing */
}

static int add_job(laboratory *lab, ns_jobs *jobs, const char *name, int64_t after, double weight, const char *const *words,
                   int n, ns_error *err)
{
    char *const logs = ns_laboratory_path(lab, "log");
    ns_job *const job = logs ? ns_jobs_add(jobs, logs, name, after, weight) : NULL;
    free(logs);
    return job && ns_job_words(job, words, n) ? NS_OK : ns_oom(err, "the list of jobs");
}

int ns_laboratory_add_training(laboratory *lab, ns_jobs *jobs, const lab_run *run, ns_error *err)
{
    char *const config = ns_laboratory_path(lab, "configs/%s.json", run->name), *const dir = ns_laboratory_path(lab, "runs/%s", run->name);
    const char *const words[] = {"train", config, "-o", dir, "--resume", "--json", "--quiet"};
    const double weight = (double)lab->steps;
    const int rc = config && dir ? add_job(lab, jobs, run->name, -1, weight, words, sizeof words / sizeof *words, err)
                                 : ns_oom(err, "the jobs");
    free(dir);
    free(config);
    return rc;
}

/* Every checkpoint of the run, after it was trained. */
static int add_scan(laboratory *lab, ns_jobs *jobs, const lab_run *run, ns_error *err)
{
    static const double of_training = .25;
    const int64_t train = jobs->n - 1;
    char *const dir = ns_laboratory_path(lab, "runs/%s", run->name);
    char *const cases = ns_laboratory_path(lab, "cases/%lld.jsonl", (long long)lab->lengths[0]);
    char *const out = ns_laboratory_path(lab, "scan"), *const name = ns_printf_alloc("%s-scan", run->name);
    const char *const words[] = {"scan", dir, "--cases",   cases, "--probe", ns_laboratory_probes,
                                 "-o",   out, "--threads", "1",   "--json",  "--quiet"};
    int rc = dir && cases && out && name ? NS_OK : ns_oom(err, "the jobs");
    if (rc == NS_OK)
        rc = add_job(lab, jobs, name, train, of_training * (double)lab->steps, words, sizeof words / sizeof *words, err);
    free(name);
    free(out);
    free(cases);
    free(dir);
    return rc;
}

/* Longer prompts and swapped keys, at the horizon. A score file that is there is whole: it was renamed into place. */
static int add_lengths(laboratory *lab, ns_jobs *jobs, const lab_run *run, ns_error *err)
{
    static const double of_training = .02;
    const int64_t scan = jobs->n - 1;
    char *const model = ns_laboratory_path(lab, "runs/%s/step%06lld", run->name, (long long)lab->steps);
    char *const name = ns_printf_alloc("%s-lengths", run->name);
    char *const out = ns_laboratory_path(lab, "lengths/%s-step%06lld.h5", run->name, (long long)lab->steps);
    char *cases = ns_laboratory_path(lab, "cases/swap.jsonl");
    for (int k = 1; k < lab->n_lengths && cases; k++) {
        char *const longer = ns_printf_alloc("%s,%s/cases/%lld.jsonl", cases, lab->dir, (long long)lab->lengths[k]);
        free(cases);
        cases = longer;
    }
    const char *const words[] = {"score", model, "--cases", cases, "--probe", "retrieval_find", "-o", out, "--threads", "1",
                                 "--json", "--quiet"};
    int rc = model && name && out && cases ? NS_OK : ns_oom(err, "the jobs");
    if (rc == NS_OK && !ns_path_exists(out)) {
        rc = add_job(lab, jobs, name, scan, of_training * (double)lab->steps, words, sizeof words / sizeof *words, err);
        jobs->list[jobs->n - 1].lenient = rc == NS_OK;       /* a model that answers nothing is a result here */
    }
    free(cases);
    free(out);
    free(name);
    free(model);
    return rc;
}

static int train_and_scan(laboratory *lab, ns_error *err)
{
    ns_jobs jobs = {0};
    int rc = NS_OK;
    for (int64_t i = 0; i < lab->n_runs && rc == NS_OK; i++) {
        rc = ns_laboratory_add_training(lab, &jobs, &lab->runs[i], err);
        if (rc == NS_OK)
            rc = add_scan(lab, &jobs, &lab->runs[i], err);
        if (rc == NS_OK)
            rc = add_lengths(lab, &jobs, &lab->runs[i], err);
    }
    if (rc == NS_OK)
        return ns_laboratory_run_jobs(lab, &jobs, "train and scan", err);
    ns_jobs_clear(&jobs);
    return rc;
}

/* ---- stages: the study, results, interventions ---- */

int ns_laboratory_merge(laboratory *lab, ns_error *err)
{
    ns_jobs jobs = {0};
    char *const scan = ns_laboratory_path(lab, "scan"), *const study = ns_laboratory_path(lab, "study.h5");
    char *const shards = ns_laboratory_path(lab, "scan/shards");
    const char *const words[] = {"merge", scan, "-o", study, "--json", "--quiet"};
    int rc = scan && study && shards ? NS_OK : ns_oom(err, "the study");
    if (rc == NS_OK && ns_path_exists(shards))
        rc = add_job(lab, &jobs, "merge", -1, 1, words, sizeof words / sizeof *words, err);
    if (rc == NS_OK && jobs.n)
        jobs.list[jobs.n - 1].lenient = true;       /* checkpoints that failed are counted where they were scanned */
    free(shards);
    free(study);
    free(scan);
    if (rc == NS_OK)
        return ns_laboratory_run_jobs(lab, &jobs, "merge", err);
    ns_jobs_clear(&jobs);
    return rc;
}

/* The retrieval heads at the horizon: edges to the needle cut, output zeroed, each beside its controls. */
static int add_ablation(laboratory *lab, ns_jobs *jobs, const lab_run *run, const lab_result *r, ns_error *err)
{
    char *const model = ns_laboratory_path(lab, "runs/%s/step%06lld", run->name, (long long)lab->steps);
    char *const out = ns_laboratory_path(lab, "ablate/%s.h5", run->name), *const name = ns_printf_alloc("%s-ablate", run->name);
    char *const cases = ns_laboratory_path(lab, "cases/%lld.jsonl", (long long)lab->lengths[0]);
    char *const heads = ns_heads_text(r->heads, r->n_heads), *const draws = ns_printf_alloc("%lld", (long long)lab->draws);
    char *const seed = ns_printf_alloc("%lld", (long long)run->seed);
    const char *const words[] = {"ablate", model, "--cases", cases, "--heads", heads, "--mode", "zero_z,knockout", "--draws", draws,
                                 "--seed", seed, "--loss-cases", "0", "-o", out, "--threads", "1", "--json", "--quiet"};
    int rc = model && out && cases && name && heads && draws && seed ? NS_OK : ns_oom(err, "the jobs");
    if (rc == NS_OK && !ns_path_exists(out)) {
        rc = add_job(lab, jobs, name, -1, 1, words, sizeof words / sizeof *words, err);
        if (rc == NS_OK)
            jobs->list[jobs->n - 1].lenient = true;          /* a model that answers nothing is a result here */
    }
    char *const all[] = {model, out, cases, name, heads, draws, seed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return rc;
}

/* In the runs that P1 speaks of: those with windows that have retrieval heads. */
static int ablate(laboratory *lab, ns_error *err)
{
    ns_jobs jobs = {0};
    int rc = NS_OK;
    for (int64_t i = 0; i < lab->n_runs && rc == NS_OK; i++)
        if (strcmp(lab->runs[i].arm, "swa") == 0 && lab->results[i].measured && lab->results[i].n_heads)
            rc = add_ablation(lab, &jobs, &lab->runs[i], &lab->results[i], err);
    if (rc == NS_OK)
        rc = ns_laboratory_run_jobs(lab, &jobs, "interventions", err);
    ns_jobs_clear(&jobs);
    return rc != NS_OK ? rc : ns_laboratory_read_ablations(lab, err);
}

/* ---- stage: the summary ---- */

static int write_text(const laboratory *lab, const char *name, const char *text, ns_error *err)
{
    char *const path = ns_laboratory_path(lab, "%s", name);
    const int rc = path ? ns_file_write(path, text, strlen(text), err) : ns_oom(err, name);
    free(path);
    return rc;
}

static int summarise(laboratory *lab, ns_error *err)
{
    cJSON *json = NULL;
    int rc = ns_laboratory_summarise(lab, &json, &lab->text, err);
    if (rc == NS_OK && !(lab->json = ns_json_print(json, true)))
        rc = ns_oom(err, "the summary");
    if (rc == NS_OK)
        rc = write_text(lab, "summary.json", lab->json, err);
    if (rc == NS_OK)
        rc = write_text(lab, "summary.txt", lab->text, err);
    cJSON_Delete(json);
    return rc;
}

const lab_stage ns_laboratory_stages[] = {
    {"cases", ns_laboratory_prepare},
    {"thresholds", check_thresholds},
    {"train and scan", train_and_scan},
    {"merge", ns_laboratory_merge},
    {"results", ns_laboratory_read_results},
    {"interventions", ablate},
    {"figures", ns_laboratory_draw},
    {"summary", summarise},
    {0},
};
