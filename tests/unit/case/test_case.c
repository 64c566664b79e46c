/* test_case.c - cases: what is valid, JSONL there and back, and the exact error of every kind of bad line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <needlescope/case.h>
#include <needlescope/tokenizer.h>

#include "core/core.h"

static const ns_tokenizer *const fake = (const ns_tokenizer *)"fake";      /* the fake never looks at it */
static char folder[] = "/tmp/ns-case-XXXXXX";

static char *in_folder(const char *name)
{
    char *const path = ns_path_join(folder, name);
    assert_non_null(path);
    return path;
}

static int read_lines(ns_cases *cases, const char *text, ns_error *err)
{
    char *const path = in_folder("cases.jsonl");
    assert_int_equal(ns_file_write(path, text, strlen(text), NULL), NS_OK);
    const int rc = ns_cases_read(cases, path, fake, err);
    free(path);
    return rc;
}

static void test_round_trip(void **state)
{
    (void)state;
    ns_cases cases = {0}, again = {0};
    ns_error err = {0};
    assert_int_equal(read_lines(&cases,
        "{\"id\": \"a\", \"tokens\": [5, 6, 7, 8, 9], \"spans\": {\"needle\": [1, 4], \"needle_answer\": [2, 4]}, \"distractors\": [[4, "
        "5]], \"answer\": [3, 7, 8], \"lead\": 1, \"pairs\": [[4, [0, 1]]], \"meta\": {\"length\": 512, \"note\": \"q\\\"\\n\"}, "
        "\"twin_of\": \"b\"}\n"
        "\n"
        "{\"tokens\": [1], \"text\": \"caf\\u00e9 \\u0001\", \"answer\": [2], \"answer_text\": \"x\"}", &err), NS_OK);
    assert_int_equal(cases.n, 2);
    const ns_case *const a = &cases.list[0];
    assert_int_equal(ns_case_source(a, 0), -1);
    assert_int_equal(ns_case_source(a, 1), 2);
    assert_int_equal(ns_case_source(a, 2), 3);
    assert_int_equal(ns_case_source(a, 3), -1);
    assert_true(ns_case_meta_number(a, "length", -1) == 512);
    assert_true(ns_case_meta_number(a, "note", -1) == -1);
    assert_non_null(strstr(a->meta, "[[4,[0,1]]]"));
    assert_int_equal(ns_case_span(a, "distractor.0")->begin, 4);
    assert_string_equal(cases.list[1].id, "case-3");

    char *const path = in_folder("again.jsonl");
    assert_int_equal(ns_cases_write(&cases, path, &err), NS_OK);
    assert_int_equal(ns_cases_read(&again, path, NULL, &err), NS_OK);
    assert_int_equal(again.n, 2);
    for (int64_t i = 0; i < 2; i++) {
        const ns_case *const x = &cases.list[i], *const y = &again.list[i];
        assert_string_equal(x->id, y->id);
        assert_int_equal(x->n_tokens, y->n_tokens);
        assert_memory_equal(x->tokens, y->tokens, (size_t)x->n_tokens * sizeof *x->tokens);
        assert_int_equal(x->n_answer, y->n_answer);
        assert_memory_equal(x->answer, y->answer, (size_t)x->n_answer * sizeof *x->answer);
        assert_int_equal(x->n_lead, y->n_lead);
        assert_int_equal(x->n_spans, y->n_spans);
        for (int s = 0; s < x->n_spans; s++) {
            assert_string_equal(x->spans[s].name, y->spans[s].name);
            assert_int_equal(x->spans[s].begin, y->spans[s].begin);
            assert_int_equal(x->spans[s].end, y->spans[s].end);
        }
    }
    assert_string_equal(again.list[0].twin_of, "b");
    assert_string_equal(again.list[0].meta, cases.list[0].meta);
    assert_string_equal(again.list[1].text, "caf\xc3\xa9 \x01");
    char one[65], two[65];
    ns_cases_hash(&cases, one);
    ns_cases_hash(&again, two);
    assert_string_equal(one, two);
    again.list[1].answer[0]++;
    ns_cases_hash(&again, two);
    assert_string_not_equal(one, two);
    free(path);
    ns_cases_clear(&cases);
    ns_cases_clear(&again);
}

/* "é" is one character and two bytes: spans in characters must land on the same words. */
static void test_text(void **state)
{
    (void)state;
    ns_cases cases = {0};
    ns_error err = {0};
    assert_int_equal(read_lines(&cases,
        "{\"id\": \"t\", \"prefix\": \"\\u00e9: \", \"text\": \"\\u00e9\\u00e9 the code is 42, ok\", \"suffix\": \"? it is\", \"answer\": "
        "\" 42\", \"spans\": {\"needle\": [3, 17], \"needle_answer\": [15, 17]}}", &err), NS_OK);
    const ns_case *const c = &cases.list[0];
    assert_int_equal(c->tokens[0], 1);
    assert_int_equal(c->n_answer, 3);                   /* " ", "4", "2" */
    assert_int_equal(c->n_lead, 1);
    const ns_span *const source = ns_case_span(c, "needle_answer");
    assert_int_equal(source->end - source->begin, 2);
    assert_int_equal(c->tokens[source->begin], c->answer[1]);
    assert_int_equal(ns_case_source(c, 1), source->begin);
    const ns_span *const needle = ns_case_span(c, "needle");
    assert_int_equal(needle->end, source->end);
    assert_int_equal(needle->end - needle->begin, 6);   /* " the" " code" " is" " " "4" "2" */
    ns_cases_clear(&cases);
    assert_int_equal(read_lines(&cases, "{\"text\": \"a b\", \"add_special\": false}", &err), NS_OK);
    assert_int_equal(cases.list[0].n_tokens, 2);
    ns_cases_clear(&cases);
}

typedef struct bad { const char *line, *message; int code; } bad;

static void test_bad_lines(void **state)
{
    (void)state;
    static const bad list[] = {
        {"{\"tokens\": [1, 2", "line 2: ", NS_E_FORMAT},
        {"[1]", "line 2: not a JSON object", NS_E_FORMAT},
        {"{\"tokens\": [1], \"anwser\": [1]}", "unknown key 'anwser'", NS_E_FORMAT},
        {"{\"id\": \"x\"}", "needs 'tokens'", NS_E_FORMAT},
        {"{\"tokens\": []}", "no tokens", NS_E_FORMAT},
        {"{\"tokens\": [1, -1]}", "element 1 is not a token id", NS_E_FORMAT},
        {"{\"tokens\": [1, 2.5]}", "element 1 is not a token id", NS_E_FORMAT},
        {"{\"tokens\": [1, 4294967296]}", "element 1 is not a token id", NS_E_FORMAT},
        {"{\"tokens\": [1, \"2\"]}", "element 1 is not a token id", NS_E_FORMAT},
        {"{\"tokens\": [1], \"spans\": {\"needle\": [0, 2]}}", "span 'needle' is [0, 2), outside the 1 tokens", NS_E_FORMAT},
        {"{\"tokens\": [1], \"spans\": {\"needle\": [1, 1]}}", "not [begin, end)", NS_E_FORMAT},
        {"{\"tokens\": [1], \"spans\": {\"needle\": [0]}}", "not [begin, end)", NS_E_FORMAT},
        {"{\"tokens\": [1], \"spans\": {\"needle\": [0, 1e300]}}", "not [begin, end)", NS_E_FORMAT},
        {"{\"tokens\": [1], \"spans\": [[0, 1]]}", "'spans' is not an object", NS_E_FORMAT},
        {"{\"tokens\": [1], \"spans\": {\"\": [0, 1]}}", "a span needs a name", NS_E_FORMAT},
        {"{\"tokens\": [1, 2], \"spans\": {\"distractor.0\": [0, 1]}, \"distractors\": [[1, 2]]}", "'distractor.0' stands in", NS_E_FORMAT},
        {"{\"tokens\": [1, 2], \"answer\": [3], \"spans\": {\"needle_answer\": [0, 1]}}",
         "answer token 0 is 3, but its source at position 0", NS_E_FORMAT},
        {"{\"tokens\": [1, 2], \"answer\": [1, 2], \"spans\": {\"needle_answer\": [0, 1]}}", "must hold the whole answer", NS_E_FORMAT},
        {"{\"tokens\": [1, 2], \"answer\": [1], \"spans\": {\"needle_answer\": [0, 1], \"needle_answer.0\": [1, 2]}}",
         "answer token 0 is 1, but its source at position 1 in span 'needle_answer.0' is 2", NS_E_FORMAT},
        {"{\"tokens\": [1, 2], \"answer\": [1], \"lead\": 1}", "lead is 1", NS_E_FORMAT},
        {"{\"tokens\": [1, 2], \"answer\": {}}", "'answer' is not a list", NS_E_FORMAT},
        {"{\"tokens\": [1, 2], \"pairs\": [[2, [0]]]}", "'pairs': an entry", NS_E_FORMAT},
        {"{\"tokens\": [1, 2], \"meta\": 3}", "'meta' is not an object", NS_E_FORMAT},
        {"{\"tokens\": [1, 2], \"prefix\": \"x\"}", "go with 'text'", NS_E_FORMAT},
        {"{\"text\": \"ab\", \"spans\": {\"x\": [0, 3]}}", "ends at character 3, but 'text' has 2", NS_E_FORMAT},
        {"{\"text\": \"ab\", \"answer\": \"c\"}", "merges the start of the answer", NS_E_FORMAT},
        {"{\"text\": \"ab\", \"answer\": \"\"}", "the answer is empty", NS_E_FORMAT},
        {"{\"text\": \"ab\", \"answer\": [1]}", "the answer is text", NS_E_FORMAT},
        {"{\"tokens\": [1], \"tokens\": [2]}", "twice", NS_E_FORMAT},
        {"{\"id\": \"first\", \"tokens\": [1]}", "the id 'first' appears twice", NS_E_FORMAT},
        {"{\"id\": \"a\\u0000b\", \"tokens\": [1]}", "line 2", NS_E_FORMAT},
        {"{\"id\": \"\", \"tokens\": [1]}", "needs an id", NS_E_FORMAT},
        {"\xff{}", "line 2", NS_E_FORMAT},
    };
    ns_cases cases = {0};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        ns_error err = {0};
        char *const text = ns_printf_alloc("{\"id\": \"first\", \"tokens\": [1]}\n%s\n", list[i].line);
        const int rc = read_lines(&cases, text, &err);
        if (rc != list[i].code || !strstr(err.message, list[i].message))
            fail_msg("%s\n  gave %d: %s\n  not %d: ...%s...", list[i].line, rc, err.message, list[i].code, list[i].message);
        assert_null(strchr(err.message, '\n'));
        assert_int_equal(cases.n, 0);
        free(text);
    }
    ns_error err = {0};
    assert_int_equal(read_lines(&cases, "\n \n", &err), NS_E_FORMAT);
    assert_int_equal(ns_cases_read(&cases, "/nowhere/at/all.jsonl", fake, &err), NS_E_MISSING);
    char *const path = in_folder("text.jsonl");
    assert_int_equal(ns_file_write(path, "{\"text\": \"a\"}", 13, NULL), NS_OK);
    assert_int_equal(ns_cases_read(&cases, path, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "needs a tokenizer"));
    free(path);
    ns_cases_clear(&cases);
}

/* A line that fails leaves what the list had; an unwritable folder leaves no file. */
static void test_failure_keeps(void **state)
{
    (void)state;
    ns_cases cases = {0};
    ns_error err = {0};
    assert_int_equal(read_lines(&cases, "{\"id\": \"kept\", \"tokens\": [1]}", &err), NS_OK);
    assert_int_equal(read_lines(&cases, "{\"id\": \"new\", \"tokens\": [1]}\n{", &err), NS_E_FORMAT);
    assert_int_equal(cases.n, 1);
    assert_string_equal(cases.list[0].id, "kept");
    assert_int_equal(ns_cases_write(&cases, "/nowhere/at/all.jsonl", &err), NS_E_CREATE);
    ns_cases_clear(&cases);
}

static void test_add(void **state)
{
    (void)state;
    int32_t ids[] = {4, 5};
    ns_cases cases = {0};
    ns_case c = {.id = ns_strdup("c"), .tokens = ns_alloc_array(2, sizeof(int32_t)), .n_tokens = 2};
    memcpy(c.tokens, ids, sizeof ids);
    assert_int_equal(ns_case_set_span(&c, "x", 0, 1, NULL), NS_OK);
    assert_int_equal(ns_case_set_span(&c, "x", 1, 2, NULL), NS_OK);
    assert_int_equal(c.n_spans, 1);
    assert_int_equal(ns_case_span(&c, "x")->begin, 1);
    assert_int_equal(ns_case_set_span(&c, "y", 1, 3, NULL), NS_E_ARG);
    c.meta = ns_strdup("[]");
    assert_int_equal(ns_cases_add(&cases, &c, NULL), NS_E_ARG);
    assert_non_null(c.id);
    free(c.meta);
    c.meta = NULL;
    c.tokens[1] = -1;
    assert_int_equal(ns_cases_add(&cases, &c, NULL), NS_E_ARG);
    c.tokens[1] = 1;
    assert_int_equal(ns_cases_add(&cases, &c, NULL), NS_OK);
    assert_null(c.id);
    ns_cases_clear(&cases);
}

/* Every mention of the needle is a source, each for its own answer token. */
static void test_mentions(void **state)
{
    (void)state;
    ns_cases cases = {0};
    assert_int_equal(read_lines(&cases,
        "{\"tokens\": [7, 8, 1, 7, 8, 2, 7, 8], \"answer\": [3, 7, 8], \"lead\": 1,"
        " \"spans\": {\"needle_answer\": [3, 5], \"needle_answer.0\": [0, 2], \"distractor_answer.0\": [6, 8]}}", NULL), NS_OK);
    const ns_case *const c = &cases.list[0];
    static const bool first[8] = {true, false, false, true}, second[8] = {false, true, false, false, true};
    for (int64_t at = -2; at < 8; at++) {
        assert_int_equal(ns_case_is_source(c, 1, at), at >= 0 && first[at]);
        assert_int_equal(ns_case_is_source(c, 2, at), at >= 0 && second[at]);
        assert_false(ns_case_is_source(c, 0, at) || ns_case_is_source(c, 3, at));
    }
    ns_cases_clear(&cases);
}

/* No token counts twice: in two mentions of one thing, or in the needle and in what it is compared with. */
static void test_roles(void **state)
{
    (void)state;
    static const struct { const char *spans, *refused; } list[] = {
        {"\"needle_answer\": [3, 5], \"needle_answer.0\": [3, 5]", "'needle_answer' [3, 5) and 'needle_answer.0' [3, 5) share"},
        {"\"needle_answer.0\": [2, 4], \"needle_answer\": [3, 5]", "'needle_answer.0' [2, 4) and 'needle_answer' [3, 5) share"},
        {"\"needle\": [2, 5], \"needle.7\": [0, 3]", "'needle' [2, 5) and 'needle.7' [0, 3) share tokens, but are mentions of one"},
        {"\"gold.0\": [0, 8], \"gold.1\": [4, 5]", "'gold.0' [0, 8) and 'gold.1' [4, 5) share"},
        {"\"distractor.0\": [0, 4], \"distractor.1\": [3, 6]", "'distractor.0' [0, 4) and 'distractor.1' [3, 6) share"},
        {"\"needle_answer\": [3, 5], \"needle_answer.0\": [0, 1]", "span 'needle_answer.0' has 1 tokens, but 'needle_answer' has 2"},
        {"\"needle_answer\": [3, 5], \"distractor_answer.0\": [4, 6]", "'needle_answer' [3, 5) and 'distractor_answer.0' [4, 6) share"},
        {"\"placebo.1\": [3, 5], \"needle\": [2, 5]", "'placebo.1' [3, 5) and 'needle' [2, 5) share tokens, but are the needle and what"},
        {"\"distractor.0\": [1, 3], \"needle_answer.2\": [2, 4]", "'distractor.0' [1, 3) and 'needle_answer.2' [2, 4) share"},
        {"\"needle\": [0, 3], \"needle_answer\": [1, 3], \"needle.0\": [3, 6], \"needle_answer.0\": [4, 6], \"placebo\": [6, 8]", NULL},
        {"\"needle\": [0, 3], \"needles\": [0, 3], \"needle_key\": [1, 2], \"question\": [0, 8], \"query\": [2, 3]", NULL},
        {"\"distractor.0\": [0, 3], \"distractor_answer.0\": [1, 3], \"placebo\": [2, 4]", NULL},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        ns_cases cases = {0};
        ns_error err = {0};
        char *const text = ns_printf_alloc("{\"id\": \"a\", \"tokens\": [7, 7, 7, 7, 7, 7, 7, 7], \"spans\": {%s}}\n", list[i].spans);
        const int rc = read_lines(&cases, text, &err);
        if (rc != (list[i].refused ? NS_E_FORMAT : NS_OK) || !strstr(err.message, list[i].refused ? list[i].refused : "")
            || (list[i].refused && !strstr(err.message, "cases.jsonl: line 1: case 'a': span")))
            fail_msg("%s\n  gave %d: %s", list[i].spans, rc, err.message);
        free(text);
        ns_cases_clear(&cases);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"cases.jsonl", "again.jsonl", "text.jsonl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *const path = in_folder(names[i]);
        unlink(path);
        free(path);
    }
    return rmdir(folder);          /* fails when a temporary was left behind */
}

/* Ids are cut out of the line before it becomes a tree: in every way JSON writes them, wherever they stand. */
static void test_ids_in_any_form(void **state)
{
    (void)state;
    ns_cases cases = {0};
    ns_error err = {0};
    assert_int_equal(read_lines(&cases,
        "\xEF\xBB\xBF {\"meta\": {\"tokens\": [\"]\", {\"answer\": \"\\\"[\"}]}, \"answer\" :[ 1e1 ,2.0e0,\t3.0 ] , \"tokens\":[0 "
        ",2147483647,10,2,3],\"id\":\"x, \\\"tokens\\\": [7]\"}\n"
        "{\"tokens\": [], \"id\": \"none\"}\r\n"
        "{\"tokens\":[9]}", &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "line 2: "));
    assert_int_equal(read_lines(&cases,
        "\xEF\xBB\xBF {\"meta\": {\"tokens\": [\"]\", {\"answer\": \"\\\"[\"}]}, \"answer\" :[ 1e1 ,2.0e0,\t3.0 ] , \"tokens\":[0 "
        ",2147483647,10,2,3],\"id\":\"x, \\\"tokens\\\": [7]\"}\n\r\n"
        "{\"tokens\":[9]}", &err), NS_OK);
    const ns_case *const c = &cases.list[0];
    assert_int_equal(cases.n, 2);
    assert_int_equal(c->n_tokens, 5);
    assert_int_equal(c->tokens[1], INT32_MAX);
    assert_int_equal(c->n_answer, 3);
    assert_int_equal(c->answer[0], 10);
    assert_int_equal(c->answer[2], 3);
    assert_string_equal(c->id, "x, \"tokens\": [7]");
    assert_string_equal(c->meta, "{\"tokens\":[\"]\",{\"answer\":\"\\\"[\"}]}");
    assert_string_equal(cases.list[1].id, "case-3");
    ns_cases_clear(&cases);
}

static void test_bad_ids(void **state)
{
    (void)state;
    static const struct { const char *line, *says; } rows[] = {
        {"{\"tokens\": [1, -1, 2.5]}", "line 1: 'tokens': element 1 is not a token id"},
        {"{\"tokens\": [1, 2, 2.5]}", "'tokens': element 2 is not a token id"},
        {"{\"tokens\": [2147483648]}", "'tokens': element 0 is not a token id"},
        {"{\"tokens\": [1, [2, \"]\"], 3]}", "'tokens': element 1 is not a token id"},
        {"{\"tokens\": [1], \"answer\": [1, \"2, 3]\"]}", "'answer': element 1 is not a token id"},
        {"{\"tokens\": [1], \"tokens\": [2]}", "'tokens' appears twice"},
        {"{\"tokens\": [-1], \"tokens\": [2]}", "'tokens' appears twice"},
        {"{\"tokens\": [1, 2", "not valid JSON: ',' or ']' was expected (line 1, byte 16)"},
        {"{\"tokens\": [1 2]}", "(line 1, byte 14)"},
        {"[1, 2]", "not a JSON object"},
        {"\"{\\\"tokens\"", "not a JSON object"},
        {"{}", "needs 'tokens'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ns_cases cases = {0};
        ns_error err = {0};
        assert_int_equal(read_lines(&cases, rows[i].line, &err), NS_E_FORMAT);
        if (!strstr(err.message, rows[i].says))
            fail_msg("%s: %s", rows[i].line, err.message);
        assert_int_equal(cases.n, 0);
    }
}

static long resident_kib(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_maxrss;
}

#ifdef __SANITIZE_ADDRESS__
enum { MOST_KIB = 300 << 10 };         /* it keeps what was freed */
#else
enum { MOST_KIB = 80 << 10 };
#endif

/* Four million ids in one line: 8 MB of text, 16 MB of ids. As a tree of JSON they were 320 MB. */
static void test_long_lines(void **state)
{
    (void)state;
    enum { N = 4000000 };
    static const char before[] = "{\"tokens\": [";
    char *const line = malloc(sizeof before + 2 * N + 2), *const path = in_folder("long.jsonl");
    ns_cases cases = {0};
    ns_error err = {0};
    assert_non_null(line);
    strcpy(line, before);
    for (size_t i = 0; i < N; i++)
        memcpy(line + sizeof before - 1 + 2 * i, "7,", 2);
    strcpy(line + sizeof before - 1 + 2 * N - 1, "]}");
    assert_int_equal(ns_file_write(path, line, strlen(line), &err), NS_OK);
    free(line);
    const long held = resident_kib();
    if (ns_cases_read(&cases, path, NULL, &err) != NS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(cases.list[0].n_tokens, N);
    assert_in_range(resident_kib() - held, 0, MOST_KIB);
    ns_cases_clear(&cases);
    unlink(path);
    free(path);
}

/* 17 MB beside the ids would be a tree of JSON of a gigabyte. */
static void test_absurd_lines(void **state)
{
    (void)state;
    enum { N = 17 << 20 };
    static const char before[] = "{\"tokens\": [1], \"meta\": {\"a\": [";
    char *const line = malloc(sizeof before + N + 4);
    ns_cases cases = {0};
    ns_error err = {0};
    assert_non_null(line);
    strcpy(line, before);
    memset(line + sizeof before - 1, ' ', N);
    strcpy(line + sizeof before - 1 + N, "]}}");
    assert_int_equal(read_lines(&cases, line, &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "line 1: 17825"));
    assert_non_null(strstr(err.message, "bytes beside its ids (at most 16777216"));
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_text), cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_failure_keeps), cmocka_unit_test(test_add), cmocka_unit_test(test_mentions), cmocka_unit_test(test_roles),
        cmocka_unit_test(test_ids_in_any_form), cmocka_unit_test(test_bad_ids), cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_absurd_lines),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
