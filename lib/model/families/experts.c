/* experts.c - llama's and qwen's blocks with a mixture of experts for an MLP: mixtral, qwen2_moe (a shared expert with a switch),
 * qwen3_moe, olmoe, glm4_moe (DeepSeek's choice: sigmoid, a bias of the choice alone, groups). */
#include "model/families/family.h"

#define TRUNK(q_norm_name, k_norm_name)                                                                                            \
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight", \
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",                                                    \
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj", .q_norm = q_norm_name,       \
    .k_norm = k_norm_name, .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj"
static const ns_names names_qk_norm = {TRUNK("self_attn.q_norm", "self_attn.k_norm")};

#define EXPERTS                                                                                                                     \
    .router = "mlp.gate.weight", .gate = "mlp.experts.{}.gate_proj.weight", .up = "mlp.experts.{}.up_proj.weight",                   \
    .down = "mlp.experts.{}.down_proj.weight"

static const char *const buffers[] = {"*.rotary_emb.inv_freq", NULL};
static const char *const mixtral_harmless[] = {"router_jitter_noise", NULL};
static const char *const qwen_harmless[] = {"max_window_layers", "sliding_window", NULL};   /* unused unless use_sliding_window */

static const ns_mixture mixtral = {
    .keys = {.n = "num_local_experts"}, .defaults = {.n = 8, .top_k = 2, .normalise = true},
    .router = "block_sparse_moe.gate.weight", .gate = "block_sparse_moe.experts.{}.w1.weight",
    .up = "block_sparse_moe.experts.{}.w3.weight", .down = "block_sparse_moe.experts.{}.w2.weight",
};
const ns_family ns_family_mixtral = {
    .type = "mixtral", .names = &ns_names_llama,
    .defaults = {.vocab = 32000, .d_model = 4096, .d_ff = 14336, .layers = 32, .heads = 32, .kv_heads = 8,
                 .positions = 131072, .eps = 1e-5, .theta = 1e6, .act = "silu"},
    .norm = NS_NORM_RMS, .window = NS_WINDOW_ALL, .rope = NS_ROPES_ALL, .mixture = &mixtral, .harmless = mixtral_harmless,
    .ignored = buffers,
};

static const ns_mixture qwen2_moe = {
    .keys = {.n = "num_experts", .d_ff = "moe_intermediate_size", .d_shared = "shared_expert_intermediate_size",
             .normalise = "norm_topk_prob"},
    .defaults = {.n = 60, .top_k = 4, .d_ff = 1408, .d_shared = 5632}, .sparse = NS_SPARSE_STEP, EXPERTS,
    .shared_gate = "mlp.shared_expert.gate_proj.weight", .shared_up = "mlp.shared_expert.up_proj.weight",
    .shared_down = "mlp.shared_expert.down_proj.weight", .shared_switch = "mlp.shared_expert_gate.weight",
};
/* Its windows are another in each of transformers' attentions: none is read, and use_sliding_window is refused. */
const ns_family ns_family_qwen2_moe = {
    .type = "qwen2_moe", .names = &ns_names_llama, .keys = {.attn_bias = "qkv_bias"},
    .defaults = {.vocab = 151936, .d_model = 2048, .d_ff = 5632, .layers = 24, .heads = 16, .kv_heads = 16,
                 .positions = 32768, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_TRUE, .o_plain = true, .rope = NS_ROPES_ALL, .mixture = &qwen2_moe, .layer_types_5 = true,
    .harmless = qwen_harmless, .ignored = buffers,
};

static const ns_mixture qwen3_moe = {
    .keys = {.n = "num_experts", .n_5 = "num_local_experts", .d_ff = "moe_intermediate_size", .normalise = "norm_topk_prob"},
    .defaults = {.n = 128, .top_k = 8, .d_ff = 768}, .sparse = NS_SPARSE_STEP, EXPERTS,
};
const ns_family ns_family_qwen3_moe = {
    .type = "qwen3_moe", .names = &names_qk_norm,
    .defaults = {.vocab = 151936, .d_model = 2048, .d_ff = 6144, .layers = 24, .heads = 32, .kv_heads = 4,
                 .positions = 32768, .window = 4096, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .qk_norm = NS_QK_PER_HEAD, .attn_bias = NS_BIAS_KEY_FALSE, .window = NS_WINDOW_SWITCHED, .rope = NS_ROPES_ALL,
    .mixture = &qwen3_moe, .harmless = qwen_harmless, .ignored = buffers,
};

static const ns_mixture olmoe = {
    .keys = {.n = "num_experts", .normalise = "norm_topk_prob"}, .defaults = {.n = 64, .top_k = 8}, EXPERTS,
};
const ns_family ns_family_olmoe = {
    .type = "olmoe", .names = &names_qk_norm,
    .defaults = {.vocab = 50304, .d_model = 2048, .d_ff = 2048, .layers = 16, .heads = 16,
                 .positions = 4096, .eps = 1e-5, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .qk_norm = NS_QK_FULL, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL, .clip_key = true,
    .clip_after_norm = true, .mixture = &olmoe, .ignored = buffers,
};

static const char *const glm4_harmless[] = {"num_nextn_predict_layers", "num_mtp_layers", NULL};
static const ns_mixture glm4_moe = {
    .keys = {.n = "n_routed_experts", .d_ff = "moe_intermediate_size", .normalise = "norm_topk_prob"},
    .defaults = {.n = 128, .top_k = 8, .d_ff = 1408, .normalise = true}, .sparse = NS_SPARSE_AFTER, .routing = NS_ROUTING_SIGMOID,
    .scaled_groups = true, EXPERTS, .choice_bias = "mlp.gate.e_score_correction_bias",
    .shared_gate = "mlp.shared_experts.gate_proj.weight", .shared_up = "mlp.shared_experts.up_proj.weight",
    .shared_down = "mlp.shared_experts.down_proj.weight",
};
const ns_family ns_family_glm4_moe = {
    .type = "glm4_moe", .names = &names_qk_norm, .keys = {.partial = "partial_rotary_factor"},
    .defaults = {.vocab = 151552, .d_model = 4096, .d_ff = 10944, .layers = 46, .heads = 96, .kv_heads = 8,
                 .positions = 131072, .eps = 1e-5, .theta = 1e4, .partial = 0.5, .act = "silu"},
    .norm = NS_NORM_RMS, .qk_norm = NS_QK_PER_HEAD, .qk_norm_key = true, .attn_bias = NS_BIAS_KEY_FALSE, .o_plain = true,
    .rope = NS_ROPES_ALL, .mixture = &glm4_moe, .harmless = glm4_harmless, .ignored = buffers,
};
