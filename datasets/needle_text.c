/* needle_text.c - needles in English: draw keys and values -> find how many haystack sentences fit -> write the prompt -> case.
 * The number of sentences is the largest that keeps the tokens of the prompt, and of its swap and absent twins, within the wanted length:
 * so twins share their haystack, and a case does not depend on whether they are made.
 * By distance: first what stands behind the needle, whole sentences and then words until the distance is exact, then what fits in front. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

typedef struct maker {
    ns_needle_cell  *cell;
    ns_needle_key   *keys;     /* [keys + 1] */
    char           (*values)[40];      /* [n_values] where there are so many in all; NULL: every needle draws its own */
    int64_t         *which;            /* [keys] the needles' ones of these */
    double          *where;    /* [keys] */
    ns_needle_place *places;   /* [keys] */
    ns_prompt        prompt;
    ns_draft         draft;
    bool             special;  /* let the tokenizer add its BOS etc. */
    char             rest[1024];       /* prompt.rest */
} maker;
enum { MOST_PIECES = 200 };

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

/* n: sentences of the haystack; by distance, units in front of the target. */
static void write_prompt(maker *m, int64_t n)
{
    const ns_template *const t = m->prompt.template_;
    const int64_t sentences = m->cell->distance ? ns_template_sentences(t, n) + m->prompt.behind : n;
    const int64_t slots = ns_template_slots(t, sentences), target = ns_needle_slot(m->cell, slots, ns_template_slots(t, m->prompt.behind));
    ns_needle_places(m->cell, slots, target, m->where, m->places);
    ns_prompt_write(&m->draft, &m->prompt, sentences, m->places);
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

/* The case of the draft. The absent twin keeps the answer of its original: to say it is to ignore the key. */
static int draft_case(const maker *m, const ns_needle_key *said, bool answers, ns_case *out, ns_error *err)
{
    char answer[48];
    snprintf(answer, sizeof answer, " %s", said->value);
    return ns_case_from_text(out, m->cell->params->tokenizer, m->cell->id, m->draft.text, answers ? answer : NULL, m->draft.spans,
                             m->draft.n_spans, m->special, err);
}

/* Tokens from the query of the plain case back to the target with n sentences, and the rest, behind it. */
static int measure_distance(maker *m, int64_t n, int64_t *tokens, ns_error *err)
{
    ns_case c = {0};
    m->prompt.asked = 0;
    m->prompt.behind = n;
    write_prompt(m, 1);
    const int rc = m->draft.failed ? ns_oom(err, "a needle prompt") : draft_case(m, &m->keys[0], true, &c, err);
    if (rc == NS_OK)
        *tokens = c.n_tokens - 1 + c.n_lead - ns_case_span(&c, m->keys[0].answer_label)->begin;
    ns_case_clear(&c);
    return rc;
}

typedef int measure_fn(maker *, int64_t n, int64_t *tokens, ns_error *);

/* The largest n of no more than `limit` tokens, of which there are `least` at 0. Tokens grow almost evenly with n, so a secant step lands
 * near and a walk ends it. */
static int fit(maker *m, measure_fn *measure, int64_t limit, int64_t least, int64_t *out, ns_error *err)
{
    const int64_t probe = 100;
    int64_t more = 0, n, tokens;
    int rc = measure(m, probe, &more, err);
    if (rc != NS_OK)
        return rc;
    if (more <= least)
        return ns_fail(err, NS_E_UNSUPPORTED, "needle: with this tokenizer more text is not more tokens");
    n = (limit - least) * probe / (more - least);
    if ((rc = measure(m, n, &tokens, err)) != NS_OK)
        return rc;
    while (tokens > limit && n > 0)
        if ((rc = measure(m, --n, &tokens, err)) != NS_OK)
            return rc;
    for (;; n++) {
        if ((rc = measure(m, n + 1, &tokens, err)) != NS_OK)
            return rc;
        if (tokens > limit)
            break;
    }
    *out = n;
    return NS_OK;
}

/* The next word of a sentence from *at on, or the mark that ends it; a word has a space before it but for the first of all. */
static void next_piece(const char **at, bool first, char out[64])
{
    while (**at == ' ' || **at == '\n')
        ++*at;
    const size_t word = strcspn(*at, " \n.,;:?!"), n = word ? word : 1;
    snprintf(out, 64, "%s%.*s", word && !first ? " " : "", (int)n, *at);
    *at += n;
}

/* Words of the sentences that would come next, each taken where the distance still has room for it, until it is reached: *missing tokens
 * are then left. */
static int fill_up(maker *m, int64_t behind, int64_t *missing, ns_error *err)
{
    const int64_t wanted = m->cell->distance;
    const char *at = "";
    int64_t tokens = 0, next = behind;
    size_t n = 0;
    m->rest[0] = 0;
    int rc = measure_distance(m, behind, &tokens, err);
    for (int tries = 0; rc == NS_OK && tokens < wanted && tries < MOST_PIECES; tries++) {
        at = *at && *at != '\n' ? at : ns_template_behind(&m->prompt, next++);
        char piece[64];
        next_piece(&at, n == 0, piece);
        if (n + strlen(piece) >= sizeof m->rest)
            break;
        strcpy(m->rest + n, piece);
        int64_t with = 0;
        rc = measure_distance(m, behind, &with, err);
        if (with <= wanted)
            n = strlen(m->rest), tokens = with;
        m->rest[n] = 0;
    }
    *missing = wanted - tokens;
    return rc;
}

/* The end of a line that goes on is a token of its own, so one token may be too many and none too few: then a sentence less, and more of
 * its words. */
static int make_exact(maker *m, ns_error *err)
{
    const int64_t behind = m->prompt.behind;
    int64_t missing = 1;
    int rc = NS_OK;
    for (int64_t less = 0; rc == NS_OK && missing && less <= behind && less < 3; less++)
        rc = fill_up(m, behind - less, &missing, err);
    if (rc == NS_OK && missing)
        rc = ns_fail(err, NS_E_ARG, "needle: no words make the distance %lld exact with this tokenizer", (long long)m->cell->distance);
    return rc;
}

/* What stands behind the target: distractors as far as there is room, whole sentences, and the rest. */
static int fit_behind(maker *m, ns_error *err)
{
    int64_t least = 0;
    int rc;
    do
        rc = measure_distance(m, 0, &least, err);
    while (rc == NS_OK && least > m->cell->distance && ns_needle_to_front(m->cell, m->where));
    if (rc == NS_OK && least > m->cell->distance)
        rc = ns_needle_too_near(m->cell, least, err);
    rc = rc != NS_OK ? rc : fit(m, measure_distance, m->cell->distance, least, &m->prompt.behind, err);
    return rc != NS_OK ? rc : make_exact(m, err);
}

static int fit_sentences(maker *m, int64_t *out, ns_error *err)
{
    const int64_t length = m->cell->length;
    int64_t least;
    int rc = m->cell->distance ? fit_behind(m, err) : NS_OK;
    rc = rc != NS_OK ? rc : count_tokens(m, 0, &least, err);
    if (rc == NS_OK && least > length && m->cell->distance)
        return ns_needle_no_front(m->cell, err);
    if (rc == NS_OK && least > length)
        return ns_fail(err, NS_E_ARG, "needle: length %lld is shorter than the needle text (%d keys of %s, question and instruction take "
                       "%lld tokens with this tokenizer)", (long long)length, m->cell->keys, m->cell->type->name, (long long)least);
    return rc != NS_OK ? rc : fit(m, count_tokens, length, least, out, err);
}

/* So many values, the same for all cases of a seed: they begin apart while that is easily possible. */
static void draw_values(maker *m)
{
    const ns_value_type *const type = m->cell->type;
    const int64_t n = m->cell->params->n_values;
    ns_rng rng = ns_needle_value_rng(m->cell);
    for (int64_t i = 0; i < n; i++) {
        bool clash;
        do {
            type->draw(&rng, m->values[i]);
            clash = false;
            for (int64_t j = 0; j < i; j++)
                clash |= strcmp(m->values[i], m->values[j]) == 0 || (n <= type->apart && type->alike(m->values[i], m->values[j]));
        } while (clash);
    }
    ns_needle_values(m->cell, m->which);
}

/* A key has no word in common with any value there is: twins without needle, whose values are others, have the same keys. */
static bool clashes_with_values(const maker *m, const char *key)
{
    bool clash = false;
    for (int64_t i = 0; m->values && m->cell->type->alike == ns_words_alike && i < m->cell->params->n_values; i++)
        clash |= ns_words_alike(key, m->values[i]);
    return clash;
}

/* Keys and values of words have no word in common while there are words enough; values begin apart for a moderate number of keys. */
static bool clashes(const maker *m, int k)
{
    const ns_value_type *const type = m->cell->type;
    const ns_needle_key *const it = &m->keys[k];
    const bool apart = m->cell->keys <= type->apart, own = !m->values;
    if (clashes_with_values(m, it->key))
        return true;
    for (int i = 0; i <= k; i++) {
        const ns_needle_key *const other = &m->keys[i];
        if (i < k && (strcmp(it->key, other->key) == 0 || (own && strcmp(it->value, other->value) == 0)))
            return true;
        if (i < k && apart && (ns_words_alike(it->key, other->key) || (own && k < m->cell->keys && type->alike(it->value, other->value))))
            return true;
        if (own && apart && type->alike == ns_words_alike &&
            (ns_words_alike(it->key, other->value) || ns_words_alike(it->value, other->key)))
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
            if (m->values)
                strcpy(it->value, m->values[m->which[k < m->cell->keys ? k : 0]]);
            else
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
    int64_t n = 0, begin, end;
    int rc = fit_sentences(m, &n, err);
    const int64_t slots = ns_template_slots(cell->template_, n);
    if (rc == NS_OK)
        rc = !cell->distance ? ns_needle_check_room(cell, slots, ns_template_unit(cell->template_), err)
                             : n ? NS_OK : ns_needle_no_front(cell, err);
    if (rc != NS_OK)
        return rc;
    m->prompt.asked = ns_needle_asked(cell);
    if (cell->ask == NS_ASK_NULL)
        strcpy(m->keys[cell->keys].key, "N/A");            /* QRHead's null query */
    m->prompt.left_out = cell->ask == NS_ASK_WITHOUT ? 0 : -1;
    write_prompt(m, n);
    const ns_needle_key *const asked = &m->keys[m->prompt.asked], *const said = &m->keys[cell->ask == NS_ASK_SWAP];
    rc = draft_case(m, said, cell->ask != NS_ASK_NULL, out, err);
    if (rc != NS_OK)
        return rc;
    if (out->n_tokens > cell->length)
        return ns_fail(err, NS_E_ARG, "needle: the null twin is longer than length %lld (it takes %lld tokens)", (long long)cell->length,
                       (long long)out->n_tokens);
    if (cell->distance && cell->ask == NS_ASK_TARGET && ns_case_distance(out) != cell->distance)
        return ns_fail(err, NS_E_ARG, "needle: with this tokenizer text in front of the needle changes its distance (%lld, not %lld)",
                       (long long)ns_case_distance(out), (long long)cell->distance);
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
    maker m = {.cell = cell, .prompt = {.template_ = cell->template_, .type = cell->type, .n_keys = cell->keys, .left_out = -1}};
    int rc = find_chat(&m.prompt, p, err);
    rc = rc != NS_OK ? rc : decide_special(&m, err);
    if (rc != NS_OK)
        return rc;
    m.prompt.rest = m.rest;
    m.prompt.start = ns_template_start(cell->template_, p->seed);
    m.prompt.keys = m.keys = ns_alloc_array((size_t)cell->keys + 1, sizeof *m.keys);
    m.where = ns_alloc_array((size_t)cell->keys, sizeof *m.where);
    m.places = ns_alloc_array((size_t)cell->keys, sizeof *m.places);
    m.draft.spans = ns_alloc_array((size_t)cell->keys * 2 + 3, sizeof *m.draft.spans);
    m.values = p->n_values ? ns_alloc_array((size_t)p->n_values, sizeof *m.values) : NULL;
    m.which = ns_alloc_array((size_t)cell->keys, sizeof *m.which);
    if (m.keys && m.where && m.places && m.draft.spans && m.which && (m.values || !p->n_values)) {
        if (m.values)
            draw_values(&m);
        draw_needles(&m);
        rc = make(out, &m, err);
    } else {
        rc = ns_oom(err, "a needle case");
    }
    free(m.draft.text);
    free(m.draft.spans);
    free(m.values);
    free(m.which);
    free(m.places);
    free(m.where);
    free(m.keys);
    return rc;
}
