/* fuzz_ranks.c - a tiktoken vocabulary, and behind a byte 0x1E a text. A first line in front of it is one, or it would be a SentencePiece
 * model, which is another target's. */
#include "fuzz_words.h"

#define FOLDER FUZZ_ROOT "model"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char config[] = "{\"tokenizer_class\":\"PreTrainedTokenizerFast\",\"additional_special_tokens\":[\"<s>\"],"
                                 "\"bos_token\":\"a\"}";
    static const char first[] = "IQ== 7\n";
    static char file[1 << 16];
    const uint8_t *part;
    const size_t length = fuzz_part(&data, &n, &part), kept = length < sizeof file - sizeof first ? length : sizeof file - sizeof first;
    memcpy(file, first, sizeof first - 1);
    memcpy(file + sizeof first - 1, part, kept);
    fuzz_put(FOLDER "/tokenizer_config.json", config, sizeof config - 1);
    fuzz_put(FOLDER "/tokenizer.model", file, sizeof first - 1 + kept);
    fuzz_words_open(FOLDER "/tokenizer.model", (const char *)data, n);
    return 0;
}
