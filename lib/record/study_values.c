/* study_values.c - which scores a study has and what their numbers mean; scores, series and rankings on first use. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/h5.h"
#include "record/open_study.h"

static const char *score_axes(const ns_study *s)
{
    return s->one ? "layer head" : "run step layer head";
}

/* ---- names ---- */

void ns_study_forget(ns_study *s)
{
    for (int64_t i = 0; i < s->n_cache; i++) {
        free(s->cache[i].name);
        free(s->cache[i].values);
    }
    free(s->cache);
    ns_free_strings(s->score, s->n_scores);
    free(s->meaning);
    ns_study_forget_outputs(s);
}

static int add_score(ns_study *s, const char *name, ns_error *err)
{
    s->score[s->n_scores] = ns_strdup(name);
    return s->score[s->n_scores] ? ns_file_meaning(s->file, name, &s->meaning[s->n_scores++], err) : ns_oom(err, name);
}

/* Where some say which end is best, the others (norms, bounds) are no scores. */
static void leave_unsaid(ns_study *s)
{
    int64_t n = 0;
    bool said = false;
    for (int64_t i = 0; i < s->n_scores; i++)
        said |= !s->meaning[i].assumed;
    for (int64_t i = 0; said && i < s->n_scores; i++) {
        if (s->meaning[i].assumed) {
            free(s->score[i]);
            continue;
        }
        s->score[n] = s->score[i];
        s->meaning[n++] = s->meaning[i];
    }
    s->n_scores = said ? n : s->n_scores;
}

/* A score is float32: of another type it would be missing without a word. */
static int take_heads(ns_study *s, const char *name, ns_dtype dtype, ns_error *err)
{
    if (dtype == NS_F32)
        return add_score(s, name, err);
    if (dtype == NS_N_DTYPES || ns_score_name_is_taken(name))
        return NS_OK;
    return ns_fail(err, NS_E_FORMAT, "%s: score '%s' is %s, where float32 is expected", s->path, name, ns_h5_type_name(dtype));
}

int ns_study_find_scores(ns_study *s, ns_error *err)
{
    char **list;
    int64_t n;
    int rc = ns_file_list(s->file, &list, &n, err);
    if (rc != NS_OK)
        return rc;
    s->score = ns_alloc_array((size_t)n, sizeof *s->score);
    s->meaning = ns_alloc_array((size_t)n, sizeof *s->meaning);
    s->output = ns_alloc_array((size_t)n, sizeof *s->output);
    s->output_axes = ns_alloc_array((size_t)n, sizeof *s->output_axes);
    rc = s->score && s->meaning && s->output && s->output_axes ? NS_OK : ns_oom(err, s->path);
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        char *axes = NULL;
        ns_dtype dtype;
        const char *const name = list[i] + (list[i][0] == '/');
        rc = strchr(name, '/') ? NS_OK : ns_file_describe(s->file, name, &dtype, NULL, NULL, &axes, err);
        if (rc == NS_OK && axes)
            rc = strcmp(axes, score_axes(s)) == 0 ? take_heads(s, name, dtype, err)
                                                  : ns_study_check_lost(s, name, axes, score_axes(s), err);
        rc = rc == NS_OK && axes ? ns_study_take_output(s, name, axes, dtype, err) : rc;
        free(axes);
    }
    ns_free_strings(list, n);
    leave_unsaid(s);
    return rc;
}

const char *const *ns_study_scores(const ns_study *s, int64_t *n)
{
    *n = s->n_scores;
    return (const char *const *)s->score;
}

const char *ns_study_usual_score(const ns_study *s)
{
    const char *usual = NULL;
    for (int64_t i = 0; i < s->n_scores; i++) {
        if (strcmp(s->score[i], "retrieval_find") == 0)
            return s->score[i];
        usual = !usual && ns_starts(s->score[i], "retrieval_") ? s->score[i] : usual;
    }
    return usual ? usual : s->n_scores ? s->score[0] : NULL;
}

static int64_t place_of(const ns_study *s, const char *name)
{
    int64_t i = s->n_scores - 1;
    while (i >= 0 && strcmp(s->score[i], name))
        i--;
    return i;
}

static int no_such_score(const ns_study *s, const char *name, ns_error *err)
{
    char known[600] = "";
    for (int64_t i = 0; i < s->n_scores && strlen(known) + strlen(s->score[i]) < 560; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", s->score[i]);
    const char *const near = ns_nearest_word(name, (const char *const *)s->score, s->n_scores);
    const char *const is = ns_file_has(s->file, name) ? " (a dataset of another kind)" : "";
    return ns_fail(err, NS_E_ARG, "%s: no score '%.60s'%s%s%.60s%s; it has %s", s->path, name, is, near ? " (did you mean " : "",
                   near ? near : "", near ? "?)" : "", known[0] ? known : "none");
}

int ns_study_meaning(const ns_study *s, const char *score, ns_score_meaning *out, ns_error *err)
{
    const int64_t at = place_of(s, score);
    if (at < 0)
        return ns_study_is_view(score) ? ns_study_view_meaning(s, score, out, err) : no_such_score(s, score, err);
    *out = s->meaning[at];
    return NS_OK;
}

int ns_study_ranks(const ns_study *s, const char *score, ns_score_meaning *out, ns_error *err)
{
    const int rc = ns_study_meaning(s, score, out, err);
    if (rc != NS_OK || out->best != NS_BEST_NONE)
        return rc;
    return ns_fail(err, NS_E_ARG, "%s: '%s' describes a head; no end of it is the best, so it ranks no heads (choose another score)",
                   s->path, score);
}

/* ---- values, read once ---- */

/* The values of a dataset at one checkpoint, as they are checked. */
static ns_head_values heads_at(const ns_study *s, const char *dataset, const char *score, int64_t run, const float *values, int64_t before)
{
    return (ns_head_values){s->path, dataset, score, (const char *const *)s->layer_kind + run * s->n.L, values + before, s->n.L, s->n.H,
                            before};
}

static bool is_cached(const ns_study *s, const char *name, const float **out)
{
    int64_t i = s->n_cache - 1;
    while (i >= 0 && strcmp(s->cache[i].name, name))
        i--;
    *out = i >= 0 ? s->cache[i].values : NULL;
    return i >= 0;
}

/* Takes the values that were read with rc; *out is the study's. */
static int keep(ns_study *s, const char *name, float *values, int rc, const float **out, ns_error *err)
{
    char *const key = rc == NS_OK ? ns_strdup(name) : NULL;
    if (rc == NS_OK && (!key || !ns_grow(&s->cache, &s->cache_capacity, s->n_cache + 1, sizeof *s->cache)))
        rc = ns_oom(err, name);
    if (rc != NS_OK) {
        free(key);
        free(values);
        return rc;
    }
    s->cache[s->n_cache++] = (ns_study_cached){key, values};
    *out = values;
    return NS_OK;
}

/* The array of this name, axes and shape, each within what a dataset of this name can hold. */
static int values_of(ns_study *s, const char *name, const char *axes, int rank, const int64_t *shape, const float **out, ns_error *err)
{
    float *values = NULL;
    if (is_cached(s, name, out))
        return NS_OK;
    ns_expected w = {.size = sizeof w, .name = name, .type = NS_F32, .rank = rank, .range = ns_score_range(name, NULL), .axes = axes};
    memcpy(w.shape, shape, (size_t)rank * sizeof *shape);
    const int rc = ns_file_array(s->file, &w, &values, err);
    return keep(s, name, values, rc, out, err);
}

/* name: the score, or its chance */
static int heads_of(ns_study *s, const char *name, const char *score, const float **out, ns_error *err)
{
    const int64_t at = place_of(s, score);
    const int64_t shape[4] = {s->n.R, s->n.P, s->n.L, s->n.H};
    const int skip = s->one ? 2 : 0;
    int rc = values_of(s, name, score_axes(s), 4 - skip, shape + skip, out, err);
    for (int64_t i = 0; i < s->n.R * s->n.P && rc == NS_OK; i++) {
        const ns_head_values values = heads_at(s, name, score, i / s->n.P, *out, i * s->n.L * s->n.H);
        rc = ns_check_heads(&values, at < 0 ? NULL : &s->meaning[at], err);
        if (rc == NS_OK && strcmp(name, score) == 0)
            rc = ns_study_check_defined(s, &values, i / s->n.P, i % s->n.P, err);
    }
    return rc;
}

int ns_study_score(ns_study *s, const char *name, const float **out, ns_error *err)
{
    float *values = NULL;
    if (place_of(s, name) >= 0)
        return heads_of(s, name, name, out, err);
    if (!ns_study_is_view(name))
        return no_such_score(s, name, err);
    if (is_cached(s, name, out))
        return NS_OK;
    const int rc = ns_study_view(s, name, &values, err);
    return keep(s, name, values, rc, out, err);
}

const char *ns_chance_name(const char *score, char out[NS_CHANCE_NAME])
{
    snprintf(out, NS_CHANCE_NAME, "%s_chance", score);
    return out;
}

int ns_study_chance(ns_study *s, const char *score, const float **out, ns_error *err)
{
    char name[NS_CHANCE_NAME];
    *out = NULL;
    return ns_file_has(s->file, ns_chance_name(score, name)) ? heads_of(s, name, score, out, err) : NS_OK;
}

static int has_axes(const ns_study *s, const char *name, const char *axes, bool *has, ns_error *err)
{
    char *got = NULL;
    *has = ns_file_has(s->file, name);
    const int rc = *has ? ns_file_describe(s->file, name, NULL, NULL, NULL, &got, err) : NS_OK;
    *has = got && strcmp(got, axes) == 0;
    free(got);
    return rc;
}

/* What the study has over runs and steps, for the message. */
static int no_such_series(const ns_study *s, const char *name, ns_error *err)
{
    char **list, known[600] = "";
    int64_t n;
    if (ns_file_list(s->file, &list, &n, NULL) == NS_OK) {
        for (int64_t i = 0; i < n; i++) {
            const char *const base = ns_path_base(list[i]);
            bool fits = false;
            if (has_axes(s, base, "run step", &fits, NULL) == NS_OK && fits && strlen(known) + strlen(base) < 560)
                snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", known[0] ? ", " : "", base);
        }
        ns_free_strings(list, n);
    }
    return ns_fail(err, NS_E_ARG, "%s: no '%s' over run step; it has %s", s->path, name, known[0] ? known : "none");
}

int ns_study_series(ns_study *s, const char *name, const float **out, ns_error *err)
{
    bool fits;
    const int rc = has_axes(s, name, "run step", &fits, err);
    const int64_t shape[2] = {s->n.R, s->n.P};
    return rc != NS_OK ? rc : fits ? values_of(s, name, "run step", 2, shape, out, err) : no_such_series(s, name, err);
}

bool ns_study_has(const ns_study *s, const char *name)
{
    return ns_file_has(s->file, name);
}

/* ---- what a ranking found: arrays over (score, layer, head) ---- */

static const char ranked_axes[] = "score layer head";

/* Both ends, and the score that they are about. */
static int check_ends(ns_study *s, const char *score, int64_t n, int64_t before, ns_error *err)
{
    const float *low, *high, *value;
    int rc = values_of(s, "score_low", ranked_axes, 3, (int64_t[]){n, s->n.L, s->n.H}, &low, err);
    rc = rc != NS_OK ? rc : values_of(s, "score_high", ranked_axes, 3, (int64_t[]){n, s->n.L, s->n.H}, &high, err);
    rc = rc != NS_OK ? rc : ns_study_score(s, score, &value, err);
    if (rc != NS_OK)
        return rc;
    const ns_head_values values = heads_at(s, "score_low", score, 0, value, 0);
    return ns_check_interval(&values, low + before, high + before, err);
}

/* What is before + [L, H] of one score. */
static int check_ranked(ns_study *s, const char *which, const char *score, const float *all, int64_t n, int64_t before, ns_error *err)
{
    const int64_t at = place_of(s, score);
    const ns_head_values values = heads_at(s, which, score, 0, all, before);
    const int rc = ns_check_heads(&values, at < 0 ? NULL : &s->meaning[at], err);
    const bool end = strcmp(which, "score_low") == 0 || strcmp(which, "score_high") == 0;
    return rc != NS_OK || !end || at < 0 ? rc : check_ends(s, score, n, before, err);
}

int ns_study_ranked(ns_study *s, const char *which, const char *score, const float **out, ns_error *err)
{
    char **names = NULL;
    int64_t n = 0, at = 0;
    *out = NULL;
    if (!s->one || !ns_file_has(s->file, which) || !ns_file_has(s->file, "score_name"))
        return NS_OK;
    ns_expected w = {.size = sizeof w, .name = "score_name", .rank = 1, .shape = {NS_ANY}, .axes = "score"};
    int rc = ns_file_texts(s->file, &w, &names, err);
    n = rc == NS_OK ? w.shape[0] : 0;
    while (at < n && strcmp(names[at], score))
        at++;
    ns_free_strings(names, n);
    if (rc != NS_OK || at == n)
        return rc;
    const float *all;
    rc = values_of(s, which, ranked_axes, 3, (int64_t[]){n, s->n.L, s->n.H}, &all, err);
    rc = rc != NS_OK ? rc : check_ranked(s, which, score, all, n, at * s->n.L * s->n.H, err);
    if (rc == NS_OK)
        *out = all + at * s->n.L * s->n.H;
    return rc;
}
