/* unroll.h - the rows of a recurrence that somebody asked for: unroll.c shows them, unroll_rows.c computes them. */
#ifndef NS_UNROLL_H
#define NS_UNROLL_H

#include "model/internal.h"

enum { NS_UNROLL_BLOCK = NS_PANEL };       /* positions of a block, and rows that are shown together: on an absolute grid */

/* Rows of a block of positions. */
typedef struct ns_unrolled {
    int64_t row0, row1;
    float  *rows;                          /* [heads][row1 - row0][row1] */
    float  *before;                        /* the same, as it was before the edits */
} ns_unrolled;

typedef struct ns_unroll {
    const ns_band     *b;
    const ns_scan     *s;
    const ns_member   *m;
    ns_cols            a, z;               /* decays as factors; outputs */
    const ns_unrolled *blocks;
    int64_t            n_blocks;
} ns_unroll;

/* What a position leaves: k of its heads, decays, writes. */
static inline int64_t ns_unroll_floats(const ns_unroll *j)
{
    return j->s->k.n + j->a.n + j->s->heads;
}

static inline float *ns_unroll_left(const ns_unroll *j, int64_t position)
{
    const ns_kv *const kv = &j->m->s->states[j->b->layer].k;
    return kv->pages[position / NS_PAGE]->k + position % NS_PAGE * ns_unroll_floats(j);
}

/* Fills the rows of all blocks. Each worker needs so many floats. */
int     ns_unroll_rows(const ns_unroll *);
int64_t ns_unroll_scratch(const ns_unroll *);

#endif
