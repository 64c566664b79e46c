/* cmd_figure_agreement.c - do scores mean the same heads? Rank correlation or overlap of the top ten, score against score. */
#include "cli/commands.h"
#include "cli/figure.h"

typedef struct agreement_settings { cli_words score; int by; cli_look look; } agreement_settings;
static const agreement_settings defaults = {.look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(agreement_settings, name)
static const cli_option options[] = {
    {"score", 's', CLI_WORDS, FIELD(score), "NAME,...", "these scores (default all but the _nosink twins)"},
    {"by", 0, CLI_CHOICE, FIELD(by), "WHAT", "overlap of the ten best heads (default), or rank correlation over all", "jaccard10|spearman"},
    {0},
};
#undef FIELD

static int figure_agreement(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const agreement_settings *const s = settings;
    const ns_agreement_plot plot = {.size = sizeof plot, .file = args[0], .scores = s->score.list, .n_scores = (int)s->score.n,
                                    .spearman = s->by == 1};
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK)
        rc = ns_plot_agreement(s->look.out, &plot, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_agreement = {
    .name = "figure agreement",
    .section = "Figures",
    .summary = "Draws how far scores mean the same heads, score against score",
    .arguments = "SCORES",
    .min_args = 1,
    .max_args = 1,
    .groups = {{"Options", options, 0},
               CLI_LOOK_GROUPS(agreement_settings),
               CLI_ORDER_GROUP(agreement_settings),
               CLI_CELL_GROUP(agreement_settings)},
    .settings_size = sizeof(agreement_settings),
    .defaults = &defaults,
    .description = "The overlap of the ten best heads of two scores (Jaccard), or Spearman's rank correlation over all heads, as `score` "
                   "wrote them.",
    .examples = "needlescope figure agreement scores.h5 --score retrieval_find,retrieval_continue,retrieval_mass -o a.pdf\n"
                "needlescope figure agreement scores.h5 --by spearman -o agreement.png",
    .run = figure_agreement,
};
