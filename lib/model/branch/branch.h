/* branch.h - the class of a branch: all that there is to know of what it computes.
 *
 *     x <- base + sum over branches b of  out_scale_b * out_norm_b( class_b( in_scale_b * in_norm_b(x) ) )
 *
 * A class is a file beside this one with one `const ns_branch_class` in it, and its name in meson.build; nobody else names a mixer.
 * Everybody asks the class: the reader and writer of an arch its fields, the walk over weights (names, shapes, packing, freeing) its
 * slots, the hooks its points, the session what it keeps, the pass how it runs.
 *
 * Letters, here and in shapes: D d_model, H heads, G KV heads, d head_dim, F d_ff. Rows are positions of a sequence. */
#ifndef NS_BRANCH_H
#define NS_BRANCH_H

#include <needlescope/hooks.h>
#include "model/branch/band.h"
#include "model/branch/check.h"
#include "model/branch/field.h"
#include "model/branch/tref.h"

/* ---- sizes and slots: the tensors of a branch ---- */

/* A letter of shapes: the int64_t of the parameters that it stands for, the key of config.json that messages call it by, and the axis of
 * points that is so long (NULL: none). */
typedef struct ns_size {
    char        letter;
    size_t      at;
    const char *key, *axis;
    char        otherwise;     /* the letter that it stands for where it is 0; 0: none */
} ns_size;

typedef enum ns_slot_kind {
    NS_SLOT_MATRIX,            /* W of a product, packed */
    NS_SLOT_NORM, NS_SLOT_VECTOR,
    NS_SLOT_TABLE,             /* numbers that no product reads: the taps of a convolution */
} ns_slot_kind;

enum { NS_SLOTS_A_WEIGHT = 8 };   /* at most */

/* What its numbers are when training begins anew: normal (a vector: 0), 1, the log of a rate of decay, a step before its softplus, taps. */
typedef enum ns_init { NS_INIT_USUAL, NS_INIT_ONE, NS_INIT_RATE, NS_INIT_STEP, NS_INIT_TAPS } ns_init;

/* One tensor of a branch and what belongs to it. A class's slots are numbered: its forward names them by their number. */
typedef struct ns_slot {
    const char  *role;         /* "attn.q"; NULL ends the table. Its bias is "attn.q_bias"; a norm's are "attn.q_norm.weight" and ".bias" */
    ns_slot_kind kind;
    size_t       at, bias;     /* in the parameters. NORM: its ns_norm. Else its ns_tref; that of its bias (0: it can have none) */
    const char  *shape;        /* "Hd,D": output rows, inputs, products of sizes (of none: 1); of a norm or vector its width */
    const char  *other;        /* the shape where the int at `when` of the parameters is `is`; NULL: always the same */
    size_t       when;
    int          is;
    bool         required;
    int          weight;       /* MATRIX: the packed weight whose rows it joins, below those of the slots before it: one product for all */
    ns_init      init;         /* VECTOR, TABLE */
    bool         shared;       /* TABLE: the layers that name the same tensor train it together */
    char         each, used;   /* MATRIX: letters. There are so many of it, one an expert, and a row is multiplied by so many; 0: one */
} ns_slot;

/* The rows and inputs that the parameters want of a slot (inputs 1 for a norm), and in words: "num_attention_heads x head_dim,
 * hidden_size". */
typedef struct ns_shape { int64_t n_out, n_in; char rows[64], words[160]; } ns_shape;

/* ---- the class ---- */

/* Bits: a layer of two mixers may keep both. */
enum {
    NS_STATE_NONE = 0,         /* a row is computed from itself alone */
    NS_STATE_PAGES = 1,        /* keys and values of every row, in pages: forks share them, truncation drops them */
    NS_STATE_SNAPSHOT = 2,     /* what a recurrence knows after a row; copies of it at some positions: forks copy one, truncation goes back
                                * to one and computes the rows from there again */
};

/* What a session keeps of a branch, or of a layer. */
typedef struct ns_keeps {
    int     kind;
    int64_t groups, k, v;      /* of a position in pages: groups x k and groups x v numbers */
    int64_t rows_k, rows_v;    /* of a position of a recurrence: what its rows are made of, and v that they multiply; kept where somebody
                                * looks at the rows */
    int64_t states, key, value, tail;   /* of a snapshot: states [key, value] and `tail` more numbers */
} ns_keeps;

#define NS_HAS(point) (UINT64_C(1) << NS_POINT_##point)
/* Points that are of heads. */
#define NS_POINTS_OF_HEADS \
    (NS_HAS(K) | NS_HAS(V) | NS_HAS(ROT_K) | NS_HAS(Q) | NS_HAS(ROT_Q) | NS_HAS(PATTERN) | NS_HAS(Z) | NS_HAS(RESULT))
_Static_assert(NS_N_POINTS <= 64, "a set of points is a bit each");

typedef struct ns_branch_class {
    const char     *name;          /* as in meson.build */
    const char     *part, *mixer;  /* in an arch's JSON: "kind", which is also the key of the parameters, and their "mixer" (NULL: the
                                    * part has this one class). Absent, the mixer is the first of the list with this part */
    const ns_word  *mixers;        /* all words for its mixer, where it has forms; NULL: the one */
    size_t          params_size;
    bool            heads, ffn;    /* the parameters begin with an ns_attn; with an ns_ffn */
    const ns_field *fields;        /* of the parameters */
    const ns_size  *sizes;         /* letter 0 ends the table */
    const ns_slot  *slots;
    ns_point        in_point, out_point;   /* of what its norm gives and of what it adds to the residual stream */
    uint64_t        points;        /* NS_HAS(...): the others that it shows */
    const char     *no_step;       /* why any other is absent: "an MLP has no such step" */
    /* The same of one of `points` that these parameters leave out, or of one of the others for a reason of its own; else NULL. Or NULL. */
    const char   *(*absent)(const void *params, ns_point);
    const char   *(*axes)(const void *params, ns_point);    /* of a point that has other axes here than in hooks.h, else NULL; or NULL */
    const char   *(*formula)(const void *params, ns_point); /* of a point that is something else here than there, else NULL; or NULL */
    ns_row_kind     rows;          /* with heads: what hook_pattern shows */
    void          (*keeps)(const void *params, ns_keeps *);     /* sets what is not 0; NULL: nothing is kept */
    /* What the tables cannot say: ranges, what needs or excludes what. NS_OK, or an error made by the checker. */
    int           (*check)(const ns_checker *, const void *params);
    /* The pass: what the branch gives for its (normed) input, [rows, D] each; empty when nothing of it is needed. */
    ns_cols       (*forward)(ns_band *, const void *params, ns_cols in);
    /* Multiply-adds of n rows from the first on, but for those of its packed weights; NULL: none. */
    double        (*macs)(const void *params, int64_t n);
} ns_branch_class;

enum {
#define ENTRY(name) NS_NUMBER_OF_##name,
#include "model/branch/branch_list.h"
#undef ENTRY
    NS_N_BRANCH_CLASSES
};
extern const ns_branch_class *const ns_branch_classes[];       /* NULL-terminated, in the order of the list */
/* The class of a part and a mixer (NULL: the part's first). NULL: there is none. */
const ns_branch_class *ns_branch_class_find(const char *part, const char *mixer);
/* Parameters of the class, zeroed; false: no memory. The slots and lists of the branch are cleared by the owner of the arch. */
bool ns_branch_begin(ns_branch *, const ns_branch_class *);

/* It mixes rows, or looks at each alone (an MLP): its points lie before the middle of the layer, or behind it. */
static inline bool ns_class_is_mixer(const ns_branch_class *c)
{
    return c->out_point < NS_POINT_RESID_MID;
}

/* Why the branch does not show a point, in words; NULL: it does. Of the input when it has a norm of its own. */
const char *ns_branch_absent(const ns_branch *, ns_point);

void ns_slot_shape(const ns_branch *, const ns_slot *, int64_t d_model, ns_shape *out);
int64_t ns_slot_copies(const ns_branch *, const ns_slot *);     /* how many there are, one an expert; 0: one of the branch's own */
int64_t ns_slot_used(const ns_branch *, const ns_slot *);       /* of them for a row; 1 of the branch's own */
int64_t ns_size_value(const ns_branch *, const ns_size *);      /* of its parameters; of `otherwise` where it is 0 */
int64_t ns_branch_axis(const ns_branch *, const char *axis);    /* the length of an axis of its points; 0: none */
int  ns_slot_find(const ns_branch_class *, const char *role);   /* its number, or -1 */
int  ns_branch_n_slots(const ns_branch_class *);
int  ns_branch_n_weights(const ns_branch_class *);              /* packed */

static inline ns_tref *ns_slot_tref(const ns_branch *b, const ns_slot *s)
{
    return (ns_tref *)((char *)b->params + s->at);
}
static inline ns_tref *ns_slot_bias(const ns_branch *b, const ns_slot *s)     /* NULL: it can have none */
{
    return s->bias ? (ns_tref *)((char *)b->params + s->bias) : NULL;
}
static inline ns_norm *ns_slot_norm(const ns_branch *b, const ns_slot *s)
{
    return (ns_norm *)((char *)b->params + s->at);
}

/* The branches of a stage in the order in which they are asked for points; i from 0. */
static inline const ns_branch *ns_stage_asked(const ns_stage *s, int i)
{
    return &s->branches[(s->points_of + i) % s->n_branches];
}
/* The first branch of a layer, so ordered, that has heads; NULL: none has. */
const ns_branch *ns_layer_mixer(const ns_layer *);
/* The branch that shows a point: the first that has it, where it is of keys the mixer; NULL: none, or it is a point of the layer. */
const ns_branch *ns_layer_shows(const ns_layer *, ns_point);
ns_keeps ns_branch_keeps(const ns_branch *);

#endif
