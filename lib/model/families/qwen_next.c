/* qwen_next.c - Qwen3-Next and Qwen3.5: three layers of Gated DeltaNet, then one of attention; every norm has 1 + w, but for that of the
 * recurrence's output; the attention has a gate of its output, and the MLPs may be mixtures of experts. */
#include "model/families/family.h"

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
};
/* Looked at by nobody, as are the heads that predict further tokens; the gate of the output is told by q_proj's rows. */
static const char *const harmless[] = {"mlp_only_layers", "attn_output_gate", "mamba_ssm_dtype", "mtp_*", NULL};
static const char *const ignored[] = {"*.rotary_emb.inv_freq", "mtp.*", NULL};

#define EXPERTS                                                                                                                        \
    .router = "mlp.gate.weight", .gate = "mlp.experts.{}.gate_proj.weight", .up = "mlp.experts.{}.up_proj.weight",                     \
    .gate_up = "mlp.experts.gate_up_proj", .down = "mlp.experts.{}.down_proj.weight|mlp.experts.down_proj",                            \
    .shared_gate = "mlp.shared_expert.gate_proj.weight", .shared_up = "mlp.shared_expert.up_proj.weight",                              \
    .shared_down = "mlp.shared_expert.down_proj.weight", .shared_switch = "mlp.shared_expert_gate.weight"

static const ns_mixture mixture = {
    .keys = {.n = "num_experts", .d_ff = "moe_intermediate_size", .d_shared = "shared_expert_intermediate_size",
             .normalise = "norm_topk_prob"},
    .defaults = {.n = 512, .top_k = 10, .d_ff = 512, .d_shared = 512, .normalise = true}, .sparse = NS_SPARSE_STEP,
    EXPERTS,
};

static const ns_mixture mixture_3_5 = {
    .keys = {.n = "num_experts", .d_ff = "moe_intermediate_size", .d_shared = "shared_expert_intermediate_size"},
    .defaults = {.n = 256, .top_k = 8, .d_ff = 512, .d_shared = 512, .normalise = true}, EXPERTS,
};

static int read(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int64_t every;
    int rc;
    if ((rc = ns_config_i64(c, "linear_num_value_heads", 32, 1, 65536, &m->heads, err)) != NS_OK ||
        (rc = ns_config_i64(c, "linear_num_key_heads", 16, 1, 65536, &m->groups, err)) != NS_OK ||
        (rc = ns_config_i64(c, "linear_key_head_dim", 128, 1, 65536, &m->key_dim, err)) != NS_OK ||
        (rc = ns_config_i64(c, "linear_value_head_dim", 128, 1, 65536, &m->value_dim, err)) != NS_OK ||
        (rc = ns_config_i64(c, "linear_conv_kernel_dim", 4, 1, 1024, &m->taps, err)) != NS_OK ||
        (rc = ns_config_i64(c, "full_attention_interval", 4, 1, NS_MAX_LAYERS, &every, err)) != NS_OK ||
        (rc = ns_facts_silu(f, c, NS_SHORT_CONV_ACT, err)) != NS_OK)
        return rc;
    if (m->heads % m->groups)
        return ns_fail(err, NS_E_FORMAT, "%s: linear_num_value_heads %lld is not a multiple of linear_num_key_heads %lld", c->label,
                       (long long)m->heads, (long long)m->groups);
    for (int64_t i = 0; i < f->layers; i++)
        f->recurrent[i] = (i + 1) % every != 0;
    return NS_OK;
}

static void build_next(ns_builder *b, ns_branch *branch)
{
    static const ns_delta_names in = {NS_DELTA_NEXT};
    ns_build_gated_deltanet(b, branch, &in)->offset = 0;
}

static void build_3_5(ns_builder *b, ns_branch *branch)
{
    static const ns_delta_names in = {
        .module = "linear_attn.", .qkv = "in_proj_qkv", .z = "in_proj_z", .write = "in_proj_b", .step = "in_proj_a",
        .conv = "conv1d.weight", .o = "out_proj", .step_bias = "dt_bias", .rate = "A_log", .norm = "norm",
    };
    ns_build_gated_deltanet(b, branch, &in)->offset = 0;
}

static const ns_recurrent recurrent = {.type = "linear_attention", .mixer = "recurrence", .read = read, .build = build_next};
static const ns_recurrent recurrent_3_5 = {.type = "linear_attention", .mixer = "recurrence", .read = read, .build = build_3_5};

#define QWEN                                                                                                                           \
    .names = &names, .keys = {.partial = "partial_rotary_factor"}, .norm = NS_NORM_RMS, .norm_offset = 1, .qk_norm = NS_QK_PER_HEAD,  \
    .attn_bias = NS_BIAS_KEY_FALSE, .fuse = NS_FUSE_GATED, .layer_types = true, .rope = NS_ROPES_ALL, .ignored = ignored

const ns_family ns_family_qwen3_next = {
    .type = "qwen3_next", QWEN, .recurrent = &recurrent, .mixture = &mixture,
    .defaults = {.vocab = 151936, .d_model = 2048, .d_ff = 5632, .layers = 48, .heads = 16, .kv_heads = 2, .head_dim = 256,
                 .positions = 32768, .eps = 1e-6, .theta = 1e4, .partial = 0.25, .act = "silu"},
};

const ns_family ns_family_qwen3_5 = {
    .type = "qwen3_5_text", QWEN, .recurrent = &recurrent_3_5, .mrope = true, .harmless = harmless,
    .defaults = {.vocab = 248320, .d_model = 4096, .d_ff = 12288, .layers = 32, .heads = 16, .kv_heads = 4, .head_dim = 256,
                 .positions = 32768, .eps = 1e-6, .theta = 1e4, .partial = 0.25, .act = "silu"},
};

const ns_family ns_family_qwen3_5_moe = {
    .type = "qwen3_5_moe_text", QWEN, .recurrent = &recurrent_3_5, .mixture = &mixture_3_5, .mrope = true, .harmless = harmless,
    .defaults = {.vocab = 248320, .d_model = 2048, .d_ff = 5632, .layers = 40, .heads = 16, .kv_heads = 2, .head_dim = 256,
                 .positions = 32768, .eps = 1e-6, .theta = 1e4, .partial = 0.25, .act = "silu"},
};
