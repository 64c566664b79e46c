/* layout_smollm3.c - SmolLM3 of transformers: attention alone, one window of all heads, rope or none by layer, a gated MLP. */
#include "model/families/layout.h"

static bool suits(const ns_sketch *s)
{
    return !s->mixer;
}

static int64_t first_window(const ns_sketch *s)        /* 0: none */
{
    for (int64_t i = 0; i < s->a->n_layers; i++)
        if (ns_sketch_window(s, i))
            return ns_sketch_window(s, i);
    return 0;
}

static bool add(cJSON *o, const ns_sketch *s)
{
    const int64_t window = first_window(s);
    cJSON *const types = cJSON_AddArrayToObject(o, "layer_types");
    cJSON *const rotates = cJSON_AddArrayToObject(o, "no_rope_layers");              /* 1 = the layer rotates */
    bool ok = types && rotates;
    for (int64_t i = 0; i < s->a->n_layers && ok; i++)
        ok = ns_layout_item(types, cJSON_CreateString(ns_sketch_window(s, i) ? "sliding_attention" : "full_attention"))
             && ns_layout_item(rotates, cJSON_CreateNumber(ns_sketch_rotates(s, i)));
    ok = ok && ns_layout_llama(o, s) && cJSON_AddNumberToObject(o, "head_dim", (double)s->heads->head_dim) &&
         cJSON_AddBoolToObject(o, "use_sliding_window", window > 0);
    ok = ok && (window ? cJSON_AddNumberToObject(o, "sliding_window", (double)window) : cJSON_AddNullToObject(o, "sliding_window"));
    return ok && cJSON_AddFalseToObject(o, "attention_bias") && cJSON_AddFalseToObject(o, "mlp_bias") &&
           ns_layout_class(o, "SmolLM3ForCausalLM");
}

const ns_layout_row ns_layout_smollm3 = {"smollm3", "transformers", suits, add};
