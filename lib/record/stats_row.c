/* stats_row.c - what a row of attention says: its entropy, its mass on keys, its largest cell. */
#include "record/stats_row.h"

#include "math/math.h"
#include <stdint.h>
#include <string.h>

enum { BLOCK = 256, LANES = 16 };

/* out = p ln p, 0 at 0: Cephes' logf in loops that are vectorised; no libm, so the bits are the same everywhere. Below the normal range
 * (p < 1.2e-38) the logarithm is some number above -90: the product is as good as 0. */
static void p_ln_p(float *restrict out, const float *restrict p)
{
    int32_t bits[BLOCK];
    float mantissa[BLOCK], exponent[BLOCK];
    memcpy(bits, p, sizeof bits);
    for (int i = 0; i < BLOCK; i++) {
        const int32_t e = (bits[i] - 0x3f3504f3) >> 23; /* such that the mantissa lies in [sqrt 1/2, sqrt 2) */
        exponent[i] = (float)e;
        bits[i] -= e * 0x800000;
    }
    memcpy(mantissa, bits, sizeof bits);
    for (int i = 0; i < BLOCK; i++) {
        const float x = mantissa[i] - 1, e = exponent[i], z = x * x;
        float y = 7.0376836292E-2f;
        y = y * x - 1.1514610310E-1f;
        y = y * x + 1.1676998740E-1f;
        y = y * x - 1.2420140846E-1f;
        y = y * x + 1.4249322787E-1f;
        y = y * x - 1.6668057665E-1f;
        y = y * x + 2.0000714765E-1f;
        y = y * x - 2.4999993993E-1f;
        y = y * x + 3.3333331174E-1f;
        y = y * x * z + e * -2.12194440E-4f - 0.5f * z;
        out[i] = p[i] * (x + y + e * 0.693359375f);
    }
}

/* Summed in f64 over 16 lanes (key mod 16), so it does not depend on where the view begins: masked cells add 0. */
double ns_stat_entropy(const float *x, int64_t key0, int64_t n)
{
    float p[BLOCK] = {0}, term[BLOCK];
    double lane[LANES] = {0};
    int64_t ahead = key0 % LANES; /* cells before the row's first in its block */
    for (int64_t i = 0; i < n;) {
        const int64_t m = n - i < BLOCK - ahead ? n - i : BLOCK - ahead;
        memcpy(p + ahead, x + i, (size_t)m * sizeof *p);
        memset(p + ahead + m, 0, (size_t)(BLOCK - ahead - m) * sizeof *p);
        p_ln_p(term, p);
        for (int j = 0; j < BLOCK; j += LANES)
            for (int l = 0; l < LANES; l++)
                lane[l] += (double)term[j + l];
        i += m;
        ahead = 0;
    }
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return 0 - lane[0]; /* never -0 */
}

double ns_stat_mass(const float *x, int64_t key0, int64_t n, int64_t from, int64_t to)
{
    double sum = 0;
    from = from < key0 ? key0 : from;
    to = to > key0 + n ? key0 + n : to;
    for (int64_t k = from; k < to; k++)
        sum += (double)x[k - key0];
    return sum;
}

/* p = x / S, so ln S - (sum of x ln x) / S. */
double ns_stat_entropy_of_keys(const float *x, int64_t key0, int64_t n)
{
    const double sum = ns_stat_mass(x, key0, n, key0, key0 + n);
    return sum > 0 ? ns_log(sum) + ns_stat_entropy(x, key0, n) / sum : 0;
}

double ns_stat_largest(const float *x, int64_t key0, int64_t n, int64_t from, int64_t to)
{
    double max = 0;
    from = from < key0 ? key0 : from;
    to = to > key0 + n ? key0 + n : to;
    for (int64_t k = from; k < to; k++)
        max = (double)x[k - key0] > max ? (double)x[k - key0] : max;
    return max;
}
