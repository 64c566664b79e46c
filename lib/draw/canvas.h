/* canvas.h - what figures are drawn on: paths, text, images and a clip, in points (1/72 inch) from the top left corner.
 *
 * One table of operations per kind of file (ns_canvases); the ending of the path chooses. A canvas gathers the file in memory
 * and remembers its first error, so drawing code needs no checks; ns_canvas_finish tells. On raster canvases axis-parallel
 * lines and rectangles are snapped to whole pixels. */
#ifndef NS_DRAW_CANVAS_H
#define NS_DRAW_CANVAS_H

#include "draw/buffer.h"
#include "draw/colormap.h"
#include "draw/texts.h"
#include "draw/theme.h"

#include <needlescope/fact.h>

typedef struct ns_box { double x, y, w, h; } ns_box;
typedef struct ns_pen { ns_rgb color; double width, alpha, dash; } ns_pen;       /* alpha 0 = opaque; dash 0 = solid */

typedef enum ns_anchor { NS_AT_START, NS_AT_MIDDLE, NS_AT_END } ns_anchor;
typedef struct ns_style {
    double    size;          /* points */
    ns_rgb    color;
    bool      bold;
    ns_anchor anchor;        /* which point of the baseline (x, y) is */
    double    angle;         /* degrees, counter-clockwise */
} ns_style;

typedef struct ns_canvas ns_canvas;
typedef struct ns_canvas_kind {
    const char *ending;      /* ".png" */
    bool        raster;
    int  (*open)(ns_canvas *, ns_error *);
    void (*path)(ns_canvas *, const double (*xy)[2], int n, bool closed, const ns_pen *stroke, const ns_rgb *fill);
    void (*text)(ns_canvas *, double x, double y, const char *text, const ns_style *);
    void (*image)(ns_canvas *, ns_box, const uint8_t *rgb, int64_t w, int64_t h);    /* nearest neighbour */
    void (*clip)(ns_canvas *, const ns_box *);                                       /* NULL ends it */
    int  (*close)(ns_canvas *, ns_error *);                                          /* completes `out` */
    void (*drop)(ns_canvas *);                                                       /* frees `state` */
} ns_canvas_kind;

extern const ns_canvas_kind ns_canvas_png, ns_canvas_pdf, ns_canvas_eps, ns_canvas_svg;
extern const ns_canvas_kind *const ns_canvases[];                                    /* ends with NULL */

/* What the file says of itself beside the picture; borrowed. */
typedef struct ns_metadata { const char *title, *comment; const ns_fact *facts; int n_facts; } ns_metadata;

struct ns_canvas {
    const ns_canvas_kind *kind;
    const ns_type        *type;
    ns_theme              theme;                 /* borrowed */
    bool                  transparent;           /* the page is not painted */
    ns_metadata           about;
    double                width, height;         /* points */
    double                scale;                 /* points of the page in one of ours */
    double                pixels;                /* per point of ours: of the raster, or of images in vector files */
    double                dx, dy;                /* origin of the panel being drawn */
    ns_texts              texts;                 /* all that were drawn */
    ns_buffer             out;
    void                 *state;                 /* the kind's own */
    int                   code;                  /* first error */
    ns_error              error;
};

int  ns_canvas_kind_find(const ns_canvas_kind **out, const char *path, ns_error *);
double ns_canvas_pixels(const ns_canvas_kind *, int dpi);                            /* per point */
/* width, height and pixels are those of ours, which the page shows `scale` times as large. */
typedef struct ns_paper { double width, height, pixels, scale; const ns_theme *theme; bool transparent; } ns_paper;
int ns_canvas_open(ns_canvas *, const ns_canvas_kind *, const ns_type *, ns_paper, const ns_metadata *, ns_error *);
int  ns_canvas_finish(ns_canvas *, ns_error *);                                      /* the file's bytes are in canvas->out */
void ns_canvas_clear(ns_canvas *);
void ns_canvas_fail(ns_canvas *, int code, const char *message);

void ns_canvas_line(ns_canvas *, double x0, double y0, double x1, double y1, ns_pen);
void ns_canvas_polyline(ns_canvas *, const double (*xy)[2], int n, ns_pen);
void ns_canvas_fill(ns_canvas *, ns_box, ns_rgb);
void ns_canvas_frame(ns_canvas *, ns_box, ns_pen);
void ns_canvas_surround(ns_canvas *, ns_box, ns_pen);          /* a frame that hides nothing of the box */
void ns_canvas_polygon(ns_canvas *, const double (*xy)[2], int n, ns_rgb);
void ns_canvas_text(ns_canvas *, double x, double y, const char *text, ns_style);
void ns_canvas_image(ns_canvas *, ns_box, const uint8_t *rgb, int64_t w, int64_t h);
void ns_canvas_hatch(ns_canvas *, ns_box, double step, ns_pen);
/* y of the baseline that centres capitals and digits of that size on y. */
double ns_baseline(double y, double size);

#endif
