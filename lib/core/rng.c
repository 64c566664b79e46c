/* rng.c - xoshiro256++ (Blackman, Vigna) seeded by splitmix64. Only + - * / sqrt on doubles and no libm transcendental:
 * the same stream, bit for bit, on every machine. */
#include <math.h>

#include "core/core.h"

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Stream 0 of a seed is splitmix64's own expansion of it; other streams start from a scrambled seed. */
ns_rng ns_rng_seed(uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;
    if (stream) {
        uint64_t s = stream;
        state ^= splitmix64(&s);
    }
    ns_rng rng;
    for (int i = 0; i < 4; i++)
        rng.s[i] = splitmix64(&state);
    return rng;
}

static uint64_t rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t ns_rng_u64(ns_rng *rng)
{
    uint64_t *const s = rng->s;
    const uint64_t result = rotate(s[0] + s[3], 23) + s[0];
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

__extension__ typedef unsigned __int128 u128;

/* Lemire's multiplication with rejection: exact, one draw nearly always. n < 1 gives 0. */
int64_t ns_rng_below(ns_rng *rng, int64_t n)
{
    if (n <= 1)
        return 0;
    const uint64_t bound = (uint64_t)n, reject_below = -bound % bound;
    for (;;) {
        const u128 product = (u128)ns_rng_u64(rng) * bound;
        if ((uint64_t)product >= reject_below)
            return (int64_t)(product >> 64);
    }
}

double ns_rng_uniform(ns_rng *rng)
{
    return (double)(ns_rng_u64(rng) >> 11) * 0x1p-53;
}

static double horner(const double *coefficients, int n, double x)
{
    double sum = coefficients[n - 1];
    for (int i = n - 2; i >= 0; i--)
        sum = sum * x + coefficients[i];
    return sum;
}

/* log of a positive normal number: x = m 2^e with m in [sqrt(1/2), sqrt(2)), log m = 2 atanh((m - 1) / (m + 1)),
 * whose series to z^21 leaves less than 2e-18. */
static double fixed_log(double x)
{
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752440) {
        m *= 2;
        e--;
    }
    const double z = (m - 1) / (m + 1), z2 = z * z;
    double sum = 0;
    for (int k = 21; k >= 1; k -= 2)
        sum = sum * z2 + 1.0 / k;
    return 2 * z * sum + e * 0.69314718055994530942;
}

/* The normal quantile: Wichura, Algorithm AS 241 (PPND16), relative error about 1e-16. */
static double normal_quantile(double p)
{
    static const double a[8] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
                                4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3};
    static const double b[8] = {1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
                                2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3};
    static const double c[8] = {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
                                1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[8] = {1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
                                1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9};
    static const double e[8] = {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
                                2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[8] = {1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
                                7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
                                2.04426310338993978564e-15};
    const double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        const double r = 0.180625 - q * q;
        return q * horner(a, 8, r) / horner(b, 8, r);
    }
    const double r = sqrt(-fixed_log(q < 0 ? p : 1 - p));
    const double tail = r <= 5 ? horner(c, 8, r - 1.6) / horner(d, 8, r - 1.6) : horner(e, 8, r - 5) / horner(f, 8, r - 5);
    return q < 0 ? -tail : tail;
}

/* One draw per number; the half step keeps the argument inside (0, 1). */
double ns_rng_normal(ns_rng *rng)
{
    return normal_quantile(((double)(ns_rng_u64(rng) >> 12) + 0.5) * 0x1p-52);
}
