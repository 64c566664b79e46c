/* text.c - small strings: copies, formatting, globs. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

char *ns_strdup(const char *text)
{
    return text ? strdup(text) : NULL;
}

bool ns_copy_text(char **to, const char *text)
{
    *to = ns_strdup(text);
    return !*to == !text;
}

char *ns_printf_alloc(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    const int n = vasprintf(&text, fmt, args);
    va_end(args);
    return n < 0 ? NULL : text;
}

/* Linear memory, |pattern| * |text| steps at worst: only the last '*' is ever retried. */
bool ns_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool ns_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool ns_ends(const char *text, const char *suffix)
{
    const size_t n = strlen(text), m = strlen(suffix);
    return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

/* The bytes of the character at `at`, which is no NUL: < 0 where it is a control character, or no UTF-8 (then one byte). */
static int shown(const char *at)
{
    uint32_t code;
    const int size = ns_utf8_next(at, strnlen(at, 4), &code);
    return size <= 0 ? -1 : code < ' ' || (code >= 0x7F && code < 0xA0) ? -size : size;
}

char *ns_one_line(char *text)
{
    for (char *at = text; at && *at; ) {
        const int n = shown(at);
        if (n < 0)
            memset(at, ' ', (size_t)-n);
        at += abs(n);
    }
    return text;
}

char *ns_spell_bytes(const char *text, const char *before)
{
    char *const out = ns_alloc_array(strlen(text) + 1, strlen(before) + 2), *to = out;
    uint32_t code;
    for (int n; out && *text; text += n) {
        const int size = ns_utf8_next(text, strnlen(text, 4), &code);
        n = size > 0 ? size : 1;
        if (size > 0)
            memcpy(to, text, (size_t)n);
        to += size > 0 ? n : sprintf(to, "%s%02x", before, (unsigned)(unsigned char)*text);
    }
    return out;
}

char *ns_clean_utf8(const char *text)
{
    return ns_spell_bytes(text, "\\x");
}

/* \n, \x1b, \u009b (of two bytes, the second of which is the number) */
static int escape(char *to, const char *at, int n)
{
    static const char named[] = "\n\t\r", letter[] = "ntr";
    const char *const name = strchr(named, *at);
    const unsigned char last = (unsigned char)at[n - 1];
    return name ? sprintf(to, "\\%c", letter[name - named]) : sprintf(to, n == 1 ? "\\x%02x" : "\\u%04x", last);
}

/* The character at `at` as it is shown -> out, without a NUL; gives its bytes there. *n: those that it has in the text. */
static int show_one(char out[8], const char *at, const char *kept, int *n)
{
    const int size = shown(at);
    *n = abs(size);
    if (size < 0 && !strchr(kept, *at))
        return escape(out, at, *n);
    memcpy(out, at, (size_t)*n);
    return *n;
}

char *ns_visible(const char *text, const char *kept)
{
    char *const out = ns_alloc_array(4 * strlen(text) + 1, 1), *to = out, one[8];
    for (int n; out && *text; text += n) {
        const int m = show_one(one, text, kept, &n);
        memcpy(to, one, (size_t)m);
        to += m;
    }
    if (out)
        *to = '\0';
    return out;
}

void ns_put_visible(FILE *f, const char *text, const char *kept)
{
    char one[8];
    for (int n; *text; text += n)
        fwrite(one, 1, (size_t)show_one(one, text, kept, &n), f);
}

char *ns_base64(const void *bytes, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *const data = bytes;
    char *const text = n < SIZE_MAX / 2 ? ns_alloc_array(n / 3 * 4 + 5, 1) : NULL, *to = text;
    for (size_t i = 0; text && i < n; i += 3) {
        const uint32_t second = i + 1 < n ? data[i + 1] : 0, third = i + 2 < n ? data[i + 2] : 0;
        const uint32_t three = (uint32_t)data[i] << 16 | second << 8 | third;
        *to++ = digit[three >> 18];
        *to++ = digit[three >> 12 & 63];
        *to++ = i + 1 < n ? digit[three >> 6 & 63] : '=';
        *to++ = i + 2 < n ? digit[three & 63] : '=';
    }
    return text;
}

static int digit_value(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62
         : c == '/' ? 63 : -1;
}

uint8_t *ns_base64_decode(const char *text, size_t *n)
{
    size_t length = strlen(text);
    const bool whole = length % 4 == 0;
    for (int pad = 0; whole && pad < 2 && length && text[length - 1] == '='; pad++)
        length--;
    uint8_t *const data = ns_alloc_array(length / 4 * 3 + 3, 1), *to = data;
    uint32_t bits = 0;
    for (size_t i = 0; data && i < length; i++) {
        const int value = digit_value(text[i]);
        if (value < 0 || !whole) {
            *n = 1;
            free(data);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4)
            *to++ = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *n = data ? (size_t)(to - data) : 0;
    return data;
}

void ns_csv_field(FILE *f, const char *text)
{
    const bool quoted = strpbrk(text, ",\"\r\n") || (*text && (*text == ' ' || text[strlen(text) - 1] == ' '));
    if (quoted)
        fputc('"', f);
    for (; *text; text++)
        fprintf(f, *text == '"' ? "\"\"" : "%c", *text);
    if (quoted)
        fputc('"', f);
}

/* As a shell would take it: what holds anything unusual goes into quotes. */
static char *quoted(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
    if (*word && !word[strspn(word, plain)])
        return ns_strdup(word);
    char *const out = malloc(4 * strlen(word) + 3), *at = out;
    if (!out)
        return NULL;
    *at++ = '\'';
    for (; *word; word++) {
        if (*word == '\'') {   /* out of the quotes, one escaped, and in again */
            memcpy(at, "'\\''", 4);
            at += 4;
        } else {
            *at++ = *word;
        }
    }
    *at++ = '\'';
    *at = '\0';
    return out;
}

char *ns_command_line(int n, const char *const *words)
{
    char *text = NULL;
    for (int i = 0; i < n; i++) {
        char *const word = quoted(words[i]);
        char *const longer = word ? ns_printf_alloc("%s%s%s", text ? text : "", text ? " " : "", word) : NULL;
        free(word);
        free(text);
        text = longer;
        if (!text)
            return NULL;
    }
    return text ? text : ns_strdup("");
}
