/* writes.h - whose values and which tokens the probe of what heads write is about. Internal. */
#ifndef NS_WRITES_H
#define NS_WRITES_H

#include "heads.h"

enum { NS_ON_NEEDLE, NS_ON_PLACEBO, NS_ON_DISTRACTOR, NS_WRITE_SETS };
/* A position, and how often it lies in each set; of distractors over their number. */
typedef struct ns_write_key { int64_t position; float in[NS_WRITE_SETS]; } ns_write_key;
typedef struct ns_write_keys { ns_write_key *list; int64_t n, distractors; } ns_write_keys;      /* by position; spans of distractors */

/* The keys of a case's sets; list is the caller's to free. */
int ns_write_keys_find(ns_write_keys *, const ns_case *, bool placebo, ns_error *);
/* Of each content token y of the answer u[rows, 2, D]: the direction of y's logit, and that minus the mean of the distractors' tokens in
 * the same place (NaN where none has one); constant[rows] of y. */
int ns_write_directions(const ns_model *, const ns_case *, float *u, double *constant, ns_error *);

#endif
