/* overlap.c - the top heads of each checkpoint: how many are those of the end, how many those of the checkpoint before, and what another
 * measure says of both sets (the tracing of arXiv 2606.15378); and checkpoints that do not lie where their names say. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/best.h>

#include "training.h"

/* Births are of scores whose largest are the best. */
static const ns_score_meaning large = {.best = NS_BEST_LARGEST};

/* The mean of value[K] over a set of shares, or over what is not in it; NaN where none of that is measured. */
static double mean_over(const float *value, const float *share, bool outside, int64_t K)
{
    double sum = 0, all = 0;
    for (int64_t h = 0; h < K; h++) {
        const double weight = outside ? 1 - (double)share[h] : (double)share[h];
        const bool counts = weight > 0 && !isnan(value[h]);
        sum += counts ? weight * (double)value[h] : 0;
        all += counts ? weight : 0;
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
        out[p] = (ns_trace){(double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
        if (!measured(score + p * K, K))
            continue;
        ns_best_shares(score + p * K, K, k, &large, now);
        if (value) {
            out[p].final_top = mean_over(value + p * K, final, false, K);
            out[p].step_top = mean_over(value + p * K, now, false, K);
            out[p].others = mean_over(value + p * K, final, true, K);
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

static bool is_twin(const char *const *weights, int64_t p, int64_t *of)
{
    for (*of = 0; weights[p] && *of < p; ++*of)
        if (weights[*of] && strcmp(weights[*of], weights[p]) == 0)
            return true;
    return false;
}

/* What the weights usually move by; 0: nothing is known. */
static int usual_move(const float *moved, int64_t P, double *out, ns_error *err)
{
    double *const sorted = ns_alloc_array((size_t)P, sizeof *sorted);
    int64_t n = 0;
    if (!sorted)
        return ns_oom(err, "flags of checkpoints");
    for (int64_t p = 0; p < P; p++)
        if (!isnan(moved[p]))
            sorted[n++] = (double)moved[p];
    *out = n ? ns_median_censored(sorted, n) : 0;
    free(sorted);
    return NS_OK;
}

/* The next checkpoint whose distance to the one before it is known. */
static int64_t next_of(const float *moved, int64_t P, int64_t p)
{
    for (p++; p < P && isnan(moved[p]); p++)
        ;
    return p;
}

int ns_checkpoint_flags(const ns_checkpoint_signs *s, double factor, unsigned *flags, int64_t *twin, ns_error *err)
{
    double usual = 0;
    const int rc = s->moved && s->across ? usual_move(s->moved, s->P, &usual, err) : NS_OK;
    factor = factor > 0 ? factor : 5;
    for (int64_t p = 0; p < s->P && rc == NS_OK; p++) {
        const bool copy = is_twin(s->weights, p, &twin[p]);
        const int64_t next = s->moved && s->across ? next_of(s->moved, s->P, p) : s->P;
        const double near = next < s->P ? fmin((double)s->moved[p], (double)s->moved[next]) : 0;
        flags[p] = copy ? NS_CHECKPOINT_DUPLICATE : 0;
        twin[p] = copy ? twin[p] : -1;
        if (next < s->P && near > factor * (double)s->across[p] && near > factor * usual)       /* false with a NaN */
            flags[p] |= NS_CHECKPOINT_JUMP;
    }
    return rc;
}
