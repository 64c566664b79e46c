/* minimax.c - MiniMax-Text (arXiv 2501.08313): full attention and Lightning attention by turns; a residual stream that starts from each
 * branch's normed input. Its MLP is a mixture of experts; a mixture of one is an MLP. */
#include "model/families/family.h"
#include "math/math.h"

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .gate = "block_sparse_moe.experts.0.w1", .up = "block_sparse_moe.experts.0.w3", .down = "block_sparse_moe.experts.0.w2",
};
static const char *const harmless[] = {"block_size", "output_router_logits", "router_jitter_noise", NULL};
static const char *const ignored[] = {
    "*.rotary_emb.inv_freq", "*.block_sparse_moe.gate.weight", "*.self_attn.slope_rate", "*.self_attn.*_decay", NULL,
};

/* slope_h = 2^(-8 (h + 1) / H) (1 - layer / (L - 1 + 1e-5) + 1e-5)   (transformers' minimax, get_slope_rate) */
static void set_slopes(ns_builder *b, ns_branch *branch)
{
    const ns_facts *const f = b->f;
    double *const slope = ns_build_list(b, branch, "slope");
    const double depth = 1 - (double)b->layer / ((double)f->layers - 1 + 1e-5) + 1e-5;
    for (int64_t h = 0; slope && h < f->heads; h++)
        slope[h] = ns_pow(2, -8.0 * (double)(h + 1) / (double)f->heads) * depth;
}

ns_norm *ns_build_linear(ns_builder *b, ns_branch *branch, const ns_linear_names *in, ns_act act)
{
    static const char *const roles[] = {"attn.q", "attn.k", "attn.v"};
    const char *const apart[] = {in->q, in->k, in->v};
    const ns_facts *const f = b->f;
    ns_build_number(b, branch, "n_heads", (double)f->heads);
    ns_build_number(b, branch, "n_kv_heads", (double)f->heads);
    ns_build_number(b, branch, "head_dim", (double)f->head_dim);
    ns_build_number(b, branch, "scale", 1);
    ns_build_number(b, branch, "rope", -1);
    ns_build_number(b, branch, "qkv_act", act);
    ns_build_word(b, branch, "decay", "slope");
    set_slopes(b, branch);
    for (int i = 0; i < 3; i++) {
        ns_tref *const t = ns_build_matrix(b, branch, roles[i], in->fused ? in->fused : apart[i]);
        if (!in->fused)
            continue;
        t->start = i * f->head_dim;
        t->group = f->head_dim;
        t->stride = 3 * f->head_dim;
    }
    ns_build_matrix(b, branch, "attn.o", in->o);
    ns_build_matrix(b, branch, "attn.z_gate", in->gate);
    return ns_build_norm(b, branch, "attn.z_norm", in->norm);
}

/* The norm of its output has an eps of its own in the code. */
static void build(ns_builder *b, ns_branch *branch)
{
    static const ns_linear_names linear = {
        .fused = "self_attn.qkv_proj", .o = "self_attn.out_proj", .norm = "self_attn.norm", .gate = "self_attn.output_gate",
    };
    ns_build_linear(b, branch, &linear, b->f->act)->eps = 1e-6f;
}

static const ns_mixture mixture = {
    .keys = {.n = "num_local_experts"}, .defaults = {.n = 8, .top_k = 2, .normalise = true}, .sparse = NS_SPARSE_SEVERAL,
    .router = "block_sparse_moe.gate.weight", .gate = "block_sparse_moe.experts.{}.w1.weight",
    .up = "block_sparse_moe.experts.{}.w3.weight", .down = "block_sparse_moe.experts.{}.w2.weight",
};

static const ns_recurrent recurrent = {.type = "linear_attention", .mixer = "recurrence", .odd = true, .build = build};

const ns_family ns_family_minimax = {
    .type = "minimax", .names = &names,
    .defaults = {.vocab = 32000, .d_model = 4096, .d_ff = 14336, .layers = 32, .heads = 32, .kv_heads = 8,
                 .positions = 131072, .eps = 1e-5, .theta = 1e6, .act = "silu"},
    .norm = NS_NORM_RMS, .rope = NS_ROPES_ALL, .layer_types = true, .recurrent = &recurrent, .mixture = &mixture, .normed_residual = true,
    .harmless = harmless, .ignored = ignored,
};
