/* dset.c - a dataset opened for reading: where its bytes lie, what it claims to hold, the names of its axes. */
#include "record/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { AXIS_PATH_BYTES = 512 };

/* Links of ours are hard ones; others lead out of the file, or in a circle. Every link of the path is looked at, or HDF5 would fail with a
 * riddle. */
static htri_t is_hard(const ns_file *f, const char *path)
{
    H5L_info_t info;
    if (H5Lget_info(f->id, path, &info, H5P_DEFAULT) >= 0)
        return info.type == H5L_TYPE_HARD;
    return H5Lexists(f->id, path, H5P_DEFAULT) == 0 ? 0 : -1;
}

/* 1 or 0; below 0 where HDF5 cannot say: the file is damaged, or memory is out. */
static htri_t is_there(const ns_file *f, const char *name)
{
    char path[512];
    htri_t there = 1;
    if (!name || !name[0] || strlen(name) >= sizeof path)
        return 0;
    snprintf(path, sizeof path, "%s", name);
    for (char *slash = strchr(path + 1, '/'); slash && there > 0; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        there = is_hard(f, path);
        *slash = '/';
    }
    return there > 0 ? is_hard(f, path) : there;
}

/* What a file remembers for its readers, to whom it is const; never a const object: ns_file_open made it. */
static ns_file *own(const ns_file *f)
{
    return (ns_file *)(uintptr_t)f;
}

bool ns_file_has(const ns_file *f, const char *dataset)
{
    if (ns_kept_find(f, dataset))
        return true;
    const ns_h5_quiet quiet = ns_h5_enter();
    const htri_t there = is_there(f, dataset);
    const hid_t object = there > 0 ? H5Oopen(f->id, dataset, H5P_DEFAULT) : H5I_INVALID_HID;
    const bool unsure = there < 0 || (there > 0 && object < 0), yes = unsure || (there > 0 && H5Iget_type(object) == H5I_DATASET);
    if (errno == ENOMEM)                                    /* also where HDF5 went on: it may not have got over it */
        own(f)->in_doubt = true;
    if (object >= 0)
        H5Oclose(object);
    ns_h5_leave(quiet);
    return yes;
}

/* NULL, or how the dataset is stored that none of ours is: its bytes would come from elsewhere, or from a plugin. */
static const char *foreign_storage(hid_t dcpl)
{
    if (H5Pget_external_count(dcpl) != 0)
        return "keeps its values in another file";
    if (H5Pget_layout(dcpl) == H5D_VIRTUAL)
        return "is virtual: its values lie elsewhere";
    for (int i = 0; i < H5Pget_nfilters(dcpl); i++) {
        unsigned flags, config;
        size_t n = 0;
        const H5Z_filter_t filter = H5Pget_filter2(dcpl, (unsigned)i, &flags, &n, NULL, 0, NULL, &config);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
            return "is compressed by a filter that needlescope does not use";
    }
    return NULL;
}

/* Bytes in the file against what the shape claims, before memory is taken. whole: all values are to be read at once. Chunks that were never
 * written take none (dense maps, read in slabs); deflate makes at most 1,032 bytes of one. */
int ns_dset_check(const ns_file *f, const ns_dset *d, const char *name, bool whole, ns_error *err)
{
    int64_t bytes;
    bool held = ns_mul_i64(d->count, (int64_t)d->unit, &bytes);
    if (held && !d->chunked)
        held = d->stored >= (hsize_t)bytes;
    else if (held && whole)
        held = (hsize_t)bytes / NS_MOST_RATIO <= d->stored + NS_RATIO_SLACK;
    return held ? NS_OK
                : ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' claims %lld values, but the file does not hold them", f->path, name,
                          (long long)d->count);
}

/* What has an address in this file is neither elsewhere nor filtered; only for the rest HDF5 is asked how it was made, which takes
 * longer. */
static int check_storage(const ns_file *f, ns_dset *d, const char *name, ns_error *err)
{
    const char *foreign = NULL;
    d->at = H5Dget_offset(d->id);
    if (d->at == HADDR_UNDEF) {
        const hid_t dcpl = H5Dget_create_plist(d->id);
        foreign = dcpl < 0 ? "cannot be read" : foreign_storage(dcpl);
        d->chunked = dcpl >= 0 && H5Pget_layout(dcpl) == H5D_CHUNKED;
        if (dcpl >= 0)
            H5Pclose(dcpl);
    }
    d->stored = foreign ? 0 : H5Dget_storage_size(d->id);
    return foreign ? ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' %s (refused)", f->path, name, foreign)
                   : ns_dset_check(f, d, name, false, err);
}

/* False: a type that needlescope does not write. */
static bool find_type(hid_t type, size_t unit, ns_dtype *out)
{
    const H5T_class_t class = H5Tget_class(type);
    *out = NS_N_DTYPES;
    if (class == H5T_STRING)
        return H5Tis_variable_str(type) > 0;
    for (int t = 0; t < NS_N_DTYPES; t++) {
        const bool real = t == NS_F16 || t == NS_F32 || t == NS_F64;
        if (ns_dtype_size(t) != unit || real != (class == H5T_FLOAT))
            continue;
        const hid_t ours = ns_h5_type(t);
        const bool same = ours >= 0 && H5Tequal(ours, type) > 0;
        if (ours >= 0)
            H5Tclose(ours);
        *out = t;
        if (same)
            return true;
    }
    *out = NS_N_DTYPES;
    return false;
}

int ns_dset_of(const ns_file *f, hid_t object, const char *name, ns_dset *out, ns_error *err)
{
    *out = (ns_dset){.id = object, .type = H5Dget_type(object), .count = 1, .at = HADDR_UNDEF};
    const hid_t space = H5Dget_space(out->id);
    hsize_t dims[H5S_MAX_RANK] = {0};
    out->rank = H5Sget_simple_extent_dims(space, dims, NULL);
    H5Sclose(space);
    out->unit = H5Tget_size(out->type);
    out->foreign = !find_type(out->type, out->unit, &out->dtype);
    out->tiled = H5Aexists(out->id, "hash_tile") > 0;
    bool fits = out->rank >= 0 && out->rank <= NS_MAX_RANK;
    for (int i = 0; fits && i < out->rank; i++) {
        out->shape[i] = (int64_t)dims[i];
        fits = dims[i] <= INT64_MAX && ns_mul_i64(out->count, out->shape[i], &out->count);
    }
    const int rc = fits ? check_storage(f, out, name, err)
                        : ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has an impossible shape", f->path, name);
    if (rc != NS_OK)
        ns_dset_close(out);
    return rc;
}

int ns_dset_seen(const ns_file *f, const char *name, ns_dset *out, ns_error *err)
{
    const ns_kept *const kept = ns_kept_find(f, name);
    if (!kept || !kept->bytes)
        return ns_dset_open(f, name, out, err);
    *out = kept->d;
    return NS_OK;
}

int ns_dset_open(const ns_file *f, const char *name, ns_dset *out, ns_error *err)
{
    *out = (ns_dset){.id = H5I_INVALID_HID, .type = H5I_INVALID_HID, .count = 1};
    const int same = ns_file_check(f, NS_OK, err);
    if (same != NS_OK)
        return same;
    const ns_kept *const kept = ns_kept_find(f, name);
    if (kept && kept->d.id >= 0) {
        *out = kept->d;
        return NS_OK;
    }
    const htri_t there = kept ? 1 : is_there(f, name);
    if (there <= 0 && f->in_doubt)              /* it was said to be there when nothing could be seen */
        return ns_oom(err, f->path);
    if (there < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, name);
    if (!there)
        return ns_fail(err, NS_E_MISSING, "%s: has no dataset '%s'", f->path, name ? name : "");
    out->id = H5Dopen2(f->id, name, H5P_DEFAULT);
    if (out->id < 0)
        return f->in_doubt ? ns_oom(err, f->path) : ns_h5_fail(err, NS_E_FORMAT, f->path, name);
    const int rc = ns_dset_of(f, out->id, name, out, err);
    if (rc == NS_OK)
        ns_kept_add(f, name, out);
    return rc;
}

/* HDF5 before 1.10.5 cannot say how many there are: none. */
bool ns_dset_chunks(const ns_dset *d, hsize_t chunk[NS_MAX_RANK], hsize_t *stored)
{
    *stored = 0;
    if (!d->chunked)
        return false;
    const hid_t list = H5Dget_create_plist(d->id);
    bool known = H5Pget_chunk(list, d->rank, chunk) == d->rank;
    H5Pclose(list);
#if H5_VERSION_GE(1, 10, 5)
    const hid_t space = H5Dget_space(d->id);
    known = known && H5Dget_num_chunks(d->id, space, stored) >= 0;
    H5Sclose(space);
#endif
    return known;
}

bool ns_dset_has_chunk(const ns_dset *d, const hsize_t *at)
{
    hsize_t bytes = 0;
    return H5Dget_chunk_storage_size(d->id, at, &bytes) >= 0 && bytes > 0;
}

void ns_dset_close(ns_dset *d)
{
    if (d->shared)
        return;
    if (d->type >= 0)
        H5Tclose(d->type);
    if (d->id >= 0)
        H5Dclose(d->id);
    d->type = d->id = H5I_INVALID_HID;
}

int ns_dset_read(const ns_file *f, const ns_dset *d, hid_t memory_type, const int64_t *start, const int64_t *count, void *out)
{
    if (!start)
        return d->count ? H5Dread(d->id, memory_type, H5S_ALL, H5S_ALL, ns_h5_transfer(&own(f)->transfer, d->count), out) : 0;
    hsize_t from[NS_MAX_RANK], n[NS_MAX_RANK];
    for (int i = 0; i < d->rank; i++) {
        from[i] = (hsize_t)start[i];
        n[i] = (hsize_t)count[i];
    }
    const hid_t space = H5Dget_space(d->id), memory = H5Screate_simple(d->rank, n, NULL);
    int status = memory < 0 ? -1 : H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, n, NULL);
    if (status >= 0)
        status = H5Dread(d->id, memory_type, memory, space, H5P_DEFAULT, out);
    H5Sclose(memory);
    H5Sclose(space);
    return status;
}

/* What finds no memory is asked for again. */
static void remember_scale(ns_file *f, haddr_t at, const char *path)
{
    char *const copy = ns_strdup(path);
    if (copy && ns_grow(&f->scales, &f->scales_capacity, f->n_scales + 1, sizeof *f->scales))
        f->scales[f->n_scales++] = (ns_scale_name){at, copy};
    else
        free(copy);
}

typedef struct axis { ns_file *f; char *path; } axis;

static herr_t name_scale(hid_t dataset, unsigned dim, hid_t scale, void *user)
{
    const axis *const a = user;
    H5O_info_t info;
    (void)dataset, (void)dim;
    if (H5Oget_info2(scale, &info, H5O_INFO_BASIC) < 0)
        return -1;
    for (int64_t i = 0; i < a->f->n_scales; i++)
        if (a->f->scales[i].at == info.addr)
            return snprintf(a->path, AXIS_PATH_BYTES, "%s", a->f->scales[i].path), 1;
    if (H5Iget_name(scale, a->path, AXIS_PATH_BYTES) > 0)
        remember_scale(a->f, info.addr, a->path);
    return 1;
}

/* The path of the first scale on an axis; "" where there is none. False: HDF5 fails. */
static bool axis_path(const ns_file *f, const ns_dset *d, int number, char path[AXIS_PATH_BYTES])
{
    const htri_t is_scale = H5DSis_scale(d->id);
    int first = 0;
    axis a = {own(f), path};
    path[0] = '\0';
    if (is_scale != 0)
        return is_scale > 0 && H5Iget_name(d->id, path, AXIS_PATH_BYTES) >= 0;
    const int n = H5DSget_num_scales(d->id, (unsigned)number);
    return n == 0 || (n > 0 && H5DSiterate_scales(d->id, (unsigned)number, &first, name_scale, &a) >= 0 && path[0]);
}

int ns_dset_axes(const ns_file *f, const ns_dset *d, const char *name, char **out, ns_error *err)
{
    char *text = ns_strdup("");
    for (int i = 0; text && i < d->rank; i++) {
        char path[AXIS_PATH_BYTES];
        if (!axis_path(f, d, i, path)) {
            free(text);
            return ns_fail(err, NS_E_FORMAT, "%s: the axes of dataset '%s' cannot be read", f->path, name);
        }
        char *const longer = ns_printf_alloc("%s%s%s", text, i ? " " : "", path[0] ? ns_path_base(path) : "?");
        free(text);
        text = longer;
    }
    *out = text;
    return text ? NS_OK : ns_oom(err, name);
}
