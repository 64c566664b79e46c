/* text.c - a case from text: one string is tokenised once with byte offsets, spans become the tokens they overlap, and the
 * answer's tokens are what prompt + answer adds to the prompt's own tokens. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/case.h>
#include <needlescope/tokenizer.h>

#include "core/core.h"

/* Tokens that overlap bytes [begin, end); begin == end where there is none. Special tokens of the template are empty. */
static ns_span tokens_of(const ns_encoding *e, int64_t begin, int64_t end)
{
    ns_span span = {0};
    for (int64_t i = 0; i < e->n; i++) {
        if (e->begin[i] >= end || e->end[i] <= begin || e->begin[i] == e->end[i])
            continue;
        if (span.end == 0)
            span.begin = i;
        span.end = i + 1;
    }
    return span;
}

/* Tokens which the template puts behind the text (an EOS) do not belong to a prompt that goes on. */
static int64_t without_trailing_special(const ns_encoding *e)
{
    int64_t n = e->n;
    while (n > 0 && e->begin[n - 1] == e->end[n - 1])
        n--;
    return n > 0 ? n : e->n;
}

static bool is_space(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

/* The answer's tokens: all that lie behind the prompt's, and how many of them end before its first visible character. */
static int add_answer(ns_case *c, const ns_tokenizer *t, const char *prompt, const char *answer, bool add_special, ns_error *err)
{
    char *const whole = ns_printf_alloc("%s%s", prompt, answer);
    ns_encoding e = {0};
    int64_t visible = (int64_t)strlen(prompt);
    for (const char *p = answer; is_space(*p); p++)
        visible++;
    int rc = whole ? ns_encode(t, whole, strlen(whole), add_special, &e, err) : ns_oom(err, "a case's text");
    if (rc != NS_OK)
        goto out;
    const int64_t n = without_trailing_special(&e);
    if (n <= c->n_tokens || memcmp(e.ids, c->tokens, (size_t)c->n_tokens * sizeof *e.ids) != 0) {
        rc = ns_fail(err, NS_E_FORMAT, "case '%.100s': the tokenizer merges the start of the answer into the end of the prompt"
                     " (end the prompt at a token boundary: move a trailing space to the answer's start)", c->id);
        goto out;
    }
    c->n_answer = n - c->n_tokens;
    c->answer = ns_alloc_array((size_t)c->n_answer, sizeof *c->answer);
    c->answer_text = ns_strdup(answer);
    if (!c->answer || !c->answer_text) {
        rc = ns_oom(err, "an answer");
        goto out;
    }
    memcpy(c->answer, e.ids + c->n_tokens, (size_t)c->n_answer * sizeof *c->answer);
    while (c->n_lead + 1 < c->n_answer && e.end[c->n_tokens + c->n_lead] <= visible)
        c->n_lead++;
out:
    ns_encoding_clear(&e);
    free(whole);
    return rc;
}

static int add_prompt(ns_case *c, const ns_tokenizer *t, const char *prompt, const ns_text_span *spans, int n_spans, bool add_special,
                      ns_error *err)
{
    ns_encoding e = {0};
    int rc = ns_encode(t, prompt, strlen(prompt), add_special, &e, err);
    if (rc != NS_OK)
        goto out;
    c->n_tokens = without_trailing_special(&e);
    c->tokens = ns_alloc_array((size_t)c->n_tokens, sizeof *c->tokens);
    c->text = ns_strdup(prompt);
    if (!c->tokens || !c->text) {
        rc = ns_oom(err, "a prompt");
        goto out;
    }
    if (c->n_tokens > 0)
        memcpy(c->tokens, e.ids, (size_t)c->n_tokens * sizeof *c->tokens);
    for (int i = 0; i < n_spans && rc == NS_OK; i++) {
        const ns_span span = tokens_of(&e, (int64_t)spans[i].begin, (int64_t)spans[i].end);
        if (span.begin == span.end)
            rc = ns_fail(err, NS_E_FORMAT, "case '%.100s': span '%.100s' covers no token", c->id, spans[i].name);
        else
            rc = ns_case_set_span(c, spans[i].name, span.begin, span.end, err);
    }
out:
    ns_encoding_clear(&e);
    return rc;
}

int ns_case_from_text(ns_case *out, const ns_tokenizer *t, const char *id, const char *prompt, const char *answer,
                      const ns_text_span *spans, int n_spans, bool add_special, ns_error *err)
{
    *out = (ns_case){.id = ns_strdup(id)};
    int rc = out->id ? NS_OK : ns_oom(err, "a case");
    if (rc == NS_OK && !t)
        rc = ns_fail(err, NS_E_ARG, "case '%.100s' is text: a tokenizer is needed", id);
    if (rc == NS_OK)
        rc = add_prompt(out, t, prompt, spans, n_spans, add_special, err);
    if (rc == NS_OK && answer && !answer[0])
        rc = ns_fail(err, NS_E_FORMAT, "case '%.100s': the answer is empty (leave it out)", id);
    if (rc == NS_OK && answer)
        rc = add_answer(out, t, prompt, answer, add_special, err);
    if (rc != NS_OK)
        ns_case_clear(out);
    return rc;
}
