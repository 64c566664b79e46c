/* interval.c - how wide an interval must be: Student's t, the tail of an expanded percentile interval, Wilson's interval of a share. */
#include <math.h>
#include <stdlib.h>

#include "resample.h"

static const double Z = 1.959963984540054;            /* the .975 quantile of the normal distribution */

/* P(|T| < t) for whole degrees of freedom: Abramowitz and Stegun 26.7.3 and 26.7.4. */
static double inside(double t, int64_t freedom)
{
    const double c = sqrt((double)freedom / ((double)freedom + t * t)), s = t / sqrt((double)freedom + t * t);
    const bool odd = freedom % 2;
    double term = odd ? c : 1, sum = freedom == 1 ? 0 : term;
    for (int64_t i = odd ? 3 : 2; i <= freedom - 2; i += 2) {
        term *= c * c * (double)(i - 1) / (double)i;
        sum += term;
    }
    return odd ? 2 / 3.141592653589793 * (atan(t / sqrt((double)freedom)) + s * sum) : s * sum;
}

double ns_student(int64_t freedom)
{
    double low = Z, high = 13;                         /* one degree of freedom: 12.706 */
    for (int i = 0; i < 50; i++) {
        const double middle = (low + high) / 2;
        if (inside(middle, freedom) < .95)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Rounded, so that no libm's last bit moves an interval. */
double ns_expanded_tail(int64_t n, int64_t strata)
{
    enum { MANY = 10000 };
    const int64_t freedom = n - strata;
    if (freedom < NS_INTERVAL_FEWEST - 1)
        return -1;
    const double t = freedom < MANY ? ns_student(freedom) : Z;
    return nearbyint(erfc(sqrt((double)n / (double)freedom) * t / sqrt(2)) / 2 * 1e6) / 1e6;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void ns_percentile_interval(double *draws, int64_t n_draws, int64_t n, double *low, double *high)
{
    const double tail = ns_expanded_tail(n, 1);
    int64_t kept = 0;
    for (int64_t i = 0; i < n_draws; i++)
        if (!isnan(draws[i]))
            draws[kept++] = draws[i];
    *low = *high = (double)NAN;
    if (!kept || tail < 0)
        return;
    qsort(draws, (size_t)kept, sizeof *draws, by_size);
    *low = ns_quantile_sorted(draws, kept, tail);
    *high = ns_quantile_sorted(draws, kept, 1 - tail);
}

/* Half of the .05 quantile of chi square with 2 x degrees of freedom, linear between whole x: the Poisson bound of x hits. */
static double poisson_bound(double x)
{
    static const double at[] = {0, .0512932944, .3553615108, .8176914471};
    const int below = (int)x;
    return at[below] + (x - below) * (at[below + 1] - at[below]);
}

void ns_rate_interval(double hits, double n, double *low, double *high)
{
    ns_wilson(hits, n, low, high);
    if (hits < 3)
        *low = fmin(*low, poisson_bound(hits) / n);
    if (n - hits < 3)
        *high = fmax(*high, 1 - poisson_bound(n - hits) / n);
}

void ns_wilson(double hits, double n, double *low, double *high)
{
    const double p = hits / n, middle = p + Z * Z / (2 * n), scale = 1 + Z * Z / n;
    const double across = Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n));
    *low = fmax((middle - across) / scale, 0);
    *high = fmin((middle + across) / scale, 1);
}
