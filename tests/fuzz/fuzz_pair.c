/* fuzz_pair.c - the first byte chooses GPT-2's class or Qwen2's; then vocab.json, merges.txt, added_tokens.json and a text, a byte 0x1E
 * between them. */
#include "fuzz_words.h"

#define FOLDER FUZZ_ROOT "model"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const classes[] = {"{\"tokenizer_class\":\"GPT2Tokenizer\",\"add_bos_token\":true,\"bos_token\":\"a\"}",
                                          "{\"tokenizer_class\":\"Qwen2Tokenizer\"}", "{\"tokenizer_class\":\"GPT2Tokenizer\"}"};
    static const char *const files[] = {FOLDER "/vocab.json", FOLDER "/merges.txt", FOLDER "/added_tokens.json"};
    if (n == 0)
        return 0;
    const char *const config = classes[data[0] % 3];
    data++;
    n--;
    fuzz_put(FOLDER "/tokenizer_config.json", config, strlen(config));
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *part;
        const size_t length = fuzz_part(&data, &n, &part);
        fuzz_drop(files[i]);
        if (length || i < 2)
            fuzz_put(files[i], part, length);
    }
    fuzz_words_open(files[0], (const char *)data, n);
    return 0;
}
