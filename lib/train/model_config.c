/* model_config.c - the config.json of a checkpoint of letters, which says by train_config_sha256 what run it is of.
 *
 * Every pattern can be said by the own model_type "needlescope": layer_kinds, windows, nope and mlp beside the usual keys. Where a class of
 * transformers or of flash-linear-attention computes the same, the checkpoint is written as that class has it: each layout of the table is
 * tried, and holds the model if what is read back from its config.json is the own description but for the names of tensors. */
#include "train/internal.h"

#include <stdio.h>
#include <stdlib.h>
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

/* ---- what layouts share ---- */

bool ns_train_add_numbers(cJSON *o, const ns_train_number *list)
{
    bool ok = true;
    for (; list->key && ok; list++)
        ok = cJSON_AddNumberToObject(o, list->key, list->value) != NULL;
    return ok;
}

bool ns_train_add_item(cJSON *list, cJSON *item)
{
    return item && cJSON_AddItemToArray(list, item);
}

/* Without explicit nulls a class would pad with a token beyond a small vocabulary. */
bool ns_train_add_class(cJSON *o, const char *name)
{
    cJSON *const architectures = cJSON_AddArrayToObject(o, "architectures");
    return architectures && ns_train_add_item(architectures, cJSON_CreateString(name)) && cJSON_AddNullToObject(o, "pad_token_id") &&
           cJSON_AddNullToObject(o, "bos_token_id") && cJSON_AddNullToObject(o, "eos_token_id");
}

bool ns_train_add_llama(cJSON *o, const ns_train_config *c)
{
    const ns_train_number numbers[] = {
        {"num_attention_heads", (double)c->heads}, {"num_key_value_heads", (double)ns_train_kv_heads(c)},
        {"rms_norm_eps", c->rms_eps}, {"rope_theta", c->rope_theta}, {NULL, 0},
    };
    return ns_train_add_numbers(o, numbers) &&
           cJSON_AddStringToObject(o, "hidden_act", c->mlp == NS_MLP_SWIGLU ? "silu" : "relu");
}

static bool add_common(cJSON *o, const ns_train_config *c)
{
    const ns_train_number numbers[] = {
        {"vocab_size", (double)c->vocab}, {"hidden_size", (double)c->d_model}, {"intermediate_size", (double)c->d_ff},
        {"num_hidden_layers", (double)strlen(c->pattern)}, {"max_position_embeddings", (double)c->max_positions}, {NULL, 0},
    };
    return ns_train_add_numbers(o, numbers) && cJSON_AddBoolToObject(o, "tie_word_embeddings", c->tied) &&
           cJSON_AddStringToObject(o, "torch_dtype", "float32");
}

/* ---- the own one ---- */

static bool add_own(cJSON *o, const ns_train_config *c)
{
    cJSON *const kinds = cJSON_AddArrayToObject(o, "layer_kinds"), *const windows = cJSON_AddArrayToObject(o, "windows"),
                 *const nope = cJSON_AddArrayToObject(o, "nope");
    bool ok = kinds && windows && nope;
    for (int64_t i = 0; c->pattern[i] && ok; i++) {
        const int64_t window = ns_train_window(c, i);
        const char *const recurrent = ns_train_recurrent(c->pattern[i]);
        const bool half = c->pattern[i] == 'H';
        ok = ns_train_add_item(kinds, cJSON_CreateString(recurrent ? recurrent : half ? "half" : window ? "swa" : "full"))
             && ns_train_add_item(windows, cJSON_CreateNumber((double)window))
             && ns_train_add_item(nope, cJSON_CreateBool(!ns_train_rotates(c, i)));
    }
    return ok && ns_train_add_llama(o, c) && cJSON_AddNumberToObject(o, "head_dim", (double)ns_train_head_dim(c)) &&
           cJSON_AddStringToObject(o, "mlp", c->mlp == NS_MLP_SWIGLU ? "swiglu" : "relu");
}

const ns_train_layout ns_train_layout_own = {"needlescope", "needlescope", NULL, add_own};

/* ---- the table ---- */

static const ns_train_layout *const layouts[] = {
    &ns_train_layout_smollm3, &ns_train_layout_gated_deltanet, &ns_train_layout_gla, &ns_train_layout_granitemoehybrid,
    &ns_train_layout_own,
};
enum { N_LAYOUTS = sizeof layouts / sizeof *layouts };

const ns_train_layout *ns_train_layout_named(const char *type)
{
    for (int i = 0; i < N_LAYOUTS; i++)
        if (strcmp(layouts[i]->type, type) == 0)
            return layouts[i];
    return NULL;
}

int ns_train_model_config(const ns_train_config *c, const ns_train_layout *layout, char **out, ns_error *err)
{
    char hex[65];
    int rc = ns_train_config_sha256(c, hex, err);
    if (rc != NS_OK)
        return rc;
    cJSON *const o = cJSON_CreateObject();
    const bool ok = o && cJSON_AddStringToObject(o, "model_type", layout->type) && add_common(o, c) && layout->add(o, c) &&
                    cJSON_AddStringToObject(o, "train_config_sha256", hex);
    *out = ok ? ns_json_print(o, true) : NULL;
    cJSON_Delete(o);
    return *out ? NS_OK : ns_oom(err, "config.json");
}

int ns_train_layout_arch(ns_arch **out, const ns_train_config *c, const ns_train_layout *layout, ns_error *err)
{
    char *json = NULL;
    *out = NULL;
    int rc = ns_train_model_config(c, layout, &json, err);
    if (rc == NS_OK)
        rc = ns_arch_from_config(out, json, strlen(json), "config", NULL, err);
    free(json);
    return rc;
}

/* Has the pattern a recurrent layer of this layout's, or none where it has none? */
static bool is_candidate(const ns_train_layout *l, const ns_train_config *c)
{
    const size_t attention = strspn(c->pattern, NS_TRAIN_ATTENTION);
    return l->letters && (l->letters[0] ? strpbrk(c->pattern, l->letters) != NULL : c->pattern[attention] == '\0');
}

int ns_train_layout_try(ns_arch **out, const ns_train_config *c, const ns_train_layout *l, const ns_arch *own, char *why, ns_error *err)
{
    ns_error refused = {0};
    char where[160];
    why[0] = '\0';
    const int rc = ns_train_layout_arch(out, c, l, &refused);
    if (rc == NS_E_MEMORY)
        return ns_oom(err, "the description of a model");
    if (rc == NS_OK && ns_arch_same(own, *out, where, sizeof where))
        return NS_OK;
    snprintf(why, NS_TRAIN_WHY, "not as %s (%s): %.180s", l->type, l->of, rc == NS_OK ? where : refused.message);
    ns_arch_free(*out);
    *out = NULL;
    return NS_OK;
}

int ns_train_layout_choose(const ns_train_layout **out, ns_arch **arch, const ns_train_config *c, const ns_arch *own, char *why,
                           ns_error *err)
{
    snprintf(why, NS_TRAIN_WHY, "no class of transformers or flash-linear-attention has such layers");
    *out = &ns_train_layout_own;
    for (int i = 0; i < N_LAYOUTS; i++) {
        const int rc = is_candidate(layouts[i], c) ? ns_train_layout_try(arch, c, layouts[i], own, why, err) : NS_OK;
        if (rc == NS_OK && *arch)
            *out = layouts[i];
        if (rc != NS_OK || *arch)
            return rc;
    }
    return NS_OK;
}
