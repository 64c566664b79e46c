/* stablelm.c - llama's names with LayerNorm: stablelm (a quarter of the head rotates; parallel blocks share one norm) and starcoder2
 * (biases everywhere, no gate). */
#include "model/families/family.h"

static const char *const buffers[] = {"*.rotary_emb.inv_freq", NULL};

/* qk_layernorm (a norm a head, each with a gain of its own) is refused. */
const ns_family ns_family_stablelm = {
    .type = "stablelm", .names = &ns_names_llama,
    .keys = {.eps = "layer_norm_eps", .partial = "partial_rotary_factor", .attn_bias = "use_qkv_bias"},
    .defaults = {.vocab = 50304, .d_model = 2560, .d_ff = 6912, .layers = 32, .heads = 32, .kv_heads = 32,
                 .positions = 4096, .eps = 1e-5, .theta = 1e4, .partial = 0.25, .act = "silu"},
    .norm = NS_NORM_LAYER, .norm_bias = true, .attn_bias = NS_BIAS_KEY_FALSE, .o_plain = true, .fixed_head_dim = true,
    .rope = NS_ROPES_ALL, .parallel_key = true, .parallel_shares = true, .ignored = buffers,
};

static const ns_names names_starcoder2 = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .up = "mlp.c_fc", .down = "mlp.c_proj",
};
static const char *const starcoder2_harmless[] = {"norm_type", "mlp_type", "activation_function", "attention_softmax_in_fp32",
                                                  "scale_attention_softmax_in_fp32", "scale_attn_weights", NULL};
const ns_family ns_family_starcoder2 = {
    .type = "starcoder2", .names = &names_starcoder2,
    .keys = {.eps = "norm_epsilon", .attn_bias = "use_bias", .ffn_bias = "use_bias"},
    .defaults = {.vocab = 49152, .d_model = 3072, .d_ff = 12288, .layers = 30, .heads = 24, .kv_heads = 2,
                 .positions = 4096, .eps = 1e-5, .theta = 1e4, .act = "gelu_pytorch_tanh", .tied = true},
    .norm = NS_NORM_LAYER, .norm_bias = true, .attn_bias = NS_BIAS_KEY_TRUE, .ffn_bias = NS_BIAS_KEY_TRUE, .window = NS_WINDOW_ALL,
    .rope = NS_ROPES_ALL, .harmless = starcoder2_harmless, .ignored = buffers,
};
