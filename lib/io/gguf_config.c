/* gguf_config.c - the metadata of a GGUF file as the config.json that transformers has for such a model.
 *
 * Every key ARCH.* is used, or known to change nothing, or the file is refused: it may describe a model that this is not. */
#include "io/gguf_arch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY = 160, MOST_FACTORS = 1 << 14 };

int ns_gguf_unsupported(const gguf_describer *d, const char *what)
{
    return ns_fail(d->g->err, NS_E_UNSUPPORTED, "%s: %s (%s), which is not read from GGUF: take the model's safetensors, or load the file "
                   "in transformers with gguf_file= and save_pretrained it", d->g->path, what, d->arch->name);
}

/* ---- keys ---- */

static const char *full_key(const gguf_describer *d, const char *key, char out[KEY])
{
    snprintf(out, KEY, "%s.%s", d->arch->name, key);
    return out;
}

const ns_gguf_value *ns_gguf_use(gguf_describer *d, const char *key)
{
    char full[KEY];
    const ns_gguf_value *const v = ns_gguf_find(d->g, full_key(d, key, full));
    if (v)
        d->used[v - d->g->values] = true;
    return v;
}

/* A list of equal numbers, one a layer, counts as the number. */
static int number(gguf_describer *d, const char *key, double otherwise, double *out)
{
    char full[KEY];
    const ns_gguf_value *const v = ns_gguf_use(d, key), *list;
    if (!v || v->type != GGUF_ARRAY)
        return ns_gguf_number(d->g, full_key(d, key, full), otherwise, out);
    const int rc = ns_gguf_array(d->g, full_key(d, key, full), GGUF_N_TYPES, &list);
    *out = rc == NS_OK && list->n ? ns_gguf_element(d->g, list, 0) : otherwise;
    for (uint64_t i = 1; rc == NS_OK && i < list->n; i++)
        if (ns_gguf_element(d->g, list, i) != *out)
            return ns_gguf_unsupported(d, full);
    return rc;
}

static int put(gguf_describer *d, cJSON *object, const char *name, double value)
{
    return cJSON_AddNumberToObject(object, name, value) ? NS_OK : ns_oom(d->g->err, d->g->path);
}

int ns_gguf_flag(gguf_describer *d, const char *name, bool value)
{
    return cJSON_AddBoolToObject(d->config, name, value) ? NS_OK : ns_oom(d->g->err, d->g->path);
}

int ns_gguf_put(gguf_describer *d, const char *key, const char *name, double otherwise)
{
    double value;
    const int rc = number(d, key, otherwise, &value);
    return rc != NS_OK || isnan(value) ? rc : put(d, d->config, name, value);
}

/* A whole number above 0 that must be there, where `otherwise` is 0. */
static int size(gguf_describer *d, const char *key, int64_t otherwise, int64_t *out)
{
    double value;
    const int rc = number(d, key, (double)otherwise, &value);
    if (rc == NS_OK && !(value >= 1 && value <= INT32_MAX && value == floor(value)))
        return ns_fail(d->g->err, NS_E_FORMAT, "%s: '%s.%s' is missing, or no whole number above 0", d->g->path, d->arch->name, key);
    *out = rc == NS_OK ? (int64_t)value : 0;
    return rc;
}

/* ---- tensors ---- */

const ns_tensor *ns_gguf_weight(const gguf_describer *d, const char *name)
{
    for (int64_t i = 0; i < d->ck->n_tensors; i++)
        if (strcmp(d->ck->tensors[i].name, name) == 0)
            return &d->ck->tensors[i];
    return NULL;
}

/* Factors that divide the rotary frequencies, as a list of the rope's. */
static int put_factors(gguf_describer *d, cJSON *rope, const char *name, const ns_tensor *t)
{
    float values[64];
    cJSON *const list = cJSON_AddArrayToObject(rope, name);
    const int64_t n = ns_view_count(&t->view);
    int rc = list ? NS_OK : ns_oom(d->g->err, d->g->path);
    if (n > MOST_FACTORS)
        return ns_gguf_unsupported(d, t->name);
    for (int64_t at = 0, count; at < n && rc == NS_OK; at += count) {
        count = n - at < 64 ? n - at : 64;
        rc = ns_tensor_read_f32(t, at, count, values, d->g->err);
        for (int64_t i = 0; i < count && rc == NS_OK; i++)
            rc = cJSON_AddItemToArray(list, cJSON_CreateNumber((double)values[i])) ? NS_OK : ns_oom(d->g->err, d->g->path);
    }
    return rc;
}

/* ---- rope ---- */

static cJSON *add_scaling(gguf_describer *d, const char *type)
{
    cJSON *const rope = cJSON_AddObjectToObject(d->config, "rope_scaling");
    return rope && cJSON_AddStringToObject(rope, "rope_type", type) ? rope : NULL;
}

/* Factors for each frequency, without more: llama.cpp has Llama 3's scaling so. longrope with one list for all lengths is the same. */
static int scale_by_tensor(gguf_describer *d, const ns_tensor *factors)
{
    cJSON *const rope = add_scaling(d, "longrope");
    int rc = rope ? put(d, rope, "attention_factor", 1) : ns_oom(d->g->err, d->g->path);
    rc = rc != NS_OK ? rc : put_factors(d, rope, "short_factor", factors);
    return rc != NS_OK ? rc : put_factors(d, rope, "long_factor", factors);
}

static int put_scaled(gguf_describer *d, const char *type, double factor)
{
    double original;
    cJSON *const rope = add_scaling(d, type);
    int rc = rope ? put(d, rope, "factor", factor) : ns_oom(d->g->err, d->g->path);
    rc = rc != NS_OK ? rc : number(d, "rope.scaling.original_context_length", NAN, &original);
    if (rc == NS_OK && d->arch->untruncated && !cJSON_AddFalseToObject(rope, "truncate"))
        return ns_oom(d->g->err, d->g->path);
    return rc != NS_OK || isnan(original) ? rc : put(d, rope, "original_max_position_embeddings", original);
}

static int scale(gguf_describer *d)
{
    char full[KEY];
    char *type = NULL;
    double factor, old;
    const ns_tensor *const factors = ns_gguf_weight(d, "rope_freqs.weight");
    ns_gguf_use(d, "rope.scaling.type");
    int rc = number(d, "rope.scale_linear", 1, &old);
    rc = rc != NS_OK ? rc : number(d, "rope.scaling.factor", old, &factor);
    rc = rc != NS_OK ? rc : ns_gguf_text(d->g, full_key(d, "rope.scaling.type", full), &type);
    const bool none = rc == NS_OK && ((type && strcmp(type, "none") == 0) || ((!type || strcmp(type, "linear") == 0) &&
                                                                              (factor == 1 || factor == 0)));
    const bool read = rc == NS_OK && (!type || strcmp(type, "linear") == 0 || strcmp(type, "yarn") == 0);
    if (rc == NS_OK && none)
        rc = factors ? scale_by_tensor(d, factors) : NS_OK;
    else if (rc == NS_OK)
        rc = read && !factors ? put_scaled(d, type ? type : "linear", factor) : ns_gguf_unsupported(d, "rope.scaling");
    free(type);
    return rc;
}

/* ---- what all have ---- */

static int sizes(gguf_describer *d)
{
    static const char *const usual[] = {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                                        "max_position_embeddings"};
    static const char *const of_gpt2[] = {"n_embd", "n_layer", "n_head", "n_inner", "n_positions"};
    static const char *const keys[] = {"embedding_length", "block_count", "attention.head_count", "feed_forward_length", "context_length"};
    int64_t found[5] = {0};
    int rc = NS_OK;
    for (int i = 0; i < 5 && rc == NS_OK; i++) {
        rc = size(d, keys[i], 0, &found[i]);
        rc = rc != NS_OK ? rc : put(d, d->config, d->arch->gpt2 ? of_gpt2[i] : usual[i], (double)found[i]);
    }
    d->width = found[0];
    d->layers = found[1];
    d->heads = found[2];
    return rc;
}

static int vocabulary(gguf_describer *d)
{
    const ns_tensor *const embed = ns_gguf_weight(d, "token_embd.weight");
    if (!embed || embed->view.rank != 2)
        return ns_fail(d->g->err, NS_E_FORMAT, "%s: no matrix token_embd.weight", d->g->path);
    ns_gguf_use(d, "vocab_size");
    const bool tied = !ns_gguf_weight(d, "output.weight");
    const int rc = ns_gguf_flag(d, "tie_word_embeddings", tied);
    return rc != NS_OK ? rc : put(d, d->config, "vocab_size", (double)embed->view.shape[0]);
}

static int heads(gguf_describer *d)
{
    int64_t value_dim = 0, rotated = 0;
    int rc = size(d, "attention.head_count_kv", d->heads, &d->kv_heads);
    rc = rc != NS_OK ? rc : size(d, "attention.key_length", d->width / d->heads > 0 ? d->width / d->heads : 1, &d->head_dim);
    rc = rc != NS_OK ? rc : size(d, "attention.value_length", d->head_dim, &value_dim);
    rc = rc != NS_OK ? rc : size(d, "rope.dimension_count", d->head_dim, &rotated);
    if (rc == NS_OK && value_dim != d->head_dim)
        return ns_gguf_unsupported(d, "attention.value_length is not key_length");
    if (rc == NS_OK && rotated != d->head_dim && strcmp(d->arch->name, "phi3") != 0)
        return ns_gguf_unsupported(d, "rope.dimension_count is not the width of a head");
    if (rc != NS_OK || d->arch->gpt2)
        return rc;
    rc = put(d, d->config, "num_key_value_heads", (double)d->kv_heads);
    rc = rc != NS_OK ? rc : put(d, d->config, "head_dim", (double)d->head_dim);
    return rc != NS_OK || rotated == d->head_dim ? rc : put(d, d->config, "partial_rotary_factor", (double)rotated / (double)d->head_dim);
}

/* Biases that the file has and transformers has by a key. */
static int biases(gguf_describer *d)
{
    if (!d->arch->biases)
        return NS_OK;
    const bool attn = ns_gguf_weight(d, "blk.0.attn_output.bias"), ffn = ns_gguf_weight(d, "blk.0.ffn_down.bias");
    return (!attn || cJSON_AddTrueToObject(d->config, "attention_bias")) && (!ffn || cJSON_AddTrueToObject(d->config, "mlp_bias"))
               ? NS_OK
               : ns_oom(d->g->err, d->g->path);
}

static int special_tokens(gguf_describer *d)
{
    static const char *const keys[][2] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"}, {"tokenizer.ggml.eos_token_id", "eos_token_id"}};
    int rc = NS_OK;
    for (int i = 0; i < 2 && rc == NS_OK; i++) {
        double id;
        rc = ns_gguf_number(d->g, keys[i][0], NAN, &id);
        rc = rc != NS_OK || isnan(id) ? rc : put(d, d->config, keys[i][1], id);
    }
    return rc;
}

/* ---- what nobody looked at ---- */

static bool is_off(const gguf_describer *d, const ns_gguf_value *v)
{
    const bool plain = v->type != GGUF_STRING && v->type != GGUF_ARRAY;
    const ns_gguf_value one = {.of = v->type, .n = 1, .at = v->at};
    return plain && ns_gguf_element(d->g, &one, 0) == 0;
}

static int leftovers(gguf_describer *d)
{
    static const char *const harmless[] = {"rope.scaling.finetuned", "tensor_data_layout", "attention.causal",
                                           "rope.scaling.original_context_length", NULL};
    const size_t n = strlen(d->arch->name);
    for (int i = 0; harmless[i]; i++)
        ns_gguf_use(d, harmless[i]);
    for (int64_t i = 0; i < d->g->n_values; i++) {
        const ns_gguf_value *const v = &d->g->values[i];
        const char *const key = (const char *)d->g->bytes + v->key;
        if (d->used[i] || v->key_n <= n || memcmp(key, d->arch->name, n) != 0 || key[n] != '.' || is_off(d, v))
            continue;
        char what[KEY];
        snprintf(what, sizeof what, "it says '%.*s'", (int)(v->key_n < 100 ? v->key_n : 100), key);
        return ns_gguf_unsupported(d, what);
    }
    return NS_OK;
}

int ns_gguf_config(gguf_describer *d)
{
    d->config = cJSON_CreateObject();
    d->used = ns_alloc_array((size_t)d->g->n_values, sizeof *d->used);
    if (!d->config || !d->used || !cJSON_AddStringToObject(d->config, "model_type", d->arch->type))
        return ns_oom(d->g->err, d->g->path);
    int rc = sizes(d);
    rc = rc != NS_OK ? rc : vocabulary(d);
    rc = rc != NS_OK ? rc : heads(d);
    rc = rc != NS_OK ? rc : biases(d);
    rc = rc != NS_OK ? rc : special_tokens(d);
    rc = rc != NS_OK           ? rc
         : d->arch->gpt2       ? ns_gguf_put(d, "attention.layer_norm_epsilon", "layer_norm_epsilon", 1e-5)
                               : ns_gguf_put(d, "attention.layer_norm_rms_epsilon", "rms_norm_eps", 1e-6);
    if (rc == NS_OK && !d->arch->gpt2)
        rc = ns_gguf_put(d, "rope.freq_base", "rope_theta", 1e4);
    rc = rc != NS_OK || !d->arch->more ? rc : d->arch->more(d);
    if (rc == NS_OK && !d->arch->gpt2 && !cJSON_HasObjectItem(d->config, "rope_scaling"))
        rc = scale(d);
    return rc != NS_OK ? rc : leftovers(d);
}

/* ---- what some have ---- */

int ns_gguf_granite(gguf_describer *d)
{
    int rc = ns_gguf_put(d, "attention.scale", "attention_multiplier", 1 / sqrt((double)d->head_dim));
    rc = rc != NS_OK ? rc : ns_gguf_put(d, "embedding_scale", "embedding_multiplier", 1);
    rc = rc != NS_OK ? rc : ns_gguf_put(d, "residual_scale", "residual_multiplier", 1);
    return rc != NS_OK ? rc : ns_gguf_put(d, "logit_scale", "logits_scaling", 1);
}

/* A list of which layers have the window, or every n-th that has not; absent: as the family has it. */
static int window_pattern(gguf_describer *d)
{
    static const char key[] = "attention.sliding_window_pattern";
    char full[KEY];
    const ns_gguf_value *const v = ns_gguf_use(d, key), *list;
    if (!v || v->type != GGUF_ARRAY)
        return v ? ns_gguf_put(d, key, "sliding_window_pattern", NAN) : NS_OK;
    int rc = ns_gguf_array(d->g, full_key(d, key, full), GGUF_BOOL, &list);
    cJSON *const types = rc == NS_OK ? cJSON_AddArrayToObject(d->config, "layer_types") : NULL;
    for (uint64_t i = 0; types && i < list->n && i < (uint64_t)d->layers; i++)
        if (!cJSON_AddItemToArray(types, cJSON_CreateString(ns_gguf_element(d->g, list, i) != 0 ? "sliding_attention" : "full_attention")))
            rc = ns_oom(d->g->err, d->g->path);
    return rc != NS_OK || types ? rc : ns_oom(d->g->err, d->g->path);
}

/* q.k is scaled by the width of a head, in the 27B models by the model's for each head: llama.cpp knows them by their layers. */
static int gemma(gguf_describer *d, int64_t layers_of_27b)
{
    const int64_t scalar = d->layers == layers_of_27b ? d->width / d->heads : d->head_dim;
    int rc = put(d, d->config, "query_pre_attn_scalar", (double)scalar);
    rc = rc != NS_OK ? rc : ns_gguf_put(d, "attention.sliding_window", "sliding_window", NAN);
    rc = rc != NS_OK ? rc : ns_gguf_put(d, "final_logit_softcapping", "final_logit_softcapping", NAN);
    return rc != NS_OK ? rc : window_pattern(d);
}

int ns_gguf_gemma2(gguf_describer *d)
{
    const int rc = gemma(d, 46);
    return rc != NS_OK ? rc : ns_gguf_put(d, "attn_logit_softcapping", "attn_logit_softcapping", NAN);
}

int ns_gguf_gemma3(gguf_describer *d)
{
    const int rc = gemma(d, 62);
    return rc != NS_OK ? rc : ns_gguf_put(d, "rope.freq_base_swa", "rope_local_base_freq", 1e4);
}

int ns_gguf_phi3(gguf_describer *d)
{
    const ns_tensor *const near = ns_gguf_weight(d, "rope_factors_short.weight");
    const ns_tensor *const far = ns_gguf_weight(d, "rope_factors_long.weight");
    int rc = ns_gguf_put(d, "attention.sliding_window", "sliding_window", NAN);
    rc = rc != NS_OK ? rc : ns_gguf_put(d, "rope.scaling.original_context_length", "original_max_position_embeddings", NAN);
    if (rc != NS_OK || !near || !far)
        return rc;
    cJSON *const rope = add_scaling(d, "longrope");
    double m;
    rc = rope ? number(d, "rope.scaling.attn_factor", NAN, &m) : ns_oom(d->g->err, d->g->path);
    rc = rc != NS_OK || isnan(m) ? rc : put(d, rope, "attention_factor", m);
    rc = rc != NS_OK ? rc : put_factors(d, rope, "short_factor", near);
    rc = rc != NS_OK ? rc : put_factors(d, rope, "long_factor", far);
    ns_gguf_use(d, "rope.scaling.type");
    return rc;
}
