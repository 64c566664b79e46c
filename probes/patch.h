/* patch.h - inside of a patching: its pairs, conditions and passes. Internal. */
#ifndef NS_PATCH_INTERNAL_H
#define NS_PATCH_INTERNAL_H

#include <needlescope/patch.h>

#include "pass.h"

/* prompt: a number that pairs of one prompt share (ns_number_prompts) */
typedef struct ns_patch_pair { const ns_case *source, *to; int64_t prompt; } ns_patch_pair;

typedef struct ns_patch_run {
    const ns_model        *model;
    const ns_arch         *arch;
    const ns_patch_params *p;
    ns_drops               drops;
    ns_patch_pair         *pairs;        /* [C] by the destination's id */
    ns_patching           *out;
    int64_t                first, n, at_once;    /* the pairs at work; how many can be */
    /* [n, rows, L, H, d] of their sources, rows counted from the last one back; of H the first G for keys and values */
    float                 *kept;
    int64_t                rows, d;      /* rows: the largest of any pair */
    ns_work                work;
    ns_error              *err;
} ns_patch_run;

/* Where the site is in the pass: a glob. */
const char *ns_patch_at(ns_patch_site);

/* The row that predicts the first content token. */
static inline int64_t ns_patch_row(const ns_case *c) { return c->n_tokens - 1 + c->n_lead; }
/* How many rows of a case are patched: those up to and with that row. */
static inline int64_t ns_patch_rows(const ns_patch_run *r, const ns_case *c) { return r->p->all_rows ? ns_patch_row(c) + 1
                                                                              : c->n_lead + 1; }

/* patch_pairs.c: pairs of the cases by their destinations, what is dropped and why, the hash of those taken. */
int ns_patch_pairs(ns_patch_run *, const ns_cases *);
/* patch_measure.c: sources (norms, d, what they say), then the conditions, which need the norms. */
int ns_patch_sources(ns_patch_run *);
int ns_patch_conditions(ns_patch_run *);
/* patch_recovery.c: recovery and flips of every condition. */
int ns_patch_reduce(ns_patch_run *);

#endif
