/* fuzz_json.c - the input as any JSON: what the strict reader takes is printed, read again, and is the same. */
#include "fuzz.h"
#include "core/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    cJSON *tree, *back;
    ns_error err = {""};
    const int rc = ns_json_parse(&tree, (const char *)data, n, 32, "a.json", &err);
    fuzz_check_outcome(rc, tree, &err);
    if (!tree)
        return 0;
    char *const text = ns_json_print(tree, data[0] & 1);
    fuzz_check(text != NULL, "a tree can be printed");
    fuzz_check(ns_json_parse(&back, text, strlen(text), 32, "b.json", &err) == NS_OK, "what was printed is read");
    fuzz_check(cJSON_Compare(tree, back, true), "and is the same");
    free(text);
    cJSON_Delete(back);
    cJSON_Delete(tree);
    return 0;
}
