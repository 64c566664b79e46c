/* patch_pairs.c - which cases are twins that can be patched into each other, in an order that forgets how they were given. */
#include "patch.h"

#include <stdlib.h>
#include <string.h>

#include "score.h"

/* Noising, the twins of one case have one destination: then by the source. */
static int by_destination(const void *a, const void *b)
{
    const ns_patch_pair *const x = a, *const y = b;
    const int order = ns_by_case(&x->to, &y->to);
    return order ? order : ns_by_case(&x->source, &y->source);
}

static const char *reason_to_drop(const ns_patch_run *r, const ns_case *a, const ns_case *b, char buffer[NS_REASON])
{
    if (!a)
        return "the case that it is a twin of is not there";
    if (a->n_answer <= a->n_lead || b->n_answer <= b->n_lead)
        return "no answer";
    if (a->n_lead != b->n_lead)
        return "an answer that begins another way than its twin's";
    if (a->answer[a->n_lead] == b->answer[b->n_lead])
        return "the first answer token of its twin: nothing tells the two apart";
    if (r->p->all_rows && a->n_tokens != b->n_tokens)
        return "another length than its twin: only the answer's rows correspond";
    const char *const unfit = ns_unfit(r->arch, a, buffer);
    return unfit ? unfit : ns_unfit(r->arch, b, buffer);
}

/* The first of that id; cases are in order. */
static const ns_case *case_called(const ns_case *const *cases, int64_t n, const char *id)
{
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t mid = (low + high) / 2;
        if (strcmp(cases[mid]->id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && strcmp(cases[low]->id, id) == 0 ? cases[low] : NULL;
}

static int choose_pair(ns_patch_run *r, const ns_case *original, const ns_case *twin, int64_t prompt)
{
    char buffer[NS_REASON];
    const char *const reason = reason_to_drop(r, original, twin, buffer);
    if (reason)
        return ns_drops_add(&r->drops, reason, twin->id, r->err);
    r->pairs[r->out->C++] = r->p->noising ? (ns_patch_pair){twin, original, prompt} : (ns_patch_pair){original, twin, prompt};
    return NS_OK;
}

/* Cases in the order of their ids, so that the order in which they were given is forgotten. */
static int choose_among(ns_patch_run *r, const ns_case **cases, int64_t n)
{
    int64_t twins = 0;
    ns_case_result *const of = ns_alloc_array((size_t)n, sizeof *of);
    int rc = of ? NS_OK : ns_oom(r->err, "pairs");
    qsort(cases, (size_t)n, sizeof *cases, ns_by_case);
    if (rc == NS_OK)
        ns_number_prompts(of, cases, n);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        if (cases[i]->twin_of) {
            twins++;
            rc = choose_pair(r, case_called(cases, n, cases[i]->twin_of), cases[i], of[i].prompt);
        }
    free(of);
    if (rc == NS_OK && twins == 0)
        rc = ns_fail(r->err, NS_E_ARG, "no case is a twin of another (twin_of): patching needs pairs, as `cases needle --twins swap` makes "
                                       "them");
    return rc == NS_OK && r->out->C == 0 ? ns_drops_fail(&r->drops, "pair", r->err) : rc;
}

static int choose_from(ns_patch_run *r, const ns_cases *cases)
{
    const ns_case **const sorted = ns_alloc_array((size_t)cases->n, sizeof *sorted);
    r->pairs = ns_alloc_array((size_t)cases->n + 1, sizeof *r->pairs);
    int rc = sorted && r->pairs ? NS_OK : ns_oom(r->err, "pairs");
    for (int64_t i = 0; i < cases->n && rc == NS_OK; i++)
        sorted[i] = &cases->list[i];
    if (rc == NS_OK)
        rc = choose_among(r, sorted, cases->n);
    if (rc == NS_OK)
        qsort(r->pairs, (size_t)r->out->C, sizeof *r->pairs, by_destination);
    free(sorted);
    return rc;
}

/* Over the sources, then the destinations. */
static int hash_pairs(ns_patch_run *r)
{
    const int64_t C = r->out->C;
    ns_cases all = {.n = 2 * C, .list = ns_alloc_array((size_t)(2 * C), sizeof *all.list)};
    if (!all.list)
        return ns_oom(r->err, "pairs");
    for (int64_t i = 0; i < C; i++) {
        all.list[i] = *r->pairs[i].source;
        all.list[C + i] = *r->pairs[i].to;
    }
    ns_cases_hash(&all, r->out->cases_sha256);
    free(all.list);
    return NS_OK;
}

int ns_patch_pairs(ns_patch_run *r, const ns_cases *cases)
{
    const int rc = choose_from(r, cases);
    return rc != NS_OK ? rc : hash_pairs(r);
}
