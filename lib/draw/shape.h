/* shape.h - a text as glyphs with places: HarfBuzz shapes (kerning, ligatures, marks, joined scripts), FriBidi orders what runs from
 * right to left. Lengths are in type sizes (a width of 2 is 16 points at 8), y downwards, from the beginning of the baseline. */
#ifndef NS_DRAW_SHAPE_H
#define NS_DRAW_SHAPE_H

#include "draw/face.h"
#include "draw/type.h"

typedef struct ns_glyph { unsigned index; double x, y; } ns_glyph;
typedef struct ns_cluster { int bytes, glyphs; } ns_cluster;             /* bytes of the text that became glyphs */
/* Neighbouring glyphs of one face, from left to right; backward: the clusters, in the text's order, are from right to left. */
typedef struct ns_run {
    int face, bytes, n_glyphs, n_clusters;
    const char *text;
    const ns_glyph *glyphs;
    const ns_cluster *clusters;
    bool backward;
} ns_run;

typedef struct ns_shape {
    ns_run     *runs;
    int64_t     n_runs;
    double      width;
    ns_ink      ink;
    uint32_t    unknown;                /* the first character that no font has; 0 = all have */
    ns_glyph   *glyphs;
    ns_cluster *clusters;
} ns_shape;

/* The runs point into text. False: out of memory; clear it all the same. */
bool ns_shape_text(ns_shape *, ns_faces *, const char *text, size_t n, bool bold);
void ns_shape_clear(ns_shape *);

/* A text as the type writes it, shaped. */
bool ns_type_shape(const ns_type *, const char *text, bool bold, ns_shape *);
ns_faces *ns_type_faces(const ns_type *);

#endif
