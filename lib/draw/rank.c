/* rank.c - values by rank with intervals and names: how fast a score falls, and how sure the order is. */
#include "draw/panel.h"

#include <math.h>

enum { MOST_PANELS = NS_FIGURE_PANELS, MOST_RANKS = 256 };
static const ns_rgb VALUE = {0, 114, 178, NS_ROLE_VALUE}, CHANCE = {213, 94, 0, NS_ROLE_CHANCE};
static const double GAP = 12, RIGHT = 4, LEAST = 82, TALL = 110, LABEL = 6, LABEL_ROOM = 6.6, AROUND = 5;

typedef struct rank_panel {
    ns_panel       base;
    ns_rank_figure figure;               /* copy; arrays are the caller's */
    ns_ranked panels[MOST_PANELS];       /* its panels, in order */
    ns_axis        x[MOST_PANELS], y;
    ns_box         box[MOST_PANELS];
    ns_tiling      tiles;
    ns_legend      legend;
} rank_panel;

static int check(const ns_rank_figure *f, ns_error *err)
{
    if (f->n_panels < 1 || f->n_panels > MOST_PANELS || !f->panels)
        return ns_fail(err, NS_E_ARG, "rank figure: %d panels; 1 to %d can be drawn", f->n_panels, MOST_PANELS);
    for (int i = 0; i < f->n_panels; i++) {
        const ns_ranked *const p = &f->panels[i];
        if (p->n < 1 || p->n > MOST_RANKS || !p->value || !p->low || !p->high)
            return ns_fail(err, NS_E_ARG, "rank figure: panel %d has %lld values; 1 to %d, with intervals", i, (long long)p->n, MOST_RANKS);
        const int code = ns_check_name(p->name, "a panel's name", err);
        if (code != NS_OK)
            return code;
        for (int64_t k = 0; k < p->n; k++)
            if (!isfinite(p->value[k]))
                return ns_fail(err, NS_E_ARG, "rank figure: value %lld of panel %d is %g", (long long)k, i, p->value[k]);
    }
    return ns_check_name(f->value_name, "the values' name", err);
}

/* From 0 or below to 1 or above, so that figures compare. */
static ns_scale range_of(const ns_rank_figure *f)
{
    ns_scale s = {.min = 0, .max = 1};
    for (int i = 0; i < f->n_panels; i++)
        for (int64_t k = 0; k < f->panels[i].n; k++) {
            s.min = fmin(s.min, isnan(f->panels[i].low[k]) ? f->panels[i].value[k] : f->panels[i].low[k]);
            s.max = fmax(s.max, isnan(f->panels[i].high[k]) ? f->panels[i].value[k] : f->panels[i].high[k]);
        }
    return s;
}

static double at_rank(const rank_panel *p, int panel, int64_t k)
{
    const ns_box b = p->box[panel];
    return b.x + AROUND + (b.w - 2 * AROUND) * ((double)k + .5) / (double)p->figure.panels[panel].n;
}

static double at_value(const rank_panel *p, int panel, double v)
{
    return p->box[panel].y + p->box[panel].h * (1 - fmin(fmax(ns_scale_at(&p->y.scale, v), 0), 1));
}

static bool has_room(const rank_panel *p, int panel)
{
    return (p->box[panel].w - 2 * AROUND) / (double)p->figure.panels[panel].n >= LABEL_ROOM;
}

/* Ranks begin with 1, whatever is round. */
static void begin_with_one(ns_ticks *t)
{
    if (t->n > 1 && t->at[0] < 1 && t->at[1] > 1) {
        t->at[0] = 1;
        ns_format_tick(t->label[0], 1, 1);
    }
}

static int layout(ns_panel *base, const ns_page *page, ns_error *err)
{
    rank_panel *const p = (rank_panel *)base;
    const ns_rank_figure *const f = &p->figure;
    int code = ns_type_check(page->type, f->value_name ? f->value_name : "", "the values' name", err);
    for (int i = 0; i < f->n_panels && code == NS_OK; i++)
        code = ns_type_check(page->type, f->panels[i].name ? f->panels[i].name : "", "a panel's name", err);
    if (code != NS_OK)
        return code;
    p->y.label = f->value_name;
    const double tall = page->tall * TALL;
    ns_ticks_make(&p->y.ticks, &p->y.scale, false, tall, 18);
    const double left = ns_axis_depth(&p->y, page->type), name = NS_SIZE_LABEL * 1.4;
    p->tiles = ns_tile(f->n_panels, page->width - left - RIGHT, GAP, LEAST);
    const double w = p->tiles.width, under = ns_axis_depth(&(ns_axis){.side = NS_BOTTOM, .ticks.n = 1, .label = "rank"}, page->type);
    for (int i = 0; i < f->n_panels; i++) {
        const double x = left + i % p->tiles.columns * (w + GAP);
        const double y = ns_header_height(base) + name + i / p->tiles.columns * (name + tall + under + 4);
        p->box[i] = (ns_box){ns_page_snap(page, x), ns_page_snap(page, y), ns_page_snap(page, w), ns_page_snap(page, tall)};
        const double inset = AROUND / (w - 2 * AROUND) * (double)f->panels[i].n;
        p->x[i] = (ns_axis){.side = NS_BOTTOM, .scale = {.min = .5 - inset, .max = (double)f->panels[i].n + .5 + inset}, .label = "rank"};
        ns_ticks_fit(&p->x[i].ticks, &p->x[i].scale, true, w, page->type);
        begin_with_one(&p->x[i].ticks);
    }
    base->width = page->width;
    const double bottom = p->box[f->n_panels - 1].y + tall + under;
    const double end = ns_legend_place(base, &p->legend, page->type, (ns_legend_spot){p->box[0].x, bottom, 3, base->width});
    base->height = p->legend.n ? end : bottom;
    return NS_OK;
}

static void draw_one(const rank_panel *p, ns_canvas *c, int panel, int64_t k)
{
    const ns_ranked *const r = &p->figure.panels[panel];
    const double x = at_rank(p, panel, k), y = at_value(p, panel, r->value[k]);
    const bool interval = !isnan(r->low[k]) && !isnan(r->high[k]);
    const double over = interval ? at_value(p, panel, r->high[k]) : y, under = interval ? at_value(p, panel, r->low[k]) : y;
    ns_mark_interval(c, x, interval ? under : (double)NAN, y, over, VALUE);
    if (!r->labels || !has_room(p, panel))
        return;
    const ns_box b = p->box[panel];
    const double need = ns_type_width(c->type, r->labels[k], LABEL, false) + 6, high = NS_CAP_HEIGHT * LABEL;
    const bool above = over - need > b.y, beneath = under + need < b.y + b.h;           /* else beside the interval */
    ns_canvas_text(c, x + (above || beneath ? high / 2 : high + 2), above ? over - 3 : beneath ? under + 3 : (over + under) / 2,
                   r->labels[k], (ns_style){.size = LABEL, .color = NS_INK, .angle = 90,
                                            .anchor = above ? NS_AT_START : beneath ? NS_AT_END : NS_AT_MIDDLE});
}

static void draw(const ns_panel *base, ns_canvas *c)
{
    const rank_panel *const p = (const rank_panel *)base;
    ns_header_draw(base, c, p->box[0].x);
    for (int i = 0; i < p->figure.n_panels; i++) {
        const ns_ranked *const r = &p->figure.panels[i];
        const ns_box b = p->box[i];
        ns_canvas_frame(c, b, (ns_pen){.color = NS_INK, .width = NS_THIN});
        if (!isnan(r->chance))                                      /* over the frame: a level of 0 lies on it */
            ns_canvas_line(c, b.x, at_value(p, i, r->chance), b.x + b.w, at_value(p, i, r->chance), (ns_pen){.color = CHANCE, .width = 0.7,
                                                                                                       .dash = 2});
        for (int64_t k = 0; k < r->n; k++)
            draw_one(p, c, i, k);
        ns_axis_draw(&p->x[i], c, b);
        if (r->name)
            ns_name_box(c, b, (i + 1) % p->tiles.columns != 0 ? GAP : 1, r->name);
        if (i % p->tiles.columns == 0)
            ns_axis_draw(&p->y, c, b);
    }
    ns_legend_draw(&p->legend, c);
}

static int put_in_order(rank_panel *p, ns_error *err)
{
    const char *names[MOST_PANELS];
    int index[MOST_PANELS];
    ns_order order = ns_order_begin(&p->base.params);
    for (int i = 0; i < p->figure.n_panels; i++)
        names[i] = p->figure.panels[i].name;
    ns_order_apply(&order, names, p->figure.n_panels, index);
    for (int i = 0; i < p->figure.n_panels; i++)
        p->panels[i] = p->figure.panels[index[i]];
    p->figure.panels = p->panels;
    return ns_order_check(&order, err);
}

static int begin(rank_panel *p, const ns_rank_figure *figure, const ns_figure_params *params, ns_error *err)
{
    int code = ns_sized_copy(&p->figure, sizeof p->figure, figure, "ns_rank_figure", err);
    if (code != NS_OK || (code = check(&p->figure, err)) != NS_OK)
        return code;
    if ((code = ns_panel_begin(&p->base, params, "Best heads by rank", p->figure.study_name, err)) != NS_OK ||
        (code = put_in_order(p, err)) != NS_OK)
        return code;
    const ns_rank_figure *const f = &p->figure;
    bool intervals = false, chance = false;
    for (int i = 0; i < f->n_panels; i++) {
        chance |= !isnan(f->panels[i].chance);
        for (int64_t k = 0; k < f->panels[i].n; k++)
            intervals |= !isnan(f->panels[i].low[k]);
    }
    ns_legend_add(&p->legend, intervals ? NS_SWATCH_INTERVAL : NS_SWATCH_FILL, VALUE, "%s",
                  intervals ? "head, with its 95 % interval over cases" : "head");
    if (chance) {
        ns_legend_add(&p->legend, NS_SWATCH_LINE, CHANCE, "%s", f->chance_name ? f->chance_name : "chance");
        p->legend.keys[p->legend.n - 1].dash = 2;
        p->legend.keys[p->legend.n - 1].width = 0.7;
    }
    p->y = (ns_axis){.side = NS_LEFT, .scale = range_of(f)};
    return NS_OK;
}

int ns_draw_rank(const char *path, const ns_rank_figure *figure, const ns_figure_params *params, ns_error *err)
{
    rank_panel p = {.base = {.layout = layout, .draw = draw, .takes = NS_TAKES_ORDER}};
    int code = begin(&p, figure, params, err);
    if (code == NS_OK)
        code = ns_panel_write(&p.base, path, err);
    ns_panel_end(&p.base);
    return code;
}
