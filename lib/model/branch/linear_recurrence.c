/* linear_recurrence.c - a linear recurrence whose decay is constant per head: Lightning attention (TransNormerLLM, arXiv 2405.17381;
 * minimax),
 *
 *     S_t = e^-slope S_{t-1} + k_t v_t^T,  z_t = S_t^T q_t  =  sum over s <= t of  e^(-slope (t - s)) (q_t . k_s)  v_s,
 *     out = W_O (sigmoid(W_G x) * norm(z)),   q, k, v = act(W x),
 *
 * run in the form on the right: exact, with the weights at hand as signed, unnormalised rows. */
#include "model/branch/heads.h"

static const ns_word mixer[] = {{"lightning", 0}, {NULL, 0}};

static const ns_field fields[] = {
    NS_HEADS_SIZE_FIELDS,
    {"mixer", NS_FIELD_FIXED, .words = mixer},
    {"slope", NS_FIELD_F64S, .offset = offsetof(ns_attn, slope), .count = offsetof(ns_attn, n_heads), .over = 1},
    {"qkv_act", NS_FIELD_WORD, .offset = offsetof(ns_attn, qkv_act), .words = ns_words_act},
    {"z_norm", NS_FIELD_NORM, .offset = offsetof(ns_attn, z_norm)},
    {"z_gate", NS_FIELD_TREF, .offset = offsetof(ns_attn, z_gate)},
    NS_HEADS_WEIGHT_FIELDS,
    {0},
};

enum { GATE = NS_HEADS_N_WEIGHTS };

static const ns_slot slots[] = {
    NS_HEADS_SLOTS,
    {"attn.z_gate", NS_SLOT_MATRIX, .at = offsetof(ns_attn, z_gate), .shape = "Hd,D", .weight = GATE},
    {"attn.z_norm", NS_SLOT_NORM, .at = offsetof(ns_attn, z_norm), .shape = "Hd"},
    {0},
};

/* A slope a head, every key, no rope, no score of a softmax. */
static int check(const ns_checker *c, const void *params)
{
    const ns_attn *const a = params;
    int rc = ns_heads_check(c, a);
    if (rc)
        return rc;
    if (!a->slope)
        return ns_check_refuse(c, "the mixer lightning needs slope, one number a head");
    if (a->window || a->head_window || a->rope >= 0 || a->softcap > 0)
        return ns_check_refuse(c, "the mixer lightning has no window, rope or softcap");
    for (int64_t h = 0; h < a->n_heads && !rc; h++)
        rc = ns_check_at_least(c, "slope", a->slope[h], 0);
    return rc ? rc : ns_check_norm(c, "z_norm", &a->z_norm);
}

const ns_branch_class ns_branch_linear_recurrence = {
    .name = "linear_recurrence", .part = "attn", .mixer = "lightning",
    .params_size = sizeof(ns_attn), .heads = true, .fields = fields, .sizes = ns_heads_sizes, .slots = slots,
    .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT, .points = NS_HEADS_POINTS,
    .rows = NS_ROW_UNROLLED, .state = NS_STATE_PAGES, .check = check, .macs = ns_heads_macs,
};
