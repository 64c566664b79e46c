/* roles.c - which tokens of a prompt two spans may share. Scores count tokens by the role of their span: masses over every mention, hits at
 * the needle against hits at the distractors, chance at the placebo. A token that played two parts in one number would count twice. */
#include <string.h>

#include <needlescope/case.h>

#include "case/case_internal.h"

/* A span's role is its name up to the first '.': needle_answer and needle_answer.0 are mentions of one. */
static bool is_role(const ns_span *span, const char *role, size_t n)
{
    return strncmp(span->name, role, n) == 0 && (!span->name[n] || span->name[n] == '.');
}

static bool is_one_of(const ns_span *span, const char *const *roles)
{
    while (*roles && !is_role(span, *roles, strlen(*roles)))
        roles++;
    return *roles != NULL;
}

static bool is_needle(const ns_span *span)
{
    return is_one_of(span, (const char *const[]){"needle", "needle_answer", NULL});
}

static bool is_contrast(const ns_span *span)
{
    return is_one_of(span, (const char *const[]){"distractor", "distractor_answer", "placebo", NULL});
}

/* Why the tokens of a may not be tokens of b; NULL: they may. */
static const char *conflict(const ns_span *a, const ns_span *b)
{
    if (is_role(a, b->name, strcspn(b->name, ".")))
        return "are mentions of one thing, whose tokens would count twice (give each mention its own tokens, or take one out)";
    if ((is_needle(a) && is_contrast(b)) || (is_contrast(a) && is_needle(b)))
        return "are the needle and what it is compared with, which a head cannot tell apart (put one elsewhere, or take it out)";
    return NULL;
}

static int check_pair(const ns_case *c, const ns_span *a, const ns_span *b, ns_error *err)
{
    const bool apart = a->end <= b->begin || b->end <= a->begin;
    const char *const why = apart ? NULL : conflict(a, b);
    if (!why)
        return NS_OK;
    return ns_fail(err, NS_E_ARG, "case '%.60s': spans '%.60s' [%lld, %lld) and '%.60s' [%lld, %lld) share tokens, but %s", c->id, a->name,
                   (long long)a->begin, (long long)a->end, b->name, (long long)b->begin, (long long)b->end, why);
}

/* Hits and masses are of as many tokens at every mention of the answer. */
static int check_lengths(const ns_case *c, ns_error *err)
{
    const ns_span *const first = ns_case_span(c, "needle_answer");
    int at = 0;
    for (const ns_span *span; first && (span = ns_case_mention(c, "needle_answer", &at));)
        if (span->end - span->begin != first->end - first->begin)
            return ns_fail(err, NS_E_ARG, "case '%.60s': span '%.60s' has %lld tokens, but 'needle_answer' has %lld (every mention "
                           "holds the whole answer: mark all of its tokens, or take it out)", c->id, span->name,
                           (long long)(span->end - span->begin), (long long)(first->end - first->begin));
    return NS_OK;
}

int ns_case_check_roles(const ns_case *c, ns_error *err)
{
    int rc = NS_OK;
    for (int i = 1; i < c->n_spans && rc == NS_OK; i++)
        for (int k = 0; k < i && rc == NS_OK; k++)
            rc = check_pair(c, &c->spans[k], &c->spans[i], err);
    return rc == NS_OK ? check_lengths(c, err) : rc;
}
