/* resample.h - what is drawn when cases are resampled, and how wide an interval must be. Internal.
 *
 * The unit is a prompt with its twins (twin_of): twins share nearly all of their tokens, so their hits are not independent. Prompts are
 * drawn within strata: the kinds (value type x template); kinds of fewer than NS_STRATUM prompts are pooled into one, since a draw of few
 * varies too little. */
#ifndef NS_RESAMPLE_H
#define NS_RESAMPLE_H

#include "score.h"

enum { NS_STRATUM = 10 };

typedef struct ns_units {
    int64_t  n_cases, n_prompts, n_strata, n_pooled;   /* n_pooled: kinds that were pooled */
    const ns_case_result *cases;
    int64_t *kind;                                     /* [prompts] of the prompt's first case */
    int64_t *stratum;                                  /* [prompts] */
    int64_t *order;                                    /* [prompts] by stratum, then by number */
    int64_t *size;                                     /* [strata] prompts */
    uint16_t *times;                                   /* [prompts] of a draw */
} ns_units;
/* kind_of[C]: the kind of each case, of n_kinds. */
int  ns_units_find(ns_units *, const ns_scores *, const int64_t *kind_of, int64_t n_kinds, ns_error *);
void ns_units_free(ns_units *);
/* weights[C]: how often each case is in a resample. */
void ns_units_resample(const ns_units *, ns_rng *, uint16_t *weights);
/* weights[C] and others[C] = 1 for the cases of the two halves: a random half of the prompts of every stratum; an odd one's middle falls to
 * either side. */
void ns_units_halve(const ns_units *, ns_rng *, uint16_t *weights, uint16_t *others);
/* How many independent events a rate's hits[C] of events[C] are worth, where resamples vary as those of `seen` would (not above 0: they do
 * not vary). Events of a prompt are alike; how much so is seen only in prompts that differ, and where these are few `seen` is often far too
 * large. So the design effect is averaged over the prompts that tell (those with a hit or those with a miss, whichever are fewer) and one
 * more that is worth a single event: 1 / n = (telling / seen + 1 / prompts) / (telling + 1). Prompts of unequal size count as
 * (sum m)^2 / sum m^2 (Kish 1965). Never above `seen`; with one event a prompt it is `seen`. scratch[prompts]. */
double ns_units_events(const ns_units *, const float *hits, const float *events, int64_t stride, double seen, double *scratch);

/* The share that a 95 % percentile interval leaves at each end: .025 for many prompts, less for few (Hesterberg 2015, the expanded
 * percentile interval: Phi(-sqrt(n / (n - strata)) t) with t the .975 quantile of n - strata degrees of freedom). Negative: no interval
 * (n - strata < NS_INTERVAL_FEWEST - 1). */
double ns_expanded_tail(int64_t n, int64_t strata);
/* That interval of a statistic of n prompts (or texts, in one stratum), out of its draws[n_draws] over their resamples, which are sorted
 * here; a draw that is NaN says nothing. NaN, NaN: no interval. */
void ns_percentile_interval(double *draws, int64_t n_draws, int64_t n, double *low, double *high);
/* The .975 quantile of Student's t. */
double ns_student(int64_t freedom);
/* Wilson 1927: 95 % interval of a share of which `hits` of n were seen. */
void ns_wilson(double hits, double n, double *low, double *high);
/* The same with the ends that Brown, Cai and DasGupta 2001 give it where up to three were seen, or missed: Wilson's lower end of 1 of 6
 * leaves out .02. */
void ns_rate_interval(double hits, double n, double *low, double *high);

#endif
