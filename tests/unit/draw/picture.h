/* picture.h - reading figures back, for the tests. */
#ifndef NS_TEST_PICTURE_H
#define NS_TEST_PICTURE_H

#include "draw/colormap.h"

typedef struct picture { uint8_t *rgb; int w, h; } picture;
picture picture_read(const char *path);                        /* PNG; fails the test when it cannot */
picture picture_decode(const uint8_t *png, size_t n);
ns_rgb  picture_at(const picture *, double x, double y);       /* pixel that contains the point */
void    picture_free(picture *);
char   *slurp(const char *path, size_t *n);                    /* whole file, NUL-terminated */
char   *scratch(const char *name);                             /* a path in a temporary folder of this process */

int     packed(ns_rgb);                                        /* 0xRRGGBB */
#define assert_color(got, want) assert_int_equal(packed(got), packed(want))

#endif
