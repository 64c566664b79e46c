/* fuzz_step_name.c - the input as the name of a checkpoint's folder or revision. */
#include "fuzz.h"

#include <needlescope/series.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *const name = fuzz_part_text(&data, &n);
    ns_series_item item = {0};
    const bool known = ns_series_parse(name, &item);
    fuzz_check(item.step >= 0 && item.step == item.stage_step && item.stage >= 0 && item.branch >= 0 && item.tokens >= -1,
               "numbers are sound");
    fuzz_check(known || (item.step == 0 && item.tokens == -1 && !item.final), "a name that is not known says nothing");
    free(name);
    return 0;
}
