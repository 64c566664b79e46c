/* gradient_reduce.c - norms of texts -> means by distance, and in bins with intervals over resampled texts. */
#include "gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "resample.h"

/* Of each text, sums and counts of its cells: the bins, then what lies before the window and beyond it. */
typedef struct cells { double *sum; int64_t *n, width; } cells;

static int gather(const ns_gradient *g, const ns_gradient_curve *c, cells *to, ns_error *err)
{
    to->width = g->B + 2;
    to->sum = ns_alloc_array((size_t)(g->C * to->width), sizeof *to->sum);
    to->n = ns_alloc_array((size_t)(g->C * to->width), sizeof *to->n);
    if (!to->sum || !to->n)
        return ns_oom(err, "bins");
    for (int64_t i = 0; i < g->C; i++)
        for (int64_t d = 0, b = 0; d < g->text_tokens[i]; d++) {
            b += d == g->bin[b + 1];
            const int64_t side = g->B + (g->window && d >= g->window);
            to->sum[i * to->width + b] += (double)c->norm[i * g->N + d];
            to->sum[i * to->width + side] += (double)c->norm[i * g->N + d];
            to->n[i * to->width + b]++;
            to->n[i * to->width + side]++;
        }
    return NS_OK;
}

/* count[C] how often each text is in the resample; NULL: once. */
static double mean_of(const cells *x, int64_t C, int64_t at, const int64_t *count)
{
    double sum = 0, n = 0;
    for (int64_t i = 0; i < C; i++) {
        const double times = count ? (double)count[i] : 1;
        sum += times * x->sum[i * x->width + at];
        n += times * (double)x->n[i * x->width + at];
    }
    return n > 0 ? sum / n : (double)NAN;
}

/* out[width + B + 1]: the means, then the bins relative to what is beyond, then before / beyond. */
static void values_of(const ns_gradient *g, const cells *x, const int64_t *count, double *out)
{
    for (int64_t k = 0; k < x->width; k++)
        out[k] = mean_of(x, g->C, k, count);
    const double beyond = g->window ? out[g->B + 1] : (double)NAN;
    for (int64_t b = 0; b < g->B; b++)
        out[x->width + b] = out[b] / beyond;
    out[x->width + g->B] = out[g->B] / beyond;
}

/* How many texts have a cell there. */
static int64_t texts_at(const cells *x, int64_t C, int64_t at)
{
    int64_t n = 0;
    for (int64_t i = 0; i < C; i++)
        n += x->n[i * x->width + at] > 0;
    return n;
}

/* How many texts the value v of values_of rests on. */
static int64_t texts_of(const ns_gradient *g, const cells *x, int64_t v)
{
    if (v < x->width)
        return texts_at(x, g->C, v);
    const int64_t here = texts_at(x, g->C, v - x->width), beyond = texts_at(x, g->C, g->B + 1);
    return here < beyond ? here : beyond;
}

/* out[values, draws]. */
static void resample(const ns_gradient *g, const cells *x, int64_t n, int64_t draws, double *out, int64_t *count, double *one)
{
    ns_rng rng = ns_rng_seed(g->seed, 29);
    for (int64_t k = 0; k < draws; k++) {
        memset(count, 0, (size_t)g->C * sizeof *count);
        for (int64_t i = 0; i < g->C; i++)
            count[ns_rng_below(&rng, g->C)]++;
        values_of(g, x, count, one);
        for (int64_t v = 0; v < n; v++)
            out[v * draws + k] = one[v];
    }
}

static int find_bins(const ns_gradient *g, ns_gradient_curve *c, const cells *x, int64_t draws, ns_error *err)
{
    const int64_t n = x->width + g->B + 1;
    double *const all = ns_alloc_array((size_t)(n * draws), sizeof *all), *const value = ns_alloc_array((size_t)(2 * n), sizeof *value);
    int64_t *const count = ns_alloc_array((size_t)g->C, sizeof *count);
    const bool good = all && value && count;
    if (good) {
        resample(g, x, n, draws, all, count, value + n);
        values_of(g, x, NULL, value);
    }
    for (int64_t v = 0; good && v < n; v++) {
        ns_gradient_value found = {.value = value[v]};
        ns_percentile_interval(all + v * draws, draws, texts_of(g, x, v), &found.low, &found.high);
        if (v < g->B)
            c->binned[v] = found;
        else if (v == g->B + 1)
            c->beyond = found;
        else if (v >= x->width && v < x->width + g->B && c->binned_relative)
            c->binned_relative[v - x->width] = found;
        else if (v == n - 1)
            c->ratio = found;
    }
    free(all);
    free(value);
    free(count);
    return good ? NS_OK : ns_oom(err, "intervals");
}

static void find_means(const ns_gradient *g, ns_gradient_curve *c)
{
    for (int64_t d = 0; d < g->N; d++) {
        c->sum[d] = 0;
        for (int64_t i = 0; i < g->C; i++)
            c->sum[d] += d < g->text_tokens[i] ? (double)c->norm[i * g->N + d] : 0;
        c->mean[d] = c->sum[d] / (double)g->count[d];
    }
}

int ns_gradient_reduce(ns_gradient *g, ns_gradient_curve *c, int resamples, ns_error *err)
{
    cells x = {0};
    find_means(g, c);
    int rc = gather(g, c, &x, err);
    rc = rc != NS_OK ? rc : find_bins(g, c, &x, resamples > 0 ? resamples : 1000, err);
    for (int64_t d = 0; rc == NS_OK && c->relative && d < g->N; d++)
        c->relative[d] = c->mean[d] / c->beyond.value;
    free(x.sum);
    free(x.n);
    return rc;
}
