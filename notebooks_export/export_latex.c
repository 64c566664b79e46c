/* export_latex.c - a booktabs tabular: for every run and score the best heads at the run's last checkpoint; standalone, a document round
 * it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "source.h"
#include "words.h"

typedef struct table {
    const ns_source *x;
    const ns_export_params *params;
    FILE    *f;
    bool     runs, intervals;               /* has such columns */
    int64_t *top;
    int64_t  rows;
} table;

static int provenance(const table *t, ns_error *err)
{
    ns_fact_list facts = {0};
    int rc = ns_provenance_of_export(&facts, t->params->by, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_file(&facts, t->x->path, 1, err);
    for (int64_t i = 0; i < facts.n && rc == NS_OK; i++)
        if (!strpbrk(facts.list[i].value, "\r\n"))
            fprintf(t->f, "%% %s: %s\n", facts.list[i].name, facts.list[i].value);
    ns_fact_list_clear(&facts);
    return rc;
}

static void begin(const table *t)
{
    if (t->params->standalone)
        fputs("\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\IfFileExists{lmodern.sty}{\\usepackage{lmodern}}{}\n\\usepackage{"
              "booktabs}\n"
              "\\pagestyle{empty}\n\\begin{document}\n",
              t->f);
    else
        fputs("% needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs}\n", t->f);
    fprintf(t->f, "\\begin{tabular}{%sll%slr%s}\n\\toprule\n%sScore & Head & %sLayer kind & Value%s \\\\\n", t->runs ? "l" : "",
            t->x->is_study ? "r" : "", t->intervals ? "l" : "", t->runs ? "Run & " : "", t->x->is_study ? "Step & " : "",
            t->intervals ? " & 95\\,\\% interval" : "");
}

static void end(const table *t)
{
    fputs("\\bottomrule\n\\end{tabular}\n", t->f);
    if (t->params->standalone)
        fputs("\\end{document}\n", t->f);
}

/* "0.847", "$-$0.120" */
static void number(FILE *f, double value)
{
    fputs(value < 0 ? "$-$" : "", f);
    ns_words_number(f, "%.3f", fabs(value));
}

/* "full", "swa 128" */
static void layer(const table *t, int64_t r, int64_t head)
{
    const int64_t window = ns_study_head_window(t->x->study, r, head / t->x->H, head % t->x->H);
    ns_words_latex(t->f, ns_study_layer_kind(t->x->study, r, head / t->x->H));
    if (window > 0)
        fprintf(t->f, " %lld", (long long)window);
}

static void row(const table *t, int64_t r, int64_t p, const char *score, bool first, int64_t head, float value, const float *low,
                const float *high)
{
    if (t->runs) {
        ns_words_latex(t->f, first ? ns_study_run_name(t->x->study, r) : "");
        fputs(" & ", t->f);
    }
    ns_words_latex(t->f, first ? score : "");
    fprintf(t->f, " & %lld.%lld & ", (long long)(head / t->x->H), (long long)(head % t->x->H));
    if (t->x->is_study)
        fprintf(t->f, "%lld & ", (long long)t->x->step[p]);
    layer(t, r, head);
    fputs(" & ", t->f);
    number(t->f, (double)value);
    if (t->intervals)
        fputs(" & ", t->f);
    if (low && high && !isnan(low[head]) && !isnan(high[head])) {
        fputc('[', t->f);
        number(t->f, (double)low[head]);
        fputs(", ", t->f);
        number(t->f, (double)high[head]);
        fputc(']', t->f);
    }
    fputs(" \\\\\n", t->f);
}

/* A list that is short, or cut through a tie, says so below it; one without a head says whose it would be. */
static void note(const table *t, int64_t r, const char *score, const ns_best_cut *cut)
{
    char text[120];
    ns_best_note(cut, t->params->top, text, sizeof text);
    if (!text[0])
        return;
    fprintf(t->f, "\\multicolumn{%d}{l}{\\footnotesize ", 4 + t->runs + t->x->is_study + t->intervals);
    if (cut->n == 0) {
        ns_words_latex(t->f, t->runs ? ns_study_run_name(t->x->study, r) : "");
        fputs(t->runs ? ", " : "", t->f);
        ns_words_latex(t->f, score);
        fputs(": ", t->f);
    }
    ns_words_latex(t->f, text);
    fputs("} \\\\\n", t->f);
}

static int block(table *t, int64_t r, int s, ns_error *err)
{
    const char *const score = t->params->scores[s].name;
    const int64_t p = ns_study_last(t->x->study, r);
    const float *values, *low, *high;
    ns_score_meaning meaning;
    int rc = ns_study_ranks(t->x->study, score, &meaning, err);
    rc = rc != NS_OK ? rc : ns_study_score(t->x->study, score, &values, err);
    rc = rc != NS_OK ? rc : ns_study_ranked(t->x->study, "score_low", score, &low, err);
    rc = rc != NS_OK ? rc : ns_study_ranked(t->x->study, "score_high", score, &high, err);
    if (rc != NS_OK || p < 0)
        return rc;
    const float *const at = values + (r * t->x->P + p) * t->x->L * t->x->H;
    const ns_best_cut cut = ns_best(at, t->x->L * t->x->H, t->params->top, &meaning, t->top);
    fputs("\\midrule\n", t->f);
    for (int64_t i = 0; i < cut.n; i++)
        row(t, r, p, score, i == 0, t->top[i], at[t->top[i]], low, high);
    note(t, r, score, &cut);
    t->rows += cut.n;
    return NS_OK;
}

static int blocks(table *t, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t r = 0; r < t->x->R; r++)
        for (int s = 0; s < t->params->n_scores && rc == NS_OK && (t->x->run < 0 || r == t->x->run); s++)
            rc = block(t, r, s, err);
    if (rc == NS_OK && !t->rows)
        rc = ns_fail(err, NS_E_ARG, "%s: no head scores anything by '%s'", t->x->path, t->params->scores[0].name);
    return rc;
}

int ns_export_latex(ns_study *study, const char *path, const ns_export_params *given, ns_error *err)
{
    ns_export_params params;
    char *text = NULL;
    size_t size = 0;
    ns_source x;
    int rc = ns_source_begin(&x, study, path, NS_KIND_TEXT, given, &params, err);
    if (rc != NS_OK)
        return rc;
    params.top = params.top < x.L * x.H ? params.top : x.L * x.H;
    ns_stream *const s = ns_stream_open();
    table t = {.x = &x, .params = &params, .f = s ? ns_stream_file(s) : NULL, .runs = x.is_study,
               .intervals = ns_study_has(study, "score_low")};
    t.top = ns_alloc_array((size_t)params.top, sizeof *t.top);
    if (!t.f || !t.top)
        rc = ns_oom(err, path);
    if (rc == NS_OK) {
        rc = provenance(&t, err);
        begin(&t);
        rc = rc != NS_OK ? rc : blocks(&t, err);
        end(&t);
    }
    if (rc == NS_OK)
        rc = ns_stream_end(s, path, &text, &size, err);
    else
        ns_stream_drop(s);
    rc = rc != NS_OK ? rc : ns_file_write(path, text, size, err);
    free(text);
    free(t.top);
    return rc;
}
