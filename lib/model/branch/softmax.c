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

const ns_branch_class ns_branch_softmax = {
    .name = "softmax", .part = "attn", .mixer = "softmax",
    .params_size = sizeof(ns_attn), .heads = true, .fields = fields, .sizes = ns_heads_sizes, .slots = slots,
    .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT, .points = NS_HEADS_POINTS | NS_HAS(SCORES),
    .rows = NS_ROW_SOFTMAX, .state = NS_STATE_PAGES, .check = check, .macs = ns_heads_macs,
};
