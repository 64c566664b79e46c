/* cmd_figure_grid.c - the needle grid: by length and depth, how often the model answers, or how often a head finds the needle. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/figure.h"

enum { MOST = 64, FEW_DEPTHS = 12, BINS = 10 };

typedef struct grid_settings { int of; cli_heads heads; cli_look look; } grid_settings;

#define FIELD(name) offsetof(grid_settings, name)
static const cli_option options[] = {
    {"of", 0, CLI_CHOICE, FIELD(of), "WHAT", "first answer token right (default), whole answer right, or a head's find rate (with --head)", "first|answered|find"},
    {"head", 'n', CLI_HEADS, FIELD(heads), "L.H", "the head of --of find"},
    {0},
};
#undef FIELD

typedef struct grid {
    int64_t *length, C, lengths[MOST];
    double  *depth, depths[MOST];        /* in bins: their lower ends */
    float   *value;                      /* [C] NaN = nothing to count */
    int      n_lengths, n_depths;
    bool     binned;
} grid;

/* ---- what the cases gave ---- */

static int read_find(const ns_file *f, const cli_heads *heads, grid *g, ns_error *err)
{
    int rank;
    int64_t shape[NS_MAX_RANK];
    if (heads->n != 1)
        return ns_fail(err, NS_E_ARG, "--of find: say which head (--head L.H)");
    const int64_t l = heads->list[0].layer, h = heads->list[0].head;
    int rc = ns_file_has(f, "find_hits") ? ns_file_describe(f, "find_hits", NULL, &rank, shape, NULL, err)
                                         : ns_fail(err, NS_E_ARG, "the file has no find_hits: score with --probe retrieval_find");
    if (rc == NS_OK && (rank != 3 || shape[0] != g->C || l >= shape[1] || h >= shape[2]))
        rc = ns_fail(err, NS_E_ARG, "--head %lld.%lld: the file has %lld layers of %lld heads", (long long)l, (long long)h, (long long)shape[1], (long long)shape[2]);
    const int64_t start[3] = {0, l, h}, count[3] = {g->C, 1, 1};
    float *const events = ns_alloc_array((size_t)g->C, sizeof *events);
    if (rc == NS_OK)
        rc = events ? ns_file_read_slab(f, "find_hits", 3, start, count, g->value, err) : ns_oom(err, "cases");
    if (rc == NS_OK)
        rc = ns_file_read_slab(f, "find_events", 3, start, count, events, err);
    for (int64_t i = 0; rc == NS_OK && i < g->C; i++)
        g->value[i] = events[i] > 0 ? g->value[i] / events[i] : NAN;
    free(events);
    return rc;
}

static int read_cases(const ns_file *f, const char *path, const grid_settings *s, grid *g, ns_error *err)
{
    static const char *const datasets[] = {"first_right", "answered"};
    int rank;
    int64_t shape[NS_MAX_RANK] = {0}, n_depths[NS_MAX_RANK] = {0};
    if (s->of != 2 && s->heads.n)
        return ns_fail(err, NS_E_ARG, "--head belongs to --of find");
    if (!ns_file_has(f, "length") || !ns_file_has(f, "depth") || !ns_file_has(f, "first_right"))
        return ns_fail(err, NS_E_ARG, "%s has no lengths and depths of cases: draw a score file of needle cases", path);
    int rc = ns_file_read_i64(f, "length", &g->length, &rank, shape, err);
    rc = rc ? rc : ns_file_read_f64(f, "depth", &g->depth, &rank, n_depths, err);
    g->C = shape[0];
    if (rc == NS_OK && (n_depths[0] != g->C || g->C < 1))
        rc = ns_fail(err, NS_E_FORMAT, "%s: %lld lengths and %lld depths", path, (long long)g->C, (long long)n_depths[0]);
    g->value = ns_alloc_array((size_t)g->C + 1, sizeof *g->value);
    if (rc == NS_OK && !g->value)
        rc = ns_oom(err, "cases");
    const int64_t start[1] = {0};
    if (rc == NS_OK)
        rc = s->of == 2 ? read_find(f, &s->heads, g, err) : ns_file_read_slab(f, datasets[s->of], 1, start, &g->C, g->value, err);
    return rc;
}

/* ---- rows and columns ---- */

static bool add_depth(grid *g, double depth)
{
    int at = 0;
    while (at < g->n_depths && g->depths[at] < depth)
        at++;
    if (at < g->n_depths && g->depths[at] == depth)
        return true;
    if (g->n_depths == FEW_DEPTHS)
        return false;
    memmove(g->depths + at + 1, g->depths + at, (size_t)(g->n_depths++ - at) * sizeof *g->depths);
    g->depths[at] = depth;
    return true;
}

static bool add_length(grid *g, int64_t length)
{
    int at = 0;
    while (at < g->n_lengths && g->lengths[at] < length)
        at++;
    if (at < g->n_lengths && g->lengths[at] == length)
        return true;
    if (g->n_lengths == MOST)
        return false;
    memmove(g->lengths + at + 1, g->lengths + at, (size_t)(g->n_lengths++ - at) * sizeof *g->lengths);
    g->lengths[at] = length;
    return true;
}

/* Depths are columns of their own while there are few, else ten bins. */
static int find_axes(grid *g, const char *path, ns_error *err)
{
    bool few = true;
    for (int64_t i = 0; i < g->C; i++) {
        if (isnan(g->depth[i]))
            continue;
        few = few && add_depth(g, g->depth[i]);
        if (!add_length(g, g->length[i]))
            return ns_fail(err, NS_E_ARG, "%s has cases of more than %d lengths: a grid is for cases of a few", path, MOST);
    }
    if (g->n_depths == 0)
        return ns_fail(err, NS_E_ARG, "%s: no case says at which depth its needle is", path);
    g->binned = !few;
    for (int i = 0; g->binned && i < BINS; i++)
        g->depths[i] = (double)i / BINS;
    g->n_depths = g->binned ? BINS : g->n_depths;
    return NS_OK;
}

static int column_of(const grid *g, double depth)
{
    if (g->binned)
        return depth >= 1 ? BINS - 1 : depth < 0 ? 0 : (int)(depth * BINS);
    int at = 0;
    while (g->depths[at] != depth)
        at++;
    return at;
}

static int row_of(const grid *g, int64_t length)
{
    int at = 0;
    while (g->lengths[at] != length)
        at++;
    return at;
}

/* ---- drawing ---- */

static const char *subject(const grid_settings *s, char out[64])
{
    if (s->of == 2)
        snprintf(out, 64, "Head %lld.%lld finds the needle", (long long)s->heads.list[0].layer, (long long)s->heads.list[0].head);
    else
        snprintf(out, 64, "%s", s->of ? "Whole answer right" : "First answer token right");
    return out;
}

static bool name_axes(const grid *g, char **rows, char **cols)
{
    bool good = true;
    for (int i = 0; i < g->n_lengths && good; i++)
        good = (rows[i] = ns_printf_alloc("%lld", (long long)g->lengths[i])) != NULL;
    for (int i = 0; i < g->n_depths && good; i++)
        good = (cols[i] = g->binned ? ns_printf_alloc("%d\xe2\x80\x93%d %%", i * BINS, (i + 1) * BINS) : ns_printf_alloc("%.3g", g->depths[i])) != NULL;
    return good;
}

/* Means and, where it differs from cell to cell, how many cases each is of. */
static bool fill_cells(const grid *g, float *mean, char **text, int64_t *least, int64_t *most)
{
    const int64_t n = (int64_t)g->n_lengths * g->n_depths;
    int64_t *const count = ns_alloc_array((size_t)n, sizeof *count);
    bool good = count != NULL;
    for (int64_t i = 0; good && i < g->C; i++) {
        if (isnan(g->depth[i]) || isnan(g->value[i]))
            continue;
        const int64_t cell = (int64_t)row_of(g, g->length[i]) * g->n_depths + column_of(g, g->depth[i]);
        mean[cell] += g->value[i];
        count[cell]++;
    }
    *least = INT64_MAX;
    *most = 0;
    for (int64_t i = 0; good && i < n; i++) {
        mean[i] = count[i] ? mean[i] / (float)count[i] : NAN;
        *least = count[i] && count[i] < *least ? count[i] : *least;
        *most = count[i] > *most ? count[i] : *most;
    }
    for (int64_t i = 0; good && i < n && *least != *most; i++)
        good = (text[i] = count[i] ? ns_printf_alloc("%.2f (%lld)", (double)mean[i], (long long)count[i]) : ns_strdup("")) != NULL;
    free(count);
    return good;
}

static int draw(cli *app, const grid_settings *s, const ns_file *f, const grid *g)
{
    const int64_t n = (int64_t)g->n_lengths * g->n_depths;
    char *rows[MOST] = {0}, *cols[MOST] = {0}, title[64], *about = NULL;
    float *const mean = ns_alloc_array((size_t)n, sizeof *mean);
    char **const text = ns_alloc_array((size_t)n, sizeof *text);
    int64_t least, most;
    bool good = mean && text && name_axes(g, rows, cols) && fill_cells(g, mean, text, &least, &most);
    const char *const model = ns_file_fact(f, "model_name");
    if (good && least == most)
        about = ns_printf_alloc("%s; %lld cases a cell", model ? model : "", (long long)most);
    else if (good)
        about = ns_printf_alloc("%s; in brackets: cases", model ? model : "");
    const ns_matrix_figure figure = {.size = sizeof figure, .value = mean, .n_rows = g->n_lengths, .n_cols = g->n_depths, .rows = (const char *const *)rows,
                                     .cols = (const char *const *)cols, .text = good && least != most ? (const char *const *)text : NULL, .row_name = "length (tokens)",
                                     .col_name = "depth of the needle", .value_name = subject(s, title), .study_name = about, .missing_name = "no such case", .chance = NAN};
    ns_figure_params params = cli_look_params(app, &s->look);
    params.width = params.width > 0 ? params.width : g->n_depths > 6 ? 7 : 3.5;
    const int rc = good && about ? ns_draw_matrix(s->look.out, &figure, &params, &app->err) : ns_oom(&app->err, "a figure");
    for (int i = 0; i < MOST; i++) {
        free(rows[i]);
        free(cols[i]);
    }
    ns_free_strings(text, text ? n : 0);
    free(mean);
    free(about);
    return rc == NS_OK ? cli_say_shows(app, s->look.out, title) : rc;
}

static int figure_grid(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const grid_settings *const s = settings;
    ns_file *f = NULL;
    grid g = {0};
    int rc = cli_look_check(app, &s->look);
    rc = rc ? rc : ns_file_open(&f, args[0], &app->err);
    rc = rc ? rc : read_cases(f, args[0], s, &g, &app->err);
    rc = rc ? rc : find_axes(&g, args[0], &app->err);
    rc = rc ? rc : draw(app, s, f, &g);
    free(g.length);
    free(g.depth);
    free(g.value);
    ns_file_close(f);
    return rc;
}

const cli_command cli_cmd_figure_grid = {
    .name = "figure grid", .section = "Figures", .summary = "Draws the needle grid: right answers, or a head's finds, by length and depth",
    .arguments = "SCORES", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}, {"Look", cli_look_options, offsetof(grid_settings, look)}},
    .settings_size = sizeof(grid_settings),
    .description = "A row is a length that was asked for, a column a depth; more than twelve depths become ten bins. A cell is a mean over its cases, whose number is in brackets "
                   "where it differs; what no case covers is hatched.",
    .examples = "needlescope figure grid scores.h5 -o grid.pdf\n"
                "needlescope figure grid scores.h5 --of find --head 18.6 -o head.png",
    .run = figure_grid,
};
