/* nemotron_h.c - Nemotron-H (arXiv 2504.03624): each layer is one branch: Mamba-2, attention without rope, an MLP of squared relu, or
 * experts of such. */
#include "model/families/family.h"
#include <string.h>

static const ns_names names = {
    .prefixes = {"backbone.", "model.", ""}, .embed = "embeddings.weight", .final_norm = "norm_f", .layers = "layers.",
    .head = "lm_head.weight", .attn_in_norm = "norm", .ffn_in_norm = "norm",
    .q = "mixer.q_proj", .k = "mixer.k_proj", .v = "mixer.v_proj", .o = "mixer.o_proj", .up = "mixer.up_proj", .down = "mixer.down_proj",
};
static const char *const harmless[] = {"chunk_size", "expand", "time_step_floor", "time_step_max", "time_step_min",
                                       "time_step_rank", "residual_in_fp32", "rescale_prenorm_residual",
                                       "use_mamba_kernels", "num_logits_to_keep", "mamba_ssm_cache_dtype", "mamba_proj_bias",
                                       "moe_shared_expert_overlap", "attention_head_dim",
                                       "num_nextn_predict_layers", "mtp_*", "n_shared_experts", NULL};
static const char *const ignored[] = {"mtp.*", NULL};
static const char *const blocks[] = {"layers_block_type", "hybrid_override_pattern", NULL};

enum { MAMBA, ATTENTION, MLP, EXPERTS };

/* A word of the list, or a letter of the pattern. */
static int kind_of(const cJSON *list, int64_t i)
{
    static const ns_word words[] = {{"linear_attention", MAMBA}, {"mamba", MAMBA}, {"M", MAMBA}, {"full_attention", ATTENTION},
                                    {"attention", ATTENTION}, {"*", ATTENTION}, {"mlp", MLP}, {"-", MLP}, {"moe", EXPERTS},
                                    {"E", EXPERTS}, {NULL, 0}};
    const char letter[2] = {cJSON_IsString(list) ? list->valuestring[i] : 0, 0};
    const char *const word = letter[0] ? letter : cJSON_GetStringValue(cJSON_GetArrayItem(list, (int)i));
    int kind;
    return word && ns_word_find(words, word, &kind) ? kind : -1;
}

/* Where the pattern is set beside the list: entry by entry the same (ns_facts_read has counted the list's alone). */
static int check_both(const ns_facts *f, ns_config *c, const cJSON *list, ns_error *err)
{
    const cJSON *const pattern = ns_config_get(c, blocks[1]);
    if (!list || !cJSON_IsString(pattern))
        return NS_OK;
    const int64_t n = (int64_t)strlen(pattern->valuestring);
    int64_t i = 0;
    while (i < f->layers && i < n && kind_of(list, i) == kind_of(pattern, i))
        i++;
    if (i == f->layers && i == n)
        return NS_OK;
    return ns_fail(err, NS_E_FORMAT, "%s: %s and %s are both set, and do not agree on layer %lld: take one of them out", c->label,
                   blocks[0], blocks[1], (long long)i);
}

static int refuse_entry(const ns_config *c, const char *key, const cJSON *list, int64_t i, ns_error *err)
{
    const char letter[2] = {cJSON_IsString(list) ? list->valuestring[i] : 0, 0}, *name = letter;
    const int rc = letter[0] ? NS_OK : ns_config_name_at(c, key, cJSON_GetArrayItem(list, (int)i), i, &name, err);
    return rc != NS_OK ? rc : ns_fail(err, NS_E_UNSUPPORTED, "%s: %s[%lld] '%.40s' is none of M (mamba), * (attention), - (mlp), E (moe)",
                                      c->label, key, (long long)i, name);
}

static int read_layers(ns_facts *f, ns_config *c, ns_error *err)
{
    static const int otherwise[] = {MAMBA, EXPERTS, ATTENTION, MLP};       /* of a config that says nothing */
    const cJSON *list = NULL;
    int k = 0;
    while (blocks[k] && !((list = ns_config_get(c, blocks[k])) && !cJSON_IsNull(list)))
        k++;
    const int rc = k == 0 ? check_both(f, c, list, err) : NS_OK;
    if (rc != NS_OK)
        return rc;
    for (int64_t i = 0; i < f->layers; i++) {
        const int kind = blocks[k] ? kind_of(list, i) : otherwise[i % 4];
        if (kind < 0)
            return refuse_entry(c, blocks[k], list, i, err);
        f->recurrent[i] = kind == MAMBA;
        f->sparse[i] = kind == EXPERTS;
        f->mlp[i] = kind == MLP || kind == EXPERTS;
    }
    return NS_OK;
}

static int read(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    const char *act;
    int64_t latent;
    int rc;
    if (f->attn_bias)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: attention_bias is true: nemotron_h in transformers has none whatever it says (set it to "
                       "false, or describe the model with --arch)", c->label);
    if ((rc = read_layers(f, c, err)) != NS_OK ||
        (rc = ns_config_i64(c, "mamba_num_heads", 128, 1, 65536, &m->heads, err)) != NS_OK ||
        (rc = ns_config_i64(c, "mamba_head_dim", 64, 1, 65536, &m->value_dim, err)) != NS_OK ||
        (rc = ns_config_i64(c, "n_groups", 8, 1, 65536, &m->groups, err)) != NS_OK ||
        (rc = ns_config_i64(c, "ssm_state_size", 128, 1, 65536, &m->key_dim, err)) != NS_OK ||
        (rc = ns_config_i64(c, "conv_kernel", 4, 1, 1024, &m->taps, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_bias", false, &m->bias, err)) != NS_OK ||
        (rc = ns_config_bool(c, "use_conv_bias", true, &m->conv_bias, err)) != NS_OK ||
        (rc = ns_config_str(c, "mamba_hidden_act", "silu", &act, err)) != NS_OK ||
        (rc = ns_config_i64(c, "moe_latent_size", 0, 0, NS_MAX_DIM, &latent, err)) != NS_OK)
        return rc;
    if ((rc = ns_facts_step_limit(m, c, "time_step_limit", err)) != NS_OK)
        return rc;
    if (m->heads % m->groups)
        return ns_fail(err, NS_E_FORMAT, "%s: mamba_num_heads %lld is not a multiple of n_groups %lld", c->label, (long long)m->heads,
                       (long long)m->groups);
    if (strcmp(act, "silu") != 0)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: mamba_hidden_act '%.40s' is not supported (silu is)", c->label, act);
    if (latent)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: moe_latent_size %lld: there is no class of branches for experts of a latent width",
                       c->label, (long long)latent);
    m->norm_groups = m->groups;
    return NS_OK;
}

static void build(ns_builder *b, ns_branch *branch)
{
    ns_build_mamba2(b, branch, "mixer.");
    ns_build_word(b, branch, "qkv_act", "silu");
}

static const ns_mixture mixture = {
    .keys = {.n = "n_routed_experts", .d_ff = "moe_intermediate_size", .d_shared = "moe_shared_expert_intermediate_size",
             .normalise = "norm_topk_prob"},
    .defaults = {.n = 8, .top_k = 2, .d_ff = 7688, .d_shared = 7688, .normalise = true}, .sparse = NS_SPARSE_SET,
    .routing = NS_ROUTING_SIGMOID, .scaled_groups = true, .router = "mixer.gate.weight",
    .choice_bias = "mixer.gate.e_score_correction_bias", .up = "mixer.experts.{}.up_proj.weight|mixer.experts.up_proj",
    .down = "mixer.experts.{}.down_proj.weight|mixer.experts.down_proj", .shared_up = "mixer.shared_experts.up_proj.weight",
    .shared_down = "mixer.shared_experts.down_proj.weight",
};
static const ns_recurrent recurrent = {.type = "mamba", .mixer = "recurrence", .read = read, .build = build};

const ns_family ns_family_nemotron_h = {
    .type = "nemotron_h", .names = &names, .keys = {.blocks = blocks, .act = "mlp_hidden_act", .eps = "layer_norm_epsilon"},
    .defaults = {.vocab = 131072, .d_model = 4096, .d_ff = 21504, .layers = 4, .heads = 32, .kv_heads = 8, .head_dim = 128,
                 .positions = 4096, .eps = 1e-5, .act = "relu2"},
    .norm = NS_NORM_RMS, .attn_bias = NS_BIAS_KEY_FALSE, .ffn_bias = NS_BIAS_KEY_FALSE, .alone = true, .recurrent = &recurrent,
    .mixture = &mixture, .harmless = harmless, .ignored = ignored,
};
