/* emergence.c - a study -> births: axis and common horizon -> of every run the best heads, the sweep over theta, the tracing -> every
 * head's lives -> groups of runs that differ in their seed alone (emergence_seeds.c). What lies beyond the horizon is not looked at. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/probe.h>

#include "emergence.h"

static const double usual_sweep[NS_SWEEP] = {.3, .5, .7};

/* ---- axis and horizon ---- */

static bool knows_tokens(const ns_study *s, ns_study_shape n)
{
    for (int64_t i = 0; i < n.R * n.P; i++)
        if (ns_study_status(s)[i] == NS_STUDY_DONE && ns_study_tokens(s)[i] < 0)
            return false;
    return true;
}

/* Where tokens of a step that was not measured are unknown the axis is NaN: no birth is there. */
static int fill_axis(ns_emergence *e, int axis, ns_error *err)
{
    const ns_study_shape n = e->shape;
    const bool known = knows_tokens(e->study, n);
    if (axis < 0 || axis >= NS_N_BIRTH_AXES)
        return ns_fail(err, NS_E_ARG, "axis %d of births: it is 0 to %d", axis, NS_N_BIRTH_AXES - 1);
    if (axis == NS_AXIS_TOKENS && !known)
        return ns_fail(err, NS_E_ARG, "the study does not know the tokens of all its steps: it has an axis of steps alone");
    e->in_tokens = known && axis != NS_AXIS_STEPS;
    for (int64_t i = 0; i < n.R * n.P; i++) {
        const int64_t tokens = ns_study_tokens(e->study)[i];
        e->axis[i] = !e->in_tokens ? (double)ns_study_steps(e->study)[i % n.P] : tokens < 0 ? (double)NAN : (double)tokens;
    }
    return NS_OK;
}

static double reach(const ns_emergence *e, int64_t r)
{
    double last = -1;
    for (int64_t i = r * e->shape.P; i < (r + 1) * e->shape.P; i++)
        if (ns_study_status(e->study)[i] == NS_STUDY_DONE)
            last = e->axis[i];
    return last;
}

static int set_horizon(ns_emergence *e, double wanted, bool leave_short, ns_error *err)
{
    e->horizon = (double)INFINITY;
    e->shortest = -1;
    for (int64_t r = 0; r < e->shape.R; r++) {
        const double last = reach(e, r);
        if (last >= 0 && last < e->horizon) {
            e->horizon = last;
            e->shortest = r;
        }
    }
    if (!(wanted >= 0))
        return ns_fail(err, NS_E_ARG, "horizon %g: it is a positive number of tokens or steps", wanted);
    if (e->shortest < 0)
        return ns_fail(err, NS_E_ARG, "no checkpoint of this study was scored: nothing can have emerged");
    if (wanted > e->horizon && !leave_short)
        return ns_fail(
            err, NS_E_ARG,
            "horizon %.0f: run '%.100s' ends at %.0f %s; a horizon is common to all runs that are compared, so train it on or ask for less",
            wanted, ns_study_run_name(e->study, e->shortest), e->horizon, e->in_tokens ? "tokens" : "steps");
    if (wanted > 0) {
        e->horizon = wanted;
        e->shortest = -1;
    }
    return NS_OK;
}

/* Steps of the study up to the horizon, as this run counts them; none of a run that does not reach it. */
static int64_t steps_within(const ns_emergence *e, int64_t r)
{
    int64_t n = 0;
    if (reach(e, r) < e->horizon)
        return 0;
    for (int64_t p = 0; p < e->shape.P; p++)
        if (e->axis[r * e->shape.P + p] <= e->horizon && ns_study_status(e->study)[r * e->shape.P + p] == NS_STUDY_DONE)
            n = p + 1;
    return n;
}

/* ---- one run ---- */

static int trace_run(ns_emergence *e, int64_t r, const float *score, const float *entropy, const float *distance, int64_t top,
                     ns_error *err)
{
    ns_run_emergence *const run = &e->runs[r];
    const int64_t K = e->shape.L * e->shape.H;
    run->entropy = ns_alloc_array((size_t)run->P, sizeof *run->entropy);
    run->distance = distance ? ns_alloc_array((size_t)run->P, sizeof *run->distance) : NULL;
    if (!run->entropy || (distance && !run->distance))
        return ns_oom(err, "tracing of heads");
    int rc = ns_trace_heads(score, entropy, run->P, K, top, run->entropy, err);
    if (rc == NS_OK && distance)
        rc = ns_trace_heads(score, distance, run->P, K, top, run->distance, err);
    return rc;
}

/* [R, P] of a study that has it; NULL of another. */
static int series_of(ns_study *study, const char *name, const float **out, ns_error *err)
{
    *out = NULL;
    return ns_study_has(study, name) ? ns_study_series(study, name, out, err) : NS_OK;
}

static int flag_run(ns_emergence *e, ns_study *study, int64_t r, ns_error *err)
{
    ns_run_emergence *const run = &e->runs[r];
    const char **const weights = ns_alloc_array((size_t)run->P, sizeof *weights);
    ns_checkpoint_signs s = {.P = run->P, .weights = weights};
    run->flags = ns_alloc_array((size_t)run->P, sizeof *run->flags);
    run->twin = ns_alloc_array((size_t)run->P, sizeof *run->twin);
    int rc = weights && run->flags && run->twin ? NS_OK : ns_oom(err, "flags of checkpoints");
    for (int64_t p = 0; p < run->P && rc == NS_OK; p++)
        weights[p] = ns_study_weights(study, r, p);
    rc = rc != NS_OK ? rc : series_of(study, "weight_distance", &s.moved, err);
    rc = rc != NS_OK ? rc : series_of(study, "weight_across", &s.across, err);
    s.moved += s.moved ? r * e->shape.P : 0;
    s.across += s.across ? r * e->shape.P : 0;
    rc = rc != NS_OK ? rc : ns_checkpoint_flags(&s, 0, run->flags, run->twin, err);
    free(weights);
    return rc;
}

/* ---- every head ---- */

static bool add_life(ns_emergence *e, int64_t *capacity, ns_head_life life)
{
    if (!ns_grow(&e->lives, capacity, e->n_lives + 1, sizeof *e->lives))
        return false;
    e->lives[e->n_lives++] = life;
    return true;
}

static int add_lives(ns_emergence *e, int64_t r, int64_t h, const double *series, int64_t *capacity, ns_error *err)
{
    const double *const axis = e->axis + r * e->shape.P, nan_ = (double)NAN, never = (double)INFINITY;
    ns_head_life one = {r, h / e->shape.H, h % e->shape.H, 0, ns_emergence_event(e, r, series, NULL, e->birth), nan_, nan_, -1};
    ns_life *lives;
    int64_t n;
    one.born.head = h;
    int rc = ns_lives(series, e->runs[r].P, &e->birth, &lives, &n, err);
    if (rc != NS_OK)
        return rc;
    if (n == 0 && !isnan(one.born.at) && !add_life(e, capacity, one))
        rc = ns_oom(err, "lives of heads");
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        const ns_life *const l = &lives[i];
        one.life = i;
        one.born = (ns_event){l->after < 0 ? 0 : axis[l->after], axis[l->at], ns_study_steps(e->study)[l->at], h, l->gap};
        one.died_after = l->died < 0 ? nan_ : axis[l->died_after];
        one.died = l->died < 0 ? never : axis[l->died];
        one.died_step = l->died < 0 ? -1 : ns_study_steps(e->study)[l->died];
        if (!add_life(e, capacity, one))
            rc = ns_oom(err, "lives of heads");
    }
    free(lives);
    return rc;
}

static int find_lives(ns_emergence *e, const float *score, double *series, ns_error *err)
{
    const int64_t K = e->shape.L * e->shape.H;
    int64_t capacity = 0;
    for (int64_t r = 0; r < e->shape.R; r++) {
        for (int64_t h = 0; h < K; h++) {
            for (int64_t p = 0; p < e->runs[r].P; p++)
                series[p] = ns_above_chance((double)score[(r * e->shape.P + p) * K + h], e->chance[r * K + h]);
            const int rc = add_lives(e, r, h, series, &capacity, err);
            if (rc != NS_OK)
                return rc;
        }
    }
    return NS_OK;
}

/* ---- the study ---- */

static int optional_score(ns_study *study, const char *name, const float **out, ns_error *err)
{
    *out = NULL;
    return name && ns_study_has(study, name) ? ns_study_score(study, name, out, err) : NS_OK;
}

/* A horizon before the first checkpoint, or one that no run reaches, leaves nothing to look at. */
static int check_any(const ns_emergence *e, ns_error *err)
{
    int64_t measured = 0;
    double first = (double)INFINITY;
    for (int64_t i = 0; i < e->shape.R * e->shape.P; i++)
        if (ns_study_status(e->study)[i] == NS_STUDY_DONE)
            first = fmin(first, e->axis[i]);
    for (int64_t r = 0; r < e->shape.R; r++)
        measured += e->runs[r].measured;
    return measured ? NS_OK
                    : ns_fail(err, NS_E_ARG,
                              "horizon %.0f: no scored checkpoint of a run that reaches it lies at or below it; the first of the study "
                              "lies at %.0f %s",
                              e->horizon, first, e->in_tokens ? "tokens" : "steps");
}

/* A file of an older version does not say what its scores mean; ours are known by their names. */
static void recall_meaning(const char *name, ns_score_meaning *m)
{
    const ns_probe *const probe = m->assumed ? ns_probe_find(name) : NULL;
    for (int i = 0; probe && i < probe->n_scores; i++)
        if (strcmp(probe->scores[i].name, name) == 0)
            *m = (ns_score_meaning){probe->scores[i].best, probe->scores[i].lo, probe->scores[i].hi, probe->scores[i].chance, true};
}

/* A birth is a crossing of theta from below, so it takes a score that is larger the more of it there is, and 1 at most. A file that does
 * not say is looked at. */
int ns_birth_check(ns_study *study, const char *name, ns_error *err)
{
    const ns_study_shape n = ns_study_size(study);
    const float *values;
    ns_score_meaning m;
    int rc = ns_study_meaning(study, name, &m, err);
    rc = rc != NS_OK ? rc : ns_study_score(study, name, &values, err);
    if (rc != NS_OK)
        return rc;
    recall_meaning(name, &m);
    bool fine = m.best == NS_BEST_LARGEST && m.hi <= 1;
    for (int64_t i = 0; fine && m.assumed && i < n.R * n.P * n.L * n.H; i++)
        fine = !(values[i] > 1.001f);
    return fine ? NS_OK : ns_fail(err, NS_E_ARG, "births of '%s': no head rises to a threshold of it (the largest must be the best, and 1 "
                                                 "the most); ask for a share, such as retrieval_find, induction or previous_token", name);
}

/* Chance that is not taken out of a score (ns_above_chance) must lie below every threshold: else all heads are alive that know nothing. */
static int check_theta(const ns_emergence *e, double theta, const char *score, const double *chance, ns_error *err)
{
    const ns_study_shape n = e->shape;
    double most = 0;
    for (int64_t i = 0; i < n.R * n.L * n.H; i++)
        if (chance[i] <= NS_CHANCE_SMALL && ns_study_head_valid(e->study, i / (n.L * n.H), i / n.H % n.L, i % n.H))
            most = fmax(most, chance[i]);
    return theta > most ? NS_OK : ns_fail(err, NS_E_ARG, "theta %g: heads that know nothing have %.2g of %s; a threshold lies above that",
                                          theta, most, score);
}

static int check_thetas(const ns_emergence *e, ns_error *err)
{
    int rc = check_theta(e, e->birth.theta, e->score, e->chance, err);
    for (int i = 0; i < NS_SWEEP && rc == NS_OK; i++)
        rc = check_theta(e, e->sweep[i], e->score, e->chance, err);
    return rc != NS_OK || !e->previous ? rc : check_theta(e, e->birth.theta, e->previous, e->previous_chance, err);
}

static int read_runs(ns_emergence *e, ns_study *study, const ns_emergence_params *p, ns_best_scratch *s, ns_error *err)
{
    const float *score, *previous = NULL, *entropy, *distance;
    const int64_t cells = e->shape.P * e->shape.L * e->shape.H;
    int rc = ns_study_score(study, e->score, &score, err);
    if (rc == NS_OK && e->previous)
        rc = ns_study_score(study, e->previous, &previous, err);
    if (rc == NS_OK)
        rc = optional_score(study, "entropy_norm", &entropy, err);
    if (rc == NS_OK)
        rc = optional_score(study, "qk_distance", &distance, err);
    for (int64_t r = 0; r < e->shape.R && rc == NS_OK; r++) {
        ns_run_emergence *const run = &e->runs[r];
        run->P = steps_within(e, r);
        for (int64_t i = 0; i < run->P; i++)
            run->measured += ns_study_status(study)[r * e->shape.P + i] == NS_STUDY_DONE;
        rc = ns_emergence_best(e, r, score + r * cells, previous ? previous + r * cells : NULL, s, err);
        if (rc == NS_OK)
            rc = trace_run(e, r, score + r * cells, entropy ? entropy + r * cells : NULL, distance ? distance + r * cells : NULL,
                           p->top > 0 ? p->top : 4, err);
        rc = rc != NS_OK ? rc : flag_run(e, study, r, err);
    }
    rc = rc != NS_OK ? rc : check_any(e, err);
    return rc != NS_OK ? rc : find_lives(e, score, s->series, err);
}

static bool name_scores(ns_emergence *e, const ns_study *study, const ns_emergence_params *p)
{
    const char *previous = p->previous;
    if (!previous)
        previous = ns_study_has(study, "previous_at_needle") ? "previous_at_needle"
                   : ns_study_has(study, "previous_token")   ? "previous_token"
                                                             : "";
    e->score = ns_strdup(p->score ? p->score : "retrieval_find");
    e->previous = *previous ? ns_strdup(previous) : NULL;
    return e->score && (e->previous || !*previous);
}

static int run(ns_emergence **out, ns_study *study, const ns_emergence_params *params, ns_error *err)
{
    const ns_emergence_params zero = {.size = sizeof zero}, *const p = params ? params : &zero;
    const ns_study_shape n = ns_study_size(study);
    *out = NULL;
    const ns_birth_params birth = ns_birth_defaults(&p->birth);
    int rc = ns_study_check_steps(study, err);
    if (rc != NS_OK)
        return rc;
    if (!(birth.theta > 0 && birth.theta <= 1))
        return ns_fail(err, NS_E_ARG, "theta %g: a score's threshold lies in (0, 1]", birth.theta);
    ns_emergence *const e = ns_alloc_array(1, sizeof *e);
    if (!e)
        return ns_oom(err, "emergence");
    *e = (ns_emergence){.shape = n, .study = study, .birth = birth};
    memcpy(e->sweep, p->sweep[0] > 0 ? p->sweep : usual_sweep, sizeof e->sweep);
    e->axis = ns_alloc_array((size_t)(n.R * n.P), sizeof *e->axis);
    e->runs = ns_alloc_array((size_t)n.R, sizeof *e->runs);
    ns_best_scratch s = {ns_alloc_array((size_t)n.P, sizeof(double)), ns_alloc_array((size_t)n.P, sizeof(int64_t)),
                         ns_alloc_array((size_t)n.P, sizeof(int64_t)), ns_alloc_array((size_t)(n.L * n.H), sizeof(bool)),
                         ns_alloc_array((size_t)(n.P * n.L * n.H), sizeof(float))};
    rc = e->axis && e->runs && s.series && s.who && s.tokens && s.use && s.above && name_scores(e, study, p) ? NS_OK
                                                                                                             : ns_oom(err, "emergence");
    rc = rc != NS_OK ? rc : ns_fail_default(err, ns_birth_check(study, e->score, err), p->score, "--score");
    rc = rc != NS_OK || !e->previous ? rc : ns_birth_check(study, e->previous, err);
    rc = rc != NS_OK ? rc : ns_emergence_chance(e, study, e->score, &e->chance, err);
    rc = rc != NS_OK ? rc : ns_emergence_chance(e, study, e->previous ? e->previous : e->score, &e->previous_chance, err);
    rc = rc != NS_OK ? rc : check_thetas(e, err);
    rc = rc != NS_OK ? rc : fill_axis(e, p->axis, err);
    rc = rc != NS_OK ? rc : set_horizon(e, p->horizon, p->leave_short, err);
    if (rc == NS_OK)
        rc = read_runs(e, study, p, &s, err);
    if (rc == NS_OK)
        rc = ns_emergence_seeds(e, study, p, err);
    free(s.series);
    free(s.who);
    free(s.tokens);
    free(s.use);
    free(s.above);
    if (rc != NS_OK)
        ns_emergence_free(e);
    else
        *out = e;
    return rc;
}

int ns_emergence_run(ns_emergence **out, ns_study *study, const ns_emergence_params *params, ns_error *err)
{
    return ns_fail_of(err, run(out, study, params, err), ns_study_path(study));
}

int ns_emergence_check(const ns_emergence *e, ns_error *err)
{
    int64_t most = 0;
    for (int64_t r = 0; r < e->shape.R; r++)
        most = e->runs[r].measured > most ? e->runs[r].measured : most;
    return most >= e->birth.persist ? NS_OK
                                    : ns_fail(err, NS_E_ARG,
                                              "%s: no birth can be confirmed: it takes %d measured checkpoints in a row (persist), and no "
                                              "run has more than %lld up to the horizon %.0f",
                                              ns_study_path(e->study), e->birth.persist, (long long)most, e->horizon);
}

void ns_emergence_free(ns_emergence *e)
{
    if (!e)
        return;
    for (int64_t r = 0; e->runs && r < e->shape.R; r++) {
        free(e->runs[r].best_score);
        free(e->runs[r].previous_score);
        free(e->runs[r].best_head);
        free(e->runs[r].previous_head);
        free(e->runs[r].entropy);
        free(e->runs[r].distance);
        free(e->runs[r].flags);
        free(e->runs[r].twin);
    }
    for (int64_t g = 0; g < e->n_groups; g++)
        free(e->groups[g].runs);
    free(e->groups);
    free(e->lives);
    free(e->runs);
    free(e->axis);
    free(e->chance);
    free(e->previous_chance);
    free(e->score);
    free(e->previous);
    free(e);
}
