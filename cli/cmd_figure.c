/* cmd_figure.c - figure heads and figure map: what was written by score and record, drawn. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/figure.h>
#include <needlescope/record.h>

#include "cli/commands.h"
#include "cli/out.h"

typedef struct look_settings { const char *out, *title; int colormap; double vmin, vmax, width; int64_t dpi; } look_settings;

#define FIELD(name) offsetof(look_settings, name)
static const cli_option look_options[] = {
    {"output", 'o', CLI_FILE, FIELD(out), "FILE", "the figure to write: .png, .pdf or .svg"},
    {"title", 0, CLI_TEXT, FIELD(title), "TEXT", "title ('' for none)"},
    {"colormap", 0, CLI_CHOICE, FIELD(colormap), "NAME", "colours", "cividis|viridis|magma|inferno|grey|bluered"},
    {"vmin", 0, CLI_NUMBER, FIELD(vmin), "X", "value of the first colour"},
    {"vmax", 0, CLI_NUMBER, FIELD(vmax), "X", "value of the last colour"},
    {"width", 0, CLI_NUMBER, FIELD(width), "INCHES", "width (default a paper's column, 3.3)"},
    {"dpi", 0, CLI_INT, FIELD(dpi), "N", "resolution of PNG (default 200)", NULL, 30, 1200},
    {0},
};
#undef FIELD

static ns_figure_params look_params(const cli *app, const look_settings *s)
{
    static const char *const maps[] = {NULL, "viridis", "magma", "inferno", "grey", "bluered"};   /* in the order of --colormap's choices */
    return (ns_figure_params){.size = sizeof(ns_figure_params), .title = s->title, .colormap = maps[s->colormap], .vmin = s->vmin,
                              .vmax = s->vmax, .width = s->width, .dpi = (int)s->dpi, .comment = app->command_line};
}

static int say_drawn(cli *app, const char *path, const char *what)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.figure/1");
    cli_out_text(&o, "file", "drawn", path);
    cli_out_text(&o, "shows", "shows", what);
    return cli_out_end(&o, &app->err);
}

static int layer_kind_of(const char *name)
{
    for (int kind = NS_LAYER_FULL; kind <= NS_LAYER_RECURRENT; kind++)
        if (strcmp(name, ns_layer_kind_name((ns_layer_kind)kind)) == 0)
            return kind;
    return NS_LAYER_FULL;
}

/* kind[L] and the widest window of each layer [L]; both malloc'd. */
static int read_layers(const ns_file *f, int64_t n_layers, int **kind, int64_t **window, ns_error *err)
{
    char **names = NULL;
    int64_t n = 0, shape[NS_MAX_RANK], *windows = NULL;
    int rank, rc = ns_file_read_strings(f, "layer_kind", &names, &n, err);
    if (rc == NS_OK)
        rc = ns_file_read_i64(f, "window", &windows, &rank, shape, err);
    *kind = ns_alloc_array((size_t)n_layers, sizeof **kind);
    *window = ns_alloc_array((size_t)n_layers, sizeof **window);
    if (rc == NS_OK && (!*kind || !*window))
        rc = ns_oom(err, "layers");
    if (rc == NS_OK && (n != n_layers || rank != 2 || shape[0] != n_layers))
        rc = ns_fail(err, NS_E_FORMAT, "layer_kind has %lld layers, the scores %lld", (long long)n, (long long)n_layers);
    for (int64_t l = 0; l < n_layers && rc == NS_OK; l++) {
        (*kind)[l] = layer_kind_of(names[l]);
        for (int64_t h = 0; h < shape[1]; h++)
            if (windows[l * shape[1] + h] > (*window)[l])
                (*window)[l] = windows[l * shape[1] + h];
    }
    for (int64_t i = 0; i < n && names; i++)
        free(names[i]);
    free(names);
    free(windows);
    return rc;
}

/* ---- figure heads ---- */

typedef struct heads_settings { const char *score; cli_heads mark; int64_t top; look_settings look; } heads_settings;

#define FIELD(name) offsetof(heads_settings, name)
static const cli_option heads_options[] = {
    {"score", 's', CLI_TEXT, FIELD(score), "NAME", "the score to draw"},
    {"mark", 'm', CLI_HEADS, FIELD(mark), "L.H,...", "outline these heads"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "outline the K best heads", NULL, 1, 100000},
    {0},
};
#undef FIELD

static bool is_heads_score(const ns_file *f, const char *name, float **values, int64_t shape[2])
{
    int rank;
    int64_t full[NS_MAX_RANK];
    char *axes = NULL;
    if (!ns_file_has(f, name) || ns_file_read_f32(f, name, values, &rank, full, &axes, NULL) < 0)
        return false;
    const bool heads = rank == 2 && axes && strcmp(axes, "layer head") == 0;
    free(axes);
    if (!heads) {
        free(*values);
        *values = NULL;
        return false;
    }
    shape[0] = full[0];
    shape[1] = full[1];
    return true;
}

/* The scores that the file has, for the error. */
static int no_such_score(const ns_file *f, const char *path, const char *name, ns_error *err)
{
    char **list = NULL, found[512] = "";
    int64_t n = 0;
    if (ns_file_list(f, &list, &n, NULL) < 0)
        n = 0;
    for (int64_t i = 0; i < n; i++) {
        float *values = NULL;
        int64_t shape[2];
        const char *const base = list[i] + (list[i][0] == '/');
        if (strcmp(base, "window") && strcmp(base, "head_valid") && !strchr(base, '/') && is_heads_score(f, base, &values, shape)) {
            const size_t used = strlen(found);
            snprintf(found + used, sizeof found - used, "%s%s", used ? ", " : "", base);
        }
        free(values);
        free(list[i]);
    }
    free(list);
    return name ? ns_fail(err, NS_E_ARG, "%s: no score '%s' over layers and heads; it has %s", path, name, found[0] ? found : "none")
                : ns_fail(err, NS_E_ARG, "--score NAME is missing; %s has %s", path, found[0] ? found : "none");
}

/* The k best cells, best first; ties by place. */
static int64_t best_heads(const float *score, int64_t L, int64_t H, int64_t k, int64_t (*out)[2])
{
    int64_t n = 0;
    for (; n < k; n++) {
        int64_t best = -1;
        for (int64_t i = 0; i < L * H; i++) {
            bool taken = isnan(score[i]);
            for (int64_t m = 0; m < n && !taken; m++)
                taken = out[m][0] * H + out[m][1] == i;
            if (!taken && (best < 0 || score[i] > score[best]))
                best = i;
        }
        if (best < 0)
            break;
        out[n][0] = best / H;
        out[n][1] = best % H;
    }
    return n;
}

static int draw_heads(cli *app, const heads_settings *s, const ns_file *f, const float *score, const int64_t shape[2])
{
    int *kind = NULL;
    int64_t *window = NULL, (*marks)[2] = NULL;
    char marks_name[32] = "marked";
    ns_heads_figure figure = {.size = sizeof figure, .score = score, .n_layers = shape[0], .n_heads = shape[1], .score_name = s->score,
                              .model_name = ns_file_fact(f, "model_name"), .chance = NAN, .marks_name = marks_name};
    int rc = read_layers(f, shape[0], &kind, &window, &app->err);
    if (rc == NS_OK && (s->top || s->mark.n)) {
        marks = ns_alloc_array((size_t)(s->top + s->mark.n), sizeof *marks);
        rc = marks ? NS_OK : ns_oom(&app->err, "marks");
    }
    for (int64_t i = 0; i < s->mark.n && rc == NS_OK; i++) {
        if (s->mark.list[i][0] >= shape[0] || s->mark.list[i][1] >= shape[1])
            rc = ns_fail(&app->err, NS_E_ARG, "--mark %lld.%lld: the file has %lld layers of %lld heads", (long long)s->mark.list[i][0],
                         (long long)s->mark.list[i][1], (long long)shape[0], (long long)shape[1]);
        memcpy(marks[figure.n_marks++], s->mark.list[i], sizeof *marks);
    }
    if (rc == NS_OK && s->top) {
        snprintf(marks_name, sizeof marks_name, "top %lld", (long long)s->top);
        figure.n_marks += (int)best_heads(score, shape[0], shape[1], s->top, marks + figure.n_marks);
    }
    figure.kind = kind;
    figure.window = window;
    figure.marks = marks;
    const ns_figure_params params = look_params(app, &s->look);
    if (rc == NS_OK)
        rc = ns_draw_heads(s->look.out, &figure, &params, &app->err);
    free(kind);
    free(window);
    free(marks);
    return rc == NS_OK ? say_drawn(app, s->look.out, s->score) : rc;
}

static int figure_heads(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const heads_settings *const s = settings;
    ns_file *f = NULL;
    float *score = NULL;
    int64_t shape[2];
    if (!s->look.out)
        return ns_fail(&app->err, NS_E_ARG, "-o FILE is missing (.png, .pdf or .svg)");
    int rc = ns_file_open(&f, args[0], &app->err);
    if (rc == NS_OK && (!s->score || !is_heads_score(f, s->score, &score, shape)))
        rc = no_such_score(f, args[0], s->score, &app->err);
    if (rc == NS_OK)
        rc = draw_heads(app, s, f, score, shape);
    free(score);
    ns_file_close(f);
    return rc;
}

const cli_command cli_cmd_figure_heads = {
    .name = "figure heads", .section = "Figures", .summary = "Draws a score of every head: layer x head",
    .arguments = "SCORES", .min_args = 1, .max_args = 1,
    .groups = {{"Options", heads_options, 0}, {"Look", look_options, offsetof(heads_settings, look)}},
    .settings_size = sizeof(heads_settings),
    .description = "The strip at the left says which layers have full attention, a sliding window, or none. The file's ending chooses "
                   "PNG, PDF or SVG; the command line goes into its metadata.",
    .examples = "needlescope figure heads scores.h5 --score retrieval_mass -o heads.pdf\n"
                "needlescope figure heads scores.h5 --score retrieval_find --top 5 -o heads.png",
    .run = figure_heads,
};

/* ---- figure map ---- */

typedef struct map_settings { int64_t layer, head; const char *c; bool log, no_spans; look_settings look; } map_settings;
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

static void free_strings(char **list, int64_t n)
{
    for (int64_t i = 0; i < n && list; i++)
        free(list[i]);
    free(list);
}

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
    free_strings(ids, n);
    free_strings(groups, n_groups);
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
    const ns_figure_params params = look_params(app, &s->look);
    const int rc = ns_draw_map(s->look.out, &figure, &params, &app->err);
    char what[96];
    snprintf(what, sizeof what, "attention of layer %lld, head %lld", (long long)s->layer, (long long)s->head);
    return rc == NS_OK ? say_drawn(app, s->look.out, what) : rc;
}

static int figure_map(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const map_settings *const s = settings;
    map_data d = {0};
    if (!s->look.out)
        return ns_fail(&app->err, NS_E_ARG, "-o FILE is missing (.png, .pdf or .svg)");
    if (s->layer < 0 || s->head < 0)
        return ns_fail(&app->err, NS_E_ARG, "--layer L and --head H are missing");
    int rc = ns_file_open(&d.f, args[0], &app->err);
    if (rc == NS_OK)
        rc = find_case(s, &d, &app->err);
    if (rc == NS_OK)
        rc = read_map(s, &d, &app->err);
    if (rc == NS_OK && !s->no_spans)
        rc = read_spans(&d, &app->err);
    if (rc == NS_OK)
        rc = draw_map(app, s, &d);
    free_strings(d.span_names, d.n_spans);
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
    .groups = {{"Options", map_options, 0}, {"Look", look_options, offsetof(map_settings, look)}}, .settings_size = sizeof(map_settings),
    .defaults = &map_defaults,
    .description = "The recording must hold maps of kind dense or rows. Where there are more cells than pixels, the largest of each "
                   "pixel is shown, so that a needle does not vanish.",
    .examples = "needlescope figure map rec.h5 --layer 3 --head 1 -o map.png\n"
                "needlescope figure map rec.h5 --layer 3 --head 1 --case 4 --log -o map.pdf",
    .run = figure_map,
};
