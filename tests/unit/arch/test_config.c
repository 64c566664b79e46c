/* test_config.c - config.json to facts: defaults of the transformers config classes, both generations of rope keys, layer types,
 * unknown keys, and every contradiction with its message. */
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
    expect_rope(config_with("llama", "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2},\"rope_parameters\":{\"rope_type\":\"default\"}"),
                0, NS_ROPE_DEFAULT, 1e4, 0, 8);
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
                 "quantization_config");
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
    static const struct { const char *family, *more, *says;
    } changing[] = {
        {"llama", "\"sliding_window\":4096", "sliding_window is 4096, which would change the result"},
        {"llama", "\"final_logit_softcapping\":30.0", "final_logit_softcapping"},
        {"llama", "\"quantization_config\":{\"bits\":4}", "quantization_config is {\"bits\":4}"},
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
static void released_without_heads(void **state)
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
        "\"use_falcon_mambapy\":false,\"use_mambapy\":false}",
    };
    for (size_t i = 0; i < sizeof released / sizeof *released; i++) {
        char last[512];
        if (warnings(released[i], last, sizeof last))
            fail_msg("%s", last);
        ns_arch *const a = arch_of(released[i]);
        assert_true(ns_arch_max_heads(a) == 0 && ns_arch_axis(a, 0, "channel") == 64 && ns_arch_layer_kind(a, 0) == NS_LAYER_RECURRENT);
        ns_arch_free(a);
    }
}

/* ---- contradictions and nonsense ---- */
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
    {"nemotron_h", "\"hybrid_override_pattern\":\"MX*-\"", NS_E_UNSUPPORTED, "hybrid_override_pattern[1] is none of M (mamba)"},
    {"nemotron_h", "\"hybrid_override_pattern\":\"M*-\"", NS_E_FORMAT, "is of 3 layers, but num_hidden_layers is 4"},
    {"nemotron_h", "\"layers_block_type\":[]", NS_E_FORMAT, "layers_block_type must have an entry for each of 1 to 4096 layers"},
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
    {"recurrent_gemma", "\"block_types\":[]", NS_E_FORMAT, "block_types must be a list of recurrent and attention"},
    {"recurrent_gemma", "\"block_types\":[\"recurrent\",\"mamba\"]", NS_E_UNSUPPORTED, "block_types[1] 'mamba' is not supported"},
    {"recurrent_gemma", "\"logits_soft_cap\":0", NS_E_FORMAT, "logits_soft_cap is 0"},
    {"mamba", "\"expand\":1e-3", NS_E_FORMAT, "expand 0.001 makes a state space of 0.032 channels"},
    {"mamba", "\"time_step_rank\":\"wide\"", NS_E_FORMAT, "time_step_rank"},
    {"mamba", "\"conv_kernel\":1", NS_E_FORMAT, "conv_kernel is 1, outside 2 to 1024"},
    {"falcon_mamba", "\"intermediate_size\":0", NS_E_FORMAT, "intermediate_size is 0"},
    {"jamba", "\"attn_layer_period\":4,\"attn_layer_offset\":4", NS_E_FORMAT, "attn_layer_offset is 4, outside 0 to 3"},
    {"jamba", "\"expert_layer_period\":2,\"expert_layer_offset\":2", NS_E_FORMAT, "expert_layer_offset is 2, outside 0 to 1"},
    {"jamba", "\"num_experts\":3,\"num_experts_per_tok\":4", NS_E_FORMAT, "num_experts_per_tok is 4, but num_experts is 3"},
    {"lfm2", "\"full_attn_idxs\":[1,4]", NS_E_FORMAT, "full_attn_idxs names a layer that is none of 0 to 3"},
    {"lfm2", "\"full_attn_idxs\":2", NS_E_FORMAT, "full_attn_idxs must be a list of layers"},
    {"lfm2", "\"theta\":5e5", NS_E_UNSUPPORTED, "theta is 500000 and rope_theta 1e+06: take one of them out"},
    {"lfm2", "\"conv_L_cache\":1", NS_E_FORMAT, "conv_L_cache is 1, outside 2 to 1024"},
    {"lfm2", "\"block_ffn_dim_multiplier\":1e6,\"block_ff_dim\":99999", NS_E_FORMAT, "makes the MLPs"},
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
    {"qwen2_moe", "\"use_sliding_window\":true", NS_E_UNSUPPORTED, "use_sliding_window is true, which would change the result"},
    {"glm4_moe", "\"n_group\":3", NS_E_FORMAT, "n_routed_experts 128 is not a multiple of n_group 3"},
    {"glm4_moe", "\"n_group\":4,\"topk_group\":5", NS_E_FORMAT, "topk_group is 5, outside 1 to 4"},
    {"glm4_moe", "\"n_group\":64,\"topk_group\":1", NS_E_FORMAT, "top_k is more than the experts of group_top_k groups"},
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
    {"hypenet", "\"mixer_types\":[\"attn\",\"gdn\",\"attn\",\"attn\"]", NS_E_UNSUPPORTED,
     "mixer_types[1] 'gdn' is not supported (attn and lightning-attn are)"},
    {"hypenet", "\"lightning_nkv\":3", NS_E_FORMAT, "lightning_nh 4 is not a multiple of lightning_nkv 3"},
    {"hypenet", "\"lightning_head_dim\":6", NS_E_UNSUPPORTED, "lightning_head_dim 6 rotates like head_dim 128"},
    {"hypenet", "\"lightning_use_short_conv\":true", NS_E_UNSUPPORTED, "lightning_use_short_conv is not supported"},
    {"hypenet", "\"attn_logits_scaling\":\"log 1\"", NS_E_UNSUPPORTED, "attn_logits_scaling must be null, a number or 'log A'"},
    {"hypenet", "\"attn_logits_scaling\":Infinity", NS_E_FORMAT, "attn_logits_scaling is 1e+300"},
    {"hypenet", "\"attn_logits_scaling\":\"log e\"", NS_E_UNSUPPORTED, "attn_logits_scaling must be null, a number or 'log A'"},
    {"minicpm_sala", "\"mixer_types\":[\"attn\",\"attn\",\"attn\",\"attn\"]", NS_E_UNSUPPORTED,
     "mixer_types[0] 'attn' is not supported (minicpm4 and lightning-attn are)"},
    {"stablelm", "\"partial_rotary_factor\":0.5,\"qk_layernorm\":true", NS_E_UNSUPPORTED, "qk_layernorm is true"},
    {"granite", "\"logits_scaling\":0", NS_E_FORMAT, "logits_scaling is 0"},
    {"gpt_oss", "\"quantization_config\":{\"quant_method\":\"gptq\"}", NS_E_UNSUPPORTED, "quantization_config is"},
    {"gpt_oss", "\"quantization_config\":{\"quant_method\":4}", NS_E_FORMAT, "'quant_method' is a number"},
    {"mixtral", "\"quantization_config\":{\"quant_method\":\"mxfp4\"}", NS_E_UNSUPPORTED, "quantization_config is"},
};

/* flash-linear-attention: {"model_type": FAMILY, MORE} at a width of 32, four layers. */
static const struct { const char *family, *more; int code; const char *says; } refusals_of_fla[] = {
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
    {"hgrn2", "\"expand_ratio\":8", NS_E_UNSUPPORTED, "use_lower_bound: the class hgrn2 has no lower bounds"},
    {"hgrn2", "\"use_lower_bound\":false,\"expand_ratio\":6", NS_E_FORMAT, "5 heads (hidden_size / expand_ratio, or num_heads) do not"},
    {"hgrn2", "\"use_lower_bound\":false,\"expand_ratio\":8,\"use_short_conv\":true", NS_E_UNSUPPORTED, "use_short_conv of hgrn2"},
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
    config_fails("[]", NS_E_FORMAT, "not a JSON object");
    config_fails("{\"model_type\":\"t5\"}", NS_E_UNSUPPORTED, "model_type 't5' is not supported (known: llama");
    config_fails("{\"model_type\":7}", NS_E_FORMAT, "'model_type' is a number");
    static const struct { const char *type, *lacks; } lacking[] = {
        {"gemma3n_text", "embeddings of each layer"}, {"zamba2", "a block that several depths share"}, {"deepseek_v3", "(MLA)"},
        {"minicpm3", "(MLA)"}, {"rwkv7", "token shift"}, {"phimoe", "SparseMixer"},
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
        cmocka_unit_test(hybrid_defaults),      cmocka_unit_test(spellings_of_5), cmocka_unit_test(refused_of_fla),
        cmocka_unit_test(class_defaults),       cmocka_unit_test(layer_rules),
        cmocka_unit_test(experts_of_layers),      cmocka_unit_test(heads_of_one_layer),
        cmocka_unit_test(rope_generations),     cmocka_unit_test(olmo3_all_layers), cmocka_unit_test(scaled_lengths),
        cmocka_unit_test(lengths_of_two_ropes), cmocka_unit_test(wrappers),         cmocka_unit_test(family_numbers),
        cmocka_unit_test(unknown_keys),         cmocka_unit_test(released_configs),
        cmocka_unit_test(released_without_heads), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
