/* fuzz_gguf.c - the input as a GGUF file: its tensors in whole and in parts, its config, its tokenizer on a fixed text. The seeds are
 * make_gguf.py's. */
#include "tensors.h"

#include <needlescope/arch.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_open_weights(data, n, "gguf", read_model);
    if (n >= 4 && memcmp(data, "GGUF", 4) == 0)
        fuzz_read_tokenizer();
    return 0;
}
