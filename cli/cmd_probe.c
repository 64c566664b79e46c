/* cmd_probe.c - how well a linear reader tells the answer at each layer, by distance, beside shuffled labels and prompts without needle. */
#include <needlescope/linear.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"
#include "cli/probing.h"

typedef struct probe_settings {
    cli_words   cases;
    const char *out, *at, *rows, *classes;
    double      c;
    int64_t     folds, shuffles, seed;
    bool        weights;
    cli_model_settings model;
} probe_settings;
static const probe_settings defaults = {.c = .1, .folds = 5, .shuffles = 5};

#define FIELD(name) offsetof(probe_settings, name)
static const cli_option options[] = {
    {"cases", 'c', CLI_FILES, FIELD(cases), "FILE,...", "case files, JSONL (cases needle --values N makes classes that repeat)"},
    {"at", 0, CLI_TEXT, FIELD(at), "POINT", "glob over points, one of each layer (default blocks.*.hook_resid_post)"},
    {"rows", 0, CLI_TEXT, FIELD(rows), "ROWS",
     "answer (default): the row that says the answer's first content token; last: the prompt's last; else a span: its last token's row"},
    {"classes", 0, CLI_TEXT, FIELD(classes), "KEY", "what is to be told: a text or number of the cases' meta (default: their answer)"},
    {"l2-c", 0, CLI_NUMBER, FIELD(c), "C", "inverse strength of the penalty, as scikit-learn's C (default .1)"},
    {"folds", 0, CLI_INT, FIELD(folds), "N", "parts that are judged by readers of the others (default 5)", NULL, 2, 1000},
    {"shuffles", 0, CLI_INT, FIELD(shuffles), "N", "draws of shuffled labels; 0 leaves that control out (default 5)", NULL, 0, 10000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of folds and shuffles (default 0)", NULL, 0, INT64_MAX},
    {"weights", 0, CLI_FLAG, FIELD(weights), NULL, "write what reads, too: weights and intercepts, learned from all cases"},
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "write everything to this HDF5 file", .makes = NS_KINDS(NS_KIND_SCORES)},
    {0},
};
#undef FIELD

static int report(cli *app, const probe_settings *s, const ns_opened *m, const ns_scores *scores, const ns_linear_params *params)
{
    cli_out o = {0};
    ns_linear *r = NULL;
    const ns_dropped *dropped;
    const int n_reasons = ns_scores_dropped(scores, &dropped);
    int rc = ns_linear_of_scores(&r, scores, &app->err);
    rc = rc != NS_OK || !s->out ? rc : ns_linear_write(scores, params, s->out, &app->by, &app->err);
    if (rc == NS_OK) {
        cli_out_begin(&o, app, "needlescope.probe/1");
        cli_out_text(&o, "model", "model", m->name);
        cli_out_text(&o, "at", "at", s->at ? s->at : "blocks.*.hook_resid_post");
        const ns_answer to = cli_out_answer(&o);
        ns_linear_tell(r, &to);
        cli_say_dropped(&o, dropped, n_reasons);
        if (r->bare[0] == 0)
            cli_out_say(&o, "\nNo control without needle: none of the cases is such a twin (cases needle --twins without).\n");
        rc = s->out ? cli_out_written(app, &o, s->out) : NS_OK;
        rc = rc == NS_OK ? cli_out_end(&o, &app->err) : rc;
    }
    ns_linear_free(r);
    return rc;
}

static int probe(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const probe_settings *const s = settings;
    const ns_linear_params params = {.size = sizeof params, .at = s->at, .rows = s->rows, .classes = s->classes, .c = s->c,
                                     .folds = (int)s->folds, .shuffles = s->shuffles ? (int)s->shuffles : -1, .seed = (uint64_t)s->seed,
                                     .weights = s->weights};
    ns_opened *m = NULL;
    ns_cases cases = {0};
    ns_probe *linear = NULL;
    ns_scores *scores = NULL;
    int rc = !s->cases.n ? ns_fail(&app->err, NS_E_ARG, "--cases FILE is missing") : s->c > 0 ? NS_OK
           : ns_fail(&app->err, NS_E_ARG, "--l2-c %g is no inverse strength of a penalty (above 0)", s->c);
    rc = rc != NS_OK || !s->weights || s->out ? rc : ns_fail(&app->err, NS_E_ARG, "--weights are written: give -o FILE");
    rc = rc != NS_OK ? rc : ns_linear_probe_new(&linear, &params, &app->err);
    rc = rc != NS_OK ? rc : cli_open(app, &m, args[0], &s->model, NS_OPEN_ARCH, &app->err);
    rc = rc != NS_OK ? rc : cli_open_cases(app, m, &s->cases, &cases);
    rc = rc != NS_OK ? rc : cli_open_weights(app, m);
    if (rc == NS_OK) {
        cli_progress progress = cli_progress_begin(app, "probe");
        const ns_probe *const list[] = {linear};
        const ns_score_params run = {.size = sizeof run, .definitions = list, .n_definitions = 1, .progress = cli_progress_update,
                                     .cancelled = cli_cancelled, .note = cli_progress_note, .user = &progress};
        cli_signals_hold(true);
        rc = ns_score_run(&scores, m->model, &cases, &run, &app->err);
        cli_progress_end(&progress);
    }
    rc = rc != NS_OK ? rc : report(app, s, m, scores, &params);
    ns_scores_free(scores);
    ns_linear_probe_free(linear);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_probe = {
    .name = "probe", .section = "Measure", .summary = "Says at which layers a linear reader can tell the answer, and from how far",
    .arguments = "MODEL", .min_args = 1, .max_args = 1,
    .groups = {{"Options", options, 0}, {"Model options", cli_model_options, offsetof(probe_settings, model)}},
    .resources = CLI_THREADS | CLI_MEMORY, .settings_size = sizeof(probe_settings), .defaults = &defaults,
    .description = "For each layer a logistic regression (all classes at once, L2 penalty, in double precision) learns from one row's "
                   "activations which answer the case has. Cases are dealt into folds by a hash of their tokens, within classes and "
                   "distances, twins with their prompt; each is judged by a reader that learned from the other folds. Accuracy is balanced "
                   "over classes, so chance is 1 / classes. Controls of the same making: labels shuffled within distances, and twins "
                   "whose prompt has no needle. Where the cases' needles lie at several distances (cases needle --distances), one reader "
                   "learns from all of them and is judged at each.\n\n"
                   "A class needs as many prompts as there are folds. Over checkpoints: scan --probe linear_probe, with the defaults of "
                   "these options.",
    .examples = "needlescope cases needle --model MODEL --values 4 --keys 2 --distances 256,512,1024 --lengths 1200 --count 40 --twins "
                "without -o cases.jsonl\n"
                "needlescope probe MODEL --cases cases.jsonl --at 'blocks.*.hook_resid_post' -o probe.h5\n"
                "needlescope figure probe probe.h5 -o probe.pdf",
    .run = probe,
};
