/* cmd_scan.c - run folders -> a shard of scores for every checkpoint; a second call does what is missing. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/scan.h>

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/probing.h"
#include "cli/scan_jobs.h"
#include "cli/value.h"

typedef struct scan_settings {
    cli_words   cases, probes, definitions;
    const char *out, *manifest, *write_manifest, *shard;
    cli_ints    steps;
    int64_t     jobs;
    bool        force, retry_failed, list, dry_run;
    cli_model_settings model;
} scan_settings;

#define FIELD(name) offsetof(scan_settings, name)
static const cli_option options[] = {
    {"cases", 'c', CLI_FILES, FIELD(cases), "FILE,...", "the cases to score, JSONL"},
    {"probe", 'p', CLI_WORDS, FIELD(probes), "NAME,...",
     "probes or scores (needlescope score --list; default retrieval_find,previous_token)"},
    {"probe-def", 'd', CLI_FILES, FIELD(definitions), "FILE,...", "also probes of your own, each a JSON definition"},
    {"output", 'o', CLI_FOLDER, FIELD(out), "FOLDER", "where the shards go; merge reads it"},
    {"shard", 0, CLI_TEXT, FIELD(shard), "I/N",
     "do only every N-th checkpoint, from the I-th; slurm: the place in an array of NS_SHARDS tasks (or in one without gaps)"},
    {"jobs", 0, CLI_INT, FIELD(jobs), "N", "processes that share the checkpoints, threads and memory (default 1)", .min = 1, .max = 1024},
    {"steps", 0, CLI_INTS, FIELD(steps), "FIRST,LAST", "only checkpoints of these steps", .again = true},
    {"manifest", 0, CLI_FILE, FIELD(manifest), "FILE",
     "JSONL of path, revision, step, stage, stage_step, tokens, label instead of the folder's names (one run only)"},
    {"write-manifest", 0, CLI_STREAM, FIELD(write_manifest), "FILE",
     "write the manifest that it would use, and score nothing (one run only)", .makes = NS_KINDS(NS_KIND_MANIFEST)},
    {"force", 0, CLI_FLAG, FIELD(force), NULL, "score again what is done"},
    {"retry-failed", 0, CLI_FLAG, FIELD(retry_failed), NULL, "try again the checkpoints that failed before"},
    {"dry-run", 0, CLI_FLAG, FIELD(dry_run), NULL, "say what it would do and how long it would take, and do nothing"},
    {"list", 0, CLI_FLAG, FIELD(list), NULL, "print the checkpoints in order, and score nothing"},
    {0},
};
#undef FIELD

typedef struct runs { ns_scan_run *list; int64_t n, n_checkpoints, passed_over; } runs;

static void close_runs(runs *r)
{
    for (int64_t i = 0; i < r->n; i++)
        ns_scan_run_close(&r->list[i]);
    free(r->list);
}

static int open_runs(cli *app, runs *r, char **folders, int n, const char *manifest, const char *known)
{
    r->list = ns_alloc_array((size_t)n, sizeof *r->list);
    if (!r->list)
        return ns_oom(&app->err, "runs");
    if (manifest && n > 1)
        return ns_fail(&app->err, NS_E_ARG, "--manifest names the checkpoints of one run, and there are %d", n);
    int rc = NS_OK;
    for (int i = 0; i < n; i++) {
        rc = known ? ns_scan_run_open_known(&r->list[r->n], folders[i], known, &app->err)
                   : ns_scan_run_open(&r->list[r->n], folders[i], manifest, &app->err);
        if (rc == NS_E_MEMORY || rc == NS_E_ARG || (rc != NS_OK && n == 1))
            return rc;
        if (rc == NS_OK) {
            r->n_checkpoints += r->list[r->n++].series.n;
        } else {                                         /* an empty run, a stray folder: the others are scanned all the same */
            cli_note(app, "passed over: %s", app->err.message);
            r->passed_over++;
        }
    }
    return r->n ? NS_OK : rc;
}

/* What was found and is not in the order, and why. */
static void list_left_out(cli_out *o, const runs *r)
{
    static const cli_column columns[] = {{"run", "run", CELL_TEXT}, {"name", "left out", CELL_TEXT}, {"why", "why", CELL_TEXT}};
    int64_t n = 0;
    for (int64_t i = 0; i < r->n; i++)
        n += r->list[i].series.n_left_out;
    cli_out_int(o, "n_left_out", NULL, n);
    if (!n && !o->json)
        return;
    char title[64];
    snprintf(title, sizeof title, "Left out (%lld)", (long long)n);
    cli_out_table(o, "left_out", title, columns, 3);
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t k = 0; k < r->list[i].series.n_left_out; k++) {
            const ns_series_left *const left = &r->list[i].series.left_out[k];
            cli_cell_text(o, r->list[i].name);
            cli_cell_text(o, left->name);
            cli_cell_text(o, left->why);
        }
    cli_out_table_end(o);
}

/* Where steps are missing between others. */
static int list_gaps(cli *app, cli_out *o, const runs *r)
{
    static const cli_column columns[] = {{"run", "run", CELL_TEXT}, {"after", "behind step", CELL_INT}, {"before", "before step", CELL_INT},
                                         {"missing", "missing", CELL_INT}};
    bool begun = o->json;
    int rc = NS_OK;
    if (begun)
        cli_out_table(o, "gaps", NULL, columns, 4);
    for (int64_t i = 0; i < r->n && rc == NS_OK; i++) {
        ns_series_gap *gaps = NULL;
        int64_t n = 0;
        rc = ns_series_gaps(&r->list[i].series, &gaps, &n, &app->err);
        for (int64_t k = 0; k < n; k++) {
            if (!begun)
                cli_out_table(o, "gaps", "Missing between others", columns, 4);
            begun = true;
            cli_cell_text(o, r->list[i].name);
            cli_cell_int(o, gaps[k].after);
            cli_cell_int(o, gaps[k].before);
            cli_cell_int(o, gaps[k].missing);
        }
        free(gaps);
    }
    if (begun)
        cli_out_table_end(o);
    return rc;
}

/* Where a checkpoint says another step itself than its name does, which is taken. */
static void list_other_steps(cli_out *o, const runs *r)
{
    static const cli_column columns[] = {{"run", "run", CELL_TEXT}, {"label", "checkpoint", CELL_TEXT}, {"step", "by its name", CELL_INT},
                                         {"other_step", "by its trainer_state.json", CELL_INT}};
    bool begun = o->json;
    if (begun)
        cli_out_table(o, "other_steps", NULL, columns, 4);
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t k = 0; k < r->list[i].series.n; k++) {
            const ns_series_item *const item = &r->list[i].series.list[k];
            if (!item->other)
                continue;
            if (!begun)
                cli_out_table(o, "other_steps", "Two steps of one checkpoint (the name's is taken)", columns, 4);
            begun = true;
            cli_cell_text(o, r->list[i].name);
            cli_cell_text(o, item->label);
            cli_cell_int(o, item->stage_step);
            cli_cell_int(o, item->other_step);
        }
    if (begun)
        cli_out_table_end(o);
}

static int list_runs(cli *app, const runs *r)
{
    static const cli_column columns[] = {{"run", "run", CELL_TEXT}, {"step", "step", CELL_INT}, {"tokens", "tokens", CELL_INT},
                                         {"label", "checkpoint", CELL_TEXT}};
    cli_out o;
    cli_out_begin(&o, app, "needlescope.series/1");
    cli_out_table(&o, "checkpoints", NULL, columns, 4);
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t k = 0; k < r->list[i].series.n; k++) {
            const ns_series_item *const item = &r->list[i].series.list[k];
            cli_cell_text(&o, r->list[i].name);
            cli_cell_int(&o, item->step);
            cli_cell_int(&o, item->tokens);
            cli_cell_text(&o, item->label);
        }
    cli_out_table_end(&o);
    list_left_out(&o, r);
    list_other_steps(&o, r);
    const int rc = list_gaps(app, &o, r);
    return rc != NS_OK ? rc : cli_out_end(&o, &app->err);
}

/* Of a run that is scanned: how many there are that look like checkpoints and are none of it. */
static void count_left_out(const cli *app, const runs *r)
{
    for (int64_t i = 0; i < r->n; i++) {
        const ns_series *const s = &r->list[i].series;
        int64_t n = 0;
        for (int64_t k = 0; k < s->n_left_out; k++)
            n += !s->left_out[k].no_checkpoint;
        if (n)
            cli_note(app, "%s: %lld left out of %lld (scan --list says why)", r->list[i].name, (long long)n, (long long)(s->n + n));
    }
}

/* Once a run: the first of those whose name and trainer_state.json say different steps, and how many there are. */
static void tell_other_steps(const cli *app, const runs *r)
{
    for (int64_t i = 0; i < r->n; i++) {
        const ns_series *const s = &r->list[i].series;
        const ns_series_item *first = NULL;
        int64_t n = 0;
        for (int64_t k = 0; k < s->n; k++) {
            first = first ? first : s->list[k].other ? &s->list[k] : NULL;
            n += s->list[k].other;
        }
        if (first)
            cli_note(app, "%s: %s is taken as step %lld, as it is called, and its trainer_state.json says %lld%s (--manifest overrides "
                     "names; scan --list shows %s)", r->list[i].name, first->label, (long long)first->stage_step,
                     (long long)first->other_step, n > 1 ? "; others too" : "", n > 1 ? "all" : "it");
    }
}

/* The order, as a table or a manifest, and nothing else. */
static int show_order(cli *app, const scan_settings *s, const runs *r)
{
    int rc = NS_OK;
    if (s->write_manifest && r->n > 1)
        return ns_fail(&app->err, NS_E_ARG, "--write-manifest writes the checkpoints of one run, and there are %lld", (long long)r->n);
    if (s->write_manifest)
        rc = ns_series_write_manifest(&r->list[0].series, s->write_manifest, &app->err);
    if (rc == NS_OK && s->write_manifest) {
        count_left_out(app, r);
        tell_other_steps(app, r);
    }
    return rc != NS_OK || !s->list ? rc : list_runs(app, r);
}

/* The place in a Slurm array. A resubmitted part of one has gaps and another count: NS_SHARDS says of how many the tasks are, whichever of
 * them run now. */
static int read_slurm(cli *app, cli_scan_share *p)
{
    const char *const id = getenv("SLURM_ARRAY_TASK_ID"), *const count = getenv("SLURM_ARRAY_TASK_COUNT"),
                      *const first = getenv("SLURM_ARRAY_TASK_MIN"), *const last = getenv("SLURM_ARRAY_TASK_MAX"),
                      *const shards = getenv("NS_SHARDS");
    int64_t begin = 0, end = 0;
    if (!id || !cli_value_int(id, &p->shard))
        return ns_fail(&app->err, NS_E_ARG, "--shard slurm: SLURM_ARRAY_TASK_ID is %s: this is no task of a Slurm array",
                       id ? id : "not set");
    if (shards) {
        if (!cli_value_int(shards, &p->n_shards) || p->shard < 0 || p->shard >= p->n_shards)
            return ns_fail(&app->err, NS_E_ARG, "--shard slurm: task %s of NS_SHARDS=%s: tasks count from 0", id, shards);
        return NS_OK;
    }
    const bool known = count && first && last && cli_value_int(count, &p->n_shards) && cli_value_int(first, &begin) &&
                       cli_value_int(last, &end);
    if (!known || p->n_shards < 1 || end - begin + 1 != p->n_shards || p->shard < begin || p->shard > end)
        return ns_fail(&app->err, NS_E_ARG, "--shard slurm: the array has gaps (task %s, %s tasks from %s to %s): set NS_SHARDS to the "
                       "number of all its tasks, or say --shard I/N", id, count ? count : "?", first ? first : "?", last ? last : "?");
    p->shard -= begin;
    return NS_OK;
}

/* Never off the environment unless that is asked for: an array may be over something else. */
static int read_shard(cli *app, const char *text, cli_scan_share *p)
{
    *p = (cli_scan_share){.n_shards = 1};
    if (!text)
        return NS_OK;
    if (strcmp(text, "slurm") != 0)
        return cli_value_shard(text, &p->shard, &p->n_shards)
                   ? NS_OK : ns_fail(&app->err, NS_E_ARG, "--shard %s: give I/N with 0 <= I < N, such as 0/8, or slurm", text);
    const int rc = read_slurm(app, p);
    if (rc == NS_OK)
        cli_note(app, "shard %lld/%lld, from the Slurm array", (long long)p->shard, (long long)p->n_shards);
    return rc;
}

typedef struct watch { const cli *app; cli_progress progress; int64_t settled, total, done; bool again; } watch;

static void say_how_far(const watch *w)
{
    char line[120];
    snprintf(line, sizeof line, "%lld of %lld done; the same command goes on", (long long)w->done, (long long)w->total);
    cli_signals_say(line);
}

/* A line for each that is scored where no bar shows it: a log says how far it is, and when. */
static void told(void *user, const ns_scan_run *run, const ns_series_item *item, ns_scan_outcome outcome, const char *message)
{
    watch *const w = user;
    w->settled++;
    w->done += outcome == NS_SCAN_SCORED || outcome == NS_SCAN_PRESENT;
    say_how_far(w);
    cli_progress_update(&w->progress, (double)w->settled / (double)(w->total ? w->total : 1));
    if (message && !(w->again && outcome == NS_SCAN_FAILED_BEFORE))
        cli_note(w->app, "%s step %lld failed: %s", run->name, (long long)item->step, message);
    else if (outcome == NS_SCAN_SCORED && w->progress.tty)
        cli_detail(w->app, "%s step %lld scored", run->name, (long long)item->step);
    else if (outcome == NS_SCAN_SCORED)
        cli_note(w->app, "%s step %lld scored (%lld of %lld)", run->name, (long long)item->step, (long long)w->settled,
                 (long long)w->total);
}

static int report(cli *app, const runs *r, const ns_scan_counts *counts, const char *out)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.scan/1");
    cli_out_int(&o, "runs", "runs", r->n);
    cli_out_int(&o, "passed_over", r->passed_over ? "passed over" : NULL, r->passed_over);
    cli_out_int(&o, "checkpoints", "checkpoints", r->n_checkpoints);
    cli_out_int(&o, "scored", "scored now", counts->scored);
    cli_out_int(&o, "present", "done before", counts->present);
    cli_out_int(&o, "unsealed", counts->unsealed ? "without a seal" : NULL, counts->unsealed);
    cli_out_int(&o, "replaced", counts->replaced ? "replaced of them" : NULL, counts->replaced);
    cli_out_int(&o, "unread", counts->unread ? "tokenizer unread" : NULL, counts->unread);
    cli_out_int(&o, "failed", "failed", counts->failed);
    cli_out_int(&o, "left_out", counts->left_out ? "of other steps" : NULL, counts->left_out);
    cli_out_text(&o, "folder", "folder", out);
    const int rc = cli_out_end(&o, &app->err);
    return rc != NS_OK ? rc : counts->failed || r->passed_over ? NS_STOP : NS_OK;
}

/* What of the request matched nothing, when something did. */
static void remark_counts(const cli *app, const ns_scan_params *p, int64_t n_runs, const ns_scan_counts *counts)
{
    if (counts->empty_runs)
        cli_note(app, "%lld of %lld runs %s no checkpoint of the steps %lld to %lld", (long long)counts->empty_runs, (long long)n_runs,
                 counts->empty_runs == 1 ? "has" : "have",
                 (long long)p->steps[0], (long long)p->steps[1]);
    if (!counts->own)
        cli_note(app, "shard %lld/%lld has no checkpoint of its own: there are only %lld", (long long)p->shard, (long long)p->n_shards,
                 (long long)(counts->found - counts->left_out));
    if (counts->unsealed)
        cli_note(app, "%lld of the shards that were there %s no seal: " NS_UNSEALED, (long long)counts->unsealed,
                 counts->unsealed == 1 ? "has" : "have");
    if (counts->unread)
        cli_note(app, "%lld of those scored now %s a tokenizer that cannot be read: nobody knows whether the cases are of it (--tokenizer "
                 "names one for all)", (long long)counts->unread, counts->unread == 1 ? "has" : "have");
    if (counts->replaced)
        cli_note(app, "%lld shard%s replaced: the checkpoint, the kernel class or the request had changed", (long long)counts->replaced,
                 counts->replaced == 1 ? " was" : "s were");
}

/* Nobody asked for retrieval: cases that it would drop at every checkpoint are a matter of --probe. */
static int check_usual(cli *app, const ns_cases *cases)
{
    for (int64_t i = 0; i < cases->n; i++)
        if (cases->list[i].n_answer > 0)
            return NS_OK;
    return ns_fail(&app->err, NS_E_ARG, "no case has an answer, which retrieval_find is of: choose with --probe");
}

static int predict(cli *app, const runs *r, const ns_opened *first, const ns_scan_params *p)
{
    ns_scan_prediction of;
    cli_out o;
    const int rc = ns_scan_predict(r->list, r->n, p, first, &of, &app->err);
    if (rc != NS_OK)
        return rc;
    cli_out_begin(&o, app, "needlescope.scan_prediction/1");
    cli_out_int(&o, "checkpoints", "checkpoints", of.checkpoints);
    cli_out_int(&o, "present", "done before", of.present);
    cli_out_int(&o, "failing", of.failing ? "that would fail" : NULL, of.failing);
    cli_out_text(&o, "why", "the first", *of.why ? of.why : NULL);
    cli_out_number(&o, "bytes", NULL, (double)of.bytes);
    cli_out_number(&o, "gibibytes", "weights to read, GiB", (double)of.bytes / 0x1p30);
    cli_out_number(&o, "tflop", "operations, TFLOP", of.flops * 1e-12);
    cli_out_number(&o, "gibibytes_per_second", "one layer read at, GiB/s", of.bytes_per_second / 0x1p30);
    cli_out_number(&o, "gflops", "one layer run at, GFLOP/s", of.flops_per_second * 1e-9);
    cli_out_number(&o, "hours", "hours", of.seconds / 3600);
    return cli_out_end(&o, &app->err);
}

/* Of the runs: how many checkpoints of the steps are this call's. */
static int64_t count_own(const runs *r, const ns_scan_params *p)
{
    int64_t n = 0;
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t k = 0; k < r->list[i].series.n; k++) {
            const int64_t step = r->list[i].series.list[k].step;
            n += !p->steps || (step >= p->steps[0] && step <= p->steps[1]);
        }
    return n > p->shard ? (n - p->shard + p->n_shards - 1) / p->n_shards : 0;
}

/* Of jobs that were stopped: what lies in the folder. */
static void say_status(const char *out, int64_t total)
{
    ns_scan_status now;
    watch w = {.total = total};
    if (ns_scan_status_read(&now, out, NULL) != NS_OK)
        return;
    w.done = now.count[NS_SCAN_DONE] < total ? now.count[NS_SCAN_DONE] : total;
    say_how_far(&w);
    ns_scan_status_clear(&now);
}

/* The jobs do it, and this process what a job that died has left; nothing is scored a second time. */
static int run_jobs(cli *app, ns_scan_params *p, const cli_scan_share *share, const runs *r, watch *w, ns_scan_counts *counts)
{
    ns_scan_counts sum = {0};
    int rc = cli_scan_jobs(app, share, &sum);
    if (cli_cancelled(NULL))
        say_status(p->out, w->total);
    w->again = true;
    p->force = p->retry_failed = false;
    if (rc == NS_OK)
        rc = ns_scan(r->list, r->n, p, counts, &app->err);
    counts->present -= sum.scored < counts->present ? sum.scored : counts->present;
    counts->scored += sum.scored;
    counts->replaced += sum.replaced;
    counts->unread += sum.unread;
    return rc;
}

static int run_scan(cli *app, const scan_settings *s, const runs *r, const ns_cases *cases, const cli_probing *probing, ns_engine *engine,
                    const ns_opened *first)
{
    static const char *const usual[] = {"retrieval_find", "previous_token"};
    watch w = {.app = app, .progress = cli_progress_begin(app, "scan")};
    ns_scan_counts counts;
    cli_scan_share share;
    ns_scan_params p = {.size = sizeof p, .out = s->out, .cases = cases, .open = cli_open_params(app, NULL, &s->model), .force = s->force,
                        .retry_failed = s->retry_failed, .by = &app->by, .told = told, .user = &w};
    p.score = (ns_score_params){.size = sizeof p.score, .probes = s->probes.n ? s->probes.list : usual,
                                .n_probes = s->probes.n ? (int)s->probes.n : 2,
                                .definitions = (const ns_probe *const *)probing->definitions, .n_definitions = probing->n_definitions,
                                .special = probing->special, .n_special = probing->n_special, .cancelled = cli_cancelled,
                                .note = cli_progress_note, .user = &w.progress};
    p.open.engine = engine;
    int rc = read_shard(app, s->shard, &share);
    if (rc == NS_OK && s->steps.n && s->steps.n != 2)
        rc = ns_fail(&app->err, NS_E_ARG, "--steps takes two numbers, FIRST,LAST");
    p.steps = s->steps.n ? s->steps.list : NULL;
    p.shard = share.shard;
    p.n_shards = share.n_shards;
    share.jobs = s->jobs;
    w.total = rc == NS_OK ? count_own(r, &p) : 0;
    if (rc == NS_OK)
        say_how_far(&w);
    if (rc == NS_OK && !s->probes.n)
        rc = check_usual(app, cases);
    if (rc == NS_OK && s->dry_run) {
        cli_progress_end(&w.progress);
        return predict(app, r, first, &p);
    }
    if (rc == NS_OK)
        rc = s->jobs > 1 ? run_jobs(app, &p, &share, r, &w, &counts) : ns_scan(r->list, r->n, &p, &counts, &app->err);
    cli_progress_end(&w.progress);
    if (rc == NS_OK)
        remark_counts(app, &p, r->n, &counts);
    return rc == NS_OK ? report(app, r, &counts, s->out) : rc;
}

/* What is odd about a config the scan tells, once a run; of the tokenizer and the cases the first checkpoint does. */
typedef struct first_remarks { cli *app; bool tell; } first_remarks;

static void remark(void *user, const char *line)
{
    const first_remarks *const r = user;
    if (r->tell)
        cli_warn(r->app, line);
}

/* The tokenizer of the first checkpoint that opens reads the cases; one that does not fails in its own turn. */
static int open_first(cli *app, ns_opened **m, const runs *r, const cli_model_settings *settings, first_remarks *remarks)
{
    ns_open_params how = cli_open_params(app, NULL, settings);
    how.want = NS_OPEN_ARCH;
    how.warn = remark;
    how.user = remarks;
    const int rc = ns_scan_open_first(m, r->list, r->n, &how, &app->err);
    remarks->tell = true;
    return rc;
}

/* The order of checkpoints is the folders' and the manifest's: nothing else has a say in it. */
static bool lists_alone(const scan_settings *s)
{
    scan_settings alone;
    memset(&alone, 0, sizeof alone);
    alone.list = s->list;
    alone.manifest = s->manifest;
    alone.write_manifest = s->write_manifest;
    return memcmp(s, &alone, sizeof alone) == 0;
}

static int scan(cli *app, const void *settings, char **args, int n_args)
{
    const scan_settings *const s = settings;
    runs r = {0};
    ns_opened *m = NULL;
    ns_engine *engine = NULL;
    ns_cases cases = {0};
    cli_probing probing = {0};
    first_remarks remarks = {.app = app};
    const bool shows = s->list || s->write_manifest;
    if (shows && !lists_alone(s))
        return ns_fail(&app->err, NS_E_ARG, "%s the order and scores nothing: beside it go --manifest and %s alone",
                       s->list ? "--list prints" : "--write-manifest writes", s->list ? "--write-manifest" : "--list");
    int rc = s->out || shows || s->dry_run ? cli_check_probes(app, &s->probes) : ns_fail(&app->err, NS_E_ARG, "-o FOLDER is missing");
    if (rc == NS_OK)
        rc = open_runs(app, &r, args, n_args, s->manifest, s->shard && !s->manifest ? s->out : NULL);
    if (rc == NS_OK && shows) {
        rc = show_order(app, s, &r);
        close_runs(&r);
        return rc;
    }
    if (rc == NS_OK) {
        count_left_out(app, &r);
        tell_other_steps(app, &r);
        rc = open_first(app, &m, &r, &s->model, &remarks);
    }
    if (rc == NS_OK)
        rc = cli_open_cases(app, m, &s->cases, &cases);
    if (rc == NS_OK)
        rc = cli_read_definitions(app, &probing, &s->definitions);
    if (rc == NS_OK)
        rc = cli_find_special(app, &probing, m);
    if (rc == NS_OK)
        rc = cli_open_engine(app, &engine);
    if (rc == NS_OK) {
        cli_tell_resources(app, m, engine);
        cli_signals_hold(true);
        rc = run_scan(app, s, &r, &cases, &probing, engine, m);
    }
    cli_probing_clear(&probing);
    ns_cases_clear(&cases);
    ns_close(m);
    ns_engine_free(engine);
    close_runs(&r);
    return rc;
}

const cli_command cli_cmd_scan = {
    .name = "scan", .section = "Follow training", .summary = "Scores every checkpoint of every run, a file each",
    .arguments = "RUN_DIR...", .min_args = 1, .max_args = 100000,
    .groups = {{"Options", options, 0}, {"Model options", cli_scan_model_options, offsetof(scan_settings, model)}},
    .resources = CLI_THREADS | CLI_MEMORY, .settings_size = sizeof(scan_settings), .goes_on = true,
    .description = "A run is a folder of checkpoints: step1000, checkpoint-1000, stage1-step1000-tokens5B, global_step1000, iter_0001000, "
                   "or the revisions of a Hugging Face cache (a name without a step: by its trainer_state.json); main, final and last "
                   "are left out where neither they nor their weights, which may be a step's once more, say of which step they are, unless "
                   "they are all there is. Steps and tokens go on over stages. A run.json in it gives the run's name and coordinates: "
                   "{\"name\": \"w4\", \"tokens_per_step\": 65536, \"coords\": {\"window\": 4, \"seed\": 0}}; other keys are not read, and "
                   "said. --list prints the "
                   "order, and what was found and left out: names that were not understood, links and revisions of the same weights, "
                   "branches that were trained beside each other. Files of weights (step1000.pt, epoch=0-step=1000.ckpt, a GGUF) are "
                   "checkpoints as folders are, and so is what lies in RUN_DIR/checkpoints. A --manifest overrides names and order; "
                   "--write-manifest writes the one to begin with. --dry-run says how many checkpoints, bytes and operations a scan would "
                   "take, and how many hours by one layer that is read and run here (without the probes' own work; cases that share a "
                   "beginning take less).\n\n"
                   "Each checkpoint becomes FOLDER/shards/RUN/stepNNNNNN.h5 (stage2-stepNNNNNN.h5 of a later stage), written aside and "
                   "renamed, so a scan that is killed loses the checkpoint in hand, and a second call does what is missing: a shard is "
                   "done when it was asked for the same probes and cases, and holds the same weights (the same files, or the same hash: a "
                   "touch, a copy or another name scores nothing again, a changed file does). A folder keeps one set of cases and probes, "
                   "one description (--arch, --names, --olmo3-rope) and one run of a name: others are refused without --force. "
                   "FOLDER/index says what was found, what was left out and why; merge counts what has no shard, and leaves out what is "
                   "gone; status says how far it is. A checkpoint that fails leaves stepNNNNNN.failed with the reason and does not stop "
                   "the others; the exit code is then 1, and it is not tried again before its files change (or --retry-failed asks for "
                   "it). qk_distance compares with the run's last checkpoint, and is scored again when that is another. "
                   "Cases of text are read by each run's own tokenizer.\n\n"
                   "Any number of scans, on any number of nodes, may work on one folder at once: each claims a checkpoint before it scores "
                   "it (stepNNNNNN.claim), and what is left behind by one that was killed is taken over. --jobs N starts N processes. "
                   "On a cluster: an array of tasks, each with --shard I/N (sbatch prints the script), then needlescope merge. Stopped by "
                   "SIGTERM or SIGUSR1 the exit code is 75: the same command goes on.",
    .examples = "needlescope scan runs/* --cases cases.jsonl --probe retrieval_find,previous_token -o scan\n"
                "needlescope scan runs/* --cases cases.jsonl -o scan --shard 3/16\n"
                "needlescope scan pythia-70m --list",
    .run = scan,
};
