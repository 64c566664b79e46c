/* lanes_vector.h - 16 lanes as GCC's generic vectors, for CPUs without a version of their own (NEON's fma is named). Semantics:
 * lanes_scalar.h. */
#ifndef NS_LANES_H
#define NS_LANES_H

#include "math/kernels.h"
#include "math/half.h"
#include <math.h>
#ifdef __aarch64__
#include <arm_neon.h>
#endif

#define KERNELS      ns_math_vector
#define KERNELS_NAME "vector"

typedef float vf __attribute__((vector_size(64)));
typedef uint32_t vi __attribute__((vector_size(64)));
typedef int32_t vm __attribute__((vector_size(64)));    /* a lane is 0 or all ones */
typedef double vd __attribute__((vector_size(128)));

#define TILE_ROWS 6
enum { REG = 4, TILE_REGS = 4 };
typedef float reg __attribute__((vector_size(16)));
NS_INLINE reg reg_load(const float *p)
{
    reg a;
    memcpy(&a, p, sizeof a);
    return a;
}
NS_INLINE void reg_store(float *p, reg a) { memcpy(p, &a, sizeof a); }
NS_INLINE reg reg_set(float a) { return (reg){a, a, a, a}; }
NS_INLINE reg reg_add(reg a, reg b) { return a + b; }
NS_INLINE reg reg_mul(reg a, reg b) { return a * b; }
NS_INLINE reg reg_fma(reg a, reg b, reg c)
{
#ifdef __aarch64__
    return (reg)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return (reg){fmaf(a[0], b[0], c[0]), fmaf(a[1], b[1], c[1]), fmaf(a[2], b[2], c[2]), fmaf(a[3], b[3], c[3])};
#endif
}

NS_INLINE vf vf_load(const float *p)
{
    vf a;
    memcpy(&a, p, sizeof a);
    return a;
}
NS_INLINE vf vf_load_n(const float *p, int64_t n)
{
    vf a = {0};
    memcpy(&a, p, (size_t)n * sizeof *p);
    return a;
}
NS_INLINE void vf_store(float *p, vf a) { memcpy(p, &a, sizeof a); }
NS_INLINE void vf_store_n(float *p, vf a, int64_t n) { memcpy(p, &a, (size_t)n * sizeof *p); }
NS_INLINE vf vf_set(float a) { return (vf){a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a}; }
NS_INLINE vf vf_add(vf a, vf b) { return a + b; }
NS_INLINE vf vf_sub(vf a, vf b) { return a - b; }
NS_INLINE vf vf_mul(vf a, vf b) { return a * b; }
NS_INLINE vf vf_div(vf a, vf b) { return a / b; }
NS_INLINE vf vf_fma(vf a, vf b, vf c)
{
    union { vf v; reg r[4]; } x = {a}, y = {b}, z = {c};
    NS_UNROLL for (int i = 0; i < 4; i++)
        z.r[i] = reg_fma(x.r[i], y.r[i], z.r[i]);
    return z.v;
}
NS_INLINE vf vf_fnma(vf a, vf b, vf c) { return vf_fma(-a, b, c); }
NS_INLINE vi vf_bits(vf a) { return (vi)a; }
NS_INLINE vf vi_float(vi a) { return (vf)a; }
NS_INLINE vm vf_lt(vf a, vf b) { return a < b; }
NS_INLINE vm vf_nan(vf a) { return a != a; }
NS_INLINE vi vi_select(vm m, vi a, vi b) { return ((vi)m & a) | (~(vi)m & b); }
NS_INLINE vf vf_select(vm m, vf a, vf b) { return (vf)vi_select(m, (vi)a, (vi)b); }
NS_INLINE vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }
NS_INLINE vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }
NS_INLINE vi vi_set(uint32_t a) { return (vi){a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a}; }
NS_INLINE vi vi_add(vi a, vi b) { return a + b; }
NS_INLINE vi vi_and(vi a, vi b) { return a & b; }
NS_INLINE vi vi_or(vi a, vi b) { return a | b; }
NS_INLINE vi vi_xor(vi a, vi b) { return a ^ b; }
NS_INLINE vi vi_shl(vi a, int n) { return a << (uint32_t)n; }
NS_INLINE vi vi_shr(vi a, int n) { return a >> (uint32_t)n; }
NS_INLINE vi vi_sign(vi a) { return (vi)((vm)a >> 31); }
NS_INLINE vi vi_max(vi a, vi b) { return vi_select((vm)a > (vm)b, a, b); }

NS_INLINE vf vf_load_f16(const uint8_t *p)
{
    vf a;
    for (int i = 0; i < 16; i++)
        a[i] = ns_f16_widen((uint16_t)(p[2 * i] | p[2 * i + 1] << 8));
    return a;
}
NS_INLINE void vf_store_f16(uint16_t *p, vf a)
{
    for (int i = 0; i < 16; i++)
        p[i] = ns_f16_narrow(a[i]);
}
NS_INLINE vi vi_load_u16(const uint8_t *p)
{
    uint16_t half __attribute__((vector_size(32)));
    memcpy(&half, p, sizeof half);
    return __builtin_convertvector(half, vi);
}
NS_INLINE void vi_store_u16(uint16_t *p, vi a)
{
    typedef uint16_t vh __attribute__((vector_size(32)));
    const vh half = __builtin_convertvector(a, vh);
    memcpy(p, &half, sizeof half);
}

NS_INLINE vd vd_set(double a) { return (vd){a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a}; }
NS_INLINE vd vd_widen(vf a) { return __builtin_convertvector(a, vd); }
NS_INLINE vf vd_narrow(vd a) { return __builtin_convertvector(a, vf); }
NS_INLINE vd vd_add(vd a, vd b) { return a + b; }
NS_INLINE vd vd_sub(vd a, vd b) { return a - b; }
NS_INLINE vd vd_mul(vd a, vd b) { return a * b; }
NS_INLINE vd vd_fma(vd a, vd b, vd c)
{
    for (int i = 0; i < 16; i++)
        c[i] = fma(a[i], b[i], c[i]);
    return c;
}
NS_INLINE vd vd_first(vd a, int64_t n)
{
    for (int i = 0; i < 16; i++)
        a[i] = i < n ? a[i] : 0;
    return a;
}

NS_INLINE float vf_tree(vf a)
{
    for (int step = 8; step; step /= 2)
        for (int i = 0; i < step; i++)
            a[i] += a[i + step];
    return a[0];
}
NS_INLINE double vd_tree(vd a)
{
    for (int step = 8; step; step /= 2)
        for (int i = 0; i < step; i++)
            a[i] += a[i + step];
    return a[0];
}
NS_INLINE int32_t vi_top(vi a)
{
    for (int i = 1; i < 16; i++)
        a[0] = (int32_t)a[i] > (int32_t)a[0] ? a[i] : a[0];
    return (int32_t)a[0];
}

#endif
