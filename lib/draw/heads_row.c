/* heads_row.c - heads maps side by side, in rows where a page is narrow, each with its score's name; one key, and one colour bar where all
 * have one scale and one chance. */
#include "draw/heads.h"

#include <math.h>
#include <string.h>

static const double GAP = 12, BETWEEN = 8, LEAST = 44;       /* LEAST: of the cells of a map */
enum { NAME_LINES = 2 };                 /* of a map's name, where one is too narrow */

typedef struct row_panel {
    ns_panel        base;
    ns_heads_panel  part[NS_FIGURE_HEADS];
    double          x[NS_FIGURE_HEADS], y[NS_FIGURE_HEADS];
    int             n;
    bool            one_scale;
    ns_legend       legend;              /* of all maps */
} row_panel;

static bool same_chance(const ns_colorbar *a, const ns_colorbar *b)
{
    return a->n_levels == b->n_levels && (a->n_levels == 0 || a->level[0].low == b->level[0].low);
}

/* A bar's tick is the chance of its own score: scores of different chance have bars of their own. */
static bool same_bar(const row_panel *p)
{
    for (int i = 1; i < p->n; i++)
        if (!same_chance(&p->part[i].bar, &p->part[0].bar) || p->part[i].cells.scale.min != p->part[0].cells.scale.min ||
            p->part[i].cells.scale.max != p->part[0].cells.scale.max || p->part[i].cells.colors != p->part[0].cells.colors)
            return false;
    return true;
}

/* Numbers in the cells of all parts, in one size, or in none. */
static void share_value_size(row_panel *p)
{
    double least = p->part[0].value_size;
    for (int i = 1; i < p->n; i++)
        least = fmin(least, p->part[i].value_size);
    for (int i = 0; i < p->n; i++)
        p->part[i].value_size = least;
}

/* What a map takes beside its cells: its axis, and the bar where it has one. */
static double beside_cells(row_panel *p, const ns_type *type)
{
    double most = 0;
    for (int i = 0; i < p->n; i++)
        most = fmax(most, ns_heads_axis_width(&p->part[i], type) + (p->one_scale ? 0 : ns_heads_bar_width(&p->part[i], type)));
    return most;
}

static int layout_part(row_panel *p, int i, const ns_page *page, double each, double bar, ns_error *err)
{
    ns_panel *const part = &p->part[i].base;
    ns_page own = *page;
    own.width = each + bar;                  /* the room of the bar is left free by those without one */
    return part->layout(part, &own, err);
}

/* Names of two lines where one of them needs them: the cells of all begin at one height, the names end there. */
static void fit_names(row_panel *p, const ns_type *type, double each)
{
    int most = 1;
    for (int i = 0; i < p->n; i++) {
        ns_header_fit(&p->part[i].base, type, each, NAME_LINES);
        most = p->part[i].base.n_lines > most ? p->part[i].base.n_lines : most;
    }
    for (int i = 0; i < p->n; i++) {
        ns_panel *const part = &p->part[i].base;
        for (; part->n_lines > 0 && part->n_lines < most; part->n_lines++) {
            memmove(part->line[1], part->line[0], (size_t)part->n_lines * sizeof part->line[0]);
            part->line[0][0] = '\0';
        }
    }
}

static int layout(ns_panel *base, const ns_page *page, ns_error *err)
{
    row_panel *const p = (row_panel *)base;
    const double bar = p->one_scale ? ns_heads_bar_width(&p->part[p->n - 1], page->type) : 0;
    const ns_tiling tiles = ns_tile(p->n, page->width - bar, GAP, LEAST + beside_cells(p, page->type));
    double x = 0, y = ns_header_height(base), lowest = y;
    base->width = 0;
    fit_names(p, page->type, tiles.width);
    for (int i = 0; i < p->n; i++) {
        const int code = layout_part(p, i, page, tiles.width, bar, err);
        if (code != NS_OK)
            return code;
        if (i % tiles.columns == 0) {
            x = 0;
            y = i ? lowest + BETWEEN : y;
        }
        if ((i + 1) % tiles.columns != 0 && i < p->n - 1)      /* a name does not reach into the next map */
            p->part[i].base.width = fmin(p->part[i].base.width, tiles.width);
        p->x[i] = ns_page_snap(page, x);
        p->y[i] = ns_page_snap(page, y);
        x += p->part[i].base.width + GAP;
        base->width = fmax(base->width, x - GAP);
        lowest = fmax(lowest, y + p->part[i].base.height);
    }
    share_value_size(p);
    base->width = fmin(page->width, base->width);
    const ns_legend_spot under = {p->part[0].strip.x, lowest, p->legend.n ? 3 : 0, page->width};
    base->height = ns_legend_place(base, &p->legend, page->type, under);
    return NS_OK;
}

static void draw(const ns_panel *base, ns_canvas *c)
{
    const row_panel *const p = (const row_panel *)base;
    const double dx = c->dx, dy = c->dy;
    ns_header_draw(base, c, 0);
    for (int i = 0; i < p->n; i++) {
        c->dx = dx + p->x[i];
        c->dy = dy + p->y[i];
        p->part[i].base.draw(&p->part[i].base, c);
    }
    c->dx = dx;
    c->dy = dy;
    ns_legend_draw(&p->legend, c);
}

/* Outlines that mean something else than those before them. */
static void add_outlines(ns_legend *all, const ns_legend *own)
{
    for (int i = 0; i < own->n; i++) {
        bool known = own->keys[i].swatch != NS_SWATCH_OUTLINE;
        for (int k = 0; k < all->n && !known; k++)
            known = strcmp(all->keys[k].text, own->keys[i].text) == 0;
        if (!known)
            ns_legend_add(all, NS_SWATCH_OUTLINE, own->keys[i].color, "%s", own->keys[i].text);
    }
}

/* A part has no title but its score's name; the key of the first is that of all. */
static int begin_parts(row_panel *p, const ns_heads_figure *figures, int n, const ns_figure_params *params, ns_error *err)
{
    ns_figure_params own = {.size = sizeof own};
    const char *names[NS_FIGURE_HEADS];
    int index[NS_FIGURE_HEADS];
    int code = params ? ns_sized_copy(&own, sizeof own, params, "ns_figure_params", err) : NS_OK;
    ns_order order = ns_order_begin(&p->base.params);
    for (int i = 0; i < n && code == NS_OK; i++) {
        ns_heads_figure f;
        code = ns_sized_copy(&f, sizeof f, &figures[i], "ns_heads_figure", err);
        names[i] = code == NS_OK ? f.score_name : NULL;
    }
    if (code == NS_OK)
        ns_order_apply(&order, names, n, index);
    code = code != NS_OK ? code : ns_order_check(&order, err);
    own.order = NULL;
    own.n_order = 0;
    own.size = sizeof own;
    own.title = NULL;
    own.bytes = NULL;
    for (; p->n < n && code == NS_OK; p->n++) {
        ns_heads_figure f;
        code = ns_sized_copy(&f, sizeof f, &figures[index[p->n]], "ns_heads_figure", err);
        f.size = sizeof f;
        f.model_name = NULL;
        ns_figure_params of_part = own;
        if (f.difference) {
            of_part.colormap = "bluered";
            of_part.vmin = of_part.vmax = 0;
        }
        if (code == NS_OK)
            code = ns_heads_begin(&p->part[p->n], &f, &of_part, err);
        p->part[p->n].no_bar = f.no_bar;
        if (p->n == 0)
            p->legend = p->part[0].legend;
        else
            add_outlines(&p->legend, &p->part[p->n].legend);
        p->part[p->n].legend.n = 0;
    }
    return code;
}

int ns_draw_heads_row(const char *path, const ns_heads_figure *figures, int n, const char *title, const char *subtitle,
                      const ns_figure_params *params, ns_error *err)
{
    row_panel p = {.base = {.layout = layout, .draw = draw, .takes = NS_TAKES_VALUES | NS_TAKES_ORDER}};
    if (!figures || n < 1 || n > NS_FIGURE_HEADS)
        return ns_fail(err, NS_E_ARG, "heads row: %d maps; 1 to %d can be drawn side by side", n, NS_FIGURE_HEADS);
    int code = ns_check_name(title, "the title", err);
    if (code == NS_OK)
        code = ns_panel_begin(&p.base, params, title ? title : "", subtitle, err);
    if (code == NS_OK)
        code = begin_parts(&p, figures, n, params, err);
    p.one_scale = code == NS_OK && same_bar(&p);
    for (int i = 0; p.one_scale && i + 1 < n; i++)
        p.part[i].no_bar = true;
    if (code == NS_OK)
        code = ns_panel_write(&p.base, path, err);
    for (int i = 0; i < p.n; i++)
        ns_heads_end(&p.part[i]);
    ns_panel_end(&p.base);
    return code;
}
