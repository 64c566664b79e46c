/* fuzz_tokenizer.c - the input as a tokenizer.json, used on a fixed text and on what follows the JSON in the input. */
#include "fuzz.h"

#include <needlescope/tokenizer.h>

static void check_encoding(const ns_tokenizer *tok, const ns_encoding *e, size_t n)
{
    for (int64_t i = 0; i < e->n; i++) {
        fuzz_check(e->ids[i] >= 0 && e->ids[i] < ns_tokenizer_size(tok), "an id is in the vocabulary");
        fuzz_check(ns_token_text(tok, e->ids[i]) != NULL, "an id has a text");
        fuzz_check(e->begin[i] >= 0 && e->begin[i] <= e->end[i] && e->end[i] <= (int64_t)n, "offsets lie in the text");
    }
}

static void use(const ns_tokenizer *tok, const char *text, size_t n)
{
    ns_encoding e = {0};
    ns_error err = {""};
    const int rc = ns_encode(tok, text, n, true, &e, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &e : NULL, &err);
    if (rc != NS_OK)
        return;
    check_encoding(tok, &e, n);
    for (int skip = 0; skip < 2; skip++) {
        char *decoded = NULL;
        const int rc2 = ns_decode(tok, e.ids, e.n, skip, &decoded, &err);
        fuzz_check_outcome(rc2, decoded, &err);
        free(decoded);
    }
    ns_encoding_clear(&e);
}

static void open_file(const uint8_t *data, size_t n, const char *text, size_t text_n)
{
    static const char fixed[] = "It's  a <s>te\xCC\x81st\xE3\x80\x80of 12\xC2\xB3 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD!\r\n\n[N] aab\t ab";
    fuzz_put(FUZZ_FILE, data, n);
    ns_tokenizer *tok = NULL;
    ns_error err = {""};
    const int rc = ns_tokenizer_open(&tok, FUZZ_FILE, &err);
    fuzz_check_outcome(rc, tok, &err);
    if (tok) {
        use(tok, fixed, sizeof fixed - 1);
        use(tok, text, text_n);
    }
    ns_tokenizer_free(tok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    open_file(data, n, "", 0);
    size_t end = n;         /* the JSON goes to the last '}' */
    while (end > 0 && data[end - 1] != '}')
        end--;
    if (end < n)
        open_file(data, end, (const char *)data + end, n - end);
    return 0;
}
