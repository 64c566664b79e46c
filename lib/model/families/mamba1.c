/* mamba1.c - Mamba (arXiv 2312.00752) alone (mamba, falcon_mamba), and with attention and experts at some depths (jamba,
 * arXiv 2403.19887). */
#include "model/families/family.h"
#include <string.h>

/* Keys of the sizes; the rank of the steps may be "auto": a sixteenth of the width. */
typedef struct keys { const char *state, *conv, *rank, *bias, *conv_bias; } keys;

static int read_rank(ns_facts *f, ns_config *c, const char *key, ns_error *err)
{
    const cJSON *const item = ns_config_get(c, key);
    f->mixer.rank = (f->d_model + 15) / 16;
    if (item && cJSON_IsString(item) && strcmp(item->valuestring, "auto") == 0)
        return NS_OK;
    return ns_config_i64(c, key, f->mixer.rank, 1, 65536, &f->mixer.rank, err);
}

static int read_sizes(ns_facts *f, ns_config *c, const keys *k, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int rc;
    /* transformers 4 has it for the gate, transformers 5 and mamba_ssm have silu there */
    if ((rc = ns_facts_silu(f, c, "for the gate of Mamba the versions of transformers read it differently (silu is supported; or describe "
                            "the model with --arch)", err)) != NS_OK ||
        (rc = ns_config_i64(c, k->state, 16, 1, 65536, &m->key_dim, err)) != NS_OK ||
        (rc = ns_config_i64(c, k->conv, 4, 1, 1024, &m->taps, err)) != NS_OK || (rc = read_rank(f, c, k->rank, err)) != NS_OK ||
        (rc = ns_config_bool(c, k->bias, false, &m->bias, err)) != NS_OK)
        return rc;
    return ns_config_bool(c, k->conv_bias, true, &m->conv_bias, err);
}

/* expand times the width, whole or not. */
static int read_channels(ns_facts *f, ns_config *c, const char *key, ns_error *err)
{
    double expand;
    const int rc = ns_config_f64(c, key, 2, 1e-3, 1e3, &expand, err);
    const double wide = rc == NS_OK ? expand * (double)f->d_model : 1;
    if (!(wide >= 1 && wide <= (double)NS_MAX_DIM))
        return ns_fail(err, NS_E_FORMAT, "%s: %s %g makes a state space of %g channels", c->label, key, expand, wide);
    f->mixer.channels = (int64_t)wide;
    return rc;
}

static int read_alone(ns_facts *f, ns_config *c, ns_error *err)
{
    static const keys own = {"state_size", "conv_kernel", "time_step_rank", "use_bias", "use_conv_bias"};
    const int rc = read_channels(f, c, "expand", err);
    for (int64_t i = 0; i < f->layers; i++)
        f->recurrent[i] = true;
    return rc != NS_OK ? rc : read_sizes(f, c, &own, err);
}

/* intermediate_size goes before expand; step, in and read have norms without gains. */
static int read_falcon(ns_facts *f, ns_config *c, ns_error *err)
{
    int rc = read_alone(f, c, err);
    rc = rc != NS_OK ? rc : ns_config_f64(c, "mixer_rms_eps", 1e-6, 0, 1, &f->mixer.norm_eps, err);
    return rc != NS_OK ? rc : ns_config_i64(c, "intermediate_size", f->mixer.channels, 1, NS_MAX_DIM, &f->mixer.channels, err);
}

static int read_jamba(ns_facts *f, ns_config *c, ns_error *err)
{
    static const keys own = {"mamba_d_state", "mamba_d_conv", "mamba_dt_rank", "mamba_proj_bias", "mamba_conv_bias"};
    static const ns_period attention = {"attn_layer_period", "attn_layer_offset", 8, 4};
    int64_t period, offset;
    int rc = ns_config_period(c, &attention, &period, &offset, err);
    for (int64_t i = 0; i < f->layers && rc == NS_OK; i++)
        f->recurrent[i] = i % period != offset;
    rc = rc != NS_OK ? rc : read_channels(f, c, "mamba_expand", err);
    return rc != NS_OK ? rc : read_sizes(f, c, &own, err);
}

static void set_sizes(ns_builder *b, ns_branch *branch)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    ns_build_number(b, branch, "channels", (double)m->channels);
    ns_build_number(b, branch, "state", (double)m->key_dim);
    ns_build_number(b, branch, "rank", (double)m->rank);
    ns_build_number(b, branch, "conv_taps", (double)m->taps);
    ns_build_number(b, branch, "act", b->f->act);
}

/* in_proj: x | gate; x_proj: step | in | read. */
static void build_in(ns_builder *b, ns_branch *branch, const char *module)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    const struct { const char *role, *name; int64_t start; bool bias; } rows[] = {
        {"attn.x", "in_proj", 0, m->bias}, {"attn.gate", "in_proj", m->channels, m->bias}, {"attn.o", "out_proj", 0, m->bias},
        {"attn.step_in", "x_proj", 0, false}, {"attn.in", "x_proj", m->rank, false}, {"attn.read", "x_proj", m->rank + m->key_dim, false},
        {"attn.step", "dt_proj", 0, true},
    };
    b->module = module;
    set_sizes(b, branch);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ns_build_matrix(b, branch, rows[i].role, rows[i].name)->start = rows[i].start;
        if (rows[i].bias)
            ns_build_bias_of(b, branch, rows[i].role, rows[i].name)->start = rows[i].start;
    }
    ns_build_tensor(b, branch, "attn.conv", "conv1d.weight");
    if (m->conv_bias)
        ns_build_bias_of(b, branch, "attn.conv", "conv1d");
    ns_build_tensor(b, branch, "attn.rate", "A_log");
    ns_build_tensor(b, branch, "attn.skip", "D");
    b->module = NULL;
}

static const char *const norm_roles[] = {"attn.step_norm", "attn.in_norm", "attn.read_norm"};

static void build(ns_builder *b, ns_branch *branch)
{
    build_in(b, branch, "mixer.");
    for (int i = 0; i < 3 && b->f->mixer.norm_eps > 0; i++)
        *ns_slot_norm(branch, &branch->class_->slots[ns_slot_find(branch->class_, norm_roles[i])]) =
            (ns_norm){.type = NS_NORM_RMS, .eps = (float)b->f->mixer.norm_eps};
}

static void build_jamba(ns_builder *b, ns_branch *branch)
{
    static const char *const files[] = {"mamba.dt_layernorm", "mamba.b_layernorm", "mamba.c_layernorm"};
    build_in(b, branch, "mamba.");
    for (int i = 0; i < 3; i++)
        ns_build_norm(b, branch, norm_roles[i], files[i]);
}

/* ---- alone ---- */

static const ns_names names = {
    .prefixes = {"backbone.", "model.", ""}, .embed = "embeddings.weight", .final_norm = "norm_f", .layers = "layers.",
    .head = "lm_head.weight", .attn_in_norm = "norm",
};
static const char *const harmless[] = {"time_step_*", "rescale_prenorm_residual", "residual_in_fp32", "use_mambapy", "use_falcon_mambapy",
                                       "use_associative_scan",
                                       "intermediate_size", "d_inner", "d_model", "n_layer", "rms_norm", "fused_add_norm", "ssm_cfg",
                                       "pad_vocab_size_multiple", "use_fast_path", NULL};
static const ns_recurrent alone = {.type = "mamba", .mixer = "mamba1", .read = read_alone, .build = build};
static const ns_recurrent falcon = {.type = "mamba", .mixer = "mamba1", .read = read_falcon, .build = build};

#define ALONE                                                                                                                       \
    .names = &names, .keys = {.eps = "layer_norm_epsilon"},                                                                         \
    .defaults = {.vocab = 50280, .d_model = 768, .layers = 32, .heads = 1, .eps = 1e-5, .act = "silu", .tied = true},               \
    .norm = NS_NORM_RMS, .no_gqa = true, .harmless = harmless
const ns_family ns_family_mamba = {.type = "mamba", ALONE, .recurrent = &alone};
const ns_family ns_family_falcon_mamba = {.type = "falcon_mamba", ALONE, .recurrent = &falcon};

/* ---- with attention ---- */

static const ns_names jamba_names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "final_layernorm", .layers = "layers.",
    .head = "lm_head.weight", .attn_in_norm = "input_layernorm", .ffn_in_norm = "pre_ff_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .gate = "feed_forward.gate_proj", .up = "feed_forward.up_proj", .down = "feed_forward.down_proj",
};
static const ns_mixture mixture = {
    .keys = {.n = "num_experts"}, .defaults = {.n = 16, .top_k = 2}, .sparse = NS_SPARSE_PERIOD, .routing = NS_ROUTING_SOFTMAX,
    .router = "feed_forward.router.weight", .gate = "feed_forward.experts.{}.gate_proj.weight",
    .up = "feed_forward.experts.{}.up_proj.weight", .down = "feed_forward.experts.{}.down_proj.weight",
};
static const char *const jamba_harmless[] = {"use_mamba_kernels", "use_mambapy", "use_associative_scan", "num_logits_to_keep",
                                              "calc_logits_for_entire_prompt", "mamba_inner_layernorms", "n_ctx", NULL};
static const ns_recurrent jamba = {.type = "mamba", .others = "attention", .mixer = "mamba1", .read = read_jamba, .build = build_jamba};

const ns_family ns_family_jamba = {
    .type = "jamba", .names = &jamba_names,
    .defaults = {.vocab = 65536, .d_model = 4096, .d_ff = 14336, .layers = 32, .heads = 32, .kv_heads = 8, .positions = 262144,
                 .eps = 1e-6, .act = "silu"},
    .norm = NS_NORM_RMS, .fixed_head_dim = true, .recurrent = &jamba, .mixture = &mixture, .harmless = jamba_harmless,
};
