/* griffin.c - RecurrentGemma (arXiv 2404.07839): two layers of RG-LRU, then one of attention in a window, over and over. */
#include "model/families/family.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "final_norm", .layers = "layers.",
    .head = "lm_head.weight", .attn_in_norm = "temporal_pre_norm", .ffn_in_norm = "channel_pre_norm",
    .q = "temporal_block.q_proj", .k = "temporal_block.k_proj", .v = "temporal_block.v_proj", .o = "temporal_block.o_proj",
    .gate = "mlp_block.gate_proj", .up = "mlp_block.up_proj", .down = "mlp_block.down_proj",
};
static const char *const harmless[] = {"w_init_variance_scale", "final_w_init_variance_scale", NULL};
static const char *const ignored[] = {"*.rotary_emb.inv_freq", NULL};

/* Blocks repeat over the layers. */
static int read_blocks(ns_facts *f, ns_config *c, int64_t window, ns_error *err)
{
    const cJSON *const released = ns_config_get(c, "_block_types"), *const said = ns_config_get(c, "block_types");
    const cJSON *const list = said ? said : released;      /* transformers writes back what it read of the releases, beside its own */
    if (said && released && !cJSON_Compare(said, released, true))
        return ns_fail(err, NS_E_FORMAT, "%s: block_types and _block_types differ: take one of them out", c->label);
    const int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (list && n == 0)
        return ns_fail(err, NS_E_FORMAT, "%s: block_types must be a list of recurrent and attention", c->label);
    for (int64_t i = 0; i < f->layers; i++) {
        const cJSON *const item = n ? cJSON_GetArrayItem(list, (int)(i % n)) : NULL;
        const char *kind = i % 3 == 2 ? "attention" : "recurrent";
        const int rc = item ? ns_config_name_at(c, "block_types", item, i % n, &kind, err) : NS_OK;
        if (rc != NS_OK)
            return rc;
        f->recurrent[i] = strcmp(kind, "recurrent") == 0;
        if (!f->recurrent[i] && strcmp(kind, "attention") != 0)
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: block_types[%d] '%.40s' is not supported (recurrent and attention are)", c->label,
                           (int)(i % n), kind);
        f->window[i] = f->recurrent[i] ? 0 : window;
    }
    return NS_OK;
}

/* To 8 bits of significand, as bfloat16 has them. */
static double rounded(double x)
{
    int exponent;
    const double fraction = frexp(x, &exponent);
    return ldexp(rint(ldexp(fraction, 8)), exponent - 8);
}

static int read(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int64_t window;
    int rc;
    if ((rc = ns_config_i64(c, "lru_width", f->d_model, 1, NS_MAX_DIM, &m->channels, err)) != NS_OK ||
        (rc = ns_config_i64(c, "conv1d_width", 4, 1, 1024, &m->taps, err)) != NS_OK ||
        (rc = ns_config_i64(c, "attention_window_size", 2048, 1, NS_MAX_DIM, &window, err)) != NS_OK ||
        (rc = ns_config_f64(c, "logits_soft_cap", 30, 1e-6, 1e30, &f->logit_softcap, err)) != NS_OK)
        return rc;
    if (m->channels % f->heads)
        return ns_fail(err, NS_E_FORMAT, "%s: lru_width %lld is not a multiple of num_attention_heads %lld", c->label,
                       (long long)m->channels, (long long)f->heads);
    if (f->d_ff % 2)
        return ns_fail(err, NS_E_FORMAT, "%s: intermediate_size %lld is odd: the MLPs are half as wide", c->label, (long long)f->d_ff);
    f->d_ff /= 2;
    f->o_bias = true;
    f->embed_scale = rounded(sqrt((double)f->d_model));       /* transformers keeps it in bfloat16, whatever the rest is */
    return read_blocks(f, c, window, err);
}

static void build(ns_builder *b, ns_branch *branch)
{
    static const struct { const char *role, *name; } matrices[] = {{"attn.x", "linear_x"}, {"attn.gate", "linear_y"},
                                                                   {"attn.o", "linear_out"}},
        gates[] = {{"attn.in_gate", "rg_lru.input_gate"}, {"attn.decay_gate", "rg_lru.recurrent_gate"}};
    const ns_facts *const f = b->f;
    b->module = "temporal_block.";
    ns_build_number(b, branch, "channels", (double)f->mixer.channels);
    ns_build_number(b, branch, "blocks", (double)f->heads);
    ns_build_number(b, branch, "block_dim", (double)(f->mixer.channels / f->heads));
    ns_build_number(b, branch, "conv_taps", (double)f->mixer.taps);
    ns_build_number(b, branch, "act", f->act);
    for (int i = 0; i < 3; i++) {
        ns_build_matrix(b, branch, matrices[i].role, matrices[i].name);
        ns_build_bias_of(b, branch, matrices[i].role, matrices[i].name);
    }
    for (int i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s_weight", gates[i].name);
        ns_build_tensor(b, branch, gates[i].role, name)->transposed = true;
        snprintf(name, sizeof name, "%s_bias", gates[i].name);
        ns_build_bias(b, branch, gates[i].role, name);
    }
    ns_build_tensor(b, branch, "attn.conv", "conv_1d.weight");
    ns_build_bias_of(b, branch, "attn.conv", "conv_1d");
    ns_build_tensor(b, branch, "attn.rate", "rg_lru.recurrent_param");
    b->module = NULL;
}

static const ns_recurrent recurrent = {.type = "recurrent", .others = "attention", .mixer = "rglru", .read = read, .build = build};

const ns_family ns_family_recurrent_gemma = {
    .type = "recurrent_gemma", .names = &names, .keys = {.act = "hidden_activation", .partial = "partial_rotary_factor"},
    .defaults = {.vocab = 256000, .d_model = 2560, .d_ff = 7680, .layers = 26, .heads = 10, .eps = 1e-6, .theta = 1e4, .partial = 0.5,
                 .act = "gelu_pytorch_tanh", .tied = true},
    .norm = NS_NORM_RMS, .norm_offset = 1, .attn_bias = NS_BIAS_KEY_FALSE, .ffn_bias = NS_BIAS_ALWAYS, .rope = NS_ROPES_ALL,
    .fixed_head_dim = true, .recurrent = &recurrent, .harmless = harmless, .ignored = ignored,
};
