/* band.h - what a class of a branch may do: operations on the rows of one band.
 *
 * A band is a run of rows that goes through a layer together: rows of one session, or the few new rows of several (hooks.h). The operations
 * alone touch numbers in memory: the loops over rows and threads, packed weights, pages, hooks are theirs (lib/model/band.c, attention.c),
 * and so is the rule that an element depends on its own row and on nothing else of the band.
 *
 * A band that failed, or that a hook stopped, stays so: every operation after it does nothing and gives empty columns, whoever called the
 * class looks (ns_band.rc). So a forward is read from top to bottom, without a word about errors. */
#ifndef NS_BAND_H
#define NS_BAND_H

#include <needlescope/hooks.h>

typedef struct ns_band ns_band;
typedef struct ns_sheet ns_sheet;

/* [rows of the band, n]: columns first .. first + n of a sheet. Sheets are scratch memory, kept until the stage ends; no two that a stage
 * asked for overlap. Empty (sheet NULL): there is nothing. */
typedef struct ns_cols { ns_sheet *sheet; int64_t first, n; } ns_cols;

static inline ns_cols ns_columns(ns_cols c, int64_t first, int64_t n)
{
    return c.sheet ? (ns_cols){c.sheet, c.first + first, n} : (ns_cols){0};
}

/* What is asked of a class: what later rows need of these (keys and values, states), and everything that follows from the rows themselves.
 * In the last layer the first is asked for all rows, then the second for those that are read; else both at once. A class without a state is
 * never asked for the first alone. */
enum { NS_PART_STATE = 1, NS_PART_ROWS = 2 };
bool ns_band_asks(const ns_band *, int part);
/* Is something needed that lies deeper than the point? If not, a class may stop after it and give empty columns. */
bool ns_band_past(const ns_band *, ns_point);

/* The hooks of a point see the rows: [rows, n], or with heads > 0 [rows, heads, n / heads]. */
void ns_band_show(ns_band *, ns_point, ns_cols x, int64_t heads);

/* W x + b of packed weight number `weight` (ns_slot.weight) of the branch; of its output rows c0 .. c1, or of all. */
ns_cols ns_band_linear(ns_band *, ns_cols x, int weight);
ns_cols ns_band_linear_part(ns_band *, ns_cols x, int weight, int64_t c0, int64_t c1);

/* Block-diagonal: packed weight number `weight` is one matrix for each run of columns, and gives the same run. */
ns_cols ns_band_blocks(ns_band *, ns_cols x, int weight);

/* Operations on rows give the columns of their result, and x is spent: they may be its own, overwritten. */
/* Each of `groups` equal parts of a row by the norm of slot number `slot`, all by one gain; x where its type is none. */
ns_cols ns_band_norm(ns_band *, ns_cols x, int64_t groups, int slot);
ns_cols ns_band_rope(ns_band *, ns_cols x, int64_t heads, int rope);   /* at the rows' positions; x for rope -1 */
ns_cols ns_band_act(ns_band *, ns_cols x, ns_act);
/* xIELU (arXiv 2411.13010) by four slots that are vectors of one number: alpha_p, alpha_n, beta, eps. */
ns_cols ns_band_xielu(ns_band *, ns_cols x, const int slots[4]);
ns_cols ns_band_glu(ns_band *, ns_cols x, ns_act, ns_cols up);         /* act(x) * up */
/* In place: gate <- min(gate, limit), up <- up within +-limit (0: both as they are) + offset. */
void    ns_band_bound(ns_band *, ns_cols gate, ns_cols up, float limit, float offset);
ns_cols ns_band_gate(ns_band *, ns_cols x, ns_cols gate);              /* sigmoid(gate) * x; x where it is empty */
ns_cols ns_band_scale(ns_band *, ns_cols x, float factor);             /* factor * x */
ns_cols ns_band_temper(ns_band *, const ns_attn *, ns_cols q);         /* times ns_attn.temper at the rows' positions */
ns_cols ns_band_clip(ns_band *, ns_cols x, float limit);               /* to +-limit; x for 0 */

ns_cols ns_band_plus(ns_band *, ns_cols x, ns_cols y);                 /* x + y */
ns_cols ns_band_times(ns_band *, ns_cols x, ns_cols y);                /* x * y; both stay */
ns_cols ns_band_switch(ns_band *, ns_cols x, ns_cols y);               /* sigmoid(y) * x, y one column, spent too */

/* ---- mixtures of experts ---- */
enum { NS_MAX_GROUPS = 256 };
typedef enum ns_routing { NS_ROUTING_SOFTMAX, NS_ROUTING_SOFTMAX_CHOSEN, NS_ROUTING_SIGMOID } ns_routing;
/* How a row's logits become top_k choices. Weights: the softmax over all experts or over those chosen, or the sigmoid; divided by their sum
 * where `normalise`; times scale. Chosen by the logits, or where there is a choice bias or groups by the weights plus the bias: of
 * `groups` equal runs of experts only the group_top_k whose best `group_best` (1 or 2) sum up highest. Ties go to the lowest number. */
typedef struct ns_router {
    int64_t    n_experts, top_k, groups, group_top_k, group_best;      /* groups 0: none */
    ns_routing routing;
    bool       normalise;
    float      scale;
} ns_router;
/* [rows, 2 top_k] of logits [rows, n_experts]: numbers of experts, the best first, then their weights. bias: the slot of a vector. */
ns_cols ns_band_route(ns_band *, const ns_router *, ns_cols logits, int bias);
/* [rows, D]: for each row the sum over its choices, by number, of weight * expert(x), or with weigh_input of expert(weight * x). `expert`
 * is run for each expert that a row chose, with a band of those rows alone, whose weights are that expert's. */
typedef ns_cols (*ns_expert_fn)(ns_band *, const void *params, ns_cols in);
ns_cols ns_band_experts(ns_band *, const ns_router *, ns_cols in, ns_cols choices, bool weigh_input, ns_expert_fn expert,
                        const void *params);

/* Keys and values [rows, G d] join the sessions' pages. */
void ns_band_keep(ns_band *, const ns_attn *, ns_cols k, ns_cols v);
/* z [rows, H d]: for each row of q, the softmax over the kept keys that it sees times their values, shown at hook_attn_scores and
 * hook_pattern; with one more logit a head that no key has, slot `sinks` (a vector; where it is empty: none), so that a row sums to less
 * than 1. Empty when z is not needed. */
ns_cols ns_band_attend(ns_band *, const ns_attn *, ns_cols q, int sinks);
/* hook_result: the share of each head in out = W z + b, when somebody looks; where it was edited, out is their sum. */
void ns_band_results(ns_band *, const ns_attn *, ns_cols z, int weight, ns_cols out);

/* What ns_site_write needs to know, where somebody may ask it: columns of ones, as many as z has, which go through what z goes through
 * behind hook_z, norms by ns_band_norm_frozen (factor * gain / size of x; x stays); then with what W_O is given they are kept. Empty where
 * nobody asks, and then whatever is done to them gives empty columns; a class may hand over none, for ones. */
ns_cols ns_band_ones(ns_band *, ns_cols z);
ns_cols ns_band_norm_frozen(ns_band *, ns_cols factor, ns_cols x, int64_t groups, int slot);
void    ns_band_written(ns_band *, ns_cols factor, ns_cols z);
ns_cols ns_band_copy(ns_band *, ns_cols x);                            /* x stays; empty of an empty one */

/* ---- recurrences; what a session keeps of them: ns_keeps of the class ---- */
/* A causal convolution of each channel over the rows before it, those of earlier bands too. The channels of x are those of the tables
 * number slots[0], slots[1] ...: [channels, taps], the last tap for the row itself, and their biases. */
ns_cols ns_band_conv(ns_band *, ns_cols x, const int *slots, int n_slots, int64_t taps);
/* softplus(sign (x + bias)) within [low, high]; bias: of table number `slot`, -1: none. x is spent, as above. */
ns_cols ns_band_softplus(ns_band *, ns_cols x, int slot, double sign, double low, double high);
/* What the state is multiplied by, as its log: -rate step; rate: e^table (slot, one number a head), or, where slot is -1, the constant.
 * step stays. */
ns_cols ns_band_log_decay(ns_band *, ns_cols step, int64_t heads, int slot, double rate);
ns_cols ns_band_sigmoid(ns_band *, ns_cols x, float times);            /* times * sigmoid(x) */
/* The logits y of gates that stay above a bound:  sigmoid(y) = bound + (1 - bound) sigmoid(x),  bound of a channel: of the softmax over the
 * rows of table number `slot` [depths, channels] what the rows 1 to `depth` have. x stays. */
ns_cols ns_band_lower_bound(ns_band *, ns_cols x, int slot, int64_t depths, int64_t depth);
ns_cols ns_band_skip(ns_band *, ns_cols z, ns_cols v, int64_t heads, int slot);     /* z + D v, D of table number `slot`, one a head */

/* S <- diag(decay) S;  u = write (v - S^T k) by the delta rule, else write v;  S <- S + k u^T;  z = S^T (scale q)
 * for each of `heads` states [key, value]; q, k and v may have fewer heads, each for as many states in a row. z [rows, heads value]. The
 * rows W of z = W v are shown at hook_pattern. */
typedef struct ns_scan {
    int64_t heads, q_heads, k_heads, v_heads, key, value;
    float   scale;
    bool    delta;
    ns_cols q, k, v;
    ns_cols log_decay;         /* [rows, heads] or [rows, heads key]; empty: none but slope's */
    const double *slope;       /* [heads] where log_decay is empty: a constant one, -slope; NULL: none */
    ns_cols write;             /* [rows, heads]; empty: 1 */
} ns_scan;
ns_cols ns_band_scan(ns_band *, const ns_scan *);

/* ---- recurrences of channels ---- */
/* S[c, n] <- decay S[c, n] + write[c] in[n],  out[c] = sum over n of S[c, n] read[n], for each channel c and number n of its state. The
 * decay is e^(-e^table step[c]), table number `rates` [channels, state]; or, rates -1, e^step[c]. */
typedef struct ns_channels {
    int64_t channels, state;
    int     rates;
    ns_cols step, write;       /* [rows, channels] */
    ns_cols in, read;          /* [rows, state]; empty: 1 */
} ns_channels;
ns_cols ns_band_channels(ns_band *, const ns_channels *);
/* What a channel decays by, as its log: -rate softplus(table) gate, table number `slot`, one number a channel. gate stays. */
ns_cols ns_band_soft_decay(ns_band *, ns_cols gate, int slot, double rate);
/* (1 - a^2)^1/2, a of its log: what keeps a state's size; 1 at position 0. log_decay stays. */
ns_cols ns_band_keep_norm(ns_band *, ns_cols log_decay);

/* ---- the layer's own ---- */
ns_cols ns_band_x(ns_band *);                                          /* the residual stream */
ns_cols ns_band_in_norm(ns_band *);                                    /* norm of the branch's input; x itself where it has none */
ns_cols ns_band_in_scale(ns_band *, ns_cols normed);                   /* in_scale * normed; normed stays, and is given for 1 */
ns_cols ns_band_out_norm(ns_band *, ns_cols out);                      /* out_scale * out_norm(out); out is spent */
/* x <- x, or normed_scale * normed where that is not 0; then + each out. The first NaN or Inf fails the band, by the name of `point`. */
void    ns_band_add(ns_band *, const ns_stage *, ns_cols normed, const ns_cols *out, ns_point);

#endif
