/* study.c - a study, or the scores of one checkpoint, opened: shape, runs, steps, layers and heads at once, each checked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/arch.h>

#include "record/open_study.h"

void ns_study_close(ns_study *s)
{
    if (!s)
        return;
    ns_study_forget(s);
    for (int64_t i = 0; i < s->n_coords; i++) {
        free(s->coord[i].name);
        free(s->coord[i].number);
        ns_free_strings(s->coord[i].text, s->n.R);
    }
    free(s->coord);
    ns_free_strings(s->run_name, s->n.R);
    ns_free_strings(s->layer_kind, s->n.R * s->n.L);
    free(s->steps);
    free(s->tokens);
    free(s->valid);
    free(s->windows);
    free(s->status);
    free(s->path);
    ns_file_close(s->file);
    free(s);
}

/* ---- datasets, held to the shape ---- */

int ns_study_misshapen(const ns_study *s, const char *dataset, ns_error *err)
{
    return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has another shape than its study", s->path, dataset);
}

static int64_t cells(int rank, const int64_t *shape)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= shape[i];
    return n;
}

static int read_whole(const ns_study *s, const char *name, int64_t n, int64_t **out, ns_error *err)
{
    int rank;
    int64_t shape[NS_MAX_RANK];
    const int rc = ns_file_read_i64(s->file, name, out, &rank, shape, err);
    if (rc || cells(rank, shape) == n)
        return rc;
    free(*out);
    *out = NULL;
    return ns_study_misshapen(s, name, err);
}

static int read_texts(const ns_study *s, const char *name, int64_t want, char ***out, ns_error *err)
{
    int64_t n;
    const int rc = ns_file_read_strings(s->file, name, out, &n, err);
    if (rc || n == want)
        return rc;
    ns_free_strings(*out, n);
    *out = NULL;
    return ns_fail(err, NS_E_FORMAT, "%s: '%s' has %lld entries, the study needs %lld", s->path, name, (long long)n, (long long)want);
}

static int read_length(const ns_study *s, const char *axis, int64_t *n, ns_error *err)
{
    int rank;
    int64_t shape[NS_MAX_RANK];
    int rc = ns_file_describe(s->file, axis, NULL, &rank, shape, NULL, err);
    if (rc == NS_OK && rank != 1)
        rc = ns_fail(err, NS_E_FORMAT, "%s: axis '%s' is not a list", s->path, axis);
    *n = rc == NS_OK ? shape[0] : 0;
    return rc;
}

/* Sizes come from a file: no product of them below may overflow. */
static int check_sizes(const ns_study *s, ns_error *err)
{
    int64_t heads, grid, all;
    const ns_study_shape n = s->n;
    const bool good = ns_mul_i64(n.L, n.H, &heads) && ns_mul_i64(n.R, n.P, &grid) && ns_mul_i64(heads, grid, &all) &&
                      ns_mul_i64(all, n.C > 0 ? n.C : 1, &all);
    return good ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: runs %lld, steps %lld, cases %lld, layers %lld, heads %lld: too many to be true",
                                  s->path, (long long)n.R, (long long)n.P, (long long)n.C, (long long)n.L, (long long)n.H);
}

static int read_shape(ns_study *s, ns_error *err)
{
    s->n.R = s->n.P = 1;
    int rc = s->one ? NS_OK : read_length(s, "run", &s->n.R, err);
    rc = rc || s->one ? rc : read_length(s, "step", &s->n.P, err);
    rc = rc ? rc : read_length(s, "layer", &s->n.L, err);
    rc = rc ? rc : read_length(s, "head", &s->n.H, err);
    rc = rc ? rc : read_length(s, "case", &s->n.C, err);
    return rc ? rc : check_sizes(s, err);
}

/* ---- runs and steps ---- */

static int64_t fact_number(const ns_study *s, const char *name)
{
    const char *const text = ns_file_fact(s->file, name);
    char *end;
    const long long value = text ? strtoll(text, &end, 10) : -1;
    return text && *text && !*end ? value : -1;
}

/* A score file says less: its run is the model, its step is known when a scan wrote it. */
static int make_grid(ns_study *s, ns_error *err)
{
    const char *const run = ns_file_fact(s->file, "run"), *const model = ns_file_fact(s->file, "model_name");
    s->steps = ns_alloc_array(1, sizeof *s->steps);
    s->tokens = ns_alloc_array(1, sizeof *s->tokens);
    s->status = ns_alloc_array(1, sizeof *s->status);
    s->run_name = ns_alloc_array(1, sizeof *s->run_name);
    if (!s->steps || !s->tokens || !s->status || !s->run_name || !(s->run_name[0] = ns_strdup(run ? run : model ? model : "")))
        return ns_oom(err, s->path);
    s->steps[0] = fact_number(s, "step");
    s->tokens[0] = fact_number(s, "tokens");
    s->status[0] = NS_STUDY_DONE;
    return NS_OK;
}

static int read_grid(ns_study *s, ns_error *err)
{
    const int64_t grid = s->n.R * s->n.P;
    int64_t *status = NULL;
    if (s->one)
        return make_grid(s, err);
    int rc = read_texts(s, "run_name", s->n.R, &s->run_name, err);
    rc = rc ? rc : read_whole(s, "step", s->n.P, &s->steps, err);
    rc = rc ? rc : read_whole(s, "tokens", grid, &s->tokens, err);
    rc = rc ? rc : read_whole(s, "status", grid, &status, err);
    s->status = rc == NS_OK ? ns_alloc_array((size_t)grid, 1) : NULL;
    if (rc == NS_OK && !s->status)
        rc = ns_oom(err, s->path);
    for (int64_t i = 0; rc == NS_OK && i < grid; i++)
        s->status[i] = (uint8_t)status[i];
    free(status);
    return rc;
}

static int add_coord(ns_study *s, const char *name, ns_dtype dtype, ns_error *err)
{
    int rank = 1;
    int64_t shape[NS_MAX_RANK] = {s->n.R};
    if (!ns_grow(&s->coord, &s->coords_capacity, s->n_coords + 1, sizeof *s->coord))
        return ns_oom(err, name);
    ns_study_coord *const c = &s->coord[s->n_coords++];
    *c = (ns_study_coord){.name = ns_strdup(name)};
    int rc = !c->name                  ? ns_oom(err, name)
             : dtype == NS_N_DTYPES ? read_texts(s, name, s->n.R, &c->text, err)
                                    : ns_file_read_f64(s->file, name, &c->number, &rank, shape, err);
    return rc || cells(rank, shape) == s->n.R ? rc : ns_study_misshapen(s, name, err);
}

/* What has a value for each run. */
static int read_coords(ns_study *s, ns_error *err)
{
    char **list;
    int64_t n = 0;
    int rc = s->one ? NS_OK : ns_file_list(s->file, &list, &n, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        char *axes = NULL;
        ns_dtype dtype;
        const char *const name = list[i] + (list[i][0] == '/');
        rc = strchr(name, '/') ? NS_OK : ns_file_describe(s->file, name, &dtype, NULL, NULL, &axes, err);
        if (rc == NS_OK && axes && strcmp(axes, "run") == 0 && strcmp(name, "run") && strcmp(name, "run_name"))
            rc = add_coord(s, name, dtype, err);
        free(axes);
    }
    if (!s->one)
        ns_free_strings(list, n);
    return rc;
}

/* ---- layers and heads ---- */

/* A patching says nothing of heads that are not there: a score of them is NaN. */
static int read_heads(ns_study *s, ns_error *err)
{
    const int64_t n = s->n.R * s->n.L * s->n.H;
    int rc = read_texts(s, "layer_kind", s->n.R * s->n.L, &s->layer_kind, err);
    rc = rc ? rc : read_whole(s, s->one ? "window" : "head_window", n, &s->windows, err);
    if (rc || ns_file_has(s->file, "head_valid") || !s->one)
        return rc ? rc : read_whole(s, "head_valid", n, &s->valid, err);
    s->valid = ns_alloc_array((size_t)n, sizeof *s->valid);
    for (int64_t i = 0; s->valid && i < n; i++)
        s->valid[i] = 1;
    return s->valid ? NS_OK : ns_oom(err, s->path);
}

/* ---- the whole ---- */

static int open_file(ns_study *s, const char *path, ns_error *err)
{
    static const ns_kinds kinds = NS_KINDS(NS_KIND_STUDY) | NS_KINDS(NS_KIND_SCORES) | NS_KINDS(NS_KIND_PATCHING);
    const int rc = s->path ? ns_file_open_as(&s->file, path, kinds, "a study (needlescope merge) or scores (needlescope score -o)", err) : ns_oom(err, path);
    const char *const kind = rc == NS_OK ? ns_file_fact(s->file, "kind") : NULL;
    s->one = !kind || strcmp(kind, "study");
    return rc || !s->one || ns_file_has(s->file, "layer_kind") ? rc : ns_fail(err, NS_E_ARG, "%s: scores without 'layer_kind'", path);
}

int ns_study_open(ns_study **out, const char *path, ns_error *err)
{
    *out = NULL;
    ns_study *const s = ns_alloc_array(1, sizeof *s);
    if (!s)
        return ns_oom(err, path);
    s->path = ns_strdup(path);
    int rc = open_file(s, path, err);
    rc = rc ? rc : read_shape(s, err);
    rc = rc ? rc : read_grid(s, err);
    rc = rc ? rc : read_coords(s, err);
    rc = rc ? rc : read_heads(s, err);
    rc = rc ? rc : ns_study_find_scores(s, err);
    if (rc == NS_OK)
        *out = s;
    else
        ns_study_close(s);
    return rc;
}

/* ---- what was read ---- */

ns_study_shape ns_study_size(const ns_study *s)          { return s->n; }
bool ns_study_is_one(const ns_study *s)                  { return s->one; }
const char *ns_study_path(const ns_study *s)             { return s->path; }
const ns_file *ns_study_file(const ns_study *s)          { return s->file; }
const int64_t *ns_study_steps(const ns_study *s)         { return s->steps; }
const int64_t *ns_study_tokens(const ns_study *s)        { return s->tokens; }
const uint8_t *ns_study_status(const ns_study *s)        { return s->status; }

int64_t ns_study_count(const ns_study *s, int status)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n.R * s->n.P; i++)
        n += s->status[i] == status;
    return n;
}

int64_t ns_study_not_taken(const ns_study *s)
{
    const char *const n = ns_file_fact(s->file, "not_taken");
    return n ? strtoll(n, NULL, 10) : 0;
}

int ns_study_check_steps(const ns_study *s, ns_error *err)
{
    if (!s->one)
        return NS_OK;
    return ns_fail(err, NS_E_ARG, "%s: the scores of one checkpoint, not a study (needlescope merge makes one of a scan)", s->path);
}

const char *ns_study_run_name(const ns_study *s, int64_t run)
{
    return run >= 0 && run < s->n.R ? s->run_name[run] : NULL;
}

int ns_study_find_run(const ns_study *s, const char *name, int64_t *out, ns_error *err)
{
    for (*out = 0; *out < s->n.R; ++*out)
        if (strcmp(s->run_name[*out], name) == 0)
            return NS_OK;
    char known[600] = "";
    for (int64_t r = 0; r < s->n.R && strlen(known) + strlen(s->run_name[r]) < 560; r++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", r ? ", " : "", s->run_name[r]);
    const char *const near = ns_nearest_word(name, (const char *const *)s->run_name, s->n.R);
    return ns_fail(err, NS_E_ARG, "%s: no run '%.200s'%s%.100s%s; it has %s", s->path, name, near ? " (did you mean " : "",
                   near ? near : "", near ? "?)" : "", known);
}

const ns_study_coord *ns_study_coords(const ns_study *s, int64_t *n)
{
    *n = s->n_coords;
    return s->coord;
}

static const ns_study_coord *find_coord(const ns_study *s, int64_t run, const char *name)
{
    for (int64_t i = 0; i < s->n_coords && run >= 0 && run < s->n.R; i++)
        if (strcmp(s->coord[i].name, name) == 0)
            return &s->coord[i];
    return NULL;
}

double ns_study_run_number(const ns_study *s, int64_t run, const char *coord, double otherwise)
{
    const ns_study_coord *const c = find_coord(s, run, coord);
    return c && c->number && !isnan(c->number[run]) ? c->number[run] : otherwise;
}

const char *ns_study_run_text(const ns_study *s, int64_t run, const char *coord)
{
    const ns_study_coord *const c = find_coord(s, run, coord);
    return c && c->text ? c->text[run] : NULL;
}

int64_t ns_study_last(const ns_study *s, int64_t run)
{
    int64_t p = s->n.P - 1;
    while (p >= 0 && s->status[run * s->n.P + p] != NS_STUDY_DONE)
        p--;
    return p;
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

void ns_study_layers(const ns_study *s, int64_t run, int *kind, int64_t *window)
{
    for (int64_t l = 0; l < s->n.L; l++) {
        kind[l] = NS_LAYER_FULL;
        for (int k = NS_LAYER_FULL; k <= NS_LAYER_RECURRENT; k++)
            kind[l] = strcmp(ns_study_layer_kind(s, run, l), ns_layer_kind_name((ns_layer_kind)k)) == 0 ? k : kind[l];
        window[l] = 0;
        for (int64_t h = 0; h < s->n.H; h++) {
            const int64_t w = ns_study_head_window(s, run, l, h);
            window[l] = w > window[l] ? w : window[l];
        }
    }
}
