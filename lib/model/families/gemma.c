/* gemma.c - sandwich families: x += rms(attn(rms x)); x += rms(ffn(rms x)), gains 1 + w, embedding * sqrt(D).
 *
 * gemma2 (soft-caps) and gemma3_text (QK-norm, another rope on the sliding layers). */
#include "model/families/family.h"

#define SANDWICH                                                                                                                  \
    .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",                          \
    .attn_in_norm = "input_layernorm", .attn_out_norm = "post_attention_layernorm", .ffn_in_norm = "pre_feedforward_layernorm",   \
    .ffn_out_norm = "post_feedforward_layernorm", .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj",      \
    .o = "self_attn.o_proj", .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj"

static const ns_names names_gemma2 = {SANDWICH, .prefixes = {"model.", ""}};
static const ns_names names_gemma3 = {
    SANDWICH, .prefixes = {"model.", ""},
    .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm",
};
/* gemma reads hidden_activation; the old hidden_act is not looked at. */
static const char *const gemma2_harmless[] = {"hidden_act", "cache_implementation", NULL};
static const char *const gemma3_harmless[] = {
    "hidden_act", "cache_implementation", "sliding_window_pattern", "_sliding_window_pattern", NULL,
};
static const char *const buffers[] = {"*.rotary_emb*.inv_freq", NULL};

const ns_family ns_family_gemma2 = {
    .type = "gemma2", .names = &names_gemma2, .keys = {.act = "hidden_activation"},
    .defaults = {.vocab = 256000, .d_model = 2304, .d_ff = 9216, .layers = 26, .heads = 8, .kv_heads = 4, .head_dim = 256,
                 .positions = 8192, .window = 4096, .pattern = 2, .eps = 1e-6, .theta = 1e4, .act = "gelu_pytorch_tanh", .tied = true,
                 .attn_softcap = 50, .logit_softcap = 30},
    .block = NS_BLOCK_SANDWICH, .norm = NS_NORM_RMS, .norm_offset = 1, .attn_bias = NS_BIAS_KEY_FALSE,
    .window = NS_WINDOW_PATTERN, .fixed_pattern = true, .layer_types = true, .rope = NS_ROPES_ALL, .embed_sqrt = true, .scalar_key = true,
    .attn_softcap_key = true, .logit_softcap_key = true, .harmless = gemma2_harmless, .ignored = buffers,
};

const ns_family ns_family_gemma3_text = {
    .type = "gemma3_text", .names = &names_gemma3, .keys = {.act = "hidden_activation"},
    .defaults = {.vocab = 262208, .d_model = 2304, .d_ff = 9216, .layers = 26, .heads = 8, .kv_heads = 4, .head_dim = 256,
                 .positions = 131072, .window = 4096, .pattern = 6, .eps = 1e-6, .theta = 1e6, .act = "gelu_pytorch_tanh", .tied = true},
    .block = NS_BLOCK_SANDWICH, .norm = NS_NORM_RMS, .norm_offset = 1, .qk_norm = NS_QK_PER_HEAD, .attn_bias = NS_BIAS_KEY_FALSE,
    .window = NS_WINDOW_PATTERN, .layer_types = true, .rope = NS_ROPES_LOCAL, .embed_sqrt = true, .scalar_key = true,
    .logit_softcap_key = true, .harmless = gemma3_harmless, .ignored = buffers,
};
