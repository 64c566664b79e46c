/* internal.h - what the files of lib/train share: a model whose weights are the trainer's own, their table, and the state of a run.
 *
 * The pass is the engine's (model/tape.h): the same classes of branches, walked forward and back. A batch goes in chunks of whole
 * sequences (about NS_CHUNK_ROWS rows), so that what the forward pass kept is still in the cache when the way back reads it. Chunks are a
 * part of the definition: sums of gradients run in their order on every machine.
 *
 *   n  positions of a sequence that are computed (T - 1: the last token is only a target) */
#ifndef NS_TRAIN_INTERNAL_H
#define NS_TRAIN_INTERNAL_H

#include <needlescope/arch.h>
#include <needlescope/train.h>
#include "core/core.h"
#include "math/math.h"
#include "model/tape.h"

#include <string.h>

enum { NS_CHUNK_ROWS = 512, NS_SLACK = 64 };

#define NS_TRAIN_ATTENTION "SsF"      /* the letters of softmax attention */
/* What layer_kinds of a config.json calls the recurrent layer of a letter; NULL: it is none. */
const char *ns_train_recurrent(char letter);

/* ns_train_config_from_json, where keys that change nothing may stand: of what was saved. */
int ns_train_config_read(ns_train_config *out, const char *json, size_t n, const char *label, ns_error *);
static inline bool ns_train_rotates(const ns_train_config *c, int64_t layer)
{
    const char letter = c->pattern[layer];
    return strchr(NS_TRAIN_ATTENTION, letter) && (c->nope_layers[0] ? c->nope_layers[layer] == '0' : !(c->nope && letter == 'F'));
}
static inline int64_t ns_train_window(const ns_train_config *c, int64_t layer)       /* 0: all */
{
    return c->pattern[layer] == 'S' ? c->window : c->pattern[layer] == 's' ? 4 : 0;
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

/* A tensor, or a part of one, at one place of four arenas: weights, gradients, and the two states of the optimiser. */
typedef enum ns_param_kind { NS_PARAM_MATRIX, NS_PARAM_VECTOR, NS_PARAM_TABLE } ns_param_kind;    /* vectors and tables do not decay */
typedef struct ns_param {
    char          *name;              /* of its tensor */
    int64_t        expert;            /* whose share of the tensor it is; -1: none's */
    ns_param_kind  kind;
    ns_init        init;
    const ns_tref *ref;
    int64_t        layer;             /* -1 outside the layers */
    int64_t        rows, cols, at;
    bool           muon;
    double         sd;                /* of the first values; those of vectors are `start` */
    float          start;
    uint64_t       stream;            /* of random numbers */
} ns_param;

struct ns_trainer {
    ns_train_config config;
    ns_engine      *engine;
    const ns_arch  *arch;
    ns_arch        *own_arch;         /* of a pattern of letters; else the arch is the given model's */
    const ns_train_model *given;      /* NULL: letters */
    ns_train_model *own_given;        /* opened by ns_trainer_resume */
    ns_model        model;            /* its weights lie in the arenas, packed anew after each update */
    ns_param       *params, *embed, *positions;
    int64_t         n_params, n_listed, n_floats, n_packed;     /* n_listed: room for as many */
    bool            lacks;            /* memory */
    float          *w, *g, *m, *v;    /* [n_floats] weights, gradients, momentum, second moment */
    float          *packed;           /* [n_packed] of all matrices, both ways */
    float          *muon;             /* scratch of one matrix */

    ns_pass         pass;
    ns_scratch      scratch;
    ns_tape         tape;
    ns_band         band;             /* of the chunk at hand */
    ns_cols         begin, logits;    /* of it: embeddings; what the loss reads */
    ns_session      sequence;         /* that each of its members is */
    ns_member      *members;
    int64_t         n_members;        /* room for as many */
    float          *row;              /* [V up to whole vectors] */
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

/* optimizer.c */
double ns_train_rate(const ns_train_config *, int64_t step);          /* the factor on both rates, from 0 */
void ns_optimizer_step(ns_trainer *, double factor, double scale);    /* scale: of the gradients (clip) */

/* chunk.c: tokens [sequences] at stride T, n positions of each -> logits; from their derivatives to gradients, added to g */
int  ns_chunk_forward(ns_trainer *, const int32_t *tokens, int64_t sequences, int64_t T, int64_t n, bool goes_back, ns_error *);
int  ns_chunk_back(ns_trainer *, const int32_t *tokens, int64_t T, ns_error *);
void ns_chunk_free(ns_trainer *);
/* loss.c: cross-entropy of one row [V], in the trainer's own row; which becomes (softmax - one hot) / targets when targets > 0 */
float ns_cross_entropy(ns_trainer *, const float *logits, int32_t target, int64_t targets);

/* given.c: a model that is no pattern of letters */
struct ns_train_model {
    char          *path, *config;     /* the config.json of its checkpoints */
    ns_arch       *arch;
    ns_checkpoint *checkpoint;        /* whose weights are the first values; NULL: none */
    char           sha256[65];        /* of what it adds to the bits of a run */
};
int  ns_train_model_values(ns_trainer *, const ns_train_model *, ns_error *);
int  ns_train_given_config(const ns_trainer *, char **out, ns_error *);
int  ns_train_given_files(const ns_trainer *, const char *folder, ns_error *);
/* Parameters are parts of tensors. Is this one the first of its tensor; the tensor (*out is malloc'd); a parameter of a checkpoint. */
bool ns_train_tensor_begins(const ns_trainer *, int64_t param);
int  ns_train_tensor_new(const ns_trainer *, float *arena, int64_t first, ns_view *out, ns_error *);
int  ns_train_param_read(const ns_trainer *, const ns_checkpoint *, const char *name, const ns_param *, float *out, ns_error *);

/* model_config.c: the config.json of a model of letters */
int ns_train_model_config(const ns_train_config *, char **out, ns_error *);

#endif
