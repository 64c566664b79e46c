/* tensors.h - a file of weights: what must hold of a checkpoint that was opened (names in order, each found, each tensor readable from its
 * first to its last byte), and of the tokenizer in such a file. */
#ifndef FUZZ_TENSORS_H
#define FUZZ_TENSORS_H

#include "fuzz.h"

#include <needlescope/checkpoint.h>
#include <needlescope/tokenizer.h>

static inline void fuzz_read_tensors(const ns_checkpoint *ck)
{
    float x[16];
    uint8_t bytes[256];
    const char *last = NULL;
    for (int64_t i = 0; i < ns_checkpoint_count(ck); i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(ck, i);
        const int64_t count = ns_view_count(&t->view), n = count < 16 ? count : 16, m = t->n_bytes < 255 ? t->n_bytes : 255;
        fuzz_check(!last || strcmp(last, t->name) < 0, "tensors are sorted and unique");
        fuzz_check(ns_checkpoint_find(ck, t->name) == t, "every tensor is found by its name");
        fuzz_check(count * (int64_t)ns_dtype_size(t->view.dtype) == t->n_bytes, "the shape is the size");
        const int rc = ns_tensor_read_f32(t, count - n, n, x, NULL);
        fuzz_check(rc == NS_OK || rc == NS_E_UNSUPPORTED, "a tensor's end can be read");
        fuzz_check(ns_tensor_read(t, 0, m, bytes, NULL) == NS_OK && ns_tensor_read(t, t->n_bytes - m, m, bytes, NULL) == NS_OK,
                   "a tensor's first and last bytes can be read");
        last = t->name;
    }
}

/* The input as a file that one reader opens. */
static inline void fuzz_open_weights(const uint8_t *data, size_t n, const char *reader, void (*look)(const ns_checkpoint *))
{
    fuzz_put(FUZZ_FILE, data, n);
    const ns_checkpoint_params params = {.size = sizeof params, .reader = reader};
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    const int rc = ns_checkpoint_open(&ck, FUZZ_FILE, &params, &err);
    fuzz_check_outcome(rc, ck, &err);
    if (ck)
        look(ck);
    ns_checkpoint_free(ck);
}

/* The tokenizer of the file that was put, on a fixed text. */
static inline void fuzz_read_tokenizer(void)
{
    static const char text[] = "ab a[N]bb  b\nAab<s>\xC3\xA9 ab";
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

#endif
