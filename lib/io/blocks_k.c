/* blocks_k.c - the K-quants of GGML: 256 numbers a block in groups of 16 or 32, each with a scale of few bits, as gguf.dequantize of the
 * Python package `gguf` computes them.
 *
 * Codes of 2 bits and the upper bits of longer ones lie in planes: 32 bytes hold those of numbers l, 32 + l, 64 + l, ... one above the
 * other. */
#include "io/blocks.h"

enum { N = 256, GROUP = 32 };

int ns_two_bits(const uint8_t *plane, int i)
{
    return plane[i % GROUP] >> 2 * (i / GROUP) & 3;
}

void ns_decode_q2_k(const uint8_t *b, float *out)
{
    const uint8_t *const scales = b, *const codes = b + 16;
    const float d = ns_half_at(b + 80), least = ns_half_at(b + 82);
    for (int i = 0; i < N; i++) {
        const uint8_t scale = scales[i / 16];
        out[i] = d * (float)(scale & 15) * (float)ns_two_bits(codes + i / 128 * 32, i % 128) - least * (float)(scale >> 4);
    }
}

/* Six bits, the lower four of 16 scales in 8 bytes, the upper two in 4. */
static int scale_of_3(const uint8_t *s, int i)
{
    return (s[i % 8] >> 4 * (i / 8) & 15) | (s[8 + i % 4] >> 2 * (i / 4) & 3) << 4;
}

void ns_decode_q3_k(const uint8_t *b, float *out)
{
    const uint8_t *const high = b, *const codes = b + 32, *const scales = b + 96;
    const float d = ns_half_at(b + 108);
    for (int i = 0; i < N; i++) {
        const int bit = high[i % GROUP] >> i / GROUP & 1;             /* of the sign: absent is -4 */
        const int q = ns_two_bits(codes + i / 128 * 32, i % 128) - (bit ? 0 : 4);
        out[i] = d * (float)(scale_of_3(scales, i / 16) - 32) * (float)q;
    }
}

/* Eight scales and eight least values of six bits in 12 bytes. */
static int scale_of_4(const uint8_t *s, int group)
{
    return group < 4 ? s[group] & 63 : (s[group + 4] & 15) | (s[group - 4] >> 6) << 4;
}

static int least_of_4(const uint8_t *s, int group)
{
    return group < 4 ? s[group + 4] & 63 : s[group + 4] >> 4 | (s[group] >> 6) << 4;
}

/* Two groups of 32 share 32 bytes: the low halves, then the high ones. */
static int four_bits(const uint8_t *codes, int group, int i)
{
    return codes[group / 2 * GROUP + i] >> 4 * (group % 2) & 15;
}

/* high: the fifth bits, a plane a group; NULL: there are none. */
static void decode_4(const uint8_t *b, const uint8_t *high, const uint8_t *codes, float *out)
{
    const float d = ns_half_at(b), least = ns_half_at(b + 2);
    for (int group = 0; group < N / GROUP; group++, out += GROUP) {
        const float scale = d * (float)scale_of_4(b + 4, group), m = least * (float)least_of_4(b + 4, group);
        for (int i = 0; i < GROUP; i++) {
            const int bit = high ? high[i] >> group & 1 : 0;
            out[i] = scale * (float)(four_bits(codes, group, i) | bit << 4) - m;
        }
    }
}

void ns_decode_q4_k(const uint8_t *b, float *out)
{
    decode_4(b, NULL, b + 16, out);
}

void ns_decode_q5_k(const uint8_t *b, float *out)
{
    decode_4(b, b + 16, b + 48, out);
}

void ns_decode_q6_k(const uint8_t *b, float *out)
{
    const uint8_t *const low = b, *const high = b + 128, *const scales = b + 192;
    const float d = ns_half_at(b + 208);
    for (int i = 0; i < N; i++) {
        const int half = i / 128, in = i % 128;
        const int q = (low[half * 64 + in % 64] >> 4 * (in / 64) & 15) | ns_two_bits(high + half * 32, in) << 4;
        out[i] = d * (float)(int8_t)scales[i / 16] * (float)(q - 32);
    }
}
