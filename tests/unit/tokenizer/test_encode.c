/* test_encode.c - every component on texts that can be followed by hand. The same at scale, against `tokenizers`: referee.py. */
#include "small.h"

#define MODEL "'model':{'type':'BPE','vocab':{'a':0,'b':1,'c':2,'ab':3,'abc':4,'Ġ':5,'Ġa':6},'merges':['a b',['ab','c'],'Ġ a']}"
/* One unknown token for every piece: shows where the pre-tokenizers cut. */
#define PIECES "'model':{'type':'BPE','unk_token':'?','fuse_unk':true,'vocab':{'?':0},'merges':[]}"

static void test_merges_by_rank(void **state)
{
    (void)state;
    ns_tokenizer *const tok = must_open("{" MODEL "}");
    expect(tok, "abc", "4:0:3");
    expect(tok, "abab", "3:0:2 3:2:4");
    expect(tok, "cab", "2:0:1 3:1:3");
    expect(tok, "axb", "3:0:2");   /* no unknown token: x leaves no trace, and what follows moves up, as in `tokenizers` */
    expect(tok, "", "");
    assert_int_equal(ns_tokenizer_size(tok), 7);
    assert_int_equal(ns_token_id(tok, "abc"), 4);
    assert_int_equal(ns_token_id(tok, "zz"), -1);
    assert_string_equal(ns_token_text(tok, 5), "Ġ");
    assert_null(ns_token_text(tok, 7));
    assert_null(ns_token_text(tok, -1));
    assert_int_equal(strlen(ns_tokenizer_sha256(tok)), 64);
    ns_tokenizer_free(tok);
}

/* ab (rank 1) comes before bc (rank 2), but aa (rank 0) before both, and among equals the leftmost. */
static void test_merge_order(void **state)
{
    (void)state;
    ns_tokenizer *const tok = must_open(
        "{'model':{'type':'BPE','vocab':{'a':0,'b':1,'aa':2,'ab':3,'bc':4,'c':5},'merges':['a a','a b','b c']}}");
    expect(tok, "aaa", "2:0:2 0:2:3");
    expect(tok, "aab", "2:0:2 1:2:3");
    expect(tok, "abc", "3:0:2 5:2:3");
    expect(tok, "aaaabc", "2:0:2 2:2:4 4:4:6");
    ns_tokenizer_free(tok);
}

static void test_byte_level(void **state)
{
    (void)state;
    ns_tokenizer *tok = must_open("{'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false}," MODEL "}");
    expect(tok, "ab abc", "3:0:2 5:2:3 4:3:6");
    ns_tokenizer_free(tok);
    tok = must_open("{'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':true}," MODEL "}");
    expect(tok, "ac", "6:0:1 2:1:2");   /* the added space stands for the a */
    expect(tok, " ac", "6:0:2 2:2:3");
    ns_tokenizer_free(tok);
    tok = must_open(
        "{'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':true},'post_processor':{'type':'ByteLevel','trim_offsets':true,"
        "'add_prefix_space':true}," MODEL "}");
    expect(tok, "ac ab", "6:0:1 2:1:2 5:3:3 3:3:5");
    ns_tokenizer_free(tok);
    tok = must_open(
        "{'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false},'model':{'type':'BPE','vocab':{'Ã':0,'©':1,'Ã©':2,'Â':3},"
        "'merges':[]}}");
    expect(tok, "é", "0:0:2 1:0:2");   /* each byte's token stands for the whole character */
    ns_tokenizer_free(tok);
}

static void test_cuts(void **state)
{
    (void)state;
    static const struct { const char *pre, *text, *expected;
    } rows[] = {
        {"{'type':'ByteLevel','add_prefix_space':false}", "it\u2019s  12 \u00e9t\u00e9!\n\nx",
         "0:0:2 0:2:5 0:5:6 0:6:7 0:7:10 0:10:16 0:16:17 0:17:18 0:18:19 0:19:20"},
        {"{'type':'Split','pattern':{'String':'-'},'behavior':'Removed','invert':false}", "a-b--c", "0:0:1 0:2:3 0:5:6"},
        {"{'type':'Split','pattern':{'String':'-'},'behavior':'Isolated','invert':false}", "a-b--c", "0:0:1 0:1:2 0:2:3 0:3:4 0:4:5 0:5:6"},
        {"{'type':'Split','pattern':{'String':'-'},'behavior':'MergedWithPrevious','invert':false}", "a-b--c", "0:0:2 0:2:4 0:4:5 0:5:6"},
        {"{'type':'Split','pattern':{'String':'-'},'behavior':'MergedWithNext','invert':false}", "a-b--c", "0:0:1 0:1:3 0:3:4 0:4:6"},
        {"{'type':'Split','pattern':{'String':'-'},'behavior':'Contiguous','invert':false}", "a-b--c", "0:0:1 0:1:2 0:2:3 0:3:5 0:5:6"},
        {"{'type':'Split','pattern':{'Regex':'[a-z]'},'behavior':'Removed','invert':true}", "a-b--c", "0:0:1 0:2:3 0:5:6"},
        {"{'type':'Split','pattern':{'Regex':'(?=b)'},'behavior':'Isolated','invert':false}", "abab", "0:0:1 0:1:3 0:3:4"},
        {"{'type':'Digits','individual_digits':true}", "a12\u0663b", "0:0:1 0:1:2 0:2:3 0:3:5 0:5:6"},
        {"{'type':'Digits','individual_digits':false}", "a12\u0663b", "0:0:1 0:1:5 0:5:6"},
        {"{'type':'Punctuation'}", "a$\u3002b", "0:0:1 0:1:2 0:2:5 0:5:6"},
        {"{'type':'Whitespace'}", "ab, c\u3000d", "0:0:2 0:2:3 0:4:5 0:8:9"},
        {"{'type':'WhitespaceSplit'}", "ab, c\u3000d", "0:0:3 0:4:5 0:8:9"},
        {"{'type':'BertPreTokenizer'}", "ab, c", "0:0:2 0:2:3 0:4:5"},
        {"{'type':'Metaspace','replacement':'\u2581','prepend_scheme':'always'}", "a b  c", "0:0:1 0:1:3 0:3:4 0:4:6"},
        {"{'type':'Metaspace','replacement':'\u2581','add_prefix_space':true,'split':false}", "a b", "0:0:3"},
        {"{'type':'Sequence','pretokenizers':[{'type':'Digits','individual_digits':true},{'type':'WhitespaceSplit'}]}", "a 12",
         "0:0:1 0:2:3 0:3:4"},
        {"null", "a b", "0:0:3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char json[1024];
        snprintf(json, sizeof json, "{'pre_tokenizer':%s," PIECES "}", rows[i].pre);
        ns_tokenizer *const tok = must_open(json);
        expect(tok, rows[i].text, rows[i].expected);
        ns_tokenizer_free(tok);
    }
}

/* Only the piece at the beginning of the text gets the mark; what follows an added token does not. */
static void test_metaspace_first(void **state)
{
    (void)state;
    static const char json[] = "{'pre_tokenizer':{'type':'Metaspace','replacement':'\u2581','prepend_scheme':'%s'},'added_tokens':[{'id':3,"
                               "'content':'<s>','special':true,'normalized':false}],"
                               "'model':{'type':'BPE','vocab':{'a':0,'\u2581':1,'\u2581a':2},'merges':['\u2581 a']}}";
    static const struct { const char *scheme, *expected; } rows[] = {
        {"first", "2:0:1 3:1:4 0:4:5"}, {"always", "2:0:1 3:1:4 2:4:5"}, {"never", "0:0:1 3:1:4 0:4:5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[1024];
        snprintf(text, sizeof text, json, rows[i].scheme);
        ns_tokenizer *const tok = must_open(text);
        expect(tok, "a<s>a", rows[i].expected);
        ns_tokenizer_free(tok);
    }
}

/* The offsets of a normalized text lead back to the original. */
static void test_normalizers(void **state)
{
    (void)state;
    static const struct { const char *normalizer, *text, *expected; } rows[] = {
        {"{'type':'NFC'}", "e\u0301 e", "0:0:1 1:3:4 2:4:5"},                      /* é, stands for the e alone */
        {"{'type':'NFD'}", "\u00e9", "2:0:2 3:0:2"},
        {"{'type':'NFKC'}", "\uff45\u00a0\u00e9", "2:0:3 1:3:5 0:5:7"},
        {"{'type':'Lowercase'}", "E\u00c9", "2:0:1 0:1:3"},
        {"{'type':'Sequence','normalizers':[{'type':'NFD'},{'type':'StripAccents'}]}", "\u00e9\u00e9", "2:0:2 2:2:4"},
        {"{'type':'Strip','strip_left':true,'strip_right':true}", "\u3000\u00e9 ", "0:3:5"},
        {"{'type':'Strip','strip_left':false,'strip_right':true}", " e ", "1:0:1 2:1:2"},
        {"{'type':'Prepend','prepend':'e '}", "\u00e9", "2:0:2 1:0:2 0:0:2"},
        {"{'type':'Prepend','prepend':'e '}", "", ""},
        {"{'type':'Replace','pattern':{'String':'xx'},'content':'e'}", "xxx\u00e9xx", "2:0:2 0:3:5 2:6:7"},
        {"{'type':'Replace','pattern':{'Regex':'x+'},'content':'ee'}", "\u00e9xxx", "0:0:2 2:4:5 2:4:5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char json[1024];
        snprintf(json, sizeof json, "{'normalizer':%s,'pre_tokenizer':{'type':'Split','pattern':{'Regex':'.'},'behavior':'Isolated'},"
                 "'model':{'type':'BPE','vocab':{'\u00e9':0,' ':1,'e':2,'\u0301':3},'merges':[]}}", rows[i].normalizer);
        ns_tokenizer *const tok = must_open(json);
        if (i == 9)   /* "xx" within "xxx" is replaced, the third x is unknown */
            expect(tok, rows[i].text, "2:1:2 0:3:5 2:6:7");
        else
            expect(tok, rows[i].text, rows[i].expected);
        ns_tokenizer_free(tok);
    }
}

#define ADDED(content, id, flags) "{'id':" #id ",'content':'" content "'" flags "}"

static void test_added_tokens(void **state)
{
    (void)state;
    ns_tokenizer *const tok = must_open(
        "{'normalizer':{'type':'Lowercase'},'pre_tokenizer':{'type':'WhitespaceSplit'},'added_tokens':["
        ADDED("<s>", 1, ",'special':true") "," ADDED("[L]", 2, ",'lstrip':true,'normalized':false") ","
        ADDED("[R]", 3, ",'rstrip':true,'normalized':false") "," ADDED("[W]", 4, ",'single_word':true,'normalized':false") ","
        ADDED("[N]", 5, ",'normalized':true") "," ADDED("<s>>", 6, ",'special':true") "]," PIECES "}");
    expect(tok, "x<s>y", "0:0:1 1:1:4 0:4:5");
    expect(tok, "<S>", "0:0:3");                        /* not normalized: only as written */
    expect(tok, "[n]x[N]", "5:0:3 0:3:4 5:4:7");        /* normalized: in any case */
    expect(tok, "<s>>", "6:0:4");                       /* the longest */
    expect(tok, "x  [L] y", "0:0:1 2:1:6 0:7:8");
    expect(tok, "x [R]\t\u3000y", "0:0:1 3:2:9 0:9:10");
    expect(tok, "[R] [L]", "3:0:4 2:4:7");              /* spaces already taken are not taken again */
    expect(tok, "[W] \u00e9[W] [W]_ [W]", "4:0:3 0:4:9 0:10:14 4:15:18");
    assert_true(ns_token_is_special(tok, 1));
    assert_false(ns_token_is_special(tok, 2));
    assert_false(ns_token_is_special(tok, 0));
    assert_false(ns_token_is_special(tok, 700));
    assert_int_equal(ns_token_id(tok, "[N]"), 5);
    assert_string_equal(ns_token_text(tok, 6), "<s>>");
    assert_int_equal(ns_tokenizer_size(tok), 7);
    ns_tokenizer_free(tok);
}

static void test_sentencepiece(void **state)
{
    (void)state;
    ns_tokenizer *tok = must_open(
        "{'normalizer':{'type':'Sequence','normalizers':[{'type':'Prepend','prepend':'\u2581'},{'type':'Replace','pattern':{'String':' '},"
        "'content':'\u2581'}]},'added_tokens':[{'id':0,'content':'<unk>','special':true},{'id':1,'content':'<s>','special':true}],"
        "'post_processor':{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'<s>','type_id':0}},{'Sequence':{'id':'A','type_id':"
        "0}}],"
        "'pair':[],'special_tokens':{'<s>':{'id':'<s>','ids':[1],'tokens':['<s>']}}},"
        "'model':{'type':'BPE','unk_token':'<unk>','byte_fallback':true,'fuse_unk':true,'vocab':{'<unk>':0,'<s>':1,'\u2581':2,'a':3,'"
        "\u2581a':4,"
        "'<0xC3>':5,'<0xA9>':6},'merges':[['\u2581','a']]}}");
    expect(tok, "a a", "1:0:0 4:0:1 4:1:3");
    expect_bytes(tok, "a", 1, false, "4:0:1");
    expect(tok, "\u00e9", "1:0:0 2:0:2 5:0:2 6:0:2");
    expect(tok, "xya", "1:0:0 2:0:1 0:0:2 3:2:3");   /* two unknown characters in one, and their bytes are not in the vocabulary */
    expect(tok, "", "1:0:0");
    ns_tokenizer_free(tok);
    tok = must_open("{'model':{'type':'BPE','unk_token':'?','vocab':{'?':0,'a':1},'merges':[]}}");
    expect(tok, "xya", "0:0:1 0:1:2 1:2:3");         /* not fused */
    ns_tokenizer_free(tok);
}

static void test_affixes_and_ignore_merges(void **state)
{
    (void)state;
    ns_tokenizer *tok = must_open("{'pre_tokenizer':{'type':'WhitespaceSplit'},'model':{'type':'BPE','continuing_subword_prefix':'##',"
                                  "'vocab':{'a':0,'##b':1,'##c':2,'ab':3,'abc':4},'merges':['a ##b','ab ##c']}}");
    expect(tok, "ab abc ac", "3:0:2 4:3:6 0:7:8 2:8:9");
    ns_tokenizer_free(tok);
    tok = must_open("{'pre_tokenizer':{'type':'WhitespaceSplit'},'model':{'type':'BPE','end_of_word_suffix':'</w>',"
                    "'vocab':{'a':0,'b</w>':1,'ab</w>':2,'a</w>':3},'merges':['a b</w>']}}");
    expect(tok, "ab a aa", "2:0:2 3:3:4 0:5:6 3:6:7");
    ns_tokenizer_free(tok);
    tok = must_open("{'model':{'type':'BPE','continuing_subword_prefix':'#','byte_fallback':true,'unk_token':'?',"
                    "'vocab':{'?':0,'a':1,'<0xC3>':2,'<0xA9>':3},'merges':[]}}");
    expect(tok, "\u00e9a\u00e9", "2:0:2 3:0:2 0:2:3 0:3:5");   /* the byte of the prefix is not there: nothing within a word falls back */
    ns_tokenizer_free(tok);
    tok = must_open("{'model':{'type':'BPE','ignore_merges':true,'vocab':{'a':0,'b':1,'ba':2},'merges':[]}}");
    expect(tok, "ba", "2:0:2");
    expect(tok, "bab", "1:0:1 0:1:2 1:2:3");
    ns_tokenizer_free(tok);
}

static void test_post_processors(void **state)
{
    (void)state;
    ns_tokenizer *tok = must_open(
        "{'post_processor':{'type':'RobertaProcessing','sep':['b',1],'cls':['a',0],'trim_offsets':true,'add_prefix_space':"
        "false},'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false}," MODEL "}");
    expect(tok, "c a", "0:0:0 2:0:1 6:2:3 1:0:0");
    expect_bytes(tok, " a", 2, false, "6:1:2");
    ns_tokenizer_free(tok);
    tok = must_open("{'post_processor':{'type':'Sequence','processors':[{'type':'ByteLevel','trim_offsets':false},{'type':'BertProcessing',"
                    "'sep':['b',1],'cls':['a',0]}]},'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false}," MODEL "}");
    expect(tok, " a", "0:0:0 6:0:2 1:0:0");
    ns_tokenizer_free(tok);
}

static void test_bad_text(void **state)
{
    (void)state;
    ns_tokenizer *tok = must_open("{" MODEL "}");
    ns_encoding e;
    ns_error err = {""};
    assert_int_equal(ns_encode(tok, "ab\xC3(", 4, true, &e, &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "byte 2"));
    assert_null(e.ids);
    assert_int_equal(e.n, 0);
    expect_bytes(tok, "c\0b", 3, true, "2:0:1 1:1:2");   /* a NUL is a character like others, here an unknown one */
    ns_tokenizer_free(tok);
    tok = must_open("{'model':{'type':'BPE','unk_token':'[UNK]','vocab':{'a':0},'merges':[]}}");   /* matters only when it is needed */
    expect(tok, "aa", "0:0:1 0:1:2");
    assert_int_equal(ns_encode(tok, "ax", 2, true, &e, &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "'x'"));
    ns_tokenizer_free(tok);
}

/* A megabyte without a cut: the heap keeps it n log n, where a scan for the best pair would take hours. */
static void test_one_long_word(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    ns_tokenizer *const tok = must_open("{'model':{'type':'BPE','vocab':{'a':0,'aa':1,'aaaa':2},'merges':['a a','aa aa']}}");
    char *const text = malloc(N);
    assert_non_null(text);
    memset(text, 'a', N);
    ns_encoding e;
    ns_error err = {""};
    assert_int_equal(ns_encode(tok, text, N, true, &e, &err), NS_OK);
    assert_int_equal(e.n, N / 4);
    for (int64_t i = 0; i < e.n; i++) {
        assert_int_equal(e.ids[i], 2);
        assert_int_equal(e.begin[i], 4 * i);
    }
    ns_encoding_clear(&e);
    free(text);
    ns_tokenizer_free(tok);
}

/* A pattern that backtracks without end gives up with an error. */
static void test_runaway_pattern(void **state)
{
    (void)state;
    ns_tokenizer *const tok = must_open("{'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(a|aa)+$'},'behavior':'Isolated'}," PIECES
                                        "}");
    char text[64];
    memset(text, 'a', sizeof text);
    text[63] = 'b';
    ns_encoding e;
    ns_error err = {""};
    assert_int_equal(ns_encode(tok, text, sizeof text, true, &e, &err), NS_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "gave up"));
    ns_tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges_by_rank),  cmocka_unit_test(test_merge_order),   cmocka_unit_test(test_byte_level),
        cmocka_unit_test(test_cuts),            cmocka_unit_test(test_metaspace_first), cmocka_unit_test(test_normalizers),
        cmocka_unit_test(test_added_tokens),    cmocka_unit_test(test_sentencepiece), cmocka_unit_test(test_affixes_and_ignore_merges),
        cmocka_unit_test(test_post_processors), cmocka_unit_test(test_bad_text),      cmocka_unit_test(test_one_long_word),
        cmocka_unit_test(test_runaway_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
