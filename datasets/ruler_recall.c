/* ruler_recall.c - what is no task of RULER but has its form: a phone book, and text to be copied (Jelassi et al. 2024). The names and the
 * text are our own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ruler.h"

enum { LINE = 64, COPIED = 8, EXAMPLES = 2 };

/* ---- phonebook ---- */

static const char *const first_names[] = {"Ada",   "Bruno", "Clara", "David", "Edith",  "Felix", "Greta",  "Hugo",
                                          "Irene", "Jonas", "Karin", "Lukas", "Marta",  "Nils",  "Olga",   "Pavel",
                                          "Quinn", "Rosa",  "Simon", "Tilda", "Ulrich", "Vera",  "Walter", "Xenia",
                                          "Yves",  "Zelda", "Anton", "Berta", "Carlos", "Dora",  "Emil",   "Frieda"};
static const char *const last_names[] = {"Abel",   "Becker", "Castro", "Dietz",  "Engel",  "Fischer", "Garcia",  "Hansen",
                                         "Ivanov", "Jensen", "Keller", "Larsen", "Moreau", "Novak",   "Olsen",   "Peters",
                                         "Quist",  "Rossi",  "Silva",  "Torres", "Ulman",  "Vogel",   "Weber",   "Xavier",
                                         "Young",  "Zeller", "Adler",  "Brandt", "Cohen",  "Dubois",  "Eriksen", "Ferrari"};
enum { FIRST = sizeof first_names / sizeof *first_names, LAST = sizeof last_names / sizeof *last_names };

static void name_of(int64_t i, char out[LINE])
{
    snprintf(out, LINE, "%s %s", first_names[i / LAST], last_names[i % LAST]);
}

/* Ten digits, the first of them 6 to 9. */
static void draw_number(ns_rng *rng, char out[16])
{
    out[0] = (char)('6' + ns_rng_below(rng, 4));
    for (int i = 1; i < 10; i++)
        out[i] = (char)('0' + ns_rng_below(rng, 10));
    out[10] = '\0';
}

static void put_line(ns_draft *to, const char *name, const char *number, const char *label, const char *answer_label)
{
    const int64_t begin = to->n;
    ns_draft_put(to, name);
    ns_draft_put(to, ": ");
    const int64_t value = to->n;
    ns_draft_put(to, number);
    if (label)
        ns_draft_mark(to, answer_label, value);
    if (label)
        ns_draft_mark(to, label, begin);
    ns_draft_put(to, "\n");
}

/* n lines, two of them again as examples, and the name that is asked for, which is neither. */
int ns_phonebook(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t n, ns_error *err)
{
    ns_rng rng = ns_rng_seed(cell->seed, cell->stream);
    int64_t *const who = ns_alloc_array((size_t)n, sizeof *who), chosen[EXAMPLES + 1];
    char(*const numbers)[16] = ns_alloc_array((size_t)n, sizeof *numbers), name[LINE];
    if (!who || !numbers) {
        free(who);
        free(numbers);
        return ns_oom(err, "a phone book");
    }
    ns_ruler_sample(&rng, (int64_t)FIRST * LAST, who, n);
    ns_ruler_sample(&rng, n, chosen, EXAMPLES + 1);
    for (int64_t i = 0; i < n; i++) {
        name_of(who[i], name);
        draw_number(&rng, numbers[i]);
        put_line(&p->draft, name, numbers[i], i == chosen[EXAMPLES] ? "needle" : NULL, "needle_answer");
    }
    ns_draft_put(&p->draft, "\n");
    for (int i = 0; i < EXAMPLES; i++) {
        name_of(who[chosen[i]], name);
        put_line(&p->draft, name, numbers[chosen[i]], NULL, NULL);
    }
    ns_draft_put(&p->draft, "\n");
    name_of(who[chosen[EXAMPLES]], p->query);
    const int64_t begin = p->draft.n;
    ns_draft_put(&p->draft, p->query);
    ns_draft_mark(&p->draft, "query", begin);
    p->prefix = p->draft.n;
    ns_draft_put(&p->draft, ":");
    snprintf(p->outputs[0], sizeof p->outputs[0], "%s", numbers[chosen[EXAMPLES]]);
    p->n_outputs = 1;
    p->single = true;
    free(who);
    free(numbers);
    return NS_OK;
}

/* ---- copy ---- */

typedef struct words {
    char *text;
    const char **list;
    int64_t n;
} words;

static void clear_words(words *w)
{
    free(w->text);
    free(w->list);
}

/* The words of n sentences of the essay from one on, cut at spaces. */
static int take_words(words *w, int64_t start, int64_t n, ns_error *err)
{
    ns_draft all = {0};
    for (int64_t i = 0; i < n; i++) {
        const char *const sentence = ns_essay_sentence(start + i);
        ns_draft_put_bytes(&all, sentence, strlen(sentence) - (size_t)ns_ends(sentence, "\n"));
        ns_draft_put(&all, " ");
    }
    w->text = all.text;
    int64_t spaces = 0;
    for (int64_t i = 0; i < all.n; i++)
        spaces += all.text[i] == ' ';
    w->list = all.failed ? NULL : ns_alloc_array((size_t)spaces, sizeof *w->list);
    if (!w->list)
        return ns_oom(err, "a text to copy");
    for (char *at = w->text, *end; (end = strchr(at, ' ')); at = end + 1) {
        *end = '\0';
        w->list[w->n++] = at;
    }
    return NS_OK;
}

static void shuffle(ns_rng *rng, words *w)
{
    for (int64_t i = w->n - 1; i > 0; i--) {
        const int64_t other = ns_rng_below(rng, i + 1);
        const char *const kept = w->list[i];
        w->list[i] = w->list[other];
        w->list[other] = kept;
    }
}

/* The text; its words behind the first, which are to be said, are marked. */
static void put_words(ns_draft *to, const words *w, const char *label)
{
    int64_t begin = 0;
    for (int64_t i = 0; i < w->n; i++) {
        ns_draft_put(to, i ? " " : "");
        begin = i == 1 ? to->n : begin;
        ns_draft_put(to, w->list[i]);
        if (i == COPIED)
            ns_draft_mark(to, label, begin);
    }
    ns_draft_put(to, "\n\n");
}

static int copy(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t n, bool shuffled, ns_error *err)
{
    ns_rng rng = ns_rng_seed(cell->seed, cell->stream);
    words w = {0};
    int rc = take_words(&w, ns_rng_below(&rng, ns_essay_count()), n, err);
    if (rc == NS_OK && shuffled)
        shuffle(&rng, &w);
    if (rc == NS_OK) {
        put_words(&p->draft, &w, "needle_answer.0");
        put_words(&p->draft, &w, "needle_answer");
        p->prefix = p->draft.n;
        ns_draft_put(&p->draft, w.list[0]);
        p->outputs[0][0] = '\0';
        for (int i = 1; i <= COPIED; i++) {
            const size_t used = strlen(p->outputs[0]);
            snprintf(p->outputs[0] + used, sizeof p->outputs[0] - used, "%s%s", i > 1 ? " " : "", w.list[i]);
        }
        p->n_outputs = 1;
        p->single = true;
    }
    clear_words(&w);
    return rc;
}

int ns_copy(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t n, ns_error *err)
{
    return copy(p, cell, n, false, err);
}

int ns_copy_shuffled(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t n, ns_error *err)
{
    return copy(p, cell, n, true, err);
}
