/* layout_smollm3.c - SmolLM3 of transformers: attention alone, one window of all heads, rope or none by layer, a gated MLP. */
#include "train/internal.h"

static int64_t first_window(const ns_train_config *c)        /* 0: none */
{
    for (int64_t i = 0; c->pattern[i]; i++)
        if (ns_train_window(c, i))
            return ns_train_window(c, i);
    return 0;
}

static bool add(cJSON *o, const ns_train_config *c)
{
    const int64_t window = first_window(c);
    cJSON *const types = cJSON_AddArrayToObject(o, "layer_types");
    cJSON *const rotates = cJSON_AddArrayToObject(o, "no_rope_layers");              /* 1 = the layer rotates */
    bool ok = types && rotates;
    for (int64_t i = 0; c->pattern[i] && ok; i++)
        ok = ns_train_add_item(types, cJSON_CreateString(ns_train_window(c, i) ? "sliding_attention" : "full_attention"))
             && ns_train_add_item(rotates, cJSON_CreateNumber(ns_train_rotates(c, i)));
    ok = ok && ns_train_add_llama(o, c) && cJSON_AddNumberToObject(o, "head_dim", (double)ns_train_head_dim(c)) &&
         cJSON_AddBoolToObject(o, "use_sliding_window", window > 0);
    ok = ok && (window ? cJSON_AddNumberToObject(o, "sliding_window", (double)window) : cJSON_AddNullToObject(o, "sliding_window"));
    return ok && cJSON_AddFalseToObject(o, "attention_bias") && cJSON_AddFalseToObject(o, "mlp_bias") &&
           ns_train_add_class(o, "SmolLM3ForCausalLM");
}

const ns_train_layout ns_train_layout_smollm3 = {"smollm3", "transformers", "", add};
