/* wrapper.c - a language model inside a model of images or sound: which object of config.json is its config, and where its tensors are.
 *
 * transformers keeps the text model's config under text_config and its tensors under language_model. or model.language_model.; others
 * name them differently. Towers and projectors are never run on text: their tensors are left out by rule. */
#include "model/families/family.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const inner_keys[] = {"text_config", "language_config", "llm_config"};

/* What text_config is when it does not say (the config classes of transformers 4.57.6); flat: older files have its keys beside the
 * wrapper's. */
static const struct unsaid { const char *wrapper, *text; bool flat; } unsaid[] = {
    {"mistral3", "mistral", false}, {"idefics2", "mistral", false},
    {"gemma3", "gemma3_text", false}, {"shieldgemma2", "gemma3_text", false},
    {"internvl", "qwen2", false}, {"got_ocr2", "qwen2", false}, {"qwen2_audio", "qwen2", false},
    {"qwen2_vl", "qwen2_vl_text", true}, {"qwen2_5_vl", "qwen2_5_vl_text", true}, {"qwen3_vl", "qwen3_vl_text", false},
    {"qwen3_5", "qwen3_5_text", false}, {"qwen3_5_moe", "qwen3_5_moe_text", false},
    {"llama4", "llama4_text", false},
    {"llava", "llama", true}, {"llava_next", "llama", false}, {"llava_next_video", "llama", false}, {"vipllava", "llama", false},
    {"video_llava", "llama", false}, {"idefics3", "llama", false}, {"smolvlm", "llama", false}, {"voxtral", "llama", false},
    {"perception_lm", "llama", false}, {"janus", "llama", false}, {"deepseek_vl", "llama", false},
    {"llava_llama", "llama", true}, {"llava_mistral", "mistral", true}, {"llava_qwen", "qwen2", true},
};

/* The rows of a prompt are not causal in these: a text model alone would compute something else. */
static const char *const not_causal[] = {"paligemma", "colpali", "t5gemma", NULL};

/* In front of the text model's own names, and so of its head where the head is not outside. */
static const char *const prefixes[] = {"", "language_model.", "model.language_model.", "model.text_model.", "text_model.", "llm.", NULL};

/* Everything but the text model. */
static const char *const towers[] = {
    "*vision_tower.*", "*vision_model.*", "*vision_encoder.*", "*vision_embed*", "visual.*", "model.visual.*", "visual_*",
    "model.visual_*", "vit.*", "*projector.*", "*connector.*", "*aligner.*", "mlp1.*", "*image_newline", "*audio_tower.*", "*embed_audio.*",
    "*embed_vision.*", "*rotary_emb*.inv_freq", NULL,
};

static const struct unsaid *known_wrapper(const char *type)
{
    for (size_t i = 0; i < sizeof unsaid / sizeof *unsaid; i++)
        if (strcmp(unsaid[i].wrapper, type) == 0)
            return &unsaid[i];
    return NULL;
}

/* What the classes of branches cannot say, by model_type. */
static const struct { const char *glob, *lacks; } lacking[] = {
    {"gemma3n*", "embeddings of each layer, layers that share keys, and AltUp"},
    {"gemma4*", "embeddings of each layer and layers that share keys"},
    {"zamba*", "a block that several depths share, with its own LoRA at each"}, {"deepseek_v*", "multi-head latent attention (MLA)"},
    {"minicpm3", "multi-head latent attention (MLA)"}, {"kimi_*", "multi-head latent attention (MLA)"},
    {"longcat_flash", "multi-head latent attention (MLA)"}, {"rwkv*", "RWKV's token shift and time mixing"},
    {"mla", "multi-head latent attention (MLA)"}, {"glm4_moe_lite", "multi-head latent attention (MLA)"},
    {"phimoe", "SparseMixer, the router of Phi-3.5-MoE"}, {"dbrx", "DBRX's experts, stacked by rows"},
    {"gated_deltaproduct", "several steps of the delta rule a token"}, {"forgetting_transformer", "forget gates of softmax attention"},
    {"nsa", "attention to chosen blocks of keys"}, {"moba", "attention to chosen blocks of keys"},
    {"gsa", "a recurrence over slots, read through a softmax"}, {"abc", "a recurrence over slots, read through a softmax"},
    {"log_linear_mamba2", "a state for each of log T spans"}, {"xlstm", "the cells of xLSTM"}, {"yoco", "layers that share keys"},
};

/* The family whose name is nearest to this one; NULL: none is near. */
static const char *nearest(const char *type)
{
    enum { MOST = 256 };
    const char *types[MOST];
    int64_t n = 0;
    for (; ns_families[n] && n < MOST; n++)
        types[n] = ns_families[n]->type;
    return ns_nearest_word(type, types, n);
}

static int unknown(const char *type, const char *label, ns_error *err)
{
    for (size_t i = 0; type && i < sizeof lacking / sizeof *lacking; i++)
        if (ns_glob(lacking[i].glob, type))
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: model_type '%.60s' is not supported: there is no class of branches for %s", label,
                           type, lacking[i].lacks);
    if (!type)
        return ns_fail(err, NS_E_FORMAT, "%s: no model_type (known: %s, %s ...; inspect --families lists them); or describe the model with "
                       "--arch", label, ns_families[0]->type, ns_families[1]->type);
    const char *const near = nearest(type);
    return ns_fail(err, NS_E_UNSUPPORTED, "%s: model_type '%.60s' is not supported (%s%s%s; inspect --families lists those that are): "
                   "describe the model with --arch", label, type, near ? "did you mean '" : "known: llama, mistral, qwen3 ...",
                   near ? near : "", near ? "'?" : "");
}

static int check_wrapper(const cJSON *root, const char *type, const char *label, ns_error *err)
{
    for (int i = 0; type && not_causal[i]; i++)
        if (strcmp(type, not_causal[i]) == 0)
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: model_type '%s': the rows of its prompt see each other, which is not supported",
                           label, type);
    const cJSON *const quantised = cJSON_GetObjectItemCaseSensitive(root, "quantization_config");
    if (quantised && !cJSON_IsNull(quantised))
        return ns_fail(err, NS_E_UNSUPPORTED,
                       "%s: quantization_config is set, and quantised weights are not supported: store the model as f32, f16 or bf16 "
                       "(load it in transformers, call its dequantize(), and save_pretrained it)", label);
    return NS_OK;
}

static const char tie[] = "tie_word_embeddings";

/* A head that the wrapper says is tied is tied, unless the text model says otherwise. */
static bool inherit_tie(cJSON *inner, const cJSON *root)
{
    const cJSON *const outer = cJSON_GetObjectItemCaseSensitive(root, tie);
    if (!outer || cJSON_GetObjectItemCaseSensitive(inner, tie))
        return true;
    cJSON *const copy = cJSON_Duplicate(outer, true);
    return copy && cJSON_AddItemToObject(inner, tie, copy);
}

/* Where the two contradict each other (transformers 5 goes by the wrapper, 4 by the text model), a checkpoint without a head is tied. */
void ns_settle_tie(const ns_text_config *text, const cJSON *root, const ns_prefixes *found)
{
    cJSON *const inner = cJSON_GetObjectItemCaseSensitive(text->object, tie);
    if (text->wrapper && found->checkpoint && !found->has_head && cJSON_IsFalse(inner) &&
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, tie)))
        inner->type = cJSON_True;
}

static int unwrap(ns_text_config *out, cJSON *root, const char *key, const char *label, ns_error *err)
{
    cJSON *const inner = cJSON_GetObjectItemCaseSensitive(root, key);
    const char *type;
    ns_line(out->label, sizeof out->label, "%s: %s", label, key);
    int rc = ns_json_str(inner, "model_type", &type, out->label, err);
    if (rc != NS_OK)
        return rc;
    const struct unsaid *const wrapper = known_wrapper(out->wrapper);
    type = !type && wrapper ? wrapper->text : type;
    out->row = type ? ns_family_find(type) : NULL;
    out->object = inner;
    if (!out->row)
        return unknown(type, out->label, err);
    return inherit_tie(inner, root) ? NS_OK : ns_oom(err, out->label);
}

int ns_text_config_find(ns_text_config *out, cJSON *root, const char *label, ns_error *err)
{
    const char *type;
    int rc = ns_json_str(root, "model_type", &type, label, err);
    if (rc != NS_OK)
        return rc;
    *out = (ns_text_config){.object = root, .row = type ? ns_family_find(type) : NULL};
    ns_line(out->label, sizeof out->label, "%s", label);
    if (out->row)
        return NS_OK;
    out->wrapper = type ? type : "";
    if ((rc = check_wrapper(root, type, label, err)) != NS_OK)
        return rc;
    for (size_t i = 0; i < sizeof inner_keys / sizeof *inner_keys; i++)
        if (cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(root, inner_keys[i])))
            return unwrap(out, root, inner_keys[i], label, err);
    const struct unsaid *const wrapper = known_wrapper(out->wrapper);
    if (wrapper && !wrapper->flat)
        return ns_fail(err, NS_E_FORMAT, "%s: model_type %s needs an object 'text_config'", label, type);
    out->row = wrapper ? ns_family_find(wrapper->text) : NULL;
    return out->row ? NS_OK : unknown(type, label, err);
}

/* ---- where the tensors are ---- */
static bool holds(const ns_checkpoint *c, const char *prefix, const char *own, const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s%s", prefix, own, name);
    return ns_checkpoint_find(c, full) != NULL;
}

/* Wrappers and bare trunks differ only in what stands before a name: the first that the embedding has. */
void ns_find_prefixes(ns_prefixes *out, const ns_family *row, const ns_checkpoint *c)
{
    const char *const *const own = row->names->prefixes;
    snprintf(out->trunk, sizeof out->trunk, "%s", own[0]);
    snprintf(out->head, sizeof out->head, "%s", "");
    out->checkpoint = c;
    for (int w = 0; c && prefixes[w]; w++)
        for (int i = 0; own[i]; i++)
            if (holds(c, prefixes[w], own[i], row->names->embed)) {
                snprintf(out->trunk, sizeof out->trunk, "%s%s", prefixes[w], own[i]);
                const bool inside = holds(c, prefixes[w], "", row->names->head);
                snprintf(out->head, sizeof out->head, "%s", inside ? prefixes[w] : "");
                out->has_head = inside || holds(c, "", "", row->names->head);
                out->wrapped = w > 0;
                return;
            }
}

int ns_leave_towers(ns_arch *a, ns_error *err)
{
    int64_t capacity = 0;
    int n = 0;
    char **grown = NULL;
    while (towers[n])
        n++;
    if (!ns_grow(&grown, &capacity, a->n_ignored + n, sizeof *grown))
        return ns_oom(err, "the tensors that are left out");
    if (a->n_ignored)
        memcpy(grown, a->ignored, (size_t)a->n_ignored * sizeof *grown);
    free(a->ignored);
    a->ignored = grown;
    for (int i = 0; i < n; i++, a->n_ignored++)
        if (!(a->ignored[a->n_ignored] = ns_strdup(towers[i])))
            return ns_oom(err, "the tensors that are left out");
    return NS_OK;
}
