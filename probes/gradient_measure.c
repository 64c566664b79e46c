/* gradient_measure.c - one text: seed at the end -> walked back -> a norm for each token.
 *
 * Without a soft-cap the sum over the vocabulary has the same derivative at every row, one constant vector: nothing of the vocabulary's
 * width goes back. With one the logits themselves are seeded. The largest logit is found by a pass of its own. */
#include "gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fill_rows(float *rows, int64_t n, int64_t width)
{
    const float share = 1.0f / (float)n;
    for (int64_t i = 0; i < width; i++)
        rows[i] *= share;
    for (int64_t r = 1; r < n; r++)
        memcpy(rows + r * width, rows, (size_t)width * sizeof *rows);
}

int ns_gradient_begin(ns_gradient_run *g)
{
    const bool capped = g->arch->logit_softcap > 0, sum = g->p->target == NS_TARGET_LOGIT_SUM;
    g->width = capped ? g->arch->vocab : g->arch->d_model;
    g->direction = ns_alloc_array((size_t)(g->out->last * g->width), sizeof *g->direction);
    if (!g->direction)
        return ns_oom(g->err, "seeds");
    if (capped)
        ns_point_format(NS_POINT_LOGITS, -1, g->at, sizeof g->at);
    if (!sum)
        return NS_OK;
    ns_logit_seed all = {.values = g->direction};
    int rc = capped ? NS_OK : ns_model_logit_seed(g->model, &all, g->err);
    for (int64_t i = 0; i < g->width && capped; i++)
        g->direction[i] = 1;
    if (!capped)
        memcpy(g->at, all.at, sizeof g->at);
    fill_rows(g->direction, g->out->last, g->width);
    return rc;
}

/* ---- the largest logit ---- */

static int add_logits(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    double *const sum = user;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t i = 0; i < v->shape[1]; i++)
            sum[i] += (double)*(const float *)ns_at(v, r, i, 0);
    return NS_OK;
}

static int session_of(const ns_gradient_run *g, const int32_t *tokens, int64_t n, ns_session **out)
{
    const ns_session_params params = {.size = sizeof params, .final_length = n};
    *out = NULL;
    const int rc = ns_session_new(out, g->model, &params, g->err);
    return rc != NS_OK ? rc : ns_session_append(*out, tokens, n, g->err);
}

static int sum_logits(const ns_gradient_run *g, const int32_t *tokens, int64_t n, double *sum)
{
    const ns_hook hook = {.size = sizeof hook, .at = "hook_logits", .rows = {.kind = NS_ROWS_LAST, .n = g->out->last}, .read = add_logits,
                          .user = sum};
    const ns_forward_params params = {.size = sizeof params, .no_logits = true, .cancelled = g->p->cancelled, .user = g->p->user};
    ns_session *s;
    ns_hooks *hooks = NULL;
    int rc = session_of(g, tokens, n, &s);
    rc = rc != NS_OK ? rc : ns_hooks_new(&hooks, g->arch, &hook, 1, g->err);
    rc = rc != NS_OK ? rc : ns_forward(g->model, &s, 1, hooks, &params, g->err);
    ns_hooks_free(hooks);
    ns_session_free(s);
    return rc;
}

/* Ties go to the lowest id. */
static int seed_largest(ns_gradient_run *g, const int32_t *tokens, int64_t n)
{
    double *const sum = ns_alloc_array((size_t)g->arch->vocab, sizeof *sum);
    int rc = sum ? sum_logits(g, tokens, n, sum) : ns_oom(g->err, "logits");
    int32_t best = 0;
    for (int64_t i = 1; i < g->arch->vocab && rc == NS_OK; i++)
        best = sum[i] > sum[best] ? (int32_t)i : best;
    free(sum);
    memset(g->direction, 0, (size_t)(g->out->last * g->width) * sizeof *g->direction);
    ns_logit_seed one = {.tokens = &best, .n = 1, .values = g->direction};
    if (rc == NS_OK && g->arch->logit_softcap > 0)
        g->direction[best] = 1;
    else if (rc == NS_OK && (rc = ns_model_logit_seed(g->model, &one, g->err)) == NS_OK)
        memcpy(g->at, one.at, sizeof g->at);
    fill_rows(g->direction, g->out->last, g->width);
    return rc;
}

/* ---- back ---- */

typedef struct taking { float *norm; int64_t n; } taking;        /* [n] by distance */

static int take_norms(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const taking *const t = user;
    for (int64_t r = 0; r < site->n_rows; r++) {
        double square = 0;
        for (int64_t i = 0; i < v->shape[1]; i++) {
            const double x = (double)*(const float *)ns_at(v, r, i, 0);
            square += x * x;
        }
        t->norm[t->n - 1 - (site->row0 + r)] = (float)sqrt(square);
    }
    return NS_OK;
}

static int walk(ns_gradient_run *g, const int32_t *tokens, int64_t n, float *norm)
{
    const ns_hook hook = {.size = sizeof hook, .at = "hook_embed", .read = take_norms, .user = &(taking){norm, n}};
    const ns_seed seed = {.size = sizeof seed, .at = g->at, .row0 = n - g->out->last, .n_rows = g->out->last, .width = g->width,
                          .values = g->direction};
    const ns_backward_params params = {.size = sizeof params, .cancelled = g->p->cancelled, .user = g->p->user, .walker = g->walker};
    ns_session *s;
    ns_hooks *hooks = NULL;
    int rc = session_of(g, tokens, n, &s);
    rc = rc != NS_OK ? rc : ns_hooks_new(&hooks, g->arch, &hook, 1, g->err);
    rc = rc != NS_OK ? rc : ns_backward(g->model, s, &seed, 1, hooks, &params, g->err);
    ns_hooks_free(hooks);
    ns_session_free(s);
    return rc;
}

/* The first token, which may be a BOS, stays. Each text has a stream of its own, by its tokens: what else is measured changes nothing. */
static void shuffle(int32_t *tokens, int64_t n, uint64_t seed)
{
    uint64_t stream = 1469598103934665603u;
    for (int64_t i = 0; i < n; i++)
        stream = (stream ^ (uint64_t)tokens[i]) * 1099511628211u;
    ns_rng rng = ns_rng_seed(seed, stream);
    for (int64_t i = n - 1; i > 1; i--) {
        const int64_t k = 1 + ns_rng_below(&rng, i);
        const int32_t t = tokens[i];
        tokens[i] = tokens[k];
        tokens[k] = t;
    }
}

int ns_gradient_text(ns_gradient_run *g, int64_t i, bool shuffled)
{
    const int64_t n = g->out->text_tokens[i];
    ns_gradient_curve *const to = shuffled ? &g->out->shuffled : &g->out->text;
    int32_t *const tokens = ns_alloc_array((size_t)n, sizeof *tokens);
    if (!tokens)
        return ns_oom(g->err, "a text");
    memcpy(tokens, g->texts[i]->tokens, (size_t)n * sizeof *tokens);
    if (shuffled)
        shuffle(tokens, n, g->p->seed);
    int rc = g->p->target == NS_TARGET_LOGIT_MAX ? seed_largest(g, tokens, n) : NS_OK;
    rc = rc != NS_OK ? rc : walk(g, tokens, n, to->norm + i * g->out->N);
    free(tokens);
    return rc;
}
