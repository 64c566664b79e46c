/* sources.h - the forms in which a folder can hold a tokenizer other than tokenizer.json. Each is turned into the tokenizer.json that
 * transformers makes of it, which its class decides. */
#ifndef NS_IO_TOK_SOURCES_H
#define NS_IO_TOK_SOURCES_H

#include "io/tokenizer/build.h"
#include "io/tokenizer/classes.h"

typedef struct ns_tok_source {
    const char *file;                    /* its name in a folder */
    /* *json: the caller's. neighbours: with a class. */
    int (*read)(const ns_tok_neighbours *, const char *path, cJSON **json, ns_error *);      /* NULL: it is JSON already */
    bool (*takes)(const ns_tok_class *);                                                  /* can the class be read from it? */
} ns_tok_source;

const ns_tok_source *ns_tok_source_of(const char *path);      /* by its name; of any other name: tokenizer.json */
const char *ns_tok_source_name(int i);                        /* of the table, from 0 on; NULL: no more */
/* The SentencePiece model beside a tokenizer.json: malloc'd; NULL: there is none. */
int ns_tok_pieces_beside(char **out, const char *path, ns_error *err);

int ns_tok_from_pieces(const ns_tok_neighbours *, const char *path, cJSON **json, ns_error *);       /* tokenizer.model */
int ns_tok_from_pair(const ns_tok_neighbours *, const char *path, cJSON **json, ns_error *);         /* vocab.json and merges.txt */
int ns_tok_from_ranks(const ns_tok_neighbours *, const char *path, cJSON **json, ns_error *);        /* a tiktoken vocabulary */
bool ns_tok_is_ranks(const char *path);                                 /* is it one? */
int ns_tok_from_words(const ns_tok_neighbours *, const char *path, cJSON **json, ns_error *);        /* vocab.txt */

#endif
