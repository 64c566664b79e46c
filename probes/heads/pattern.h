/* pattern.h - a probe of attention rows in words: which rows, which keys of each, what of them. JSON -> ns_pattern (definition.c) -> values
 * (interpret.c). The language is described in docs/measures.md. Internal. */
#ifndef NS_PATTERN_H
#define NS_PATTERN_H

#include "heads.h"

enum { NS_PATTERN_LIST = 64, NS_PATTERN_NAME = 64, NS_PATTERN_DEPTH = 4 };      /* depth of the JSON */

typedef enum ns_pattern_rows { NS_PR_ALL, NS_PR_ANSWER, NS_PR_BEFORE, NS_PR_FIRST, NS_PR_LAST, NS_PR_SPAN, NS_PR_LIST } ns_pattern_rows;
typedef enum ns_pattern_keys { NS_PK_ALL, NS_PK_SPAN, NS_PK_ALIGNED, NS_PK_OFFSET, NS_PK_LOCAL, NS_PK_SAME, NS_PK_AFTER_SAME,
                              NS_PK_LIST } ns_pattern_keys;
typedef enum ns_pattern_stat { NS_PS_ARGMAX_HIT, NS_PS_MASS, NS_PS_MEAN, NS_PS_RANK, NS_PS_ENTROPY, NS_PS_ENTROPY_NORM } ns_pattern_stat;

typedef struct ns_pattern_list { int64_t at[NS_PATTERN_LIST]; int n; } ns_pattern_list;
typedef struct ns_pattern {
    char            name[NS_PATTERN_NAME];
    ns_pattern_rows rows;
    int64_t         last;                        /* rows: LAST */
    char            row_span[NS_PATTERN_NAME];   /* rows: SPAN */
    ns_pattern_list row_list;                    /* rows: LIST; negative counts from the prompt's end */
    ns_pattern_keys keys;
    int64_t         number;                      /* keys: OFFSET (<= 0), LOCAL (>= 1) */
    char            key_span[NS_PATTERN_NAME];   /* keys: SPAN, ALIGNED */
    ns_pattern_list key_list;                    /* keys: LIST */
    ns_pattern_stat stat;
    ns_pattern_list exclude;
    bool            exclude_special;
    ns_best_end     best;                        /* of the score; by default what its stat says */
} ns_pattern;

/* NS_E_FORMAT names the label and the key; a word that is not known is answered with the nearest. */
int ns_pattern_parse(ns_pattern *out, const char *json, size_t n, const char *label, ns_error *);
/* What its hook asks for and which rows it can judge. list: where positions are kept for as long as the result is used. */
ns_rows  ns_pattern_hook_rows(const ns_pattern *, const ns_pattern_list **list);
unsigned ns_pattern_accepts(const ns_pattern *);

/* [n_tokens] the last earlier position of each prompt token's own id, -1 for none; NULL when memory is out. *repeated: is there any? */
int32_t *ns_copies_link(const ns_case *, bool *repeated);

/* ---- lacking.c: what cases lack of its rows and keys ---- */
bool ns_pattern_needs_copies(const ns_pattern *);
/* Of a caller's definition: NS_E_ARG where no row of any case sees its keys; params->note is told how many cases lack a position of its. */
int  ns_pattern_check(const ns_probe *, const ns_case *const *cases, int64_t n, const ns_score_params *, ns_error *);
/* params->note is told when none of the values [n] of its score is a number. */
void ns_pattern_check_values(const ns_probe *, const float *values, int64_t n, const ns_score_params *);

/* ---- interpret.c: the probe's functions, the same for our own and a user's ---- */
enum { NS_PATTERN_STATE = 2560 };                /* bytes of its state; interpret.c asserts that they are enough */
const char *ns_pattern_rejects(const ns_probe_context *, char reason[NS_REASON]);
int ns_pattern_begin(void *state, const ns_probe_context *, float *const *outputs, ns_error *);
int ns_pattern_see(void *state, const ns_site *, const ns_view *, ns_error *);
int ns_pattern_end(void *state, ns_error *);

#endif
