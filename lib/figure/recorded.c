/* recorded.c - recordings as figures and pages read them: a case's axes first, then the maps of single heads. */
#include "figure/recorded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/arch.h>
#include <needlescope/study.h>

#include "core/core.h"

enum { MOST_POSITIONS = 1 << 30 };

int ns_recorded_cases(const ns_file *f, char ***ids, char ***groups, int64_t *n, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = "case_id", .rank = 1, .shape = {NS_ANY}};
    *ids = *groups = NULL;
    *n = 0;
    int rc = ns_file_texts(f, &w, ids, err);
    w.name = "case_group";
    const int64_t count = rc == NS_OK ? w.shape[0] : 0;
    rc = rc != NS_OK ? rc : ns_file_texts(f, &w, groups, err);
    if (rc == NS_OK) {
        *n = count;
        return NS_OK;
    }
    ns_free_strings(*ids, count);
    *ids = NULL;
    return rc;
}

/* ---- axes ---- */

static char *in_group(const ns_recorded *d, const char *name)
{
    return ns_printf_alloc("/%s/%s", d->group, name);
}

int ns_recorded_numbers(const ns_recorded *d, const char *name, int64_t *n, int64_t **out, ns_error *err)
{
    char *const path = in_group(d, name);
    ns_expected w = {sizeof w, path, NS_I64, 1, {*n}, ns_between(0, MOST_POSITIONS)};
    const int rc = path ? ns_file_array(d->f, &w, out, err) : ns_oom(err, name);
    *n = rc == NS_OK ? w.shape[0] : 0;
    free(path);
    return rc;
}

/* What the list of an axis says wrong: positions and heads are known by their place, so it counts from 0 (counted), or names some of them,
 * each once. */
static int check_axis(const ns_recorded *d, const char *axis, const int64_t *v, int64_t n, bool counted, ns_error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (counted ? v[i] != i : i > 0 && v[i] <= v[i - 1])
            return ns_fail(err, NS_E_FORMAT, "case '%s': axis '%s' holds %lld at place %lld: it must %s", d->id, axis, (long long)v[i],
                           (long long)i, counted ? "count from 0, whole and in order" : "ascend");
    return NS_OK;
}

static int check_counted(const ns_recorded *d, const char *axis, int64_t n, ns_error *err)
{
    int64_t *v = NULL;
    int rc = ns_recorded_numbers(d, axis, &n, &v, err);
    rc = rc != NS_OK ? rc : check_axis(d, axis, v, n, true, err);
    free(v);
    return rc;
}

/* The rows that were asked for, or the first ones of blocks, are some of the positions. */
static int read_rows(ns_recorded *d, const char *axis, ns_error *err)
{
    d->n_rows = NS_ANY;
    int rc = ns_recorded_numbers(d, axis, &d->n_rows, &d->rows, err);
    rc = rc != NS_OK ? rc : check_axis(d, axis, d->rows, d->n_rows, false, err);
    if (rc != NS_OK || d->n_rows == 0 || d->rows[d->n_rows - 1] < d->n_keys)
        return rc;
    return ns_fail(err, NS_E_FORMAT, "case '%s': axis '%s' holds %lld, of %lld positions", d->id, axis,
                   (long long)d->rows[d->n_rows - 1], (long long)d->n_keys);
}

/* Blocks along the keys are those along the queries. */
static int read_blocks(ns_recorded *d, ns_error *err)
{
    int64_t *keys = NULL;
    int rc = read_rows(d, "qb", err);
    int64_t n = d->n_rows;
    rc = rc != NS_OK ? rc : ns_recorded_numbers(d, "kb", &n, &keys, err);
    if (rc == NS_OK && memcmp(keys, d->rows, (size_t)n * sizeof *keys))
        rc = ns_fail(err, NS_E_FORMAT, "case '%s': axes 'qb' and 'kb' of its pooled maps differ", d->id);
    free(keys);
    return rc;
}

static int read_positions(ns_recorded *d, ns_error *err)
{
    int64_t *keys = NULL;
    d->n_keys = NS_ANY;
    int rc = ns_recorded_numbers(d, "key", &d->n_keys, &keys, err);
    rc = rc != NS_OK ? rc : check_axis(d, "key", keys, d->n_keys, true, err);
    free(keys);
    if (rc != NS_OK || d->maps == NS_RECORDED_NONE)
        return rc;
    if (d->maps == NS_RECORDED_POOLED)
        return read_blocks(d, err);
    if (d->maps != NS_RECORDED_DENSE)
        return read_rows(d, "row", err);
    d->n_rows = d->n_keys;
    return check_counted(d, "query", d->n_keys, err);
}

static const char *first_word(char *words)
{
    words[strcspn(words, " ")] = '\0';
    return words;
}

/* Where other points were recorded in more layers, the map's has an axis of its own. */
static int read_layers(ns_recorded *d, ns_error *err)
{
    char *axes = NULL;
    d->n_layers = NS_ANY;
    int rc = ns_file_describe(d->f, d->map, NULL, NULL, NULL, &axes, err);
    const char *const axis = axes && ns_starts(axes, "layer_") ? first_word(axes) : "layer";
    rc = rc != NS_OK ? rc : ns_recorded_numbers(d, axis, &d->n_layers, &d->layers, err);
    rc = rc != NS_OK ? rc : check_axis(d, axis, d->layers, d->n_layers, false, err);
    free(axes);
    return rc;
}

/* [layer, head, row, key], or what stands for keys. */
static int read_heads(ns_recorded *d, ns_error *err)
{
    const int64_t last = d->maps == NS_RECORDED_TOPK ? NS_ANY : d->maps == NS_RECORDED_POOLED ? d->n_rows : d->n_keys;
    ns_expected w = {sizeof w, d->map, NS_F32, 4, {d->n_layers, NS_ANY, d->n_rows, last}, ns_any_number()};
    const int rc = ns_file_expect(d->f, &w, err);
    d->n_heads = w.shape[1];
    d->k = w.shape[3];
    return rc != NS_OK ? rc : check_counted(d, "head", d->n_heads, err);
}

static int find_map(ns_recorded *d, unsigned wanted, ns_error *err)
{
    static const struct { ns_recorded_maps maps; const char *name; } kinds[] = {
        {NS_RECORDED_DENSE, "attn"}, {NS_RECORDED_ROWS, "rows_attn"}, {NS_RECORDED_TOPK, "topk_value"}, {NS_RECORDED_POOLED, "pool_max"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char *const path = in_group(d, kinds[i].name);
        if (!path)
            return ns_oom(err, "the map");
        if (wanted & 1u << kinds[i].maps && ns_file_has(d->f, path)) {
            d->maps = kinds[i].maps;
            d->map = path;
            return NS_OK;
        }
        free(path);
    }
    return NS_OK;
}

int ns_recorded_open(ns_recorded *d, const ns_file *f, const char *id, const char *group, unsigned wanted, ns_error *err)
{
    *d = (ns_recorded){.f = f, .group = ns_strdup(group), .id = ns_strdup(id)};
    int rc = d->group && d->id ? find_map(d, wanted, err) : ns_oom(err, "names");
    rc = rc != NS_OK ? rc : read_positions(d, err);
    if (rc != NS_OK || d->maps == NS_RECORDED_NONE)
        return rc;
    rc = read_layers(d, err);
    return rc != NS_OK ? rc : read_heads(d, err);
}

void ns_recorded_clear(ns_recorded *d)
{
    ns_free_strings(d->span_names, d->n_spans);
    free(d->spans);
    free(d->rows);
    free(d->layers);
    free(d->map);
    free(d->group);
    free(d->id);
    *d = (ns_recorded){0};
}

/* ---- spans ---- */

/* A span lies within the keys. */
static int place_spans(ns_recorded *d, const int64_t *begin, const int64_t *end, ns_error *err)
{
    d->spans = ns_alloc_array((size_t)d->n_spans, sizeof *d->spans);
    if (!d->spans)
        return ns_oom(err, "spans");
    for (int64_t i = 0; i < d->n_spans; i++) {
        if (begin[i] > end[i] || end[i] > d->n_keys)
            return ns_fail(err, NS_E_FORMAT, "case '%s': its span '%.60s' from %lld to %lld lies outside of its %lld positions", d->id,
                           d->span_names[i], (long long)begin[i], (long long)end[i], (long long)d->n_keys);
        d->spans[i] = (ns_figure_span){d->span_names[i], begin[i], end[i]};
    }
    return NS_OK;
}

int ns_recorded_read_spans(ns_recorded *d, ns_error *err)
{
    char *const names = in_group(d, "span_name");
    int64_t *begin = NULL, *end = NULL;
    ns_expected w = {.size = sizeof w, .name = names, .rank = 1, .shape = {NS_ANY}};
    int rc = names ? NS_OK : ns_oom(err, "spans");
    if (rc != NS_OK || !ns_file_has(d->f, names)) {
        free(names);
        return rc;
    }
    rc = ns_file_texts(d->f, &w, &d->span_names, err);
    d->n_spans = rc == NS_OK ? w.shape[0] : 0;
    rc = rc != NS_OK ? rc : ns_recorded_numbers(d, "span_begin", &(int64_t){d->n_spans}, &begin, err);
    rc = rc != NS_OK ? rc : ns_recorded_numbers(d, "span_end", &(int64_t){d->n_spans}, &end, err);
    rc = rc != NS_OK ? rc : place_spans(d, begin, end, err);
    free(names);
    free(begin);
    free(end);
    return rc;
}

/* ---- maps ---- */

int64_t ns_recorded_layer(const ns_recorded *d, int64_t layer)
{
    for (int64_t i = 0; i < d->n_layers; i++)
        if (d->layers[i] == layer)
            return i;
    return -1;
}

static int weights_range(const ns_recorded *d, int64_t layer, ns_range *out, ns_error *err)
{
    char **kinds = NULL;
    ns_expected w = {.size = sizeof w, .name = "layer_kind", .rank = 1, .shape = {NS_ANY}};
    *out = ns_finite();
    if (!ns_file_has(d->f, w.name))
        return NS_OK;
    const int rc = ns_file_texts(d->f, &w, &kinds, err);
    if (rc == NS_OK && layer < w.shape[0] && strcmp(kinds[layer], ns_layer_kind_name(NS_LAYER_RECURRENT)))
        *out = ns_recording_range("attn", false);
    ns_free_strings(kinds, rc == NS_OK ? w.shape[0] : 0);
    return rc;
}

int ns_recorded_part(const ns_recorded *d, int64_t layer, int64_t head, int64_t from, int64_t n, float *out, ns_error *err)
{
    ns_expected w = {sizeof w, d->map, NS_F32, 4, {d->n_layers, d->n_heads, d->n_rows, d->k}};
    const int64_t start[4] = {ns_recorded_layer(d, layer), head, from, 0}, count[4] = {1, 1, n, d->k};
    const int rc = weights_range(d, layer, &w.range, err);
    if (d->maps == NS_RECORDED_POOLED)
        w.range = ns_or_nan(w.range);
    return rc != NS_OK ? rc : ns_file_part(d->f, &w, start, count, out, err);
}

int ns_recorded_map(const ns_recorded *d, int64_t layer, int64_t head, float **out, ns_error *err)
{
    size_t cells;
    *out = ns_mul_size((size_t)d->n_rows, (size_t)d->k, &cells) ? ns_alloc_array(cells, sizeof **out) : NULL;
    const int rc = *out ? ns_recorded_part(d, layer, head, 0, d->n_rows, *out, err) : ns_oom(err, "the map");
    if (rc != NS_OK) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

/* The keys of a row stand in front of the places that there are too few cells for. */
static int read_keys(const ns_recorded *d, int64_t layer, int64_t head, int64_t *keys, ns_error *err)
{
    char *const path = in_group(d, "topk_index");
    ns_expected w = {sizeof w, path, NS_I64, 4, {d->n_layers, d->n_heads, d->n_rows, d->k}, ns_between(-1, (double)d->n_keys - 1)};
    const int64_t start[4] = {ns_recorded_layer(d, layer), head, 0, 0}, count[4] = {1, 1, d->n_rows, d->k};
    const int rc = path ? ns_file_part(d->f, &w, start, count, keys, err) : ns_oom(err, "the keys");
    free(path);
    return rc;
}

int ns_recorded_topk(const ns_recorded *d, int64_t layer, int64_t head, int64_t **keys, float **cells, ns_error *err)
{
    size_t n;
    *keys = ns_mul_size((size_t)d->n_rows, (size_t)d->k, &n) ? ns_alloc_array(n, sizeof **keys) : NULL;
    *cells = NULL;
    int rc = *keys ? read_keys(d, layer, head, *keys, err) : ns_oom(err, "the keys");
    rc = rc != NS_OK ? rc : ns_recorded_map(d, layer, head, cells, err);
    if (rc != NS_OK) {
        free(*keys);
        *keys = NULL;
    }
    return rc;
}

int ns_recorded_window(const ns_file *f, int64_t layer, int64_t head, int64_t *out, ns_error *err)
{
    const int64_t start[2] = {layer, head}, count[2] = {1, 1};
    ns_expected w = {sizeof w, "window", NS_F64, 2, {NS_ANY, NS_ANY}, ns_between(0, MOST_POSITIONS)};
    double window = 0;
    *out = 0;
    if (!ns_file_has(f, w.name))
        return NS_OK;
    int rc = ns_file_expect(f, &w, err);
    if (rc == NS_OK && layer < w.shape[0] && head < w.shape[1])
        rc = ns_file_part(f, &w, start, count, &window, err);
    *out = (int64_t)window;
    return rc;
}

int ns_recorded_check_seen(const ns_recorded *d, const float *map, int64_t window, ns_error *err)
{
    for (int64_t row = 0; row < d->n_rows; row++) {
        const int64_t at = d->rows ? d->rows[row] : row;
        for (int64_t key = 0; key < d->n_keys; key++)
            if ((key > at || (window > 0 && key <= at - window)) && map[row * d->n_keys + key] != 0)
                return ns_fail(err, NS_E_FORMAT, "case '%s': the query at %lld has weight %g on key %lld, which it cannot see", d->id,
                               (long long)at, (double)map[row * d->n_keys + key], (long long)key);
    }
    return NS_OK;
}
