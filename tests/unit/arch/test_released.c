/* test_released.c - config.json as it is released: the keys of checkpoints that there are, text models in wrappers, keys that nobody
 * knows. */
#include "arch_test.h"

/* ---- unknown keys ---- */
typedef struct heard { int n; char last[512]; } heard;

static void listen(void *user, const char *line)
{
    heard *const h = user;
    h->n++;
    snprintf(h->last, sizeof h->last, "%s", line);
}

static int warnings(const char *json, char *last, size_t n)
{
    heard h = {0};
    const ns_arch_params params = {.size = sizeof params, .warn = listen, .user = &h};
    ns_arch *a = NULL;
    ns_error err = {""};
    if (ns_arch_from_config(&a, json, strlen(json), "config.json", &params, &err))
        fail_msg("%s", err.message);
    ns_arch_free(a);
    snprintf(last, n, "%s", h.last);
    return h.n;
}

static void unknown_keys(void **state)
{
    (void)state;
    char last[512];
    assert_int_equal(
        warnings(config_with(
                     "llama",
                     "\"torch_dtype\":\"bfloat16\",\"use_cache\":true,\"eos_token_id\":[1,2],\"bos_token_id\":1,\"_name_or_path\":\"x\","
                     "\"attention_dropout\":0.1,\"pretraining_tp\":1,\"architectures\":[\"LlamaForCausalLM\"],\"initializer_range\":0.02,"
                     "\"sliding_window\":null,\"num_experts\":0,\"quantization_config\":null"),
                 last, sizeof last),
        0);
    assert_int_equal(warnings(config_with("llama", "\"colour_of_the_bike_shed\":\"red\""), last, sizeof last), 1);
    assert_string_equal(last, "config.json: unknown key 'colour_of_the_bike_shed' is not looked at");
    assert_int_equal(warnings(config_with("llama", "\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":2,\"oops\":1}"), last,
                              sizeof last),
                     1);
    assert_non_null(strstr(last, "'oops'"));
    /* What transformers 4 and 5 leave unread, too: its numbers are those of no scaling. */
    assert_int_equal(warnings(config_with("llama", "\"rope_scaling\":{\"rope_type\":\"default\",\"factor\":8}"), last, sizeof last), 1);
    assert_string_equal(last, "config.json: key 'factor' of the rope scaling is not looked at: rope_type 'default' does not read it");
    assert_int_equal(warnings(config_with("minicpm_sala", "\"sparse_config\":{\"dense_len\":64}"), last, sizeof last), 1);
    assert_string_equal(last, "config.json: sparse_config: prompts of dense_len, 64, or more attend to chosen blocks of keys, which is not "
                              "supported: those of up to 63 are read (null: all, with attention to all keys)");
    ns_arch *const sparse = arch_of(config_with("minicpm_sala", "\"sparse_config\":{\"dense_len\":64}"));
    assert_int_equal(sparse->max_positions, 63);
    ns_arch_free(sparse);
    assert_int_equal(warnings(config_with("minicpm_sala", "\"sparse_config\":{},\"max_position_embeddings\":8191"), last, sizeof last), 0);
    assert_int_equal(warnings("{\"model_type\":\"gla\",\"hidden_size\":16,\"num_heads\":4,\"num_hidden_layers\":2,\"vocab_size\":32,"
                              "\"attn\":{\"layers\":[1],\"num_heads\":4,\"num_kv_heads\":2,\"qkv_bias\":true,\"window_size\":null,"
                              "\"rope_theta\":10000.0,\"colour\":2}}", last, sizeof last), 1);
    assert_string_equal(last, "config.json: unknown key 'colour' of attn is not looked at");
    static const char aya[] = "{\"model_type\":\"aya_vision\",\"text_config\":{\"model_type\":\"cohere2\",\"hidden_size\":16,"
                              "\"num_attention_heads\":4,\"num_hidden_layers\":4,\"vocab_size\":32,\"intermediate_size\":16}}";
    assert_int_equal(warnings(aya, last, sizeof last), 1);
    assert_string_equal(last, "config.json: text_config: logits are scaled by 0.0625, as the text model was trained; transformers' "
                              "class of aya_vision leaves that out");
    static const struct { const char *family, *more, *says;
    } changing[] = {
        {"llama", "\"sliding_window\":4096", "sliding_window is 4096, which would change the result"},
        {"llama", "\"final_logit_softcapping\":30.0", "final_logit_softcapping"},
        {"llama", "\"quantization_config\":{\"bits\":4}",
         "quantization_config is {\"bits\":4}, which would change the result and is not supported for llama (load the model in "
         "transformers, call its dequantize()"},
        {"llama", "\"partial_rotary_factor\":0.5", "partial_rotary_factor"},
        {"llama", "\"logits_scaling\":8", "logits_scaling"},
        {"llama", "\"num_local_experts\":8", "num_local_experts"},
        {"mistral", "\"attention_bias\":true", "attention_bias is true"},
        {"gemma3_text", "\"attn_logit_softcapping\":50.0", "attn_logit_softcapping"},
        {"gemma3_text", "\"use_bidirectional_attention\":true", "use_bidirectional_attention"},
        {"phi3", "\"rope_parameters\":{\"rope_type\":\"default\",\"llama_4_scaling_beta\":0.1}", "llama_4_scaling_beta"},
        {"llama", "\"layer_types\":[\"sliding_attention\",\"full_attention\",\"full_attention\",\"full_attention\"]",
         "ignores layer_types"},
    };
    for (size_t i = 0; i < sizeof changing / sizeof *changing; i++)
        config_fails(config_with(changing[i].family, changing[i].more), NS_E_UNSUPPORTED, changing[i].says);
}

/* The keys of released checkpoints (sizes made small): no warning, no error. */
static void released_configs(void **state)
{
    (void)state;
    static const struct { const char *family, *more; } released[] = {
        /* SmolLM2 */
        {"llama", "\"is_llama_config\":true,\"rope_interleaved\":false,\"transformers.js_config\":{\"kv_cache_dtype\":{}},"
                  "\"pad_token_id\":2"},
        /* Qwen2.5 */
        {"qwen2", "\"max_window_layers\":21,\"sliding_window\":32768,\"use_mrope\":false,\"use_sliding_window\":false"},
        /* gemma-2-2b */
        {"gemma2", "\"cache_implementation\":\"hybrid\",\"hidden_act\":\"gelu_pytorch_tanh\","
                   "\"hidden_activation\":\"gelu_pytorch_tanh\""},
        /* c4ai-command-r7b */
        {"cohere2", "\"_sliding_window_pattern\":4,\"layer_switch\":4,\"order_of_interleaved_layers\":\"local_attn_first\","
                    "\"use_qk_norm\":false,\"position_embedding_type\":\"rope_gptj\",\"rotary_pct\":1.0,\"use_embedding_sharing\":true,"
                    "\"use_gated_activation\":true,\"use_parallel_block\":true,\"use_parallel_embedding\":true"},
        /* SmolLM3-3B */
        {"smollm3", "\"max_window_layers\":28,\"no_rope_layer_interval\":4,\"pretraining_tp\":2,\"use_sliding_window\":false,"
                    "\"sliding_window\":null"},
        /* Mixtral-8x7B, OLMoE-1B-7B, Qwen3-30B-A3B, gpt-oss-20b (bf16), Llama-4-Scout (text), granite-3.1-1b-a400m, stablelm-2-1_6b,
         * starcoder2-3b */
        {"mixtral", "\"num_experts_per_tok\":2,\"num_local_experts\":8,\"output_router_logits\":false,\"router_aux_loss_coef\":0.02,"
                    "\"sliding_window\":null"},
        {"olmoe", "\"clip_qkv\":null,\"norm_topk_prob\":false,\"num_experts\":64,\"output_router_logits\":false"},
        {"qwen3_moe", "\"decoder_sparse_step\":1,\"max_window_layers\":48,\"mlp_only_layers\":[],\"moe_intermediate_size\":768,"
                      "\"norm_topk_prob\":true,\"num_experts\":128,\"sliding_window\":null,\"use_sliding_window\":false"},
        {"gpt_oss", "\"attention_bias\":true,\"experts_per_token\":4,\"initial_context_length\":4096,\"swiglu_limit\":7.0,"
                    "\"hidden_act\":\"silu\",\"head_dim\":64,\"sliding_window\":128"},
        {"llama4_text", "\"attn_temperature_tuning\":4,\"attention_bias\":false,\"floor_scale\":8192,\"for_llm_compressor\":false,"
                        "\"interleave_moe_layer_step\":1,\"no_rope_layers\":[],\"router_jitter_noise\":0.0,\"use_qk_norm\":true"},
        {"granitemoe", "\"embedding_multiplier\":12.0,\"logits_scaling\":6.0,\"router_aux_loss_coef\":0.0"},
        {"stablelm", "\"qk_layernorm\":false,\"use_parallel_residual\":false,\"use_qkv_bias\":true,\"rope_scaling\":null"},
        {"starcoder2", "\"attention_dropout\":0.1,\"mlp_type\":\"default\",\"norm_type\":\"layer_norm\",\"use_bias\":true,"
                       "\"residual_dropout\":0.1"},
        /* LFM2-1.2B */
        {"lfm2", "\"block_auto_adjust_ff_dim\":true,\"block_dim\":2048,\"block_ff_dim\":12288,\"block_ffn_dim_multiplier\":1.0,"
                 "\"block_mlp_init_scale\":1.0,\"block_multiple_of\":256,\"block_norm_eps\":1e-05,\"block_out_init_scale\":1.0,"
                 "\"block_use_swiglu\":true,\"block_use_xavier_init\":true,\"conv_L_cache\":3,\"conv_bias\":false,\"conv_dim\":2048,"
                 "\"conv_dim_out\":2048,\"conv_use_xavier_init\":true,\"full_attn_idxs\":[2],\"num_heads\":32,\"rope_theta\":1e6,"
                 "\"theta\":1e6,\"tie_embedding\":true,\"use_pos_enc\":true"},
        /* Nemotron-H-8B */
        {"nemotron_h", "\"attention_head_dim\":128,\"chunk_size\":128,\"conv_kernel\":4,\"expand\":2,\"head_dim\":128,"
                       "\"hybrid_override_pattern\":\"M-M*\",\"layer_norm_epsilon\":1e-05,\"mamba_head_dim\":64,"
                       "\"mamba_hidden_act\":\"silu\",\"mamba_num_heads\":128,\"mamba_proj_bias\":false,\"mlp_bias\":false,"
                       "\"mlp_hidden_act\":\"relu2\",\"n_groups\":8,\"num_logits_to_keep\":1,\"rescale_prenorm_residual\":true,"
                       "\"residual_in_fp32\":false,\"sliding_window\":null,\"ssm_state_size\":128,\"time_step_floor\":0.0001,"
                       "\"time_step_limit\":[0.0,Infinity],\"time_step_max\":0.1,\"time_step_min\":0.001,\"time_step_rank\":256,"
                       "\"use_bias\":false,\"use_conv_bias\":true,\"use_mamba_kernels\":true"},
        /* Falcon-H1-0.5B */
        {"falcon_h1", "\"attention_in_multiplier\":1.0,\"attention_out_multiplier\":1.0,\"embedding_multiplier\":1.0,\"head_dim\":8,"
                      "\"key_multiplier\":1.0,\"lm_head_multiplier\":1.0,\"mamba_chunk_size\":256,\"mamba_conv_bias\":true,"
                      "\"mamba_d_conv\":4,\"mamba_d_head\":64,\"mamba_d_ssm\":1536,\"mamba_d_state\":128,\"mamba_expand\":2,"
                      "\"mamba_n_groups\":1,\"mamba_n_heads\":24,\"mamba_norm_before_gate\":false,\"mamba_proj_bias\":false,"
                      "\"mamba_rms_norm\":false,\"mamba_use_mlp\":true,\"mlp_bias\":false,\"mlp_expansion_factor\":8,"
                      "\"mlp_multipliers\":[1.0,1.0],\"num_logits_to_keep\":1,\"projectors_bias\":false,\"rope_scaling\":null,"
                      "\"ssm_in_multiplier\":1.0,\"ssm_multipliers\":[1,1,1,1,1],\"ssm_out_multiplier\":1.0,"
                      "\"time_step_floor\":0.0001,\"time_step_max\":0.1,\"time_step_min\":0.001,\"time_step_rank\":\"auto\""},
        /* recurrentgemma-2b */
        {"recurrent_gemma", "\"_block_types\":[\"recurrent\",\"recurrent\",\"attention\"],\"attention_window_size\":2048,"
                            "\"conv1d_width\":4,\"final_w_init_variance_scale\":0.07,\"head_dim\":8,"
                            "\"hidden_activation\":\"gelu_pytorch_tanh\",\"logits_soft_cap\":30.0,\"lru_width\":32,"
                            "\"partial_rotary_factor\":0.5,\"w_init_variance_scale\":0.01"},
        /* Jamba-v0.1 */
        {"jamba", "\"attn_layer_offset\":4,\"attn_layer_period\":8,\"calc_logits_for_entire_prompt\":false,"
                  "\"expert_layer_offset\":1,\"expert_layer_period\":2,\"mamba_conv_bias\":true,\"mamba_d_conv\":4,"
                  "\"mamba_d_state\":16,\"mamba_dt_rank\":256,\"mamba_expand\":2,\"mamba_inner_layernorms\":true,"
                  "\"mamba_proj_bias\":false,\"n_ctx\":262144,\"num_experts\":16,\"num_experts_per_tok\":2,"
                  "\"num_logits_to_keep\":1,\"sliding_window\":null,\"use_mamba_kernels\":true"},
        /* as transformers 5.23 writes them, untold */
        {"jamba", "\"use_associative_scan\":true,\"use_mambapy\":false"},
        {"glm4_moe", "\"num_nextn_predict_layers\":1"},
        {"gpt_oss", "\"swiglu_alpha\":1.702,\"swiglu_limit\":7.0"},
        /* of transformers 4.57, without a rope */
        {"granitemoehybrid", "\"rope_theta\":10000.0,\"rope_scaling\":null,\"position_embedding_type\":\"nope\",\"mamba_n_heads\":8"},
        /* Qwen3.5 */
        {"qwen3_5_text", "\"attn_output_gate\":true,\"mamba_ssm_dtype\":\"float32\",\"mtp_num_hidden_layers\":1,"
                         "\"mtp_use_dedicated_embeddings\":false,\"full_attention_interval\":4"},
        /* EXAONE-4.0-1.2B */
        {"exaone4", "\"sliding_window\":null,\"sliding_window_pattern\":null,\"layer_types\":null"},
        /* Phi-3-mini-4k */
        {"phi3", "\"auto_map\":{},\"embd_pdrop\":0.0,\"resid_pdrop\":0.0,\"attention_bias\":false,\"sliding_window\":2047,"
                 "\"original_max_position_embeddings\":4096,\"lm_head_bias\":false"},
    };
    for (size_t i = 0; i < sizeof released / sizeof *released; i++) {
        char last[512];
        if (warnings(config_with(released[i].family, released[i].more), last, sizeof last))
            fail_msg("%s: %s", released[i].family, last);
    }
}

/* The same of models without attention. */
static void released_without_attention(void **state)
{
    (void)state;
    static const char *const released[] = {
        /* mamba-130m-hf, falcon-mamba-7b */
        "{\"model_type\":\"mamba\",\"hidden_size\":32,\"num_hidden_layers\":2,\"conv_kernel\":4,\"d_inner\":64,\"d_model\":32,"
        "\"expand\":2,\"fused_add_norm\":true,\"hidden_act\":\"silu\",\"intermediate_size\":64,\"layer_norm_epsilon\":1e-05,"
        "\"n_layer\":2,\"pad_vocab_size_multiple\":8,\"rescale_prenorm_residual\":false,\"residual_in_fp32\":true,\"rms_norm\":true,"
        "\"ssm_cfg\":{},\"state_size\":16,\"time_step_floor\":0.0001,\"time_step_init_scheme\":\"random\",\"time_step_max\":0.1,"
        "\"time_step_min\":0.001,\"time_step_rank\":48,\"time_step_scale\":1.0,\"use_bias\":false,\"use_conv_bias\":true}",
        "{\"model_type\":\"falcon_mamba\",\"hidden_size\":32,\"num_hidden_layers\":2,\"expand\":16,\"intermediate_size\":64,"
        "\"layer_norm_epsilon\":1e-05,\"mixer_rms_eps\":1e-06,\"time_step_rank\":256,\"tie_word_embeddings\":false,"
        "\"use_falcon_mambapy\":false,\"use_mambapy\":false,\"use_associative_scan\":true}",
    };
    /* Mamba-Codestral-7B */
    static const char codestral[] =
        "{\"model_type\":\"mamba2\",\"hidden_size\":32,\"num_hidden_layers\":2,\"chunk_size\":256,\"conv_kernel\":4,\"expand\":2,"
        "\"head_dim\":8,\"num_heads\":8,\"hidden_act\":\"silu\",\"intermediate_size\":64,\"layer_norm_epsilon\":1e-05,\"n_groups\":8,"
        "\"norm_before_gate\":true,\"rescale_prenorm_residual\":false,\"residual_in_fp32\":true,\"rms_norm\":true,\"state_size\":128,"
        "\"tie_word_embeddings\":false,\"time_step_floor\":0.0001,\"time_step_init_scheme\":\"random\","
        "\"time_step_limit\":[0.0,Infinity],\"time_step_max\":0.1,\"time_step_min\":0.001,\"time_step_rank\":256,"
        "\"time_step_scale\":1.0,\"use_bias\":false,\"use_conv_bias\":true,\"use_cache\":true}";
    char last[512];
    for (size_t i = 0; i < sizeof released / sizeof *released; i++) {
        if (warnings(released[i], last, sizeof last))
            fail_msg("%s", last);
        ns_arch *const a = arch_of(released[i]);
        assert_true(ns_arch_max_heads(a) == 0 && ns_arch_axis(a, 0, "channel") == 64 && ns_arch_layer_kind(a, 0) == NS_LAYER_RECURRENT);
        ns_arch_free(a);
    }
    if (warnings(codestral, last, sizeof last))
        fail_msg("%s", last);
    ns_arch *const a = arch_of(codestral);
    assert_true(ns_arch_max_heads(a) == 8 && ns_arch_layer_kind(a, 0) == NS_LAYER_RECURRENT);
    ns_arch_free(a);
}

/* ---- wrappers: the text model's config, wherever it stands ---- */
static void wrappers(void **state)
{
    (void)state;
    static const struct { const char *json, *family; bool tied;
    } known[] = {
        {"{\"model_type\":\"mistral3\",\"text_config\":{\"model_type\":\"mistral\"}}", "mistral", false},
        {"{\"model_type\":\"mistral3\",\"text_config\":{}}", "mistral", false},
        {"{\"model_type\":\"llava\",\"text_config\":{\"num_key_value_heads\":4}}", "llama", false},
        {"{\"model_type\":\"llava\",\"mm_vision_tower\":\"clip\",\"num_hidden_layers\":2}", "llama", false},
        {"{\"model_type\":\"internvl_chat\",\"llm_config\":{\"model_type\":\"qwen3\"},\"tie_word_embeddings\":true}", "qwen3", true},
        {"{\"model_type\":\"internvl_chat\",\"llm_config\":{\"model_type\":\"qwen3\",\"tie_word_embeddings\":false},\"tie_word_"
         "embeddings\":true}",
         "qwen3", false},
        {"{\"model_type\":\"multi_modality\",\"language_config\":{\"model_type\":\"llama\"}}", "llama", false},
        {"{\"model_type\":\"gemma3\",\"text_config\":{}}", "gemma3_text", true},
        {"{\"text_config\":{\"model_type\":\"gpt_neox\"}}", "gpt_neox", false},
        {"{\"model_type\":\"qwen2_5_vl\",\"num_hidden_layers\":2,\"rope_scaling\":{\"type\":\"mrope\",\"mrope_section\":[16,24,24]}}",
         "qwen2_5_vl_text", false},
        {"{\"model_type\":\"llama\",\"text_config\":{\"model_type\":\"mistral\"}}", "llama", false},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ns_arch *const a = arch_of(known[i].json);
        assert_string_equal(a->family, known[i].family);
        assert_int_equal(strcmp(a->head.name, a->embed.name) == 0, known[i].tied);
        assert_int_equal(ns_arch_ignores(a, "model.vision_tower.layers.0.weight"), i < sizeof known / sizeof *known - 1);
        assert_false(ns_arch_ignores(a, a->embed.name));
        ns_arch_free(a);
    }
    config_fails("{\"model_type\":\"gemma3\"}", NS_E_FORMAT, "needs an object 'text_config'");
    config_fails("{\"model_type\":\"llava\",\"text_config\":{\"model_type\":\"t5\"}}", NS_E_UNSUPPORTED,
                 "config.json: text_config: model_type 't5' is not supported");
    config_fails("{\"model_type\":\"x\",\"text_config\":{}}", NS_E_FORMAT, "config.json: text_config: no model_type");
    config_fails("{\"model_type\":\"llava\",\"text_config\":{\"vocab_size\":0}}", NS_E_FORMAT, "config.json: text_config: vocab_size is 0");
    config_fails("{\"model_type\":\"paligemma\",\"text_config\":{\"model_type\":\"gemma2\"}}", NS_E_UNSUPPORTED,
                 "the rows of its prompt see each other");
    config_fails("{\"model_type\":\"gemma3\",\"quantization_config\":{\"a\":1},\"text_config\":{}}", NS_E_UNSUPPORTED,
                 "call its dequantize()");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrappers), cmocka_unit_test(unknown_keys), cmocka_unit_test(released_configs),
        cmocka_unit_test(released_without_attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
