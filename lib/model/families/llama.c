/* llama.c - pre-norm families: x += attn(rms x); x += ffn(rms x), gated FFN, rotary positions.
 *
 * llama, mistral (a window on every layer), qwen2 (q, k, v biases), qwen3 (QK-norm per head), the text models of Qwen-VL, smollm3 (NoPE
 * layers), phi3 (fused projections, longrope). */
#include "model/families/family.h"

#define ATTN_NAMES                                                                                                                 \
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight", \
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm", .o = "self_attn.o_proj", .down = "mlp.down_proj"

const ns_names ns_names_llama = {
    ATTN_NAMES,
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj",
};
static const ns_names names_qk_norm = {
    ATTN_NAMES,
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj",
};
static const ns_names names_fused = {ATTN_NAMES, .qkv = "self_attn.qkv_proj", .gate_up = "mlp.gate_up_proj"};

static const char *const buffers[] = {"*.rotary_emb.inv_freq", NULL};
static const char *const qwen_harmless[] = {"max_window_layers", "sliding_window", NULL};   /* unused unless use_sliding_window */
static const char *const smollm3_harmless[] = {"no_rope_layer_interval", "max_window_layers", "use_sliding_window", "sliding_window", NULL};
static const char *const phi3_harmless[] = {"original_max_position_embeddings", NULL};      /* unused unless longrope */

const ns_family ns_family_llama = {
    .type = "llama", .names = &ns_names_llama,
    .defaults = {.vocab = 32000, .d_model = 4096, .d_ff = 11008, .layers = 32, .heads = 32,
                 .positions = 2048, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_FALSE, .ffn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL, .ignored = buffers,
};

/* An absent sliding_window means 4096, an explicit null means full attention. */
const ns_family ns_family_mistral = {
    .type = "mistral", .names = &ns_names_llama,
    .defaults = {.vocab = 32000, .d_model = 4096, .d_ff = 14336, .layers = 32, .heads = 32, .kv_heads = 8,
                 .positions = 131072, .window = 4096, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .window = NS_WINDOW_ALL, .rope = NS_ROPES_ALL, .ignored = buffers,
};

/* mistral whose layer_types say which layers have the window; absent: all. */
const ns_family ns_family_ministral = {
    .type = "ministral", .names = &ns_names_llama,
    .defaults = {.vocab = 32000, .d_model = 4096, .d_ff = 14336, .layers = 32, .heads = 32, .kv_heads = 8,
                 .positions = 131072, .window = 4096, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .window = NS_WINDOW_ALL, .layer_types = true, .rope = NS_ROPES_ALL, .ignored = buffers,
};

const ns_family ns_family_qwen2 = {
    .type = "qwen2", .names = &ns_names_llama,
    .defaults = {.vocab = 151936, .d_model = 4096, .d_ff = 22016, .layers = 32, .heads = 32, .kv_heads = 32,
                 .positions = 32768, .window = 4096, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_QKV, .window = NS_WINDOW_ABOVE, .layer_types = true, .rope = NS_ROPES_ALL,
    .harmless = qwen_harmless, .ignored = buffers,
};

const ns_family ns_family_qwen3 = {
    .type = "qwen3", .names = &names_qk_norm,
    .defaults = {.vocab = 151936, .d_model = 4096, .d_ff = 22016, .layers = 32, .heads = 32, .kv_heads = 32, .head_dim = 128,
                 .positions = 32768, .window = 4096, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .qk_norm = NS_QK_PER_HEAD, .attn_bias = NS_BIAS_KEY_FALSE,
    .window = NS_WINDOW_ABOVE, .layer_types = true, .rope = NS_ROPES_ALL, .harmless = qwen_harmless, .ignored = buffers,
};

/* The text models of Qwen-VL: the three positions of a text token are equal, so mrope is plain rope. */
#define QWEN2_VL(name)                                                                                                             \
    .type = name, .names = &ns_names_llama,                                                                                        \
    .defaults = {.vocab = 152064, .d_model = 8192, .d_ff = 29568, .layers = 80, .heads = 64, .kv_heads = 8,                         \
                 .positions = 32768, .window = 4096, .above = 80, .eps = 1e-5, .theta = 1e6, .act = "silu"},                        \
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_QKV, .window = NS_WINDOW_ABOVE, .layer_types = true, .rope = NS_ROPES_ALL,            \
    .mrope = true, .harmless = qwen_harmless, .ignored = buffers
const ns_family ns_family_qwen2_vl = {QWEN2_VL("qwen2_vl_text")};
const ns_family ns_family_qwen2_5_vl = {QWEN2_VL("qwen2_5_vl_text")};
const ns_family ns_family_qwen3_vl = {
    .type = "qwen3_vl_text", .names = &names_qk_norm,
    .defaults = {.vocab = 151936, .d_model = 4096, .d_ff = 22016, .layers = 32, .heads = 32, .kv_heads = 32, .head_dim = 128,
                 .positions = 128000, .eps = 1e-6, .theta = 5e6, .act = "silu"},
    .norm = NS_NORM_RMS, .qk_norm = NS_QK_PER_HEAD, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL, .mrope = true, .ignored = buffers,
};

const ns_family ns_family_smollm3 = {
    .type = "smollm3", .names = &ns_names_llama,
    .defaults = {.vocab = 128256, .d_model = 2048, .d_ff = 11008, .layers = 36, .heads = 16, .kv_heads = 4,
                 .positions = 32768, .eps = 1e-6, .theta = 2e6, .act = "silu", .tied = true},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_FALSE, .ffn_bias = NS_BIAS_KEY_FALSE,
    .window = NS_WINDOW_NOPE, .layer_types = true, .rope = NS_ROPES_LIST, .harmless = smollm3_harmless, .ignored = buffers,
};

const ns_family ns_family_phi3 = {
    .type = "phi3", .names = &names_fused, .keys = {.partial = "partial_rotary_factor"},
    .defaults = {.vocab = 32064, .d_model = 3072, .d_ff = 8192, .layers = 32, .heads = 32,
                 .positions = 4096, .original = 4096, .eps = 1e-5, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .fuse = NS_FUSE_CONCAT, .window = NS_WINDOW_ALL, .rope = NS_ROPES_ALL,
    .harmless = phi3_harmless, .ignored = buffers,
};
