/* model_config.c - the config.json of a checkpoint, which says by train_config_sha256 what run it is of: smollm3 where transformers' class
 * can hold the model (gated MLP, one window of all heads, no recurrent layer), else the own model_type "needlescope": layer_kinds, windows,
 * nope and mlp beside the usual keys. */
#include "train/internal.h"

#include <string.h>

static int64_t common_window(const ns_train_config *c)        /* 0: none; -1: several */
{
    int64_t window = 0;
    for (int64_t i = 0; c->pattern[i]; i++) {
        const int64_t w = ns_train_window(c, i);
        if (w && window && w != window)
            return -1;
        window = w ? w : window;
    }
    return window;
}

const char ns_train_recurrent_letters[] = "G (Lightning), M (Mamba-2), D (Gated DeltaNet), d (without its convolution) and L (GLA)";
const char *ns_train_recurrent(char letter)
{
    static const struct { char letter; const char *kind; } all[] = {
        {'G', "lightning"}, {'M', "mamba2"}, {'D', "gated_deltanet"}, {'d', "gated_deltanet_plain"}, {'L', "gla"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].letter == letter)
            return all[i].kind;
    return NULL;
}

static bool is_smollm3(const ns_train_config *c)
{
    return c->mlp == NS_MLP_SWIGLU && common_window(c) >= 0 && !c->pattern[strspn(c->pattern, "SsF")];
}

static bool add_common(cJSON *o, const ns_train_config *c)
{
    const struct { const char *key; double value; } numbers[] = {
        {"vocab_size", (double)c->vocab}, {"hidden_size", (double)c->d_model}, {"intermediate_size", (double)c->d_ff},
        {"num_hidden_layers", (double)strlen(c->pattern)},
        {"num_attention_heads", (double)c->heads}, {"num_key_value_heads", (double)ns_train_kv_heads(c)},
        {"head_dim", (double)ns_train_head_dim(c)},
        {"max_position_embeddings", (double)c->max_positions}, {"rms_norm_eps", c->rms_eps}, {"rope_theta", c->rope_theta},
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && ok; i++)
        ok = cJSON_AddNumberToObject(o, numbers[i].key, numbers[i].value) != NULL;
    return ok && cJSON_AddStringToObject(o, "hidden_act", c->mlp == NS_MLP_SWIGLU ? "silu" : "relu") &&
           cJSON_AddBoolToObject(o, "tie_word_embeddings", c->tied) && cJSON_AddStringToObject(o, "torch_dtype", "float32");
}

static bool add_item(cJSON *list, cJSON *item)
{
    return item && cJSON_AddItemToArray(list, item);
}

/* Without explicit nulls the class would pad with a token beyond a small vocabulary. */
static bool add_smollm3(cJSON *o, const ns_train_config *c)
{
    const int64_t window = common_window(c);
    cJSON *const architectures = cJSON_AddArrayToObject(o, "architectures"), *const types = cJSON_AddArrayToObject(o, "layer_types");
    cJSON *const rotates = cJSON_AddArrayToObject(o, "no_rope_layers");              /* 1 = the layer rotates */
    bool ok = architectures && types && rotates && add_item(architectures, cJSON_CreateString("SmolLM3ForCausalLM"));
    for (int64_t i = 0; c->pattern[i] && ok; i++)
        ok = add_item(types, cJSON_CreateString(ns_train_window(c, i) ? "sliding_attention" : "full_attention"))
             && add_item(rotates, cJSON_CreateNumber(ns_train_rotates(c, i)));
    ok = ok && cJSON_AddBoolToObject(o, "use_sliding_window", window > 0);
    ok = ok && (window ? cJSON_AddNumberToObject(o, "sliding_window", (double)window) : cJSON_AddNullToObject(o, "sliding_window"));
    return ok && cJSON_AddFalseToObject(o, "attention_bias") && cJSON_AddFalseToObject(o, "mlp_bias") &&
           cJSON_AddNullToObject(o, "pad_token_id") && cJSON_AddNullToObject(o, "bos_token_id") && cJSON_AddNullToObject(o, "eos_token_id");
}

static bool add_own(cJSON *o, const ns_train_config *c)
{
    cJSON *const kinds = cJSON_AddArrayToObject(o, "layer_kinds"), *const windows = cJSON_AddArrayToObject(o, "windows"),
                 *const nope = cJSON_AddArrayToObject(o, "nope");
    bool ok = kinds && windows && nope;
    for (int64_t i = 0; c->pattern[i] && ok; i++) {
        const int64_t window = ns_train_window(c, i);
        const char *const recurrent = ns_train_recurrent(c->pattern[i]);
        const bool half = c->pattern[i] == 'H';
        ok = add_item(kinds, cJSON_CreateString(recurrent ? recurrent : half ? "half" : window ? "swa" : "full"))
             && add_item(windows, cJSON_CreateNumber((double)window)) && add_item(nope, cJSON_CreateBool(!ns_train_rotates(c, i)));
    }
    return ok && cJSON_AddStringToObject(o, "mlp", c->mlp == NS_MLP_SWIGLU ? "swiglu" : "relu");
}

int ns_train_model_config(const ns_train_config *c, char **out, ns_error *err)
{
    const bool smollm3 = is_smollm3(c);
    char hex[65];
    int rc = ns_train_config_sha256(c, hex, err);
    if (rc != NS_OK)
        return rc;
    cJSON *const o = cJSON_CreateObject();
    const bool ok = o && cJSON_AddStringToObject(o, "model_type", smollm3 ? "smollm3" : "needlescope") && add_common(o, c)
                    && (smollm3 ? add_smollm3(o, c) : add_own(o, c)) && cJSON_AddStringToObject(o, "train_config_sha256", hex);
    *out = ok ? ns_json_print(o, true) : NULL;
    cJSON_Delete(o);
    return *out ? NS_OK : ns_oom(err, "config.json");
}
