/* forward.c - the pass of a chunk, keeping what the backward pass needs. Every step has the bits of the inference engine's.
 *
 * x = embed[token];  for each layer:  x += W_O mix(rope(q), rope(k), v of rms x);  x += down(act(up rms x));  logits = head rms x */
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void ns_linear_forward(const ns_trainer *t, const ns_train_linear *l, int64_t N, const float *x, float *y, int64_t ldy)
{
    t->math->gemm(N, l->n, l->k, x, l->k, l->rows, l->k * NS_PANEL, y, ldy, NS_GEMM_KB, false);
}

static void norm_rows(const ns_trainer *t, const ns_param *gain, int64_t N, int64_t width, const float *x, float *out)
{
    for (int64_t r = 0; r < N; r++)
        t->math->rms_norm(out + r * width, x + r * width, width, (float)t->config.rms_eps, t->w + gain->at, 0);
}

static void embed(const ns_trainer *t, const ns_work *w, const int32_t *tokens, int64_t sequences, int64_t T, float *x)
{
    for (int64_t s = 0; s < sequences; s++)
        for (int64_t i = 0; i < w->n; i++, x += t->D)
            memcpy(x, t->w + t->embed->at + tokens[s * T + i] * t->D, (size_t)t->D * sizeof *x);
}

/* q and k rotate; q is scaled. */
static void prepare_heads(const ns_trainer *t, const ns_work *w, const ns_train_layer *l, float *proj, int64_t N)
{
    const int64_t heads = t->H + l->kv_heads, half = t->d / 2;
    const float scale = (float)(1 / sqrt((double)t->d));
    for (int64_t r = 0; r < N; r++, proj += l->width) {
        const int64_t at = r % w->n * half;
        for (int64_t h = 0; l->rotates && h < heads; h++)
            t->math->rope(proj + h * t->d, t->d, w->cos + at, w->sin + at, false);
        t->math->scale(proj, t->Z, scale);
    }
}

static void prepare_lightning(const ns_trainer *t, const ns_train_layer *l, const ns_saved *s, int64_t N)
{
    memcpy(s->pre, s->proj, (size_t)(N * l->width) * sizeof(float));
    for (int64_t r = 0; r < N; r++)
        t->math->act(s->proj + r * l->width, s->proj + r * l->width, 3 * t->Z, NS_ACT_SILU);
}

/* mixed = sigmoid(gate) rms(z) */
static void gate_output(const ns_trainer *t, const ns_train_layer *l, const ns_saved *s, int64_t N)
{
    norm_rows(t, l->p[NS_P_MIX_NORM], N, t->Z, s->z, s->mixed);
    for (int64_t r = 0; r < N; r++) {
        float *const gate = s->proj + r * l->width + 3 * t->Z, *const mixed = s->mixed + r * t->Z;
        t->math->sigmoid(gate, gate, t->Z);
        t->math->mul(mixed, mixed, gate, t->Z);
    }
}

static void attention_stage(const ns_trainer *t, ns_work *w, int64_t layer, int64_t sequences)
{
    const ns_train_layer *const l = &t->layers[layer];
    const ns_saved *const s = &w->layer[layer];
    const int64_t N = sequences * w->n;
    norm_rows(t, l->p[NS_P_NORM], N, t->D, s->x, s->normed);
    ns_linear_forward(t, &l->in, N, s->normed, s->proj, l->width);
    if (l->lightning)
        prepare_lightning(t, l, s, N);
    else
        prepare_heads(t, w, l, s->proj, N);
    ns_mixer_forward(t, w, layer, sequences);
    if (l->lightning)
        gate_output(t, l, s, N);
    ns_linear_forward(t, &l->o, N, s->mixed, s->mid, t->D);
    t->math->add(s->mid, s->x, s->mid, N * t->D);
}

static void mlp_stage(const ns_trainer *t, const ns_work *w, int64_t layer, int64_t N, float *out)
{
    const ns_train_layer *const l = &t->layers[layer];
    const ns_saved *const s = &w->layer[layer];
    const int64_t F = t->F;
    norm_rows(t, l->p[NS_P_FF_NORM], N, t->D, s->mid, s->ff_normed);
    if (s->ff_pre) {
        ns_linear_forward(t, &l->up, N, s->ff_normed, s->ff_pre, 2 * F);
        for (int64_t r = 0; r < N; r++) {
            t->math->act(s->ff + r * F, s->ff_pre + r * 2 * F, F, NS_ACT_SILU);
            t->math->mul(s->ff + r * F, s->ff + r * F, s->ff_pre + r * 2 * F + F, F);
        }
    } else {
        ns_linear_forward(t, &l->up, N, s->ff_normed, s->ff, F);
        t->math->act(s->ff, s->ff, N * F, NS_ACT_RELU);
    }
    ns_linear_forward(t, &l->down, N, s->ff, out, t->D);
    t->math->add(out, s->mid, out, N * t->D);
}

void ns_train_forward(const ns_trainer *t, ns_work *w, const int32_t *tokens, int64_t sequences, int64_t T)
{
    const int64_t N = sequences * w->n;
    embed(t, w, tokens, sequences, T, w->layer[0].x);
    for (int64_t i = 0; i < t->L; i++) {
        attention_stage(t, w, i, sequences);
        mlp_stage(t, w, i, N, i + 1 < t->L ? w->layer[i + 1].x : w->x);
    }
    norm_rows(t, t->final_norm, N, t->D, w->x, w->normed);
    ns_linear_forward(t, &t->head, N, w->normed, w->logits, w->ld_logits);
}

bool ns_train_find_broken(const ns_trainer *t, const ns_work *w, int64_t sequences, char *text, size_t size)
{
    const int64_t n = sequences * w->n * t->D;
    if (!t->math->all_finite(w->layer[0].x, n))
        return snprintf(text, size, "the embedding"), true;
    for (int64_t i = 0; i < t->L; i++) {
        if (!t->math->all_finite(w->layer[i].mid, n))
            return snprintf(text, size, "layer %lld, attention", (long long)i), true;
        if (!t->math->all_finite(i + 1 < t->L ? w->layer[i + 1].x : w->x, n))
            return snprintf(text, size, "layer %lld, MLP", (long long)i), true;
    }
    return snprintf(text, size, "the logits"), true;
}
