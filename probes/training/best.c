/* best.c - of one run the best heads over its checkpoints and their births. Heads are compared above chance (chance.c): best is who knows
 * most, not who sees least. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "emergence.h"

ns_event ns_emergence_event(const ns_emergence *e, int64_t r, const double *series, const int64_t *who, ns_birth_params birth)
{
    const double *const axis = e->axis + r * e->shape.P;
    const ns_life life = ns_first_birth(series, e->runs[r].P, &birth);
    const int64_t limit = ns_birth_limit(series, e->runs[r].P, &birth);
    if (life.at < 0)
        return (ns_event){limit < 0 ? (double)NAN : axis[limit], limit < 0 ? (double)NAN : (double)INFINITY, -1, -1, 0};
    return (ns_event){life.after < 0 ? 0 : axis[life.after], axis[life.at], ns_study_steps(e->study)[life.at], who ? who[life.at] : -1,
                      life.gap};
}

static bool is_kind(const ns_emergence *e, int64_t r, int64_t layer, const char *kind)
{
    return strcmp(ns_study_layer_kind(e->study, r, layer), kind) == 0;
}

/* Layers of which some heads have windows count by their others. */
bool ns_emergence_full(const ns_emergence *e, int64_t r, int64_t head)
{
    const int64_t layer = head / e->shape.H;
    return is_kind(e, r, layer, "full") && ns_study_head_window(e->study, r, layer, head % e->shape.H) == 0;
}

static void use_full(const ns_emergence *e, int64_t r, bool *use, bool *any_kind)
{
    const int64_t K = e->shape.L * e->shape.H;
    bool some = false;
    for (int64_t h = 0; h < K; h++) {
        use[h] = ns_emergence_full(e, r, h) && ns_study_head_valid(e->study, r, h / e->shape.H, h % e->shape.H);
        some |= use[h];
    }
    *any_kind = !some;
    for (int64_t h = 0; !some && h < K; h++)
        use[h] = ns_study_head_valid(e->study, r, h / e->shape.H, h % e->shape.H);
}

/* The layer that previous-token heads are looked for below: that of the head that retrieves, the last time one does; of a run that never
 * retrieves, the first full-attention layer, since a best score of nearly nothing is nobody's. All layers where there is neither. */
static int64_t layer_above(const ns_emergence *e, int64_t r, const double *series, const int64_t *who)
{
    int64_t at = e->runs[r].P - 1, layer = 0;
    while (at >= 0 && !(series[at] >= e->birth.theta))
        at--;
    if (isfinite(e->runs[r].best.at) && at >= 0)
        return who[at] / e->shape.H;
    while (layer < e->shape.L && !is_kind(e, r, layer, "full"))
        layer++;
    return layer;
}

/* Not in recurrent layers, whose rows are signed and ranked apart. */
static void use_below(const ns_emergence *e, int64_t r, int64_t above, bool *use)
{
    for (int64_t h = 0; h < e->shape.L * e->shape.H; h++) {
        const int64_t layer = h / e->shape.H;
        use[h] = layer < above && ns_study_head_valid(e->study, r, layer, h % e->shape.H) && !is_kind(e, r, layer, "recurrent");
    }
}

/* Fills s->above [P, K] from score [P, K]. */
static void take_chance_out(const ns_emergence *e, int64_t r, const float *score, const double *chance, ns_best_scratch *s)
{
    const int64_t K = e->shape.L * e->shape.H;
    for (int64_t i = 0; i < e->runs[r].P * K; i++)
        s->above[i] = (float)ns_above_chance((double)score[i], chance[r * K + i % K]);
}

/* The best heads' own scores, as they were measured. */
static int keep(const ns_best_scratch *s, const float *score, int64_t P, int64_t K, double **out, int64_t **head, ns_error *err)
{
    *out = ns_alloc_array((size_t)P, sizeof **out);
    *head = ns_alloc_array((size_t)P, sizeof **head);
    if (!*out || !*head)
        return ns_oom(err, "the best heads");
    for (int64_t p = 0; p < P; p++) {
        (*out)[p] = s->who[p] < 0 ? (double)NAN : (double)score[p * K + s->who[p]];
        (*head)[p] = s->who[p];
    }
    return NS_OK;
}

/* Of the head at its birth, or of the one that is best in the end. */
static void tell_threshold(const ns_emergence *e, int64_t r, ns_event event, const int64_t *head, const double *of_heads, double *chance,
                           double *theta)
{
    const int64_t P = e->runs[r].P, who = event.head >= 0 ? event.head : P > 0 ? head[P - 1] : -1;
    *chance = who < 0 ? (double)NAN : of_heads[r * e->shape.L * e->shape.H + who];
    *theta = who < 0 ? (double)NAN : ns_theta_above_chance(e->birth.theta, *chance);
}

static int find_previous(ns_emergence *e, int64_t r, const float *previous, int64_t above, ns_best_scratch *s, ns_error *err)
{
    ns_run_emergence *const run = &e->runs[r];
    const int64_t K = e->shape.L * e->shape.H;
    use_below(e, r, above, s->use);
    take_chance_out(e, r, previous, e->previous_chance, s);
    ns_best_series(s->above, run->P, K, s->use, 0, s->series, s->who);
    run->previous = ns_emergence_event(e, r, s->series, s->who, e->birth);
    const int rc = keep(s, previous, run->P, K, &run->previous_score, &run->previous_head, err);
    if (rc == NS_OK)
        tell_threshold(e, r, run->previous, run->previous_head, e->previous_chance, &run->previous_chance, &run->previous_theta);
    return rc;
}

int ns_emergence_best(ns_emergence *e, int64_t r, const float *score, const float *previous, ns_best_scratch *s, ns_error *err)
{
    ns_run_emergence *const run = &e->runs[r];
    const int64_t K = e->shape.L * e->shape.H;
    use_full(e, r, s->use, &run->any_kind);
    take_chance_out(e, r, score, e->chance, s);
    ns_best_series(s->above, run->P, K, s->use, 1, s->series, s->who);
    run->second = ns_emergence_event(e, r, s->series, s->who, e->birth);
    ns_best_series(s->above, run->P, K, s->use, 0, s->series, s->who);
    run->best = ns_emergence_event(e, r, s->series, s->who, e->birth);
    for (int i = 0; i < NS_SWEEP; i++)
        run->sweep[i] = ns_emergence_event(e, r, s->series, s->who, (ns_birth_params){sizeof e->birth, e->sweep[i], e->birth.persist});
    const int64_t above = layer_above(e, r, s->series, s->who);
    int rc = keep(s, score, run->P, K, &run->best_score, &run->best_head, err);
    if (rc != NS_OK)
        return rc;
    tell_threshold(e, r, run->best, run->best_head, e->chance, &run->chance, &run->theta);
    for (int64_t p = 0; p < run->P; p++)
        s->tokens[p] = isnan(e->axis[r * e->shape.P + p]) ? -1 : (int64_t)e->axis[r * e->shape.P + p];
    rc = ns_fit_midpoint(s->tokens, run->best_score, run->P, &run->midpoint, err);
    run->previous = (ns_event){(double)NAN, (double)NAN, -1, -1, 0};
    run->previous_chance = run->previous_theta = (double)NAN;
    return rc != NS_OK || !previous ? rc : find_previous(e, r, previous, above, s, err);
}
