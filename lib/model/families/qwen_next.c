/* qwen_next.c - Qwen3-Next: three layers of Gated DeltaNet (arXiv 2412.06464), then one of attention; every norm has 1 + w, but for that of
 * the recurrence's output; the attention has a gate of its output, and the MLPs are mixtures of experts. */
#include "model/families/family.h"
#include <math.h>

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
};
static const char *const ignored[] = {"*.rotary_emb.inv_freq", "mtp.*", NULL};

static const ns_mixture mixture = {
    .keys = {.n = "num_experts", .d_ff = "moe_intermediate_size", .d_shared = "shared_expert_intermediate_size",
             .normalise = "norm_topk_prob"},
    .defaults = {.n = 512, .top_k = 10, .d_ff = 512, .d_shared = 512, .normalise = true}, .sparse = NS_SPARSE_STEP,
    .router = "mlp.gate.weight", .gate = "mlp.experts.{}.gate_proj.weight", .up = "mlp.experts.{}.up_proj.weight",
    .down = "mlp.experts.{}.down_proj.weight", .shared_gate = "mlp.shared_expert.gate_proj.weight",
    .shared_up = "mlp.shared_expert.up_proj.weight", .shared_down = "mlp.shared_expert.down_proj.weight",
    .shared_switch = "mlp.shared_expert_gate.weight",
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
        (rc = ns_config_i64(c, "full_attention_interval", 4, 1, NS_MAX_LAYERS, &every, err)) != NS_OK)
        return rc;
    if (m->heads % m->groups)
        return ns_fail(err, NS_E_FORMAT, "%s: linear_num_value_heads %lld is not a multiple of linear_num_key_heads %lld", c->label,
                       (long long)m->heads, (long long)m->groups);
    for (int64_t i = 0; i < f->layers; i++)
        f->recurrent[i] = (i + 1) % every != 0;
    return NS_OK;
}

/* Rows start .. of each group of heads in a tensor that holds them side by side. */
static void part(ns_tref *t, int64_t start, int64_t rows, int64_t unit)
{
    t->start = start;
    t->group = rows;
    t->stride = unit;
}

static void set_sizes(ns_builder *b, ns_branch *branch, int64_t taps)
{
    ns_attn *const a = branch->params;
    ns_build_recurrence(b, branch, 1 / sqrt((double)b->f->mixer.key_dim));
    ns_build_keys(b, branch, taps);
    ns_build_word(b, branch, "rule", "delta");
    ns_build_word(b, branch, "beta", "sigmoid");
    ns_build_word(b, branch, "z_norm_of", "head");
    a->qk_norm = NS_QK_PER_HEAD;
    a->q_norm = a->k_norm = (ns_norm){.type = NS_NORM_L2, .eps = 1e-6f};
}

void ns_build_gated_deltanet(ns_builder *b, ns_branch *branch, int64_t taps)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    const int64_t each = m->heads / m->groups, dk = m->key_dim, v = each * m->value_dim, unit = 2 * (dk + v);
    set_sizes(b, branch, taps);
    part(ns_build_matrix(b, branch, "attn.q", "linear_attn.in_proj_qkvz"), 0, dk, unit);
    part(ns_build_matrix(b, branch, "attn.k", "linear_attn.in_proj_qkvz"), dk, dk, unit);
    part(ns_build_matrix(b, branch, "attn.v", "linear_attn.in_proj_qkvz"), 2 * dk, v, unit);
    part(ns_build_matrix(b, branch, "attn.z_gate", "linear_attn.in_proj_qkvz"), 2 * dk + v, v, unit);
    part(ns_build_matrix(b, branch, "attn.write", "linear_attn.in_proj_ba"), 0, each, 2 * each);
    part(ns_build_matrix(b, branch, "attn.step", "linear_attn.in_proj_ba"), each, each, 2 * each);
    ns_build_matrix(b, branch, "attn.o", "linear_attn.out_proj");
    if (taps) {
        ns_build_tensor(b, branch, "attn.q_conv", "linear_attn.conv1d.weight");
        ns_build_tensor(b, branch, "attn.k_conv", "linear_attn.conv1d.weight")->start = m->groups * dk;
        ns_build_tensor(b, branch, "attn.v_conv", "linear_attn.conv1d.weight")->start = 2 * m->groups * dk;
    }
    ns_build_tensor(b, branch, "attn.step_bias", "linear_attn.dt_bias");
    ns_build_tensor(b, branch, "attn.rate", "linear_attn.A_log");
    ns_build_norm(b, branch, "attn.z_norm", "linear_attn.norm")->offset = 0;
}

static void build(ns_builder *b, ns_branch *branch)
{
    ns_build_gated_deltanet(b, branch, b->f->mixer.taps);
}

static const ns_recurrent recurrent = {.type = "linear_attention", .mixer = "recurrence", .read = read, .build = build};

const ns_family ns_family_qwen3_next = {
    .type = "qwen3_next", .names = &names, .keys = {.partial = "partial_rotary_factor"},
    .defaults = {.vocab = 151936, .d_model = 2048, .d_ff = 5632, .layers = 48, .heads = 16, .kv_heads = 2, .head_dim = 256,
                 .positions = 32768, .eps = 1e-6, .theta = 1e4, .partial = 0.25, .act = "silu"},
    .norm = NS_NORM_RMS, .norm_offset = 1, .qk_norm = NS_QK_PER_HEAD, .attn_bias = NS_BIAS_KEY_FALSE, .fuse = NS_FUSE_GATED,
    .layer_types = true, .rope = NS_ROPES_ALL, .recurrent = &recurrent, .mixture = &mixture, .ignored = ignored,
};
