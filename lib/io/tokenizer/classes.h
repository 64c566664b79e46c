/* classes.h - how the tokenizer classes of transformers (4.57.6) differ. */
#ifndef NS_IO_TOK_CLASSES_H
#define NS_IO_TOK_CLASSES_H

#include "io/tokenizer/tok.h"

/* add_prefix_space: of a lone ByteLevel, not at all, in a Sequence too */
typedef enum ns_tok_prefix_rule { PREFIX_SET, PREFIX_KEPT, PREFIX_EVERYWHERE } ns_tok_prefix_rule;

/* What a class makes of a SentencePiece model. */
typedef struct ns_tok_pieces_rule {
    const char *head[5];               /* pieces that stand in place of the first three; NULL: the model's own */
    const char *tail[8];               /* pieces behind the last */
    bool        own_head;              /* the first three keep their names and lose their scores */
    bool        named_head;            /* they are the class's pad, eos and bos tokens */
    bool        byte_fallback, extra_ids;
    int64_t     unknown;               /* its id; -1: the model's */
    const char *before, *after;        /* the template */
    enum { CUT_LLAMA, CUT_GEMMA, CUT_PLAIN } cut;
} ns_tok_pieces_rule;

typedef struct ns_tok_class {
    const char *name;                  /* without "Fast" */
    const char *special[N_SPECIAL];    /* where the configuration has no such key */
    const char *more[8];               /* further special tokens */
    bool        writes_template;       /* from add_bos_token and add_eos_token; else tokenizer.json's post_processor stays */
    bool        add_bos;               /* where add_bos_token is absent */
    bool        refuses_bos;
    bool        plain_special;         /* special tokens given as text take no flag from tokenizer.json */
    bool        rebuilds;              /* a key add_prefix_space: from tokenizer.model, though there is a tokenizer.json */
    bool        sets_bert;             /* the BertNormalizer, from do_lower_case and others */
    ns_tok_prefix_rule prefix;
    const ns_tok_pieces_rule *pieces;  /* NULL: it reads no SentencePiece model */
    enum { PAIR_NONE, PAIR_GPT2, PAIR_QWEN2 } pair;          /* vocab.json and merges.txt */
    bool        word_list;             /* vocab.txt */
    bool        ranks;                 /* a tiktoken vocabulary, cut as cl100k is */
} ns_tok_class;

const ns_tok_class *ns_tok_class_named(const char *name);              /* with or without "Fast"; NULL: not known */
const char *ns_tok_class_of_model(const char *model_type);             /* that of a tokenizer_config.json that names none; NULL */

extern const char *const ns_tok_special_keys[N_SPECIAL];                /* "bos_token" ... */
void ns_tok_find_specials(ns_tok_neighbours *);                        /* once the files and the class are there */
/* The special tokens that added_tokens.json's are among. */
int  ns_tok_given(const ns_tok_neighbours *, ns_tok_vocab *set, ns_error *);
bool ns_tok_has(const ns_tok_vocab *set, const char *text);
const char *ns_tok_text_at(const cJSON *object, const char *key);      /* NULL: no string */
bool ns_tok_truth(const cJSON *item, bool otherwise);                  /* Python's: null is false */
bool ns_tok_setting(const ns_tok_neighbours *, const char *key, bool otherwise);     /* of tokenizer_config.json */

#endif
