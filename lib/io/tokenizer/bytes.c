/* bytes.c - the byte-level alphabet: every byte has a printable character. Bytes that are printable in Latin-1 stand for
 * themselves; the 68 others take U+0100, U+0101, ... in order:  0x00-0x20, 0x7F-0xA0, 0xAD. */
#include "io/tokenizer/tok.h"

enum { FIRST = 0x100, LOW = 0x21, HIGH = 0x22, OTHERS = LOW + HIGH + 1 };

static uint32_t byte_code(uint8_t byte)
{
    if (byte < LOW)
        return (uint32_t)FIRST + byte;
    if (byte >= 0x7F && byte <= 0xA0)
        return (uint32_t)(FIRST + LOW) + (uint32_t)(byte - 0x7F);
    return byte == 0xAD ? FIRST + OTHERS - 1 : byte;
}

int ns_tok_byte_utf8(uint8_t byte, char out[2])
{
    if (byte >= LOW && byte < 0x7F) {
        out[0] = (char)byte;
        return 1;
    }
    const uint32_t code = byte_code(byte);                /* U+00A1 to U+0143: two bytes */
    out[0] = (char)(0xC0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3F));
    return 2;
}

int ns_tok_char_byte(uint32_t code)
{
    if (code >= FIRST && code < FIRST + LOW)
        return (int)(code - FIRST);
    if (code >= FIRST + LOW && code < FIRST + OTHERS - 1)
        return (int)(code - FIRST - LOW + 0x7F);
    if (code == FIRST + OTHERS - 1)
        return 0xAD;
    return code < FIRST && byte_code((uint8_t)code) == code ? (int)code : -1;
}
