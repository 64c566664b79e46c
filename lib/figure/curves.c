/* curves.c - a study in pairs of axes: scores over training (one thin line a run), births as Kaplan-Meier curves, the birth of the
 * previous-token head against that of retrieval, losses by recall distance. Windows and controls have panels of their own. */
#include "figure/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PER_PANEL = 8, MOST_PANELS = NS_FIGURE_PANELS };

typedef struct plot {
    const ns_study_view *view;
    ns_arms  arms;
    ns_curve *curves;
    int       n;
    int64_t   capacity;
    double  **owned;                     /* the curves' numbers */
    int64_t   n_owned, owned_capacity;
    const char **names;                  /* of the arms */
    const char *panel[MOST_PANELS];
    int       n_panels;
    double    first;                     /* the first checkpoint after 0 */
    int64_t   headless;                  /* runs without a head to be born */
    char      note[320];                 /* what is left out */
    char     *about;                     /* the study's name, with that */
} plot;

static void clear(plot *p)
{
    for (int64_t i = 0; i < p->n_owned; i++)
        free(p->owned[i]);
    free(p->owned);
    free(p->curves);
    free(p->names);
    free(p->about);
    ns_arms_clear(&p->arms);
}

/* n numbers that live as long as the plot. */
static double *numbers(plot *p, int64_t n)
{
    double *const made =
        ns_grow(&p->owned, &p->owned_capacity, p->n_owned + 1, sizeof *p->owned) ? ns_alloc_array((size_t)n + 1, sizeof *made) : NULL;
    if (made)
        p->owned[p->n_owned++] = made;
    return made;
}

static bool add(plot *p, ns_curve curve)
{
    if (!curve.x || !curve.y || !ns_grow(&p->curves, &p->capacity, (int64_t)p->n + 1, sizeof *p->curves))
        return false;
    p->curves[p->n++] = curve;
    return true;
}

static double first_checkpoint(const ns_emergence *e)
{
    double first = e->horizon;
    for (int64_t r = 0; r < e->shape.R; r++)
        for (int64_t k = 0; k < e->runs[r].P; k++)
            if (e->axis[r * e->shape.P + k] > 0)
                first = fmin(first, e->axis[r * e->shape.P + k]);
    return first;
}

static int begin(plot *p, const ns_study_view *v, const ns_figure_params *look, ns_error *err)
{
    *p = (plot){.view = v, .first = first_checkpoint(v->births)};
    const int rc = ns_arms_make(&p->arms, v->births, look, err);
    if (rc != NS_OK)
        return rc;
    p->names = ns_alloc_array((size_t)p->arms.n + 1, sizeof *p->names);
    for (int i = 0; p->names && i < p->arms.n; i++)
        p->names[i] = p->arms.list[i].name;
    if (!(p->first < v->births->horizon))
        return ns_fail(err, NS_E_ARG, "%s: a figure over training needs two checkpoints after the first step", v->name);
    return p->names ? NS_OK : ns_oom(err, "a figure");
}

/* Eight arms a panel, windows and controls apart: the panel of an arm, -1 when there are too many. */
static int panel_of(const plot *p, int arm)
{
    const int windows = p->arms.n - p->arms.n_controls, before = (windows + PER_PANEL - 1) / PER_PANEL;
    const int panel = arm < windows ? arm / PER_PANEL : before + (arm - windows) / PER_PANEL;
    return panel < MOST_PANELS ? panel : -1;
}

static int name_panels(plot *p, ns_error *err)
{
    const int last = panel_of(p, p->arms.n - 1), windows = p->arms.n - p->arms.n_controls;
    if (last < 0)
        return ns_fail(err, NS_E_ARG,
                       "%s has %d groups of runs; %d can be drawn: give the runs that repeat one another a `seed` in their run.json",
                       p->view->name, p->arms.n, PER_PANEL * MOST_PANELS);
    for (int arm = 0; arm < p->arms.n; arm++)
        p->panel[panel_of(p, arm)] = p->arms.n_controls == 0 ? "runs" : arm < windows ? "windows" : "controls";
    p->n_panels = last > 0 ? last + 1 : 0;
    return NS_OK;
}

/* A colour is the rank of a group modulo 8, so groups of one panel, which follow one another, differ. */
static int draw(plot *p, const char *path, ns_curves_figure f, const ns_figure_params *params, ns_plotted *said, ns_error *err)
{
    ns_plot_look own = {0};
    double *ticks = NULL;
    if (p->n == 0)
        return ns_fail(err, NS_E_ARG, "%s: there is nothing to draw up to the horizon", p->view->name);
    f.size = sizeof f;
    f.curves = p->curves;
    f.n_curves = p->n;
    f.groups = p->names;
    f.n_groups = p->arms.n;
    f.panels = p->panel;
    f.n_panels = p->n_panels;
    ns_note_runs(p->note, sizeof p->note, p->view);
    ns_note_count(p->note, sizeof p->note, p->headless, "run without such a head left out", "runs without such a head left out");
    p->about = ns_printf_alloc("%s%s%s", p->view->name, *p->note ? "; " : "", p->note);
    if (!p->about)
        return ns_oom(err, "a figure");
    f.study_name = p->about;
    f.ticks_name = "the architecture changes";
    const char *const file = ns_study_path(p->view->study);
    int rc = f.kind == NS_CURVE_POINTS ? NS_OK : ns_change_times(p->view->births, -1, &ticks, &f.n_ticks, err);
    f.ticks = ticks;
    rc = rc != NS_OK ? rc : ns_plot_look_begin(&own, path, params, p->n_panels > 1 ? 7 : 3.3, &file, 1, err);
    rc = rc != NS_OK ? rc : ns_draw_curves(path, &f, &own.params, err);
    ns_plot_look_end(&own);
    free(ticks);
    if (rc == NS_OK)
        ns_plotted_say(said, f.title, p->note);
    return rc;
}

static const char *axis_name(const plot *p)
{
    return p->view->births->in_tokens ? "tokens" : "steps";
}

/* ---- figure curves, figure loss: one thin line a run ---- */

/* series [P] over the run's checkpoints; one that was not measured breaks the line. */
static bool add_line(plot *p, int arm, int panel, int64_t run, const double *scores, const float *series)
{
    const ns_emergence *const e = p->view->births;
    const int64_t P = e->runs[run].P;
    double *const x = numbers(p, P), *const y = numbers(p, P);
    int64_t n = 0;
    for (int64_t k = 0; x && y && k < P; k++) {
        const double at = e->axis[run * e->shape.P + k];
        if (isnan(at))
            continue;
        x[n] = fmax(at, p->first);
        y[n++] = scores ? scores[k] : (double)series[k];
    }
    return add(p, (ns_curve){.x = x, .y = y, .n = n, .group = arm, .panel = panel});
}

int ns_study_curves(const char *path, const ns_study_view *v, const ns_figure_params *params, ns_plotted *said, ns_error *err)
{
    plot p;
    int rc = begin(&p, v, params, err);
    if (rc == NS_OK)
        rc = name_panels(&p, err);
    for (int arm = 0; arm < p.arms.n && rc == NS_OK; arm++)
        for (int64_t i = 0; i < p.arms.list[arm].n && rc == NS_OK; i++) {
            const int64_t run = p.arms.list[arm].run[i];
            rc = add_line(&p, arm, panel_of(&p, arm), run, v->births->runs[run].best_score, NULL) ? NS_OK : ns_oom(err, "a figure");
        }
    if (rc == NS_OK)
        rc = draw(&p, path, (ns_curves_figure){.kind = NS_CURVE_LINE, .title = "The best head over training", .x_name = axis_name(&p),
                                               .y_name = v->births->score,
                                               .log_x = true, .x_min = p.first, .x_max = v->births->horizon, .y_min = -.03, .y_max = 1.03,
                                               .guide = v->births->birth.theta},
                  params, said, err);
    clear(&p);
    return rc;
}

/* Arms that one panel can show. */
static int few_arms(const plot *p)
{
    return p->arms.n < PER_PANEL ? p->arms.n : PER_PANEL;
}

static int add_loss(plot *p, const char *dataset, const char *title, ns_error *err)
{
    const float *values = NULL;
    const ns_emergence *const e = p->view->births;
    int rc = ns_study_has(p->view->study, dataset) ? ns_study_series(p->view->study, dataset, &values, err) : NS_OK;
    if (rc != NS_OK || !values)
        return rc;
    for (int arm = 0; arm < few_arms(p); arm++)
        for (int64_t i = 0; i < p->arms.list[arm].n; i++) {
            const int64_t run = p->arms.list[arm].run[i];
            if (!add_line(p, arm, p->n_panels, run, NULL, values + run * e->shape.P))
                return ns_oom(err, "a figure");
        }
    p->panel[p->n_panels++] = title;
    return NS_OK;
}

int ns_study_loss(const char *path, const ns_study_view *v, const ns_figure_params *params, ns_plotted *said, ns_error *err)
{
    static const struct { const char *dataset, *title;
    } losses[] = {
        {"loss", "all tokens"},     {"loss_filler", "filler"},  {"loss_near", "near recall"},
        {"loss_mid", "mid recall"}, {"loss_far", "far recall"},
    };
    plot p;
    int rc = begin(&p, v, params, err);
    ns_note_count(p.note, sizeof p.note, p.arms.n - few_arms(&p), "group of runs left out: a panel shows eight",
                  "groups of runs left out: a panel shows eight");
    for (size_t i = 0; i < sizeof losses / sizeof *losses && rc == NS_OK; i++)
        rc = add_loss(&p, losses[i].dataset, losses[i].title, err);
    if (rc == NS_OK && p.n_panels == 0)
        rc = ns_fail(err, NS_E_ARG, "%s has no loss over (run, step): merge runs whose folders hold the trainer's metrics.h5", v->name);
    if (rc == NS_OK)
        rc = draw(&p, path,
                  (ns_curves_figure){.kind = NS_CURVE_LINE,
                                     .title = p.arms.n > PER_PANEL ? "Loss over training (the first eight groups)" : "Loss over training",
                                     .x_name = axis_name(&p),
                                     .y_name = "loss (nats)",
                                     .log_x = true,
                                     .x_min = p.first,
                                     .x_max = v->births->horizon,
                                     .guide = (double)NAN},
                  params, said, err);
    clear(&p);
    return rc;
}

/* ---- figure births: Kaplan-Meier ---- */

/* Share of the arm's runs that are born; a censored run ends its watch at the last checkpoint that could have confirmed a birth. */
static int add_births(plot *p, int arm, ns_error *err)
{
    const ns_emergence *const e = p->view->births;
    const ns_arm_rows *const rows = &p->arms.list[arm];
    double *const time = numbers(p, rows->n);
    bool *const born = ns_alloc_array((size_t)rows->n + 1, sizeof *born);
    ns_km_point *points = NULL;
    int64_t n = 0, n_points = 0, shown = 1;
    for (int64_t i = 0; time && born && i < rows->n; i++) {
        const ns_event best = e->runs[rows->run[i]].best;
        p->headless += isnan(best.at) && e->runs[rows->run[i]].measured > 0;
        if (isnan(best.at))
            continue;
        born[n] = isfinite(best.at);
        time[n] = born[n] ? best.at : best.after;
        n++;
    }
    int rc = !time || !born ? ns_oom(err, "a figure") : n ? ns_kaplan_meier(time, born, n, &points, &n_points, err) : NS_OK;
    double *const x = numbers(p, n_points + 2), *const y = numbers(p, n_points + 2);
    bool censored = false;
    if (rc == NS_OK && n && x && y) {
        x[0] = p->first;
        y[0] = 0;
        for (int64_t i = 0; i < n_points; i++) {
            x[shown] = fmax(points[i].time, p->first);
            y[shown++] = 1 - points[i].survival;
            censored |= points[i].censored > 0;
        }
        x[shown] = e->horizon;
        y[shown] = y[shown - 1];
        shown++;
    }
    if (rc == NS_OK && n && !add(p, (ns_curve){.x = x, .y = y, .n = shown, .group = arm, .open = censored, .panel = panel_of(p, arm)}))
        rc = ns_oom(err, "a figure");
    free(points);
    free(born);
    return rc;
}

int ns_study_births(const char *path, const ns_study_view *v, const ns_figure_params *params, ns_plotted *said, ns_error *err)
{
    plot p;
    int rc = begin(&p, v, params, err);
    if (rc == NS_OK)
        rc = name_panels(&p, err);
    for (int arm = 0; arm < p.arms.n && rc == NS_OK; arm++)
        rc = add_births(&p, arm, err);
    if (rc == NS_OK)
        rc = draw(&p, path, (ns_curves_figure){.kind = NS_CURVE_STEP, .title = "Births of retrieval heads (Kaplan\xe2\x80\x93Meier)",
                                               .x_name = axis_name(&p),
                                               .y_name = "share of runs born", .log_x = true, .x_min = p.first,
                                               .x_max = v->births->horizon, .y_min = -.03, .y_max = 1.03,
                                               .guide = (double)NAN, .open_name = "not all born up to the horizon"}, params, said, err);
    clear(&p);
    return rc;
}

/* ---- figure pairs ---- */

/* A point a run, hollow where one of its births is censored: it lies at the horizon then. */
static bool add_points(plot *p, int arm, bool censored)
{
    const ns_emergence *const e = p->view->births;
    const ns_arm_rows *const rows = &p->arms.list[arm];
    double *const x = numbers(p, rows->n), *const y = numbers(p, rows->n);
    int64_t n = 0;
    for (int64_t i = 0; x && y && i < rows->n; i++) {
        const ns_run_emergence *const run = &e->runs[rows->run[i]];
        p->headless += censored && run->measured > 0 && (isnan(run->previous.at) || isnan(run->best.at));
        if (isnan(run->previous.at) || isnan(run->best.at) || censored != (isinf(run->previous.at) || isinf(run->best.at)))
            continue;
        x[n] = fmin(run->previous.at, e->horizon);
        y[n++] = fmin(run->best.at, e->horizon);
    }
    return x && y && (n == 0 || add(p, (ns_curve){.x = x, .y = y, .n = n, .group = arm, .open = censored, .panel = panel_of(p, arm)}));
}

int ns_study_pairs(const char *path, const ns_study_view *v, const ns_figure_params *params, ns_plotted *said, ns_error *err)
{
    plot p;
    int rc = begin(&p, v, params, err);
    if (rc == NS_OK && !v->births->previous)
        rc = ns_fail(err, NS_E_ARG,
                     "%s has no score of previous-token heads: scan with --probe previous_token, or name one with --previous", v->name);
    if (rc == NS_OK)
        rc = name_panels(&p, err);
    for (int arm = 0; arm < p.arms.n && rc == NS_OK; arm++)
        rc = add_points(&p, arm, false) && add_points(&p, arm, true) ? NS_OK : ns_oom(err, "a figure");
    if (rc == NS_OK)
        rc = draw(
            &p, path,
            (ns_curves_figure){.kind = NS_CURVE_POINTS,
                               .title = "Previous-token birth against retrieval birth",
                               .x_name = v->births->in_tokens ? "previous-token head born (tokens)" : "previous-token head born (steps)",
                               .y_name = v->births->in_tokens ? "retrieval head born (tokens)" : "retrieval head born (steps)",
                               .log_x = true,
                               .log_y = true,
                               .x_min = p.first,
                               .x_max = v->births->horizon,
                               .y_min = p.first,
                               .y_max = v->births->horizon,
                               .guide = (double)NAN,
                               .diagonal = true,
                               .open_name = "not born up to the horizon"},
            params, said, err);
    clear(&p);
    return rc;
}
