/* arch_read.h - reading JSON by tables of fields, with errors that name the place. */
#ifndef NS_ARCH_READ_H
#define NS_ARCH_READ_H

#include "model/families/fields.h"

typedef struct ns_arch_reader {
    const char *label;
    char        where[128];   /* "layers[3].stages[0].branches[1].attn" */
    ns_error   *err;
} ns_arch_reader;

/* NS_E_FORMAT: the key, at its place, and why. */
int  ns_arch_read_fail(const ns_arch_reader *, const char *key, const char *why);
/* The inner error with the place put in front. */
int  ns_arch_read_at_place(const ns_arch_reader *, int rc);
/* A list "a, b, c" of words, and the error of a key that has none of them. */
void ns_arch_read_list_word(char *words, size_t room, const char *name);
int  ns_arch_read_no_word(const ns_arch_reader *, const char *key, const char *words);
/* All fields of an object. Another key than theirs and those of `parts` (NULL-terminated or NULL), which the caller reads, is an error. */
int  ns_arch_read_fields(ns_arch_reader *, const cJSON *object, const ns_field *, void *base, const char *const *parts);

#endif
