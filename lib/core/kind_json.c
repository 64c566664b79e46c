/* kind_json.c - what a JSON file is for, by the keys of its outermost object: so that a definition given in place of a protocol is called
 * one. */
#include <string.h>

#include "core/core.h"

enum { JSON_DEPTH = 1000, MOST_KEYS = 3 };

/* all: each of them stands there; any: one at least (none: whatever). The first kind that fits is it, so that keys which several have come
 * last. */
static const struct { ns_kind kind; const char *all[MOST_KEYS], *any[MOST_KEYS]; } purposes[] = {
    {NS_KIND_NOTEBOOK, {"cells"}, {"nbformat", "cell_type"}},
    {NS_KIND_TOKENIZER, {"added_tokens"}, {NULL}},
    {NS_KIND_TOKENIZER_CONFIG, {NULL}, {"tokenizer_class", "added_tokens_decoder"}},
    {NS_KIND_INDEX, {"weight_map"}, {NULL}},
    {NS_KIND_ARCH, {"needlescope_arch"}, {NULL}},
    {NS_KIND_CONFIG, {NULL}, {"model_type", "architectures"}},
    {NS_KIND_PROTOCOL, {NULL}, {"arms", "claims", "sizes"}},
    {NS_KIND_RUN_CONFIG, {"train"}, {NULL}},
    {NS_KIND_RUN_JSON, {"tokens_per_step"}, {NULL}},
    {NS_KIND_DEFINITION, {"stat"}, {"keys", "rows"}},
    {NS_KIND_MANIFEST, {"path", "step"}, {NULL}},
};

/* The outermost object; of a file that goes on beyond what was read, its text. */
typedef struct keys { const cJSON *object; const char *text; } keys;

static bool has(const keys *k, const char *key)
{
    char quoted[40];
    if (k->object)
        return cJSON_GetObjectItemCaseSensitive(k->object, key) != NULL;
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    return strstr(k->text, quoted) != NULL;
}

static bool fits(const keys *k, const char *const *all, const char *const *any)
{
    bool every = true, one = !any[0];
    for (int i = 0; i < MOST_KEYS; i++) {
        every = every && (!all[i] || has(k, all[i]));
        one = one || (any[i] && has(k, any[i]));
    }
    return every && one;
}

/* {"glob": "name", ...}: names of tensors have dots. Special tokens, in a map of their own, have none. */
static bool maps_names(const cJSON *object)
{
    bool dots = false;
    for (const cJSON *item = cJSON_IsObject(object) ? object->child : NULL; item; item = item->next) {
        if (!cJSON_IsString(item))
            return false;
        dots |= strchr(item->string, '.') && strchr(item->valuestring, '.');
    }
    return dots;
}

ns_kind ns_kind_of_json(const char *text, size_t n, bool whole)
{
    cJSON *object = NULL;
    const size_t line = strcspn(text, "\n");
    ns_kind kind = NS_KIND_JSON;
    if (whole && ns_json_parse(&object, text, n, JSON_DEPTH, "", NULL) < 0)
        (void)ns_json_parse(&object, text, line, JSON_DEPTH, "", NULL);        /* JSONL: of its first line */
    const keys k = {object, text};
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes && kind == NS_KIND_JSON && (object || !whole); i++)
        if (fits(&k, purposes[i].all, purposes[i].any))
            kind = purposes[i].kind;
    if (kind == NS_KIND_JSON && object && maps_names(object))
        kind = NS_KIND_NAMES;
    cJSON_Delete(object);
    return kind;
}
