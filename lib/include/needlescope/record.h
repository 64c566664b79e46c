/* record.h - recordings (maps, rows, activations of one checkpoint) and score files, as HDF5 that h5py, xarray and netCDF4 open.
 *
 * Files are written to a temporary beside NAME, closed, fsynced and renamed. The root carries schema, complete = 1, config_sha256 and
 * content_sha256 (names, shapes and bytes of all datasets; /provenance left out). See lib/record/schema.md.
 * Several threads may make and read files at once where HDF5 was built for threads (H5is_library_threadsafe: Debian's is). */
#ifndef NEEDLESCOPE_RECORD_H
#define NEEDLESCOPE_RECORD_H

#include <needlescope/axes.h>
#include <needlescope/kind.h>
#include <needlescope/best.h>
#include <needlescope/model.h>
#include <needlescope/provenance.h>

NS_BEGIN

/* Stable facts are attributes of the root; volatile ones go to the /provenance group. config_sha256 of the files made with these facts:
 * SHA-256 over the stable ones, whatever their order. A file is done when it opens and its config_sha256 equals this. */
NS_API NS_MUST_CHECK int ns_facts_sha256(const ns_fact *facts, int n_facts, char hex[65], ns_error *);

/* ---- a writer of named arrays with named axes: scores, and everything that analysis reads ---- */
typedef struct ns_table_writer ns_table_writer;
NS_API NS_MUST_CHECK int ns_table_create(ns_table_writer **out, const char *path, const ns_fact *facts, int n_facts, ns_error *);
/* The same with the run's provenance (version, caller, time, host) behind the facts: a name that they have stands. */
NS_API NS_MUST_CHECK int ns_table_create_by(ns_table_writer **out, const char *path, const ns_fact_list *facts, const ns_provenance *by,
                                            ns_error *);
/* A coordinate axis: values are i32/i64/f32/f64 numbers. Becomes a dimension scale of that name. */
NS_API NS_MUST_CHECK int ns_table_axis(ns_table_writer *, const char *name, const ns_view *values, ns_error *);
/* The axis 0 ... n - 1. */
NS_API NS_MUST_CHECK int ns_table_count(ns_table_writer *, const char *name, int64_t n, ns_error *);
/* axes: "case layer head" - names of axes already made, outermost first; the view's shape must agree. summary and units may be NULL. */
NS_API NS_MUST_CHECK int ns_table_array(ns_table_writer *, const char *name, const char *axes, const ns_view *, const char *summary,
                                        ns_error *);
NS_API NS_MUST_CHECK int ns_table_strings(ns_table_writer *, const char *name, const char *axes, const char *const *values, int64_t n,
                                          ns_error *);
/* An array that is larger than memory, written cell by cell in row-major order: a cell is all that lies behind the first `lead` axes. Of
 * `shape` rank, shape and dtype count. Several may be written side by side; each has to be finished (which frees it) before the commit, or
 * dropped before the abort. */
typedef struct ns_table_part ns_table_part;
NS_API NS_MUST_CHECK int ns_table_begin(ns_table_writer *, ns_table_part **out, const char *axes, const ns_view *shape, int lead,
                                        const char *name, const char *summary, ns_error *);
NS_API NS_MUST_CHECK int ns_table_add(ns_table_part *, const void *cell, ns_error *);
NS_API NS_MUST_CHECK int ns_table_finish(ns_table_part *, ns_error *);
NS_API void ns_table_part_drop(ns_table_part *);                              /* NULL is fine */
/* Says what the numbers of a score mean, once its array is written. */
NS_API NS_MUST_CHECK int ns_table_meaning(ns_table_writer *, const char *name, const ns_score_meaning *, ns_error *);
NS_API NS_MUST_CHECK int ns_table_commit(ns_table_writer *, ns_error *);      /* complete = 1, content_sha256, fsync, rename; frees in any
                                                                               * case */
/* Commits when rc is NS_OK, else aborts and gives rc back: the end of a chain of writes. */
NS_API NS_MUST_CHECK int ns_table_end(ns_table_writer *, int rc, ns_error *);
NS_API void ns_table_abort(ns_table_writer *);                                /* frees, removes the temporary */

/* ---- reading what was written ---- */
typedef struct ns_file ns_file;
/* NS_E_FORMAT: no HDF5 file, damaged (its seal says so), or one that HDF5 cannot be trusted with: it is opened in a child process with
 * limits first. */
NS_API NS_MUST_CHECK int ns_file_open(ns_file **out, const char *path, ns_error *);
/* The same for a file that this user's own scan made: where its seal is right it is not vetted, so that a merge opens thousands. */
NS_API NS_MUST_CHECK int ns_file_open_own(ns_file **out, const char *path, ns_error *);
/* The same for a file of certain kinds; NS_E_ARG names another kind: "PATH: is a score file, not WANTED". wanted: "a recording (needlescope
 * record makes one)". */
NS_API NS_MUST_CHECK int ns_file_open_as(ns_file **out, const char *path, ns_kinds kinds, const char *wanted, ns_error *);
/* The same of a file that is found in a folder, which nobody named: one of another kind is NS_E_FORMAT. */
NS_API NS_MUST_CHECK int ns_file_open_inside(ns_file **out, const char *path, ns_kinds kinds, const char *wanted, ns_error *);
/* Is it HDF5 without a seal at its end, as h5repack and other programs leave it? Whether its bytes are those that were written is then not
 * known: whoever shows what is in it says so. It is vetted like any other. */
NS_API bool ns_file_is_unsealed(const char *path);
/* By its first bytes and its size alone: is it an HDF5 file that goes on to where it says that it ends? One that was cut is not; whether
 * the bytes between are those that were written its seal says. */
NS_API bool ns_file_is_uncut(const char *path);
/* What they say of it: "PATH has no seal: " this. */
#define NS_UNSEALED "made or changed by another program (h5repack, h5py): whether the values are those that were written is not known"
/* Gives back what HDF5 holds of an open file, of which the facts stay; and takes it up again: NS_E_IO where it is another one by now. */
NS_API void ns_file_rest(ns_file *);
NS_API NS_MUST_CHECK int ns_file_wake(ns_file *, ns_error *);
NS_API void ns_file_close(ns_file *);
/* act(arg) once, while no other thread of this process is inside HDF5: for a fork() whose child is to use files. HDF5 has one lock, and one
 * that another thread has at that moment would never come free in the child. */
NS_API void ns_file_hold(void (*act)(void *), void *arg);
NS_API const char *ns_file_fact(const ns_file *, const char *name);           /* attribute as text, NULL if absent; borrowed */
NS_API int64_t ns_file_fact_count(const ns_file *);
NS_API const char *ns_file_fact_name(const ns_file *, int64_t i);               /* root attributes first, then /provenance */
/* Also true where it cannot be told (memory is out, the file is damaged): who then reads it is told so. */
NS_API bool ns_file_has(const ns_file *, const char *dataset);
/* What a dataset is; every output may be NULL. dtype: NS_N_DTYPES for strings. axes: names of its dimensions with spaces between them,
 * malloc'd. */
NS_API NS_MUST_CHECK int ns_file_describe(const ns_file *, const char *dataset, ns_dtype *dtype, int *rank, int64_t shape[NS_MAX_RANK],
                                          char **axes, ns_error *);
/* ---- the one reader of datasets ----
 * What a file holds is what somebody wrote. So who reads says what is expected: type, rank, the length of each axis, and which numbers
 * there can be; anything else is NS_E_FORMAT, and the message names file, dataset, what was found and what was expected. Storage is
 * compared with shape before memory is taken, products of lengths are checked, and a number outside its range is never seen by the
 * caller. */
enum { NS_ANY = -1 };                                    /* a length that only the file knows (0 included) */
typedef struct ns_range { double least, most; bool nan; } ns_range;    /* both ends included; nan: a NaN may stand for "no number" */
NS_API ns_range ns_between(double least, double most);
NS_API ns_range ns_finite(void);
NS_API ns_range ns_any_number(void);
NS_API ns_range ns_or_nan(ns_range);
typedef struct ns_expected {
    size_t      size;
    const char *name;
    ns_dtype    type;                    /* of the values in memory: NS_I64 (of integers alone), NS_F32 or NS_F64 (of floats and integers)
                                          * */
    int         rank;
    int64_t     shape[NS_MAX_RANK];      /* what is found takes the place of NS_ANY */
    ns_range    range;
    const char *axes;                    /* names of the dimensions, as ns_file_describe has them; NULL: whatever they are called */
} ns_expected;
/* The whole dataset; out: where the pointer to a malloc'd row-major array of wanted->type goes, NULL after an error. */
NS_API NS_MUST_CHECK int ns_file_array(const ns_file *, ns_expected *, void *out, ns_error *);
/* The part of it from start[rank], count[rank] long, into out (row-major). NS_E_ARG when it lies outside of the shape. */
NS_API NS_MUST_CHECK int ns_file_part(const ns_file *, const ns_expected *, const int64_t *start, const int64_t *count, void *out,
                                      ns_error *);
/* Texts, each UTF-8 of at most 1 MiB, whatever type and range say: free each and the list. */
NS_API NS_MUST_CHECK int ns_file_texts(const ns_file *, ns_expected *, char ***out, ns_error *);
/* Nothing is read: only that it is there and as expected (type NS_N_DTYPES: texts). */
NS_API NS_MUST_CHECK int ns_file_expect(const ns_file *, ns_expected *, ns_error *);
/* An attribute that is a whole number; `otherwise` where there is none. */
NS_API NS_MUST_CHECK int ns_file_whole(const ns_file *, const char *fact, int64_t least, int64_t most, int64_t otherwise, int64_t *out,
                                       ns_error *);
/* How long the axes of its outputs are, those that it has (needlescope/axes.h). */
NS_API NS_MUST_CHECK int ns_file_extent(const ns_file *, ns_extent *, ns_error *);
/* What the numbers of a score mean; .assumed where the file does not say. */
NS_API NS_MUST_CHECK int ns_file_meaning(const ns_file *, const char *dataset, ns_score_meaning *, ns_error *);
/* Dataset paths at the root and one level below ("/case0000/attn"), malloc'd list of malloc'd strings. */
NS_API NS_MUST_CHECK int ns_file_list(const ns_file *, char ***out, int64_t *n, ns_error *);
/* Reads every dataset and recomputes content_sha256; NS_E_FORMAT when the file says something else. */
NS_API NS_MUST_CHECK int ns_file_verify(const ns_file *, ns_error *);
/* The lines that content_sha256 is made of, recomputed ("dataset /find_hits uint8 12,6,8 HEX"; schema.md), sorted; malloc'd list of
 * malloc'd strings. */
NS_API NS_MUST_CHECK int ns_file_content(const ns_file *, char ***out, int64_t *n, ns_error *);
/* Both at once, reading the file once: the lines of a file whose content_sha256 is theirs. */
NS_API NS_MUST_CHECK int ns_file_verified(const ns_file *, char ***out, int64_t *n, ns_error *);
/* For who verifies a file and then reads it: what is hashed stays in memory (at most 64 MiB), and where `before`, a file of the same
 * writer or NULL, has datasets like this one's, they are not looked at anew. What it knows of them is taken from it: it can only be closed
 * then. */
NS_API void ns_file_keep(ns_file *, ns_file *before);
/* Version of the HDF5 library in use, "1.10.8". */
NS_API void ns_hdf5_version(char *buf, size_t n);

/* ---- the recorder: hooks that write what they see ---- */
typedef enum ns_maps_kind { NS_MAPS_STATS_TOPK = 0, NS_MAPS_DENSE, NS_MAPS_ROWS, NS_MAPS_TOPK, NS_MAPS_POOLED, NS_MAPS_STATS } ns_maps_kind;
NS_API const char *ns_maps_kind_name(ns_maps_kind);       /* "stats+topk" */
typedef struct ns_recorder_params {
    size_t            size;
    const char *const *at;  int n_at;        /* globs; pattern points are stored by `maps`, everything else as activations */
    ns_rows           rows;                  /* for activations and for maps = rows / topk / stats+topk; all (0) with stats+topk means the
                                              * answer rows */
    ns_maps_kind      maps;
    ns_dtype          dtype;                 /* NS_F32 or NS_F16, on disk */
    int               top_k;                 /* cells per row; 0 = 32. Rows, cells, blocks of what is not recorded: NS_E_ARG */
    int64_t           pool_block;            /* positions per block of pooled maps; 0 = so many that a map has 128 blocks at most along each
                                              * axis */
    int64_t           max_bytes;             /* refuse to start when the estimate is larger; 0 = 4 GiB */
    int64_t           generated;             /* above 0: the cases' answers are what the model said, at most so many tokens
                                              * (ns_generated_answers): the file says so */
} ns_recorder_params;
typedef struct ns_recorder ns_recorder;
/* Bytes the recording would take, uncompressed but with the chunks that are never written left out. */
NS_API NS_MUST_CHECK int ns_recorder_estimate(const ns_arch *, const ns_cases *, const ns_recorder_params *, int64_t *bytes, ns_error *);
/* The model and the cases must outlive the recorder. Every row of every case that the parameters name must come before the commit. A dense
 * map of a case has one band of 256 rows of all heads in memory; cases that share a prefix in one pass have one each, so run
 * dense recordings without sharing. */
NS_API NS_MUST_CHECK int ns_recorder_new(ns_recorder **out, const ns_model *, const ns_cases *, const char *path,
                                         const ns_recorder_params *, const ns_provenance *by, ns_error *);
/* The hooks to run with; owned by the recorder. Sessions must carry their cases (ns_session_add_case with the index in ns_cases). */
NS_API const ns_hooks *ns_recorder_hooks(const ns_recorder *);
NS_API NS_MUST_CHECK int ns_recorder_commit(ns_recorder *, ns_error *);       /* frees in any case */
NS_API void ns_recorder_abort(ns_recorder *);

NS_END
#endif
