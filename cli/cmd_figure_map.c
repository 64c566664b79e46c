/* cmd_figure_map.c - the attention map of one head, as record wrote it. */
#include "cli/commands.h"
#include "cli/figure.h"

typedef struct map_settings {
    int64_t layer, head;
    const char *c, *rows, *keys, *tokenizer;
    bool log, no_spans, tokens;
    cli_look look;
} map_settings;
static const map_settings map_defaults = {.layer = -1, .head = -1, .look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(map_settings, name)
static const cli_option map_options[] = {
    {"layer", 'l', CLI_INT, FIELD(layer), "L", "the layer", NULL, 0, 1 << 20},
    {"head", 'n', CLI_INT, FIELD(head), "H", "the head", NULL, 0, 1 << 20},
    {"case", 'c', CLI_TEXT, FIELD(c), "ID", "the case, by its id or its number (default the first)"},
    {"log", 0, CLI_FLAG, FIELD(log), NULL, "colours by the logarithm, from 1e-4 to 1"},
    {"rows", 0, CLI_TEXT, FIELD(rows), "ROWS", "these queries alone: answer (those that predict it), last:N, span:NAME, or positions A:B"},
    {"keys", 0, CLI_TEXT, FIELD(keys), "KEYS", "these keys alone: positions A:B, or span:NAME"},
    {"tokens", 0, CLI_FLAG, FIELD(tokens), NULL, "the texts of tokens in place of positions"},
    {"tokenizer", 0, CLI_FOLDER, FIELD(tokenizer), "FOLDER", "what says those texts (default the recording's own, where it still is)"},
    {"no-spans", 0, CLI_FLAG, FIELD(no_spans), NULL, "leave needle, question and the other spans out"},
    {0},
};
#undef FIELD

static int figure_map(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const map_settings *const s = settings;
    const ns_map_plot plot = {.size = sizeof plot,
                              .file = args[0],
                              .case_id = s->c,
                              .layer = s->layer,
                              .head = s->head,
                              .log_scale = s->log,
                              .no_spans = s->no_spans,
                              .rows = s->rows,
                              .keys = s->keys,
                              .tokens = s->tokens,
                              .tokenizer = s->tokenizer};
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK && (s->layer < 0 || s->head < 0))
        rc = ns_fail(&app->err, NS_E_ARG, "--layer L and --head H are missing");
    if (rc == NS_OK)
        rc = ns_plot_map(s->look.out, &plot, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_map = {
    .name = "figure map",
    .section = "Figures",
    .summary = "Draws the attention of one head on one case, with its spans",
    .arguments = "RECORDING",
    .min_args = 1,
    .max_args = 1,
    .groups = {{"Options", map_options, 0}, CLI_LOOK_GROUPS(map_settings)},
    .settings_size = sizeof(map_settings),
    .defaults = &map_defaults,
    .description = "The recording must hold maps of kind dense or rows. Cells smaller than a dot (1.08 points) are max-pooled: each dot is "
                   "the largest of those it "
                   "covers, so that a needle does not vanish; the figure says of how many. Frame and guides lie outside the cells.",
    .examples = "needlescope figure map rec.h5 --layer 3 --head 1 -o map.png\n"
                "needlescope figure map rec.h5 --layer 3 --head 1 --case 4 --log -o map.pdf\n"
                "needlescope figure map rec.h5 --layer 3 --head 1 --rows answer --keys 40:80 --tokens -o part.pdf",
    .run = figure_map,
};
