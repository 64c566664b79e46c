/* kernels_avx512.c - AVX-512 F, DQ, BW, VL. */
#include "math/lanes_avx512.h"
#include "math/kernels_tmpl.h"
