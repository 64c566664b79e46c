/* test_no_font.c - where no font is installed figures are drawn with the one that is compiled in; what it lacks is an error with its
 * remedy. Meson sets FONTCONFIG_FILE to no_fonts.conf. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <needlescope/figure.h>

#include <stdlib.h>
#include <string.h>

static int draw(const char *title, const char *font, ns_error *err)
{
    const float score[1] = {0.5f};
    uint8_t *bytes = NULL;
    size_t n = 0;
    const ns_heads_figure f = {.size = sizeof f, .score = score, .n_layers = 1, .n_heads = 1};
    const ns_figure_params p = {.size = sizeof p, .title = title, .font = font, .bytes = &bytes, .n_bytes = &n};
    const int rc = ns_draw_heads("figure.png", &f, &p, err);
    assert_int_equal(rc == NS_OK, n > 0);
    free(bytes);
    return rc;
}

static void test_no_font(void **state)
{
    (void)state;
    ns_error err;
    assert_int_equal(draw("needle \u2581 \u00d7 \u0627", NULL, &err), NS_OK);
    assert_int_equal(draw("\u4e16", NULL, &err), NS_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "U+4E16"));
    assert_true(strstr(err.message, "fonts-noto-cjk") || strstr(err.message, "a font's file"));
    assert_int_equal(draw("needle", "Arial", &err), NS_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "Arial"));
    assert_int_equal(draw("needle", FONTS "/DejaVuSans-Bold.ttf", &err), NS_OK);
    assert_int_equal(draw("needle", FONTS "/none.ttf", &err), NS_E_MISSING);
    assert_int_equal(draw("needle", __FILE__, &err), NS_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_font)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
