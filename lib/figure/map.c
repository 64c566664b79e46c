/* map.c - the attention map of one head on one case of a recording, with the case's spans. */
#include "figure/files.h"

#include <stdlib.h>
#include <string.h>

#include <needlescope/arch.h>

typedef struct map_data {
    ns_file *f;
    char    *group, *id;
    float   *map;
    int64_t *rows;                  /* query positions where they are not 0, 1, 2 ... */
    int64_t  n_rows, n_keys;
    ns_figure_span *spans;
    char   **span_names;
    int64_t  n_spans;
} map_data;

static int no_such_case(const ns_map_plot *p, char **ids, int64_t n, ns_error *err)
{
    return ns_fail(err, NS_E_ARG, "case '%s': the recording has %lld case%s, the first is '%s'", p->case_id ? p->case_id : "0",
                   (long long)n, ns_plural(n), n ? ids[0] : "");
}

/* By its id, else by its number. */
static int64_t place_of_case(const char *wanted, char **ids, int64_t n)
{
    char *end = NULL;
    for (int64_t i = 0; i < n; i++)
        if (strcmp(ids[i], wanted) == 0)
            return i;
    const int64_t at = strtoll(wanted, &end, 10);
    return end == wanted || *end || at < 0 || at >= n ? -1 : at;
}

static int find_case(const ns_map_plot *p, map_data *d, ns_error *err)
{
    char **ids = NULL, **groups = NULL;
    ns_expected w = {.size = sizeof w, .name = "case_id", .rank = 1, .shape = {NS_ANY}};
    int rc = ns_file_texts(d->f, &w, &ids, err);
    const int64_t n = rc == NS_OK ? w.shape[0] : 0;
    w.name = "case_group";
    rc = rc != NS_OK ? rc : ns_file_texts(d->f, &w, &groups, err);
    const int64_t at = rc != NS_OK ? -1 : p->case_id ? place_of_case(p->case_id, ids, n) : n ? 0 : -1;
    if (rc == NS_OK && at < 0)
        rc = no_such_case(p, ids, n, err);
    if (rc == NS_OK) {
        d->group = ns_strdup(groups[at]);
        d->id = ns_strdup(ids[at]);
        rc = d->group && d->id ? NS_OK : ns_oom(err, "names");
    }
    ns_free_strings(ids, n);
    ns_free_strings(groups, n);
    return rc;
}

static char *in_group(const map_data *d, const char *name)
{
    return ns_printf_alloc("/%s/%s", d->group, name);
}

enum { MOST_POSITIONS = 1 << 30 };

/* A list of the case's group; *n: how many there must be, or NS_ANY. */
static int read_numbers(const map_data *d, const char *name, int64_t *n, int64_t **out, ns_error *err)
{
    char *const path = in_group(d, name);
    ns_expected w = {sizeof w, path, NS_I64, 1, {*n}, ns_between(0, MOST_POSITIONS)};
    const int rc = path ? ns_file_array(d->f, &w, out, err) : ns_oom(err, name);
    *n = rc == NS_OK ? w.shape[0] : 0;
    free(path);
    return rc;
}

static void list_numbers(const int64_t *v, int64_t n, char out[128])
{
    size_t used = 0;
    *out = '\0';
    for (int64_t i = 0; i < n && used < 110; i++)
        used += (size_t)snprintf(out + used, 128 - used, "%s%lld", i ? ", " : "", (long long)v[i]);
}

/* What the list of an axis says wrong: positions and heads are known by their place, so it counts from 0 (counted), or names some of them,
 * each once. */
static int check_axis(const map_data *d, const char *axis, const int64_t *v, int64_t n, bool counted, ns_error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (counted ? v[i] != i : i > 0 && v[i] <= v[i - 1])
            return ns_fail(err, NS_E_FORMAT, "case '%s': axis '%s' holds %lld at place %lld: it must %s", d->id, axis, (long long)v[i],
                           (long long)i, counted ? "count from 0, whole and in order" : "ascend");
    return NS_OK;
}

static int check_counted(const map_data *d, const char *axis, int64_t n, ns_error *err)
{
    int64_t *v = NULL;
    int rc = read_numbers(d, axis, &n, &v, err);
    rc = rc != NS_OK ? rc : check_axis(d, axis, v, n, true, err);
    free(v);
    return rc;
}

/* The rows that were asked for are some of the positions. */
static int check_rows(const map_data *d, int64_t n, ns_error *err)
{
    const int rc = check_axis(d, "row", d->rows, n, false, err);
    if (rc != NS_OK || n == 0 || d->rows[n - 1] < d->n_keys)
        return rc;
    return ns_fail(err, NS_E_FORMAT, "case '%s': axis 'row' holds %lld, of %lld positions", d->id, (long long)d->rows[n - 1],
                   (long long)d->n_keys);
}

static const char *first_word(char *words)
{
    words[strcspn(words, " ")] = '\0';
    return words;
}

/* Index of a layer among those that the map has: where other points were recorded in more layers it has an axis of its own. */
static int layer_index(const map_data *d, const char *map, int64_t layer, int64_t *index, ns_error *err)
{
    int64_t *layers = NULL, n = NS_ANY;
    char *axes = NULL;
    *index = -1;
    int rc = ns_file_describe(d->f, map, NULL, NULL, NULL, &axes, err);
    const char *const axis = axes && ns_starts(axes, "layer_") ? first_word(axes) : "layer";
    rc = rc != NS_OK ? rc : read_numbers(d, axis, &n, &layers, err);
    rc = rc != NS_OK ? rc : check_axis(d, axis, layers, n, false, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        if (layers[i] == layer)
            *index = i;
    if (rc == NS_OK && *index < 0) {
        char list[128];
        list_numbers(layers, n, list);
        rc = ns_fail(err, NS_E_ARG, "layer %lld of case '%s' was not recorded; these were: %s", (long long)layer, d->id, n ? list : "none");
    }
    free(layers);
    free(axes);
    return rc;
}

static int weights_range(const map_data *d, int64_t layer, ns_range *out, ns_error *err)
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

/* The map of one head: [layer, head, query or row, key] of the recorded layers. */
static int read_cells(map_data *d, const char *path, int64_t layer, int64_t head, int64_t rows, ns_range range, ns_error *err)
{
    size_t cells;
    ns_expected w = {sizeof w, path, NS_F32, 4, {NS_ANY, NS_ANY, rows, d->n_keys}, range};
    int rc = ns_file_expect(d->f, &w, err);
    rc = rc != NS_OK ? rc : check_counted(d, "head", w.shape[1], err);
    if (rc == NS_OK && (layer >= w.shape[0] || head >= w.shape[1]))
        rc = ns_fail(err, NS_E_ARG, "head %lld: the recording has heads 0 to %lld", (long long)head, (long long)w.shape[1] - 1);
    if (rc == NS_OK)
        d->map = ns_mul_size((size_t)rows, (size_t)d->n_keys, &cells) ? ns_alloc_array(cells, sizeof *d->map) : NULL;
    const int64_t start[4] = {layer, head, 0, 0}, count[4] = {1, 1, rows, d->n_keys};
    d->n_rows = rows;
    return rc != NS_OK ? rc : d->map ? ns_file_part(d->f, &w, start, count, d->map, err) : ns_oom(err, "the map");
}

/* Where the case's map is: all rows, or those that were asked for. */
static int find_map(const map_data *d, char **path, bool *dense, ns_error *err)
{
    static const char *const names[] = {"rows_attn", "attn"};
    for (int whole = 1; whole >= 0; whole--) {
        *path = in_group(d, names[whole]);
        *dense = whole;
        if (!*path)
            return ns_oom(err, "the map");
        if (ns_file_has(d->f, *path))
            return NS_OK;
        free(*path);
    }
    *path = NULL;
    return ns_fail(err, NS_E_ARG, "case '%s' holds no map: record it with --maps dense or --maps rows", d->id);
}

static int read_positions(map_data *d, bool dense, ns_error *err)
{
    int64_t *keys = NULL;
    d->n_rows = d->n_keys = NS_ANY;
    int rc = read_numbers(d, "key", &d->n_keys, &keys, err);
    rc = rc != NS_OK ? rc : check_axis(d, "key", keys, d->n_keys, true, err);
    free(keys);
    if (rc != NS_OK || dense) {
        d->n_rows = d->n_keys;
        return rc != NS_OK ? rc : check_counted(d, "query", d->n_keys, err);
    }
    rc = read_numbers(d, "row", &d->n_rows, &d->rows, err);
    return rc != NS_OK ? rc : check_rows(d, d->n_rows, err);
}

static int read_map(const ns_map_plot *p, map_data *d, ns_error *err)
{
    char *path;
    bool dense;
    int64_t index = 0;
    ns_range range;
    int rc = ns_fail_default(err, find_map(d, &path, &dense, err), p->case_id, "--case");
    rc = rc != NS_OK ? rc : layer_index(d, path, p->layer, &index, err);
    rc = rc != NS_OK ? rc : read_positions(d, dense, err);
    rc = rc != NS_OK ? rc : weights_range(d, p->layer, &range, err);
    rc = rc != NS_OK ? rc : read_cells(d, path, index, p->head, d->n_rows, range, err);
    free(path);
    return rc;
}

/* A span lies within the keys. */
static int place_spans(map_data *d, const int64_t *begin, const int64_t *end, ns_error *err)
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

static int read_spans(map_data *d, ns_error *err)
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
    rc = rc != NS_OK ? rc : read_numbers(d, "span_begin", &(int64_t){d->n_spans}, &begin, err);
    rc = rc != NS_OK ? rc : read_numbers(d, "span_end", &(int64_t){d->n_spans}, &end, err);
    rc = rc != NS_OK ? rc : place_spans(d, begin, end, err);
    free(names);
    free(begin);
    free(end);
    return rc;
}

/* Keys that a row of the head sees; 0 where the recording does not say. */
static int read_window(const ns_map_plot *p, const map_data *d, int64_t *out, ns_error *err)
{
    const int64_t start[2] = {p->layer, p->head}, count[2] = {1, 1};
    ns_expected w = {sizeof w, "window", NS_F64, 2, {NS_ANY, NS_ANY}, ns_between(0, MOST_POSITIONS)};
    double window = 0;
    *out = 0;
    if (!ns_file_has(d->f, w.name))
        return NS_OK;
    int rc = ns_file_expect(d->f, &w, err);
    if (rc == NS_OK && p->layer < w.shape[0] && p->head < w.shape[1])
        rc = ns_file_part(d->f, &w, start, count, &window, err);
    *out = (int64_t)window;
    return rc;
}

/* No row sees a key behind it, nor one before its window: a file that says so is damaged. */
static int check_seen(const map_data *d, int64_t window, ns_error *err)
{
    for (int64_t row = 0; row < d->n_rows; row++) {
        const int64_t at = d->rows ? d->rows[row] : row;
        for (int64_t key = 0; key < d->n_keys; key++)
            if ((key > at || (window > 0 && key <= at - window)) && d->map[row * d->n_keys + key] != 0)
                return ns_fail(err, NS_E_FORMAT, "case '%s': the query at %lld has weight %g on key %lld, which it cannot see", d->id,
                               (long long)at, (double)d->map[row * d->n_keys + key], (long long)key);
    }
    return NS_OK;
}

static int draw(const char *path, const ns_map_plot *p, const map_data *d, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_map_figure figure = {
        .size = sizeof figure, .map = d->map, .n_rows = d->n_rows, .n_keys = d->n_keys, .row_at = d->rows,
        .spans = p->no_spans ? NULL : d->spans, .n_spans = p->no_spans ? 0 : (int)d->n_spans,
        .model_name = ns_file_fact(d->f, "model_name"), .case_name = d->id, .layer = p->layer, .head = p->head,
        .log_scale = p->log_scale,
    };
    char what[256];
    ns_plot_look own = {0};
    int rc = read_window(p, d, &figure.window, err);
    rc = rc != NS_OK ? rc : check_seen(d, figure.window, err);
    rc = rc != NS_OK ? rc : ns_plot_look_begin(&own, path, look, 0, &p->file, 1, err);
    rc = rc != NS_OK ? rc : ns_draw_map(path, &figure, &own.params, err);
    ns_plot_look_end(&own);
    snprintf(what, sizeof what, "attention of layer %lld, head %lld on case '%s'", (long long)p->layer, (long long)p->head, d->id);
    if (rc == NS_OK)
        ns_plotted_say(said, what, "");
    return rc;
}

static void clear(map_data *d)
{
    ns_free_strings(d->span_names, d->n_spans);
    free(d->spans);
    free(d->rows);
    free(d->map);
    free(d->group);
    free(d->id);
    ns_file_close(d->f);
}

int ns_plot_map(const char *path, const ns_map_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_map_plot p;
    map_data d = {0};
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_map_plot", err);
    if (rc == NS_OK && (p.layer < 0 || p.head < 0))
        rc = ns_fail(err, NS_E_ARG, "layer %lld, head %lld: there is none below 0", (long long)p.layer, (long long)p.head);
    rc = rc != NS_OK ? rc : ns_plot_check(path, look, &p.file, 1, err);
    if (rc == NS_OK)
        rc = ns_file_open_as(&d.f, p.file, NS_KINDS(NS_KIND_RECORDING), "a recording (needlescope record makes one)", err);
    if (rc == NS_OK)
        rc = find_case(&p, &d, err);
    if (rc == NS_OK)
        rc = read_map(&p, &d, err);
    if (rc == NS_OK && !p.no_spans)
        rc = read_spans(&d, err);
    if (rc == NS_OK)
        rc = draw(path, &p, &d, look, said, err);
    clear(&d);
    return ns_fail_of(err, rc, p.file);
}
