/* arch.c - the description as plain data: freeing, small questions, the walk over all weights, and the check of its shape.
 *
 * ns_arch_each is the one list of weights: freeing, renaming, validation and the comparison with a file all walk it. */
#include "model/families/family.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- words of the JSON form ---- */
const ns_word ns_words_norm[] = {{"none", NS_NORM_NONE}, {"rms", NS_NORM_RMS}, {"layer", NS_NORM_LAYER}, {NULL, 0}};
const ns_word ns_words_layout[] = {{"half", NS_ROPE_HALF}, {"interleaved", NS_ROPE_INTERLEAVED}, {NULL, 0}};
const ns_word ns_words_scaling[] = {
    {"default", NS_ROPE_DEFAULT}, {"linear", NS_ROPE_LINEAR}, {"dynamic", NS_ROPE_DYNAMIC},
    {"llama3", NS_ROPE_LLAMA3}, {"yarn", NS_ROPE_YARN}, {"longrope", NS_ROPE_LONGROPE}, {NULL, 0},
};
const ns_word ns_words_qk_norm[] = {{"none", NS_QK_NONE}, {"per_head", NS_QK_PER_HEAD}, {"full", NS_QK_FULL}, {NULL, 0}};
const ns_word ns_words_act[] = {
    {"silu", NS_ACT_SILU}, {"gelu", NS_ACT_GELU}, {"gelu_tanh", NS_ACT_GELU_TANH},
    {"relu", NS_ACT_RELU}, {"relu2", NS_ACT_RELU2}, {NULL, 0},
};
const ns_word ns_words_mixer[] = {{"softmax", NS_MIXER_SOFTMAX}, {"lightning", NS_MIXER_LIGHTNING}, {NULL, 0}};
const ns_word ns_words_kind[] = {{"attn", NS_BRANCH_ATTN}, {"ffn", NS_BRANCH_FFN}, {NULL, 0}};

const char *ns_word_name(const ns_word *words, int value)
{
    for (; words->name; words++)
        if (words->value == value)
            return words->name;
    return "?";
}

bool ns_word_find(const ns_word *words, const char *name, int *value)
{
    for (; words->name; words++)
        if (strcmp(words->name, name) == 0) {
            *value = words->value;
            return true;
        }
    return false;
}

/* ---- the walk ---- */
typedef struct walk { ns_slot_fn fn; void *user; ns_error *err; int64_t layer; } walk;

static int visit(const walk *w, ns_tref *t, const char *role, const char *sizes, int64_t n_out, int64_t n_in, bool required)
{
    const ns_slot slot = {.tref = t, .role = role, .sizes = sizes, .layer = w->layer, .n_out = n_out, .n_in = n_in, .required = required};
    return w->fn(w->user, &slot, w->err);
}

static int visit_vector(const walk *w, ns_tref *t, const char *role, const char *sizes, int64_t n)
{
    const ns_slot slot = {.tref = t, .role = role, .sizes = sizes, .layer = w->layer, .n_out = n, .n_in = 1, .vector = true};
    return w->fn(w->user, &slot, w->err);
}

static int visit_norm(const walk *w, ns_norm *n, const char *weight, const char *bias, const char *sizes, int64_t size)
{
    const int rc = visit_vector(w, &n->weight, weight, sizes, size);
    return rc ? rc : visit_vector(w, &n->bias, bias, sizes, size);
}

static int visit_attn(const walk *w, ns_attn *a, int64_t D)
{
    static const char *const q_sizes = "num_attention_heads x head_dim, hidden_size";
    static const char *const kv_sizes = "num_key_value_heads x head_dim, hidden_size";
    const int64_t q = a->n_heads * a->head_dim, kv = a->n_kv_heads * a->head_dim;
    const bool full = a->qk_norm == NS_QK_FULL;
    int rc;
    if ((rc = visit(w, &a->q, "attn.q", q_sizes, q, D, true)) || (rc = visit_vector(w, &a->q_bias, "attn.q_bias", q_sizes, q)) ||
        (rc = visit(w, &a->k, "attn.k", kv_sizes, kv, D, true)) || (rc = visit_vector(w, &a->k_bias, "attn.k_bias", kv_sizes, kv)) ||
        (rc = visit(w, &a->v, "attn.v", kv_sizes, kv, D, true)) || (rc = visit_vector(w, &a->v_bias, "attn.v_bias", kv_sizes, kv)) ||
        (rc = visit(w, &a->o, "attn.o", "hidden_size, num_attention_heads x head_dim", D, q, true)) ||
        (rc = visit_vector(w, &a->o_bias, "attn.o_bias", "hidden_size", D)) ||
        (rc = visit_norm(w, &a->q_norm, "attn.q_norm.weight", "attn.q_norm.bias", full ? "num_attention_heads x head_dim" : "head_dim",
                         full ? q : a->head_dim)) ||
        (rc = visit_norm(w, &a->k_norm, "attn.k_norm.weight", "attn.k_norm.bias", full ? "num_key_value_heads x head_dim" : "head_dim",
                         full ? kv : a->head_dim)) ||
        (rc = visit(w, &a->z_gate, "attn.z_gate", q_sizes, q, D, false)) ||
        (rc = visit_norm(w, &a->z_norm, "attn.z_norm.weight", "attn.z_norm.bias", "num_attention_heads x head_dim", q)))
        return rc;
    return NS_OK;
}

static int visit_ffn(const walk *w, ns_ffn *f, int64_t D)
{
    static const char *const in = "intermediate_size, hidden_size", *const out = "hidden_size, intermediate_size";
    int rc;
    if ((rc = visit(w, &f->gate, "ffn.gate", in, f->d_ff, D, false)) ||
        (rc = visit_vector(w, &f->gate_bias, "ffn.gate_bias", in, f->d_ff)) || (rc = visit(w, &f->up, "ffn.up", in, f->d_ff, D, true)) ||
        (rc = visit_vector(w, &f->up_bias, "ffn.up_bias", in, f->d_ff)) ||
        (rc = visit(w, &f->down, "ffn.down", out, D, f->d_ff, true)) ||
        (rc = visit_vector(w, &f->down_bias, "ffn.down_bias", "hidden_size", D)))
        return rc;
    return NS_OK;
}

static int visit_branch(const walk *w, ns_branch *b, int64_t D)
{
    int rc = visit_norm(w, &b->in_norm, "in_norm.weight", "in_norm.bias", "hidden_size", D);
    if (rc == NS_OK)
        rc = b->kind == NS_BRANCH_ATTN ? visit_attn(w, &b->attn, D) : visit_ffn(w, &b->ffn, D);
    return rc ? rc : visit_norm(w, &b->out_norm, "out_norm.weight", "out_norm.bias", "hidden_size", D);
}

int ns_arch_each(ns_arch *a, ns_slot_fn fn, void *user, ns_error *err)
{
    walk w = {.fn = fn, .user = user, .err = err, .layer = -1};
    const int64_t D = a->d_model;
    int rc;
    if ((rc = visit(&w, &a->embed, "embed", "vocab_size, hidden_size", a->vocab, D, true)) ||
        (rc = visit(&w, &a->positions, "positions", "max_position_embeddings, hidden_size", a->max_positions + a->position_offset, D,
                    false)))
        return rc;
    for (w.layer = 0; a->layers && w.layer < a->n_layers; w.layer++) {
        ns_layer *const layer = &a->layers[w.layer];
        for (int s = 0; s < layer->n_stages; s++)
            for (int b = 0; b < layer->stages[s].n_branches; b++)
                if ((rc = visit_branch(&w, &layer->stages[s].branches[b], D)))
                    return rc;
    }
    w.layer = -1;
    if ((rc = visit_norm(&w, &a->final_norm, "final_norm.weight", "final_norm.bias", "hidden_size", D)) ||
        (rc = visit(&w, &a->head, "head", "vocab_size, hidden_size", a->vocab, D, true)))
        return rc;
    return visit_vector(&w, &a->head_bias, "head_bias", "vocab_size", a->vocab);
}

/* ---- freeing ---- */
void ns_tref_clear(ns_tref *t)
{
    free(t->name);
    *t = (ns_tref){0};
}

void ns_rope_clear(ns_rope *r)
{
    free(r->short_factor);
    free(r->long_factor);
    *r = (ns_rope){0};
}

static int clear_slot(void *user, const ns_slot *slot, ns_error *err)
{
    (void)user;
    (void)err;
    ns_tref_clear(slot->tref);
    return NS_OK;
}

void ns_arch_free(ns_arch *a)
{
    if (!a)
        return;
    (void)ns_arch_each(a, clear_slot, NULL, NULL);
    for (int64_t i = 0; a->layers && i < a->n_layers; i++)
        for (int s = 0; s < a->layers[i].n_stages; s++)
            for (int b = 0; b < a->layers[i].stages[s].n_branches; b++) {
                free(a->layers[i].stages[s].branches[b].attn.head_window);
                free(a->layers[i].stages[s].branches[b].attn.slope);
            }
    for (int i = 0; i < a->n_ropes; i++)
        ns_rope_clear(&a->ropes[i]);
    for (int i = 0; i < a->n_ignored; i++)
        free(a->ignored[i]);
    free(a->ignored);
    free(a->ropes);
    free(a->layers);
    free(a);
}

/* ---- small questions ---- */
static const ns_branch *find_branch(const ns_arch *a, int64_t layer, ns_branch_kind kind)
{
    if (layer < 0 || layer >= a->n_layers)
        return NULL;
    const ns_layer *const l = &a->layers[layer];
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++)
            if (l->stages[s].branches[b].kind == kind)
                return &l->stages[s].branches[b];
    return NULL;
}

const ns_attn *ns_arch_attn(const ns_arch *a, int64_t layer)
{
    const ns_branch *const b = find_branch(a, layer, NS_BRANCH_ATTN);
    return b ? &b->attn : NULL;
}

const ns_ffn *ns_arch_ffn(const ns_arch *a, int64_t layer)
{
    const ns_branch *const b = find_branch(a, layer, NS_BRANCH_FFN);
    return b ? &b->ffn : NULL;
}

int64_t ns_attn_window(const ns_attn *a, int64_t head)
{
    return a->head_window ? a->head_window[head] : a->window;
}

/* A layer slides when every head of it does: one full head can reach any key. */
ns_layer_kind ns_arch_layer_kind(const ns_arch *a, int64_t layer)
{
    const ns_attn *const attn = ns_arch_attn(a, layer);
    if (!attn || attn->mixer == NS_MIXER_LIGHTNING)
        return NS_LAYER_RECURRENT;
    for (int64_t h = 0; h < attn->n_heads; h++)
        if (ns_attn_window(attn, h) == 0)
            return NS_LAYER_FULL;
    return NS_LAYER_SWA;
}

void ns_arch_layer_label(const ns_arch *arch, int64_t layer, char *out, size_t n)
{
    const ns_attn *const attn = ns_arch_attn(arch, layer);
    const ns_layer_kind kind = ns_arch_layer_kind(arch, layer);
    if (kind == NS_LAYER_SWA && attn && !attn->head_window)
        snprintf(out, n, "swa %lld", (long long)attn->window);
    else
        snprintf(out, n, "%s", ns_layer_kind_name(kind));
}

const char *ns_layer_kind_name(ns_layer_kind kind)
{
    return kind == NS_LAYER_FULL ? "full" : kind == NS_LAYER_SWA ? "swa" : kind == NS_LAYER_RECURRENT ? "recurrent" : "?";
}

int64_t ns_arch_max_heads(const ns_arch *a)
{
    int64_t most = 0;
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ns_attn *const attn = ns_arch_attn(a, i);
        if (attn && attn->n_heads > most)
            most = attn->n_heads;
    }
    return most;
}

int64_t ns_arch_max_head_dim(const ns_arch *a)
{
    int64_t most = 0;
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ns_attn *const attn = ns_arch_attn(a, i);
        if (attn && attn->head_dim > most)
            most = attn->head_dim;
    }
    return most;
}
