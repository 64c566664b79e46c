/* grid.c - the needle grid: by the lengths and depths (or distances) that were asked for, how often the model answers, or how often a head
 * finds the needle.
 *
 * A twin is no case of the grid: its needle lies where nobody asked for it, or nowhere. Twins are left out, and counted. */
#include "figure/files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/study.h>

enum { MOST = 12, BINS = 10 };

/* Rows or columns: the distinct values where they are few, else bins of one width. */
typedef struct axis { double at[MOST], low, width; int n; bool binned; } axis;

typedef struct grid {
    int64_t C, twins, no_place, no_value;       /* cases, and how many of them are not drawn */
    bool    far;                                /* by distance */
    double *length, *place;                     /* [C] */
    float  *value;                              /* [C] NaN = nothing to count */
    axis    lengths, places;
} grid;

/* ---- what the cases gave ---- */

static int read_find(const ns_file *f, const char *path, ns_head head, grid *g, ns_error *err)
{
    ns_expected w = {sizeof w, "find_hits", NS_F32, 3, {g->C, NS_ANY, NS_ANY}, ns_finite(), "case layer head"};
    int rc = ns_file_has(f, w.name) ? ns_file_expect(f, &w, err)
                                    : ns_fail(err, NS_E_ARG, "it has no find_hits: score the cases with --probe retrieval_find");
    if (rc == NS_OK && (head.layer < 0 || head.layer >= w.shape[1] || head.head < 0 || head.head >= w.shape[2]))
        rc = ns_fail(err, NS_E_ARG, "head %lld.%lld: the file has %lld layer%s of %lld head%s", (long long)head.layer, (long long)head.head,
                     (long long)w.shape[1], ns_plural(w.shape[1]), (long long)w.shape[2], ns_plural(w.shape[2]));
    const int64_t start[3] = {0, head.layer, head.head}, count[3] = {g->C, 1, 1};
    float *const events = ns_alloc_array((size_t)g->C, sizeof *events);
    rc = rc != NS_OK ? rc : events ? ns_file_part(f, &w, start, count, g->value, err) : ns_oom(err, "cases");
    w.name = "find_events";
    rc = rc != NS_OK ? rc : ns_file_part(f, &w, start, count, events, err);
    rc = rc != NS_OK ? rc : ns_check_hits(path, "find_hits", g->value, events, g->C, err);
    for (int64_t i = 0; rc == NS_OK && i < g->C; i++)
        g->value[i] = events[i] > 0 ? g->value[i] / events[i] : NAN;
    free(events);
    return rc;
}

/* *n: how many there must be, or NS_ANY. */
static int read_numbers(const ns_file *f, const char *path, const char *name, ns_range range, int64_t *n, double **out, ns_error *err)
{
    ns_expected w = {sizeof w, name, NS_F64, 1, {*n}, range, "case"};
    const bool scored = ns_file_has(f, name) && ns_file_has(f, "first_right");
    const int rc = scored ? ns_file_array(f, &w, out, err)
                          : ns_fail(err, NS_E_ARG, "%s has no lengths and depths of cases: draw a score file of needle cases", path);
    *n = rc == NS_OK ? w.shape[0] : 0;
    return rc;
}

/* Twins have no place of their own in the grid. Files from before twins were written down have none to leave out. */
static int leave_twins(const ns_file *f, grid *g, ns_error *err)
{
    char **of = NULL;
    ns_expected w = {.size = sizeof w, .name = "twin_of", .rank = 1, .shape = {g->C}};
    if (!ns_file_has(f, w.name))
        return NS_OK;
    const int rc = ns_file_texts(f, &w, &of, err);
    for (int64_t i = 0; i < g->C && rc == NS_OK; i++)
        if (*of[i]) {
            g->place[i] = (double)NAN;
            g->twins++;
        }
    ns_free_strings(of, g->C);
    return rc;
}

/* Does a case say its depth? Cases by distance do not. */
static bool has_depths(const double *depth, int64_t n)
{
    int64_t i = 0;
    while (i < n && isnan(depth[i]))
        i++;
    return i < n;
}

static int read_places(const ns_file *f, const ns_grid_plot *p, int64_t n, grid *g, ns_error *err)
{
    if (p->by == NS_GRID_BY_DISTANCE && !ns_file_has(f, "distance"))
        return ns_fail(err, NS_E_ARG, "%s is of an older version, without distances (score the cases again)", p->file);
    int rc = NS_OK;
    if (p->by != NS_GRID_BY_DISTANCE)
        rc = read_numbers(f, p->file, "depth", ns_or_nan(ns_between(0, 1)), &n, &g->place, err);
    g->far = p->by == NS_GRID_BY_DISTANCE ||
             (rc == NS_OK && p->by == NS_GRID_BY_WHAT_IS_THERE && !has_depths(g->place, n) && ns_file_has(f, "distance"));
    if (rc != NS_OK || !g->far)
        return rc;
    free(g->place);
    g->place = NULL;
    return read_numbers(f, p->file, "distance", ns_or_nan(ns_between(0, 0x1p53)), &n, &g->place, err);
}

static int read_cases(const ns_file *f, const ns_grid_plot *p, grid *g, ns_error *err)
{
    static const char *const datasets[] = {"first_right", "answered"};
    int64_t n = NS_ANY;
    int rc = read_numbers(f, p->file, "length", ns_between(0, 0x1p53), &n, &g->length, err);
    rc = rc != NS_OK ? rc : read_places(f, p, n, g, err);
    g->C = n;
    g->value = ns_alloc_array((size_t)g->C + 1, sizeof *g->value);
    if (rc == NS_OK && !g->value)
        rc = ns_oom(err, "cases");
    const ns_expected w = {sizeof w, p->of == NS_GRID_FIND ? "" : datasets[p->of], NS_F32, 1, {g->C}, ns_between(0, 1), "case"};
    if (rc == NS_OK)
        rc = p->of == NS_GRID_FIND ? read_find(f, p->file, p->head, g, err)
                                   : ns_file_part(f, &w, (const int64_t[]){0}, &g->C, g->value, err);
    for (int64_t i = 0; i < g->C && rc == NS_OK; i++) {
        g->no_place += isnan(g->place[i]);
        g->no_value += isnan(g->value[i]) && !isnan(g->place[i]);
    }
    return rc != NS_OK ? rc : leave_twins(f, g, err);
}

/* ---- rows and columns ---- */

static bool add_value(axis *a, double v)
{
    int at = 0;
    while (at < a->n && a->at[at] < v)
        at++;
    if (at < a->n && a->at[at] == v)
        return true;
    if (a->n == MOST)
        return false;
    memmove(a->at + at + 1, a->at + at, (size_t)(a->n++ - at) * sizeof *a->at);
    a->at[at] = v;
    return true;
}

/* Bins from `low` to `high`, of whole numbers where `whole`. */
static void make_bins(axis *a, double low, double high, bool whole)
{
    *a = (axis){.low = low, .width = (high - low) / BINS, .n = BINS, .binned = true};
    if (whole)
        a->width = ceil((high - low + 1) / BINS);
}

typedef struct span { double least, most; } span;
static const span NO_SPAN = {(double)INFINITY, -(double)INFINITY};

static void widen(span *s, double v)
{
    s->least = fmin(s->least, v);
    s->most = fmax(s->most, v);
}

static int find_axes(grid *g, const char *path, ns_error *err)
{
    bool few_lengths = true, few_places = true;
    span lengths = NO_SPAN, places = NO_SPAN;
    for (int64_t i = 0; i < g->C; i++) {
        if (isnan(g->place[i]))
            continue;
        few_places = few_places && add_value(&g->places, g->place[i]);
        few_lengths = few_lengths && add_value(&g->lengths, g->length[i]);
        widen(&lengths, g->length[i]);
        widen(&places, g->place[i]);
    }
    if (g->places.n == 0)
        return ns_fail(err, NS_E_ARG, "%s: no case%s says at which %s its needle is", path, g->twins ? " but twins" : "",
                       g->far ? "distance" : "depth");
    if (!few_places && g->far)
        make_bins(&g->places, places.least, places.most, true);
    else if (!few_places)
        make_bins(&g->places, 0, 1, false);
    if (!few_lengths)
        make_bins(&g->lengths, lengths.least, lengths.most, true);
    return NS_OK;
}

static int place(const axis *a, double v)
{
    int at = 0;
    if (a->binned)
        return (int)fmin(fmax(0, floor((v - a->low) / a->width)), a->n - 1);
    while (a->at[at] != v)
        at++;
    return at;
}

/* ---- the figure ---- */

static const char *subject(const ns_grid_plot *p, char out[64])
{
    if (p->of == NS_GRID_FIND)
        snprintf(out, 64, "Head %lld.%lld finds the needle", (long long)p->head.layer, (long long)p->head.head);
    else
        snprintf(out, 64, "%s", p->of == NS_GRID_ANSWERED ? "Whole answer right" : "First answer token right");
    return out;
}

/* Names of whole numbers, or of bins of them. */
static bool name_tokens(const axis *a, char **names)
{
    bool good = true;
    for (int i = 0; i < a->n && good; i++) {
        const double low = a->low + i * a->width;
        good = (names[i] = a->binned ? ns_printf_alloc("%.0f\xe2\x80\x93%.0f", low, low + a->width - 1)
                                     : ns_printf_alloc("%.0f", a->at[i])) != NULL;
    }
    return good;
}

static bool name_depths(const axis *a, char **names)
{
    bool good = true;
    for (int i = 0; i < a->n && good; i++)
        good = (names[i] = a->binned ? ns_printf_alloc("%d\xe2\x80\x93%d %%", i * 100 / BINS, (i + 1) * 100 / BINS)
                                     : ns_printf_alloc("%.3g", a->at[i])) != NULL;
    return good;
}

typedef struct cells { float *mean; int64_t *count, least, most, empty, n; char **text; } cells;

/* Means and, where it differs from cell to cell, how many cases each is of. */
static bool fill_cells(const grid *g, cells *c)
{
    *c = (cells){.least = INT64_MAX, .n = (int64_t)g->lengths.n * g->places.n};
    c->mean = ns_alloc_array((size_t)c->n, sizeof *c->mean);
    c->count = ns_alloc_array((size_t)c->n, sizeof *c->count);
    c->text = ns_alloc_array((size_t)c->n, sizeof *c->text);
    bool good = c->mean && c->count && c->text;
    for (int64_t i = 0; good && i < g->C; i++) {
        if (isnan(g->place[i]) || isnan(g->value[i]))
            continue;
        const int64_t at = (int64_t)place(&g->lengths, g->length[i]) * g->places.n + place(&g->places, g->place[i]);
        c->mean[at] += g->value[i];
        c->count[at]++;
    }
    for (int64_t i = 0; good && i < c->n; i++) {
        c->mean[i] = c->count[i] ? c->mean[i] / (float)c->count[i] : NAN;
        c->least = c->count[i] && c->count[i] < c->least ? c->count[i] : c->least;
        c->most = c->count[i] > c->most ? c->count[i] : c->most;
        c->empty += c->count[i] == 0;
    }
    for (int64_t i = 0; good && i < c->n && c->least != c->most; i++)
        good =
            (c->text[i] = c->count[i] ? ns_printf_alloc("%.2f (%lld)", (double)c->mean[i], (long long)c->count[i]) : ns_strdup("")) != NULL;
    return good;
}

static void clear_cells(cells *c)
{
    free(c->mean);
    free(c->count);
    ns_free_strings(c->text, c->text ? c->n : 0);
}

/* What is not drawn, and why. */
static void describe(const grid *g, const cells *c, ns_plotted *said, const char *shows)
{
    char note[512] = "";
    ns_note_count(note, sizeof note, g->twins, "twin left out: its needle lies where nobody asked for it",
                  "twins left out: their needles lie where nobody asked for them");
    ns_note_count(note, sizeof note, g->no_place, g->far ? "case without a needle left out" : "case without a depth left out",
                  g->far ? "cases without a needle left out" : "cases without a depth left out");
    ns_note_count(note, sizeof note, g->no_value, "case has no event to count", "cases have no event to count");
    if (c->empty)
        ns_note_count(note, sizeof note, c->empty, "cell hatched: no such case", "cells hatched: no such case");
    ns_plotted_say(said, shows, note);
}

/* "MODEL; 3 cases a cell", "MODEL; in brackets: cases" */
static char *about(const ns_file *f, const cells *c)
{
    const char *const model = ns_file_fact(f, "model_name"), *const name = model ? model : "", *const semicolon = model ? "; " : "";
    return c->least == c->most ? ns_printf_alloc("%s%s%lld case%s a cell", name, semicolon, (long long)c->most, ns_plural(c->most))
                               : ns_printf_alloc("%s%sin brackets: cases", name, semicolon);
}

static int draw(const char *path, const ns_grid_plot *p, const ns_file *f, const grid *g, const ns_figure_params *look, ns_plotted *said,
                ns_error *err)
{
    char *rows[MOST] = {0}, *cols[MOST] = {0}, title[64], missing[64];
    cells c;
    const bool good = fill_cells(g, &c) && name_tokens(&g->lengths, rows) && (g->far ? name_tokens : name_depths)(&g->places, cols);
    char *const study = good ? about(f, &c) : NULL;
    snprintf(missing, sizeof missing, "no such case (%lld cell%s)", (long long)c.empty, ns_plural(c.empty));
    const ns_matrix_figure figure = {.size = sizeof figure, .value = c.mean, .n_rows = g->lengths.n, .n_cols = g->places.n,
                                     .rows = (const char *const *)rows,
                                     .cols = (const char *const *)cols, .text = c.least != c.most ? (const char *const *)c.text : NULL,
                                     .row_name = "length (tokens)",
                                     .col_name = g->far ? "tokens from the query back to the needle" : "depth of the needle",
                                     .value_name = subject(p, title), .study_name = study,
                                     .missing_name = missing, .chance = NAN};
    int rc = study ? NS_OK : ns_oom(err, "a figure");
    ns_plot_look own = {0};
    if (rc == NS_OK)
        rc = ns_plot_look_begin(&own, path, look, g->places.n > 6 ? 7 : 3.5, &p->file, 1, err);
    if (rc == NS_OK)
        rc = ns_draw_matrix(path, &figure, &own.params, err);
    if (rc == NS_OK)
        describe(g, &c, said, title);
    for (int i = 0; i < MOST; i++) {
        free(rows[i]);
        free(cols[i]);
    }
    ns_plot_look_end(&own);
    clear_cells(&c);
    free(study);
    return rc;
}

int ns_plot_grid(const char *path, const ns_grid_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_grid_plot p;
    ns_file *f = NULL;
    grid g = {0};
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_grid_plot", err);
    if (rc == NS_OK && (p.of < NS_GRID_FIRST || p.of > NS_GRID_FIND))
        rc = ns_fail(err, NS_E_ARG, "a grid of kind %d: there are 0 (first token right), 1 (answered), 2 (finds)", p.of);
    if (rc == NS_OK && (p.by < NS_GRID_BY_WHAT_IS_THERE || p.by > NS_GRID_BY_DISTANCE))
        rc = ns_fail(err, NS_E_ARG, "a grid by %d: there are 0 (what the cases say), 1 (depth), 2 (distance)", p.by);
    rc = rc != NS_OK ? rc : ns_plot_check(path, look, &p.file, 1, err);
    rc = rc != NS_OK ? rc : ns_file_open_as(&f, p.file, NS_KINDS(NS_KIND_SCORES), "a score file (needlescope score -o makes one)", err);
    rc = rc != NS_OK ? rc : read_cases(f, &p, &g, err);
    rc = rc != NS_OK ? rc : find_axes(&g, p.file, err);
    rc = rc != NS_OK ? rc : draw(path, &p, f, &g, look, said, err);
    free(g.length);
    free(g.place);
    free(g.value);
    ns_file_close(f);
    return ns_fail_of(err, rc, p.file);
}
