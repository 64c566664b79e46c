/* tensor.c - bytes and elements of a stored tensor, read from its file at the moment they are asked for, halves widened to f32. Each half
 * is a memcpy, which the compiler turns into vector loads. */
#include "io/blocks.h"
#include "io/reader.h"

#include <string.h>

/* Sign and exponent keep their places, the mantissa moves up by 13. The exponent is re-biased by 112; all ones (Inf, NaN)
 * by 112 more. Subnormals are an integer times 2^-24, exact in f32. Both ways are computed and one is chosen, so the loop has no branch. */
void ns_widen_f16(float *restrict out, const uint8_t *restrict in, int64_t n)
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

static int check_range(const ns_tensor *t, int64_t first, int64_t n, int64_t count, const char *unit, ns_error *err)
{
    return first >= 0 && n >= 0 && first <= count && n <= count - first
               ? NS_OK
               : ns_fail(err, NS_E_ARG, "%s: tensor '%s': %s %lld + %lld are asked for, it has %lld", t->file, t->name, unit,
                         (long long)first, (long long)n, (long long)count);
}

int ns_tensor_read(const ns_tensor *t, int64_t first, int64_t n, void *out, ns_error *err)
{
    const int rc = check_range(t, first, n, t->n_bytes, "bytes", err);
    return rc != NS_OK ? rc : ns_input_read(&t->from->in, t->at + first, out, (size_t)n, t->file, err);
}

/* Through a buffer that stays in the cache. */
static int read_halves(const ns_tensor *t, ns_dtype dtype, int64_t first, int64_t n, float *out, ns_error *err)
{
    enum { CHUNK = 1 << 13 };
    uint8_t half[2 * CHUNK];
    int rc = NS_OK;
    for (int64_t at = 0; at < n && rc == NS_OK; at += CHUNK) {
        const int64_t count = n - at < CHUNK ? n - at : CHUNK;
        rc = ns_input_read(&t->from->in, t->at + 2 * (first + at), half, (size_t)(2 * count), t->file, err);
        if (rc == NS_OK)
            (dtype == NS_BF16 ? widen_bf16 : ns_widen_f16)(out + at, half, count);
    }
    return rc;
}

int ns_plain_read(const ns_tensor *t, ns_dtype dtype, int64_t first, int64_t n, float *out, ns_error *err)
{
    switch (dtype) {
    case NS_F32:
        return ns_input_read(&t->from->in, t->at + 4 * first, out, (size_t)n * 4, t->file, err);
    case NS_BF16:
    case NS_F16:
        return read_halves(t, dtype, first, n, out, err);
    default:
        return ns_fail(err, NS_E_UNSUPPORTED,
                       "%s: tensor '%s' is stored as %s: not a weight that needlescope reads (store it as F32, BF16 or F16)", t->file,
                       t->name, ns_dtype_name(dtype));
    }
}

int ns_tensor_read_f32(const ns_tensor *t, int64_t first, int64_t n, float *out, ns_error *err)
{
    const int rc = check_range(t, first, n, ns_view_count(&t->view), "elements", err);
    return rc != NS_OK || n == 0 ? rc : t->coded ? ns_coded_read(t, first, n, out, err)
                                      : ns_plain_read(t, t->view.dtype, first, n, out, err);
}

const char *ns_tensor_stored(const ns_tensor *t)
{
    return t->coded ? t->coded->block->name : ns_dtype_name(t->view.dtype);
}
