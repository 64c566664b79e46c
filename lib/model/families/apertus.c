/* apertus.c - Apertus: llama without a gate in the MLP, whose activation is xIELU, with parameters of its own in each layer. */
#include "model/families/family.h"

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "attention_layernorm", .ffn_in_norm = "feedforward_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm",
    .up = "mlp.up_proj", .down = "mlp.down_proj", .act = "mlp.act_fn",
};
static const char *const buffers[] = {"*.rotary_emb.inv_freq", NULL};

const ns_family ns_family_apertus = {
    .type = "apertus", .names = &names,
    .defaults = {.vocab = 131072, .d_model = 4096, .d_ff = 14336, .layers = 32, .heads = 32,
                 .positions = 65536, .eps = 1e-5, .theta = 12e6, .act = "xielu",
                 .rope_scaling = "{\"rope_type\": \"llama3\", \"factor\": 8, \"original_max_position_embeddings\": 8192, "
                                 "\"low_freq_factor\": 1, \"high_freq_factor\": 4}"},
    .norm = NS_NORM_RMS, .qk_norm = NS_QK_PER_HEAD, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL, .ignored = buffers,
};
