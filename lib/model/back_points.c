/* back_points.c - points on the way back: seeds are put in, hooks read derivatives. */
#include <needlescope/backward.h>

#include "model/tape.h"

int64_t ns_pass_place(const ns_arch *arch, ns_point point, int64_t layer)
{
    const bool final = point == NS_POINT_LN_FINAL || point == NS_POINT_LOGITS;
    return (final ? arch->n_layers : layer) * NS_N_POINTS + point;
}

bool ns_tape_wants(const ns_band *b, ns_point point)
{
    const ns_watch *const w = b->tape->watch;
    return w && ns_pass_place(b->p->arch, point, b->layer) <= w->last && ns_hooks_any(b->p->hooks, point, b->layer);
}

bool ns_tape_watches(const ns_band *b, ns_point point)
{
    const ns_watch *const w = b->tape->watch;
    bool any = ns_tape_wants(b, point);
    for (int64_t i = 0; w && i < w->n_seeds; i++)
        any |= w->seeds[i].point == point && w->seeds[i].layer == b->layer;
    return any;
}

int ns_seed_add(const ns_pass *p, ns_placed_seed *placed, float *grad, int64_t ld, int64_t width, int64_t row0)
{
    const ns_seed *const s = placed->seed;
    if (s->width != width)
        return ns_fail(p->err, NS_E_ARG, "seed '%s': %lld numbers a row, the point has %lld", s->at, (long long)s->width, (long long)width);
    for (int64_t r = 0; r < s->n_rows; r++)
        p->math->add(grad + (s->row0 - row0 + r) * ld, grad + (s->row0 - row0 + r) * ld, s->values + r * width, width);
    placed->used = true;
    return NS_OK;
}

static void show_back(ns_band *b, const ns_taped *s)
{
    const ns_watch *const w = b->tape->watch;
    const ns_point point = (ns_point)s->kind;
    const int64_t ld = s->x.sheet->ld, heads = s->n, begin = b->members[0].begin;
    float *const g = ns_grad_onto(b, s->x);
    for (int64_t i = 0; i < w->n_seeds && b->rc == NS_OK; i++)
        if (w->seeds[i].point == point && w->seeds[i].layer == b->layer)
            b->rc = ns_seed_add(b->p, &w->seeds[i], g, ld, s->x.n, begin);
    if (b->rc != NS_OK || !ns_tape_wants(b, point))
        return;
    ns_view v = heads ? ns_view_of(g, NS_F32, 3, (int64_t[]){b->rows, heads, s->x.n / heads})
                      : ns_view_of(g, NS_F32, 2, (int64_t[]){b->rows, s->x.n});
    v.stride[0] = ld;
    b->rc = ns_deliver(b->p, 0, point, b->layer, begin, &v, heads ? s->branch : NULL, 0);
}

void ns_tape_show(ns_band *b, ns_point point, ns_cols x, int64_t heads)
{
    if (x.sheet && ns_tape_watches(b, point))
        ns_tape_note(b, (ns_taped){.back = show_back, .x = x, .out = x, .n = heads, .kind = (int)point, .branch = b->branch,
                                   .always = true, .unread = NS_OF_X | NS_OF_OUT});
}

/* ---- x_hat apart from its gain ---- */

static void affine_back(ns_band *b, const ns_taped *s)
{
    const float *const dy = ns_grad_of(b, s->out);
    float *const dx = ns_grad_onto(b, s->x);
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++)
        for (int64_t i = 0; i < s->x.n; i++)
            dx[r * s->x.sheet->ld + i] += dy[r * s->out.sheet->ld + i] * (s->gains->gain ? s->norm->offset + s->gains->gain[i] : 1);
}

ns_cols ns_tape_hat(ns_band *b, ns_cols x, const ns_norm *norm, const ns_gains *gains, ns_point point)
{
    static const ns_gains none = {0};
    if (!ns_tape_watches(b, point))
        return ns_band_normed(b, x, ns_band_new(b, x.n), 1, norm, gains);
    const ns_cols hat = ns_band_normed(b, x, ns_band_new(b, x.n), 1, norm, &none), out = ns_band_new(b, x.n);
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_tape_show(b, point, hat, 0);
    for (int64_t r = 0; r < b->rows; r++)
        b->p->math->affine(ns_cols_at(out, r), ns_cols_at(hat, r), x.n, gains->gain, norm->offset, gains->bias);
    ns_tape_note(b, (ns_taped){.back = affine_back, .x = hat, .out = out, .norm = norm, .gains = gains,
                               .unread = NS_OF_X | NS_OF_OUT});
    return out;
}
