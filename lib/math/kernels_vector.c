/* kernels_vector.c - GCC vector extensions, for CPUs other than x86. */
#include "math/lanes_vector.h"
#include "math/kernels_tmpl.h"
