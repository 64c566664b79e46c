/* recall.c - multi-query associative recall (Arora et al. 2023, Zoology): k1 v1 k2 v2 ..., then the keys again in any order, each with its
 * value behind it, among random tokens. A case a query: what stands before it, with the earlier answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/math.h"
#include "needle_internal.h"

typedef struct drawing {
    int32_t *tokens;
    int64_t *key_at, *query_at;
    int64_t n, pairs;
} drawing;

/* Of the places 0 ... n - 1 one, drawn with a probability like (place + 1)^(a - 1), a = .01: near ones far more often. free: those left. */
static int64_t draw_place(ns_rng *rng, const bool *taken, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; i++)
        total += taken[i] ? 0 : ns_pow((double)(i + 1), -.99);
    double left = ns_rng_uniform(rng) * total;
    int64_t last = 0;
    for (int64_t i = 0; i < n; i++) {
        if (taken[i])
            continue;
        last = i;
        left -= ns_pow((double)(i + 1), -.99);
        if (left < 0)
            break;
    }
    return last;
}

static void swap(int32_t *list, int64_t i, int64_t j)
{
    const int32_t kept = list[i];
    list[i] = list[j];
    list[j] = kept;
}

/* Distinct keys from the lower half of the vocabulary, values from the upper half; the k-th pair's query at twice its place behind them. */
static int fill(drawing *d, ns_rng *rng, const ns_recall_params *p, int64_t bos, ns_error *err)
{
    const int64_t half = (p->vocab - p->first_id) / 2, places = (p->length - bos - 2 * d->pairs) / 2;
    int32_t *const keys = ns_alloc_array((size_t)half, sizeof *keys);
    bool *const taken = ns_alloc_array((size_t)places, sizeof *taken);
    int rc = keys && taken ? NS_OK : ns_oom(err, "recall");
    for (int64_t i = 0; i < half && rc == NS_OK; i++)
        keys[i] = (int32_t)(p->first_id + i);
    for (int64_t i = 0; i < d->n && rc == NS_OK; i++)
        d->tokens[i] = i < bos ? p->bos : (int32_t)(p->first_id + ns_rng_below(rng, p->vocab - p->first_id));
    for (int64_t k = 0; k < d->pairs && rc == NS_OK; k++) {
        swap(keys, k, k + ns_rng_below(rng, half - k));
        d->key_at[k] = bos + 2 * k;
        d->tokens[d->key_at[k]] = keys[k];
        d->tokens[d->key_at[k] + 1] = (int32_t)(p->first_id + half + ns_rng_below(rng, half));
        const int64_t place = draw_place(rng, taken, places);
        taken[place] = true;
        d->query_at[k] = bos + 2 * d->pairs + 2 * place;
        memcpy(d->tokens + d->query_at[k], d->tokens + d->key_at[k], 2 * sizeof *d->tokens);
    }
    free(keys);
    free(taken);
    return rc;
}

static int mark(ns_case *c, const drawing *d, int64_t k, ns_error *err)
{
    int rc = ns_case_set_span(c, "query", d->query_at[k], d->query_at[k] + 1, err);
    int distractor = 0;
    for (int64_t i = 0; i < d->pairs && rc == NS_OK; i++) {
        char name[2][40] = {"needle", "needle_answer"};
        if (i != k) {
            snprintf(name[0], sizeof name[0], "distractor.%d", distractor);
            snprintf(name[1], sizeof name[1], "distractor_answer.%d", distractor++);
        }
        rc = ns_case_set_span(c, name[0], d->key_at[i], d->key_at[i] + 2, err);
        rc = rc != NS_OK ? rc : ns_case_set_span(c, name[1], d->key_at[i] + 1, d->key_at[i] + 2, err);
    }
    return rc;
}

static int add_query(ns_cases *cases, const drawing *d, const ns_recall_params *p, int index, int64_t k, ns_error *err)
{
    ns_case c = {.n_tokens = d->query_at[k] + 1, .n_answer = 1};
    c.id = ns_printf_alloc("recall-s%llu-%lld-%lld-%d-%lld", (unsigned long long)p->seed, (long long)p->length, (long long)p->pairs, index,
                           (long long)k);
    c.tokens = ns_alloc_array((size_t)c.n_tokens, sizeof *c.tokens);
    c.answer = ns_alloc_array(1, sizeof *c.answer);
    c.meta = ns_printf_alloc("{\"task\": \"recall\", \"length\": %lld, \"pairs\": %lld, \"seed\": %llu, \"index\": %d, \"query\": %lld}",
                             (long long)p->length, (long long)p->pairs, (unsigned long long)p->seed, index, (long long)k);
    int rc = c.id && c.tokens && c.answer && c.meta ? NS_OK : ns_oom(err, "a case");
    if (rc == NS_OK) {
        memcpy(c.tokens, d->tokens, (size_t)c.n_tokens * sizeof *c.tokens);
        c.answer[0] = d->tokens[d->query_at[k] + 1];
        rc = mark(&c, d, k, err);
    }
    rc = rc != NS_OK ? rc : ns_cases_add(cases, &c, err);
    ns_case_clear(&c);
    return rc;
}

static int check(const ns_recall_params *p, int64_t bos, ns_error *err)
{
    if (p->pairs < 1 || p->length < bos + 4 * p->pairs)
        return ns_fail(err, NS_E_ARG, "recall: %lld pairs and as many queries take %lld tokens; length %lld is shorter",
                       (long long)p->pairs, (long long)(bos + 4 * p->pairs), (long long)p->length);
    if (p->first_id < 0 || p->vocab > INT32_MAX || (p->vocab - p->first_id) / 2 < p->pairs)
        return ns_fail(err, NS_E_ARG, "recall: ids %lld to %lld leave half of them for keys, fewer than %lld pairs", (long long)p->first_id,
                       (long long)p->vocab - 1, (long long)p->pairs);
    return NS_OK;
}

static int make(ns_cases *cases, const ns_recall_params *p, int index, int64_t bos, ns_error *err)
{
    char name[96];
    drawing d = {.n = p->length,
                 .pairs = p->pairs,
                 .tokens = ns_alloc_array((size_t)p->length, sizeof *d.tokens),
                 .key_at = ns_alloc_array((size_t)(2 * p->pairs), sizeof *d.key_at)};
    snprintf(name, sizeof name, "recall-%lld-%lld-%d", (long long)p->length, (long long)p->pairs, index);
    ns_rng rng = ns_rng_seed(p->seed, ns_stream_of(name));
    int rc = d.tokens && d.key_at ? NS_OK : ns_oom(err, "recall");
    d.query_at = rc == NS_OK ? d.key_at + p->pairs : NULL;
    rc = rc != NS_OK ? rc : fill(&d, &rng, p, bos, err);
    for (int64_t k = 0; k < p->pairs && rc == NS_OK; k++)
        rc = add_query(cases, &d, p, index, k, err);
    free(d.tokens);
    free(d.key_at);
    return rc;
}

int ns_recall_cases(ns_cases *cases, const ns_recall_params *params, ns_error *err)
{
    ns_recall_params p;
    int rc = ns_sized_copy(&p, sizeof p, params, "ns_recall_params", err);
    p.pairs = rc == NS_OK && !p.pairs ? 4 : p.pairs;
    const int64_t bos = p.bos >= 0, before = cases->n;
    rc = rc != NS_OK ? rc : check(&p, bos, err);
    for (int i = 0; i < (p.count ? p.count : 1) && rc == NS_OK; i++)
        rc = make(cases, &p, i, bos, err);
    while (rc != NS_OK && cases->n > before)
        ns_case_clear(&cases->list[--cases->n]);
    return rc;
}
