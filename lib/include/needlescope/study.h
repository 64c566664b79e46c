/* study.h - the one reader of hits and scores over (run, step, case, layer, head): what analysis, figures and exports read. A study is
 * written by ns_merge; a file with the scores of one checkpoint (ns_scores_write, a shard of ns_scan, a patching) is a study of one run at
 * one step. Layout: lib/record/schema.md.
 *
 * R runs, P steps (the union over the runs), C cases, L layers, H heads (the largest of any run: a study may be ragged). */
#ifndef NEEDLESCOPE_STUDY_H
#define NEEDLESCOPE_STUDY_H

#include <needlescope/record.h>

NS_BEGIN

typedef struct ns_study ns_study;
typedef struct ns_study_shape { int64_t R, P, C, L, H; } ns_study_shape;
enum { NS_STUDY_MISSING = 0, NS_STUDY_DONE = 1, NS_STUDY_FAILED = 2, NS_STUDY_NOT_THERE = 3 };

/* NS_E_ARG when the file is neither a study nor scores. */
NS_API NS_MUST_CHECK int ns_study_open(ns_study **out, const char *path, ns_error *);
NS_API void ns_study_close(ns_study *);
NS_API ns_study_shape ns_study_size(const ns_study *);
NS_API bool ns_study_is_one(const ns_study *);                    /* the scores of one checkpoint: R = P = 1 */
/* NS_E_ARG for those: what follows needs checkpoints. */
NS_API NS_MUST_CHECK int ns_study_check_steps(const ns_study *, ns_error *);
NS_API const char *ns_study_path(const ns_study *);               /* as it was opened; borrowed, as all below */
NS_API const ns_file *ns_study_file(const ns_study *);            /* its facts and other datasets */

/* ---- runs and steps ---- */
/* Of one checkpoint: the run that it is of, else the model's name, else "". */
NS_API const char *ns_study_run_name(const ns_study *, int64_t run);
/* NS_E_ARG names the runs that there are. */
NS_API NS_MUST_CHECK int ns_study_find_run(const ns_study *, const char *name, int64_t *out, ns_error *);
/* Coordinates of the runs, as their run.json gave them: window, seed, pattern, arm ... [R] of one of the two. */
typedef struct ns_study_coord { char *name; double *number; char **text; } ns_study_coord;
NS_API const ns_study_coord *ns_study_coords(const ns_study *, int64_t *n);
NS_API double      ns_study_run_number(const ns_study *, int64_t run, const char *coord, double otherwise);
NS_API const char *ns_study_run_text(const ns_study *, int64_t run, const char *coord);       /* NULL where there is none */

NS_API const int64_t *ns_study_steps(const ns_study *);           /* [P] ascending; of one checkpoint -1 = not known */
NS_API const int64_t *ns_study_tokens(const ns_study *);          /* [R, P]; -1 = not known */
NS_API int64_t ns_study_count(const ns_study *, int status);     /* how many (run, step) have this status */
NS_API int64_t ns_study_passed_over(const ns_study *);            /* files that lay among its shards when they were merged, and were none */
NS_API int64_t ns_study_unsealed(const ns_study *);               /* shards and metrics that had no seal when they were merged */
NS_API int64_t ns_study_not_taken(const ns_study *);              /* checkpoints that the scan found and was not asked for */
/* What the scans found beside the checkpoints and left out, with the reason; NULL where there is none. */
typedef struct ns_study_left { const char *run, *name, *why; } ns_study_left;
NS_API const ns_study_left *ns_study_left_out(const ns_study *, int64_t *n);
NS_API const uint8_t *ns_study_status(const ns_study *);          /* [R, P] NS_STUDY_... */
NS_API int64_t ns_study_last(const ns_study *, int64_t run);      /* the last step that was scored, as an index; -1 = none */

/* What the architecture changed into at this step (an index), against the run's checkpoint before: "RoPE base 10000 -> RoPE base 500000 (12
 * layers)"; NULL: it stayed. */
NS_API const char *ns_study_arch_change(const ns_study *, int64_t run, int64_t step);

/* The SHA-256 of the weights at this step (an index) in hexadecimal; NULL: not known. */
NS_API const char *ns_study_weights(const ns_study *, int64_t run, int64_t step);

/* ---- layers and heads ---- */
/* Kinds and windows as at the run's first checkpoint; layer_window of the file has them step by step. */
/* "full", "swa", "recurrent", "mlp"; "" = no such layer */
NS_API const char *ns_study_layer_kind(const ns_study *, int64_t run, int64_t layer);
NS_API bool    ns_study_head_valid(const ns_study *, int64_t run, int64_t layer, int64_t head);
NS_API int64_t ns_study_head_window(const ns_study *, int64_t run, int64_t layer, int64_t head);   /* 0 = all keys */
/* kind[L] as ns_layer_kind and window[L], the widest of each layer: what a figure of heads marks. */
NS_API void    ns_study_layers(const ns_study *, int64_t run, int *kind, int64_t *window);

/* ---- scores ---- */
/* Their names, by bytes. */
NS_API const char *const *ns_study_scores(const ns_study *, int64_t *n);
/* The one that is meant where none is named: retrieval_find, else the first retrieval score, else the first. NULL: the file has none. */
NS_API const char *ns_study_usual_score(const ns_study *);
/* Which end is best, range and chance. NS_E_ARG names the scores that there are, the nearest first: nothing else may stand where a score is
 * meant (no output over cases, no coordinate). */
NS_API NS_MUST_CHECK int ns_study_meaning(const ns_study *, const char *score, ns_score_meaning *out, ns_error *);
/* The same for a list of best heads: NS_E_ARG also where the score has no best end. */
NS_API NS_MUST_CHECK int ns_study_ranks(const ns_study *, const char *score, ns_score_meaning *out, ns_error *);
/* Where a score is meant, an output can stand by a name that says how: NAME@AXIS=PLACE (as many of these as wanted) is its mean over the
 * cases and its other axes but layer and head, at these places; NAME@mean that over all of them. What lies on layers alone is every
 * head's. */
/* Read on first use; NaN where a checkpoint is missing or has no such head. */
NS_API NS_MUST_CHECK int ns_study_score(ns_study *, const char *name, const float **out, ns_error *);     /* [R, P, L, H] */
/* The same of NAME_chance, what even attention gives each head; *out = NULL where the file has none for the score. */
NS_API NS_MUST_CHECK int ns_study_chance(ns_study *, const char *score, const float **out, ns_error *);
enum { NS_CHANCE_NAME = 96 };
NS_API const char *ns_chance_name(const char *score, char out[NS_CHANCE_NAME]);         /* "SCORE_chance" */
/* [R, P]: accuracy, loss, recall_in_window ... */
NS_API NS_MUST_CHECK int ns_study_series(ns_study *, const char *name, const float **out, ns_error *);
/* [L, H] of what a ranking found of a score: which = score_low, score_high, score_chance, score_top4 ...; *out = NULL where the file has
 * none. */
NS_API NS_MUST_CHECK int ns_study_ranked(ns_study *, const char *which, const char *score, const float **out, ns_error *);
NS_API bool ns_study_has(const ns_study *, const char *name);                           /* as ns_file_has */

/* ---- outputs: what probes said, over axes of their own (needlescope/axes.h) ---- */
/* How long those axes are; 0 of one that nothing lies on. */
NS_API const ns_extent *ns_study_extent(const ns_study *);
/* Their names, in the order of the file: every number of a checkpoint that is no score, no axis and nothing that tells what cases, layers
 * and heads are. */
NS_API const char *const *ns_study_outputs(const ns_study *, int64_t *n);
/* The axes of an output or a score behind (run, step). NS_E_ARG names the outputs that there are, the nearest first. */
NS_API NS_MUST_CHECK int ns_study_axes(const ns_study *, const char *name, ns_axes *out, ns_error *);
/* Its values at one checkpoint over those axes (ns_axes_shape with ns_study_extent), malloc'd; n of them. ns_axes_nothing where the
 * checkpoint is missing. */
NS_API NS_MUST_CHECK int ns_study_values(const ns_study *, const char *name, int64_t run, int64_t step, float **out, int64_t *n,
                                         ns_error *);

/* ---- cases ---- */
/* Per case: an output over (case, layer, head) as out[C, L, H]; a value of the cases as out[C]. */
NS_API NS_MUST_CHECK int ns_study_counts(const ns_study *, const char *name, int64_t run, int64_t step, float *out, ns_error *);
/* A coordinate of the cases (n_tokens, depth ...) as out[C]. */
NS_API NS_MUST_CHECK int ns_study_case_numbers(const ns_study *, const char *name, float *out, ns_error *);
NS_API NS_MUST_CHECK int ns_study_case_series(const ns_study *, const char *name, int64_t run, int64_t step, float *out, ns_error *);

/* ---- what values can be ---- */
/* Of a dataset of a score file, shard or study, by its name (answers, counts, shares) or its meaning as a score (NULL: not known). Who
 * reads such a dataset hands this to ns_file_array; what lies outside is NS_E_FORMAT. */
NS_API ns_range ns_score_range(const char *dataset, const ns_score_meaning *);
/* Of a dataset of an ablation or a patching, by its name. */
NS_API ns_range ns_intervention_range(const char *dataset);
/* Of a recording's dataset, by its name without its group, in a layer whose rows are signed (recurrent) or sum to 1. */
NS_API ns_range ns_recording_range(const char *dataset, bool signed_rows);
/* values[L, H] of a score at one checkpoint, `before` numbers into a dataset (the score's own, its chance, what a ranking found of it), in
 * layers of kinds[L]. path: for the message. */
typedef struct ns_head_values {
    const char *path, *dataset, *score;
    const char *const *kinds;
    const float *values;
    int64_t L, H, before;
} ns_head_values;
/* NS_E_FORMAT where a value is none that such a score can have. A range holds for rows of attention; in recurrent layers, whose weights are
 * signed and do not sum to 1, it holds for scores of hits and of the model's weights alone. */
NS_API NS_MUST_CHECK int ns_check_heads(const ns_head_values *, const ns_score_meaning *, ns_error *);
/* Is it a name that score files and studies give to something else (an axis, an attribute, an array beside a score)? No score has one. */
NS_API bool ns_score_name_is_taken(const char *name);
NS_API bool ns_score_of_any_rows(const char *score);             /* is it one of those? */
/* NS_E_FORMAT where an interval [low, high] of a head is upside down, has one end, or lies beside the head's value. */
NS_API NS_MUST_CHECK int ns_check_interval(const ns_head_values *, const float *low, const float *high, ns_error *);
/* "find_events" for "find_hits", "n_answer" for "content_right": what they are counted of, never fewer than they; NULL: no hits. */
NS_API const char *ns_hits_of(const char *hits);
/* NS_E_FORMAT where hits[n] exceed of[n]; a NaN is no number of either. path and name (of the hits): for the message. */
NS_API NS_MUST_CHECK int ns_check_hits(const char *path, const char *name, const float *hits, const float *of, int64_t n, ns_error *);

/* What a score is counted of, [case, layer, head]: "find_events" of "retrieval_find", which is a quotient by their sum, or "case_entropy"
 * of "entropy", their mean. Scores of weights have no such dataset. */
NS_API const char *ns_score_counted_of(const char *score, char out[NS_CHANCE_NAME]);
/* NS_E_FORMAT where a value is NaN though `counts`, of what ns_score_counted_of names, has events or numbers of that head in any of the n
 * cases. */
NS_API NS_MUST_CHECK int ns_check_defined(const ns_head_values *, const char *counted, const float *counts, int64_t n, ns_error *);

/* All of this at once, and what ns_study_open looks at, over a whole file: NS_E_FORMAT where a reader of one of its datasets would refuse a
 * value. For who takes a file as it is (Python's read). Of scores and recordings of versions without `layer_kind`, and of files that are
 * neither, nor interventions, nothing is asked. */
NS_API NS_MUST_CHECK int ns_file_check_values(const ns_file *, ns_error *);

/* ---- what analysis finds in it (needlescope/training.h) ---- */
/* A first birth on the axis: (after, at], after = 0 when born by the first measured checkpoint; at = INFINITY: censored, not up to `after`.
 * NaN both: no such head was ever measured. */
typedef struct ns_event {
    double  after, at;
    int64_t step, head;           /* step of `at`, layer * H + head that is best there; -1 */
    int64_t gap;
} ns_event;

NS_END
#endif
