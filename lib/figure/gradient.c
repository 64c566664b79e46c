/* gradient.c - influence by distance, files of `gradient`: the texts and their shuffled twins, windows marked. */
#include "figure/files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILES = 8, MOST_WINDOWS = 16 };

typedef struct influence {
    ns_curve curves[2 * MOST_FILES];
    char    *names[2 * MOST_FILES];
    double  *owned[4 * MOST_FILES];
    int      n, n_owned;
    double   windows[MOST_WINDOWS];
    int      n_windows;
    bool     relative, baseline;
    char *model; /* of all files; NULL where they are of several, or do not say */
} influence;

static void mark(influence *p, int64_t window)
{
    for (int i = 0; i < p->n_windows; i++)
        if (p->windows[i] == (double)window)
            return;
    if (p->n_windows < MOST_WINDOWS)
        p->windows[p->n_windows++] = (double)window;
}

static int mark_windows(influence *p, const ns_file *f, ns_error *err)
{
    int64_t *list = NULL;
    ns_expected w = {.size = sizeof w, .name = "windows", .type = NS_I64, .rank = 1, .shape = {NS_ANY}, .range = ns_between(1, 1e15)};
    int64_t chosen = 0;
    int rc = ns_file_whole(f, "window", 0, (int64_t)1 << 50, 0, &chosen, err);
    if (rc == NS_OK && chosen)
        mark(p, chosen);
    rc = rc != NS_OK || !ns_file_has(f, "windows") ? rc : ns_file_array(f, &w, &list, err);
    for (int64_t i = 0; rc == NS_OK && list && i < w.shape[0]; i++)
        mark(p, list[i]);
    free(list);
    return rc;
}

static int read_bins(const ns_file *f, const char *name, ns_dtype type, int64_t *n, void *out, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = name, .type = type, .rank = 1, .shape = {*n},
                     .range = type == NS_I64 ? ns_between(0, 1e15) : ns_or_nan(ns_between(0, INFINITY))};
    const int rc = ns_file_array(f, &w, out, err);
    *n = rc == NS_OK ? w.shape[0] : 0;
    return rc;
}

/* The middle of each bin in tokens back, the last token being 1: distance 0 has a place on a log axis. */
static int read_middles(const ns_file *f, int64_t *n, double **out, ns_error *err)
{
    int64_t *begin = NULL, *end = NULL;
    int rc = read_bins(f, "bin_begin", NS_I64, n, &begin, err);
    rc = rc != NS_OK ? rc : read_bins(f, "bin_end", NS_I64, n, &end, err);
    *out = rc == NS_OK ? ns_alloc_array((size_t)*n + 1, sizeof **out) : NULL;
    rc = rc != NS_OK || *out ? rc : ns_oom(err, "a figure");
    for (int64_t b = 0; b < *n && rc == NS_OK; b++)
        (*out)[b] = sqrt((double)(begin[b] + 1) * (double)end[b]);
    free(begin);
    free(end);
    return rc;
}

static int add_curve(influence *p, const ns_file *f, const char *path, const char *dataset, const char *what, bool alone, ns_error *err)
{
    int64_t n = NS_ANY;
    double *x = NULL, *y = NULL;
    int rc = read_middles(f, &n, &x, err);
    p->owned[p->n_owned++] = x;
    rc = rc != NS_OK ? rc : read_bins(f, dataset, NS_F64, &n, &y, err);
    p->owned[p->n_owned++] = y;
    p->names[p->n] = rc == NS_OK ? alone ? ns_strdup(what) : ns_plot_label(path, what) : NULL;
    if (rc == NS_OK && !p->names[p->n])
        return ns_oom(err, "a figure");
    if (rc == NS_OK) {
        p->curves[p->n] = (ns_curve){.x = x, .y = y, .n = n, .group = p->n};
        p->n++;
    }
    return rc;
}

static int look_at(influence *p, const char *path, bool first, ns_error *err)
{
    ns_file *f = NULL;
    int rc = ns_file_open_as(&f, path, NS_KINDS(NS_KIND_GRADIENT), "a gradient influence (needlescope gradient makes one)", err);
    if (rc == NS_OK) {
        const bool relative = ns_file_has(f, "binned_relative");
        p->relative = first ? relative : p->relative && relative;
        rc = ns_plot_one_model(&p->model, f, first, err);
    }
    rc = rc != NS_OK ? rc : mark_windows(p, f, err);
    ns_file_close(f);
    return rc;
}

static int add_curves(influence *p, const char *path, bool alone, ns_error *err)
{
    ns_file *f = NULL;
    int rc = ns_file_open_as(&f, path, NS_KINDS(NS_KIND_GRADIENT), "a gradient influence (needlescope gradient makes one)", err);
    const char *const text = p->relative ? "binned_relative" : "binned_norm";
    const char *const shuffled = p->relative ? "shuffled_binned_relative" : "shuffled_binned_norm";
    rc = rc != NS_OK ? rc : add_curve(p, f, path, text, "texts", alone, err);
    if (rc == NS_OK && ns_file_has(f, shuffled)) {
        p->baseline = true;
        rc = add_curve(p, f, path, shuffled, "shuffled", alone, err);
    }
    ns_file_close(f);
    return rc;
}

static int draw(const char *path, influence *p, const char *const *files, int n_files, const ns_figure_params *look, ns_error *err)
{
    const ns_curves_figure figure = {.size = sizeof figure,
                                     .kind = NS_CURVE_LINE,
                                     .curves = p->curves,
                                     .n_curves = p->n,
                                     .groups = (const char *const *)p->names,
                                     .n_groups = p->n,
                                     .x_name = "tokens back (1: the last)",
                                     .y_name = p->relative ? "gradient norm / mean beyond the window" : "gradient norm",
                                     .title = "Influence by distance",
                                     .study_name = p->model,
                                     .log_x = true,
                                     .log_y = true,
                                     .guide = p->relative ? 1 : (double)NAN,
                                     .ticks = p->n_windows ? p->windows : NULL,
                                     .n_ticks = p->n_windows,
                                     .ticks_name = p->n_windows ? "window" : NULL};
    ns_plot_look own = {0};
    int rc = ns_plot_look_begin(&own, path, look, 4.5, files, n_files, err);
    rc = rc != NS_OK ? rc : ns_draw_curves(path, &figure, &own.params, err);
    ns_plot_look_end(&own);
    return rc;
}

int ns_plot_gradient(const char *path, const char *const *files, int n_files, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    influence p = {0};
    int rc = n_files > MOST_FILES ? ns_fail(err, NS_E_ARG, "more than %d files: draw fewer at once", MOST_FILES)
                                  : ns_plot_check(path, look, files, n_files, err);
    for (int i = 0; i < n_files && rc == NS_OK; i++)
        rc = look_at(&p, files[i], i == 0, err);
    for (int i = 0; i < n_files && rc == NS_OK; i++)
        rc = add_curves(&p, files[i], n_files == 1, err);
    rc = rc != NS_OK ? rc : draw(path, &p, files, n_files, look, err);
    if (rc == NS_OK)
        ns_plotted_say(said, p.baseline ? "influence by distance, and that of shuffled texts" : "influence by distance",
                       p.n_windows ? "" : "no window to mark");
    free(p.model);
    for (int i = 0; i < p.n_owned; i++)
        free(p.owned[i]);
    for (int i = 0; i < 2 * MOST_FILES; i++)
        free(p.names[i]);
    return ns_fail_of(err, rc, n_files == 1 ? files[0] : NULL);
}
