/* dropped.h - cases in the order of their ids, and those that cannot be used, counted by reason: scores, ablations and patchings alike.
 * Internal. */
#ifndef NS_DROPPED_H
#define NS_DROPPED_H

#include <needlescope/model.h>
#include <needlescope/probe.h>

/* qsort of const ns_case *: by id, then (ids of lists that were joined may be equal) by tokens and answer. */
int ns_by_case(const void *, const void *);
/* Positions that a case takes: the prompt and all of the answer but its last token, which no row needs. */
int64_t ns_case_length(const ns_case *);
/* Why no pass over the case is possible, NULL when one is; buffer holds reasons with a number in them. */
const char *ns_unfit(const ns_arch *, const ns_case *, char buffer[NS_REASON]);

/* chosen[n] is set to 1 at `wanted` of the cases, which are in order: as many of each kind as can be. n_kinds: how many kinds they are
 * of. */
int ns_spread_cases(const ns_case *const *cases, int64_t n, int64_t wanted, uint8_t *chosen, int64_t *n_kinds, ns_error *);

typedef struct ns_drops { ns_dropped *list; int n; } ns_drops;      /* owns the reasons */
int   ns_drops_add(ns_drops *, const char *reason, const char *id, ns_error *);
/* NS_E_ARG: no `what` is left, and why. */
int   ns_drops_fail(const ns_drops *, const char *what, ns_error *);
char *ns_drops_text(const ns_drops *);                              /* "2 no answer (first: x); 1 ..."; malloc'd */
void  ns_drops_clear(ns_drops *);

#endif
