/* kinds.c - do the retrieval heads of a hybrid lie in one kind of its layers? How many of the heads with .1 and more (Wu et al.'s
 * threshold) are of that kind, how that share varies with the prompts, and how often as many would be if the kind were dealt at random: to
 * heads, and to whole layers, since heads of a layer are no independent draws. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/arch.h>

#include "score.h"

static bool is_strong(float value)
{
    return value >= NS_STRONG;
}

static bool is_of(const ns_scores *s, int64_t layer, ns_layer_kind kind)
{
    return strcmp(s->kinds[layer], ns_layer_kind_name(kind)) == 0;
}

/* strong[L], heads[L] of a list of values[L H]. */
static void count_layers(const ns_scores *s, const float *values, int64_t *strong, int64_t *heads)
{
    for (int64_t l = 0; l < s->L; l++) {
        strong[l] = heads[l] = 0;
        for (int64_t i = l * s->H; i < (l + 1) * s->H; i++) {
            heads[l] += s->valid[i];
            strong[l] += s->valid[i] && is_strong(values[i]);
        }
    }
}

/* Unit by unit: state [k, sum] = the chance that k of those seen are of the kind and carry `sum`. From high to low, in place. */
int ns_dealt_p(const int64_t *weight, int64_t units, int64_t chosen, int64_t least, double *p, ns_error *err)
{
    int64_t all = 0;
    for (int64_t i = 0; i < units; i++)
        all += weight[i];
    const int64_t width = all + 1;
    double *const state = ns_alloc_array((size_t)((chosen + 1) * width), sizeof *state);
    if (!state)
        return ns_oom(err, "odds by chance");
    state[0] = 1;
    for (int64_t i = 0; i < units; i++)
        for (int64_t k = i < chosen ? i : chosen; k >= 0; k--) {
            const double taken = (double)(chosen - k) / (double)(units - i);
            for (int64_t sum = all; sum >= 0; sum--) {
                const double here = state[k * width + sum];
                state[k * width + sum] = here * (1 - taken);
                if (here > 0 && taken > 0)
                    state[(k + 1) * width + sum + weight[i]] += here * taken;
            }
        }
    *p = 0;
    for (int64_t sum = all; sum >= least; sum--)
        *p += state[chosen * width + sum];
    free(state);
    *p = fmin(*p, 1);
    return NS_OK;
}

/* Heads as units: those with .1 and more weigh 1. */
static int heads_p(ns_kind_share *out, ns_error *err)
{
    int64_t *const weight = ns_alloc_array((size_t)out->all_heads + 1, sizeof *weight);
    if (!weight)
        return ns_oom(err, "odds by chance");
    for (int64_t i = 0; i < out->all_strong; i++)
        weight[i] = 1;
    const int rc = ns_dealt_p(weight, out->all_heads, out->heads, out->strong, &out->p_heads, err);
    free(weight);
    return rc;
}

/* Layers that have heads as units. */
static int layers_p(const ns_scores *s, const int64_t *strong, const int64_t *heads, ns_kind_share *out, ns_error *err)
{
    int64_t *const weight = ns_alloc_array((size_t)s->L + 1, sizeof *weight), units = 0, chosen = 0;
    if (!weight)
        return ns_oom(err, "odds by chance");
    for (int64_t l = 0; l < s->L; l++)
        if (heads[l]) {
            weight[units++] = strong[l];
            chosen += is_of(s, l, out->kind);
        }
    const int rc = ns_dealt_p(weight, units, chosen, out->strong, &out->p_layers, err);
    free(weight);
    return rc;
}

int ns_scores_kind_share(const ns_scores *s, int i, ns_layer_kind kind, ns_kind_share *out, ns_error *err)
{
    *out = (ns_kind_share){.kind = kind, .low = (double)NAN, .high = (double)NAN, .p_heads = 1, .p_layers = 1};
    if (i < 0 || i >= s->n_scores || kind < NS_LAYER_FULL || kind >= NS_LAYER_MLP)
        return ns_fail(err, NS_E_ARG, "no score %d, or no kind of layers %d", i, (int)kind);
    int64_t *const strong = ns_alloc_array((size_t)s->L, sizeof *strong), *const heads = ns_alloc_array((size_t)s->L, sizeof *heads);
    int rc = strong && heads ? NS_OK : ns_oom(err, "heads of a kind");
    if (rc == NS_OK)
        count_layers(s, s->values[i], strong, heads);
    for (int64_t l = 0; l < s->L && rc == NS_OK; l++) {
        out->all_heads += heads[l];
        out->all_strong += strong[l];
        out->heads += is_of(s, l, kind) ? heads[l] : 0;
        out->strong += is_of(s, l, kind) ? strong[l] : 0;
    }
    rc = rc != NS_OK ? rc : heads_p(out, err);
    rc = rc != NS_OK ? rc : layers_p(s, strong, heads, out, err);
    if (s->ranking && ns_scores_by_case(s, i)) {
        out->low = (double)s->ranking->kind_low[i * NS_LAYER_MLP + (int)kind];
        out->high = (double)s->ranking->kind_high[i * NS_LAYER_MLP + (int)kind];
    }
    free(strong);
    free(heads);
    return rc;
}

static int by_share(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int ns_rank_kinds(const ns_scores *s, const float *values, int64_t resamples, double tail, float *low, float *high, ns_error *err)
{
    double *const shares = ns_alloc_array((size_t)resamples, sizeof *shares);
    if (!shares)
        return ns_oom(err, "heads of a kind");
    for (int kind = NS_LAYER_FULL; kind < NS_LAYER_MLP; kind++) {
        int64_t n = 0;
        for (int64_t b = 0; b < resamples; b++) {
            const float *const list = values + b * ns_scores_size(s);
            int64_t strong = 0, all = 0;
            for (int64_t i = 0; i < ns_scores_size(s); i++) {
                const bool counts = s->valid[i] && is_strong(list[i]);
                all += counts;
                strong += counts && is_of(s, i / s->H, (ns_layer_kind)kind);
            }
            if (all)
                shares[n++] = (double)strong / (double)all;
        }
        qsort(shares, (size_t)n, sizeof *shares, by_share);
        low[kind] = n && tail >= 0 ? (float)ns_quantile_sorted(shares, n, tail) : NAN;
        high[kind] = n && tail >= 0 ? (float)ns_quantile_sorted(shares, n, 1 - tail) : NAN;
    }
    free(shares);
    return NS_OK;
}
