/* llama4.c - the text model of Llama 4: layers that rotate see runs of positions and norm q and k after it; the others see everything and
 * multiply q by a temperature; experts of which each row takes the best, weighed on their input, beside a shared one. */
#include "model/families/family.h"

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .gate = "feed_forward.gate_proj", .up = "feed_forward.up_proj", .down = "feed_forward.down_proj",
};
static const char *const buffers[] = {"*.rotary_emb.inv_freq", NULL};
static const char *const harmless[] = {"no_rope_layer_interval", "interleave_moe_layer_step", "router_jitter_noise", "for_llm_compressor",
                                       NULL};              /* unused where the lists are given */

static const ns_mixture mixture = {
    .keys = {.n = "num_local_experts", .d_ff = "intermediate_size"}, .defaults = {.n = 16, .top_k = 1, .d_ff = 8192},
    .sparse = NS_SPARSE_LIST, .routing = NS_ROUTING_SIGMOID, .shared = true, .weigh_input = true, .transposed = true,
    .router = "feed_forward.router.weight", .gate_up = "feed_forward.experts.gate_up_proj", .down = "feed_forward.experts.down_proj",
    .shared_gate = "feed_forward.shared_expert.gate_proj.weight", .shared_up = "feed_forward.shared_expert.up_proj.weight",
    .shared_down = "feed_forward.shared_expert.down_proj.weight",
};

const ns_family ns_family_llama4 = {
    .type = "llama4_text", .names = &names, .keys = {.d_ff = "intermediate_size_mlp"},
    .defaults = {.vocab = 202048, .d_model = 5120, .d_ff = 16384, .layers = 48, .heads = 40, .kv_heads = 8, .head_dim = 128,
                 .positions = 131072, .window = 8192, .eps = 1e-5, .theta = 5e5, .act = "silu", .qk_norm = true},
    .norm = NS_NORM_RMS, .qk_norm = NS_QK_PER_HEAD, .qk_norm_key = true, .qk_norm_rotated = true, .temper_keys = true,
    .window = NS_WINDOW_CHUNKS, .layer_types = true, .rope = NS_ROPES_LIST, .layout = NS_ROPE_INTERLEAVED, .mixture = &mixture,
    .harmless = harmless, .ignored = buffers,
};
