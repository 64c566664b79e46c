/* test_parts.c - the byte alphabet, UTF-8 helpers and the translation of patterns, through the internal header. */
#include "small.h"

#include "io/tokenizer/tok.h"

static void test_byte_alphabet(void **state)
{
    (void)state;
    bool seen[0x200] = {false};
    for (int byte = 0; byte < 256; byte++) {
        char text[5] = "";
        const int n = ns_tok_byte_utf8((uint8_t)byte, text);
        uint32_t code;
        assert_int_equal(ns_tok_next(text, &code), n);
        assert_true(code < 0x144 && !seen[code]);
        assert_false(ns_tok_is_space(code));
        seen[code] = true;
        assert_int_equal(ns_tok_char_byte(code), byte);
    }
    int back = 0;
    for (uint32_t code = 0; code < 0x110000; code++)
        back += ns_tok_char_byte(code) >= 0;
    assert_int_equal(back, 256);
    char text[3] = "";
    ns_tok_byte_utf8(' ', text);
    assert_string_equal(text, "Ġ");
    ns_tok_byte_utf8('\n', text);
    assert_string_equal(text, "Ċ");
    ns_tok_byte_utf8(0xAD, text);
    assert_string_equal(text, "Ń");
}

static void test_utf8(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000)
            continue;
        char text[9] = "xxxx";
        const int n = ns_utf8_put(text + 4, code);
        uint32_t back;
        size_t bad;
        assert_true(ns_utf8_valid(text, (size_t)(4 + n), &bad));
        assert_int_equal(ns_tok_next(text + 4, &back), n);
        assert_int_equal(back, code);
        assert_int_equal(ns_tok_char_before(text, 4 + n, &back), n);
        assert_int_equal(back, code);
    }
}

/* Pattern, and the matches in a text as "begin-end". */
static void test_patterns(void **state)
{
    (void)state;
    static const struct { const char *pattern, *text, *matches; } rows[] = {
        {"\\s", "a\u180e\xc2\x85 b", "4-6 6-7"},              /* U+180E is no white space, U+0085 is */
        {"\\S+", "a b", "0-1 2-3"},
        {"[^\\s]+", "a b", "0-1 2-3"},
        {"[\\S]+", "a b", "0-1 2-3"},
        {"\\w+", "a_\u00b2\u24b6-\u200d", "0-7"},
        {"[\\w]+", "a_\u00b2b", "0-2 4-5"},                 /* inside a class superscripts are no word characters */
        {"\\h+", "fag9", "0-2 3-4"},
        {"[\\H]", "fg", "1-2"},
        {"\\v", "\n\v", "1-2"},
        {"a{,2}b", "aaab", "1-4"},
        {"a{2}", "aaaa", "0-2 2-4"},
        {"a{x}", "a{x}", "0-4"},
        {"\\p{Lu}{2}", "aBCd", "1-3"},
        {"\\u00e9", "e\u00e9", "1-3"},
        {"\\\u00e9+", "\u00e9\u00e9", "0-4"},
        {"[[:space:]]", "a b", "1-2"},
        {"[]a]", "]a", "0-1 1-2"},
        {"(?i:'S)", "'s'\u017f", "0-2 2-5"},
        {"(?m:a.)", "a\n", "0-2"},
        {"a.", "a\nab", "2-4"},
        {"^b|a$", "a\nb", "0-1 2-3"},
        {"\\bb", "bb b", "0-1 3-4"},
        {"x*", "axb", "0-0 1-2 3-3"},
        {"\\s+(?!\\S)", "a   b  ", "1-3 5-7"},
        {"(a)\\1", "aa", "0-2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ns_tok_regex *regex;
        ns_error err = {""};
        if (ns_tok_regex_new(&regex, rows[i].pattern, "test", &err) != NS_OK)
            fail_msg("%s", err.message);
        ns_tok_work w;
        ns_tokenizer tok = {.path = NULL};
        ns_tok_work_begin(&w, &tok, rows[i].text, strlen(rows[i].text), &err);
        assert_int_equal(ns_tok_find_regex(&w, regex, rows[i].text, (int64_t)strlen(rows[i].text)), NS_OK);
        char got[256] = "";
        size_t at = 0;
        for (int64_t m = 0; m < w.matches.n; m++)
            if (w.matches.item[m].is_match)
                at += (size_t)snprintf(got + at, sizeof got - at, "%s%u-%u", at ? " " : "", w.matches.item[m].begin, w.matches.item[m].end);
        if (strcmp(got, rows[i].matches) != 0)
            fail_msg("'%s' in '%s': %s, wanted %s", rows[i].pattern, rows[i].text, got, rows[i].matches);
        ns_tok_work_free(&w);
        ns_tok_regex_free(regex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_alphabet),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
