/* heads.h - what softmax attention and recurrences share: parameters that begin with an ns_attn, its fields, sizes and slots. */
#ifndef NS_HEADS_H
#define NS_HEADS_H

#include "model/branch/branch.h"

/* Rows of the table of fields: those before the mixer's own, and those behind them. */
#define NS_HEADS_SIZE_FIELDS                                                                                                          \
    {"n_heads", NS_FIELD_I64, .offset = offsetof(ns_attn, n_heads), .required = true},                                                \
    {"n_kv_heads", NS_FIELD_I64, .offset = offsetof(ns_attn, n_kv_heads), .required = true},                                          \
    {"head_dim", NS_FIELD_I64, .offset = offsetof(ns_attn, head_dim), .required = true},                                              \
    {"scale", NS_FIELD_F32, .offset = offsetof(ns_attn, scale), .required = true},                                                    \
    {"window", NS_FIELD_I64, .offset = offsetof(ns_attn, window)},                                                                    \
    {"head_window", NS_FIELD_I64S, .offset = offsetof(ns_attn, head_window), .count = offsetof(ns_attn, n_heads), .over = 1}

#define NS_HEADS_WEIGHT_FIELDS                                                                                                        \
    {"rope", NS_FIELD_INT, .offset = offsetof(ns_attn, rope), .required = true},                                                      \
    {"softcap", NS_FIELD_F32, .offset = offsetof(ns_attn, softcap)},                                                                  \
    {"clip_qkv", NS_FIELD_F32, .offset = offsetof(ns_attn, clip_qkv)},                                                                \
    {"q", NS_FIELD_TREF, .offset = offsetof(ns_attn, q), .required = true},                                                           \
    {"k", NS_FIELD_TREF, .offset = offsetof(ns_attn, k), .required = true},                                                           \
    {"v", NS_FIELD_TREF, .offset = offsetof(ns_attn, v), .required = true},                                                           \
    {"o", NS_FIELD_TREF, .offset = offsetof(ns_attn, o), .required = true},                                                           \
    {"q_bias", NS_FIELD_TREF, .offset = offsetof(ns_attn, q_bias)},                                                                   \
    {"k_bias", NS_FIELD_TREF, .offset = offsetof(ns_attn, k_bias)},                                                                   \
    {"v_bias", NS_FIELD_TREF, .offset = offsetof(ns_attn, v_bias)},                                                                   \
    {"o_bias", NS_FIELD_TREF, .offset = offsetof(ns_attn, o_bias)},                                                                   \
    {"qk_norm", NS_FIELD_WORD, .offset = offsetof(ns_attn, qk_norm), .words = ns_words_qk_norm},                                      \
    {"q_norm", NS_FIELD_NORM, .offset = offsetof(ns_attn, q_norm)},                                                                   \
    {"k_norm", NS_FIELD_NORM, .offset = offsetof(ns_attn, k_norm)}

/* The first slots of such a class, and the packed weights they make. */
enum { NS_HEADS_Q, NS_HEADS_K, NS_HEADS_V, NS_HEADS_O, NS_HEADS_Q_NORM, NS_HEADS_K_NORM, NS_HEADS_N_SLOTS };
enum { NS_HEADS_QKV, NS_HEADS_OUT, NS_HEADS_N_WEIGHTS };
/* Q and K: letters of the heads of q and of k, E: of their width. */
#define NS_HEADS_SLOTS_OF(Q, K, E)                                                                                                    \
    [NS_HEADS_Q] = {"attn.q", NS_SLOT_MATRIX, .at = offsetof(ns_attn, q), .bias = offsetof(ns_attn, q_bias), .shape = Q E ",D",       \
                    .required = true, .weight = NS_HEADS_QKV},                                                                        \
    [NS_HEADS_K] = {"attn.k", NS_SLOT_MATRIX, .at = offsetof(ns_attn, k), .bias = offsetof(ns_attn, k_bias), .shape = K E ",D",       \
                    .required = true, .weight = NS_HEADS_QKV},                                                                        \
    [NS_HEADS_V] = {"attn.v", NS_SLOT_MATRIX, .at = offsetof(ns_attn, v), .bias = offsetof(ns_attn, v_bias), .shape = "Gd,D",         \
                    .required = true, .weight = NS_HEADS_QKV},                                                                        \
    [NS_HEADS_O] = {"attn.o", NS_SLOT_MATRIX, .at = offsetof(ns_attn, o), .bias = offsetof(ns_attn, o_bias), .shape = "D,Hd",         \
                    .required = true, .weight = NS_HEADS_OUT},                                                                        \
    [NS_HEADS_Q_NORM] = {"attn.q_norm", NS_SLOT_NORM, .at = offsetof(ns_attn, q_norm), .shape = E, .other = Q E,                      \
                         .when = offsetof(ns_attn, qk_norm), .is = NS_QK_FULL},                                                       \
    [NS_HEADS_K_NORM] = {"attn.k_norm", NS_SLOT_NORM, .at = offsetof(ns_attn, k_norm), .shape = E, .other = K E,                      \
                         .when = offsetof(ns_attn, qk_norm), .is = NS_QK_FULL}
#define NS_HEADS_SLOTS NS_HEADS_SLOTS_OF("H", "G", "d")

extern const ns_size ns_heads_sizes[];

/* The steps of a forward. q, k, v as projected and clipped, and `more` columns that a class's own slots put behind them in the product
 * (of rows, like q); those of a part that is not asked for are empty. */
typedef struct ns_qkv { ns_cols q, k, v, more; } ns_qkv;
ns_qkv  ns_heads_project(ns_band *, const ns_attn *, ns_cols in, int64_t more);
/* k and v, and q, to what is multiplied: through QK-norm and rope, each shown; k and v are kept. */
void    ns_heads_keep(ns_band *, const ns_attn *, ns_qkv);
ns_cols ns_heads_query(ns_band *, const ns_attn *, ns_cols q);
ns_cols ns_heads_out(ns_band *, const ns_attn *, ns_cols z);           /* W_O z + b, with the shares of the heads for who looks */

void    ns_heads_keeps(const void *params, ns_keeps *);        /* keys and values */
int     ns_heads_check(const ns_checker *, const ns_attn *);
double  ns_heads_macs(const void *params, int64_t n);          /* of q.k and of the rows times v */

#endif
