/* h5.h - the only door to hdf5.h: output files whose failed writes HDF5 never sees, their axes, and their content hash. Internal. */
#ifndef NS_H5_H
#define NS_H5_H

#include <needlescope/record.h>
#include "core/core.h"

#include <hdf5.h>
#include <hdf5_hl.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files and content hashes are little endian: this host would need byte swapping in lib/record"
#endif

enum { NS_SCHEMA = 1 };

/* ---- HDF5's error stack, silenced and restored around every public call ---- */
typedef struct ns_h5_quiet {
    H5E_auto2_t print;
    void *user;
    bool dead;          /* HDF5 could not start: it asks for memory there, and never recovers */
} ns_h5_quiet;
ns_h5_quiet ns_h5_enter(void);
void ns_h5_leave(ns_h5_quiet);
/* The same, and gives rc back; NS_E_MEMORY where it failed because memory was refused: what HDF5 makes of that looks like damage. */
int ns_h5_end(ns_h5_quiet, int rc, const char *label, ns_error *);
/* Nothing was lost that HDF5 needs. Where it was refused memory, 1.10 may not start any more, or lose a default of its properties, and
 * fails for ever after. */
bool ns_h5_is_whole(void);
/* "LABEL: WHAT: the innermost message of HDF5's stack". */
int ns_h5_fail(ns_error *, int code, const char *label, const char *what);

/* ---- types: the file's type is the memory's type, so that HDF5 never converts ---- */
hid_t ns_h5_type(ns_dtype);            /* to be closed; negative when HDF5 has none (BF16) */
hid_t ns_h5_string(void);              /* variable-length UTF-8; to be closed */
const char *ns_h5_type_name(ns_dtype); /* numpy's: "float16" */

/* ---- what HDF5 clears first, for a small dataset longer than all the rest takes ---- */
enum { NS_SIEVE = 4096 };              /* of each dataset that is read or written; 64 KiB by default, more than most of ours */
/* How n numbers or texts are converted: few of them not by way of a megabyte. *list: made when it is needed, to be closed; negative at
 * first. */
hid_t ns_h5_transfer(hid_t *list, int64_t n);

/* ---- the file driver of output files (vfd.c) ---- */
typedef struct ns_disk {
    int fd;                  /* the new file, open to read and write; the driver takes it and leaves -1 */
    int error;               /* errno of the first write that failed, 0 = none */
} ns_disk;
hid_t ns_disk_driver(void); /* registers it; to be unregistered with H5FDunregister after the file is closed */
int ns_disk_use(hid_t fapl, hid_t driver, ns_disk *);

/* ---- an output file ---- */
typedef struct ns_out ns_out;
int ns_out_create(ns_out **out, const char *path, const ns_fact *facts, int n_facts, ns_error *);
int ns_out_fact(ns_out *, const char *name, const char *value, ns_error *); /* one more stable fact; ignored where the caller gave it */
int ns_out_volatile(ns_out *, const char *name, const char *value, ns_error *);
int ns_out_group(ns_out *, const char *name, ns_error *);
/* A coordinate axis of a group ("" = root). */
int ns_out_scale(ns_out *, const char *group, const char *name, ns_dtype, int64_t n, const void *values, const char *summary, ns_error *);

typedef struct ns_out_spec {
    const char *group, *name, *axes, *summary; /* axes: names of scales of the same group, outermost first */
    ns_dtype dtype;
    int rank;
    int64_t shape[NS_MAX_RANK];
    int64_t chunk[NS_MAX_RANK]; /* chunk[0] = 0: contiguous */
    bool deflate;               /* chunks are shuffled and deflated */
    bool tiled;                 /* the content hash goes by tiles of `tile` */
    int64_t tile[NS_MAX_RANK];
    double fill; /* the value of cells never written: 0, NaN or -inf */
} ns_out_spec;
/* The attributes of a score that was written: best, range, chance. */
int ns_out_meaning(ns_out *, const char *dataset, const ns_score_meaning *, ns_error *);
int ns_out_dataset(ns_out *, const ns_out_spec *, hid_t *out, ns_error *);
/* Says what was written there; hex is the digest of the bytes (or of the tiles). Every dataset must be digested once. */
int ns_out_digest(ns_out *, const ns_out_spec *, const char hex[65], ns_error *);
/* All of it at once: created, written, digested. */
int ns_out_array(ns_out *, const ns_out_spec *, const void *data, ns_error *);
/* Rank and shape from the axes; their product must be n. */
int ns_out_shape(const ns_out *, ns_out_spec *, int64_t n, ns_error *);
int ns_out_strings(ns_out *, const ns_out_spec *, const char *const *values, ns_error *);
/* Of n values, 0: a scalar. HDF5's status. */
int ns_out_attribute(hid_t object, const char *name, hid_t type, int64_t n, const void *values);
int ns_out_text_attribute(hid_t object, const char *name, const char *text);
int ns_out_check(ns_out *, int h5_status, const char *what, ns_error *); /* a failed HDF5 call or disk write becomes an error */
const char *ns_out_label(const ns_out *);
int ns_out_commit(ns_out *, ns_error *); /* frees in any case */
void ns_out_abort(ns_out *);

/* ---- the content hash (hash.c); schema.md defines it ---- */
typedef struct ns_hash_lines {
    char **list;
    int64_t n, capacity;
} ns_hash_lines;
bool ns_hash_attribute(ns_hash_lines *, const char *name, const char *value);
/* False for the hashes themselves, and for what says which copy of the checkpoint was read (it changes with a file's mtime): the
 * same weights give the same content. */
bool ns_is_content(const char *attribute);
bool ns_hash_dataset(ns_hash_lines *, const char *group, const char *name, const char *type, int rank, const int64_t *shape,
                     const char hex[65]);
void ns_hash_lines_sort(ns_hash_lines *);
void ns_hash_lines_sum(ns_hash_lines *, char hex[65]); /* sorts, hashes */
void ns_hash_lines_end(ns_hash_lines *, char hex[65]); /* and frees */
/* Digest of a tiled dataset: tiles in row-major order, each as its number (u64) and its own digest; tiles of fill alone are left out. */
void ns_hash_tile(ns_sha256 *, int64_t tile, const char hex[65]);
bool ns_name_ok(const char *); /* letters, digits, "_.-+"; what every reader takes */

#endif
