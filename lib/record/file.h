/* file.h - an open file, as its readers see it. Internal. */
#ifndef NS_FILE_H
#define NS_FILE_H

#include "record/h5.h"

typedef struct ns_file_text {
    char *name, *value;
} ns_file_text;
struct ns_file {
    char *path;
    hid_t id;
    ns_file_text *facts; /* root attributes, then those of /provenance */
    int64_t n_facts, capacity, n_root;
};

/* A dataset opened for reading, with its shape. NS_E_MISSING names the file and the dataset. */
typedef struct ns_dset {
    hid_t id, type;
    int rank;
    int64_t shape[NS_MAX_RANK], count;
} ns_dset;
int ns_dset_open(const ns_file *, const char *name, ns_dset *out, ns_error *);
void ns_dset_close(ns_dset *);
char *ns_dset_axes(const ns_dset *);                     /* "case layer head", malloc'd */
int ns_dset_read(const ns_dset *, hid_t memory_type, const int64_t *start, const int64_t *count, void *out); /* start NULL: all */

#endif
