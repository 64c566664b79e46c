/* test_overlap.c - top heads over checkpoints, and checkpoints that are not what their names say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include <needlescope/training.h>

static const float nan_ = (float)NAN;

/* Heads 0 and 1 lead at first, 2 and 3 in the end; checkpoint 2 is missing. */
static void test_trace(void **state)
{
    (void)state;
    const float score[] = {.9f, .8f, .1f, 0, .9f, .1f, .8f, 0, nan_, nan_, nan_, nan_, 0, .1f, .9f, .8f};
    const float value[] = {1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 10, 20, 30, 40};
    ns_trace t[4];
    ns_error err = {0};
    assert_int_equal(ns_trace_heads(score, value, 4, 4, 2, t, &err), NS_OK);
    assert_true(t[0].final_top == 3.5 && t[0].step_top == 1.5 && t[0].with_final == 0 && isnan(t[0].with_previous));
    assert_true(t[1].final_top == 3.5 && t[1].step_top == 2 && t[1].with_final == 1.0 / 3 && t[1].with_previous == 1.0 / 3);
    assert_true(isnan(t[2].final_top) && isnan(t[2].with_final));
    assert_true(t[3].final_top == 35 && t[3].step_top == 35 && t[3].with_final == 1 && t[3].with_previous == 1.0 / 3);
}

static void test_flags(void **state)
{
    (void)state;
    enum { P = 10, K = 6 };
    float score[P * K];
    unsigned flags[P];
    ns_error err = {0};
    for (int p = 0; p < P; p++)
        for (int h = 0; h < K; h++)
            score[p * K + h] = .05f * (float)p + .01f * (float)h;
    assert_int_equal(ns_checkpoint_flags(score, P, K, 0, flags, &err), NS_OK);
    for (int p = 0; p < P; p++)
        assert_int_equal(flags[p], 0);
    memcpy(score + 4 * K, score + 3 * K, K * sizeof *score);         /* step4 is step3 again */
    for (int h = 0; h < K; h++)
        score[7 * K + h] = h % 2 ? 1.2f : -.6f;                      /* step7 is another run's */
    assert_int_equal(ns_checkpoint_flags(score, P, K, 0, flags, &err), NS_OK);
    for (int p = 0; p < P; p++)
        assert_int_equal(flags[p], p == 4 ? NS_CHECKPOINT_DUPLICATE : p == 7 ? NS_CHECKPOINT_JUMP : 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trace), cmocka_unit_test(test_flags)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
