/* raster.h - a matrix of numbers as pixels. */
#ifndef NS_DRAW_RASTER_H
#define NS_DRAW_RASTER_H

#include "draw/axes.h"
#include "draw/canvas.h"

#define NS_MASKED NS_PAPER       /* cannot be: the future, outside the window */

typedef struct ns_cells {
    const float *value;                /* [rows, cols], NaN = missing */
    int64_t      rows, cols;
    ns_scale     scale;
    const ns_colormap *colors;
    /* Columns [*lo, *hi) of a row exist, the others are masked; NULL = all exist. */
    void       (*extent)(const void *user, int64_t row, int64_t *lo, int64_t *hi);
    const void  *user;
    bool         ramp;                 /* a scale, not data: no cell is widened */
} ns_cells;

/* No cell is drawn narrower than this (points): one that would be is widened over its neighbours, and the strongest of those that overlap
 * shows. */
#define NS_CELL_LEAST 1.08

/* The one of larger magnitude; a number before a NaN. */
float  ns_stronger(float, float);
ns_rgb ns_cell_color(const ns_cells *, double value);
/* Smallest and largest finite values; false where there are none. An infinity is an error. */
int  ns_cells_range(const ns_cells *, double *min, double *max, bool *any, ns_error *);
/* Draws the matrix as one image filling the box: each cell a block of pixels, or where cells are smaller than NS_CELL_LEAST, each dot of
 * that size the largest magnitude of the cells it touches, so that a needle never vanishes. */
void ns_cells_draw(const ns_cells *, ns_canvas *, ns_box);
/* How many cells a dot is the strongest of, down and across: "max-pooled: a dot shows the strongest of 17 x 17 cells"; "" where each has a
 * dot of its own. */
void ns_cells_note(const ns_cells *, ns_box, char out[96]);

#endif
