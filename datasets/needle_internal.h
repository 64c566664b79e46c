/* needle_internal.h - one cell of a needle grid, between needle.c (the grid) and the two makers of prompts. Internal. */
#ifndef NS_NEEDLE_INTERNAL_H
#define NS_NEEDLE_INTERNAL_H

#include <needlescope/dataset.h>

#include "core/core.h"

enum { NS_NEEDLE_MAX_KEYS = 1024 };

/* Needle 0 is the target; 1 .. keys - 1 are distractors. */
typedef struct ns_needle_cell {
    const ns_needle_params *params;
    int      keys;
    int64_t  length;
    double   depth;
    int      index;
    ns_rng   rng;              /* of (seed, length, depth, index) */
    char     id[96];
} ns_needle_cell;

/* Where the needles go among n haystack units: needle order[i] stands before unit slot[i]; slots ascend. The target stands at
 * round(depth n), before distractors of the same slot. where[keys]: a uniform draw in [0, 1) per needle. */
typedef struct ns_needle_place { int64_t slot; int needle; } ns_needle_place;
void ns_needle_places(const ns_needle_cell *, int64_t n, const double *where, ns_needle_place *places);
/* Label of needle k: "needle", "distractor.0"; with answer "needle_answer", "distractor_answer.0". */
void ns_needle_label(int k, bool answer, char out[40]);
/* The case's meta object (malloc'd); key and value are what the target's are called. NULL when memory is out. */
char *ns_needle_meta(const ns_needle_cell *, const char *template_name, const char *value_type, const char *key, const char *value);

/* n filler tokens (malloc'd), the same for every cell of a seed; n = the longest length. */
int ns_needle_filler(int32_t **out, const ns_needle_params *, int64_t n, ns_error *);
int ns_needle_from_tokens(ns_case *out, ns_needle_cell *, const int32_t *filler, ns_error *);
int ns_needle_from_text(ns_case *out, ns_needle_cell *, ns_error *);
/* "brave-lantern": n_words^2 names. */
int64_t ns_words_count(void);
void ns_words_name(int64_t i, char out[40]);

#endif
