/* mamba.c - Mamba-2 (arXiv 2405.21060): a recurrence whose decay and write have one step, q and k shared by groups of heads, a skip, and a
 * gate before the norm. */
#include "model/families/family.h"

static const ns_names names = {
    .prefixes = {"backbone.", "model.", ""}, .embed = "embeddings.weight", .final_norm = "norm_f", .layers = "layers.",
    .head = "lm_head.weight", .attn_in_norm = "norm",
};
static const char *const harmless[] = {
    "chunk_size", "expand", "rescale_prenorm_residual", "residual_in_fp32", "time_step_floor", "time_step_max", "time_step_min",
    "time_step_rank", "rms_norm", NULL,
};

/* [low, high] of the steps. */
static int read_limits(ns_mixer_facts *m, ns_config *c, ns_error *err)
{
    const cJSON *const list = ns_config_get(c, "time_step_limit");
    if (!list || cJSON_IsNull(list))
        return NS_OK;
    const cJSON *const low = cJSON_GetArrayItem(list, 0), *const high = cJSON_GetArrayItem(list, 1);
    if (cJSON_GetArraySize(list) != 2 || !cJSON_IsNumber(low) || !cJSON_IsNumber(high) || !(low->valuedouble >= 0) ||
        !(high->valuedouble > low->valuedouble))
        return ns_fail(err, NS_E_FORMAT, "%s: time_step_limit must be two numbers, the first not below 0 and below the second", c->label);
    m->step_min = low->valuedouble;
    m->step_max = high->valuedouble < 1e30 ? high->valuedouble : 0;
    return NS_OK;
}

static int read(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int rc;
    m->heads = f->heads;
    m->value_dim = f->head_dim;
    if ((rc = ns_config_i64(c, "n_groups", 8, 1, 65536, &m->groups, err)) != NS_OK ||
        (rc = ns_config_i64(c, "state_size", 128, 1, 65536, &m->key_dim, err)) != NS_OK ||
        (rc = ns_config_i64(c, "conv_kernel", 4, 1, 1024, &m->taps, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_bias", false, &m->bias, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_conv_bias", true, &m->conv_bias, err)) != NS_OK || (rc = read_limits(m, c, err)) != NS_OK)
        return rc;
    if (m->heads % m->groups)
        return ns_fail(err, NS_E_FORMAT, "%s: num_heads %lld is not a multiple of n_groups %lld", c->label, (long long)m->heads,
                       (long long)m->groups);
    for (int64_t i = 0; i < f->layers; i++)
        f->recurrent[i] = true;
    return NS_OK;
}

static void set_sizes(ns_builder *b, ns_branch *branch)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    ns_build_word(b, branch, "mixer", "recurrence");
    ns_build_number(b, branch, "n_heads", (double)m->heads);
    ns_build_number(b, branch, "n_kv_heads", (double)m->heads);
    ns_build_number(b, branch, "head_dim", (double)m->value_dim);
    ns_build_number(b, branch, "q_heads", (double)m->groups);
    ns_build_number(b, branch, "k_heads", (double)m->groups);
    ns_build_number(b, branch, "key_dim", (double)m->key_dim);
    ns_build_number(b, branch, "conv_taps", (double)m->taps);
    ns_build_number(b, branch, "scale", 1);
    ns_build_number(b, branch, "rope", -1);
    ns_build_number(b, branch, "qkv_act", b->f->act);
    ns_build_number(b, branch, "step_min", m->step_min);
    ns_build_number(b, branch, "step_max", m->step_max);
    ns_build_word(b, branch, "decay", "softplus");
    ns_build_word(b, branch, "beta", "step");
    ns_build_word(b, branch, "gate_act", "silu");
    ns_build_word(b, branch, "gate_order", "gate_norm");
}

/* in_proj: z_gate | v | k | q | step; the convolution: v | k | q. */
void ns_build_mamba2(ns_builder *b, ns_branch *branch, const char *mixer)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    const int64_t inner = m->heads * m->value_dim, group = m->groups * m->key_dim;
    const struct { const char *role; int64_t start; } rows[] = {
        {"attn.z_gate", 0}, {"attn.v", inner}, {"attn.k", 2 * inner}, {"attn.q", 2 * inner + group}, {"attn.step", 2 * (inner + group)},
    }, taps[] = {{"attn.v_conv", 0}, {"attn.k_conv", inner}, {"attn.q_conv", inner + group}};
    char in[64], in_bias[64], out[64], out_bias[64], norm[64], conv[64], conv_bias[64], step[64], rate[64], skip[64];
    const struct { char *name; const char *suffix; } all[] = {
        {in, "in_proj"}, {in_bias, "in_proj.bias"}, {out, "out_proj"}, {out_bias, "out_proj.bias"}, {norm, "norm"},
        {conv, "conv1d.weight"}, {conv_bias, "conv1d.bias"}, {step, "dt_bias"}, {rate, "A_log"}, {skip, "D"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        snprintf(all[i].name, sizeof in, "%s.%s", mixer, all[i].suffix);
    set_sizes(b, branch);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ns_build_matrix(b, branch, rows[i].role, in)->start = rows[i].start;
        if (m->bias)
            ns_build_bias(b, branch, rows[i].role, in_bias)->start = rows[i].start;
    }
    for (size_t i = 0; i < sizeof taps / sizeof *taps; i++) {
        ns_build_tensor(b, branch, taps[i].role, conv)->start = taps[i].start;
        if (m->conv_bias)
            ns_build_bias(b, branch, taps[i].role, conv_bias)->start = taps[i].start;
    }
    ns_build_matrix(b, branch, "attn.o", out);
    if (m->bias)
        ns_build_bias(b, branch, "attn.o", out_bias);
    ns_build_tensor(b, branch, "attn.step_bias", step);
    ns_build_tensor(b, branch, "attn.rate", rate);
    ns_build_tensor(b, branch, "attn.skip", skip);
    ns_build_norm(b, branch, "attn.z_norm", norm);
}

static void build(ns_builder *b, ns_branch *branch)
{
    ns_build_mamba2(b, branch, "mixer");
}

static const ns_recurrent recurrent = {.type = "mamba", .mixer = "recurrence", .read = read, .build = build};

const ns_family ns_family_mamba2 = {
    .type = "mamba2", .names = &names, .keys = {.heads = "num_heads", .eps = "layer_norm_epsilon"},
    .defaults = {.vocab = 32768, .d_model = 4096, .layers = 64, .heads = 128, .head_dim = 64, .eps = 1e-5, .act = "silu"},
    .norm = NS_NORM_RMS, .no_gqa = true, .recurrent = &recurrent, .harmless = harmless,
};
