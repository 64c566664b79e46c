/* heads.c - layer x head map of one score.
 *
 * Layer 0 is at the top. A strip beside the rows tells the kind of each layer (full, sliding window, recurrent); cells without a
 * number are hatched; the numbers are printed where cells are large enough to read them. */
#include "draw/heads.h"
#include <needlescope/arch.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 4096, MAX_TINTS = 3 };
static const double STRIP = 4, STRIP_GAP = 1.5, BAR = 7, BAR_GAP = 6, CELL = 25, MOST_CELL = 50, TALLEST = 1.3, LOWEST = 24;
static const ns_rgb FULL = {64, 64, 64, NS_ROLE_FULL}, RECURRENT = {217, 119, 6, NS_ROLE_RECURRENT}, MLP = {200, 200, 200, NS_ROLE_MLP};
static const ns_rgb SLIDING[MAX_TINTS] = {
    {86, 180, 233, NS_ROLE_WINDOW}, {0, 114, 178, NS_ROLE_WINDOW + 1}, {158, 214, 240, NS_ROLE_WINDOW + 2}};

static int check(const ns_heads_figure *f, ns_error *err)
{
    int code;
    if (f->n_layers < 1 || f->n_layers > MAX_SIDE || f->n_heads < 1 || f->n_heads > MAX_SIDE || !f->score)
        return ns_fail(err, NS_E_ARG, "heads figure: %lld layers x %lld heads; each must be 1 to %d, with scores", (long long)f->n_layers,
                       (long long)f->n_heads, MAX_SIDE);
    for (int64_t i = 0; f->kind && i < f->n_layers; i++)
        if (f->kind[i] < NS_LAYER_FULL || f->kind[i] > NS_LAYER_MLP)
            return ns_fail(err, NS_E_ARG, "heads figure: layer %lld is of kind %d; there are 0 (full), 1 (swa), 2 (recurrent), "
                                           "3 (mlp)", (long long)i, f->kind[i]);
    for (int64_t i = 0; f->layer_at && i < f->n_layers; i++)
        if (f->layer_at[i] < 0 || (i > 0 && f->layer_at[i] <= f->layer_at[i - 1]))
            return ns_fail(err, NS_E_ARG, "heads figure: row %lld is layer %lld; layers ascend from 0", (long long)i,
                           (long long)f->layer_at[i]);
    if (f->n_marks < 0 || (f->n_marks > 0 && !f->marks))
        return ns_fail(err, NS_E_ARG, "heads figure: %d marks without a list", f->n_marks);
    for (int i = 0; i < f->n_marks; i++)
        if (f->marks[i].layer < 0 || f->marks[i].layer >= f->n_layers || f->marks[i].head < 0 || f->marks[i].head >= f->n_heads)
            return ns_fail(err, NS_E_ARG, "heads figure: mark %d is layer %lld, head %lld of %lld x %lld", i, (long long)f->marks[i].layer,
                           (long long)f->marks[i].head, (long long)f->n_layers, (long long)f->n_heads);
    if ((code = ns_check_name(f->score_name, "the score's name", err)) != NS_OK ||
        (code = ns_check_name(f->model_name, "the model's name", err)) != NS_OK)
        return code;
    return ns_check_name(f->marks_name, "the marks' name", err);
}

static int kind_of(const ns_heads_panel *p, int64_t layer)
{
    return p->figure.kind ? p->figure.kind[layer] : NS_LAYER_FULL;
}

/* Rows are layers, which may be some of the model's. */
static void layer_ticks(ns_heads_panel *p, double height, double room)
{
    ns_ticks *const t = &p->layers.ticks;
    ns_ticks_make(t, &p->layers.scale, true, height, room);
    for (int i = 0; p->figure.layer_at && i < t->n; i++)
        snprintf(t->label[i], sizeof t->label[i], "%lld", (long long)p->figure.layer_at[(int64_t)t->at[i]]);
}

static int64_t window_of(const ns_heads_panel *p, int64_t layer)
{
    return p->figure.window ? p->figure.window[layer] : 0;
}

/* The distinct windows of the swa layers, in order of appearance; the number of them, MAX_TINTS + 1 when there are more. */
static int windows(const ns_heads_panel *p, int64_t list[MAX_TINTS])
{
    int n = 0;
    for (int64_t i = 0; i < p->figure.n_layers; i++) {
        int k = 0;
        while (k < n && list[k] != window_of(p, i))
            k++;
        if (kind_of(p, i) != NS_LAYER_SWA || k < n)
            continue;
        if (n == MAX_TINTS)
            return MAX_TINTS + 1;
        list[n++] = window_of(p, i);
    }
    return n;
}

static ns_rgb kind_color(const ns_heads_panel *p, int64_t layer)
{
    int64_t list[MAX_TINTS];
    const int n = windows(p, list);
    if (kind_of(p, layer) != NS_LAYER_SWA)
        return kind_of(p, layer) == NS_LAYER_FULL ? FULL : kind_of(p, layer) == NS_LAYER_MLP ? MLP : RECURRENT;
    for (int k = 0; n <= MAX_TINTS && k < n; k++)
        if (list[k] == window_of(p, layer))
            return SLIDING[k];
    return SLIDING[0];
}

static void window_keys(ns_heads_panel *p)
{
    int64_t list[MAX_TINTS], least = INT64_MAX, most = 0;
    const int n = windows(p, list);
    for (int k = 0; n <= MAX_TINTS && k < n; k++) {
        if (list[k] > 0)
            ns_legend_add(&p->legend, NS_SWATCH_FILL, SLIDING[k], "SWA (%lld)", (long long)list[k]);
        else
            ns_legend_add(&p->legend, NS_SWATCH_FILL, SLIDING[k], "SWA");
    }
    if (n <= MAX_TINTS)
        return;
    for (int64_t i = 0; i < p->figure.n_layers; i++)
        if (kind_of(p, i) == NS_LAYER_SWA) {
            least = window_of(p, i) < least ? window_of(p, i) : least;
            most = window_of(p, i) > most ? window_of(p, i) : most;
        }
    ns_legend_add(&p->legend, NS_SWATCH_FILL, SLIDING[0], "SWA (%lld to %lld)", (long long)least, (long long)most);
}

static bool row_is_empty(const ns_heads_panel *p, int64_t layer)
{
    for (int64_t head = 0; head < p->figure.n_heads; head++)
        if (!isnan(p->figure.score[layer * p->figure.n_heads + head]))
            return false;
    return true;
}

/* A layer that may have no heads, and has none. */
static bool has_no_heads(const ns_heads_panel *p, int64_t layer)
{
    return kind_of(p, layer) >= NS_LAYER_RECURRENT && row_is_empty(p, layer);
}

static void make_legend(ns_heads_panel *p)
{
    const ns_heads_figure *f = &p->figure;
    bool seen[4] = {false}, missing = false, empty = false;
    for (int64_t i = 0; i < f->n_layers; i++) {
        seen[kind_of(p, i)] = true;
        empty |= has_no_heads(p, i);
        for (int64_t h = 0; h < f->n_heads && !has_no_heads(p, i); h++)
            missing |= isnan(f->score[i * f->n_heads + h]);
    }
    p->has_strip = seen[NS_LAYER_SWA] || seen[NS_LAYER_RECURRENT] || seen[NS_LAYER_MLP];
    if (p->has_strip) {
        if (seen[NS_LAYER_FULL])
            ns_legend_add(&p->legend, NS_SWATCH_FILL, FULL, "full");
        window_keys(p);
        if (seen[NS_LAYER_RECURRENT])
            ns_legend_add(&p->legend, NS_SWATCH_FILL, RECURRENT, "recurrent");
        if (seen[NS_LAYER_MLP])
            ns_legend_add(&p->legend, NS_SWATCH_FILL, MLP, "MLP");
    }
    if (missing || empty)
        ns_legend_add(&p->legend, NS_SWATCH_HATCH, p->cells.colors->missing, missing ? "no such head" : "no attention");
    if (f->n_marks)
        ns_legend_add(&p->legend, NS_SWATCH_OUTLINE, p->cells.colors->mark, "%s", f->marks_name ? f->marks_name : "marked");
}

static double value_size(const ns_heads_panel *p, const ns_type *type)
{
    const double w = p->box.w / (double)p->figure.n_heads, h = p->box.h / (double)p->figure.n_layers;
    static const double sizes[] = {7, 6.5, 6, 5.5};
    char text[32];
    for (int s = 0; s < 4 && (w > 8 && h > 6); s++) {
        bool fits = NS_CAP_HEIGHT * sizes[s] + 3.5 <= h;
        for (int64_t i = 0; fits && i < p->figure.n_layers * p->figure.n_heads; i++) {
            ns_format_cell(text, (double)p->figure.score[i]);
            if (!ns_prints_value(&p->base, (double)p->figure.score[i], text))
                continue;
            fits = ns_type_width(type, text, sizes[s], false) + 3.5 <= w;
        }
        if (fits)
            return sizes[s];
    }
    return 0;
}

/* Cells are square where that makes a figure of agreeable height; those of a map of few heads do not fill a page. */
static void size_box(ns_heads_panel *p, const ns_page *page, double width)
{
    const double heads = (double)p->figure.n_heads, layers = (double)p->figure.n_layers;
    const double w = fmin(width, (page->fixed ? MOST_CELL : CELL) * heads);
    double h = w / heads * layers;
    h = page->tall * fmax(fmin(h, TALLEST * page->width), LOWEST);
    p->box.w = ns_page_cells(page, w, p->figure.n_heads);
    p->box.h = ns_page_cells(page, h, p->figure.n_layers);
}

double ns_heads_axis_width(ns_heads_panel *p, const ns_type *type)
{
    const ns_scale rows = {.min = -0.5, .max = (double)p->figure.n_layers - 0.5};
    p->layers = (ns_axis){.side = NS_LEFT, .scale = rows, .down = true, .label = "layer",
                          .gap = p->has_strip ? STRIP + 2 * STRIP_GAP : 0};
    layer_ticks(p, 100, 10); /* for its width; made again when the height is known */
    return ns_axis_depth(&p->layers, type);
}

double ns_heads_bar_width(ns_heads_panel *p, const ns_type *type)
{
    return BAR_GAP + BAR + ns_colorbar_layout(&p->bar, 100, type);
}

static int layout(ns_panel *base, const ns_page *page, ns_error *err)
{
    ns_heads_panel *p = (ns_heads_panel *)base;
    const ns_heads_figure *f = &p->figure;
    char note[96];
    int code;
    if ((code = ns_type_check(page->type, f->score_name ? f->score_name : "", "the score's name", err)) != NS_OK ||
        (code = ns_type_check(page->type, f->marks_name ? f->marks_name : "", "the marks' name", err)) != NS_OK)
        return code;
    const ns_scale cols = {.min = -0.5, .max = (double)f->n_heads - 0.5};
    const double left = ns_heads_axis_width(p, page->type), right = ns_heads_bar_width(p, page->type);
    p->heads = (ns_axis){.side = NS_BOTTOM, .scale = cols, .label = "head"};
    size_box(p, page, fmax(page->width - left - right, page->width * 0.3));
    layer_ticks(p, p->box.h, 9.5);
    ns_ticks_fit(&p->heads.ticks, &cols, true, p->box.w, page->type);
    p->box.x = ns_page_snap(page, left);
    p->box.y = ns_page_snap(page, fmax(ns_header_height(base), NS_CAP_HEIGHT * NS_SIZE_TICK / 2));
    p->strip = (ns_box){p->box.x - STRIP_GAP - STRIP, p->box.y, STRIP, p->box.h};
    p->bar_box = (ns_box){p->box.x + p->box.w + BAR_GAP, p->box.y, BAR, p->box.h};
    const double depth = ns_colorbar_layout(&p->bar, p->box.h, page->type);
    base->width = p->no_bar ? p->box.x + p->box.w : p->bar_box.x + BAR + depth;
    const double title = ns_type_width(page->type, base->title, NS_SIZE_TITLE, true);
    const double subtitle = ns_type_width(page->type, base->subtitle, NS_SIZE_TICK, false);
    base->width = fmin(page->width, fmax(fmax(base->width, fmax(title, subtitle)), f->kind ? page->width * 0.6 : 0));
    const double x = p->has_strip ? p->strip.x : p->box.x;
    ns_cells_note(&p->cells, p->box, note);
    ns_legend_note(&p->legend, note);
    const ns_legend_spot under = {x, p->box.y + p->box.h + ns_axis_depth(&p->heads, page->type), 4, base->width};
    base->height = ns_legend_place(base, &p->legend, page->type, under);
    p->value_size = value_size(p, page->type);
    return ns_check_values(base, page, p->value_size, err);
}

static ns_box cell_box(const ns_heads_panel *p, int64_t layer, int64_t head, int64_t n)
{
    const double w = p->box.w / (double)p->figure.n_heads, h = p->box.h / (double)p->figure.n_layers;
    return (ns_box){p->box.x + w * (double)head, p->box.y + h * (double)layer, w * (double)n, h};
}

static void draw_missing(const ns_heads_panel *p, ns_canvas *c)
{
    const ns_heads_figure *f = &p->figure;
    for (int64_t layer = 0; layer < f->n_layers; layer++)
        for (int64_t head = 0, run; head < f->n_heads; head += run + 1) {
            for (run = 0; head + run < f->n_heads && isnan(f->score[layer * f->n_heads + head + run]); run++)
                ;
            if (run)
                ns_hatch_cell(c, cell_box(p, layer, head, run));
        }
}

/* Names rows of layers without heads, one name for each run of a kind that is high enough. */
static void name_recurrent(const ns_heads_panel *p, ns_canvas *c)
{
    for (int64_t layer = 0, run; layer < p->figure.n_layers; layer += run + 1) {
        const char *const name = kind_of(p, layer) == NS_LAYER_MLP ? "MLP" : "recurrent";
        for (run = 0; layer + run < p->figure.n_layers && kind_of(p, layer + run) == kind_of(p, layer) &&
             has_no_heads(p, layer + run); run++)
            ;
        const ns_box row = cell_box(p, layer, 0, p->figure.n_heads);
        const double h = row.h * (double)run, size = fmin(NS_SIZE_TICK, h / 1.15), w = ns_type_width(c->type, name, size, false);
        if (run == 0 || size < 5 || w + 8 > row.w)
            continue;
        const double x = row.x + row.w / 2, y = row.y + h / 2;
        ns_canvas_fill(c, (ns_box){x - w / 2 - 3, y - size * 0.53, w + 6, size * 1.06}, (ns_rgb){243, 243, 243, NS_ROLE_HATCH});
        ns_canvas_text(c, x, ns_baseline(y, size), name, (ns_style){.size = size, .color = NS_FAINT, .anchor = NS_AT_MIDDLE});
    }
}

static void draw_values(const ns_heads_panel *p, ns_canvas *c)
{
    char text[32];
    for (int64_t i = 0; p->value_size > 0 && i < p->figure.n_layers * p->figure.n_heads; i++) {
        const double v = (double)p->figure.score[i];
        ns_format_cell(text, v);
        if (!ns_prints_value(&p->base, v, text))
            continue;
        const ns_box b = cell_box(p, i / p->figure.n_heads, i % p->figure.n_heads, 1);
        const bool dark = ns_rgb_luminance(ns_cell_color(&p->cells, v)) < 0.2;
        ns_canvas_text(c, b.x + b.w / 2, ns_baseline(b.y + b.h / 2, p->value_size), text,
                       (ns_style){.size = p->value_size, .color = dark ? (ns_rgb){255, 255, 255} : (ns_rgb){0, 0, 0},
                                  .anchor = NS_AT_MIDDLE});
    }
}

static void draw_marks(const ns_heads_panel *p, ns_canvas *c)
{
    for (int i = 0; i < p->figure.n_marks; i++) {
        const ns_box b = cell_box(p, p->figure.marks[i].layer, p->figure.marks[i].head, 1);
        const double width = fmin(1.2, fmax(0.8, fmin(b.w, b.h) / 9));
        ns_canvas_frame(c, (ns_box){b.x - width / 2, b.y - width / 2, b.w + width, b.h + width},
                        (ns_pen){.color = p->cells.colors->mark, .width = width});
    }
}

static void draw_strip(const ns_heads_panel *p, ns_canvas *c)
{
    for (int64_t layer = 0, run; p->has_strip && layer < p->figure.n_layers; layer += run) {
        const ns_rgb color = kind_color(p, layer);
        run = 1;
        while (layer + run < p->figure.n_layers && kind_of(p, layer + run) == kind_of(p, layer) &&
               window_of(p, layer + run) == window_of(p, layer))
            run++;
        const ns_box first = cell_box(p, layer, 0, 1);
        const double under = layer + run < p->figure.n_layers ? 0.5 : 0; /* the one below: no page shows between them */
        ns_canvas_fill(c, (ns_box){p->strip.x, first.y, p->strip.w, first.h * (double)run + under}, color);
    }
}

static void draw(const ns_panel *base, ns_canvas *c)
{
    const ns_heads_panel *p = (const ns_heads_panel *)base;
    ns_header_draw(base, c, p->has_strip ? p->strip.x : p->box.x);
    ns_cells_draw(&p->cells, c, p->box);
    draw_missing(p, c);
    name_recurrent(p, c);
    draw_values(p, c);
    ns_canvas_surround(c, p->box, (ns_pen){.color = NS_INK, .width = NS_THIN});
    draw_marks(p, c);
    draw_strip(p, c);
    ns_axis_draw(&p->layers, c, p->box);
    ns_axis_draw(&p->heads, c, p->box);
    if (!p->no_bar)
        ns_colorbar_draw(&p->bar, c, p->bar_box);
    ns_legend_draw(&p->legend, c);
}

int ns_heads_begin(ns_heads_panel *p, const ns_heads_figure *figure, const ns_figure_params *params, ns_error *err)
{
    *p = (ns_heads_panel){.base = {.layout = layout, .draw = draw, .takes = NS_TAKES_VALUES}};
    int code = ns_sized_copy(&p->figure, sizeof p->figure, figure, "ns_heads_figure", err);
    if (code != NS_OK || (code = check(&p->figure, err)) != NS_OK)
        return code;
    const ns_heads_figure *f = &p->figure;
    const char *name = f->score_name ? f->score_name : "score";
    double min, max;
    bool any;
    p->cells = (ns_cells){.value = f->score, .rows = f->n_layers, .cols = f->n_heads};
    if ((code = ns_cells_range(&p->cells, &min, &max, &any, err)) != NS_OK)
        return code;
    if (f->range[0] != 0 || f->range[1] != 0) {
        min = fmin(min, f->range[0]);
        max = fmax(max, f->range[1]);
    }
    if (!any)
        return ns_fail(err, NS_E_ARG, "heads figure: %s has no number for any of %lld x %lld heads", name, (long long)f->n_layers,
                       (long long)f->n_heads);
    if ((code = ns_panel_begin(&p->base, params, name, f->model_name, err)) != NS_OK ||
        (code = ns_panel_colors(&p->base, &p->cells, min, max, false, err)) != NS_OK)
        return code;
    p->bar = (ns_colorbar){.colors = p->cells.colors, .scale = p->cells.scale, .data_min = min, .data_max = max,
                           .label = p->base.params.title ? name : NULL};    /* the figure's own title is the score's name */
    ns_colorbar_add_level(&p->bar, f->chance, f->chance, "chance");
    make_legend(p);
    return NS_OK;
}

void ns_heads_end(ns_heads_panel *p)
{
    ns_panel_end(&p->base);
}

int ns_draw_heads(const char *path, const ns_heads_figure *figure, const ns_figure_params *params, ns_error *err)
{
    ns_heads_panel panel;
    int code = ns_heads_begin(&panel, figure, params, err);
    if (code == NS_OK)
        code = ns_panel_write(&panel.base, path, err);
    ns_heads_end(&panel);
    return code;
}
