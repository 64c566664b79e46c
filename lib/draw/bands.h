/* bands.h - the panel behind ns_draw_bands; its boxes are what tests look at. */
#ifndef NS_DRAW_BANDS_H
#define NS_DRAW_BANDS_H

#include "draw/panel.h"

enum { NS_BANDS_PANELS = NS_FIGURE_PANELS };

typedef struct ns_bands_panel {
    ns_panel        base;
    ns_bands_figure figure;                  /* copy; arrays are the caller's */
    int             at[NS_BANDS_PANELS];     /* its panels in order */
    ns_cells        cells;                   /* colours and their scale */
    ns_colorbar     bar;
    ns_axis         tokens;
    ns_box          box[NS_BANDS_PANELS], bar_box;
    ns_tiling       tiles;
    double         *edge;                    /* [P + 1] tokens: checkpoint p is drawn from edge p to edge p + 1 */
    double          row_height, notes_x, key_y;
    double          rule_y, band_y[NS_FIGURE_BANDS], band_h[NS_FIGURE_BANDS];      /* from the top of a panel */
    bool            deaths, censored, missing;
} ns_bands_panel;

int    ns_bands_begin(ns_bands_panel *, const ns_bands_figure *, const ns_figure_params *, ns_error *);
void   ns_bands_end(ns_bands_panel *);
ns_box ns_bands_row(const ns_bands_panel *, int panel, int64_t row);
double ns_bands_x(const ns_bands_panel *, int panel, double tokens);      /* clamped to the box */

#endif
