/* softmax.c - softmax attention: z_h = softmax(scale q_h k_g^T) v_g over the keys that the head may see; out = W_O z. */
#include "model/branch/heads.h"

static const ns_word mixer[] = {{"softmax", 0}, {NULL, 0}};

static const ns_field fields[] = {
    NS_HEADS_SIZE_FIELDS,
    {"mixer", NS_FIELD_FIXED, .words = mixer},
    {"qkv_act", NS_FIELD_FIXED, .words = ns_words_act},        /* of recurrences: it says nothing here, but files have it */
    NS_HEADS_WEIGHT_FIELDS,
    {0},
};

static const ns_slot slots[] = {NS_HEADS_SLOTS, {0}};

static int check(const ns_checker *c, const void *params)
{
    return ns_heads_check(c, params);
}

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    const ns_attn *const a = params;
    const ns_qkv x = ns_heads_project(b, a, in, 0);
    if (ns_band_asks(b, NS_PART_STATE))
        ns_heads_keep(b, a, x, NULL);
    if (!ns_band_asks(b, NS_PART_ROWS))
        return (ns_cols){0};
    const ns_cols z = ns_band_attend(b, a, ns_heads_query(b, a, x.q, NULL), NULL);
    if (!z.sheet)
        return z;
    ns_band_show(b, NS_POINT_Z, z, a->n_heads);
    return ns_heads_out(b, a, z);
}

const ns_branch_class ns_branch_softmax = {
    .name = "softmax", .part = "attn", .mixer = "softmax",
    .params_size = sizeof(ns_attn), .heads = true, .fields = fields, .sizes = ns_heads_sizes, .slots = slots,
    .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT, .points = NS_HEADS_POINTS | NS_HAS(SCORES),
    .rows = NS_ROW_SOFTMAX, .state = NS_STATE_PAGES, .check = check, .forward = forward, .macs = ns_heads_macs,
};
