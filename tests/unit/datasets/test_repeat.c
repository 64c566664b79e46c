/* test_repeat.c - random tokens that come again, and their controls: what is a copy of what, and what no kind may hold. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../datasets/needle_internal.h"

#define OK(call) assert_int_equal(call, NS_OK)

static void test_repeat(void **state)
{
    (void)state;
    const ns_repeat_params p = {.size = sizeof p, .length = 100, .count = 2, .seed = 1, .vocab = 60, .first_id = 10, .bos = 3};
    ns_cases cases = {0};
    assert_int_equal(ns_repeat_cases(&cases, &p, NULL), NS_OK);
    assert_int_equal(cases.n, 2);
    const ns_case *const c = &cases.list[0];
    assert_int_equal(c->n_tokens, 99);
    assert_int_equal(c->tokens[0], 3);
    assert_int_equal(c->n_answer, 0);
    assert_memory_equal(c->tokens + 1, c->tokens + 50, 49 * sizeof(int32_t));
    assert_int_equal(ns_case_span(c, "second")->begin, 50);
    for (int64_t i = 1; i < 99; i++)
        assert_in_range(c->tokens[i], 10, 59);
    assert_memory_not_equal(c->tokens, cases.list[1].tokens, 99 * sizeof(int32_t));
    ns_cases_clear(&cases);
    ns_repeat_params bad = p;
    bad.length = 2;
    assert_int_equal(ns_repeat_cases(&cases, &bad, NULL), NS_E_ARG);
    bad = p;
    bad.bos = 60;
    assert_int_equal(ns_repeat_cases(&cases, &bad, NULL), NS_E_ARG);
}

static ns_case kind_case(ns_repeat_kind kind, int64_t length, ns_cases *cases)
{
    const ns_repeat_params p =
        {.size = sizeof p, .length = length, .count = 3, .seed = 5, .vocab = 400, .first_id = 10, .bos = 3, .kind = kind};
    OK(ns_repeat_cases(cases, &p, NULL));
    assert_int_equal(cases->n, 3);
    assert_non_null(strstr(cases->list[2].meta, "\"ids_sha256\""));
    return cases->list[2];
}

/* How often is the token said before place i, and where last? */
static int copies_before(const ns_case *c, int64_t i, int64_t *last)
{
    int n = 0;
    for (int64_t p = 1; p < i; p++)
        if (c->tokens[p] == c->tokens[i]) {
            *last = p;
            n++;
        }
    return n;
}

static void test_shuffled(void **state)
{
    (void)state;
    static const int64_t lengths[] = {9, 21, 201};
    for (int l = 0; l < 3; l++) {
        ns_cases plain = {0}, shuffled = {0};
        const ns_case a = kind_case(NS_REPEAT, lengths[l], &plain), b = kind_case(NS_REPEAT_SHUFFLED, lengths[l], &shuffled);
        const int64_t half = (lengths[l] - 1) / 2;
        assert_memory_equal(a.tokens, b.tokens, (size_t)(1 + half) * sizeof(int32_t));
        int64_t left = 0, sum = 0;
        for (int64_t i = 1; i <= half; i++) {
            sum += a.tokens[half + i] - b.tokens[half + i];
            left += a.tokens[half + i] == b.tokens[half + i];
        }
        assert_int_equal(sum, 0);
        assert_true(left * 8 <= half);         /* only where r itself says a token twice */
        ns_cases_clear(&plain);
        ns_cases_clear(&shuffled);
    }
}

static void test_previous_and_duplicate(void **state)
{
    (void)state;
    static const int64_t lengths[] = {17, 64, 301};
    for (int l = 0; l < 3; l++) {
        ns_cases previous = {0}, duplicate = {0};
        const ns_case a = kind_case(NS_REPEAT_PREVIOUS, lengths[l], &previous), b = kind_case(NS_REPEAT_DUPLICATE, lengths[l], &duplicate);
        int64_t last = 0, second = 0;
        for (int64_t i = 1; i < a.n_tokens; i++) {
            assert_int_equal(copies_before(&a, i, &last), 0);
            assert_in_range(a.tokens[i], 10, 399);
            const int copies = copies_before(&b, i, &last);
            assert_in_range(copies, 0, 1);
            if (copies)
                assert_true(i - last >= 3);
            second += copies;
        }
        assert_int_equal(second, (b.n_tokens - 1) / 2);
        ns_cases_clear(&previous);
        ns_cases_clear(&duplicate);
    }
}

static void test_kind_errors(void **state)
{
    (void)state;
    ns_cases cases = {0};
    ns_error err;
    ns_repeat_params p = {.size = sizeof p, .length = 7, .vocab = 60, .bos = -1, .kind = NS_REPEAT_SHUFFLED};
    assert_int_equal(ns_repeat_cases(&cases, &p, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "too short for kind shuffled, which takes 8"));
    p = (ns_repeat_params){.size = sizeof p, .length = 80, .vocab = 60, .bos = -1, .kind = NS_REPEAT_PREVIOUS};
    assert_int_equal(ns_repeat_cases(&cases, &p, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "80 distinct tokens"));
    p.kind = NS_REPEAT_KINDS;
    assert_int_equal(ns_repeat_cases(&cases, &p, &err), NS_E_ARG);
    assert_int_equal(cases.n, 0);
    ns_cases_clear(&cases);
    for (int k = 0; k < NS_REPEAT_KINDS; k++)
        assert_non_null(ns_repeat_kind_name(k));
    assert_null(ns_repeat_kind_name(NS_REPEAT_KINDS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeat), cmocka_unit_test(test_shuffled), cmocka_unit_test(test_previous_and_duplicate),
        cmocka_unit_test(test_kind_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
