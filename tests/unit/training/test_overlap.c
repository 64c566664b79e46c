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

/* Weights on a line, a step apart; checkpoint 2 is missing. */
static void test_flags(void **state)
{
    (void)state;
    enum { P = 10 };
    const char *hash[P] = {"a", "b", NULL, "d", "b", "f", "a", "h", NULL, "j"};
    float moved[P], across[P];
    unsigned flags[P];
    int64_t twin[P];
    ns_error err = {0};
    for (int p = 0; p < P; p++) {
        moved[p] = p == 0 || p == 2 ? nan_ : .1f;
        across[p] = p == 0 || p == 2 || p == P - 1 ? nan_ : .2f;
    }
    ns_checkpoint_signs s = {P, hash, moved, across};
    assert_int_equal(ns_checkpoint_flags(&s, 0, flags, twin, &err), NS_OK);
    for (int p = 0; p < P; p++) {                              /* equal hashes, wherever they stand; two unknown ones are not equal */
        assert_int_equal(flags[p], p == 4 || p == 6 ? NS_CHECKPOINT_DUPLICATE : 0);
        assert_int_equal(twin[p], p == 4 ? 1 : p == 6 ? 0 : -1);
    }
    moved[7] = moved[8] = 1.4f;                                /* step 7 is another run's */
    assert_int_equal(ns_checkpoint_flags(&s, 0, flags, twin, &err), NS_OK);
    for (int p = 0; p < P; p++)
        assert_int_equal(flags[p] & NS_CHECKPOINT_JUMP, p == 7 ? NS_CHECKPOINT_JUMP : 0);
    across[7] = 1.4f;                                          /* the run goes on from there: a leap, and no stranger */
    assert_int_equal(ns_checkpoint_flags(&s, 0, flags, twin, &err), NS_OK);
    assert_int_equal(flags[7] & NS_CHECKPOINT_JUMP, 0);
    s.moved = s.across = NULL;                                 /* a study of an older version */
    assert_int_equal(ns_checkpoint_flags(&s, 0, flags, twin, &err), NS_OK);
    for (int p = 0; p < P; p++)
        assert_int_equal(flags[p] & NS_CHECKPOINT_JUMP, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trace), cmocka_unit_test(test_flags)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
