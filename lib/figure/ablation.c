/* ablation.c - what interventions did, every control shown: files of `ablate`, or of `patch` with a set. */
#include "figure/files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/control.h>
#include <needlescope/study.h>

enum { MOST_COLUMNS = 16, MOST_PANELS = 4 };

typedef struct measure { const char *dataset, *name; } measure;
static const measure of_ablation[MOST_PANELS] = {{"first_accuracy", "first token right"},
                                                 {"rest_accuracy", "later tokens right"},
                                                 {"margin_mean", "margin (logits)"},
                                                 {"loss", "prompt loss (nats)"}};
static const measure of_patching[MOST_PANELS] = {{"set_recovery", "recovery"}, {"set_flipped", "answers flipped"}};

typedef struct column {
    char *name;
    double target[MOST_PANELS], untouched[MOST_PANELS], *draws[MOST_PANELS];
    int64_t n;
} column; /* draws [n] */

typedef struct strips {
    const measure *measures;             /* those of the first file; all files are of its kind */
    column  columns[MOST_COLUMNS];
    int     n_columns;
    int64_t n_draws;                     /* the most that a column has */
    double  untouched[MOST_PANELS];
    char *model;                         /* of all files; NULL where they are of several, or do not say */
    bool    keys, heads;                 /* some controls hide other keys; some are other heads */
    int64_t without;                     /* controls without a value in a panel that is drawn */
    bool    matched, known;              /* those heads are of like norm in all files; the files say how like they are */
    double  ratio_min, ratio_max;        /* their norms / those of the sets */
} strips;

typedef struct conditions { char **kind, **mode; int64_t n; float *value[MOST_PANELS]; } conditions;

static void clear(conditions *c)
{
    ns_free_strings(c->kind, c->n);
    ns_free_strings(c->mode, c->n);
    for (int i = 0; i < MOST_PANELS; i++)
        free(c->value[i]);
}

static int read_conditions(const ns_file *f, const strips *s, conditions *c, ns_error *err)
{
    ns_expected kinds = {.size = sizeof kinds, .name = "kind", .rank = 1, .shape = {NS_ANY}};
    int rc = ns_file_texts(f, &kinds, &c->kind, err);
    c->n = rc == NS_OK ? kinds.shape[0] : 0;
    ns_expected modes = {.size = sizeof modes, .name = "mode", .rank = 1, .shape = {c->n}};
    if (rc == NS_OK && s->measures == of_ablation)
        rc = ns_file_texts(f, &modes, &c->mode, err);
    for (int i = 0; i < MOST_PANELS && s->measures[i].dataset && rc == NS_OK; i++) {
        ns_expected w = {sizeof w, s->measures[i].dataset, NS_F32, 1, {c->n}, ns_intervention_range(s->measures[i].dataset)};
        rc = ns_file_array(f, &w, &c->value[i], err);
    }
    return rc;
}

static int64_t count_controls(const conditions *c, int64_t target)
{
    int64_t n = 0;
    while (target + 1 + n < c->n && strcmp(c->kind[target + 1 + n], "control") == 0)
        n++;
    return n;
}

static int add_column(strips *s, const conditions *c, int64_t target, const char *path, bool named, ns_error *err)
{
    const char *const mode = c->mode ? c->mode[target] : "patched";
    if (s->n_columns == MOST_COLUMNS)
        return ns_fail(err, NS_E_ARG, "more than %d sets of heads: draw fewer files at once", MOST_COLUMNS);
    column *const to = &s->columns[s->n_columns++];
    to->n = count_controls(c, target);
    to->name = named ? ns_plot_label(path, mode) : ns_strdup(mode);
    bool good = to->name != NULL;
    for (int i = 0; i < MOST_PANELS && s->measures[i].dataset && good; i++) {
        to->target[i] = (double)c->value[i][target];
        to->draws[i] = ns_alloc_array((size_t)to->n + 1, sizeof *to->draws[i]);
        good = to->draws[i] != NULL;
        for (int64_t k = 0; k < to->n && good; k++)
            to->draws[i][k] = (double)c->value[i][target + 1 + k];
    }
    s->n_draws = to->n > s->n_draws ? to->n : s->n_draws;
    return good ? NS_OK : ns_oom(err, "a figure");
}

/* Of the model as it is. */
static double untouched_value(const conditions *c, int panel)
{
    return c->n && strcmp(c->kind[0], "none") == 0 ? (double)c->value[panel][0] : (double)NAN;
}

/* The untouched value is one line where all files have the same; else each file's columns have its own. */
static void take_untouched(strips *s, const conditions *c, bool first, int first_column)
{
    for (int i = 0; i < MOST_PANELS && s->measures[i].dataset; i++) {
        const double v = untouched_value(c, i);
        s->untouched[i] = first || s->untouched[i] == v ? v : (double)NAN;
        for (int k = first_column; k < s->n_columns; k++)
            s->columns[k].untouched[i] = v;
    }
}

/* How like the controls are: what the title may say. */
static int take_match(strips *s, const ns_file *f, const conditions *c, ns_error *err)
{
    ns_match m;
    bool heads = false;
    const int rc = ns_match_read(&m, f, err);
    for (int64_t k = 0; k < c->n; k++) {
        const bool control = strcmp(c->kind[k], "control") == 0, keys = c->mode && strcmp(c->mode[k], "knockout_others") == 0;
        s->keys |= control && keys;
        heads |= control && !keys;
    }
    if (rc != NS_OK || !heads)
        return rc;
    s->matched = (!s->heads || s->matched) && ns_match_holds(&m);
    s->known = (!s->heads || s->known) && m.n > 0;
    s->ratio_min = s->heads && s->ratio_min < m.ratio_min ? s->ratio_min : m.ratio_min;
    s->ratio_max = s->heads && s->ratio_max > m.ratio_max ? s->ratio_max : m.ratio_max;
    s->heads = true;
    return NS_OK;
}

static void say_title(const strips *s, char *out, size_t size)
{
    const char *const what = s->measures == of_ablation ? "Heads silenced" : "Heads patched", *const keys =
                                                                                                  s->keys ? " and other keys" : "";
    if (!s->heads)
        snprintf(out, size, "%s, beside other keys", what);
    else if (!s->known)
        snprintf(out, size, "%s, beside other heads%s", what, keys);
    else
        snprintf(out, size, "%s, beside %s heads (norms %.2g to %.2g of theirs)%s", what, s->matched ? "matched" : "other",
                 s->ratio_min, s->ratio_max, keys);
}

static int add_file(strips *s, const char *path, bool first, bool named, ns_error *err)
{
    ns_file *f = NULL;
    conditions c = {0};
    static const ns_kinds kinds = NS_KINDS(NS_KIND_ABLATION) | NS_KINDS(NS_KIND_PATCHING);
    int rc = ns_file_open_as(&f, path, kinds, "an ablation or a patching (needlescope ablate or patch makes one)", err);
    const char *const kind = rc == NS_OK ? ns_file_fact(f, "kind") : NULL;
    const measure *const measures = kind && strcmp(kind, "ablation") == 0 ? of_ablation : of_patching;
    if (rc == NS_OK && !first && measures != s->measures)
        rc = ns_fail(err, NS_E_ARG, "%s is of another kind than the files before it: ablations and patchings are drawn apart", path);
    if (rc == NS_OK) {
        s->measures = measures;
        rc = read_conditions(f, s, &c, err);
    }
    if (rc == NS_OK)
        rc = take_match(s, f, &c, err);
    rc = rc != NS_OK ? rc : ns_plot_one_model(&s->model, f, first, err);
    const int first_column = s->n_columns;
    for (int64_t k = 0; k < c.n && rc == NS_OK; k++)
        if (strcmp(c.kind[k], "target") == 0)
            rc = add_column(s, &c, k, path, named, err);
    if (rc == NS_OK)
        take_untouched(s, &c, first, first_column);
    clear(&c);
    ns_file_close(f);
    return ns_fail_of(err, rc, path);
}

/* Measures that no set has (a loss that was not taken) are left out. */
static bool is_measured(const strips *s, int panel)
{
    bool any = false;
    for (int k = 0; k < s->n_columns; k++)
        any |= isfinite(s->columns[k].target[panel]);
    return any;
}

/* One panel's numbers in the arrays of the figure; a column with fewer draws than another ends in NaN. */
static void fill_panel(strips *all, int panel, double *target, double *draws, double *untouched)
{
    for (int k = 0; k < all->n_columns; k++) {
        const column *const c = &all->columns[k];
        target[k] = c->target[panel];
        untouched[k] = c->untouched[panel];
        for (int64_t i = 0; i < all->n_draws; i++)
            draws[k * all->n_draws + i] = i < c->n ? c->draws[panel][i] : (double)NAN;
        for (int64_t i = 0; i < c->n; i++)
            all->without += isfinite(c->target[panel]) && !isfinite(c->draws[panel][i]);
    }
}

static int draw(const char *out, strips *all, const char *const *files, int n_files, const ns_figure_params *look, ns_error *err)
{
    const char *panels[MOST_PANELS], *columns[MOST_COLUMNS];
    char title[160], controls[64];
    const int64_t W = all->n_columns;
    double untouched[MOST_PANELS], untouched_of[MOST_PANELS * MOST_COLUMNS];
    double *const target = ns_alloc_array((size_t)(MOST_PANELS * W), sizeof *target);
    double *const draws = ns_alloc_array((size_t)(MOST_PANELS * W * all->n_draws) + 1, sizeof *draws);
    int n = 0, rc = target && draws ? NS_OK : ns_oom(err, "a figure");
    for (int i = 0; i < MOST_PANELS && all->measures[i].dataset && rc == NS_OK; i++) {
        if (!is_measured(all, i))
            continue;
        panels[n] = all->measures[i].name;
        untouched[n] = all->untouched[i];
        fill_panel(all, i, target + n * W, draws + n * W * all->n_draws, untouched_of + n * W);
        n++;
    }
    say_title(all, title, sizeof title);
    snprintf(controls, sizeof controls, all->without ? "controls, each draw (%lld have no value)" : "controls, each draw",
             (long long)all->without);
    for (int k = 0; k < W; k++)
        columns[k] = all->columns[k].name;
    const ns_strips_figure figure = {.size = sizeof figure,
                                     .panels = panels,
                                     .n_panels = n,
                                     .columns = columns,
                                     .n_columns = all->n_columns,
                                     .untouched = untouched,
                                     .target = target,
                                     .draws = draws,
                                     .n_draws = all->n_draws,
                                     .title = title,
                                     .draws_name = controls,
                                     .study_name = all->model,
                                     .untouched_of = untouched_of};
    ns_plot_look own = {0};
    rc = rc != NS_OK ? rc : ns_plot_look_begin(&own, out, look, n > 2 || W > 4 ? 7 : 4.5, files, n_files, err);
    rc = rc != NS_OK ? rc : ns_draw_strips(out, &figure, &own.params, err);
    ns_plot_look_end(&own);
    free(target);
    free(draws);
    return rc;
}

static void clear_columns(strips *s)
{
    free(s->model);
    for (int k = 0; k < s->n_columns; k++) {
        free(s->columns[k].name);
        for (int i = 0; i < MOST_PANELS; i++)
            free(s->columns[k].draws[i]);
    }
}

/* What is not drawn. */
static void describe(const strips *all, ns_plotted *said)
{
    char note[256] = "";
    for (int i = 0; i < MOST_PANELS && all->measures[i].dataset; i++)
        if (!is_measured(all, i)) {
            const size_t used = strlen(note);
            snprintf(note + used, sizeof note - used, "%s%s was not measured", used ? "; " : "", all->measures[i].name);
        }
    ns_note_count(note, sizeof note, all->without, "control has no value", "controls have no value");
    ns_plotted_say(said, "interventions and their controls", note);
}

int ns_plot_ablation(const char *path, const char *const *files, int n_files, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    strips all = {0};
    int rc = ns_plot_check(path, look, files, n_files, err);
    for (int i = 0; i < n_files && rc == NS_OK; i++)
        rc = add_file(&all, files[i], i == 0, n_files > 1, err);
    if (rc == NS_OK && all.n_columns == 0)
        rc = ns_fail(err, NS_E_ARG, "%s holds no set of heads beside controls (patch needs --heads or --scores)",
                     n_files ? files[0] : "nothing");
    if (rc == NS_OK)
        rc = draw(path, &all, files, n_files, look, err);
    if (rc == NS_OK)
        describe(&all, said);
    clear_columns(&all);
    return ns_fail_of(err, rc, n_files == 1 ? files[0] : NULL);
}
