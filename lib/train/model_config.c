/* model_config.c - the own config.json of a model of letters, which can say every pattern: model_type "needlescope", layer_kinds, windows,
 * nope and mlp beside the usual keys. */
#include "train/internal.h"

#include <string.h>

const char ns_train_recurrent_letters[] = "G (Lightning), M (Mamba-2), m (its heads share q and k), D (Gated DeltaNet), d (without its "
                                          "convolution), L (GLA) and l (its decay through 16 numbers)";
const char *ns_train_recurrent(char letter)
{
    static const struct { char letter; const char *kind; } all[] = {
        {'G', "lightning"}, {'M', "mamba2"}, {'m', "mamba2_shared"}, {'D', "gated_deltanet"}, {'d', "gated_deltanet_plain"},
        {'L', "gla"}, {'l', "gla_thin"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].letter == letter)
            return all[i].kind;
    return NULL;
}

static bool add_numbers(cJSON *o, const ns_train_config *c)
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
    return ok;
}

static bool add_item(cJSON *list, cJSON *item)
{
    return item && cJSON_AddItemToArray(list, item);
}

static bool add_layers(cJSON *o, const ns_train_config *c)
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
    return ok;
}

int ns_train_model_config(const ns_train_config *c, char **out, ns_error *err)
{
    const bool gated = c->mlp == NS_MLP_SWIGLU;
    cJSON *const o = cJSON_CreateObject();
    const bool ok = o && cJSON_AddStringToObject(o, "model_type", NS_TRAIN_OWN_TYPE) && add_numbers(o, c) &&
                    cJSON_AddStringToObject(o, "hidden_act", gated ? "silu" : "relu") &&
                    cJSON_AddBoolToObject(o, "tie_word_embeddings", c->tied) && cJSON_AddStringToObject(o, "torch_dtype", "float32") &&
                    add_layers(o, c) && cJSON_AddStringToObject(o, "mlp", gated ? "swiglu" : "relu");
    *out = ok ? ns_json_print(o, true) : NULL;
    cJSON_Delete(o);
    return *out ? NS_OK : ns_oom(err, "config.json");
}
