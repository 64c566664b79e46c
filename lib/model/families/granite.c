/* granite.c - llama with four multipliers: of the embedding, of what each branch adds, of q.k, and a divisor of the logits; granitemoe with
 * experts, all of them in one tensor. minicpm says the same by other keys. */
#include "model/families/family.h"

static const char *const buffers[] = {"*.rotary_emb.inv_freq", NULL};

const ns_family ns_family_granite = {
    .type = "granite", .names = &ns_names_llama,
    .defaults = {.vocab = 32000, .d_model = 4096, .d_ff = 11008, .layers = 32, .heads = 32,
                 .positions = 2048, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_FALSE, .ffn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL,
    .multipliers = NS_MULTIPLIERS_GRANITE, .ignored = buffers,
};

static const ns_mixture mixture = {
    .keys = {.n = "num_local_experts"}, .defaults = {.n = 8, .top_k = 2}, .routing = NS_ROUTING_SOFTMAX_CHOSEN,
    .router = "block_sparse_moe.router.layer.weight", .gate_up = "block_sparse_moe.input_linear.weight",
    .gate = "block_sparse_moe.gate_linear.weight", .up = "block_sparse_moe.up_linear.weight",
    .down = "block_sparse_moe.output_linear.weight",
};
static const char *const moe_harmless[] = {"position_embedding_type", NULL};                 /* "rope", whatever it says */
const ns_family ns_family_granitemoe = {
    .type = "granitemoe", .names = &ns_names_llama,
    .defaults = {.vocab = 32000, .d_model = 4096, .d_ff = 11008, .layers = 32, .heads = 32,
                 .positions = 2048, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL, .multipliers = NS_MULTIPLIERS_GRANITE,
    .mixture = &mixture, .harmless = moe_harmless, .ignored = buffers,
};

/* The model's own code (transformers has it from 5.x on). */
static const char *const minicpm_harmless[] = {"sparse_config", "mup_denominator", NULL};
const ns_family ns_family_minicpm = {
    .type = "minicpm", .names = &ns_names_llama,
    .defaults = {.vocab = 32000, .d_model = 4096, .d_ff = 11008, .layers = 32, .heads = 32,
                 .positions = 2048, .eps = 1e-6, .theta = 1e4, .act = "silu", .tied = true},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL, .multipliers = NS_MULTIPLIERS_MINICPM,
    .harmless = minicpm_harmless, .ignored = buffers,
};
