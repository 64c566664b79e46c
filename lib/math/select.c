/* select.c - which kernels this CPU can run. The choice is an argument of the engine, never a global. */
#include "math/kernels.h"

typedef struct choice { const ns_math *math; bool (*runs)(void); } choice;

static bool always(void)
{
    return true;
}

#if NS_HAVE_X86
#include <cpuid.h>

/* By the instruction itself: what compilers offer for it differs in names (f16c), and does nothing where their runtime is not gcc's. */
static uint32_t saved_by_system(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Whether the CPU has these of leaf 1 (ecx) and of leaf 7 (ebx), and the system keeps the registers that they use. */
static bool runs(uint32_t basic, uint32_t extended, uint32_t registers)
{
    uint32_t a, b, c, d;
    basic |= bit_OSXSAVE | bit_AVX;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & basic) != basic || (saved_by_system() & registers) != registers)
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & extended) == extended;
}

enum { YMM = 0x6, ZMM = 0xe6 };             /* of XCR0: with SSE's, and with the masks' and both halves */

static bool runs_avx2(void)
{
    return runs(bit_FMA | bit_F16C, bit_AVX2, YMM);
}

static bool runs_avx512(void)
{
    return runs(bit_FMA | bit_F16C, bit_AVX2 | bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL, ZMM);
}
#endif

/* Slowest first. */
static const choice choices[] = {
    {&ns_math_scalar, always},
#if NS_HAVE_X86
    {&ns_math_avx2, runs_avx2},
    {&ns_math_avx512, runs_avx512},
#else
    {&ns_math_vector, always},
#endif
};
enum { N_CHOICES = sizeof choices / sizeof *choices };

const ns_math *ns_math_select(const char *cap)
{
    const ns_math *best = NULL;
    for (int i = 0; i < N_CHOICES; i++) {
        if (choices[i].runs())
            best = choices[i].math;
        if (cap && strcmp(cap, choices[i].math->name) == 0)
            return best;
    }
    return cap ? NULL : best;
}

int ns_math_available(const ns_math *out[NS_MATH_MAX])
{
    int n = 0;
    for (int i = 0; i < N_CHOICES; i++)
        if (choices[i].runs())
            out[n++] = choices[i].math;
    return n;
}
