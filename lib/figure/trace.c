/* trace.c - a file of `trace`: entropy above, distance below, side by side the three sets of heads; a thin line a run. */
#include "figure/files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_PANELS = 6, PER_MEASURE = 3, MOST_GROUPS = 8 };
static const char *const datasets[N_PANELS] = {"entropy_final_top", "entropy_step_top", "entropy_others",
                                               "distance_final_top", "distance_step_top", "distance_others"};
static const char *const titles[N_PANELS] = {"entropy: the last best", "best of each step", "others",
                                             "distance: the last best", "best of each step", "others"};
static const int axes[N_PANELS] = {0, 0, 0, 1, 1, 1};

typedef struct traced {
    int64_t     R, P;
    double     *at, *value[N_PANELS];           /* [R, P] */
    char      **group;                          /* [R] */
    const char *names[MOST_GROUPS];             /* of the groups that are drawn; borrowed */
    int         n_names;
    bool in_tokens;
    int64_t     left_out;                       /* runs of other groups */
    ns_curve   *curves;
    int         n_curves;
    double     *xy;                             /* [N_PANELS * R, 2, P] */
} traced;

static void clear(traced *t)
{
    free(t->at);
    for (int i = 0; i < N_PANELS; i++)
        free(t->value[i]);
    ns_free_strings(t->group, t->R);
    free(t->curves);
    free(t->xy);
}

static int read_numbers(const ns_file *f, traced *t, const char *name, ns_range range, double **out, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = name, .type = NS_F64, .rank = 2, .shape = {t->R, t->P}, .range = ns_or_nan(range),
                     .axes = "run step"};
    return ns_file_array(f, &w, out, err);
}

/* The axis of the file, or its steps. */
static int read_axis(traced *t, const ns_file *f, const int64_t *step, int x_axis, ns_error *err)
{
    const char *const axis = ns_file_fact(f, "axis");
    t->in_tokens = axis && strcmp(axis, "tokens") == 0 && x_axis != NS_X_STEPS;
    if (x_axis == NS_X_TOKENS && !t->in_tokens)
        return ns_fail(err, NS_E_ARG, "the trace does not know the tokens of its steps: it has an axis of steps alone");
    const int rc = read_numbers(f, t, "at", ns_between(0, 0x1p62), &t->at, err);
    for (int64_t i = 0; i < t->R * t->P && rc == NS_OK && !t->in_tokens; i++)
        t->at[i] = isnan(t->at[i]) ? t->at[i] : (double)step[i % t->P];
    return rc;
}

static int read_file(traced *t, const ns_file *f, int x_axis, ns_error *err)
{
    ns_expected groups = {.size = sizeof groups, .name = "group", .rank = 1, .shape = {NS_ANY}, .axes = "run"},
                steps = {.size = sizeof steps, .name = "step", .type = NS_I64, .rank = 1, .shape = {NS_ANY},
                         .range = ns_between(-1, 0x1p62)};
    int64_t *step = NULL;
    int rc = ns_file_texts(f, &groups, &t->group, err);
    t->R = rc == NS_OK ? groups.shape[0] : 0;
    rc = rc != NS_OK ? rc : ns_file_array(f, &steps, &step, err);
    t->P = steps.shape[0];
    rc = rc != NS_OK ? rc : read_axis(t, f, step, x_axis, err);
    free(step);
    for (int i = 0; i < N_PANELS && rc == NS_OK; i++)
        rc = read_numbers(f, t, datasets[i], ns_between(-1e-4, i < PER_MEASURE ? 1 + 1e-4 : INFINITY), &t->value[i], err);
    return rc;
}

/* Numbers in them by value: W=4 stands before W=16. */
static int by_name(const void *a, const void *b)
{
    return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

static int name_groups(traced *t, ns_error *err)
{
    const char **const sorted = ns_alloc_array((size_t)t->R, sizeof *sorted);
    if (!sorted)
        return ns_oom(err, "a figure");
    memcpy(sorted, t->group, (size_t)t->R * sizeof *sorted);
    qsort(sorted, (size_t)t->R, sizeof *sorted, by_name);
    for (int64_t r = 0; r < t->R && t->n_names < MOST_GROUPS; r++)
        if (r == 0 || strcmp(sorted[r], sorted[r - 1]) != 0)
            t->names[t->n_names++] = sorted[r];
    free(sorted);
    return NS_OK;
}

/* -1: the ninth and later ones are not drawn. */
static int group_of(const traced *t, const char *name)
{
    for (int i = 0; i < t->n_names; i++)
        if (strcmp(t->names[i], name) == 0)
            return i;
    return -1;
}

static double first_after_zero(const traced *t)
{
    double first = INFINITY;
    for (int64_t i = 0; i < t->R * t->P; i++)
        first = t->at[i] > 0 ? fmin(first, t->at[i]) : first;
    return first;
}

/* Step 0 stands at the left end of a log axis. */
static ns_curve line_of(const traced *t, int panel, int64_t run, int group, double first)
{
    double *const x = t->xy + 2 * t->P * ((int64_t)panel * t->R + run), *const y = x + t->P;
    int64_t n = 0;
    for (int64_t p = 0; p < t->P; p++) {
        const double at = t->at[run * t->P + p], value = t->value[panel][run * t->P + p];
        if (isnan(at) || isnan(value))
            continue;
        x[n] = fmax(at, first);
        y[n++] = value;
    }
    return (ns_curve){.x = x, .y = y, .n = n, .group = group, .panel = panel};
}

static int make_curves(traced *t, ns_error *err)
{
    const double first = first_after_zero(t);
    t->curves = ns_alloc_array((size_t)(N_PANELS * t->R), sizeof *t->curves);
    t->xy = ns_alloc_array((size_t)(N_PANELS * t->R * 2), (size_t)t->P * sizeof *t->xy);
    if (!t->curves || !t->xy)
        return ns_oom(err, "a figure");
    for (int64_t r = 0; r < t->R; r++) {
        const int group = group_of(t, t->group[r]);
        t->left_out += group < 0;
        for (int panel = 0; panel < N_PANELS && group >= 0; panel++)
            t->curves[t->n_curves++] = line_of(t, panel, r, group, first);
    }
    return NS_OK;
}

static int draw(const traced *t, const ns_file *f, const char *path, const char *file, const ns_figure_params *look, ns_plotted *said,
                ns_error *err)
{
    ns_plot_look own = {0};
    char note[160] = "", title[200];
    const char *const top = ns_file_fact(f, "top"), *const score = ns_file_fact(f, "score");
    char *const name = ns_clean_utf8(ns_path_base(file)), *const by = ns_clean_utf8(score ? score : "");
    ns_note_count(note, sizeof note, t->left_out, "run left out: a panel shows eight groups", "runs left out: a panel shows eight groups");
    snprintf(title, sizeof title, "The %.8s best heads by %.100s over training", top ? top : "", by ? by : "");
    ns_utf8_whole(title);
    const ns_curves_figure figure = {.size = sizeof figure,
                                     .kind = NS_CURVE_LINE,
                                     .curves = t->curves,
                                     .n_curves = t->n_curves,
                                     .groups = t->names,
                                     .n_groups = t->n_names,
                                     .panels = titles,
                                     .n_panels = N_PANELS,
                                     .y_axes = axes,
                                     .x_name = t->in_tokens ? "tokens" : "steps",
                                     .log_x = true,
                                     .title = title,
                                     .study_name = name,
                                     .guide = (double)NAN};
    int rc = name && by ? ns_plot_look_begin(&own, path, look, 7, &file, 1, err) : ns_oom(err, "a figure");
    rc = rc != NS_OK ? rc : ns_draw_curves(path, &figure, &own.params, err);
    ns_plot_look_end(&own);
    if (rc == NS_OK)
        ns_plotted_say(said, title, note);
    free(name);
    free(by);
    return rc;
}

int ns_plot_trace(const char *path, const char *file, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_file *f = NULL;
    traced t = {0};
    ns_figure_params own = {.size = sizeof own};
    int rc = look ? ns_sized_copy(&own, sizeof own, look, "ns_figure_params", err) : NS_OK;
    own.size = sizeof own;
    rc = rc != NS_OK ? rc : ns_plot_check(path, &own, &file, 1, err);
    rc = rc != NS_OK ? rc : ns_file_open_as(&f, file, NS_KINDS(NS_KIND_TRACE), "a trace of heads (needlescope trace makes one)", err);
    rc = rc != NS_OK ? rc : read_file(&t, f, own.x_axis, err);
    own.x_axis = NS_X_AUTO;
    rc = rc != NS_OK ? rc : name_groups(&t, err);
    rc = rc != NS_OK ? rc : make_curves(&t, err);
    rc = rc != NS_OK ? rc : draw(&t, f, path, file, &own, said, err);
    clear(&t);
    ns_file_close(f);
    return ns_fail_of(err, rc, file);
}
