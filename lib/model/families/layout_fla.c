/* layout_fla.c - Gated DeltaNet and GLA of flash-linear-attention, between layers of softmax attention that `attn` names: one object for
 * each window. Its attention rotates in every layer, and its MLP is gated. */
#include "model/families/fields.h"
#include "model/families/layout.h"

static bool is_delta(const ns_sketch *s)
{
    return s->mixer && s->mixer->rule == RULE_DELTA;
}

static bool is_gla(const ns_sketch *s)
{
    return s->mixer && s->mixer->decay == DECAY_LOGSIGMOID;
}

/* The layers of layer i's window. */
static cJSON *layers_like(const ns_sketch *s, int64_t i)
{
    cJSON *const list = cJSON_CreateArray();
    bool ok = list != NULL;
    for (int64_t j = 0; j < s->a->n_layers && ok; j++)
        if (!ns_sketch_mixes(s, j) && ns_sketch_window(s, j) == ns_sketch_window(s, i))
            ok = ns_layout_item(list, cJSON_CreateNumber((double)j));
    if (ok)
        return list;
    cJSON_Delete(list);
    return NULL;
}

static bool add_spec(cJSON *attn, const ns_sketch *s, int64_t i)
{
    cJSON *const o = cJSON_CreateObject(), *const layers = layers_like(s, i);
    const ns_key numbers[] = {{"num_heads", (double)s->attn->n_heads}, {"num_kv_heads", (double)s->attn->n_kv_heads},
                              {"rope_theta", s->theta}, {NULL, 0}};
    const int64_t window = ns_sketch_window(s, i);
    if (!ns_layout_item(attn, o) || !layers || !cJSON_AddItemToObject(o, "layers", layers)) {
        cJSON_Delete(layers);
        return false;
    }
    return ns_layout_numbers(o, numbers) && cJSON_AddFalseToObject(o, "qkv_bias") &&
           (window ? cJSON_AddNumberToObject(o, "window_size", (double)window) : cJSON_AddNullToObject(o, "window_size"));
}

/* Is it the first layer of its window? */
static bool is_first(const ns_sketch *s, int64_t i)
{
    for (int64_t j = 0; j < i; j++)
        if (!ns_sketch_mixes(s, j) && ns_sketch_window(s, j) == ns_sketch_window(s, i))
            return false;
    return !ns_sketch_mixes(s, i);
}

static bool add_block(cJSON *o, const ns_sketch *s)
{
    const ns_key numbers[] = {{"num_heads", (double)s->mixer->heads.n_heads}, {"expand_v", 1},
                              {"norm_eps", ns_readable(s->a->final_norm.eps)}, {NULL, 0}};
    cJSON *const attn = cJSON_AddArrayToObject(o, "attn");
    bool ok = attn && ns_layout_numbers(o, numbers) && cJSON_AddStringToObject(o, "hidden_act", "swish");
    for (int64_t i = 0; i < s->a->n_layers && ok; i++)
        ok = !is_first(s, i) || add_spec(attn, s, i);
    return ok && (cJSON_GetArraySize(attn) || cJSON_ReplaceItemInObject(o, "attn", cJSON_CreateNull()));
}

static bool add_gated_deltanet(cJSON *o, const ns_sketch *s)
{
    return add_block(o, s) && cJSON_AddNumberToObject(o, "head_dim", (double)s->mixer->heads.head_dim) &&
           cJSON_AddBoolToObject(o, "use_short_conv", s->mixer->taps > 0) && ns_layout_class(o, "GatedDeltaNetForCausalLM");
}

static bool add_gla(cJSON *o, const ns_sketch *s)
{
    return add_block(o, s) && cJSON_AddNumberToObject(o, "expand_k", 1) && cJSON_AddFalseToObject(o, "use_short_conv") &&
           ns_layout_class(o, "GLAForCausalLM");
}

const ns_layout_row ns_layout_gated_deltanet = {"gated_deltanet", "flash-linear-attention", is_delta, add_gated_deltanet};
const ns_layout_row ns_layout_gla = {"gla", "flash-linear-attention", is_gla, add_gla};
