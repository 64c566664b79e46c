/* notebook.c - births of a study and their figures, and its page -> sections of its notebook. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/notebook.h>
#include <needlescope/plot.h>

#include "core/core.h"

typedef struct section {
    ns_fact_list      facts;             /* of the figures: who exports, and when */
    ns_emergence     *found;
    ns_event         *run;               /* [R] */
    uint8_t          *bands, *curves;
    char             *html;              /* the page */
    ns_export_page    page;
    ns_export_births  out;
    bool              any;               /* a run of which there is something to say */
    char             *note;
    size_t            note_size;
} section;

static void clear(section *s)
{
    ns_fact_list_clear(&s->facts);
    free(s->html);
    free(s->bands);
    free(s->curves);
    free(s->run);
    ns_emergence_free(s->found);
}

static void remark(section *s, const char *fmt, ...) NS_PRINTF(2, 3);
static void remark(section *s, const char *fmt, ...)
{
    const size_t used = s->note ? strlen(s->note) : 0;
    va_list args;
    va_start(args, fmt);
    if (s->note && used + 2 < s->note_size) {
        const int joined = snprintf(s->note + used, s->note_size - used, used ? "; " : "");
        vsnprintf(s->note + used + joined, s->note_size - used - (size_t)joined, fmt, args);
    }
    va_end(args);
}

/* A build without figures, or a study of too few points for one, goes on without it. */
static int draw(section *s, ns_study *study, const char *name, const char *figure, double width, uint8_t **data, ns_export_png *png,
                ns_error *err)
{
    const ns_study_view view = {.size = sizeof view, .study = study, .births = s->found, .name = name, .run = -1};
    const ns_figure_params look = {.size = sizeof look,
                                   .title = "Scores over training",
                                   .width = width,
                                   .dpi = 110,
                                   .comment = "needlescope export notebook",
                                   .facts = s->facts.list,
                                   .n_facts = (int)s->facts.n,
                                   .bytes = data,
                                   .n_bytes = &png->n};
    const int rc = ns_study_figure_find(figure)->draw("births.png", &view, &look, NULL, err);
    png->data = *data;
    if (rc != NS_E_UNSUPPORTED && rc != NS_E_ARG)
        return rc;
    remark(s, "a figure is left out: %s", err ? err->message : "");
    return NS_OK;
}

static int draw_both(section *s, ns_study *study, ns_error *err)
{
    char *const name = ns_one_line(ns_strdup(ns_path_base(ns_study_path(study))));
    int rc = name ? draw(s, study, name, "laziness", 7, &s->bands, &s->out.bands, err) : ns_oom(err, ns_study_path(study));
    rc = rc != NS_OK ? rc : draw(s, study, name, "curves", 5, &s->curves, &s->out.curves, err);
    free(name);
    return rc;
}

static int fill(section *s, ns_study *study, const ns_study_notebook_params *p, ns_error *err)
{
    const ns_emergence *const e = s->found;
    bool above_chance = false;
    s->out = (ns_export_births){.theta = e->birth.theta, .persist = e->birth.persist, .in_tokens = e->in_tokens, .horizon = e->horizon};
    s->out.run = s->run = ns_alloc_array((size_t)e->shape.R, sizeof *s->run);
    if (!s->run)
        return ns_oom(err, "births");
    for (int64_t r = 0; r < e->shape.R; r++) {
        s->run[r] = e->runs[r].measured ? e->runs[r].best : (ns_event){(double)NAN, (double)NAN, -1, -1, 0};
        s->any |= !isnan(s->run[r].after);
        above_chance |= e->runs[r].measured && e->runs[r].theta != e->birth.theta;
    }
    if (!s->any)
        remark(s, "no run has %d scored checkpoints up to %.0f: nothing is said of births", e->birth.persist, e->horizon);
    else if (above_chance)
        remark(s, "'%s' is taken above chance (needlescope emergence): nothing is said of births", p->what.scores[0].name);
    s->any &= !above_chance;
    const int rc = s->any ? ns_provenance_of_run(&s->facts, NULL, err) : NS_OK;     /* who and when is said once, in the notebook */
    return rc != NS_OK || !s->any ? rc : draw_both(s, study, err);
}

static int find(section *s, ns_study *study, const ns_study_notebook_params *p, ns_error *err)
{
    const ns_emergence_params params = {.size = sizeof params, .score = p->what.scores[0].name, .resamples = 1, .birth = p->birth,
                                        .apart = true};
    ns_error why = {0};
    if (ns_birth_check(study, params.score, &why) != NS_OK) {
        remark(s, "%s", why.message);
        return NS_OK;
    }
    const int rc = ns_emergence_run(&s->found, study, &params, err);
    return rc != NS_OK ? rc : fill(s, study, p, err);
}

/* What would change nothing: the page's files without a page; the rule of births given, or their section left out, where there is none. */
static int check_asked(ns_study *study, const ns_study_notebook_params *p, ns_error *err)
{
    const bool ruled = p->birth.theta != 0 || p->birth.persist != 0, one = ns_study_is_one(study) || ns_study_size(study).P < 2;
    if (!p->view && (p->n_beside || p->tokenizer || p->limit))
        return ns_fail(err, NS_E_ARG, "beside, tokenizer and limit are of the page to look at: ask for it (view)");
    if (p->no_births && ruled)
        return ns_fail(err, NS_E_ARG, "theta and persist are the rule of births, which are left out (no-births)");
    if (one && (p->no_births || ruled))
        return ns_fail(err, NS_E_ARG, "%s: of one checkpoint, so a notebook says nothing of births: leave theta, persist and no-births out",
                       ns_study_path(study));
    return NS_OK;
}

/* The page says neither when nor by whom it was made: the notebook does. */
static int make_page(section *s, ns_study *study, const ns_study_notebook_params *p, ns_error *err)
{
    const int n = p->n_beside + 1;
    const char **const files = ns_alloc_array((size_t)n, sizeof *files);
    ns_page_said said = {.size = sizeof said};
    if (!files)
        return ns_oom(err, "the page");
    files[0] = ns_study_path(study);
    for (int i = 1; i < n; i++)
        files[i] = p->beside[i - 1];
    const ns_page_params params = {.size = sizeof params, .files = files, .n_files = n, .tokenizer = p->tokenizer, .limit = p->limit};
    const int rc = ns_page_html(&s->html, &params, &said, err);
    free(files);
    if (rc != NS_OK)
        return rc;
    s->page = (ns_export_page){s->html, said.bytes, p->beside, p->n_beside, p->tokenizer, p->limit};
    if (*said.note)
        remark(s, "the page: %s", said.note);
    if (p->page)
        *p->page = said;
    return NS_OK;
}

int ns_study_notebook(ns_study *study, const char *path, const ns_study_notebook_params *p, char *note, size_t note_size, ns_error *err)
{
    section s = {.note = note, .note_size = note_size};
    ns_study_notebook_params params;
    int rc = ns_sized_copy(&params, sizeof params, p, "ns_study_notebook_params", err);
    if (rc != NS_OK)
        return rc;
    p = &params;
    if (note && note_size)
        note[0] = '\0';
    ns_export_params what = p->what;
    rc = check_asked(study, p, err);
    if (rc == NS_OK && !p->no_births && !ns_study_is_one(study) && ns_study_size(study).P > 1 && what.n_scores > 0)
        rc = find(&s, study, p, err);
    what.births = s.any ? &s.out : NULL;
    rc = rc != NS_OK || !p->view ? rc : make_page(&s, study, p, err);
    what.page = s.html ? &s.page : NULL;
    rc = rc != NS_OK ? rc : ns_export_notebook(study, path, &what, err);
    clear(&s);
    return rc;
}
