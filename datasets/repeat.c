/* repeat.c - random tokens repeated, BOS r r: the prompt on which an induction head shows itself. */
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

static int make_case(ns_case *c, const ns_repeat_params *p, int64_t half, int index, ns_error *err)
{
    const int64_t lead = p->bos >= 0;
    *c = (ns_case){.id = ns_printf_alloc("repeat-s%llu-%lld-%d", (unsigned long long)p->seed, (long long)p->length, index),
                   .n_tokens = lead + 2 * half,
                   .meta = ns_printf_alloc("{\"length\": %lld, \"template\": \"repeat\", \"seed\": %llu, \"index\": %d}", (long long)p->length,
                                           (unsigned long long)p->seed, index)};
    c->tokens = ns_alloc_array((size_t)c->n_tokens, sizeof *c->tokens);
    if (!c->id || !c->meta || !c->tokens)
        return ns_oom(err, "a repeat case");
    ns_rng rng = ns_rng_seed(p->seed, ((uint64_t)p->length << 20) + (uint64_t)index + 1);
    if (lead)
        c->tokens[0] = p->bos;
    for (int64_t i = 0; i < half; i++)
        c->tokens[lead + i] = c->tokens[lead + half + i] = (int32_t)(p->first_id + ns_rng_below(&rng, p->vocab - p->first_id));
    const int rc = ns_case_set_span(c, "first", lead, lead + half, err);
    return rc == NS_OK ? ns_case_set_span(c, "second", lead + half, lead + 2 * half, err) : rc;
}

int ns_repeat_cases(ns_cases *cases, const ns_repeat_params *p, ns_error *err)
{
    const int64_t before = cases->n, half = (p->length - (p->bos >= 0)) / 2;
    const int count = p->count ? p->count : 1;
    if (p->size != sizeof *p)
        return ns_fail(err, NS_E_ARG, "repeat: params.size is %zu, expected %zu (set it to sizeof)", p->size, sizeof *p);
    if (half < 1 || p->length > (int64_t)1 << 31 || count < 0)
        return ns_fail(err, NS_E_ARG, "repeat: length %lld has no room for two copies of a token", (long long)p->length);
    if (p->first_id < 0 || p->vocab <= p->first_id || p->vocab > INT32_MAX || p->bos >= p->vocab)
        return ns_fail(err, NS_E_ARG, "repeat: ids [%lld, %lld) and BOS %d are not a vocabulary", (long long)p->first_id, (long long)p->vocab, (int)p->bos);
    int rc = NS_OK;
    for (int i = 0; i < count && rc == NS_OK; i++) {
        ns_case c = {0};
        rc = make_case(&c, p, half, i, err);
        if (rc == NS_OK)
            rc = ns_cases_add(cases, &c, err);
        ns_case_clear(&c);
    }
    while (rc < 0 && cases->n > before)
        ns_case_clear(&cases->list[--cases->n]);
    return rc;
}
