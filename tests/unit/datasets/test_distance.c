/* test_distance.c - needles at a distance from the query: exact in every case, in text and in tokens, by counting tokens here; the same
 * whatever else is made; what has no room is said. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../datasets/needle_internal.h"

#define OK(call) assert_int_equal(call, NS_OK)

static const ns_tokenizer *const fake = (const ns_tokenizer *)"fake";

static ns_needle_params params(const int64_t *lengths, int n_lengths, const int64_t *distances, int n_distances)
{
    return (ns_needle_params){.size = sizeof(ns_needle_params), .lengths = lengths, .n_lengths = n_lengths, .distances = distances,
                              .n_distances = n_distances, .seed = 7, .vocab = 4096};
}

/* Tokens from the row that says the answer's first content token back to the last place where the prompt holds the whole answer. */
static int64_t count_back(const ns_case *c)
{
    const int64_t m = c->n_answer - c->n_lead;
    int64_t at = c->n_tokens - m;
    while (at >= 0 && memcmp(c->tokens + at, c->answer + c->n_lead, (size_t)m * sizeof *c->tokens))
        at--;
    return c->n_tokens - 1 + c->n_lead - at;
}

static void check(const ns_case *c, int64_t length)
{
    const int64_t counted = count_back(c);
    assert_int_equal(ns_case_meta_number(c, "distance", -1), counted);
    assert_int_equal(ns_case_meta_number(c, "depth", -1), -1);
    assert_true(c->n_tokens <= length);
    if (ns_case_span(c, "needle")) {
        assert_int_equal(ns_case_distance(c), counted);
        for (int64_t j = c->n_lead; j < c->n_answer; j++)          /* for every token of the answer the same */
            assert_int_equal(c->n_tokens - 1 + j - ns_case_source(c, j), counted);
    } else {
        assert_int_equal(ns_case_distance(c), -1);
    }
    if (!c->twin_of) {
        char id[32];
        snprintf(id, sizeof id, "-d%lld-", (long long)counted);
        assert_non_null(strstr(c->id, id));
    }
}

static void check_all(ns_needle_params p, int64_t n, int64_t slack)
{
    ns_cases cases = {0};
    ns_error err = {0};
    p.twins = NS_TWIN_SWAP | NS_TWIN_ABSENT;
    if (ns_needle_cases(&cases, &p, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(cases.n, 3 * n);
    for (int64_t i = 0; i < cases.n; i++) {
        const int64_t length = (int64_t)ns_case_meta_number(&cases.list[i], "length", -1);
        check(&cases.list[i], length);
        assert_true(cases.list[i].n_tokens >= length - slack);
    }
    ns_cases_clear(&cases);
}

static void test_tokens(void **state)
{
    (void)state;
    const int64_t lengths[] = {300, 64}, distances[] = {5, 6, 7, 8, 20, 21, 43};
    ns_needle_params p = params(lengths, 2, distances, 7);
    p.count = 20;
    check_all(p, 2 * 7 * 20, 0);
    p.answer_tokens = 1;
    p.keys = 1;
    p.twins = 0;
    ns_cases cases = {0};
    OK(ns_needle_cases(&cases, &p, NULL));
    for (int64_t i = 0; i < cases.n; i++)
        check(&cases.list[i], 300);
    ns_cases_clear(&cases);
}

/* All value types in both templates, every distance of a range: no one is off by a token, and the length is filled. */
static void test_text(void **state)
{
    (void)state;
    const int64_t lengths[] = {1600};
    int64_t distances[60];
    for (int i = 0; i < 60; i++)
        distances[i] = 150 + 11 * i;
    ns_needle_params p = params(lengths, 1, distances, 60);
    p.tokenizer = fake;
    check_all(p, 6 * 60, 90);
}

/* Distractors stand on both sides, and a near needle has them before it. */
static void test_sides(void **state)
{
    (void)state;
    const int64_t lengths[] = {300}, distances[] = {150, 9};
    ns_needle_params p = params(lengths, 1, distances, 2);
    ns_cases cases = {0};
    int behind[2] = {0, 0};
    p.count = 30;
    OK(ns_needle_cases(&cases, &p, NULL));
    for (int64_t i = 0; i < cases.n; i++)
        for (int k = 0; k < 3; k++) {
            char name[16];
            snprintf(name, sizeof name, "distractor.%d", k);
            behind[i / 30] += ns_case_span(&cases.list[i], name)->begin > ns_case_span(&cases.list[i], "needle")->begin;
        }
    assert_true(behind[0] > 25 && behind[0] < 65);              /* of 90, half */
    assert_true(behind[1] < 10);
    ns_cases_clear(&cases);
}

/* Another distance, length or twin changes no case. */
static void test_independent(void **state)
{
    (void)state;
    const int64_t many[] = {500, 700}, one[] = {700}, distances[] = {300, 160}, distance[] = {160};
    for (int text = 0; text < 2; text++) {
        ns_needle_params p = params(many, 2, distances, 2), q = params(one, 1, distance, 1);
        ns_cases all = {0}, few = {0};
        p.twins = NS_TWIN_SWAP | NS_TWIN_NULL;
        p.tokenizer = q.tokenizer = text ? fake : NULL;
        OK(ns_needle_cases(&all, &p, NULL));
        OK(ns_needle_cases(&few, &q, NULL));
        assert_int_equal(few.n, text ? 6 : 1);
        for (int64_t i = 0, same = 0; i < few.n; i++, same = 0) {
            for (int64_t k = 0; k < all.n; k++)
                if (strcmp(few.list[i].id, all.list[k].id) == 0) {
                    assert_int_equal(few.list[i].n_tokens, all.list[k].n_tokens);
                    assert_memory_equal(few.list[i].tokens, all.list[k].tokens, (size_t)few.list[i].n_tokens * sizeof(int32_t));
                    same++;
                }
            assert_int_equal(same, 1);
        }
        ns_cases_clear(&all);
        ns_cases_clear(&few);
    }
}

static void expect(ns_needle_params p, const char *message)
{
    ns_cases cases = {0};
    ns_error err = {0};
    assert_int_equal(ns_needle_cases(&cases, &p, &err), NS_E_ARG);
    if (!strstr(err.message, message))
        fail_msg("says '%s', not ...%s...", err.message, message);
    assert_int_equal(cases.n, 0);
    ns_cases_clear(&cases);
}

static void test_errors(void **state)
{
    (void)state;
    const int64_t lengths[] = {300}, none[] = {0}, less[] = {-3}, far[] = {300}, twice[] = {50, 50};
    const int64_t near[] = {4}, full[] = {297}, good[] = {50};
    const double depth = .5;
    expect(params(lengths, 1, none, 1), "distance 0 is not a number of tokens");
    expect(params(lengths, 1, less, 1), "distance -3 is not a number of tokens");
    expect(params(lengths, 1, far, 1), "distance 300 lies outside prompts of 300 tokens");
    expect(params(lengths, 1, twice, 2), "distance 50 is given twice");
    expect(params(lengths, 1, near, 1), "distance 4 is too near: the value, what ends its needle and the question take 5 tokens");
    expect(params(lengths, 1, full, 1), "no room for a haystack in front of a needle at distance 297");
    ns_needle_params p = params(lengths, 1, good, 1);
    p.depths = &depth;
    p.n_depths = 1;
    expect(p, "a depth or a distance, not both");
    p = params(lengths, 1, near, 1);
    p.tokenizer = fake;
    expect(p, "distance 4 is too near");
}

/* A length that lacks a distance drops its case and keeps the others'. */
static void test_dropped(void **state)
{
    (void)state;
    const int64_t lengths[] = {300, 64}, distances[] = {100};
    ns_case_drops dropped = {0};
    ns_cases cases = {0};
    ns_needle_params p = params(lengths, 2, distances, 1);
    p.dropped = &dropped;
    OK(ns_needle_cases(&cases, &p, NULL));
    assert_int_equal(cases.n, 1);
    assert_int_equal(dropped.n, 1);
    assert_string_equal(dropped.list[0].id, "needle-s7-64-d100-0");
    assert_non_null(strstr(dropped.list[0].reason, "length 64 has no room for a haystack in front of a needle at distance 100"));
    ns_case_drops_clear(&dropped);
    ns_cases_clear(&cases);
}

/* Of several mentions the last one counts; without an answer or a needle there is no distance. */
static void test_mentions(void **state)
{
    (void)state;
    int32_t tokens[] = {9, 5, 6, 9, 5, 6, 9, 9}, answer[] = {8, 5, 6};
    ns_span spans[] = {{(char *)"needle_answer", 4, 6}, {(char *)"needle_answer.0", 1, 3}};
    ns_case c = {.tokens = tokens, .n_tokens = 8, .answer = answer, .n_answer = 3, .n_lead = 1, .spans = spans, .n_spans = 2};
    assert_int_equal(ns_case_distance(&c), 4);
    spans[0] = spans[1];
    assert_int_equal(ns_case_distance(&c), 7);
    c.n_spans = 0;
    assert_int_equal(ns_case_distance(&c), -1);
    c.n_spans = 2;
    c.n_answer = c.n_lead = 0;
    assert_int_equal(ns_case_distance(&c), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens), cmocka_unit_test(test_text), cmocka_unit_test(test_sides), cmocka_unit_test(test_independent),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_dropped), cmocka_unit_test(test_mentions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
