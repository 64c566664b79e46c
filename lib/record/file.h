/* file.h - an open file, as its readers see it. Internal. */
#ifndef NS_FILE_H
#define NS_FILE_H

#include "record/h5.h"

typedef struct ns_file_text {
    char *name, *value;
} ns_file_text;
typedef struct ns_scale_name {
    haddr_t at;
    char *path;
} ns_scale_name;

/* A dataset opened for reading, with its shape. */
typedef struct ns_dset {
    hid_t id, type;
    ns_dtype dtype;      /* texts are NS_N_DTYPES */
    bool foreign;        /* of a type that needlescope does not write */
    size_t unit;         /* bytes of a value in the file */
    int rank;
    int64_t shape[NS_MAX_RANK], count;
    bool chunked, tiled; /* tiled: hashed by tiles */
    hsize_t stored;      /* bytes in the file */
    haddr_t at;          /* where they begin, HADDR_UNDEF where they lie in chunks or nowhere */
    bool shared;         /* the file's: it stays open */
    const void *bytes;   /* its numbers, where the file keeps them: then it may have no id */
} ns_dset;

/* What a file keeps of a dataset (kept.c). */
typedef struct ns_kept {
    char *path;          /* without the root's slash */
    ns_dset d;
    void *bytes, *header;
    int64_t header_bytes;
    bool has_meaning;
    ns_score_meaning meaning;
} ns_kept;
typedef struct ns_kept_list { ns_kept *list; int64_t n, capacity, next, bytes; } ns_kept_list;     /* next: where the next search begins */

struct ns_file {
    char *path;
    hid_t id;
    hid_t transfer;      /* how small datasets are read */
    int fd;              /* HDF5's, as long as id is open */
    ns_identity as;      /* when it was opened */
    ns_file_text *facts; /* root attributes, then those of /provenance */
    int64_t n_facts, capacity, n_root;
    ns_scale_name *scales;                   /* the axes that were asked for so far: HDF5 walks over the file to name one */
    int64_t n_scales, scales_capacity;
    bool in_doubt;       /* memory was out when ns_file_has looked: what is then not there may be there */
    bool keeps;          /* numbers that are hashed stay, for who reads them next */
    uint8_t *image;      /* all its bytes; NULL: they are read one by one */
    ns_kept_list kept, before;           /* its datasets; those of the file that it follows */
};

/* Without a look at the seal, and not vetted. as: what was looked at, NULL for any file; another is NS_E_IO. */
int ns_file_open_bare(ns_file **out, const char *path, const ns_identity *as, ns_error *);
/* rc, or NS_E_IO where the file is not any more what it was when it was opened: HDF5 reads zeros behind the end of a file that was cut.
 * Before HDF5 is asked, since it may fail to close what it finds in such a file; and afterwards, as how every reader ends what ns_h5_enter
 * began. */
int ns_file_check(const ns_file *, int rc, ns_error *);
int ns_file_end(const ns_file *, ns_h5_quiet, int rc, ns_error *);
/* Bytes of the file itself; false: it has not so many there, or they cannot be read. */
bool ns_file_bytes(const ns_file *, void *to, size_t n, uint64_t at);
/* ns_kind_check_output for a file of ours with these facts. */
int ns_file_check_output(const char *path, const ns_fact *facts, int n, ns_error *);
ns_kind ns_file_kind(const ns_file *);
ns_kind ns_kind_of_hdf5(const char *path);                               /* what lib/core/kind.c asks for */
/* ns_file_open, without a word of what else the file is. *sealed: it ends in our seal, right or wrong, so it is, or was, ours. */
int ns_file_open_vetted(ns_file **out, const char *path, bool *sealed, ns_error *);
/* Attributes of an object as text, appended to the facts. */
int ns_attributes_count(const ns_file *, hid_t object, hsize_t *n, ns_error *);      /* NS_E_FORMAT: too many to be read */
int ns_load_attributes(ns_file *, hid_t object, ns_error *);

/* NS_E_MISSING names the file and the dataset. */
int ns_dset_open(const ns_file *, const char *name, ns_dset *out, ns_error *);
/* NS_E_FORMAT when the file does not hold what the shape claims. whole: all of it is to be read at once. */
int ns_dset_check(const ns_file *, const ns_dset *, const char *name, bool whole, ns_error *);
/* How it is cut into chunks, and how many of them the file holds, 0 where HDF5 cannot say; false: in none, or it fails. */
bool ns_dset_chunks(const ns_dset *, hsize_t chunk[NS_MAX_RANK], hsize_t *stored);
bool ns_dset_has_chunk(const ns_dset *, const hsize_t *at);
/* deflate makes at most so many bytes of one, and a dataset has so many bytes of its own. */
enum { NS_MOST_RATIO = 1032, NS_RATIO_SLACK = 1 << 16 };
/* The same; one of which the file keeps the numbers may have no id. */
int ns_dset_seen(const ns_file *, const char *name, ns_dset *out, ns_error *);
/* Of an object that is a dataset, which becomes the ns_dset's, or is closed where that fails. */
int ns_dset_of(const ns_file *, hid_t object, const char *name, ns_dset *out, ns_error *);
void ns_dset_close(ns_dset *);

/* ---- what a file keeps of its datasets (kept.c) ---- */
ns_kept *ns_kept_find(const ns_file *, const char *name);                       /* NULL: nothing */
/* The file's from now on, where there is room: then it is shared. */
void ns_kept_add(const ns_file *, const char *name, ns_dset *);
/* Its numbers, malloc'd; kept where there is room, else freed. */
void ns_kept_numbers(const ns_file *, const char *name, const ns_dset *, void *bytes, int64_t n);
/* A dataset whose header lies at this address, as the file before says of the same bytes; false: HDF5 is to be asked. */
bool ns_kept_recall(const ns_file *, const char *name, haddr_t header);
/* Its header, for the file that follows. */
void ns_kept_header(const ns_file *, const char *name, const H5O_info_t *);
/* All bytes of the header at this address, at most so many, one chunk behind the other; their number, 0: not to be had (header.c). */
int64_t ns_header_bytes(const ns_file *, uint64_t at, uint8_t *out, int64_t room);
/* HDF5 is to close the file next. */
void ns_kept_clear(ns_file *);
/* Its texts as HDF5 allocates them (NULL = empty), each bounded and UTF-8; given back by ns_dset_free_texts. */
int ns_dset_texts(const ns_file *, const ns_dset *, const char *name, char ***out, ns_error *);
void ns_dset_free_texts(char **, int64_t n);
/* "case layer head": the names of the scales on its axes, ? where there is none; the dataset's own name where it is a scale. Malloc'd. */
int ns_dset_axes(const ns_file *, const ns_dset *, const char *name, char **out, ns_error *);
/* *out malloc'd; NULL for arrays and for types that no needlescope file has. NS_E_FORMAT: a text or number that cannot be read. */
int ns_attribute_text(const ns_file *, hid_t attribute, const char *name, char **out, ns_error *);
/* NS_E_FORMAT: what is called so refers to something in a heap that is not there. */
int ns_text_is_gone(const ns_file *, const char *what, ns_error *);
/* start NULL: all */
int ns_dset_read(const ns_file *, const ns_dset *, hid_t memory_type, const int64_t *start, const int64_t *count, void *out);

#endif
