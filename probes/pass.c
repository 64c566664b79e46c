/* pass.c - sessions gathered for one forward pass. */
#include "pass.h"

#include <stdlib.h>

void ns_pass_clear(ns_pass *p)
{
    while (p->n > 0)
        ns_session_free(p->list[--p->n]);
    free(p->list);
    p->list = NULL;
    p->leader = NULL;
    p->capacity = p->rows = 0;
}

int ns_pass_run(ns_pass *p, const ns_hooks *hooks, ns_error *err)
{
    ns_work *const work = p->work;
    const ns_forward_params params = {.size = sizeof params, .no_logits = true, .cancelled = work->cancelled, .user = work->user};
    const int rc = p->n ? ns_forward(p->model, p->list, p->n, hooks, &params, err) : NS_OK;
    work->done += p->rows;
    ns_pass_clear(p);
    if (rc == NS_OK && work->progress && work->total > 0)
        work->progress(work->user, work->done < work->total ? (double)work->done / (double)work->total : 1);
    return rc;
}

int ns_pass_run_full(ns_pass *p, const ns_hooks *hooks, ns_error *err)
{
    return p->rows >= NS_PASS_ROWS ? ns_pass_run(p, hooks, err) : NS_OK;
}

int ns_pass_add(ns_pass *p, ns_session *parent, const ns_case *c, int64_t from, int64_t to, int64_t case_index, ns_session **out,
                ns_error *err)
{
    ns_session *s = NULL;
    const ns_session_params params = {.size = sizeof params, .final_length = ns_case_length(c)};
    if (!ns_grow(&p->list, &p->capacity, p->n + 1, sizeof *p->list))
        return ns_oom(err, "sessions");
    int rc = parent ? ns_session_fork(&s, parent, from, err) : ns_session_new(&s, p->model, &params, err);
    if (rc != NS_OK)
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

ns_session *ns_pass_untouched(const ns_pass *p, const ns_session *parent, const ns_case *c, int64_t from, int64_t to)
{
    return p->leader_parent == parent && p->leader_case == c && p->leader_from == from && p->leader_to == to ? p->leader : NULL;
}

static int add_leader(ns_pass *p, ns_session *parent, const ns_case *c, int64_t from, int64_t to, ns_error *err)
{
    p->leader_parent = parent;
    p->leader_case = c;
    p->leader_from = from;
    p->leader_to = to;
    p->leader = NULL;
    return ns_pass_add(p, parent, c, from, to, -1, &p->leader, err);
}

/* An untouched session costs as much as it has rows; every other one of the pass's then saves the layers below first_layer. Twice what
 * it costs is asked for, since a pass may end before it is full. */
static bool pays(const ns_pass *p, int64_t rows, int64_t first_layer)
{
    return first_layer * NS_PASS_ROWS > 2 * ns_model_arch(p->model)->n_layers * rows;
}

int ns_pass_add_from(ns_pass *p, ns_session *parent, const ns_case *c, int64_t from, int64_t to, int64_t case_index, int64_t first_layer,
                     ns_error *err)
{
    ns_session *s = NULL;
    const bool here = ns_pass_untouched(p, parent, c, from, to) != NULL, follows = first_layer > 0 &&
        (here || pays(p, to - from, first_layer));
    int rc = follows && !here ? add_leader(p, parent, c, from, to, err) : NS_OK;
    if (rc == NS_OK)
        rc = ns_pass_add(p, parent, c, from, to, case_index, &s, err);
    return rc != NS_OK || !follows ? rc : ns_session_follow(s, p->leader, first_layer, err);
}

int64_t ns_first_layer(const ns_head *heads, int n)
{
    int64_t first = n ? heads[0].layer : 0;
    for (int i = 1; i < n; i++)
        first = heads[i].layer < first ? heads[i].layer : first;
    return first;
}
