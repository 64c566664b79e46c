/* export_csv.c - run -> checkpoint -> score -> head: a row each, into a temporary that takes the file's place when all went well. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "source.h"
#include "words.h"

typedef struct csv {
    const ns_source *x;
    const ns_export_params *params;
    FILE    *f;
    const float **values;       /* [n_scores] of [R, P, L, H] */
    float   *counts;            /* [C, L, H] */
    int64_t *n;                 /* [n_scores, L, H] of the checkpoint at hand; -1 = not known */
    int64_t  rows;
} csv;

static void head_line(const csv *c)
{
    fputs("run", c->f);
    for (int64_t i = 0; i < c->x->n_coords; i++) {
        fputc(',', c->f);
        ns_csv_field(c->f, c->x->coord[i].name);
    }
    fputs(",step,tokens,layer,head,layer_kind,score,value,n\n", c->f);
}

static void whole(FILE *f, int64_t value)
{
    if (value >= 0)
        fprintf(f, "%lld", (long long)value);
    fputc(',', f);
}

static void run_fields(const csv *c, int64_t r, int64_t p)
{
    ns_csv_field(c->f, ns_study_run_name(c->x->study, r));
    fputc(',', c->f);
    for (int64_t i = 0; i < c->x->n_coords; i++) {
        const ns_study_coord *const coord = &c->x->coord[i];
        if (coord->text)
            ns_csv_field(c->f, coord->text[r]);
        else
            ns_words_number(c->f, "%.17g", coord->number[r]);
        fputc(',', c->f);
    }
    whole(c->f, c->x->step[p]);
    whole(c->f, c->x->tokens[r * c->x->P + p]);
}

/* ---- n: rows that were judged, else cases with a value ---- */

static int count(const csv *c, int score, int64_t r, int64_t p, ns_error *err)
{
    const ns_export_score *const s = &c->params->scores[score];
    const int64_t heads = c->x->L * c->x->H;
    const char *const name = s->over ? s->over : s->of;
    int64_t *const n = c->n + score * heads;
    const bool known = name && ns_study_has(c->x->study, name) && c->x->C > 0;
    const int rc = known ? ns_study_counts(c->x->study, name, r, p, c->counts, err) : NS_OK;
    for (int64_t h = 0; h < heads; h++) {
        n[h] = known ? 0 : -1;
        for (int64_t i = 0; known && rc == NS_OK && i < c->x->C; i++) {
            const float value = c->counts[i * heads + h];
            n[h] += !isfinite(value) ? 0 : s->over ? (int64_t)value : 1;
        }
    }
    return rc;
}

/* ---- rows ---- */

static void head_rows(csv *c, int score, int64_t r, int64_t p)
{
    const ns_source *const x = c->x;
    for (int64_t i = 0; i < x->L * x->H; i++) {
        if (!ns_study_head_valid(x->study, r, i / x->H, i % x->H))
            continue;
        run_fields(c, r, p);
        fprintf(c->f, "%lld,%lld,", (long long)(i / x->H), (long long)(i % x->H));
        ns_csv_field(c->f, ns_study_layer_kind(x->study, r, i / x->H));
        fputc(',', c->f);
        ns_csv_field(c->f, c->params->scores[score].name);
        fputc(',', c->f);
        ns_words_number(c->f, "%.9g", (double)c->values[score][(r * x->P + p) * x->L * x->H + i]);
        fputc(',', c->f);
        const int64_t n = c->n[score * x->L * x->H + i];
        if (n >= 0)
            fprintf(c->f, "%lld", (long long)n);
        fputc('\n', c->f);
        c->rows++;
    }
}

static int checkpoint_rows(csv *c, int64_t r, int64_t p, ns_error *err)
{
    int rc = NS_OK;
    for (int s = 0; s < c->params->n_scores && rc == NS_OK; s++) {
        rc = count(c, s, r, p, err);
        if (rc == NS_OK)
            head_rows(c, s, r, p);
    }
    return rc;
}

static int all_rows(csv *c, ns_error *err)
{
    int rc = NS_OK;
    const int64_t only = c->x->run;
    head_line(c);
    for (int64_t r = 0; r < c->x->R; r++)
        for (int64_t p = 0; p < c->x->P && rc == NS_OK && (only < 0 || r == only) && !ferror(c->f); p++)
            if (c->x->status[r * c->x->P + p] == NS_STUDY_DONE)
                rc = checkpoint_rows(c, r, p, err);
    return rc;
}

static int load(csv *c, ns_error *err)
{
    const int64_t heads = c->x->L * c->x->H;
    c->values = ns_alloc_array((size_t)c->params->n_scores, sizeof *c->values);
    c->counts = ns_alloc_array((size_t)(c->x->C * heads), sizeof *c->counts);
    c->n = ns_alloc_array((size_t)(c->params->n_scores * heads), sizeof *c->n);
    int rc = c->values && c->counts && c->n ? NS_OK : ns_oom(err, c->x->path);
    for (int s = 0; s < c->params->n_scores && rc == NS_OK; s++)
        rc = ns_study_score(c->x->study, c->params->scores[s].name, &c->values[s], err);
    return rc;
}

static int write_rows(csv *c, const char *path, ns_error *err)
{
    ns_atomic_file file;
    int rc = ns_atomic_begin_text(&file, path, err);
    if (rc != NS_OK)
        return rc;
    c->f = ns_atomic_stream(&file, &rc, err);
    rc = rc != NS_OK ? rc : all_rows(c, err);
    return ns_atomic_end(&file, c->f, rc, err);
}

static int write_both(csv *c, const char *path, ns_error *err)
{
    ns_fact_list facts = {0};
    int rc = ns_source_facts(c->x, c->params->by, &facts, err);
    rc = rc != NS_OK ? rc : ns_provenance_check_table(&facts, path, err);
    rc = rc != NS_OK ? rc : write_rows(c, path, err);
    rc = rc != NS_OK ? rc : ns_provenance_beside(path, &facts, err);
    ns_fact_list_clear(&facts);
    return rc;
}

int ns_export_csv(ns_study *study, const char *path, const ns_export_params *given, int64_t *rows, ns_error *err)
{
    ns_export_params params;
    ns_source x;
    csv c = {.x = &x, .params = &params};
    int rc = ns_source_begin(&x, study, path, NS_KIND_TEXT, given, &params, err);
    rc = rc != NS_OK ? rc : load(&c, err);
    rc = rc != NS_OK ? rc : write_both(&c, path, err);
    free(c.values);
    free(c.counts);
    free(c.n);
    if (rows)
        *rows = c.rows;
    return rc;
}
