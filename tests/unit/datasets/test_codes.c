/* test_codes.c - the bound that all margins of a planted checkpoint stand on: any two Kerdock words of length n have a scalar product
 * of 0 or +-1/sqrt(n). All pairs at n = 64, a sample at n = 256. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "../../../datasets/planted.h"

static void check_words(int64_t n, int64_t count)
{
    float *const words = ns_alloc_array((size_t)(n * count), sizeof *words);
    assert_non_null(words);
    ns_rng rng = ns_rng_seed(3, 1);
    assert_int_equal(ns_codes(words, n, n, count, &rng, NULL), NS_OK);
    const float rho = 1 / sqrtf((float)n);
    int64_t apart = 0;
    for (int64_t a = 0; a < count; a++) {
        for (int64_t b = a; b < count; b++) {
            float dot = 0;                     /* sums of +-1/n: exact */
            for (int64_t i = 0; i < n; i++)
                dot += words[a * n + i] * words[b * n + i];
            if (a == b ? dot != 1 : fabsf(dot) != rho && dot != 0)
                fail_msg("words %lld and %lld of length %lld: product %g", (long long)a, (long long)b, (long long)n, dot);
            apart += dot == 0;
        }
    }
    assert_true(apart > 0);
    free(words);
}

static void test_small(void **state)
{
    (void)state;
    check_words(64, 2048);
}

static void test_large(void **state)
{
    (void)state;
    check_words(256, 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_small), cmocka_unit_test(test_large)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
