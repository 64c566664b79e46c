/* texts.h - the texts of a page: whether two lie on each other, or one leaves the page. Points from the top left corner. */
#ifndef NS_DRAW_TEXTS_H
#define NS_DRAW_TEXTS_H

#include "draw/type.h"

/* A rectangle by its middle, its two directions and half of its length along each. */
typedef struct ns_text_box { double at[2], axis[2][2], half[2]; char text[48]; } ns_text_box;
typedef struct ns_texts { ns_text_box *list; int64_t n, room; } ns_texts;

/* (x, y): the place on the baseline that the ink is measured from; angle: degrees, counter-clockwise. False when memory is out. */
bool ns_texts_add(ns_texts *, double x, double y, ns_ink, double angle, const char *text);
/* "2 pairs of texts lie on each other, as 'a' and 'b'; 1 text leaves the page, as 'c'"; "" where all is well. Sorts the list. */
void ns_texts_say(ns_texts *, double width, double height, char *said, size_t size);
void ns_texts_clear(ns_texts *);

#endif
