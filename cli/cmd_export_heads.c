/* cmd_export_heads.c - the heads of a score file as a list that other programs read. */
#include <needlescope/export.h>
#include <needlescope/head_list.h>

#include "cli/commands.h"
#include "cli/heads.h"
#include "cli/out.h"
#include "cli/probing.h"

typedef struct export_settings { const char *score, *run, *out; int format; int64_t top; } export_settings;

#define FIELD(name) offsetof(export_settings, name)
static const cli_option options[] = {
    {"format", 'f', CLI_CHOICE, FIELD(format), "FORM", "whose list it is (default retrieval_head)",
     "retrieval_head|target_heads|qrhead|names|duo|locos"},
    {"score", 's', CLI_TEXT, FIELD(score), "NAME", "the score (default retrieval_find or the first)"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "target_heads and names: so many of the best (default 10)", NULL, 1, 100000},
    {"run", 'r', CLI_TEXT, FIELD(run), "NAME", "the run of a study, at its last step"},
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE", "the file to write", .makes = NS_KINDS(NS_KIND_TEXT) | NS_KINDS(NS_KIND_JSON)},
    {0},
};
#undef FIELD

static int print(cli *app, const export_settings *s, const char *score, int64_t n)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.export/1");
    cli_out_text(&o, "file", "wrote", s->out);
    cli_out_text(&o, "score", "score", score);
    cli_out_int(&o, "heads", "heads", n);
    return cli_out_end(&o, &app->err);
}

static int export_heads(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const export_settings *const s = settings;
    ns_study *study = NULL;
    ns_export_score score = {0};
    ns_export_params params = {.size = sizeof params, .scores = &score, .n_scores = 1, .run = s->run, .top = s->top, .by = &app->by};
    int64_t n = 0;
    int rc = s->out ? ns_study_open(&study, args[0], &app->err) : ns_fail(&app->err, NS_E_ARG, "-o FILE is missing");
    const char *const name = s->score || rc != NS_OK ? s->score : ns_study_usual_score(study);
    if (rc == NS_OK && !name)
        rc = ns_fail(&app->err, NS_E_ARG, "%s: no score over heads in it", args[0]);
    if (rc == NS_OK)
        score = cli_export_score(name);
    rc = rc != NS_OK ? rc : ns_export_heads(study, s->out, ns_head_list_formats()[s->format], &params, &n, &app->err);
    rc = rc != NS_OK ? rc : print(app, s, name, n);
    ns_study_close(study);
    return rc;
}

const cli_command cli_cmd_export_heads = {
    .name = "export heads", .section = "Export", .summary = "Writes the heads of a score file as a list that other programs read",
    .arguments = "STUDY", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}}, .settings_size = sizeof(export_settings),
    .description = "Lists of Retrieval_Head, the paper (target_heads), QRHead, DuoAttention (which also wants the config.json that is "
                   "written beside) and LOCOS; `names` is 13-18,13-21. docs/head-lists.md says what is in each. Where the score is of "
                   "cases, a list of trials has one number a case. --heads, --scores, --by and compare read all of them.",
    .examples = "needlescope export heads scores.h5 --score retrieval_find -o heads.json\n"
                "needlescope export heads scores.h5 --format duo -o pattern/full_attention_heads.tsv",
    .run = export_heads,
};
