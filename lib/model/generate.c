/* generate.c - greedy decoding, and verification of a gold answer in one pass.
 *
 * The prompt runs but for its last token; then [last token + gold] runs without hooks, and the prefix on which argmax agrees is
 * accepted; the session is cut back and the accepted tokens run again, in one pass with the caller's hooks, which so see only settled rows,
 * those that they would see in a pass a token (a row's bits do not depend on the rows beside it). From the first disagreement on, one token
 * a pass. Where hooks edit, rows that ran without them settle nothing: every token has its own pass.
 *
 * longrope and dynamic rope choose their frequencies by the length of the pass, as transformers does: a prompt's rows by the prompt's
 * length, each token after it by the length it ends. So the tokens do not depend on how many are asked for, and a draft is fed only
 * where no frequency would change. Keys of earlier passes stay as they were rotated, but in phi3, which runs everything again once it
 * outgrows the short factors. */
#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct run_state {
    const ns_model *m;
    ns_session     *s;
    const ns_generate_params *p;
    int32_t        *out;
    int64_t         n, limit;
    bool            stopped;
} run_state;

static int64_t rope_class(const run_state *g, int64_t length)
{
    const int64_t chosen = g->s->final_length;
    return ns_arch_rope_class(g->m->arch, chosen > length ? chosen : length);
}

/* Phi3ForCausalLM.prepare_inputs_for_generation drops the cache where the length crosses into the long factors; no other family does. */
static bool starts_again(const run_state *g)
{
    const ns_session *const s = g->s;
    return strcmp(g->m->arch->family, "phi3") == 0 && s->computed > 0 && rope_class(g, s->computed) != rope_class(g, s->n_tokens);
}

/* Everything is pending again; rows that readers have seen are edited as before, and not shown twice. */
static int start_again(run_state *g, ns_error *err)
{
    const int64_t n = g->s->n_tokens, seen = g->s->computed;
    const int rc = ns_session_truncate(g->s, 0, err);
    if (rc != NS_OK)
        return rc;
    g->s->n_tokens = n;              /* the tokens are still there */
    g->s->shown = seen;
    return NS_OK;
}

static int pass(run_state *g, const ns_hooks *hooks, bool logits, ns_error *err)
{
    ns_forward_params params = {.size = sizeof params, .no_logits = !logits};
    const int rc = starts_again(g) ? start_again(g, err) : NS_OK;
    return rc != NS_OK ? rc : ns_forward(g->m, &g->s, 1, hooks, &params, err);
}

static bool stops(const run_state *g, int32_t token)
{
    bool stop = false;
    for (int i = 0; i < g->p->n_stop; i++)
        stop |= g->p->stop[i] == token;
    return stop;
}

static int accept(run_state *g, int64_t position, int32_t token)
{
    g->out[g->n++] = token;
    g->stopped |= stops(g, token);
    return g->p->accepted ? g->p->accepted(g->p->user, position, token) : NS_OK;
}

/* A token that was said, fed where there is more to say. */
static int say(run_state *g, int32_t token, ns_error *err)
{
    const int rc = accept(g, g->s->n_tokens, token);
    return rc == NS_OK && g->n < g->limit && !g->stopped ? ns_session_append(g->s, &token, 1, err) : rc;
}

typedef struct argmaxes { const ns_math *math; int64_t first; int32_t *token; } argmaxes;

static int see_logits(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    argmaxes *a = user;
    for (int64_t r = 0; r < site->n_rows; r++)
        a->token[site->row0 + r - a->first] = (int32_t)a->math->argmax(ns_at(v, r, 0, 0), v->shape[1]);
    return NS_OK;
}

/* Greedy tokens of all pending rows, in one pass. */
static int draft_argmax(run_state *g, int64_t first, int32_t *token, ns_error *err)
{
    argmaxes a = {g->m->engine->math, first, token};
    ns_hook hook = {.size = sizeof hook, .at = "hook_logits", .read = see_logits, .user = &a};
    ns_hooks *hooks;
    int64_t served = g->s->n_served;
    int rc = ns_hooks_new(&hooks, g->m->arch, &hook, 1, err);
    if (rc != NS_OK)
        return rc;
    g->s->n_served = 0;                        /* rows of the timeline, not of a case */
    rc = pass(g, hooks, false, err);
    g->s->n_served = served;
    ns_hooks_free(hooks);
    return rc;
}

/* How many gold tokens greedy decoding would say; the session is left with the last prompt token pending. */
static int verify(run_state *g, int64_t *agreed, ns_error *err)
{
    int64_t n_gold = g->p->n_gold < g->limit ? g->p->n_gold : g->limit, last = g->s->n_tokens - 1;
    int32_t pending = g->s->tokens[last];
    *agreed = 0;
    int32_t *token = ns_alloc_array((size_t)n_gold + 1, sizeof *token);
    if (!token)
        return ns_oom(err, "draft");
    int rc = ns_session_append(g->s, g->p->gold, n_gold, err);
    if (rc == NS_OK)
        rc = draft_argmax(g, last, token, err);
    while (rc == NS_OK && *agreed < n_gold && token[*agreed] == g->p->gold[*agreed] && !(*agreed && stops(g, token[*agreed - 1])))
        ++*agreed;
    free(token);
    if (rc == NS_OK)
        rc = ns_session_truncate(g->s, last, err);
    return rc != NS_OK ? rc : ns_session_append(g->s, &pending, 1, err);
}

/* The gold tokens that were found to be greedy's: their rows in one pass, each shown as the last of its own, and the row behind them where
 * there is more to say. A listener who ends it on the way finds the session as long as it would be. */
static int settle(run_state *g, int64_t agreed, ns_error *err)
{
    ns_session *const s = g->s;
    const int64_t first = s->n_tokens;
    const bool further = agreed < g->limit && !stops(g, g->p->gold[agreed - 1]);
    int rc = ns_session_append(s, g->p->gold, further ? agreed : agreed - 1, err);
    s->one_by_one = true;
    rc = rc != NS_OK ? rc : pass(g, g->p->hooks, further, err);
    s->one_by_one = false;
    const bool ran = rc == NS_OK;
    for (int64_t i = 0; i < agreed && rc == NS_OK; i++)
        rc = accept(g, first + i, g->p->gold[i]);
    if (ran && rc != NS_OK)
        return ns_session_truncate(s, first + g->n - 1, err) == NS_OK ? rc : NS_E_ARG;
    return rc == NS_OK && further ? say(g, s->argmax, err) : rc;
}

/* The rows of a draft are the rows of greedy decoding: no frequency changes from the prompt to the draft's last token, and nobody edits. */
static bool can_draft(const run_state *g)
{
    const int64_t n = g->s->n_tokens;
    return g->p->n_gold > 0 && rope_class(g, n - 1) == rope_class(g, n + g->p->n_gold) && !ns_hooks_edits(g->p->hooks);
}

static int start(run_state *g, ns_error *err)
{
    int32_t last = g->s->tokens[g->s->n_tokens - 1];
    if (g->s->computed == g->s->n_tokens)
        return ns_session_truncate(g->s, g->s->n_tokens - 1, err) ? NS_E_ARG : ns_session_append(g->s, &last, 1, err);
    if (g->s->computed + 1 == g->s->n_tokens || !can_draft(g))
        return NS_OK;
    int rc = ns_session_truncate(g->s, g->s->n_tokens - 1, err);
    g->s->ahead = 1;
    if (rc == NS_OK)
        rc = pass(g, g->p->hooks, false, err);
    g->s->ahead = 0;
    return rc != NS_OK ? rc : ns_session_append(g->s, &last, 1, err);
}

int ns_generate(const ns_model *m, ns_session *s, int64_t n, const ns_generate_params *params, int32_t *out, int64_t *n_out, ns_error *err)
{
    const ns_generate_params none = {.size = sizeof none};
    run_state g = {.m = m, .s = s, .p = params ? params : &none, .out = out, .limit = n};
    int64_t agreed = 0;
    *n_out = 0;
    if (!s->decode || s->n_tokens == 0)
        return ns_fail(err, NS_E_ARG, "generation needs a session with decode = true and a prompt");
    if (m->arch->max_positions && n > 0 && s->n_tokens > m->arch->max_positions - n + 1)      /* the last token takes no position */
        return ns_fail(err, NS_E_ARG, "%lld tokens behind a prompt of %lld are more than the model's %lld positions: it can say %lld",
                       (long long)n, (long long)s->n_tokens, (long long)m->arch->max_positions,
                       (long long)(m->arch->max_positions - s->n_tokens + 1));
    const bool draft = can_draft(&g);
    int rc = start(&g, err);
    if (rc == NS_OK && draft)
        rc = verify(&g, &agreed, err);
    if (rc == NS_OK && agreed)
        rc = settle(&g, agreed, err);
    while (rc == NS_OK && g.n < n && !g.stopped) {
        rc = pass(&g, g.p->hooks, true, err);
        if (rc == NS_OK)
            rc = say(&g, s->argmax, err);
    }
    *n_out = g.n;
    return rc;
}
