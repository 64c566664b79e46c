/* lfm2.c - LFM2: gated short convolutions, and attention with QK-norm at some depths. */
#include "model/families/family.h"

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "embedding_norm", .layers = "layers.",
    .head = "lm_head.weight", .attn_in_norm = "operator_norm", .ffn_in_norm = "ffn_norm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.out_proj",
    .q_norm = "self_attn.q_layernorm", .k_norm = "self_attn.k_layernorm",
    .gate = "feed_forward.w1", .up = "feed_forward.w3", .down = "feed_forward.w2",
};
/* Of the files that it was trained from: what the sizes and switches say again. */
static const char *const harmless[] = {"block_dim", "block_mlp_init_scale", "block_norm_eps", "block_out_init_scale", "block_use_swiglu",
                                       "block_use_xavier_init", "conv_dim", "conv_dim_out", "conv_use_xavier_init", "num_heads",
                                       "use_pos_enc", NULL};
static const char *const ignored[] = {"*.rotary_emb.inv_freq", "*pos_emb.inv_freq", NULL};

/* The width of the MLPs: two thirds of what is written, times a factor, up to the next multiple. */
static int read_width(ns_facts *f, ns_config *c, ns_error *err)
{
    bool adjust;
    double factor;
    int64_t multiple;
    int rc;
    if ((rc = ns_config_i64(c, "block_ff_dim", f->d_ff, 1, NS_MAX_DIM, &f->d_ff, err)) != NS_OK ||
        (rc = ns_config_bool(c, "block_auto_adjust_ff_dim", true, &adjust, err)) != NS_OK ||
        (rc = ns_config_f64(c, "block_ffn_dim_multiplier", 1, 1e-6, 1e6, &factor, err)) != NS_OK ||
        (rc = ns_config_i64(c, "block_multiple_of", 256, 1, NS_MAX_DIM, &multiple, err)) != NS_OK || !adjust)
        return rc;
    const cJSON *const given = ns_config_get(c, "block_ffn_dim_multiplier");
    f->d_ff = 2 * f->d_ff / 3;
    if (given && cJSON_IsNull(given))
        return NS_OK;
    const double wide = factor * (double)f->d_ff;
    if (!(wide <= NS_MAX_DIM - (double)multiple))
        return ns_fail(err, NS_E_FORMAT, "%s: block_ffn_dim_multiplier %g makes the MLPs %g wide", c->label, factor, wide);
    f->d_ff = ((int64_t)wide + multiple - 1) / multiple * multiple;
    return NS_OK;
}

/* Keys that go before the usual ones, by other names. */
static int read_synonyms(ns_facts *f, ns_config *c, ns_error *err)
{
    double theta, usual;
    int rc;
    if ((rc = ns_config_bool(c, "tie_embedding", f->tied, &f->tied, err)) != NS_OK ||
        (rc = ns_config_f64(c, "rope_theta", 1e6, 0, 1e30, &usual, err)) != NS_OK ||
        (rc = ns_config_f64(c, "theta", usual, 0, 1e30, &theta, err)) != NS_OK)
        return rc;
    if (theta != usual)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: theta is %g and rope_theta %g: take one of them out", c->label, theta, usual);
    return NS_OK;
}

static int read(ns_facts *f, ns_config *c, ns_error *err)
{
    int rc;
    if ((rc = ns_facts_silu(f, c, "lfm2 in transformers has silu whatever it says: take the key out", err)) != NS_OK ||
        (rc = ns_facts_listed_layers(f, c, "full_attn_idxs", true, err)) != NS_OK || (rc = read_width(f, c, err)) != NS_OK ||
        (rc = read_synonyms(f, c, err)) != NS_OK ||
        (rc = ns_config_i64(c, "conv_L_cache", 3, 1, 1024, &f->mixer.taps, err)) != NS_OK)
        return rc;
    return ns_config_bool(c, "conv_bias", false, &f->mixer.bias, err);
}

/* in_proj: in_gate | out_gate | x. */
static void build(ns_builder *b, ns_branch *branch)
{
    static const struct { const char *role; int64_t part; } in[] = {{"attn.in_gate", 0}, {"attn.out_gate", 1}, {"attn.x", 2}};
    const ns_facts *const f = b->f;
    ns_build_number(b, branch, "channels", (double)f->d_model);
    ns_build_number(b, branch, "conv_taps", (double)f->mixer.taps);
    for (int i = 0; i < 3; i++) {
        ns_build_matrix(b, branch, in[i].role, "conv.in_proj")->start = in[i].part * f->d_model;
        if (f->mixer.bias)
            ns_build_bias_of(b, branch, in[i].role, "conv.in_proj")->start = in[i].part * f->d_model;
    }
    ns_build_tensor(b, branch, "attn.conv", "conv.conv.weight");
    ns_build_matrix(b, branch, "attn.o", "conv.out_proj");
    if (f->mixer.bias) {
        ns_build_bias_of(b, branch, "attn.conv", "conv.conv");
        ns_build_bias_of(b, branch, "attn.o", "conv.out_proj");
    }
}

static const ns_recurrent recurrent = {.type = "conv", .mixer = "short_conv", .read = read, .build = build};

const ns_family ns_family_lfm2 = {
    .type = "lfm2", .names = &names, .keys = {.eps = "norm_eps"},
    .defaults = {.vocab = 65536, .d_model = 2560, .d_ff = 12288, .layers = 32, .heads = 32, .kv_heads = 8, .positions = 128000,
                 .eps = 1e-5, .theta = 1e6, .act = "silu", .tied = true},
    .norm = NS_NORM_RMS, .qk_norm = NS_QK_PER_HEAD, .layer_types = true, .rope = NS_ROPES_ALL, .recurrent = &recurrent,
    .harmless = harmless, .ignored = ignored,
};
