/* fuzz_planted.c - no parser: a fault of each kind, chosen by the input's first byte, for a test that the fuzzers find faults. The kinds
 * that are looked for are those in NS_PLANTED. */
#include "fuzz.h"

#include <limits.h>

static volatile int sink;
static void *volatile lost;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *const kinds = getenv("NS_PLANTED");
    if (n < 2 || data[1] != '!' || !kinds || !data[0] || !strchr(kinds, data[0]))
        return 0;
    uint8_t *const copy = malloc(n);
    fuzz_check(copy != NULL, "memory");
    switch (data[0]) {
    case 'o':
        copy[n] = 1;
        break;
    case 'u':
        sink = INT_MAX;
        sink = sink + 1;
        break;
    case 'l':
        lost = malloc(n);
        lost = NULL;
        break;
    case 'h':
        for (;;)
            sink = 0;
    }
    free(copy);
    return 0;
}
