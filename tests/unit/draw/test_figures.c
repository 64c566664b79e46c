/* test_figures.c - whole figures, read back: colours of known cells, labels in SVG and PDF, the same bytes twice, bad input. */
#include "../../unit.h"

#include "draw/heads.h"
#include "draw/map.h"
#include "picture.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { L = 12, H = 16, T = 40 };

static float   score[L * H], weight[T * T];
static int     kind[L];
static int64_t window[L];
static ns_head marks[1] = {{2, 5}};

static ns_heads_figure heads_figure(void)
{
    for (int i = 0; i < L * H; i++)
        score[i] = (float)(i % 11) / 10;
    for (int h = 0; h < H; h++)
        score[4 * H + h] = NAN;
    for (int i = 0; i < L; i++) {
        kind[i] = i == 4 ? 2 : i % 2;
        window[i] = 64;
    }
    return (ns_heads_figure){.size = sizeof(ns_heads_figure), .score = score, .n_layers = L, .n_heads = H, .kind = kind, .window = window,
                             .score_name = "find <a> & b", .model_name = "tiny model", .chance = 0.05, .marks = marks, .n_marks = 1};
}

static const ns_figure_span spans[] = {{"needle", 5, 9}, {"question", 30, 36}};

static ns_map_figure map_figure(int64_t width)
{
    for (int q = 0; q < T; q++)
        for (int k = 0; k < T; k++)
            weight[q * T + k] = k > q || (width && q - k >= width) ? 0 : (float)((q + k) % 5) / 5;
    return (ns_map_figure){.size = sizeof(ns_map_figure), .map = weight, .n_rows = T, .n_keys = T, .spans = spans, .n_spans = 2,
                           .model_name = "tiny",
                           .case_name = "case 7", .layer = 3, .head = 1, .window = width};
}

/* The pixel a little inside the top left corner of a cell: clear of printed numbers and guide lines. */
static ns_rgb cell_pixel(const picture *p, const ns_panel *panel, ns_box box, int64_t rows, int64_t cols, int64_t row, int64_t col)
{
    const double scale = panel->params.dpi / 72.0;
    const double x = panel->margin + box.x + box.w * ((double)col + 0.3) / (double)cols;
    const double y = panel->margin + box.y + box.h * ((double)row + 0.3) / (double)rows;
    return picture_at(p, x * scale, y * scale);
}

static void test_heads_pixels(void **state)
{
    (void)state;
    const ns_heads_figure f = heads_figure();
    ns_heads_panel panel;
    char *path = scratch("heads.png");
    assert_int_equal(ns_heads_begin(&panel, &f, NULL, NULL), NS_OK);
    assert_int_equal(ns_panel_write(&panel.base, path, NULL), NS_OK);
    picture p = picture_read(path);
    assert_in_range(p.w, 500, 660);                                       /* a column of 3.3 inches at 200 dpi */
    for (int64_t i = 0; i < L * H; i++)
        if (i / H != 4)
            assert_color(cell_pixel(&p, &panel.base, panel.box, L, H, i / H, i % H), ns_colormap_at(&ns_colormaps[0], (double)score[i]));
    int hatched = 0;
    for (int64_t h = 0; h < H; h++)
        hatched += cell_pixel(&p, &panel.base, panel.box, L, H, 4, h).r > 160;
    assert_int_equal(hatched, H);
    /* The strip: one colour each for full, swa, recurrent. */
    const ns_rgb full = cell_pixel(&p, &panel.base, panel.strip, L, 1, 0, 0), swa = cell_pixel(&p, &panel.base, panel.strip, L, 1, 1, 0);
    assert_color(cell_pixel(&p, &panel.base, panel.strip, L, 1, 2, 0), full);
    assert_color(cell_pixel(&p, &panel.base, panel.strip, L, 1, 3, 0), swa);
    assert_int_not_equal(full.b, swa.b);
    assert_int_not_equal(cell_pixel(&p, &panel.base, panel.strip, L, 1, 4, 0).b, swa.b);
    picture_free(&p);
    ns_heads_end(&panel);
    free(path);
}

static void test_mark_is_outlined(void **state)
{
    (void)state;
    const ns_heads_figure f = heads_figure();
    ns_heads_panel panel;
    char *path = scratch("marks.png");
    assert_int_equal(ns_heads_begin(&panel, &f, NULL, NULL), NS_OK);
    assert_int_equal(ns_panel_write(&panel.base, path, NULL), NS_OK);
    picture p = picture_read(path);
    const double scale = 200 / 72.0, x = panel.base.margin + panel.box.x + panel.box.w * 5 / H;
    const double y = panel.base.margin + panel.box.y + panel.box.h * 2.5 / L;
    assert_color(picture_at(&p, x * scale - 1, y * scale), ns_colormaps[0].mark);
    picture_free(&p);
    ns_heads_end(&panel);
    free(path);
}

static void map_pixels(int64_t width, const char *colormap)
{
    const ns_map_figure f = map_figure(width);
    const ns_figure_params params = {.size = sizeof params, .colormap = colormap, .dpi = 144, .width = 5};
    const ns_colormap *map;
    ns_map_panel panel;
    char *path = scratch("map.png");
    assert_int_equal(ns_colormap_find(&map, colormap, NULL), NS_OK);
    assert_int_equal(ns_map_begin(&panel, &f, &params, NULL), NS_OK);
    assert_int_equal(ns_panel_write(&panel.base, path, NULL), NS_OK);
    assert_true(fabs(panel.box.w - panel.box.h) < 1e-9);
    picture p = picture_read(path);
    assert_int_equal(p.w, 5 * 144);
    for (int64_t q = 0; q < T; q++)
        for (int64_t k = 0; k < T; k++) {
            const bool seen = k <= q && (width == 0 || q - k < width);
            const ns_rgb expected = seen ? ns_colormap_at(map, (double)weight[q * T + k]) : NS_MASKED;
            assert_color(cell_pixel(&p, &panel.base, panel.box, T, T, q, k), expected);
        }
    picture_free(&p);
    ns_map_end(&panel);
    free(path);
}

static void test_map_pixels(void **state)
{
    (void)state;
    map_pixels(0, NULL);
    map_pixels(8, "inferno");
}

static void test_log_scale(void **state)
{
    (void)state;
    float row[5] = {1e-4f, 1e-3f, 1e-2f, 0.1f, 1};
    const ns_map_figure f = {.size = sizeof f, .map = row, .n_rows = 1, .n_keys = 5, .row0 = 4, .log_scale = true};
    ns_map_panel panel;
    char *path = scratch("log.png");
    assert_int_equal(ns_map_begin(&panel, &f, NULL, NULL), NS_OK);
    assert_int_equal(ns_panel_write(&panel.base, path, NULL), NS_OK);
    picture p = picture_read(path);
    for (int i = 0; i < 5; i++) {
        const ns_rgb got = cell_pixel(&p, &panel.base, panel.box, 1, 5, 0, i), want = ns_colormap_at(&ns_colormaps[0], i / 4.0);
        assert_true(abs(got.r - want.r) <= 2 && abs(got.g - want.g) <= 2 && abs(got.b - want.b) <= 2);   /* 1e-3f may be a bin lower */
    }
    picture_free(&p);
    ns_map_end(&panel);
    row[2] = -1;
    ns_error err;
    assert_int_equal(ns_draw_map(path, &f, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "log"));
    free(path);
}

static void test_rows_by_position(void **state)
{
    (void)state;
    static const int64_t at[3] = {4, 7, 9};
    float rows[3 * 10] = {0};
    for (int r = 0; r < 3; r++)
        rows[r * 10 + at[r]] = 1;
    ns_map_figure f = {.size = sizeof f, .map = rows, .n_rows = 3, .n_keys = 10, .row_at = at};
    ns_map_panel panel;
    char *path = scratch("rows.png");
    assert_int_equal(ns_map_begin(&panel, &f, NULL, NULL), NS_OK);
    assert_int_equal(ns_panel_write(&panel.base, path, NULL), NS_OK);
    picture p = picture_read(path);
    assert_color(cell_pixel(&p, &panel.base, panel.box, 3, 10, 1, 7), ns_colormap_at(&ns_colormaps[0], 1));
    assert_color(cell_pixel(&p, &panel.base, panel.box, 3, 10, 1, 6), ns_colormap_at(&ns_colormaps[0], 0));
    assert_color(cell_pixel(&p, &panel.base, panel.box, 3, 10, 1, 8), NS_MASKED);
    assert_string_equal(panel.queries.ticks.label[1], "7");
    picture_free(&p);
    ns_map_end(&panel);
    rows[8] = 0.25f;                                                      /* the query at 4 cannot see key 8 */
    ns_error err;
    assert_int_equal(ns_draw_map(path, &f, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "key 8"));
    free(path);
}

static size_t base64_decode(const char *text, uint8_t *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int have = 0;
    size_t n = 0;
    for (; *text && strchr(digits, *text); text++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, *text) - digits);
        if ((have += 6) >= 8)
            out[n++] = (uint8_t)(bits >> (have -= 8));
    }
    return n;
}

static void test_svg(void **state)
{
    (void)state;
    const ns_heads_figure f = heads_figure();
    const ns_figure_params params = {.size = sizeof params, .comment = "made <by> \"hand\" & eye"};
    char *path = scratch("heads.svg");
    size_t n;
    assert_int_equal(ns_draw_heads(path, &f, &params, NULL), NS_OK);
    char *svg = slurp(path, &n);
    static const char *const wanted[] = {
        ">find &lt;a&gt; &amp; b</text>", ">tiny model</text>", ">layer</text>", ">head</text>",
        ">SWA (64)</text>", ">full</text>", ">recurrent</text>", ">chance</text>",
        ">marked</text>", ">1.0</text>", "image-rendering:pixelated", "<desc>made &lt;by&gt; &quot;hand&quot; &amp; eye</desc>",
        "<title>find &lt;a&gt; &amp; b</title>", "</svg>\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(svg, wanted[i]))
            fail_msg("no %s in the SVG", wanted[i]);
    const char *image = strstr(svg, "base64,");
    assert_non_null(image);
    uint8_t *png = malloc(n);
    picture p = picture_decode(png, base64_decode(image + 7, png));
    assert_int_equal(p.w % H, 0);
    assert_int_equal(p.h % L, 0);
    for (int64_t i = 0; i < L * H; i++)
        if (i / H != 4)
            assert_color(picture_at(&p, ((double)(i % H) + 0.5) * p.w / H, ((double)(i / H) + 0.5) * p.h / L),
                         ns_colormap_at(&ns_colormaps[0], (double)score[i]));
    const char *second = strstr(image, "<image");                         /* map and colour bar, nothing else */
    assert_non_null(second);
    assert_null(strstr(second + 1, "<image"));
    picture_free(&p);
    free(png);
    free(svg);
    free(path);
}

static void test_map_svg_has_spans(void **state)
{
    (void)state;
    const ns_map_figure f = map_figure(16);
    char *path = scratch("map.svg");
    size_t n;
    assert_int_equal(ns_draw_map(path, &f, NULL, NULL), NS_OK);
    char *svg = slurp(path, &n);
    const char *first = strstr(svg, ">needle</text>");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, ">needle</text>"));                  /* once on each axis */
    assert_non_null(strstr(svg, ">layer 3, head 1</text>"));
    assert_non_null(strstr(svg, ">tiny \xc2\xb7 case 7 \xc2\xb7 SWA (16)</text>"));
    assert_non_null(strstr(svg, ">query position</text>"));
    assert_non_null(strstr(svg, ">attention weight</text>"));
    free(svg);
    free(path);
}

static void test_pdf(void **state)
{
    (void)state;
    const ns_heads_figure f = heads_figure();
    const ns_figure_params params = {.size = sizeof params, .comment = "made by a test"};
    char *path = scratch("heads.pdf"), *again = scratch("again.pdf");
    size_t n, m;
    assert_int_equal(ns_draw_heads(path, &f, &params, NULL), NS_OK);
    sleep(1);                                                             /* a date in seconds would differ */
    assert_int_equal(ns_draw_heads(again, &f, &params, NULL), NS_OK);
    char *first = slurp(path, &n), *second = slurp(again, &m);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    assert_memory_equal(first, "%PDF-", 5);
    assert_non_null(memmem(first, n, "FontFile", 8));
    assert_non_null(memmem(first, n, "made by a test", 14));
    free(first);
    free(second);
    free(path);
    free(again);
}

/* Sizes at the ends of what is allowed to be drawn: all come out, none beyond its page's width. */
static void test_odd_sizes(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{1, 1}, {1, 64}, {64, 1}, {200, 3}, {3, 200}, {1200, 7}};
    float *value = calloc(8400, sizeof *value);
    char *path = scratch("odd.png");
    assert_non_null(value);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const ns_heads_figure f = {.size = sizeof f, .score = value, .n_layers = sizes[i][0], .n_heads = sizes[i][1], .chance = NAN};
        const ns_map_figure m = {.size = sizeof m, .map = value, .n_rows = sizes[i][0], .n_keys = sizes[i][1], .row0 = 5000, .spans = spans,
                                 .n_spans = 2};
        assert_int_equal(ns_draw_heads(path, &f, NULL, NULL), NS_OK);
        picture p = picture_read(path);
        assert_in_range(p.w, 20, 660);
        assert_in_range(p.h, 20, 1100);
        picture_free(&p);
        assert_int_equal(ns_draw_map(path, &m, NULL, NULL), NS_OK);
        p = picture_read(path);
        assert_in_range(p.w, 20, 660);
        assert_in_range(p.h, 20, 1200);
        picture_free(&p);
    }
    free(value);
    free(path);
}

static void refused(int got, int code, const ns_error *err, const char *word)
{
    assert_int_equal(got, code);
    if (!strstr(err->message, word))
        fail_msg("'%s' does not say '%s'", err->message, word);
}

static void test_bad_heads(void **state)
{
    (void)state;
    char *path = scratch("bad.png"), *jpg = scratch("bad.jpg");
    ns_error err;
    ns_heads_figure f = heads_figure();
    refused(ns_draw_heads(jpg, &f, NULL, &err), NS_E_ARG, &err, ".png, .pdf, .eps, .svg");
    refused(ns_draw_heads(NULL, &f, NULL, &err), NS_E_ARG, &err, "path");
    refused(ns_draw_heads(path, NULL, NULL, &err), NS_E_ARG, &err, "NULL");
    f.size = 0;
    refused(ns_draw_heads(path, &f, NULL, &err), NS_E_ARG, &err, "size");
    f = heads_figure();
    f.n_heads = 0;
    refused(ns_draw_heads(path, &f, NULL, &err), NS_E_ARG, &err, "12 layers x 0 heads");
    f = heads_figure();
    f.n_layers = INT64_MAX;
    refused(ns_draw_heads(path, &f, NULL, &err), NS_E_ARG, &err, "layers");
    f = heads_figure();
    kind[3] = 7;
    refused(ns_draw_heads(path, &f, NULL, &err), NS_E_ARG, &err, "kind 7");
    f = heads_figure();
    marks[0].head = H;
    refused(ns_draw_heads(path, &f, NULL, &err), NS_E_ARG, &err, "head 16");
    marks[0].head = 5;
    score[7] = INFINITY;
    refused(ns_draw_heads(path, &f, NULL, &err), NS_E_NUMERIC, &err, "[0, 7]");
    for (int i = 0; i < L * H; i++)
        score[i] = NAN;
    refused(ns_draw_heads(path, &f, NULL, &err), NS_E_ARG, &err, "no number");
    f = heads_figure();
    f.model_name = "bad \xff utf-8";
    refused(ns_draw_heads(path, &f, NULL, &err), NS_E_ARG, &err, "UTF-8");
    assert_false(ns_path_exists(path));
    free(path);
    free(jpg);
}

static void test_bad_params(void **state)
{
    (void)state;
    char *path = scratch("bad.svg");
    ns_error err;
    const ns_heads_figure f = heads_figure();
    static const struct { ns_figure_params params; int code; const char *word; } bad[] = {
        {{.size = sizeof(ns_figure_params), .colormap = "jet"}, NS_E_ARG, "cividis"},
        {{.size = sizeof(ns_figure_params), .vmin = 1, .vmax = 0.5}, NS_E_ARG, "vmin"},
        {{.size = sizeof(ns_figure_params), .vmax = NAN}, NS_E_ARG, "vmin"},
        {{.size = sizeof(ns_figure_params), .width = -3}, NS_E_ARG, "inches"},
        {{.size = sizeof(ns_figure_params), .width = NAN}, NS_E_ARG, "inches"},
        {{.size = sizeof(ns_figure_params), .dpi = 100000}, NS_E_ARG, "dpi"},
        {{.size = sizeof(ns_figure_params), .title = "two\nlines"}, NS_E_ARG, "control"},
        {{.size = sizeof(ns_figure_params), .title = "\xf4\x8f\xbf\xbd"}, NS_E_UNSUPPORTED, "U+10FFFD"},
        {{.size = sizeof(ns_figure_params), .comment = "\x01"}, NS_E_ARG, "comment"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(ns_draw_heads(path, &f, &bad[i].params, &err), bad[i].code, &err, bad[i].word);
    assert_false(ns_path_exists(path));
    free(path);
}

static void test_bad_maps(void **state)
{
    (void)state;
    char *path = scratch("badmap.png");
    ns_error err;
    ns_map_figure f = map_figure(0);
    f.n_rows = 0;
    refused(ns_draw_map(path, &f, NULL, &err), NS_E_ARG, &err, "0 rows");
    f = map_figure(0);
    f.window = 8;                                                         /* the values reach further back */
    refused(ns_draw_map(path, &f, NULL, &err), NS_E_ARG, &err, "cannot see");
    f = map_figure(0);
    f.row0 = -1;
    refused(ns_draw_map(path, &f, NULL, &err), NS_E_ARG, &err, "negative");
    static const ns_figure_span wrong[] = {{"back", 9, 5}};
    f = map_figure(0);
    f.spans = wrong;
    f.n_spans = 1;
    refused(ns_draw_map(path, &f, NULL, &err), NS_E_ARG, &err, "'back' is [9, 5)");
    static const int64_t falling[T] = {5, 4};
    f = map_figure(0);
    f.row_at = falling;
    refused(ns_draw_map(path, &f, NULL, &err), NS_E_ARG, &err, "ascend");
    f = map_figure(0);
    for (int i = 0; i < T * T; i++)
        weight[i] = NAN;
    refused(ns_draw_map(path, &f, NULL, &err), NS_E_ARG, &err, "none of 40 x 40");
    assert_false(ns_path_exists(path));
    free(path);
}

static void test_unwritable(void **state)
{
    (void)state;
    ns_error err;
    const ns_heads_figure f = heads_figure();
    refused(ns_draw_heads("/nowhere/at/all/x.pdf", &f, NULL, &err), NS_E_CREATE, &err, "/nowhere/at/all");
    struct rlimit before, tiny;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tiny = before;
    tiny.rlim_cur = 1000;                                                 /* as a full disk: the write stops half way */
    char *path = scratch("full.png");
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tiny);
    const int code = ns_draw_heads(path, &f, NULL, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    refused(code, NS_E_IO, &err, "full.png");
    assert_false(ns_path_exists(path));
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads_pixels), cmocka_unit_test(test_mark_is_outlined), cmocka_unit_test(test_map_pixels),
        cmocka_unit_test(test_log_scale), cmocka_unit_test(test_rows_by_position), cmocka_unit_test(test_svg),
        cmocka_unit_test(test_map_svg_has_spans), cmocka_unit_test(test_pdf),
        cmocka_unit_test(test_odd_sizes), cmocka_unit_test(test_bad_heads), cmocka_unit_test(test_bad_params),
        cmocka_unit_test(test_bad_maps), cmocka_unit_test(test_unwritable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
