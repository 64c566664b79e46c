/* test_decode.c - token ids back to text, through every decoder. */
#include "small.h"

#define VOCAB \
    "'model':{'type':'BPE','vocab':{'a':0,'\u2581b':1,'<0xC3>':2,'<0xA9>':3,'\u00c3':4,'\u00a9':5,'\u0120c':6,'d</w>':7,'\u00e9\u6f22':8," \
              "'\u0100':9},'merges':[]},'added_tokens':[{'id':10,'content':'<s>','special':true},{'id':11,'content':' x ','special':false}]"

static ns_tokenizer *with_decoder(const char *decoder)
{
    char json[2048];
    snprintf(json, sizeof json, "{'decoder':%s," VOCAB "}", decoder);
    return must_open(json);
}

static void test_byte_level(void **state)
{
    (void)state;
    ns_tokenizer *const tok = with_decoder("{'type':'ByteLevel'}");
    expect_text(tok, IDS(0, 6, 4, 5), false, "a c\u00e9");
    expect_text(tok, IDS(10, 0, 11, 10), false, "<s>a x <s>");
    expect_text(tok, IDS(10, 0, 10), true, "a");
    expect_text(tok, IDS(4, 0), false, "\uFFFDa");          /* half a character */
    expect_text(tok, IDS(8), false, "\u00e9\u6f22");        /* not of the byte alphabet: itself */
    expect_text(tok, IDS(0, 9, 0), false, "a\uFFFDa");      /* a NUL cannot be in a C string */
    expect_text(tok, IDS(0, -1, 12, 2000000000, 0), false, "aa");
    ns_tokenizer_free(tok);
}

/* One U+FFFD for the longest beginning of a character, as in the Unicode standard and Rust. */
static void test_lossy_utf8(void **state)
{
    (void)state;
    ns_tokenizer *const tok = must_open("{'decoder':{'type':'ByteLevel'},'model':{'type':'BPE','vocab':{'\u00f0':0,'\u0141':1,'\u0136':2,"
                                        "'\u00ed':3,'\u0142':4,'\u00c0':5,'\u00ff':6,'a':7,'\u00e0':8,'\u00f4':9},'merges':[]}}");
    /* F0 9F 94 - ED A0 C0 FF 61 E0 F4 */
    expect_text(tok, IDS(0, 1, 2, 7), false, "\uFFFDa");                     /* three bytes of four */
    expect_text(tok, IDS(3, 4, 7), false, "\uFFFD\uFFFDa");                  /* a surrogate: the second byte does not fit */
    expect_text(tok, IDS(5, 6, 7), false, "\uFFFD\uFFFDa");                  /* bytes that begin nothing */
    expect_text(tok, IDS(8, 2, 7), false, "\uFFFD\uFFFDa");                  /* an overlong form */
    expect_text(tok, IDS(9, 2, 7), false, "\uFFFD\uFFFDa");                  /* beyond U+10FFFF */
    expect_text(tok, IDS(7, 0), false, "a\uFFFD");
    ns_tokenizer_free(tok);
}

static void test_sentencepiece(void **state)
{
    (void)state;
    ns_tokenizer *const tok = with_decoder("{'type':'Sequence','decoders':[{'type':'Replace','pattern':{'String':'\u2581'},'content':' '},"
                                           "{'type':'ByteFallback'},{'type':'Fuse'},{'type':'Strip','content':' ','start':1,'stop':0}]}");
    expect_text(tok, IDS(1, 1, 0), false, "b ba");
    expect_text(tok, IDS(0, 2, 3, 1), false, "a\u00e9 b");
    expect_text(tok, IDS(2, 0, 3, 3), false, "\uFFFDa\uFFFD\uFFFD");
    expect_text(tok, NULL, 0, false, "");
    ns_tokenizer_free(tok);
}

static void test_others(void **state)
{
    (void)state;
    ns_tokenizer *tok = with_decoder("{'type':'Metaspace','replacement':'\u2581','prepend_scheme':'always'}");
    expect_text(tok, IDS(1, 1), false, "b b");
    ns_tokenizer_free(tok);
    tok = with_decoder("{'type':'Metaspace','replacement':'\u2581','prepend_scheme':'never'}");
    expect_text(tok, IDS(1, 1), false, " b b");
    ns_tokenizer_free(tok);
    tok = with_decoder("{'type':'BPEDecoder','suffix':'</w>'}");
    expect_text(tok, IDS(0, 7, 7), false, "ad d");
    ns_tokenizer_free(tok);
    tok = with_decoder("{'type':'Replace','pattern':{'Regex':'[<>]'},'content':'|'}");
    expect_text(tok, IDS(10, 0), false, "|s|a");
    ns_tokenizer_free(tok);
    tok = with_decoder("{'type':'Strip','content':' ','start':0,'stop':1}");
    expect_text(tok, IDS(11, 11), false, " x x");
    ns_tokenizer_free(tok);
    tok = with_decoder("null");
    expect_text(tok, IDS(0, 10, 0), false, "a <s> a");
    expect_text(tok, IDS(0, 10, 0), true, "a a");
    ns_tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_level),
        cmocka_unit_test(test_lossy_utf8),
        cmocka_unit_test(test_sentencepiece),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
