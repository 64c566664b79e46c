/* fuzz_series.c - a run's folder and a Hugging Face cache, found by what lies in them. The input, a byte 0x1E between its parts:
 * trainer_state.json of a checkpoint without a step in its name, the run.json of its run, config.json of a checkpoint, refs/main of a
 * cache. */
#include "fuzz.h"

#include <needlescope/scan.h>

#define RUN FUZZ_ROOT "run"
#define CACHE FUZZ_ROOT "models--a--b"

static void look(const char *folder)
{
    ns_scan_run run;
    ns_error err = {""};
    const int rc = ns_scan_run_open(&run, folder, NULL, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &run : NULL, &err);
    if (rc != NS_OK)
        return;
    fuzz_check(run.name && !strchr(run.name, '/') && run.coords && run.series.n > 0, "a run has a name, coordinates and checkpoints");
    for (int64_t i = 1; i < run.series.n; i++)
        fuzz_check(run.series.list[i].step > run.series.list[i - 1].step, "steps ascend");
    ns_scan_run_close(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const paths[] = {RUN "/last one/trainer_state.json", RUN "/run.json", RUN "/step5/config.json", CACHE "/refs/main"};
    fuzz_put(RUN "/last one/config.json", "{}", 2);
    fuzz_put(RUN "/step3/config.json", "{}", 2);
    fuzz_put(RUN "/logs/events", "", 0);
    fuzz_put(CACHE "/snapshots/abc/config.json", "{}", 2);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const uint8_t *part;
        const size_t length = fuzz_part(&data, &n, &part);
        fuzz_drop(paths[i]);
        if (length)
            fuzz_put(paths[i], part, length);
    }
    look(RUN);
    look(CACHE);
    return 0;
}
