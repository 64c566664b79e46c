/* internal.h - what the files of lib/train share: the state of a run over a model whose weights change.
 *
 * The pass is the engine's (model/trainable.h): the same classes of branches, walked forward and back. A batch goes in chunks of whole
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
#include "model/described.h"
#include "model/trainable.h"

#include <string.h>

enum { NS_CHUNK_ROWS = 512 };

#define NS_TRAIN_ATTENTION "SsFH"      /* the letters of softmax attention */
/* What layer_kinds of a config.json calls the recurrent layer of a letter; NULL: it is none. */
const char *ns_train_recurrent(char letter);
extern const char ns_train_recurrent_letters[];         /* all of them, for a message */

/* ns_train_config_from_json, where keys that change nothing may stand: of what was saved. */
int ns_train_config_read(ns_train_config *out, const char *json, size_t n, const char *label, ns_error *);
static inline bool ns_train_rotates(const ns_train_config *c, int64_t layer)
{
    const char letter = c->pattern[layer];
    return strchr(NS_TRAIN_ATTENTION, letter) && (c->nope_layers[0] ? c->nope_layers[layer] == '0' : !(c->nope && letter == 'F'));
}
static inline int64_t ns_train_window(const ns_train_config *c, int64_t layer)       /* 0: all; of H: half of its heads' */
{
    return strchr("SH", c->pattern[layer]) ? c->window : c->pattern[layer] == 's' ? 4 : 0;
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

struct ns_trainer {
    ns_train_config config;
    ns_engine      *engine;
    const ns_arch  *arch;
    ns_arch        *own_arch;         /* of a pattern of letters; else the arch is the given model's */
    char           *own_config;       /* its config.json */
    ns_layout       layout;           /* how its checkpoints are written; empty: so, or as the given model */
    char            why[256];         /* nobody else's layout holds it */
    const ns_train_model *given;      /* NULL: letters */
    ns_train_model *own_given;        /* opened by ns_trainer_resume */
    ns_trainable    model;
    float          *m, *v;            /* momentum, second moment, where weights have theirs */
    float          *muon;             /* scratch of one matrix */
    float          *row;              /* [V up to whole vectors] */
    float          *target_loss;
    double         *layer_norms;
    int64_t         done;
};

/* ns_trainer_new; a type that is not NULL is the model_type that the checkpoints of the run have. */
int  ns_trainer_make(ns_trainer **out, const ns_train_config *, const ns_trainer_params *, const char *type, ns_error *);

/* init.c */
void ns_train_init(ns_trainer *);

/* optimizer.c */
double ns_squares(const float *x, int64_t n);          /* their sum */
int    ns_optimizer_new(ns_trainer *, ns_error *);
void   ns_optimizer_free(ns_trainer *);
bool   ns_train_is_muon(const ns_trainer *, const ns_param *);        /* AdamW has the others */
double ns_train_rate(const ns_train_config *, int64_t step);          /* the factor on both rates, from 0 */
void ns_optimizer_step(ns_trainer *, double factor, double scale);    /* scale: of the gradients (clip) */

/* loss.c: cross-entropy of one row [V], in the trainer's own row; which becomes (softmax - one hot) / targets when targets > 0 */
float ns_cross_entropy(ns_trainer *, const float *logits, int32_t target, int64_t targets);

/* given.c: a model that is no pattern of letters */
struct ns_train_model { ns_described of; };
int  ns_train_config_text(const ns_trainer *, char **out, ns_error *);      /* config.json of a step; of letters too */
int  ns_train_given_files(const ns_trainer *, const char *folder, ns_error *);
/* model_config.c: the own config.json of a model of letters */
#define NS_TRAIN_OWN_TYPE "needlescope"
int  ns_train_model_config(const ns_train_config *, char **out, ns_error *);

#endif
