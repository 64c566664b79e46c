/* state.c - what a session keeps of a recurrence: the running state, and copies of it at some positions, to go back to.
 *
 * Copies lie on an absolute grid, whose stride doubles so that no more than MOST are kept, and at the begin of the last run of rows: a
 * draft that is taken back costs its own rows only. Forks that are declared before the pass mark their positions too. */
#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

enum { GRID = 256, MOST = 16 };

int64_t ns_state_floats(const ns_keeps *k)
{
    return k->states * ((k->value + NS_PANEL - 1) / NS_PANEL) * k->key * NS_PANEL + k->tail;
}

ns_keeps ns_state_k(const ns_keeps *k)
{
    return (ns_keeps){.groups = 1, .k = k->rows_k};
}

ns_keeps ns_state_v(const ns_keeps *k)
{
    return (ns_keeps){.groups = 1, .v = k->rows_v};
}

static size_t bytes_of(const ns_keeps *k)
{
    return (size_t)ns_state_floats(k) * sizeof(float);
}

static float *copy_of(const float *data, const ns_keeps *k)
{
    float *const out = ns_alloc_aligned(bytes_of(k));
    if (out && data)
        memcpy(out, data, bytes_of(k));
    else if (out)
        memset(out, 0, bytes_of(k));
    return out;
}

bool ns_state_begin(ns_state *s, const ns_keeps *k)
{
    s->now = (ns_snapshot){0, copy_of(NULL, k)};
    return s->now.data;
}

/* The snapshot of exactly this position, or NULL. */
static const ns_snapshot *find(const ns_state *s, int64_t at)
{
    for (int64_t i = 0; i < s->n; i++)
        if (s->list[i].at == at)
            return &s->list[i];
    return s->now.data && s->now.at == at ? &s->now : NULL;
}

bool ns_state_mark(ns_state *s, const ns_keeps *k, int64_t at)
{
    int64_t i = s->n;
    while (i > 0 && s->list[i - 1].at >= at)
        i--;
    if (i < s->n && s->list[i].at == at)
        return true;
    if (!ns_grow(&s->list, &s->capacity, s->n + 1, sizeof *s->list))
        return false;
    float *const data = copy_of(s->now.data, k);        /* of now, if it is there; else the pass fills it */
    if (!data)
        return false;
    memmove(s->list + i + 1, s->list + i, (size_t)(s->n - i) * sizeof *s->list);
    s->list[i] = (ns_snapshot){at, data};
    s->n++;
    return true;
}

/* Off the grid: where earlier passes began, or of a grid that was finer. */
static void thin(ns_state *s)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n; i++)
        if (s->list[i].at % s->stride)
            free(s->list[i].data);
        else
            s->list[kept++] = s->list[i];
    s->n = kept;
}

bool ns_state_plan(ns_state *s, const ns_keeps *k, int64_t begin, int64_t end)
{
    s->stride = s->stride ? s->stride : GRID;
    while (end / s->stride > MOST)
        s->stride *= 2;
    thin(s);
    bool ok = begin == 0 || ns_state_mark(s, k, begin);
    for (int64_t at = (begin / s->stride + 1) * s->stride; ok && at <= end; at += s->stride)
        ok = ns_state_mark(s, k, at);
    return ok;
}

int64_t ns_state_nearest(const ns_state *s, int64_t at)
{
    int64_t best = s->now.data && s->now.at <= at ? s->now.at : 0;
    for (int64_t i = 0; i < s->n && s->list[i].at <= at; i++)
        best = s->list[i].at > best ? s->list[i].at : best;
    return best;
}

bool ns_state_fork(ns_state *child, const ns_state *parent, const ns_keeps *k, int64_t at, bool last)
{
    const ns_snapshot *const from = at ? find(parent, at) : NULL;
    child->now = (ns_snapshot){at, copy_of(from ? from->data : NULL, k)};
    child->rows = parent->rows < at ? parent->rows : at;
    child->values = parent->values < at ? parent->values : at;
    const ns_keeps of_k = ns_state_k(k), of_v = ns_state_v(k);
    return child->now.data && ns_kv_fork(&child->k, &parent->k, &of_k, child->rows, last) &&
           ns_kv_fork(&child->v, &parent->v, &of_v, child->values, last);
}

void ns_state_rewind(ns_state *s, const ns_keeps *k, int64_t at)
{
    const ns_snapshot *const from = at ? find(s, at) : NULL;
    if (from && from != &s->now)
        memcpy(s->now.data, from->data, bytes_of(k));
    else if (!from && s->now.data)
        memset(s->now.data, 0, bytes_of(k));
    s->now.at = at;
    while (s->n && s->list[s->n - 1].at > at)
        free(s->list[--s->n].data);
    s->rows = s->rows < at ? s->rows : at;
    s->values = s->values < at ? s->values : at;
    ns_kv_truncate(&s->k, at);
    ns_kv_truncate(&s->v, at);
}

void ns_state_free(ns_state *s)
{
    for (int64_t i = 0; i < s->n; i++)
        free(s->list[i].data);
    free(s->list);
    free(s->now.data);
    ns_kv_free(&s->k);
    ns_kv_free(&s->v);
    *s = (ns_state){0};
}
