/* back_channels.c - recurrences of channels on the way back. With S the state behind a row, a its factors and R those before it:
 *
 *     dS += dout read,   dread[n] = sum over c of dout S,   dwrite[c] = sum over n of dS in,   din[n] = sum over c of dS write,
 *     da = dS R,   dstep[c] = sum over n of da a rate,   drate[c, n] = the sum over rows of da a step,   then dS <- dS a.
 *
 * A panel's states are computed anew from the first row on. What channels share (in, read) is added up panel by panel, in order. */
#include "model/channels.h"
#include "model/tape.h"

#include <string.h>

typedef struct back_job {
    ns_band           *b;
    const ns_channels *s;
    const float       *dout, *rates;
    int64_t            ld;                 /* of dout */
    float             *dstep, *dwrite, *shared;      /* shared [panel][rows][2 state]: din, dread */
} back_job;

/* Sums of a panel's row. */
typedef struct panel_back {
    const back_job *j;
    int64_t         panel;
    const float    *rates;
    float          *a, *dS, *drate;        /* [state][32] each */
} panel_back;

static float *shared_at(const back_job *j, int64_t panel, int64_t row)
{
    return j->shared + (panel * j->b->rows + row) * 2 * j->s->state;
}

/* S: behind the row; R: before it. */
static void row_back(const panel_back *p, int64_t row, const float *S, const float *R)
{
    const back_job *const j = p->j;
    const ns_channels *const s = j->s;
    const ns_channel_row r = ns_channel_row_at(s, row, p->panel);
    float dout[NS_PANEL] = {0}, *const shared = shared_at(j, p->panel, row);
    memcpy(dout, j->dout + row * j->ld + r.first, (size_t)r.n * sizeof *dout);
    ns_channel_factors(j->b->p->math, s, &r, p->rates, p->a);
    for (int64_t n = 0; n < s->state; n++) {
        const float in = s->in.sheet ? ns_cols_at(s->in, row)[n] : 1, read = s->read.sheet ? ns_cols_at(s->read, row)[n] : 1;
        for (int64_t c = 0; c < r.n; c++) {
            const int64_t at = n * NS_PANEL + c;
            const float dS = p->dS[at] += dout[c] * read, by_rate = dS * R[at] * p->a[at];
            shared[n] += dS * r.write[c];
            shared[s->state + n] += dout[c] * S[at];
            j->dwrite[row * s->write.sheet->ld + r.first + c] += dS * in;
            j->dstep[row * s->step.sheet->ld + r.first + c] += by_rate * (p->rates ? p->rates[at] : 1);
            p->drate[at] += by_rate * r.step[c];
            p->dS[at] = dS * p->a[at];
        }
    }
}

/* states: [rows + 1][state][32], before the first row and behind each. */
static void member_back(const panel_back *p, const ns_member *m, float *states)
{
    const back_job *const j = p->j;
    const int64_t floats = j->s->state * NS_PANEL;
    memset(states, 0, (size_t)floats * sizeof *states);
    for (int64_t t = 0; t < m->end; t++) {
        const ns_channel_row r = ns_channel_row_at(j->s, m->row + t, p->panel);
        float out[NS_PANEL] = {0};
        memcpy(states + (t + 1) * floats, states + t * floats, (size_t)floats * sizeof *states);
        ns_channel_factors(j->b->p->math, j->s, &r, p->rates, p->a);
        ns_channel_step(j->b->p->math, j->s, m->row + t, &r, p->a, states + (t + 1) * floats, out);
    }
    memset(p->dS, 0, (size_t)floats * sizeof *states);
    for (int64_t t = m->end - 1; t >= 0; t--)
        row_back(p, m->row + t, states + (t + 1) * floats, states + t * floats);
}

/* The table holds the log of -rate: its derivative is drate rate. */
static void panel_task(void *user, int64_t panel, int worker)
{
    const back_job *const j = user;
    const ns_channels *const s = j->s;
    const int64_t floats = s->state * NS_PANEL;
    float *const room = j->b->p->scratch->worker[worker].data;
    const panel_back p = {j, panel, j->rates ? j->rates + panel * floats : NULL, room, room + floats, room + 2 * floats};
    float *const grad = s->rates >= 0 ? j->b->weights->gains[s->rates].gain_grad : NULL;
    memset(p.drate, 0, (size_t)floats * sizeof *room);
    for (int m = 0; m < j->b->n_members; m++)
        member_back(&p, &j->b->members[m], room + 3 * floats);
    for (int64_t c = 0; grad && c < NS_PANEL && panel * NS_PANEL + c < s->channels; c++)
        for (int64_t n = 0; n < s->state; n++)
            grad[(panel * NS_PANEL + c) * s->state + n] += p.drate[n * NS_PANEL + c] * p.rates[n * NS_PANEL + c];
}

static void add_shared(const back_job *j, ns_cols to, int64_t part, int64_t panels)
{
    float *const grad = to.sheet ? ns_grad_onto(j->b, to) : NULL;
    for (int64_t row = 0; row < j->b->rows && grad; row++)
        for (int64_t panel = 0; panel < panels; panel++)
            j->b->p->math->add(grad + row * to.sheet->ld, grad + row * to.sheet->ld, shared_at(j, panel, row) + part * j->s->state,
                               j->s->state);
}

static int64_t longest(const ns_band *b)
{
    int64_t most = 0;
    for (int i = 0; i < b->n_members; i++)
        most = b->members[i].end > most ? b->members[i].end : most;
    return most;
}

static void channels_back(ns_band *b, const ns_taped *t)
{
    const ns_channels *const s = &b->tape->channels[t->n];
    const int64_t panels = (s->channels + NS_PANEL - 1) / NS_PANEL, shared = panels * b->rows * 2 * s->state;
    const ns_branch_weights *const weights = b->weights;
    b->weights = t->weights;
    back_job j = {.b = b, .s = s, .dout = ns_grad_of(b, t->out), .ld = t->out.sheet->ld, .dstep = ns_grad_onto(b, s->step),
                  .dwrite = ns_grad_onto(b, s->write)};
    j.shared = ns_buffer_need(&b->p->scratch->staged, shared, b->p->err);
    b->rc = b->rc == NS_OK && !j.shared ? NS_E_MEMORY : b->rc;
    j.rates = s->rates >= 0 && b->rc == NS_OK ? ns_channel_rates(b, s) : NULL;
    if (ns_band_rooms(b, (4 + longest(b)) * s->state * NS_PANEL)) {
        memset(j.shared, 0, (size_t)shared * sizeof *j.shared);
        ns_engine_run(b->p->engine, panels, panel_task, &j);
        add_shared(&j, s->in, 0, panels);
        add_shared(&j, s->read, 1, panels);
    }
    b->weights = weights;
}

void ns_tape_channels(ns_band *b, const ns_channels *s, ns_cols out)
{
    ns_tape *const t = b->tape;
    if (!t || b->rc != NS_OK)
        return;
    if (!ns_grow(&t->channels, &t->channels_capacity, t->n_channels + 1, sizeof *t->channels)) {
        b->rc = ns_oom(b->p->err, "the tape");
        return;
    }
    t->channels[t->n_channels] = *s;
    const ns_cols looked_at[] = {s->step, s->write, s->in, s->read};
    for (size_t i = 0; i < sizeof looked_at / sizeof *looked_at; i++)
        ns_tape_reads(looked_at[i]);
    ns_tape_note(b, (ns_taped){.back = channels_back, .x = s->step, .out = out, .n = t->n_channels++, .weights = b->weights});
}

/* ---- decays ---- */

/* y = -rate softplus(table) gate:  dgate = -rate softplus(table) dy,  dtable = the sum of -rate sigmoid(table) gate dy, in f64 */
static void soft_decay_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dgate = ns_grad_onto(b, s->x);
    for (int64_t c = 0; c < s->x.n && b->rc == NS_OK; c++) {
        const double soft = ns_softplus((double)s->gains->gain[c]), slope = 1 - ns_exp(-soft);
        double sum = 0;
        for (int64_t r = 0; r < b->rows; r++) {
            const double d = -s->sign * (double)dy[r * s->out.sheet->ld + c];
            dgate[r * s->x.sheet->ld + c] += (float)(d * soft);
            sum += d * (double)ns_cols_at(s->x, r)[c];
        }
        if (s->gains->gain_grad)
            s->gains->gain_grad[c] += (float)(sum * slope);
    }
}

void ns_tape_soft_decay(ns_band *b, ns_cols gate, ns_cols out, const ns_gains *table, double rate)
{
    ns_tape_note(b, (ns_taped){.back = soft_decay_back, .x = gate, .out = out, .gains = table, .sign = rate});
}

/* y = (1 - e^2x)^1/2:  dx = -dy e^2x / y, with 1 / 2y no larger than STEEPEST, as Griffin clips it; at position 0, where y is 1, none. */
static void keep_norm_back(ns_band *b, const ns_taped *s)
{
    enum { STEEPEST = 1000 };
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x);
    for (int m = 0; m < b->n_members && b->rc == NS_OK; m++)
        for (int64_t r = b->members[m].row + 1; r < b->members[m].row + b->members[m].end; r++)
            for (int64_t c = 0; c < s->x.n; c++) {
                const double y = (double)ns_cols_at(s->out, r)[c], steep = 2 * y * STEEPEST > 1 ? 1 / (2 * y) : STEEPEST;
                dx[r * s->x.sheet->ld + c] += (float)(-2 * (double)dy[r * s->out.sheet->ld + c] * (1 - y * y) * steep);
            }
}

void ns_tape_keep_norm(ns_band *b, ns_cols log_decay, ns_cols out)
{
    ns_tape_note(b, (ns_taped){.back = keep_norm_back, .x = log_decay, .out = out});
}
