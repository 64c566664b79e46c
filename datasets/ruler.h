/* ruler.h - RULER's synthetic tasks, between ruler.c (the table, fitting, the case) and the files that write their prompts. Internal. */
#ifndef NS_RULER_H
#define NS_RULER_H

#include "needle_internal.h"

/* What a prompt is called in RULER: input and answer_prefix, and what it must say. */
enum { NS_RULER_MOST_OUTPUTS = 16, NS_RULER_OUTPUT = 256, NS_RULER_MARKS = 512 };
typedef struct ns_ruler_prompt {
    ns_draft draft; /* input + answer_prefix; marks of those needles that are known */
    int64_t prefix; /* byte where answer_prefix begins */
    char outputs[NS_RULER_MOST_OUTPUTS][NS_RULER_OUTPUT];
    int n_outputs;
    bool single;                               /* the answer that follows is " " and the first output */
    char query[256];                           /* what is asked for, or "" */
    char names[2 * NS_RULER_MOST_OUTPUTS][40]; /* of the marks */
} ns_ruler_prompt;

typedef struct ns_ruler_task ns_ruler_task;
typedef struct ns_ruler_cell {
    const ns_ruler_task *task;
    const ns_tokenizer *tokenizer;
    int64_t length; /* max_seq_length: prompt and what may be said */
    int index;
    bool special;
    uint64_t seed, stream;
    int64_t example; /* vt: lines of noise in the example */
    const struct ns_qa *qa; /* questions of the user's file; NULL = none */
} ns_ruler_cell;

/* n: units of the haystack; the same draws for every n, but for where needles lie. NS_E_ARG: n is too few, or too many, for the task. */
typedef int ns_ruler_write(ns_ruler_prompt *, const ns_ruler_cell *, int64_t n, ns_error *);
enum { NS_RULER_NOISE, NS_RULER_ESSAY, NS_RULER_NEEDLES };
struct ns_ruler_task {
    const char *name;
    bool rulers;         /* one of RULER's that needs no file */
    int say;             /* tokens to generate */
    int64_t least, most; /* units of haystack that the task takes */
    ns_ruler_write *write;
    /* needles */
    int haystack;              /* NS_RULER_NOISE ... */
    const char *keys, *values; /* value types */
    int k, v, q;
};
typedef struct ns_qa ns_qa;
int  ns_qa_read(ns_qa **out, const char *path, ns_error *);
int64_t ns_qa_documents(const ns_qa *);
void ns_qa_free(ns_qa *);
ns_ruler_write ns_ruler_qa;
ns_ruler_write ns_phonebook, ns_copy, ns_copy_shuffled;
ns_ruler_write ns_ruler_niah, ns_ruler_vt, ns_ruler_cwe, ns_ruler_fwe;
/* k distinct numbers below n, in the order they were drawn. */
void ns_ruler_sample(ns_rng *, int64_t n, int64_t *out, int64_t k);
int64_t ns_ruler_tokens(const ns_ruler_cell *, const char *text, int64_t n, ns_error *); /* or a code below 0 */

#endif
