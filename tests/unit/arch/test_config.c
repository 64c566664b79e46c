/* test_config.c - config.json to facts: defaults of the transformers config classes, both generations of rope keys, layer types, experts.
 * Released configs: test_released.c; what configs are refused for: test_refused.c. */
#include "arch_test.h"
#include <math.h>

/* From the config classes of transformers 4.57.6, instantiated without arguments. */
static const struct { const char *family; int64_t vocab, D, F, L, H, G, d, positions; double eps,
                     theta; bool tied; int64_t window; } defaults[] = {
    {"llama", 32000, 4096, 11008, 32, 32, 32, 128, 2048, 1e-6, 1e4, false, 0},
    {"mistral", 32000, 4096, 14336, 32, 32, 8, 128, 131072, 1e-6, 1e4, false, 4096},
    {"qwen2", 151936, 4096, 22016, 32, 32, 32, 128, 32768, 1e-6, 1e4, false, 0},
    {"qwen3", 151936, 4096, 22016, 32, 32, 32, 128, 32768, 1e-6, 1e4, false, 0},
    {"gpt_neox", 50432, 6144, 24576, 44, 64, 64, 96, 2048, 1e-5, 1e4, false, 0},
    {"gemma2", 256000, 2304, 9216, 26, 8, 4, 256, 8192, 1e-6, 1e4, true, 4096},
    {"gemma3_text", 262208, 2304, 9216, 26, 8, 4, 256, 131072, 1e-6, 1e4, true, 4096},
    {"cohere2", 256000, 8192, 22528, 40, 64, 64, 128, 8192, 1e-5, 1e4, true, 4096},
    {"smollm3", 128256, 2048, 11008, 36, 16, 4, 128, 32768, 1e-6, 2e6, true, 0},
    {"olmo", 50304, 4096, 11008, 32, 32, 32, 128, 2048, 1e-5, 1e4, false, 0},
    {"olmo2", 50304, 4096, 11008, 32, 32, 32, 128, 2048, 1e-5, 1e4, false, 0},
    {"olmo3", 50304, 4096, 11008, 32, 32, 32, 128, 2048, 1e-5, 1e4, false, 4096},
    {"phi3", 32064, 3072, 8192, 32, 32, 32, 96, 4096, 1e-5, 1e4, false, 0},
    {"exaone4", 102400, 4096, 16384, 32, 32, 32, 128, 2048, 1e-5, 1e4, false, 4096},
    {"gpt2", 50257, 768, 3072, 12, 12, 12, 64, 1024, 1e-5, 0, true, 0},
    {"mixtral", 32000, 4096, 14336, 32, 32, 8, 128, 131072, 1e-5, 1e6, false, 0},
    {"qwen2_moe", 151936, 2048, 1408, 24, 16, 16, 128, 32768, 1e-6, 1e4, false, 0},
    {"qwen3_moe", 151936, 2048, 768, 24, 32, 4, 64, 32768, 1e-6, 1e4, false, 0},
    {"olmoe", 50304, 2048, 2048, 16, 16, 16, 128, 4096, 1e-5, 1e4, false, 0},
    {"granite", 32000, 4096, 11008, 32, 32, 32, 128, 2048, 1e-6, 1e4, false, 0},
    {"granitemoe", 32000, 4096, 11008, 32, 32, 32, 128, 2048, 1e-6, 1e4, false, 0},
    {"gpt_oss", 201088, 2880, 2880, 36, 64, 8, 64, 131072, 1e-5, 150000, false, 128},
    {"llama4_text", 202048, 5120, 8192, 48, 40, 8, 128, 131072, 1e-5, 5e5, false, 0},
    {"apertus", 131072, 4096, 14336, 32, 32, 32, 128, 65536, 1e-5, 12e6, false, 0},
    {"stablelm", 50304, 2560, 6912, 32, 32, 32, 80, 4096, 1e-5, 1e4, false, 0},
    {"starcoder2", 49152, 3072, 12288, 30, 24, 2, 128, 4096, 1e-5, 1e4, true, 0},
    {"lfm2", 65536, 2560, 8192, 32, 32, 8, 80, 128000, 1e-5, 1e6, true, 0},
    {"ministral", 32000, 4096, 14336, 32, 32, 8, 128, 131072, 1e-6, 1e4, false, 4096},
};
/* The same of those that have come with 5.23.0; layer 3 is the first with attention. */
static const struct { const char *family; int64_t vocab, D, F, L, H, G, d, positions, q_heads, v_heads, key, value; bool rope;
} hybrids[] = {
    {"qwen3_5_text", 248320, 4096, 12288, 32, 16, 4, 256, 32768, 16, 32, 128, 128, true},
    {"qwen3_5_moe_text", 248320, 2048, 512, 40, 16, 2, 256, 32768, 16, 32, 128, 128, true},
    {"olmo_hybrid", 100352, 3840, 11008, 32, 30, 30, 128, 65536, 30, 30, 96, 192, false},
};
/* Of an expert where layer 0 has them. */
static int64_t width_of(const ns_arch *a)
{
    return ns_arch_axis(a, 0, ns_arch_axis(a, 0, "expert") ? "d_expert" : "d_ff");
}

static void class_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"model_type\":\"%s\"}", defaults[i].family);
        ns_arch *const a = arch_of(json);
        const ns_attn *const first = ns_arch_attn(a, 0);
        assert_string_equal(a->family, defaults[i].family);
        assert_int_equal(a->vocab, defaults[i].vocab);
        assert_int_equal(a->d_model, defaults[i].D);
        assert_int_equal(width_of(a), defaults[i].F);
        assert_int_equal(a->n_layers, defaults[i].L);
        assert_int_equal(first->n_heads, defaults[i].H);
        assert_int_equal(first->n_kv_heads, defaults[i].G);
        assert_int_equal(first->head_dim, defaults[i].d);
        assert_int_equal(a->max_positions, defaults[i].positions);
        assert_true(a->final_norm.eps == (float)defaults[i].eps);
        assert_int_equal(first->window, defaults[i].window);
        assert_int_equal(strcmp(a->head.name, a->embed.name) == 0, defaults[i].tied);
        if (defaults[i].theta > 0 && first->rope >= 0)
            assert_true(a->ropes[first->rope].theta == defaults[i].theta);
        assert_int_equal(a->n_ropes == 0, strcmp(defaults[i].family, "gpt2") == 0);
        ns_arch_free(a);
    }
}

/* One letter a layer: S slides, F is full; then R rotates, N does not. */
static void expect_layers(const char *json, const char *letters)
{
    char got[256] = "";
    ns_arch *const a = arch_of(json);
    for (int64_t i = 0; i < a->n_layers; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%c%c", i ? " " : "", ns_arch_layer_kind(a, i) == NS_LAYER_SWA ? 'S' : 'F',
                 ns_arch_attn(a, i)->rope < 0 ? 'N' : (char)('0' + ns_arch_attn(a, i)->rope));
    ns_arch_free(a);
    if (strcmp(got, letters) != 0)
        fail_msg("%s: wanted '%s', got '%s'", json, letters, got);
}

static void hybrid_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hybrids / sizeof *hybrids; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"model_type\":\"%s\"}", hybrids[i].family);
        ns_arch *const a = arch_of(json);
        const ns_attn *const full = ns_arch_attn(a, 3);
        assert_true(a->vocab == hybrids[i].vocab && a->d_model == hybrids[i].D && a->n_layers == hybrids[i].L &&
                    a->max_positions == hybrids[i].positions && width_of(a) == hybrids[i].F);
        assert_true(full->n_heads == hybrids[i].H && full->n_kv_heads == hybrids[i].G && full->head_dim == hybrids[i].d &&
                    (full->rope >= 0) == hybrids[i].rope);
        assert_true(ns_arch_axis(a, 0, "q_head") == hybrids[i].q_heads && ns_arch_axis(a, 0, "head") == hybrids[i].v_heads &&
                    ns_arch_axis(a, 0, "d_key") == hybrids[i].key && ns_arch_axis(a, 0, "d_head") == hybrids[i].value);
        for (int64_t l = 0; l < a->n_layers; l++)
            assert_int_equal(ns_arch_layer_kind(a, l) == NS_LAYER_FULL, l % 4 == 3);
        ns_arch_free(a);
    }
    expect_layers(config_with("olmo_hybrid", "\"rope_parameters\":{\"rope_theta\":null,\"rope_type\":\"default\"},\"layer_types\":["
                                             "\"full_attention\",\"full_attention\",\"full_attention\",\"full_attention\"]"),
                  "FN FN FN FN");
    expect_layers(config_with("olmo_hybrid", "\"rope_parameters\":{\"rope_theta\":5e5},\"layer_types\":[\"full_attention\","
                                             "\"full_attention\",\"full_attention\",\"full_attention\"]"),
                  "F0 F0 F0 F0");
}

/* What transformers 5 writes otherwise than 4. */
static void spellings_of_5(void **state)
{
    (void)state;
    static const char *const pairs[][3] = {
        {"granitemoehybrid", "\"mamba_n_heads\":8,\"layer_types\":[\"mamba\",\"attention\",\"mamba\",\"mamba\"]",
         "\"mamba_n_heads\":8,\"layer_types\":[\"linear_attention\",\"full_attention\",\"linear_attention\",\"linear_attention\"],"
         "\"rope_parameters\":{\"rope_theta\":1e4,\"rope_type\":\"default\"}"},
        {"bamba", "\"mamba_n_heads\":8,\"time_step_limit\":[0.5,Infinity]",
         "\"mamba_n_heads\":8,\"time_step_limit\":[0.5,{\"__float__\":\"Infinity\"}]"},
        {"gpt_oss", "\"swiglu_limit\":7,\"swiglu_alpha\":1.702", "\"num_local_experts\":128"},
        {"recurrent_gemma", "\"block_types\":[\"recurrent\",\"attention\"],\"_block_types\":[\"recurrent\",\"attention\"]",
         "\"_block_types\":[\"recurrent\",\"attention\"]"},
        {"qwen3_moe", "\"num_experts\":12", "\"num_local_experts\":12"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *text[2] = {NULL};
        ns_error err = {""};
        for (int k = 0; k < 2; k++) {
            ns_arch *const a = arch_of(config_with(pairs[i][0], pairs[i][k + 1]));
            assert_int_equal(ns_arch_to_json(a, &text[k], &err), NS_OK);
            ns_arch_free(a);
        }
        assert_string_equal(text[0], text[1]);
        free(text[0]);
        free(text[1]);
    }
    config_fails(config_with("bamba", "\"mamba_n_heads\":8,\"time_step_limit\":[0,{\"__float__\":\"NaN\"}]"), NS_E_FORMAT,
                 "time_step_limit must be");
}

static void layer_rules(void **state)
{
    (void)state;
    expect_layers(config_with("mistral", ""), "S0 S0 S0 S0");
    expect_layers(config_with("mistral", "\"sliding_window\":null"), "F0 F0 F0 F0");
    expect_layers(config_with("qwen2", "\"sliding_window\":7,\"max_window_layers\":1"), "F0 F0 F0 F0");
    expect_layers(config_with("qwen2", "\"use_sliding_window\":true,\"max_window_layers\":1"), "F0 S0 S0 S0");
    expect_layers(config_with("qwen3", "\"use_sliding_window\":true"), "F0 F0 F0 F0");
    expect_layers(config_with("qwen3", "\"use_sliding_window\":true,\"layer_types\":[\"sliding_attention\",\"full_attention\",\"sliding_"
                                       "attention\",\"full_attention\"]"),
                  "S0 F0 S0 F0");
    expect_layers(config_with("gemma2", ""), "S0 F0 S0 F0");
    expect_layers(config_with("gemma3_text", "\"sliding_window_pattern\":2"), "S1 F0 S1 F0");
    expect_layers(config_with("gemma3_text", ""), "S1 S1 S1 S1");
    expect_layers(config_with("gpt_oss", ""), "S0 F0 S0 F0");
    expect_layers(config_with("qwen3_moe", "\"use_sliding_window\":true,\"max_window_layers\":2"), "S0 S0 S0 S0");
    expect_layers(config_with("qwen3_moe", ""), "F0 F0 F0 F0");
    expect_layers(config_with("ministral", ""), "S0 S0 S0 S0");
    expect_layers(config_with("ministral", "\"sliding_window\":null"), "F0 F0 F0 F0");
    expect_layers(config_with("llama4_text", ""), "S0 S0 S0 FN");
    expect_layers(config_with("llama4_text", "\"no_rope_layers\":[],\"attention_chunk_size\":null"), "F0 F0 F0 FN");
    expect_layers(config_with("llama4_text", "\"layer_types\":[\"full_attention\",\"chunked_attention\",\"full_attention\","
                                             "\"chunked_attention\"]"), "F0 S0 F0 SN");
    expect_layers(config_with("cohere2", ""), "S0 S0 S0 FN");
    expect_layers(config_with("cohere2", "\"sliding_window_pattern\":3"), "S0 S0 FN S0");
    expect_layers(config_with("olmo3", ""), "S1 S1 S1 F0");
    expect_layers(config_with("exaone4", ""), "S0 S0 S0 FN");
    expect_layers(config_with("exaone4", "\"sliding_window_pattern\":\"LG\""), "S0 FN S0 FN");
    expect_layers(config_with("exaone4", "\"sliding_window\":null"), "F0 F0 F0 F0");
    expect_layers(config_with("exaone4", "\"sliding_window_pattern\":1"), "FN FN FN FN");
    expect_layers(config_with("exaone4", "\"layer_types\":[\"full_attention\",\"full_attention\",\"full_attention\",\"full_attention\"]"),
                  "FN FN FN FN");
    expect_layers(config_with("exaone4", "\"sliding_window\":null,\"sliding_window_pattern\":null"), "F0 F0 F0 F0");
    expect_layers(config_with("smollm3", ""), "F0 F0 F0 FN");
    expect_layers(config_with("smollm3", "\"no_rope_layers\":[0,1,1,0]"), "FN F0 F0 FN");
    expect_layers(config_with("smollm3", "\"no_rope_layer_interval\":2,\"use_sliding_window\":true,\"sliding_window\":5"), "F0 SN F0 SN");
    expect_layers(
        config_with(
            "smollm3",
            "\"sliding_window\":5,\"layer_types\":[\"sliding_attention\",\"full_attention\",\"full_attention\",\"full_attention\"]"),
        "S0 F0 F0 FN");
    expect_layers(
        config_with(
            "llama",
            "\"layer_types\":[\"full_attention\",\"full_attention\",\"full_attention\",\"full_attention\"],\"sliding_window\":null"),
        "F0 F0 F0 F0");
}

/* One letter a layer: E has experts, M an MLP. */
static void expect_experts(const char *json, int64_t experts, int64_t choices, const char *letters)
{
    char got[256] = "";
    ns_arch *const a = arch_of(json);
    for (int64_t i = 0; i < a->n_layers; i++) {
        const int64_t n = ns_arch_axis(a, i, "expert"), k = ns_arch_axis(a, i, "choice");
        snprintf(got + i, sizeof got - (size_t)i, "%c", n ? 'E' : 'M');
        assert_true(n == 0 ? !k && ns_arch_ffn(a, i) : n == experts && k == choices && !ns_arch_ffn(a, i));
    }
    ns_arch_free(a);
    if (strcmp(got, letters) != 0)
        fail_msg("%s: wanted '%s', got '%s'", json, letters, got);
}

static void experts_of_layers(void **state)
{
    (void)state;
    expect_experts(config_with("mixtral", ""), 8, 2, "EEEE");
    expect_experts(config_with("minimax", "\"num_local_experts\":1"), 1, 1, "MMMM");
    expect_experts(config_with("minimax", "\"num_experts_per_tok\":3"), 8, 3, "EEEE");
    expect_experts(config_with("qwen3_moe", "\"decoder_sparse_step\":2"), 128, 8, "MEME");
    expect_experts(config_with("qwen3_moe", "\"mlp_only_layers\":[0,3]"), 128, 8, "MEEM");
    expect_experts(config_with("qwen3_moe", "\"num_experts\":0"), 0, 0, "MMMM");
    expect_experts(config_with("qwen3_moe", "\"num_experts\":0,\"num_experts_per_tok\":0,\"moe_intermediate_size\":0"), 0, 0, "MMMM");
    expect_experts(config_with("granitemoehybrid", "\"mamba_n_heads\":4,\"num_local_experts\":0,\"num_experts_per_tok\":0"), 0, 0, "MMMM");
    expect_experts(config_with("glm4_moe", "\"first_k_dense_replace\":3"), 128, 8, "MMME");
    expect_experts(config_with("llama4_text", ""), 16, 1, "EEEE");
    expect_experts(config_with("llama4_text", "\"interleave_moe_layer_step\":2"), 16, 1, "MEME");
    expect_experts(config_with("llama4_text", "\"interleave_moe_layer_step\":2,\"moe_layers\":[2]"), 16, 1, "MMEM");
    ns_arch *const a = arch_of(config_with("llama4_text", "\"attn_temperature_tuning\":4,\"no_rope_layers\":[1,1,0,1]"));
    const ns_attn *const local = ns_arch_attn(a, 0), *const global = ns_arch_attn(a, 2);
    assert_true(local->chunk == 8192 && global->chunk == 0 && local->temper.kind == NS_TEMPER_NONE && local->norm_after_rope);
    assert_true(global->temper.kind == NS_TEMPER_STEPS && global->temper.length == 8192 && global->temper.first == 1 &&
                !global->norm_after_rope && global->qk_norm == NS_QK_NONE);
    assert_true(ns_attn_first_key(local, 0, 8191) == 0 && ns_attn_first_key(local, 0, 8192) == 8192 &&
                ns_attn_first_key(local, 0, 20000) == 16384 && ns_attn_first_key(global, 0, 20000) == 0);
    ns_arch_free(a);
}

static void heads_of_one_layer(void **state)
{
    (void)state;
    ns_arch *const a = arch_of(config_with("mistral", "\"sliding_window\":7"));
    ns_attn *const attn = a->layers[0].stages[0].branches[0].params;
    assert_int_equal(ns_attn_window(attn, 3), 7);
    attn->head_window = calloc(4, sizeof(int64_t));
    attn->head_window[1] = 3;
    assert_int_equal(ns_attn_window(attn, 0), 0);
    assert_int_equal(ns_attn_window(attn, 1), 3);
    assert_int_equal(ns_arch_layer_kind(a, 0), NS_LAYER_FULL);
    assert_int_equal(ns_arch_max_heads(a), 4);
    assert_null(ns_arch_attn(a, 4));
    assert_string_equal(ns_layer_kind_name(ns_arch_layer_kind(a, 1)), "swa");
    ns_arch_free(a);
}

/* ---- rope keys ---- */
static void expect_rope(const char *json, int index, ns_rope_scaling scaling, double theta, double factor, int64_t rotary_dim)
{
    ns_arch *const a = arch_of(json);
    if (index >= a->n_ropes || a->ropes[index].scaling != scaling || a->ropes[index].theta != theta || a->ropes[index].factor != factor ||
        a->ropes[index].rotary_dim != rotary_dim)
        fail_msg("%s: %d ropes, [%d] has scaling %d, theta %g, factor %g, %lld dimensions", json, a->n_ropes, index,
                 a->ropes[index].scaling, a->ropes[index].theta, a->ropes[index].factor, (long long)a->ropes[index].rotary_dim);
    ns_arch_free(a);
}

static void rope_generations(void **state)
{
    (void)state;
    expect_rope(config_with("llama", "\"rope_theta\":5e5"), 0, NS_ROPE_DEFAULT, 5e5, 0, 8);
    expect_rope(config_with("llama", "\"rope_theta\":1e6,\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":5e5}"), 0,
                NS_ROPE_DEFAULT, 5e5, 0, 8);
    expect_rope(config_with("llama", "\"rope_parameters\":{\"rope_theta\":5e5,\"factor\":4,\"type\":\"linear\"}"), 0, NS_ROPE_LINEAR, 5e5,
                4, 8);
    expect_rope(config_with("llama", "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}"), 0, NS_ROPE_LINEAR, 1e4, 2, 8);
    expect_rope(config_with("llama", "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2},"      /* agreed; others: test_refused.c */
                                     "\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":2,\"rope_theta\":5e5}"),
                0, NS_ROPE_LINEAR, 5e5, 2, 8);
    expect_rope(config_with("phi3", "\"partial_rotary_factor\":0.75"), 0, NS_ROPE_DEFAULT, 1e4, 0, 6);
    expect_rope(config_with("phi3", "\"rope_parameters\":{\"rope_theta\":1e4,\"partial_rotary_factor\":0.5}"), 0, NS_ROPE_DEFAULT, 1e4, 0,
                4);
    expect_rope("{\"model_type\":\"gpt_neox\",\"rotary_pct\":0.5,\"rotary_emb_base\":20000}", 0, NS_ROPE_DEFAULT, 2e4, 0, 48);
    expect_rope(
        "{\"model_type\":\"gpt_neox\",\"rope_parameters\":{\"rope_theta\":20000,\"rope_type\":\"default\",\"partial_rotary_factor\":0.5}}",
        0, NS_ROPE_DEFAULT, 2e4, 0, 48);
    const char *const gemma4x = config_with("gemma3_text",
                                            "\"sliding_window_pattern\":2,\"head_dim\":8,\"rope_local_base_freq\":2e4,\"rope_theta\":3e6,"
                                            "\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":8}");
    const char *const gemma5 =
        config_with("gemma3_text",
                    "\"sliding_window_pattern\":2,\"head_dim\":8,\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"linear\","
                    "\"factor\":8,\"rope_theta\":3e6},\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":2e4}}");
    expect_rope(gemma4x, 0, NS_ROPE_LINEAR, 3e6, 8, 8);
    expect_rope(gemma4x, 1, NS_ROPE_DEFAULT, 2e4, 0, 8);
    expect_rope(gemma5, 0, NS_ROPE_LINEAR, 3e6, 8, 8);
    expect_rope(gemma5, 1, NS_ROPE_DEFAULT, 2e4, 0, 8);
    const char *const olmo3 =
        config_with("olmo3",
                    "\"rope_theta\":5e5,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":8,\"original_max_position_embeddings\":64}");
    expect_rope(olmo3, 0, NS_ROPE_YARN, 5e5, 8, 8);
    expect_rope(olmo3, 1, NS_ROPE_DEFAULT, 5e5, 0, 8);
}

/* transformers 5 gives the sliding layers of olmo3 the scaled rope too: offered by name. */
static void olmo3_all_layers(void **state)
{
    (void)state;
    const char *const json = config_with("olmo3",
                                         "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":8,\"original_max_position_embeddings\":64}");
    ns_arch_params params = {.size = sizeof params, .olmo3_rope = "all-layers"};
    ns_arch *a = NULL;
    ns_error err = {""};
    assert_int_equal(ns_arch_from_config(&a, json, strlen(json), "config.json", &params, &err), NS_OK);
    assert_int_equal(a->n_ropes, 1);
    assert_int_equal(ns_arch_attn(a, 0)->rope, 0);
    assert_int_equal(a->ropes[0].scaling, NS_ROPE_YARN);
    ns_arch_free(a);
    params.olmo3_rope = "some-layers";
    assert_int_equal(ns_arch_from_config(&a, json, strlen(json), "config.json", &params, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "some-layers"));
}

/* Scaled models may be longer than max_position_embeddings says. */
static void scaled_lengths(void **state)
{
    (void)state;
    static const struct { const char *more; int64_t positions, original;
    } cases[] = {
        {"\"max_position_embeddings\":100,\"rope_scaling\":{\"type\":\"linear\",\"factor\":4}", 400, 0},
        {"\"max_position_embeddings\":100,\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":2.5}", 250, 0},
        {"\"max_position_embeddings\":100,\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":4,\"rope_theta\":1e4}", 400, 0},
        {"\"max_position_embeddings\":400,\"rope_scaling\":{\"type\":\"linear\",\"factor\":4,\"original_max_position_embeddings\":100}",
         400, 0},
        {"\"max_position_embeddings\":100,\"rope_scaling\":{\"type\":\"linear\",\"factor\":0.5}", 100, 0},
        {"\"max_position_embeddings\":2000000000,\"rope_scaling\":{\"type\":\"linear\",\"factor\":4}", NS_MAX_DIM, 0},
        {"\"max_position_embeddings\":100,\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":4}", 400, 100},
        {"\"max_position_embeddings\":100,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":100}",
         400, 100},
        {"\"max_position_embeddings\":400,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":100}",
         400, 100},
        {"\"max_position_embeddings\":100,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4}", 400, 100},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ns_arch *const a = arch_of(config_with("llama", cases[i].more));
        assert_int_equal(a->max_positions, cases[i].positions);
        assert_int_equal(a->ropes[0].original_max_positions, cases[i].original);
        ns_arch_free(a);
    }
}

/* Two rope sets stretch the same stated length, not each other's. */
static void lengths_of_two_ropes(void **state)
{
    (void)state;
    ns_arch *a = arch_of(
        config_with("gemma3_text",
                    "\"max_position_embeddings\":100,\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"dynamic\",\"factor\":8},"
                    "\"sliding_attention\":{\"rope_type\":\"dynamic\",\"factor\":2}}"));
    assert_int_equal(a->max_positions, 800);
    assert_int_equal(a->ropes[0].original_max_positions, 100);
    assert_int_equal(a->ropes[1].original_max_positions, 100);
    ns_arch_free(a);
}

/* ---- numbers ---- */
static void family_numbers(void **state)
{
    (void)state;
    ns_arch *a = arch_of(config_with("gemma2", "\"query_pre_attn_scalar\":144"));
    assert_true(a->embed_scale == (float)sqrt(32.0));
    assert_true(ns_arch_attn(a, 0)->scale == 1.0f / 12);
    assert_true(ns_arch_attn(a, 0)->softcap == 50 && a->logit_softcap == 30 && a->final_norm.offset == 1);
    ns_arch_free(a);
    a = arch_of(config_with("gemma2", "\"attn_logit_softcapping\":null,\"final_logit_softcapping\":null"));
    assert_true(ns_arch_attn(a, 0)->softcap == 0 && a->logit_softcap == 0);
    ns_arch_free(a);
    a = arch_of(config_with("gemma3_text", ""));
    assert_true(ns_arch_attn(a, 0)->softcap == 0 && a->logit_softcap == 0);
    ns_arch_free(a);
    a = arch_of(config_with("cohere2", "\"logit_scale\":0.25"));
    assert_true(a->logit_scale == 0.25f);
    ns_arch_free(a);
    a = arch_of("{\"model_type\":\"gpt2\",\"scale_attn_by_inverse_layer_idx\":true}");
    assert_true(ns_arch_attn(a, 2)->scale == (float)(0.125 / 3));
    ns_arch_free(a);
    a = arch_of("{\"model_type\":\"gpt2\",\"scale_attn_weights\":false}");
    assert_true(ns_arch_attn(a, 2)->scale == 1);
    ns_arch_free(a);
    a = arch_of(config_with("qwen2", ""));
    assert_non_null(ns_arch_attn(a, 0)->q_bias.name);
    assert_null(ns_arch_attn(a, 0)->o_bias.name);
    ns_arch_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hybrid_defaults), cmocka_unit_test(spellings_of_5), cmocka_unit_test(class_defaults),
        cmocka_unit_test(layer_rules), cmocka_unit_test(experts_of_layers), cmocka_unit_test(heads_of_one_layer),
        cmocka_unit_test(rope_generations), cmocka_unit_test(olmo3_all_layers), cmocka_unit_test(scaled_lengths),
        cmocka_unit_test(lengths_of_two_ropes), cmocka_unit_test(family_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
