/* type.h - measuring and shaping text: the same for all kinds of canvas. One unit = one point (1/72 inch). */
#ifndef NS_DRAW_TYPE_H
#define NS_DRAW_TYPE_H

#include <needlescope/error.h>

#include <stdint.h>

typedef struct ns_type ns_type;
/* What a figure's texts are set in, and which are written another way; labels are borrowed. */
typedef struct ns_wording { const char *family; const char *const *labels; int n_labels; } ns_wording;     /* labels: "OLD=NEW" */
/* family: of an installed font, or a font's file. NS_E_UNSUPPORTED, NS_E_MISSING, NS_E_FORMAT: there is none. wording NULL = nothing asked
 * for: DejaVu Sans, which is compiled in. */
int    ns_type_new(ns_type **out, const ns_wording *, ns_error *);
void   ns_type_free(ns_type *);
const char *ns_type_families(const ns_type *);            /* wanted typefaces, best first, as CSS writes them */
double ns_type_width(const ns_type *, const char *text, double size, bool bold);
const char *ns_type_text(const ns_type *, const char *text);                /* as it is written */
/* NS_E_ARG: a label of the wording that no text was. */
int    ns_type_check_labels(const ns_type *, ns_error *);
/* An error where a character has no glyph in any font. `what` names the text in the message. */
int    ns_type_check(const ns_type *, const char *text, const char *what, ns_error *);
/* A label: text, cut with an ellipsis until it is no wider than width. In an array: where nothing is asked for, nothing is refused, and a
 * label that found no memory cannot be taken for none. */
enum { NS_LABEL_BYTES = (1 << 10) + 4 };
void   ns_type_fit(const ns_type *, const char *text, double size, bool bold, double width, char fit[NS_LABEL_BYTES]);
/* Name `which` of n: cut in the middle where it could not be told from another that is cut at the end. */
void   ns_type_fit_among(const ns_type *, const char *const *names, int64_t n, int64_t which, double size, double width,
                         char fit[NS_LABEL_BYTES]);
/* What a text covers, from a place on its baseline (the `part`th of its width, 0 ... 1); y downwards. False: no memory for its fonts. */
typedef struct ns_ink { double x, y, w, h; } ns_ink;
bool   ns_type_ink(const ns_type *, const char *text, double size, bool bold, double part, ns_ink *);
/* The text of a token as a figure can show it: line ends and tabs by their signs, what controls, has no ink or is in no
 * font by its code (then *coded); of very long ones the beginning. malloc'd, the caller's after an error, too. */
int    ns_shown_text(char **shown, const ns_type *, const char *text, bool *coded, ns_error *);
/* Bytes of the text, at most so many, that end with a character. */
size_t ns_type_prefix(const char *text, size_t most);

#define NS_CAP_HEIGHT 0.72    /* of the type size, in the sans faces used: text is centred on its capitals and digits */
#define NS_DESCENT 0.22

#endif
