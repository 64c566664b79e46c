/* fuzz_llama2c.c - the input as a file of llama2.c: a model, whose tensors are read to their ends, or a tokenizer. */
#include "fuzz.h"

#include <needlescope/checkpoint.h>
#include <needlescope/tokenizer.h>

enum { MOST = 4096 };

static void read_model(const ns_checkpoint *ck)
{
    static float numbers[MOST];
    for (int64_t i = 0; i < ns_checkpoint_count(ck); i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(ck, i);
        const int64_t count = ns_view_count(&t->view), n = count < MOST ? count : MOST;
        fuzz_check(ns_tensor_read_f32(t, count - n, n, numbers, NULL) == NS_OK, "a tensor can be read to its end");
    }
}

static void read_tokenizer(void)
{
    static const char text[] = "ab a  b\nAab<s>\xC3\xA9 ab";
    ns_tokenizer *tok = NULL;
    ns_error err = {""};
    const int rc = ns_tokenizer_open(&tok, FUZZ_FILE, &err);
    fuzz_check_outcome(rc, tok, &err);
    ns_encoding e = {0};
    if (tok && ns_encode(tok, text, sizeof text - 1, true, &e, &err) == NS_OK)
        for (int64_t i = 0; i < e.n; i++)
            fuzz_check(ns_token_text(tok, e.ids[i]) && e.begin[i] <= e.end[i] && e.end[i] <= (int64_t)sizeof text - 1,
                       "a token of the text");
    ns_encoding_clear(&e);
    ns_tokenizer_free(tok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_put(FUZZ_FILE, data, n);
    const ns_checkpoint_params params = {.size = sizeof params, .reader = "llama2c"};
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    const int rc = ns_checkpoint_open(&ck, FUZZ_FILE, &params, &err);
    fuzz_check_outcome(rc, ck, &err);
    if (ck)
        read_model(ck);
    ns_checkpoint_free(ck);
    if (n > 17 && memcmp(data + 12, "<unk>", 5) == 0)
        read_tokenizer();
    return 0;
}
