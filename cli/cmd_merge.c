/* cmd_merge.c - the shards of a scan become one study. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/scan.h>
#include <needlescope/study.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"

typedef struct merge_settings { const char *out; bool mixed, gone; } merge_settings;

#define FIELD(name) offsetof(merge_settings, name)
static const cli_option options[] = {
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "the study to write (default FOLDER/study.h5)", .makes = NS_KINDS(NS_KIND_STUDY)},
    {"mixed-kernels", 0, CLI_FLAG, FIELD(mixed), NULL, "merge shards of different kernel classes all the same"},
    {"gone", 0, CLI_FLAG, FIELD(gone), NULL,
     "merge also shards of checkpoints that the last scan did not find any more, or found replaced"},
    {0},
};
#undef FIELD

/* Of "ONE; ANOTHER; ...", NULL for none. */
static int things_in(const char *list)
{
    int n = list != NULL;
    for (const char *at = list; at && (at = strstr(at, "; ")); at += 2)
        n++;
    return n;
}

/* "RUN step N; ...". */
static void remark_arch(const cli *app, const char *changes)
{
    const int n = things_in(changes);
    cli_note(app, "facts of the architecture change within a run at %d step%s, its layers and heads staying the same: %s (inspect the "
                  "checkpoints before and after)", n, ns_plural(n), changes);
}

/* A count that only a study with such a thing has. */
static int64_t count_of(const ns_study *study, const char *fact)
{
    const char *const text = ns_file_fact(ns_study_file(study), fact);
    return text ? strtoll(text, NULL, 10) : 0;
}

static void remark_gone(const cli *app, int64_t gone, int64_t superseded)
{
    if (gone)
        cli_note(app, "%lld shard%s of checkpoints that are gone %s left out (--gone takes them)", (long long)gone, ns_plural(gone),
                 gone == 1 ? "is" : "are");
    if (superseded)
        cli_note(app, "%lld shard%s of another checkpoint than lies there now (scan again; --gone takes what there is)",
                 (long long)superseded, superseded == 1 ? " is" : "s are");
}

static void list_left_out(cli_out *o, const ns_study *study)
{
    static const cli_column columns[] = {{"run", "run", CELL_TEXT}, {"name", "left out", CELL_TEXT}, {"why", "why", CELL_TEXT}};
    int64_t n;
    const ns_study_left *const left = ns_study_left_out(study, &n);
    cli_out_int(o, "n_left_out", n ? "left out (status names them)" : NULL, n);
    if (!o->json)
        return;
    cli_out_table(o, "left_out", NULL, columns, 3);
    for (int64_t i = 0; i < n; i++) {
        cli_cell_text(o, left[i].run);
        cli_cell_text(o, left[i].name);
        cli_cell_text(o, left[i].why);
    }
    cli_out_table_end(o);
}

static int report(cli *app, const char *path)
{
    ns_study *study;
    cli_out o;
    int rc = ns_study_open(&study, path, &app->err);
    if (rc != NS_OK)
        return rc;
    const ns_study_shape n = ns_study_size(study);
    const int64_t done = ns_study_count(study, NS_STUDY_DONE), failed = ns_study_count(study, NS_STUDY_FAILED);
    const int64_t missing = ns_study_count(study, NS_STUDY_NOT_THERE), none = n.R * n.P - done - failed - missing,
                  not_taken = ns_study_not_taken(study), passed_over = ns_study_passed_over(study), unsealed = ns_study_unsealed(study),
                  gone = count_of(study, "gone"), superseded = count_of(study, "superseded"),
                  unread = count_of(study, "tokenizer_unread");
    const char *const changes = ns_file_fact(ns_study_file(study), "arch_changes");
    const int tokenizers = things_in(ns_file_fact(ns_study_file(study), "tokenizer_sha256"));
    cli_out_begin(&o, app, "needlescope.merge/1");
    cli_out_int(&o, "runs", "runs", n.R);
    cli_out_int(&o, "steps", "steps", n.P);
    cli_out_int(&o, "cases", "cases", n.C);
    cli_out_int(&o, "checkpoints", "checkpoints", done);
    cli_out_int(&o, "failed", "failed", failed);
    cli_out_int(&o, "missing", "not there", missing);
    cli_out_int(&o, "not_taken", not_taken ? "not taken" : NULL, not_taken);
    cli_out_int(&o, "gone", gone ? "gone" : NULL, gone);
    cli_out_int(&o, "superseded", superseded ? "replaced since" : NULL, superseded);
    cli_out_int(&o, "passed_over", passed_over ? "passed over" : NULL, passed_over);
    cli_out_int(&o, "unsealed", unsealed ? "without a seal" : NULL, unsealed);
    cli_out_int(&o, "tokenizer_unread", unread ? "tokenizer unread" : NULL, unread);
    cli_out_int(&o, "no_such_step", none ? "no such step" : NULL, none);
    cli_out_text(&o, "arch_changes", NULL, changes);
    cli_out_int(&o, "tokenizers", NULL, tokenizers);
    list_left_out(&o, study);
    if (changes)
        remark_arch(app, changes);
    ns_study_close(study);
    rc = cli_out_written(app, &o, path);
    rc = rc != NS_OK ? rc : cli_out_end(&o, &app->err);
    if (rc == NS_OK && missing)
        cli_note(app, "%lld checkpoint%s no shard, though the scan found %s (a task that never ran? scan again, then merge)",
                 (long long)missing, missing == 1 ? " has" : "s have", missing == 1 ? "it" : "them");
    if (rc == NS_OK && tokenizers > 1)
        cli_note(app, "the checkpoints have %d tokenizers, and the cases are the same token ids for all: of ids alone nobody knows whether "
                      "they mean the same", tokenizers);
    if (rc == NS_OK && unread)
        cli_note(app, "%lld of the checkpoints had a tokenizer that could not be read: nobody knows whether the cases are of it (their "
                 "shards say why: tokenizer_unread)", (long long)unread);
    if (rc == NS_OK)
        remark_gone(app, gone, superseded);
    if (rc == NS_OK && passed_over)
        cli_note(app, "passed over %lld file%s or folder%s among the shards (none is stepNNNNNN.h5 or .failed of a run)",
                 (long long)passed_over, ns_plural(passed_over), ns_plural(passed_over));
    if (rc == NS_OK && unsealed)
        cli_note(app, "%lld of the shards and metrics %s no seal: " NS_UNSEALED, (long long)unsealed, unsealed == 1 ? "has" : "have");
    return rc != NS_OK ? rc : missing || failed ? NS_STOP : NS_OK;
}

static int merge(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const merge_settings *const s = settings;
    char *const usual = s->out ? NULL : ns_path_join(args[0], "study.h5");
    const char *const path = s->out ? s->out : usual;
    const ns_merge_params params = {.size = sizeof params, .mixed_kernels = s->mixed, .gone_too = s->gone, .by = &app->by};
    int rc = path ? NS_OK : ns_oom(&app->err, args[0]);
    if (usual)
        cli_watch_output(app, usual);
    if (rc == NS_OK)
        rc = ns_merge(args[0], path, &params, &app->err);
    if (rc == NS_OK)
        rc = report(app, path);
    cli_tell_replaced(app);
    free(usual);
    return rc;
}

const cli_command cli_cmd_merge = {
    .name = "merge", .section = "Follow training", .summary = "Makes one study of the shards of a scan",
    .arguments = "FOLDER", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}}, .settings_size = sizeof(merge_settings),
    .description = "The study holds real datasets over (run, step, case, layer, head), with the coordinates of runs and cases and the "
                   "trainer's metrics; shards that are missing are NaN, and status says so. It is of the checkpoints that the last scan "
                   "found (FOLDER/index): shards of others are left out and counted, unless --gone asks for them. Checkpoints that the "
                   "scan found and that have no shard are counted as not there; where some are, or some failed, the exit code is 1, as the "
                   "scan's is. It does not depend on the order of the shards. Shards that "
                   "were scored with other cases, other probes or another kernel class, or lie in the place of another step or run, are "
                   "refused, and named; within a run so are those of another architecture (kinds of layers, windows, heads). Where "
                   "other facts of it change, such as the base of RoPE, a note says at which steps.",
    .examples = "needlescope merge scan -o study.h5",
    .run = merge,
};
