/* map.c - the attention map of one head on one case of a recording, with the case's spans. */
#include "figure/files.h"

#include <stdlib.h>
#include <string.h>

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

static int find_case(const ns_map_plot *p, map_data *d, ns_error *err)
{
    char **ids = NULL, **groups = NULL, *end = NULL;
    int64_t n = 0, n_groups = 0, at = p->case_id ? -1 : 0;
    int rc = ns_file_read_strings(d->f, "case_id", &ids, &n, err);
    if (rc == NS_OK)
        rc = ns_file_read_strings(d->f, "case_group", &groups, &n_groups, err);
    for (int64_t i = 0; i < n && p->case_id && rc == NS_OK; i++)
        if (strcmp(ids[i], p->case_id) == 0)
            at = i;
    if (rc == NS_OK && at < 0) {
        at = strtoll(p->case_id, &end, 10);
        at = end == p->case_id || *end || at < 0 || at >= n ? -1 : at;
    }
    if (rc == NS_OK && (at < 0 || at >= n || at >= n_groups))
        rc = ns_fail(err, NS_E_ARG, "case '%s': the recording has %lld cases, the first is '%s'", p->case_id ? p->case_id : "0",
                     (long long)n, n ? ids[0] : "");
    if (rc == NS_OK) {
        d->group = ns_strdup(groups[at]);
        d->id = ns_strdup(ids[at]);
        rc = d->group && d->id ? NS_OK : ns_oom(err, "names");
    }
    ns_free_strings(ids, n);
    ns_free_strings(groups, n_groups);
    return rc;
}

static char *in_group(const map_data *d, const char *name)
{
    return ns_printf_alloc("/%s/%s", d->group, name);
}

static int read_numbers(const map_data *d, const char *name, int64_t **out, int64_t *n, ns_error *err)
{
    char *const path = in_group(d, name);
    int rank;
    int64_t shape[NS_MAX_RANK];
    const int rc = path ? ns_file_read_i64(d->f, path, out, &rank, shape, err) : ns_oom(err, name);
    *n = rc == NS_OK ? shape[0] : 0;
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

/* Index of a layer among those recorded. */
static int layer_index(const map_data *d, int64_t layer, int64_t *index, ns_error *err)
{
    int64_t *layers = NULL, n = 0;
    *index = -1;
    int rc = read_numbers(d, "layer", &layers, &n, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        if (layers[i] == layer)
            *index = i;
    if (rc == NS_OK && *index < 0) {
        char list[128];
        list_numbers(layers, n, list);
        rc = ns_fail(err, NS_E_ARG, "layer %lld of case '%s' was not recorded; these were: %s", (long long)layer, d->id, n ? list : "none");
    }
    free(layers);
    return rc;
}

static int64_t axis_length(const map_data *d, const char *axis)
{
    int64_t *values = NULL, n = 0;
    if (read_numbers(d, axis, &values, &n, NULL) < 0)
        n = 0;
    free(values);
    return n;
}

static int read_map(const ns_map_plot *p, map_data *d, ns_error *err)
{
    char *const dense = in_group(d, "attn"), *const rows = in_group(d, "rows_attn");
    const bool is_dense = dense && ns_file_has(d->f, dense), is_rows = rows && ns_file_has(d->f, rows);
    int64_t index = 0;
    const int64_t heads = axis_length(d, "head");
    int rc = is_dense || is_rows ? layer_index(d, p->layer, &index, err)
                                 : ns_fail(err, NS_E_ARG, "case '%s' holds no map: record it with --maps dense or --maps rows", d->id);
    if (rc == NS_OK && p->head >= heads)
        rc = ns_fail(err, NS_E_ARG, "head %lld: the recording has heads 0 to %lld", (long long)p->head, (long long)heads - 1);
    if (rc == NS_OK) {
        d->n_keys = axis_length(d, "key");
        d->n_rows = is_dense ? d->n_keys : axis_length(d, "row");
        d->map = ns_alloc_array((size_t)(d->n_rows * d->n_keys), sizeof *d->map);
        const int64_t start[4] = {index, p->head, 0, 0}, count[4] = {1, 1, d->n_rows, d->n_keys};
        rc = d->map ? ns_file_read_slab(d->f, is_dense ? dense : rows, 4, start, count, d->map, err) : ns_oom(err, "the map");
    }
    int64_t n;
    if (rc == NS_OK && !is_dense)
        rc = read_numbers(d, "row", &d->rows, &n, err);
    free(dense);
    free(rows);
    return rc;
}

static int read_spans(map_data *d, ns_error *err)
{
    char *const names = in_group(d, "span_name");
    int64_t *begin = NULL, *end = NULL, n;
    if (!names || !ns_file_has(d->f, names)) {
        free(names);
        return NS_OK;
    }
    int rc = ns_file_read_strings(d->f, names, &d->span_names, &d->n_spans, err);
    if (rc == NS_OK)
        rc = read_numbers(d, "span_begin", &begin, &n, err);
    if (rc == NS_OK)
        rc = read_numbers(d, "span_end", &end, &n, err);
    d->spans = ns_alloc_array((size_t)d->n_spans, sizeof *d->spans);
    if (rc == NS_OK && !d->spans)
        rc = ns_oom(err, "spans");
    for (int64_t i = 0; i < d->n_spans && rc == NS_OK; i++)
        d->spans[i] = (ns_figure_span){d->span_names[i], begin[i], end[i]};
    free(names);
    free(begin);
    free(end);
    return rc;
}

static int64_t window_of(const map_data *d, const ns_map_plot *p)
{
    int rank;
    int64_t *windows = NULL, shape[NS_MAX_RANK], window = 0;
    if (ns_file_read_i64(d->f, "window", &windows, &rank, shape, NULL) == NS_OK && rank == 2 && p->layer < shape[0] && p->head < shape[1])
        window = windows[p->layer * shape[1] + p->head];
    free(windows);
    return window;
}

static int draw(const char *path, const ns_map_plot *p, const map_data *d, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    const ns_map_figure figure = {
        .size = sizeof figure, .map = d->map, .n_rows = d->n_rows, .n_keys = d->n_keys, .row_at = d->rows,
        .spans = p->no_spans ? NULL : d->spans, .n_spans = p->no_spans ? 0 : (int)d->n_spans,
        .model_name = ns_file_fact(d->f, "model_name"), .case_name = d->id, .layer = p->layer, .head = p->head,
        .window = window_of(d, p), .log_scale = p->log_scale,
    };
    char what[256];
    ns_plot_look own = {0};
    int rc = ns_plot_look_begin(&own, path, look, 0, &p->file, 1, err);
    rc = rc ? rc : ns_draw_map(path, &figure, &own.params, err);
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
    return rc;
}
