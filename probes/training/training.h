/* training.h - what the files of this folder share. */
#ifndef NS_PROBES_TRAINING_H
#define NS_PROBES_TRAINING_H

#include <needlescope/training.h>

#include "core/core.h"

ns_birth_params ns_birth_defaults(const ns_birth_params *);          /* zeros and NULL filled in */
double ns_normal_tail(double z);                                     /* P(Z >= z) */

/* trend.c, order.c. 2 x rank of each of n times, earliest first (ties share the mean rank); has every column a time; 1 / (W!)^B: in how
 * many of all orders B blocks of W agree with a given one. */
void   ns_trend_rank(const double *time, int64_t n, int64_t *rank);
bool   ns_trend_complete(const double *time, int64_t n);
double ns_trend_orders(int64_t W, int64_t B);

#endif
