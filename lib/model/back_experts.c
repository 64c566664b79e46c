/* back_experts.c - mixtures of experts on the way back: shares to rows and weights, weights to the router's logits. Which experts a row
 * chose does not move. */
#include "model/tape.h"

#include <string.h>

/* ---- rows of an expert ---- */

static double dot(const float *x, const float *y, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

/* The weight of the row's choice of this expert takes its derivative. */
static void to_weight(const ns_taped *s, float *dchoices, int64_t row, float d)
{
    const float *const id = ns_cols_at(s->z, row);
    for (int64_t i = 0; i < s->router->top_k; i++)
        if (id[i] == (float)s->n)
            dchoices[row * s->z.sheet->ld + s->router->top_k + i] += d;
}

/* to = from [of the row] * weight */
static void gather_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x), *const dchoices = s->factor != 0 ? ns_grad_onto(b, s->z) : NULL;
    for (int64_t i = 0; i < s->rows && b->rc == NS_OK; i++) {
        const int64_t row = s->shares[i].row;
        const float *const d = dy + i * s->out.sheet->ld;
        b->p->math->axpy(dx + row * s->x.sheet->ld, d, s->x.n, dchoices ? s->shares[i].weight : 1);
        if (dchoices)
            to_weight(s, dchoices, row, (float)dot(d, ns_cols_at(s->x, row), s->x.n));
    }
}

void ns_tape_gather(ns_band *expert, ns_cols from, ns_cols to, ns_cols choices, const ns_router *r, int64_t number, const ns_share *shares,
                    bool weigh)
{
    ns_tape_note(expert, (ns_taped){.back = gather_back, .x = from, .z = choices, .out = to, .n = number, .router = r, .shares = shares,
                                    .factor = weigh});
}

/* to [of the row] += from * weight; other experts have their part of `to`, too */
static void scatter_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x), *const dchoices = s->factor != 0 ? ns_grad_onto(b, s->z) : NULL;
    for (int64_t i = 0; i < s->rows && b->rc == NS_OK; i++) {
        const int64_t row = s->shares[i].row;
        const float *const d = dy + row * s->out.sheet->ld;
        b->p->math->axpy(dx + i * s->x.sheet->ld, d, s->x.n, dchoices ? s->shares[i].weight : 1);
        if (dchoices)
            to_weight(s, dchoices, row, (float)dot(d, ns_cols_at(s->x, i), s->x.n));
    }
}

void ns_tape_scatter(ns_band *expert, ns_cols from, ns_cols to, ns_cols choices, const ns_router *r, int64_t number,
                     const ns_share *shares, bool weigh)
{
    ns_tape_note(expert, (ns_taped){.back = scatter_back, .x = from, .z = choices, .out = to, .n = number, .router = r, .shares = shares,
                                    .factor = weigh, .more = true});
}

/* ---- the router ---- */

enum { MOST_CHOICES = 256 };

/* d by the weights as they were before their sum divided them; weight: afterwards, without the scale. */
static void normalise_back(const float *weight, float *d, double sum, int64_t k)
{
    const double mean = dot(weight, d, k);
    for (int64_t i = 0; i < k; i++)
        d[i] = (float)(((double)d[i] - mean) / sum);
}

/* The chosen scores: of SOFTMAX_CHOSEN their softmax. */
static void chosen(const ns_taped *s, const ns_math *math, const float *id, const float *score, float *u)
{
    const int64_t k = s->router->top_k;
    for (int64_t i = 0; i < k; i++)
        u[i] = score[(int64_t)id[i]];
    if (s->router->routing != NS_ROUTING_SOFTMAX_CHOSEN)
        return;
    const float top = math->max(u, k);
    double sum = 0;
    for (int64_t i = 0; i < k; i++)
        u[i] -= top;
    math->exp(u, u, k);
    for (int64_t i = 0; i < k; i++)
        sum += (double)u[i];
    for (int64_t i = 0; i < k; i++)
        u[i] = (float)((double)u[i] / sum);
}

/* du by the chosen scores to the logits. */
static void score_back(const ns_router *r, const float *id, const float *score, const float *u, const float *du, float *dlogits)
{
    const double mean = dot(u, du, r->top_k);
    for (int64_t e = 0; e < r->n_experts && r->routing == NS_ROUTING_SOFTMAX; e++)
        dlogits[e] -= (float)((double)score[e] * mean);
    for (int64_t i = 0; i < r->top_k; i++) {
        const double base = r->routing == NS_ROUTING_SOFTMAX_CHOSEN ? mean : 0;
        const double slope = r->routing == NS_ROUTING_SIGMOID ? (double)u[i] * (1 - (double)u[i]) : (double)u[i];
        dlogits[(int64_t)id[i]] += (float)(slope * ((double)du[i] - base));
    }
}

static void route_back(ns_band *b, const ns_taped *s)
{
    const ns_router *const r = s->router;
    const int64_t k = r->top_k, ld = s->out.sheet->ld;
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x);
    for (int64_t row = 0; row < b->rows && b->rc == NS_OK; row++) {
        const float *const id = ns_cols_at(s->out, row), *const score = ns_cols_at(s->y, row);
        float u[MOST_CHOICES], d[MOST_CHOICES], weight[MOST_CHOICES];
        double sum = 0;
        chosen(s, b->p->math, id, score, u);
        for (int64_t i = 0; i < k; i++)
            sum += (double)u[i];
        for (int64_t i = 0; i < k; i++) {
            d[i] = dy[row * ld + k + i] * r->scale;
            weight[i] = (float)((double)u[i] / sum);
        }
        if (r->normalise)
            normalise_back(weight, d, sum, k);
        score_back(r, id, score, u, d, dx + row * s->x.sheet->ld);
    }
}

void ns_tape_route(ns_band *b, const ns_router *r, ns_cols logits, ns_cols score, ns_cols choices)
{
    if (r->top_k > MOST_CHOICES)
        ns_tape_lacks(b, "a choice of more than 256 experts");
    ns_tape_note(b, (ns_taped){.back = route_back, .x = logits, .y = score, .out = choices, .router = r});
}

/* ---- bounds, and a switch of the whole row ---- */

/* Both in place: what stands at a limit was cut there. */
static void bound_back(ns_band *b, const ns_taped *s)
{
    float *const dgate = ns_grad_of(b, s->x), *const dup = ns_grad_of(b, s->y);
    for (int64_t r = 0; r < b->rows && s->factor > 0; r++)
        for (int64_t i = 0; i < s->x.n; i++) {
            const double up = (double)ns_cols_at(s->y, r)[i] - s->sign;
            if (ns_cols_at(s->x, r)[i] >= s->factor)
                dgate[r * s->x.sheet->ld + i] = 0;
            if (up >= (double)s->factor || up <= -(double)s->factor)
                dup[r * s->y.sheet->ld + i] = 0;
        }
}

void ns_tape_bound(ns_band *b, ns_cols gate, ns_cols up, float limit, float offset)
{
    ns_tape_note(b, (ns_taped){.back = bound_back, .x = gate, .y = up, .out = gate, .factor = limit, .sign = (double)offset});
}

/* x <- x sigmoid(y), where y's column now holds the sigmoid:  dx = dy sigmoid,  dy = (dy . out) (1 - sigmoid) */
static void switch_back(ns_band *b, const ns_taped *s)
{
    float *const dx = ns_grad_of(b, s->x), *const dy = ns_grad_onto(b, s->y);
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++) {
        const float gate = *ns_cols_at(s->y, r);
        float *const d = dx + r * s->x.sheet->ld;
        dy[r * s->y.sheet->ld] += (float)dot(d, ns_cols_at(s->x, r), s->x.n) * (1 - gate);
        b->p->math->scale(d, s->x.n, gate);
    }
}

void ns_tape_switch(ns_band *b, ns_cols x, ns_cols y)
{
    ns_tape_note(b, (ns_taped){.back = switch_back, .x = x, .y = y, .out = x});
}
