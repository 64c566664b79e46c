/* gradient.h - inside of an influence by distance. Internal. */
#ifndef NS_GRADIENT_INTERNAL_H
#define NS_GRADIENT_INTERNAL_H

#include <needlescope/backward.h>
#include <needlescope/gradient.h>

#include "core/core.h"

typedef struct ns_gradient_run {
    const ns_model           *model;
    const ns_arch            *arch;
    const ns_gradient_params *p;
    ns_gradient              *out;
    const ns_case           **texts;             /* [C] by id */
    ns_walker                *walker;
    float                    *direction;         /* [last, width] what is seeded */
    char                      at[64];
    int64_t                   width;
    ns_error                 *err;
} ns_gradient_run;

/* gradient_measure.c: the seed of all texts, where it is the same; norms of text i, shuffled or as it stands. */
int ns_gradient_begin(ns_gradient_run *);
int ns_gradient_text(ns_gradient_run *, int64_t i, bool shuffled);
/* gradient_reduce.c: sums, means, bins and their intervals out of the norms. */
int ns_gradient_reduce(ns_gradient *, ns_gradient_curve *, int resamples, ns_error *);

#endif
