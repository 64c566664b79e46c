/* path.c - path patching: what of a head's output reaches one input of a later head, and nothing else of it.
 *
 * For a pair, whose source's z are kept:
 *   outputs   the destination's pass with the sender's z of the source: what attention then adds to the stream, less what it adds by itself
 *             (through a norm behind it, where there is one), is the sender's part of the edge
 *   inputs    the destination's pass where the receiver's layer reads the stream with that part added: the receiver's q, k or v
 *   and then (patch_measure.c) the destination's pass with that q, k or v put into the receiver. All else is the destination's own up to
 *   there, and runs on from there.
 * An edge to the logits adds the part behind the last layer. Senders of edges into one input add up. */
#include "patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"

/* ---- in words ---- */

int ns_path_parse(const char *text, ns_path *out, ns_error *err)
{
    static const char letters[] = "qkv";
    long long a, b, c, d;
    char into;
    int used = 0;
    *out = (ns_path){0};
    if (sscanf(text, "%lld.%lld:%n", &a, &b, &used) == 2 && used && strcmp(text + used, "logits") == 0) {
        *out = (ns_path){.from = {a, b}, .logits = true};
        return NS_OK;
    }
    used = 0;
    const char *const site = sscanf(text, "%lld.%lld:%lld.%lld.%c%n", &a, &b, &c, &d, &into, &used) == 5 && used > 0 && !text[used]
                                 ? strchr(letters, into) : NULL;
    if (!site)
        return ns_fail(err, NS_E_ARG, "path '%.60s': it is SENDER:RECEIVER, such as 19.1:23.2.q (.k, .v) or 19.1:logits", text);
    *out = (ns_path){.from = {a, b}, .to = {c, d}, .into = (ns_patch_site)(NS_PATCH_Q + (site - letters))};
    return NS_OK;
}

void ns_path_format(const ns_path *p, char out[NS_PATH_TEXT])
{
    const int n = snprintf(out, NS_PATH_TEXT, "%lld.%lld:", (long long)p->from.layer, (long long)p->from.head);
    if (p->logits)
        snprintf(out + n, (size_t)(NS_PATH_TEXT - n), "logits");
    else
        snprintf(out + n, (size_t)(NS_PATH_TEXT - n), "%lld.%lld.%s", (long long)p->to.layer, (long long)p->to.head,
                 ns_patch_site_name(p->into));
}

/* ---- what is asked for ---- */

static bool same_receiver(const ns_path *a, const ns_path *b)
{
    return a->logits == b->logits && (a->logits || (ns_head_is(a->to, b->to) && a->into == b->into));
}

static int check_path(const ns_patch_run *r, int i)
{
    const ns_path *const p = &r->p->paths[i];
    char text[NS_PATH_TEXT], point[128];
    ns_path_format(p, text);
    int rc = ns_patch_check_head(r, p->from);
    rc = rc != NS_OK || p->logits ? rc : ns_patch_check_head(r, p->to);
    if (rc != NS_OK)
        return rc;
    if (!p->logits && p->from.layer >= p->to.layer)
        return ns_fail(r->err, NS_E_ARG, "path %s: the sender's layer does not come before the receiver's, so nothing of it gets there",
                       text);
    ns_point_format(ns_patch_point(p->into), p->to.layer, point, sizeof point);
    if (!p->logits && !ns_point_exists(r->arch, ns_patch_point(p->into), p->to.layer))
        return ns_fail(r->err, NS_E_ARG, "path %s: this model has no %s", text, point);
    for (int k = 0; k < i; k++)
        if (ns_head_is(r->p->paths[k].from, p->from) && same_receiver(&r->p->paths[k], p))
            return ns_fail(r->err, NS_E_ARG, "path %s is named twice", text);
    return NS_OK;
}

int ns_patch_stream_is_sum(const ns_arch *arch, ns_error *err)
{
    for (int64_t l = 0; l < arch->n_layers; l++)
        for (int s = 0; s < arch->layers[l].n_stages; s++)
            if (arch->layers[l].stages[s].normed_scale != 0)
                return ns_fail(err, NS_E_UNSUPPORTED, "layer %lld goes on from its normed input: the stream is no sum of what heads add, "
                                                      "and there are no edges", (long long)l);
    return NS_OK;
}

int ns_patch_check_paths(const ns_patch_run *r)
{
    int rc = r->p->n_paths ? ns_patch_stream_is_sum(r->arch, r->err) : NS_OK;
    if (r->p->n_paths && (r->p->n_heads || r->p->site != NS_PATCH_Z))
        return ns_fail(r->err, NS_E_ARG, "paths name their senders and what they reach: leave the set of heads and the site out");
    for (int i = 0; i < r->p->n_paths && rc == NS_OK; i++)
        rc = check_path(r, i);
    return rc;
}

/* ---- conditions: none, everything, the senders as they are patched whole, all paths together and their controls, each path ---- */

static int set_paths(ns_patch_run *r, ns_patch_condition *c, const ns_path *paths, int n)
{
    c->paths = ns_alloc_array((size_t)n + 1, sizeof *c->paths);
    if (!c->paths)
        return ns_oom(r->err, "paths");
    memcpy(c->paths, paths, (size_t)n * sizeof *paths);
    c->n_paths = n;
    c->by_paths = true;
    return NS_OK;
}

static int find_senders(const ns_patch_run *r, ns_head *out)
{
    int n = 0;
    for (int i = 0; i < r->p->n_paths; i++) {
        int k = 0;
        while (k < n && !ns_head_is(out[k], r->p->paths[i].from))
            k++;
        if (k == n)
            out[n++] = r->p->paths[i].from;
    }
    return n;
}

static int add(ns_patch_run *r, ns_patch_kind kind, int draw, const ns_head *heads, int n_heads, const ns_path *paths, int n_paths)
{
    ns_patch_condition *const c = ns_patch_add(r->out, kind, n_heads, draw);
    if (!c)
        return ns_oom(r->err, "conditions");
    memcpy(c->heads, heads, (size_t)n_heads * sizeof *heads);
    return paths ? set_paths(r, c, paths, n_paths) : NS_OK;
}

/* The same receivers, other senders of like norm; a sender that does not come before a receiver has no such edge. */
static int add_control(ns_patch_run *r, int draw, const ns_head *senders, int n)
{
    ns_head *const others = ns_alloc_array((size_t)n, sizeof *others);
    ns_path *const paths = ns_alloc_array((size_t)r->p->n_paths, sizeof *paths);
    int rc = others && paths ? NS_OK : ns_oom(r->err, "controls"), n_paths = 0;
    if (rc == NS_OK)
        ns_controls_heads(&r->out->controls, draw, others);
    for (int i = 0; i < r->p->n_paths && rc == NS_OK; i++) {
        int k = 0;
        while (!ns_head_is(senders[k], r->p->paths[i].from))
            k++;
        paths[n_paths] = r->p->paths[i];
        paths[n_paths].from = others[k];
        n_paths += paths[n_paths].logits || others[k].layer < paths[n_paths].to.layer;
    }
    rc = rc != NS_OK ? rc : add(r, NS_PATCH_CONTROL, draw, others, n, paths, n_paths);
    if (rc == NS_OK) {
        r->out->list[r->out->n - 1].layer_matched = ns_controls_in_layer(&r->out->controls, draw);
        r->out->list[r->out->n - 1].matched = ns_controls_matched(&r->out->controls, draw);
    }
    free(others);
    free(paths);
    return rc;
}

int ns_patch_add_paths(ns_patch_run *r, int draws)
{
    const ns_patch_params *const p = r->p;
    ns_head *const senders = ns_alloc_array((size_t)p->n_paths, sizeof *senders);
    if (!senders)
        return ns_oom(r->err, "senders");
    const int n = find_senders(r, senders);
    const ns_matching matching = {r->arch, r->out->norm, r->out->L, r->out->H, senders, n, NS_POINT_Z};
    int rc = ns_controls_draw(&r->out->controls, &matching, draws, p->seed, r->err);
    rc = rc != NS_OK ? rc : add(r, NS_PATCH_SENDERS, -1, senders, n, NULL, 0);
    rc = rc != NS_OK ? rc : add(r, NS_PATCH_TARGET, -1, senders, n, p->paths, p->n_paths);
    for (int i = 0; i < draws && rc == NS_OK; i++)
        rc = add_control(r, i, senders, n);
    for (int i = 0; i < p->n_paths && p->n_paths > 1 && rc == NS_OK; i++)
        rc = add(r, NS_PATCH_PATH, -1, &p->paths[i].from, 1, &p->paths[i], 1);
    free(senders);
    return rc;
}

/* ---- the pair at work ---- */

/* The number of a path's receiver among those of its condition: how many other ones come before it. */
static int receiver_of(const ns_patch_condition *c, int i)
{
    int n = 0;
    for (int k = 0; k < i; k++) {
        if (same_receiver(&c->paths[k], &c->paths[i]))
            return receiver_of(c, k);
        int first = 0;
        while (!same_receiver(&c->paths[first], &c->paths[k]))
            first++;
        n += first == k;
    }
    return n;
}

static int path_of_receiver(const ns_patch_condition *c, int receiver)
{
    for (int i = 0; i < c->n_paths; i++)
        if (receiver_of(c, i) == receiver)
            return i;
    return -1;
}

static float *part_of(const ns_patch_run *r, int64_t sender, int64_t back)
{
    return r->paths->part + (sender * r->rows + back) * r->arch->d_model;
}

static float *plain_at(const ns_patch_run *r, int64_t layer, int64_t back)
{
    return r->paths->plain + (layer * r->rows + back) * r->arch->d_model;
}

static float *input_at(const ns_patch_run *r, int64_t condition, int receiver, int64_t back)
{
    return r->paths->input + ((condition * r->p->n_paths + receiver) * r->rows + back) * r->d;
}

static int64_t sender_of(const ns_patch_run *r, ns_head h)
{
    int64_t i = 0;
    while (!ns_head_is(r->paths->senders[i], h))
        i++;
    return i;
}

/* Those of all conditions. */
static void list_senders(ns_patch_run *r)
{
    ns_patch_paths *const p = r->paths;
    for (int k = 0; k < r->out->n; k++)
        for (int i = 0; i < r->out->list[k].n_paths; i++) {
            int64_t at = 0;
            while (at < p->n_senders && !ns_head_is(p->senders[at], r->out->list[k].paths[i].from))
                at++;
            if (at == p->n_senders)
                p->senders[p->n_senders++] = r->out->list[k].paths[i].from;
        }
}

int ns_patch_begin_paths(ns_patch_run *r)
{
    ns_patch_paths *const p = r->paths = ns_alloc_array(1, sizeof *p);
    if (!p || !(p->senders = ns_alloc_array((size_t)(r->out->n * r->p->n_paths), sizeof *p->senders)))
        return ns_oom(r->err, "paths");
    list_senders(r);
    const int64_t D = r->arch->d_model;
    p->part = ns_alloc_array((size_t)(p->n_senders * r->rows * D), sizeof *p->part);
    p->plain = ns_alloc_array((size_t)(r->out->L * r->rows * D), sizeof *p->plain);
    p->input = ns_alloc_array((size_t)(r->out->n * r->p->n_paths * r->rows * r->d), sizeof *p->input);
    return p->part && p->plain && p->input ? NS_OK : ns_oom(r->err, "paths");
}

void ns_patch_end_paths(ns_patch_run *r)
{
    if (!r->paths)
        return;
    free(r->paths->senders);
    free(r->paths->part);
    free(r->paths->plain);
    free(r->paths->input);
    free(r->paths);
    r->paths = NULL;
}

/* ---- outputs of senders; session 0 is nobody's ---- */

static int64_t back_of(const ns_site *site, int64_t k)
{
    return ns_patch_row(site->c) - (site->row0 + k);
}

static int put_sender(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    (void)err;
    const ns_patch_run *const r = user;
    const ns_head *const h = site->case_index > 0 ? &r->paths->senders[site->case_index - 1] : NULL;
    for (int64_t k = 0; h && h->layer == site->layer && k < site->n_rows; k++)
        if (back_of(site, k) >= 0 && back_of(site, k) < ns_patch_rows(r, site->c))
            memcpy(ns_at(v, k, h->head, 0), ns_patch_kept(r, r->paths->pair, back_of(site, k), h->layer, h->head),
                   (size_t)v->shape[2] * sizeof(float));
    return NS_OK;
}

static int see_output(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const ns_patch_run *const r = user;
    const int64_t sender = site->case_index - 1, D = r->arch->d_model;
    if (site->case_index < 0 || (sender >= 0 && r->paths->senders[sender].layer != site->layer))
        return NS_OK;
    for (int64_t k = 0; k < site->n_rows; k++) {
        const int64_t back = back_of(site, k);
        if (back < 0 || back >= ns_patch_rows(r, site->c))
            continue;
        float *const to = sender < 0 ? plain_at(r, site->layer, back) : part_of(r, sender, back);
        const float *const from = ns_at(v, k, 0, 0);
        for (int64_t i = 0; i < D; i++)
            to[i] = sender < 0 ? from[i] : from[i] - plain_at(r, site->layer, back)[i];
    }
    return NS_OK;
}

/* ---- inputs of receivers ---- */

/* Adds the parts of the senders that the condition has for the receiver. */
static void add_parts(const ns_patch_run *r, const ns_patch_condition *c, int receiver, int64_t back, float *x)
{
    for (int i = 0; i < c->n_paths; i++)
        if (receiver_of(c, i) == receiver) {
            const float *const part = part_of(r, sender_of(r, c->paths[i].from), back);
            for (int64_t k = 0; k < r->arch->d_model; k++)
                x[k] += part[k];
        }
}

typedef struct asked { const ns_patch_condition *c; int64_t condition; int receiver; const ns_path *to; } asked;

static asked asked_by(const ns_patch_run *r, int64_t session)
{
    asked a = {.condition = session / r->p->n_paths, .receiver = (int)(session % r->p->n_paths)};
    a.c = &r->out->list[a.condition];
    a.to = &a.c->paths[path_of_receiver(a.c, a.receiver)];
    return a;
}

static int add_to_stream(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    (void)err;
    const ns_patch_run *const r = user;
    if (site->case_index < 0)
        return NS_OK;
    const asked a = asked_by(r, site->case_index);
    for (int64_t k = 0; k < site->n_rows && a.to->to.layer == site->layer; k++)
        if (back_of(site, k) >= 0 && back_of(site, k) < ns_patch_rows(r, site->c))
            add_parts(r, a.c, a.receiver, back_of(site, k), ns_at(v, k, 0, 0));
    return NS_OK;
}

/* Of the head among those of the view: queries are of heads, keys and values of their groups. */
static int64_t head_in(const ns_site *site, const ns_view *v, int64_t head)
{
    return head / (site->n_heads / v->shape[1]);
}

static int see_input(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const ns_patch_run *const r = user;
    if (site->case_index < 0)
        return NS_OK;
    const asked a = asked_by(r, site->case_index);
    for (int64_t k = 0; k < site->n_rows && a.to->to.layer == site->layer && ns_patch_point(a.to->into) == site->point; k++)
        if (back_of(site, k) >= 0 && back_of(site, k) < ns_patch_rows(r, site->c))
            memcpy(input_at(r, a.condition, a.receiver, back_of(site, k)), ns_at(v, k, head_in(site, v, a.to->to.head), 0),
                   (size_t)v->shape[2] * sizeof(float));
    return NS_OK;
}

/* ---- the two passes of a pair ---- */

/* The destination's prompt but for its last token, which both passes go on from; *out = NULL where all rows are patched. */
static int run_trunk(ns_patch_run *r, ns_session **out)
{
    const ns_case *const to = r->pairs[r->paths->pair].to;
    const ns_session_params params = {.size = sizeof params, .final_length = ns_case_length(to), .decode = true};
    const ns_forward_params how = {.size = sizeof how, .no_logits = true, .cancelled = r->p->cancelled, .user = r->p->user};
    *out = NULL;
    if (r->p->all_rows || to->n_tokens < 2)
        return NS_OK;
    int rc = ns_session_new(out, r->model, &params, r->err);
    rc = rc != NS_OK ? rc : ns_session_append(*out, to->tokens, to->n_tokens - 1, r->err);
    return rc != NS_OK ? rc : ns_forward(r->model, out, 1, NULL, &how, r->err);
}

/* What forks from a trunk that kept its keys follows nobody: its rows are few. */
static int add_session(ns_patch_run *r, ns_pass *p, ns_session *trunk, int64_t index, int64_t first_layer)
{
    const ns_case *const to = r->pairs[r->paths->pair].to;
    return ns_pass_add_from(p, trunk, to, trunk ? to->n_tokens - 1 : 0, ns_patch_row(to) + 1, index, trunk ? 0 : first_layer, r->err);
}

static ns_hook hook(const char *at, ns_read_fn read, ns_edit_fn edit, ns_patch_run *r)
{
    return (ns_hook){.size = sizeof(ns_hook), .at = at, .read = read, .edit = edit, .user = r};
}

static int find_outputs(ns_patch_run *r, ns_session *trunk)
{
    const ns_hook list[] = {hook("blocks.*.attn.hook_z", NULL, put_sender, r), hook("blocks.*.hook_attn_out", see_output, NULL, r)};
    ns_hooks *hooks = NULL;
    ns_pass p = {.model = r->model, .work = &r->work};
    int rc = ns_hooks_new(&hooks, r->arch, list, 2, r->err);
    for (int64_t i = 0; i <= r->paths->n_senders && rc == NS_OK; i++)
        rc = add_session(r, &p, trunk, i, i ? r->paths->senders[i - 1].layer : 0);
    rc = rc != NS_OK ? rc : ns_pass_run(&p, hooks, r->err);
    ns_pass_clear(&p);
    ns_hooks_free(hooks);
    return rc;
}

static int find_inputs(ns_patch_run *r, ns_session *trunk)
{
    const ns_hook list[] = {hook("blocks.*.hook_resid_pre", NULL, add_to_stream, r), hook("blocks.*.attn.hook_q", see_input, NULL, r),
                            hook("blocks.*.attn.hook_k", see_input, NULL, r), hook("blocks.*.attn.hook_v", see_input, NULL, r)};
    ns_hooks *hooks = NULL;
    ns_pass p = {.model = r->model, .work = &r->work};
    int rc = ns_hooks_new(&hooks, r->arch, list, 4, r->err);
    for (int64_t k = 0; k < r->out->n && rc == NS_OK; k++) {
        const ns_patch_condition *const c = &r->out->list[k];
        for (int n = 0, at; (at = path_of_receiver(c, n)) >= 0 && rc == NS_OK; n++)
            if (!c->paths[at].logits)
                rc = add_session(r, &p, trunk, k * r->p->n_paths + n, c->paths[at].to.layer);
    }
    rc = rc != NS_OK ? rc : ns_pass_run(&p, hooks, r->err);
    ns_pass_clear(&p);
    ns_hooks_free(hooks);
    return rc;
}

int ns_patch_find_paths(ns_patch_run *r, int64_t pair)
{
    ns_session *trunk;
    r->paths->pair = pair;
    int rc = run_trunk(r, &trunk);
    rc = rc != NS_OK ? rc : find_outputs(r, trunk);
    rc = rc != NS_OK ? rc : find_inputs(r, trunk);
    ns_session_free(trunk);
    return rc;
}

/* ---- and into the pass of a condition ---- */

void ns_patch_put_paths(const ns_patch_run *r, int64_t condition, const ns_site *site, ns_view *v)
{
    const ns_patch_condition *const c = &r->out->list[condition];
    for (int n = 0, at; (at = path_of_receiver(c, n)) >= 0; n++) {
        const ns_path *const p = &c->paths[at];
        const bool here = p->logits ? site->point == NS_POINT_RESID_POST && site->layer == r->out->L - 1
                                    : site->point == ns_patch_point(p->into) && site->layer == p->to.layer;
        for (int64_t k = 0; here && k < site->n_rows; k++) {
            const int64_t back = back_of(site, k);
            if (back < 0 || back >= ns_patch_rows(r, site->c))
                continue;
            if (p->logits)
                add_parts(r, c, n, back, ns_at(v, k, 0, 0));
            else
                memcpy(ns_at(v, k, head_in(site, v, p->to.head), 0), input_at(r, condition, n, back), (size_t)v->shape[2] * sizeof(float));
        }
    }
}

int64_t ns_patch_first_receiver(const ns_patch_run *r, int k)
{
    const ns_patch_condition *const c = &r->out->list[k];
    int64_t first = r->out->L - 1;
    for (int i = 0; i < c->n_paths; i++)
        first = !c->paths[i].logits && c->paths[i].to.layer < first ? c->paths[i].to.layer : first;
    return first;
}
