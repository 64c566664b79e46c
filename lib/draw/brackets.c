/* brackets.c - spans as brackets outside an axis.
 *
 * Overlapping spans go to lanes, shorter ones nearer the axis. Names are spread (least squares, ns_spread) until none overlap and
 * tied to their bracket by a leader line. Where not all names fit, the first spans of the list keep theirs. */
#include "draw/panel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double OFF = 2.5, LANE = 3, HOOK = 1.4, LEADER = 6, GAP = 1.5, SIZE = 6.5;
static const double SLANT = 0.70710678118654752;      /* sin and cos of 45 degrees */

void ns_brackets_clear(ns_brackets *b)
{
    for (int i = 0; i < b->n; i++)
        free(b->list[i].name);
    free(b->list);
    *b = (ns_brackets){0};
}

static double middle(const ns_bracket *b)
{
    return (b->begin + b->end) / 2;
}

static int by_length(const void *x, const void *y)
{
    const ns_bracket *a = x, *b = y;
    const double d = (a->end - a->begin) - (b->end - b->begin);
    return d < 0 ? -1 : d > 0 ? 1 : (a->begin > b->begin) - (a->begin < b->begin);
}

static int by_middle(const void *x, const void *y)
{
    const double a = middle(x), b = middle(y);
    return a != b ? (a > b) - (a < b) : -by_length(x, y);
}

static void assign_lanes(ns_brackets *b)
{
    qsort(b->list, (size_t)b->n, sizeof *b->list, by_length);
    b->lanes = 0;
    for (int i = 0; i < b->n; i++) {
        ns_bracket *one = &b->list[i];
        for (int j = 0; j < i; j++)
            if (b->list[j].begin < one->end && one->begin < b->list[j].end && one->lane <= b->list[j].lane)
                one->lane = b->list[j].lane + 1;
        b->lanes = one->lane + 1 > b->lanes ? one->lane + 1 : b->lanes;
    }
    qsort(b->list, (size_t)b->n, sizeof *b->list, by_middle);
}

/* Names lie over their own brackets where none reaches its neighbour or the axis' ends. */
static bool names_fit_flat(const ns_brackets *b, double length, const ns_type *type)
{
    double end = 0;
    for (int i = 0; i < b->n; i++) {
        if (!b->list[i].name)
            continue;
        const double half = ns_type_width(type, b->list[i].name, SIZE, false) / 2, m = middle(&b->list[i]);
        if (m - half < end || m + half > length)
            return false;
        end = m + half + SIZE;
    }
    return true;
}

static int spread_names(ns_brackets *b, double length, ns_error *err)
{
    double *at = ns_alloc_array((size_t)b->n * 2, sizeof *at);
    if (!at)
        return ns_oom(err, "figure");
    int named = 0;
    for (int i = 0; i < b->n; i++)
        if (b->list[i].name)
            at[named++] = middle(&b->list[i]);
    const double gap = b->vertical ? SIZE + GAP : (SIZE + 0.5) / SLANT;
    ns_spread(at, named, gap, SIZE / 2, length - SIZE / 2, at + b->n);
    for (int i = 0, k = 0; i < b->n; i++)
        if (b->list[i].name)
            b->list[i].label_at = at[k++];
    free(at);
    return NS_OK;
}

static void measure(ns_brackets *b, double length, const ns_type *type)
{
    double widest = 0;
    for (int i = 0; i < b->n; i++) {
        if (!b->list[i].name)
            continue;
        const double width = ns_type_width(type, b->list[i].name, SIZE, false);
        widest = fmax(widest, width);
        if (b->flat)
            continue;
        b->over = fmax(b->over, b->list[i].label_at + (width + SIZE / 2) * SLANT - length);
    }
    const double names = widest == 0 ? 0 : b->flat ? SIZE : LEADER + GAP + (b->vertical ? widest : (widest + SIZE / 2) * SLANT);
    b->depth = b->n ? OFF + LANE * b->lanes + names : 0;
}

int ns_brackets_make(ns_brackets *b, const ns_figure_span *spans, const double (*extent)[2], int n, double length, bool vertical,
                     double longest, const ns_type *type, ns_error *err)
{
    char fit[NS_LABEL_BYTES];
    *b = (ns_brackets){.vertical = vertical};
    b->list = ns_alloc_array((size_t)n, sizeof *b->list);
    if (!b->list)
        return ns_oom(err, "figure");
    const int most = (int)(length / (vertical ? SIZE + GAP : (SIZE + 0.5) / SLANT));
    for (int i = 0, named = 0; i < n; i++) {
        if (extent[i][0] >= extent[i][1])
            continue;
        const bool name = longest > 0 && spans[i].name && *spans[i].name && named < most;
        ns_bracket *one = &b->list[b->n++];
        *one = (ns_bracket){.begin = extent[i][0], .end = extent[i][1]};
        if (name) {
            ns_type_fit(type, spans[i].name, SIZE, false, longest, fit);
            if (!(one->name = ns_strdup(fit)))
                return ns_oom(err, "figure");
        }
        named += name;
    }
    assign_lanes(b);
    b->flat = !vertical && b->lanes == 1 && names_fit_flat(b, length, type);
    const int code = spread_names(b, length, err);
    measure(b, length, type);
    return code;
}

/* A point `along` the axis and `out` of the box. */
static void point(const ns_brackets *b, ns_box box, double along, double out, double xy[2])
{
    xy[0] = b->vertical ? box.x + box.w + out : box.x + along;
    xy[1] = b->vertical ? box.y + along : box.y - out;
}

static void draw_one(const ns_brackets *b, const ns_bracket *one, ns_canvas *c, ns_box box)
{
    const double out = OFF + HOOK + LANE * one->lane, width = fmax(one->end - one->begin, 0.8), m = middle(one);
    const double tip = OFF + LANE * b->lanes + LEADER;
    double xy[4][2];
    point(b, box, m - width / 2, out - HOOK, xy[0]);
    point(b, box, m - width / 2, out, xy[1]);
    point(b, box, m + width / 2, out, xy[2]);
    point(b, box, m + width / 2, out - HOOK, xy[3]);
    ns_canvas_polyline(c, (const double(*)[2])xy, 4, (ns_pen){.color = NS_INK, .width = 0.7});
    if (!one->name)
        return;
    ns_style style = {.size = SIZE, .color = NS_INK};
    if (b->flat) {
        style.anchor = NS_AT_MIDDLE;
        ns_canvas_text(c, box.x + m, box.y - out - GAP, one->name, style);
        return;
    }
    point(b, box, m, out, xy[0]);
    point(b, box, m, OFF + LANE * b->lanes, xy[1]);
    point(b, box, one->label_at, tip, xy[2]);
    ns_canvas_polyline(c, (const double(*)[2])xy, 3, (ns_pen){.color = NS_FAINT, .width = 0.35});
    if (b->vertical) {
        ns_canvas_text(c, xy[2][0] + GAP, ns_baseline(xy[2][1], SIZE), one->name, style);
    } else {
        style.angle = 45;
        const double down = NS_CAP_HEIGHT / 2 * SIZE * SLANT;
        ns_canvas_text(c, xy[2][0] + GAP * SLANT + down, xy[2][1] - GAP * SLANT + down, one->name, style);
    }
}

void ns_brackets_draw(const ns_brackets *b, ns_canvas *c, ns_box box)
{
    for (int i = 0; i < b->n; i++)
        draw_one(b, &b->list[i], c, box);
}
