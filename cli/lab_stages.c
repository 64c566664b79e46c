/* lab_stages.c - the stages of lab laziness: cases, configs -> train and scan every run, a process on each core -> results -> interventions
 * -> summary.
 * Every stage leaves files and does only what is missing, so a call that was killed is called again. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <needlescope/hooks.h>
#include <needlescope/lab.h>

#include "cli/lab.h"

/* ---- stage: cases and configs ---- */

static int write_cases(const cli_lab *lab, int64_t length, bool swap, ns_error *err)
{
    const cJSON *const cases_part = cJSON_GetObjectItemCaseSensitive(lab->protocol, "cases");
    int64_t seed, count;
    ns_cases cases = {0};
    int rc = ns_json_i64(cases_part, "seed", 4096, &seed, "protocol", err);
    if (rc == NS_OK)
        rc = ns_json_i64(cases_part, "count", 256, &count, "protocol", err);
    char *const path = cli_lab_path(lab, swap ? "cases/swap.jsonl" : "cases/%lld.jsonl", (long long)length);
    const ns_lab_cases_params params = {.size = sizeof params, .length = length, .count = (int)count, .seed = (uint64_t)seed, .swap = swap};
    if (rc == NS_OK && !path)
        rc = ns_oom(err, "cases");
    if (rc == NS_OK)
        rc = ns_lab_cases(&cases, &params, err);
    if (rc == NS_OK)
        rc = ns_cases_write(&cases, path, err);
    ns_cases_clear(&cases);
    free(path);
    return rc;
}

static int prepare(cli_lab *lab)
{
    ns_error *const err = &lab->app->err;
    int rc = cli_lab_write_configs(lab, err);
    for (int i = 0; i < lab->n_lengths && rc == NS_OK; i++)
        rc = write_cases(lab, lab->lengths[i], false, err);
    return rc == NS_OK ? write_cases(lab, lab->lengths[0], true, err) : rc;
}

/* ---- stage: train and scan ---- */

static const char probes[] = "retrieval_find,previous_at_needle,previous_token,entropy_norm,sink_mass,qk_distance";

/* The newest stepNNNNNN of a run's folder; 0 when there is none. */
static int64_t newest_step(const cli_lab *lab, const char *run)
{
    char *const path = cli_lab_path(lab, "runs/%s", run);
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

static double progress_of(void *user, const cli_job *job)
{
    const cli_lab *const lab = user;
    return strcmp(job->words[0], "train") == 0 ? (double)newest_step(lab, job->name) / (double)lab->steps : 0.5;
}

static void say_finished(void *user, const cli_job *job)
{
    cli_lab *const lab = user;
    if (job->state == CLI_JOB_DONE) {
        if (strcmp(job->words[0], "train") == 0)
            cli_note(lab->app, "%s: trained, %.1f s", job->name, job->seconds);
        return;
    }
    char *const why = cli_job_complaint(job);
    char line[1200];
    snprintf(line, sizeof line, "%s: %s failed: %s", job->name, job->words[0], why ? why : "see its log");
    cli_warn(lab->app, line);
    lab->failures += !job->optional;
    free(why);
}

static int add_job(cli_lab *lab, cli_jobs *jobs, const char *name, int64_t after, double weight, const char *const *words, int n)
{
    char *const logs = cli_lab_path(lab, "log");
    cli_job *const job = logs ? cli_jobs_add(jobs, logs, name, after, weight) : NULL;
    free(logs);
    return job && cli_job_words(job, words, n) ? NS_OK : ns_oom(&lab->app->err, "the list of jobs");
}

static int add_training(cli_lab *lab, cli_jobs *jobs, const cli_lab_run *run)
{
    char *const config = cli_lab_path(lab, "configs/%s.json", run->name), *const dir = cli_lab_path(lab, "runs/%s", run->name);
    const char *const words[] = {"train", config, "-o", dir, "--resume", "--json", "--quiet"};
    const double weight = (double)lab->steps;
    const int rc = config && dir ? add_job(lab, jobs, run->name, -1, weight, words, sizeof words / sizeof *words)
                                 : ns_oom(&lab->app->err, "the jobs");
    free(dir);
    free(config);
    return rc;
}

/* Every checkpoint of the run, after it was trained. An engine that cannot run recurrent layers is no failure of the whole. */
static int add_scan(cli_lab *lab, cli_jobs *jobs, const cli_lab_run *run)
{
    static const double of_training = .25;
    const int64_t train = jobs->n - 1;
    char *const dir = cli_lab_path(lab, "runs/%s", run->name), *const cases = cli_lab_path(lab, "cases/%lld.jsonl", (long long)lab->lengths[0]);
    char *const out = cli_lab_path(lab, "scan"), *const name = ns_printf_alloc("%s-scan", run->name);
    const char *const words[] = {"scan", dir, "--cases", cases, "--probe", probes, "-o", out, "--threads", "1", "--json", "--quiet"};
    int rc = dir && cases && out && name ? NS_OK : ns_oom(&lab->app->err, "the jobs");
    if (rc == NS_OK)
        rc = add_job(lab, jobs, name, train, of_training * (double)lab->steps, words, sizeof words / sizeof *words);
    if (rc == NS_OK)
        jobs->list[jobs->n - 1].optional = strchr(run->pattern, 'G') != NULL;
    free(name);
    free(out);
    free(cases);
    free(dir);
    return rc;
}

/* Longer prompts and swapped keys, at the horizon. A score file that is there is whole: it was renamed into place. */
static int add_lengths(cli_lab *lab, cli_jobs *jobs, const cli_lab_run *run)
{
    static const double of_training = .02;
    const int64_t scan = jobs->n - 1;
    char *const model = cli_lab_path(lab, "runs/%s/step%06lld", run->name, (long long)lab->steps);
    char *const name = ns_printf_alloc("%s-lengths", run->name), *const out = cli_lab_path(lab, "lengths/%s-step%06lld.h5", run->name, (long long)lab->steps);
    char *cases = cli_lab_path(lab, "cases/swap.jsonl");
    for (int k = 1; k < lab->n_lengths && cases; k++) {
        char *const longer = ns_printf_alloc("%s,%s/cases/%lld.jsonl", cases, lab->dir, (long long)lab->lengths[k]);
        free(cases);
        cases = longer;
    }
    const char *const words[] = {"score", model, "--cases", cases, "--probe", "retrieval_find", "-o", out, "--threads", "1", "--json", "--quiet"};
    int rc = model && name && out && cases ? NS_OK : ns_oom(&lab->app->err, "the jobs");
    if (rc == NS_OK && !ns_path_exists(out)) {
        rc = add_job(lab, jobs, name, scan, of_training * (double)lab->steps, words, sizeof words / sizeof *words);
        jobs->list[jobs->n - 1].lenient = rc == NS_OK;       /* a model that answers nothing is a result here */
    }
    free(cases);
    free(out);
    free(name);
    free(model);
    return rc;
}

static int run_jobs(cli_lab *lab, cli_jobs *jobs, const char *what)
{
    const cli_jobs_watch watch = {.progress = progress_of, .finished = say_finished, .user = lab};
    const int rc = cli_jobs_run(lab->app, jobs, lab->cores, what, &watch);
    cli_jobs_clear(jobs);
    return rc == NS_STOP ? NS_OK : rc;       /* the summary says which runs are missing */
}

static int train_and_scan(cli_lab *lab)
{
    cli_jobs jobs = {0};
    int rc = NS_OK;
    for (int64_t i = 0; i < lab->n_runs && rc == NS_OK; i++) {
        rc = add_training(lab, &jobs, &lab->runs[i]);
        if (rc == NS_OK)
            rc = add_scan(lab, &jobs, &lab->runs[i]);
        if (rc == NS_OK)
            rc = add_lengths(lab, &jobs, &lab->runs[i]);
    }
    if (rc == NS_OK)
        return run_jobs(lab, &jobs, "train and scan");
    cli_jobs_clear(&jobs);
    return rc;
}

/* ---- stages: the study, results, interventions ---- */

static int merge(cli_lab *lab)
{
    cli_jobs jobs = {0};
    char *const scan = cli_lab_path(lab, "scan"), *const study = cli_lab_path(lab, "study.h5"), *const shards = cli_lab_path(lab, "scan/shards");
    const char *const words[] = {"merge", scan, "-o", study, "--json", "--quiet"};
    int rc = scan && study && shards ? NS_OK : ns_oom(&lab->app->err, "the study");
    if (rc == NS_OK && ns_path_exists(shards))
        rc = add_job(lab, &jobs, "merge", -1, 1, words, sizeof words / sizeof *words);
    free(shards);
    free(study);
    free(scan);
    if (rc == NS_OK)
        return run_jobs(lab, &jobs, "merge");
    cli_jobs_clear(&jobs);
    return rc;
}

static int read_results(cli_lab *lab)
{
    return cli_lab_read_results(lab, &lab->app->err);
}

/* The retrieval heads at the horizon: edges to the needle cut, output zeroed, each beside its controls. */
static int add_ablation(cli_lab *lab, cli_jobs *jobs, const cli_lab_run *run, const cli_lab_result *r)
{
    char *const model = cli_lab_path(lab, "runs/%s/step%06lld", run->name, (long long)lab->steps), *const out = cli_lab_path(lab, "ablate/%s.h5", run->name);
    char *const cases = cli_lab_path(lab, "cases/%lld.jsonl", (long long)lab->lengths[0]), *const name = ns_printf_alloc("%s-ablate", run->name);
    char *const heads = ns_heads_text(r->heads, r->n_heads), *const draws = ns_printf_alloc("%lld", (long long)lab->draws), *const seed = ns_printf_alloc("%lld", (long long)run->seed);
    const char *const words[] = {"ablate", model, "--cases", cases, "--heads", heads, "--mode", "zero_z,knockout", "--draws", draws, "--seed", seed,
                                 "--loss-cases", "0", "-o", out, "--threads", "1", "--json", "--quiet"};
    int rc = model && out && cases && name && heads && draws && seed ? NS_OK : ns_oom(&lab->app->err, "the jobs");
    if (rc == NS_OK && !ns_path_exists(out)) {
        rc = add_job(lab, jobs, name, -1, 1, words, sizeof words / sizeof *words);
        if (rc == NS_OK)
            jobs->list[jobs->n - 1].lenient = true;          /* a model that answers nothing is a result here */
    }
    char *const all[] = {model, out, cases, name, heads, draws, seed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return rc;
}

/* In the runs that P1 speaks of: those with windows that have retrieval heads. */
static int ablate(cli_lab *lab)
{
    cli_jobs jobs = {0};
    int rc = NS_OK;
    for (int64_t i = 0; i < lab->n_runs && rc == NS_OK; i++)
        if (strcmp(lab->runs[i].arm, "swa") == 0 && lab->results[i].measured && lab->results[i].n_heads)
            rc = add_ablation(lab, &jobs, &lab->runs[i], &lab->results[i]);
    if (rc == NS_OK)
        rc = run_jobs(lab, &jobs, "interventions");
    cli_jobs_clear(&jobs);
    return rc ? rc : cli_lab_read_ablations(lab, &lab->app->err);
}

/* ---- stage: the summary ---- */

static int write_text(const cli_lab *lab, const char *name, const char *text)
{
    char *const path = cli_lab_path(lab, "%s", name);
    const int rc = path ? ns_file_write(path, text, strlen(text), &lab->app->err) : ns_oom(&lab->app->err, name);
    free(path);
    return rc;
}

static int summarise(cli_lab *lab)
{
    cJSON *json = NULL;
    char *text = NULL, *printed = NULL;
    int rc = cli_lab_summarise(lab, &json, &text, &lab->app->err);
    if (rc == NS_OK && !(printed = ns_json_print(json, true)))
        rc = ns_oom(&lab->app->err, "the summary");
    if (rc == NS_OK)
        rc = write_text(lab, "summary.json", printed);
    if (rc == NS_OK)
        rc = write_text(lab, "summary.txt", text);
    if (rc == NS_OK) {
        fputs(lab->app->globals.json ? printed : text, stdout);
        if (lab->app->globals.json)
            putchar('\n');
    }
    free(printed);
    free(text);
    cJSON_Delete(json);
    return rc;
}

const cli_lab_stage cli_lab_stages[] = {
    {"cases", prepare},
    {"train and scan", train_and_scan},
    {"merge", merge},
    {"results", read_results},
    {"interventions", ablate},
    {"figures", cli_lab_draw},
    {"summary", summarise},
    {0},
};
