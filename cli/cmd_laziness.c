/* cmd_laziness.c - a study of runs that differ in window and seed: are heads born later the larger the window? Births by seed and window, the order of each
 * adjacent pair of windows, two tests for trend; controls beside them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/births_text.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/trend.h"

enum { MOST_WINDOWS = 64 };

typedef struct laziness_settings { cli_birth_rule rule; const char *arm; } laziness_settings;
static const laziness_settings defaults = {.rule = CLI_BIRTH_DEFAULTS};

static const cli_option options[] = {
    {"arm", 0, CLI_TEXT, offsetof(laziness_settings, arm), "NAME", "the `arm` whose windows are compared (default swa, or runs that name none)"},
    {0},
};

/* The study's groups that are compared, by window; the seeds that occur among them. */
typedef struct windows {
    const ns_emergence *e;
    const ns_seed_group *group[MOST_WINDOWS];
    int      W;
    double  *seed;                       /* [S] ascending */
    int64_t  S, capacity;
} windows;

static bool is_compared(const ns_seed_group *g, const char *arm)
{
    return !isnan(g->window) && (arm ? g->arm && strcmp(g->arm, arm) == 0 : !g->arm || strcmp(g->arm, "swa") == 0);
}

static int add_window(cli *app, windows *w, const ns_seed_group *g)
{
    int at = 0;
    while (at < w->W && w->group[at]->window < g->window)
        at++;
    if (at < w->W && w->group[at]->window == g->window) {
        char a[CLI_GROUP], b[CLI_GROUP];
        return ns_fail(&app->err, NS_E_ARG, "two groups of runs have window %.0f ('%s' and '%s'): give them `arm`s of their own in their run.json, and choose with --arm",
                       g->window, cli_group_text(w->group[at], ns_study_run_name(w->e->study, w->group[at]->runs[0]), a),
                       cli_group_text(g, ns_study_run_name(w->e->study, g->runs[0]), b));
    }
    if (w->W == MOST_WINDOWS)
        return ns_fail(&app->err, NS_E_ARG, "more than %d windows", MOST_WINDOWS);
    memmove(w->group + at + 1, w->group + at, (size_t)(w->W++ - at) * sizeof *w->group);
    w->group[at] = g;
    return NS_OK;
}

static double seed_of(const windows *w, int64_t run)
{
    return ns_study_run_number(w->e->study, run, "seed", (double)NAN);
}

static int add_seed(cli *app, windows *w, double seed)
{
    int64_t at = 0;
    while (at < w->S && w->seed[at] < seed)
        at++;
    if (at < w->S && w->seed[at] == seed)
        return NS_OK;
    if (!ns_grow(&w->seed, &w->capacity, w->S + 1, sizeof *w->seed))
        return ns_oom(&app->err, "seeds");
    memmove(w->seed + at + 1, w->seed + at, (size_t)(w->S++ - at) * sizeof *w->seed);
    w->seed[at] = seed;
    return NS_OK;
}

static int find_windows(cli *app, const char *arm, windows *w)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < w->e->n_groups && rc == NS_OK; i++) {
        const ns_seed_group *const g = &w->e->groups[i];
        if (!is_compared(g, arm))
            continue;
        rc = add_window(app, w, g);
        for (int64_t k = 0; k < g->n && rc == NS_OK; k++)
            rc = isnan(seed_of(w, g->runs[k])) ? ns_fail(&app->err, NS_E_ARG, "run '%s' has no `seed`: seeds are the unit here", ns_study_run_name(w->e->study, g->runs[k]))
                                               : add_seed(app, w, seed_of(w, g->runs[k]));
    }
    if (rc == NS_OK && w->W < 2)
        rc = ns_fail(&app->err, NS_E_ARG, "%d windows to compare%s%s: the runs need a `window` each (and a `seed`) in their run.json", w->W, arm ? " in arm " : "",
                     arm ? arm : "");
    return rc;
}

static ns_event event_of(const windows *w, int64_t run, bool previous)
{
    return previous ? w->e->runs[run].previous : w->e->runs[run].best;
}

/* A seed that has a window twice is an error: which one is meant? */
static int fill_grid(cli *app, const windows *w, bool previous, cli_birth_grid *grid)
{
    if (!cli_birth_grid_new(grid, w->S, w->W))
        return ns_oom(&app->err, "births");
    for (int j = 0; j < w->W; j++)
        for (int64_t k = 0; k < w->group[j]->n; k++) {
            const int64_t run = w->group[j]->runs[k];
            int64_t s = 0;
            while (w->seed[s] != seed_of(w, run))
                s++;
            if (!isnan(grid->time[s * w->W + j]))
                return ns_fail(&app->err, NS_E_ARG, "two runs have window %.0f and seed %.0f; one is '%s'", w->group[j]->window, w->seed[s], ns_study_run_name(w->e->study, run));
            grid->time[s * w->W + j] = event_of(w, run, previous).at;
            grid->limit[s * w->W + j] = event_of(w, run, previous).after;
        }
    return NS_OK;
}

/* ---- the answer ---- */

static void print_births(cli_out *o, const windows *w, const char *key, const char *title, bool previous)
{
    static const cli_column columns[] = {{"window", "window", CELL_NUMBER}, {"seed", "seed", CELL_INT}, {"run", "run", CELL_TEXT}, {"born", "born", CELL_TEXT}};
    cli_out_table(o, key, title, columns, sizeof columns / sizeof *columns);
    for (int j = 0; j < w->W; j++)
        for (int64_t k = 0; k < w->group[j]->n; k++) {
            char text[CLI_EVENT];
            const int64_t run = w->group[j]->runs[k];
            cli_cell_number(o, w->group[j]->window);
            cli_cell_int(o, (int64_t)seed_of(w, run));
            cli_cell_text(o, ns_study_run_name(w->e->study, run));
            cli_cell_text(o, cli_event_text(event_of(w, run, previous), text));
        }
    cli_out_table_end(o);
}

static void print_pairs(cli_out *o, const windows *w, const char *key, const char *title, const cli_birth_grid *grid)
{
    static const cli_column columns[] = {{"smaller", "window", CELL_NUMBER}, {"larger", "before", CELL_NUMBER}, {"earlier", "earlier", CELL_INT},
                                         {"later", "later", CELL_INT}, {"same", "undecided", CELL_INT}, {"seeds", "seeds", CELL_INT}, {"p", "p", CELL_NUMBER}, {"verdict", "", CELL_TEXT}};
    cli_out_table(o, key, title, columns, sizeof columns / sizeof *columns);
    for (int j = 0; j + 1 < w->W; j++) {
        const cli_order order = cli_order_in(grid, j, j + 1);
        cli_cell_number(o, w->group[j]->window);
        cli_cell_number(o, w->group[j + 1]->window);
        cli_cell_int(o, order.earlier);
        cli_cell_int(o, order.later);
        cli_cell_int(o, order.same);
        cli_cell_int(o, order.n);
        cli_cell_number(o, cli_pair_p(grid, j, j + 1));
        cli_cell_text(o, cli_order_verdict(order));
    }
    cli_out_table_end(o);
}

static int print_one(cli *app, cli_out *o, const windows *w, bool previous)
{
    cli_birth_grid grid;
    const int rc = fill_grid(app, w, previous, &grid);
    if (rc == NS_OK) {
        const cli_trend t = cli_trend_of(&grid);
        print_births(o, w, previous ? "previous_births" : "births", previous ? "Births of the previous-token head" : "Births of the best head", previous);
        print_pairs(o, w, previous ? "previous_pairs" : "pairs", "Is the smaller window earlier?", &grid);
        cli_out_int(o, previous ? "previous_page_seeds" : "page_seeds", "seeds with all windows", t.n_seeds);
        cli_out_number(o, previous ? "previous_page_p" : "page_p", "Page's L, p", t.page);
        cli_out_number(o, previous ? "previous_logrank_p" : "logrank_p", "log-rank trend, p", t.logrank);
    }
    cli_birth_grid_clear(&grid);
    return rc;
}

static void print_controls(cli_out *o, const ns_emergence *e, const char *arm)
{
    static const cli_column columns[] = {{"group", "other runs", CELL_TEXT}, {"seeds", "seeds", CELL_INT}, {"born", "born", CELL_INT}, {"median", "median", CELL_TEXT},
                                         {"median_previous", "previous", CELL_TEXT}};
    cli_out_table(o, "controls", "Controls: what else delays, or does not", columns, sizeof columns / sizeof *columns);
    for (int64_t i = 0; i < e->n_groups; i++) {
        const ns_seed_group *const g = &e->groups[i];
        char text[CLI_GROUP], time[CLI_EVENT];
        if (is_compared(g, arm))
            continue;
        cli_cell_text(o, cli_group_text(g, ns_study_run_name(e->study, g->runs[0]), text));
        cli_cell_int(o, g->n);
        cli_cell_int(o, g->interval.born);
        cli_cell_text(o, cli_time_text(g->interval.median, e->horizon, time));
        cli_cell_text(o, cli_time_text(g->median_previous, e->horizon, time));
    }
    cli_out_table_end(o);
}

static int print(cli *app, const windows *w, const char *arm)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.laziness/1");
    cli_out_text(&o, "score", "score", w->e->score);
    cli_out_number(&o, "theta", "alive from", w->e->birth.theta);
    cli_out_text(&o, "axis", "births in", w->e->in_tokens ? "tokens" : "steps");
    cli_out_number(&o, "horizon", "horizon", w->e->horizon);
    int rc = print_one(app, &o, w, false);
    if (rc == NS_OK && w->e->previous)
        rc = print_one(app, &o, w, true);
    if (rc == NS_OK) {
        print_controls(&o, w->e, arm);
        rc = cli_out_end(&o, &app->err);
    }
    cli_out_drop(&o);
    return rc;
}

static int laziness(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const laziness_settings *const s = settings;
    ns_emergence_params params;
    ns_study *study = NULL;
    ns_emergence *e = NULL;
    int rc = cli_birth_params(&s->rule, &params, &app->err);
    rc = rc ? rc : ns_study_open(&study, args[0], &app->err);
    rc = rc ? rc : ns_emergence_run(&e, study, &params, &app->err);
    windows w = {.e = e};
    rc = rc ? rc : find_windows(app, s->arm, &w);
    rc = rc ? rc : print(app, &w, s->arm);
    free(w.seed);
    ns_emergence_free(e);
    ns_study_close(study);
    return rc;
}

const cli_command cli_cmd_laziness = {
    .name = "laziness", .section = "Follow training", .summary = "Are heads born later the larger the window? Order and trend over the seeds of a study",
    .arguments = "STUDY", .min_args = 1, .max_args = 1,
    .groups = {{"Births", cli_birth_options, offsetof(laziness_settings, rule)}, {"Options", options, 0}},
    .settings_size = sizeof(laziness_settings), .defaults = &defaults,
    .description = "Births as `emergence` finds them, of the best head and of the previous-token head, by the `window` and `seed` of each run's run.json. A claim is made for each "
                   "adjacent pair of windows: in how many seeds the smaller one is earlier, with its own exact p. Over all windows: Page's L with seeds as blocks (exact, "
                   "one-sided; up to 8 windows), and a log-rank test for trend, which takes a censored birth for what it is, with windows permuted within seeds.\n\n"
                   "Runs of another arm are controls, and are listed beside: a control that is as late without a window, or as early with a large one, refutes the claim.",
    .examples = "needlescope laziness study.h5\n"
                "needlescope laziness study.h5 --theta .3 --json",
    .run = laziness,
};
