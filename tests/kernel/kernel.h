/* kernel.h - what the kernel tests share: data with every kind of float in it, and bit equality. */
#ifndef NS_TEST_KERNEL_H
#define NS_TEST_KERNEL_H

#include "../unit.h"
#include "math/kernels.h"

#include <stdlib.h>
#include <string.h>

typedef enum data_kind { TAME, WILD } data_kind;     /* normal numbers of order one; every bit pattern, with the special ones often */

static inline float *floats(int64_t n)
{
    float *x = ns_alloc_aligned((size_t)(n > 0 ? n : 1) * sizeof(float));
    assert_non_null(x);
    return x;
}

static inline void fill(ns_rng *rng, float *x, int64_t n, data_kind kind)
{
    static const float special[] = {0.0f,    -0.0f,           1.0f,          -1.0f,          INFINITY, -INFINITY, NAN,    1e-45f,
                                    -1e-45f, 1.17549435e-38f, 3.4028235e38f, -3.4028235e38f, 88.7228f, 88.73f,    -87.3f, -87.30001f,
                                    -103.9f, 65504.0f,        65520.0f,      5.96e-8f,       2.98e-8f, 0.5f,      2.5f,   8388609.0f};
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)(ns_rng_u64(rng) >> 32);
        if (kind == TAME)
            x[i] = (float)ns_rng_normal(rng);
        else if (ns_rng_below(rng, 4) == 0)
            x[i] = special[ns_rng_below(rng, (int64_t)(sizeof special / sizeof *special))];
        else
            memcpy(&x[i], &bits, sizeof bits);
    }
}

/* Every version to be compared, the scalar definition first; returns how many. On x86 the tests are built with the vector version too
 * (elsewhere it is among the available ones), so that it is not first tried on another machine. */
static inline int versions(const ns_math *list[NS_MATH_MAX])
{
    int n = ns_math_available(list);
#ifdef NS_TEST_VECTOR
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        list[n++] = &ns_math_vector;
#endif
    return n;
}

#define SKIP_SCALAR_ONLY(n_versions) \
    do { \
        if ((n_versions) < 2) \
            SKIP("this CPU has no version beside the scalar definition"); \
    } while (0)

/* valgrind: its long double is a double, it does not know the control word, and its fused negative multiply-adds lose the sign of zero. */
static inline bool emulated(void)
{
    volatile long double one = 1;
    return sizeof one > sizeof(double) && one + 0x1p-60L == 1;
}

/* Equal bits; any NaN equals any NaN. */
static inline void same_bits(const float *a, const float *b, int64_t n, const char *kernels, const char *what)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) && !(isnan(a[i]) && isnan(b[i])) && !(a[i] == 0 && b[i] == 0 && emulated()))
            fail_msg("%s of %s: element %lld of %lld is %a, the scalar definition gives %a", what, kernels, (long long)i, (long long)n,
                     (double)a[i], (double)b[i]);
}

#endif
