/* colormap.h - colour maps by name: 256 x 3 sRGB bytes, index 0 = lowest. */
#ifndef NS_DRAW_COLORMAP_H
#define NS_DRAW_COLORMAP_H

#include <needlescope/error.h>

typedef struct ns_rgb { uint8_t r, g, b, role; } ns_rgb;                           /* role: of a theme (theme.h) */

typedef struct ns_colormap {
    const char    *name;
    const uint8_t (*table)[3];   /* [256] */
    ns_rgb         mark;         /* stands out from every colour of the table: outlines of marked cells */
    ns_rgb         missing;      /* NaN: not recorded, no such head; not among the colours of the table */
    bool           diverging;    /* the middle is zero */
} ns_colormap;

extern const ns_colormap ns_colormaps[];                                      /* ends with name = NULL */
int    ns_colormap_find(const ns_colormap **out, const char *name, ns_error *);   /* NULL = the first, cividis */
ns_rgb ns_colormap_at(const ns_colormap *, double t);                         /* t clamped to [0, 1] */
double ns_rgb_luminance(ns_rgb);                                              /* relative luminance (WCAG), 0 black to 1 white */

#endif
