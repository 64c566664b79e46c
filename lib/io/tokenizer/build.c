/* build.c - pieces of a tokenizer.json, for files that say the same in another form. */
#include "io/tokenizer/build.h"

cJSON *ns_tok_typed(const char *type)
{
    cJSON *const object = cJSON_CreateObject();
    if (object && cJSON_AddStringToObject(object, "type", type))
        return object;
    cJSON_Delete(object);
    return NULL;
}

cJSON *ns_tok_append(cJSON *list, cJSON *object)
{
    if (list && object && cJSON_AddItemToArray(list, object))
        return object;
    cJSON_Delete(object);
    return NULL;
}

cJSON *ns_tok_add_typed(cJSON *root, const char *key, const char *type)
{
    cJSON *const object = root ? ns_tok_typed(type) : NULL;
    if (object && cJSON_AddItemToObject(root, key, object))
        return object;
    cJSON_Delete(object);
    return NULL;
}

cJSON *ns_tok_add_sequence(cJSON *root, const char *key, const char *list_key)
{
    cJSON *const sequence = ns_tok_add_typed(root, key, "Sequence");
    return sequence ? cJSON_AddArrayToObject(sequence, list_key) : NULL;
}

bool ns_tok_add_pattern(cJSON *object, const char *kind, const char *text)
{
    cJSON *const pattern = object ? cJSON_AddObjectToObject(object, "pattern") : NULL;
    return pattern && cJSON_AddStringToObject(pattern, kind, text);
}

bool ns_tok_add_replace(cJSON *list, const char *from, const char *to)
{
    cJSON *const replace = ns_tok_append(list, ns_tok_typed("Replace"));
    return ns_tok_add_pattern(replace, "String", from) && cJSON_AddStringToObject(replace, "content", to);
}

bool ns_tok_add_byte_level(cJSON *list, bool prefix, bool regex)
{
    cJSON *const step = ns_tok_append(list, ns_tok_typed("ByteLevel"));
    return step && cJSON_AddBoolToObject(step, "add_prefix_space", prefix) && cJSON_AddFalseToObject(step, "trim_offsets") &&
           cJSON_AddBoolToObject(step, "use_regex", regex);
}

bool ns_tok_add_prepend(cJSON *list)
{
    cJSON *const step = ns_tok_append(list, ns_tok_typed("Prepend"));
    return step && cJSON_AddStringToObject(step, "prepend", TOK_MARK);
}

bool ns_tok_add_metaspace(cJSON *step, const char *scheme, bool split)
{
    return step && cJSON_AddStringToObject(step, "replacement", TOK_MARK) && cJSON_AddStringToObject(step, "prepend_scheme", scheme) &&
           cJSON_AddBoolToObject(step, "split", split);
}

bool ns_tok_add_piece_decoder(cJSON *root, bool strip)
{
    cJSON *const list = ns_tok_add_sequence(root, "decoder", "decoders");
    const bool good = list && ns_tok_add_replace(list, TOK_MARK, " ") && ns_tok_append(list, ns_tok_typed("ByteFallback")) &&
                      ns_tok_append(list, ns_tok_typed("Fuse"));
    cJSON *const step = good && strip ? ns_tok_append(list, ns_tok_typed("Strip")) : NULL;
    return good && (!strip || (step && cJSON_AddStringToObject(step, "content", " ") && cJSON_AddNumberToObject(step, "start", 1) &&
                               cJSON_AddNumberToObject(step, "stop", 0)));
}

bool ns_tok_add_special(cJSON *list, int64_t id, const char *text, bool special)
{
    cJSON *const token = ns_tok_append(list, cJSON_CreateObject());
    return token && (id < 0 ? cJSON_AddTrueToObject(token, "displaced") : cJSON_AddNumberToObject(token, "id", (double)id)) &&
           cJSON_AddStringToObject(token, "content", text) &&
           cJSON_AddFalseToObject(token, "normalized") && cJSON_AddBoolToObject(token, "special", special);
}

/* {"SpecialToken": {"id": text, "type_id": 0}}, and special_tokens[text] = {"id", "ids", "tokens"}. */
static bool add_around(cJSON *single, cJSON *table, const char *text, int64_t id)
{
    cJSON *const item = ns_tok_append(single, cJSON_CreateObject());
    cJSON *const own = item ? cJSON_AddObjectToObject(item, "SpecialToken") : NULL;
    const bool known = cJSON_HasObjectItem(table, text);
    cJSON *const entry = own && !known ? cJSON_AddObjectToObject(table, text) : NULL;
    const bool good = own && (known || entry) && cJSON_AddStringToObject(own, "id", text) && cJSON_AddNumberToObject(own, "type_id", 0);
    if (!good || !entry)
        return good;
    cJSON *const ids = cJSON_AddArrayToObject(entry, "ids"), *const tokens = cJSON_AddArrayToObject(entry, "tokens");
    return cJSON_AddStringToObject(entry, "id", text) && ns_tok_append(ids, cJSON_CreateNumber((double)id)) &&
           ns_tok_append(tokens, cJSON_CreateString(text));
}

bool ns_tok_add_template(cJSON *root, const char *before, int64_t before_id, const char *after, int64_t after_id)
{
    if (!before && !after)
        return true;
    cJSON *const step = ns_tok_add_typed(root, "post_processor", "TemplateProcessing");
    cJSON *const single = step ? cJSON_AddArrayToObject(step, "single") : NULL;
    cJSON *const table = single ? cJSON_AddObjectToObject(step, "special_tokens") : NULL;
    const bool good = table && (!before || add_around(single, table, before, before_id));
    cJSON *const item = good ? ns_tok_append(single, cJSON_CreateObject()) : NULL;
    cJSON *const sequence = item ? cJSON_AddObjectToObject(item, "Sequence") : NULL;
    return sequence && cJSON_AddStringToObject(sequence, "id", "A") && cJSON_AddNumberToObject(sequence, "type_id", 0) &&
           (!after || add_around(single, table, after, after_id));
}
