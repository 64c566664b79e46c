/* fuzz_train_config.c - the input as the "train" object of a run; what is accepted is in range, written and read back the same. */
#include "fuzz.h"

#include <needlescope/train.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ns_train_config c, back;
    char *first, *second, hex[65], again[65];
    ns_error err = {""};
    const int rc = ns_train_config_from_json(&c, (const char *)data, n, "train.json", &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &c : NULL, &err);
    if (rc != NS_OK)
        return 0;
    fuzz_check(ns_train_config_check(&c, "train.json", &err) == NS_OK, "what is read is checked");
    fuzz_check(ns_train_config_to_json(&c, &first, &err) == NS_OK, "a config can be written");
    fuzz_check(ns_train_config_from_json(&back, first, strlen(first), "back.json", &err) == NS_OK, "what was written is read");
    fuzz_check(ns_train_config_to_json(&back, &second, &err) == NS_OK && strcmp(first, second) == 0, "and is the same");
    fuzz_check(ns_train_config_sha256(&c, hex, &err) == NS_OK && ns_train_config_sha256(&back, again, &err) == NS_OK &&
                   strcmp(hex, again) == 0,
               "and of one hash");
    free(first);
    free(second);
    return 0;
}
