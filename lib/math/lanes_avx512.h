/* lanes_avx512.h - 16 lanes = one zmm (two for doubles). Semantics: lanes_scalar.h. */
#ifndef NS_LANES_H
#define NS_LANES_H

#include "math/kernels.h"
#include <immintrin.h>
#include <math.h>

#define KERNELS      ns_math_avx512
#define KERNELS_NAME "avx512"

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;
typedef struct { __m512d a, b; } vd;                    /* lanes 0..7 and 8..15 */

#define TILE_ROWS 12
enum { REG = 16, TILE_REGS = 2 };
typedef __m512 reg;
NS_INLINE reg reg_load(const float *p) { return _mm512_loadu_ps(p); }
NS_INLINE void reg_store(float *p, reg a) { _mm512_storeu_ps(p, a); }
NS_INLINE reg reg_set(float a) { return _mm512_set1_ps(a); }
NS_INLINE reg reg_add(reg a, reg b) { return _mm512_add_ps(a, b); }
NS_INLINE reg reg_mul(reg a, reg b) { return _mm512_mul_ps(a, b); }
NS_INLINE reg reg_fma(reg a, reg b, reg c) { return _mm512_fmadd_ps(a, b, c); }

NS_INLINE __mmask16 first(int64_t n) { return (__mmask16)((1u << n) - 1); }     /* n in 0..16 */

NS_INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
NS_INLINE vf vf_load_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
NS_INLINE void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
NS_INLINE void vf_store_n(float *p, vf a, int64_t n) { _mm512_mask_storeu_ps(p, first(n), a); }
NS_INLINE vf vf_set(float a) { return _mm512_set1_ps(a); }
NS_INLINE vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
NS_INLINE vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
NS_INLINE vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
NS_INLINE vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
NS_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
NS_INLINE vf vf_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
NS_INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
NS_INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
NS_INLINE vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
NS_INLINE vm vf_nan(vf a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
NS_INLINE vf vf_select(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
NS_INLINE vf vf_load_f16(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
NS_INLINE void vf_store_f16(uint16_t *p, vf a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

NS_INLINE vi vf_bits(vf a) { return _mm512_castps_si512(a); }
NS_INLINE vf vi_float(vi a) { return _mm512_castsi512_ps(a); }
NS_INLINE vi vi_set(uint32_t a) { return _mm512_set1_epi32((int)a); }
NS_INLINE vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
NS_INLINE vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
NS_INLINE vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
NS_INLINE vi vi_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
NS_INLINE vi vi_shl(vi a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
NS_INLINE vi vi_shr(vi a, int n) { return _mm512_srli_epi32(a, (unsigned)n); }
NS_INLINE vi vi_sign(vi a) { return _mm512_srai_epi32(a, 31); }
NS_INLINE vi vi_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
NS_INLINE vi vi_select(vm m, vi a, vi b) { return _mm512_mask_blend_epi32(m, b, a); }
NS_INLINE vi vi_load_u16(const uint8_t *p) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)); }
NS_INLINE void vi_store_u16(uint16_t *p, vi a) { _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(a)); }
NS_INLINE int32_t vi_top(vi a) { return _mm512_reduce_max_epi32(a); }

NS_INLINE vd vd_set(double a) { return (vd){_mm512_set1_pd(a), _mm512_set1_pd(a)}; }
NS_INLINE vd vd_widen(vf a)
{
    return (vd){_mm512_cvtps_pd(_mm512_castps512_ps256(a)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1))};
}
NS_INLINE vf vd_narrow(vd a)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a.a)), _mm512_cvtpd_ps(a.b), 1);
}
NS_INLINE vd vd_add(vd a, vd b) { return (vd){_mm512_add_pd(a.a, b.a), _mm512_add_pd(a.b, b.b)}; }
NS_INLINE vd vd_sub(vd a, vd b) { return (vd){_mm512_sub_pd(a.a, b.a), _mm512_sub_pd(a.b, b.b)}; }
NS_INLINE vd vd_mul(vd a, vd b) { return (vd){_mm512_mul_pd(a.a, b.a), _mm512_mul_pd(a.b, b.b)}; }
NS_INLINE vd vd_fma(vd a, vd b, vd c) { return (vd){_mm512_fmadd_pd(a.a, b.a, c.a), _mm512_fmadd_pd(a.b, b.b, c.b)}; }
NS_INLINE vd vd_first(vd a, int64_t n)
{
    return (vd){_mm512_maskz_mov_pd((__mmask8)first(n), a.a), _mm512_maskz_mov_pd((__mmask8)(first(n) >> 8), a.b)};
}

NS_INLINE float vf_tree(vf a)
{
    const __m256 w = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(w), _mm256_extractf128_ps(w, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

NS_INLINE double vd_tree(vd a)
{
    const __m512d w = _mm512_add_pd(a.a, a.b);
    const __m256d x = _mm256_add_pd(_mm512_castpd512_pd256(w), _mm512_extractf64x4_pd(w, 1));
    const __m128d y = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(y, _mm_unpackhi_pd(y, y)));
}

#endif
