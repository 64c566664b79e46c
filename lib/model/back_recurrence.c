/* back_recurrence.c - what stands around the scan of a recurrence, on the way back: short convolution, steps and decays, skip. */
#include "model/tape.h"

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
    const float low = (float)s->low, high = (float)s->high;      /* as the way there has them */
    float *const dx = ns_grad_onto(b, s->x);
    for (int64_t i = 0; i < s->x.n && b->rc == NS_OK; i++) {
        double sum = 0;
        for (int64_t r = 0; r < b->rows; r++) {
            const float y = ns_cols_at(s->out, r)[i];
            const double d = (double)dy[r * s->out.sheet->ld + i];
            const double own = y > low && y < high ? d * s->sign * (1 - ns_exp(-(double)y)) : 0;
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
