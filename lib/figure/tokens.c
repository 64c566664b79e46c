/* tokens.c - one row of attention over the text itself, as a figure or as LaTeX. */
#include "figure/files.h"
#include "figure/head_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct row {
    int64_t at, query; /* of the recorded rows; its position */
    int64_t key[2];    /* what is shown */
    float *weight;     /* of the keys that are shown, NaN where it cannot see */
    char **texts;      /* of all positions */
    char title[96], about[300], note[400];
} row;

/* ---- what is read ---- */

/* The one that is asked for, else the first that predicts the answer, else the last. */
static int find_row(const ns_tokens_plot *p, ns_recorded *d, row *r, ns_error *err)
{
    int64_t range[2];
    ns_error none;
    if (p->row < 0) {
        r->at = ns_head_case_rows(d, "answer", range, &none) == NS_OK ? range[0] : d->n_rows - 1;
        r->query = ns_head_case_position(d, r->at);
        return NS_OK;
    }
    for (r->at = 0; r->at < d->n_rows; r->at++)
        if ((r->query = ns_head_case_position(d, r->at)) == p->row)
            return NS_OK;
    return ns_fail(err, NS_E_ARG, "row %lld of case '%s' was not recorded; it has %lld rows, from %lld to %lld", (long long)p->row, d->id,
                   (long long)d->n_rows, (long long)ns_head_case_position(d, 0), (long long)ns_head_case_position(d, d->n_rows - 1));
}

static int read_weights(const ns_tokens_plot *p, const ns_recorded *d, row *r, ns_error *err)
{
    float *const all = ns_alloc_array((size_t)d->n_keys, sizeof *all);
    int64_t window;
    double outside = 0;
    r->weight = ns_alloc_array((size_t)(r->key[1] - r->key[0]), sizeof *r->weight);
    int rc = all && r->weight ? ns_recorded_part(d, p->layer, p->head, r->at, 1, all, err) : ns_oom(err, "a row");
    rc = rc != NS_OK ? rc : ns_recorded_window(d->f, p->layer, p->head, &window, err);
    for (int64_t k = 0; k < d->n_keys && rc == NS_OK; k++) {
        const bool seen = k <= r->query && (window == 0 || k > r->query - window);
        if (!seen && all[k] != 0)
            rc = ns_fail(err, NS_E_FORMAT, "case '%s': the query at %lld has weight %g on key %lld, which it cannot see", d->id,
                         (long long)r->query, (double)all[k], (long long)k);
        if (k >= r->key[0] && k < r->key[1])
            r->weight[k - r->key[0]] = seen ? all[k] : NAN;
        else
            outside += fabs((double)all[k]);
    }
    if (rc == NS_OK && outside > 0)
        snprintf(r->note, sizeof r->note, "keys %lld:%lld alone: %.2g of the row's weight lies on others", (long long)r->key[0],
                 (long long)r->key[1], outside);
    free(all);
    return rc;
}

static int read_texts(const ns_tokens_plot *p, const ns_recorded *d, row *r, ns_error *err)
{
    char why[200];
    const int rc = ns_spoken_texts(&r->texts, d, p->tokenizer, why, sizeof why, err);
    return rc != NS_OK || r->texts ? rc
                                   : ns_fail(err, NS_E_ARG, "nothing says what its tokens are: %s (--tokenizer gives their texts)", why);
}

static int read_row(const ns_tokens_plot *p, const ns_file *f, ns_recorded *d, row *r, ns_error *err)
{
    int rc = ns_head_case_open(d, f, p->case_id, p->layer, p->head, err);
    rc = rc != NS_OK ? rc : find_row(p, d, r, err);
    rc = rc != NS_OK ? rc : ns_head_case_range(d, p->keys, "keys", d->n_keys, r->key, err);
    if (rc == NS_OK && !p->keys)
        r->key[1] = r->query + 1;
    rc = rc != NS_OK ? rc : read_weights(p, d, r, err);
    rc = rc != NS_OK ? rc : read_texts(p, d, r, err);
    const char *const model = rc == NS_OK ? ns_file_fact(f, "model_name") : NULL;
    snprintf(r->title, sizeof r->title, "layer %lld, head %lld, query at %lld", (long long)p->layer, (long long)p->head,
             (long long)r->query);
    if (rc == NS_OK)
        snprintf(r->about, sizeof r->about, "%.140s%s%.140s", model ? model : "", model ? " \xc2\xb7 " : "", d->id);
    ns_one_line(ns_utf8_whole(r->about));            /* in LaTeX it is a comment, which a line end would leave */
    return rc;
}

/* ---- LaTeX ---- */

static double largest(const row *r)
{
    double most = 0;
    for (int64_t i = 0; i < r->key[1] - r->key[0]; i++)
        most = isnan(r->weight[i]) ? most : fmax(most, fabs((double)r->weight[i]));
    return most > 0 ? most : 1;
}

/* Blanks that LaTeX would eat are kept, line ends and tabs have their signs; the rest is escaped, character by character. */
static void put_text(FILE *f, const char *text)
{
    for (int n; *text; text += n) {
        uint32_t code;
        char one[5] = "";
        n = ns_utf8_next(text, strnlen(text, 4), &code);
        n = n > 0 ? n : 1;
        memcpy(one, text, (size_t)n);
        if (strchr(" \n\t", *one))
            fputs(*one == ' ' ? "\\ " : *one == '\n' ? "$\\hookleftarrow$" : "$\\mapsto$", f);
        else
            ns_latex_text(f, one);
    }
}

/* A line end in the text ends the line; within a word a line ends only where nothing else is left. */
static void put_token(FILE *f, const row *r, int64_t i, double most)
{
    if (i > 0 && ns_may_break(r->texts[r->key[0] + i - 1], r->texts[r->key[0] + i]))
        fputs("\\allowbreak\n", f);
    const double w = (double)r->weight[i];
    const char *const text = r->texts[r->key[0] + i];
    const bool query = r->key[0] + i == r->query;
    fprintf(f, "\\ns%s{%.0f}{", query ? "query" : w < 0 ? "less" : "token", isnan(w) ? 0 : 100 * fabs(w) / most);
    put_text(f, text);
    fputs(strchr(text, '\n') ? "}\\par\n" : "}%\n", f);
}

static void put_macros(FILE *f)
{
    static const char *const macros[][2] = {{"nstoken", "\\colorbox{nsweight!#1!white}"},
                                            {"nsless", "\\colorbox{nsnegative!#1!white}"},
                                            {"nsquery", "\\fcolorbox{nsframe}{nsweight!#1!white}"}};
    fputs("% needs \\usepackage[T1]{fontenc}, \\usepackage{textcomp} and \\usepackage{xcolor}; shades are per cent of the largest weight\n"
          "\\definecolor{nsweight}{HTML}{0072B2}\\definecolor{nsnegative}{HTML}{D55E00}\\definecolor{nsframe}{HTML}{E41A1C}\n",
          f);
    for (int i = 0; i < 3; i++)
        fprintf(f,
                "\\providecommand{\\%s}[2]{{\\setlength{\\fboxsep}{0.6pt}\\setlength{\\fboxrule}{0.6pt}%s{\\strut\\ifnum#1>60 "
                "\\color{white}\\fi #2}}\\penalty500 }\n",
                macros[i][0], macros[i][1]);
}

static int put_latex(FILE *f, const row *r, const ns_fact_list *facts)
{
    const double most = largest(r);
    const int64_t n = r->key[1] - r->key[0];
    int64_t beyond = 0;
    for (int64_t i = 0; i < facts->n; i++)
        if (!strpbrk(facts->list[i].value, "\r\n"))
            fprintf(f, "%% %s: %s\n", facts->list[i].name, facts->list[i].value);
    for (int64_t i = 0; i < n; i++) {
        bool other = false;
        for (const char *at = r->texts[r->key[0] + i]; *at; at++)
            other |= (unsigned char)*at >= 0x80;
        beyond += other;
    }
    fprintf(f, "%% %s, %s; largest weight %.6g\n", r->title, r->about, most);
    if (beyond)
        fprintf(f, "%% %lld token%s hold%s more than ASCII: compile with LuaLaTeX or XeLaTeX and a font that has them\n", (long long)beyond,
                ns_plural(beyond), beyond == 1 ? "s" : "");
    put_macros(f);
    fputs("{\\raggedright\\noindent\n", f);
    for (int64_t i = 0; i < n; i++)
        put_token(f, r, i, most);
    fputs("\\par}\n", f);
    return ferror(f) ? NS_E_IO : NS_OK;
}

/* LaTeX sets the text: what a drawn figure takes has no meaning there. */
static int check_plain(const ns_figure_params *l, ns_error *err)
{
    const char *const what = l->title           ? "title"
                             : l->width > 0     ? "width"
                             : l->height > 0    ? "height"
                             : l->font_size > 0 ? "font size"
                             : l->font          ? "font"
                             : l->theme         ? "theme"
                             : l->dark          ? "dark page"
                             : l->transparent   ? "transparent page"
                             : l->legend        ? "legend"
                             : l->n_labels      ? "label"
                             : l->colormap      ? "colour map"
                             : l->dpi           ? "dpi"
                                                : NULL;
    return what ? ns_fail(err, NS_E_ARG, "a .tex has no %s of ours: LaTeX sets it, and its macros say how", what) : NS_OK;
}

static int write_latex(const char *path, const ns_tokens_plot *p, const row *r, const ns_figure_params *look, ns_error *err)
{
    ns_plot_look own = {0};
    ns_stream *s = NULL;
    char *text = NULL;
    size_t n = 0;
    int rc = ns_plot_look_begin(&own, path, look, 0, &p->file, 1, err);
    if (rc == NS_OK && !(s = ns_stream_open()))
        rc = ns_oom(err, path);
    if (rc == NS_OK && put_latex(ns_stream_file(s), r, &own.facts) != NS_OK)
        rc = ns_oom(err, path);
    if (rc == NS_OK)
        rc = ns_stream_end(s, path, &text, &n, err);
    else
        ns_stream_drop(s);
    rc = rc != NS_OK ? rc : ns_file_write(path, text, n, err);
    free(text);
    ns_plot_look_end(&own);
    return rc;
}

/* ---- the figure ---- */

static int draw(const char *path, const ns_tokens_plot *p, const row *r, const ns_figure_params *look, ns_error *err)
{
    const ns_tokens_figure figure = {.size = sizeof figure,
                                     .texts = (const char *const *)r->texts + r->key[0],
                                     .weights = r->weight,
                                     .n = r->key[1] - r->key[0],
                                     .query = r->query >= r->key[1] ? -1 : r->query - r->key[0],
                                     .title = r->title,
                                     .about = r->about};
    ns_plot_look own = {0};
    int rc = ns_plot_look_begin(&own, path, look, 3.3, &p->file, 1, err);
    rc = rc != NS_OK ? rc : ns_draw_tokens(path, &figure, &own.params, err);
    ns_plot_look_end(&own);
    return rc;
}

static int check_output(const char *path, const ns_tokens_plot *p, const ns_figure_params *look, bool latex, ns_error *err)
{
    if (!latex)
        return ns_plot_check(path, look, &p->file, 1, err);
    int rc = check_plain(look, err);
    rc = rc != NS_OK ? rc : ns_check_not_input(path, &p->file, 1, err);
    return rc != NS_OK ? rc : ns_output_check(path, NS_KINDS(NS_KIND_TEXT), true, err);
}

int ns_plot_tokens(const char *path, const ns_tokens_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_tokens_plot p;
    ns_figure_params params = {.size = sizeof params};
    ns_recorded d = {0};
    ns_file *f = NULL;
    row r = {.weight = NULL};
    const bool latex = path && ns_ends(path, ".tex");
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_tokens_plot", err);
    rc = rc == NS_OK && look ? ns_sized_copy(&params, sizeof params, look, "ns_figure_params", err) : rc;
    params.size = sizeof params;
    if (rc == NS_OK && (p.layer < 0 || p.head < 0))
        rc = ns_fail(err, NS_E_ARG, "layer %lld, head %lld: there is none below 0", (long long)p.layer, (long long)p.head);
    rc = rc != NS_OK ? rc : check_output(path, &p, &params, latex, err);
    rc = rc != NS_OK ? rc : ns_file_open_as(&f, p.file, NS_KINDS(NS_KIND_RECORDING), "a recording (needlescope record makes one)", err);
    rc = rc != NS_OK ? rc : read_row(&p, f, &d, &r, err);
    rc = rc != NS_OK ? rc : latex ? write_latex(path, &p, &r, &params, err) : draw(path, &p, &r, &params, err);
    if (rc == NS_OK)
        ns_plotted_say(said, r.title, r.note);
    free(r.weight);
    ns_free_strings(r.texts, d.n_keys);
    ns_recorded_clear(&d);
    ns_file_close(f);
    return ns_fail_of(err, rc, p.file);
}
