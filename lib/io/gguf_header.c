/* gguf_header.c - the header of a GGUF file, version 2 or 3.
 *
 * "GGUF" | u32 version | i64 tensors | i64 values | values: key, u32 type, bytes | tensors: name, u32 rank, i64 dimensions (innermost
 * first), u32 type, u64 offset | padding | data. It is read as it is parsed, and every count and length is held against what is left of the
 * file before memory is taken: no header takes more than twice its own bytes. */
#include "io/gguf.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_HEADER = 1 << 28, MAX_STRING = 1 << 26, MAX_ARRAY = 1 << 26, MAX_VALUES = 1 << 16, MAX_TENSORS = 1 << 20, MAX_NAME = 256,
    MAX_ALIGNMENT = 1 << 20, STEP = 1 << 20,
};
#define FULL "%s: %s wants %llu bytes at byte %zu, but the file has %lld: truncated or damaged (copy or download it again)"

static const size_t sizes[GGUF_N_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/* n bytes from `at` on are in memory. */
static int need(ns_gguf *g, uint64_t n, const char *what)
{
    const size_t size = (size_t)g->in->size, left = size - g->at;
    if (n > left)
        return ns_fail(g->err, NS_E_FORMAT, FULL, g->path, what, (unsigned long long)n, g->at, (long long)size);
    if (g->at + n > MAX_HEADER)
        return ns_fail(g->err, NS_E_UNSUPPORTED, "%s: a header of more than %d bytes", g->path, MAX_HEADER);
    if (g->at + n <= g->loaded)
        return NS_OK;
    const size_t least = g->at + (size_t)n, twice = 2 * g->loaded + STEP, wanted = least > twice ? least : twice;
    const size_t end = wanted < size ? wanted : size;
    uint8_t *const more = realloc(g->bytes, end);
    if (!more)
        return ns_oom(g->err, g->path);
    g->bytes = more;
    const int rc = ns_input_read(g->in, (int64_t)g->loaded, more + g->loaded, end - g->loaded, g->path, g->err);
    g->loaded = rc == NS_OK ? end : g->loaded;
    return rc;
}

static int take(ns_gguf *g, void *out, size_t n, const char *what)
{
    const int rc = need(g, n, what);
    if (rc == NS_OK) {
        memcpy(out, g->bytes + g->at, n);
        g->at += n;
    }
    return rc;
}

static int skip(ns_gguf *g, uint64_t n, const char *what)
{
    const int rc = need(g, n, what);
    g->at += rc == NS_OK ? (size_t)n : 0;
    return rc;
}

/* Its length and its bytes, which stay where they are. */
static int take_string(ns_gguf *g, size_t *at, size_t *n, uint64_t most, const char *what)
{
    uint64_t length = 0;
    int rc = take(g, &length, 8, what);
    if (rc != NS_OK)
        return rc;
    if (length > most)
        return ns_fail(g->err, NS_E_FORMAT, "%s: %s of %llu bytes (at most %llu)", g->path, what, (unsigned long long)length,
                       (unsigned long long)most);
    *at = g->at;
    *n = (size_t)length;
    return skip(g, length, what);
}

/* A name that messages show: text without control characters. */
static int take_name(ns_gguf *g, size_t *at, size_t *n, const char *what)
{
    size_t bad;
    const int rc = take_string(g, at, n, MAX_NAME, what);
    if (rc != NS_OK)
        return rc;
    const uint8_t *const s = g->bytes + *at;
    bool good = *n > 0 && ns_utf8_valid((const char *)s, *n, &bad);
    for (size_t i = 0; i < *n && good; i++)
        good = s[i] >= 0x20 && s[i] != 0x7f;
    return good ? NS_OK : ns_fail(g->err, NS_E_FORMAT, "%s: %s at byte %zu is empty, not UTF-8, or holds a control character", g->path,
                                  what, *at);
}

/* ---- values ---- */

static int take_array(ns_gguf *g, ns_gguf_value *v)
{
    int rc = take(g, &v->of, 4, "the type of an array");
    rc = rc != NS_OK ? rc : take(g, &v->n, 8, "the length of an array");
    if (rc != NS_OK)
        return rc;
    if (v->of >= GGUF_N_TYPES || v->of == GGUF_ARRAY)
        return ns_fail(g->err, NS_E_FORMAT, "%s: '%.*s' is an array of type %u, which there is not", g->path, (int)v->key_n,
                       (const char *)g->bytes + v->key, v->of);
    if (v->n > MAX_ARRAY)
        return ns_fail(g->err, NS_E_FORMAT, "%s: '%.*s' is an array of %llu (at most %d)", g->path, (int)v->key_n,
                       (const char *)g->bytes + v->key, (unsigned long long)v->n, MAX_ARRAY);
    v->at = g->at;
    if (v->of != GGUF_STRING)
        return skip(g, v->n * sizes[v->of], "an array");
    for (uint64_t i = 0; i < v->n && rc == NS_OK; i++) {
        size_t at, n;
        rc = take_string(g, &at, &n, MAX_STRING, "a string of an array");
    }
    return rc;
}

static int take_value(ns_gguf *g, ns_gguf_value *v)
{
    int rc = take_name(g, &v->key, &v->key_n, "a key");
    rc = rc != NS_OK ? rc : take(g, &v->type, 4, "the type of a value");
    if (rc != NS_OK)
        return rc;
    size_t n = 1;
    v->n = 1;
    v->at = g->at;
    if (v->type >= GGUF_N_TYPES)
        return ns_fail(g->err, NS_E_FORMAT, "%s: '%.*s' is of type %u, which there is not", g->path, (int)v->key_n,
                       (const char *)g->bytes + v->key, v->type);
    rc = v->type == GGUF_ARRAY    ? take_array(g, v)
         : v->type == GGUF_STRING ? take_string(g, &v->at, &n, MAX_STRING, "a string")
                                  : skip(g, sizes[v->type], "a value");
    v->n = v->type == GGUF_STRING ? n : v->n;
    v->end = g->at;
    return rc;
}

static int compare_keys(const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n)
{
    const int order = memcmp(a, b, a_n < b_n ? a_n : b_n);
    return order ? order : (a_n > b_n) - (a_n < b_n);
}

/* By merging: qsort takes no context, and the keys are offsets into the header. */
static void sort_values(const ns_gguf *g, ns_gguf_value *v, ns_gguf_value *room, int64_t n)
{
    const int64_t half = n / 2;
    if (n < 2)
        return;
    sort_values(g, v, room, half);
    sort_values(g, v + half, room, n - half);
    memcpy(room, v, (size_t)half * sizeof *v);
    for (int64_t i = 0, a = 0, b = half; a < half; i++) {
        const bool left = b == n || compare_keys(g->bytes + room[a].key, room[a].key_n, g->bytes + v[b].key, v[b].key_n) <= 0;
        v[i] = left ? room[a++] : v[b++];
    }
}

static int index_values(ns_gguf *g)
{
    ns_gguf_value *const room = ns_alloc_array((size_t)g->n_values, sizeof *room);
    if (!room)
        return ns_oom(g->err, g->path);
    sort_values(g, g->values, room, g->n_values);
    free(room);
    for (int64_t i = 1; i < g->n_values; i++) {
        const ns_gguf_value *const a = &g->values[i - 1], *const b = a + 1;
        if (compare_keys(g->bytes + a->key, a->key_n, g->bytes + b->key, b->key_n) == 0)
            return ns_fail(g->err, NS_E_FORMAT, "%s: '%.*s' is given twice", g->path, (int)a->key_n, (const char *)g->bytes + a->key);
    }
    return NS_OK;
}

static int take_values(ns_gguf *g, uint64_t n)
{
    int rc = NS_OK;
    for (uint64_t i = 0; i < n && rc == NS_OK; i++) {
        if (!ns_grow(&g->values, &g->values_capacity, g->n_values + 1, sizeof *g->values))
            return ns_oom(g->err, g->path);
        ns_gguf_value *const v = &g->values[g->n_values];
        *v = (ns_gguf_value){0};
        rc = take_value(g, v);
        g->n_values += rc == NS_OK;
    }
    return rc != NS_OK ? rc : index_values(g);
}

/* ---- tensors ---- */

static int fail_tensor(const ns_gguf *g, const ns_gguf_tensor *t, int code, const char *what)
{
    return ns_fail(g->err, code, "%s: tensor '%.*s' %s", g->path, (int)t->name_n, (const char *)g->bytes + t->name, what);
}

static int take_shape(ns_gguf *g, ns_gguf_tensor *t)
{
    enum { MOST = 4 };
    uint32_t rank = 0;
    int rc = take(g, &rank, 4, "the rank of a tensor");
    if (rc == NS_OK && (rank < 1 || rank > MOST))
        return fail_tensor(g, t, NS_E_FORMAT, "has not 1 to 4 dimensions");
    t->rank = (int)rank;
    for (int i = t->rank - 1; i >= 0 && rc == NS_OK; i--) {
        rc = take(g, &t->shape[i], 8, "a dimension");
        if (rc == NS_OK && t->shape[i] < 1)
            rc = fail_tensor(g, t, NS_E_FORMAT, "has a dimension below 1");
    }
    return rc;
}

static int take_type(ns_gguf *g, ns_gguf_tensor *t)
{
    uint32_t type = 0;
    const int rc = take(g, &type, 4, "the type of a tensor");
    if (rc != NS_OK)
        return rc;
    t->block = ns_block_of_type(type);
    if (!t->block)
        return ns_fail(g->err, NS_E_FORMAT, "%s: tensor '%.*s' is of type %u, which is not known", g->path, (int)t->name_n,
                       (const char *)g->bytes + t->name, type);
    if (!t->block->numbers)
        return ns_fail(g->err, NS_E_UNSUPPORTED, "%s: tensor '%.*s' is %s, which is not read (take a file of the same model in F16, BF16 "
                       "or a quantised type for files: Q8_0 to Q4_0, a K, IQ or TQ type, MXFP4, NVFP4)", g->path, (int)t->name_n,
                       (const char *)g->bytes + t->name, t->block->name);
    return NS_OK;
}

static int size_of(const ns_gguf *g, ns_gguf_tensor *t)
{
    int64_t count = 1, bytes;
    for (int i = 0; i < t->rank; i++)
        if (!ns_mul_i64(count, t->shape[i], &count))
            return fail_tensor(g, t, NS_E_FORMAT, "has a shape that overflows");
    if (t->shape[t->rank - 1] % t->block->numbers)
        return ns_fail(g->err, NS_E_FORMAT, "%s: tensor '%.*s' has rows of %lld, and %s holds blocks of %d", g->path, (int)t->name_n,
                       (const char *)g->bytes + t->name, (long long)t->shape[t->rank - 1], t->block->name, t->block->numbers);
    if (!ns_mul_i64(count / t->block->numbers, t->block->bytes, &bytes))
        return fail_tensor(g, t, NS_E_FORMAT, "has a shape that overflows");
    t->bytes = (uint64_t)bytes;
    return NS_OK;
}

static int take_tensor(ns_gguf *g, ns_gguf_tensor *t)
{
    int rc = take_name(g, &t->name, &t->name_n, "the name of a tensor");
    rc = rc != NS_OK ? rc : take_shape(g, t);
    rc = rc != NS_OK ? rc : take_type(g, t);
    rc = rc != NS_OK ? rc : take(g, &t->at, 8, "the offset of a tensor");
    return rc != NS_OK ? rc : size_of(g, t);
}

static int take_tensors(ns_gguf *g, uint64_t n)
{
    int rc = NS_OK;
    for (uint64_t i = 0; i < n && rc == NS_OK; i++) {
        if (!ns_grow(&g->tensors, &g->tensors_capacity, g->n_tensors + 1, sizeof *g->tensors))
            return ns_oom(g->err, g->path);
        ns_gguf_tensor *const t = &g->tensors[g->n_tensors++];
        *t = (ns_gguf_tensor){0};
        rc = take_tensor(g, t);
    }
    return rc;
}

static uint64_t padded(uint64_t n, uint64_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

/* Offsets are the running sum of the padded sizes, as the library of GGML asks for, and the last ends within the file. */
static int place_tensors(ns_gguf *g)
{
    double alignment = 32;
    const int rc = ns_gguf_number(g, "general.alignment", 32, &alignment);
    const uint64_t step = rc == NS_OK && alignment >= 1 && alignment <= MAX_ALIGNMENT ? (uint64_t)alignment : 0;
    const uint64_t size = (uint64_t)g->in->size, data = step ? padded(g->at, step) : 0;
    uint64_t sum = 0;
    if (rc != NS_OK)
        return rc;
    if (!step || (step & (step - 1)) || (double)step != alignment)
        return ns_fail(g->err, NS_E_FORMAT, "%s: general.alignment is %g, not a power of two up to %d", g->path, alignment, MAX_ALIGNMENT);
    for (int64_t i = 0; i < g->n_tensors; i++) {
        ns_gguf_tensor *const t = &g->tensors[i];
        if (t->at != sum)
            return ns_fail(g->err, NS_E_FORMAT, "%s: tensor '%.*s' begins at data byte %llu, the ones before it end at %llu", g->path,
                           (int)t->name_n, (const char *)g->bytes + t->name, (unsigned long long)t->at, (unsigned long long)sum);
        if (data > size || t->bytes > size - data || sum > size - data - t->bytes)
            return ns_fail(g->err, NS_E_FORMAT, "%s: tensor '%.*s' ends behind the end of the file, which has %llu bytes: truncated (copy "
                           "or download it again)", g->path, (int)t->name_n, (const char *)g->bytes + t->name, (unsigned long long)size);
        t->at = data + sum;
        sum = padded(sum + t->bytes, step);
    }
    return NS_OK;
}

/* ---- the file ---- */

static int check_version(ns_gguf *g, uint32_t version)
{
    if (version && (version & 0xffff) == 0)
        return ns_fail(g->err, NS_E_UNSUPPORTED, "%s: a GGUF file of a big-endian machine (convert it: gguf-convert-endian FILE little, of "
                       "the Python package gguf)", g->path);
    if (version == 1)
        return ns_fail(g->err, NS_E_UNSUPPORTED, "%s: GGUF version 1, of August 2023 (take a newer file of the same model: versions 2 "
                       "and 3 are read)", g->path);
    return version == 2 || version == 3 ? NS_OK : ns_fail(g->err, NS_E_UNSUPPORTED, "%s: GGUF version %u (2 and 3 are read)", g->path,
                                                          version);
}

static int parse(ns_gguf *g)
{
    char magic[4];
    uint32_t version = 0;
    uint64_t tensors = 0, values = 0;
    int rc = take(g, magic, sizeof magic, "the magic");
    if (rc == NS_OK && memcmp(magic, "GGUF", sizeof magic) != 0)
        rc = ns_fail(g->err, NS_E_FORMAT, "%s: does not begin with GGUF", g->path);
    rc = rc != NS_OK ? rc : take(g, &version, 4, "the version");
    rc = rc != NS_OK ? rc : check_version(g, version);
    rc = rc != NS_OK ? rc : take(g, &tensors, 8, "the number of tensors");
    rc = rc != NS_OK ? rc : take(g, &values, 8, "the number of values");
    if (rc == NS_OK && (tensors > MAX_TENSORS || values > MAX_VALUES))
        rc = ns_fail(g->err, NS_E_FORMAT, "%s: %llu tensors and %llu values (at most %d and %d)", g->path, (unsigned long long)tensors,
                     (unsigned long long)values, MAX_TENSORS, MAX_VALUES);
    rc = rc != NS_OK ? rc : take_values(g, values);
    rc = rc != NS_OK ? rc : take_tensors(g, tensors);
    return rc != NS_OK ? rc : place_tensors(g);
}

int ns_gguf_read(ns_gguf *g, const ns_input *in, const char *path, ns_error *err)
{
    *g = (ns_gguf){.path = path, .in = in, .err = err};
    return parse(g);
}

void ns_gguf_close(ns_gguf *g)
{
    free(g->bytes);
    free(g->values);
    free(g->tensors);
    *g = (ns_gguf){0};
}
