/* compare_pairs.c - what of two files can be compared: runs of one name, steps that both have, scores of one name; a list of heads and the
 * scores of one checkpoint go with any run and step. What cannot is counted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"

/* One file at one place. */
typedef struct side {
    const ns_compare_source *source;
    int64_t run, step;                     /* as indices; 0 of a list */
    float  *own;                           /* of a list; malloc'd */
    const float *values;
    ns_score_meaning meaning;
} side;

static bool is_one(const ns_compare_source *s)
{
    return !s->study || ns_study_is_one(s->study);
}

static const char *keep(ns_comparison *c, const char *name)
{
    char *const copy = ns_grow(&c->names, &c->names_capacity, c->n_names + 1, sizeof *c->names) ? ns_strdup(name) : NULL;
    if (copy)
        c->names[c->n_names++] = copy;
    return copy;
}

/* ---- layers and heads ---- */

/* Of the model: a study's; of two lists what holds both, KV heads taken together as the other list's heads need it. */
static void shape_of(const ns_compare_source *a, const ns_compare_source *b, int64_t *L, int64_t *H)
{
    int64_t layers[2] = {0}, heads[2] = {0};
    const ns_study *const study = a->study ? a->study : b->study;
    if (study) {
        *L = ns_study_size(study).L;
        *H = ns_study_size(study).H;
        return;
    }
    ns_head_list_size(&a->list, &layers[0], &heads[0]);
    ns_head_list_size(&b->list, &layers[1], &heads[1]);
    const int kv = a->list.of_kv ? 0 : 1;
    *L = layers[0] > layers[1] ? layers[0] : layers[1];
    *H = a->list.of_kv == b->list.of_kv ? (heads[0] > heads[1] ? heads[0] : heads[1])
                                        : (heads[1 - kv] + heads[kv] - 1) / heads[kv] * heads[kv];
}

static int list_values(side *s, int64_t L, int64_t H, ns_error *err)
{
    s->values = s->own = ns_alloc_array((size_t)(L * H), sizeof *s->own);
    s->meaning = ns_list_meaning;
    return s->own ? ns_head_list_values(&s->source->list, s->source->path, L, H, s->own, err) : ns_oom(err, s->source->path);
}

static int study_values(side *s, const char *score, ns_error *err)
{
    const ns_study_shape n = ns_study_size(s->source->study);
    const float *values;
    int rc = ns_study_meaning(s->source->study, score, &s->meaning, err);
    rc = rc != NS_OK ? rc : ns_study_score(s->source->study, score, &values, err);
    if (rc == NS_OK)
        s->values = values + (s->run * n.P + s->step) * n.L * n.H;
    return rc;
}

/* ---- one row ---- */

static const char *hash_of(const side *s, const char *fact)
{
    return s->source->study ? ns_file_fact(ns_study_file(s->source->study), fact) : NULL;
}

static int note_ends(ns_comparison *c, const side *a, const side *b, const ns_compared *row, int64_t ties, ns_error *err)
{
    const char *const cases_a = hash_of(a, "cases_sha256"), *const cases_b = hash_of(b, "cases_sha256");
    int rc = NS_OK;
    if (cases_a && cases_b && strcmp(cases_a, cases_b) != 0)
        rc = ns_compare_note(c, "of scores of other cases", row->a, row->b, err);
    if (rc == NS_OK && row->only_a + row->only_b)
        rc = ns_compare_note(c, "in which heads have a number in one file alone: no rank correlation has them", row->a, row->b, err);
    if (rc == NS_OK && ties)
        rc = ns_compare_note(c, "with heads that tie: rank-biased overlap takes them by layer and head, Jaccard shares their places",
                             row->a, row->b, err);
    if (rc == NS_OK && (a->source->list.of_kv || b->source->list.of_kv))
        rc = ns_compare_note(c, "with a list of KV heads: each stands for all query heads that share it", row->a, row->b, err);
    return rc;
}

static int add_row(ns_comparison *c, const side *a, const side *b, const ns_ranking_pair *pair, const char *score, ns_error *err)
{
    const side *const placed = a->source->study && !is_one(a->source) ? a : b->source->study ? b : a;
    const ns_study *const study = placed->source->study;
    int64_t ties;
    if (!ns_grow(&c->list, &c->capacity, c->n + 1, sizeof *c->list))
        return ns_oom(err, "a comparison");
    ns_compared *const row = &c->list[c->n];
    *row = (ns_compared){.a = a->source->path, .b = b->source->path, .step = study ? ns_study_steps(study)[placed->step] : -1};
    row->score = score ? keep(c, score) : NULL;
    row->run = study ? ns_study_run_name(study, placed->run) : "";
    if (score && !row->score)
        return ns_oom(err, "a comparison");
    int rc = ns_compare_measure(pair, &c->params, row, &ties, err);
    if (a->source->list.ordered || b->source->list.ordered)
        row->apart = (double)NAN;
    c->n += rc == NS_OK;
    return rc != NS_OK ? rc : note_ends(c, a, b, row, ties, err);
}

static int compare_values(ns_comparison *c, const side *a, const side *b, int64_t L, int64_t H, const char *score, ns_error *err)
{
    const ns_ranking_pair pair = {a->values, b->values, L * H, H, a->meaning, b->meaning};
    if (a->meaning.best != b->meaning.best && a->source->study && b->source->study)
        return ns_compare_note(c, "of a score whose best end is another in the two files", a->source->path, b->source->path, err);
    return add_row(c, a, b, &pair, score, err);
}

/* ---- scores ---- */

static bool has_score(const ns_compare_source *s, const char *name)
{
    int64_t n;
    const char *const *const names = s->study ? ns_study_scores(s->study, &n) : NULL;
    for (int64_t i = 0; names && i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return !s->study;
}

static int compare_score(ns_comparison *c, side a, side b, const char *score, ns_error *err)
{
    int64_t L, H;
    shape_of(a.source, b.source, &L, &H);
    if (score && (!has_score(a.source, score) || !has_score(b.source, score)))
        return ns_compare_note(c, "of a score that one file lacks", a.source->path, b.source->path, err);
    int rc = a.source->study ? study_values(&a, score, err) : list_values(&a, L, H, err);
    rc = rc != NS_OK ? rc : b.source->study ? study_values(&b, score, err) : list_values(&b, L, H, err);
    rc = rc != NS_OK ? rc : compare_values(c, &a, &b, L, H, score, err);
    free(a.own);
    free(b.own);
    return rc;
}

/* Those that are asked for; of two studies all, of a study and a list the usual one. */
static int compare_scores(ns_comparison *c, const side *a, const side *b, ns_error *err)
{
    const ns_compare_source *const study = a->source->study ? a->source : b->source;
    int64_t n = 0;
    int rc = NS_OK;
    if (!study->study)
        return compare_score(c, *a, *b, NULL, err);
    for (int i = 0; i < c->params.n_scores && rc == NS_OK; i++)
        rc = compare_score(c, *a, *b, c->params.scores[i], err);
    if (c->params.n_scores || rc != NS_OK)
        return rc;
    if (!a->source->study || !b->source->study)
        return compare_score(c, *a, *b, ns_study_usual_score(study->study), err);
    const char *const *const names = ns_study_scores(study->study, &n);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = compare_score(c, *a, *b, names[i], err);
    return rc;
}

/* ---- runs and steps ---- */

static bool is_done(const side *s)
{
    return !s->source->study || is_one(s->source)
           || ns_study_status(s->source->study)[s->run * ns_study_size(s->source->study).P + s->step] == NS_STUDY_DONE;
}

static int64_t steps_of(const ns_compare_source *s)
{
    return s->study ? ns_study_size(s->study).P : 1;
}

static bool meet(const side *a, const side *b)
{
    return is_done(a) && is_done(b)
           && (is_one(a->source) || is_one(b->source)
               || ns_study_steps(a->source->study)[a->step] == ns_study_steps(b->source->study)[b->step]);
}

/* Of two runs, from their last steps on. */
static int compare_steps(ns_comparison *c, side a, side b, ns_error *err)
{
    int64_t met = 0;
    int rc = NS_OK;
    for (a.step = steps_of(a.source) - 1; a.step >= 0; a.step--)
        for (b.step = steps_of(b.source) - 1; b.step >= 0 && rc == NS_OK; b.step--) {
            if (!meet(&a, &b))
                continue;
            if (!met++ || c->params.all_steps)
                rc = compare_scores(c, &a, &b, err);
            else if (met == 2)
                rc = ns_compare_note(c, "of runs of which only the last common step is compared (--all-steps)", a.source->path,
                                     b.source->path, err);
        }
    return rc != NS_OK || met ? rc : ns_compare_note(c, "of runs without a step in common", a.source->path, b.source->path, err);
}

static int64_t runs_of(const ns_compare_source *s)
{
    return s->study ? ns_study_size(s->study).R : 1;
}

static bool one_run(const side *a, const side *b)
{
    return is_one(a->source) || is_one(b->source)
           || strcmp(ns_study_run_name(a->source->study, a->run), ns_study_run_name(b->source->study, b->run)) == 0;
}

static bool of_one_shape(const ns_compare_source *a, const ns_compare_source *b)
{
    const ns_study_shape x = a->study ? ns_study_size(a->study) : (ns_study_shape){0},
                         y = b->study ? ns_study_size(b->study) : (ns_study_shape){0};
    return !a->study || !b->study || (x.L == y.L && x.H == y.H);
}

int ns_compare_pair(ns_comparison *c, int i, int j, ns_error *err)
{
    side a = {.source = &c->sources[i]}, b = {.source = &c->sources[j]};
    int64_t met = 0;
    int rc = NS_OK;
    if (!of_one_shape(a.source, b.source))
        return ns_compare_note(c, "of models of other layers or heads", a.source->path, b.source->path, err);
    for (a.run = 0; a.run < runs_of(a.source); a.run++)
        for (b.run = 0; b.run < runs_of(b.source) && rc == NS_OK; b.run++)
            if (one_run(&a, &b)) {
                met++;
                rc = compare_steps(c, a, b, err);
            }
    return rc != NS_OK || met ? rc : ns_compare_note(c, "of studies without a run in common", a.source->path, b.source->path, err);
}
