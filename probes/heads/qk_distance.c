/* qk_distance.c - how far a head's query and key weights are from those of a reference (the end of a run): arXiv 2606.15378,
 * compute_weight_distance.
 *     q_distance = ||W_Q,h - W_Q,h^ref||_F / (||W_Q,h^ref||_F + 1e-12);  k_distance: the same for the head's KV head;
 *     qk_distance = their sum */
#include <math.h>
#include <stdlib.h>

#include "heads.h"

enum { Q_DISTANCE, K_DISTANCE, QK_DISTANCE, N_SCORES };

#define NEARER .best = NS_BEST_SMALLEST, .hi = INFINITY, .chance = (double)NAN         /* 0 is the reference itself */
static const ns_score scores[N_SCORES] = {
    [Q_DISTANCE] = {"q_distance", NULL, NULL, "relative distance of the head's query weights from the reference's",
                    "arXiv 2606.15378, compute_weight_distance (q_rel_l2)", NEARER},
    [K_DISTANCE] = {"k_distance", NULL, NULL, "relative distance of its KV head's key weights from the reference's",
                    "arXiv 2606.15378, compute_weight_distance (k_rel_l2)", NEARER},
    [QK_DISTANCE] = {"qk_distance", NULL, NULL, "q_distance + k_distance", "arXiv 2606.15378, compute_weight_distance (qk_rel_l2)", NEARER},
};

static bool same_heads(const ns_arch *a, const ns_arch *b, ns_point p, int64_t layer)
{
    return ns_point_heads(a, p, layer) == ns_point_heads(b, p, layer) && ns_point_width(a, p, layer) == ns_point_width(b, p, layer);
}

static int check_reference(const ns_probe_context *ctx, int64_t layer, const ns_attn *a, const ns_attn *b, ns_error *err)
{
    const ns_arch *const other = ns_model_arch(ctx->reference);
    if (b && ctx->arch->d_model == other->d_model && a->n_heads == b->n_heads && same_heads(ctx->arch, other, NS_POINT_Q, layer) &&
        same_heads(ctx->arch, other, NS_POINT_K, layer))
        return NS_OK;
    return ns_fail(err, NS_E_ARG, "qk_distance: layer %lld of the reference has other heads, KV heads or widths than the model's",
                   (long long)layer);
}

static double relative_distance(const float *w, const float *ref, int64_t n)
{
    double apart = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        const double a = (double)w[i], b = (double)ref[i];
        apart += (a - b) * (a - b);
        size += b * b;
    }
    return sqrt(apart) / (sqrt(size) + 1e-12);
}

/* *out: the distance of one head's Q or K. */
static int distance(const ns_probe_context *ctx, int64_t layer, int64_t head, ns_head_part part, int64_t n, float *rows, double *out,
                    ns_error *err)
{
    int rc = ns_model_head_weight(ctx->model, layer, head, part, rows, err);
    if (rc == NS_OK)
        rc = ns_model_head_weight(ctx->reference, layer, head, part, rows + n, err);
    *out = rc == NS_OK ? relative_distance(rows, rows + n, n) : 0;
    return rc;
}

static int weigh_layer(const ns_probe_context *ctx, int64_t layer, const ns_attn *a, float *const *values, ns_error *err)
{
    const int64_t D = ctx->arch->d_model;
    const int64_t n_q = ns_point_width(ctx->arch, NS_POINT_Q, layer) * D, n_k = ns_point_width(ctx->arch, NS_POINT_K, layer) * D;
    const int64_t q_group = a->n_heads / ns_point_heads(ctx->arch, NS_POINT_Q, layer);
    const int64_t k_group = a->n_heads / ns_point_heads(ctx->arch, NS_POINT_K, layer);
    float *const rows = ns_alloc_array((size_t)(n_q > n_k ? n_q : n_k), 2 * sizeof *rows);
    int rc = rows ? NS_OK : ns_oom(err, "weights of a head");
    double q = 0, k = 0;
    for (int64_t h = 0; h < a->n_heads && rc == NS_OK; h++) {
        rc = h % q_group == 0 ? distance(ctx, layer, h, NS_HEAD_Q, n_q, rows, &q, err) : NS_OK;
        if (rc == NS_OK && h % k_group == 0)
            rc = distance(ctx, layer, h, NS_HEAD_K, n_k, rows, &k, err);
        values[Q_DISTANCE][layer * ctx->n_heads + h] = (float)q;
        values[K_DISTANCE][layer * ctx->n_heads + h] = (float)k;
        values[QK_DISTANCE][layer * ctx->n_heads + h] = (float)(q + k);
    }
    free(rows);
    return rc;
}

static int weigh(const ns_probe_context *ctx, float *const *values, ns_error *err)
{
    int rc = NS_OK;
    if (!ctx->reference)
        return ns_fail(err, NS_E_ARG, "%s: there is nothing to compare the weights with (name a model: --reference)",
                       scores[QK_DISTANCE].name);
    if (ctx->n_layers != ns_model_arch(ctx->reference)->n_layers)
        return ns_fail(err, NS_E_ARG, "qk_distance: the model has %lld layers, the reference %lld", (long long)ctx->n_layers,
                       (long long)ns_model_arch(ctx->reference)->n_layers);
    for (int64_t l = 0; l < ctx->n_layers && rc == NS_OK; l++) {
        const ns_attn *const a = ns_arch_attn(ctx->arch, l);
        if (!a)
            continue;
        rc = check_reference(ctx, l, a, ns_arch_attn(ns_model_arch(ctx->reference), l), err);
        if (rc == NS_OK)
            rc = weigh_layer(ctx, l, a, values, err);
    }
    return rc;
}

const ns_probe ns_probe_qk_distance = {
    .name = "distance", .summary = "how far query and key weights are from a reference model's", .paper = "arXiv 2606.15378",
    .scores = scores, .n_scores = N_SCORES, .weigh = weigh, .on_request = true,
};
