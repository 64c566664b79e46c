/* head_case.h - a head on a case of a recording, as the figures of one head choose them. */
#ifndef NS_FIGURE_HEAD_CASE_H
#define NS_FIGURE_HEAD_CASE_H

#include "figure/recorded.h"
#include "figure/spoken.h"

/* case_id: its id, else its number; NULL = the first. NS_E_ARG names what there is. Ends with ns_recorded_clear, after an error too. */
int ns_head_case_open(ns_recorded *, const ns_file *, const char *case_id, int64_t layer, int64_t head, ns_error *);
/* "A:B" or "span:NAME" of n positions: [range[0], range[1]). NULL = all. `what` names the option in errors. */
int ns_head_case_range(ns_recorded *, const char *words, const char *what, int64_t n, int64_t range[2], ns_error *);
/* Which of the recorded rows: "answer" (they predict a token of the answer), "last:N", "span:NAME" or "A:B" of positions; NULL = all.
 * Indices [range[0], range[1]) into the rows. */
int ns_head_case_rows(ns_recorded *, const char *words, int64_t range[2], ns_error *);
int64_t ns_head_case_position(const ns_recorded *, int64_t row);

#endif
