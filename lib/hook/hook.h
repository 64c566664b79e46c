/* hook.h - the resolved form of hooks: for every (layer, point) the list of hooks, and rows as runs. Internal. */
#ifndef NS_HOOK_H
#define NS_HOOK_H

#include <needlescope/hooks.h>

struct ns_hooks {
    ns_hook *list;             /* rows.positions and rows.span are ours */
    int      n;
    int64_t  n_layers;
    int     *first;            /* [(n_layers + 1) * NS_N_POINTS + 1] into index */
    int     *index;            /* hook numbers, edits before reads */
};

/* Hooks at a point; layer -1 outside the blocks. hooks may be NULL. */
const int *ns_hooks_at(const ns_hooks *, ns_point, int64_t layer, int *n);
bool ns_hooks_any(const ns_hooks *, ns_point, int64_t layer);
bool ns_hooks_edit(const ns_hooks *, ns_point, int64_t layer);     /* is there an edit at the point? */

/* What a row leaves for later rows is done at this point; the points after it follow from the row's own query. */
#define NS_LAST_STATE_POINT NS_POINT_ROT_K

/* A run of consecutive positions [begin, end). */
typedef struct ns_run { int64_t begin, end; } ns_run;
typedef struct ns_runs { ns_run *list; int64_t n; } ns_runs;

/* The rows of a timeline of `total` positions that `rows` names, for case c (NULL: none), as sorted disjoint runs. false = out of
 * memory. */
bool ns_rows_resolve(const ns_rows *, const ns_case *c, int64_t total, ns_runs *out);
/* First run that ends after `position`; runs->n if there is none. */
int64_t ns_runs_seek(const ns_runs *, int64_t position);

#endif
