/* fuzz_tokenizer_config.c - the input as the tokenizer_config.json (and, behind a byte 0x1E, the special_tokens_map.json) of a small tokenizer. */
#include "fuzz.h"

#include <needlescope/tokenizer.h>

static char folder[] = "/tmp/ns-fuzz-XXXXXX";

static const char tokenizer[] =
    "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":null,"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"<s>\":0,\"</s>\":1,\"a\":2,\"b\":3,\"\xC4\xA0\":4,\"<x>\":5},\"merges\":[]},"
    "\"added_tokens\":[{\"id\":0,\"content\":\"<s>\",\"special\":true},{\"id\":1,\"content\":\"</s>\",\"special\":true}]}";

static void put(const char *name, const void *data, size_t n)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const f = fopen(path, "w");
    fuzz_check(f && fwrite(data, 1, n, f) == n, "write to a temporary folder");
    fclose(f);
}

static void drop(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    remove(path);
}

static void clean(void)
{
    drop("tokenizer.json");
    drop("tokenizer_config.json");
    drop("special_tokens_map.json");
    rmdir(folder);
}

static void use(const ns_tokenizer *tok)
{
    static const char text[] = "a <s>b<x> </s>a";
    ns_encoding e;
    ns_error err = { "" };
    const int rc = ns_encode(tok, text, sizeof text - 1, true, &e, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &e : NULL, &err);
    for (int64_t i = 0; rc == NS_OK && i < e.n; i++)
        fuzz_check(e.ids[i] >= 0 && e.ids[i] < ns_tokenizer_size(tok) && ns_token_text(tok, e.ids[i]), "an id is in the vocabulary");
    if (rc == NS_OK)
        ns_encoding_clear(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static int made;
    if (!made) {
        fuzz_check(mkdtemp(folder) != NULL, "a temporary folder");
        put("tokenizer.json", tokenizer, sizeof tokenizer - 1);
        atexit(clean);
        made = 1;
    }
    const uint8_t *const cut = n ? memchr(data, 0x1E, n) : NULL;
    put("tokenizer_config.json", data, cut ? (size_t)(cut - data) : n);
    drop("special_tokens_map.json");
    if (cut)
        put("special_tokens_map.json", cut + 1, n - (size_t)(cut - data) - 1);
    ns_tokenizer *tok = NULL;
    ns_error err = { "" };
    const int rc = ns_tokenizer_open(&tok, folder, &err);
    fuzz_check_outcome(rc, tok, &err);
    if (tok)
        use(tok);
    ns_tokenizer_free(tok);
    return 0;
}
