/* dataset.c - axes, arrays and strings of an output file: every dataset gets a scale on each dimension (axes.c), and a digest of what was
 * written for the content hash. */
#include "record/out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Contiguous data whose every cell is written needs no fill first. */
static hid_t dataset_properties(const ns_out_spec *s, hid_t type)
{
    const hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE);
    bool good = H5Pset_obj_track_times(dcpl, 0) >= 0 &&
                H5Pset_attr_creation_order(dcpl, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0;
    if (s->chunk[0] > 0) {
        hsize_t chunk[NS_MAX_RANK];
        for (int i = 0; i < s->rank; i++)
            chunk[i] = (hsize_t)s->chunk[i];
        good &= H5Pset_chunk(dcpl, s->rank, chunk) >= 0;
        if (s->deflate)
            good &= H5Pset_shuffle(dcpl) >= 0 && H5Pset_deflate(dcpl, 1) >= 0;
    } else if (s->fill == 0 && H5Tget_class(type) != H5T_STRING) { /* HDF5 wants strings filled */
        good &= H5Pset_fill_time(dcpl, H5D_FILL_TIME_NEVER) >= 0;
    }
    if (s->fill != 0) {
        /* NaN by its bits: a conversion inside HDF5 could change them, and the content hash compares bits. */
        const uint32_t f32 = isnan(s->fill) ? 0x7fc00000u : 0xff800000u;
        const uint16_t f16 = isnan(s->fill) ? 0x7e00u : 0xfc00u;
        good &= H5Pset_fill_value(dcpl, type, s->dtype == NS_F16 ? (const void *)&f16 : (const void *)&f32) >= 0;
    }
    if (good)
        return dcpl;
    H5Pclose(dcpl);
    return H5I_INVALID_HID;
}

static int create_dataset(ns_out *o, const ns_out_spec *s, hid_t type, hid_t *out, ns_error *err)
{
    char path[300];
    hsize_t dims[NS_MAX_RANK];
    *out = H5I_INVALID_HID;
    if (!ns_name_ok(s->name))
        return ns_fail(err, NS_E_ARG, "%s: '%s' is no name for an array: letters, digits and _.-+", o->label, s->name ? s->name : "");
    snprintf(path, sizeof path, "%s/%s", s->group, s->name);
    const htri_t exists = H5Lexists(o->id, s->group[0] ? path : s->name, H5P_DEFAULT);
    if (exists < 0)
        return ns_h5_fail(err, NS_E_INTERNAL, o->label, path);
    if (exists > 0 || (!s->group[0] && !strcmp(s->name, "provenance")))
        return ns_fail(err, NS_E_ARG, "%s: '%s' is written twice", o->label, path);
    for (int i = 0; i < s->rank; i++)
        dims[i] = (hsize_t)s->shape[i];
    const hid_t dcpl = dataset_properties(s, type), space = s->rank ? H5Screate_simple(s->rank, dims, NULL) : H5Screate(H5S_SCALAR);
    if (dcpl >= 0 && space >= 0)
        *out = H5Dcreate2(o->id, path, type, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
    if (space >= 0)
        H5Sclose(space);
    if (dcpl >= 0)
        H5Pclose(dcpl);
    int rc = ns_out_check(o, *out < 0 ? -1 : 0, path, err);
    if (rc == NS_OK && s->summary)
        rc = ns_out_check(o, ns_out_text_attribute(*out, "long_name", s->summary), path, err);
    return rc;
}

int ns_out_dataset(ns_out *o, const ns_out_spec *s, hid_t *out, ns_error *err)
{
    *out = H5I_INVALID_HID;
    const hid_t type = ns_h5_type(s->dtype);
    if (type < 0)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: array '%s': HDF5 has no type for %s (give F32)", o->label, s->name,
                       ns_dtype_name(s->dtype));
    int rc = create_dataset(o, s, type, out, err);
    if (rc == NS_OK)
        rc = ns_out_attach(o, s, *out, err);
    if (rc == NS_OK && s->tiled)
        rc = ns_out_check(o, ns_out_attribute(*out, "hash_tile", H5T_STD_I64LE, s->rank, s->tile), s->name, err);
    H5Tclose(type);
    if (rc != NS_OK && *out >= 0) {
        H5Dclose(*out);
        *out = H5I_INVALID_HID;
    }
    o->n_open += rc == NS_OK;
    return rc;
}

int ns_out_digest(ns_out *o, const ns_out_spec *s, const char hex[65], ns_error *err)
{
    o->n_open--;
    return ns_hash_dataset(&o->lines, s->group, s->name, ns_h5_type_name(s->dtype), s->rank, s->shape, hex) ? NS_OK : ns_oom(err, o->label);
}

/* Closing writes what HDF5 still holds. */
static int close_written(ns_out *o, hid_t dataset, int rc, const char *name, ns_error *err)
{
    const int closed = dataset >= 0 ? H5Dclose(dataset) : 0;
    return rc != NS_OK ? rc : ns_out_check(o, closed, name, err);
}

int ns_out_array(ns_out *o, const ns_out_spec *s, const void *data, ns_error *err)
{
    hid_t dataset;
    size_t bytes = ns_dtype_size(s->dtype);
    for (int i = 0; i < s->rank; i++)
        bytes *= (size_t)s->shape[i];
    int rc = ns_out_dataset(o, s, &dataset, err);
    if (rc != NS_OK)
        return rc;
    const hid_t type = ns_h5_type(s->dtype);
    rc = ns_out_check(o, bytes ? H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) : 0, s->name, err);
    H5Tclose(type);
    rc = close_written(o, dataset, rc, s->name, err);
    char hex[65];
    ns_sha256_of(data, bytes, hex);
    return rc != NS_OK ? rc : ns_out_digest(o, s, hex, err);
}

int ns_out_scale(ns_out *o, const char *group, const char *name, ns_dtype dtype, int64_t n, const void *values, const char *summary,
                 ns_error *err)
{
    const ns_out_spec spec = {.group = group, .name = name, .summary = summary, .dtype = dtype, .rank = 1, .shape = {n}};
    hid_t dataset = H5I_INVALID_HID;
    const hid_t type = ns_h5_type(dtype);
    int rc = type < 0 ? ns_fail(err, NS_E_UNSUPPORTED, "%s: axis '%s': HDF5 has no type for %s", o->label, name, ns_dtype_name(dtype))
                      : create_dataset(o, &spec, type, &dataset, err);
    if (rc == NS_OK)
        rc = ns_out_check(o, n ? H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) : 0, name, err);
    if (rc == NS_OK)
        rc = ns_out_add_axis(o, group, name, n, dataset, err);
    rc = close_written(o, dataset, rc, name, err);
    if (type >= 0)
        H5Tclose(type);
    if (rc != NS_OK)
        return rc;
    char hex[65];
    ns_sha256_of(values, (size_t)n * ns_dtype_size(dtype), hex);
    o->n_open++;
    return ns_out_digest(o, &spec, hex, err);
}

int ns_out_strings(ns_out *o, const ns_out_spec *s, const char *const *values, ns_error *err)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= s->shape[i];
    hid_t dataset = H5I_INVALID_HID;
    const hid_t type = ns_h5_string();
    char **const clean = ns_alloc_array((size_t)n, sizeof *clean);
    int rc = clean ? NS_OK : ns_oom(err, o->label);
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        clean[i] = ns_clean_utf8(values[i] ? values[i] : "");
        rc = clean[i] ? NS_OK : ns_oom(err, o->label);
        if (clean[i])
            ns_sha256_add(&sha, clean[i], strlen(clean[i]) + 1);
    }
    if (rc == NS_OK)
        rc = create_dataset(o, s, type, &dataset, err);
    if (rc == NS_OK)
        rc = ns_out_attach(o, s, dataset, err);
    if (rc == NS_OK)
        rc = ns_out_check(o, n ? H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, ns_h5_transfer(&o->transfer, n), clean) : 0, s->name, err);
    rc = close_written(o, dataset, rc, s->name, err);
    H5Tclose(type);
    for (int64_t i = 0; clean && i < n; i++)
        free(clean[i]);
    free(clean);
    char hex[65];
    ns_sha256_end(&sha, hex);
    if (rc == NS_OK && !ns_hash_dataset(&o->lines, s->group, s->name, "string", s->rank, s->shape, hex))
        rc = ns_oom(err, o->label);
    return rc;
}
