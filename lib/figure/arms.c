/* arms.c - the groups of a study's runs as a figure shows them: windows first, ascending, then controls; their names, their runs by birth.
 */
#include "figure/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_control(const ns_seed_group *g)
{
    return g->arm && strcmp(g->arm, "swa") != 0;
}

static int by_place(const void *a, const void *b)
{
    const ns_seed_group *const x = *(const ns_seed_group *const *)a, *const y = *(const ns_seed_group *const *)b;
    if (is_control(x) != is_control(y))
        return is_control(x) - is_control(y);
    if (!is_control(x) && x->window != y->window && !isnan(x->window) && !isnan(y->window))
        return x->window < y->window ? -1 : 1;
    return x < y ? -1 : x > y;           /* as in the study */
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Of one control arm, one pattern, and by windows the other way round? */
static bool is_behind(const ns_seed_group *x, const ns_seed_group *y)
{
    return is_control(x) && same_text(x->arm, y->arm) && same_text(x->pattern, y->pattern) && x->window > y->window;
}

/* Windows of a control arm ascend, in the places that its groups have. */
static void sort_windows(const ns_seed_group **order, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = i + 1; k < n; k++)
            if (is_behind(order[i], order[k])) {
                const ns_seed_group *const later = order[i];
                order[i] = order[k];
                order[k] = later;
            }
}

/* A pattern without a letter that has a window (S: the layer; H: half of its heads) has none to speak of. */
static char *name_of(const ns_seed_group *g, const char *run, bool with_arm)
{
    char window[32] = "";
    if (!g->arm && !g->pattern && isnan(g->window))
        return ns_visible(run, "");
    if (!isnan(g->window) && (!g->pattern || strpbrk(g->pattern, "SH")))
        snprintf(window, sizeof window, "%sW=%.0f", g->pattern ? " " : "", g->window);
    char *const name = ns_printf_alloc("%s%s%s%s%s", with_arm && g->arm ? g->arm : "", with_arm && g->arm ? " " : "",
                                       g->pattern ? g->pattern : "", window, g->nope > 0 ? " NoPE" : "");
    char *const visible = name ? ns_visible(name, "") : NULL;          /* a label has no control characters */
    free(name);
    return visible;
}

static bool shares_name(const ns_arms *arms, int i)
{
    bool twice = !*arms->list[i].name;
    for (int k = 0; k < arms->n; k++)
        twice |= k != i && strcmp(arms->list[i].name, arms->list[k].name) == 0;
    return twice;
}

static bool name_by_run(ns_arm_rows *rows, const char *run)
{
    char *const longer = ns_printf_alloc("%s %s", run, rows->name), *const visible = longer ? ns_visible(longer, "") : NULL;
    free(longer);
    free(rows->name);
    return (rows->name = visible) != NULL;
}

/* Groups that differ in their arm alone are told apart by it, those that do not differ (one seed: ns_emergence_params.apart) by their
 * runs. */
static bool name_groups(ns_arms *arms, const ns_emergence *e, const ns_seed_group *const *order)
{
    bool good = true, *const shared = ns_alloc_array((size_t)arms->n + 1, sizeof *shared);
    for (int i = 0; i < arms->n && good; i++) {
        arms->list[i].name = name_of(order[i], ns_study_run_name(e->study, order[i]->runs[0]), false);
        good = arms->list[i].name != NULL;
    }
    good = good && shared;
    for (int i = 0; i < arms->n && good; i++)
        shared[i] = shares_name(arms, i);
    for (int i = 0; i < arms->n && good; i++) {
        if (!shared[i])
            continue;
        free(arms->list[i].name);
        arms->list[i].name = name_of(order[i], ns_study_run_name(e->study, order[i]->runs[0]), true);
        good = arms->list[i].name != NULL;
    }
    for (int i = 0; i < arms->n && good; i++)
        shared[i] = shares_name(arms, i);
    for (int i = 0; i < arms->n && good; i++)
        good = !shared[i] || name_by_run(&arms->list[i], ns_study_run_name(e->study, order[i]->runs[0]));
    free(shared);
    return good;
}

/* Runs by birth, ties as in the study; those without a head to be born last. */
static void sort_runs(const ns_emergence *e, ns_arm_rows *rows)
{
    for (int64_t i = 1; i < rows->n; i++) {
        const int64_t run = rows->run[i];
        const double at = isnan(e->runs[run].best.at) ? (double)INFINITY : e->runs[run].best.at;
        int64_t k = i;
        for (; k > 0 && !(e->runs[rows->run[k - 1]].best.at <= at); k--)
            rows->run[k] = rows->run[k - 1];
        rows->run[k] = run;
    }
}

/* The step of a birth; of a censored one the last step that could have been confirmed. */
static void step_text(const ns_emergence *e, int64_t run, char out[24])
{
    const ns_event best = e->runs[run].best;
    const double *const axis = e->axis + run * e->shape.P;
    int64_t step = best.step;
    for (int64_t p = 0; isinf(best.at) && p < e->runs[run].P; p++)
        if (axis[p] == best.after)
            step = ns_study_steps(e->study)[p];
    if (isnan(best.at))
        snprintf(out, 24, "\xe2\x80\x93");
    else
        snprintf(out, 24, isinf(best.at) ? ">%lld" : "%lld", (long long)step);
}

/* The runs' median in steps, of those that have a head to be born; where it is censored, as the later of the middle two says it. */
static bool median_text(const ns_emergence *e, const ns_arm_rows *rows, char out[24])
{
    double *const steps = ns_alloc_array((size_t)rows->n + 1, sizeof *steps);
    int64_t n = 0;
    for (int64_t i = 0; steps && i < rows->n; i++) {
        const ns_event best = e->runs[rows->run[i]].best;
        if (!isnan(best.at))
            steps[n++] = isinf(best.at) ? best.at : (double)best.step;
    }
    const double median = steps ? ns_median_censored(steps, n) : 0;
    if (isfinite(median))
        snprintf(out, 24, "%.6g", median);
    else
        step_text(e, rows->run[n ? n / 2 : 0], out);
    free(steps);
    return steps != NULL;
}

/* Median, range, how many were born. */
static char *note_of(const ns_emergence *e, const ns_arm_rows *rows)
{
    char median[24], first[24], last[24];
    int64_t born = 0;
    for (int64_t i = 0; i < rows->n; i++)
        born += isfinite(e->runs[rows->run[i]].best.at);
    step_text(e, rows->run[0], first);
    step_text(e, rows->run[rows->n - 1], last);
    if (!median_text(e, rows, median))
        return NULL;
    return rows->n == 1 ? ns_strdup(first)
                        : ns_printf_alloc("%s (%s\xe2\x80\x93%s), %lld/%lld", median, first, last, (long long)born, (long long)rows->n);
}

static bool fill_rows(ns_arm_rows *rows, const ns_emergence *e, const ns_seed_group *g)
{
    rows->run = ns_alloc_array((size_t)g->n, sizeof *rows->run);
    if (!rows->run)
        return false;
    memcpy(rows->run, g->runs, (size_t)g->n * sizeof *rows->run);
    rows->n = g->n;
    sort_runs(e, rows);
    return (rows->note = note_of(e, rows)) != NULL;
}

static int wanted_place(const ns_figure_params *look, const char *name)
{
    int k = 0;
    while (look && k < look->n_order && strcmp(look->order[k], name) != 0)
        k++;
    return k;
}

/* Windows and controls apart. */
static void put_in_order(ns_arms *arms, const ns_figure_params *look)
{
    const int windows = arms->n - arms->n_controls;
    for (int i = 1; i < arms->n; i++) {
        const ns_arm_rows moved = arms->list[i];
        int k = i;
        for (; k > (i < windows ? 0 : windows) && wanted_place(look, arms->list[k - 1].name) > wanted_place(look, moved.name); k--)
            arms->list[k] = arms->list[k - 1];
        arms->list[k] = moved;
    }
}

int ns_arms_make(ns_arms *arms, const ns_emergence *e, const ns_figure_params *look, ns_error *err)
{
    const ns_seed_group **const order = ns_alloc_array((size_t)e->n_groups + 1, sizeof *order);
    *arms = (ns_arms){.list = ns_alloc_array((size_t)e->n_groups + 1, sizeof *arms->list), .n = (int)e->n_groups};
    bool good = order && arms->list;
    for (int i = 0; good && i < arms->n; i++)
        order[i] = &e->groups[i];
    if (good) {
        qsort(order, (size_t)arms->n, sizeof *order, by_place);
        sort_windows(order, arms->n);
    }
    good = good && name_groups(arms, e, order);
    for (int i = 0; good && i < arms->n; i++) {
        arms->n_controls += is_control(order[i]);
        good = fill_rows(&arms->list[i], e, order[i]);
    }
    free(order);
    if (good)
        put_in_order(arms, look);
    else
        ns_arms_clear(arms);
    return good ? NS_OK : ns_oom(err, "a figure");
}

void ns_arms_clear(ns_arms *arms)
{
    for (int i = 0; arms->list && i < arms->n; i++) {
        free(arms->list[i].name);
        free(arms->list[i].note);
        free(arms->list[i].run);
    }
    free(arms->list);
    *arms = (ns_arms){0};
}

int ns_series_marks(const ns_emergence *e, int64_t run, const double *series, double birth[2], double *death, ns_error *err)
{
    const int64_t P = e->runs[run].P, limit = ns_birth_limit(series, P, &e->birth);
    const double *const axis = e->axis + run * e->shape.P;
    ns_life *lives = NULL;
    int64_t n = 0;
    birth[0] = birth[1] = *death = (double)NAN;
    const int rc = ns_lives(series, P, &e->birth, &lives, &n, err);
    if (rc == NS_OK && n > 0) {
        birth[0] = lives[0].after < 0 ? 0 : axis[lives[0].after];
        birth[1] = axis[lives[0].at];
        *death = lives[n - 1].died < 0 ? (double)NAN : axis[lives[n - 1].died];
    } else if (rc == NS_OK && limit >= 0) {
        birth[0] = axis[limit];
        birth[1] = (double)INFINITY;
    }
    free(lives);
    return rc;
}

int ns_change_times(const ns_emergence *e, int64_t run, double **out, int *n, ns_error *err)
{
    int64_t capacity = 0, count = 0;
    *out = NULL;
    *n = 0;
    for (int64_t r = run < 0 ? 0 : run; r < (run < 0 ? e->shape.R : run + 1); r++)
        for (int64_t k = 0; k < e->runs[r].P; k++) {
            const double at = e->axis[r * e->shape.P + k];
            bool known = isnan(at) || !ns_study_arch_change(e->study, r, k);
            for (int64_t i = 0; i < count && !known; i++)
                known = (*out)[i] == at;
            if (known)
                continue;
            if (!ns_grow(out, &capacity, count + 1, sizeof **out))
                return ns_oom(err, "a figure");
            (*out)[count++] = at;
        }
    *n = (int)count;
    return NS_OK;
}
