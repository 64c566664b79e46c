/* session.c - one sequence's timeline: tokens, pages of keys and values, forks. */
#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

int ns_session_new(ns_session **out, const ns_model *m, const ns_session_params *params, ns_error *err)
{
    *out = NULL;
    ns_session *s = ns_alloc_array(1, sizeof *s);
    if (!s)
        return ns_oom(err, "session");
    s->model = m;
    s->argmax = -1;
    s->final_length = params ? params->final_length : 0;
    s->decode = params && params->decode;
    s->kv = ns_alloc_array((size_t)m->arch->n_layers, sizeof *s->kv);
    s->states = ns_alloc_array((size_t)m->arch->n_layers, sizeof *s->states);
    if (!s->kv || !s->states) {
        ns_session_free(s);
        return ns_oom(err, "session");
    }
    *out = s;
    return NS_OK;
}

void ns_session_free(ns_session *s)
{
    if (!s)
        return;
    for (int64_t l = 0; s->kv && l < s->model->arch->n_layers; l++)
        ns_kv_free(&s->kv[l]);
    for (int64_t l = 0; s->states && l < s->model->arch->n_layers; l++)
        ns_state_free(&s->states[l]);
    free(s->kv);
    free(s->states);
    free(s->tokens);
    free(s->served);
    free(s->logits);
    free(s->x);
    free(s);
}

int ns_session_append(ns_session *s, const int32_t *tokens, int64_t n, ns_error *err)
{
    const ns_arch *arch = s->model->arch;
    if (s->ran && !s->decode)
        return ns_fail(err, NS_E_ARG, "this session has run and kept no keys; open it with decode = true to go on");
    for (int64_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= arch->vocab)
            return ns_fail(err, NS_E_ARG, "token %lld is %d, outside the vocabulary of %lld: were the cases made for another model?",
                           (long long)(s->n_tokens + i), (int)tokens[i], (long long)arch->vocab);
    if (arch->max_positions && s->n_tokens + n > arch->max_positions)
        return ns_fail(err, NS_E_ARG, "%lld tokens exceed this model's %lld positions; use shorter cases", (long long)(s->n_tokens + n),
                       (long long)arch->max_positions);
    if (!ns_grow(&s->tokens, &s->capacity, s->n_tokens + n, sizeof *s->tokens))
        return ns_oom(err, "tokens");
    memcpy(s->tokens + s->n_tokens, tokens, (size_t)n * sizeof *tokens);
    s->n_tokens += n;
    return NS_OK;
}

/* The last position at or before `at` that every layer can go on from. */
static int64_t way_back(const ns_session *s, int64_t at)
{
    const ns_arch *const arch = s->model->arch;
    int64_t best = at;
    for (int64_t l = 0; l < arch->n_layers; l++)
        if (ns_layer_keeps(arch, l).kind & NS_STATE_SNAPSHOT) {
            const int64_t of_layer = ns_state_nearest(&s->states[l], best);
            if (of_layer < best) {
                best = of_layer;
                l = -1;                        /* the layers before it too */
            }
        }
    return best;
}

/* What a parent that has already computed the prefix keeps is shared now; a pending parent shares it layer by layer in the pass. */
static int share_now(ns_session *child, const ns_session *parent, int64_t at, ns_error *err)
{
    const ns_arch *arch = child->model->arch;
    const int64_t from = way_back(parent, at);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const ns_keeps keeps = ns_layer_keeps(arch, l);
        if (keeps.kind == NS_STATE_NONE)
            continue;
        if ((keeps.kind & NS_STATE_SNAPSHOT && !ns_state_fork(&child->states[l], &parent->states[l], &keeps, from, false)) ||
            !ns_kv_fork(&child->kv[l], &parent->kv[l], &keeps, keeps.kind & NS_STATE_PAGES ? from : 0, false))
            return ns_oom(err, "forked keys and values");
    }
    child->computed = from;
    child->shown = from < at ? at : 0;
    return NS_OK;
}

void ns_session_rewind(ns_session *s, int64_t at)
{
    const ns_arch *const arch = s->model->arch;
    const int64_t from = way_back(s, at);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const ns_keeps keeps = ns_layer_keeps(arch, l);
        ns_kv_truncate(&s->kv[l], from);
        if (keeps.kind & NS_STATE_SNAPSHOT)
            ns_state_rewind(&s->states[l], &keeps, from);
    }
    s->computed = from;
    s->shown = from < at && s->shown < at ? at : s->shown;
}

int ns_session_fork(ns_session **out, ns_session *parent, int64_t at, ns_error *err)
{
    *out = NULL;
    if (at < 0 || at > parent->n_tokens)
        return ns_fail(err, NS_E_ARG, "fork at %lld, beyond the parent's %lld tokens", (long long)at, (long long)parent->n_tokens);
    if (parent->ran && !parent->decode)
        return ns_fail(err, NS_E_ARG, "the parent has run and kept no keys; fork before the pass or open it with decode = true");
    ns_session_params params = {sizeof params, parent->final_length, parent->decode};
    int rc = ns_session_new(out, parent->model, &params, err);
    if (rc != NS_OK)
        return rc;
    ns_session *s = *out;
    if (!ns_grow(&s->tokens, &s->capacity, at, sizeof *s->tokens))
        rc = ns_oom(err, "tokens");
    else if (at)
        memcpy(s->tokens, parent->tokens, (size_t)at * sizeof *s->tokens);
    s->n_tokens = s->computed = at;
    s->fork_at = at;
    if (rc == NS_OK && at && at <= parent->computed && parent->decode && parent->ran)
        rc = share_now(s, parent, at, err);
    else
        s->parent = at ? parent : NULL;
    if (rc != NS_OK) {
        ns_session_free(s);
        *out = NULL;
    }
    return rc;
}

int ns_session_follow(ns_session *s, ns_session *leader, int64_t layer, ns_error *err)
{
    const int64_t L = s->model->arch->n_layers;
    if (layer < 0 || layer >= L)
        return ns_fail(err, NS_E_ARG, "a session cannot begin at layer %lld of %lld", (long long)layer, (long long)L);
    if (s == leader || s->decode || leader->decode || leader->leader || s->ran || leader->ran)
        return ns_fail(err, NS_E_ARG, "a session follows another that has not run, follows nobody itself, and keeps no keys");
    s->leader = layer ? leader : NULL;
    s->first_layer = layer;
    return NS_OK;
}

int ns_session_add_case(ns_session *s, const ns_case *c, int64_t case_index, ns_error *err)
{
    if (!ns_grow(&s->served, &s->served_capacity, s->n_served + 1, sizeof *s->served))
        return ns_oom(err, "cases of a session");
    s->served[s->n_served++] = (ns_served) { c, case_index, 0 };
    return NS_OK;
}

int64_t ns_session_length(const ns_session *s)
{
    return s->n_tokens;
}

int64_t ns_session_rows_run(const ns_session *s)
{
    return s->rows_run;
}

int ns_session_truncate(ns_session *s, int64_t n, ns_error *err)
{
    if (n < 0 || n > s->n_tokens || (s->ran && !s->decode))
        return ns_fail(err, NS_E_ARG, "cannot truncate a session of %lld tokens to %lld%s", (long long)s->n_tokens, (long long)n,
                       s->decode ? "" : " without decode = true");
    s->n_tokens = n;
    if (s->computed > n)
        ns_session_rewind(s, n);
    return NS_OK;
}

const float *ns_session_logits(const ns_session *s)
{
    return s->logits;
}

int32_t ns_session_argmax(const ns_session *s)
{
    return s->logits ? s->argmax : -1;
}
