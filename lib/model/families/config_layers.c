/* config_layers.c - what config.json says of each layer: its window or run of positions, whether it rotates, and by which rope set. */
#include "model/families/family.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- windows ---- */

/* Bit i of the pattern: 'L' (local, sliding) or 'G' (global), repeated over the layers; or an int n: every n-th is global. */
static int window_by_pattern(ns_facts *f, ns_config *c, const ns_family *row, int64_t window, ns_error *err)
{
    const cJSON *const item = ns_config_get(c, "sliding_window_pattern");
    if (item && cJSON_IsString(item)) {
        const size_t n = strlen(item->valuestring);
        if (n == 0 || strspn(item->valuestring, "LG") != n)
            return ns_fail(err, NS_E_FORMAT, "%s: sliding_window_pattern '%.40s' must be made of L and G", c->label, item->valuestring);
        for (int64_t i = 0; i < f->layers; i++)
            f->window[i] = item->valuestring[i % (int64_t)n] == 'L' ? window : 0;
        return NS_OK;
    }
    int64_t pattern = row->defaults.pattern;
    const int rc = !row->fixed_pattern ? ns_config_i64(c, "sliding_window_pattern", pattern, 1, NS_MAX_LAYERS, &pattern, err) : NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < f->layers; i++)
        f->window[i] = (i + 1) % pattern ? window : 0;
    return rc;
}

/* A type by its name, or by what transformers 5 calls it. */
static bool is_type(const char *name, const char *type, const char *before, const char *now)
{
    return strcmp(name, type) == 0 || (strcmp(type, before) == 0 && strcmp(name, now) == 0);
}

/* layer_types: overrides the rule where the family honours it, else must agree with it. */
static int apply_layer_types(ns_facts *f, ns_config *c, const ns_family *row, int64_t window, ns_error *err)
{
    const cJSON *const types = ns_config_get(c, "layer_types");
    if (!types || cJSON_IsNull(types))
        return NS_OK;
    if (!cJSON_IsArray(types) || cJSON_GetArraySize(types) != f->layers)
        return ns_fail(err, NS_E_FORMAT, "%s: layer_types must be a list of %lld names, one a layer", c->label, (long long)f->layers);
    const char *const full = row->recurrent && row->recurrent->others ? row->recurrent->others : "full_attention";
    int64_t i = 0;
    for (const cJSON *t = types->child; t; t = t->next, i++) {
        const char *name;
        const int rc = ns_config_name_at(c, "layer_types", t, i, &name, err);
        if (rc != NS_OK)
            return rc;
        const char *const local = row->window == NS_WINDOW_CHUNKS ? "chunked_attention" : "sliding_attention";
        const bool slides = strcmp(name, local) == 0;
        f->recurrent[i] = row->recurrent && is_type(name, row->recurrent->type, "mamba", "linear_attention");
        const bool no_windows = row->recurrent && row->window == NS_WINDOW_NONE;
        if ((!slides || no_windows) && !f->recurrent[i] && !is_type(name, full, "attention", "full_attention"))
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: layer_types[%lld] '%.40s' is not supported (%s%s%s%s are)",
                           c->label, (long long)i, name, full, row->window == NS_WINDOW_NONE ? "" : " and sliding_attention",
                           row->recurrent ? " and " : "", row->recurrent ? row->recurrent->type : "");
        if (!row->layer_types && slides != (f->window[i] > 0))
            return ns_fail(err, NS_E_UNSUPPORTED,
                           "%s: layer_types[%lld] is %s, but %s in transformers %signores layer_types: remove the key, or describe the "
                           "model with --arch",
                           c->label, (long long)i, name, row->type, row->layer_types_5 ? "5 goes by it, where that of 4 " : "");
        if (slides && window == 0)
            return ns_fail(err, NS_E_FORMAT, "%s: layer_types[%lld] is sliding_attention, but there is no sliding_window", c->label,
                           (long long)i);
        f->window[i] = slides ? window : 0;
    }
    return NS_OK;
}

/* The layers that rotate see runs of positions. */
static int read_chunks(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    int64_t chunk;
    const bool given = ns_config_get(c, "attention_chunk_size") != NULL;
    const int rc = ns_config_i64(c, "attention_chunk_size", given ? 0 : row->defaults.window, 0, NS_MAX_DIM, &chunk, err);
    for (int64_t i = 0; i < f->layers && rc == NS_OK; i++)
        f->window[i] = f->rope[i] >= 0 ? chunk : 0;
    return rc != NS_OK ? rc : apply_layer_types(f, c, row, chunk, err);
}

int ns_facts_windows(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    int64_t window = 0, above = row->defaults.above ? row->defaults.above : 28;
    bool use = row->window != NS_WINDOW_ABOVE && row->window != NS_WINDOW_SWITCHED && row->window != NS_WINDOW_NOPE;
    int rc;
    if (row->window == NS_WINDOW_NONE)
        return apply_layer_types(f, c, row, 0, err);
    if (row->window == NS_WINDOW_CHUNKS)
        return read_chunks(f, c, row, err);
    if (!use && (rc = ns_config_bool(c, "use_sliding_window", false, &use, err)) != NS_OK)
        return rc;
    const bool given = ns_config_get(c, "sliding_window") != NULL;
    if ((rc = ns_config_i64(c, "sliding_window", given ? 0 : row->defaults.window, 0, NS_MAX_DIM, &window, err)) != NS_OK)
        return rc;
    const cJSON *const item = ns_config_get(c, "sliding_window");
    if (item && !cJSON_IsNull(item) && window == 0 && use)
        return ns_fail(err, NS_E_FORMAT, "%s: sliding_window is 0: give the number of keys a row sees, or null for full attention",
                       c->label);
    if ((row->window == NS_WINDOW_ABOVE || row->window == NS_WINDOW_SWITCHED) && !use)
        window = 0;      /* qwen: the key counts only together with use_sliding_window */
    if (row->window == NS_WINDOW_ABOVE && use && (rc = ns_config_i64(c, "max_window_layers", above, 0, NS_MAX_DIM, &above, err)) != NS_OK)
        return rc;
    const cJSON *const types = ns_config_get(c, "layer_types");
    if (row->window == NS_WINDOW_PATTERN && window && !(types && !cJSON_IsNull(types)) &&
        (rc = window_by_pattern(f, c, row, window, err)) != NS_OK)
        return rc;
    for (int64_t i = 0; i < f->layers && row->window != NS_WINDOW_PATTERN; i++)
        f->window[i] = (row->window == NS_WINDOW_ALL || row->window == NS_WINDOW_SWITCHED ||
                        (row->window == NS_WINDOW_ABOVE && i >= above) ||
                        (row->window == NS_WINDOW_NOPE && use && f->rope[i] < 0)) ? window : 0;
    return apply_layer_types(f, c, row, window, err);
}

int ns_config_period(ns_config *c, const ns_period *p, int64_t *period, int64_t *offset, ns_error *err)
{
    const int rc = ns_config_i64(c, p->period, p->n, 1, NS_MAX_LAYERS, period, err);
    return rc != NS_OK ? rc : ns_config_i64(c, p->offset, p->at, 0, *period - 1, offset, err);
}

int ns_facts_listed_layers(ns_facts *f, ns_config *c, const char *key, bool otherwise, ns_error *err)
{
    const cJSON *const list = ns_config_get(c, key);
    const bool given = list && !cJSON_IsNull(list);
    if (given && !cJSON_IsArray(list))
        return ns_fail(err, NS_E_FORMAT, "%s: %s must be a list of layers", c->label, key);
    for (int64_t i = 0; i < f->layers; i++)
        f->recurrent[i] = given || !otherwise;
    for (const cJSON *v = given ? list->child : NULL; v; v = v->next) {
        const double at = cJSON_IsNumber(v) ? v->valuedouble : -1;
        if (!(at >= 0 && at < (double)f->layers) || at != (double)(int64_t)at)
            return ns_fail(err, NS_E_FORMAT, "%s: %s names a layer that is none of 0 to %lld", c->label, key, (long long)f->layers - 1);
        f->recurrent[(int64_t)at] = 0;
    }
    return NS_OK;
}

/* ---- which layers rotate ---- */
int ns_facts_no_rope_layers(ns_facts *f, ns_config *c, ns_error *err)
{
    const cJSON *const list = ns_config_get(c, "no_rope_layers");
    if (!list || cJSON_IsNull(list) || (cJSON_IsArray(list) && !list->child)) {
        int64_t interval;
        const int rc = ns_config_i64(c, "no_rope_layer_interval", 4, 1, NS_MAX_DIM, &interval, err);
        for (int64_t i = 0; rc == NS_OK && i < f->layers; i++)
            f->rope[i] = (i + 1) % interval ? 0 : -1;
        return rc;
    }
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != f->layers)
        return ns_fail(err, NS_E_FORMAT, "%s: no_rope_layers must be a list of %lld numbers, one a layer", c->label, (long long)f->layers);
    int64_t i = 0;
    for (const cJSON *v = list->child; v; v = v->next, i++) {
        if (!cJSON_IsNumber(v) && !cJSON_IsBool(v))
            return ns_fail(err, NS_E_FORMAT, "%s: no_rope_layers[%lld] must be 0 or 1 (1 = the layer rotates)", c->label, (long long)i);
        f->rope[i] = cJSON_IsTrue(v) || (cJSON_IsNumber(v) && v->valuedouble != 0) ? 0 : -1;
    }
    return NS_OK;
}

static bool any_layer(const ns_facts *f, bool sliding)
{
    for (int64_t i = 0; i < f->layers; i++)
        if ((f->window[i] > 0) == sliding)
            return true;
    return false;
}

/* Every rope set scales the length that the config states; the model reads as far as the longest reaches. */
static int add_rope(ns_facts *f, ns_config *c, const ns_family *row, ns_rope_source source, int64_t stated, ns_error *err)
{
    int64_t positions = stated;
    const int rc = ns_config_rope(&f->ropes[f->n_ropes], c, row, &source, f->head_dim, &positions, err);
    f->n_ropes += rc == NS_OK;
    f->positions = positions > f->positions ? positions : f->positions;
    return rc;
}

/* rope_parameters of transformers 5 with one object per layer type. */
static bool nested_ropes(ns_config *c)
{
    const cJSON *const all = ns_config_get(c, "rope_parameters");
    return cJSON_IsObject(all) &&
           (cJSON_GetObjectItemCaseSensitive(all, "full_attention") || cJSON_GetObjectItemCaseSensitive(all, "sliding_attention"));
}

/* rope_theta is null, or nowhere: NoPE. */
static bool states_theta(ns_config *c)
{
    const cJSON *const all = ns_config_get(c, "rope_parameters");
    return cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(all, "rope_theta")) || cJSON_IsNumber(ns_config_get(c, "rope_theta"));
}

/* transformers goes by the key, whether a layer slides or none does; absent it has a default. */
static bool window_is_set(ns_config *c)
{
    const cJSON *const window = ns_config_get(c, "sliding_window");
    return !window || !cJSON_IsNull(window);
}

int ns_facts_ropes(ns_facts *f, ns_config *c, const ns_family *row, ns_error *err)
{
    const int64_t stated = f->positions;
    int rc;
    if (row->rope == NS_ROPES_NONE || (row->rope == NS_ROPES_STATED && !states_theta(c)))
        return NS_OK;
    if (row->rope == NS_ROPES_NAMED) {
        const char *kind;
        ns_config_get(c, "rope_parameters");             /* transformers 5 writes it without a rope too, and 4 the theta */
        ns_config_get(c, "rope_theta");
        if ((rc = ns_config_str(c, "position_embedding_type", "nope", &kind, err)) != NS_OK || strcmp(kind, "nope") == 0)
            return rc;
        if (strcmp(kind, "rope") != 0)
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: position_embedding_type '%.40s' is not supported (rope and nope are)", c->label,
                           kind);
    }
    double theta = row->defaults.theta, local = theta, partial = row->defaults.partial ? row->defaults.partial : 1;
    if ((rc = ns_config_f64(c, row->keys.theta ? row->keys.theta : "rope_theta", theta, 1, 1e30, &theta, err)) != NS_OK ||
        (row->keys.partial && (rc = ns_config_f64(c, row->keys.partial, partial, 0, 1, &partial, err)) != NS_OK) ||
        (row->rope == NS_ROPES_LOCAL && (rc = ns_config_f64(c, "rope_local_base_freq", 1e4, 1, 1e30, &local, err)) != NS_OK))
        return rc;
    const char *const scaled_layers = c->params && c->params->olmo3_rope ? c->params->olmo3_rope : "full-layers";
    const bool full_only = strcmp(scaled_layers, "full-layers") == 0;
    if (!full_only && strcmp(scaled_layers, "all-layers") != 0)
        return ns_fail(err, NS_E_ARG, "olmo3_rope '%.40s' is neither full-layers nor all-layers", scaled_layers);
    const bool sliding_only = row->rope == NS_ROPES_SLIDING || (row->rope == NS_ROPES_HYBRID && window_is_set(c));
    const bool two = !sliding_only && any_layer(f, true) &&
                     (row->rope == NS_ROPES_UNSCALED ? full_only : row->rope == NS_ROPES_LOCAL || nested_ropes(c));
    f->ropes = ns_alloc_array(2, sizeof *f->ropes);
    if (!f->ropes)
        return ns_oom(err, "the rope sets");
    if ((rc = add_rope(f, c, row,
                       (ns_rope_source){.type = sliding_only ? "sliding_attention" : "full_attention", .theta = theta, .partial = partial},
                       stated, err)) != NS_OK)
        return rc;
    if (two && (rc = add_rope(f, c, row,
                              (ns_rope_source){.type = "sliding_attention",
                                               .theta = row->rope == NS_ROPES_LOCAL ? local : theta,
                                               .partial = partial,
                                               .unscaled = row->rope != NS_ROPES_ALL && row->rope != NS_ROPES_LIST,
                                               .own_theta = row->rope == NS_ROPES_LOCAL},
                              stated, err)) != NS_OK)
        return rc;
    for (int64_t i = 0; i < f->layers; i++)
        if (((row->rope != NS_ROPES_LIST && row->rope != NS_ROPES_READ) || f->rope[i] >= 0) && !f->recurrent[i])
            f->rope[i] = sliding_only && f->window[i] == 0 ? -1 : two && f->window[i] > 0;
    return NS_OK;
}
