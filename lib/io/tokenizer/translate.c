/* translate.c - an Oniguruma pattern, as tokenizer.json holds it, written for PCRE2 (UTF, UCP, multi-line ^ and $).
 *
 * Most of both languages is common and copied. What differs is spelled out: \s is the property White_Space (PCRE2 adds U+180E),
 * \w is Alphabetic, M, Nd, Pc (PCRE2 before 10.43: L, N, _), \h is a hexadecimal digit, \v is U+000B, (?m) lets a dot match a
 * newline, {,n} means {0,n}. What PCRE2 cannot say, or would read otherwise, is refused with its name. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

#define SPACE "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NO_SPACE "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}" \
                 "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
/* Alphabetic is L, Nl, some of M, and the circled letters. */
#define WORD "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"
/* Outside a class Oniguruma asks its Latin-1 table first, and that counts superscripts and fractions as word characters. */
#define WORD_ALONE WORD "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"
#define HEX "0-9A-Fa-f"
#define NO_HEX "\\x{0}-\\x{2f}\\x{3a}-\\x{40}\\x{47}-\\x{60}\\x{67}-\\x{10ffff}"

/* What follows a backslash or stands between [: and :], outside a class and inside one. NULL: refused there. */
static const struct { const char *name, *alone, *inside; } classes[] = {
    {"s", "[" SPACE "]", SPACE}, {"S", "[^" SPACE "]", NO_SPACE},
    {"w", "[" WORD_ALONE "]", WORD}, {"W", "[^" WORD_ALONE "]", NULL},
    {"h", "[" HEX "]", HEX}, {"H", "[^" HEX "]", NO_HEX},
    {"v", "\\x{b}", "\\x{b}"}, {"V", NULL, NULL},
    {"b", "(?:(?<=[" WORD_ALONE "])(?![" WORD_ALONE "])|(?<![" WORD_ALONE "])(?=[" WORD_ALONE "]))", "\\x{8}"},
    {"B", "(?:(?<=[" WORD_ALONE "])(?=[" WORD_ALONE "])|(?<![" WORD_ALONE "])(?![" WORD_ALONE "]))", NULL},
    {"Q", NULL, NULL}, {"E", NULL, NULL}, {"y", NULL, NULL}, {"Y", NULL, NULL}, {"O", NULL, NULL}, {"M", NULL, NULL}, {"C", NULL, NULL},
    {"[:space:]", NULL, SPACE}, {"[:word:]", NULL, WORD}, {"[:xdigit:]", NULL, HEX}, {"[:digit:]", NULL, "\\p{Nd}"},
    {"[:punct:]", NULL, "\\p{P}\\p{S}"},
};

typedef struct translation {
    const char *pattern, *at;            /* at: what is left to read */
    const char *label;
    ns_error   *err;
    char       *out;
    int64_t     n, capacity;
    int         failed;                  /* the error's code */
} translation;

static void put(translation *t, const char *text, size_t n)
{
    if (t->failed)
        return;
    if (!ns_grow(&t->out, &t->capacity, t->n + (int64_t)n + 1, 1)) {
        t->failed = ns_oom(t->err, t->label);
        return;
    }
    memcpy(t->out + t->n, text, n);
    t->n += (int64_t)n;
    t->out[t->n] = '\0';
}

/* Copies n characters of the pattern. */
static void copy(translation *t, size_t n)
{
    put(t, t->at, n);
    t->at += n;
}

static void refuse(translation *t, const char *what, size_t n)
{
    if (!t->failed)
        t->failed = ns_fail(t->err, NS_E_UNSUPPORTED, "%s: '%.*s' in the pattern '%.200s' is not supported",
                            t->label, (int)n, what, t->pattern);
}

/* Writes the class of that name, if it is one of ours. */
static bool put_class(translation *t, const char *name, size_t n, bool inside, const char *whole, size_t whole_n)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strlen(classes[i].name) != n || memcmp(classes[i].name, name, n) != 0)
            continue;
        const char *const text = inside ? classes[i].inside : classes[i].alone;
        if (text)
            put(t, text, strlen(text));
        else
            refuse(t, whole, whole_n);
        return true;
    }
    return false;
}

static size_t hex_digits(const char *s)
{
    size_t n = 0;
    while (isxdigit((unsigned char)s[n]))
        n++;
    return n;
}

static void escape(translation *t, bool inside)
{
    const char *const at = t->at;
    if (!at[1]) {
        refuse(t, at, 1);
    } else if (put_class(t, at + 1, 1, inside, at, 2)) {
        t->at += 2;
    } else if (at[1] == 'u') {
        if (hex_digits(at + 2) < 4) {
            refuse(t, at, 2);
            return;
        }
        put(t, "\\x{", 3);
        put(t, at + 2, 4);
        put(t, "}", 1);
        t->at += 6;
    } else {
        copy(t, 2);
        if ((uint8_t)at[1] >= 0xC0)   /* the rest of a character */
            while (((uint8_t)*t->at & 0xC0) == 0x80)
                copy(t, 1);
        if (strchr("pPxo", at[1]) && *t->at == '{')   /* a name or a number: these braces are no interval */
            copy(t, strcspn(t->at, "}"));
        if (strchr("pPxo", at[1]) && *t->at == '}')
            copy(t, 1);
    }
}

static void bracket(translation *t)
{
    copy(t, 1);
    if (*t->at == '^')
        copy(t, 1);
    if (*t->at == ']')
        copy(t, 1);
    while (!t->failed && *t->at && *t->at != ']') {
        if (*t->at == '\\') {
            escape(t, true);
        } else if (*t->at == '[') {
            const char *const end = t->at[1] == ':' ? strstr(t->at, ":]") : NULL;
            const size_t n = end ? (size_t)(end - t->at) + 2 : 1;
            if (!end || !put_class(t, t->at, n, true, t->at, n))
                refuse(t, t->at, n);   /* a class within a class */
            t->at += n;
        } else if (t->at[0] == '&' && t->at[1] == '&') {
            refuse(t, t->at, 2);
        } else {
            copy(t, 1);
        }
    }
    if (*t->at == ']')
        copy(t, 1);
}

/* After "(?": the flags of a group, where m means what s means to PCRE2. Other groups are left to it. */
static void group(translation *t)
{
    copy(t, 2);
    const size_t n = strspn(t->at, "imsxnaDSWPUuJdx-");
    if (t->at[n] != ':' && t->at[n] != ')')
        return;
    for (size_t i = 0; i < n; i++) {
        const char c = *t->at;
        if (!strchr("imx-", c)) {
            refuse(t, t->at, 1);
            return;
        }
        put(t, c == 'm' ? "s" : t->at, 1);
        t->at++;
    }
}

/* {n}, {n,}, {n,m} or {,m}. Oniguruma has no possessive or lazy form of {n} and reads a + after an interval as another repeat. */
static void interval(translation *t)
{
    const char *const at = t->at;
    const size_t low = strspn(at + 1, "0123456789");
    const bool comma = at[1 + low] == ',';
    const size_t high = comma ? strspn(at + 2 + low, "0123456789") : 0;
    const size_t n = 1 + low + comma + high;
    if (at[n] != '}' || low + high == 0) {
        put(t, "\\", 1);   /* a brace that opens nothing stands for itself */
        copy(t, 1);
        return;
    }
    if (at[n + 1] == '+' || (at[n + 1] == '?' && !comma)) {
        refuse(t, at, n + 2);
        return;
    }
    put(t, low ? "{" : "{0", low ? 1 : 2);
    t->at++;
    copy(t, n);
}

int ns_tok_regex_translate(char **out, const char *pattern, const char *label, ns_error *err)
{
    translation t = {.pattern = pattern, .at = pattern, .label = label, .err = err};
    put(&t, "", 0);
    while (!t.failed && *t.at) {
        if (*t.at == '\\')
            escape(&t, false);
        else if (*t.at == '[')
            bracket(&t);
        else if (t.at[0] == '(' && t.at[1] == '?')
            group(&t);
        else if (*t.at == '{')
            interval(&t);
        else
            copy(&t, 1);
    }
    if (t.failed) {
        free(t.out);
        t.out = NULL;
    }
    *out = t.out;
    return t.failed;
}
