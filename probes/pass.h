/* pass.h - sessions of an intervention, gathered until they have rows enough for one forward pass. Internal. */
#ifndef NS_PASS_H
#define NS_PASS_H

#include "score.h"

enum { NS_PASS_ROWS = 16384 };           /* about when to run */

/* What all passes of a measurement have done of it; total = 0: not known yet. */
typedef struct ns_work {
    void   (*progress)(void *user, double fraction);        /* or NULL */
    bool   (*cancelled)(void *user);                        /* or NULL */
    void    *user;
    int64_t  done, total;                                   /* rows */
} ns_work;

typedef struct ns_pass {
    const ns_model *model;
    ns_work        *work;
    ns_session    **list;
    int64_t         n, capacity, rows;
    ns_session     *leader;                       /* of this pass: an untouched session that the others with these same rows follow */
    const ns_session *leader_parent; const ns_case *leader_case; int64_t leader_from, leader_to;
} ns_pass;

/* Positions [from, to) of the prompt and then the answer of a case; parent (NULL: from is 0) is forked at `from`. The case is delivered
 * with case_index, not at all when that is negative. *out is the pass's. */
int  ns_pass_add(ns_pass *, ns_session *parent, const ns_case *, int64_t from, int64_t to, int64_t case_index, ns_session **out,
                 ns_error *);
/* The untouched session of these rows that the pass holds; NULL when it has none. */
ns_session *ns_pass_untouched(const ns_pass *, const ns_session *parent, const ns_case *, int64_t from, int64_t to);
/* ns_pass_add for a session that nobody touches below first_layer: there it follows the untouched one, which is added first where that
 * pays. */
int  ns_pass_add_from(ns_pass *, ns_session *parent, const ns_case *, int64_t from, int64_t to, int64_t case_index, int64_t first_layer,
                      ns_error *);
/* The first layer of a set of heads; 0 of none. */
int64_t ns_first_layer(const ns_head *heads, int n);
/* Runs what was gathered, empties the pass, and says how far the work is. */
int  ns_pass_run(ns_pass *, const ns_hooks *, ns_error *);
/* The same, once there are rows enough. */
int  ns_pass_run_full(ns_pass *, const ns_hooks *, ns_error *);
void ns_pass_clear(ns_pass *);

#endif
