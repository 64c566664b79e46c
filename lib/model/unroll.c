/* unroll.c - the rows of a recurrence, z_t = sum over s of W[t, s] v_s, of those positions that somebody asked for.
 *
 *     W[t, s] = write_s p_s . k_s,  p_t = q_t,  p_(s-1) = diag(decay_s) p_s;
 *     by the delta rule p_(s-1) = diag(decay_s) (p_s - write_s (k_s . p_s) k_s),
 *
 * from the row's own position backward: O(t key) a row, from what the positions before it left in pages. The rows of a block go back
 * together, each in a lane of its own, so none depends on the others. */
#include "model/internal.h"

#include <string.h>

enum { BLOCK = NS_PANEL };                 /* rows that are shown together, a lane of the scan's kernel each */

typedef struct unroll_job {
    const ns_band   *b;
    const ns_scan   *s;
    const ns_member *m;
    ns_cols          a, z;
    int64_t          row0, row1;           /* of the block that is shown */
    float           *rows;                 /* [heads][row1 - row0][row1] */
    const float     *before;               /* the same, as it was before the edits */
} unroll_job;

/* What a position leaves: k of its heads, decays, writes. */
static int64_t k_floats(const unroll_job *j)
{
    return j->s->k.n + j->a.n + j->s->heads;
}

static float *k_at(const unroll_job *j, int64_t position)
{
    const ns_kv *const kv = &j->m->s->kv[j->b->layer];
    return kv->pages[position / NS_PAGE]->k + position % NS_PAGE * k_floats(j);
}

static float *v_at(const unroll_job *j, int64_t position)
{
    const ns_kv *const kv = &j->m->s->states[j->b->layer].v;
    return kv->pages[position / NS_PAGE]->v + position % NS_PAGE * j->s->v.n;
}

static void leave_row(const void *job, int64_t row)
{
    const unroll_job *const j = job;
    const ns_scan *const s = j->s;
    const int64_t in_band = j->m->row + row, position = j->m->begin + row;
    float *const k = k_at(j, position), *const write = k + s->k.n + j->a.n;
    memcpy(k, ns_cols_at(s->k, in_band), (size_t)s->k.n * sizeof *k);
    memcpy(k + s->k.n, ns_cols_at(j->a, in_band), (size_t)j->a.n * sizeof *k);
    for (int64_t h = 0; h < s->heads; h++)
        write[h] = s->write.sheet ? ns_cols_at(s->write, in_band)[h] : 1;
    if (ns_hooks_edit(j->b->p->hooks, NS_POINT_PATTERN, j->b->layer))
        memcpy(v_at(j, position), ns_cols_at(s->v, in_band), (size_t)s->v.n * sizeof *k);
}

/* p of the block's rows, a row a lane, as they stand behind position `at`: [key][32]. */
typedef struct sweep { const unroll_job *j; int64_t h; float *p; } sweep;

static const float *decay_at(const unroll_job *j, int64_t h, int64_t position)
{
    return k_at(j, position) + j->s->k.n + (j->a.n > j->s->heads ? h * j->s->key : h);
}

/* p <- diag(decay) p;  o = p^T k */
static void read_lanes(const sweep *w, const float *k, const float *decay, bool each, float o[BLOCK])
{
    static const float none[BLOCK] = {0};
    w->j->b->p->math->scan(w->p, w->j->s->key, k, k, none, decay, each, 0, false, o);
}

/* The lane of row t begins with its q. */
static void begin_lane(const sweep *w, int64_t t)
{
    const ns_scan *const s = w->j->s;
    const float *const q = ns_cols_at(s->q, w->j->m->row + t - w->j->m->begin) + w->h / (s->heads / s->q_heads) * s->key;
    for (int64_t i = 0; i < s->key; i++)
        w->p[i * BLOCK + t - w->j->row0] = q[i];
}

/* Position `at` of all rows of the block that reach it. */
static void unroll_step(const sweep *w, int64_t at)
{
    static const float one = 1, none[BLOCK] = {0};
    const unroll_job *const j = w->j;
    const ns_scan *const s = j->s;
    const float *const left = k_at(j, at), *const k = left + w->h / (s->heads / s->k_heads) * s->key;
    const float write = left[s->k.n + j->a.n + w->h];
    const int64_t rows = j->row1 - j->row0;
    const bool each = j->a.n > s->heads, last = at + 1 == j->row1;
    float o[BLOCK];
    read_lanes(w, k, last ? &one : decay_at(j, w->h, at + 1), each && !last, o);
    if (at >= j->row0) {
        begin_lane(w, at);
        read_lanes(w, k, &one, false, o);
    }
    for (int64_t r = at > j->row0 ? at - j->row0 : 0; r < rows; r++)
        j->rows[(w->h * rows + r) * j->row1 + at] = write * o[r];
    if (s->delta)
        j->b->p->math->scan(w->p, s->key, k, k, none, &one, false, write, true, o);
}

/* One head's rows of the block. */
static void unroll_task(void *user, int64_t h, int worker)
{
    const unroll_job *const j = user;
    const int64_t rows = j->row1 - j->row0;
    const sweep w = {j, h, j->b->p->scratch->worker[worker].data};
    memset(w.p, 0, (size_t)(j->s->key * BLOCK) * sizeof *w.p);
    for (int64_t r = 0; r < rows; r++)                        /* keys behind a row's own */
        for (int64_t at = j->row0 + r + 1; at < j->row1; at++)
            j->rows[(h * rows + r) * j->row1 + at] = 0;
    for (int64_t at = j->row1 - 1; at >= 0; at--)
        unroll_step(&w, at);
}

/* An edited row times v. */
static void multiply_task(void *user, int64_t task, int worker)
{
    const unroll_job *const j = user;
    const ns_scan *const s = j->s;
    const int64_t rows = j->row1 - j->row0, h = task / rows, t = j->row0 + task % rows, at = (h * rows + task % rows) * j->row1;
    double *const sum = (double *)(void *)j->b->p->scratch->worker[worker].data;
    if (memcmp(j->rows + at, j->before + at, (size_t)j->row1 * sizeof *j->rows) == 0)
        return;
    memset(sum, 0, (size_t)s->value * sizeof *sum);
    for (int64_t k = 0; k <= t; k++) {
        const float *const v = v_at(j, k) + h / (s->heads / s->v_heads) * s->value;
        for (int64_t i = 0; i < s->value; i++)
            sum[i] += (double)j->rows[at + k] * (double)v[i];
    }
    float *const z = ns_cols_at(j->z, j->m->row + t - j->m->begin) + h * s->value;
    for (int64_t i = 0; i < s->value; i++)
        z[i] = (float)sum[i];
}

static int show_block(ns_pass *p, unroll_job *j)
{
    const int64_t rows = j->row1 - j->row0, floats = j->s->heads * rows * j->row1;
    const bool edits = ns_hooks_edit(p->hooks, NS_POINT_PATTERN, j->b->layer);
    j->rows = ns_buffer_need(&p->scratch->staged, edits ? 2 * floats : floats, p->err);
    if (!j->rows)
        return NS_E_MEMORY;
    ns_engine_run(p->engine, j->s->heads, unroll_task, j);
    if (edits)
        memcpy(j->rows + floats, j->rows, (size_t)floats * sizeof *j->rows);
    const ns_view v = ns_view_of(j->rows, NS_F32, 3, (int64_t[]){j->s->heads, rows, j->row1});
    const int rc = ns_deliver(p, j->m->session, NS_POINT_PATTERN, j->b->layer, j->row0, &v, j->b->branch, 0);
    j->before = j->rows + floats;
    if (rc == NS_OK && edits)
        ns_engine_run(p->engine, j->s->heads * rows, multiply_task, j);
    return rc;
}

static int unroll_member(ns_band *b, unroll_job j)
{
    ns_pass *const p = b->p;
    ns_state *const state = &j.m->s->states[b->layer];
    const int64_t scratch = j.s->key * BLOCK > 2 * j.s->value ? j.s->key * BLOCK : 2 * j.s->value;
    int rc = NS_OK;
    ns_each_row(b, j.m->end - j.m->begin, leave_row, &j);
    state->rows = j.m->end;
    state->values = ns_hooks_edit(p->hooks, NS_POINT_PATTERN, b->layer) ? j.m->end : state->values;
    for (int w = 0; w < p->scratch->n_workers && rc == NS_OK; w++)
        rc = ns_buffer_need(&p->scratch->worker[w], scratch, p->err) ? NS_OK : NS_E_MEMORY;
    for (j.row0 = j.m->begin; j.row0 < j.m->end && rc == NS_OK; j.row0 = j.row1) {
        j.row1 = (j.row0 / BLOCK + 1) * BLOCK < j.m->end ? (j.row0 / BLOCK + 1) * BLOCK : j.m->end;
        if (ns_wanted(p, j.m->s, NS_POINT_PATTERN, b->layer, j.row0, j.row1))
            rc = show_block(p, &j);
    }
    return rc;
}

void ns_band_unroll(ns_band *b, const ns_scan *s, ns_cols a, ns_cols z)
{
    if (!ns_hooks_any(b->p->hooks, NS_POINT_PATTERN, b->layer) || !ns_band_shows(b, NS_POINT_PATTERN))
        return;
    for (int i = 0; i < b->n_members && b->rc == NS_OK; i++)
        b->rc = unroll_member(b, (unroll_job){.b = b, .s = s, .m = &b->members[i], .a = a, .z = z});
}
