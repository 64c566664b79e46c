/* kernels_scalar.c - the definition: plain C and fmaf, always built. */
#include "math/lanes_scalar.h"
#include "math/kernels_tmpl.h"
