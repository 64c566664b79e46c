/* ablate.h - inside of an ablation: its conditions and the passes that measure them. Internal. */
#ifndef NS_ABLATE_INTERNAL_H
#define NS_ABLATE_INTERNAL_H

#include <needlescope/ablate.h>

#include "pass.h"

typedef struct ns_ablating {
    const ns_model         *model;
    const ns_arch          *arch;
    const ns_ablate_params *p;
    const ns_case         **cases;
    ns_ablation            *out;
    ns_drops                drops;
    float                  *mean;        /* [L, H, d] of z over the rows in scope of all cases */
    int64_t                 d;
    double                 *hidden, *needle;     /* [n, C] sums over rows and heads of knockout_others: the weight it hid, the needle's */
    ns_work                 work;
    ns_error               *err;
} ns_ablating;

/* ablate_survey.c: norms and means of the untouched pass. */
int ns_ablate_survey(ns_ablating *);
/* ablate_measure.c: all conditions over all cases; then the losses. */
int ns_ablate_conditions(ns_ablating *);
int ns_ablate_losses(ns_ablating *);
/* ablate_draws.c: the list of conditions, controls drawn by the norms. */
int ns_ablate_plan(ns_ablating *);

#endif
