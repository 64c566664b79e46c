/* test_rules.c - every verdict, from numbers that are made up: who shows it, who does not, controls, births that were not seen, too few
 * seeds. */
#include "../../unit.h"
#include <math.h>

#include "paper/paper.h"

#define JUDGE(effect, control) ns_paper_judge(effect, control, (int64_t)(sizeof(effect) / sizeof *(effect)), .05)
static const double none = (double)NAN;

static void supported_by_five_seeds(void **state)
{
    (void)state;
    const double x[] = {.1, .2, .3, .4, 5};
    const paper_verdict v = JUDGE(x, NULL);
    assert_int_equal(v.word, PAPER_SUPPORTED);
    assert_int_equal(v.evidence.yes, 5);
    assert_near(v.evidence.p, 1 / 32., 0);
    assert_near(v.evidence.least, 1 / 32., 0);
    assert_near(v.against, 1, 0);
    assert_near(v.median, .3, 0);
    assert_near(v.low, .1, 0);
    assert_near(v.high, 5, 0);
    assert_near(v.level, 1 - 2 / 32., 1e-15);
    assert_near(v.same, 1, 0);                       /* every redraw has five seeds for it */
    assert_int_equal(v.control.n, 0);
    assert_false(v.few);
}

static void refuted_by_five_seeds(void **state)
{
    (void)state;
    const double x[] = {-.1, -.2, -.3, -.4, -5};
    const paper_verdict v = JUDGE(x, NULL);
    assert_int_equal(v.word, PAPER_REFUTED);
    assert_near(v.against, 1 / 32., 0);
    assert_near(v.evidence.p, 1, 0);
}

static void one_seed_against_is_undecided(void **state)
{
    (void)state;
    const double x[] = {.1, .2, .3, .4, -.1};
    const paper_verdict v = JUDGE(x, NULL);
    assert_int_equal(v.word, PAPER_UNDECIDED);
    assert_near(v.evidence.p, 6 / 32., 1e-15);
    assert_near(v.against, 31 / 32., 1e-15);
    assert_false(v.few);                             /* five seeds could have decided it */
    assert_near(v.same, 1 - 1024 / 3125., .05);      /* redraws without the odd seed would have supported it */
}

static void few_seeds_decide_nothing(void **state)
{
    (void)state;
    const double x[] = {1, 1, 1, 1}, one[] = {1};
    const paper_verdict v = JUDGE(x, NULL), w = JUDGE(one, NULL);
    assert_int_equal(v.word, PAPER_UNDECIDED);
    assert_true(v.few);
    assert_near(v.evidence.least, 1 / 16., 0);
    assert_int_equal(w.word, PAPER_UNDECIDED);
    assert_true(w.few && isnan(w.low) && isnan(w.level));
    assert_near(w.median, 1, 0);
}

static void nothing_measured_is_not_testable(void **state)
{
    (void)state;
    const double x[] = {none, none, none, none, none};
    const paper_verdict v = JUDGE(x, NULL);
    assert_int_equal(v.word, PAPER_NOT_TESTABLE);
    assert_true(isnan(v.median) && isnan(v.evidence.p) && isnan(v.same));
    assert_int_equal(ns_paper_judge(NULL, NULL, 0, .05).word, PAPER_NOT_TESTABLE);
}

/* A seed without a number is no seed: neither for nor against. */
static void missing_seeds_are_left_out(void **state)
{
    (void)state;
    const double x[] = {1, none, 1, 1, 1}, y[] = {1, none, 1, 1, 1, 1};
    const paper_verdict v = JUDGE(x, NULL), w = JUDGE(y, NULL);
    assert_int_equal(v.word, PAPER_UNDECIDED);
    assert_int_equal(v.evidence.n, 4);
    assert_true(v.few);
    assert_int_equal(w.word, PAPER_SUPPORTED);
    assert_int_equal(w.evidence.n, 5);
}

static void control_must_be_exceeded(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3, 4, 5}, less[] = {0, 0, 0, 0, 0}, more[] = {2, 3, 4, 5, 6}, mixed[] = {0, 0, 0, 0, 6}, gone[] = {0, 0, 0,
        0, none};
    const paper_verdict v = JUDGE(x, less), w = JUDGE(x, more), u = JUDGE(x, mixed), g = JUDGE(x, gone);
    assert_int_equal(v.word, PAPER_SUPPORTED);
    assert_near(v.control.p, 1 / 32., 0);
    assert_near(v.control_median, 0, 0);
    assert_int_equal(w.word, PAPER_REFUTED);         /* the control does more, in every seed */
    assert_near(w.control_against, 1 / 32., 0);
    assert_int_equal(u.word, PAPER_UNDECIDED);
    assert_near(u.control.p, 6 / 32., 1e-15);
    assert_int_equal(g.word, PAPER_UNDECIDED);       /* of four seeds with a control no p decides */
    assert_true(g.few);
}

/* INFINITY: born without it, not born with it. 0: no order. */
static void births_that_were_not_seen(void **state)
{
    (void)state;
    const double x[] = {(double)INFINITY, 200, 300, (double)INFINITY, 100}, ties[] = {200, 0, 300, 400, 100}, all[] = {0, 0, 0, 0, 0};
    const paper_verdict v = JUDGE(x, NULL), w = JUDGE(ties, NULL), a = JUDGE(all, NULL);
    assert_int_equal(v.word, PAPER_SUPPORTED);
    assert_near(v.median, 300, 0);
    assert_true(isinf(v.high));
    assert_int_equal(w.word, PAPER_UNDECIDED);       /* four of four that differ: p = 1/16 */
    assert_near(w.evidence.p, 1 / 16., 0);
    assert_int_equal(a.word, PAPER_UNDECIDED);
    assert_near(a.evidence.p, 1, 0);
    assert_near(a.against, 1, 0);
}

/* The interval is the sign test turned round: 9 seeds, second smallest to second largest, 1 - 2 * 10 / 512. */
static void interval_by_order_statistics(void **state)
{
    (void)state;
    const double x[] = {9, 1, 8, 2, 7, 3, 6, 4, 5};
    const paper_verdict v = JUDGE(x, NULL);
    assert_near(v.low, 2, 0);
    assert_near(v.high, 8, 0);
    assert_near(v.level, 1 - 20 / 512., 1e-15);
}

/* Nine coins: 9 or 8 of one side, 10 / 512; four cannot give .05. */
static void called_supported_by_chance(void **state)
{
    (void)state;
    assert_near(ns_paper_by_chance(5, .05), 1 / 32., 0);
    assert_near(ns_paper_by_chance(9, .05), 10 / 512., 1e-15);
    assert_near(ns_paper_by_chance(4, .05), 0, 0);
    assert_near(ns_paper_by_chance(0, .05), 0, 0);
}

static void words_of_all(void **state)
{
    (void)state;
    assert_string_equal(ns_paper_word(PAPER_SUPPORTED), "supported");
    assert_string_equal(ns_paper_word(PAPER_REFUTED), "refuted");
    assert_string_equal(ns_paper_word(PAPER_UNDECIDED), "undecided");
    assert_string_equal(ns_paper_word(PAPER_NOT_TESTABLE), "not testable here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(supported_by_five_seeds),    cmocka_unit_test(refuted_by_five_seeds),
        cmocka_unit_test(one_seed_against_is_undecided), cmocka_unit_test(few_seeds_decide_nothing),
        cmocka_unit_test(nothing_measured_is_not_testable), cmocka_unit_test(missing_seeds_are_left_out),
        cmocka_unit_test(control_must_be_exceeded),   cmocka_unit_test(births_that_were_not_seen),
        cmocka_unit_test(interval_by_order_statistics), cmocka_unit_test(words_of_all),
        cmocka_unit_test(called_supported_by_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
