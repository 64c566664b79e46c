/* fuzz_wordpiece.c - the input as vocab.txt, the keys of a tokenizer_config.json and a text, a byte 0x1E between them. */
#include "fuzz_words.h"

#include "core/core.h"

#define FOLDER FUZZ_ROOT "model"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *words;
    const size_t words_n = fuzz_part(&data, &n, &words);
    char *const keys = fuzz_part_text(&data, &n);
    char *const config = ns_printf_alloc("{\"tokenizer_class\":\"BertTokenizer\"%s%s}", *keys ? "," : "", keys);
    fuzz_check(config != NULL, "memory");
    fuzz_put(FOLDER "/vocab.txt", words, words_n);
    fuzz_put(FOLDER "/tokenizer_config.json", config, strlen(config));
    fuzz_words_open(FOLDER "/vocab.txt", (const char *)data, n);
    free(config);
    free(keys);
    return 0;
}
