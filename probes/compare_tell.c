/* compare_tell.c - a comparison as an answer: a row a pair of rankings; for a reader each measure beside its chance and p, for a program
 * all. */
#include <math.h>
#include <stdio.h>

#include "compare.h"
#include "training/telling.h"

static const char *head_text(const ns_compared *row, char out[48])
{
    snprintf(out, 48, "%lld.%lld", (long long)row->apart_at.layer, (long long)row->apart_at.head);
    return isnan(row->apart) ? NULL : out;
}

/* "0.25 (0 to 0.11)": what is, beside the middle 95 % of chance. */
static void beside_chance(const ns_answer *a, const ns_likeness *l)
{
    char text[64];
    snprintf(text, sizeof text, "%.3f (%.2g to %.2g)", l->value, l->anywhere.low, l->anywhere.high);
    tell_text(a, isnan(l->value) ? NULL : text);
    tell_number(a, l->anywhere.p);
    tell_number(a, l->in_layer.p);
}

static void likeness(const ns_answer *a, const ns_likeness *l)
{
    const ns_null *const nulls[] = {&l->anywhere, &l->in_layer};
    if (a->brief) {
        beside_chance(a, l);
        return;
    }
    tell_number(a, l->value);
    for (int i = 0; i < 2; i++) {
        const double numbers[] = {nulls[i]->mean, nulls[i]->low, nulls[i]->high, nulls[i]->p};
        for (int k = 0; k < 4; k++)
            tell_number(a, numbers[k]);
    }
}

#define NUMBERS(key) \
    {key, "", NS_CELL_NUMBER}, {key "_chance", "", NS_CELL_NUMBER}, {key "_chance_low", "", NS_CELL_NUMBER}, \
        {key "_chance_high", "", NS_CELL_NUMBER}, {key "_p", "", NS_CELL_NUMBER}, {key "_chance_in_layer", "", NS_CELL_NUMBER}, \
        {key "_chance_in_layer_low", "", NS_CELL_NUMBER}, {key "_chance_in_layer_high", "", NS_CELL_NUMBER}, \
        {key "_p_in_layer", "", NS_CELL_NUMBER}
#define WORDS(key, title) \
    {key, title, NS_CELL_TEXT}, {key "_p", "p", NS_CELL_NUMBER}, {key "_p_in_layer", "in layer", NS_CELL_NUMBER}
#define WHICH \
    {"a", "a", NS_CELL_TEXT}, {"b", "b", NS_CELL_TEXT}, {"run", "run", NS_CELL_TEXT}, {"step", "step", NS_CELL_INT}, \
        {"score", "score", NS_CELL_TEXT}, {"heads", "heads", NS_CELL_INT}
#define APART {"max_difference", "max difference", NS_CELL_NUMBER}, {"max_difference_at", "at head", NS_CELL_TEXT}

static void tell_row(const ns_answer *a, const ns_compared *row)
{
    char at[48];
    tell_text(a, a->brief ? ns_path_base(row->a) : row->a);
    tell_text(a, a->brief ? ns_path_base(row->b) : row->b);
    tell_text(a, row->run);
    tell_integer(a, row->step);
    tell_text(a, row->score);
    tell_integer(a, row->heads);
    if (!a->brief) {
        tell_integer(a, row->only_a);
        tell_integer(a, row->only_b);
    }
    likeness(a, &row->jaccard);
    likeness(a, &row->spearman);
    likeness(a, &row->overlap);
    tell_number(a, row->apart);
    tell_text(a, head_text(row, at));
}

void ns_comparison_tell(const ns_comparison *c, const ns_answer *a)
{
    static const ns_column full[] = {WHICH, {"only_a", "", NS_CELL_INT}, {"only_b", "", NS_CELL_INT}, NUMBERS("jaccard"),
                                     NUMBERS("spearman"), NUMBERS("rank_biased_overlap"), APART},
                           brief[] = {WHICH, WORDS("jaccard", "Jaccard"), WORDS("spearman", "Spearman"),
                                      WORDS("rank_biased_overlap", "rank-biased"), APART},
                           notes[] = {{"note", "note", NS_CELL_TEXT}};
    tell_fact_integer(a, "k", "k of Jaccard", c->params.k);
    tell_fact_number(a, "persistence", "persistence of rank-biased overlap", c->params.persistence);
    tell_fact_integer(a, "permutations", "permutations", c->params.permutations);
    tell_fact_integer(a, "seed", "seed", (int64_t)c->params.seed);
    if (a->brief)
        TELL_TABLE(a, "pairs", "How alike the rankings are (95 % of chance)", brief);
    else
        TELL_TABLE(a, "pairs", NULL, full);
    for (int64_t i = 0; i < c->n; i++)
        tell_row(a, &c->list[i]);
    a->end(a->user);
    TELL_TABLE(a, "notes", NULL, notes);
    for (int64_t i = 0; i < c->notes.n && !a->brief; i++)
        tell_text(a, c->note_texts[i]);
    a->end(a->user);
}
