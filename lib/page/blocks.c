/* blocks.c - numbers -> the smallest type that holds each of them exactly -> bytes of equal place beside each other -> zlib. */
#include "page/page.h"

#include <libdeflate.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/half.h"

enum { TAG_AND_REFERENCE = 130, NAN_BYTE = 255 };
_Static_assert(sizeof(float) == 4, "f32 has four bytes");

static int64_t limit_of(const ns_web *p) { return p->params.limit > 0 ? p->params.limit : NS_PAGE_LIMIT; }

static int64_t cost(size_t n) { return (int64_t)((n + 2) / 3 * 4) + TAG_AND_REFERENCE; }

bool ns_web_is_full(const ns_web *p, ns_web_part part)
{
    return part != NS_WEB_NEEDED && p->left[part] > 0;
}

static int keep(ns_web *p, uint8_t *packed, size_t n, ns_error *err)
{
    uint8_t *const data = realloc(packed, n);
    if (!ns_grow(&p->block, &p->blocks_capacity, p->n_blocks + 1, sizeof *p->block)) {
        free(data ? data : packed);
        return ns_oom(err, "the page");
    }
    p->block[p->n_blocks++] = (ns_web_block){data ? data : packed, n};
    p->used += cost(n);
    return NS_OK;
}

/* raw[n * size], its bytes in planes already. */
static int add(ns_web *p, cJSON *in, const char *key, const uint8_t *raw, int64_t n, int size, const char *type, ns_web_part part,
               ns_error *err)
{
    const size_t bytes = (size_t)n * (size_t)size, room = libdeflate_zlib_compress_bound(p->deflate, bytes);
    uint8_t *const packed = malloc(room ? room : 1);
    if (!packed)
        return ns_oom(err, "the page");
    const size_t used = libdeflate_zlib_compress(p->deflate, raw, bytes, packed, room);
    if (p->used + cost(used) > limit_of(p)) {
        free(packed);
        if (part == NS_WEB_NEEDED)
            return ns_fail(err, NS_E_ARG, "the page needs more than the %lld bytes of --limit for its scores alone: raise it, or give "
                           "fewer files", (long long)limit_of(p));
        p->left[part]++;
        ns_web_text(p, in, key, NULL);
        return NS_OK;
    }
    cJSON *const reference = ns_web_object(p, in, key);
    ns_web_number(p, reference, "b", (double)p->n_blocks);
    ns_web_text(p, reference, "t", type);
    ns_web_number(p, reference, "n", (double)n);
    return keep(p, packed, used, err);
}

int ns_web_bytes(ns_web *p, cJSON *in, const char *key, const void *data, int64_t n, ns_web_part part, ns_error *err)
{
    return add(p, in, key, data, n, 1, "u8", part, err);
}

/* Byte b of all numbers, then the next: little endian, whatever the machine. */
static uint8_t *planes(const uint32_t *bits, int64_t n, int size)
{
    uint8_t *const out = ns_alloc_array((size_t)n, (size_t)size);
    for (int b = 0; out && b < size; b++)
        for (int64_t i = 0; i < n; i++)
            out[(int64_t)b * n + i] = (uint8_t)(bits[i] >> 8 * b);
    return out;
}

static int size_of(const float *v, int64_t n)
{
    bool byte = true, half = true;
    for (int64_t i = 0; i < n && half; i++) {
        byte &= isnan(v[i]) || (v[i] >= 0 && v[i] < NAN_BYTE && v[i] == floorf(v[i]) && !signbit(v[i]));
        half &= isnan(v[i]) || ns_bits_of(ns_f16_widen(ns_f16_narrow(v[i]))) == ns_bits_of(v[i]);
    }
    return half ? byte ? 1 : 2 : 4;
}

static uint32_t bits_in(float v, int size)
{
    return size == 4 ? ns_bits_of(v) : size == 2 ? ns_f16_narrow(v) : isnan(v) ? NAN_BYTE : (uint32_t)v;
}

static int add_bits(ns_web *p, cJSON *in, const char *key, const uint32_t *bits, int64_t n, int size, const char *type,
                    ns_web_part part, ns_error *err)
{
    uint8_t *const raw = bits ? planes(bits, n, size) : NULL;
    const int rc = raw ? add(p, in, key, raw, n, size, type, part, err) : ns_oom(err, "the page");
    free(raw);
    return rc;
}

int ns_web_floats(ns_web *p, cJSON *in, const char *key, const float *values, int64_t n, ns_web_part part, ns_error *err)
{
    static const char *const types[] = {[1] = "u8", [2] = "f16", [4] = "f32"};
    const int size = size_of(values, n);
    uint32_t *const bits = ns_alloc_array((size_t)n, sizeof *bits);
    for (int64_t i = 0; bits && i < n; i++)
        bits[i] = bits_in(values[i], size);
    const int rc = add_bits(p, in, key, bits, n, size, types[size], part, err);
    free(bits);
    return rc;
}

int ns_web_wholes(ns_web *p, cJSON *in, const char *key, const int64_t *values, int64_t n, ns_web_part part, ns_error *err)
{
    uint32_t *const bits = ns_alloc_array((size_t)n, sizeof *bits);
    for (int64_t i = 0; bits && i < n; i++) {
        if (values[i] > INT32_MAX || values[i] < INT32_MIN) {
            free(bits);
            return ns_fail(err, NS_E_FORMAT, "'%s' holds %lld, which is too large to be true", key, (long long)values[i]);
        }
        bits[i] = (uint32_t)(int32_t)values[i];
    }
    const int rc = add_bits(p, in, key, bits, n, 4, "i32", part, err);
    free(bits);
    return rc;
}
