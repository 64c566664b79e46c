/* short_conv.c - the gated short convolution (LFM2): out = W_O (c * conv(b * x)), with b, c and x three projections of the input and a
 * causal convolution of each channel over a few rows, whose inputs are all that it keeps. */
#include "model/branch/branch.h"

typedef struct short_conv {
    int64_t channels, taps;
    ns_tref in_gate, out_gate, x, o, in_gate_bias, out_gate_bias, x_bias, o_bias;     /* [channels, D] and [D, channels] */
    ns_tref conv, conv_bias;                                                         /* [channels, taps] */
} short_conv;

static const ns_word mixer[] = {{"short_conv", 0}, {NULL, 0}};

#define AT(member) .offset = offsetof(short_conv, member)
static const ns_field fields[] = {
    {"mixer", NS_FIELD_FIXED, .words = mixer},
    {"channels", NS_FIELD_I64, AT(channels), .required = true},
    {"conv_taps", NS_FIELD_I64, AT(taps), .required = true},
    {"in_gate", NS_FIELD_TREF, AT(in_gate), .required = true},
    {"out_gate", NS_FIELD_TREF, AT(out_gate), .required = true},
    {"x", NS_FIELD_TREF, AT(x), .required = true},
    {"o", NS_FIELD_TREF, AT(o), .required = true},
    {"in_gate_bias", NS_FIELD_TREF, AT(in_gate_bias)},
    {"out_gate_bias", NS_FIELD_TREF, AT(out_gate_bias)},
    {"x_bias", NS_FIELD_TREF, AT(x_bias)},
    {"o_bias", NS_FIELD_TREF, AT(o_bias)},
    {"conv", NS_FIELD_TREF, AT(conv), .required = true},
    {"conv_bias", NS_FIELD_TREF, AT(conv_bias)},
    {0},
};

static const ns_size sizes[] = {{'C', offsetof(short_conv, channels), "hidden_size", "channel"},
                                {'t', offsetof(short_conv, taps), "taps of the convolution"},
                                {0}};

enum { IN, OUT };
enum { IN_GATE, OUT_GATE, X, O, CONV };
#define MATRIX(name, member, rows, number) \
    {"attn." name, NS_SLOT_MATRIX, .at = offsetof(short_conv, member), .bias = offsetof(short_conv, member##_bias), .shape = rows, \
     .required = true, .weight = number}

/* Columns of the product: in_gate | out_gate | x. */
static const ns_slot slots[] = {
    [IN_GATE] = MATRIX("in_gate", in_gate, "C,D", IN),
    [OUT_GATE] = MATRIX("out_gate", out_gate, "C,D", IN),
    [X] = MATRIX("x", x, "C,D", IN),
    [O] = MATRIX("o", o, "D,C", OUT),
    [CONV] = {"attn.conv", NS_SLOT_TABLE, .at = offsetof(short_conv, conv), .bias = offsetof(short_conv, conv_bias), .shape = "C,t",
              .required = true, .init = NS_INIT_TAPS},
    {0},
};

static int check(const ns_checker *c, const void *params)
{
    const short_conv *const p = params;
    const int rc = ns_check_range(c, "channels", p->channels, 1, NS_MAX_DIM);
    return rc != NS_OK ? rc : ns_check_range(c, "conv_taps", p->taps, 1, 1024);
}

static void keeps(const void *params, ns_keeps *out)
{
    const short_conv *const p = params;
    *out = (ns_keeps){.kind = NS_STATE_SNAPSHOT, .tail = (p->taps - 1) * p->channels};
}

static double macs(const void *params, int64_t n)
{
    const short_conv *const p = params;
    return (double)n * (double)(p->channels * (p->taps + 2));
}

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    static const int table = CONV;
    const short_conv *const p = params;
    const int64_t C = p->channels;
    const ns_cols x = ns_band_linear(b, in, IN);
    const ns_cols gated = ns_band_times(b, ns_columns(x, 2 * C, C), ns_columns(x, 0, C));
    ns_band_show(b, NS_POINT_V_PRE_CONV, gated, 1);
    const ns_cols z = ns_band_conv(b, gated, &table, 1, p->taps);
    ns_band_show(b, NS_POINT_RECURRENCE_OUT, z, 1);
    return ns_band_past(b, NS_POINT_RECURRENCE_OUT) ? ns_band_linear(b, ns_band_times(b, z, ns_columns(x, C, C)), OUT) : (ns_cols){0};
}

static const char *axes(const void *params, ns_point p)
{
    (void)params;
    return p == NS_POINT_V_PRE_CONV || p == NS_POINT_RECURRENCE_OUT ? "row one channel" : NULL;
}

static const char *absent(const void *params, ns_point p)
{
    (void)params;
    return NS_POINTS_OF_HEADS >> p & 1 ? "a short convolution mixes each channel by itself: it has no heads, and no rows of theirs" : NULL;
}

static const char *formula(const void *params, ns_point p)
{
    (void)params;
    switch (p) {
    case NS_POINT_V_PRE_CONV: return "b * x, two projections of the input, before the short convolution";
    case NS_POINT_RECURRENCE_OUT: return "the convolution of hook_v_pre_conv: goes to the gate c";
    default: return NULL;
    }
}

const ns_branch_class ns_branch_short_conv = {
    .name = "short_conv", .part = "attn", .mixer = "short_conv",
    .params_size = sizeof(short_conv), .fields = fields, .sizes = sizes, .slots = slots,
    .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT, .points = NS_HAS(V_PRE_CONV) | NS_HAS(RECURRENCE_OUT),
    .no_step = "a short convolution has no such step",
    .absent = absent, .axes = axes, .formula = formula, .rows = NS_ROW_UNROLLED,
    .keeps = keeps, .check = check, .forward = forward, .macs = macs,
};
