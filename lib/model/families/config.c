/* config.c - reads config.json into facts: sizes checked against each other, numbers and switches.
 *
 * An absent key has the default of the transformers config class (the family's row), which is not always "off". */
#include "model/families/family.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *spelled(const char *own, const char *usual)
{
    return own ? own : usual;
}

bool ns_config_open(ns_config *c, cJSON *object, const char *label, const ns_arch_params *params)
{
    *c = (ns_config){.object = object, .label = label, .params = params};
    c->used = ns_alloc_array((size_t)cJSON_GetArraySize(object), sizeof *c->used);
    return c->used != NULL;
}

void ns_config_close(ns_config *c)
{
    free(c->used);
    c->used = NULL;
}

cJSON *ns_config_get(ns_config *c, const char *key)
{
    size_t i = 0;
    for (cJSON *item = c->object->child; item; item = item->next, i++)
        if (strcmp(item->string, key) == 0) {
            c->used[i] = true;
            return item;
        }
    return NULL;
}

int ns_config_i64(ns_config *c, const char *key, int64_t otherwise, int64_t low, int64_t high, int64_t *out, ns_error *err)
{
    ns_config_get(c, key);
    int64_t said;
    int rc = ns_json_i64(c->object, key, otherwise, &said, c->label, err);
    if (rc == NS_OK && (said < low || said > high))
        rc = ns_fail(err, NS_E_FORMAT, "%s: %s is %lld, outside %lld to %lld", c->label, key, (long long)said, (long long)low,
                     (long long)high);
    *out = rc == NS_OK ? said : otherwise;               /* nobody counts with what was refused */
    return rc;
}

int ns_config_f64(ns_config *c, const char *key, double otherwise, double low, double high, double *out, ns_error *err)
{
    ns_config_get(c, key);
    double said;
    int rc = ns_json_f64(c->object, key, otherwise, &said, c->label, err);
    if (rc == NS_OK && !(said >= low && said <= high))
        rc = ns_fail(err, NS_E_FORMAT, "%s: %s is %g, outside %g to %g", c->label, key, said, low, high);
    else if (rc == NS_OK && !ns_is_single(said))
        rc = ns_fail(err, NS_E_FORMAT, "%s: %s is %g: so near to 0, no number of 32 bits is it", c->label, key, said);
    *out = rc == NS_OK ? said : otherwise;
    return rc;
}

int ns_config_bool(ns_config *c, const char *key, bool otherwise, bool *out, ns_error *err)
{
    const cJSON *const said = ns_config_get(c, key);
    if (otherwise && said && cJSON_IsNull(said))
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s is null, which transformers takes for false, though it is true where the key is "
                       "absent: write true or false", c->label, key);
    return ns_json_bool(c->object, key, otherwise, out, c->label, err);
}

int ns_config_str(ns_config *c, const char *key, const char *otherwise, const char **out, ns_error *err)
{
    ns_config_get(c, key);
    const int rc = ns_json_str(c->object, key, out, c->label, err);
    if (rc == NS_OK && !*out)
        *out = otherwise;
    return rc;
}

void ns_config_warn(const ns_config *c, const char *fmt, ...)
{
    char text[512];
    ns_error line;
    if (!c->params || !c->params->warn)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)ns_fail(&line, NS_OK, "%s: %s", c->label, text);   /* keys of a hostile file must not break the line: ns_fail sees to it */
    c->params->warn(c->params->user, line.message);
}

/* ---- sizes ---- */

/* A list that has an entry for each layer says how many there are, and the number of layers no other. */
static int count_blocks(ns_facts *f, ns_config *c, const char *const *keys, ns_error *err)
{
    const cJSON *list = NULL;
    int i = 0;
    while (keys && keys[i] && !((list = ns_config_get(c, keys[i])) && !cJSON_IsNull(list)))
        i++;
    if (!keys || !keys[i])
        return NS_OK;
    const int64_t n = cJSON_IsString(list) ? (int64_t)strlen(list->valuestring) : cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (n < 1 || n > NS_MAX_LAYERS)
        return ns_fail(err, NS_E_FORMAT, "%s: %s must have an entry for each of 1 to %d layers", c->label, keys[i], NS_MAX_LAYERS);
    if (ns_config_get(c, "num_hidden_layers") && n != f->layers)
        return ns_fail(err, NS_E_FORMAT, "%s: %s is of %lld layers, but num_hidden_layers is %lld", c->label, keys[i], (long long)n,
                       (long long)f->layers);
    f->layers = n;
    return NS_OK;
}

/* A key whose absence is not a default but an error in all but name: sizes that no default can guess are taken from the row all the same,
 * since transformers does so; ns_arch_check compares them with the tensors. */
static int read_sizes(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    const ns_keys *k = &row->keys;
    int rc;
    const char *const heads_key = spelled(k->heads, "num_attention_heads");
    const int64_t at_least = row->defaults.positions ? 1 : 0;           /* a family without positions has no limit */
    if ((rc = ns_config_i64(c, "vocab_size", row->defaults.vocab, 1, NS_MAX_DIM, &f->vocab, err)) != NS_OK ||
        (rc = ns_config_i64(c, spelled(k->d_model, "hidden_size"), row->defaults.d_model, 1, NS_MAX_DIM, &f->d_model, err)) != NS_OK ||
        (rc = ns_config_i64(c, spelled(k->layers, "num_hidden_layers"), row->defaults.layers, 1, NS_MAX_LAYERS, &f->layers,
            err)) != NS_OK ||
        (rc = ns_config_i64(c, heads_key, row->defaults.heads, 1, 65536, &f->heads, err)) != NS_OK ||
        (rc = ns_config_i64(c, spelled(k->positions, "max_position_embeddings"), row->defaults.positions, at_least, NS_MAX_DIM,
                            &f->positions, err)) != NS_OK ||
        (rc = ns_config_i64(c, spelled(k->d_ff, "intermediate_size"), row->defaults.d_ff ? row->defaults.d_ff : 4 * f->d_model, 1,
                            NS_MAX_DIM, &f->d_ff, err)) != NS_OK)
        return rc;
    if ((rc = count_blocks(f, c, k->blocks, err)) != NS_OK)
        return rc;
    f->kv_heads = f->heads;
    if (!row->no_gqa) {
        const cJSON *const kv = ns_config_get(c, "num_key_value_heads");
        const int64_t otherwise = kv || !row->defaults.kv_heads ? f->heads : row->defaults.kv_heads;
        if ((rc = ns_config_i64(c, "num_key_value_heads", otherwise, 1, 65536, &f->kv_heads, err)) != NS_OK)
            return rc;
        if (f->heads % f->kv_heads)
            return ns_fail(err, NS_E_FORMAT, "%s: num_attention_heads %lld is not a multiple of num_key_value_heads %lld%s", c->label,
                           (long long)f->heads, (long long)f->kv_heads, kv ? "" : " (the key is absent, so it has the family's default)");
    }
    const int64_t split = row->defaults.head_dim ? row->defaults.head_dim : f->d_model / f->heads;
    const cJSON *const d = ns_config_get(c, "head_dim");
    if (row->fixed_head_dim || !((d && !cJSON_IsNull(d)) || row->defaults.head_dim))
        if (f->d_model % f->heads)
            return ns_fail(err, NS_E_FORMAT, "%s: %s %lld is not a multiple of %s %lld, and no head_dim is given", c->label,
                           spelled(k->d_model, "hidden_size"), (long long)f->d_model, heads_key, (long long)f->heads);
    if ((rc = ns_config_i64(c, "head_dim", split, 1, 65536, &f->head_dim, err)) != NS_OK)
        return rc;
    if (row->fixed_head_dim && f->head_dim != f->d_model / f->heads)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: head_dim is %lld, but the heads of %s have %lld dimensions (the width over the heads)",
                       c->label, (long long)f->head_dim, row->type, (long long)(f->d_model / f->heads));
    return NS_OK;
}

/* ---- numbers and switches ---- */
static int read_act(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    static const ns_word spellings[] = {
        {"silu", NS_ACT_SILU}, {"swish", NS_ACT_SILU},
        {"gelu", NS_ACT_GELU}, {"gelu_python", NS_ACT_GELU},
        {"gelu_new", NS_ACT_GELU_TANH}, {"gelu_pytorch_tanh", NS_ACT_GELU_TANH}, {"gelu_fast", NS_ACT_GELU_TANH},
        {"gelu_accurate", NS_ACT_GELU_TANH}, {"gelu_python_tanh", NS_ACT_GELU_TANH},
        {"relu", NS_ACT_RELU}, {"relu2", NS_ACT_RELU2}, {"quick_gelu", NS_ACT_QUICK_GELU}, {"xielu", NS_ACT_XIELU},
        {NULL, 0},
    };
    const char *const key = spelled(row->keys.act, "hidden_act"), *name;
    int value;
    const int rc = ns_config_str(c, key, row->defaults.act, &name, err);
    if (rc != NS_OK)
        return rc;
    if (!ns_word_find(spellings, name, &value))
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s '%s' is not supported (silu, gelu, gelu_new, gelu_pytorch_tanh, relu, relu2 are)",
                       c->label, key, name);
    if (value == NS_ACT_XIELU && !row->names->act)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s 'xielu' is not supported for %s", c->label, key, row->type);
    f->act = (ns_act)value;
    return NS_OK;
}

int ns_facts_silu(const ns_facts *f, ns_config *c, const char *why, ns_error *err)
{
    if (f->act == NS_ACT_SILU)
        return NS_OK;
    return ns_fail(err, NS_E_UNSUPPORTED, "%s: hidden_act is '%.40s': %s", c->label, cJSON_GetStringValue(ns_config_get(c, "hidden_act")),
                   why);
}

static int read_biases(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    int rc = NS_OK;
    f->attn_bias = f->o_bias = row->attn_bias == NS_BIAS_ALWAYS;
    f->ffn_bias = row->ffn_bias == NS_BIAS_ALWAYS;
    if (row->attn_bias == NS_BIAS_QKV)
        f->attn_bias = true;
    if (row->attn_bias == NS_BIAS_KEY_FALSE || row->attn_bias == NS_BIAS_KEY_TRUE) {
        rc = ns_config_bool(c, spelled(row->keys.attn_bias, "attention_bias"), row->attn_bias == NS_BIAS_KEY_TRUE, &f->attn_bias, err);
        f->o_bias = f->attn_bias && !row->o_plain;
    }
    if (rc == NS_OK && (row->ffn_bias == NS_BIAS_KEY_FALSE || row->ffn_bias == NS_BIAS_KEY_TRUE))
        rc = ns_config_bool(c, spelled(row->keys.ffn_bias, "mlp_bias"), row->ffn_bias == NS_BIAS_KEY_TRUE, &f->ffn_bias, err);
    return rc;
}

/* A cap or a clip: null or 0 in the file means none, an absent key the row's default. */
static int read_optional(ns_config *c, const char *key, bool reads, double otherwise, double *out, ns_error *err)
{
    *out = 0;
    if (!reads)
        return NS_OK;
    return ns_config_f64(c, key, ns_config_get(c, key) ? 0 : otherwise, 0, 1e30, out, err);
}

static int read_granite(ns_facts *f, ns_config *c, ns_error *err)
{
    double divisor = 1;
    int rc;
    if ((rc = ns_config_f64(c, "embedding_multiplier", 1, -1e30, 1e30, &f->embed_scale, err)) != NS_OK ||
        (rc = ns_config_f64(c, "residual_multiplier", 1, -1e30, 1e30, &f->branch_scale, err)) != NS_OK ||
        (rc = ns_config_f64(c, "attention_multiplier", 1, -1e30, 1e30, &f->scale, err)) != NS_OK ||
        (rc = ns_config_f64(c, "logits_scaling", 1, 1e-30, 1e30, &divisor, err)) != NS_OK)
        return rc;
    f->logit_scale = 1 / divisor;
    return NS_OK;
}

static double or_one(double value)
{
    return value != 0 ? value : 1;
}

static int read_minicpm(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    double depth, base;
    int rc;
    if ((rc = ns_config_f64(c, "scale_emb", or_one(row->defaults.scale_emb), -1e30, 1e30, &f->embed_scale, err)) != NS_OK ||
        (rc = ns_config_f64(c, "scale_depth", or_one(row->defaults.scale_depth), -1e30, 1e30, &depth, err)) != NS_OK ||
        (rc = ns_config_f64(c, "dim_model_base", or_one(row->defaults.dim_model_base), 1e-30, 1e30, &base, err)) != NS_OK)
        return rc;
    f->branch_scale = depth / sqrt((double)f->layers);
    f->logit_scale = base / (double)f->d_model;
    return NS_OK;
}

static int read_multipliers(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    f->embed_scale = row->embed_sqrt ? sqrt((double)f->d_model) : 1;
    f->branch_scale = 1;
    return row->multipliers == NS_MULTIPLIERS_GRANITE   ? read_granite(f, c, err)
           : row->multipliers == NS_MULTIPLIERS_MINICPM ? read_minicpm(f, c, row, err)
                                                        : NS_OK;
}

static int read_qk_norm(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    bool has = true;
    const int rc = row->qk_norm_key ? ns_config_bool(c, "use_qk_norm", row->defaults.qk_norm, &has, err) : NS_OK;
    f->qk_norm = has ? row->qk_norm : NS_QK_NONE;
    return rc;
}

/* attn_temperature_tuning is true, or a number that is not 0. */
static int read_temper(ns_facts *f, ns_config *c, ns_error *err)
{
    const cJSON *const on = ns_config_get(c, "attn_temperature_tuning");
    double beta, length;
    int rc;
    if ((rc = ns_config_f64(c, "attn_scale", 0.1, 0, 1e6, &beta, err)) != NS_OK ||
        (rc = ns_config_f64(c, "floor_scale", 8192, 1, NS_MAX_DIM, &length, err)) != NS_OK)
        return rc;
    if (on && !cJSON_IsBool(on) && !cJSON_IsNumber(on) && !cJSON_IsNull(on))
        return ns_fail(err, NS_E_FORMAT, "%s: attn_temperature_tuning must be true, false or a number", c->label);
    if (length != floor(length))
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: floor_scale is %g: a whole number of positions is needed", c->label, length);
    if (!on || cJSON_IsTrue(on) || (cJSON_IsNumber(on) && on->valuedouble != 0))
        f->temper = (ns_temper){NS_TEMPER_STEPS, (float)beta, (int64_t)length, 1};
    return NS_OK;
}

static int read_numbers(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    int rc;
    double scalar = 256;
    bool scaled = true;
    f->eps = row->defaults.eps;
    f->parallel = row->block == NS_BLOCK_PARALLEL || row->block == NS_BLOCK_PARALLEL_SHARED;
    f->logit_scale = 1;
    if ((!row->eps_fixed && (rc = ns_config_f64(c, spelled(row->keys.eps, "rms_norm_eps"), row->defaults.eps, 0, 1, &f->eps,
            err)) != NS_OK) ||
        (rc = ns_config_bool(c, "tie_word_embeddings", row->defaults.tied, &f->tied, err)) != NS_OK ||
        (rc = read_optional(c, "attn_logit_softcapping", row->attn_softcap_key, row->defaults.attn_softcap, &f->attn_softcap,
            err)) != NS_OK ||
        (rc = read_optional(c, "final_logit_softcapping", row->logit_softcap_key, row->defaults.logit_softcap, &f->logit_softcap,
            err)) != NS_OK ||
        (rc = read_optional(c, "clip_qkv", row->clip_key, 0, &f->clip, err)) != NS_OK ||
        (row->logit_scale_key && (rc = ns_config_f64(c, "logit_scale", row->defaults.logit_scale, -1e30, 1e30, &f->logit_scale,
            err)) != NS_OK) ||
        (row->scalar_key && (rc = ns_config_f64(c, "query_pre_attn_scalar", 256, 1e-6, 1e9, &scalar, err)) != NS_OK) ||
        (row->parallel_key && (rc = ns_config_bool(c, "use_parallel_residual", f->parallel, &f->parallel, err)) != NS_OK) ||
        (row->temper_keys && (rc = read_temper(f, c, err)) != NS_OK) ||
        (row->inverse_layer_key && ((rc = ns_config_bool(c, "scale_attn_weights", true, &scaled, err)) != NS_OK ||
                                    (rc = ns_config_bool(c, "scale_attn_by_inverse_layer_idx", false, &f->scale_by_layer, err)) != NS_OK)))
        return rc;
    f->scale = scaled ? 1 / sqrt(row->scalar_key ? scalar : (double)f->head_dim) : 1;
    f->shares_norm = f->parallel && (row->block == NS_BLOCK_PARALLEL_SHARED || row->parallel_shares);
    rc = read_qk_norm(f, c, row, err);
    return rc != NS_OK ? rc : read_multipliers(f, c, row, err);
}

/* minimax: every branch has its factors. */
static int read_residuals(ns_facts *f, ns_config *c, ns_error *err)
{
    static const char *const alpha[] = {"full_attn_alpha_factor", "linear_attn_alpha_factor", "mlp_alpha_factor"};
    static const char *const beta[] = {"full_attn_beta_factor", "linear_attn_beta_factor", "mlp_beta_factor"};
    int rc = NS_OK;
    for (int i = 0; i < 3 && rc == NS_OK; i++) {
        rc = ns_config_f64(c, alpha[i], 1, -1e6, 1e6, &f->alpha[i], err);
        if (rc == NS_OK)
            rc = ns_config_f64(c, beta[i], 1, -1e6, 1e6, &f->beta[i], err);
        if (rc == NS_OK && f->alpha[i] == 0)
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s is 0: a branch without a residual is not supported", c->label, alpha[i]);
    }
    return rc;
}

int ns_facts_read(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    int rc;
    *f = (ns_facts){0};
    if ((rc = read_sizes(f, c, row, err)) != NS_OK || (rc = read_act(f, c, row, err)) != NS_OK ||
        (rc = read_biases(f, c, row, err)) != NS_OK ||
        (rc = read_numbers(f, c, row, err)) != NS_OK)
        return rc;
    f->sparse = ns_alloc_array((size_t)f->layers, sizeof *f->sparse);
    f->mlp = ns_alloc_array((size_t)f->layers, sizeof *f->mlp);
    f->window = ns_alloc_array((size_t)f->layers, sizeof *f->window);
    f->half = ns_alloc_array((size_t)f->layers, sizeof *f->half);
    f->rope = ns_alloc_array((size_t)f->layers, sizeof *f->rope);
    f->recurrent = ns_alloc_array((size_t)f->layers, sizeof *f->recurrent);
    if (!f->window || !f->half || !f->rope || !f->recurrent || !f->sparse || !f->mlp)
        return ns_oom(err, "the layer table");
    for (int64_t i = 0; i < f->layers; i++) {
        f->rope[i] = -1;
        f->recurrent[i] = row->recurrent && row->recurrent->odd && i % 2 == 1;
    }
    if (row->recurrent && row->recurrent->read && (rc = row->recurrent->read(f, c, err)) != NS_OK)
        return rc;
    if (row->own_layers)
        rc = ns_facts_own_layers(f, c, err);
    else if (row->rope == NS_ROPES_LIST)
        rc = ns_facts_no_rope_layers(f, c, err);
    if (rc != NS_OK || (!row->own_layers && (rc = ns_facts_windows(f, c, row, err)) != NS_OK) ||
        (rc = ns_facts_ropes(f, c, row, err)) != NS_OK)
        return rc;
    if (f->longest && f->positions > f->longest)
        f->positions = f->longest;
    if (row->mixture && (rc = ns_facts_experts(f, c, row->mixture, err)) != NS_OK)
        return rc;
    if (row->normed_residual && (rc = read_residuals(f, c, err)) != NS_OK)
        return rc;
    return ns_config_unread(c, row, err);
}

void ns_facts_clear(ns_facts *f)
{
    for (int i = 0; i < f->n_ropes; i++)
        ns_rope_clear(&f->ropes[i]);
    free(f->ropes);
    free(f->rope);
    free(f->recurrent);
    free(f->sparse);
    free(f->mlp);
    free(f->window);
    free(f->half);
    *f = (ns_facts){0};
}
