/* attribute_edges.c - edges of one pair: for each sender a session over the rows that are looked at, in which
 *
 *   z of the sender is the source's -> what attention then adds to the stream, less what it adds by itself: its part O
 *   every later layer reads the destination's own stream, and through the norm before its heads the derivative of that norm along O beside
 *   -> q, k, v less the destination's = W (dnorm O), times dd / dq, dk, dv
 *
 * So all receivers of a sender come out of one session, through whatever a layer does between the stream and q; keys and values are the
 * group's own, never those of its heads one by one. */
#include "attribute.h"

#include <math.h>
#include <string.h>

int64_t ns_attribute_edge(const ns_attribute_run *a, int64_t sender, int of, int64_t layer, int64_t head)
{
    const int64_t S = a->out->n_senders, L = a->r.out->L, H = a->r.out->H, G = a->out->n_kv;
    return of == 0 ? (sender * L + layer) * H + head : S * L * H + ((of - 1) * S + sender) * L * G + layer * G + head;
}

static float *part_of(const ns_attribute_run *a, int64_t sender, int64_t back)
{
    return a->part + (sender * a->r.rows + back) * a->r.arch->d_model;
}

static bool has_hat(const ns_attribute_run *a, int64_t layer)
{
    return ns_point_exists(a->r.arch, NS_POINT_LN1, layer);
}

bool ns_attribute_any_hat(const ns_attribute_run *a)
{
    for (int64_t l = 0; l < a->r.out->L; l++)
        if (has_hat(a, l))
            return true;
    return false;
}

static int put_sender(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    (void)err;
    const ns_attribute_run *const a = user;
    const ns_head *const h = site->case_index >= 0 ? &a->out->senders[site->case_index] : NULL;
    for (int64_t k = 0; h && h->layer == site->layer && k < site->n_rows; k++)
        memcpy(ns_at(v, k, h->head, 0), ns_attribute_x(a, NS_PATCH_Z, NS_OF_SOURCE, ns_back_of(site, k), site->layer, h->head),
               (size_t)v->shape[2] * sizeof(float));
    return NS_OK;
}

static int see_part(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const ns_attribute_run *const a = user;
    if (site->case_index < 0 || a->out->senders[site->case_index].layer != site->layer)
        return NS_OK;
    for (int64_t k = 0; k < site->n_rows; k++) {
        const int64_t back = ns_back_of(site, k);
        const float *const with = ns_at(v, k, 0, 0), *const own = ns_attribute_stream(a, NS_ATTN_OUT, back, site->layer);
        for (int64_t i = 0; i < v->shape[1]; i++)
            part_of(a, site->case_index, back)[i] = with[i] - own[i];
    }
    return NS_OK;
}

/* The destination's own; plus the part itself where no norm stands between the stream and the heads. */
static int put_stream(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    (void)err;
    const ns_attribute_run *const a = user;
    if (site->case_index < 0 || a->out->senders[site->case_index].layer >= site->layer)
        return NS_OK;
    for (int64_t k = 0; k < site->n_rows; k++) {
        const int64_t back = ns_back_of(site, k);
        float *const x = ns_at(v, k, 0, 0);
        memcpy(x, ns_attribute_stream(a, NS_STREAM, back, site->layer), (size_t)v->shape[1] * sizeof *x);
        for (int64_t i = 0; i < v->shape[1] && !has_hat(a, site->layer); i++)
            x[i] += part_of(a, site->case_index, back)[i];
    }
    return NS_OK;
}

/* hat += r (o - mean o - hat mean(hat o)), r = |hat| / |x - mean x|; a norm of the root mean square takes no means away. */
static void add_along(float *hat, const float *x, const float *o, int64_t n, bool centred)
{
    double mean = 0, shift = 0, square = 0, length = 0, inner = 0;
    for (int64_t i = 0; i < n && centred; i++) {
        mean += (double)x[i] / (double)n;
        shift += (double)o[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        square += ((double)x[i] - mean) * ((double)x[i] - mean);
        length += (double)hat[i] * (double)hat[i];
        inner += (double)hat[i] * ((double)o[i] - shift) / (double)n;
    }
    const double r = square > 0 ? sqrt(length / square) : 0;
    for (int64_t i = 0; i < n; i++)
        hat[i] = (float)((double)hat[i] + r * ((double)o[i] - shift - (double)hat[i] * inner));
}

static int put_hat(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    (void)err;
    const ns_attribute_run *const a = user;
    if (site->case_index < 0 || a->out->senders[site->case_index].layer >= site->layer)
        return NS_OK;
    const bool centred = a->r.arch->layers[site->layer].stages[0].branches[0].in_norm.type == NS_NORM_LAYER;
    for (int64_t k = 0; k < site->n_rows; k++) {
        const int64_t back = ns_back_of(site, k);
        float *const hat = ns_at(v, k, 0, 0);
        memcpy(hat, ns_attribute_stream(a, NS_HAT, back, site->layer), (size_t)v->shape[1] * sizeof *hat);
        add_along(hat, ns_attribute_stream(a, NS_STREAM, back, site->layer), part_of(a, site->case_index, back), v->shape[1], centred);
    }
    return NS_OK;
}

static int see_receivers(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const ns_attribute_run *const a = user;
    const ns_patch_site of = ns_attribute_site_of(site->point);
    if (site->case_index < 0 || a->out->senders[site->case_index].layer >= site->layer)
        return NS_OK;
    for (int64_t h = 0; h < v->shape[1]; h++) {
        double sum = 0;
        for (int64_t k = 0; k < site->n_rows; k++) {
            const int64_t back = ns_back_of(site, k);
            const float *const x = ns_at(v, k, h, 0), *const own = ns_attribute_x(a, of, NS_OF_DESTINATION, back, site->layer, h),
                        *const g = ns_attribute_x(a, of, NS_OF_GRADIENT, back, site->layer, h);
            for (int64_t i = 0; i < v->shape[2]; i++)
                sum += ((double)x[i] - (double)own[i]) * (double)g[i];
        }
        a->edges[a->r.first * a->E + ns_attribute_edge(a, site->case_index, (int)of - NS_PATCH_Q, site->layer, h)] += (float)sum;
    }
    return NS_OK;
}

static ns_hook hook(const char *at, ns_read_fn read, ns_edit_fn edit, ns_attribute_run *a)
{
    return (ns_hook){.size = sizeof(ns_hook), .at = at, .read = read, .edit = edit, .user = a};
}

int ns_attribute_edges(ns_attribute_run *a, int64_t i)
{
    const ns_hook list[] = {hook("blocks.*.hook_resid_pre", NULL, put_stream, a), hook("blocks.*.attn.hook_k", see_receivers, NULL, a),
                            hook("blocks.*.attn.hook_v", see_receivers, NULL, a), hook("blocks.*.attn.hook_q", see_receivers, NULL, a),
                            hook("blocks.*.attn.hook_z", NULL, put_sender, a), hook("blocks.*.hook_attn_out", see_part, NULL, a),
                            hook("blocks.*.ln1.hook_normalized", NULL, put_hat, a)};
    const int64_t from = ns_patch_row(a->r.pairs[i].to) + 1 - a->n_rows;
    ns_hooks *hooks = NULL;
    ns_session *trunk = NULL;
    ns_pass p = {.model = a->r.model, .work = &a->r.work};
    int rc = ns_hooks_new(&hooks, a->r.arch, list, ns_attribute_any_hat(a) ? 7 : 6, a->r.err);
    for (int64_t s = 0; s < a->out->n_senders && rc == NS_OK; s++) {
        rc = ns_attribute_add(a, &p, &trunk, i, from, s, a->out->senders[s].layer);
        if (rc == NS_OK && p.rows >= NS_PASS_ROWS) {
            rc = ns_pass_run(&p, hooks, a->r.err);
            trunk = NULL;
        }
    }
    rc = rc != NS_OK ? rc : ns_pass_run(&p, hooks, a->r.err);
    ns_pass_clear(&p);
    ns_hooks_free(hooks);
    return rc;
}
