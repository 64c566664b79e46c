/* axes.h - scales, ticks and the axes of a plot; colour bars. */
#ifndef NS_DRAW_AXES_H
#define NS_DRAW_AXES_H

#include "draw/canvas.h"

enum { NS_MAX_TICKS = 24 };

#define NS_SIZE_TITLE 8.5
#define NS_SIZE_LABEL 8.0
#define NS_SIZE_TICK 7.0
#define NS_THIN 0.6                        /* axis lines, points */

typedef struct ns_scale { double min, max; bool log; } ns_scale;
double ns_scale_at(const ns_scale *, double value);       /* 0 at min, 1 at max; not clamped (-inf for log of 0) */
double ns_scale_room(double value);      /* on both sides of a lone value: half of one, or so much that a large value moves by it */

typedef struct ns_ticks {
    int    n;
    double at[NS_MAX_TICKS];
    char   label[NS_MAX_TICKS][32];
} ns_ticks;
/* Round values inside the scale, at most as many as leave `room` points from tick to tick on an axis of that length. */
void ns_ticks_make(ns_ticks *, const ns_scale *, bool integers, double length, double room);
/* Same for a horizontal axis, where the room depends on the labels themselves. */
void ns_ticks_fit(ns_ticks *, const ns_scale *, bool integers, double length, const ns_type *);
double ns_ticks_width(const ns_ticks *, const ns_type *);  /* of the widest label */
void ns_format_tick(char out[32], double value, double step);
void ns_format_cell(char out[32], double value);            /* for a cell: without a leading zero */
void ns_true_minus(char text[32]);                         /* a leading hyphen becomes U+2212 */

typedef enum ns_side { NS_BOTTOM, NS_LEFT, NS_RIGHT } ns_side;
typedef struct ns_axis {
    ns_side     side;
    ns_scale    scale;
    bool        down;             /* vertical: min at the top */
    ns_ticks    ticks;
    const char *label;            /* or NULL */
    double      gap;              /* between box and ticks */
    double      least;            /* vertical: width kept for tick labels, whatever they need */
    bool        tight;            /* vertical: the label is no longer than the axis */
    bool        level;            /* vertical: the label is no higher than the axis; it may reach under it */
} ns_axis;
double ns_axis_depth(const ns_axis *, const ns_type *);    /* points it takes outside its box */
double ns_axis_least(const ns_axis *, const ns_type *);   /* so long is a vertical one whose label is whole, in its smallest type */
void   ns_axis_draw(const ns_axis *, ns_canvas *, ns_box);

/* Moves at[n] (ascending) apart to at least `gap`, within [lo, hi], by the least sum of squares. scratch[n]. */
void ns_spread(double *at, int n, double gap, double lo, double hi, double *scratch);

/* A level that the bar shows: a line across, or two where it is not one number; its name beside it. */
typedef struct ns_level { double low, high; const char *name; } ns_level;
enum { NS_MAX_LEVELS = 6 };

/* A colour bar. Its box is the bar itself; ticks and label go to the right (vertical) or below (horizontal). */
typedef struct ns_colorbar {
    const ns_colormap *colors;
    ns_scale    scale;
    double      data_min, data_max;   /* beyond the scale: the end label says so (>=, <=) */
    ns_level    level[NS_MAX_LEVELS];  int n_levels;      /* of a vertical bar */
    bool        horizontal;
    const char *label;                /* or NULL */
    char        shown[NS_LABEL_BYTES];  /* made by layout: the label, cut to the bar's length */
    ns_axis     axis;                 /* made by layout */
} ns_colorbar;
void   ns_colorbar_add_level(ns_colorbar *, double low, double high, const char *name);      /* NaN: none; the name is borrowed */
double ns_colorbar_layout(ns_colorbar *, double length, const ns_type *);   /* depth of ticks and label beyond the bar */
void   ns_colorbar_draw(const ns_colorbar *, ns_canvas *, ns_box);

#endif
