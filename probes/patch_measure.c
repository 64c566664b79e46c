/* patch_measure.c - the passes of a patching.
 *
 *   sources      every source once: |z W_O| at its answer rows, d, whether it says its answer; the controls are drawn by those norms.
 *                What is carried over is kept at once where all of it fits.
 *   conditions   pairs at a time: what their sources compute at the site is kept, unless it was, then the destinations run under every
 *                condition. Where the answer's rows alone are patched the conditions of a pair fork from one pass over its prompt.
 *
 * A session carries case_index = condition * C + pair; the passes over sources carry the pair. A row is known by its distance from the
 * row that predicts the first content token, so prompts of unlike length correspond there. */
#include "patch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"

/* d and the most likely token at the row that predicts the first content token; false: not among these rows. */
static bool read_difference(const ns_patch_pair *pair, const ns_site *site, const ns_view *v, float *d, int64_t *says)
{
    const int64_t row = ns_patch_row(site->c) - site->row0;
    if (row < 0 || row >= site->n_rows)
        return false;
    const float *const x = ns_at(v, row, 0, 0);
    *d = x[pair->source->answer[pair->source->n_lead]] - x[pair->to->answer[pair->to->n_lead]];
    *says = ns_argmax(x, v->shape[1], 1);
    return true;
}

/* ---- sources ---- */

typedef struct survey { ns_patch_run *r; double *norm; int64_t *rows; } survey;      /* [L, H], [L] */

static int see_norms(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    survey *const s = user;
    s->rows[site->layer] += site->n_rows;
    ns_add_norms(s->norm, s->r->out->H, site, v);
    return NS_OK;
}

static int see_source(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const survey *const s = user;
    ns_patching *const o = s->r->out;
    const ns_patch_pair *const pair = &s->r->pairs[site->case_index];
    int64_t says;
    if (read_difference(pair, site, v, &o->source_difference[site->case_index], &says))
        o->source_right[site->case_index] = says == pair->source->answer[pair->source->n_lead];
    return NS_OK;
}

static int64_t pair_rows(const ns_patch_run *r, int64_t i)
{
    return ns_patch_row(r->pairs[i].source) + 1;
}

/* ---- what is carried over, of the sources at work ---- */

/* Row `back` before the last, of the source of pair i: [L, H, d]. */
float *ns_patch_kept(const ns_patch_run *r, int64_t i, int64_t back, int64_t layer, int64_t head)
{
    return r->kept + ((((i - r->first) * r->rows + back) * r->out->L + layer) * r->out->H + head) * r->d;
}

static int keep(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    ns_patch_run *const r = user;
    for (int64_t k = 0; k < site->n_rows; k++) {
        const int64_t back = ns_patch_row(site->c) - (site->row0 + k);
        for (int64_t h = 0; h < v->shape[1] && back >= 0 && back < r->rows; h++)
            memcpy(ns_patch_kept(r, site->case_index, back, site->layer, h), ns_at(v, k, h, 0), (size_t)v->shape[2] * sizeof(float));
    }
    return NS_OK;
}

static ns_rows rows_of(const ns_patch_run *r)
{
    return (ns_rows){.kind = r->p->all_rows ? NS_ROWS_ALL : NS_ROWS_ANSWER};
}

/* Room for as many pairs as may be kept, one at least. */
static int allocate_kept(ns_patch_run *r)
{
    for (int64_t i = 0; i < r->out->C; i++) {
        const int64_t rows = ns_patch_rows(r, r->pairs[i].source);
        r->rows = rows > r->rows ? rows : r->rows;
    }
    const int64_t floats = r->rows * r->out->L * r->out->H * r->d, keep = r->p->keep > 0 ? r->p->keep : (int64_t)256 << 20;
    const int64_t fit = keep / (int64_t)sizeof(float) / (floats ? floats : 1) + 1;
    r->first = 0;
    r->n = r->at_once = fit < r->out->C ? fit : r->out->C;
    r->kept = ns_alloc_array((size_t)(r->at_once * floats), sizeof *r->kept);
    return r->kept ? NS_OK : ns_oom(r->err, "activations of the sources");
}

static bool keeps_all(const ns_patch_run *r)
{
    return r->at_once == r->out->C;
}

int ns_patch_sources(ns_patch_run *r)
{
    ns_patching *const o = r->out;
    survey s = {r, ns_alloc_array((size_t)(o->L * o->H), sizeof(double)), ns_alloc_array((size_t)o->L, sizeof(int64_t))};
    const ns_hook list[] = {
        {.size = sizeof(ns_hook), .at = "blocks.*.attn.hook_result", .rows.kind = NS_ROWS_ANSWER, .read = see_norms, .user = &s},
        {.size = sizeof(ns_hook), .at = "hook_logits", .rows.kind = NS_ROWS_ANSWER, .read = see_source, .user = &s},
        {.size = sizeof(ns_hook), .at = ns_patch_at(r->p->site), .rows = rows_of(r), .read = keep, .user = r},
    };
    ns_hooks *hooks = NULL;
    ns_session *unused;
    ns_pass p = {.model = r->model, .work = &r->work};
    int rc = s.norm && s.rows ? allocate_kept(r) : ns_oom(r->err, "norms of heads");
    if (rc == NS_OK)
        rc = ns_hooks_new(&hooks, r->arch, list, keeps_all(r) ? 3 : 2, r->err);
    for (int64_t i = 0; i < o->C && rc == NS_OK; i++) {
        rc = ns_pass_add(&p, NULL, r->pairs[i].source, 0, pair_rows(r, i), i, &unused, r->err);
        if (rc == NS_OK)
            rc = ns_pass_run_full(&p, hooks, r->err);
    }
    if (rc == NS_OK)
        rc = ns_pass_run(&p, hooks, r->err);
    for (int64_t i = 0; rc == NS_OK && i < o->L * o->H; i++)
        o->norm[i] = s.rows[i / o->H] ? (float)(s.norm[i] / (double)s.rows[i / o->H]) : NAN;
    ns_pass_clear(&p);
    ns_hooks_free(hooks);
    free(s.norm);
    free(s.rows);
    return rc;
}

static int keep_sources(ns_patch_run *r)
{
    const ns_hook reader = {.size = sizeof reader, .at = ns_patch_at(r->p->site), .rows = rows_of(r), .read = keep, .user = r};
    ns_hooks *hooks = NULL;
    ns_session *unused;
    ns_pass p = {.model = r->model, .work = &r->work};
    int rc = ns_hooks_new(&hooks, r->arch, &reader, 1, r->err);
    for (int64_t i = r->first; i < r->first + r->n && rc == NS_OK; i++) {
        rc = ns_pass_add(&p, NULL, r->pairs[i].source, 0, pair_rows(r, i), i, &unused, r->err);
        if (rc == NS_OK)
            rc = ns_pass_run_full(&p, hooks, r->err);
    }
    if (rc == NS_OK)
        rc = ns_pass_run(&p, hooks, r->err);
    ns_pass_clear(&p);
    ns_hooks_free(hooks);
    return rc;
}

/* ---- conditions ---- */

static int put(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    (void)err;
    const ns_patch_run *const r = user;
    if (site->case_index < 0)
        return NS_OK;
    const ns_patch_condition *const c = &r->out->list[site->case_index / r->out->C];
    const int64_t pair = site->case_index % r->out->C, last = ns_patch_row(site->c), rows = ns_patch_rows(r, r->pairs[pair].source);
    for (int i = 0; i < c->n_heads && !c->by_paths; i++)
        for (int64_t k = 0; k < site->n_rows && c->heads[i].layer == site->layer; k++) {
            /* its KV head, of keys and values */
            const int64_t back = last - (site->row0 + k), head = c->heads[i].head / (site->n_heads / v->shape[1]);
            if (back >= 0 && back < rows)
                memcpy(ns_at(v, k, head, 0), ns_patch_kept(r, pair, back, site->layer, head), (size_t)v->shape[2] * sizeof(float));
        }
    return NS_OK;
}

static int put_paths(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    (void)err;
    const ns_patch_run *const r = user;
    if (site->case_index >= 0)
        ns_patch_put_paths(r, site->case_index / r->out->C, site, v);
    return NS_OK;
}

static int see_patched(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const ns_patch_run *const r = user;
    if (site->case_index < 0)
        return NS_OK;
    const ns_patch_pair *const pair = &r->pairs[site->case_index % r->out->C];
    int64_t says;
    if (read_difference(pair, site, v, &r->out->difference[site->case_index], &says))
        r->out->says_source[site->case_index] = says == pair->source->answer[pair->source->n_lead];
    return NS_OK;
}

/* A prompt that is not touched is shared by all conditions; the untouched condition shares it always. */
static bool shares_prompt(const ns_patch_run *r, int k)
{
    return !r->p->all_rows || r->out->list[k].kind == NS_PATCH_NONE;
}

static int64_t first_layer(const ns_patch_run *r, int k)
{
    return r->out->list[k].by_paths ? ns_patch_first_receiver(r, k) : ns_first_layer(r->out->list[k].heads, r->out->list[k].n_heads);
}

static int add_pair(ns_patch_run *r, ns_pass *p, const ns_hooks *hooks, int64_t i)
{
    const ns_case *const to = r->pairs[i].to;
    const int64_t from = to->n_tokens - 1, end = ns_patch_row(to) + 1;
    int rc = NS_OK;
    for (int k = 0; k < r->out->n && rc == NS_OK; k++) {
        if (shares_prompt(r, k))
            continue;
        rc = ns_pass_add_from(p, NULL, to, 0, end, k * r->out->C + i, first_layer(r, k), r->err);
        if (rc == NS_OK)
            rc = ns_pass_run_full(p, hooks, r->err);
    }
    ns_session *trunk = ns_pass_untouched(p, NULL, to, 0, end);
    if (rc == NS_OK && from > 0 && !trunk)
        rc = ns_pass_add(p, NULL, to, 0, from, -1, &trunk, r->err);
    for (int k = 0; k < r->out->n && rc == NS_OK; k++)
        if (shares_prompt(r, k))
            rc = ns_pass_add_from(p, trunk, to, from, end, k * r->out->C + i, first_layer(r, k), r->err);
    return rc == NS_OK ? ns_pass_run_full(p, hooks, r->err) : rc;
}

static int run_pairs(ns_patch_run *r, const ns_hooks *hooks)
{
    ns_pass p = {.model = r->model, .work = &r->work};
    int rc = keeps_all(r) ? NS_OK : keep_sources(r);
    for (int64_t i = r->first; i < r->first + r->n && rc == NS_OK; i++) {
        rc = r->paths ? ns_patch_find_paths(r, i) : NS_OK;
        rc = rc != NS_OK ? rc : add_pair(r, &p, hooks, i);
        rc = rc != NS_OK || !r->paths ? rc : ns_pass_run(&p, hooks, r->err);       /* the edges of one pair at a time are at hand */
    }
    if (rc == NS_OK)
        rc = ns_pass_run(&p, hooks, r->err);
    ns_pass_clear(&p);
    return rc;
}

static void count_rows(ns_patch_run *r)
{
    for (int64_t i = 0; i < r->out->C; i++) {
        const ns_case *const to = r->pairs[i].to;
        r->work.total += (keeps_all(r) ? 0 : pair_rows(r, i)) + to->n_tokens;
        for (int k = 0; k < r->out->n; k++)
            r->work.total += shares_prompt(r, k) ? to->n_lead + 1 : ns_patch_row(to) + 1;
    }
    r->work.total += r->work.done;
}

int ns_patch_conditions(ns_patch_run *r)
{
    const ns_hook list[] = {
        {.size = sizeof(ns_hook), .at = ns_patch_at(r->p->site), .rows = rows_of(r), .edit = put, .user = r},
        {.size = sizeof(ns_hook), .at = "hook_logits", .rows.kind = NS_ROWS_ANSWER, .read = see_patched, .user = r},
        {.size = sizeof(ns_hook), .at = "blocks.*.attn.hook_q", .rows = rows_of(r), .edit = put_paths, .user = r},
        {.size = sizeof(ns_hook), .at = "blocks.*.attn.hook_k", .rows = rows_of(r), .edit = put_paths, .user = r},
        {.size = sizeof(ns_hook), .at = "blocks.*.attn.hook_v", .rows = rows_of(r), .edit = put_paths, .user = r},
        {.size = sizeof(ns_hook), .at = "blocks.*.hook_resid_post", .rows = rows_of(r), .edit = put_paths, .user = r},
    };
    ns_hooks *hooks = NULL;
    count_rows(r);
    int rc = r->p->n_paths ? ns_patch_begin_paths(r) : NS_OK;
    rc = rc != NS_OK ? rc : ns_hooks_new(&hooks, r->arch, list, r->p->n_paths ? 6 : 2, r->err);
    for (r->first = 0; r->first < r->out->C && rc == NS_OK; r->first += r->n) {
        r->n = r->out->C - r->first < r->at_once ? r->out->C - r->first : r->at_once;
        rc = run_pairs(r, hooks);
    }
    ns_hooks_free(hooks);
    return rc;
}
