/* fuzz_encode.c - the input as a text, encoded by small tokenizers of each kind: offsets lie in the text, and what is decoded is UTF-8. */
#include "fuzz.h"

#include "core/core.h"
#include <needlescope/tokenizer.h>

static const char *const files[] = {
    /* GPT-2's: bytes, its regular expression, a special token */
    "{\"added_tokens\":[{\"id\":8,\"content\":\"<s>\",\"special\":true}],\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":"
    "false,\"use_regex\":true},"
    "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"\xC4\xA0\":2,\"\xC4\xA0"
    "a\":3,\"ab\":4,\"\xC3\x83\":5,\"1\":6,\"'\":7},\"merges\":[\"\xC4\xA0 a\",\"a b\"]}}",
    /* SentencePiece's: NFKC, metaspace, bytes for what is not known */
    "{\"normalizer\":{\"type\":\"NFKC\"},\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":"
    "\"always\"},"
    "\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":\"always\"},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1,\"b\":2,\"\xE2\x96\x81\":3,\"ab\":4},\"merges\":[\"a "
    "b\"]}}",
    /* Llama 3's: a regular expression with look-ahead, an added token that is no special one */
    "{\"added_tokens\":[{\"id\":4,\"content\":\"<x>\",\"special\":false,\"lstrip\":true,\"rstrip\":true,\"single_word\":true}],"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:'s|'t)|[^\\\\r\\\\n\\\\p{"
    "L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}|"
    " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":"
    "\"ByteLevel\",\"add_prefix_space\":false,"
    "\"use_regex\":false}]},\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"ignore_merges\":true,\"vocab\":{\"a\":0,"
    "\"b\":1,\"ab\":2,\"1\":3},\"merges\":[\"a b\"]}}",
};
enum { N = sizeof files / sizeof *files };

static ns_tokenizer *tokenizers[N];

static void make(void)
{
    ns_error err = {""};
    for (int i = 0; i < N; i++) {
        fuzz_put(FUZZ_FILE, files[i], strlen(files[i]));
        fuzz_check(ns_tokenizer_open(&tokenizers[i], FUZZ_FILE, &err) == NS_OK, err.message);
    }
}

static void encode(const ns_tokenizer *t, const char *text, size_t n)
{
    ns_encoding e = {0};
    ns_error err = {""};
    char *back = NULL;
    size_t bad;
    const int rc = ns_encode(t, text, n, true, &e, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &e : NULL, &err);
    fuzz_check(rc != NS_OK || ns_utf8_valid(text, n, &bad), "only UTF-8 is encoded");
    if (rc != NS_OK)
        return;
    for (int64_t i = 0; i < e.n; i++)
        fuzz_check(e.ids[i] >= 0 && e.ids[i] < ns_tokenizer_size(t) && e.begin[i] >= 0 && e.begin[i] <= e.end[i] && e.end[i] <= (int64_t)n,
                   "ids are in the vocabulary, offsets in the text");
    fuzz_check(ns_decode(t, e.ids, e.n, false, &back, &err) == NS_OK && ns_utf8_valid(back, strlen(back), &bad),
               "what is decoded is UTF-8");
    free(back);
    ns_encoding_clear(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!tokenizers[0])
        make();
    for (int i = 0; i < N; i++)
        encode(tokenizers[i], (const char *)data, n);
    return 0;
}
