/* internal.h - what the files of lib/train share: the table of parameters, the activations of a chunk, the passes.
 *
 * A batch is walked in chunks of whole sequences (about NS_CHUNK_ROWS rows), so that what the forward pass saved is still in the cache
 * when the backward pass reads it. Chunks are a part of the definition: sums of gradients run in their order on every machine.
 *
 *   n  positions of a sequence that are computed (T - 1: the last token is only a target)
 *   N  rows of a chunk = sequences * n            Z = H d, the width of all heads */
#ifndef NS_TRAIN_INTERNAL_H
#define NS_TRAIN_INTERNAL_H

#include <needlescope/arch.h>
#include <needlescope/train.h>
#include "core/core.h"
#include "math/math.h"

enum { NS_CHUNK_ROWS = 512, NS_ROW_BLOCK = 16, NS_SLACK = 64, NS_GRADIENT_KB = 256 };

/* ns_train_config_from_json, where keys that change nothing may stand: of what was saved. */
int ns_train_config_read(ns_train_config *out, const char *json, size_t n, const char *label, ns_error *);
static inline bool ns_train_rotates(const ns_train_config *c, int64_t layer)
{
    const char letter = c->pattern[layer];
    return letter != 'G' && (c->nope_layers[0] ? c->nope_layers[layer] == '0' : !(c->nope && letter == 'F'));
}
static inline int64_t ns_train_kv_heads(const ns_train_config *c)
{
    return c->kv_heads ? c->kv_heads : c->heads;
}
static inline int64_t ns_train_head_dim(const ns_train_config *c)
{
    return c->head_dim ? c->head_dim : c->d_model / c->heads;
}
/* NS_E_ARG naming the first key in which two configs differ and that decides the bits. */
int ns_train_config_same(const ns_train_config *saved, const ns_train_config *wanted, const char *label, ns_error *);

/* ---- parameters: [rows, cols] at one place of four arenas (weights, gradients, and the two states of the optimiser) ---- */

typedef enum ns_role {
    NS_P_NORM, NS_P_Q, NS_P_K, NS_P_V, NS_P_OUT_GATE, NS_P_O, NS_P_MIX_NORM, NS_P_FF_NORM, NS_P_GATE, NS_P_UP, NS_P_DOWN, NS_LAYER_ROLES,
    NS_P_EMBED = NS_LAYER_ROLES, NS_P_FINAL_NORM, NS_P_HEAD,
} ns_role;

typedef struct ns_param {
    char    name[96];
    ns_role role;
    int64_t layer;                    /* -1 outside the layers */
    int64_t rows, cols, at;           /* cols = 1: a gain */
    bool    muon;
    double  sd;                       /* of the first values; gains begin at 1 */
} ns_param;

/* y = W x for W [n, k] at `at` of the weights: packed anew after each update. */
typedef struct ns_train_linear {
    int64_t n, k, at;
    float  *rows, *cols;              /* panels of W^T (y = x W^T) and of W (dx = dy W) */
} ns_train_linear;

typedef struct ns_train_layer {
    char    letter;
    bool    lightning, rotates;
    int64_t window, kv_heads;         /* window 0 = all */
    int64_t width;                    /* columns of the projection: q | k | v (| gate of the output) */
    ns_param *p[NS_LAYER_ROLES];      /* NULL where the layer has none */
    ns_train_linear in, o, up, down;  /* in: q, k, v, gate; up: gate, up */
    double *slope;                    /* Lightning [H]: a key's weight falls by exp(-slope) a position */
} ns_train_layer;

/* ---- activations ---- */

typedef struct ns_saved {             /* of one layer of a chunk */
    float *x, *normed, *proj, *pre, *pattern, *z, *mixed, *mid, *ff_normed, *ff_pre, *ff;
} ns_saved;

typedef struct ns_work {
    int64_t  sequences, n, padded;    /* padded: n up to a multiple of NS_ROW_BLOCK */
    bool     keep;                    /* patterns of all blocks are kept for the backward pass */
    float   *arena;
    ns_saved *layer;                  /* [L] */
    float   *x, *normed, *logits;     /* [N, D], [N, D], [N, ld_logits] */
    int64_t  ld_logits;
    float   *dx, *dnormed, *dz, *dproj, *dff;
    float   *kt, *vt, *dp;            /* K^T and V^T [d, padded] of one head; dp [block, padded] */
    float   *cos, *sin, *unsin;       /* [n, d/2]; unsin = -sin: the rotation back */
    float  **fall;                    /* [L] Lightning [H, 2 padded]: weights by distance, backwards, then 0 */
} ns_work;

struct ns_trainer {
    ns_train_config config;
    const ns_math  *math;
    int64_t         L, D, H, d, F, V, Z;
    ns_param       *params;
    int64_t         n_params, n_floats;
    float          *w, *g, *m, *v;    /* [n_floats] weights, gradients, momentum, second moment */
    float          *packed;           /* of all ns_train_linear */
    ns_train_layer *layers;
    ns_train_linear head;
    ns_param       *embed, *final_norm;
    ns_work         step, other;      /* of the batch; of ns_trainer_losses and _logits */
    float          *muon;             /* scratch of one matrix */
    float          *target_loss;
    double         *layer_norms;
    int64_t         done;
    bool            stale;            /* the weights have changed since they were packed */
};

/* params.c */
int  ns_params_new(ns_trainer *, ns_error *);
void ns_params_free(ns_trainer *);
void ns_params_init(ns_trainer *);
void ns_params_pack(ns_trainer *);    /* when stale */
ns_param *ns_param_find(const ns_trainer *, const char *name);

/* work.c */
int  ns_work_new(ns_work *, const ns_trainer *, int64_t sequences, int64_t n, bool keep, ns_error *);
void ns_work_free(ns_work *);
/* First key of the row block at r0 and the end of its keys, multiples of NS_ROW_BLOCK. */
static inline int64_t ns_block_key0(const ns_train_layer *l, int64_t r0)
{
    return l->window && r0 - l->window + 1 > 0 ? (r0 - l->window + 1) / NS_ROW_BLOCK * NS_ROW_BLOCK : 0;
}

/* y[N, n] = x[N, k] W^T;  dx = dy W, dW += dy^T x */
void ns_linear_forward(const ns_trainer *, const ns_train_linear *, int64_t N, const float *x, float *y, int64_t ldy);
void ns_linear_back(const ns_trainer *, const ns_train_linear *, int64_t N, const float *x, const float *dy, int64_t ldy, float *dx);

/* optimizer.c */
double ns_train_rate(const ns_train_config *, int64_t step);          /* the factor on both rates, from 0 */
void ns_optimizer_step(ns_trainer *, double factor, double scale);    /* scale: of the gradients (clip) */

/* mixer.c: z from proj; dproj from dz */
void ns_mixer_forward(const ns_trainer *, ns_work *, int64_t layer, int64_t sequences);
void ns_mixer_back(const ns_trainer *, ns_work *, int64_t layer, int64_t sequences);

/* forward.c: tokens [sequences] at stride T -> logits [sequences * n, ld_logits] */
void ns_train_forward(const ns_trainer *, ns_work *, const int32_t *tokens, int64_t sequences, int64_t T);
/* The first place of the pass that holds a number that is not finite, or NULL: "layer 2, attention". */
bool ns_train_find_broken(const ns_trainer *, const ns_work *, int64_t sequences, char *text, size_t size);
/* backward.c: from dlogits (in place of the logits) to gradients, added to g */
void ns_train_backward(ns_trainer *, ns_work *, const int32_t *tokens, int64_t sequences, int64_t T);
/* loss.c: cross-entropy of one row; dlogits = (softmax - one hot) / targets in place of the logits when targets > 0 */
float ns_cross_entropy(const ns_trainer *, float *logits, int64_t ld, int32_t target, int64_t targets);

/* checkpoint.c's config.json */
int ns_train_model_config(const ns_trainer *, char **out, ns_error *);

#endif
