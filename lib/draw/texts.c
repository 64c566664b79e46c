/* texts.c - where texts stand on a page: the ink of each as a slanted rectangle, and which of them lie on each other or leave the page. */
#include "draw/texts.h"

#include "core/core.h"
#include "draw/type.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double TOUCH = 0.4;      /* points by which the ink of two texts may meet: less is not seen */

bool ns_texts_add(ns_texts *all, double x, double y, ns_ink ink, double angle, const char *text)
{
    if (all->n == all->room) {
        const int64_t room = all->room ? 2 * all->room : 64;
        ns_text_box *const list = realloc(all->list, (size_t)room * sizeof *list);
        if (!list)
            return false;
        all->list = list;
        all->room = room;
    }
    const double a = angle * acos(-1) / 180, along[2] = {cos(a), -sin(a)}, down[2] = {sin(a), cos(a)};
    const double mid_along = ink.x + ink.w / 2, mid_down = ink.y + ink.h / 2;
    ns_text_box *const b = &all->list[all->n++];
    *b = (ns_text_box){.at = {x + mid_along * along[0] + mid_down * down[0], y + mid_along * along[1] + mid_down * down[1]},
                       .axis = {{along[0], along[1]}, {down[0], down[1]}}, .half = {ink.w / 2, ink.h / 2}};
    memcpy(b->text, text, ns_type_prefix(text, sizeof b->text - 1));
    return true;
}

void ns_texts_clear(ns_texts *all)
{
    free(all->list);
    *all = (ns_texts){0};
}

/* How far a box reaches from its middle in a direction. */
static double reach(const ns_text_box *b, const double d[2])
{
    double sum = 0;
    for (int k = 0; k < 2; k++)
        sum += b->half[k] * fabs(b->axis[k][0] * d[0] + b->axis[k][1] * d[1]);
    return sum;
}

/* Two rectangles lie apart if one of their four directions has a gap between them. */
static bool apart_along(const ns_text_box *a, const ns_text_box *b, const double d[2])
{
    const double between = fabs((b->at[0] - a->at[0]) * d[0] + (b->at[1] - a->at[1]) * d[1]);
    return between > reach(a, d) + reach(b, d) - TOUCH;
}

static bool overlap(const ns_text_box *a, const ns_text_box *b)
{
    return !apart_along(a, b, a->axis[0]) && !apart_along(a, b, a->axis[1]) && !apart_along(a, b, b->axis[0]) &&
           !apart_along(a, b, b->axis[1]);
}

static const double ACROSS[2] = {1, 0}, DOWN[2] = {0, 1};

static bool leaves(const ns_text_box *b, double width, double height)
{
    const double w = reach(b, ACROSS) - TOUCH, h = reach(b, DOWN) - TOUCH;
    return b->at[0] - w < 0 || b->at[0] + w > width || b->at[1] - h < 0 || b->at[1] + h > height;
}

static int by_left(const void *x, const void *y)
{
    const ns_text_box *const a = x, *const b = y;
    const double left = a->at[0] - reach(a, ACROSS), other = b->at[0] - reach(b, ACROSS);
    return ns_compare_double(&left, &other);
}

/* Sorted from the left, a text meets only those that begin before it ends. */
static int64_t count_pairs(ns_texts *all, const ns_text_box *first[2])
{
    int64_t pairs = 0;
    qsort(all->list, (size_t)all->n, sizeof *all->list, by_left);
    for (int64_t i = 0; i < all->n; i++) {
        const ns_text_box *const a = &all->list[i];
        const double right = a->at[0] + reach(a, ACROSS);
        for (int64_t k = i + 1; k < all->n && all->list[k].at[0] - reach(&all->list[k], ACROSS) < right; k++) {
            if (!overlap(a, &all->list[k]))
                continue;
            if (pairs++ == 0) {
                first[0] = a;
                first[1] = &all->list[k];
            }
        }
    }
    return pairs;
}

void ns_texts_say(ns_texts *all, double width, double height, char *said, size_t size)
{
    const ns_text_box *first[2] = {NULL, NULL}, *out = NULL;
    int64_t outside = 0;
    const int64_t pairs = all->n ? count_pairs(all, first) : 0;
    for (int64_t i = 0; i < all->n; i++)
        if (leaves(&all->list[i], width, height) && outside++ == 0)
            out = &all->list[i];
    said[0] = '\0';
    if (first[0])
        snprintf(said, size, "%lld pair%s of texts lie%s on each other, as '%s' and '%s'", (long long)pairs, ns_plural(pairs),
                 pairs == 1 ? "s" : "", first[0]->text, first[1]->text);
    const size_t used = strlen(said);
    if (outside)
        snprintf(said + used, size - used, "%s%lld text%s leave%s the page, as '%s'", used ? "; " : "", (long long)outside,
                 ns_plural(outside), outside == 1 ? "s" : "", out->text);
}
