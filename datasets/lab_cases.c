/* lab_cases.c - needle cases in the laboratory's language.
 * draw query and distance -> a sequence up to the query -> is its needle as the case wants it? (else draw again) -> spans.
 * Even cases plant the reserved entity once; odd ones wait for a sequence in which an entity that was mentioned twice or more, and as often
 * as another, has been silent long enough. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"

typedef struct draft {
    ns_lab_sequence s;               /* s.T = the query's position */
    int     count[NS_LAB_KEYS];      /* mentions of each entity */
    int64_t last[NS_LAB_KEYS];       /* -1: not mentioned */
    int     needle;                  /* entity */
    bool    often;
} draft;

static void count_mentions(draft *d)
{
    for (int e = 0; e < NS_LAB_KEYS; e++) {
        d->count[e] = 0;
        d->last[e] = -1;
    }
    for (int64_t i = 0; i < d->s.n_mentions; i++) {
        d->count[d->s.mentions[i].entity]++;
        d->last[d->s.mentions[i].entity] = d->s.mentions[i].at;
    }
}

static bool is_shared(const draft *d, int entity)
{
    for (int e = 0; e < NS_LAB_KEYS; e++)
        if (e != entity && d->count[e] == d->count[entity])
            return true;
    return false;
}

/* An entity mentioned twice or more, as often as another one, and not after `latest`; -1 if there is none. */
static int find_often(const draft *d, int64_t latest)
{
    for (int e = 0; e < NS_LAB_ENTITIES; e++)
        if (d->count[e] >= 2 && d->last[e] <= latest && is_shared(d, e))
            return e;
    return -1;
}

/* One try; false: the sequence has no needle of the kind. The shortest distance leaves the query outside a window of half the length. */
static bool try_draw(draft *d, const ns_lab_language *l, ns_rng *rng, int64_t T)
{
    const int64_t earliest = 3 * T / 4 - 2, query = earliest + ns_rng_below(rng, T - 2 - earliest + 1);
    const int64_t nearest = T / 2 + 2, distance = nearest + ns_rng_below(rng, query - 2 - nearest + 1);
    d->s.T = query;
    d->s.reserved_at = d->often ? -1 : query - distance;
    ns_lab_write(l, rng, &d->s);
    count_mentions(d);
    d->needle = d->often ? find_often(d, query - nearest) : NS_LAB_RESERVED;
    return d->needle >= 0 && d->s.n_mentions > d->count[d->needle];
}

static int draw(draft *d, const ns_lab_language *l, ns_rng *rng, int64_t T, ns_error *err)
{
    enum { TRIES = 1000000 };
    for (int i = 0; i < TRIES; i++)
        if (try_draw(d, l, rng, T))
            return NS_OK;
    return ns_fail(err, NS_E_ARG, "lab cases: no prompt of length %lld has an entity that was mentioned twice and then not for %lld tokens",
                   (long long)T, (long long)(T / 2 + 2));
}

static bool is_taken(const ns_case *c, int64_t t)
{
    int at = 0;
    bool taken = false;
    for (const ns_span *span; (span = ns_case_mention(c, "placebo", &at));)
        taken |= span->begin == t;
    return taken;
}

/* A filler token before another, as near as can be to a mention, and no placebo yet; -1 if there is none. */
static int64_t find_placebo(const ns_case *c, const draft *d, int64_t mention)
{
    int64_t best = -1;
    for (int64_t t = 0; t + 2 <= d->s.T; t++) {
        const bool filler = d->s.tokens[t] < NS_LAB_FILLERS && d->s.tokens[t + 1] < NS_LAB_FILLERS;
        if (filler && !is_taken(c, t) && (best < 0 || llabs(t - mention) < llabs(best - mention)))
            best = t;
    }
    return best;
}

/* As long as the answer, and one for each mention; number -1: the last one. */
static int set_placebo(ns_case *c, const draft *d, int number, int64_t mention, ns_error *err)
{
    char name[40];
    const int64_t at = find_placebo(c, d, mention);
    snprintf(name, sizeof name, number < 0 ? "placebo" : "placebo.%d", number);
    return at < 0 ? NS_OK : ns_case_set_span(c, name, at, at + 1, err);
}

static int set_mention(ns_case *c, const char *name, int number, int64_t at, ns_error *err)
{
    char whole[40], answer[40];
    snprintf(whole, sizeof whole, number < 0 ? "%s" : "%s.%d", name, number);
    snprintf(answer, sizeof answer, number < 0 ? "%s_answer" : "%s_answer.%d", name, number);
    const int rc = ns_case_set_span(c, whole, at, at + 2, err);
    return rc == NS_OK ? ns_case_set_span(c, answer, at + 1, at + 2, err) : rc;
}

static int set_spans(ns_case *c, const draft *d, ns_error *err)
{
    int earlier = 0, distractors = 0;
    int rc = set_mention(c, "needle", -1, d->last[d->needle], err);
    rc = rc != NS_OK ? rc : set_placebo(c, d, -1, d->last[d->needle], err);
    for (int64_t i = 0; i < d->s.n_mentions && rc == NS_OK; i++) {
        const ns_lab_mention m = d->s.mentions[i];
        if (m.entity != d->needle || m.at == d->last[d->needle])
            continue;
        rc = set_mention(c, "needle", earlier, m.at, err);
        rc = rc != NS_OK ? rc : set_placebo(c, d, earlier++, m.at, err);
    }
    for (int e = 0; e < NS_LAB_KEYS && rc == NS_OK; e++)
        if (e != d->needle && d->count[e])
            rc = set_mention(c, "distractor", distractors++, d->last[e], err);
    return rc == NS_OK ? ns_case_set_span(c, "query", c->n_tokens - 1, c->n_tokens, err) : rc;
}

static int make_case(ns_case *c, const draft *d, const ns_lab_cases_params *p, int64_t T, int index, ns_error *err)
{
    const int64_t query = d->s.T, distance = query - d->last[d->needle];
    char id[80];
    snprintf(id, sizeof id, "lab-s%llu-%lld-%d", (unsigned long long)p->seed, (long long)T, index);
    *c = (ns_case){.id = ns_printf_alloc("%s%s", id, p->swap ? "-swap" : ""), .n_tokens = query + 1, .n_answer = 1};
    c->tokens = ns_alloc_array((size_t)c->n_tokens, sizeof *c->tokens);
    c->answer = ns_alloc_array(1, sizeof *c->answer);
    c->twin_of = p->swap ? ns_strdup(id) : NULL;
    c->meta = ns_printf_alloc("{\"length\": %lld, \"depth\": %.6g, \"value_type\": \"token\", \"template\": \"%s\", \"distance\": %lld, "
                              "\"mentions\": %d, \"seed\": %llu, \"index\": %d}",
                              (long long)T, (double)d->last[d->needle] / (double)query, p->swap ? "swap" : d->often ? "often" : "once",
                              (long long)distance,
                              d->count[d->needle], (unsigned long long)p->seed, index);
    if (!c->id || !c->tokens || !c->answer || !c->meta || (p->swap && !c->twin_of))
        return ns_oom(err, "a lab case");
    memcpy(c->tokens, d->s.tokens, (size_t)query * sizeof *c->tokens);
    c->tokens[query] = d->s.key[d->needle];
    c->answer[0] = d->s.value[d->needle];
    return set_spans(c, d, err);
}

/* Asks for another entity of the prompt: any of the mentioned ones. */
static void swap_needle(draft *d, ns_rng *rng)
{
    int others[NS_LAB_KEYS], n = 0;
    for (int e = 0; e < NS_LAB_KEYS; e++)
        if (e != d->needle && d->count[e])
            others[n++] = e;
    d->needle = others[ns_rng_below(rng, n)];
}

static int add_case(ns_cases *cases, draft *d, const ns_lab_language *l, const ns_lab_cases_params *p, int64_t T, int index, ns_error *err)
{
    ns_case c = {0};
    ns_rng rng = ns_lab_stream(p->seed, NS_LAB_CASES, (T << 24) + index);
    d->often = index % 2 == 1;
    int rc = draw(d, l, &rng, T, err);
    if (rc == NS_OK && p->swap)
        swap_needle(d, &rng);
    if (rc == NS_OK)
        rc = make_case(&c, d, p, T, index, err);
    if (rc == NS_OK)
        rc = ns_cases_add(cases, &c, err);
    ns_case_clear(&c);
    return rc;
}

int ns_lab_cases(ns_cases *cases, const ns_lab_cases_params *p, ns_error *err)
{
    ns_lab_cases_params params;
    int rc = ns_sized_copy(&params, sizeof params, p, "ns_lab_cases_params", err);
    if (rc != NS_OK)
        return rc;
    p = &params;
    const int64_t T = p->length ? p->length : 64, before = cases->n;
    const int count = p->count ? p->count : 256;
    if (T < 32 || T > 1 << 20 || count < 1 || count >= 1 << 24)
        return ns_fail(err, NS_E_ARG, "lab cases: %d cases of length %lld (1 to 16777215; 32 to 1048576)", count, (long long)T);
    ns_lab_language language;
    ns_lab_language_make(&language);
    draft d = {.s = {.distinct = true}};
    d.s.tokens = ns_alloc_array((size_t)T, sizeof *d.s.tokens);
    d.s.mentions = ns_alloc_array((size_t)T / 2 + 2, sizeof *d.s.mentions);
    rc = d.s.tokens && d.s.mentions ? NS_OK : ns_oom(err, "lab cases");
    for (int i = 0; i < count && rc == NS_OK; i++)
        rc = add_case(cases, &d, &language, p, T, i, err);
    free(d.s.mentions);
    free(d.s.tokens);
    while (rc != NS_OK && cases->n > before)
        ns_case_clear(&cases->list[--cases->n]);
    return rc;
}
