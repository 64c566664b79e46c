/* colormap.c - the table of colour maps.
 *
 * All but bluered are monotone in luminance, so that they survive grey printing and every kind of colour vision. */
#include "draw/theme.h"

#include <math.h>
#include <string.h>

#include "draw/colormap_tables.h"

#define GREY {222, 222, 222}
#define MARK(r, g, b)                                                                                                                      \
    {                                                                                                                                      \
        r, g, b, NS_ROLE_MARK                                                                                                              \
    }

const ns_colormap ns_colormaps[] = {
    {.name = "cividis", .table = cividis, .mark = MARK(228, 26, 28), .missing = GREY},
    {.name = "viridis", .table = viridis, .mark = MARK(228, 26, 28), .missing = GREY},
    {.name = "magma", .table = magma, .mark = MARK(0, 220, 255), .missing = GREY},
    {.name = "inferno", .table = inferno, .mark = MARK(0, 220, 255), .missing = GREY},
    {.name = "grey", .table = grey, .mark = MARK(228, 26, 28), .missing = {176, 208, 240}},
    {.name = "bluered", .table = bluered, .mark = MARK(0, 140, 70), .missing = GREY, .diverging = true},
    {.name = NULL},
};

int ns_colormap_find(const ns_colormap **out, const char *name, ns_error *err)
{
    *out = NULL;
    char names[128] = "";
    for (const ns_colormap *map = ns_colormaps; map->name; map++) {
        if (!name || strcmp(name, map->name) == 0) {
            *out = map;
            return NS_OK;
        }
        strcat(strcat(names, map == ns_colormaps ? "" : ", "), map->name);
    }
    return ns_fail(err, NS_E_ARG, "colour map '%s' is unknown (there are %s)", name, names);
}

ns_rgb ns_colormap_at(const ns_colormap *map, double t)
{
    const int i = t >= 1 ? 255 : t > 0 ? (int)(t * 256) : 0;
    return (ns_rgb){map->table[i][0], map->table[i][1], map->table[i][2]};
}

static double linear(uint8_t byte)
{
    const double c = byte / 255.0;
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

double ns_rgb_luminance(ns_rgb c)
{
    return 0.2126 * linear(c.r) + 0.7152 * linear(c.g) + 0.0722 * linear(c.b);
}
