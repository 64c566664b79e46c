/* blocks.c - the types of GGML, and the decoders of those with 32 numbers a block: the same operations in f32, in the same order, as
 * gguf.dequantize of the Python package `gguf`, so the same bits.
 *
 * Of 32 numbers the first 16 are in the low halves of 16 bytes, the others in the high ones. */
#include "io/blocks.h"
#include "io/reader.h"

#include <math.h>
#include <string.h>

float ns_half_at(const uint8_t *at)
{
    float x;
    ns_widen_f16(&x, at, 1);
    return x;
}

static int nibble(const uint8_t *codes, int i)
{
    return i < 16 ? codes[i] & 15 : codes[i - 16] >> 4;
}

static void q4_0(const uint8_t *b, float *out)
{
    const float d = ns_half_at(b);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)(nibble(b + 2, i) - 8);
}

static void q4_1(const uint8_t *b, float *out)
{
    const float d = ns_half_at(b), m = ns_half_at(b + 2);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)nibble(b + 4, i) + m;
}

/* The fifth bits stand in 32 bits before the others. */
static int five_bits(const uint8_t *b, int i)
{
    return nibble(b + 4, i) | (b[i / 8] >> i % 8 & 1) << 4;
}

static void q5_0(const uint8_t *b, float *out)
{
    const float d = ns_half_at(b);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)(five_bits(b + 2, i) - 16);
}

static void q5_1(const uint8_t *b, float *out)
{
    const float d = ns_half_at(b), m = ns_half_at(b + 2);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)five_bits(b + 4, i) + m;
}

static void q8_0(const uint8_t *b, float *out)
{
    const float d = ns_half_at(b);
    for (int i = 0; i < 32; i++)
        out[i] = (float)(int8_t)b[2 + i] * d;
}

/* Half of 2^(e - 127), since the values are doubled; below 2^-126 a subnormal. */
static float half_of_power(uint8_t e)
{
    const uint32_t bits = e < 2 ? UINT32_C(0x00200000) << e : (uint32_t)(e - 1) << 23;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static float doubled(int code)
{
    static const int8_t values[] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    return (float)values[code];
}

static void mxfp4(const uint8_t *b, float *out)
{
    const float d = half_of_power(b[0]);
    for (int i = 0; i < 32; i++)
        out[i] = d * doubled(nibble(b + 1, i));
}

/* Half of a number of four bits of exponent and three of mantissa, whose sign is not looked at; all bits set but that one are 0. */
static float half_of_e4m3(uint8_t code)
{
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    if (code == 0x7f)
        return 0;
    return ldexpf((float)(exponent ? 8 + mantissa : mantissa), (exponent ? exponent - 1 : 0) - 10);
}

/* Four scales, then 16 numbers of each in 8 bytes. */
static void nvfp4(const uint8_t *b, float *out)
{
    for (int i = 0; i < 64; i++) {
        const uint8_t pair = b[4 + i / 16 * 8 + i % 8];
        out[i] = half_of_e4m3(b[i / 16]) * doubled(i % 16 < 8 ? pair & 15 : pair >> 4);
    }
}

static const ns_block blocks[] = {
    {0, "F32", 1, 4, NS_F32, NULL}, {1, "F16", 1, 2, NS_F16, NULL}, {30, "BF16", 1, 2, NS_BF16, NULL}, {28, "F64", 1, 8, NS_F64, NULL},
    {24, "I8", 1, 1, NS_I8, NULL}, {25, "I16", 1, 2, NS_I16, NULL}, {26, "I32", 1, 4, NS_I32, NULL}, {27, "I64", 1, 8, NS_I64, NULL},
    {2, "Q4_0", 32, 18, NS_F32, q4_0}, {3, "Q4_1", 32, 20, NS_F32, q4_1}, {6, "Q5_0", 32, 22, NS_F32, q5_0},
    {7, "Q5_1", 32, 24, NS_F32, q5_1}, {8, "Q8_0", 32, 34, NS_F32, q8_0}, {39, "MXFP4", 32, 17, NS_F32, mxfp4},
    {10, "Q2_K", 256, 84, NS_F32, ns_decode_q2_k}, {11, "Q3_K", 256, 110, NS_F32, ns_decode_q3_k},
    {12, "Q4_K", 256, 144, NS_F32, ns_decode_q4_k}, {13, "Q5_K", 256, 176, NS_F32, ns_decode_q5_k},
    {14, "Q6_K", 256, 210, NS_F32, ns_decode_q6_k},
    {16, "IQ2_XXS", 256, 66, NS_F32, ns_decode_iq2_xxs}, {17, "IQ2_XS", 256, 74, NS_F32, ns_decode_iq2_xs},
    {22, "IQ2_S", 256, 82, NS_F32, ns_decode_iq2_s}, {18, "IQ3_XXS", 256, 98, NS_F32, ns_decode_iq3_xxs},
    {21, "IQ3_S", 256, 110, NS_F32, ns_decode_iq3_s}, {19, "IQ1_S", 256, 50, NS_F32, ns_decode_iq1_s},
    {29, "IQ1_M", 256, 56, NS_F32, ns_decode_iq1_m}, {20, "IQ4_NL", 32, 18, NS_F32, ns_decode_iq4_nl},
    {23, "IQ4_XS", 256, 136, NS_F32, ns_decode_iq4_xs}, {34, "TQ1_0", 256, 54, NS_F32, ns_decode_tq1_0},
    {35, "TQ2_0", 256, 66, NS_F32, ns_decode_tq2_0}, {40, "NVFP4", 64, 36, NS_F32, nvfp4},
    {9, "Q8_1", 0, 0, NS_F32, NULL}, {15, "Q8_K", 0, 0, NS_F32, NULL}, {41, "Q1_0", 0, 0, NS_F32, NULL},
};

const ns_block *ns_block_of_type(uint32_t type)
{
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if ((uint32_t)blocks[i].type == type)
            return &blocks[i];
    return NULL;
}
