/* cmd_figure_tokens.c - one row of attention over the text itself. */
#include "cli/commands.h"
#include "cli/figure.h"

typedef struct tokens_settings {
    int64_t layer, head, row;
    const char *c, *keys, *tokenizer;
    cli_look look;
} tokens_settings;
static const tokens_settings defaults = {.layer = -1, .head = -1, .row = -1, .look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(tokens_settings, name)
static const cli_option options[] = {
    {"layer", 'l', CLI_INT, FIELD(layer), "L", "the layer", NULL, 0, 1 << 20},
    {"head", 'n', CLI_INT, FIELD(head), "H", "the head", NULL, 0, 1 << 20},
    {"case", 'c', CLI_TEXT, FIELD(c), "ID", "the case, by its id or its number (default the first)"},
    {"row", 0, CLI_INT, FIELD(row), "N", "position of the query (default the first that predicts the answer, else the last recorded)", NULL,
     0, 1 << 30},
    {"keys", 0, CLI_TEXT, FIELD(keys), "KEYS", "these tokens alone: positions A:B, or span:NAME (default all up to the query)"},
    {"tokenizer", 0, CLI_FOLDER, FIELD(tokenizer), "FOLDER",
     "what says the texts of tokens (default the recording's own, where it still is)"},
    {0},
};
#undef FIELD

static int figure_tokens(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const tokens_settings *const s = settings;
    const ns_tokens_plot plot = {.size = sizeof plot,
                                 .file = args[0],
                                 .case_id = s->c,
                                 .layer = s->layer,
                                 .head = s->head,
                                 .row = s->row,
                                 .keys = s->keys,
                                 .tokenizer = s->tokenizer};
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK && (s->layer < 0 || s->head < 0))
        rc = ns_fail(&app->err, NS_E_ARG, "--layer L and --head H are missing");
    rc = rc != NS_OK ? rc : ns_plot_tokens(s->look.out, &plot, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_tokens = {
    .name = "figure tokens",
    .section = "Figures",
    .summary = "Draws one row of attention over the text itself: words shaded by weight",
    .arguments = "RECORDING",
    .min_args = 1,
    .max_args = 1,
    .groups = {{"Options", options, 0}, CLI_LOOK_GROUPS(tokens_settings)},
    .settings_size = sizeof(tokens_settings),
    .defaults = &defaults,
    .description =
        "The recording must hold maps of kind dense or rows; the query is outlined, and what it cannot see is faint. Line ends and "
        "tabs are shown by their signs, control characters and what no font has by their codes.\n\n"
        "-o FILE.tex writes LaTeX in place of a drawing: a macro for each token, escaped whatever it holds; then LaTeX sets "
        "width, font and lines.",
    .examples = "needlescope figure tokens rec.h5 --layer 3 --head 1 -o tokens.pdf\n"
                "needlescope figure tokens rec.h5 --layer 3 --head 1 --row 211 --keys 100:212 -o tokens.tex",
    .run = figure_tokens,
};
