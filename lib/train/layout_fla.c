/* layout_fla.c - Gated DeltaNet and GLA of flash-linear-attention, between layers of softmax attention that `attn` names: one object for
 * each window. Its attention rotates in every layer, and its MLP is gated. */
#include "train/internal.h"

/* The layers of layer i's window, when it is the first of them. */
static cJSON *layers_like(const ns_train_config *c, int64_t i)
{
    cJSON *const list = cJSON_CreateArray();
    bool ok = list != NULL;
    for (int64_t j = 0; c->pattern[j] && ok; j++)
        if (!ns_train_recurrent(c->pattern[j]) && ns_train_window(c, j) == ns_train_window(c, i))
            ok = ns_train_add_item(list, cJSON_CreateNumber((double)j));
    if (ok)
        return list;
    cJSON_Delete(list);
    return NULL;
}

static bool add_spec(cJSON *attn, const ns_train_config *c, int64_t i)
{
    cJSON *const o = cJSON_CreateObject(), *const layers = layers_like(c, i);
    const ns_train_number numbers[] = {{"num_heads", (double)c->heads}, {"num_kv_heads", (double)ns_train_kv_heads(c)},
                                       {"rope_theta", c->rope_theta}, {NULL, 0}};
    const int64_t window = ns_train_window(c, i);
    if (!ns_train_add_item(attn, o) || !layers || !cJSON_AddItemToObject(o, "layers", layers)) {
        cJSON_Delete(layers);
        return false;
    }
    return ns_train_add_numbers(o, numbers) && cJSON_AddFalseToObject(o, "qkv_bias") &&
           (window ? cJSON_AddNumberToObject(o, "window_size", (double)window) : cJSON_AddNullToObject(o, "window_size"));
}

static bool is_first(const ns_train_config *c, int64_t i)
{
    for (int64_t j = 0; j < i; j++)
        if (!ns_train_recurrent(c->pattern[j]) && ns_train_window(c, j) == ns_train_window(c, i))
            return false;
    return !ns_train_recurrent(c->pattern[i]);
}

static bool add_block(cJSON *o, const ns_train_config *c)
{
    const ns_train_number numbers[] = {{"num_heads", (double)c->heads}, {"expand_v", 1}, {"norm_eps", c->rms_eps}, {NULL, 0}};
    cJSON *const attn = cJSON_AddArrayToObject(o, "attn");
    bool ok = attn && ns_train_add_numbers(o, numbers) && cJSON_AddStringToObject(o, "hidden_act", "swish");
    for (int64_t i = 0; c->pattern[i] && ok; i++)
        ok = !is_first(c, i) || add_spec(attn, c, i);
    return ok && (cJSON_GetArraySize(attn) || cJSON_ReplaceItemInObject(o, "attn", cJSON_CreateNull()));
}

static bool add_gated_deltanet(cJSON *o, const ns_train_config *c)
{
    return add_block(o, c) && cJSON_AddNumberToObject(o, "head_dim", (double)ns_train_head_dim(c)) &&
           cJSON_AddBoolToObject(o, "use_short_conv", strchr(c->pattern, 'D') != NULL) && ns_train_add_class(o, "GatedDeltaNetForCausalLM");
}

static bool add_gla(cJSON *o, const ns_train_config *c)
{
    return add_block(o, c) && cJSON_AddNumberToObject(o, "expand_k", 1) && cJSON_AddFalseToObject(o, "use_short_conv") &&
           ns_train_add_class(o, "GLAForCausalLM");
}

const ns_train_layout ns_train_layout_gated_deltanet = {"gated_deltanet", "flash-linear-attention", "Dd", add_gated_deltanet};
const ns_train_layout ns_train_layout_gla = {"gla", "flash-linear-attention", "Ll", add_gla};
