/* probe.c - layer-wise probing: accuracy by layer with its interval, chance and controls, a panel a distance; of a study layer x step. */
#include "figure/files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/linear.h>

enum { MOST_PANELS = 6, LINES = 3, MOST_STEPS = 64 };
static const char *const groups[LINES] = {"needle (95 %)", "shuffled labels", "no needle"};

/* ---- places ---- */

static int64_t window_of(const ns_linear *r)
{
    int64_t window = 0;
    for (int64_t l = 0; l < r->L; l++)
        window = r->kind[l] == NS_LAYER_SWA && r->window[l] > window ? r->window[l] : window;
    return window;
}

/* "all distances", "256 tokens", "256 (0.5 W)" where layers have windows. */
static char *name_place(const ns_linear *r, int64_t place)
{
    const double d = r->distance[place];
    const int64_t window = window_of(r);
    return isnan(d) ? ns_strdup(r->N > 1 ? "all distances" : "all cases")
         : window   ? ns_printf_alloc("%.0f (%.3g W)", d, d / (double)window)
                    : ns_printf_alloc("%.0f tokens", d);
}

/* Into place[MOST_PANELS]: the distances that are asked for, else all of them, else what there is. */
static int choose_places(const ns_linear *r, const ns_probe_plot *p, int64_t *place, int *n, ns_error *err)
{
    *n = 0;
    for (int i = 0; i < p->n_distances; i++) {
        int64_t at = isnan(p->distances[i]) ? 0 : 1;     /* the first place is all of them */
        while (at > 0 && at < r->N && r->distance[at] != p->distances[i])
            at++;
        if (at >= r->N)
            return ns_fail(err, NS_E_ARG, "%s: no cases of their own at distance %g", p->file, p->distances[i]);
        if (*n == MOST_PANELS)
            return ns_fail(err, NS_E_ARG, "more than %d distances: draw fewer at once", MOST_PANELS);
        place[(*n)++] = at;
    }
    if (*n)
        return NS_OK;
    if (r->N - 1 > MOST_PANELS)
        return ns_fail(err, NS_E_ARG, "%s: %lld distances, of which %d can be drawn (choose with --distances)", p->file,
                       (long long)r->N - 1, MOST_PANELS);
    for (int64_t at = r->N > 1; at < r->N; at++)
        place[(*n)++] = at;
    return NS_OK;
}

/* ---- one checkpoint ---- */

typedef struct lines {
    ns_curve curves[MOST_PANELS * LINES];
    char    *panels[MOST_PANELS];
    double  *x, *y, *ticks;              /* [L]; [panels, LINES + 2, L]; [ticks] */
    int      n, n_panels, n_ticks;
    char     ticks_name[64];
} lines;

static void mark_layers(lines *d, const ns_linear *r)
{
    bool swa = false, recurrent = false;
    for (int64_t l = 0; l < r->L; l++) {
        swa |= r->kind[l] == NS_LAYER_SWA;
        recurrent |= r->kind[l] == NS_LAYER_RECURRENT;
        if (r->kind[l] == NS_LAYER_SWA || r->kind[l] == NS_LAYER_RECURRENT)
            d->ticks[d->n_ticks++] = (double)l;
    }
    if (swa && !recurrent)
        snprintf(d->ticks_name, sizeof d->ticks_name, "sliding layers (W = %lld)", (long long)window_of(r));
    else
        snprintf(d->ticks_name, sizeof d->ticks_name, "%s", swa ? "sliding and recurrent layers" : "recurrent layers");
}

static int make_lines(lines *d, const ns_linear *r, const int64_t *place, int n, ns_error *err)
{
    enum { LOW = LINES, HIGH, SERIES };
    d->x = ns_alloc_array((size_t)r->L, sizeof *d->x);
    d->ticks = ns_alloc_array((size_t)r->L, sizeof *d->ticks);
    d->y = ns_alloc_array((size_t)(n * SERIES), (size_t)r->L * sizeof *d->y);
    if (!d->x || !d->ticks || !d->y)
        return ns_oom(err, "a figure");
    for (int64_t l = 0; l < r->L; l++)
        d->x[l] = (double)l;
    for (int i = 0; i < n; i++) {
        double *const y = d->y + i * SERIES * r->L;
        bool any[LINES] = {false};
        for (int64_t l = 0; l < r->L; l++) {
            const ns_linear_value *const v = &r->value[place[i] * r->L + l];
            const float of[SERIES] = {v->accuracy, v->shuffled, v->without, v->low, v->high};
            for (int k = 0; k < SERIES; k++)
                y[k * r->L + l] = (double)of[k];
            for (int k = 0; k < LINES; k++)
                any[k] |= !isnan(of[k]);
        }
        for (int k = 0; k < LINES; k++)
            if (any[k])
                d->curves[d->n++] = (ns_curve){.x = d->x, .y = y + k * r->L, .n = r->L, .group = k, .panel = i,
                                               .low = k ? NULL : y + LOW * r->L, .high = k ? NULL : y + HIGH * r->L};
        if (!(d->panels[d->n_panels++] = name_place(r, place[i])))
            return ns_oom(err, "a figure");
    }
    mark_layers(d, r);
    return NS_OK;
}

static int draw_one(const char *path, const ns_probe_plot *p, const ns_study *study, const ns_figure_params *look, ns_plotted *said,
                    ns_error *err)
{
    ns_linear *r = NULL;
    lines d = {0};
    ns_plot_look own = {0};
    int64_t place[MOST_PANELS];
    int n = 0;
    int rc = ns_linear_of_study(&r, study, 0, 0, err);
    rc = rc != NS_OK ? rc : choose_places(r, p, place, &n, err);
    rc = rc != NS_OK ? rc : make_lines(&d, r, place, n, err);
    const ns_curves_figure figure = {.size = sizeof figure, .kind = NS_CURVE_LINE, .curves = d.curves, .n_curves = d.n, .groups = groups,
                                     .n_groups = LINES, .x_name = "layer", .y_name = "accuracy",
                                     .title = "What can be read at a layer", .study_name = ns_study_run_name(study, 0),
                                     .y_max = 1, .guide = r ? r->chance : (double)NAN, .guide_name = "chance",
                                     .ticks = d.n_ticks ? d.ticks : NULL, .n_ticks = d.n_ticks,
                                     .ticks_name = d.n_ticks ? d.ticks_name : NULL,
                                     .panels = (const char *const *)d.panels, .n_panels = d.n_panels};
    rc = rc != NS_OK ? rc : ns_plot_look_begin(&own, path, look, d.n_panels > 2 ? 7 : d.n_panels > 1 ? 4.5 : 3.5, &p->file, 1, err);
    rc = rc != NS_OK ? rc : ns_draw_curves(path, &figure, &own.params, err);
    ns_plot_look_end(&own);
    if (rc == NS_OK)
        ns_plotted_say(said, "accuracy by layer", r->bare[0] ? "" : "no control without needle in it");
    for (int i = 0; i < MOST_PANELS; i++)
        free(d.panels[i]);
    free(d.x);
    free(d.y);
    free(d.ticks);
    ns_linear_free(r);
    return rc;
}

/* ---- layer x step ---- */

typedef struct steps {
    int64_t at[MOST_STEPS], n, left_out, missing;    /* indices */
    char   *cols[MOST_STEPS], **rows;
    float  *value;                                   /* [L, n], the last layer on top */
    int64_t L;
    double  chance;
    char   *place;
} steps;

/* Those that were scored; of more than can be drawn as many, evenly, with the first and the last. */
static int choose_steps(steps *s, const ns_study *study, int64_t run, ns_error *err)
{
    const ns_study_shape size = ns_study_size(study);
    const uint8_t *const status = ns_study_status(study) + run * size.P;
    int64_t done = 0, seen = 0;
    for (int64_t p = 0; p < size.P; p++)
        done += status[p] == NS_STUDY_DONE;
    s->missing = size.P - done;
    if (!done)
        return ns_fail(err, NS_E_ARG, "run %s has no scored checkpoint", ns_study_run_name(study, run));
    for (int64_t p = 0; p < size.P; p++) {
        if (status[p] != NS_STUDY_DONE)
            continue;
        const int64_t want = done <= MOST_STEPS ? s->n : s->n * (done - 1) / (MOST_STEPS - 1);
        if (seen++ == want)
            s->at[s->n++] = p;
    }
    s->left_out = done - s->n;
    return NS_OK;
}

static int take_step(steps *s, const ns_study *study, const ns_probe_plot *p, int64_t run, int64_t i, ns_error *err)
{
    ns_linear *r = NULL;
    int64_t place = 0;
    int rc = ns_linear_of_study(&r, study, run, s->at[i], err);
    for (int64_t at = 1; rc == NS_OK && p->n_distances && at < r->N; at++)
        place = r->distance[at] == p->distances[0] ? at : place;
    if (rc == NS_OK && p->n_distances && !place)
        rc = ns_fail(err, NS_E_ARG, "%s: no cases of their own at distance %g", p->file, p->distances[0]);
    for (int64_t l = 0; rc == NS_OK && l < s->L; l++)
        s->value[(s->L - 1 - l) * s->n + i] = r->value[place * r->L + l].accuracy;
    if (rc == NS_OK && i == 0) {
        s->chance = r->chance;
        s->place = name_place(r, place);
        for (int64_t l = 0; l < s->L && s->place; l++)
            s->rows[s->L - 1 - l] = ns_printf_alloc("%lld%s%s", (long long)l, r->kind[l] == NS_LAYER_FULL ? "" : " ",
                                                    r->kind[l] == NS_LAYER_FULL ? "" : ns_layer_kind_name((ns_layer_kind)r->kind[l]));
        rc = s->place && s->rows[0] ? NS_OK : ns_oom(err, "a figure");
    }
    ns_linear_free(r);
    s->cols[i] = ns_printf_alloc("%lld", (long long)ns_study_steps(study)[s->at[i]]);
    return rc != NS_OK || s->cols[i] ? rc : ns_oom(err, "a figure");
}

static int draw_steps(const char *path, const ns_probe_plot *p, const ns_study *study, const ns_figure_params *look, ns_plotted *said,
                      ns_error *err)
{
    steps s = {.L = ns_study_size(study).L};
    ns_plot_look own = {0};
    int64_t run = 0;
    char note[256] = "";
    int rc = p->run ? ns_study_find_run(study, p->run, &run, err) : NS_OK;
    rc = rc != NS_OK || p->n_distances < 2 ? rc : ns_fail(err, NS_E_ARG, "a map of layer x step is of one distance, or of all");
    rc = rc != NS_OK ? rc : choose_steps(&s, study, run, err);
    s.value = ns_alloc_array((size_t)(s.L * s.n), sizeof *s.value);
    s.rows = ns_alloc_array((size_t)s.L, sizeof *s.rows);
    rc = rc != NS_OK || (s.value && s.rows) ? rc : ns_oom(err, "a figure");
    for (int64_t i = 0; i < s.n && rc == NS_OK; i++)
        rc = take_step(&s, study, p, run, i, err);
    char *const about = rc == NS_OK ? ns_printf_alloc("%s; %s", ns_study_run_name(study, run), s.place) : NULL;
    rc = rc != NS_OK || about ? rc : ns_oom(err, "a figure");
    const ns_matrix_figure figure = {.size = sizeof figure, .value = s.value, .n_rows = s.L, .n_cols = s.n,
                                     .rows = (const char *const *)s.rows, .cols = (const char *const *)s.cols, .row_name = "layer",
                                     .col_name = "step", .value_name = "What can be read at a layer", .study_name = about,
                                     .missing_name = "no such point", .chance = s.chance};
    rc = rc != NS_OK ? rc : ns_plot_look_begin(&own, path, look, s.n > 8 ? 7 : 3.5, &p->file, 1, err);
    rc = rc != NS_OK ? rc : ns_draw_matrix(path, &figure, &own.params, err);
    ns_plot_look_end(&own);
    ns_note_count(note, sizeof note, s.left_out, "checkpoint between those drawn left out", "checkpoints between those drawn left out");
    ns_note_count(note, sizeof note, s.missing, "step of the study is not scored in this run",
                  "steps of the study are not scored in this run");
    if (rc == NS_OK)
        ns_plotted_say(said, about, note);
    for (int i = 0; i < MOST_STEPS; i++)
        free(s.cols[i]);
    ns_free_strings(s.rows, s.rows ? s.L : 0);
    free(s.place);
    free(s.value);
    free(about);
    return rc;
}

int ns_plot_probe(const char *path, const ns_probe_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_probe_plot p;
    ns_study *study = NULL;
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_probe_plot", err);
    rc = rc != NS_OK ? rc : ns_plot_check(path, look, &p.file, 1, err);
    rc = rc != NS_OK ? rc : ns_study_open(&study, p.file, err);
    if (rc == NS_OK && ns_study_is_one(study) && p.run)
        rc = ns_fail(err, NS_E_ARG, "%s is of one checkpoint: a run is chosen of a study", p.file);
    rc = rc != NS_OK ? rc : (ns_study_is_one(study) ? draw_one : draw_steps)(path, &p, study, look, said, err);
    ns_study_close(study);
    return ns_fail_of(err, rc, plot->file);
}
