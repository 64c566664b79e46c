/* attribute.c - an attribution from its parameters: pairs of twins -> the passes of each -> attributions as the conditions of a patching
 * that was not run -> recoveries and their intervals. */
#include "attribute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is asked for ---- */

static int check(const ns_attribute_run *a)
{
    const bool of_rows = a->p->site == NS_PATCH_Q || a->p->site == NS_PATCH_K;
    if (a->p->recompute && !of_rows)
        return ns_fail(a->r.err, NS_E_ARG, "the pattern is computed anew from other q or k; z and v (site %s) leave it as it is",
                       ns_patch_site_name(a->p->site));
    if (a->p->steps < 0 || (a->p->steps && (a->p->edges || a->p->recompute || a->p->gates)))
        return ns_fail(a->r.err, NS_E_ARG, "integrated gradients (steps %d) are of heads alone: edges, gates and a pattern "
                       "computed anew are of the destination's own pass, so leave these or the steps out", a->p->steps);
    return a->p->edges ? ns_patch_stream_is_sum(a->r.arch, a->r.err) : NS_OK;
}

/* ---- room ---- */

static bool need(ns_attribute_run *a, ns_patch_site site, int which)
{
    float **const to = &a->x[site][which];
    const size_t n = (size_t)(a->r.rows * a->r.out->L * a->r.out->H * a->r.d);
    *to = *to ? *to : ns_alloc_array(n, sizeof **to);
    return *to != NULL;
}

static bool need_heads(ns_attribute_run *a)
{
    bool good = need(a, a->p->site, NS_OF_SOURCE) && need(a, a->p->site, NS_OF_DESTINATION) && need(a, a->p->site, NS_OF_GRADIENT);
    if (a->p->recompute || a->p->gates)
        good = good && need(a, NS_PATCH_Z, NS_OF_DESTINATION) && need(a, NS_PATCH_Z, NS_OF_GRADIENT);
    for (int s = NS_PATCH_Q; s <= NS_PATCH_V && a->p->edges; s++)
        good = good && need(a, (ns_patch_site)s, NS_OF_DESTINATION) && need(a, (ns_patch_site)s, NS_OF_GRADIENT);
    return good && (!a->p->edges || need(a, NS_PATCH_Z, NS_OF_SOURCE));
}

static int list_senders(ns_attribute_run *a)
{
    ns_attribution *const o = a->out;
    o->senders = ns_alloc_array((size_t)(a->r.out->L * a->r.out->H), sizeof *o->senders);
    for (int64_t l = 0; l + 1 < a->r.out->L && o->senders; l++) {
        const ns_attn *const attn = ns_arch_attn(a->r.arch, l);
        for (int64_t h = 0; attn && h < attn->n_heads; h++)
            o->senders[o->n_senders++] = (ns_head){l, h};
    }
    for (int64_t l = 0; l < a->r.out->L; l++) {
        const int64_t k = ns_point_heads(a->r.arch, NS_POINT_K, l), v = ns_point_heads(a->r.arch, NS_POINT_V, l), most = k > v ? k : v;
        o->n_kv = most > o->n_kv ? most : o->n_kv;
    }
    return o->senders ? NS_OK : ns_oom(a->r.err, "senders");
}

static int need_edges(ns_attribute_run *a)
{
    const int64_t D = a->r.arch->d_model, rows = a->r.rows * a->r.out->L * D, most = (int64_t)1 << 30;
    int rc = list_senders(a);
    a->E = a->out->n_senders * a->r.out->L * (a->r.out->H + 2 * a->out->n_kv);
    if (rc == NS_OK && a->E > most / a->r.out->C)
        return ns_fail(a->r.err, NS_E_ARG, "%lld edges of %lld pairs are more than 4 GiB: give fewer pairs", (long long)a->E,
                       (long long)a->r.out->C);
    for (int i = 0; i < NS_STREAMS && rc == NS_OK; i++)
        if (i != NS_HAT || ns_attribute_any_hat(a))
            rc = (a->stream[i] = ns_alloc_array((size_t)rows, sizeof(float))) ? NS_OK : ns_oom(a->r.err, "the stream");
    a->part = rc == NS_OK ? ns_alloc_array((size_t)(a->out->n_senders * a->r.rows * D), sizeof *a->part) : NULL;
    a->edges = rc == NS_OK ? ns_alloc_array((size_t)(a->r.out->C * a->E), sizeof *a->edges) : NULL;
    return rc != NS_OK || (a->part && a->edges) ? rc : ns_oom(a->r.err, "edges");
}

/* Both ends of the way that gradients are integrated along, and where it is. */
static int need_way(ns_attribute_run *a)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < a->r.out->C; i++) {
        const int64_t n = ns_patch_row(a->r.pairs[i].to) + 1;
        rows = n > rows ? n : rows;
    }
    const size_t n = (size_t)(rows * a->r.arch->d_model);
    for (int w = 0; w < NS_OF_GRADIENT; w++)
        a->ends[w] = ns_alloc_array(n, sizeof *a->ends[w]);
    a->way = ns_alloc_array(n, sizeof *a->way);
    a->out->integral = ns_alloc_array((size_t)a->r.out->C, sizeof *a->out->integral);
    const bool good = a->ends[NS_OF_SOURCE] && a->ends[NS_OF_DESTINATION] && a->way && a->out->integral;
    return good ? NS_OK : ns_oom(a->r.err, "integrated gradients");
}

static int allocate(ns_attribute_run *a)
{
    const size_t n = (size_t)(a->r.out->C * a->r.out->L * a->r.out->H);
    for (int64_t i = 0; i < a->r.out->C; i++) {
        const int64_t rows = a->p->all_rows ? ns_patch_row(a->r.pairs[i].to) + 1 : a->r.pairs[i].to->n_lead + 1;
        a->r.rows = rows > a->r.rows ? rows : a->r.rows;
    }
    a->r.out->all_rows = a->p->all_rows;
    a->value = ns_alloc_array(n, sizeof *a->value);
    a->anew = a->p->recompute ? ns_alloc_array(n, sizeof *a->anew) : NULL;
    a->gate = a->p->gates ? ns_alloc_array(n, sizeof *a->gate) : NULL;
    a->seed = ns_alloc_array((size_t)(a->p->steps ? a->r.arch->vocab + a->r.arch->d_model : a->r.arch->d_model), sizeof *a->seed);
    a->r.out->difference = ns_alloc_array((size_t)a->r.out->C, sizeof *a->r.out->difference);
    const bool good = a->value && a->seed && (a->anew || !a->p->recompute) && (a->gate || !a->p->gates) && a->r.out->difference &&
                      need_heads(a);
    return !good ? ns_oom(a->r.err, "an attribution") : a->p->steps ? need_way(a) : a->p->edges ? need_edges(a) : NS_OK;
}

static void free_room(ns_attribute_run *a)
{
    for (int s = 0; s < NS_PATCH_SITES; s++)
        for (int w = 0; w < NS_KEPTS; w++)
            free(a->x[s][w]);
    for (int i = 0; i < NS_STREAMS; i++)
        free(a->stream[i]);
    free(a->seed);
    free(a->part);
    free(a->value);
    free(a->anew);
    free(a->gate);
    free(a->ends[NS_OF_SOURCE]);
    free(a->ends[NS_OF_DESTINATION]);
    free(a->way);
    free(a->edges);
    free(a->r.pairs);
    ns_walker_free(a->walker);
}

/* ---- pairs ---- */

static int run_pairs(ns_attribute_run *a)
{
    const int64_t C = a->r.out->C;
    int rc = ns_walker_new(&a->walker, a->r.model, a->r.err);
    for (int64_t i = 0; i < C && rc == NS_OK; i++) {
        rc = ns_attribute_pair(a, i);
        rc = rc != NS_OK || !a->p->edges ? rc : ns_attribute_edges(a, i);
        if (a->p->progress)
            a->p->progress(a->p->user, (double)(i + 1) / (double)C);
    }
    return rc;
}

/* ---- as conditions of a patching ---- */

typedef struct strong { double value; int64_t e; } strong;

static int by_strength(const void *x, const void *y)
{
    const strong *const a = x, *const b = y;
    const double p = fabs(a->value), q = fabs(b->value);
    return p != q ? (p < q) - (p > q) : (a->e > b->e) - (a->e < b->e);
}

static ns_path path_of(const ns_attribute_run *a, int64_t e)
{
    const int64_t S = a->out->n_senders, L = a->r.out->L, H = a->r.out->H, G = a->out->n_kv, q = S * L * H;
    const int64_t of = e < q ? 0 : 1 + (e - q) / (S * L * G), at = e < q ? e : (e - q) % (S * L * G), n = e < q ? H : G;
    ns_path p = {.from = a->out->senders[at / (L * n)], .to = {at / n % L, at % n}, .into = (ns_patch_site)(NS_PATCH_Q + of)};
    p.to.head *= ns_heads_sharing(a->r.arch, ns_patch_point(p.into), p.to.layer);        /* the first head of the group */
    return p;
}

static int add_condition(ns_attribute_run *a, ns_patch_kind kind, const ns_path *path, ns_head head, const float *value, int64_t stride)
{
    ns_patching *const o = a->r.out;
    ns_patch_condition *const c = ns_patch_add(o, kind, 1, -1);
    if (c && path && (c->paths = ns_alloc_array(1, sizeof *c->paths))) {
        c->paths[0] = *path;
        c->n_paths = 1;
        c->by_paths = true;
    }
    if (!c || (path && !c->paths))
        return ns_oom(a->r.err, "conditions");
    c->heads[0] = head;
    for (int64_t i = 0; i < o->C; i++)
        o->difference[(o->n - 1) * o->C + i] = o->difference[i] + value[i * stride];
    return NS_OK;
}

static int add_edges(ns_attribute_run *a)
{
    strong *const all = ns_alloc_array((size_t)a->E, sizeof *all);
    int rc = all ? NS_OK : ns_oom(a->r.err, "edges");
    for (int64_t e = 0; e < a->E && rc == NS_OK; e++) {
        all[e].e = e;
        for (int64_t i = 0; i < a->r.out->C; i++)
            all[e].value += (double)a->edges[i * a->E + e];
    }
    if (rc == NS_OK)
        qsort(all, (size_t)a->E, sizeof *all, by_strength);
    for (int k = 0; k < a->p->edges && k < a->E && rc == NS_OK && all[k].value != 0; k++) {
        const ns_path path = path_of(a, all[k].e);
        rc = add_condition(a, NS_PATCH_PATH, &path, path.from, a->edges + all[k].e, a->E);
        a->out->n_edges++;
    }
    free(all);
    return rc;
}

static int add_heads(ns_attribute_run *a, const float *value)
{
    const int64_t L = a->r.out->L, H = a->r.out->H;
    int rc = NS_OK;
    for (int64_t l = 0; l < L; l++) {
        const ns_attn *const attn = ns_arch_attn(a->r.arch, l);
        for (int64_t h = 0; attn && h < attn->n_heads && rc == NS_OK; h++)
            rc = add_condition(a, NS_PATCH_HEAD, NULL, (ns_head){l, h}, value + l * H + h, L * H);
    }
    return rc;
}

/* Every edge, in the mean over pairs. */
static int reduce_edges(ns_attribute_run *a)
{
    const int64_t S = a->out->n_senders, L = a->r.out->L;
    for (int of = 0; of < 3; of++) {
        const int64_t n = of ? a->out->n_kv : a->r.out->H;
        float *const to = a->out->edge[of] = ns_alloc_array((size_t)(S * L * n) + 1, sizeof *to);
        if (!to)
            return ns_oom(a->r.err, "edges");
        for (int64_t s = 0; s < S; s++)
            for (int64_t at = 0; at < L * n; at++) {
                const ns_point p = ns_patch_point((ns_patch_site)(NS_PATCH_Q + of));
                const int64_t l = at / n, size = of ? 1 : ns_heads_sharing(a->r.arch, p, l), own = at % n / size;
                const bool there = l > a->out->senders[s].layer && at % n % size == 0 && own < ns_point_heads(a->r.arch, p, l);
                double sum = 0;
                for (int64_t i = 0; i < a->r.out->C && there; i++)
                    sum += (double)a->edges[i * a->E + ns_attribute_edge(a, s, of, l, own)];
                to[s * L * n + at] = there ? (float)(sum / (double)a->r.out->C) : NAN;
            }
    }
    return NS_OK;
}

static int conclude(ns_attribute_run *a)
{
    ns_patching *const o = a->r.out;
    const int64_t most = 1 + a->p->edges + 3 * o->L * o->H;
    float *const base = o->difference;
    o->list = ns_alloc_array((size_t)most, sizeof *o->list);
    o->difference = ns_alloc_array((size_t)(most * o->C), sizeof *o->difference);
    o->says_source = ns_alloc_array((size_t)(most * o->C), 1);
    bool good = o->list && o->difference && o->says_source && ns_patch_add(o, NS_PATCH_NONE, 0, -1);
    if (good)
        memcpy(o->difference, base, (size_t)o->C * sizeof *base);
    free(base);
    int rc = good ? NS_OK : ns_oom(a->r.err, "an attribution");
    rc = rc != NS_OK || !a->p->edges ? rc : add_edges(a);
    rc = rc != NS_OK || !a->gate ? rc : add_heads(a, a->gate);
    rc = rc != NS_OK || !a->anew ? rc : add_heads(a, a->anew);
    const int before = o->n;
    rc = rc != NS_OK ? rc : add_heads(a, a->value);
    o->n_map = o->n - before;
    rc = rc != NS_OK ? rc : ns_patch_reduce(&a->r);
    return rc != NS_OK || !a->p->edges ? rc : reduce_edges(a);
}

/* ---- the whole ---- */

static int run(ns_attribute_run *a, const ns_cases *cases)
{
    int rc = check(a);
    rc = rc != NS_OK ? rc : ns_patch_prepare(&a->r, cases);
    rc = rc != NS_OK ? rc : allocate(a);
    rc = rc != NS_OK ? rc : ns_provenance_of_model(&a->r.out->made_with, a->r.model, a->r.err);
    rc = rc != NS_OK ? rc : ns_provenance_of_cases(&a->r.out->made_with, cases, a->r.err);
    rc = rc != NS_OK || !a->p->against ? rc : ns_attribution_read_patched(a->out, a->p->against, a->r.err);
    rc = rc != NS_OK ? rc : run_pairs(a);
    rc = rc != NS_OK ? rc : conclude(a);
    return rc != NS_OK || !a->p->against ? rc : ns_attribution_correlate(a->out, a->r.err);
}

int ns_attribute(ns_attribution **out, const ns_model *model, const ns_cases *cases, const ns_attribute_params *given, ns_error *err)
{
    ns_attribute_params p;
    *out = NULL;
    int rc = ns_sized_copy(&p, sizeof p, given, "ns_attribute_params", err);
    ns_attribution *const o = rc == NS_OK ? ns_alloc_array(1, sizeof *o) : NULL;
    if (rc != NS_OK || !o || !(o->estimate = ns_alloc_array(1, sizeof *o->estimate))) {
        free(o);
        return rc != NS_OK ? rc : ns_oom(err, "an attribution");
    }
    ns_attribute_run a = {.p = &p, .out = o};
    a.as_patch = (ns_patch_params){.size = sizeof a.as_patch, .site = p.site, .all_rows = p.all_rows || p.steps, .noising = p.noising,
                                   .seed = p.seed, .resamples = p.resamples};
    a.r = (ns_patch_run){.model = model, .arch = ns_model_arch(model), .p = &a.as_patch, .out = o->estimate, .err = err,
                         .work = {NULL, p.cancelled, p.user, 0, 0}, .d = ns_patch_width(ns_model_arch(model))};
    o->recomputed = p.recompute;
    o->gated = p.gates;
    o->steps = p.steps;
    rc = run(&a, cases);
    free_room(&a);
    o->estimate->dropped = a.r.drops.list;
    o->estimate->n_reasons = a.r.drops.n;
    if (rc != NS_OK)
        ns_attribution_free(o);
    else
        *out = o;
    return rc;
}

double ns_attribution_completeness(const ns_attribution *o)
{
    double along = 0, there = 0;
    for (int64_t i = 0; i < o->estimate->C && o->integral; i++) {
        along += (double)o->integral[i];
        there += (double)o->estimate->source_difference[i] - (double)o->estimate->difference[i];
    }
    return there > 0 ? along / there : (double)NAN;
}

void ns_attribution_free(ns_attribution *o)
{
    if (!o)
        return;
    ns_patching_free(o->estimate);
    for (int i = 0; i < 3; i++)
        free(o->edge[i]);
    free(o->senders);
    free(o->patched);
    free(o->integral);
    free(o);
}
