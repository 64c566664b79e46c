/* figures.c - figures of the study, the trace, and of gradients and ablations of the first seed; as PNG and PDF. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/plot.h>
#include <needlescope/provenance.h>

#include "paper.h"

enum { MOST_FILES = 4 };
static const char *const endings[] = {"png", "pdf"};
typedef struct drawing { paper *p; ns_figure_params look; ns_fact_list facts; } drawing;

typedef int draw_to(drawing *, const char *path, const void *what, ns_error *);

/* By way of memory, where a figure has no date: a page that is made again of the same files has the same bytes. */
static int draw_file(drawing *d, const char *path, draw_to *draw, const void *what, ns_error *err)
{
    unsigned char *bytes = NULL;
    size_t n = 0;
    d->look.bytes = &bytes;
    d->look.n_bytes = &n;
    int rc = draw(d, path, what, err);
    rc = rc != NS_OK ? rc : ns_file_write(path, bytes, n, err);
    free(bytes);
    return rc;
}

/* In all forms; then it stands on the page. */
static int drawn(drawing *d, const char *name, const char *words, draw_to *draw, const void *what, ns_error *err)
{
    paper *const p = d->p;
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof endings / sizeof *endings && rc == NS_OK; i++) {
        char *const path = ns_laboratory_path(&p->lab, "figures/%s.%s", name, endings[i]);
        rc = path ? draw_file(d, path, draw, what, err) : ns_oom(err, "a figure");
        free(path);
    }
    if (rc != NS_OK || p->n_figures == PAPER_FIGURES)
        return rc != NS_OK ? rc : ns_fail(err, NS_E_INTERNAL, "more than %d figures", (int)PAPER_FIGURES);
    paper_figure *const f = &p->figures[p->n_figures++];
    f->file = name;
    snprintf(f->words, sizeof f->words, "%s", words);
    ns_utf8_whole(f->words);
    return NS_OK;
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
    static const struct { const char *name, *words; } all[] = {
        {"laziness", "Births of retrieval heads by architecture"},
        {"curves", "The best head's retrieval_find over training"},
        {"loss", "Losses over training, a thin line a run"},
    };
    ns_emergence *births;
    of_study s = {.view = {.size = sizeof s.view, .name = "the runs of the page", .run = -1}};
    int rc = ns_laboratory_open_births(&d->p->lab, &s.view.study, &births, err);
    s.view.births = births;
    for (size_t i = 0; i < sizeof all / sizeof *all && rc == NS_OK && births && births->n_groups > 0; i++) {
        s.figure = ns_study_figure_find(all[i].name);
        d->look.title = i == 0 ? all[i].words : NULL;
        if (s.figure && (strcmp(all[i].name, "loss") != 0 || ns_study_has(s.view.study, "loss")))
            rc = drawn(d, all[i].name, all[i].words, draw_study, &s, err);
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
static int draw_first_seed(drawing *d, const char *folder, const char *name, const char *words, draw_to *draw, ns_error *err)
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
        rc = drawn(d, name, words, draw, &f, err);
    while (f.n > 0)
        free(f.path[--f.n]);
    return rc;
}

static int draw_probing(drawing *d, const char *path, const void *what, ns_error *err)
{
    static const double all_together = NAN;
    const ns_probe_plot plot = {.size = sizeof plot, .file = what, .distances = &all_together, .n_distances = 1};
    return ns_plot_probe(path, &plot, &d->look, NULL, err);
}

/* Of the first seed: the recurrent hybrid, whose layers between could tell the answer; else the one with the largest window; else what is
 * there. */
static int draw_probed(drawing *d, ns_error *err)
{
    const paper *const p = d->p;
    const int64_t arms[] = {ns_paper_arm(p, PAPER_RECURRENT, false), ns_paper_arm(p, PAPER_WINDOW, true), 0};
    const paper_run *run = NULL;
    char *path = NULL, words[200];
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof arms / sizeof *arms && !path && rc == NS_OK; i++) {
        run = ns_paper_run_of(p, arms[i], p->seeds[0]);
        path = run ? ns_laboratory_path(&p->lab, "probe/%s.h5", run->name) : NULL;
        rc = run && !path ? ns_oom(err, "a figure") : NS_OK;
        if (path && !ns_path_exists(path)) {
            free(path);
            path = NULL;
        }
    }
    if (path) {
        snprintf(words, sizeof words, "A linear reader of the answer behind each layer of %s, seed %lld", p->arms[run->arm].text,
                 (long long)run->seed);
        d->look.title = words;
        rc = drawn(d, "probe", words, draw_probing, path, err);
        d->look.title = NULL;
    }
    free(path);
    return rc;
}

static int draw_trace_file(drawing *d, ns_error *err)
{
    char *const trace = ns_laboratory_path(&d->p->lab, "trace.h5");
    int rc = trace ? NS_OK : ns_oom(err, "a figure");
    if (rc == NS_OK && ns_path_exists(trace))
        rc = drawn(d, "trace", "Entropy of heads, and distance of their Q and K to the last checkpoint", draw_trace, trace, err);
    free(trace);
    return rc;
}

/* A build without cairo goes on without figures, and says so. */
int ns_paper_draw(paper *p, ns_error *err)
{
    drawing d = {.p = p};
    int rc = ns_provenance_of_run(&d.facts, NULL, err);
    if (rc == NS_OK && p->params->by)
        rc = ns_fact_list_add(&d.facts, "command_line", p->params->by->caller, true, err);
    d.look = (ns_figure_params){.size = sizeof d.look, .comment = "needlescope paper", .facts = d.facts.list, .n_facts = (int)d.facts.n};
    rc = rc != NS_OK ? rc : draw_births(&d, err);
    rc = rc != NS_OK ? rc : draw_trace_file(&d, err);
    rc = rc != NS_OK ? rc : draw_probed(&d, err);
    rc = rc != NS_OK ? rc : draw_first_seed(&d, "gradient", "gradient", "Gradient influence by distance, first seed", draw_gradients, err);
    rc = rc != NS_OK ? rc : draw_first_seed(&d, "ablate", "ablation", "The finders' edges cut, and controls, first seed", draw_ablations,
                                              err);
    if (rc == NS_E_UNSUPPORTED) {
        ns_laboratory_say(&p->lab, NS_LABORATORY_WARNING, "%s", err->message);
        rc = NS_OK;
    }
    ns_fact_list_clear(&d.facts);
    return rc;
}
