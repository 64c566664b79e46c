/* control.h - heads that stand for others in a control: drawn for like norm, and how like they are.
 *
 * The norm is mean |z W_O| over the answer rows. A head may stand for another where the larger norm is at most a caliper times the
 * smaller: a factor 1.25 in the layer, in layers up to NS_CONTROL_NEIGHBOURS away (nearest first), in the model, until NS_CONTROL_ENOUGH
 * heads are there to draw from; then the same with 1.5. One of them is drawn at random, none twice in a draw, the set itself left out;
 * heads of large norm, which have the fewest likes, are drawn for first. Where nothing lies within the caliper the nearest head is
 * taken, and the control is not called matched. measures.md §2. */
#ifndef NEEDLESCOPE_CONTROL_H
#define NEEDLESCOPE_CONTROL_H

#include <needlescope/head.h>
#include <needlescope/provenance.h>
#include <needlescope/record.h>

NS_BEGIN

enum { NS_CONTROL_ENOUGH = 4, NS_CONTROL_NEIGHBOURS = 2 };

/* from how far a head was taken */
typedef enum ns_control_tier { NS_TIER_LAYER, NS_TIER_NEIGHBOURS, NS_TIER_MODEL, NS_TIERS } ns_control_tier;

typedef struct ns_stand_in {
    ns_head         head;
    double          ratio;         /* its norm / that of the head it stands for */
    double          caliper;       /* the factor within which it lies, 1.25 or 1.5; INFINITY: no head does, this is the nearest */
    int64_t         candidates;    /* heads there were to draw from; 0 where the caliper was missed */
    ns_control_tier tier;
} ns_stand_in;

/* What was drawn, in numbers; n = 0: nothing was. */
typedef struct ns_match {
    int64_t n, n_matched;          /* heads drawn, over all draws; those within the caliper */
    int64_t n_draws, n_distinct;   /* draws; different sets among them: where few heads are alike, draws repeat */
    double  ratio_min, ratio_median, ratio_max;
    int64_t candidates_min, candidates_max;
    int64_t within[2];             /* heads within 1.25; beyond it but within 1.5 */
    int64_t from[NS_TIERS];
} ns_match;

/* The controls of a set: draw i has list[i * n_heads + k] for head k of the set. */
typedef struct ns_controls {
    ns_stand_in *list;
    int          n_draws, n_heads;
    ns_match     match;
} ns_controls;

/* All heads that were drawn lie within the caliper, and there are some: only then are controls called matched. */
static inline bool ns_match_holds(const ns_match *m) { return m->n > 0 && m->n_matched == m->n; }
/* One sentence: "matched within a factor 1.25: norms 0.84 to 1.21 of theirs (median 1.01); ..." or "other heads, no head of like norm
 * exists: norms 0.12 to 0.78 ...". */
enum { NS_MATCH_TEXT = 320 };
NS_API void ns_match_text(const ns_match *, char out[NS_MATCH_TEXT]);
/* In a few words: "matched others", "other heads, none of like norm", "other heads, not all of like norm". */
NS_API const char *ns_match_name(const ns_match *);
/* Out of a file of ablate or patch; n = 0 where it has no such controls. */
NS_API NS_MUST_CHECK int ns_match_read(ns_match *out, const ns_file *, ns_error *);

/* The heads of a set were chosen by scores of these weights: "this model's weights", "this model's weights under another architecture",
 * "other weights", or "unknown weights" where one hash is not known. NULL for scores_sha256 = NULL: they were named. `model`: what a
 * result is said to be made with (weights_sha256, arch_sha256). */
NS_API const char *ns_scores_are_of(const char *scores_sha256, const char *scores_arch_sha256, const ns_fact_list *model);

NS_END
#endif
