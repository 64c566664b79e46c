/* numbers.c - order statistics and the largest of a list: one definition each. */
#include "core/core.h"

#include <float.h>
#include <math.h>

int ns_compare_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double ns_quantile_sorted(const double *sorted, int64_t n, double q)
{
    if (n <= 0)
        return (double)NAN;
    const double at = q * (double)(n - 1);
    const int64_t i = (int64_t)at;
    const double part = at - (double)i;
    if (part <= 0 || i + 1 >= n)
        return sorted[i < n ? i : n - 1];
    /* Between a time and "never" there is no number: never. */
    return isinf(sorted[i + 1]) ? sorted[i + 1] : sorted[i] + part * (sorted[i + 1] - sorted[i]);
}

double ns_median_sorted(const double *sorted, int64_t n)
{
    return ns_quantile_sorted(sorted, n, .5);
}

int64_t ns_argmax(const float *values, int64_t n, int64_t stride)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (values[i * stride] > values[best * stride])
            best = i;
    return best;
}

bool ns_is_single(double x)
{
    return x == 0 || (fabs(x) >= (double)FLT_MIN && fabs(x) <= (double)FLT_MAX);
}
