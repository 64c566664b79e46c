/* mlp.c - the MLP of a layer: down(act(gate x) * up x), or down(act(up x)) without a gate. */
#include "model/branch/branch.h"

/* ns_words_act, and the one that has parameters. */
static const ns_word acts[] = {{"silu", NS_ACT_SILU}, {"gelu", NS_ACT_GELU}, {"gelu_tanh", NS_ACT_GELU_TANH}, {"relu", NS_ACT_RELU},
                               {"relu2", NS_ACT_RELU2}, {"quick_gelu", NS_ACT_QUICK_GELU}, {"xielu", NS_ACT_XIELU}, {NULL, 0}};
static const ns_word mixer[] = {{"mlp", 0}, {NULL, 0}};

static const ns_field fields[] = {
    {"mixer", NS_FIELD_FIXED, .words = mixer, .sparse = true},
    {"d_ff", NS_FIELD_I64, .offset = offsetof(ns_ffn, d_ff), .required = true},
    {"act", NS_FIELD_WORD, .offset = offsetof(ns_ffn, act), .words = acts, .required = true},
    {"gate_factor", NS_FIELD_F32, .offset = offsetof(ns_ffn, gate_factor), .sparse = true},
    {"gate", NS_FIELD_TREF, .offset = offsetof(ns_ffn, gate)},
    {"up", NS_FIELD_TREF, .offset = offsetof(ns_ffn, up), .required = true},
    {"down", NS_FIELD_TREF, .offset = offsetof(ns_ffn, down), .required = true},
    {"gate_bias", NS_FIELD_TREF, .offset = offsetof(ns_ffn, gate_bias)},
    {"up_bias", NS_FIELD_TREF, .offset = offsetof(ns_ffn, up_bias)},
    {"down_bias", NS_FIELD_TREF, .offset = offsetof(ns_ffn, down_bias)},
    {"alpha_p", NS_FIELD_TREF, .offset = offsetof(ns_ffn, alpha_p)},
    {"alpha_n", NS_FIELD_TREF, .offset = offsetof(ns_ffn, alpha_n)},
    {"beta", NS_FIELD_TREF, .offset = offsetof(ns_ffn, beta)},
    {"eps", NS_FIELD_TREF, .offset = offsetof(ns_ffn, eps)},
    {0},
};

static const ns_size sizes[] = {{'F', offsetof(ns_ffn, d_ff), "intermediate_size", "d_ff"}, {0}};

enum { IN, DOWN };
enum { ALPHA_P = 3, ALPHA_N, BETA, EPS };      /* slots */

static const ns_slot slots[] = {
    {"ffn.gate", NS_SLOT_MATRIX, .at = offsetof(ns_ffn, gate), .bias = offsetof(ns_ffn, gate_bias), .shape = "F,D", .weight = IN},
    {"ffn.up", NS_SLOT_MATRIX, .at = offsetof(ns_ffn, up), .bias = offsetof(ns_ffn, up_bias), .shape = "F,D", .required = true,
     .weight = IN},
    {"ffn.down", NS_SLOT_MATRIX, .at = offsetof(ns_ffn, down), .bias = offsetof(ns_ffn, down_bias), .shape = "D,F", .required = true,
     .weight = DOWN},
    [ALPHA_P] = {"ffn.alpha_p", NS_SLOT_VECTOR, .at = offsetof(ns_ffn, alpha_p), .shape = ""},
    [ALPHA_N] = {"ffn.alpha_n", NS_SLOT_VECTOR, .at = offsetof(ns_ffn, alpha_n), .shape = ""},
    [BETA] = {"ffn.beta", NS_SLOT_VECTOR, .at = offsetof(ns_ffn, beta), .shape = ""},
    [EPS] = {"ffn.eps", NS_SLOT_VECTOR, .at = offsetof(ns_ffn, eps), .shape = ""},
    {0},
};

static int check(const ns_checker *c, const void *params)
{
    const ns_ffn *const f = params;
    if (f->gate_bias.name && !f->gate.name)
        return ns_check_refuse(c, "gate_bias without gate");
    if (f->gate_factor != 0 && !f->gate.name)
        return ns_check_refuse(c, "gate_factor without gate");
    const int rc = ns_check_at_least(c, "gate_factor", (double)f->gate_factor, -1e30);
    if (rc != NS_OK)
        return rc;
    const int given = !!f->alpha_p.name + !!f->alpha_n.name + !!f->beta.name + !!f->eps.name;
    if (given != (f->act == NS_ACT_XIELU ? 4 : 0) || (given && f->gate.name))
        return ns_check_refuse(c, "the act xielu is alpha_p, alpha_n, beta and eps, and no gate");
    return ns_check_range(c, "d_ff", f->d_ff, 1, NS_MAX_DIM);
}

static const int xielu_slots[4] = {ALPHA_P, ALPHA_N, BETA, EPS};

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    const ns_ffn *const f = params;
    const ns_cols x = ns_band_linear(b, in, IN);                                        /* gate, up; or up */
    const ns_cols first = ns_band_scale(b, ns_columns(x, 0, f->d_ff), f->gate_factor != 0 ? f->gate_factor : 1);
    const ns_cols post = f->gate.name               ? ns_band_glu(b, first, f->act, ns_columns(x, f->d_ff, f->d_ff))
                         : f->act == NS_ACT_XIELU ? ns_band_xielu(b, first, xielu_slots)
                                                  : ns_band_act(b, first, f->act);
    ns_band_show(b, NS_POINT_MLP_POST, post, 0);
    return ns_band_linear(b, post, DOWN);
}

const ns_branch_class ns_branch_mlp = {
    .name = "mlp", .part = "ffn", .mixer = "mlp",
    .params_size = sizeof(ns_ffn), .ffn = true, .fields = fields, .sizes = sizes, .slots = slots,
    .in_point = NS_POINT_LN2, .out_point = NS_POINT_MLP_OUT, .points = NS_HAS(MLP_POST),
    .no_step = "an MLP has no such step",
    .check = check, .forward = forward,
};
