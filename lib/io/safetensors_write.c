/* safetensors_write.c - one safetensors file, atomic.
 *
 * Tensors lie in the order (wider dtype first, then name), without gaps; the header is padded with spaces to a multiple of
 * 64 bytes, so that f32 tensors are aligned in a mapping. The same tensors in any order give the same bytes. */
#include "io/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 14, ALIGN = 64 };

static const char head[] = "{\"__metadata__\":{\"format\":\"pt\"}";

typedef struct text { char *data; int64_t n, capacity; } text;

static bool append(text *t, const char *bytes, size_t n)
{
    if (!ns_grow(&t->data, &t->capacity, t->n + (int64_t)n, 1))
        return false;
    memcpy(t->data + t->n, bytes, n);
    t->n += (int64_t)n;
    return true;
}

static bool append_string(text *t, const char *s)
{
    bool ok = append(t, "\"", 1);
    for (; *s && ok; s++) {
        char escaped[8];
        if (*s == '"' || *s == '\\')
            ok = append(t, (char[]){'\\', *s}, 2);
        else if ((uint8_t)*s < 0x20)
            ok = append(t, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*s));
        else
            ok = append(t, s, 1);
    }
    return ok && append(t, "\"", 1);
}

static int by_place(const void *a, const void *b)
{
    const ns_tensor_out *const x = *(const ns_tensor_out *const *)a, *const y = *(const ns_tensor_out *const *)b;
    const size_t wx = ns_dtype_size(x->dtype), wy = ns_dtype_size(y->dtype);
    return wx != wy ? (wx > wy ? -1 : 1) : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const ns_tensor_out *const *)a)->name, (*(const ns_tensor_out *const *)b)->name);
}

static int check_one(const char *path, const ns_tensor_out *t, ns_error *err)
{
    size_t bad = 0;
    if (!t->name || !ns_utf8_valid(t->name, strlen(t->name), &bad) || !strcmp(t->name, "__metadata__"))
        return ns_fail(err, NS_E_ARG, "%s: '%s' cannot be the name of a tensor", path, t->name ? t->name : "(null)");
    if (t->dtype != NS_F32 && t->dtype != NS_BF16 && t->dtype != NS_F16)
        return ns_fail(err, NS_E_ARG, "%s: tensor '%s': written as F32, BF16 or F16 only, not %s", path, t->name, ns_dtype_name(t->dtype));
    if (t->view.dtype != NS_F32 || t->view.rank < 0 || t->view.rank > NS_MAX_RANK)
        return ns_fail(err, NS_E_ARG, "%s: tensor '%s': its view must be f32 of rank 0 to %d", path, t->name, NS_MAX_RANK);
    int64_t bytes = 4;
    for (int i = 0; i < t->view.rank; i++) {
        if (t->view.shape[i] < 0 || (t->view.shape[i] > 0 && !ns_mul_i64(bytes, t->view.shape[i], &bytes)))
            return ns_fail(err, NS_E_ARG, "%s: tensor '%s': dimension %d is %lld", path, t->name, i, (long long)t->view.shape[i]);
    }
    return NS_OK;
}

/* order[n]: checked, unique, as they will lie in the file. */
static int arrange(const ns_tensor_out ***out, const char *path, const ns_tensor_out *list, int64_t n, ns_error *err)
{
    const ns_tensor_out **const order = ns_alloc_array((size_t)n, sizeof *order);
    int rc = order ? NS_OK : ns_oom(err, path);
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        order[i] = &list[i];
        rc = check_one(path, order[i], err);
    }
    if (rc == NS_OK)
        qsort(order, (size_t)n, sizeof *order, by_name);
    for (int64_t i = 1; i < n && rc == NS_OK; i++) {
        if (!strcmp(order[i - 1]->name, order[i]->name))
            rc = ns_fail(err, NS_E_ARG, "%s: tensor '%s' is given twice", path, order[i]->name);
    }
    if (rc != NS_OK) {
        free(order);
        return rc;
    }
    qsort(order, (size_t)n, sizeof *order, by_place);
    *out = order;
    return NS_OK;
}

static bool append_entry(text *t, const ns_tensor_out *e, int64_t *at)
{
    char part[64];
    const int64_t end = *at + ns_view_count(&e->view) * (int64_t)ns_dtype_size(e->dtype);
    bool ok = append(t, ",", 1) && append_string(t, e->name) &&
              append(t, part, (size_t)snprintf(part, sizeof part, ":{\"dtype\":\"%s\",\"shape\":[", ns_dtype_name(e->dtype)));
    for (int i = 0; i < e->view.rank && ok; i++)
        ok = append(t, part, (size_t)snprintf(part, sizeof part, "%s%lld", i ? "," : "", (long long)e->view.shape[i]));
    ok = ok && append(t, part, (size_t)snprintf(part, sizeof part, "],\"data_offsets\":[%lld,%lld]}", (long long)*at, (long long)end));
    *at = end;
    return ok;
}

/* u64 length, JSON, spaces. */
static int make_header(text *t, const char *path, const ns_tensor_out *const *order, int64_t n, ns_error *err)
{
    static const uint64_t none = 0;
    int64_t at = 0;
    bool ok = append(t, (const char *)&none, 8) && append(t, head, sizeof head - 1);
    for (int64_t i = 0; i < n && ok; i++)
        ok = append_entry(t, order[i], &at);
    ok = ok && append(t, "}", 1);
    while (ok && t->n % ALIGN)
        ok = append(t, " ", 1);
    if (!ok)
        return ns_oom(err, path);
    const uint64_t length = (uint64_t)t->n - 8;
    memcpy(t->data, &length, 8);
    return NS_OK;
}

static uint32_t float_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}

/* Round to nearest even: adding 0x7fff and the last kept bit carries exactly when it should; a NaN stays one. */
static uint16_t narrow_bf16(float x)
{
    const uint32_t u = float_bits(x);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

/* Round to nearest even in integers. Below 2^-14 the unit is 2^-24 whatever the exponent; overflow carries into Inf. */
static uint16_t narrow_f16(float x)
{
    const uint32_t u = float_bits(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a >= 0x7f800000u)
        return (uint16_t)(sign | 0x7c00u | (a > 0x7f800000u ? 0x200u : 0));
    if (a >= 0x47800000u)                                           /* 2^16 and more */
        return (uint16_t)(sign | 0x7c00u);
    if (a >= 0x38800000u)                                           /* 2^-14: normal */
        return (uint16_t)(sign | (a - (112u << 23) + 0xfffu + (a >> 13 & 1)) >> 13);
    if (a < 0x33000000u)                                            /* below 2^-25: zero; a tie at 2^-25 goes to even below */
        return (uint16_t)sign;
    const uint32_t shift = 126 - (a >> 23), mantissa = (a & 0x7fffffu) | 0x800000u;
    return (uint16_t)(sign | (mantissa + (1u << (shift - 1)) - 1 + (mantissa >> shift & 1)) >> shift);
}

static bool put(FILE *f, const float *x, int64_t n, ns_dtype dtype)
{
    uint16_t half[CHUNK];
    if (dtype == NS_F32)
        return fwrite(x, 4, (size_t)n, f) == (size_t)n;
    for (int64_t i = 0; i < n; i++)
        half[i] = dtype == NS_BF16 ? narrow_bf16(x[i]) : narrow_f16(x[i]);
    return fwrite(half, 2, (size_t)n, f) == (size_t)n;
}

/* Elements in row-major order whatever the strides: index[] counts like an odometer. */
static bool put_tensor(FILE *f, const ns_tensor_out *t)
{
    const ns_view *const v = &t->view;
    const int64_t count = ns_view_count(v);
    int64_t index[NS_MAX_RANK] = {0}, at = 0, n = 0;
    float chunk[CHUNK];
    for (int64_t i = 0; i < count; i++) {
        chunk[n++] = ((const float *)v->data)[at];
        for (int a = v->rank - 1; a >= 0; a--) {
            at += v->stride[a];
            if (++index[a] < v->shape[a])
                break;
            at -= index[a] * v->stride[a];
            index[a] = 0;
        }
        if (n == CHUNK || i == count - 1) {
            if (!put(f, chunk, n, t->dtype))
                return false;
            n = 0;
        }
    }
    return true;
}

static int write_file(const char *path, const text *header, const ns_tensor_out *const *order, int64_t n, ns_error *err)
{
    ns_atomic_file file;
    int rc = ns_kind_check_output(path, NS_KINDS(NS_KIND_SAFETENSORS), err);
    rc = rc != NS_OK ? rc : ns_atomic_begin(&file, path, err);
    if (rc != NS_OK)
        return rc;
    FILE *const f = ns_atomic_stream(&file, &rc, err);
    bool more = f && fwrite(header->data, 1, (size_t)header->n, f) == (size_t)header->n;
    for (int64_t i = 0; i < n && more; i++)
        more = put_tensor(f, order[i]);
    return ns_atomic_end(&file, f, rc, err);
}

int ns_safetensors_write(const char *path, const ns_tensor_out *list, int64_t n, ns_error *err)
{
    const ns_tensor_out **order = NULL;
    text header = {0};
    if (!path || n < 0 || (n > 0 && !list))
        return ns_fail(err, NS_E_ARG, "a path and a list of tensors are needed");
    int rc = arrange(&order, path, list, n, err);
    if (rc == NS_OK)
        rc = make_header(&header, path, order, n, err);
    if (rc == NS_OK)
        rc = write_file(path, &header, order, n, err);
    free(header.data);
    free(order);
    return rc;
}
