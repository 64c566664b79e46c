/* test_verdict.c - which words evidence earns: "holds" never without a p at or below alpha, never with one seed, never where the test could
 * not say no. */
#include "../../unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/training.h>

static void test_words(void **state)
{
    (void)state;
    static const struct { ns_evidence e; double alpha; const char *words; } cases[] = {
        {{5, 0, 5, .031, .031}, 0, "holds"},
        {{5, 0, 5, .031, .031}, .03, "in all 5 seeds; too few for a p below 0.03"},
        {{5, 0, 5, .07, .001}, 0, "in all 5 seeds, but p = 0.07"},
        {{3, 0, 3, .125, .125}, 0, "in all 3 seeds; too few for a p below 0.05"},
        {{1, 0, 1, .5, .5}, 0, "in the one seed; too few for a p below 0.05"},
        {{1, 0, 1, .01, .01}, 0, "in the one seed, p = 0.01"},
        {{6, 0, 8, .016, .004}, 0, "holds where births differ"},
        {{4, 0, 5, .0625, .031}, 0, "in the 4 of 5 seeds that decide, but p = 0.062"},
        {{2, 0, 3, .25, .125}, 0, "in the 2 of 3 seeds that decide; too few for a p below 0.05"},
        {{4, 1, 5, .01, .01}, 0, "mixed"},
        {{2, 3, 5, .9, .01}, 0, "does not hold"},
        {{0, 0, 3, 1, .1}, 0, "undecided"},
        {{0, 0, 0, NAN, NAN}, 0, "not run"},
        {{3, 0, 3, NAN, NAN}, 0, "in all 3 seeds; there is no test of it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[NS_VERDICT_TEXT];
        assert_string_equal(ns_verdict(cases[i].e, cases[i].alpha, out), cases[i].words);
    }
}

/* The more seeds agree the smaller p is; from five on a sign test can hold. */
static void test_orders(void **state)
{
    (void)state;
    char out[NS_VERDICT_TEXT];
    ns_error err = {0};
    for (int64_t S = 1; S <= 6; S++) {
        ns_birth_grid g;
        assert_int_equal(ns_birth_grid_new(&g, S, 2, &err), NS_OK);
        for (int64_t s = 0; s < S; s++) {
            ns_birth_grid_set(&g, s, 0, (ns_event){0, 10, 10, -1, 0});
            ns_birth_grid_set(&g, s, 1, (ns_event){90, INFINITY, -1, -1, 0});
        }
        ns_order o, back;
        assert_int_equal(ns_order_in(&g, 0, 1, &o, &err), NS_OK);
        assert_int_equal(ns_order_in(&g, 1, 0, &back, &err), NS_OK);
        assert_near(o.p, ldexp(1, (int)-S), 1e-12);
        assert_near(back.p, 1, 1e-12);
        assert_true((strcmp(ns_order_verdict(o, 0, out), "holds") == 0) == (S >= 5));
        assert_string_equal(ns_order_verdict(back, 0, out), "does not hold");
        ns_birth_grid_clear(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_orders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
