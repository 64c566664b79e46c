/* scaling.h - what the files of the scaling law share. */
#ifndef NS_PROBES_SCALING_H
#define NS_PROBES_SCALING_H

#include <needlescope/scaling.h>

#include "math/math.h"

/* ln N and ln D are taken from their middle, so that b and alpha, c and beta do not pull at each other. */
enum { SCALING_B, SCALING_C, SCALING_ALPHA, SCALING_BETA, SCALING_VARIABLES };
enum { SCALING_STARTS = 4 };             /* minima that are kept, to start other descents from */
typedef struct ns_scaling_data {
    double *ln_n, *ln_d, *ln_y, *weight;         /* [n] from the middle, but y; weight: how often a point counts */
    int64_t n;
    double  middle_n, middle_d;
    double  low[SCALING_VARIABLES], high[SCALING_VARIABLES];
} ns_scaling_data;
/* The points of all sizes but one (NULL: of all). Clear on failure too. */
int    ns_scaling_data_make(ns_scaling_data *, const ns_scaling_table *, const char *without, ns_error *);
void   ns_scaling_data_clear(ns_scaling_data *);
ns_scaling_law ns_scaling_law_of(const ns_scaling_data *, const double x[SCALING_VARIABLES]);
/* The best of the descents from starts[n, 4]; x is where it ends. */
double ns_scaling_descend(ns_scaling_data *, const double *starts, int64_t n, double x[SCALING_VARIABLES]);
/* 95 % profile interval of one variable around the fit x of that objective. */
ns_scaling_interval ns_scaling_profile(ns_scaling_data *, int variable, const double *starts, int64_t n, const double *x, double objective);

#endif
