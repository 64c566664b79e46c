/* export_notebook.c - what the file is -> open it -> its runs -> for every score the map and the best heads of one run's last checkpoint ->
 * births -> how the file was made. A code cell is cells/NAME.py under a line or two that say of what; its output is what it gives when
 * run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/arch.h>
#include <needlescope/figure.h>

#include "cells.h"
#include "relative.h"
#include "story.h"
#include "words.h"

typedef struct story {
    ns_fact_list facts, lasting;      /* lasting: without the caller, for the figures: the same study gives the same ones */
    ns_notebook      b;
    const ns_source *x;
    const ns_export_params *params;
    const char      *path;
    int64_t          r, p;              /* whose heads are drawn */
    int64_t         *top;               /* [params->top] */
    int              n_told;            /* scores that list a head, or describe */
} story;

/* ---- what it is, how it was made ---- */

static void introduce(story *s)
{
    ns_text t;
    if (!ns_text_begin(&t, &s->b))
        return;
    fputs("# Retrieval heads: ", t.f);
    ns_words_markdown(t.f, ns_path_base(s->x->path));
    fputs(s->x->is_study
              ? "\n\nScores of every attention head over the checkpoints of training runs, made by `needlescope scan` and `merge`.\n"
              : "\n\nScores of every attention head of one checkpoint, made by `needlescope score`.\n",
          t.f);
    fputs("The outputs below were written with the notebook, figures by needlescope itself. The cells give the same numbers from the file "
          "alone (`xarray`, `h5netcdf`, `pandas`, `matplotlib`); it is looked for where it lay, seen from the notebook, or where the "
          "environment variable `NEEDLESCOPE_H5` says.", t.f);
    ns_notebook_markdown(&s->b, "title", &t);
}

static void provenance(story *s)
{
    enum { LONGEST = 200 };
    ns_text t;
    if (!ns_text_begin(&t, &s->b))
        return;
    fputs("## How it was made\n", t.f);
    for (int64_t i = 0; i < ns_file_fact_count(s->x->file); i++) {
        const char *const name = ns_file_fact_name(s->x->file, i), *const value = ns_file_fact(s->x->file, name);
        if (strcmp(name, "hostname") == 0 || strcmp(name, "inputs_json") == 0)     /* a notebook goes to others: no machine, no folders */
            continue;
        fputs("\n* **", t.f);
        ns_words_markdown(t.f, name);
        fputs("**: ", t.f);
        if (value && strlen(value) <= LONGEST)
            ns_words_markdown(t.f, value);
        else
            fprintf(t.f, "%zu bytes, in the file", value ? strlen(value) : 0);
    }
    ns_notebook_markdown(&s->b, "provenance", &t);
}

/* ---- open it ---- */

static void open_file(story *s)
{
    ns_text t;
    char *const relative = ns_relative_path(s->path, s->x->path), *const literal = relative ? ns_words_python(relative) : NULL;
    if (literal && ns_text_begin(&t, &s->b)) {
        fprintf(t.f, "path = %s\n", literal);
        cJSON *const cell = ns_notebook_code(&s->b, "open", &t, ns_cell_open);
        if (ns_text_begin(&t, &s->b)) {
            if (s->x->is_study)
                fprintf(t.f, "runs: %lld, steps: %lld, ", (long long)s->x->R, (long long)s->x->P);
            fprintf(t.f, "cases: %lld, layers: %lld, heads: %lld\n", (long long)s->x->C, (long long)s->x->L, (long long)s->x->H);
            ns_notebook_says(&s->b, cell, &t);
        }
    }
    s->b.failed |= !literal;
    free(relative);
    free(literal);
}

static void run_row(story *s, ns_grid *g, int64_t r)
{
    const ns_source *const x = s->x;
    const int64_t last = ns_study_last(x->study, r);
    int64_t done = 0;
    for (int64_t p = 0; p < x->P; p++)
        done += x->status[r * x->P + p] == NS_STUDY_DONE;
    ns_grid_add(&s->b, g, "%s", ns_study_run_name(x->study, r));
    for (int64_t i = 0; i < x->n_coords; i++) {
        const ns_study_coord *const c = &x->coord[i];
        if (c->text)
            ns_grid_add(&s->b, g, "%s", c->text[r]);
        else
            ns_grid_add(&s->b, g, isnan(c->number[r]) ? "" : "%.15g", c->number[r]);
    }
    ns_grid_add(&s->b, g, "%lld", (long long)done);
    ns_grid_add(&s->b, g, last < 0 ? "" : "%lld", last < 0 ? 0 : (long long)x->step[last]);
}

static void runs(story *s)
{
    ns_text t;
    ns_grid g = {.columns = 3 + s->x->n_coords};
    if (!ns_text_begin(&t, &s->b))
        return;
    cJSON *const cell = ns_notebook_code(&s->b, "runs", &t, ns_cell_runs);
    ns_grid_add(&s->b, &g, "run");
    for (int64_t i = 0; i < s->x->n_coords; i++)
        ns_grid_add(&s->b, &g, "%s", s->x->coord[i].name);
    ns_grid_add(&s->b, &g, "scored");
    ns_grid_add(&s->b, &g, "last step");
    for (int64_t r = 0; r < s->x->R; r++)
        run_row(s, &g, r);
    ns_notebook_grid(&s->b, cell, &g);
}

/* ---- one score ---- */

static void score_words(story *s, int i, bool ranks, const ns_best_cut *cut)
{
    ns_text t;
    char note[120];
    if (!ns_text_begin(&t, &s->b))
        return;
    fputs("## ", t.f);
    ns_words_markdown(t.f, s->params->scores[i].name);
    fputs("\n\nEvery head of ", t.f);
    if (s->x->is_study)
        fputs("run ", t.f);
    ns_words_markdown(t.f, ns_study_run_name(s->x->study, s->r));
    if (s->x->step[s->p] >= 0)
        fprintf(t.f, " at step %lld", (long long)s->x->step[s->p]);
    ns_best_note(cut, s->params->top, note, sizeof note);
    if (ranks)
        fprintf(t.f, ", and the %lld best%s%s.", (long long)s->params->top, note[0] ? ": " : "", note);
    else
        fputs(". It describes a head: no end of it is the best.", t.f);
    char *const id = ns_printf_alloc("score-%d", i);
    ns_notebook_markdown(&s->b, id ? id : "score", &t);
    s->b.failed |= !id;
    free(id);
}

/* No figure in a build without them; any other fault is one. */
static int draw(story *s, const float *values, const char *score, ns_export_png *png, ns_error *err)
{
    const ns_source *const x = s->x;
    int *const kind = ns_alloc_array((size_t)x->L, sizeof *kind);
    int64_t *const window = ns_alloc_array((size_t)x->L, sizeof *window);
    uint8_t *data = NULL;
    char *const place = x->is_study ? ns_printf_alloc("%s, step %lld", ns_study_run_name(x->study, s->r), (long long)x->step[s->p])
                                    : ns_strdup(ns_study_run_name(x->study, s->r));
    const ns_heads_figure figure = {.size = sizeof figure, .score = values, .n_layers = x->L, .n_heads = x->H, .kind = kind,
                                    .window = window,
                                    .score_name = score, .model_name = ns_one_line(place), .chance = NAN};
    const ns_figure_params params = {.size = sizeof params, .dpi = 150, .comment = "needlescope export notebook",
                                     .facts = s->lasting.list, .n_facts = (int)s->lasting.n, .bytes = &data,
                                     .n_bytes = &png->n};
    int rc = kind && window && place ? NS_OK : ns_oom(err, "layers");
    if (rc == NS_OK)
        ns_study_layers(x->study, s->r, kind, window);
    rc = rc != NS_OK ? rc : ns_draw_heads("heads.png", &figure, &params, err);
    png->data = data;
    free(kind);
    free(window);
    free(place);
    return rc == NS_E_UNSUPPORTED ? NS_OK : rc;
}

static int heads_cell(story *s, int i, const float *values, bool ranks, ns_error *err)
{
    ns_text t;
    const char *const score = s->params->scores[i].name;
    char *const literal = ns_words_python(score), *const id = ns_printf_alloc("heads-%d", i);
    ns_export_png png = {0};
    int rc = literal && id ? draw(s, values, score, &png, err) : ns_oom(err, score);
    if (rc == NS_OK && ns_text_begin(&t, &s->b)) {
        if (s->x->is_study)
            fprintf(t.f, "score, run = %s, %lld\nvalues, kinds = data[score][run, final(run)], data[\"layer_kind\"][run]\n", literal,
                    (long long)s->r);
        else
            fprintf(t.f, "score = %s\nvalues, kinds = data[score], data[\"layer_kind\"]\n", literal);
        cJSON *const cell = ns_notebook_code(&s->b, id, &t, ns_cell_heads);
        const int64_t best = s->top[0], L = s->x->L, H = s->x->H;
        char *const alt = ranks ? ns_printf_alloc("%s of %lld layers x %lld heads; the best is %lld.%lld with %.3f", score, (long long)L,
                                                  (long long)H, (long long)(best / H), (long long)(best % H), (double)values[best])
                                : ns_printf_alloc("%s of %lld layers x %lld heads", score, (long long)L, (long long)H);
        s->b.failed |= !alt;
        ns_notebook_png(&s->b, cell, png, alt ? alt : "");
        free(alt);
    }
    free((void *)png.data);
    free(literal);
    free(id);
    return rc;
}

static void bound(story *s, ns_grid *g, const float *values, int64_t head)
{
    ns_grid_add(&s->b, g, isnan(values[head]) ? "nan" : "%.3f", (double)values[head]);
}

static void top_cell(story *s, int i, const ns_score_meaning *m, const float *values, const float *low, const float *high, int64_t n)
{
    ns_text t;
    const ns_export_score *const score = &s->params->scores[i];
    char *const id = ns_printf_alloc("top-%d", i);
    if (!id || !ns_text_begin(&t, &s->b)) {
        s->b.failed = true;
        free(id);
        return;
    }
    fprintf(t.f, "top, ascending, nothing = %lld, %s, ", (long long)s->params->top, m->best == NS_BEST_SMALLEST ? "True" : "False");
    fprintf(t.f, isinf(ns_score_nothing(m)) ? "np.inf\n" : "%.17g\n", ns_score_nothing(m));
    cJSON *const cell = ns_notebook_code(&s->b, id, &t, ns_cell_top);
    const char *const columns[] = {"head", "layer", score->name, "95 % from", "95 % to"};
    ns_grid g = {.columns = low && high ? 5 : 3};
    for (int64_t c = 0; c < g.columns; c++)
        ns_grid_add(&s->b, &g, "%s", columns[c]);
    for (int64_t k = 0; k < n; k++) {
        const int64_t h = s->top[k];
        ns_grid_add(&s->b, &g, "%lld.%lld", (long long)(h / s->x->H), (long long)(h % s->x->H));
        ns_grid_add(&s->b, &g, "%s", ns_study_layer_kind(s->x->study, s->r, h / s->x->H));
        ns_grid_add(&s->b, &g, "%.3f", (double)values[h]);
        if (low && high) {
            bound(s, &g, low, h);
            bound(s, &g, high, h);
        }
    }
    ns_notebook_grid(&s->b, cell, &g);
    free(id);
}

static int tell_score(story *s, int i, ns_error *err)
{
    const ns_source *const x = s->x;
    const char *const score = s->params->scores[i].name;
    const float *all, *low, *high;
    ns_score_meaning meaning;
    int rc = ns_study_meaning(x->study, score, &meaning, err);
    rc = rc != NS_OK ? rc : ns_study_score(x->study, score, &all, err);
    rc = rc != NS_OK ? rc : ns_study_ranked(x->study, "score_low", score, &low, err);
    rc = rc != NS_OK ? rc : ns_study_ranked(x->study, "score_high", score, &high, err);
    if (rc != NS_OK)
        return rc;
    const bool ranks = meaning.best != NS_BEST_NONE;
    const float *const values = all + (s->r * x->P + s->p) * x->L * x->H;
    const ns_best_cut cut = ns_best(values, x->L * x->H, s->params->top, &meaning, s->top);
    s->n_told += !ranks || cut.n > 0;
    score_words(s, i, ranks, &cut);
    rc = heads_cell(s, i, values, cut.n > 0, err);
    if (rc == NS_OK && cut.n > 0)
        top_cell(s, i, &meaning, values, low, high, cut.n);
    return rc;
}

/* ---- a page to look at ---- */

/* A page inside the notebook's: a document of its own, whose script cannot reach out of it. */
static void frame(FILE *f, const char *html)
{
    fputs("<div><iframe title=\"needlescope view\" sandbox=\"allow-scripts allow-downloads\" "
          "style=\"width: 100%; height: 900px; border: 0\" srcdoc=\"", f);
    ns_words_html_page(f, html);
    fputs("\"></iframe></div>", f);
}

/* A path as a text of Python's, seen from the notebook. */
static void put_path(story *s, FILE *f, const char *path)
{
    char *const relative = ns_relative_path(s->path, path), *const literal = relative ? ns_words_python(relative) : NULL;
    fputs(literal ? literal : "", f);
    s->b.failed |= !literal;
    free(relative);
    free(literal);
}

/* What the command line has beside the study. */
static void put_options(story *s, FILE *f, const ns_export_page *page)
{
    fputs("beside = [", f);
    for (int i = 0; i < page->n_beside; i++) {
        fputs(i ? ", " : "", f);
        put_path(s, f, page->beside[i]);
    }
    if (page->tokenizer) {
        fputs(page->n_beside ? ", \"--tokenizer\", " : "\"--tokenizer\", ", f);
        put_path(s, f, page->tokenizer);
    }
    if (page->limit)
        fprintf(f, "%s\"--limit\", \"%lld\"", page->n_beside || page->tokenizer ? ", " : "", (long long)page->limit);
    fputs("]\n", f);
}

static void page_to_look_at(story *s, const ns_export_page *page)
{
    ns_text t;
    if (!ns_text_begin(&t, &s->b))
        return;
    fprintf(t.f, "## A page to look at\n\nThe page of `needlescope view`, %lld bytes: it fetches nothing, and runs in a frame of its own "
                 "where the notebook is trusted. The cell needs the program `needlescope`.", (long long)page->bytes);
    ns_notebook_markdown(&s->b, "view", &t);
    if (!ns_text_begin(&t, &s->b))
        return;
    put_options(s, t.f, page);
    cJSON *const cell = ns_notebook_code(&s->b, "page", &t, ns_cell_page);
    if (!ns_text_begin(&t, &s->b))
        return;
    frame(t.f, page->html);
    ns_notebook_html(&s->b, cell, &t, "a page to look at, of needlescope view");
}

/* ---- the whole ---- */

/* The run that was asked for, else the first with a scored checkpoint. */
static int choose_run(story *s, ns_error *err)
{
    s->r = s->params->run ? s->x->run : 0;
    while (!s->params->run && s->r < s->x->R && ns_study_last(s->x->study, s->r) < 0)
        s->r++;
    s->p = s->r < s->x->R ? ns_study_last(s->x->study, s->r) : -1;
    return s->p >= 0
               ? NS_OK
               : ns_fail(err, NS_E_ARG, "%s: no checkpoint of %s was scored", s->x->path, s->params->run ? s->params->run : "any run");
}

static int tell(story *s, ns_error *err)
{
    introduce(s);
    open_file(s);
    if (s->x->is_study)
        runs(s);
    int rc = NS_OK;
    for (int i = 0; i < s->params->n_scores && rc == NS_OK; i++)
        rc = tell_score(s, i, err);
    if (rc == NS_OK && s->n_told == 0)
        rc = ns_fail(err, NS_E_ARG, "%s: run '%.200s': no head scores anything by '%.200s' at its last checkpoint", s->x->path,
                     ns_study_run_name(s->x->study, s->r), s->params->scores[0].name);
    if (rc == NS_OK && s->params->births)
        ns_story_births(&s->b, s->x, s->params->births, s->params->scores[0].name);
    if (rc == NS_OK && s->params->page)
        page_to_look_at(s, s->params->page);
    if (rc == NS_OK)
        provenance(s);
    return rc;
}

static int keep_lasting(story *s, ns_error *err)
{
    int rc = ns_provenance_of_run(&s->lasting, NULL, err);
    for (int64_t i = 0; i < s->facts.n && rc == NS_OK; i++)
        if (!s->facts.list[i].is_volatile)
            rc = ns_fact_list_add(&s->lasting, s->facts.list[i].name, s->facts.list[i].value, false, err);
    return rc;
}

int ns_export_notebook(ns_study *study, const char *path, const ns_export_params *given, ns_error *err)
{
    ns_export_params params;
    ns_source x;
    int rc = ns_source_begin(&x, study, path, NS_KIND_NOTEBOOK, given, &params, err);
    if (rc != NS_OK)
        return rc;
    params.top = params.top < x.L * x.H ? params.top : x.L * x.H;
    story s = {.x = &x, .params = &params, .path = path, .top = ns_alloc_array((size_t)params.top, sizeof *s.top)};
    rc = s.top ? choose_run(&s, err) : ns_oom(err, path);
    ns_notebook_begin(&s.b);
    rc = rc != NS_OK ? rc : ns_source_facts(&x, params.by, &s.facts, err);
    rc = rc != NS_OK ? rc : keep_lasting(&s, err);
    ns_notebook_facts(&s.b, &s.facts);
    rc = rc != NS_OK ? rc : tell(&s, err);
    rc = rc != NS_OK ? rc : ns_notebook_write(&s.b, path, err);
    ns_notebook_drop(&s.b);
    ns_fact_list_clear(&s.facts);
    ns_fact_list_clear(&s.lasting);
    free(s.top);
    return rc;
}
