/* rank.c - the best heads of scores by rank, with their intervals over cases. */
#include "figure/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = NS_FIGURE_PANELS, USUAL_TOP = 20, MOST_RANKS = 256 };

typedef struct series {
    double  *value, *low, *high;         /* [top] */
    char   **labels;
    int64_t  n;
    double   chance;
} series;

static void clear_series(series *s)
{
    free(s->value);
    free(s->low);
    free(s->high);
    ns_free_strings(s->labels, s->n);
}

static int allocate(series *s, int64_t top, ns_error *err)
{
    s->value = ns_alloc_array((size_t)top, sizeof *s->value);
    s->low = ns_alloc_array((size_t)top, sizeof *s->low);
    s->high = ns_alloc_array((size_t)top, sizeof *s->high);
    s->labels = ns_alloc_array((size_t)top, sizeof *s->labels);
    return s->value && s->low && s->high && s->labels ? NS_OK : ns_oom(err, "the ranks");
}

/* What a ranking found of the head; NaN where the file has none. */
static double found(const float *values, int64_t i)
{
    return values ? (double)values[i] : (double)NAN;
}

static int fill(series *s, ns_study *study, const char *name, const int64_t *best, int64_t n, ns_error *err)
{
    const int64_t H = ns_study_size(study).H;
    const float *score, *low, *high, *chance;
    double sum = 0;
    int rc = ns_study_score(study, name, &score, err);
    rc = rc != NS_OK ? rc : ns_study_ranked(study, "score_low", name, &low, err);
    rc = rc != NS_OK ? rc : ns_study_ranked(study, "score_high", name, &high, err);
    rc = rc != NS_OK ? rc : ns_study_ranked(study, "score_chance", name, &chance, err);
    for (; rc == NS_OK && s->n < n; s->n++) {
        const int64_t i = best[s->n];
        s->value[s->n] = (double)score[i];
        s->low[s->n] = found(low, i);
        s->high[s->n] = found(high, i);
        sum += found(chance, i);
        s->labels[s->n] = ns_printf_alloc("%lld.%lld", (long long)(i / H), (long long)(i % H));
        rc = s->labels[s->n] ? NS_OK : ns_oom(err, "the ranks");
    }
    s->chance = s->n ? sum / (double)s->n : (double)NAN;
    return rc;
}

/* The scores of the layers that are asked for, NaN elsewhere; malloc'd. */
static int take_layers(const float *score, ns_study_shape n, const ns_figure_params *look, float **out, ns_error *err)
{
    int64_t *layers, n_layers;
    int rc = ns_plot_layers(look, n.L, &layers, &n_layers, err);
    *out = rc == NS_OK ? ns_alloc_array((size_t)(n.L * n.H), sizeof **out) : NULL;
    rc = rc == NS_OK && !*out ? ns_oom(err, "the ranks") : rc;
    for (int64_t i = 0; i < n.L * n.H && rc == NS_OK; i++)
        (*out)[i] = NAN;
    for (int64_t i = 0; i < n_layers && rc == NS_OK; i++)
        memcpy(*out + layers[i] * n.H, score + layers[i] * n.H, (size_t)n.H * sizeof **out);
    free(layers);
    return rc;
}

static int add_series(series *s, ns_study *study, const char *name, int64_t top, const ns_figure_params *look, char *note, size_t size,
                      ns_error *err)
{
    const ns_study_shape n = ns_study_size(study);
    const float *score;
    float *chosen = NULL;
    ns_score_meaning meaning;
    int64_t *const best = ns_alloc_array((size_t)top, sizeof *best);
    int rc = best ? allocate(s, top, err) : ns_oom(err, "the ranks");
    rc = rc != NS_OK ? rc : ns_plot_ranks(study, name, &meaning, note, size, err);
    rc = rc != NS_OK ? rc : ns_study_score(study, name, &score, err);
    rc = rc != NS_OK ? rc : take_layers(score, n, look, &chosen, err);
    if (rc == NS_OK) {
        const ns_best_cut cut = ns_best(chosen, n.L * n.H, top, &meaning, best);
        rc = cut.n ? fill(s, study, name, best, cut.n, err)
                   : ns_fail(err, NS_E_ARG, "%s: no head scores anything by '%s'", ns_study_path(study), name);
        ns_plot_note_cut(note, size, name, &cut, top);
    }
    free(best);
    free(chosen);
    return rc;
}

static int draw(const char *path, const ns_study *study, const char *const *scores, int n, const series *all, const ns_figure_params *look,
                ns_error *err)
{
    ns_ranked panels[MOST];
    ns_plot_look own = {0};
    for (int i = 0; i < n; i++)
        panels[i] =
            (ns_ranked){scores[i], all[i].n, all[i].value, all[i].low, all[i].high, (const char *const *)all[i].labels, all[i].chance};
    const ns_rank_figure figure = {.size = sizeof figure, .panels = panels, .n_panels = n, .value_name = "score",
                                   .study_name = ns_file_fact(ns_study_file(study), "model_name"),
                                   .chance_name = "the same heads at the placebo, mean"};
    const char *const file = ns_study_path(study);
    int rc = ns_plot_look_begin(&own, path, look, n > 1 ? 7 : 3.5, &file, 1, err);
    own.params.layers = NULL;
    rc = rc != NS_OK ? rc : ns_draw_rank(path, &figure, &own.params, err);
    ns_plot_look_end(&own);
    return rc;
}

int ns_plot_rank(const char *path, const ns_rank_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_rank_plot p;
    ns_study *study = NULL;
    series all[MOST] = {0};
    char note[400] = "";
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_rank_plot", err);
    const int n = p.n_scores ? p.n_scores : 1;
    const int64_t top = p.top ? p.top : USUAL_TOP;
    if (rc == NS_OK && (n < 0 || n > MOST || top < 1 || top > MOST_RANKS))
        rc = ns_fail(err, NS_E_ARG, "%d scores of %lld heads; %d panels of %d heads can be drawn", n, (long long)top, MOST, MOST_RANKS);
    rc = rc != NS_OK ? rc : ns_plot_check(path, look, &p.file, 1, err);
    rc = rc != NS_OK ? rc : ns_plot_open_scores(&study, p.file, err);
    const char *const usual = rc == NS_OK ? ns_study_usual_score(study) : NULL, *const *const scores = p.n_scores ? p.scores : &usual;
    for (int i = 0; rc == NS_OK && i < n; i++)
        rc = add_series(&all[i], study, scores[i], top, look, note, sizeof note, err);
    rc = rc != NS_OK ? rc : draw(path, study, scores, n, all, look, err);
    if (rc == NS_OK)
        ns_plotted_say(said, scores[0], note);
    for (int i = 0; i < MOST; i++)
        clear_series(&all[i]);
    ns_study_close(study);
    return ns_fail_of(err, rc, p.file);
}
