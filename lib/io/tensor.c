/* tensor.c - bytes and elements of a stored tensor, read from its file at the moment they are asked for, halves widened and doubles rounded
 * to f32. Each half is a memcpy, which the compiler turns into vector loads. */
#include "io/blocks.h"
#include "io/reader.h"

#include <stdlib.h>
#include <string.h>

bool ns_shape_bytes(ns_dtype dtype, int rank, const int64_t *shape, int64_t *out)
{
    int64_t bytes = (int64_t)ns_dtype_size(dtype);
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (shape[i] == 0)
            empty = true;
        else if (!ns_mul_i64(bytes, shape[i], &bytes))
            return false;
    }
    *out = empty ? 0 : bytes;
    return true;
}

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

/* Bytes of a tensor whose elements do not lie in its own order: whole elements are gathered, and those at the ends cut. */
static int read_strided(const ns_tensor *t, int64_t first, int64_t n, void *out, ns_error *err)
{
    const int64_t size = (int64_t)ns_dtype_size(t->view.dtype), begin = first / size, end = (first + n + size - 1) / size;
    if (first % size == 0 && n % size == 0)
        return ns_gather(t, begin, end - begin, out, err);
    char *const whole = ns_alloc_array((size_t)(end - begin), (size_t)size);
    const int rc = whole ? ns_gather(t, begin, end - begin, whole, err) : ns_oom(err, t->file);
    if (rc == NS_OK)
        memcpy(out, whole + (first - begin * size), (size_t)n);
    free(whole);
    return rc;
}

/* The range was checked. */
static int read_bytes(const ns_tensor *t, int64_t first, int64_t n, void *out, ns_error *err)
{
    return ns_is_row_major(&t->view) ? ns_input_read(&t->from->in, t->at + first, out, (size_t)n, t->file, err)
                                     : read_strided(t, first, n, out, err);
}

int ns_tensor_read(const ns_tensor *t, int64_t first, int64_t n, void *out, ns_error *err)
{
    const int rc = check_range(t, first, n, t->n_bytes, "bytes", err);
    return rc != NS_OK || n == 0 ? rc : read_bytes(t, first, n, out, err);
}

/* A buffer of so many. */
typedef struct halves { uint8_t *bytes; int64_t room; } halves;

static int widen(const ns_tensor *t, ns_dtype dtype, int64_t first, int64_t n, float *out, halves h, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t at = 0; at < n && rc == NS_OK; at += h.room) {
        const int64_t count = n - at < h.room ? n - at : h.room;
        rc = read_bytes(t, 2 * (first + at), 2 * count, h.bytes, err);
        if (rc == NS_OK)
            (dtype == NS_BF16 ? widen_bf16 : ns_widen_f16)(out + at, h.bytes, count);
    }
    return rc;
}

/* In pieces that stay in the cache; but elements that are gathered lie together only over many rows. */
static int read_halves(const ns_tensor *t, ns_dtype dtype, int64_t first, int64_t n, float *out, ns_error *err)
{
    enum { CHUNK = 1 << 13, ROWS = 1 << 20 };
    uint8_t half[2 * CHUNK];
    if (ns_is_row_major(&t->view))
        return widen(t, dtype, first, n, out, (halves){half, CHUNK}, err);
    const int64_t room = n < ROWS ? n : ROWS;
    uint8_t *const rows = ns_alloc_array((size_t)room, 2);
    const int rc = rows ? widen(t, dtype, first, n, out, (halves){rows, room}, err) : ns_oom(err, t->file);
    free(rows);
    return rc;
}

/* Rounded to the nearest f32, as torch's .float() does. */
static int read_doubles(const ns_tensor *t, int64_t first, int64_t n, float *out, ns_error *err)
{
    enum { CHUNK = 1 << 11 };
    double wide[CHUNK];
    int rc = NS_OK;
    for (int64_t at = 0, count; at < n && rc == NS_OK; at += count) {
        count = n - at < CHUNK ? n - at : CHUNK;
        rc = read_bytes(t, 8 * (first + at), 8 * count, wide, err);
        for (int64_t i = 0; i < count && rc == NS_OK; i++)
            out[at + i] = (float)wide[i];
    }
    return rc;
}

int ns_plain_read(const ns_tensor *t, ns_dtype dtype, int64_t first, int64_t n, float *out, ns_error *err)
{
    switch (dtype) {
    case NS_F32:
        return read_bytes(t, 4 * first, 4 * n, out, err);
    case NS_BF16:
    case NS_F16:
        return read_halves(t, dtype, first, n, out, err);
    case NS_F64:
        return read_doubles(t, first, n, out, err);
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

void ns_tensor_soon(const ns_tensor *t)
{
    if (ns_is_row_major(&t->view))
        ns_input_soon(&t->from->in, t->at, t->n_bytes);
}

void ns_tensor_done(const ns_tensor *t)
{
    if (ns_is_row_major(&t->view))
        ns_input_done(&t->from->in, t->at, t->n_bytes);
}

const char *ns_tensor_stored(const ns_tensor *t)
{
    return t->coded ? t->coded->block->name : ns_dtype_name(t->view.dtype);
}
