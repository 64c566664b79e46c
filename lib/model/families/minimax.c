/* minimax.c - MiniMax-Text (arXiv 2501.08313): full attention and Lightning attention by turns; a residual stream that starts from each
 * branch's normed input. Its MLP is a mixture of experts: only a mixture of one, which is an MLP, is supported. */
#include "model/families/family.h"

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .lightning_qkv = "self_attn.qkv_proj", .lightning_o = "self_attn.out_proj",
    .z_norm = "self_attn.norm", .z_gate = "self_attn.output_gate",
    .gate = "block_sparse_moe.experts.0.w1", .up = "block_sparse_moe.experts.0.w3", .down = "block_sparse_moe.experts.0.w2",
};
static const char *const harmless[] = {"block_size", "num_experts_per_tok", "output_router_logits", "router_jitter_noise", NULL};
static const char *const ignored[] = {
    "*.rotary_emb.inv_freq", "*.block_sparse_moe.gate.weight", "*.self_attn.slope_rate", "*.self_attn.*_decay", NULL,
};

const ns_family ns_family_minimax = {
    .type = "minimax", .names = &names,
    .defaults = {.vocab = 32000, .d_model = 4096, .d_ff = 14336, .layers = 32, .heads = 32, .kv_heads = 8,
                 .positions = 131072, .eps = 1e-5, .theta = 1e6, .act = "silu"},
    .norm = NS_NORM_RMS, .rope = NS_ROPES_ALL, .layer_types = true, .lightning = true, .z_eps = 1e-6f, .normed_residual = true,
    .harmless = harmless, .ignored = ignored,
};
