/* decode.c - cases that the model answers by itself: the prompt in one pass; the case's own answer in one more, as far as it is what greedy
 * decoding says; then a token a pass. What hooks see of a row comes before the token that it says; a case ends when its listener says
 * NS_STOP, after DECODE_STEPS tokens, or at the model's last position.
 *
 * One timeline goes through the cases in the order of their tokens: each begins where it parts from the one before it, which is where it
 * parts from all that came before. */
#include <stdlib.h>

#include "score.h"

enum { DECODE_STEPS = 50 };

typedef struct decoder {
    const ns_model        *model;
    const ns_decoding     *how;
    const ns_score_params *params;
    bool                   share;
    const ns_batch_case   *before, *now;        /* the case before, or NULL */
    ns_session            *s;                   /* that case's */
    ns_error              *err;
} decoder;

static int accepted(void *user, int64_t position, int32_t token)
{
    const decoder *const d = user;
    return d->how->token(d->how->user, d->now->index, position, token);
}

/* Positions of the case that are there already. Its last row is always its own; and what generating turned anew (phi3) is not shared. */
static int64_t shared(const decoder *d)
{
    const int64_t class_ = d->now->rope_class, n = d->now->c->n_tokens - 1;
    if (!d->share || !d->s || ns_arch_rope_class(ns_model_arch(d->model), ns_session_length(d->s)) != class_ ||
        d->before->rope_class != class_)
        return 0;
    const int64_t common = ns_batch_common(d->before, d->now), said = d->before->c->n_tokens;
    const int64_t there = common < said ? common : said;
    return there < n ? there : n;
}

static int next_session(decoder *d, int64_t from)
{
    const ns_session_params params = {.size = sizeof params, .decode = true};
    const ns_case *const c = d->now->c;
    ns_session *s = NULL;
    int rc = from ? ns_session_fork(&s, d->s, from, d->err) : ns_session_new(&s, d->model, &params, d->err);
    ns_session_free(d->s);
    d->s = s;
    if (rc == NS_OK)
        rc = ns_session_append(s, c->tokens + from, c->n_tokens - from, d->err);
    return rc != NS_OK ? rc : ns_session_add_case(s, c, d->now->index, d->err);
}

static int decode_case(decoder *d)
{
    const ns_case *const c = d->now->c;
    const int64_t most = ns_model_arch(d->model)->max_positions, left = most > 0 ? most - c->n_tokens : DECODE_STEPS;
    const int64_t steps = left < DECODE_STEPS ? left : DECODE_STEPS;
    const ns_generate_params generate = {.size = sizeof generate, .hooks = d->how->hooks, .accepted = accepted, .user = d,
                                         .gold = d->params->no_sharing ? NULL : c->answer,
                                         .n_gold = d->params->no_sharing ? 0 : c->n_answer};
    int32_t said[DECODE_STEPS];
    int64_t n_said = 0;
    int rc = next_session(d, shared(d));
    if (rc == NS_OK && steps > 0)
        rc = ns_generate(d->model, d->s, steps, &generate, said, &n_said, d->err);
    if (rc < 0)
        return ns_fail(d->err, rc, "case '%.100s': %s", c->id, d->err ? d->err->message : "");
    ns_count_rows(d->params, d->s, c->n_tokens + (n_said ? n_said - 1 : 0));
    return NS_OK;
}

static ns_batch_case *in_order(const ns_model *model, const ns_case *const *cases, int64_t n)
{
    ns_batch_case *const list = ns_alloc_array((size_t)n, sizeof *list);
    for (int64_t i = 0; list && i < n; i++)
        list[i] = (ns_batch_case){cases[i], i, ns_case_length(cases[i]), ns_arch_rope_class(ns_model_arch(model), cases[i]->n_tokens)};
    if (list)
        ns_batch_sort(list, n);
    return list;
}

int ns_decode_list(const ns_model *model, const ns_case *const *cases, int64_t n, const ns_decoding *how, const ns_score_params *params,
                   ns_error *err)
{
    ns_batch_case *const list = in_order(model, cases, n);
    const bool share = !params->no_sharing && !params->one_at_a_time && !params->n_hooks;      /* a hook of the caller's sees all rows */
    decoder d = {.model = model, .how = how, .params = params, .share = share, .err = err};
    int rc = list ? NS_OK : ns_oom(err, "a list of cases");
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        d.before = i ? &list[i - 1] : NULL;
        d.now = &list[i];
        rc = params->cancelled && params->cancelled(params->user) ? NS_STOP : decode_case(&d);
        if (rc == NS_OK && params->progress)
            params->progress(params->user, (double)(i + 1) / (double)n);
    }
    ns_session_free(d.s);
    free(list);
    return rc;
}
