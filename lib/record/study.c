/* study.c - a study as analysis sees it: shape and coordinates read at once and checked against each other, scores on first use. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/record.h>
#include <needlescope/study.h>

#include "core/core.h"

typedef struct cached { char *name; void *values; } cached;       /* floats; of runs: doubles, a text */

struct ns_study {
    ns_file       *file;
    char          *path;
    ns_study_shape n;
    char         **run_name, **layer_kind;      /* [R], [R, L] */
    int64_t       *steps, *tokens, *valid, *windows;
    uint8_t       *status;
    cached        *cache;
    int64_t        n_cache, cache_capacity;
};

void ns_study_close(ns_study *s)
{
    if (!s)
        return;
    ns_free_strings(s->run_name, s->n.R);
    ns_free_strings(s->layer_kind, s->n.R * s->n.L);
    for (int64_t i = 0; i < s->n_cache; i++) {
        free(s->cache[i].name);
        free(s->cache[i].values);
    }
    free(s->cache);
    free(s->steps);
    free(s->tokens);
    free(s->valid);
    free(s->windows);
    free(s->status);
    free(s->path);
    ns_file_close(s->file);
    free(s);
}

/* A dataset of whole numbers with the axes that a study gives it. */
static int read_whole(const ns_study *s, const char *name, int rank, const int64_t *shape, int64_t **out, ns_error *err)
{
    int got;
    int64_t size[NS_MAX_RANK];
    int rc = ns_file_read_i64(s->file, name, out, &got, size, err);
    if (rc == NS_OK && (got != rank || (shape && memcmp(size, shape, (size_t)rank * sizeof *shape)))) {
        free(*out);
        *out = NULL;
        rc = ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has another shape than its study", s->path, name);
    }
    return rc;
}

static int read_axis(const ns_study *s, const char *name, int64_t **values, int64_t *n, ns_error *err)
{
    int rank;
    int64_t shape[NS_MAX_RANK];
    const int rc = ns_file_read_i64(s->file, name, values, &rank, shape, err);
    if (rc == NS_OK && rank != 1) {
        free(*values);
        *values = NULL;
        return ns_fail(err, NS_E_FORMAT, "%s: axis '%s' is not a list", s->path, name);
    }
    *n = rc == NS_OK ? shape[0] : 0;
    return rc;
}

static int read_length(const ns_study *s, const char *name, int64_t *n, ns_error *err)
{
    int64_t *values;
    const int rc = read_axis(s, name, &values, n, err);
    if (rc == NS_OK)
        free(values);
    return rc;
}

static int read_texts(const ns_study *s, const char *name, int64_t want, char ***out, ns_error *err)
{
    int64_t n;
    const int rc = ns_file_read_strings(s->file, name, out, &n, err);
    if (rc == NS_OK && n != want) {
        ns_free_strings(*out, n);
        *out = NULL;
        return ns_fail(err, NS_E_FORMAT, "%s: '%s' has %lld entries, the study needs %lld", s->path, name, (long long)n, (long long)want);
    }
    return rc;
}

static int read_coordinates(ns_study *s, ns_error *err)
{
    const int64_t grid[2] = {s->n.R, s->n.P}, heads[3] = {s->n.R, s->n.L, s->n.H};
    int64_t *status = NULL;
    int rc = read_texts(s, "run_name", s->n.R, &s->run_name, err);
    if (rc == NS_OK)
        rc = read_texts(s, "layer_kind", s->n.R * s->n.L, &s->layer_kind, err);
    if (rc == NS_OK)
        rc = read_whole(s, "tokens", 2, grid, &s->tokens, err);
    if (rc == NS_OK)
        rc = read_whole(s, "status", 2, grid, &status, err);
    if (rc == NS_OK)
        rc = read_whole(s, "head_valid", 3, heads, &s->valid, err);
    if (rc == NS_OK)
        rc = read_whole(s, "head_window", 3, heads, &s->windows, err);
    s->status = rc == NS_OK ? ns_alloc_array((size_t)(s->n.R * s->n.P), 1) : NULL;
    if (rc == NS_OK && !s->status)
        rc = ns_oom(err, s->path);
    for (int64_t i = 0; rc == NS_OK && i < s->n.R * s->n.P; i++)
        s->status[i] = (uint8_t)status[i];
    free(status);
    return rc;
}

int ns_study_open(ns_study **out, const char *path, ns_error *err)
{
    *out = NULL;
    ns_study *const s = ns_alloc_array(1, sizeof *s);
    if (!s)
        return ns_oom(err, path);
    s->path = ns_strdup(path);
    int rc = s->path ? ns_file_open(&s->file, path, err) : ns_oom(err, path);
    const char *const kind = rc == NS_OK ? ns_file_fact(s->file, "kind") : NULL;
    if (rc == NS_OK && (!kind || strcmp(kind, "study") != 0))
        rc = ns_fail(err, NS_E_ARG, "%s: not a study (needlescope merge makes one of a scan)", path);
    if (rc == NS_OK)
        rc = read_length(s, "run", &s->n.R, err);
    if (rc == NS_OK)
        rc = read_axis(s, "step", &s->steps, &s->n.P, err);
    if (rc == NS_OK)
        rc = read_length(s, "case", &s->n.C, err);
    if (rc == NS_OK)
        rc = read_length(s, "layer", &s->n.L, err);
    if (rc == NS_OK)
        rc = read_length(s, "head", &s->n.H, err);
    if (rc == NS_OK)
        rc = read_coordinates(s, err);
    if (rc == NS_OK)
        *out = s;
    else
        ns_study_close(s);
    return rc;
}

ns_study_shape ns_study_size(const ns_study *s)
{
    return s->n;
}

const char *ns_study_run_name(const ns_study *s, int64_t run)
{
    return run >= 0 && run < s->n.R ? s->run_name[run] : NULL;
}

/* ---- values over named axes, read once ---- */

static cached *find(const ns_study *s, const char *name)
{
    for (int64_t i = 0; i < s->n_cache; i++)
        if (strcmp(s->cache[i].name, name) == 0)
            return &s->cache[i];
    return NULL;
}

/* What the study has over these axes, for the message. */
static int no_such(const ns_study *s, const char *name, const char *axes, ns_error *err)
{
    char **list, known[600] = "";
    int64_t n;
    if (ns_file_list(s->file, &list, &n, NULL) == NS_OK) {
        for (int64_t i = 0; i < n; i++) {
            char *got = NULL;
            const char *const base = ns_path_base(list[i]);
            if (ns_file_describe(s->file, base, NULL, NULL, NULL, &got, NULL) == NS_OK && strcmp(got, axes) == 0 && strlen(known) + strlen(base) < 560)
                snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", known[0] ? ", " : "", base);
            free(got);
        }
        ns_free_strings(list, n);
    }
    return ns_fail(err, NS_E_ARG, "%s: no '%s' over %s; it has %s", s->path, name, axes, known[0] ? known : "none");
}

/* The cells of a dataset with these axes. */
static int64_t cells_of(const ns_study *s, const char *axes)
{
    const int64_t R = s->n.R;
    return strcmp(axes, "run step") == 0 ? R * s->n.P : R * s->n.P * s->n.L * s->n.H;
}

static int values_of(ns_study *s, const char *name, const char *axes, const float **out, ns_error *err)
{
    const cached *const known = find(s, name);
    if (known) {
        *out = known->values;
        return NS_OK;
    }
    char *got = NULL;
    float *values = NULL;
    int rank;
    int64_t shape[NS_MAX_RANK];
    int rc = ns_file_has(s->file, name) ? ns_file_read_f32(s->file, name, &values, &rank, shape, &got, err) : no_such(s, name, axes, err);
    if (rc == NS_OK && strcmp(got, axes) != 0)
        rc = no_such(s, name, axes, err);
    free(got);
    int64_t cells = 1;
    for (int i = 0; rc == NS_OK && i < rank; i++)
        cells *= shape[i];
    if (rc == NS_OK && cells != cells_of(s, axes))
        rc = ns_fail(err, NS_E_FORMAT, "%s: '%s' has another shape than its study", s->path, name);
    char *const key = rc == NS_OK ? ns_strdup(name) : NULL;
    if (rc == NS_OK && (!key || !ns_grow(&s->cache, &s->cache_capacity, s->n_cache + 1, sizeof *s->cache)))
        rc = ns_oom(err, name);
    if (rc != NS_OK) {
        free(key);
        free(values);
        return rc;
    }
    s->cache[s->n_cache++] = (cached){key, values};
    *out = values;
    return NS_OK;
}

int ns_study_score(ns_study *s, const char *name, const float **out, ns_error *err)
{
    return values_of(s, name, "run step layer head", out, err);
}

int ns_study_series(ns_study *s, const char *name, const float **out, ns_error *err)
{
    return values_of(s, name, "run step", out, err);
}

bool ns_study_has(const ns_study *s, const char *name)
{
    return ns_file_has(s->file, name);
}

/* The cache of numbers of runs: a name that no dataset has, as for their texts. In f64: a seed may have more digits than an f32. */
static const double *run_numbers(ns_study *s, const char *coord)
{
    char name[80], *got = NULL;
    snprintf(name, sizeof name, "run.%s", coord);
    const cached *const known = find(s, name);
    if (known)
        return known->values;
    double *values = NULL;
    int rank;
    int64_t shape[NS_MAX_RANK];
    const bool fits = ns_file_has(s->file, coord) && ns_file_describe(s->file, coord, NULL, &rank, shape, &got, NULL) == NS_OK && strcmp(got, "run") == 0 && shape[0] == s->n.R;
    char *const key = fits && ns_file_read_f64(s->file, coord, &values, &rank, shape, NULL) == NS_OK ? ns_strdup(name) : NULL;
    free(got);
    if (!key || !ns_grow(&s->cache, &s->cache_capacity, s->n_cache + 1, sizeof *s->cache)) {
        free(key);
        free(values);
        return NULL;
    }
    s->cache[s->n_cache++] = (cached){key, values};
    return values;
}

double ns_study_run_number(const ns_study *s, int64_t run, const char *coord, double otherwise)
{
    const double *const values = run >= 0 && run < s->n.R ? run_numbers((ns_study *)s, coord) : NULL;      /* the cache is not part of what the study says */
    return values && !isnan(values[run]) ? values[run] : otherwise;
}

const char *ns_study_run_text(const ns_study *s, int64_t run, const char *coord)
{
    char name[80];
    snprintf(name, sizeof name, "run.%s\n%lld", coord, (long long)run);       /* no dataset is called so */
    ns_study *const mine = (ns_study *)s;
    const cached *const known = find(s, name);
    if (known)
        return known->values;
    char **list = NULL;
    int64_t n = 0;
    if (run < 0 || run >= s->n.R || !ns_file_has(s->file, coord) || ns_file_read_strings(s->file, coord, &list, &n, NULL) || n != s->n.R) {
        ns_free_strings(list, n);
        return NULL;
    }
    char *const key = ns_strdup(name), *const text = ns_strdup(list[run]);
    ns_free_strings(list, n);
    if (!key || !text || !ns_grow(&mine->cache, &mine->cache_capacity, mine->n_cache + 1, sizeof *mine->cache)) {
        free(key);
        free(text);
        return NULL;
    }
    mine->cache[mine->n_cache++] = (cached){key, text};
    return text;
}

const int64_t *ns_study_steps(const ns_study *s)
{
    return s->steps;
}

const int64_t *ns_study_tokens(const ns_study *s)
{
    return s->tokens;
}

const uint8_t *ns_study_status(const ns_study *s)
{
    return s->status;
}

const char *ns_study_layer_kind(const ns_study *s, int64_t run, int64_t layer)
{
    return s->layer_kind[run * s->n.L + layer];
}

bool ns_study_head_valid(const ns_study *s, int64_t run, int64_t layer, int64_t head)
{
    return s->valid[(run * s->n.L + layer) * s->n.H + head] != 0;
}

int64_t ns_study_head_window(const ns_study *s, int64_t run, int64_t layer, int64_t head)
{
    return s->windows[(run * s->n.L + layer) * s->n.H + head];
}

int ns_study_counts(const ns_study *s, const char *name, int64_t run, int64_t step, float *out, ns_error *err)
{
    const int64_t start[5] = {run, step, 0, 0, 0}, count[5] = {1, 1, s->n.C, s->n.L, s->n.H};
    return ns_file_read_slab(s->file, name, 5, start, count, out, err);
}

int ns_study_case_series(const ns_study *s, const char *name, int64_t run, int64_t step, float *out, ns_error *err)
{
    const int64_t start[3] = {run, step, 0}, count[3] = {1, 1, s->n.C};
    return ns_file_read_slab(s->file, name, 3, start, count, out, err);
}

int ns_study_case_numbers(const ns_study *s, const char *name, float *out, ns_error *err)
{
    const int64_t start[1] = {0}, count[1] = {s->n.C};
    return ns_file_read_slab(s->file, name, 1, start, count, out, err);
}
