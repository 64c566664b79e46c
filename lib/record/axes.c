/* axes.c - the axes of an output file's datasets: HDF5's dimension scales (HDF5 Dimension Scale Specification, 1.0). A dataset
 * says in DIMENSION_LIST which scales its dimensions have, a scale in REFERENCE_LIST which dimensions have it. H5DSattach_scale reads and
 * writes both anew for each dimension, a scale's longer each time; here the first is written once, with its dataset, the second once, at
 * the end. */
#include "record/out.h"

#include <stdlib.h>
#include <string.h>

/* Later groups are searched first: a dataset's axes were made just before it. */
static out_scale *find_scale(const ns_out *o, const char *group, const char *name, size_t n)
{
    for (int64_t i = o->n_scales - 1; i >= 0; i--)
        if (!strncmp(o->scales[i].name, name, n) && !o->scales[i].name[n] && !strcmp(o->scales[i].group, group))
            return &o->scales[i];
    return NULL;
}

static int no_axis(const ns_out *o, const ns_out_spec *s, const char *name, size_t n, ns_error *err)
{
    return ns_fail(err, NS_E_ARG, "%s: array '%s' names the axis '%.*s', which was not made", o->label, s->name, (int)n, name);
}

int ns_out_shape(const ns_out *o, ns_out_spec *s, int64_t n, ns_error *err)
{
    int64_t cells = 1;
    const char *p = s->axes ? s->axes : "";
    for (p += strspn(p, " "); *p && s->rank < NS_MAX_RANK; s->rank++) {
        const size_t length = strcspn(p, " ");
        const out_scale *const scale = find_scale(o, s->group, p, length);
        if (!scale)
            return no_axis(o, s, p, length, err);
        s->shape[s->rank] = scale->n;
        cells *= scale->n;
        p += length;
        p += strspn(p, " ");
    }
    return cells == n ? NS_OK
                      : ns_fail(err, NS_E_ARG, "%s: array '%s' has %lld values, but its axes '%s' have %lld", o->label, s->name,
                                (long long)n, s->axes ? s->axes : "", (long long)cells);
}

/* The scale of each dimension, all of them made. */
static int find_axes(const ns_out *o, const ns_out_spec *s, out_scale *axes[NS_MAX_RANK], ns_error *err)
{
    const char *p = s->axes ? s->axes : "";
    int dim = 0;
    for (p += strspn(p, " "); *p; dim++) {
        const size_t n = strcspn(p, " ");
        out_scale *const scale = find_scale(o, s->group, p, n);
        if (!scale)
            return no_axis(o, s, p, n, err);
        if (dim >= s->rank || scale->n != s->shape[dim])
            return ns_fail(err, NS_E_ARG, "%s: array '%s': axis %d, '%s', has %lld values, but the array has %lld (rank %d)", o->label,
                           s->name, dim, scale->name, (long long)scale->n, (long long)(dim < s->rank ? s->shape[dim] : 0), s->rank);
        axes[dim] = scale;
        p += n;
        p += strspn(p, " ");
    }
    return dim == s->rank ? NS_OK : ns_fail(err, NS_E_ARG, "%s: array '%s' has rank %d but names %d axes", o->label, s->name, s->rank, dim);
}

static int write_dimension_list(ns_out *o, hid_t dataset, out_scale *const axes[], int rank)
{
    hvl_t lists[NS_MAX_RANK];
    for (int i = 0; i < rank; i++)
        lists[i] = (hvl_t){.len = 1, .p = &axes[i]->reference};
    if (o->dimension_list < 0)
        o->dimension_list = H5Tvlen_create(H5T_STD_REF_OBJ);
    return ns_out_attribute(dataset, "DIMENSION_LIST", o->dimension_list, rank, lists);
}

int ns_out_attach(ns_out *o, const ns_out_spec *s, hid_t dataset, ns_error *err)
{
    out_scale *axes[NS_MAX_RANK];
    out_use use = {0};
    int rc = find_axes(o, s, axes, err);
    if (rc != NS_OK || s->rank == 0)
        return rc;
    rc = ns_out_add_array(o, s, err);
    if (rc == NS_OK)
        rc = ns_out_check(o, H5Rcreate(&use.dataset, dataset, ".", H5R_OBJECT, -1), s->name, err);
    if (rc == NS_OK)
        rc = ns_out_check(o, write_dimension_list(o, dataset, axes, s->rank), s->name, err);
    for (int i = 0; i < s->rank && rc == NS_OK; i++) {
        out_scale *const scale = axes[i];
        use.dimension = i;
        if (ns_grow(&scale->uses, &scale->uses_capacity, scale->n_uses + 1, sizeof use))
            scale->uses[scale->n_uses++] = use;
        else
            rc = ns_oom(err, o->label);
    }
    return rc;
}

int ns_out_add_axis(ns_out *o, const char *group, const char *name, int64_t n, hid_t dataset, ns_error *err)
{
    out_scale scale = {.n = n};
    int rc = ns_out_check(o, H5DSset_scale(dataset, name), name, err);
    if (rc == NS_OK)
        rc = ns_out_check(o, H5Rcreate(&scale.reference, dataset, ".", H5R_OBJECT, -1), name, err);
    if (rc == NS_OK && !ns_grow(&o->scales, &o->scales_capacity, o->n_scales + 1, sizeof scale))
        rc = ns_oom(err, o->label);
    if (rc != NS_OK)
        return rc;
    scale.group = ns_strdup(group);
    scale.name = ns_strdup(name);
    o->scales[o->n_scales++] = scale;
    return scale.group && scale.name ? NS_OK : ns_oom(err, o->label);
}

static hid_t use_type(void)
{
    const hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(out_use));
    H5Tinsert(type, "dataset", HOFFSET(out_use, dataset), H5T_STD_REF_OBJ);
    H5Tinsert(type, "dimension", HOFFSET(out_use, dimension), H5T_NATIVE_INT32);
    return type;
}

static int write_reference_list(const ns_out *o, const out_scale *scale, hid_t type)
{
    const hid_t dataset = H5Rdereference2(o->id, H5P_DEFAULT, H5R_OBJECT, &scale->reference);
    const int rc = dataset < 0 ? -1 : ns_out_attribute(dataset, "REFERENCE_LIST", type, scale->n_uses, scale->uses);
    const int closed = dataset < 0 ? 0 : H5Dclose(dataset);
    return rc != NS_OK ? rc : closed;
}

int ns_out_end_axes(ns_out *o, ns_error *err)
{
    const hid_t type = use_type();
    int rc = ns_out_check(o, type < 0 ? -1 : 0, "REFERENCE_LIST", err);
    for (int64_t i = 0; i < o->n_scales && rc == NS_OK; i++)
        if (o->scales[i].n_uses)
            rc = ns_out_check(o, write_reference_list(o, &o->scales[i], type), o->scales[i].name, err);
    if (type >= 0)
        H5Tclose(type);
    return rc;
}

void ns_out_free_axes(ns_out *o)
{
    for (int64_t i = 0; i < o->n_scales; i++) {
        free(o->scales[i].group);
        free(o->scales[i].name);
        free(o->scales[i].uses);
    }
    free(o->scales);
    if (o->dimension_list >= 0)
        H5Tclose(o->dimension_list);
}
