/* json_edit.c - the text of an object that was parsed, changed in one place; every other byte stays as it was. */
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

static const char space[] = " \t\r\n";

static const char *string_end(const char *quote)
{
    for (quote++; *quote != '"'; quote++)
        quote += *quote == '\\';
    return quote + 1;
}

/* The object's closing brace; *key: where its own member of this name begins, or NULL. */
static const char *closing(const char *text, const char *name, const char **key)
{
    const size_t n = strlen(name);
    int depth = 0;
    *key = NULL;
    for (;; text++) {
        if (*text == '"') {
            const char *const end = string_end(text);
            if (depth == 1 && (size_t)(end - text) == n + 2 && memcmp(text + 1, name, n) == 0 && end[strspn(end, space)] == ':')
                *key = text;
            text = end - 1;
        }
        depth += *text == '{' || *text == '[' ? 1 : *text == '}' || *text == ']' ? -1 : 0;
        if (*text == '}' && depth == 0)
            return text;
    }
}

/* Bytes of the member at `key`, with the comma behind it. Its value is a string, a number or a word. */
static size_t member_size(const char *key)
{
    const char *end = string_end(key);
    end += strspn(end, space) + 1;
    end += strspn(end, space);
    end = *end == '"' ? string_end(end) : end + strcspn(end, ",} \t\r\n");
    end += strspn(end, space);
    return (size_t)(end + (*end == ',') - key);
}

char *ns_json_with_string(const char *text, const char *key, const char *value)
{
    const char *old, *end = closing(text, key, &old);
    char *const plain = ns_strdup(text);
    if (plain && old) {
        const size_t at = (size_t)(old - text), n = member_size(old);
        memmove(plain + at, plain + at + n, strlen(plain + at + n) + 1);
    }
    if (!plain)
        return NULL;
    end = closing(plain, key, &old);
    const char *last = end;
    while (last > plain && strchr(space, last[-1]))
        last--;
    last -= last[-1] == ',';                            /* of a member that was the last one */
    char *const out = ns_printf_alloc("%.*s%s\n  \"%s\": \"%s\"\n%s", (int)(last - plain), plain, last[-1] == '{' ? "" : ",", key, value,
                                      end);
    free(plain);
    return out;
}

/* ---- other values ---- */

/* What the member at `quote`, one of this name, has behind its colon when that is a string; NULL: it is no such member. */
static const char *string_of(const char *quote, const char *name)
{
    const char *at = string_end(quote);
    const size_t n = strlen(name);
    if ((size_t)(at - quote) != n + 2 || memcmp(quote + 1, name, n) != 0)
        return NULL;
    at += strspn(at, space);
    if (*at != ':')
        return NULL;
    at += 1 + strspn(at + 1, space);
    return *at == '"' ? at : NULL;
}

char *ns_json_with_values(const char *text, const char *key, const char *value)
{
    const size_t grows = strlen(value), least = strlen(key) + strlen("\"\":\"\"");
    char *const out = ns_alloc_array(strlen(text) * (1 + (grows + least - 1) / least) + 1, 1);
    size_t n = 0;
    while (out && *text) {
        const char *const end = *text == '"' ? string_end(text) : text + 1, *const old = *text == '"' ? string_of(text, key) : NULL;
        const size_t keeps = (size_t)((old ? old + 1 : end) - text);
        memcpy(out + n, text, keeps);
        n += keeps;
        text = old ? string_end(old) : end;
        if (old) {
            memcpy(out + n, value, grows);
            n += grows;
            out[n++] = '"';
        }
    }
    return out;
}
