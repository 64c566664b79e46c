/* cmd_figure_scaling.c - scaling laws over tokens, with their residuals. */
#include "cli/commands.h"
#include "cli/figure.h"

typedef struct scaling_settings { bool longppl, validate; cli_look look; } scaling_settings;
static const scaling_settings defaults = {.look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(scaling_settings, name)
static const cli_option options[] = {
    {"longppl", 0, CLI_FLAG, FIELD(longppl), NULL, "the losses are LongPPL: fit their logarithm"},
    {"validate", 0, CLI_FLAG, FIELD(validate), NULL, "hold the largest size out, and foretell it: its points are hollow"},
    {0},
};
#undef FIELD

static int figure_scaling(cli *app, const void *settings, char **args, int n_args)
{
    const scaling_settings *const s = settings;
    const ns_scaling_plot plot = {.size = sizeof plot, .files = (const char *const *)args, .n_files = n_args, .longppl = s->longppl,
                                  .hold_largest = s->validate};
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    rc = rc != NS_OK ? rc : ns_plot_scaling(s->look.out, &plot, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_scaling = {
    .name = "figure scaling",
    .section = "Figures",
    .summary = "Draws scaling laws over tokens, a panel a table, with their residuals",
    .arguments = "TABLE...",
    .min_args = 1,
    .max_args = 4,
    .groups = {{"Options", options, 0}, CLI_LOOK_GROUP(scaling_settings), CLI_ORDER_GROUP(scaling_settings)},
    .settings_size = sizeof(scaling_settings),
    .defaults = &defaults,
    .description = "Tables and fit are those of `scaling`. Each size has its colour, each point lies above what its curve leaves of it.",
    .examples = "needlescope figure scaling swa128_longppl.tsv --longppl --validate -o scaling.pdf",
    .run = figure_scaling,
};
