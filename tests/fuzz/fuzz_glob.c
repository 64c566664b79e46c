/* fuzz_glob.c - the input as a glob and, behind a byte 0x1E, a text: POSIX's fnmatch is the referee where the two languages are one. */
#include "fuzz.h"
#include "core/core.h"

#include <fnmatch.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *const glob = fuzz_part_text(&data, &n), *const text = fuzz_part_text(&data, &n);
    const bool matches = ns_glob(glob, text);
    if (!strchr(glob, '['))
        fuzz_check(matches == (fnmatch(glob, text, FNM_NOESCAPE) == 0), "fnmatch says the same");
    free(glob);
    free(text);
    return 0;
}
