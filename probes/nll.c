/* nll.c - the passes: texts cut into windows, windows gathered until they fill a pass, logits to log p as they come. */
#include "nll.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/math.h"

enum { PASS_ROWS = 16384, USUAL_STRIDE = 1024, USUAL_SHORT = 4096 };

/* Tokens [begin, end) of a text; those from `from` on are scored. */
typedef struct window {
    const ns_nll_text *text;
    float *log_p;
    int64_t begin, end, from;
} window;

typedef struct scoring {
    const ns_model *model;
    const ns_nll_params *p;
    const ns_math *math;
    float *scratch;        /* [vocab, to whole lanes] */
    ns_session **sessions; /* of the pass that is gathered */
    window *windows;
    int64_t n, sessions_capacity, capacity, rows, done, total;
    bool late; /* the pass is of one window whose first tokens are not scored */
} scoring;

/* ---- log p ---- */

/* ln of exp(x[token]) / sum exp(x); the same bits on every CPU. */
static float log_p(scoring *s, const float *x, int64_t V, int32_t token)
{
    const int64_t whole = (V + 15) / 16 * 16;
    const float most = s->math->max(x, V);
    memcpy(s->scratch, x, (size_t)V * sizeof *x);
    for (int64_t i = V; i < whole; i++)
        s->scratch[i] = -INFINITY;
    return (float)((double)x[token] - (double)most - ns_log(s->math->exp_sum(s->scratch, whole, 0, most)));
}

static int see_logits(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    scoring *const s = user;
    const window *const w = &s->windows[site->session];
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t next = w->begin + site->row0 + r + 1;
        if (next >= w->from && next < w->end)
            w->log_p[next] = log_p(s, ns_at(v, r, 0, 0), v->shape[1], w->text->tokens[next]);
    }
    return NS_OK;
}

/* ---- passes ---- */

static void empty(scoring *s)
{
    while (s->n > 0)
        ns_session_free(s->sessions[--s->n]);
    s->rows = 0;
    s->late = false;
}

/* Of a late window logits are made for the rows that say its scored tokens alone. */
static int run(scoring *s, ns_error *err)
{
    const window *const last = s->n ? &s->windows[s->n - 1] : NULL;
    const ns_forward_params how = {.size = sizeof how, .no_logits = true, .cancelled = s->p->cancelled, .user = s->p->user};
    ns_hook hook = {.size = sizeof hook, .at = "hook_logits", .read = see_logits, .user = s};
    ns_hooks *hooks = NULL;
    if (!s->n)
        return NS_OK;
    if (s->late)
        hook.rows = (ns_rows){.kind = NS_ROWS_LAST, .n = last->end - last->from + 1};
    int rc = ns_hooks_new(&hooks, ns_model_arch(s->model), &hook, 1, err);
    rc = rc != NS_OK ? rc : ns_forward(s->model, s->sessions, s->n, hooks, &how, err);
    ns_hooks_free(hooks);
    s->done += s->rows;
    empty(s);
    if (rc == NS_OK && s->p->progress)
        s->p->progress(s->p->user, (double)s->done / (double)s->total);
    return rc;
}

static int add(scoring *s, window w, ns_error *err)
{
    const bool late = w.from > w.begin + 1;
    const ns_session_params how = {.size = sizeof how};
    int rc = s->n && (late || s->late || s->rows >= PASS_ROWS) ? run(s, err) : NS_OK;
    if (rc != NS_OK)
        return rc;
    if (!ns_grow(&s->sessions, &s->sessions_capacity, s->n + 1, sizeof *s->sessions) ||
        !ns_grow(&s->windows, &s->capacity, s->n + 1, sizeof *s->windows))
        return ns_oom(err, "texts");
    rc = ns_session_new(&s->sessions[s->n], s->model, &how, err);
    if (rc != NS_OK)
        return rc;
    s->windows[s->n] = w;
    s->late = late;
    s->rows += w.end - w.begin;
    rc = ns_session_append(s->sessions[s->n++], w.text->tokens + w.begin, w.end - w.begin, err);
    return rc == NS_OK ? rc : ns_fail(err, rc, "text '%.100s': %s", w.text->c->id, err ? err->message : "");
}

/* Window by window of context K: act on each. */
typedef int (*window_fn)(scoring *, window, ns_error *);

static int each_window(scoring *s, const ns_nll_text *t, float *out, int64_t K, int64_t S, window_fn act, ns_error *err)
{
    if (K == 0 || t->n <= K + S)
        return act(s, (window){t, out, 0, t->n, 1}, err);
    int rc = act(s, (window){t, out, 0, K + S, 1}, err);
    for (int64_t begin = S; begin + K < t->n && rc == NS_OK; begin += S)
        rc = act(s, (window){t, out, begin, begin + K + S < t->n ? begin + K + S : t->n, begin + K}, err);
    return rc;
}

static int count(scoring *s, window w, ns_error *err)
{
    (void)err;
    s->total += w.end - w.begin;
    return NS_OK;
}

static int each(scoring *s, const ns_nll *r, window_fn act, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < r->n && rc == NS_OK; i++) {
        const ns_nll_text *const t = &r->list[i];
        rc = each_window(s, t, t->log_p, r->context, r->stride, act, err);
        if (rc == NS_OK && t->log_p_short)
            rc = each_window(s, t, t->log_p_short, r->short_context, r->stride, act, err);
    }
    return rc;
}

static int score(ns_nll *r, const ns_model *model, const ns_nll_params *p, ns_error *err)
{
    const int64_t V = ns_model_arch(model)->vocab;
    scoring s = {.model = model, .p = p, .math = ns_math_select(NULL)};
    s.scratch = ns_alloc_aligned((size_t)(V + 16) * sizeof *s.scratch);
    int rc = s.scratch ? each(&s, r, count, err) : ns_oom(err, "logits");
    rc = rc != NS_OK ? rc : each(&s, r, add, err);
    rc = rc != NS_OK ? rc : run(&s, err);
    empty(&s);
    free(s.sessions);
    free(s.windows);
    free(s.scratch);
    return rc;
}

/* ---- the whole ---- */

bool ns_nll_characters(const ns_nll_params *p)
{
    return p->keys || p->make_keys;
}

static int make_room(ns_nll_text *t, bool second, ns_error *err)
{
    t->log_p = ns_alloc_array((size_t)t->n, sizeof *t->log_p);
    t->log_p_short = second ? ns_alloc_array((size_t)t->n, sizeof *t->log_p_short) : NULL;
    t->distance = ns_alloc_array((size_t)t->n, sizeof *t->distance);
    if (!t->log_p || !t->distance || (second && !t->log_p_short))
        return ns_oom(err, "losses");
    for (int64_t i = 0; i < t->n; i++) {
        t->log_p[i] = NAN;
        if (second)
            t->log_p_short[i] = NAN;
    }
    return ns_nll_distances(t->tokens, t->n, t->distance, err);
}

static int check(const ns_nll_params *p, ns_error *err)
{
    if (p->context < 0 || p->stride < 0 || p->short_context < 0)
        return ns_fail(err, NS_E_ARG, "windows of %lld, %lld and %lld tokens: at least 1", (long long)p->context, (long long)p->stride,
                       (long long)p->short_context);
    if (p->keys && p->make_keys)
        return ns_fail(err, NS_E_ARG, "key tokens are read (--keys) or found (--make-keys): one of them");
    if (p->context && p->make_keys)
        return ns_fail(err, NS_E_ARG, "key tokens are found in the whole text beside a short window: leave --context out");
    return NS_OK;
}

static int prepare(ns_nll *r, const ns_model *model, const ns_cases *cases, const ns_nll_params *p, ns_error *err)
{
    r->context = p->context;
    r->stride = p->stride ? p->stride : USUAL_STRIDE;
    r->short_context = p->short_context || !p->make_keys ? p->short_context : USUAL_SHORT;
    r->keys_read = p->keys != NULL;
    r->keys_found = p->make_keys != NULL;
    ns_cases_hash(cases, r->cases_sha256);
    r->list = ns_alloc_array((size_t)cases->n, sizeof *r->list);
    int rc = r->list ? ns_nll_texts(r, cases, p, err) : ns_oom(err, "texts");
    rc = rc == NS_OK && p->keys ? ns_nll_read_keys(r, p->keys, err) : rc;
    for (int64_t i = 0; i < r->n && rc == NS_OK; i++)
        rc = make_room(&r->list[i], r->short_context > 0, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_model(&r->made_with, model, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_cases(&r->made_with, cases, err);
    rc =
        rc == NS_OK && p->keys ? ns_fact_list_name_input(&r->made_with, "text", *r->keys_sha256 ? r->keys_sha256 : NULL, p->keys, err) : rc;
    return rc == NS_OK && p->make_keys ? ns_provenance_check_output(&r->made_with, p->make_keys, err) : rc;
}

int ns_nll_run(ns_nll **out, const ns_model *model, const ns_cases *cases, const ns_nll_params *params, ns_error *err)
{
    ns_nll_params p;
    *out = NULL;
    int rc = ns_sized_copy(&p, sizeof p, params, "ns_nll_params", err);
    rc = rc != NS_OK ? rc : check(&p, err);
    ns_nll *const r = rc == NS_OK ? ns_alloc_array(1, sizeof *r) : NULL;
    if (rc == NS_OK && !r)
        return ns_oom(err, "losses");
    rc = rc != NS_OK ? rc : prepare(r, model, cases, &p, err);
    rc = rc != NS_OK ? rc : score(r, model, &p, err);
    rc = rc == NS_OK && p.make_keys ? ns_nll_find_keys(r, err) : rc;
    rc = rc == NS_OK && p.make_keys ? ns_nll_write_keys(r, p.make_keys, err) : rc;
    if (rc == NS_OK)
        *out = r;
    else
        ns_nll_free(r);
    return rc;
}

void ns_nll_free(ns_nll *r)
{
    if (!r)
        return;
    for (int64_t i = 0; i < r->n; i++) {
        const ns_nll_text *const t = &r->list[i];
        free(t->tokens);
        free(t->log_p);
        free(t->log_p_short);
        free(t->key);
        free(t->distance);
        free(t->begin);
        free(t->end);
    }
    free(r->list);
    ns_fact_list_clear(&r->made_with);
    free(r);
}
