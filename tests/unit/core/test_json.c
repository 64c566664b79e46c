/* test_json.c - what strict reading accepts, refuses, and how it names what it refuses. */
#include <math.h>
#include <time.h>

#include "check.h"

static int parse(const char *text, int depth, ns_error *err)
{
    cJSON *tree;
    const int rc = ns_json_parse(&tree, text, strlen(text), depth, "f.json", err);
    assert_true((rc == NS_OK) == (tree != NULL));
    cJSON_Delete(tree);
    return rc;
}

static void accepts(void **state)
{
    (void)state;
    static const char *good[] = {
        "{}", "[]", "0", "-0", "-1.5e-3", " \t\r\n[1, 2.5E+10, true, false, null, \"x\"] ", "\"\\u00e9\\ud83d\\ude00\\n\"",
        "{\"a\": {\"a\": [[], {}]}}",
        "\xEF\xBB\xBF{\"a\": 1}", "\"\xF0\x9F\x98\x80\"", "{\"a\": 1, \"A\": 2}", "[[[[[[[[]]]]]]]]", "1e308", "\"\\\\\\\"\\/\"",
        "[{}, {\"\": 1}]",
    };
    ns_error err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (parse(good[i], 8, &err) != NS_OK)
            fail_msg("%s: %s", good[i], err.message);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "the text ends"}, {"{", "a string"}, {"[1,]", "value was expected"}, {"[1 2]", "','"}, {"{\"a\" 1}", "':'"},
        {"{\"a\": 1,}", "a string"},
        {"{a: 1}", "a string"}, {"[NaN]", "NaN"}, {"[Infinity]", "Infinity"}, {"[-Infinity]", "Infinity"}, {"01", "follows"},
        {"1.", "point"},
        {"1e", "exponent"}, {"+1", "value"}, {".5", "value"}, {"-", "number"}, {"0x10", "follows"}, {"{} {}", "follows"}, {"nul", "value"},
        {"\"a\nb\"", "control"}, {"\"\\u0000\"", "NUL"}, {"\"\\ud800\"", "surrogate"}, {"\"\\udc00\"", "surrogate"},
        {"\"\\ud800\\u0041\"", "surrogate"},
        {"\"\\x41\"", "escape"}, {"\"\\u12g4\"", "hex"}, {"\"abc", "does not end"}, {"[[[[[[[[[]]]]]]]]]", "deep"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "'a' appears twice"},
        {"[{\"x\": {\"k\": 1, \"k\": 1}}]", "'k' appears twice"}, {"{\"a\": 1, \"\\u0061\": 2}", "twice"}, {"[1e999]", "range"},
        {"-1e999", "range"},
        {"1234567890123456789012345678901234567890123456789012345678901234", "63"}, {"[\"\xC3\x28\"]", "UTF-8 at byte 2"},
        {"// c\n1", "value"}, {"]", "value"},
        {"[}", "value"}, {"{]", "string"}, {"[1}", "','"}, {"tru", "value"}, {"\"\\", "escape"}, {"\"\\u", "hex"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ns_error err;
        if (parse(bad[i].text, 8, &err) != NS_E_FORMAT)
            fail_msg("accepted: %s", bad[i].text);
        if (!ns_starts(err.message, "f.json: ") || !strstr(err.message, bad[i].says))
            fail_msg("%s: says '%s'", bad[i].text, err.message);
    }
}

static void refuses_nul_bytes(void **state)
{
    (void)state;
    static const char texts[][8] = {"1\0", "\"a\0b\"", "[1,\0 2]", "\0"};
    static const size_t sizes[] = {2, 5, 7, 1};
    for (size_t i = 0; i < 4; i++) {
        ns_error err;
        cJSON *tree;
        assert_int_equal(ns_json_parse(&tree, texts[i], sizes[i], 8, "f.json", &err), NS_E_FORMAT);
        assert_null(tree);
    }
}

/* The text is not NUL-terminated: every prefix of a document, in a block of exactly its size (valgrind and ASan watch the edge). */
static void never_reads_past_the_end(void **state)
{
    (void)state;
    static const char text[] = "\xEF\xBB\xBF{\"a\": [1.5e-3, true, null, \"\\ud83d\\ude00\xE2\x82\xAC\"], \"b\": {\"c\": -0}}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *exact = malloc(n ? n : 1);
        memcpy(exact, text, n);
        ns_error err;
        cJSON *tree;
        assert_int_equal(ns_json_parse(&tree, exact, n, 8, "cut", &err), NS_E_FORMAT);
        free(exact);
    }
}

static void names_the_place(void **state)
{
    (void)state;
    ns_error err;
    parse("{\n  \"a\": 1,\n  \"b\": nope\n}", 8, &err);
    assert_non_null(strstr(err.message, "line 3, byte 19"));
}

/* 300k keys, as in the vocabulary of a large tokenizer: quadratic checking would take minutes. */
static void many_keys(void **state)
{
    (void)state;
    const int n = 300000;
    char *text = malloc((size_t)n * 20 + 10), *at = text;
    *at++ = '{';
    for (int i = 0; i < n; i++)
        at += sprintf(at, "%s\"k%d\":%d", i ? "," : "", i, i);
    *at++ = '}';
    ns_error err;
    cJSON *tree;
    const clock_t start = clock();
    assert_int_equal(ns_json_parse(&tree, text, (size_t)(at - text), 8, "vocab", &err), NS_OK);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
    cJSON_Delete(tree);
    memcpy(at - 1, ",\"k7\":0}", 9);
    assert_int_equal(ns_json_parse(&tree, text, (size_t)(at + 7 - text), 8, "vocab", &err), NS_E_FORMAT);
    free(text);
}

static void deep_nesting_does_not_recurse(void **state)
{
    (void)state;
    const size_t n = 2000000;
    char *text = malloc(n);
    memset(text, '[', n);
    ns_error err;
    cJSON *tree;
    assert_int_equal(ns_json_parse(&tree, text, n, 1 << 30, "deep", &err), NS_E_FORMAT);
    free(text);
}

static void getters(void **state)
{
    (void)state;
    static const char text[] = "{\"n\": 42, \"big\": 9007199254740991, \"more\": 9007199254740993, \"half\": 0.5, \"yes\": true, "
                               "\"s\": \"x\", \"nil\": null, "
                               "\"huge\": 1e300, \"list\": []}";
    ns_error err;
    cJSON *tree;
    assert_int_equal(ns_json_parse(&tree, text, sizeof text - 1, 8, "g", &err), NS_OK);
    int64_t n;
    double x;
    bool yes;
    const char *s;
    assert_int_equal(ns_json_i64(tree, "n", 7, &n, "g", &err), NS_OK);
    assert_int_equal(n, 42);
    assert_int_equal(ns_json_i64(tree, "big", 7, &n, "g", &err), NS_OK);
    assert_true(n == INT64_C(9007199254740991));
    assert_int_equal(ns_json_i64(tree, "nil", 7, &n, "g", &err), NS_OK);
    assert_int_equal(n, 7);
    assert_int_equal(ns_json_i64(tree, "N", 8, &n, "g", &err), NS_OK);   /* keys are case-sensitive */
    assert_int_equal(n, 8);
    assert_int_equal(ns_json_i64(tree, "more", 0, &n, "g", &err), NS_E_FORMAT);      /* a double makes 2^53 of it */
    assert_int_equal(ns_json_i64(tree, "half", 0, &n, "g", &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "'half' is 0.5"));
    assert_int_equal(ns_json_i64(tree, "huge", 0, &n, "g", &err), NS_E_FORMAT);
    assert_int_equal(ns_json_i64(tree, "s", 0, &n, "g", &err), NS_E_FORMAT);
    assert_int_equal(ns_json_f64(tree, "half", 1, &x, "g", &err), NS_OK);
    assert_true(x == 0.5);
    assert_int_equal(ns_json_f64(tree, "list", 1, &x, "g", &err), NS_E_FORMAT);
    assert_int_equal(ns_json_bool(tree, "yes", false, &yes, "g", &err), NS_OK);
    assert_true(yes);
    assert_int_equal(ns_json_bool(tree, "n", false, &yes, "g", &err), NS_E_FORMAT);
    assert_int_equal(ns_json_str(tree, "s", &s, "g", &err), NS_OK);
    assert_string_equal(s, "x");
    assert_int_equal(ns_json_str(tree, "absent", &s, "g", &err), NS_OK);
    assert_null(s);
    assert_int_equal(ns_json_str(tree, "n", &s, "g", &err), NS_E_FORMAT);
    cJSON_Delete(tree);
}

static void file_errors_name_the_file(void **state)
{
    (void)state;
    ns_error err;
    cJSON *tree;
    assert_int_equal(ns_json_read(&tree, "/nonexistent/config.json", 100, 8, &err), NS_E_MISSING);
    assert_null(tree);
    assert_non_null(strstr(err.message, "/nonexistent/config.json"));
}

/* What Python's json writes and JSON does not know: outside of strings only, and as strict elsewhere. */
static void numbers_of_python(void **state)
{
    (void)state;
    static const char text[] = "{\"limit\": [0.0, Infinity], \"low\": -Infinity, \"word\": \"an \\\"Infinity\\\\\"}";
    cJSON *tree;
    ns_error err;
    assert_int_equal(ns_json_parse_python(&tree, text, sizeof text - 1, 8, "t", &err), NS_OK);
    assert_true(cJSON_GetArrayItem(cJSON_GetObjectItem(tree, "limit"), 1)->valuedouble == 1e300);
    assert_true(cJSON_GetObjectItem(tree, "low")->valuedouble == -1e300);
    assert_string_equal(cJSON_GetObjectItem(tree, "word")->valuestring, "an \"Infinity\\");
    cJSON_Delete(tree);
    assert_int_equal(ns_json_parse_python(&tree, "[NaN]", 5, 8, "t", &err), NS_E_FORMAT);
    assert_int_equal(ns_json_parse_python(&tree, "[Infinity", 9, 8, "t", &err), NS_E_FORMAT);
}

typedef char *(*edit_fn)(const char *text, const char *key, const char *value);

static void check_edits(const char *const (*pairs)[2], size_t n, edit_fn edit, const char *value)
{
    for (size_t i = 0; i < n; i++) {
        char *const got = edit(pairs[i][0], "k", value);
        assert_non_null(got);
        assert_string_equal(got, pairs[i][1]);
        free(got);
    }
}

/* A member more: nothing else moves, and one of the same name is replaced wherever it stands. */
static void a_member_more(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"{}", "{\n  \"k\": \"v\"\n}"},
        {"{\"a\": 0.0, \"b\": Infinity}\n", "{\"a\": 0.0, \"b\": Infinity,\n  \"k\": \"v\"\n}\n"},
        {"{\"k\":\"old\"}", "{\n  \"k\": \"v\"\n}"},
        {"{ \"k\" : \"old\" , \"a\": 1e3}", "{  \"a\": 1e3,\n  \"k\": \"v\"\n}"},
        {"{\"a\": 1,\n \"k\": null\n}", "{\"a\": 1,\n  \"k\": \"v\"\n}"},
        {"{\"a\":{\"k\":1},\"b\":\"k\",\"c\":[\"}\",\"\\\"\"]}", "{\"a\":{\"k\":1},\"b\":\"k\",\"c\":[\"}\",\"\\\"\"],\n  \"k\": \"v\"\n}"},
    };
    check_edits(pairs, sizeof pairs / sizeof *pairs, ns_json_with_string, "v");
}

/* Other values at any depth, of this name alone: not in a text, not of another type, not the value that has the name's letters. */
static void other_values(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"{}", "{}"},
        {"{\"k\":\"\"}", "{\"k\":\"vwxyz\"}"},
        {"{ \"k\" : \"an \\\"old\\\\\" }\n", "{ \"k\" : \"vwxyz\" }\n"},
        {"{\"a\": [{\"k\": \"1\"}, {\"b\": {\"k\":\"2\"}}]}", "{\"a\": [{\"k\": \"vwxyz\"}, {\"b\": {\"k\":\"vwxyz\"}}]}"},
        {"{\"k\": 1, \"kk\": \"a\", \"a\": \"k\", \"b\": [\"k\", \"k\"]}",
         "{\"k\": 1, \"kk\": \"a\", \"a\": \"k\", \"b\": [\"k\", \"k\"]}"},
        {"{\"a\": \"\\\"k\\\": \\\"b\\\"\"}", "{\"a\": \"\\\"k\\\": \\\"b\\\"\"}"},
    };
    check_edits(pairs, sizeof pairs / sizeof *pairs, ns_json_with_values, "vwxyz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_member_more), cmocka_unit_test(other_values),
        cmocka_unit_test(accepts), cmocka_unit_test(refuses), cmocka_unit_test(refuses_nul_bytes),
        cmocka_unit_test(never_reads_past_the_end),
        cmocka_unit_test(names_the_place), cmocka_unit_test(many_keys), cmocka_unit_test(deep_nesting_does_not_recurse),
        cmocka_unit_test(getters), cmocka_unit_test(numbers_of_python), cmocka_unit_test(file_errors_name_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
