/* heads.c - the sizes, the soundness and the cost of heads. */
#include "model/branch/heads.h"

const ns_size ns_heads_sizes[] = {{'H', offsetof(ns_attn, n_heads), "num_attention_heads"},
                                  {'G', offsetof(ns_attn, n_kv_heads), "num_key_value_heads"},
                                  {'d', offsetof(ns_attn, head_dim), "head_dim"},
                                  {0}};

static int check_sizes(const ns_checker *c, const ns_attn *a)
{
    int rc;
    if ((rc = ns_check_range(c, "n_heads", a->n_heads, 1, 65536)) || (rc = ns_check_range(c, "n_kv_heads", a->n_kv_heads, 1, 65536)) ||
        (rc = ns_check_range(c, "head_dim", a->head_dim, 1, 65536)) ||
        (rc = ns_check_range(c, "n_heads x head_dim", a->n_heads * a->head_dim, 1, NS_MAX_DIM)) ||
        (rc = ns_check_range(c, "rope", a->rope, -1, c->a->n_ropes - 1)) ||
        (rc = ns_check_range(c, "window", a->window, 0, NS_MAX_DIM)) ||
        (rc = ns_check_at_least(c, "scale", (double)a->scale, -1e30)) ||
        (rc = ns_check_at_least(c, "clip_qkv", (double)a->clip_qkv, 0)) ||
        (rc = ns_check_at_least(c, "softcap", (double)a->softcap, 0)))
        return rc;
    for (int64_t h = 0; a->head_window && h < a->n_heads && !rc; h++)
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
    return rc ? rc : ns_check_norm(c, "k_norm", &a->k_norm);
}

int ns_heads_check(const ns_checker *c, const ns_attn *a)
{
    const int rc = check_sizes(c, a);
    if (rc)
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
        const double pairs = w > 0 && w < T ? w * T - w * (w - 1) / 2 : T * (T + 1) / 2;
        macs += 2 * pairs * (double)a->head_dim;
    }
    return macs;
}
