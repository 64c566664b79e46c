/* file.c - reading what was written: open (HDF5? ours? complete? a schema we know?) -> attributes as text -> datasets as f32, i64, strings.
 */
#include "record/file.h"
#include "record/seal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AXIS_PATH_BYTES = 512 };

/* ---- attributes as text ---- */

static char *string_attribute(hid_t attribute, hid_t type)
{
    if (H5Tis_variable_str(type) > 0) {
        char *text = NULL;
        const hid_t memory = ns_h5_string();
        H5Tset_cset(memory, H5Tget_cset(type));
        char *const copy = H5Aread(attribute, memory, &text) >= 0 && text ? ns_strdup(text) : NULL;
        if (text)
            H5free_memory(text);
        H5Tclose(memory);
        return copy;
    }
    const size_t n = H5Tget_size(type);
    char *const text = n < SIZE_MAX ? calloc(n + 1, 1) : NULL;
    if (text && H5Aread(attribute, type, text) < 0)
        text[0] = '\0';
    return text;
}

char *ns_file_attribute_text(hid_t attribute)
{
    const hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    char *text = NULL;
    int64_t whole;
    double real;
    if (H5Sget_simple_extent_npoints(space) == 1) {
        const H5T_class_t class = H5Tget_class(type);
        if (class == H5T_STRING)
            text = string_attribute(attribute, type);
        else if (class == H5T_INTEGER && H5Aread(attribute, H5T_NATIVE_INT64, &whole) >= 0)
            text = ns_printf_alloc("%" PRId64, whole);
        else if (class == H5T_FLOAT && H5Aread(attribute, H5T_NATIVE_DOUBLE, &real) >= 0)
            text = ns_printf_alloc("%.17g", real);
    }
    H5Sclose(space);
    H5Tclose(type);
    return text;
}

int ns_load_attributes(ns_file *f, hid_t object, ns_error *err)
{
    H5O_info_t info;
    if (H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS) < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, "its attributes cannot be read");
    for (hsize_t i = 0; i < info.num_attrs; i++) {
        char name[256] = "";
        const hid_t attribute = H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
        if (attribute < 0)
            return ns_h5_fail(err, NS_E_FORMAT, f->path, "an attribute cannot be read");
        const bool named = H5Aget_name(attribute, sizeof name, name) > 0;
        char *const value = named ? ns_file_attribute_text(attribute) : NULL;
        H5Aclose(attribute);
        if (!value)
            continue;
        char *const copy = ns_strdup(name);
        if (!copy || !ns_grow(&f->facts, &f->capacity, f->n_facts + 1, sizeof *f->facts)) {
            free(copy);
            free(value);
            return ns_oom(err, f->path);
        }
        f->facts[f->n_facts++] = (ns_file_text){copy, value};
    }
    return NS_OK;
}

static int load_facts(ns_file *f, const char *group, ns_error *err)
{
    const hid_t id = H5Gopen2(f->id, group, H5P_DEFAULT);
    const int rc = id < 0 ? ns_h5_fail(err, NS_E_FORMAT, f->path, group) : ns_load_attributes(f, id, err);
    if (id >= 0)
        H5Gclose(id);
    return rc;
}

const char *ns_file_fact(const ns_file *f, const char *name)
{
    for (int64_t i = 0; i < f->n_facts; i++)
        if (!strcmp(f->facts[i].name, name))
            return f->facts[i].value;
    return NULL;
}

/* ---- open and close ---- */

static hid_t open_hdf5(const char *path)
{
    const hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(fapl, 0, 1); /* finished files are never written again; locks fail on NFS and Lustre */
#endif
    const hid_t id = H5Fopen(path, H5F_ACC_RDONLY, fapl);
    H5Pclose(fapl);
    return id;
}

static int open_file(ns_file *f, ns_error *err)
{
    f->id = open_hdf5(f->path);
    if (f->id < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, "not a whole HDF5 file");
    int rc = load_facts(f, "/", err);
    f->n_root = f->n_facts;
    if (rc == NS_OK && H5Lexists(f->id, "provenance", H5P_DEFAULT) > 0)
        rc = load_facts(f, "/provenance", err);
    if (rc < 0)
        return rc;
    const char *const schema = ns_file_fact(f, "schema"), *const complete = ns_file_fact(f, "complete");
    if (!schema)
        return ns_fail(err, NS_E_FORMAT, "%s: is HDF5 of another program: it has no attribute 'schema' of needlescope's", f->path);
    if (strtol(schema, NULL, 10) != NS_SCHEMA)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: schema %s, but this version reads schema %d (use a newer needlescope)", f->path, schema,
                       NS_SCHEMA);
    if (!complete || strcmp(complete, "1"))
        return ns_fail(err, NS_E_FORMAT, "%s: not complete: its writer was stopped (make it again)", f->path);
    return NS_OK;
}

static void close_file(ns_file *f)
{
    if (f->id >= 0)
        H5Fclose(f->id);
    for (int64_t i = 0; i < f->n_facts; i++) {
        free(f->facts[i].name);
        free(f->facts[i].value);
    }
    free(f->facts);
    free(f->path);
    free(f);
}

int64_t ns_file_fact_count(const ns_file *f)
{
    return f->n_facts;
}

const char *ns_file_fact_name(const ns_file *f, int64_t i)
{
    return i >= 0 && i < f->n_facts ? f->facts[i].name : NULL;
}

/* Opened without a look at the seal: what the child of ns_vet does. */
int ns_file_open_bare(ns_file **out, const char *path, ns_error *err)
{
    *out = NULL;
    ns_file *const f = ns_alloc_array(1, sizeof *f);
    if (!f)
        return ns_oom(err, path);
    const ns_h5_quiet quiet = ns_h5_enter();
    f->id = H5I_INVALID_HID;
    f->path = ns_strdup(path);
    const int rc = f->path ? open_file(f, err) : ns_oom(err, path);
    if (rc < 0)
        close_file(f);
    else
        *out = f;
    ns_h5_leave(quiet);
    return rc;
}

int ns_file_open_vetted(ns_file **out, const char *path, bool *sealed, ns_error *err)
{
    *out = NULL;
    int rc = ns_seal_check(path, sealed, err);
    if (rc == NS_OK)
        rc = ns_vet(path, err);
    return rc == NS_OK ? ns_file_open_bare(out, path, err) : rc;
}

int ns_file_open(ns_file **out, const char *path, ns_error *err)
{
    bool sealed;
    const int rc = ns_file_open_vetted(out, path, &sealed, err);
    return sealed ? rc : ns_kind_fail(err, rc, path, NS_KINDS(NS_KIND_HDF5), "a file of needlescope's (HDF5)");
}

int ns_file_open_own(ns_file **out, const char *path, ns_error *err)
{
    bool sealed;
    *out = NULL;
    int rc = ns_seal_check(path, &sealed, err);
    if (rc == NS_OK && !sealed)
        rc = ns_vet(path, err);
    if (rc == NS_OK)
        rc = ns_file_open_bare(out, path, err);
    if (rc == NS_OK)
        (*out)->own = sealed;
    return rc;
}

void ns_file_close(ns_file *f)
{
    if (!f)
        return;
    const ns_h5_quiet quiet = ns_h5_enter();
    close_file(f);
    ns_h5_leave(quiet);
}

/* ---- datasets ---- */

/* Links of ours are hard ones; others lead out of the file, or in a circle. Every link of the path is looked at, or HDF5 would fail with a riddle. */
static bool is_there(const ns_file *f, const char *name)
{
    char path[512];
    H5L_info_t info;
    if (!name || !name[0] || strlen(name) >= sizeof path)
        return false;
    snprintf(path, sizeof path, "%s", name);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (H5Lget_info(f->id, path, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD)
            return false;
        *slash = '/';
    }
    return H5Lget_info(f->id, path, &info, H5P_DEFAULT) >= 0 && info.type == H5L_TYPE_HARD;
}

bool ns_file_has(const ns_file *f, const char *dataset)
{
    const ns_h5_quiet quiet = ns_h5_enter();
    const hid_t object = is_there(f, dataset) ? H5Oopen(f->id, dataset, H5P_DEFAULT) : H5I_INVALID_HID;
    const bool yes = object >= 0 && H5Iget_type(object) == H5I_DATASET;
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

/* Bytes in the file against what the shape claims, before memory is taken. whole: all values are to be read at once. Chunks that were never written take
 * none (dense maps, read in slabs); deflate makes at most 1,032 bytes of one. */
int ns_dset_check(const ns_file *f, const ns_dset *d, const char *name, bool whole, ns_error *err)
{
    enum { MOST_RATIO = 1032, SLACK = 1 << 16 };
    int64_t bytes;
    bool held = ns_mul_i64(d->count, (int64_t)H5Tget_size(d->type), &bytes);
    if (f->own)
        return NS_OK;
    if (held && !d->chunked)
        held = d->stored >= (hsize_t)bytes;
    else if (held && whole)
        held = (hsize_t)bytes / MOST_RATIO <= d->stored + SLACK;
    return held ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' claims %lld values, but the file does not hold them", f->path, name, (long long)d->count);
}

static int check_storage(const ns_file *f, ns_dset *d, const char *name, ns_error *err)
{
    const hid_t dcpl = H5Dget_create_plist(d->id);
    const char *const foreign = dcpl < 0 ? "cannot be read" : foreign_storage(dcpl);
    d->chunked = dcpl >= 0 && H5Pget_layout(dcpl) == H5D_CHUNKED;
    d->stored = H5Dget_storage_size(d->id);
    if (dcpl >= 0)
        H5Pclose(dcpl);
    return foreign ? ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' %s (refused)", f->path, name, foreign) : ns_dset_check(f, d, name, false, err);
}

int ns_dset_open(const ns_file *f, const char *name, ns_dset *out, ns_error *err)
{
    *out = (ns_dset){.id = H5I_INVALID_HID, .type = H5I_INVALID_HID, .count = 1};
    if (!is_there(f, name))
        return ns_fail(err, NS_E_MISSING, "%s: has no dataset '%s'", f->path, name ? name : "");
    out->id = H5Dopen2(f->id, name, H5P_DEFAULT);
    if (out->id < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, name);
    out->type = H5Dget_type(out->id);
    const hid_t space = H5Dget_space(out->id);
    hsize_t dims[H5S_MAX_RANK] = {0};
    out->rank = H5Sget_simple_extent_dims(space, dims, NULL);
    H5Sclose(space);
    bool fits = out->rank >= 0 && out->rank <= NS_MAX_RANK;
    for (int i = 0; fits && i < out->rank; i++) {
        out->shape[i] = (int64_t)dims[i];
        fits = dims[i] <= INT64_MAX && ns_mul_i64(out->count, out->shape[i], &out->count);
    }
    const int rc = fits && f->own ? NS_OK : fits ? check_storage(f, out, name, err) : ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has an impossible shape", f->path, name);
    if (rc < 0)
        ns_dset_close(out);
    return rc;
}

void ns_dset_close(ns_dset *d)
{
    if (d->type >= 0)
        H5Tclose(d->type);
    if (d->id >= 0)
        H5Dclose(d->id);
    d->type = d->id = H5I_INVALID_HID;
}

int ns_dset_read(const ns_dset *d, hid_t memory_type, const int64_t *start, const int64_t *count, void *out)
{
    if (!start)
        return d->count ? H5Dread(d->id, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) : 0;
    hsize_t from[NS_MAX_RANK], n[NS_MAX_RANK];
    for (int i = 0; i < d->rank; i++) {
        from[i] = (hsize_t)start[i];
        n[i] = (hsize_t)count[i];
    }
    const hid_t space = H5Dget_space(d->id), memory = H5Screate_simple(d->rank, n, NULL);
    int rc = memory < 0 ? -1 : H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, n, NULL);
    if (rc >= 0)
        rc = H5Dread(d->id, memory_type, memory, space, H5P_DEFAULT, out);
    H5Sclose(memory);
    H5Sclose(space);
    return rc;
}

static herr_t scale_name(hid_t dataset, unsigned dim, hid_t scale, void *user)
{
    (void)dataset, (void)dim;
    H5Iget_name(scale, user, AXIS_PATH_BYTES);
    return 1;
}

/* "case layer head": the names of the scales on its axes; the dataset's own name where it is a scale. */
char *ns_dset_axes(const ns_dset *d)
{
    char *text = ns_strdup("");
    for (int i = 0; text && i < d->rank; i++) {
        char path[AXIS_PATH_BYTES] = "";
        if (H5DSis_scale(d->id) > 0) {
            H5Iget_name(d->id, path, sizeof path);
        } else if (H5DSget_num_scales(d->id, (unsigned)i) > 0) {
            int first = 0;
            H5DSiterate_scales(d->id, (unsigned)i, &first, scale_name, path);
        }
        char *const longer = ns_printf_alloc("%s%s%s", text, i ? " " : "", path[0] ? ns_path_base(path) : "?");
        free(text);
        text = longer;
    }
    return text;
}

static int read_numbers(const ns_file *f, const char *name, hid_t memory, size_t size, void **out, int *rank, int64_t *shape, char **axes,
                        ns_error *err)
{
    ns_dset d;
    *out = NULL;
    int rc = ns_dset_open(f, name, &d, err);
    if (rc < 0)
        return rc;
    const H5T_class_t class = H5Tget_class(d.type);
    if (class != H5T_INTEGER && class != H5T_FLOAT) {
        rc = ns_fail(err, NS_E_ARG, "%s: dataset '%s' does not hold numbers", f->path, name);
        goto out;
    }
    rc = ns_dset_check(f, &d, name, true, err);
    if (rc < 0)
        goto out;
    void *const data = ns_alloc_array((size_t)d.count, size);
    if (!data) {
        rc = ns_oom(err, name);
        goto out;
    }
    rc = ns_dset_read(&d, memory, NULL, NULL, data) < 0 ? ns_h5_fail(err, NS_E_FORMAT, f->path, name) : NS_OK;
    char *const names = rc == NS_OK && axes ? ns_dset_axes(&d) : NULL;
    if (rc == NS_OK && axes && !names)
        rc = ns_oom(err, name);
    if (rc < 0) {
        free(data);
        goto out;
    }
    *out = data;
    if (axes)
        *axes = names;
    if (rank)
        *rank = d.rank;
    if (shape)
        memcpy(shape, d.shape, sizeof d.shape);
out:
    ns_dset_close(&d);
    return rc;
}

int ns_file_read_f32(const ns_file *f, const char *name, float **out, int *rank, int64_t shape[NS_MAX_RANK], char **axes, ns_error *err)
{
    void *data;
    const ns_h5_quiet quiet = ns_h5_enter();
    const int rc = read_numbers(f, name, H5T_NATIVE_FLOAT, sizeof **out, &data, rank, shape, axes, err);
    ns_h5_leave(quiet);
    *out = data;
    return rc;
}

int ns_file_read_i64(const ns_file *f, const char *name, int64_t **out, int *rank, int64_t shape[NS_MAX_RANK], ns_error *err)
{
    void *data;
    const ns_h5_quiet quiet = ns_h5_enter();
    const int rc = read_numbers(f, name, H5T_NATIVE_INT64, sizeof **out, &data, rank, shape, NULL, err);
    ns_h5_leave(quiet);
    *out = data;
    return rc;
}

int ns_file_read_f64(const ns_file *f, const char *name, double **out, int *rank, int64_t shape[NS_MAX_RANK], ns_error *err)
{
    void *data;
    const ns_h5_quiet quiet = ns_h5_enter();
    const int rc = read_numbers(f, name, H5T_NATIVE_DOUBLE, sizeof **out, &data, rank, shape, NULL, err);
    ns_h5_leave(quiet);
    *out = data;
    return rc;
}

static int read_slab(const ns_file *f, const char *name, int rank, const int64_t *start, const int64_t *count, float *out, ns_error *err)
{
    ns_dset d;
    int rc = ns_dset_open(f, name, &d, err);
    if (rc < 0)
        return rc;
    if (rank != d.rank)
        rc = ns_fail(err, NS_E_ARG, "%s: dataset '%s' has rank %d, not %d", f->path, name, d.rank, rank);
    for (int i = 0; rc == NS_OK && i < rank; i++)
        if (start[i] < 0 || count[i] < 1 || start[i] > d.shape[i] || count[i] > d.shape[i] - start[i])
            rc = ns_fail(err, NS_E_ARG, "%s: dataset '%s': %lld + %lld along axis %d, which has %lld", f->path, name, (long long)start[i],
                         (long long)count[i], i, (long long)d.shape[i]);
    if (rc == NS_OK && ns_dset_read(&d, H5T_NATIVE_FLOAT, rank ? start : NULL, count, out) < 0)
        rc = ns_h5_fail(err, NS_E_FORMAT, f->path, name);
    ns_dset_close(&d);
    return rc;
}

int ns_file_read_slab(const ns_file *f, const char *name, int rank, const int64_t *start, const int64_t *count, float *out, ns_error *err)
{
    const ns_h5_quiet quiet = ns_h5_enter();
    const int rc = read_slab(f, name, rank, start, count, out, err);
    ns_h5_leave(quiet);
    return rc;
}
