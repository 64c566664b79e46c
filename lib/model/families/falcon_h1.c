/* falcon_h1.c - Falcon-H1 (arXiv 2507.22448): in every layer attention and Mamba-2 side by side, from one norm, and
 * multipliers of all parts. */
#include "model/families/family.h"

static const ns_names names = {
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "final_layernorm", .layers = "layers.",
    .head = "lm_head.weight", .attn_in_norm = "input_layernorm", .ffn_in_norm = "pre_ff_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
    .gate = "feed_forward.gate_proj", .up = "feed_forward.up_proj", .down = "feed_forward.down_proj",
};
static const char *const harmless[] = {"mamba_chunk_size", "mamba_use_mlp", "mlp_expansion_factor", "num_logits_to_keep", "time_step_*",
                                       NULL};
static const char *const ignored[] = {"*.rotary_emb.inv_freq", "*.mup_vector", NULL};

/* A multiplier that is absent or null is 1; one of 0 would take a part out. */
static int read_factor(ns_config *c, const char *key, double *out, ns_error *err)
{
    const int rc = ns_config_f64(c, key, 1, -1e30, 1e30, out, err);
    if (rc != NS_OK || *out != 0)
        return rc;
    return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s is 0: a part that gives nothing is not supported", c->label, key);
}

/* A list of n. */
static int read_factors(ns_config *c, const char *key, int n, double *out, ns_error *err)
{
    const cJSON *const list = ns_config_get(c, key);
    const bool given = list && !cJSON_IsNull(list);
    if (given && (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != n))
        return ns_fail(err, NS_E_FORMAT, "%s: %s must be a list of %d numbers", c->label, key, n);
    for (int i = 0; i < n; i++) {
        const cJSON *const item = given ? cJSON_GetArrayItem(list, i) : NULL;
        out[i] = cJSON_IsNumber(item) ? item->valuedouble : given ? 0 : 1;
        if (!(out[i] >= -1e30 && out[i] <= 1e30) || out[i] == 0)
            return ns_fail(err, NS_E_FORMAT, "%s: %s[%d] must be a number other than 0", c->label, key, i);
    }
    return NS_OK;
}

static int read_multipliers(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_factors *const x = &f->factors;
    double mlp[2];
    int rc;
    if ((rc = read_factor(c, "embedding_multiplier", &f->embed_scale, err)) != NS_OK ||
        (rc = read_factor(c, "lm_head_multiplier", &f->logit_scale, err)) != NS_OK ||
        (rc = read_factor(c, "attention_in_multiplier", &x->attn_in, err)) != NS_OK ||
        (rc = read_factor(c, "attention_out_multiplier", &x->attn_out, err)) != NS_OK ||
        (rc = read_factor(c, "key_multiplier", &x->key, err)) != NS_OK ||
        (rc = read_factor(c, "ssm_in_multiplier", &x->ssm_in, err)) != NS_OK ||
        (rc = read_factor(c, "ssm_out_multiplier", &x->ssm_out, err)) != NS_OK ||
        (rc = read_factors(c, "ssm_multipliers", 5, x->ssm, err)) != NS_OK ||
        (rc = read_factors(c, "mlp_multipliers", 2, mlp, err)) != NS_OK)
        return rc;
    x->given = true;
    x->gate = mlp[0];
    x->down = mlp[1];
    return NS_OK;
}

static int read(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    const cJSON *const width = ns_config_get(c, "mamba_d_ssm");
    int64_t inner, expand;
    bool norm;
    int rc;
    if ((rc = ns_config_i64(c, "mamba_expand", 2, 1, 1024, &expand, err)) != NS_OK ||
        (rc = ns_config_i64(c, "mamba_d_ssm", width ? expand * f->d_model : 1024, 1, NS_MAX_DIM, &inner, err)) != NS_OK ||
        (rc = ns_facts_mamba2(f, c, inner, "mamba_d_ssm", err)) != NS_OK ||
        (rc = ns_config_bool(c, "projectors_bias", false, &m->o_bias, err)) != NS_OK ||
        (rc = ns_config_bool(c, "mamba_rms_norm", false, &norm, err)) != NS_OK ||
        (rc = ns_config_bool(c, "mamba_norm_before_gate", true, &m->norm_first, err)) != NS_OK)
        return rc;
    m->own_o_bias = true;
    m->no_norm = !norm;
    m->norm_groups = norm ? m->groups : 0;
    if (inner % m->groups)
        return ns_fail(err, NS_E_FORMAT, "%s: mamba_d_ssm %lld is not a multiple of mamba_n_groups %lld", c->label, (long long)inner,
                       (long long)m->groups);
    return read_multipliers(f, c, err);
}

static void build(ns_builder *b, ns_branch *branch)
{
    static const char *const keys[] = {"gate_factor", "v_factor", "k_factor", "q_factor", "step_factor"};
    const ns_factors *const x = &b->f->factors;
    ns_build_mamba2(b, branch, "mamba.");
    branch->in_scale = (float)x->ssm_in;
    branch->out_scale = (float)x->ssm_out;
    for (int i = 0; i < 5; i++)
        ns_build_number(b, branch, keys[i], x->ssm[i]);
}

static const ns_recurrent recurrent = {.type = "mamba", .mixer = "recurrence", .beside = true, .read = read, .build = build};

const ns_family ns_family_falcon_h1 = {
    .type = "falcon_h1", .names = &names,
    .defaults = {.vocab = 128000, .d_model = 4096, .d_ff = 14336, .layers = 32, .heads = 32, .kv_heads = 8, .positions = 8192,
                 .eps = 1e-5, .theta = 1e5, .act = "silu"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_FALSE, .ffn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL, .recurrent = &recurrent,
    .harmless = harmless, .ignored = ignored,
};
