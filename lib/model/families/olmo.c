/* olmo.c - the OLMo line: olmo (pre-norm, LayerNorm without any weight, clipped q k v) and the post-norm families
 * x += rms(attn x); x += rms(ffn x): olmo2 and olmo3 (QK-norm over the whole projection), exaone4 (QK-norm per head). */
#include "model/families/family.h"

static const ns_names names_post = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_out_norm = "post_attention_layernorm", .ffn_out_norm = "post_feedforward_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
};
static const char *const buffers[] = {"*.rotary_emb.inv_freq", "*.rotary_embs.*.inv_freq", NULL};
static const char *const exaone4_harmless[] = {"sliding_window_pattern", NULL};   /* unused when layer_types or no window is given */

/* The LayerNorm's eps is 1e-5 in the code, not in the config. */
const ns_family ns_family_olmo = {
    .type = "olmo", .names = &ns_names_llama,
    .defaults = {.vocab = 50304, .d_model = 4096, .d_ff = 11008, .layers = 32, .heads = 32,
                 .positions = 2048, .eps = 1e-5, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_LAYER, .norm_plain = true, .eps_fixed = true, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL, .clip_key = true,
    .ignored = buffers,
};

const ns_family ns_family_olmo2 = {
    .type = "olmo2", .names = &names_post,
    .defaults = {.vocab = 50304, .d_model = 4096, .d_ff = 11008, .layers = 32, .heads = 32,
                 .positions = 2048, .eps = 1e-5, .theta = 1e4, .act = "silu"},
    .block = NS_BLOCK_POST, .norm = NS_NORM_RMS, .qk_norm = NS_QK_FULL, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL,
    .ignored = buffers,
};

const ns_family ns_family_olmo3 = {
    .type = "olmo3", .names = &names_post,
    .defaults = {.vocab = 50304, .d_model = 4096, .d_ff = 11008, .layers = 32, .heads = 32,
                 .positions = 2048, .window = 4096, .pattern = 4, .eps = 1e-5, .theta = 1e4, .act = "silu"},
    .block = NS_BLOCK_POST, .norm = NS_NORM_RMS, .qk_norm = NS_QK_FULL, .attn_bias = NS_BIAS_KEY_FALSE,
    .window = NS_WINDOW_PATTERN, .fixed_pattern = true, .layer_types = true, .rope = NS_ROPES_UNSCALED, .ignored = buffers,
};

const ns_family ns_family_exaone4 = {
    .type = "exaone4", .names = &names_post,
    .defaults = {.vocab = 102400, .d_model = 4096, .d_ff = 16384, .layers = 32, .heads = 32, .kv_heads = 32,
                 .positions = 2048, .window = 4096, .pattern = 4, .eps = 1e-5, .theta = 1e4, .act = "silu"},
    .block = NS_BLOCK_POST, .norm = NS_NORM_RMS, .qk_norm = NS_QK_PER_HEAD,
    .window = NS_WINDOW_PATTERN, .layer_types = true, .rope = NS_ROPES_HYBRID, .harmless = exaone4_harmless, .ignored = buffers,
};
