/* draws.h - the controls of an intervention on heads (control.h), drawn and written. Internal. */
#ifndef NS_DRAWS_H
#define NS_DRAWS_H

#include <needlescope/control.h>
#include <needlescope/hooks.h>
#include <needlescope/model.h>

#include "core/core.h"

typedef struct ns_matching {
    const ns_arch *arch;
    const float   *norm;                 /* [L, H] mean |z W_O| */
    int64_t        L, H;
    const ns_head *target; int n;        /* the set that is matched, and left out */
    ns_point       of;                   /* heads that share it are one: left out and drawn together, by the one that is most like */
} ns_matching;
/* How many heads of the layer share one at the point: those of a KV group, those of one q or k of a recurrence; 1: each has its own. */
int64_t ns_heads_sharing(const ns_arch *, ns_point, int64_t layer);
/* The same draws for the same norms and seed. NS_E_ARG when the set leaves no others. Must be cleared, on failure too. */
int  ns_controls_draw(ns_controls *, const ns_matching *, int draws, uint64_t seed, ns_error *);
void ns_controls_clear(ns_controls *);
/* The heads of draw i are matched: all lie within the caliper; all lie in their targets' layers. */
bool ns_controls_matched(const ns_controls *, int i);
bool ns_controls_in_layer(const ns_controls *, int i);
void ns_controls_heads(const ns_controls *, int i, ns_head *out);
/* The axes control and target, and control_ratio, _caliper, _candidates, _tier, _layer, _head over them; nothing where nothing was
 * drawn. */
int  ns_controls_write(const ns_controls *, ns_table_writer *, ns_error *);
/* The dataset heads over the axis condition: set i of n in words, "18.6,23.0". */
typedef struct ns_set { const ns_head *heads; int n; } ns_set;
int  ns_sets_write(ns_table_writer *, ns_set (*at)(const void *of, int i), const void *of, int n, ns_error *);
/* list[n_draws, n_heads] */
int  ns_match_of(ns_match *, const ns_stand_in *list, int64_t n_draws, int64_t n_heads, ns_error *);

/* Adds |x| of every row and head of a view of hook_result to sum[L, H]. */
void ns_add_norms(double *sum, int64_t H, const ns_site *, const ns_view *);

#endif
