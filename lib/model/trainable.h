/* trainable.h - a model whose weights are numbers of one's own, to be changed: the table of its parameters, their values and gradients, the
 * tensors of files that they are parts of, and the pass over whole sequences, forward and back.
 *
 * Matrices that one product reads (q, k, v; gate, up) lie one after the other, and so do their biases. */
#ifndef NS_TRAINABLE_H
#define NS_TRAINABLE_H

#include "model/branch/tref.h"
#include "model/tape.h"

enum { NS_TRAINABLE_SLACK = 64 };              /* numbers behind an arena that kernels may read */

/* A tensor, or a part of one, at one place of all arenas. */
typedef enum ns_param_kind { NS_PARAM_MATRIX, NS_PARAM_VECTOR, NS_PARAM_TABLE } ns_param_kind;
typedef struct ns_param {
    char          *name;                       /* of its tensor */
    const ns_tref *ref;                        /* which part of it */
    const char    *role;                       /* of its slot, or "embed", "positions", "head"; "" without one */
    int64_t        layer;                      /* -1 outside the layers */
    int64_t        expert;                     /* whose share of the tensor it is; -1: none's */
    ns_param_kind  kind;
    ns_init        init;
    bool           out;                        /* a matrix that writes into the residual stream */
    float          start;                      /* what a vector begins with */
    int64_t        rows, cols, at;             /* at: floats from the arena's begin */
} ns_param;

/* Its numbers of an arena. */
static inline ns_view ns_param_view(const ns_param *p, float *at)
{
    return ns_view_of(at, NS_F32, p->kind == NS_PARAM_VECTOR ? 1 : 2, (int64_t[]){p->rows, p->cols});
}

typedef struct ns_trainable {
    ns_model    model;                         /* its weights lie in the arenas, packed anew after each change */
    ns_param   *params, *embed, *positions;    /* [n_params] */
    int64_t     n_params, n_listed, n_floats, n_packed;      /* n_listed: room for as many */
    bool        lacks;                         /* memory */
    float      *w, *g;                         /* [n_floats] weights, gradients */
    float      *packed;                        /* [n_packed] of all matrices, both ways */
    bool        stale;                         /* the weights have changed since they were packed */

    ns_pass     pass;
    ns_scratch  scratch;
    ns_tape     tape;
    ns_band     band;                          /* of the sequences at hand */
    ns_cols     begin, logits;                 /* of it: embeddings; [rows, V] */
    ns_session  sequence;                      /* that each of its members is */
    ns_member  *members;
    int64_t     n_members;                     /* room for as many */
} ns_trainable;

/* Of an arch, borrowed like the engine; weights and gradients are 0. NS_E_FORMAT: ns_trainable_check. */
int  ns_trainable_new(ns_trainable *, ns_engine *, const ns_arch *, ns_error *);
void ns_trainable_free(ns_trainable *);
/* Another description of the same model (ns_arch_same), borrowed in place of the first: parameters have its names from now on. */
int  ns_trainable_rename(ns_trainable *, const ns_arch *, ns_error *);
void ns_trainable_pack(ns_trainable *);        /* when stale */
ns_param *ns_trainable_find(const ns_trainable *, const char *name);

/* Tokens [sequences] at stride T, n positions of each -> logits; goes_back: ns_trainable_back may follow. */
int  ns_trainable_forward(ns_trainable *, const int32_t *tokens, int64_t sequences, int64_t T, int64_t n, bool goes_back, ns_error *);
/* From the derivatives of the logits (ns_grad_into) to gradients, added to g. */
int  ns_trainable_back(ns_trainable *, const int32_t *tokens, int64_t T, ns_error *);

/* Is this parameter the first of its tensor; the tensor, gathered from an arena (view.data is malloc'd); all weights from a checkpoint. */
bool ns_trainable_begins(const ns_trainable *, int64_t param);
/* NS_E_FORMAT where the parts of a tensor are not all of it, or overlap: what is written would be no checkpoint of the description. The
 * head may be the embedding; other parts that share a place would each move it. */
int  ns_trainable_check(const ns_trainable *, ns_error *);
int  ns_trainable_tensor(const ns_trainable *, float *arena, int64_t first, ns_view *out, ns_error *);
int  ns_trainable_load(ns_trainable *, const ns_checkpoint *, ns_error *);

#endif
