/* text.c - growing strings, pieces and lists of one call. Sizes stay below 2^31: the input is limited, and so is what a hostile
 * normalizer may make of it (w->limit). */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/tokenizer/tok.h"

/* Patterns compiled to machine code load whole vectors: what lies behind a string is readable, and set. */
enum { PADDING = 32 };

int ns_tok_text_reserve(ns_tok_work *w, ns_tok_text *t, int64_t more)
{
    if (t->n + more > w->limit)
        return ns_fail(w->err, NS_E_UNSUPPORTED, "%s: the normalizer makes more than %lld bytes of a text of %lld (is the file damaged?)",
                       w->tok->path, (long long)w->limit, (long long)w->original_n);
    if (!ns_tok_grow(&t->s, &t->s_capacity, t->n + more + PADDING, 1) ||
        !ns_tok_grow(&t->from, &t->from_capacity, t->n + more, sizeof *t->from))
        return ns_oom(w->err, "the text to tokenize");
    memset(t->s + t->n + more, 0, PADDING);
    return NS_OK;
}

int ns_tok_text_put(ns_tok_work *w, ns_tok_text *t, const char *s, int64_t n, ns_tok_span from)
{
    if (n == 0)
        return NS_OK;
    const int rc = ns_tok_text_reserve(w, t, n);
    if (rc != NS_OK)
        return rc;
    memcpy(t->s + t->n, s, (size_t)n);
    for (int64_t i = 0; i < n; i++)
        t->from[t->n + i] = from;
    t->n += n;
    return NS_OK;
}

int ns_tok_text_copy(ns_tok_work *w, ns_tok_text *t, const ns_tok_text *source, int64_t begin, int64_t end)
{
    const int64_t n = end - begin;
    if (n == 0)
        return NS_OK;
    const int rc = ns_tok_text_reserve(w, t, n);
    if (rc != NS_OK)
        return rc;
    memcpy(t->s + t->n, source->s + begin, (size_t)n);
    memcpy(t->from + t->n, source->from + begin, (size_t)n * sizeof *t->from);
    t->n += n;
    return NS_OK;
}

void ns_tok_text_free(ns_tok_text *t)
{
    free(t->s);
    free(t->from);
}

void ns_tok_swap_text(ns_tok_work *w)
{
    const ns_tok_text text = w->text;
    w->text = w->next;
    w->next = text;
    w->next.n = 0;
}

void ns_tok_swap_pieces(ns_tok_work *w)
{
    const ns_tok_pieces pieces = w->pieces;
    w->pieces = w->made;
    w->made = pieces;
    w->made.n = 0;
}

int ns_tok_piece_put(ns_tok_work *w, int64_t begin, int64_t end, int32_t id)
{
    if (begin == end)
        return NS_OK;
    if (!ns_tok_grow(&w->made.item, &w->made.capacity, w->made.n + 1, sizeof *w->made.item))
        return ns_oom(w->err, "the pieces of a text");
    w->made.item[w->made.n++] = (ns_tok_piece){(uint32_t)begin, (uint32_t)end, id};
    return NS_OK;
}

int ns_tok_match_put(ns_tok_work *w, int64_t begin, int64_t end, bool is_match)
{
    if (!ns_tok_grow(&w->matches.item, &w->matches.capacity, w->matches.n + 1, sizeof *w->matches.item))
        return ns_oom(w->err, "the matches of a pattern");
    w->matches.item[w->matches.n++] = (ns_tok_match){(uint32_t)begin, (uint32_t)end, is_match};
    return NS_OK;
}

int ns_tok_list_put(ns_tok_work *w, ns_tok_list *list, const char *s, int64_t n)
{
    if (n == 0)
        return NS_OK;
    if (list->n + n > w->limit)
        return ns_fail(w->err, NS_E_UNSUPPORTED, "%s: the decoder makes more than %lld bytes (is the file damaged?)", w->tok->path,
                       (long long)w->limit);
    if (!ns_tok_grow(&list->s, &list->s_capacity, list->n + n + PADDING, 1))
        return ns_oom(w->err, "the decoded text");
    memset(list->s + list->n + n, 0, PADDING);
    memcpy(list->s + list->n, s, (size_t)n);
    list->n += n;
    return NS_OK;
}

int ns_tok_list_end(ns_tok_work *w, ns_tok_list *list)
{
    if (!ns_tok_grow(&list->end, &list->end_capacity, list->count + 1, sizeof *list->end))
        return ns_oom(w->err, "the decoded tokens");
    list->end[list->count++] = list->n;
    return NS_OK;
}

void ns_tok_list_free(ns_tok_list *list)
{
    free(list->s);
    free(list->end);
}

static double seconds_of(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool ns_tok_is_over(ns_tok_work *w)
{
    w->unseen = 0;
    /* A thread works no longer than time passes, and that costs no system call to know. */
    return seconds_of(CLOCK_MONOTONIC) - w->began > w->allowed && seconds_of(CLOCK_THREAD_CPUTIME_ID) - w->worked > w->allowed;
}

void ns_tok_work_begin(ns_tok_work *w, const ns_tokenizer *tok, const char *text, size_t n, ns_error *err)
{
    *w = (ns_tok_work){.tok = tok, .err = err, .original = text, .original_n = (int64_t)n};
    /* Unicode's longest decomposition is 11 times its input, Replace and the byte alphabet multiply that a little. */
    /* A run of n spaces takes about n steps, a pattern that looks for the end of the line at every one of 10,000 spaces 50 million. */
    w->steps = (1 << 26) + 128 * (int64_t)n;
    w->allowed = 1 + 5e-6 * (double)n;       /* patterns that people use take a hundredth of that */
    w->began = seconds_of(CLOCK_MONOTONIC);
    w->worked = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    w->limit = (int64_t)n > (INT32_MAX - (1 << 20)) / 128 ? INT32_MAX : (int64_t)n * 128 + (1 << 20);
}

void ns_tok_work_free(ns_tok_work *w)
{
    ns_tok_text_free(&w->text);
    ns_tok_text_free(&w->next);
    ns_tok_text_free(&w->part);
    ns_tok_text_free(&w->part_next);
    free(w->pieces.item);
    free(w->made.item);
    free(w->longest);
    free(w->matches.item);
    free(w->chars);
    free(w->tokens);
    free(w->symbols);
    free(w->cuts);
    free(w->best);
    free(w->heap);
    free(w->cache);
    free(w->cached);
    ns_tok_list_free(&w->list);
    ns_tok_list_free(&w->list_next);
    ns_tok_matcher_free(w->matcher);
}
