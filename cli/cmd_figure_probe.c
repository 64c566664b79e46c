/* cmd_figure_probe.c - layer-wise probing, drawn: accuracy by layer, or layer x step. */
#include <needlescope/plot.h>

#include "cli/commands.h"
#include "cli/figure.h"

typedef struct probe_settings {
    cli_numbers distances;
    const char *run;
    cli_look    look;
} probe_settings;
static const probe_settings defaults = {.look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(probe_settings, name)
static const cli_option options[] = {
    {"distances", 'd', CLI_NUMBERS, FIELD(distances), "N,...", "which distances (default all; of a study one, default all cases at once)"},
    {"run", 0, CLI_TEXT, FIELD(run), "NAME", "which run of a study (default the first)"},
    {0},
};
#undef FIELD

static int figure_probe(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const probe_settings *const s = settings;
    const ns_figure_params look = cli_look_params(app, &s->look);
    const ns_probe_plot plot = {.size = sizeof plot, .file = args[0], .distances = s->distances.list, .n_distances = (int)s->distances.n,
                                .run = s->run};
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK)
        rc = ns_plot_probe(s->look.out, &plot, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_probe = {
    .name = "figure probe", .section = "Figures", .summary = "Draws at which layers the answer can be read, by distance or over training",
    .arguments = "FILE", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}, CLI_LOOK_GROUP(probe_settings)},
    .settings_size = sizeof(probe_settings), .defaults = &defaults,
    .description = "A file of `probe`: accuracy of the linear reader of each layer with its 95 % interval, chance, and the two controls; a "
                   "panel a distance; sliding and recurrent layers have a tick. A study of `scan --probe linear_probe`: layer x step.",
    .examples = "needlescope figure probe probe.h5 -o probe.pdf\n"
                "needlescope figure probe study.h5 --run SSFS-s0 --distances 512 -o steps.pdf",
    .run = figure_probe,
};
