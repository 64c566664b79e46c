/* meaning.c - what a score's numbers mean, as attributes of its dataset: best = largest | smallest | none, range = its two ends, chance
 * where it is known. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/study.h>

#include "record/file.h"
#include "record/out.h"

/* ---- written ---- */

int ns_out_meaning(ns_out *o, const char *dataset, const ns_score_meaning *m, ns_error *err)
{
    const double range[2] = {m->lo, m->hi};
    const hid_t id = H5Dopen2(o->id, dataset, H5P_DEFAULT);
    int status = id < 0 ? -1 : ns_out_text_attribute(id, "best", ns_best_end_name(m->best));
    if (status >= 0 && m->lo < m->hi)
        status = ns_out_attribute(id, "range", H5T_IEEE_F64LE, 2, range);
    if (status >= 0 && !isnan(m->chance))
        status = ns_out_attribute(id, "chance", H5T_IEEE_F64LE, 0, &m->chance);
    if (id >= 0)
        H5Dclose(id);
    return ns_out_check(o, status, dataset, err);
}

/* ---- read ---- */

static int strange(const ns_file *f, const char *dataset, const char *name, ns_error *err)
{
    return ns_fail(err, NS_E_FORMAT, "%s: attribute '%s' of '%s' is not what needlescope writes there", f->path, name, dataset);
}

/* n numbers, or *there = false where there is no such attribute. */
static int read_doubles(const ns_file *f, const char *dataset, hid_t object, const char *name, double *out, hssize_t n, bool *there,
                        ns_error *err)
{
    const htri_t exists = H5Aexists(object, name);
    *there = exists > 0;
    if (exists <= 0)
        return exists == 0 ? NS_OK : strange(f, dataset, name, err);
    const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT), space = H5Aget_space(attribute), type = H5Aget_type(attribute);
    const bool good = H5Sget_simple_extent_npoints(space) == n && H5Tget_class(type) == H5T_FLOAT &&
                      H5Aread(attribute, H5T_NATIVE_DOUBLE, out) >= 0;
    H5Tclose(type);
    H5Sclose(space);
    H5Aclose(attribute);
    return good ? NS_OK : strange(f, dataset, name, err);
}

static int read_best(const ns_file *f, const char *dataset, hid_t object, ns_score_meaning *out, ns_error *err)
{
    char *text;
    const htri_t exists = H5Aexists(object, "best");
    out->assumed = exists == 0;
    if (exists <= 0)
        return exists == 0 ? NS_OK : strange(f, dataset, "best", err);
    const hid_t attribute = H5Aopen(object, "best", H5P_DEFAULT);
    int rc = attribute < 0 ? strange(f, dataset, "best", err) : ns_attribute_text(f, attribute, "best", &text, err);
    if (attribute >= 0)
        H5Aclose(attribute);
    if (rc != NS_OK)
        return rc;
    if (!text || !ns_best_end_find(text, &out->best))
        rc = ns_fail(err, NS_E_FORMAT, "%s: '%s' says that its best end is '%.40s' (largest, smallest or none)", f->path, dataset,
                     text ? text : "");
    free(text);
    return rc;
}

/* A range may have no end; a level of chance is a number within it. */
static int read_numbers(const ns_file *f, const char *dataset, hid_t object, ns_score_meaning *out, ns_error *err)
{
    double range[2], chance;
    bool there;
    int rc = read_doubles(f, dataset, object, "range", range, 2, &there, err);
    if (rc == NS_OK && there) {
        out->lo = range[0];
        out->hi = range[1];
        rc = range[0] < range[1] ? NS_OK : strange(f, dataset, "range", err);
    }
    rc = rc != NS_OK ? rc : read_doubles(f, dataset, object, "chance", &chance, 1, &there, err);
    if (rc == NS_OK && there) {
        const ns_range can_be = ns_score_range(dataset, out);
        out->chance = chance;
        rc = chance >= can_be.least && chance <= can_be.most ? NS_OK : strange(f, dataset, "chance", err);
    }
    return rc;
}

int ns_file_meaning(const ns_file *f, const char *dataset, ns_score_meaning *out, ns_error *err)
{
    *out = (ns_score_meaning){.best = NS_BEST_LARGEST, .chance = (double)NAN};
    ns_dset d;
    ns_kept *kept = ns_kept_find(f, dataset);
    if (kept && kept->has_meaning) {
        *out = kept->meaning;
        return NS_OK;
    }
    const ns_h5_quiet quiet = ns_h5_enter();
    int rc = ns_dset_open(f, dataset, &d, err);
    if (rc == NS_OK) {
        rc = read_best(f, dataset, d.id, out, err);
        rc = rc != NS_OK ? rc : read_numbers(f, dataset, d.id, out, err);
        ns_dset_close(&d);
    }
    if (rc == NS_OK && (kept = ns_kept_find(f, dataset))) {
        kept->meaning = *out;
        kept->has_meaning = true;
    }
    return ns_file_end(f, quiet, rc, err);
}
