/* nll_tell.c - losses as an answer: over all texts, by text, by position, by how far back a token was said last, by span; LongPPL. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nll.h"
#include "training/telling.h"

enum { BINS = 48, MOST_SPANS = 64, NAME = 64 };

typedef struct sum {
    double loss, loss_short;
    int64_t n;
} sum;

static void count(sum *s, const ns_nll_text *t, int64_t i)
{
    s->loss -= (double)t->log_p[i];
    s->loss_short -= t->log_p_short ? (double)t->log_p_short[i] : (double)NAN;
    s->n++;
}

static double mean(double loss, int64_t n)
{
    return n ? loss / (double)n : (double)NAN;
}

static sum of_text(const ns_nll_text *t, bool keys)
{
    sum s = {0};
    for (int64_t i = 1; i < t->n; i++)
        if (!keys || (t->key && t->key[i]))
            count(&s, t, i);
    return s;
}

double ns_nll_longppl(const ns_nll *r, int64_t *n_keys)
{
    sum all = {0};
    for (int64_t k = 0; k < r->n; k++) {
        const sum s = of_text(&r->list[k], true);
        all.loss += s.loss;
        all.n += s.n;
    }
    if (n_keys)
        *n_keys = all.n;
    return exp(mean(all.loss, all.n));
}

/* ---- distances ---- */

typedef struct pair {
    int32_t before, token;
    int64_t at;
} pair;

static int by_pair(const void *a, const void *b)
{
    const pair *const x = a, *const y = b;
    if (x->before != y->before)
        return x->before < y->before ? -1 : 1;
    if (x->token != y->token)
        return x->token < y->token ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

int ns_nll_distances(const int32_t *tokens, int64_t n, int64_t *distance, ns_error *err)
{
    pair *const list = ns_alloc_array((size_t)n, sizeof *list);
    if (!list)
        return ns_oom(err, "distances");
    for (int64_t i = 0; i < n; i++) {
        distance[i] = 0;
        list[i] = (pair){i ? tokens[i - 1] : -1, tokens[i], i};
    }
    qsort(list, (size_t)n, sizeof *list, by_pair);
    for (int64_t i = 1; i < n; i++)
        if (list[i].before == list[i - 1].before && list[i].token == list[i - 1].token)
            distance[list[i].at] = list[i].at - list[i - 1].at;
    free(list);
    return NS_OK;
}

/* ---- tables ---- */

static int bin_of(int64_t value) /* 0: 0; k: 2^(k-1) up to 2^k */
{
    int k = 0;
    while (k + 1 < BINS && value >> k)
        k++;
    return k;
}

/* Losses in the short context are for who asked for them. */
static void tell_one(const ns_answer *a, const ns_nll *r, const sum *s)
{
    tell_integer(a, s->n);
    tell_number(a, mean(s->loss, s->n));
    if (r->short_context)
        tell_number(a, mean(s->loss_short, s->n));
}

#define SUM_COLUMNS                                                                                                                        \
    {"n", "tokens", NS_CELL_INT}, {"loss", "loss", NS_CELL_NUMBER},                                                                        \
    {                                                                                                                                      \
        "loss_short", "short", NS_CELL_NUMBER                                                                                              \
    }

static void begin_sums(const ns_answer *a, const ns_nll *r, const char *key, const char *title, const ns_column *columns, int n)
{
    a->table(a->user, key, title, columns, r->short_context ? n : n - 1);
}

static void tell_bins(const ns_answer *a, const ns_nll *r, const sum *bins, const char *key, const char *title, const char *none)
{
    const ns_column columns[] = {{"from", "from", NS_CELL_INT}, {"to", "below", NS_CELL_INT}, SUM_COLUMNS};
    begin_sums(a, r, key, title, columns, 5);
    for (int k = 0; k < BINS; k++) {
        if (!bins[k].n || (k == 0 && !none))
            continue;
        tell_integer(a, k ? (int64_t)1 << (k - 1) : 0);
        tell_integer(a, k ? (int64_t)1 << k : 1);
        tell_one(a, r, &bins[k]);
    }
    a->end(a->user);
}

static void tell_positions(const ns_answer *a, const ns_nll *r)
{
    sum bins[BINS] = {{0}};
    for (int64_t k = 0; k < r->n; k++)
        for (int64_t i = 1; i < r->list[k].n; i++)
            count(&bins[bin_of(i)], &r->list[k], i);
    tell_bins(a, r, bins, "positions", "By position", NULL);
}

static void tell_distances(const ns_answer *a, const ns_nll *r)
{
    sum bins[BINS] = {{0}};
    for (int64_t k = 0; k < r->n; k++) {
        const ns_nll_text *const t = &r->list[k];
        for (int64_t i = 1; i < t->n; i++)
            count(&bins[bin_of(t->distance[i])], t, i);
    }
    tell_bins(a, r, bins, "distances", "By distance to where this token was last said behind the same one (0: nowhere)", "nowhere");
}

typedef struct named {
    char name[NAME];
    sum sum;
} named;

/* distractor.0 and distractor.1 are distractors. */
static sum *span_of(named *all, int *n, const char *name)
{
    const int length = (int)strcspn(name, ".");
    for (int i = 0; i < *n; i++)
        if ((int)strlen(all[i].name) == length && strncmp(all[i].name, name, (size_t)length) == 0)
            return &all[i].sum;
    if (*n == MOST_SPANS || length >= NAME)
        return NULL;
    snprintf(all[*n].name, NAME, "%.*s", length, name);
    return &all[(*n)++].sum;
}

static void add_span(named *all, int *n, const ns_nll_text *t, const char *name, int64_t begin, int64_t end)
{
    sum *const s = span_of(all, n, name);
    for (int64_t i = begin > 1 ? begin : 1; s && i < end && i < t->n; i++)
        count(s, t, i);
}

static void tell_spans(const ns_answer *a, const ns_nll *r)
{
    const ns_column columns[] = {{"span", "span", NS_CELL_TEXT}, SUM_COLUMNS};
    named all[MOST_SPANS] = {{{0}, {0}}};
    int n = 0;
    for (int64_t k = 0; k < r->n; k++) {
        const ns_nll_text *const t = &r->list[k];
        for (int i = 0; i < t->c->n_spans && t->shift >= 0; i++)
            add_span(all, &n, t, t->c->spans[i].name, t->c->spans[i].begin - t->shift, t->c->spans[i].end - t->shift);
        if (t->c->n_answer)
            add_span(all, &n, t, "answer", t->c->n_tokens, t->n);
    }
    begin_sums(a, r, "spans", "By span", columns, 4);
    for (int i = 0; i < n; i++) {
        tell_text(a, all[i].name);
        tell_one(a, r, &all[i].sum);
    }
    a->end(a->user);
}

static void tell_texts(const ns_answer *a, const ns_nll *r)
{
    const ns_column columns[] = {{"id", "text", NS_CELL_TEXT},
                                 {"n_keys", "keys", NS_CELL_INT},
                                 {"longppl", "LongPPL", NS_CELL_NUMBER},
                                 {"ppl", "PPL", NS_CELL_NUMBER},
                                 SUM_COLUMNS};
    begin_sums(a, r, "texts", "Texts", columns, 7);
    for (int64_t k = 0; k < r->n; k++) {
        const sum all = of_text(&r->list[k], false), keys = of_text(&r->list[k], true);
        tell_text(a, r->list[k].c->id);
        tell_integer(a, keys.n);
        tell_number(a, exp(mean(keys.loss, keys.n)));
        tell_number(a, exp(mean(all.loss, all.n)));
        tell_one(a, r, &all);
    }
    a->end(a->user);
}

static void tell_tokens(const ns_answer *a, const ns_nll *r)
{
    static const ns_column columns[] = {
        {"text", "text", NS_CELL_TEXT},     {"position", "position", NS_CELL_INT},    {"token", "token", NS_CELL_INT},
        {"log_p", "log p", NS_CELL_NUMBER}, {"log_p_short", "short", NS_CELL_NUMBER}, {"distance", "distance", NS_CELL_INT},
        {"key", "key", NS_CELL_INT}};
    TELL_TABLE(a, "tokens", "Tokens", columns);
    for (int64_t k = 0; k < r->n; k++)
        for (int64_t i = 0; i < r->list[k].n; i++) {
            const ns_nll_text *const t = &r->list[k];
            tell_text(a, t->c->id);
            tell_integer(a, i);
            tell_integer(a, t->tokens[i]);
            tell_number(a, (double)t->log_p[i]);
            tell_number(a, t->log_p_short ? (double)t->log_p_short[i] : (double)NAN);
            tell_integer(a, t->distance[i]);
            tell_integer(a, t->key && t->key[i]);
        }
    a->end(a->user);
}

/* The released code's mean of the texts' LongPPL; the paper's formula is a mean of logarithms. */
static double arithmetic_longppl(const ns_nll *r)
{
    double weighted = 0;
    int64_t n = 0;
    for (int64_t k = 0; k < r->n; k++) {
        const sum s = of_text(&r->list[k], true);
        weighted += s.n ? (double)s.n * exp(s.loss / (double)s.n) : 0;
        n += s.n;
    }
    return mean(weighted, n);
}

static void tell_longppl(const ns_answer *a, const ns_nll *r, const sum *all)
{
    int64_t n, texts = 0;
    const double longppl = ns_nll_longppl(r, &n);
    for (int64_t k = 0; k < r->n; k++)
        texts += of_text(&r->list[k], true).n > 0;
    tell_fact_number(a, "longppl", "LongPPL", longppl);
    tell_fact_number(a, "ln_longppl", "ln LongPPL", log(longppl));
    tell_fact_number(a, "longppl_arithmetic", NULL, arithmetic_longppl(r));
    tell_fact_integer(a, "n_keys", "key tokens", n);
    tell_fact_number(a, "key_share", "of all tokens", mean((double)n, all->n));
    tell_fact_integer(a, "n_texts_with_keys", "texts with key tokens", texts);
    tell_fact(a, "keys_by", "key tokens by", r->keys_found ? "this model" : "the file");
}

/* Texts of which a window shows all, so that it changes nothing in them. */
static void tell_unchanged(const ns_nll *r, const ns_answer *a)
{
    int64_t in_context = 0, in_short = 0;
    for (int64_t k = 0; k < r->n; k++) {
        in_context += r->list[k].n <= r->context;
        in_short += r->list[k].n <= r->short_context;
    }
    if (in_context)
        tell_fact_integer(a, "n_within_context", "texts that it shows whole", in_context);
    if (in_short)
        tell_fact_integer(a, "n_within_short", "texts that the short one shows whole", in_short);
}

void ns_nll_tell(const ns_nll *r, bool per_token, const ns_answer *a)
{
    sum all = {0};
    for (int64_t k = 0; k < r->n; k++)
        for (int64_t i = 1; i < r->list[k].n; i++)
            count(&all, &r->list[k], i);
    tell_fact(a, "model", "model", ns_fact_list_find(&r->made_with, "model_name"));
    tell_fact(a, "weights_sha256", NULL, ns_fact_list_find(&r->made_with, "weights_sha256"));
    tell_fact_integer(a, "n_texts", "texts", r->n);
    tell_fact_integer(a, "n_tokens", "tokens predicted", all.n);
    tell_fact_number(a, "loss", "loss (nats)", mean(all.loss, all.n));
    tell_fact_number(a, "ppl", "perplexity", exp(mean(all.loss, all.n)));
    if (r->context)
        tell_fact_integer(a, "context", "tokens that are seen, at least", r->context);
    if (r->short_context) {
        tell_fact_integer(a, "short_context", "short context", r->short_context);
        tell_fact_number(a, "loss_short", "loss in it", mean(all.loss_short, all.n));
    }
    tell_unchanged(r, a);
    if (r->context || r->short_context)
        tell_fact_integer(a, "stride", "stride", r->stride);
    if (r->keys_read || r->keys_found)
        tell_longppl(a, r, &all);
    tell_texts(a, r);
    tell_positions(a, r);
    tell_distances(a, r);
    tell_spans(a, r);
    if (per_token)
        tell_tokens(a, r);
}
