/* matrix.c - named rows and columns, a colour and a text a cell. Column names stand slanted under the cells unless all fit level. */
#include "draw/panel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };
static const double CELL = 34, LOW = 15, LOWEST = 40, BAR = 7, BAR_GAP = 6, LABEL_GAP = 4, SLANT = 45,
                    NAMES = 0.36, LEAST_NAMES = 0.18, STEP = 0.03, /* of the page, at most, for a name; shorter where columns need room */
                    LEAST_CELL = 4.5, LAST_LABEL = 6,              /* LAST_LABEL: half of "1.0" under the end of a bar below */
                    BESIDE = 1;                                    /* points between names of columns that stand upright */

typedef struct matrix_panel {
    ns_panel         base;
    ns_matrix_figure figure; /* copy, in order */
    const char *names[2 * MOST];
    float *value; /* its arrays */
    const char **text;
    ns_cells         cells;
    ns_colorbar      bar;
    ns_legend        legend;
    ns_box           box, bar_box;
    bool             level;              /* column names fit without a slant */
    double slant;                        /* else theirs, in degrees */
    double           longest, longest_below, names_depth, text_size;    /* longest: of rows' names, of columns' */
    int              every;              /* so many columns have one name */
} matrix_panel;

/* ---- what was given ---- */

static int check(const ns_matrix_figure *f, ns_error *err)
{
    if (f->n_rows < 1 || f->n_rows > MOST || f->n_cols < 1 || f->n_cols > MOST || !f->value || !f->rows || !f->cols)
        return ns_fail(err, NS_E_ARG, "matrix figure: %lld x %lld cells; each must be 1 to %d, with values and names", (long long)f->n_rows,
                       (long long)f->n_cols, MOST);
    int code = ns_check_name(f->value_name, "the value's name", err);
    for (int64_t i = 0; i < f->n_rows && code == NS_OK; i++)
        code = ns_check_name(f->rows[i], "a row's name", err);
    for (int64_t i = 0; i < f->n_cols && code == NS_OK; i++)
        code = ns_check_name(f->cols[i], "a column's name", err);
    for (int64_t i = 0; f->text && i < f->n_rows * f->n_cols && code == NS_OK; i++)
        code = ns_check_name(f->text[i], "a cell's text", err);
    if (code == NS_OK)
        code = ns_check_name(f->row_name, "the rows' name", err);
    return code == NS_OK ? ns_check_name(f->col_name, "the columns' name", err) : code;
}

static const char *text_of(const matrix_panel *p, int64_t i, char own[32])
{
    if (p->figure.text)
        return p->figure.text[i] ? p->figure.text[i] : "";
    if (isnan(p->figure.value[i]))
        return "";
    ns_format_cell(own, (double)p->figure.value[i]);
    return own;
}

/* ---- layout ---- */

static double widest(const ns_type *type, const char *const *names, int64_t n)
{
    double width = 0;
    for (int64_t i = 0; i < n; i++)
        width = fmax(width, ns_type_width(type, names[i], NS_SIZE_TICK, false));
    return width;
}

static bool is_printed(const matrix_panel *p, int64_t i)
{
    char own[32];
    ns_format_cell(own, (double)p->figure.value[i]);
    return ns_prints_value(&p->base, (double)p->figure.value[i], own);
}

/* The largest size at which every text fits its cell; 0 = none does. */
static double fitting_size(const matrix_panel *p, const ns_type *type)
{
    static const double sizes[] = {7, 6.5, 6, 5.5, 5};
    const double w = p->box.w / (double)p->figure.n_cols, h = p->box.h / (double)p->figure.n_rows;
    char own[32];
    for (int s = 0; s < 5; s++) {
        bool fits = NS_CAP_HEIGHT * sizes[s] + 3 <= h;
        for (int64_t i = 0; fits && i < p->figure.n_rows * p->figure.n_cols; i++)
            fits = !is_printed(p, i) || ns_type_width(type, text_of(p, i, own), sizes[s], false) + 3 <= w;
        if (fits)
            return sizes[s];
    }
    return 0;
}

static int check_glyphs(const matrix_panel *p, const ns_type *type, ns_error *err)
{
    const ns_matrix_figure *const f = &p->figure;
    int code = NS_OK;
    for (int64_t i = 0; i < f->n_rows && code == NS_OK; i++)
        code = ns_type_check(type, f->rows[i], "a row's name", err);
    for (int64_t i = 0; i < f->n_cols && code == NS_OK; i++)
        code = ns_type_check(type, f->cols[i], "a column's name", err);
    return code;
}

/* What stands left of the cells: names of rows, and the ends of slanted names of columns. */
static double left_of(const matrix_panel *p, const ns_page *page, double names, double right)
{
    const ns_matrix_figure *const f = &p->figure;
    const double beside = fmin(widest(page->type, f->rows, f->n_rows), p->longest) + LABEL_GAP + (f->row_name ? NS_SIZE_LABEL * 1.4 : 0);
    return names + 3 <= (page->width - beside - right) / (double)f->n_cols
               ? beside
               : fmax(beside, names * cos(SLANT * acos(-1) / 180) - LOW / 2);
}

/* Rows' names are cut until the cells have so much room; returns what is left of these. */
static double fit_names(matrix_panel *p, const ns_page *page, double names, double right, double least)
{
    double left = 0;
    for (double share = NAMES; share > LEAST_NAMES; share -= STEP) {
        p->longest = share * page->width;
        left = left_of(p, page, names, right);
        if (page->width - left - right >= least)
            break;
    }
    return left;
}

static double bar_width(matrix_panel *p, const ns_type *type)
{
    return BAR_GAP + BAR + ns_colorbar_layout(&p->bar, 100, type);
}

/* Under the names of the columns where there is no room beside the cells; returns where what is above the legend ends. */
static double place_bar(matrix_panel *p, const ns_page *page, double bottom)
{
    if (!p->bar.horizontal) {
        p->bar_box = (ns_box){p->box.x + p->box.w + BAR_GAP, p->box.y, BAR, p->box.h};
        p->base.width = p->bar_box.x + BAR + ns_colorbar_layout(&p->bar, p->box.h, page->type);
        return bottom;
    }
    p->bar_box = (ns_box){p->box.x, ns_page_snap(page, bottom + BAR_GAP), p->box.w, BAR};
    p->base.width = p->box.x + p->box.w + LAST_LABEL;
    return p->bar_box.y + BAR + ns_colorbar_layout(&p->bar, p->bar_box.w, page->type);
}

static void note_names(matrix_panel *p)
{
    char note[64];
    snprintf(note, sizeof note, "one column in %d is named", p->every);
    ns_legend_note(&p->legend, note);
}

static int layout(ns_panel *base, const ns_page *page, ns_error *err)
{
    matrix_panel *const p = (matrix_panel *)base;
    const ns_matrix_figure *const f = &p->figure;
    const int code = check_glyphs(p, page->type, err);
    if (code != NS_OK)
        return code;
    p->longest_below = NAMES * page->width;
    const double names = fmin(widest(page->type, f->cols, f->n_cols), p->longest_below);
    const double least = fmax((NS_SIZE_TICK + BESIDE) * (double)f->n_cols, LOWEST);
    p->bar.horizontal = false;
    double right = bar_width(p, page->type), left = fit_names(p, page, names, right, least);
    if (p->bar.n_levels == 0 && page->width - left - right < least) {
        p->bar.horizontal = true;                     /* below: the room beside goes to names */
        right = LAST_LABEL;
        left = fit_names(p, page, names, right, fmax(LEAST_CELL * (double)f->n_cols, LOWEST));
    }
    const double w = fmax(fmin(page->width - left - right, page->fixed ? INFINITY : CELL * (double)f->n_cols), LOWEST),
                 cell = w / (double)f->n_cols;
    p->level = names + 3 <= cell;
    p->slant = cell * sin(SLANT * acos(-1) / 180) < NS_SIZE_TICK ? 90 : SLANT;
    p->every = p->level ? 1 : (int)ceil(NS_SIZE_TICK / cell);
    if (p->every > 1)
        note_names(p);
    p->names_depth = p->level ? NS_SIZE_TICK * 1.2 : names * sin(p->slant * acos(-1) / 180) + NS_SIZE_TICK;
    p->box = (ns_box){ns_page_snap(page, left), ns_page_snap(page, ns_header_height(base) + 2), ns_page_cells(page, w, f->n_cols),
                      ns_page_cells(page, page->tall * fmax(fmin(cell, CELL), LOW) * (double)f->n_rows, f->n_rows)};
    const double names_end = p->box.y + p->box.h + LABEL_GAP + p->names_depth + (f->col_name ? NS_SIZE_LABEL * 1.3 : 0);
    const double bottom = place_bar(p, page, names_end);
    base->width = fmin(page->width, fmax(base->width, fmax(ns_type_width(page->type, base->title, NS_SIZE_TITLE, true),
                                                           ns_type_width(page->type, base->subtitle, NS_SIZE_TICK, false))));
    const double end = ns_legend_place(base, &p->legend, page->type, (ns_legend_spot){p->box.x, bottom, 3, base->width});
    base->height = p->legend.n ? end : bottom + 2;
    p->text_size = fitting_size(p, page->type);
    return ns_check_values(base, page, p->text_size, err);
}

/* ---- drawing ---- */

static void draw_cells(const matrix_panel *p, ns_canvas *c)
{
    const ns_matrix_figure *const f = &p->figure;
    const double w = p->box.w / (double)f->n_cols, h = p->box.h / (double)f->n_rows;
    ns_cells_draw(&p->cells, c, p->box);
    for (int64_t i = 0; i < f->n_rows * f->n_cols; i++) {
        const ns_box b = {p->box.x + w * (double)(i % f->n_cols), p->box.y + h * (double)(i / f->n_cols), w, h};
        const bool missing = isnan(f->value[i]), dark = !missing && ns_rgb_luminance(ns_cell_color(&p->cells, (double)f->value[i])) < 0.2;
        char own[32];
        if (missing)
            ns_hatch_cell(c, b);
        if (p->text_size > 0 && (missing || is_printed(p, i)))
            ns_canvas_text(c, b.x + w / 2, ns_baseline(b.y + h / 2, p->text_size), text_of(p, i, own),
                           (ns_style){.size = p->text_size, .color = dark ? (ns_rgb){255, 255, 255} : (ns_rgb){0, 0, 0},
                                      .anchor = NS_AT_MIDDLE});
    }
    ns_canvas_surround(c, p->box, (ns_pen){.color = NS_INK, .width = NS_THIN});
}

static void draw_names(const matrix_panel *p, ns_canvas *c)
{
    const ns_matrix_figure *const f = &p->figure;
    const double w = p->box.w / (double)f->n_cols, h = p->box.h / (double)f->n_rows, below = p->box.y + p->box.h + LABEL_GAP;
    const ns_style label = {.size = NS_SIZE_LABEL, .color = NS_INK, .anchor = NS_AT_MIDDLE};
    char fit[NS_LABEL_BYTES];
    for (int64_t i = 0; i < f->n_rows; i++) {
        ns_type_fit_among(c->type, f->rows, f->n_rows, i, NS_SIZE_TICK, p->longest, fit);
        ns_canvas_text(c, p->box.x - LABEL_GAP, ns_baseline(p->box.y + h * ((double)i + .5), NS_SIZE_TICK), fit,
                       (ns_style){.size = NS_SIZE_TICK, .color = NS_INK, .anchor = NS_AT_END});
    }
    for (int64_t i = 0; i < f->n_cols; i += p->every) {
        ns_type_fit_among(c->type, f->cols, f->n_cols, i, NS_SIZE_TICK, p->longest_below, fit);
        ns_canvas_text(
            c, p->box.x + w * ((double)i + .5) + (p->level ? 0 : 2), below + (p->slant < 90 || p->level ? NS_CAP_HEIGHT * NS_SIZE_TICK : 0),
            fit,
            (ns_style){
                .size = NS_SIZE_TICK, .color = NS_INK, .anchor = p->level ? NS_AT_MIDDLE : NS_AT_END, .angle = p->level ? 0 : p->slant});
    }
    if (f->col_name)
        ns_canvas_text(c, p->box.x + p->box.w / 2, below + p->names_depth + NS_CAP_HEIGHT * NS_SIZE_LABEL + 1, f->col_name, label);
    if (f->row_name)
        ns_canvas_text(c, NS_CAP_HEIGHT * NS_SIZE_LABEL, p->box.y + p->box.h / 2, f->row_name,
                       (ns_style){.size = NS_SIZE_LABEL, .color = NS_INK, .anchor = NS_AT_MIDDLE, .angle = 90});
}

static void draw(const ns_panel *base, ns_canvas *c)
{
    const matrix_panel *const p = (const matrix_panel *)base;
    ns_header_draw(base, c, p->box.x);
    draw_cells(p, c);
    draw_names(p, c);
    ns_colorbar_draw(&p->bar, c, p->bar_box);
    ns_legend_draw(&p->legend, c);
}

/* ---- the figure ---- */

static int put_in_order(matrix_panel *p, ns_error *err)
{
    ns_matrix_figure *const f = &p->figure;
    int row[MOST], col[MOST];
    const int R = (int)f->n_rows, C = (int)f->n_cols;
    ns_order order = ns_order_begin(&p->base.params);
    ns_order_apply(&order, f->rows, R, row);
    ns_order_apply(&order, f->cols, C, col);
    const int rc = ns_order_check(&order, err);
    p->value = rc == NS_OK ? ns_alloc_array((size_t)(R * C), sizeof *p->value) : NULL;
    p->text = rc == NS_OK ? ns_alloc_array((size_t)(R * C), sizeof *p->text) : NULL;
    if (!p->value || !p->text)
        return rc != NS_OK ? rc : ns_oom(err, "a figure");
    for (int i = 0; i < R * C; i++) {
        const int from = row[i / C] * C + col[i % C];
        p->value[i] = f->value[from];
        p->text[i] = f->text ? f->text[from] : NULL;
    }
    for (int i = 0; i < R; i++)
        p->names[i] = f->rows[row[i]];
    for (int i = 0; i < C; i++)
        p->names[MOST + i] = f->cols[col[i]];
    f->value = p->value;
    f->text = f->text ? p->text : NULL;
    f->rows = p->names;
    f->cols = p->names + MOST;
    return NS_OK;
}

static int begin(matrix_panel *p, const ns_matrix_figure *figure, const ns_figure_params *params, ns_error *err)
{
    double min, max;
    bool any, missing = false;
    int code = ns_sized_copy(&p->figure, sizeof p->figure, figure, "ns_matrix_figure", err);
    if (code != NS_OK || (code = check(&p->figure, err)) != NS_OK)
        return code;
    if ((code = ns_panel_begin(&p->base, params, p->figure.value_name ? p->figure.value_name : "", p->figure.study_name, err)) != NS_OK ||
        (code = put_in_order(p, err)) != NS_OK)
        return code;
    const ns_matrix_figure *const f = &p->figure;
    p->cells = (ns_cells){.value = f->value, .rows = f->n_rows, .cols = f->n_cols};
    if ((code = ns_cells_range(&p->cells, &min, &max, &any, err)) != NS_OK)
        return code;
    if (!any)
        return ns_fail(err, NS_E_ARG, "matrix figure: none of %lld x %lld cells has a value", (long long)f->n_rows, (long long)f->n_cols);
    if ((code = ns_panel_colors(&p->base, &p->cells, min, max, false, err)) != NS_OK)
        return code;
    p->bar = (ns_colorbar){.colors = p->cells.colors, .scale = p->cells.scale, .data_min = min, .data_max = max};
    ns_colorbar_add_level(&p->bar, f->chance, f->chance, "chance");
    for (int64_t i = 0; i < f->n_rows * f->n_cols; i++)
        missing |= isnan(f->value[i]);
    if (missing && f->missing_name)
        ns_legend_add(&p->legend, NS_SWATCH_HATCH, p->cells.colors->missing, "%s", f->missing_name);
    return NS_OK;
}

int ns_draw_matrix(const char *path, const ns_matrix_figure *figure, const ns_figure_params *params, ns_error *err)
{
    matrix_panel p = {.base = {.layout = layout, .draw = draw, .takes = NS_TAKES_VALUES | NS_TAKES_ORDER}};
    int code = begin(&p, figure, params, err);
    if (code == NS_OK)
        code = ns_panel_write(&p.base, path, err);
    ns_panel_end(&p.base);
    free(p.value);
    free(p.text);
    return code;
}
