/* unicode.c - characters and what kind they are, by utf8proc's tables. */
#include <utf8proc.h>

#include "io/tokenizer/tok.h"

int ns_tok_next(const char *s, uint32_t *code)
{
    const uint8_t *const u = (const uint8_t *)s;
    if (u[0] < 0x80) {
        *code = u[0];
        return 1;
    }
    if (u[0] < 0xE0) {
        *code = (uint32_t)(u[0] & 0x1F) << 6 | (u[1] & 0x3Fu);
        return 2;
    }
    if (u[0] < 0xF0) {
        *code = (uint32_t)(u[0] & 0x0F) << 12 | (uint32_t)(u[1] & 0x3F) << 6 | (u[2] & 0x3Fu);
        return 3;
    }
    *code = (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3F) << 12 | (uint32_t)(u[2] & 0x3F) << 6 | (u[3] & 0x3Fu);
    return 4;
}

int ns_tok_char_before(const char *s, int64_t end, uint32_t *code)
{
    int64_t at = end - 1;
    while (at > 0 && ((uint8_t)s[at] & 0xC0) == 0x80)
        at--;
    return ns_tok_next(s + at, code);
}

/* The property White_Space. */
bool ns_tok_is_space(uint32_t code)
{
    return (code >= 9 && code <= 13) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A)
        || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

static utf8proc_category_t category(uint32_t code)
{
    return utf8proc_category((utf8proc_int32_t)code);
}

bool ns_tok_is_numeric(uint32_t code)
{
    if (code < 0x80)
        return code >= '0' && code <= '9';
    const utf8proc_category_t c = category(code);
    return c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_NO;
}

bool ns_tok_is_mark(uint32_t code)
{
    const utf8proc_category_t c = category(code);
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME;
}

bool ns_tok_is_accent(uint32_t code)
{
    return category(code) == UTF8PROC_CATEGORY_MN;
}

bool ns_tok_is_control(uint32_t code)
{
    const utf8proc_category_t c = category(code);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CO;
}

bool ns_tok_is_punctuation(uint32_t code)
{
    if (code < 0x80)
        return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') || (code >= '[' && code <= '`') || (code >= '{' && code <= '~');
    const utf8proc_category_t c = category(code);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

/* \w of the Rust crate regex: Alphabetic, M, Nd, Pc, Join_Control. Outside L, M and Nl only circled Latin letters are Alphabetic. */
bool ns_tok_is_word(uint32_t code)
{
    switch (category(code)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return code == 0x200C || code == 0x200D || (code >= 0x24B6 && code <= 0x24E9) || (code >= 0x1F130 && code <= 0x1F149)
            || (code >= 0x1F150 && code <= 0x1F169) || (code >= 0x1F170 && code <= 0x1F189);
    }
}
