/* fuzz_probe_name.c - the input as a probe's name (--probe); a name that is not known has a message with, perhaps, the nearest. */
#include "fuzz.h"

#include <needlescope/probe.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *const name = fuzz_part_text(&data, &n);
    ns_error err = {""};
    const int rc = ns_probe_check(name, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? name : NULL, &err);
    free(name);
    return 0;
}
