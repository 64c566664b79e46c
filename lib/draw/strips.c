/* strips.c - interventions beside their controls: every draw is a dot, the set a diamond, the untouched value a line. Dots stand aside by a
 * fixed low-discrepancy sequence, so the same numbers give the same figure. */
#include "draw/panel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PANELS = NS_FIGURE_PANELS, MOST_COLUMNS = 16 };
static const ns_rgb DRAW = {86, 140, 190, NS_ROLE_CONTROL}, TARGET = {213, 94, 0, NS_ROLE_SET};
static const double GAP = 8, TALL = 110, SPREAD = 0.5, SLANT = 45, SLANTED = 9.5,
                    /* slanted names need so much of a column */
    NARROWEST = 24, COMFORTABLE = 48;

typedef struct strips_panel {
    ns_panel         base;
    ns_strips_figure figure; /* copy, in order */
    const char *names[MOST_PANELS + MOST_COLUMNS];
    double *numbers; /* its arrays */
    ns_axis          y[MOST_PANELS];
    ns_box           box[MOST_PANELS];
    ns_tiling        tiles;
    ns_legend        legend;
    bool             level;
} strips_panel;

/* ---- what was given ---- */

static double draw_at(const ns_strips_figure *f, int panel, int column, int64_t k)
{
    return f->draws[((int64_t)panel * f->n_columns + column) * f->n_draws + k];
}

static int check(const ns_strips_figure *f, ns_error *err)
{
    int code = NS_OK;
    if (f->n_panels < 1 || f->n_panels > MOST_PANELS || f->n_columns < 1 || f->n_columns > MOST_COLUMNS || f->n_draws < 0 ||
        f->n_draws > 100000 || !f->panels || !f->columns || !f->untouched || !f->target || (f->n_draws && !f->draws))
        return ns_fail(err, NS_E_ARG, "strips figure: %d panels of %d columns of %lld draws; 1 to %d and %d can be drawn", f->n_panels,
                       f->n_columns, (long long)f->n_draws, MOST_PANELS, MOST_COLUMNS);
    for (int i = 0; i < f->n_panels && code == NS_OK; i++)
        code = ns_check_name(f->panels[i], "a panel's name", err);
    for (int i = 0; i < f->n_columns && code == NS_OK; i++)
        code = ns_check_name(f->columns[i], "a column's name", err);
    return code;
}

static void widen(ns_scale *s, double v)
{
    if (!isfinite(v))
        return;
    s->min = fmin(s->min, v);
    s->max = fmax(s->max, v);
}

/* What lies between 0 and 1 is shown from 0 to 1, so that accuracies compare. */
static ns_scale range_of(const ns_strips_figure *f, int panel)
{
    ns_scale s = {.min = (double)INFINITY, .max = -(double)INFINITY};
    widen(&s, f->untouched[panel]);
    for (int c = 0; c < f->n_columns; c++) {
        widen(&s, f->untouched_of ? f->untouched_of[panel * f->n_columns + c] : (double)NAN);
        widen(&s, f->target[panel * f->n_columns + c]);
        for (int64_t k = 0; k < f->n_draws; k++)
            widen(&s, draw_at(f, panel, c, k));
    }
    if (!(s.min <= s.max) || (s.min >= 0 && s.max <= 1))
        return (ns_scale){.min = -.03, .max = 1.03};
    const double room = s.max > s.min ? .06 * (s.max - s.min) : ns_scale_room(s.max);
    return (ns_scale){.min = s.min - room, .max = s.max + room};
}

/* ---- layout ---- */

static int layout(ns_panel *base, const ns_page *page, ns_error *err)
{
    strips_panel *const p = (strips_panel *)base;
    const ns_strips_figure *const f = &p->figure;
    int code = NS_OK;
    double name = 0, left = 0;
    for (int i = 0; i < f->n_panels && code == NS_OK; i++)
        code = ns_type_check(page->type, f->panels[i], "a panel's name", err);
    for (int i = 0; i < f->n_columns && code == NS_OK; i++) {
        code = ns_type_check(page->type, f->columns[i], "a column's name", err);
        name = fmax(name, ns_type_width(page->type, f->columns[i], NS_SIZE_TICK, false));
    }
    if (code != NS_OK)
        return code;
    const double tall = page->tall * TALL;
    for (int i = 0; i < f->n_panels; i++) {
        ns_ticks_make(&p->y[i].ticks, &p->y[i].scale, false, tall, 18);
        left = fmax(left, ns_axis_depth(&p->y[i], page->type));
    }
    const double slant = SLANT * acos(-1) / 180, slanted = fmax(SLANTED * f->n_columns, COMFORTABLE);
    const double over = fmax(0, name * cos(slant) + 2 - left - fmax(slanted, COMFORTABLE) / f->n_columns / 2);
    p->tiles = ns_tile(f->n_panels, page->width - 1, GAP, left + fmax((name + 3) * f->n_columns, COMFORTABLE));
    p->level = p->tiles.columns > 1 || p->tiles.width - left >= (name + 3) * f->n_columns;
    const ns_tiling close = ns_tile(f->n_panels, page->width - 1 - over, GAP, left + slanted);
    if (close.rows < p->tiles.rows || !p->level) {         /* slanted names, whose first sticks out to the left */
        p->tiles = close;
        p->level = false;
    }
    const double w = p->tiles.width - left, least = fmax(p->level ? 0 : SLANTED * f->n_columns, NARROWEST);
    if (w < least)
        return ns_fail(err, NS_E_ARG, "strips figure: %d sets need a width of %.1f inches; it is %.1f", f->n_columns,
                       ns_page_inches(page, least - w + page->width), ns_page_given(page));
    const double top = NS_SIZE_LABEL * 1.4, under = 3 + (p->level ? NS_SIZE_TICK * 1.2 : name * sin(slant) + NS_SIZE_TICK);
    for (int i = 0; i < f->n_panels; i++) {
        const double x = (p->level ? 0 : over) + left + i % p->tiles.columns * (w + left + GAP);
        const double y = ns_header_height(base) + top + i / p->tiles.columns * (top + tall + under + 2);
        p->box[i] = (ns_box){ns_page_snap(page, x), ns_page_snap(page, y), ns_page_snap(page, w), ns_page_snap(page, tall)};
    }
    base->width = page->width;
    const double bottom = p->box[f->n_panels - 1].y + tall + under;
    base->height = ns_legend_place(base, &p->legend, page->type, (ns_legend_spot){p->box[0].x, bottom, 4, base->width});
    return NS_OK;
}

/* ---- drawing ---- */

static double column_x(const strips_panel *p, int panel, int column)
{
    return p->box[panel].x + p->box[panel].w * (column + .5) / p->figure.n_columns;
}

static double value_y(const strips_panel *p, int panel, double v)
{
    return p->box[panel].y + p->box[panel].h * (1 - fmin(fmax(ns_scale_at(&p->y[panel].scale, v), 0), 1));
}

/* van der Corput, base 2, in -.5 ... .5. */
static double aside(int64_t k)
{
    double x = 0, digit = .5;
    for (k++; k > 0; k /= 2, digit /= 2)
        x += (double)(k % 2) * digit;
    return x - .5;
}

static void draw_column(const strips_panel *p, ns_canvas *c, int panel, int column)
{
    const ns_strips_figure *const f = &p->figure;
    const double x = column_x(p, panel, column), width = SPREAD * p->box[panel].w / f->n_columns,
                 target = f->target[panel * f->n_columns + column];
    for (int64_t k = 0; k < f->n_draws; k++) {
        const double v = draw_at(f, panel, column, k);
        if (isfinite(v))
            ns_mark_dot(c, x + width * aside(k), value_y(p, panel, v), DRAW);
    }
    if (isfinite(target))
        ns_mark_diamond(c, x, value_y(p, panel, target), TARGET);
    ns_canvas_text(c, x + (p->level ? 0 : 2), p->box[panel].y + p->box[panel].h + 3 + NS_CAP_HEIGHT * NS_SIZE_TICK, f->columns[column],
                   (ns_style){.size = NS_SIZE_TICK, .color = NS_INK, .anchor = p->level ? NS_AT_MIDDLE : NS_AT_END,
                              .angle = p->level ? 0 : SLANT});
}

/* One line where there is one value; else each run of columns that share theirs has its own. */
static void draw_untouched(const strips_panel *p, ns_canvas *c, int panel)
{
    const ns_strips_figure *const f = &p->figure;
    const ns_box b = p->box[panel];
    const ns_pen pen = {.color = NS_FAINT, .width = 0.7, .dash = 2};
    const double one = f->untouched[panel], *const own = f->untouched_of ? f->untouched_of + (int64_t)panel * f->n_columns : NULL;
    if (isfinite(one))
        ns_canvas_line(c, b.x, value_y(p, panel, one), b.x + b.w, value_y(p, panel, one), pen);
    for (int i = 0, n; own && !isfinite(one) && i < f->n_columns; i += n) {
        for (n = 1; i + n < f->n_columns && own[i + n] == own[i]; n++)
            ;
        const double each = b.w / f->n_columns, y = value_y(p, panel, own[i]);
        if (isfinite(own[i]))
            ns_canvas_line(c, b.x + i * each, y, b.x + (i + n) * each, y, pen);
    }
}

static void draw(const ns_panel *base, ns_canvas *c)
{
    const strips_panel *const p = (const strips_panel *)base;
    ns_header_draw(base, c, p->box[0].x);
    for (int i = 0; i < p->figure.n_panels; i++) {
        const ns_box b = p->box[i];
        draw_untouched(p, c, i);
        for (int column = 0; column < p->figure.n_columns; column++)
            draw_column(p, c, i, column);
        ns_canvas_frame(c, b, (ns_pen){.color = NS_INK, .width = NS_THIN});
        ns_axis_draw(&p->y[i], c, b);
        ns_name_box(c, b, (i + 1) % p->tiles.columns != 0 ? GAP : 1, p->figure.panels[i]);
    }
    ns_legend_draw(&p->legend, c);
}

/* ---- the figure ---- */

/* [panels, columns, n] as the order has it. */
static double *ordered(double *to, const double *from, const int *panel, int n_panels, const int *column, int n_columns, int64_t n)
{
    for (int i = 0; i < n_panels; i++)
        for (int k = 0; k < n_columns; k++, to += n)
            memcpy(to, from + ((int64_t)panel[i] * n_columns + column[k]) * n, (size_t)n * sizeof *to);
    return to;
}

static int put_in_order(strips_panel *p, ns_error *err)
{
    ns_strips_figure *const f = &p->figure;
    const int P = f->n_panels, C = f->n_columns;
    int panel[MOST_PANELS], column[MOST_COLUMNS];
    static const int one[1] = {0};
    ns_order order = ns_order_begin(&p->base.params);
    ns_order_apply(&order, f->panels, P, panel);
    ns_order_apply(&order, f->columns, C, column);
    const int rc = ns_order_check(&order, err);
    p->numbers = rc == NS_OK ? ns_alloc_array((size_t)P * (size_t)(1 + C * (2 + f->n_draws)) + 1, sizeof *p->numbers) : NULL;
    if (!p->numbers)
        return rc != NS_OK ? rc : ns_oom(err, "a figure");
    double *const target = ordered(p->numbers, f->untouched, panel, P, one, 1, 1);
    double *const own = ordered(target, f->target, panel, P, column, C, 1);
    double *const draws = f->untouched_of ? ordered(own, f->untouched_of, panel, P, column, C, 1) : own;
    if (f->n_draws)
        ordered(draws, f->draws, panel, P, column, C, f->n_draws);
    for (int i = 0; i < P; i++)
        p->names[i] = f->panels[panel[i]];
    for (int i = 0; i < C; i++)
        p->names[P + i] = f->columns[column[i]];
    f->untouched = p->numbers;
    f->target = target;
    f->untouched_of = f->untouched_of ? own : NULL;
    f->draws = draws;
    f->panels = p->names;
    f->columns = p->names + P;
    return NS_OK;
}

static int begin(strips_panel *p, const ns_strips_figure *figure, const ns_figure_params *params, ns_error *err)
{
    int code = ns_sized_copy(&p->figure, sizeof p->figure, figure, "ns_strips_figure", err);
    if (code != NS_OK || (code = check(&p->figure, err)) != NS_OK)
        return code;
    if ((code = ns_panel_begin(&p->base, params, p->figure.title ? p->figure.title : "", p->figure.study_name, err)) != NS_OK ||
        (code = put_in_order(p, err)) != NS_OK)
        return code;
    const ns_strips_figure *const f = &p->figure;
    for (int i = 0; i < f->n_panels; i++)
        p->y[i] = (ns_axis){.side = NS_LEFT, .scale = range_of(f, i)};
    ns_legend_add(&p->legend, NS_SWATCH_DIAMOND, TARGET, "%s", f->target_name ? f->target_name : "the set");
    if (f->n_draws)
        ns_legend_add(&p->legend, NS_SWATCH_DOTS, DRAW, "%s", f->draws_name ? f->draws_name : "controls, each draw");
    bool untouched = false;
    for (int i = 0; i < f->n_panels; i++)
        untouched |= isfinite(f->untouched[i]);
    for (int i = 0; f->untouched_of && i < f->n_panels * f->n_columns; i++)
        untouched |= isfinite(f->untouched_of[i]);
    if (untouched) {
        ns_legend_add(&p->legend, NS_SWATCH_LINE, NS_FAINT, "untouched");
        p->legend.keys[p->legend.n - 1].dash = 2;
        p->legend.keys[p->legend.n - 1].width = 0.7;
    }
    return NS_OK;
}

int ns_draw_strips(const char *path, const ns_strips_figure *figure, const ns_figure_params *params, ns_error *err)
{
    strips_panel p = {.base = {.layout = layout, .draw = draw, .takes = NS_TAKES_ORDER}};
    int code = begin(&p, figure, params, err);
    if (code == NS_OK)
        code = ns_panel_write(&p.base, path, err);
    ns_panel_end(&p.base);
    free(p.numbers);
    return code;
}
