/* layout_granite.c - Granite 4 of transformers (granitemoehybrid) without experts: Mamba-2 and full attention, which rotates in all layers
 * or in none; its MLP is the shared expert, and its multipliers are 1. A head is as wide as D / H: transformers 4 reads no head_dim. */
#include "train/internal.h"

#include <math.h>

static bool rotates(const ns_train_config *c)
{
    for (int64_t i = 0; c->pattern[i]; i++)
        if (ns_train_rotates(c, i))
            return true;
    return false;
}

static bool add_mamba(cJSON *o, const ns_train_config *c)
{
    const double H = (double)c->heads, d = (double)ns_train_head_dim(c);
    const ns_train_number numbers[] = {
        {"mamba_n_heads", H}, {"mamba_n_groups", strchr(c->pattern, 'm') ? 1 : H}, {"mamba_d_state", d}, {"mamba_d_head", d},
        {"mamba_d_conv", 4}, {"mamba_expand", H * d / (double)c->d_model}, {NULL, 0},
    };
    return ns_train_add_numbers(o, numbers) && cJSON_AddTrueToObject(o, "mamba_conv_bias") && cJSON_AddFalseToObject(o, "mamba_proj_bias");
}

static bool add(cJSON *o, const ns_train_config *c)
{
    const ns_train_number numbers[] = {
        {"shared_intermediate_size", (double)c->d_ff}, {"num_local_experts", 0}, {"embedding_multiplier", 1}, {"residual_multiplier", 1},
        {"logits_scaling", 1}, {"attention_multiplier", 1 / sqrt((double)ns_train_head_dim(c))}, {NULL, 0},
    };
    cJSON *const types = cJSON_AddArrayToObject(o, "layer_types");
    bool ok = types && ns_train_add_llama(o, c) && ns_train_add_numbers(o, numbers) && add_mamba(o, c);
    for (int64_t i = 0; c->pattern[i] && ok; i++)
        ok = ns_train_add_item(types, cJSON_CreateString(ns_train_recurrent(c->pattern[i]) ? "mamba" : "attention"));
    return ok && cJSON_AddStringToObject(o, "position_embedding_type", rotates(c) ? "rope" : "nope") &&
           cJSON_AddFalseToObject(o, "attention_bias") && ns_train_add_class(o, "GraniteMoeHybridForCausalLM");
}

const ns_train_layout ns_train_layout_granitemoehybrid = {"granitemoehybrid", "transformers", "Mm", add};
