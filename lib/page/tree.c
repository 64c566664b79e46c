/* tree.c - the JSON of a page. */
#include "page/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put(ns_web *p, cJSON *in, const char *key, cJSON *item)
{
    const bool good = item && (key ? cJSON_AddItemToObject(in, key, item) : cJSON_AddItemToArray(in, item));
    if (!good)
        cJSON_Delete(item);
    p->failed |= !good;
}

cJSON *ns_web_object(ns_web *p, cJSON *in, const char *key)
{
    cJSON *const object = cJSON_CreateObject();
    put(p, in, key, object);
    return p->failed ? NULL : object;
}

cJSON *ns_web_list(ns_web *p, cJSON *in, const char *key)
{
    cJSON *const list = cJSON_CreateArray();
    put(p, in, key, list);
    return p->failed ? NULL : list;
}

void ns_web_text(ns_web *p, cJSON *in, const char *key, const char *value)
{
    char *const clean = value ? ns_clean_utf8(value) : NULL;
    put(p, in, key, clean ? cJSON_CreateString(clean) : value ? NULL : cJSON_CreateNull());
    free(clean);
}

int ns_web_texts(ns_web *p, cJSON *in, const ns_file *f, const char *name, int64_t n, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = name, .rank = 1, .shape = {n}};
    char **texts;
    if (!ns_file_has(f, name))
        return NS_OK;
    const int rc = ns_file_texts(f, &w, &texts, err);
    if (rc != NS_OK)
        return rc;
    cJSON *const list = ns_web_list(p, in, name);
    for (int64_t i = 0; i < w.shape[0]; i++)
        ns_web_text(p, list, NULL, texts[i]);
    ns_free_strings(texts, w.shape[0]);
    return NS_OK;
}

void ns_web_number(ns_web *p, cJSON *in, const char *key, double value)
{
    put(p, in, key, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

void ns_web_numbers(ns_web *p, cJSON *in, const char *key, const int64_t *values, int64_t n)
{
    cJSON *const list = ns_web_list(p, in, key);
    for (int64_t i = 0; i < n && !p->failed; i++)
        ns_web_number(p, list, NULL, (double)values[i]);
}

/* Outside of strings JSON has none of these characters, and inside they may be written as \uXXXX. */
static const char *escaped(const char *at, size_t *used)
{
    static const struct { const char *seen, *written; } table[] = {
        {"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}, {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (ns_starts(at, table[i].seen)) {
            *used = strlen(table[i].seen);
            return table[i].written;
        }
    return NULL;
}

char *ns_web_print(const ns_web *p, const cJSON *tree)
{
    char *const text = p->failed ? NULL : ns_json_print(tree, false), *out = NULL;
    ns_stream *const stream = text ? ns_stream_open() : NULL;
    for (const char *at = text; stream && *at;) {
        size_t used = 1;
        const char *const written = escaped(at, &used);
        if (written)
            fputs(written, ns_stream_file(stream));
        else
            fputc(*at, ns_stream_file(stream));
        at += used;
    }
    free(text);
    return stream && ns_stream_end(stream, "the page", &out, NULL, NULL) == NS_OK ? out : NULL;
}

void ns_web_remark(ns_web *p, const char *format, ...)
{
    const size_t used = strlen(p->note);
    va_list args;
    char line[256];
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (strstr(p->note, line))                   /* of another file, too */
        return;
    snprintf(p->note + used, sizeof p->note - used, "%s%s", used ? "; " : "", line);
}
