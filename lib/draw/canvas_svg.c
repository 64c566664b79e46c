/* canvas_svg.c - SVG written by hand: real <text> that can be edited and searched (cairo's SVG makes outlines of it), paths,
 * and heat maps as one inline PNG each. */
#include "draw/canvas.h"


static void put(ns_canvas *c, const char *text)
{
    ns_buffer_text(&c->out, text);
}

static void number(ns_canvas *c, const char *before, double v)
{
    put(c, before);
    ns_buffer_number(&c->out, v, 3);
}

static void escaped(ns_canvas *c, const char *text)
{
    for (const char *p = text; *p; p++) {
        const char *as = *p == '&' ? "&amp;" : *p == '<' ? "&lt;" : *p == '>' ? "&gt;" : *p == '"' ? "&quot;" : NULL;
        if (as)
            put(c, as);
        else
            ns_buffer_add(&c->out, p, 1);
    }
}

static void color(ns_canvas *c, const char *before, ns_rgb rgb)
{
    static const char digit[] = "0123456789abcdef";
    const char hex[] = {'#', digit[rgb.r >> 4], digit[rgb.r & 15], digit[rgb.g >> 4], digit[rgb.g & 15], digit[rgb.b >> 4],
                        digit[rgb.b & 15], '"', 0};
    put(c, before);
    put(c, hex);
}

static void drop(ns_canvas *c)
{
    (void)c;
}

/* A namespace of our own: readers pass over it. */
static void metadata(ns_canvas *c)
{
    if (!c->about.n_facts)
        return;
    put(c, "<metadata>\n<provenance xmlns=\"urn:needlescope:provenance:1\">\n");
    for (int i = 0; i < c->about.n_facts; i++) {
        put(c, "<fact name=\"");
        escaped(c, c->about.facts[i].name);
        put(c, "\">");
        escaped(c, c->about.facts[i].value);
        put(c, "</fact>\n");
    }
    put(c, "</provenance>\n</metadata>\n");
}

static int open_svg(ns_canvas *c, ns_error *err)
{
    (void)err;
    put(c, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\"");
    number(c, " width=\"", c->width * c->scale);
    number(c, "pt\" height=\"", c->height * c->scale);
    number(c, "pt\" viewBox=\"0 0 ", c->width);
    number(c, " ", c->height);
    put(c, "\" font-family=\"");
    escaped(c, ns_type_families(c->type));
    put(c, "\">\n<title>");
    escaped(c, c->about.title ? c->about.title : "");
    put(c, "</title>\n<desc>");
    escaped(c, c->about.comment ? c->about.comment : "");
    put(c, "</desc>\n");
    metadata(c);
    if (!c->transparent) {
        color(c, "<rect width=\"100%\" height=\"100%\" fill=\"", ns_theme_color(&c->theme, NS_PAPER));
        put(c, "/>\n");
    }
    return NS_OK;
}

static void path(ns_canvas *c, const double (*xy)[2], int n, bool closed, const ns_pen *stroke, const ns_rgb *fill)
{
    for (int i = 0; i < n; i++) {
        number(c, i == 0 ? "<path d=\"M" : "L", xy[i][0]);
        number(c, " ", xy[i][1]);
    }
    put(c, closed ? "Z\"" : "\"");
    if (fill)
        color(c, " fill=\"", *fill);
    else
        put(c, " fill=\"none\"");
    if (stroke) {
        color(c, " stroke=\"", stroke->color);
        number(c, " stroke-width=\"", stroke->width);
        if (stroke->alpha > 0)
            number(c, "\" stroke-opacity=\"", stroke->alpha);
        if (stroke->dash > 0)
            number(c, "\" stroke-dasharray=\"", stroke->dash);
        put(c, "\"");
    }
    put(c, "/>\n");
}

static void text(ns_canvas *c, double x, double y, const char *string, const ns_style *style)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    number(c, "<text x=\"", x);
    number(c, "\" y=\"", y);
    number(c, "\" font-size=\"", style->size);
    put(c, style->bold ? "\" font-weight=\"bold" : "");
    if (style->anchor != NS_AT_START) {
        put(c, "\" text-anchor=\"");
        put(c, anchors[style->anchor]);
    }
    if (style->angle != 0) {
        number(c, "\" transform=\"rotate(", -style->angle);
        number(c, " ", x);
        number(c, " ", y);
        put(c, ")");
    }
    color(c, "\" fill=\"", style->color);
    put(c, ">");
    escaped(c, string);
    put(c, "</text>\n");
}

static void image(ns_canvas *c, ns_box b, const uint8_t *rgb, int64_t w, int64_t h)
{
    ns_buffer png = {0};
    ns_error err;
    const int code = ns_png_write(&png, rgb, 3, w, h, c->pixels / c->scale * 72, NULL, &err);
    if (code != NS_OK)
        ns_canvas_fail(c, code, err.message);
    number(c, "<image x=\"", b.x);
    number(c, "\" y=\"", b.y);
    number(c, "\" width=\"", b.w);
    number(c, "\" height=\"", b.h);
    put(c, "\" preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,");
    ns_buffer_base64(&c->out, png.data, png.n);
    put(c, "\"/>\n");
    ns_buffer_clear(&png);
}

/* The clip's id is its geometry: figures set inline in one page may share an id only where they mean the same box. */
static void clip(ns_canvas *c, const ns_box *b)
{
    if (!b) {
        put(c, "</g>\n");
        return;
    }
    const double at[4] = {b->x, b->y, b->w, b->h};
    static const char *const attribute[4] = {"\"><rect x=\"", "\" y=\"", "\" width=\"", "\" height=\""};
    put(c, "<clipPath id=\"clip");
    for (int i = 0; i < 4; i++)
        number(c, "-", at[i]);
    for (int i = 0; i < 4; i++)
        number(c, attribute[i], at[i]);
    put(c, "\"/></clipPath>\n<g clip-path=\"url(#clip");
    for (int i = 0; i < 4; i++)
        number(c, "-", at[i]);
    put(c, ")\">\n");
}

static int close_svg(ns_canvas *c, ns_error *err)
{
    put(c, "</svg>\n");
    return c->out.failed ? ns_oom(err, "figure") : NS_OK;
}

const ns_canvas_kind ns_canvas_svg = {
    .ending = ".svg", .raster = false, .open = open_svg, .path = path, .text = text, .image = image, .clip = clip,
    .close = close_svg, .drop = drop};
