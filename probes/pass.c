/* pass.c - sessions gathered for one forward pass. */
#include "pass.h"

#include <stdlib.h>

void ns_pass_clear(ns_pass *p)
{
    while (p->n > 0)
        ns_session_free(p->list[--p->n]);
    free(p->list);
    p->list = NULL;
    p->capacity = p->rows = 0;
}

int ns_pass_run(ns_pass *p, const ns_hooks *hooks, ns_error *err)
{
    const ns_forward_params params = {.size = sizeof params, .no_logits = true, .cancelled = p->cancelled, .user = p->user};
    const int rc = p->n ? ns_forward(p->model, p->list, p->n, hooks, &params, err) : NS_OK;
    ns_pass_clear(p);
    return rc;
}

int ns_pass_add(ns_pass *p, ns_session *parent, const ns_case *c, int64_t from, int64_t to, int64_t case_index, ns_session **out, ns_error *err)
{
    ns_session *s = NULL;
    const ns_session_params params = {.size = sizeof params, .final_length = ns_case_length(c)};
    if (!ns_grow(&p->list, &p->capacity, p->n + 1, sizeof *p->list))
        return ns_oom(err, "sessions");
    int rc = parent ? ns_session_fork(&s, parent, from, err) : ns_session_new(&s, p->model, &params, err);
    if (rc)
        return rc;
    p->list[p->n++] = s;
    p->rows += to - from;
    const int64_t cut = to < c->n_tokens ? to : c->n_tokens;
    if (from < cut)
        rc = ns_session_append(s, c->tokens + from, cut - from, err);
    if (rc == NS_OK && to > c->n_tokens)
        rc = ns_session_append(s, c->answer, to - c->n_tokens, err);
    if (rc == NS_OK && case_index >= 0)
        rc = ns_session_add_case(s, c, case_index, err);
    *out = s;
    return rc;
}
