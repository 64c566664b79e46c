/* lab_trend.c - Page's L (Page 1963, Ordered hypotheses for multiple treatments): are births later the larger the window?
 * births of a seed -> their ranks (ties, and births censored alike, share the mean rank) -> L = sum over seeds and windows j of j * rank.
 * Its null distribution is exact: all orders of a seed's own ranks are equally likely, and seeds are independent, so the distributions of single
 * seeds are convolved. Ranks are doubled to be whole. */
#include "cli/lab_page.h"

enum { MOST_WINDOWS = 7, MOST_SUM = 2 * 140 + 1 };     /* 2 * (1^2 + ... + 7^2) = 280 */

/* 2 x rank of each of n births, earliest first. */
static void rank_births(const cli_lab_birth *births, int n, int *rank)
{
    for (int i = 0; i < n; i++) {
        int below = 0, same = 0;
        for (int k = 0; k < n; k++) {
            const int c = cli_birth_compare(births[k], births[i]);
            below += c < 0;
            same += c == 0;
        }
        rank[i] = 2 * below + same + 1;
    }
}

static int weighted(const int *rank, int n)
{
    int sum = 0;
    for (int j = 0; j < n; j++)
        sum += (j + 1) * rank[j];
    return sum;
}

/* Counts the sums of all orders of rank[at ...] (Heap's way of swapping). */
static void count_orders(int *rank, int at, int n, double *count)
{
    if (at == n) {
        count[weighted(rank, n)]++;
        return;
    }
    for (int i = at; i < n; i++) {
        const int here = rank[at];
        rank[at] = rank[i];
        rank[i] = here;
        count_orders(rank, at + 1, n, count);
        rank[i] = rank[at];
        rank[at] = here;
    }
}

/* null [*length] (probabilities of sums) <- its convolution with one seed's. */
static bool convolve(double **null, int64_t *length, const double *one)
{
    double *const sum = ns_alloc_array((size_t)(*length + MOST_SUM), sizeof *sum);
    double all = 0;
    for (int k = 0; k < MOST_SUM; k++)
        all += one[k];
    for (int64_t i = 0; sum && i < *length; i++)
        for (int k = 0; k < MOST_SUM; k++)
            sum[i + k] += (*null)[i] * one[k] / all;
    free(*null);
    *null = sum;
    *length += MOST_SUM;
    return sum != NULL;
}

static bool births_of_seed(const cli_lab *lab, const int64_t *windows, int n, int64_t seed, cli_birth_of *of, cli_lab_birth *out)
{
    for (int j = 0; j < n; j++) {
        const cli_lab_result *const r = cli_lab_result_of(lab, "swa", windows[j], seed);
        if (!r)
            return false;
        out[j] = of(r);
    }
    return true;
}

double cli_lab_trend(const cli_lab *lab, const int64_t *windows, int n_windows, cli_birth_of *of, int *n_seeds)
{
    *n_seeds = 0;
    if (n_windows < 2 || n_windows > MOST_WINDOWS)
        return NAN;
    double *null = ns_alloc_array(1, sizeof *null), p = 0;
    int64_t length = 1, observed = 0;
    if (null)
        null[0] = 1;
    for (int64_t s = 0; null && s < lab->seeds; s++) {
        cli_lab_birth births[MOST_WINDOWS];
        int rank[MOST_WINDOWS];
        double one[MOST_SUM] = {0};
        if (!births_of_seed(lab, windows, n_windows, lab->first_seed + s, of, births))
            continue;
        rank_births(births, n_windows, rank);
        observed += weighted(rank, n_windows);
        count_orders(rank, 0, n_windows, one);
        convolve(&null, &length, one);
        ++*n_seeds;
    }
    for (int64_t i = observed; null && i < length; i++)
        p += null[i];
    const bool known = null && *n_seeds > 0;
    free(null);
    return known ? fmin(p, 1) : NAN;
}
