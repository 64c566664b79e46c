/* bands.c - scores over training, one thin row a run: bands of rows under each other, panels side by side, births as white bars.
 *
 * A checkpoint is drawn from the geometric middle before it to the one behind it; the first one, which may lie at 0 tokens, from the left
 * edge. */
#include "draw/bands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 4096 };
static const double ROW = 6, LOW_ROW = 3.2, ROW_GAP = 0.6, BAND_GAP = 4, CONTROL_GAP = 10, PANEL_GAP = 9, LABEL_GAP = 4, NOTES_GAP = 9,
                    BAR = 7, BAR_GAP = 8, BAR_MOST = 110, KEY_LINE = 10, UNDER = 0.5, NARROWEST = 36, COMFORTABLE = 60, SWATCH = 9,
                    NAMES = 0.22; /* of the page, at most, for the bands' names */
static const ns_rgb WHITE = {255, 255, 255, NS_ROLE_PAPER};

/* ---- what was given ---- */

static int check_rows(const ns_bands_figure *f, ns_error *err)
{
    for (int64_t r = 0; r < f->n_rows; r++)
        if (f->band[r] < 0 || f->band[r] >= f->n_bands || (r > 0 && f->band[r] < f->band[r - 1]))
            return ns_fail(err, NS_E_ARG, "bands figure: row %lld is of band %d; bands are 0 to %d and ascend", (long long)r, f->band[r],
                           f->n_bands - 1);
    for (int64_t p = 0; p < f->n_points; p++)
        if (!(f->tokens[p] >= 0 && f->tokens[p] < 1e300) || (p > 0 && !(f->tokens[p] > f->tokens[p - 1])))
            return ns_fail(err, NS_E_ARG, "bands figure: tokens[%lld] is %g; they are 0 and more, and ascend", (long long)p, f->tokens[p]);
    return NS_OK;
}

static int check_names(const ns_bands_figure *f, ns_error *err)
{
    int code = ns_check_name(f->value_name, "the value's name", err);
    if (code == NS_OK)
        code = ns_check_name(f->study_name, "the study's name", err);
    for (int i = 0; i < f->n_panels && code == NS_OK; i++)
        code = ns_check_name(f->panels[i], "a panel's name", err);
    for (int i = 0; i < f->n_bands && code == NS_OK; i++)
        code = ns_check_name(f->bands[i], "a band's name", err);
    for (int i = 0; f->notes && i < f->n_bands && code == NS_OK; i++)
        code = ns_check_name(f->notes[i], "a band's note", err);
    return code;
}

static int check(const ns_bands_figure *f, ns_error *err)
{
    if (f->n_panels < 1 || f->n_panels > NS_BANDS_PANELS || f->n_bands < 1 || f->n_bands > NS_FIGURE_BANDS || f->n_rows < 1 ||
        f->n_rows > MOST_ROWS)
        return ns_fail(err, NS_E_ARG, "bands figure: %d panels, %d bands, %lld rows; 1 to %d, %d and %d can be drawn", f->n_panels,
                       f->n_bands, (long long)f->n_rows, NS_BANDS_PANELS, NS_FIGURE_BANDS, MOST_ROWS);
    if (f->n_points < 2 || f->n_points > 1 << 20 || !f->tokens || !f->panels || !f->bands || !f->band || !f->value)
        return ns_fail(err, NS_E_ARG, "bands figure: %lld checkpoints; two at least, with tokens, names, bands and values",
                       (long long)f->n_points);
    if (f->n_controls < 0 || f->n_controls > f->n_bands)
        return ns_fail(err, NS_E_ARG, "bands figure: %d of %d bands are controls", f->n_controls, f->n_bands);
    const int code = check_rows(f, err);
    return code == NS_OK ? check_names(f, err) : code;
}

/* What the keys below have to explain. */
static void look_for_marks(ns_bands_panel *p)
{
    const ns_bands_figure *f = &p->figure;
    for (int64_t i = 0; i < f->n_panels * f->n_rows; i++) {
        p->censored |= f->birth && isinf(f->birth[i][1]);
        p->deaths |= f->death && !isnan(f->death[i]);
    }
    for (int64_t i = 0; i < f->n_panels * f->n_rows * f->n_points; i++)
        p->missing |= isnan(f->value[i]);
}

static void make_edges(ns_bands_panel *p)
{
    const double *const t = p->figure.tokens;
    const int64_t P = p->figure.n_points, first = t[0] > 0 ? 0 : 1;
    p->edge[0] = t[first] / 2;
    for (int64_t i = 1; i < P; i++)
        p->edge[i] = t[i - 1] > 0 ? sqrt(t[i - 1] * t[i]) : t[i] / sqrt(2);
    p->edge[P] = t[P - 1];
}

/* ---- layout ---- */

static double widest(const ns_type *type, const char *const *names, int n)
{
    double width = 0;
    for (int i = 0; names && i < n; i++)
        width = fmax(width, ns_type_width(type, names[i], NS_SIZE_TICK, false));
    return width;
}

static int check_glyphs(const ns_bands_figure *f, const ns_type *type, ns_error *err)
{
    int code = ns_type_check(type, f->value_name ? f->value_name : "", "the value's name", err);
    for (int i = 0; i < f->n_panels && code == NS_OK; i++)
        code = ns_type_check(type, f->panels[i], "a panel's name", err);
    for (int i = 0; i < f->n_bands && code == NS_OK; i++)
        code = ns_type_check(type, f->bands[i], "a band's name", err);
    for (int i = 0; f->notes && i < f->n_bands && code == NS_OK; i++)
        code = ns_type_check(type, f->notes[i], "a band's note", err);
    return code;
}

/* Bands, from the top of a panel downwards; returns how high they are. */
static double place_bands(ns_bands_panel *p, const ns_page *page)
{
    const ns_bands_figure *f = &p->figure;
    double y = 0;
    p->row_height = page->tall * (f->n_rows <= 48 ? ROW : LOW_ROW);
    p->rule_y = 0;
    for (int b = 0; b < f->n_bands; b++) {
        int64_t rows = 0;
        for (int64_t r = 0; r < f->n_rows; r++)
            rows += f->band[r] == b;
        const bool apart = f->n_controls > 0 && f->n_controls < f->n_bands && b == f->n_bands - f->n_controls;
        y += b == 0 ? 0 : apart ? CONTROL_GAP : BAND_GAP;
        if (apart)
            p->rule_y = y - CONTROL_GAP / 2;
        p->band_y[b] = y;
        p->band_h[b] = fmax((double)rows * p->row_height + (double)(rows - 1) * ROW_GAP, NS_SIZE_TICK);
        y += p->band_h[b];
    }
    return y;
}

/* As long as the rows are high, but never so short that three numbers and the levels' names have no room. */
static double bar_length(const ns_bands_panel *p, double height)
{
    const double least = fmax(40, (3 + p->bar.n_levels) * NS_SIZE_TICK);
    return fmax(least, fmin(height, BAR_MOST));
}

static int put_keys(const ns_bands_panel *, const ns_type *, ns_canvas *, double width);

static double tokens_depth(const ns_type *type)
{
    return ns_axis_depth(&(ns_axis){.side = NS_BOTTOM, .ticks.n = 1, .label = "tokens", .gap = 2}, type);
}

static int layout(ns_panel *base, const ns_page *page, ns_error *err)
{
    ns_bands_panel *p = (ns_bands_panel *)base;
    const ns_bands_figure *f = &p->figure;
    const int code = check_glyphs(f, page->type, err);
    if (code != NS_OK)
        return code;
    const double left = fmin(widest(page->type, f->bands, f->n_bands), NAMES * page->width) + LABEL_GAP;
    const double notes = widest(page->type, f->notes, f->n_bands);
    const double name = NS_SIZE_LABEL * 1.4, height = place_bands(p, page);
    const double length = bar_length(p, height), bar = BAR_GAP + BAR + ns_colorbar_layout(&p->bar, length, page->type);
    const double beside = page->width - left - NOTES_GAP - notes;
    const bool bar_below = beside - bar < NARROWEST;
    p->tiles = ns_tile(f->n_panels, bar_below ? beside : beside - bar, PANEL_GAP, COMFORTABLE);
    if (p->tiles.width < NARROWEST)
        return ns_fail(err, NS_E_ARG, "bands figure: a panel, with names and births, needs a width of %.1f inches; it is %.1f",
                       ns_page_inches(page, NARROWEST - p->tiles.width + page->width), ns_page_given(page));
    const double w = p->tiles.width, under = tokens_depth(page->type);
    for (int i = 0; i < f->n_panels; i++) {
        const double y = ns_header_height(base) + name + i / p->tiles.columns * (name + height + under + 4);
        const double x = left + i % p->tiles.columns * (w + PANEL_GAP);
        p->box[i] = (ns_box){ns_page_snap(page, x), ns_page_snap(page, y), ns_page_snap(page, w), height};
    }
    const ns_box *const last = &p->box[p->tiles.columns - 1];
    p->notes_x = last->x + last->w + NOTES_GAP;
    const double rows_end = p->box[f->n_panels - 1].y + height + under;
    p->bar_box = bar_below ? (ns_box){p->box[0].x, ns_page_snap(page, rows_end + BAR_GAP), BAR, length}
                           : (ns_box){p->notes_x + notes + BAR_GAP, last->y, BAR, length};
    p->tokens = (ns_axis){.side = NS_BOTTOM,
                          .scale = {.min = p->edge[0], .max = p->edge[f->n_points], .log = true},
                          .label = f->x_name ? f->x_name : "tokens",
                          .gap = 2};
    ns_ticks_fit(&p->tokens.ticks, &p->tokens.scale, false, w, page->type);
    const double end = fmax(rows_end, p->bar_box.y + length + NS_SIZE_TICK / 2);
    const bool above = base->params.legend == NS_LEGEND_TOP;
    p->key_y = above ? ns_header_height(base) - base->above : end + 5;
    base->width = page->width;
    const double keys = KEY_LINE * put_keys(p, page->type, NULL, page->width);
    base->legend_height = above ? keys : 0;
    base->height = above ? end + 1 : p->key_y + keys;
    return NS_OK;
}

ns_box ns_bands_row(const ns_bands_panel *p, int panel, int64_t row)
{
    const int band = p->figure.band[row];
    int64_t k = 0;
    while (k < row && p->figure.band[row - k - 1] == band)
        k++;
    const double y = p->box[panel].y + p->band_y[band] + (double)k * (p->row_height + ROW_GAP);
    return (ns_box){p->box[panel].x, y, p->box[panel].w, p->row_height};
}

double ns_bands_x(const ns_bands_panel *p, int panel, double tokens)
{
    const double t = ns_scale_at(&p->tokens.scale, tokens);
    return p->box[panel].x + p->box[panel].w * fmin(fmax(t, 0), 1);
}

/* ---- drawing ---- */

static bool same_color(ns_rgb a, ns_rgb b)
{
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

/* Checkpoints closer than can be seen are one, the strongest of them; false where there is none such. v, pooled [P] or NULL. */
static bool pool_points(const ns_bands_panel *p, const float *v, float *pooled)
{
    const int64_t P = p->figure.n_points;
    const double end = ns_bands_x(p, 0, p->edge[P]);
    bool any = false;
    for (int64_t i = 0, n; i < P; i += n) {
        const double x = ns_bands_x(p, 0, p->edge[i]);
        float most = v ? v[i] : 0;
        for (n = 1;
             i + n < P && (ns_bands_x(p, 0, p->edge[i + n]) - x < NS_CELL_LEAST || end - ns_bands_x(p, 0, p->edge[i + n]) < NS_CELL_LEAST);
             n++)
            most = v ? ns_stronger(most, v[i + n]) : 0;
        for (int64_t k = i; pooled && k < i + n; k++)
            pooled[k] = most;
        any |= n > 1;
    }
    return any;
}

/* Neighbours of one colour are one rectangle. Each reaches a little under the one behind it: no page shows between them, whatever a browser
 * smooths their edges to. v [P]. */
static void draw_row(const ns_bands_panel *p, ns_canvas *c, int panel, int64_t row, const float *v)
{
    const ns_box b = ns_bands_row(p, panel, row);
    const int64_t P = p->figure.n_points;
    for (int64_t i = 0, n; i < P; i += n) {
        const bool missing = isnan(v[i]);
        const ns_rgb color = missing ? WHITE : ns_cell_color(&p->cells, (double)v[i]);
        for (n = 1;
             i + n < P && (bool)isnan(v[i + n]) == missing && (missing || same_color(color, ns_cell_color(&p->cells, (double)v[i + n])));
             n++)
            ;
        const double x0 = ns_bands_x(p, panel, p->edge[i]), x1 = ns_bands_x(p, panel, p->edge[i + n]);
        const bool goes_on = !missing && i + n < P && !isnan(v[i + n]);
        if (missing)
            ns_hatch_cell(c, (ns_box){x0, b.y, x1 - x0, b.h});
        else
            ns_canvas_fill(c, (ns_box){x0, b.y, x1 - x0 + (goes_on ? fmin(UNDER, ns_bands_x(p, panel, p->edge[i + n + 1]) - x1) : 0), b.h},
                           color);
    }
}

static void draw_bar(ns_canvas *c, ns_box b)
{
    ns_canvas_fill(c, b, WHITE);
    ns_canvas_frame(c, b, (ns_pen){.color = NS_INK, .width = 0.5});
}

static void draw_triangle(ns_canvas *c, double x, double y, double size)
{
    const double xy[3][2] = {{x, y - size / 2}, {x + size * 0.9, y}, {x, y + size / 2}};
    ns_canvas_polygon(c, xy, 3, NS_INK);
}

static void draw_cross(ns_canvas *c, double x, double y, double size)
{
    const ns_pen halo = {.color = WHITE, .width = 2}, pen = {.color = NS_INK, .width = 0.9};
    for (int k = 0; k < 2; k++) {
        ns_canvas_line(c, x - size / 2, y - size / 2, x + size / 2, y + size / 2, k ? pen : halo);
        ns_canvas_line(c, x - size / 2, y + size / 2, x + size / 2, y - size / 2, k ? pen : halo);
    }
}

static void draw_marks(const ns_bands_panel *p, ns_canvas *c, int panel, int64_t row)
{
    const ns_box b = ns_bands_row(p, panel, row);
    const int64_t i = (int64_t)p->at[panel] * p->figure.n_rows + row;
    const double *const birth = p->figure.birth ? p->figure.birth[i] : NULL;
    if (birth && isinf(birth[1])) {
        draw_triangle(c, b.x + b.w + 1, b.y + b.h / 2, fmin(b.h, 5));
    } else if (birth && !isnan(birth[1])) {
        const double x0 = ns_bands_x(p, panel, birth[0]), x1 = ns_bands_x(p, panel, birth[1]);
        draw_bar(c, (ns_box){x0, b.y, fmax(x1 - x0, 1.2), b.h});
    }
    if (p->figure.death && !isnan(p->figure.death[i]))
        draw_cross(c, ns_bands_x(p, panel, p->figure.death[i]), b.y + b.h / 2, fmin(b.h, 4));
}

/* ---- the line of keys ---- */

typedef enum mark { BIRTH, CENSORED, DEATH, MISSING, LEVEL, TICK, NO_MARK, MARKS } mark;
static const char *const key_text[MARKS] = {
    "birth, as wide as its checkpoint interval", "not born up to the horizon", "death", "not measured",
    "at the colour bar: chance, by panel",       "the architecture changes",   "close checkpoints: the strongest"};
/* Of what is wider than a narrow page. */
static const char *const brief_text[MARKS] = {"birth (an interval)", "not born", "death", "not measured", "chance, by panel",
                                              "architecture changes", "pooled: the strongest"};
typedef struct pencil {
    const ns_type *type;
    ns_canvas     *canvas;               /* NULL: measures */
    double         x, left, width, y;
    int            lines;
} pencil;

static bool is_shown(const ns_bands_panel *p, mark m)
{
    if (p->base.params.legend == NS_LEGEND_OFF && m != NO_MARK)
        return false;
    switch (m) {
    case BIRTH: return p->figure.birth != NULL;
    case CENSORED: return p->censored;
    case DEATH: return p->deaths;
    case MISSING: return p->missing;
    case LEVEL: return p->bar.n_levels > 0 && p->figure.n_panels > 1;
    case TICK: return p->figure.n_ticks > 0;
    default: return pool_points(p, NULL, NULL);
    }
}

static void draw_mark(ns_canvas *c, mark m, double x, double y)
{
    switch (m) {
    case BIRTH: draw_bar(c, (ns_box){x + 2, y - 3, 4, 6}); break;
    case CENSORED: draw_triangle(c, x + 1, y, 5); break;
    case DEATH: draw_cross(c, x + 4, y, 4); break;
    case MISSING: ns_hatch_cell(c, (ns_box){x, y - 3, 6, 6}); break;
    case LEVEL: ns_canvas_line(c, x, y, x + 6, y, (ns_pen){.color = NS_INK, .width = NS_THIN}); break;
    case TICK: ns_canvas_line(c, x + 3, y - 3, x + 3, y + 3, (ns_pen){.color = NS_INK, .width = 1.2}); break;
    default: break;
    }
}

static const char *text_of(const ns_type *type, mark m, double width)
{
    return (m == NO_MARK ? 0 : SWATCH) + ns_type_width(type, key_text[m], NS_SIZE_TICK, false) <= width ? key_text[m] : brief_text[m];
}

static double key_width(const ns_type *type, mark m, double width)
{
    return (m == NO_MARK ? 0 : SWATCH) + ns_type_width(type, text_of(type, m, width), NS_SIZE_TICK, false);
}

static void put_key(pencil *at, mark m)
{
    const double swatch = m == NO_MARK ? 0 : SWATCH, need = key_width(at->type, m, at->width);
    if (at->lines == 0 || (at->x > at->left && at->x + need > at->width)) {
        at->x = at->left;
        at->lines++;
    }
    const double y = at->y + (at->lines - .5) * KEY_LINE;
    if (at->canvas) {
        draw_mark(at->canvas, m, at->x, y);
        ns_canvas_text(at->canvas, at->x + swatch, ns_baseline(y, NS_SIZE_TICK), text_of(at->type, m, at->width),
                       (ns_style){.size = NS_SIZE_TICK, .color = NS_INK});
    }
    at->x += need + 10;
}

/* How many lines they take. They begin at the panels' left edge, or further left if the longest of them asks for it. */
static int put_keys(const ns_bands_panel *p, const ns_type *type, ns_canvas *c, double width)
{
    double left = p->box[0].x;
    for (mark m = 0; m < MARKS; m++)
        if (is_shown(p, m))
            left = fmax(0, fmin(left, width - key_width(type, m, width)));
    pencil at = {.type = type, .canvas = c, .x = left, .left = left, .width = width, .y = p->key_y};
    for (mark m = 0; m < MARKS; m++)
        if (is_shown(p, m))
            put_key(&at, m);
    return at.lines;
}

/* Beside the first panel of a row, and behind its last. */
static void name_bands(const ns_bands_panel *p, ns_canvas *c, int panel)
{
    const ns_style right = {.size = NS_SIZE_TICK, .color = NS_INK, .anchor = NS_AT_END}, left = {.size = NS_SIZE_TICK, .color = NS_INK};
    char fit[NS_LABEL_BYTES];
    for (int b = 0; b < p->figure.n_bands; b++) {
        const double y = ns_baseline(p->box[panel].y + p->band_y[b] + p->band_h[b] / 2, NS_SIZE_TICK);
        ns_type_fit_among(c->type, p->figure.bands, p->figure.n_bands, b, NS_SIZE_TICK, p->box[0].x - LABEL_GAP + 1,     /* 1: snapped */
                          fit);
        ns_canvas_text(c, p->box[0].x - LABEL_GAP, y, fit, right);
        if (p->figure.notes && p->figure.notes[b])
            ns_canvas_text(c, p->notes_x, y, p->figure.notes[b], left);
    }
}

static void draw_names(const ns_bands_panel *p, ns_canvas *c)
{
    const ns_pen rule = {.color = NS_FAINT, .width = 0.5, .dash = 2};
    const double right = p->box[p->tiles.columns - 1].x + p->box[0].w;
    for (int i = 0; i < p->figure.n_panels; i++) {
        ns_name_box(c, p->box[i], (i + 1) % p->tiles.columns != 0 ? PANEL_GAP : NOTES_GAP, p->figure.panels[p->at[i]]);
        if (i % p->tiles.columns != 0)
            continue;
        name_bands(p, c, i);
        if (p->rule_y > 0)
            ns_canvas_line(c, 0, p->box[i].y + p->rule_y, right, p->box[i].y + p->rule_y, rule);
    }
}

/* On the line under the rows. */
static void draw_ticks(const ns_bands_panel *p, ns_canvas *c, int panel)
{
    const double y = p->box[panel].y + p->box[panel].h + 2;
    for (int i = 0; i < p->figure.n_ticks; i++) {
        const double x = ns_bands_x(p, panel, p->figure.ticks[i]);
        ns_canvas_line(c, x, y - 5, x, y + 1, (ns_pen){.color = NS_INK, .width = 1.2});
    }
}

static void draw(const ns_panel *base, ns_canvas *c)
{
    const ns_bands_panel *p = (const ns_bands_panel *)base;
    float *const pooled = ns_alloc_array((size_t)p->figure.n_points, sizeof *pooled);
    if (!pooled) {
        ns_canvas_fail(c, NS_E_MEMORY, "bands figure: out of memory");
        return;
    }
    ns_header_draw(base, c, 0);
    for (int i = 0; i < p->figure.n_panels; i++) {
        for (int64_t row = 0; row < p->figure.n_rows; row++) {
            pool_points(p, p->figure.value + ((int64_t)p->at[i] * p->figure.n_rows + row) * p->figure.n_points, pooled);
            draw_row(p, c, i, row, pooled);
            draw_marks(p, c, i, row);
        }
        ns_axis_draw(&p->tokens, c, p->box[i]);
        ns_canvas_line(c, p->box[i].x, p->box[i].y + p->box[i].h + 2, p->box[i].x + p->box[i].w, p->box[i].y + p->box[i].h + 2,
                       (ns_pen){.color = NS_INK, .width = NS_THIN});
        draw_ticks(p, c, i);
    }
    draw_names(p, c);
    ns_colorbar_draw(&p->bar, c, p->bar_box);
    put_keys(p, c->type, c, base->width);
    free(pooled);
}

/* ---- the figure ---- */

/* Panels here; bands are in order already, their names stand for themselves. */
static int put_in_order(ns_bands_panel *p, ns_error *err)
{
    int ignored[NS_FIGURE_BANDS];
    ns_order order = ns_order_begin(&p->base.params);
    ns_order_apply(&order, p->figure.panels, p->figure.n_panels, p->at);
    ns_order_apply(&order, p->figure.bands, p->figure.n_bands, ignored);
    return ns_order_check(&order, err);
}

int ns_bands_begin(ns_bands_panel *p, const ns_bands_figure *figure, const ns_figure_params *params, ns_error *err)
{
    *p = (ns_bands_panel){.base = {.layout = layout, .draw = draw, .takes = NS_TAKES_ORDER}};
    int code = ns_sized_copy(&p->figure, sizeof p->figure, figure, "ns_bands_figure", err);
    if (code != NS_OK || (code = check(&p->figure, err)) != NS_OK)
        return code;
    const ns_bands_figure *f = &p->figure;
    double min, max;
    bool any;
    p->cells = (ns_cells){.value = f->value, .rows = f->n_panels * f->n_rows, .cols = f->n_points};
    if ((code = ns_cells_range(&p->cells, &min, &max, &any, err)) != NS_OK)
        return code;
    if (!any)
        return ns_fail(err, NS_E_ARG, "bands figure: there is no value to draw");
    if ((code = ns_panel_begin(&p->base, params, f->value_name ? f->value_name : "scores over training", f->study_name, err)) != NS_OK ||
        (code = ns_panel_colors(&p->base, &p->cells, min, max, false, err)) != NS_OK)
        return code;
    p->bar = (ns_colorbar){.colors = p->cells.colors, .scale = p->cells.scale, .data_min = min, .data_max = max};
    if ((code = put_in_order(p, err)) != NS_OK)
        return code;
    for (int i = 0; f->chance && i < f->n_panels; i++) {
        const int k = p->at[i];
        ns_colorbar_add_level(&p->bar, f->chance[k][0], f->chance[k][1], f->n_panels > 1 ? f->panels[k] : "chance");
    }
    p->edge = ns_alloc_array((size_t)f->n_points + 1, sizeof *p->edge);
    if (!p->edge)
        return ns_oom(err, "a figure");
    make_edges(p);
    look_for_marks(p);
    return NS_OK;
}

void ns_bands_end(ns_bands_panel *p)
{
    free(p->edge);
    p->edge = NULL;
    ns_panel_end(&p->base);
}

int ns_draw_bands(const char *path, const ns_bands_figure *figure, const ns_figure_params *params, ns_error *err)
{
    ns_bands_panel panel;
    int code = ns_bands_begin(&panel, figure, params, err);
    if (code == NS_OK)
        code = ns_panel_write(&panel.base, path, err);
    ns_bands_end(&panel);
    return code;
}
