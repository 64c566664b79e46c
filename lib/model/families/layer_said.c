/* layer_said.c - what config.json's list of layers says of one of them: a list with an entry a layer (a letter, a name, or in turns), or
 * one of the layers that are attention. */
#include "model/families/family.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say_entry(const char *key, const cJSON *list, int64_t layer, char *out, size_t n)
{
    const bool letters = cJSON_IsString(list);
    const int64_t entries = letters ? (int64_t)strlen(list->valuestring) : cJSON_GetArraySize(list);
    if (entries == 0)
        return;
    const int64_t at = layer % entries;
    const char letter[2] = {letters ? list->valuestring[at] : 0, 0};
    const char *const name = letters ? letter : cJSON_GetStringValue(cJSON_GetArrayItem(list, (int)at));
    if (name)
        snprintf(out, n, "%s[%lld] is '%.32s'", key, (long long)at, name);
}

static void say_number(const char *key, const cJSON *list, int64_t layer, char *out, size_t n)
{
    const cJSON *v;
    bool named = false;
    cJSON_ArrayForEach(v, list)
        named |= cJSON_IsNumber(v) && v->valuedouble == (double)layer;
    snprintf(out, n, "%s %s it", key, named ? "names" : "does not name");
}

static void say(const cJSON *config, int64_t layer, char *out, size_t n)
{
    static const char *const entries[] = {"layer_types", "layers_block_type", "hybrid_override_pattern", "mixer_types", "block_types",
                                          "_block_types", NULL};
    static const char *const numbers[] = {"attn_layer_indices", "full_attn_idxs", NULL};
    const cJSON *list;
    for (int i = 0; entries[i] && !out[0]; i++)
        if ((list = cJSON_GetObjectItemCaseSensitive(config, entries[i])) && (cJSON_IsArray(list) || cJSON_IsString(list)))
            say_entry(entries[i], list, layer, out, n);
    for (int i = 0; numbers[i] && !out[0]; i++)
        if (cJSON_IsArray(list = cJSON_GetObjectItemCaseSensitive(config, numbers[i])))
            say_number(numbers[i], list, layer, out, n);
}

void ns_layer_said(const ns_checkpoint *c, int64_t layer, char *out, size_t n)
{
    const char *const label = ns_checkpoint_config_path(c);
    char *text = NULL;
    size_t size = 0;
    cJSON *root = NULL;
    ns_text_config inner;
    out[0] = '\0';
    if (ns_checkpoint_config(c, &text, &size, NULL) == NS_OK &&
        ns_json_parse_python(&root, text, size, NS_MAX_JSON_DEPTH, label, NULL) == NS_OK &&
        ns_text_config_find(&inner, root, label, NULL) == NS_OK)
        say(inner.object, layer, out, n);
    cJSON_Delete(root);
    free(text);
}
