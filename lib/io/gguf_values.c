/* gguf_values.c - values of a GGUF header by their keys, their types checked. */
#include "io/gguf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const ns_gguf *g, const char *key, const ns_gguf_value *v)
{
    const size_t n = strlen(key), least = n < v->key_n ? n : v->key_n;
    const int order = memcmp(key, g->bytes + v->key, least);
    return order ? order : (n > v->key_n) - (n < v->key_n);
}

const ns_gguf_value *ns_gguf_find(const ns_gguf *g, const char *key)
{
    int64_t low = 0, high = g->n_values;
    while (low < high) {
        const int64_t mid = (low + high) / 2;
        const int order = compare(g, key, &g->values[mid]);
        if (order == 0)
            return &g->values[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

static int wrong(const ns_gguf *g, const char *key, const char *wanted)
{
    return ns_fail(g->err, NS_E_FORMAT, "%s: '%s' is not %s", g->path, key, wanted);
}


static double number_at(const ns_gguf *g, uint32_t type, size_t at)
{
    const uint8_t *const p = g->bytes + at;
    union { int8_t i8; uint16_t u16; int16_t i16; uint32_t u32; int32_t i32; float f32; uint64_t u64; int64_t i64; double f64; } x;
    memset(&x, 0, sizeof x);
    switch (type) {
    case GGUF_U8: case GGUF_BOOL: return *p;
    case GGUF_I8: memcpy(&x, p, 1); return x.i8;
    case GGUF_U16: memcpy(&x, p, 2); return x.u16;
    case GGUF_I16: memcpy(&x, p, 2); return x.i16;
    case GGUF_U32: memcpy(&x, p, 4); return x.u32;
    case GGUF_I32: memcpy(&x, p, 4); return x.i32;
    case GGUF_F32: memcpy(&x, p, 4); return (double)x.f32;
    case GGUF_U64: memcpy(&x, p, 8); return (double)x.u64;
    case GGUF_I64: memcpy(&x, p, 8); return (double)x.i64;
    default: memcpy(&x, p, 8); return x.f64;
    }
}

static bool is_number(uint32_t type)
{
    return type < GGUF_N_TYPES && type != GGUF_STRING && type != GGUF_ARRAY && type != GGUF_BOOL;
}

int ns_gguf_number(const ns_gguf *g, const char *key, double otherwise, double *out)
{
    const ns_gguf_value *const v = ns_gguf_find(g, key);
    *out = otherwise;
    if (!v)
        return NS_OK;
    if (!is_number(v->type))
        return wrong(g, key, "a number");
    *out = number_at(g, v->type, v->at);
    return isfinite(*out) ? NS_OK : wrong(g, key, "a finite number");
}

int ns_gguf_bool(const ns_gguf *g, const char *key, bool otherwise, bool *out)
{
    const ns_gguf_value *const v = ns_gguf_find(g, key);
    *out = otherwise;
    if (v && (v->type != GGUF_BOOL || g->bytes[v->at] > 1))
        return wrong(g, key, "true or false");
    if (v)
        *out = g->bytes[v->at];
    return NS_OK;
}

int ns_gguf_text(const ns_gguf *g, const char *key, char **out)
{
    const ns_gguf_value *const v = ns_gguf_find(g, key);
    size_t bad;
    *out = NULL;
    if (!v)
        return NS_OK;
    const char *const text = (const char *)g->bytes + v->at;
    if (v->type != GGUF_STRING || !ns_utf8_valid(text, v->n, &bad) || memchr(text, 0, v->n))
        return wrong(g, key, "a text in UTF-8");
    *out = ns_printf_alloc("%.*s", (int)v->n, text);
    return *out ? NS_OK : ns_oom(g->err, g->path);
}

int ns_gguf_array(const ns_gguf *g, const char *key, uint32_t of, const ns_gguf_value **out)
{
    const ns_gguf_value *const v = *out = ns_gguf_find(g, key);
    if (!v || (v->type == GGUF_ARRAY && (of == GGUF_N_TYPES ? is_number(v->of) : v->of == of)))
        return NS_OK;
    return wrong(g, key, of == GGUF_STRING ? "a list of strings" : of == GGUF_F32 ? "a list of 32-bit floats"
                         : of == GGUF_BOOL ? "a list of true and false" : "a list of numbers");
}

double ns_gguf_element(const ns_gguf *g, const ns_gguf_value *v, uint64_t i)
{
    static const size_t sizes[GGUF_N_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return number_at(g, v->of, v->at + (size_t)i * sizes[v->of]);
}

const char *ns_gguf_string(const ns_gguf *g, size_t *at, size_t *n)
{
    uint64_t length;
    memcpy(&length, g->bytes + *at, 8);
    const char *const s = (const char *)g->bytes + *at + 8;
    *n = (size_t)length;
    *at += 8 + *n;
    return s;
}
