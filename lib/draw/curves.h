/* curves.h - the panel behind ns_draw_curves; its box and axes are what tests look at. */
#ifndef NS_DRAW_CURVES_H
#define NS_DRAW_CURVES_H

#include "draw/panel.h"

enum { NS_CURVE_GROUPS = 8 };
extern const ns_rgb ns_group_colors[NS_CURVE_GROUPS];

typedef struct ns_curves_panel {
    ns_panel         base;
    ns_curves_figure figure;                 /* copy; arrays are the caller's */
    ns_axis          x, y;
    ns_box           box;
    ns_legend        legend;
} ns_curves_panel;

int    ns_curves_begin(ns_curves_panel *, const ns_curves_figure *, const ns_figure_params *, ns_error *);
void   ns_curves_end(ns_curves_panel *);
double ns_curves_x(const ns_curves_panel *, double);          /* clamped to the box */
double ns_curves_y(const ns_curves_panel *, double);

#endif
