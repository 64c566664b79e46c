/* neighbours.c - the files beside a tokenizer, and the class that they name. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/classes.h"

enum { CONFIG_DEPTH = 32 };
#define CONFIG_LIMIT ((size_t)256 << 20)

void ns_tok_note(ns_tok_neighbours *n, const char *fmt, ...)
{
    if (n->notes.n == (int)(sizeof n->notes.text / sizeof *n->notes.text))
        return;
    va_list args;
    va_start(args, fmt);
    ns_line_args(n->notes.text[n->notes.n++], sizeof *n->notes.text, fmt, args);
    va_end(args);
}

static char *path_beside(const char *path, const char *name)
{
    return ns_printf_alloc("%.*s%s", (int)(ns_path_base(path) - path), path, name);
}

int ns_tok_has_neighbours(const char *path, bool *out, ns_error *err)
{
    char *const config = path_beside(path, "tokenizer_config.json"), *const map = path_beside(path, "special_tokens_map.json");
    const int rc = config && map ? NS_OK : ns_oom(err, path);
    *out = rc == NS_OK && (ns_path_exists(config) || ns_path_exists(map));
    free(config);
    free(map);
    return rc;
}

static int read_beside(cJSON **out, const char *path, const char *name, ns_error *err)
{
    *out = NULL;
    char *const beside = path_beside(path, name);
    if (!beside)
        return ns_oom(err, path);
    int rc = ns_path_exists(beside) ? ns_json_read_python(out, beside, CONFIG_LIMIT, CONFIG_DEPTH, err) : NS_OK;
    if (rc == NS_OK && *out && !cJSON_IsObject(*out))
        rc = ns_fail(err, NS_E_FORMAT, "%s: not a JSON object", beside);
    free(beside);
    return rc;
}

const char *ns_tok_text_at(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* tokenizer_config.json's class, else config.json's, else that of its model_type. */
static int find_class(ns_tok_neighbours *n, const char *path, ns_error *err)
{
    const char *name = ns_tok_text_at(n->config, "tokenizer_class");
    cJSON *model = NULL;
    const int rc = name ? NS_OK : read_beside(&model, path, "config.json", err);
    name = name ? name : ns_tok_text_at(model, "tokenizer_class");
    const char *const type = ns_tok_text_at(model, "model_type");
    name = name || !type ? name : ns_tok_class_of_model(type);
    n->class_ = name ? ns_tok_class_named(name) : NULL;
    if (rc == NS_OK && !n->class_ && name)
        ns_tok_note(n, "tokenizer_class '%.80s' is not known: %s is taken as it is", name, ns_path_base(path));
    cJSON_Delete(model);
    return rc;
}

/* An entry of what added_tokens_decoder would be; of one index the last holds, and null says that there is none. */
static bool put_old(ns_tok_neighbours *n, const cJSON *id, cJSON *token)
{
    char key[32];
    snprintf(key, sizeof key, "%.0f", id->valuedouble);
    n->old_tokens = n->old_tokens ? n->old_tokens : cJSON_CreateObject();
    const bool good = n->old_tokens && token && cJSON_AddItemToObject(n->old_tokens, key, token);
    if (!good)
        cJSON_Delete(token);
    return good;
}

static cJSON *old_token(const char *text, bool special)
{
    cJSON *const token = cJSON_CreateObject();
    if (token && cJSON_AddStringToObject(token, "content", text) && cJSON_AddBoolToObject(token, "special", special) &&
        cJSON_AddBoolToObject(token, "normalized", !special))
        return token;
    cJSON_Delete(token);
    return NULL;
}

/* added_tokens.json, {"text": id}, is what there was before added_tokens_decoder. */
static int read_old_tokens(ns_tok_neighbours *n, const char *path, ns_error *err)
{
    cJSON *list = NULL;
    ns_tok_vocab given = {0};
    int rc = read_beside(&list, path, "added_tokens.json", err);
    rc = rc == NS_OK && list ? ns_tok_given(n, &given, err) : rc;
    for (const cJSON *item = list ? list->child : NULL; item && rc == NS_OK; item = item->next) {
        const bool special = ns_tok_has(&given, item->string);
        if (!cJSON_IsNumber(item))
            rc = ns_fail(err, NS_E_FORMAT, "%s: added_tokens.json: the id of '%.80s' is no number", path, item->string);
        else if (!put_old(n, item, old_token(item->string, special)))
            rc = ns_oom(err, path);
    }
    ns_tok_vocab_free(&given);
    cJSON_Delete(list);
    return rc;
}

/* The added tokens of a tokenizer.json that is read no further; of one that is read itself they are there without us. */
static int read_json_tokens(ns_tok_neighbours *n, const char *path, ns_error *err)
{
    cJSON *json = NULL;
    int rc = read_beside(&json, path, "tokenizer.json", err);
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(json, "added_tokens");
    for (const cJSON *item = list ? list->child : NULL; item && rc == NS_OK; item = item->next) {
        const cJSON *const id = cJSON_GetObjectItemCaseSensitive(item, "id");
        if (cJSON_IsNumber(id) && !put_old(n, id, n->converted ? cJSON_Duplicate(item, true) : cJSON_CreateNull()))
            rc = ns_oom(err, path);
    }
    cJSON_Delete(json);
    return rc;
}

int ns_tok_neighbours_read(ns_tok_neighbours *n, const char *path, ns_error *err)
{
    *n = (ns_tok_neighbours){0};
    if (!ns_tok_is_source(path))
        return NS_OK;                  /* another name: what lies beside it belongs to another tokenizer */
    int rc = read_beside(&n->config, path, "tokenizer_config.json", err);
    if (rc == NS_OK)
        rc = read_beside(&n->map, path, "special_tokens_map.json", err);
    n->converted = strcmp(ns_path_base(path), "tokenizer.json") != 0;
    if (rc == NS_OK && (n->config || n->map || n->converted))
        rc = find_class(n, path, err);
    if (rc == NS_OK)
        ns_tok_find_specials(n);
    if (rc != NS_OK || !n->class_ || n->decoder)
        return rc;
    rc = read_old_tokens(n, path, err);
    return rc != NS_OK || (!n->converted && !n->old_tokens) ? rc : read_json_tokens(n, path, err);
}

void ns_tok_neighbours_free(ns_tok_neighbours *n)
{
    cJSON_Delete(n->config);
    cJSON_Delete(n->map);
    cJSON_Delete(n->more);
    cJSON_Delete(n->old_tokens);
    *n = (ns_tok_neighbours){0};
}

