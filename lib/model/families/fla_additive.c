/* fla_additive.c - gla, simple_gla, retnet and hgrn2: states that decay and are added to.
 *
 * simple_gla is a layer of theirs, which no model of theirs has: gla's block and keys around it. */
#include "model/families/fla.h"
#include "math/math.h"
#include <math.h>

/* ---- gla, simple_gla, retnet ---- */

/* num_kv_heads of a recurrence; but for gla's the decays are no product of as many, so that heads may share keys and values. */
static int read_additive(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int rc;
    if ((rc = ns_config_i64(c, "num_kv_heads", m->heads, 1, 65536, &m->groups, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_output_gate", true, &m->gate, err)) != NS_OK)
        return rc;
    return m->heads % m->groups == 0 ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: num_heads %lld are not a multiple of num_kv_heads %lld",
                                                       c->label, (long long)m->heads, (long long)m->groups);
}

static int read_gla(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    double least = 0;
    int rc;
    if ((rc = ns_fla_read(f, c, 4, 4, false, err)) != NS_OK || (rc = ns_fla_widths(f, c, 0.5, 1, err)) != NS_OK ||
        (rc = read_additive(f, c, err)) != NS_OK ||
        (cJSON_IsNumber(ns_config_get(c, "clamp_min")) && (rc = ns_config_f64(c, "clamp_min", 0, -1e6, -1e-6, &least, err)) != NS_OK))
        return rc;
    if (m->groups != m->heads)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: num_kv_heads %lld: heads of gla that share a decay are not supported", c->label,
                       (long long)m->groups);
    m->step_max = least < 0 ? -16 * least : 0;
    return ns_fla_finish(f, c, 0, err);
}

static int read_simple(ns_facts *f, ns_config *c, ns_error *err)
{
    int rc;
    if ((rc = ns_fla_read(f, c, 4, 4, true, err)) != NS_OK || (rc = ns_fla_widths(f, c, 1, 1, err)) != NS_OK ||
        (rc = read_additive(f, c, err)) != NS_OK ||
        (rc = ns_config_f64(c, "gate_logit_normalizer", 16, 1e-3, 1e6, &f->mixer.divisor, err)) != NS_OK)
        return rc;
    return f->mixer.gate ? ns_fla_finish(f, c, 0, err) : ns_fail(err, NS_E_UNSUPPORTED, "%s: simple_gla has a gate of its output: "
                                                                 "use_output_gate false is not supported", c->label);
}

/* Its class has no convolution, whatever use_short_conv says. */
static int read_retnet(ns_facts *f, ns_config *c, ns_error *err)
{
    int rc;
    if ((rc = ns_fla_read(f, c, 8, 2, false, err)) != NS_OK || (rc = ns_fla_widths(f, c, 1, 2, err)) != NS_OK ||
        (rc = read_additive(f, c, err)) != NS_OK)
        return rc;
    f->mixer.taps = 0;
    return f->mixer.key_dim % 2 == 0 ? ns_fla_finish(f, c, f->mixer.key_dim, err)
                                     : ns_fail(err, NS_E_FORMAT, "%s: keys of %lld numbers are odd: rope rotates pairs", c->label,
                                               (long long)f->mixer.key_dim);
}

static void build_additive(ns_builder *b, ns_branch *branch)
{
    static const char *const matrices[][2] = {{"attn.q", "q_proj"}, {"attn.k", "k_proj"}, {"attn.v", "v_proj"}, {"attn.o", "o_proj"}};
    static const char *const tables[][2] = {{"attn.q_conv", "q_conv1d.weight"}, {"attn.k_conv", "k_conv1d.weight"},
                                            {"attn.v_conv", "v_conv1d.weight"}};
    const ns_mixer_facts *const m = &b->f->mixer;
    b->module = "attn.";
    ns_build_recurrence(b, branch, 1 / sqrt((double)m->key_dim));
    ns_build_number(b, branch, "n_kv_heads", (double)m->groups);
    ns_build_number(b, branch, "key_dim", (double)m->key_dim);
    ns_build_number(b, branch, "conv_taps", (double)m->taps);
    ns_build_word(b, branch, "qkv_act", m->taps ? "silu" : "none");
    ns_build_word(b, branch, "z_norm_of", "head");
    for (int i = 0; i < 4; i++)
        ns_build_matrix(b, branch, matrices[i][0], matrices[i][1]);
    for (int i = 0; i < 3 && m->taps; i++)
        ns_build_tensor(b, branch, tables[i][0], tables[i][1]);
    if (m->gate)
        ns_build_matrix(b, branch, "attn.z_gate", "g_proj");
    ns_build_norm(b, branch, "attn.z_norm", m->gate ? "g_norm_swish_gate|g_norm" : "g_norm");
}

/* The first thin product of the decay is 16 wide in the code, whatever the config. */
static void build_gla(ns_builder *b, ns_branch *branch)
{
    build_additive(b, branch);
    ns_build_word(b, branch, "decay", "logsigmoid");
    ns_build_word(b, branch, "decay_of", "key_channel");
    ns_build_number(b, branch, "divisor", 16);
    ns_build_number(b, branch, "step_max", b->f->mixer.step_max);
    ns_build_number(b, branch, "step_rank", 16);
    ns_build_matrix(b, branch, "attn.step_in", "gk_proj.0");
    ns_build_matrix(b, branch, "attn.step_out", "gk_proj.1");
    ns_build_bias_of(b, branch, "attn.step_out", "gk_proj.1");
    b->module = NULL;
}

static void build_simple(ns_builder *b, ns_branch *branch)
{
    build_additive(b, branch);
    ns_build_word(b, branch, "decay", "logsigmoid");
    ns_build_number(b, branch, "divisor", b->f->mixer.divisor);
    ns_build_matrix(b, branch, "attn.step", "gk_proj");
    ns_build_bias_of(b, branch, "attn.step", "gk_proj");
    b->module = NULL;
}

/* Head h decays by 1 - 2^(-5 - h)   (arXiv 2307.08621). */
static void build_retnet(ns_builder *b, ns_branch *branch)
{
    build_additive(b, branch);
    b->module = NULL;
    ns_build_number(b, branch, "rope", b->f->mixer.rope);
    ns_build_word(b, branch, "decay", "slope");
    double *const slope = ns_build_list(b, branch, "slope");
    for (int64_t h = 0; slope && h < b->f->mixer.heads; h++) {
        const double part = ns_pow(2, -5 - (double)h), rate = -ns_log(1 - part);
        slope[h] = rate > 0 ? rate : part;             /* 1 - part rounds to 1 from the 50th head on */
    }
}

/* ---- hgrn2 ---- */

/* expand_ratio, the gates of a head, says how many heads there are; num_heads where it is null. */
static int read_hgrn2(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    const cJSON *const ratio = ns_config_get(c, "expand_ratio");
    const bool by_heads = ratio && cJSON_IsNull(ratio);
    int rc;
    if ((rc = ns_config_bool(c, "use_lower_bound", true, &m->bounds, err)) != NS_OK ||
        (rc = ns_fla_read(f, c, 1, 4, false, err)) != NS_OK ||
        (!by_heads && (rc = ns_config_i64(c, "expand_ratio", 128, 1, 65536, &m->key_dim, err)) != NS_OK))
        return rc;
    if (!by_heads)
        m->heads = m->groups = f->d_model / m->key_dim;
    if (m->taps || m->heads < 1 || f->d_model % m->heads)
        return ns_fail(err, m->taps ? NS_E_UNSUPPORTED : NS_E_FORMAT, m->taps ? "%s: use_short_conv of hgrn2 is not supported%.0lld%.0lld"
                       : "%s: %lld heads (hidden_size / expand_ratio, or num_heads) do not divide hidden_size %lld", c->label,
                       (long long)m->heads, (long long)f->d_model);
    m->value_dim = f->d_model / m->heads;
    m->key_dim = by_heads ? m->value_dim : m->key_dim;
    if (m->bounds && m->key_dim * m->heads != f->d_model)
        return ns_fail(err, NS_E_FORMAT, "%s: use_lower_bound: %lld heads of expand_ratio %lld gates are not hidden_size %lld", c->label,
                       (long long)m->heads, (long long)m->key_dim, (long long)f->d_model);
    return ns_fla_finish(f, c, 0, err);
}

/* The first layer's bounds are 0. */
static void build_bounds(ns_builder *b, ns_branch *branch)
{
    const int at = ns_slot_find(branch->class_, "attn.bounds");
    if (!b->f->mixer.bounds || b->layer == 0)
        return;
    ns_build_number(b, branch, "depths", (double)b->f->layers);
    ns_build_number(b, branch, "depth", (double)b->layer);
    *ns_slot_tref(branch, &branch->class_->slots[at]) = ns_build_trunk(b, "lower_bounds", b->f->layers, b->f->d_model);
}

static void build_hgrn2(ns_builder *b, ns_branch *branch)
{
    static const char *const matrices[][2] = {{"attn.q", "q_proj"}, {"attn.k", "f_proj"}, {"attn.v", "i_proj"}, {"attn.o", "o_proj"}};
    const ns_mixer_facts *const m = &b->f->mixer;
    const struct { const char *key; int64_t value; } sizes[] = {{"n_heads", m->heads}, {"n_kv_heads", m->heads},
                                                                {"head_dim", m->value_dim}, {"key_dim", m->key_dim}, {"rope", -1}};
    b->module = "attn.";
    for (int i = 0; i < 5; i++)
        ns_build_number(b, branch, sizes[i].key, (double)sizes[i].value);
    ns_build_number(b, branch, "scale", 1 / sqrt((double)m->key_dim));
    for (int i = 0; i < 4; i++)
        ns_build_matrix(b, branch, matrices[i][0], matrices[i][1]);
    ns_build_norm(b, branch, "attn.z_norm", "g_norm");
    ns_slot_norm(branch, &branch->class_->slots[ns_slot_find(branch->class_, "attn.z_norm")])->eps = 1e-5f;      /* in the code */
    build_bounds(b, branch);
    b->module = NULL;
}

static const ns_recurrent gla = NS_FLA_RECURRENT("recurrence", read_gla, build_gla),
                          simple = NS_FLA_RECURRENT("recurrence", read_simple, build_simple),
                          retnet = NS_FLA_RECURRENT("recurrence", read_retnet, build_retnet),
                          hgrn2 = NS_FLA_RECURRENT("hgrn2", read_hgrn2, build_hgrn2);
const ns_family ns_family_gla = {NS_FLA("gla", &gla, 24)};
const ns_family ns_family_simple_gla = {NS_FLA("simple_gla", &simple, 24)};
const ns_family ns_family_retnet = {NS_FLA("retnet", &retnet, 24)};
const ns_family ns_family_hgrn2 = {NS_FLA("hgrn2", &hgrn2, 24)};
