/* meaning.c - what a score's numbers mean, as attributes of its dataset: best = largest | smallest | none, range = its two ends, chance
 * where it is known. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "record/file.h"
#include "record/out.h"

/* ---- written ---- */

static int write_doubles(hid_t object, const char *name, const double *values, hsize_t n)
{
    const hid_t space = n == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &n, NULL);
    const hid_t attribute = H5Acreate2(object, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    const int rc = attribute < 0 ? -1 : H5Awrite(attribute, H5T_NATIVE_DOUBLE, values);
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    return rc;
}

int ns_out_meaning(ns_out *o, const char *dataset, const ns_score_meaning *m, ns_error *err)
{
    const double range[2] = {m->lo, m->hi};
    const hid_t id = H5Dopen2(o->id, dataset, H5P_DEFAULT);
    int rc = id < 0 ? -1 : ns_out_text_attribute(id, "best", ns_best_end_name(m->best));
    if (rc >= 0 && m->lo < m->hi)
        rc = write_doubles(id, "range", range, 2);
    if (rc >= 0 && !isnan(m->chance))
        rc = write_doubles(id, "chance", &m->chance, 1);
    if (id >= 0)
        H5Dclose(id);
    return ns_out_check(o, rc, dataset, err);
}

/* ---- read ---- */

/* False where there is no such attribute of n numbers. */
static bool read_doubles(hid_t object, const char *name, double *out, hssize_t n)
{
    if (H5Aexists(object, name) <= 0)
        return false;
    const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT), space = H5Aget_space(attribute);
    const bool good = H5Sget_simple_extent_npoints(space) == n && H5Aread(attribute, H5T_NATIVE_DOUBLE, out) >= 0;
    H5Sclose(space);
    H5Aclose(attribute);
    return good;
}

static int read_best(const ns_file *f, const char *dataset, hid_t object, ns_score_meaning *out, ns_error *err)
{
    if (H5Aexists(object, "best") <= 0) {
        out->assumed = true;
        return NS_OK;
    }
    const hid_t attribute = H5Aopen(object, "best", H5P_DEFAULT);
    char *const text = ns_file_attribute_text(attribute);
    H5Aclose(attribute);
    const bool known = text && ns_best_end_find(text, &out->best);
    const int rc = known ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: '%s' says that its best end is '%.40s' (largest, smallest or none)", f->path,
                                           dataset, text ? text : "");
    free(text);
    return rc;
}

int ns_file_meaning(const ns_file *f, const char *dataset, ns_score_meaning *out, ns_error *err)
{
    *out = (ns_score_meaning){.best = NS_BEST_LARGEST, .chance = (double)NAN};
    double range[2];
    ns_dset d;
    const ns_h5_quiet quiet = ns_h5_enter();
    int rc = ns_dset_open(f, dataset, &d, err);
    if (rc == NS_OK) {
        rc = read_best(f, dataset, d.id, out, err);
        if (read_doubles(d.id, "range", range, 2)) {
            out->lo = range[0];
            out->hi = range[1];
        }
        read_doubles(d.id, "chance", &out->chance, 1);
        ns_dset_close(&d);
    }
    ns_h5_leave(quiet);
    return rc;
}
