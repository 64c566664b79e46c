/* gpt_oss.c - GPT-OSS: a sink a head, windows on every other layer, biases everywhere, and experts whose gate and up lie row by row in one
 * tensor of all: as bf16, or as MXFP4, which the releases are. */
#include "model/families/family.h"

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj", .sinks = "self_attn.sinks",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
};
static const char *const buffers[] = {"*.rotary_emb.inv_freq", NULL};
static const char *const harmless[] = {"experts_per_token", "initial_context_length", NULL};       /* said twice */

/* Whatever hidden_act says. Its factor, 1.702, is swiglu_alpha. */
static const ns_act act = NS_ACT_QUICK_GELU;
static const ns_mixture mixture = {
    .keys = {.n = "num_local_experts", .limit = "swiglu_limit", .alpha = "swiglu_alpha"},
    .defaults = {.n = 128, .top_k = 4}, .routing = NS_ROUTING_SOFTMAX_CHOSEN,
    .interleaved = true, .transposed = true, .mxfp4 = true, .limit = 7, .up_offset = 1, .act = &act,
    .router = "mlp.router.weight", .router_bias = "mlp.router.bias", .gate_up = "mlp.experts.gate_up_proj",
    .gate_up_bias = "mlp.experts.gate_up_proj_bias", .gate = "mlp.experts.gate_proj", .gate_bias = "mlp.experts.gate_proj_bias",
    .up = "mlp.experts.up_proj", .up_bias = "mlp.experts.up_proj_bias",
    .down = "mlp.experts.down_proj", .down_bias = "mlp.experts.down_proj_bias",
};

const ns_family ns_family_gpt_oss = {
    .type = "gpt_oss", .names = &names,
    .defaults = {.vocab = 201088, .d_model = 2880, .d_ff = 2880, .layers = 36, .heads = 64, .kv_heads = 8, .head_dim = 64,
                 .positions = 131072, .window = 128, .pattern = 2, .eps = 1e-5, .theta = 150000, .act = "silu",
                 .rope_scaling = "{\"rope_type\": \"yarn\", \"factor\": 32, \"beta_fast\": 32, \"beta_slow\": 1, \"truncate\": false, "
                                 "\"original_max_position_embeddings\": 4096}"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_TRUE, .window = NS_WINDOW_PATTERN, .fixed_pattern = true, .layer_types = true,
    .rope = NS_ROPES_ALL, .mixture = &mixture, .harmless = harmless, .ignored = buffers,
};
