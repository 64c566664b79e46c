/* cmd_figure_compare.c - the heads of two models, or of two steps, side by side, and their difference. */
#include "cli/commands.h"
#include "cli/figure.h"

typedef struct compare_settings {
    const char *run, *score;
    cli_ints steps;
    int64_t top;
    cli_look look;
} compare_settings;
static const compare_settings defaults = {.look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(compare_settings, name)
static const cli_option options[] = {
    {"score", 's', CLI_TEXT, FIELD(score), "NAME", "the score to draw (default retrieval_find, else the first retrieval score)"},
    {"steps", 0, CLI_INTS, FIELD(steps), "A,B", "of a study: the two steps"},
    {"run", 'r', CLI_TEXT, FIELD(run), "NAME", "of a study: the run, by its name (default the first)"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "outline the K heads that differ most", NULL, 1, 100000},
    CLI_LAYERS_OPTION(compare_settings),
    {0},
};
#undef FIELD

static int figure_compare(cli *app, const void *settings, char **args, int n_args)
{
    const compare_settings *const s = settings;
    const ns_compare_plot plot = {.size = sizeof plot,
                                  .files = (const char *const *)args,
                                  .n_files = n_args,
                                  .score = s->score,
                                  .run = s->run,
                                  .steps = s->steps.list,
                                  .n_steps = (int)s->steps.n,
                                  .top = s->top};
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    rc = rc != NS_OK ? rc : ns_plot_compare(s->look.out, &plot, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_compare = {
    .name = "figure compare",
    .section = "Figures",
    .summary = "Draws the heads of two models or steps side by side, with their difference",
    .arguments = "SCORES SCORES | STUDY",
    .min_args = 1,
    .max_args = 2,
    .groups = {{"Options", options, 0},
               CLI_LOOK_GROUPS(compare_settings),
               CLI_TIME_GROUP(compare_settings),
               CLI_CELL_GROUP(compare_settings)},
    .settings_size = sizeof(compare_settings),
    .defaults = &defaults,
    .description =
        "Two score files whose models have as many layers and heads, or two steps of a run of a study. The first two maps have one "
        "scale (--colormap, --vmin and --vmax are theirs); the third is the second less the first, red where it has more.",
    .examples = "needlescope figure compare base.h5 instruct.h5 --score retrieval_find --top 5 -o compare.pdf\n"
                "needlescope figure compare study.h5 --steps 100,500 -o compare.png",
    .run = figure_compare,
};
