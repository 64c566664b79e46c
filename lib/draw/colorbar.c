/* colorbar.c - the colour bar: the map's colours, round ticks, levels (chance), and ends that say when data lie beyond. */
#include "draw/axes.h"
#include "draw/raster.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double LONGEST = 56;         /* of a level's name */

/* "0" becomes "<=0" (with the sign U+2264) where data lie below the scale, and likewise at the top. */
static void mark_beyond(ns_ticks *t, int i, const char *sign)
{
    char old[32];
    memcpy(old, t->label[i], sizeof old);
    snprintf(t->label[i], sizeof t->label[i], "%s%.24s", sign, old);
}

/* A short bar of which one number or none is round: its ends are said, and its middle where the map has two sides. */
static void mark_ends(ns_colorbar *bar)
{
    const double ends[3] = {bar->scale.min, (bar->scale.min + bar->scale.max) / 2, bar->scale.max};
    ns_ticks *const t = &bar->axis.ticks;
    t->n = 0;
    for (int i = 0; i < 3; i++)
        if (i != 1 || bar->colors->diverging) {
            t->at[t->n] = ends[i];
            ns_format_tick(t->label[t->n++], ends[i], i == 1 && ends[1] == 0 ? 1 : fabs(bar->scale.max - bar->scale.min) / 20);
        }
}

double ns_colorbar_layout(ns_colorbar *bar, double length, const ns_type *type)
{
    ns_axis *a = &bar->axis;
    *a = (ns_axis){.side = bar->horizontal ? NS_BOTTOM : NS_RIGHT, .scale = bar->scale};
    if (bar->label) {
        ns_type_fit(type, bar->label, NS_SIZE_LABEL, false, fmax(length, 40), bar->shown);
        a->label = bar->shown;
    }
    if (bar->horizontal)
        ns_ticks_fit(&a->ticks, &bar->scale, false, length, type);
    else
        ns_ticks_make(&a->ticks, &bar->scale, false, fmin(length, 5 * 28), 20);
    if (!bar->horizontal && !bar->scale.log && a->ticks.n < 2)
        mark_ends(bar);
    for (int i = 0; i < a->ticks.n; i++) {
        const double t = ns_scale_at(&bar->scale, a->ticks.at[i]);
        if (t < 1e-6 && bar->data_min < bar->scale.min)
            mark_beyond(&a->ticks, i, "\xe2\x89\xa4");
        else if (t > 1 - 1e-6 && bar->data_max > bar->scale.max)
            mark_beyond(&a->ticks, i, "\xe2\x89\xa5");
    }
    for (int i = 0; i < bar->n_levels; i++)
        a->least = fmax(a->least, fmin(LONGEST, ns_type_width(type, bar->level[i].name, NS_SIZE_TICK - 1, false)));
    return ns_axis_depth(a, type);
}

void ns_colorbar_add_level(ns_colorbar *bar, double low, double high, const char *name)
{
    if (!isnan(low) && !isnan(high) && bar->n_levels < NS_MAX_LEVELS)
        bar->level[bar->n_levels++] = (ns_level){low, high, name};
}

/* Where a name stands: beside its level, or aside, in one direction, until no number or other name stands there. taken[n] grow by it. */
static double free_place(double y, ns_box b, double *taken, int *n)
{
    const double gap = NS_SIZE_TICK;
    double at = y, step = 0;
    for (int i = 0; i < *n; i++) {
        if (fabs(at - taken[i]) >= gap)
            continue;
        step = step != 0 ? step : y <= taken[i] && taken[i] - gap >= b.y ? -gap : gap;
        at = taken[i] + step;
        i = -1;                                      /* again: it may have come upon another */
    }
    taken[(*n)++] = at;
    return at;
}

static void draw_level(const ns_colorbar *bar, const ns_level *l, ns_canvas *c, ns_box b, double *taken, int *n)
{
    const double ends[2] = {b.y + b.h * (1 - ns_scale_at(&bar->scale, l->low)), b.y + b.h * (1 - ns_scale_at(&bar->scale, l->high))};
    if (!(ends[0] >= b.y && ends[0] <= b.y + b.h && ends[1] >= b.y && ends[1] <= b.y + b.h))
        return;
    const ns_pen pen = {.color = NS_INK, .width = NS_THIN}, halo = {.color = NS_PAPER, .width = 3 * NS_THIN};
    const double at = free_place((ends[0] + ends[1]) / 2, b, taken, n);
    for (int k = 0; k < (l->low == l->high ? 1 : 2); k++) {
        ns_canvas_line(c, b.x, ends[k], b.x + b.w, ends[k], halo);
        ns_canvas_line(c, b.x, ends[k], b.x + b.w + 1, ends[k], pen);
        ns_canvas_line(c, b.x + b.w + 1, ends[k], b.x + b.w + 3.4, at, pen);
    }
    char fit[NS_LABEL_BYTES];
    ns_type_fit(c->type, l->name, NS_SIZE_TICK - 1, false, LONGEST, fit);
    ns_canvas_text(c, b.x + b.w + 4, ns_baseline(at, NS_SIZE_TICK - 1), fit, (ns_style){.size = NS_SIZE_TICK - 1, .color = NS_INK,
                                                                                            .anchor = NS_AT_START});
}

static int by_height(const void *a, const void *b)
{
    const ns_level *const x = a, *const y = b;
    return ns_compare_double(&x->low, &y->low);
}

static void draw_levels(const ns_colorbar *bar, ns_canvas *c, ns_box b)
{
    double taken[NS_MAX_TICKS + NS_MAX_LEVELS];
    ns_level level[NS_MAX_LEVELS];
    int n = 0;
    for (; n < bar->axis.ticks.n; n++)
        taken[n] = b.y + b.h * (1 - ns_scale_at(&bar->scale, bar->axis.ticks.at[n]));
    memcpy(level, bar->level, sizeof level);
    qsort(level, (size_t)bar->n_levels, sizeof *level, by_height);      /* from the bottom, so that no leader crosses another */
    for (int i = 0; i < bar->n_levels; i++)
        draw_level(bar, &level[i], c, b, taken, &n);
}

void ns_colorbar_draw(const ns_colorbar *bar, ns_canvas *c, ns_box b)
{
    float ramp[256];
    for (int i = 0; i < 256; i++)
        ramp[i] = (float)((bar->horizontal ? i : 255 - i) + 0.5) / 256;
    const ns_cells cells = {.value = ramp, .rows = bar->horizontal ? 1 : 256, .cols = bar->horizontal ? 256 : 1,
                            .scale = {.min = 0, .max = 1}, .colors = bar->colors, .ramp = true};
    ns_cells_draw(&cells, c, b);
    ns_canvas_surround(c, b, (ns_pen){.color = NS_INK, .width = NS_THIN});
    ns_axis_draw(&bar->axis, c, b);
    draw_levels(bar, c, b);
}
