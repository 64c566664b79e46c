/* test_parts.c - colour maps, ticks, numbers as text, spreading of labels, PNG, pooling. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "draw/axes.h"
#include "draw/panel.h"
#include "draw/raster.h"
#include "draw/shape.h"
#include "picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ELLIPSIS "\xe2\x80\xa6"

static ns_rgb color_of(const char *name, double t)
{
    const ns_colormap *map;
    assert_int_equal(ns_colormap_find(&map, name, NULL), NS_OK);
    return ns_colormap_at(map, t);
}

static void test_known_colors(void **state)
{
    (void)state;
    assert_color(color_of(NULL, 0), ((ns_rgb){0, 34, 78}));              /* cividis, as matplotlib has it */
    assert_color(color_of("cividis", 1), ((ns_rgb){254, 232, 56}));
    assert_color(color_of("viridis", 0.5), ((ns_rgb){33, 145, 140}));
    assert_color(color_of("magma", 0), ((ns_rgb){0, 0, 4}));
    assert_color(color_of("inferno", 7), ((ns_rgb){252, 255, 164}));     /* clamped */
    assert_color(color_of("viridis", -INFINITY), ((ns_rgb){68, 1, 84}));
    const ns_colormap *map;
    ns_error err;
    assert_int_equal(ns_colormap_find(&map, "jet", &err), NS_E_ARG);
    assert_null(map);
    assert_non_null(strstr(err.message, "jet"));
    assert_non_null(strstr(err.message, "cividis, viridis"));
}

/* Monotone over all entries but for the rounding to bytes; diverging maps on each half. */
static void test_luminance_is_monotone(void **state)
{
    (void)state;
    for (const ns_colormap *map = ns_colormaps; map->name; map++) {
        const double first = ns_rgb_luminance(ns_colormap_at(map, 0)), last = ns_rgb_luminance(ns_colormap_at(map, 1));
        if (!map->diverging)
            assert_true(fabs(last - first) > 0.5);
        for (int i = 1; i < 256; i++) {
            const double sign = map->diverging ? (i < 128 ? 1 : -1) : last > first ? 1 : -1;
            const double step = ns_rgb_luminance(ns_colormap_at(map, (i + 0.5) / 256)) - ns_rgb_luminance(ns_colormap_at(map,
                                                                                                                         (i - 0.5) / 256));
            if (sign * step < -0.002)
                fail_msg("%s: luminance turns at %d", map->name, i);
        }
    }
}

static void assert_ticks(ns_scale scale, bool integers, double length, double room, const char *const *expected)
{
    ns_ticks t;
    ns_ticks_make(&t, &scale, integers, length, room);
    for (int i = 0; i < t.n && expected[i]; i++)
        assert_string_equal(t.label[i], expected[i]);
    assert_null(expected[t.n]);
}

static void test_ticks(void **state)
{
    (void)state;
    assert_ticks((ns_scale){0, 1, false}, false, 100, 20, (const char *[]){"0.0", "0.2", "0.4", "0.6", "0.8", "1.0", NULL});
    assert_ticks((ns_scale){-0.5, 5.5, false}, true, 600, 10, (const char *[]){"0", "1", "2", "3", "4", "5", NULL});
    assert_ticks((ns_scale){-0.5, 31.5, false}, true, 160, 40, (const char *[]){"0", "10", "20", "30", NULL});
    assert_ticks((ns_scale){1017.5, 1023.5, false}, true, 20, 10, (const char *[]){"1020", NULL});
    assert_ticks((ns_scale){-0.3, 0.3, false}, false, 100, 25, (const char *[]){"\xe2\x88\x92" "0.2", "0.0", "0.2", NULL});
    assert_ticks((ns_scale){1e-4, 1, true}, false, 200, 25, (const char *[]){"0.0001", "0.001", "0.01", "0.1", "1", NULL});
    assert_ticks((ns_scale){1e6, 1e10, true}, false, 100, 45, (const char *[]){"1e6", "1e9", NULL});
    assert_ticks((ns_scale){20, 300, true}, false, 200, 20, (const char *[]){"20", "50", "100", "200", NULL});
    assert_ticks((ns_scale){0, 4e-5, false}, false, 100, 40, (const char *[]){"0", "2e-5", "4e-5", NULL});
    assert_ticks((ns_scale){0, 3e9, false}, false, 100, 30, (const char *[]){"0", "1e9", "2e9", "3e9", NULL});
}

static void test_numbers_as_text(void **state)
{
    (void)state;
    char text[32];
    ns_format_fixed(text, -0.04, 1);
    assert_string_equal(text, "0.0");
    ns_format_fixed(text, -1.005, 2);
    assert_string_equal(text, "-1.00");
    ns_format_fixed(text, 0.096, 2);
    assert_string_equal(text, "0.10");
    ns_format_fixed(text, 1e300, 9);
    assert_true(strlen(text) < sizeof text);
    ns_buffer b = {0};
    ns_buffer_number(&b, 12.500, 3);
    ns_buffer_text(&b, ",");
    ns_buffer_number(&b, 100, 3);
    ns_buffer_text(&b, ",");
    ns_buffer_base64(&b, (const uint8_t *)"any carnal pleas", 16);
    assert_int_equal(b.n, strlen("12.5,100,YW55IGNhcm5hbCBwbGVhcw=="));
    assert_memory_equal(b.data, "12.5,100,YW55IGNhcm5hbCBwbGVhcw==", (size_t)b.n);
    ns_buffer_clear(&b);
}

static void test_labels_spread(void **state)
{
    (void)state;
    double at[5] = {10, 11, 12, 50, 99}, scratch_sizes[5];
    ns_spread(at, 5, 10, 0, 100, scratch_sizes);
    const double expected[5] = {1, 11, 21, 50, 99};
    for (int i = 0; i < 5; i++)
        assert_true(fabs(at[i] - expected[i]) < 1e-9);
    double edge[3] = {98, 99, 100};
    ns_spread(edge, 3, 10, 5, 95, scratch_sizes);
    assert_true(fabs(edge[0] - 75) < 1e-9 && fabs(edge[2] - 95) < 1e-9);
}

static void test_png_round_trip(void **state)
{
    (void)state;
    uint8_t rgb[5 * 3 * 3];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 37);
    ns_buffer png = {0};
    const ns_png_text texts[] = {{"Comment", "how \xc3\xa9"}, {"Title", ""}, {NULL, NULL}};
    assert_int_equal(ns_png_write(&png, rgb, 3, 5, 3, 200, texts, NULL), NS_OK);
    picture p = picture_decode(png.data, (size_t)png.n);
    assert_int_equal(p.w, 5);
    assert_int_equal(p.h, 3);
    assert_memory_equal(p.rgb, rgb, sizeof rgb);
    assert_non_null(memmem(png.data, (size_t)png.n, "iTXtComment\0\0\0\0\0how \xc3\xa9", 22));
    assert_non_null(memmem(png.data, (size_t)png.n, "sRGB", 4));
    assert_null(memmem(png.data, (size_t)png.n, "iTXtTitle", 9));
    picture_free(&p);
    assert_int_equal(ns_png_write(&png, rgb, 3, 0, 3, 200, NULL, NULL), NS_E_ARG);
    ns_buffer_clear(&png);
}

/* A canvas kind that keeps the last image. */
static picture kept;

static void keep(ns_canvas *c, ns_box b, const uint8_t *rgb, int64_t w, int64_t h)
{
    (void)c;
    (void)b;
    kept = (picture){.rgb = malloc((size_t)(w * h * 3)), .w = (int)w, .h = (int)h};
    assert_non_null(kept.rgb);
    memcpy(kept.rgb, rgb, (size_t)(w * h * 3));
}

static void upper_half_only(const void *user, int64_t row, int64_t *lo, int64_t *hi)
{
    *lo = 0;
    *hi = row < *(const int64_t *)user ? 1000 : 0;
}

static void test_pooling_keeps_the_needle(void **state)
{
    (void)state;
    enum { N = 1000 };
    float *value = calloc(N * N, sizeof *value);
    assert_non_null(value);
    value[333 * N + 777] = 1;
    value[900 * N + 10] = NAN;
    const int64_t rows = 800;
    ns_cells cells = {.value = value, .rows = N, .cols = N, .scale = {0, 1, false}, .colors = &ns_colormaps[0], .extent = upper_half_only,
                      .user = &rows};
    ns_canvas_kind kind = {.raster = true, .image = keep};
    ns_canvas c = {.kind = &kind, .pixels = 1};
    ns_cells_draw(&cells, &c, (ns_box){0, 0, 97, 89});
    assert_int_equal(c.code, NS_OK);
    assert_int_equal(kept.w, 97);
    assert_int_equal(kept.h, 89);
    assert_color(picture_at(&kept, 777 * 97 / 1000, 333 * 89 / 1000), color_of(NULL, 1));
    assert_color(picture_at(&kept, 50, 80), NS_MASKED);                    /* rows from 800 on see nothing */
    assert_color(picture_at(&kept, 50, 20), color_of(NULL, 0));
    picture_free(&kept);
    cells.extent = NULL;
    ns_cells_draw(&cells, &c, (ns_box){0, 0, 1000, 1000});
    assert_color(picture_at(&kept, 10, 900), cells.colors->missing);
    assert_color(picture_at(&kept, 11, 900), color_of(NULL, 0));
    picture_free(&kept);
    cells.rows = cells.cols = 3;                                            /* fewer cells than pixels, not a multiple */
    value[4] = 0.5f;
    ns_cells_draw(&cells, &c, (ns_box){0, 0, 100, 10});
    assert_color(picture_at(&kept, 50, 5), color_of(NULL, 0.5));
    assert_color(picture_at(&kept, 32, 5), color_of(NULL, 0));
    picture_free(&kept);
    kind.raster = false;                                                    /* vector files: whole blocks */
    ns_cells_draw(&cells, &c, (ns_box){0, 0, 100, 10});
    assert_int_equal(kept.w, 99);
    assert_int_equal(kept.h, 9);
    picture_free(&kept);
    free(value);
}

static const ns_theme usual = {.line_width = 1};
static const ns_paper small = {100, 100, 1, 1, &usual, false};

/* A size that is none stands for a font that cairo cannot scale: an error, not a figure without its letters. */
static void test_fonts_that_fail(void **state)
{
    (void)state;
    static const ns_canvas_kind *const kinds[] = {&ns_canvas_png, &ns_canvas_pdf, &ns_canvas_eps};
    ns_type *type;
    assert_int_equal(ns_type_new(&type, NULL, NULL), NS_OK);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int k = 0; k < 2; k++) {
            ns_canvas c;
            assert_int_equal(ns_canvas_open(&c, kinds[i], type, small, &(ns_metadata){0}, NULL), NS_OK);
            ns_canvas_text(&c, 10, 20, "hits", (ns_style){.size = k ? NAN : 8});
            ns_error err;
            assert_int_equal(ns_canvas_finish(&c, &err), k ? NS_E_INTERNAL : NS_OK);
            ns_canvas_clear(&c);
        }
    ns_type_free(type);
}

/* ---- text ---- */

static ns_shape shaped(const ns_type *type, const char *text, bool bold)
{
    ns_shape shape;
    assert_true(ns_type_shape(type, text, bold, &shape));
    return shape;
}

/* In units of DejaVu's em (2048), as font_widths.py reads them from the fonts. */
static void test_advances(void **state)
{
    (void)state;
    ns_type *type;
    assert_int_equal(ns_type_new(&type, NULL, NULL), NS_OK);
    const struct { const char *text; bool bold; double units; } known[] = {
        {"0123456789", false, 13030}, {"needle", false, 6947}, {"AVAT", false, 5033}, {"To", false, 2156},
        {"layer 12, head 3", false, 16764}, {"\u2581\u0120\u2026\u00d7\u2264", false, 8642}, {"0123456789", true, 14250},
        {"needle", true, 7793}, {"AVAT", true, 5715},
        {"To", true, 2532}, {"layer 12, head 3", true, 18642}, {"\u2581\u0120\u2026\u00d7\u2264", true, 8736},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(fabs(ns_type_width(type, known[i].text, 8, known[i].bold) - known[i].units * 8 / 2048) < 1e-9);
    ns_type_free(type);
}

static int count_in(const ns_buffer *b, const char *word)
{
    int n = 0;
    const uint8_t *at = b->data, *const end = b->data + b->n;
    while ((at = memmem(at, (size_t)(end - at), word, strlen(word)))) {
        at += strlen(word);
        n++;
    }
    return n;
}

/* However many texts and sizes: a face is embedded once, as TrueType, which venues take. */
static void test_embedded_once(void **state)
{
    (void)state;
    ns_type *type;
    ns_canvas c;
    assert_int_equal(ns_type_new(&type, NULL, NULL), NS_OK);
    assert_int_equal(ns_canvas_open(&c, &ns_canvas_pdf, type, small, &(ns_metadata){0}, NULL), NS_OK);
    for (int i = 0; i < 6; i++)
        ns_canvas_text(&c, 10, 20 + 10 * i, i % 2 ? "needle" : "hits", (ns_style){.size = 6 + i % 3, .angle = i == 4 ? 90 : 0});
    assert_int_equal(ns_canvas_finish(&c, NULL), NS_OK);
    assert_int_equal(count_in(&c.out, "/FontFile2"), 1);
    assert_int_equal(count_in(&c.out, "/Type3"), 0);
    ns_canvas_clear(&c);
    ns_type_free(type);
}

/* From right to left between from left to right: places, clusters and their bytes. */
static void test_both_directions(void **state)
{
    (void)state;
    static const char text[] = "ab \u05d0\u05d1 c";
    ns_type *type;
    assert_int_equal(ns_type_new(&type, NULL, NULL), NS_OK);
    ns_shape s = shaped(type, text, false), alef = shaped(type, "\u05d0", false), bet = shaped(type, "\u05d1", false);
    assert_int_equal(s.n_runs, 4);                        /* the space behind is of the script before it */
    assert_false(s.runs[0].backward);
    assert_true(s.runs[1].backward);
    assert_ptr_equal(s.runs[1].text, text + 3);
    assert_int_equal(s.runs[1].bytes, 4);
    assert_int_equal(s.runs[1].n_clusters, 2);
    assert_int_equal(s.runs[1].clusters[0].bytes, 2);
    assert_int_equal(s.runs[1].glyphs[0].index, bet.glyphs[0].index);
    assert_int_equal(s.runs[1].glyphs[1].index, alef.glyphs[0].index);
    assert_true(s.runs[1].glyphs[0].x < s.runs[1].glyphs[1].x && s.runs[1].glyphs[1].x < s.runs[2].glyphs[0].x);
    ns_shape_clear(&s);
    ns_shape_clear(&alef);
    ns_shape_clear(&bet);
    ns_type_free(type);
}

/* A mark stands on its letter and takes no room; Arabic letters join (lam and alef are one glyph of four bytes), f and i do not; what no
 * font has is named. */
static void test_shaping(void **state)
{
    (void)state;
    ns_type *type;
    assert_int_equal(ns_type_new(&type, NULL, NULL), NS_OK);
    ns_shape marked = shaped(type, "x\u0301", false), plain = shaped(type, "x", false), joined = shaped(type, "\u0644\u0627", false),
             apart = shaped(type, "fi", false);
    assert_true(fabs(marked.width - plain.width) < 1e-12);
    assert_true(marked.ink.h > plain.ink.h);
    assert_int_equal(joined.n_runs, 1);
    assert_int_equal(joined.runs[0].n_glyphs, 1);
    assert_int_equal(joined.runs[0].clusters[0].bytes, 4);
    assert_int_equal(joined.unknown, 0);
    assert_int_equal(apart.runs[0].n_glyphs, 2);
    ns_shape_clear(&apart);
    ns_shape_clear(&marked);
    ns_shape_clear(&plain);
    ns_shape_clear(&joined);
    ns_shape none = shaped(type, "a\U0010fffd", false);
    assert_int_equal(none.unknown, 0x10fffd);
    ns_shape_clear(&none);
    ns_type_free(type);
}

static const char *const long_names[] = {"retrieval_continue_of_the_second_needle", "a name  with   blanks at the place of the cut",
                                         "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xe2\x89\xa5\xe2\x88\x92\xc3\xa9\xc3\xa8\xc3\xa0",
                                         "d \xe2\x89\xa5 512: retrieval_find"};

/* Whole, or its beginning up to a character's end with an ellipsis, no wider than the room, and with no blank before the ellipsis. */
static void check_cut(const ns_type *type, const char *name, double width, const char *fit)
{
    const size_t n = strlen(fit);
    size_t bad;
    if (strcmp(fit, name) == 0) {
        assert_true(ns_type_width(type, name, 8, false) <= width);
        return;
    }
    assert_true(ns_type_width(type, name, 8, false) > width && n >= 3 && strcmp(fit + n - 3, ELLIPSIS) == 0);
    assert_true(ns_utf8_valid(fit, n, &bad) && memcmp(fit, name, n - 3) == 0);
    assert_true(n == 3 || (fit[n - 4] != ' ' && ns_type_width(type, fit, 8, false) <= width));
}

static void test_cut_names(void **state)
{
    char fit[NS_LABEL_BYTES];
    ns_type *type;
    (void)state;
    assert_int_equal(ns_type_new(&type, NULL, NULL), NS_OK);
    for (size_t i = 0; i < sizeof long_names / sizeof *long_names; i++) {
        int cut = 0;
        for (double width = 1; width < 300; width += 1.3) {
            ns_type_fit(type, long_names[i], 8, false, width, fit);
            check_cut(type, long_names[i], width, fit);
            cut += strcmp(fit, long_names[i]) != 0;
        }
        assert_true(cut > 20 && strcmp(fit, long_names[i]) == 0);
    }
    ns_type_free(type);
}

/* Names that are alike where they are cut are cut in the middle: whoever reads them can tell them apart. */
static void test_names_apart(void **state)
{
    static const char *const names[] = {"retrieval of the needle, first token", "retrieval of the needle, second", "retrieval ünd ébène",
                                        "retrieval of the needle, tööth", "mass", "mass"};
    enum { N = sizeof names / sizeof *names };
    char fit[N][NS_LABEL_BYTES];
    ns_type *type;
    size_t bad;
    int inside = 0;
    (void)state;
    assert_int_equal(ns_type_new(&type, NULL, NULL), NS_OK);
    for (double width = 40; width < 200; width += 1.7) {
        for (int i = 0; i < N; i++) {
            ns_type_fit_among(type, names, N, i, 8, width, fit[i]);
            assert_true(ns_utf8_valid(fit[i], strlen(fit[i]), &bad) && ns_type_width(type, fit[i], 8, false) <= width);
            const char *const cut = strstr(fit[i], "\xe2\x80\xa6");
            inside += cut && cut[3];
        }
        for (int i = 0; i < N - 1; i++)
            for (int k = 0; k < i; k++)
                assert_string_not_equal(fit[i], fit[k]);
        assert_string_equal(fit[N - 1], "mass");
    }
    assert_true(inside > 50);
    ns_type_free(type);
}

/* The text of a key has room for so many bytes: what is longer ends with a character and an ellipsis, wherever the room ends. */
static void test_long_keys(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        char name[200] = "";
        ns_legend legend = {0};
        size_t bad;
        for (int i = 0; i < shift; i++)
            strcat(name, "a");
        for (int i = 0; i < 50; i++)
            strcat(name, "\xe2\x89\xa5");
        ns_legend_add(&legend, NS_SWATCH_LINE, NS_INK, "%s", name);
        const char *const text = legend.keys[0].text;
        const size_t n = strlen(text);
        assert_true(ns_utf8_valid(text, n, &bad) && n > 90 && n < sizeof legend.keys[0].text);
        assert_true(strcmp(text + n - 3, ELLIPSIS) == 0 && memcmp(text, name, n - 3) == 0);
        name[90 - 90 % 3 + shift] = '\0';
        ns_legend_add(&legend, NS_SWATCH_LINE, NS_INK, "%s", name);
        assert_string_equal(legend.keys[1].text, name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_colors),    cmocka_unit_test(test_luminance_is_monotone), cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_numbers_as_text), cmocka_unit_test(test_labels_spread),         cmocka_unit_test(test_png_round_trip),
        cmocka_unit_test(test_pooling_keeps_the_needle),                   cmocka_unit_test(test_fonts_that_fail),
        cmocka_unit_test(test_advances),        cmocka_unit_test(test_embedded_once),
        cmocka_unit_test(test_both_directions),       cmocka_unit_test(test_shaping),
        cmocka_unit_test(test_names_apart), cmocka_unit_test(test_cut_names),       cmocka_unit_test(test_long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
