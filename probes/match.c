/* match.c - how like the controls of a set are: counted, said in a sentence, written, read. */
#include "draws.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/study.h>

static const double narrow = 1.25, wide = 1.5;

static void count(ns_match *m, const ns_stand_in *s)
{
    m->n_matched += isfinite(s->caliper);
    m->within[0] += s->caliper <= narrow;
    m->within[1] += s->caliper > narrow && s->caliper <= wide;
    m->from[s->tier]++;
    m->ratio_min = m->n && m->ratio_min < s->ratio ? m->ratio_min : s->ratio;
    m->ratio_max = m->n && m->ratio_max > s->ratio ? m->ratio_max : s->ratio;
    m->candidates_min = m->n && m->candidates_min < s->candidates ? m->candidates_min : s->candidates;
    m->candidates_max = m->n && m->candidates_max > s->candidates ? m->candidates_max : s->candidates;
    m->n++;
}

static int by_head(const void *a, const void *b)
{
    const ns_head *const x = a, *const y = b;
    return x->layer != y->layer ? (x->layer < y->layer ? -1 : 1) : x->head < y->head ? -1 : x->head > y->head;
}

static bool seen_before(const ns_head *sets, int64_t draw, int64_t n_heads)
{
    for (int64_t i = 0; i < draw; i++)
        if (memcmp(sets + i * n_heads, sets + draw * n_heads, (size_t)n_heads * sizeof *sets) == 0)
            return true;
    return false;
}

static int count_distinct(ns_match *m, const ns_stand_in *list, int64_t n_draws, int64_t n_heads, ns_error *err)
{
    ns_head *const sets = ns_alloc_array((size_t)(n_draws * n_heads), sizeof *sets);
    if (!sets)
        return ns_oom(err, "controls");
    for (int64_t i = 0; i < n_draws; i++) {
        for (int64_t k = 0; k < n_heads; k++)
            sets[i * n_heads + k] = list[i * n_heads + k].head;
        qsort(sets + i * n_heads, (size_t)n_heads, sizeof *sets, by_head);
        m->n_distinct += !seen_before(sets, i, n_heads);
    }
    free(sets);
    return NS_OK;
}

int ns_match_of(ns_match *m, const ns_stand_in *list, int64_t n_draws, int64_t n_heads, ns_error *err)
{
    const int64_t n = n_draws * n_heads;
    double *const ratio = ns_alloc_array((size_t)n, sizeof *ratio);
    *m = (ns_match){.n_draws = n_draws};
    if (!ratio)
        return ns_oom(err, "controls");
    for (int64_t i = 0; i < n; i++) {
        count(m, &list[i]);
        ratio[i] = list[i].ratio;
    }
    qsort(ratio, (size_t)n, sizeof *ratio, ns_compare_double);
    m->ratio_median = ns_median_sorted(ratio, n);
    free(ratio);
    return count_distinct(m, list, n_draws, n_heads, err);
}

/* ---- in words ---- */

const char *ns_scores_are_of(const char *scores_sha256, const char *scores_arch_sha256, const ns_fact_list *model)
{
    const char *const weights_sha256 = ns_fact_list_find(model, "weights_sha256"), *const arch = ns_fact_list_find(model, "arch_sha256");
    if (!scores_sha256)
        return NULL;
    if (!scores_sha256[0] || !weights_sha256 || !weights_sha256[0])
        return "unknown weights";
    if (strcmp(scores_sha256, weights_sha256))
        return "other weights";
    const bool known = arch && scores_arch_sha256 && scores_arch_sha256[0];
    return known && strcmp(arch, scores_arch_sha256) ? "this model's weights under another architecture" : "this model's weights";
}

static void say_how_near(const ns_match *m, char *out, size_t size)
{
    const long long n = m->n, matched = m->n_matched, narrowly = m->within[0];
    if (narrowly == n)
        snprintf(out, size, "matched within a factor 1.25");
    else if (matched == n)
        snprintf(out, size, "matched within a factor 1.5 (%lld of %lld within 1.25)", narrowly, n);
    else if (matched == 0)
        snprintf(out, size, "other heads, no head of like norm exists");
    else
        snprintf(out, size, "other heads, %lld of %lld within a factor 1.5, no head of like norm exists for the rest", matched, n);
}

const char *ns_match_name(const ns_match *m)
{
    return ns_match_holds(m) ? "matched others" : m->n_matched ? "other heads, not all of like norm" : "other heads, none of like norm";
}

void ns_match_text(const ns_match *m, char out[NS_MATCH_TEXT])
{
    char near[120];
    if (m->n == 0) {
        snprintf(out, NS_MATCH_TEXT, "none drawn");
        return;
    }
    say_how_near(m, near, sizeof near);
    const int used = snprintf(out, NS_MATCH_TEXT, "%s: norms %.3g to %.3g of theirs (median %.3g)", near, m->ratio_min, m->ratio_max,
                              m->ratio_median);
    char candidates[64];
    if (m->candidates_min == m->candidates_max)
        snprintf(candidates, sizeof candidates, "%lld", (long long)m->candidates_min);
    else
        snprintf(candidates, sizeof candidates, "%lld to %lld", (long long)m->candidates_min, (long long)m->candidates_max);
    snprintf(out + used, NS_MATCH_TEXT - (size_t)used, "; %lld of the same layer, %lld of neighbouring layers, %lld from farther; %s to "
                                                       "draw from; %lld different set%s in %lld draw%s",
             (long long)m->from[NS_TIER_LAYER], (long long)m->from[NS_TIER_NEIGHBOURS], (long long)m->from[NS_TIER_MODEL],
             m->candidates_max ? candidates : "none", (long long)m->n_distinct, ns_plural(m->n_distinct), (long long)m->n_draws,
             ns_plural(m->n_draws));
}

/* ---- in files ---- */

static const struct column { const char *name, *summary; } columns[] = {
    {"control_ratio", "z_norm of the control head / z_norm of the head of the set that it stands for"},
    {"control_caliper", "factor within which that ratio lies, 1.25 or 1.5; inf: no head does, this one is the nearest"},
    {"control_candidates", "heads there were to draw from; 0 where the caliper was missed"},
    {"control_tier", "0: of the same layer, 1: of a layer at most 2 away, 2: from farther"},
    {"control_layer", "layer of the control head"},
    {"control_head", "its number there"},
};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

static double value_of(const ns_stand_in *s, int column)
{
    const double all[N_COLUMNS] = {s->ratio, s->caliper, (double)s->candidates, s->tier, (double)s->head.layer, (double)s->head.head};
    return all[column];
}

int ns_controls_write(const ns_controls *c, ns_table_writer *w, ns_error *err)
{
    const int64_t shape[2] = {c->n_draws, c->n_heads}, n = shape[0] * shape[1];
    if (n == 0)
        return NS_OK;
    float *const values = ns_alloc_array((size_t)n, sizeof *values);
    int rc = values ? NS_OK : ns_oom(err, "controls");
    rc = rc != NS_OK ? rc : ns_table_count(w, "control", shape[0], err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "target", shape[1], err);
    for (int k = 0; k < N_COLUMNS && rc == NS_OK; k++) {
        for (int64_t i = 0; i < n; i++)
            values[i] = (float)value_of(&c->list[i], k);
        const ns_view view = ns_view_of(values, NS_F32, 2, shape);
        rc = ns_table_array(w, columns[k].name, "control target", &view, columns[k].summary, err);
    }
    free(values);
    return rc;
}

int ns_sets_write(ns_table_writer *w, ns_set (*at)(const void *, int), const void *of, int n, ns_error *err)
{
    char **const text = ns_alloc_array((size_t)n, sizeof *text);
    int rc = text ? NS_OK : ns_oom(err, "conditions");
    for (int i = 0; rc == NS_OK && i < n; i++) {
        const ns_set set = at(of, i);
        text[i] = ns_heads_text(set.heads, set.n);
        rc = text[i] ? NS_OK : ns_oom(err, "conditions");
    }
    if (rc == NS_OK)
        rc = ns_table_strings(w, "heads", "condition", (const char *const *)text, n, err);
    for (int i = 0; text && i < n; i++)
        free(text[i]);
    free(text);
    return rc;
}

/* shape: of the first column, NS_ANY when that one is read. */
static int read_column(const ns_file *f, int column, float **out, int64_t shape[2], ns_error *err)
{
    ns_expected w = {sizeof w, columns[column].name, NS_F32, 2, {shape[0], shape[1]}, ns_intervention_range(columns[column].name)};
    const int rc = ns_file_array(f, &w, out, err);
    shape[0] = w.shape[0];
    shape[1] = w.shape[1];
    return rc;
}

static int count_all(ns_match *m, float *const column[N_COLUMNS], const int64_t shape[2], ns_error *err)
{
    const int64_t n = shape[0] * shape[1];
    ns_stand_in *const list = ns_alloc_array((size_t)n, sizeof *list);
    for (int64_t i = 0; list && i < n; i++)
        list[i] = (ns_stand_in){{(int64_t)column[4][i], (int64_t)column[5][i]}, (double)column[0][i], (double)column[1][i],
                                (int64_t)column[2][i], (ns_control_tier)(int)column[3][i]};
    const int rc = list ? ns_match_of(m, list, shape[0], shape[1], err) : ns_oom(err, "controls");
    free(list);
    return rc;
}

int ns_match_read(ns_match *m, const ns_file *f, ns_error *err)
{
    float *column[N_COLUMNS] = {0};
    int64_t shape[2] = {NS_ANY, NS_ANY};
    int rc = NS_OK;
    *m = (ns_match){0};
    if (!ns_file_has(f, columns[0].name))
        return NS_OK;
    for (int k = 0; k < N_COLUMNS && rc == NS_OK; k++)
        rc = read_column(f, k, &column[k], shape, err);
    if (rc == NS_OK)
        rc = count_all(m, column, shape, err);
    for (int k = 0; k < N_COLUMNS; k++)
        free(column[k]);
    return rc;
}
