/* best.h - what a score's numbers mean, and which heads are the best by it: the one rule of every list, figure, export and draw.
 *
 * A head counts when its score lies on the good side of nothing: above 0 (and above the range's lower end) where the largest are the best,
 * below the range's upper end where the smallest are. NaN never counts. A list of k holds counting heads only, so it may be short; heads
 * that tie with its last one and found no place are said (ns_best_note), and share that place where places are counted (ns_best_shares). */
#ifndef NEEDLESCOPE_BEST_H
#define NEEDLESCOPE_BEST_H

#include <needlescope/api.h>

NS_BEGIN

/* NONE: the score describes (an entropy); no head is the best by it. */
typedef enum ns_best_end { NS_BEST_LARGEST, NS_BEST_SMALLEST, NS_BEST_NONE } ns_best_end;

/* What is written with each score, as attributes of its dataset: `best`, `range`, `chance`. */
typedef struct ns_score_meaning {
    ns_best_end best;
    double      lo, hi;          /* ends of its range, -INFINITY and INFINITY where it has none; lo = hi = 0: not known */
    double      chance;          /* its level where there is nothing to find; NaN = not known */
    bool        assumed;         /* read from a file of an older version, which does not say: the largest are taken for the best */
} ns_score_meaning;

NS_API const char *ns_best_end_name(ns_best_end);                      /* "largest", "smallest", "none" */
NS_API bool ns_best_end_find(const char *name, ns_best_end *out);      /* false: no such name */

/* The level of nothing: a value beyond it, towards the best end, counts. INFINITY: any number. */
NS_API double ns_score_nothing(const ns_score_meaning *);
/* May a head with this value be listed, selected, outlined or exported as one of the best? */
NS_API bool ns_score_counts(const ns_score_meaning *, float value);

typedef struct ns_best_cut {
    int64_t n;                   /* how many were found: fewer than k when no more count */
    int64_t left;                /* heads with a number that do not count (a score of 0) */
    int64_t sharing;             /* heads with the value of the last place, those outside included; 0 = the list is not cut through a tie */
} ns_best_cut;
/* out[k] = places of the k best of values[n], best first; ties by place. */
NS_API ns_best_cut ns_best(const float *values, int64_t n, int64_t k, const ns_score_meaning *, int64_t *out);
/* What a reader of a list of k must know: "4 heads of 10: the others score 0", "the 10th place is shared by 3 heads". Empty: nothing. */
NS_API void ns_best_note(const ns_best_cut *, int64_t k, char *buf, size_t size);
/* share[n] in [0, 1]: how much of a place among the k best each has: 1, 0, and of the t heads that tie for the last r places r / t each. */
NS_API void ns_best_shares(const float *values, int64_t n, int64_t k, const ns_score_meaning *, float *share);
/* Jaccard index of two lists of such shares: sum of minima / sum of maxima; NaN when both are empty. */
NS_API double ns_shares_jaccard(const float *a, const float *b, int64_t n);

NS_END
#endif
