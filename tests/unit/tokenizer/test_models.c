/* test_models.c - Unigram, WordPiece and WordLevel, and the normalizers that come with them, on words small enough to cut by hand. */
#include "small.h"

#define UNIGRAM(rest) "{'model':{'type':'Unigram','unk_id':0," rest "}}"

static void test_unigram(void **state)
{
    (void)state;
    ns_tokenizer *tok = must_open(UNIGRAM("'vocab':[['?',0],['a',-1],['b',-2],['ab',-2.5],['ba',-2.5],['abc',-9]]"));
    expect(tok, "abab", "3:0:2 3:2:4");
    expect(tok, "bb", "2:0:1 2:1:2");
    expect(tok, "aba", "1:0:1 4:1:3");                          /* as good as ab a, and found before it */
    expect(tok, "abc", "5:0:3");                                /* an unknown c would cost 19 */
    expect(tok, "x\xc3\xa9" "ab", "0:0:3 3:3:5");             /* unknown characters in a row are one token */
    expect(tok, "?x?", "0:0:3");
    expect(tok, "", "");
    ns_tokenizer_free(tok);
    tok = must_open(UNIGRAM("'byte_fallback':true,'vocab':[['?',0],['a',-1],['<0xC3>',0],['<0xA9>',0],['a',-3],['aa',-4.5]]"));
    expect(tok, "\xc3\xa9" "a", "2:0:2 3:0:2 4:2:3");          /* each byte stands for the character; the second a is the one that counts */
    expect(tok, "aa\xc3\xa8", "5:0:2 0:2:4");
    ns_tokenizer_free(tok);
}

/* Ways that are as good in numbers are told apart by the last bits of the scores, which serde_json reads in its own way. The tokens are
 * those of tokenizers 0.22.2: of a file, and of a model made of the same doubles. */
static void test_last_bits(void **state)
{
    (void)state;
#define TIES "'vocab':[['?',0],['a',-2.708144187927246],['aa',-3.3094980716705322]]"
    ns_tokenizer *tok = must_open(UNIGRAM(TIES));
    expect(tok, "aaaaaaa", "2:0:2 2:2:4 2:4:6 1:6:7");
    expect(tok, "aaaaaaaaaaa", "2:0:2 2:2:4 2:4:6 1:6:7 2:7:9 2:9:11");
    ns_tokenizer_free(tok);
    tok = must_open(UNIGRAM("'exact_scores':true," TIES));
    expect(tok, "aaaaaaa", "1:0:1 2:1:3 2:3:5 2:5:7");
    ns_tokenizer_free(tok);
}

static void test_no_unknown(void **state)
{
    (void)state;
    static const char *const json[] = {
        "{'model':{'type':'Unigram','vocab':[['a',0]]}}",
        "{'model':{'type':'WordPiece','unk_token':'?','continuing_subword_prefix':'##','vocab':{'a':0}}}",
        "{'model':{'type':'WordLevel','unk_token':'?','vocab':{'a':0}}}",
    };
    for (size_t i = 0; i < sizeof json / sizeof *json; i++) {
        ns_tokenizer *const tok = must_open(json[i]);
        ns_encoding e;
        ns_error err = {""};
        expect(tok, "a", "0:0:1");
        assert_int_equal(ns_encode(tok, "x", 1, true, &e, &err), NS_E_FORMAT);
        assert_non_null(strstr(err.message, "the text has 'x'"));
        ns_tokenizer_free(tok);
    }
}

static void test_wordpiece(void **state)
{
    (void)state;
    ns_tokenizer *tok = must_open("{'pre_tokenizer':{'type':'WhitespaceSplit'},'decoder':{'type':'WordPiece','prefix':'##'},"
                                  "'model':{'type':'WordPiece','unk_token':'?','continuing_subword_prefix':'##',"
                                  "'max_input_chars_per_word':9,'vocab':{'?':0,'un':1,'##aff':2,'##able':3,'##a':4,'u':5,'##':6}}}");
    expect(tok, "unaffable un", "1:0:2 2:2:5 3:5:9 1:10:12");
    expect(tok, "unaffabl", "0:0:8");                           /* what cannot be cut to its end is unknown from its beginning on */
    expect(tok, "unaffaaaaa", "0:0:10");
    expect(tok, "## ##a", "6:0:2 4:3:6");                      /* a word may be written like a rest */
    expect_text(tok, IDS(1, 2, 3, 1), false, "unaffable un");
    ns_tokenizer_free(tok);
    tok = must_open("{'model':{'type':'WordPiece','unk_token':'?','continuing_subword_prefix':'##','vocab':{'?':0,'a':1,'aa':2}}}");
    expect(tok, "aa", "2:0:2");
    expect(tok, "aaa", "0:0:3");                                /* no entry goes on */
    ns_tokenizer_free(tok);
}

static void test_wordlevel(void **state)
{
    (void)state;
    ns_tokenizer *const tok = must_open("{'pre_tokenizer':{'type':'CharDelimiterSplit','delimiter':'-'},"
                                        "'model':{'type':'WordLevel','unk_token':'?','vocab':{'?':0,'red':1,'blue':2}}}");
    expect(tok, "red-blue-redd", "1:0:3 2:4:8 0:9:13");
    ns_tokenizer_free(tok);
}

#define BYTES "'model':{'type':'Unigram','unk_id':0,'vocab':[['?',0],[' ',-1],['a',-1],['b',-1],['u',-1]]}}"

static void test_bert_normalizer(void **state)
{
    (void)state;
    ns_tokenizer *tok = must_open("{'normalizer':{'type':'BertNormalizer'}," BYTES);
    expect(tok, "A\tB\x01\xe2\x80\x8b", "2:0:1 1:1:2 3:2:3");  /* controls and formats go */
    expect(tok, "\xc3\x9c", "4:0:2");
    expect(tok, "a\xe4\xb8\xad", "2:0:1 1:1:4 0:1:4 1:1:4");
    ns_tokenizer_free(tok);
    tok = must_open("{'normalizer':{'type':'BertNormalizer','strip_accents':false,'clean_text':false}," BYTES);
    expect(tok, "A\x01\xc3\x9c", "2:0:1 0:1:4");
    ns_tokenizer_free(tok);
}

/* A double array that holds A -> a alone. */
static void test_charsmap(void **state)
{
    (void)state;
    uint32_t units[0x100] = {[0] = 1u << 10, [0x40] = 1u << 10 | 1u << 8 | 0x41, [0x41] = 0};
    uint8_t map[4 + sizeof units + 2] = {sizeof units & 0xFF, sizeof units >> 8};
    for (size_t i = 0; i < sizeof units; i++)
        map[4 + i] = (uint8_t)(units[i / 4] >> 8 * (i % 4));
    map[4 + sizeof units] = 'a';
    for (int damaged = 0; damaged < 2; damaged++) {
        map[4 + 4 * 0x41] = damaged ? 2 : 0;                   /* behind the replacements */
        char *const text = ns_base64(map, sizeof map), *const json = ns_printf_alloc("{'normalizer':{'type':'Precompiled',"
                                                                                     "'precompiled_charsmap':'%s'}," BYTES, text);
        ns_tokenizer *const tok = must_open(json);
        ns_encoding e;
        ns_error err = {""};
        expect(tok, "ba", "3:0:1 2:1:2");
        if (!damaged)
            expect(tok, "AbA\xcc\x81u", "2:0:1 3:1:2 2:2:3 4:5:6");          /* the accent goes with what it stands on */
        assert_int_equal(ns_encode(tok, "A", 1, true, &e, &err), damaged ? NS_E_FORMAT : NS_OK);
        assert_true(!damaged || strstr(err.message, "beyond its end"));
        ns_encoding_clear(&e);
        ns_tokenizer_free(tok);
        free(text);
        free(json);
    }
}

/* Long entries that overlap everywhere are no reason to be at it for hours. */
static void test_steps(void **state)
{
    (void)state;
    enum { LONG = 16000, TEXT = 1 << 20 };
    char *const entry = malloc(LONG + 1), *const text = malloc(TEXT + 1);
    assert_true(entry && text);
    memset(entry, 'a', LONG);
    memset(text, 'a', TEXT);
    entry[LONG] = text[TEXT] = '\0';
    char *const json = ns_printf_alloc(UNIGRAM("'vocab':[['?',0],['%s',-1],['a',-2]]"), entry);
    ns_tokenizer *const tok = must_open(json);
    ns_encoding e;
    ns_error err = {""};
    assert_int_equal(ns_encode(tok, text, TEXT, true, &e, &err), NS_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "steps"));
    ns_tokenizer_free(tok);
    free(entry);
    free(text);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unigram), cmocka_unit_test(test_last_bits), cmocka_unit_test(test_no_unknown),
        cmocka_unit_test(test_wordpiece),
        cmocka_unit_test(test_wordlevel), cmocka_unit_test(test_bert_normalizer), cmocka_unit_test(test_charsmap),
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
