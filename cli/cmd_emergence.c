/* cmd_emergence.c - a study -> when heads are born and die: of every run the best ones, over thresholds, against chance; over seeds; the sets of top heads;
 * checkpoints that look wrong. All heads' lives go to a CSV. */
#include <math.h>
#include <stdlib.h>
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
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE.csv", "write the lives of all heads"},
    {0},
};
#undef FIELD
static const emergence_settings defaults = {.rule = CLI_BIRTH_DEFAULTS, .top = 4};

/* ---- tables ---- */

static void cell_event(cli_out *o, ns_event event)
{
    char text[NS_EVENT_TEXT];
    cli_cell_text(o, ns_event_text(event, text));
}

static void cell_head(cli_out *o, const ns_emergence *e, ns_event event)
{
    char text[48] = "-";
    if (event.head >= 0)
        snprintf(text, sizeof text, "%lld.%lld", (long long)(event.head / e->shape.H), (long long)(event.head % e->shape.H));
    cli_cell_text(o, text);
}

static void print_runs(cli_out *o, const ns_emergence *e)
{
    static const cli_column columns[] = {
        {"run", "run", CELL_TEXT}, {"checkpoints", "measured", CELL_INT}, {"head", "best", CELL_TEXT}, {"born", "born", CELL_TEXT}, {"gap", "missing", CELL_INT},
        {"second", "second best", CELL_TEXT}, {"previous_head", "previous", CELL_TEXT}, {"previous_born", "born", CELL_TEXT}, {"born_theta_0.3", ".3", CELL_TEXT},
        {"born_theta_0.5", ".5", CELL_TEXT}, {"born_theta_0.7", ".7", CELL_TEXT}, {"null95", "null 95%", CELL_NUMBER}, {"null_p", "p", CELL_NUMBER},
    };
    cli_out_table(o, "runs", "Births of the best heads", columns, sizeof columns / sizeof *columns);
    for (int64_t r = 0; r < e->shape.R; r++) {
        const ns_run_emergence *const run = &e->runs[r];
        cli_cell_text(o, ns_study_run_name(e->study, r));
        cli_cell_int(o, run->measured);
        cell_head(o, e, run->best);
        cell_event(o, run->best);
        cli_cell_int(o, run->best.gap);
        cell_event(o, run->second);
        cell_head(o, e, run->previous);
        cell_event(o, run->previous);
        for (int i = 0; i < NS_SWEEP; i++)
            cell_event(o, run->sweep[i]);
        cli_cell_number(o, run->null.bound);
        cli_cell_number(o, run->null.p);
    }
    cli_out_table_end(o);
}

/* What a head has to reach depends on what it would reach knowing nothing. */
static void print_thresholds(cli_out *o, const ns_emergence *e)
{
    static const cli_column columns[] = {{"run", "run", CELL_TEXT}, {"chance", "chance", CELL_NUMBER}, {"theta", "alive from", CELL_NUMBER},
                                         {"previous_chance", "previous: chance", CELL_NUMBER}, {"previous_theta", "alive from", CELL_NUMBER}};
    cli_out_table(o, "thresholds", "Uniform attention, and the score from which those heads are alive", columns, sizeof columns / sizeof *columns);
    for (int64_t r = 0; r < e->shape.R; r++) {
        const ns_run_emergence *const run = &e->runs[r];
        cli_cell_text(o, ns_study_run_name(e->study, r));
        cli_cell_number(o, run->chance);
        cli_cell_number(o, run->theta);
        cli_cell_number(o, run->previous_chance);
        cli_cell_number(o, run->previous_theta);
    }
    cli_out_table_end(o);
}

static void print_midpoints(cli_out *o, const ns_emergence *e)
{
    static const cli_column columns[] = {{"run", "run", CELL_TEXT}, {"midpoint", "midpoint", CELL_NUMBER}, {"low", "from", CELL_NUMBER}, {"high", "to", CELL_NUMBER},
                                         {"rmse", "rmse", CELL_NUMBER}, {"flaw", "not to be used: why", CELL_TEXT}};
    cli_out_table(o, "midpoints", "Logistic in log(1 + tokens) through the best head's score", columns, sizeof columns / sizeof *columns);
    for (int64_t r = 0; r < e->shape.R; r++) {
        const ns_midpoint *const m = &e->runs[r].midpoint;
        cli_cell_text(o, ns_study_run_name(e->study, r));
        cli_cell_number(o, m->tokens);
        cli_cell_number(o, m->low);
        cli_cell_number(o, m->high);
        cli_cell_number(o, m->rmse);
        cli_cell_text(o, m->flaw ? m->flaw : "");
    }
    cli_out_table_end(o);
}

static void print_groups(cli_out *o, const ns_emergence *e)
{
    static const cli_column columns[] = {{"group", "runs that differ in their seed", CELL_TEXT}, {"seeds", "seeds", CELL_INT}, {"born", "born", CELL_INT},
                                         {"median", "median", CELL_TEXT}, {"low", "95% from", CELL_TEXT}, {"high", "to", CELL_TEXT},
                                         {"median_previous", "previous", CELL_TEXT}};
    cli_out_table(o, "groups", "Over seeds (an interval from 5 seeds on)", columns, sizeof columns / sizeof *columns);
    for (int64_t i = 0; i < e->n_groups; i++) {
        const ns_seed_group *const g = &e->groups[i];
        char text[NS_GROUP_TEXT], time[NS_EVENT_TEXT];
        cli_cell_text(o, ns_group_text(g, ns_study_run_name(e->study, g->runs[0]), text));
        cli_cell_int(o, g->n);
        cli_cell_int(o, g->interval.born);
        cli_cell_text(o, ns_time_text(g->interval.median, e->horizon, time));
        cli_cell_text(o, ns_time_text(g->interval.low, e->horizon, time));
        cli_cell_text(o, ns_time_text(g->interval.high, e->horizon, time));
        cli_cell_text(o, ns_time_text(g->median_previous, e->horizon, time));
    }
    cli_out_table_end(o);
}

/* Every checkpoint in JSON; in text those where the set changed, were flagged, or that are last. */
static void print_trace(cli_out *o, const ns_emergence *e)
{
    static const cli_column columns[] = {
        {"run", "run", CELL_TEXT}, {"step", "step", CELL_INT}, {"at", "at", CELL_NUMBER}, {"with_final", "with final", CELL_NUMBER},
        {"with_previous", "with previous", CELL_NUMBER}, {"entropy_final", "entropy: final", CELL_NUMBER}, {"entropy_step", "step's", CELL_NUMBER},
        {"distance_final", "distance: final", CELL_NUMBER}, {"distance_step", "step's", CELL_NUMBER}, {"flag", "flag", CELL_TEXT},
    };
    cli_out_table(o, "trace", "Top heads (Jaccard), and what is measured of the final ones and of each step's", columns, sizeof columns / sizeof *columns);
    for (int64_t r = 0; r < e->shape.R; r++) {
        const ns_run_emergence *const run = &e->runs[r];
        for (int64_t p = 0; p < run->P; p++) {
            const ns_trace *const t = &run->entropy[p], *const d = run->distance ? &run->distance[p] : NULL;
            const bool last = p + 1 == run->P, changed = !(t->with_previous >= 1);
            if (isnan(t->with_final) || (!o->json && !last && !changed && !run->flags[p]))
                continue;
            cli_cell_text(o, ns_study_run_name(e->study, r));
            cli_cell_int(o, ns_study_steps(e->study)[p]);
            cli_cell_number(o, e->axis[r * e->shape.P + p]);
            cli_cell_number(o, t->with_final);
            cli_cell_number(o, t->with_previous);
            cli_cell_number(o, t->final_top);
            cli_cell_number(o, t->step_top);
            cli_cell_number(o, d ? d->final_top : (double)NAN);
            cli_cell_number(o, d ? d->step_top : (double)NAN);
            cli_cell_text(o, run->flags[p] & NS_CHECKPOINT_DUPLICATE ? "duplicate" : run->flags[p] & NS_CHECKPOINT_JUMP ? "jump" : "");
        }
    }
    cli_out_table_end(o);
}

static int print(cli *app, const ns_emergence *e, const char *path)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.emergence/1");
    cli_out_text(&o, "score", "score", e->score);
    cli_out_text(&o, "previous", "previous token by", e->previous);
    cli_out_number(&o, "theta", "alive from", e->birth.theta);
    cli_out_int(&o, "persist", "for checkpoints in a row", e->birth.persist);
    cli_out_text(&o, "axis", "births in", e->in_tokens ? "tokens" : "steps");
    cli_out_number(&o, "horizon", "horizon", e->horizon);
    cli_out_text(&o, "shortest_run", "which is the end of", e->shortest < 0 ? NULL : ns_study_run_name(e->study, e->shortest));
    cli_out_text(&o, "null_control", "null: needle against", e->null_control);
    print_runs(&o, e);
    print_thresholds(&o, e);
    print_midpoints(&o, e);
    print_groups(&o, e);
    print_trace(&o, e);
    cli_out_text(&o, "births", "lives of all heads", path);
    return cli_out_end(&o, &app->err);
}

static void warn_of(cli *app, const ns_emergence *e)
{
    if (e->null_control && strcmp(e->null_control, "placebo") == 0)
        cli_note(app, "the study has no hits at distractors: the null exchanges needle and placebo, and a head that looks at any value passes it");
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
    if (rc == NS_OK) {
        warn_of(app, e);
        rc = s->out ? ns_emergence_write_csv(e, s->out, &app->err) : NS_OK;
    }
    if (rc == NS_OK)
        rc = print(app, e, s->out);
    ns_emergence_free(e);
    ns_study_close(study);
    return rc;
}

const cli_command cli_cmd_emergence = {
    .name = "emergence", .section = "Follow training", .summary = "When heads are born and die over the checkpoints of a study",
    .arguments = "STUDY", .min_args = 1, .max_args = 1, .groups = {{"Births", cli_birth_options, offsetof(emergence_settings, rule)}, {"Options", options, 0}}, .settings_size = sizeof(emergence_settings), .defaults = &defaults,
    .description = "A head is born at the first of 3 measured checkpoints in a row with a score of .5 or more (where uniform attention gives more than 1/8, of .5 of what is left above "
                   "that; the thresholds are printed); what is known is the interval (the measured checkpoint "
                   "before, this one], and that is printed. \">T\": not born by T, the last checkpoint at which a birth could still be confirmed. Runs are compared "
                   "up to the horizon that all of them reached.\n\n"
                   "The best head is the largest score over the heads of full-attention layers at each checkpoint, the previous-token head the best one below the "
                   "layer of the head that retrieves; in a run that never retrieves, below the first full-attention layer. A maximum over heads is large by chance: null 95% is "
                   "what it reaches when needle and distractors (without those: a placebo) change names at random.\n\n"
                   "The unit is the seed. From 5 seeds on the median has an interval: seeds resampled, their cases too. A logistic midpoint stands beside the "
                   "births, with the reason where it must not be used. Checkpoints are flagged that repeat the one before (duplicate) or lie far from both "
                   "neighbours (jump).\n\n"
                   "entropy_norm and qk_distance, where the study has them, are traced over the final top heads, which looks back from the end, and over the top "
                   "heads of each step.",
    .examples = "needlescope emergence study.h5 -o births.csv\n  of every head, and of the best ones on the screen\n"
                "needlescope emergence study.h5 --theta .7 --horizon 1e6 --json",
    .run = emergence,
};
