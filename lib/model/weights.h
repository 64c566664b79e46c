/* weights.h - a packed weight as it is read: trefs stacked by rows. */
#ifndef NS_MODEL_WEIGHTS_H
#define NS_MODEL_WEIGHTS_H

#include "model/internal.h"

/* The trefs of a packed weight that are there, top to bottom; a bias is NULL where the slot can have none. */
enum { NS_STACK_MOST = NS_SLOTS_A_WEIGHT };
typedef struct ns_stack {
    const ns_tref *ref[NS_STACK_MOST], *bias[NS_STACK_MOST];
    int            n;
    int64_t        expert;             /* -1: of no expert */
} ns_stack;

/* How a stack is kept: as its tensors are stored when that is one 16-bit type, else in f32. */
ns_dtype ns_stack_dtype(const ns_checkpoint *, const ns_stack *);
int      ns_stack_pack(const ns_model *, const ns_stack *, ns_weight *, ns_error *);

#endif
