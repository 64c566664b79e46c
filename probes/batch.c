/* batch.c - cases to sessions: sorted by their tokens, cases that begin alike lie together; where a group's common prefix is worth it,
 * a trunk session computes it once and the members fork from its end. Sharing never changes a bit, so its rules are about cost only:
 *     a trunk saves MIN_SAVED rows at least;  a trunk's group has as many rows as a wave, since parents and children run in one;
 *     timelines of different rope classes never share, nor do those that somebody edits: an edit may be of one case. */
#include <stdlib.h>

#include "score.h"

enum { MIN_SAVED = 32, MAX_DEPTH = 256 };         /* a grid of one haystack is a chain of as many trunks as it has places */

typedef struct builder {
    ns_batch       *batch;
    const ns_model *model;
    ns_batch_case  *members;   /* sorted */
    int64_t         group_rows;
    ns_error       *err;
} builder;

int64_t ns_case_length(const ns_case *c)
{
    return c->n_tokens + (c->n_answer > 0 ? c->n_answer - 1 : 0);
}

static int32_t token(const ns_batch_case *m, int64_t i)
{
    return i < m->c->n_tokens ? m->c->tokens[i] : m->c->answer[i - m->c->n_tokens];
}

int64_t ns_batch_common(const ns_batch_case *a, const ns_batch_case *b)
{
    const int64_t n = a->length < b->length ? a->length : b->length;
    int64_t i = 0;
    while (i < n && token(a, i) == token(b, i))
        i++;
    return i;
}

static int by_tokens(const void *a, const void *b)
{
    const ns_batch_case *const x = a, *const y = b;
    if (x->rope_class != y->rope_class)
        return x->rope_class < y->rope_class ? -1 : 1;
    const int64_t same = ns_batch_common(x, y);
    if (same < x->length && same < y->length)
        return token(x, same) < token(y, same) ? -1 : 1;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

void ns_batch_sort(ns_batch_case *list, int64_t n)
{
    qsort(list, (size_t)n, sizeof *list, by_tokens);
}

/* A session over positions [from, to) of m, behind parent's first `from` (NULL: none); serves members [first, last). */
static int add_session(builder *b, ns_session *parent, int64_t from, const ns_batch_case *m, int64_t to, int64_t first, int64_t last,
                       ns_session **out)
{
    ns_session *s = NULL;
    const ns_session_params params = {.size = sizeof params, .final_length = m->length};
    if (!ns_grow(&b->batch->list, &b->batch->capacity, b->batch->n + 1, sizeof *b->batch->list))
        return ns_oom(b->err, "sessions");
    int rc = parent ? ns_session_fork(&s, parent, from, b->err) : ns_session_new(&s, b->model, &params, b->err);
    if (rc != NS_OK)
        return rc;
    b->batch->list[b->batch->n++] = s;
    const int64_t prompt = m->c->n_tokens, cut = to < prompt ? to : prompt;
    if (from < cut)
        rc = ns_session_append(s, m->c->tokens + from, cut - from, b->err);
    if (rc == NS_OK && to > prompt) {
        const int64_t start = from > prompt ? from - prompt : 0;
        rc = ns_session_append(s, m->c->answer + start, to - prompt - start, b->err);
    }
    for (int64_t i = first; i < last && rc == NS_OK; i++)
        rc = ns_session_add_case(s, b->members[i].c, b->members[i].index, b->err);
    if (rc != NS_OK)
        return ns_fail(b->err, rc, "case '%.100s': %s", m->c->id, b->err ? b->err->message : "");
    *out = s;
    return NS_OK;
}

static int add_leaf(builder *b, ns_session *parent, int64_t from, int64_t i)
{
    ns_session *unused;
    return add_session(b, parent, from, &b->members[i], b->members[i].length, i, i + 1, &unused);
}

/* End of the run of members from `first` that have the token at position `at` in common (all longer than `at`). */
static int64_t run_end(const builder *b, int64_t first, int64_t last, int64_t at)
{
    int64_t end = first + 1;
    while (end < last && b->members[end].rope_class == b->members[first].rope_class &&
           token(&b->members[end], at) == token(&b->members[first], at))
        end++;
    return end;
}

/* How many members from `first` on make a group of bearable size. */
static int64_t group_end(const builder *b, int64_t first, int64_t last)
{
    int64_t rows = b->members[first].length, end = first + 1;
    for (; end < last; end++) {
        rows += b->members[end].length - ns_batch_common(&b->members[end - 1], &b->members[end]);
        if (rows > b->group_rows)
            break;
    }
    return end;
}

static int build(builder *, int64_t first, int64_t last, ns_session *parent, int64_t from, int64_t at, int depth);

/* The members from `first` on that have a trunk in common, or the one that stands alone. */
static int64_t branch_end(const builder *b, int64_t first, int64_t last, const ns_session *parent, int64_t at, int depth)
{
    if (b->members[first].length == at || depth == MAX_DEPTH)
        return first + 1;
    const int64_t end = run_end(b, first, last, at);
    return parent ? end : group_end(b, first, end);
}

/* One that ends where its parent does needs no session: the parent has computed all of it. */
static int build_alone(builder *b, int64_t i, ns_session *parent, int64_t from, int64_t at)
{
    return parent && from == at && b->members[i].length == at ? NS_OK : add_leaf(b, parent, from, i);
}

static int build_branch(builder *b, int64_t first, int64_t end, ns_session *parent, int64_t from, int depth)
{
    const int64_t shared = ns_batch_common(&b->members[first], &b->members[end - 1]);
    const bool worth = (shared - from) * (end - first - 1) >= MIN_SAVED;
    ns_session *trunk = parent;
    const int rc = worth ? add_session(b, parent, from, &b->members[first], shared, first, end, &trunk) : NS_OK;
    return rc != NS_OK ? rc : build(b, first, end, trunk, worth ? shared : from, shared, depth + 1);
}

/* Sessions for members [first, last), which agree before `at`; parent holds the first `from` <= at positions. Who stands alone comes before
 * the branches: the last child takes over its parent's pages, and a chain of trunks holds those of one. */
static int build(builder *b, int64_t first, int64_t last, ns_session *parent, int64_t from, int64_t at, int depth)
{
    int rc = NS_OK;
    for (int branches = 0; branches < 2; branches++)
        for (int64_t i = first, end; i < last && rc == NS_OK; i = end) {
            end = branch_end(b, i, last, parent, at, depth);
            if ((end > i + 1) == branches)
                rc = branches ? build_branch(b, i, end, parent, from, depth) : build_alone(b, i, parent, from, at);
        }
    return rc;
}

int ns_batch_build(ns_batch *out, const ns_model *model, const ns_case *const *cases, const int64_t *index, int64_t n, bool share,
                   ns_error *err)
{
    const ns_arch *const arch = ns_model_arch(model);
    *out = (ns_batch){0};
    builder b = {.batch = out, .model = model, .err = err, .group_rows = ns_model_wave_rows(model)};
    b.members = ns_alloc_array((size_t)n, sizeof *b.members);
    if (!b.members)
        return ns_oom(err, "sessions");
    for (int64_t i = 0; i < n; i++) {
        const int64_t length = ns_case_length(cases[i]);
        b.members[i] = (ns_batch_case){cases[i], index[i], length, ns_arch_rope_class(arch, length)};
    }
    int rc = NS_OK;
    if (share) {
        ns_batch_sort(b.members, n);
        rc = build(&b, 0, n, NULL, 0, 0, 0);
    }
    for (int64_t i = 0; !share && i < n && rc == NS_OK; i++)
        rc = add_leaf(&b, NULL, 0, i);
    free(b.members);
    if (rc != NS_OK)
        ns_batch_clear(out);
    return rc;
}

/* Children before their parents. */
void ns_batch_clear(ns_batch *batch)
{
    while (batch->n > 0)
        ns_session_free(batch->list[--batch->n]);
    free(batch->list);
    *batch = (ns_batch){0};
}

typedef struct part { const ns_score_params *params; int64_t done, total; } part;

static void part_progress(void *user, double fraction)
{
    const part *const p = user;
    p->params->progress(p->params->user, ((double)p->done + fraction) / (double)p->total);
}

static bool part_cancelled(void *user)
{
    const part *const p = user;
    return p->params->cancelled(p->params->user);
}

void ns_count_rows(const ns_score_params *params, const ns_session *s, int64_t positions)
{
    if (!params->rows)
        return;
    params->rows->run += ns_session_rows_run(s);
    params->rows->of_cases += positions;
}

static void count_batch(const ns_score_params *params, const ns_batch *batch, const ns_case *const *cases, int64_t n)
{
    for (int64_t i = 0; i < batch->n; i++)
        ns_count_rows(params, batch->list[i], 0);
    for (int64_t i = 0; i < n && params->rows; i++)
        params->rows->of_cases += ns_case_length(cases[i]);
}

int ns_run_list(const ns_model *model, const ns_case *const *cases, const int64_t *index, int64_t n, const ns_hooks *hooks,
                const ns_score_params *params, ns_error *err)
{
    const int64_t step = params->one_at_a_time ? 1 : n;
    const bool share = !params->no_sharing && !ns_hooks_edits(hooks);
    part p = {params, 0, n / (step ? step : 1)};
    const ns_forward_params forward = {.size = sizeof forward, .no_logits = true, .progress = params->progress ? part_progress : NULL,
                                       .cancelled = params->cancelled ? part_cancelled : NULL, .user = &p};
    int rc = NS_OK;
    for (int64_t at = 0; at < n && rc == NS_OK; at += step, p.done++) {
        ns_batch batch;
        rc = ns_batch_build(&batch, model, cases + at, index + at, step, share, err);
        if (rc == NS_OK)
            rc = ns_forward(model, batch.list, batch.n, hooks, &forward, err);
        if (rc == NS_OK)
            count_batch(params, &batch, cases + at, step);
        ns_batch_clear(&batch);
    }
    return rc;
}

int ns_check_hook_rows(const ns_hook *list, int n, const ns_case *const *cases, int64_t n_cases, const ns_score_params *params,
                       ns_error *err)
{
    const ns_cases all = {.list = ns_alloc_array((size_t)n_cases, sizeof *all.list), .n = n_cases};
    int64_t lacking = 0;
    char line[160];
    for (int64_t i = 0; all.list && i < n_cases; i++)
        all.list[i] = *cases[i];
    const int rc = all.list ? ns_hooks_check_rows(list, n, &all, &lacking, err) : ns_oom(err, "a list of cases");
    snprintf(line, sizeof line, "%lld of %lld cases lack a row that a hook asks for: it sees those that are there", (long long)lacking,
             (long long)n_cases);
    if (rc == NS_OK && lacking && params->note)
        params->note(params->user, line);
    free(all.list);
    return rc;
}

int ns_run_cases(const ns_model *model, const ns_cases *cases, const ns_hooks *hooks, const ns_score_params *params, ns_error *err)
{
    static const ns_score_params defaults = {.size = sizeof defaults};
    const ns_score_params *const p = params ? params : &defaults;
    const ns_case **const list = ns_alloc_array((size_t)cases->n, sizeof *list);
    int64_t *const index = ns_alloc_array((size_t)cases->n, sizeof *index);
    int n_hooks, rc = list && index ? NS_OK : ns_oom(err, "a list of cases");
    const ns_hook *const own = ns_hooks_list(hooks, &n_hooks);
    for (int64_t i = 0; rc == NS_OK && i < cases->n; i++) {
        list[i] = &cases->list[i];
        index[i] = i;
    }
    rc = rc != NS_OK ? rc : ns_check_hook_rows(own, n_hooks, list, cases->n, p, err);
    rc = rc != NS_OK ? rc : ns_run_list(model, list, index, cases->n, hooks, p, err);
    free(list);
    free(index);
    return rc;
}
