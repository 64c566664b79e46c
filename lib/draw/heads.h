/* heads.h - the panel behind ns_draw_heads; its boxes are what tests look at. */
#ifndef NS_DRAW_HEADS_H
#define NS_DRAW_HEADS_H

#include "draw/panel.h"

typedef struct ns_heads_panel {
    ns_panel        base;
    ns_heads_figure figure;          /* copy; arrays are the caller's */
    ns_cells        cells;
    ns_colorbar     bar;
    ns_axis         layers, heads;
    ns_legend       legend;
    ns_box          box, strip, bar_box;
    bool            has_strip, no_bar;       /* no_bar: another panel's bar speaks for this one */
    double          value_size;      /* type size of the numbers in the cells; 0 = not printed */
} ns_heads_panel;

int  ns_heads_begin(ns_heads_panel *, const ns_heads_figure *, const ns_figure_params *, ns_error *);
void ns_heads_end(ns_heads_panel *);
double ns_heads_axis_width(ns_heads_panel *, const ns_type *);     /* what strip, layers and their name take at the left */
double ns_heads_bar_width(ns_heads_panel *, const ns_type *);      /* what the colour bar takes at the right */

#endif
