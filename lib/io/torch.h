/* torch.h - inside the reader of PyTorch files: a file on its way in.
 *
 * torch.c (zip or legacy: the pickle, and where storages lie) -> torch_config.c (which model it is, where the file says so) ->
 * torch_dict.c (the state dict in it) -> torch_tensor.c (each tensor checked against its storage). */
#ifndef NS_TORCH_H
#define NS_TORCH_H

#include "io/pickle.h"
#include "io/reader.h"
#include "io/zip.h"

/* How the elements of a storage or tensor are stored. */
typedef struct ns_torch_type {
    const char *storage, *name;        /* torch.FloatStorage, torch.float32; storage: NULL of types without one */
    int         size;                  /* bytes of an element */
    int         dtype;                 /* ns_dtype; -1: not read */
    const char *codes;                 /* NULL: numbers of the dtype; or as safetensors calls the codes */
} ns_torch_type;

/* A storage as the pickle names it: ('storage', type, key, location, elements[, view]). */
typedef struct ns_torch_storage {
    const ns_pickle_node *key;         /* a text */
    const ns_torch_type  *type;
    int64_t elements, view, length;    /* in the file; of them those [view, view + length): all but in legacy files */
    int64_t at;                        /* place in the file, of legacy files; -1: not there */
} ns_torch_storage;

typedef struct ns_torch {
    ns_checkpoint    *ck;
    ns_weight_file   *file;
    ns_error         *err;
    ns_pickle         pickle;
    ns_zip            zip;             /* of zip files, */
    char             *root;            /* and the folder in it */
    ns_torch_storage *storages;        /* of legacy files: by key */
    int64_t           n_storages, capacity;
    int64_t           bytes;           /* of all tensors so far */
} ns_torch;

/* "PATH: " and the rest. */
int  ns_torch_fail(const ns_torch *, int code, const char *fmt, ...) NS_PRINTF(3, 4);
/* Tensors of the file's state dict at the end of the checkpoint's list. */
int  ns_torch_take(ns_torch *);
/* What the file itself says of the model: sets the checkpoint's config, or leaves it. */
int  ns_torch_config(ns_torch *);
int64_t ns_torch_step(const ns_torch *);        /* of the training; -1: it does not say */
bool ns_torch_is_tensor(const ns_pickle *, ns_ref);
/* name: checked, and as long-lived as the file. */
int  ns_torch_tensor(ns_torch *, const char *name, ns_ref, ns_tensor *out);
/* false: the id is of no storage, or not as torch writes it. */
bool ns_torch_storage_of(const ns_pickle *, ns_ref persistent, ns_torch_storage *out);
/* Where its bytes are: `bytes` of them lie in the file from `at` on. */
int  ns_torch_place(ns_torch *, const char *name, const ns_torch_storage *, int64_t *at, int64_t *bytes);
int  ns_torch_compare_key(const ns_pickle_node *, const ns_pickle_node *);
/* A global that a checkpoint of tensors is made of. */
bool ns_torch_is_own(const ns_pickle *, ns_ref global);

#endif
