/* attribute_measure.c - the passes of one pair.
 *
 *   there   source and destination, which fork where they part: x of both at the site, z and the stream where they are needed, the logits
 *   back    the destination once more, walked back from d: dd / dx
 *           or, of integrated gradients, once for each step of the way from its embeddings to the source's: the mean of dd / dx
 *   anew    AtP*: the destination with q (or k) of the source, whose z are read and put back, so that no layer meets another's change */
#include "attribute.h"

#include <stdlib.h>
#include <string.h>

float *ns_attribute_x(const ns_attribute_run *a, ns_patch_site site, int which, int64_t back, int64_t layer, int64_t head)
{
    return a->x[site][which] + ((back * a->r.out->L + layer) * a->r.out->H + head) * a->r.d;
}

float *ns_attribute_stream(const ns_attribute_run *a, int which, int64_t back, int64_t layer)
{
    return a->stream[which] + (back * a->r.out->L + layer) * a->r.arch->d_model;
}

ns_patch_site ns_attribute_site_of(ns_point p)
{
    return p == NS_POINT_Q ? NS_PATCH_Q : p == NS_POINT_K ? NS_PATCH_K : p == NS_POINT_V ? NS_PATCH_V : NS_PATCH_Z;
}

static int stream_of(ns_point p)
{
    return p == NS_POINT_RESID_PRE ? NS_STREAM : p == NS_POINT_LN1 ? NS_HAT : NS_ATTN_OUT;
}

static double dot(const float *x, const float *less, const float *g, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += ((double)x[i] - (double)less[i]) * (double)g[i];
    return sum;
}

/* ---- what is read; a session's case_index says of which of the two it is ---- */

static void take(float *to, const float *from, int64_t n)
{
    memcpy(to, from, (size_t)n * sizeof *to);
}

static void add(float *to, const float *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += from[i];
}

static void keep(const ns_attribute_run *a, int which, const ns_site *site, const ns_view *v, void (*how)(float *, const float *, int64_t))
{
    const ns_patch_site of = ns_attribute_site_of(site->point);
    for (int64_t k = 0; k < site->n_rows && a->x[of][which]; k++) {
        const int64_t back = ns_back_of(site, k);
        for (int64_t h = 0; h < v->shape[1] && back >= 0 && back < a->n_rows; h++)
            how(ns_attribute_x(a, of, which, back, site->layer, h), ns_at(v, k, h, 0), v->shape[2]);
    }
}

static int see_heads(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    if (site->case_index >= 0)
        keep(user, site->case_index == 0 ? NS_OF_SOURCE : NS_OF_DESTINATION, site, v, take);
    return NS_OK;
}

static int see_gradient(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const ns_attribute_run *const a = user;
    keep(a, NS_OF_GRADIENT, site, v, a->p->steps ? add : take);
    return NS_OK;
}

static int see_stream(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const ns_attribute_run *const a = user;
    for (int64_t k = 0; k < site->n_rows && site->case_index == 1; k++) {
        const int64_t back = ns_back_of(site, k);
        if (back >= 0 && back < a->n_rows)
            memcpy(ns_attribute_stream(a, stream_of(site->point), back, site->layer), ns_at(v, k, 0, 0),
                   (size_t)v->shape[1] * sizeof(float));
    }
    return NS_OK;
}

/* (source - destination) . gradient, of what enters the first layer. */
static int see_along(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    ns_attribute_run *const a = user;
    const int64_t D = v->shape[1];
    for (int64_t k = 0, at = site->row0 * D; k < site->n_rows; k++, at += D)
        a->along += dot(a->ends[NS_OF_SOURCE] + at, a->ends[NS_OF_DESTINATION] + at, ns_at(v, k, 0, 0), D);
    return NS_OK;
}

/* What enters the first layer; the rows that the two share are both's. */
static int see_ends(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const ns_attribute_run *const a = user;
    for (int w = 0; w < NS_OF_GRADIENT; w++)
        for (int64_t k = 0; k < site->n_rows && (site->case_index < 0 || site->case_index == w); k++)
            take(a->ends[w] + (site->row0 + k) * v->shape[1], ns_at(v, k, 0, 0), v->shape[1]);
    return NS_OK;
}

static int see_logits(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    ns_attribute_run *const a = user;
    const int64_t row = site->case_index < 0 ? -1 : ns_patch_row(site->c) - site->row0;
    if (row < 0 || row >= site->n_rows)
        return NS_OK;
    const ns_patch_pair *const pair = &a->r.pairs[a->r.first];
    const float *const x = ns_at(v, row, 0, 0);
    a->logit[site->case_index][0] = x[pair->source->answer[pair->source->n_lead]];
    a->logit[site->case_index][1] = x[pair->to->answer[pair->to->n_lead]];
    if (site->case_index == 0)
        a->r.out->source_right[a->r.first] = ns_argmax(x, v->shape[1], 1) == pair->source->answer[pair->source->n_lead];
    return NS_OK;
}

static ns_hook hook(const char *at, ns_read_fn read, ns_edit_fn edit, ns_attribute_run *a)
{
    return (ns_hook){.size = sizeof(ns_hook), .at = at, .read = read, .edit = edit, .user = a};
}

/* ---- there ---- */

static int32_t token_at(const ns_case *c, int64_t i)
{
    return i < c->n_tokens ? c->tokens[i] : c->answer[i - c->n_tokens];
}

/* How many tokens the two begin with alike, of those before the row of the answer. */
static int64_t common(const ns_case *a, const ns_case *b)
{
    const int64_t most = ns_patch_row(a) < ns_patch_row(b) ? ns_patch_row(a) : ns_patch_row(b);
    int64_t n = 0;
    while (n < most && token_at(a, n) == token_at(b, n))
        n++;
    return n;
}

static int64_t rows_of(const ns_attribute_run *a, const ns_patch_pair *pair)
{
    return a->p->all_rows ? ns_patch_row(pair->to) + 1 - common(pair->source, pair->to) : pair->to->n_lead + 1;
}

/* Where the two fork: before the rows that are looked at; 0: they share nothing. */
static int64_t fork_at(const ns_attribute_run *a, const ns_patch_pair *pair)
{
    const ns_case *const s = pair->source, *const to = pair->to;
    const int64_t last = ns_patch_row(s) < ns_patch_row(to) ? ns_patch_row(s) : ns_patch_row(to), same = common(s, to);
    const int64_t at = same < last + 1 - a->n_rows ? same : last + 1 - a->n_rows;
    return at > 0 && ns_arch_rope_class(a->r.arch, ns_case_length(s)) == ns_arch_rope_class(a->r.arch, ns_case_length(to)) ? at : 0;
}

static int run_there(ns_attribute_run *a, const ns_patch_pair *pair, const ns_hooks *hooks)
{
    ns_pass p = {.model = a->r.model, .work = &a->r.work};
    ns_session *trunk = NULL, *unused;
    const int64_t at = fork_at(a, pair);
    int rc = at ? ns_pass_add(&p, NULL, pair->to, 0, at, -1, &trunk, a->r.err) : NS_OK;
    rc = rc != NS_OK ? rc : ns_pass_add(&p, trunk, pair->source, at, ns_patch_row(pair->source) + 1, 0, &unused, a->r.err);
    rc = rc != NS_OK ? rc : ns_pass_add(&p, trunk, pair->to, at, ns_patch_row(pair->to) + 1, 1, &unused, a->r.err);
    rc = rc != NS_OK ? rc : ns_pass_run(&p, hooks, a->r.err);
    ns_pass_clear(&p);
    return rc;
}

static const struct { ns_patch_site site; const char *at; } sites[] = {{NS_PATCH_Z, "blocks.*.attn.hook_z"},
    {NS_PATCH_Q, "blocks.*.attn.hook_q"}, {NS_PATCH_K, "blocks.*.attn.hook_k"}, {NS_PATCH_V, "blocks.*.attn.hook_v"}};

static int there(ns_attribute_run *a, const ns_patch_pair *pair)
{
    static const char *const streams[NS_STREAMS] = {"blocks.*.hook_resid_pre", "blocks.*.ln1.hook_normalized", "blocks.*.hook_attn_out"};
    ns_hook list[16];
    ns_hooks *hooks = NULL;
    int n = 0;
    for (int i = 0; i < NS_PATCH_SITES; i++)
        if (a->x[sites[i].site][NS_OF_SOURCE] || a->x[sites[i].site][NS_OF_DESTINATION])
            list[n++] = hook(sites[i].at, see_heads, NULL, a);
    for (int i = 0; i < NS_STREAMS; i++)
        if (a->stream[i])
            list[n++] = hook(streams[i], see_stream, NULL, a);
    if (a->way)
        list[n++] = hook("blocks.0.hook_resid_pre", see_ends, NULL, a);
    list[n] = hook("hook_logits", see_logits, NULL, a);
    list[n++].rows.kind = NS_ROWS_ANSWER;
    int rc = ns_hooks_new(&hooks, a->r.arch, list, n, a->r.err);
    rc = rc != NS_OK ? rc : run_there(a, pair, hooks);
    ns_hooks_free(hooks);
    return rc;
}

/* ---- back ---- */

/* d's derivative by what the head is given at the answer's row. */
static int logit_seed_of(ns_attribute_run *a, const ns_patch_pair *pair, ns_logit_seed *out)
{
    const float cap = a->r.arch->logit_softcap;
    static const float signs[2] = {1, -1};
    float weights[2];
    for (int i = 0; i < 2; i++)
        weights[i] = signs[i] * (cap > 0 ? 1 - a->logit[1][i] / cap * (a->logit[1][i] / cap) : 1);
    const int32_t tokens[2] = {pair->source->answer[pair->source->n_lead], pair->to->answer[pair->to->n_lead]};
    *out = (ns_logit_seed){.tokens = tokens, .n = 2, .weights = weights, .values = a->seed};
    return ns_model_logit_seed(a->r.model, out, a->r.err);
}

/* The seed of d: by what the head is given at the answer's row; or, in the way, where the slope of a soft-cap is not known beforehand, by
 * the logits themselves. */
static int seed_of(ns_attribute_run *a, const ns_patch_pair *pair, ns_logit_seed *logits, ns_seed *out)
{
    const bool by_logits = a->way && a->r.arch->logit_softcap > 0;
    *out = (ns_seed){.size = sizeof *out, .at = by_logits ? "hook_logits" : logits->at, .row0 = ns_patch_row(pair->to), .n_rows = 1,
                     .width = by_logits ? a->r.arch->vocab : a->r.arch->d_model, .values = a->seed};
    if (!by_logits)
        return logit_seed_of(a, pair, logits);
    memset(a->seed, 0, (size_t)a->r.arch->vocab * sizeof *a->seed);
    a->seed[pair->source->answer[pair->source->n_lead]] += 1;
    a->seed[pair->to->answer[pair->to->n_lead]] -= 1;
    return NS_OK;
}

static int walk_back(ns_attribute_run *a, ns_session *s, const ns_patch_pair *pair, const ns_hooks *hooks)
{
    const ns_case *const to = pair->to;
    ns_logit_seed logits;
    ns_seed seed;
    int rc = ns_session_append(s, to->tokens, to->n_tokens, a->r.err);
    rc = rc != NS_OK || !to->n_lead ? rc : ns_session_append(s, to->answer, to->n_lead, a->r.err);
    rc = rc != NS_OK ? rc : ns_session_add_case(s, to, 1, a->r.err);
    rc = rc != NS_OK ? rc : seed_of(a, pair, &logits, &seed);
    const ns_backward_params params = {.size = sizeof params, .cancelled = a->p->cancelled, .user = a->p->user, .walker = a->walker,
                                       .stream = a->way};
    return rc != NS_OK ? rc : ns_backward(a->r.model, s, &seed, 1, hooks, &params, a->r.err);
}

static int back_once(ns_attribute_run *a, const ns_patch_pair *pair, const ns_hooks *hooks)
{
    ns_session *s = NULL;
    const ns_session_params params = {.size = sizeof params, .final_length = ns_case_length(pair->to)};
    int rc = ns_session_new(&s, a->r.model, &params, a->r.err);
    rc = rc != NS_OK ? rc : walk_back(a, s, pair, hooks);
    ns_session_free(s);
    return rc;
}

/* The mean over the steps, of the middle of each. */
static int back_along(ns_attribute_run *a, const ns_patch_pair *pair, const ns_hooks *hooks)
{
    const int64_t n = (ns_patch_row(pair->to) + 1) * a->r.arch->d_model, of_heads = a->r.rows * a->r.out->L * a->r.out->H * a->r.d;
    const int steps = a->p->steps;
    int rc = NS_OK;
    a->along = 0;
    for (int k = 0; k < steps && rc == NS_OK; k++) {
        const float part = ((float)k + .5f) / (float)steps;
        for (int64_t i = 0; i < n; i++)
            a->way[i] = a->ends[NS_OF_DESTINATION][i] + part * (a->ends[NS_OF_SOURCE][i] - a->ends[NS_OF_DESTINATION][i]);
        rc = back_once(a, pair, hooks);
    }
    for (int s = 0; s < NS_PATCH_SITES; s++)
        for (int64_t i = 0; a->x[s][NS_OF_GRADIENT] && i < of_heads; i++)
            a->x[s][NS_OF_GRADIENT][i] /= (float)steps;
    a->out->integral[a->r.first] = (float)(a->along / steps);
    return rc;
}

static int back(ns_attribute_run *a, const ns_patch_pair *pair)
{
    ns_hook list[NS_PATCH_SITES + 1];
    ns_hooks *hooks = NULL;
    int n = 0;
    for (int i = 0; i < NS_PATCH_SITES; i++)
        if (a->x[sites[i].site][NS_OF_GRADIENT])
            list[n++] = hook(sites[i].at, see_gradient, NULL, a);
    if (a->way)
        list[n++] = hook("hook_embed", see_along, NULL, a);
    int rc = ns_hooks_new(&hooks, a->r.arch, list, n, a->r.err);
    rc = rc != NS_OK ? rc : a->way ? back_along(a, pair, hooks) : back_once(a, pair, hooks);
    ns_hooks_free(hooks);
    return rc;
}

/* ---- anew ---- */

static int put_source(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    (void)err;
    const ns_attribute_run *const a = user;
    for (int64_t k = 0; k < site->n_rows && site->case_index >= 0; k++)
        for (int64_t h = 0, b = ns_back_of(site, k); h < v->shape[1] && b >= 0 && b < a->n_rows; h++)
            memcpy(ns_at(v, k, h, 0), ns_attribute_x(a, a->p->site, NS_OF_SOURCE, b, site->layer, h), (size_t)v->shape[2] * sizeof(float));
    return NS_OK;
}

static int take_and_put_back(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    (void)err;
    const ns_attribute_run *const a = user;
    const int64_t L = a->r.out->L, H = a->r.out->H;
    for (int64_t k = 0; k < site->n_rows && site->case_index >= 0; k++)
        for (int64_t h = 0, b = ns_back_of(site, k); h < v->shape[1] && b >= 0 && b < a->n_rows; h++) {
            const float *const own = ns_attribute_x(a, NS_PATCH_Z, NS_OF_DESTINATION, b, site->layer, h);
            a->anew[(a->r.first * L + site->layer) * H + h] +=
                (float)dot(ns_at(v, k, h, 0), own, ns_attribute_x(a, NS_PATCH_Z, NS_OF_GRADIENT, b, site->layer, h), v->shape[2]);
            memcpy(ns_at(v, k, h, 0), own, (size_t)v->shape[2] * sizeof(float));
        }
    return NS_OK;
}

int ns_attribute_add(ns_attribute_run *a, ns_pass *p, ns_session **trunk, int64_t i, int64_t from, int64_t index, int64_t first_layer)
{
    const ns_case *const to = a->r.pairs[i].to;
    const int rc = from > 0 && !*trunk ? ns_pass_add(p, NULL, to, 0, from, -1, trunk, a->r.err) : NS_OK;
    return rc != NS_OK ? rc : ns_pass_add_from(p, *trunk, to, from, ns_patch_row(to) + 1, index, first_layer, a->r.err);
}

/* Heads that share a k, or a q, are patched together: each is given what all of them bring. */
static void share_groups(const ns_attribute_run *a, float *value)
{
    const int64_t L = a->r.out->L, H = a->r.out->H;
    for (int64_t l = 0; l < L; l++) {
        const ns_attn *const attn = ns_arch_attn(a->r.arch, l);
        const int64_t size = ns_heads_sharing(a->r.arch, ns_patch_point(a->p->site), l);
        for (int64_t g = 0; attn && size > 1 && g < attn->n_heads; g += size) {
            float sum = 0;
            for (int64_t h = g; h < g + size; h++)
                sum += value[l * H + h];
            for (int64_t h = g; h < g + size; h++)
                value[l * H + h] = sum;
        }
    }
}

static int anew(ns_attribute_run *a, int64_t i)
{
    const ns_hook list[] = {hook(ns_patch_at(a->p->site), NULL, put_source, a), hook("blocks.*.attn.hook_z", NULL, take_and_put_back, a)};
    ns_hooks *hooks = NULL;
    ns_session *trunk = NULL;
    ns_pass p = {.model = a->r.model, .work = &a->r.work};
    int rc = ns_hooks_new(&hooks, a->r.arch, list, 2, a->r.err);
    rc = rc != NS_OK ? rc : ns_attribute_add(a, &p, &trunk, i, ns_patch_row(a->r.pairs[i].to) + 1 - a->n_rows, 0, 0);
    rc = rc != NS_OK ? rc : ns_pass_run(&p, hooks, a->r.err);
    if (rc == NS_OK)
        share_groups(a, a->anew + i * a->r.out->L * a->r.out->H);
    ns_pass_clear(&p);
    ns_hooks_free(hooks);
    return rc;
}

/* ---- the pair ---- */

/* What silencing a head does, straight on from where it is: 0 in place of z. */
static void find_gates(ns_attribute_run *a, int64_t i)
{
    const int64_t L = a->r.out->L, H = a->r.out->H;
    for (int64_t l = 0; l < L; l++)
        for (int64_t h = 0; h < H; h++) {
            double sum = 0;
            for (int64_t b = 0; b < a->n_rows; b++) {
                const float *const z = ns_attribute_x(a, NS_PATCH_Z, NS_OF_DESTINATION, b, l, h);
                const float *const by = ns_attribute_x(a, NS_PATCH_Z, NS_OF_GRADIENT, b, l, h);
                for (int64_t k = 0; k < a->r.d; k++)
                    sum -= (double)z[k] * (double)by[k];
            }
            a->gate[(i * L + l) * H + h] = (float)sum;
        }
}

static void attribute(ns_attribute_run *a, int64_t i)
{
    const int64_t L = a->r.out->L, H = a->r.out->H;
    for (int64_t l = 0; l < L; l++) {
        const ns_attn *const attn = ns_arch_attn(a->r.arch, l);
        const int64_t size = ns_heads_sharing(a->r.arch, ns_patch_point(a->p->site), l);
        for (int64_t h = 0; attn && h < attn->n_heads; h++) {
            const int64_t at = h / size;
            double sum = 0;
            for (int64_t b = 0; b < a->n_rows; b++)
                sum += dot(ns_attribute_x(a, a->p->site, NS_OF_SOURCE, b, l, at),
                           ns_attribute_x(a, a->p->site, NS_OF_DESTINATION, b, l, at),
                           ns_attribute_x(a, a->p->site, NS_OF_GRADIENT, b, l, at), a->r.d);
            a->value[(i * L + l) * H + h] = (float)sum;
        }
    }
}

/* What a layer has no heads or channels for stays 0. */
static void clear(ns_attribute_run *a)
{
    const size_t n = (size_t)(a->r.rows * a->r.out->L * a->r.out->H * a->r.d);
    for (int s = 0; s < NS_PATCH_SITES; s++)
        for (int w = 0; w < NS_KEPTS; w++)
            if (a->x[s][w])
                memset(a->x[s][w], 0, n * sizeof(float));
}

int ns_attribute_pair(ns_attribute_run *a, int64_t i)
{
    const ns_patch_pair *const pair = &a->r.pairs[i];
    a->r.first = i;
    a->n_rows = rows_of(a, pair);
    clear(a);
    int rc = there(a, pair);
    rc = rc != NS_OK ? rc : back(a, pair);
    if (rc != NS_OK)
        return rc;
    a->r.out->source_difference[i] = a->logit[0][0] - a->logit[0][1];
    a->r.out->difference[i] = a->logit[1][0] - a->logit[1][1];
    attribute(a, i);
    if (a->gate)
        find_gates(a, i);
    return a->anew ? anew(a, i) : NS_OK;
}
