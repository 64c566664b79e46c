/* test_forms.c - a tokenizer.model, a vocab.json with merges.txt and a vocab.txt, written byte by byte. The numbers are those of
 * AutoTokenizer (transformers 4.57.6); referee_forms.py compares models that were trained. */
#include "small.h"

#include <sys/stat.h>
#include <time.h>

static char folder[] = "/tmp/ns-forms-XXXXXX";
static const char *const names[] = {"tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "merges.txt", "vocab.txt",
                                    "tokenizer_config.json", "added_tokens.json", "config.json", "qwen.tiktoken"};

static void put(const char *name, const void *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    assert_true(n == 0 || fwrite(bytes, n, 1, f) == 1);
    assert_int_equal(fclose(f), 0);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static void clear(void)
{
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
}

static ns_tokenizer *opened(void)
{
    ns_tokenizer *tok;
    ns_error err = {""};
    if (ns_tokenizer_open(&tok, folder, &err) != NS_OK)
        fail_msg("%s", err.message);
    return tok;
}

static void refused(const char *name, int code, const char *says)
{
    char path[128];
    ns_tokenizer *tok;
    ns_error err = {""};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const int rc = ns_tokenizer_open(&tok, path, &err);
    if (rc != code || !strstr(err.message, says) || tok)
        fail_msg("%s: code %d, message '%s', wanted %d and '%s'", name, rc, err.message, code, says);
}

/* ---- SentencePiece ---- */

typedef struct model { uint8_t bytes[4096]; size_t n; } model;
enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };

static void add_piece(model *m, const char *text, float score, int type)
{
    const size_t n = strlen(text);
    uint8_t *to = m->bytes + m->n;
    *to++ = 1 << 3 | 2;
    *to++ = (uint8_t)(2 + n + 5 + 2);
    *to++ = 1 << 3 | 2;
    *to++ = (uint8_t)n;
    memcpy(to, text, n);
    to += n;
    *to++ = 2 << 3 | 5;
    memcpy(to, &score, 4);
    to += 4;
    *to++ = 3 << 3;
    *to++ = (uint8_t)type;
    m->n = (size_t)(to - m->bytes);
}

/* trainer_spec {model_type; unk_id = 0} */
static void add_type(model *m, int type)
{
    const uint8_t spec[] = {2 << 3 | 2, 5, 3 << 3, (uint8_t)type, 0xC0, 0x02, 0};
    memcpy(m->bytes + m->n, spec, sizeof spec);
    m->n += sizeof spec;
}

static model small(int type)
{
    model m = {.n = 0};
    add_piece(&m, "<unk>", 0, UNKNOWN);
    add_piece(&m, "<s>", 0, CONTROL);
    add_piece(&m, "</s>", 0, CONTROL);
    add_piece(&m, "<0xC3>", 0, BYTE);
    add_piece(&m, "<0xA9>", 0, BYTE);
    add_piece(&m, "[x]", 0, USER);
    add_piece(&m, "▁", -5, NORMAL);
    add_piece(&m, "a", -6, NORMAL);
    add_piece(&m, "b", -7, NORMAL);
    add_piece(&m, "ab", -1, NORMAL);
    add_piece(&m, "▁a", -2, NORMAL);
    add_piece(&m, "▁ab", -3, NORMAL);
    add_piece(&m, "aa", -1, NORMAL);
    add_type(&m, type);
    return m;
}

static void test_llama(void **state)
{
    (void)state;
    static const struct { const char *config, *tokens; } rows[] = {
        {"{\"tokenizer_class\":\"LlamaTokenizer\"}", "1:0:0 11:0:2 6:2:3 6:3:4 3:4:6 4:4:6 5:6:9 11:9:11"},
        {"{\"tokenizer_class\":\"LlamaTokenizer\",\"legacy\":false}", "1:0:0 11:0:2 6:2:3 6:3:4 3:4:6 4:4:6 5:6:9 9:9:11"},
        {"{\"tokenizer_class\":\"LlamaTokenizer\",\"add_prefix_space\":false,\"add_eos_token\":true,\"add_bos_token\":false}",
         "9:0:2 6:2:3 6:3:4 3:4:6 4:4:6 5:6:9 9:9:11 2:0:0"},
    };
    const model m = small(2);
    clear();
    put("tokenizer.model", m.bytes, m.n);
    char hash[65] = "";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_text("tokenizer_config.json", rows[i].config);
        ns_tokenizer *const tok = opened();
        expect(tok, "ab  \xc3\xa9[x]ab", rows[i].tokens);
        assert_true(strcmp(hash, ns_tokenizer_sha256(tok)) != 0);       /* other ids, another hash */
        memcpy(hash, ns_tokenizer_sha256(tok), 65);
        ns_tokenizer_free(tok);
    }
    ns_tokenizer *const tok = opened();
    char again[65];
    ns_error err = {""};
    char *path;
    assert_int_equal(ns_tokenizer_in(&path, folder, &err), NS_OK);
    assert_non_null(path);
    assert_string_equal(ns_tokenizer_sha256(tok), hash);
    assert_int_equal(ns_tokenizer_file_sha256(path, again, &err), NS_OK);
    assert_string_equal(again, hash);
    expect(tok, "aab", "7:0:1 9:1:3 2:0:0");                     /* aa is as good as ab, which is the earlier piece */
    free(path);
    ns_tokenizer_free(tok);
}

/* Another name at the id of <s>: the text <s> itself gets an id behind all others. A name that is a piece further on leaves no such id. */
static void test_another_bos(void **state)
{
    (void)state;
    const model m = small(2);
    clear();
    put("tokenizer.model", m.bytes, m.n);
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"LlamaTokenizer\",\"bos_token\":\"<S>\","
                                      "\"added_tokens_decoder\":{\"1\":{\"content\":\"<S>\",\"special\":true}}}");
    ns_tokenizer *const tok = opened();
    expect(tok, "<s>ab<S>", "1:0:0 13:0:3 11:3:5 1:5:8");
    assert_non_null(strstr(ns_tokenizer_note(tok, 0), "'<s>' of tokenizer.model is called otherwise by tokenizer_config.json"));
    ns_tokenizer_free(tok);
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"LlamaTokenizer\",\"added_tokens_decoder\":{\"1\":{\"content\":\"ab\"}}}");
    refused("tokenizer.model", NS_E_FORMAT, "tokenizer_config.json gives a special token the name of a piece");
}

static void test_unigram_model(void **state)
{
    (void)state;
    const model m = small(1);
    clear();
    put("spiece.model", m.bytes, m.n);
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":2}");
    ns_tokenizer *tok = opened();
    expect(tok, "ab<extra_id_0>", "11:0:2 14:2:14 2:0:0");
    expect(tok, "ab  \xc3\xa9", "11:0:2 6:3:4 0:4:6 2:0:0");    /* it has no bytes for what it does not know */
    ns_tokenizer_free(tok);
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":10000}");
    tok = opened();
    assert_int_equal(ns_token_id(tok, "<extra_id_9999>"), 13);
    assert_int_equal(ns_token_id(tok, "<extra_id_0>"), 13 + 9999);
    ns_tokenizer_free(tok);
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":10001}");
    refused("spiece.model", NS_E_FORMAT, "extra_ids is 10001");
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":-1}");
    refused("spiece.model", NS_E_FORMAT, "extra_ids is -1");
}

/* ---- tiktoken ---- */

#define BYTES_AB "YQ== 0\nYg== 1\nYw== 2\n"          /* a, b, c */

static void expect_ids(const char *text, const int32_t *want, int64_t n)
{
    ns_tokenizer *const tok = opened();
    ns_encoding e;
    ns_error err = {""};
    assert_int_equal(ns_encode(tok, text, strlen(text), true, &e, &err), NS_OK);
    assert_int_equal(e.n, n);
    assert_memory_equal(e.ids, want, (size_t)n * sizeof *want);
    ns_encoding_clear(&e);
    ns_tokenizer_free(tok);
}

/* Ranks are ids; the lower rank is joined first; a whole word that is a token is one. */
static void test_ranks(void **state)
{
    (void)state;
    clear();
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"PreTrainedTokenizerFast\",\"additional_special_tokens\":[\"<s>\"]}");
    put_text("tokenizer.model", BYTES_AB "YmM= 3\r\nYWI= 4\n\nYWJj 9");
    expect_ids("abc", (const int32_t[]){9}, 1);
    expect_ids("abcab", (const int32_t[]){9, 4}, 2);
    expect_ids("c<s>a", (const int32_t[]){2, 6, 0}, 3);             /* behind six tokens, as `tokenizers` counts */
    clear();
    put_text("qwen.tiktoken", BYTES_AB);
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"QWenTokenizer\"}");
    refused("qwen.tiktoken", NS_E_UNSUPPORTED, "transformers.integrations.tiktoken.convert_tiktoken_to_fast(ENCODING, FOLDER)");
    refused("", NS_E_UNSUPPORTED, "a tiktoken vocabulary");
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}");
    expect_ids("cb", (const int32_t[]){2, 1}, 2);
    static const struct { const char *then; int code; const char *says; } rows[] = {
        {"YWI 3", NS_E_FORMAT, "line 4 is not a token in base64"}, {"YW=I 3", NS_E_FORMAT, "line 4 is not"},
        {"Y*I= 3", NS_E_FORMAT, "line 4 is not"}, {"YWI=3", NS_E_FORMAT, "line 4 is not"}, {"YWI= ", NS_E_FORMAT, "line 4 is not"},
        {"YWI= -3", NS_E_FORMAT, "line 4 is not"}, {"YWI= 4194304", NS_E_FORMAT, "below 4194304"}, {" 3", NS_E_FORMAT, "line 4 is not"},
        {"YWI= 99999999999999999999", NS_E_FORMAT, "line 4 is not"}, {"YQ== 3", NS_E_FORMAT, "the token of line 4 is there twice"},
        {"YWI= 2", NS_E_FORMAT, "share the id 2"}, {"YWI= 3\nYQ", NS_E_FORMAT, "line 5 is not"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128];
        snprintf(text, sizeof text, BYTES_AB "%s", rows[i].then);
        put_text("tokenizer.model", text);
        refused("tokenizer.model", rows[i].code, rows[i].says);
    }
}

static void test_bad_models(void **state)
{
    (void)state;
    const model good = small(2), words = small(3);
    clear();
    put("tokenizer.model", good.bytes, good.n);
    refused("tokenizer.model", NS_E_UNSUPPORTED, "neither tokenizer_config.json nor config.json beside it names one");
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"GPTNeoXTokenizer\"}");
    refused("tokenizer.model", NS_E_UNSUPPORTED, "save_pretrained");
    static const char *const encoders[] = {"AlbertTokenizer", "XLMRobertaTokenizer", "CamembertTokenizerFast", "MBartTokenizer",
                                           "XLNetTokenizer"};
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"tokenizer_class\":\"%s\"}", encoders[i]);
        put_text("tokenizer_config.json", text);
        refused("tokenizer.model", NS_E_UNSUPPORTED, "load the folder in transformers and save_pretrained it: that writes tokenizer.json");
    }
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"LlamaTokenizer\"}");
    put("tokenizer.model", words.bytes, words.n);
    refused("tokenizer.model", NS_E_UNSUPPORTED, "a SentencePiece model of words");
    put_text("tokenizer.model", "IQ== 0\nIg== 1\n");
    refused("tokenizer.model", NS_E_UNSUPPORTED, "a tiktoken vocabulary, and how a text is cut is in the code of its class");
    put_text("tokenizer.model", "IQ==\n");
    refused("tokenizer.model", NS_E_FORMAT, "tiktoken");
    put("tokenizer.model", "", 0);
    refused("tokenizer.model", NS_E_FORMAT, "an empty file");
    put("tokenizer.model", "\x12\x00", 2);
    refused("tokenizer.model", NS_E_FORMAT, "no piece");
    for (size_t n = 1; n < good.n; n++) {                       /* cut within a piece; between two there are fewer */
        ns_tokenizer *tok;
        ns_error err = {""};
        put("tokenizer.model", good.bytes, n);
        const int rc = ns_tokenizer_open(&tok, folder, &err);
        assert_true(rc == NS_OK || rc == NS_E_FORMAT);
        ns_tokenizer_free(tok);
    }
    static const struct { const char *text; float score; int type; const char *says; } pieces[] = {
        {"a\xff", 0, NORMAL, "no text in UTF-8"}, {"c", 1.0f / 0.0f, NORMAL, "no finite score"}, {"c", 0, 9, "no type that is known"},
        {"a", 0, NORMAL, "twice"},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        model m = good;
        add_piece(&m, pieces[i].text, pieces[i].score, pieces[i].type);
        put("tokenizer.model", m.bytes, m.n);
        refused("tokenizer.model", NS_E_FORMAT, pieces[i].says);
    }
}

/* ---- the others ---- */

static void test_pair(void **state)
{
    (void)state;
    clear();
    put_text("vocab.json", "{\"a\":0,\"b\":1,\"ab\":2,\"Ġ\":3,\"Ġab\":4,\"<|endoftext|>\":5,\"bb\":6}");
    put_text("merges.txt", "b b\na b\nĠ ab\na b\nb b");         /* GPT-2: the first line and what no line ends do not count */
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"GPT2Tokenizer\",\"add_bos_token\":true,\"bos_token\":\"<x>\"}");
    put_text("added_tokens.json", "{\"<x>\":7}");
    ns_tokenizer *tok = opened();
    expect(tok, "ab ab<x>bb", "7:0:0 2:0:2 4:2:5 7:5:8 1:8:9 1:9:10");
    assert_int_equal(ns_tokenizer_bos(tok), 7);
    ns_tokenizer_free(tok);
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"Qwen2Tokenizer\"}");
    tok = opened();
    expect(tok, "ab abb", "2:0:2 3:2:3 0:3:4 6:4:6");
    ns_tokenizer_free(tok);
    put_text("merges.txt", "#version: 0.2\na b c\n");
    refused("vocab.json", NS_E_FORMAT, "line 2 is not two tokens");
    put_text("merges.txt", "#version: 0.2\na x\n");
    refused("vocab.json", NS_E_FORMAT, "'x' is not in the vocabulary");
    clear();
    put_text("vocab.json", "{\"a\":0}");
    put_text("config.json", "{\"model_type\":\"gpt2\"}");
    refused("vocab.json", NS_E_MISSING, "merges.txt");
}

static void test_words(void **state)
{
    (void)state;
    clear();
    put_text("vocab.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nun\r\n##able\r\nUn\r\nun");
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"BertTokenizer\"}");
    ns_tokenizer *tok = opened();
    expect(tok, "Unable un!", "2:0:0 8:0:2 6:2:6 8:7:9 1:9:10 3:0:0");      /* of two lines "un" the last counts */
    expect_text(tok, IDS(2, 8, 6, 3), true, "unable");
    ns_tokenizer_free(tok);
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"BertTokenizer\",\"do_lower_case\":false}");
    tok = opened();
    expect(tok, "Unable", "2:0:0 7:0:2 6:2:6 3:0:0");
    ns_tokenizer_free(tok);
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"BertTokenizer\",\"cls_token\":\"<c>\"}");
    refused("vocab.txt", NS_E_FORMAT, "cls_token '<c>'");
}

/* tokenizer.json comes first, and a key add_prefix_space leads Llama's class back to the model it was made of. */
static void test_order(void **state)
{
    (void)state;
    const model m = small(2);
    clear();
    put("tokenizer.model", m.bytes, m.n);
    put_text("tokenizer.json", "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"<s>\":2},\"merges\":[]}}");
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"LlamaTokenizer\"}");
    ns_tokenizer *tok = opened();
    expect(tok, "ab", "2:0:0 0:0:1 1:1:2");
    ns_tokenizer_free(tok);
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"LlamaTokenizer\",\"add_prefix_space\":true}");
    tok = opened();
    expect(tok, "ab", "1:0:0 11:0:2");
    ns_tokenizer_free(tok);
    clear();
    char *path = folder;
    assert_int_equal(ns_tokenizer_in(&path, folder, NULL), NS_OK);
    assert_null(path);
}

/* ---- files that say more than any tokenizer has ---- */

enum { MANY = 30000, FIRST = 13 };

static FILE *writing(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    return f;
}

static void opens_soon(void)
{
    const clock_t before = clock();
    ns_tokenizer *const tok = opened();
    const double took = (double)(clock() - before) / CLOCKS_PER_SEC;
    assert_int_equal(ns_token_id(tok, "<t29999>"), FIRST + MANY - 1);
    assert_true(ns_token_is_special(tok, FIRST + MANY - 1));
    ns_tokenizer_free(tok);
    if (took > 4)
        fail_msg("%.1f s", took);
}

/* Every name is looked up among all: seconds where a list is walked, a moment where it is hashed. */
static void test_many_names(void **state)
{
    (void)state;
    const model m = small(2);
    clear();
    put("tokenizer.model", m.bytes, m.n);
    FILE *f = writing("tokenizer_config.json");
    fputs("{\"tokenizer_class\":\"LlamaTokenizer\",\"added_tokens_decoder\":{", f);
    for (int i = 0; i < MANY; i++)
        fprintf(f, "%s\"%d\":{\"content\":\"<t%d>\",\"special\":true}", i ? "," : "", FIRST + i, i);
    fputs("},\"additional_special_tokens\":[\"<t0>\"", f);
    for (int i = 1; i < MANY; i++)
        fprintf(f, i % 2 ? ",\"<t%d>\"" : ",{\"content\":\"<t%d>\"}", i);
    fputs("]}", f);
    assert_int_equal(fclose(f), 0);
    opens_soon();
    f = writing("tokenizer_config.json");
    for (int i = 0; i < MANY; i++)
        fprintf(f, "%s\"k%d\":1", i ? "," : "{", i);
    fputs(",\"tokenizer_class\":\"LlamaTokenizer\",\"pad_token\":\"<t29999>\"}", f);
    assert_int_equal(fclose(f), 0);
    f = writing("added_tokens.json");
    for (int i = 0; i < MANY; i++)
        fprintf(f, "%s\"<t%d>\":%d", i ? "," : "{", i, FIRST + i);
    fputs("}", f);
    assert_int_equal(fclose(f), 0);
    opens_soon();
}

static void test_many_lines(void **state)
{
    (void)state;
    enum { LINES = (1 << 22) + 1 };
    char *const lines = malloc(LINES + 1);
    assert_non_null(lines);
    memset(lines, '\n', LINES);
    lines[LINES] = '\0';
    clear();
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"BertTokenizer\"}");
    put("vocab.txt", lines, LINES);
    refused("vocab.txt", NS_E_UNSUPPORTED, "more than 4194304 lines");
    put("vocab.txt", lines, LINES - 1);
    refused("vocab.txt", NS_E_FORMAT, "cls_token");
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"Qwen2Tokenizer\"}");
    put_text("vocab.json", "{\"a\":0}");
    put("merges.txt", lines, LINES);
    refused("vocab.json", NS_E_UNSUPPORTED, "more than 4194304 lines");
    put("merges.txt", lines, LINES - 2);
    ns_tokenizer_free(opened());
    free(lines);
}

int main(void)
{
    assert_non_null(mkdtemp(folder));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama), cmocka_unit_test(test_another_bos), cmocka_unit_test(test_unigram_model),
        cmocka_unit_test(test_ranks), cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_pair),
        cmocka_unit_test(test_words), cmocka_unit_test(test_order), cmocka_unit_test(test_many_names), cmocka_unit_test(test_many_lines),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    clear();
    rmdir(folder);
    return failed;
}
