/* growth.c - the heads of one run at chosen steps: small multiples with one scale and one colour bar. */
#include "figure/headmaps.h"
#include "figure/scores.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = NS_FIGURE_HEADS, USUAL = 6 };

typedef struct grown {
    ns_head_map maps[MOST];
    int64_t at[MOST]; /* index of the step */
    int n;
    int64_t hidden;
    char marks_name[80], note[300];
} grown;

static bool is_scored(const ns_study *study, int64_t run, int64_t step)
{
    return ns_study_status(study)[run * ns_study_size(study).P + step] == NS_STUDY_DONE;
}

/* The first, the last, and what lies evenly between them. */
static int choose_usual(const ns_study *study, int64_t run, grown *g, ns_error *err)
{
    const int64_t P = ns_study_size(study).P;
    int64_t *const scored = ns_alloc_array((size_t)P + 1, sizeof *scored), n = 0;
    if (!scored)
        return ns_oom(err, "a figure");
    for (int64_t p = 0; p < P; p++)
        if (is_scored(study, run, p))
            scored[n++] = p;
    g->n = (int)(n < USUAL ? n : USUAL);
    for (int i = 0; i < g->n; i++)
        g->at[i] = scored[g->n == 1 ? n - 1 : (2 * i * (n - 1) + g->n - 1) / (2 * (g->n - 1))];
    free(scored);
    return n ? NS_OK : ns_fail(err, NS_E_ARG, "run '%s' has no scored checkpoint", ns_study_run_name(study, run));
}

/* The nearest steps that were scored, for who asked for another. */
static int no_step(const ns_study *study, int64_t run, int64_t step, ns_error *err)
{
    const int64_t *const steps = ns_study_steps(study);
    int64_t below = -1, above = -1;
    for (int64_t p = 0; p < ns_study_size(study).P; p++) {
        below = is_scored(study, run, p) && steps[p] < step ? steps[p] : below;
        above = is_scored(study, run, p) && steps[p] > step && above < 0 ? steps[p] : above;
    }
    char near[80] = "";
    snprintf(near, sizeof near, below >= 0 && above >= 0 ? "%lld and %lld" : "%lld", (long long)(below >= 0 ? below : above),
             (long long)above);
    return ns_fail(err, NS_E_ARG, "run '%s' was not scored at step %lld%s%s", ns_study_run_name(study, run), (long long)step,
                   below >= 0 || above >= 0 ? "; near it it was at " : "", below >= 0 || above >= 0 ? near : "");
}

int ns_plot_find_step(const ns_study *study, int64_t run, int64_t step, int64_t *at, ns_error *err)
{
    const int64_t *const steps = ns_study_steps(study);
    for (*at = 0; *at < ns_study_size(study).P; ++*at)
        if (steps[*at] == step && is_scored(study, run, *at))
            return NS_OK;
    return no_step(study, run, step, err);
}

static int choose(const ns_growth_plot *p, const ns_study *study, int64_t run, grown *g, ns_error *err)
{
    int rc = NS_OK;
    if (p->n_steps == 0)
        return choose_usual(study, run, g, err);
    for (; g->n < p->n_steps && rc == NS_OK; g->n++) {
        if (g->n > 0 && p->steps[g->n] <= p->steps[g->n - 1])
            return ns_fail(err, NS_E_ARG, "steps ascend: %lld stands behind %lld", (long long)p->steps[g->n],
                           (long long)p->steps[g->n - 1]);
        rc = ns_plot_find_step(study, run, p->steps[g->n], &g->at[g->n], err);
    }
    return rc;
}

int ns_plot_step_name(const ns_study *study, int64_t run, int64_t at, int x_axis, char **out, ns_error *err)
{
    const int64_t step = ns_study_steps(study)[at], tokens = ns_study_tokens(study)[run * ns_study_size(study).P + at];
    *out = NULL;
    if (x_axis == NS_X_TOKENS && tokens < 0)
        return ns_fail(err, NS_E_ARG, "the study does not know the tokens of step %lld", (long long)step);
    char text[64];
    if (x_axis != NS_X_TOKENS)
        snprintf(text, sizeof text, "step %lld", (long long)step);
    else if (tokens < 10000)
        snprintf(text, sizeof text, "%lld tokens", (long long)tokens);
    else
        snprintf(text, sizeof text, tokens < 10000000 ? "%.0fk tokens" : "%.0fM tokens", (double)tokens / (tokens < 10000000 ? 1e3 : 1e6));
    *out = ns_strdup(text);
    return *out ? NS_OK : ns_oom(err, "a figure");
}

/* The best heads of the last step, outlined in all maps. */
static int mark_best(const ns_growth_plot *p, const ns_study *study, const char *score, grown *g, ns_error *err)
{
    const ns_head_map *const last = &g->maps[g->n - 1];
    const int64_t H = last->figure.n_heads, n = last->figure.n_layers * H;
    ns_score_meaning meaning;
    if (p->top == 0)
        return NS_OK;
    int64_t *const best = ns_alloc_array((size_t)p->top + 1, sizeof *best);
    int rc = best ? ns_plot_ranks(study, score, &meaning, g->note, sizeof g->note, err) : ns_oom(err, "marks");
    const ns_best_cut cut = rc == NS_OK ? ns_best(last->score, n, p->top, &meaning, best) : (ns_best_cut){.n = 0};
    if (rc == NS_OK)
        ns_plot_note_cut(g->note, sizeof g->note, score, &cut, p->top);
    snprintf(g->marks_name, sizeof g->marks_name, "top %lld at the last step%s", (long long)p->top,
             cut.n < p->top ? " (those that score)" : "");
    for (int i = 0; i < g->n && rc == NS_OK; i++) {
        ns_head_map *const m = &g->maps[i];
        m->marks = ns_alloc_array((size_t)cut.n + 1, sizeof *m->marks);
        rc = m->marks ? NS_OK : ns_oom(err, "marks");
        for (int64_t k = 0; k < cut.n && rc == NS_OK; k++)
            m->marks[k] = (ns_head){best[k] / H, best[k] % H};
        m->figure.marks = m->marks;
        m->figure.n_marks = (int)cut.n;
        m->figure.marks_name = g->marks_name;
    }
    free(best);
    return rc;
}

static int read_maps(const ns_growth_plot *p, ns_study *study, int64_t run, const char *score, const ns_figure_params *look, grown *g,
                     ns_error *err)
{
    int rc = choose(p, study, run, g, err);
    for (int i = 0; i < g->n && rc == NS_OK; i++) {
        char *name = NULL;
        rc = ns_head_map_read(&g->maps[i], study, score, run, g->at[i], err);
        rc = rc != NS_OK ? rc : ns_plot_step_name(study, run, g->at[i], look->x_axis, &name, err);
        rc = rc != NS_OK ? rc : ns_head_map_name(&g->maps[i], name, err);
    }
    rc = rc != NS_OK ? rc : mark_best(p, study, score, g, err);
    for (int i = 0; i < g->n && rc == NS_OK; i++) {
        int64_t hidden = 0;
        rc = ns_head_map_keep(&g->maps[i], look, &hidden, err);
        g->hidden = hidden; /* the same heads in all */
    }
    if (rc == NS_OK)
        ns_head_maps_share_range(g->maps, g->n);
    return rc;
}

static int draw(const char *path, const ns_growth_plot *p, const ns_study *study, int64_t run, const char *score, const grown *g,
                const ns_figure_params *look, ns_error *err)
{
    ns_heads_figure figures[MOST];
    ns_plot_look own = {0};
    char *const file = ns_clean_utf8(ns_path_base(p->file)), *const title = ns_printf_alloc("%s over training", score);
    char *const run_name = ns_visible(ns_study_run_name(study, run), "");
    char *const about = file && run_name ? ns_printf_alloc("%s, run %s", file, run_name) : NULL;
    for (int i = 0; i < g->n; i++)
        figures[i] = g->maps[i].figure;
    int rc = title && about ? ns_plot_look_begin(&own, path, look, 7, &p->file, 1, err) : ns_oom(err, "a figure");
    own.params.layers = NULL;
    own.params.x_axis = NS_X_AUTO;
    rc = rc != NS_OK ? rc : ns_draw_heads_row(path, figures, g->n, title, about, &own.params, err);
    ns_plot_look_end(&own);
    free(file);
    free(run_name);
    free(title);
    free(about);
    return rc;
}

static int check(const ns_growth_plot *p, ns_error *err)
{
    if (p->n_steps < 0 || p->n_steps > MOST || (p->n_steps && !p->steps))
        return ns_fail(err, NS_E_ARG, "%d steps; 1 to %d maps can be drawn", p->n_steps, MOST);
    if (p->top < 0)
        return ns_fail(err, NS_E_ARG, "the %lld best heads: there is no such number", (long long)p->top);
    return NS_OK;
}

int ns_plot_growth(const char *path, const ns_growth_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_growth_plot p;
    ns_figure_params params = {.size = sizeof params};
    ns_study *study = NULL;
    grown g = {.n = 0};
    int64_t run = 0;
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_growth_plot", err);
    rc = rc == NS_OK && look ? ns_sized_copy(&params, sizeof params, look, "ns_figure_params", err) : rc;
    params.size = sizeof params;
    rc = rc != NS_OK ? rc : check(&p, err);
    rc = rc != NS_OK ? rc : ns_plot_check(path, &params, &p.file, 1, err);
    rc = rc != NS_OK ? rc : ns_study_open(&study, p.file, err);
    if (rc == NS_OK && ns_study_is_one(study))
        rc = ns_fail(err, NS_E_ARG, "it is the scores of one checkpoint, not a study over training (needlescope scan and merge make one)");
    const char *const score = rc != NS_OK ? NULL : p.score ? p.score : ns_study_usual_score(study);
    if (rc == NS_OK && !score)
        rc = ns_fail(err, NS_E_ARG, "it has no score over heads");
    rc = rc == NS_OK && p.run ? ns_study_find_run(study, p.run, &run, err) : rc;
    rc = rc != NS_OK ? rc : read_maps(&p, study, run, score, &params, &g, err);
    rc = rc != NS_OK ? rc : draw(path, &p, study, run, score, &g, &params, err);
    ns_note_count(g.note, sizeof g.note, g.hidden, "outlined head lies in a layer that is not drawn",
                  "outlined heads lie in layers that are not drawn");
    if (rc == NS_OK)
        ns_plotted_say(said, score, g.note);
    for (int i = 0; i < g.n; i++)
        ns_head_map_clear(&g.maps[i]);
    ns_study_close(study);
    return ns_fail_of(err, rc, p.file);
}
