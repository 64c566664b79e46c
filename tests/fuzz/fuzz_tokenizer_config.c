/* fuzz_tokenizer_config.c - the input as the files beside a small tokenizer, a byte 0x1E between them: tokenizer_config.json,
 * special_tokens_map.json, config.json. */
#include "fuzz.h"

#include <needlescope/tokenizer.h>

#define FOLDER FUZZ_ROOT "model"

static const char tokenizer[] =
    "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":"
    "null,"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"<s>\":0,\"</s>\":1,\"a\":2,\"b\":3,\"\xC4\xA0\":4,\"<x>\":5},\"merges\":[]},"
    "\"added_tokens\":[{\"id\":0,\"content\":\"<s>\",\"special\":true},{\"id\":1,\"content\":\"</s>\",\"special\":true}]}";

static void use(const ns_tokenizer *tok)
{
    static const char text[] = "a <s>b<x> </s>a";
    ns_encoding e;
    ns_error err = {""};
    const int rc = ns_encode(tok, text, sizeof text - 1, true, &e, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &e : NULL, &err);
    for (int64_t i = 0; rc == NS_OK && i < e.n; i++)
        fuzz_check(e.ids[i] >= 0 && e.ids[i] < ns_tokenizer_size(tok) && ns_token_text(tok, e.ids[i]), "an id is in the vocabulary");
    if (rc == NS_OK)
        ns_encoding_clear(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const beside[] = {FOLDER "/tokenizer_config.json", FOLDER "/special_tokens_map.json", FOLDER "/config.json"};
    fuzz_put(FOLDER "/tokenizer.json", tokenizer, sizeof tokenizer - 1);
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *part;
        const size_t length = fuzz_part(&data, &n, &part);
        fuzz_drop(beside[i]);
        if (length)
            fuzz_put(beside[i], part, length);
    }
    ns_tokenizer *tok = NULL;
    ns_error err = {""};
    const int rc = ns_tokenizer_open(&tok, FOLDER, &err);
    fuzz_check_outcome(rc, tok, &err);
    if (tok)
        use(tok);
    ns_tokenizer_free(tok);
    return 0;
}
