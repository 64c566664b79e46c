/* rope.c - inverse frequencies and the factor on cos and sin, in f32, operation by operation as transformers 4.57.6 computes them.
 *
 * pow and log are ours (double, the same bits on every machine), rounded once to f32: within one f32 ulp of torch's powf. Where torch
 * turns scalar / tensor into reciprocal(tensor) * scalar, so does this. */
#include "model/families/family.h"
#include "math/math.h"
#include <math.h>

#define TWO_PI 6.283185307179586

/* base ** (2k / r) with f32 base, exponent and result. */
static float power(float base, int64_t k, int64_t r)
{
    return (float)ns_pow(base, (double)((float)(2 * k) / (float)r));
}

static void plain(float *f, float base, int64_t r)
{
    for (int64_t k = 0; k < r / 2; k++)
        f[k] = 1.0f / power(base, k, r);
}

static void llama3(const ns_rope *rope, double original, float *f)
{
    const float factor = (float)rope->factor, low = (float)rope->low_freq_factor,
                span = (float)(rope->high_freq_factor - rope->low_freq_factor);
    const float low_wavelength = (float)(original / rope->low_freq_factor), high_wavelength = (float)(original / rope->high_freq_factor);
    for (int64_t k = 0; k < rope->rotary_dim / 2; k++) {
        const float wavelength = 1.0f / f[k] * (float)TWO_PI;
        if (wavelength > low_wavelength) {
            f[k] /= factor;
        } else if (!(wavelength < high_wavelength)) {
            const float smooth = (1.0f / wavelength * (float)original - low) / span;
            f[k] = (1.0f - smooth) * f[k] / factor + smooth * f[k];
        }
    }
}

/* The dimension that turns `rotations` times over the original length. */
static double correction_dim(const ns_rope *rope, double rotations, double original)
{
    return (double)rope->rotary_dim * ns_log(original / (rotations * TWO_PI)) / (2 * ns_log(rope->theta));
}

static void yarn(const ns_rope *rope, double original, float *f)
{
    const int64_t r = rope->rotary_dim;
    double low = correction_dim(rope, rope->beta_fast, original), high = correction_dim(rope, rope->beta_slow, original);
    if (rope->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, (double)(r - 1));
    if (low == high)
        high += 0.001;
    for (int64_t k = 0; k < r / 2; k++) {
        const float pos = power((float)rope->theta, k, r);
        const float extrapolated = 1.0f / pos, interpolated = 1.0f / ((float)rope->factor * pos);
        const float ramp = fminf(fmaxf(((float)k - (float)low) / (float)(high - low), 0), 1), keep = 1.0f - ramp;
        f[k] = interpolated * (1.0f - keep) + extrapolated * keep;
    }
}

static double yarn_mscale(double scale, double m)
{
    return scale <= 1 ? 1 : 0.1 * m * ns_log(scale) + 1;
}

static double derived_factor(const ns_rope *rope, double original)
{
    if (rope->scaling == NS_ROPE_YARN)
        return rope->mscale > 0 && rope->mscale_all_dim > 0
                   ? yarn_mscale(rope->factor, rope->mscale) / yarn_mscale(rope->factor, rope->mscale_all_dim)
                   : yarn_mscale(rope->factor, 1);
    if (rope->scaling == NS_ROPE_LONGROPE && rope->factor > 1)
        return sqrt(1 + ns_log(rope->factor) / ns_log(original));
    return 1;
}

/* theta grown for n positions; in f32 once n is beyond the original length, since torch computes it from a tensor there. */
static float dynamic_theta(const ns_rope *rope, double original, int64_t n)
{
    if ((double)n <= original)
        return (float)rope->theta;
    const float grown = (float)rope->factor * (float)n / (float)original - (float)(rope->factor - 1);
    const float exponent = (float)((double)rope->rotary_dim / (double)(rope->rotary_dim - 2));
    return (float)ns_pow(grown, exponent) * (float)rope->theta;
}

int ns_rope_frequencies(const ns_rope *rope, int64_t max_positions, int64_t n, float *inv_freq, float *attention_factor, ns_error *err)
{
    const double original = (double)(rope->original_max_positions > 0 ? rope->original_max_positions : max_positions);
    const int64_t r = rope->rotary_dim;
    if (r < 2 || r % 2 || !(rope->theta > 1) || n < 0)
        return ns_fail(err, NS_E_ARG, "rope: theta %g, rotary_dim %lld, %lld positions make no frequencies", rope->theta, (long long)r,
                       (long long)n);
    if (rope->scaling != NS_ROPE_DEFAULT && rope->scaling != NS_ROPE_LINEAR && !(original > 0))
        return ns_fail(err, NS_E_ARG, "rope: %s scaling needs the original number of positions",
                       ns_word_name(ns_words_scaling, rope->scaling));
    if (rope->scaling == NS_ROPE_LONGROPE && (!rope->short_factor || !rope->long_factor))
        return ns_fail(err, NS_E_ARG, "rope: longrope needs short_factor and long_factor");
    *attention_factor = (float)(rope->attention_factor > 0 ? rope->attention_factor : derived_factor(rope, original));
    plain(inv_freq, (float)rope->theta, r);
    switch (rope->scaling) {
    case NS_ROPE_DEFAULT:
        break;
    case NS_ROPE_LINEAR:
        for (int64_t k = 0; k < r / 2; k++)
            inv_freq[k] /= (float)rope->factor;
        break;
    case NS_ROPE_DYNAMIC:
        plain(inv_freq, dynamic_theta(rope, original, n), r);
        break;
    case NS_ROPE_LLAMA3:
        llama3(rope, original, inv_freq);
        break;
    case NS_ROPE_YARN:
        yarn(rope, original, inv_freq);
        break;
    case NS_ROPE_LONGROPE:
        for (int64_t k = 0; k < r / 2; k++)
            inv_freq[k] =
                1.0f / ((float)((double)n > original ? rope->long_factor[k] : rope->short_factor[k]) * power((float)rope->theta, k, r));
        break;
    }
    return NS_OK;
}
