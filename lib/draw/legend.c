/* legend.c - a line of keys under a figure, wrapped to its width. */
#include "draw/panel.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const double SWATCH = 6, LONG_SWATCH = 12, AFTER_SWATCH = 2.5, BETWEEN = 9, LINE = 9.5, UNDER = 1, POINT = 3.4, DIAMOND = 3.6,
                    DOT = 2.2, RANKED = 3;
static const ns_rgb HATCH_GROUND = {243, 243, 243, NS_ROLE_HATCH}, HATCH_LINE = {176, 176, 176, NS_ROLE_HATCH_LINE};

void ns_hatch_cell(ns_canvas *c, ns_box b)
{
    ns_canvas_fill(c, b, HATCH_GROUND);
    ns_canvas_hatch(c, b, 4, (ns_pen){.color = HATCH_LINE, .width = 0.5});
}

void ns_mark_point(ns_canvas *c, double x, double y, ns_rgb color, bool open)
{
    const ns_box b = {x - POINT / 2, y - POINT / 2, POINT, POINT};
    ns_canvas_fill(c, b, open ? NS_PAPER : color);
    ns_canvas_frame(c, b, (ns_pen){.color = color, .width = 0.8});
}

void ns_mark_diamond(ns_canvas *c, double x, double y, ns_rgb color)
{
    const double xy[4][2] = {{x, y - DIAMOND}, {x + DIAMOND, y}, {x, y + DIAMOND}, {x - DIAMOND, y}};
    ns_canvas_polygon(c, xy, 4, color);
}

void ns_mark_dot(ns_canvas *c, double x, double y, ns_rgb color)
{
    ns_canvas_fill(c, (ns_box){x - DOT / 2, y - DOT / 2, DOT, DOT}, color);
}

void ns_mark_interval(ns_canvas *c, double x, double low, double y, double high, ns_rgb color)
{
    if (!isnan(low) && !isnan(high))
        ns_canvas_line(c, x, high, x, low, (ns_pen){.color = color, .width = 0.8});
    ns_canvas_fill(c, (ns_box){x - RANKED / 2, y - RANKED / 2, RANKED, RANKED}, color);
}

void ns_legend_add(ns_legend *legend, ns_swatch swatch, ns_rgb color, const char *fmt, ...)
{
    if (legend->n == NS_MAX_KEYS)
        return;
    ns_key *key = &legend->keys[legend->n++];
    key->swatch = swatch;
    key->color = color;
    char whole[NS_LABEL_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(whole, sizeof whole, fmt, args);
    va_end(args);
    const size_t n = ns_type_prefix(whole, sizeof key->text - 4);
    memcpy(key->text, whole, n);
    memcpy(key->text + n, whole[n] ? "\xe2\x80\xa6" : "\0\0\0", 4);
}

void ns_legend_note(ns_legend *legend, const char *text)
{
    if (legend->n && legend->keys[legend->n - 1].swatch == NS_SWATCH_NONE)
        legend->n--;
    if (*text)
        ns_legend_add(legend, NS_SWATCH_NONE, NS_INK, "%s", text);
}

static double swatch_length(const ns_key *key)
{
    return key->swatch == NS_SWATCH_LINE || key->swatch == NS_SWATCH_FITTED || key->swatch == NS_SWATCH_DOTS ? LONG_SWATCH : SWATCH;
}

static double swatch_width(const ns_key *key)
{
    return key->swatch == NS_SWATCH_NONE ? 0 : swatch_length(key) + AFTER_SWATCH;
}

/* Where key i begins; the line it is on is added to *line. */
static double place(const ns_legend *legend, int i, const ns_type *type, double width, double *at, int *line)
{
    const double need = swatch_width(&legend->keys[i]) + ns_type_width(type, legend->keys[i].shown, NS_SIZE_TICK, false);
    if (*at > 0 && *at + need > width) {
        *at = 0;
        ++*line;
    }
    const double x = *at;
    *at += need + BETWEEN;
    return x;
}

static double height_in(const ns_legend *legend, const ns_type *type, double width)
{
    double at = 0;
    int line = 0;
    for (int i = 0; i < legend->n; i++)
        place(legend, i, type, width, &at, &line);
    return legend->n ? (line + 1) * LINE : 0;
}

/* Keys may be left out, what is said without a swatch may not. */
static void drop_keys(ns_legend *legend)
{
    int n = 0;
    for (int i = 0; i < legend->n; i++)
        if (legend->keys[i].swatch == NS_SWATCH_NONE)
            legend->keys[n++] = legend->keys[i];
    legend->n = n;
}

double ns_legend_place(ns_panel *panel, ns_legend *legend, const ns_type *type, ns_legend_spot at)
{
    double widest = 0;
    if (panel->params.legend == NS_LEGEND_OFF)
        drop_keys(legend);
    for (int i = 0; i < legend->n; i++)
        memcpy(legend->keys[i].shown, legend->keys[i].text, sizeof legend->keys[i].shown);
    for (int i = 0; i < legend->n; i++)
        widest = fmax(widest, swatch_width(&legend->keys[i]) + ns_type_width(type, legend->keys[i].text, NS_SIZE_TICK, false));
    const double height = height_in(legend, type, at.width - at.x), least = height_in(legend, type, at.width);
    legend->x = height > least || widest > at.width - at.x ? 0 : at.x;
    legend->y = at.y + at.gap;
    legend->width = at.width - legend->x;
    for (int i = 0; i < legend->n; i++) {
        char fit[NS_LABEL_BYTES];
        ns_type_fit(type, legend->keys[i].text, NS_SIZE_TICK, false, legend->width - swatch_width(&legend->keys[i]), fit);
        memcpy(legend->keys[i].shown, fit, strlen(fit) + 1);
    }
    legend->height = least;
    if (panel->params.legend != NS_LEGEND_TOP)
        return legend->y + legend->height;
    panel->legend_height = legend->height;
    legend->y = ns_header_height(panel) - panel->above;
    return at.y + UNDER;
}

static void draw_swatch(const ns_key *key, ns_canvas *c, ns_box b)
{
    const double x = b.x + b.w / 2, y = b.y + b.h / 2;
    switch (key->swatch) {
    case NS_SWATCH_FILL:
        ns_canvas_fill(c, b, key->color);
        break;
    case NS_SWATCH_HATCH:
        ns_hatch_cell(c, b);
        break;
    case NS_SWATCH_OUTLINE:
        ns_canvas_frame(c, (ns_box){b.x + 0.5, b.y + 0.5, b.w - 1, b.h - 1}, (ns_pen){.color = key->color, .width = 1});
        break;
    case NS_SWATCH_FITTED:
    case NS_SWATCH_LINE:
        ns_canvas_line(c, b.x, y, b.x + b.w, y,
                       (ns_pen){.color = key->color, .width = key->width > 0 ? key->width : 0.8, .dash = key->dash});
        if (key->swatch == NS_SWATCH_FITTED)
            ns_mark_point(c, x, y, key->color, false);
        break;
    case NS_SWATCH_POINT:
    case NS_SWATCH_OPEN:
        ns_mark_point(c, x, y, key->color, key->swatch == NS_SWATCH_OPEN);
        break;
    case NS_SWATCH_DIAMOND:
        ns_mark_diamond(c, x, y, key->color);
        break;
    case NS_SWATCH_DOTS:
        for (int i = -1; i <= 1; i++)
            ns_mark_dot(c, x + 4 * i, y + (i ? 1 : -1), key->color);
        break;
    case NS_SWATCH_INTERVAL:
        ns_mark_interval(c, x, b.y + b.h, y, b.y, key->color);
        break;
    case NS_SWATCH_TICK:
        ns_canvas_line(c, b.x + b.w / 2, b.y, b.x + b.w / 2, b.y + b.h, (ns_pen){.color = key->color, .width = 1.2});
        break;
    case NS_SWATCH_NONE:
        break;
    }
}

void ns_legend_draw(const ns_legend *legend, ns_canvas *c)
{
    double at = 0;
    int line = 0;
    for (int i = 0; i < legend->n; i++) {
        const ns_key *key = &legend->keys[i];
        const double left = legend->x + place(legend, i, c->type, legend->width, &at, &line);
        const double middle = legend->y + (line + 0.5) * LINE;
        draw_swatch(key, c, (ns_box){left, middle - SWATCH / 2, swatch_length(key), SWATCH});
        ns_canvas_text(c, left + swatch_width(key), ns_baseline(middle, NS_SIZE_TICK), key->shown,
                       (ns_style){.size = NS_SIZE_TICK, .color = NS_INK});
    }
}
