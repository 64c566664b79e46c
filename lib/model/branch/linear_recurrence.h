/* linear_recurrence.h - the settings of a linear recurrence, which linear_recurrence.c runs and linear_recurrence_check.c looks over. */
#ifndef NS_LINEAR_RECURRENCE_H
#define NS_LINEAR_RECURRENCE_H

#include "model/branch/heads.h"

typedef enum ns_decay { DECAY_NONE, DECAY_SLOPE, DECAY_SOFTPLUS, DECAY_LOGSIGMOID } ns_decay;
typedef enum ns_beta { BETA_ONE, BETA_SIGMOID, BETA_TWICE_SIGMOID, BETA_STEP } ns_beta;
typedef enum ns_rule { RULE_UNSAID, RULE_DELTA, RULE_ADD } ns_rule;     /* unsaid: add */
enum { NORM_OF_ROW, NORM_OF_HEAD };

typedef struct ns_recurrence {
    ns_attn heads;                          /* head_dim: of v and z */
    double *slope;                          /* [H], >= 0: a constant decay e^-slope */
    int     act;                            /* of q, k and v; NO_ACT: none */
    ns_norm z_norm;                         /* none = absent */
    ns_tref z_gate, z_gate_bias;            /* [H*d, D]; absent = no gate */
    int64_t q_heads, k_heads, key_dim;      /* 0: H, G, d */
    int64_t taps;                           /* of the convolution; 0 = none */
    ns_tref q_conv, k_conv, v_conv, q_conv_bias, k_conv_bias, v_conv_bias;     /* [channels, taps] */
    int     decay;                          /* SOFTPLUS: step = softplus(W x + bias), log decay = -e^rate step. LOGSIGMOID: its 1/divisor */
    int     each;                           /* 1: a decay for each key channel, else one a head */
    ns_tref step, step_shift, step_bias, rate;     /* [H, D] or [H*key, D], what the product adds; the same rows; [H] */
    int64_t step_rank, gate_rank;           /* step and z_gate as two thin products (GLA, KDA); 0: as one */
    ns_tref step_in, step_out, step_out_bias, gate_in, gate_out, gate_out_bias;    /* [rank, D]; [step's or z_gate's rows, rank] */
    double  step_min, step_max, divisor;    /* step_max 0: no limit; divisor 0: 1 */
    int     rule, beta;
    ns_tref write, write_bias;              /* [H, D] of beta */
    float   q_factor, k_factor, v_factor, gate_factor, step_factor;    /* of what the product gives; 0: 1 (falcon_h1) */
    ns_tref skip;                           /* D [H] */
    int     z_norm_of;                      /* ROW: all heads at once, in z_norm_groups parts. HEAD: each, by one gain [d] */
    int64_t z_norm_groups;                  /* 0: 1 */
    int     gate_act, gate_first;           /* first: before the norm */
} ns_recurrence;

/* Its heads and widths, what is 0 filled in; slope, scale and rule too. */
ns_scan ns_recurrence_sizes(const ns_recurrence *);
int     ns_recurrence_check(const ns_checker *, const void *params);

#endif
