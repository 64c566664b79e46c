/* fuzz_manifest.c - the input as a run's manifest (JSONL); what is accepted is in order. */
#include "fuzz.h"

#include <needlescope/series.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ns_series s;
    ns_error err = {""};
    fuzz_put(FUZZ_FILE, data, n);
    const int rc = ns_series_manifest(&s, FUZZ_FILE, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &s : NULL, &err);
    fuzz_check((rc == NS_OK) == (s.n > 0), "a manifest that is read has checkpoints, a refused one has none");
    for (int64_t i = 0; i < s.n; i++) {
        const ns_series_item *const item = &s.list[i];
        fuzz_check(item->path && item->label && item->step >= 0, "a checkpoint has a path, a label and a step");
        fuzz_check(i == 0 || item->step > item[-1].step, "steps ascend");
    }
    ns_series_clear(&s);
    return 0;
}
