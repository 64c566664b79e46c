/* test_looks.c - what a caller may want of a figure's look: dark, transparent, a theme of its own, a height, an order, values, a legend;
 * and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/core.h"
#include "picture.h"
#include <needlescope/figure.h>

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { L = 3, H = 4 };
static const float score[L * H] = {0, .5f, .001f, 0, 1, .25f, 0, 0, 0, 0, .75f, .004f};

static ns_heads_figure heads(const char *name)
{
    static const int kind[L] = {0, 1, 1};
    return (ns_heads_figure){.size = sizeof(ns_heads_figure),
                             .score = score,
                             .n_layers = L,
                             .n_heads = H,
                             .kind = kind,
                             .score_name = name,
                             .model_name = "tiny",
                             .chance = NAN};
}

/* A row of maps, malloc'd; NULL: refused, *why says it. */
static uint8_t *draw(const char *ending, ns_figure_params p, int n, size_t *size, ns_error *why)
{
    uint8_t *bytes = NULL;
    const ns_heads_figure maps[3] = {heads("find"), heads("copy"), heads("mass")};
    p.size = sizeof p;
    p.bytes = &bytes;
    p.n_bytes = size;
    const int rc = n == 1 ? ns_draw_heads(ending, maps, &p, why) : ns_draw_heads_row(ending, maps, n, "All", NULL, &p, why);
    assert_true((rc == NS_OK) == (bytes != NULL));
    return bytes;
}

static char *svg(ns_figure_params p, int n)
{
    size_t size;
    ns_error why;
    uint8_t *const bytes = draw("x.svg", p, n, &size, &why);
    if (!bytes)
        fail_msg("%s", why.message);
    char *const text = malloc(size + 1);
    memcpy(text, bytes, size);
    text[size] = '\0';
    free(bytes);
    return text;
}

static void refused(ns_figure_params p, int n, const char *expected)
{
    size_t size;
    ns_error why;
    uint8_t *const bytes = draw("x.svg", p, n, &size, &why);
    if (bytes || !strstr(why.message, expected))
        fail_msg("'%s' lacks '%s'", bytes ? "drawn" : why.message, expected);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

/* The number behind `before` in the tag that ends with `text`. */
static double number_of(const char *svg_text, const char *before, const char *text)
{
    const char *const end = strstr(svg_text, text);
    const char *tag = end;
    assert_non_null(end);
    while (strncmp(tag, "<text", 5) != 0)
        tag--;
    return atof(strstr(tag, before) + strlen(before));
}

static picture shown(ns_figure_params p)
{
    size_t size;
    ns_error why;
    uint8_t *const bytes = draw("x.png", p, 1, &size, &why);
    if (!bytes)
        fail_msg("%s", why.message);
    const picture made = picture_decode(bytes, size);
    free(bytes);
    return made;
}

static void test_dark(void **state)
{
    (void)state;
    picture light = shown((ns_figure_params){.width = 3.3, .values = NS_VALUES_OFF}),
            dark = shown((ns_figure_params){.width = 3.3, .values = NS_VALUES_OFF, .dark = true});
    int same = 0;
    assert_int_equal(light.w, dark.w);
    assert_int_equal(light.h, dark.h);
    assert_color(picture_at(&light, 1, 1), ((ns_rgb){255, 255, 255}));
    assert_color(picture_at(&dark, 1, 1), ((ns_rgb){20, 20, 24}));
    for (int i = 0; i < light.w * light.h; i++) {
        const ns_rgb a = {light.rgb[3 * i], light.rgb[3 * i + 1], light.rgb[3 * i + 2]},
                     b = {dark.rgb[3 * i], dark.rgb[3 * i + 1], dark.rgb[3 * i + 2]};
        same += packed(a) == packed(b);
        assert_false(packed(a) == 0xffffff && packed(b) == 0xffffff);
    }
    assert_true(same > light.w * light.h / 3); /* values have the colours that they had */
    picture_free(&light);
    picture_free(&dark);
}

static void test_transparent(void **state)
{
    (void)state;
    size_t size;
    ns_error why;
    png_image image = {.version = PNG_IMAGE_VERSION};
    uint8_t *const bytes = draw("x.png", (ns_figure_params){.transparent = true, .width = 3.3}, 1, &size, &why);
    assert_non_null(bytes);
    assert_true(png_image_begin_read_from_memory(&image, bytes, size));
    image.format = PNG_FORMAT_RGBA;
    uint8_t *const rgba = malloc(PNG_IMAGE_SIZE(image));
    assert_true(png_image_finish_read(&image, NULL, rgba, 0, NULL));
    picture opaque = shown((ns_figure_params){.width = 3.3});
    assert_int_equal(opaque.w, (int)image.width);
    int clear = 0;
    for (int i = 0; i < opaque.w * opaque.h; i++) {
        const int alpha = rgba[4 * i + 3];
        clear += alpha == 0;
        for (int k = 0; k < 3; k++) /* over white it is what it was */
            assert_true(abs(rgba[4 * i + k] * alpha / 255 + 255 - alpha - opaque.rgb[3 * i + k]) <= 3);
    }
    assert_int_equal(rgba[3], 0);
    assert_true(clear > opaque.w * opaque.h / 10);
    char *const text = svg((ns_figure_params){.transparent = true}, 1);
    assert_int_equal(count(text, "width=\"100%\""), 0);
    free(text);
    free(rgba);
    free(bytes);
    picture_free(&opaque);
}

static char *theme_file(const char *text)
{
    char *const path = scratch("theme.json");
    assert_int_equal(ns_file_write(path, text, strlen(text), NULL), NS_OK);
    return path;
}

static void test_theme(void **state)
{
    (void)state;
    char *path = theme_file("{\"colors\": {\"ink\": \"#102030\", \"swa\": [\"#Fedcba\"], \"paper\": \"#fffff0\"}, \"line_width\": 2, "
                            "\"font_size\": 14}");
    char *const plain = svg((ns_figure_params){.width = 7}, 1), *const own = svg((ns_figure_params){.width = 7, .theme = path}, 1);
    assert_true(count(own, "fill=\"#102030\"") >= count(plain, "fill=\"#262626\"") / 2);
    assert_int_equal(count(own, "#262626"), 0);
    assert_true(count(own, "fill=\"#fedcba\"") > 0 && count(own, "\"#fffff0\"") == 1);
    assert_true(count(plain, "stroke-width=\"0.6\"") > 0 && count(own, "stroke-width=\"0.6\"") == 0 &&
                count(own, "stroke-width=\"1.2\"") > 0);
    assert_true(count(own, "viewBox=\"0 0 252 ") == 1 && count(plain, "viewBox=\"0 0 504 ") == 1); /* texts twice as large */
    free(own);
    char *const smaller = svg((ns_figure_params){.width = 7, .theme = path, .font_size = 7}, 1); /* what is asked for counts first */
    assert_int_equal(count(smaller, "viewBox=\"0 0 504 "), 1);
    free(smaller);
    free(plain);
    static const char *const broken[][2] = {{"{\"colors\": {\"inc\": \"#000000\"}}", "'inc'"},
                                            {"{\"colour\": {}}", "'colour'"},
                                            {"{\"colors\": {\"ink\": \"black\"}}", "'ink'"},
                                            {"{\"colors\": {\"ink\": \"#12345g\"}}", "'ink'"},
                                            {"{\"colors\": {\"series\": []}}", "'series'"},
                                            {"{\"line_width\": 0}", "line_width 0"},
                                            {"{\"font_size\": 99}", "font_size 99"},
                                            {"{\"font_size\": 0}", "font_size 0"},
                                            {"{\"colors\": []}", "'colors'"},
                                            {"[]", "JSON object"},
                                            {"{\"line_width\": \"thin\"}", "line_width"},
                                            {"{\"colors\": {\"swa\": [\"#000000\", \"#000000\", \"#000000\", \"#000000\"]}}", "1 to 3"}};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        free(path);
        path = theme_file(broken[i][0]);
        refused((ns_figure_params){.theme = path}, 1, broken[i][1]);
    }
    free(path);
    refused((ns_figure_params){.theme = "no such file.json"}, 1, "no such file.json");
}

static void test_height(void **state)
{
    (void)state;
    char *const tall = svg((ns_figure_params){.width = 3.3, .height = 6}, 1), *const low =
                                                                                  svg((ns_figure_params){.width = 3.3, .height = 2}, 1);
    assert_int_equal(count(tall, "height=\"432pt\""), 1);
    assert_int_equal(count(low, "height=\"144pt\""), 1);
    const double upper = number_of(tall, "y=\"", ">0</text>"), lower = number_of(tall, "y=\"", ">2</text>");
    assert_true(lower - upper > 2 * (number_of(low, "y=\"", ">2</text>") - number_of(low, "y=\"", ">0</text>")));
    free(tall);
    free(low);
    refused((ns_figure_params){.width = 3.3, .height = .6}, 3, "too low; it needs");
    refused((ns_figure_params){.height = 99}, 1, "height of 99");
}

static void test_order(void **state)
{
    (void)state;
    char *const text = svg((ns_figure_params){.width = 7, .order = (const char *const[]){"mass", "find"}, .n_order = 2}, 3);
    assert_true(number_of(text, "x=\"", ">find</text>") < number_of(text, "x=\"", ">copy</text>"));
    const char *const mass = strstr(text, ">mass</text>"), *const find = strstr(text, ">find</text>"),
                      *const copy = strstr(text, ">copy</text>");
    assert_true(mass && mass < find && find < copy);
    free(text);
    refused((ns_figure_params){.order = (const char *const[]){"finds"}, .n_order = 1}, 3, "did you mean find");
    refused((ns_figure_params){.order = (const char *const[]){"find"}, .n_order = 1}, 1, "put in order");
}

/* ".00" stands in 9 cells that are (near) nothing; three cells have something. */
static void test_values(void **state)
{
    (void)state;
    static const int expected[NS_N_VALUES][2] = {{8, 4}, {8, 4}, {0, 0}, {0, 4}};
    for (int v = 0; v < NS_N_VALUES; v++) {
        char *const text = svg((ns_figure_params){.values = v}, 1);
        assert_int_equal(count(text, ">.00</text>"), expected[v][0]);
        assert_int_equal(count(text, ">.50</text>") + count(text, ">.25</text>") + count(text, ">.75</text>") +
                             count(text, "font-size=\"7\" text-anchor=\"middle\" fill=\"#000000\">1.0</text>"),
                         expected[v][1]);
        free(text);
    }
    refused((ns_figure_params){.values = NS_VALUES_ON, .width = 1.2}, 1, "values 'on': they do not fit their cells in a figure 1.2 inches");
    refused((ns_figure_params){.values = NS_N_VALUES}, 1, "values 4");
}

static void test_legend(void **state)
{
    (void)state;
    char *const below = svg((ns_figure_params){.width = 3.3}, 1),
                *const above = svg((ns_figure_params){.width = 3.3, .legend = NS_LEGEND_TOP}, 1),
                *const none = svg((ns_figure_params){.width = 3.3, .legend = NS_LEGEND_OFF}, 1);
    assert_true(number_of(below, "y=\"", ">full</text>") > number_of(below, "y=\"", ">2</text>"));
    assert_true(number_of(above, "y=\"", ">full</text>") < number_of(above, "y=\"", ">0</text>"));
    assert_int_equal(count(none, ">full</text>"), 0);
    free(below);
    free(above);
    free(none);
}

static void test_in_vain(void **state)
{
    (void)state;
    refused((ns_figure_params){.layers = "0"}, 1, "no layers");
    refused((ns_figure_params){.x_axis = NS_X_STEPS}, 1, "steps or tokens");
}

/* What no page has is refused by its name and number, whatever a theme says of the same; by the check that draws nothing, too. */
static void test_sizes(void **state)
{
    (void)state;
    static const double never[] = {-1, -1e-300, 1e-9, 1e9, 1e300, (double)INFINITY, -(double)INFINITY, (double)NAN};
    char *const path = theme_file("{\"font_size\": 9}");
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        const ns_figure_params p[] = {{.size = sizeof *p, .width = never[i]},
                                      {.size = sizeof *p, .height = never[i]},
                                      {.size = sizeof *p, .font_size = never[i]},
                                      {.size = sizeof *p, .font_size = never[i], .theme = path}};
        static const char *const of[] = {"a width of", "a height of", "texts of", "texts of"};
        for (int k = 0; k < 4; k++) {
            char expected[64];
            ns_error why;
            snprintf(expected, sizeof expected, "%s %g %s", of[k], never[i], k < 2 ? "inches" : "points");
            refused(p[k], 1, expected);
            assert_int_equal(ns_figure_check(&p[k], &why), NS_E_ARG);
            assert_non_null(strstr(why.message, expected));
        }
    }
    free(path);
}

/* ---- legends show the marks ---- */

static void test_marks(void **state)
{
    (void)state;
    static const double untouched[1] = {NAN}, own[2] = {.9, .5}, target[2] = {.2, .3}, draws[4] = {.6, .7, .8, .7};
    static const char *const columns[2] = {"a", "b"}, *const panels[1] = {"hits"};
    uint8_t *bytes = NULL;
    size_t n;
    ns_error why;
    const ns_figure_params p = {.size = sizeof p, .width = 3.3, .bytes = &bytes, .n_bytes = &n};
    ns_strips_figure f = {.size = sizeof f,
                          .panels = panels,
                          .n_panels = 1,
                          .columns = columns,
                          .n_columns = 2,
                          .untouched = untouched,
                          .untouched_of = own,
                          .target = target,
                          .draws = draws,
                          .n_draws = 2,
                          .title = "Heads silenced"};
    for (int of = 1; of >= 0; of--) {
        if (ns_draw_strips("x.svg", &f, &p, &why) != NS_OK)
            fail_msg("%s", why.message);
        char *const text = calloc(1, n + 1);
        memcpy(text, bytes, n);
        assert_int_equal(count(text, "fill=\"#d55e00\""), 2 + 1);                /* two diamonds and the legend's */
        assert_int_equal(count(text, "fill=\"#568cbe\""), 4 + 3);                /* four draws, three in the legend */
        assert_int_equal(count(text, "stroke-dasharray=\"2\""), of ? 2 + 1 : 0); /* each column's own line, and the legend's */
        assert_int_equal(count(text, ">untouched</text>"), of);
        free(text);
        free(bytes);
        f.untouched_of = NULL;
    }
}

/* A browser smooths the edges of cells side by side, and the page shows between them: each reaches a little under the one behind
 * it. */
static void test_seams(void **state)
{
    (void)state;
    static const double tokens[6] = {0, 1000, 2000, 4000, 8000, 16000};
    static const float value[6] = {.1f, .3f, .5f, NAN, .7f, .9f};
    static const int band[1] = {0};
    static const char *const bands[1] = {"W=4"}, *const panels[1] = {"find"};
    uint8_t *bytes = NULL;
    size_t n;
    ns_error why;
    const ns_figure_params p = {.size = sizeof p, .width = 3.3, .bytes = &bytes, .n_bytes = &n};
    const ns_bands_figure f = {.size = sizeof f,
                               .tokens = tokens,
                               .n_points = 6,
                               .panels = panels,
                               .n_panels = 1,
                               .bands = bands,
                               .n_bands = 1,
                               .band = band,
                               .n_rows = 1,
                               .value = value};
    if (ns_draw_bands("x.svg", &f, &p, &why) != NS_OK)
        fail_msg("%s", why.message);
    char *const text = calloc(1, n + 1);
    memcpy(text, bytes, n);
    double right[5], left[5];
    int cells = 0;
    for (const char *at = text; (at = strstr(at, "<path d=\"M")); at++) {
        double x0, y0, x1, y1;
        if (cells < 5 && sscanf(at, "<path d=\"M%lf %lfL%lf %lfL", &x0, &y0, &x1, &y1) == 4 && y0 == y1 &&
            !strncmp(strchr(at, 'Z'), "Z\" fill", 7)) {
            left[cells] = x0;
            right[cells++] = x1;
        }
    }
    assert_int_equal(cells, 5);
    for (int i = 0; i < 4; i++) /* a little under the next; what is missing, the fourth, has its own place */
        assert_true(i < 2 ? right[i] > left[i + 1] && right[i] < left[i + 1] + 1 : right[i] == left[i + 1]);
    free(text);
    free(bytes);
}

/* ---- rows of attention over text ---- */

static char *tokens_svg(const char *const *texts, const float *weights, int n, int query)
{
    uint8_t *bytes = NULL;
    size_t size;
    ns_error why;
    const ns_figure_params p = {.size = sizeof p, .width = 1.5, .bytes = &bytes, .n_bytes = &size};
    const ns_tokens_figure f = {.size = sizeof f, .texts = texts, .weights = weights, .n = n, .query = query, .title = "a row"};
    if (ns_draw_tokens("x.svg", &f, &p, &why) != NS_OK)
        fail_msg("%s", why.message);
    char *const text = calloc(1, size + 1);
    memcpy(text, bytes, size);
    free(bytes);
    return text;
}

static void test_tokens(void **state)
{
    (void)state;
    static const char *const texts[7] = {"The", " needle", " <b>&", "\n", " has", " \x1b\xf3\xb0\x80\x80\xe2\x80\xae", " later"};
    static const float weights[7] = {0, .4f, .2f, .1f, .3f, 0, NAN};
    char *const text = tokens_svg(texts, weights, 7, 4);
    assert_int_equal(count(text, "fill=\"#0072b2\""), 1); /* the largest weight has the full colour */
    assert_int_equal(count(text, "> &lt;b&gt;&amp;</text>"), 1);
    assert_int_equal(count(text, ">\xe2\x86\xb5</text>"), 1);
    assert_true(number_of(text, "y=\"", ">has</text>") > number_of(text, "y=\"", ">The</text>")); /* a line end ends the line */
    assert_int_equal(count(text, "\xe2\x80\xb9"
                                 "001B"
                                 "\xe2\x80\xba"
                                 "\xe2\x80\xb9"
                                 "F0000"
                                 "\xe2\x80\xba"
                                 "\xe2\x80\xb9"
                                 "202E"
                                 "\xe2\x80\xba"),
                     1);
    assert_int_equal(count(text, "1 token written by codes"), 1);
    assert_int_equal(count(text, "fill=\"#6e6e6e\">later</text>"), 1); /* what it cannot see is faint */
    assert_int_equal(count(text, "stroke=\"#e41a1c\""), 2);             /* the query, and its key */
    free(text);
    static const float half[7] = {0, .4f, .2f, 0, 0, 0, 0};
    char *const other = tokens_svg(texts, half, 7, -1);
    assert_int_equal(count(other, "fill=\"#80b9d8\"") + count(other, "fill=\"#7fb8d8\""), 1); /* half of it, half way to the page */
    assert_int_equal(count(other, "the query"), 0);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dark), cmocka_unit_test(test_transparent), cmocka_unit_test(test_theme),
                                       cmocka_unit_test(test_height), cmocka_unit_test(test_order), cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_legend), cmocka_unit_test(test_in_vain), cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_marks), cmocka_unit_test(test_seams), cmocka_unit_test(test_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
