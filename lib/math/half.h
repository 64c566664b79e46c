/* half.h - f16 <-> f32 in integer arithmetic: the definition that F16C equals, NaN payloads included. */
#ifndef NS_HALF_H
#define NS_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t ns_bits_of(float x)
{
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static inline float ns_float_of(uint32_t b)
{
    float x;
    memcpy(&x, &b, sizeof x);
    return x;
}

static inline float ns_f16_widen(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 0x3ff;
    if (exponent == 31)
        return ns_float_of(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0));   /* NaNs become quiet */
    if (exponent == 0)                                                                        /* fraction * 2^-24, exact */
        return ns_float_of(sign | ns_bits_of((float)fraction * 0x1p-24f));
    return ns_float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

static inline uint16_t ns_f16_narrow(float x)
{
    const uint32_t bits = ns_bits_of(x), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;
    if (a > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff));
    if (a >= 0x477ff000)                                /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000) {                               /* below 2^-14: units of 2^-24 */
        const uint32_t shift = 126 - (a >> 23), fraction = (a & 0x7fffff) | 0x800000;
        if (shift > 24)                                 /* below 2^-25, so to zero; the f32 denormals too */
            return (uint16_t)sign;
        const uint32_t kept = fraction >> shift, rest = fraction & ((1u << shift) - 1), tie = 1u << (shift - 1);
        return (uint16_t)(sign | (kept + (rest > tie || (rest == tie && (kept & 1)))));
    }
    return (uint16_t)(sign | ((a - 0x38000000 + 0xfff + (a >> 13 & 1)) >> 13));
}

#endif
