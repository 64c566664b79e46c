/* trend.c - Page's L (E. B. Page, Ordered hypotheses for multiple treatments, JASA 58, 1963): are births later the further right the
 * column? times of a block -> its ranks (ties, and births censored alike, share the mean rank) -> L = sum of j * rank.
 * Null: all orders of a block's own ranks are equally likely, blocks are independent. Exact: each block's distribution of sums is counted,
 * the distributions are convolved. Normal: mean and variance of the same null, so ties are in it. Ranks are doubled to be whole. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "training.h"

enum { MOST_W = 8, MOST_SUM = 2 * 204 + 1 };      /* 2 * (1^2 + ... + 8^2) = 408 */

double ns_normal_tail(double z)
{
    return .5 * erfc(z / sqrt(2.0));
}

void ns_trend_rank(const double *time, int64_t n, int64_t *rank)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t below = 0, same = 0;
        for (int64_t k = 0; k < n; k++) {
            below += time[k] < time[i];
            same += time[k] == time[i];
        }
        rank[i] = 2 * below + same + 1;
    }
}

static int64_t weighted(const int64_t *rank, int64_t n)
{
    int64_t sum = 0;
    for (int64_t j = 0; j < n; j++)
        sum += (j + 1) * rank[j];
    return sum;
}

/* Adds the sums of all orders of rank[at ...] to count. */
static void count_orders(int64_t *rank, int64_t at, int64_t n, double *count)
{
    if (at == n) {
        count[weighted(rank, n)]++;
        return;
    }
    for (int64_t i = at; i < n; i++) {
        const int64_t here = rank[at];
        rank[at] = rank[i];
        rank[i] = here;
        count_orders(rank, at + 1, n, count);
        rank[i] = rank[at];
        rank[at] = here;
    }
}

/* null[*length], probabilities of sums, becomes its convolution with one block's. */
static bool convolve(double **null, int64_t *length, const double *one)
{
    double *const sum = ns_alloc_array((size_t)(*length + MOST_SUM - 1), sizeof *sum);
    double all = 0;
    for (int k = 0; k < MOST_SUM; k++)
        all += one[k];
    for (int64_t i = 0; sum && i < *length; i++)
        for (int k = 0; k < MOST_SUM; k++)
            sum[i + k] += (*null)[i] * one[k] / all;
    free(*null);
    *null = sum;
    *length += MOST_SUM - 1;
    return sum != NULL;
}

bool ns_trend_complete(const double *time, int64_t n)
{
    for (int64_t j = 0; j < n; j++)
        if (isnan(time[j]))
            return false;
    return true;
}

/* Variance of sum_j j * rank_j over the orders: (sum of squares of j) x (of ranks) / (W - 1), each about its mean. */
static double block_variance(const int64_t *rank, int64_t W)
{
    double of_j = 0, of_rank = 0;
    const double mean = .5 * (double)(W + 1);
    for (int64_t j = 0; j < W; j++) {
        of_j += ((double)(j + 1) - mean) * ((double)(j + 1) - mean);
        of_rank += (.5 * (double)rank[j] - mean) * (.5 * (double)rank[j] - mean);
    }
    return of_j * of_rank / (double)(W - 1);
}

static double tail(const double *null, int64_t length, int64_t from)
{
    double p = 0;
    for (int64_t i = from; i < length; i++)
        p += null[i];
    return fmin(p, 1);
}

int ns_page_trend(const double *time, int64_t B, int64_t W, ns_trend *out, ns_error *err)
{
    *out = (ns_trend){.z = (double)NAN, .p_exact = (double)NAN, .p_normal = (double)NAN, .W = W};
    if (W < 2)
        return ns_fail(err, NS_E_ARG, "a trend test over %lld columns: 2 at least", (long long)W);
    int64_t *const rank = ns_alloc_array((size_t)W, sizeof *rank), length = 1, observed = 0;
    double *null = ns_alloc_array(1, sizeof *null), variance = 0;
    bool fine = rank && null;
    if (null)
        null[0] = 1;
    for (int64_t b = 0; fine && b < B; b++) {
        if (!ns_trend_complete(time + b * W, W))
            continue;
        double one[MOST_SUM] = {0};
        ns_trend_rank(time + b * W, W, rank);
        observed += weighted(rank, W);
        variance += block_variance(rank, W);
        out->B++;
        if (W > MOST_W)
            continue;
        count_orders(rank, 0, W, one);
        fine = convolve(&null, &length, one);
    }
    out->L = .5 * (double)observed;
    out->mean = .25 * (double)(out->B * W * (W + 1) * (W + 1));
    if (fine && variance > 0) {
        out->z = (out->L - out->mean) / sqrt(variance);
        out->p_normal = ns_normal_tail(out->z);
    }
    if (fine && out->B > 0 && W <= MOST_W)
        out->p_exact = tail(null, length, observed);
    free(rank);
    free(null);
    return fine ? NS_OK : ns_oom(err, "Page's trend test");
}
