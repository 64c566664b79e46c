/* linear_recurrence.c - a linear recurrence whose decay is constant per head: Lightning attention (TransNormerLLM, arXiv 2405.17381;
 * minimax),
 *
 *     S_t = e^-slope S_{t-1} + k_t v_t^T,  z_t = S_t^T q_t  =  sum over s <= t of  e^(-slope (t - s)) (q_t . k_s)  v_s,
 *     out = W_O (sigmoid(W_G x) * norm(z)),   q, k, v = act(W x),
 *
 * run in the form on the right: exact, with the weights at hand as signed, unnormalised rows. */
#include "model/branch/heads.h"

typedef struct recurrence {
    ns_attn heads;
    double *slope;             /* [H], >= 0 */
    ns_act  act;
    ns_norm z_norm;            /* of z over all heads [H*d]; none = absent */
    ns_tref z_gate;            /* [H*d, D]; absent = no gate */
} recurrence;

static const ns_word mixer[] = {{"lightning", 0}, {NULL, 0}};

static const ns_field fields[] = {
    NS_HEADS_SIZE_FIELDS,
    {"mixer", NS_FIELD_FIXED, .words = mixer},
    {"slope", NS_FIELD_F64S, .offset = offsetof(recurrence, slope), .count = offsetof(ns_attn, n_heads), .over = 1},
    {"qkv_act", NS_FIELD_WORD, .offset = offsetof(recurrence, act), .words = ns_words_act},
    {"z_norm", NS_FIELD_NORM, .offset = offsetof(recurrence, z_norm)},
    {"z_gate", NS_FIELD_TREF, .offset = offsetof(recurrence, z_gate)},
    NS_HEADS_WEIGHT_FIELDS,
    {0},
};

enum { Z_GATE = NS_HEADS_N_SLOTS, Z_NORM };

static const ns_slot slots[] = {
    NS_HEADS_SLOTS,
    [Z_GATE] = {"attn.z_gate", NS_SLOT_MATRIX, .at = offsetof(recurrence, z_gate), .shape = "Hd,D", .weight = NS_HEADS_QKV},
    [Z_NORM] = {"attn.z_norm", NS_SLOT_NORM, .at = offsetof(recurrence, z_norm), .shape = "Hd"},
    {0},
};

/* A slope a head, every key, no rope, no score of a softmax. */
static int check(const ns_checker *c, const void *params)
{
    const recurrence *const x = params;
    const ns_attn *const a = &x->heads;
    int rc = ns_heads_check(c, a);
    if (rc != NS_OK)
        return rc;
    if (!x->slope)
        return ns_check_refuse(c, "the mixer lightning needs slope, one number a head");
    if (a->window || a->head_window || a->rope >= 0 || a->softcap > 0)
        return ns_check_refuse(c, "the mixer lightning has no window, rope or softcap");
    for (int64_t h = 0; h < a->n_heads && rc == NS_OK; h++)
        rc = ns_check_at_least(c, "slope", x->slope[h], 0);
    return rc != NS_OK ? rc : ns_check_norm(c, "z_norm", &x->z_norm);
}

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    const recurrence *const p = params;
    const ns_attn *const a = &p->heads;
    const ns_qkv x = ns_heads_project(b, a, in, p->z_gate.name ? a->n_heads * a->head_dim : 0);
    if (ns_band_asks(b, NS_PART_STATE))
        ns_heads_keep(b, a, x, &p->act);
    if (!ns_band_asks(b, NS_PART_ROWS))
        return (ns_cols){0};
    ns_cols z = ns_band_attend(b, a, ns_heads_query(b, a, x.q, &p->act), p->slope, -1);
    if (!z.sheet)
        return z;
    ns_band_show(b, NS_POINT_Z, z, a->n_heads);
    z = ns_band_gate(b, ns_band_norm(b, z, 1, Z_NORM), x.more);
    return ns_heads_out(b, a, z);
}

const ns_branch_class ns_branch_linear_recurrence = {
    .name = "linear_recurrence", .part = "attn", .mixer = "lightning",
    .params_size = sizeof(recurrence), .heads = true, .fields = fields, .sizes = ns_heads_sizes, .slots = slots,
    .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT, .points = NS_HEADS_POINTS,
    .rows = NS_ROW_UNROLLED, .state = NS_STATE_PAGES, .check = check, .forward = forward, .macs = ns_heads_macs,
};
