/* file.c - an open file: sealed and vetted, HDF5, ours, complete, of a schema we know; and its attributes as text. Datasets: dset.c,
 * read.c. */
#include "record/file.h"
#include "record/seal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FACT = 1 << 24, ATTRIBUTE_NAME = 256 };    /* bytes of one text (a model's config is one), of a name */

/* ---- attributes as text ---- */

/* gone: HDF5 does not find it (1.14; 1.10 gives another, which heap.c notices). */
static char *text_in_heap(hid_t attribute, hid_t type, bool *gone)
{
    char *copy = NULL, *text = NULL;
    const hid_t memory = ns_h5_string();
    H5Tset_cset(memory, H5Tget_cset(type));
    *gone = H5Aread(attribute, memory, &text) < 0;
    if (!*gone && text && strnlen(text, MOST_FACT) < MOST_FACT)
        copy = ns_strdup(text);
    if (text)
        H5free_memory(text);
    H5Tclose(memory);
    return copy;
}

static char *string_attribute(hid_t attribute, hid_t type, bool *gone)
{
    if (H5Tis_variable_str(type) > 0)
        return text_in_heap(attribute, type, gone);
    const size_t n = H5Tget_size(type);
    char *const copy = n > 0 && n < MOST_FACT ? calloc(n + 1, 1) : NULL;
    if (copy && H5Aread(attribute, type, copy) >= 0)
        return copy;
    free(copy);
    return NULL;
}

/* An integer of any width, a float, a text; NULL also where it cannot be read. */
static char *scalar_text(hid_t attribute, hid_t type, bool *gone)
{
    int64_t whole;
    double real;
    switch (H5Tget_class(type)) {
    case H5T_STRING:
        return string_attribute(attribute, type, gone);
    case H5T_INTEGER:
        return H5Aread(attribute, H5T_NATIVE_INT64, &whole) >= 0 ? ns_printf_alloc("%" PRId64, whole) : NULL;
    case H5T_FLOAT:
        return H5Aread(attribute, H5T_NATIVE_DOUBLE, &real) >= 0 ? ns_printf_alloc("%.17g", real) : NULL;
    default:
        return NULL;
    }
}

int ns_text_is_gone(const ns_file *f, const char *what, ns_error *err)
{
    return ns_fail(err, NS_E_FORMAT, "%s: damaged: '%s' leads to a text or axis that is not there", f->path, what);
}

int ns_attribute_text(const ns_file *f, hid_t attribute, const char *name, char **out, ns_error *err)
{
    const hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    const H5T_class_t class = H5Tget_class(type);
    const bool known = type >= 0 && space >= 0 && class >= 0;
    const bool ours = H5Sget_simple_extent_npoints(space) == 1 && (class == H5T_STRING || class == H5T_INTEGER || class == H5T_FLOAT);
    bool gone = false;
    *out = ours ? scalar_text(attribute, type, &gone) : NULL;
    H5Sclose(space);
    H5Tclose(type);
    if (gone)
        return ns_text_is_gone(f, name, err);
    if (!known || (ours && (!*out || !ns_utf8_valid(*out, strlen(*out), NULL)))) {
        free(*out);
        *out = NULL;
        return ns_fail(err, NS_E_FORMAT, "%s: attribute '%s' cannot be read: it is no UTF-8 text of at most %d bytes, nor a number",
                       f->path, name, MOST_FACT);
    }
    return NS_OK;
}

static int load_attribute(ns_file *f, hid_t attribute, const char *name, ns_error *err)
{
    char *value;
    if (!name[0] || strlen(name) >= ATTRIBUTE_NAME || !ns_utf8_valid(name, strlen(name), NULL))
        return ns_fail(err, NS_E_FORMAT, "%s: an attribute has an impossible name", f->path);
    const int rc = ns_attribute_text(f, attribute, name, &value, err);
    if (rc != NS_OK || !value)
        return rc;
    char *const copy = ns_strdup(name);
    if (!copy || !ns_grow(&f->facts, &f->capacity, f->n_facts + 1, sizeof *f->facts)) {
        free(copy);
        free(value);
        return ns_oom(err, f->path);
    }
    f->facts[f->n_facts++] = (ns_file_text){copy, value};
    return NS_OK;
}

/* HDF5 takes a time for them that grows with the square of their number; ours have some dozens. */
int ns_attributes_count(const ns_file *f, hid_t object, hsize_t *n, ns_error *err)
{
    enum { MOST = 1024 };
    char name[256] = "";
    H5O_info_t info;
    if (H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS) < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, "its attributes cannot be read");
    *n = info.num_attrs;
    if (*n <= MOST)
        return NS_OK;
    (void)H5Iget_name(object, name, sizeof name);
    return ns_fail(err, NS_E_FORMAT, "%s: '%s' has %llu attributes, and needlescope reads at most %d", f->path, name,
                   (unsigned long long)*n, MOST);
}

typedef struct loading { ns_file *f; int rc; ns_error *err; } loading;

static herr_t load_one(hid_t object, const char *name, const H5A_info_t *info, void *user)
{
    loading *const l = user;
    const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    (void)info;
    l->rc = attribute < 0 ? ns_h5_fail(l->err, NS_E_FORMAT, l->f->path, "an attribute cannot be read")
                          : load_attribute(l->f, attribute, name, l->err);
    H5Aclose(attribute);
    return l->rc != NS_OK;
}

int ns_load_attributes(ns_file *f, hid_t object, ns_error *err)
{
    hsize_t n;
    loading l = {f, ns_attributes_count(f, object, &n, err), err};
    if (l.rc != NS_OK || H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, NULL, load_one, &l) >= 0 || l.rc != NS_OK)
        return l.rc;
    return ns_h5_fail(err, NS_E_FORMAT, f->path, "its attributes cannot be read");
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
    H5Pset_fapl_sec2(fapl); /* the default, which is none where HDF5 found no memory for it when it started */
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(fapl, 0, 1); /* finished files are never written again; locks fail on NFS and Lustre */
#endif
    H5Pset_sieve_buf_size(fapl, NS_SIEVE);
    const hid_t id = H5Fopen(path, H5F_ACC_RDONLY, fapl);
    H5Pclose(fapl);
    return id;
}

/* The file that HDF5 opened is the one that was looked at. */
static int identify(ns_file *f, const ns_identity *as, ns_error *err)
{
    void *handle = NULL;
    if (H5Fget_vfd_handle(f->id, H5P_DEFAULT, &handle) < 0 || !handle)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, "its descriptor is not known");
    f->fd = *(const int *)handle;
    return ns_identity_of(f->fd, &f->as) && (!as || ns_identity_same(as, &f->as)) ? NS_OK : ns_identity_fail(f->path, err);
}

int ns_file_check(const ns_file *f, int rc, ns_error *err)
{
    ns_identity now;
    return f->id < 0 || rc == NS_E_IO || (ns_identity_of(f->fd, &now) && ns_identity_same(&f->as, &now)) ? rc
                                                                                                     : ns_identity_fail(f->path, err);
}

int ns_file_end(const ns_file *f, ns_h5_quiet quiet, int rc, ns_error *err)
{
    return ns_h5_end(quiet, ns_file_check(f, rc, err), f->path, err);
}

bool ns_file_bytes(const ns_file *f, void *to, size_t n, uint64_t at)
{
    const uint64_t size = (uint64_t)f->as.size;
    size_t done = 0;
    if (at > size || n > size - at)
        return false;
    if (f->image) {
        memcpy(to, f->image + at, n);
        return true;
    }
    while (done < n) {
        const ssize_t got = pread(f->fd, (char *)to + done, n - done, (off_t)(at + done));
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        done += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static int open_file(ns_file *f, const ns_identity *as, ns_error *err)
{
    f->id = open_hdf5(f->path);
    if (f->id < 0)
        return ns_h5_fail(err, NS_E_FORMAT, f->path, "not a whole HDF5 file");
    int rc = identify(f, as, err);
    rc = rc != NS_OK ? rc : load_facts(f, "/", err);
    f->n_root = f->n_facts;
    const htri_t provenance = rc == NS_OK ? H5Lexists(f->id, "provenance", H5P_DEFAULT) : 0;
    if (provenance != 0)
        rc = load_facts(f, "/provenance", err);
    if (rc != NS_OK)
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

static void close_hdf5(ns_file *f)
{
    ns_kept_clear(f);
    if (f->transfer >= 0)
        H5Pclose(f->transfer);
    if (f->id >= 0)
        H5Fclose(f->id);
    f->id = f->transfer = H5I_INVALID_HID;
    free(f->image);
    f->image = NULL;
}

static void close_file(ns_file *f)
{
    close_hdf5(f);
    for (int64_t i = 0; i < f->n_facts; i++) {
        free(f->facts[i].name);
        free(f->facts[i].value);
    }
    for (int64_t i = 0; i < f->n_scales; i++)
        free(f->scales[i].path);
    free(f->scales);
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

int ns_file_open_bare(ns_file **out, const char *path, const ns_identity *as, ns_error *err)
{
    *out = NULL;
    ns_file *const f = ns_alloc_array(1, sizeof *f);
    if (!f)
        return ns_oom(err, path);
    ns_child_busy(path);
    const ns_h5_quiet quiet = ns_h5_enter();
    f->id = f->transfer = H5I_INVALID_HID;
    f->path = ns_strdup(path);
    const int rc = f->path ? ns_file_check(f, open_file(f, as, err), err) : ns_oom(err, path);
    if (rc != NS_OK)
        close_file(f);
    else
        *out = f;
    return ns_h5_end(quiet, rc, path, err);
}

/* vet: also where it is sealed. */
static int open_checked(ns_file **out, const char *path, bool vet, bool *sealed, ns_error *err)
{
    ns_identity as, now;
    *out = NULL;
    int rc = ns_seal_check(path, sealed, &as, err);
    if (rc != NS_OK)
        return rc;
    rc = vet || !*sealed ? ns_vet(path, &as, err) : NS_OK;
    rc = rc != NS_OK ? rc : ns_file_open_bare(out, path, &as, err);
    const bool other = rc != NS_OK && rc != NS_E_MEMORY && !(ns_identity_at(path, &now) && ns_identity_same(&as, &now));
    return other ? ns_identity_fail(path, err) : rc;
}

int ns_file_open_vetted(ns_file **out, const char *path, bool *sealed, ns_error *err)
{
    return open_checked(out, path, true, sealed, err);
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
    return open_checked(out, path, false, &sealed, err);
}

void ns_file_rest(ns_file *f)
{
    const ns_h5_quiet quiet = ns_h5_enter();
    close_hdf5(f);
    ns_h5_leave(quiet);
    ns_child_busy(NULL);
}

int ns_file_wake(ns_file *f, ns_error *err)
{
    const ns_identity as = f->as;
    ns_child_busy(f->path);
    const ns_h5_quiet quiet = ns_h5_enter();
    f->id = f->id < 0 ? open_hdf5(f->path) : f->id;
    const int rc = f->id < 0 ? ns_h5_fail(err, NS_E_FORMAT, f->path, "not a whole HDF5 file") : identify(f, &as, err);
    return ns_h5_end(quiet, rc, f->path, err);
}

void ns_file_close(ns_file *f)
{
    if (!f)
        return;
    const ns_h5_quiet quiet = ns_h5_enter();
    close_file(f);
    ns_h5_leave(quiet);
    ns_child_busy(NULL);
}
