/* mamba.c - Mamba-2 (arXiv 2405.21060), alone and in hybrids (bamba, granitemoehybrid): a recurrence whose decay and write have one step, q
 * and k shared by groups of heads, a skip, and a gate before the norm. */
#include "model/families/family.h"

static const ns_names names = {
    .prefixes = {"backbone.", "model.", ""}, .embed = "embeddings.weight", .final_norm = "norm_f", .layers = "layers.",
    .head = "lm_head.weight", .attn_in_norm = "norm",
};
static const char *const harmless[] = {
    "chunk_size", "expand", "rescale_prenorm_residual", "residual_in_fp32", "time_step_floor", "time_step_init_scheme",
    "time_step_max", "time_step_min", "time_step_rank", "time_step_scale", "intermediate_size", "rms_norm",
    "A_init_range", "conv_init", "dt_init_floor", "dt_max", "dt_min", "fuse_*", "use_l2warp", NULL,
};

/* [low, high] of the steps. */
int ns_facts_step_limit(ns_mixer_facts *m, ns_config *c, const char *key, ns_error *err)
{
    const cJSON *const list = ns_config_get(c, key);
    if (!list || cJSON_IsNull(list))
        return NS_OK;
    const cJSON *const low = cJSON_GetArrayItem(list, 0), *const high = cJSON_GetArrayItem(list, 1);
    if (cJSON_GetArraySize(list) != 2 || !cJSON_IsNumber(low) || !cJSON_IsNumber(high) || !(low->valuedouble >= 0) ||
        !(high->valuedouble > low->valuedouble))
        return ns_fail(err, NS_E_FORMAT, "%s: %s must be two numbers, the first not below 0 and below the second", c->label, key);
    m->step_min = low->valuedouble;
    m->step_max = high->valuedouble < 1e30 ? high->valuedouble : 0;
    return NS_OK;
}

typedef struct keys { const char *groups, *state, *conv, *bias, *conv_bias; int64_t n_groups, n_state; } keys;

static int read_sizes(ns_mixer_facts *m, ns_config *c, const keys *k, ns_error *err)
{
    int rc;
    if ((rc = ns_config_i64(c, k->groups, k->n_groups, 1, 65536, &m->groups, err)) != NS_OK ||
        (rc = ns_config_i64(c, k->state, k->n_state, 1, 65536, &m->key_dim, err)) != NS_OK ||
        (rc = ns_config_i64(c, k->conv, 4, 1, 1024, &m->taps, err)) != NS_OK ||
        (rc = ns_config_bool(c, k->bias, false, &m->bias, err)) != NS_OK ||
        (rc = ns_config_bool(c, k->conv_bias, true, &m->conv_bias, err)) != NS_OK)
        return rc;
    return m->heads % m->groups == 0 ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: %lld heads of the recurrence are not a multiple of %s %lld",
                                                       c->label, (long long)m->heads, k->groups, (long long)m->groups);
}

static int read(ns_facts *f, ns_config *c, ns_error *err)
{
    static const keys own = {"n_groups", "state_size", "conv_kernel", "use_bias", "use_conv_bias", 8, 128};
    f->mixer.heads = f->heads;
    f->mixer.value_dim = f->head_dim;
    for (int64_t i = 0; i < f->layers; i++)
        f->recurrent[i] = true;
    const bool fla = ns_config_get(c, "norm_eps");          /* flash-linear-attention's spelling */
    bool norm = true;
    const double usual = f->eps;
    int rc = fla ? ns_config_f64(c, "norm_eps", 1e-5, 0, 1, &f->eps, err) : NS_OK;
    if (rc == NS_OK && f->eps != usual && ns_config_get(c, "layer_norm_epsilon"))
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: norm_eps is %g and layer_norm_epsilon %g: take one of them out", c->label, f->eps,
                       usual);
    if (!fla)                          /* transformers gates before the norm whatever it says: Codestral's is true */
        ns_config_get(c, "norm_before_gate");
    rc = rc != NS_OK ? rc : ns_config_bool(c, "rmsnorm", true, &norm, err);
    rc = rc != NS_OK ? rc : ns_facts_step_limit(&f->mixer, c, fla ? "dt_limit" : "time_step_limit", err);
    if (rc == NS_OK && !norm)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: rmsnorm false is not supported", c->label);
    return rc != NS_OK ? rc : read_sizes(&f->mixer, c, &own, err);
}

int ns_facts_mamba2(ns_facts *f, ns_config *c, int64_t inner, const char *inner_key, ns_error *err)
{
    static const keys hybrid = {"mamba_n_groups", "mamba_d_state", "mamba_d_conv", "mamba_proj_bias", "mamba_conv_bias", 1, 256};
    ns_mixer_facts *const m = &f->mixer;
    const cJSON *const head = ns_config_get(c, "mamba_d_head");
    int rc = ns_config_i64(c, "mamba_n_heads", 128, 1, 65536, &m->heads, err);
    if (rc != NS_OK)
        return rc;
    m->value_dim = inner / m->heads;
    if (!cJSON_IsString(head) && (rc = ns_config_i64(c, "mamba_d_head", m->value_dim, 1, 65536, &m->value_dim, err)) != NS_OK)
        return rc;
    if (m->value_dim * m->heads != inner)
        return ns_fail(err, NS_E_FORMAT, "%s: mamba_n_heads %lld x mamba_d_head %lld is not %s, %lld", c->label, (long long)m->heads,
                       (long long)m->value_dim, inner_key, (long long)inner);
    rc = ns_facts_step_limit(m, c, "time_step_limit", err);               /* which transformers 5 reads */
    return rc != NS_OK ? rc : read_sizes(m, c, &hybrid, err);
}

static int read_hybrid(ns_facts *f, ns_config *c, ns_error *err)
{
    int64_t expand;
    const int rc = ns_config_i64(c, "mamba_expand", 2, 1, 1024, &expand, err);
    return rc != NS_OK ? rc : ns_facts_mamba2(f, c, expand * f->d_model, "mamba_expand x hidden_size", err);
}

/* Bamba: the layers of attn_layer_indices are attention. */
static int read_bamba(ns_facts *f, ns_config *c, ns_error *err)
{
    const int rc = ns_facts_listed_layers(f, c, "attn_layer_indices", false, err);
    return rc != NS_OK ? rc : read_hybrid(f, c, err);
}

static int read_granite(ns_facts *f, ns_config *c, ns_error *err)
{
    for (int64_t i = 0; i < f->layers; i++)            /* layer_types says which are not */
        f->recurrent[i] = true;
    return read_hybrid(f, c, err);
}

static void set_sizes(ns_builder *b, ns_branch *branch)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    ns_build_recurrence(b, branch, 1);
    ns_build_keys(b, branch, m->taps);
    ns_build_number(b, branch, "step_min", m->step_min);
    ns_build_number(b, branch, "step_max", m->step_max);
    ns_build_word(b, branch, "beta", "step");
    ns_build_word(b, branch, "gate_order", m->norm_first ? "norm_gate" : "gate_norm");
    if (m->norm_groups > 1)
        ns_build_number(b, branch, "z_norm_groups", (double)m->norm_groups);
}

/* in_proj: z_gate | v | k | q | step; the convolution: v | k | q. */
void ns_build_mamba2(ns_builder *b, ns_branch *branch, const char *module)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    const int64_t inner = m->heads * m->value_dim, group = m->groups * m->key_dim;
    const struct { const char *role; int64_t start; } rows[] = {
        {"attn.z_gate", 0}, {"attn.v", inner}, {"attn.k", 2 * inner}, {"attn.q", 2 * inner + group}, {"attn.step", 2 * (inner + group)},
    }, taps[] = {{"attn.v_conv", 0}, {"attn.k_conv", inner}, {"attn.q_conv", inner + group}};
    b->module = module;
    set_sizes(b, branch);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ns_build_matrix(b, branch, rows[i].role, "in_proj")->start = rows[i].start;
        if (m->bias)
            ns_build_bias_of(b, branch, rows[i].role, "in_proj")->start = rows[i].start;
    }
    for (size_t i = 0; i < sizeof taps / sizeof *taps; i++) {
        ns_build_tensor(b, branch, taps[i].role, "conv1d.weight")->start = taps[i].start;
        if (m->conv_bias)
            ns_build_bias_of(b, branch, taps[i].role, "conv1d")->start = taps[i].start;
    }
    ns_build_matrix(b, branch, "attn.o", "out_proj");
    if (m->own_o_bias ? m->o_bias : m->bias)
        ns_build_bias_of(b, branch, "attn.o", "out_proj");
    ns_build_tensor(b, branch, "attn.step_bias", "dt_bias");
    ns_build_tensor(b, branch, "attn.rate", "A_log");
    ns_build_tensor(b, branch, "attn.skip", "D");
    if (!m->no_norm)
        ns_build_norm(b, branch, "attn.z_norm", "norm");
    b->module = NULL;
}

/* Each group of heads has a norm of its own, as in mamba_ssm and transformers 5 (transformers 4: one over all of them). */
static void norm_by_groups(ns_builder *b, ns_branch *branch)
{
    ns_build_number(b, branch, "z_norm_groups", b->f->mixer.groups > 1 ? (double)b->f->mixer.groups : 0);
}

static void build(ns_builder *b, ns_branch *branch)
{
    ns_build_mamba2(b, branch, "mixer.");
    norm_by_groups(b, branch);
}

static void build_hybrid(ns_builder *b, ns_branch *branch)
{
    ns_build_mamba2(b, branch, "mamba.");
    norm_by_groups(b, branch);
}

static const ns_recurrent recurrent = {.type = "mamba", .mixer = "recurrence", .read = read, .build = build};

const ns_family ns_family_mamba2 = {
    .type = "mamba2", .names = &names, .keys = {.heads = "num_heads", .eps = "layer_norm_epsilon"},
    .defaults = {.vocab = 32768, .d_model = 4096, .layers = 64, .heads = 128, .head_dim = 64, .eps = 1e-5, .act = "silu"},
    .norm = NS_NORM_RMS, .no_gqa = true, .recurrent = &recurrent, .harmless = harmless,
};

/* ---- hybrids ---- */

#define TRUNK                                                                                                                          \
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .layers = "layers.", .head = "lm_head.weight",                          \
    .attn_in_norm = "input_layernorm", .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj"
static const ns_names bamba_names = {
    TRUNK, .final_norm = "final_layernorm", .ffn_in_norm = "pre_ff_layernorm", .gate = "feed_forward.gate_proj",
    .up = "feed_forward.up_proj", .down = "feed_forward.down_proj",
};
static const ns_names granite_names = {
    TRUNK, .final_norm = "norm", .ffn_in_norm = "post_attention_layernorm", .gate_up = "shared_mlp.input_linear",
    .down = "shared_mlp.output_linear",
};
static const char *const hybrid_harmless[] = {"mamba_chunk_size", "z_loss_coefficient", "num_logits_to_keep", "normalization_function",
                                              "init_method", NULL};
static const char *const ignored[] = {"*.rotary_emb.inv_freq", NULL};
static const ns_recurrent bamba = {.type = "mamba", .others = "attention", .mixer = "recurrence", .read = read_bamba,
                                   .build = build_hybrid};
static const ns_recurrent granite = {.type = "mamba", .others = "attention", .mixer = "recurrence", .read = read_granite,
                                     .build = build_hybrid};

const ns_family ns_family_bamba = {
    .type = "bamba", .names = &bamba_names, .keys = {.partial = "partial_rotary_factor"},
    .defaults = {.vocab = 128000, .d_model = 4096, .d_ff = 14336, .layers = 32, .heads = 32, .kv_heads = 8,
                 .positions = 262144, .eps = 1e-5, .theta = 1e4, .partial = 0.5, .act = "silu"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_FALSE, .ffn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL, .recurrent = &bamba,
    .harmless = hybrid_harmless, .ignored = ignored,
};

/* Every layer's MLP is the shared expert of its experts, if it has any. */
static const ns_mixture mixture = {
    .keys = {.n = "num_local_experts", .d_ff = "intermediate_size", .d_shared = "shared_intermediate_size"},
    .defaults = {.n = 8, .top_k = 2, .d_ff = 11008, .d_shared = 1024}, .sparse = NS_SPARSE_ANY, .routing = NS_ROUTING_SOFTMAX_CHOSEN,
    .router = "block_sparse_moe.router.layer.weight", .gate_up = "block_sparse_moe.input_linear.weight",
    .down = "block_sparse_moe.output_linear.weight", .shared_gate_up = "shared_mlp.input_linear.weight",
    .shared_down = "shared_mlp.output_linear.weight",
};
const ns_family ns_family_granitemoehybrid = {
    .type = "granitemoehybrid", .names = &granite_names, .keys = {.d_ff = "shared_intermediate_size"},
    .defaults = {.vocab = 32000, .d_model = 4096, .d_ff = 1024, .layers = 32, .heads = 32,
                 .positions = 2048, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_FALSE, .layer_types = true, .rope = NS_ROPES_NAMED, .multipliers = NS_MULTIPLIERS_GRANITE,
    .recurrent = &granite, .mixture = &mixture, .harmless = hybrid_harmless, .ignored = ignored,
};
