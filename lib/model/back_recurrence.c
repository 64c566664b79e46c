/* back_recurrence.c - the operations of recurrences on a tape: the scan of whole sequences, forward and back, and what stands around it.
 *
 * A state [key, 32] of one head and panel goes through the rows of a sequence alone. What it was before every 64th row is kept; on the way
 * back the states between are computed anew, 64 at a time. Heads that share q, k or v add to their gradients in order: one task. */
#include "model/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STRETCH = 64 };                     /* rows between states that are kept */

/* ---- the scan ---- */

typedef struct scan_job {
    ns_band       *b;
    const ns_kept_scan *kept;
    ns_cols        z;
    int64_t        panels, groups;         /* of a state; of heads that share nothing */
    float         *dz, *dq, *dk, *dv, *ddecay, *dwrite;
    ns_buffer     *worker;
} scan_job;

static int64_t common_divisor(int64_t a, int64_t b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

static int64_t stretches_of(const ns_member *m)
{
    return (m->end + STRETCH - 1) / STRETCH;
}

static int64_t state_floats(const scan_job *j)
{
    return j->kept->scan.key * NS_PANEL;
}

/* Kept states lie as [member][head][panel][stretch]. */
static float *kept_at(const scan_job *j, int64_t member, int64_t head, int64_t panel)
{
    int64_t before = 0;
    for (int64_t m = 0; m < member; m++)
        before += stretches_of(&j->b->members[m]);
    const int64_t own = head * j->panels + panel;
    return j->kept->states.data +
           (before * j->kept->scan.heads * j->panels + own * stretches_of(&j->b->members[member])) * state_floats(j);
}

/* The columns that head h reads of `heads` heads. */
static int64_t first_of(const ns_scan *s, ns_cols x, int64_t heads, int64_t h)
{
    return h / (s->heads / heads) * (x.n / heads);
}

/* Numbers of each row of a sequence: those of its first, and how far rows lie apart. NULL: there are none. */
typedef struct strand { float *at; int64_t ld; } strand;

static float *of_row(strand s, int64_t t)
{
    return s.at + t * s.ld;
}

/* One head and panel of a sequence. */
typedef struct lane {
    const scan_job *j;
    int64_t rows, n;                       /* of the sequence; columns of the panel */
    float  *kept;
    strand  q, k, v, a, write, z, dz, dq, dk, dv, ddecay, dwrite;
} lane;

static strand strand_of(ns_cols x, int64_t row, int64_t first)
{
    return x.sheet ? (strand){ns_cols_at(x, row) + first, x.sheet->ld} : (strand){0};
}

/* The same columns of its derivative, whose rows lie `ld` apart. */
static strand beside(float *grad, int64_t ld, int64_t row, int64_t first)
{
    return grad ? (strand){grad + row * ld + first, ld} : (strand){0};
}

static lane lane_of(const scan_job *j, int64_t m, int64_t h, int64_t panel)
{
    const ns_kept_scan *const p = j->kept;
    const ns_scan *const s = &p->scan;
    const int64_t row = j->b->members[m].row, at = panel * NS_PANEL, each = p->a.n / s->heads;
    const int64_t q = first_of(s, p->q, s->q_heads, h), k = first_of(s, s->k, s->k_heads, h), v = first_of(s, s->v, s->v_heads, h) + at;
    return (lane){
        .j = j, .rows = j->b->members[m].end, .n = s->value - at < NS_PANEL ? s->value - at : NS_PANEL, .kept = kept_at(j, m, h, panel),
        .q = strand_of(p->q, row, q), .k = strand_of(s->k, row, k), .v = strand_of(s->v, row, v), .a = strand_of(p->a, row, h * each),
        .write = strand_of(s->write, row, h), .z = strand_of(j->z, row, h * s->value + at),
        .dz = beside(j->dz, j->z.sheet->ld, row, h * s->value + at), .dq = beside(j->dq, p->q.n, row, q),
        .dk = beside(j->dk, s->k.sheet->ld, row, k), .dv = beside(j->dv, s->v.sheet->ld, row, v),
        .ddecay = beside(j->ddecay, p->a.n, row, h * each), .dwrite = beside(j->dwrite, s->heads, row, h)};
}

static void load(float to[NS_PANEL], strand from, int64_t t, int64_t n)
{
    memset(to, 0, NS_PANEL * sizeof *to);
    memcpy(to, of_row(from, t), (size_t)n * sizeof *to);
}

static float write_of(const lane *l, int64_t t)
{
    return l->write.at ? *of_row(l->write, t) : 1;
}

static void step_forward(const lane *l, int64_t t, float *S, const float *before, float *out)
{
    const ns_kept_scan *const p = l->j->kept;
    float v[NS_PANEL];
    load(v, l->v, t, l->n);
    l->j->b->p->math->scan(S, before, p->scan.key, of_row(l->q, t), of_row(l->k, t), v, of_row(l->a, t), p->a.n > p->scan.heads,
                           2 * l->n <= NS_PANEL, write_of(l, t), p->scan.delta, out);
}

static void panel_forward(const lane *l, float *S)
{
    const int64_t floats = state_floats(l->j);
    float *kept = l->kept, out[NS_PANEL];
    memset(S, 0, (size_t)floats * sizeof *S);
    for (int64_t t = 0; t < l->rows; t++) {
        if (t % STRETCH == 0) {
            memcpy(kept, S, (size_t)floats * sizeof *S);
            kept += floats;
        }
        step_forward(l, t, S, S, out);
        memcpy(of_row(l->z, t), out, (size_t)l->n * sizeof *out);
    }
}

static void step_back(const lane *l, int64_t t, float *dS, const float *S)
{
    const ns_kept_scan *const p = l->j->kept;
    float v[NS_PANEL], dz[NS_PANEL], dv[NS_PANEL], *const to = of_row(l->dv, t);
    load(v, l->v, t, l->n);
    load(dz, l->dz, t, l->n);
    l->j->b->p->math->scan_back(dS, S, p->scan.key, of_row(l->q, t), of_row(l->k, t), v, of_row(l->a, t), p->a.n > p->scan.heads,
                                2 * l->n <= NS_PANEL, write_of(l, t), p->scan.delta, dz, of_row(l->dq, t), of_row(l->dk, t), dv,
                                of_row(l->ddecay, t), of_row(l->dwrite, t));
    for (int64_t i = 0; i < l->n; i++)
        to[i] += dv[i];
}

/* room: dS, then the states before each row of a stretch. */
static void panel_back(const lane *l, float *room)
{
    const int64_t floats = state_floats(l->j);
    float *const states = room + floats, out[NS_PANEL];
    memset(room, 0, (size_t)floats * sizeof *room);
    for (int64_t begin = (l->rows - 1) / STRETCH * STRETCH; begin >= 0; begin -= STRETCH) {
        const int64_t n = l->rows - begin < STRETCH ? l->rows - begin : STRETCH;
        memcpy(states, l->kept + begin / STRETCH * floats, (size_t)floats * sizeof *states);
        for (int64_t i = 0; i + 1 < n; i++)
            step_forward(l, begin + i, states + (i + 1) * floats, states + i * floats, out);
        for (int64_t i = n - 1; i >= 0; i--)
            step_back(l, begin + i, room, states + i * floats);
    }
}

static void scan_task(void *user, int64_t task, int worker)
{
    const scan_job *const j = user;
    const int64_t each = j->kept->scan.heads / j->groups, m = task / j->groups, first = task % j->groups * each;
    for (int64_t h = first; h < first + each; h++)
        for (int64_t panel = 0; panel < j->panels; panel++) {
            const lane l = lane_of(j, m, h, panel);
            (j->dz ? panel_back : panel_forward)(&l, j->worker[worker].data);
        }
}

static int run(scan_job *j)
{
    ns_band *const b = j->b;
    const ns_scan *const s = &j->kept->scan;
    j->worker = b->p->scratch->worker;
    j->panels = (s->value + NS_PANEL - 1) / NS_PANEL;
    j->groups = common_divisor(common_divisor(s->q_heads, s->k_heads), s->v_heads);
    if (ns_band_rooms(b, (STRETCH + 1) * state_floats(j)))
        ns_engine_run(b->p->engine, b->n_members * j->groups, scan_task, j);
    return b->rc;
}

/* From the decay's factors to its log, from the scaled q to q. */
static void hand_on(ns_band *b, const ns_kept_scan *p, const float *dq, const float *ddecay, const float *dwrite)
{
    const ns_scan *const s = &p->scan;
    float *const to_q = ns_grad_onto(b, s->q), *const to_decay = s->log_decay.sheet ? ns_grad_onto(b, s->log_decay) : NULL;
    float *const to_write = s->write.sheet ? ns_grad_onto(b, s->write) : NULL;
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++) {
        b->p->math->axpy(to_q + r * s->q.sheet->ld, dq + r * s->q.n, s->q.n, s->scale);
        for (int64_t i = 0; to_decay && i < p->a.n; i++)
            to_decay[r * s->log_decay.sheet->ld + i] += ddecay[r * p->a.n + i] * ns_cols_at(p->a, r)[i];
        if (to_write)
            b->p->math->add(to_write + r * s->write.sheet->ld, to_write + r * s->write.sheet->ld, dwrite + r * s->heads, s->heads);
    }
}

static void scan_back(ns_band *b, const ns_taped *t)
{
    const ns_kept_scan *const p = &b->tape->scans[t->n];
    const int64_t each = p->q.n + p->a.n + p->scan.heads;
    float *const room = ns_buffer_need(&b->p->scratch->staged, b->rows * each, b->p->err);
    scan_job j = {.b = b, .kept = p, .z = t->out, .dz = ns_grad_of(b, t->out), .dk = ns_grad_onto(b, p->scan.k),
                  .dv = ns_grad_onto(b, p->scan.v)};
    b->rc = b->rc == NS_OK && !room ? NS_E_MEMORY : b->rc;
    if (b->rc != NS_OK)
        return;
    memset(room, 0, (size_t)(b->rows * each) * sizeof *room);
    j.dq = room;
    j.ddecay = j.dq + b->rows * p->q.n;
    j.dwrite = j.ddecay + b->rows * p->a.n;
    if (run(&j) == NS_OK)
        hand_on(b, p, j.dq, j.ddecay, j.dwrite);
}

static ns_kept_scan *new_kept(ns_band *b)
{
    ns_tape *const t = b->tape;
    const int64_t was = t->scans_capacity;
    if (!ns_grow(&t->scans, &t->scans_capacity, t->n_scans + 1, sizeof *t->scans)) {
        b->rc = ns_oom(b->p->err, "the tape");
        return NULL;
    }
    memset(t->scans + was, 0, (size_t)(t->scans_capacity - was) * sizeof *t->scans);
    return &t->scans[t->n_scans];
}

void ns_tape_scan(ns_band *b, const ns_scan *s, ns_cols q, ns_cols a, ns_cols z)
{
    ns_kept_scan *const kept = new_kept(b);
    int64_t floats = 0;
    for (int i = 0; i < b->n_members; i++)
        floats += stretches_of(&b->members[i]);
    floats *= s->heads * ((s->value + NS_PANEL - 1) / NS_PANEL) * s->key * NS_PANEL;
    if (kept && !ns_buffer_need(&kept->states, floats, b->p->err))
        b->rc = NS_E_MEMORY;
    if (b->rc != NS_OK)
        return;
    kept->scan = *s;
    kept->q = q;
    kept->a = a;
    scan_job j = {.b = b, .kept = kept, .z = z};
    if (run(&j) == NS_OK)
        ns_tape_note(b, (ns_taped){.back = scan_back, .x = s->q, .out = z, .n = b->tape->n_scans++});
}

/* ---- the short convolution ---- */

/* dx[t] += sum over taps of w[tap] dy[t + K - 1 - tap],  dw[tap] += dy[t] x[t - K + 1 + tap] */
static void conv_rows(const ns_band *b, const ns_taped *s, const ns_member *m, int64_t first, int64_t n, const ns_gains *g, const float *dy,
                      float *dx)
{
    const int64_t K = s->kind, ldx = s->x.sheet->ld, ldy = s->out.sheet->ld;
    for (int64_t t = 0; t < m->end; t++)
        for (int64_t tap = 0; tap < K; tap++) {
            const int64_t from = t - K + 1 + tap;
            if (from < 0)
                continue;
            const float *const d = dy + (m->row + t) * ldy + first, *const x = ns_cols_at(s->x, m->row + from) + first;
            float *const to = dx + (m->row + from) * ldx + first;
            for (int64_t c = 0; c < n; c++) {
                to[c] += g->gain[c * K + tap] * d[c];
                if (g->gain_grad)
                    g->gain_grad[c * K + tap] += d[c] * x[c];
            }
        }
    for (int64_t t = 0; t < m->end && g->bias_grad; t++)
        b->p->math->add(g->bias_grad, g->bias_grad, dy + (m->row + t) * ldy + first, n);
}

static void conv_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x);
    int64_t first = 0;
    for (int i = 0; i < s->n && b->rc == NS_OK; i++) {
        const int64_t n = ns_slot_tref(s->branch, &s->branch->class_->slots[s->slots[i]])->n_out;
        for (int m = 0; m < b->n_members; m++)
            conv_rows(b, s, &b->members[m], first, n, &s->gains[s->slots[i]], dy, dx);
        first += n;
    }
}

void ns_tape_conv(ns_band *b, ns_cols x, ns_cols out, const int *slots, int n_slots, int64_t taps)
{
    ns_tape_note(b, (ns_taped){.back = conv_back, .x = x, .out = out, .n = n_slots, .kind = (int)taps, .slots = slots,
                               .branch = b->branch, .gains = b->weights->gains});
}

/* ---- rates ---- */

/* y = softplus(sign (x + bias)) within limits:  dx = dy sign sigmoid(sign (x + bias)) = dy sign (1 - e^-y), 0 at a limit */
static void softplus_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x);
    for (int64_t i = 0; i < s->x.n && b->rc == NS_OK; i++) {
        double sum = 0;
        for (int64_t r = 0; r < b->rows; r++) {
            const double y = (double)ns_cols_at(s->out, r)[i], d = (double)dy[r * s->out.sheet->ld + i];
            const double own = y > s->low && y < s->high ? d * s->sign * (1 - ns_exp(-y)) : 0;
            dx[r * s->x.sheet->ld + i] += (float)own;
            sum += own;
        }
        if (s->gains && s->gains->gain_grad)
            s->gains->gain_grad[i] += (float)sum;
    }
}

void ns_tape_softplus(ns_band *b, ns_cols x, ns_cols out, const ns_gains *bias, double sign, double low, double high)
{
    ns_tape_note(b, (ns_taped){.back = softplus_back, .x = x, .out = out, .gains = bias, .sign = sign, .low = low, .high = high});
}

/* e^y = (bound + e^x) / (1 - bound):  dx = dy e^x / (bound + e^x),  dbound = the sum of dy (1 / (bound + e^x) + 1 / (1 - bound)), in f64;
 * bound is a sum of softmax s of the table's rows:  dtable_i = dbound s_i ([1 <= i <= depth] - bound). */
static void lower_bound_back(ns_band *b, const ns_taped *s)
{
    const int64_t depths = s->n, depth = s->kind;
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x);
    for (int64_t c = 0; c < s->x.n && b->rc == NS_OK; c++) {
        const float *const column = s->gains->gain + c;
        const double bound = ns_softmax_share(column, depths, s->x.n, 1, depth);
        double sum = 0;
        for (int64_t r = 0; r < b->rows; r++) {
            const double x = (double)ns_cols_at(s->x, r)[c], e = ns_exp(x < 700 ? x : 700), d = (double)dy[r * s->out.sheet->ld + c];
            dx[r * s->x.sheet->ld + c] += (float)(d * (e / (bound + e)));
            sum += d * (1 / (bound + e) + 1 / (1 - bound));
        }
        for (int64_t i = 0; s->gains->gain_grad && i < depths; i++)
            s->gains->gain_grad[i * s->x.n + c] += (float)(sum * ns_softmax_share(column, depths, s->x.n, i, i) *
                                                           ((i > 0 && i <= depth ? 1 : 0) - bound));
    }
}

void ns_tape_lower_bound(ns_band *b, ns_cols x, ns_cols out, const ns_gains *table, int64_t depths, int64_t depth)
{
    ns_tape_note(b, (ns_taped){.back = lower_bound_back, .x = x, .out = out, .gains = table, .n = depths, .kind = (int)depth});
}

/* y = -e^table step:  dstep = -e^table dy,  dtable = the sum of dy y, in f64: it is small beside its terms */
static void log_decay_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x);
    const int64_t each = s->x.n / s->n;
    for (int64_t i = 0; i < s->x.n && b->rc == NS_OK; i++) {
        const double rate = s->gains ? ns_exp((double)s->gains->gain[i / each]) : s->sign;
        double sum = 0;
        for (int64_t r = 0; r < b->rows; r++) {
            const double d = (double)dy[r * s->out.sheet->ld + i];
            dx[r * s->x.sheet->ld + i] += (float)(-rate * d);
            sum += d * (double)ns_cols_at(s->out, r)[i];
        }
        if (s->gains && s->gains->gain_grad)
            s->gains->gain_grad[i / each] += (float)sum;
    }
}

void ns_tape_log_decay(ns_band *b, ns_cols step, ns_cols out, int64_t heads, const ns_gains *table, double rate)
{
    ns_tape_note(b, (ns_taped){.back = log_decay_back, .x = step, .out = out, .n = heads, .gains = table, .sign = rate});
}

/* y = times sigmoid(x):  dx = dy y (1 - y / times) */
static void sigmoid_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x);
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++)
        for (int64_t i = 0; i < s->x.n; i++) {
            const float y = ns_cols_at(s->out, r)[i];
            dx[r * s->x.sheet->ld + i] += dy[r * s->out.sheet->ld + i] * y * (1 - y / s->factor);
        }
}

void ns_tape_sigmoid(ns_band *b, ns_cols x, ns_cols out, float times)
{
    ns_tape_note(b, (ns_taped){.back = sigmoid_back, .x = x, .out = out, .factor = times});
}

/* y = z + D v, head by head:  dz = dy,  dv += D dy,  dD += dy . v */
static void skip_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dz = ns_grad_onto(b, s->x), *const dv = ns_grad_onto(b, s->y);
    const int64_t d = s->x.n / s->n, shared = s->x.n / s->y.n;
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++)
        for (int64_t i = 0; i < s->x.n; i++) {
            const int64_t h = i / d, at = h / shared * d + i % d;
            const float g = dy[r * s->out.sheet->ld + i];
            dz[r * s->x.sheet->ld + i] += g;
            dv[r * s->y.sheet->ld + at] += s->gains->gain[h] * g;
            if (s->gains->gain_grad)
                s->gains->gain_grad[h] += g * ns_cols_at(s->y, r)[at];
        }
}

void ns_tape_skip(ns_band *b, ns_cols z, ns_cols v, ns_cols out, int64_t heads, const ns_gains *D)
{
    ns_tape_note(b, (ns_taped){.back = skip_back, .x = z, .y = v, .out = out, .n = heads, .gains = D});
}
