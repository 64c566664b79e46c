/* lanes_avx2.h - 16 lanes = two ymm (four for doubles); needs FMA and F16C too. Semantics: lanes_scalar.h. */
#ifndef NS_LANES_H
#define NS_LANES_H

#include "math/kernels.h"
#include <immintrin.h>
#include <math.h>

#define KERNELS      ns_math_avx2
#define KERNELS_NAME "avx2"

typedef struct { __m256 a, b; } vf;                     /* lanes 0..7 and 8..15 */
typedef struct { __m256i a, b; } vi;
typedef struct { __m256d v[4]; } vd;
typedef vf vm;                                          /* a lane is 0 or all ones */

#define TILE_ROWS 6
enum { REG = 8, TILE_REGS = 2 };
typedef __m256 reg;
NS_INLINE reg reg_load(const float *p) { return _mm256_loadu_ps(p); }
NS_INLINE void reg_store(float *p, reg a) { _mm256_storeu_ps(p, a); }
NS_INLINE reg reg_set(float a) { return _mm256_set1_ps(a); }
NS_INLINE reg reg_add(reg a, reg b) { return _mm256_add_ps(a, b); }
NS_INLINE reg reg_mul(reg a, reg b) { return _mm256_mul_ps(a, b); }
NS_INLINE reg reg_fma(reg a, reg b, reg c) { return _mm256_fmadd_ps(a, b, c); }

/* Lanes [from, from + 8) of which the first n of all 16 are set. */
NS_INLINE __m256i first(int64_t n, int from)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n - from), lane);
}

#define PAIR1(R, name, A, op) NS_INLINE R name(A x) { return (R){op(x.a), op(x.b)}; }
#define PAIR2(R, name, A, op) NS_INLINE R name(A x, A y) { return (R){op(x.a, y.a), op(x.b, y.b)}; }
#define PAIR3(R, name, A, op) NS_INLINE R name(A x, A y, A z) { return (R){op(x.a, y.a, z.a), op(x.b, y.b, z.b)}; }
#define LESS(a, b)  _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#define UNORD(a)    _mm256_cmp_ps(a, a, _CMP_UNORD_Q)
#define SIGN(a)     _mm256_srai_epi32(a, 31)

PAIR2(vf, vf_add, vf, _mm256_add_ps)
PAIR2(vf, vf_sub, vf, _mm256_sub_ps)
PAIR2(vf, vf_mul, vf, _mm256_mul_ps)
PAIR2(vf, vf_div, vf, _mm256_div_ps)
PAIR3(vf, vf_fma, vf, _mm256_fmadd_ps)
PAIR3(vf, vf_fnma, vf, _mm256_fnmadd_ps)
PAIR2(vf, vf_max, vf, _mm256_max_ps)
PAIR2(vf, vf_min, vf, _mm256_min_ps)
PAIR2(vm, vf_lt, vf, LESS)
PAIR1(vm, vf_nan, vf, UNORD)
PAIR1(vi, vf_bits, vf, _mm256_castps_si256)
PAIR1(vf, vi_float, vi, _mm256_castsi256_ps)
PAIR2(vi, vi_add, vi, _mm256_add_epi32)
PAIR2(vi, vi_and, vi, _mm256_and_si256)
PAIR2(vi, vi_or, vi, _mm256_or_si256)
PAIR2(vi, vi_xor, vi, _mm256_xor_si256)
PAIR2(vi, vi_max, vi, _mm256_max_epi32)
PAIR1(vi, vi_sign, vi, SIGN)

NS_INLINE vf vf_load(const float *p) { return (vf){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
NS_INLINE vf vf_load_n(const float *p, int64_t n)
{
    return (vf){_mm256_maskload_ps(p, first(n, 0)), n > 8 ? _mm256_maskload_ps(p + 8, first(n, 8)) : _mm256_setzero_ps()};
}
NS_INLINE void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a.a), _mm256_storeu_ps(p + 8, a.b); }
NS_INLINE void vf_store_n(float *p, vf a, int64_t n)
{
    _mm256_maskstore_ps(p, first(n, 0), a.a);
    if (n > 8)
        _mm256_maskstore_ps(p + 8, first(n, 8), a.b);
}
NS_INLINE vf vf_set(float a) { return (vf){_mm256_set1_ps(a), _mm256_set1_ps(a)}; }
NS_INLINE vf vf_select(vm m, vf a, vf b) { return (vf){_mm256_blendv_ps(b.a, a.a, m.a), _mm256_blendv_ps(b.b, a.b, m.b)}; }
NS_INLINE vf vf_load_f16(const uint8_t *p)
{
    return (vf){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)), _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 16)))};
}
NS_INLINE void vf_store_f16(uint16_t *p, vf a)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a.a, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(a.b, _MM_FROUND_TO_NEAREST_INT));
}

NS_INLINE vi vi_set(uint32_t a) { return (vi){_mm256_set1_epi32((int)a), _mm256_set1_epi32((int)a)}; }
NS_INLINE vi vi_shl(vi a, int n) { return (vi){_mm256_slli_epi32(a.a, n), _mm256_slli_epi32(a.b, n)}; }
NS_INLINE vi vi_shr(vi a, int n) { return (vi){_mm256_srli_epi32(a.a, n), _mm256_srli_epi32(a.b, n)}; }
NS_INLINE vi vi_select(vm m, vi a, vi b) { return vf_bits(vf_select(m, vi_float(a), vi_float(b))); }
NS_INLINE vi vi_load_u16(const uint8_t *p)
{
    return (vi){_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)),
                _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p + 16)))};
}
NS_INLINE void vi_store_u16(uint16_t *p, vi a)
{
    const __m256i low = _mm256_set1_epi32(0xffff);      /* packus saturates: keep the low halves only */
    const __m256i w = _mm256_packus_epi32(_mm256_and_si256(a.a, low), _mm256_and_si256(a.b, low));
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(w, 0xd8));
}
NS_INLINE int32_t vi_top(vi a)
{
    const __m256i w = _mm256_max_epi32(a.a, a.b);
    __m128i x = _mm_max_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}

#define QUAD(name, params, expression) \
    NS_INLINE vd name params \
    { \
        vd r; \
        NS_UNROLL for (int i = 0; i < 4; i++) r.v[i] = expression; \
        return r; \
    }
QUAD(vd_set, (double x), _mm256_set1_pd(x))
QUAD(vd_add, (vd x, vd y), _mm256_add_pd(x.v[i], y.v[i]))
QUAD(vd_sub, (vd x, vd y), _mm256_sub_pd(x.v[i], y.v[i]))
QUAD(vd_mul, (vd x, vd y), _mm256_mul_pd(x.v[i], y.v[i]))
QUAD(vd_fma, (vd x, vd y, vd z), _mm256_fmadd_pd(x.v[i], y.v[i], z.v[i]))

NS_INLINE vd vd_widen(vf x)
{
    return (vd){{_mm256_cvtps_pd(_mm256_castps256_ps128(x.a)), _mm256_cvtps_pd(_mm256_extractf128_ps(x.a, 1)),
                 _mm256_cvtps_pd(_mm256_castps256_ps128(x.b)), _mm256_cvtps_pd(_mm256_extractf128_ps(x.b, 1))}};
}
NS_INLINE vf vd_narrow(vd x)
{
    return (vf){_mm256_set_m128(_mm256_cvtpd_ps(x.v[1]), _mm256_cvtpd_ps(x.v[0])),
                _mm256_set_m128(_mm256_cvtpd_ps(x.v[3]), _mm256_cvtpd_ps(x.v[2]))};
}
NS_INLINE vd vd_first(vd x, int64_t n)
{
    const __m256d lane = _mm256_setr_pd(0, 1, 2, 3);
    NS_UNROLL for (int i = 0; i < 4; i++)
        x.v[i] = _mm256_and_pd(x.v[i], _mm256_cmp_pd(lane, _mm256_set1_pd((double)(n - 4 * i)), _CMP_LT_OQ));
    return x;
}

NS_INLINE float vf_tree(vf x)
{
    const __m256 w = _mm256_add_ps(x.a, x.b);
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(w), _mm256_extractf128_ps(w, 1));
    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}

NS_INLINE double vd_tree(vd x)
{
    const __m256d w = _mm256_add_pd(_mm256_add_pd(x.v[0], x.v[2]), _mm256_add_pd(x.v[1], x.v[3]));
    const __m128d y = _mm_add_pd(_mm256_castpd256_pd128(w), _mm256_extractf128_pd(w, 1));
    return _mm_cvtsd_f64(_mm_add_sd(y, _mm_unpackhi_pd(y, y)));
}

#endif
