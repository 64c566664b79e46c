/* gpt.c - LayerNorm families with biases everywhere: gpt_neox (Pythia: rotary on a quarter of the head, attention and FFN in parallel
 * under two norms, or sequential; q k v fused inside each head), gpt2 (learned positions; Conv1D weights are [in, out]) and nanoGPT's
 * models, whose config is the model_args of their own ckpt.pt (gpt2 with weights [out, in] and the exact GELU; plain: without a bias). */
#include "model/families/family.h"

static const ns_names names_neox = {
    .prefixes = {"gpt_neox.", ""}, .embed = "embed_in.weight", .final_norm = "final_layer_norm", .layers = "layers.",
    .head = "embed_out.weight",
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",
    .qkv = "attention.query_key_value", .o = "attention.dense",
    .up = "mlp.dense_h_to_4h", .down = "mlp.dense_4h_to_h",
};
static const ns_names names_gpt2 = {
    .prefixes = {"transformer.", ""}, .embed = "wte.weight", .positions = "wpe.weight", .final_norm = "ln_f", .layers = "h.",
    .head = "lm_head.weight",
    .attn_in_norm = "ln_1", .ffn_in_norm = "ln_2",
    .qkv = "attn.c_attn", .o = "attn.c_proj",
    .up = "mlp.c_fc", .down = "mlp.c_proj", .transposed = true,
};
static const ns_names names_nanogpt = {
    .prefixes = {"transformer.", ""}, .embed = "wte.weight", .positions = "wpe.weight", .final_norm = "ln_f", .layers = "h.",
    .head = "lm_head.weight",
    .attn_in_norm = "ln_1", .ffn_in_norm = "ln_2",
    .qkv = "attn.c_attn", .o = "attn.c_proj",
    .up = "mlp.c_fc", .down = "mlp.c_proj",
};
static const char *const neox_buffers[] = {"*.attention.bias", "*.attention.masked_bias", "*.rotary_emb.inv_freq", NULL};
static const char *const gpt2_buffers[] = {"*.attn.bias", "*.attn.masked_bias", NULL};
static const char *const neox_harmless[] = {"partial_rotary_factor", "rope_theta", NULL};   /* the code reads rotary_pct, rotary_emb_base */
static const char *const gpt2_harmless[] = {"n_ctx", "reorder_and_upcast_attn", NULL};

const ns_family ns_family_gpt_neox = {
    .type = "gpt_neox", .names = &names_neox, .keys = {.eps = "layer_norm_eps", .theta = "rotary_emb_base", .partial = "rotary_pct"},
    .defaults = {.vocab = 50432, .d_model = 6144, .d_ff = 24576, .layers = 44, .heads = 64,
                 .positions = 2048, .eps = 1e-5, .theta = 1e4, .partial = 0.25, .act = "gelu"},
    .block = NS_BLOCK_PARALLEL, .norm = NS_NORM_LAYER, .norm_bias = true, .attn_bias = NS_BIAS_KEY_TRUE, .ffn_bias = NS_BIAS_ALWAYS,
    .fuse = NS_FUSE_PER_HEAD, .no_gqa = true, .fixed_head_dim = true, .rope = NS_ROPES_ALL, .parallel_key = true,
    .harmless = neox_harmless, .ignored = neox_buffers,
};

const ns_family ns_family_gpt2 = {
    .type = "gpt2", .names = &names_gpt2,
    .keys = {.d_model = "n_embd", .d_ff = "n_inner", .layers = "n_layer", .heads = "n_head", .positions = "n_positions",
             .eps = "layer_norm_epsilon", .act = "activation_function"},
    .defaults = {.vocab = 50257, .d_model = 768, .layers = 12, .heads = 12,
                 .positions = 1024, .eps = 1e-5, .act = "gelu_new", .tied = true},
    .norm = NS_NORM_LAYER, .norm_bias = true, .attn_bias = NS_BIAS_ALWAYS, .ffn_bias = NS_BIAS_ALWAYS, .fuse = NS_FUSE_CONCAT,
    .no_gqa = true, .fixed_head_dim = true, .rope = NS_ROPES_NONE, .inverse_layer_key = true,
    .harmless = gpt2_harmless, .ignored = gpt2_buffers,
};

#define NANOGPT(name, has_biases, biases)                                                                                            \
    const ns_family ns_family_##name = {                                                                                            \
        .type = #name, .names = &names_nanogpt,                                                                                     \
        .keys = {.d_model = "n_embd", .layers = "n_layer", .heads = "n_head", .positions = "block_size"},                           \
        .defaults = {.vocab = 50304, .d_model = 768, .layers = 12, .heads = 12, .positions = 1024, .eps = 1e-5, .act = "gelu",      \
                     .tied = true},                                                                                                 \
        .norm = NS_NORM_LAYER, .norm_bias = has_biases, .attn_bias = biases, .ffn_bias = biases, .fuse = NS_FUSE_CONCAT,            \
        .no_gqa = true, .fixed_head_dim = true, .rope = NS_ROPES_NONE, .ignored = gpt2_buffers,                                     \
    }
NANOGPT(nanogpt, true, NS_BIAS_ALWAYS);
NANOGPT(nanogpt_plain, false, NS_BIAS_NONE);
