/* olmo.c - the OLMo line: olmo (pre-norm, LayerNorm without any weight, clipped q k v) and the post-norm families
 * x += rms(attn x); x += rms(ffn x): olmo2 and olmo3 (QK-norm over the whole projection), exaone4 (QK-norm per head); olmo_hybrid has such
 * layers, and pre-norm ones of Gated DeltaNet. */
#include "model/families/family.h"

#define POST(attention_norm)                                                                                                           \
    .prefixes = {"model.", ""}, .embed = "embed_tokens.weight", .final_norm = "norm", .layers = "layers.", .head = "lm_head.weight",    \
    .attn_out_norm = attention_norm, .ffn_out_norm = "post_feedforward_layernorm",                                                      \
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",                                 \
    .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm",                                                                         \
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj"

static const ns_names names_post = {POST("post_attention_layernorm")};
static const char *const buffers[] = {"*.rotary_emb.inv_freq", "*.rotary_embs.*.inv_freq", NULL};
static const char *const exaone4_harmless[] = {"sliding_window_pattern", NULL};   /* unused when layer_types or no window is given */

/* The LayerNorm's eps is 1e-5 in the code, not in the config. */
const ns_family ns_family_olmo = {
    .type = "olmo", .names = &ns_names_llama,
    .defaults = {.vocab = 50304, .d_model = 4096, .d_ff = 11008, .layers = 32, .heads = 32,
                 .positions = 2048, .eps = 1e-5, .theta = 1e4, .act = "silu"},
    .norm = NS_NORM_LAYER, .norm_plain = true, .eps_fixed = true, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL, .clip_key = true,
    .ignored = buffers,
};

const ns_family ns_family_olmo2 = {
    .type = "olmo2", .names = &names_post,
    .defaults = {.vocab = 50304, .d_model = 4096, .d_ff = 11008, .layers = 32, .heads = 32,
                 .positions = 2048, .eps = 1e-5, .theta = 1e4, .act = "silu"},
    .block = NS_BLOCK_POST, .norm = NS_NORM_RMS, .qk_norm = NS_QK_FULL, .attn_bias = NS_BIAS_KEY_FALSE, .rope = NS_ROPES_ALL,
    .ignored = buffers,
};

const ns_family ns_family_olmo3 = {
    .type = "olmo3", .names = &names_post,
    .defaults = {.vocab = 50304, .d_model = 4096, .d_ff = 11008, .layers = 32, .heads = 32,
                 .positions = 2048, .window = 4096, .pattern = 4, .eps = 1e-5, .theta = 1e4, .act = "silu"},
    .block = NS_BLOCK_POST, .norm = NS_NORM_RMS, .qk_norm = NS_QK_FULL, .attn_bias = NS_BIAS_KEY_FALSE,
    .window = NS_WINDOW_PATTERN, .fixed_pattern = true, .layer_types = true, .rope = NS_ROPES_UNSCALED, .ignored = buffers,
};

const ns_family ns_family_exaone4 = {
    .type = "exaone4", .names = &names_post,
    .defaults = {.vocab = 102400, .d_model = 4096, .d_ff = 16384, .layers = 32, .heads = 32, .kv_heads = 32,
                 .positions = 2048, .window = 4096, .pattern = 4, .eps = 1e-5, .theta = 1e4, .act = "silu"},
    .block = NS_BLOCK_POST, .norm = NS_NORM_RMS, .qk_norm = NS_QK_PER_HEAD,
    .window = NS_WINDOW_PATTERN, .layer_types = true, .rope = NS_ROPES_HYBRID, .harmless = exaone4_harmless, .ignored = buffers,
};

/* ---- olmo_hybrid ---- */

/* The norms, as transformers calls them and as the first releases do; transformers 5 writes the latter for all layers. */
static const ns_names names_hybrid = {POST("post_attention_layernorm|feedforward_layer_norm")};
static const ns_names names_pre = {
    .attn_in_norm = "input_layernorm|attention_layer_norm", .ffn_in_norm = "post_attention_layernorm|feedforward_layer_norm",
};
static const char *const hybrid_harmless[] = {"linear_a_log_*", "linear_dt_*", NULL};

/* An absent size of the recurrence follows from those of the model. Every fourth layer has attention where layer_types does not say, and
 * the last one where that would be none. */
static int read_hybrid(ns_facts *f, ns_config *c, ns_error *err)
{
    ns_mixer_facts *const m = &f->mixer;
    int rc;
    if ((rc = ns_config_i64(c, "linear_num_key_heads", f->heads, 1, 65536, &m->groups, err)) != NS_OK ||
        (rc = ns_config_i64(c, "linear_num_value_heads", f->heads, 1, 65536, &m->heads, err)) != NS_OK ||
        (rc = ns_config_i64(c, "linear_key_head_dim", 3 * f->d_model / (4 * m->groups), 1, 65536, &m->key_dim, err)) != NS_OK ||
        (rc = ns_config_i64(c, "linear_value_head_dim", 2 * m->key_dim, 1, 65536, &m->value_dim, err)) != NS_OK ||
        (rc = ns_config_i64(c, "linear_conv_kernel_dim", 4, 1, 1024, &m->taps, err)) != NS_OK ||
        (rc = ns_config_bool(c, "linear_allow_neg_eigval", true, &m->negative, err)) != NS_OK ||
        (rc = ns_facts_silu(f, c, NS_SHORT_CONV_ACT, err)) != NS_OK)
        return rc;
    if (m->heads % m->groups)
        return ns_fail(err, NS_E_FORMAT, "%s: linear_num_value_heads %lld is not a multiple of linear_num_key_heads %lld", c->label,
                       (long long)m->heads, (long long)m->groups);
    for (int64_t i = 0; i < f->layers; i++)
        f->recurrent[i] = i % 4 != 3 && !(f->layers < 4 && i == f->layers - 1);
    return NS_OK;
}

/* The norm of its output has an eps of its own in the code. */
static void build_hybrid(ns_builder *b, ns_branch *branch)
{
    static const ns_delta_names in = {
        .module = "linear_attn.", .q = "q_proj", .k = "k_proj", .v = "v_proj", .z = "g_proj", .write = "b_proj", .step = "a_proj",
        .conv = "conv1d.weight", .q_conv = "q_conv1d.weight", .k_conv = "k_conv1d.weight", .v_conv = "v_conv1d.weight",
        .cut_conv = "{q,k,v}_conv1d.weight", .o = "o_proj", .step_bias = "dt_bias", .rate = "A_log", .norm = "o_norm",
    };
    ns_build_gated_deltanet(b, branch, &in)->eps = 1e-5f;
}

static const ns_recurrent hybrid = {.type = "linear_attention", .mixer = "recurrence", .names = &names_pre, .read = read_hybrid,
                                    .build = build_hybrid};

const ns_family ns_family_olmo_hybrid = {
    .type = "olmo_hybrid", .names = &names_hybrid,
    .defaults = {.vocab = 100352, .d_model = 3840, .d_ff = 11008, .layers = 32, .heads = 30,
                 .positions = 65536, .eps = 1e-6, .theta = 1e4, .act = "silu"},
    .block = NS_BLOCK_POST, .norm = NS_NORM_RMS, .qk_norm = NS_QK_FULL, .attn_bias = NS_BIAS_KEY_FALSE, .layer_types = true,
    .rope = NS_ROPES_STATED, .recurrent = &hybrid, .harmless = hybrid_harmless, .ignored = buffers,
};
