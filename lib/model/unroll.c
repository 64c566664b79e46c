/* unroll.c - the rows of a recurrence (unroll_rows.c) of those positions that somebody asked for: shown, edited, and multiplied anew. */
#include "model/unroll.h"

#include <string.h>

enum { BLOCK = NS_UNROLL_BLOCK };

bool ns_pass_constrains(const ns_pass *p, int64_t layer)
{
    return ns_arch_row_kind(p->arch, layer) == NS_ROW_UNROLLED && ns_arch_attn(p->arch, layer) && ns_arch_attn(p->arch, layer)->cut;
}

bool ns_pass_unrolls(const ns_pass *p, int64_t layer)
{
    return ns_pass_constrains(p, layer) || ns_hooks_any(p->hooks, NS_POINT_PATTERN, layer);
}

bool ns_pass_changes_rows(const ns_pass *p, int64_t layer)
{
    return ns_pass_constrains(p, layer) || ns_hooks_edit(p->hooks, NS_POINT_PATTERN, layer);
}

static float *v_at(const ns_unroll *j, int64_t position)
{
    const ns_kv *const kv = &j->m->s->states[j->b->layer].v;
    return kv->pages[position / NS_PAGE]->v + position % NS_PAGE * j->s->v.n;
}

static void leave_row(const void *job, int64_t row)
{
    const ns_unroll *const j = job;
    const ns_scan *const s = j->s;
    const int64_t in_band = j->m->row + row, position = j->m->begin + row;
    float *const k = ns_unroll_left(j, position), *const write = k + s->k.n + j->a.n;
    memcpy(k, ns_cols_at(s->k, in_band), (size_t)s->k.n * sizeof *k);
    memcpy(k + s->k.n, ns_cols_at(j->a, in_band), (size_t)j->a.n * sizeof *k);
    for (int64_t h = 0; h < s->heads; h++)
        write[h] = s->write.sheet ? ns_cols_at(s->write, in_band)[h] : 1;
    if (ns_pass_changes_rows(j->b->p, j->b->layer))
        memcpy(v_at(j, position), ns_cols_at(s->v, in_band), (size_t)s->v.n * sizeof *k);
}

/* ---- edits, and the rows that are ns_unrolled ---- */

typedef struct edited { const ns_unroll *j; const ns_unrolled *block; } edited;

/* An edited row times v. */
static void multiply_task(void *user, int64_t task, int worker)
{
    const edited *const e = user;
    const ns_unroll *const j = e->j;
    const ns_scan *const s = j->s;
    const ns_unrolled *const b = e->block;
    const int64_t rows = b->row1 - b->row0, h = task / rows, t = b->row0 + task % rows, at = (h * rows + task % rows) * b->row1;
    double *const sum = (double *)(void *)j->b->p->scratch->worker[worker].data;
    if (memcmp(b->rows + at, b->before + at, (size_t)b->row1 * sizeof *b->rows) == 0)
        return;
    memset(sum, 0, (size_t)s->value * sizeof *sum);
    for (int64_t k = 0; k <= t; k++) {
        const float *const v = v_at(j, k) + h / (s->heads / s->v_heads) * s->value;
        for (int64_t i = 0; i < s->value; i++)
            sum[i] += (double)b->rows[at + k] * (double)v[i];
    }
    float *const z = ns_cols_at(j->z, j->m->row + t - j->m->begin) + h * s->value;
    for (int64_t i = 0; i < s->value; i++)
        z[i] = (float)sum[i];
}

static int64_t floats_of(const ns_unroll *j, const ns_unrolled *b)
{
    return j->s->heads * (b->row1 - b->row0) * b->row1;
}

/* A constraint: weights of keys that a row is not to see. */
static void drop_hidden(const ns_unroll *j, const ns_unrolled *b)
{
    const ns_attn *const a = ns_arch_attn(j->b->p->arch, j->b->layer);
    const int64_t rows = b->row1 - b->row0;
    for (int64_t i = 0; i < j->s->heads * rows; i++) {
        const ns_seen_keys keys = ns_attn_seen_keys(a, i / rows, b->row0 + i % rows);
        float *const row = b->rows + i * b->row1;
        memset(row, 0, (size_t)keys.first * sizeof *row);
        memset(row + keys.gap, 0, (size_t)(keys.after - keys.gap) * sizeof *row);
    }
}

static int deliver_block(const ns_unroll *j, const ns_unrolled *b)
{
    ns_pass *const p = j->b->p;
    const int64_t rows = b->row1 - b->row0;
    if (b->before)
        memcpy(b->before, b->rows, (size_t)floats_of(j, b) * sizeof *b->rows);
    if (ns_pass_constrains(p, j->b->layer))
        drop_hidden(j, b);
    const ns_view v = ns_view_of(b->rows, NS_F32, 3, (int64_t[]){j->s->heads, rows, b->row1});
    const int rc = ns_deliver(p, j->m->session, NS_POINT_PATTERN, j->b->layer, b->row0, &v, j->b->branch, 0);
    if (rc == NS_OK && b->before)
        ns_engine_run(p->engine, j->s->heads * rows, multiply_task, &(edited){j, b});
    return rc;
}

static int worker_room(const ns_unroll *j)
{
    ns_pass *const p = j->b->p;
    const int64_t rows = ns_unroll_scratch(j), floats = rows > 2 * j->s->value ? rows : 2 * j->s->value;
    int rc = NS_OK;
    for (int w = 0; w < p->scratch->n_workers && rc == NS_OK; w++)
        rc = ns_buffer_need(&p->scratch->worker[w], floats, p->err) ? NS_OK : NS_E_MEMORY;
    return rc;
}

static int show_blocks(ns_unroll *j, ns_unrolled *blocks, int64_t n)
{
    ns_pass *const p = j->b->p;
    const bool edits = ns_pass_changes_rows(p, j->b->layer);
    int64_t floats = 0;
    for (int64_t b = 0; b < n; b++)
        floats += floats_of(j, &blocks[b]);
    float *at = ns_buffer_need(&p->scratch->staged, edits ? 2 * floats : floats, p->err);
    if (!at)
        return NS_E_MEMORY;
    for (int64_t b = 0; b < n; at += floats_of(j, &blocks[b++])) {
        blocks[b].rows = at;
        blocks[b].before = edits ? at + floats : NULL;
    }
    j->blocks = blocks;
    j->n_blocks = n;
    int rc = worker_room(j);
    rc = rc != NS_OK ? rc : ns_unroll_rows(j);
    for (int64_t b = 0; b < n && rc == NS_OK; b++)
        rc = deliver_block(j, &blocks[b]);
    return rc;
}

static int unroll_member(ns_band *b, ns_unroll j)
{
    ns_unrolled blocks[NS_BAND_ROWS / BLOCK + 1];
    ns_state *const state = &j.m->s->states[b->layer];
    int64_t n = 0, floats = 0, row1;
    int rc = NS_OK;
    ns_each_row(b, j.m->end - j.m->begin, leave_row, &j);
    state->rows = j.m->end;
    state->values = ns_pass_changes_rows(b->p, b->layer) ? j.m->end : state->values;
    for (int64_t row0 = j.m->begin; row0 < j.m->end && rc == NS_OK; row0 = row1) {
        row1 = (row0 / BLOCK + 1) * BLOCK < j.m->end ? (row0 / BLOCK + 1) * BLOCK : j.m->end;
        blocks[n] = (ns_unrolled){.row0 = row0, .row1 = row1};
        if (!ns_pass_constrains(b->p, b->layer) &&
            !ns_wanted_rows(b->p, j.m->s, b->layer, NS_POINT_PATTERN, NS_POINT_PATTERN, &blocks[n].row0, &blocks[n].row1))
            continue;
        floats += floats_of(&j, &blocks[n++]);
        if (floats < ns_pass_shown_floats(b->p))
            continue;
        rc = show_blocks(&j, blocks, n);
        n = floats = 0;
    }
    return rc == NS_OK && n ? show_blocks(&j, blocks, n) : rc;
}

void ns_band_unroll(ns_band *b, const ns_scan *s, ns_cols a, ns_cols z)
{
    if (!ns_pass_unrolls(b->p, b->layer) || !ns_band_shows(b, NS_POINT_PATTERN))
        return;
    for (int i = 0; i < b->n_members && b->rc == NS_OK; i++)
        b->rc = unroll_member(b, (ns_unroll){.b = b, .s = s, .m = &b->members[i], .a = a, .z = z});
}
