/* layout_granite.c - Granite 4 of transformers (granitemoehybrid) without experts: Mamba-2 and full attention, which rotates in all layers
 * or in none; its MLP is the shared expert, and its multipliers are 1. A head is as wide as D / H: transformers 4 reads no head_dim. */
#include "model/families/fields.h"
#include "model/families/layout.h"

static bool suits(const ns_sketch *s)
{
    return s->mixer && s->mixer->decay == DECAY_SOFTPLUS && s->mixer->rule != RULE_DELTA;
}

static bool rotates(const ns_sketch *s)
{
    for (int64_t i = 0; i < s->a->n_layers; i++)
        if (ns_sketch_rotates(s, i))
            return true;
    return false;
}

static bool add_mamba(cJSON *o, const ns_sketch *s)
{
    const ns_scan m = ns_recurrence_sizes(s->mixer);
    const ns_key numbers[] = {
        {"mamba_n_heads", (double)m.heads}, {"mamba_n_groups", (double)m.k_heads}, {"mamba_d_state", (double)m.key},
        {"mamba_d_head", (double)m.value}, {"mamba_d_conv", (double)s->mixer->taps},
        {"mamba_expand", (double)(m.heads * m.value) / (double)s->a->d_model}, {NULL, 0},
    };
    return ns_layout_numbers(o, numbers) && cJSON_AddTrueToObject(o, "mamba_conv_bias") && cJSON_AddFalseToObject(o, "mamba_proj_bias");
}

static bool add(cJSON *o, const ns_sketch *s)
{
    const ns_key numbers[] = {
        {"shared_intermediate_size", (double)s->ffn->d_ff}, {"num_local_experts", 0}, {"embedding_multiplier", 1},
        {"residual_multiplier", 1}, {"logits_scaling", 1}, {"attention_multiplier", ns_readable(s->attn ? s->attn->scale : 1)}, {NULL, 0},
    };
    cJSON *const types = cJSON_AddArrayToObject(o, "layer_types");
    bool ok = types && ns_layout_llama(o, s) && ns_layout_numbers(o, numbers) && add_mamba(o, s);
    for (int64_t i = 0; i < s->a->n_layers && ok; i++)
        ok = ns_layout_item(types, cJSON_CreateString(ns_sketch_mixes(s, i) ? "mamba" : "attention"));
    return ok && cJSON_AddStringToObject(o, "position_embedding_type", rotates(s) ? "rope" : "nope") &&
           cJSON_AddFalseToObject(o, "attention_bias") && ns_layout_class(o, "GraniteMoeHybridForCausalLM");
}

const ns_layout_row ns_layout_granitemoehybrid = {"granitemoehybrid", "transformers", suits, add};
