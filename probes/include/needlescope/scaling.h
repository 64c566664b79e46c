/* scaling.h - how a loss falls with parameters N and tokens D: y = b / N^alpha + c / D^beta, fitted to a table; what the table says of the
 * exponents; whether two tables' curves cross or meet. Definitions: docs/scaling.md.
 *
 * y is the loss, or ln LongPPL. Fitted are logs: the sum of Huber(1e-3) of ln y^ - ln y over ln b, ln c, alpha in [.2, .3] and
 * beta >= 0, from a grid of starts. Deterministic: the same bits on every machine. */
#ifndef NEEDLESCOPE_SCALING_H
#define NEEDLESCOPE_SCALING_H

#include <needlescope/answer.h>

NS_BEGIN

/* ---- tables (scaling_table.c) ---- */

typedef struct ns_scaling_point {
    const char *size;             /* "S1" */
    double      n, tokens;        /* parameters; token_multiplier * n */
    double      y;                /* what is fitted: the loss, or ln LongPPL */
} ns_scaling_point;
typedef struct ns_scaling_table {
    char   *path;
    bool    longppl;
    ns_scaling_point *points;  int64_t n;
    char  **sizes;  int64_t n_sizes;      /* by n, ascending; the points' names are these */
} ns_scaling_table;
/* A TSV with the columns model_size, token_multiplier ("200.1n"), n, loss by name; others are passed over. NS_E_FORMAT names the line: a
 * cell that is missing or no number, a size with two n, a loss (LongPPL: of 1 and less) that has no log. Clear on failure too. */
NS_API NS_MUST_CHECK int ns_scaling_read(ns_scaling_table *out, const char *path, bool longppl, ns_error *);
NS_API void ns_scaling_clear(ns_scaling_table *);

/* ---- fits (scaling.c, scaling_profile.c) ---- */

typedef struct ns_scaling_law { double ln_b, ln_c, alpha, beta; } ns_scaling_law;
NS_API double ns_scaling_at(const ns_scaling_law *, double n, double tokens);      /* y^ */
typedef struct ns_scaling_error { int64_t n; double r2, rmse, mae; } ns_scaling_error;     /* of y^ - y over n points; NaN for n = 0 */
/* open: the profile does not leave the interval up to a bound (alpha .2 and .3, beta 0 and 8), which then stands there. */
typedef struct ns_scaling_interval { double low, high; bool low_open, high_open; } ns_scaling_interval;
typedef struct ns_scaling_fit {
    const char      *held_out;    /* the size that was not fitted; NULL = none. Borrowed from the table */
    ns_scaling_law   law;
    double           objective;   /* the sum of the Huber losses */
    ns_scaling_error fitted, held;
} ns_scaling_fit;

typedef struct ns_scaling {
    const ns_scaling_table *table;        /* borrowed: must outlive this */
    ns_scaling_fit      fit;
    ns_scaling_interval alpha, beta;      /* 95 % profile intervals of that fit */
    ns_scaling_fit     *without;  int64_t n_without;      /* each size left out in turn, by n; none where two sizes would not be left */
    double             *starts;  int64_t n_starts;        /* [n_starts, 4] the best minima of that fit */
} ns_scaling;
/* hold_largest: the largest n is not fitted, but foretold. NS_E_ARG: fewer than 5 points, 2 sizes or 2 token counts would be left. */
NS_API NS_MUST_CHECK int ns_scaling_new(ns_scaling **out, const ns_scaling_table *, bool hold_largest, ns_error *);
NS_API void ns_scaling_free(ns_scaling *);

/* ---- two tables (scaling_compare.c) ---- */

typedef struct ns_scaling_gap { double n, tokens, gap, low, high; } ns_scaling_gap;        /* y^ of a minus y^ of b; its 95 % interval */
/* What the 95 % intervals say: gaps of different signs; a gap that is smaller, or larger, at the largest budget; two gaps of one sign, of
 * which neither is surely the larger. */
typedef enum ns_scaling_relation { NS_SCALING_UNDECIDED, NS_SCALING_CROSS, NS_SCALING_CONVERGE, NS_SCALING_DIVERGE,
                                   NS_SCALING_APART } ns_scaling_relation;
typedef struct ns_scaling_difference {
    ns_scaling_gap small, large;          /* at the smallest and the largest N and D that both tables reach */
    double narrower, narrower_low, narrower_high;      /* |gap| at the smallest minus |gap| at the largest */
    double crossed;                       /* share of the resamples in which the two gaps have different signs */
    ns_scaling_relation relation;
} ns_scaling_difference;
/* Points are resampled within sizes, and both laws fitted again. resamples 0 = 1000. NS_E_ARG: of tables of two kinds, or that have no N or
 * D in common. */
NS_API NS_MUST_CHECK int ns_scaling_compare(ns_scaling_difference *out, const ns_scaling *a, const ns_scaling *b, int resamples,
                                            uint64_t seed, ns_error *);
NS_API const char *ns_scaling_relation_text(ns_scaling_relation);

/* ---- files to an answer (scaling_report.c, scaling_tell.c): what `needlescope scaling` prints ---- */

typedef struct ns_scaling_params {
    size_t   size;
    bool     longppl;             /* the losses are LongPPL */
    bool     hold_largest;
    int      resamples;           /* 0 = 1000 */
    uint64_t seed;
} ns_scaling_params;
typedef struct ns_scaling_report {
    ns_scaling_table *tables;  ns_scaling **fits;  int n;
    ns_scaling_difference *differences;   /* of all pairs, in order: 0 and 1, 0 and 2, 1 and 2 ...: n (n - 1) / 2 */
} ns_scaling_report;
NS_API NS_MUST_CHECK int ns_scaling_of_files(ns_scaling_report **out, const char *const *paths, int n, const ns_scaling_params *,
                                             ns_error *);
NS_API void ns_scaling_report_free(ns_scaling_report *);
NS_API void ns_scaling_tell(const ns_scaling_report *, const ns_answer *);

NS_END
#endif
