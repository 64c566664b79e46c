/* repeat.c - random tokens: repeated (BOS r r), the prompt on which an induction head shows itself, and its controls. One table row a
 * kind. */
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

enum { APART = 3 };            /* two copies in NS_REPEAT_DUPLICATE */

typedef struct draw {
    const ns_repeat_params *p;
    ns_rng  *rng;
    int32_t *out;              /* [2 * half] */
    int64_t  half, pair;       /* pair: where A stands first */
} draw;

typedef struct kind {
    const char *name;
    int  (*fill)(const draw *, ns_error *);
    int64_t least;             /* half, at least */
    bool    halves;            /* spans first, second */
} kind;

static void swap(int32_t *list, int64_t i, int64_t j)
{
    const int32_t kept = list[i];
    list[i] = list[j];
    list[j] = kept;
}

static void shuffle(int32_t *list, int64_t n, ns_rng *rng)
{
    for (int64_t i = n - 1; i > 0; i--)
        swap(list, i, ns_rng_below(rng, i + 1));
}

static int fill_repeat(const draw *d, ns_error *err)
{
    (void)err;
    for (int64_t i = 0; i < d->half; i++)
        d->out[i] = d->out[d->half + i] = (int32_t)(d->p->first_id + ns_rng_below(d->rng, d->p->vocab - d->p->first_id));
    return NS_OK;
}

/* Does any place keep its index, or any index its successor? */
static bool keeps_order(const int32_t *order, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (order[i] == i || (i > 0 && order[i] == order[i - 1] + 1))
            return true;
    return false;
}

/* About one order in e^2 keeps nothing, so a few draws do. */
static int fill_shuffled(const draw *d, ns_error *err)
{
    int32_t *const order = ns_alloc_array((size_t)d->half, sizeof *order);
    if (!order)
        return ns_oom(err, "the order of a shuffled repeat");
    const int rc = fill_repeat(d, err);
    for (int64_t i = 0; i < d->half; i++)
        order[i] = (int32_t)i;
    do
        shuffle(order, d->half, d->rng);
    while (keeps_order(order, d->half));
    for (int64_t i = 0; i < d->half; i++)
        d->out[d->half + i] = d->out[order[i]];
    free(order);
    return rc;
}

/* n distinct ids of [first_id, vocab) (Floyd's draw: id j, or the newest one where j is there already), in random order. */
static int draw_distinct(const draw *d, int64_t n, ns_error *err)
{
    const int64_t pool = d->p->vocab - d->p->first_id;
    if (n > pool)
        return ns_fail(err, NS_E_ARG, "repeat: %lld distinct tokens, but [%lld, %lld) has %lld (a shorter length)", (long long)n,
                       (long long)d->p->first_id, (long long)d->p->vocab, (long long)pool);
    uint8_t *const taken = ns_alloc_array((size_t)pool, 1);
    if (!taken)
        return ns_oom(err, "the vocabulary of a repeat");
    for (int64_t i = 0; i < n; i++) {
        int64_t id = ns_rng_below(d->rng, pool - n + i + 1);
        id = taken[id] ? pool - n + i : id;
        taken[id] = 1;
        d->out[i] = (int32_t)(d->p->first_id + id);
    }
    free(taken);
    shuffle(d->out, n, d->rng);
    return NS_OK;
}

static int fill_previous(const draw *d, ns_error *err)
{
    return draw_distinct(d, 2 * d->half, err);
}

/* Is place i's token said again within APART - 1 places? */
static bool crowded(const int32_t *list, int64_t n, int64_t i)
{
    for (int64_t j = i - APART + 1; j < i + APART; j++)
        if (j >= 0 && j < n && j != i && list[j] == list[i])
            return true;
    return false;
}

/* Crowded tokens change places with any other until there are none. */
static int fill_duplicate(const draw *d, ns_error *err)
{
    const int64_t n = 2 * d->half;
    const int rc = draw_distinct(d, d->half, err);
    if (rc != NS_OK)
        return rc;
    memcpy(d->out + d->half, d->out, (size_t)d->half * sizeof *d->out);
    shuffle(d->out, n, d->rng);
    for (bool again = true; again;) {
        again = false;
        for (int64_t i = 0; i < n; i++) {
            if (!crowded(d->out, n, i))
                continue;
            swap(d->out, i, ns_rng_below(d->rng, n));
            again = true;
        }
    }
    return NS_OK;
}

/* Where A stands first: a place of the second quarter, the same for the span as for the fill. */
static int64_t place_of_pair(const ns_repeat_params *p, int64_t half, int index)
{
    ns_rng rng = ns_rng_seed(p->seed, ((uint64_t)p->length << 20) + (uint64_t)index + 1 + ((uint64_t)1 << 63));
    return half / 2 + ns_rng_below(&rng, half - half / 2);
}

/* Any other token but A. */
static int32_t filler(const draw *d, int32_t a)
{
    const int64_t id = d->p->first_id + ns_rng_below(d->rng, d->p->vocab - d->p->first_id - 1);
    return (int32_t)(id + (id >= a));
}

static int fill_pair(const draw *d, ns_error *err)
{
    if (d->p->vocab - d->p->first_id < 2)
        return ns_fail(err, NS_E_ARG, "repeat: a pair is of two tokens, and [%lld, %lld) has one", (long long)d->p->first_id,
                       (long long)d->p->vocab);
    const int32_t a = (int32_t)(d->p->first_id + ns_rng_below(d->rng, d->p->vocab - d->p->first_id));
    for (int64_t i = 0; i < 2 * d->half; i++)
        d->out[i] = filler(d, a);
    d->out[d->pair] = d->out[2 * d->half - 1] = a;
    return NS_OK;
}

static const kind kinds[NS_REPEAT_KINDS] = {
    [NS_REPEAT] = {"repeat", fill_repeat, 1, true},
    [NS_REPEAT_SHUFFLED] = {"shuffled", fill_shuffled, 4, true},
    [NS_REPEAT_PREVIOUS] = {"previous", fill_previous, 1, false},
    [NS_REPEAT_DUPLICATE] = {"duplicate", fill_duplicate, 8, false},
    [NS_REPEAT_PAIR] = {"pair", fill_pair, 2, false},
};

const char *ns_repeat_kind_name(int i)
{
    return i >= 0 && i < NS_REPEAT_KINDS ? kinds[i].name : NULL;
}

static int set_meta(ns_case *c, const ns_repeat_params *p, int index, ns_error *err)
{
    const ns_cases one = {c, 1, 1};
    char ids[65];
    ns_cases_hash(&one, ids);
    c->meta = ns_printf_alloc("{\"length\": %lld, \"template\": \"%s\", \"seed\": %llu, \"index\": %d, \"first_id\": %lld, \"vocab\": "
                              "%lld, \"bos\": %d, \"ids_sha256\": \"%s\"}",
                              (long long)p->length, kinds[p->kind].name, (unsigned long long)p->seed, index, (long long)p->first_id,
                              (long long)p->vocab, (int)p->bos, ids);
    return c->meta ? NS_OK : ns_oom(err, "a repeat case");
}

static int make_case(ns_case *c, const ns_repeat_params *p, int64_t half, int index, ns_error *err)
{
    const kind *const how = &kinds[p->kind];
    const int64_t lead = p->bos >= 0;
    *c = (ns_case){.id = ns_printf_alloc("%s-s%llu-%lld-%d", how->name, (unsigned long long)p->seed, (long long)p->length, index),
                   .n_tokens = lead + 2 * half};
    c->tokens = ns_alloc_array((size_t)c->n_tokens, sizeof *c->tokens);
    if (!c->id || !c->tokens)
        return ns_oom(err, "a repeat case");
    ns_rng rng = ns_rng_seed(p->seed, ((uint64_t)p->length << 20) + (uint64_t)index + 1);
    if (lead)
        c->tokens[0] = p->bos;
    const int64_t pair = p->kind == NS_REPEAT_PAIR ? place_of_pair(p, half, index) : 0;
    int rc = how->fill(&(draw){p, &rng, c->tokens + lead, half, pair}, err);
    if (rc == NS_OK && p->kind == NS_REPEAT_PAIR)
        rc = ns_case_set_span(c, "a", lead + pair, lead + pair + 1, err);
    if (rc == NS_OK && p->kind == NS_REPEAT_PAIR)
        rc = ns_case_set_span(c, "b", lead + pair + 1, lead + pair + 2, err);
    if (rc == NS_OK && how->halves)
        rc = ns_case_set_span(c, "first", lead, lead + half, err);
    if (rc == NS_OK && how->halves)
        rc = ns_case_set_span(c, "second", lead + half, lead + 2 * half, err);
    return rc == NS_OK ? set_meta(c, p, index, err) : rc;
}

static int check_params(const ns_repeat_params *p, int64_t half, ns_error *err)
{
    if (p->kind < 0 || p->kind >= NS_REPEAT_KINDS)
        return ns_fail(err, NS_E_ARG, "repeat: unknown kind %d", (int)p->kind);
    if (half < 1 || p->length > (int64_t)1 << 31 || p->count < 0)
        return ns_fail(err, NS_E_ARG, "repeat: length %lld has no room for two copies of a token", (long long)p->length);
    if (half < kinds[p->kind].least)
        return ns_fail(err, NS_E_ARG, "repeat: length %lld is too short for kind %s, which takes %lld tokens behind the BOS",
                       (long long)p->length, kinds[p->kind].name, (long long)(2 * kinds[p->kind].least));
    if (p->first_id < 0 || p->vocab <= p->first_id || p->vocab > INT32_MAX || p->bos >= p->vocab)
        return ns_fail(err, NS_E_ARG, "repeat: ids [%lld, %lld) and BOS %d are not a vocabulary", (long long)p->first_id,
                       (long long)p->vocab, (int)p->bos);
    return NS_OK;
}

int ns_repeat_cases(ns_cases *cases, const ns_repeat_params *p, ns_error *err)
{
    ns_repeat_params params;
    int rc = ns_sized_copy(&params, sizeof params, p, "ns_repeat_params", err);
    if (rc != NS_OK)
        return rc;
    p = &params;
    const int64_t before = cases->n, half = (p->length - (p->bos >= 0)) / 2;
    const int count = p->count ? p->count : 1;
    rc = check_params(p, half, err);
    for (int i = 0; i < count && rc == NS_OK; i++) {
        ns_case c = {0};
        rc = make_case(&c, p, half, i, err);
        if (rc == NS_OK)
            rc = ns_cases_add(cases, &c, err);
        ns_case_clear(&c);
    }
    while (rc != NS_OK && cases->n > before)
        ns_case_clear(&cases->list[--cases->n]);
    return rc;
}
