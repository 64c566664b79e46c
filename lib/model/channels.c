/* channels.c - the operations of band.h that recurrences of channels are made of: each channel has its own few numbers of state, which
 * share nothing with those of others,
 *
 *     S[c, n] <- e^(step[c] rate[c, n]) S[c, n] + write[c] in[n],   out[c] = sum over n of S[c, n] read[n].
 *
 * States lie in panels of 32 channels, [n][32]: a task takes one through all rows of the band. */
#include "model/tape.h"
#include "model/channels.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* ---- decays ---- */

/* [panel][n][32]: -e^table of a panel's channels; 0 behind the last. */
float *ns_channel_rates(ns_band *b, const ns_channels *s)
{
    const int64_t panels = (s->channels + NS_PANEL - 1) / NS_PANEL, N = s->state;
    float *const out = ns_buffer_need(&b->p->scratch->tables, panels * N * NS_PANEL, b->p->err);
    if (!out)
        b->rc = NS_E_MEMORY;
    for (int64_t c = 0; out && c < panels * NS_PANEL; c++)
        for (int64_t n = 0; n < N; n++) {
            float *const at = out + (c / NS_PANEL * N + n) * NS_PANEL + c % NS_PANEL;
            *at = 0;
            if (c >= s->channels)
                continue;
            b->p->math->exp(at, &b->weights->gains[s->rates].gain[c * N + n], 1);
            *at = -*at;
        }
    return out;
}

/* What row `row` is made of, at a panel. */
ns_channel_row ns_channel_row_at(const ns_channels *s, int64_t row, int64_t panel)
{
    ns_channel_row r = {.first = panel * NS_PANEL};
    r.n = s->channels - r.first < NS_PANEL ? s->channels - r.first : NS_PANEL;
    memcpy(r.step, ns_cols_at(s->step, row) + r.first, (size_t)r.n * sizeof *r.step);
    memcpy(r.write, ns_cols_at(s->write, row) + r.first, (size_t)r.n * sizeof *r.write);
    return r;
}

/* Factors [n][32] of a row. */
void ns_channel_factors(const ns_math *math, const ns_channels *s, const ns_channel_row *r, const float *rates, float *a)
{
    for (int64_t n = 0; n < s->state; n++)
        if (rates)
            math->mul(a + n * NS_PANEL, r->step, rates + n * NS_PANEL, NS_PANEL);
        else
            memcpy(a + n * NS_PANEL, r->step, sizeof r->step);
    math->exp(a, a, s->state * NS_PANEL);
}

/* S to the row's; out [32], 0 before. */
void ns_channel_step(const ns_math *math, const ns_channels *s, int64_t row, const ns_channel_row *r, const float *a, float *S, float *out)
{
    const float *const in = s->in.sheet ? ns_cols_at(s->in, row) : NULL, *const read = s->read.sheet ? ns_cols_at(s->read, row) : NULL;
    math->mul(S, S, a, s->state * NS_PANEL);
    for (int64_t n = 0; n < s->state; n++) {
        math->axpy(S + n * NS_PANEL, r->write, NS_PANEL, in ? in[n] : 1);
        math->axpy(out, S + n * NS_PANEL, NS_PANEL, read ? read[n] : 1);
    }
}

typedef struct soft_job { ns_cols gate, out; const float *table; double rate; } soft_job;

static void soft_row(const void *job, int64_t row)
{
    const soft_job *const j = job;
    const float *const gate = ns_cols_at(j->gate, row);
    float *const out = ns_cols_at(j->out, row);
    for (int64_t c = 0; c < j->gate.n; c++)
        out[c] = (float)(-j->rate * ns_softplus((double)j->table[c]) * (double)gate[c]);
}

ns_cols ns_band_soft_decay(ns_band *b, ns_cols gate, int slot, double rate)
{
    const soft_job j = {gate, ns_band_new(b, gate.n), b->weights->gains[slot].gain, rate};
    if (j.out.sheet)
        ns_each_row(b, b->rows, soft_row, &j);
    ns_tape_soft_decay(b, gate, j.out, &b->weights->gains[slot], rate);
    return j.out;
}

typedef struct keep_job { ns_cols x, out; } keep_job;

static void keep_row(const void *job, int64_t row)
{
    const keep_job *const j = job;
    const float *const x = ns_cols_at(j->x, row);
    float *const out = ns_cols_at(j->out, row);
    for (int64_t c = 0; c < j->x.n; c++)
        out[c] = (float)sqrt(1 - ns_exp(2 * (double)x[c]));
}

ns_cols ns_band_keep_norm(ns_band *b, ns_cols log_decay)
{
    const keep_job j = {log_decay, ns_band_new(b, log_decay.n)};
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_each_row(b, b->rows, keep_row, &j);
    for (int i = 0; i < b->n_members; i++)
        for (int64_t c = 0; c < j.out.n && b->members[i].begin == 0; c++)
            ns_cols_at(j.out, b->members[i].row)[c] = 1;
    ns_tape_keep_norm(b, log_decay, j.out);
    return j.out;
}

/* ---- the scan ---- */

typedef struct scan_job {
    const ns_band     *b;
    const ns_channels *s;
    ns_cols            out;
    const float       *rates;
    int64_t            panels;
    atomic_bool       *broken;
} scan_job;

typedef struct panel_job { const scan_job *j; int64_t panel; float *a; } panel_job;

static void panel_row(const void *job, int64_t row, float *S)
{
    const panel_job *const p = job;
    const scan_job *const j = p->j;
    const ns_math *const math = j->b->p->math;
    const ns_channel_row r = ns_channel_row_at(j->s, row, p->panel);
    float out[NS_PANEL] = {0};
    ns_channel_factors(math, j->s, &r, j->rates ? j->rates + p->panel * j->s->state * NS_PANEL : NULL, p->a);
    ns_channel_step(math, j->s, row, &r, p->a, S, out);
    memcpy(ns_cols_at(j->out, row) + r.first, out, (size_t)r.n * sizeof *out);
    if (!math->all_finite(out, r.n))
        atomic_store(j->broken, true);
}

/* Room behind the factors: the state of a taped sequence, which begins at 0. */
static void scan_task(void *user, int64_t task, int worker)
{
    const scan_job *const j = user;
    const int64_t floats = j->s->state * NS_PANEL;
    const ns_member *const m = &j->b->members[task / j->panels];
    float *const room = j->b->p->scratch->worker[worker].data;
    const panel_job p = {j, task % j->panels, room};
    if (!j->b->tape) {
        ns_state_rows(m, j->b->layer, p.panel * floats, floats, panel_row, &p);
        return;
    }
    memset(room + floats, 0, (size_t)floats * sizeof *room);
    for (int64_t t = m->begin; t < m->end; t++)
        panel_row(&p, m->row + t - m->begin, room + floats);
}

static bool not_below_0(float x)
{
    return x >= 0 && isfinite(x);
}

static bool not_above_0(float x)
{
    return x <= 0;
}

static bool is_finite(float x)
{
    return isfinite(x);
}

/* Steps are such that no state grows. */
static void check_steps(ns_band *b, const ns_channels *s)
{
    bool (*const good)(float) = s->rates >= 0 ? not_below_0 : not_above_0;
    for (int64_t row = 0; row < b->rows && b->rc == NS_OK; row++)
        for (int64_t c = 0; c < s->channels && b->rc == NS_OK; c++)
            if (!good(ns_cols_at(s->step, row)[c]))
                b->rc = ns_band_broken(b, s->step, s->channels, "channel", good,
                                       "a step is below 0, or no number: the state would grow");
}

bool ns_band_rooms(ns_band *b, int64_t floats)
{
    for (int w = 0; w < b->p->scratch->n_workers && b->rc == NS_OK; w++)
        if (!ns_buffer_need(&b->p->scratch->worker[w], floats, b->p->err))
            b->rc = NS_E_MEMORY;
    return b->rc == NS_OK;
}

ns_cols ns_band_channels(ns_band *b, const ns_channels *s)
{
    atomic_bool bad = false;
    scan_job j = {.b = b, .s = s, .out = ns_band_new(b, s->channels), .panels = (s->channels + NS_PANEL - 1) / NS_PANEL, .broken = &bad};
    if (b->rc == NS_OK)
        check_steps(b, s);
    if (!ns_band_rooms(b, 2 * s->state * NS_PANEL))
        return (ns_cols){0};
    j.rates = s->rates >= 0 ? ns_channel_rates(b, s) : NULL;
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_engine_run(b->p->engine, b->n_members * j.panels, scan_task, &j);
    for (int i = 0; i < b->n_members && !b->tape; i++)
        b->members[i].s->states[b->layer].now.at = b->members[i].end;
    if (atomic_load(&bad))
        b->rc = ns_band_broken(b, j.out, s->channels, "channel", is_finite, "the state of a recurrence is no longer finite");
    ns_tape_channels(b, s, j.out);
    return b->rc == NS_OK ? j.out : (ns_cols){0};
}
