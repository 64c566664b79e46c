/* walk.h - a pass that is walked back, at work (backward.h). Internal. */
#ifndef NS_WALK_H
#define NS_WALK_H

#include <needlescope/backward.h>

#include "model/tape.h"

struct ns_walker {
    const ns_model   *model;
    bool              lasts;                   /* beyond one call: then W^T stay, as far as there is room */
    ns_scratch        layers, final;           /* of the layers' tape; of that of the final norm and the logits */
    ns_tape           tape, final_tape;
    ns_layer_weights *own;                     /* [L] of a model that does not stream: the model's, with lists for W^T */
    ns_weight         head;                    /* the model's, with W^T once that is needed */
    int64_t          *marks;                   /* [L] the first step of each layer on the tape */
    ns_buffer         inputs, dx;              /* [deepest + 2][n, D]: what enters each layer, and what leaves the last; [n, D] */
    int64_t           row_floats;              /* the most that the tape of a layer took so far, a row */
    int64_t           turned, n_walks;         /* bytes of W^T that stay */
};

typedef struct ns_walk {
    ns_walker    *w;
    ns_pass       p;
    ns_band       band;
    ns_session   *s;
    ns_member     member;
    ns_watch      watch;
    ns_sheet     *begin;                       /* what enters the first layer on the tape */
    int64_t       n, D, deepest;               /* the last layer that is walked; -1: none */
    int64_t       tail;                        /* the layers from here on are on one tape, and run once */
    int64_t       first, last;                 /* rows of the final norm and logits; first = last: none */
    bool          logits;                      /* those are seeded */
    const ns_backward_params *params;
} ns_walk;

/* seeds.c: the points of the seeds, in walk order checked; which layers and rows they reach. Then: has each been used? */
int ns_walk_place(ns_walk *, const ns_seed *, int64_t n);
int ns_walk_all_used(const ns_walk *);

#endif
