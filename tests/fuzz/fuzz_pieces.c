/* fuzz_pieces.c - the first byte chooses a class of tokenizers, the rest is a SentencePiece model, used on a fixed text. */
#include "fuzz_words.h"

#define FOLDER FUZZ_ROOT "model"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char text[] = " a  <s>b\xE2\x96\x81" "ab \xC3\xA9\xEF\xBC\xA1" "A\xCC\x81<0x41>\t\n[x]";
    static const char *const classes[] = {
        "{\"tokenizer_class\":\"LlamaTokenizer\"}", "{\"tokenizer_class\":\"LlamaTokenizer\",\"legacy\":false,\"add_eos_token\":true}",
        "{\"tokenizer_class\":\"GemmaTokenizer\",\"add_bos_token\":false}", "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":2}",
        "{\"tokenizer_class\":\"XGLMTokenizer\"}", "{\"tokenizer_class\":\"CodeLlamaTokenizer\",\"add_bos_token\":false}",
    };
    if (n == 0)
        return 0;
    const char *const config = classes[data[0] % (sizeof classes / sizeof *classes)];
    fuzz_put(FOLDER "/tokenizer_config.json", config, strlen(config));
    fuzz_put(FOLDER "/tokenizer.model", data + 1, n - 1);
    fuzz_words_open(FOLDER "/tokenizer.model", text, sizeof text - 1);
    return 0;
}
