/* reader.h - inside lib/io: what a checkpoint is made of, and the table of file formats.
 *
 * path -> ns_locate (which files, which index) -> for each file the reader whose probe knows its bytes -> tensors,
 * sorted by name -> checked against the index. Adding a format is one file NAME.c with one ns_NAME_reader, and NAME in
 * meson.build. */
#ifndef NS_READER_H
#define NS_READER_H

#include "core/core.h"
#include <needlescope/checkpoint.h>

typedef struct ns_weight_file {
    char    *path;
    ns_input in;
    char    *names;        /* owned: the NUL-terminated tensor names that the tensors point to */
    uint8_t *header;       /* owned: leading bytes that describe the tensors; they go into the identity */
    size_t   header_bytes;
} ns_weight_file;

/* What a file begins with, and how large it is: enough to know its format. */
enum { NS_LEAD_BYTES = 512 };
typedef struct ns_lead { uint8_t bytes[NS_LEAD_BYTES]; size_t n, size; } ns_lead;

struct ns_checkpoint {
    char           *dir, *config, *tokenizer;
    ns_weight_file *files;
    int64_t         n_files;
    ns_tensor      *tensors;
    int64_t         n_tensors, capacity;
    char            identity[65];
};

typedef struct ns_reader {
    const char *name, *extension;       /* "safetensors", ".safetensors": the extension only chooses who complains about unknown bytes */
    bool (*probe)(const ns_lead *);
    /* Appends the file's tensors after ns_checkpoint_reserve and sets names and header_bytes. What it leaves half done is freed with the
     * checkpoint. */
    int (*open)(ns_checkpoint *, ns_weight_file *, ns_error *);
} ns_reader;

#define ENTRY(name) extern const ns_reader ns_##name##_reader;
#include "io/reader_list.h"
#undef ENTRY

const ns_reader *ns_reader_named(const char *name);
const ns_reader *ns_reader_of_name(const char *file);   /* by the extension of a file's name; NULL where none has it */
/* By bytes; the error says what the file is instead, as far as its first bytes tell. */
int ns_reader_for(const ns_reader **out, const ns_lead *, const char *path, ns_error *);

/* Room for `more` tensors at the end of the list; the caller fills them and raises n_tensors. */
int ns_checkpoint_reserve(ns_checkpoint *, int64_t more, ns_error *);

/* Where the tensors are. index is NULL for a single file; files are paths in byte order of their names. */
typedef struct ns_location {
    char   *dir;
    char  **files;
    int64_t n_files, capacity;
    cJSON  *index;
    char   *index_path;
} ns_location;
int  ns_locate(ns_location *out, const char *path, const char *revision, ns_error *);
void ns_location_free(ns_location *);
/* The error that says what a folder without safetensors is instead (names: what is in it), and how to convert it. */
int  ns_other_form(const char *folder, char *const *names, int64_t n, ns_error *);

/* model.safetensors.index.json: weight_map name -> file, both directions checked against the tensors that were found. */
int  ns_index_files(ns_location *, ns_error *);
int  ns_index_check(const ns_checkpoint *, const ns_location *, ns_error *);
bool ns_plain_name(const char *name);   /* a file name and nothing else: no '/', no '\\', not "." or ".." */

#endif
