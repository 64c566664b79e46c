/* tell.c - emergence and laziness as an answer: the tables that `needlescope emergence` and `laziness` print, and their JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "telling.h"
#include "training.h"

/* ---- cells ---- */

static void event(const ns_answer *a, ns_event e)
{
    char words[NS_EVENT_TEXT];
    tell_text(a, ns_event_text(e, words));
}

static void time_of(const ns_answer *a, double time, double horizon)
{
    char words[NS_EVENT_TEXT];
    tell_text(a, ns_time_text(time, horizon, words));
}

static void head(const ns_answer *a, const ns_emergence *e, ns_event event_of)
{
    char words[48] = "-";
    if (event_of.head >= 0)
        snprintf(words, sizeof words, "%lld.%lld", (long long)(event_of.head / e->shape.H), (long long)(event_of.head % e->shape.H));
    tell_text(a, words);
}

static void group(const ns_answer *a, const ns_emergence *e, const ns_seed_group *g)
{
    char words[NS_GROUP_TEXT];
    tell_text(a, ns_group_text(g, ns_study_run_name(e->study, g->runs[0]), words));
}

/* ---- emergence ---- */

typedef struct sweep_words { char key[NS_SWEEP][32], title[NS_SWEEP][16]; } sweep_words;

/* "born_theta_0.3" and ".3" */
static void name_sweep(const ns_emergence *e, sweep_words *w)
{
    for (int i = 0; i < NS_SWEEP; i++) {
        char number_of[16];
        snprintf(number_of, sizeof number_of, "%g", e->sweep[i]);
        snprintf(w->key[i], sizeof w->key[i], "born_theta_%s", number_of);
        snprintf(w->title[i], sizeof w->title[i], "%s", number_of + (number_of[0] == '0' && number_of[1]));
    }
}

/* The last four columns are for programs: a birth in numbers, null where it was not born (at) or there is no such head (both). */
static void tell_runs(const ns_answer *a, const ns_emergence *e)
{
    sweep_words w;
    name_sweep(e, &w);
    const ns_column columns[] = {
        {"run", "run", NS_CELL_TEXT},
        {"checkpoints", "measured", NS_CELL_INT},
        {"head", "best", NS_CELL_TEXT},
        {"born", "born", NS_CELL_TEXT},
        {"gap", "missing", NS_CELL_INT},
        {"second", "second best", NS_CELL_TEXT},
        {"previous_head", "previous", NS_CELL_TEXT},
        {"previous_born", "born", NS_CELL_TEXT},
        {w.key[0], w.title[0], NS_CELL_TEXT},
        {w.key[1], w.title[1], NS_CELL_TEXT},
        {w.key[2], w.title[2], NS_CELL_TEXT},
        {"null95", "null 95%", NS_CELL_NUMBER},
        {"null_p", "p", NS_CELL_NUMBER},
        {"born_after", "", NS_CELL_NUMBER},
        {"born_at", "", NS_CELL_NUMBER},
        {"previous_born_after", "", NS_CELL_NUMBER},
        {"previous_born_at", "", NS_CELL_NUMBER},
    };
    const int n = (int)(sizeof columns / sizeof *columns);
    a->table(a->user, "runs", "Births of the best heads", columns, a->brief ? n - 4 : n);
    for (int64_t r = 0; r < e->shape.R; r++) {
        const ns_run_emergence *const run = &e->runs[r];
        tell_text(a, ns_study_run_name(e->study, r));
        tell_integer(a, run->measured);
        head(a, e, run->best);
        event(a, run->best);
        tell_integer(a, run->best.gap);
        event(a, run->second);
        head(a, e, run->previous);
        event(a, run->previous);
        for (int i = 0; i < NS_SWEEP; i++)
            event(a, run->sweep[i]);
        tell_number(a, run->null.bound);
        tell_number(a, run->null.p);
        const double numbers[] = {run->best.after, run->best.at, run->previous.after, run->previous.at};
        for (int i = 0; i < 4 && !a->brief; i++)
            tell_number(a, numbers[i]);
    }
    a->end(a->user);
}

/* What a head has to reach depends on what it would reach knowing nothing. */
static void tell_thresholds(const ns_answer *a, const ns_emergence *e)
{
    static const ns_column columns[] = {{"run", "run", NS_CELL_TEXT},
                                        {"chance", "chance", NS_CELL_NUMBER},
                                        {"theta", "alive from", NS_CELL_NUMBER},
                                        {"previous_chance", "previous: chance", NS_CELL_NUMBER},
                                        {"previous_theta", "alive from", NS_CELL_NUMBER}};
    TELL_TABLE(a, "thresholds", "Uniform attention, and the score from which those heads are alive", columns);
    for (int64_t r = 0; r < e->shape.R; r++) {
        const ns_run_emergence *const run = &e->runs[r];
        tell_text(a, ns_study_run_name(e->study, r));
        tell_number(a, run->chance);
        tell_number(a, run->theta);
        tell_number(a, run->previous_chance);
        tell_number(a, run->previous_theta);
    }
    a->end(a->user);
}

static void tell_midpoints(const ns_answer *a, const ns_emergence *e)
{
    static const ns_column columns[] = {{"run", "run", NS_CELL_TEXT},     {"midpoint", "midpoint", NS_CELL_NUMBER},
                                        {"low", "from", NS_CELL_NUMBER},  {"high", "to", NS_CELL_NUMBER},
                                        {"rmse", "rmse", NS_CELL_NUMBER}, {"flaw", "not to be used: why", NS_CELL_TEXT}};
    TELL_TABLE(a, "midpoints", "Logistic in log(1 + tokens) through the best head's score", columns);
    for (int64_t r = 0; r < e->shape.R; r++) {
        const ns_midpoint *const m = &e->runs[r].midpoint;
        tell_text(a, ns_study_run_name(e->study, r));
        tell_number(a, m->tokens);
        tell_number(a, m->low);
        tell_number(a, m->high);
        tell_number(a, m->rmse);
        tell_text(a, m->flaw ? m->flaw : "");
    }
    a->end(a->user);
}

static void tell_groups(const ns_answer *a, const ns_emergence *e)
{
    static const ns_column columns[] = {{"group", "runs that differ in their seed", NS_CELL_TEXT},
                                        {"seeds", "seeds", NS_CELL_INT},
                                        {"born", "born", NS_CELL_INT},
                                        {"median", "median", NS_CELL_TEXT},
                                        {"low", "95% from", NS_CELL_TEXT},
                                        {"high", "to", NS_CELL_TEXT},
                                        {"median_previous", "previous", NS_CELL_TEXT}};
    TELL_TABLE(a, "groups", "Over seeds (an interval from 5 seeds on)", columns);
    for (int64_t i = 0; i < e->n_groups; i++) {
        const ns_seed_group *const g = &e->groups[i];
        group(a, e, g);
        tell_integer(a, g->n);
        tell_integer(a, g->interval.born);
        time_of(a, g->interval.median, e->horizon);
        time_of(a, g->interval.low, e->horizon);
        time_of(a, g->interval.high, e->horizon);
        time_of(a, g->median_previous, e->horizon);
    }
    a->end(a->user);
}

static void tell_checkpoint(const ns_answer *a, const ns_emergence *e, int64_t r, int64_t p)
{
    const ns_run_emergence *const run = &e->runs[r];
    const ns_trace *const t = &run->entropy[p], *const d = run->distance ? &run->distance[p] : NULL;
    const bool last = p + 1 == run->P, changed = !(t->with_previous >= 1);
    if (isnan(t->with_final) || (a->brief && !last && !changed && !run->flags[p]))
        return;
    tell_text(a, ns_study_run_name(e->study, r));
    tell_integer(a, ns_study_steps(e->study)[p]);
    tell_number(a, e->axis[r * e->shape.P + p]);
    tell_number(a, t->with_final);
    tell_number(a, t->with_previous);
    tell_number(a, t->final_top);
    tell_number(a, t->step_top);
    tell_number(a, d ? d->final_top : (double)NAN);
    tell_number(a, d ? d->step_top : (double)NAN);
    char flag[48] = "";
    if (run->twin[p] >= 0)
        snprintf(flag, sizeof flag, "duplicate of %lld", (long long)ns_study_steps(e->study)[run->twin[p]]);
    tell_text(a, *flag ? flag : run->flags[p] & NS_CHECKPOINT_JUMP ? "jump" : "");
}

/* Every checkpoint; in brief those where the set changed, were flagged, or that are last. */
static void tell_trace(const ns_answer *a, const ns_emergence *e)
{
    static const ns_column columns[] = {
        {"run", "run", NS_CELL_TEXT},
        {"step", "step", NS_CELL_INT},
        {"at", "at", NS_CELL_NUMBER},
        {"with_final", "with final", NS_CELL_NUMBER},
        {"with_previous", "with previous", NS_CELL_NUMBER},
        {"entropy_final", "entropy: final", NS_CELL_NUMBER},
        {"entropy_step", "step's", NS_CELL_NUMBER},
        {"distance_final", "distance: final", NS_CELL_NUMBER},
        {"distance_step", "step's", NS_CELL_NUMBER},
        {"flag", "flag", NS_CELL_TEXT},
    };
    TELL_TABLE(a, "trace", "Top heads (Jaccard), and what is measured of the final ones and of each step's", columns);
    for (int64_t r = 0; r < e->shape.R; r++)
        for (int64_t p = 0; p < e->runs[r].P; p++)
            tell_checkpoint(a, e, r, p);
    a->end(a->user);
}

/* Where the model itself was made another: a birth there may be the config's. Nothing to print where it stayed. */
static void tell_changes(const ns_answer *a, const ns_emergence *e)
{
    static const ns_column columns[] = {{"run", "run", NS_CELL_TEXT}, {"step", "step", NS_CELL_INT}, {"at", "at", NS_CELL_NUMBER},
                                        {"change", "change", NS_CELL_TEXT}};
    int64_t n = 0;
    for (int64_t i = 0; i < e->shape.R * e->shape.P; i++)
        n += ns_study_arch_change(e->study, i / e->shape.P, i % e->shape.P) != NULL;
    if (!n && a->brief)
        return;
    TELL_TABLE(a, "arch_changes", "Where the architecture changes", columns);
    for (int64_t i = 0; i < e->shape.R * e->shape.P; i++) {
        const char *const change = ns_study_arch_change(e->study, i / e->shape.P, i % e->shape.P);
        if (!change)
            continue;
        tell_text(a, ns_study_run_name(e->study, i / e->shape.P));
        tell_integer(a, ns_study_steps(e->study)[i % e->shape.P]);
        tell_number(a, e->axis[i]);
        tell_text(a, change);
    }
    a->end(a->user);
}

static void tell_left_out(const ns_answer *a, const ns_emergence *e)
{
    static const ns_column columns[] = {{"run", "run", NS_CELL_TEXT}, {"name", "left out", NS_CELL_TEXT}, {"why", "why", NS_CELL_TEXT}};
    int64_t n;
    const ns_study_left *const left = ns_study_left_out(e->study, &n);
    if (a->brief)
        return;
    TELL_TABLE(a, "left_out", "Left out by the scan", columns);
    for (int64_t i = 0; i < n; i++) {
        tell_text(a, left[i].run);
        tell_text(a, left[i].name);
        tell_text(a, left[i].why);
    }
    a->end(a->user);
}

void ns_emergence_tell(const ns_emergence *e, const ns_answer *a)
{
    tell_fact(a, "score", "score", e->score);
    tell_fact(a, "previous", "previous token by", e->previous);
    tell_fact_number(a, "theta", "alive from", e->birth.theta);
    tell_fact_integer(a, "persist", "for checkpoints in a row", e->birth.persist);
    tell_fact(a, "axis", "births in", e->in_tokens ? "tokens" : "steps");
    tell_fact_number(a, "horizon", "horizon", e->horizon);
    const int64_t missing = ns_study_count(e->study, NS_STUDY_NOT_THERE);
    tell_fact_integer(a, "missing", missing ? "checkpoints without a shard" : NULL, missing);
    const int64_t not_taken = ns_study_not_taken(e->study);
    tell_fact_integer(a, "not_taken", not_taken ? "not taken (--steps)" : NULL, not_taken);
    int64_t left_out;
    (void)ns_study_left_out(e->study, &left_out);
    tell_fact_integer(a, "n_left_out", left_out ? "left out (--json names them)" : NULL, left_out);
    tell_fact(a, "shortest_run", "which is the end of", e->shortest < 0 ? NULL : ns_study_run_name(e->study, e->shortest));
    tell_fact(a, "null_control", "null: needle against", e->null_control);
    tell_runs(a, e);
    tell_thresholds(a, e);
    tell_midpoints(a, e);
    tell_groups(a, e);
    tell_trace(a, e);
    tell_changes(a, e);
    tell_left_out(a, e);
}

static void tell_emergence(const void *what, const ns_answer *a)
{
    ns_emergence_tell(what, a);
}

int ns_emergence_json(const ns_emergence *e, char **out, ns_error *err)
{
    return ns_answer_json(tell_emergence, e, "needlescope.emergence/1", out, err);
}

/* ---- laziness ---- */

static void tell_births(const ns_answer *a, const ns_laziness *l, bool previous)
{
    static const ns_column columns[] = {{"window", "window", NS_CELL_NUMBER}, {"seed", "seed", NS_CELL_INT}, {"run", "run", NS_CELL_TEXT},
                                        {"born", "born", NS_CELL_TEXT}};
    const ns_study *const study = l->births->study;
    TELL_TABLE(a, previous ? "previous_births" : "births", previous ? "Births of the previous-token head" : "Births of the best head",
               columns);
    for (int64_t j = 0; j < l->W; j++)
        for (int64_t k = 0; k < l->group[j]->n; k++) {
            const int64_t run = l->group[j]->runs[k];
            const ns_run_emergence *const found = &l->births->runs[run];
            tell_number(a, l->group[j]->window);
            tell_integer(a, (int64_t)ns_study_run_number(study, run, "seed", (double)NAN));
            tell_text(a, ns_study_run_name(study, run));
            event(a, previous ? found->previous : found->best);
        }
    a->end(a->user);
}

static void tell_pairs(const ns_answer *a, const ns_laziness *l, bool previous)
{
    static const ns_column columns[] = {{"smaller", "window", NS_CELL_NUMBER},
                                        {"larger", "before", NS_CELL_NUMBER},
                                        {"earlier", "earlier", NS_CELL_INT},
                                        {"later", "later", NS_CELL_INT},
                                        {"same", "undecided", NS_CELL_INT},
                                        {"seeds", "seeds", NS_CELL_INT},
                                        {"p", "p", NS_CELL_NUMBER},
                                        {"verdict", "", NS_CELL_TEXT}};
    TELL_TABLE(a, previous ? "previous_pairs" : "pairs", "Is the smaller window earlier?", columns);
    for (int64_t j = 0; j + 1 < l->W; j++) {
        const ns_order order = previous ? l->previous_order[j] : l->order[j];
        char verdict[NS_VERDICT_TEXT];
        tell_number(a, l->group[j]->window);
        tell_number(a, l->group[j + 1]->window);
        tell_integer(a, order.earlier);
        tell_integer(a, order.later);
        tell_integer(a, order.same);
        tell_integer(a, order.n);
        tell_number(a, order.p);
        tell_text(a, ns_order_verdict(order, 0, verdict));
    }
    a->end(a->user);
}

static void tell_head(const ns_answer *a, const ns_laziness *l, bool previous)
{
    const ns_grid_trend t = previous ? l->previous_trend : l->trend;
    tell_births(a, l, previous);
    tell_pairs(a, l, previous);
    tell_fact_integer(a, previous ? "previous_page_seeds" : "page_seeds", "seeds with all windows", t.n_seeds);
    tell_fact_number(a, previous ? "previous_page_p" : "page_p", "Page's L, p", t.page);
    tell_fact_number(a, previous ? "previous_logrank_p" : "logrank_p", "log-rank trend, p", t.logrank);
}

static void tell_controls(const ns_answer *a, const ns_laziness *l)
{
    static const ns_column columns[] = {{"group", "other runs", NS_CELL_TEXT},
                                        {"seeds", "seeds", NS_CELL_INT},
                                        {"born", "born", NS_CELL_INT},
                                        {"median", "median", NS_CELL_TEXT},
                                        {"median_previous", "previous", NS_CELL_TEXT}};
    const ns_emergence *const e = l->births;
    TELL_TABLE(a, "controls", "Controls: what else delays, or does not", columns);
    for (int64_t i = 0; i < e->n_groups; i++) {
        const ns_seed_group *const g = &e->groups[i];
        if (!l->control[i])
            continue;
        group(a, e, g);
        tell_integer(a, g->n);
        tell_integer(a, g->interval.born);
        time_of(a, g->interval.median, e->horizon);
        time_of(a, g->median_previous, e->horizon);
    }
    a->end(a->user);
}

void ns_laziness_tell(const ns_laziness *l, const ns_answer *a)
{
    const ns_emergence *const e = l->births;
    tell_fact(a, "score", "score", e->score);
    tell_fact_number(a, "theta", "alive from", e->birth.theta);
    tell_fact(a, "axis", "births in", e->in_tokens ? "tokens" : "steps");
    tell_fact_number(a, "horizon", "horizon", e->horizon);
    tell_head(a, l, false);
    if (e->previous)
        tell_head(a, l, true);
    tell_controls(a, l);
}

static void tell_laziness(const void *what, const ns_answer *a)
{
    ns_laziness_tell(what, a);
}

int ns_laziness_json(const ns_laziness *l, char **out, ns_error *err)
{
    return ns_answer_json(tell_laziness, l, "needlescope.laziness/1", out, err);
}
