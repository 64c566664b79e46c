/* softmax.c - softmax attention: z_h = softmax(scale q_h k_g^T) v_g over the keys that the head may see; out = W_O (sigmoid(W_G x) * z).
 *
 * What only some families have: a sink, one learned logit a head that no key has (GPT-OSS); a gate of the output (Qwen3-Next); runs of
 * positions that see only themselves, and q that grows with its position (Llama 4); a multiplier of k (Falcon-H1). */
#include "model/branch/heads.h"

typedef struct softmax {
    ns_attn heads;
    ns_tref z_gate, z_gate_bias;               /* [H*d, D]; absent = no gate */
} softmax;

static const ns_word mixer[] = {{"softmax", 0}, {NULL, 0}};
static const ns_word tempers[] = {{"none", NS_TEMPER_NONE}, {"steps", NS_TEMPER_STEPS}, {"log", NS_TEMPER_LOG}, {NULL, 0}};

#define AT(member) .offset = offsetof(ns_attn, member), .sparse = true
static const ns_field fields[] = {
    NS_HEADS_SIZE_FIELDS,
    {"mixer", NS_FIELD_FIXED, .words = mixer},
    {"qkv_act", NS_FIELD_FIXED, .words = ns_words_act},        /* of recurrences: it says nothing here, but files have it */
    NS_HEADS_WEIGHT_FIELDS,
    {"chunk", NS_FIELD_I64, AT(chunk)},
    {"norm_after_rope", NS_FIELD_BOOL, AT(norm_after_rope)},
    {"clip_after_norm", NS_FIELD_BOOL, AT(clip_after_norm)},
    {"k_scale", NS_FIELD_F32, AT(k_scale)},
    {"q_temper", NS_FIELD_WORD, AT(temper.kind), .words = tempers},
    {"q_temper_beta", NS_FIELD_F32, AT(temper.beta)},
    {"q_temper_length", NS_FIELD_I64, AT(temper.length)},
    {"q_temper_first", NS_FIELD_I64, AT(temper.first)},
    {"sinks", NS_FIELD_TREF, .offset = offsetof(ns_attn, sinks)},
    {"z_gate", NS_FIELD_TREF, .offset = offsetof(softmax, z_gate)},
    {"z_gate_bias", NS_FIELD_TREF, .offset = offsetof(softmax, z_gate_bias)},
    {0},
};
#undef AT

enum { SINKS = NS_HEADS_N_SLOTS, Z_GATE };

static const ns_slot slots[] = {
    NS_HEADS_SLOTS,
    [SINKS] = {"attn.sinks", NS_SLOT_VECTOR, .at = offsetof(ns_attn, sinks), .shape = "H"},
    [Z_GATE] = {"attn.z_gate", NS_SLOT_MATRIX, .at = offsetof(softmax, z_gate), .bias = offsetof(softmax, z_gate_bias), .shape = "Hd,D",
                .weight = NS_HEADS_QKV},
    {0},
};

static int check_temper(const ns_checker *c, const ns_temper *t)
{
    int rc;
    if (t->kind == NS_TEMPER_NONE)
        return t->beta != 0 || t->length || t->first ? ns_check_refuse(c, "q_temper_... without q_temper") : NS_OK;
    if ((rc = ns_check_range(c, "q_temper_length", t->length, t->kind == NS_TEMPER_LOG ? 2 : 1, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_range(c, "q_temper_first", t->first, 0, 1)) != NS_OK)
        return rc;
    return ns_check_at_least(c, "q_temper_beta", (double)t->beta, 0);
}

static int check(const ns_checker *c, const void *params)
{
    const ns_attn *const a = params;
    const int rc = ns_heads_check(c, a);
    if (rc != NS_OK)
        return rc;
    if (a->chunk && (a->window || a->head_window))
        return ns_check_refuse(c, "a head has a chunk or a window, not both");
    if (a->norm_after_rope && a->qk_norm == NS_QK_NONE)
        return ns_check_refuse(c, "norm_after_rope without qk_norm");
    if (a->clip_after_norm && (a->qk_norm == NS_QK_NONE || a->norm_after_rope || a->clip_qkv == 0))
        return ns_check_refuse(c, "clip_after_norm needs clip_qkv and a qk_norm before rope");
    return check_temper(c, &a->temper);
}

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    const softmax *const p = params;
    const ns_attn *const a = &p->heads;
    const ns_qkv x = ns_heads_project(b, a, in, p->z_gate.name ? a->n_heads * a->head_dim : 0);
    if (ns_band_asks(b, NS_PART_STATE))
        ns_heads_keep(b, a, x);
    if (!ns_band_asks(b, NS_PART_ROWS))
        return (ns_cols){0};
    const ns_cols z = ns_band_attend(b, a, ns_heads_query(b, a, x.q), SINKS);
    if (!z.sheet)
        return z;
    ns_band_show(b, NS_POINT_Z, z, a->n_heads);
    ns_cols factor = x.more.sheet ? ns_band_ones(b, z) : (ns_cols){0};
    factor = factor.sheet ? ns_band_gate(b, factor, ns_band_copy(b, x.more)) : factor;       /* a gate is spent on what it gates */
    const ns_cols gated = ns_band_gate(b, z, x.more);
    ns_band_written(b, factor, gated);
    return ns_heads_out(b, a, gated);
}

static const char *formula(const void *params, ns_point p)
{
    const softmax *const x = params;
    return p == NS_POINT_PATTERN && x->heads.sinks.name ? "softmax of the scores over keys and the head's sink; 0 where masked"
           : p == NS_POINT_RESULT && x->z_gate.name     ? "W_O of one head's gated z, without the bias"
                                                        : NULL;
}

const ns_branch_class ns_branch_softmax = {
    .name = "softmax", .part = "attn", .mixer = "softmax",
    .params_size = sizeof(softmax), .heads = true, .fields = fields, .sizes = ns_heads_sizes, .slots = slots,
    .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT, .points = NS_POINTS_OF_HEADS | NS_HAS(SCORES),
    .no_step = "softmax attention has no such step",
    .formula = formula, .rows = NS_ROW_SOFTMAX, .keeps = ns_heads_keeps, .check = check, .forward = forward, .macs = ns_heads_macs,
};
