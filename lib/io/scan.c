/* scan.c - a cursor over strict JSON in memory.
 *
 * The caller has checked that the whole text is valid UTF-8; strings with raw control characters, an escaped NUL or a lone
 * surrogate are refused, so that every decoded string is a C string of valid UTF-8. */
#include "io/scan.h"

#include <string.h>

int ns_scan_fail(const ns_scan *s, const char *what)
{
    return ns_fail(s->err, NS_E_FORMAT, "%s: byte %zu: %s", s->label, s->at, what);
}

static void skip_spaces(ns_scan *s)
{
    while (s->at < s->n && (s->text[s->at] == ' ' || s->text[s->at] == '\n' || s->text[s->at] == '\r' || s->text[s->at] == '\t'))
        s->at++;
}

bool ns_scan_next(ns_scan *s, char c)
{
    skip_spaces(s);
    if (s->at >= s->n || s->text[s->at] != c)
        return false;
    s->at++;
    return true;
}

int ns_scan_expect(ns_scan *s, char c)
{
    if (ns_scan_next(s, c))
        return NS_OK;
    char what[32] = "expected ' '";
    what[10] = c;
    return ns_scan_fail(s, s->at >= s->n ? "the JSON ends early" : what);
}

bool ns_scan_done(ns_scan *s)
{
    skip_spaces(s);
    return s->at == s->n;
}

/* Four hex digits after "\u"; -1 if they are not. */
static int32_t hex4(const ns_scan *s, size_t at)
{
    if (s->n - at < 4)
        return -1;
    int32_t v = 0;
    for (size_t i = at; i < at + 4; i++) {
        const char c = s->text[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        v = v * 16 + digit;
    }
    return v;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const int tail = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[4] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[tail] | c >> (6 * tail));
    for (int i = 1; i <= tail; i++)
        out[i] = (char)(0x80 | (c >> (6 * (tail - i)) & 0x3f));
    return (size_t)tail + 1;
}

/* s->at is behind "\u"; writes at most 3 bytes for 6 of source, or 4 for 12. */
static int unicode_escape(ns_scan *s, char *out, size_t *used)
{
    int32_t c = hex4(s, s->at);
    if (c <= 0)
        return ns_scan_fail(s, c < 0 ? "a \\u escape needs four hex digits" : "a string holds the character NUL");
    s->at += 4;
    if (c >= 0xd800 && c < 0xe000) {
        const bool pair = c < 0xdc00 && s->n - s->at >= 6 && s->text[s->at] == '\\' && s->text[s->at + 1] == 'u';
        const int32_t low = pair ? hex4(s, s->at + 2) : -1;
        if (low < 0xdc00 || low >= 0xe000)
            return ns_scan_fail(s, "a lone surrogate");
        s->at += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *used = put_utf8(out, (uint32_t)c);
    return NS_OK;
}

static int escape(ns_scan *s, char *out, size_t *used)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char c = s->at < s->n ? s->text[s->at] : 0;
    if (c == 'u') {
        s->at++;
        return unicode_escape(s, out, used);
    }
    const char *const known = c ? strchr(from, c) : NULL;
    if (!known)
        return ns_scan_fail(s, "an unknown escape");
    s->at++;
    *out = to[known - from];
    *used = 1;
    return NS_OK;
}

int ns_scan_string(ns_scan *s, char *out, size_t *n)
{
    skip_spaces(s);
    if (s->at >= s->n || s->text[s->at] != '"')
        return ns_scan_fail(s, s->at >= s->n ? "the JSON ends early" : "expected a string");
    s->at++;
    size_t w = 0;
    while (s->at < s->n && s->text[s->at] != '"') {
        if ((uint8_t)s->text[s->at] < 0x20)
            return ns_scan_fail(s, "a raw control character in a string");
        if (s->text[s->at] != '\\') {
            out[w++] = s->text[s->at++];
            continue;
        }
        s->at++;
        size_t used = 0;
        const int rc = escape(s, out + w, &used);
        if (rc != NS_OK)
            return rc;
        w += used;
    }
    if (s->at >= s->n)
        return ns_scan_fail(s, "a string does not end");
    s->at++;
    out[w] = 0;
    *n = w;
    return NS_OK;
}

int ns_scan_u64(ns_scan *s, uint64_t *out)
{
    skip_spaces(s);
    const size_t start = s->at;
    uint64_t v = 0;
    while (s->at < s->n && s->text[s->at] >= '0' && s->text[s->at] <= '9') {
        const uint64_t digit = (uint64_t)(s->text[s->at] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return ns_scan_fail(s, "a number beyond 2^64");
        v = v * 10 + digit;
        s->at++;
    }
    const char next = s->at < s->n ? s->text[s->at] : 0;
    if (s->at == start || next == '.' || next == 'e' || next == 'E')
        return ns_scan_fail(s, start >= s->n ? "the JSON ends early" : "expected a non-negative integer");
    if (s->at - start > 1 && s->text[start] == '0')
        return ns_scan_fail(s, "a number with a leading zero");
    *out = v;
    return NS_OK;
}
