/* test_classes.c - tokenizer_config.json and special_tokens_map.json beside a tokenizer.json: who writes the template, which tokens join,
 * what the hash says. The numbers are those of AutoTokenizer (transformers 4.57.6); referee_config.py compares hundreds of folders. */
#include "small.h"

#include <sys/stat.h>

static char folder[] = "/tmp/ns-classes-XXXXXX";

/* 0 <s>, 1 </s>, 2 a, 3 b, 4 Ġ, 5 <x>; <s> and </s> are added tokens. POST is the post_processor. */
#define TOKENIZER(pre, post)                                                                                                     \
    "{'pre_tokenizer':" pre ",'post_processor':" post ",'model':{'type':'BPE'," \
    "'vocab':{'<s>':0,'</s>':1,'a':2,'b':3,'Ġ':4,'<x>':5},'merges':[]}," \
    "'added_tokens':[{'id':0,'content':'<s>','special':true},{'id':1,'content':'</s>','special':true}]}"
#define BYTES "{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true,'use_regex':true}"
#define SPACED "{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true}"
#define TEMPLATE "{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'<s>','type_id':0}},{'Sequence':{'id':'A','type_id':0}}]," \
                 "'pair':[],'special_tokens':{'<s>':{'id':'<s>','ids':[0],'tokens':['<s>']}}}"
static const char plain[] = TOKENIZER(BYTES, "null"), with_template[] = TOKENIZER(BYTES, TEMPLATE), spaced[] = TOKENIZER(SPACED, "null");

static void put(const char *name, const char *quoted)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!quoted) {
        remove(path);
        return;
    }
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    for (const char *s = quoted; *s; s++)
        fputc(*s == '\'' ? '"' : *s, f);
    assert_int_equal(fclose(f), 0);
}

static void lay(const char *tokenizer, const char *config, const char *map, const char *model)
{
    put("tokenizer.json", tokenizer);
    put("tokenizer_config.json", config);
    put("special_tokens_map.json", map);
    put("config.json", model);
}

static ns_tokenizer *opened(void)
{
    ns_tokenizer *tok;
    ns_error err = {""};
    if (ns_tokenizer_open(&tok, folder, &err) != NS_OK)
        fail_msg("%s", err.message);
    return tok;
}

static void encodes(const char *tokenizer, const char *config, const char *map, const char *model, const char *text, const char *tokens)
{
    lay(tokenizer, config, map, model);
    ns_tokenizer *const tok = opened();
    expect(tok, text, tokens);
    ns_tokenizer_free(tok);
}

#define NAMES "'bos_token':'<s>','eos_token':'</s>'"
#define A_WITH_BOS "0:0:0 2:0:1"
static void who_writes_the_template(void **state)
{
    (void)state;
    static const struct { const char *tokenizer, *config, *tokens;
    } rows[] = {
        {plain, "{'tokenizer_class':'LlamaTokenizerFast'," NAMES "}", A_WITH_BOS},
        {plain, "{'tokenizer_class':'LlamaTokenizer'," NAMES ",'add_bos_token':true,'add_eos_token':true}", "0:0:0 2:0:1 1:0:0"},
        {with_template, "{'tokenizer_class':'LlamaTokenizer'," NAMES ",'add_bos_token':false}", "2:0:1"},
        {with_template, "{'tokenizer_class':'LlamaTokenizer'," NAMES ",'add_bos_token':null}", "2:0:1"},
        {with_template, "{'tokenizer_class':'GPTNeoXTokenizer'," NAMES "}", "2:0:1"},
        {plain, "{'tokenizer_class':'GPTNeoXTokenizer'," NAMES ",'add_bos_token':true}", A_WITH_BOS},
        {plain, "{'tokenizer_class':'GPT2Tokenizer'," NAMES ",'add_bos_token':true}", "2:0:1"},
        {with_template, "{'tokenizer_class':'PreTrainedTokenizerFast'," NAMES ",'add_bos_token':false}", A_WITH_BOS},
        {plain, "{'tokenizer_class':'PreTrainedTokenizerFast'," NAMES ",'add_bos_token':true}", "2:0:1"},
        {plain, "{'tokenizer_class':'Qwen2Tokenizer'," NAMES ",'add_bos_token':true}", "2:0:1"},
        {plain, "{'tokenizer_class':'LlamaTokenizer','bos_token':{'__type':'AddedToken','content':'</s>'},'eos_token':'</s>'}",
         "1:0:0 2:0:1"},
        {with_template, "{'tokenizer_class':'SomebodysTokenizer'," NAMES ",'add_bos_token':false}", A_WITH_BOS},
        {with_template, NULL, A_WITH_BOS},
        {plain, NULL, "2:0:1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        encodes(rows[i].tokenizer, rows[i].config, NULL, NULL, "a", rows[i].tokens);
    encodes(plain, "{" NAMES "}", NULL, "{'model_type':'llama'}", "a", A_WITH_BOS);
    encodes(plain, "{" NAMES "}", NULL, "{'model_type':'olmo2'}", "a", "2:0:1");
    encodes(plain, "{" NAMES "}", NULL, "{'model_type':'olmo2','tokenizer_class':'LlamaTokenizer'}", "a", A_WITH_BOS);
    encodes(plain, NULL, NULL, "{'model_type':'llama'}", "a", "2:0:1");
    encodes(plain, NULL, "{'bos_token':{'content':'</s>'}}", "{'model_type':'llama'}", "a", "1:0:0 2:0:1");
    encodes(plain, "{'tokenizer_class':'LlamaTokenizer'," NAMES "}", "{'bos_token':'</s>'}", NULL, "a", "1:0:0 2:0:1");
    encodes(plain, "{'tokenizer_class':'LlamaTokenizer'," NAMES ",'added_tokens_decoder':{}}", "{'bos_token':'</s>'}", NULL, "a",
            A_WITH_BOS);
}

static void added_tokens_and_spaces(void **state)
{
    (void)state;
    encodes(plain, "{'tokenizer_class':'GPT2Tokenizer'}", NULL, NULL, "a<x>b", "2:0:1 3:4:5");
    encodes(plain, "{'tokenizer_class':'GPT2Tokenizer','pad_token':'<x>'}", NULL, NULL, "a<x>b", "2:0:1 5:1:4 3:4:5");
    encodes(plain, "{'tokenizer_class':'GPT2Tokenizer','additional_special_tokens':['<y>']}", NULL, NULL, "a<y>b", "2:0:1 7:1:4 3:4:5");
    encodes(plain, "{'tokenizer_class':'GPT2Tokenizer','added_tokens_decoder':{'5':{'content':'<x>','lstrip':true}}}", NULL, NULL, "a <x>b",
            "2:0:1 5:1:5 3:5:6");
    encodes(plain, "{'tokenizer_class':'GPT2Tokenizer','added_tokens_decoder':{'0':{'content':'<s>','rstrip':true,'special':true}}}", NULL,
            NULL, "<s> b", "0:0:4 3:4:5");
    encodes(spaced, "{'tokenizer_class':'GPT2Tokenizer'}", NULL, NULL, "a", "2:0:1");
    encodes(spaced, "{'tokenizer_class':'GPT2Tokenizer','add_prefix_space':true}", NULL, NULL, "a", "4:0:1 2:0:1");
    encodes(plain, "{'tokenizer_class':'GPT2Tokenizer','add_prefix_space':true}", NULL, NULL, "a", "4:0:1 2:0:1");
    encodes(spaced, "{'tokenizer_class':'LlamaTokenizer','add_bos_token':false," NAMES "}", NULL, NULL, "a", "4:0:1 2:0:1");
    encodes(spaced, NULL, NULL, NULL, "a", "4:0:1 2:0:1");
    put("added_tokens.json", "{'<y>':9,'<z>':1}");                 /* 1 is tokenizer.json's </s>, which stays */
    encodes(plain, "{'tokenizer_class':'GPT2Tokenizer'}", NULL, NULL, "a<y>b", "2:0:1 6:1:4 3:4:5");
    encodes(plain, "{'tokenizer_class':'GPT2Tokenizer'}", NULL, NULL, "a<z>b</s>", "2:0:1 3:4:5 1:5:9");
    encodes(plain, "{'tokenizer_class':'GPT2Tokenizer','added_tokens_decoder':{}}", NULL, NULL, "a<y>b", "2:0:1 3:4:5");
    put("added_tokens.json", NULL);
}

static void hash_of(const char *tokenizer, const char *config, char out[65])
{
    lay(tokenizer, config, NULL, NULL);
    ns_tokenizer *const tok = opened();
    snprintf(out, 65, "%s", ns_tokenizer_sha256(tok));
    ns_tokenizer_free(tok);
}

/* Equal hashes, equal ids: a configuration that changes nothing keeps the hash of tokenizer.json. */
static void hashes(void **state)
{
    (void)state;
    static const struct { const char *tokenizer, *config; bool same; } rows[] = {
        {plain, "{'tokenizer_class':'PreTrainedTokenizerFast'," NAMES ",'add_bos_token':true}", true},
        {with_template, "{'tokenizer_class':'LlamaTokenizer'," NAMES ",'unk_token':null}", true},
        {plain, "{'tokenizer_class':'LlamaTokenizer'," NAMES ",'unk_token':null}", false},
        {with_template, "{'tokenizer_class':'LlamaTokenizer'," NAMES ",'unk_token':null,'add_bos_token':false}", false},
        {plain, "{'tokenizer_class':'PreTrainedTokenizerFast','pad_token':'<x>'}", false},
        {spaced, "{'tokenizer_class':'PreTrainedTokenizerFast'}", false},
        {plain, "{'tokenizer_class':'Unheard'," NAMES "}", true},
    };
    char alone[65], beside[65];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hash_of(rows[i].tokenizer, NULL, alone);
        hash_of(rows[i].tokenizer, rows[i].config, beside);
        if ((strcmp(alone, beside) == 0) != rows[i].same)
            fail_msg("row %zu", i);
    }
}

static void remarks_and_refusals(void **state)
{
    (void)state;
    static const struct { const char *config, *note; } noted[] = {
        {"{'tokenizer_class':'GPT2Tokenizer','add_bos_token':true}", "add_bos_token is true, but GPT2TokenizerFast"},
        {"{'tokenizer_class':'MyTokenizer'}", "tokenizer_class 'MyTokenizer' is not known"},
        {"{'tokenizer_class':'LlamaTokenizer','add_prefix_space':true," NAMES "}", "from tokenizer.model"},
    };
    for (size_t i = 0; i < sizeof noted / sizeof *noted; i++) {
        lay(plain, noted[i].config, NULL, NULL);
        ns_tokenizer *const tok = opened();
        assert_non_null(ns_tokenizer_note(tok, 0));
        assert_non_null(strstr(ns_tokenizer_note(tok, 0), noted[i].note));
        assert_null(ns_tokenizer_note(tok, 1));
        ns_tokenizer_free(tok);
    }
    static const struct { const char *config; int code; const char *says;
    } bad[] = {
        {"{'tokenizer_class':'LlamaTokenizer','bos_token':null}", NS_E_FORMAT,
         "add_bos_token of LlamaTokenizer is true, but there is no bos_token"},
        {"{'tokenizer_class':'CodeGenTokenizer','add_bos_token':true}", NS_E_UNSUPPORTED, "CodeGenTokenizerFast of transformers refuses"},
        {"[]", NS_E_FORMAT, "tokenizer_config.json: not a JSON object"},
        {"{", NS_E_FORMAT, "tokenizer_config.json"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ns_tokenizer *tok;
        ns_error err = {""};
        lay(plain, bad[i].config, NULL, NULL);
        assert_int_equal(ns_tokenizer_open(&tok, folder, &err), bad[i].code);
        assert_null(tok);
        if (!strstr(err.message, bad[i].says))
            fail_msg("%s", err.message);
    }
}

static void beginnings(void **state)
{
    (void)state;
    static const struct { const char *tokenizer, *config; int32_t bos; } rows[] = {
        {plain, NULL, -1}, {with_template, NULL, 0}, {plain, "{'tokenizer_class':'GPT2Tokenizer','bos_token':'</s>'}", 1},
        {plain, "{'tokenizer_class':'GPT2Tokenizer','bos_token':null}", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lay(rows[i].tokenizer, rows[i].config, NULL, NULL);
        ns_tokenizer *const tok = opened();
        assert_int_equal(ns_tokenizer_bos(tok), rows[i].bos);
        ns_tokenizer_free(tok);
    }
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    lay(NULL, NULL, NULL, NULL);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_writes_the_template), cmocka_unit_test(added_tokens_and_spaces), cmocka_unit_test(hashes),
        cmocka_unit_test(remarks_and_refusals), cmocka_unit_test(beginnings),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
