/* cmd_export.c - export csv, latex and notebook: a study or a score file for other people's tools. What n counts is looked up in the
 * probes' table, births come from the code of emergence (needlescope/notebook.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/notebook.h>

#include "cli/commands.h"
#include "cli/heads.h"
#include "cli/open.h"
#include "cli/out.h"
#include "cli/probing.h"

typedef struct export_settings { cli_words scores; const char *run, *out; } export_settings;
typedef struct table_settings { export_settings what; int64_t top; bool standalone; } table_settings;

/* Those that were asked for, else all of the file, or the one that is usual. malloc'd. */
static int choose(cli *app, const ns_study *x, const export_settings *s, bool all, ns_export_score **out, int *n)
{
    int64_t n_known;
    const char *const *const known = ns_study_scores(x, &n_known);
    if (!n_known)
        return ns_fail(&app->err, NS_E_ARG, "%s: no score over heads in it", ns_study_path(x));
    const int64_t count = s->scores.n ? s->scores.n : all ? n_known : 1;
    *out = ns_alloc_array((size_t)count, sizeof **out);
    if (!*out)
        return ns_oom(&app->err, "scores");
    for (int64_t i = 0; i < count; i++)
        (*out)[i] = cli_export_score(s->scores.n ? s->scores.list[i] : all ? known[i] : ns_study_usual_score(x));
    *n = (int)count;
    return NS_OK;
}

static int begin(cli *app, const export_settings *s, const char *path, bool all, ns_study **x, ns_export_score **scores,
                 ns_export_params *params)
{
    *x = NULL;
    *scores = NULL;
    if (!s->out)
        return ns_fail(&app->err, NS_E_ARG, "-o FILE is missing");
    int rc = ns_study_open(x, path, &app->err);
    rc = rc != NS_OK ? rc : choose(app, *x, s, all, scores, &params->n_scores);
    params->scores = *scores;
    params->run = s->run;
    for (int i = 0; rc == NS_OK && !all && i < params->n_scores; i++) {
        ns_score_meaning meaning;
        rc = ns_study_meaning(*x, (*scores)[i].name, &meaning, &app->err);
        if (rc == NS_OK && meaning.best != NS_BEST_NONE)
            rc = cli_ranks(app, *x, (*scores)[i].name, &meaning);
    }
    return rc;
}

typedef struct counted { const char *name, *label; int64_t n; } counted;
static const counted nothing_more = {NULL, NULL, -1};

static int end(cli *app, const export_settings *s, ns_study *x, ns_export_score *scores, int n_scores, counted more, int rc)
{
    cli_out o;
    free(scores);
    ns_study_close(x);
    if (rc != NS_OK)
        return rc;
    cli_out_begin(&o, app, "needlescope.export/1");
    cli_out_text(&o, "file", "wrote", s->out);
    cli_out_int(&o, "scores", "scores", n_scores);
    if (more.n >= 0)
        cli_out_int(&o, more.name, more.label, more.n);
    return cli_out_end(&o, &app->err);
}

#define FIELD(name) offsetof(export_settings, name)
static const cli_option what_options[] = {
    {"score", 's', CLI_WORDS, FIELD(scores), "NAME,...", "the scores (default: all in a CSV, else retrieval_find or the first)"},
    {"run", 'r', CLI_TEXT, FIELD(run), "NAME", "only this run; in a notebook, whose heads are drawn (default the first)"},
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE", "the file to write", .makes = NS_KINDS(NS_KIND_TEXT) | NS_KINDS(NS_KIND_NOTEBOOK)},
    {0},
};
#undef FIELD

/* ---- export csv ---- */

static int export_csv(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const export_settings *const s = settings;
    ns_study *x;
    ns_export_score *scores;
    int64_t rows = 0;
    ns_export_params params = {.size = sizeof params, .by = &app->by};
    int rc = begin(app, s, args[0], true, &x, &scores, &params);
    rc = rc != NS_OK ? rc : ns_export_csv(x, s->out, &params, &rows, &app->err);
    return end(app, s, x, scores, params.n_scores, (counted){"rows", "rows", rows}, rc);
}

const cli_command cli_cmd_export_csv = {
    .name = "export csv", .section = "Export", .summary = "Writes the scores of a study as one tidy table",
    .arguments = "STUDY", .min_args = 1, .max_args = 1, .groups = {{"Options", what_options, 0}}, .settings_size = sizeof(export_settings),
    .description = "A row for each run, scored checkpoint, score and head: run and its coordinates, step, tokens, layer, head, layer_kind, "
                   "score, value, n. n is how many events the value is a share of, or how many cases it is a mean over. Every number reads "
                   "back to the same bits; empty: NaN, or not known.\n\n"
                   "STUDY is a file of merge, or the scores of one checkpoint (score -o).",
    .examples = "needlescope export csv study.h5 --score retrieval_find -o find.csv\nneedlescope export csv scores.h5 -o scores.csv",
    .run = export_csv,
};

/* ---- export latex ---- */

#define FIELD(name) offsetof(table_settings, name)
static const cli_option table_options[] = {
    {"top", 'k', CLI_INT, FIELD(top), "K", "heads of each score (default 10)", NULL, 1, 100000},
    {"standalone", 0, CLI_FLAG, FIELD(standalone), NULL, "a document, not a tabular to \\input"},
    {0},
};
#undef FIELD

static int export_latex(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const table_settings *const s = settings;
    ns_study *x;
    ns_export_score *scores;
    ns_export_params params = {.size = sizeof params, .by = &app->by, .top = s->top, .standalone = s->standalone};
    int rc = begin(app, &s->what, args[0], false, &x, &scores, &params);
    rc = rc != NS_OK ? rc : ns_export_latex(x, s->what.out, &params, &app->err);
    return end(app, &s->what, x, scores, params.n_scores, nothing_more, rc);
}

const cli_command cli_cmd_export_latex = {
    .name = "export latex", .section = "Export", .summary = "Writes the best heads as a LaTeX table",
    .arguments = "STUDY", .min_args = 1, .max_args = 1,
    .groups = {{"Options", what_options, 0}, {"Table", table_options, 0}}, .settings_size = sizeof(table_settings),
    .description = "A booktabs tabular, to be \\input into a table of yours: for every run and score the best heads at the last scored "
                   "checkpoint, with the 95 % interval where the file has one (score writes it, scan does not).",
    .examples = "needlescope export latex scores.h5 --score retrieval_find,retrieval_mass --top 5 -o heads.tex\n"
                "needlescope export latex study.h5 --run w16-s0 --standalone -o heads.tex",
    .run = export_latex,
};

/* ---- export notebook ---- */

typedef struct notebook_settings {
    export_settings what;
    double          theta;
    int64_t         top, persist, limit;
    bool            no_births, view;
    cli_words       beside;
    const char     *tokenizer;
} notebook_settings;
static const notebook_settings notebook_defaults = {.theta = (double)NAN};

#define FIELD(name) offsetof(notebook_settings, name)
static const cli_option notebook_options[] = {
    {"top", 'k', CLI_INT, FIELD(top), "K", "heads in the table of each score (default 10)", NULL, 1, 100000},
    {"theta", 0, CLI_NUMBER, FIELD(theta), "X", "alive at this value of the first score and above (default 0.5)"},
    {"persist", 'm', CLI_INT, FIELD(persist), "M", "so many measured checkpoints in a row make a birth (default 3)", NULL, 1, 1000},
    {"no-births", 0, CLI_FLAG, FIELD(no_births), NULL, "leave the section on births out"},
    {"view", 0, CLI_FLAG, FIELD(view), NULL, "with the page of needlescope view, in a frame of its own"},
    {"beside", 0, CLI_FILES, FIELD(beside), "FILE,...", "with --view: what the page shows beside STUDY, as recordings of its attention"},
    {"tokenizer", 0, CLI_FILE, FIELD(tokenizer), "PATH", "with --view: for the texts of a recording's tokens (default: its own)"},
    {"limit", 0, CLI_BYTES, FIELD(limit), "SIZE", "with --view: the page is no larger (default 32M)"},
    {0},
};
#undef FIELD

static int export_notebook(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const notebook_settings *const s = settings;
    ns_study *x = NULL;
    ns_export_score *scores = NULL;
    char note[1024] = "";
    ns_page_said page = {.size = sizeof page};
    ns_study_notebook_params params = {.size = sizeof params,
                                       .what = {.size = sizeof params.what, .by = &app->by, .top = s->top},
                                       .no_births = s->no_births, .view = s->view, .beside = s->beside.list,
                                       .n_beside = (int)s->beside.n, .tokenizer = s->tokenizer, .limit = s->limit, .page = &page,
                                       .birth = {sizeof params.birth, isnan(s->theta) ? 0 : s->theta, (int)s->persist}};
    int rc = isnan(s->theta) || s->theta > 0 ? begin(app, &s->what, args[0], false, &x, &scores, &params.what)
                          : ns_fail(&app->err, NS_E_ARG, "--theta %g: it lies in (0, 1]", s->theta);
    rc = rc != NS_OK ? rc : ns_study_notebook(x, s->what.out, &params, note, sizeof note, &app->err);
    if (*note)
        cli_note(app, "%s", note);
    return end(app, &s->what, x, scores, params.what.n_scores, (counted){"page_bytes", "bytes of the page", s->view ? page.bytes : -1}, rc);
}

const cli_command cli_cmd_export_notebook = {
    .name = "export notebook", .section = "Export", .summary = "Writes a Jupyter notebook that shows a study, and computes it again",
    .arguments = "STUDY", .min_args = 1, .max_args = 1,
    .groups = {{"Options", what_options, 0}, {"Notebook", notebook_options, 0}},
    .settings_size = sizeof(notebook_settings), .defaults = &notebook_defaults,
    .description = "How the study was made, its runs, the map of heads and the best ones by each score, and when the best head of each run "
                   "was born (by the first score, as emergence has it). Figures and tables are in the notebook, so it reads without a "
                   "kernel; its cells give them again with xarray, pandas and matplotlib. It finds the file by its path relative to the "
                   "notebook, or where NEEDLESCOPE_H5 says.\n\n"
                   "--view puts the page of needlescope view in, and says its size; the cell that makes it anew needs this program.",
    .examples = "needlescope export notebook study.h5 -o study.ipynb\n"
                "needlescope export notebook scores.h5 --view --beside rec.h5 --limit 8M -o scores.ipynb\n"
                "needlescope export notebook scores.h5 --score retrieval_find,induction -o heads.ipynb",
    .run = export_notebook,
};
