/* zip.h - the directory of a zip archive, and where each entry's bytes lie in the file. Entries are read where they are, so they must be
 * stored as they are: that is how torch.save writes them; nothing is ever inflated. */
#ifndef NS_ZIP_H
#define NS_ZIP_H

#include "core/core.h"

typedef struct ns_zip_entry {
    const char *name;          /* plain text, not a path to be followed */
    int64_t     header, limit; /* of the entry in the file: where it begins, and what it must end before */
    int64_t     size;
    int         method;        /* 0: stored as it is */
} ns_zip_entry;

typedef struct ns_zip {
    const ns_input *in;        /* borrowed, as is path */
    const char     *path;
    uint8_t        *directory; /* n_directory bytes of the file */
    size_t          n_directory;
    char           *names;
    ns_zip_entry   *list;      /* by name; no two have one name, or one place in the file */
    int64_t         n, capacity;
} ns_zip;

int  ns_zip_open(ns_zip *out, const ns_input *, const char *path, ns_error *);
const ns_zip_entry *ns_zip_find(const ns_zip *, const char *name);      /* NULL if absent */
/* Where its `size` bytes begin: checked to lie inside the file and in no other entry. NS_E_UNSUPPORTED where they are compressed. */
int  ns_zip_at(const ns_zip *, const ns_zip_entry *, int64_t *at, ns_error *);
void ns_zip_free(ns_zip *);

#endif
