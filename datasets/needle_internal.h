/* needle_internal.h - one cell of a needle grid, between needle.c (the grid), the two makers of prompts, and the tables of value types
 * and templates. Internal. */
#ifndef NS_NEEDLE_INTERNAL_H
#define NS_NEEDLE_INTERNAL_H

#include <needlescope/dataset.h>

#include "core/core.h"

enum { NS_NEEDLE_MAX_KEYS = 1024 };

/* ---- value types: one row each in needle_values.c ---- */
typedef struct ns_value_type {
    const char *name;          /* "numbers" */
    const char *noise_noun, *essay_noun;       /* what a value is called in a prompt of either template */
    int         apart;         /* up to so many keys, no two values of a prompt are alike */
    void      (*draw)(ns_rng *, char out[40]);
    bool      (*alike)(const char *a, const char *b);      /* would the first tokens of the two be the same, or any word? */
} ns_value_type;
const ns_value_type *ns_value_type_find(const char *name);

/* ---- chat formats: one row each in chat.c ---- */
typedef struct ns_chat { const char *name, *before, *between, *marker; } ns_chat;      /* marker: the token that a turn begins with */
const ns_chat *ns_chat_find(const char *name);
/* chat_text.c: the literals of a template in a row, malloc'd, with one byte for each value and each statement between them; NULL: no
 * memory. */
enum { NS_CHAT_VALUE = 1, NS_CHAT_STATEMENT = 2 };
char *ns_chat_text(const char *template_);

/* ---- templates: one row each in needle_prompt.c ---- */
typedef struct ns_needle_key { char key[40], value[40], label[40], answer_label[40]; } ns_needle_key;
/* Where the needles go among n haystack units: needle `needle` stands before unit `slot`; slots ascend. */
typedef struct ns_needle_place { int64_t slot; int needle; } ns_needle_place;

/* The prompt being written, with the byte spans seen so far. */
typedef struct ns_draft {
    char   *text;
    int64_t n, capacity;
    ns_text_span *spans;       /* the caller's, with room for all marks */
    int     n_spans;
    bool    failed;            /* memory ran out */
} ns_draft;

void ns_draft_put_bytes(ns_draft *, const char *text, size_t n);
void ns_draft_put(ns_draft *, const char *text);
void ns_draft_mark(ns_draft *, const char *name, int64_t begin);       /* from there to here; spans has room; the name is borrowed */

typedef struct ns_template ns_template;
const ns_template *ns_template_find(const char *name);
const char *ns_template_name(const ns_template *);
/* The prompt's outside: `before` it, and `between` question and answer prefix (NULL: the template's own). */
typedef struct ns_prompt {
    const ns_template   *template_;
    const ns_value_type *type;
    const ns_needle_key *keys;                 /* [n_keys] needles, then one whose key is nowhere */
    int                  n_keys, asked;        /* asked: index into keys */
    int                  left_out;             /* the needle that is not written; -1: none */
    const char          *before, *between;
    int64_t              start;                /* sentence of the essay with which the haystack begins */
    int64_t              behind;               /* by distance: sentences behind the target, which begin elsewhere in the text */
    const char          *rest;                 /* by distance: words that end the haystack; or NULL */
} ns_prompt;
const char *ns_template_unit(const ns_template *);          /* what needles stand between: "lines" */
int64_t ns_template_slots(const ns_template *, int64_t n_sentences);
int64_t ns_template_sentences(const ns_template *, int64_t slots);
int64_t ns_template_start(const ns_template *, uint64_t seed);
/* Sentence s of those that stand behind a target by distance. */
const char *ns_template_behind(const ns_prompt *, int64_t s);
void    ns_prompt_write(ns_draft *, const ns_prompt *, int64_t n_sentences, const ns_needle_place *);
int64_t ns_essay_count(void);
const char *ns_essay_sentence(int64_t i);      /* i % count */

/* ---- cells ---- */
typedef enum ns_ask { NS_ASK_TARGET, NS_ASK_SWAP, NS_ASK_ABSENT, NS_ASK_NULL, NS_ASK_WITHOUT, NS_ASKS } ns_ask;

/* Needle 0 is asked for, also by its twin without it; its swap twin asks for needle 1, its absent twin for a key that is nowhere, its null
 * twin for none. */
typedef struct ns_needle_cell {
    const ns_needle_params *params;
    const ns_value_type *type;         /* NULL: tokens */
    const ns_template   *template_;
    int      keys;
    int64_t  length;
    double   depth;
    int64_t  distance;         /* 0: by depth */
    int      index;
    ns_ask   ask;
    uint64_t stream;           /* of (type, length, depth or distance, index) */
    ns_rng   rng;              /* of the seed and that: twins draw the same needles */
    char     id[128];
} ns_needle_cell;

int  ns_needle_asked(const ns_needle_cell *);  /* index of the needle; keys for the absent and the null one */
/* Under n_values: which of them needle k has, into out[keys]; the needles of a cell have different ones. */
void ns_needle_values(const ns_needle_cell *, int64_t *out);
ns_rng ns_needle_value_rng(const ns_needle_cell *);    /* of the values themselves: of the seed and the type */
/* The target's slot in a haystack of n units, of which so many lie behind it (by distance). */
int64_t ns_needle_slot(const ns_needle_cell *, int64_t n, int64_t behind);
/* The target stands at its slot, before distractors of the same one. where[keys]: a uniform draw in [0, 1) per needle. */
void ns_needle_places(const ns_needle_cell *, int64_t n, int64_t target, const double *where, ns_needle_place *places);
/* By distance: distractors behind the target; moves the last of them before it, false where there is none. */
int  ns_needle_behind(const ns_needle_cell *, const double *where);
bool ns_needle_to_front(const ns_needle_cell *, double *where);
/* NS_E_ARG: the needle cannot be so near (`least`: the nearest it can be), or nothing fits in front of it. */
int  ns_needle_too_near(const ns_needle_cell *, int64_t least, ns_error *);
int  ns_needle_no_front(const ns_needle_cell *, ns_error *);
/* NS_E_ARG when a haystack of n units (sentences, lines, tokens) has no place of its own for the cell's depth. */
int  ns_needle_check_room(const ns_needle_cell *, int64_t n, const char *unit, ns_error *);
/* Label of needle k in this twin: "needle", "distractor.0"; with answer "needle_answer", "distractor_answer.0". */
void ns_needle_label(const ns_needle_cell *, int k, bool answer, char out[40]);
/* Sets c->meta, c->twin_of and the placebo span (haystack [begin, end), as near as possible to needle_answer). */
int  ns_needle_finish(ns_case *c, const ns_needle_cell *, int64_t begin, int64_t end, double depth, const char *key, const char *value,
                      ns_error *);

/* n filler tokens (malloc'd), the same for every cell of a seed; n = the longest length. */
int ns_needle_filler(int32_t **out, const ns_needle_params *, int64_t n, ns_error *);
int ns_needle_from_tokens(ns_case *out, ns_needle_cell *, const int32_t *filler, ns_error *);
int ns_needle_from_text(ns_case *out, ns_needle_cell *, ns_error *);
/* FNV-1a of a text; never 0: the random stream of what is called so. */
uint64_t ns_stream_of(const char *name);
/* "brave-lantern": n_words^2 names. */
int64_t ns_words_count(void);
void ns_words_name(int64_t i, char out[40]);
bool ns_words_alike(const char *a, const char *b);     /* the same name, or one word in common */
const char *ns_word(int64_t i);                        /* an adjective or a noun; NULL beyond the last */

#endif
