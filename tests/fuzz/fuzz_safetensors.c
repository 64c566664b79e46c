/* fuzz_safetensors.c - the input as a whole file, and again as header + data under a length that fits, so that mutations
 * of the JSON are not all stopped by the first eight bytes. */
#include "tensors.h"

static void open_file(const uint8_t *data, size_t n)
{
    fuzz_open_weights(data, n, "safetensors", fuzz_read_tensors);
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
