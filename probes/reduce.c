/* reduce.c - per-case outputs [case, layer, head] become scores [layer, head]: sums in f64 in the order of case ids, with a weight for each
 * case. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/study.h>

#include "score.h"

/* Over (case, layer, head); NULL: there is no such output. */
static const float *find_output(const ns_scores *s, int p, const char *name)
{
    for (int o = 0; name && o < s->probes[p]->n_outputs; o++)
        if (strcmp(s->probes[p]->outputs[o].name, name) == 0 && !s->probes[p]->outputs[o].axes)
            return s->outputs[p][o];
    return NULL;
}

int ns_scores_probe(const ns_scores *s, int k)
{
    int p = 0;
    while (k >= s->probes[p]->n_scores)
        k -= s->probes[p++]->n_scores;
    return p;
}

bool ns_scores_by_case(const ns_scores *s, int k)
{
    return s->defs[k]->of != NULL;
}

/* One case into the sums of all heads: sum of / sum over; without `over`: the mean of the finite ones. */
static void add_case(const float *of, const float *over, double times, int64_t n, double *sum, double *weight)
{
    for (int64_t at = 0; at < n && over; at++) {
        sum[at] += times * (double)of[at];
        weight[at] += times * (double)over[at];
    }
    for (int64_t at = 0; at < n && !over; at++) {
        const bool finite = isfinite(of[at]);
        sum[at] += finite ? times * (double)of[at] : 0;
        weight[at] += finite ? times : 0;
    }
}

/* Every head gets the largest value of its KV group. */
static void spread_group_max(const ns_scores *s, float *values)
{
    for (int64_t l = 0; l < s->L; l++) {
        for (int64_t g = 0; s->group[l] > 0 && g < s->H && s->valid[l * s->H + g]; g += s->group[l]) {
            float *const of = values + l * s->H + g;
            float most = of[0];
            for (int64_t h = 1; h < s->group[l]; h++)
                most = of[h] > most ? of[h] : most;
            for (int64_t h = 0; h < s->group[l]; h++)
                of[h] = most;
        }
    }
}

static void reduce(const ns_scores *s, const float *of, const float *over, bool group_max, const uint16_t *weights, float *out)
{
    const int64_t n = ns_scores_size(s);
    double *const sum = s->scratch, *const weight = sum + n;
    memset(sum, 0, (size_t)(2 * n) * sizeof *sum);
    for (int64_t i = 0; i < s->n_cases && of; i++)
        if (!weights || weights[i] > 0)
            add_case(of + i * n, over ? over + i * n : NULL, weights ? weights[i] : 1, n, sum, weight);
    for (int64_t at = 0; at < n; at++)
        out[at] = s->valid[at] && weight[at] > 0 ? (float)(sum[at] / weight[at]) : NAN;
    if (group_max)
        spread_group_max(s, out);
}

const float *ns_scores_of(const ns_scores *s, int k)
{
    return find_output(s, ns_scores_probe(s, k), s->defs[k]->of);
}

const float *ns_scores_over(const ns_scores *s, int k)
{
    return find_output(s, ns_scores_probe(s, k), s->defs[k]->over);
}

void ns_scores_weigh(const ns_scores *s, int k, const uint16_t *weights, float *out)
{
    const int p = ns_scores_probe(s, k);
    reduce(s, find_output(s, p, s->defs[k]->of), find_output(s, p, s->defs[k]->over), s->defs[k]->group_max, weights, out);
}

void ns_scores_chance(const ns_scores *s, int k, float *out)
{
    const int p = ns_scores_probe(s, k);
    reduce(s, find_output(s, p, s->defs[k]->chance_of), find_output(s, p, s->defs[k]->chance_over), s->defs[k]->group_max, NULL, out);
}

/* Where rows are signed a mass has no bounds, and neither has what it is at a placebo: such heads tell no level of it. */
static bool tells_chance(const ns_scores *s, int k, int64_t at)
{
    return ns_score_of_any_rows(s->defs[k]->name) ||
           strcmp(s->kinds[at / s->H], ns_layer_kind_name(NS_LAYER_RECURRENT)) != 0;
}

static int find_chance_level(ns_scores *s, int k, ns_error *err)
{
    float *const values = ns_alloc_array((size_t)ns_scores_size(s), sizeof *values);
    double sum = 0;
    int64_t n = 0;
    if (!values)
        return ns_oom(err, s->defs[k]->name);
    ns_scores_chance(s, k, values);
    for (int64_t i = 0; i < ns_scores_size(s); i++)
        if (isfinite(values[i]) && tells_chance(s, k, i)) {
            sum += (double)values[i];
            n++;
        }
    free(values);
    s->chance_level[k] = n ? sum / (double)n : (double)NAN;
    return NS_OK;
}

/* Has any head of the case a value, or where events are counted (over) any of them? */
static bool any_of(const float *of, const float *over, int64_t n)
{
    bool any = false;
    for (int64_t at = 0; at < n && !any; at++)
        any = over ? over[at] > 0 : isfinite(of[at]);
    return any;
}

/* A case that has nothing to hit (retrieval_continue: an answer of one token) lacks no placebo. */
int64_t ns_scores_without_chance(const ns_scores *s, int i)
{
    const ns_score *const def = ns_scores_def(s, i);
    const int p = def ? ns_scores_probe(s, i) : 0;
    const int64_t n = ns_scores_size(s);
    const float *const of = def ? find_output(s, p, def->of) : NULL, *const over = def ? find_output(s, p, def->over) : NULL;
    const float *const by_chance = def ? find_output(s, p, def->chance_of) : NULL;
    const float *const of_places = by_chance ? find_output(s, p, def->chance_over) : NULL;
    int64_t without = 0;
    for (int64_t at = 0; by_chance && at < s->n_cases * n; at += n)
        without += any_of(of + at, over ? over + at : NULL, n) && !any_of(by_chance + at, of_places ? of_places + at : NULL, n);
    return by_chance ? without : -1;
}

int ns_scores_reduce(ns_scores *s, ns_error *err)
{
    int rc = NS_OK;
    for (int k = 0; k < s->n_scores && rc == NS_OK; k++) {
        const ns_score *const def = s->defs[k];
        const int p = ns_scores_probe(s, k);
        if (!ns_scores_by_case(s, k))
            continue;
        if (!find_output(s, p, def->of) || (def->over && !find_output(s, p, def->over)) ||
            (def->chance_of && !find_output(s, p, def->chance_of)))
            return ns_fail(err, NS_E_INTERNAL, "score '%s' of probe '%s' names no output over case layer head", def->name,
                           s->probes[p]->name);
        ns_scores_weigh(s, k, NULL, s->values[k]);
        rc = def->chance_of ? find_chance_level(s, k, err) : NS_OK;
    }
    return rc;
}
