/* cmd_figure_heads.c - a score of every head: layer x head. */
#include "cli/commands.h"
#include "cli/figure.h"

typedef struct heads_settings { cli_words score; cli_heads mark; int64_t top, split; cli_look look; } heads_settings;
static const heads_settings defaults = {.look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(heads_settings, name)
static const cli_option heads_options[] = {
    {"score", 's', CLI_WORDS, FIELD(score), "NAME,...",
     "the score to draw; several stand side by side (default retrieval_find, else the first retrieval score)"},
    {"mark", 'm', CLI_HEADS, FIELD(mark), "L.H,...", "outline these heads"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "outline the K best heads", NULL, 1, 100000},
    {"split", 0, CLI_INT, FIELD(split), "N", "each score twice: needles nearer to the query than N tokens (a window), and the others", NULL,
     1, INT32_MAX},
    CLI_LAYERS_OPTION(heads_settings),
    {0},
};
#undef FIELD

static int figure_heads(cli *app, const void *settings, char **args, int n_args)
{
    const heads_settings *const s = settings;
    const ns_heads_plot plot = {.size = sizeof plot, .files = (const char *const *)args, .n_files = n_args, .scores = s->score.list,
                                .n_scores = (int)s->score.n,
                                .marks = s->mark.list, .n_marks = (int)s->mark.n, .top = s->top,
                                .split = s->split};
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK)
        rc = ns_plot_heads(s->look.out, &plot, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_heads = {
    .name = "figure heads",
    .section = "Figures",
    .summary = "Draws a score of every head: layer x head",
    .arguments = "SCORES...",
    .min_args = 1,
    .max_args = NS_FIGURE_HEADS,
    .groups = {{"Options", heads_options, 0},
               CLI_LOOK_GROUPS(heads_settings),
               CLI_ORDER_GROUP(heads_settings),
               CLI_CELL_GROUP(heads_settings)},
    .settings_size = sizeof(heads_settings),
    .defaults = &defaults,
    .description = "Several scores, or the same of several files, stand side by side; one scale for all is --vmin and --vmax. Outlined are "
                   "heads that score: of --top 10 there may be fewer. The tick on a colour bar is the chance of its own score, where it is "
                   "known. The strip at the left says which layers have full attention, a sliding window, or none. The file's ending "
                   "chooses "
                   "PNG, PDF or SVG; the command line goes into its metadata.",
    .examples = "needlescope figure heads scores.h5 --score retrieval_mass -o heads.pdf\n"
                "needlescope figure heads scores.h5 --score retrieval_find,retrieval_continue,induction --top 5 -o heads.png\n"
                "needlescope figure heads far.h5 --score retrieval_find,retrieval_continue --split 512 -o windows.pdf\n"
                "needlescope figure heads z.h5 q.h5 --score recovery --vmin -0.8 --vmax 0.8 -o recovery.pdf",
    .run = figure_heads,
};
