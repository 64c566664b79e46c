/* scaling_profile.c - which exponents a table leaves open: those at which the best fit of the others is not much worse.
 *
 * Errors of density exp(-huber(r) / s), nearly Laplace's since most are far larger than the Huber's 1e-3, with s at its best make the log
 * likelihood -n ln(sum of the losses): twice its fall is compared with chi-squared of one degree of freedom. */
#include "scaling.h"

#include <math.h>

enum { HALVINGS = 32 };
static const double CHI_SQUARED = 3.841458820694124; /* .95 quantile, one degree of freedom */

static double profile_at(ns_scaling_data *d, int variable, double value, const double *starts, int64_t n)
{
    const double low = d->low[variable], high = d->high[variable];
    double x[SCALING_VARIABLES];
    d->low[variable] = d->high[variable] = value;
    const double sum = ns_scaling_descend(d, starts, n, x);
    d->low[variable] = low;
    d->high[variable] = high;
    return sum;
}

/* Between `inside` and a bound: where the objective passes `most`; the bound itself where it does not. */
static double find_end(ns_scaling_data *d, int variable, double inside, double bound, double most, const double *starts, int64_t n,
                       bool *open)
{
    double outside = bound;
    *open = profile_at(d, variable, bound, starts, n) <= most;
    if (*open)
        return bound;
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = (inside + outside) / 2;
        if (profile_at(d, variable, middle, starts, n) <= most)
            inside = middle;
        else
            outside = middle;
    }
    return (inside + outside) / 2;
}

ns_scaling_interval ns_scaling_profile(ns_scaling_data *d, int variable, const double *starts, int64_t n, const double *x, double objective)
{
    const double most = objective * ns_exp(CHI_SQUARED / (2 * (double)d->n));
    ns_scaling_interval i;
    i.low = find_end(d, variable, x[variable], d->low[variable], most, starts, n, &i.low_open);
    i.high = find_end(d, variable, x[variable], d->high[variable], most, starts, n, &i.high_open);
    return i;
}
