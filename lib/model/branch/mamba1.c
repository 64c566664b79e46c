/* mamba1.c - the selective state space of Mamba (arXiv 2312.00752): each channel has N numbers of state,
 *
 *     x, gate = W x;  x = act(conv(x));  step, in, read = norms of W_s x;  step = softplus(W_t step + b),
 *     S[c, n] <- e^(-e^A[c, n] step[c]) S[c, n] + step[c] x[c] in[n],   y[c] = sum over n of S[c, n] read[n] + D[c] x[c],
 *     out = W_O (act(gate) y).
 *
 * Jamba norms step, in and read with gains, Falcon Mamba without. */
#include "model/branch/branch.h"

typedef struct mamba1 {
    int64_t channels, state, rank, taps;      /* rank: of the steps */
    int     act;
    ns_tref x, gate, o, x_bias, gate_bias, o_bias;                    /* [channels, D], [D, channels] */
    ns_tref conv, conv_bias;                                          /* [channels, taps] */
    ns_tref step_in, in, read;                                        /* [rank, channels], [state, channels] twice */
    ns_norm step_norm, in_norm, read_norm;
    ns_tref step, step_bias;                                          /* [channels, rank] */
    ns_tref rate, skip;                                               /* A [channels, state], D [channels] */
} mamba1;

static const ns_word mixer[] = {{"mamba1", 0}, {NULL, 0}};

#define AT(member) .offset = offsetof(mamba1, member)
static const ns_field fields[] = {
    {"mixer", NS_FIELD_FIXED, .words = mixer},
    {"channels", NS_FIELD_I64, AT(channels), .required = true},
    {"state", NS_FIELD_I64, AT(state), .required = true},
    {"rank", NS_FIELD_I64, AT(rank), .required = true},
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
    {"step_in", NS_FIELD_TREF, AT(step_in), .required = true},
    {"in", NS_FIELD_TREF, AT(in), .required = true},
    {"read", NS_FIELD_TREF, AT(read), .required = true},
    {"step_norm", NS_FIELD_NORM, AT(step_norm)},
    {"in_norm", NS_FIELD_NORM, AT(in_norm)},
    {"read_norm", NS_FIELD_NORM, AT(read_norm)},
    {"step", NS_FIELD_TREF, AT(step), .required = true},
    {"step_bias", NS_FIELD_TREF, AT(step_bias)},
    {"rate", NS_FIELD_TREF, AT(rate), .required = true},
    {"skip", NS_FIELD_TREF, AT(skip), .required = true},
    {0},
};

static const ns_size sizes[] = {{'C', offsetof(mamba1, channels), "the width of the state space", "channel"},
                                {'N', offsetof(mamba1, state), "state_size"},
                                {'r', offsetof(mamba1, rank), "time_step_rank"},
                                {'t', offsetof(mamba1, taps), "taps of the convolution"},
                                {0}};

enum { IN, OUT, SELECT, STEPS };      /* packed weights: x | gate; out; step | in | read; steps */
enum { X, GATE, O, CONV, STEP_IN, WRITE, READ, STEP_NORM, WRITE_NORM, READ_NORM, STEP, RATE, SKIP };
#define BIASED(name, member, rows, number) \
    {"attn." name, NS_SLOT_MATRIX, .at = offsetof(mamba1, member), .bias = offsetof(mamba1, member##_bias), .shape = rows, \
     .required = true, .weight = number}
#define PLAIN(name, member, rows) \
    {"attn." name, NS_SLOT_MATRIX, .at = offsetof(mamba1, member), .shape = rows, .required = true, .weight = SELECT}

static const ns_slot slots[] = {
    [X] = BIASED("x", x, "C,D", IN),
    [GATE] = BIASED("gate", gate, "C,D", IN),
    [O] = BIASED("o", o, "D,C", OUT),
    [CONV] = {"attn.conv", NS_SLOT_TABLE, .at = offsetof(mamba1, conv), .bias = offsetof(mamba1, conv_bias), .shape = "C,t",
              .required = true, .init = NS_INIT_TAPS},
    [STEP_IN] = PLAIN("step_in", step_in, "r,C"),
    [WRITE] = PLAIN("in", in, "N,C"),
    [READ] = PLAIN("read", read, "N,C"),
    [STEP_NORM] = {"attn.step_norm", NS_SLOT_NORM, .at = offsetof(mamba1, step_norm), .shape = "r"},
    [WRITE_NORM] = {"attn.in_norm", NS_SLOT_NORM, .at = offsetof(mamba1, in_norm), .shape = "N"},
    [READ_NORM] = {"attn.read_norm", NS_SLOT_NORM, .at = offsetof(mamba1, read_norm), .shape = "N"},
    [STEP] = BIASED("step", step, "C,r", STEPS),
    [RATE] = {"attn.rate", NS_SLOT_TABLE, .at = offsetof(mamba1, rate), .shape = "C,N", .required = true, .init = NS_INIT_RATE},
    [SKIP] = {"attn.skip", NS_SLOT_VECTOR, .at = offsetof(mamba1, skip), .shape = "C", .init = NS_INIT_ONE, .required = true},
    {0},
};

static int check(const ns_checker *c, const void *params)
{
    const mamba1 *const p = params;
    int rc;
    if ((rc = ns_check_range(c, "channels", p->channels, 1, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_range(c, "state", p->state, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "rank", p->rank, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "conv_taps", p->taps, 1, 1024)) != NS_OK ||
        (rc = ns_check_norm(c, "step_norm", &p->step_norm)) != NS_OK || (rc = ns_check_norm(c, "in_norm", &p->in_norm)) != NS_OK)
        return rc;
    return ns_check_norm(c, "read_norm", &p->read_norm);
}

static void keeps(const void *params, ns_keeps *out)
{
    const mamba1 *const p = params;
    *out = (ns_keeps){.kind = NS_STATE_SNAPSHOT, .states = 1, .key = p->state, .value = p->channels, .tail = (p->taps - 1) * p->channels};
}

static double macs(const void *params, int64_t n)
{
    const mamba1 *const p = params;
    return (double)n * (double)p->channels * (double)(4 * p->state + p->taps + 3);
}

/* What x says of its own steps: from x to the scan's. */
static void make_scan(ns_band *b, const mamba1 *p, ns_cols x, ns_channels *s)
{
    const ns_cols selected = ns_band_linear(b, x, SELECT);
    const ns_cols step = ns_band_norm(b, ns_columns(selected, 0, p->rank), 1, STEP_NORM);
    s->in = ns_band_norm(b, ns_columns(selected, p->rank, p->state), 1, WRITE_NORM);
    s->read = ns_band_norm(b, ns_columns(selected, p->rank + p->state, p->state), 1, READ_NORM);
    s->step = ns_band_softplus(b, ns_band_linear(b, step, STEPS), -1, 1, 0, 1e30);
    ns_band_show(b, NS_POINT_BETA, s->step, 0);
    s->write = ns_band_times(b, s->step, x);
}

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    static const int table = CONV;
    const mamba1 *const p = params;
    const int64_t C = p->channels;
    const ns_cols both = ns_band_linear(b, in, IN);
    ns_band_show(b, NS_POINT_V_PRE_CONV, ns_columns(both, 0, C), 1);
    const ns_cols x = ns_band_act(b, ns_band_conv(b, ns_columns(both, 0, C), &table, 1, p->taps), (ns_act)p->act);
    ns_channels s = {.channels = C, .state = p->state, .rates = RATE};
    make_scan(b, p, x, &s);
    ns_cols y = ns_band_channels(b, &s);
    if (!ns_band_past(b, NS_POINT_PATTERN))
        return (ns_cols){0};
    y = ns_band_skip(b, y, x, C, SKIP);
    ns_band_show(b, NS_POINT_RECURRENCE_OUT, y, 1);
    return ns_band_linear(b, ns_band_glu(b, ns_columns(both, C, C), (ns_act)p->act, y), OUT);
}

static const char *axes(const void *params, ns_point p)
{
    (void)params;
    return p == NS_POINT_BETA ? "row channel" : p == NS_POINT_V_PRE_CONV || p == NS_POINT_RECURRENCE_OUT ? "row one channel" : NULL;
}

static const char *absent(const void *params, ns_point p)
{
    (void)params;
    return p == NS_POINT_LOG_DECAY           ? "it decays by channel and number of state: by hook_beta times a table of the weights"
           : p == NS_POINT_SSM_STATE         ? "states of channels are not shown: hook_recurrence_out is what is read of them"
           : NS_POINTS_OF_HEADS >> p & 1 ? "each channel of Mamba has a state of its own: there are no heads, and no rows of theirs"
                                         : NULL;
}

static const char *formula(const void *params, ns_point p)
{
    (void)params;
    switch (p) {
    case NS_POINT_V_PRE_CONV: return "W x + b of the channels, before the short convolution";
    case NS_POINT_BETA: return "the step of each channel: its states decay by e^(A step), step x in is written to them";
    case NS_POINT_RECURRENCE_OUT: return "what is read of each channel's states, and the skip D x: goes to the gate";
    default: return NULL;
    }
}

const ns_branch_class ns_branch_mamba1 = {
    .name = "mamba1", .part = "attn", .mixer = "mamba1",
    .params_size = sizeof(mamba1), .fields = fields, .sizes = sizes, .slots = slots,
    .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT, .points = NS_HAS(V_PRE_CONV) | NS_HAS(BETA) | NS_HAS(RECURRENCE_OUT),
    .no_step = "Mamba has no such step",
    .absent = absent, .axes = axes, .formula = formula, .rows = NS_ROW_UNROLLED,
    .keeps = keeps, .check = check, .forward = forward, .macs = macs,
};
