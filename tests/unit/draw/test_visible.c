/* test_visible.c - one bright cell of a large map is seen wherever it lies: in the PNG, in the image inside the SVG and the PDF; frame,
 * guides and the diagonal lie outside the cells; checkpoints closer than a pixel are pooled; a colour range may be given by one end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/core.h"
#include "draw/bands.h"
#include "draw/heads.h"
#include "draw/map.h"
#include "draw/raster.h"
#include "picture.h"

#include <libdeflate.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 2000, DPI = 200 };
static const double LEAST = 2.9;                     /* pixels of a dot at 200 dpi: 1.08 points are 3 */

/* Where a colour is inside a rectangle of a picture. */
typedef struct found { int n, x0, y0, x1, y1; } found;

static found find_color(const picture *p, int x0, int y0, int x1, int y1, ns_rgb color)
{
    found f = {0, 1 << 30, 1 << 30, -1, -1};
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            if (packed(picture_at(p, x, y)) == packed(color)) {
                f.n++;
                f.x0 = x < f.x0 ? x : f.x0;
                f.y0 = y < f.y0 ? y : f.y0;
                f.x1 = x > f.x1 ? x : f.x1;
                f.y1 = y > f.y1 ? y : f.y1;
            }
    return f;
}

/* One dot, of `least` pixels each way (half of it may be cut off at an edge), that covers the middle of the cell. */
static void check_dot(const picture *p, int x0, int y0, int w, int h, int64_t rows, int64_t cols, int64_t row, int64_t col, double least,
                      ns_rgb color)
{
    const found f = find_color(p, x0, y0, x0 + w, y0 + h, color);
    const double x = x0 + ((double)col + .5) / (double)cols * w, y = y0 + ((double)row + .5) / (double)rows * h;
    const bool side = col == 0 || col == cols - 1, end = row == 0 || row == rows - 1,
               diagonal = rows == cols && row - col < 8; /* part of the dot lies on what is not seen */
    if (f.n == 0)
        fail_msg("row %d, column %d: the bright cell is nowhere", (int)row, (int)col);
    if (x < f.x0 || x >= f.x1 + 1 || y < f.y0 || y >= f.y1 + 1)
        fail_msg("row %d, column %d: the dot is at (%d to %d, %d to %d), its place is (%g, %g)", (int)row, (int)col, f.x0, f.x1, f.y0, f.y1,
                 x, y);
    if (f.x1 + 1 - f.x0 < least * (side ? .5 : 1) || f.y1 + 1 - f.y0 < least * (end ? .5 : 1))
        fail_msg("row %d, column %d: a dot of %d x %d pixels", (int)row, (int)col, f.x1 + 1 - f.x0, f.y1 + 1 - f.y0);
    if (!diagonal && f.n < (f.x1 + 1 - f.x0) * (f.y1 + 1 - f.y0))
        fail_msg("row %d, column %d: something lies over the dot", (int)row, (int)col);
    assert_true(f.x1 - f.x0 < 3 * least && f.y1 - f.y0 < 3 * least);
}

static picture embedded_in_svg(const char *path)
{
    static const char mark[] = "data:image/png;base64,", digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n, bytes = 0;
    char *const text = slurp(path, &n), *at = strstr(text, mark);
    uint8_t *const png = malloc(n);
    uint32_t bits = 0;
    int held = 0;
    assert_non_null(at);
    for (at += sizeof mark - 1; *at != '"' && *at != '='; at++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, *at) - digits);
        if ((held += 6) >= 8)
            png[bytes++] = (uint8_t)(bits >> (held -= 8));
    }
    const picture p = picture_decode(png, bytes);
    free(png);
    free(text);
    return p;
}

static int64_t number_after(const char *text, const char *key)
{
    const char *const at = strstr(text, key);
    assert_non_null(at);
    return strtoll(at + strlen(key), NULL, 10);
}

/* The largest image of a PDF: cairo writes RGB bytes, deflated. */
static picture embedded_in_pdf(const char *path)
{
    size_t n;
    char *const text = slurp(path, &n);
    picture best = {0};
    struct libdeflate_decompressor *const inflate = libdeflate_alloc_decompressor();
    for (char *at = text; at < text + n; at++) {
        if (memcmp(at, "/Subtype /Image", n - (size_t)(at - text) < 15 ? n - (size_t)(at - text) : 15) != 0)
            continue;
        const int64_t w = number_after(at, "/Width "), h = number_after(at, "/Height ");
        char *const stream = strstr(at, "stream\n") + 7;
        uint8_t *const rgb = malloc((size_t)(w * h * 3));
        size_t used, made;
        if (w * h > (int64_t)best.w * best.h && libdeflate_zlib_decompress_ex(inflate, stream, n - (size_t)(stream - text), rgb,
                                                                              (size_t)(w * h * 3), &used, &made) == LIBDEFLATE_SUCCESS) {
            free(best.rgb);
            best = (picture){rgb, (int)w, (int)h};
        } else {
            free(rgb);
        }
    }
    libdeflate_free_decompressor(inflate);
    free(text);
    assert_non_null(best.rgb);
    return best;
}

static void see_map(const ns_map_figure *f, int64_t row, int64_t col, const char *ending)
{
    const ns_figure_params params = {.size = sizeof params, .dpi = DPI};
    const ns_rgb bright = ns_colormap_at(&ns_colormaps[0], 1);
    ns_map_panel panel;
    char *const name = ns_printf_alloc("visible%s", ending), *const path = scratch(name);
    assert_int_equal(ns_map_begin(&panel, f, &params, NULL), NS_OK);
    assert_int_equal(ns_panel_write(&panel.base, path, NULL), NS_OK);
    const bool png = strcmp(ending, ".png") == 0;
    picture p = png ? picture_read(path) : strcmp(ending, ".svg") == 0 ? embedded_in_svg(path) : embedded_in_pdf(path);
    const double scale = png ? DPI / 72. : 0, margin = panel.base.margin;
    check_dot(&p, (int)round((margin + panel.box.x) * scale), (int)round((margin + panel.box.y) * scale),
              png ? (int)round(panel.box.w * scale) : p.w, png ? (int)round(panel.box.h * scale) : p.h, f->n_rows, f->n_keys, row, col,
              png ? LEAST : LEAST * 3, bright);
    picture_free(&p);
    ns_map_end(&panel);
    free(path);
    free(name);
}

static void test_one_cell_of_a_map(void **state)
{
    (void)state;
    static const int64_t places[][2] = {{0, 0},         {N - 1, 0},     {N - 1, N - 1}, {N / 2, 0},  {N - 1, N / 2},
                                        {N / 2, N / 2}, {N / 2, N / 4}, {1501, 777},    {1333, 1332}};
    static const ns_figure_span around[] = {{"needle", 770, 784}, {"answer", 1332, 1333}, {"first", 0, 1}, {"last", N - 1, N}};
    float *const weight = ns_alloc_array(N * (size_t)N, sizeof *weight);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        float *const cell = &weight[places[i][0] * N + places[i][1]];
        const ns_map_figure f = {.size = sizeof f, .map = weight, .n_rows = N, .n_keys = N, .spans = around, .n_spans = 4};
        *cell = 1;
        see_map(&f, places[i][0], places[i][1], ".png");
        if (i % 2 == 0) {
            see_map(&f, places[i][0], places[i][1], ".svg");
            see_map(&f, places[i][0], places[i][1], ".pdf");
        }
        *cell = 0;
    }
    free(weight);
}

/* Rows at the end of a prompt, each of them seeing nearly all keys: all four corners, all four edges. */
static void test_one_cell_of_rows(void **state)
{
    (void)state;
    enum { ROWS = 400 };
    static const int64_t rows[] = {0, ROWS / 2, ROWS - 1}, cols[] = {0, N / 2, N - 1};
    float *const weight = ns_alloc_array(ROWS * (size_t)N, sizeof *weight);
    for (int r = 0; r < 3; r++)
        for (int k = 0; k < 3; k++) {
            const ns_map_figure f = {.size = sizeof f, .map = weight, .n_rows = ROWS, .n_keys = N, .row0 = N};
            weight[rows[r] * N + cols[k]] = 1;
            see_map(&f, rows[r], cols[k], ".png");
            see_map(&f, rows[r], cols[k], ".pdf");
            weight[rows[r] * N + cols[k]] = 0;
        }
    free(weight);
}

static void test_one_head(void **state)
{
    (void)state;
    static const int64_t at[] = {0, N / 2, N - 1};
    const ns_figure_params params = {.size = sizeof params, .dpi = DPI};
    float *const score = ns_alloc_array(N * (size_t)N, sizeof *score);
    char *const path = scratch("heads.png");
    for (int i = 0; i < 9; i++) {
        const ns_heads_figure f = {.size = sizeof f, .score = score, .n_layers = N, .n_heads = N, .score_name = "find", .chance = NAN};
        const int64_t layer = at[i / 3], head = at[i % 3];
        ns_heads_panel panel;
        score[layer * N + head] = 1;
        assert_int_equal(ns_heads_begin(&panel, &f, &params, NULL), NS_OK);
        assert_int_equal(ns_panel_write(&panel.base, path, NULL), NS_OK);
        picture p = picture_read(path);
        const double scale = DPI / 72.;
        check_dot(&p, (int)round((panel.base.margin + panel.box.x) * scale), (int)round((panel.base.margin + panel.box.y) * scale),
                  (int)round(panel.box.w * scale), (int)round(panel.box.h * scale), N, N, layer, head, LEAST,
                  ns_colormap_at(&ns_colormaps[0], 1));
        picture_free(&p);
        ns_heads_end(&panel);
        score[layer * N + head] = 0;
    }
    free(score);
    free(path);
}

/* Every one of 5,000 checkpoints on 2 inches, one after the other alone at 1. */
static void test_one_checkpoint(void **state)
{
    (void)state;
    enum { P = 5000 };
    static double tokens[P];
    static float value[P];
    static const int band[1] = {0};
    const char *const name[1] = {"find"};
    const ns_figure_params params = {.size = sizeof params, .dpi = DPI, .width = 2};
    char *const path = scratch("bands.png");
    for (int i = 0; i < P; i++)
        tokens[i] = 1000 + i;
    for (int i = 0; i < P; i += i == 0 ? 1 : i == 1 ? 2498 : i < 2600 ? 101 : i < P - 2 ? P - 2 - i : 1) {
        const ns_bands_figure f = {.size = sizeof f,
                                   .tokens = tokens,
                                   .n_points = P,
                                   .panels = name,
                                   .n_panels = 1,
                                   .bands = name,
                                   .n_bands = 1,
                                   .band = band,
                                   .n_rows = 1,
                                   .value = value};
        ns_bands_panel panel;
        value[i] = 1;
        assert_int_equal(ns_bands_begin(&panel, &f, &params, NULL), NS_OK);
        assert_int_equal(ns_panel_write(&panel.base, path, NULL), NS_OK);
        picture p = picture_read(path);
        const double scale = DPI / 72.;
        const ns_box b = ns_bands_row(&panel, 0, 0);
        const int y = (int)((panel.base.margin + b.y + b.h / 2) * scale), x0 = (int)round((panel.base.margin + b.x) * scale),
                  x1 = (int)round((panel.base.margin + b.x + b.w) * scale);
        const found seen = find_color(&p, x0, y, x1, y + 1, ns_colormap_at(&ns_colormaps[0], 1));
        const double place = (panel.base.margin + ns_bands_x(&panel, 0, tokens[i])) * scale;
        if (seen.n < LEAST - 1 || (i > 0 && seen.n > 4 * LEAST) || place < seen.x0 - 1 || place > seen.x1 + 2)
            fail_msg("checkpoint %d: %d pixels at %d to %d, its place is %g", i, seen.n, seen.x0, seen.x1, place);
        picture_free(&p);
        ns_bands_end(&panel);
        value[i] = 0;
    }
    free(path);
}

/* vmin alone, vmax alone; a range that the data's own end turns round is refused. */
static void test_one_end_of_the_range(void **state)
{
    (void)state;
    float score[4] = {.1f, .2f, .6f, .8f};
    const ns_heads_figure f = {.size = sizeof f, .score = score, .n_layers = 2, .n_heads = 2, .chance = NAN};
    static const struct { double vmin, vmax, min, max; bool good;
    } ranges[] = {{0, 0, 0, 1, true},
                  {.5, (double)INFINITY, .5, 1, true},
                  {-(double)INFINITY, .4, 0, .4, true},
                  {0, (double)INFINITY, 0, 1, true},
                  {-(double)INFINITY, (double)INFINITY, 0, 1, true},
                  {2, (double)INFINITY, 0, 0, false},
                  {-(double)INFINITY, -1, 0, 0, false},
                  {.3, .3, 0, 0, false}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const ns_figure_params params = {.size = sizeof params, .vmin = ranges[i].vmin, .vmax = ranges[i].vmax};
        ns_heads_panel panel;
        ns_error err = {""};
        const int rc = ns_heads_begin(&panel, &f, &params, &err);
        if ((rc == NS_OK) != ranges[i].good)
            fail_msg("%g to %g: %d %s", params.vmin, params.vmax, rc, err.message);
        if (rc == NS_OK)
            assert_true(panel.cells.scale.min == ranges[i].min && panel.cells.scale.max == ranges[i].max);
        else
            assert_true(rc == NS_E_ARG && strstr(err.message, "vmin"));
        ns_heads_end(&panel);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_cell_of_a_map), cmocka_unit_test(test_one_cell_of_rows), cmocka_unit_test(test_one_head),
        cmocka_unit_test(test_one_checkpoint), cmocka_unit_test(test_one_end_of_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
