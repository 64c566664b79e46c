/* emergence.h - what emergence.c and emergence_seeds.c share. */
#ifndef NS_PROBES_EMERGENCE_H
#define NS_PROBES_EMERGENCE_H

#include "training.h"

/* ---- emergence_seeds.c ---- */
/* Groups runs by everything but their seed; intervals over seeds; the permutation null of every run's best head. */
int ns_emergence_seeds(ns_emergence *, ns_study *, const ns_emergence_params *, ns_error *);

/* ---- best.c ---- */
/* [P] thrice, [K], [P, K] */
typedef struct ns_best_scratch { double *series; int64_t *who, *tokens; bool *use; float *above; } ns_best_scratch;
/* The first birth of series [P] (above chance) on the study's axis; who [P]: the head that is best there, or NULL. */
bool ns_emergence_full(const ns_emergence *, int64_t run, int64_t head);      /* of [L, H]: sees all keys */
ns_event ns_emergence_event(const ns_emergence *, int64_t run, const double *series, const int64_t *who, ns_birth_params);
/* Of a run with P set: births of its best heads and of its previous-token head. score, previous [P, K]; previous NULL: none. */
int ns_emergence_best(ns_emergence *, int64_t run, const float *score, const float *previous, ns_best_scratch *, ns_error *);

/* ---- chance.c ---- */
/* *out = [R, L * H] of a score, malloc'd: 0 where the study does not know the lengths of its cases. */
int ns_emergence_chance(const ns_emergence *, ns_study *, const char *score, double **out, ns_error *);

#endif
