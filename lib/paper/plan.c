/* plan.c - what is computed on the runs: a row a stage, a command of needlescope a run. A file that is whole, of this very command and of
 * inputs with the hashes that it names is taken; any other is made. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <needlescope/dataset.h>
#include <needlescope/inputs.h>
#include <needlescope/lab.h>
#include <needlescope/record.h>
#include <needlescope/study.h>

#include "paper.h"

/* ---- the rows ---- */

/* {model}: the last checkpoint that all runs have; {out}: DIR/FOLDER/RUN.h5. suits NULL: every run. */
typedef struct stage_row {
    const char *stage, *folder, *words;
    bool      (*suits)(const paper *, const paper_run *);
} stage_row;

/* One with windows that all lie within the constraint has nothing there to constrain. */
static bool has_wide_layers(const paper *p, const paper_run *run)
{
    const paper_kind kind = p->arms[run->arm].kind;
    return kind == PAPER_RECURRENT || (kind == PAPER_WINDOW && run->window > PAPER_KEYS);
}

static bool is_uniform(const paper *p, const paper_run *run)
{
    return p->arms[run->arm].kind != PAPER_HEADS;
}

static bool finds(const paper *p, const paper_run *run)
{
    (void)p;
    return run->result.n_heads > 0;
}

static const stage_row scan_row = {
    "scan of every checkpoint", NULL, "scan {run} --cases {cases} --probe {probes} -o {scan} --threads 1", NULL,
};
static const stage_row trace_row = {"trace", NULL, "trace {study} -o {trace}", NULL};
static const stage_row score_row = {
    "scores and writing", "score",
    "score {model} --cases {cases} --probe retrieval_find,retrieval_mass,retrieval_logit -o {out} --threads 1", NULL,
};
static const stage_row final_rows[] = {
    {"longer prompts", "lengths", "score {model} --cases {longer} --probe retrieval_find -o {out} --threads 1", NULL},
    {"multi-query recall", "recall", "score {model} --cases {recall} --probe retrieval_find -o {out} --threads 1", NULL},
    {"losses", "nll", "nll {model} --text {texts} -o {out} --threads 1", NULL},
    {"full layers constrained", "full", "nll {model} --text {texts} --constrain full={keys} -o {out} --threads 1", is_uniform},
    {"efficient layers constrained", "efficient",
     "nll {model} --text {texts} --constrain {kind}={keys} -o {out} --threads 1", has_wide_layers},
    {"layer-wise probing", "probe", "probe {model} --cases {probe} -o {out} --threads 1", NULL},
    {"gradient influence", "gradient", "gradient {model} --text {texts} --last {last} --window {half} -o {out} --threads 1", NULL},
    {"ablation", "ablate",
     "ablate {model} --cases {cases} --heads {heads} --mode zero_z,knockout --draws {draws} --seed {seed} --loss-cases 0 -o {out} "
     "--threads 1",
     finds},
};
static const char *const folders[] = {"cases", "configs", "runs", "log", "figures"};
const char *const ns_paper_folders[] = {"scan", "score", "lengths", "recall", "nll", "full", "efficient", "probe", "gradient", "ablate",
                                        NULL};

/* ---- words of a command ---- */

/* "a,DIR/cases/128.jsonl,..." */
static char *longer_cases(const paper *p)
{
    char *list = ns_laboratory_path(&p->lab, "cases/swap.jsonl");
    for (int k = 1; k < p->lab.n_lengths && list; k++) {
        char *const more = ns_printf_alloc("%s,%s/cases/%lld.jsonl", list, p->lab.dir, (long long)p->lab.lengths[k]);
        free(list);
        list = more;
    }
    return list;
}

/* What {NAME} stands for, malloc'd. row, run: of which command. */
static char *word_named(const paper *p, const stage_row *row, const paper_run *run, const char *name)
{
    const laboratory *const lab = &p->lab;
    if (strcmp(name, "{run}") == 0)
        return ns_strdup(run->folder);
    if (strcmp(name, "{model}") == 0)
        return ns_printf_alloc("%s/step%06lld", run->folder, (long long)p->step);
    if (strcmp(name, "{out}") == 0)
        return ns_laboratory_path(lab, "%s/%s.h5", row->folder, run->name);
    if (strcmp(name, "{cases}") == 0)
        return ns_laboratory_path(lab, "cases/%lld.jsonl", (long long)lab->lengths[0]);
    if (strcmp(name, "{longer}") == 0)
        return longer_cases(p);
    if (strcmp(name, "{recall}") == 0 || strcmp(name, "{texts}") == 0 || strcmp(name, "{probe}") == 0)
        return ns_laboratory_path(lab, "cases/%.*s.jsonl", (int)strlen(name) - 2, name + 1);
    if (strcmp(name, "{scan}") == 0)
        return ns_laboratory_path(lab, "scan");
    if (strcmp(name, "{study}") == 0 || strcmp(name, "{trace}") == 0)
        return ns_laboratory_path(lab, "%.*s.h5", (int)strlen(name) - 2, name + 1);
    if (strcmp(name, "{probes}") == 0)
        return ns_strdup(ns_laboratory_probes);
    if (strcmp(name, "{kind}") == 0)
        return ns_strdup(p->arms[run->arm].kind == PAPER_RECURRENT ? "recurrent" : "swa");
    if (strcmp(name, "{heads}") == 0)
        return ns_heads_text(run->result.heads, run->result.n_heads);
    const struct { const char *name; int64_t value; } numbers[] = {
        {"{last}", PAPER_LAST}, {"{half}", lab->length / 2}, {"{draws}", lab->draws}, {"{seed}", run ? run->seed : 0},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i].name) == 0)
            return ns_printf_alloc("%lld", (long long)numbers[i].value);
    return ns_strdup(name);
}

/* "full={keys}" -> "full=8+1": the first positions stay visible, as the paper's sinks do. */
static char *word_of(const paper *p, const stage_row *row, const paper_run *run, const char *word)
{
    const char *const keys = strstr(word, "={keys}");
    if (!keys)
        return word_named(p, row, run, word);
    char *const kind = ns_printf_alloc("%.*s", (int)(keys - word), word), *const named = kind ? word_named(p, row, run, kind) : NULL;
    char *const whole = named ? ns_printf_alloc("%s=%d+1", named, (int)PAPER_KEYS) : NULL;
    free(named);
    free(kind);
    return whole;
}

static bool add_words(const paper *p, const stage_row *row, const paper_run *run, ns_job *job)
{
    static const char *const always[] = {"--json", "--quiet"};
    char *const text = ns_strdup(row->words), *rest = text;
    bool ok = text != NULL;
    for (char *word = ok ? strtok_r(text, " ", &rest) : NULL; word && ok; word = strtok_r(NULL, " ", &rest)) {
        char *const filled = word_of(p, row, run, word);
        ok = filled && ns_job_words(job, (const char *const *)&filled, 1);
        free(filled);
    }
    free(text);
    return ok && ns_job_words(job, always, sizeof always / sizeof *always);
}

/* ---- is it there? ---- */

static void hear_fact(void *user, const char *key, const char *label, ns_cell cell)
{
    (void)user, (void)key, (void)label, (void)cell;
}
static void hear_table(void *user, const char *key, const char *title, const ns_column *columns, int n)
{
    (void)user, (void)key, (void)title, (void)columns, (void)n;
}
static void hear_cell(void *user, ns_cell cell)
{
    (void)user, (void)cell;
}
static void hear_end(void *user)
{
    (void)user;
}

static bool has_its_inputs(const char *path, ns_engine *engine)
{
    const ns_answer silent = {.fact = hear_fact, .table = hear_table, .cell = hear_cell, .end = hear_end};
    ns_inputs_count n = {0};
    return ns_inputs_verify(path, engine, &silent, &n, NULL) == NS_OK && n.same > 0 && n.changed + n.gone + n.unread == 0;
}

/* The program's own name is not asked for. */
static bool is_of_command(const ns_file *file, const ns_job *job)
{
    const char *const said = ns_file_fact(file, "command_line"), *const behind = said ? strchr(said, ' ') : NULL;
    char *const line = ns_command_line(job->n_words, (const char *const *)job->words);
    const bool same = line && behind && strcmp(behind + 1, line) == 0;
    free(line);
    return same;
}

static const char *output_of(const ns_job *job)
{
    for (int i = 0; i + 1 < job->n_words; i++)
        if (strcmp(job->words[i], "-o") == 0)
            return job->words[i + 1];
    return NULL;
}

static bool is_there(const ns_job *job, ns_engine *engine)
{
    const char *const path = output_of(job);
    ns_file *file = NULL;
    if (!path || !ns_path_exists(path) || ns_file_is_unsealed(path) || ns_file_open_own(&file, path, NULL) != NS_OK)
        return false;
    const char *const version = ns_file_fact(file, "needlescope_version");
    const bool same = version && strcmp(version, ns_version()) == 0 && is_of_command(file, job) &&
                      ns_file_check_values(file, NULL) == NS_OK;
    ns_file_close(file);
    return same && has_its_inputs(path, engine);
}

/* What is not of this call would be read for what it shall hold, if its job fails or there is none. */
static int remove_stale(const paper *p, const char *path, ns_error *err)
{
    if (p->params->dry_run || unlink(path) == 0 || errno == ENOENT)
        return NS_OK;
    return ns_fail(err, NS_E_CREATE, "%s: of other inputs or another command, and cannot be removed: %s", path, strerror(errno));
}

/* ---- a stage ---- */

typedef struct shift { paper *p; ns_engine *engine; } shift;

static int add_job(shift *s, const stage_row *row, const paper_run *run, ns_jobs *jobs, int64_t *took, ns_error *err)
{
    char *const logs = ns_laboratory_path(&s->p->lab, "log");
    char *const name = run ? ns_printf_alloc("%s-%s", run->name, row->folder ? row->folder : "scan") : ns_strdup(row->stage);
    ns_job *const job = logs && name ? ns_jobs_add(jobs, logs, name, -1, 1) : NULL;
    const bool ok = job && add_words(s->p, row, run, job);
    free(name);
    free(logs);
    if (!ok)
        return ns_oom(err, "the list of jobs");
    job->lenient = row != &scan_row;             /* a model that answers nothing is a result, a checkpoint that is missing is not */
    if (row == &scan_row)
        return NS_OK;
    if (!is_there(job, s->engine))
        return remove_stale(s->p, output_of(job), err);
    ns_jobs_drop_last(jobs);
    (*took)++;
    return NS_OK;
}

/* That of a run which the stage does not suit is of an earlier call, when it did. */
static int remove_unasked(shift *s, const stage_row *row, const paper_run *run, ns_error *err)
{
    char *const path = ns_laboratory_path(&s->p->lab, "%s/%s.h5", row->folder, run->name);
    const int rc = path ? remove_stale(s->p, path, err) : ns_oom(err, run->name);
    free(path);
    return rc;
}

/* DIR/log/STAGE.seconds: what a job of the stage took when it was last made, for the plan of a dry run. */
static char *seconds_path(const paper *p, const stage_row *row)
{
    char *const path = ns_laboratory_path(&p->lab, "log/%s.seconds", row->stage);
    for (char *at = path ? strrchr(path, '/') : NULL; at && *at; at++)
        *at = *at == ' ' ? '-' : *at;
    return path;
}

/* Seconds that a job of the stage took here; NaN: not known. */
static double known_seconds(const paper *p, const stage_row *row)
{
    enum { SHORT = 64 };
    char *const path = seconds_path(p, row), *text = NULL;
    const bool known = path && ns_path_exists(path) && ns_file_read(path, SHORT, &text, NULL, NULL) == NS_OK;
    const double seconds = known ? strtod(text, NULL) : (double)NAN;
    free(text);
    free(path);
    return seconds;
}

/* A scan goes through all runs each time, and what it finds done takes no time: the most that it took is what it takes. */
static int note_seconds(const paper *p, const stage_row *row, double seconds, ns_error *err)
{
    char *const path = seconds_path(p, row), text[40];
    snprintf(text, sizeof text, "%.3f\n", seconds);
    const bool less = row == &scan_row && known_seconds(p, row) > seconds;
    const int rc = !path ? ns_oom(err, row->stage) : less ? NS_OK : ns_file_write(path, text, strlen(text), err);
    free(path);
    return rc;
}

/* Runs whose heads that find are not known before they are scored. */
static int64_t unscored(const paper *p)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->n_runs; i++) {
        char *const path = ns_laboratory_path(&p->lab, "%s/%s.h5", score_row.folder, p->runs[i].name);
        n += path && !ns_path_exists(path);
        free(path);
    }
    return n;
}

/* A row of the plan for --json: seconds are null where it never ran here. */
static bool put_stage(const paper *p, const stage_row *row, int64_t n, int64_t took, double seconds)
{
    cJSON *const stages = cJSON_GetObjectItemCaseSensitive(p->plan_json, "stages"), *const item = cJSON_CreateObject();
    const bool known = item && cJSON_AddItemToArray(stages, item);
    const int64_t later = row->suits == finds ? unscored(p) : 0;
    return known && cJSON_AddStringToObject(item, "stage", row->stage) && cJSON_AddNumberToObject(item, "to_do", (double)n) &&
           cJSON_AddNumberToObject(item, "there", (double)took) && cJSON_AddNumberToObject(item, "known_after_scores", (double)later) &&
           (isnan(seconds) ? cJSON_AddNullToObject(item, "seconds") : cJSON_AddNumberToObject(item, "seconds", seconds));
}

/* How long a stage takes that never ran here is not known. */
static int plan_stage(const paper *p, const stage_row *row, int64_t n, int64_t took, ns_error *err)
{
    const double seconds = n ? known_seconds(p, row) * (double)n : (double)NAN;
    FILE *const f = ns_stream_file(p->plan);
    fprintf(f, "%-30s %4lld to do, %lld there", row->stage, (long long)n, (long long)took);
    if (!isnan(seconds))
        fprintf(f, ", about %.0f s", seconds);
    if (row->suits == finds && unscored(p))
        fprintf(f, ", %lld known after the scores", (long long)unscored(p));
    if (row == &scan_row && n)
        fputs("; what was scanned is taken", f);
    fputc('\n', f);
    const bool ok = put_stage(p, row, n, took, seconds);
    return ok ? NS_OK : ns_oom(err, "the plan");
}

/* A line a stage: what was taken, what was made (or would be). */
static int run_stage(shift *s, const stage_row *row, ns_jobs *jobs, int64_t took, ns_error *err)
{
    paper *const p = s->p;
    const int64_t n = jobs->n, failures = p->lab.failures;
    if (p->params->dry_run)
        return plan_stage(p, row, n, took, err);
    const double began = ns_jobs_clock();
    int rc = n ? ns_laboratory_run_jobs(&p->lab, jobs, row->stage, err) : NS_OK;
    const double seconds = ns_jobs_clock() - began;
    const int64_t failed = p->lab.failures - failures;
    if (rc == NS_OK && row == &scan_row)
        ns_laboratory_say(&p->lab, NS_LABORATORY_NOTE, "%s: %lld gone through, %lld failed, %.1f s; what was scanned is taken", row->stage,
                          (long long)n, (long long)failed, seconds);
    else if (rc == NS_OK)
        ns_laboratory_say(&p->lab, NS_LABORATORY_NOTE, "%s: %lld taken, %lld made, %lld failed, %.1f s", row->stage, (long long)took,
                          (long long)(n - failed), (long long)failed, seconds);
    if (rc == NS_OK && failed && row == &scan_row)
        ns_laboratory_say(&p->lab, NS_LABORATORY_WARNING, "what was not scanned is missing from the study: needlescope status %s/scan",
                          p->lab.dir);
    if (rc == NS_OK && n > failed)
        rc = note_seconds(p, row, seconds / (double)n, err);
    return rc;
}

static int each_run(shift *s, const stage_row *row, ns_error *err)
{
    ns_jobs jobs = {0};
    int64_t took = 0;
    int rc = NS_OK;
    for (int64_t i = 0; i < s->p->n_runs && rc == NS_OK; i++)
        rc = !row->suits || row->suits(s->p, &s->p->runs[i]) ? add_job(s, row, &s->p->runs[i], &jobs, &took, err)
                                                             : remove_unasked(s, row, &s->p->runs[i], err);
    rc = rc != NS_OK ? rc : run_stage(s, row, &jobs, took, err);
    ns_jobs_clear(&jobs);
    return rc;
}

static int once(shift *s, const stage_row *row, ns_error *err)
{
    ns_jobs jobs = {0};
    int64_t took = 0;
    int rc = add_job(s, row, NULL, &jobs, &took, err);
    rc = rc != NS_OK ? rc : run_stage(s, row, &jobs, took, err);
    ns_jobs_clear(&jobs);
    return rc;
}

/* ---- cases, texts, training ---- */

static int write_recall(const laboratory *lab, ns_error *err)
{
    char *const path = ns_laboratory_path(lab, "cases/recall.jsonl");
    const ns_recall_params params = {.size = sizeof params, .pairs = 4, .length = lab->length, .count = (int)(lab->n_cases + 3) / 4,
                                     .seed = (uint64_t)lab->case_seed, .vocab = NS_LAB_VOCAB, .bos = -1};
    ns_cases cases = {0};
    int rc = path ? ns_recall_cases(&cases, &params, err) : ns_oom(err, "cases");
    rc = rc != NS_OK ? rc : ns_cases_write(&cases, path, err);
    ns_cases_clear(&cases);
    free(path);
    return rc;
}

/* Those of many whose answer is one of the first PAPER_CLASSES values, so that a class has cases enough to be learnt. */
static int write_probing(const laboratory *lab, ns_error *err)
{
    char *const path = ns_laboratory_path(lab, "cases/probe.jsonl");
    const ns_lab_cases_params params = {.size = sizeof params, .length = lab->length, .seed = (uint64_t)lab->case_seed + 1,
                                        .count = (int)lab->n_cases * 2 * NS_LAB_VALUES / PAPER_CLASSES};
    ns_cases cases = {0};
    int rc = path ? ns_lab_cases(&cases, &params, err) : ns_oom(err, "cases");
    int64_t kept = 0;
    for (int64_t i = 0; rc == NS_OK && i < cases.n; i++) {
        if (cases.list[i].answer[0] < NS_LAB_FILLERS + NS_LAB_KEYS + PAPER_CLASSES)
            cases.list[kept++] = cases.list[i];
        else
            ns_case_clear(&cases.list[i]);
    }
    if (rc == NS_OK)
        cases.n = kept;
    rc = rc != NS_OK ? rc : ns_cases_write(&cases, path, err);
    ns_cases_clear(&cases);
    free(path);
    return rc;
}

static char *texts_as_lines(const int32_t *tokens, int64_t n, int64_t length, ns_error *err)
{
    ns_stream *const stream = ns_stream_open();
    char *text = NULL;
    for (int64_t i = 0; stream && i < n; i++) {
        FILE *const f = ns_stream_file(stream);
        fprintf(f, "{\"id\": \"text%lld\", \"tokens\": [", (long long)i);
        for (int64_t t = 0; t < length; t++)
            fprintf(f, t ? ", %d" : "%d", (int)tokens[i * length + t]);
        fputs("]}\n", f);
    }
    if (!stream)
        (void)ns_oom(err, "texts");
    else if (ns_stream_end(stream, "texts", &text, NULL, err) < 0)
        text = NULL;
    return text;
}

/* Held out: of the validation stream, behind the batch that metrics are of. */
static int write_texts(const laboratory *lab, ns_error *err)
{
    ns_corpus *corpus = NULL;
    const ns_corpus_params params = {.size = sizeof params, .seed = (uint64_t)lab->validation_seed, .validation = true};
    int32_t *const tokens = ns_alloc_array((size_t)PAPER_TEXTS * (size_t)lab->length, sizeof *tokens);
    char *const path = ns_laboratory_path(lab, "cases/texts.jsonl"), *text = NULL;
    int rc = tokens && path ? ns_corpus_open(&corpus, &params, err) : ns_oom(err, "texts");
    rc = rc != NS_OK ? rc : ns_corpus_batch(corpus, 1, PAPER_TEXTS, lab->length, tokens, NULL, err);
    if (rc == NS_OK)
        rc = (text = texts_as_lines(tokens, PAPER_TEXTS, lab->length, err)) ? ns_file_write(path, text, strlen(text), err) : NS_E_MEMORY;
    ns_corpus_close(corpus);
    free(text);
    free(path);
    free(tokens);
    return rc;
}

static int write_cases(paper *p, ns_error *err)
{
    int rc = ns_laboratory_prepare(&p->lab, err);
    rc = rc != NS_OK ? rc : write_recall(&p->lab, err);
    rc = rc != NS_OK ? rc : write_probing(&p->lab, err);
    return rc != NS_OK ? rc : write_texts(&p->lab, err);
}

/* A trainer with --resume goes on, or finds that it is done. */
static int train(paper *p, ns_error *err)
{
    ns_jobs jobs = {0};
    int64_t took = 0;
    int rc = NS_OK;
    for (int64_t i = 0; i < p->lab.n_runs && rc == NS_OK; i++) {
        char *const last = ns_laboratory_path(&p->lab, "runs/%s/step%06lld", p->lab.runs[i].name, (long long)p->step);
        rc = last ? NS_OK : ns_oom(err, "training");
        if (rc == NS_OK && ns_path_is_dir(last))
            took++;
        else if (rc == NS_OK)
            rc = ns_laboratory_add_training(&p->lab, &jobs, &p->lab.runs[i], err);
        free(last);
    }
    static const stage_row row = {.stage = "training"};
    shift s = {p, NULL};
    rc = rc != NS_OK ? rc : run_stage(&s, &row, &jobs, took, err);
    ns_jobs_clear(&jobs);
    return rc;
}

/* ---- the study ---- */

/* Is a shard of the scan newer? One that cannot be looked at is. */
static bool is_newer(const char *shards, const char *run, int64_t than)
{
    char *const folder = ns_path_join(shards, run), **files = NULL;
    int64_t n = 0;
    bool newer = !folder || ns_folder_list(&files, &n, folder, NULL) != NS_OK;
    for (int64_t i = 0; i < n && !newer; i++) {
        ns_identity id;
        char *const file = ns_path_join(folder, files[i]);
        newer = !file || !ns_identity_at(file, &id) || id.mtime_ns > than;
        free(file);
    }
    ns_free_strings(files, n);
    free(folder);
    return newer;
}

/* A study that is whole, and made behind every shard that lies there. */
static bool has_study(const paper *p)
{
    char *const study = ns_laboratory_path(&p->lab, "study.h5"), *const shards = ns_laboratory_path(&p->lab, "scan/shards");
    ns_file *file = NULL;
    ns_identity id;
    bool there = study && shards && ns_identity_at(study, &id) && !ns_file_is_unsealed(study) &&
                 ns_file_open_own(&file, study, NULL) == NS_OK;
    ns_file_close(file);
    char **runs = NULL;
    int64_t n = 0;
    there = there && ns_folder_list(&runs, &n, shards, NULL) == NS_OK;
    for (int64_t i = 0; i < n && there; i++)
        there = !is_newer(shards, runs[i], id.mtime_ns);
    ns_free_strings(runs, n);
    free(shards);
    free(study);
    return there;
}

static int merge(paper *p, ns_error *err)
{
    const bool there = has_study(p);
    const int rc = there ? NS_OK : ns_laboratory_merge(&p->lab, err);
    if (rc == NS_OK)
        ns_laboratory_say(&p->lab, NS_LABORATORY_NOTE, there ? "study: taken" : "study: made");
    return rc;
}

/* ---- all ---- */

static int make_folder(const paper *p, const char *name, ns_error *err)
{
    char *const path = ns_laboratory_path(&p->lab, "%s", name);
    const int rc = path ? ns_folder_make(path, err) : ns_oom(err, p->lab.dir);
    free(path);
    return rc;
}

static int make_folders(const paper *p, ns_error *err)
{
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && rc == NS_OK; i++)
        rc = make_folder(p, folders[i], err);
    for (int i = 0; ns_paper_folders[i] && rc == NS_OK; i++)
        rc = make_folder(p, ns_paper_folders[i], err);
    return rc;
}

static int final_stages(shift *s, ns_error *err)
{
    int rc = each_run(s, &score_row, err);
    rc = rc != NS_OK ? rc : ns_paper_read_heads(s->p, err);
    for (size_t i = 0; i < sizeof final_rows / sizeof *final_rows && rc == NS_OK; i++)
        rc = each_run(s, &final_rows[i], err);
    return rc;
}

static int begin(paper *p, ns_error *err)
{
    int rc = make_folder(p, "", err);
    rc = rc != NS_OK ? rc : ns_laboratory_lock(&p->lab, err);
    rc = rc != NS_OK ? rc : ns_laboratory_keep_protocol(&p->lab, err);      /* first: by it the folder is known as ours */
    rc = rc != NS_OK ? rc : make_folders(p, err);
    return rc != NS_OK ? rc : write_cases(p, err);
}

static int begin_plan(paper *p, ns_error *err)
{
    cJSON *const o = p->plan_json = cJSON_CreateObject();
    fprintf(ns_stream_file(p->plan), "%s: %lld run%s of %lld architecture%s, %lld seed%s, read at step %lld\n", p->lab.dir,
            (long long)p->n_runs, ns_plural(p->n_runs), (long long)p->n_arms, ns_plural(p->n_arms), (long long)p->n_seeds,
            ns_plural(p->n_seeds), (long long)p->step);
    const bool ok = o && cJSON_AddStringToObject(o, "schema", PAPER_PLAN_SCHEMA) && cJSON_AddStringToObject(o, "folder", p->lab.dir) &&
                    cJSON_AddNumberToObject(o, "runs", (double)p->n_runs) &&
                    cJSON_AddNumberToObject(o, "architectures", (double)p->n_arms) &&
                    cJSON_AddNumberToObject(o, "seeds", (double)p->n_seeds) && cJSON_AddNumberToObject(o, "final_step", (double)p->step) &&
                    cJSON_AddArrayToObject(o, "stages");
    return ok ? NS_OK : ns_oom(err, "the plan");
}

int ns_paper_compute(paper *p, ns_error *err)
{
    shift s = {.p = p};
    const bool dry = p->params->dry_run;
    int rc = dry ? begin_plan(p, err) : NS_OK;
    rc = rc != NS_OK ? rc : ns_engine_new(&s.engine, &(ns_engine_params){.size = sizeof(ns_engine_params), .threads = 1}, err);
    rc = rc != NS_OK || dry ? rc : begin(p, err);
    rc = rc != NS_OK || !p->trained ? rc : train(p, err);
    rc = rc != NS_OK ? rc : final_stages(&s, err);
    rc = rc != NS_OK ? rc : each_run(&s, &scan_row, err);
    rc = rc != NS_OK || dry ? rc : merge(p, err);
    rc = rc != NS_OK ? rc : once(&s, &trace_row, err);
    ns_engine_free(s.engine);
    return rc;
}
