/* fla_delta.c - gated_deltanet, delta_net and kda: states that are written to by the delta rule. */
#include "model/families/fla.h"

/* Heads of values may be several for one of q and k; widths by head_dim. */
static int read_head_dim(ns_facts *f, ns_config *c, int64_t dim, double expand_v, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int rc;
    if ((rc = ns_config_i64(c, "head_dim", dim, 1, 65536, &m->key_dim, err)) != NS_OK ||
        (rc = ns_fla_expand(c, "expand_v", expand_v, m->key_dim, &m->value_dim, err)) != NS_OK ||
        (rc = ns_config_i64(c, "num_v_heads", m->groups, 1, 65536, &m->heads, err)) != NS_OK)
        return rc;
    return m->heads % m->groups == 0 ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: num_v_heads %lld are not a multiple of num_heads %lld",
                                                       c->label, (long long)m->heads, (long long)m->groups);
}

static int read_gated(ns_facts *f, ns_config *c, ns_error *err)
{
    static const ns_word acts[] = {{"swish", 0}, {"silu", 0}, {"sigmoid", 1}, {NULL, 0}};
    ns_mixer_facts *const m = &f->mixer;
    const char *act;
    int rc, sigmoid = 0;
    if ((rc = ns_fla_read(f, c, 6, 4, true, err)) != NS_OK || (rc = read_head_dim(f, c, 256, 2, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_gate", true, &m->gate, err)) != NS_OK ||
        (rc = ns_config_str(c, "output_gate_activation", "swish", &act, err)) != NS_OK)
        return rc;
    if (!ns_word_find(acts, act, &sigmoid))
        return ns_fail(err, NS_E_FORMAT, "%s: output_gate_activation '%.40s' is none of swish, silu and sigmoid", c->label, act);
    m->sigmoid = sigmoid;
    return ns_fla_finish(f, c, 0, err);
}

static int read_delta(ns_facts *f, ns_config *c, ns_error *err)
{
    int rc;
    if ((rc = ns_fla_read(f, c, 16, 4, true, err)) != NS_OK || (rc = ns_fla_widths(f, c, 1, 1, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_gate", false, &f->mixer.gate, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_beta", true, &f->mixer.beta, err)) != NS_OK)
        return rc;
    if (!f->mixer.beta && f->mixer.negative)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: allow_neg_eigval without use_beta, a beta of 2 everywhere, is not supported", c->label);
    return ns_fla_finish(f, c, 0, err);
}

static int read_kda(ns_facts *f, ns_config *c, ns_error *err)
{
    int rc;
    if ((rc = ns_fla_read(f, c, 16, 4, true, err)) != NS_OK || (rc = read_head_dim(f, c, 128, 1, err)) != NS_OK)
        return rc;
    return ns_fla_finish(f, c, 0, err);
}

#define DELTA \
    .module = "attn.", .q = "q_proj", .k = "k_proj", .v = "v_proj", .o = "o_proj", .norm = "o_norm", .write = "b_proj"

static void name_taps(const ns_builder *b, ns_delta_names *in)
{
    if (!b->f->mixer.taps)
        return;
    in->q_conv = "q_conv1d.weight";
    in->k_conv = "k_conv1d.weight";
    in->v_conv = "v_conv1d.weight";
}

static void build_gated(ns_builder *b, ns_branch *branch)
{
    ns_delta_names in = {DELTA, .z = b->f->mixer.gate ? "g_proj" : NULL, .step = "a_proj", .step_bias = "dt_bias", .rate = "A_log"};
    name_taps(b, &in);
    ns_build_gated_deltanet(b, branch, &in);
    if (b->f->mixer.sigmoid)
        ns_build_word(b, branch, "gate_act", "sigmoid");
}

static void build_delta(ns_builder *b, ns_branch *branch)
{
    ns_delta_names in = {DELTA, .z = b->f->mixer.gate ? "g_proj" : NULL};
    in.write = b->f->mixer.beta ? in.write : NULL;
    name_taps(b, &in);
    ns_build_gated_deltanet(b, branch, &in);
}

/* Decay and gate in two thin products each, as wide between them as a value. */
static void build_kda(ns_builder *b, ns_branch *branch)
{
    ns_delta_names in = {DELTA};
    name_taps(b, &in);
    ns_build_gated_deltanet(b, branch, &in);
    ns_build_word(b, branch, "decay", "softplus");
    ns_build_word(b, branch, "decay_of", "key_channel");
    ns_build_word(b, branch, "gate_act", "sigmoid");
    ns_build_number(b, branch, "step_rank", (double)b->f->mixer.value_dim);
    ns_build_number(b, branch, "gate_rank", (double)b->f->mixer.value_dim);
    ns_build_matrix(b, branch, "attn.step_in", "attn.f_proj.0");
    ns_build_matrix(b, branch, "attn.step_out", "attn.f_proj.1");
    ns_build_matrix(b, branch, "attn.gate_in", "attn.g_proj.0");
    ns_build_matrix(b, branch, "attn.gate_out", "attn.g_proj.1");
    ns_build_bias_of(b, branch, "attn.gate_out", "attn.g_proj.1");
    ns_build_tensor(b, branch, "attn.step_bias", "attn.dt_bias");
    ns_build_tensor(b, branch, "attn.rate", "attn.A_log");
}

static const ns_recurrent gated = NS_FLA_RECURRENT("recurrence", read_gated, build_gated),
                          delta = NS_FLA_RECURRENT("recurrence", read_delta, build_delta),
                          kda = NS_FLA_RECURRENT("recurrence", read_kda, build_kda);
const ns_family ns_family_gated_deltanet = {NS_FLA("gated_deltanet", &gated, 21)};
const ns_family ns_family_delta_net = {NS_FLA("delta_net", &delta, 24)};
const ns_family ns_family_kda = {NS_FLA("kda", &kda, 24)};
