/* scaling.c - scaling laws over tokens, a panel a table, a colour a size, and what they leave of the points. */
#include "figure/files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/scaling.h>

enum { MOST_FILES = 4, MOST_SIZES = 8, ON_LINE = 64 };

typedef struct plot {
    ns_scaling_table tables[MOST_FILES];
    ns_scaling *fits[MOST_FILES];
    const char *groups[MOST_SIZES]; /* the sizes of all tables, by name */
    int n_groups, n_series;
    ns_fit_series series[MOST_FILES * MOST_SIZES];
    double *owned[MOST_FILES * MOST_SIZES];
    char *panels[MOST_FILES];
} picture;

static void clear(picture *p)
{
    for (int i = 0; i < p->n_series; i++)
        free(p->owned[i]);
    for (int i = 0; i < MOST_FILES; i++) {
        free(p->panels[i]);
        ns_scaling_free(p->fits[i]);
        ns_scaling_clear(&p->tables[i]);
    }
}

static int group_of(picture *p, const char *size, ns_error *err)
{
    for (int i = 0; i < p->n_groups; i++)
        if (strcmp(p->groups[i], size) == 0)
            return i;
    if (p->n_groups == MOST_SIZES)
        return ns_fail(err, NS_E_ARG, "more than %d sizes: a figure of scaling laws has no more colours", MOST_SIZES);
    p->groups[p->n_groups] = size;
    return p->n_groups++;
}

/* The law of a size between its fewest and its most tokens, even on a log axis. */
static void follow(const ns_scaling *s, double n, ns_fit_series *to, double *line)
{
    double least = INFINITY, most = 0;
    for (int64_t i = 0; i < to->n; i++) {
        least = fmin(least, to->x[i]);
        most = fmax(most, to->x[i]);
    }
    for (int i = 0; i < ON_LINE; i++) {
        line[i] = least * pow(most / least, i / (double)(ON_LINE - 1));
        line[ON_LINE + i] = ns_scaling_at(&s->fit.law, n, line[i]);
    }
    to->line_x = line;
    to->line_y = line + ON_LINE;
    to->n_line = ON_LINE;
}

static int add_size(picture *p, int panel, const char *size, ns_error *err)
{
    const ns_scaling *const s = p->fits[panel];
    const ns_scaling_table *const t = s->table;
    const int group = group_of(p, size, err);
    if (group < 0)
        return group;
    double *const x = ns_alloc_array((size_t)(3 * t->n + 2 * ON_LINE), sizeof *x), *const y = x + t->n, *const rest = y + t->n, n = 0;
    if (!x)
        return ns_oom(err, "a figure");
    p->owned[p->n_series] = x;
    ns_fit_series *const to = &p->series[p->n_series++];
    *to = (ns_fit_series){.x = x, .y = y, .rest = rest, .group = group, .panel = panel, .open = size == s->fit.held_out};
    for (int64_t i = 0; i < t->n; i++) {
        const ns_scaling_point *const at = &t->points[i];
        if (at->size != size)
            continue;
        n = at->n;
        x[to->n] = at->tokens;
        y[to->n] = at->y;
        rest[to->n++] = ns_scaling_at(&s->fit.law, n, at->tokens) - at->y;
    }
    follow(s, n, to, rest + t->n);
    return NS_OK;
}

static int add_table(picture *p, const ns_scaling_plot *plot, int panel, ns_error *err)
{
    ns_scaling_table *const t = &p->tables[panel];
    char words[64];
    int rc = ns_scaling_read(t, plot->files[panel], plot->longppl, err);
    rc = rc != NS_OK ? rc : ns_scaling_new(&p->fits[panel], t, plot->hold_largest, err);
    if (rc != NS_OK)
        return rc;
    snprintf(words, sizeof words, "R\xc2\xb2 %.4f", p->fits[panel]->fit.fitted.r2);
    p->panels[panel] = ns_plot_label(t->path, words);
    rc = p->panels[panel] ? NS_OK : ns_oom(err, "a figure");
    for (int64_t i = 0; i < t->n_sizes && rc == NS_OK; i++)
        rc = add_size(p, panel, t->sizes[i], err);
    return ns_fail_of(err, rc, t->path);
}

static int draw(const char *path, const picture *p, const ns_scaling_plot *plot, const ns_figure_params *look, ns_error *err)
{
    ns_plot_look own = {0};
    const ns_fit_figure figure = {.size = sizeof figure,
                                  .series = p->series,
                                  .n_series = p->n_series,
                                  .groups = p->groups,
                                  .n_groups = p->n_groups,
                                  .panels = (const char *const *)p->panels,
                                  .n_panels = plot->n_files,
                                  .x_name = "training tokens",
                                  .y_name = plot->longppl ? "ln LongPPL" : "loss",
                                  .rest_name = "fit \xe2\x88\x92 data",
                                  .title = "Scaling laws",
                                  .open_name = "not fitted, foretold",
                                  .log_x = true};
    int rc = ns_plot_look_begin(&own, path, look, plot->n_files > 1 ? 7 : 3.5, plot->files, plot->n_files, err);
    rc = rc != NS_OK ? rc : ns_draw_fit(path, &figure, &own.params, err);
    ns_plot_look_end(&own);
    return rc;
}

int ns_plot_scaling(const char *path, const ns_scaling_plot *asked, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_scaling_plot s;
    picture p = {0};
    int rc = ns_sized_copy(&s, sizeof s, asked, "ns_scaling_plot", err);
    if (rc == NS_OK && (s.n_files < 1 || s.n_files > MOST_FILES))
        rc = ns_fail(err, NS_E_ARG, "%d tables; 1 to %d can be drawn", s.n_files, MOST_FILES);
    rc = rc != NS_OK ? rc : ns_plot_check(path, look, s.files, s.n_files, err);
    for (int i = 0; i < s.n_files && rc == NS_OK; i++)
        rc = add_table(&p, &s, i, err);
    rc = rc != NS_OK ? rc : draw(path, &p, &s, look, err);
    if (rc == NS_OK)
        ns_plotted_say(said, s.longppl ? "ln LongPPL" : "loss", "");
    clear(&p);
    return rc;
}
