/* fuzz_corpus.c - the input as a file of token ids: width and vocabulary from its first two bytes. */
#include "fuzz.h"

#include <needlescope/lab.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum { B = 2, T = 4 };
    ns_corpus *c = NULL;
    int32_t tokens[B * T], distance[B * T];
    ns_error err = {""};
    if (n < 2)
        return 0;
    fuzz_put(FUZZ_FILE, data + 2, n - 2);
    const ns_corpus_params params = {.size = sizeof params,
                                     .file = FUZZ_FILE,
                                     .width = data[0] % 5,
                                     .vocab = (int64_t)data[1] << (data[0] / 5),
                                     .validation = data[0] & 1};
    int rc = ns_corpus_open(&c, &params, &err);
    fuzz_check_outcome(rc, c, &err);
    for (int64_t batch = 0; c && batch < 3; batch++) {
        rc = ns_corpus_batch(c, batch, B, T, tokens, distance, &err);
        fuzz_check_outcome(rc, rc == NS_OK ? tokens : NULL, &err);
        for (int i = 0; rc == NS_OK && i < B * T; i++)
            fuzz_check(tokens[i] >= 0 && tokens[i] < ns_corpus_vocab(c), "an id is in the vocabulary");
    }
    ns_corpus_close(c);
    return 0;
}
