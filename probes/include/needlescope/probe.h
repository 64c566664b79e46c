/* probe.h - a probe: one question asked of a model, one row in a table; and the score run that asks many at once.
 * Definitions: docs/measures.md. Scores with different definitions have different names and never share one. */
#ifndef NEEDLESCOPE_PROBE_H
#define NEEDLESCOPE_PROBE_H

#include <needlescope/axes.h>
#include <needlescope/best.h>
#include <needlescope/head.h>
#include <needlescope/model.h>
#include <needlescope/record.h>

NS_BEGIN

/* What a probe says: an array over axes of its own (axes.h), of whole numbers (hits, events: u8) or of others (f32). Where it has a case
 * axis, each case has its part; one without is of the whole run, and `fit` fills it. It begins as ns_axes_nothing. */
typedef struct ns_output {
    const char *name;             /* "find_hits" */
    ns_dtype    dtype;            /* NS_U8 or NS_F32 */
    const char *summary;
    const char *axes;             /* NULL = "case layer head", which is what a score can be made of */
} ns_output;
NS_API const char *ns_output_axes(const ns_output *);

/* A score [L, H] out of outputs over (case, layer, head): sum over cases of `of` / sum of `over`; over = NULL: mean over the cases where
 * `of` is finite. of = NULL: the probe gives it, by `weigh` or `fit`. */
typedef struct ns_score {
    const char *name;             /* "retrieval_find" */
    const char *of, *over;
    const char *summary, *paper;  /* paper and equation, or "needlescope" */
    const char *chance_of, *chance_over;   /* the same quotient where there is nothing to find (the placebo); NULL = not known */
    bool        group_max;        /* every head gets the largest value of its KV group */
    ns_best_end best;             /* which end is; NS_BEST_NONE: it describes (an entropy) */
    double      lo, hi;           /* its range: -INFINITY, INFINITY where it has no end */
    double      chance;           /* its level where there is nothing to find; NaN = not known, or measured (chance_of) */
    bool        minor;            /* a twin or a control: written, but listed only when it is asked for */
    const char *distractor_of;    /* `of` at the distractors' places, any of them; NULL = not counted */
} ns_score;

typedef struct ns_probe ns_probe;
typedef struct ns_probe_context {
    const ns_model *model;
    const ns_model *reference;    /* the model that weights are compared with (the end of a run); NULL = none */
    const ns_arch  *arch;
    const ns_case  *c;            /* NULL for probes of weights */
    const ns_probe *probe;
    int64_t         n_layers, n_heads;
    const ns_extent *extent;      /* how long the axes of the run's outputs are; NULL in `rejects`, before they are known */
    const int32_t  *special;      /* ids of special tokens: sinks beside position 0 */
    int64_t         n_special;
    const ns_case  *null_twin;    /* for probes that want one: the case with twin_of = this one and meta "twin": "null", or NULL */
    void           *null_state;   /* its state of this probe, at begin; NULL when it was dropped */
    bool            is_null;      /* this case is such a twin */
    const int32_t  *stop;         /* ids that end a decoded answer in retrieval_wu2024 */
    int64_t         n_stop;
} ns_probe_context;

enum { NS_REASON = 96 };          /* bytes of a reason to drop a case */

enum { NS_ACCEPTS_SOFTMAX = 1, NS_ACCEPTS_UNROLLED = 2 };

/* All that a probe has gathered, for one that learns from all cases at once. */
typedef struct ns_fit {
    size_t           size;
    const ns_probe_context *run;  /* its c is NULL */
    const ns_case *const *cases;  /* [n] by id */
    int64_t          n;
    char            *states;      /* [n * state_size] of the cases: ns_fit_state */
    float *const    *outputs;     /* whole: outputs[i] over all of its axes, as ns_axes_shape of run->extent has them */
    float *const    *values;      /* values[i] of scores[i], [L * H]: those with of = NULL are this probe's to fill */
    bool           (*cancelled)(void *user);     /* or NULL: to be asked now and then; return NS_STOP */
    void            *user;
} ns_fit;
NS_API void *ns_fit_state(const ns_fit *, int64_t i);
/* fold[n] in 0 ... folds - 1: prompts with their twins, and prompts of the same tokens, are in one fold. Dealt in turn in the order of a
 * hash of their tokens and the seed: whatever the cases are called and in which order they came. stratum[n] (or NULL) of the cases, that of
 * a prompt being its first case's: one is dealt behind the other, so every fold gets its part of each. NS_E_ARG where there are fewer
 * different prompts than folds. */
NS_API NS_MUST_CHECK int ns_fit_folds(const ns_fit *, int folds, uint64_t seed, const int64_t *stratum, int64_t *fold, ns_error *);

/* Points that a probe sees, and the rows of each. */
typedef struct ns_sight { const char *at; ns_rows rows; } ns_sight;

struct ns_probe {
    const char *name, *summary, *paper;
    const char *at;               /* glob of the points it must see; NULL: the weights alone, by `weigh` */
    ns_rows     rows;
    const ns_sight *also;  int n_also;    /* more of them; ns_site says which is shown */
    unsigned    accepts;          /* kinds of rows; points that are of no heads are seen whatever it says */
    size_t      state_size;       /* zeroed memory per case */
    const ns_output *outputs;  int n_outputs;
    const ns_score  *scores;   int n_scores;
    /* NULL, or a reason why this case cannot be scored by this probe ("no needle_answer span"): the case is dropped and the reason
     * counted. */
    const char *(*rejects)(const ns_probe_context *, char reason[NS_REASON]);     /* the buffer is for reasons with a name in them */
    /* NULL, or how long the axes position and class are for these cases: extent->n[NS_AXIS_POSITION] and [NS_AXIS_CLASS], 0 before. The
     * run's are the longest that any of its probes asks for. The context's c and extent are NULL. An error here ends the run before its
     * pass: what a probe that learns cannot learn from. */
    int (*extent)(const ns_probe_context *run, const ns_case *const *cases, int64_t n, ns_extent *, ns_error *);
    /* outputs[i]: the case's part, over its axes behind `case`; of an output without that axis the whole, for all cases the same */
    int (*begin)(void *state, const ns_probe_context *, float *const *outputs, ns_error *);
    int (*see)(void *state, const ns_site *, const ns_view *, ns_error *);
    /* A probe of decoding: the case's prompt runs, then the model goes on greedily; see gets the rows that say its tokens (rows = last, 1),
     * some at a time where the case's answer was verified, and the prompt's; then token gets what the row before `position` says, in order.
     * NS_STOP: nothing more is needed of the case. NULL: the answer is teacher-forced. */
    int (*token)(void *state, int64_t position, int32_t token, ns_error *);
    /* NULL, or once, behind the last row and token of the last case and before the first `end`. Not called without cases. */
    int (*fit)(const ns_fit *, ns_error *);
    int (*end)(void *state, ns_error *);          /* or NULL; called once for every begin, after a failed run too: it frees */
    /* Instead of all that, for at = NULL: once a run, c = NULL; values[i] of scores[i]: [L * H], NaN where there is no head. No outputs. */
    int (*weigh)(const ns_probe_context *, float *const *values, ns_error *);
    bool        wants_null;       /* compares each case with its null twin */
    bool        on_request;       /* dear, or of no use by default: run only when it is named */
    const char *definition;       /* JSON of a probe that is a definition, else NULL */
};

/* All probes, NULL-terminated; and by the name of the probe or of one of its scores (NULL if none). */
NS_API const ns_probe *const *ns_probes(void);
NS_API const ns_probe *ns_probe_find(const char *name);
/* Is there an array of that name beside the scores of a probe of ours? */
NS_API bool ns_output_name_is_taken(const char *name);
/* Is it a name that studies give to something else than a coordinate of runs (an axis, a score, an array)? No coordinate has one. */
NS_API bool ns_coordinate_name_is_taken(const char *name);
/* What a head that spreads its attention evenly over the keys it sees scores in the context's case (which the probe does not reject), where
 * the probe is a definition of a share or of hits: mean over the *rows that it judges. attn, head: whose mask it is. previous_token: .5
 * for a window of 2. *out = NaN, *rows = 0 for all other probes, and where no row has such keys. */
NS_API NS_MUST_CHECK int ns_probe_chance(const ns_probe_context *, const ns_attn *attn, int64_t head, double *out,
                                         int64_t *rows, ns_error *);
/* NS_E_ARG, with the nearest name, where it is neither a probe nor a score. */
NS_API NS_MUST_CHECK int ns_probe_check(const char *name, ns_error *);

/* A probe from its definition, n bytes of JSON (docs/measures.md), read by the code that runs our own: free with ns_probe_free. label names
 * it in errors. */
NS_API NS_MUST_CHECK int ns_probe_from_json(ns_probe **out, const char *json, size_t n, const char *label, ns_error *);
NS_API void ns_probe_free(ns_probe *);

/* ---- the score run ---- */
typedef struct ns_dropped { const char *reason; int64_t n; char first_id[64]; } ns_dropped;
/* of_cases: rows of all cases, each by itself; run: those that the passes ran, each as often as it ran. */
typedef struct ns_row_count { int64_t of_cases, run; } ns_row_count;
typedef struct ns_score_params {
    size_t  size;
    const char *const *probes;  int n_probes;     /* names of probes or scores */
    const ns_model *reference;                    /* what qk_distance compares with; same shapes; NULL = none */
    const ns_probe *const *definitions;  int n_definitions;   /* probes of the caller's (JSON, or C), all run; they outlive the scores */
    const int32_t *stop;  int64_t n_stop;         /* ids that end a decoded answer, where the published code has one (retrieval_wu2024) */
    const int32_t *special;  int64_t n_special;   /* ids of special tokens, left out by the `_nosink` scores beside position 0 */
    const ns_hook *hooks;  int n_hooks;           /* the caller's own, edits (edit.h) or reads, in every pass of the run; copied */
    bool    no_sharing;                           /* do not fork common prefixes (the same bits; for tests) */
    bool    one_at_a_time;                        /* a pass per case (the same bits; for tests) */
    void  (*progress)(void *user, double fraction);
    bool  (*cancelled)(void *user);
    void  (*note)(void *user, const char *line);  /* told how many cases lack a row that a hook of the caller's asks for; or NULL */
    ns_row_count *rows;                           /* added to, or NULL */
    void   *user;
} ns_score_params;

typedef struct ns_scores ns_scores;               /* results of one run */
/* A hook of the caller's whose rows no case has is NS_E_ARG. Cases in any order give the same bits. No case left is NS_E_ARG with the
 * reasons (probes of weights need no case); cancelled is NS_STOP. A probe named by one of its scores gives all its scores. */
NS_API NS_MUST_CHECK int ns_score_run(ns_scores **out, const ns_model *, const ns_cases *, const ns_score_params *, ns_error *);
NS_API void ns_scores_free(ns_scores *);
NS_API int ns_scores_count(const ns_scores *);                                    /* scores, all probes */
NS_API const ns_score *ns_scores_def(const ns_scores *, int i);
/* Which end is best, its range, and its chance: where it is measured (the placebo), and of uniform attention, the mean over heads. */
NS_API ns_score_meaning ns_scores_meaning(const ns_scores *, int i);
NS_API const float *ns_scores_values(const ns_scores *, int i);                   /* [L * H], NaN where there is no head */
NS_API int64_t ns_scores_layers(const ns_scores *);
NS_API int64_t ns_scores_heads(const ns_scores *);
NS_API int64_t ns_scores_cases(const ns_scores *);                                /* cases scored */
NS_API int64_t ns_scores_answered(const ns_scores *);                             /* cases whose answer greedy decoding says in full, once
                                                                                   * its lead (a space) is there */
NS_API double  ns_scores_token_accuracy(const ns_scores *, bool first_only);      /* teacher-forced, over content tokens */
NS_API int ns_scores_dropped(const ns_scores *, const ns_dropped **list);
/* Is score i, of weights and not of hits or their differences, one of heads with softmax rows and of heads with unrolled ones? Their scales
 * differ, and so says no order between the two. */
NS_API bool ns_scores_two_scales(const ns_scores *, int i);
/* The k best heads of score i, best first; ties by (layer, head). best.h says which heads count. */
NS_API ns_best_cut ns_scores_top(const ns_scores *, int i, int k, ns_head *out);

/* ---- how firm a list of heads is ---- */
typedef struct ns_ranking_params {
    size_t   size;
    int      resamples;          /* 0 = 1000 */
    uint64_t seed;
} ns_ranking_params;
/* Resamples prompts, each with its twins, within strata (value type x template; kinds of fewer than ten prompts are one stratum), and keeps
 * what it finds with the scores: ns_scores_write writes it. */
NS_API NS_MUST_CHECK int ns_scores_rank(ns_scores *, const ns_ranking_params *, ns_error *);
typedef struct ns_head_stats {   /* NaN: not known */
    float value, low, high;      /* 95 %: expanded percentile bootstrap; Wilson where all prompts agree (docs/measures.md) */
    float p_top4, p_top10;       /* its mean share (best.h) of the 4, 10 best over the resamples; NaN for a head that does not count */
    float chance;                /* the same quotient at the placebo; else a constant of the score, or of uniform attention (measures.md) */
    float answered, missed;      /* over the cases that the model answers, and over the others */
} ns_head_stats;
NS_API bool ns_scores_head(const ns_scores *, int i, int64_t layer, int64_t head, ns_head_stats *out);    /* false before ns_scores_rank */
/* Of fewer prompts, or texts, no 95 % interval is made of resamples: from the least to the largest of four draws of a symmetric law is one
 * of 88 %. In strata it takes as many more as there are strata beyond the first. (A rate's interval is Wilson's, of any number.) */
enum { NS_INTERVAL_FEWEST = 5 };
/* What was resampled. pooled: how many kinds of fewer than ten prompts are one stratum (0: none). false before ns_scores_rank. */
typedef struct ns_resampling { int64_t prompts, kinds, strata, pooled; } ns_resampling;
NS_API bool ns_scores_resampling(const ns_scores *, ns_resampling *out);
/* Cases that say nothing of the chance of score i, since they have no placebo; -1: the score has no such chance. */
NS_API int64_t ns_scores_without_chance(const ns_scores *, int i);
NS_API double ns_scores_split_half(const ns_scores *, int i, int k);              /* mean Jaccard of the k = 4 or 10 best heads of two
                                                                                   * halves of the prompts, 100 splits */
/* How a score is spread over heads (Wu et al. 2024, fig. 3): shares of the n heads that have a number at 0 (or below), in (0, .1), [.1, .5)
 * and [.5, ...); tenth = how many have .1 or more, the paper's threshold of a retrieval head. */
typedef struct ns_score_shares { int64_t n, tenth; double zero, weak, middle, strong; } ns_score_shares;
NS_API ns_score_shares ns_score_spread(const float *score, int64_t n);
/* Whether the retrieval heads of a hybrid lie in one kind of its layers: how many heads with .1 and more of score i, a rate, the layers of
 * a kind have. p_heads: the odds of as many or more if the kind were dealt to heads at random (hypergeometric); p_layers: to whole
 * layers. */
typedef struct ns_kind_share {
    ns_layer_kind kind;
    int64_t heads, all_heads;            /* of this kind, of all */
    int64_t strong, all_strong;          /* those of them with .1 and more */
    double  low, high;                   /* 95 % of strong / all_strong over resampled prompts; NaN before ns_scores_rank, or where none is
                                          * strong */
    double  p_heads, p_layers;
} ns_kind_share;
NS_API NS_MUST_CHECK int ns_scores_kind_share(const ns_scores *, int i, ns_layer_kind, ns_kind_share *, ns_error *);
NS_API double ns_scores_agreement(const ns_scores *, int i, int j, bool spearman);      /* of two scores over heads: Spearman, or Jaccard of
                                                                                         * the 10 best */
/* All arrays of the run, in the order of its file: per-case outputs, scores, coordinates, and what ns_scores_rank found. `see` gets each in
 * turn, borrowed for the call; a code other than NS_OK ends the walk and is returned. */
typedef struct ns_array {
    const char        *name;
    const char        *axes;         /* "case layer head"; an axis itself: axes = name */
    const char        *summary;      /* or NULL */
    ns_view            view;         /* of numbers */
    const char *const *text;         /* [shape[0]] strings in place of numbers, or NULL */
    const ns_score_meaning *meaning; /* of a score; NULL for all else */
} ns_array;
typedef int (*ns_array_fn)(void *user, const ns_array *, ns_error *);
NS_API NS_MUST_CHECK int ns_scores_each(const ns_scores *, ns_array_fn see, void *user, ns_error *);
/* Adds what scores.h5 says of the run: probes, hashes of weights, arch, tokenizer and cases, what was dropped. */
NS_API NS_MUST_CHECK int ns_scores_facts(const ns_scores *, ns_fact_list *, ns_error *);
/* scores.h5: per-case outputs, scores, case coordinates, layer_kind, window, provenance. by: who writes; NULL = not said. */
NS_API NS_MUST_CHECK int ns_scores_write(const ns_scores *, const char *path, const ns_provenance *by, ns_error *);

/* The head lists of Wu et al.'s repository, {"LAYER-HEAD": [a score for every case that counts]}: the run's retrieval_wu2024, else its
 * retrieval_wu. What made it stands beside it (ns_provenance_beside): their scripts take every key for a head. NS_E_ARG where the run has
 * neither, or no case counts (they cannot take the mean of an empty list). */
NS_API NS_MUST_CHECK int ns_scores_write_heads(const ns_scores *, const char *path, const ns_provenance *by, ns_error *);

/* Runs the cases through hooks of the caller's (a recorder), sharing prefixes and keeping case indices: what `record` uses. A hook
 * whose rows no case has is NS_E_ARG; params->note is told where some cases lack one. */
NS_API NS_MUST_CHECK int ns_run_cases(const ns_model *, const ns_cases *, const ns_hooks *, const ns_score_params *, ns_error *);

NS_END
#endif
