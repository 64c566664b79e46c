/* study.c - a study or the scores of one checkpoint: its runs and steps, every score over (run, step, layer, head), and what each case gave
 * each head. */
#include "page/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- runs ---- */

static void coordinates(ns_web *p, cJSON *run, const ns_study *s, int64_t r)
{
    int64_t n;
    const ns_study_coord *const coord = ns_study_coords(s, &n);
    cJSON *const of = ns_web_object(p, run, "coords");
    for (int64_t i = 0; i < n; i++)
        if (coord[i].text)
            ns_web_text(p, of, coord[i].name, coord[i].text[r]);
        else
            ns_web_number(p, of, coord[i].name, coord[i].number[r]);
}

static int run(ns_web *p, cJSON *list, const ns_study *s, int64_t r, ns_error *err)
{
    const ns_study_shape n = ns_study_size(s);
    cJSON *const out = ns_web_object(p, list, NULL), *const kinds = ns_web_list(p, out, "kinds");
    int64_t *const windows = ns_alloc_array((size_t)(n.L * n.H), sizeof *windows);
    ns_web_text(p, out, "name", ns_study_run_name(s, r));
    coordinates(p, out, s, r);
    for (int64_t l = 0; l < n.L; l++)
        ns_web_text(p, kinds, NULL, ns_study_layer_kind(s, r, l));
    for (int64_t i = 0; windows && i < n.L * n.H; i++)
        windows[i] = ns_study_head_valid(s, r, i / n.H, i % n.H) ? ns_study_head_window(s, r, i / n.H, i % n.H) : -1;
    const int rc = windows ? ns_web_wholes(p, out, "windows", windows, n.L * n.H, NS_WEB_NEEDED, err) : ns_oom(err, "the page");
    free(windows);
    return rc;
}

static int grid(ns_web *p, cJSON *file, const ns_study *s, ns_error *err)
{
    const ns_study_shape n = ns_study_size(s);
    cJSON *const runs = ns_web_list(p, file, "runs"), *const status = ns_web_list(p, file, "status");
    cJSON *const weights = ns_study_is_one(s) ? NULL : ns_web_list(p, file, "weights");     /* SHA-256; null: not known */
    int rc = NS_OK;
    for (int64_t r = 0; r < n.R && rc == NS_OK; r++)
        rc = run(p, runs, s, r, err);
    ns_web_number(p, file, "layers", (double)n.L);
    ns_web_number(p, file, "heads", (double)n.H);
    ns_web_numbers(p, file, "steps", ns_study_steps(s), n.P);
    ns_web_numbers(p, file, "tokens", ns_study_tokens(s), n.R * n.P);
    for (int64_t i = 0; i < n.R * n.P && !p->failed; i++)
        ns_web_number(p, status, NULL, ns_study_status(s)[i]);
    for (int64_t i = 0; weights && i < n.R * n.P && !p->failed; i++)
        ns_web_text(p, weights, NULL, ns_study_weights(s, i / n.P, i % n.P));
    return rc;
}

/* ---- scores ---- */

/* "find_hits" of "retrieval_find", or "case_entropy" of "entropy"; false: the file has none. */
static bool counted(const ns_study *s, const char *score, char name[NS_CHANCE_NAME])
{
    if (!ns_score_counted_of(score, name) || !ns_study_has(s, name))
        return false;
    if (ns_ends(name, "_events"))
        memcpy(name + strlen(name) - strlen("_events"), "_hits", sizeof "_hits");
    return ns_study_has(s, name);
}

static int ranked(ns_web *p, cJSON *out, const char *key, ns_study *s, const char *which, const char *score, ns_error *err)
{
    const ns_study_shape n = ns_study_size(s);
    const float *values = NULL;
    const int rc = ns_study_ranked(s, which, score, &values, err);
    return rc != NS_OK || !values ? rc : ns_web_floats(p, out, key, values, n.L * n.H, NS_WEB_NEEDED, err);
}

static int score(ns_web *p, cJSON *list, ns_study *s, const char *name, ns_error *err)
{
    const ns_study_shape n = ns_study_size(s);
    const int64_t all = n.R * n.P * n.L * n.H;
    const float *values, *chance;
    ns_score_meaning m;
    char of_cases[NS_CHANCE_NAME];
    cJSON *const out = ns_web_object(p, list, NULL);
    int rc = ns_study_meaning(s, name, &m, err);
    rc = rc != NS_OK ? rc : ns_study_score(s, name, &values, err);
    rc = rc != NS_OK ? rc : ns_study_chance(s, name, &chance, err);
    if (rc != NS_OK)
        return rc;
    ns_web_text(p, out, "name", name);
    ns_web_text(p, out, "best", ns_best_end_name(m.best));
    ns_web_number(p, out, "lo", m.lo == 0 && m.hi == 0 ? (double)NAN : m.lo);
    ns_web_number(p, out, "hi", m.lo == 0 && m.hi == 0 ? (double)NAN : m.hi);
    ns_web_number(p, out, "chance", m.chance);
    rc = ns_web_floats(p, out, "values", values, all, NS_WEB_NEEDED, err);
    if (rc == NS_OK && chance)
        rc = ns_web_floats(p, out, "chances", chance, all, NS_WEB_NEEDED, err);
    rc = rc != NS_OK || n.R * n.P > 1 ? rc : ranked(p, out, "low", s, "score_low", name, err);
    rc = rc != NS_OK || n.R * n.P > 1 ? rc : ranked(p, out, "high", s, "score_high", name, err);
    if (counted(s, name, of_cases))
        ns_web_text(p, out, "counted", of_cases);
    return rc;
}

/* Which heads come first where the limit leaves attention out: those of the first file that ranks any. */
static int rank_heads(ns_web *p, ns_study *s, ns_error *err)
{
    const ns_study_shape n = ns_study_size(s);
    const char *const usual = ns_study_usual_score(s);
    const int64_t r = 0, last = ns_study_last(s, r);
    ns_score_meaning m;
    const float *values;
    if (p->n_rank > 0 || !usual || last < 0)
        return NS_OK;
    int rc = ns_study_meaning(s, usual, &m, err);
    rc = rc != NS_OK ? rc : ns_study_score(s, usual, &values, err);
    if (rc != NS_OK || m.best == NS_BEST_NONE)
        return rc;
    p->rank = ns_alloc_array((size_t)(n.L * n.H), sizeof *p->rank);
    if (!p->rank)
        return ns_oom(err, "the page");
    p->n_rank = ns_best(values + last * n.L * n.H, n.L * n.H, n.L * n.H, &m, p->rank).n;
    p->rank_heads = n.H;
    return NS_OK;
}

static int scores(ns_web *p, cJSON *file, ns_study *s, ns_error *err)
{
    int64_t n;
    const char *const *const names = ns_study_scores(s, &n);
    cJSON *const list = ns_web_list(p, file, "scores");
    int rc = n ? rank_heads(p, s, err) : ns_fail(err, NS_E_ARG, "%s has no score over heads", ns_study_path(s));
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = score(p, list, s, names[i], err);
    ns_web_text(p, file, "usual", ns_study_usual_score(s));
    return rc;
}

/* ---- over the runs: accuracies and losses ---- */

static bool is_series(const ns_file *f, const char *path)
{
    char *axes = NULL;
    ns_dtype dtype;
    const bool one = !strchr(path + 1, '/') && ns_file_describe(f, path, &dtype, NULL, NULL, &axes, NULL) == NS_OK && axes &&
                     strcmp(axes, "run step") == 0 && dtype == NS_F32;
    free(axes);
    return one;
}

static int series(ns_web *p, cJSON *file, ns_study *s, ns_error *err)
{
    const ns_study_shape n = ns_study_size(s);
    cJSON *const list = ns_web_list(p, file, "series");
    char **paths;
    int64_t n_paths;
    int rc = ns_file_list(ns_study_file(s), &paths, &n_paths, err);
    if (rc != NS_OK)
        return rc;
    for (int64_t i = 0; i < n_paths && rc == NS_OK; i++) {
        const float *values;
        const char *const name = paths[i] + (paths[i][0] == '/');
        if (ns_study_is_one(s) || !is_series(ns_study_file(s), paths[i]))
            continue;
        rc = ns_study_series(s, name, &values, err);
        if (rc == NS_OK) {
            cJSON *const out = ns_web_object(p, list, NULL);
            ns_web_text(p, out, "name", name);
            rc = ns_web_floats(p, out, "values", values, n.R * n.P, NS_WEB_NEEDED, err);
        }
    }
    ns_free_strings(paths, n_paths);
    return rc;
}

/* ---- cases ---- */

static int case_numbers(ns_web *p, cJSON *out, const ns_study *s, const char *name, bool of_checkpoint, ns_error *err)
{
    const int64_t C = ns_study_size(s).C;
    float *const values = ns_alloc_array((size_t)C, sizeof *values);
    int rc = values ? NS_OK : ns_oom(err, name);
    if (rc == NS_OK && ns_study_has(s, name) && (!of_checkpoint || ns_study_is_one(s))) {
        rc = of_checkpoint ? ns_study_case_series(s, name, 0, 0, values, err) : ns_study_case_numbers(s, name, values, err);
        rc = rc != NS_OK ? rc : ns_web_floats(p, out, name, values, C, NS_WEB_NEEDED, err);
    }
    free(values);
    return rc;
}

static int cases(ns_web *p, cJSON *file, const ns_study *s, ns_error *err)
{
    static const char *const numbers[] = {"length", "depth", "distance"}, *const answers[] = {"answered", "first_right"};
    cJSON *const out = ns_web_object(p, file, "cases");
    ns_web_number(p, out, "n", (double)ns_study_size(s).C);
    int rc = ns_web_texts(p, out, ns_study_file(s), "case_id", ns_study_size(s).C, err);
    for (int i = 0; i < 3 && rc == NS_OK; i++)
        rc = case_numbers(p, out, s, numbers[i], false, err);
    for (int i = 0; i < 2 && rc == NS_OK; i++)
        rc = case_numbers(p, out, s, answers[i], true, err);
    return rc;
}

int ns_web_study(ns_web *p, cJSON *file, ns_study *s, ns_error *err)
{
    int rc = grid(p, file, s, err);
    rc = rc != NS_OK ? rc : scores(p, file, s, err);
    rc = rc != NS_OK ? rc : series(p, file, s, err);
    return rc != NS_OK ? rc : cases(p, file, s, err);
}

/* ---- what each case gave each head, checkpoint by checkpoint ---- */

static int add_counts(ns_web *p, cJSON *list, const ns_study *s, const char *name, int64_t at, float *values, ns_error *err)
{
    const ns_study_shape n = ns_study_size(s);
    const bool scored = ns_study_status(s)[at] == NS_STUDY_DONE;
    if (!scored || ns_web_is_full(p, NS_WEB_HITS)) {
        p->left[NS_WEB_HITS] += scored;
        ns_web_text(p, list, NULL, NULL);
        return NS_OK;
    }
    const int rc = ns_study_counts(s, name, at / n.P, at % n.P, values, err);
    return rc != NS_OK ? rc : ns_web_floats(p, list, NULL, values, n.C * n.L * n.H, NS_WEB_HITS, err);
}

/* name: what each score is counted of, and of hits the events beside them. */
static int counts(ns_web *p, cJSON *of, const ns_study *s, const char *name, ns_error *err)
{
    const ns_study_shape n = ns_study_size(s);
    if (!name || cJSON_GetObjectItemCaseSensitive(of, name))
        return NS_OK;
    float *const values = ns_alloc_array((size_t)(n.C * n.L * n.H), sizeof *values);
    cJSON *const list = ns_web_list(p, of, name);
    int rc = values ? NS_OK : ns_oom(err, name);
    for (int64_t at = 0; at < n.R * n.P && rc == NS_OK && !p->failed; at++)
        rc = add_counts(p, list, s, name, at, values, err);
    free(values);
    return rc;
}

/* Of one checkpoint those of every score; of a study, which has so many, those of the usual one. */
int ns_web_study_hits(ns_web *p, cJSON *file, ns_study *s, ns_error *err)
{
    int64_t n;
    const char *const *const names = ns_study_scores(s, &n), *const usual = ns_study_usual_score(s);
    cJSON *const of = ns_web_object(p, file, "counts");
    char name[NS_CHANCE_NAME];
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        if (!counted(s, names[i], name) || (!ns_study_is_one(s) && strcmp(names[i], usual)))
            continue;
        rc = counts(p, of, s, name, err);
        rc = rc != NS_OK ? rc : counts(p, of, s, ns_hits_of(name), err);
    }
    return rc;
}
