/* config_keys.c - what to do with a config key that nobody read.
 *
 * Known to be harmless: silence. Known to change some model's result: silence at its neutral value, else an error, since this family's
 * code would ignore or misread it. Unknown: a warning. */
#include "model/families/family.h"
#include <stdlib.h>
#include <string.h>

/* Training, generation and bookkeeping keys: they cannot change a forward pass. */
static const char *const harmless[] = {
    "model_type", "architectures", "dtype", "torch_dtype", "transformers_version", "transformers.js_config", "_name_or_path",
    "_model_name_or_path", "name_or_path", "_attn_implementation*", "attn_implementation", "auto_map", "id2label", "label2id",
    "num_labels", "return_dict*", "output_*", "torchscript", "use_cache", "initializer_range", "initializer_*", "*_dropout", "dropout",
    "*_pdrop", "*_token_id", "*_token_index", "pretraining_tp", "tokenizer_class", "prefix", "chunk_size_feed_forward", "is_decoder",
    "tie_encoder_decoder", "cross_attention_hidden_size", "finetuning_task", "task_specific_params", "problem_type", "max_length",
    "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "temperature", "top_k", "top_p", "typical_p",
    "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids",
    "num_return_sequences", "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens",
    "diversity_penalty", "tf_legacy_loss", "use_bfloat16", "gradient_checkpointing", "cache_implementation", "summary_*", "resid_pdrop",
    "unsloth_*", "is_llama_config", "rope_interleaved", "router_aux_loss_coef", "base_model_*", "_commit_hash", "tensor_parallel*",
    "use_flash_attn*", "train_config_sha256",
    "vision_config", "vision_*", "image_*", "video_*", "audio_*", "mm_*",   /* of a wrapper, beside the text model's */
    NULL,
};

typedef enum neutral { FALSY, ONE } neutral;   /* null, false, 0, "", [], {}; or those and 1 */
static const struct { const char *key; neutral at; } changing[] = {
    {"quantization_config", FALSY}, {"compression_config", FALSY}, {"pruned_heads", FALSY}, {"is_encoder_decoder", FALSY},
    {"add_cross_attention", FALSY}, {"use_bidirectional_attention", FALSY}, {"sliding_window", FALSY}, {"use_sliding_window", FALSY},
    {"sliding_window_pattern", ONE}, {"attention_bias", FALSY}, {"mlp_bias", FALSY}, {"qkv_bias", FALSY}, {"use_bias", FALSY},
    {"bias", FALSY}, {"lm_head_bias", FALSY}, {"clip_qkv", FALSY}, {"attn_logit_softcapping", FALSY}, {"final_logit_softcapping", FALSY},
    {"logits_soft_cap", FALSY}, {"use_qk_norm", FALSY}, {"qk_norm", FALSY}, {"qk_layernorm", FALSY}, {"query_pre_attn_scalar", FALSY},
    {"attention_multiplier", FALSY}, {"embedding_multiplier", ONE}, {"residual_multiplier", ONE}, {"logits_scaling", ONE},
    {"logit_scale", ONE}, {"scale_emb", ONE}, {"scale_depth", FALSY}, {"dim_model_base", FALSY}, {"partial_rotary_factor", ONE},
    {"rotary_pct", ONE}, {"rope_pct", ONE}, {"rope_scaling", FALSY}, {"rope_parameters", FALSY}, {"rope_local_base_freq", FALSY},
    {"no_rope_layers", FALSY}, {"layer_types", FALSY}, {"block_types", FALSY}, {"attention_chunk_size", FALSY}, {"alibi", FALSY},
    {"use_alibi", FALSY}, {"position_embedding_type", FALSY}, {"num_experts", ONE}, {"num_local_experts", ONE},
    {"n_routed_experts", FALSY}, {"moe_intermediate_size", FALSY}, {"kv_lora_rank", FALSY}, {"q_lora_rank", FALSY},
    {"num_kv_shared_layers", FALSY}, {"linear_attn_config", FALSY}, {"mamba_d_state", FALSY}, {"state_size", FALSY}, {"use_mrope", FALSY},
    {"attention_sink_size", FALSY}, {"use_parallel_residual", FALSY}, {"parallel_attn", FALSY}, {"scale_attn_by_inverse_layer_idx", FALSY},
    {"norm_before_gate", FALSY}, {"D_has_hdim", FALSY},
    {"head_dim", FALSY}, {"num_key_value_heads", FALSY}, {"hidden_activation", FALSY}, {NULL, FALSY},
};

static bool is_neutral(const cJSON *v, neutral at)
{
    if (cJSON_IsNull(v) || cJSON_IsFalse(v))
        return true;
    if (cJSON_IsNumber(v))
        return v->valuedouble == 0 || (at == ONE && v->valuedouble == 1);
    if (cJSON_IsString(v))
        return v->valuestring[0] == 0;
    return (cJSON_IsArray(v) || cJSON_IsObject(v)) && v->child == NULL;
}

static bool listed(const char *const *globs, const char *key)
{
    for (int i = 0; globs && globs[i]; i++)
        if (ns_glob(globs[i], key))
            return true;
    return false;
}

int ns_config_name_at(const ns_config *c, const char *key, const cJSON *entry, int64_t index, const char **out, ns_error *err)
{
    *out = cJSON_GetStringValue(entry);
    if (*out)
        return NS_OK;
    char *const value = ns_json_print(entry, false);
    const int rc = ns_fail(err, NS_E_FORMAT, "%s: %s[%lld] must be a name, but is %.60s", c->label, key, (long long)index,
                           value ? value : "none");
    free(value);
    return rc;
}

/* The value as it stands in the file, cut to a readable length. */
static int refuse(const ns_config *c, const char *type, const cJSON *item, ns_error *err)
{
    char *const value = ns_json_print(item, false);
    const char *const remedy = strcmp(item->string, "quantization_config") == 0
                                   ? " (load the model in transformers, call its dequantize(), and save_pretrained it)"
                                   : "";
    const int rc = ns_fail(err, NS_E_UNSUPPORTED, "%s: %s is %.60s%s, which would change the result and is not supported for %s%s",
                           c->label, item->string, value ? value : "set", value && strlen(value) > 60 ? "..." : "", type, remedy);
    free(value);
    return rc;
}

int ns_config_unread(ns_config *c, const ns_family *row, ns_error *err)
{
    size_t i = 0;
    for (const cJSON *item = c->object->child; item; item = item->next, i++) {
        if (c->used[i] || listed(row->harmless, item->string) || listed(harmless, item->string))
            continue;
        int k = 0;
        while (changing[k].key && strcmp(changing[k].key, item->string) != 0)
            k++;
        if (!changing[k].key)
            ns_config_warn(c, "unknown key '%.80s' is not looked at", item->string);
        else if (!is_neutral(item, changing[k].at))
            return refuse(c, row->type, item, err);
    }
    return NS_OK;
}

int ns_rope_unread(const ns_config *c, const cJSON *object, const char *type, const char *const *known, ns_error *err)
{
    for (const cJSON *item = object->child; item; item = item->next) {
        if (listed(known, item->string) || cJSON_IsNull(item))
            continue;
        if (strcmp(item->string, "llama_4_scaling_beta") == 0 && !is_neutral(item, FALSY))
            return refuse(c, "rope scaling", item, err);
        ns_config_warn(c, "key '%.80s' of the rope scaling is not looked at: rope_type '%s' does not read it", item->string, type);
    }
    return NS_OK;
}
