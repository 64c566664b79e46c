/* blocks_iq.c - the IQ and TQ types of GGML: codes are points of a grid (blocks_grids.h) with signs beside them, values of a table, or
 * digits of base 3, 256 numbers a block (IQ4_NL: 32); as gguf.dequantize of the Python package `gguf` computes them.
 *
 * Points are of 8 numbers (IQ1, IQ2) or of 4 (IQ3); a scale holds for 16 or 32 numbers. */
#include "io/blocks.h"
#include "io/blocks_grids.h"

enum { N = 256, GROUP = 32 };

static uint16_t u16_at(const uint8_t *b)
{
    return (uint16_t)(b[0] | b[1] << 8);
}

static uint32_t u32_at(const uint8_t *b)
{
    return u16_at(b) | (uint32_t)u16_at(b + 2) << 16;
}

static int half_byte(const uint8_t *codes, int i)
{
    return codes[i / 2] >> 4 * (i % 2) & 15;
}

/* Seven signs are said; the eighth makes their number even. */
static uint8_t signs_of(uint32_t seven)
{
    const uint32_t s = seven & 127, twos = s ^ s >> 4, ones = twos ^ twos >> 2;
    return (uint8_t)(s | ((ones ^ ones >> 1) & 1) << 7);
}

/* Eight numbers: scale times the point's, each negative where its bit is set. */
static void put_signed(float scale, const float *point, uint8_t signs, float *out)
{
    for (int i = 0; i < 8; i++)
        out[i] = signs >> i & 1 ? -(scale * point[i]) : scale * point[i];
}

/* ---- two bits ---- */

static void put_2(float scale, uint16_t packed, uint8_t signs, float *out)
{
    static const float values[4] = {0x08, 0x19, 0x2b, 0};          /* no point of the grids has a fourth */
    float point[8];
    for (int i = 0; i < 8; i++)
        point[i] = values[packed >> 2 * i & 3];
    put_signed(scale, point, signs, out);
}

static float scale_2(float d, uint32_t code)
{
    return d * (0.5f + (float)code) * 0.25f;
}

void ns_decode_iq2_xxs(const uint8_t *b, float *out)
{
    const float d = ns_half_at(b);
    for (int i = 0; i < N / 8; i++) {
        const uint8_t *const group = b + 2 + i / 4 * 8;
        const uint32_t signs = u32_at(group + 4);
        put_2(scale_2(d, signs >> 28), grid_iq2_xxs[group[i % 4]], signs_of(signs >> 7 * (i % 4)), out + 8 * i);
    }
}

void ns_decode_iq2_xs(const uint8_t *b, float *out)
{
    const float d = ns_half_at(b);
    for (int i = 0; i < N / 8; i++) {
        const uint16_t code = u16_at(b + 2 + 2 * i);
        put_2(scale_2(d, (uint32_t)half_byte(b + 66, i / 2)), grid_iq2_xs[code & 511], signs_of(code >> 9), out + 8 * i);
    }
}

void ns_decode_iq2_s(const uint8_t *b, float *out)
{
    const uint8_t *const low = b + 2, *const signs = b + 34, *const high = b + 66, *const scales = b + 74;
    const float d = ns_half_at(b);
    for (int i = 0; i < N / 8; i++) {
        const int point = low[i] | (high[i / 4] >> 2 * (i % 4) & 3) << 8;
        put_2(scale_2(d, (uint32_t)half_byte(scales, i / 2)), grid_iq2_s[point], signs[i], out + 8 * i);
    }
}

/* ---- three bits: two points of four numbers for eight signs ---- */

static void put_3(float scale, const uint16_t packed[2], const float values[8], uint8_t signs, float *out)
{
    float point[8];
    for (int i = 0; i < 8; i++)
        point[i] = values[packed[i / 4] >> 4 * (i % 4) & 7];
    put_signed(scale, point, signs, out);
}

void ns_decode_iq3_xxs(const uint8_t *b, float *out)
{
    static const float values[8] = {0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3e};
    const uint8_t *const codes = b + 2;
    const float d = ns_half_at(b);
    for (int i = 0; i < N / 8; i++) {
        const uint32_t signs = u32_at(b + 66 + i / 4 * 4);
        const uint16_t packed[2] = {grid_iq3_xxs[codes[2 * i]], grid_iq3_xxs[codes[2 * i + 1]]};
        put_3(d * (0.5f + (float)(signs >> 28)) * 0.5f, packed, values, signs_of(signs >> 7 * (i % 4)), out + 8 * i);
    }
}

static uint16_t point_of_3(const uint8_t *low, const uint8_t *high, int i)
{
    return grid_iq3_s[low[i] | (high[i / 8] >> i % 8 & 1) << 8];
}

void ns_decode_iq3_s(const uint8_t *b, float *out)
{
    static const float values[8] = {1, 3, 5, 7, 9, 11, 13, 15};
    const uint8_t *const low = b + 2, *const high = b + 66, *const signs = b + 74, *const scales = b + 106;
    const float d = ns_half_at(b);
    for (int i = 0; i < N / 8; i++) {
        const uint16_t packed[2] = {point_of_3(low, high, 2 * i), point_of_3(low, high, 2 * i + 1)};
        put_3(d * (float)(1 + 2 * half_byte(scales, i / 4)), packed, values, signs[i], out + 8 * i);
    }
}

/* ---- one bit and a half: -1, 0 and 1, and an eighth more or less ---- */

static void put_1(float scale, uint16_t packed, bool less, float *out)
{
    for (int i = 0; i < 8; i++)
        out[i] = scale * ((float)((packed >> 2 * i & 3) - 1) + (less ? -0.125f : 0.125f));
}

void ns_decode_iq1_s(const uint8_t *b, float *out)
{
    const float d = ns_half_at(b);
    for (int i = 0; i < N / 8; i++) {
        const uint16_t high = u16_at(b + 34 + i / 4 * 2);
        const int point = b[2 + i] | (high >> 3 * (i % 4) & 7) << 8;
        put_1(d * (float)(2 * (high >> 12 & 7) + 1), grid_iq1[point], high >> 15, out + 8 * i);
    }
}

/* The scale of all is in the upper four bits of each of four scales' words. */
void ns_decode_iq1_m(const uint8_t *b, float *out)
{
    const uint8_t *const high = b + 32, *const scales = b + 48;
    const uint8_t half[2] = {(uint8_t)(scales[1] >> 4 | (scales[3] & 0xf0)), (uint8_t)(scales[5] >> 4 | (scales[7] & 0xf0))};
    const float d = ns_half_at(half);
    for (int i = 0; i < N / 8; i++) {
        const int more = half_byte(high, i), scale = u16_at(scales + i / 8 * 2) >> 3 * (i / 2 % 4) & 7;
        put_1(d * (float)(2 * scale + 1), grid_iq1[b[i] | (more & 7) << 8], more & 8, out + 8 * i);
    }
}

/* ---- four bits ---- */

static float value_of_4(int code)
{
    static const float values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return values[code];
}

/* 32 numbers, the first 16 in the low halves of 16 bytes. */
static void put_4(float scale, const uint8_t *codes, float *out)
{
    for (int i = 0; i < 16; i++) {
        out[i] = scale * value_of_4(codes[i] & 15);
        out[16 + i] = scale * value_of_4(codes[i] >> 4);
    }
}

void ns_decode_iq4_nl(const uint8_t *b, float *out)
{
    put_4(ns_half_at(b), b + 2, out);
}

void ns_decode_iq4_xs(const uint8_t *b, float *out)
{
    const uint16_t high = u16_at(b + 2);
    const float d = ns_half_at(b);
    for (int group = 0; group < N / GROUP; group++) {
        const int scale = (half_byte(b + 4, group) | (high >> 2 * group & 3) << 4) - 32;
        put_4(d * (float)scale, b + 8 + 16 * group, out + GROUP * group);
    }
}

/* ---- digits ---- */

/* Digit `place` of bytes that hold several of base 3: those above it overflow. */
static float digit(uint8_t code, int place)
{
    static const uint8_t powers[] = {1, 3, 9, 27, 81};
    return (float)(((uint8_t)(code * powers[place]) * 3 >> 8) - 1);
}

/* Bytes of 5 digits: the first of all, then the second, ... */
static float *put_digits(float d, const uint8_t *codes, int bytes, int digits, float *out)
{
    for (int place = 0; place < digits; place++)
        for (int i = 0; i < bytes; i++)
            *out++ = d * digit(codes[i], place);
    return out;
}

void ns_decode_tq1_0(const uint8_t *b, float *out)
{
    const float d = ns_half_at(b + 52);
    out = put_digits(d, b, 32, 5, out);
    out = put_digits(d, b + 32, 16, 5, out);
    put_digits(d, b + 48, 4, 4, out);
}

void ns_decode_tq2_0(const uint8_t *b, float *out)
{
    const float d = ns_half_at(b + 64);
    for (int i = 0; i < N; i++)
        out[i] = d * (float)(ns_two_bits(b + i / 128 * 32, i % 128) - 1);
}
