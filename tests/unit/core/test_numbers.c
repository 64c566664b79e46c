/* test_numbers.c - the random stream: published vectors, bounds, uniformity, and the normal quantile against libm's erfc. */
#include "../../compare.h"
#include "check.h"

/* splitmix64 from seed 1234567 gives these (Vigna's reference program); they become the state. */
static void seeding_vectors(void **state)
{
    (void)state;
    static const uint64_t expected[4] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u};
    const ns_rng rng = ns_rng_seed(1234567, 0);
    for (int i = 0; i < 4; i++)
        assert_true(rng.s[i] == expected[i]);
}

/* xoshiro256++ from state 1 2 3 4 (the vector of the Rust crate rand_xoshiro). */
static void generator_vectors(void **state)
{
    (void)state;
    static const uint64_t expected[10] = {41943041u, 58720359u, 3588806011781223u, 3591011842654386u, 9228616714210784205u,
                                          9973669472204895162u, 14011001112246962877u, 12406186145184390807u, 15849039046786891736u,
                                          10450023813501588000u};
    ns_rng rng = {{1, 2, 3, 4}};
    for (int i = 0; i < 10; i++)
        assert_true(ns_rng_u64(&rng) == expected[i]);
}

static void streams_differ(void **state)
{
    (void)state;
    ns_rng a = ns_rng_seed(1, 0), b = ns_rng_seed(1, 1), c = ns_rng_seed(1, 0), d = ns_rng_seed(2, 0);
    const uint64_t first = ns_rng_u64(&a);
    assert_true(first == ns_rng_u64(&c));
    assert_true(first != ns_rng_u64(&b));
    assert_true(first != ns_rng_u64(&d));
}

static void below_is_uniform(void **state)
{
    (void)state;
    ns_rng rng = ns_rng_seed(5, 0);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        const int64_t x = ns_rng_below(&rng, 7);
        assert_in_range(x, 0, 6);
        counts[x]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 9600, 10400);   /* 4.3 sigma */
    const int64_t big = INT64_MAX / 3 * 2;         /* a naive remainder would be visibly uneven here */
    int low = 0;
    for (int i = 0; i < 10000; i++)
        low += ns_rng_below(&rng, big) < big / 2;
    assert_in_range(low, 4785, 5215);
    assert_int_equal(ns_rng_below(&rng, 1), 0);
    assert_int_equal(ns_rng_below(&rng, 0), 0);
}

static void uniform_stays_inside(void **state)
{
    (void)state;
    ns_rng rng = ns_rng_seed(6, 0);
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        const double u = ns_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        sum += u;
    }
    assert_true(fabs(sum / 100000 - 0.5) < 0.004);
}

/* Each normal number x comes from one known u: Phi(x) must be u, in the tails too (relative to the tail's size). */
static void normal_inverts_the_distribution(void **state)
{
    (void)state;
    ns_rng rng = ns_rng_seed(7, 3);
    ns_worst worst = {0};
    double sum = 0, squares = 0;
    const int n = 200000;
    for (int i = 0; i < n; i++) {
        ns_rng copy = rng;
        const double u = ((double)(ns_rng_u64(&copy) >> 12) + 0.5) * 0x1p-52, x = ns_rng_normal(&rng);
        const double tail = 0.5 * erfc(fabs(x) / sqrt(2)), wanted = u < 0.5 ? u : 1 - u;
        assert_true((x < 0) == (u < 0.5));
        ns_worst_add(&worst, (tail - wanted) / wanted);
        sum += x;
        squares += x * x;
    }
    assert_true(ns_worst_within(&worst, 1e-13, n));
    assert_true(fabs(sum / n) < 0.01);
    assert_true(fabs(squares / n - 1) < 0.02);
}

/* The extreme draws: state chosen so that the next u64 is all zeros or all ones. */
static void normal_is_finite_at_the_ends(void **state)
{
    (void)state;
    ns_rng zero = {{0, 1, 0, 0}}, ones = {{UINT64_MAX, 1, 0, 0}};
    const double low = ns_rng_normal(&zero);
    assert_true(low < -8.1 && low > -8.4);
    assert_true(isfinite(ns_rng_normal(&ones)));
}

/* Expected: numpy 2.x, np.quantile([1, 2, 4, 8], q) and np.median. */
static void quantiles(void **state)
{
    (void)state;
    static const double sorted[] = {1, 2, 4, 8}, never[] = {3, 5, INFINITY, INFINITY};
    static const struct { double q, value; } rows[] = {{0, 1}, {.025, 1.075}, {.25, 1.75}, {.5, 3}, {.75, 5}, {.9, 6.8}, {1, 8}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(fabs(ns_quantile_sorted(sorted, 4, rows[i].q) - rows[i].value) < 1e-12);
    assert_true(ns_median_sorted(sorted, 3) == 2 && ns_median_sorted(sorted, 1) == 1 && isnan(ns_median_sorted(sorted, 0)));
    assert_true(isinf(ns_median_sorted(never, 4)) && ns_median_sorted(never, 3) == 5 && ns_quantile_sorted(never, 4, .3) < 5);
}

static void largest(void **state)
{
    (void)state;
    static const float values[] = {1, 9, 3, 9, 5, 0};
    assert_int_equal(ns_argmax(values, 6, 1), 1);
    assert_int_equal(ns_argmax(values, 3, 2), 2);
    assert_int_equal(ns_argmax(values, 1, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeding_vectors), cmocka_unit_test(generator_vectors), cmocka_unit_test(streams_differ),
        cmocka_unit_test(below_is_uniform),
        cmocka_unit_test(uniform_stays_inside), cmocka_unit_test(normal_inverts_the_distribution),
        cmocka_unit_test(normal_is_finite_at_the_ends), cmocka_unit_test(quantiles), cmocka_unit_test(largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
