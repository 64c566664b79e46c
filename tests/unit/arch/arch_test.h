/* arch_test.h - small helpers of the arch tests. */
#ifndef ARCH_TEST_H
#define ARCH_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "model/families/family.h"

/* A config per family: small, GQA where the family allows, both layer kinds. */
static const struct small_config { const char *name, *json;
} small_configs[] = {
    {"llama", "{\"model_type\":\"llama\",\"hidden_size\":16,\"num_attention_heads\":6,\"num_key_value_heads\":2,\"head_dim\":4,\"num_"
              "hidden_layers\":2,"
              "\"intermediate_size\":24,\"vocab_size\":32,\"attention_bias\":true,\"mlp_bias\":true,\"rope_scaling\":{\"rope_type\":"
              "\"llama3\",\"factor\":8.0,"
              "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":64}}"},
    {"mistral",
     "{\"model_type\":\"mistral\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":null,\"num_hidden_layers\":2,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"sliding_window\":7}"},
    {"qwen2", "{\"model_type\":\"qwen2\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":4,"
              "\"intermediate_size\":24,\"vocab_size\":32,\"use_sliding_window\":true,\"sliding_window\":7,\"max_window_layers\":2}"},
    {"qwen3", "{\"model_type\":\"qwen3\",\"hidden_size\":16,\"num_attention_heads\":6,\"num_key_value_heads\":2,\"head_dim\":4,\"num_"
              "hidden_layers\":2,"
              "\"intermediate_size\":24,\"vocab_size\":32,\"tie_word_embeddings\":true}"},
    {"gpt_neox", "{\"model_type\":\"gpt_neox\",\"hidden_size\":32,\"num_attention_heads\":4,\"num_hidden_layers\":2,\"intermediate_size\":"
                 "24,\"vocab_size\":32}"},
    {"gpt_neox sequential",
     "{\"model_type\":\"gpt_neox\",\"hidden_size\":32,\"num_attention_heads\":4,\"num_hidden_layers\":2,\"intermediate_size\":24,"
     "\"vocab_size\":32,\"use_parallel_residual\":false,\"attention_bias\":false}"},
    {"gemma2", "{\"model_type\":\"gemma2\",\"hidden_size\":16,\"num_attention_heads\":6,\"num_key_value_heads\":2,\"head_dim\":4,\"num_"
               "hidden_layers\":2,"
               "\"intermediate_size\":24,\"vocab_size\":32}"},
    {"gemma3_text",
     "{\"model_type\":\"gemma3_text\",\"hidden_size\":16,\"num_attention_heads\":6,\"num_key_value_heads\":2,\"head_dim\":4,"
     "\"num_hidden_layers\":6,\"intermediate_size\":24,\"vocab_size\":32,\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":8.0}}"},
    {"gemma3", "{\"model_type\":\"gemma3\",\"vision_config\":{},\"text_config\":{\"model_type\":\"gemma3_text\",\"hidden_size\":16,\"num_"
               "attention_heads\":6,"
               "\"num_key_value_heads\":2,\"head_dim\":4,\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32}}"},
    {"cohere2",
     "{\"model_type\":\"cohere2\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":4,"
     "\"intermediate_size\":24,\"vocab_size\":32}"},
    {"smollm3",
     "{\"model_type\":\"smollm3\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":4,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"use_sliding_window\":true,\"sliding_window\":7}"},
    {"olmo", "{\"model_type\":\"olmo\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_hidden_layers\":2,\"intermediate_size\":24,"
             "\"vocab_size\":32,"
             "\"clip_qkv\":8.0}"},
    {"olmo2", "{\"model_type\":\"olmo2\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_hidden_layers\":2,\"intermediate_size\":24,"
              "\"vocab_size\":32}"},
    {"olmo3",
     "{\"model_type\":\"olmo3\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_hidden_layers\":4,\"intermediate_size\":24,\"vocab_"
     "size\":32,"
     "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":8.0,\"original_max_position_embeddings\":64,\"beta_fast\":32,\"beta_slow\":1}}"},
    {"phi3", "{\"model_type\":\"phi3\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":2,"
             "\"intermediate_size\":24,"
             "\"vocab_size\":32,\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1.0,1.1],\"long_factor\":[2.0,3.0]},\"max_"
             "position_embeddings\":8192}"},
    {"exaone4",
     "{\"model_type\":\"exaone4\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":4,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"sliding_window_pattern\":\"LLLG\"}"},
    {"gpt2", "{\"model_type\":\"gpt2\",\"n_embd\":16,\"n_head\":4,\"n_layer\":2,\"n_positions\":20,\"vocab_size\":32,\"scale_attn_by_"
             "inverse_layer_idx\":true}"},
    {"minimax",
     "{\"model_type\":\"minimax\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":"
     "6,\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32,\"num_local_experts\":1,\"layer_types\":[\""
     "linear_attention\",\"full_attention\"],\"linear_attn_alpha_factor\":1.5}"},
    {"lfm2",
     "{\"model_type\":\"lfm2\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":3,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"full_attn_idxs\":[1],\"conv_bias\":true,\"block_multiple_of\":8}"},
    {"mamba", "{\"model_type\":\"mamba\",\"hidden_size\":16,\"num_hidden_layers\":2,\"vocab_size\":32,\"state_size\":5}"},
    {"falcon_mamba",
     "{\"model_type\":\"falcon_mamba\",\"hidden_size\":16,\"num_hidden_layers\":2,\"vocab_size\":32,\"intermediate_size\":20,"
     "\"use_bias\":true}"},
    {"recurrent_gemma",
     "{\"model_type\":\"recurrent_gemma\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":1,"
     "\"num_hidden_layers\":3,\"intermediate_size\":24,\"vocab_size\":32,\"lru_width\":20,\"attention_window_size\":7}"},
    {"falcon_h1",
     "{\"model_type\":\"falcon_h1\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":2,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"mamba_d_ssm\":30,\"mamba_n_heads\":6,\"mamba_d_state\":7,\"mamba_rms_norm\":true,"
     "\"mamba_n_groups\":2,\"ssm_multipliers\":[0.9,1.1,0.8,1.2,0.7],\"ssm_in_multiplier\":0.5,\"mlp_multipliers\":[0.5,2],"
     "\"projectors_bias\":true}"},
    {"nemotron_h",
     "{\"model_type\":\"nemotron_h\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":6,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"mamba_num_heads\":6,\"mamba_head_dim\":5,\"n_groups\":2,\"ssm_state_size\":7,"
     "\"layers_block_type\":[\"linear_attention\",\"moe\",\"full_attention\",\"mlp\"],\"n_routed_experts\":3,\"mlp_bias\":true,"
     "\"moe_intermediate_size\":10,\"moe_shared_expert_intermediate_size\":14}"},
    {"jamba",
     "{\"model_type\":\"jamba\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":4,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"attn_layer_period\":3,\"attn_layer_offset\":1,\"num_experts\":3,"
     "\"mamba_dt_rank\":2,\"mamba_proj_bias\":true}"},
    {"mixtral",
     "{\"model_type\":\"mixtral\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":2,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"num_local_experts\":3,\"num_experts_per_tok\":2}"},
    {"qwen2_moe",
     "{\"model_type\":\"qwen2_moe\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":4,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"num_experts\":5,\"num_experts_per_tok\":2,\"moe_intermediate_size\":7,"
     "\"shared_expert_intermediate_size\":9,\"decoder_sparse_step\":2,\"norm_topk_prob\":true}"},
    {"qwen3_moe",
     "{\"model_type\":\"qwen3_moe\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":6,"
     "\"num_hidden_layers\":3,\"intermediate_size\":24,\"vocab_size\":32,\"num_experts\":5,\"num_experts_per_tok\":2,"
     "\"moe_intermediate_size\":7,\"mlp_only_layers\":[1],\"use_sliding_window\":true,\"sliding_window\":7}"},
    {"olmoe", "{\"model_type\":\"olmoe\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_hidden_layers\":2,\"intermediate_size\":24,"
              "\"vocab_size\":32,\"num_experts\":5,\"num_experts_per_tok\":5,\"clip_qkv\":8.0}"},
    {"glm4_moe",
     "{\"model_type\":\"glm4_moe\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"
     "\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32,\"n_routed_experts\":6,\"num_experts_per_tok\":2,"
     "\"moe_intermediate_size\":7,\"n_shared_experts\":2,\"n_group\":3,\"topk_group\":2,\"routed_scaling_factor\":2.5,"
     "\"use_qk_norm\":true,\"attention_bias\":true}"},
    {"granite",
     "{\"model_type\":\"granite\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":2,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"embedding_multiplier\":12,\"residual_multiplier\":0.22,"
     "\"attention_multiplier\":0.015625,\"logits_scaling\":8}"},
    {"granitemoe",
     "{\"model_type\":\"granitemoe\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":2,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"num_local_experts\":5,\"num_experts_per_tok\":2,\"residual_multiplier\":0.22}"},
    {"minicpm",
     "{\"model_type\":\"minicpm\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":2,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"scale_emb\":12,\"scale_depth\":1.4,\"dim_model_base\":8}"},
    {"gpt_oss",
     "{\"model_type\":\"gpt_oss\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":6,\"num_"
     "hidden_layers\":2,\"intermediate_size\":7,\"vocab_size\":32,\"num_local_experts\":5,\"num_experts_per_tok\":2,\"sliding_"
     "window\":7}"},
    {"llama4_text",
     "{\"model_type\":\"llama4_text\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":6,\""
     "num_hidden_layers\":4,\"intermediate_size\":7,\"intermediate_size_mlp\":24,\"vocab_size\":32,\"num_local_experts\":3,\"a"
     "ttention_chunk_size\":9,\"floor_scale\":5,\"interleave_moe_layer_step\":2}"},
    {"qwen3_next hybrid",
     "{\"model_type\":\"qwen3_next\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"
     "\"num_hidden_layers\":4,\"intermediate_size\":24,\"vocab_size\":32,\"num_experts\":0,\"linear_num_value_heads\":6,"
     "\"linear_num_key_heads\":2,"
     "\"linear_key_head_dim\":5,\"linear_value_head_dim\":4}"},
    {"qwen3_5_text",
     "{\"model_type\":\"qwen3_5_text\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"
     "\"num_hidden_layers\":4,\"intermediate_size\":24,\"vocab_size\":32,\"linear_num_value_heads\":6,\"linear_num_key_heads\":2,"
     "\"linear_key_head_dim\":5,\"linear_value_head_dim\":4}"},
    {"qwen3_5_moe_text",
     "{\"model_type\":\"qwen3_5_moe_text\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"
     "\"num_hidden_layers\":2,\"vocab_size\":32,\"linear_num_value_heads\":4,\"linear_num_key_heads\":2,\"linear_key_head_dim\":5,"
     "\"linear_value_head_dim\":4,\"num_experts\":3,\"num_experts_per_tok\":2,\"moe_intermediate_size\":7,"
     "\"shared_expert_intermediate_size\":9,\"layer_types\":[\"linear_attention\",\"full_attention\"]}"},
    {"olmo_hybrid",
     "{\"model_type\":\"olmo_hybrid\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":4,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"linear_num_key_heads\":2,\"linear_key_head_dim\":5}"},
    {"hypenet",
     "{\"model_type\":\"hypenet\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":6,"
     "\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32,\"mixer_types\":[\"attn\",\"lightning-attn\"],"
     "\"lightning_use_qk_norm\":true,"
     "\"lightning_use_output_gate\":true,\"lightning_use_output_norm\":true,\"attn_use_rope\":false,\"attn_use_output_gate\":true,"
     "\"attention_bias\":true,\"attn_logits_scaling\":\"log\"}"},
    {"hypenet",
     "{\"model_type\":\"hypenet\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":6,"
     "\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32,\"mixer_types\":[\"gdn\",\"attn\"],\"gdn_use_gate\":true,"
     "\"gdn_use_rope\":true,\"gdn_activation\":\"silu\"}"},
    {"minicpm_sala",
     "{\"model_type\":\"minicpm_sala\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":6,"
     "\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32,\"mixer_types\":[\"minicpm4\",\"lightning-attn\"]}"},
    {"gated_deltanet",
     "{\"model_type\":\"gated_deltanet\",\"hidden_size\":16,\"num_heads\":2,\"num_v_heads\":4,\"head_dim\":6,\"expand_v\":1.5,"
     "\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32,\"allow_neg_eigval\":true,"
     "\"attn\":{\"layers\":[1],\"num_heads\":4,\"num_kv_heads\":2,\"window_size\":7,\"rope_theta\":5000.0}}"},
    {"delta_net",
     "{\"model_type\":\"delta_net\",\"hidden_size\":16,\"num_heads\":4,\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32,"
     "\"use_gate\":true,\"attn\":[{\"layers\":[0],\"num_heads\":2,\"qkv_bias\":true}]}"},
    {"kda",
     "{\"model_type\":\"kda\",\"hidden_size\":16,\"num_heads\":2,\"num_v_heads\":4,\"head_dim\":6,\"expand_v\":1.5,"
     "\"num_hidden_layers\":1,\"intermediate_size\":24,\"vocab_size\":32}"},
    {"gla",
     "{\"model_type\":\"gla\",\"hidden_size\":16,\"num_heads\":4,\"num_hidden_layers\":2,\"vocab_size\":32,\"clamp_min\":-0.5,"
     "\"attn\":{\"layers\":[1],\"num_heads\":4}}"},
    {"hgrn2",
     "{\"model_type\":\"hgrn2\",\"hidden_size\":16,\"expand_ratio\":7,\"use_lower_bound\":false,"
     "\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32,\"attn\":{\"layers\":[1],\"num_heads\":2}}"},
    {"hgrn2",
     "{\"model_type\":\"hgrn2\",\"hidden_size\":16,\"expand_ratio\":8,\"num_hidden_layers\":3,\"intermediate_size\":24,"
     "\"vocab_size\":32,\"attn\":{\"layers\":[1],\"num_heads\":2}}"},
    {"simple_gla",
     "{\"model_type\":\"simple_gla\",\"hidden_size\":16,\"num_heads\":4,\"num_kv_heads\":2,\"num_hidden_layers\":2,\"vocab_size\":32,"
     "\"attn\":{\"layers\":[1],\"num_heads\":4}}"},
    {"retnet",
     "{\"model_type\":\"retnet\",\"hidden_size\":16,\"num_heads\":4,\"num_kv_heads\":2,\"num_hidden_layers\":2,\"intermediate_size\":24,"
     "\"vocab_size\":32,\"attn\":{\"layers\":[1],\"num_heads\":2}}"},
    {"bamba",
     "{\"model_type\":\"bamba\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":3,"
     "\"intermediate_size\":24,\"vocab_size\":32,\"mamba_n_heads\":4,\"mamba_d_state\":6,\"mamba_n_groups\":2,\"attn_layer_indices\":[1]}"},
    {"granitemoehybrid",
     "{\"model_type\":\"granitemoehybrid\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
     "\"num_hidden_layers\":3,\"intermediate_size\":7,\"shared_intermediate_size\":9,\"vocab_size\":32,\"num_local_experts\":3,"
     "\"mamba_n_heads\":4,\"mamba_d_state\":6,\"mamba_proj_bias\":true,\"layer_types\":[\"mamba\",\"attention\",\"mamba\"]}"},
    {"mamba2",
     "{\"model_type\":\"mamba2\",\"hidden_size\":16,\"num_heads\":4,\"head_dim\":8,\"n_groups\":2,\"state_size\":6,\"num_hidden_layers\":2,"
     "\"vocab_size\":32,\"use_bias\":true,\"time_step_limit\":[0.1,Infinity]}"},
    {"qwen3_next",
     "{\"model_type\":\"qwen3_next\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,\"n"
     "um_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32,\"num_experts\":5,\"num_experts_per_tok\":2,\"moe_interm"
     "ediate_size\":7,\"shared_expert_intermediate_size\":9,\"decoder_sparse_step\":2,\"attention_bias\":true,\"layer_types\":"
     "[\"full_attention\",\"full_attention\"]}"},
    {"ministral",
     "{\"model_type\":\"ministral\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers"
     "\":2,\"intermediate_size\":24,\"vocab_size\":32,\"sliding_window\":7,\"layer_types\":[\"full_attention\",\"sliding_atten"
     "tion\"]}"},
    {"apertus",
     "{\"model_type\":\"apertus\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\""
     ":2,\"intermediate_size\":24,\"vocab_size\":32}"},
    {"stablelm",
     "{\"model_type\":\"stablelm\",\"hidden_size\":32,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers"
     "\":2,\"intermediate_size\":24,\"vocab_size\":32,\"use_qkv_bias\":true}"},
    {"starcoder2",
     "{\"model_type\":\"starcoder2\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layer"
     "s\":2,\"intermediate_size\":24,\"vocab_size\":32,\"sliding_window\":7}"},
    {"stablelm parallel",
     "{\"model_type\":\"stablelm\",\"hidden_size\":32,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers"
     "\":2,\"intermediate_size\":24,\"vocab_size\":32,\"use_qkv_bias\":true,\"use_parallel_residual\":true}"},
    {"needlescope",
     "{\"model_type\":\"needlescope\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hid"
     "den_layers\":3,\"intermediate_size\":24,\"vocab_size\":32,\"layer_kinds\":[\"lightning\",\"swa\",\"full\"],\"win"
     "dows\":[0,4,0],\"nope\":[false,false,true],\"mlp\":\"relu\"}"},
};
enum { N_SMALL = sizeof small_configs / sizeof *small_configs };

static inline const char *small_config(const char *name)
{
    for (int i = 0; i < N_SMALL; i++)
        if (strcmp(small_configs[i].name, name) == 0)
            return small_configs[i].json;
    fail_msg("no config '%s'", name);
    return NULL;
}

static inline ns_arch *arch_of(const char *json)
{
    ns_arch *a = NULL;
    ns_error err = {""};
    if (ns_arch_from_config(&a, json, strlen(json), "config.json", NULL, &err))
        fail_msg("%s\n%s", err.message, json);
    return a;
}

static inline void config_fails(const char *json, int code, const char *says)
{
    ns_arch *a = NULL;
    ns_error err = {""};
    const int rc = ns_arch_from_config(&a, json, strlen(json), "config.json", NULL, &err);
    if (rc != code || a || !strstr(err.message, says) || strchr(err.message, '\n'))
        fail_msg("%s: wanted %d '%s', got %d '%s'", json, code, says, rc, err.message);
    ns_arch_free(a);
}

/* {"model_type": FAMILY, MORE} with sizes that hold for every family. */
static inline const char *config_with(const char *family, const char *more)
{
    static char text[8][4096];
    static int turn;
    char *const out = text[turn++ % 8];
    snprintf(out, sizeof *text,
             "{\"model_type\":\"%s\",\"hidden_size\":32,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"num_hidden_layers\":4%s%s}",
             family, more[0] ? "," : "", more);
    return out;
}

#endif
