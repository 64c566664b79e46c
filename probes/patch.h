/* patch.h - inside of a patching: its pairs, conditions and passes. Internal. */
#ifndef NS_PATCH_INTERNAL_H
#define NS_PATCH_INTERNAL_H

#include <needlescope/patch.h>

#include "pass.h"

/* prompt: a number that pairs of one prompt share (ns_number_prompts) */
typedef struct ns_patch_pair { const ns_case *source, *to; int64_t prompt; } ns_patch_pair;

/* path.c: of the pair at work; a row by its distance from the last one back */
typedef struct ns_patch_paths {
    int64_t  pair;
    ns_head *senders;  int64_t n_senders;         /* of all conditions */
    float   *plain;                               /* [L, rows, D] what attention adds to the stream */
    float   *part;                                /* [n_senders, rows, D] what a sender's z of the source adds to that */
    float   *input;                               /* [conditions, n_paths, rows, d] what receivers are given */
} ns_patch_paths;

typedef struct ns_patch_run {
    const ns_model        *model;
    const ns_arch         *arch;
    const ns_patch_params *p;
    ns_drops               drops;
    ns_patch_pair         *pairs;        /* [C] by the destination's id */
    ns_patching           *out;
    int64_t                first, n, at_once;    /* the pairs at work; how many can be */
    /* [n, rows, L, H, d] of their sources, rows counted from the last one back; of H the first so many as the site has */
    float                 *kept;
    int64_t                rows, d;      /* rows: the largest of any pair; d: ns_patch_width */
    ns_work                work;
    ns_patch_paths        *paths;        /* NULL: there are none */
    ns_error              *err;
} ns_patch_run;

/* Where the site is in the pass: a glob; its point. */
const char *ns_patch_at(ns_patch_site);
ns_point    ns_patch_point(ns_patch_site);
/* Floats from head to head where what the sites hold is kept: the widest of z, q, k and v of any layer. */
int64_t ns_patch_width(const ns_arch *);

/* The row that predicts the first content token. */
static inline int64_t ns_patch_row(const ns_case *c) { return c->n_tokens - 1 + c->n_lead; }
/* How many rows of a case are patched: those up to and with that row. */
static inline int64_t ns_patch_rows(const ns_patch_run *r, const ns_case *c) { return r->p->all_rows ? ns_patch_row(c) + 1
                                                                              : c->n_lead + 1; }

/* patch.c: pairs, and what the model and the cases are; a condition more, NULL: no memory. */
int ns_patch_prepare(ns_patch_run *, const ns_cases *);
ns_patch_condition *ns_patch_add(ns_patching *, ns_patch_kind, int n_heads, int draw);
int ns_patch_check_head(const ns_patch_run *, ns_head);
/* path.c */
int     ns_patch_check_paths(const ns_patch_run *);
int     ns_patch_stream_is_sum(const ns_arch *, ns_error *);       /* NS_E_UNSUPPORTED where it is not: no edges */
int     ns_patch_add_paths(ns_patch_run *, int draws);
int     ns_patch_begin_paths(ns_patch_run *);
int     ns_patch_find_paths(ns_patch_run *, int64_t pair);
void    ns_patch_put_paths(const ns_patch_run *, int64_t condition, const ns_site *, ns_view *);
int64_t ns_patch_first_receiver(const ns_patch_run *, int condition);
void    ns_patch_end_paths(ns_patch_run *);
/* patch_measure.c: of what the source of pair i holds at the site, row `back` before the last. */
float *ns_patch_kept(const ns_patch_run *, int64_t i, int64_t back, int64_t layer, int64_t head);
/* patch_pairs.c: pairs of the cases by their destinations, what is dropped and why, the hash of those taken. */
int ns_patch_pairs(ns_patch_run *, const ns_cases *);
/* patch_measure.c: sources (norms, d, what they say), then the conditions, which need the norms. */
int ns_patch_sources(ns_patch_run *);
int ns_patch_conditions(ns_patch_run *);
/* patch_recovery.c: recovery and flips of every condition. */
int ns_patch_reduce(ns_patch_run *);

#endif
