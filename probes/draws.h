/* draws.h - controls of an intervention on heads: others of like norm, of the same layer where it has enough. Internal. */
#ifndef NS_DRAWS_H
#define NS_DRAWS_H

#include <needlescope/hooks.h>
#include <needlescope/model.h>

#include "core/core.h"

typedef struct ns_matching {
    const ns_arch *arch;
    const float   *norm;                 /* [L, H] mean |z W_O| */
    int64_t        L, H;
    const ns_head *target; int n;   /* the set that is matched, and left out */
} ns_matching;
/* For each target head one other out of the 8 whose norm is nearest, of its layer where that has NS_ABLATE_LAYER_OTHERS others, else of any layer;
 * no head twice. out[n]; layer_matched: all of them lie in their target's layer. */
int ns_draw_matched(const ns_matching *, ns_rng *, ns_head *out, bool *layer_matched, ns_error *);
/* Adds |x| of every row and head of a view of hook_result to sum[L, H]. */
void ns_add_norms(double *sum, int64_t H, const ns_site *, const ns_view *);

#endif
