/* fit.c - points and the curves that were fitted to them, in panels side by side; under each a strip of what the curve leaves of its
 * points. */
#include "draw/curves.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_SERIES = 256, MOST_PANELS = NS_FIGURE_PANELS };
static const double RIGHT = 9, PANEL_GAP = 12, TALL = 0.62, STRIP = 0.22, STRIP_GAP = 5, LINE = 0.9, LEAST = 72, BETWEEN = 6, LONGEST = 44;

typedef struct fit_panel {
    ns_panel base;
    ns_fit_figure figure; /* copy, in order; what series point at is the caller's */
    ns_fit_series *series;
    const char *names[NS_CURVE_COLORS + MOST_PANELS];
    ns_tiling tiles;
    int n_panels;         /* one at least */
    ns_axis x, y, rest;   /* the same in all panels */
    ns_box box[MOST_PANELS], strip[MOST_PANELS];
    ns_legend legend;
} fit_panel;

static int check_names(const ns_fit_figure *f, ns_error *err)
{
    const char *const names[] = {f->x_name, f->y_name, f->rest_name, f->title, f->study_name, f->open_name};
    int code = NS_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && code == NS_OK; i++)
        code = ns_check_name(names[i], "a name of the figure of a fit", err);
    for (int i = 0; i < f->n_groups && code == NS_OK; i++)
        code = ns_check_name(f->groups[i], "a group's name", err);
    for (int i = 0; i < f->n_panels && code == NS_OK; i++)
        code = ns_check_name(f->panels[i], "a panel's name", err);
    return code;
}

static int check(const fit_panel *p, ns_error *err)
{
    const ns_fit_figure *const f = &p->figure;
    if (f->n_series < 1 || f->n_series > MOST_SERIES || !f->series || f->n_groups < 1 || f->n_groups > NS_CURVE_COLORS || !f->groups)
        return ns_fail(err, NS_E_ARG, "figure of a fit: %d series in %d groups; 1 to %d and %d can be drawn", f->n_series, f->n_groups,
                       MOST_SERIES, NS_CURVE_COLORS);
    if (f->n_panels < 0 || f->n_panels > MOST_PANELS || (f->n_panels && !f->panels))
        return ns_fail(err, NS_E_ARG, "figure of a fit: %d panels; at most %d can be drawn, with names", f->n_panels, MOST_PANELS);
    for (int i = 0; i < f->n_series; i++)
        if (f->series[i].group < 0 || f->series[i].group >= f->n_groups || f->series[i].panel < 0 || f->series[i].panel >= p->n_panels)
            return ns_fail(err, NS_E_ARG, "figure of a fit: series %d is of group %d of %d and panel %d of %d", i, f->series[i].group,
                           f->n_groups, f->series[i].panel, p->n_panels);
    return check_names(f, err);
}

/* ---- scales ---- */

static void reach(ns_scale *s, const double *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (isfinite(values[i]) && (!s->log || values[i] > 0)) {
            s->min = fmin(s->min, values[i]);
            s->max = fmax(s->max, values[i]);
        }
}

/* A little room on both sides, so that no point lies on the frame. */
static int pad(ns_scale *s, ns_error *err)
{
    if (!(s->min <= s->max))
        return ns_fail(err, NS_E_ARG, "figure of a fit: no number to draw%s", s->log ? " on a log axis" : "");
    const double room = s->min == s->max ? ns_scale_room(s->min) : .07 * (s->max - s->min), factor = s->log ? pow(s->max / s->min, .07) : 1;
    *s = s->log ? (ns_scale){s->min / fmax(factor, 1.05), s->max * fmax(factor, 1.05), true}
                : (ns_scale){s->min - room, s->max + room, false};
    return NS_OK;
}

static int find_scales(fit_panel *p, ns_error *err)
{
    const ns_fit_figure *const f = &p->figure;
    p->x.scale = (ns_scale){INFINITY, -INFINITY, f->log_x};
    p->y.scale = p->rest.scale = (ns_scale){INFINITY, -INFINITY, false};
    for (int i = 0; i < f->n_series; i++) {
        const ns_fit_series *const s = &f->series[i];
        reach(&p->x.scale, s->x, s->n);
        reach(&p->x.scale, s->line_x, s->n_line);
        reach(&p->y.scale, s->y, s->n);
        reach(&p->y.scale, s->line_y, s->n_line);
        reach(&p->rest.scale, s->rest, s->n);
    }
    const double most = fmax(fabs(p->rest.scale.min), fabs(p->rest.scale.max)); /* nothing left lies in the middle */
    p->rest.scale.min = -most;
    p->rest.scale.max = most;
    int code = pad(&p->x.scale, err);
    code = code != NS_OK ? code : pad(&p->y.scale, err);
    return code != NS_OK ? code : pad(&p->rest.scale, err);
}

/* ---- layout and drawing ---- */

static int layout(ns_panel *base, const ns_page *page, ns_error *err)
{
    fit_panel *const p = (fit_panel *)base;
    const ns_fit_figure *const f = &p->figure;
    int code = NS_OK;
    for (int i = 0; i < p->legend.n && code == NS_OK; i++)
        code = ns_type_check(page->type, p->legend.keys[i].text, "a group's name", err);
    for (int i = 0; i < f->n_panels && code == NS_OK; i++)
        code = ns_type_check(page->type, f->panels[i], "a panel's name", err);
    if (code != NS_OK)
        return code;
    ns_ticks_make(&p->y.ticks, &p->y.scale, false, page->tall == 1 ? 100 : 260 * TALL * page->tall, 18); /* for its width */
    ns_ticks_make(&p->rest.ticks, &p->rest.scale, false, page->tall == 1 ? 50 : 260 * STRIP * page->tall, 14);
    p->y.tight = p->rest.tight = true;
    p->y.least = p->rest.least = fmax(ns_ticks_width(&p->y.ticks, page->type), ns_ticks_width(&p->rest.ticks, page->type));
    const double left = fmax(ns_axis_depth(&p->y, page->type), ns_axis_depth(&p->rest, page->type));
    p->tiles = ns_tile(p->n_panels, page->width - left - RIGHT, PANEL_GAP, LEAST);
    const double w = p->tiles.width, whole = page->tall * fmin(w, 260), name = f->n_panels ? NS_SIZE_LABEL * 1.4 : 3;
    const double rest = fmin(LONGEST, ns_type_width(page->type, f->rest_name ? f->rest_name : "", NS_SIZE_LABEL, false) + 2);
    double y = ns_header_height(base);
    ns_ticks_fit(&p->x.ticks, &p->x.scale, false, ns_page_snap(page, w), page->type);
    for (int i = 0; i < p->n_panels; i++) {
        const int column = i % p->tiles.columns;
        const double x = ns_page_snap(page, left + column * (w + PANEL_GAP));
        p->box[i] = (ns_box){x, ns_page_snap(page, y + name), ns_page_snap(page, w), ns_page_snap(page, whole * TALL)};
        p->strip[i] = (ns_box){x, ns_page_snap(page, p->box[i].y + p->box[i].h + STRIP_GAP), p->box[i].w,
                               ns_page_snap(page, fmax(whole * STRIP, rest))};
        if (column == p->tiles.columns - 1 || i == p->n_panels - 1)
            y = p->strip[i].y + p->strip[i].h + ns_axis_depth(&p->x, page->type) + (i < p->n_panels - 1 ? BETWEEN : 0);
    }
    ns_ticks_make(&p->y.ticks, &p->y.scale, false, p->box[0].h, 18);
    ns_ticks_make(&p->rest.ticks, &p->rest.scale, false, p->strip[0].h, 14);
    base->width = page->width;
    base->height = ns_legend_place(base, &p->legend, page->type, (ns_legend_spot){p->box[0].x, y, 4, base->width});
    return NS_OK;
}

static double place(const ns_scale *s, double from, double length, double v)
{
    return from + length * fmin(fmax(ns_scale_at(s, v), 0), 1);
}

static void draw_series(const fit_panel *p, ns_canvas *c, const ns_fit_series *s)
{
    const ns_box b = p->box[s->panel], r = p->strip[s->panel];
    const ns_rgb color = ns_group_colors[s->group];
    for (int64_t i = 0; i + 1 < s->n_line; i++)
        ns_canvas_line(c, place(&p->x.scale, b.x, b.w, s->line_x[i]), place(&p->y.scale, b.y + b.h, -b.h, s->line_y[i]),
                       place(&p->x.scale, b.x, b.w, s->line_x[i + 1]), place(&p->y.scale, b.y + b.h, -b.h, s->line_y[i + 1]),
                       (ns_pen){.color = color, .width = LINE});
    for (int64_t i = 0; i < s->n; i++) {
        const double x = place(&p->x.scale, b.x, b.w, s->x[i]);
        ns_mark_point(c, x, place(&p->y.scale, b.y + b.h, -b.h, s->y[i]), color, s->open);
        ns_mark_point(c, x, place(&p->rest.scale, r.y + r.h, -r.h, s->rest[i]), color, s->open);
    }
}

static void draw(const ns_panel *base, ns_canvas *c)
{
    const fit_panel *const p = (const fit_panel *)base;
    const ns_fit_figure *const f = &p->figure;
    ns_header_draw(base, c, p->box[0].x);
    for (int i = 0; i < p->n_panels; i++) {
        const ns_box r = p->strip[i];
        ns_canvas_line(c, r.x, r.y + r.h / 2, r.x + r.w, r.y + r.h / 2, (ns_pen){.color = NS_FAINT, .width = 0.5, .dash = 2});
        for (int k = 0; k < f->n_series; k++)
            if (f->series[k].panel == i)
                draw_series(p, c, &f->series[k]);
        ns_canvas_frame(c, p->box[i], (ns_pen){.color = NS_INK, .width = NS_THIN});
        ns_canvas_frame(c, r, (ns_pen){.color = NS_INK, .width = NS_THIN});
        ns_axis_draw(&p->x, c, r);
        if (f->n_panels)
            ns_name_box(c, p->box[i], (i + 1) % p->tiles.columns != 0 && i + 1 < p->n_panels ? PANEL_GAP : RIGHT, f->panels[i]);
        if (i % p->tiles.columns != 0)
            continue;
        ns_axis_draw(&p->y, c, p->box[i]);
        ns_axis_draw(&p->rest, c, r);
    }
    ns_legend_draw(&p->legend, c);
}

/* ---- the figure ---- */

static int put_in_order(fit_panel *p, ns_error *err)
{
    ns_fit_figure *const f = &p->figure;
    int group[NS_CURVE_COLORS], panel[MOST_PANELS] = {0};
    ns_order order = ns_order_begin(&p->base.params);
    ns_order_names(&order, f->groups, f->n_groups, p->names, group);
    ns_order_names(&order, f->panels, f->n_panels, p->names + NS_CURVE_COLORS, panel);
    const int rc = ns_order_check(&order, err);
    p->series = rc == NS_OK ? ns_alloc_array((size_t)f->n_series, sizeof *p->series) : NULL;
    if (!p->series)
        return rc != NS_OK ? rc : ns_oom(err, "a figure");
    for (int i = 0; i < f->n_series; i++) {
        p->series[i] = f->series[i];
        p->series[i].group = group[f->series[i].group];
        p->series[i].panel = panel[f->series[i].panel];
    }
    f->series = p->series;
    f->groups = p->names;
    f->panels = f->n_panels ? p->names + NS_CURVE_COLORS : NULL;
    return NS_OK;
}

static int begin(fit_panel *p, const ns_fit_figure *figure, const ns_figure_params *params, ns_error *err)
{
    int code = ns_sized_copy(&p->figure, sizeof p->figure, figure, "ns_fit_figure", err);
    const ns_fit_figure *const f = &p->figure;
    p->n_panels = f->n_panels ? f->n_panels : 1;
    if (code != NS_OK || (code = check(p, err)) != NS_OK || (code = find_scales(p, err)) != NS_OK ||
        (code = ns_panel_begin(&p->base, params, f->title ? f->title : "", f->study_name, err)) != NS_OK ||
        (code = put_in_order(p, err)) != NS_OK)
        return code;
    p->x.label = f->x_name;
    p->y.label = f->y_name;
    p->rest.label = f->rest_name;
    bool open = false;
    for (int i = 0; i < f->n_groups; i++)
        ns_legend_add(&p->legend, NS_SWATCH_FITTED, ns_group_colors[i], "%s", f->groups[i]);
    for (int i = 0; i < f->n_series; i++)
        open |= f->series[i].open;
    if (open && f->open_name)
        ns_legend_add(&p->legend, NS_SWATCH_OPEN, NS_INK, "%s", f->open_name);
    return NS_OK;
}

int ns_draw_fit(const char *path, const ns_fit_figure *figure, const ns_figure_params *params, ns_error *err)
{
    fit_panel p = {.base = {.layout = layout, .draw = draw, .takes = NS_TAKES_ORDER},
                   .x = {.side = NS_BOTTOM},
                   .y = {.side = NS_LEFT},
                   .rest = {.side = NS_LEFT}};
    int code = begin(&p, figure, params, err);
    if (code == NS_OK)
        code = ns_panel_write(&p.base, path, err);
    ns_panel_end(&p.base);
    free(p.series);
    return code;
}
