/* agreement.c - do scores mean the same heads? Rank correlation or overlap of the ten best, score against score. */
#include "figure/files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

/* twins, alone: how many scores were left out, and why. */
typedef struct table { char **names; int64_t n; float *values; int64_t *chosen; int64_t n_chosen, twins, alone; } table;

static void clear_table(table *t)
{
    ns_free_strings(t->names, t->n);
    free(t->values);
    free(t->chosen);
}

static int read_table(const ns_file *f, const char *path, const char *dataset, table *t, ns_error *err)
{
    ns_expected names = {.size = sizeof names, .name = "score_name", .rank = 1, .shape = {NS_ANY}};
    if (!ns_file_has(f, dataset) || !ns_file_has(f, "score_name"))
        return ns_fail(err, NS_E_ARG, "%s has no agreement of scores: it is written by `score` with cases, not by a scan", path);
    int rc = ns_file_texts(f, &names, &t->names, err);
    t->n = rc == NS_OK ? names.shape[0] : 0;
    ns_expected w = {sizeof w, dataset, NS_F32, 2, {t->n, t->n}, ns_or_nan(ns_between(-1.0001, 1.0001))};
    rc = rc != NS_OK ? rc : ns_file_array(f, &w, &t->values, err);
    t->chosen = ns_alloc_array((size_t)t->n + 1, sizeof *t->chosen);
    return rc == NS_OK && !t->chosen ? ns_oom(err, "scores") : rc;
}

static int place_of(const table *t, const char *path, const char *name, int64_t *at, ns_error *err)
{
    for (*at = 0; *at < t->n; ++*at)
        if (strcmp(t->names[*at], name) == 0)
            return NS_OK;
    const char *const near = ns_nearest_word(name, (const char *const *)t->names, t->n);
    return ns_fail(err, NS_E_ARG, "%s has no score '%s'%s%s%s", path, name, near ? " (did you mean '" : "", near ? near : "",
                   near ? "'?)" : "");
}

/* Those that were named, else all that are comparable but the _nosink twins of others. */
static int choose(const ns_agreement_plot *p, table *t, ns_error *err)
{
    for (int64_t i = 0; !p->n_scores && i < t->n; i++) {
        const bool twin = strstr(t->names[i], "_nosink") != NULL, comparable = !isnan(t->values[i * t->n + i]);
        t->twins += twin;
        t->alone += !twin && !comparable;
        if (!twin && comparable)
            t->chosen[t->n_chosen++] = i;
    }
    if (p->n_scores > t->n)
        return ns_fail(err, NS_E_ARG, "%d scores of %s, which has %lld", p->n_scores, p->file, (long long)t->n);
    for (int i = 0; i < p->n_scores; i++) {
        const int rc = place_of(t, p->file, p->scores[i], &t->chosen[t->n_chosen], err);
        if (rc != NS_OK)
            return rc;
        t->n_chosen++;
    }
    return t->n_chosen >= 2 && t->n_chosen <= MOST
               ? NS_OK
               : ns_fail(err, NS_E_ARG, "%s: %lld score%s; agreement is drawn of 2 to %d", p->file, (long long)t->n_chosen,
                         ns_plural(t->n_chosen), MOST);
}

static int draw(const char *path, const ns_agreement_plot *p, const ns_file *f, const table *t, const ns_figure_params *look,
                ns_plotted *said, ns_error *err)
{
    const int64_t n = t->n_chosen;
    float *const values = ns_alloc_array((size_t)(n * n), sizeof *values);
    const char *names[MOST];
    char note[256] = "";
    ns_plot_look own = {0};
    if (!values)
        return ns_oom(err, "a figure");
    for (int64_t i = 0; i < n; i++) {
        names[i] = t->names[t->chosen[i]];
        for (int64_t k = 0; k < n; k++)
            values[i * n + k] = t->values[t->chosen[i] * t->n + t->chosen[k]];
    }
    const ns_matrix_figure figure = {.size = sizeof figure, .value = values, .n_rows = n, .n_cols = n, .rows = names, .cols = names,
                                     .study_name = ns_file_fact(f, "model_name"),
                                     .value_name = p->spearman ? "Rank correlation of scores" : "Overlap of the ten best heads (Jaccard)",
                                     .missing_name = "not comparable",
                                     .chance = NAN};
    int rc = ns_plot_look_begin(&own, path, look, n > 5 ? 7 : 3.5, &p->file, 1, err);
    if (rc == NS_OK)
        rc = ns_draw_matrix(path, &figure, &own.params, err);
    ns_plot_look_end(&own);
    ns_note_count(note, sizeof note, t->twins, "_nosink score left out: name it to have it",
                  "_nosink scores left out: name them to have them");
    ns_note_count(note, sizeof note, t->alone, "score of no head left out", "scores of no head left out");
    if (rc == NS_OK)
        ns_plotted_say(said, figure.value_name, note);
    free(values);
    return rc;
}

int ns_plot_agreement(const char *path, const ns_agreement_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_agreement_plot p;
    ns_file *f = NULL;
    table t = {0};
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_agreement_plot", err);
    rc = rc != NS_OK ? rc : ns_plot_check(path, look, &p.file, 1, err);
    rc = rc != NS_OK ? rc : ns_file_open_as(&f, p.file, NS_KINDS(NS_KIND_SCORES), "a score file (needlescope score -o makes one)", err);
    rc = rc != NS_OK ? rc : read_table(f, p.file, p.spearman ? "agreement_spearman" : "agreement_jaccard10", &t, err);
    rc = rc != NS_OK ? rc : ns_fail_default(err, choose(&p, &t, err), p.n_scores, "--score");
    rc = rc != NS_OK ? rc : draw(path, &p, f, &t, look, said, err);
    clear_table(&t);
    ns_file_close(f);
    return ns_fail_of(err, rc, p.file);
}
