/* scan.c - the scan of a linear recurrence.
 *
 * It goes through the rows one by one; its states are cut into panels of 32 value columns, which know nothing of each other: a task takes
 * one panel, 16 kB for keys of 128 numbers, through all rows of the band. So a row's bits follow from the state before it and from itself,
 * however the rows came in. */
#include "model/tape.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* ---- decays themselves, and whether they are such ---- */

typedef struct factor_job { const ns_math *math; const ns_scan *s; ns_cols a; atomic_bool *broken; } factor_job;

static void factor_row(const void *job, int64_t row)
{
    const factor_job *const j = job;
    float *const a = ns_cols_at(j->a, row);
    for (int64_t i = 0; i < j->a.n; i++) {
        a[i] = j->s->log_decay.sheet ? ns_cols_at(j->s->log_decay, row)[i] : j->s->slope ? (float)-j->s->slope[i] : 0;
        if (!(a[i] <= 0))
            atomic_store(j->broken, true);
    }
    j->math->exp(a, a, j->a.n);
}

int ns_band_broken(const ns_band *b, ns_cols x, int64_t units, const char *unit, bool (*good)(float), const char *what)
{
    const ns_member *m = b->members;
    for (int64_t row = 0, i = 0; row < b->rows; row++, i = 0) {
        m = row >= m->row + m->end - m->begin ? m + 1 : m;
        while (i < x.n && good(ns_cols_at(x, row)[i]))
            i++;
        if (i < x.n) {
            const double value = (double)ns_cols_at(x, row)[i];
            char where[128], found[160];
            snprintf(where, sizeof where, "layer %lld, %s %lld, position %lld", (long long)b->layer, unit, (long long)(i / (x.n / units)),
                     (long long)(m->begin + row - m->row));
            snprintf(found, sizeof found, "%s (%g)", what, isnan(value) ? fabs(value) : value);
            return ns_pass_broken(b->p, m->session, where, found);
        }
    }
    return ns_fail(b->p->err, NS_E_NUMERIC, "layer %lld: %s", (long long)b->layer, what);
}

static bool not_above_0(float x)
{
    return x <= 0;
}

static bool is_finite(float x)
{
    return isfinite(x);
}

static ns_cols factors(ns_band *b, const ns_scan *s)
{
    atomic_bool bad = false;
    const factor_job j = {b->p->math, s, ns_band_new(b, s->log_decay.sheet ? s->log_decay.n : s->heads), &bad};
    if (j.a.sheet)
        ns_each_row(b, b->rows, factor_row, &j);
    if (atomic_load(&bad))
        b->rc = ns_band_broken(b, s->log_decay, s->heads, "head", not_above_0,
                               "the log of a decay is above 0 or no number: the state would grow");
    return j.a;
}

/* ---- the scan ---- */

/* Of the rows of one session: which of the states has which row's (-1: none has). */
typedef struct ns_shown_states { float *data; int slot[NS_BAND_ROWS]; } ns_shown_states;   /* data [slots][heads][key][value] */

typedef struct scan_job {
    const ns_band *b;
    const ns_scan *s;
    const ns_member *members;
    const ns_shown_states *shown;          /* NULL: nobody asked for states */
    ns_cols        q, a, z;                /* q: scaled */
    int64_t        panels;                 /* of a state */
    atomic_bool   *broken;
} scan_job;

/* Of a row of fewer heads, or as many, the one that state h reads. */
static const float *head_of(ns_cols x, int64_t row, int64_t h, int64_t states, int64_t heads)
{
    return ns_cols_at(x, row) + h / (states / heads) * (x.n / heads);
}

static void scan_row(const scan_job *j, int64_t h, int64_t panel, int64_t row, float *S)
{
    const ns_scan *const s = j->s;
    const int64_t H = s->heads, first = panel * NS_PANEL, n = s->value - first < NS_PANEL ? s->value - first : NS_PANEL;
    float v[NS_PANEL] = {0}, out[NS_PANEL];
    memcpy(v, head_of(s->v, row, h, H, s->v_heads) + first, (size_t)n * sizeof *v);
    j->b->p->math->scan(S, S, s->key, head_of(j->q, row, h, H, s->q_heads), head_of(s->k, row, h, H, s->k_heads), v,
                        head_of(j->a, row, h, H, H), j->a.n > H, 2 * n <= NS_PANEL, s->write.sheet ? ns_cols_at(s->write, row)[h] : 1,
                        s->delta, out);
    memcpy(ns_cols_at(j->z, row) + h * s->value + first, out, (size_t)n * sizeof *out);
    if (!j->b->p->math->all_finite(out, n))
        atomic_store(j->broken, true);
}

void ns_state_rows(const ns_member *m, int64_t layer, int64_t first, int64_t floats, ns_state_row_fn fn, const void *job)
{
    const ns_state *const state = &m->s->states[layer];
    float *const S = state->now.data + first;
    int64_t next = 0;
    while (next < state->n && state->list[next].at <= m->begin)
        next++;
    for (int64_t t = m->begin; t < m->end; t++) {
        fn(job, m->row + t - m->begin, S);
        if (next < state->n && state->list[next].at == t + 1)
            memcpy(state->list[next++].data + first, S, (size_t)floats * sizeof *S);
    }
}

typedef struct panel_job { const scan_job *j; int64_t head, panel; } panel_job;

/* A panel of the state behind a row to where all of it is shown. */
static void show_panel(const panel_job *p, int slot, const float *S)
{
    const ns_scan *const s = p->j->s;
    const int64_t first = p->panel * NS_PANEL, n = s->value - first < NS_PANEL ? s->value - first : NS_PANEL;
    float *const out = p->j->shown->data + (slot * s->heads + p->head) * s->key * s->value + first;
    for (int64_t i = 0; i < s->key; i++)
        memcpy(out + i * s->value, S + i * NS_PANEL, (size_t)n * sizeof *out);
}

static void panel_row(const void *job, int64_t row, float *S)
{
    const panel_job *const p = job;
    scan_row(p->j, p->head, p->panel, row, S);
    const int slot = p->j->shown ? p->j->shown->slot[row - p->j->members->row] : -1;
    if (slot >= 0)
        show_panel(p, slot, S);
}

/* One panel of one state of one session, through its rows. */
static void scan_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const scan_job *const j = user;
    const int64_t per_member = j->s->heads * j->panels, part = task % per_member, floats = j->s->key * NS_PANEL;
    const panel_job p = {j, part / j->panels, part % j->panels};
    ns_state_rows(&j->members[task / per_member], j->b->layer, part * floats, floats, panel_row, &p);
}

enum { SHOWN_FLOATS = 8 << 20 };           /* of states at a time, above one */

/* Rows of m from its begin on, up to as many states as there is room for; how many there are. */
static int choose_states(const ns_band *b, ns_member *m, int64_t end, int64_t room, int slot[NS_BAND_ROWS])
{
    int n = 0;
    for (m->end = m->begin; m->end < end && n < room; m->end++)
        slot[m->end - m->begin] = ns_wanted(b->p, m->s, NS_POINT_SSM_STATE, b->layer, m->end, m->end + 1) ? n++ : -1;
    return n;
}

static int deliver_states(const scan_job *j, const ns_member *m, const ns_shown_states *shown)
{
    const int64_t floats = j->s->key * j->s->value;
    int rc = NS_OK;
    for (int64_t t = m->begin; t < m->end && rc == NS_OK; t++) {
        const int slot = shown->slot[t - m->begin];
        const ns_view v = ns_view_of(shown->data + (slot < 0 ? 0 : slot) * j->s->heads * floats, NS_F32, 3,
                                     (int64_t[]){1, j->s->heads, floats});
        if (slot >= 0)
            rc = ns_deliver(j->b->p, m->session, NS_POINT_SSM_STATE, j->b->layer, t, &v, j->b->branch, 0);
    }
    return rc;
}

/* A session's rows in parts, so that states of all of them fit. */
static int scan_shown(scan_job j, ns_member m)
{
    ns_pass *const p = j.b->p;
    const int64_t floats = j.s->heads * j.s->key * j.s->value, room = SHOWN_FLOATS / floats > 1 ? SHOWN_FLOATS / floats : 1, end = m.end;
    ns_shown_states shown;
    int rc = NS_OK;
    j.members = &m;
    j.shown = &shown;
    while (m.end = end, m.begin < end && rc == NS_OK) {
        const int n = choose_states(j.b, &m, end, room, shown.slot);
        shown.data = ns_buffer_need(&p->scratch->staged, (n ? n : 1) * floats, p->err);
        if (!shown.data)
            return NS_E_MEMORY;
        ns_engine_run(p->engine, j.s->heads * j.panels, scan_task, &j);
        rc = deliver_states(&j, &m, &shown);
        m.row += m.end - m.begin;
        m.begin = m.end;
    }
    return rc;
}

static void scale_row(const void *job, int64_t row)
{
    const scan_job *const j = job;
    float *const q = ns_cols_at(j->q, row);
    memcpy(q, ns_cols_at(j->s->q, row), (size_t)j->q.n * sizeof *q);
    j->b->p->math->scale(q, j->q.n, j->s->scale);
}

ns_cols ns_band_scan(ns_band *b, const ns_scan *s)
{
    atomic_bool bad = false;
    scan_job j = {.b = b, .s = s, .members = b->members, .panels = (s->value + NS_PANEL - 1) / NS_PANEL, .broken = &bad};
    j.q = ns_band_new(b, s->q.n);
    j.a = factors(b, s);
    j.z = ns_band_new(b, s->heads * s->value);
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_each_row(b, b->rows, scale_row, &j);
    if (b->tape && ns_pass_constrains(b->p, b->layer))
        ns_tape_lacks(b, "a constraint on a recurrence");
    if (b->tape) {
        if (b->rc == NS_OK)
            ns_tape_scan(b, s, j.q, j.a, j.z);
        return b->rc == NS_OK ? j.z : (ns_cols){0};
    }
    const bool shows = ns_hooks_any(b->p->hooks, NS_POINT_SSM_STATE, b->layer);
    for (int i = 0; shows && i < b->n_members && b->rc == NS_OK; i++)
        b->rc = scan_shown(j, b->members[i]);
    if (!shows)
        ns_engine_run(b->p->engine, b->n_members * s->heads * j.panels, scan_task, &j);
    for (int i = 0; i < b->n_members; i++)
        b->members[i].s->states[b->layer].now.at = b->members[i].end;
    if (atomic_load(&bad))
        b->rc = ns_band_broken(b, j.z, s->heads, "head", is_finite, "the state of a recurrence is no longer finite");
    ns_scan scaled = *s;
    scaled.q = j.q;
    scaled.scale = 1;
    ns_band_unroll(b, &scaled, j.a, j.z);
    return b->rc == NS_OK ? j.z : (ns_cols){0};
}
