/* cmd_laziness.c - a study of runs that differ in window and seed: are heads born later the larger the window? Births by seed and window,
 * the order of each adjacent pair of windows, two tests for trend; controls beside them. */
#include <math.h>

#include "cli/birth_rule.h"
#include "cli/commands.h"
#include "cli/out.h"

typedef struct laziness_settings { cli_birth_rule rule; const char *arm; } laziness_settings;
static const laziness_settings defaults = {.rule = CLI_BIRTH_DEFAULTS};

static const cli_option options[] = {
    {"arm", 0, CLI_TEXT, offsetof(laziness_settings, arm), "NAME",
     "the `arm` whose windows are compared (default swa, or runs that name none)"},
    {0},
};

/* ---- the answer ---- */

static void print_births(cli_out *o, const ns_laziness *l, const char *key, const char *title, bool previous)
{
    static const cli_column columns[] = {
        {"window", "window", CELL_NUMBER}, {"seed", "seed", CELL_INT}, {"run", "run", CELL_TEXT}, {"born", "born", CELL_TEXT}};
    const ns_study *const study = l->births->study;
    cli_out_table(o, key, title, columns, sizeof columns / sizeof *columns);
    for (int64_t j = 0; j < l->W; j++)
        for (int64_t k = 0; k < l->group[j]->n; k++) {
            char text[NS_EVENT_TEXT];
            const int64_t run = l->group[j]->runs[k];
            const ns_run_emergence *const found = &l->births->runs[run];
            cli_cell_number(o, l->group[j]->window);
            cli_cell_int(o, (int64_t)ns_study_run_number(study, run, "seed", (double)NAN));
            cli_cell_text(o, ns_study_run_name(study, run));
            cli_cell_text(o, ns_event_text(previous ? found->previous : found->best, text));
        }
    cli_out_table_end(o);
}

static void print_pairs(cli_out *o, const ns_laziness *l, const char *key, const ns_birth_grid *grid)
{
    static const cli_column columns[] = {{"smaller", "window", CELL_NUMBER},
                                         {"larger", "before", CELL_NUMBER},
                                         {"earlier", "earlier", CELL_INT},
                                         {"later", "later", CELL_INT},
                                         {"same", "undecided", CELL_INT},
                                         {"seeds", "seeds", CELL_INT},
                                         {"p", "p", CELL_NUMBER},
                                         {"verdict", "", CELL_TEXT}};
    cli_out_table(o, key, "Is the smaller window earlier?", columns, sizeof columns / sizeof *columns);
    for (int64_t j = 0; j + 1 < l->W; j++) {
        const ns_order order = ns_order_in(grid, j, j + 1);
        char verdict[NS_VERDICT_TEXT];
        cli_cell_number(o, l->group[j]->window);
        cli_cell_number(o, l->group[j + 1]->window);
        cli_cell_int(o, order.earlier);
        cli_cell_int(o, order.later);
        cli_cell_int(o, order.same);
        cli_cell_int(o, order.n);
        cli_cell_number(o, order.p);
        cli_cell_text(o, ns_order_verdict(order, 0, verdict));
    }
    cli_out_table_end(o);
}

static void print_one(cli_out *o, const ns_laziness *l, bool previous)
{
    const ns_birth_grid *const grid = previous ? &l->previous : &l->best;
    const ns_grid_trend t = ns_trend_of(grid);
    print_births(o, l, previous ? "previous_births" : "births", previous ? "Births of the previous-token head" : "Births of the best head",
                 previous);
    print_pairs(o, l, previous ? "previous_pairs" : "pairs", grid);
    cli_out_int(o, previous ? "previous_page_seeds" : "page_seeds", "seeds with all windows", t.n_seeds);
    cli_out_number(o, previous ? "previous_page_p" : "page_p", "Page's L, p", t.page);
    cli_out_number(o, previous ? "previous_logrank_p" : "logrank_p", "log-rank trend, p", t.logrank);
}

static void print_controls(cli_out *o, const ns_laziness *l)
{
    static const cli_column columns[] = {{"group", "other runs", CELL_TEXT},
                                         {"seeds", "seeds", CELL_INT},
                                         {"born", "born", CELL_INT},
                                         {"median", "median", CELL_TEXT},
                                         {"median_previous", "previous", CELL_TEXT}};
    const ns_emergence *const e = l->births;
    cli_out_table(o, "controls", "Controls: what else delays, or does not", columns, sizeof columns / sizeof *columns);
    for (int64_t i = 0; i < e->n_groups; i++) {
        const ns_seed_group *const g = &e->groups[i];
        char text[NS_GROUP_TEXT], time[NS_EVENT_TEXT];
        if (!l->control[i])
            continue;
        cli_cell_text(o, ns_group_text(g, ns_study_run_name(e->study, g->runs[0]), text));
        cli_cell_int(o, g->n);
        cli_cell_int(o, g->interval.born);
        cli_cell_text(o, ns_time_text(g->interval.median, e->horizon, time));
        cli_cell_text(o, ns_time_text(g->median_previous, e->horizon, time));
    }
    cli_out_table_end(o);
}

static int print(cli *app, const ns_laziness *l)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.laziness/1");
    cli_out_text(&o, "score", "score", l->births->score);
    cli_out_number(&o, "theta", "alive from", l->births->birth.theta);
    cli_out_text(&o, "axis", "births in", l->births->in_tokens ? "tokens" : "steps");
    cli_out_number(&o, "horizon", "horizon", l->births->horizon);
    print_one(&o, l, false);
    if (l->births->previous)
        print_one(&o, l, true);
    print_controls(&o, l);
    return cli_out_end(&o, &app->err);
}

static int laziness(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const laziness_settings *const s = settings;
    ns_emergence_params params;
    ns_study *study = NULL;
    ns_emergence *e = NULL;
    ns_laziness *l = NULL;
    int rc = cli_birth_params(&s->rule, &params, &app->err);
    rc = rc ? rc : ns_study_open(&study, args[0], &app->err);
    rc = rc ? rc : ns_emergence_run(&e, study, &params, &app->err);
    rc = rc ? rc : ns_laziness_of(&l, e, s->arm, &app->err);
    rc = rc ? rc : print(app, l);
    ns_laziness_free(l);
    ns_emergence_free(e);
    ns_study_close(study);
    return rc;
}

const cli_command cli_cmd_laziness = {
    .name = "laziness",
    .section = "Follow training",
    .summary = "Are heads born later the larger the window? Order and trend over the seeds of a study",
    .arguments = "STUDY",
    .min_args = 1,
    .max_args = 1,
    .groups = {{"Births", cli_birth_options, offsetof(laziness_settings, rule)}, {"Options", options, 0}},
    .settings_size = sizeof(laziness_settings),
    .defaults = &defaults,
    .description = "Births as `emergence` finds them, of the best head and of the previous-token head, by the `window` and `seed` of each "
                   "run's run.json. A claim is made for each "
                   "adjacent pair of windows: in how many seeds the smaller one is earlier, with its own exact p; it \"holds\" "
                   "where every seed shows it with p <= .05, which takes five. Over all windows: Page's L with seeds as blocks (exact, "
                   "one-sided; up to 8 windows), and a log-rank test for trend, which takes a censored birth for what it is, with windows "
                   "permuted within seeds.\n\n"
                   "Runs of another arm are controls, and are listed beside: a control that is as late without a window, or as early with "
                   "a large one, refutes the claim.",
    .examples = "needlescope laziness study.h5\n"
                "needlescope laziness study.h5 --theta .3 --json",
    .run = laziness,
};
