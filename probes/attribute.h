/* attribute.h - inside of an attribution. Internal. */
#ifndef NS_ATTRIBUTE_INTERNAL_H
#define NS_ATTRIBUTE_INTERNAL_H

#include <needlescope/attribute.h>
#include <needlescope/backward.h>

#include "draws.h"
#include "patch.h"

enum { NS_OF_SOURCE, NS_OF_DESTINATION, NS_OF_GRADIENT, NS_KEPTS };
enum { NS_STREAM, NS_HAT, NS_ATTN_OUT, NS_STREAMS };       /* hook_resid_pre, ln1.hook_normalized, hook_attn_out */

typedef struct ns_attribute_run {
    ns_patch_run               r;              /* pairs, rows (the most of a pair), d */
    ns_patch_params            as_patch;
    const ns_attribute_params *p;
    ns_attribution            *out;
    ns_walker                 *walker;
    /* of the pair at work, rows counted back from the one that predicts the answer: [rows, L, H, d]; those that are needed */
    float                     *x[NS_PATCH_SITES][NS_KEPTS];
    float                     *stream[NS_STREAMS];         /* [rows, L, D] of the destination */
    float                     *ends[NS_OF_GRADIENT], *way; /* [tokens, D] what enters the first layer: of both, and between them */
    int64_t                    n_rows;         /* of this pair */
    float                      logit[2][2];    /* [source, destination][the source's answer, the destination's] */
    float                     *seed;           /* [D] */
    float                     *part;           /* [S, rows, D] of senders */
    int64_t                    E;              /* edges: S L (H + 2 KV heads) */
    double                     along;          /* (source - destination) . gradient of the embeddings, summed over the steps */
    float                     *value, *anew, *gate, *edges;    /* [C, L, H] attributions of d; [C, E] */
} ns_attribute_run;

static inline int64_t ns_back_of(const ns_site *site, int64_t k) { return ns_patch_row(site->c) - (site->row0 + k); }
float *ns_attribute_x(const ns_attribute_run *, ns_patch_site, int which, int64_t back, int64_t layer, int64_t head);
float *ns_attribute_stream(const ns_attribute_run *, int which, int64_t back, int64_t layer);
ns_patch_site ns_attribute_site_of(ns_point);
/* attribute_measure.c: of one pair, everything but the edges; then those. */
int ns_attribute_pair(ns_attribute_run *, int64_t i);
int ns_attribute_edges(ns_attribute_run *, int64_t i);
/* A session of the pair's destination; rows from `from` on are its own, those before are shared with *trunk, which is made. */
int ns_attribute_add(ns_attribute_run *, ns_pass *, ns_session **trunk, int64_t i, int64_t from, int64_t index, int64_t first_layer);
/* Edge number e of q (0), k, v to a head or KV head. */
int64_t ns_attribute_edge(const ns_attribute_run *, int64_t sender, int of, int64_t layer, int64_t head);
/* Does a norm stand before the heads of any layer? */
bool ns_attribute_any_hat(const ns_attribute_run *);
/* attribute_check.c: the map of a patching of the same pairs, read and checked before any pass; what is found held against it. */
int ns_attribution_read_patched(ns_attribution *, const char *path, ns_error *);
int ns_attribution_correlate(ns_attribution *, ns_error *);

#endif
