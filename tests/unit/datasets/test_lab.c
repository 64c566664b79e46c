/* test_lab.c - the laboratory's language has the statistics of its recipe, batches depend on seed and number alone, needle cases are what
 * they say, and token files are checked. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <needlescope/lab.h>

enum { T = 64, N = 4000 };

static ns_corpus *open_corpus(uint64_t seed, bool validation)
{
    const ns_corpus_params p = {.size = sizeof p, .seed = seed, .validation = validation};
    ns_corpus *corpus;
    assert_int_equal(ns_corpus_open(&corpus, &p, NULL), NS_OK);
    return corpus;
}

static bool is_filler(int32_t token) { return token < NS_LAB_FILLERS; }
static bool is_key(int32_t token) { return token >= NS_LAB_FILLERS && token < NS_LAB_FILLERS + NS_LAB_KEYS; }

/* The figures of the recipe, from 2000 sequences of its reference; four standard errors of both samples. */
static void test_statistics(void **state)
{
    (void)state;
    ns_corpus *const corpus = open_corpus(11, false);
    int32_t *const tokens = malloc(N * T * sizeof *tokens), *const distance = malloc(N * T * sizeof *distance);
    assert_int_equal(ns_corpus_batch(corpus, 0, N, T, tokens, distance, NULL), NS_OK);
    int64_t mentions = 0, entities = 0, filler = 0, recall = 0, shares[5] = {0}, beyond[5] = {0};
    static const int32_t edges[5] = {4, 8, 16, 32, INT32_MAX}, windows[5] = {2, 4, 8, 16, 32};
    for (int64_t i = 0; i < N * T; i++) {
        mentions += is_key(tokens[i]);
        filler += is_filler(tokens[i]);
        entities += i % T && is_key(tokens[i - 1]) && distance[i] == NS_LAB_NEW;
        recall += distance[i] > 0;
        for (int k = 0; distance[i] > 0 && k < 5; k++) {
            beyond[k] += distance[i] > windows[k];
            if (distance[i] < edges[k] && (k == 0 || distance[i] >= edges[k - 1]))
                shares[k]++;
        }
    }
    assert_true(fabs((double)mentions / N - 17.9) < 0.15);
    assert_true(fabs((double)entities / N - 4.95) < 0.03);
    assert_true(fabs((double)filler / (N * T) - 0.44) < 0.006);
    assert_true(fabs((double)recall / (N * T) - 0.203) < 0.0015);
    static const double expected[5] = {.17, .25, .25, .27, .054}, expected_beyond[5] = {1, .76, .55, .30, .047};
    for (int k = 0; k < 5; k++) {
        assert_true(fabs((double)shares[k] / (double)recall - expected[k]) < 0.012);
        assert_true(fabs((double)beyond[k] / (double)recall - expected_beyond[k]) < 0.012);
    }
    free(distance);
    free(tokens);
    ns_corpus_close(corpus);
}

/* A recall distance d means that the same pair stands d tokens before, and nowhere nearer. */
static void test_distances_hold(void **state)
{
    (void)state;
    ns_corpus *const corpus = open_corpus(3, true);
    int32_t tokens[100 * T], distance[100 * T];
    assert_int_equal(ns_corpus_batch(corpus, 5, 100, T, tokens, distance, NULL), NS_OK);
    for (int b = 0; b < 100; b++) {
        const int32_t *const x = tokens + b * T, *const d = distance + b * T;
        for (int t = 1; t < T; t++) {
            assert_int_equal(d[t] == NS_LAB_FILLER, is_filler(x[t]) && is_filler(x[t - 1]));
            if (d[t] <= 0)
                continue;
            assert_int_equal(x[t], x[t - d[t]]);
            assert_int_equal(x[t - 1], x[t - d[t] - 1]);
            for (int k = 1; k < d[t]; k++)
                assert_int_not_equal(x[t - 1 - k], x[t - 1]);
        }
    }
    ns_corpus_close(corpus);
}

static void test_batches_by_number(void **state)
{
    (void)state;
    ns_corpus *const corpus = open_corpus(3, false), *const other = open_corpus(4, false), *const held = open_corpus(3, true);
    int32_t two[2 * 32 * T], again[32 * T];
    assert_int_equal(ns_corpus_batch(corpus, 0, 64, T, two, NULL, NULL), NS_OK);
    assert_int_equal(ns_corpus_batch(corpus, 1, 32, T, again, NULL, NULL), NS_OK);
    assert_memory_equal(two + 32 * T, again, sizeof again);
    assert_int_equal(ns_corpus_batch(other, 1, 32, T, again, NULL, NULL), NS_OK);
    assert_memory_not_equal(two + 32 * T, again, sizeof again);
    assert_int_equal(ns_corpus_batch(held, 0, 32, T, again, NULL, NULL), NS_OK);
    assert_memory_not_equal(two, again, sizeof again);
    ns_corpus_close(held);
    ns_corpus_close(other);
    ns_corpus_close(corpus);
}

static int count_pairs(const ns_case *c, int32_t key, int64_t *last)
{
    int n = 0;
    for (int64_t t = 0; t + 1 < c->n_tokens; t++) {
        if (c->tokens[t] == key) {
            n++;
            *last = t;
        }
    }
    return n;
}

/* Values of different keys differ, and "the entity mentioned least" does not give the needle away in the odd half. */
static void check_case(const ns_case *c, int64_t length, bool often)
{
    const int32_t key = c->tokens[c->n_tokens - 1];
    int64_t last = -1, other;
    const int n = count_pairs(c, key, &last);
    assert_int_equal(ns_case_span(c, "needle")->begin, last);
    assert_int_equal(ns_case_source(c, 0), last + 1);
    assert_int_equal(c->tokens[last + 1], c->answer[0]);
    assert_true(c->n_tokens - 1 - last >= length / 2 + 2);
    assert_true(c->n_tokens >= 3 * length / 4 - 1 && c->n_tokens <= length - 1);
    int equal = 0, seen = 0;
    for (int32_t k = NS_LAB_FILLERS; k < NS_LAB_FILLERS + NS_LAB_KEYS; k++) {
        const int m = k == key ? 0 : count_pairs(c, k, &other);
        equal += m == n;
        seen += m > 0;
        assert_true(m == 0 || c->tokens[other + 1] != c->answer[0]);
    }
    assert_true(seen > 0);
    assert_true(often ? n >= 2 && equal > 0 : n == 1);
    for (int i = 0; i < seen; i++) {
        char name[40];
        snprintf(name, sizeof name, "distractor_answer.%d", i);
        assert_non_null(ns_case_span(c, name));
    }
    assert_true(often == (ns_case_span(c, "needle_answer.0") != NULL));
}

static void check_cases(int64_t length)
{
    ns_cases cases = {0}, twins = {0};
    ns_lab_cases_params p = {.size = sizeof p, .length = length, .seed = 5};
    assert_int_equal(ns_lab_cases(&cases, &p, NULL), NS_OK);
    p.swap = true;
    assert_int_equal(ns_lab_cases(&twins, &p, NULL), NS_OK);
    assert_int_equal(cases.n, 256);
    bool queries[1024] = {0};
    int n_queries = 0;
    for (int64_t i = 0; i < cases.n; i++) {
        const ns_case *const c = &cases.list[i], *const twin = &twins.list[i];
        check_case(c, length, i % 2 == 1);
        assert_string_equal(twin->twin_of, c->id);
        assert_int_equal(twin->n_tokens, c->n_tokens);
        assert_memory_equal(twin->tokens, c->tokens, (size_t)(c->n_tokens - 1) * sizeof *c->tokens);
        assert_int_not_equal(twin->tokens[c->n_tokens - 1], c->tokens[c->n_tokens - 1]);
        assert_int_equal(twin->tokens[ns_case_source(twin, 0)], twin->answer[0]);
        n_queries += !queries[c->n_tokens];
        queries[c->n_tokens] = true;
    }
    assert_true(n_queries > length / 8);
    ns_cases_clear(&twins);
    ns_cases_clear(&cases);
}

static void test_cases(void **state)
{
    (void)state;
    check_cases(64);
    check_cases(128);
    check_cases(256);
}

static char path[] = "/tmp/ns_lab_XXXXXX";

static void write_file(const void *data, size_t n)
{
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int open_file(ns_corpus **corpus, int width, bool validation, ns_error *err)
{
    const ns_corpus_params p = {.size = sizeof p, .file = path, .width = width, .vocab = 1000, .validation = validation};
    return ns_corpus_open(corpus, &p, err);
}

/* Ids count up, so a stretch shows where it was cut. */
static void test_token_file(void **state)
{
    (void)state;
    uint16_t ids[1000];
    int32_t tokens[4 * 50];
    ns_error err;
    ns_corpus *corpus;
    close(mkstemp(path));
    for (uint16_t i = 0; i < 1000; i++)
        ids[i] = i;
    write_file(ids, sizeof ids);
    for (int part = 0; part < 2; part++) {
        assert_int_equal(open_file(&corpus, 2, part == 1, &err), NS_OK);
        assert_int_equal(ns_corpus_batch(corpus, 3, 4, 50, tokens, NULL, &err), NS_OK);
        for (int i = 0; i < 4 * 50; i++) {
            assert_true(part == 1 ? tokens[i] >= 950 : tokens[i] < 950);
            assert_true(i % 50 == 0 || tokens[i] == tokens[i - 1] + 1);
        }
        ns_corpus_close(corpus);
    }
    assert_int_equal(open_file(&corpus, 2, false, &err), NS_OK);
    assert_int_equal(ns_corpus_batch(corpus, 0, 20, 50, NULL, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "950 tokens, shorter than a batch"));
    ns_corpus_close(corpus);
    assert_int_equal(open_file(&corpus, 4, false, &err), NS_OK);     /* two ids read as one: far beyond the vocabulary */
    assert_int_equal(ns_corpus_batch(corpus, 0, 1, 50, tokens, NULL, &err), NS_E_FORMAT);
    ns_corpus_close(corpus);
    write_file(ids, 1999);
    assert_int_equal(open_file(&corpus, 2, false, &err), NS_E_FORMAT);
    assert_null(corpus);
    assert_int_equal(open_file(&corpus, 3, false, &err), NS_E_ARG);
    unlink(path);
    assert_int_equal(open_file(&corpus, 2, false, &err), NS_E_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics), cmocka_unit_test(test_distances_hold), cmocka_unit_test(test_batches_by_number),
        cmocka_unit_test(test_cases), cmocka_unit_test(test_token_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
