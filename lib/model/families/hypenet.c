/* hypenet.c - HypeNet (arXiv 2601.22156) and MiniCPM-SALA: softmax attention without rope and with a gate of its output, in a few layers;
 * in the others Lightning attention with rope, a norm of q and k, keys that heads may share, and decays that are the same in every layer.
 * HypeNet may have Gated DeltaNet there, whose heads share keys and values, too; its code names KDA, GLA, RWKV-7 and Mamba-2, and has none.
 *
 * MiniCPM-SALA chooses blocks of keys from sparse_config.dense_len positions on; what is computed here is attention to all of them, so that
 * it reads no further (max_positions). */
#include "model/families/family.h"
#include "math/math.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAMES(q_norm_name, k_norm_name)                                                                                                \
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",   \
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",                                                      \
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj", .z_gate = "self_attn.o_gate",  \
    .q_norm = q_norm_name, .k_norm = k_norm_name, .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj"
static const ns_names names_hypenet = {NAMES("self_attn.q_norm", "self_attn.k_norm")};
static const ns_names names_sala = {NAMES(NULL, NULL)};

/* How each spells what it switches, what is so where it does not say, and what it calls a softmax layer. */
typedef struct spelling { const char *qk_norm, *gate, *norm, *softmax, *delta; bool on, attn_rope; } spelling;
static const spelling of_hypenet = {"lightning_use_qk_norm", "lightning_use_output_gate", "lightning_use_output_norm", "attn", "gdn", false,
                                    true};
static const spelling of_sala = {"qk_norm", "use_output_gate", "use_output_norm", "minicpm4", NULL, true, false};
static const char *const hypenet_harmless[] = {
    "expand_kv_proj", "loss_fn", "fused_ce_loss", "shift_labels", "rand_init", "lightning_rope_scaling", "lightning_conv_size",
    "gdn_expand_v", "gdn_attn_mode", "gdn_fuse_cross_entropy", "mamba2_*", "kda_*", "max_window_layers", NULL,
};
static const char *const sala_harmless[] = {"mup_denominator", "rand_init", NULL};

/* ---- the config ---- */
enum { LIGHTNING = 1, DELTA };                             /* kinds of recurrent layers */

static int read_layers(ns_facts *f, ns_config *c, const spelling *s, ns_error *err)
{
    const cJSON *const types = ns_config_get(c, "mixer_types");
    if (!types || cJSON_IsNull(types) || (cJSON_IsArray(types) && !types->child))
        return NS_OK;                                      /* every layer has softmax attention */
    if (!cJSON_IsArray(types) || cJSON_GetArraySize(types) != f->layers)
        return ns_fail(err, NS_E_FORMAT, "%s: mixer_types must be a list of %lld names, one a layer", c->label, (long long)f->layers);
    int64_t i = 0;
    for (const cJSON *t = types->child; t; t = t->next, i++) {
        const char *name;
        const int rc = ns_config_name_at(c, "mixer_types", t, i, &name, err);
        if (rc != NS_OK)
            return rc;
        const bool lightning = strcmp(name, "lightning-attn") == 0 || strcmp(name, "lightning_attn") == 0;
        f->recurrent[i] = lightning ? LIGHTNING : s->delta && strcmp(name, s->delta) == 0 ? DELTA : 0;
        if (!f->recurrent[i] && strcmp(name, s->softmax) != 0)
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: mixer_types[%lld] '%.40s' is not supported (%s%s%s and lightning-attn are)",
                           c->label, (long long)i, name, s->softmax, s->delta ? ", " : "", s->delta ? s->delta : "");
    }
    return NS_OK;
}

static bool has(const ns_facts *f, int kind)
{
    bool any = false;
    for (int64_t i = 0; i < f->layers; i++)
        any |= f->recurrent[i] == kind;
    return any;
}

/* "1/sqrt(d)", "1/d"; any other word: 1. */
static int read_scale(ns_mixer_facts *m, ns_config *c, ns_error *err)
{
    const char *word;
    const int rc = ns_config_str(c, "lightning_scale", "1/sqrt(d)", &word, err);
    if (rc == NS_OK)
        m->scale = strcmp(word, "1/sqrt(d)") == 0 ? 1 / sqrt((double)m->key_dim) : strcmp(word, "1/d") == 0 ? 1 / (double)m->key_dim : 1;
    return rc;
}

static int check_groups(const ns_mixer_facts *m, const ns_config *c, const char *heads, const char *groups, ns_error *err)
{
    return m->heads % m->groups == 0 ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: %s %lld is not a multiple of %s %lld", c->label, heads,
                                                       (long long)m->heads, groups, (long long)m->groups);
}

/* Gated DeltaNet. Its code does not read gdn_expand_v; its convolutions are as wide as one head, and do not run. */
static int read_delta(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    const char *act;
    bool rope, conv;
    int rc;
    if (has(f, LIGHTNING))
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: mixer_types: gdn and lightning-attn in one model are not supported", c->label);
    if ((rc = ns_config_i64(c, "gdn_nh", f->heads, 1, 65536, &m->heads, err)) != NS_OK ||
        (rc = ns_config_i64(c, "gdn_nkv", f->kv_heads, 1, 65536, &m->groups, err)) != NS_OK ||
        (rc = check_groups(m, c, "gdn_nh", "gdn_nkv", err)) != NS_OK ||
        (rc = ns_config_bool(c, "gdn_use_gate", false, &m->gate, err)) != NS_OK ||
        (rc = ns_config_bool(c, "gdn_use_qk_norm", false, &m->qk_norm, err)) != NS_OK ||
        (rc = ns_config_bool(c, "gdn_use_rope", false, &rope, err)) != NS_OK ||
        (rc = ns_config_bool(c, "gdn_use_short_conv", false, &conv, err)) != NS_OK ||
        (rc = ns_config_str(c, "gdn_activation", NULL, &act, err)) != NS_OK)
        return rc;
    if (conv || m->qk_norm)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s is not supported", c->label, conv ? "gdn_use_short_conv" : "gdn_use_qk_norm");
    m->key_dim = m->value_dim = f->head_dim;
    m->silu = act != NULL;                                 /* whichever it names */
    m->rope = rope ? 0 : -1;
    return NS_OK;
}

static int read_lightning(ns_facts *f, ns_config *c, const spelling *s, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    bool rope, conv, norm;
    int rc;
    if ((rc = ns_config_i64(c, "lightning_nh", f->heads, 1, 65536, &m->heads, err)) != NS_OK ||
        (rc = ns_config_i64(c, "lightning_nkv", f->kv_heads, 1, 65536, &m->groups, err)) != NS_OK ||
        (rc = ns_config_i64(c, "lightning_head_dim", f->head_dim, 1, 65536, &m->key_dim, err)) != NS_OK ||
        (rc = ns_config_bool(c, s->qk_norm, s->on, &m->qk_norm, err)) != NS_OK ||
        (rc = ns_config_bool(c, s->gate, s->on, &m->gate, err)) != NS_OK ||
        (rc = ns_config_bool(c, s->norm, s->on, &norm, err)) != NS_OK ||
        (rc = ns_config_bool(c, "lightning_use_rope", true, &rope, err)) != NS_OK ||
        (rc = ns_config_bool(c, "lightning_use_short_conv", false, &conv, err)) != NS_OK || (rc = read_scale(m, c, err)) != NS_OK)
        return rc;
    m->value_dim = m->key_dim;
    m->rope = rope ? 0 : -1;
    m->no_norm = !norm;
    if (conv)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: lightning_use_short_conv is not supported", c->label);
    if ((rc = check_groups(m, c, "lightning_nh", "lightning_nkv", err)) != NS_OK)
        return rc;
    if (rope && m->key_dim != f->head_dim)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: lightning_head_dim %lld rotates like head_dim %lld: they must be equal", c->label,
                       (long long)m->key_dim, (long long)f->head_dim);
    return NS_OK;
}

/* attn_logits_scaling: q times a number, or "log a": times ln(position + a) / ln a. */
static int read_growth(ns_facts *f, ns_config *c, ns_error *err)
{
    const cJSON *const v = ns_config_get(c, "attn_logits_scaling");
    if (!v || cJSON_IsNull(v))
        return NS_OK;
    double factor = 1;
    if (cJSON_IsNumber(v)) {
        const int rc = ns_config_f64(c, "attn_logits_scaling", 1, -1e6, 1e6, &factor, err);
        f->scale *= factor;
        return rc;
    }
    const char *const text = cJSON_IsString(v) ? v->valuestring : "";
    const char *const number = text + strcspn(text, " ");
    char *end = NULL;
    const double base = *number ? strtod(number, &end) : 362;
    if (!*text || (end && *end) || !(base >= 2 && base <= NS_MAX_DIM) || base != floor(base))
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: attn_logits_scaling must be null, a number or 'log A', A a whole number from 2 on",
                       c->label);
    f->temper = (ns_temper){.kind = NS_TEMPER_LOG, .length = (int64_t)base};
    return NS_OK;
}

static int read_as(ns_facts *f, ns_config *c, const spelling *s, ns_error *err)
{
    bool rope;
    int rc;
    if ((rc = read_layers(f, c, s, err)) != NS_OK ||
        (rc = has(f, DELTA) ? read_delta(f, c, err) : read_lightning(f, c, s, err)) != NS_OK ||
        (rc = ns_config_bool(c, "attn_use_rope", s->attn_rope, &rope, err)) != NS_OK ||
        (rc = ns_config_bool(c, "attn_use_output_gate", s->on, &f->attn_gate, err)) != NS_OK || (rc = read_growth(f, c, err)) != NS_OK)
        return rc;
    for (int64_t i = 0; i < f->layers; i++)
        f->rope[i] = rope && !f->recurrent[i] ? 0 : -1;
    return NS_OK;
}

static int read_hypenet(ns_facts *f, ns_config *c, ns_error *err)
{
    return read_as(f, c, &of_hypenet, err);
}

/* Prompts shorter than sparse_config.dense_len are attended to whole. */
static int read_sparse(ns_facts *f, ns_config *c, ns_error *err)
{
    const cJSON *const sparse = ns_config_get(c, "sparse_config");
    int64_t dense;
    if (!sparse || cJSON_IsNull(sparse))
        return NS_OK;
    if (!cJSON_IsObject(sparse))
        return ns_fail(err, NS_E_FORMAT, "%s: sparse_config must be an object or null", c->label);
    const int rc = ns_json_i64(sparse, "dense_len", 8192, &dense, c->label, err);
    if (rc != NS_OK)
        return rc;
    if (dense < 2)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: sparse_config: dense_len is %lld, so that every prompt attends to chosen blocks of "
                       "keys: there is no class of branches for that (null: to all keys)", c->label, (long long)dense);
    f->longest = dense - 1;
    if (f->longest < f->positions)
        ns_config_warn(c, "sparse_config: prompts of dense_len, %lld, or more attend to chosen blocks of keys, which is not supported: "
                       "those of up to %lld are read (null: all, with attention to all keys)", (long long)dense, (long long)f->longest);
    return NS_OK;
}

static int read_sala(ns_facts *f, ns_config *c, ns_error *err)
{
    const int rc = read_sparse(f, c, err);
    return rc != NS_OK ? rc : read_as(f, c, &of_sala, err);
}

/* ---- the layers ---- */

/* Head h of n by the rule of ALiBi: 2^(-8 (h + 1) / n), n a power of 2; of another n the heads beyond the power below it take every other
 * slope of the power above. */
static double slope_of(int64_t h, int64_t n)
{
    int64_t power = 1;
    while (2 * power <= n)
        power *= 2;
    return h < power ? ns_pow(2, -8.0 * (double)(h + 1) / (double)power) : ns_pow(2, -4.0 * (double)(2 * (h - power) + 1) / (double)power);
}

static void build_bias(ns_builder *b, ns_branch *branch, const char *role, const char *name)
{
    if (b->f->attn_bias)
        ns_build_bias_of(b, branch, role, name);
}

static void build_delta(ns_builder *b, ns_branch *branch)
{
    static const char *const matrices[][2] = {{"attn.q", "q_proj"}, {"attn.k", "k_proj"}, {"attn.v", "v_proj"}, {"attn.o", "o_proj"},
                                              {"attn.write", "b_proj"}, {"attn.step", "a_proj"}, {"attn.z_gate", "g_proj"}};
    const ns_mixer_facts *const m = &b->f->mixer;
    ns_attn *const a = branch->params;
    b->module = "self_attn.";
    ns_build_recurrence(b, branch, 1 / sqrt((double)m->key_dim));
    ns_build_number(b, branch, "n_kv_heads", (double)m->groups);
    ns_build_number(b, branch, "rope", m->rope);
    ns_build_word(b, branch, "qkv_act", m->silu ? "silu" : "none");
    ns_build_word(b, branch, "rule", "delta");
    ns_build_word(b, branch, "decay", "softplus");
    ns_build_word(b, branch, "beta", "twice_sigmoid");
    ns_build_word(b, branch, "z_norm_of", "head");
    for (int i = 0; i < 6 + m->gate; i++)
        ns_build_matrix(b, branch, matrices[i][0], matrices[i][1]);
    ns_build_tensor(b, branch, "attn.step_bias", "dt_bias");
    ns_build_tensor(b, branch, "attn.rate", "A_log");
    a->qk_norm = NS_QK_PER_HEAD;
    a->q_norm = a->k_norm = (ns_norm){.type = NS_NORM_L2, .eps = 1e-6f};
    ns_build_norm(b, branch, "attn.z_norm", "o_norm")->eps = 1e-5f;      /* in the code */
    b->module = NULL;
}

static void build_lightning(ns_builder *b, ns_branch *branch)
{
    static const char *const matrices[][2] = {{"attn.q", "q_proj"}, {"attn.k", "k_proj"}, {"attn.v", "v_proj"}, {"attn.o", "o_proj"},
                                              {"attn.z_gate", "z_proj"}};
    const ns_mixer_facts *const m = &b->f->mixer;
    ns_attn *const a = branch->params;
    b->module = "self_attn.";
    ns_build_recurrence(b, branch, m->scale);
    ns_build_number(b, branch, "n_kv_heads", (double)m->groups);
    ns_build_number(b, branch, "rope", m->rope);
    ns_build_word(b, branch, "qkv_act", "none");
    ns_build_word(b, branch, "gate_act", "sigmoid");
    ns_build_word(b, branch, "decay", "slope");
    double *const slope = ns_build_list(b, branch, "slope");
    for (int64_t h = 0; slope && h < m->heads; h++)
        slope[h] = slope_of(h, m->heads);
    for (int i = 0; i < 4 + m->gate; i++) {
        ns_build_matrix(b, branch, matrices[i][0], matrices[i][1]);
        build_bias(b, branch, matrices[i][0], matrices[i][1]);
    }
    a->qk_norm = m->qk_norm ? NS_QK_PER_HEAD : NS_QK_NONE;
    if (m->qk_norm) {
        ns_build_norm(b, branch, "attn.q_norm", "q_norm");
        ns_build_norm(b, branch, "attn.k_norm", "k_norm");
    }
    if (!m->no_norm)
        ns_build_norm(b, branch, "attn.z_norm", "o_norm");
    b->module = NULL;
}

#define MIXER(word, read_it, build_it) {.type = word, .mixer = "recurrence", .read = read_it, .build = build_it}
static const ns_recurrent hypenet[] = {[LIGHTNING - 1] = MIXER("lightning-attn", read_hypenet, build_lightning),
                                       [DELTA - 1] = MIXER("gdn", NULL, build_delta)};
static const ns_recurrent sala = MIXER("lightning-attn", read_sala, build_lightning);

const ns_family ns_family_hypenet = {
    .type = "hypenet", .names = &names_hypenet,
    .defaults = {.vocab = 151936, .d_model = 4096, .d_ff = 22016, .layers = 32, .heads = 32, .kv_heads = 32, .head_dim = 128,
                 .positions = 32768, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_RMS, .qk_norm = NS_QK_PER_HEAD, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_READ, .recurrent = hypenet,
    .harmless = hypenet_harmless,
};

/* The keys of its parent, MiniCPM, with values of their own where they are absent. */
const ns_family ns_family_minicpm_sala = {
    .type = "minicpm_sala", .names = &names_sala,
    .defaults = {.vocab = 73448, .d_model = 4096, .d_ff = 16384, .layers = 32, .heads = 32, .head_dim = 128,
                 .positions = 524288, .eps = 1e-6, .theta = 1e4, .scale_emb = 12, .scale_depth = 1.4, .dim_model_base = 256, .act = "silu"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_READ, .multipliers = NS_MULTIPLIERS_MINICPM, .recurrent = &sala,
    .harmless = sala_harmless,
};
