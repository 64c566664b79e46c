/* out.h - the inside of an output file, for out.c, dataset.c, axes.c and coordinates.c. */
#ifndef NS_OUT_H
#define NS_OUT_H

#include "record/h5.h"

/* A dimension that has a scale: an element of REFERENCE_LIST as HDF5's high-level library lays it out. */
typedef struct out_use { hobj_ref_t dataset; int32_t dimension, padding; } out_use;

typedef struct out_scale {
    char *group, *name;
    int64_t n;
    hobj_ref_t reference;
    out_use *uses;
    int64_t n_uses, uses_capacity;
} out_scale;

/* An array of the root, and the axes that it names. */
typedef struct out_array { char *name, *axes; bool is_coordinate; } out_array;

struct ns_out {
    char *label; /* the path as the caller gave it */
    ns_atomic_file file;
    ns_disk disk;
    hid_t driver, id, provenance, transfer, dimension_list; /* the last: the type of that attribute, made with the first */
    ns_fact *facts; /* names already taken by root attributes and /provenance; names are ours */
    int64_t n_facts, facts_capacity;
    out_scale *scales;
    int64_t n_scales, scales_capacity;
    out_array *arrays;
    int64_t n_arrays, arrays_capacity;
    int64_t n_open; /* datasets created and not yet digested */
    ns_hash_lines lines;
};

/* axes.c. The one-dimensional dataset becomes a scale that arrays of its group may name as an axis. */
int  ns_out_add_axis(ns_out *, const char *group, const char *name, int64_t n, hid_t dataset, ns_error *);
int  ns_out_attach(ns_out *, const ns_out_spec *, hid_t dataset, ns_error *); /* the axes that the array names, one for each dimension */
int  ns_out_end_axes(ns_out *, ns_error *);                                   /* once, before the file is closed */
void ns_out_free_axes(ns_out *);

/* coordinates.c. */
int  ns_out_add_array(ns_out *, const ns_out_spec *, ns_error *);      /* it was written; of a group: nothing is kept */
int  ns_out_end_coordinates(ns_out *, ns_error *);                     /* once, when all arrays have what belongs to them */
void ns_out_free_coordinates(ns_out *);

#endif
