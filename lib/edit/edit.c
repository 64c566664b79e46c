/* edit.c - edits -> hooks on hook_z (zero, mean), hook_pattern (uniform; knockouts of a recurrence's rows) and hook_attn_scores (knockouts)
 * of the layers they touch.
 *
 * An edit decides by the row's own position and its case, never by how rows are batched, so edited passes keep the invariance rule. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/edit.h>

#include "core/core.h"
#include "math/math.h"

typedef struct edit {
    ns_edit        what;           /* heads, mean and span are ours */
    ns_head *heads;
    float         *mean;
    char          *span;
    int64_t        d;              /* stride of mean */
    void          *user;
} edit;

struct ns_edits {
    edit      *list;
    int        n;
    int      (*which)(void *user, const ns_site *);
    void      *user;
    ns_hook   *hooks;
    char     **globs;
    int        n_hooks;
};

static const char *const names[NS_EDIT_N_MODES] = {"noop", "zero_z", "mean_z", "uniform_attn", "knockout", "knockout_others"};

const char *ns_edit_mode_name(ns_edit_mode mode)
{
    return mode >= 0 && mode < NS_EDIT_N_MODES ? names[mode] : "?";
}

static bool is_knockout(ns_edit_mode mode)
{
    return mode == NS_EDIT_KNOCKOUT || mode == NS_EDIT_KNOCKOUT_OTHERS;
}

/* kind: of the layer's rows. */
static ns_point point_of(ns_edit_mode mode, ns_row_kind kind)
{
    if (is_knockout(mode))
        return kind == NS_ROW_SOFTMAX ? NS_POINT_SCORES : NS_POINT_PATTERN;
    return mode == NS_EDIT_UNIFORM_ATTN ? NS_POINT_PATTERN : NS_POINT_Z;
}

static bool in_scope(const ns_edit *e, const ns_site *site, int64_t position)
{
    const bool decode = site->c && position >= site->c->n_tokens - 1;
    if (is_knockout(e->mode))
        return decode;
    return e->scope == NS_SCOPE_ALL || (e->scope == NS_SCOPE_DECODE) == decode;
}

/* ---- what happens to a row ---- */

static void set_z(const edit *e, int i, float *z, int64_t d)
{
    for (int64_t k = 0; k < d; k++)
        z[k] = e->what.mode == NS_EDIT_MEAN_Z ? e->mean[i * e->d + k] : 0;
}

static void set_uniform(const ns_site *site, float *row, int64_t position, int64_t head)
{
    const ns_seen_keys keys = ns_attn_seen_keys(site->attn, head, position);
    const float weight = 1.0f / (float)(position - keys.after + 1 + keys.gap - keys.first);
    for (int64_t k = 0; k < site->n_keys; k++) {
        const int64_t key = site->key0 + k;
        row[k] = (key >= keys.after && key <= position) || (key >= keys.first && key < keys.gap) ? weight : 0;
    }
}

static bool in_span(const edit *e, const ns_case *c, int64_t key)
{
    int at = 0;
    for (const ns_span *s; (s = ns_case_mention(c, e->span, &at));) {
        if (key >= s->begin && key < s->end)
            return true;
    }
    return false;
}

/* What takes a key out of a row: no score, or no term of a recurrence's sum. */
static float hidden_key(const ns_site *site)
{
    return site->kind == NS_ROW_SOFTMAX ? -INFINITY : 0;
}

/* A row that would see nothing at all is left as it is. */
static void hide_span(const edit *e, const ns_site *site, float *scores)
{
    int64_t left = 0;
    for (int64_t k = 0; k < site->n_keys; k++)
        left += isfinite(scores[k]) && !in_span(e, site->c, site->key0 + k);
    for (int64_t k = 0; k < site->n_keys && left; k++)
        if (in_span(e, site->c, site->key0 + k))
            scores[k] = hidden_key(site);
}

/* Of a score, beside the largest; of a recurrence's row, how much of either sign. */
static double weight_of(const ns_site *site, double score, double most)
{
    if (site->kind != NS_ROW_SOFTMAX)
        return fabs(score);
    return isfinite(score) ? ns_exp(score - most) : 0;
}

/* Other keys in random order are hidden, each that still fits into the span's weight: at most as much is hidden, and one key always
 * stays. */
static int hide_others(const edit *e, const ns_site *site, float *scores, int64_t head, int64_t position, ns_error *err)
{
    const int64_t n = site->n_keys;
    double *const weight = ns_alloc_array((size_t)n, sizeof *weight), most = -INFINITY, sum = 0, want = 0, hidden = 0;
    int64_t *const order = ns_alloc_array((size_t)n, sizeof *order);
    if (!weight || !order) {
        free(weight);
        free(order);
        return ns_oom(err, "a knockout's control");
    }
    for (int64_t k = 0; k < n; k++)
        most = fmax(most, (double)scores[k]);
    for (int64_t k = 0; k < n; k++)
        sum += weight[k] = weight_of(site, (double)scores[k], most);
    int64_t others = 0;
    for (int64_t k = 0; k < n; k++)
        if (in_span(e, site->c, site->key0 + k))
            want += weight[k];
        else if (weight[k] > 0)
            order[others++] = k;
    ns_rng rng = ns_rng_seed(e->what.seed, (uint64_t)(((site->layer * 4096 + head) << 32) + position));
    for (uint64_t skip = 0; site->c->id[skip]; skip++)         /* another case, another order */
        rng = ns_rng_seed(ns_rng_u64(&rng) ^ (uint64_t)(unsigned char)site->c->id[skip], (uint64_t)position);
    for (int64_t i = others - 1; i > 0; i--) {
        const int64_t j = ns_rng_below(&rng, i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (int64_t i = 0; i < others; i++)
        if (hidden + weight[order[i]] <= want && i + 1 < others) {
            hidden += weight[order[i]];
            scores[order[i]] = hidden_key(site);
        }
    if (e->what.hid)
        e->what.hid(e->user, site, hidden / sum, want / sum);
    free(weight);
    free(order);
    return NS_OK;
}

static int edit_row(const edit *e, int i, const ns_site *site, float *row, int64_t width, int64_t position, ns_error *err)
{
    switch (e->what.mode) {
    case NS_EDIT_ZERO_Z:
    case NS_EDIT_MEAN_Z:
        set_z(e, i, row, width);
        return NS_OK;
    case NS_EDIT_UNIFORM_ATTN:
        set_uniform(site, row, position, e->heads[i].head);
        return NS_OK;
    case NS_EDIT_KNOCKOUT:
        hide_span(e, site, row);
        return NS_OK;
    case NS_EDIT_KNOCKOUT_OTHERS:
        return hide_others(e, site, row, e->heads[i].head, position, err);
    default:
        return NS_OK;
    }
}

static int apply(const edit *e, const ns_site *site, ns_view *v, ns_error *err)
{
    const bool z = site->point == NS_POINT_Z;
    int rc = NS_OK;
    const ns_row_kind kind = site->attn ? site->kind : NS_ROW_SOFTMAX;
    if (point_of(e->what.mode, kind) != site->point || e->what.mode == NS_EDIT_NOOP)
        return NS_OK;
    for (int i = 0; i < e->what.n_heads; i++)
        for (int64_t r = 0; r < site->n_rows && e->heads[i].layer == site->layer && rc == NS_OK; r++) {
            const int64_t position = site->row0 + r;
            float *const row = z ? ns_at(v, r, e->heads[i].head, 0) : ns_at(v, e->heads[i].head, r, 0);
            if (in_scope(&e->what, site, position))
                rc = edit_row(e, i, site, row, v->shape[2], position, err);
        }
    return rc;
}

static int on_view(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    const ns_edits *const e = user;
    const int one = e->which ? e->which(e->user, site) : -1;
    int rc = NS_OK;
    for (int i = 0; i < e->n && rc == NS_OK; i++)
        if (!e->which || i == one)
            rc = apply(&e->list[i], site, v, err);
    return rc;
}

/* ---- making ---- */

static int check_head(const ns_arch *arch, const ns_edit *e, int i, ns_error *err)
{
    const int64_t layer = e->heads[i].layer, head = e->heads[i].head;
    const ns_attn *const attn = layer >= 0 && layer < arch->n_layers ? ns_arch_attn(arch, layer) : NULL;
    if (layer < 0 || layer >= arch->n_layers)
        return ns_fail(err, NS_E_ARG, "head %lld.%lld: the model has layers 0 to %lld", (long long)layer, (long long)head,
                       (long long)arch->n_layers - 1);
    if (!attn)
        return ns_fail(err, NS_E_ARG, "head %lld.%lld: layer %lld has no heads", (long long)layer, (long long)head, (long long)layer);
    if (head < 0 || head >= attn->n_heads)
        return ns_fail(err, NS_E_ARG, "head %lld.%lld: layer %lld has heads 0 to %lld", (long long)layer, (long long)head, (long long)layer,
                       (long long)attn->n_heads - 1);
    if (ns_arch_row_kind(arch, layer) != NS_ROW_SOFTMAX && e->mode == NS_EDIT_UNIFORM_ATTN)
        return ns_fail(err, NS_E_ARG, "head %lld.%lld: layer %lld is recurrent, its rows are no distribution: %s is not defined (zero_z, "
                                      "mean_z and knockout are)",
                       (long long)layer, (long long)head, (long long)layer, ns_edit_mode_name(e->mode));
    return NS_OK;
}

static int copy_edit(edit *to, const ns_arch *arch, const ns_edit *from, void *user, ns_error *err)
{
    int rc = from->mode >= 0 && from->mode < NS_EDIT_N_MODES ? NS_OK : ns_fail(err, NS_E_ARG, "edit mode %d does not exist",
                                                                               (int)from->mode);
    for (int i = 0; i < from->n_heads && rc == NS_OK; i++)
        rc = check_head(arch, from, i, err);
    if (rc == NS_OK && is_knockout(from->mode) && from->scope == NS_SCOPE_PREFILL)
        rc = ns_fail(err, NS_E_ARG, "mode %s with scope prefill: it edits the rows that say the answer, and none of the prompt's",
                     ns_edit_mode_name(from->mode));
    if (rc == NS_OK && from->mode == NS_EDIT_MEAN_Z && !from->mean)
        rc = ns_fail(err, NS_E_ARG, "mean_z needs the means");
    if (rc != NS_OK)
        return rc;
    to->what = *from;
    to->user = user;
    to->d = ns_arch_max_head_dim(arch);
    to->heads = ns_alloc_array((size_t)from->n_heads, sizeof *to->heads);
    to->span = ns_strdup(from->span ? from->span : "needle");
    to->mean = from->mean ? ns_alloc_array((size_t)(from->n_heads * to->d), sizeof *to->mean) : NULL;
    if (!to->heads || !to->span || (from->mean && !to->mean))
        return ns_oom(err, "edits");
    if (from->n_heads)
        memcpy(to->heads, from->heads, (size_t)from->n_heads * sizeof *to->heads);
    if (from->mean)
        memcpy(to->mean, from->mean, (size_t)(from->n_heads * to->d) * sizeof *to->mean);
    return NS_OK;
}

static bool touches(const ns_edits *e, const ns_arch *arch, ns_point point, int64_t layer, bool *decode_only)
{
    const ns_row_kind kind = ns_arch_row_kind(arch, layer);
    bool any = false;
    *decode_only = true;
    for (int i = 0; i < e->n; i++)
        for (int k = 0; k < e->list[i].what.n_heads; k++)
            if (point_of(e->list[i].what.mode, kind) == point && e->list[i].what.mode != NS_EDIT_NOOP &&
                e->list[i].heads[k].layer == layer) {
                any = true;
                *decode_only = *decode_only && (is_knockout(e->list[i].what.mode) || e->list[i].what.scope == NS_SCOPE_DECODE);
            }
    return any;
}

static int make_hooks(ns_edits *e, const ns_arch *arch, ns_error *err)
{
    static const ns_point points[] = {NS_POINT_SCORES, NS_POINT_PATTERN, NS_POINT_Z};
    e->hooks = ns_alloc_array((size_t)(3 * arch->n_layers), sizeof *e->hooks);
    e->globs = ns_alloc_array((size_t)(3 * arch->n_layers), sizeof *e->globs);
    if (!e->hooks || !e->globs)
        return ns_oom(err, "edits");
    for (int64_t l = 0; l < arch->n_layers; l++)
        for (size_t p = 0; p < 3; p++) {
            char name[64];
            bool decode_only;
            if (!touches(e, arch, points[p], l, &decode_only))
                continue;
            ns_point_format(points[p], l, name, sizeof name);
            if (!(e->globs[e->n_hooks] = ns_strdup(name)))
                return ns_oom(err, "edits");
            e->hooks[e->n_hooks] = (ns_hook){.size = sizeof(ns_hook), .at = e->globs[e->n_hooks], .edit = on_view, .user = e,
                                             .rows.kind = decode_only ? NS_ROWS_ANSWER : NS_ROWS_ALL};
            e->n_hooks++;
        }
    return NS_OK;
}

int ns_edits_new(ns_edits **out, const ns_arch *arch, const ns_edit *list, int n, int (*which)(void *, const ns_site *), void *user,
                 ns_error *err)
{
    *out = NULL;
    ns_edits *const e = ns_alloc_array(1, sizeof *e);
    if (!e)
        return ns_oom(err, "edits");
    e->which = which;
    e->user = user;
    e->list = ns_alloc_array((size_t)n, sizeof *e->list);
    int rc = e->list ? NS_OK : ns_oom(err, "edits");
    for (int i = 0; i < n && rc == NS_OK; i++, e->n++)
        rc = copy_edit(&e->list[i], arch, &list[i], user, err);
    if (rc == NS_OK)
        rc = make_hooks(e, arch, err);
    if (rc != NS_OK)
        ns_edits_free(e);
    else
        *out = e;
    return rc;
}

void ns_edits_free(ns_edits *e)
{
    if (!e)
        return;
    for (int i = 0; i < e->n; i++) {
        free(e->list[i].heads);
        free(e->list[i].mean);
        free(e->list[i].span);
    }
    for (int i = 0; i < e->n_hooks; i++)
        free(e->globs[i]);
    free(e->globs);
    free(e->hooks);
    free(e->list);
    free(e);
}

const ns_hook *ns_edits_hooks(const ns_edits *e, int *n)
{
    *n = e->n_hooks;
    return e->hooks;
}
