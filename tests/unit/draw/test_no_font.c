/* test_no_font.c - without any font a figure is an error with its remedy, not boxes. Meson sets FONTCONFIG_FILE to no_fonts.conf. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <needlescope/figure.h>

#include <string.h>

static void test_no_font(void **state)
{
    (void)state;
    const float score[1] = {0.5f};
    const ns_heads_figure f = {.size = sizeof f, .score = score, .n_layers = 1, .n_heads = 1};
    ns_error err;
    assert_int_equal(ns_draw_heads("/tmp/needlescope-no-font.png", &f, NULL, &err), NS_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "fonts-dejavu-core"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_font)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
