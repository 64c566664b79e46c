/* compare.h - do two files rank the heads alike? Score files, studies (run by run, step by step) and lists of heads, in pairs: the overlap
 * of the k best, rank correlation, rank-biased overlap and the largest difference, each beside what two rankings that know nothing of each
 * other have. docs/head-lists.md */
#ifndef NEEDLESCOPE_COMPARE_H
#define NEEDLESCOPE_COMPARE_H

#include <needlescope/answer.h>
#include <needlescope/arch.h>
#include <needlescope/study.h>

NS_BEGIN

/* ---- the scores of a model's heads, whatever file has them ---- */
typedef struct ns_rated {
    int64_t  L, H;
    float   *values;                      /* [L, H], NaN where the file has no number; free with ns_rated_clear */
    ns_score_meaning meaning;
    bool     is_list;                     /* a list of heads (head_list.h) */
    char     weights_sha256[65], arch_sha256[65];        /* "" = the file does not say */
} ns_rated;
/* Of a model of L layers of H heads. by: a score of the file; NULL = retrieval_find. NS_E_ARG for a file of another shape, a study of many
 * checkpoints, a score that ranks nothing, and a score that is asked of a list, which has one number a head. */
NS_API NS_MUST_CHECK int ns_rated_read(ns_rated *out, const char *path, const char *by, int64_t L, int64_t H, ns_error *);
NS_API void ns_rated_clear(ns_rated *);

/* ---- two of them ---- */
typedef struct ns_compare_params {
    size_t   size;
    const char *const *scores;  int n_scores;    /* 0: all that both files have; beside a list of heads: the usual one */
    int64_t  k;                           /* of the best; 0 = 10 */
    double   persistence;                 /* of rank-biased overlap, in (0, 1); 0 = .9 */
    int64_t  permutations;                /* 0 = 1000 */
    uint64_t seed;
    bool     all_steps;                   /* not only the last that both have */
} ns_compare_params;

/* What a measure is, and over rankings whose heads were exchanged at random: among all heads, or each layer's among themselves, so that
 * liking the same layers is no agreement. low, high: the middle 95 %. p: how often chance is as large or larger, (1 + count) / (1 +
 * permutations). NaN where there is nothing to compare. */
typedef struct ns_null { double mean, low, high, p; } ns_null;
typedef struct ns_likeness { double value; ns_null anywhere, in_layer; } ns_likeness;

typedef struct ns_compared {
    const char *a, *b;                    /* the files; borrowed from the comparison, as all below */
    const char *score;                    /* NULL: of two lists */
    const char *run;                      /* "" = of no name */
    int64_t     step;                     /* -1 = of none */
    int64_t     heads, only_a, only_b;    /* with a number in both, in one alone (those have no rank correlation) */
    int64_t     k;
    ns_likeness jaccard;                  /* of the k best; heads that tie for the last places share them (best.h) */
    ns_likeness spearman;                 /* over the heads in both; ties averaged */
    ns_likeness overlap;                  /* rank-biased, extrapolated (Webber et al. 2010, eq. 32), of the heads that count; ties by
                                           * place */
    double      apart;                    /* largest |a - b|; NaN where one has places alone */
    ns_head     apart_at;
} ns_compared;

typedef struct ns_comparison ns_comparison;
/* NS_E_ARG where nothing could be compared: why. */
NS_API NS_MUST_CHECK int ns_compare_run(ns_comparison **out, const char *const *paths, int n, const ns_compare_params *, ns_error *);
NS_API void ns_comparison_free(ns_comparison *);
NS_API const ns_compared *ns_comparison_list(const ns_comparison *, int64_t *n);
/* What could not be compared, or not quite: note i, counted ("2 pairs of scores of other cases (first: a.h5, b.h5)"); NULL beyond the
 * last. */
NS_API const char *ns_comparison_note(const ns_comparison *, int64_t i);
NS_API void ns_comparison_tell(const ns_comparison *, const ns_answer *);

NS_END
#endif
