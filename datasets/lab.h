/* lab.h - one sequence of the laboratory's language, between the corpus and the needle cases. Internal. */
#ifndef NS_LAB_INTERNAL_H
#define NS_LAB_INTERNAL_H

#include <needlescope/lab.h>

#include "core/core.h"

typedef struct ns_lab_language {
    int32_t successor[NS_LAB_FILLERS][4];
    double  cumulative[58];              /* of p(d) ~ 1 / d, d = 3 .. 60 */
} ns_lab_language;
void ns_lab_language_make(ns_lab_language *);

typedef struct ns_lab_mention { int64_t at; int entity; } ns_lab_mention;     /* key at `at`, value behind it */
enum { NS_LAB_RESERVED = NS_LAB_KEYS - 1 };      /* the entity that no corpus sequence mentions: the needle's */

typedef struct ns_lab_sequence {
    int64_t  T;
    int32_t *tokens;                     /* [T] */
    int32_t *distance;                   /* [T], or NULL */
    bool     distinct;                   /* in: all values differ */
    int64_t  reserved_at;                /* in: where the reserved entity is mentioned; -1 = nowhere */
    int32_t  key[NS_LAB_KEYS], value[NS_LAB_KEYS];        /* of entity e */
    ns_lab_mention *mentions;            /* [T / 2], or NULL */
    int64_t  n_mentions;
} ns_lab_sequence;
void ns_lab_write(const ns_lab_language *, ns_rng *, ns_lab_sequence *);

/* Streams of a seed: training sequences, validation sequences, cases. */
typedef enum ns_lab_part { NS_LAB_TRAINING, NS_LAB_VALIDATION, NS_LAB_CASES } ns_lab_part;
ns_rng ns_lab_stream(uint64_t seed, ns_lab_part, int64_t index);

#endif
