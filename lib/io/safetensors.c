/* safetensors.c - the safetensors reader.
 *
 * u64 header length n | n bytes of JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...} | data.
 * Accepted only if, sorted by offset, the tensors fill the data from its first to its last byte without gap or overlap
 * and every size equals its shape's: then no later read can leave the file that was checked. Nothing is allocated that is larger
 * than a constant times the file. */
#include "io/blocks.h"
#include "io/reader.h"
#include "io/scan.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "checkpoints are little-endian and read as they are");

enum {
    MAX_HEADER = 100 * 1000 * 1000,     /* as the reference implementation */
    MAX_TENSORS = 1 << 20,
    MAX_NAME = 4096,
};

typedef struct entry {
    const char *name;
    uint64_t    begin, end;             /* relative to the data */
    ns_dtype    dtype;                  /* of what is stored; U8 of codes */
    const ns_coded *coded;              /* NULL: the numbers themselves */
    int         rank;
    int64_t     shape[NS_MAX_RANK];
} entry;

/* One header on its way in. names holds every decoded key; it is as long as the header, which is enough (scan.h). */
typedef struct header {
    ns_scan      scan;
    const char  *path;
    char        *names;
    size_t       used;
    entry       *entries;
    int64_t      n, capacity;
    const char **meta;                  /* keys of __metadata__ */
    int64_t      n_meta, meta_capacity;
    bool         has_meta;
} header;

static int find_dtype(const header *h, const char *name, entry *e)
{
    static const char *const foreign[] = {"F4", "F6_E2M3", "F6_E3M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C64"};
    e->coded = ns_float8_named(name);
    if (e->coded) {
        e->dtype = NS_U8;
        return NS_OK;
    }
    for (int i = 0; i < NS_N_DTYPES; i++) {
        if (!strcmp(name, ns_dtype_name((ns_dtype)i))) {
            e->dtype = (ns_dtype)i;
            return NS_OK;
        }
    }
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (!strcmp(name, foreign[i]))
            return ns_fail(h->scan.err, NS_E_UNSUPPORTED,
                           "%s: tensor '%s' is stored as %s, which needlescope does not read (convert the checkpoint to BF16 or F32)",
                           h->path, e->name, name);
    }
    return ns_fail(h->scan.err, NS_E_FORMAT, "%s: tensor '%s': unknown dtype '%.40s'", h->path, e->name, name);
}

/* A key into names; names of tensors and of metadata both stay there until the checkpoint is freed. */
static int read_key(header *h, const char **out)
{
    char *const name = h->names + h->used;
    size_t n = 0;
    const int rc = ns_scan_string(&h->scan, name, &n);
    if (rc != NS_OK)
        return rc;
    if (n > MAX_NAME)
        return ns_fail(h->scan.err, NS_E_FORMAT, "%s: a name of %zu bytes (at most %d)", h->path, n, MAX_NAME);
    for (size_t i = 0; i < n; i++) {
        if ((uint8_t)name[i] < 0x20 || name[i] == 0x7f)
            return ns_fail(h->scan.err, NS_E_FORMAT, "%s: name %lld holds a control character", h->path, (long long)h->n);
    }
    h->used += n + 1;
    *out = name;
    return ns_scan_expect(&h->scan, ':');
}

static int read_metadata(header *h)
{
    ns_scan *const s = &h->scan;
    int rc = ns_scan_expect(s, '{');
    if (rc != NS_OK || ns_scan_next(s, '}'))
        return rc;
    do {
        if (!ns_grow(&h->meta, &h->meta_capacity, h->n_meta + 1, sizeof *h->meta))
            return ns_oom(s->err, h->path);
        size_t n = 0;
        rc = read_key(h, &h->meta[h->n_meta]);
        if (rc == NS_OK)
            rc = ns_scan_string(s, h->names + h->used, &n);    /* the value, overwritten by the next key */
        if (rc != NS_OK)
            return rc;
        h->n_meta++;
    } while (ns_scan_next(s, ','));
    return ns_scan_expect(s, '}');
}

static int read_shape(header *h, entry *e)
{
    ns_scan *const s = &h->scan;
    int rc = ns_scan_expect(s, '[');
    if (rc != NS_OK || ns_scan_next(s, ']'))
        return rc;
    do {
        uint64_t dim = 0;
        if (e->rank == NS_MAX_RANK)
            return ns_fail(s->err, NS_E_FORMAT, "%s: tensor '%s' has more than %d dimensions", h->path, e->name, NS_MAX_RANK);
        rc = ns_scan_u64(s, &dim);
        if (rc != NS_OK)
            return rc;
        if (dim > INT64_MAX)
            return ns_fail(s->err, NS_E_FORMAT, "%s: tensor '%s': a dimension of %llu", h->path, e->name, (unsigned long long)dim);
        e->shape[e->rank++] = (int64_t)dim;
    } while (ns_scan_next(s, ','));
    return ns_scan_expect(s, ']');
}

static int read_offsets(header *h, entry *e)
{
    ns_scan *const s = &h->scan;
    int rc = ns_scan_expect(s, '[');
    if (rc == NS_OK)
        rc = ns_scan_u64(s, &e->begin);
    if (rc == NS_OK)
        rc = ns_scan_expect(s, ',');
    if (rc == NS_OK)
        rc = ns_scan_u64(s, &e->end);
    return rc != NS_OK ? rc : ns_scan_expect(s, ']');
}

static int read_dtype(header *h, entry *e)
{
    char *const name = h->names + h->used;     /* scratch: overwritten by the next string */
    size_t n = 0;
    const int rc = ns_scan_string(&h->scan, name, &n);
    return rc != NS_OK ? rc : find_dtype(h, name, e);
}

/* {"dtype": ..., "shape": ..., "data_offsets": ...} in any order. A field that this version does not know could change
 * what the bytes mean, so it is refused rather than skipped. */
static int read_entry(header *h, entry *e)
{
    static const struct field {
        const char *name;
        int (*read)(header *, entry *);
    } fields[] = {{"dtype", read_dtype}, {"shape", read_shape}, {"data_offsets", read_offsets}};
    enum { N = sizeof fields / sizeof *fields };
    ns_scan *const s = &h->scan;
    bool seen[N] = {false};
    int rc = ns_scan_expect(s, '{');
    if (rc != NS_OK)
        return rc;
    bool more = !ns_scan_next(s, '}');
    while (more) {
        const size_t mark = h->used;
        const char *key = NULL;
        rc = read_key(h, &key);
        if (rc != NS_OK)
            return rc;
        int f = 0;
        while (f < N && strcmp(key, fields[f].name))
            f++;
        if (f == N)
            return ns_fail(s->err, NS_E_UNSUPPORTED, "%s: tensor '%s': unknown field '%.40s'", h->path, e->name, key);
        if (seen[f])
            return ns_fail(s->err, NS_E_FORMAT, "%s: tensor '%s': '%s' is given twice", h->path, e->name, key);
        seen[f] = true;
        h->used = mark;
        rc = fields[f].read(h, e);
        if (rc != NS_OK)
            return rc;
        more = ns_scan_next(s, ',');
        if (!more)
            rc = ns_scan_expect(s, '}');
        if (rc != NS_OK)
            return rc;
    }
    for (int f = 0; f < N; f++) {
        if (!seen[f])
            return ns_fail(s->err, NS_E_FORMAT, "%s: tensor '%s': '%s' is missing", h->path, e->name, fields[f].name);
    }
    return NS_OK;
}

static int read_member(header *h)
{
    const char *name = NULL;
    int rc = read_key(h, &name);
    if (rc != NS_OK)
        return rc;
    if (!strcmp(name, "__metadata__")) {
        if (h->has_meta)
            return ns_fail(h->scan.err, NS_E_FORMAT, "%s: '__metadata__' is given twice", h->path);
        h->has_meta = true;
        return read_metadata(h);
    }
    if (h->n == MAX_TENSORS)
        return ns_fail(h->scan.err, NS_E_FORMAT, "%s: more than %d tensors", h->path, MAX_TENSORS);
    if (!ns_grow(&h->entries, &h->capacity, h->n + 1, sizeof *h->entries))
        return ns_oom(h->scan.err, h->path);
    entry *const e = &h->entries[h->n++];
    *e = (entry){.name = name};
    return read_entry(h, e);
}

static int read_header(header *h)
{
    ns_scan *const s = &h->scan;
    size_t bad = 0;
    if (!ns_utf8_valid(s->text, s->n, &bad))
        return ns_fail(s->err, NS_E_FORMAT, "%s: header: byte %zu is not UTF-8", h->path, bad);
    if (s->n == 0 || s->text[0] != '{')
        return ns_fail(s->err, NS_E_FORMAT, "%s: the header does not begin with '{': not a safetensors file", h->path);
    s->at = 1;
    int rc = NS_OK;
    if (!ns_scan_next(s, '}')) {
        do
            rc = read_member(h);
        while (rc == NS_OK && ns_scan_next(s, ','));
        if (rc == NS_OK)
            rc = ns_scan_expect(s, '}');
    }
    if (rc == NS_OK && !ns_scan_done(s))
        rc = ns_scan_fail(s, "more text after the JSON");
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static int by_offset(const void *a, const void *b)
{
    const entry *const x = a, *const y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int check_unique(header *h)
{
    if (h->n)
        qsort(h->entries, (size_t)h->n, sizeof *h->entries, by_name);
    for (int64_t i = 1; i < h->n; i++) {
        if (!strcmp(h->entries[i - 1].name, h->entries[i].name))
            return ns_fail(h->scan.err, NS_E_FORMAT, "%s: tensor '%s' is given twice", h->path, h->entries[i].name);
    }
    if (h->n_meta)
        qsort(h->meta, (size_t)h->n_meta, sizeof *h->meta, by_text);
    for (int64_t i = 1; i < h->n_meta; i++) {
        if (!strcmp(h->meta[i - 1], h->meta[i]))
            return ns_fail(h->scan.err, NS_E_FORMAT, "%s: __metadata__ '%s' is given twice", h->path, h->meta[i]);
    }
    return NS_OK;
}

static const char *stored_as(const entry *e)
{
    return e->coded ? e->coded->block->name : ns_dtype_name(e->dtype);
}

/* Sorted by offset, the tensors tile [0, n_data). */
static int check_layout(header *h, uint64_t n_data)
{
    ns_error *const err = h->scan.err;
    uint64_t at = 0;
    if (h->n)
        qsort(h->entries, (size_t)h->n, sizeof *h->entries, by_offset);
    for (int64_t i = 0; i < h->n; i++) {
        const entry *const e = &h->entries[i];
        const unsigned long long begin = e->begin, end = e->end;
        int64_t bytes = 0;
        if (end < begin)
            return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s': data_offsets [%llu, %llu] run backwards", h->path, e->name, begin, end);
        if (end > n_data)
            return ns_fail(err, NS_E_FORMAT,
                           "%s: tensor '%s' ends at data byte %llu, but the file has %llu: truncated (copy or download it again)", h->path,
                           e->name, end, (unsigned long long)n_data);
        if (!ns_shape_bytes(e->dtype, e->rank, e->shape, &bytes))
            return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s': its shape overflows", h->path, e->name);
        if ((uint64_t)bytes != end - begin)
            return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s': its %s shape needs %lld bytes, data_offsets give %llu", h->path, e->name,
                           stored_as(e), (long long)bytes, end - begin);
        if (begin != at)
            return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' begins at data byte %llu, %s the tensor before it, which ends at %llu",
                           h->path, e->name, begin, begin < at ? "inside" : "after a gap behind", (unsigned long long)at);
        at = end;
    }
    if (at != n_data)
        return ns_fail(err, NS_E_FORMAT, "%s: %llu bytes behind the last tensor", h->path, (unsigned long long)(n_data - at));
    return NS_OK;
}

static int publish(const header *h, ns_checkpoint *ck, const ns_weight_file *file)
{
    const int rc = ns_checkpoint_reserve(ck, h->n, h->scan.err);
    if (rc != NS_OK)
        return rc;
    for (int64_t i = 0; i < h->n; i++) {
        const entry *const e = &h->entries[i];
        ck->tensors[ck->n_tensors++] = (ns_tensor){
            .name = e->name, .file = file->path, .n_bytes = (int64_t)(e->end - e->begin),
            .view = ns_view_of(NULL, e->coded ? e->coded->block->dtype : e->dtype, e->rank, e->shape),
            .from = file, .at = (int64_t)(file->header_bytes + e->begin), .coded = e->coded,
        };
    }
    return NS_OK;
}

static uint64_t length_of(const uint8_t bytes[8])
{
    uint64_t n = 0;
    memcpy(&n, bytes, 8);
    return n;
}

static bool probe(const ns_lead *lead)
{
    return lead->n >= 10 && lead->bytes[8] == '{' && length_of(lead->bytes) <= lead->size - 8;
}

static int read_length(const ns_weight_file *file, size_t *out, ns_error *err)
{
    uint8_t bytes[8];
    const size_t size = (size_t)file->in.size;
    if (size < 8)
        return ns_fail(err, NS_E_FORMAT, "%s: %zu bytes are too few for a safetensors file (copy or download it again)", file->path, size);
    const int rc = ns_input_read(&file->in, 0, bytes, sizeof bytes, file->path, err);
    if (rc != NS_OK)
        return rc;
    const uint64_t n = length_of(bytes);
    if (n > MAX_HEADER)
        return ns_fail(err, NS_E_FORMAT, "%s: a header of %llu bytes (at most %d): not a safetensors file", file->path,
                       (unsigned long long)n, MAX_HEADER);
    if (n > size - 8)
        return ns_fail(err, NS_E_FORMAT, "%s: the header should have %llu bytes, the file has %zu: truncated (copy or download it again)",
                       file->path, (unsigned long long)n, size - 8);
    *out = (size_t)n;
    return NS_OK;
}

static int open_file(ns_checkpoint *ck, ns_weight_file *file, ns_error *err)
{
    size_t n = 0;
    int rc = read_length(file, &n, err);
    if (rc != NS_OK)
        return rc;
    char *const label = ns_printf_alloc("%s: header", file->path);
    file->header_bytes = 8 + n;
    file->header = malloc(8 + n);
    file->names = malloc(n + 1);
    rc = file->header && file->names && label ? ns_input_read(&file->in, 0, file->header, 8 + n, file->path, err) : ns_oom(err, file->path);
    if (rc != NS_OK) {
        free(label);
        return rc;
    }
    header h = {.path = file->path, .names = file->names, .scan = {(const char *)file->header + 8, n, 0, label, err}};
    rc = read_header(&h);
    if (rc == NS_OK)
        rc = check_unique(&h);
    if (rc == NS_OK)
        rc = check_layout(&h, (uint64_t)file->in.size - 8 - n);
    if (rc == NS_OK)
        rc = publish(&h, ck, file);
    free(h.entries);
    free(h.meta);
    free(label);
    return rc;
}

static const char *const globs[] = {"*.safetensors", NULL};
const ns_reader ns_safetensors_reader = {
    .name = "safetensors", .globs = globs, .whole = "model.safetensors", .index = "model.safetensors.index.json",
    .probe = probe, .open = open_file,
};
