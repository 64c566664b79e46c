/* theme.h - colours by the part they play, so that a page may be dark or have a journal's look: a colour of a role is looked up when it is
 * drawn; colours of values (colour maps) have none. */
#ifndef NS_DRAW_THEME_H
#define NS_DRAW_THEME_H

#include "draw/colormap.h"

enum { NS_THEME_SERIES = 8, NS_THEME_WINDOWS = 3 };
typedef enum ns_role {
    NS_ROLE_NONE,                       /* the colour itself */
    NS_ROLE_INK, NS_ROLE_FAINT, NS_ROLE_PAPER, NS_ROLE_GUIDE, NS_ROLE_HATCH, NS_ROLE_HATCH_LINE, NS_ROLE_MARK,
    NS_ROLE_FULL, NS_ROLE_RECURRENT, NS_ROLE_MLP, NS_ROLE_VALUE, NS_ROLE_CHANCE, NS_ROLE_SET, NS_ROLE_CONTROL,
    NS_ROLE_WINDOW, NS_ROLE_SERIES = NS_ROLE_WINDOW + NS_THEME_WINDOWS,
    NS_ROLES = NS_ROLE_SERIES + NS_THEME_SERIES
} ns_role;

#define NS_INK ((ns_rgb){38, 38, 38, NS_ROLE_INK})
#define NS_FAINT ((ns_rgb){110, 110, 110, NS_ROLE_FAINT})
#define NS_PAPER ((ns_rgb){255, 255, 255, NS_ROLE_PAPER})

typedef struct ns_theme {
    ns_rgb color[NS_ROLES];
    bool   set[NS_ROLES];
    double line_width;                  /* factor of all lines */
    double font_size;                   /* 0 = the usual one */
    char  *font;                        /* NULL = the usual one */
} ns_theme;

/* The usual one, or the dark one; then what a JSON file says otherwise (NULL: nothing). NS_E_FORMAT names a key that is unknown. */
int    ns_theme_make(ns_theme *, bool dark, const char *path, ns_error *);
void   ns_theme_clear(ns_theme *);
ns_rgb ns_theme_color(const ns_theme *, ns_rgb);

#endif
