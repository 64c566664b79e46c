/* face.h - typefaces: one that was asked for, DejaVu Sans, which is compiled in, and the system's for characters that are in neither.
 *
 * Lengths are in units of the em square, without hinting, so that shapes and widths are those of the font's file, whatever draws them. */
#ifndef NS_DRAW_FACE_H
#define NS_DRAW_FACE_H

#include <needlescope/error.h>

#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb.h>
#include <stdint.h>

typedef struct ns_face {
    FT_Face    outlines;
    hb_font_t *shapes;
    double     em;                  /* units */
    bool       bold;                /* set where text is bold */
} ns_face;

typedef struct ns_faces ns_faces;
/* wanted: a family, or a font's file (a path with a slash, or that ends in .ttf, .otf or .ttc); NULL = none. NS_E_UNSUPPORTED: no such
 * family; NS_E_FORMAT, NS_E_MISSING: no such file, or no font with outlines in it. Counted: freed by as many calls as hold it. */
int  ns_faces_new(ns_faces **out, const char *wanted, ns_error *);
ns_faces *ns_faces_hold(ns_faces *);
void ns_faces_free(ns_faces *);
const char *ns_faces_family(const ns_faces *);                   /* of what was wanted; NULL = nothing was */
const ns_face *ns_faces_at(const ns_faces *, int i);
/* The first face that has the character, or NS_NO_FACE. The system's are looked through once the others lack it. */
enum { NS_NO_FACE = -1 };
int  ns_faces_find(ns_faces *, uint32_t code, bool bold);
bool ns_faces_have(const ns_faces *, uint32_t code);             /* whether one that is open has it; asks for no memory */

/* ---- system_fonts.c ---- */
typedef struct ns_font_file { char *path; int index; } ns_font_file;            /* path: malloc'd */
/* The installed outlines of that family (NULL = any), or that have that character (0 = any). False: there are none, or the build does
 * without fontconfig. */
bool ns_system_font(const char *family, bool bold, uint32_t code, ns_font_file *);
bool ns_system_has_fonts(void);                                  /* whether this build asks the system at all */

#endif
