/* provenance_read.h - what the readers and writers of provenance share. Internal. */
#ifndef NS_PROVENANCE_READ_H
#define NS_PROVENANCE_READ_H

#include <needlescope/kind.h>
#include <needlescope/provenance.h>

enum { NS_MAX_FACT_NAME = 128 };

/* Adds what the bytes [n] of a file of this kind say; NUL stands behind the last. What is no fact is passed over. */
int ns_provenance_parse(ns_fact_list *, ns_kind, const char *data, size_t n, ns_error *);
/* PATH-metadata.json, malloc'd. */
char *ns_provenance_path_beside(const char *path);

#endif
