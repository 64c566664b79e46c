/* profile.h - what a score file says of its heads as a whole: which classes they are of, how few carry a score, and whether the heads of
 * the first answer token are those of the next. docs/head-lists.md */
#ifndef NEEDLESCOPE_PROFILE_H
#define NEEDLESCOPE_PROFILE_H

#include <needlescope/answer.h>
#include <needlescope/study.h>

NS_BEGIN

/* Of values[n], NaN left out and what is below 0 taken for 0: Gini's coefficient (0: all alike, 1 - 1/n: one has all), and what the largest
 * 1 % of them (at least one) have of the sum. NaN where there is none, or all are 0. */
typedef struct ns_sparsity { int64_t n; double gini, top_share; } ns_sparsity;
NS_API NS_MUST_CHECK int ns_sparsity_of(const float *values, int64_t n, ns_sparsity *out, ns_error *);

/* Tells three tables, those that the file has something for, of one run at its last checkpoint: `classes` (probe selectivity), by the
 * cases' template: heads of 30 times and more, of 50 and more; `sparsity` of every score whose largest are the best; `dynamics`
 * (answer_hits): for every token of the answer the best head, and Jaccard@k of its best heads with those of the first token and of the one
 * before. NS_E_ARG: a run that is not there, a file with none of that. */
typedef struct ns_profile_params { size_t size; const char *run; int64_t k; } ns_profile_params;         /* NULL: the first; 0: 10 */
NS_API NS_MUST_CHECK int ns_profile_tell(ns_study *, const ns_profile_params *, const ns_answer *, ns_error *);

NS_END
#endif
