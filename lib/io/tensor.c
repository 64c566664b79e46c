/* tensor.c - elements of a stored tensor, widened to f32. Sources may be unaligned, so each element is a memcpy, which
 * the compiler turns into vector loads. */
#include "io/reader.h"

#include <string.h>

/* Sign and exponent keep their places, the mantissa moves up by 13. The exponent is re-biased by 112; all ones (Inf, NaN)
 * by 112 more. Subnormals are an integer times 2^-24, exact in f32. Both ways are computed and one is chosen, so the loop has no branch. */
static void widen_f16(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, in + 2 * i, 2);
        const uint32_t magnitude = h & 0x7fffu;
        const uint32_t normal = (magnitude << 13) + (magnitude >= 0x7c00u ? 224u << 23 : 112u << 23);
        const float small = (float)(int32_t)magnitude * 0x1p-24f;
        uint32_t bits;
        memcpy(&bits, &small, 4);
        bits = (magnitude < 0x400u ? bits : normal) | (uint32_t)(h & 0x8000u) << 16;
        memcpy(&out[i], &bits, 4);
    }
}

static void widen_bf16(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, in + 2 * i, 2);
        const uint32_t bits = (uint32_t)h << 16;
        memcpy(&out[i], &bits, 4);
    }
}

int ns_tensor_read_f32(const ns_tensor *t, int64_t first, int64_t n, float *out, ns_error *err)
{
    const int64_t count = ns_view_count(&t->view);
    if (first < 0 || n < 0 || first > count || n > count - first)
        return ns_fail(err, NS_E_ARG, "%s: tensor '%s': elements %lld + %lld are asked for, it has %lld", t->file, t->name, (long long)first, (long long)n,
                       (long long)count);
    if (n == 0)
        return NS_OK;
    const uint8_t *const in = (const uint8_t *)t->view.data + first * (int64_t)ns_dtype_size(t->view.dtype);
    switch (t->view.dtype) {
    case NS_F32:
        memcpy(out, in, (size_t)n * 4);
        return NS_OK;
    case NS_BF16:
        widen_bf16(out, in, n);
        return NS_OK;
    case NS_F16:
        widen_f16(out, in, n);
        return NS_OK;
    default:
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: tensor '%s' is stored as %s: not a weight that needlescope reads (store it as F32, BF16 or F16)", t->file,
                       t->name, ns_dtype_name(t->view.dtype));
    }
}
