/* raster.c - a matrix of numbers as pixels: pool rows, pool columns, colour.
 *
 * A pixel [p, p+1) of P over n cells touches cells floor(p n / P) .. ceil((p + 1) n / P) - 1. Where cells are small it also shows what the
 * pixels around it touch, so that a cell is never narrower than can be seen. Pooling keeps the strongest state: masked < missing < numbers
 * by magnitude; a pixel that touches masked cells alone stays masked. */
#include "draw/raster.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const float MASKED = -INFINITY;

float ns_stronger(float a, float b)
{
    const float rank_a = a == MASKED ? -2 : isnan(a) ? -1 : fabsf(a), rank_b = b == MASKED ? -2 : isnan(b) ? -1 : fabsf(b);
    return rank_b > rank_a ? b : a;
}

ns_rgb ns_cell_color(const ns_cells *cells, double value)
{
    return isnan(value) ? cells->colors->missing : ns_colormap_at(cells->colors, ns_scale_at(&cells->scale, value));
}

int ns_cells_range(const ns_cells *cells, double *min, double *max, bool *any, ns_error *err)
{
    *min = *max = 0;
    *any = false;
    for (int64_t i = 0; i < cells->rows * cells->cols; i++) {
        const double v = cells->value[i];
        if (isinf(v))
            return ns_fail(err, NS_E_NUMERIC, "figure: value [%lld, %lld] is infinite (use NaN for what is missing)",
                           (long long)(i / cells->cols),
                           (long long)(i % cells->cols));
        if (isnan(v))
            continue;
        *min = *any ? fmin(*min, v) : v;
        *max = *any ? fmax(*max, v) : v;
        *any = true;
    }
    return NS_OK;
}

/* The cells pixel p of n_pixels touches; a block's pixels all touch one cell. */
static void touched(int64_t p, int64_t n_pixels, int64_t n, int64_t *begin, int64_t *end)
{
    if (n <= n_pixels) {
        *begin = (2 * p + 1) * n / (2 * n_pixels);
        *end = *begin + 1;
        return;
    }
    *begin = p * n / n_pixels;
    *end = ((p + 1) * n + n_pixels - 1) / n_pixels;
}

static void pool_rows(const ns_cells *cells, int64_t begin, int64_t end, float *pooled)
{
    for (int64_t col = 0; col < cells->cols; col++)
        pooled[col] = MASKED;
    for (int64_t row = begin; row < end; row++) {
        const float *value = cells->value + row * cells->cols;
        int64_t lo = 0, hi = cells->cols;
        if (cells->extent)
            cells->extent(cells->user, row, &lo, &hi);
        for (int64_t col = lo; col < hi; col++)
            pooled[col] = ns_stronger(pooled[col], value[col]);
    }
}

/* So many pixels on each side of a cell's own are its, too. */
static int64_t reach(const ns_canvas *c, int64_t n_pixels, int64_t n)
{
    const double own = fmax(1, (double)n_pixels / (double)n);
    return (int64_t)fmax(0, round((NS_CELL_LEAST * c->pixels - own) / 2));
}

static void touched_around(int64_t p, int64_t around, int64_t n_pixels, int64_t n, int64_t *begin, int64_t *end)
{
    int64_t ignored;
    touched(p > around ? p - around : 0, n_pixels, n, begin, &ignored);
    touched(p + around < n_pixels ? p + around : n_pixels - 1, n_pixels, n, &ignored, end);
}

static float strongest(const float *pooled, int64_t begin, int64_t end)
{
    float v = MASKED;
    for (int64_t col = begin; col < end; col++)
        v = ns_stronger(v, pooled[col]);
    return v;
}

/* Pixels, reaches; [cols] of a row of pixels, without and with its reach. */
typedef struct pooling { int64_t w, h, across, down; float *own, *wide; } pooling;

static void pool_pixels(const ns_cells *cells, const pooling *p, int64_t y)
{
    int64_t begin, end;
    touched(y, p->h, cells->rows, &begin, &end);
    pool_rows(cells, begin, end, p->own);
    touched_around(y, p->down, p->h, cells->rows, &begin, &end);
    pool_rows(cells, begin, end, p->wide);
}

/* The pixels above were made of the same cells. */
static bool same_rows(const pooling *p, int64_t n, int64_t y)
{
    int64_t before, now, ignored;
    touched(y - 1, p->h, n, &before, &ignored);
    touched(y, p->h, n, &now, &ignored);
    return n <= p->h && p->down == 0 && before == now;
}

static void fill(const ns_cells *cells, const pooling *p, ns_rgb masked, uint8_t *rgb)
{
    for (int64_t y = 0; y < p->h; y++) {
        if (y == 0 || !same_rows(p, cells->rows, y))
            pool_pixels(cells, p, y);
        for (int64_t x = 0; x < p->w; x++, rgb += 3) {
            int64_t begin, end;
            touched(x, p->w, cells->cols, &begin, &end);
            float v = strongest(p->own, begin, end);
            touched_around(x, p->across, p->w, cells->cols, &begin, &end);
            v = v == MASKED ? v : strongest(p->wide, begin, end);
            const ns_rgb c = v == MASKED ? masked : ns_cell_color(cells, (double)v);
            rgb[0] = c.r;
            rgb[1] = c.g;
            rgb[2] = c.b;
        }
    }
}

/* Pixels along a side: those of the raster; in vector files a whole number of pixels per cell where cells fit. */
static int64_t side(const ns_canvas *c, double length, int64_t n)
{
    const int64_t pixels = (int64_t)fmax(1, round(length * c->pixels));
    return c->kind->raster || n > pixels ? pixels : n * (pixels / n);
}

void ns_cells_draw(const ns_cells *cells, ns_canvas *c, ns_box b)
{
    pooling p = {.w = side(c, b.w, cells->cols), .h = side(c, b.h, cells->rows)};
    size_t bytes;
    p.across = cells->ramp ? 0 : reach(c, p.w, cells->cols);
    p.down = cells->ramp ? 0 : reach(c, p.h, cells->rows);
    uint8_t *rgb = ns_mul_size((size_t)p.w * 3, (size_t)p.h, &bytes) ? ns_alloc_array(bytes, 1) : NULL;
    p.own = ns_alloc_array((size_t)cells->cols, 2 * sizeof *p.own);
    if (rgb && p.own) {
        p.wide = p.own + cells->cols;
        fill(cells, &p, ns_theme_color(&c->theme, NS_MASKED), rgb);
        ns_canvas_image(c, b, rgb, p.w, p.h);
    } else {
        ns_canvas_fail(c, NS_E_MEMORY, "figure: out of memory for the heat map");
    }
    free(rgb);
    free(p.own);
}

void ns_cells_note(const ns_cells *cells, ns_box b, char out[96])
{
    const double down = fmax(1, NS_CELL_LEAST * (double)cells->rows / b.h), across = fmax(1, NS_CELL_LEAST * (double)cells->cols / b.w);
    *out = '\0';
    if (down > 1 || across > 1)
        snprintf(out, 96, "max-pooled: a dot shows the strongest of %.*f \xc3\x97 %.*f cells", down > 1 && down < 10, down,
                 across > 1 && across < 10, across);
}
