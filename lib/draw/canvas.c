/* canvas.c - the common part of all canvases: the table of kinds, the panel's origin, snapping to pixels, hatching. */
#include "draw/canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VECTOR_PPI = 600, MAX_PIXELS = 1 << 15 };

const ns_canvas_kind *const ns_canvases[] = {&ns_canvas_png, &ns_canvas_pdf, &ns_canvas_eps, &ns_canvas_svg, NULL};

int ns_canvas_kind_find(const ns_canvas_kind **out, const char *path, ns_error *err)
{
    *out = NULL;
    char endings[64] = "";
    for (int i = 0; ns_canvases[i]; i++) {
        if (ns_ends(path, ns_canvases[i]->ending)) {
            *out = ns_canvases[i];
            return NS_OK;
        }
        strcat(strcat(endings, i ? ", " : ""), ns_canvases[i]->ending);
    }
    return ns_fail(err, NS_E_ARG, "%s: the ending does not name a kind of figure (use %s)", path, endings);
}

double ns_canvas_pixels(const ns_canvas_kind *kind, int dpi)
{
    return (kind->raster ? dpi : VECTOR_PPI) / 72.0;
}

int ns_canvas_open(ns_canvas *c, const ns_canvas_kind *kind, const ns_type *type, ns_paper p, const ns_metadata *about, ns_error *err)
{
    *c = (ns_canvas){.kind = kind,
                     .type = type,
                     .theme = *p.theme,
                     .transparent = p.transparent,
                     .width = p.width,
                     .height = p.height,
                     .pixels = p.pixels,
                     .scale = p.scale,
                     .about = *about};
    if (kind->raster && (p.width * p.pixels > MAX_PIXELS || p.height * p.pixels > MAX_PIXELS))
        return ns_fail(err, NS_E_ARG, "figure: %.0f x %.0f pixels; at most %d each way (choose a smaller width or dpi)", p.width * p.pixels,
                       p.height * p.pixels, MAX_PIXELS);
    return kind->open(c, err);
}

int ns_canvas_finish(ns_canvas *c, ns_error *err)
{
    if (c->code == NS_OK)
        return c->kind->close(c, err);
    return ns_fail(err, c->code, "%s", c->error.message);
}

void ns_canvas_clear(ns_canvas *c)
{
    if (c->kind)
        c->kind->drop(c);
    ns_buffer_clear(&c->out);
    ns_texts_clear(&c->texts);
    *c = (ns_canvas){0};
}

void ns_canvas_fail(ns_canvas *c, int code, const char *message)
{
    if (c->code == NS_OK)
        c->code = ns_fail(&c->error, code, "%s", message);
}

static ns_pen themed(const ns_canvas *c, ns_pen pen)
{
    pen.width *= c->theme.line_width;
    return pen;
}

/* The one way to the kind's paths: colours of roles are the theme's. */
static void put_path(ns_canvas *c, const double (*xy)[2], int n, bool closed, const ns_pen *pen, const ns_rgb *fill)
{
    ns_pen own = pen ? *pen : (ns_pen){.width = 0};
    const ns_rgb color = fill ? ns_theme_color(&c->theme, *fill) : NS_INK;
    own.color = ns_theme_color(&c->theme, own.color);
    c->kind->path(c, xy, n, closed, pen ? &own : NULL, fill ? &color : NULL);
}

static double to_pixel(const ns_canvas *c, double v)
{
    return c->kind->raster ? round(v * c->pixels) / c->pixels : v;
}

/* A stroke is whole pixels wide, and centred so that its edges fall between pixels. */
static double stroke_width(const ns_canvas *c, double width)
{
    return c->kind->raster ? fmax(1, round(width * c->pixels)) / c->pixels : width;
}

static double stroke_centre(const ns_canvas *c, double v, double width)
{
    return c->kind->raster ? to_pixel(c, v - width / 2) + width / 2 : v;
}

void ns_canvas_line(ns_canvas *c, double x0, double y0, double x1, double y1, ns_pen pen)
{
    pen = themed(c, pen);
    double xy[2][2] = {{x0 + c->dx, y0 + c->dy}, {x1 + c->dx, y1 + c->dy}};
    if (x0 == x1 || y0 == y1) {
        const int axis = x0 == x1 ? 0 : 1;
        pen.width = stroke_width(c, pen.width);
        xy[0][axis] = xy[1][axis] = stroke_centre(c, xy[0][axis], pen.width);
        xy[0][1 - axis] = to_pixel(c, xy[0][1 - axis]);
        xy[1][1 - axis] = to_pixel(c, xy[1][1 - axis]);
    }
    put_path(c, (const double(*)[2])xy, 2, false, &pen, NULL);
}

static void path(ns_canvas *c, const double (*xy)[2], int n, bool closed, const ns_pen *pen, const ns_rgb *fill)
{
    double(*moved)[2] = ns_alloc_array((size_t)n, sizeof *moved);
    if (!moved) {
        ns_canvas_fail(c, NS_E_MEMORY, "figure: out of memory");
        return;
    }
    for (int i = 0; i < n; i++) {
        moved[i][0] = xy[i][0] + c->dx;
        moved[i][1] = xy[i][1] + c->dy;
    }
    put_path(c, (const double(*)[2])moved, n, closed, pen, fill);
    free(moved);
}

void ns_canvas_polyline(ns_canvas *c, const double (*xy)[2], int n, ns_pen pen)
{
    pen = themed(c, pen);
    path(c, xy, n, false, &pen, NULL);
}

void ns_canvas_polygon(ns_canvas *c, const double (*xy)[2], int n, ns_rgb color)
{
    path(c, xy, n, true, NULL, &color);
}

static void rectangle(ns_canvas *c, double x0, double y0, double x1, double y1, const ns_pen *pen, const ns_rgb *fill)
{
    const double xy[4][2] = {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}};
    put_path(c, xy, 4, true, pen, fill);
}

void ns_canvas_fill(ns_canvas *c, ns_box b, ns_rgb color)
{
    const double x = b.x + c->dx, y = b.y + c->dy;
    rectangle(c, to_pixel(c, x), to_pixel(c, y), to_pixel(c, x + b.w), to_pixel(c, y + b.h), NULL, &color);
}

void ns_canvas_frame(ns_canvas *c, ns_box b, ns_pen pen)
{
    const double x = b.x + c->dx, y = b.y + c->dy, w = stroke_width(c, themed(c, pen).width);
    pen.width = w;
    rectangle(c, stroke_centre(c, x, w), stroke_centre(c, y, w), stroke_centre(c, x + b.w, w), stroke_centre(c, y + b.h, w), &pen, NULL);
}

void ns_canvas_surround(ns_canvas *c, ns_box b, ns_pen pen)
{
    const double w = stroke_width(c, themed(c, pen).width);
    const double x0 = to_pixel(c, b.x + c->dx), y0 = to_pixel(c, b.y + c->dy), x1 = to_pixel(c, b.x + c->dx + b.w),
                 y1 = to_pixel(c, b.y + c->dy + b.h);
    pen.width = w;
    rectangle(c, x0 - w / 2, y0 - w / 2, x1 + w / 2, y1 + w / 2, &pen, NULL);
}

void ns_canvas_text(ns_canvas *c, double x, double y, const char *text, ns_style style)
{
    if (!text || !*text)
        return;
    ns_ink ink;
    text = ns_type_text(c->type, text);
    style.color = ns_theme_color(&c->theme, style.color);
    if (!ns_type_ink(c->type, text, style.size, style.bold, style.anchor / 2.0, &ink))
        ns_canvas_fail(c, NS_E_MEMORY, "out of memory for a font");
    else if (!ns_texts_add(&c->texts, x + c->dx, y + c->dy, ink, style.angle, text))
        ns_canvas_fail(c, NS_E_MEMORY, "figure: out of memory");
    else
        c->kind->text(c, x + c->dx, y + c->dy, text, &style);
}

void ns_canvas_image(ns_canvas *c, ns_box b, const uint8_t *rgb, int64_t w, int64_t h)
{
    const double x = to_pixel(c, b.x + c->dx), y = to_pixel(c, b.y + c->dy);
    c->kind->image(c, (ns_box){x, y, to_pixel(c, b.x + c->dx + b.w) - x, to_pixel(c, b.y + c->dy + b.h) - y}, rgb, w, h);
}

void ns_canvas_hatch(ns_canvas *c, ns_box b, double step, ns_pen pen)
{
    const ns_box clip = {to_pixel(c, b.x + c->dx), to_pixel(c, b.y + c->dy), b.w, b.h};
    pen = themed(c, pen);
    c->kind->clip(c, &clip);
    /* Lines x - y = k * step in page coordinates, so that neighbouring boxes continue each other's hatch. */
    const double first = floor((b.x + b.y) / step), last = ceil((b.x + b.w + b.y + b.h) / step);
    for (double k = first; k <= last; k++) {
        const double xy[2][2] = {{k * step - b.y + c->dx, b.y + c->dy}, {k * step - b.y - b.h + c->dx, b.y + b.h + c->dy}};
        put_path(c, (const double(*)[2])xy, 2, false, &pen, NULL);
    }
    c->kind->clip(c, NULL);
}

double ns_baseline(double y, double size)
{
    return y + NS_CAP_HEIGHT / 2 * size;
}
