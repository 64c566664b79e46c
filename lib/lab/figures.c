/* figures.c - the figures of the laboratory: those of its study, a strip of one run of each arm, the interventions of the first seed; as
 * PNG, PDF and SVG. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/plot.h>
#include <needlescope/provenance.h>

#include "laboratory.h"

enum { MOST_ABLATIONS = 8 };
static const char *const endings[] = {"png", "pdf", "svg"};

typedef struct figures { const laboratory *lab; ns_study_view view; ns_figure_params look; ns_fact_list facts; } figures;

static int draw(figures *f, const ns_study_figure *figure, const char *run, ns_error *err)
{
    f->look.title = strcmp(figure->name, "laziness") == 0 ? f->lab->study->title : NULL;
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof endings / sizeof *endings && rc == NS_OK; i++) {
        char *const path = ns_laboratory_path(f->lab, "figures/%s%s%s.%s", figure->name, run ? "-" : "", run ? run : "", endings[i]);
        rc = path ? figure->draw(path, &f->view, &f->look, NULL, err) : ns_oom(err, "a figure");
        free(path);
    }
    return rc;
}

/* One run of each group stands for it: the one with the first seed. */
static int draw_runs(figures *f, const ns_study_figure *figure, ns_error *err)
{
    const ns_emergence *const e = f->view.births;
    int rc = NS_OK;
    for (int64_t g = 0; g < e->n_groups && rc == NS_OK; g++) {
        f->view.run = e->groups[g].runs[0];
        rc = draw(f, figure, ns_study_run_name(e->study, f->view.run), err);
    }
    return rc;
}

/* What P1 speaks of: the runs with windows of the first seed, where they were intervened upon. */
static int draw_ablations(const figures *f, ns_error *err)
{
    const laboratory *const lab = f->lab;
    char *files[MOST_ABLATIONS];
    int n = 0, rc = NS_OK;
    for (int64_t i = 0; i < lab->n_runs && n < MOST_ABLATIONS && rc == NS_OK; i++) {
        if (!lab->results[i].ablated || lab->runs[i].seed != lab->first_seed)
            continue;
        files[n] = ns_laboratory_path(lab, "ablate/%s.h5", lab->runs[i].name);
        rc = files[n] ? NS_OK : ns_oom(err, "a figure");
        n += rc == NS_OK;
    }
    for (size_t i = 0; i < sizeof endings / sizeof *endings && rc == NS_OK && n; i++) {
        char *const path = ns_laboratory_path(lab, "figures/ablation.%s", endings[i]);
        rc = path ? ns_plot_ablation(path, (const char *const *)files, n, &f->look, NULL, err) : ns_oom(err, "a figure");
        free(path);
    }
    while (n > 0)
        free(files[--n]);
    return rc;
}

/* A build without cairo goes on without figures, and says so. */
int ns_laboratory_draw(laboratory *lab, ns_error *err)
{
    char name[80], comment[64];
    figures f = {.lab = lab, .view = {.size = sizeof f.view, .name = name, .run = -1}};
    ns_emergence *births = NULL;
    snprintf(comment, sizeof comment, "needlescope lab %s", lab->study->name);
    int rc = ns_provenance_of_export(&f.facts, lab->params->by, err);
    f.look = (ns_figure_params){.size = sizeof f.look, .comment = comment, .facts = f.facts.list,
                                .n_facts = (int)f.facts.n};
    rc = rc != NS_OK ? rc : ns_laboratory_open_births(lab, &f.view.study, &births, err);
    f.view.births = births;
    snprintf(name, sizeof name, lab->seeds > 1 ? "the laboratory, seeds %lld to %lld" : "the laboratory, seed %lld",
             (long long)lab->first_seed, (long long)(lab->first_seed + lab->seeds - 1));
    if (rc == NS_OK && births && births->n_groups > 0)
        for (const ns_study_figure *figure = ns_study_figures; figure->name && rc == NS_OK; figure++)
            rc = figure->of_a_run ? draw_runs(&f, figure, err) : draw(&f, figure, NULL, err);
    if (rc == NS_OK)
        rc = draw_ablations(&f, err);
    if (rc == NS_E_UNSUPPORTED) {
        ns_laboratory_say(lab, NS_LABORATORY_WARNING, "%s", err->message);
        rc = NS_OK;
    }
    ns_emergence_free(births);
    ns_study_close(f.view.study);
    ns_fact_list_clear(&f.facts);
    return rc;
}
