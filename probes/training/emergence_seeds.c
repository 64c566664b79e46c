/* emergence_seeds.c - per-case counts of a study -> of groups of runs that differ in their seed alone the median birth and its interval,
 * and of every run's best head the null of a maximum over heads (null.c). Needs the outputs of the score's probe in the study; without them
 * there are points. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/probe.h>

#include "emergence.h"

static const ns_score *definition(const char *name)
{
    const ns_probe *const probe = ns_probe_find(name);
    for (int i = 0; probe && i < probe->n_scores; i++)
        if (strcmp(probe->scores[i].name, name) == 0)
            return &probe->scores[i];
    return NULL;
}

/* ---- groups ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static ns_seed_group group_of(const ns_study *s, int64_t r)
{
    return (ns_seed_group){ns_study_run_text(s, r, "arm"), ns_study_run_text(s, r, "pattern"),
                           ns_study_run_number(s, r, "window", (double)NAN),
                           ns_study_run_number(s, r, "nope", (double)NAN), NULL, 0, {(double)NAN, (double)NAN, (double)NAN, 0, 0},
                           (double)NAN};
}

static bool same_group(const ns_seed_group *a, const ns_seed_group *b)
{
    return same_text(a->arm, b->arm) && same_text(a->pattern, b->pattern) && same_number(a->window, b->window) &&
           same_number(a->nope, b->nope);
}

/* Is there another run of the same group and seed that was measured? */
static bool repeats_seed(const ns_emergence *e, int64_t run)
{
    const ns_seed_group own = group_of(e->study, run);
    const double seed = ns_study_run_number(e->study, run, "seed", (double)NAN);
    bool repeated = false;
    for (int64_t r = 0; r < e->shape.R && !repeated; r++) {
        const ns_seed_group other = group_of(e->study, r);
        repeated = r != run && e->runs[r].measured > 0 && ns_study_run_number(e->study, r, "seed", (double)NAN) == seed &&
                   same_group(&own, &other);
    }
    return repeated;
}

/* The seed is the unit of medians and intervals: a group has it once, or which run is meant? */
static int check_seed(const ns_emergence *e, const ns_seed_group *g, int64_t run, double seed, ns_error *err)
{
    char what[NS_GROUP_TEXT];
    for (int64_t i = 0; i < g->n; i++) {
        const char *const other = ns_study_run_name(e->study, g->runs[i]), *const own = ns_study_run_name(e->study, run);
        if (ns_study_run_number(e->study, g->runs[i], "seed", (double)NAN) == seed)
            return ns_fail(err, NS_E_ARG, "runs '%.80s' and '%.80s' are both %s with seed %.0f: seeds are the unit here, so a seed counts "
                           "once (give one of them an `arm` or the `seed` that it had in its run.json, or leave it out of the study; "
                           "figures and notebooks draw both)",
                           other, own, ns_group_text(g, "runs", what), seed);
    }
    return NS_OK;
}

/* Runs without a seed are groups of their own: nobody said that they repeat one another. is_alone[R]: groups that take no more. */
static int fill_groups(ns_emergence *e, bool apart, bool *is_alone, ns_error *err)
{
    for (int64_t r = 0; r < e->shape.R; r++) {
        const ns_seed_group own = group_of(e->study, r);
        const double seed = ns_study_run_number(e->study, r, "seed", (double)NAN);
        const bool alone = isnan(seed) || (apart && repeats_seed(e, r));
        int64_t g = 0;
        if (e->runs[r].measured == 0)
            continue;
        e->n_apart += alone && !isnan(seed);
        while (g < e->n_groups && (alone || is_alone[g] || !same_group(&e->groups[g], &own)))
            g++;
        is_alone[g] = alone;
        if (g == e->n_groups) {
            e->groups[g] = own;
            e->groups[g].runs = ns_alloc_array((size_t)e->shape.R, sizeof *own.runs);
            if (!e->groups[g].runs)
                return ns_oom(err, "groups of runs");
            e->n_groups++;
        }
        const int rc = check_seed(e, &e->groups[g], r, seed, err);
        if (rc != NS_OK)
            return rc;
        e->groups[g].runs[e->groups[g].n++] = r;
    }
    return NS_OK;
}

static int make_groups(ns_emergence *e, bool apart, ns_error *err)
{
    bool *const is_alone = ns_alloc_array((size_t)e->shape.R + 1, sizeof *is_alone);
    e->groups = ns_alloc_array((size_t)e->shape.R, sizeof *e->groups);
    const int rc = is_alone && e->groups ? fill_groups(e, apart, is_alone, err) : ns_oom(err, "groups of runs");
    free(is_alone);
    return rc;
}

static int median_of(const ns_emergence *e, const ns_seed_group *g, bool previous, double *out, int64_t *born, ns_error *err)
{
    double *const time = ns_alloc_array((size_t)g->n, sizeof *time);
    int64_t n = 0;
    *born = 0;
    for (int64_t i = 0; time && i < g->n; i++) {
        const ns_event *const event = previous ? &e->runs[g->runs[i]].previous : &e->runs[g->runs[i]].best;
        if (isnan(event->at))
            continue;
        *born += isfinite(event->at);
        time[n++] = event->at;
    }
    *out = time ? ns_median_censored(time, n) : (double)NAN;
    free(time);
    return time ? NS_OK : ns_oom(err, "births");
}

/* ---- counts ---- */

typedef struct seed_data { float *hits, *events; double *time, *chance; } seed_data;

/* The full-attention heads (or all, in a run that has none) of one checkpoint: from[C, L, H] to to[C, K]. */
static void keep_heads(const ns_emergence *e, const int64_t *heads, int64_t K, const float *from, float *to)
{
    for (int64_t c = 0; c < e->shape.C; c++)
        for (int64_t k = 0; k < K; k++)
            to[c * K + k] = from[c * e->shape.L * e->shape.H + heads[k]];
}

static int64_t list_heads(const ns_emergence *e, int64_t r, int64_t *heads)
{
    int64_t K = 0;
    for (int64_t h = 0; h < e->shape.L * e->shape.H; h++) {
        if ((ns_emergence_full(e, r, h) || e->runs[r].any_kind) && ns_study_head_valid(e->study, r, h / e->shape.H, h % e->shape.H))
            heads[K++] = h;
    }
    return K;
}

static int read_output(ns_emergence *e, ns_study *study, const char *name, int64_t r, const int64_t *heads, int64_t K, float *all,
                       float *out, ns_error *err)
{
    for (int64_t p = 0, used = 0; p < e->runs[r].P; p++) {
        if (ns_study_status(study)[r * e->shape.P + p] != NS_STUDY_DONE)
            continue;
        const int rc = ns_study_counts(study, name, r, p, all, err);
        if (rc != NS_OK)
            return rc;
        keep_heads(e, heads, K, all, out + used++ * e->shape.C * K);
    }
    return NS_OK;
}

/* Measured checkpoints only. */
static int read_seed(ns_emergence *e, ns_study *study, const ns_score *score, int64_t r, float *all, int64_t *heads, seed_data *d,
                     ns_seed_counts *out, ns_error *err)
{
    const int64_t K = list_heads(e, r, heads), n = e->runs[r].measured;
    size_t cells;
    if (!ns_mul_size((size_t)(n * e->shape.C), (size_t)K, &cells))
        return ns_oom(err, score->of);
    *d = (seed_data){ns_alloc_array(cells, sizeof(float)), score->over ? ns_alloc_array(cells, sizeof(float)) : NULL,
                     ns_alloc_array((size_t)n, sizeof(double)), ns_alloc_array((size_t)K, sizeof(double))};
    if (!d->hits || !d->time || !d->chance || (score->over && !d->events))
        return ns_oom(err, score->of);
    for (int64_t k = 0; k < K; k++)
        d->chance[k] = e->chance[r * e->shape.L * e->shape.H + heads[k]];
    for (int64_t p = 0, used = 0; p < e->runs[r].P; p++)
        if (ns_study_status(study)[r * e->shape.P + p] == NS_STUDY_DONE)
            d->time[used++] = e->axis[r * e->shape.P + p];
    int rc = read_output(e, study, score->of, r, heads, K, all, d->hits, err);
    if (rc == NS_OK && score->over)
        rc = read_output(e, study, score->over, r, heads, K, all, d->events, err);
    *out = (ns_seed_counts){d->hits, d->events, d->time, n, e->shape.C, K, d->chance, NULL};
    return rc;
}

/* [C] which prompt each case is of; *out NULL where the study does not say (of an older version). NS_E_FORMAT: numbers beyond the cases. */
static int read_prompts(const ns_emergence *e, const ns_study *study, float **out, ns_error *err)
{
    const int64_t C = e->shape.C;
    *out = NULL;
    if (!ns_study_has(study, "prompt"))
        return NS_OK;
    float *const prompt = ns_alloc_array((size_t)C, sizeof *prompt);
    int rc = prompt ? ns_study_case_numbers(study, "prompt", prompt, err) : ns_oom(err, "prompts");
    for (int64_t c = 0; c < C && rc == NS_OK; c++)
        if (!(prompt[c] >= 0 && prompt[c] < (float)C))
            rc = ns_fail(err, NS_E_FORMAT, "%s: 'prompt' of case %lld is no number below the cases'", ns_study_path(study), (long long)c);
    if (rc == NS_OK)
        *out = prompt;
    else
        free(prompt);
    return rc;
}

static int interval_of(ns_emergence *e, ns_study *study, const ns_score *score, ns_seed_group *g, const ns_emergence_params *p,
                       ns_error *err)
{
    seed_data *const data = ns_alloc_array((size_t)g->n, sizeof *data);
    ns_seed_counts *const counts = ns_alloc_array((size_t)g->n, sizeof *counts);
    float *const all = ns_alloc_array((size_t)(e->shape.C * e->shape.L * e->shape.H), sizeof *all);
    int64_t *const heads = ns_alloc_array((size_t)(e->shape.L * e->shape.H), sizeof *heads);
    int rc = data && counts && all && heads ? NS_OK : ns_oom(err, "counts of seeds");
    for (int64_t i = 0; i < g->n && rc == NS_OK; i++)
        rc = read_seed(e, study, score, g->runs[i], all, heads, &data[i], &counts[i], err);
    float *prompt = NULL;
    rc = rc != NS_OK ? rc : read_prompts(e, study, &prompt, err);
    for (int64_t i = 0; i < g->n && rc == NS_OK; i++)
        counts[i].prompt = prompt;
    const ns_bootstrap_params how = {sizeof how, p->resamples, p->seed, 0, 0};
    ns_birth_interval interval = {0};
    if (rc == NS_OK)
        rc = ns_birth_bootstrap(counts, g->n, &e->birth, &how, &interval, err);
    g->interval.low = interval.low;
    g->interval.high = interval.high;
    for (int64_t i = 0; data && i < g->n; i++) {
        free(data[i].hits);
        free(data[i].events);
        free(data[i].time);
        free(data[i].chance);
    }
    free(data);
    free(counts);
    free(prompt);
    free(all);
    free(heads);
    return rc;
}

/* ---- the null ---- */

static int64_t index_of_step(const ns_study *s, int64_t P, int64_t step)
{
    for (int64_t p = 0; p < P; p++)
        if (ns_study_steps(s)[p] == step)
            return p;
    return -1;
}

/* What the needle changes names with. Distractors are values of other keys, so a head that looks at any value does not pass; a placebo is
 * filler, so it does. */
typedef struct null_control { const char *name, *of; bool counted; } null_control;

static null_control control_of(const ns_study *study, const ns_score *score)
{
    const bool counted = ns_study_has(study, "n_distractors") && ns_study_has(study, "n_mentions");
    if (score->distractor_of && counted && ns_study_has(study, score->distractor_of))
        return (null_control){"distractors", score->distractor_of, true};
    return score->chance_of && ns_study_has(study, score->chance_of) ? (null_control){"placebo", score->chance_of, false}
                                                                     : (null_control){NULL, NULL, false};
}

typedef struct null_data { float *all, *hits, *control, *counts; double *places; int64_t *heads; } null_data;      /* places [2, C] */

static int read_places(const ns_study *study, int64_t C, null_data *d, ns_error *err)
{
    static const char *const names[] = {"n_mentions", "n_distractors"};
    int rc = NS_OK;
    for (int k = 0; k < 2 && rc == NS_OK; k++) {
        rc = ns_study_case_numbers(study, names[k], d->counts, err);
        for (int64_t c = 0; c < C; c++)
            d->places[k * C + c] = (double)d->counts[c];
    }
    return rc;
}

static int null_of(ns_emergence *e, ns_study *study, const ns_score *score, null_control control, int64_t r, const ns_emergence_params *p,
                   ns_error *err)
{
    const int64_t at = index_of_step(study, e->shape.P, e->runs[r].best.step), C = e->shape.C;
    const size_t cells = (size_t)(C * e->shape.L * e->shape.H);
    null_data d = {ns_alloc_array(cells, sizeof(float)), ns_alloc_array(cells, sizeof(float)), ns_alloc_array(cells, sizeof(float)),
                   ns_alloc_array((size_t)C, sizeof(float)), ns_alloc_array((size_t)(2 * C), sizeof(double)),
                   ns_alloc_array((size_t)(e->shape.L * e->shape.H), sizeof(int64_t))};
    int rc = d.all && d.hits && d.control && d.counts && d.places && d.heads ? NS_OK : ns_oom(err, "the null of the best head");
    const int64_t K = rc != NS_OK ? 0 : list_heads(e, r, d.heads);
    rc = rc != NS_OK ? rc : ns_study_counts(study, score->of, r, at, d.all, err);
    if (rc == NS_OK)
        keep_heads(e, d.heads, K, d.all, d.hits);
    rc = rc != NS_OK ? rc : ns_study_counts(study, control.of, r, at, d.all, err);
    if (rc == NS_OK)
        keep_heads(e, d.heads, K, d.all, d.control);
    rc = rc != NS_OK || !control.counted ? rc : read_places(study, C, &d, err);
    const ns_null_cases cases = {d.hits, d.control, control.counted ? d.places : NULL, control.counted ? d.places + C : NULL, C, K};
    rc = rc != NS_OK ? rc : ns_max_permutation(&cases, p->resamples > 0 ? p->resamples : 999, p->seed, &e->runs[r].null, err);
    free(d.all);
    free(d.hits);
    free(d.control);
    free(d.counts);
    free(d.places);
    free(d.heads);
    return rc;
}

int ns_emergence_seeds(ns_emergence *e, ns_study *study, const ns_emergence_params *p, ns_error *err)
{
    const ns_score *const score = definition(e->score);
    const bool counts = score && score->of && ns_study_has(study, score->of) && (!score->over || ns_study_has(study, score->over));
    const null_control control = counts ? control_of(study, score) : (null_control){NULL, NULL, false};
    int rc = make_groups(e, p->apart, err);
    e->null_control = control.name;
    for (int64_t r = 0; r < e->shape.R && rc == NS_OK; r++) {
        e->runs[r].null = (ns_max_null){(double)NAN, (double)NAN, (double)NAN};
        if (control.name && e->runs[r].best.step >= 0)
            rc = null_of(e, study, score, control, r, p, err);
    }
    for (int64_t i = 0; i < e->n_groups && rc == NS_OK; i++) {
        ns_seed_group *const g = &e->groups[i];
        int64_t born = 0;
        double median = (double)NAN;
        rc = median_of(e, g, true, &g->median_previous, &born, err);
        rc = rc != NS_OK ? rc : median_of(e, g, false, &median, &born, err);
        g->interval = (ns_birth_interval){median, (double)NAN, (double)NAN, g->n, born};
        if (rc == NS_OK && counts && g->n >= 5)
            rc = interval_of(e, study, score, g, p, err);
    }
    return rc;
}
