/* config_experts.c - what config.json says of mixtures of experts: how many, how wide, which layers have them, how a row chooses. */
#include "model/families/family.h"
#include <string.h>

static int read_steps(ns_facts *f, ns_config *c, const char *key, ns_error *err)
{
    int64_t step;
    const int rc = ns_config_i64(c, key, 1, 1, NS_MAX_LAYERS, &step, err);
    for (int64_t i = 0; i < f->layers && rc == NS_OK; i++)
        f->sparse[i] = (i + 1) % step == 0;
    return rc;
}

/* The layers that a list names become `sparse`; *given: there is a list. */
static int read_layers(ns_facts *f, ns_config *c, const char *key, bool sparse, bool *given, ns_error *err)
{
    const cJSON *const list = ns_config_get(c, key);
    *given = list && !cJSON_IsNull(list);
    if (*given && !cJSON_IsArray(list))
        return ns_fail(err, NS_E_FORMAT, "%s: %s must be a list of layers", c->label, key);
    for (const cJSON *v = *given ? list->child : NULL; v; v = v->next) {
        const double at = cJSON_IsNumber(v) ? v->valuedouble : -1;
        if (!(at >= 0 && at < (double)f->layers) || at != (double)(int64_t)at)
            return ns_fail(err, NS_E_FORMAT, "%s: %s names a layer that is none of 0 to %lld", c->label, key, (long long)f->layers - 1);
        f->sparse[(int64_t)at] = sparse;
    }
    return NS_OK;
}

static int read_period(ns_facts *f, ns_config *c, ns_error *err)
{
    static const ns_period keys = {"expert_layer_period", "expert_layer_offset", 2, 1};
    int64_t period, offset;
    const int rc = ns_config_period(c, &keys, &period, &offset, err);
    for (int64_t i = 0; i < f->layers && rc == NS_OK; i++)
        f->sparse[i] = f->router.n_experts > 1 && i % period == offset;
    return rc;
}

static int read_sparse(ns_facts *f, ns_config *c, const ns_mixture *m, ns_error *err)
{
    bool given = false;
    const bool none = f->router.n_experts == 0 || (m->sparse == NS_SPARSE_SEVERAL && f->router.n_experts == 1);
    int64_t first = none ? f->layers : 0;
    int rc = NS_OK;
    if (m->sparse == NS_SPARSE_STEP) {
        rc = read_steps(f, c, "decoder_sparse_step", err);
        rc = rc != NS_OK ? rc : read_layers(f, c, "mlp_only_layers", false, &given, err);
        for (int64_t i = 0; i < f->layers && f->router.n_experts == 0; i++)
            f->sparse[i] = false;
        return rc;
    }
    if (m->sparse == NS_SPARSE_PERIOD)
        return read_period(f, c, err);
    if (m->sparse == NS_SPARSE_SET)
        return NS_OK;
    if (m->sparse == NS_SPARSE_LIST) {
        rc = read_layers(f, c, "moe_layers", true, &given, err);
        return rc != NS_OK || given ? rc : read_steps(f, c, "interleave_moe_layer_step", err);
    }
    if (m->sparse == NS_SPARSE_AFTER)
        rc = ns_config_i64(c, "first_k_dense_replace", 1, 0, NS_MAX_LAYERS, &first, err);
    for (int64_t i = first; rc == NS_OK && i < f->layers; i++)
        f->sparse[i] = true;
    return rc;
}

/* DeepSeek's: a shared expert that is several wide, and groups, chosen by the sum of their best two. */
static int read_groups(ns_facts *f, ns_config *c, const ns_mixture *m, ns_error *err)
{
    double scale;
    int64_t shared;
    ns_router *const r = &f->router;
    int rc;
    if ((rc = ns_config_i64(c, "n_shared_experts", 1, 0, 65536, &shared, err)) != NS_OK ||
        (rc = ns_config_f64(c, "routed_scaling_factor", 1, 0, 1e6, &scale, err)) != NS_OK ||
        (rc = ns_config_i64(c, "n_group", 1, 1, NS_MAX_GROUPS, &r->groups, err)) != NS_OK ||
        (rc = ns_config_i64(c, "topk_group", 1, 1, r->groups, &r->group_top_k, err)) != NS_OK)
        return rc;
    if (!m->keys.d_shared && (!ns_mul_i64(shared, f->d_expert, &f->d_shared) || f->d_shared > NS_MAX_DIM))
        return ns_fail(err, NS_E_FORMAT, "%s: n_shared_experts %lld of width %lld are too wide", c->label, (long long)shared,
                       (long long)f->d_expert);
    r->scale = (float)scale;
    r->group_best = 2;
    if (r->n_experts % r->groups)
        return ns_fail(err, NS_E_FORMAT, "%s: n_routed_experts %lld is not a multiple of n_group %lld", c->label, (long long)r->n_experts,
                       (long long)r->groups);
    if (r->groups > 1 && r->n_experts / r->groups < r->group_best)
        return ns_fail(err, NS_E_FORMAT, "%s: n_group %lld leaves one expert a group, but groups are chosen by their best two", c->label,
                       (long long)r->groups);
    if (r->groups == 1)
        r->groups = r->group_top_k = r->group_best = 0;
    return NS_OK;
}

/* Codes that are read; any others are refused with the keys that nobody read. */
static int read_codes(ns_facts *f, ns_config *c, ns_error *err)
{
    const cJSON *const codes = cJSON_GetObjectItemCaseSensitive(c->object, "quantization_config");
    const char *method = NULL;
    const int rc = cJSON_IsObject(codes) ? ns_json_str(codes, "quant_method", &method, c->label, err) : NS_OK;
    f->mxfp4 = method && strcmp(method, "mxfp4") == 0;
    if (f->mxfp4)
        ns_config_get(c, "quantization_config");
    return rc;
}

/* Bounds of gate and up, and the factor of the gate's sigmoid, which is in the code. */
static int read_bounds(ns_facts *f, ns_config *c, const ns_mixture *m, ns_error *err)
{
    const double factor = 1.702;
    double alpha = factor;
    int rc = NS_OK;
    f->limit = (double)m->limit;
    if (m->keys.limit)
        rc = ns_config_f64(c, m->keys.limit, f->limit, 1e-6, 1e30, &f->limit, err);
    if (rc == NS_OK && m->keys.alpha)
        rc = ns_config_f64(c, m->keys.alpha, factor, -1e30, 1e30, &alpha, err);
    if (rc == NS_OK && alpha != factor)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s is %g: experts with another factor than 1.702 are not supported", c->label,
                       m->keys.alpha, alpha);
    return rc;
}

int ns_facts_experts(ns_facts *f, ns_config *c, const ns_mixture *m, ns_error *err)
{
    static const char top_k[] = "num_experts_per_tok";
    ns_router *const r = &f->router;
    int rc;
    *r = (ns_router){.routing = m->routing, .normalise = m->defaults.normalise, .scale = 1};
    f->d_expert = f->d_ff;
    const int64_t fewest = m->sparse == NS_SPARSE_STEP || m->sparse == NS_SPARSE_ANY ? 0 : 1;    /* 0: every layer has an MLP */
    const char *const key = m->keys.n_5 && !ns_config_get(c, m->keys.n) ? m->keys.n_5 : m->keys.n;
    if ((rc = ns_config_i64(c, key, m->defaults.n, fewest, 65536, &r->n_experts, err)) != NS_OK ||
        (rc = ns_config_i64(c, top_k, m->defaults.top_k, r->n_experts ? 1 : 0, 65536, &r->top_k, err)) != NS_OK ||
        (m->keys.d_ff && (rc = ns_config_i64(c, m->keys.d_ff, m->defaults.d_ff, r->n_experts ? 1 : 0, NS_MAX_DIM, &f->d_expert,
                                             err)) != NS_OK) ||
        (m->keys.normalise && (rc = ns_config_bool(c, m->keys.normalise, m->defaults.normalise, &r->normalise, err)) != NS_OK))
        return rc;
    if (r->n_experts == 0 || ((m->sparse == NS_SPARSE_SEVERAL || m->sparse == NS_SPARSE_PERIOD) && r->n_experts == 1))
        r->top_k = r->n_experts;       /* an MLP */
    if (r->top_k > r->n_experts)
        return ns_fail(err, NS_E_FORMAT, "%s: %s is %lld, but %s is %lld", c->label, top_k, (long long)r->top_k, key,
                       (long long)r->n_experts);
    f->d_shared = m->shared ? f->d_expert : 0;
    if (m->keys.d_shared && (rc = ns_config_i64(c, m->keys.d_shared, m->defaults.d_shared, 0, NS_MAX_DIM, &f->d_shared, err)) != NS_OK)
        return rc;
    if (m->mxfp4 && (rc = read_codes(f, c, err)) != NS_OK)
        return rc;
    if (m->scaled_groups && (rc = read_groups(f, c, m, err)) != NS_OK)
        return rc;
    if ((rc = read_bounds(f, c, m, err)) != NS_OK)
        return rc;
    return read_sparse(f, c, m, err);
}
