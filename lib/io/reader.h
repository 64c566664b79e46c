/* reader.h - inside lib/io: what a checkpoint is made of, and the table of file formats.
 *
 * path -> ns_locate (which files, which index) -> for each file the reader whose probe knows its bytes -> tensors,
 * sorted by name -> checked against the index. Adding a format is one file NAME.c with one ns_NAME_reader, and NAME in
 * meson.build. */
#ifndef NS_READER_H
#define NS_READER_H

#include "core/core.h"
#include <needlescope/checkpoint.h>

/* A file of tensors, and what its reader keeps of it. */
typedef struct ns_weight_file {
    char    *path;
    ns_input in;
    char    *names;        /* owned: the NUL-terminated tensor names that the tensors point to */
    uint8_t *header;       /* owned: the bytes that describe the tensors; they go into the identity */
    size_t   header_bytes;
    struct ns_coded *coded;        /* owned: what the tensors that are not plain point to (blocks.h), or NULL */
} ns_weight_file;

/* What a file begins with, and how large it is: enough to know its format. */
enum { NS_LEAD_BYTES = 512 };
typedef struct ns_lead { uint8_t bytes[NS_LEAD_BYTES]; size_t n, size; } ns_lead;

struct ns_checkpoint {
    /* dir and paths: of config.json and tokenizer.json, or of a file of weights that says itself what they would. config_text: what such
     * a file says of the model, as the text of a config.json (NULL: read `config`). no_config: the message why what it says is not
     * understood (NULL: it is). */
    char           *dir, *config, *tokenizer, *config_text, *no_config;
    ns_weight_file *files;
    int64_t         n_files;
    ns_tensor      *tensors;
    int64_t         n_tensors, capacity;
    int64_t         step;         /* of the training, as the file itself says; -1: it does not */
    char          **notes;        /* what was taken, left out or renamed, a line each */
    int64_t         n_notes, notes_capacity;
    char            identity[65];
};

typedef struct ns_reader {
    const char *name;
    const char *const *globs;           /* of file names, NULL at the end. Of a file by itself they only choose who complains about unknown
                                         * bytes */
    const char *whole, *index;          /* the names that transformers gives: one file, the index of shards; NULL: it gives none */
    bool (*probe)(const ns_lead *);
    /* Appends the file's tensors after ns_checkpoint_reserve and sets names and header_bytes. What it leaves half done is freed with the
     * checkpoint. */
    int (*open)(ns_checkpoint *, ns_weight_file *, ns_error *);
    /* NULL, or called once after every file was opened, before tensors are sorted: what needs all files, as the names that transformers
     * gives the tensors. A file that describes its model sets config and config_text here, and tokenizer to the path that `tokenize`
     * takes; what it sets stands before the files beside it. */
    int (*finish)(ns_checkpoint *, ns_error *);
    /* NULL, or what the file at that path says of its tokenizer: *json as tokenizer.json would be (json may be NULL), and a hash of it. */
    int (*tokenize)(const char *path, cJSON **json, char sha256[65], ns_error *);
    bool (*probe_tokenizer)(const ns_lead *);    /* of the file that tokenize takes; NULL: it is the file of weights */
    /* NULL, or the chat template in that file: malloc'd; *out = NULL where there is none. */
    int (*chat_template)(const char *path, char **out, ns_error *);
} ns_reader;

#define ENTRY(name) extern const ns_reader ns_##name##_reader;
#include "io/reader_list.h"
#undef ENTRY

const ns_reader *ns_reader_at(int i);                   /* in the order in which a folder is searched for them; NULL behind the last */
const ns_reader *ns_reader_named(const char *name);
const ns_reader *ns_reader_of_name(const char *file);   /* by its globs; NULL where none fits */
bool ns_reader_gives(const char *file);                 /* transformers gives a file or an index of shards that name */
bool ns_reader_takes(const ns_reader *, const char *file);
/* By bytes; the error says what the file is instead, as far as its first bytes tell. */
int ns_reader_for(const ns_reader **out, const ns_lead *, const char *path, ns_error *);

/* The reader of a file that has a tokenizer in its own way, by its bytes; NULL: no such file. */
const ns_reader *ns_reader_with_tokenizer(const char *path);

/* Elements of a tensor that is stored as plain numbers of that dtype, whose range was checked, widened; n halves. */
int  ns_plain_read(const ns_tensor *, ns_dtype, int64_t first, int64_t n, float *out, ns_error *);
void ns_widen_f16(float *restrict out, const uint8_t *restrict in, int64_t n);

/* Room for `more` tensors at the end of the list; the caller fills them and raises n_tensors. */
int ns_checkpoint_reserve(ns_checkpoint *, int64_t more, ns_error *);
int ns_checkpoint_add_note(ns_checkpoint *, ns_error *, const char *fmt, ...) NS_PRINTF(3, 4);
/* Bytes of a tensor of that shape; false beyond 2^63 - 1. The dimensions of an empty one that are not 0 must fit too, since strides are
 * their products. */
bool ns_shape_bytes(ns_dtype, int rank, const int64_t *shape, int64_t *out);
bool ns_is_row_major(const ns_view *);                          /* dimensions of one element may have any stride */
/* Elements [first, first + n) of the tensor's order, which are not in that order in the file. Checked: they are within it, n > 0. */
int ns_gather(const ns_tensor *, int64_t first, int64_t n, void *out, ns_error *);
/* Names without what wrappers of modules put before them (torch.compile, FSDP, DDP, Lightning); a note says so. */
int ns_checkpoint_plain_names(ns_checkpoint *, bool *changed, ns_error *);

/* Of a checkpoint whose tensors are known: where its config.json and its tokenizer are, unless its files say that themselves. */
int ns_checkpoint_companions(ns_checkpoint *, ns_error *);

/* Where the tensors are. index is NULL for a single file; files are paths in byte order of their names. */
typedef struct ns_location {
    char   *dir;
    char  **files;
    int64_t n_files, capacity;
    cJSON  *index;
    char   *index_path;
    char   *note;                       /* which other weights lie beside them, or NULL */
} ns_location;
int  ns_locate(ns_location *out, const char *path, const char *revision, ns_error *);
int  ns_cache_revisions(char ***out, int64_t *n, const char *cache, ns_error *);   /* the names below refs/, in order: "hf/step1", "main" */
void ns_location_free(ns_location *);
/* By its name: a file of weights that is read by itself, and no trainer's state, adapter or part of a form that is not read. */
bool ns_is_weights(const char *name);
/* The error that says what a folder without weights that are read is instead (names: what is in it), and how to convert it. */
int  ns_other_form(const char *folder, char *const *names, int64_t n, ns_error *);
/* The same line for a folder whose entries were not named; NS_OK: it is no form that is known and not read. */
int  ns_foreign_form(const char *folder, ns_error *);

/* An index of shards: weight_map name -> file, both directions checked against the tensors that were found. */
int  ns_index_files(ns_location *, ns_error *);
int  ns_index_check(const ns_checkpoint *, const ns_location *, ns_error *);
/* NAME-00002-of-00003.gguf: 3; another name: 0. Of such a name, that of part `no` (from 1 on): malloc'd. */
int64_t ns_parts_of(const char *name);
char   *ns_part_name(const char *name, int64_t no);
bool ns_plain_name(const char *name);   /* a file name and nothing else: no '/', no '\\', not "." or ".." */

#endif
