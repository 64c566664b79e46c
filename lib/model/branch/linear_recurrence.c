/* linear_recurrence.c - linear recurrences: for each of H heads a state S [key, value] goes from row to row,
 *
 *     S_t = diag(decay_t) S_(t-1) + k_t u_t^T,  u_t = beta_t v_t, or by the delta rule beta_t (v_t - (diag(decay_t) S_(t-1))^T k_t),
 *     z_t = S_t^T (scale q_t)  =  sum over s <= t of  W[t, s] v_s,   out = W_O (gate and norm of (z + D v)).
 *
 * q, k and v may go through a short convolution, an activation and a norm (of q and k). Gated DeltaNet (arXiv 2412.06464; qwen3_next),
 * Mamba-2 (arXiv 2405.21060), GLA, DeltaNet, RetNet, KDA and Lightning attention (TransNormerLLM, arXiv 2405.17381; minimax: a constant
 * decay e^-slope, so W[t, s] = e^(-slope (t - s)) (q_t . k_s)) are settings of it. */
#include "model/branch/linear_recurrence.h"

enum { NO_ACT = -1, GATE_SIGMOID = 0, GATE_SILU };

/* "lightning": what files say that were written when a decay by slope was a mixer of its own. */
static const ns_word mixers[] = {{"recurrence", DECAY_NONE}, {"lightning", DECAY_SLOPE}, {NULL, 0}};
static const ns_word acts[] = {{"silu", NS_ACT_SILU}, {"gelu", NS_ACT_GELU}, {"gelu_tanh", NS_ACT_GELU_TANH}, {"relu", NS_ACT_RELU},
                               {"relu2", NS_ACT_RELU2}, {"none", NO_ACT}, {NULL, 0}};
static const ns_word decays[] = {{"none", DECAY_NONE}, {"slope", DECAY_SLOPE}, {"softplus", DECAY_SOFTPLUS},
                                 {"logsigmoid", DECAY_LOGSIGMOID}, {NULL, 0}};
static const ns_word decays_of[] = {{"head", 0}, {"key_channel", 1}, {NULL, 0}};
static const ns_word rules[] = {{"add", RULE_ADD}, {"delta", RULE_DELTA}, {"add", RULE_UNSAID}, {NULL, 0}};
static const ns_word betas[] = {{"one", BETA_ONE}, {"sigmoid", BETA_SIGMOID}, {"twice_sigmoid", BETA_TWICE_SIGMOID}, {"step", BETA_STEP},
                                {NULL, 0}};
static const ns_word norms_of[] = {{"row", NORM_OF_ROW}, {"head", NORM_OF_HEAD}, {NULL, 0}};
static const ns_word gate_acts[] = {{"sigmoid", GATE_SIGMOID}, {"silu", GATE_SILU}, {NULL, 0}};
static const ns_word gate_orders[] = {{"norm_gate", 0}, {"gate_norm", 1}, {NULL, 0}};

#define OF(member) offsetof(ns_recurrence, member)
#define AT(member) .offset = OF(member)
static const ns_field fields[] = {
    NS_HEADS_SIZE_FIELDS,
    {"mixer", NS_FIELD_IMPLIES, AT(decay), .words = mixers},
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
    {"rule", NS_FIELD_WORD, AT(rule), .words = rules, .sparse = true},
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
                                {'Q', OF(q_heads), "heads of q", "q_head", 'H'},
                                {'K', OF(k_heads), "heads of k", "k_head", 'G'},
                                {'e', OF(key_dim), "width of a key", "d_key", 'd'},
                                {'t', OF(taps), "taps of the convolution"},
                                {'r', OF(step_rank), "rank of the decay"},
                                {'g', OF(gate_rank), "rank of the gate"},
                                {0}};

/* Columns of the product: q | k | v | z_gate | step | write | step_in | gate_in. */
enum { STEP_WEIGHT = NS_HEADS_N_WEIGHTS, GATE_WEIGHT };
enum { Z_GATE = NS_HEADS_N_SLOTS, STEP, WRITE, STEP_IN, GATE_IN, STEP_OUT, GATE_OUT, Z_NORM, Q_CONV, K_CONV, V_CONV, STEP_BIAS, RATE,
       SKIP };
#define VECTOR(name, member, rows, first) {"attn." name, NS_SLOT_VECTOR, .at = OF(member), .shape = rows, .init = first}
#define CONV(name, member, rows) \
    {"attn." name, NS_SLOT_TABLE, .at = OF(member), .bias = OF(member##_bias), .shape = rows ",t", .init = NS_INIT_TAPS}

static const ns_slot slots[] = {
    NS_HEADS_SLOTS_OF("Q", "K", "e"),
    [Z_GATE] = {"attn.z_gate", NS_SLOT_MATRIX, .at = OF(z_gate), .bias = OF(z_gate_bias),
                .shape = "Hd,D", .weight = NS_HEADS_QKV},
    [STEP] = {"attn.step", NS_SLOT_MATRIX, .at = OF(step), .bias = OF(step_shift),
              .shape = "H,D", .other = "He,D", .when = OF(each), .is = 1, .weight = NS_HEADS_QKV},
    [WRITE] = {"attn.write", NS_SLOT_MATRIX, .at = OF(write), .bias = OF(write_bias), .shape = "H,D",
               .weight = NS_HEADS_QKV},
    [STEP_IN] = {"attn.step_in", NS_SLOT_MATRIX, .at = OF(step_in), .shape = "r,D", .weight = NS_HEADS_QKV},
    [GATE_IN] = {"attn.gate_in", NS_SLOT_MATRIX, .at = OF(gate_in), .shape = "g,D", .weight = NS_HEADS_QKV},
    [STEP_OUT] = {"attn.step_out", NS_SLOT_MATRIX, .at = OF(step_out), .bias = OF(step_out_bias),
                  .shape = "H,r", .other = "He,r", .when = OF(each), .is = 1, .weight = STEP_WEIGHT},
    [GATE_OUT] = {"attn.gate_out", NS_SLOT_MATRIX, .at = OF(gate_out), .bias = OF(gate_out_bias),
                  .shape = "Hd,g", .weight = GATE_WEIGHT},
    [Z_NORM] = {"attn.z_norm", NS_SLOT_NORM, .at = OF(z_norm), .shape = "Hd", .other = "d",
                .when = OF(z_norm_of), .is = NORM_OF_HEAD},
    [Q_CONV] = CONV("q_conv", q_conv, "Qe"),
    [K_CONV] = CONV("k_conv", k_conv, "Ke"),
    [V_CONV] = CONV("v_conv", v_conv, "Gd"),
    [STEP_BIAS] = {"attn.step_bias", NS_SLOT_VECTOR, .at = OF(step_bias), .shape = "H", .other = "He",
                   .when = OF(each), .is = 1, .init = NS_INIT_STEP},
    [RATE] = VECTOR("rate", rate, "H", NS_INIT_RATE),
    [SKIP] = VECTOR("skip", skip, "H", NS_INIT_ONE),
    {0},
};

/* ---- what is kept and what it costs ---- */

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value ? value : otherwise;
}

ns_scan ns_recurrence_sizes(const ns_recurrence *x)
{
    const ns_attn *const a = &x->heads;
    return (ns_scan){.heads = a->n_heads, .q_heads = or_else(x->q_heads, a->n_heads), .k_heads = or_else(x->k_heads, a->n_kv_heads),
                     .v_heads = a->n_kv_heads, .key = or_else(x->key_dim, a->head_dim), .value = a->head_dim, .scale = a->scale,
                     .delta = x->rule == RULE_DELTA, .slope = x->slope};
}

/* Of q, k and v together. */
static int64_t qkv_columns(const ns_scan *s)
{
    return (s->q_heads + s->k_heads) * s->key + s->v_heads * s->value;
}

static void keeps(const void *params, ns_keeps *out)
{
    const ns_recurrence *const x = params;
    const ns_scan s = ns_recurrence_sizes(x);
    *out = (ns_keeps){.kind = NS_STATE_SNAPSHOT,
                      .rows_k = s.k_heads * s.key + s.heads * (x->each ? s.key : 1) + s.heads, .rows_v = s.v_heads * s.value,
                      .states = s.heads, .key = s.key, .value = s.value, .tail = x->taps ? (x->taps - 1) * qkv_columns(&s) : 0};
}

static double macs(const void *params, int64_t n)
{
    const ns_recurrence *const x = params;
    const ns_scan s = ns_recurrence_sizes(x);
    return (double)n * ((x->rule == RULE_DELTA ? 4 : 3) * (double)(s.heads * s.key * s.value) + (double)(x->taps * qkv_columns(&s)));
}

/* ---- the pass ---- */

/* The convolution of q | k | v. */
static ns_cols convolved(ns_band *b, const ns_recurrence *p, const ns_scan *s, ns_cols x)
{
    static const int tables[] = {Q_CONV, K_CONV, V_CONV};
    const int64_t q = s->q_heads * s->key, k = s->k_heads * s->key;
    if (!p->taps)
        return x;
    ns_band_show(b, NS_POINT_Q_PRE_CONV, ns_columns(x, 0, q), s->q_heads);
    ns_band_show(b, NS_POINT_K_PRE_CONV, ns_columns(x, q, k), s->k_heads);
    ns_band_show(b, NS_POINT_V_PRE_CONV, ns_columns(x, q + k, s->v_heads * s->value), s->v_heads);
    return ns_band_conv(b, ns_columns(x, 0, qkv_columns(s)), tables, 3, p->taps);
}

static ns_cols activated(ns_band *b, const ns_recurrence *p, ns_cols x)
{
    return p->act == NO_ACT ? x : ns_band_act(b, x, (ns_act)p->act);
}

/* Norm and rope of q or k. */
static ns_cols turned(ns_band *b, const ns_recurrence *p, ns_cols x, int64_t heads, int norm)
{
    return ns_band_rope(b, ns_band_norm(b, x, p->heads.qk_norm == NS_QK_FULL ? 1 : heads, norm), heads, p->heads.rope);
}

static void make_kv(ns_band *b, const ns_recurrence *p, ns_scan *s, ns_cols x)
{
    const int64_t k = s->k_heads * s->key, v = s->v_heads * s->value;
    ns_band_show(b, NS_POINT_K, ns_columns(x, 0, k), s->k_heads);
    x = activated(b, p, ns_columns(x, 0, k + v));
    s->v = ns_columns(x, k, v);
    ns_band_show(b, NS_POINT_V, s->v, s->v_heads);
    s->k = turned(b, p, ns_columns(x, 0, k), s->k_heads, NS_HEADS_K_NORM);
}

static void make_q(ns_band *b, const ns_recurrence *p, ns_scan *s, ns_cols q)
{
    ns_band_show(b, NS_POINT_Q, q, s->q_heads);
    s->q = turned(b, p, activated(b, p, q), s->q_heads, NS_HEADS_Q_NORM);
    ns_band_show(b, NS_POINT_ROT_Q, s->q, s->q_heads);
}

/* Decay and beta from their columns. */
static void make_rates(ns_band *b, const ns_recurrence *p, ns_scan *s, ns_cols step, ns_cols write)
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
}

static ns_cols gated(ns_band *b, const ns_recurrence *p, ns_cols z, ns_cols gate)
{
    if (!z.sheet)
        return z;
    return gate.sheet && p->gate_act == GATE_SILU ? ns_band_glu(b, gate, NS_ACT_SILU, z) : ns_band_gate(b, z, gate);
}

/* What W_O is given. silu(gate) * z overwrites the gate, so that a copy of it goes to the factors of z. */
static ns_cols normed_and_gated(ns_band *b, const ns_recurrence *p, ns_cols z, ns_cols gate)
{
    const int64_t groups = p->z_norm_of == NORM_OF_HEAD ? p->heads.n_heads : or_else(p->z_norm_groups, 1);
    ns_cols factor = ns_band_ones(b, z);
    factor = gated(b, p, factor, factor.sheet ? ns_band_copy(b, gate) : gate);
    z = p->gate_first ? gated(b, p, z, gate) : z;
    factor = ns_band_norm_frozen(b, factor, z, groups, Z_NORM);
    z = ns_band_norm(b, z, groups, Z_NORM);
    z = p->gate_first ? z : gated(b, p, z, gate);
    ns_band_written(b, factor, z);
    return z;
}

/* Columns q | k | v | gate | step, each by its own. */
static void apply_factors(ns_band *b, const ns_recurrence *p, const ns_scan *s, ns_cols x, int64_t gate, int64_t step)
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

static sources sources_of(ns_band *b, const ns_recurrence *p, const ns_scan *s, ns_cols x)
{
    const int64_t qkv = qkv_columns(s), gate = p->z_gate.name ? s->heads * s->value : 0;
    const int64_t step = p->step.name ? s->heads * (p->each ? s->key : 1) : 0, write = p->write.name ? s->heads : 0;
    const int64_t thin = qkv + gate + step + write;
    return (sources){source(b, x, qkv, gate, thin + p->step_rank, p->gate_rank, GATE_WEIGHT),
                     source(b, x, qkv + gate, step, thin, p->step_rank, STEP_WEIGHT), ns_columns(x, qkv + gate + step, write)};
}

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    const ns_recurrence *const p = params;
    const ns_attn *const a = &p->heads;
    ns_scan s = ns_recurrence_sizes(p);
    const ns_cols x = ns_band_linear(b, in, NS_HEADS_QKV);
    apply_factors(b, p, &s, x, p->z_gate.name ? s.heads * s.value : 0, p->step.name ? s.heads * (p->each ? s.key : 1) : 0);
    const sources from = sources_of(b, p, &s, x);
    const ns_cols qkv = convolved(b, p, &s, x);
    const int64_t q = s.q_heads * s.key;
    make_kv(b, p, &s, ns_columns(qkv, q, qkv_columns(&s) - q));
    make_rates(b, p, &s, from.step, from.write);
    ns_band_show(b, NS_POINT_ROT_K, s.k, s.k_heads);
    make_q(b, p, &s, ns_columns(qkv, 0, q));
    ns_cols z = ns_band_scan(b, &s);
    if (!ns_band_past(b, NS_POINT_PATTERN))
        return (ns_cols){0};
    ns_band_show(b, NS_POINT_Z, z, a->n_heads);
    z = p->skip.name ? ns_band_skip(b, z, s.v, s.heads, SKIP) : z;
    ns_band_show(b, NS_POINT_RECURRENCE_OUT, z, a->n_heads);
    return ns_heads_out(b, a, normed_and_gated(b, p, z, from.gate));
}

/* q and k have heads of their own; where a decay is one number of a head, its axis of key channels has that one. */
static const char *axes(const void *params, ns_point p)
{
    const ns_recurrence *const x = params;
    return p == NS_POINT_Q || p == NS_POINT_ROT_Q     ? "row q_head d_key"
           : p == NS_POINT_K || p == NS_POINT_ROT_K   ? "row k_head d_key"
           : p == NS_POINT_LOG_DECAY && !x->each ? "row head one"
                                                      : NULL;
}

static const char *formula(const void *params, ns_point p)
{
    const ns_recurrence *const x = params;
    const bool active = x->act != NO_ACT;
    switch (p) {
    case NS_POINT_V_PRE_CONV: return "W_V x + b_V, before the short convolution";
    case NS_POINT_Q: return x->taps ? "hook_q_pre_conv after the convolution, before activation, norm and rope"
                                    : "W_Q x + b_Q, before activation, norm and rope";
    case NS_POINT_K: return x->taps ? "hook_k_pre_conv after the convolution, before activation, norm and rope"
                                    : "W_K x + b_K, before activation, norm and rope";
    case NS_POINT_V: return x->taps && active ? "hook_v_pre_conv after the convolution and the activation"
                            : x->taps       ? "hook_v_pre_conv after the convolution"
                            : active        ? "act(W_V x + b_V)"
                                            : NULL;
    case NS_POINT_ROT_Q: return "q after activation, norm and rope: what reads the state";
    case NS_POINT_ROT_K: return "k after activation, norm and rope: what v is written at";
    case NS_POINT_RESULT: return "W_O of one head's hook_recurrence_out behind norm and gate, without the bias";
    case NS_POINT_RECURRENCE_OUT: return x->skip.name ? NULL : "z: goes to norm and gate";
    default: return NULL;
    }
}

/* What the settings leave out. */
static const char *absent(const void *params, ns_point p)
{
    const ns_recurrence *const x = params;
    const bool before_taps = p == NS_POINT_Q_PRE_CONV || p == NS_POINT_K_PRE_CONV || p == NS_POINT_V_PRE_CONV;
    return before_taps && !x->taps                              ? "it has no short convolution"
           : p == NS_POINT_BETA && x->beta == BETA_ONE          ? "it writes every value whole"
           : p == NS_POINT_LOG_DECAY && x->decay <= DECAY_SLOPE ? "its decay is constant, or none"
           : p == NS_POINT_SCORES                               ? "its rows are not scores that a softmax has normalised"
                                                                : NULL;
}

const ns_branch_class ns_branch_linear_recurrence = {
    .name = "linear_recurrence", .part = "attn", .mixer = "recurrence", .mixers = mixers,
    .params_size = sizeof(ns_recurrence), .heads = true, .fields = fields, .sizes = sizes, .slots = slots,
    .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT,
    .points = NS_POINTS_OF_HEADS | NS_HAS(Q_PRE_CONV) | NS_HAS(K_PRE_CONV) | NS_HAS(V_PRE_CONV) | NS_HAS(BETA) | NS_HAS(LOG_DECAY) |
              NS_HAS(RECURRENCE_OUT) | NS_HAS(SSM_STATE),
    .no_step = "a linear recurrence has no such step",
    .absent = absent, .axes = axes, .formula = formula, .rows = NS_ROW_UNROLLED,
    .keeps = keeps, .check = ns_recurrence_check, .forward = forward, .macs = macs,
};
