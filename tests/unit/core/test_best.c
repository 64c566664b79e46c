/* test_best.c - the one rule of best heads: zeros and NaN never count, lists that are short or cut through a tie say so, ties share the
 * last place. */
#include "../../unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/best.h>

#include "core/core.h"

static const ns_score_meaning share = {.hi = 1}, difference = {.lo = -1, .hi = 1},
                              rank = {.best = NS_BEST_SMALLEST, .lo = 1, .hi = INFINITY}, least = {.best = NS_BEST_SMALLEST, .hi = 1},
                              none = {.best = NS_BEST_NONE, .hi = 1}, from_two = {.lo = 2, .hi = 3};

static void test_counts(void **state)
{
    (void)state;
    assert_true(ns_score_counts(&share, 1e-9f) && !ns_score_counts(&share, 0) && !ns_score_counts(&share, -1) &&
                !ns_score_counts(&share, NAN));
    assert_true(ns_score_counts(&difference, .1f) && !ns_score_counts(&difference, 0) && !ns_score_counts(&difference, -.5f));
    assert_true(ns_score_counts(&rank, 1) && ns_score_counts(&rank, 4096) && !ns_score_counts(&rank, NAN) &&
                !ns_score_counts(&rank, INFINITY));
    assert_true(ns_score_counts(&least, 0) && !ns_score_counts(&least, 1));
    assert_true(!ns_score_counts(&none, .5f));
    assert_true(!ns_score_counts(&from_two, 2) && ns_score_counts(&from_two, 2.5f));
    ns_best_end end;
    for (int i = NS_BEST_LARGEST; i <= NS_BEST_NONE; i++)
        assert_true(ns_best_end_find(ns_best_end_name((ns_best_end)i), &end) && (int)end == i);
    assert_false(ns_best_end_find("greatest", &end));
}

static void expect_list(const float *values, int64_t n, int64_t k, const ns_score_meaning *m, const int64_t *want, int64_t n_want,
                        const char *note)
{
    int64_t out[16];
    char text[120];
    const ns_best_cut cut = ns_best(values, n, k, m, out);
    assert_int_equal(cut.n, n_want);
    for (int64_t i = 0; i < n_want; i++)
        assert_int_equal(out[i], want[i]);
    ns_best_note(&cut, k, text, sizeof text);
    assert_string_equal(text, note);
}

static void test_lists(void **state)
{
    (void)state;
    const float values[] = {0, .5f, NAN, .25f, .5f, .25f, .25f, 0};
    expect_list(values, 8, 1, &share, (const int64_t[]){1}, 1, "the 1st place is shared by 2 heads");
    expect_list(values, 8, 2, &share, (const int64_t[]){1, 4}, 2, "");
    expect_list(values, 8, 3, &share, (const int64_t[]){1, 4, 3}, 3, "the 3rd place is shared by 3 heads");
    expect_list(values, 8, 5, &share, (const int64_t[]){1, 4, 3, 5, 6}, 5, "");
    expect_list(values, 8, 10, &share, (const int64_t[]){1, 4, 3, 5, 6}, 5, "5 heads of 10: the others score nothing");
    expect_list(values, 8, 3, &rank, (const int64_t[]){0, 7, 3}, 3, "the 3rd place is shared by 3 heads");
    expect_list(values, 8, 3, &none, NULL, 0, "0 heads of 3: the others score nothing");
    expect_list(values + 2, 1, 3, &share, NULL, 0, "");
    expect_list(values, 8, 0, &share, NULL, 0, "");
}

/* Against the list itself: shares sum to the places taken, whole ones are its heads above the last value. */
static void test_shares(void **state)
{
    (void)state;
    const float values[] = {0, .5f, NAN, .25f, .5f, .25f, .25f, 0};
    const float want[] = {0, 1, 0, 1.f / 3, 1, 1.f / 3, 1.f / 3, 0};
    float got[200], many[200];
    ns_best_shares(values, 8, 3, &share, got);
    for (int i = 0; i < 8; i++)
        assert_near(got[i], want[i], 1e-7);
    ns_rng rng = ns_rng_seed(5, 0);
    for (int round = 0; round < 300; round++) {
        const int64_t n = 1 + ns_rng_below(&rng, 200), k = ns_rng_below(&rng, 20), levels = 1 + ns_rng_below(&rng, 30);
        int64_t out[20], counting = 0;
        for (int64_t i = 0; i < n; i++) {
            many[i] = (float)ns_rng_below(&rng, levels);
            counting += many[i] > 0;
        }
        const ns_best_cut cut = ns_best(many, n, k, &share, out);
        ns_best_shares(many, n, k, &share, got);
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += (double)got[i];
        assert_near(sum, k < counting ? k : counting, 1e-4);
        for (int64_t i = 0; i < cut.n; i++)
            assert_true(got[out[i]] > 0 && (many[out[i]] == many[out[cut.n - 1]] || got[out[i]] == 1));
        assert_true(!cut.sharing || got[out[cut.n - 1]] < 1);
    }
    assert_near(ns_shares_jaccard((const float[]){1, .5f, .5f}, (const float[]){1, 1, 0}, 3), 1.5 / 2.5, 1e-12);
    assert_true(isnan(ns_shares_jaccard((const float[]){0, 0}, (const float[]){0, 0}, 2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_lists), cmocka_unit_test(test_shares)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
