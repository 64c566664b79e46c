/* cmd_figure_gradient.c - influence by distance. */
#include <needlescope/plot.h>

#include "cli/commands.h"
#include "cli/figure.h"

typedef struct gradient_settings { cli_look look; } gradient_settings;
static const gradient_settings defaults = {.look = CLI_LOOK_DEFAULTS};

static int figure_gradient(cli *app, const void *settings, char **args, int n_args)
{
    const gradient_settings *const s = settings;
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK)
        rc = ns_plot_gradient(s->look.out, (const char *const *)args, n_args, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_gradient = {
    .name = "figure gradient",
    .section = "Figures",
    .summary = "Draws influence by distance, shuffled texts beside it",
    .arguments = "GRADIENT...",
    .min_args = 1,
    .max_args = 8,
    .groups = {CLI_LOOK_GROUP(gradient_settings), CLI_ORDER_GROUP(gradient_settings)},
    .settings_size = sizeof(gradient_settings),
    .defaults = &defaults,
    .description = "Files of `gradient`, on log axes: the norm of the gradient by tokens back, in bins, relative to its mean beyond the "
                   "window where all files have one; the shuffled texts; the model's windows as ticks.",
    .examples = "needlescope figure gradient gradient.h5 -o gradient.pdf",
    .run = figure_gradient,
};
