/* fuzz_safetensors.c - the input as a whole file, and again as header + data under a length that fits, so that mutations
 * of the JSON are not all stopped by the first eight bytes. */
#include "fuzz.h"

#include <needlescope/checkpoint.h>

static void read_everything(const ns_checkpoint *ck)
{
    float x[16];
    const char *last = NULL;
    for (int64_t i = 0; i < ns_checkpoint_count(ck); i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(ck, i);
        const int64_t count = ns_view_count(&t->view), n = count < 16 ? count : 16;
        fuzz_check(!last || strcmp(last, t->name) < 0, "tensors are sorted and unique");
        fuzz_check(ns_checkpoint_find(ck, t->name) == t, "every tensor is found by its name");
        fuzz_check(count * (int64_t)ns_dtype_size(t->view.dtype) == t->n_bytes, "the shape is the size");
        const int rc = ns_tensor_read_f32(t, count - n, n, x, NULL);
        fuzz_check(rc == NS_OK || rc == NS_E_UNSUPPORTED, "a tensor's end can be read");
        last = t->name;
    }
}

static void open_file(const uint8_t *data, size_t n)
{
    fuzz_put(FUZZ_FILE, data, n);
    const ns_checkpoint_params params = {.size = sizeof params, .reader = "safetensors"};
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    const int rc = ns_checkpoint_open(&ck, FUZZ_FILE, &params, &err);
    fuzz_check_outcome(rc, ck, &err);
    if (ck)
        read_everything(ck);
    ns_checkpoint_free(ck);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    open_file(data, n);
    if (n < 8)
        return 0;
    size_t end = n;         /* the header goes to the last '}' */
    while (end > 8 && data[end - 1] != '}')
        end--;
    uint8_t *const copy = malloc(n);
    fuzz_check(copy != NULL, "malloc");
    memcpy(copy, data, n);
    const uint64_t length = end - 8;
    memcpy(copy, &length, 8);
    open_file(copy, n);
    free(copy);
    return 0;
}
