/* stats_row.c - what a row of attention says: its entropy, its mass on keys, its largest cell. */
#include "record/stats_row.h"

double ns_stat_entropy(const ns_math *math, const float *x, int64_t key0, int64_t n)
{
    return 0 - math->p_ln_p(x, n, key0); /* never -0 */
}

double ns_stat_mass(const float *x, int64_t key0, int64_t n, int64_t from, int64_t to)
{
    double sum = 0;
    from = from < key0 ? key0 : from;
    to = to > key0 + n ? key0 + n : to;
    for (int64_t k = from; k < to; k++)
        sum += (double)x[k - key0];
    return sum;
}

/* p = x / S, so ln S - (sum of x ln x) / S. */
double ns_stat_entropy_of_keys(const ns_math *math, const float *x, int64_t key0, int64_t n)
{
    const double sum = ns_stat_mass(x, key0, n, key0, key0 + n);
    return sum > 0 ? ns_log(sum) + ns_stat_entropy(math, x, key0, n) / sum : 0;
}

double ns_stat_largest(const float *x, int64_t key0, int64_t n, int64_t from, int64_t to)
{
    double max = 0;
    from = from < key0 ? key0 : from;
    to = to > key0 + n ? key0 + n : to;
    for (int64_t k = from; k < to; k++)
        max = (double)x[k - key0] > max ? (double)x[k - key0] : max;
    return max;
}
