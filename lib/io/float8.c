/* float8.c - numbers of eight bits, as torch and safetensors have them: every one is a number of f32. */
#include "io/blocks.h"
#include "io/reader.h"

#include <math.h>
#include <string.h>

/* Four bits of exponent (bias 7) and three of mantissa; no infinity: all ones are NaN. */
static void e4m3(const uint8_t *code, float *out)
{
    const int exponent = *code >> 3 & 15, mantissa = *code & 7;
    const float finite = ldexpf((float)(exponent ? 8 + mantissa : mantissa), (exponent ? exponent : 1) - 10);
    const float magnitude = (*code & 0x7f) == 0x7f ? NAN : finite;
    *out = *code & 0x80 ? -magnitude : magnitude;
}

/* The upper byte of an f16. */
static void e5m2(const uint8_t *code, float *out)
{
    const uint8_t half[2] = {0, *code};
    ns_widen_f16(out, half, 1);
}

static const ns_block blocks[] = {{-1, "F8_E4M3", 1, 1, NS_F32, e4m3}, {-1, "F8_E5M2", 1, 1, NS_F32, e5m2}};
static const ns_coded coded[] = {{.block = &blocks[0]}, {.block = &blocks[1]}};

const ns_coded *ns_float8_named(const char *name)
{
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (strcmp(blocks[i].name, name) == 0)
            return &coded[i];
    return NULL;
}
