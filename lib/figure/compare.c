/* compare.c - a score of every head of two models, or of one run at two steps, side by side, and what the second has more. */
#include "figure/headmaps.h"
#include "figure/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST, SECOND, DIFFERENCE, MAPS };

typedef struct pair {
    ns_head_map maps[MAPS];
    int64_t hidden;
    char marks_name[64], title[200], about[300];
} pair;

/* ---- the two ---- */

static int read_files(const ns_compare_plot *p, pair *two, const char **score, char found[128], ns_error *err)
{
    int rc = NS_OK;
    for (int i = 0; i < 2 && rc == NS_OK; i++) {
        ns_study *study = NULL;
        rc = ns_plot_open_scores(&study, p->files[i], err);
        if (rc == NS_OK && i == 0 && !*score) {
            snprintf(found, 128, "%.120s", ns_study_usual_score(study));
            *score = found;
        }
        rc = rc != NS_OK ? rc : ns_head_map_read(&two->maps[i], study, *score, 0, 0, err);
        const bool alike = strcmp(ns_path_base(p->files[0]), ns_path_base(p->files[1])) == 0;
        char *const base = rc != NS_OK ? NULL : alike ? ns_clean_utf8(p->files[i]) : ns_plot_label(p->files[i], "");
        if (base && !alike)
            base[strlen(base) - 2] = '\0'; /* ": " */
        rc = rc != NS_OK ? rc : ns_head_map_name(&two->maps[i], base, err);
        ns_study_close(study);
        rc = ns_fail_of(err, rc, p->files[i]);
    }
    if (rc == NS_OK)
        snprintf(two->about, sizeof two->about,
                 strcmp(two->maps[FIRST].model, two->maps[SECOND].model) ? "%.140s against %.140s" : "%.140s", two->maps[FIRST].model,
                 two->maps[SECOND].model);
    ns_utf8_whole(two->about);
    return rc;
}

static int read_steps(const ns_compare_plot *p, const ns_figure_params *look, pair *two, const char **score, char found[128], ns_error *err)
{
    ns_study *study = NULL;
    int64_t run = 0;
    int rc = ns_study_open(&study, p->files[0], err);
    if (rc == NS_OK && (ns_study_is_one(study) || !ns_study_usual_score(study)))
        rc = ns_fail(err, NS_E_ARG, "two steps are those of a study: this is %s",
                     ns_study_is_one(study) ? "the scores of one checkpoint" : "one without a score over heads");
    if (rc == NS_OK && !*score) {
        snprintf(found, 128, "%.120s", ns_study_usual_score(study));
        *score = found;
    }
    rc = rc == NS_OK && p->run ? ns_study_find_run(study, p->run, &run, err) : rc;
    for (int i = 0; i < 2 && rc == NS_OK; i++) {
        int64_t at;
        char *name = NULL;
        rc = ns_plot_find_step(study, run, p->steps[i], &at, err);
        rc = rc != NS_OK ? rc : ns_head_map_read(&two->maps[i], study, *score, run, at, err);
        rc = rc != NS_OK ? rc : ns_plot_step_name(study, run, at, look->x_axis, &name, err);
        rc = rc != NS_OK ? rc : ns_head_map_name(&two->maps[i], name, err);
    }
    char *const file = rc == NS_OK ? ns_clean_utf8(ns_path_base(p->files[0])) : NULL;
    char *const run_name = rc == NS_OK ? ns_visible(ns_study_run_name(study, run), "") : NULL;
    if (rc == NS_OK && file && run_name)
        snprintf(two->about, sizeof two->about, "%.140s, run %.140s", file, run_name);
    ns_utf8_whole(two->about);
    rc = rc == NS_OK && (!file || !run_name) ? ns_oom(err, "a figure") : rc;
    free(file);
    free(run_name);
    ns_study_close(study);
    return ns_fail_of(err, rc, p->files[0]);
}

/* ---- their difference ---- */

/* Of two kinds of layers the map shows neither: they are of two architectures. */
static bool same_layers(const ns_head_map *a, const ns_head_map *b)
{
    const size_t L = (size_t)a->figure.n_layers;
    return memcmp(a->kind, b->kind, L * sizeof *a->kind) == 0 && memcmp(a->window, b->window, L * sizeof *a->window) == 0;
}

static int subtract(pair *two, ns_error *err)
{
    const ns_head_map *const a = &two->maps[FIRST], *const b = &two->maps[SECOND];
    ns_head_map *const d = &two->maps[DIFFERENCE];
    const int64_t L = a->figure.n_layers, H = a->figure.n_heads;
    if (L != b->figure.n_layers || H != b->figure.n_heads)
        return ns_fail(err, NS_E_ARG, "%s has %lld x %lld heads, %s has %lld x %lld: head by head there is no difference between them",
                       a->name, (long long)L, (long long)H, b->name, (long long)b->figure.n_layers, (long long)b->figure.n_heads);
    *d = (ns_head_map){.score = ns_alloc_array((size_t)(L * H), sizeof *d->score),
                       .name = ns_printf_alloc("%s \xe2\x88\x92 %s", b->name, a->name)};
    if (!d->score || !d->name)
        return ns_oom(err, "a map of heads");
    for (int64_t i = 0; i < L * H; i++)
        d->score[i] = b->score[i] - a->score[i];
    d->figure = (ns_heads_figure){.size = sizeof d->figure,
                                  .score = d->score,
                                  .n_layers = L,
                                  .n_heads = H,
                                  .score_name = d->name,
                                  .chance = (double)NAN,
                                  .difference = true};
    if (same_layers(a, b)) {
        d->figure.kind = a->kind;
        d->figure.window = a->window;
    }
    return NS_OK;
}

static int mark_most(const ns_compare_plot *p, pair *two, ns_error *err)
{
    ns_head_map *const d = &two->maps[DIFFERENCE];
    const int64_t H = d->figure.n_heads, n = d->figure.n_layers * H;
    const ns_score_meaning meaning = {.best = NS_BEST_LARGEST, .hi = (double)INFINITY, .chance = (double)NAN};
    float *const size = ns_alloc_array((size_t)n, sizeof *size);
    int64_t *const most = ns_alloc_array((size_t)p->top + 1, sizeof *most);
    d->marks = ns_alloc_array((size_t)p->top + 1, sizeof *d->marks);
    int rc = size && most && d->marks ? NS_OK : ns_oom(err, "marks");
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        size[i] = fabsf(d->score[i]);
    const ns_best_cut cut = rc == NS_OK ? ns_best(size, n, p->top, &meaning, most) : (ns_best_cut){.n = 0};
    for (int64_t i = 0; i < cut.n; i++)
        d->marks[i] = (ns_head){most[i] / H, most[i] % H};
    snprintf(two->marks_name, sizeof two->marks_name, "the %lld that differ most", (long long)cut.n);
    d->figure.marks = d->marks;
    d->figure.n_marks = (int)cut.n;
    d->figure.marks_name = two->marks_name;
    free(size);
    free(most);
    return rc;
}

static int keep_layers(pair *two, const ns_figure_params *look, ns_error *err)
{
    ns_head_map *const d = &two->maps[DIFFERENCE], *const a = &two->maps[FIRST];
    const bool with_kinds = d->figure.kind != NULL;
    const int64_t L = a->figure.n_layers;
    d->kind = ns_alloc_array((size_t)L, sizeof *d->kind);
    d->window = ns_alloc_array((size_t)L, sizeof *d->window);
    if (!d->kind || !d->window)
        return ns_oom(err, "a map of heads");
    memcpy(d->kind, a->kind, (size_t)L * sizeof *d->kind);
    memcpy(d->window, a->window, (size_t)L * sizeof *d->window);
    int rc = NS_OK;
    for (int i = 0; i < MAPS && rc == NS_OK; i++)
        rc = ns_head_map_keep(&two->maps[i], look, &two->hidden, err);
    d->figure.kind = with_kinds ? d->kind : NULL;
    d->figure.window = with_kinds ? d->window : NULL;
    return rc;
}

/* ---- the figure ---- */

static int draw(const char *path, const ns_compare_plot *p, pair *two, const ns_figure_params *look, ns_error *err)
{
    ns_heads_figure figures[MAPS];
    ns_plot_look own = {0};
    two->maps[FIRST].figure.no_bar = two->maps[FIRST].figure.chance == two->maps[SECOND].figure.chance ||
                                     (isnan(two->maps[FIRST].figure.chance) && isnan(two->maps[SECOND].figure.chance));
    for (int i = 0; i < MAPS; i++)
        figures[i] = two->maps[i].figure;
    int rc = ns_plot_look_begin(&own, path, look, 7, p->files, p->n_files, err);
    own.params.layers = NULL;
    own.params.x_axis = NS_X_AUTO;
    rc = rc != NS_OK ? rc : ns_draw_heads_row(path, figures, MAPS, two->title, two->about, &own.params, err);
    ns_plot_look_end(&own);
    return rc;
}

static int check(const ns_compare_plot *p, const ns_figure_params *look, ns_error *err)
{
    if (p->n_files < 1 || p->n_files > 2 || !p->files)
        return ns_fail(err, NS_E_ARG, "%d files: compare two score files, or two steps of one study", p->n_files);
    if ((p->n_files == 1) != (p->n_steps == 2) || (p->n_files == 2 && p->n_steps))
        return ns_fail(err, NS_E_ARG, "%d files and %d steps: compare two score files, or two steps of one study", p->n_files, p->n_steps);
    if (p->n_files == 2 && (p->run || look->x_axis != NS_X_AUTO))
        return ns_fail(err, NS_E_ARG, "two files have no run to choose and no axis of steps");
    if (p->top < 0)
        return ns_fail(err, NS_E_ARG, "the %lld heads that differ most: there is no such number", (long long)p->top);
    return NS_OK;
}

int ns_plot_compare(const char *path, const ns_compare_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_compare_plot p;
    ns_figure_params params = {.size = sizeof params};
    pair two = {.hidden = 0};
    char found[128], note[200] = "";
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_compare_plot", err);
    rc = rc == NS_OK && look ? ns_sized_copy(&params, sizeof params, look, "ns_figure_params", err) : rc;
    params.size = sizeof params;
    rc = rc != NS_OK ? rc : check(&p, &params, err);
    rc = rc != NS_OK ? rc : ns_plot_check(path, &params, p.files, p.n_files, err);
    const char *score = rc == NS_OK ? p.score : NULL;
    if (rc == NS_OK)
        rc = p.n_files == 2 ? read_files(&p, &two, &score, found, err) : read_steps(&p, &params, &two, &score, found, err);
    rc = rc != NS_OK ? rc : subtract(&two, err);
    rc = rc == NS_OK && p.top ? mark_most(&p, &two, err) : rc;
    rc = rc != NS_OK ? rc : keep_layers(&two, &params, err);
    if (rc == NS_OK) {
        ns_head_maps_share_range(two.maps, DIFFERENCE);
        snprintf(two.title, sizeof two.title, "%.120s of every head, compared", score);
        ns_utf8_whole(two.title);
        rc = draw(path, &p, &two, &params, err);
    }
    ns_note_count(note, sizeof note, two.hidden, "outlined head lies in a layer that is not drawn",
                  "outlined heads lie in layers that are not drawn");
    if (rc == NS_OK)
        ns_plotted_say(said, score, note);
    for (int i = 0; i < MAPS; i++)
        ns_head_map_clear(&two.maps[i]);
    return rc;
}
