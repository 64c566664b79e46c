/* studies.c - the table of a study's figures; a figure of a study's file. */
#include "figure/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const ns_study_figure ns_study_figures[] = {
    {"laziness", "Draws scores over training, a band a window and control, a row a run", false, true, ns_study_laziness},
    {"births", "Draws the share of runs whose retrieval head is born (Kaplan-Meier)", false, false, ns_study_births},
    {"pairs", "Draws the birth of the previous-token head against that of retrieval", false, true, ns_study_pairs},
    {"curves", "Draws the best head's score over training, a thin line a run", false, false, ns_study_curves},
    {"loss", "Draws losses over training by recall distance, a thin line a run", false, false, ns_study_loss},
    {"strip", "Draws every head of one run over training", true, true, ns_study_strip},
    {0},
};

const ns_study_figure *ns_study_figure_find(const char *name)
{
    const ns_study_figure *f = ns_study_figures;
    while (f->name && strcmp(f->name, name) != 0)
        f++;
    return f->name ? f : NULL;
}

void ns_note_runs(char *note, size_t size, const ns_study_view *v)
{
    const ns_emergence *const e = v->births;
    int64_t unscored = 0;
    for (int64_t r = 0; r < e->shape.R; r++)
        unscored += e->runs[r].measured == 0;
    ns_note_count(note, size, unscored, "run has no scored checkpoint up to the horizon",
                  "runs have no scored checkpoint up to the horizon");
    ns_note_count(note, size, e->n_apart, "run is drawn apart: another of its kind has its seed",
                  "runs are drawn apart: others of their kind have their seed");
}

/* What the figure does not draw must not be missing: it has no previous-token head where it shows none, and a loss is of any score. */
static int find_births(const ns_study_plot *p, const ns_study_figure *figure, int x_axis, ns_study *study, ns_emergence **out,
                       ns_error *err)
{
    ns_emergence_params births = {.size = sizeof births};
    int rc = p->births ? ns_sized_copy(&births, sizeof births, p->births, "ns_emergence_params", err) : NS_OK;
    births.size = sizeof births;
    births.apart = true;
    births.axis = x_axis != NS_X_AUTO ? x_axis : births.axis;
    if (!figure->of_previous)
        births.previous = "";
    if (figure->draw == ns_study_loss && !births.score)
        births.score = ns_study_usual_score(study);
    if (rc == NS_OK)
        rc = ns_emergence_run(out, study, &births, err);
    return rc;
}

/* No birth can be confirmed: a figure of births would show nothing; others are drawn without, and say so. */
static int check_births(const ns_study_figure *figure, const ns_emergence *births, ns_error *why, ns_error *err)
{
    const bool of_births = figure->draw == ns_study_births || figure->draw == ns_study_pairs;
    const bool marks_them = figure->draw == ns_study_laziness || figure->draw == ns_study_strip;
    const int rc = of_births || marks_them ? ns_emergence_check(births, why) : NS_OK;
    return rc != NS_OK && of_births ? ns_fail(err, rc, "%s", why->message) : NS_OK;
}

static int no_figure(const char *name, ns_error *err)
{
    enum { MOST = 16 };
    const char *known[MOST];
    int n = 0;
    while (n < MOST && ns_study_figures[n].name) {
        known[n] = ns_study_figures[n].name;
        n++;
    }
    const char *const near = ns_nearest_word(name, known, n);
    return ns_fail(err, NS_E_ARG, "there is no figure '%s' of a study (%s%s%slaziness, births, pairs, curves, loss, strip)", name,
                   near ? "did you mean " : "", near ? near : "", near ? "? All: " : "");
}

int ns_plot_study(const char *path, const ns_study_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_study_plot p;
    ns_study *study = NULL;
    ns_emergence *births = NULL;
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_study_plot", err);
    const ns_study_figure *const figure = rc == NS_OK ? ns_study_figure_find(p.figure ? p.figure : "") : NULL;
    if (rc == NS_OK && !figure)
        rc = no_figure(p.figure ? p.figure : "", err);
    if (rc == NS_OK && p.run && !figure->of_a_run)
        rc = ns_fail(err, NS_E_ARG, "run '%s': the figure '%s' is of all runs", p.run, p.figure);
    ns_figure_params own = {.size = sizeof own};
    rc = rc == NS_OK && look ? ns_sized_copy(&own, sizeof own, look, "ns_figure_params", err) : rc;
    own.size = sizeof own;
    rc = rc != NS_OK ? rc : ns_plot_check(path, &own, &p.file, 1, err);
    rc = rc != NS_OK ? rc : ns_study_open(&study, p.file, err);
    rc = rc != NS_OK ? rc : find_births(&p, figure, own.x_axis, study, &births, err);
    own.x_axis = NS_X_AUTO;
    char *const name = rc == NS_OK ? ns_clean_utf8(ns_path_base(p.file)) : NULL;
    rc = rc == NS_OK && !name ? ns_oom(err, p.file) : rc;
    ns_study_view view = {.size = sizeof view, .study = study, .births = births, .name = name,
                          .run = rc == NS_OK && figure->of_a_run ? 0 : -1};
    if (rc == NS_OK && p.run)
        rc = ns_study_find_run(study, p.run, &view.run, err);
    ns_error why = {""};
    rc = rc != NS_OK ? rc : check_births(figure, births, &why, err);
    rc = rc != NS_OK ? rc : figure->draw(path, &view, &own, said, err);
    if (rc == NS_OK && said && why.message[0]) {
        const size_t used = strlen(said->note);
        snprintf(said->note + used, sizeof said->note - used, "%s%s", used ? "; " : "", why.message);
    }
    ns_emergence_free(births);
    ns_study_close(study);
    free(name);
    return ns_fail_of(err, rc, figure ? p.file : NULL);
}
