/* double.c - pow, log, sin and cos in double precision from IEEE operations alone: the same bits on every machine (a libm picks its
 * version by CPU). They feed RoPE, whose results are rounded to f32. Series are Taylor's, cut where the next term is below 1e-19;
 * measured against libm in tests/kernel. */
#include "math/math.h"

#include <math.h>

/* sum of c[i] x^i */
static double series(const double *c, int n, double x)
{
    double sum = c[n - 1];
    for (int i = n - 2; i >= 0; i--)
        sum = fma(sum, x, c[i]);
    return sum;
}

static const double LN2_HIGH = 0x1.62e42fefa0000p-1, LN2_LOW = 0x1.cf79abc9e3b3ap-40;     /* the high part times |e| < 2^11 is exact */

double ns_log(double x)
{
    /* ln m = 2 atanh(s) = 2 s (1 + s^2/3 + s^4/5 + ...), s = (m - 1)/(m + 1), |s| < 0.172 */
    static const double odd[] = { 1, 1 / 3.0, 1 / 5.0, 1 / 7.0, 1 / 9.0, 1 / 11.0, 1 / 13.0, 1 / 15.0, 1 / 17.0, 1 / 19.0, 1 / 21.0, 1 / 23.0, 1 / 25.0 };
    int e;
    double m = frexp(x, &e);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        e--;
    }
    double s = (m - 1) / (m + 1), tail = series(odd + 1, 12, s * s) * s * s;
    return fma((double)e, LN2_HIGH, fma(2 * s, tail, fma((double)e, LN2_LOW, 2 * s)));
}

static double exp_of(double x)
{
    static const double inverse_factorial[] = { 1, 1, 1 / 2.0, 1 / 6.0, 1 / 24.0, 1 / 120.0, 1 / 720.0, 1 / 5040.0, 1 / 40320.0, 1 / 362880.0,
                                                1 / 3628800.0, 1 / 39916800.0, 1 / 479001600.0, 1 / 6227020800.0, 1 / 87178291200.0 };
    double n = rint(x * 0x1.71547652b82fep0), r = fma(-n, LN2_LOW, fma(-n, LN2_HIGH, x));
    return ldexp(series(inverse_factorial, 15, r), (int)n);
}

double ns_pow(double base, double exponent)
{
    return exp_of(exponent * ns_log(base));
}

/* x - n pi/2 with pi/2 in three pieces: each fma rounds once, what is lost is below 1e-16 for |x| < 2^30. */
void ns_sincos(double x, double *sine, double *cosine)
{
    static const double s[] = { 1, -1 / 6.0, 1 / 120.0, -1 / 5040.0, 1 / 362880.0, -1 / 39916800.0, 1 / 6227020800.0, -1 / 1307674368000.0, 1 / 355687428096000.0 };
    static const double c[] = { 1, -1 / 2.0, 1 / 24.0, -1 / 720.0, 1 / 40320.0, -1 / 3628800.0, 1 / 479001600.0, -1 / 87178291200.0, 1 / 20922789888000.0, -1 / 6402373705728000.0 };
    double n = rint(x * 0x1.45f306dc9c883p-1);
    double r = fma(-n, 0x1.921fb54442d18p0, x);
    r = fma(-n, 0x1.1a62633145c07p-54, r);
    r = fma(-n, -0x1.f1976b7ed8fbcp-110, r);
    double sr = r * series(s, 9, r * r), cr = series(c, 10, r * r);
    switch ((int64_t)n & 3) {
    case 0: *sine = sr; *cosine = cr; break;
    case 1: *sine = cr; *cosine = -sr; break;
    case 2: *sine = -sr; *cosine = -cr; break;
    default: *sine = -cr; *cosine = sr; break;
    }
}
