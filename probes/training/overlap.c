/* overlap.c - the top heads of each checkpoint: how many are those of the end, how many those of the checkpoint before, and what another
 * measure says of both sets (the tracing of arXiv 2606.15378); and checkpoints that do not lie where their names say. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/best.h>

#include "training.h"

/* Births are of scores whose largest are the best. */
static const ns_score_meaning large = {.best = NS_BEST_LARGEST};

/* The mean of value[K] over a set of shares; NaN where none of it is measured. */
static double mean_over(const float *value, const float *share, int64_t K)
{
    double sum = 0, all = 0;
    for (int64_t h = 0; h < K; h++) {
        const bool counts = share[h] > 0 && !isnan(value[h]);
        sum += counts ? (double)share[h] * (double)value[h] : 0;
        all += counts ? (double)share[h] : 0;
    }
    return all > 0 ? sum / all : (double)NAN;
}

static bool measured(const float *row, int64_t K)
{
    for (int64_t h = 0; h < K; h++)
        if (!isnan(row[h]))
            return true;
    return false;
}

static int64_t last_measured(const float *score, int64_t P, int64_t K)
{
    while (P > 0 && !measured(score + (P - 1) * K, K))
        P--;
    return P - 1;
}

int ns_trace_heads(const float *score, const float *value, int64_t P, int64_t K, int64_t k, ns_trace *out, ns_error *err)
{
    float *const sets = ns_alloc_array((size_t)(3 * K), sizeof *sets), *const final = sets, *now = sets + K, *before = now + K;
    const int64_t end = last_measured(score, P, K);
    bool any_before = false;
    if (!sets)
        return ns_oom(err, "tracing of heads");
    if (end >= 0)
        ns_best_shares(score + end * K, K, k, &large, final);
    for (int64_t p = 0; p < P; p++) {
        out[p] = (ns_trace){(double)NAN, (double)NAN, (double)NAN, (double)NAN};
        if (!measured(score + p * K, K))
            continue;
        ns_best_shares(score + p * K, K, k, &large, now);
        if (value) {
            out[p].final_top = mean_over(value + p * K, final, K);
            out[p].step_top = mean_over(value + p * K, now, K);
        }
        out[p].with_final = ns_shares_jaccard(now, final, K);
        if (any_before)
            out[p].with_previous = ns_shares_jaccard(now, before, K);
        float *const swap = before;
        before = now;
        now = swap;
        any_before = true;
    }
    free(sets);
    return NS_OK;
}

/* ---- checkpoints out of line ---- */

static double distance(const float *a, const float *b, int64_t K)
{
    double sum = 0;
    int64_t n = 0;
    for (int64_t h = 0; h < K; h++) {
        if (isnan(a[h]) || isnan(b[h]))
            continue;
        sum += (double)(a[h] - b[h]) * (double)(a[h] - b[h]);
        n++;
    }
    return n ? sqrt(sum / (double)n) : 0;
}

int ns_checkpoint_flags(const float *score, int64_t P, int64_t K, double factor, unsigned *flags, ns_error *err)
{
    int64_t *const at = ns_alloc_array((size_t)P, sizeof *at), n = 0;
    double *const step = ns_alloc_array(2 * (size_t)P, sizeof *step), *const sorted = step + P;
    if (!at || !step) {
        free(at);
        free(step);
        return ns_oom(err, "flags of checkpoints");
    }
    factor = factor > 0 ? factor : 5;
    for (int64_t p = 0; p < P; p++) {
        flags[p] = 0;
        if (measured(score + p * K, K))
            at[n++] = p;
    }
    for (int64_t i = 1; i < n; i++) {
        step[i - 1] = distance(score + at[i - 1] * K, score + at[i] * K, K);
        if (memcmp(score + at[i - 1] * K, score + at[i] * K, (size_t)K * sizeof *score) == 0)
            flags[at[i]] |= NS_CHECKPOINT_DUPLICATE;
    }
    if (n > 1)
        memcpy(sorted, step, (size_t)(n - 1) * sizeof *step);
    const double usual = n > 1 ? ns_median_censored(sorted, n - 1) : 0;
    for (int64_t i = 1; i + 1 < n; i++) {
        const double across = distance(score + at[i - 1] * K, score + at[i + 1] * K, K), near = fmin(step[i - 1], step[i]);
        if (near > factor * across && near > factor * usual)
            flags[at[i]] |= NS_CHECKPOINT_JUMP;
    }
    free(at);
    free(step);
    return NS_OK;
}
