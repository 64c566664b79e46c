/* ruler_niah.c - needles in a haystack as RULER's niah.py writes them: lines of noise or of needles, with needles between them at distinct
 * places; an essay, with needles between its sentences at distinct ones of 40 depths. The essay is our own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ruler.h"

enum { MOST = 16, DEPTHS = 40 }; /* needles: keys x values */
static const char NOISE[] = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

typedef struct needle {
    char key[40], value[40];
    const char *label, *answer_label;
} needle;
typedef struct drawing {
    const ns_ruler_task *task;
    const ns_value_type *keys, *values;
    ns_rng rng;
    needle needles[MOST];
    int n, order[MOST];    /* order: as they stand in the text */
    bool asked[MOST];      /* [k] keys that are asked for */
    int64_t queries[MOST]; /* [q] in their order */
    int n_distractors;
} drawing;

static bool taken(const drawing *d, int n, const char *key, const char *value)
{
    for (int i = 0; i < n; i++)
        if ((key && strcmp(d->needles[i].key, key) == 0) || (value && strcmp(d->needles[i].value, value) == 0))
            return true;
    return false;
}

static void draw_needles(drawing *d)
{
    const ns_ruler_task *const t = d->task;
    for (int k = 0; k < t->k; k++)
        for (int v = 0; v < t->v; v++) {
            needle *const it = &d->needles[d->n];
            do
                d->keys->draw(&d->rng, it->key);
            while (v == 0 && taken(d, d->n, it->key, NULL));
            if (v > 0)
                strcpy(it->key, d->needles[d->n - 1].key);
            do
                d->values->draw(&d->rng, it->value);
            while (taken(d, d->n, NULL, it->value));
            d->order[d->n] = d->n;
            d->n++;
        }
    for (int i = d->n - 1; i > 0; i--) {
        const int other = (int)ns_rng_below(&d->rng, i + 1), kept = d->order[i];
        d->order[i] = d->order[other];
        d->order[other] = kept;
    }
    ns_ruler_sample(&d->rng, t->k, d->queries, t->q);
    for (int i = 0; i < t->q; i++)
        d->asked[d->queries[i]] = true;
}

static void name(ns_ruler_prompt *p, drawing *d, int i, const char *what, int number)
{
    char *const label = p->names[2 * i], *const answer = p->names[2 * i + 1];
    char end[16] = "";
    if (number >= 0)
        snprintf(end, sizeof end, ".%d", number);
    snprintf(label, sizeof p->names[0], "%s%s", what, end);
    snprintf(answer, sizeof p->names[0], "%s_answer%s", what, end);
    d->needles[i].label = label;
    d->needles[i].answer_label = answer;
}

/* The first answer's needle is `needle`; others that are asked for have names of their own, the rest are distractors. */
static void name_needles(drawing *d, ns_ruler_prompt *p)
{
    const ns_ruler_task *const t = d->task;
    p->n_outputs = 0;
    for (int q = 0; q < t->q; q++)
        for (int v = 0; v < t->v; v++) {
            const int i = (int)d->queries[q] * t->v + v;
            snprintf(p->outputs[p->n_outputs], sizeof p->outputs[0], "%s", d->needles[i].value);
            name(p, d, i, p->n_outputs ? "also" : "needle", p->n_outputs - 1);
            p->n_outputs++;
        }
    for (int i = 0; i < d->n; i++)
        if (!d->asked[i / t->v])
            name(p, d, i, "distractor", d->n_distractors++);
}

static void put_needle(ns_ruler_prompt *p, const drawing *d, const needle *it, bool marked)
{
    ns_draft *const to = &p->draft;
    const int64_t begin = to->n;
    ns_draft_put(to, "One of the special magic ");
    ns_draft_put(to, d->values->name);
    ns_draft_put(to, " for ");
    ns_draft_put(to, it->key);
    ns_draft_put(to, " is: ");
    const int64_t value = to->n;
    ns_draft_put(to, it->value);
    if (marked)
        ns_draft_mark(to, it->answer_label, value);
    ns_draft_put(to, ".");
    if (marked)
        ns_draft_mark(to, it->label, begin);
}

static int by_place(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Lines, needles before those at the places that were drawn. */
static void put_lines(ns_ruler_prompt *p, drawing *d, int64_t n)
{
    int64_t places[MOST];
    ns_ruler_sample(&d->rng, n, places, d->n);
    qsort(places, (size_t)d->n, sizeof *places, by_place);
    for (int64_t i = 0, next = 0; i < n; i++) {
        if (next < d->n && places[next] == i) {
            put_needle(p, d, &d->needles[d->order[next++]], true);
            ns_draft_put(&p->draft, "\n");
        }
        if (d->task->haystack == NS_RULER_NEEDLES) {
            needle other;
            do
                d->keys->draw(&d->rng, other.key);
            while (taken(d, d->n, other.key, NULL));
            do
                d->values->draw(&d->rng, other.value);
            while (taken(d, d->n, NULL, other.value));
            put_needle(p, d, &other, false);
        } else {
            ns_draft_put(&p->draft, NOISE);
        }
        ns_draft_put(&p->draft, i + 1 < n ? "\n" : "");
    }
}

/* Depth k of 40: round(100 k / 39) percent of the sentences, ties to even as numpy rounds (none is at a half). */
static int64_t sentence_at(int64_t k, int64_t n)
{
    return n * ((200 * k + DEPTHS - 1) / (2 * (DEPTHS - 1))) / 100;
}

static void put_essay(ns_ruler_prompt *p, drawing *d, int64_t n, int64_t start)
{
    int64_t depths[MOST];
    int next = 0;
    ns_ruler_sample(&d->rng, DEPTHS, depths, d->n);
    qsort(depths, (size_t)d->n, sizeof *depths, by_place);
    for (int64_t i = 0; i <= n; i++) {
        for (; next < d->n && sentence_at(depths[next], n) == i; next++) {
            ns_draft_put(&p->draft, i + next ? " " : "");
            put_needle(p, d, &d->needles[d->order[next]], true);
        }
        if (i == n)
            break;
        const char *const sentence = ns_essay_sentence(start + i);
        ns_draft_put(&p->draft, i + next ? " " : "");
        ns_draft_put_bytes(&p->draft, sentence, strlen(sentence) - (size_t)ns_ends(sentence, "\n"));
    }
}

/* "a, b, and c" */
static void put_query(ns_ruler_prompt *p, const drawing *d)
{
    const ns_ruler_task *const t = d->task;
    p->query[0] = '\0';
    for (int i = 0; i < t->q; i++) {
        const size_t used = strlen(p->query);
        snprintf(p->query + used, sizeof p->query - used, "%s%s",
                 i == 0         ? ""
                 : i + 1 < t->q ? ", "
                                : ", and ",
                 d->needles[d->queries[i] * t->v].key);
    }
}

static void put_question(ns_ruler_prompt *p, const char *noun, bool one)
{
    ns_draft *const to = &p->draft;
    ns_draft_put(to, "\n");
    const int64_t begin = to->n;
    ns_draft_put(to, one ? "What is the special magic " : "What are all the special magic ");
    ns_draft_put(to, noun);
    ns_draft_put(to, " for ");
    const int64_t query = to->n;
    ns_draft_put(to, p->query);
    ns_draft_mark(to, "query", query);
    ns_draft_put(to, " mentioned in the provided text?");
    ns_draft_mark(to, "question", begin);
    p->prefix = to->n;
    ns_draft_put(to, " The special magic ");
    ns_draft_put(to, noun);
    ns_draft_put(to, " for ");
    ns_draft_put(to, p->query);
    ns_draft_put(to, one ? " mentioned in the provided text is" : " mentioned in the provided text are");
}

int ns_ruler_niah(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t n, ns_error *err)
{
    (void)err;
    const ns_ruler_task *const t = cell->task;
    drawing d = {.task = t,
                 .keys = ns_value_type_find(t->keys),
                 .values = ns_value_type_find(t->values),
                 .rng = ns_rng_seed(cell->seed, cell->stream)};
    const bool one = t->q * t->v == 1;
    const char *const noun = one ? d.values->noise_noun : d.values->name;
    const int64_t start = ns_rng_below(&d.rng, ns_essay_count());
    ns_draft *const to = &p->draft;
    draw_needles(&d);
    name_needles(&d, p);
    put_query(p, &d);
    ns_draft_put(to, one ? "A special magic " : "Some special magic ");
    ns_draft_put(to, noun);
    ns_draft_put(to, one ? " is hidden" : " are hidden");
    ns_draft_put(to, " within the following text. Make sure to memorize it. I will quiz you about the ");
    ns_draft_put(to, noun);
    ns_draft_put(to, " afterwards.\n");
    if (t->haystack == NS_RULER_ESSAY)
        put_essay(p, &d, n, start);
    else
        put_lines(p, &d, n);
    put_question(p, noun, one);
    p->single = true;
    return NS_OK;
}
