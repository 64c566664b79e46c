/* linear_recurrence.c - linear recurrences: for each of H heads a state S [key, value] goes from row to row,
 *
 *     S_t = diag(decay_t) S_(t-1) + k_t u_t^T,  u_t = beta_t v_t, or by the delta rule beta_t (v_t - (diag(decay_t) S_(t-1))^T k_t),
 *     z_t = S_t^T (scale q_t)  =  sum over s <= t of  W[t, s] v_s,   out = W_O (gate and norm of (z + D v)).
 *
 * q, k and v may go through a short convolution, an activation and a norm (of q and k). Gated DeltaNet (arXiv 2412.06464; qwen3_next),
 * Mamba-2 (arXiv 2405.21060), GLA, DeltaNet, RetNet and KDA are settings of it.
 *
 * The form "lightning" (TransNormerLLM, arXiv 2405.17381; minimax) has a constant decay and runs as rows of all keys:
 * W[t, s] = e^(-slope (t - s)) (q_t . k_s). */
#include "model/branch/heads.h"

enum { LIGHTNING, SCAN };
typedef enum decay { DECAY_NONE, DECAY_SLOPE, DECAY_SOFTPLUS, DECAY_LOGSIGMOID } decay;
typedef enum beta { BETA_ONE, BETA_SIGMOID, BETA_TWICE_SIGMOID, BETA_STEP } beta;
enum { NORM_OF_ROW, NORM_OF_HEAD };

typedef struct recurrence {
    ns_attn heads;                          /* head_dim: of v and z */
    int     form;
    double *slope;                          /* [H], >= 0: a constant decay e^-slope */
    int     act;                            /* of q, k and v; NO_ACT: none */
    ns_norm z_norm;                         /* none = absent */
    ns_tref z_gate, z_gate_bias;            /* [H*d, D]; absent = no gate */
    /* ---- form SCAN ---- */
    int64_t q_heads, k_heads, key_dim;      /* 0: H, G, d */
    int64_t taps;                           /* of the convolution; 0 = none */
    ns_tref q_conv, k_conv, v_conv, q_conv_bias, k_conv_bias, v_conv_bias;     /* [channels, taps] */
    int     decay;                          /* SOFTPLUS: step = softplus(W x + bias), log decay = -e^rate step. LOGSIGMOID: its 1/divisor */
    int     each;                           /* 1: a decay for each key channel, else one a head */
    ns_tref step, step_shift, step_bias, rate;     /* [H, D] or [H*key, D], what the product adds; the same rows; [H] */
    int64_t step_rank, gate_rank;           /* step and z_gate as two thin products (GLA, KDA); 0: as one */
    ns_tref step_in, step_out, step_out_bias, gate_in, gate_out, gate_out_bias;    /* [rank, D]; [step's or z_gate's rows, rank] */
    double  step_min, step_max, divisor;    /* step_max 0: no limit; divisor 0: 1 */
    int     delta, beta;
    ns_tref write, write_bias;              /* [H, D] of beta */
    float   q_factor, k_factor, v_factor, gate_factor, step_factor;    /* of what the product gives; 0: 1 (falcon_h1) */
    ns_tref skip;                           /* D [H] */
    int     z_norm_of;                      /* ROW: all heads at once, in z_norm_groups parts. HEAD: each, by one gain [d] */
    int64_t z_norm_groups;                  /* 0: 1 */
    int     gate_act, gate_first;           /* first: before the norm */
} recurrence;

enum { NO_ACT = -1, GATE_SIGMOID = 0, GATE_SILU };

static const ns_word mixers[] = {{"lightning", LIGHTNING}, {"recurrence", SCAN}, {NULL, 0}};
static const ns_word acts[] = {{"silu", NS_ACT_SILU}, {"gelu", NS_ACT_GELU}, {"gelu_tanh", NS_ACT_GELU_TANH}, {"relu", NS_ACT_RELU},
                               {"relu2", NS_ACT_RELU2}, {"none", NO_ACT}, {NULL, 0}};
static const ns_word decays[] = {{"none", DECAY_NONE}, {"slope", DECAY_SLOPE}, {"softplus", DECAY_SOFTPLUS},
                                 {"logsigmoid", DECAY_LOGSIGMOID}, {NULL, 0}};
static const ns_word decays_of[] = {{"head", 0}, {"key_channel", 1}, {NULL, 0}};
static const ns_word rules[] = {{"add", 0}, {"delta", 1}, {NULL, 0}};
static const ns_word betas[] = {{"one", BETA_ONE}, {"sigmoid", BETA_SIGMOID}, {"twice_sigmoid", BETA_TWICE_SIGMOID}, {"step", BETA_STEP},
                                {NULL, 0}};
static const ns_word norms_of[] = {{"row", NORM_OF_ROW}, {"head", NORM_OF_HEAD}, {NULL, 0}};
static const ns_word gate_acts[] = {{"sigmoid", GATE_SIGMOID}, {"silu", GATE_SILU}, {NULL, 0}};
static const ns_word gate_orders[] = {{"norm_gate", 0}, {"gate_norm", 1}, {NULL, 0}};

#define AT(member) .offset = offsetof(recurrence, member)
static const ns_field fields[] = {
    NS_HEADS_SIZE_FIELDS,
    {"mixer", NS_FIELD_WORD, AT(form), .words = mixers},
    {"slope", NS_FIELD_F64S, AT(slope), .count = offsetof(ns_attn, n_heads), .over = 1},
    {"qkv_act", NS_FIELD_WORD, AT(act), .words = acts},
    {"z_norm", NS_FIELD_NORM, AT(z_norm)},
    {"z_gate", NS_FIELD_TREF, AT(z_gate)},
    {"z_gate_bias", NS_FIELD_TREF, AT(z_gate_bias)},
    {"q_heads", NS_FIELD_I64, AT(q_heads), .sparse = true},
    {"k_heads", NS_FIELD_I64, AT(k_heads), .sparse = true},
    {"key_dim", NS_FIELD_I64, AT(key_dim), .sparse = true},
    {"conv_taps", NS_FIELD_I64, AT(taps), .sparse = true},
    {"q_conv", NS_FIELD_TREF, AT(q_conv)},
    {"k_conv", NS_FIELD_TREF, AT(k_conv)},
    {"v_conv", NS_FIELD_TREF, AT(v_conv)},
    {"q_conv_bias", NS_FIELD_TREF, AT(q_conv_bias)},
    {"k_conv_bias", NS_FIELD_TREF, AT(k_conv_bias)},
    {"v_conv_bias", NS_FIELD_TREF, AT(v_conv_bias)},
    {"decay", NS_FIELD_WORD, AT(decay), .words = decays, .sparse = true},
    {"decay_of", NS_FIELD_WORD, AT(each), .words = decays_of, .sparse = true},
    {"step", NS_FIELD_TREF, AT(step)},
    {"step_shift", NS_FIELD_TREF, AT(step_shift)},
    {"step_bias", NS_FIELD_TREF, AT(step_bias)},
    {"step_rank", NS_FIELD_I64, AT(step_rank), .sparse = true},
    {"step_in", NS_FIELD_TREF, AT(step_in)},
    {"step_out", NS_FIELD_TREF, AT(step_out)},
    {"step_out_bias", NS_FIELD_TREF, AT(step_out_bias)},
    {"gate_rank", NS_FIELD_I64, AT(gate_rank), .sparse = true},
    {"gate_in", NS_FIELD_TREF, AT(gate_in)},
    {"gate_out", NS_FIELD_TREF, AT(gate_out)},
    {"gate_out_bias", NS_FIELD_TREF, AT(gate_out_bias)},
    {"step_min", NS_FIELD_F64, AT(step_min), .sparse = true},
    {"step_max", NS_FIELD_F64, AT(step_max), .sparse = true},
    {"rate", NS_FIELD_TREF, AT(rate)},
    {"divisor", NS_FIELD_F64, AT(divisor), .sparse = true},
    {"rule", NS_FIELD_WORD, AT(delta), .words = rules, .sparse = true},
    {"beta", NS_FIELD_WORD, AT(beta), .words = betas, .sparse = true},
    {"write", NS_FIELD_TREF, AT(write)},
    {"write_bias", NS_FIELD_TREF, AT(write_bias)},
    {"skip", NS_FIELD_TREF, AT(skip)},
    {"z_norm_of", NS_FIELD_WORD, AT(z_norm_of), .words = norms_of, .sparse = true},
    {"z_norm_groups", NS_FIELD_I64, AT(z_norm_groups), .sparse = true},
    {"gate_act", NS_FIELD_WORD, AT(gate_act), .words = gate_acts, .sparse = true},
    {"gate_order", NS_FIELD_WORD, AT(gate_first), .words = gate_orders, .sparse = true},
    {"q_factor", NS_FIELD_F32, AT(q_factor), .sparse = true},
    {"k_factor", NS_FIELD_F32, AT(k_factor), .sparse = true},
    {"v_factor", NS_FIELD_F32, AT(v_factor), .sparse = true},
    {"gate_factor", NS_FIELD_F32, AT(gate_factor), .sparse = true},
    {"step_factor", NS_FIELD_F32, AT(step_factor), .sparse = true},
    NS_HEADS_WEIGHT_FIELDS,
    {0},
};

static const ns_size sizes[] = {{'H', offsetof(ns_attn, n_heads), "num_attention_heads", "head"},
                                {'G', offsetof(ns_attn, n_kv_heads), "num_key_value_heads", "kv_head"},
                                {'d', offsetof(ns_attn, head_dim), "head_dim", "d_head"},
                                {'Q', offsetof(recurrence, q_heads), "heads of q", "q_head", 'H'},
                                {'K', offsetof(recurrence, k_heads), "heads of k", "k_head", 'G'},
                                {'e', offsetof(recurrence, key_dim), "width of a key", "d_key", 'd'},
                                {'t', offsetof(recurrence, taps), "taps of the convolution"},
                                {'r', offsetof(recurrence, step_rank), "rank of the decay"},
                                {'g', offsetof(recurrence, gate_rank), "rank of the gate"},
                                {0}};

/* Columns of the product: q | k | v | z_gate | step | write | step_in | gate_in. */
enum { STEP_WEIGHT = NS_HEADS_N_WEIGHTS, GATE_WEIGHT };
enum { Z_GATE = NS_HEADS_N_SLOTS, STEP, WRITE, STEP_IN, GATE_IN, STEP_OUT, GATE_OUT, Z_NORM, Q_CONV, K_CONV, V_CONV, STEP_BIAS, RATE,
       SKIP };
#define VECTOR(name, member, rows, first) {"attn." name, NS_SLOT_VECTOR, .at = offsetof(recurrence, member), .shape = rows, .init = first}
#define CONV(name, member, rows) \
    {"attn." name, NS_SLOT_TABLE, .at = offsetof(recurrence, member), .bias = offsetof(recurrence, member##_bias), .shape = rows ",t", \
     .init = NS_INIT_TAPS}

static const ns_slot slots[] = {
    NS_HEADS_SLOTS_OF("Q", "K", "e"),
    [Z_GATE] = {"attn.z_gate", NS_SLOT_MATRIX, .at = offsetof(recurrence, z_gate), .bias = offsetof(recurrence, z_gate_bias),
                .shape = "Hd,D", .weight = NS_HEADS_QKV},
    [STEP] = {"attn.step", NS_SLOT_MATRIX, .at = offsetof(recurrence, step), .bias = offsetof(recurrence, step_shift),
              .shape = "H,D", .other = "He,D", .when = offsetof(recurrence, each), .is = 1, .weight = NS_HEADS_QKV},
    [WRITE] = {"attn.write", NS_SLOT_MATRIX, .at = offsetof(recurrence, write), .bias = offsetof(recurrence, write_bias), .shape = "H,D",
               .weight = NS_HEADS_QKV},
    [STEP_IN] = {"attn.step_in", NS_SLOT_MATRIX, .at = offsetof(recurrence, step_in), .shape = "r,D", .weight = NS_HEADS_QKV},
    [GATE_IN] = {"attn.gate_in", NS_SLOT_MATRIX, .at = offsetof(recurrence, gate_in), .shape = "g,D", .weight = NS_HEADS_QKV},
    [STEP_OUT] = {"attn.step_out", NS_SLOT_MATRIX, .at = offsetof(recurrence, step_out), .bias = offsetof(recurrence, step_out_bias),
                  .shape = "H,r", .other = "He,r", .when = offsetof(recurrence, each), .is = 1, .weight = STEP_WEIGHT},
    [GATE_OUT] = {"attn.gate_out", NS_SLOT_MATRIX, .at = offsetof(recurrence, gate_out), .bias = offsetof(recurrence, gate_out_bias),
                  .shape = "Hd,g", .weight = GATE_WEIGHT},
    [Z_NORM] = {"attn.z_norm", NS_SLOT_NORM, .at = offsetof(recurrence, z_norm), .shape = "Hd", .other = "d",
                .when = offsetof(recurrence, z_norm_of), .is = NORM_OF_HEAD},
    [Q_CONV] = CONV("q_conv", q_conv, "Qe"),
    [K_CONV] = CONV("k_conv", k_conv, "Ke"),
    [V_CONV] = CONV("v_conv", v_conv, "Gd"),
    [STEP_BIAS] = {"attn.step_bias", NS_SLOT_VECTOR, .at = offsetof(recurrence, step_bias), .shape = "H", .other = "He",
                   .when = offsetof(recurrence, each), .is = 1, .init = NS_INIT_STEP},
    [RATE] = VECTOR("rate", rate, "H", NS_INIT_RATE),
    [SKIP] = VECTOR("skip", skip, "H", NS_INIT_ONE),
    {0},
};

/* ---- soundness ---- */

static int check_slopes(const ns_checker *c, const recurrence *x)
{
    int rc = NS_OK;
    for (int64_t h = 0; x->slope && h < x->heads.n_heads && rc == NS_OK; h++)
        rc = ns_check_at_least(c, "slope", x->slope[h], 0);
    return rc;
}

/* A slope a head, every key, no rope, no score of a softmax. */
static int check_lightning(const ns_checker *c, const recurrence *x)
{
    const ns_attn *const a = &x->heads;
    if (!x->slope)
        return ns_check_refuse(c, "the mixer lightning needs slope, one number a head");
    if (a->window || a->head_window || a->rope >= 0 || a->softcap > 0)
        return ns_check_refuse(c, "the mixer lightning has no window, rope or softcap");
    if (x->q_heads || x->k_heads || x->key_dim || x->taps || x->step_rank || x->gate_rank || x->decay || x->delta || x->beta ||
        x->skip.name || x->gate_act || x->gate_first)
        return ns_check_refuse(c, "the mixer lightning has a slope and no other setting of a recurrence: the mixer recurrence has them");
    return NS_OK;
}

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value ? value : otherwise;
}

static int check_factors(const ns_checker *c, const recurrence *x)
{
    const struct { const char *name; float value; } all[] = {{"q_factor", x->q_factor}, {"k_factor", x->k_factor},
        {"v_factor", x->v_factor}, {"gate_factor", x->gate_factor}, {"step_factor", x->step_factor}};
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && rc == NS_OK; i++)
        rc = ns_check_at_least(c, all[i].name, (double)all[i].value, -1e30);
    return rc;
}

static int check_scan_sizes(const ns_checker *c, const recurrence *x)
{
    const ns_attn *const a = &x->heads;
    int rc;
    if ((rc = ns_check_range(c, "q_heads", or_else(x->q_heads, a->n_heads), 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "k_heads", or_else(x->k_heads, a->n_kv_heads), 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "key_dim", or_else(x->key_dim, a->head_dim), 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "conv_taps", x->taps, 0, 1024)) != NS_OK ||
        (rc = ns_check_range(c, "z_norm_groups", x->z_norm_groups, 0, a->n_heads * a->head_dim)) != NS_OK ||
        (rc = ns_check_at_least(c, "step_min", x->step_min, 0)) != NS_OK ||
        (rc = ns_check_at_least(c, "step_max", x->step_max, 0)) != NS_OK || (rc = ns_check_at_least(c, "divisor", x->divisor, 0)) != NS_OK)
        return rc;
    if (a->n_heads % or_else(x->q_heads, a->n_heads) || a->n_heads % or_else(x->k_heads, a->n_kv_heads))
        return ns_check_refuse(c, "n_heads is not a multiple of q_heads and of k_heads");
    if ((a->n_heads * a->head_dim) % or_else(x->z_norm_groups, 1))
        return ns_check_refuse(c, "n_heads x head_dim is not a multiple of z_norm_groups");
    return NS_OK;
}

/* Thin products: their rank, and both of them, in place of the one. */
static int check_ranks(const ns_checker *c, const recurrence *x)
{
    int rc;
    if ((rc = ns_check_range(c, "step_rank", x->step_rank, 0, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "gate_rank", x->gate_rank, 0, 65536)) != NS_OK)
        return rc;
    if ((x->step_rank > 0) != (x->step_in.name != NULL) || (x->step_rank > 0) != (x->step_out.name != NULL))
        return ns_check_refuse(c, "step_rank, step_in and step_out need each other");
    if ((x->gate_rank > 0) != (x->gate_in.name != NULL) || (x->gate_rank > 0) != (x->gate_out.name != NULL))
        return ns_check_refuse(c, "gate_rank, gate_in and gate_out need each other");
    if ((x->step_rank && x->step_factor != 0) || (x->gate_rank && x->gate_factor != 0))
        return ns_check_refuse(c, "step_factor and gate_factor are of one product, not of two thin ones");
    return (x->step.name && x->step_rank) || (x->z_gate.name && x->gate_rank)
               ? ns_check_refuse(c, "step and z_gate are one product or two thin ones, not both") : NS_OK;
}

static int check_scan(const ns_checker *c, const recurrence *x)
{
    const ns_attn *const a = &x->heads;
    const bool steps = x->decay == DECAY_SOFTPLUS || x->decay == DECAY_LOGSIGMOID;
    int rc = check_scan_sizes(c, x);
    rc = rc != NS_OK ? rc : check_ranks(c, x);
    if (rc != NS_OK)
        return rc;
    if (a->window || a->head_window || a->softcap > 0 || a->clip_qkv > 0)
        return ns_check_refuse(c, "a recurrence has no window, softcap or clip_qkv");
    if ((x->decay == DECAY_SLOPE) != (x->slope != NULL))
        return ns_check_refuse(c, "decay slope and slope, one number a head, need each other");
    if (steps != (x->step.name || x->step_rank) || (x->rate.name && x->decay != DECAY_SOFTPLUS) || (x->step_bias.name && !steps))
        return ns_check_refuse(c, "decays softplus and logsigmoid need step, rate is of softplus, step_bias of both");
    if ((x->beta == BETA_SIGMOID || x->beta == BETA_TWICE_SIGMOID) != (x->write.name != NULL) ||
        (x->beta == BETA_STEP && (!steps || x->each)))
        return ns_check_refuse(c, "beta sigmoid and twice_sigmoid need write, step needs a decay that has one for each head");
    if ((x->taps > 0) != (x->q_conv.name && x->k_conv.name && x->v_conv.name))
        return ns_check_refuse(c, "conv_taps and the tables q_conv, k_conv, v_conv need each other");
    if (x->each && !steps)
        return ns_check_refuse(c, "decay_of key_channel needs a decay softplus or logsigmoid");
    return NS_OK;
}

static int check(const ns_checker *c, const void *params)
{
    const recurrence *const x = params;
    int rc = ns_heads_check(c, &x->heads);
    rc = rc != NS_OK ? rc : x->form == SCAN ? check_scan(c, x) : check_lightning(c, x);
    rc = rc != NS_OK ? rc : check_factors(c, x);
    rc = rc != NS_OK ? rc : check_slopes(c, x);
    return rc != NS_OK ? rc : ns_check_norm(c, "z_norm", &x->z_norm);
}

/* ---- what is kept and what it costs ---- */

static ns_scan sizes_of(const recurrence *x)
{
    const ns_attn *const a = &x->heads;
    return (ns_scan){.heads = a->n_heads, .q_heads = or_else(x->q_heads, a->n_heads), .k_heads = or_else(x->k_heads, a->n_kv_heads),
                     .v_heads = a->n_kv_heads, .key = or_else(x->key_dim, a->head_dim), .value = a->head_dim, .scale = a->scale,
                     .delta = x->delta, .slope = x->slope};
}

static void keeps(const void *params, ns_keeps *out)
{
    const recurrence *const x = params;
    const ns_scan s = sizes_of(x);
    if (x->form == LIGHTNING) {
        ns_heads_keeps(params, out);
        return;
    }
    const int64_t channels = (s.q_heads + s.k_heads) * s.key + s.v_heads * s.value;
    *out = (ns_keeps){.kind = NS_STATE_SNAPSHOT, .groups = 1,
                      .k = s.k_heads * s.key + s.heads * (x->each ? s.key : 1) + s.heads, .v = s.v_heads * s.value,
                      .states = s.heads, .key = s.key, .value = s.value, .tail = x->taps ? (x->taps - 1) * channels : 0};
}

static double macs(const void *params, int64_t n)
{
    const recurrence *const x = params;
    const ns_scan s = sizes_of(x);
    if (x->form == LIGHTNING)
        return ns_heads_macs(params, n);
    const double channels = (double)((s.q_heads + s.k_heads) * s.key + s.v_heads * s.value);
    return (double)n * ((x->delta ? 4 : 3) * (double)(s.heads * s.key * s.value) + (double)x->taps * channels);
}

/* ---- the pass ---- */

static ns_cols forward_lightning(ns_band *b, const recurrence *p, ns_cols in)
{
    const ns_attn *const a = &p->heads;
    const ns_act act = (ns_act)p->act;
    const ns_qkv x = ns_heads_project(b, a, in, p->z_gate.name ? a->n_heads * a->head_dim : 0);
    if (ns_band_asks(b, NS_PART_STATE))
        ns_heads_keep(b, a, x, &act);
    if (!ns_band_asks(b, NS_PART_ROWS))
        return (ns_cols){0};
    ns_cols z = ns_band_attend(b, a, ns_heads_query(b, a, x.q, &act), p->slope, -1);
    if (!z.sheet)
        return z;
    ns_band_show(b, NS_POINT_Z, z, a->n_heads);
    z = ns_band_gate(b, ns_band_norm(b, z, 1, Z_NORM), x.more);
    return ns_heads_out(b, a, z);
}

/* Behind the projection: the convolution, then of q, k and v the activation, norm and rope. */
static void make_qkv(ns_band *b, const recurrence *p, ns_scan *s, ns_cols x)
{
    static const int tables[] = {Q_CONV, K_CONV, V_CONV};
    const int64_t q = s->q_heads * s->key, k = s->k_heads * s->key, v = s->v_heads * s->value;
    const bool whole = p->heads.qk_norm == NS_QK_FULL;
    if (p->taps) {
        ns_band_show(b, NS_POINT_Q_PRE_CONV, ns_columns(x, 0, q), s->q_heads);
        ns_band_show(b, NS_POINT_K_PRE_CONV, ns_columns(x, q, k), s->k_heads);
        ns_band_show(b, NS_POINT_V_PRE_CONV, ns_columns(x, q + k, v), s->v_heads);
        x = ns_band_conv(b, ns_columns(x, 0, q + k + v), tables, 3, p->taps);
    }
    ns_band_show(b, NS_POINT_K, ns_columns(x, q, k), s->k_heads);
    ns_band_show(b, NS_POINT_Q, ns_columns(x, 0, q), s->q_heads);
    x = p->act == NO_ACT ? x : ns_band_act(b, ns_columns(x, 0, q + k + v), (ns_act)p->act);
    s->v = ns_columns(x, q + k, v);
    ns_band_show(b, NS_POINT_V, s->v, s->v_heads);
    s->k = ns_band_norm(b, ns_columns(x, q, k), whole ? 1 : s->k_heads, NS_HEADS_K_NORM);
    s->q = ns_band_norm(b, ns_columns(x, 0, q), whole ? 1 : s->q_heads, NS_HEADS_Q_NORM);
    s->k = ns_band_rope(b, s->k, s->k_heads, p->heads.rope);
    s->q = ns_band_rope(b, s->q, s->q_heads, p->heads.rope);
}

/* Decay and beta from their columns. */
static void make_rates(ns_band *b, const recurrence *p, ns_scan *s, ns_cols step, ns_cols write)
{
    if (step.sheet) {
        const double sign = p->decay == DECAY_LOGSIGMOID ? -1 : 1;
        step = ns_band_softplus(b, step, p->step_bias.name ? STEP_BIAS : -1, sign, p->step_min, p->step_max > 0 ? p->step_max : 1e30);
        s->log_decay = ns_band_log_decay(b, step, s->heads, p->rate.name ? RATE : -1, p->divisor > 0 ? 1 / p->divisor : 1);
    }
    if (p->beta != BETA_ONE)
        s->write = p->beta == BETA_STEP ? step : ns_band_sigmoid(b, write, p->beta == BETA_SIGMOID ? 1 : 2);
    if (s->write.sheet)
        ns_band_show(b, NS_POINT_BETA, s->write, 0);
    if (s->log_decay.sheet)
        ns_band_show(b, NS_POINT_LOG_DECAY, s->log_decay, s->heads);
    ns_band_show(b, NS_POINT_ROT_K, s->k, s->k_heads);
    ns_band_show(b, NS_POINT_ROT_Q, s->q, s->q_heads);
}

static ns_cols gated(ns_band *b, const recurrence *p, ns_cols z, ns_cols gate)
{
    if (!gate.sheet)
        return z;
    return p->gate_act == GATE_SILU ? ns_band_glu(b, gate, NS_ACT_SILU, z) : ns_band_gate(b, z, gate);
}

/* Columns q | k | v | gate | step, each by its own. */
static void apply_factors(ns_band *b, const recurrence *p, const ns_scan *s, ns_cols x, int64_t gate, int64_t step)
{
    const struct { int64_t n; float factor; } parts[] = {{s->q_heads * s->key, p->q_factor}, {s->k_heads * s->key, p->k_factor},
        {s->v_heads * s->value, p->v_factor}, {gate, p->gate_factor}, {step, p->step_factor}};
    int64_t at = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; at += parts[i++].n)
        if (parts[i].factor != 0)
            ns_band_scale(b, ns_columns(x, at, parts[i].n), parts[i].factor);
}

/* What decays and gates are made of: columns of the product, or a thin product of its columns from `thin` on. */
typedef struct sources { ns_cols gate, step, write; } sources;

static ns_cols source(ns_band *b, ns_cols x, int64_t at, int64_t n, int64_t thin, int64_t rank, int weight)
{
    return n ? ns_columns(x, at, n) : rank ? ns_band_linear(b, ns_columns(x, thin, rank), weight) : (ns_cols){0};
}

static sources sources_of(ns_band *b, const recurrence *p, const ns_scan *s, ns_cols x)
{
    const int64_t qkv = (s->q_heads + s->k_heads) * s->key + s->v_heads * s->value, gate = p->z_gate.name ? s->heads * s->value : 0;
    const int64_t step = p->step.name ? s->heads * (p->each ? s->key : 1) : 0, write = p->write.name ? s->heads : 0;
    const int64_t thin = qkv + gate + step + write;
    return (sources){source(b, x, qkv, gate, thin + p->step_rank, p->gate_rank, GATE_WEIGHT),
                     source(b, x, qkv + gate, step, thin, p->step_rank, STEP_WEIGHT), ns_columns(x, qkv + gate + step, write)};
}

static ns_cols forward_scan(ns_band *b, const recurrence *p, ns_cols in)
{
    const ns_attn *const a = &p->heads;
    ns_scan s = sizes_of(p);
    const ns_cols x = ns_band_linear(b, in, NS_HEADS_QKV);
    apply_factors(b, p, &s, x, p->z_gate.name ? s.heads * s.value : 0, p->step.name ? s.heads * (p->each ? s.key : 1) : 0);
    const sources from = sources_of(b, p, &s, x);
    make_qkv(b, p, &s, x);
    make_rates(b, p, &s, from.step, from.write);
    ns_cols z = ns_band_scan(b, &s);
    if (!ns_band_past(b, NS_POINT_PATTERN))
        return (ns_cols){0};
    ns_band_show(b, NS_POINT_Z, z, a->n_heads);
    z = p->skip.name ? ns_band_skip(b, z, s.v, s.heads, SKIP) : z;
    ns_band_show(b, NS_POINT_RECURRENCE_OUT, z, a->n_heads);
    z = p->gate_first ? gated(b, p, z, from.gate) : z;
    z = ns_band_norm(b, z, p->z_norm_of == NORM_OF_HEAD ? a->n_heads : or_else(p->z_norm_groups, 1), Z_NORM);
    z = p->gate_first ? z : gated(b, p, z, from.gate);
    return ns_heads_out(b, a, z);
}

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    const recurrence *const p = params;
    return p->form == SCAN ? forward_scan(b, p, in) : forward_lightning(b, p, in);
}

/* q and k have heads of their own. */
static const char *axes(const void *params, ns_point p)
{
    if (((const recurrence *)params)->form == LIGHTNING)
        return NULL;
    return p == NS_POINT_Q || p == NS_POINT_ROT_Q ? "row q_head d_key" : p == NS_POINT_K || p == NS_POINT_ROT_K ? "row k_head d_key" : NULL;
}

/* What the settings leave out. */
static const char *absent(const void *params, ns_point p)
{
    const recurrence *const x = params;
    const bool before_taps = p == NS_POINT_Q_PRE_CONV || p == NS_POINT_K_PRE_CONV || p == NS_POINT_V_PRE_CONV;
    return before_taps && !x->taps                              ? "it has no short convolution"
           : p == NS_POINT_BETA && x->beta == BETA_ONE          ? "it writes every value whole"
           : p == NS_POINT_LOG_DECAY && x->decay <= DECAY_SLOPE ? "its decay is constant, or none"
           : p == NS_POINT_RECURRENCE_OUT && x->form != SCAN    ? "it is hook_z: there is no skip"
           : p == NS_POINT_SSM_STATE && x->form != SCAN         ? "its rows are computed from q, k and v, without a state"
           : p == NS_POINT_SCORES                               ? "its rows are not scores that a softmax has normalised"
                                                                : NULL;
}

const ns_branch_class ns_branch_linear_recurrence = {
    .name = "linear_recurrence", .part = "attn", .mixer = "lightning", .mixers = mixers,
    .params_size = sizeof(recurrence), .heads = true, .fields = fields, .sizes = sizes, .slots = slots,
    .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT,
    .points = NS_POINTS_OF_HEADS | NS_HAS(Q_PRE_CONV) | NS_HAS(K_PRE_CONV) | NS_HAS(V_PRE_CONV) | NS_HAS(BETA) | NS_HAS(LOG_DECAY) |
              NS_HAS(RECURRENCE_OUT) | NS_HAS(SSM_STATE),
    .no_step = "a linear recurrence has no such step",
    .absent = absent, .axes = axes, .rows = NS_ROW_UNROLLED, .keeps = keeps, .check = check, .forward = forward, .macs = macs,
};
