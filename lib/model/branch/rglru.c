/* rglru.c - the real-gated linear recurrent unit of Griffin (arXiv 2402.19427): a number of state a channel,
 *
 *     x = conv(W_x in),  r = sigmoid(W_r x + b_r),  i = sigmoid(W_i x + b_i),  log a = -8 r softplus(rate),
 *     h <- a h + (1 - a^2)^1/2 i x  (the first row: h <- i x),   out = W_O (act(W_y in) h).
 *
 * W_r and W_i are block-diagonal: a matrix for each run of channels. */
#include "model/branch/branch.h"

typedef struct rglru {
    int64_t channels, blocks, block_dim, taps;
    int     act;
    ns_tref x, gate, o, x_bias, gate_bias, o_bias;                    /* [channels, D], [D, channels] */
    ns_tref conv, conv_bias;                                          /* [channels, taps] */
    ns_tref in_gate, in_gate_bias, decay_gate, decay_gate_bias;       /* [blocks, block_dim, block_dim] */
    ns_tref rate;                                                     /* [channels] */
} rglru;

enum { FASTEST = 8 };                  /* of the rates */

static const ns_word mixer[] = {{"rglru", 0}, {NULL, 0}};

#define AT(member) .offset = offsetof(rglru, member)
static const ns_field fields[] = {
    {"mixer", NS_FIELD_FIXED, .words = mixer},
    {"channels", NS_FIELD_I64, AT(channels), .required = true},
    {"blocks", NS_FIELD_I64, AT(blocks), .required = true},
    {"block_dim", NS_FIELD_I64, AT(block_dim), .required = true},
    {"conv_taps", NS_FIELD_I64, AT(taps), .required = true},
    {"act", NS_FIELD_WORD, AT(act), .words = ns_words_act, .required = true},
    {"x", NS_FIELD_TREF, AT(x), .required = true},
    {"gate", NS_FIELD_TREF, AT(gate), .required = true},
    {"o", NS_FIELD_TREF, AT(o), .required = true},
    {"x_bias", NS_FIELD_TREF, AT(x_bias)},
    {"gate_bias", NS_FIELD_TREF, AT(gate_bias)},
    {"o_bias", NS_FIELD_TREF, AT(o_bias)},
    {"conv", NS_FIELD_TREF, AT(conv), .required = true},
    {"conv_bias", NS_FIELD_TREF, AT(conv_bias)},
    {"in_gate", NS_FIELD_TREF, AT(in_gate), .required = true},
    {"in_gate_bias", NS_FIELD_TREF, AT(in_gate_bias)},
    {"decay_gate", NS_FIELD_TREF, AT(decay_gate), .required = true},
    {"decay_gate_bias", NS_FIELD_TREF, AT(decay_gate_bias)},
    {"rate", NS_FIELD_TREF, AT(rate), .required = true},
    {0},
};

static const ns_size sizes[] = {{'C', offsetof(rglru, channels), "lru_width", "channel"},
                                {'h', offsetof(rglru, blocks), "num_attention_heads"},
                                {'w', offsetof(rglru, block_dim), "lru_width / num_attention_heads"},
                                {'t', offsetof(rglru, taps), "conv1d_width"},
                                {0}};

enum { IN, OUT, IN_GATES, DECAY_GATES };
enum { X, GATE, O, CONV, IN_GATE, DECAY_GATE, RATE };
#define MATRIX(name, member, rows, number, ...) \
    {"attn." name, NS_SLOT_MATRIX, .at = offsetof(rglru, member), .bias = offsetof(rglru, member##_bias), .shape = rows, \
     .required = true, .weight = number, __VA_ARGS__}

/* Columns of the product: x | gate. */
static const ns_slot slots[] = {
    [X] = MATRIX("x", x, "C,D", IN, .each = 0),
    [GATE] = MATRIX("gate", gate, "C,D", IN, .each = 0),
    [O] = MATRIX("o", o, "D,C", OUT, .each = 0),
    [CONV] = {"attn.conv", NS_SLOT_TABLE, .at = offsetof(rglru, conv), .bias = offsetof(rglru, conv_bias), .shape = "C,t",
              .required = true, .init = NS_INIT_TAPS},
    [IN_GATE] = MATRIX("in_gate", in_gate, "w,w", IN_GATES, .each = 'h', .used = 'h'),
    [DECAY_GATE] = MATRIX("decay_gate", decay_gate, "w,w", DECAY_GATES, .each = 'h', .used = 'h'),
    [RATE] = {"attn.rate", NS_SLOT_VECTOR, .at = offsetof(rglru, rate), .shape = "C", .required = true},
    {0},
};

static int check(const ns_checker *c, const void *params)
{
    const rglru *const p = params;
    int rc;
    if ((rc = ns_check_range(c, "channels", p->channels, 1, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_range(c, "blocks", p->blocks, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "block_dim", p->block_dim, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "conv_taps", p->taps, 1, 1024)) != NS_OK)
        return rc;
    return p->channels == p->blocks * p->block_dim ? NS_OK : ns_check_refuse(c, "channels are not blocks x block_dim");
}

static void keeps(const void *params, ns_keeps *out)
{
    const rglru *const p = params;
    *out = (ns_keeps){.kind = NS_STATE_SNAPSHOT, .states = 1, .key = 1, .value = p->channels, .tail = (p->taps - 1) * p->channels};
}

static double macs(const void *params, int64_t n)
{
    const rglru *const p = params;
    return (double)n * (double)p->channels * (double)(p->taps + 6);
}

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    static const int table = CONV;
    const rglru *const p = params;
    const int64_t C = p->channels;
    const ns_cols both = ns_band_linear(b, in, IN);
    ns_band_show(b, NS_POINT_V_PRE_CONV, ns_columns(both, 0, C), 1);
    const ns_cols x = ns_band_conv(b, ns_columns(both, 0, C), &table, 1, p->taps);
    const ns_cols decay = ns_band_sigmoid(b, ns_band_blocks(b, x, DECAY_GATES), 1);
    const ns_cols i = ns_band_sigmoid(b, ns_band_blocks(b, x, IN_GATES), 1);
    ns_channels s = {.channels = C, .state = 1, .rates = -1, .step = ns_band_soft_decay(b, decay, RATE, FASTEST)};
    const ns_cols write = ns_band_times(b, ns_band_keep_norm(b, s.step), i);
    ns_band_show(b, NS_POINT_BETA, write, 0);
    ns_band_show(b, NS_POINT_LOG_DECAY, s.step, 1);
    s.write = ns_band_times(b, write, x);
    const ns_cols h = ns_band_channels(b, &s);
    if (!ns_band_past(b, NS_POINT_PATTERN))
        return (ns_cols){0};
    ns_band_show(b, NS_POINT_RECURRENCE_OUT, h, 1);
    return ns_band_linear(b, ns_band_glu(b, ns_columns(both, C, C), (ns_act)p->act, h), OUT);
}

static const char *axes(const void *params, ns_point p)
{
    (void)params;
    return p == NS_POINT_BETA ? "row channel"
           : p == NS_POINT_V_PRE_CONV || p == NS_POINT_LOG_DECAY || p == NS_POINT_RECURRENCE_OUT ? "row one channel" : NULL;
}

static const char *absent(const void *params, ns_point p)
{
    (void)params;
    return p == NS_POINT_SSM_STATE         ? "it is hook_recurrence_out: a number a channel"
           : NS_POINTS_OF_HEADS >> p & 1 ? "each channel of an RG-LRU has a state of its own: there are no heads, and no rows of theirs"
                                         : NULL;
}

static const char *formula(const void *params, ns_point p)
{
    (void)params;
    switch (p) {
    case NS_POINT_V_PRE_CONV: return "W_x x + b of the channels, before the short convolution";
    case NS_POINT_BETA: return "(1 - a^2)^1/2 times the input gate: what x is written times";
    case NS_POINT_LOG_DECAY: return "log a of each channel";
    case NS_POINT_RECURRENCE_OUT: return "h of each channel, h <- a h + hook_beta x: goes to the gate";
    default: return NULL;
    }
}

const ns_branch_class ns_branch_rglru = {
    .name = "rglru", .part = "attn", .mixer = "rglru",
    .params_size = sizeof(rglru), .fields = fields, .sizes = sizes, .slots = slots,
    .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT,
    .points = NS_HAS(V_PRE_CONV) | NS_HAS(BETA) | NS_HAS(LOG_DECAY) | NS_HAS(RECURRENCE_OUT), .no_step = "an RG-LRU has no such step",
    .absent = absent, .axes = axes, .formula = formula, .rows = NS_ROW_UNROLLED,
    .keeps = keeps, .check = check, .forward = forward, .macs = macs,
};
