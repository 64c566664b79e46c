/* cmd_figure_growth.c - the heads of one run at chosen steps, small multiples. */
#include "cli/commands.h"
#include "cli/figure.h"

typedef struct growth_settings {
    const char *run, *score;
    cli_ints steps;
    int64_t top;
    cli_look look;
} growth_settings;
static const growth_settings defaults = {.look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(growth_settings, name)
static const cli_option options[] = {
    {"run", 'r', CLI_TEXT, FIELD(run), "NAME", "the run, by its name in the study (default the first)"},
    {"score", 's', CLI_TEXT, FIELD(score), "NAME", "the score to draw (default retrieval_find, else the first retrieval score)"},
    {"steps", 0, CLI_INTS, FIELD(steps), "N,N,...", "scored steps, ascending (default the first, the last, and four between)"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "outline the K best heads of the last of these steps", NULL, 1, 100000},
    CLI_LAYERS_OPTION(growth_settings),
    {0},
};
#undef FIELD

static int figure_growth(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const growth_settings *const s = settings;
    const ns_growth_plot plot = {.size = sizeof plot,
                                 .file = args[0],
                                 .run = s->run,
                                 .score = s->score,
                                 .steps = s->steps.list,
                                 .n_steps = (int)s->steps.n,
                                 .top = s->top};
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    rc = rc != NS_OK ? rc : ns_plot_growth(s->look.out, &plot, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_growth = {
    .name = "figure growth",
    .section = "Figures",
    .summary = "Draws every head of one run at chosen steps: heads being born",
    .arguments = "STUDY",
    .min_args = 1,
    .max_args = 1,
    .groups = {{"Options", options, 0}, CLI_LOOK_GROUPS(growth_settings), CLI_TIME_GROUP(growth_settings), CLI_CELL_GROUP(growth_settings)},
    .settings_size = sizeof(growth_settings),
    .defaults = &defaults,
    .description =
        "Layer x head maps of one score with one scale and one colour bar, in the order of training. --x tokens calls them by the "
        "tokens trained on. A step that was not scored is refused, and those near it are named.",
    .examples = "needlescope figure growth study.h5 --run SSFS-W4-s100 --steps 0,100,140,200,500 --top 2 -o growth.pdf\n"
                "needlescope figure growth study.h5 --score previous_token --layers 0-3 --x tokens -o growth.png",
    .run = figure_growth,
};
