/* params.c - the table of parameters (names as in a llama checkpoint), their arenas, first values, and the packed forms that products read.
 *
 * Matrices that read the same input lie one after the other (q, k, v, gate of the output; gate, up), so one product makes all of them. */
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [NS_P_NORM] = "input_layernorm", [NS_P_Q] = "self_attn.q_proj", [NS_P_K] = "self_attn.k_proj", [NS_P_V] = "self_attn.v_proj",
    [NS_P_OUT_GATE] = "self_attn.output_gate", [NS_P_O] = "self_attn.o_proj", [NS_P_MIX_NORM] = "self_attn.norm",
    [NS_P_FF_NORM] = "post_attention_layernorm", [NS_P_GATE] = "mlp.gate_proj", [NS_P_UP] = "mlp.up_proj", [NS_P_DOWN] = "mlp.down_proj",
};

static ns_param *add(ns_trainer *t, ns_role role, int64_t layer, int64_t rows, int64_t cols, double sd)
{
    ns_param *const p = &t->params[t->n_params++];
    *p = (ns_param){.role = role, .layer = layer, .rows = rows, .cols = cols, .at = t->n_floats, .sd = sd};
    p->muon = layer >= 0 && cols > 1 && t->config.optimizer == NS_OPTIMIZER_MUON;
    if (layer >= 0)
        snprintf(p->name, sizeof p->name, "model.layers.%lld.%s.weight", (long long)layer, names[role]);
    else
        snprintf(p->name, sizeof p->name, "%s",
                 role == NS_P_EMBED  ? "model.embed_tokens.weight"
                 : role == NS_P_HEAD ? "lm_head.weight"
                                     : "model.norm.weight");
    t->n_floats += rows * cols;
    return p;
}

static double sd_in(const ns_trainer *t, int64_t fan_in)
{
    return t->config.init_in > 0 ? t->config.init_in : 1 / sqrt((double)fan_in);
}

static double sd_out(const ns_trainer *t, int64_t fan_in)
{
    return t->config.init_out > 0 ? t->config.init_out : 1 / sqrt((double)(fan_in * 2 * t->L));
}

static void add_layer(ns_trainer *t, int64_t i)
{
    ns_train_layer *const l = &t->layers[i];
    const int64_t D = t->D, kv = l->kv_heads * t->d, F = t->F;
    const double in = sd_in(t, D);
    l->p[NS_P_NORM] = add(t, NS_P_NORM, i, D, 1, 0);
    l->p[NS_P_Q] = add(t, NS_P_Q, i, t->Z, D, in);
    l->p[NS_P_K] = add(t, NS_P_K, i, kv, D, in);
    l->p[NS_P_V] = add(t, NS_P_V, i, kv, D, in);
    if (l->lightning)
        l->p[NS_P_OUT_GATE] = add(t, NS_P_OUT_GATE, i, t->Z, D, in);
    l->p[NS_P_O] = add(t, NS_P_O, i, D, t->Z, sd_out(t, t->Z));
    if (l->lightning)
        l->p[NS_P_MIX_NORM] = add(t, NS_P_MIX_NORM, i, t->Z, 1, 0);
    l->p[NS_P_FF_NORM] = add(t, NS_P_FF_NORM, i, D, 1, 0);
    if (t->config.mlp == NS_MLP_SWIGLU)
        l->p[NS_P_GATE] = add(t, NS_P_GATE, i, F, D, in);
    l->p[NS_P_UP] = add(t, NS_P_UP, i, F, D, in);
    l->p[NS_P_DOWN] = add(t, NS_P_DOWN, i, D, F, sd_out(t, F));
    l->width = t->Z + 2 * kv + (l->lightning ? t->Z : 0);
    l->in = (ns_train_linear){.n = l->width, .k = D, .at = l->p[NS_P_Q]->at};
    l->o = (ns_train_linear){.n = D, .k = t->Z, .at = l->p[NS_P_O]->at};
    l->up = (ns_train_linear){.n = l->p[NS_P_GATE] ? 2 * F : F, .k = D, .at = l->p[l->p[NS_P_GATE] ? NS_P_GATE : NS_P_UP]->at};
    l->down = (ns_train_linear){.n = D, .k = F, .at = l->p[NS_P_DOWN]->at};
}

static bool read_layers(ns_trainer *t)
{
    const ns_train_config *const c = &t->config;
    t->layers = ns_alloc_array((size_t)t->L, sizeof *t->layers);
    for (int64_t i = 0; t->layers && i < t->L; i++) {
        ns_train_layer *const l = &t->layers[i];
        l->letter = c->pattern[i];
        l->lightning = l->letter == 'G';
        l->window = l->letter == 'S' ? c->window : l->letter == 's' ? 4 : 0;
        l->rotates = ns_train_rotates(c, i);
        l->kv_heads = l->lightning ? t->H : ns_train_kv_heads(c);
    }
    return t->layers != NULL;
}

/* MiniMax: slope_h = 2^(-8 (h + 1) / H) (1 - layer / (L - 1 + 1e-5) + 1e-5) */
static bool make_slopes(ns_trainer *t)
{
    for (int64_t i = 0; i < t->L; i++) {
        ns_train_layer *const l = &t->layers[i];
        if (!l->lightning)
            continue;
        l->slope = ns_alloc_array((size_t)t->H, sizeof *l->slope);
        if (!l->slope)
            return false;
        for (int64_t h = 0; h < t->H; h++)
            l->slope[h] = ns_pow(2, -8.0 * (double)(h + 1) / (double)t->H) * (1 - (double)i / ((double)(t->L - 1) + 1e-5) + 1e-5);
    }
    return true;
}

/* ---- packed forms ---- */

static int64_t packed_floats(const ns_train_linear *l)
{
    return ns_packed_floats(l->n, l->k) + ns_packed_floats(l->k, l->n);
}

static void place(ns_train_linear *l, float **at)
{
    l->rows = *at;
    l->cols = l->rows + ns_packed_floats(l->n, l->k);
    *at += packed_floats(l);
}

static bool place_packed(ns_trainer *t)
{
    int64_t floats = packed_floats(&t->head);
    for (int64_t i = 0; i < t->L; i++) {
        const ns_train_layer *const l = &t->layers[i];
        floats += packed_floats(&l->in) + packed_floats(&l->o) + packed_floats(&l->up) + packed_floats(&l->down);
    }
    float *at = t->packed = ns_alloc_aligned((size_t)floats * sizeof(float));
    if (!at)
        return false;
    place(&t->head, &at);
    for (int64_t i = 0; i < t->L; i++) {
        ns_train_layer *const l = &t->layers[i];
        place(&l->in, &at);
        place(&l->o, &at);
        place(&l->up, &at);
        place(&l->down, &at);
    }
    return true;
}

static void pack(const ns_trainer *t, const ns_train_linear *l)
{
    ns_pack_rows(l->rows, t->w + l->at, l->n, l->k, l->k);
    ns_pack_cols(l->cols, t->w + l->at, l->n, l->k, l->k);
}

void ns_params_pack(ns_trainer *t)
{
    if (!t->stale)
        return;
    t->stale = false;
    pack(t, &t->head);
    for (int64_t i = 0; i < t->L; i++) {
        pack(t, &t->layers[i].in);
        pack(t, &t->layers[i].o);
        pack(t, &t->layers[i].up);
        pack(t, &t->layers[i].down);
    }
}

/* ---- the table ---- */

static void add_all(ns_trainer *t)
{
    t->embed = add(t, NS_P_EMBED, -1, t->V, t->D, t->config.init_embed);
    for (int64_t i = 0; i < t->L; i++)
        add_layer(t, i);
    t->final_norm = add(t, NS_P_FINAL_NORM, -1, t->D, 1, 0);
    const ns_param *const head = t->config.tied ? t->embed : add(t, NS_P_HEAD, -1, t->V, t->D, t->config.init_head);
    t->head = (ns_train_linear){.n = t->V, .k = t->D, .at = head->at};
}

static int64_t largest_matrix(const ns_trainer *t)
{
    int64_t most = 0;
    for (int64_t i = 0; i < t->n_params; i++)
        if (t->params[i].muon && t->params[i].rows * t->params[i].cols > most)
            most = t->params[i].rows * t->params[i].cols;
    return most;
}

int ns_params_new(ns_trainer *t, ns_error *err)
{
    t->params = ns_alloc_array((size_t)(t->L * NS_LAYER_ROLES + 3), sizeof *t->params);
    if (!t->params || !read_layers(t) || !make_slopes(t))
        return ns_oom(err, "the table of parameters");
    add_all(t);
    const size_t n = (size_t)t->n_floats + NS_SLACK;
    t->w = ns_alloc_array(n, sizeof(float));
    t->g = ns_alloc_array(n, sizeof(float));
    t->m = ns_alloc_array(n, sizeof(float));
    t->v = ns_alloc_array(n, sizeof(float));
    t->muon = ns_alloc_array((size_t)(4 * (largest_matrix(t) + NS_SLACK)), sizeof(float));
    if (!t->w || !t->g || !t->m || !t->v || !t->muon || !place_packed(t))
        return ns_oom(err, "parameters and the state of the optimiser");
    return NS_OK;
}

void ns_params_free(ns_trainer *t)
{
    for (int64_t i = 0; t->layers && i < t->L; i++)
        free(t->layers[i].slope);
    free(t->layers);
    free(t->params);
    free(t->w);
    free(t->g);
    free(t->m);
    free(t->v);
    free(t->muon);
    free(t->packed);
}

/* Each parameter has its own stream, by layer and role: what one holds does not depend on the others' sizes. */
void ns_params_init(ns_trainer *t)
{
    for (int64_t i = 0; i < t->n_params; i++) {
        const ns_param *const p = &t->params[i];
        ns_rng rng = ns_rng_seed((uint64_t)t->config.seed, (uint64_t)((p->layer + 1) * 64 + (int64_t)p->role));
        for (int64_t j = 0; j < p->rows * p->cols; j++)
            t->w[p->at + j] = p->cols == 1 ? 1.0f : (float)(p->sd * ns_rng_normal(&rng));
    }
    t->stale = true;
}

ns_param *ns_param_find(const ns_trainer *t, const char *name)
{
    for (int64_t i = 0; i < t->n_params; i++)
        if (strcmp(t->params[i].name, name) == 0)
            return &t->params[i];
    return NULL;
}
