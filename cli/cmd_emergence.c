/* cmd_emergence.c - a study -> when heads are born and die: of every run the best ones, over thresholds, against chance; over seeds; the
 * sets of top heads; checkpoints that look wrong. All heads' lives go to a CSV. */
#include <string.h>

#include "cli/birth_rule.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"

typedef struct emergence_settings {
    cli_birth_rule rule;
    const char *out;
    int64_t     top, resamples, seed;
} emergence_settings;

#define FIELD(name) offsetof(emergence_settings, name)
static const cli_option options[] = {
    {"top", 'k', CLI_INT, FIELD(top), "K", "heads in the sets that are traced (default 4)", NULL, 1, 100000},
    {"resamples", 0, CLI_INT, FIELD(resamples), "N", "resamples and permutations (default 1000 and 999)", NULL, 1, 1000000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of the resampling (default 0)", NULL, 0, INT64_MAX},
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE.csv", "write the lives of all heads", .makes = NS_KINDS(NS_KIND_TEXT)},
    {0},
};
#undef FIELD
static const emergence_settings defaults = {.rule = CLI_BIRTH_DEFAULTS, .top = 4};

static int print(cli *app, const ns_emergence *e, const char *path)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.emergence/1");
    const ns_answer answer = cli_out_answer(&o);
    ns_emergence_tell(e, &answer);
    cli_out_text(&o, "births", "lives of all heads", path);
    return cli_out_end(&o, &app->err);
}

static void warn_of(cli *app, const ns_emergence *e)
{
    if (e->null_control && strcmp(e->null_control, "placebo") == 0)
        cli_note(
            app,
            "the study has no hits at distractors: the null exchanges needle and placebo, and a head that looks at any value passes it");
    for (int64_t r = 0; r < e->shape.R; r++) {
        const char *const name = ns_study_run_name(e->study, r);
        if (e->runs[r].measured == 0)
            cli_note(app, "run '%s': no scored checkpoint up to the horizon; left out", name);
        else if (e->runs[r].any_kind)
            cli_note(app, "run '%s' has no full-attention layer: its best head is over all heads", name);
    }
}

static int emergence(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const emergence_settings *const s = settings;
    ns_emergence_params params;
    ns_study *study = NULL;
    ns_emergence *e = NULL;
    int rc = cli_birth_params(&s->rule, &params, &app->err);
    params.top = s->top;
    params.resamples = s->resamples;
    params.seed = (uint64_t)s->seed;
    if (rc == NS_OK)
        rc = ns_study_open(&study, args[0], &app->err);
    if (rc == NS_OK)
        rc = ns_emergence_run(&e, study, &params, &app->err);
    if (rc == NS_OK)
        rc = ns_emergence_check(e, &app->err);
    if (rc == NS_OK) {
        warn_of(app, e);
        rc = s->out ? ns_emergence_write_csv(e, s->out, &app->by, &app->err) : NS_OK;
    }
    if (rc == NS_OK)
        rc = print(app, e, s->out);
    ns_emergence_free(e);
    ns_study_close(study);
    return rc;
}

const cli_command cli_cmd_emergence = {
    .name = "emergence", .section = "Follow training", .summary = "When heads are born and die over the checkpoints of a study",
    .arguments = "STUDY", .min_args = 1, .max_args = 1,
    .groups = {{"Births", cli_birth_options, offsetof(emergence_settings, rule)}, {"Options", options, 0}},
    .settings_size = sizeof(emergence_settings), .defaults = &defaults,
    .description = "A head is born at the first of 3 measured checkpoints in a row with a score of .5 or more (where uniform attention "
                   "gives more than 1/8, of .5 of what is left above that; the thresholds are printed); what is known is the interval (the "
                   "measured checkpoint before, this one], and that is printed. \">T\": not born by T, the last checkpoint at which a "
                   "birth could still be confirmed. Runs are compared up to the horizon that all of them reached.\n\n"
                   "The best head is the largest score over the heads of full-attention layers at each checkpoint, the previous-token head "
                   "the best one below the layer of the head that retrieves; in a run that never retrieves, below the first full-attention "
                   "layer. A maximum over heads is large by chance: null 95% is what it reaches when needle and distractors (without "
                   "those: a placebo) change names at random.\n\n"
                   "The unit is the seed. From 5 seeds on the median has an interval: seeds resampled, their cases too. A logistic "
                   "midpoint stands beside the births, with the reason where it must not be used. Checkpoints are flagged that repeat the "
                   "one before (duplicate) or lie far from both neighbours (jump).\n\n"
                   "entropy_norm and qk_distance, where the study has them, are traced over the final top heads, which looks back from the "
                   "end, and over the top heads of each step.",
    .examples = "needlescope emergence study.h5 -o births.csv\n  of every head, and of the best ones on the screen\n"
                "needlescope emergence study.h5 --theta .7 --horizon 1e6 --json",
    .run = emergence,
};
