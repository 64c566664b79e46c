/* fuzz_gguf.c - the input as a GGUF file: its tensors in whole and in parts, its config, its tokenizer on a fixed text. The seeds are
 * make_gguf.py's. */
#include "fuzz.h"

#include <needlescope/arch.h>
#include <needlescope/checkpoint.h>
#include <needlescope/tokenizer.h>

enum { MOST = 4096 };

/* A part has the bits that the whole has there. */
static void read_tensor(const ns_tensor *t)
{
    static float whole[MOST], part[MOST];
    const int64_t count = ns_view_count(&t->view), n = count < MOST ? count : MOST;
    int rc = ns_tensor_read_f32(t, 0, n, whole, NULL);
    fuzz_check(rc == NS_OK || rc == NS_E_UNSUPPORTED, "a tensor can be read");
    for (int64_t first = 0, step = 1; rc == NS_OK && first < n; first += step, step = step * 3 % 101) {
        const int64_t length = step < n - first ? step : n - first;
        rc = ns_tensor_read_f32(t, first, length, part, NULL);
        fuzz_check(rc == NS_OK && memcmp(part, whole + first, (size_t)length * sizeof *part) == 0, "a part is a part of the whole");
    }
    if (count > n)
        fuzz_check(ns_tensor_read_f32(t, count - n, n, whole, NULL) == rc, "the end can be read as the beginning");
}

static void read_model(const ns_checkpoint *ck)
{
    ns_arch *arch = NULL;
    ns_error err = {""};
    const char *last = NULL;
    for (int64_t i = 0; i < ns_checkpoint_count(ck); i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(ck, i);
        fuzz_check(!last || strcmp(last, t->name) < 0, "tensors are sorted and unique");
        read_tensor(t);
        last = t->name;
    }
    const int rc = ns_arch_from_checkpoint(&arch, ck, NULL, &err);
    fuzz_check_outcome(rc, arch, &err);
    if (arch) {
        err = (ns_error){""};
        const int checked = ns_arch_check(arch, ck, &err);
        fuzz_check_outcome(checked, checked == NS_OK ? arch : NULL, &err);
    }
    ns_arch_free(arch);
}

static void read_tokenizer(void)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_put(FUZZ_FILE, data, n);
    const ns_checkpoint_params params = {.size = sizeof params, .reader = "gguf"};
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    const int rc = ns_checkpoint_open(&ck, FUZZ_FILE, &params, &err);
    fuzz_check_outcome(rc, ck, &err);
    if (ck)
        read_model(ck);
    ns_checkpoint_free(ck);
    if (n >= 4 && memcmp(data, "GGUF", 4) == 0)
        read_tokenizer();
    return 0;
}
