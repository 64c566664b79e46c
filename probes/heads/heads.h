/* heads.h - what the probes of attention rows share. Internal. */
#ifndef NS_HEADS_H
#define NS_HEADS_H

#include <math.h>

#include <needlescope/probe.h>

#include "core/core.h"

/* What a score's numbers mean, at the end of its row in a table: a share (a hit quotient, a mass), or a difference of two. */
#define NS_SHARE .hi = 1, .chance = (double)NAN
#define NS_DIFFERENCE .lo = -1, .hi = 1

/* Key index (0 = first column) of the largest weight of a row; ties go to the lowest; NaN never wins. -1 for no keys, and for a row that
 * looks nowhere, none of its weights being above 0: those of an unrolled row may all be below, and beside the 0s of keys that it
 * cannot see, however many of these a view holds, the one next to 0 is no answer. margin (may be NULL): largest minus second largest
 * weight, both 0 at least. */
int64_t ns_row_argmax(const float *row, int64_t n, float *margin);
/* Sum of a row's weights at positions [begin, end), in f64, of those keys that the row sees. */
double ns_row_mass(const ns_site *, const float *row, int64_t begin, int64_t end);
/* Does the case say what chance is? As many placebos as the answer has mentions, each as long: on others a head is more, or less, often by
 * chance. */
bool ns_placebo_stands(const ns_case *);
/* Token at a position of the case's timeline: the prompt, then the answer. */
int32_t ns_case_token(const ns_case *, int64_t position);

/* ---- rows without their sinks: position 0 and the declared special tokens ---- */
typedef struct ns_sinks { int64_t *at, n; } ns_sinks;       /* ascending positions */
int  ns_sinks_find(ns_sinks *, const ns_probe_context *, ns_error *);
void ns_sinks_free(ns_sinks *);
/* Position (not column) of the largest weight elsewhere; -1 when the row sees nothing else. */
int64_t ns_row_argmax_without(const ns_site *, const float *row, const ns_sinks *);
/* Sum over all keys but the sinks, and that over [begin, end) alone. */
double ns_row_total_without(const ns_site *, const float *row, const ns_sinks *);
double ns_row_mass_without(const ns_site *, const float *row, const ns_sinks *, int64_t begin, int64_t end);

/* A mean over rows for every head: sums in f64 in row order, an output [L, H] of means at the end. */
typedef struct ns_row_mean {
    int64_t n_layers, n_heads;
    double *sum;               /* [L, H] */
    int64_t *rows;             /* [L, H] */
} ns_row_mean;
int  ns_row_mean_begin(ns_row_mean *, const ns_probe_context *, ns_error *);
void ns_row_mean_end(ns_row_mean *, float *out);     /* out may be NULL; frees */

#define ENTRY(name) extern const ns_probe ns_probe_##name;
#include "probe_list.h"
#undef ENTRY
/* patterns.c */

#endif
