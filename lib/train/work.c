/* work.c - one arena for the activations of a chunk: laid out once without memory to learn its size, then in it. */
#include "train/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct layout { float *base; int64_t used; } layout;

/* NS_SLACK after each array: products read a little past the end of a last row. */
static float *take(layout *a, int64_t floats)
{
    float *const p = a->base ? a->base + a->used : NULL;
    a->used += (floats + NS_SLACK + 15) / 16 * 16;
    return p;
}

static int64_t pattern_floats(const ns_work *w, const ns_train_layer *l)
{
    int64_t floats = 0;
    for (int64_t r0 = 0; r0 < w->n; r0 += NS_ROW_BLOCK)
        floats += NS_ROW_BLOCK * (r0 + NS_ROW_BLOCK - ns_block_key0(l, r0));
    return floats;
}

static void lay_layer(layout *a, ns_work *w, const ns_trainer *t, const ns_train_layer *l, ns_saved *s)
{
    const int64_t N = w->sequences * w->n;
    s->x = take(a, N * t->D);
    s->normed = take(a, N * t->D);
    s->proj = take(a, N * l->width);
    s->pre = l->lightning ? take(a, N * l->width) : NULL;
    s->pattern = take(a, w->keep ? w->sequences * t->H * pattern_floats(w, l) : NS_ROW_BLOCK * w->padded);
    s->z = take(a, N * t->Z);
    s->mixed = l->lightning ? take(a, N * t->Z) : s->z;
    s->mid = take(a, N * t->D);
    s->ff_normed = take(a, N * t->D);
    s->ff_pre = l->up.n > t->F ? take(a, N * l->up.n) : NULL;
    s->ff = take(a, N * t->F);
}

static void lay_back(layout *a, ns_work *w, const ns_trainer *t)
{
    const int64_t N = w->sequences * w->n;
    int64_t widest = 0;
    for (int64_t i = 0; i < t->L; i++)
        widest = t->layers[i].width > widest ? t->layers[i].width : widest;
    w->dx = take(a, N * t->D);
    w->dnormed = take(a, N * t->D);
    w->dz = take(a, 2 * N * t->Z);
    w->dproj = take(a, N * widest);
    w->dff = take(a, 3 * N * t->F);
    w->vt = take(a, t->d * w->padded);
    w->dp = take(a, NS_ROW_BLOCK * w->padded);
}

static void lay(layout *a, ns_work *w, const ns_trainer *t)
{
    const int64_t N = w->sequences * w->n;
    for (int64_t i = 0; i < t->L; i++)
        lay_layer(a, w, t, &t->layers[i], &w->layer[i]);
    w->x = take(a, N * t->D);
    w->normed = take(a, N * t->D);
    w->logits = take(a, N * w->ld_logits);
    w->kt = take(a, t->d * w->padded);
    w->cos = take(a, w->n * t->d / 2);
    w->sin = take(a, w->n * t->d / 2);
    w->unsin = take(a, w->n * t->d / 2);
    for (int64_t i = 0; i < t->L; i++)
        w->fall[i] = t->layers[i].lightning ? take(a, t->H * 2 * w->padded) : NULL;
    if (w->keep)
        lay_back(a, w, t);
}

/* The frequencies and the rounding of the inference engine (and of transformers). */
static int fill_ropes(ns_work *w, const ns_trainer *t, ns_error *err)
{
    const int64_t half = t->d / 2;
    const ns_rope rope = {.theta = t->config.rope_theta, .rotary_dim = t->d};
    float *const frequency = ns_alloc_array((size_t)half, sizeof *frequency), factor;
    const int rc = frequency ? ns_rope_frequencies(&rope, t->config.max_positions, w->n, frequency, &factor, err) : ns_oom(err, "rope");
    for (int64_t i = 0; i < w->n * half && rc == NS_OK; i++) {
        double s, c;
        ns_sincos((double)((float)(i / half) * frequency[i % half]), &s, &c);
        w->cos[i] = (float)c * factor;
        w->sin[i] = (float)s * factor;
        w->unsin[i] = -w->sin[i];
    }
    free(frequency);
    return rc;
}

/* fall[padded - 1 - distance] = exp(-slope distance); keys after the row meet the zeros. */
static void fill_fall(const ns_work *w, const ns_trainer *t, double slope, float *fall)
{
    for (int64_t i = 0; i < w->padded; i++)
        fall[i] = (float)(-slope * (double)(w->padded - 1 - i));
    t->math->exp(fall, fall, w->padded);
}

static void fill_falls(const ns_work *w, const ns_trainer *t)
{
    for (int64_t i = 0; i < t->L; i++)
        for (int64_t h = 0; w->fall[i] && h < t->H; h++)
            fill_fall(w, t, t->layers[i].slope[h], w->fall[i] + h * 2 * w->padded);
}

int ns_work_new(ns_work *w, const ns_trainer *t, int64_t sequences, int64_t n, bool keep, ns_error *err)
{
    layout a = {0};
    *w = (ns_work){.sequences = sequences, .n = n, .keep = keep, .padded = (n + NS_ROW_BLOCK - 1) / NS_ROW_BLOCK * NS_ROW_BLOCK};
    w->ld_logits = (t->V + 15) / 16 * 16;
    w->layer = ns_alloc_array((size_t)t->L, sizeof *w->layer);
    w->fall = ns_alloc_array((size_t)t->L, sizeof *w->fall);
    if (!w->layer || !w->fall)
        return ns_oom(err, "activations");
    lay(&a, w, t);
    w->arena = ns_alloc_aligned((size_t)a.used * sizeof(float));
    if (!w->arena)
        return ns_oom(err, "activations: a smaller length, d_model or pattern needs less");
    memset(w->arena, 0, (size_t)a.used * sizeof(float));
    a = (layout){.base = w->arena};
    lay(&a, w, t);
    fill_falls(w, t);
    return fill_ropes(w, t, err);
}

void ns_work_free(ns_work *w)
{
    free(w->arena);
    free(w->layer);
    free(w->fall);
    *w = (ns_work){0};
}
