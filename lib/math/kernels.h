/* kernels.h - the tables of kernels and what their template files share. Internal to lib/math.
 *
 * kernels_X.c = lanes_X.h (16 lanes of one instruction set) + kernels_tmpl.h (every formula, once). */
#ifndef NS_KERNELS_H
#define NS_KERNELS_H

#include "math/math.h"
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#define NS_HAVE_X86 1
#else
#define NS_HAVE_X86 0
#endif

extern const ns_math ns_math_scalar, ns_math_vector, ns_math_avx2, ns_math_avx512;

#define NS_INLINE static inline __attribute__((always_inline, unused))

/* Loops over registers must disappear: an array of vectors that is indexed by a variable lives in memory. */
#ifdef __clang__
#define NS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NS_UNROLL _Pragma("GCC unroll 16")
#endif

#endif
