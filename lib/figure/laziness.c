/* laziness.c - the laziness heatmap: bands of windows and controls, one row a run sorted by birth; panels: best head, previous-token head,
 * recall in the window and needle accuracy, as far as the study has them. The strip: a run's heads, layer by layer. */
#include "figure/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PANELS = 4 };

typedef struct picture {
    const ns_study_view *view;
    int64_t  N, R;                       /* points, rows */
    double  *tokens;                     /* [N] */
    float   *value;                      /* [panels, R, N] */
    double (*birth)[2], *death;          /* [panels, R] */
    int     *band;                       /* [R] */
    int64_t *run;                        /* [R] */
    const char *panel[MOST_PANELS];
    double   chance[MOST_PANELS][2];     /* least and most over the rows */
    int      n_panels;
    bool     one_clock;                  /* all runs count a step's tokens alike */
} picture;

static void clear(picture *p)
{
    free(p->tokens);
    free(p->value);
    free(p->birth);
    free(p->death);
    free(p->band);
    free(p->run);
}

static int allocate(picture *p, int64_t rows, int64_t points, ns_error *err)
{
    const size_t cells = (size_t)(MOST_PANELS * (rows + 1));
    for (int i = 0; i < MOST_PANELS; i++)
        p->chance[i][0] = p->chance[i][1] = (double)NAN;
    p->tokens = ns_alloc_array((size_t)points + 1, sizeof *p->tokens);
    p->value = ns_alloc_array(cells * (size_t)(points + 1), sizeof *p->value);
    p->birth = ns_alloc_array(cells, sizeof *p->birth);
    p->death = ns_alloc_array(cells, sizeof *p->death);
    p->band = ns_alloc_array((size_t)rows + 1, sizeof *p->band);
    p->run = ns_alloc_array((size_t)rows + 1, sizeof *p->run);
    return p->tokens && p->value && p->birth && p->death && p->band && p->run ? NS_OK : ns_oom(err, "a figure");
}

/* ---- one axis for all runs ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Every checkpoint of the chosen runs up to the horizon, once. */
static int make_axis(picture *p, ns_error *err)
{
    const ns_emergence *const e = p->view->births;
    int64_t n = 0, capacity = 0;
    p->one_clock = true;
    for (int64_t r = 0; r < p->R; r++) {
        const double *const axis = e->axis + p->run[r] * e->shape.P, *const first = e->axis + p->run[0] * e->shape.P;
        for (int64_t k = 0; k < e->runs[p->run[r]].P; k++) {
            p->one_clock &= isnan(axis[k]) || isnan(first[k]) || axis[k] == first[k];
            if (isnan(axis[k]))
                continue;
            if (!ns_grow(&p->tokens, &capacity, n + 1, sizeof *p->tokens))
                return ns_oom(err, "a figure");
            p->tokens[n++] = axis[k];
        }
    }
    qsort(p->tokens, (size_t)n, sizeof *p->tokens, by_size);
    for (int64_t i = 0; i < n; i++)
        if (p->N == 0 || p->tokens[i] > p->tokens[p->N - 1])
            p->tokens[p->N++] = p->tokens[i];
    return p->N >= 2 ? NS_OK
                     : ns_fail(err, NS_E_ARG, "%s: a figure over training needs two checkpoints, up to the horizon there is %lld",
                               p->view->name, (long long)p->N);
}

/* The run's checkpoint that stands for a point of the axis, -1 = not run. Runs on one clock have it there or not at all; else it is the
 * nearest one. */
static int64_t checkpoint_at(const picture *p, int64_t run, double tokens)
{
    const ns_emergence *const e = p->view->births;
    const double *const axis = e->axis + run * e->shape.P;
    double least = (double)INFINITY;
    int64_t best = -1;
    for (int64_t k = 0; k < e->runs[run].P; k++) {
        const double far = fabs(log1p(axis[k]) - log1p(tokens));
        if (!(far < least) || (p->one_clock && axis[k] != tokens))
            continue;
        least = far;
        best = k;
    }
    return best;
}

/* series[P] of a run -> a row of a panel, with the marks of `alive`[P], the series that births are of: above chance; NULL: no marks. */
static int fill_row(picture *p, int panel, int64_t row, const double *series, const double *alive, ns_error *err)
{
    const int64_t i = panel * p->R + row, run = p->run[row];
    for (int64_t k = 0; k < p->N; k++) {
        const int64_t at = checkpoint_at(p, run, p->tokens[k]);
        p->value[i * p->N + k] = at < 0 ? NAN : (float)series[at];
    }
    p->birth[i][0] = p->birth[i][1] = p->death[i] = (double)NAN;
    return alive ? ns_series_marks(p->view->births, run, alive, p->birth[i], &p->death[i], err) : NS_OK;
}

/* What chance gives a row of the next panel (0: not known): rows differ in the windows of their heads. */
static void take_chance(picture *p, double chance)
{
    double *const level = p->chance[p->n_panels];
    if (chance > 0) {
        level[0] = fmin(level[0], chance);       /* passes over NaN */
        level[1] = fmax(level[1], chance);
    }
}

static ns_bands_figure figure_of(const picture *p)
{
    return (ns_bands_figure){.size = sizeof(ns_bands_figure),
                             .tokens = p->tokens,
                             .n_points = p->N,
                             .panels = p->panel,
                             .n_panels = p->n_panels,
                             .band = p->band,
                             .n_rows = p->R,
                             .value = p->value,
                             .birth = (const double(*)[2])p->birth,
                             .death = p->death,
                             .chance = p->chance,
                             .x_name = p->view->births->in_tokens ? "tokens" : "steps"};
}

/* Panels side by side are for a page's width. */
static int draw(const char *path, const picture *p, ns_bands_figure f, int64_t run, const ns_figure_params *params, ns_error *err)
{
    ns_plot_look own = {0};
    double *ticks = NULL;
    const char *const file = ns_study_path(p->view->study);
    int rc = ns_change_times(p->view->births, run, &ticks, &f.n_ticks, err);
    f.ticks = ticks;
    rc = rc != NS_OK ? rc : ns_plot_look_begin(&own, path, params, f.n_panels > 1 ? 7 : 3.5, &file, 1, err);
    rc = rc != NS_OK ? rc : ns_draw_bands(path, &f, &own.params, err);
    ns_plot_look_end(&own);
    free(ticks);
    return rc;
}

/* ---- figure laziness ---- */

/* A study's series [R, P] as the next panel, where the study has it. */
static int add_series(picture *p, const char *dataset, const char *title, bool mark, double *scratch, ns_error *err)
{
    const ns_emergence *const e = p->view->births;
    const float *values = NULL;
    int rc = ns_study_has(p->view->study, dataset) ? ns_study_series(p->view->study, dataset, &values, err) : NS_OK;
    if (rc != NS_OK || !values)
        return rc;
    for (int64_t r = 0; r < p->R && rc == NS_OK; r++) {
        for (int64_t k = 0; k < e->runs[p->run[r]].P; k++)
            scratch[k] = (double)values[p->run[r] * e->shape.P + k];
        rc = fill_row(p, p->n_panels, r, scratch, mark ? scratch : NULL, err);
    }
    p->panel[p->n_panels++] = title;
    return rc;
}

static int add_best(picture *p, bool previous, const char *title, double *scratch, ns_error *err)
{
    const ns_emergence *const e = p->view->births;
    int rc = NS_OK;
    for (int64_t r = 0; r < p->R && rc == NS_OK; r++) {
        const ns_run_emergence *const run = &e->runs[p->run[r]];
        const double *const score = previous ? run->previous_score : run->best_score;
        const int64_t *const head = previous ? run->previous_head : run->best_head;
        const double *const chance = (previous ? e->previous_chance : e->chance) + p->run[r] * e->shape.L * e->shape.H;
        for (int64_t k = 0; k < run->P; k++)
            scratch[k] = head[k] < 0 ? (double)NAN : ns_above_chance(score[k], chance[head[k]]);
        take_chance(p, previous ? run->previous_chance : run->chance);
        rc = fill_row(p, p->n_panels, r, score, scratch, err);
    }
    p->panel[p->n_panels++] = title;
    return rc;
}

static int fill_panels(picture *p, ns_error *err)
{
    const ns_emergence *const e = p->view->births;
    double *const scratch = ns_alloc_array((size_t)e->shape.P, sizeof *scratch);
    int rc = scratch ? add_best(p, false, strcmp(e->score, "retrieval_find") ? e->score : "retrieval (find)", scratch, err)
                     : ns_oom(err, "a figure");
    if (rc == NS_OK && e->previous)
        rc = add_best(p, true, "previous token", scratch, err);
    if (rc == NS_OK)
        rc = add_series(p, "recall_in_window", "recall in window", false, scratch, err);
    if (rc == NS_OK)
        rc = add_series(p, "accuracy", "needle accuracy", true, scratch, err);
    free(scratch);
    return rc;
}

static int draw_arms(picture *p, const ns_arms *arms, const char *note, const char *path, const ns_figure_params *params, ns_error *err)
{
    const char *names[NS_FIGURE_BANDS], *notes[NS_FIGURE_BANDS];
    ns_bands_figure f = figure_of(p);
    char *const about =
        ns_printf_alloc("%s; one row a run; right: birth in steps, median (range), born%s%s", p->view->name, *note ? "; " : "", note);
    for (int i = 0; i < arms->n; i++) {
        names[i] = arms->list[i].name;
        notes[i] = arms->list[i].note;
    }
    f.bands = names;
    f.notes = notes;
    f.n_bands = arms->n;
    f.n_controls = arms->n_controls;
    f.value_name = "Large-Window Laziness";
    f.study_name = about;
    const int rc = about ? draw(path, p, f, -1, params, err) : ns_oom(err, "a figure");
    free(about);
    return rc;
}

int ns_study_laziness(const char *path, const ns_study_view *v, const ns_figure_params *params, ns_plotted *said, ns_error *err)
{
    picture p = {.view = v};
    ns_arms arms = {0};
    char note[160] = "";
    ns_note_runs(note, sizeof note, v);
    int rc = ns_arms_make(&arms, v->births, params, err);
    if (rc == NS_OK && arms.n > NS_FIGURE_BANDS)
        rc = ns_fail(err, NS_E_ARG,
                     "%s has %d groups of runs; %d bands can be drawn: give the runs that repeat one another a `seed` in their run.json",
                     v->name, arms.n, NS_FIGURE_BANDS);
    if (rc == NS_OK)
        rc = allocate(&p, v->births->shape.R, v->births->shape.R * v->births->shape.P, err);
    for (int i = 0; rc == NS_OK && i < arms.n; i++) {
        for (int64_t k = 0; k < arms.list[i].n; k++) {
            p.band[p.R] = i;
            p.run[p.R++] = arms.list[i].run[k];
        }
    }
    if (rc == NS_OK)
        rc = make_axis(&p, err);
    if (rc == NS_OK)
        rc = fill_panels(&p, err);
    if (rc == NS_OK)
        rc = draw_arms(&p, &arms, note, path, params, err);
    if (rc == NS_OK)
        ns_plotted_say(said, v->births->score, note);
    ns_arms_clear(&arms);
    clear(&p);
    return rc;
}

/* ---- figure strip ---- */

/* A row for every head that the run has, a band for every layer. */
static int64_t add_heads(picture *p, int64_t run, const int64_t *layers, int64_t n_layers, int64_t *head)
{
    const ns_emergence *const e = p->view->births;
    int bands = 0;
    for (int64_t i = 0; i < n_layers; i++) {
        const int64_t before = p->R, l = layers[i];
        for (int64_t h = 0; h < e->shape.H; h++) {
            if (!ns_study_head_valid(e->study, run, l, h))
                continue;
            head[p->R] = l * e->shape.H + h;
            p->run[p->R] = run;
            p->band[p->R++] = bands;
        }
        bands += p->R > before;
    }
    return bands;
}

static int add_score(picture *p, const char *score, const double *chance, const int64_t *head, ns_error *err)
{
    const ns_emergence *const e = p->view->births;
    const int64_t K = e->shape.L * e->shape.H;
    const float *values;
    double *const series = ns_alloc_array((size_t)(2 * e->shape.P), sizeof *series), *const alive = series + e->shape.P;
    int rc = series ? ns_study_score(p->view->study, score, &values, err) : ns_oom(err, "a figure");
    for (int64_t r = 0; r < p->R && rc == NS_OK; r++) {
        for (int64_t k = 0; k < e->runs[p->run[r]].P; k++) {
            series[k] = (double)values[(p->run[r] * e->shape.P + k) * K + head[r]];
            alive[k] = ns_above_chance(series[k], chance[p->run[r] * K + head[r]]);
        }
        take_chance(p, chance[p->run[r] * K + head[r]]);
        rc = fill_row(p, p->n_panels, r, series, alive, err);
    }
    p->panel[p->n_panels++] = score;
    free(series);
    return rc;
}

/* "L2 full", "L0 swa 4" */
static char *layer_name(const ns_emergence *e, int64_t run, int64_t head)
{
    const int64_t l = head / e->shape.H, window = ns_study_head_window(e->study, run, l, head % e->shape.H);
    const char *const kind = ns_study_layer_kind(e->study, run, l);
    return strcmp(kind, "swa") == 0 && window > 0 ? ns_printf_alloc("L%lld %s %lld", (long long)l, kind, (long long)window)
                                                  : ns_printf_alloc("L%lld %s", (long long)l, kind);
}

static int draw_layers(picture *p, int64_t n_bands, const int64_t *head, const char *path, const ns_figure_params *params, ns_error *err)
{
    char *names[NS_FIGURE_BANDS] = {0}, *const about = ns_printf_alloc("%s, run %s; one row a head, 0 at the top", p->view->name,
                                                                       ns_study_run_name(p->view->study, p->run[0]));
    bool good = about != NULL;
    ns_bands_figure f = figure_of(p);
    for (int64_t r = 0; r < p->R && good; r++)
        if (!names[p->band[r]])
            good = (names[p->band[r]] = layer_name(p->view->births, p->run[r], head[r])) != NULL;
    f.bands = (const char *const *)names;
    f.n_bands = (int)n_bands;
    f.value_name = "Heads over training";
    f.study_name = about;
    const int rc = good ? draw(path, p, f, p->run[0], params, err) : ns_oom(err, "a figure");
    for (int i = 0; i < NS_FIGURE_BANDS; i++)
        free(names[i]);
    free(about);
    return rc;
}

int ns_study_strip(const char *path, const ns_study_view *v, const ns_figure_params *params, ns_plotted *said, ns_error *err)
{
    const ns_emergence *const e = v->births;
    const int64_t K = e->shape.L * e->shape.H;
    picture p = {.view = v};
    int64_t *const head = ns_alloc_array((size_t)K + 1, sizeof *head), *layers = NULL, n_layers = 0, bands = 0;
    ns_figure_params own = {.size = sizeof own};
    if (v->run < 0 || e->runs[v->run].measured == 0) {
        free(head);
        return ns_fail(err, NS_E_ARG, "%s: run '%s' has no scored checkpoint up to the horizon", v->name,
                       v->run < 0 ? "" : ns_study_run_name(v->study, v->run));
    }
    int rc = head ? allocate(&p, K, e->shape.P, err) : ns_oom(err, "a figure");
    rc = rc == NS_OK && params ? ns_sized_copy(&own, sizeof own, params, "ns_figure_params", err) : rc;
    own.size = sizeof own;
    rc = rc != NS_OK ? rc : ns_plot_layers(&own, e->shape.L, &layers, &n_layers, err);
    own.layers = NULL;
    if (rc == NS_OK && (bands = add_heads(&p, v->run, layers, n_layers, head)) == 0)
        rc = ns_fail(err, NS_E_ARG, "%s: no head in these layers", v->name);
    if (rc == NS_OK && bands > NS_FIGURE_BANDS)
        rc = ns_fail(err, NS_E_ARG, "%s: a strip of %lld layers; %d can be drawn", v->name, (long long)bands, NS_FIGURE_BANDS);
    if (rc == NS_OK) {
        p.N = 0;
        rc = make_axis(&p, err);
    }
    if (rc == NS_OK)
        rc = add_score(&p, e->score, e->chance, head, err);
    if (rc == NS_OK && e->previous)
        rc = add_score(&p, e->previous, e->previous_chance, head, err);
    if (rc == NS_OK)
        rc = draw_layers(&p, bands, head, path, &own, err);
    if (rc == NS_OK)
        ns_plotted_say(said, v->births->score, "");
    free(head);
    free(layers);
    clear(&p);
    return rc;
}
