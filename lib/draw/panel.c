/* panel.c - the common part of all figures: parameters, titles, colours, and the way from a laid-out panel to a file. */
#include "draw/panel.h"

#include <needlescope/kind.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double COLUMN = 3.3, MARGIN = 1.5,   /* inches of a paper's column; points round the figure */
    UNDER_LEGEND = 3, LOWEST = .25, TALLEST = 12; /* of what is pressed or stretched to a height */

static int check_text(const char *text, const char *what, bool lines, ns_error *err)
{
    size_t bad;
    if (!text)
        return NS_OK;
    if (!ns_utf8_valid(text, strlen(text), &bad))
        return ns_fail(err, NS_E_ARG, "figure: %s is not valid UTF-8 at byte %zu", what, bad);
    for (const char *p = text; *p; p++)
        if (((unsigned char)*p < 0x20 && !(lines && (*p == '\n' || *p == '\t'))) || *p == 0x7f)
            return ns_fail(err, NS_E_ARG, "figure: %s has the control character 0x%02x at byte %zu", what, (unsigned)*p,
                           (size_t)(p - text));
    return NS_OK;
}

int ns_check_name(const char *text, const char *what, ns_error *err)
{
    return check_text(text, what, false, err);
}

static int check_params(const ns_figure_params *p, ns_error *err)
{
    int code;
    if (p->width != 0 && !(p->width >= 1 && p->width <= 40))
        return ns_fail(err, NS_E_ARG, "figure: a width of %g inches; use 1 to 40 (a paper's column is %g)", p->width, COLUMN);
    if (p->dpi != 0 && (p->dpi < 50 || p->dpi > 1200))
        return ns_fail(err, NS_E_ARG, "figure: %d dpi; use 50 to 1200, or 0 for 200", p->dpi);
    if (isnan(p->vmin) || isnan(p->vmax) || ((p->vmin != 0 || p->vmax != 0) && !(p->vmin < p->vmax)) || p->vmin >= 1e38 || p->vmax <= -1e38)
        return ns_fail(err, NS_E_ARG, "figure: a colour range from %g to %g; vmin must be less than vmax (both 0 = the score's own range)",
                       p->vmin, p->vmax);
    if (p->font_size != 0 && !(p->font_size >= 4 && p->font_size <= 24))
        return ns_fail(err, NS_E_ARG, "figure: texts of %g points; use 4 to 24", p->font_size);
    if ((code = check_text(p->title, "the title", false, err)) != NS_OK || (code = check_text(p->font, "the font", false, err)) != NS_OK)
        return code;
    for (int i = 0; i < p->n_labels; i++)
        if ((code = check_text(p->labels[i], "a label", false, err)) != NS_OK || !strchr(p->labels[i], '='))
            return code != NS_OK ? code : ns_fail(err, NS_E_ARG, "figure: label '%s' is not OLD=NEW", p->labels[i]);
    if (p->height != 0 && !(p->height >= .5 && p->height <= 40))
        return ns_fail(err, NS_E_ARG, "figure: a height of %g inches; use .5 to 40", p->height);
    if (p->values < 0 || p->values >= NS_N_VALUES || p->legend < 0 || p->legend >= NS_N_LEGENDS || p->x_axis < 0 || p->x_axis >= NS_N_X)
        return ns_fail(err, NS_E_ARG, "figure: values %d, legend %d, x %d; these are below %d, %d and %d", p->values, p->legend, p->x_axis,
                       NS_N_VALUES, NS_N_LEGENDS, NS_N_X);
    if (p->n_order < 0 || p->n_order > NS_ORDER_NAMES)
        return ns_fail(err, NS_E_ARG, "figure: an order of %d names; at most %d", p->n_order, NS_ORDER_NAMES);
    for (int i = 0; i < p->n_facts; i++)
        if ((code = check_text(p->facts[i].name, "the name of a fact", true, err)) != NS_OK ||
            (code = check_text(p->facts[i].value, p->facts[i].name, true, err)) != NS_OK)
            return code;
    return check_text(p->comment, "the comment", true, err);
}

/* Nothing is asked for in vain. */
static int check_uses(const ns_figure_params *p, unsigned takes, ns_error *err)
{
    if (p->values != NS_VALUES_AUTO && !(takes & NS_TAKES_VALUES))
        return ns_fail(err, NS_E_ARG, "figure: it has no cells to print values in");
    if (p->n_order && !(takes & NS_TAKES_ORDER))
        return ns_fail(err, NS_E_ARG, "figure: it has no panels or names to be put in order");
    if (p->layers)
        return ns_fail(err, NS_E_ARG, "figure: it has no layers to choose from (%s)", p->layers);
    if (p->x_axis != NS_X_AUTO)
        return ns_fail(err, NS_E_ARG, "figure: it has no axis of steps or tokens to choose");
    return NS_OK;
}

int ns_panel_begin(ns_panel *panel, const ns_figure_params *params, const char *title, const char *subtitle, ns_error *err)
{
    static const ns_figure_params none = {.size = sizeof none};
    int code = ns_sized_copy(&panel->params, sizeof panel->params, params ? params : &none, "ns_figure_params", err);
    if (code != NS_OK || (code = check_params(&panel->params, err)) != NS_OK ||
        (code = check_uses(&panel->params, panel->takes, err)) != NS_OK)
        return code;
    const char *own = panel->params.title;
    panel->params.dpi = panel->params.dpi ? panel->params.dpi : 200;
    panel->title = ns_strdup(own ? own : title);
    panel->subtitle = ns_strdup(own || !subtitle ? "" : subtitle);
    return panel->title && panel->subtitle ? NS_OK : ns_oom(err, "figure");
}

void ns_panel_end(ns_panel *panel)
{
    free(panel->title);
    free(panel->subtitle);
    panel->title = panel->subtitle = NULL;
}

double ns_round_up(double v)
{
    const double power = pow(10, floor(log10(v)));
    static const double nice[] = {1, 1.5, 2, 2.5, 3, 4, 5, 6, 8};
    for (int i = 0; i < 9; i++)
        if (v <= nice[i] * power * (1 + 1e-6))
            return nice[i] * power;
    return 10 * power;
}

static bool is_given(const ns_figure_params *p, double end)
{
    return !(p->vmin == 0 && p->vmax == 0) && fabs(end) < 1e38;
}

bool ns_panel_gives(const ns_panel *panel, double end)
{
    return is_given(&panel->params, end);
}

int ns_panel_colors(const ns_panel *panel, ns_cells *cells, double min, double max, bool log, ns_error *err)
{
    const ns_figure_params *p = &panel->params;
    const bool own_min = is_given(p, p->vmin), own_max = is_given(p, p->vmax), is_signed = min < 0;
    const int code = ns_colormap_find(&cells->colors, p->colormap ? p->colormap : is_signed ? "bluered" : NULL, err);
    if (code != NS_OK)
        return code;
    if (log && (is_signed || (own_min && p->vmin <= 0)))
        return ns_fail(err, NS_E_ARG, "figure: a log scale needs numbers above 0 (smallest value %g, vmin %g)", min, p->vmin);
    const double top = fmax(fabs(min), fabs(max));
    cells->scale.log = log;
    cells->scale.max = own_max ? p->vmax : top <= 1 && !is_signed ? 1 : ns_round_up(top);
    cells->scale.min = own_min ? p->vmin : log ? 1e-4 * cells->scale.max : is_signed || cells->colors->diverging ? -cells->scale.max : 0;
    if (!(cells->scale.min < cells->scale.max))
        return ns_fail(err, NS_E_ARG,
                       "figure: the colours would run from %g to %g, one of them by the data: give vmin and vmax both, vmin the lesser",
                       cells->scale.min, cells->scale.max);
    return NS_OK;
}

/* Bytes of the text that stand on one line: up to the last space that fits, or all. */
static size_t line_bytes(const ns_type *type, const char *text, double width)
{
    char part[NS_LABEL_BYTES];
    size_t fits = 0;
    for (const char *space = strchr(text, ' ');; space = strchr(space + 1, ' ')) {
        const size_t n = space ? (size_t)(space - text) : strlen(text);
        if (n >= sizeof part)
            break;
        memcpy(part, text, n);
        part[n] = '\0';
        if (n > 0 && ns_type_width(type, part, NS_SIZE_TITLE, true) > width)
            break;
        fits = n;
        if (!space)
            return n;
    }
    return fits ? fits : strlen(text);
}

void ns_header_fit(ns_panel *panel, const ns_type *type, double width, int most)
{
    const char *rest = panel->title;
    for (panel->n_lines = 0; *rest && panel->n_lines < most; panel->n_lines++) {
        const size_t n = panel->n_lines == most - 1 ? strlen(rest) : line_bytes(type, rest, width);
        char *const line = panel->line[panel->n_lines];
        ns_type_fit(type, rest, NS_SIZE_TITLE, true, rest[n] ? INFINITY : width, line);
        if (rest[n] && n < NS_LABEL_BYTES)
            line[n] = '\0';
        rest += n;
        rest += *rest == ' ';
    }
}

double ns_header_height(const ns_panel *panel)
{
    const double title = panel->n_lines * NS_SIZE_TITLE * 1.2, subtitle = *panel->subtitle ? NS_SIZE_TICK * 1.25 : 0;
    return (title + subtitle > 0 ? title + subtitle + 2 : 0) + panel->above;
}

double ns_header_x(const ns_panel *panel, const ns_type *type, double x)
{
    double widest = ns_type_width(type, panel->subtitle, NS_SIZE_TICK, false);
    for (int i = 0; i < panel->n_lines; i++)
        widest = fmax(widest, ns_type_width(type, panel->line[i], NS_SIZE_TITLE, true));
    return widest > panel->width - x ? 0 : x;
}

void ns_header_draw(const ns_panel *panel, ns_canvas *c, double x)
{
    char subtitle[NS_LABEL_BYTES];
    double y = NS_CAP_HEIGHT * NS_SIZE_TITLE;
    x = ns_header_x(panel, c->type, x);
    for (int i = 0; i < panel->n_lines; i++, y += NS_SIZE_TITLE * 1.2)
        ns_canvas_text(c, x, y, panel->line[i], (ns_style){.size = NS_SIZE_TITLE, .color = NS_INK, .bold = true});
    ns_type_fit(c->type, panel->subtitle, NS_SIZE_TICK, false, panel->width, subtitle);
    ns_canvas_text(c, x, panel->n_lines ? y - NS_SIZE_TITLE * 1.2 + NS_SIZE_TICK * 1.35 : y, subtitle,
                   (ns_style){.size = NS_SIZE_TICK, .color = NS_FAINT});
}

/* ".00" and "−.00", too. */
bool ns_prints_value(const ns_panel *panel, double value, const char *printed)
{
    const int values = panel->params.values;
    if (isnan(value) || values == NS_VALUES_OFF)
        return false;
    return values != NS_VALUES_NONZERO || strpbrk(printed, "123456789") != NULL;
}

int ns_check_values(const ns_panel *panel, const ns_page *page, double size, ns_error *err)
{
    const int values = panel->params.values;
    if (size > 0 || (values != NS_VALUES_ON && values != NS_VALUES_NONZERO))
        return NS_OK;
    return ns_fail(err, NS_E_ARG,
                   "values '%s': they do not fit their cells in a figure %.3g inches wide; a larger width, a smaller font_size or fewer "
                   "layers help, and 'auto' prints them where they fit",
                   values == NS_VALUES_ON ? "on" : "nonzero", ns_page_given(page));
}

void ns_name_box(ns_canvas *c, ns_box b, double gap, const char *name)
{
    char fit[NS_LABEL_BYTES];
    ns_type_fit(c->type, name, NS_SIZE_LABEL, false, b.w + gap - 3, fit);
    ns_canvas_text(c, b.x, b.y - 3.5, fit, (ns_style){.size = NS_SIZE_LABEL, .color = NS_INK});
}

ns_tiling ns_tile(int n, double room, double gap, double least)
{
    int columns = n;
    while (columns > 1 && (room - gap * (columns - 1)) / columns < least)
        columns--;
    const int rows = (n + columns - 1) / columns;
    columns = (n + rows - 1) / rows;
    return (ns_tiling){.columns = columns, .rows = rows, .width = (room - gap * (columns - 1)) / columns};
}

double ns_page_cells(const ns_page *page, double length, int64_t n)
{
    const double pixels = floor(length * page->pixels / (double)n);
    return page->raster && pixels >= 4 ? pixels * (double)n / page->pixels : ns_page_snap(page, length);
}

double ns_page_snap(const ns_page *page, double v)
{
    return page->raster ? round(v * page->pixels) / page->pixels : v;
}

static ns_page page_of(const ns_figure_params *p, const ns_canvas_kind *kind, const ns_type *type, const ns_theme *theme)
{
    const double scale = p->font_size > 0 ? p->font_size / NS_SIZE_TICK : 1, inches = p->width > 0 ? p->width : COLUMN;
    const double pixels = ns_canvas_pixels(kind, p->dpi) * scale, margin = kind->raster ? round(MARGIN * pixels) / pixels : MARGIN;
    return (ns_page){.type = type,
                     .theme = theme,
                     .width = inches * 72 / scale - 2 * margin,
                     .margin = margin,
                     .fixed = p->width > 0,
                     .pixels = pixels,
                     .scale = scale,
                     .tall = 1,
                     .raster = kind->raster};
}

double ns_page_inches(const ns_page *page, double length)
{
    return ceil(length * page->scale / 7.2 + .5) / 10;
}

double ns_page_given(const ns_page *page)
{
    return (page->width + 2 * page->margin) * page->scale / 72;
}

/* A legend above all takes room from what is under it: laid out again. */
static int lay_out(ns_panel *panel, const ns_page *page, ns_error *err)
{
    panel->above = panel->legend_height = 0;
    int code = panel->layout(panel, page, err);
    if (code != NS_OK || panel->params.legend != NS_LEGEND_TOP || panel->legend_height == 0)
        return code;
    panel->above = panel->legend_height + UNDER_LEGEND;
    return panel->layout(panel, page, err);
}

/* The tallest of what is no higher than that. */
static int fit_height(ns_panel *panel, ns_page *page, double height, ns_error *err)
{
    double low = LOWEST, high = TALLEST;
    page->tall = low;
    int code = lay_out(panel, page, err);
    if (code == NS_OK && panel->height > height)
        return ns_fail(err, NS_E_ARG, "figure: a height of %.2f inches is too low; it needs %.1f at least", panel->params.height,
                       ns_page_inches(page, panel->height + 2 * page->margin));
    for (int i = 0; i < 30 && code == NS_OK; i++) {
        page->tall = (low + high) / 2;
        code = lay_out(panel, page, err);
        *(panel->height <= height ? &low : &high) = page->tall;
    }
    page->tall = low;
    code = code != NS_OK ? code : lay_out(panel, page, err);
    panel->height = height;
    return code;
}

static int draw_into(ns_canvas *c, ns_panel *panel, const ns_canvas_kind *kind, const ns_type *type, const ns_theme *theme, ns_error *err)
{
    const ns_figure_params *p = &panel->params;
    ns_page page = page_of(p, kind, type, theme);
    int code;
    if ((code = ns_type_check(type, panel->title, "the title", err)) != NS_OK ||
        (code = ns_type_check(type, panel->subtitle, "the title", err)) != NS_OK)
        return code;
    ns_header_fit(panel, type, page.width, NS_TITLE_LINES);
    code = p->height > 0 ? fit_height(panel, &page, p->height * 72 / page.scale - 2 * page.margin, err) : lay_out(panel, &page, err);
    if (code != NS_OK)
        return code;
    if (page.fixed)
        panel->width = page.width;
    const ns_metadata about = {panel->title, p->comment, p->facts, p->n_facts};
    const ns_paper paper = {
        panel->width + 2 * page.margin, panel->height + 2 * page.margin, page.pixels, page.scale, theme, p->transparent};
    code = ns_canvas_open(c, kind, type, paper, &about, err);
    if (code != NS_OK)
        return code;
    c->dx = c->dy = panel->margin = page.margin;
    panel->draw(panel, c);
    if (p->crowded && p->crowded_size)
        ns_texts_say(&c->texts, c->width, c->height, p->crowded, p->crowded_size);
    code = ns_canvas_finish(c, err);
    return code == NS_OK ? ns_type_check_labels(type, err) : code;
}

static void give_bytes(ns_buffer *from, const ns_figure_params *p)
{
    *p->bytes = from->data;
    *p->n_bytes = (size_t)from->n;
    *from = (ns_buffer){0};
}

/* What the caller says of type counts before the theme's word. */
static int take_theme(ns_figure_params *p, ns_theme *theme, ns_error *err)
{
    const int code = ns_theme_make(theme, p->dark, p->theme, err);
    p->font = p->font ? p->font : theme->font;
    p->font_size = p->font_size != 0 ? p->font_size : theme->font_size;
    return code != NS_OK ? code : check_params(p, err);
}

int ns_figure_check(const ns_figure_params *given, ns_error *err)
{
    ns_figure_params p;
    ns_theme theme = {0};
    int rc = ns_sized_copy(&p, sizeof p, given, "ns_figure_params", err);
    p.comment = NULL;                        /* of whoever draws, who has it cleaned first: names of files need not be UTF-8 */
    rc = rc != NS_OK ? rc : take_theme(&p, &theme, err);
    ns_theme_clear(&theme);
    return rc;
}

int ns_panel_write(ns_panel *panel, const char *path, ns_error *err)
{
    const ns_canvas_kind *kind;
    ns_type *type = NULL;
    ns_canvas c = {0};
    ns_theme theme = {0};
    if (!path || !*path)
        return ns_fail(err, NS_E_ARG, "figure: no path to write to");
    int code = ns_canvas_kind_find(&kind, path, err);
    if (code == NS_OK)
        code = take_theme(&panel->params, &theme, err);
    if (code == NS_OK)
        code = ns_type_new(&type, &(ns_wording){panel->params.font, panel->params.labels, panel->params.n_labels}, err);
    if (code == NS_OK)
        code = draw_into(&c, panel, kind, type, &theme, err);
    if (code == NS_OK && panel->params.bytes)
        give_bytes(&c.out, &panel->params);
    else if (code == NS_OK)
        code = ns_kind_check_output(path, NS_KINDS_PICTURE, err);
    if (code == NS_OK && !panel->params.bytes)
        code = ns_file_write(path, c.out.data, (size_t)c.out.n, err);
    ns_canvas_clear(&c);
    ns_type_free(type);
    ns_theme_clear(&theme);
    return code;
}
