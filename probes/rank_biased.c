/* rank_biased.c - rank-biased overlap of two lists that may differ in length, extrapolated: Webber, Moffat, Zobel 2010, "A similarity
 * measure for indefinite rankings", eq. 32. X(d): how many of the first d of one are among the first d of the other; s, l: the lengths. */
#include <math.h>
#include <string.h>

#include "compare.h"

enum { IN_A = 1, IN_B = 2 };

/* What the element adds to the overlap, now that it is seen in `side`. */
static int64_t see(uint8_t *seen, const int64_t *list, int64_t n, int64_t d, uint8_t side)
{
    if (d >= n)
        return 0;
    const bool in_other = (seen[list[d]] & (uint8_t)~side) != 0;
    seen[list[d]] |= side;
    return in_other;
}

static void forget(uint8_t *seen, const int64_t *list, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        seen[list[i]] = 0;
}

double ns_rank_biased(const int64_t *a, int64_t n_a, const int64_t *b, int64_t n_b, double p, uint8_t *seen)
{
    const int64_t s = n_a < n_b ? n_a : n_b, l = n_a < n_b ? n_b : n_a;
    double sum = 0, power = 1;
    int64_t x = 0, x_s = 0;
    if (s == 0)
        return l == 0;
    for (int64_t d = 1; d <= l; d++) {
        x += see(seen, a, n_a, d - 1, IN_A) + see(seen, b, n_b, d - 1, IN_B);
        x_s = d == s ? x : x_s;
        power *= p;
        const double beyond = d > s ? (double)x_s * (double)(d - s) / ((double)s * (double)d) : 0;
        sum += ((double)x / (double)d + beyond) * power;
    }
    forget(seen, a, n_a);
    forget(seen, b, n_b);
    return (1 - p) / p * sum + ((double)(x - x_s) / (double)l + (double)x_s / (double)s) * power;
}
