/* fuzz_scan_index.c - the input as index/RUN.json of a scan's folder, which says what a merge should find. */
#include "fuzz.h"

#include "../../probes/scan_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ns_scan_index x;
    ns_error err = {""};
    fuzz_put(FUZZ_ROOT "scan/index/run.json", data, n);
    const int rc = ns_scan_index_read(&x, FUZZ_ROOT "scan", "run", &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &x : NULL, &err);
    for (int64_t i = 0; rc == NS_OK && i < x.n; i++)
        fuzz_check(x.list[i].label && x.list[i].step >= 0 && x.list[i].key.stage >= 1 &&
                   (i == 0 || ns_scan_key_order(x.list[i - 1].key, x.list[i].key) < 0),
                   "an entry for each step of a stage, ascending");
    ns_scan_index_clear(&x);
    return 0;
}
