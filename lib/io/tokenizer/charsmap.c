/* charsmap.c - Precompiled: the normal form that a SentencePiece model carries, as `tokenizers` applies it. The map is a double-array trie
 * (that of Darts-clone) and a string of NUL-terminated replacements to which its values point. A grapheme of less than six bytes is looked
 * up whole, and a prefix of it that is in the map replaces it all; characters of others are looked up one by one. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "io/tokenizer/tok.h"

struct ns_tok_charsmap {
    uint32_t *unit;                      /* [units] */
    size_t    units, n;
    char     *text;                      /* [n], then a NUL; valid UTF-8 */
};

enum { SHORT_GRAPHEME = 6 };

void ns_tok_charsmap_free(struct ns_tok_charsmap *map)
{
    if (!map)
        return;
    free(map->unit);
    free(map->text);
    free(map);
}

/* u32 bytes of the trie, the trie, the replacements; little endian. */
static int unpack(struct ns_tok_charsmap *map, const uint8_t *data, size_t n, const char *label, ns_error *err)
{
    const size_t size = n >= 4 ? (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16 | (size_t)data[3] << 24 : SIZE_MAX;
    size_t bad;
    if (n < 4 || size % 4 || size > n - 4 || !size)
        return ns_fail(err, NS_E_FORMAT, "%s: precompiled_charsmap: its trie is cut short or has no whole number of units", label);
    map->units = size / 4;
    map->n = n - 4 - size;
    map->unit = ns_alloc_array(map->units, sizeof *map->unit);
    map->text = ns_alloc_array(map->n + 1, 1);
    if (!map->unit || !map->text)
        return ns_oom(err, label);
    for (size_t i = 0; i < map->units; i++) {
        const uint8_t *const u = data + 4 + 4 * i;
        map->unit[i] = (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
    }
    memcpy(map->text, data + 4 + size, map->n);
    if (!ns_utf8_valid(map->text, map->n, &bad))
        return ns_fail(err, NS_E_FORMAT, "%s: precompiled_charsmap: its replacements are no UTF-8", label);
    return NS_OK;
}

int ns_tok_read_precompiled(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const char *text;
    size_t n = 1;
    int rc = ns_json_str(json, "precompiled_charsmap", &text, label, err);
    if (rc != NS_OK)
        return rc;
    uint8_t *const data = text ? ns_base64_decode(text, &n) : NULL;
    if (!data && n)
        return ns_fail(err, NS_E_FORMAT, "%s: precompiled_charsmap is not a string of base64", label);
    step->charsmap = data ? ns_alloc_array(1, sizeof *step->charsmap) : NULL;
    rc = step->charsmap ? unpack(step->charsmap, data, n, label, err) : ns_oom(err, label);
    free(data);
    return rc;
}

/* ---- the trie ---- */

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* What the shortest key that s begins with points to; -1: there is none; -2: the map is damaged. */
static int64_t look_up(const struct ns_tok_charsmap *map, const char *s, int64_t n)
{
    size_t at = offset_of(map->unit[0]);
    for (int64_t i = 0; i < n && s[i]; i++) {
        const uint8_t byte = (uint8_t)s[i];
        at ^= byte;
        if (at >= map->units)
            return -2;
        const uint32_t unit = map->unit[at];
        if ((unit & (1u << 31 | 0xFF)) != byte)
            return -1;
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1))
            continue;
        return at < map->units && (map->unit[at] & 0x7FFFFFFF) < map->n ? (int64_t)(map->unit[at] & 0x7FFFFFFF) : -2;
    }
    return -1;
}

/* ---- the text ---- */

static int64_t count_chars(const char *s, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += ((uint8_t)s[i] & 0xC0) != 0x80;
    return count;
}

/* `old` characters become those of the replacement: the last of it are inserted, or the last character that stands takes along what is
 * dropped. */
static int replace(ns_tok_work *w, const char *text, int64_t old)
{
    const int64_t n = (int64_t)strlen(text), more = count_chars(text, n) - old, first = w->chars_n;
    int rc = NS_OK;
    for (int64_t at = 0; at < n && rc == NS_OK; ) {
        uint32_t code;
        at += ns_tok_next(text + at, &code);
        rc = ns_tok_char_push(w, (int32_t)code, 0);
    }
    for (int64_t i = w->chars_n - 1; rc == NS_OK && more > 0 && i >= first && w->chars_n - i <= more; i--)
        w->chars[i].change = 1;
    if (rc == NS_OK && more < 0 && w->chars_n)
        w->chars[w->chars_n - 1].change += (int32_t)more;
    return rc;
}

/* *found: it was in the map and is in w->chars. */
static int try_replace(ns_tok_work *w, const struct ns_tok_charsmap *map, const char *s, int64_t n, bool *found)
{
    const int64_t at = look_up(map, s, n);
    *found = at >= 0;
    if (at == -2 || (at >= 0 && ((uint8_t)map->text[at] & 0xC0) == 0x80))
        return ns_fail(w->err, NS_E_FORMAT, "%s: precompiled_charsmap points beyond its end or into a character", w->tok->path);
    return at < 0 ? NS_OK : replace(w, map->text + at, count_chars(s, n));
}

static int put_grapheme(ns_tok_work *w, const struct ns_tok_charsmap *map, const char *s, int64_t n, bool *changed)
{
    bool found = false;
    int rc = n < SHORT_GRAPHEME ? try_replace(w, map, s, n, &found) : NS_OK;
    *changed |= found;
    for (int64_t at = 0; at < n && !found && rc == NS_OK; ) {
        uint32_t code;
        bool known;
        const int size = ns_tok_next(s + at, &code);
        rc = try_replace(w, map, s + at, size, &known);
        if (rc == NS_OK && !known)
            rc = ns_tok_char_push(w, (int32_t)code, 0);
        *changed |= known;
        at += size;
    }
    return rc;
}

static int64_t end_of_grapheme(const char *s, int64_t n, int64_t at)
{
    utf8proc_int32_t state = 0;
    uint32_t before, code;
    at += ns_tok_next(s + at, &before);
    while (at < n) {
        const int size = ns_tok_next(s + at, &code);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)code, &state))
            break;
        before = code;
        at += size;
    }
    return at;
}

int ns_tok_run_precompiled(ns_tok_work *w, const ns_tok_step *step)
{
    bool changed = false;
    int rc = NS_OK;
    w->chars_n = 0;
    for (int64_t at = 0, end; at < w->part.n && rc == NS_OK; at = end) {
        end = end_of_grapheme(w->part.s, w->part.n, at);
        rc = put_grapheme(w, step->charsmap, w->part.s + at, end - at, &changed);
    }
    return rc == NS_OK && changed ? ns_tok_chars_apply(w) : rc;
}
