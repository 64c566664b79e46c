/* heap.h - references into the global heaps of an open file, checked before HDF5 follows them. Internal. */
#ifndef NS_HEAP_H
#define NS_HEAP_H

#include "record/file.h"

typedef struct ns_heaps ns_heaps;

/* *out is to be closed also when it fails. The file must stay open. */
int ns_heaps_open(ns_heaps **out, const ns_file *, ns_error *);
void ns_heaps_close(ns_heaps *);
/* NS_E_FORMAT: a text of the dataset, or a text or axis that an attribute of the object leads to, is not in the file, or not as long. */
int ns_heaps_check_texts(ns_heaps *, const ns_dset *, const char *name, ns_error *);
int ns_heaps_check_attributes(ns_heaps *, hid_t object, const char *name, ns_error *);

#endif
