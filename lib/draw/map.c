/* map.c - attention map of one head: rows = queries (downwards), columns = keys.
 *
 * A row at position q sees the keys (q - W, q], or all up to q in full attention; what it cannot see is white. Spans are bracketed
 * above (keys) and beside (queries); faint lines lead from the brackets through the white triangle up to the map. Lines and frame lie
 * outside the cells: nothing is hidden. */
#include "draw/map.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CELLS_SIDE = 1 << 24, MAX_SPANS = 256 };
static const double BAR = 5, BAR_GAP = 5, TALLEST = 1.3, ROW = 9, LOWEST = 24, EDGE = 0.35, OFF_CELLS = 1.5, LINE = 0.5;
static const double TOKEN = 6.5, LONGEST_TOKEN = 70, LONGEST_SPAN = 76, SPAN_SHARE = .33,    /* of the page */
    LEAST_NAME = 17, STEP = 4;           /* names give way to cells so far, in such steps */
static const double LAST_LABEL = 6;      /* half of "1.0" under the right end of the colour bar */

static const char QUERIES[] = "query position";

static int64_t row_position(const ns_map_figure *f, int64_t row)
{
    return f->row_at ? f->row_at[row] : f->row0 + row;
}

/* Keys the row may see, as columns. */
static void extent(const void *user, int64_t row, int64_t *lo, int64_t *hi)
{
    const ns_map_figure *f = user;
    const int64_t q = row_position(f, row);
    const int64_t first = f->window > 0 ? q - f->window + 1 - f->key0 : 0, end = q + 1 - f->key0;
    *hi = end < 0 ? 0 : end < f->n_keys ? end : f->n_keys;
    *lo = first < 0 ? 0 : first < *hi ? first : *hi;
}

static int check_shape(const ns_map_figure *f, ns_error *err)
{
    const int64_t limit = INT64_MAX / 4;
    if (f->n_rows < 1 || f->n_keys < 1 || f->n_rows > MAX_CELLS_SIDE || f->n_keys > MAX_CELLS_SIDE || !f->map)
        return ns_fail(err, NS_E_ARG, "map figure: %lld rows x %lld keys; each must be 1 to %d, with values", (long long)f->n_rows,
                       (long long)f->n_keys,
                       MAX_CELLS_SIDE);
    if (f->row0 < 0 || f->key0 < 0 || f->row0 > limit || f->key0 > limit || f->window < 0 || f->window > limit)
        return ns_fail(err, NS_E_ARG, "map figure: row0 %lld, key0 %lld, window %lld; none may be negative", (long long)f->row0,
                       (long long)f->key0,
                       (long long)f->window);
    for (int64_t r = 0; f->row_at && r < f->n_rows; r++)
        if (f->row_at[r] < 0 || f->row_at[r] > limit || (r > 0 && f->row_at[r] <= f->row_at[r - 1]))
            return ns_fail(err, NS_E_ARG, "map figure: row %lld is position %lld; positions must ascend from 0", (long long)r,
                           (long long)f->row_at[r]);
    return NS_OK;
}

static int check_spans(const ns_map_figure *f, ns_error *err)
{
    if (f->n_spans < 0 || f->n_spans > MAX_SPANS || (f->n_spans > 0 && !f->spans))
        return ns_fail(err, NS_E_ARG, "map figure: %d spans; there may be 0 to %d", f->n_spans, MAX_SPANS);
    for (int i = 0; i < f->n_spans; i++) {
        const int code = ns_check_name(f->spans[i].name, "a span's name", err);
        if (code != NS_OK)
            return code;
        if (f->spans[i].begin < 0 || f->spans[i].end < f->spans[i].begin)
            return ns_fail(err, NS_E_ARG, "map figure: span '%s' is [%lld, %lld)", f->spans[i].name ? f->spans[i].name : "",
                           (long long)f->spans[i].begin,
                           (long long)f->spans[i].end);
    }
    return NS_OK;
}

/* Weight where there can be none means that row0, key0 or window do not belong to these rows: better an error than a hidden value. */
static int check_masked(const ns_map_figure *f, ns_error *err)
{
    for (int64_t row = 0; row < f->n_rows; row++) {
        int64_t lo, hi;
        extent(f, row, &lo, &hi);
        for (int64_t col = 0; col < f->n_keys; col++) {
            if (col == lo && lo < hi)
                col = hi;
            if (col < f->n_keys && f->map[row * f->n_keys + col] != 0 && !isnan(f->map[row * f->n_keys + col]))
                return ns_fail(
                    err, NS_E_ARG,
                    "map figure: the query at %lld has weight %g on key %lld, which it cannot see (check row0, key0 and window %lld)",
                    (long long)row_position(f, row), (double)f->map[row * f->n_keys + col], (long long)(f->key0 + col),
                    (long long)f->window);
        }
    }
    return NS_OK;
}

static bool any_missing(const ns_map_figure *f)
{
    for (int64_t row = 0; row < f->n_rows; row++) {
        int64_t lo, hi;
        extent(f, row, &lo, &hi);
        for (int64_t col = lo; col < hi; col++)
            if (isnan(f->map[row * f->n_keys + col]))
                return true;
    }
    return false;
}

/* The first row at or after a position. */
static int64_t row_of(const ns_map_figure *f, int64_t position)
{
    int64_t lo = 0, hi = f->n_rows;
    while (lo < hi) {
        const int64_t middle = lo + (hi - lo) / 2;
        if (row_position(f, middle) < position)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static int64_t col_of(const ns_map_figure *f, int64_t position)
{
    const int64_t col = position - f->key0;
    return col < 0 ? 0 : col > f->n_keys ? f->n_keys : col;
}

static int make_brackets(ns_map_panel *p, const ns_type *type, ns_error *err)
{
    const ns_map_figure *f = &p->figure;
    double (*keys)[2] = ns_alloc_array((size_t)f->n_spans * 2, sizeof *keys), (*rows)[2] = keys ? keys + f->n_spans : NULL;
    if (!keys)
        return ns_oom(err, "map figure");
    const double w = p->box.w / (double)f->n_keys, h = p->box.h / (double)f->n_rows;
    int code = NS_OK;
    for (int i = 0; i < f->n_spans; i++) {
        const int64_t ends[2] = {f->spans[i].begin, f->spans[i].end};
        for (int k = 0; k < 2; k++) {
            keys[i][k] = w * (double)col_of(f, ends[k]);
            rows[i][k] = h * (double)row_of(f, ends[k]);
        }
        if (code == NS_OK && f->spans[i].name)
            code = ns_type_check(type, f->spans[i].name, "the span", err);
    }
    ns_brackets_clear(&p->above);
    ns_brackets_clear(&p->beside);
    if (code == NS_OK)
        code = ns_brackets_make(&p->above, f->spans, (const double(*)[2])keys, f->n_spans, p->box.w, false,
                                fmax(p->longest_span, LEAST_NAME), type, err);
    if (code == NS_OK)
        code = ns_brackets_make(&p->beside, f->spans, (const double(*)[2])rows, f->n_spans, p->box.h, true, p->longest_span, type, err);
    free(keys);
    return code;
}

/* ---- tokens in place of positions ---- */

static void free_names(char **names, int64_t n)
{
    for (int64_t i = 0; names && i < n; i++)
        free(names[i]);
    free(names);
}

/* Blanks at the ends are no part of a label; a token of blanks alone has their sign. */
static void trim(char *name)
{
    static const char blank[] = "\xe2\x90\xa3";
    const size_t front = strspn(name, " ");
    memmove(name, name + front, strlen(name + front) + 1);
    for (size_t n = strlen(name); n > 0 && name[n - 1] == ' '; n--)
        name[n - 1] = '\0';
    if (!*name)
        strcpy(name, blank);
}

static int show_names(char ***names, const char *const *texts, int64_t n, const ns_type *type, double *widest, ns_error *err)
{
    bool coded;
    *widest = 0;
    if (!texts)
        return NS_OK;
    free_names(*names, n);
    *names = ns_alloc_array((size_t)n, sizeof **names);
    int rc = *names ? NS_OK : ns_oom(err, "a figure");
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        rc = ns_shown_text(&(*names)[i], type, texts[i], &coded, err);
        if (rc != NS_OK)
            break;
        trim((*names)[i]);
        *widest = fmax(*widest, ns_type_width(type, (*names)[i], TOKEN, false));
    }
    return rc;
}

static bool has_room(const ns_map_panel *p)
{
    const ns_map_figure *const f = &p->figure;
    return (!f->key_texts || p->box.w >= TOKEN * (double)f->n_keys) && (!f->row_texts || p->box.h >= TOKEN * (double)f->n_rows);
}

/* Every token has its label, or none. */
static int check_room(const ns_map_panel *p, const ns_page *page, ns_error *err)
{
    const ns_map_figure *const f = &p->figure;
    if (has_room(p))
        return NS_OK;
    const double w = p->box.w / (double)f->n_keys;
    const double more = f->key_texts && w < TOKEN ? TOKEN * (double)f->n_keys - p->box.w : 0;
    return ns_fail(err, NS_E_ARG, "map figure: labels of %lld rows and %lld keys need a width of %.1f inches; it is %.1f (or draw fewer)",
                   (long long)f->n_rows, (long long)f->n_keys, ns_page_inches(page, page->width + fmax(more, 36)),
                   ns_page_given(page));
}

static void draw_names(const ns_map_panel *p, ns_canvas *c)
{
    const ns_map_figure *const f = &p->figure;
    const ns_style beside = {.size = TOKEN, .color = NS_INK, .anchor = NS_AT_END};
    const ns_style under = {.size = TOKEN, .color = NS_INK, .anchor = NS_AT_END, .angle = 90};
    char fit[NS_LABEL_BYTES];
    for (int64_t i = 0; f->row_texts && i < f->n_rows; i++) {
        ns_type_fit(c->type, p->row_names[i], TOKEN, false, p->longest_token, fit);
        ns_canvas_text(c, p->box.x - 3, ns_baseline(p->box.y + p->box.h * ((double)i + .5) / (double)f->n_rows, TOKEN), fit, beside);
    }
    for (int64_t i = 0; f->key_texts && i < f->n_keys; i++) {
        ns_type_fit(c->type, p->key_names[i], TOKEN, false, p->longest_token, fit);
        ns_canvas_text(c, ns_baseline(p->box.x + p->box.w * ((double)i + .5) / (double)f->n_keys, TOKEN), p->box.y + p->box.h + 3, fit,
                       under);
    }
    if (f->key_texts)
        ns_canvas_text(c, p->box.x + p->box.w / 2, p->box.y + p->box.h + p->under_keys + NS_CAP_HEIGHT * NS_SIZE_LABEL, "key",
                       (ns_style){.size = NS_SIZE_LABEL, .color = NS_INK, .anchor = NS_AT_MIDDLE});
}

static void query_ticks(ns_map_panel *p, double length)
{
    const ns_map_figure *f = &p->figure;
    const ns_scale rows = {.min = -0.5, .max = (double)f->n_rows - 0.5};
    p->queries.scale = rows;
    if (f->row_texts) {
        p->queries.gap = p->beside_rows;
        return;
    }
    if (!f->row_at) {
        p->queries.scale = (ns_scale){.min = (double)f->row0 - 0.5, .max = (double)(f->row0 + f->n_rows) - 0.5};
        ns_ticks_make(&p->queries.ticks, &p->queries.scale, true, length, length / (double)f->n_rows >= 7.5 ? 7.5 : 18);
        return;
    }
    ns_ticks_make(&p->queries.ticks, &rows, true, length, 7.5);
    for (int i = 0; i < p->queries.ticks.n; i++)
        snprintf(p->queries.ticks.label[i], sizeof p->queries.ticks.label[i], "%lld",
                 (long long)f->row_at[(int64_t)p->queries.ticks.at[i]]);
}

/* Square cells; few rows are made high enough to be told apart, and named. */
static double box_height(const ns_map_figure *f, const ns_page *page, double width)
{
    const double square = width * (double)f->n_rows / (double)f->n_keys;
    return fmin(fmax(square, fmin(fmax(ROW * (double)f->n_rows, LOWEST), width * 0.6)), TALLEST * page->width);
}

/* Outside in: the axes' and brackets' depths depend on the box, the box on them; two rounds settle it. */
static int size_box(ns_map_panel *p, const ns_page *page, ns_error *err)
{
    const ns_map_figure *f = &p->figure;
    double left = 0, right = 0;
    for (int round = 0; round < 3; round++) {
        const double w = page->width - left - right;
        p->box.w = ns_page_cells(page, fmax(w, page->width * 0.3), f->n_keys);
        p->box.h = f->n_rows == f->n_keys && page->tall == 1 ? p->box.w
                                                             : ns_page_cells(page, page->tall * box_height(f, page, p->box.w), f->n_rows);
        query_ticks(p, p->box.h);
        p->queries.label = f->row_texts                                                           ? "query"
                           : ns_type_width(page->type, QUERIES, NS_SIZE_LABEL, false) <= p->box.h ? QUERIES
                                                                                                  : "query";
        const int code = make_brackets(p, page->type, err);
        if (code != NS_OK)
            return code;
        left = ns_axis_depth(&p->queries, page->type);
        right = fmax(p->beside.depth, fmax(p->above.over, LAST_LABEL));
    }
    p->box.x = ns_page_snap(page, left);
    p->box.y = ns_page_snap(page, fmax(ns_header_height(&p->base), 2) + p->above.depth + (p->above.n ? 2 : 0));
    p->base.width = fmin(page->width, p->box.x + p->box.w + right);
    return NS_OK;
}

/* Names are cut until each token has room for its label; those of spans stand above, too, and are left out beside where that is needed. */
static int size_names(ns_map_panel *p, const ns_page *page, ns_error *err)
{
    double rows, keys;
    int rc = show_names(&p->row_names, p->figure.row_texts, p->figure.n_rows, page->type, &rows, err);
    rc = rc != NS_OK ? rc : show_names(&p->key_names, p->figure.key_texts, p->figure.n_keys, page->type, &keys, err);
    p->longest_token = LONGEST_TOKEN;
    p->longest_span = fmin(LONGEST_SPAN, SPAN_SHARE * page->width);
    while (rc == NS_OK) {
        p->beside_rows = fmin(rows, p->longest_token) + 4;
        p->under_keys = fmin(keys, p->longest_token) + 5;
        rc = size_box(p, page, err);
        if (rc != NS_OK || has_room(p) || p->longest_span == 0)
            break;
        p->longest_span = p->longest_token > LEAST_NAME || p->longest_span > LEAST_NAME ? fmax(LEAST_NAME, p->longest_span - STEP) : 0;
        p->longest_token = fmax(LEAST_NAME, p->longest_token - STEP);
    }
    return rc;
}

static int layout(ns_panel *base, const ns_page *page, ns_error *err)
{
    ns_map_panel *p = (ns_map_panel *)base;
    const ns_map_figure *f = &p->figure;
    const ns_scale keys = {.min = (double)f->key0 - 0.5, .max = (double)(f->key0 + f->n_keys) - 0.5};
    p->queries = (ns_axis){.side = NS_LEFT, .down = true};
    p->keys = (ns_axis){.side = NS_BOTTOM, .scale = keys, .label = "key position"};
    char note[96];
    int code;
    if ((code = ns_type_check(page->type, p->bar.label, "the value's name", err)) != NS_OK || (code = size_names(p, page, err)) != NS_OK)
        return code;
    if ((code = check_room(p, page, err)) != NS_OK)
        return code;
    ns_ticks_fit(&p->keys.ticks, &keys, true, p->box.w, page->type);
    const double depth = f->key_texts ? p->under_keys + NS_SIZE_LABEL : ns_axis_depth(&p->keys, page->type);
    const double below = p->box.y + p->box.h + depth + BAR_GAP;
    p->bar_box = (ns_box){p->box.x, ns_page_snap(page, below), p->box.w, BAR};
    const double end = p->bar_box.y + BAR + ns_colorbar_layout(&p->bar, p->bar_box.w, page->type);
    ns_cells_note(&p->cells, p->box, note);
    ns_legend_note(&p->legend, note);
    const double bottom = ns_legend_place(base, &p->legend, page->type, (ns_legend_spot){p->box.x, end, 3, base->width});
    base->height = p->legend.n ? bottom : end;
    return NS_OK;
}

/* Along the boundary between the keys a row sees and those it does not, on their side: `edge` 0 = the window's, 1 = the diagonal's. */
static void draw_boundary(const ns_map_panel *p, ns_canvas *c, int edge)
{
    const ns_map_figure *f = &p->figure;
    const double w = p->box.w / (double)f->n_keys, h = p->box.h / (double)f->n_rows;
    const bool stairs = h >= 3 || f->row_at;
    const int64_t step = stairs ? 1 : f->n_rows / 1024 + 1;
    const double off =
        (edge ? 1 : -1) * (stairs ? LINE / 2 : LINE / 3 + 1 / c->pixels); /* a dot of small cells may be a pixel larger than they are */
    double (*xy)[2] = ns_alloc_array((size_t)(2 * (f->n_rows / step + 2)), sizeof *xy);
    if (!xy) {
        ns_canvas_fail(c, NS_E_MEMORY, "map figure: out of memory");
        return;
    }
    int n = 0;
    for (int64_t row = 0; row < f->n_rows; row = row + step < f->n_rows || row == f->n_rows - 1 ? row + step : f->n_rows - 1) {
        int64_t ends[2];
        extent(f, row, &ends[0], &ends[1]);
        const int64_t col = ends[edge];
        if (col <= 0 || col >= f->n_keys)
            continue;
        xy[n][0] = p->box.x + w * (double)col + off;
        xy[n++][1] = p->box.y + h * (double)(stairs || edge ? row : row + 1) - off;
        if (stairs) {
            xy[n][0] = xy[n - 1][0];
            xy[n++][1] = p->box.y + h * (double)(row + 1) - off;
        }
    }
    if (n > 1)
        ns_canvas_polyline(c, (const double(*)[2])xy, n, (ns_pen){.color = {150, 150, 150, NS_ROLE_GUIDE}, .width = LINE});
    free(xy);
}

/* x of the end of what the row at y sees: where a guide leaves the white and enters the map. */
static double seen_until(const ns_map_panel *p, double y)
{
    const ns_map_figure *f = &p->figure;
    const int64_t row = (int64_t)fmin(fmax(0, y / p->box.h * (double)f->n_rows), (double)f->n_rows - 1);
    int64_t lo, hi;
    extent(f, row, &lo, &hi);
    return p->box.w * (double)hi / (double)f->n_keys;
}

/* y of the first row that sees x. */
static double seen_from(const ns_map_panel *p, double x)
{
    const ns_map_figure *f = &p->figure;
    const int64_t col = (int64_t)fmin(fmax(0, x / p->box.w * (double)f->n_keys), (double)f->n_keys - 1);
    return p->box.h * (double)row_of(f, f->key0 + col) / (double)f->n_rows;
}

/* From the brackets to the first cells that are seen; over those there is none, so that it hides nothing. */
static void draw_guides(const ns_map_panel *p, ns_canvas *c)
{
    const ns_pen pen = {.color = {190, 190, 190, NS_ROLE_GUIDE}, .width = 0.35};
    const ns_box b = p->box;
    for (int i = 0; i < p->above.n; i++)
        for (int k = 0; k < 2; k++) {
            const double x = k ? p->above.list[i].end + EDGE : p->above.list[i].begin - EDGE, y = seen_from(p, x) - OFF_CELLS;
            if (x > 0 && x < b.w && y > 0)
                ns_canvas_line(c, b.x + x, b.y, b.x + x, b.y + y, pen);
        }
    for (int i = 0; i < p->beside.n; i++)
        for (int k = 0; k < 2; k++) {
            const double y = k ? p->beside.list[i].end + EDGE : p->beside.list[i].begin - EDGE, x = seen_until(p, y) + OFF_CELLS;
            if (y > 0 && y < b.h && x < b.w)
                ns_canvas_line(c, b.x + x, b.y + y, b.x + b.w, b.y + y, pen);
        }
}

static void draw(const ns_panel *base, ns_canvas *c)
{
    const ns_map_panel *p = (const ns_map_panel *)base;
    ns_header_draw(base, c, p->box.x);
    ns_cells_draw(&p->cells, c, p->box);
    draw_guides(p, c);
    if (p->figure.window > 0)
        draw_boundary(p, c, 0);
    draw_boundary(p, c, 1);
    ns_canvas_surround(c, p->box, (ns_pen){.color = NS_INK, .width = NS_THIN});
    ns_brackets_draw(&p->above, c, p->box);
    ns_brackets_draw(&p->beside, c, p->box);
    ns_axis_draw(&p->queries, c, p->box);
    if (!p->figure.key_texts)
        ns_axis_draw(&p->keys, c, p->box);
    draw_names(p, c);
    ns_colorbar_draw(&p->bar, c, p->bar_box);
    ns_legend_draw(&p->legend, c);
}

static int begin_base(ns_map_panel *p, const ns_figure_params *params, ns_error *err)
{
    const ns_map_figure *f = &p->figure;
    char window[48] = "";
    if (f->window > 0)
        snprintf(window, sizeof window, "SWA (%lld)", (long long)f->window);
    snprintf(p->what, sizeof p->what, "layer %lld, head %lld", (long long)f->layer, (long long)f->head);
    const char *const parts[3] = {f->model_name, f->case_name, window};
    char *subtitle = NULL;
    for (int i = 0; i < 3; i++) {
        if (!parts[i] || !*parts[i])
            continue;
        char *longer = subtitle ? ns_printf_alloc("%s \xc2\xb7 %s", subtitle, parts[i]) : ns_strdup(parts[i]);
        free(subtitle);
        subtitle = longer;
        if (!subtitle)
            return ns_oom(err, "map figure");
    }
    const int code = ns_panel_begin(&p->base, params, p->what, subtitle, err);
    free(subtitle);
    return code;
}

static int check(const ns_map_figure *f, ns_error *err)
{
    int code;
    if ((code = check_shape(f, err)) != NS_OK || (code = check_spans(f, err)) != NS_OK ||
        (code = ns_check_name(f->model_name, "the model's name", err)) != NS_OK ||
        (code = ns_check_name(f->case_name, "the case's name", err)) != NS_OK || (code = ns_check_name(f->value_name, "the value's name",
                                                                                                       err)) != NS_OK)
        return code;
    return check_masked(f, err);
}

int ns_map_begin(ns_map_panel *p, const ns_map_figure *figure, const ns_figure_params *params, ns_error *err)
{
    *p = (ns_map_panel){.base = {.layout = layout, .draw = draw}};
    int code = ns_sized_copy(&p->figure, sizeof p->figure, figure, "ns_map_figure", err);
    if (code != NS_OK || (code = check(&p->figure, err)) != NS_OK)
        return code;
    const ns_map_figure *f = &p->figure;
    double min, max;
    bool any;
    p->cells = (ns_cells){.value = f->map, .rows = f->n_rows, .cols = f->n_keys, .extent = extent, .user = f};
    if ((code = ns_cells_range(&p->cells, &min, &max, &any, err)) != NS_OK)
        return code;
    if (!any)
        return ns_fail(err, NS_E_ARG, "map figure: layer %lld, head %lld: none of %lld x %lld weights is a number (not recorded?)",
                       (long long)f->layer,
                       (long long)f->head, (long long)f->n_rows, (long long)f->n_keys);
    if ((code = begin_base(p, params, err)) != NS_OK || (code = ns_panel_colors(&p->base, &p->cells, min, max, f->log_scale, err)) != NS_OK)
        return code;
    p->bar = (ns_colorbar){.colors = p->cells.colors, .scale = p->cells.scale, .data_min = min, .data_max = max,
                           .horizontal = true,
                           .label = f->value_name ? f->value_name : "attention weight"};
    if (any_missing(f))
        ns_legend_add(&p->legend, NS_SWATCH_FILL, p->cells.colors->missing, "not recorded");
    return NS_OK;
}

void ns_map_end(ns_map_panel *p)
{
    ns_brackets_clear(&p->above);
    ns_brackets_clear(&p->beside);
    free_names(p->row_names, p->figure.n_rows);
    free_names(p->key_names, p->figure.n_keys);
    p->row_names = p->key_names = NULL;
    ns_panel_end(&p->base);
}

int ns_draw_map(const char *path, const ns_map_figure *figure, const ns_figure_params *params, ns_error *err)
{
    ns_map_panel panel;
    int code = ns_map_begin(&panel, figure, params, err);
    if (code == NS_OK)
        code = ns_panel_write(&panel.base, path, err);
    ns_map_end(&panel);
    return code;
}
