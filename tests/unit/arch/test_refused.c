/* test_refused.c - what a config.json is refused for: contradictions, nonsense, what no class of branches can do; each by its message. */
#include "arch_test.h"

/* What config_with(family, more) is refused for. */
static const struct { const char *family, *more; int code; const char *says; } refusals[] = {
    {"llama", "\"vocab_size\":0", NS_E_FORMAT, "vocab_size is 0, outside 1 to 2147483647"},
    {"llama", "\"vocab_size\":2147483648", NS_E_FORMAT, "vocab_size is 2147483648"},
    {"llama", "\"vocab_size\":32.5", NS_E_FORMAT, "vocab_size"},
    {"llama", "\"vocab_size\":\"32\"", NS_E_FORMAT, "'vocab_size' is a string"},
    {"llama", "\"intermediate_size\":-1", NS_E_FORMAT, "intermediate_size is -1"},
    {"llama", "\"head_dim\":7", NS_E_FORMAT, "7 of the 7 dimensions of a head would rotate"},
    {"llama", "\"rms_norm_eps\":-1", NS_E_FORMAT, "rms_norm_eps"},
    {"llama", "\"rope_theta\":0", NS_E_FORMAT, "rope_theta is 0"},
    {"llama", "\"hidden_act\":\"xielu\"", NS_E_UNSUPPORTED, "hidden_act 'xielu' is not supported"},
    {"llama", "\"tie_word_embeddings\":1", NS_E_FORMAT, "'tie_word_embeddings' is a number"},
    {"llama", "\"rope_scaling\":[]", NS_E_FORMAT, "rope_scaling must be an object or null"},
    {"llama", "\"rope_scaling\":{\"factor\":2}", NS_E_FORMAT, "rope_scaling: no rope_type"},
    {"llama", "\"rope_scaling\":{\"rope_type\":\"mrope\"}", NS_E_UNSUPPORTED, "rope_type 'mrope' is not supported"},
    {"llama", "\"rope_scaling\":{\"rope_type\":\"linear\"}", NS_E_FORMAT, "factor is missing"},
    {"llama", "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4}", NS_E_FORMAT,
     "llama3 needs original_max_position_embeddings"},
    {"llama",
     "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4,\"original_max_position_"
     "embeddings\":64}",
     NS_E_FORMAT, "high_freq_factor 4 must be above low_freq_factor 4"},
    {"phi3", "\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1,1,1],\"long_factor\":[1,1,1,1]}", NS_E_FORMAT,
     "short_factor must be a list of 4 numbers"},
    {"phi3", "\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1,1,1,1],\"long_factor\":[1,0,1,1]}", NS_E_FORMAT,
     "long_factor[1] must be a number above 0"},
    {"qwen2", "\"layer_types\":[\"sliding_attention\",\"full_attention\",\"full_attention\",\"full_attention\"]", NS_E_FORMAT,
     "there is no sliding_window"},
    {"nemotron_h", "\"hybrid_override_pattern\":\"MX*-\"", NS_E_UNSUPPORTED, "hybrid_override_pattern[1] 'X' is none of M (mamba)"},
    {"nemotron_h", "\"hybrid_override_pattern\":\"M*-\"", NS_E_FORMAT, "is of 3 layers, but num_hidden_layers is 4"},
    {"nemotron_h", "\"layers_block_type\":[]", NS_E_FORMAT, "layers_block_type must have an entry for each of 1 to 4096 layers"},
    {"nemotron_h", "\"layers_block_type\":[\"mamba\",\"moe\",\"wide\",\"mlp\"]", NS_E_UNSUPPORTED,
     "layers_block_type[2] 'wide' is none of M"},
    {"nemotron_h", "\"layers_block_type\":[\"mamba\",\"mlp\",3,\"mlp\"]", NS_E_FORMAT, "layers_block_type[2] must be a name, but is 3"},
    {"nemotron_h", "\"layers_block_type\":[\"mamba\",\"mlp\",\"mlp\",\"mlp\"],\"hybrid_override_pattern\":\"M-*-\"", NS_E_FORMAT,
     "layers_block_type and hybrid_override_pattern are both set, and do not agree on layer 2: take one of them out"},
    {"nemotron_h", "\"layers_block_type\":[\"mamba\",\"mlp\",\"mlp\",\"mlp\"],\"hybrid_override_pattern\":\"M--\"", NS_E_FORMAT,
     "do not agree on layer 3"},
    {"nemotron_h", "\"layers_block_type\":[\"mamba\",\"mlp\",\"mlp\",\"mlp\"],\"hybrid_override_pattern\":\"M---M\"", NS_E_FORMAT,
     "do not agree on layer 4"},
    {"nemotron_h", "\"attention_bias\":true", NS_E_UNSUPPORTED, "attention_bias is true: nemotron_h in transformers has none whatever"},
    {"nemotron_h", "\"mamba_num_heads\":6,\"n_groups\":4", NS_E_FORMAT, "mamba_num_heads 6 is not a multiple of n_groups 4"},
    {"nemotron_h", "\"moe_latent_size\":8", NS_E_UNSUPPORTED, "no class of branches for experts of a latent width"},
    {"nemotron_h", "\"mamba_hidden_act\":\"gelu\"", NS_E_UNSUPPORTED, "mamba_hidden_act 'gelu' is not supported"},
    {"falcon_h1", "\"mamba_d_ssm\":60,\"mamba_n_heads\":7", NS_E_FORMAT, "mamba_n_heads 7 x mamba_d_head 8 is not mamba_d_ssm, 60"},
    {"falcon_h1", "\"mamba_d_ssm\":60,\"mamba_n_heads\":6,\"mamba_n_groups\":4", NS_E_FORMAT, "are not a multiple of mamba_n_groups 4"},
    {"falcon_h1", "\"ssm_multipliers\":[1,2]", NS_E_FORMAT, "ssm_multipliers must be a list of 5 numbers"},
    {"falcon_h1", "\"mlp_multipliers\":[1,0]", NS_E_FORMAT, "mlp_multipliers[1] must be a number other than 0"},
    {"falcon_h1", "\"key_multiplier\":0", NS_E_UNSUPPORTED, "key_multiplier is 0: a part that gives nothing"},
    {"recurrent_gemma", "\"lru_width\":30", NS_E_FORMAT, "lru_width 30 is not a multiple of num_attention_heads 4"},
    {"recurrent_gemma", "\"intermediate_size\":31", NS_E_FORMAT, "intermediate_size 31 is odd: the MLPs are half as wide"},
    {"recurrent_gemma", "\"block_types\":[\"recurrent\"],\"_block_types\":[\"attention\"]", NS_E_FORMAT, "block_types and _block_types"},
    {"recurrent_gemma", "\"block_types\":[]", NS_E_FORMAT, "block_types must be a list of recurrent and attention"},
    {"recurrent_gemma", "\"block_types\":[\"recurrent\",\"mamba\"]", NS_E_UNSUPPORTED, "block_types[1] 'mamba' is not supported"},
    {"recurrent_gemma", "\"logits_soft_cap\":0", NS_E_FORMAT, "logits_soft_cap is 0"},
    {"mamba", "\"expand\":1e-3", NS_E_FORMAT, "expand 0.001 makes a state space of 0.032 channels"},
    {"mamba", "\"time_step_rank\":\"wide\"", NS_E_FORMAT, "time_step_rank"},
    {"mamba", "\"conv_kernel\":0", NS_E_FORMAT, "conv_kernel is 0, outside 1 to 1024"},
    {"mamba", "\"hidden_act\":\"gelu\"", NS_E_UNSUPPORTED, "hidden_act is 'gelu': for the gate of Mamba the versions"},
    {"falcon_mamba", "\"hidden_act\":\"relu\"", NS_E_UNSUPPORTED, "hidden_act is 'relu': for the gate of Mamba"},
    {"jamba", "\"hidden_act\":\"gelu\"", NS_E_UNSUPPORTED, "hidden_act is 'gelu': for the gate of Mamba"},
    {"falcon_mamba", "\"intermediate_size\":0", NS_E_FORMAT, "intermediate_size is 0"},
    {"jamba", "\"attn_layer_period\":4,\"attn_layer_offset\":4", NS_E_FORMAT, "attn_layer_offset is 4, outside 0 to 3"},
    {"jamba", "\"expert_layer_period\":2,\"expert_layer_offset\":2", NS_E_FORMAT, "expert_layer_offset is 2, outside 0 to 1"},
    {"jamba", "\"num_experts\":3,\"num_experts_per_tok\":4", NS_E_FORMAT, "num_experts_per_tok is 4, but num_experts is 3"},
    {"glm4_moe", "\"first_k_dense_replace\":-1000000", NS_E_FORMAT, "first_k_dense_replace is -1000000, outside 0 to 4096"},
    {"llama", "\"rope_scaling\":{\"type\":\"linear\",\"factor\":4},\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":2}",
     NS_E_UNSUPPORTED, "rope_scaling and rope_parameters are both set, and do not agree on 'factor'"},
    {"jamba", "\"mamba_conv_bias\":null", NS_E_UNSUPPORTED, "mamba_conv_bias is null, which transformers takes for false"},
    {"qwen3_next", "\"norm_topk_prob\":null", NS_E_UNSUPPORTED, "norm_topk_prob is null, which transformers takes for false"},
    {"qwen3_next", "\"hidden_act\":\"gelu\"", NS_E_UNSUPPORTED, "hidden_act is 'gelu': its short convolutions would have it too"},
    {"olmo_hybrid", "\"hidden_act\":\"relu\"", NS_E_UNSUPPORTED, "hidden_act is 'relu': its short convolutions would have it too"},
    {"lfm2", "\"hidden_act\":\"gelu\"", NS_E_UNSUPPORTED, "hidden_act is 'gelu': lfm2 in transformers has silu whatever it says"},
    {"mamba2", "\"norm_eps\":0.5,\"layer_norm_epsilon\":1e-5,\"num_heads\":4,\"n_groups\":1", NS_E_UNSUPPORTED,
     "norm_eps is 0.5 and layer_norm_epsilon 1e-05: take one of them out"},
    {"lfm2", "\"full_attn_idxs\":[1,4]", NS_E_FORMAT, "full_attn_idxs names a layer that is none of 0 to 3"},
    {"lfm2", "\"full_attn_idxs\":2", NS_E_FORMAT, "full_attn_idxs must be a list of layers"},
    {"lfm2", "\"theta\":5e5", NS_E_UNSUPPORTED, "theta is 500000 and rope_theta 1e+06: take one of them out"},
    {"lfm2", "\"conv_L_cache\":0", NS_E_FORMAT, "conv_L_cache is 0, outside 1 to 1024"},
    {"lfm2", "\"block_ffn_dim_multiplier\":1e6,\"block_ff_dim\":99999", NS_E_FORMAT, "makes the MLPs"},
    {"qwen3", "\"layer_types\":[1,2,3,4]", NS_E_FORMAT, "layer_types[0] must be a name, but is 1"},
    {"qwen3_next", "\"layer_types\":[\"full_attention\",[\"a\"],3,4]", NS_E_FORMAT, "layer_types[1] must be a name, but is [\"a\"]"},
    {"recurrent_gemma", "\"block_types\":[\"recurrent\",null]", NS_E_FORMAT, "block_types[1] must be a name, but is null"},
    {"minicpm_sala", "\"mixer_types\":[true,2,3,4]", NS_E_FORMAT, "mixer_types[0] must be a name, but is true"},
    {"qwen2", "\"layer_types\":[\"full_attention\"]", NS_E_FORMAT, "layer_types must be a list of 4 names"},
    {"qwen2", "\"layer_types\":[\"full_attention\",\"mamba\",\"full_attention\",\"full_attention\"]", NS_E_UNSUPPORTED,
     "layer_types[1] 'mamba' is not supported"},
    {"mistral", "\"sliding_window\":0", NS_E_FORMAT, "sliding_window is 0"},
    {"mistral", "\"sliding_window\":-5", NS_E_FORMAT, "sliding_window is -5"},
    {"smollm3", "\"no_rope_layers\":[1,1]", NS_E_FORMAT, "no_rope_layers must be a list of 4 numbers"},
    {"exaone4", "\"sliding_window_pattern\":\"LX\"", NS_E_FORMAT, "must be made of L and G"},
    {"cohere2", "\"sliding_window_pattern\":0", NS_E_FORMAT, "sliding_window_pattern is 0"},
    {"gpt_neox", "\"head_dim\":16", NS_E_UNSUPPORTED, "head_dim is 16, but the heads of gpt_neox have 8"},
    {"gemma3_text", "\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\"}}", NS_E_FORMAT,
     "rope_parameters has no object 'sliding_attention'"},
    {"mixtral", "\"num_experts_per_tok\":9", NS_E_FORMAT, "num_experts_per_tok is 9, but num_local_experts is 8"},
    {"mixtral", "\"num_local_experts\":0", NS_E_FORMAT, "num_local_experts is 0, outside 1 to 65536"},
    {"mixtral", "\"num_experts_per_tok\":0", NS_E_FORMAT, "num_experts_per_tok is 0"},
    {"qwen3_moe", "\"mlp_only_layers\":[4]", NS_E_FORMAT, "mlp_only_layers names a layer that is none of 0 to 3"},
    {"qwen3_moe", "\"mlp_only_layers\":1", NS_E_FORMAT, "mlp_only_layers must be a list of layers"},
    {"qwen3_moe", "\"decoder_sparse_step\":0", NS_E_FORMAT, "decoder_sparse_step is 0"},
    {"qwen3_moe", "\"moe_intermediate_size\":0", NS_E_FORMAT, "moe_intermediate_size is 0"},
    {"qwen2_moe", "\"layer_types\":[\"full_attention\",\"sliding_attention\",\"full_attention\",\"full_attention\"]", NS_E_UNSUPPORTED,
     "layer_types[1] is sliding_attention, but qwen2_moe in transformers 5 goes by it, where that of 4 ignores layer_types"},
    {"qwen3_moe", "\"layer_types\":[\"full_attention\",\"sliding_attention\",\"full_attention\",\"full_attention\"]", NS_E_UNSUPPORTED,
     "but qwen3_moe in transformers ignores layer_types"},
    {"bamba", "\"mamba_n_heads\":8,\"layer_types\":[\"mamba\",\"sliding_attention\",\"mamba\",\"mamba\"]", NS_E_UNSUPPORTED,
     "layer_types[1] 'sliding_attention' is not supported (attention and mamba are)"},
    {"qwen2_moe", "\"use_sliding_window\":true", NS_E_UNSUPPORTED, "use_sliding_window is true, which would change the result"},
    {"glm4_moe", "\"n_group\":3", NS_E_FORMAT, "n_routed_experts 128 is not a multiple of n_group 3"},
    {"glm4_moe", "\"n_group\":4,\"topk_group\":5", NS_E_FORMAT, "topk_group is 5, outside 1 to 4"},
    {"glm4_moe", "\"n_group\":64,\"topk_group\":1", NS_E_FORMAT, "top_k is more than the experts of group_top_k groups"},
    {"glm4_moe", "\"n_group\":128,\"topk_group\":8", NS_E_FORMAT, "n_group 128 leaves one expert a group"},
    {"nemotron_h", "\"n_routed_experts\":8,\"n_group\":8,\"topk_group\":8", NS_E_FORMAT, "n_group 8 leaves one expert a group"},
    {"glm4_moe", "\"n_shared_experts\":65536,\"moe_intermediate_size\":65536", NS_E_FORMAT, "are too wide"},
    {"llama4_text", "\"moe_layers\":[1.5]", NS_E_FORMAT, "moe_layers names a layer"},
    {"llama4_text", "\"layer_types\":[\"sliding_attention\",\"full_attention\",\"full_attention\",\"full_attention\"]",
     NS_E_UNSUPPORTED, "layer_types[0] 'sliding_attention' is not supported"},
    {"llama4_text", "\"floor_scale\":8.5", NS_E_UNSUPPORTED, "floor_scale is 8.5: a whole number"},
    {"llama4_text", "\"attn_temperature_tuning\":\"on\"", NS_E_FORMAT, "attn_temperature_tuning must be true, false or a number"},
    {"qwen3_5_text", "\"linear_num_value_heads\":6", NS_E_FORMAT,
     "linear_num_value_heads 6 is not a multiple of linear_num_key_heads 16"},
    {"qwen3_5_text", "\"full_attention_interval\":0", NS_E_FORMAT, "full_attention_interval is 0"},
    {"qwen3_5_moe_text", "\"num_experts\":4", NS_E_FORMAT, "num_experts_per_tok is 8, but num_experts is 4"},
    {"olmo_hybrid", "\"linear_num_key_heads\":3", NS_E_FORMAT, "linear_num_value_heads 4 is not a multiple of linear_num_key_heads 3"},
    {"olmo_hybrid", "\"linear_key_head_dim\":0", NS_E_FORMAT, "linear_key_head_dim is 0"},
    {"olmo_hybrid", "\"layer_types\":[\"mamba\",\"mamba\",\"mamba\",\"full_attention\"]", NS_E_UNSUPPORTED,
     "layer_types[0] 'mamba' is not supported (full_attention and linear_attention are)"},
    {"hypenet", "\"mixer_types\":[\"attn\"]", NS_E_FORMAT, "mixer_types must be a list of 4 names, one a layer"},
    {"hypenet", "\"mixer_types\":[\"attn\",\"kda\",\"attn\",\"attn\"]", NS_E_UNSUPPORTED,
     "mixer_types[1] 'kda' is not supported (attn, gdn and lightning-attn are)"},
    {"hypenet", "\"mixer_types\":[\"attn\",\"gdn\",\"attn\",\"lightning-attn\"]", NS_E_UNSUPPORTED,
     "mixer_types: gdn and lightning-attn in one model are not supported"},
    {"hypenet", "\"mixer_types\":[\"gdn\",\"gdn\",\"attn\",\"gdn\"],\"gdn_nkv\":3", NS_E_FORMAT, "gdn_nh 4 is not a multiple of gdn_nkv 3"},
    {"hypenet", "\"mixer_types\":[\"gdn\",\"gdn\",\"attn\",\"gdn\"],\"gdn_use_short_conv\":true", NS_E_UNSUPPORTED,
     "gdn_use_short_conv is not supported"},
    {"hypenet", "\"mixer_types\":[\"gdn\",\"gdn\",\"attn\",\"gdn\"],\"gdn_use_qk_norm\":true", NS_E_UNSUPPORTED,
     "gdn_use_qk_norm is not supported"},
    {"hypenet", "\"lightning_nkv\":3", NS_E_FORMAT, "lightning_nh 4 is not a multiple of lightning_nkv 3"},
    {"hypenet", "\"lightning_head_dim\":6", NS_E_UNSUPPORTED, "lightning_head_dim 6 rotates like head_dim 128"},
    {"hypenet", "\"lightning_use_short_conv\":true", NS_E_UNSUPPORTED, "lightning_use_short_conv is not supported"},
    {"hypenet", "\"attn_logits_scaling\":\"log 1\"", NS_E_UNSUPPORTED, "attn_logits_scaling must be null, a number or 'log A'"},
    {"hypenet", "\"attn_logits_scaling\":Infinity", NS_E_FORMAT, "attn_logits_scaling is 1e+300"},
    {"hypenet", "\"attn_logits_scaling\":\"log e\"", NS_E_UNSUPPORTED, "attn_logits_scaling must be null, a number or 'log A'"},
    {"minicpm_sala", "\"mixer_types\":[\"attn\",\"attn\",\"attn\",\"attn\"]", NS_E_UNSUPPORTED,
     "mixer_types[0] 'attn' is not supported (minicpm4 and lightning-attn are)"},
    {"minicpm_sala", "\"mixer_types\":[\"minicpm4\",\"gdn\",\"minicpm4\",\"minicpm4\"]", NS_E_UNSUPPORTED, "mixer_types[1] 'gdn' is not"},
    {"minicpm_sala", "\"sparse_config\":{\"dense_len\":0}", NS_E_UNSUPPORTED, "sparse_config: dense_len is 0, so that every prompt"},
    {"minicpm_sala", "\"sparse_config\":true", NS_E_FORMAT, "sparse_config must be an object or null"},
    {"minicpm_sala", "\"sparse_config\":{\"dense_len\":\"8k\"}", NS_E_FORMAT, "'dense_len' is a string"},
    {"stablelm", "\"partial_rotary_factor\":0.5,\"qk_layernorm\":true", NS_E_UNSUPPORTED, "qk_layernorm is true"},
    {"granite", "\"logits_scaling\":0", NS_E_FORMAT, "logits_scaling is 0"},
    {"gpt_oss", "\"swiglu_alpha\":2.5", NS_E_UNSUPPORTED, "swiglu_alpha is 2.5: experts with another factor than 1.702"},
    {"gpt_oss", "\"swiglu_limit\":0", NS_E_FORMAT, "swiglu_limit is 0"},
    {"gpt_oss", "\"quantization_config\":{\"quant_method\":\"gptq\"}", NS_E_UNSUPPORTED, "quantization_config is"},
    {"gpt_oss", "\"quantization_config\":{\"quant_method\":4}", NS_E_FORMAT, "'quant_method' is a number"},
    {"mixtral", "\"quantization_config\":{\"quant_method\":\"mxfp4\"}", NS_E_UNSUPPORTED, "quantization_config is"},
};

/* flash-linear-attention: {"model_type": FAMILY, MORE} at a width of 32, four layers. */
static const struct { const char *family, *more; int code; const char *says; } refusals_of_fla[] = {
    {"mamba2", "\"norm_eps\":1e-5,\"head_dim\":8,\"num_heads\":8,\"norm_before_gate\":true", NS_E_UNSUPPORTED, "norm_before_gate is true"},
    {"gla", "\"attn\":3", NS_E_FORMAT, "attn must be an object, a list of objects or null"},
    {"gla", "\"attn\":{\"num_heads\":4}", NS_E_FORMAT, "attn: layers must be a list of layers"},
    {"gla", "\"attn\":{\"layers\":[4],\"num_heads\":4}", NS_E_FORMAT, "one that is none of 0 to 3"},
    {"gla", "\"attn\":{\"layers\":[1,1],\"num_heads\":4}", NS_E_FORMAT, "attn: layers names a layer twice"},
    {"gla", "\"attn\":{\"layers\":[1]}", NS_E_FORMAT, "attn: num_heads 0 do not divide hidden_size 32"},
    {"gla", "\"attn\":{\"layers\":[1],\"num_heads\":4,\"num_kv_heads\":3}", NS_E_FORMAT, "not a multiple of num_kv_heads 3"},
    {"gla", "\"attn\":{\"layers\":[1],\"num_heads\":4,\"window_size\":0}", NS_E_FORMAT, "window_size is 0: give the number"},
    {"gla", "\"attn\":{\"layers\":[1],\"num_heads\":4,\"rope_theta\":0.5}", NS_E_FORMAT, "rope_theta 0.5 must be above 1"},
    {"gla", "\"attn\":[{\"layers\":[1],\"num_heads\":4},{\"layers\":[2],\"num_heads\":2}]", NS_E_UNSUPPORTED, "several sizes of heads"},
    {"gla", "\"num_heads\":5", NS_E_FORMAT, "keys of 16 and values of 32 numbers do not divide into num_heads 5"},
    {"gla", "\"num_kv_heads\":2", NS_E_UNSUPPORTED, "heads of gla that share a decay"},
    {"gla", "\"clamp_min\":0", NS_E_FORMAT, "clamp_min is 0"},
    {"gla", "\"expand_k\":0.3", NS_E_FORMAT, "expand_k 0.3 times 32 is no whole number"},
    {"gla", "\"feature_map\":\"relu\"", NS_E_UNSUPPORTED, "feature_map is not supported but for null"},
    {"gla", "\"elementwise_affine\":false", NS_E_UNSUPPORTED, "elementwise_affine false is not supported"},
    {"gla", "\"attnres_block_size\":2", NS_E_UNSUPPORTED, "attnres_block_size is not supported"},
    {"gla", "\"hidden_act\":\"powlu\"", NS_E_UNSUPPORTED, "hidden_act 'powlu' is not supported"},
    {"hgrn2", "\"expand_ratio\":11", NS_E_FORMAT, "use_lower_bound: 2 heads of expand_ratio 11 gates are not hidden_size 32"},
    {"hgrn2", "\"use_lower_bound\":false,\"expand_ratio\":6", NS_E_FORMAT, "5 heads (hidden_size / expand_ratio, or num_heads) do not"},
    {"hgrn2", "\"use_lower_bound\":false,\"expand_ratio\":8,\"use_short_conv\":true", NS_E_UNSUPPORTED, "use_short_conv of hgrn2"},
    {"simple_gla", "\"num_kv_heads\":3", NS_E_FORMAT, "num_heads 4 are not a multiple of num_kv_heads 3"},
    {"simple_gla", "\"use_output_gate\":false", NS_E_UNSUPPORTED, "use_output_gate false is not supported"},
    {"retnet", "\"num_kv_heads\":3", NS_E_FORMAT, "num_heads 8 are not a multiple of num_kv_heads 3"},
    {"retnet", "\"num_heads\":32", NS_E_FORMAT, "keys of 1 numbers are odd"},
    {"delta_net", "\"num_heads\":4,\"qk_norm\":\"sum\"", NS_E_UNSUPPORTED, "qk_norm is not supported but for l2"},
    {"delta_net", "\"num_heads\":4,\"use_beta\":false,\"allow_neg_eigval\":true", NS_E_UNSUPPORTED, "allow_neg_eigval without use_beta"},
    {"gated_deltanet", "\"num_v_heads\":4", NS_E_FORMAT, "num_v_heads 4 are not a multiple of num_heads 6"},
    {"gated_deltanet", "\"output_gate_activation\":\"relu\"", NS_E_FORMAT, "is none of swish, silu and sigmoid"},
    {"kda", "\"safe_gate\":true", NS_E_UNSUPPORTED, "safe_gate true is not supported"},
    {"kda", "\"lower_bound\":-5", NS_E_UNSUPPORTED, "lower_bound is not supported but for null"},
    {"mamba2", "\"norm_eps\":1e-5,\"num_heads\":4,\"n_groups\":1,\"rmsnorm\":false", NS_E_UNSUPPORTED, "rmsnorm false is not supported"},
    {"mamba2", "\"norm_eps\":1e-5,\"num_heads\":4,\"n_groups\":1,\"dt_limit\":[2,1]", NS_E_FORMAT, "dt_limit must be two numbers"},
    {"mamba2", "\"norm_eps\":1e-5,\"num_heads\":4,\"n_groups\":1,\"D_has_hdim\":true", NS_E_UNSUPPORTED, "D_has_hdim is true"},
};

static void refused_of_fla(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals_of_fla / sizeof *refusals_of_fla; i++) {
        char json[1024];
        snprintf(json, sizeof json, "{\"model_type\":\"%s\",\"hidden_size\":32,\"num_hidden_layers\":4,%s}", refusals_of_fla[i].family,
                 refusals_of_fla[i].more);
        config_fails(json, refusals_of_fla[i].code, refusals_of_fla[i].says);
    }
}

static void refused(void **state)
{
    (void)state;
    config_fails("{}", NS_E_FORMAT, "config.json: no model_type (known: llama");
    config_fails("{\"model_type\":\"qwen3next\"}", NS_E_UNSUPPORTED,
                 "model_type 'qwen3next' is not supported (did you mean 'qwen3_next'?; inspect --families lists those that are)");
    config_fails("[]", NS_E_FORMAT, "not a JSON object");
    config_fails("{\"model_type\":\"t5\"}", NS_E_UNSUPPORTED, "model_type 't5' is not supported (known: llama");
    config_fails("{\"model_type\":7}", NS_E_FORMAT, "'model_type' is a number");
    static const struct { const char *type, *lacks; } lacking[] = {
        {"gemma3n_text", "embeddings of each layer"}, {"zamba2", "a block that several depths share"}, {"deepseek_v3", "(MLA)"},
        {"minicpm3", "(MLA)"}, {"rwkv7", "token shift"}, {"phimoe", "SparseMixer"}, {"kimi_linear", "(MLA)"},
        {"nsa", "chosen blocks of keys"},
    };
    for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"model_type\":\"%s\"}", lacking[i].type);
        config_fails(json, NS_E_UNSUPPORTED, "is not supported: there is no class of branches for");
        config_fails(json, NS_E_UNSUPPORTED, lacking[i].lacks);
    }
    config_fails("{\"model_type\":\"gemma3n\",\"text_config\":{\"model_type\":\"gemma3n_text\"}}", NS_E_UNSUPPORTED,
                 "there is no class of branches for embeddings of each layer");
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        char json[4096];
        snprintf(json, sizeof json, "%s", config_with(refusals[i].family, refusals[i].more));
        if (strcmp(refusals[i].family, "gpt_neox") == 0)
            snprintf(json, sizeof json, "{\"model_type\":\"gpt_neox\",\"hidden_size\":32,\"num_attention_heads\":4,%s}", refusals[i].more);
        config_fails(json, refusals[i].code, refusals[i].says);
    }
    config_fails("{\"model_type\":\"llama\",\"num_attention_heads\":6,\"num_key_value_heads\":4}", NS_E_FORMAT,
                 "num_attention_heads 6 is not a multiple of num_key_value_heads 4");
    config_fails("{\"model_type\":\"mistral\",\"num_attention_heads\":4}", NS_E_FORMAT,
                 "the key is absent, so it has the family's default");
    config_fails("{\"model_type\":\"llama\",\"hidden_size\":33,\"num_attention_heads\":4}", NS_E_FORMAT,
                 "hidden_size 33 is not a multiple of num_attention_heads 4, and no head_dim is given");
    config_fails("{\"model_type\":\"llama\",\"num_hidden_layers\":4097}", NS_E_FORMAT, "num_hidden_layers is 4097, outside 1 to 4096");
    config_fails("{\"model_type\":\"llama\",\"model_type\":\"llama\"}", NS_E_FORMAT, "twice");
    config_fails("{\"model_type\":\"llama\"", NS_E_FORMAT, "config.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused), cmocka_unit_test(refused_of_fla),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
