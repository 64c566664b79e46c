/* patch.h - activation patching: what of one prompt's answer comes along when what a head computes is carried over into the pass over
 * its twin.
 *
 * Interchange interventions as in Vig et al. 2020, Meng et al. 2022, Wang et al. 2022; terms of Heimersheim and Nanda 2024. A pair is a
 * case and its twin (twin_of): the same prompt asked for another key. The source's z (or q, k, v) of a head is put into the
 * destination's pass; then
 *     d = logit of the source's answer - logit of the destination's answer, first content token of each, at the row that predicts it
 *     recovery = sum over pairs of (d patched - d destination) / sum over pairs of (d source - d destination)
 * 0: nothing came along, 1: all did; a ratio of sums, since ratios of single pairs explode where the two runs hardly differ. Denoising
 * (the default): source = the case, destination = its twin; noising: the reverse.
 *
 * C pairs, L layers, H heads. */
#ifndef NEEDLESCOPE_PATCH_H
#define NEEDLESCOPE_PATCH_H

#include <needlescope/head.h>
#include <needlescope/control.h>
#include <needlescope/model.h>
#include <needlescope/probe.h>
#include <needlescope/record.h>

NS_BEGIN

/* What is carried over: the head's output z; its queries, keys or values, before QK-norm and rope. Keys and values are of the head's KV
 * group: whoever shares them is patched too. */
typedef enum ns_patch_site { NS_PATCH_Z, NS_PATCH_Q, NS_PATCH_K, NS_PATCH_V, NS_PATCH_SITES } ns_patch_site;
NS_API const char *ns_patch_site_name(ns_patch_site);      /* "z", "q", "k", "v" */

/* An edge of path patching (Goldowsky-Dill et al. 2023; Wang et al. 2022): what head `from` adds to the residual stream, as the queries,
 * keys or values of a later head read it, and nothing else of it: heads and MLPs between the two stay the destination's. logits: as the
 * final norm reads it. A KV group has one k and one v. */
typedef struct ns_path { ns_head from, to; ns_patch_site into; bool logits; } ns_path;
enum { NS_PATH_TEXT = 96 };
NS_API NS_MUST_CHECK int ns_path_parse(const char *text, ns_path *out, ns_error *);        /* "19.1:23.2.q", "19.1:logits" */
NS_API void ns_path_format(const ns_path *, char out[NS_PATH_TEXT]);

typedef struct ns_patch_params {
    size_t         size;
    const ns_head *heads; int n_heads;       /* a set that is patched together, beside controls (control.h); 0 = none */
    const char    *scores_sha256;                 /* weights_sha256 of the scores that chose them, "" = not known; NULL = no scores did */
    const char    *scores_arch_sha256;            /* and their arch_sha256; "" or NULL = not known */
    ns_patch_site  site;
    bool           no_map;                        /* leave out the map: each head by itself */
    bool           all_rows;                      /* patch the whole prompt (twins of equal length); else the answer's rows alone */
    bool           noising;
    int            draws;                         /* 0 = 20; of a set: without heads NS_E_ARG */
    int            resamples;                     /* of prompts with their pairs, for the intervals; 0 = 1000 */
    uint64_t       seed;
    /* bytes of the sources' activations that are kept at once, one pair's at least; 0 = 256 MiB */
    int64_t        keep;
    void         (*progress)(void *user, double fraction);
    bool         (*cancelled)(void *user);
    void          *user;
    /* In the place of a set and of the map; together, each, the senders whole, and other senders as controls. site is z. */
    const ns_path *paths; int n_paths;
} ns_patch_params;

/* 95 % by percentiles over resampled prompts, each with its pairs: expanded (Hesterberg 2015), and NaN of fewer than NS_INTERVAL_FEWEST
 * (probe.h). All NaN where the source run prefers its answer no more than the destination run does. */
typedef struct ns_recovery { double value, low, high; } ns_recovery;

typedef enum ns_patch_kind {
    NS_PATCH_NONE, NS_PATCH_EVERYTHING, NS_PATCH_TARGET, NS_PATCH_CONTROL, NS_PATCH_HEAD,
    NS_PATCH_SENDERS, NS_PATCH_PATH                                         /* of paths: their senders' z, whole; each path */
} ns_patch_kind;
typedef struct ns_patch_condition {
    ns_patch_kind kind;
    int           draw;                           /* of a control; -1 otherwise */
    ns_head *heads; int n_heads;
    ns_path *paths; int n_paths;  bool by_paths;  /* by_paths: it is of these, heads are their senders; a control may have none left */
    bool          layer_matched, matched;
    ns_recovery   recovery;
    double        flipped;                        /* share of the pairs whose most likely token is the source's answer */
} ns_patch_condition;

typedef struct ns_patching {
    ns_patch_condition *list;  int n, n_map;      /* none, everything, target and its controls; the last n_map are the map's heads */
    int64_t   C, L, H, n_prompts;                 /* n_prompts: what is resampled for the intervals */
    char    **case_id, **source_id;               /* [C] of the destination, of the source */
    float    *difference;                         /* [n, C] d */
    uint8_t  *says_source;                        /* [n, C] */
    float    *source_difference;                  /* [C] d of the source's own run */
    uint8_t  *source_right;                       /* [C] its most likely token is its answer */
    float    *norm;                               /* [L, H] mean |z W_O| over the source's answer rows */
    const char **layer_kind;                      /* [L] */
    ns_controls controls;
    int64_t  *window;                             /* [L, H]; 0 = all keys */
    ns_dropped *dropped;  int n_reasons;          /* twins that were left out, by reason */
    ns_patch_site site;
    bool      all_rows, noising, of_paths;
    uint64_t  seed;
    char      scores_sha256[65];  const char *scores_are_of;          /* ns_scores_are_of */
    char      cases_sha256[65];
    ns_fact_list  made_with;                      /* what is said of the model */
} ns_patching;

/* NS_E_ARG when no pair is left (the reason is named) or a head is not there; NS_STOP when cancelled. */
NS_API NS_MUST_CHECK int ns_patch(ns_patching **out, const ns_model *, const ns_cases *, const ns_patch_params *, ns_error *);
NS_API void ns_patching_free(ns_patching *);
/* Mean, least and most of recovery and of flipped over the controls; returns how many there are (0: no set was patched). */
NS_API int ns_patching_spread(const ns_patching *, ns_patch_condition *mean, ns_patch_condition *least, ns_patch_condition *most);
/* order[n_map]: conditions of the map, the best recovery first; NaN last; ties by layer and head. */
NS_API void ns_patching_rank(const ns_patching *, int *order);
/* What a condition is called: "nothing", "all heads", "these", "19.1:23.2.q"; of a head of the map, "19.1". */
NS_API void ns_patch_condition_name(const ns_patch_condition *, char out[NS_PATH_TEXT]);
/* The share of sources that say their answer. */
NS_API double ns_patching_source_share(const ns_patching *);
/* patching.h5: axes condition, case, layer, head; lib/record/schema.md. */
NS_API NS_MUST_CHECK int ns_patching_write(const ns_patching *, const char *path, const ns_provenance *by, ns_error *);

NS_END
#endif
