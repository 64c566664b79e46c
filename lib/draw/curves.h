/* curves.h - the panel behind ns_draw_curves; its box and axes are what tests look at. */
#ifndef NS_DRAW_CURVES_H
#define NS_DRAW_CURVES_H

#include "draw/panel.h"

enum { NS_CURVE_COLORS = 8, NS_CURVE_GROUPS = 64, NS_CURVE_PANELS = NS_FIGURE_PANELS };
extern const ns_rgb ns_group_colors[NS_CURVE_COLORS];

typedef struct ns_curves_panel {
    ns_panel         base;
    ns_curves_figure figure;                 /* copy, in order; what curves point at is the caller's */
    ns_curve        *curves;                 /* its curves */
    const char      *names[NS_CURVE_GROUPS + NS_CURVE_PANELS];
    int              y_axes[NS_CURVE_PANELS];
    int              n_panels;               /* one at least */
    ns_tiling        tiles;
    ns_axis          x;                      /* the same in all panels */
    ns_axis          y[NS_CURVE_PANELS];     /* with ticks at the first panel of a row, and where it is another than its neighbour's */
    double           gap;                    /* between panels */
    ns_box           box[NS_CURVE_PANELS];
    ns_legend        legend[NS_CURVE_PANELS];
    int              n_legends;              /* one under all where panels show the same groups, else one under each */
} ns_curves_panel;

int    ns_curves_begin(ns_curves_panel *, const ns_curves_figure *, const ns_figure_params *, ns_error *);
void   ns_curves_end(ns_curves_panel *);
double ns_curves_x(const ns_curves_panel *, int panel, double);          /* clamped to the panel's box */
double ns_curves_y(const ns_curves_panel *, int panel, double);

#endif
