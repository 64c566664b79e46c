/* needlescope.c - the models of the own trainer that no class of transformers can hold: llama's names, and per layer its kind, window and
 * rope.
 *
 *     "layer_kinds": ["swa", "full", "lightning", ...], "windows": [4, 0, ...] (0 = all keys), "nope": [false, true, ...],
 *     "mlp": "relu" | "swiglu" */
#include "model/families/family.h"
#include <string.h>

static int list_of(const cJSON **out, ns_config *c, const char *key, int64_t n, ns_error *err)
{
    *out = ns_config_get(c, key);
    if (!cJSON_IsArray(*out) || cJSON_GetArraySize(*out) != n)
        return ns_fail(err, NS_E_FORMAT, "%s: %s must be a list of %lld values, one a layer", c->label, key, (long long)n);
    return NS_OK;
}

static int read_layer(ns_facts *f, const ns_config *c, int64_t i, const cJSON *kind, const cJSON *window, const cJSON *nope, ns_error *err)
{
    const char *const name = cJSON_IsString(kind) ? kind->valuestring : "";
    const bool swa = strcmp(name, "swa") == 0;
    f->recurrent[i] = strcmp(name, "lightning") == 0;
    if (!swa && !f->recurrent[i] && strcmp(name, "full") != 0)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: layer_kinds[%lld] '%.40s' is not known (full, swa and lightning are)", c->label,
                       (long long)i, name);
    const double keys = cJSON_IsNumber(window) ? window->valuedouble : -1;
    if (!(keys >= 0 && keys <= NS_MAX_DIM) || keys != (double)(int64_t)keys || swa != (keys > 0))
        return ns_fail(err, NS_E_FORMAT, "%s: windows[%lld] must be a whole number, more than 0 where the layer is swa, else 0", c->label,
                       (long long)i);
    if (!cJSON_IsBool(nope))
        return ns_fail(err, NS_E_FORMAT, "%s: nope[%lld] must be true or false", c->label, (long long)i);
    f->window[i] = (int64_t)keys;
    f->rope[i] = cJSON_IsTrue(nope) || f->recurrent[i] ? -1 : 0;
    return NS_OK;
}

int ns_facts_own_layers(ns_facts *f, ns_config *c, ns_error *err)
{
    const cJSON *kinds, *windows, *nope;
    const char *mlp;
    int rc;
    if ((rc = list_of(&kinds, c, "layer_kinds", f->layers, err)) != NS_OK ||
        (rc = list_of(&windows, c, "windows", f->layers, err)) != NS_OK ||
        (rc = list_of(&nope, c, "nope", f->layers, err)) != NS_OK || (rc = ns_config_str(c, "mlp", "swiglu", &mlp, err)) != NS_OK)
        return rc;
    if (strcmp(mlp, "relu") != 0 && strcmp(mlp, "swiglu") != 0)
        return ns_fail(err, NS_E_FORMAT, "%s: mlp '%.40s' is neither relu nor swiglu", c->label, mlp);
    f->ungated = strcmp(mlp, "relu") == 0;
    const cJSON *kind = kinds->child, *window = windows->child, *off = nope->child;
    for (int64_t i = 0; i < f->layers && rc == NS_OK; i++, kind = kind->next, window = window->next, off = off->next)
        rc = read_layer(f, c, i, kind, window, off, err);
    return rc;
}

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
};

/* silu, whatever the MLP has */
static void build(ns_builder *b, ns_branch *branch)
{
    static const ns_linear_names linear = {
        .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
        .norm = "self_attn.norm", .gate = "self_attn.output_gate",
    };
    ns_build_linear(b, branch, &linear, NS_ACT_SILU);
}

static const ns_recurrent recurrent = {.type = "lightning", .mixer = "lightning", .build = build};

const ns_family ns_family_needlescope = {
    .type = "needlescope", .names = &names,
    .defaults = {.vocab = 56, .d_model = 64, .d_ff = 128, .layers = 4, .heads = 4,
                 .positions = 256, .eps = 1e-5, .theta = 1e4, .act = "relu"},
    .norm = NS_NORM_RMS, .rope = NS_ROPES_LIST, .recurrent = &recurrent, .own_layers = true,
};
