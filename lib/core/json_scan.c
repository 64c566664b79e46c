/* json_scan.c - RFC 8259 read strictly, by a loop over tokens with one bit of memory per open bracket.
 * After it, cJSON cannot meet anything that it reads leniently. */
#include <ctype.h>
#include <string.h>

#include "core/json_scan.h"

enum { DEEPEST = 1000, LONGEST_NUMBER = 63 };   /* cJSON's CJSON_NESTING_LIMIT and its buffer for numbers */

typedef struct scanner {
    const char *text, *end, *at;
    const char *fault;             /* the first thing that was wrong, at `at` */
} scanner;

static bool fault(scanner *s, const char *what)
{
    if (!s->fault)
        s->fault = what;
    return false;
}

static void skip_space(scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool take(scanner *s, char c)
{
    if (s->at < s->end && *s->at == c) {
        s->at++;
        return true;
    }
    return false;
}

static bool take_word(scanner *s, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
        return false;
    s->at += n;
    return true;
}

static bool take_digits(scanner *s)
{
    const char *const start = s->at;
    while (s->at < s->end && isdigit((unsigned char)*s->at))
        s->at++;
    return s->at > start;
}

static bool scan_number(scanner *s)
{
    const char *const start = s->at;
    take(s, '-');
    if (take_word(s, "Infinity"))
        return fault(s, "Infinity is not JSON");
    if (!take(s, '0') && !take_digits(s))
        return fault(s, "not a number");
    if (take(s, '.') && !take_digits(s))
        return fault(s, "no digit after the point");
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+'))
            take(s, '-');
        if (!take_digits(s))
            return fault(s, "no digit in the exponent");
    }
    return s->at - start <= LONGEST_NUMBER ? true : fault(s, "a number of more than 63 characters");
}

/* The four hex digits of \uXXXX; -1 when they are not there. */
static int take_hex4(scanner *s)
{
    int value = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        if (s->at >= s->end || !isxdigit((unsigned char)*s->at))
            return -1;
        const int c = tolower((unsigned char)*s->at);
        value = value * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return value;
}

static bool scan_unicode_escape(scanner *s)
{
    const int code = take_hex4(s);
    if (code < 0)
        return fault(s, "\\u without four hex digits");
    if (code == 0)
        return fault(s, "a NUL character in a string");
    if (code < 0xD800 || code > 0xDFFF)
        return true;
    if (code > 0xDBFF || !take_word(s, "\\u"))
        return fault(s, "half of a surrogate pair");
    const int low = take_hex4(s);
    return low >= 0xDC00 && low <= 0xDFFF ? true : fault(s, "half of a surrogate pair");
}

static bool scan_string(scanner *s)
{
    if (!take(s, '"'))
        return fault(s, "a string was expected");
    while (s->at < s->end) {
        const unsigned char c = (unsigned char)*s->at;
        if (c < 0x20)
            return fault(s, c ? "a control character in a string" : "a NUL byte");
        s->at++;
        if (c == '"')
            return true;
        if (c != '\\')
            continue;
        if (take(s, 'u')) {
            if (!scan_unicode_escape(s))
                return false;
        } else if (s->at < s->end && *s->at && strchr("\"\\/bfnrt", *s->at)) {
            s->at++;
        } else {
            return fault(s, "an unknown escape in a string");
        }
    }
    return fault(s, "a string that does not end");
}

static bool scan_scalar(scanner *s)
{
    if (s->at >= s->end)
        return fault(s, "the text ends where a value was expected");
    const char c = *s->at;
    if (c == '"')
        return scan_string(s);
    if (c == '-' || isdigit((unsigned char)c))
        return scan_number(s);
    if (take_word(s, "true") || take_word(s, "false") || take_word(s, "null"))
        return true;
    if (take_word(s, "NaN"))
        return fault(s, "NaN is not JSON");
    if (take_word(s, "Infinity"))
        return fault(s, "Infinity is not JSON");
    return fault(s, c ? "a value was expected" : "a NUL byte");
}

static bool scan_key(scanner *s)
{
    skip_space(s);
    if (!scan_string(s))
        return false;
    skip_space(s);
    return take(s, ':') ? true : fault(s, "':' was expected after a key");
}

/* Closes what a value has just completed; stops before the next value. false with no fault: the whole text is done. */
static bool after_value(scanner *s, const bool *is_object, int *depth)
{
    while (*depth > 0) {
        skip_space(s);
        const bool object = is_object[*depth - 1];
        if (take(s, ','))
            return object ? scan_key(s) : true;
        if (!take(s, object ? '}' : ']'))
            return fault(s, object ? "',' or '}' was expected" : "',' or ']' was expected");
        (*depth)--;
    }
    return false;
}

/* Opens a list or object. *inside: its first value is still to come (false: it was empty and is closed again). */
static bool open_bracket(scanner *s, bool *is_object, int *depth, int max_depth, bool *inside)
{
    if (*depth == max_depth)
        return fault(s, "nested too deeply");
    const bool object = *s->at++ == '{';
    skip_space(s);
    *inside = !take(s, object ? '}' : ']');
    if (!*inside)
        return true;
    is_object[(*depth)++] = object;
    return object ? scan_key(s) : true;
}

static bool scan_text(scanner *s, int max_depth)
{
    bool is_object[DEEPEST];
    int depth = 0;
    do {
        bool inside = true;
        while (inside) {
            skip_space(s);
            inside = false;
            const bool bracket = s->at < s->end && (*s->at == '{' || *s->at == '[');
            if (bracket ? !open_bracket(s, is_object, &depth, max_depth, &inside) : !scan_scalar(s))
                return false;
        }
    } while (after_value(s, is_object, &depth));
    return s->fault == NULL;
}

int ns_json_scan(const char *text, size_t n, int max_depth, const char *label, ns_error *err)
{
    scanner s = {.text = text, .at = text, .end = text + n};
    take_word(&s, "\xEF\xBB\xBF");   /* a byte order mark is tolerated, as in cJSON */
    if (scan_text(&s, max_depth < DEEPEST ? max_depth : DEEPEST)) {
        skip_space(&s);
        if (s.at == s.end)
            return NS_OK;
        fault(&s, "something follows the JSON value");
    }
    int64_t line = 1;
    for (const char *c = text; c < s.at; c++)
        line += *c == '\n';
    return ns_fail(err, NS_E_FORMAT, "%s: not valid JSON: %s (line %lld, byte %zu)", label, s.fault, (long long)line,
                   (size_t)(s.at - text));
}
