/* core.h - what every other folder stands on: checked arithmetic, strings, files, JSON, hashing, random numbers.
 * libc and cJSON only (cJSON stays behind json_*). Internal: not installed. */
#ifndef NS_CORE_H
#define NS_CORE_H

#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include <needlescope/error.h>
#include <needlescope/head.h>
#include <needlescope/kind.h>
#include <needlescope/view.h>
#include <cjson/cJSON.h>

/* ---- memory and sizes: all NULL / false on overflow ---- */
bool  ns_mul_size(size_t a, size_t b, size_t *out);
bool  ns_mul_i64(int64_t a, int64_t b, int64_t *out);
bool  ns_add_i64(int64_t a, int64_t b, int64_t *out);
void *ns_alloc_array(size_t n, size_t size);            /* zeroed; NULL when n * size overflows or memory is out; never NULL for n = 0 */
void *ns_alloc_aligned(size_t bytes);                   /* 64-byte aligned, not zeroed; free() */
void *ns_alloc_lines(size_t bytes);                     /* so, too, in pages of the usual size */
bool  ns_grow(void *list_pointer, int64_t *capacity, int64_t need, size_t size);   /* realloc a T** list by doubling */
char *ns_strdup(const char *);
bool  ns_copy_text(char **to, const char *text);        /* false: memory is out; a NULL stays one */
char *ns_printf_alloc(const char *fmt, ...) NS_PRINTF(1, 2);
bool  ns_glob(const char *pattern, const char *text);   /* '*' any run, '?' one character; the whole text */
bool  ns_starts(const char *text, const char *prefix);
bool  ns_ends(const char *text, const char *suffix);
char *ns_one_line(char *text);                          /* control characters and what is no UTF-8 become spaces, in place; NULL stays */
char *ns_spell_bytes(const char *text, const char *before); /* bytes that are no UTF-8 in hexadecimal, behind `before`; malloc'd */
char *ns_clean_utf8(const char *text);                  /* the same as \xff: readers refuse them as they are; malloc'd */
char *ns_visible(const char *text, const char *kept);   /* as \n, \x1b, \u009b: control characters but those of kept; malloc'd */
void  ns_put_visible(FILE *, const char *text, const char *kept);       /* the same into a stream: asks for no memory */
char *ns_base64(const void *data, size_t n);            /* RFC 4648, one line; malloc'd */
uint8_t *ns_base64_decode(const char *text, size_t *n);  /* malloc'd; NULL: out of memory (*n 0), or no base64 */
char *ns_command_line(int n, const char *const *words); /* as a shell would take it: unusual words in quotes; malloc'd */
void  ns_csv_field(FILE *, const char *text);           /* RFC 4180: in quotes where it must be */
/* Copies what both sides know of a caller's struct that begins with its size; the rest of `to` becomes 0: how every struct of parameters is
 * read, so that a program built with older or newer headers goes on working. NS_E_ARG: NULL, no size, or fields set that we do not know. */
int   ns_sized_copy(void *to, size_t size, const void *from, const char *what, ns_error *);
/* One line of text, clean as ns_one_line's, that fits: its paths give up folders in their middle first, so that a file's own name and what
 * stands behind it, the reason and the remedy, are there whatever the path. The arguments may point into out. */
void  ns_line(char *out, size_t size, const char *fmt, ...) NS_PRINTF(3, 4);
void  ns_line_args(char *out, size_t size, const char *fmt, va_list) NS_PRINTF(3, 0);
/* rc; an error about what a file holds, or of what is asked of it, then begins with its name where it did not say it. path: NULL = none */
int   ns_fail_of(ns_error *, int rc, const char *path);
/* rc; what is asked of a file that nobody chose (chosen: somebody did) then names the option that chooses. */
int   ns_fail_default(ns_error *, int rc, bool chosen, const char *option);
int   ns_oom(ns_error *, const char *what);             /* NS_E_MEMORY with a line */

/* ---- lists ---- */
void  ns_free_strings(char **list, int64_t n);          /* each, and the list; NULL is fine */
char *ns_heads_text(const ns_head *heads, int64_t n);      /* "18.6,23.0"; malloc'd */


/* ---- numbers (no NaN among them) ---- */
bool ns_is_single(double);         /* is it 0, or a number of f32's range: not so large, nor so near to 0, that digits are lost? */
int64_t ns_argmax(const float *values, int64_t n, int64_t stride);      /* place of the largest; ties go to the first */
int    ns_compare_double(const void *, const void *);                  /* for qsort */
/* Linear between neighbours (numpy's default); INFINITY (never) beside a number is INFINITY. NaN for n = 0. */
double ns_quantile_sorted(const double *sorted, int64_t n, double q);
double ns_median_sorted(const double *sorted, int64_t n);

/* ---- files ---- */
/* A regular file, held open. It may shrink or vanish while it is read: that is NS_E_IO with its name. Nothing is mapped. */
typedef struct ns_input { int fd; bool open; int64_t size, mtime_ns; } ns_input;
int  ns_input_open(ns_input *, const char *path, ns_error *);         /* a folder, FIFO, socket or device is NS_E_MISSING at once, by its
                                                                       * kind */
/* all n bytes, or an error; any thread */
int  ns_input_read(const ns_input *, int64_t at, void *out, size_t n, const char *path, ns_error *);
/* Hints, where the system takes them: these bytes are read soon; these are not read again for long and may leave the page cache. */
void ns_input_soon(const ns_input *, int64_t at, int64_t n);
void ns_input_done(const ns_input *, int64_t at, int64_t n);
void ns_input_close(ns_input *);
int  ns_input_refuse(const char *path, mode_t, ns_error *);           /* NS_E_MISSING: says what it is */
/* A descriptor of a file that is written in its place (a log, a lock), made where it is absent; flags: O_WRONLY or O_RDWR, O_TRUNC. Below
 * 0: NS_E_CREATE at once where a link, FIFO, socket, device or folder stands there, by its kind. */
int  ns_place_open(const char *path, int flags, ns_error *);
/* Which file it is, and how it was: other numbers mean that it was replaced, cut or written to. */
typedef struct ns_identity { uint64_t device, inode; int64_t size, mtime_ns; } ns_identity;
bool ns_identity_of(int fd, ns_identity *);
bool ns_identity_at(const char *path, ns_identity *);
bool ns_identity_same(const ns_identity *, const ns_identity *);
int  ns_identity_fail(const char *path, ns_error *);                  /* NS_E_IO: it is not any more what it was when it was opened */
/* A descriptor, the caller's. A stream that is open already is read as it is (/dev/stdin, /dev/fd/N); whatever else must be opened has to
 * be a file. */
int  ns_text_open(const char *path, ns_error *);
/* A text line by line; number: of the line that was given last. Zeroed by close. */
typedef struct ns_lines { const char *path; int fd; bool open, ended; char *data; int64_t n, at, capacity, number; } ns_lines;
int  ns_lines_open(ns_lines *, const char *path, ns_error *);
/* 1: *line has *n bytes and a NUL in place of its end, the caller's to write on until the next call; 0: there is none; else a code. */
int  ns_lines_next(ns_lines *, size_t longest, char **line, size_t *n, ns_error *);
void ns_lines_close(ns_lines *);
/* NUL-terminated copy; > limit is an error. /dev/stdin and /dev/fd/N may be pipes or devices: they are open already. */
int  ns_file_read(const char *path, size_t limit, char **out, size_t *n, ns_error *);
bool ns_path_is_dir(const char *);
bool ns_path_exists(const char *);
const char *ns_folder_holds(const char *folder, const char *const *names);   /* the first of the names that is in it; names end with NULL */
bool ns_path_inside(const char *path, const char *folder);              /* the folder itself, or below it; path need not exist */
const char *ns_path_kind(const char *);                               /* "a FIFO", "a socket", "a device", "a folder", "a file" */
bool ns_path_is_stream(const char *);                                 /* a pipe, terminal or other device */
int  ns_path_stream(const char *);                                    /* /dev/stdout, /dev/fd/N: the number of a stream that is open
                                                                       * already; -1 for another path */
bool ns_path_is_stdout(const char *);                                 /* /dev/stdout by any of its names */
char *ns_path_join(const char *dir, const char *name);
/* From the root on, without links; as it is where it leads nowhere. malloc'd; NULL: out of memory. */
char *ns_path_whole(const char *path);
const char *ns_path_base(const char *path);
/* A folder's entries without . and .., sorted by bytes; malloc'd. */
int  ns_folder_list(char ***out, int64_t *n, const char *folder, ns_error *);

/* Made unless it is there. NS_E_CREATE; where the parent is missing, that is what is said. */
int  ns_folder_make(const char *folder, ns_error *);
/* PARENT/NAME (parent is made if need be): filled as a temporary beside, put in the place of an older one, the parent synced; so it is
 * whole or absent. */
typedef int (*ns_folder_fill)(void *user, const char *folder, ns_error *);
int  ns_folder_write(const char *parent, const char *name, ns_folder_fill, void *user, ns_error *);
int  ns_folder_sync(const char *folder);                              /* 0, or -1 with errno; so ns_sync */
int  ns_sync(int fd);

/* What a count adds to its noun: "1 head", "2 heads". */
static inline const char *ns_plural(int64_t n) { return n == 1 ? "" : "s"; }

/* Temporaries beside their target (temporary.c). errno says why the descriptor is -1; close it last, for it holds the lock. */
bool ns_temporary_is(const char *name);                               /* by its form */
char *ns_temporary_name(const char *target);                          /* malloc'd; NULL: no memory, or no random numbers */
int  ns_temporary_file(const char *name);
int  ns_temporary_folder(const char *name);
void ns_temporary_remove(const char *name);                           /* a file, or a folder of files */
void ns_temporaries_sweep(const char *folder, const char *base);      /* those of processes that are gone; base: of this target alone, NULL:
                                                                       * of all */

/* ---- claim.c: work that several processes share, on one node or many ---- */
typedef struct ns_claim ns_claim;
enum { NS_CLAIM_HOLDER = 256 };
/* Makes the file PATH, or takes over a stale one. *out NULL with NS_OK: a live process has it, and holder says which. Until it is released
 * the claim's time is renewed by a thread of its own. */
int  ns_claim_take(ns_claim **out, const char *path, char holder[NS_CLAIM_HOLDER], ns_error *);
void ns_claim_release(ns_claim *);                                    /* removes it, where it still is ours */
bool ns_claim_held(const char *path, char holder[NS_CLAIM_HOLDER]);   /* by a live process; holder is written where it is */

/* The only way to write a file: into a temporary, fsynced, renamed over PATH (and the folder fsynced); abort unlinks it. A stream is
 * written straight. */
typedef struct ns_atomic_file {
    char *path, *tmp, *buffer;
    int   fd, out, reason;             /* out, reason: of its stdio stream, and why the first write failed; 0 = none did */
    bool  made, stream;
} ns_atomic_file;                      /* stays where it is while it has a stream */
int  ns_atomic_begin(ns_atomic_file *, const char *path, ns_error *); /* checks that the folder is writable; makes no file yet; refuses a
                                                                       * stream */
int  ns_atomic_begin_text(ns_atomic_file *, const char *path, ns_error *);   /* the same for what is written from front to back: /dev/stdout
                                                                              * and pipes are fine */
int  ns_atomic_open(ns_atomic_file *, ns_error *);                           /* a descriptor to read and write, the caller's to close; or a
                                                                              * code below 0 */
FILE *ns_atomic_stream(ns_atomic_file *, int *rc, ns_error *);               /* the same as a stdio stream, for ns_atomic_end */
int  ns_atomic_end(ns_atomic_file *, FILE *, int rc, ns_error *);            /* closes the stream (or NULL); commits, or aborts where rc < 0
                                                                              * or writing failed */
int  ns_atomic_commit(ns_atomic_file *, ns_error *);
void ns_atomic_abort(ns_atomic_file *);
int  ns_file_write(const char *path, const void *data, size_t n, ns_error *);           /* atomic, whole; streams are fine */
/* What a writer refuses before it writes, asked before the work: NS_E_CREATE where the output would replace another kind of file or cannot
 * be written. text: a stream will do. */
int  ns_output_check(const char *path, ns_kinds same, bool text, ns_error *);
/* One file by two names, through links too; of files that are not there yet: one name in one folder. */
bool ns_path_is_same(const char *a, const char *b);
/* NS_E_ARG when the output is one of the inputs (through links too), or is what an input folder is read for: weights, config, tokenizer,
 * shards, names of revisions. */
int  ns_check_not_input(const char *output, const char *const *inputs, int64_t n, ns_error *);

/* rc < 0: why path could not be read is in err, and stays where its kind is in `fine`; else err says "PATH: is a PNG picture, not WANTED".
 * Gives rc back. */
int  ns_kind_fail(ns_error *, int rc, const char *path, ns_kinds fine, const char *wanted);

/* ---- text that is written piece by piece, into memory; what found none is told at the end ---- */
enum { NS_STREAM_BYTES = 1 << 14 };                     /* of the buffer of a stream */
typedef struct ns_stream ns_stream;
ns_stream *ns_stream_open(void);                        /* NULL: no memory */
FILE *ns_stream_file(const ns_stream *);                /* borrowed */
/* Frees. text: the caller's, NUL behind its n bytes (n may be NULL); NULL when it fails. NS_E_MEMORY: "out of memory: LABEL". */
int   ns_stream_end(ns_stream *, const char *label, char **text, size_t *n, ns_error *);
void  ns_stream_drop(ns_stream *);                      /* what was written is not wanted; NULL is fine */

/* ---- JSON: strict reading over cJSON (UTF-8 checked, duplicate keys and depth > max_depth refused, whole input consumed) ---- */
int  ns_json_parse(cJSON **out, const char *text, size_t n, int max_depth, const char *label, ns_error *);
/* what parse finds wrong before it takes memory */
int  ns_json_check(const char *text, size_t n, int max_depth, const char *label, ns_error *);
int  ns_json_read(cJSON **out, const char *path, size_t limit, int max_depth, ns_error *);
/* The same of a file that Python wrote: Infinity, its word for a limit that is none (of transformers 5 {"__float__": "Infinity"}), is the
 * number 1e300. */
int  ns_json_parse_python(cJSON **out, const char *text, size_t n, int max_depth, const char *label, ns_error *);
int  ns_json_read_python(cJSON **out, const char *path, size_t limit, int max_depth, ns_error *);
/* The text of an object, which was parsed, with this string as its last member, in place of one that it had; every other byte as it was, so
 * that 0.0 does not become 0. malloc'd; NULL: no memory. */
char *ns_json_with_string(const char *text, const char *key, const char *value);
/* The same with this value in place of each string that a member of this name has, at any depth. value: as it stands between quotes. */
char *ns_json_with_values(const char *text, const char *key, const char *value);
/* ns_kind_fail for who reads JSON of one purpose: JSON of another is named. */
int  ns_json_fail(ns_error *, int rc, const char *path, ns_kind purpose);
/* What the text [n] of a JSON file is for; NUL stands behind it. whole: it is all of the file. */
ns_kind ns_kind_of_json(const char *text, size_t n, bool whole);
/* Typed getters. absent or null -> *out = otherwise; a wrong type or a non-integral number is NS_E_FORMAT naming label and key. */
int  ns_json_i64(const cJSON *object, const char *key, int64_t otherwise, int64_t *out, const char *label, ns_error *);
int  ns_json_f64(const cJSON *object, const char *key, double otherwise, double *out, const char *label, ns_error *);
int  ns_json_bool(const cJSON *object, const char *key, bool otherwise, bool *out, const char *label, ns_error *);
/* Borrowed string or NULL when absent. */
int  ns_json_str(const cJSON *object, const char *key, const char **out, const char *label, ns_error *);
/* `code` names the first key that is none of the n known, and the one that was likely meant; else `otherwise` says where it belongs. */
/* NS_E_FORMAT where a key of the object is null, which a reader of single keys takes for one that is not there. */
int  ns_json_no_null(const cJSON *object, const char *label, ns_error *);
int  ns_json_keys(const cJSON *object, const char *const *known, int n, int code, const char *otherwise, const char *label, ns_error *);
char *ns_json_print(const cJSON *, bool pretty);        /* malloc'd; bytes that are no UTF-8 as \udcff, which is os.fsdecode of Python */

/* A text as LaTeX prints it, whatever it holds: a control character is a blank. */
void ns_latex_text(FILE *, const char *text);

/* ---- UTF-8 ---- */
bool ns_utf8_valid(const char *text, size_t n, size_t *bad_offset);
/* Takes out what a %.40s left of a character that it cut. Returns the text. */
char *ns_utf8_whole(char *text);
int  ns_utf8_put(char *out, uint32_t code);                           /* at most 4 bytes: how many */
int  ns_utf8_next(const char *text, size_t n, uint32_t *code);         /* bytes used, 0 at the end, -1 invalid */
/* A format character without ink that makes a text read another way, or not at all: soft hyphen, zero-width space, direction, tags. Not the
 * joiners, which many scripts are written with. */
bool ns_is_unseen(uint32_t code);
/* May a line end between two pieces of a text: at blanks, and beside characters of scripts that are written without them? */
bool ns_may_break(const char *before, const char *after);

/* ---- SHA-256 (nettle behind it) ---- */
typedef struct ns_sha256 { _Alignas(16) uint8_t state[256]; } ns_sha256;
void ns_sha256_begin(ns_sha256 *);
void ns_sha256_add(ns_sha256 *, const void *data, size_t n);
void ns_sha256_end(ns_sha256 *, char hex[65]);
void ns_sha256_of(const void *data, size_t n, char hex[65]);

/* ---- random numbers: xoshiro256++ seeded by splitmix64; the same stream on every machine ---- */
typedef struct ns_rng { uint64_t s[4]; } ns_rng;
ns_rng   ns_rng_seed(uint64_t seed, uint64_t stream);
uint64_t ns_rng_u64(ns_rng *);
int64_t  ns_rng_below(ns_rng *, int64_t n);              /* uniform in [0, n), unbiased */
double   ns_rng_uniform(ns_rng *);                       /* [0, 1), 53 bits */
double   ns_rng_normal(ns_rng *);

/* ---- a child process for what may crash, hang or take all memory: reading HDF5 that a stranger made ---- */
typedef struct ns_child_limits {
    int     cpu_seconds;                                 /* of work, from when it was last busy with something new */
    int     patience;                                    /* seconds of wall time in which it does no work at all */
    int     first_patience;                              /* of a first child: after it a second one is made; 0 = of the only one */
    int64_t bytes_beside;                                /* of address space beside what the process has; 0 = no limit */
    void  (*hold)(void (*act)(void *), void *arg);       /* calls act(arg) while no other thread has a lock that the work needs, or NULL:
                                                          * the child is made then, since a lock that is held stays held there for ever */
} ns_child_limits;
typedef int (*ns_child_work)(void *user, ns_error *);
/* Does the work in a child and gives its code and message: all else that it does to memory is lost. A child that crashes or does not end is
 * NS_E_FORMAT of what it was busy with, `label` until it says so; NS_E_IO where it did nothing but wait, or twice somebody killed it. */
int  ns_in_child(ns_child_work, void *user, const char *label, const ns_child_limits *, ns_error *);
bool ns_memory_left(int64_t bytes);                      /* this process could have so many more now */
bool ns_descriptors_left(int n);                         /* the same, of n files (at most 16); false: errno says which limit is reached */
void ns_child_busy(const char *with);                    /* of a child: its time begins anew; NULL: it needs no limits now */

/* ---- fork(): a lock that another thread held and the threads of a pool are gone in a child. What owns such things registers here. ---- */
typedef struct ns_at_fork {
    void (*in_child)(void *user);                        /* called once in the child, before fork() returns there */
    void *user;
    struct ns_at_fork *next;                             /* ours */
} ns_at_fork;
void ns_at_fork_add(ns_at_fork *);                       /* stays where it is until removed */
void ns_at_fork_remove(ns_at_fork *);                    /* one that was never added is no harm */

/* ---- threads: a pool whose results never depend on its size. The caller works too. ---- */
typedef struct ns_pool ns_pool;
typedef void (*ns_task_fn)(void *user, int64_t task, int worker);     /* worker in [0, ns_pool_size) : index of scratch */
int  ns_pool_new(ns_pool **out, int threads, ns_error *);
void ns_pool_free(ns_pool *);
int  ns_pool_size(const ns_pool *);
void ns_pool_run(ns_pool *, int64_t n_tasks, ns_task_fn, void *user); /* returns when all are done. Threads may share a
                                                                         * pool: their jobs take turns. A task runs no job of its own pool.
                                                                         * In a child of fork() the first job starts the threads anew. */

#endif
