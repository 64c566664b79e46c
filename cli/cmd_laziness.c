/* cmd_laziness.c - a study of runs that differ in window and seed: are heads born later the larger the window? Births by seed and window,
 * the order of each adjacent pair of windows, two tests for trend; controls beside them. */
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

static int print(cli *app, const ns_laziness *l)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.laziness/1");
    const ns_answer answer = cli_out_answer(&o);
    ns_laziness_tell(l, &answer);
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
    rc = rc != NS_OK ? rc : ns_study_open(&study, args[0], &app->err);
    rc = rc != NS_OK ? rc : ns_emergence_run(&e, study, &params, &app->err);
    rc = rc != NS_OK ? rc : ns_emergence_check(e, &app->err);
    rc = rc != NS_OK ? rc : ns_laziness_of(&l, e, s->arm, &app->err);
    rc = rc != NS_OK ? rc : print(app, l);
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
