/* out.c - an output file: created as a temporary, filled with axes and arrays, closed, fsynced, renamed.
 *
 * create (Conventions, schema, facts, config_sha256) -> scales, datasets, digests (dataset.c, axes.c) -> commit (content_sha256, complete,
 * close, rename).
 * Object times are off and creation order is tracked, so equal content in equal order gives equal files. */
#include "record/file.h"
#include "record/out.h"
#include "record/seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *ns_out_label(const ns_out *o)
{
    return o->label;
}

int ns_out_check(ns_out *o, int h5_status, const char *what, ns_error *err)
{
    if (o->disk.error) {
        errno = o->disk.error;
        return ns_fail_errno(err, NS_E_IO, o->label, "writing failed");
    }
    return h5_status < 0 ? ns_h5_fail(err, NS_E_INTERNAL, o->label, what) : NS_OK;
}

/* ---- attributes ---- */

int ns_out_attribute(hid_t object, const char *name, hid_t type, int64_t n, const void *values)
{
    const hsize_t shape = (hsize_t)n;
    const hid_t space = n ? H5Screate_simple(1, &shape, NULL) : H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    const int rc = attribute < 0 ? -1 : H5Awrite(attribute, type, values);
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    return rc;
}

int ns_out_text_attribute(hid_t object, const char *name, const char *text)
{
    const hid_t type = ns_h5_string();
    const int rc = ns_out_attribute(object, name, type, 0, &text);
    H5Tclose(type);
    return rc;
}

static int write_int_attribute(hid_t object, const char *name, int32_t value)
{
    return ns_out_attribute(object, name, H5T_STD_I32LE, 0, &value);
}

static bool fact_taken(const ns_out *o, const char *name)
{
    for (int64_t i = 0; i < o->n_facts; i++)
        if (!strcmp(o->facts[i].name, name))
            return true;
    return false;
}

static int put_fact(ns_out *o, const char *name, const char *value, bool is_volatile, ns_error *err)
{
    static const char *const reserved[] = {"Conventions", "schema", "complete", "config_sha256", "content_sha256", NULL};
    for (int i = 0; reserved[i]; i++)
        if (!strcmp(name ? name : "", reserved[i]))
            return ns_fail(err, NS_E_ARG, "%s: fact '%s' is written by needlescope itself: give it another name", o->label, name);
    if (!ns_name_ok(name) || !value)
        return ns_fail(err, NS_E_ARG, "%s: fact '%s' has no value, or a name with other signs than letters, digits and _.-+", o->label,
                       name ? name : "");
    char *const clean = ns_clean_utf8(value), *const kept = ns_strdup(name);
    int rc = clean && kept && ns_grow(&o->facts, &o->facts_capacity, o->n_facts + 1, sizeof *o->facts) ? NS_OK : ns_oom(err, o->label);
    if (rc == NS_OK && !is_volatile && ns_is_content(name) && !ns_hash_attribute(&o->lines, name, clean))
        rc = ns_oom(err, o->label);
    if (rc == NS_OK)
        rc = ns_out_check(o, ns_out_text_attribute(is_volatile ? o->provenance : o->id, name, clean), name, err);
    free(clean);
    if (rc != NS_OK) {
        free(kept);
        return rc;
    }
    o->facts[o->n_facts++] = (ns_fact){.name = kept, .is_volatile = is_volatile};
    return NS_OK;
}

int ns_out_fact(ns_out *o, const char *name, const char *value, ns_error *err)
{
    return fact_taken(o, name) ? NS_OK : put_fact(o, name, value, false, err);
}

int ns_out_volatile(ns_out *o, const char *name, const char *value, ns_error *err)
{
    return fact_taken(o, name) ? NS_OK : put_fact(o, name, value, true, err);
}

/* ---- creation ---- */

/* Of a file or group: no times, creation order tracked. */
static bool set_order(hid_t plist)
{
    const unsigned order = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED;
    return H5Pset_obj_track_times(plist, 0) >= 0 && H5Pset_link_creation_order(plist, order) >= 0 &&
           H5Pset_attr_creation_order(plist, order) >= 0;
}

static int create_group(ns_out *o, const char *name, hid_t *out)
{
    const hid_t gcpl = H5Pcreate(H5P_GROUP_CREATE);
    *out = gcpl >= 0 && set_order(gcpl) ? H5Gcreate2(o->id, name, H5P_DEFAULT, gcpl, H5P_DEFAULT) : H5I_INVALID_HID;
    if (gcpl >= 0)
        H5Pclose(gcpl);
    return *out < 0 ? -1 : 0;
}

static int create_file(ns_out *o, ns_error *err)
{
    const hid_t fapl = H5Pcreate(H5P_FILE_ACCESS), fcpl = H5Pcreate(H5P_FILE_CREATE);
    const bool good = set_order(fcpl) && H5Pset_sieve_buf_size(fapl, NS_SIEVE) >= 0 &&
                      H5Pset_libver_bounds(fapl, H5F_LIBVER_V18, H5F_LIBVER_V110) >= 0 &&
                      H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) >= 0;
    o->driver = ns_disk_driver();
    o->disk.fd = ns_atomic_open(&o->file, err);
    const int rc = o->disk.fd < 0 ? o->disk.fd : NS_OK;
    if (rc == NS_OK && good && o->driver >= 0 && ns_disk_use(fapl, o->driver, &o->disk) >= 0)
        o->id = H5Fcreate(o->file.tmp, H5F_ACC_TRUNC, fcpl, fapl);
    if (fapl >= 0)
        H5Pclose(fapl);
    if (fcpl >= 0)
        H5Pclose(fcpl);
    if (o->disk.fd >= 0)                 /* the driver did not take it */
        close(o->disk.fd);
    return rc != NS_OK || o->id >= 0 ? rc : ns_h5_fail(err, NS_E_CREATE, o->label, "cannot be created");
}

static int begin(ns_out *o, const char *path, const ns_fact *facts, int n_facts, ns_error *err)
{
    char config[65];
    int rc = ns_file_check_output(path, facts, n_facts, err);
    rc = rc != NS_OK ? rc : ns_atomic_begin(&o->file, path, err);
    if (rc != NS_OK || (rc = create_file(o, err)) != NS_OK)
        return rc;
    rc = ns_out_check(o, create_group(o, "provenance", &o->provenance), "/provenance", err);
    if (rc == NS_OK)
        rc = ns_out_check(o, ns_out_text_attribute(o->id, "Conventions", "needlescope-1"), "Conventions", err);
    if (rc == NS_OK)
        rc = ns_out_check(o, write_int_attribute(o->id, "schema", NS_SCHEMA), "schema", err);
    for (int i = 0; i < n_facts && rc == NS_OK; i++)
        rc = fact_taken(o, facts[i].name ? facts[i].name : "") ? ns_fail(err, NS_E_ARG, "%s: fact '%s' is given twice", path, facts[i].name)
                                                               : put_fact(o, facts[i].name, facts[i].value, facts[i].is_volatile, err);
    if (rc == NS_OK)
        rc = ns_facts_sha256(facts, n_facts, config, err);
    if (rc == NS_OK)
        rc = ns_out_check(o, ns_out_text_attribute(o->id, "config_sha256", config), "config_sha256", err);
    const bool hashed = rc == NS_OK && ns_hash_attribute(&o->lines, "Conventions", "needlescope-1") &&
                        ns_hash_attribute(&o->lines, "schema", "1");
    return rc == NS_OK && !hashed ? ns_oom(err, path) : rc;
}

int ns_out_create(ns_out **out, const char *path, const ns_fact *facts, int n_facts, ns_error *err)
{
    _Static_assert(NS_SCHEMA == 1, "begin() hashes the schema number as text");
    *out = NULL;
    ns_out *const o = ns_alloc_array(1, sizeof *o);
    if (!o)
        return ns_oom(err, path);
    o->driver = o->id = o->provenance = o->transfer = o->dimension_list = H5I_INVALID_HID;
    o->label = ns_strdup(path);
    int rc = o->label ? begin(o, path, facts, n_facts, err) : ns_oom(err, path);
    if (rc != NS_OK) {
        ns_out_abort(o);
        return rc;
    }
    *out = o;
    return NS_OK;
}

int ns_out_group(ns_out *o, const char *name, ns_error *err)
{
    hid_t group;
    const int rc = ns_out_check(o, create_group(o, name, &group), name, err);
    if (group >= 0)
        H5Gclose(group);
    return rc;
}

/* ---- the end ---- */

static void release(ns_out *o)
{
    if (o->transfer >= 0)
        H5Pclose(o->transfer);
    if (o->provenance >= 0)
        H5Gclose(o->provenance);
    if (o->id >= 0)
        H5Fclose(o->id);
    if (o->driver >= 0)
        H5FDunregister(o->driver);
    o->provenance = o->id = o->driver = H5I_INVALID_HID;
    char unused[65];
    ns_hash_lines_end(&o->lines, unused);
    for (int64_t i = 0; i < o->n_facts; i++)
        free((char *)o->facts[i].name);
    ns_out_free_axes(o);
    ns_out_free_coordinates(o);
    free(o->facts);
    free(o->label);
}

static int seal(ns_out *o, ns_error *err)
{
    const int fd = ns_atomic_open(&o->file, err);
    int rc = fd < 0 ? fd : ns_seal_add(fd, o->label, err);
    if (fd >= 0 && close(fd) != 0 && rc == NS_OK)
        rc = ns_fail_errno(err, NS_E_IO, o->label, "writing failed");
    return rc;
}

int ns_out_commit(ns_out *o, ns_error *err)
{
    char content[65];
    int rc = o->n_open ? ns_fail(err, NS_E_INTERNAL, "%s: %lld datasets were never finished", o->label, (long long)o->n_open) : NS_OK;
    ns_hash_lines_end(&o->lines, content);
    if (rc == NS_OK)
        rc = ns_out_end_coordinates(o, err);
    if (rc == NS_OK)
        rc = ns_out_end_axes(o, err);
    if (rc == NS_OK)
        rc = ns_out_check(o, ns_out_text_attribute(o->id, "content_sha256", content), "content_sha256", err);
    if (rc == NS_OK)
        rc = ns_out_check(o, write_int_attribute(o->id, "complete", 1), "complete", err);
    if (rc != NS_OK) {
        ns_out_abort(o);
        return rc;
    }
    const int left = H5Gclose(o->provenance), closed = H5Fclose(o->id);
    o->provenance = o->id = H5I_INVALID_HID;
    rc = ns_out_check(o, left < 0 ? left : closed, "closing", err);
    if (rc == NS_OK)
        rc = seal(o, err);
    if (rc == NS_OK)
        rc = ns_atomic_commit(&o->file, err);
    ns_out_abort(o);
    return rc;
}

void ns_out_abort(ns_out *o)
{
    if (!o)
        return;
    release(o);
    ns_atomic_abort(&o->file);
    free(o);
}
