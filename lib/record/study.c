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
    ns_free_strings(s->arch_change, s->n.R * s->n.P);
    ns_free_strings(s->weights, s->n.R * s->n.P);
    for (int i = 0; i < 3; i++)
        ns_free_strings(s->left_text[i], s->n_left_out);
    free(s->left_out);
    free(s->steps);
    free(s->tokens);
    free(s->valid);
    free(s->windows);
    free(s->status);
    free(s->path);
    ns_file_close(s->own);
    free(s);
}

/* ---- datasets, held to the shape ---- */

enum { MOST_ROWS = 1 << 30, MOST_HEADS = 1 << 20 };     /* of an axis; of layers, and heads of a layer: beyond it a file lies */
static const double most_tokens = 0x1p53;                /* counts up to here are exact as doubles */

static int read_whole(const ns_study *s, const char *name, int rank, const int64_t *shape, ns_range range, int64_t **out, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = name, .type = NS_I64, .rank = rank, .range = range};
    memcpy(w.shape, shape, (size_t)rank * sizeof *shape);
    return ns_file_array(s->file, &w, out, err);
}

static int read_texts(const ns_study *s, const char *name, int rank, const int64_t *shape, char ***out, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = name, .rank = rank};
    memcpy(w.shape, shape, (size_t)rank * sizeof *shape);
    return ns_file_texts(s->file, &w, out, err);
}

static int read_length(const ns_study *s, const char *axis, int64_t least, int64_t most, int64_t *n, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = axis, .type = NS_I64, .rank = 1, .shape = {NS_ANY}};
    const int rc = ns_file_expect(s->file, &w, err);
    *n = rc == NS_OK ? w.shape[0] : 0;
    return rc != NS_OK || (*n >= least && *n <= most) ? rc
                                             : ns_fail(err, NS_E_FORMAT, "%s: axis '%s' of %lld values, where %lld to %lld are expected",
                                                       s->path, axis, (long long)*n, (long long)least, (long long)most);
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

/* Heads are named by their place: a part that was cut out of a file, or turned round, would have others' names. */
static int check_counted(const ns_study *s, const char *axis, int64_t n, ns_error *err)
{
    int64_t *values = NULL;
    int rc = read_whole(s, axis, 1, &n, ns_between(0, MOST_HEADS), &values, err);
    for (int64_t i = 0; rc == NS_OK && i < n; i++)
        if (values[i] != i)
            rc = ns_fail(err, NS_E_FORMAT, "%s: axis '%s' holds %lld at place %lld: it must count from 0, whole and in order", s->path,
                         axis, (long long)values[i], (long long)i);
    free(values);
    return rc;
}

static int read_shape(ns_study *s, ns_error *err)
{
    s->n.R = s->n.P = 1;
    int rc = s->one ? NS_OK : read_length(s, "run", 1, MOST_ROWS, &s->n.R, err);
    rc = rc != NS_OK || s->one ? rc : read_length(s, "step", 1, MOST_ROWS, &s->n.P, err);
    rc = rc != NS_OK ? rc : read_length(s, "layer", 1, MOST_HEADS, &s->n.L, err);
    rc = rc != NS_OK ? rc : read_length(s, "head", 1, MOST_HEADS, &s->n.H, err);
    rc = rc != NS_OK ? rc : check_counted(s, "layer", s->n.L, err);
    rc = rc != NS_OK ? rc : check_counted(s, "head", s->n.H, err);
    rc = rc != NS_OK ? rc : read_length(s, "case", 0, MOST_ROWS, &s->n.C, err);
    rc = rc != NS_OK ? rc : ns_file_extent(s->file, &s->extent, err);
    return rc != NS_OK ? rc : check_sizes(s, err);
}

/* ---- runs and steps ---- */

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
    s->status[0] = NS_STUDY_DONE;
    const int rc = ns_file_whole(s->file, "step", -1, (int64_t)most_tokens, -1, &s->steps[0], err);
    return rc != NS_OK ? rc : ns_file_whole(s->file, "tokens", -1, (int64_t)most_tokens, -1, &s->tokens[0], err);
}

static int check_ascending(const ns_study *s, ns_error *err)
{
    for (int64_t p = 1; p < s->n.P; p++)
        if (s->steps[p] <= s->steps[p - 1])
            return ns_fail(err, NS_E_FORMAT, "%s: dataset 'step': %lld stands behind %lld, where steps ascend", s->path,
                           (long long)s->steps[p], (long long)s->steps[p - 1]);
    return NS_OK;
}

/* A model that goes on has not seen less. */
static int check_tokens(const ns_study *s, ns_error *err)
{
    for (int64_t r = 0; r < s->n.R; r++) {
        int64_t most = -1;
        for (int64_t p = 0; p < s->n.P; p++) {
            const int64_t n = s->tokens[r * s->n.P + p];
            if (n >= 0 && n < most)
                return ns_fail(err, NS_E_FORMAT, "%s: dataset 'tokens': %lld at step %lld of run '%s', behind %lld: they never become "
                               "fewer", s->path, (long long)n, (long long)s->steps[p], s->run_name[r], (long long)most);
            most = n > most ? n : most;
        }
    }
    return NS_OK;
}

static int read_grid(ns_study *s, ns_error *err)
{
    const int64_t grid[2] = {s->n.R, s->n.P};
    int64_t *status = NULL;
    if (s->one)
        return make_grid(s, err);
    int rc = read_texts(s, "run_name", 1, &s->n.R, &s->run_name, err);
    rc = rc != NS_OK ? rc : read_whole(s, "step", 1, &s->n.P, ns_between(0, most_tokens), &s->steps, err);
    rc = rc != NS_OK ? rc : check_ascending(s, err);
    rc = rc != NS_OK ? rc : read_whole(s, "tokens", 2, grid, ns_between(-1, most_tokens), &s->tokens, err);
    rc = rc != NS_OK ? rc : check_tokens(s, err);
    rc = rc != NS_OK ? rc : read_whole(s, "status", 2, grid, ns_between(NS_STUDY_MISSING, NS_STUDY_NOT_THERE), &status, err);
    s->status = rc == NS_OK ? ns_alloc_array((size_t)(s->n.R * s->n.P), 1) : NULL;
    if (rc == NS_OK && !s->status)
        rc = ns_oom(err, s->path);
    for (int64_t i = 0; rc == NS_OK && i < s->n.R * s->n.P; i++)
        s->status[i] = (uint8_t)status[i];
    free(status);
    return rc;
}

static int add_coord(ns_study *s, const char *name, ns_dtype dtype, ns_error *err)
{
    ns_expected w = {sizeof w, name, NS_F64, 1, {s->n.R}, ns_or_nan(strcmp(name, "window") ? ns_finite() : ns_between(0, most_tokens))};
    if (!ns_grow(&s->coord, &s->coords_capacity, s->n_coords + 1, sizeof *s->coord))
        return ns_oom(err, name);
    ns_study_coord *const c = &s->coord[s->n_coords++];
    *c = (ns_study_coord){.name = ns_strdup(name)};
    if (!c->name)
        return ns_oom(err, name);
    return dtype == NS_N_DTYPES ? ns_file_texts(s->file, &w, &c->text, err) : ns_file_array(s->file, &w, &c->number, err);
}

/* What has a value for each run. A window is a number of keys, or there is none; what the other coordinates mean is the runs' own. */
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

static int check_kinds(ns_study *s, ns_error *err)
{
    for (int64_t i = 0; i < s->n.R * s->n.L; i++) {
        const char *const kind = s->layer_kind[i];
        bool known = !s->one && !*kind;
        for (int k = NS_LAYER_FULL; k <= NS_LAYER_MLP; k++)
            known |= strcmp(kind, ns_layer_kind_name((ns_layer_kind)k)) == 0;
        if (!known)
            return ns_fail(err, NS_E_FORMAT, "%s: dataset 'layer_kind' says '%.40s', where full, swa, recurrent or mlp is meant", s->path,
                           kind);
    }
    return NS_OK;
}

/* A patching says nothing of heads that are not there: a score of them is NaN. */
static int read_heads(ns_study *s, ns_error *err)
{
    const int64_t shape[3] = {s->n.R, s->n.L, s->n.H}, n = s->n.R * s->n.L * s->n.H, *const own = shape + s->one;
    const int rank = 3 - s->one;
    int rc = read_texts(s, "layer_kind", rank - 1, own, &s->layer_kind, err);
    rc = rc != NS_OK ? rc : check_kinds(s, err);
    rc = rc != NS_OK ? rc : read_whole(s, s->one ? "window" : "head_window", rank, own, ns_between(0, most_tokens), &s->windows, err);
    if (rc != NS_OK || ns_file_has(s->file, "head_valid") || !s->one)
        return rc != NS_OK ? rc : read_whole(s, "head_valid", rank, own, ns_between(0, 1), &s->valid, err);
    s->valid = ns_alloc_array((size_t)n, sizeof *s->valid);
    for (int64_t i = 0; s->valid && i < n; i++)
        s->valid[i] = 1;
    return s->valid ? NS_OK : ns_oom(err, s->path);
}

/* One for each checkpoint; a study of an older version has none. */
static int read_checkpoint_texts(const ns_study *s, const char *name, char ***out, ns_error *err)
{
    return s->one || !ns_file_has(s->file, name) ? NS_OK : read_texts(s, name, 2, (const int64_t[]){s->n.R, s->n.P}, out, err);
}

static int read_left_out(ns_study *s, ns_error *err)
{
    static const char *const names[] = {"left_out_run", "left_out_name", "left_out_why"};
    int64_t n;
    if (s->one || !ns_file_has(s->file, "left_out"))
        return NS_OK;
    int rc = read_length(s, "left_out", 1, MOST_ROWS, &n, err);
    if (rc == NS_OK && !(s->left_out = ns_alloc_array((size_t)n, sizeof *s->left_out)))
        rc = ns_oom(err, s->path);
    s->n_left_out = rc == NS_OK ? n : 0;
    for (int i = 0; i < 3 && rc == NS_OK; i++)
        rc = read_texts(s, names[i], 1, &n, &s->left_text[i], err);
    for (int64_t i = 0; rc == NS_OK && i < n; i++)
        s->left_out[i] = (ns_study_left){s->left_text[0][i], s->left_text[1][i], s->left_text[2][i]};
    return rc;
}

/* ---- the whole ---- */

int ns_study_of(ns_study **out, const ns_file *file, const char *path, ns_error *err)
{
    *out = NULL;
    ns_study *const s = ns_alloc_array(1, sizeof *s);
    if (!s)
        return ns_oom(err, path);
    const char *const kind = ns_file_fact(file, "kind");
    *s = (ns_study){.file = file, .path = ns_strdup(path), .one = !kind || strcmp(kind, "study")};
    int rc = s->path ? read_shape(s, err) : ns_oom(err, path);
    rc = rc != NS_OK ? rc : read_grid(s, err);
    rc = rc != NS_OK ? rc : read_coords(s, err);
    rc = rc != NS_OK ? rc : read_heads(s, err);
    rc = rc != NS_OK ? rc : read_checkpoint_texts(s, "arch_change", &s->arch_change, err);
    rc = rc != NS_OK ? rc : read_checkpoint_texts(s, "weights_sha256", &s->weights, err);
    rc = rc != NS_OK ? rc : ns_file_whole(s->file, "not_taken", 0, MOST_ROWS, 0, &s->not_taken, err);
    rc = rc != NS_OK ? rc : ns_file_whole(s->file, "passed_over", 0, INT64_MAX, 0, &s->passed_over, err);
    rc = rc != NS_OK ? rc : ns_file_whole(s->file, "unsealed", 0, INT64_MAX, 0, &s->unsealed, err);
    rc = rc != NS_OK ? rc : read_left_out(s, err);
    rc = rc != NS_OK ? rc : ns_study_find_scores(s, err);
    if (rc == NS_OK)
        *out = s;
    else
        ns_study_close(s);
    return rc;
}

int ns_study_open(ns_study **out, const char *path, ns_error *err)
{
    ns_file *file;
    *out = NULL;
    int rc = ns_file_open_as(&file, path, NS_STUDY_KINDS, "a study (needlescope merge) or scores (needlescope score -o)", err);
    if (rc != NS_OK)
        return rc;
    const char *const kind = ns_file_fact(file, "kind");
    const bool study = kind && strcmp(kind, "study") == 0;
    rc = study || ns_file_has(file, "layer_kind") ? ns_study_of(out, file, path, err)
                                                  : ns_fail(err, NS_E_ARG, "%s: scores without 'layer_kind'", path);
    if (rc == NS_OK)
        (*out)->own = file;
    else
        ns_file_close(file);
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
int64_t ns_study_not_taken(const ns_study *s)            { return s->not_taken; }
int64_t ns_study_passed_over(const ns_study *s)          { return s->passed_over; }
int64_t ns_study_unsealed(const ns_study *s)             { return s->unsealed; }

const ns_study_left *ns_study_left_out(const ns_study *s, int64_t *n)
{
    *n = s->n_left_out;
    return s->left_out;
}

int64_t ns_study_count(const ns_study *s, int status)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n.R * s->n.P; i++)
        n += s->status[i] == status;
    return n;
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

const char *ns_study_arch_change(const ns_study *s, int64_t run, int64_t step)
{
    const char *const text = s->arch_change ? s->arch_change[run * s->n.P + step] : "";
    return *text ? text : NULL;
}

const char *ns_study_weights(const ns_study *s, int64_t run, int64_t step)
{
    const char *const hex = s->weights ? s->weights[run * s->n.P + step] : "";
    return *hex ? hex : NULL;
}

void ns_study_layers(const ns_study *s, int64_t run, int *kind, int64_t *window)
{
    for (int64_t l = 0; l < s->n.L; l++) {
        kind[l] = NS_LAYER_FULL;
        for (int k = NS_LAYER_FULL; k <= NS_LAYER_MLP; k++)
            kind[l] = strcmp(ns_study_layer_kind(s, run, l), ns_layer_kind_name((ns_layer_kind)k)) == 0 ? k : kind[l];
        window[l] = 0;
        for (int64_t h = 0; h < s->n.H; h++) {
            const int64_t w = ns_study_head_window(s, run, l, h);
            window[l] = w > window[l] ? w : window[l];
        }
    }
}
