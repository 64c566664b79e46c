/* gradient_write.c - what an influence by distance says, and gradient.h5, whose first datasets have the names of the paper's own files. */
#include "gradient.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "training/telling.h"

/* ---- in words ---- */

static void tell_ratio(const ns_answer *a, const char *key, const char *label, const ns_gradient_curve *c)
{
    char name[64];
    tell_fact_number(a, key, label, c->ratio.value);
    snprintf(name, sizeof name, "%s_low", key);
    tell_fact_number(a, name, "  95 % from", c->ratio.low);
    snprintf(name, sizeof name, "%s_high", key);
    tell_fact_number(a, name, "  to", c->ratio.high);
}

/* A printed table has a row an octave. */
static bool is_told(const ns_gradient *g, int64_t b, bool brief)
{
    return !brief || b == 0 || b + 1 == g->B || (g->bin[b] <= 8 ? (g->bin[b] & (g->bin[b] - 1)) == 0 : b % 4 == 0);
}

static void tell_value(const ns_answer *a, const ns_gradient_value *list, int64_t b, bool interval)
{
    const ns_gradient_value none = {(double)NAN, (double)NAN, (double)NAN}, *const v = list ? &list[b] : &none;
    tell_number(a, v->value);
    if (interval) {
        tell_number(a, v->low);
        tell_number(a, v->high);
    }
}

void ns_gradient_tell(const ns_gradient *g, const ns_answer *a)
{
    static const ns_column columns[] = {
        {"from", "from", NS_CELL_INT}, {"to", "to", NS_CELL_INT}, {"norm", "mean norm", NS_CELL_NUMBER},
        {"low", "95% from", NS_CELL_NUMBER},
        {"high", "to", NS_CELL_NUMBER}, {"shuffled", "shuffled", NS_CELL_NUMBER}, {"relative", "/ beyond", NS_CELL_NUMBER},
        {"relative_shuffled", "shuffled", NS_CELL_NUMBER}};
    tell_fact(a, "target", "target", ns_gradient_target_name(g->target));
    tell_fact_integer(a, "last", "of the last rows", g->last);
    tell_fact_integer(a, "n_texts", "texts (intervals from 5 on)", g->C);
    tell_fact_integer(a, "longest", "tokens of the longest", g->N);
    tell_fact_integer(a, "window", "window (0: none)", g->window);
    if (g->window) {
        tell_ratio(a, "ratio", "mean norm inside / beyond the window", &g->text);
        if (g->has_baseline)
            tell_ratio(a, "ratio_shuffled", "the same of shuffled texts", &g->shuffled);
    }
    TELL_TABLE(a, "bins", "By distance from the last token", columns);
    for (int64_t b = 0; b < g->B; b++) {
        if (!is_told(g, b, a->brief))
            continue;
        tell_integer(a, g->bin[b]);
        tell_integer(a, g->bin[b + 1] - 1);
        tell_value(a, g->text.binned, b, true);
        tell_value(a, g->shuffled.binned, b, false);
        tell_value(a, g->text.binned_relative, b, false);
        tell_value(a, g->shuffled.binned_relative, b, false);
    }
    a->end(a->user);
}

/* ---- the file ---- */

static int put(ns_table_writer *w, const char *name, const char *axes, const void *data, ns_dtype type, const int64_t *shape, int rank,
               const char *summary, ns_error *err)
{
    const ns_view view = ns_view_of((void *)(uintptr_t)data, type, rank, shape);
    return ns_table_array(w, name, axes, &view, summary, err);
}

static int put_bins(ns_table_writer *w, const ns_gradient *g, const char *name, const ns_gradient_value *list, const char *summary,
                    ns_error *err)
{
    static const char *const ends[] = {"", "_low", "_high"};
    double *const x = ns_alloc_array((size_t)g->B, sizeof *x);
    int rc = x ? NS_OK : ns_oom(err, name);
    for (int k = 0; k < 3 && rc == NS_OK; k++) {
        char whole[64];
        snprintf(whole, sizeof whole, "%s%s", name, ends[k]);
        for (int64_t b = 0; b < g->B; b++)
            x[b] = k == 0 ? list[b].value : k == 1 ? list[b].low : list[b].high;
        rc = put(w, whole, "bin", x, NS_F64, &g->B, 1, k ? "95 % over resampled texts" : summary, err);
    }
    free(x);
    return rc;
}

/* before: "" or "shuffled_" */
static int put_curve(ns_table_writer *w, const ns_gradient *g, const ns_gradient_curve *c, const char *before, ns_error *err)
{
    char name[6][48];
    static const char *const ends[] = {"mean_grad_norm", "sum_grad_norm", "relative_norm", "grad_norm", "binned_norm", "binned_relative"};
    for (int i = 0; i < 6; i++)
        snprintf(name[i], sizeof name[i], "%s%s", before, ends[i]);
    const int64_t cells[2] = {g->C, g->N};
    int rc = put(w, name[0], "distance", c->mean, NS_F64, &g->N, 1, "mean of |d target / d embedding| over texts that are so long", err);
    rc = rc != NS_OK ? rc : put(w, name[1], "distance", c->sum, NS_F64, &g->N, 1, "their sum", err);
    rc = rc != NS_OK || !c->relative ? rc : put(w, name[2], "distance", c->relative, NS_F64, &g->N, 1, "over that beyond the window", err);
    rc = rc != NS_OK ? rc : put(w, name[3], "text distance", c->norm, NS_F32, cells, 2, "|d target / d embedding|", err);
    rc = rc != NS_OK ? rc : put_bins(w, g, name[4], c->binned, "mean over all cells of the bin", err);
    return rc != NS_OK || !c->binned_relative ? rc : put_bins(w, g, name[5], c->binned_relative, "the same / mean beyond the window", err);
}

static int put_axes(ns_table_writer *w, const ns_gradient *g, ns_error *err)
{
    int rc = ns_table_count(w, "text", g->C, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "distance", g->N, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "bin", g->B, err);
    if (rc == NS_OK && g->n_windows) {
        rc = ns_table_count(w, "model_window", g->n_windows, err);
        rc = rc != NS_OK ? rc : put(w, "windows", "model_window", g->windows, NS_I64, &g->n_windows, 1, "sliding windows of heads", err);
    }
    rc = rc != NS_OK ? rc : put(w, "sample_count", "distance", g->count, NS_I64, &g->N, 1, "texts that are so long", err);
    rc = rc != NS_OK ? rc : put(w, "bin_begin", "bin", g->bin, NS_I64, &g->B, 1, "first distance of the bin", err);
    rc = rc != NS_OK ? rc : put(w, "bin_end", "bin", g->bin + 1, NS_I64, &g->B, 1, "one behind its last", err);
    rc = rc != NS_OK ? rc : ns_table_strings(w, "text_id", "text", (const char *const *)g->text_id, g->C, err);
    return rc != NS_OK ? rc : put(w, "text_tokens", "text", g->text_tokens, NS_I64, &g->C, 1, "tokens of the text that were taken", err);
}

static int facts_of(const ns_gradient *g, ns_fact_list *out, ns_error *err)
{
    char last[32], length[32], window[32], seed[32];
    snprintf(last, sizeof last, "%lld", (long long)g->last);
    snprintf(length, sizeof length, "%lld", (long long)g->length);
    snprintf(window, sizeof window, "%lld", (long long)g->window);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)g->seed);
    const ns_fact own[] = {{"kind", "gradient", false}, {"target", ns_gradient_target_name(g->target), false},
                           {"target_last_n_tokens", last, false}, {"context_len", length, false}, {"window", window, false},
                           {"baseline", g->has_baseline ? "shuffled" : "none", false}, {"seed", seed, false},
                           {"cases_sha256", g->texts_sha256, false}};
    const int rc = ns_fact_list_add_all(out, own, (int)(sizeof own / sizeof *own), err);
    return rc != NS_OK ? rc : ns_fact_list_join(out, &g->made_with, err);
}

int ns_gradient_write(const ns_gradient *g, const char *path, const ns_provenance *by, ns_error *err)
{
    ns_fact_list facts = {0};
    ns_table_writer *w = NULL;
    int rc = facts_of(g, &facts, err);
    rc = rc != NS_OK ? rc : ns_table_create_by(&w, path, &facts, by, err);
    ns_fact_list_clear(&facts);
    rc = rc != NS_OK ? rc : put_axes(w, g, err);
    rc = rc != NS_OK ? rc : put_curve(w, g, &g->text, "", err);
    rc = rc != NS_OK || !g->has_baseline ? rc : put_curve(w, g, &g->shuffled, "shuffled_", err);
    return ns_table_end(w, rc, err);
}
