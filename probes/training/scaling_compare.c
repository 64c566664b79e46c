/* scaling_compare.c - two tables: the gap between their laws at the smallest and at the largest budget that both reach, and whether the
 * gaps say that the curves cross, meet or part. Points are resampled within sizes, so that every resample has every size. */
#include "scaling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_RESAMPLES = 1000 };
static const double TAIL = .025;

typedef struct side {
    const ns_scaling *s;
    ns_scaling_data data;
    const char **size;
    ns_scaling_law law;
} side; /* size [data.n] */

static void clear_side(side *d)
{
    ns_scaling_data_clear(&d->data);
    free(d->size);
}

static int make_side(side *d, const ns_scaling *s, ns_error *err)
{
    const ns_scaling_table *const t = s->table;
    *d = (side){.s = s, .law = s->fit.law, .size = ns_alloc_array((size_t)t->n, sizeof *d->size)};
    const int rc = ns_scaling_data_make(&d->data, t, s->fit.held_out, err);
    if (rc != NS_OK || !d->size)
        return rc != NS_OK ? rc : ns_oom(err, "a scaling law");
    for (int64_t i = 0, n = 0; i < t->n; i++)
        if (t->points[i].size != s->fit.held_out)
            d->size[n++] = t->points[i].size;
    return NS_OK;
}

/* Each point is replaced by one of its size. */
static void resample(side *d, ns_rng *rng)
{
    ns_scaling_data *const data = &d->data;
    memset(data->weight, 0, (size_t)data->n * sizeof *data->weight);
    for (int64_t i = 0; i < data->n; i++) {
        int64_t of = 0, k = 0;
        for (int64_t j = 0; j < data->n; j++)
            of += d->size[j] == d->size[i];
        for (int64_t left = ns_rng_below(rng, of); d->size[k] != d->size[i] || left-- > 0;)
            k++;
        data->weight[k]++;
    }
    double x[SCALING_VARIABLES];
    ns_scaling_descend(data, d->s->starts, d->s->n_starts, x);
    d->law = ns_scaling_law_of(data, x);
}

static double gap_at(const side *a, const side *b, const ns_scaling_gap *at)
{
    return ns_scaling_at(&a->law, at->n, at->tokens) - ns_scaling_at(&b->law, at->n, at->tokens);
}

/* ---- budgets ---- */

static void widen(const ns_scaling_table *t, ns_scaling_gap *least, ns_scaling_gap *most)
{
    *least = (ns_scaling_gap){.n = INFINITY, .tokens = INFINITY};
    *most = (ns_scaling_gap){0};
    for (int64_t i = 0; i < t->n; i++) {
        least->n = fmin(least->n, t->points[i].n);
        least->tokens = fmin(least->tokens, t->points[i].tokens);
        most->n = fmax(most->n, t->points[i].n);
        most->tokens = fmax(most->tokens, t->points[i].tokens);
    }
}

static int find_budgets(ns_scaling_difference *d, const ns_scaling_table *a, const ns_scaling_table *b, ns_error *err)
{
    ns_scaling_gap least[2], most[2];
    if (a->longppl != b->longppl)
        return ns_fail(err, NS_E_ARG, "%s and %s: one is of LongPPL, the other of losses", a->path, b->path);
    widen(a, &least[0], &most[0]);
    widen(b, &least[1], &most[1]);
    d->small = (ns_scaling_gap){.n = fmax(least[0].n, least[1].n), .tokens = fmax(least[0].tokens, least[1].tokens)};
    d->large = (ns_scaling_gap){.n = fmin(most[0].n, most[1].n), .tokens = fmin(most[0].tokens, most[1].tokens)};
    if (d->small.n <= d->large.n && d->small.tokens <= d->large.tokens)
        return NS_OK;
    return ns_fail(err, NS_E_ARG, "%s and %s have no %s in common to be compared at", a->path, b->path,
                   d->small.n > d->large.n ? "parameters" : "tokens");
}

/* ---- what resamples say ---- */

static void interval(double *values, int64_t n, double *low, double *high)
{
    qsort(values, (size_t)n, sizeof *values, ns_compare_double);
    *low = ns_quantile_sorted(values, n, TAIL);
    *high = ns_quantile_sorted(values, n, 1 - TAIL);
}

static int sign_of(double low, double high)
{
    return low > 0 ? 1 : high < 0 ? -1 : 0;
}

static ns_scaling_relation relation_of(const ns_scaling_difference *d)
{
    const int small = sign_of(d->small.low, d->small.high), large = sign_of(d->large.low, d->large.high);
    if (small * large < 0)
        return NS_SCALING_CROSS;
    const int narrower = sign_of(d->narrower_low, d->narrower_high);
    return narrower > 0        ? NS_SCALING_CONVERGE
           : narrower < 0      ? NS_SCALING_DIVERGE
           : small * large > 0 ? NS_SCALING_APART
                               : NS_SCALING_UNDECIDED;
}

/* values [3, n]: the gaps, and by how much they narrow. */
static void draw_all(ns_scaling_difference *d, side *a, side *b, double *values, int64_t n, uint64_t seed)
{
    int64_t crossed = 0;
    for (int64_t i = 0; i < n; i++) {
        ns_rng of_a = ns_rng_seed(seed, (uint64_t)(2 * i)), of_b = ns_rng_seed(seed, (uint64_t)(2 * i + 1));
        resample(a, &of_a);
        resample(b, &of_b);
        const double small = gap_at(a, b, &d->small), large = gap_at(a, b, &d->large);
        values[i] = small;
        values[n + i] = large;
        values[2 * n + i] = fabs(small) - fabs(large);
        crossed += small * large < 0;
    }
    interval(values, n, &d->small.low, &d->small.high);
    interval(values + n, n, &d->large.low, &d->large.high);
    interval(values + 2 * n, n, &d->narrower_low, &d->narrower_high);
    d->crossed = (double)crossed / (double)n;
    d->relation = relation_of(d);
}

int ns_scaling_compare(ns_scaling_difference *d, const ns_scaling *a, const ns_scaling *b, int resamples, uint64_t seed, ns_error *err)
{
    const int64_t n = resamples > 0 ? resamples : USUAL_RESAMPLES;
    side sides[2] = {{0}};
    *d = (ns_scaling_difference){0};
    double *const values = ns_alloc_array((size_t)(3 * n), sizeof *values);
    int rc = values ? find_budgets(d, a->table, b->table, err) : ns_oom(err, "a scaling law");
    rc = rc != NS_OK ? rc : make_side(&sides[0], a, err);
    rc = rc != NS_OK ? rc : make_side(&sides[1], b, err);
    if (rc == NS_OK) {
        d->small.gap = gap_at(&sides[0], &sides[1], &d->small);
        d->large.gap = gap_at(&sides[0], &sides[1], &d->large);
        d->narrower = fabs(d->small.gap) - fabs(d->large.gap);
        draw_all(d, &sides[0], &sides[1], values, n, seed);
    }
    clear_side(&sides[0]);
    clear_side(&sides[1]);
    free(values);
    return rc;
}

const char *ns_scaling_relation_text(ns_scaling_relation r)
{
    static const char *const texts[] = {"undecided", "cross", "converge", "part", "stay apart"};
    return texts[r];
}
