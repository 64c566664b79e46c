/* notebook_births.c - the last section of a study's notebook: when the best head of each run was born. */
#include <math.h>
#include <stdlib.h>

#include "cells.h"
#include "story.h"
#include "words.h"

static void words(ns_notebook *b, const ns_export_births *e, const char *score)
{
    ns_text t;
    if (!ns_text_begin(&t, b))
        return;
    fputs("## When the best head is born\n\nThe best head by ", t.f);
    ns_words_markdown(t.f, score);
    fprintf(t.f, " is born at the first of %d measured checkpoints in a row with a value of ", e->persist);
    ns_words_number(t.f, "%g", e->theta);
    fprintf(t.f, " or more, so somewhere in (`after`, `by`], in %s. Where `by` is empty it was not born up to `after`, the last checkpoint "
                 "at which that could still be confirmed. Runs are compared up to ", e->in_tokens ? "tokens" : "steps");
    ns_words_number(t.f, "%.0f", e->horizon);
    fputs(", which all of them reached. \"Best\" is a maximum over heads, so large by chance: `needlescope emergence` has the null.", t.f);
    ns_notebook_markdown(b, "births-text", &t);
}

static void table(ns_notebook *b, const ns_source *x, const ns_export_births *e, cJSON *cell)
{
    ns_grid g = {.columns = 4};
    ns_grid_add(b, &g, "run");
    ns_grid_add(b, &g, "head");
    ns_grid_add(b, &g, "after");
    ns_grid_add(b, &g, "by");
    for (int64_t r = 0; r < x->R; r++) {
        const ns_event *const birth = &e->run[r];
        const bool born = isfinite(birth->at);
        if (isnan(birth->after))
            continue;
        ns_grid_add(b, &g, "%s", ns_study_run_name(x->study, r));
        ns_grid_add(b, &g, born ? "%lld.%lld" : "", (long long)(birth->head / x->H), (long long)(birth->head % x->H));
        ns_grid_add(b, &g, "%.0f", birth->after);
        ns_grid_add(b, &g, born ? "%.0f" : "", birth->at);
    }
    ns_notebook_grid(b, cell, &g);
}

static cJSON *plain_code(ns_notebook *b, const char *id, const char *const *lines)
{
    ns_text t;
    return ns_text_begin(&t, b) ? ns_notebook_code(b, id, &t, lines) : NULL;
}

void ns_story_births(ns_notebook *b, const ns_source *x, const ns_export_births *e, const char *score)
{
    ns_text t;
    words(b, e, score);
    char *const literal = ns_words_python(score);
    if (!literal || !ns_text_begin(&t, b)) {
        b->failed = true;
        free(literal);
        return;
    }
    fprintf(t.f, "score, theta, persist = %s, ", literal);
    ns_words_number(t.f, "%.17g", e->theta);
    fprintf(t.f, ", %d\n", e->persist);
    free(literal);
    table(b, x, e, ns_notebook_code(b, "births", &t, ns_cell_births));
    ns_notebook_png(
        b, plain_code(b, "bands", ns_cell_bands), e->bands,
        "Scores of the best heads over training, a row a run; a bar marks the interval of a birth. The table above has the numbers.");
    ns_notebook_png(b, plain_code(b, "curves", ns_cell_curves), e->curves, "The best head's score over training, a line a run.");
}
