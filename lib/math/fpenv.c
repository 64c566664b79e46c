/* fpenv.c - round to nearest, denormals on, whatever the host has set; restored at the end of each task. */
#include "math/kernels.h"

#if NS_HAVE_X86
#include <immintrin.h>

ns_fpenv ns_fpenv_set(void)
{
    const ns_fpenv found = {_mm_getcsr()};
    _mm_setcsr(0x1f80);                       /* all exceptions masked, nearest, no flush to zero */
    return found;
}

void ns_fpenv_restore(ns_fpenv env)
{
    _mm_setcsr(env.mxcsr);
}
#else
#include <fenv.h>

ns_fpenv ns_fpenv_set(void)
{
    const ns_fpenv found = {(unsigned)fegetround()};
    fesetround(FE_TONEAREST);
    return found;
}

void ns_fpenv_restore(ns_fpenv env)
{
    fesetround((int)env.mxcsr);
}
#endif
