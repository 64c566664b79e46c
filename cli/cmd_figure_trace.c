/* cmd_figure_trace.c - entropy and distance of the best heads over training, drawn. */
#include <needlescope/plot.h>

#include "cli/commands.h"
#include "cli/figure.h"

typedef struct trace_settings { cli_look look; } trace_settings;
static const trace_settings defaults = {.look = CLI_LOOK_DEFAULTS};

static int figure_trace(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const trace_settings *const s = settings;
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK)
        rc = ns_plot_trace(s->look.out, args[0], &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_trace = {
    .name = "figure trace",
    .section = "Figures",
    .summary = "Draws entropy and distance of the best heads over training, a line a run",
    .arguments = "TRACE",
    .min_args = 1,
    .max_args = 1,
    .groups = {CLI_LOOK_GROUP(trace_settings), CLI_COURSE_GROUP(trace_settings)},
    .settings_size = sizeof(trace_settings),
    .defaults = &defaults,
    .description = "A file of `trace`. Above the entropy of the last prompt rows (1: even attention), below how far query and key weights "
                   "lie from the run's last checkpoint. Left the heads that are the best at the end, in the middle those of each step, "
                   "right all others; nothing is averaged over runs, whose colour is what they are seeds of.",
    .examples = "needlescope figure trace trace.h5 -o trace.pdf",
    .run = figure_trace,
};
