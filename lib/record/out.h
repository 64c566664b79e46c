/* out.h - the inside of an output file, for out.c and dataset.c. */
#ifndef NS_OUT_H
#define NS_OUT_H

#include "record/h5.h"

typedef struct out_scale {
    char *group, *name;
    int64_t n;
    hid_t id; /* of the root's: they stay open, since most datasets have them */
} out_scale;

struct ns_out {
    char *label; /* the path as the caller gave it */
    ns_atomic_file file;
    ns_disk disk;
    hid_t driver, id, provenance, transfer;
    ns_fact *facts; /* names already taken by root attributes and /provenance; names are ours */
    int64_t n_facts, facts_capacity;
    out_scale *scales;
    int64_t n_scales, scales_capacity;
    int64_t n_open; /* datasets created and not yet digested */
    ns_hash_lines lines;
};


#endif
