/* gguf.h - inside the reader of GGUF files: what a file's header says.
 *
 * gguf_header.c (bytes -> values and tensors, every count and size held against the file) -> gguf.c (the reader) -> gguf_arch.c (which
 * model it is: names, config) and gguf_tokenizer.c. */
#ifndef NS_GGUF_H
#define NS_GGUF_H

#include "io/blocks.h"
#include "io/reader.h"

/* Types of values, as the file numbers them. */
enum { GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY, GGUF_U64, GGUF_I64,
       GGUF_F64, GGUF_N_TYPES };

/* key = value. n: elements of an array (of: their type), bytes of a string, else 1. at: where the bytes of the value begin in the header;
 * of an array of strings each is a length of 8 bytes and the bytes. */
typedef struct ns_gguf_value {
    size_t   key, key_n;
    uint32_t type, of;
    uint64_t n;
    size_t   at, end;
} ns_gguf_value;

typedef struct ns_gguf_tensor {
    size_t          name, name_n;
    int             rank;
    int64_t         shape[NS_MAX_RANK];            /* outermost first */
    const ns_block *block;
    uint64_t        at, bytes;                     /* in the file */
} ns_gguf_tensor;

typedef struct ns_gguf {
    const char     *path;
    const ns_input *in;
    uint8_t        *bytes;                         /* the header, which is `at` long when it was read */
    size_t          at, loaded;
    ns_gguf_value  *values;                        /* sorted by key */
    int64_t         n_values, values_capacity;
    ns_gguf_tensor *tensors;                       /* in the file's order */
    int64_t         n_tensors, tensors_capacity;
    ns_error       *err;
} ns_gguf;

/* Freed by ns_gguf_close, whatever comes back; in and path are kept for as long. */
int  ns_gguf_read(ns_gguf *, const ns_input *, const char *path, ns_error *);
void ns_gguf_close(ns_gguf *);

/* ---- values; NULL or `otherwise`: the key is absent ---- */
const ns_gguf_value *ns_gguf_find(const ns_gguf *, const char *key);
/* A value of another type is NS_E_FORMAT. Texts: malloc'd; *out = NULL where absent. */
int  ns_gguf_text(const ns_gguf *, const char *key, char **out);
int  ns_gguf_number(const ns_gguf *, const char *key, double otherwise, double *out);
int  ns_gguf_bool(const ns_gguf *, const char *key, bool otherwise, bool *out);
/* An array with elements of that type, or of any number where it is GGUF_N_TYPES; *out = NULL where absent. */
int  ns_gguf_array(const ns_gguf *, const char *key, uint32_t of, const ns_gguf_value **out);
double ns_gguf_element(const ns_gguf *, const ns_gguf_value *, uint64_t i);        /* of an array of numbers; i < n */
/* The string of an array of strings that stands at *at (first: value->at); moves *at behind it. */
const char *ns_gguf_string(const ns_gguf *, size_t *at, size_t *n);

/* ---- what is made of them ---- */
/* The model as transformers has it: names of the tensors and how they lie, and config_text; no_config where that cannot be. */
int  ns_gguf_describe(ns_checkpoint *, const ns_gguf *, ns_error *);
int  ns_gguf_tokenize(const char *path, cJSON **json, char sha256[65], ns_error *);
int  ns_gguf_chat_template(const char *path, char **out, ns_error *);

#endif
