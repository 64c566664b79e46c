/* test_text.c - messages, strings, globs, UTF-8, checked sizes and views. */
#include <errno.h>

#include "check.h"

static void fail_prefixes_its_own_message(void **state)
{
    (void)state;
    ns_error err;
    assert_int_equal(ns_fail(&err, NS_E_FORMAT, "tensor '%s': bad", "w"), NS_E_FORMAT);
    assert_int_equal(ns_fail(&err, NS_E_IO, "a.bin: %s (%s)", err.message, err.message), NS_E_IO);
    assert_string_equal(err.message, "a.bin: tensor 'w': bad (tensor 'w': bad)");
    assert_int_equal(ns_fail(NULL, NS_E_ARG, "%s", "nobody reads this"), NS_E_ARG);
}

/* A caller's struct of parameters: built with older headers, with ours, with newer ones whose fields are not set, or are. */
static void structs_of_other_versions(void **state)
{
    (void)state;
    typedef struct known { size_t size; int32_t first, second; } known;
    typedef struct newer { size_t size; int32_t first, second, third, fourth; } newer;
    known to;
    ns_error err;
    assert_int_equal(ns_sized_copy(&to, sizeof to, &(known){sizeof to, 1, 2}, "params", &err), NS_OK);
    assert_true(to.first == 1 && to.second == 2);
    assert_int_equal(ns_sized_copy(&to, sizeof to, &(known){offsetof(known, second), 1, 2}, "params", &err), NS_OK);
    assert_true(to.first == 1 && to.second == 0);
    assert_int_equal(ns_sized_copy(&to, sizeof to, &(newer){sizeof(newer), 1, 2, 0, 0}, "params", &err), NS_OK);
    assert_true(to.first == 1 && to.second == 2);
    assert_int_equal(ns_sized_copy(&to, sizeof to, &(newer){sizeof(newer), 1, 2, 0, 4}, "params", &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "made for a newer one"));
    assert_int_equal(ns_sized_copy(&to, sizeof to, &(known){0, 1, 2}, "params", &err), NS_E_ARG);
    assert_int_equal(ns_sized_copy(&to, sizeof to, NULL, "params", &err), NS_E_ARG);
}

static void fail_keeps_one_clean_line(void **state)
{
    (void)state;
    ns_error err;
    ns_fail(&err, NS_E_FORMAT, "%s", "a\nb\x1b[31m\x7f");
    assert_string_equal(err.message, "a b [31m ");
    char fill[1100];
    for (int offset = 0; offset < 4; offset++) {   /* wherever the cut falls, the tail is whole */
        memset(fill, 'x', sizeof fill);
        for (int i = 1015 + offset; i + 2 < 1060; i += 3)
            memcpy(fill + i, "\xE2\x82\xAC", 3);
        fill[1060] = '\0';
        ns_fail(&err, NS_E_FORMAT, "%s", fill);
        assert_true(strlen(err.message) >= 1020 && strlen(err.message) < sizeof err.message);
        assert_true(ns_utf8_valid(err.message, strlen(err.message), NULL));
    }
}

/* However long its paths are, a message keeps a file's own name, the reason and the remedy; they give up folders. */
static void fail_keeps_name_and_reason_of_any_path(void **state)
{
    (void)state;
    ns_error err;
    for (size_t n = 200; n < 4096; n += n < 1100 ? 1 : 97)
        for (size_t own = 1; own <= 255; own += 127) {
            char path[4400] = "/first", name[256], folder[4400];
            while (strlen(path) < n)
                strcat(path, strlen(path) % 2 ? "/\xc3\xa4\xc3\xb6 folder" : "/it's \xE2\x82\xAC");
            strcpy(folder, path);
            memset(name, 'x', own);
            name[own] = '\0';
            strcat(strcat(path, "/"), name);
            errno = EACCES;
            ns_fail_errno(&err, NS_E_CREATE, path, "cannot be created");
            assert_true(strlen(err.message) < sizeof err.message && ns_utf8_valid(err.message, strlen(err.message), NULL));
            assert_true(ns_starts(err.message, "/first") && strstr(err.message, name));
            assert_true(ns_ends(err.message, ": cannot be created: Permission denied (check its permissions)"));
            if (strlen(path) > 1023)
                assert_true(strlen(err.message) > 1000 && strstr(err.message, "\xe2\x80\xa6"));        /* no more than it must */
            ns_fail_of(&err, NS_E_FORMAT, path);
            assert_true(ns_starts(err.message, "/first") && !strstr(strstr(err.message, name) + own, name));     /* named once */
            ns_fail(&err, NS_E_CREATE, "%s: cannot be written: folder '%s': %s (make the folder)", path, folder, "No such file");
            assert_true(strstr(err.message, name) && ns_ends(err.message, ": No such file (make the folder)"));
            assert_non_null(strstr(err.message, ": cannot be written: folder '/first"));
        }
    char *const label = malloc(70001);                              /* no path at all, and longer than any */
    memset(label, 'x', 70000);
    label[70000] = '\0';
    ns_fail(&err, NS_E_ARG, "'%s' is not known", label);
    free(label);
    assert_true(ns_starts(err.message, "'xxx") && ns_ends(err.message, "xxx' is not known"));
}

static void control_characters_are_shown(void **state)
{
    (void)state;
    static const struct { const char *text, *kept, *shown, *line; } rows[] = {
        {"", "", "", ""},
        {"a\nb\t\r\x1b[31m\x7f", "", "a\\nb\\t\\r\\x1b[31m\\x7f", "a b   [31m "},
        {"a\nb\t", "\n", "a\nb\\t", "a b "},
        {"\xC2\x9B" "1\xC2\x80\xC2\x9F", "", "\\u009b1\\u0080\\u009f", "  1    "},
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xC2\xA0", "", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xC2\xA0",
         "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xC2\xA0"},
        {"\x9B" "a\xE2\x82", "", "\\x9ba\\xe2\\x82", " a  "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *const shown = ns_visible(rows[i].text, rows[i].kept), *const line = ns_one_line(ns_strdup(rows[i].text));
        char streamed[64] = "";
        FILE *const f = fmemopen(streamed, sizeof streamed, "w");
        ns_put_visible(f, rows[i].text, rows[i].kept);
        fclose(f);
        assert_string_equal(shown, rows[i].shown);
        assert_string_equal(streamed, rows[i].shown);
        assert_string_equal(line, rows[i].line);
        free(shown);
        free(line);
    }
}

static void globs(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool        match;
    } rows[] = {
        {"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abbbc", true}, {"a*c", "abbbd", false},
        {"blocks.*.attn.hook_pattern", "blocks.12.attn.hook_pattern", true}, {"blocks.?.x", "blocks.12.x", false},
        {"*.weight", "a.weight.weight", true}, {"**a**b", "xxaxxb", true}, {"?", "", false}, {"a?c", "abc", true},
        {"*ab*ab", "abxab", true}, {"*ab*ab", "ab", false}, {"model.layers.*", "model.layers", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (ns_glob(rows[i].pattern, rows[i].text) != rows[i].match)
            fail_msg("glob '%s' on '%s'", rows[i].pattern, rows[i].text);
}

/* Exponential matchers never return from this one. */
static void globs_stay_quick(void **state)
{
    (void)state;
    char text[4001], pattern[61];
    memset(text, 'a', 4000);
    text[4000] = '\0';
    for (int i = 0; i < 30; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    memcpy(pattern + 58, "*b", 3);
    assert_false(ns_glob(pattern, text));
}

static void prefixes_and_paths(void **state)
{
    (void)state;
    assert_true(ns_starts("model.layers", "model."));
    assert_false(ns_starts("mod", "model"));
    assert_true(ns_ends("a.json", ".json"));
    assert_false(ns_ends("json", ".json"));
    static const char *joins[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a", "/b", "/b"}, {"", "b", "b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
        char *path = ns_path_join(joins[i][0], joins[i][1]);
        assert_string_equal(path, joins[i][2]);
        free(path);
    }
    assert_string_equal(ns_path_base("a/b/c.txt"), "c.txt");
    assert_string_equal(ns_path_base("c.txt"), "c.txt");
}

/* Every code point of every length, by an encoder written here, and every way to be invalid. */
/* A name that a message cuts to so many bytes ends with a whole character; bytes that never were UTF-8 are told. */
static void names_are_cut_between_characters(void **state)
{
    (void)state;
    static const char name[] = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";                  /* e with accent, euro, a face */
    static const char *const expected[] = {"", "", "\xc3\xa9", "\xc3\xa9", "\xc3\xa9", "\xc3\xa9\xe2\x82\xac"};
    ns_error err;
    for (int n = 0; n < 6; n++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "'%s' is unknown", expected[n]);
        assert_int_equal(ns_fail(&err, NS_E_ARG, "'%.*s' is unknown", n, name), NS_E_ARG);
        assert_string_equal(err.message, wanted);
    }
    assert_int_equal(ns_fail(&err, NS_E_ARG, "'%.8s' is unknown", "\x80 \xff"), NS_E_ARG);
    assert_string_equal(err.message, "'   ' is unknown");
}

static void utf8_round(void **state)
{
    (void)state;
    for (uint32_t code = 1; code < 0x110000; code++) {
        char bytes[5] = {0};
        int n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        if (n == 1)
            bytes[0] = (char)code;
        for (int i = n - 1, shift = 0; n > 1 && i >= 0; i--, shift += 6)
            bytes[i] = (char)(i ? 0x80 | (code >> shift & 0x3F) : (0xF00 >> n & 0xFF) | code >> shift);
        uint32_t got = 0;
        const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        if (ns_utf8_next(bytes, (size_t)n, &got) != (surrogate ? -1 : n) || (!surrogate && got != code))
            fail_msg("U+%X", (unsigned)code);
        if (n > 1 && ns_utf8_next(bytes, (size_t)n - 1, &got) != -1)
            fail_msg("U+%X cut short was accepted", (unsigned)code);
    }
    static const char *bad[] = {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                                "\xF8\x88\x80\x80", "\xFF", "\xE2\x28\xA1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[8] = "ok";
        strcat(text, bad[i]);
        size_t at = 0;
        assert_false(ns_utf8_valid(text, strlen(text), &at));
        assert_int_equal(at, 2);
    }
    uint32_t code;
    assert_int_equal(ns_utf8_next("", 0, &code), 0);
}

static void sizes_do_not_wrap(void **state)
{
    (void)state;
    size_t size;
    int64_t sum;
    assert_true(ns_mul_size(1u << 20, 1u << 20, &size));
    assert_int_equal(size, (size_t)1 << 40);
    assert_false(ns_mul_size(SIZE_MAX / 2 + 1, 2, &size));
    assert_false(ns_mul_i64(INT64_MAX, 2, &sum));
    assert_false(ns_add_i64(INT64_MAX, 1, &sum));
    assert_true(ns_add_i64(INT64_MAX, -1, &sum));
    volatile size_t huge = SIZE_MAX / 2;   /* hidden from the compiler, which would warn */
    assert_null(ns_alloc_array(huge, 4));
    void *nothing = ns_alloc_array(0, 8);
    assert_non_null(nothing);
    free(nothing);
    void *aligned = ns_alloc_aligned(100);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    free(aligned);
}

static void lists_grow(void **state)
{
    (void)state;
    int *list = NULL;
    int64_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        assert_true(ns_grow(&list, &capacity, i + 1, sizeof *list));
        list[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(list[i], i);
    const int64_t before = capacity;
    assert_false(ns_grow(&list, &capacity, INT64_MAX, sizeof *list));
    assert_int_equal(capacity, before);
    assert_int_equal(list[999], 999);
    free(list);
}

static void views(void **state)
{
    (void)state;
    float data[24];
    ns_view view = ns_view_of(data, NS_F32, 3, (const int64_t[]){2, 3, 4});
    assert_int_equal(ns_view_count(&view), 24);
    assert_ptr_equal(ns_at(&view, 1, 2, 3), data + 23);
    assert_int_equal(ns_dtype_size(NS_BF16), 2);
    assert_string_equal(ns_dtype_name(NS_BF16), "BF16");
    for (int d = 0; d < NS_N_DTYPES; d++)
        assert_true(ns_dtype_size(d) > 0 && ns_dtype_name(d));
    assert_int_equal(ns_dtype_size(NS_N_DTYPES), 0);
}

static void nearest_words(void **state)
{
    (void)state;
    static const char *const words[] = {"inspect", "score", "record", "cases needle", "aligned:SPAN"};
    static const struct { const char *word, *meant; } rows[] = {
        {"scoer", "score"}, {"inspct", "inspect"}, {"rec", "record"}, {"xyzzy", NULL}, {"alined:needle", "aligned:SPAN"}, {"", NULL},
        {"a-very-long-word-of-more-than-sixty-four-characters-that-nobody-typed-by-mistake", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const near = ns_nearest_word(rows[i].word, words, 5);
        if (rows[i].meant)
            assert_string_equal(near ? near : "nothing", rows[i].meant);
        else
            assert_null(near);
    }
}

/* The examples of RFC 4648, and what is none. */
static void base64(void **state)
{
    (void)state;
    static const struct { const char *bytes, *text; } rows[] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfb", "//77"},
    };
    size_t n;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *const text = ns_base64(rows[i].bytes, strlen(rows[i].bytes));
        uint8_t *const bytes = ns_base64_decode(rows[i].text, &n);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(n, strlen(rows[i].bytes));
        assert_memory_equal(bytes, rows[i].bytes, n);
        free(bytes);
        free(text);
    }
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "Z===", "Zm9v\n", "Zm9-", "=Zm9", "Zg==Zg=="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(ns_base64_decode(bad[i], &n));
}

static void lines_end_between_words(void **state)
{
    (void)state;
    static const struct { const char *before, *after; bool may; } pairs[] = {
        {"hig", "h", false}, {"high", ".", false}, {"high", " par", true}, {"high ", "par", true}, {"end\n", "x", true}, {"a", "\tb", true},
        {"na\xc3\xaf", "ve", false}, {"\xe4\xb8\xad", "\xe6\x96\x87", true}, {"x", "\xe4\xb8\xad", true}, {"\xe4\xb8\xad", "x", true},
        {"", "x", false}, {"x", "", false}, {"", "", false}, {"x", "\xff", false}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (ns_may_break(pairs[i].before, pairs[i].after) != pairs[i].may)
            fail_msg("'%s' | '%s'", pairs[i].before, pairs[i].after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_prefixes_its_own_message), cmocka_unit_test(structs_of_other_versions),
        cmocka_unit_test(fail_keeps_one_clean_line),
        cmocka_unit_test(fail_keeps_name_and_reason_of_any_path), cmocka_unit_test(control_characters_are_shown), cmocka_unit_test(globs),
        cmocka_unit_test(globs_stay_quick), cmocka_unit_test(prefixes_and_paths), cmocka_unit_test(utf8_round),
        cmocka_unit_test(names_are_cut_between_characters), cmocka_unit_test(lines_end_between_words),
        cmocka_unit_test(sizes_do_not_wrap), cmocka_unit_test(lists_grow), cmocka_unit_test(views), cmocka_unit_test(nearest_words),
        cmocka_unit_test(base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
