/* attribute.h - attribution patching: what every head's patch would bring along (patch.h), to first order, out of one pass back.
 *
 * Nanda 2023; Kramar et al. 2024 (AtP*); Syed et al. 2023 (edges). For a pair, d = logit of the source's answer - logit of the
 * destination's at the row that predicts the first content token, in the destination's pass:
 *     attribution of a head = sum over rows of (x source - x destination) . dd / d(x destination),    x: z, or q, k, v
 * in the units of d; over pairs, as a recovery: sum of attributions / sum of (d source - d destination), with patch.h's intervals. What
 * curves between the two passes it does not see: a softmax that is saturated has no slope. Of q and k, AtP* computes the pattern anew:
 *     sum over rows of (z with x of the source, all else the destination's - z destination) . dd / d(z destination)
 * Integrated gradients (Sundararajan et al. 2017; Hanna et al. 2024): in place of dd / dx its mean over `steps` passes whose embeddings lie
 * on the way from the destination's to the source's, at (i + 1/2) / steps. Over the embeddings themselves the sum of (source -
 * destination) . mean gradient is then d source - d destination, as far as the steps are enough: integral [C].
 * Gates (Michel et al. 2019): what silencing a head would do, to first order:
 *     sum over rows of (0 - z destination) . dd / d(z destination) = - dd / d(a factor of the head's z)
 * Edges: with O, what a sender adds to the residual stream with its z of the source less what it adds by itself,
 *     edge = sum over rows of O . dd / d(the stream as q, k or v of a later head reads it)
 * What lies between the norm and q, k or v is linear but for the activation of a recurrence's v: there (v with O - v) . dd / dv.
 *
 * C pairs, L layers, H heads, S senders. */
#ifndef NEEDLESCOPE_ATTRIBUTE_H
#define NEEDLESCOPE_ATTRIBUTE_H

#include <needlescope/answer.h>
#include <needlescope/patch.h>

NS_BEGIN

typedef struct ns_attribute_params {
    size_t        size;
    ns_patch_site site;
    bool          all_rows, noising;      /* as in ns_patch_params; all rows: from the first on at which source and destination differ */
    bool          recompute;              /* AtP*; NS_E_ARG where the site is not q or k */
    int           edges;                  /* the strongest so many are listed; 0: no edges */
    const char   *against;                /* a patching of the same pairs, site and rows to be compared with; or NULL */
    int           resamples;              /* 0 = 1000 */
    uint64_t      seed;
    void        (*progress)(void *user, double fraction);
    bool        (*cancelled)(void *user);
    void         *user;
    int           steps;                  /* of integrated gradients, for twins of equal length; 0: the gradient at the destination */
    bool          gates;                  /* NS_E_ARG with steps */
} ns_attribute_params;

/* Beside the patching: over the heads that both have; most: the largest |difference|. */
typedef struct ns_attribution_check { int64_t n; double spearman, recomputed_spearman, most; } ns_attribution_check;

typedef struct ns_attribution {
    ns_patching *estimate;                /* the condition none, the edges that are listed (path), the heads' gates, the heads anew, where
                                           * they were asked for, then the map; difference: d of the destination + what is attributed */
    int          n_edges;
    bool         recomputed, gated;
    int          steps;
    float       *integral;                /* [C] of d, along the embeddings; NULL: no steps */
    int64_t      n_senders;               /* S: the heads of layers before the last */
    ns_head     *senders;
    /* of q [S, L, H], the first of heads that share one; k and v [S, L, their heads]; of d in the mean over pairs; NaN: no such edge.
     * NULL: not asked for */
    float       *edge[3];
    int64_t      n_kv;
    float       *patched;                 /* [L, H] recovery in the patching; NULL: none was given */
    ns_attribution_check check;
} ns_attribution;

/* Errors as ns_patch's; NS_E_ARG: steps with edges, recompute or gates;
 * NS_E_UNSUPPORTED: a class of branches without a way back, or a stream that is no sum (edges). */
NS_API NS_MUST_CHECK int ns_attribute(ns_attribution **out, const ns_model *, const ns_cases *, const ns_attribute_params *, ns_error *);
NS_API void ns_attribution_free(ns_attribution *);
/* Sum of integral / sum of (d source - d destination): 1 where there were enough steps; NaN without steps. */
NS_API double ns_attribution_completeness(const ns_attribution *);
/* The best `list` heads, the edges, and how it stands beside the patching with the `list` heads that differ most. */
NS_API void ns_attribution_tell(const ns_attribution *, int64_t list, const ns_answer *);
/* attribution.h5; lib/record/schema.md. */
NS_API NS_MUST_CHECK int ns_attribution_write(const ns_attribution *, const char *path, const ns_provenance *by, ns_error *);

NS_END
#endif
