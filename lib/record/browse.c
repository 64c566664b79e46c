/* browse.c - the list of datasets, and the check that content_sha256 is what the bytes say. */
#include "record/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_BYTES = 32 << 20, NAME_BYTES = 256 };

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

/* path becomes the list's, or is freed where there is no memory. */
static int add_path(const ns_file *f, path_list *out, char *path, ns_error *err)
{
    if (path && ns_grow(&out->list, &out->capacity, out->n + 1, sizeof *out->list)) {
        out->list[out->n++] = path;
        return NS_OK;
    }
    free(path);
    return ns_oom(err, f->path);
}

/* A dataset has one name in what we write: with many, all that is done for each dataset would be done again and again. */
static int list_dataset(const ns_file *f, hid_t object, const char *path, path_list *out, ns_error *err)
{
    H5O_info_t info;
    ns_dset d;
    if (H5Oget_info2(object, &info, H5O_INFO_BASIC | H5O_INFO_HDR) < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, path);
    if (info.rc > 1)
        return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has %u names in it, where needlescope writes one (refused)", f->path, path,
                       info.rc);
    H5Iinc_ref(object);
    if (ns_dset_of(f, object, path, &d, NULL) == NS_OK) {
        ns_kept_add(f, path, &d);
        ns_kept_header(f, path, &info);
        ns_dset_close(&d);
    }
    return add_path(f, out, ns_strdup(path), err);
}

/* What is no dataset and no group is passed over. */
static int list_object(const ns_file *f, hid_t object, const char *path, bool below, path_list *out, ns_error *err)
{
    const H5I_type_t type = H5Iget_type(object);
    return type == H5I_DATASET         ? list_dataset(f, object, path, out, err)
           : type == H5I_GROUP && below ? list_group(f, object, path, false, out, err)
                                       : NS_OK;
}

typedef struct listing { const ns_file *f; const char *prefix; bool below; path_list *out; int rc; ns_error *err; } listing;

static int list_link(const listing *l, hid_t group, const char *name, const H5L_info_t *link)
{
    const ns_file *const f = l->f;
    char path[2 * NAME_BYTES];
    if (!name[0] || strlen(name) >= NAME_BYTES || !ns_utf8_valid(name, strlen(name), NULL))
        return ns_h5_fail(l->err, NS_E_FORMAT, f->path, "its groups cannot be listed");
    if (link->type != H5L_TYPE_HARD)
        return ns_fail(l->err, NS_E_FORMAT, "%s: '%s/%s' is a link that leads elsewhere (refused)", f->path, l->prefix, name);
    snprintf(path, sizeof path, "%s/%s", l->prefix, name);
    if (ns_kept_recall(f, path, link->u.address))
        return add_path(f, l->out, ns_strdup(path), l->err);
    const hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0)
        return ns_h5_fail(l->err, NS_E_FORMAT, f->path, name);
    const int rc = list_object(f, object, path, l->below, l->out, l->err);
    H5Oclose(object);
    return rc;
}

static herr_t list_one(hid_t group, const char *name, const H5L_info_t *link, void *user)
{
    listing *const l = user;
    l->rc = list_link(l, group, name, link);
    return l->rc != NS_OK;
}

static int list_group(const ns_file *f, hid_t group, const char *prefix, bool below, path_list *out, ns_error *err)
{
    listing l = {f, prefix, below, out, ns_file_check(f, NS_OK, err), err};
    if (l.rc != NS_OK || H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, list_one, &l) >= 0 || l.rc != NS_OK)
        return l.rc;
    return ns_h5_fail(err, NS_E_FORMAT, f->path, "its groups cannot be listed");
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
    int rc = ns_dset_open(f, name, &d, err);
    if (rc != NS_OK)
        return rc;
    if (d.foreign)
        rc = ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has a type that needlescope does not write", f->path, name);
    if (dtype)
        *dtype = d.dtype;
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
    if (d->tiled) {
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
    const ns_file *f;
    const ns_dset *d;
    int64_t tile[NS_MAX_RANK];
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
    if (ns_dset_read(h->f, h->d, h->memory, h->d->rank ? start : NULL, count, h->buffer) < 0)
        return -1;
    if (!h->d->tiled) {
        ns_sha256_add(h->sha, h->buffer, bytes);
    } else if (!all_fill(h->buffer, bytes, h->fill, h->size)) {
        char hex[65];
        ns_sha256_of(h->buffer, bytes, hex);
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
    bool same = h->d->tiled && ns_dset_chunks(h->d, chunk, &stored);
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

static int begin_hasher(const ns_file *f, const char *path, hasher *h, ns_error *err)
{
    if (!tile_of(h->d, h->d->unit, h->tile))
        return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has a type or a hash_tile that needlescope does not write", f->path, path);
    h->size = h->tile_bytes = h->d->unit;
    for (int i = 0; i < h->d->rank; i++)
        if (!ns_mul_size(h->tile_bytes, (size_t)h->tile[i], &h->tile_bytes))
            return ns_oom(err, path);
    count_tiles(h);
    h->memory = h->d->bytes ? H5I_INVALID_HID : ns_h5_type(h->d->dtype);
    /* A flat one was written whole, else it claims terabytes of nothing; of a tiled one, what was never written does not count. */
    return ns_dset_check(f, h->d, path, !h->d->tiled, err);
}

/* Of tiles: what was never written. */
static void find_fill(hasher *h)
{
    const hid_t dcpl = H5Dget_create_plist(h->d->id);
    H5Pget_fill_value(dcpl, h->memory, h->fill);
    H5Pclose(dcpl);
}

static int hash_read(const ns_file *f, const char *path, hasher *h, ns_error *err)
{
    h->buffer = ns_alloc_aligned(h->tile_bytes);
    if (!h->buffer)
        return ns_oom(err, path);
    if (h->d->tiled)
        find_fill(h);
    if (hash_tiles(h) < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, path);
    if (!h->d->tiled && h->tile_bytes == (size_t)h->d->count * h->size) {
        ns_kept_numbers(f, path, h->d, h->buffer, (int64_t)h->tile_bytes);
        h->buffer = NULL;
    }
    return NS_OK;
}

static int hash_numbers(const ns_file *f, const char *path, const ns_dset *d, ns_sha256 *sha, int64_t *left, ns_error *err)
{
    hasher h = {.f = f, .d = d, .memory = H5I_INVALID_HID, .sha = sha};
    int rc = begin_hasher(f, path, &h, err);
    const bool empty = d->tiled && d->stored == 0;
    rc = rc != NS_OK || empty ? rc : take_bytes(f, &h, left, err);
    if (rc == NS_OK && d->bytes)
        ns_sha256_add(sha, d->bytes, (size_t)d->count * d->unit);
    else if (rc == NS_OK && !empty)
        rc = hash_read(f, path, &h, err);
    if (h.memory >= 0)
        H5Tclose(h.memory);
    free(h.buffer);
    return rc;
}

static int hash_texts(const ns_file *f, const char *path, const ns_dset *d, ns_sha256 *sha, ns_error *err)
{
    char **texts;
    const int rc = ns_dset_texts(f, d, path, &texts, err);
    for (int64_t i = 0; texts && i < d->count; i++)
        ns_sha256_add(sha, texts[i] ? texts[i] : "", strlen(texts[i] ? texts[i] : "") + 1);
    ns_dset_free_texts(texts, d->count);
    return rc;
}

static int hash_dataset(const ns_file *f, const char *path, ns_hash_lines *lines, int64_t *left, ns_error *err)
{
    ns_dset d;
    ns_sha256 sha;
    int rc = ns_dset_seen(f, path, &d, err);
    if (rc != NS_OK)
        return rc;
    const char *const type_name = d.dtype == NS_N_DTYPES ? "string" : ns_h5_type_name(d.dtype);
    ns_sha256_begin(&sha);
    if (d.foreign)
        rc = ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has a type or a hash_tile that needlescope does not write", f->path, path);
    else if (d.dtype == NS_N_DTYPES)
        rc = hash_texts(f, path, &d, &sha, err);
    else
        rc = hash_numbers(f, path, &d, &sha, left, err);
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
