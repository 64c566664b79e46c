/* nll_texts.c - texts out of cases: prompt and answer as one list of tokens; for LongPPL the tokens of the text again, with the characters
 * that each stands for. */
#include "nll.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_SPECIAL = 4 }; /* tokens that a template puts in front */

static int join(ns_nll_text *t, const ns_case *c, ns_error *err)
{
    t->n = c->n_tokens + c->n_answer;
    t->tokens = ns_alloc_array((size_t)t->n, sizeof *t->tokens);
    if (!t->tokens)
        return ns_oom(err, c->id);
    memcpy(t->tokens, c->tokens, (size_t)c->n_tokens * sizeof *t->tokens);
    if (c->n_answer)
        memcpy(t->tokens + c->n_tokens, c->answer, (size_t)c->n_answer * sizeof *t->tokens);
    return NS_OK;
}

/* Byte offsets of a valid text become numbers of characters; a token inside of a character begins and ends where that does. */
static int count_characters(ns_nll_text *t, const ns_encoding *e, const char *text, ns_error *err)
{
    const size_t bytes = strlen(text);
    int32_t *const at = ns_alloc_array(bytes + 1, sizeof *at); /* characters that begin before a byte */
    t->begin = ns_alloc_array((size_t)e->n, sizeof *t->begin);
    t->end = ns_alloc_array((size_t)e->n, sizeof *t->end);
    if (!at || !t->begin || !t->end) {
        free(at);
        return ns_oom(err, "a text");
    }
    for (size_t i = 0; i < bytes; i++)
        at[i + 1] = at[i] + (((unsigned char)text[i] & 0xc0) != 0x80);
    for (int64_t i = 0; i < e->n; i++) {
        const bool inside = e->begin[i] > 0 && ((unsigned char)text[e->begin[i]] & 0xc0) == 0x80;
        t->begin[i] = at[e->begin[i]] - inside;
        t->end[i] = at[e->end[i]];
    }
    free(at);
    return NS_OK;
}

static int take_encoding(ns_nll_text *t, ns_encoding *e, ns_error *err)
{
    const ns_case *const c = t->c;
    const int rc = count_characters(t, e, c->text, err);
    t->tokens = e->ids;
    t->n = e->n;
    e->ids = NULL;
    t->shift = -1;
    for (int k = 0; k <= MOST_SPECIAL && t->shift < 0; k++)
        if (c->n_tokens >= t->n + k && memcmp(c->tokens + k, t->tokens, (size_t)t->n * sizeof *t->tokens) == 0)
            t->shift = k;
    return rc;
}

/* The tokens of the text that the case has the tokens of, or (plain) without special tokens. */
static int encode(ns_nll_text *t, const ns_tokenizer *tokenizer, bool plain, ns_error *err)
{
    const ns_case *const c = t->c;
    int rc = NS_OK;
    if (!c->text || !tokenizer)
        return ns_fail(err, NS_E_ARG, "text '%.100s' has tokens alone: key intervals count characters, so 'text' is needed%s", c->id,
                       c->text ? " and the model's tokenizer" : "");
    if (c->n_answer)
        return ns_fail(err, NS_E_ARG, "text '%.100s' has an answer, which key intervals know nothing of: put it into the text", c->id);
    for (int special = plain ? 0 : 1; special >= 0 && rc == NS_OK && !t->tokens; special--) {
        ns_encoding e = {0};
        rc = ns_encode(tokenizer, c->text, strlen(c->text), special != 0, &e, err);
        const bool same = rc == NS_OK && e.n == c->n_tokens && memcmp(e.ids, c->tokens, (size_t)e.n * sizeof *e.ids) == 0;
        if (rc == NS_OK && (plain || same))
            rc = take_encoding(t, &e, err);
        ns_encoding_clear(&e);
    }
    if (rc == NS_OK && !t->tokens)
        rc = ns_fail(err, NS_E_FORMAT, "text '%.100s': the model's tokenizer does not make its tokens of its text", c->id);
    return rc;
}

int ns_nll_texts(ns_nll *r, const ns_cases *cases, const ns_nll_params *p, ns_error *err)
{
    int64_t longest = 0;
    int rc = NS_OK;
    for (; r->n < cases->n && rc == NS_OK; r->n++) {
        ns_nll_text *const t = &r->list[r->n];
        t->c = &cases->list[r->n];
        rc = ns_nll_characters(p) ? encode(t, p->tokenizer, p->keys != NULL, err) : join(t, t->c, err);
        if (rc == NS_OK && t->n < 2)
            rc = ns_fail(err, NS_E_ARG, "text '%.100s' has %lld token%s: nothing is predicted in it", t->c->id, (long long)t->n,
                         ns_plural(t->n));
        if (rc == NS_OK && p->make_keys && t->n <= r->short_context)
            rc = ns_fail(err, NS_E_ARG,
                         "text '%.100s' has %lld tokens: none is behind the %lld of its short window (leave it out, or give a "
                         "smaller --short)",
                         t->c->id, (long long)t->n, (long long)r->short_context);
        longest = t->n > longest ? t->n : longest;
    }
    if (rc == NS_OK && r->short_context && longest <= r->short_context)
        rc = ns_fail(err, NS_E_ARG, "the longest text has %lld tokens, all of which a short window of %lld shows: it would change nothing "
                                    "(give a smaller --short, or longer texts)", (long long)longest, (long long)r->short_context);
    return rc;
}
