/* kernels_avx2.c - AVX2 + FMA + F16C. */
#include "math/lanes_avx2.h"
#include "math/kernels_tmpl.h"
