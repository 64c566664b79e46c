/* cmd_figure_grid.c - the needle grid: by length and depth or distance, how often the model answers, or how often a head finds the
 * needle. */
#include "cli/commands.h"
#include "cli/figure.h"

typedef struct grid_settings { int of, by; cli_heads heads; cli_look look; } grid_settings;
static const grid_settings defaults = {.look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(grid_settings, name)
static const cli_option options[] = {
    {"of", 0, CLI_CHOICE, FIELD(of), "WHAT", "first answer token right (default), whole answer right, or a head's finds (with --head)",
     "first|answered|find"},
    {"head", 'n', CLI_HEADS, FIELD(heads), "L.H", "the head of --of find"},
    {"by", 0, CLI_CHOICE, FIELD(by), "PLACE",
     "columns: depths where the cases have them, else distances (default: auto); or one of the two",
     "auto|depth|distance"},
    {0},
};
#undef FIELD

static int check(cli *app, const grid_settings *s)
{
    if (s->of != NS_GRID_FIND && s->heads.n)
        return ns_fail(&app->err, NS_E_ARG, "--head belongs to --of find");
    if (s->of == NS_GRID_FIND && s->heads.n != 1)
        return ns_fail(&app->err, NS_E_ARG, "--of find: say which head (--head L.H), one; %lld were named", (long long)s->heads.n);
    return cli_look_check(app, &s->look);
}

static int figure_grid(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const grid_settings *const s = settings;
    const ns_grid_plot plot = {.size = sizeof plot, .file = args[0], .of = s->of, .by = s->by,
                               .head = s->heads.n ? s->heads.list[0] : (ns_head){0}};
    const ns_figure_params look = cli_look_params(app, &s->look);
    ns_plotted said = {.size = sizeof said};
    int rc = check(app, s);
    if (rc == NS_OK)
        rc = ns_plot_grid(s->look.out, &plot, &look, &said, &app->err);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, &said) : rc;
}

const cli_command cli_cmd_figure_grid = {
    .name = "figure grid",
    .section = "Figures",
    .summary = "Draws the needle grid: right answers, or a head's finds, by length and place",
    .arguments = "SCORES",
    .min_args = 1,
    .max_args = 1,
    .groups = {{"Options", options, 0}, CLI_LOOK_GROUPS(grid_settings), CLI_ORDER_GROUP(grid_settings), CLI_CELL_GROUP(grid_settings)},
    .settings_size = sizeof(grid_settings),
    .defaults = &defaults,
    .description = "A row is a length that was asked for, a column a depth, or a distance in tokens from the query back to the "
                   "needle (cases needle --distances); more than twelve become ten bins. A cell is a mean over its "
                   "cases, whose number is in brackets "
                   "where it differs; what no case covers is hatched, and counted. Twins (cases needle --twins) are left out: their "
                   "needles lie where nobody asked for them, or nowhere.",
    .examples = "needlescope figure grid scores.h5 -o grid.pdf\n"
                "needlescope figure grid scores.h5 --of find --head 18.6 -o head.png\n"
                "needlescope figure grid far.h5 --by distance -o far.pdf",
    .run = figure_grid,
};
