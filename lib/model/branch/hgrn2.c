/* hgrn2.c - HGRN2 (arXiv 2404.07904): a linear recurrence whose keys are what its forget gates let go of,
 *
 *     f_t = sigmoid(W_K x_t),  S_t = diag(f_t) S_(t-1) + (1 - f_t) v_t^T,  z_t = S_t^T (scale silu(W_Q x_t)),  out = W_O norm(z).
 *
 * With lower bounds f_t = b + (1 - b) sigmoid(W_K x_t); b of a channel grows with the depth, by what one tensor of all layers says. */
#include "model/branch/heads.h"

typedef struct hgrn2 {
    ns_attn heads;                 /* head_dim: of v and z; k: the forget gates */
    int64_t key_dim;               /* a head's gates */
    ns_norm z_norm;                /* of a whole row; none = absent */
    ns_tref bounds;                /* of the gates [depths, H e], before a softmax over depths; none = absent */
    int64_t depths, depth;         /* what it has, and what of it is below this layer: rows 1 to depth */
} hgrn2;

static const ns_word mixer[] = {{"hgrn2", 0}, {NULL, 0}};

static const ns_field fields[] = {
    NS_HEADS_SIZE_FIELDS,
    {"mixer", NS_FIELD_FIXED, .words = mixer},
    {"key_dim", NS_FIELD_I64, .offset = offsetof(hgrn2, key_dim), .required = true},
    {"z_norm", NS_FIELD_NORM, .offset = offsetof(hgrn2, z_norm)},
    {"bounds", NS_FIELD_TREF, .offset = offsetof(hgrn2, bounds)},
    {"depths", NS_FIELD_I64, .offset = offsetof(hgrn2, depths), .sparse = true},
    {"depth", NS_FIELD_I64, .offset = offsetof(hgrn2, depth), .sparse = true},
    NS_HEADS_WEIGHT_FIELDS,
    {0},
};

static const ns_size sizes[] = {{'H', offsetof(ns_attn, n_heads), "num_heads", "head"},
                                {'G', offsetof(ns_attn, n_kv_heads), "heads of v", "kv_head"},
                                {'d', offsetof(ns_attn, head_dim), "width of a value", "d_head"},
                                {'e', offsetof(hgrn2, key_dim), "expand_ratio", "d_key"},
                                {'L', offsetof(hgrn2, depths), "num_hidden_layers", NULL},
                                {0}};

enum { Z_NORM = NS_HEADS_N_SLOTS, BOUNDS };
static const ns_slot slots[] = {
    NS_HEADS_SLOTS_OF("H", "H", "e"),
    [Z_NORM] = {"attn.z_norm", NS_SLOT_NORM, .at = offsetof(hgrn2, z_norm), .shape = "Hd"},
    [BOUNDS] = {"attn.bounds", NS_SLOT_TABLE, .at = offsetof(hgrn2, bounds), .shape = "L,He", .shared = true},
    {0},
};

static int check(const ns_checker *c, const void *params)
{
    const hgrn2 *const p = params;
    const ns_attn *const a = &p->heads;
    int rc;
    if ((rc = ns_heads_check(c, a)) != NS_OK || (rc = ns_check_range(c, "key_dim", p->key_dim, 1, 65536)) != NS_OK)
        return rc;
    if (a->n_kv_heads != a->n_heads)
        return ns_check_refuse(c, "n_kv_heads of hgrn2 is n_heads");
    if (a->window || a->head_window || a->rope >= 0 || a->softcap > 0 || a->clip_qkv > 0 || a->qk_norm)
        return ns_check_refuse(c, "hgrn2 has no window, rope, softcap, clip_qkv or qk_norm");
    if (p->bounds.name && ((rc = ns_check_range(c, "depths", p->depths, 1, NS_MAX_DIM)) != NS_OK ||
                           (rc = ns_check_range(c, "depth", p->depth, 0, p->depths - 1)) != NS_OK))
        return rc;
    return ns_check_norm(c, "z_norm", &p->z_norm);
}

static void keeps(const void *params, ns_keeps *out)
{
    const hgrn2 *const p = params;
    const int64_t H = p->heads.n_heads;
    *out = (ns_keeps){.kind = NS_STATE_SNAPSHOT, .rows_k = 2 * H * p->key_dim + H, .rows_v = H * p->heads.head_dim, .states = H,
                      .key = p->key_dim, .value = p->heads.head_dim};
}

static double macs(const void *params, int64_t n)
{
    const hgrn2 *const p = params;
    return 3 * (double)n * (double)(p->heads.n_heads * p->key_dim * p->heads.head_dim);
}

static ns_cols forward(ns_band *b, const void *params, ns_cols in)
{
    const hgrn2 *const p = params;
    const ns_attn *const a = &p->heads;
    const int64_t H = a->n_heads, keys = H * p->key_dim;
    ns_scan s = {.heads = H, .q_heads = H, .k_heads = H, .v_heads = H, .key = p->key_dim, .value = a->head_dim, .scale = a->scale};
    const ns_cols x = ns_band_linear(b, in, NS_HEADS_QKV);
    ns_cols f = ns_columns(x, keys, keys);
    s.v = ns_columns(x, 2 * keys, H * a->head_dim);
    ns_band_show(b, NS_POINT_K, f, H);
    ns_band_show(b, NS_POINT_V, s.v, H);
    f = ns_band_scale(b, p->bounds.name ? ns_band_lower_bound(b, f, BOUNDS, p->depths, p->depth) : f, -1);
    s.k = ns_band_sigmoid(b, f, 1);                            /* 1 - sigmoid(f) = sigmoid(-f), and its log is -softplus(-f) */
    s.log_decay = ns_band_log_decay(b, ns_band_softplus(b, f, -1, 1, 0, 1e30), H, -1, 1);
    ns_band_show(b, NS_POINT_LOG_DECAY, s.log_decay, H);
    ns_band_show(b, NS_POINT_ROT_K, s.k, H);
    ns_band_show(b, NS_POINT_Q, ns_columns(x, 0, keys), H);
    s.q = ns_band_act(b, ns_columns(x, 0, keys), NS_ACT_SILU);
    ns_band_show(b, NS_POINT_ROT_Q, s.q, H);
    const ns_cols z = ns_band_scan(b, &s);
    if (!ns_band_past(b, NS_POINT_PATTERN))
        return (ns_cols){0};
    ns_band_show(b, NS_POINT_Z, z, H);
    ns_band_show(b, NS_POINT_RECURRENCE_OUT, z, H);
    const ns_cols factor = ns_band_norm_frozen(b, ns_band_ones(b, z), z, 1, Z_NORM), normed = ns_band_norm(b, z, 1, Z_NORM);
    ns_band_written(b, factor, normed);
    return ns_heads_out(b, a, normed);
}

static const char *axes(const void *params, ns_point p)
{
    (void)params;
    return p == NS_POINT_Q || p == NS_POINT_ROT_Q || p == NS_POINT_K || p == NS_POINT_ROT_K ? "row head d_key" : NULL;
}

static const char *formula(const void *params, ns_point p)
{
    (void)params;
    switch (p) {
    case NS_POINT_K: return "W_K x: logits of the forget gate f, before their lower bound";
    case NS_POINT_Q: return "W_Q x, before silu";
    case NS_POINT_ROT_Q: return "silu of hook_q: what reads the state";
    case NS_POINT_ROT_K: return "1 - f, the forget gate f = sigmoid of the bounded hook_k: what v is written at";
    case NS_POINT_LOG_DECAY: return "log f of the forget gate, one a key channel";
    case NS_POINT_RESULT: return "W_O of one head's z behind the norm, without the bias";
    case NS_POINT_RECURRENCE_OUT: return "z: goes to the norm";
    default: return NULL;
    }
}

const ns_branch_class ns_branch_hgrn2 = {
    .name = "hgrn2", .part = "attn", .mixer = "hgrn2", .params_size = sizeof(hgrn2), .heads = true,
    .fields = fields, .sizes = sizes, .slots = slots, .in_point = NS_POINT_LN1, .out_point = NS_POINT_ATTN_OUT,
    .points = NS_POINTS_OF_HEADS | NS_HAS(LOG_DECAY) | NS_HAS(SSM_STATE) | NS_HAS(RECURRENCE_OUT), .no_step = "HGRN2 has no such step",
    .axes = axes, .formula = formula, .rows = NS_ROW_UNROLLED, .keeps = keeps, .check = check, .forward = forward, .macs = macs,
};
