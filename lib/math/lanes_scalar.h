/* lanes_scalar.h - 16 lanes as an array: the definition of every operation that the vector versions must equal.
 *
 * fmaf and fma are libm's: correctly rounded with or without the instruction. */
#ifndef NS_LANES_H
#define NS_LANES_H

#include "math/kernels.h"
#include "math/half.h"
#include <math.h>

#define KERNELS      ns_math_scalar
#define KERNELS_NAME "scalar"

typedef struct { float v[16]; } vf;
typedef struct { uint32_t v[16]; } vi;
typedef struct { double v[16]; } vd;
typedef vi vm;                                          /* a lane is 0 or all ones */

/* GEMM tile: TILE_ROWS rows by TILE_REGS registers of REG columns. */
#define TILE_ROWS 1
enum { REG = 1, TILE_REGS = 16 };
typedef float reg;
NS_INLINE reg reg_load(const float *p) { return *p; }
NS_INLINE void reg_store(float *p, reg a) { *p = a; }
NS_INLINE reg reg_set(float a) { return a; }
NS_INLINE reg reg_add(reg a, reg b) { return a + b; }
NS_INLINE reg reg_mul(reg a, reg b) { return a * b; }
NS_INLINE reg reg_fma(reg a, reg b, reg c) { return fmaf(a, b, c); }

/* Defines  R name(args) { R r; for each lane i: r.v[i] = expression; return r; } */
#define LANES(R, name, args, expression) \
    NS_INLINE R name args \
    { \
        R r; \
        for (int i = 0; i < 16; i++) \
            r.v[i] = expression; \
        return r; \
    }

LANES(vf, vf_load, (const float *p), p[i])
LANES(vf, vf_load_n, (const float *p, int64_t n), i < n ? p[i] : 0)
LANES(vf, vf_set, (float a), a)
LANES(vf, vf_add, (vf a, vf b), a.v[i] + b.v[i])
LANES(vf, vf_sub, (vf a, vf b), a.v[i] - b.v[i])
LANES(vf, vf_mul, (vf a, vf b), a.v[i] * b.v[i])
LANES(vf, vf_div, (vf a, vf b), a.v[i] / b.v[i])
LANES(vf, vf_fma, (vf a, vf b, vf c), fmaf(a.v[i], b.v[i], c.v[i]))
LANES(vf, vf_fnma, (vf a, vf b, vf c), fmaf(-a.v[i], b.v[i], c.v[i]))
LANES(vf, vf_max, (vf a, vf b), a.v[i] > b.v[i] ? a.v[i] : b.v[i])      /* b when either is NaN or both are zero: x86's rule */
LANES(vf, vf_min, (vf a, vf b), a.v[i] < b.v[i] ? a.v[i] : b.v[i])
LANES(vm, vf_lt, (vf a, vf b), a.v[i] < b.v[i] ? ~0u : 0)
LANES(vm, vf_nan, (vf a), a.v[i] != a.v[i] ? ~0u : 0)
LANES(vf, vf_select, (vm m, vf a, vf b), m.v[i] ? a.v[i] : b.v[i])
LANES(vf, vf_load_f16, (const uint8_t *p), ns_f16_widen((uint16_t)(p[2 * i] | p[2 * i + 1] << 8)))

LANES(vi, vf_bits, (vf a), ns_bits_of(a.v[i]))
LANES(vf, vi_float, (vi a), ns_float_of(a.v[i]))
LANES(vi, vi_set, (uint32_t a), a)
LANES(vi, vi_add, (vi a, vi b), a.v[i] + b.v[i])
LANES(vi, vi_and, (vi a, vi b), a.v[i] & b.v[i])
LANES(vi, vi_or, (vi a, vi b), a.v[i] | b.v[i])
LANES(vi, vi_xor, (vi a, vi b), a.v[i] ^ b.v[i])
LANES(vi, vi_shl, (vi a, int n), a.v[i] << n)
LANES(vi, vi_shr, (vi a, int n), a.v[i] >> n)
LANES(vi, vi_sign, (vi a), a.v[i] >> 31 ? ~0u : 0)                      /* arithmetic shift by 31 */
LANES(vi, vi_max, (vi a, vi b), (int32_t)a.v[i] > (int32_t)b.v[i] ? a.v[i] : b.v[i])
LANES(vi, vi_select, (vm m, vi a, vi b), m.v[i] ? a.v[i] : b.v[i])
LANES(vi, vi_load_u16, (const uint8_t *p), (uint32_t)(p[2 * i] | p[2 * i + 1] << 8))

LANES(vd, vd_set, (double a), a)
LANES(vd, vd_widen, (vf a), a.v[i])
LANES(vf, vd_narrow, (vd a), (float)a.v[i])
LANES(vd, vd_add, (vd a, vd b), a.v[i] + b.v[i])
LANES(vd, vd_sub, (vd a, vd b), a.v[i] - b.v[i])
LANES(vd, vd_mul, (vd a, vd b), a.v[i] * b.v[i])
LANES(vd, vd_fma, (vd a, vd b, vd c), fma(a.v[i], b.v[i], c.v[i]))
LANES(vd, vd_first, (vd a, int64_t n), i < n ? a.v[i] : 0)              /* lanes n .. 15 become 0 */

NS_INLINE void vf_store(float *p, vf a) { memcpy(p, a.v, sizeof a); }
NS_INLINE void vf_store_n(float *p, vf a, int64_t n) { memcpy(p, a.v, (size_t)n * sizeof *p); }

NS_INLINE void vi_store_u16(uint16_t *p, vi a)                          /* the low halves */
{
    for (int i = 0; i < 16; i++)
        p[i] = (uint16_t)a.v[i];
}

NS_INLINE void vf_store_f16(uint16_t *p, vf a)
{
    for (int i = 0; i < 16; i++)
        p[i] = ns_f16_narrow(a.v[i]);
}

NS_INLINE float vf_tree(vf a)                                           /* ((lane + 8) + 4) + 2) + 1 */
{
    for (int step = 8; step; step /= 2)
        for (int i = 0; i < step; i++)
            a.v[i] += a.v[i + step];
    return a.v[0];
}

NS_INLINE double vd_tree(vd a)
{
    for (int step = 8; step; step /= 2)
        for (int i = 0; i < step; i++)
            a.v[i] += a.v[i + step];
    return a.v[0];
}

NS_INLINE int32_t vi_top(vi a)                                          /* the largest signed lane */
{
    for (int i = 1; i < 16; i++)
        a.v[0] = (int32_t)a.v[i] > (int32_t)a.v[0] ? a.v[i] : a.v[0];
    return (int32_t)a.v[0];
}

#endif
