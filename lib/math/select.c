/* select.c - which kernels this CPU can run. The choice is an argument of the engine, never a global. */
#include "math/kernels.h"

typedef struct choice { const ns_math *math; bool (*runs)(void); } choice;

static bool always(void)
{
    return true;
}

#if NS_HAVE_X86
#include <cpuid.h>

/* clang before 15 does not know "f16c" as a name. */
static bool has_f16c(void)
{
    unsigned a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}

static bool runs_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

static bool runs_avx512(void)
{
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")
           && __builtin_cpu_supports("avx512vl");
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
