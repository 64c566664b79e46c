/* cmd_gradient.c - how strongly the end of a text hangs on each token before it, by distance. */
#include <needlescope/gradient.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"

typedef struct gradient_settings {
    cli_words   texts;
    const char *out;
    int64_t     last, length, window, seed, resamples;
    int         target;
    bool        no_baseline, no_window;
    cli_model_settings model;
} gradient_settings;
static const gradient_settings defaults = {.target = 0};

#define FIELD(name) offsetof(gradient_settings, name)
static const cli_option options[] = {
    {"text", 'c', CLI_FILES, FIELD(texts), "FILE,...", "texts, JSONL: `text` or `tokens` a line, as cases have them"},
    {"target", 0, CLI_CHOICE, FIELD(target), "TARGET", "of the averaged logits their sum (default) or the largest", "logit_sum|logit_max"},
    {"last", 0, CLI_INT, FIELD(last), "N", "last rows whose logits are averaged (default 20)", NULL, 1, 1000000},
    {"length", 0, CLI_INT, FIELD(length), "N", "tokens at which a text is cut (default 8192)", NULL, 2, 100000000},
    {"window", 'w', CLI_INT, FIELD(window), "W", "norms are relative to the mean beyond W (default the widest sliding window)",
     NULL, 1, 100000000},
    {"no-window", 0, CLI_FLAG, FIELD(no_window), NULL, "leave the relative norms out"},
    {"no-baseline", 0, CLI_FLAG, FIELD(no_baseline), NULL, "leave the shuffled texts out: half the work"},
    {"resamples", 0, CLI_INT, FIELD(resamples), "N", "resamples of texts behind the intervals (default 1000)", NULL, 1, 1000000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of shuffles and resamples (default 0)", NULL, 0, INT64_MAX},
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "write everything to this HDF5 file", .makes = NS_KINDS(NS_KIND_GRADIENT)},
    {0},
};
#undef FIELD

static int gradient(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const gradient_settings *const s = settings;
    ns_opened *m = NULL;
    ns_cases texts = {0};
    ns_gradient *g = NULL;
    cli_out o = {0};
    cli_progress progress = cli_progress_begin(app, "gradient");
    const ns_gradient_params params = {.size = sizeof params, .target = (ns_gradient_target)s->target, .last = s->last, .length = s->length,
        .window = s->no_window ? -1 : s->window, .no_baseline = s->no_baseline, .resamples = (int)s->resamples, .seed = (uint64_t)s->seed,
        .progress = cli_progress_update, .cancelled = cli_cancelled, .user = &progress};
    int rc = s->no_window && s->window ? ns_fail(&app->err, NS_E_ARG, "--window and --no-window: one of them") : NS_OK;
    rc = rc != NS_OK ? rc : s->texts.n ? NS_OK : ns_fail(&app->err, NS_E_ARG, "--text FILE is missing");
    rc = rc != NS_OK ? rc : cli_open(app, &m, args[0], &s->model, NS_OPEN_ARCH, &app->err);
    rc = rc != NS_OK ? rc : cli_open_cases(app, m, &s->texts, &texts);
    rc = rc != NS_OK ? rc : cli_open_weights(app, m);
    cli_signals_hold(rc == NS_OK);
    rc = rc != NS_OK ? rc : ns_gradient_of(&g, m->model, &texts, &params, &app->err);
    cli_progress_end(&progress);
    rc = rc != NS_OK || !s->out ? rc : ns_gradient_write(g, s->out, &app->by, &app->err);
    if (rc == NS_OK) {
        cli_out_begin(&o, app, "needlescope.gradient/1");
        cli_out_text(&o, "model", "model", m->name);
        const ns_answer to = cli_out_answer(&o);
        ns_gradient_tell(g, &to);
        rc = s->out ? cli_out_written(app, &o, s->out) : NS_OK;
        rc = rc == NS_OK ? cli_out_end(&o, &app->err) : rc;
    }
    ns_gradient_free(g);
    ns_cases_clear(&texts);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_gradient = {
    .name = "gradient", .section = "Measure", .summary = "Says how strongly the end of a text hangs on each token before it, by distance",
    .arguments = "MODEL", .min_args = 1, .max_args = 1,
    .groups = {{"Options", options, 0}, {"Model options", cli_model_options, offsetof(gradient_settings, model)}},
    .resources = CLI_THREADS | CLI_MEMORY, .settings_size = sizeof(gradient_settings), .defaults = &defaults,
    .description = "The norm of the derivative, by each token's embedding, of the logits of the last rows: averaged over those rows, then "
                   "summed over the vocabulary, or the largest. By distance from the last token, in the mean over the texts, beside the "
                   "same texts with their tokens shuffled (all but the first) and relative to the mean beyond the window.",
    .examples = "needlescope gradient MODEL --text texts.jsonl --target logit_sum -o gradient.h5\n"
                "needlescope figure gradient gradient.h5 -o gradient.pdf",
    .run = gradient,
};
