/* source.c - opens a study or a score file: shape, names and coordinates at once, each checked against the shape; values on request. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "source.h"

void ns_export_close(ns_export *x)
{
    if (!x)
        return;
    for (int64_t i = 0; i < x->n_coords; i++) {
        free(x->coord[i].name);
        free(x->coord[i].number);
        ns_free_strings(x->coord[i].text, x->R);
    }
    free(x->coord);
    ns_free_strings(x->score, x->n_scores);
    ns_free_strings(x->run_name, x->R);
    ns_free_strings(x->kind, x->R * x->L);
    free(x->step);
    free(x->tokens);
    free(x->status);
    free(x->valid);
    free(x->window);
    ns_file_close(x->file);
    free(x->path);
    free(x);
}

/* ---- datasets, held to the shape ---- */

static int64_t cells(int rank, const int64_t *shape)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= shape[i];
    return n;
}

static int other_shape(const ns_export *x, const char *name, ns_error *err)
{
    return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has another shape than the scores", x->path, name);
}

static int read_whole(const ns_export *x, const char *name, int64_t n, int64_t **out, ns_error *err)
{
    int rank;
    int64_t shape[NS_MAX_RANK];
    const int rc = ns_file_read_i64(x->file, name, out, &rank, shape, err);
    return rc || cells(rank, shape) == n ? rc : other_shape(x, name, err);
}

static int read_texts(const ns_export *x, const char *name, int64_t n, char ***out, ns_error *err)
{
    int64_t got;
    const int rc = ns_file_read_strings(x->file, name, out, &got, err);
    if (rc || got == n)
        return rc;
    ns_free_strings(*out, got);
    *out = NULL;
    return other_shape(x, name, err);
}

static int read_length(const ns_export *x, const char *axis, int64_t *n, ns_error *err)
{
    int rank;
    int64_t shape[NS_MAX_RANK];
    int rc = ns_file_describe(x->file, axis, NULL, &rank, shape, NULL, err);
    if (rc == NS_OK && rank != 1)
        rc = ns_fail(err, NS_E_FORMAT, "%s: axis '%s' is not a list", x->path, axis);
    *n = rc == NS_OK ? shape[0] : 0;
    return rc;
}

static const char *axes_of_scores(const ns_export *x)
{
    return x->is_study ? "run step layer head" : "layer head";
}

/* ---- what the lists hold ---- */

static int add_coord(ns_export *x, const char *name, ns_dtype dtype, ns_error *err)
{
    int rank;
    int64_t shape[NS_MAX_RANK];
    ns_export_coord c = {0};
    if (!ns_grow(&x->coord, &x->coords_capacity, x->n_coords + 1, sizeof *x->coord) || !(c.name = ns_strdup(name)))
        return ns_oom(err, name);
    int rc = dtype == NS_N_DTYPES ? read_texts(x, name, x->R, &c.text, err) : ns_file_read_f64(x->file, name, &c.number, &rank, shape, err);
    if (rc == NS_OK && !c.text && cells(rank, shape) != x->R)
        rc = other_shape(x, name, err);
    x->coord[x->n_coords++] = c;
    return rc;
}

static int add_score(ns_export *x, char **list, int64_t n, const char *name, ns_error *err)
{
    if (!x->score)
        x->score = ns_alloc_array((size_t)n, sizeof *list);
    char *const copy = x->score ? ns_strdup(name) : NULL;
    if (!copy)
        return ns_oom(err, name);
    x->score[x->n_scores++] = copy;
    return NS_OK;
}

/* Scores are the f32 over heads; coordinates what else has a value for each run. */
static int read_names(ns_export *x, ns_error *err)
{
    char **list;
    int64_t n, shape[NS_MAX_RANK];
    int rc = ns_file_list(x->file, &list, &n, err), rank;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        char *axes = NULL;
        ns_dtype dtype;
        const char *const name = list[i] + (list[i][0] == '/');
        rc = strchr(name, '/') ? NS_OK : ns_file_describe(x->file, name, &dtype, &rank, shape, &axes, err);
        if (rc == NS_OK && axes && dtype == NS_F32 && strcmp(axes, axes_of_scores(x)) == 0)
            rc = add_score(x, list, n, name, err);
        else if (rc == NS_OK && axes && x->is_study && strcmp(axes, "run") == 0 && strcmp(name, "run") && strcmp(name, "run_name"))
            rc = add_coord(x, name, dtype, err);
        free(axes);
    }
    ns_free_strings(list, n);
    if (rc == NS_OK && !x->n_scores)
        rc = ns_fail(err, NS_E_ARG, "%s: no score over heads in it", x->path);
    return rc;
}

static int64_t fact_number(const ns_export *x, const char *name)
{
    const char *const text = ns_file_fact(x->file, name);
    char *end;
    const long long value = text ? strtoll(text, &end, 10) : -1;
    return text && *text && !*end ? value : -1;
}

/* A score file says less: its run is the model, its step is known when a scan wrote it. */
static int make_grid(ns_export *x, ns_error *err)
{
    const char *const run = ns_file_fact(x->file, "run"), *const model = ns_file_fact(x->file, "model_name");
    x->step = ns_alloc_array(1, sizeof *x->step);
    x->tokens = ns_alloc_array(1, sizeof *x->tokens);
    x->status = ns_alloc_array(1, sizeof *x->status);
    x->run_name = ns_alloc_array(1, sizeof *x->run_name);
    if (!x->step || !x->tokens || !x->status || !x->run_name || !(x->run_name[0] = ns_strdup(run ? run : model ? model : "")))
        return ns_oom(err, x->path);
    x->step[0] = fact_number(x, "step");
    x->tokens[0] = fact_number(x, "tokens");
    x->status[0] = NS_EXPORT_DONE;
    return NS_OK;
}

static int read_grid(ns_export *x, ns_error *err)
{
    if (!x->is_study)
        return make_grid(x, err);
    int rc = read_whole(x, "step", x->P, &x->step, err);
    rc = rc ? rc : read_whole(x, "tokens", x->R * x->P, &x->tokens, err);
    rc = rc ? rc : read_whole(x, "status", x->R * x->P, &x->status, err);
    return rc ? rc : read_texts(x, "run_name", x->R, &x->run_name, err);
}

/* Sizes come from a file: no product of them below may overflow. */
static int check_sizes(const ns_export *x, ns_error *err)
{
    int64_t heads, grid, all;
    const bool good = ns_mul_i64(x->L, x->H, &heads) && ns_mul_i64(x->R, x->P, &grid) && ns_mul_i64(heads, grid, &all) &&
                      ns_mul_i64(heads, x->C, &all);
    return good ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: runs %lld, steps %lld, cases %lld, layers %lld, heads %lld: too many to be true", x->path,
                                  (long long)x->R, (long long)x->P, (long long)x->C, (long long)x->L, (long long)x->H);
}

static int read_all(ns_export *x, ns_error *err)
{
    int rc = x->is_study ? read_length(x, "run", &x->R, err) : NS_OK;
    rc = rc || !x->is_study ? rc : read_length(x, "step", &x->P, err);
    rc = rc ? rc : read_length(x, "layer", &x->L, err);
    rc = rc ? rc : read_length(x, "head", &x->H, err);
    rc = rc ? rc : read_length(x, "case", &x->C, err);
    rc = rc ? rc : check_sizes(x, err);
    rc = rc ? rc : read_grid(x, err);
    rc = rc ? rc : read_texts(x, "layer_kind", x->R * x->L, &x->kind, err);
    rc = rc ? rc : read_whole(x, "head_valid", x->R * x->L * x->H, &x->valid, err);
    rc = rc ? rc : read_whole(x, x->is_study ? "head_window" : "window", x->R * x->L * x->H, &x->window, err);
    return rc ? rc : read_names(x, err);
}

int ns_export_open(ns_export **out, const char *path, ns_error *err)
{
    *out = NULL;
    ns_export *const x = ns_alloc_array(1, sizeof *x);
    if (!x)
        return ns_oom(err, path);
    *x = (ns_export){.path = ns_strdup(path), .R = 1, .P = 1};
    int rc = x->path ? ns_file_open(&x->file, path, err) : ns_oom(err, path);
    const char *const kind = rc == NS_OK ? ns_file_fact(x->file, "kind") : NULL;
    x->is_study = kind && strcmp(kind, "study") == 0;
    if (rc == NS_OK && !x->is_study && ((kind && strcmp(kind, "scores")) || !ns_file_has(x->file, "layer_kind")))
        rc = ns_fail(err, NS_E_ARG, "%s: neither a study (needlescope merge) nor scores (needlescope score -o)", path);
    rc = rc ? rc : read_all(x, err);
    if (rc == NS_OK)
        *out = x;
    else
        ns_export_close(x);
    return rc;
}

ns_export_shape ns_export_size(const ns_export *x)
{
    return (ns_export_shape){x->R, x->P, x->L, x->H};
}

bool ns_export_is_study(const ns_export *x)
{
    return x->is_study;
}

const char *const *ns_export_scores(const ns_export *x, int64_t *n)
{
    *n = x->n_scores;
    return (const char *const *)x->score;
}

/* ---- parameters ---- */

static int no_such(const ns_export *x, const char *what, const char *name, char *const *list, int64_t n, ns_error *err)
{
    char known[600] = "";
    for (int64_t i = 0; i < n && strlen(known) + strlen(list[i]) < 560; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", list[i]);
    return ns_fail(err, NS_E_ARG, "%s: no %s '%.200s'; it has %s", x->path, what, name, known);
}

static bool has_score(const ns_export *x, const char *name)
{
    for (int64_t i = 0; i < x->n_scores; i++)
        if (strcmp(x->score[i], name) == 0)
            return true;
    return false;
}

int64_t ns_export_run(const ns_export *x, const char *name)
{
    for (int64_t r = 0; r < x->R; r++)
        if (strcmp(x->run_name[r], name) == 0)
            return r;
    return -1;
}

static bool same_file(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

int ns_export_check(const ns_export *x, const char *path, const ns_export_params *given, ns_export_params *out, ns_error *err)
{
    if (same_file(x->path, path))
        return ns_fail(err, NS_E_ARG, "%s: is what is exported; it would be lost (choose another name)", path);
    if (given->size != sizeof *out || given->n_scores < 1)
        return ns_fail(err, NS_E_ARG, "%s: an export needs its parameters, and a score at least", x->path);
    *out = *given;
    out->top = out->top ? out->top : NS_EXPORT_TOP;
    for (int i = 0; i < out->n_scores; i++)
        if (!has_score(x, out->scores[i].name))
            return no_such(x, "score", out->scores[i].name, x->score, x->n_scores, err);
    if (out->run && ns_export_run(x, out->run) < 0)
        return no_such(x, "run", out->run, x->run_name, x->R, err);
    return NS_OK;
}

/* ---- values ---- */

int64_t ns_export_last(const ns_export *x, int64_t run)
{
    int64_t p = x->P - 1;
    while (p >= 0 && x->status[run * x->P + p] != NS_EXPORT_DONE)
        p--;
    return p;
}

int ns_export_values(const ns_export *x, const char *score, float **out, ns_error *err)
{
    int rank;
    int64_t shape[NS_MAX_RANK];
    const int rc = ns_file_read_f32(x->file, score, out, &rank, shape, NULL, err);
    if (rc || cells(rank, shape) == x->R * x->P * x->L * x->H)
        return rc;
    free(*out);
    *out = NULL;
    return other_shape(x, score, err);
}

int ns_export_bound(const ns_export *x, const char *which, const char *score, float **out, ns_error *err)
{
    char **names = NULL;
    int64_t n = 0, at = 0;
    *out = NULL;
    if (x->is_study || !ns_file_has(x->file, which) || !ns_file_has(x->file, "score_name"))
        return NS_OK;
    int rc = ns_file_read_strings(x->file, "score_name", &names, &n, err);
    while (rc == NS_OK && at < n && strcmp(names[at], score))
        at++;
    ns_free_strings(names, n);
    if (rc || at == n)
        return rc;
    *out = ns_alloc_array((size_t)(x->L * x->H), sizeof **out);
    rc = *out ? ns_file_read_slab(x->file, which, 3, (const int64_t[]){at, 0, 0}, (const int64_t[]){1, x->L, x->H}, *out, err) : ns_oom(err, which);
    if (rc) {
        free(*out);
        *out = NULL;
    }
    return rc;
}
