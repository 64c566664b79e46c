/* mixer.c - what mixes positions, forward and back: softmax attention (full, or over a window) and Lightning attention.
 *
 * per head and block of 16 rows, over the keys that the mask allows (multiples of 16):
 *     S = q K^T  ->  P = softmax(S) | S exp(-slope distance)  ->  z = P V        (q is scaled already, as the inference engine scales it)
 *     dP = dz V^T  ->  dS = P (dP - sum P dP) | dP exp(-slope distance)  ->  dq = dS K,  dK += dS^T q,  dV += P^T dz
 * Lightning (Qin et al. 2024; MiniMax-01): q, k, v = silu(W x), S_t = e^-slope S_t-1 + k v^T, z_t = q S_t, here in its unrolled form. */
#include "train/internal.h"

#include <string.h>

typedef struct head {
    const ns_trainer     *t;
    ns_work              *w;
    const ns_train_layer *l;
    const float *q, *k, *v, *dz, *fall;
    float       *z, *pattern, *dq, *dk, *dv;
} head;

typedef struct block { int64_t r0, rows, key0, width, keys; } block;      /* keys: those that exist of `width` */

static block block_at(const head *a, int64_t r0)
{
    block b = {.r0 = r0, .key0 = ns_block_key0(a->l, r0)};
    b.rows = a->w->n - r0 < NS_ROW_BLOCK ? a->w->n - r0 : NS_ROW_BLOCK;
    b.width = r0 + NS_ROW_BLOCK - b.key0;
    b.keys = r0 + b.rows - b.key0;
    return b;
}

/* out[d, padded] = x[n, d]^T; columns from n on are 0. */
static void transpose(const ns_trainer *t, const ns_work *w, float *out, const float *x, int64_t ld)
{
    for (int64_t j0 = 0; j0 < w->padded; j0 += NS_ROW_BLOCK)
        for (int64_t i = 0; i < t->d; i++)
            for (int64_t j = j0; j < j0 + NS_ROW_BLOCK; j++)
                out[i * w->padded + j] = j < w->n ? x[j * ld + i] : 0;
}

/* x[row, key] *= exp(-slope (row - key)); 0 for keys after the row */
static void fall_off(const head *a, const block *b, float *x)
{
    for (int64_t r = 0; r < b->rows; r++, x += b->width)
        a->t->math->mul(x, x, a->fall + a->w->padded - 1 - (b->r0 + r) + b->key0, b->width);
}

/* The engine's pages: a chain of products ends where a page of keys does. */
static void times_v(const head *a, const block *b, const float *p)
{
    const int64_t d = a->t->d;
    for (int64_t k = b->key0, end; k < b->key0 + b->keys; k = end) {
        end = (k / NS_PAGE + 1) * NS_PAGE < b->key0 + b->keys ? (k / NS_PAGE + 1) * NS_PAGE : b->key0 + b->keys;
        a->t->math->gemm_nn(b->rows, d, end - k, p + (k - b->key0), b->width, a->v + k * a->l->width, a->l->width, a->z + b->r0 * a->t->Z,
                            a->t->Z, NS_PAGE, k > b->key0);
    }
}

static void head_forward(const head *a)
{
    const ns_math *const math = a->t->math;
    float *p = a->pattern;
    for (int64_t r0 = 0; r0 < a->w->n; r0 += NS_ROW_BLOCK) {
        const block b = block_at(a, r0);
        math->gemm_nn(b.rows, b.width, a->t->d, a->q + r0 * a->l->width, a->l->width, a->w->kt + b.key0, a->w->padded, p, b.width,
                      NS_GEMM_KB, false);
        if (a->l->lightning)
            fall_off(a, &b, p);
        else
            math->softmax(p, b.width, b.rows, r0, b.key0, b.width, a->l->window);
        times_v(a, &b, p);
        p += a->w->keep ? NS_ROW_BLOCK * b.width : 0;
    }
}

static void head_back(const head *a)
{
    const ns_math *const math = a->t->math;
    const int64_t d = a->t->d, ld = a->l->width, Z = a->t->Z;
    float *const dp = a->w->dp;
    const float *p = a->pattern;
    for (int64_t r0 = 0; r0 < a->w->n; r0 += NS_ROW_BLOCK) {
        const block b = block_at(a, r0);
        const float *const dz = a->dz + r0 * Z;
        math->gemm_nn(b.rows, b.width, d, dz, Z, a->w->vt + b.key0, a->w->padded, dp, b.width, NS_GEMM_KB, false);
        math->gemm_tn(b.keys, d, b.rows, p, b.width, dz, Z, a->dv + b.key0 * ld, ld, NS_GEMM_KB, true);
        if (a->l->lightning)
            fall_off(a, &b, dp);
        else
            math->softmax_back(dp, p, b.rows, b.width);
        math->gemm_nn(b.rows, d, b.keys, dp, b.width, a->k + b.key0 * ld, ld, a->dq + r0 * ld, ld, NS_GEMM_KB, false);
        math->gemm_tn(b.keys, d, b.rows, dp, b.width, a->q + r0 * ld, ld, a->dk + b.key0 * ld, ld, NS_GEMM_KB, true);
        p += NS_ROW_BLOCK * b.width;
    }
}

static int64_t head_pattern(const ns_work *w, const ns_train_layer *l)
{
    int64_t floats = 0;
    for (int64_t r0 = 0; w->keep && r0 < w->n; r0 += NS_ROW_BLOCK)
        floats += NS_ROW_BLOCK * (r0 + NS_ROW_BLOCK - ns_block_key0(l, r0));
    return floats;
}

/* The head's places in the buffers of sequence s. */
static head head_of(const ns_trainer *t, ns_work *w, int64_t layer, int64_t s, int64_t h, int64_t pattern)
{
    const ns_train_layer *const l = &t->layers[layer];
    const int64_t g = h / (t->H / l->kv_heads), row = s * w->n, q = h * t->d, k = t->Z + g * t->d, v = k + l->kv_heads * t->d;
    const ns_saved *const saved = &w->layer[layer];
    const float *const proj = saved->proj + row * l->width;
    head a = {.t = t, .w = w, .l = l, .q = proj + q, .k = proj + k, .v = proj + v, .z = saved->z + row * t->Z + q};
    a.pattern = saved->pattern + (s * t->H + h) * pattern;
    a.fall = l->lightning ? w->fall[layer] + h * 2 * w->padded : NULL;
    if (w->keep) {
        float *const dproj = w->dproj + row * l->width;
        a.dq = dproj + q;
        a.dk = dproj + k;
        a.dv = dproj + v;
        a.dz = w->dz + row * t->Z + q;
    }
    return a;
}

void ns_mixer_forward(const ns_trainer *t, ns_work *w, int64_t layer, int64_t sequences)
{
    const int64_t group = t->H / t->layers[layer].kv_heads, pattern = head_pattern(w, &t->layers[layer]);
    for (int64_t s = 0; s < sequences; s++)
        for (int64_t h = 0; h < t->H; h++) {
            const head a = head_of(t, w, layer, s, h, pattern);
            if (h % group == 0)
                transpose(t, w, w->kt, a.k, a.l->width);
            head_forward(&a);
        }
}

/* dproj's k and v columns begin at 0; blocks and the heads of a group add to them in order. */
void ns_mixer_back(const ns_trainer *t, ns_work *w, int64_t layer, int64_t sequences)
{
    const ns_train_layer *const l = &t->layers[layer];
    const int64_t group = t->H / l->kv_heads, pattern = head_pattern(w, l);
    for (int64_t r = 0; r < sequences * w->n; r++)
        memset(w->dproj + r * l->width + t->Z, 0, (size_t)(2 * l->kv_heads * t->d) * sizeof(float));
    for (int64_t s = 0; s < sequences; s++)
        for (int64_t h = 0; h < t->H; h++) {
            const head a = head_of(t, w, layer, s, h, pattern);
            if (h % group == 0)
                transpose(t, w, w->vt, a.v, l->width);
            head_back(&a);
        }
}
