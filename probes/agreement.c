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

/* Ranks with ties averaged. */
static void rank_values(const float *values, const int64_t *of, int64_t n, ranked *scratch, double *out)
{
    for (int64_t i = 0; i < n; i++)
        scratch[i] = (ranked){values[of[i]], i};
    qsort(scratch, (size_t)n, sizeof *scratch, by_ranked);
    for (int64_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && scratch[j].value == scratch[i].value;)
            j++;
        for (int64_t t = i; t < j; t++)
            out[scratch[t].at] = (double)(i + j - 1) / 2;
    }
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
    int64_t *const of = ns_alloc_array((size_t)n, sizeof *of), m = 0;
    ranked *const scratch = ns_alloc_array((size_t)n, sizeof *scratch);
    double *const x = ns_alloc_array((size_t)n, sizeof *x), *const y = ns_alloc_array((size_t)n, sizeof *y);
    const bool good = of && scratch && x && y;
    for (int64_t i = 0; good && i < n; i++)
        if (!isnan(a[i]) && !isnan(b[i]))
            of[m++] = i;
    if (good) {
        rank_values(a, of, m, scratch, x);
        rank_values(b, of, m, scratch, y);
        *out = correlation(x, y, m);
    }
    free(of);
    free(scratch);
    free(x);
    free(y);
    return good ? NS_OK : ns_oom(err, "ranks of heads");
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
