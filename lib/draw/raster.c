/* raster.c - a matrix of numbers as pixels: pool rows, pool columns, colour.
 *
 * A pixel [p, p+1) of P over n cells touches cells floor(p n / P) .. ceil((p + 1) n / P) - 1. Pooling keeps the strongest state:
 * masked < missing < numbers by magnitude. */
#include "draw/raster.h"

#include <math.h>
#include <stdlib.h>

static const float MASKED = -INFINITY;

static float stronger(float a, float b)
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
            pooled[col] = stronger(pooled[col], value[col]);
    }
}

static void fill(const ns_cells *cells, uint8_t *rgb, int64_t w, int64_t h, float *pooled)
{
    for (int64_t y = 0; y < h; y++) {
        int64_t begin, end, before = -1;
        touched(y, h, cells->rows, &begin, &end);
        if (y > 0)
            touched(y - 1, h, cells->rows, &before, &(int64_t){0});
        if (begin != before || cells->rows > h)
            pool_rows(cells, begin, end, pooled);
        for (int64_t x = 0; x < w; x++, rgb += 3) {
            touched(x, w, cells->cols, &begin, &end);
            float v = MASKED;
            for (int64_t col = begin; col < end; col++)
                v = stronger(v, pooled[col]);
            const ns_rgb c = v == MASKED ? NS_MASKED : ns_cell_color(cells, (double)v);
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
    const int64_t w = side(c, b.w, cells->cols), h = side(c, b.h, cells->rows);
    size_t bytes;
    uint8_t *rgb = ns_mul_size((size_t)w * 3, (size_t)h, &bytes) ? ns_alloc_array(bytes, 1) : NULL;
    float *pooled = ns_alloc_array((size_t)cells->cols, sizeof *pooled);
    if (rgb && pooled) {
        fill(cells, rgb, w, h, pooled);
        ns_canvas_image(c, b, rgb, w, h);
    } else {
        ns_canvas_fail(c, NS_E_MEMORY, "figure: out of memory for the heat map");
    }
    free(rgb);
    free(pooled);
}
