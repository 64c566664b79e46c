/* fuzz_chat.c - the input as chat_template.jinja and, behind a byte 0x1E, tokenizer_config.json: how they differ from the chat formats that
 * we know. */
#include "fuzz.h"

#include <needlescope/case.h>
#include <needlescope/dataset.h>

#define FOLDER FUZZ_ROOT "model"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const files[] = {FOLDER "/chat_template.jinja", FOLDER "/tokenizer_config.json"}, *const chats[] = {"chatml",
                                                                                                                           "llama3"};
    fuzz_put(FOLDER "/tokenizer.json", "{}", 2);
    for (int i = 0; i < 2; i++) {
        const uint8_t *part;
        const size_t length = fuzz_part(&data, &n, &part);
        fuzz_drop(files[i]);
        if (length)
            fuzz_put(files[i], part, length);
    }
    for (int i = 0; i < 2; i++) {
        char *note;
        ns_error err = {""};
        const int rc = ns_chat_compare(&note, chats[i], FOLDER, &err);
        fuzz_check_outcome(rc, rc == NS_OK ? files : NULL, &err);
        fuzz_check(rc == NS_OK || !note, "a failure has no note");
        free(note);
    }
    return 0;
}
