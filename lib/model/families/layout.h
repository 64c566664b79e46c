/* layout.h - how a class of another program writes a model: the keys of its config.json, the inverse of a family's reader. A layout is its
 * row here; whether it holds a model is not asked of it: what is read back from its config.json is compared (ns_arch_same). */
#ifndef NS_FAMILIES_LAYOUT_H
#define NS_FAMILIES_LAYOUT_H

#include "model/families/family.h"
#include "model/branch/linear_recurrence.h"

/* What the keys of config.json are taken from: a model, its first softmax and its first recurrent layer (NULL: none). */
typedef struct ns_sketch {
    const ns_arch       *a;
    const ns_attn       *attn, *heads;          /* heads: attn's, or the recurrence's */
    const ns_recurrence *mixer;
    const ns_ffn        *ffn;                   /* NULL: none */
    double               theta;
} ns_sketch;
typedef struct ns_layout_row {
    const char *type, *of;                      /* model_type; what loads it */
    bool      (*suits)(const ns_sketch *);      /* has it layers of this class? */
    bool      (*add)(cJSON *config, const ns_sketch *);      /* what stands there beside sizes and dtype; false: no memory */
} ns_layout_row;
extern const ns_layout_row ns_layout_smollm3, ns_layout_gated_deltanet, ns_layout_gla, ns_layout_granitemoehybrid;

bool    ns_sketch_mixes(const ns_sketch *, int64_t layer);           /* is the layer recurrent? */
bool    ns_sketch_rotates(const ns_sketch *, int64_t layer);
int64_t ns_sketch_window(const ns_sketch *, int64_t layer);          /* 0: all keys; where heads differ, the first's */

/* What layouts share; false: no memory. */
typedef struct ns_key { const char *key; double value; } ns_key;      /* key NULL ends a list */
bool ns_layout_numbers(cJSON *, const ns_key *);
bool ns_layout_item(cJSON *list, cJSON *item);                       /* item NULL: no memory */
bool ns_layout_class(cJSON *, const char *name);                     /* architectures; no special tokens, which small vocabularies lack */
bool ns_layout_llama(cJSON *, const ns_sketch *);                    /* numbers of heads, eps, theta, activation */
#endif
