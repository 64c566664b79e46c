/* test_axes.c - lists of axes: in their one order, each once, one kind of heads; shapes that are numbers. */
#include "check.h"

#include <math.h>

#include <needlescope/axes.h>

static void test_words(void **state)
{
    (void)state;
    static const char *const good[] = {"", "case", "layer", "case layer head", "case answer layer head", "layer kv_head", "layer class",
                                       "case answer layer kv_head position class", "run step case answer layer head position class"};
    static const char *const bad[] = {"cases", "head layer", "case case", "layer head kv_head", " case", "case ", "case  layer", "qbin",
                                      "layer head kv", "class position"};
    char text[NS_AXES_TEXT];
    ns_axes a;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(ns_axes_find(&a, good[i]));
        assert_string_equal(ns_axes_text(&a, text), good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ns_axes_find(&a, bad[i]) || a.rank != 0)
            fail_msg("'%s' was taken", bad[i]);
}

static void test_error(void **state)
{
    (void)state;
    ns_error err = {""};
    ns_axes a;
    assert_int_equal(ns_axes_parse(&a, "case head layer", "my_output", &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "my_output"));
    assert_non_null(strstr(err.message, "'layer' is no axis, or not in its place"));
    assert_int_equal(ns_axes_parse(&a, "case layer", "my_output", &err), NS_OK);
}

static void test_shapes(void **state)
{
    (void)state;
    const ns_extent extent = {{2, 3, 5, 7, 11, 13, 17, INT64_MAX / 4, 19}};
    int64_t shape[NS_MAX_RANK], n;
    ns_axes a, b;
    assert_true(ns_axes_find(&a, "run step case layer kv_head"));
    assert_true(ns_axes_shape(&a, &extent, shape, &n));
    assert_int_equal(n, 2 * 3 * 5 * 11 * 17);
    b = ns_axes_behind(&a, 2);
    assert_true(b.rank == 3 && b.at[0] == NS_AXIS_CASE && ns_axes_have(&b, NS_AXIS_KV_HEAD) && !ns_axes_have(&b, NS_AXIS_HEAD));
    assert_true(!ns_axes_equal(&a, &b) && ns_axes_equal(&a, &a));
    assert_true(ns_axes_find(&a, "case position") && !ns_axes_shape(&a, &extent, shape, &n));
    assert_true(ns_axes_find(&a, "") && ns_axes_shape(&a, &extent, shape, &n) && n == 1);
}

static void test_nothing(void **state)
{
    (void)state;
    ns_axes plain, ragged;
    assert_true(ns_axes_find(&plain, "case layer head") && ns_axes_find(&ragged, "case answer layer head"));
    assert_true(ns_axes_nothing(&plain, NS_U8) == 0 && ns_axes_nothing(&ragged, NS_U8) == 255);
    assert_true(isnan(ns_axes_nothing(&plain, NS_F32)) && isnan(ns_axes_nothing(&ragged, NS_F32)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_error), cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
