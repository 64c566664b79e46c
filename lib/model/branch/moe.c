/* moe.c - a mixture of experts: sum over the top k experts e of a row of  w_e expert_e(x),  expert(x) = down(act(gate x) * up x)
 * or, without gates, down(act(up x));
 * and a shared expert that every row goes through, weighed by sigmoid(shared_switch x) where there is a switch.
 *
 * What chooses and weighs is ns_router (band.h): softmax before or after the choice, or sigmoid; Mixtral, Qwen, OLMoE, GPT-OSS, Granite,
 * Llama 4 (weights on the input), DeepSeek's choice bias and groups. */
#include "model/branch/branch.h"

typedef struct mixture {
    ns_router router;
    int64_t   d_ff, d_shared;          /* of an expert; of the shared one, 0: there is none */
    ns_act    act;
    float     limit, up_offset;        /* of GPT-OSS: gate at most limit, up within +-limit (0: none); up + up_offset is multiplied */
    bool      weigh_input;
    ns_tref   choose, choose_bias, choice_bias;
    ns_tref   gate, up, down, gate_bias, up_bias, down_bias;           /* of each expert */
    ns_tref   shared_gate, shared_up, shared_down, shared_switch;
} mixture;

#define AT(member) .offset = offsetof(mixture, member)
static const ns_word mixer[] = {{"experts", 0}, {NULL, 0}};
static const ns_word routings[] = {{"softmax", NS_ROUTING_SOFTMAX}, {"softmax_chosen", NS_ROUTING_SOFTMAX_CHOSEN},
                                   {"sigmoid", NS_ROUTING_SIGMOID}, {NULL, 0}};

static const ns_field fields[] = {
    {"mixer", NS_FIELD_FIXED, .words = mixer},
    {"n_experts", NS_FIELD_I64, AT(router.n_experts), .required = true},
    {"top_k", NS_FIELD_I64, AT(router.top_k), .required = true},
    {"routing", NS_FIELD_WORD, AT(router.routing), .words = routings, .required = true},
    {"normalise", NS_FIELD_BOOL, AT(router.normalise)},
    {"scale", NS_FIELD_F32, AT(router.scale), .otherwise = 1},
    {"groups", NS_FIELD_I64, AT(router.groups)},
    {"group_top_k", NS_FIELD_I64, AT(router.group_top_k)},
    {"group_best", NS_FIELD_I64, AT(router.group_best)},
    {"weigh_input", NS_FIELD_BOOL, AT(weigh_input)},
    {"d_ff", NS_FIELD_I64, AT(d_ff), .required = true},
    {"d_shared", NS_FIELD_I64, AT(d_shared)},
    {"act", NS_FIELD_WORD, AT(act), .words = ns_words_act, .required = true},
    {"limit", NS_FIELD_F32, AT(limit)},
    {"up_offset", NS_FIELD_F32, AT(up_offset)},
    {"router", NS_FIELD_TREF, AT(choose), .required = true},
    {"router_bias", NS_FIELD_TREF, AT(choose_bias)},
    {"choice_bias", NS_FIELD_TREF, AT(choice_bias)},
    {"gate", NS_FIELD_TREF, AT(gate)},
    {"up", NS_FIELD_TREF, AT(up), .required = true},
    {"down", NS_FIELD_TREF, AT(down), .required = true},
    {"gate_bias", NS_FIELD_TREF, AT(gate_bias)},
    {"up_bias", NS_FIELD_TREF, AT(up_bias)},
    {"down_bias", NS_FIELD_TREF, AT(down_bias)},
    {"shared_gate", NS_FIELD_TREF, AT(shared_gate)},
    {"shared_up", NS_FIELD_TREF, AT(shared_up)},
    {"shared_down", NS_FIELD_TREF, AT(shared_down)},
    {"shared_switch", NS_FIELD_TREF, AT(shared_switch)},
    {0},
};
#undef AT

static const ns_size sizes[] = {
    {'E', offsetof(mixture, router.n_experts), "number of experts", "expert"},
    {'k', offsetof(mixture, router.top_k), "num_experts_per_tok", "choice"},
    {'F', offsetof(mixture, d_ff), "width of an expert", "d_expert"},
    {'S', offsetof(mixture, d_shared), "width of the shared expert", NULL},
    {0},
};

enum { CHOOSE, CHOICE_BIAS, GATE, UP, DOWN, SHARED_GATE, SHARED_UP, SHARED_DOWN, SHARED_SWITCH };
enum { W_CHOOSE, W_IN, W_DOWN, W_SHARED_IN, W_SHARED_DOWN, W_SWITCH };

#define AT(member) .at = offsetof(mixture, member)
#define BIAS(member) .bias = offsetof(mixture, member)
#define EACH .each = 'E', .used = 'k'
static const ns_slot slots[] = {
    [CHOOSE] = {"ffn.router", NS_SLOT_MATRIX, AT(choose), BIAS(choose_bias), .shape = "E,D", .required = true, .weight = W_CHOOSE},
    [CHOICE_BIAS] = {"ffn.choice_bias", NS_SLOT_VECTOR, AT(choice_bias), .shape = "E"},
    [GATE] = {"ffn.gate", NS_SLOT_MATRIX, AT(gate), BIAS(gate_bias), .shape = "F,D", .weight = W_IN, EACH},
    [UP] = {"ffn.up", NS_SLOT_MATRIX, AT(up), BIAS(up_bias), .shape = "F,D", .required = true, .weight = W_IN, EACH},
    [DOWN] = {"ffn.down", NS_SLOT_MATRIX, AT(down), BIAS(down_bias), .shape = "D,F", .required = true, .weight = W_DOWN, EACH},
    [SHARED_GATE] = {"ffn.shared_gate", NS_SLOT_MATRIX, AT(shared_gate), .shape = "S,D", .weight = W_SHARED_IN},
    [SHARED_UP] = {"ffn.shared_up", NS_SLOT_MATRIX, AT(shared_up), .shape = "S,D", .weight = W_SHARED_IN},
    [SHARED_DOWN] = {"ffn.shared_down", NS_SLOT_MATRIX, AT(shared_down), .shape = "D,S", .weight = W_SHARED_DOWN},
    [SHARED_SWITCH] = {"ffn.shared_switch", NS_SLOT_MATRIX, AT(shared_switch), .shape = ",D", .weight = W_SWITCH},
    {0},
};
#undef AT
#undef BIAS
#undef EACH

/* ---- soundness ---- */

static int check_groups(const ns_checker *c, const ns_router *r)
{
    int rc;
    if (r->groups == 0 && r->group_top_k == 0 && r->group_best == 0)
        return NS_OK;
    if ((rc = ns_check_range(c, "groups", r->groups, 1, NS_MAX_GROUPS)) != NS_OK ||
        (rc = ns_check_range(c, "group_top_k", r->group_top_k, 1, r->groups)) != NS_OK)
        return rc;
    if (r->n_experts % r->groups)
        return ns_check_refuse(c, "n_experts is not a multiple of groups");
    const int64_t each = r->n_experts / r->groups;
    if (r->top_k > r->group_top_k * each)
        return ns_check_refuse(c, "top_k is more than the experts of group_top_k groups");
    return ns_check_range(c, "group_best", r->group_best, 1, each < 2 ? each : 2);
}

static int check_shared(const ns_checker *c, const mixture *m)
{
    const bool any = m->shared_gate.name || m->shared_up.name || m->shared_down.name;
    const bool gated = m->gate.name ? m->shared_gate.name != NULL : !m->shared_gate.name;
    if (any != (m->d_shared > 0) || any != (gated && m->shared_up.name && m->shared_down.name))
        return ns_check_refuse(c, "a shared expert is d_shared, shared_gate, shared_up and shared_down");
    return m->shared_switch.name && !any ? ns_check_refuse(c, "shared_switch without a shared expert") : NS_OK;
}

static int check(const ns_checker *c, const void *params)
{
    const mixture *const m = params;
    int rc;
    if ((rc = ns_check_range(c, "n_experts", m->router.n_experts, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "top_k", m->router.top_k, 1, m->router.n_experts)) != NS_OK ||
        (rc = ns_check_range(c, "d_ff", m->d_ff, 1, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_range(c, "d_shared", m->d_shared, 0, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_at_least(c, "scale", (double)m->router.scale, 0)) != NS_OK ||
        (rc = ns_check_at_least(c, "limit", (double)m->limit, 0)) != NS_OK ||
        (rc = ns_check_at_least(c, "up_offset", (double)m->up_offset, -1e30)) != NS_OK)
        return rc;
    if (!m->gate.name && (m->gate_bias.name || m->limit != 0 || m->up_offset != 0))
        return ns_check_refuse(c, "gate_bias, limit and up_offset are of experts with a gate");
    if (m->choice_bias.name && m->router.routing == NS_ROUTING_SOFTMAX_CHOSEN)
        return ns_check_refuse(c, "choice_bias needs weights before the choice: routing softmax or sigmoid");
    if (m->router.groups && m->router.routing == NS_ROUTING_SOFTMAX_CHOSEN)
        return ns_check_refuse(c, "groups need weights before the choice: routing softmax or sigmoid");
    rc = check_groups(c, &m->router);
    return rc != NS_OK ? rc : check_shared(c, m);
}

/* ---- the pass ---- */

static ns_cols mlp(ns_band *b, const mixture *m, ns_cols x, int64_t width, int down)
{
    if (!m->gate.name)
        return ns_band_linear(b, ns_band_act(b, x, m->act), down);
    ns_cols gate = ns_columns(x, 0, width), up = ns_columns(x, width, width);
    ns_band_bound(b, gate, up, m->limit, m->up_offset);
    return ns_band_linear(b, ns_band_glu(b, gate, m->act, up), down);
}

/* Of the rows that chose it. */
static ns_cols expert(ns_band *b, const void *params, ns_cols in)
{
    const mixture *const m = params;
    return mlp(b, m, ns_band_linear(b, in, W_IN), m->d_ff, W_DOWN);
}

static ns_cols shared_expert(ns_band *b, const mixture *m, ns_cols in)
{
    const ns_cols out = mlp(b, m, ns_band_linear(b, in, W_SHARED_IN), m->d_shared, W_SHARED_DOWN);
    return m->shared_switch.name ? ns_band_switch(b, out, ns_band_linear(b, in, W_SWITCH)) : out;
}

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    const mixture *const m = params;
    const ns_cols logits = ns_band_linear(b, in, W_CHOOSE);
    ns_band_show(b, NS_POINT_ROUTER, logits, 0);
    const ns_cols choices = ns_band_route(b, &m->router, logits, CHOICE_BIAS);
    ns_band_show(b, NS_POINT_EXPERTS, choices, 2);
    if (!ns_band_past(b, NS_POINT_EXPERTS))
        return (ns_cols){0};
    const ns_cols out = ns_band_experts(b, &m->router, in, choices, m->weigh_input, expert, m);
    return m->d_shared ? ns_band_plus(b, out, shared_expert(b, m, in)) : out;
}

const ns_branch_class ns_branch_moe = {
    .name = "moe", .part = "ffn", .mixer = "experts",
    .params_size = sizeof(mixture), .fields = fields, .sizes = sizes, .slots = slots,
    .in_point = NS_POINT_LN2, .out_point = NS_POINT_MLP_OUT, .points = NS_HAS(ROUTER) | NS_HAS(EXPERTS),
    .no_step = "a mixture of experts has no such step",
    .check = check, .forward = forward,
};
