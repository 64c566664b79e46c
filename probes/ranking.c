/* ranking.c - head lists that survive a reviewer: for every score and head an interval and P(in the top k) over resampled prompts, the
 * value where there is nothing to find, over answered and missed cases apart and by kind of case; for every score how well two halves
 * of the cases agree; for every two scores how well they agree.
 *
 * One set of resamples (resample.h) serves all scores. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "resample.h"

enum { SPLITS = 100 };
static const uint64_t STREAM_RESAMPLES = 0x72616e6b, STREAM_SPLITS = 0x73706c69;

typedef struct work {
    ns_scores  *s;
    ns_ranking *r;
    ns_units    units;
    double      tail;          /* of an interval at each end; negative: none */
    double     *scratch;       /* [prompts] */
    uint16_t   *weights;       /* [B, C] */
    float      *values;        /* [B, L H] */
    float      *column;        /* [B] */
    float      *halves[2];     /* [L H] */
    float      *shares[2];     /* [L H] of the places among the best */
    ns_error   *err;
} work;

/* ---- kinds ---- */

static int compare_kinds(const ns_case_result *a, const ns_case_result *b)
{
    const int order = strcmp(a->value_type, b->value_type);
    return order ? order : strcmp(a->template_name, b->template_name);
}

/* Groups are the kinds, sorted by value type, then template. */
static int find_groups(work *w)
{
    ns_scores *const s = w->s;
    ns_ranking *const r = w->r;
    r->group_of = ns_alloc_array((size_t)s->n_cases, sizeof *r->group_of);
    r->groups = ns_alloc_array((size_t)s->n_cases, sizeof *r->groups);
    if (!r->group_of || !r->groups)
        return ns_oom(w->err, "groups of cases");
    for (int64_t i = 0; i < s->n_cases; i++) {             /* insertion by kind; few kinds, many cases: moves are rare */
        int64_t g = 0;
        while (g < r->n_groups && compare_kinds(&s->cases[r->groups[g].first], &s->cases[i]) < 0)
            g++;
        if (g < r->n_groups && compare_kinds(&s->cases[r->groups[g].first], &s->cases[i]) == 0) {
            r->groups[g].n++;
            continue;
        }
        memmove(r->groups + g + 1, r->groups + g, (size_t)(r->n_groups++ - g) * sizeof *r->groups);
        r->groups[g] = (ns_case_group){.first = i, .n = 1};
    }
    for (int64_t g = 0; g < r->n_groups; g++)
        for (int64_t i = 0; i < s->n_cases; i++)
            if (compare_kinds(&s->cases[r->groups[g].first], &s->cases[i]) == 0)
                r->group_of[i] = g;
    return ns_units_find(&w->units, s, r->group_of, r->n_groups, w->err);
}

/* ---- intervals ---- */

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* The quantile of sorted values, linear between neighbours (numpy's default). */
static float quantile(const float *sorted, int64_t n, double q)
{
    const double at = q * (double)(n - 1);
    const int64_t i = (int64_t)at;
    return i + 1 < n ? (float)((double)sorted[i] + (at - (double)i) * ((double)sorted[i + 1] - (double)sorted[i])) : sorted[n - 1];
}

/* Of the sorted column[n]: mean squared distance from their mean, for the prompts that a draw within strata leaves free. 0: all agree. */
static double variance(const work *w, int64_t n)
{
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; i++)
        mean += (double)w->column[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        square += ((double)w->column[i] - mean) * ((double)w->column[i] - mean);
    const double prompts = (double)w->units.n_prompts, freedom = prompts - (double)w->units.n_strata;
    return freedom > 0 && w->column[0] < w->column[n - 1] ? square / (double)n * prompts / freedom : 0;
}

/* The events of a head in all: a rate is a share of them. */
static double events(const work *w, const float *over, int64_t head)
{
    double sum = 0;
    for (int64_t i = 0; i < w->s->n_cases; i++)
        sum += (double)over[i * ns_scores_size(w->s) + head];
    return sum;
}

/* A rate: Wilson's interval (modified near 0 and 1), of as many events as would vary as the resamples do, were they independent (Kott and
 * Carr 1997), fewer where few prompts tell how alike the events of one are; where all prompts agree, of as many as there are prompts: 12
 * of 12 is not [1, 1]. Quantiles of the resamples would be too short near 0 and 1. */
static void rate_interval(const work *w, int k, int64_t head, int64_t n_resampled, float *low, float *high)
{
    const float *const hits = ns_scores_of(w->s, k) + head, *const over = ns_scores_over(w->s, k);
    const double v = variance(w, n_resampled), rate = (double)w->s->values[k][head];
    const double seen = v > 0 ? fmin(rate * (1 - rate) / v, events(w, over, head)) : 0;
    const double n = ns_units_events(&w->units, hits, over + head, ns_scores_size(w->s), seen, w->scratch);
    double from, to;
    ns_rate_interval(rate * n, n, &from, &to);
    *low = (float)fmin(from, rate);
    *high = (float)fmax(to, rate);
}

/* A mean over cases: quantiles of the resamples. Where all prompts agree on a difference of hits, as large a share of them as Wilson allows
 * of 0 in n may be otherwise, at either end of the range. */
static void mean_interval(const work *w, int k, int64_t n, float *low, float *high)
{
    const ns_score *const def = w->s->defs[k];
    double none, share, value = (double)w->column[0];
    *low = w->tail < 0 ? NAN : quantile(w->column, n, w->tail);
    *high = w->tail < 0 ? NAN : quantile(w->column, n, 1 - w->tail);
    if (w->column[0] != w->column[n - 1] || !(def->lo < 0) || !isfinite(def->lo) || !isfinite(def->hi))
        return;
    ns_wilson(0, (double)w->units.n_prompts, &none, &share);
    *low = (float)(value - (value - def->lo) * share);
    *high = (float)(value + (def->hi - value) * share);
}

/* Out of the sorted column[n] of resampled values. */
static void set_interval(const work *w, int k, int64_t head, int64_t n, float *low, float *high)
{
    if (ns_scores_over(w->s, k) && isfinite(w->s->defs[k]->hi))          /* a quotient without an end is no rate */
        rate_interval(w, k, head, n, low, high);
    else
        mean_interval(w, k, n, low, high);
}

/* Ties share the last place, so counts are fractions. */
static void count_top(work *w, const float *values, const ns_score_meaning *m, int k, float *count)
{
    const int64_t size = ns_scores_size(w->s);
    ns_best_shares(values, size, k, m, w->shares[0]);
    for (int64_t h = 0; h < size; h++)
        count[h] += w->shares[0][h];
}

static int rank_heads(work *w, int k)
{
    ns_ranking *const r = w->r;
    const int64_t size = ns_scores_size(w->s), at = k * size, B = r->resamples;
    const ns_score_meaning meaning = ns_scores_meaning(w->s, k);
    memset(r->top4 + at, 0, (size_t)size * sizeof *r->top4);
    memset(r->top10 + at, 0, (size_t)size * sizeof *r->top10);
    for (int64_t b = 0; b < B; b++) {
        float *const values = w->values + b * size;
        ns_scores_weigh(w->s, k, w->weights + b * w->s->n_cases, values);
        count_top(w, values, &meaning, 4, r->top4 + at);
        count_top(w, values, &meaning, 10, r->top10 + at);
    }
    for (int64_t h = 0; h < size; h++) {
        int64_t n = 0;
        for (int64_t b = 0; b < B; b++)
            if (!isnan(w->values[b * size + h]))
                w->column[n++] = w->values[b * size + h];
        qsort(w->column, (size_t)n, sizeof *w->column, by_value);
        const bool known = n > 0 && !isnan(w->s->values[k][h]), counts = known && ns_score_counts(&meaning, w->s->values[k][h]);
        r->low[at + h] = r->high[at + h] = NAN;
        if (known)
            set_interval(w, k, h, n, &r->low[at + h], &r->high[at + h]);
        r->top4[at + h] = counts ? r->top4[at + h] / (float)B : NAN;
        r->top10[at + h] = counts ? r->top10[at + h] / (float)B : NAN;
    }
    return ns_rank_kinds(w->s, w->values, B, w->tail, r->kind_low + k * NS_LAYER_MLP, r->kind_high + k * NS_LAYER_MLP, w->err);
}

/* ---- agreement ---- */

/* Of the k best by two scores, or by one over two sets of cases. NaN: neither has any. */
static double jaccard(work *w, const float *a, const ns_score_meaning *of_a, const float *b, const ns_score_meaning *of_b, int k)
{
    const int64_t size = ns_scores_size(w->s);
    ns_best_shares(a, size, k, of_a, w->shares[0]);
    ns_best_shares(b, size, k, of_b, w->shares[1]);
    return ns_shares_jaccard(w->shares[0], w->shares[1], size);
}

static void split_halves(work *w, int k, const uint16_t *splits)
{
    const int64_t C = w->s->n_cases;
    const ns_score_meaning meaning = ns_scores_meaning(w->s, k);
    double sum[2] = {0, 0};
    for (int64_t i = 0; i < SPLITS; i++) {
        for (int half = 0; half < 2; half++)
            ns_scores_weigh(w->s, k, splits + (2 * i + half) * C, w->halves[half]);
        sum[0] += jaccard(w, w->halves[0], &meaning, w->halves[1], &meaning, 4);
        sum[1] += jaccard(w, w->halves[0], &meaning, w->halves[1], &meaning, 10);
    }
    w->r->jaccard4[k] = (float)(sum[0] / SPLITS);
    w->r->jaccard10[k] = (float)(sum[1] / SPLITS);
}

/* A score that ranks no head has no list that could agree with another. */
static bool ranks_any(const ns_scores *s, int k, const ns_score_meaning *m)
{
    bool any = false;
    for (int64_t h = 0; h < ns_scores_size(s) && !any; h++)
        any = ns_score_counts(m, s->values[k][h]);
    return any;
}

static int compare_scores(work *w)
{
    ns_scores *const s = w->s;
    int rc = NS_OK;
    for (int i = 0; i < s->n_scores && rc == NS_OK; i++)
        for (int j = 0; j < s->n_scores && rc == NS_OK; j++) {
            double rho = NAN;
            rc = ns_spearman(s->values[i], s->values[j], ns_scores_size(s), &rho, w->err);
            w->r->spearman[i * s->n_scores + j] = (float)rho;
            const ns_score_meaning of_i = ns_scores_meaning(s, i), of_j = ns_scores_meaning(s, j);
            const bool rank = ranks_any(s, i, &of_i) && ranks_any(s, j, &of_j);
            w->r->overlap[i * s->n_scores + j] = rank ? (float)jaccard(w, s->values[i], &of_i, s->values[j], &of_j, 10) : NAN;
        }
    return rc;
}

/* ---- parts of the cases ---- */

static void weigh_part(const work *w, int k, bool (*in)(const work *, int64_t, int64_t), int64_t which, float *out)
{
    uint16_t *const weights = w->weights;                  /* the first row: free by now */
    for (int64_t i = 0; i < w->s->n_cases; i++)
        weights[i] = in(w, i, which);
    ns_scores_weigh(w->s, k, weights, out);
}

static bool answered(const work *w, int64_t i, int64_t which)  { return (int64_t)ns_case_answered(&w->s->cases[i]) == which; }
static bool in_group(const work *w, int64_t i, int64_t which)  { return w->r->group_of[i] == which; }

/* ---- the whole ---- */

void ns_ranking_free(ns_ranking *r)
{
    if (!r)
        return;
    float *const lists[] = {r->low, r->high, r->top4, r->top10, r->chance, r->answered, r->missed, r->jaccard4, r->jaccard10, r->spearman,
                            r->overlap, r->by_group, r->kind_low, r->kind_high};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]);
    free(r->groups);
    free(r->group_of);
    free(r->stratum_of);
    free(r);
}

static int allocate(work *w, const ns_ranking_params *params)
{
    ns_scores *const s = w->s;
    ns_ranking *const r = w->r;
    const size_t size = (size_t)ns_scores_size(s), S = (size_t)s->n_scores, C = (size_t)s->n_cases;
    r->resamples = params->resamples > 0 ? params->resamples : 1000;
    r->seed = params->seed;
    float **const heads[] = {&r->low, &r->high, &r->top4, &r->top10, &r->chance, &r->answered, &r->missed};
    bool good = true;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        *heads[i] = ns_alloc_array(S * size, sizeof **heads[i]);
        for (size_t at = 0; *heads[i] && at < S * size; at++)
            (*heads[i])[at] = NAN;
        good &= *heads[i] != NULL;
    }
    r->jaccard4 = ns_alloc_array(S, sizeof *r->jaccard4);
    r->jaccard10 = ns_alloc_array(S, sizeof *r->jaccard10);
    r->spearman = ns_alloc_array(S * S, sizeof *r->spearman);
    r->overlap = ns_alloc_array(S * S, sizeof *r->overlap);
    r->by_group = ns_alloc_array((size_t)r->n_groups * S * size, sizeof *r->by_group);
    w->weights = ns_alloc_array((size_t)(r->resamples > 2 * SPLITS ? r->resamples : 2 * SPLITS) * C, sizeof *w->weights);
    w->values = ns_alloc_array((size_t)r->resamples * size, sizeof *w->values);
    w->column = ns_alloc_array((size_t)r->resamples > C ? (size_t)r->resamples : C, sizeof *w->column);
    w->scratch = ns_alloc_array((size_t)w->units.n_prompts, sizeof *w->scratch);
    w->tail = ns_expanded_tail(w->units.n_prompts, w->units.n_strata);
    r->n_prompts = w->units.n_prompts;
    r->n_strata = w->units.n_strata;
    r->n_pooled = w->units.n_pooled;
    r->stratum_of = ns_alloc_array(C, sizeof *r->stratum_of);
    for (size_t i = 0; r->stratum_of && i < C; i++)
        r->stratum_of[i] = w->units.stratum[s->cases[i].prompt];
    w->halves[0] = ns_alloc_array(size, sizeof *w->halves[0]);
    w->halves[1] = ns_alloc_array(size, sizeof *w->halves[1]);
    w->shares[0] = ns_alloc_array(size, sizeof *w->shares[0]);
    w->shares[1] = ns_alloc_array(size, sizeof *w->shares[1]);
    r->kind_low = ns_alloc_array(S * NS_LAYER_MLP, sizeof *r->kind_low);
    r->kind_high = ns_alloc_array(S * NS_LAYER_MLP, sizeof *r->kind_high);
    good &= r->jaccard4 && r->jaccard10 && r->spearman && r->overlap && r->by_group && r->kind_low && r->kind_high;
    good &= w->weights && w->values && w->column && w->scratch && r->stratum_of;
    good &= w->halves[0] && w->halves[1] && w->shares[0] && w->shares[1];
    return good ? NS_OK : ns_oom(w->err, "the ranking of heads");
}

static int rank_all(work *w)
{
    ns_scores *const s = w->s;
    ns_ranking *const r = w->r;
    const int64_t size = ns_scores_size(s), C = s->n_cases;
    int rc = NS_OK;
    ns_rng rng = ns_rng_seed(r->seed, STREAM_RESAMPLES);
    for (int64_t b = 0; b < r->resamples; b++)
        ns_units_resample(&w->units, &rng, w->weights + b * C);
    for (int k = 0; k < s->n_scores && rc == NS_OK; k++)
        if (ns_scores_by_case(s, k))
            rc = rank_heads(w, k);
    if (rc != NS_OK)
        return rc;
    rng = ns_rng_seed(r->seed, STREAM_SPLITS);
    for (int64_t i = 0; i < SPLITS; i++)
        ns_units_halve(&w->units, &rng, w->weights + 2 * i * C, w->weights + (2 * i + 1) * C);
    for (int k = 0; k < s->n_scores; k++) {
        r->jaccard4[k] = r->jaccard10[k] = NAN;
        if (ns_scores_by_case(s, k) && w->units.n_prompts > 1)
            split_halves(w, k, w->weights);
    }
    for (int k = 0; k < s->n_scores; k++) {
        ns_scores_chance(s, k, r->chance + k * size);
        if (ns_scores_by_case(s, k)) {
            weigh_part(w, k, answered, 1, r->answered + k * size);
            weigh_part(w, k, answered, 0, r->missed + k * size);
        }
        for (int64_t g = 0; g < r->n_groups; g++) {
            float *const out = r->by_group + (g * s->n_scores + k) * size;
            if (ns_scores_by_case(s, k))
                weigh_part(w, k, in_group, g, out);
            else
                memcpy(out, s->values[k], (size_t)size * sizeof *out);
        }
    }
    return NS_OK;
}

int ns_scores_rank(ns_scores *s, const ns_ranking_params *params, ns_error *err)
{
    ns_ranking_params known = {.size = sizeof known};
    int rc = params ? ns_sized_copy(&known, sizeof known, params, "ns_ranking_params", err) : NS_OK;
    if (rc != NS_OK)
        return rc;
    work w = {.s = s, .r = ns_alloc_array(1, sizeof(ns_ranking)), .err = err};
    rc = w.r ? find_groups(&w) : ns_oom(err, "the ranking of heads");
    if (rc == NS_OK)
        rc = allocate(&w, &known);
    if (rc == NS_OK)
        rc = compare_scores(&w);
    if (rc == NS_OK)
        rc = rank_all(&w);
    ns_units_free(&w.units);
    free(w.scratch);
    free(w.weights);
    free(w.values);
    free(w.column);
    free(w.halves[0]);
    free(w.halves[1]);
    free(w.shares[0]);
    free(w.shares[1]);
    if (rc != NS_OK) {
        ns_ranking_free(w.r);
        return rc;
    }
    ns_ranking_free(s->ranking);
    s->ranking = w.r;
    return NS_OK;
}

bool ns_scores_resampling(const ns_scores *s, ns_resampling *out)
{
    const ns_ranking *const r = s->ranking;
    if (r)
        *out = (ns_resampling){.prompts = r->n_prompts, .kinds = r->n_groups, .strata = r->n_strata, .pooled = r->n_pooled};
    return r;
}

bool ns_scores_head(const ns_scores *s, int i, int64_t layer, int64_t head, ns_head_stats *out)
{
    const ns_ranking *const r = s->ranking;
    if (!r || i < 0 || i >= s->n_scores || layer < 0 || layer >= s->L || head < 0 || head >= s->H)
        return false;
    const int64_t at = i * ns_scores_size(s) + layer * s->H + head;
    const float chance = s->defs[i]->chance_of ? r->chance[at] : (float)ns_scores_known_chance(s, i, layer * s->H + head);
    *out = (ns_head_stats){.value = s->values[i][layer * s->H + head], .low = r->low[at], .high = r->high[at], .p_top4 = r->top4[at],
                           .p_top10 = r->top10[at], .chance = chance, .answered = r->answered[at], .missed = r->missed[at]};
    return true;
}

double ns_scores_split_half(const ns_scores *s, int i, int k)
{
    if (!s->ranking || i < 0 || i >= s->n_scores || (k != 4 && k != 10))
        return NAN;
    return (double)(k == 4 ? s->ranking->jaccard4 : s->ranking->jaccard10)[i];
}

double ns_scores_agreement(const ns_scores *s, int i, int j, bool spearman)
{
    if (!s->ranking || i < 0 || i >= s->n_scores || j < 0 || j >= s->n_scores)
        return NAN;
    return (double)(spearman ? s->ranking->spearman : s->ranking->overlap)[i * s->n_scores + j];
}
