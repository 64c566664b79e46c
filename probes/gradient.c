/* gradient.c - an influence by distance from its parameters: texts -> norms of each, as it stands and shuffled -> curves. */
#include "gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "score.h"

const char *ns_gradient_target_name(ns_gradient_target target)
{
    return target == NS_TARGET_LOGIT_SUM ? "logit_sum" : "logit_max";
}

/* ---- what is asked for ---- */

static void add_window(ns_gradient *o, int64_t window)
{
    int64_t at = 0;
    while (at < o->n_windows && o->windows[at] < window)
        at++;
    if (window <= 0 || (at < o->n_windows && o->windows[at] == window))
        return;
    memmove(o->windows + at + 1, o->windows + at, (size_t)(o->n_windows - at) * sizeof *o->windows);
    o->windows[at] = window;
    o->n_windows++;
}

static int find_windows(ns_gradient_run *g)
{
    ns_gradient *const o = g->out;
    o->windows = ns_alloc_array((size_t)(g->arch->n_layers * ns_arch_max_heads(g->arch)) + 1, sizeof *o->windows);
    for (int64_t l = 0; l < g->arch->n_layers && o->windows; l++) {
        const ns_attn *const attn = ns_arch_attn(g->arch, l);
        for (int64_t h = 0; attn && h < attn->n_heads; h++)
            add_window(o, ns_attn_window(attn, h));
    }
    const int64_t widest = o->n_windows ? o->windows[o->n_windows - 1] : 0;
    o->window = g->p->window > 0 ? g->p->window : g->p->window < 0 ? 0 : widest;
    return o->windows ? NS_OK : ns_oom(g->err, "windows");
}

static int check_text(const ns_gradient *g, const ns_case *c, int64_t n, ns_error *err)
{
    if (n <= g->last)
        return ns_fail(err, NS_E_ARG, "text '%.60s' has %lld token%s: more than the %lld rows that are averaged (--last) are needed", c->id,
                       (long long)n, ns_plural(n), (long long)g->last);
    if (n <= g->window)
        return ns_fail(err, NS_E_ARG, "text '%.60s' has %lld tokens and none beyond the window of %lld: give longer texts, or --window",
                       c->id, (long long)n, (long long)g->window);
    return NS_OK;
}

static int take_texts(ns_gradient_run *g, const ns_cases *texts)
{
    ns_gradient *const o = g->out;
    o->C = texts->n;
    g->texts = ns_alloc_array((size_t)o->C + 1, sizeof *g->texts);
    o->text_id = ns_alloc_array((size_t)o->C + 1, sizeof *o->text_id);
    o->text_tokens = ns_alloc_array((size_t)o->C + 1, sizeof *o->text_tokens);
    if (!g->texts || !o->text_id || !o->text_tokens)
        return ns_oom(g->err, "texts");
    if (o->C == 0)
        return ns_fail(g->err, NS_E_ARG, "there are no texts");
    for (int64_t i = 0; i < o->C; i++)
        g->texts[i] = &texts->list[i];
    qsort(g->texts, (size_t)o->C, sizeof *g->texts, ns_by_case);
    int rc = NS_OK;
    for (int64_t i = 0; i < o->C && rc == NS_OK; i++) {
        const int64_t n = g->texts[i]->n_tokens;
        o->text_tokens[i] = n < o->length ? n : o->length;
        o->N = o->text_tokens[i] > o->N ? o->text_tokens[i] : o->N;
        o->text_id[i] = ns_strdup(g->texts[i]->id);
        rc = o->text_id[i] ? check_text(o, g->texts[i], o->text_tokens[i], g->err) : ns_oom(g->err, "texts");
    }
    return rc;
}

/* ---- room ---- */

/* 0, 1, 2 ... 8, then four bins an octave. */
static int make_bins(ns_gradient *o, ns_error *err)
{
    int64_t capacity = 0;
    for (int64_t d = 0; d < o->N; o->B++) {
        if (!ns_grow(&o->bin, &capacity, o->B + 2, sizeof *o->bin))
            return ns_oom(err, "bins");
        o->bin[o->B] = d;
        d = d < 8 ? d + 1 : (int64_t)floor((double)d * 1.189207115 + .5);
        d = d < o->N ? d : o->N;
        o->bin[o->B + 1] = d;
    }
    return NS_OK;
}

static bool allocate_curve(const ns_gradient *o, ns_gradient_curve *c)
{
    c->norm = ns_alloc_array((size_t)(o->C * o->N), sizeof *c->norm);
    c->sum = ns_alloc_array((size_t)o->N, sizeof *c->sum);
    c->mean = ns_alloc_array((size_t)o->N, sizeof *c->mean);
    c->binned = ns_alloc_array((size_t)o->B, sizeof *c->binned);
    c->relative = o->window ? ns_alloc_array((size_t)o->N, sizeof *c->relative) : NULL;
    c->binned_relative = o->window ? ns_alloc_array((size_t)o->B, sizeof *c->binned_relative) : NULL;
    for (int64_t i = 0; c->norm && i < o->C * o->N; i++)
        c->norm[i] = NAN;
    return c->norm && c->sum && c->mean && c->binned && (!o->window || (c->relative && c->binned_relative));
}

static int allocate(ns_gradient_run *g)
{
    ns_gradient *const o = g->out;
    int rc = make_bins(o, g->err);
    o->count = ns_alloc_array((size_t)o->N, sizeof *o->count);
    const bool good = rc == NS_OK && o->count && allocate_curve(o, &o->text) && (!o->has_baseline || allocate_curve(o, &o->shuffled));
    for (int64_t i = 0; i < o->C && good; i++)
        for (int64_t d = 0; d < o->text_tokens[i]; d++)
            o->count[d]++;
    return good ? NS_OK : rc != NS_OK ? rc : ns_oom(g->err, "norms of texts");
}

/* ---- the whole ---- */

static int measure(ns_gradient_run *g)
{
    const int passes = g->out->has_baseline ? 2 : 1;
    int rc = ns_walker_new(&g->walker, g->model, g->err);
    rc = rc != NS_OK ? rc : ns_gradient_begin(g);
    for (int64_t i = 0; i < g->out->C * passes && rc == NS_OK; i++) {
        rc = ns_gradient_text(g, i / passes, i % passes == 1);
        if (g->p->progress)
            g->p->progress(g->p->user, (double)(i + 1) / (double)(g->out->C * passes));
    }
    return rc;
}

static int run(ns_gradient_run *g, const ns_cases *texts)
{
    ns_gradient *const o = g->out;
    int rc = find_windows(g);
    rc = rc != NS_OK ? rc : take_texts(g, texts);
    rc = rc != NS_OK ? rc : allocate(g);
    rc = rc != NS_OK ? rc : measure(g);
    rc = rc != NS_OK ? rc : ns_gradient_reduce(o, &o->text, g->p->resamples, g->err);
    rc = rc != NS_OK || !o->has_baseline ? rc : ns_gradient_reduce(o, &o->shuffled, g->p->resamples, g->err);
    rc = rc != NS_OK ? rc : ns_provenance_of_model(&o->made_with, g->model, g->err);
    return rc != NS_OK ? rc : ns_provenance_of_cases(&o->made_with, texts, g->err);
}

int ns_gradient_of(ns_gradient **out, const ns_model *model, const ns_cases *texts, const ns_gradient_params *given, ns_error *err)
{
    ns_gradient_params p;
    *out = NULL;
    int rc = ns_sized_copy(&p, sizeof p, given, "ns_gradient_params", err);
    ns_gradient *const o = rc == NS_OK ? ns_alloc_array(1, sizeof *o) : NULL;
    if (!o)
        return rc != NS_OK ? rc : ns_oom(err, "an influence");
    *o = (ns_gradient){.target = p.target, .last = p.last > 0 ? p.last : 20, .length = p.length > 0 ? p.length : 8192, .seed = p.seed,
                       .has_baseline = !p.no_baseline};
    ns_cases_hash(texts, o->texts_sha256);
    ns_gradient_run g = {.model = model, .arch = ns_model_arch(model), .p = &p, .out = o, .err = err};
    rc = run(&g, texts);
    ns_walker_free(g.walker);
    free(g.direction);
    free(g.texts);
    if (rc != NS_OK)
        ns_gradient_free(o);
    else
        *out = o;
    return rc;
}

static void free_curve(ns_gradient_curve *c)
{
    free(c->norm);
    free(c->sum);
    free(c->mean);
    free(c->relative);
    free(c->binned);
    free(c->binned_relative);
}

void ns_gradient_free(ns_gradient *o)
{
    if (!o)
        return;
    ns_free_strings(o->text_id, o->C);
    free(o->text_tokens);
    free(o->windows);
    free(o->count);
    free(o->bin);
    free_curve(&o->text);
    free_curve(&o->shuffled);
    ns_fact_list_clear(&o->made_with);
    free(o);
}
