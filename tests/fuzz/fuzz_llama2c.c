/* fuzz_llama2c.c - the input as a file of llama2.c: a model, whose tensors are read to their ends, or a tokenizer. */
#include "tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_open_weights(data, n, "llama2c", fuzz_read_tensors);
    if (n > 17 && memcmp(data + 12, "<unk>", 5) == 0)
        fuzz_read_tokenizer();
    return 0;
}
