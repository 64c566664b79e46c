/* export_latex.c - a booktabs tabular: for every run and score the best heads at the run's last checkpoint; standalone, a document round it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "source.h"
#include "words.h"

typedef struct table {
    const ns_export *x;
    const ns_export_params *params;
    FILE    *f;
    bool     runs, intervals;               /* has such columns */
    int64_t *top;
    int64_t  rows;
} table;

static const char *fact(const ns_export *x, const char *name)
{
    const char *const text = ns_file_fact(x->file, name);
    return text ? text : "?";
}

static void begin(const table *t)
{
    fprintf(t->f, "%% needlescope %s: top heads of a %s, content_sha256 %s\n", ns_version(), t->x->is_study ? "study" : "score file",
            fact(t->x, "content_sha256"));
    if (t->params->standalone)
        fputs("\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\IfFileExists{lmodern.sty}{\\usepackage{lmodern}}{}\n\\usepackage{booktabs}\n"
              "\\pagestyle{empty}\n\\begin{document}\n", t->f);
    else
        fputs("% needs \\usepackage{booktabs}\n", t->f);
    fprintf(t->f, "\\begin{tabular}{%sll%slr%s}\n\\toprule\n%sScore & Head & %sLayer & Value%s \\\\\n", t->runs ? "l" : "", t->x->is_study ? "r" : "",
            t->intervals ? "l" : "", t->runs ? "Run & " : "", t->x->is_study ? "Step & " : "", t->intervals ? " & 95\\,\\% interval" : "");
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
    const int64_t window = t->x->window[r * t->x->L * t->x->H + head];
    ns_words_latex(t->f, t->x->kind[r * t->x->L + head / t->x->H]);
    if (window > 0)
        fprintf(t->f, " %lld", (long long)window);
}

static void row(const table *t, int64_t r, int64_t p, const char *score, bool first, int64_t head, float value, const float *low, const float *high)
{
    if (t->runs) {
        ns_words_latex(t->f, first ? t->x->run_name[r] : "");
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

static int block(table *t, int64_t r, int s, const float *low, const float *high, ns_error *err)
{
    const ns_export_score *const score = &t->params->scores[s];
    const int64_t p = ns_export_last(t->x, r);
    float *values = NULL;
    if (p < 0)
        return NS_OK;
    const int rc = ns_export_values(t->x, score->name, &values, err);
    const float *const at = rc == NS_OK ? values + (r * t->x->P + p) * t->x->L * t->x->H : NULL;
    const int64_t n = at ? ns_best(at, t->x->L * t->x->H, t->params->top, score->ascending, t->top) : 0;
    if (n)
        fputs("\\midrule\n", t->f);
    for (int64_t i = 0; i < n; i++)
        row(t, r, p, score->name, i == 0, t->top[i], at[t->top[i]], low, high);
    t->rows += n;
    free(values);
    return rc;
}

static int blocks(table *t, ns_error *err)
{
    int rc = NS_OK;
    const int64_t only = t->params->run ? ns_export_run(t->x, t->params->run) : -1;
    for (int64_t r = 0; r < t->x->R; r++)
        for (int s = 0; s < t->params->n_scores && rc == NS_OK && (only < 0 || r == only); s++) {
            float *low = NULL, *high = NULL;
            rc = ns_export_bound(t->x, "score_low", t->params->scores[s].name, &low, err);
            rc = rc ? rc : ns_export_bound(t->x, "score_high", t->params->scores[s].name, &high, err);
            rc = rc ? rc : block(t, r, s, low, high, err);
            free(low);
            free(high);
        }
    if (rc == NS_OK && !t->rows)
        rc = ns_fail(err, NS_E_ARG, "%s: no head has a value by '%s'", t->x->path, t->params->scores[0].name);
    return rc;
}

int ns_export_latex(ns_export *x, const char *path, const ns_export_params *given, ns_error *err)
{
    ns_export_params params;
    char *text = NULL;
    size_t size = 0;
    int rc = ns_export_check(x, path, given, &params, err);
    if (rc)
        return rc;
    params.top = params.top < x->L * x->H ? params.top : x->L * x->H;
    table t = {.x = x, .params = &params, .f = open_memstream(&text, &size), .runs = x->is_study, .intervals = ns_file_has(x->file, "score_low")};
    t.top = ns_alloc_array((size_t)params.top, sizeof *t.top);
    if (!t.f || !t.top)
        rc = ns_oom(err, path);
    if (rc == NS_OK) {
        begin(&t);
        rc = blocks(&t, err);
        end(&t);
    }
    if (t.f && fclose(t.f) && rc == NS_OK)
        rc = ns_oom(err, path);
    rc = rc ? rc : ns_file_write(path, text, size, err);
    free(text);
    free(t.top);
    return rc;
}
