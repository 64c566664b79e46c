/* utf8.c - strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include <string.h>

#include "core/core.h"

bool ns_is_unseen(uint32_t code)
{
    static const uint32_t ranges[][2] = {{0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e}, {0x200b, 0x200b},   {0x200e, 0x200f},
                                         {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};
    bool unseen = false;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        unseen |= code >= ranges[i][0] && code <= ranges[i][1];
    return unseen;
}

/* Chinese, Japanese, Korean. */
static bool has_no_blanks(uint32_t code)
{
    return (code >= 0x2e80 && code <= 0xd7af) || (code >= 0xf900 && code <= 0xfaff) || (code >= 0x20000 && code <= 0x3ffff);
}

bool ns_may_break(const char *before, const char *after)
{
    static const char blanks[] = " \t\n";
    uint32_t last = 0, first = 0;
    for (int n; (n = ns_utf8_next(before, strnlen(before, 4), &last)) > 0; before += n)
        ;
    ns_utf8_next(after, strnlen(after, 4), &first);
    return (last && last < 0x80 && strchr(blanks, (int)last)) || (first && first < 0x80 && strchr(blanks, (int)first)) ||
           has_no_blanks(last) || has_no_blanks(first);
}

int ns_utf8_next(const char *text, size_t n, uint32_t *code)
{
    if (n == 0)
        return 0;
    const uint8_t *const byte = (const uint8_t *)text;
    const uint8_t lead = byte[0];
    if (lead < 0x80) {
        *code = lead;
        return 1;
    }
    const int length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || n < (size_t)length)
        return -1;
    uint32_t value = lead & (0x7Fu >> length);
    for (int i = 1; i < length; i++) {
        if ((byte[i] & 0xC0) != 0x80)
            return -1;
        value = value << 6 | (byte[i] & 0x3F);
    }
    const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    if (overlong || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return -1;
    *code = value;
    return length;
}

int ns_utf8_put(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    const int n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((0xF00 >> n & 0xF0) | code);
    return n;
}

char *ns_utf8_whole(char *text)
{
    char *to = text;
    for (const char *at = text; *at;) {
        const uint8_t lead = (uint8_t)*at;
        const int wanted = lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 1;
        int n = 1;
        while (n < wanted && ((uint8_t)at[n] & 0xC0) == 0x80)
            n++;
        if (n == wanted) {
            memmove(to, at, (size_t)n);
            to += n;
        }
        at += n;
    }
    *to = '\0';
    return text;
}

bool ns_utf8_valid(const char *text, size_t n, size_t *bad_offset)
{
    for (size_t at = 0; at < n;) {
        uint32_t code;
        const int used = ns_utf8_next(text + at, n - at, &code);
        if (used < 0) {
            if (bad_offset)
                *bad_offset = at;
            return false;
        }
        at += (size_t)used;
    }
    return true;
}
