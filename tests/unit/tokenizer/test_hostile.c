/* test_hostile.c - what a tokenizer.json of a stranger's may cost: a text has one budget of steps over all patterns, added tokens are found
 * in linear time. Seconds of this process are counted; each of these took minutes or more when every start of a match, or every byte, began
 * anew. */
#include <time.h>

#include "small.h"

#define BPE "'model':{'type':'BPE','vocab':{'a':0,'b':1,' ':2},'merges':[]}"
#define SPLIT(regex) "{'type':'Split','pattern':{'Regex':'" regex "'},'behavior':'Isolated'}"

static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static char *repeated(const char *what, size_t times, const char *last)
{
    const size_t size = strlen(what);
    char *const text = malloc(size * times + strlen(last) + 1);
    assert_non_null(text);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * size, what, size);
    strcpy(text + size * times, last);
    return text;
}

static int encode(const ns_tokenizer *tok, const char *text, double most, ns_encoding *e, ns_error *err)
{
    const double before = seconds();
    const int rc = ns_encode(tok, text, strlen(text), false, e, err);
    if (seconds() - before > most)
        fail_msg("%zu bytes took %.1f s, not below %.1f", strlen(text), seconds() - before, most);
    return rc;
}

/* Cubic: no start takes more steps than any sensible limit, but there are thousands of them. */
static void patterns_share_a_budget(void **state)
{
    (void)state;
    static const char *const files[] = {
        "{'pre_tokenizer':" SPLIT("a*a*a*[^ab]") "," BPE "}",
        "{'pre_tokenizer':{'type':'Sequence','pretokenizers':[" SPLIT(" ") "," SPLIT("(?:a|aa)+[^ab]") "]}," BPE "}",
        "{'normalizer':{'type':'Replace','pattern':{'Regex':'a*a*a*[^ab]'},'content':'b'}," BPE "}",
    };
    char *const long_word = repeated("a", 6000, "b"), *const words = repeated("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab ", 3000, "");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ns_error err = {""};
        ns_encoding e;
        ns_tokenizer *const tok = must_open(files[i]);
        assert_int_equal(encode(tok, i == 1 ? words : long_word, 10, &e, &err), NS_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, i == 1 ? "the pattern '(?:a|aa)+[^ab]' gave up" : "the pattern 'a*a*a*[^ab]' gave up"));
        assert_non_null(strstr(err.message, "the steps that a text has were used up"));
        assert_non_null(strstr(err.message, "give ids"));
        ns_tokenizer_free(tok);
    }
    free(long_word);
    free(words);
}

/* Patterns that look far in one step, at every byte: such steps are not counted, but the time that they take is. The last are cheap one by
 * one. */
static void far_looks_are_timed(void **state)
{
    (void)state;
    static const struct { const char *pattern; size_t n, times; } tries[] = {
        {"(?<=a)(?=.*b)", 300000, 1}, {"(?=.*.*b)", 6000, 1}, {"(?=.*.*.*b)", 3000, 1}, {"(?<=a)(?=.*b|.*c|.*d|.*e)", 100000, 1},
        {"(?<=a)(?=.*b)", 15000, 250},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        ns_error err = {""};
        ns_encoding e;
        char *const split = ns_printf_alloc(SPLIT("%s"), tries[i].pattern), *const more = ns_printf_alloc("%s,", split);
        char *const list = repeated(more, tries[i].times - 1, split);
        char *const json = ns_printf_alloc("{'pre_tokenizer':{'type':'Sequence','pretokenizers':[%s]}," BPE "}", list);
        char *const text = repeated("a", tries[i].n, "");
        ns_tokenizer *const tok = must_open(json);
        if (encode(tok, text, 15, &e, &err) != NS_E_UNSUPPORTED || !strstr(err.message, "that a text has w"))
            fail_msg("%s on %zu bytes: '%s'", tries[i].pattern, tries[i].n, err.message);
        ns_tokenizer_free(tok);
        free(split), free(more), free(list), free(json), free(text);
    }
}

static void must_refuse(const char *quoted, int code, const char *message)
{
    ns_tokenizer *tok;
    ns_error err = {""};
    assert_int_equal(open_quoted(&tok, quoted, &err), code);
    if (!strstr(err.message, message))
        fail_msg("'%s' does not say %s", err.message, message);
}

/* What a small file may ask for: passes over the text, and ids around it. */
static void repetition_is_bounded(void **state)
{
    (void)state;
    static const char *const stages[][3] = {{"normalizer", "normalizers", "{'type':'NFC'},"},
                                            {"pre_tokenizer", "pretokenizers", SPLIT("b") ","},
                                            {"post_processor", "processors", "{'type':'ByteLevel'},"},
                                            {"decoder", "decoders", "{'type':'Fuse'},"}};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        for (size_t times = 255; times <= 256; times++) {
            char *const list = repeated(stages[i][2], times, stages[i][2]);
            list[strlen(list) - 1] = '\0';
            char *const json = ns_printf_alloc("{'%s':{'type':'Sequence','%s':[%s]}," BPE "}", stages[i][0], stages[i][1], list);
            if (times == 255)
                ns_tokenizer_free(must_open(json));
            else
                must_refuse(json, NS_E_FORMAT, stages[i][0]);
            free(list), free(json);
        }
    }
}

static void templates_are_bounded(void **state)
{
    (void)state;
    static const char piece[] = "{'SpecialToken':{'id':'x','type_id':0}},", sequence[] = "{'Sequence':{'id':'A','type_id':0}}";
    for (size_t times = 64; times <= 65; times++) {
        char *const single = repeated(piece, times, sequence), *const ids = repeated("1,", 63, "1");
        char *const json = ns_printf_alloc("{'post_processor':{'type':'TemplateProcessing','single':[%s],'special_tokens':{'x':{'id':'x',"
                                           "'ids':[%s]}}}," BPE "}", single, ids);
        if (times == 64)
            ns_tokenizer_free(must_open(json));
        else
            must_refuse(json, NS_E_FORMAT, "'single'");
        free(single), free(ids), free(json);
    }
}

static void texts_of_tokens_are_bounded(void **state)
{
    (void)state;
    for (size_t n = 16384; n <= 16385; n++) {
        char *const word = repeated("x", n, "");
        char *const model = ns_printf_alloc("{'model':{'type':'BPE','vocab':{'a':0,'%s':1},'merges':[]}}", word);
        if (n == 16384)
            ns_tokenizer_free(must_open(model));
        else
            must_refuse(model, NS_E_FORMAT, "the token of id 1 has 16385 bytes");
        free(word), free(model);
    }
    char *const content = repeated("x", 100000, ""), *text = NULL;
    char *const json = ns_printf_alloc("{'decoder':{'type':'Replace','pattern':{'String':'a'},'content':'%s'}," BPE "}", content);
    ns_tokenizer *const tok = must_open(json);
    int32_t ids[300] = {0};
    ns_error err = {""};
    assert_int_equal(ns_decode(tok, ids, 2, false, &text, &err), NS_OK);
    assert_int_equal(strlen(text), 200000);
    free(text);
    assert_true(ns_decode(tok, ids, 300, false, &text, &err) < 0);
    ns_tokenizer_free(tok);
    free(content), free(json);
}

/* Work that a sound pattern does on an ugly text stays within the budget: the end of the line is looked for at each of 3,000 spaces. */
static void sound_patterns_keep_on(void **state)
{
    (void)state;
    ns_error err = {""};
    ns_encoding e;
    char *const text = repeated(" ", 3000, "a");
    ns_tokenizer *const tok = must_open("{'pre_tokenizer':" SPLIT("\\\\s+$|a|\\\\s+") "," BPE "}");
    if (encode(tok, text, 10, &e, &err) != NS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(e.n, 3001);
    assert_int_equal(e.ids[3000], 0);
    ns_encoding_clear(&e);
    ns_tokenizer_free(tok);
    free(text);
}

/* Five tokens that begin with 4,000 times the same letter, at every byte of a text of that letter. */
static void added_tokens_are_linear(void **state)
{
    (void)state;
    ns_error err = {""};
    ns_encoding e;
    char list[5][4200];
    for (int i = 0; i < 5; i++) {
        char *const content = repeated("a", (size_t)(3995 + i), "b");
        snprintf(list[i], sizeof list[i], "{'id':%d,'content':'%s'}", 3 + i, content);
        free(content);
    }
    char *const json = ns_printf_alloc("{'added_tokens':[%s,%s,%s,%s,%s]," BPE "}", list[0], list[1], list[2], list[3], list[4]);
    ns_tokenizer *const tok = must_open(json);
    char *const text = repeated("a", 3000000, "b");
    if (encode(tok, text, 10, &e, &err) != NS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(e.n, 3000000 - 3999 + 1);
    assert_int_equal(e.ids[e.n - 1], 7);
    assert_int_equal(e.begin[e.n - 1], 3000000 - 3999);
    ns_encoding_clear(&e);
    ns_tokenizer_free(tok);
    free(json);
    free(text);
}

#define TOKEN(id, content, flag) "{'id':" id ",'content':'" content "','normalized':false," flag ":true}"

/* The first place, there the longest, whatever is inside; spaces on the left end where the last token ended. */
static void longest_from_the_left(void **state)
{
    (void)state;
    ns_tokenizer *tok = must_open("{'added_tokens':[" TOKEN("3", "ba", "'x'") "," TOKEN("4", "abab", "'x'") "," TOKEN("5", "ab", "'x'") ","
                                  TOKEN("6", "bab", "'x'") "]," BPE "}");
    expect_bytes(tok, "abababa", 7, false, "4:0:4 5:4:6 0:6:7");
    expect_bytes(tok, "babab", 5, false, "6:0:3 5:3:5");
    expect_bytes(tok, "aba", 3, false, "5:0:2 0:2:3");
    expect_bytes(tok, "bba", 3, false, "1:0:1 3:1:3");
    ns_tokenizer_free(tok);
    tok = must_open("{'added_tokens':[" TOKEN("3", "L", "'lstrip'") "," TOKEN("4", "R", "'rstrip'") "]," BPE "}");
    expect_bytes(tok, "a  L L b", 8, false, "0:0:1 3:1:4 3:4:6 2:6:7 1:7:8");
    expect_bytes(tok, "R  R a", 6, false, "4:0:3 4:3:5 0:5:6");
    ns_tokenizer_free(tok);
}

/* Spaces that each strip all others: on the left linear, on the right a list of pieces as long as the text each, so refused. */
static void spaces_that_strip_spaces(void **state)
{
    (void)state;
    ns_error err = {""};
    ns_encoding e;
    char *const text = repeated(" ", 300000, "");
    ns_tokenizer *tok = must_open("{'added_tokens':[{'id':2,'content':' ','lstrip':true,'normalized':false}]," BPE "}");
    assert_int_equal(encode(tok, text, 10, &e, &err), NS_OK);
    assert_int_equal(e.n, 300000);
    ns_encoding_clear(&e);
    ns_tokenizer_free(tok);
    tok = must_open("{'added_tokens':[{'id':2,'content':' ','rstrip':true,'normalized':false}]," BPE "}");
    assert_int_equal(encode(tok, text, 10, &e, &err), NS_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "take the same spaces again and again"));
    assert_int_equal(ns_encode(tok, "a   b", 5, false, &e, &err), NS_OK);
    assert_int_equal(e.n, 5);
    ns_encoding_clear(&e);
    ns_tokenizer_free(tok);
    free(text);
}

/* A BPE by scores: so many letters from U+0080 on, each once to `longest` times in a row. */
static char *rows_of_letters(int letters, int longest, const char *extra)
{
    char *json = NULL;
    size_t n = 0;
    FILE *const f = open_memstream(&json, &n);
    assert_non_null(f);
    fprintf(f, "{'model':{'type':'BPE',%s'vocab':{", extra);
    for (int i = 0; i < letters; i++)
        for (int k = 1; k <= longest; k++) {
            fprintf(f, "%s'", i + k > 1 ? "," : "");
            for (int t = 0; t < k; t++)
                fprintf(f, "%c%c", 0xC2 + i / 64, 0x80 + i % 64);
            fprintf(f, "':%d", i * longest + k - 1);
        }
    fputs("},'scores':[", f);
    for (int i = 0; i < letters * longest; i++)
        fprintf(f, "%s%d", i ? "," : "", -i);
    fputs("]}}", f);
    assert_int_equal(fclose(f), 0);
    return json;
}

/* The parts of a long piece are looked for at each of its characters; pieces of one letter fall apart in as many ways as the square
 * of the longest. */
static void parts_of_pieces_are_bounded(void **state)
{
    (void)state;
    static const struct { int letters, longest; const char *says; } rows[] = {
        {1, 500, NULL}, {1, 1000, "takes more than the 1073741824 steps"}, {1920, 68, "in more than 4194304 ways"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int each = 0; each < 2; each++) {
            const double before = seconds();
            char *const json = rows_of_letters(rows[i].letters, rows[i].longest, each ? "'longest_first':true," : "");
            if (rows[i].says) {
                must_refuse(json, NS_E_UNSUPPORTED, rows[i].says);
            } else {
                ns_tokenizer *const tok = must_open(json);
                expect(tok, "\xc2\x80\xc2\x80\xc2\x80\xc2\x80\xc2\x80", "4:0:10");
                ns_tokenizer_free(tok);
            }
            if (seconds() - before > 20)
                fail_msg("%d letters took %.1f s", rows[i].letters, seconds() - before);
            free(json);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_share_a_budget), cmocka_unit_test(sound_patterns_keep_on), cmocka_unit_test(added_tokens_are_linear),
        cmocka_unit_test(longest_from_the_left), cmocka_unit_test(spaces_that_strip_spaces),
        cmocka_unit_test(far_looks_are_timed), cmocka_unit_test(repetition_is_bounded), cmocka_unit_test(templates_are_bounded),
        cmocka_unit_test(texts_of_tokens_are_bounded), cmocka_unit_test(parts_of_pieces_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
