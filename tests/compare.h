/* compare.h - the largest difference of many, for tests that hold it under a bound: a NaN fails, and stays; so does a comparison that never
 * happened. */
#ifndef NS_TEST_COMPARE_H
#define NS_TEST_COMPARE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ns_worst { double most; int64_t cells; } ns_worst;     /* of so many comparisons; begin with zeros */

/* A difference (or an error in units of one's own): negative ones count by size. */
static inline void ns_worst_add(ns_worst *w, double difference)
{
    w->cells++;
    if (!isnan(w->most) && !(fabs(difference) <= w->most))
        w->most = fabs(difference);
}

/* False for a NaN among the differences, and where fewer cells were compared than `least`. */
static inline bool ns_worst_within(const ns_worst *w, double bound, int64_t least)
{
    return w->most <= bound && w->cells >= least && w->cells > 0;
}

#endif
