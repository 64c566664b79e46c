/* backward.c - the pass back through a chunk: from the derivatives of the logits to gradients that are added to those of earlier chunks.
 *
 * dx runs along the residual stream; each branch adds what its norm gives back. Nothing is recomputed but the activation functions. */
#include "train/internal.h"

#include <math.h>
#include <string.h>

void ns_linear_back(const ns_trainer *t, const ns_train_linear *l, int64_t N, const float *x, const float *dy, int64_t ldy, float *dx)
{
    t->math->gemm_tn(l->n, l->k, N, dy, ldy, x, l->k, t->g + l->at, l->k, NS_GRADIENT_KB, true);
    t->math->gemm(N, l->k, l->n, dy, ldy, l->cols, l->n * NS_PANEL, dx, l->k, NS_GEMM_KB, false);
}

/* dx += what the norm gives back for dy, row by row */
static void norm_back(const ns_trainer *t, const ns_param *gain, int64_t N, int64_t width, const float *x, const float *dy, float *dx)
{
    for (int64_t r = 0; r < N; r++)
        t->math->rms_norm_back(dx + r * width, t->g + gain->at, x + r * width, dy + r * width, width, (float)t->config.rms_eps,
                               t->w + gain->at);
}

/* dff [N, F] becomes [N, 2F] at `both`: dgate = dy up silu'(gate), dup = dy silu(gate) */
static void swiglu_back(const ns_trainer *t, const ns_saved *s, int64_t N, const float *dy, float *both)
{
    const int64_t F = t->F;
    for (int64_t r = 0; r < N; r++, dy += F, both += 2 * F) {
        const float *const gate = s->ff_pre + r * 2 * F, *const up = gate + F;
        t->math->mul(both, dy, up, F);
        t->math->silu_back(both, gate, F);
        t->math->act(both + F, gate, F, NS_ACT_SILU);
        t->math->mul(both + F, both + F, dy, F);
    }
}

static void mlp_back(const ns_trainer *t, const ns_work *w, int64_t layer, int64_t N)
{
    const ns_train_layer *const l = &t->layers[layer];
    const ns_saved *const s = &w->layer[layer];
    float *dup = w->dff;
    ns_linear_back(t, &l->down, N, s->ff, w->dx, t->D, w->dff);
    if (s->ff_pre) {
        dup = w->dff + N * t->F;
        swiglu_back(t, s, N, w->dff, dup);
    } else {
        t->math->relu_back(w->dff, s->ff, N * t->F);
    }
    ns_linear_back(t, &l->up, N, s->ff_normed, dup, l->up.n, w->dnormed);
    norm_back(t, l->p[NS_P_FF_NORM], N, t->D, s->mid, w->dnormed, w->dx);
}

/* dz holds the derivative of `mixed`; afterwards that of z, and dproj's gate columns that of the gate before its sigmoid. */
static void gate_back(const ns_trainer *t, const ns_work *w, const ns_train_layer *l, const ns_saved *s, int64_t N)
{
    const int64_t Z = t->Z;
    float *const dmixed = w->dz + N * Z;
    memcpy(dmixed, w->dz, (size_t)(N * Z) * sizeof(float));
    memset(w->dz, 0, (size_t)(N * Z) * sizeof(float));
    for (int64_t r = 0; r < N; r++) {
        const float *const gate = s->proj + r * l->width + 3 * Z, *const mixed = s->mixed + r * Z;
        float *const dgate = w->dproj + r * l->width + 3 * Z, *const dn = dmixed + r * Z;
        for (int64_t i = 0; i < Z; i++)
            dgate[i] = dn[i] * mixed[i] * (1 - gate[i]);                    /* mixed = n s:  d n s (1 - s) */
        t->math->mul(dn, dn, gate, Z);
    }
    norm_back(t, l->p[NS_P_MIX_NORM], N, Z, s->z, dmixed, w->dz);
}

static void heads_back(const ns_trainer *t, const ns_work *w, const ns_train_layer *l, int64_t N)
{
    const int64_t heads = t->H + l->kv_heads, half = t->d / 2;
    const float scale = (float)(1 / sqrt((double)t->d));
    float *dproj = w->dproj;
    for (int64_t r = 0; r < N; r++, dproj += l->width) {
        const int64_t at = r % w->n * half;
        t->math->scale(dproj, t->Z, scale);
        for (int64_t h = 0; l->rotates && h < heads; h++)
            t->math->rope(dproj + h * t->d, t->d, w->cos + at, w->unsin + at, false);
    }
}

static void attention_back(const ns_trainer *t, ns_work *w, int64_t layer, int64_t sequences)
{
    const ns_train_layer *const l = &t->layers[layer];
    const ns_saved *const s = &w->layer[layer];
    const int64_t N = sequences * w->n;
    ns_linear_back(t, &l->o, N, s->mixed, w->dx, t->D, w->dz);
    if (l->lightning)
        gate_back(t, w, l, s, N);
    ns_mixer_back(t, w, layer, sequences);
    if (l->lightning)
        for (int64_t r = 0; r < N; r++)
            t->math->silu_back(w->dproj + r * l->width, s->pre + r * l->width, 3 * t->Z);
    else
        heads_back(t, w, l, N);
    ns_linear_back(t, &l->in, N, s->normed, w->dproj, l->width, w->dnormed);
    norm_back(t, l->p[NS_P_NORM], N, t->D, s->x, w->dnormed, w->dx);
}

static void embed_back(const ns_trainer *t, const ns_work *w, const int32_t *tokens, int64_t sequences, int64_t T)
{
    const float *dx = w->dx;
    for (int64_t s = 0; s < sequences; s++)
        for (int64_t i = 0; i < w->n; i++, dx += t->D) {
            float *const row = t->g + t->embed->at + tokens[s * T + i] * t->D;
            t->math->add(row, row, dx, t->D);
        }
}

void ns_train_backward(ns_trainer *t, ns_work *w, const int32_t *tokens, int64_t sequences, int64_t T)
{
    const int64_t N = sequences * w->n;
    ns_linear_back(t, &t->head, N, w->normed, w->logits, w->ld_logits, w->dnormed);
    memset(w->dx, 0, (size_t)(N * t->D) * sizeof(float));
    norm_back(t, t->final_norm, N, t->D, w->x, w->dnormed, w->dx);
    for (int64_t i = t->L - 1; i >= 0; i--) {
        mlp_back(t, w, i, N);
        attention_back(t, w, i, sequences);
    }
    embed_back(t, w, tokens, sequences, T);
}
