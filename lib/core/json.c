/* json.c - strict reading over cJSON, which alone would take lone control characters, cut strings at \u0000, cut numbers at
 * 63 characters and keep duplicate keys:  UTF-8 check -> scan of the grammar (json_scan.c) -> cJSON -> duplicate keys. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_scan.h"

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

typedef struct key_list {
    const char **keys;
    int64_t      capacity;
} key_list;

/* Sorts the keys of one object: n log n, whatever a hostile file holds. */
static int check_keys(const cJSON *object, key_list *list, const char *label, ns_error *err)
{
    int64_t n = 0;
    for (const cJSON *item = object->child; item; item = item->next) {
        if (!ns_grow(&list->keys, &list->capacity, n + 1, sizeof *list->keys))
            return ns_oom(err, label);
        list->keys[n++] = item->string;
    }
    if (n > 1)
        qsort(list->keys, (size_t)n, sizeof *list->keys, by_key);
    for (int64_t i = 1; i < n; i++)
        if (strcmp(list->keys[i - 1], list->keys[i]) == 0)
            return ns_fail(err, NS_E_FORMAT, "%s: the key '%.100s' appears twice in one object (remove one)", label, list->keys[i]);
    return NS_OK;
}

/* Recursion is bounded: the scan refused more than max_depth levels. */
static int check_tree(const cJSON *node, key_list *list, const char *label, ns_error *err)
{
    int rc = cJSON_IsObject(node) ? check_keys(node, list, label, err) : NS_OK;
    for (const cJSON *item = node->child; item && rc == NS_OK; item = item->next) {
        if (item->child)
            rc = check_tree(item, list, label, err);
        else if (cJSON_IsNumber(item) && !isfinite(item->valuedouble))
            rc = ns_fail(err, NS_E_FORMAT, "%s: %s%.100s: a number beyond the range of a double", label, item->string ? "key " : "a list",
                         item->string ? item->string : "");
    }
    return rc;
}

int ns_json_check(const char *text, size_t n, int max_depth, const char *label, ns_error *err)
{
    size_t bad;
    return ns_utf8_valid(text, n, &bad) ? ns_json_scan(text, n, max_depth, label, err)
                                        : ns_fail(err, NS_E_FORMAT, "%s: invalid UTF-8 at byte %zu (JSON is UTF-8)", label, bad);
}

int ns_json_parse(cJSON **out, const char *text, size_t n, int max_depth, const char *label, ns_error *err)
{
    *out = NULL;
    int rc = ns_json_check(text, n, max_depth, label, err);
    if (rc != NS_OK)
        return rc;
    cJSON *const tree = cJSON_ParseWithLengthOpts(text, n, NULL, false);
    if (!tree)   /* the scan accepted it */
        return ns_oom(err, label);
    key_list list = {0};
    rc = check_tree(tree, &list, label, err);
    if (rc == NS_OK && cJSON_IsNumber(tree) && !isfinite(tree->valuedouble))
        rc = ns_fail(err, NS_E_FORMAT, "%s: a number beyond the range of a double", label);
    free(list.keys);
    if (rc != NS_OK)
        cJSON_Delete(tree);
    else
        *out = tree;
    return rc;
}

int ns_json_fail(ns_error *err, int rc, const char *path, ns_kind purpose)
{
    return ns_kind_fail(err, rc, path, NS_KINDS(NS_KIND_JSON) | NS_KINDS(NS_KIND_TEXT) | NS_KINDS(purpose), ns_kind_name(purpose));
}

/* The text with another word for Infinity outside of strings. NULL: no memory. */
static char *plain_numbers(const char *text, size_t n)
{
    static const char infinity[] = "Infinity", huge[] = "1.0e+300";      /* equally long: places in messages stay */
    char *const out = ns_alloc_array(n + 1, 1);
    bool in_string = false, escaped = false;
    for (size_t i = 0; out && i < n; i++) {
        out[i] = text[i];
        in_string ^= text[i] == '"' && !escaped;
        escaped = in_string && text[i] == '\\' && !escaped;
        if (in_string || n - i < sizeof infinity - 1 || memcmp(text + i, infinity, sizeof infinity - 1) != 0)
            continue;
        memcpy(out + i, huge, sizeof huge - 1);
        i += sizeof huge - 2;
    }
    return out;
}

/* transformers 5 writes {"__float__": "Infinity"}: the number 1e300. No deeper than the parser went. */
static void untag(cJSON *item)
{
    const cJSON *const tag = cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "__float__") : NULL;
    if (tag && cJSON_GetArraySize(item) == 1 && cJSON_IsString(tag) && strcmp(tag->valuestring, "Infinity") == 0) {
        cJSON_Delete(item->child);
        item->child = NULL;
        item->type = cJSON_Number;
        cJSON_SetNumberValue(item, 1e300);
    }
    for (cJSON *child = item->child; child; child = child->next)
        untag(child);
}

int ns_json_parse_python(cJSON **out, const char *text, size_t n, int max_depth, const char *label, ns_error *err)
{
    *out = NULL;
    char *const plain = plain_numbers(text, n);
    const int rc = plain ? ns_json_parse(out, plain, n, max_depth, label, err) : ns_oom(err, label);
    free(plain);
    if (rc == NS_OK)
        untag(*out);
    return rc;
}

typedef int (*parse_fn)(cJSON **, const char *, size_t, int, const char *, ns_error *);

static int read_with(parse_fn parse, cJSON **out, const char *path, size_t limit, int max_depth, ns_error *err)
{
    *out = NULL;
    char *text;
    size_t n;
    int rc = ns_file_read(path, limit, &text, &n, err);
    if (rc == NS_OK)
        rc = parse(out, text, n, max_depth, path, err);
    free(text);
    return ns_kind_fail(err, rc, path, NS_KINDS_JSON | NS_KINDS(NS_KIND_TEXT), "JSON");
}

int ns_json_read(cJSON **out, const char *path, size_t limit, int max_depth, ns_error *err)
{
    return read_with(ns_json_parse, out, path, limit, max_depth, err);
}

int ns_json_read_python(cJSON **out, const char *path, size_t limit, int max_depth, ns_error *err)
{
    return read_with(ns_json_parse_python, out, path, limit, max_depth, err);
}

/* The member, or NULL where it is absent or null. */
static const cJSON *member(const cJSON *object, const char *key)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(object, key);
    return item && !cJSON_IsNull(item) ? item : NULL;
}

static const char *kind_of(const cJSON *item)
{
    return cJSON_IsString(item) ? "a string" : cJSON_IsNumber(item) ? "a number" : cJSON_IsBool(item) ? "true or false"
         : cJSON_IsArray(item) ? "a list" : cJSON_IsObject(item) ? "an object" : "null";
}

static int wrong_type(const cJSON *item, const char *key, const char *wanted, const char *label, ns_error *err)
{
    return ns_fail(err, NS_E_FORMAT, "%s: '%s' is %s, expected %s", label, key, kind_of(item), wanted);
}

int ns_json_i64(const cJSON *object, const char *key, int64_t otherwise, int64_t *out, const char *label, ns_error *err)
{
    *out = otherwise;
    const cJSON *const item = member(object, key);
    if (!item)
        return NS_OK;
    if (!cJSON_IsNumber(item))
        return wrong_type(item, key, "a whole number", label, err);
    const double value = item->valuedouble;
    if (value != floor(value) || fabs(value) >= 0x1p53)
        return ns_fail(err, NS_E_FORMAT, "%s: '%s' is %.17g, expected a whole number below 2^53", label, key, value);
    *out = (int64_t)value;
    return NS_OK;
}

int ns_json_f64(const cJSON *object, const char *key, double otherwise, double *out, const char *label, ns_error *err)
{
    *out = otherwise;
    const cJSON *const item = member(object, key);
    if (!item)
        return NS_OK;
    if (!cJSON_IsNumber(item))
        return wrong_type(item, key, "a number", label, err);
    *out = item->valuedouble;
    return NS_OK;
}

int ns_json_bool(const cJSON *object, const char *key, bool otherwise, bool *out, const char *label, ns_error *err)
{
    *out = otherwise;
    const cJSON *const item = member(object, key);
    if (!item)
        return NS_OK;
    if (!cJSON_IsBool(item))
        return wrong_type(item, key, "true or false", label, err);
    *out = cJSON_IsTrue(item);
    return NS_OK;
}

int ns_json_str(const cJSON *object, const char *key, const char **out, const char *label, ns_error *err)
{
    *out = NULL;
    const cJSON *const item = member(object, key);
    if (!item)
        return NS_OK;
    if (!cJSON_IsString(item))
        return wrong_type(item, key, "a string", label, err);
    *out = item->valuestring;
    return NS_OK;
}

int ns_json_keys(const cJSON *object, const char *const *known, int n, int code, const char *otherwise, const char *label, ns_error *err)
{
    for (const cJSON *item = object->child; item; item = item->next) {
        int i = 0;
        while (i < n && strcmp(known[i], item->string) != 0)
            i++;
        const char *const near = i < n ? NULL : ns_nearest_word(item->string, known, n);
        if (i == n)
            return near ? ns_fail(err, code, "%s: unknown key '%.80s' (did you mean '%s'?)", label, item->string, near)
                        : ns_fail(err, code, "%s: unknown key '%.80s' (%s)", label, item->string, otherwise);
    }
    return NS_OK;
}

int ns_json_no_null(const cJSON *object, const char *label, ns_error *err)
{
    for (const cJSON *item = object->child; item; item = item->next)
        if (cJSON_IsNull(item))
            return ns_fail(err, NS_E_FORMAT, "%s: '%s' is null: say what it is, or leave it out", label, item->string);
    return NS_OK;
}

char *ns_json_print(const cJSON *tree, bool pretty)
{
    char *const text = pretty ? cJSON_Print(tree) : cJSON_PrintUnformatted(tree);
    size_t bad;
    if (!text || ns_utf8_valid(text, strlen(text), &bad))
        return text;
    char *const spelt = ns_spell_bytes(text, "\\udc");
    free(text);
    return spelt;
}
