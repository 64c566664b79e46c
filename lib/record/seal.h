/* seal.h - what is known of a file before HDF5 opens it. Internal. */
#ifndef NS_SEAL_H
#define NS_SEAL_H

#include "record/h5.h"

/* Appends the digest of the file behind `fd`, to which HDF5 writes no more; errors name `label`. */
int ns_seal_add(int fd, const char *label, ns_error *);
/* *sealed: the file ends with a digest, and it is right. A wrong one is NS_E_FORMAT; what is no regular file is refused without
 * blocking. *as: the file that was looked at, as it was before; the next two are held to it. */
int ns_seal_check(const char *path, bool *sealed, ns_identity *as, ns_error *);
/* Opens the file and walks over all its objects in a child process with limits of time and memory. NS_E_FORMAT when HDF5 crashes, hangs
 * or fails there, or when the file holds what none of ours does (links out of it, storage elsewhere, unknown filters). */
int ns_vet(const char *path, const ns_identity *as, ns_error *);
/* What ns_vet's child does, in this process: every link, attribute, scale, text and chunk index is looked at. */
int ns_walk(const char *path, const ns_identity *as, ns_error *);

#endif
