/* order.h - which panel, group, row or column stands first: those that the caller names, in that order, then the others as they are. */
#ifndef NS_DRAW_ORDER_H
#define NS_DRAW_ORDER_H

#include <needlescope/figure.h>

#include <stdint.h>

enum { NS_ORDER_NAMES = 64 };
typedef struct ns_order {
    const char *const *wanted;  int n_wanted;
    uint64_t    used;                            /* a bit for each that is wanted and was there */
    const char *seen[NS_ORDER_NAMES];  int n_seen;
} ns_order;

ns_order ns_order_begin(const ns_figure_params *);
/* index[place] of n names; names of one text stay together. */
void ns_order_apply(ns_order *, const char *const *names, int n, int *index);
/* The same, as figures of marks want it: the names in their order, and place[i] of name i. */
void ns_order_names(ns_order *, const char *const *names, int n, const char **ordered, int *place);
/* NS_E_ARG: a name that was none of all. */
int  ns_order_check(const ns_order *, ns_error *);

#endif
