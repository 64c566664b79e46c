/* compare.h - inside of a comparison: pairs of rankings, and what is measured of each. Internal. */
#ifndef NS_COMPARE_H
#define NS_COMPARE_H

#include <needlescope/compare.h>
#include <needlescope/head_list.h>

#include "core/core.h"
#include "dropped.h"

extern const ns_score_meaning ns_list_meaning;         /* of the numbers of a list */

typedef struct ns_compare_source {
    const char  *path;
    ns_study    *study;                                /* NULL: a list */
    ns_head_list list;
} ns_compare_source;

struct ns_comparison {
    ns_compare_params  params;
    ns_compare_source *sources;
    int                n_sources;
    char             **names;                          /* the files' and the scores', which the rows borrow */
    int64_t            n_names, names_capacity;
    ns_compared       *list;
    int64_t            n, capacity;
    ns_drops           notes;
    char             **note_texts;
};

/* values[n] of both over one model's heads, row by row of H. */
typedef struct ns_ranking_pair {
    const float *a, *b;
    int64_t      n, H;
    ns_score_meaning meaning_a, meaning_b;
} ns_ranking_pair;

/* compare_measure.c: all of `out` that is a number. `ties`: how many heads tie with another one in a list. */
int ns_compare_measure(const ns_ranking_pair *, const ns_compare_params *, ns_compared *out, int64_t *ties, ns_error *);
/* compare_pairs.c: the rows of sources i and j. */
int ns_compare_pair(ns_comparison *, int i, int j, ns_error *);
/* A note of one more pair. */
int ns_compare_note(ns_comparison *, const char *what, const char *a, const char *b, ns_error *);

/* rank_biased.c: extrapolated rank-biased overlap of two lists without repetition of numbers in [0, n); scratch [n], zeroed, and again so
 * afterwards. 1 of two empty lists, 0 where one is. */
double ns_rank_biased(const int64_t *a, int64_t n_a, const int64_t *b, int64_t n_b, double p, uint8_t *scratch);

#endif
