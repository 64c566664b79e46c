/* fla_config.c - what the configs of flash-linear-attention's models share: softmax layers by `attn`, widths, keys that no class of ours
 * has. Sizes of softmax heads are those of `attn`, keys such as num_heads and head_dim of the recurrence. */
#include "model/families/fla.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

const ns_names ns_fla_names = {
    .prefixes = {"model.", ""}, .embed = "embeddings.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "attn_norm", .ffn_in_norm = "mlp_norm",
    .q = "attn.q_proj", .k = "attn.k_proj", .v = "attn.v_proj", .o = "attn.o_proj",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
};
const char *const ns_fla_harmless[] = {"attn_mode", "fuse_*", "use_l2warp", "use_gk", "use_gv", "use_output_norm", "norm_first", NULL};

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

static void warn_unread(const ns_config *c, const cJSON *spec)
{
    static const char *const read[] = {"layers", "num_heads", "num_kv_heads", "window_size", "rope_theta", "qkv_bias"};
    for (const cJSON *item = spec->child; item; item = item->next) {
        size_t i = 0;
        while (i < sizeof read / sizeof *read && strcmp(read[i], item->string) != 0)
            i++;
        if (i == sizeof read / sizeof *read)
            ns_config_warn(c, "unknown key '%.80s' of attn is not looked at", item->string);
    }
}

/* One object of `attn`. */
static int read_spec(ns_facts *f, const ns_config *c, const cJSON *spec, const char *label, attention *a, ns_error *err)
{
    int64_t window;
    int rc;
    if (!cJSON_IsObject(spec))
        return ns_fail(err, NS_E_FORMAT, "%s must be an object, a list of objects or null", label);
    warn_unread(c, spec);
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
    ns_line(label, sizeof label, "%s: attn", c->label);
    if (!attn || cJSON_IsNull(attn))
        return NS_OK;
    const bool several = cJSON_IsArray(attn);
    int rc = NS_OK;
    for (const cJSON *spec = several ? attn->child : attn; spec && rc == NS_OK; spec = several ? spec->next : NULL) {
        attention a = {0};
        rc = read_spec(f, c, spec, label, &a, err);
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

int ns_fla_expand(ns_config *c, const char *key, double otherwise, int64_t base, int64_t *out, ns_error *err)
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

int ns_fla_read(ns_facts *f, ns_config *c, int64_t heads, int64_t ratio, bool conv, ns_error *err)
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

int ns_fla_finish(ns_facts *f, ns_config *c, int64_t own, ns_error *err)
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

int ns_fla_widths(ns_facts *f, ns_config *c, double expand_k, double expand_v, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int rc;
    if ((rc = ns_fla_expand(c, "expand_k", expand_k, f->d_model, &m->key_dim, err)) != NS_OK ||
        (rc = ns_fla_expand(c, "expand_v", expand_v, f->d_model, &m->value_dim, err)) != NS_OK)
        return rc;
    if (m->key_dim % m->heads || m->value_dim % m->heads)
        return ns_fail(err, NS_E_FORMAT, "%s: keys of %lld and values of %lld numbers do not divide into num_heads %lld", c->label,
                       (long long)m->key_dim, (long long)m->value_dim, (long long)m->heads);
    m->key_dim /= m->heads;
    m->value_dim /= m->heads;
    return NS_OK;
}
