/* test_null.c - the null of the best head: uniform p where needle and distractors are alike, no on a plateau where heads look at any value,
 * yes where one finds the needle; with a placebo it cannot tell the plateau. And what chance does to thresholds. */
#include "../../unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/training.h>

#include "core/core.h"

enum { C = 120, K = 8 };
typedef struct data { float hits[C * K], distractor[C * K], placebo[C * K]; double mentions[C], distractors[C]; } data;

/* Every head looks at one of the values of each case; with `finds` at the needle in that share of the cases on top. All heads of a case may
 * look at the same one. */
static void look_at_values(data *d, double finds, bool together, ns_rng *rng)
{
    for (int c = 0; c < C; c++) {
        d->mentions[c] = 1 + c % 2;
        d->distractors[c] = 3 + c % 3;
        const int64_t places = (int64_t)(d->mentions[c] + d->distractors[c]), common = ns_rng_below(rng, places);
        for (int h = 0; h < K; h++) {
            const bool found = h == 2 && ns_rng_uniform(rng) < finds,
                       needle = found || (together ? common : ns_rng_below(rng, places)) < (int64_t)d->mentions[c];
            d->hits[c * K + h] = needle;
            d->distractor[c * K + h] = !needle;
            d->placebo[c * K + h] = 0;
        }
    }
}

static ns_max_null null_of(const data *d, bool placebo, int seed)
{
    const ns_null_cases cases = {
        d->hits, placebo ? d->placebo : d->distractor, placebo ? NULL : d->mentions, placebo ? NULL : d->distractors, C, K};
    ns_error err = {0};
    ns_max_null out;
    assert_int_equal(ns_max_permutation(&cases, 199, (uint64_t)seed, &out, &err), NS_OK);
    return out;
}

/* Of 300 worlds where it makes no difference which value was asked for, p <= x in a share of about x. */
static void check_uniform(bool together, double most)
{
    enum { WORLDS = 300 };
    static data d;
    ns_rng rng = ns_rng_seed(together ? 11 : 7, 0);
    int below[3] = {0};
    static const double levels[3] = {.05, .2, .5};
    for (int i = 0; i < WORLDS; i++) {
        look_at_values(&d, 0, together, &rng);
        const double p = null_of(&d, false, i).p;
        for (int k = 0; k < 3; k++)
            below[k] += p <= levels[k];
    }
    for (int k = 0; k < 3; k++) {
        const double expected = levels[k] * WORLDS, sd = sqrt(expected * (1 - levels[k]));
        print_message("%s: p <= %g in %d of %d worlds\n", together ? "heads together" : "heads apart", levels[k], below[k], WORLDS);
        assert_true(below[k] <= expected + 3 * sd);
        assert_true(below[k] >= most * (expected - 3 * sd));
    }
}

static void test_uniform(void **state)
{
    (void)state;
    check_uniform(false, 1);
    check_uniform(true, 0); /* heads that move together: their maximum is smaller than the null's, so p is too large, never too small */
}

static void test_plateau(void **state)
{
    (void)state;
    static data d;
    int said = 0, placebo_said = 0;
    ns_rng rng = ns_rng_seed(3, 0);
    for (int i = 0; i < 40; i++) {
        look_at_values(&d, 0, false, &rng);
        said += null_of(&d, false, i).p <= .05;
        placebo_said += null_of(&d, true, i).p <= .05;
    }
    assert_true(said <= 7);              /* 2 expected */
    assert_int_equal(placebo_said, 40);  /* why the placebo is no control here */
    look_at_values(&d, .4, false, &rng); /* at a birth: about .4 + .6 * .27 of its hits are the needle's */
    const ns_max_null born = null_of(&d, false, 1);
    assert_true(born.p <= .01 && born.observed > born.bound);
}

/* One place each: needle and control change names for all heads at once, (1 + as large) / (1 + n); cases with no control say nothing. */
static void test_single(void **state)
{
    (void)state;
    static data d;
    ns_rng rng = ns_rng_seed(5, 0);
    look_at_values(&d, 0, false, &rng);
    for (int c = 0; c < C; c++) {
        d.mentions[c] = 1;
        d.distractors[c] = 1;
        for (int h = 0; h < K; h++) {
            d.hits[c * K + h] = h == 5 || ns_rng_uniform(&rng) < .2;
            d.placebo[c * K + h] = d.distractor[c * K + h] = d.hits[c * K + h] == 0 && ns_rng_uniform(&rng) < .2;
        }
    }
    const ns_max_null one = null_of(&d, true, 1), same = null_of(&d, false, 1);
    assert_true(one.p == .005 && one.observed == 1 && one.bound < .4);
    assert_true(same.p == one.p && same.observed == one.observed && same.bound == one.bound);
    for (int c = 0; c < C; c++)
        d.distractors[c] = 0;
    assert_true(isnan(null_of(&d, false, 1).p));
}

static void test_above_chance(void **state)
{
    (void)state;
    assert_true(ns_above_chance(.5, .5) == 0 && ns_above_chance(.75, .5) == .5 && ns_above_chance(1, .5) == 1);      /* a window of two */
    assert_true(ns_theta_above_chance(.5, .5) == .75 && ns_theta_above_chance(.5, .25) == .625);
    assert_true(ns_above_chance(.51, .02) == .51 && ns_theta_above_chance(.5, .125) == .5); /* far below: as it was */
    assert_true(isnan(ns_above_chance(1, 1)) && isnan(ns_above_chance(NAN, .5)));
    for (double chance = 0; chance < 1; chance += .05)
        for (double theta = .1; theta <= 1; theta += .1) {
            const double used = ns_theta_above_chance(theta, chance);
            assert_true(used <= 1 + 1e-12 && (chance <= NS_CHANCE_SMALL || used > chance)); /* between chance and 1 */
            assert_near(ns_above_chance(used, chance), theta, 1e-12);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_uniform), cmocka_unit_test(test_plateau), cmocka_unit_test(test_single),
                                       cmocka_unit_test(test_above_chance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
