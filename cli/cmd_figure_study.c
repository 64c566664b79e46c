/* cmd_figure_study.c - figures of a study: laziness, births, pairs, curves, loss, strip. */
#include <string.h>

#include "cli/birth_rule.h"
#include "cli/commands.h"
#include "cli/figure.h"

typedef struct study_settings { cli_birth_rule rule; const char *run; cli_look look; } study_settings;
static const study_settings defaults = {.rule = CLI_BIRTH_DEFAULTS, .look = CLI_LOOK_DEFAULTS};

static const cli_option run_options[] = {
    {"run", 'r', CLI_TEXT, offsetof(study_settings, run), "NAME", "the run, by its name in the study (default the first)"},
    CLI_LAYERS_OPTION(study_settings),
    {0},
};

static int figure_study(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const study_settings *const s = settings;
    ns_emergence_params births;
    const ns_study_plot plot = {.size = sizeof plot, .file = args[0], .figure = strrchr(app->command->name, ' ') + 1, .births = &births,
                                .run = s->run};
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    rc = rc != NS_OK ? rc : cli_birth_params(&s->rule, &births, &app->err);
    rc = rc != NS_OK ? rc : ns_plot_study(s->look.out, &plot, &look, &said, &app->err);
    return rc != NS_OK ? rc : cli_say_drawn(app, s->look.out, &said);
}

#define COMMON \
    .section = "Figures", .arguments = "STUDY", .min_args = 1, .max_args = 1, .settings_size = sizeof(study_settings), \
    .defaults = &defaults, .run = figure_study
#define BIRTHS(options) {"Births", options, offsetof(study_settings, rule)}

const cli_command cli_cmd_figure_laziness = {
    COMMON,
    .name = "figure laziness",
    .summary = "Draws scores over training: a band a window or control, a row a run",
    .groups = {BIRTHS(cli_birth_options), CLI_LOOK_GROUPS(study_settings), CLI_COURSE_GROUP(study_settings)},
    .description = "Windows ascend, controls (runs of another `arm` than swa) stand beneath; in a band each run is a row, by birth, and "
                   "nothing is averaged. Panels: the "
                   "best head of the full layers, the best previous-token head below it, recall inside the window and needle accuracy, as "
                   "far as the study has them. "
                   "A white bar is a birth, as wide as the interval between checkpoints in which it lies; a triangle says that there was "
                   "none up to the horizon; a "
                   "cross is a death. What was not measured is hatched.",
    .examples = "needlescope figure laziness study.h5 -o laziness.pdf\n"
                "needlescope figure laziness study.h5 --horizon 2e6 --leave-short -o laziness.png",
};

const cli_command cli_cmd_figure_births = {
    COMMON,
    .name = "figure births",
    .summary = "Draws the share of runs whose retrieval head is born, by window",
    .groups = {BIRTHS(cli_best_options), CLI_LOOK_GROUP(study_settings), CLI_COURSE_GROUP(study_settings)},
    .description = "Kaplan-Meier: a run that was not born up to the horizon is censored there, not left out. Windows and controls have "
                   "panels of their own.",
    .examples = "needlescope figure births study.h5 -o births.pdf",
};

const cli_command cli_cmd_figure_pairs = {
    COMMON,
    .name = "figure pairs",
    .summary = "Draws the birth of the previous-token head against that of retrieval",
    .groups = {BIRTHS(cli_birth_options), CLI_LOOK_GROUP(study_settings), CLI_COURSE_GROUP(study_settings)},
    .description = "A point a run. On the diagonal both are born at one checkpoint; a hollow point was not born up to the horizon and lies "
                   "there.",
    .examples = "needlescope figure pairs study.h5 -o pairs.pdf",
};

const cli_command cli_cmd_figure_curves = {
    COMMON,
    .name = "figure curves",
    .summary = "Draws the best head's score over training, a thin line a run",
    .groups = {BIRTHS(cli_level_options), CLI_LOOK_GROUP(study_settings), CLI_COURSE_GROUP(study_settings)},
    .description = "Nothing is averaged: means of curves that are steps invent slow ramps. The dashed line is theta.",
    .examples = "needlescope figure curves study.h5 -o curves.pdf\n"
                "needlescope figure curves study.h5 --score induction -o induction.png",
};

const cli_command cli_cmd_figure_loss = {
    COMMON,
    .name = "figure loss",
    .summary = "Draws losses over training by recall distance, a thin line a run",
    .groups = {BIRTHS(cli_horizon_options), CLI_LOOK_GROUP(study_settings), CLI_COURSE_GROUP(study_settings)},
    .description = "Of studies whose runs have the trainer's metrics: all tokens, filler, and values that can be recalled from near, mid "
                   "and far.",
    .examples = "needlescope figure loss study.h5 -o loss.pdf",
};

const cli_command cli_cmd_figure_strip = {
    COMMON,
    .name = "figure strip",
    .summary = "Draws every head of one run over training: a band a layer, a row a head",
    .groups = {{"Options", run_options, 0}, BIRTHS(cli_birth_options), CLI_LOOK_GROUPS(study_settings), CLI_COURSE_GROUP(study_settings)},
    .description = "One panel is the score, the other the score of previous-token heads. Marks are those of `figure laziness`.",
    .examples = "needlescope figure strip study.h5 --run SSFS-W4-s100 -o strip.pdf",
};
