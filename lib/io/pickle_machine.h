/* pickle_machine.h - inside pickle.c: the stack machine's data, stack, marks and memo, every access to which is checked. Each gives NS_OK
 * or a code whose message says at which byte. */
#ifndef NS_PICKLE_MACHINE_H
#define NS_PICKLE_MACHINE_H

#include "io/pickle.h"

typedef struct ns_pm {
    const uint8_t *data;
    size_t         n, at, opcode_at;
    ns_pickle     *out;
    ns_ref        *stack, *memo;           /* memo: 0 where there is none, else the node + 1 */
    int64_t       *marks;                  /* heights of the stack */
    int64_t        height, stack_capacity, n_marks, marks_capacity, n_memo, memo_capacity, memoized;
    const char    *label;
    ns_error      *err;
    bool           done;
} ns_pm;

int ns_pm_bad(const ns_pm *, const char *what);

/* ---- the data ---- */
int ns_pm_take(ns_pm *, size_t n, const uint8_t **out);
int ns_pm_take_number(ns_pm *, int bytes, uint64_t *out);                  /* little-endian */
int ns_pm_take_counted(ns_pm *, int bytes, ns_pickle_node *out);           /* bytes behind their number, which has `bytes` of them */
int ns_pm_take_line(ns_pm *, ns_ref *out);                                 /* a text up to the end of its line */

/* ---- nodes ---- */
int ns_pm_new_node(ns_pm *, ns_pickle_node, ns_ref *out);
int ns_pm_add_cell(ns_pm *, ns_ref container, ns_ref key, ns_ref value);

/* ---- the stack: what lies below the last mark is out of reach until the mark is taken ---- */
int ns_pm_push(ns_pm *, ns_ref);
int ns_pm_push_node(ns_pm *, ns_pickle_node);
int ns_pm_pop(ns_pm *, ns_ref *out);
int ns_pm_top(ns_pm *, ns_ref *out);
int64_t ns_pm_floor(const ns_pm *);                                        /* the height of the last mark */
int ns_pm_push_mark(ns_pm *);
int ns_pm_pop_mark(ns_pm *, int64_t *height);
int ns_pm_collect(ns_pm *, ns_ref container, int64_t from, bool pairs);    /* the stack from `from` up goes into the container */

/* ---- the memo ---- */
int ns_pm_memoize(ns_pm *, uint64_t i);                                    /* the top of the stack */
int ns_pm_recall(ns_pm *, uint64_t i, ns_ref *out);

#endif
