/* cmd_figure_map.c - the attention map of one head, as record wrote it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/figure.h>
#include <needlescope/record.h>

#include "cli/commands.h"
#include "cli/figure.h"

typedef struct map_settings { int64_t layer, head; const char *c; bool log, no_spans; cli_look look; } map_settings;
static const map_settings map_defaults = {.layer = -1, .head = -1};

#define FIELD(name) offsetof(map_settings, name)
static const cli_option map_options[] = {
    {"layer", 'l', CLI_INT, FIELD(layer), "L", "the layer", NULL, 0, 1 << 20},
    {"head", 'n', CLI_INT, FIELD(head), "H", "the head", NULL, 0, 1 << 20},
    {"case", 'c', CLI_TEXT, FIELD(c), "ID", "the case, by its id or its number (default the first)"},
    {"log", 0, CLI_FLAG, FIELD(log), NULL, "colours by the logarithm, from 1e-4 to 1"},
    {"no-spans", 0, CLI_FLAG, FIELD(no_spans), NULL, "leave needle, question and the other spans out"},
    {0},
};
#undef FIELD

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

static int find_case(const map_settings *s, map_data *d, ns_error *err)
{
    char **ids = NULL, **groups = NULL, *end = NULL;
    int64_t n = 0, n_groups = 0, at = s->c ? -1 : 0;
    int rc = ns_file_read_strings(d->f, "case_id", &ids, &n, err);
    if (rc == NS_OK)
        rc = ns_file_read_strings(d->f, "case_group", &groups, &n_groups, err);
    for (int64_t i = 0; i < n && s->c && rc == NS_OK; i++)
        if (strcmp(ids[i], s->c) == 0)
            at = i;
    if (rc == NS_OK && at < 0) {
        at = strtoll(s->c, &end, 10);
        at = end == s->c || *end || at < 0 || at >= n ? -1 : at;
    }
    if (rc == NS_OK && (at < 0 || at >= n || at >= n_groups))
        rc = ns_fail(err, NS_E_ARG, "--case %s: the recording has %lld cases, the first is '%s'", s->c ? s->c : "0", (long long)n,
                     n ? ids[0] : "");
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

/* Index of a layer among those recorded. */
static int layer_index(const map_data *d, int64_t layer, int64_t *index, ns_error *err)
{
    int64_t *layers = NULL, n = 0;
    *index = -1;
    int rc = read_numbers(d, "layer", &layers, &n, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        if (layers[i] == layer)
            *index = i;
    if (rc == NS_OK && *index < 0)
        rc = ns_fail(err, NS_E_ARG, "--layer %lld was not recorded (layers %lld to %lld were)", (long long)layer, (long long)layers[0],
                     (long long)layers[n - 1]);
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

static int read_map(const map_settings *s, map_data *d, ns_error *err)
{
    char *const dense = in_group(d, "attn"), *const rows = in_group(d, "rows_attn");
    const bool is_dense = dense && ns_file_has(d->f, dense), is_rows = rows && ns_file_has(d->f, rows);
    int64_t index = 0;
    const int64_t heads = axis_length(d, "head");
    int rc = is_dense || is_rows ? layer_index(d, s->layer, &index, err)
                                 : ns_fail(err, NS_E_ARG, "case '%s' holds no map: record it with --maps dense or --maps rows", d->id);
    if (rc == NS_OK && s->head >= heads)
        rc = ns_fail(err, NS_E_ARG, "--head %lld: the recording has heads 0 to %lld", (long long)s->head, (long long)heads - 1);
    if (rc == NS_OK) {
        d->n_keys = axis_length(d, "key");
        d->n_rows = is_dense ? d->n_keys : axis_length(d, "row");
        d->map = ns_alloc_array((size_t)(d->n_rows * d->n_keys), sizeof *d->map);
        const int64_t start[4] = {index, s->head, 0, 0}, count[4] = {1, 1, d->n_rows, d->n_keys};
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

static int64_t window_of(const map_data *d, const map_settings *s)
{
    int rank;
    int64_t *windows = NULL, shape[NS_MAX_RANK], window = 0;
    if (ns_file_read_i64(d->f, "window", &windows, &rank, shape, NULL) == NS_OK && rank == 2 && s->layer < shape[0] && s->head < shape[1])
        window = windows[s->layer * shape[1] + s->head];
    free(windows);
    return window;
}

static int draw_map(cli *app, const map_settings *s, const map_data *d)
{
    const ns_map_figure figure = {
        .size = sizeof figure, .map = d->map, .n_rows = d->n_rows, .n_keys = d->n_keys, .row_at = d->rows,
        .spans = s->no_spans ? NULL : d->spans, .n_spans = s->no_spans ? 0 : (int)d->n_spans,
        .model_name = ns_file_fact(d->f, "model_name"), .case_name = d->id, .layer = s->layer, .head = s->head,
        .window = window_of(d, s), .log_scale = s->log,
    };
    const ns_figure_params params = cli_look_params(app, &s->look);
    const int rc = ns_draw_map(s->look.out, &figure, &params, &app->err);
    char what[96];
    snprintf(what, sizeof what, "attention of layer %lld, head %lld", (long long)s->layer, (long long)s->head);
    return rc == NS_OK ? cli_say_shows(app, s->look.out, what) : rc;
}

static int figure_map(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const map_settings *const s = settings;
    map_data d = {0};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK && (s->layer < 0 || s->head < 0))
        rc = ns_fail(&app->err, NS_E_ARG, "--layer L and --head H are missing");
    if (rc == NS_OK)
        rc = ns_file_open(&d.f, args[0], &app->err);
    if (rc == NS_OK)
        rc = find_case(s, &d, &app->err);
    if (rc == NS_OK)
        rc = read_map(s, &d, &app->err);
    if (rc == NS_OK && !s->no_spans)
        rc = read_spans(&d, &app->err);
    if (rc == NS_OK)
        rc = draw_map(app, s, &d);
    ns_free_strings(d.span_names, d.n_spans);
    free(d.spans);
    free(d.rows);
    free(d.map);
    free(d.group);
    free(d.id);
    ns_file_close(d.f);
    return rc;
}

const cli_command cli_cmd_figure_map = {
    .name = "figure map", .section = "Figures", .summary = "Draws the attention of one head on one case, with its spans",
    .arguments = "RECORDING", .min_args = 1, .max_args = 1,
    .groups = {{"Options", map_options, 0}, {"Look", cli_look_options, offsetof(map_settings, look)}}, .settings_size = sizeof(map_settings),
    .defaults = &map_defaults,
    .description = "The recording must hold maps of kind dense or rows. Where there are more cells than pixels, the largest of each "
                   "pixel is shown, so that a needle does not vanish.",
    .examples = "needlescope figure map rec.h5 --layer 3 --head 1 -o map.png\n"
                "needlescope figure map rec.h5 --layer 3 --head 1 --case 4 --log -o map.pdf",
    .run = figure_map,
};
