/* training.h - what happens to heads while a model trains: when they are born and die, how sure that is, and whether it comes later in some
 * runs than in others. Plain arrays in, plain arrays out. Definitions: docs/training.md.
 *
 * R runs, P checkpoints (ascending), C cases, K heads, B blocks (seeds), W treatments (windows). */
#ifndef NEEDLESCOPE_TRAINING_H
#define NEEDLESCOPE_TRAINING_H

#include <needlescope/answer.h>
#include <needlescope/provenance.h>
#include <needlescope/study.h>

NS_BEGIN

/* ---- births and deaths (births.c) ---- */

typedef struct ns_birth_params {
    size_t size;
    double theta;                 /* 0 = .5: at or above it a head is alive */
    int    persist;               /* 0 = 3: so many measured checkpoints in a row make a birth or a death */
} ns_birth_params;

enum { NS_NEVER = -1 };

/* One life. Indices of checkpoints. A birth lies in the interval (after, at]: at = the first of `persist` checkpoints with score >= theta,
 * after = the last measured one before it, NS_NEVER when at is the first measured checkpoint (born earlier: how much is not known). died
 * the same with score < theta; NS_NEVER when the head lives up to the horizon. gap = checkpoints inside (after, at) that were not
 * measured. */
typedef struct ns_life {
    int64_t after, at;
    int64_t died_after, died;
    int64_t gap;
} ns_life;

/* Lives of a series score[P] in order; NaN = not measured, and is passed over (it neither breaks nor confirms a row of checkpoints). *out
 * has *n lives: free(). n = 0: censored, no birth up to ns_birth_limit. */
NS_API NS_MUST_CHECK int ns_lives(const double *score, int64_t P, const ns_birth_params *, ns_life **out, int64_t *n, ns_error *);
/* The first birth without allocating: at = NS_NEVER when censored. */
NS_API ns_life ns_first_birth(const double *score, int64_t P, const ns_birth_params *);
/* The last checkpoint at which a birth could still have been confirmed up to the horizon: what ">" of a censored birth means. NS_NEVER when
 * fewer than `persist` checkpoints were measured. */
NS_API int64_t ns_birth_limit(const double *score, int64_t P, const ns_birth_params *);
/* ---- what chance gives (chance.c) ---- */

/* A score above what uniform attention gives: (score - chance) / (1 - chance), as Cohen's kappa, where chance is more than NS_CHANCE_SMALL;
 * below that the score itself, so that births where chance is far below theta are what they are without it. NaN for chance >= 1 (nothing
 * else could be seen). */
#define NS_CHANCE_SMALL .125
NS_API double ns_above_chance(double score, double chance);
/* The score at which a head of that chance is alive: where ns_above_chance gives theta. */
NS_API double ns_theta_above_chance(double theta, double chance);

/* How many of the ascending axis[P] (steps or tokens) lie at or below the horizon. */
NS_API int64_t ns_horizon_cut(const int64_t *axis, int64_t P, double horizon);

/* out[P]: at each checkpoint the k-th largest (0 = best) of score[P, K] over the heads with use[K] (NULL = all); NaN where fewer were
 * measured. who[P] (may be NULL): the head, -1. Ties go to the lowest index. */
NS_API void ns_best_series(const float *score, int64_t P, int64_t K, const bool *use, int k, double *out, int64_t *who);

/* Median of times with INFINITY = censored: a value, later than all others. Of an even number the mean of the middle two, INFINITY when one
 * of them is censored. NaN for n = 0. The times are sorted. */
NS_API double ns_median_censored(double *time, int64_t n);

/* Least squares of low + (high - low) / (1 + exp(-(x - mid) / width)), x = log(1 + tokens). */
typedef struct ns_midpoint {
    double tokens, width, low, high, rmse;       /* tokens = exp(mid) - 1 */
    const char *flaw;             /* NULL, or why the fit must not be used: "flat", "midpoint outside the checkpoints", "falls again" ... */
} ns_midpoint;
/* NaN scores and negative tokens are left out. */
NS_API NS_MUST_CHECK int ns_fit_midpoint(const int64_t *tokens, const double *score, int64_t P, ns_midpoint *out, ns_error *);

/* ---- how sure: seeds as the unit, cases nested in them (seeds.c) ---- */

/* Of one run: what each of the C cases gave each of the K heads. hits[P, C, K], events[P, C, K] (NULL: 1 wherever hits is finite). NaN =
 * not measured. */
typedef struct ns_seed_counts {
    const float *hits, *events;
    const double *time;           /* [P] steps or tokens, ascending */
    int64_t P, C, K;
    const double *chance;         /* [K] of each head; NULL = none */
    const float *prompt;          /* [C] the number of the prompt that a case and its twins are of, from 0: drawn together; NULL = each case
                                   * its own */
} ns_seed_counts;

typedef struct ns_bootstrap_params {
    size_t   size;
    int64_t  resamples;           /* 0 = 1000 */
    uint64_t seed;
    double   level;               /* 0 = .95 */
    int64_t  min_seeds;           /* 0 = 5; below it there are points and no interval */
} ns_bootstrap_params;

/* The median birth of the best of K heads over R runs. low and high: percentiles over resampled seeds, in each of them resampled cases; low
 * from the begin of the birth interval (0 before the first checkpoint), high from its end, INFINITY = censored. NaN both when R <
 * min_seeds. */
typedef struct ns_birth_interval { double median, low, high; int64_t R, born; } ns_birth_interval;
NS_API NS_MUST_CHECK int ns_birth_bootstrap(const ns_seed_counts *runs, int64_t R, const ns_birth_params *, const ns_bootstrap_params *,
                                            ns_birth_interval *out, ns_error *);

/* "Best" is a maximum over heads, and large by chance. In each case the needle's places (its mentions) and those of its controls
 * (distractors, or a placebo) change names at random, and the maximum is taken anew. hits, control [C, K]; NaN is left out. places of
 * needle and controls [C]; NULL = one each; a case with none is left out. observed = max over K of mean over C of (hits - control * needle
 * places / control places); bound = the 95th percentile of the null, p = (1 + nulls >= observed) / (1 + resamples). With one place each all
 * heads of a case change at once; with more, heads on controls are drawn one by one, since the counts do not say on which. */
typedef struct ns_null_cases {
    const float  *hits, *control;
    const double *needle_places, *control_places;
    int64_t       C, K;
} ns_null_cases;
typedef struct ns_max_null { double observed, bound, p; } ns_max_null;
NS_API NS_MUST_CHECK int ns_max_permutation(const ns_null_cases *, int64_t resamples, uint64_t seed, ns_max_null *out, ns_error *);

/* ---- later in some runs than in others? (trend.c, survival.c) ---- */

/* Page 1963: time[B, W], columns in the order that is claimed (earliest first), INFINITY = censored (the last rank, shared). L = sum over
 * blocks and columns j = 1...W of j * rank, ties share the mean rank. p_exact: share of the orders of every block's own ranks with L as
 * large or larger (NaN for W > 8); p_normal: from mean and variance under the same null. z = (L - mean) / sd; NaN when all ranks are
 * tied. */
typedef struct ns_trend { double L, mean, z, p_exact, p_normal; int64_t B, W; } ns_trend;
/* Blocks with a NaN are left out; B says how many were used. */
NS_API NS_MUST_CHECK int ns_page_trend(const double *time, int64_t B, int64_t W, ns_trend *out, ns_error *);

/* Friedman's test: do the W columns of B blocks differ, in whatever order? time[S * W], blocks with a NaN left out. p: each block's ranks
 * permuted, (1 + as alike or more) / (1 + resamples); least: the smallest that it can be. NaN: fewer than two blocks or columns. */
typedef struct ns_difference { double p, least; int64_t B; } ns_difference;
NS_API NS_MUST_CHECK int ns_friedman(const double *time, int64_t S, int64_t W, int64_t resamples, ns_difference *out, ns_error *);

/* Log-rank test for trend: time[n], dead[n] = born (false: censored at time), dose[n] (window, or its rank). z > 0: the larger the dose the
 * later. p_normal one-sided; p_permuted: doses permuted within block[n] (seeds; NULL = one block), (1 + as large or larger) / (1 +
 * resamples). */
typedef struct ns_logrank { double U, V, z, p_normal, p_permuted; int64_t events; } ns_logrank;
NS_API NS_MUST_CHECK int ns_logrank_trend(const double *time, const bool *dead, const double *dose, const int64_t *block, int64_t n,
                                          int64_t resamples, uint64_t seed, ns_logrank *out, ns_error *);

/* Kaplan-Meier: points in ascending time, one for each time at which something happened; survival = share not yet born after it. out:
 * free(). */
typedef struct ns_km_point { double time, survival, low, high; int64_t at_risk, events, censored; } ns_km_point;
/* low, high: 95 %, by log(-log S) with Greenwood's variance; NaN at S = 1 and S = 0. */
NS_API NS_MUST_CHECK int ns_kaplan_meier(const double *time, const bool *dead, int64_t n, ns_km_point **out, int64_t *n_points, ns_error *);

/* ---- the set of top heads over training (overlap.c) ---- */

/* Sets are those of best.h: heads that score 0 are in none, ties share the last place. */
/* One checkpoint of the tracing of arXiv 2606.15378, fig. 5b: means over the final top heads, which looks back from the end (survivorship),
 * and beside it over the top heads of each step. */
typedef struct ns_trace {
    double final_top, step_top;         /* mean of `value` over the two sets; NaN where none is measured */
    double others;                      /* over all heads that are not the final top ones */
    double with_final, with_previous;   /* Jaccard of the step's top heads with the final ones and with those of the measured step before;
                                         * NaN: none */
} ns_trace;
/* score, value [P, K] -> out[P]; value may be NULL. */
NS_API NS_MUST_CHECK int ns_trace_heads(const float *score, const float *value, int64_t P, int64_t K, int64_t k, ns_trace *out, ns_error *);

/* Signs that a checkpoint is not what its name says. distance[P, K] = distance to the last checkpoint (qk_distance). */
enum { NS_CHECKPOINT_DUPLICATE = 1,     /* its weights have the hash of an earlier checkpoint of the run */
       NS_CHECKPOINT_JUMP = 2 };        /* its weights lie far from both neighbours, which lie near each other */
/* Of the checkpoints of a run: hashes of their weights (NULL: not known); how far they moved since the checkpoint before, and how far its
 * two neighbours lie apart (NaN, or moved = across = NULL: not known). */
typedef struct ns_checkpoint_signs { int64_t P; const char *const *weights; const float *moved, *across; } ns_checkpoint_signs;
/* flags[P]; twin[P]: the first checkpoint that a duplicate repeats, -1 of others. Jump: both distances are more than `factor` (0 = 5) times
 * that between the neighbours, and more than that times the median of all. */
NS_API NS_MUST_CHECK int ns_checkpoint_flags(const ns_checkpoint_signs *, double factor, unsigned *flags, int64_t *twin, ns_error *);

/* ---- a whole study (emergence.c, emergence_seeds.c) ---- */

enum { NS_SWEEP = 3 };
/* What births are counted in: tokens where all are known, else steps; steps; tokens (NS_E_ARG where one is not known). */
enum { NS_AXIS_AUTO, NS_AXIS_STEPS, NS_AXIS_TOKENS, NS_N_BIRTH_AXES };
typedef struct ns_emergence_params {
    size_t      size;
    const char *score;            /* NULL = retrieval_find */
    const char *previous;         /* NULL = previous_at_needle, else previous_token, whichever the study has; "" = none */
    ns_birth_params birth;
    double      sweep[NS_SWEEP];  /* thresholds at which the best head's birth is told beside; all 0 = .3, .5, .7 */
    double      horizon;          /* 0 = the last checkpoint that every run reached; on the study's axis */
    bool        leave_short;      /* runs that end before `horizon` are left out (measured = 0); else such a run is an error */
    int64_t     top;              /* 0 = 4: heads in the sets that are traced */
    int64_t     resamples;        /* 0 = 1000 of seeds, 999 permutations */
    uint64_t    seed;
    int         axis;             /* NS_AXIS_... */
    bool        apart;            /* runs that have one seed within a group are groups of their own; else they are an error */
} ns_emergence_params;

typedef struct ns_run_emergence {
    int64_t   P, measured;        /* steps of the study up to the horizon; checkpoints that were measured */
    bool      any_kind;           /* the run has no full-attention layer: "best" is over all heads */
    double   *best_score, *previous_score;        /* [P] what `best` and `previous` are births of; NaN where not measured; previous_score
                                                   * NULL: none. Chance is not taken out */
    int64_t  *best_head, *previous_head;          /* [P] layer * H + head that is best there, -1 */
    ns_event  best, second, previous, sweep[NS_SWEEP];
    ns_midpoint midpoint;         /* of the best head's series; in steps where tokens are not known */
    double    chance, theta;      /* of the best head at its birth (not born: at the last checkpoint): what uniform attention gives, and the
                                   * score it is alive at */
    double    previous_chance, previous_theta;    /* of the previous-token head */
    ns_max_null null;             /* at the birth of the best head, against ns_emergence.null_control; NaN where it is not born or the study
                                   * has no control */
    ns_trace *entropy, *distance; /* [P] with value entropy_norm and qk_distance; distance NULL where the study lacks it; entropy always has
                                   * the overlaps */
    unsigned *flags;              /* [P] NS_CHECKPOINT_... */
    int64_t  *twin;               /* [P] index of the step whose weights a duplicate has, -1 */
} ns_run_emergence;

typedef struct ns_head_life { int64_t run, layer, head, life; ns_event born; double died_after, died; int64_t died_step; } ns_head_life;

/* Runs that differ in their seed alone. */
typedef struct ns_seed_group {
    const char *arm, *pattern;    /* borrowed from the study; NULL = none given */
    double      window, nope;     /* NaN = not given */
    int64_t    *runs, n;
    ns_birth_interval interval;   /* of the best head; low and high NaN below 5 seeds or without counts */
    double      median_previous;
} ns_seed_group;

typedef struct ns_emergence {
    ns_study_shape shape;
    const ns_study *study;        /* borrowed: must outlive this */
    char     *score, *previous;   /* previous NULL: none */
    ns_birth_params birth;
    double    sweep[NS_SWEEP];
    bool      in_tokens;          /* the axis: tokens where all are known, else steps */
    double   *axis;               /* [R, P] */
    double   *chance, *previous_chance;           /* [R, L * H] of each head: uniform attention, see docs/training.md */
    const char *null_control;     /* "distractors"; "placebo" where the study has no hits at distractors (it says little: any head that
                                   * looks at values passes); NULL = none */
    double    horizon;
    int64_t   shortest;           /* the run that set it, -1 = the caller */
    ns_run_emergence *runs;       /* [R]; measured = 0: no checkpoint of it was scored */
    ns_head_life *lives;          /* every life of every head that can have one; a head that was never born has one with at = INFINITY */
    int64_t   n_lives;
    ns_seed_group *groups;
    int64_t   n_groups;
    int64_t   n_apart;            /* runs that are groups of their own as others of their group have their seed (`apart`) */
} ns_emergence;

/* Can births of that score be asked for? NS_E_ARG says why not. */
NS_API NS_MUST_CHECK int ns_birth_check(ns_study *, const char *score, ns_error *);
/* NS_E_ARG: a score that the study lacks, or that no birth can be read off (an entropy, a rank, a distance); a horizon that not all runs
 * reached (it is named), that is not positive, or before which nothing was scored; a theta outside (0, 1]. */
NS_API NS_MUST_CHECK int ns_emergence_run(ns_emergence **out, ns_study *, const ns_emergence_params *, ns_error *);
NS_API void ns_emergence_free(ns_emergence *);

/* ---- events in words (event_text.c) ---- */

enum { NS_EVENT_TEXT = 64, NS_GROUP_TEXT = 160 };
/* "(4096, 8192]", ">65536" (not born up to there), "-" (no such head). Each fills `out` and gives it back. */
NS_API const char *ns_event_text(ns_event, char out[NS_EVENT_TEXT]);
NS_API const char *ns_time_text(double time, double horizon, char out[NS_EVENT_TEXT]);      /* INFINITY: ">horizon" */
/* "swa SSFS W=4 NoPE"; run: what to call a group that has no coordinates. */
NS_API const char *ns_group_text(const ns_seed_group *, const char *run, char out[NS_GROUP_TEXT]);
/* NS_E_ARG where no run has as many measured checkpoints up to the horizon as a birth takes: then none can be confirmed. */
NS_API NS_MUST_CHECK int ns_emergence_check(const ns_emergence *, ns_error *);
/* Every life of every head as CSV; the columns are named in its first line. PATH-metadata.json beside it says what made it (`by`: may be
 * NULL). */
NS_API NS_MUST_CHECK int ns_emergence_write_csv(const ns_emergence *, const char *path, const ns_provenance *by, ns_error *);

/* ---- entropy and distance over training (trace.c) ---- */
/* The traces of all runs as a file (lib/record/schema.md). The emergence is of a study that holds entropy_norm and qk_distance: NS_E_ARG
 * says which of them it lacks, and what scans them. top: of ns_emergence_params (0 = 4). by: may be NULL. */
NS_API NS_MUST_CHECK int ns_trace_write(const ns_emergence *, int64_t top, const char *path, const ns_provenance *by, ns_error *);
/* Of each run the first and the last measured checkpoint: what the sets have there. */
NS_API void ns_trace_tell(const ns_emergence *, const ns_answer *);

/* ---- earlier or later, seed by seed (order.c) ---- */

/* S seeds, W windows in the order that is claimed (earliest first). */
typedef struct ns_birth_grid {
    int64_t S, W;
    double *time;                 /* [S, W] INFINITY: censored; NaN: no such run */
    double *limit;                /* [S, W] of a censored one: the last that could have been confirmed */
} ns_birth_grid;
NS_API NS_MUST_CHECK int ns_birth_grid_new(ns_birth_grid *, int64_t S, int64_t W, ns_error *);       /* all NaN */
NS_API void ns_birth_grid_clear(ns_birth_grid *);
NS_API void ns_birth_grid_set(ns_birth_grid *, int64_t s, int64_t w, ns_event);

/* p-values of "the further right the later", NaN where the test cannot be made (fewer than 2 windows, more than 8). */
typedef struct ns_grid_trend {
    double page, logrank;         /* Page's L with seeds as blocks, exact; log-rank with windows permuted within seeds */
    double least;                 /* the smallest p that Page's L can give with so many seeds and windows */
    int    n_seeds;               /* with all windows: what Page's L uses */
} ns_grid_trend;
NS_API NS_MUST_CHECK int ns_trend_of(const ns_birth_grid *, ns_grid_trend *out, ns_error *);          /* NS_E_MEMORY */

/* Column a before column b: in how many seeds earlier, later, at the same checkpoint (or both censored), of n that have both. */
typedef struct ns_order {
    int    earlier, later, same, n;
    double p;                     /* exact, one-sided: Page's L of the two columns, which is a sign test over the seeds that differ; NaN for
                                   * n = 0 */
} ns_order;
NS_API NS_MUST_CHECK int ns_order_in(const ns_birth_grid *, int64_t a, int64_t b, ns_order *out, ns_error *);     /* NS_E_MEMORY */

/* ---- what may be said (verdict.c) ---- */

/* A claim over n seeds, of which `yes` show it and `no` show the contrary (the rest is undecided), and the p of its test. */
typedef struct ns_evidence {
    int    yes, no, n;
    double p;                     /* NaN: there is no test, so nothing "holds" */
    double least;                 /* the smallest p that the test can give with so many seeds */
} ns_evidence;
enum { NS_VERDICT_TEXT = 128 };
/* "holds" only where every one of two seeds or more shows it and p <= alpha (0 = .05) in a test that could have said no; "holds where
 * births differ"; "in the one seed ...", "in all 3 seeds; too few for a p below 0.05", "in the 4 of 5 seeds that decide ...", "mixed",
 * "does not hold", "undecided", "not run". Fills `out` and gives it back. */
NS_API const char *ns_verdict(ns_evidence, double alpha, char out[NS_VERDICT_TEXT]);
/* Exact one-sided sign test of that many seeds: P(Binomial(yes + no, 1/2) >= yes), and the least that n seeds can give. */
NS_API ns_evidence ns_sign_evidence(int yes, int no, int n);
/* Is the sum of n ranks small by chance? rank[i] in 1 ... of[i], uniform and independent under the null: P(sum <= observed), exact. *least
 * (or NULL): of all ranks 1. */
NS_API double ns_rank_sum_p(const int64_t *rank, const int64_t *of, int64_t n, double *least);
NS_API const char *ns_order_verdict(ns_order, double alpha, char out[NS_VERDICT_TEXT]);

/* ---- larger windows, later births? (laziness.c) ---- */

typedef struct ns_laziness {
    const ns_emergence *births;   /* borrowed: must outlive this */
    const ns_seed_group **group;  /* [W] the groups that are compared, by window; borrowed from births */
    double *seed;                 /* [S] ascending: those that occur among them */
    int64_t W, S;
    ns_birth_grid best, previous; /* [S, W] of the best head; of the previous-token head, all NaN where the study has none */
    bool   *control;              /* [births->n_groups] not compared, listed beside */
    ns_grid_trend trend, previous_trend;
    ns_order *order, *previous_order;    /* [W - 1] each window before the next */
} ns_laziness;
/* arm: the `arm` whose windows are compared, NULL = swa and runs that name none. NS_E_ARG: fewer than two windows, a run without `seed`, a
 * window or a pair of window and seed that is there twice; the runs are named. */
NS_API NS_MUST_CHECK int ns_laziness_of(ns_laziness **out, const ns_emergence *births, const char *arm, ns_error *);
NS_API void ns_laziness_free(ns_laziness *);

/* ---- as an answer (tell.c): what `needlescope emergence` and `laziness` print ---- */

NS_API void ns_emergence_tell(const ns_emergence *, const ns_answer *);
NS_API void ns_laziness_tell(const ns_laziness *, const ns_answer *);
/* The object that --json prints; for Python: ns_study_open, ns_emergence_run, this, json.loads. *out: free(). */
NS_API NS_MUST_CHECK int ns_emergence_json(const ns_emergence *, char **out, ns_error *);
NS_API NS_MUST_CHECK int ns_laziness_json(const ns_laziness *, char **out, ns_error *);

NS_END
#endif
