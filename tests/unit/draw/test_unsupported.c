/* test_unsupported.c - a build without cairo says how to get figures. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <needlescope/figure.h>

#include <string.h>

static void test_unsupported(void **state)
{
    (void)state;
    const float score[1] = {0.5f};
    const ns_heads_figure f = {.size = sizeof f, .score = score, .n_layers = 1, .n_heads = 1};
    ns_error err;
    assert_int_equal(ns_draw_heads("/tmp/needlescope-unsupported.png", &f, NULL, &err), NS_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "-Dcairo=enabled"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_unsupported)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
