/* tokens.c - one row of attention over the text itself: each token shaded by its weight, in lines as wide as the page. Without a colour
 * map of the caller's the shades run from the page to one colour, so that the text stays what is read. */
#include "draw/panel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 14 };
static const double SIZE = 8, LINE = 13, HIGH = 10.5, BASE = 8, BAR = 5, BAR_WIDTH = 150, BAR_GAP = 7,
                    INDENT = 9; /* half of a label under the end of the bar */

typedef struct placed {
    char *text;
    double x, width;
    int line;
    bool coded;
} placed;

typedef struct tokens_panel {
    ns_panel base;
    ns_tokens_figure figure; /* copy; arrays are the caller's */
    ns_cells cells;
    ns_colormap ramp; /* from the page to the theme's colour of values */
    uint8_t shade[256][3];
    ns_colorbar bar;
    ns_box bar_box;
    ns_legend legend;
    placed *at;       /* [n] */
    double top, tall; /* of the first line; of each */
    int64_t n_coded;
} tokens_panel;

static int check(const ns_tokens_figure *f, ns_error *err)
{
    size_t bad;
    if (f->n < 1 || f->n > MOST || !f->texts || !f->weights)
        return ns_fail(err, NS_E_ARG, "tokens figure: %lld tokens; 1 to %d can be drawn, with texts and weights (choose keys)",
                       (long long)f->n, MOST);
    for (int64_t i = 0; i < f->n; i++)
        if (!f->texts[i] || !ns_utf8_valid(f->texts[i], strlen(f->texts[i]), &bad))
            return ns_fail(err, NS_E_ARG, "tokens figure: the text of token %lld is %s", (long long)i,
                           f->texts[i] ? "not valid UTF-8" : "missing");
    const char *const names[] = {f->value_name, f->title, f->about};
    int code = NS_OK;
    for (int i = 0; i < 3 && code == NS_OK; i++)
        code = ns_check_name(names[i], "a name", err);
    return code;
}

static int show_all(tokens_panel *p, const ns_type *type, ns_error *err)
{
    int rc = NS_OK;
    p->n_coded = 0;
    for (int64_t i = 0; i < p->figure.n && rc == NS_OK; i++) {
        p->at[i].coded = false;
        free(p->at[i].text);
        rc = ns_shown_text(&p->at[i].text, type, p->figure.texts[i], &p->at[i].coded, err);
        p->n_coded += p->at[i].coded;
    }
    return rc;
}

/* ---- layout ---- */

static const char *without_blanks(const char *text)
{
    const char *const rest = text + strspn(text, " ");
    return *rest ? rest : text;
}

static double width_of(const ns_type *type, const char *text)
{
    return ns_type_width(type, text, SIZE, false);
}

static bool begins_word(const tokens_panel *p, int64_t i)
{
    return i == 0 || ns_may_break(p->figure.texts[i - 1], p->figure.texts[i]);
}

/* Of the word that begins with the token, without blanks before it. */
static double width_of_word(const tokens_panel *p, const ns_type *type, int64_t i)
{
    double sum = width_of(type, without_blanks(p->at[i].text));
    while (++i < p->figure.n && !begins_word(p, i))
        sum += width_of(type, p->at[i].text);
    return sum;
}

/* The token goes to the next line: there is no room for it, or for the word that it begins, which a line of its own has. */
static bool ends_line(const tokens_panel *p, const ns_type *type, int64_t i, double x, double width)
{
    const double blanks = width_of(type, p->at[i].text) - width_of(type, without_blanks(p->at[i].text));
    const double word = begins_word(p, i) ? width_of_word(p, type, i) : 0;
    return x > 0 && (x + width_of(type, p->at[i].text) > width || (word <= width && x + blanks + word > width));
}

/* Lines as wide as the page; a line end in the text ends one here. Returns how many. */
static int break_lines(tokens_panel *p, const ns_type *type, double width)
{
    double x = 0;
    int line = 0;
    for (int64_t i = 0; i < p->figure.n; i++) {
        placed *const at = &p->at[i];
        if (ends_line(p, type, i, x, width)) {
            x = 0;
            line++;
        }
        const double need = width_of(type, x == 0 ? without_blanks(at->text) : at->text);
        *at = (placed){at->text, x, fmin(need, width), line, at->coded};
        x += need;
        if (strchr(p->figure.texts[i], '\n')) {
            x = 0;
            line++;
        }
    }
    return line + (x > 0);
}

/* From the page to the colour of values, evenly. */
static void make_ramp(tokens_panel *p, const ns_theme *theme)
{
    const ns_rgb from = ns_theme_color(theme, NS_PAPER), to = ns_theme_color(theme, (ns_rgb){0, 114, 178, NS_ROLE_VALUE});
    for (int i = 0; i < 256; i++) {
        p->shade[i][0] = (uint8_t)((from.r * (255 - i) + to.r * i + 127) / 255);
        p->shade[i][1] = (uint8_t)((from.g * (255 - i) + to.g * i + 127) / 255);
        p->shade[i][2] = (uint8_t)((from.b * (255 - i) + to.b * i + 127) / 255);
    }
    p->ramp = (ns_colormap){
        .name = "page", .table = (const uint8_t(*)[3])p->shade, .mark = p->cells.colors->mark, .missing = p->cells.colors->missing};
    if (!p->base.params.colormap && !p->cells.colors->diverging)
        p->cells.colors = p->bar.colors = &p->ramp;
}

static int layout(ns_panel *base, const ns_page *page, ns_error *err)
{
    tokens_panel *const p = (tokens_panel *)base;
    char note[96] = "";
    int code = ns_type_check(page->type, p->bar.label, "the value's name", err);
    code = code != NS_OK ? code : show_all(p, page->type, err);
    if (code != NS_OK)
        return code;
    make_ramp(p, page->theme);
    p->tall = fmax(page->tall * LINE, HIGH + 1);
    p->top = ns_header_height(base) + 2;
    const double end = p->top + p->tall * break_lines(p, page->type, page->width);
    p->bar_box = (ns_box){ns_page_snap(page, INDENT), ns_page_snap(page, end + BAR_GAP),
                          ns_page_snap(page, fmin(page->width - 2 * INDENT, BAR_WIDTH)), BAR};
    const double bottom = p->bar_box.y + BAR + ns_colorbar_layout(&p->bar, p->bar_box.w, page->type);
    if (p->n_coded)
        snprintf(note, sizeof note, "%lld token%s written by codes: characters that cannot be shown", (long long)p->n_coded,
                 ns_plural(p->n_coded));
    ns_legend_note(&p->legend, note);
    base->width = page->width;
    const double under = ns_legend_place(base, &p->legend, page->type, (ns_legend_spot){0, bottom, 4, base->width});
    base->height = p->legend.n ? under : bottom;
    return NS_OK;
}

/* ---- drawing ---- */

static ns_box box_of(const tokens_panel *p, int64_t i)
{
    return (ns_box){p->at[i].x, p->top + p->tall * p->at[i].line, p->at[i].width, HIGH};
}

static void draw_token(const tokens_panel *p, ns_canvas *c, int64_t i)
{
    const double weight = (double)p->figure.weights[i];
    const ns_box b = box_of(p, i);
    const ns_rgb shade = ns_cell_color(&p->cells, weight);
    const bool dark = ns_rgb_luminance(shade) < 0.2;
    char fit[NS_LABEL_BYTES];
    if (!isnan(weight))
        ns_canvas_fill(c, b, shade);
    ns_type_fit(c->type, b.x > 0 ? p->at[i].text : without_blanks(p->at[i].text), SIZE, false, b.w + .01, fit);
    const ns_rgb ink = isnan(weight) ? NS_FAINT : dark ? (ns_rgb){255, 255, 255} : (ns_rgb){0, 0, 0};
    ns_canvas_text(c, b.x, b.y + BASE, fit, (ns_style){.size = SIZE, .color = ink});
}

static void draw(const ns_panel *base, ns_canvas *c)
{
    const tokens_panel *const p = (const tokens_panel *)base;
    ns_header_draw(base, c, 0);
    for (int64_t i = 0; i < p->figure.n; i++)
        draw_token(p, c, i);
    if (p->figure.query >= 0 && p->figure.query < p->figure.n)
        ns_canvas_frame(c, box_of(p, p->figure.query), (ns_pen){.color = p->cells.colors->mark, .width = 0.9});
    ns_colorbar_draw(&p->bar, c, p->bar_box);
    ns_legend_draw(&p->legend, c);
}

/* ---- the figure ---- */

/* A row's weights add up to one: their scale ends at the largest, not at 1. */
static int take_colors(tokens_panel *p, ns_error *err)
{
    double min, max;
    bool any;
    p->cells = (ns_cells){.value = p->figure.weights, .rows = 1, .cols = p->figure.n};
    int code = ns_cells_range(&p->cells, &min, &max, &any, err);
    if (code == NS_OK && !any)
        code = ns_fail(err, NS_E_ARG, "tokens figure: there is no weight to draw");
    code = code != NS_OK ? code : ns_panel_colors(&p->base, &p->cells, min, max, false, err);
    if (code == NS_OK && min >= 0 && max > 0 && !ns_panel_gives(&p->base, p->base.params.vmax))
        p->cells.scale.max = ns_round_up(max);
    p->bar = (ns_colorbar){.colors = p->cells.colors,
                           .scale = p->cells.scale,
                           .data_min = min,
                           .data_max = max,
                           .horizontal = true,
                           .label = p->figure.value_name ? p->figure.value_name : "attention weight"};
    return code;
}

static int begin(tokens_panel *p, const ns_tokens_figure *figure, const ns_figure_params *params, ns_error *err)
{
    int code = ns_sized_copy(&p->figure, sizeof p->figure, figure, "ns_tokens_figure", err);
    code = code != NS_OK ? code : check(&p->figure, err);
    code = code != NS_OK ? code : ns_panel_begin(&p->base, params, p->figure.title ? p->figure.title : "", p->figure.about, err);
    code = code != NS_OK ? code : take_colors(p, err);
    if (code != NS_OK)
        return code;
    if (p->figure.query >= 0 && p->figure.query < p->figure.n)
        ns_legend_add(&p->legend, NS_SWATCH_OUTLINE, p->cells.colors->mark, "the query");
    p->at = ns_alloc_array((size_t)p->figure.n, sizeof *p->at);
    return p->at ? NS_OK : ns_oom(err, "a figure");
}

int ns_draw_tokens(const char *path, const ns_tokens_figure *figure, const ns_figure_params *params, ns_error *err)
{
    tokens_panel p = {.base = {.layout = layout, .draw = draw}};
    int code = begin(&p, figure, params, err);
    if (code == NS_OK)
        code = ns_panel_write(&p.base, path, err);
    for (int64_t i = 0; p.at && i < p.figure.n; i++)
        free(p.at[i].text);
    free(p.at);
    ns_panel_end(&p.base);
    return code;
}
