/* layouts.c - a description by the names of a class of transformers or of flash-linear-attention that computes the same: each row writes a
 * config.json, and holds the model if what its family's reader makes of that is the description itself but for the names of tensors. */
#include "model/families/fields.h"
#include "model/families/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ns_layout_row *const rows[] = {&ns_layout_smollm3, &ns_layout_gated_deltanet, &ns_layout_gla, &ns_layout_granitemoehybrid};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* ---- what rows share ---- */

bool ns_layout_numbers(cJSON *o, const ns_key *list)
{
    bool ok = true;
    for (; list->key && ok; list++)
        ok = cJSON_AddNumberToObject(o, list->key, list->value) != NULL;
    return ok;
}

bool ns_layout_item(cJSON *list, cJSON *item)
{
    return item && cJSON_AddItemToArray(list, item);
}

bool ns_layout_class(cJSON *o, const char *name)
{
    cJSON *const architectures = cJSON_AddArrayToObject(o, "architectures");
    return architectures && ns_layout_item(architectures, cJSON_CreateString(name)) && cJSON_AddNullToObject(o, "pad_token_id") &&
           cJSON_AddNullToObject(o, "bos_token_id") && cJSON_AddNullToObject(o, "eos_token_id");
}

bool ns_layout_llama(cJSON *o, const ns_sketch *s)
{
    const ns_key numbers[] = {
        {"num_attention_heads", (double)s->heads->n_heads}, {"num_key_value_heads", (double)s->heads->n_kv_heads},
        {"rms_norm_eps", ns_readable(s->a->final_norm.eps)}, {"rope_theta", s->theta}, {NULL, 0},
    };
    return ns_layout_numbers(o, numbers) && cJSON_AddStringToObject(o, "hidden_act", ns_word_name(ns_words_act, (int)s->ffn->act));
}

/* ---- a model in outline ---- */

static const ns_branch *mixer_of(const ns_sketch *s, int64_t layer)
{
    return ns_layer_mixer(&s->a->layers[layer]);
}

bool ns_sketch_mixes(const ns_sketch *s, int64_t layer)
{
    return ns_arch_row_kind(s->a, layer) == NS_ROW_UNROLLED;
}

bool ns_sketch_rotates(const ns_sketch *s, int64_t layer)
{
    return !ns_sketch_mixes(s, layer) && ns_arch_attn(s->a, layer)->rope >= 0;
}

int64_t ns_sketch_window(const ns_sketch *s, int64_t layer)
{
    return ns_attn_window(ns_arch_attn(s->a, layer), 0);
}

static double theta_of(const ns_arch *a)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        if (ns_arch_attn(a, i)->rope >= 0)
            return a->ropes[ns_arch_attn(a, i)->rope].theta;
    return 1e4;
}

/* false: a layer is neither softmax attention nor a linear recurrence, or has no MLP: no row has such layers. */
static bool outline(ns_sketch *s, const ns_arch *a)
{
    const ns_branch_class *const linear = ns_branch_class_find("attn", "recurrence");
    *s = (ns_sketch){.a = a, .ffn = ns_arch_ffn(a, 0)};
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ns_branch *const b = mixer_of(s, i);
        if (!b || !ns_arch_ffn(a, i) || (b->class_->rows != NS_ROW_SOFTMAX && b->class_ != linear))
            return false;
        if (b->class_ == linear)
            s->mixer = s->mixer ? s->mixer : b->params;
        else
            s->attn = s->attn ? s->attn : b->params;
    }
    s->heads = s->attn ? s->attn : &s->mixer->heads;
    s->theta = theta_of(a);
    return true;
}

/* ---- a row tried ---- */

static bool add_common(cJSON *o, const ns_sketch *s)
{
    const ns_key numbers[] = {
        {"vocab_size", (double)s->a->vocab}, {"hidden_size", (double)s->a->d_model}, {"intermediate_size", (double)s->ffn->d_ff},
        {"num_hidden_layers", (double)s->a->n_layers}, {"max_position_embeddings", (double)s->a->max_positions}, {NULL, 0},
    };
    return ns_layout_numbers(o, numbers) &&
           cJSON_AddBoolToObject(o, "tie_word_embeddings", strcmp(s->a->head.name, s->a->embed.name) == 0) &&
           cJSON_AddStringToObject(o, "torch_dtype", "float32");
}

static int write_config(char **out, const ns_layout_row *row, const ns_sketch *s, ns_error *err)
{
    cJSON *const o = cJSON_CreateObject();
    const bool ok = o && cJSON_AddStringToObject(o, "model_type", row->type) && add_common(o, s) && row->add(o, s);
    *out = ok ? ns_json_print(o, true) : NULL;
    cJSON_Delete(o);
    return *out ? NS_OK : ns_oom(err, "config.json");
}

/* *out stays empty where the row does not hold the model. */
static int try_row(ns_layout *out, const ns_layout_row *row, const ns_sketch *s, char *why, size_t n, ns_error *err)
{
    ns_error refused = {0};
    ns_layout found = {.type = row->type, .of = row->of};
    char where[160] = "";
    int rc = write_config(&found.config, row, s, err);
    if (rc != NS_OK)
        return rc;
    rc = ns_arch_from_config(&found.arch, found.config, strlen(found.config), "config.json", NULL, &refused);
    if (rc == NS_E_MEMORY)
        ns_fail(err, rc, "%s", refused.message);
    else if (rc == NS_OK && ns_arch_same(s->a, found.arch, where, sizeof where))
        *out = found;
    else
        snprintf(why, n, "not as %s (%s): %.180s", row->type, row->of, rc == NS_OK ? where : refused.message);
    if (!out->config)
        ns_layout_clear(&found);
    return rc == NS_E_MEMORY ? rc : NS_OK;
}

int ns_layout_find(ns_layout *out, const ns_arch *a, const char *type, char *why, size_t n, ns_error *err)
{
    ns_sketch s;
    *out = (ns_layout){0};
    snprintf(why, n, "no class of transformers or flash-linear-attention has such layers");
    int rc = NS_OK;
    const bool known = outline(&s, a);
    for (int i = 0; known && i < N_ROWS && rc == NS_OK && !out->config; i++)
        if (type ? strcmp(type, rows[i]->type) == 0 : rows[i]->suits(&s))
            rc = try_row(out, rows[i], &s, why, n, err);
    return rc;
}

void ns_layout_clear(ns_layout *l)
{
    free(l->config);
    ns_arch_free(l->arch);
    *l = (ns_layout){0};
}
