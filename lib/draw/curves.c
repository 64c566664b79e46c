/* curves.c - lines, steps or points, coloured by group, in panels that share their axes; thin, so that every seed is seen. Colours: Okabe
 * and Ito's, which people with any colour vision tell apart. */
#include "draw/curves.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_CURVES = 4096 };
#define SERIES(i, r, g, b) {r, g, b, NS_ROLE_SERIES + i}
const ns_rgb ns_group_colors[NS_CURVE_COLORS] = {SERIES(0, 0, 114, 178), SERIES(1, 230, 159, 0),   SERIES(2, 213, 94, 0),
                                                 SERIES(3, 0, 158, 115), SERIES(4, 204, 121, 167), SERIES(5, 86, 180, 233),
                                                 SERIES(6, 64, 64, 64),  SERIES(7, 150, 120, 20)};
static const double TALL = 0.62, MANY_TALL = 0.8, RIGHT = 9, PANEL_GAP = 12, LEAST = 78, LINE = 0.8, TICK = 7, GUIDE_DASH = 2,
                    PALE = .2, LONE = 3.4;

/* ---- what was given ---- */

static int check_names(const ns_curves_figure *f, ns_error *err)
{
    const struct {
        const char *text, *what;
    } names[] = {{f->x_name, "the x axis's name"},
                 {f->y_name, "the y axis's name"},
                 {f->title, "the title"},
                 {f->study_name, "the study's name"},
                 {f->open_name, "the hollow points' name"},
                 {f->ticks_name, "the ticks' name"},
                 {f->guide_name, "the level line's name"}};
    int code = NS_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && code == NS_OK; i++)
        code = ns_check_name(names[i].text, names[i].what, err);
    for (int i = 0; i < f->n_groups && code == NS_OK; i++)
        code = ns_check_name(f->groups[i], "a group's name", err);
    for (int i = 0; i < f->n_panels && code == NS_OK; i++)
        code = ns_check_name(f->panels[i], "a panel's name", err);
    return code;
}

/* The groups that a panel shows, a bit each. */
static uint64_t groups_in(const ns_curves_figure *f, int panel)
{
    uint64_t groups = 0;
    for (int i = 0; i < f->n_curves; i++)
        if (f->curves[i].panel == panel)
            groups |= (uint64_t)1 << f->curves[i].group;
    return groups;
}

static int check_colors(const ns_curves_figure *f, int n_panels, ns_error *err)
{
    for (int panel = 0; panel < n_panels; panel++) {
        const uint64_t groups = groups_in(f, panel);
        for (int g = NS_CURVE_COLORS; g < f->n_groups; g++)
            for (int other = g % NS_CURVE_COLORS; other < g; other += NS_CURVE_COLORS)
                if (groups >> g & groups >> other & 1)
                    return ns_fail(err, NS_E_ARG, "curves figure: groups %d and %d have one colour and share panel %d", other, g, panel);
    }
    return NS_OK;
}

static int check(const ns_curves_figure *f, int n_panels, ns_error *err)
{
    if (f->n_curves < 1 || f->n_curves > MOST_CURVES || !f->curves || f->n_groups < 1 || f->n_groups > NS_CURVE_GROUPS || !f->groups)
        return ns_fail(err, NS_E_ARG, "curves figure: %d curves in %d groups; 1 to %d and %d can be drawn", f->n_curves, f->n_groups,
                       MOST_CURVES, NS_CURVE_GROUPS);
    if (f->n_panels < 0 || f->n_panels > NS_CURVE_PANELS || (f->n_panels && !f->panels))
        return ns_fail(err, NS_E_ARG, "curves figure: %d panels; at most %d can be drawn, with names", f->n_panels, NS_CURVE_PANELS);
    for (int i = 0; i < f->n_curves; i++) {
        const ns_curve *const c = &f->curves[i];
        if (c->group < 0 || c->group >= f->n_groups || c->n < 0 || (c->n && (!c->x || !c->y)))
            return ns_fail(err, NS_E_ARG, "curves figure: curve %d is of group %d of %d, with %lld points", i, c->group, f->n_groups,
                           (long long)c->n);
        if (c->panel < 0 || c->panel >= n_panels)
            return ns_fail(err, NS_E_ARG, "curves figure: curve %d is of panel %d of %d", i, c->panel, n_panels);
    }
    return check_names(f, err);
}

static int axis_of(const ns_curves_figure *f, int panel)
{
    return f->y_axes ? f->y_axes[panel] : 0;
}

/* From the data (of the panels of a y axis), those of a log axis that are positive; widened where there is but one value. */
static int range_of(const ns_curves_figure *f, bool vertical, int axis, double min, double max, bool log, ns_scale *out, ns_error *err)
{
    *out = (ns_scale){.min = INFINITY, .max = -INFINITY, .log = log};
    for (int i = 0; i < f->n_curves; i++) {
        for (int64_t k = 0; k < f->curves[i].n && (!vertical || axis_of(f, f->curves[i].panel) == axis); k++) {
            const double v = (vertical ? f->curves[i].y : f->curves[i].x)[k];
            if (!isfinite(v) || (log && v <= 0))
                continue;
            out->min = fmin(out->min, v);
            out->max = fmax(out->max, v);
        }
    }
    if (min != 0 || max != 0) {
        out->min = min;
        out->max = max;
    }
    if (!(out->min <= out->max) || !isfinite(out->min) || !isfinite(out->max) || (log && out->min <= 0))
        return ns_fail(err, NS_E_ARG, "curves figure: the %s axis from %g to %g shows nothing%s", vertical ? "y" : "x", out->min, out->max,
                       log ? " (a log axis needs numbers above 0)" : "");
    if (out->min == out->max) {
        const double room = ns_scale_room(out->min);
        out->min = log ? out->min / 2 : out->min - room;
        out->max = log ? out->max * 2 : out->max + room;
    }
    return NS_OK;
}

static ns_rgb color_of(int group)
{
    return ns_group_colors[group % NS_CURVE_COLORS];
}

/* Steps that lie on each other are told apart by their dashes: between those of the later is the earlier seen. */
static double dash_of(const ns_curves_figure *f, int group)
{
    static const double dashes[] = {0, 4, 2, 1};
    return f->kind == NS_CURVE_STEP ? dashes[group % 4] : 0;
}

static double width_of(const ns_curves_figure *f)
{
    return f->kind == NS_CURVE_STEP ? 1.4 * LINE : LINE;
}

static void make_legend(ns_curves_panel *p, ns_legend *legend, uint64_t groups)
{
    const ns_curves_figure *f = &p->figure;
    const ns_swatch swatch = f->kind == NS_CURVE_POINTS ? NS_SWATCH_POINT : NS_SWATCH_LINE;
    bool open = false;
    for (int g = 0; g < f->n_groups; g++)
        if (groups >> g & 1) {
            ns_legend_add(legend, swatch, color_of(g), "%s", f->groups[g]);
            legend->keys[legend->n - 1].dash = dash_of(f, g);
            legend->keys[legend->n - 1].width = width_of(f);
        }
    for (int i = 0; i < f->n_curves; i++)
        open |= f->curves[i].open && groups >> f->curves[i].group & 1;
    if (f->guide_name && !isnan(f->guide)) {
        ns_legend_add(legend, NS_SWATCH_LINE, NS_FAINT, "%s", f->guide_name);
        legend->keys[legend->n - 1].dash = GUIDE_DASH;
        legend->keys[legend->n - 1].width = 0.5;
    }
    if (open && f->open_name)
        ns_legend_add(legend, NS_SWATCH_OPEN, NS_INK, "%s", f->open_name);
    if (f->n_ticks && f->ticks_name)
        ns_legend_add(legend, NS_SWATCH_TICK, NS_INK, "%s", f->ticks_name);
}

static uint64_t groups_of_all(const ns_curves_figure *f)
{
    uint64_t groups = 0;
    for (int i = 0; i < f->n_curves; i++)
        groups |= (uint64_t)1 << f->curves[i].group;
    return groups;
}

static int make_legends(ns_curves_panel *p, ns_error *err)
{
    bool same = true;
    for (int i = 1; i < p->n_panels; i++)
        same &= groups_in(&p->figure, i) == groups_in(&p->figure, 0);
    const bool one = same || p->base.params.legend == NS_LEGEND_TOP; /* above all there is place for one */
    if (one && !same && groups_of_all(&p->figure) >> NS_CURVE_COLORS)
        return ns_fail(err, NS_E_ARG,
                       "curves figure: %d groups share %d colours, panel by panel: the legend cannot stand above all of them "
                       "(legend bottom or off)",
                       p->figure.n_groups, NS_CURVE_COLORS);
    p->n_legends = one ? 1 : p->n_panels;
    for (int i = 0; i < p->n_legends; i++)
        make_legend(p, &p->legend[i], one ? groups_of_all(&p->figure) : groups_in(&p->figure, i));
    return NS_OK;
}

/* ---- layout ---- */

static int check_glyphs(const ns_curves_panel *p, const ns_type *type, ns_error *err)
{
    const ns_curves_figure *f = &p->figure;
    int code = ns_type_check(type, f->x_name ? f->x_name : "", "the x axis's name", err);
    if (code == NS_OK)
        code = ns_type_check(type, f->y_name ? f->y_name : "", "the y axis's name", err);
    for (int i = 0; i < f->n_panels && code == NS_OK; i++)
        code = ns_type_check(type, f->panels[i], "a panel's name", err);
    for (int k = 0; k < p->n_legends; k++)
        for (int i = 0; i < p->legend[k].n && code == NS_OK; i++)
            code = ns_type_check(type, p->legend[k].keys[i].text, "a group's name", err);
    return code;
}

/* The legends under a row of panels; returns how high they are. */
static double place_legends(ns_curves_panel *p, const ns_type *type, int first, double y)
{
    double height = 0;
    for (int i = first; i < first + p->tiles.columns && i < p->n_legends; i++) {
        ns_legend_place(&p->base, &p->legend[i], type, (ns_legend_spot){0, y, 0, p->box[i].w + p->gap / 2});
        p->legend[i].x = p->box[i].x;
        height = fmax(height, p->legend[i].height);
    }
    return height;
}

/* Layers and steps: there is none between two of them. */
static bool is_whole(const ns_curves_figure *f)
{
    bool whole = !f->log_x;
    for (int i = 0; i < f->n_curves && whole; i++)
        for (int64_t k = 0; k < f->curves[i].n && whole; k++)
            whole = isnan(f->curves[i].x[k]) || f->curves[i].x[k] == round(f->curves[i].x[k]);
    return whole;
}

/* Rows of panels from y downwards; returns where the last of them ends, with what is under it. */
static double place_panels(ns_curves_panel *p, const ns_page *page, double left, double y)
{
    const bool square = p->figure.diagonal, one_legend = p->n_legends == 1;
    const double each = p->tiles.width, side = fmin(each, 0.8 * page->width);
    const double base = square ? side : each * (p->tiles.columns > 2 ? MANY_TALL : TALL), w = square ? side : each,
                 name = p->figure.n_panels ? NS_SIZE_LABEL * 1.4 : 3;
    double least = 0;
    for (int i = 0; i < p->n_panels; i++) {
        p->y[i].level = ns_header_x(&p->base, page->type, left) < left;
        least = fmax(least, ns_axis_least(&p->y[i], page->type));
    }
    const double h = page->tall * fmax(base, fmin(least, each));        /* higher, where the name of its axis would be cut */
    for (int i = 0; i < p->n_panels; i++)
        ns_ticks_make(&p->y[i].ticks, &p->y[i].scale, false, h, 18);
    ns_ticks_fit(&p->x.ticks, &p->x.scale, is_whole(&p->figure), w, page->type);
    for (int i = 0; i < p->n_panels; i++) {
        const int column = i % p->tiles.columns;
        y += column == 0 ? name : 0;
        p->box[i] = (ns_box){ns_page_snap(page, left + column * (w + p->gap)), ns_page_snap(page, y), ns_page_snap(page, w),
                             ns_page_snap(page, h)};
        if (column == p->tiles.columns - 1 || i == p->n_panels - 1) {
            y += h + ns_axis_depth(&p->x, page->type) + 4;
            y += one_legend ? 0 : place_legends(p, page->type, i - column, y);
        }
    }
    return y;
}

static bool has_ticks(const ns_curves_panel *p, int panel)
{
    return panel % p->tiles.columns == 0 || axis_of(&p->figure, panel) != axis_of(&p->figure, panel - 1);
}

/* Does a panel that is not the first of its row have ticks of its own? */
static bool is_named_inside(const ns_curves_panel *p)
{
    bool inside = false;
    for (int i = 0; i < p->n_panels; i++)
        inside |= i % p->tiles.columns != 0 && has_ticks(p, i);
    return inside;
}

static double place_in(ns_curves_panel *p, const ns_page *page, double left)
{
    p->gap = PANEL_GAP;
    p->tiles = ns_tile(p->n_panels, page->width - left - RIGHT, p->gap, LEAST);
    if (is_named_inside(p)) {
        p->gap += left;
        p->tiles = ns_tile(p->n_panels, page->width - left - RIGHT, p->gap, LEAST);
    }
    return place_panels(p, page, left, ns_header_height(&p->base));
}

static int layout(ns_panel *base, const ns_page *page, ns_error *err)
{
    ns_curves_panel *p = (ns_curves_panel *)base;
    const ns_curves_figure *f = &p->figure;
    const int code = check_glyphs(p, page->type, err);
    if (code != NS_OK)
        return code;
    double left = 0;
    p->x.label = f->x_name;
    for (int i = 0; i < p->n_panels; i++) {
        p->y[i].label = f->y_name;
        ns_ticks_make(&p->y[i].ticks, &p->y[i].scale, false, 100, 18); /* for its width; made again when the height is known */
    }
    double y = 0;
    base->width = page->width;
    for (int round = 0; round < 2; round++) { /* at another height they may be wider */
        for (int i = 0; i < p->n_panels; i++)
            left = fmax(left, ns_axis_depth(&p->y[i], page->type));
        y = place_in(p, page, left);
    }
    base->height = y;
    if (p->n_legends == 1) {
        base->height = ns_legend_place(base, &p->legend[0], page->type, (ns_legend_spot){p->box[0].x, y, 0, base->width});
    }
    return NS_OK;
}

double ns_curves_x(const ns_curves_panel *p, int panel, double v)
{
    return p->box[panel].x + p->box[panel].w * fmin(fmax(ns_scale_at(&p->x.scale, v), 0), 1);
}

double ns_curves_y(const ns_curves_panel *p, int panel, double v)
{
    return p->box[panel].y + p->box[panel].h * (1 - fmin(fmax(ns_scale_at(&p->y[panel].scale, v), 0), 1));
}

/* ---- drawing ---- */

static void draw_segment(const ns_curves_panel *p, ns_canvas *c, const ns_curve *curve, int64_t i, ns_pen pen)
{
    const double x0 = ns_curves_x(p, curve->panel, curve->x[i]), x1 = ns_curves_x(p, curve->panel, curve->x[i + 1]);
    const double y0 = ns_curves_y(p, curve->panel, curve->y[i]), y1 = ns_curves_y(p, curve->panel, curve->y[i + 1]);
    if (p->figure.kind == NS_CURVE_STEP) {
        ns_canvas_line(c, x0, y0, x1, y0, pen);
        ns_canvas_line(c, x1, y0, x1, y1, pen);
    } else {
        ns_canvas_line(c, x0, y0, x1, y1, pen);
    }
}

/* Runs of numbers, as one polyline each, so that joints are drawn well. */
static void draw_line(const ns_curves_panel *p, ns_canvas *c, const ns_curve *curve, ns_pen pen)
{
    double (*const xy)[2] = ns_alloc_array((size_t)curve->n, sizeof *xy);
    if (!xy) {
        ns_canvas_fail(c, NS_E_MEMORY, "figure: out of memory");
        return;
    }
    for (int64_t i = 0, n = 0; i <= curve->n; i++) {
        if (i < curve->n && !isnan(curve->x[i]) && !isnan(curve->y[i])) {
            xy[n][0] = ns_curves_x(p, curve->panel, curve->x[i]);
            xy[n++][1] = ns_curves_y(p, curve->panel, curve->y[i]);
            continue;
        }
        if (n > 1)
            ns_canvas_polyline(c, (const double (*)[2])xy, (int)n, pen);
        n = 0;
    }
    free(xy);
}

static void draw_point(const ns_curves_panel *p, ns_canvas *c, const ns_curve *curve, int64_t i)
{
    ns_mark_point(c, ns_curves_x(p, curve->panel, curve->x[i]), ns_curves_y(p, curve->panel, curve->y[i]), color_of(curve->group),
                  curve->open);
}

static void draw_curve(const ns_curves_panel *p, ns_canvas *c, const ns_curve *curve)
{
    const ns_pen pen = {.color = color_of(curve->group), .width = width_of(&p->figure), .dash = dash_of(&p->figure, curve->group)};
    if (p->figure.kind == NS_CURVE_LINE)
        draw_line(p, c, curve, pen);
    for (int64_t i = 0; p->figure.kind == NS_CURVE_STEP && i + 1 < curve->n; i++)
        if (!isnan(curve->y[i]) && !isnan(curve->y[i + 1]))
            draw_segment(p, c, curve, i, pen);
    if (p->figure.kind == NS_CURVE_STEP && curve->open && curve->n > 0)
        draw_point(p, c, curve, curve->n - 1);
    for (int64_t i = 0; p->figure.kind == NS_CURVE_POINTS && i < curve->n; i++)
        if (!isnan(curve->x[i]) && !isnan(curve->y[i]))
            draw_point(p, c, curve, i);
}

/* What lies behind the curves. */
static void draw_guides(const ns_curves_panel *p, ns_canvas *c, int panel)
{
    const ns_pen faint = {.color = NS_FAINT, .width = 0.5, .dash = GUIDE_DASH};
    const ns_box b = p->box[panel];
    if (!isnan(p->figure.guide))
        ns_canvas_line(c, b.x, ns_curves_y(p, panel, p->figure.guide), b.x + b.w, ns_curves_y(p, panel, p->figure.guide), faint);
    if (p->figure.diagonal) {
        const double from = fmax(p->x.scale.min, p->y[panel].scale.min), to = fmin(p->x.scale.max, p->y[panel].scale.max);
        ns_canvas_line(c, ns_curves_x(p, panel, from), ns_curves_y(p, panel, from), ns_curves_x(p, panel, to), ns_curves_y(p, panel, to),
                       faint);
    }
}

static ns_rgb pale(const ns_canvas *c, ns_rgb color)
{
    const ns_rgb of = ns_theme_color(&c->theme, color), page = ns_theme_color(&c->theme, NS_PAPER);
    return (ns_rgb){(uint8_t)(page.r - PALE * (page.r - of.r)), (uint8_t)(page.g - PALE * (page.g - of.g)),
                    (uint8_t)(page.b - PALE * (page.b - of.b))};
}

static bool in_band(const ns_curve *c, int64_t i)
{
    return i < c->n && !isnan(c->x[i]) && !isnan(c->low[i]) && !isnan(c->high[i]);
}

/* Runs of numbers, as one polygon each: along the low ends and back along the high ones. A single one is a line. */
static void draw_band(const ns_curves_panel *p, ns_canvas *c, const ns_curve *curve)
{
    double (*const xy)[2] = ns_alloc_array(2 * (size_t)curve->n, sizeof *xy);
    if (!xy) {
        ns_canvas_fail(c, NS_E_MEMORY, "figure: out of memory");
        return;
    }
    for (int64_t i = 0, first = 0; i <= curve->n; i++) {
        if (in_band(curve, i))
            continue;
        const int64_t n = i - first;
        for (int64_t k = 0; k < n; k++) {
            xy[k][0] = xy[2 * n - 1 - k][0] = ns_curves_x(p, curve->panel, curve->x[first + k]);
            xy[k][1] = ns_curves_y(p, curve->panel, curve->low[first + k]);
            xy[2 * n - 1 - k][1] = ns_curves_y(p, curve->panel, curve->high[first + k]);
        }
        if (n > 1)
            ns_canvas_polygon(c, (const double (*)[2])xy, (int)(2 * n), pale(c, color_of(curve->group)));
        else if (n == 1)
            ns_canvas_line(c, xy[0][0], xy[0][1], xy[1][0], xy[1][1], (ns_pen){.color = pale(c, color_of(curve->group)), .width = LONE});
        first = i + 1;
    }
    free(xy);
}

static void draw_ticks(const ns_curves_panel *p, ns_canvas *c, int panel)
{
    const ns_box b = p->box[panel];
    for (int i = 0; i < p->figure.n_ticks; i++) {
        const double x = ns_curves_x(p, panel, p->figure.ticks[i]);
        ns_canvas_line(c, x, b.y + b.h, x, b.y + b.h - TICK, (ns_pen){.color = NS_INK, .width = 1.2});
    }
}

/* The x axis is named under each panel where there is room, else once under all. */
static bool has_room(const ns_curves_panel *p, const ns_type *type)
{
    return p->n_panels == 1 ||
           ns_type_width(type, p->figure.x_name ? p->figure.x_name : "", NS_SIZE_LABEL, false) <= p->box[0].w + p->gap - 4;
}

static void draw_panel(const ns_curves_panel *p, ns_canvas *c, int panel)
{
    const ns_curves_figure *f = &p->figure;
    for (int i = 0; i < f->n_curves; i++)
        if (f->curves[i].panel == panel && f->kind == NS_CURVE_LINE && f->curves[i].low && f->curves[i].high)
            draw_band(p, c, &f->curves[i]);
    draw_guides(p, c, panel);
    ns_canvas_frame(c, p->box[panel], (ns_pen){.color = NS_INK, .width = NS_THIN});     /* a curve along it is seen */
    for (int i = 0; i < f->n_curves; i++)
        if (f->curves[i].panel == panel)
            draw_curve(p, c, &f->curves[i]);
    draw_ticks(p, c, panel);
    ns_axis x = p->x;
    x.label = has_room(p, c->type) ? x.label : NULL;
    ns_axis_draw(&x, c, p->box[panel]);
    if (has_ticks(p, panel))
        ns_axis_draw(&p->y[panel], c, p->box[panel]);
    if (f->n_panels)
        ns_name_box(c, p->box[panel], (panel + 1) % p->tiles.columns != 0 ? p->gap : RIGHT, f->panels[panel]);
}

static void draw(const ns_panel *base, ns_canvas *c)
{
    const ns_curves_panel *p = (const ns_curves_panel *)base;
    ns_header_draw(base, c, p->box[0].x);
    for (int i = 0; i < p->n_panels; i++)
        draw_panel(p, c, i);
    if (!has_room(p, c->type)) {
        const ns_box *const right = &p->box[p->tiles.columns - 1], *const last = &p->box[p->n_panels - 1];
        ns_axis_draw(&(ns_axis){.side = NS_BOTTOM, .label = p->figure.x_name}, c,
                     (ns_box){p->box[0].x, last->y, right->x + right->w - p->box[0].x, last->h});
    }
    for (int i = 0; i < p->n_legends; i++)
        ns_legend_draw(&p->legend[i], c);
}

/* ---- the figure ---- */

/* Curves keep their place: later ones lie above. */
static int put_in_order(ns_curves_panel *p, ns_error *err)
{
    ns_curves_figure *const f = &p->figure;
    int group[NS_CURVE_GROUPS], panel[NS_CURVE_PANELS] = {0};
    ns_order order = ns_order_begin(&p->base.params);
    ns_order_names(&order, f->groups, f->n_groups, p->names, group);
    ns_order_names(&order, f->panels, f->n_panels, p->names + NS_CURVE_GROUPS, panel);
    const int rc = ns_order_check(&order, err);
    p->curves = rc == NS_OK ? ns_alloc_array((size_t)f->n_curves, sizeof *p->curves) : NULL;
    if (!p->curves)
        return rc != NS_OK ? rc : ns_oom(err, "a figure");
    for (int i = 0; i < f->n_panels; i++)
        p->y_axes[panel[i]] = f->y_axes ? f->y_axes[i] : 0;
    for (int i = 0; i < f->n_curves; i++) {
        p->curves[i] = f->curves[i];
        p->curves[i].group = group[f->curves[i].group];
        p->curves[i].panel = panel[f->curves[i].panel];
    }
    f->curves = p->curves;
    f->groups = p->names;
    f->panels = f->n_panels ? p->names + NS_CURVE_GROUPS : NULL;
    f->y_axes = f->y_axes ? p->y_axes : NULL;
    return NS_OK;
}

int ns_curves_begin(ns_curves_panel *p, const ns_curves_figure *figure, const ns_figure_params *params, ns_error *err)
{
    *p = (ns_curves_panel){.base = {.layout = layout, .draw = draw, .takes = NS_TAKES_ORDER}, .x = {.side = NS_BOTTOM}};
    int code = ns_sized_copy(&p->figure, sizeof p->figure, figure, "ns_curves_figure", err);
    p->n_panels = p->figure.n_panels ? p->figure.n_panels : 1;
    if (code != NS_OK || (code = check(&p->figure, p->n_panels, err)) != NS_OK)
        return code;
    if ((code = ns_panel_begin(&p->base, params, p->figure.title ? p->figure.title : "", p->figure.study_name, err)) != NS_OK ||
        (code = put_in_order(p, err)) != NS_OK || (code = check_colors(&p->figure, p->n_panels, err)) != NS_OK)
        return code;
    const ns_curves_figure *f = &p->figure;
    code = range_of(f, false, 0, f->x_min, f->x_max, f->log_x, &p->x.scale, err);
    for (int i = 0; i < p->n_panels && code == NS_OK; i++) {
        p->y[i].side = NS_LEFT;
        code = range_of(f, true, axis_of(f, i), f->y_min, f->y_max, f->log_y, &p->y[i].scale, err);
    }
    if (code != NS_OK)
        return code;
    return make_legends(p, err);
}

void ns_curves_end(ns_curves_panel *p)
{
    free(p->curves);
    p->curves = NULL;
    ns_panel_end(&p->base);
}

int ns_draw_curves(const char *path, const ns_curves_figure *figure, const ns_figure_params *params, ns_error *err)
{
    ns_curves_panel panel;
    int code = ns_curves_begin(&panel, figure, params, err);
    if (code == NS_OK)
        code = ns_panel_write(&panel.base, path, err);
    ns_curves_end(&panel);
    return code;
}
