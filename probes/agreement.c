/* agreement.c - how much two scores have in common: Spearman over all heads; and how one is spread over them. */
#include <math.h>
#include <stdlib.h>

#include "score.h"

typedef struct ranked { float value; int64_t at; } ranked;

static int by_ranked(const void *a, const void *b)
{
    const float x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return x < y ? -1 : x > y;
}

int ns_ranks(const float *values, int64_t n, double *out, ns_error *err)
{
    ranked *const sorted = ns_alloc_array((size_t)n, sizeof *sorted);
    if (!sorted)
        return ns_oom(err, "ranks of heads");
    for (int64_t i = 0; i < n; i++)
        sorted[i] = (ranked){values[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, by_ranked);
    for (int64_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && sorted[j].value == sorted[i].value;)
            j++;
        for (int64_t t = i; t < j; t++)
            out[sorted[t].at] = (double)(i + j - 1) / 2;
    }
    free(sorted);
    return NS_OK;
}

static double correlation(const double *x, const double *y, int64_t n)
{
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < n; i++) {
        mx += x[i] / (double)n;
        my += y[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : (double)NAN;
}

int ns_spearman(const float *a, const float *b, int64_t n, double *out, ns_error *err)
{
    float *const values = ns_alloc_array((size_t)n, 2 * sizeof *values);
    double *const ranks = ns_alloc_array((size_t)n, 2 * sizeof *ranks);
    int64_t m = 0;
    int rc = values && ranks ? NS_OK : ns_oom(err, "ranks of heads");
    for (int64_t i = 0; rc == NS_OK && i < n; i++)
        if (!isnan(a[i]) && !isnan(b[i])) {
            values[m] = a[i];
            values[n + m++] = b[i];
        }
    rc = rc != NS_OK ? rc : ns_ranks(values, m, ranks, err);
    rc = rc != NS_OK ? rc : ns_ranks(values + n, m, ranks + n, err);
    if (rc == NS_OK)
        *out = correlation(ranks, ranks + n, m);
    free(values);
    free(ranks);
    return rc;
}

ns_score_shares ns_score_spread(const float *score, int64_t n)
{
    int64_t count[4] = {0};
    ns_score_shares out = {0};
    for (int64_t i = 0; i < n; i++) {
        if (isnan(score[i]))
            continue;
        const double v = (double)score[i];
        count[v <= 0 ? 0 : v < (double)NS_STRONG ? 1 : v < .5f ? 2 : 3]++;
        out.n++;
    }
    const double all = out.n ? (double)out.n : (double)NAN;
    out.tenth = count[2] + count[3];
    out.zero = (double)count[0] / all;
    out.weak = (double)count[1] / all;
    out.middle = (double)count[2] / all;
    out.strong = (double)count[3] / all;
    return out;
}
