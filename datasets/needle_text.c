/* needle_text.c - needles in English, after RULER's niah_multikey with the noise haystack (Apache-2.0 wording of the prompt):
 *     instruction / noise lines with needle lines between them / question + answer prefix -> " 1234567"
 * The haystack is counted in sentences; their number is the largest that keeps the prompt's tokens within the wanted length. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

enum { SENTENCES = 5 };        /* of a noise line */
static const char *const noise[SENTENCES] = {"The grass is green.", "The sky is blue.", "The sun is yellow.", "Here we go.", "There and back again."};

typedef struct chat { const char *name, *before, *after, *marker; } chat;
static const chat chats[] = {
    {"chatml", "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_start|>"},
    {"llama3", "<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "<|start_header_id|>"},
};

typedef struct needle { char key[40], value[24], label[40], answer_label[40]; } needle;

/* The prompt being written, with the byte spans seen so far. */
typedef struct draft {
    char   *text;
    int64_t n, capacity;
    ns_text_span *spans;       /* [2 keys + 2] */
    int     n_spans;
    bool    failed;
} draft;

static void put(draft *d, const char *text)
{
    const size_t n = strlen(text);
    if (d->failed || !ns_grow(&d->text, &d->capacity, d->n + (int64_t)n + 1, 1)) {
        d->failed = true;
        return;
    }
    memcpy(d->text + d->n, text, n + 1);
    d->n += (int64_t)n;
}

static void mark(draft *d, const char *name, int64_t begin)
{
    d->spans[d->n_spans++] = (ns_text_span){name, (size_t)begin, (size_t)d->n};
}

static void put_needle(draft *d, const needle *k)
{
    const int64_t begin = d->n;
    put(d, "One of the special magic numbers for ");
    put(d, k->key);
    put(d, " is: ");
    const int64_t value = d->n;
    put(d, k->value);
    mark(d, k->answer_label, value);
    put(d, ".");
    mark(d, k->label, begin);
    put(d, "\n");
}

static void put_question(draft *d, const needle *k, const chat *template_)
{
    const int64_t begin = d->n;
    put(d, "What is the special magic number for ");
    const int64_t query = d->n;
    put(d, k->key);
    mark(d, "query", query);
    put(d, " mentioned in the provided text?");
    mark(d, "question", begin);
    put(d, template_ ? template_->after : " ");
    put(d, "The special magic number for ");
    put(d, k->key);
    put(d, " mentioned in the provided text is");
}

typedef struct maker {
    ns_needle_cell  *cell;
    needle          *needles;  /* [keys] */
    double          *where;    /* [keys] */
    ns_needle_place *places;   /* [keys] */
    const chat      *chat;
    draft            draft;
} maker;

/* The prompt with n noise sentences, into m->draft. */
static int write_prompt(maker *m, int64_t n, ns_error *err)
{
    draft *const d = &m->draft;
    const int64_t lines = (n + SENTENCES - 1) / SENTENCES;
    int next = 0;
    d->n = 0;
    d->n_spans = 0;
    ns_needle_places(m->cell, lines, m->where, m->places);
    put(d, m->chat ? m->chat->before : "");
    put(d, "A special magic number is hidden within the following text. Make sure to memorize it. I will quiz you about the number afterwards.\n");
    for (int64_t line = 0; line <= lines; line++) {
        for (; next < m->cell->keys && m->places[next].slot == line; next++)
            put_needle(d, &m->needles[m->places[next].needle]);
        for (int64_t s = line * SENTENCES; s < n && s < (line + 1) * SENTENCES; s++) {
            put(d, noise[s % SENTENCES]);
            put(d, s == n - 1 || s % SENTENCES == SENTENCES - 1 ? "\n" : " ");
        }
    }
    put_question(d, &m->needles[0], m->chat);
    return d->failed ? ns_oom(err, "a needle prompt") : NS_OK;
}

static int count_tokens(maker *m, int64_t n, int64_t *tokens, ns_error *err)
{
    const ns_needle_params *const p = m->cell->params;
    ns_encoding e = {0};
    int rc = write_prompt(m, n, err);
    if (rc == NS_OK)
        rc = ns_encode(p->tokenizer, m->draft.text, (size_t)m->draft.n, p->add_special, &e, err);
    *tokens = e.n;
    ns_encoding_clear(&e);
    return rc;
}

/* The largest n whose prompt fits. Tokens grow almost evenly with n, so a secant step lands near and a walk ends it. */
static int fit_sentences(maker *m, int64_t *out, ns_error *err)
{
    const int64_t length = m->cell->length, probe = 20 * SENTENCES;
    int64_t least, more = 0, n, tokens;
    int rc = count_tokens(m, 0, &least, err);
    if (rc == NS_OK && least > length)
        rc = ns_fail(err, NS_E_ARG, "needle: length %lld is shorter than the needle text: %d keys, question and instruction take %lld tokens with this tokenizer",
                     (long long)length, m->cell->keys, (long long)least);
    if (rc == NS_OK)
        rc = count_tokens(m, probe, &more, err);
    if (rc < 0)
        return rc;
    if (more <= least)
        return ns_fail(err, NS_E_UNSUPPORTED, "needle: with this tokenizer more text is not more tokens");
    n = (length - least) * probe / (more - least);
    if ((rc = count_tokens(m, n, &tokens, err)) < 0)
        return rc;
    while (tokens > length && n > 0)
        if ((rc = count_tokens(m, --n, &tokens, err)) < 0)
            return rc;
    for (;; n++) {
        if ((rc = count_tokens(m, n + 1, &tokens, err)) < 0)
            return rc;
        if (tokens > length)
            break;
    }
    *out = n;
    return NS_OK;
}

static bool key_used(const needle *needles, int n, const char *key, const char *value)
{
    for (int i = 0; i < n; i++)
        if (strcmp(needles[i].key, key) == 0 || strcmp(needles[i].value, value) == 0)
            return true;
    return false;
}

static void draw_needles(maker *m)
{
    ns_rng *const rng = &m->cell->rng;
    for (int k = 0; k < m->cell->keys; k++) {
        needle *const it = &m->needles[k];
        do {
            ns_words_name(ns_rng_below(rng, ns_words_count()), it->key);
            snprintf(it->value, sizeof it->value, "%lld", (long long)(1000000 + ns_rng_below(rng, 9000000)));
        } while (key_used(m->needles, k, it->key, it->value));
        ns_needle_label(k, false, it->label);
        ns_needle_label(k, true, it->answer_label);
        m->where[k] = ns_rng_uniform(rng);
    }
}

static int find_chat(const ns_needle_params *p, const chat **out, ns_error *err)
{
    *out = NULL;
    if (!p->chat)
        return NS_OK;
    for (size_t i = 0; i < sizeof chats / sizeof *chats; i++)
        if (strcmp(p->chat, chats[i].name) == 0)
            *out = &chats[i];
    if (!*out)
        return ns_fail(err, NS_E_ARG, "needle: unknown chat template '%.40s' (chatml, llama3)", p->chat);
    if (ns_token_id(p->tokenizer, (*out)->marker) < 0)
        return ns_fail(err, NS_E_ARG, "needle: chat template '%s' needs the token '%s', which this tokenizer lacks", p->chat, (*out)->marker);
    return NS_OK;
}

int ns_needle_from_text(ns_case *out, ns_needle_cell *cell, ns_error *err)
{
    const ns_needle_params *const p = cell->params;
    maker m = {.cell = cell};
    int64_t n = 0;
    int rc = find_chat(p, &m.chat, err);
    if (rc < 0)
        return rc;
    m.needles = ns_alloc_array((size_t)cell->keys, sizeof *m.needles);
    m.where = ns_alloc_array((size_t)cell->keys, sizeof *m.where);
    m.places = ns_alloc_array((size_t)cell->keys, sizeof *m.places);
    m.draft.spans = ns_alloc_array((size_t)cell->keys * 2 + 2, sizeof *m.draft.spans);
    if (!m.needles || !m.where || !m.places || !m.draft.spans) {
        rc = ns_oom(err, "a needle case");
        goto out;
    }
    draw_needles(&m);
    rc = fit_sentences(&m, &n, err);
    if (rc == NS_OK)
        rc = write_prompt(&m, n, err);
    if (rc < 0)
        goto out;
    char answer[32];
    snprintf(answer, sizeof answer, " %s", m.needles[0].value);
    rc = ns_case_from_text(out, p->tokenizer, cell->id, m.draft.text, answer, m.draft.spans, m.draft.n_spans, p->add_special, err);
    if (rc < 0)
        goto out;
    out->meta = ns_needle_meta(cell, "ruler-noise", "numbers", m.needles[0].key, m.needles[0].value);
    rc = out->meta ? NS_OK : ns_oom(err, "a needle case");
out:
    free(m.draft.text);
    free(m.draft.spans);
    free(m.places);
    free(m.where);
    free(m.needles);
    return rc;
}
