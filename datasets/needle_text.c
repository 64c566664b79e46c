/* needle_text.c - needles in English: draw keys and values -> find how many haystack sentences fit -> write the prompt -> case.
 * The number of sentences is the largest that keeps the tokens of the prompt, and of its swap and absent twins, within the wanted length:
 * so twins share their haystack, and a case does not depend on whether they are made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

typedef struct maker {
    ns_needle_cell  *cell;
    ns_needle_key   *keys;     /* [keys + 1] */
    double          *where;    /* [keys] */
    ns_needle_place *places;   /* [keys] */
    ns_prompt        prompt;
    ns_draft         draft;
    bool             special;  /* let the tokenizer add its BOS etc. */
} maker;

/* Tokens of the draft, or NS_E_*. */
static int encode_draft(const maker *m, int64_t *tokens, ns_error *err)
{
    const ns_needle_params *const p = m->cell->params;
    ns_encoding e = {0};
    int rc = m->draft.failed ? ns_oom(err, "a needle prompt") : NS_OK;
    if (rc == NS_OK)
        rc = ns_encode(p->tokenizer, m->draft.text, (size_t)m->draft.n, m->special, &e, err);
    *tokens = e.n;
    ns_encoding_clear(&e);
    return rc;
}

static void write_prompt(maker *m, int64_t n)
{
    ns_needle_places(m->cell, ns_template_slots(m->prompt.template_, n), m->where, m->places);
    ns_prompt_write(&m->draft, &m->prompt, n, m->places);
}

static int count_tokens(maker *m, int64_t n, int64_t *tokens, ns_error *err)
{
    int rc = NS_OK;
    *tokens = 0;
    for (int k = 0; k <= NS_ASK_ABSENT && rc == NS_OK; k++) {
        int64_t count;
        m->prompt.asked = k == NS_ASK_TARGET ? 0 : k == NS_ASK_ABSENT || m->cell->keys < 2 ? m->cell->keys : 1;
        write_prompt(m, n);
        rc = encode_draft(m, &count, err);
        *tokens = count > *tokens ? count : *tokens;
    }
    return rc;
}

/* The largest n whose prompt fits. Tokens grow almost evenly with n, so a secant step lands near and a walk ends it. */
static int fit_sentences(maker *m, int64_t *out, ns_error *err)
{
    const int64_t length = m->cell->length, probe = 100;
    int64_t least, more = 0, n, tokens;
    int rc = count_tokens(m, 0, &least, err);
    if (rc == NS_OK && least > length)
        rc = ns_fail(err, NS_E_ARG, "needle: length %lld is shorter than the needle text (%d keys of %s, question and instruction take "
                     "%lld tokens with this tokenizer)", (long long)length, m->cell->keys, m->cell->type->name, (long long)least);
    if (rc == NS_OK)
        rc = count_tokens(m, probe, &more, err);
    if (rc != NS_OK)
        return rc;
    if (more <= least)
        return ns_fail(err, NS_E_UNSUPPORTED, "needle: with this tokenizer more text is not more tokens");
    n = (length - least) * probe / (more - least);
    if ((rc = count_tokens(m, n, &tokens, err)) != NS_OK)
        return rc;
    while (tokens > length && n > 0)
        if ((rc = count_tokens(m, --n, &tokens, err)) != NS_OK)
            return rc;
    for (;; n++) {
        if ((rc = count_tokens(m, n + 1, &tokens, err)) != NS_OK)
            return rc;
        if (tokens > length)
            break;
    }
    *out = n;
    return NS_OK;
}

/* Keys and values of words have no word in common while there are words enough; values begin apart for a moderate number of keys. */
static bool clashes(const maker *m, int k)
{
    const ns_value_type *const type = m->cell->type;
    const ns_needle_key *const it = &m->keys[k];
    const bool apart = m->cell->keys <= type->apart;
    for (int i = 0; i <= k; i++) {
        const ns_needle_key *const other = &m->keys[i];
        if (i < k && (strcmp(it->key, other->key) == 0 || strcmp(it->value, other->value) == 0))
            return true;
        if (i < k && apart && (ns_words_alike(it->key, other->key) || (k < m->cell->keys && type->alike(it->value, other->value))))
            return true;
        if (apart && type->alike == ns_words_alike && (ns_words_alike(it->key, other->value) || ns_words_alike(it->value, other->key)))
            return true;
    }
    return false;
}

static void draw_needles(maker *m)
{
    ns_rng *const rng = &m->cell->rng;
    for (int k = 0; k < m->cell->keys; k++)
        m->where[k] = ns_rng_uniform(rng);
    for (int k = 0; k <= m->cell->keys; k++) {
        ns_needle_key *const it = &m->keys[k];
        do {
            ns_words_name(ns_rng_below(rng, ns_words_count()), it->key);
            m->cell->type->draw(rng, it->value);
        } while (clashes(m, k));
        ns_needle_label(m->cell, k, false, it->label);
        ns_needle_label(m->cell, k, true, it->answer_label);
    }
}

static int find_chat(ns_prompt *prompt, const ns_needle_params *p, ns_error *err)
{
    prompt->before = p->prefix;
    prompt->between = p->suffix;
    if (!p->chat)
        return NS_OK;
    const ns_chat *const found = ns_chat_find(p->chat);
    if (!found)
        return ns_fail(err, NS_E_ARG, "needle: unknown chat template '%.40s' (chatml, llama3)", p->chat);
    if (ns_token_id(p->tokenizer, found->marker) < 0)
        return ns_fail(err, NS_E_ARG, "needle: chat template '%s' needs the token '%s', which this tokenizer lacks", p->chat,
                       found->marker);
    prompt->before = found->before;
    prompt->between = found->between;
    return NS_OK;
}

/* A format (or a prefix) that begins with the token which the tokenizer would put in front has its BOS, and gets no second one. */
static int decide_special(maker *m, ns_error *err)
{
    const ns_needle_params *const p = m->cell->params;
    const char *const before = m->prompt.before ? m->prompt.before : "";
    ns_encoding e = {0};
    m->special = p->add_special;
    if (!m->special || !*before)
        return NS_OK;
    const int rc = ns_encode(p->tokenizer, before, strlen(before), true, &e, err);
    if (rc == NS_OK && e.n > 1 && e.begin[0] == e.end[0] && e.begin[1] < e.end[1] && e.ids[0] == e.ids[1])
        m->special = false;
    ns_encoding_clear(&e);
    return rc;
}

/* The haystack's span has served once the placebo stands in it. */
static void drop_haystack(ns_case *c, int64_t *begin, int64_t *end)
{
    const ns_span *const last = &c->spans[c->n_spans - 1];
    int i = 0;
    while (strcmp(c->spans[i].name, "haystack") != 0)
        i++;
    *begin = c->spans[i].begin;
    *end = c->spans[i].end;
    free(c->spans[i].name);
    memmove(&c->spans[i], &c->spans[i + 1], (size_t)(last - &c->spans[i]) * sizeof *last);
    c->n_spans--;
}

static int make(ns_case *out, maker *m, ns_error *err)
{
    const ns_needle_cell *const cell = m->cell;
    const ns_needle_params *const p = cell->params;
    int64_t n = 0, begin, end;
    int rc = fit_sentences(m, &n, err);
    const int64_t slots = ns_template_slots(cell->template_, n);
    rc = rc != NS_OK ? rc : ns_needle_check_room(cell, slots, ns_template_unit(cell->template_), err);
    if (rc != NS_OK)
        return rc;
    m->prompt.asked = ns_needle_asked(cell);
    if (cell->ask == NS_ASK_NULL)
        strcpy(m->keys[cell->keys].key, "N/A");            /* QRHead's null query */
    write_prompt(m, n);
    /* The absent twin keeps the answer of its original: to say it is to ignore the key. */
    const ns_needle_key *const asked = &m->keys[m->prompt.asked], *const said = &m->keys[cell->ask == NS_ASK_SWAP];
    char answer[48];
    snprintf(answer, sizeof answer, " %s", said->value);
    rc = ns_case_from_text(out, p->tokenizer, cell->id, m->draft.text, cell->ask == NS_ASK_NULL ? NULL : answer, m->draft.spans,
                           m->draft.n_spans, m->special, err);
    if (rc != NS_OK)
        return rc;
    if (out->n_tokens > cell->length)
        return ns_fail(err, NS_E_ARG, "needle: the null twin is longer than length %lld (it takes %lld tokens)", (long long)cell->length,
                       (long long)out->n_tokens);
    drop_haystack(out, &begin, &end);
    double depth = cell->depth;
    for (int k = 0; k < cell->keys && cell->ask == NS_ASK_SWAP; k++)
        if (m->places[k].needle == 1)
            depth = (double)m->places[k].slot / (double)slots;
    return ns_needle_finish(out, cell, begin, end, depth, asked->key, said->value, err);
}

int ns_needle_from_text(ns_case *out, ns_needle_cell *cell, ns_error *err)
{
    const ns_needle_params *const p = cell->params;
    maker m = {.cell = cell, .prompt = {.template_ = cell->template_, .type = cell->type, .n_keys = cell->keys}};
    int rc = find_chat(&m.prompt, p, err);
    rc = rc != NS_OK ? rc : decide_special(&m, err);
    if (rc != NS_OK)
        return rc;
    m.prompt.start = ns_template_start(cell->template_, p->seed);
    m.prompt.keys = m.keys = ns_alloc_array((size_t)cell->keys + 1, sizeof *m.keys);
    m.where = ns_alloc_array((size_t)cell->keys, sizeof *m.where);
    m.places = ns_alloc_array((size_t)cell->keys, sizeof *m.places);
    m.draft.spans = ns_alloc_array((size_t)cell->keys * 2 + 3, sizeof *m.draft.spans);
    if (m.keys && m.where && m.places && m.draft.spans) {
        draw_needles(&m);
        rc = make(out, &m, err);
    } else {
        rc = ns_oom(err, "a needle case");
    }
    free(m.draft.text);
    free(m.draft.spans);
    free(m.places);
    free(m.where);
    free(m.keys);
    return rc;
}
