/* browse.c - the list of datasets, and the check that content_sha256 is what the bytes say. */
#include "record/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_BYTES = 32 << 20 };

/* ---- the list of datasets ---- */

typedef struct path_list {
    char **list;
    int64_t n, capacity;
} path_list;

static void free_paths(path_list *p)
{
    for (int64_t i = 0; i < p->n; i++)
        free(p->list[i]);
    free(p->list);
    *p = (path_list){0};
}

static int list_group(const ns_file *f, hid_t group, const char *prefix, bool below, path_list *out, ns_error *err);

/* A dataset has one name in what we write: with many, all that is done for each dataset would be done again and again. */
static int check_one_name(const ns_file *f, hid_t dataset, const char *path, ns_error *err)
{
    H5O_info_t info;
    if (H5Oget_info2(dataset, &info, H5O_INFO_BASIC) < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, path);
    return info.rc <= 1 ? NS_OK
                        : ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has %u names in it, where needlescope writes one (refused)", f->path,
                                  path, info.rc);
}

/* path becomes the list's, or is freed. What is no dataset and no group is passed over. */
static int list_object(const ns_file *f, hid_t object, char *path, bool below, path_list *out, ns_error *err)
{
    const H5I_type_t type = H5Iget_type(object);
    int rc = path && ns_grow(&out->list, &out->capacity, out->n + 1, sizeof *out->list) ? NS_OK : ns_oom(err, f->path);
    if (rc == NS_OK && type == H5I_DATASET)
        rc = check_one_name(f, object, path, err);
    if (rc == NS_OK && type == H5I_DATASET) {
        out->list[out->n++] = path;
        return NS_OK;
    }
    if (rc == NS_OK && type == H5I_GROUP && below)
        rc = list_group(f, object, path, false, out, err);
    free(path);
    return rc;
}

static int list_link(const ns_file *f, hid_t group, const char *prefix, hsize_t i, bool below, path_list *out, ns_error *err)
{
    char name[256] = "";
    H5L_info_t link;
    const ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
    if (length <= 0 || length >= (ssize_t)sizeof name || !ns_utf8_valid(name, strlen(name), NULL) ||
        H5Lget_info(group, name, &link, H5P_DEFAULT) < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, "its groups cannot be listed");
    if (link.type != H5L_TYPE_HARD)
        return ns_fail(err, NS_E_FORMAT, "%s: '%s/%s' is a link that leads elsewhere (refused)", f->path, prefix, name);
    const hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, name);
    const int rc = list_object(f, object, ns_printf_alloc("%s/%s", prefix, name), below, out, err);
    H5Oclose(object);
    return rc;
}

static int list_group(const ns_file *f, hid_t group, const char *prefix, bool below, path_list *out, ns_error *err)
{
    H5G_info_t info;
    int rc = ns_file_check(f, NS_OK, err);
    if (rc == NS_OK && H5Gget_info(group, &info) < 0)
        rc = ns_h5_fail(err, NS_E_FORMAT, f->path, "its groups cannot be listed");
    for (hsize_t i = 0; rc == NS_OK && i < info.nlinks; i++)
        rc = list_link(f, group, prefix, i, below, out, err);
    return rc;
}

int ns_file_list(const ns_file *f, char ***out, int64_t *n, ns_error *err)
{
    path_list paths = {0};
    const ns_h5_quiet quiet = ns_h5_enter();
    const int rc = ns_file_end(f, quiet, list_group(f, f->id, "", true, &paths, err), err);
    if (rc != NS_OK)
        free_paths(&paths);
    *out = paths.list;
    *n = paths.n;
    return rc;
}

/* ---- content_sha256, recomputed ---- */

static int describe(const ns_file *f, const char *name, ns_dtype *dtype, int *rank, int64_t *shape, char **axes, ns_error *err)
{
    ns_dset d;
    ns_dtype kind = NS_N_DTYPES;
    int rc = ns_dset_open(f, name, &d, err);
    if (rc != NS_OK)
        return rc;
    if (!ns_dset_type(&d, &kind))
        rc = ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has a type that needlescope does not write", f->path, name);
    if (dtype)
        *dtype = kind;
    if (rank)
        *rank = d.rank;
    if (shape)
        memcpy(shape, d.shape, sizeof d.shape);
    if (axes && rc == NS_OK)
        rc = ns_dset_axes(f, &d, name, axes, err);
    ns_dset_close(&d);
    return rc;
}

int ns_file_describe(const ns_file *f, const char *dataset, ns_dtype *dtype, int *rank, int64_t shape[NS_MAX_RANK], char **axes,
                     ns_error *err)
{
    if (axes)
        *axes = NULL;
    const ns_h5_quiet quiet = ns_h5_enter();
    const int rc = ns_file_end(f, quiet, describe(f, dataset, dtype, rank, shape, axes, err), err);
    if (rc != NS_OK && axes) {
        free(*axes);
        *axes = NULL;
    }
    return rc;
}

/* The tile from the attribute; without one, runs of whole inner axes of at most SLAB_BYTES. */
static bool tile_of(const ns_dset *d, size_t size, int64_t tile[NS_MAX_RANK])
{
    if (H5Aexists(d->id, "hash_tile") > 0) {
        const hid_t attribute = H5Aopen(d->id, "hash_tile", H5P_DEFAULT), space = H5Aget_space(attribute);
        bool ok = H5Sget_simple_extent_npoints(space) == d->rank && H5Aread(attribute, H5T_NATIVE_INT64, tile) >= 0;
        for (int i = 0; ok && i < d->rank; i++)
            ok = tile[i] > 0 && tile[i] <= d->shape[i];
        H5Sclose(space);
        H5Aclose(attribute);
        return ok;
    }
    int64_t room = SLAB_BYTES / (int64_t)size;
    for (int i = d->rank - 1; i >= 0; i--) {
        tile[i] = d->shape[i] < room ? d->shape[i] : room;
        room = tile[i] < d->shape[i] ? 1 : room / (tile[i] ? tile[i] : 1);
        room = room < 1 ? 1 : room;
    }
    return true;
}

static bool all_fill(const uint8_t *data, size_t bytes, const uint8_t *fill, size_t size)
{
    return bytes == 0 || (!memcmp(data, fill, size) && !memcmp(data, data + size, bytes - size));
}

/* What a dataset is hashed with. */
typedef struct hasher {
    const ns_dset *d;
    int64_t tile[NS_MAX_RANK];
    bool tiled;
    hsize_t stored;                     /* tiles that the file holds; 0: not known */
    size_t size, tile_bytes;            /* of a number, of a tile */
    uint8_t fill[16], *buffer;
    hid_t memory;
    ns_sha256 *sha;
} hasher;

static bool next_tile(const hasher *h, int64_t *start)
{
    for (int i = h->d->rank - 1; i >= 0; i--) {
        if ((start[i] += h->tile[i]) < h->d->shape[i])
            return true;
        start[i] = 0;
    }
    return false;
}

/* Flat datasets hash their bytes, tiled ones the digests of the tiles that are not all fill. */
static int hash_tile(hasher *h, const int64_t *start, int64_t number)
{
    int64_t count[NS_MAX_RANK];
    size_t bytes = h->size;
    for (int i = 0; i < h->d->rank; i++) {
        count[i] = h->tile[i] < h->d->shape[i] - start[i] ? h->tile[i] : h->d->shape[i] - start[i];
        bytes *= (size_t)count[i];
    }
    if (ns_dset_read(h->d, h->memory, h->d->rank ? start : NULL, count, h->buffer) < 0)
        return -1;
    if (!h->tiled) {
        ns_sha256_add(h->sha, h->buffer, bytes);
    } else if (!all_fill(h->buffer, bytes, h->fill, h->size)) {
        ns_sha256 one;
        char hex[65];
        ns_sha256_begin(&one);
        ns_sha256_add(&one, h->buffer, bytes);
        ns_sha256_end(&one, hex);
        ns_hash_tile(h->sha, number, hex);
    }
    return 0;
}

/* In row-major order. A tile that was never written is fill: where a tile is a chunk, as we write them, it is not read, and behind the last
 * one that is there nothing is looked for, or a chunk in a plane of 2^40 numbers would take hours. */
static int hash_tiles(hasher *h)
{
    int64_t start[NS_MAX_RANK] = {0}, number = 0;
    hsize_t at[NS_MAX_RANK], found = 0;
    if (h->d->count == 0)
        return 0;
    do {
        for (int i = 0; i < h->d->rank; i++)
            at[i] = (hsize_t)start[i];
        const bool there = h->stored == 0 || ns_dset_has_chunk(h->d, at);
        if (there && hash_tile(h, start, number) < 0)
            return -1;
        found += there;
        number++;
    } while (!(h->stored && found == h->stored) && next_tile(h, start));
    return 0;
}

static void count_tiles(hasher *h)
{
    hsize_t chunk[NS_MAX_RANK], stored;
    bool same = h->tiled && ns_dset_chunks(h->d, chunk, &stored);
    for (int i = 0; same && i < h->d->rank; i++)
        same = chunk[i] == (hsize_t)h->tile[i];
    h->stored = same ? stored : 0;
}

/* *left: bytes that the file can still be made to give. More than deflate makes of all its bytes come only of bytes that are read again and
 * again: datasets that lie on one another. */
static int take_bytes(const ns_file *f, const hasher *h, int64_t *left, ns_error *err)
{
    const int64_t n = h->stored ? (int64_t)h->stored : h->d->count, each = (int64_t)(h->stored ? h->tile_bytes : h->size);
    int64_t bytes;
    if (ns_mul_i64(n, each, &bytes) && bytes <= *left) {
        *left -= bytes;
        return NS_OK;
    }
    return ns_fail(err, NS_E_FORMAT, "%s: made to do harm: its datasets are more than %d bytes for each of its %lld, which no compression "
                   "of ours makes (refused)", f->path, NS_MOST_RATIO, (long long)f->as.size);
}

static int begin_hasher(const ns_file *f, const char *path, const char **type_name, hasher *h, ns_error *err)
{
    ns_dtype dtype;
    if (!ns_dset_type(h->d, &dtype) || dtype == NS_N_DTYPES || !tile_of(h->d, ns_dtype_size(dtype), h->tile))
        return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has a type or a hash_tile that needlescope does not write", f->path, path);
    h->tiled = H5Aexists(h->d->id, "hash_tile") > 0;
    h->size = h->tile_bytes = ns_dtype_size(dtype);
    *type_name = ns_h5_type_name(dtype);
    for (int i = 0; i < h->d->rank; i++)
        if (!ns_mul_size(h->tile_bytes, (size_t)h->tile[i], &h->tile_bytes))
            return ns_oom(err, path);
    count_tiles(h);
    h->memory = ns_h5_type(dtype);
    /* A flat one was written whole, else it claims terabytes of nothing; of a tiled one, what was never written does not count. */
    return ns_dset_check(f, h->d, path, !h->tiled, err);
}

static int hash_numbers(const ns_file *f, const char *path, const ns_dset *d, const char **type_name, ns_sha256 *sha, int64_t *left,
                        ns_error *err)
{
    hasher h = {.d = d, .memory = H5I_INVALID_HID, .sha = sha};
    int rc = begin_hasher(f, path, type_name, &h, err);
    const bool empty = h.tiled && d->stored == 0;
    rc = rc != NS_OK || empty ? rc : take_bytes(f, &h, left, err);
    if (rc == NS_OK && !empty) {
        const hid_t dcpl = H5Dget_create_plist(d->id);
        H5Pget_fill_value(dcpl, h.memory, h.fill);
        H5Pclose(dcpl);
        h.buffer = ns_alloc_aligned(h.tile_bytes);
        rc = !h.buffer ? ns_oom(err, path) : hash_tiles(&h) < 0 ? ns_h5_fail(err, NS_E_FORMAT, f->path, path) : NS_OK;
    }
    if (h.memory >= 0)
        H5Tclose(h.memory);
    free(h.buffer);
    return rc;
}

static int hash_dataset(const ns_file *f, const char *path, ns_hash_lines *lines, int64_t *left, ns_error *err)
{
    ns_dset d;
    ns_sha256 sha;
    const char *type_name = "string";
    int rc = ns_dset_open(f, path, &d, err);
    if (rc != NS_OK)
        return rc;
    ns_sha256_begin(&sha);
    if (H5Tis_variable_str(d.type) > 0) {
        char **texts;
        rc = ns_dset_texts(f, &d, path, &texts, err);
        for (int64_t i = 0; texts && i < d.count; i++)
            ns_sha256_add(&sha, texts[i] ? texts[i] : "", strlen(texts[i] ? texts[i] : "") + 1);
        ns_dset_free_texts(texts, d.count);
    } else {
        rc = hash_numbers(f, path, &d, &type_name, &sha, left, err);
    }
    char hex[65], group[256];
    ns_sha256_end(&sha, hex);
    const char *const name = ns_path_base(path);
    const size_t n = (size_t)(name - path);
    snprintf(group, sizeof group, "%.*s", n > 1 ? (int)n - 2 : 0, path + 1);
    if (rc == NS_OK && !ns_hash_dataset(lines, group, name, type_name, d.rank, d.shape, hex))
        rc = ns_oom(err, path);
    ns_dset_close(&d);
    return rc;
}

/* What the content hash is made of: schema.md's lines, unsorted. */
static int content_lines(const ns_file *f, ns_hash_lines *lines, ns_error *err)
{
    path_list paths = {0};
    int64_t left = f->as.size < INT64_MAX / NS_MOST_RATIO - NS_RATIO_SLACK ? NS_MOST_RATIO * (f->as.size + NS_RATIO_SLACK) : INT64_MAX;
    int rc = list_group(f, f->id, "", true, &paths, err);
    for (int64_t i = 0; i < f->n_root && rc == NS_OK; i++) {
        const ns_file_text *const fact = &f->facts[i];
        if (ns_is_content(fact->name) && !ns_hash_attribute(lines, fact->name, fact->value))
            rc = ns_oom(err, f->path);
    }
    for (int64_t i = 0; i < paths.n && rc == NS_OK; i++)
        if (!ns_starts(paths.list[i], "/provenance/"))
            rc = hash_dataset(f, paths.list[i], lines, &left, err);
    free_paths(&paths);
    return rc;
}

/* The lines, sorted, and their hash; nothing to free after an error. */
static int sum_content(const ns_file *f, ns_hash_lines *lines, char hex[65], ns_error *err)
{
    *lines = (ns_hash_lines){0};
    const ns_h5_quiet quiet = ns_h5_enter();
    int rc = content_lines(f, lines, err);
    ns_hash_lines_sum(lines, hex);
    rc = ns_file_end(f, quiet, rc, err);
    if (rc != NS_OK) {
        ns_free_strings(lines->list, lines->n);
        *lines = (ns_hash_lines){0};
    }
    return rc;
}

int ns_file_content(const ns_file *f, char ***out, int64_t *n, ns_error *err)
{
    ns_hash_lines lines;
    char hex[65];
    const int rc = sum_content(f, &lines, hex, err);
    if (rc != NS_OK)
        return rc;
    *out = lines.list;
    *n = lines.n;
    return NS_OK;
}

int ns_file_verified(const ns_file *f, char ***out, int64_t *n, ns_error *err)
{
    ns_hash_lines lines;
    char hex[65];
    const char *const stored = ns_file_fact(f, "content_sha256");
    const int rc = sum_content(f, &lines, hex, err);
    if (rc == NS_OK && stored && strcmp(stored, hex) == 0) {
        *out = lines.list;
        *n = lines.n;
        return NS_OK;
    }
    ns_free_strings(lines.list, lines.n);
    return rc != NS_OK ? rc
                       : ns_fail(err, NS_E_FORMAT, "%s: content_sha256 says %s, but the content gives %s: the file was changed or "
                                 "damaged (make it again)", f->path, stored ? stored : "nothing", hex);
}

int ns_file_verify(const ns_file *f, ns_error *err)
{
    char **lines;
    int64_t n;
    const int rc = ns_file_verified(f, &lines, &n, err);
    if (rc == NS_OK)
        ns_free_strings(lines, n);
    return rc;
}
