/* heads.c - heads: their sizes, soundness and cost; the steps from the input to q, k and v, and from z to the output. */
#include "model/branch/heads.h"

const ns_size ns_heads_sizes[] = {{'H', offsetof(ns_attn, n_heads), "num_attention_heads", "head"},
                                  {'G', offsetof(ns_attn, n_kv_heads), "num_key_value_heads", "kv_head"},
                                  {'d', offsetof(ns_attn, head_dim), "head_dim", "d_head"},
                                  {0}};

static int check_sizes(const ns_checker *c, const ns_attn *a)
{
    int rc;
    if ((rc = ns_check_range(c, "n_heads", a->n_heads, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "n_kv_heads", a->n_kv_heads, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "head_dim", a->head_dim, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "n_heads x head_dim", a->n_heads * a->head_dim, 1, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_range(c, "rope", a->rope, -1, c->a->n_ropes - 1)) != NS_OK ||
        (rc = ns_check_range(c, "window", a->window, 0, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_range(c, "chunk", a->chunk, 0, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_at_least(c, "k_scale", (double)a->k_scale, -1e30)) != NS_OK ||
        (rc = ns_check_at_least(c, "scale", (double)a->scale, -1e30)) != NS_OK ||
        (rc = ns_check_at_least(c, "clip_qkv", (double)a->clip_qkv, 0)) != NS_OK ||
        (rc = ns_check_at_least(c, "softcap", (double)a->softcap, 0)) != NS_OK)
        return rc;
    for (int64_t h = 0; a->head_window && h < a->n_heads && rc == NS_OK; h++)
        rc = ns_check_range(c, "head_window", a->head_window[h], 0, NS_MAX_DIM);
    return rc;
}

static int check_qk_norm(const ns_checker *c, const ns_attn *a)
{
    const bool wanted = a->qk_norm != NS_QK_NONE;
    if (wanted && (a->q_norm.type == NS_NORM_NONE || a->k_norm.type == NS_NORM_NONE))
        return ns_check_refuse(c, "qk_norm needs q_norm and k_norm");
    if (!wanted && (a->q_norm.type != NS_NORM_NONE || a->k_norm.type != NS_NORM_NONE))
        return ns_check_refuse(c, "q_norm and k_norm are given, but qk_norm is none");
    const int rc = ns_check_norm(c, "q_norm", &a->q_norm);
    return rc != NS_OK ? rc : ns_check_norm(c, "k_norm", &a->k_norm);
}

int ns_heads_check(const ns_checker *c, const ns_attn *a)
{
    const int rc = check_sizes(c, a);
    if (rc != NS_OK)
        return rc;
    if (a->n_heads % a->n_kv_heads)
        return ns_check_refuse(c, "n_heads is not a multiple of n_kv_heads");
    if (a->rope >= 0 && c->a->ropes[a->rope].rotary_dim > a->head_dim)
        return ns_check_refuse(c, "the rope's rotary_dim is larger than head_dim");
    return check_qk_norm(c, a);
}

double ns_heads_macs(const void *params, int64_t n)
{
    const ns_attn *const a = params;
    const double T = (double)n;
    double macs = 0;
    for (int64_t h = 0; h < a->n_heads; h++) {
        const double w = (double)ns_attn_window(a, h);
        const double whole = a->chunk ? (double)(n / a->chunk) : 0, rest = T - whole * w;
        const double pairs = a->chunk          ? whole * w * (w + 1) / 2 + rest * (rest + 1) / 2
                             : w > 0 && w < T ? w * T - w * (w - 1) / 2
                                              : T * (T + 1) / 2;
        macs += 2 * pairs * (double)a->head_dim;
    }
    return macs;
}

void ns_heads_keeps(const void *params, ns_keeps *out)
{
    const ns_attn *const a = params;
    *out = (ns_keeps){.kind = NS_STATE_PAGES, .groups = a->n_kv_heads, .k = a->head_dim, .v = a->head_dim};
}

/* ---- the pass ---- */

/* Columns: q | k | v | more, one product of those that are asked for where they lie side by side. */
ns_qkv ns_heads_project(ns_band *b, const ns_attn *a, ns_cols in, int64_t more)
{
    const int64_t Hd = a->n_heads * a->head_dim, Gd = a->n_kv_heads * a->head_dim, behind = Hd + 2 * Gd;
    const bool rows = ns_band_asks(b, NS_PART_ROWS), state = ns_band_asks(b, NS_PART_STATE);
    const int64_t from = rows ? 0 : Hd, to = rows && state ? behind + more : state ? behind : Hd;
    const ns_cols x = ns_band_linear_part(b, in, NS_HEADS_QKV, from, to);
    ns_qkv out = {{0}};
    const float clip_qk = a->clip_after_norm ? 0 : a->clip_qkv;
    if (rows)
        out.q = ns_band_clip(b, ns_columns(x, 0, Hd), clip_qk);
    if (state) {
        out.k = ns_band_clip(b, ns_columns(x, Hd - from, Gd), clip_qk);
        out.v = ns_band_clip(b, ns_columns(x, Hd - from + Gd, Gd), a->clip_qkv);
    }
    if (rows && more)
        out.more = state ? ns_columns(x, behind, more) : ns_band_linear_part(b, in, NS_HEADS_QKV, behind, behind + more);
    return out;
}

/* QK-norm and rope of q or k. */
static ns_cols turn(ns_band *b, const ns_attn *a, ns_cols x, int64_t heads, int norm)
{
    const int64_t groups = a->qk_norm == NS_QK_FULL ? 1 : heads;
    if (a->norm_after_rope)
        return ns_band_norm(b, ns_band_rope(b, x, heads, a->rope), groups, norm);
    x = ns_band_norm(b, x, groups, norm);
    return ns_band_rope(b, ns_band_clip(b, x, a->clip_after_norm ? a->clip_qkv : 0), heads, a->rope);
}

void ns_heads_keep(ns_band *b, const ns_attn *a, ns_qkv x)
{
    ns_band_show(b, NS_POINT_K, x.k, a->n_kv_heads);
    ns_band_show(b, NS_POINT_V, x.v, a->n_kv_heads);
    x.k = ns_band_scale(b, turn(b, a, x.k, a->n_kv_heads, NS_HEADS_K_NORM), a->k_scale != 0 ? a->k_scale : 1);
    ns_band_show(b, NS_POINT_ROT_K, x.k, a->n_kv_heads);
    ns_band_keep(b, a, x.k, x.v);
}

ns_cols ns_heads_query(ns_band *b, const ns_attn *a, ns_cols q)
{
    ns_band_show(b, NS_POINT_Q, q, a->n_heads);
    q = ns_band_temper(b, a, turn(b, a, q, a->n_heads, NS_HEADS_Q_NORM));
    ns_band_show(b, NS_POINT_ROT_Q, q, a->n_heads);
    return q;
}

ns_cols ns_heads_out(ns_band *b, const ns_attn *a, ns_cols z)
{
    const ns_cols out = ns_band_linear(b, z, NS_HEADS_OUT);
    ns_band_results(b, a, z, NS_HEADS_OUT, out);
    return out;
}
