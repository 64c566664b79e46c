/* needlescope.c - the models of the own trainer that no class of transformers can hold: llama's names, and per layer its kind, window and
 * rope.
 *
 *     "layer_kinds": ["swa", "full", "half", "lightning", ...], "windows": [4, 0, ...] (0 = all keys; half: of half of the heads),
 *     "nope": [false, true, ...],
 *     "mlp": "relu" | "swiglu"
 *
 * A recurrent layer has as many heads of q, k and v as the model has heads, each head_dim wide: its state is head_dim x head_dim a head,
 * and mixers differ by their rule alone. */
#include "model/families/family.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- layers ---- */

enum { TAPS = 4 };                 /* of every short convolution */

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",
    .attn_in_norm = "input_layernorm", .ffn_in_norm = "post_attention_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
};

/* The activation of a mixer is silu, whatever the MLP has. */
static void build_lightning(ns_builder *b, ns_branch *branch)
{
    static const ns_linear_names linear = {
        .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
        .norm = "self_attn.norm", .gate = "self_attn.output_gate",
    };
    ns_build_linear(b, branch, &linear, NS_ACT_SILU);
}

static void silu(ns_builder *b, ns_branch *branch)
{
    ns_build_number(b, branch, "qkv_act", NS_ACT_SILU);
}

static void build_mamba2(ns_builder *b, ns_branch *branch)
{
    ns_build_mamba2(b, branch, "mamba.");
    silu(b, branch);
}

/* As hybrids have it: one q and one k for all heads. */
static void build_shared_mamba2(ns_builder *b, ns_branch *branch)
{
    const ns_facts *const own = b->f;
    ns_facts one = *own;
    one.mixer.groups = 1;
    b->f = &one;
    build_mamba2(b, branch);
    b->f = own;
}

static void build_deltanet(ns_builder *b, ns_branch *branch)
{
    static const ns_delta_names in = {NS_DELTA_NEXT};
    ns_build_gated_deltanet(b, branch, &in);
    silu(b, branch);
}

/* The convolution is itself a head that sees the tokens before: without it, the rule alone. */
static void build_plain_deltanet(ns_builder *b, ns_branch *branch)
{
    static const ns_delta_names in = {NS_DELTA_NEXT_PLAIN};
    ns_build_gated_deltanet(b, branch, &in);
    silu(b, branch);
}

/* GLA (arXiv 2312.06635) with the settings and names of fla. */
static void build_any_gla(ns_builder *b, ns_branch *branch)
{
    static const struct { const char *role, *name; } matrices[] = {
        {"attn.q", "self_attn.q_proj"}, {"attn.k", "self_attn.k_proj"}, {"attn.v", "self_attn.v_proj"}, {"attn.o", "self_attn.o_proj"},
        {"attn.z_gate", "self_attn.g_proj"},
    };
    ns_build_recurrence(b, branch, 1 / sqrt((double)b->f->mixer.key_dim));
    ns_build_word(b, branch, "qkv_act", "none");
    ns_build_word(b, branch, "decay", "logsigmoid");
    ns_build_word(b, branch, "decay_of", "key_channel");
    ns_build_number(b, branch, "divisor", 16);
    ns_build_word(b, branch, "z_norm_of", "head");
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        ns_build_matrix(b, branch, matrices[i].role, matrices[i].name);
    ns_build_norm(b, branch, "attn.z_norm", "self_attn.g_norm");
}

/* Its decay is one full matrix where fla has two thin ones. */
static void build_gla(ns_builder *b, ns_branch *branch)
{
    build_any_gla(b, branch);
    ns_build_matrix(b, branch, "attn.step", "self_attn.gk_proj");
    ns_build_bias(b, branch, "attn.step", "self_attn.gk_proj.bias");
}

static void build_thin_gla(ns_builder *b, ns_branch *branch)
{
    build_any_gla(b, branch);
    ns_build_number(b, branch, "step_rank", 16);
    ns_build_matrix(b, branch, "attn.step_in", "self_attn.gk_proj.0");
    ns_build_matrix(b, branch, "attn.step_out", "self_attn.gk_proj.1");
    ns_build_bias_of(b, branch, "attn.step_out", "self_attn.gk_proj.1");
}

static const ns_recurrent kinds[] = {
    {.type = "lightning", .mixer = "recurrence", .build = build_lightning},
    {.type = "mamba2", .mixer = "recurrence", .build = build_mamba2},
    {.type = "mamba2_shared", .mixer = "recurrence", .build = build_shared_mamba2},
    {.type = "gated_deltanet", .mixer = "recurrence", .build = build_deltanet},
    {.type = "gated_deltanet_plain", .mixer = "recurrence", .build = build_plain_deltanet},
    {.type = "gla", .mixer = "recurrence", .build = build_gla},
    {.type = "gla_thin", .mixer = "recurrence", .build = build_thin_gla},
    {.type = NULL},
};

/* ---- the config ---- */

static int list_of(const cJSON **out, ns_config *c, const char *key, int64_t n, ns_error *err)
{
    *out = ns_config_get(c, key);
    if (!cJSON_IsArray(*out) || cJSON_GetArraySize(*out) != n)
        return ns_fail(err, NS_E_FORMAT, "%s: %s must be a list of %lld values, one a layer", c->label, key, (long long)n);
    return NS_OK;
}

static int no_kind(const ns_config *c, int64_t i, const char *name, ns_error *err)
{
    const char *known[16] = {"full", "swa", "half"};
    char text[160] = "full, swa, half";
    int n = 3;
    for (const ns_recurrent *k = kinds; k->type; k++) {
        known[n++] = k->type;
        snprintf(text + strlen(text), sizeof text - strlen(text), ", %s", k->type);
    }
    const char *const near = ns_nearest_word(name, known, n);
    return ns_fail(err, NS_E_UNSUPPORTED, "%s: layer_kinds[%lld] '%.40s' is not known (%s)%s%s%s", c->label, (long long)i, name, text,
                   near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int read_layer(ns_facts *f, const ns_config *c, int64_t i, const cJSON *kind, const cJSON *window, const cJSON *nope, ns_error *err)
{
    const char *name;
    const int rc = ns_config_name_at(c, "layer_kinds", kind, i, &name, err);
    if (rc != NS_OK)
        return rc;
    f->half[i] = strcmp(name, "half") == 0;
    const bool swa = f->half[i] || strcmp(name, "swa") == 0;
    for (int k = 0; kinds[k].type; k++)
        f->recurrent[i] = strcmp(name, kinds[k].type) == 0 ? k + 1 : f->recurrent[i];
    if (!swa && !f->recurrent[i] && strcmp(name, "full") != 0)
        return no_kind(c, i, name, err);
    const double keys = cJSON_IsNumber(window) ? window->valuedouble : -1;
    if (!(keys >= 0 && keys <= NS_MAX_DIM) || keys != (double)(int64_t)keys || swa != (keys > 0))
        return ns_fail(err, NS_E_FORMAT, "%s: windows[%lld] must be a whole number, more than 0 where the layer is swa or half, else 0",
                       c->label, (long long)i);
    if (!cJSON_IsBool(nope))
        return ns_fail(err, NS_E_FORMAT, "%s: nope[%lld] must be true or false", c->label, (long long)i);
    f->window[i] = (int64_t)keys;
    f->rope[i] = cJSON_IsTrue(nope) || f->recurrent[i] ? -1 : 0;
    return NS_OK;
}

int ns_facts_own_layers(ns_facts *f, ns_config *c, ns_error *err)
{
    const cJSON *list, *windows, *nope;
    const char *mlp;
    int rc;
    if ((rc = list_of(&list, c, "layer_kinds", f->layers, err)) != NS_OK ||
        (rc = list_of(&windows, c, "windows", f->layers, err)) != NS_OK ||
        (rc = list_of(&nope, c, "nope", f->layers, err)) != NS_OK || (rc = ns_config_str(c, "mlp", "swiglu", &mlp, err)) != NS_OK)
        return rc;
    if (strcmp(mlp, "relu") != 0 && strcmp(mlp, "swiglu") != 0)
        return ns_fail(err, NS_E_FORMAT, "%s: mlp '%.40s' is neither relu nor swiglu", c->label, mlp);
    f->ungated = strcmp(mlp, "relu") == 0;
    f->mixer = (ns_mixer_facts){.heads = f->heads, .groups = f->heads, .key_dim = f->head_dim, .value_dim = f->head_dim, .taps = TAPS,
                                .conv_bias = true};
    const cJSON *kind = list->child, *window = windows->child, *off = nope->child;
    for (int64_t i = 0; i < f->layers && rc == NS_OK; i++, kind = kind->next, window = window->next, off = off->next)
        rc = read_layer(f, c, i, kind, window, off, err);
    return rc;
}

const ns_family ns_family_needlescope = {
    .type = "needlescope", .names = &names,
    .defaults = {.vocab = 56, .d_model = 64, .d_ff = 128, .layers = 4, .heads = 4,
                 .positions = 256, .eps = 1e-5, .theta = 1e4, .act = "relu"},
    .norm = NS_NORM_RMS, .rope = NS_ROPES_LIST, .recurrent = kinds, .own_layers = true,
};
