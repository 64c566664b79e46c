/* cmd_figure_rank.c - the best heads of scores by rank, with their intervals over cases. */
#include "cli/commands.h"
#include "cli/figure.h"

typedef struct rank_settings { cli_words score; int64_t top; cli_look look; } rank_settings;
static const rank_settings defaults = {.top = 20, .look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(rank_settings, name)
static const cli_option options[] = {
    {"score", 's', CLI_WORDS, FIELD(score), "NAME,...",
     "the scores to draw, a panel each (default retrieval_find, else the first retrieval score)"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "so many heads (default 20)", NULL, 1, 256},
    CLI_LAYERS_OPTION(rank_settings),
    {0},
};
#undef FIELD

static int figure_rank(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const rank_settings *const s = settings;
    const ns_rank_plot plot = {.size = sizeof plot, .file = args[0], .scores = s->score.list, .n_scores = (int)s->score.n, .top = s->top};
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK)
        rc = ns_plot_rank(s->look.out, &plot, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_rank = {
    .name = "figure rank",
    .section = "Figures",
    .summary = "Draws the best heads of scores by rank, with intervals over cases",
    .arguments = "SCORES",
    .min_args = 1,
    .max_args = 1,
    .groups = {{"Options", options, 0}, CLI_LOOK_GROUP(rank_settings), CLI_ORDER_GROUP(rank_settings)},
    .settings_size = sizeof(rank_settings),
    .defaults = &defaults,
    .description = "Each head has its name (layer.head) while there is room. Intervals are those that `score` found by resampling cases; "
                   "the dashed line is the mean of the same "
                   "heads at the placebo, where the score has one. A shard of a scan has no intervals.",
    .examples = "needlescope figure rank scores.h5 --score retrieval_find,retrieval_continue --top 15 -o rank.pdf",
    .run = figure_rank,
};
