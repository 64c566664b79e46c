/* fuzz_kind.c - the input as a file of which it is to be said what it is. */
#include "fuzz.h"

#include <needlescope/kind.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_put(FUZZ_FILE, data, n);
    const ns_kind kind = ns_kind_of(FUZZ_FILE);
    fuzz_check(ns_kind_name(kind) != NULL, "a file is of a kind");
    fuzz_check((n == 0) == (kind == NS_KIND_EMPTY), "a file that holds nothing is empty");
    return 0;
}
