/* friedman.c - do columns differ at all (M. Friedman, JASA 32, 1937)? times of a block -> its ranks (ties, and births censored alike, share
 * the mean rank) -> the sum over columns of their squared sums of ranks, which is large where blocks agree on an order, whatever it is.
 * Null: every order of a block's own ranks is equally likely, blocks are independent; drawn, since it is not counted in closed form. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "training.h"

/* rank [B, W], sum [W] */
static int64_t agreement(const int64_t *rank, int64_t B, int64_t W, int64_t *sum)
{
    int64_t squares = 0;
    memset(sum, 0, (size_t)W * sizeof *sum);
    for (int64_t i = 0; i < B * W; i++)
        sum[i % W] += rank[i];
    for (int64_t j = 0; j < W; j++)
        squares += sum[j] * sum[j];
    return squares;
}

static void shuffle_block(int64_t *rank, int64_t W, ns_rng *rng)
{
    for (int64_t j = W - 1; j > 0; j--) {
        const int64_t k = ns_rng_below(rng, j + 1), was = rank[j];
        rank[j] = rank[k];
        rank[k] = was;
    }
}

/* The blocks that have every column; their number. */
static int64_t rank_blocks(const double *time, int64_t S, int64_t W, int64_t *rank)
{
    int64_t B = 0;
    for (int64_t s = 0; s < S; s++)
        if (ns_trend_complete(time + s * W, W))
            ns_trend_rank(time + s * W, W, rank + B++ * W);
    return B;
}

int ns_friedman(const double *time, int64_t S, int64_t W, int64_t resamples, ns_difference *out, ns_error *err)
{
    *out = (ns_difference){.p = (double)NAN, .least = (double)NAN};
    int64_t *const rank = ns_alloc_array((size_t)(S * W), sizeof *rank), *const sum = ns_alloc_array((size_t)W, sizeof *sum);
    if (!rank || !sum) {
        free(rank);
        free(sum);
        return ns_oom(err, "Friedman's test");
    }
    const int64_t B = rank_blocks(time, S, W, rank), observed = agreement(rank, B, W, sum);
    int64_t as_large = 0;
    ns_rng rng = ns_rng_seed(0, 0);
    for (int64_t i = 0; B > 1 && W > 1 && i < resamples; i++) {
        for (int64_t b = 0; b < B; b++)
            shuffle_block(rank + b * W, W, &rng);
        as_large += agreement(rank, B, W, sum) >= observed;
    }
    out->B = B;
    if (B > 1 && W > 1) {
        out->p = (double)(1 + as_large) / (double)(1 + resamples);
        out->least = fmax(ns_trend_orders(W, B - 1), 1 / (double)(1 + resamples));
    }
    free(rank);
    free(sum);
    return NS_OK;
}
