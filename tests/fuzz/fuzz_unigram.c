/* fuzz_unigram.c - the input as the members of a Unigram model, a text, and the bytes of a charsmap, a byte 0x1E between them. */
#include "fuzz_words.h"

#include "core/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *const model = fuzz_part_text(&data, &n), *const text = fuzz_part_text(&data, &n), *const map = ns_base64(data, n);
    fuzz_check(map != NULL, "memory");
    char *const form = n ? ns_printf_alloc("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"%s\"}", map) : ns_strdup("null");
    static const char frame[] = "{\"normalizer\":%s,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\","
                                "\"prepend_scheme\":\"first\",\"split\":false},\"model\":{\"type\":\"Unigram\",%s}}";
    char *const json = form ? ns_printf_alloc(frame, form, model) : NULL;
    fuzz_check(json != NULL, "memory");
    fuzz_put(FUZZ_FILE, json, strlen(json));
    fuzz_words_open(FUZZ_FILE, text, strlen(text));
    free(json);
    free(form);
    free(map);
    free(text);
    free(model);
    return 0;
}
