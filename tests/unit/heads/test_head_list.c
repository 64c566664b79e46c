/* test_head_list.c - lists of heads in each form: what is read, what is refused and why, and that a list that is written is read again. */
#include "../../unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/head_list.h>

static ns_head_list parsed(const char *text, const char *label)
{
    ns_head_list l;
    ns_error err = {""};
    if (ns_head_list_parse(&l, text, strlen(text), label, &err) != NS_OK)
        fail_msg("%s: %s", text, err.message);
    return l;
}

static void expect(const ns_head_list *l, int64_t i, int64_t layer, int64_t head, double score, bool chosen)
{
    assert_true(i < l->n && l->list[i].head.layer == layer && l->list[i].head.head == head && l->list[i].chosen == chosen);
    assert_near(l->list[i].score, score, 1e-15);
}

static void test_retrieval_head(void **state)
{
    (void)state;
    ns_head_list l = parsed("{\"0-0\": [0, 0, 0.3], \"0-1\": [], \"11-15\": [1, 0.5], \"2-0\": 0.25}", "a.json");
    assert_string_equal(l.format, "retrieval_head");
    assert_true(l.n == 3 && l.empty == 1 && l.n_chosen == 0 && l.n_trials == 6);
    expect(&l, 0, 0, 0, .1, false);
    expect(&l, 1, 11, 15, .75, false);
    expect(&l, 2, 2, 0, .25, false);
    assert_true(l.list[1].n_trials == 2 && l.trials[l.list[1].first + 1] == .5);
    ns_head_list_clear(&l);
}

static void test_locos(void **state)
{
    (void)state;
    ns_head_list l = parsed("{\"meta\": {\"model\": \"m\", \"n\": [1]}, \"scores\": {\"3-1\": [2, 4], \"3-2\": [-1]}}", "a.json");
    assert_string_equal(l.format, "locos");
    assert_int_equal(l.n, 2);
    expect(&l, 0, 3, 1, 3, false);
    expect(&l, 1, 3, 2, -1, false);
    ns_head_list_clear(&l);
}

static void test_target_heads(void **state)
{
    (void)state;
    ns_head_list l = parsed("{\"model_path\": \"m\", \"top_k\": 1, \"target_heads\": [{\"layer\": 1, \"head\": 0, \"score\": 0.9}],"
                            " \"layer_head_scores\": [[0.1, 0.2], [0.9, 0.3]]}", "a.json");
    assert_string_equal(l.format, "target_heads");
    assert_true(l.n == 4 && l.n_chosen == 1);
    expect(&l, 0, 1, 0, .9, true);
    expect(&l, 1, 0, 0, .1, false);
    expect(&l, 3, 1, 1, .3, false);
    ns_head chosen[1];
    assert_int_equal(ns_head_list_chosen(&l, "a.json", chosen, NULL), NS_OK);
    assert_true(ns_head_is(chosen[0], (ns_head){1, 0}));
    ns_head_list_clear(&l);
}

static void test_qrhead(void **state)
{
    (void)state;
    ns_head_list l = parsed("[[\"13-18\", 0.5], [\"8-11\", 0.25]]", "a.json");
    ns_error err = {""};
    ns_head none[2];
    assert_string_equal(l.format, "qrhead");
    expect(&l, 0, 13, 18, .5, false);
    expect(&l, 1, 8, 11, .25, false);
    assert_int_equal(ns_head_list_chosen(&l, "a.json", none, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "--scores a.json --top K"));
    ns_head_list_clear(&l);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const same[] = {"13-18,13-21,8-11\n", "13.18 13.21\n8.11", "[\"13-18\", \"13-21\", \"8-11\"]",
                                       "[[13, 18], [13, 21], [8, 11]]"};
    for (int i = 0; i < 4; i++) {
        ns_head_list l = parsed(same[i], "a");
        assert_true(strcmp(l.format, "names") == 0 && l.ordered && l.n == 3 && l.n_chosen == 3);
        expect(&l, 0, 13, 18, 3, true);
        expect(&l, 1, 13, 21, 2, true);
        expect(&l, 2, 8, 11, 1, true);
        ns_head_list_clear(&l);
    }
}

/* Their own reader clips to [0, 1]; a KV head is all the query heads that share it. */
static void test_duo(void **state)
{
    (void)state;
    float values[2 * 4];
    ns_error err = {""};
    ns_head_list l = parsed("9.5e-01\t-1e-3\n0\t1.25\n", "full_attention_heads.tsv"), one = parsed("0.5\n0.25\n", "a.tsv");
    assert_true(strcmp(l.format, "duo") == 0 && l.of_kv && l.n == 4 && one.n == 2 && one.of_kv);
    assert_int_equal(ns_head_list_values(&l, "a", 2, 4, values, &err), NS_OK);
    static const float want[] = {.95f, .95f, 0, 0, 0, 0, 1, 1};
    for (int i = 0; i < 8; i++)
        assert_near((double)values[i], (double)want[i], 0);
    assert_int_equal(ns_head_list_values(&l, "a", 2, 3, values, &err), NS_E_ARG);
    assert_int_equal(ns_head_list_values(&l, "a", 1, 4, values, &err), NS_E_ARG);
    ns_head_list_clear(&l);
    ns_head_list_clear(&one);
}

static void test_values(void **state)
{
    (void)state;
    float values[6];
    ns_error err = {""};
    ns_head_list l = parsed("0-2,1-0", "a");
    assert_int_equal(ns_head_list_values(&l, "a", 2, 3, values, &err), NS_OK);
    assert_true(values[2] == 2 && values[3] == 1 && isnan(values[0]) && isnan(values[5]));
    assert_int_equal(ns_head_list_values(&l, "a", 2, 2, values, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "head 2, and there are 2 layers of 2 heads"));
    ns_head_list_clear(&l);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } bad[] = {
        {"", "no heads"},
        {"{}", "no heads"},
        {"[]", "no heads"},
        {"{\"0-0\": []}", "have no numbers"},
        {"3-1,3-1", "3-1 is listed twice"},
        {"[[\"3-1\", 1], [\"3-1\", 2]]", "3-1 is listed twice"},
        {"3-1,x", "'x' is no head"},
        {"3", "'3' is no head"},
        {"3-1-2", "is no head"},
        {"-3-1", "is no head"},
        {"3-99999", "is no head"},
        {"{\"a\": [1]}", "a: no head"},
        {"{\"0-0\": [\"x\"]}", "what is no number"},
        {"{\"scores\": [1]}", "it is an object"},
        {"{\"target_heads\": {}}", "it is a list"},
        {"{\"target_heads\": [{\"layer\": 1, \"head\": 2}]}", "\"score\" is missing"},
        {"{\"target_heads\": [{\"layer\": 1.5, \"head\": 2, \"score\": 1}]}", "no head"},
        {"{\"target_heads\": [], \"layer_head_scores\": [1]}", "a list for each layer"},
        {"{\"target_heads\": [{\"layer\": 0, \"head\": 1, \"score\": 0.5}], \"layer_head_scores\": [[0.2, 0.6]]}",
         "head 0.1 has score 0.5"},
        {"{\"target_heads\": [{\"layer\": 1, \"head\": 1, \"score\": 0.5}], \"layer_head_scores\": [[0.2, 0.5]]}", "no number for a head"},
        {"[[\"3-1\", 1], \"3-2\"]", "some have none"},
        {"[[\"3-1\", 1, 2]]", "an item of a list"},
        {"[[\"3-1\"]]", "an item of a list"},
        {"[{}]", "an item of a list"},
        {"1\t2\n3\n", "row 2 has 1 columns"},
        {"1\tx\n", "row 1, column 2"},
        {"1\tnan\n", "row 1, column 2"},
        {"1\t2\n\n3\t4\n", "row 2 has 0 columns"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ns_head_list l;
        ns_error err = {""};
        assert_int_equal(ns_head_list_parse(&l, bad[i].text, strlen(bad[i].text), "a", &err), NS_E_FORMAT);
        if (!strstr(err.message, bad[i].says))
            fail_msg("%s: '%s' does not say '%s'", bad[i].text, err.message, bad[i].says);
        assert_true(l.n == 0 && !l.list && !l.trials);
    }
}

/* Every form of a list, written and read again. */
static void test_written(void **state)
{
    (void)state;
    static const char whole[] = "{\"1-1\": [0.125, 0.25], \"0-0\": [0.5], \"0-1\": [0.1], \"1-0\": [0]}";
    for (const char *const *form = ns_head_list_formats(); *form; form++) {
        ns_head_list l = parsed(whole, "a"), back;
        ns_error err = {""};
        char *text;
        l.format = *form;
        l.list[1].chosen = true;
        assert_int_equal(ns_head_list_text(&l, &text, &err), NS_OK);
        back = parsed(text, strcmp(*form, "duo") == 0 ? "a.tsv" : "a");
        assert_string_equal(back.format, *form);
        assert_int_equal(back.n, l.n);
        for (int64_t i = 0; i < back.n && !back.ordered; i++)
            for (int64_t k = 0; k < l.n; k++)
                if (ns_head_is(back.list[i].head, l.list[k].head))
                    assert_near(back.list[i].score, l.list[k].score, 0);
        expect(&back, 0, 0, 0, back.ordered ? 4 : .5, back.ordered || strcmp(*form, "target_heads") == 0);
        free(text);
        ns_head_list_clear(&l);
        ns_head_list_clear(&back);
    }
}

/* A byte of the text that changes a number changes what is read: the comparison above can fail. */
static void test_can_fail(void **state)
{
    (void)state;
    ns_head_list a = parsed("{\"0-0\": [0.5]}", "a"), b = parsed("{\"0-0\": [0.6]}", "a");
    assert_false(ns_is_near(a.list[0].score, b.list[0].score, 1e-3));
    ns_head_list_clear(&a);
    ns_head_list_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_retrieval_head), cmocka_unit_test(test_locos),
                                       cmocka_unit_test(test_target_heads), cmocka_unit_test(test_qrhead), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_duo),
                                       cmocka_unit_test(test_values), cmocka_unit_test(test_refused), cmocka_unit_test(test_written),
                                       cmocka_unit_test(test_can_fail)};
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
