/* figures.c - figures of the study, the trace, and of gradients and ablations of the first seed; as PNG and PDF. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/plot.h>
#include <needlescope/provenance.h>

#include "paper.h"

enum { MOST_FILES = 4 };
static const char *const endings[] = {"png", "pdf"};
typedef struct drawing { paper *p; ns_figure_params look; ns_fact_list facts; } drawing;

typedef int draw_to(drawing *, const char *path, const void *what, ns_error *);

static int in_all_forms(drawing *d, const char *name, draw_to *draw, const void *what, ns_error *err)
{
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof endings / sizeof *endings && rc == NS_OK; i++) {
        char *const path = ns_laboratory_path(&d->p->lab, "figures/%s.%s", name, endings[i]);
        rc = path ? draw(d, path, what, err) : ns_oom(err, "a figure");
        free(path);
    }
    return rc;
}

/* ---- the study ---- */

typedef struct of_study { const ns_study_figure *figure; ns_study_view view; } of_study;
static int draw_study(drawing *d, const char *path, const void *what, ns_error *err)
{
    const of_study *const s = what;
    return s->figure->draw(path, &s->view, &d->look, NULL, err);
}

static int draw_births(drawing *d, ns_error *err)
{
    static const char *const names[] = {"laziness", "curves", "loss"};
    ns_emergence *births;
    of_study s = {.view = {.size = sizeof s.view, .name = "the runs of the page", .run = -1}};
    int rc = ns_laboratory_open_births(&d->p->lab, &s.view.study, &births, err);
    s.view.births = births;
    for (size_t i = 0; i < sizeof names / sizeof *names && rc == NS_OK && births && births->n_groups > 0; i++) {
        s.figure = ns_study_figure_find(names[i]);
        d->look.title = i == 0 ? "Births of retrieval heads by architecture" : NULL;
        if (s.figure && (strcmp(names[i], "loss") != 0 || ns_study_has(s.view.study, "loss")))
            rc = in_all_forms(d, names[i], draw_study, &s, err);
    }
    d->look.title = NULL;
    ns_emergence_free(births);
    ns_study_close(s.view.study);
    return rc;
}

/* ---- files ---- */

static int draw_trace(drawing *d, const char *path, const void *what, ns_error *err)
{
    return ns_plot_trace(path, what, &d->look, NULL, err);
}

typedef struct file_list { char *path[MOST_FILES]; int n; } file_list;
static int draw_gradients(drawing *d, const char *path, const void *what, ns_error *err)
{
    const file_list *const f = what;
    return ns_plot_gradient(path, (const char *const *)f->path, f->n, &d->look, NULL, err);
}

static int draw_ablations(drawing *d, const char *path, const void *what, ns_error *err)
{
    const file_list *const f = what;
    return ns_plot_ablation(path, (const char *const *)f->path, f->n, &d->look, NULL, err);
}

/* Those of the first seed that are there: full attention first, then the windows, as the arms lie. */
static int draw_first_seed(drawing *d, const char *folder, draw_to *draw, ns_error *err)
{
    file_list f = {0};
    int rc = NS_OK;
    for (int64_t a = 0; a < d->p->n_arms && f.n < MOST_FILES && rc == NS_OK; a++) {
        const paper_run *const run = ns_paper_run_of(d->p, a, d->p->seeds[0]);
        char *const path = run ? ns_laboratory_path(&d->p->lab, "%s/%s.h5", folder, run->name) : NULL;
        rc = run && !path ? ns_oom(err, "a figure") : NS_OK;
        if (path && ns_path_exists(path))
            f.path[f.n++] = path;
        else
            free(path);
    }
    if (rc == NS_OK && f.n)
        rc = in_all_forms(d, strcmp(folder, "ablate") == 0 ? "ablation" : folder, draw, &f, err);
    while (f.n > 0)
        free(f.path[--f.n]);
    return rc;
}

static int draw_trace_file(drawing *d, ns_error *err)
{
    char *const trace = ns_laboratory_path(&d->p->lab, "trace.h5");
    int rc = trace ? NS_OK : ns_oom(err, "a figure");
    if (rc == NS_OK && ns_path_exists(trace))
        rc = in_all_forms(d, "trace", draw_trace, trace, err);
    free(trace);
    return rc;
}

/* A build without cairo goes on without figures, and says so. */
int ns_paper_draw(paper *p, ns_error *err)
{
    drawing d = {.p = p};
    int rc = ns_provenance_of_run(&d.facts, p->params->by, err);
    d.look = (ns_figure_params){.size = sizeof d.look, .comment = "needlescope paper", .facts = d.facts.list, .n_facts = (int)d.facts.n};
    rc = rc != NS_OK ? rc : draw_births(&d, err);
    rc = rc != NS_OK ? rc : draw_trace_file(&d, err);
    rc = rc != NS_OK ? rc : draw_first_seed(&d, "gradient", draw_gradients, err);
    rc = rc != NS_OK ? rc : draw_first_seed(&d, "ablate", draw_ablations, err);
    if (rc == NS_E_UNSUPPORTED) {
        ns_laboratory_say(&p->lab, NS_LABORATORY_WARNING, "%s", err->message);
        rc = NS_OK;
    }
    ns_fact_list_clear(&d.facts);
    return rc;
}
