/* map.h - the panel behind ns_draw_map; its boxes are what tests look at. */
#ifndef NS_DRAW_MAP_H
#define NS_DRAW_MAP_H

#include "draw/panel.h"

typedef struct ns_map_panel {
    ns_panel      base;
    ns_map_figure figure;            /* copy; arrays are the caller's */
    char          what[64];          /* "layer 3, head 1" */
    ns_cells      cells;
    ns_colorbar   bar;
    ns_axis       keys, queries;
    ns_brackets   above, beside;     /* spans along the keys, along the queries */
    ns_legend     legend;
    ns_box        box, bar_box;
    char        **row_names, **key_names;        /* tokens as they are shown; NULL = positions */
    double        beside_rows, under_keys;       /* points that they take */
    double        longest_token, longest_span;   /* points that one of each may have, longer ones are cut; 0: spans have no names beside */
} ns_map_panel;

int  ns_map_begin(ns_map_panel *, const ns_map_figure *, const ns_figure_params *, ns_error *);
void ns_map_end(ns_map_panel *);

#endif
