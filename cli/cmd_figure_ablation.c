/* cmd_figure_ablation.c - what interventions did, every control shown. */
#include <needlescope/plot.h>

#include "cli/commands.h"
#include "cli/figure.h"

typedef struct ablation_settings { cli_look look; } ablation_settings;
static const ablation_settings defaults = {.look = CLI_LOOK_DEFAULTS};

static int figure_ablation(cli *app, const void *settings, char **args, int n_args)
{
    const ablation_settings *const s = settings;
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK)
        rc = ns_plot_ablation(s->look.out, (const char *const *)args, n_args, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_ablation = {
    .name = "figure ablation",
    .section = "Figures",
    .summary = "Draws what interventions did, every control a dot",
    .arguments = "ABLATION...",
    .min_args = 1,
    .max_args = 8,
    .groups = {CLI_LOOK_GROUP(ablation_settings), CLI_ORDER_GROUP(ablation_settings)},
    .settings_size = sizeof(ablation_settings),
    .defaults = &defaults,
    .description = "Files of `ablate` (or of `patch` with a set). A panel a measure, a column a set of heads and mode; the set is a "
                   "diamond, every draw of its control a dot, the "
                   "untouched model a dashed line. Several files stand beside each other, by their names.",
    .examples = "needlescope figure ablation finders.h5 continuers.h5 -o ablation.pdf",
    .run = figure_ablation,
};
