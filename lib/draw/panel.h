/* panel.h - how a kind of figure is made: one file with a layout and a draw function, one line in meson.build.
 *
 * A panel is laid out for a page (which sets its width and height) and then drawn at the canvas' origin; so figures may later
 * be composed of panels. heads.c and map.c are the examples to follow. */
#ifndef NS_DRAW_PANEL_H
#define NS_DRAW_PANEL_H

#include "draw/axes.h"
#include "draw/order.h"
#include "draw/raster.h"
#include <needlescope/figure.h>

typedef struct ns_page {
    const ns_type *type;
    double         width;            /* points to be filled */
    bool           fixed;            /* the caller chose the width: do not shrink it */
    double         pixels;           /* per point */
    double         margin;           /* round the figure */
    const ns_theme *theme;
    double         scale;            /* points of paper in one of these points */
    double         tall;             /* what the figure shows is so many times as high as it would be */
    bool           raster;
} ns_page;

enum { NS_TITLE_LINES = 3 };
/* What of the parameters a kind has a use for. */
enum { NS_TAKES_VALUES = 1, NS_TAKES_ORDER = 2 };
typedef struct ns_panel ns_panel;
struct ns_panel {
    int  (*layout)(ns_panel *, const ns_page *, ns_error *);
    void (*draw)(const ns_panel *, ns_canvas *);
    unsigned takes;
    ns_figure_params params;         /* resolved copy */
    double width, height;            /* set by layout */
    double margin;                   /* where its origin lies on the page */
    char  *title, *subtitle;         /* owned; NULL = none */
    char   line[NS_TITLE_LINES][NS_LABEL_BYTES];     /* the title as the page's width breaks it */
    int    n_lines;
    double legend_height, above;     /* of a legend above all; what is kept for it under the title */
};

/* Checks params, fills the defaults, takes title and subtitle (own copies). params->title, where given, replaces both. */
int  ns_panel_begin(ns_panel *, const ns_figure_params *, const char *title, const char *subtitle, ns_error *);
void ns_panel_end(ns_panel *);
/* Lays out, draws, writes the file atomically. */
int  ns_panel_write(ns_panel *, const char *path, ns_error *);

/* A name given by the caller: valid UTF-8 on one line. NULL is fine. */
int  ns_check_name(const char *text, const char *what, ns_error *);

/* Colour map and scale from params and data: signed data get a symmetric scale, data in [0, 1] that interval, else [0, round]. */
int  ns_panel_colors(const ns_panel *, ns_cells *, double min, double max, bool log, ns_error *);

/* Is that end of the scale (params.vmin, params.vmax) the caller's? A round number not below v. */
bool   ns_panel_gives(const ns_panel *, double end);
double ns_round_up(double v);

/* Title block at the top: broken at spaces to a width, into so many lines at most; the height it takes; and drawing, flush left with x
 * where it fits. */
void   ns_header_fit(ns_panel *, const ns_type *, double width, int most);
double ns_header_height(const ns_panel *);
double ns_header_x(const ns_panel *, const ns_type *, double x);      /* where that is */
void   ns_header_draw(const ns_panel *, ns_canvas *, double x);

/* Is a number printed in a cell? `printed`: as it would be. */
bool   ns_prints_value(const ns_panel *, double value, const char *printed);
/* NS_E_ARG: numbers that are to be printed do not fit the cells. */
int    ns_check_values(const ns_panel *, const ns_page *, double size, ns_error *);

/* The name of a part over its box, cut to the box's width and the gap beside it. */
void   ns_name_box(ns_canvas *, ns_box, double gap, const char *name);

/* Panels in rows: as many beside each other as are at least so wide, and rows that are filled alike. What a row has for them is `room`. */
typedef struct ns_tiling { int columns, rows; double width; } ns_tiling;
ns_tiling ns_tile(int n, double room, double gap, double least);

/* The largest length up to `length` at which n cells are a whole number of pixels each; length where they are small anyway. */
double ns_page_cells(const ns_page *, double length, int64_t n);
double ns_page_snap(const ns_page *, double v);
double ns_page_inches(const ns_page *, double length);     /* of paper, tenths of an inch, rounded up: the width that an error asks for */
double ns_page_given(const ns_page *);                     /* inches: the width it has */

/* A line of keys: swatches with their meaning, wrapped to a width. */
typedef enum ns_swatch {
    NS_SWATCH_FILL, NS_SWATCH_HATCH, NS_SWATCH_OUTLINE, NS_SWATCH_LINE, NS_SWATCH_TICK, NS_SWATCH_POINT, NS_SWATCH_OPEN, NS_SWATCH_DIAMOND,
    NS_SWATCH_DOTS, NS_SWATCH_INTERVAL, NS_SWATCH_FITTED, NS_SWATCH_NONE
} ns_swatch;
typedef struct ns_key {
    ns_swatch swatch;
    ns_rgb    color;
    double    dash, width;
    char      text[100], shown[100];       /* 96 and what an ellipsis adds; shown: cut to the page */
} ns_key;
enum { NS_MAX_KEYS = 10 };
typedef struct ns_legend { ns_key keys[NS_MAX_KEYS]; int n; double x, y, width, height; } ns_legend;
/* A line without a swatch, once; "" = none. */
void   ns_legend_note(ns_legend *, const char *text);
void   ns_legend_add(ns_legend *, ns_swatch, ns_rgb, const char *fmt, ...) NS_PRINTF(4, 5);
/* So far under what ends at y, or above all where that is asked for; flush with the panel where it would need more lines else. Longer texts
 * are cut. Returns where the panel ends. */
typedef struct ns_legend_spot { double x, y, gap, width; } ns_legend_spot;
double ns_legend_place(ns_panel *, ns_legend *, const ns_type *, ns_legend_spot);
void   ns_legend_draw(const ns_legend *, ns_canvas *);
/* The marks of figures, as they are in legends, too; points of the page. */
void   ns_mark_point(ns_canvas *, double x, double y, ns_rgb, bool open);
void   ns_mark_diamond(ns_canvas *, double x, double y, ns_rgb);
void   ns_mark_dot(ns_canvas *, double x, double y, ns_rgb);
void   ns_mark_interval(ns_canvas *, double x, double low, double y, double high, ns_rgb);      /* low, high: y of the ends; NaN: none */
void   ns_hatch_cell(ns_canvas *, ns_box);       /* the look of what does not exist */

/* Spans as brackets outside an axis, each with its name; names that would overlap step aside and keep a leader line. */
typedef struct ns_bracket { double begin, end, label_at; int lane; char *name; } ns_bracket;   /* points along the axis */
typedef struct ns_brackets {
    ns_bracket *list;
    int         n, lanes;
    bool        vertical;            /* beside the box; else above it, names slanted unless they fit `flat` over their brackets */
    bool        flat;
    double      depth;               /* points taken outside the box */
    double      over;                /* points slanted names stick out beyond the end of the axis */
} ns_brackets;
/* spans[i] covers [begin[i], end[i]) points of the axis; empty ones are left out. longest: points of a name,
 * which is cut to it; 0: no names. */
int  ns_brackets_make(ns_brackets *, const ns_figure_span *, const double (*extent)[2], int n, double length, bool vertical,
                      double longest, const ns_type *, ns_error *);
void ns_brackets_draw(const ns_brackets *, ns_canvas *, ns_box);
void ns_brackets_clear(ns_brackets *);

#endif
