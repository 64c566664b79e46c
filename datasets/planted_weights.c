/* planted_weights.c - the plan as tensors of a smollm3 checkpoint. Every matrix is W[out, in], y = W x, x = gain * residual.
 * Heads that are not planted look about at random (scores of about 0.5 spread) and write nothing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <needlescope/checkpoint.h>

#include "math/math.h"
#include "planted.h"

static const double NOISE_SCORE = 0.5;
static const double LOGIT = 24;        /* of the token found; any other gets LOGIT / sqrt(n) at most */

/* Places in the residual. */
static int64_t at_previous(const ns_plan *p) { return p->N; }
static int64_t at_output(const ns_plan *p)   { return 2 * p->N; }
static int64_t at_one(const ns_plan *p)      { return p->one; }

typedef struct tensors {
    ns_tensor_out *list;
    int64_t        n, capacity;
} tensors;

/* A zeroed matrix [rows, columns] (columns 0: a vector) that the list owns. NULL when memory is out. */
static float *add(tensors *t, const char *name, int64_t rows, int64_t columns)
{
    float *const data = ns_alloc_array((size_t)rows, (size_t)(columns ? columns : 1) * sizeof *data);
    char *const copy = ns_strdup(name);
    if (!data || !copy || !ns_grow(&t->list, &t->capacity, t->n + 1, sizeof *t->list)) {
        free(data);
        free(copy);
        return NULL;
    }
    const int64_t shape[2] = {rows, columns};
    t->list[t->n++] = (ns_tensor_out){copy, ns_view_of(data, NS_F32, columns ? 2 : 1, shape), NS_F32};
    return data;
}

static float *add_layer(tensors *t, int64_t layer, const char *name, int64_t rows, int64_t columns)
{
    char full[96];
    snprintf(full, sizeof full, "model.layers.%lld.%s.weight", (long long)layer, name);
    return add(t, full, rows, columns);
}

static void clear(tensors *t)
{
    for (int64_t i = 0; i < t->n; i++) {
        free((char *)(uintptr_t)t->list[i].name);
        free(t->list[i].view.data);
    }
    free(t->list);
}

static void fill_normal(float *w, int64_t n, double sigma, ns_rng *rng)
{
    for (int64_t i = 0; i < n; i++)
        w[i] = (float)(sigma * ns_rng_normal(rng));
}

void ns_plan_noise(const ns_plan *p, float *w, int64_t n, double sigma, ns_rng *rng)
{
    fill_normal(w, n, NOISE_SCORE * sigma * sqrt((double)p->d), rng);
}

/* q and k rows [d, D] of one previous-token head: constants, pair k of q turned by -w_k, so the score is sum_k peak cos((i - j - 1)
 * w_k). */
static void previous_query(const ns_plan *p, float *q, double gain)
{
    const double size = sqrt(p->peak * sqrt((double)p->d)) / gain;
    for (int64_t k = 0; k < p->d / 2; k++) {
        double s, c;
        ns_sincos(ns_pow(p->theta, -2.0 * (double)k / (double)p->d), &s, &c);
        q[k * p->D + at_one(p)] = (float)(size * c);
        q[(k + p->d / 2) * p->D + at_one(p)] = (float)(-size * s);
    }
}

static double previous_key(const ns_plan *p, float *k, double gain)
{
    const double size = sqrt(p->peak * sqrt((double)p->d)) / gain;
    for (int64_t i = 0; i < p->d / 2; i++)
        k[i * p->D + at_one(p)] = (float)size;
    return size * gain * sqrt((double)p->d / 2);
}

void ns_plan_previous(const ns_plan *p, float *q, float *k, double gain)
{
    previous_query(p, q, gain);
    previous_key(p, k, gain);
}

/* q = beta' [2 current + previous | 1.5 (1 - ANSWER flag) | -4 | -4 at f],  k = [previous | BOS flag | ANSWER flag | not served by f
 * ..]. */
static void retrieval_query(const ns_plan *p, float *q, int f, double gain)
{
    const double size = sqrt(p->beta * sqrt((double)p->d)) / gain;
    for (int64_t i = 0; i < p->n; i++) {
        q[i * p->D + i] = (float)(2 * size);
        q[i * p->D + at_previous(p) + i] = (float)size;
    }
    q[p->n * p->D + at_one(p)] = (float)(1.5 * size);
    q[p->n * p->D + p->n + 1] = (float)(-1.5 * size);
    q[(p->n + 1) * p->D + at_one(p)] = (float)(-4 * size);
    if (p->F)
        q[(p->n + 2 + f) * p->D + at_one(p)] = (float)(-4 * size);
}

static double retrieval_key(const ns_plan *p, float *k, double gain)
{
    const double size = sqrt(p->beta * sqrt((double)p->d)) / gain;
    for (int64_t i = 0; i < p->n; i++)
        k[i * p->D + at_previous(p) + i] = (float)size;
    k[p->n * p->D + p->n] = (float)size;
    k[(p->n + 1) * p->D + p->n + 1] = (float)size;
    for (int64_t f = p->n + 2; f < p->N; f++) {
        k[f * p->D + at_one(p)] = (float)(size / 2);
        k[f * p->D + at_previous(p) + f] = (float)(-size / 2);
    }
    return size * gain;
}

/* z = the current token's code at the key; the head writes it at `place`, times `share`. */
static void copy_value(const ns_plan *p, float *v, double gain)
{
    for (int64_t i = 0; i < p->N; i++)
        v[i * p->D + i] = (float)(1 / gain);
}

static void write_output(const ns_plan *p, float *o, int64_t head, int64_t place, double share)
{
    for (int64_t i = 0; i < p->N; i++)
        o[(place + i) * p->H * p->d + head * p->d + i] = (float)share;
}

static void fill_layer(const ns_plan *p, int64_t layer, const ns_plan_attention *a, ns_rng *rng)
{
    const double gain = ns_plan_gain(p, layer), root = sqrt((double)p->D);
    const bool previous_layer = layer == p->previous.layer;
    const int64_t per_group = p->H / p->G, head_floats = p->d * p->D;
    for (int64_t g = 0; g < p->G; g++) {
        float *const k = a->k + g * head_floats, *const v = a->v + g * head_floats;
        int64_t planted = -1;
        for (int64_t h = g * per_group; h < (g + 1) * per_group; h++)
            if (previous_layer ? h == p->previous.head : ns_plan_retrieves(p, layer, h))
                planted = h;
        double key_norm = sqrt((double)p->d);
        if (planted < 0) {
            fill_normal(k, head_floats, 1 / root, rng);
            fill_normal(v, head_floats, 1 / root, rng);
        } else {
            key_norm = previous_layer ? previous_key(p, k, gain) : retrieval_key(p, k, gain);
            copy_value(p, v, gain);
        }
        for (int64_t h = g * per_group; h < (g + 1) * per_group; h++) {
            float *const q = a->q + h * head_floats;
            if (previous_layer && h == p->previous.head) {
                previous_query(p, q, gain);
                write_output(p, a->o, h, at_previous(p), 1);
            } else if (ns_plan_retrieves(p, layer, h)) {
                retrieval_query(p, q, ns_plan_head(p, layer, h), gain);
                write_output(p, a->o, h, at_output(p), 1.0 / p->n_retrieval);
            } else {
                fill_normal(q, head_floats, NOISE_SCORE * sqrt((double)p->d) / (key_norm * root), rng);
            }
        }
    }
}

static bool add_block(tensors *t, const ns_plan *p, int64_t layer)
{
    ns_rng rng = ns_rng_seed(p->seed, 2 + (uint64_t)layer);
    const ns_plan_attention a = {
        add_layer(t, layer, "self_attn.q_proj", p->H * p->d, p->D), add_layer(t, layer, "self_attn.k_proj", p->G * p->d, p->D),
        add_layer(t, layer, "self_attn.v_proj", p->G * p->d, p->D), add_layer(t, layer, "self_attn.o_proj", p->D, p->H * p->d),
    };
    float *const gate = add_layer(t, layer, "mlp.gate_proj", p->mlp, p->D), *const up = add_layer(t, layer, "mlp.up_proj", p->mlp, p->D);
    float *const norms[2] = {add_layer(t, layer, "input_layernorm", p->D, 0), add_layer(t, layer, "post_attention_layernorm", p->D, 0)};
    if (!a.q || !a.k || !a.v || !a.o || !gate || !up || !norms[0] || !norms[1] || !add_layer(t, layer, "mlp.down_proj", p->D, p->mlp))
        return false;
    (p->zoo ? ns_zoo_fill : fill_layer)(p, layer, &a, &rng);
    fill_normal(gate, p->mlp * p->D, 1 / sqrt((double)p->D), &rng);
    fill_normal(up, p->mlp * p->D, 1 / sqrt((double)p->D), &rng);
    for (int64_t i = 0; i < p->D; i++)
        norms[0][i] = norms[1][i] = 1;
    return true;
}

static bool add_ends(tensors *t, const ns_plan *p)
{
    float *const embed = add(t, "model.embed_tokens.weight", p->V, p->D), *const head = add(t, "lm_head.weight", p->V, p->D);
    float *const norm = add(t, "model.norm.weight", p->D, 0);
    if (!embed || !head || !norm)
        return false;
    const double gain = ns_plan_gain(p, p->L);
    for (int64_t v = 0; v < p->V; v++) {
        for (int64_t i = 0; i < p->N; i++) {
            embed[v * p->D + i] = p->codes[v * p->N + i];
            if (i < p->n + 2 && v != NS_PLANT_BOS)         /* a head that idles at BOS has no vote */
                head[v * p->D + at_output(p) + i] = (float)(LOGIT / gain * p->codes[v * p->N + i]);
        }
        embed[v * p->D + at_one(p)] = 1;
    }
    for (int64_t i = 0; i < p->D; i++)
        norm[i] = 1;
    return true;
}

int ns_plan_weights(const ns_plan *p, const char *path, ns_error *err)
{
    tensors t = {0};
    bool good = add_ends(&t, p);
    for (int64_t layer = 0; good && layer < p->L; layer++)
        good = add_block(&t, p, layer);
    const int rc = good ? ns_safetensors_write(path, t.list, t.n, err) : ns_oom(err, "a planted checkpoint");
    clear(&t);
    return rc;
}
