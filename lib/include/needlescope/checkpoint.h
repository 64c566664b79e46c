/* checkpoint.h - named tensors in files, whose headers are fully checked before the first of them is seen. The files stay open and their
 * bytes are read when they are asked for: one that shrinks or vanishes meanwhile is NS_E_IO with its name. Nothing is mapped into memory,
 * so it is never SIGBUS.
 *
 * A path may be a folder (model.safetensors or pytorch_model.bin, sharded with model.safetensors.index.json or
 * pytorch_model.bin.index.json, or one file of weights), such a file (*.safetensors; *.bin, *.pt, *.pth, *.ckpt of torch.save, whose pickle
 * is read and never executed; a GGUF file; a .bin of llama2.c), or a Hugging Face cache folder (models--ORG--NAME: refs/main, or the
 * revision given, is resolved to its snapshot). */
#ifndef NEEDLESCOPE_CHECKPOINT_H
#define NEEDLESCOPE_CHECKPOINT_H

#include <needlescope/error.h>
#include <needlescope/view.h>

NS_BEGIN

typedef struct ns_checkpoint ns_checkpoint;

typedef struct ns_tensor {
    const char *name;
    const char *file;          /* path of the file it lies in */
    ns_view     view;          /* shape, and the dtype as which it is read; data is NULL: ns_tensor_read... reads, in row-major order
                                * whatever the strides are, which say how the elements lie in the file */
    int64_t     n_bytes;
    const struct ns_weight_file *from;      /* ours: where the bytes are */
    int64_t     at;
    const struct ns_coded *coded;           /* ours: how its numbers are stored, where the view does not say it; NULL: as the view */
} ns_tensor;

typedef struct ns_checkpoint_params {
    size_t      size;          /* sizeof(ns_checkpoint_params) */
    const char *revision;      /* of a Hugging Face cache folder; NULL = main */
    const char *reader;        /* name of a reader, NULL = found by its bytes */
} ns_checkpoint_params;

NS_API NS_MUST_CHECK int ns_checkpoint_open(ns_checkpoint **out, const char *path, const ns_checkpoint_params *, ns_error *);
NS_API void ns_checkpoint_free(ns_checkpoint *);
NS_API int64_t ns_checkpoint_count(const ns_checkpoint *);
NS_API const ns_tensor *ns_checkpoint_tensor(const ns_checkpoint *, int64_t i);           /* sorted by name; borrowed */
NS_API const ns_tensor *ns_checkpoint_find(const ns_checkpoint *, const char *name);      /* NULL if absent */
NS_API const char *ns_checkpoint_dir(const ns_checkpoint *);                              /* the resolved folder */
/* Its config.json, or the file of weights that says itself what that would (GGUF); NULL: none. */
NS_API const char *ns_checkpoint_config_path(const ns_checkpoint *);
/* The text of its config.json, or what the file of weights says as such a text: malloc'd, NUL-terminated. NS_E_MISSING: there is none;
 * NS_E_UNSUPPORTED: the file's own words are not understood. n may be NULL. */
NS_API NS_MUST_CHECK int ns_checkpoint_config(const ns_checkpoint *, char **text, size_t *n, ns_error *);
/* Its tokenizer.json (or that of the folder above, of the cache's main revision, of the repository that its name begins with; a note says
 * so), or the file of weights that has its own (GGUF): what ns_tokenizer_open takes; or NULL. */
NS_API const char *ns_checkpoint_tokenizer_path(const ns_checkpoint *);
/* 64 hex digits over every file's header bytes, size and mtime: cheap, changes when the checkpoint does. No paths in it. */
NS_API const char *ns_checkpoint_identity(const ns_checkpoint *);
/* The training step by the account of a trainer's own file (nanoGPT's iter_num, Lightning's global_step); -1: it does not say. */
NS_API int64_t ns_checkpoint_step(const ns_checkpoint *);

/* 64 hex digits over the names, sizes, times and inodes of the files that opening the path would read, none of which is opened: the same
 * stamp, the same checkpoint; another one may be the same all the same (a touch, a copy). Where no weights are found, over all files. */
NS_API NS_MUST_CHECK int ns_checkpoint_stamp(const char *path, const char *revision, char hex[65], ns_error *);

/* What was taken of the files, renamed or left out: one line each, NULL behind the last. */
NS_API const char *ns_checkpoint_note(const ns_checkpoint *, int64_t i);

/* Bytes [first, first + n) of the tensor in row-major order, each as it is stored. Any thread. NS_E_IO where the file is not what it was
 * any more. */
NS_API NS_MUST_CHECK int ns_tensor_read(const ns_tensor *, int64_t first, int64_t n, void *out, ns_error *);
/* Elements [first, first + n) of the tensor's flat order, widened to f32. Exact for F16, BF16 and F32; of quantised types the numbers that
 * gguf.dequantize of the Python package `gguf` gives, to the bit. */
NS_API NS_MUST_CHECK int ns_tensor_read_f32(const ns_tensor *, int64_t first, int64_t n, float *out, ns_error *);

/* Hints to the system's page cache: the tensor is read soon; it is not read again for long, and nobody else's use of the file is to be
 * kept warm. Of tensors whose elements do not lie in their own order, nothing. Any thread. */
NS_API void ns_tensor_soon(const ns_tensor *);
NS_API void ns_tensor_done(const ns_tensor *);

NS_API const char *ns_tensor_stored(const ns_tensor *);     /* how it is stored: "F32", "Q4_K", ...; static */

/* Writing: a safetensors file of f32/bf16/f16 tensors, atomic. The views' data is f32; dtype says what is stored. */
typedef struct ns_tensor_out {
    const char *name;
    ns_view     view;          /* f32 data */
    ns_dtype    dtype;         /* NS_F32, NS_BF16 or NS_F16 on disk */
} ns_tensor_out;
NS_API NS_MUST_CHECK int ns_safetensors_write(const char *path, const ns_tensor_out *, int64_t n, ns_error *);

NS_END
#endif
