/* stats_row.h - what a row of attention says. x is the row from key0 on, n keys. */
#ifndef NS_STATS_ROW_H
#define NS_STATS_ROW_H

#include "math/math.h"

double ns_stat_entropy(const ns_math *, const float *x, int64_t key0, int64_t n);          /* in nats, of a row that sums to 1 */
double ns_stat_entropy_of_keys(const ns_math *, const float *x, int64_t key0, int64_t n);  /* of one where a sink has the rest */
/* On keys [from, to), clipped to the row. */
double ns_stat_mass(const float *x, int64_t key0, int64_t n, int64_t from, int64_t to);
double ns_stat_largest(const float *x, int64_t key0, int64_t n, int64_t from, int64_t to);       /* 0: none is above it */

#endif
