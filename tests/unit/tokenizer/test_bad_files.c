/* test_bad_files.c - files that must be refused, with the right code and a message that names what is wrong. */
#include "small.h"

#define BPE(rest) "'model':{'type':'BPE'," rest "}"
#define AB BPE("'vocab':{'a':0,'b':1,'ab':2},'merges':['a b']")

static const struct row { const char *json; int code; const char *says;
} rows[] = {
    {"", NS_E_FORMAT, ""},
    {"[]", NS_E_FORMAT, "object"},
    {"{}", NS_E_FORMAT, "model"},
    {"{'model':{'type':'BPE'}}", NS_E_FORMAT, "vocab"},
    {"{'model':{'type':'Morfessor','vocab':[]}}", NS_E_UNSUPPORTED, "Morfessor"},
    {"{'model':{'type':'Unigram','vocab':[]}}", NS_E_FORMAT, "vocab"},
    {"{'model':{'type':'Unigram','vocab':{'a':0}}}", NS_E_FORMAT, "no list 'vocab'"},
    {"{'model':{'type':'Unigram','vocab':[['a',0],['b']]}}", NS_E_FORMAT, "entry 1"},
    {"{'model':{'type':'Unigram','vocab':[['a',0],['b',1,2]]}}", NS_E_FORMAT, "entry 1"},
    {"{'model':{'type':'Unigram','vocab':[['a',1e999]]}}", NS_E_FORMAT, "beyond the range"},
    {"{'model':{'type':'Unigram','vocab':[['a',0]],'unk_id':1}}", NS_E_FORMAT, "unk_id is 1"},
    {"{'model':{'type':'Unigram','vocab':[['a',0]],'byte_fallback':2}}", NS_E_FORMAT, "byte_fallback"},
    {"{'model':{'type':'WordPiece','vocab':[]}}", NS_E_FORMAT, "WordPiece model has no object 'vocab'"},
    {"{'model':{'type':'WordPiece','vocab':{'a':0},'max_input_chars_per_word':'x'}}", NS_E_FORMAT, "max_input_chars_per_word"},
    {"{'model':{'type':'WordLevel','vocab':{'a':0},'unk_token':3}}", NS_E_FORMAT, "unk_token"},
    {"{'model':{'vocab':{}}}", NS_E_UNSUPPORTED, "model"},
    {"{'model':{'type':7}}", NS_E_FORMAT, "type"},
    {"{" BPE("'vocab':{'a':0}") "}", NS_E_FORMAT, "merges"},
    {"{" BPE("'vocab':{'a':-1},'merges':[]") "}", NS_E_FORMAT, "'a'"},
    {"{" BPE("'vocab':{'a':0.5},'merges':[]") "}", NS_E_FORMAT, "'a'"},
    {"{" BPE("'vocab':{'a':'0'},'merges':[]") "}", NS_E_FORMAT, "'a'"},
    {"{" BPE("'vocab':{'a':1e300},'merges':[]") "}", NS_E_FORMAT, "'a'"},
    {"{" BPE("'vocab':{'a':2147483646},'merges':[]") "}", NS_E_UNSUPPORTED, "holes"},
    {"{" BPE("'vocab':{'a':0,'b':0},'merges':[]") "}", NS_E_FORMAT, "share the id 0"},
    {"{" BPE("'vocab':{'a':0,'a':1},'merges':[]") "}", NS_E_FORMAT, "twice"},
    {"{" BPE("'vocab':{'a':0},'merges':['a']") "}", NS_E_FORMAT, "merge"},
    {"{" BPE("'vocab':{'a':0},'merges':['a a a']") "}", NS_E_FORMAT, "merge"},
    {"{" BPE("'vocab':{'a':0},'merges':[['a']]") "}", NS_E_FORMAT, "merge"},
    {"{" BPE("'vocab':{'a':0},'merges':[['a','a','a']]") "}", NS_E_FORMAT, "merge"},
    {"{" BPE("'vocab':{'a':0},'merges':[['a',7]]") "}", NS_E_FORMAT, "merge"},
    {"{" BPE("'vocab':{'a':0},'merges':['a x']") "}", NS_E_FORMAT, "'x' is not in the vocabulary"},
    {"{" BPE("'vocab':{'a':0},'merges':['a a']") "}", NS_E_FORMAT, "makes 'aa'"},
    {"{" BPE("'continuing_subword_prefix':'##','vocab':{'a':0},'merges':['a a']") "}", NS_E_FORMAT, "prefix"},
    {"{" BPE("'vocab':{'a':0},'merges':[],'byte_fallback':1") "}", NS_E_FORMAT, "byte_fallback"},
    {"{" BPE("'vocab':{'a':0,'<0x23>':1},'merges':[],'byte_fallback':true,'continuing_subword_prefix':'##'") "}", NS_E_UNSUPPORTED,
     "prefix '##'"},
    {"{" BPE("'vocab':{'a':0,'<0x23>':1},'merges':[],'byte_fallback':true,'end_of_word_suffix':'#'") "}", NS_E_UNSUPPORTED, "suffix '#'"},
    {"{'normalizer':{'type':'Precompiled','precompiled_charsmap':''}," AB "}", NS_E_FORMAT, "cut short"},
    {"{'normalizer':{'type':'Precompiled','precompiled_charsmap':'a?=='}," AB "}", NS_E_FORMAT, "base64"},
    {"{'normalizer':{'type':'Precompiled'}," AB "}", NS_E_FORMAT, "base64"},
    {"{'normalizer':{'type':'Precompiled','precompiled_charsmap':'CAAAAAAAAAA='}," AB "}", NS_E_FORMAT, "cut short"},
    {"{'normalizer':{'type':'Precompiled','precompiled_charsmap':'BAAAAAAAAAD/'}," AB "}", NS_E_FORMAT, "no UTF-8"},
    {"{'normalizer':{'type':'BertNormalizer','lowercase':'no'}," AB "}", NS_E_FORMAT, "lowercase"},
    {"{'normalizer':{'type':'Bert'}," AB "}", NS_E_UNSUPPORTED, "normalizer 'Bert'"},
    {"{'pre_tokenizer':{'type':'CharDelimiterSplit','delimiter':''}," AB "}", NS_E_FORMAT, "delimiter"},
    {"{'normalizer':{'type':'Sequence'}," AB "}", NS_E_FORMAT, "normalizers"},
    {"{'normalizer':{'type':'Replace','pattern':'','content':''}," AB "}", NS_E_UNSUPPORTED, "empty"},
    {"{'normalizer':{'type':'Replace','pattern':{'String':'a'}}," AB "}", NS_E_FORMAT, "content"},
    {"{'normalizer':{'type':'Prepend'}," AB "}", NS_E_FORMAT, "prepend"},
    {"{'normalizer':'NFC'," AB "}", NS_E_FORMAT, "normalizer"},
    {"{'pre_tokenizer':{'type':'UnicodeScripts'}," AB "}", NS_E_UNSUPPORTED, "pre_tokenizer 'UnicodeScripts'"},
    {"{'pre_tokenizer':{'type':'Split','behavior':'Removed'}," AB "}", NS_E_FORMAT, "pattern"},
    {"{'pre_tokenizer':{'type':'Split','pattern':{'Regex':'a'},'behavior':'Lost'}," AB "}", NS_E_FORMAT, "Lost' is not Removed"},
    {"{'pre_tokenizer':{'type':'Split','pattern':{'Regex':'a'}}," AB "}", NS_E_FORMAT, "behavior"},
    {"{'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(a'},'behavior':'Removed'}," AB "}", NS_E_UNSUPPORTED, "does not compile"},
    {"{'pre_tokenizer':{'type':'Split','pattern':{'Regex':'[a[b]]'},'behavior':'Removed'}," AB "}", NS_E_UNSUPPORTED, "'['"},
    {"{'pre_tokenizer':{'type':'Split','pattern':{'Regex':'[a&&b]'},'behavior':'Removed'}," AB "}", NS_E_UNSUPPORTED, "'&&'"},
    {"{'pre_tokenizer':{'type':'Split','pattern':{'Regex':'a{2}+'},'behavior':'Removed'}," AB "}", NS_E_UNSUPPORTED, "{2}+"},
    {"{'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(?s:.)'},'behavior':'Removed'}," AB "}", NS_E_UNSUPPORTED, "'s'"},
    {"{'pre_tokenizer':{'type':'Metaspace','replacement':'ab'}," AB "}", NS_E_FORMAT, "one character"},
    {"{'pre_tokenizer':{'type':'Metaspace','replacement':''}," AB "}", NS_E_FORMAT, "one character"},
    {"{'pre_tokenizer':{'type':'Metaspace','replacement':'_','prepend_scheme':'last'}," AB "}", NS_E_FORMAT, "last"},
    {"{'post_processor':{'type':'TemplateProcessing'}," AB "}", NS_E_FORMAT, "single"},
    {"{'post_processor':{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'x'}},{'Sequence':{'id':'A'}}],'special_tokens':{}}"
     "," AB "}",
     NS_E_FORMAT, "'x'"},
    {"{'post_processor':{'type':'TemplateProcessing','single':[{'Sequence':{'id':'B'}}],'special_tokens':{}}," AB "}", NS_E_FORMAT,
     "Sequence A"},
    {"{'post_processor':{'type':'TemplateProcessing','single':[],'special_tokens':{}}," AB "}", NS_E_UNSUPPORTED, "0 times"},
    {"{'post_processor':{'type':'BertProcessing','cls':['a',0],'sep':['x',9]}," AB "}", NS_E_FORMAT, "token 9"},
    {"{'post_processor':{'type':'BertProcessing','cls':['a',0],'sep':['x']}," AB "}", NS_E_FORMAT, "sep"},
    {"{'post_processor':{'type':'Sequence','processors':[{'type':'BertProcessing','cls':['a',0],'sep':['b',1]},{'type':'BertProcessing','"
     "cls':['a',0],"
     "'sep':['b',1]}]}," AB "}",
     NS_E_UNSUPPORTED, "more than once"},
    {"{'decoder':{'type':'WordPiece'}," AB "}", NS_E_FORMAT, "prefix"},
    {"{'decoder':{'type':'CTC'}," AB "}", NS_E_UNSUPPORTED, "CTC"},
    {"{'added_tokens':{}," AB "}", NS_E_FORMAT, "added_tokens"},
    {"{'added_tokens':[7]," AB "}", NS_E_FORMAT, "added token"},
    {"{'added_tokens':[{'id':3,'content':''}]," AB "}", NS_E_FORMAT, "added token"},
    {"{'added_tokens':[{'content':'x'}]," AB "}", NS_E_FORMAT, "'x'"},
    {"{'added_tokens':[{'id':7,'content':'x'}]," AB "}", NS_E_FORMAT, "gives 3"},
    {"{'added_tokens':[{'id':1,'content':'a'}]," AB "}", NS_E_FORMAT, "gives 0"},
    {"{'added_tokens':[{'id':3,'content':'x'},{'id':3,'content':'x','special':true}]," AB "}", NS_E_FORMAT, "twice"},
    {"{'added_tokens':[{'id':3,'content':'x','lstrip':'yes'}]," AB "}", NS_E_FORMAT, "lstrip"},
    {"{'normalizer':{'type':'Strip'},'added_tokens':[{'id':3,'content':'  '}]," AB "}", NS_E_UNSUPPORTED, "leaves nothing"},
    {"{" AB "} x", NS_E_FORMAT, ""},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ns_tokenizer *tok = (ns_tokenizer *)&i;
        ns_error err = {""};
        const int rc = open_quoted(&tok, rows[i].json, &err);
        if (rc != rows[i].code || !strstr(err.message, rows[i].says) || !*err.message || tok)
            fail_msg("%s: code %d, message '%s', wanted %d and '%s'", rows[i].json, rc, err.message, rows[i].code, rows[i].says);
        assert_null(strchr(err.message, '\n'));
        assert_int_equal(open_quoted(&tok, rows[i].json, NULL), rows[i].code);   /* err may be NULL */
    }
}

/* Every prefix of a good file is refused, and no byte of it is read beyond its end. */
static void test_truncated(void **state)
{
    (void)state;
    static const char json[] =
        "{\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true}],\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":"
        "{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[[\"a\",\"b\"]]}}";
    for (size_t n = 0; n < sizeof json; n++) {
        ns_tokenizer *tok;
        const int rc = open_bytes(&tok, json, n, NULL);
        assert_int_equal(rc, n == sizeof json - 1 ? NS_OK : NS_E_FORMAT);
        ns_tokenizer_free(tok);
    }
}

/* A normalizer that makes a thousand characters of each is stopped long before the memory is gone. */
static void test_explosion(void **state)
{
    (void)state;
    char big[5001] = "", json[12000];
    memset(big, 'a', 5000);
    snprintf(json, sizeof json,
             "{'normalizer':{'type':'Sequence','normalizers':[{'type':'Replace','pattern':{'String':'a'},'content':'%s'},"
             "{'type':'Replace','pattern':{'String':'a'},'content':'%s'}]}," AB "}", big, big);
    ns_tokenizer *const tok = must_open(json);
    ns_encoding e;
    ns_error err = {""};
    assert_int_equal(ns_encode(tok, "a", 1, true, &e, &err), NS_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "normalizer"));
    ns_tokenizer_free(tok);
}

static void test_missing_and_folder(void **state)
{
    (void)state;
    ns_tokenizer *tok;
    ns_error err = {""};
    assert_int_equal(ns_tokenizer_open(&tok, "/nonexistent/tokenizer.json", &err), NS_E_MISSING);
    assert_null(tok);
    char folder[] = "/tmp/ns-tok-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    assert_int_equal(ns_tokenizer_open(&tok, folder, &err), NS_E_MISSING);
    assert_non_null(strstr(err.message, "tokenizer.json"));
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    fputs("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(ns_tokenizer_open(&tok, folder, &err), NS_OK);
    ns_tokenizer_free(tok);
    remove(path);
    remove(folder);
    ns_tokenizer_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_explosion),
        cmocka_unit_test(test_missing_and_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
