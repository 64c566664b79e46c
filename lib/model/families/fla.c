/* fla.c - the models of flash-linear-attention: one block, x += mixer(norm x); x += mlp(norm x), whose mixer is a linear recurrence but for
 * the layers that `attn` names, which have (sliding) softmax attention: gated_deltanet, delta_net, kda, gla, retnet and hgrn2.
 *
 * Sizes of softmax heads are those of `attn`, keys such as num_heads and head_dim of the recurrence. */
#include "model/families/family.h"
#include "math/math.h"
#include <math.h>
#include <string.h>

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embeddings.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "attn_norm", .ffn_in_norm = "mlp_norm",
    .q = "attn.q_proj", .k = "attn.k_proj", .v = "attn.v_proj", .o = "attn.o_proj",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
};
static const char *const harmless[] = {"attn_mode", "fuse_*", "use_l2warp", "use_gk", "use_gv", "use_output_norm", "norm_first", NULL};

/* ---- the softmax layers ---- */

typedef struct attention { int64_t heads, kv_heads; double theta; bool bias; } attention;

static int read_layers(ns_facts *f, const cJSON *spec, const char *label, int64_t window, ns_error *err)
{
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(spec, "layers");
    if (!cJSON_IsArray(list))
        return ns_fail(err, NS_E_FORMAT, "%s: layers must be a list of layers", label);
    for (const cJSON *v = list->child; v; v = v->next) {
        const double at = cJSON_IsNumber(v) ? v->valuedouble : -1;
        if (!(at >= 0 && at < (double)f->layers) || at != (double)(int64_t)at || !f->recurrent[(int64_t)at])
            return ns_fail(err, NS_E_FORMAT, "%s: layers names a layer twice, or one that is none of 0 to %lld", label,
                           (long long)f->layers - 1);
        f->recurrent[(int64_t)at] = 0;
        f->window[(int64_t)at] = window;
    }
    return NS_OK;
}

/* One object of `attn`. */
static int read_spec(ns_facts *f, const cJSON *spec, const char *label, attention *a, ns_error *err)
{
    int64_t window;
    int rc;
    if (!cJSON_IsObject(spec))
        return ns_fail(err, NS_E_FORMAT, "%s must be an object, a list of objects or null", label);
    if ((rc = ns_json_i64(spec, "num_heads", 0, &a->heads, label, err)) != NS_OK ||
        (rc = ns_json_i64(spec, "num_kv_heads", a->heads, &a->kv_heads, label, err)) != NS_OK ||
        (rc = ns_json_i64(spec, "window_size", 0, &window, label, err)) != NS_OK ||
        (rc = ns_json_f64(spec, "rope_theta", 1e4, &a->theta, label, err)) != NS_OK ||
        (rc = ns_json_bool(spec, "qkv_bias", false, &a->bias, label, err)) != NS_OK)
        return rc;
    if (a->heads < 1 || a->kv_heads < 1 || a->heads > f->d_model || f->d_model % a->heads || a->heads % a->kv_heads)
        return ns_fail(err, NS_E_FORMAT, "%s: num_heads %lld do not divide hidden_size %lld, or are not a multiple of num_kv_heads %lld",
                       label, (long long)a->heads, (long long)f->d_model, (long long)a->kv_heads);
    if (window < 0 || window > NS_MAX_DIM || (window == 0 && cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(spec, "window_size"))))
        return ns_fail(err, NS_E_FORMAT, "%s: window_size is %lld: give the number of keys a row sees, or null", label, (long long)window);
    if (!(a->theta > 1 && a->theta < 1e30) || f->d_model / a->heads % 2)
        return ns_fail(err, NS_E_FORMAT, "%s: rope_theta %g must be above 1, and a head as wide as an even number", label, a->theta);
    return read_layers(f, spec, label, window, err);
}

static bool same(const attention *a, const attention *b)
{
    return a->heads == b->heads && a->kv_heads == b->kv_heads && a->theta == b->theta && a->bias == b->bias;
}

static int read_attention(ns_facts *f, ns_config *c, attention *out, ns_error *err)
{
    const cJSON *const attn = ns_config_get(c, "attn");
    char label[640];
    snprintf(label, sizeof label, "%.500s: attn", c->label);
    if (!attn || cJSON_IsNull(attn))
        return NS_OK;
    const bool several = cJSON_IsArray(attn);
    int rc = NS_OK;
    for (const cJSON *spec = several ? attn->child : attn; spec && rc == NS_OK; spec = several ? spec->next : NULL) {
        attention a = {0};
        rc = read_spec(f, spec, label, &a, err);
        if (rc == NS_OK && out->heads && !same(&a, out))
            rc = ns_fail(err, NS_E_UNSUPPORTED, "%s: its layers have several sizes of heads, thetas or biases: describe the model with "
                         "--arch", label);
        *out = a;
    }
    return rc;
}

/* The rope of the softmax layers, and the one of recurrent layers that rotate keys `own` wide; 0: they do not. */
static int build_ropes(ns_facts *f, const attention *a, int64_t own, ns_error *err)
{
    f->ropes = ns_alloc_array(2, sizeof *f->ropes);
    if (!f->ropes)
        return ns_oom(err, "the rope sets");
    if (a->heads)
        f->ropes[f->n_ropes++] = (ns_rope){.theta = a->theta, .rotary_dim = f->d_model / a->heads, .truncate = true};
    f->mixer.rope = own ? f->n_ropes : -1;
    if (own)
        f->ropes[f->n_ropes++] = (ns_rope){.theta = 1e4, .rotary_dim = own, .truncate = true};
    for (int64_t i = 0; i < f->layers; i++)
        f->rope[i] = f->recurrent[i] ? -1 : 0;
    return NS_OK;
}

/* ---- what all configs share ---- */

/* 2/3 ratio d_model, rounded up to a multiple of 256, where intermediate_size is null. */
static int read_width(ns_facts *f, ns_config *c, int64_t otherwise, ns_error *err)
{
    const cJSON *const given = ns_config_get(c, "intermediate_size");
    int64_t ratio;
    const int rc = ns_config_i64(c, "hidden_ratio", otherwise, 1, 1024, &ratio, err);
    if (rc == NS_OK && (!given || cJSON_IsNull(given)))
        f->d_ff = (f->d_model * ratio * 2 / 3 + 255) / 256 * 256;
    return rc;
}

/* What these models can have, and no class of ours. */
static int refuse_others(const ns_config *c, ns_error *err)
{
    static const struct { const char *key, *usual; } keys[] = {
        {"attnres_block_size", NULL}, {"feature_map", NULL}, {"lower_bound", NULL}, {"qk_norm", "l2"}, {"qk_activation", "silu"},
    };
    static const struct { const char *key; bool usual; } switches[] = {{"elementwise_affine", true}, {"safe_gate", false}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const cJSON *const v = ns_config_get((ns_config *)c, keys[i].key);
        if (v && !cJSON_IsNull(v) && !(keys[i].usual && cJSON_IsString(v) && strcmp(v->valuestring, keys[i].usual) == 0))
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s is not supported but for %s", c->label, keys[i].key,
                           keys[i].usual ? keys[i].usual : "null");
    }
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        const cJSON *const v = ns_config_get((ns_config *)c, switches[i].key);
        if (v && !cJSON_IsNull(v) && cJSON_IsTrue(v) != switches[i].usual)
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s %s is not supported", c->label, switches[i].key,
                           switches[i].usual ? "false" : "true");
    }
    return NS_OK;
}

/* base x the number of the key, which must be whole. */
static int expand(ns_config *c, const char *key, double otherwise, int64_t base, int64_t *out, ns_error *err)
{
    double factor;
    const int rc = ns_config_f64(c, key, otherwise, 1e-6, 1e6, &factor, err);
    if (rc != NS_OK)
        return rc;
    *out = (int64_t)(factor * (double)base + 0.5);
    if (fabs(factor * (double)base - (double)*out) > 1e-5 * (double)base || *out < 1 || *out > NS_MAX_DIM)
        return ns_fail(err, NS_E_FORMAT, "%s: %s %g times %lld is no whole number", c->label, key, factor, (long long)base);
    return NS_OK;
}

static int read_common(ns_facts *f, ns_config *c, int64_t heads, int64_t ratio, bool conv, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int rc;
    if ((rc = refuse_others(c, err)) != NS_OK || (rc = read_width(f, c, ratio, err)) != NS_OK ||
        (rc = ns_config_i64(c, "num_heads", heads, 1, 65536, &m->heads, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_short_conv", conv, &conv, err)) != NS_OK ||
        (rc = ns_config_i64(c, "conv_size", 4, 1, 1024, &m->taps, err)) != NS_OK ||
        (rc = ns_config_bool(c, "allow_neg_eigval", false, &m->negative, err)) != NS_OK)
        return rc;
    m->taps = conv ? m->taps : 0;
    m->groups = m->heads;
    for (int64_t i = 0; i < f->layers; i++)
        f->recurrent[i] = 1;
    return NS_OK;
}

/* Softmax layers and ropes; keys `own` wide rotate. */
static int finish(ns_facts *f, ns_config *c, int64_t own, ns_error *err)
{
    attention a = {0};
    const int rc = read_attention(f, c, &a, err);
    if (rc != NS_OK)
        return rc;
    f->heads = a.heads ? a.heads : 1;
    f->kv_heads = a.heads ? a.kv_heads : 1;
    f->head_dim = f->d_model / f->heads;
    f->scale = 1 / sqrt((double)f->head_dim);
    f->attn_bias = a.bias;
    return build_ropes(f, &a, own, err);
}

/* ---- gated_deltanet, delta_net, kda ---- */

/* Heads of values may be several for one of q and k; widths by head_dim. */
static int read_head_dim(ns_facts *f, ns_config *c, int64_t dim, double expand_v, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int rc;
    if ((rc = ns_config_i64(c, "head_dim", dim, 1, 65536, &m->key_dim, err)) != NS_OK ||
        (rc = expand(c, "expand_v", expand_v, m->key_dim, &m->value_dim, err)) != NS_OK ||
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
    if ((rc = read_common(f, c, 6, 4, true, err)) != NS_OK || (rc = read_head_dim(f, c, 256, 2, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_gate", true, &m->gate, err)) != NS_OK ||
        (rc = ns_config_str(c, "output_gate_activation", "swish", &act, err)) != NS_OK)
        return rc;
    if (!ns_word_find(acts, act, &sigmoid))
        return ns_fail(err, NS_E_FORMAT, "%s: output_gate_activation '%.40s' is none of swish, silu and sigmoid", c->label, act);
    m->sigmoid = sigmoid;
    return finish(f, c, 0, err);
}

static int read_widths(ns_facts *f, ns_config *c, double expand_k, double expand_v, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int rc;
    if ((rc = expand(c, "expand_k", expand_k, f->d_model, &m->key_dim, err)) != NS_OK ||
        (rc = expand(c, "expand_v", expand_v, f->d_model, &m->value_dim, err)) != NS_OK)
        return rc;
    if (m->key_dim % m->heads || m->value_dim % m->heads)
        return ns_fail(err, NS_E_FORMAT, "%s: keys of %lld and values of %lld numbers do not divide into num_heads %lld", c->label,
                       (long long)m->key_dim, (long long)m->value_dim, (long long)m->heads);
    m->key_dim /= m->heads;
    m->value_dim /= m->heads;
    return NS_OK;
}

static int read_delta(ns_facts *f, ns_config *c, ns_error *err)
{
    int rc;
    if ((rc = read_common(f, c, 16, 4, true, err)) != NS_OK || (rc = read_widths(f, c, 1, 1, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_gate", false, &f->mixer.gate, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_beta", true, &f->mixer.beta, err)) != NS_OK)
        return rc;
    if (!f->mixer.beta && f->mixer.negative)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: allow_neg_eigval without use_beta, a beta of 2 everywhere, is not supported", c->label);
    return finish(f, c, 0, err);
}

static int read_kda(ns_facts *f, ns_config *c, ns_error *err)
{
    int rc;
    if ((rc = read_common(f, c, 16, 4, true, err)) != NS_OK || (rc = read_head_dim(f, c, 128, 1, err)) != NS_OK)
        return rc;
    return finish(f, c, 0, err);
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

/* ---- gla, retnet ---- */

/* num_kv_heads of a recurrence; retnet's decays are no product, so that heads may share keys and values. */
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
    if ((rc = read_common(f, c, 4, 4, false, err)) != NS_OK || (rc = read_widths(f, c, 0.5, 1, err)) != NS_OK ||
        (rc = read_additive(f, c, err)) != NS_OK ||
        (cJSON_IsNumber(ns_config_get(c, "clamp_min")) && (rc = ns_config_f64(c, "clamp_min", 0, -1e6, -1e-6, &least, err)) != NS_OK))
        return rc;
    if (m->groups != m->heads)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: num_kv_heads %lld: heads of gla that share a decay are not supported", c->label,
                       (long long)m->groups);
    m->step_max = least < 0 ? -16 * least : 0;
    return finish(f, c, 0, err);
}

/* Its class has no convolution, whatever use_short_conv says. */
static int read_retnet(ns_facts *f, ns_config *c, ns_error *err)
{
    int rc;
    if ((rc = read_common(f, c, 8, 2, false, err)) != NS_OK || (rc = read_widths(f, c, 1, 2, err)) != NS_OK ||
        (rc = read_additive(f, c, err)) != NS_OK)
        return rc;
    f->mixer.taps = 0;
    return f->mixer.key_dim % 2 == 0 ? finish(f, c, f->mixer.key_dim, err)
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

/* Head h decays by 1 - 2^(-5 - h)   (arXiv 2307.08621). */
static void build_retnet(ns_builder *b, ns_branch *branch)
{
    build_additive(b, branch);
    b->module = NULL;
    ns_build_number(b, branch, "rope", b->f->mixer.rope);
    ns_build_word(b, branch, "decay", "slope");
    double *const slope = ns_build_list(b, branch, "slope");
    for (int64_t h = 0; slope && h < b->f->mixer.heads; h++)
        slope[h] = -ns_log(1 - ns_pow(2, -5 - (double)h));
}

/* ---- hgrn2 ---- */

/* expand_ratio, the gates of a head, says how many heads there are; num_heads where it is null. */
static int read_hgrn2(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    const cJSON *const ratio = ns_config_get(c, "expand_ratio");
    const bool by_heads = ratio && cJSON_IsNull(ratio);
    bool bounds;
    int rc;
    if ((rc = ns_config_bool(c, "use_lower_bound", true, &bounds, err)) != NS_OK)
        return rc;
    if (bounds)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: use_lower_bound: the class hgrn2 has no lower bounds of forget gates (give false for a "
                       "model without them)", c->label);
    if ((rc = read_common(f, c, 1, 4, false, err)) != NS_OK ||
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
    return finish(f, c, 0, err);
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
    b->module = NULL;
}

/* ---- the rows ---- */

#define RECURRENT(read_it, build_it) {.type = "recurrent", .mixer = "recurrence", .read = read_it, .build = build_it}
static const ns_recurrent gated = RECURRENT(read_gated, build_gated), delta = RECURRENT(read_delta, build_delta),
                          kda = RECURRENT(read_kda, build_kda), gla = RECURRENT(read_gla, build_gla),
                          retnet = RECURRENT(read_retnet, build_retnet);

#define FLA(name, mixer, n_layers)                                                                                                     \
    .type = name, .names = &names, .keys = {.eps = "norm_eps"},                                                                        \
    .defaults = {.vocab = 32000, .d_model = 2048, .layers = n_layers, .heads = 1, .positions = 2048, .eps = 1e-6, .act = "swish"},      \
    .norm = NS_NORM_RMS, .rope = NS_ROPES_NONE, .recurrent = mixer, .harmless = harmless

const ns_family ns_family_gated_deltanet = {FLA("gated_deltanet", &gated, 21)};
const ns_family ns_family_delta_net = {FLA("delta_net", &delta, 24)};
const ns_family ns_family_kda = {FLA("kda", &kda, 24)};
const ns_family ns_family_gla = {FLA("gla", &gla, 24)};
const ns_family ns_family_retnet = {FLA("retnet", &retnet, 24)};
static const ns_recurrent hgrn2 = {.type = "recurrent", .mixer = "hgrn2", .read = read_hgrn2, .build = build_hgrn2};
const ns_family ns_family_hgrn2 = {FLA("hgrn2", &hgrn2, 24)};
