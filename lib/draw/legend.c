/* legend.c - a line of keys under a figure, wrapped to its width. */
#include "draw/panel.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const double SWATCH = 6, LONG_SWATCH = 12, AFTER_SWATCH = 2.5, BETWEEN = 9, LINE = 9.5;
static const ns_rgb HATCH_GROUND = {243, 243, 243}, HATCH_LINE = {176, 176, 176};

void ns_hatch_cell(ns_canvas *c, ns_box b)
{
    ns_canvas_fill(c, b, HATCH_GROUND);
    ns_canvas_hatch(c, b, 4, (ns_pen){.color = HATCH_LINE, .width = 0.5});
}

void ns_legend_add(ns_legend *legend, ns_swatch swatch, ns_rgb color, const char *fmt, ...)
{
    if (legend->n == NS_MAX_KEYS)
        return;
    ns_key *key = &legend->keys[legend->n++];
    key->swatch = swatch;
    key->color = color;
    va_list args;
    va_start(args, fmt);
    vsnprintf(key->text, sizeof key->text - 4, fmt, args);
    va_end(args);
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
    return key->swatch == NS_SWATCH_LINE ? LONG_SWATCH : SWATCH;
}

static double swatch_width(const ns_key *key)
{
    return key->swatch == NS_SWATCH_NONE ? 0 : swatch_length(key) + AFTER_SWATCH;
}

/* Where key i begins; the line it is on is added to *line. */
static double place(const ns_legend *legend, int i, const ns_type *type, double width, double *at, int *line)
{
    const double need = swatch_width(&legend->keys[i]) + ns_type_width(type, legend->keys[i].text, NS_SIZE_TICK, false);
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

void ns_legend_place(ns_legend *legend, const ns_type *type, double x, double y, double width)
{
    double widest = 0;
    for (int i = 0; i < legend->n; i++)
        widest = fmax(widest, swatch_width(&legend->keys[i]) + ns_type_width(type, legend->keys[i].text, NS_SIZE_TICK, false));
    const double height = height_in(legend, type, width - x), least = height_in(legend, type, width);
    legend->x = height > least || widest > width - x ? 0 : x;
    legend->y = y;
    legend->width = width - legend->x;
    for (int i = 0; i < legend->n; i++) {
        char fit[NS_LABEL_BYTES];
        ns_type_fit(type, legend->keys[i].text, NS_SIZE_TICK, false, legend->width - swatch_width(&legend->keys[i]), fit);
        memcpy(legend->keys[i].text, fit, strlen(fit) + 1);
    }
    legend->height = least;
}

static void draw_swatch(const ns_key *key, ns_canvas *c, ns_box b)
{
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
    case NS_SWATCH_LINE:
        ns_canvas_line(c, b.x, b.y + b.h / 2, b.x + b.w, b.y + b.h / 2, (ns_pen){.color = key->color, .width = 0.8, .dash = key->dash});
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
        ns_canvas_text(c, left + swatch_width(key), ns_baseline(middle, NS_SIZE_TICK), key->text,
                       (ns_style){.size = NS_SIZE_TICK, .color = NS_INK});
    }
}
