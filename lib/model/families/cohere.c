/* cohere.c - cohere2 (Command R7B): one LayerNorm feeds attention and FFN in parallel, x += attn(n) + ffn(n); interleaved rope
 * on the sliding layers only, full layers NoPE; logits * logit_scale. */
#include "model/families/family.h"

static const ns_names names_cohere = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "input_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
};
static const char *const buffers[] = {"*.rotary_emb.inv_freq", NULL};
/* The last line: what the released configs say of the one way the code has. */
static const char *const harmless[] = {
    "sliding_window_pattern", "_sliding_window_pattern", "cache_implementation", "order_of_interleaved_layers", "layer_switch",
    "use_embedding_sharing", "use_gated_activation", "use_parallel_*", "position_embedding_type", "rotary_pct", NULL,
};

const ns_family ns_family_cohere2 = {
    .type = "cohere2", .names = &names_cohere, .keys = {.eps = "layer_norm_eps"},
    .defaults = {.vocab = 256000, .d_model = 8192, .d_ff = 22528, .layers = 40, .heads = 64,
                 .positions = 8192, .window = 4096, .pattern = 4, .eps = 1e-5, .theta = 1e4, .logit_scale = 0.0625, .act = "silu",
                 .tied = true},
    .block = NS_BLOCK_PARALLEL_SHARED, .norm = NS_NORM_LAYER, .attn_bias = NS_BIAS_KEY_FALSE,
    .window = NS_WINDOW_PATTERN, .layer_types = true, .rope = NS_ROPES_SLIDING, .layout = NS_ROPE_INTERLEAVED, .logit_scale_key = true,
    .harmless = harmless, .ignored = buffers,
};
