/* double.c - log, pow, sin and cos in double precision from IEEE operations alone: the same bits on every machine (a libm picks its
 * version by CPU).
 *
 * Arguments are reduced as pairs hi + lo (|lo| <= ulp(hi) / 2); series are Taylor's, cut where the next term is below 2^-56 of the
 * result. Measured against libm in tests/kernel/test_bounds.c. */
#include "math/math.h"

#include <math.h>

typedef struct pair { double hi, lo; } pair;

static const pair LN2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
static const double HALF_PI[3] = {0x1.921fb54442d18p0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110};    /* the sum is pi / 2 */

/* a + b exactly, |a| >= |b| or a = 0 */
static pair fast_sum(double a, double b)
{
    const double s = a + b;
    return (pair) { s, b - (s - a) };
}

static pair exact_sum(double a, double b)
{
    const double s = a + b, t = s - a;
    return (pair) { s, (a - (s - t)) + (b - t) };
}

static pair exact_product(double a, double b)
{
    const double p = a * b;
    return (pair) { p, fma(a, b, -p) };
}

static pair sum(pair a, pair b)
{
    const pair s = exact_sum(a.hi, b.hi);
    return fast_sum(s.hi, s.lo + (a.lo + b.lo));
}

static pair product(pair a, pair b)
{
    const pair p = exact_product(a.hi, b.hi);
    return fast_sum(p.hi, p.lo + fma(a.hi, b.lo, a.lo * b.hi));
}

/* x = 2^e m, sqrt(1/2) <= m < sqrt(2): gives s = (m - 1) / (m + 1), |s| <= 0.1716, so that ln m = 2 atanh(s). x positive, finite. */
static pair log_reduce(double x, int *e)
{
    double m = frexp(x, e);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        --*e;
    }
    const pair above = exact_sum(m, 1);
    const double below = m - 1, s = below / above.hi;
    return fast_sum(s, fma(-s, above.lo, fma(-s, above.hi, below)) / above.hi);
}

double ns_log(double x)
{
    if (!(x > 0))
        return x == 0 ? -INFINITY : NAN;
    if (isinf(x))
        return x;
    int e;
    const pair s = log_reduce(x, &e);
    const double z = s.hi * s.hi;                       /* atanh(s) = s + s z (1/3 + z/5 + ...), z <= 0.0295 */
    static const double inverse[] = {1.0 / 27, 1.0 / 25, 1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9,
                                     1.0 / 7, 1.0 / 5, 1.0 / 3};
    double series = 0;
    for (size_t i = 0; i < sizeof inverse / sizeof *inverse; i++)
        series = fma(series, z, inverse[i]);
    const double rest = 2 * fma(s.hi * z, series, s.lo);
    if (e == 0)
        return 2 * s.hi + rest;
    const pair y = sum(product((pair) { e, 0 }, LN2), (pair) { 2 * s.hi, rest });
    return y.hi + y.lo;
}

/* ln x to about 2^-100 of its size: ns_pow multiplies the error by its exponent. */
static pair log_pair(double x)
{
    int e;
    const pair s = log_reduce(x, &e), z = product(s, s);
    pair series = {0, 0};
    for (int i = 41; i >= 1; i -= 2) {
        const double inverse = 1.0 / i;
        series = sum(product(series, z), (pair) { inverse, fma(-inverse, i, 1) / i });
    }
    return sum(product((pair) { e, 0 }, LN2), product((pair) { 2 * s.hi, 2 * s.lo }, series));
}

/* |x| < 800 */
static double exp_pair(pair x)
{
    const double n = floor(x.hi * 0x1.71547652b82fep0 + 0.5);
    const pair r = sum(x, product((pair) { -n, 0 }, LN2));
    double series = 0;                                  /* exp(r) = 1 + r + r^2 (1/2 + r/6 + ...), |r| <= 0.347 */
    for (int i = 16; i >= 2; i--)
        series = fma(series, r.hi, 1) / i;
    const pair one = fast_sum(1, r.hi);
    return ldexp(one.hi + (one.lo + fma(r.hi * r.hi, series, r.lo)), (int)n);
}

double ns_pow(double base, double exponent)
{
    if (exponent == 0 || base == 1)
        return 1;
    if (!(base > 0) || isinf(base) || !isfinite(exponent))
        return NAN;
    const pair y = product(log_pair(base), (pair) { exponent, 0 });
    if (!(fabs(y.hi) < 750))
        return y.hi > 0 ? INFINITY : 0;
    return exp_pair(y);
}

double ns_exp(double x)
{
    static const double factor[] = {1.0 / 1307674368000, 1.0 / 87178291200, 1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800,
                                    1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5};
    if (!(fabs(x) < 750))
        return x > 0 ? INFINITY : x < 0 ? 0 : x;
    const double n = floor(x * 0x1.71547652b82fep0 + 0.5);
    const pair r = exact_sum(fma(-n, LN2.hi, x), -n * LN2.lo);
    double series = 0;                                  /* exp(r) = 1 + r + r^2 (1/2! + r/3! + ... + r^13/15!), |r| <= 0.347 */
    for (size_t i = 0; i < sizeof factor / sizeof *factor; i++)
        series = fma(series, r.hi, factor[i]);
    const pair one = fast_sum(1, r.hi);
    return ldexp(one.hi + (one.lo + fma(r.hi * r.hi, series, r.lo)), (int)n);
}

/* sin on |r| <= pi/4 */
static double sin_quarter(pair r)
{
    const double z = r.hi * r.hi;
    double series = 0;                                  /* (sin(r) - r) / r^3 */
    for (int i = 17; i >= 3; i -= 2)
        series = -fma(series, z, 1) / (double)(i * (i - 1));
    return r.hi + fma(r.hi * z, series, fma(-0.5 * z, r.lo, r.lo));
}

static double cos_quarter(pair r)
{
    const double z = r.hi * r.hi, half = 0.5 * z, w = 1 - half;
    double series = 0;                                  /* (cos(r) - 1 + r^2/2) / (r^4 / 2) */
    for (int i = 18; i >= 4; i -= 2)
        series = fma(-series, z, 1) / (double)(i * (i - 1));
    return w + (((1 - w) - half) + fma(half, z * series, -(r.hi * r.lo)));
}

void ns_sincos(double x, double *sine, double *cosine)
{
    if (!(fabs(x) < 0x1p30)) {
        *sine = *cosine = NAN;
        return;
    }
    const double n = floor(x * 0x1.45f306dc9c883p-1 + 0.5);
    pair r = {x, 0};                                  /* x - n pi/2: each product is exact, and the first difference cancels exactly */
    for (int i = 0; i < 3; i++)
        r = sum(r, exact_product(-n, HALF_PI[i]));
    const double s = sin_quarter(r), c = cos_quarter(r);
    switch ((int64_t)n & 3) {
    case 0: *sine = s; *cosine = c; break;
    case 1: *sine = c; *cosine = -s; break;
    case 2: *sine = -s; *cosine = -c; break;
    default: *sine = -c; *cosine = s; break;
    }
}
