/* ruler_words.c - RULER's tasks without needles: a chain of variables (vt), the most common words of a list (cwe), the most frequent coded
 * words of a text (fwe). Words are our own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/math.h"
#include "ruler.h"

enum { HOPS = 4, VARIABLES = HOPS + 1, COMMON = 10, CODED = 6, MOST_WORD = 40 };
static const char NOISE[] = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.\n";

void ns_ruler_sample(ns_rng *rng, int64_t n, int64_t *out, int64_t k)
{
    for (int64_t i = 0; i < k; i++) {
        bool again = true;
        while (again) {
            out[i] = ns_rng_below(rng, n);
            again = false;
            for (int64_t j = 0; j < i; j++)
                again |= out[j] == out[i];
        }
    }
}

/* ---- vt ---- */

typedef struct chain {
    char name[VARIABLES][8];
    int value;
} chain;

static void draw_chain(ns_rng *rng, chain *c, int letters, int value)
{
    c->value = value;
    for (int i = 0; i < VARIABLES; i++) {
        bool again = true;
        while (again) {
            for (int k = 0; k < letters; k++)
                c->name[i][k] = (char)('A' + ns_rng_below(rng, 26));
            c->name[i][letters] = '\0';
            again = false;
            for (int j = 0; j < i; j++)
                again |= strcmp(c->name[i], c->name[j]) == 0;
        }
    }
}

static int by_place(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* "VAR A = 12345" and "VAR B = VAR A " in their order, before those of n lines of noise that were drawn. */
static void put_chain(ns_draft *to, ns_rng *rng, const chain *c, int64_t n)
{
    int64_t places[VARIABLES];
    char text[64];
    ns_ruler_sample(rng, n, places, VARIABLES);
    qsort(places, VARIABLES, sizeof *places, by_place);
    for (int64_t i = 0, next = 0; i < n; i++) {
        ns_draft_put(to, i ? " " : "");
        if (next < VARIABLES && places[next] == i) {
            if (next == 0)
                snprintf(text, sizeof text, "VAR %s = %d", c->name[0], c->value);
            else
                snprintf(text, sizeof text, "VAR %s = VAR %s ", c->name[next], c->name[next - 1]);
            ns_draft_put(to, text);
            ns_draft_put(to, " ");
            next++;
        }
        ns_draft_put(to, NOISE);
    }
}

/* Returns where the answer prefix begins. */
static int64_t put_tracking(ns_draft *to, ns_rng *rng, const chain *c, int64_t n)
{
    char text[192];
    ns_draft_put(to, "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n");
    put_chain(to, rng, c, n);
    snprintf(text, sizeof text, "\nQuestion: Find all variables that are assigned the value %d in the text above.", c->value);
    ns_draft_put(to, text);
    const int64_t prefix = to->n;
    snprintf(text, sizeof text,
             " Answer: According to the chain(s) of variable assignment in the text above, %d variables are assgined the "
             "value %d, they are: ",
             VARIABLES, c->value);
    ns_draft_put(to, text);
    return prefix;
}

int ns_ruler_vt(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t n, ns_error *err)
{
    (void)err;
    ns_rng rng = ns_rng_seed(cell->seed, cell->stream);
    chain example, asked;
    draw_chain(&rng, &example, 3, 12345);
    draw_chain(&rng, &asked, 5, (int)(10000 + ns_rng_below(&rng, 89999)));
    p->n_outputs = 0;
    if (cell->example) {
        put_tracking(&p->draft, &rng, &example, cell->example);
        for (int i = 0; i < VARIABLES; i++) {
            ns_draft_put(&p->draft, " ");
            ns_draft_put(&p->draft, example.name[i]);
        }
        ns_draft_put(&p->draft, "\n\n\n\n");
    }
    p->prefix = put_tracking(&p->draft, &rng, &asked, n);
    for (int i = 0; i < VARIABLES; i++)
        snprintf(p->outputs[p->n_outputs++], sizeof p->outputs[0], "%s", asked.name[i]);
    snprintf(p->query, sizeof p->query, "%d", asked.value);
    return NS_OK;
}

/* ---- cwe ---- */

/* Words of the lists, and pairs of them when there are no more. */
static int64_t single_words(void)
{
    int64_t n = 0;
    while (ns_word(n))
        n++;
    return n;
}

static void name_word(int64_t i, char out[MOST_WORD])
{
    const int64_t n = single_words();
    if (i < n)
        snprintf(out, MOST_WORD, "%s", ns_word(i));
    else
        ns_words_name(i - n, out);
}

static void shuffle(ns_rng *rng, int64_t *list, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t other = ns_rng_below(rng, i + 1), kept = list[i];
        list[i] = list[other];
        list[other] = kept;
    }
}

/* n words, the first 10 of them so many times, in any order: "1. word 2. word ...". */
static int put_list(ns_draft *to, ns_rng *rng, int64_t n, int common, int uncommon, int64_t words[COMMON], ns_error *err)
{
    const int64_t pool = single_words() + ns_words_count(), total = COMMON * common + (n - COMMON) * uncommon;
    int64_t *const drawn = ns_alloc_array((size_t)(n + total), sizeof *drawn), *const list = drawn + n;
    char text[MOST_WORD + 24], word[MOST_WORD];
    if (!drawn)
        return ns_oom(err, "a list of words");
    ns_ruler_sample(rng, n <= single_words() ? single_words() : pool, drawn, n);
    for (int64_t i = 0, k = 0; i < n; i++)
        for (int times = i < COMMON ? common : uncommon; times > 0; times--)
            list[k++] = drawn[i];
    shuffle(rng, list, total);
    for (int64_t i = 0; i < total; i++) {
        name_word(list[i], word);
        snprintf(text, sizeof text, "%s%lld. %s", i ? " " : "", (long long)(i + 1), word);
        ns_draft_put(to, text);
    }
    memcpy(words, drawn, COMMON * sizeof *words);
    free(drawn);
    return NS_OK;
}

static int put_counting(ns_ruler_prompt *p, ns_rng *rng, int64_t n, int common, int uncommon, int64_t words[COMMON], ns_error *err)
{
    ns_draft *const to = &p->draft;
    ns_draft_put(
        to, "Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that appear most "
            "often.\n");
    const int rc = put_list(to, rng, n, common, uncommon, words, err);
    ns_draft_put(to, "\nQuestion: What are the 10 most common words in the above list?");
    p->prefix = to->n;
    ns_draft_put(to, " Answer: The top 10 words that appear most often in the list are:");
    return rc;
}

int ns_ruler_cwe(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t n, ns_error *err)
{
    ns_rng rng = ns_rng_seed(cell->seed, cell->stream);
    const bool small = cell->length < 4096;
    int64_t words[COMMON];
    char text[MOST_WORD + 24], word[MOST_WORD];
    int rc = put_counting(p, &rng, small ? 20 : 40, small ? 3 : 10, small ? 1 : 3, words, err);
    for (int i = 0; i < COMMON && rc == NS_OK; i++) {
        name_word(words[i], word);
        snprintf(text, sizeof text, "%s%d. %s", i ? " " : "", i + 1, word);
        ns_draft_put(&p->draft, text);
    }
    ns_draft_put(&p->draft, "\n");
    rc = rc != NS_OK ? rc : put_counting(p, &rng, n, small ? 6 : 30, small ? 1 : 3, words, err);
    for (p->n_outputs = 0; p->n_outputs < COMMON && rc == NS_OK; p->n_outputs++) {
        name_word(words[p->n_outputs], word);
        snprintf(p->outputs[p->n_outputs], sizeof p->outputs[0], "%s", word);
    }
    return rc;
}

/* ---- fwe ---- */

/* How often the k-th of the coded words is said among about n: n k^-2 / zeta(2), rounded down. */
static int64_t times_of(int64_t k, int64_t n)
{
    static const double ZETA_2 = 1.6449340668482264;
    return (int64_t)((double)n / ((double)k * (double)k) / ZETA_2);
}

/* vocab words of six letters, distinct. */
static void draw_codes(ns_rng *rng, char (*codes)[CODED + 1], int64_t vocab)
{
    for (int64_t i = 0; i < vocab; i++) {
        bool again = true;
        while (again) {
            for (int k = 0; k < CODED; k++)
                codes[i][k] = (char)('a' + ns_rng_below(rng, 26));
            codes[i][CODED] = '\0';
            again = false;
            for (int64_t j = 0; j < i && !again; j++)
                again = strcmp(codes[i], codes[j]) == 0;
        }
    }
    strcpy(codes[0], "..."); /* the most frequent is noise */
}

static int put_coded(ns_draft *to, ns_rng *rng, const char (*codes)[CODED + 1], int64_t vocab, int64_t n, ns_error *err)
{
    int64_t total = 0, at = 0;
    for (int64_t k = 1; k <= vocab; k++)
        total += times_of(k, n);
    int64_t *const list = ns_alloc_array((size_t)total, sizeof *list);
    if (!list)
        return ns_oom(err, "a coded text");
    for (int64_t k = 1; k <= vocab; k++)
        for (int64_t i = times_of(k, n); i > 0; i--)
            list[at++] = k - 1;
    shuffle(rng, list, total);
    for (int64_t i = 0; i < total; i++) {
        ns_draft_put(to, i ? " " : "");
        ns_draft_put(to, codes[list[i]]);
    }
    free(list);
    return NS_OK;
}

int ns_ruler_fwe(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t n, ns_error *err)
{
    ns_rng rng = ns_rng_seed(cell->seed, cell->stream);
    const int64_t vocab = cell->length / 50;
    ns_draft *const to = &p->draft;
    if (vocab < 5 || times_of(4, n) <= times_of(5, n))
        return ns_fail(err, NS_E_ARG, "fwe: length %lld leaves no three words that are more frequent than the others",
                       (long long)cell->length);
    char(*const codes)[CODED + 1] = ns_alloc_array((size_t)vocab, sizeof *codes);
    if (!codes)
        return ns_oom(err, "coded words");
    draw_codes(&rng, codes, vocab);
    ns_draft_put(to,
                 "Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared coded "
                 "words. ");
    const int rc = put_coded(to, &rng, (const char(*)[CODED + 1]) codes, vocab, n, err);
    ns_draft_put(to,
                 "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three most frequently appeared "
                 "words in the above coded text?");
    p->prefix = to->n;
    ns_draft_put(to, " Answer: According to the coded text above, the three most frequently appeared words are:");
    for (p->n_outputs = 0; p->n_outputs < 3; p->n_outputs++)
        snprintf(p->outputs[p->n_outputs], sizeof p->outputs[0], "%s", codes[p->n_outputs + 1]);
    free(codes);
    return rc;
}
