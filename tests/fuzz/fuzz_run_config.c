/* fuzz_run_config.c - the input as CONFIG.json of a training run. */
#include "fuzz.h"
#include "lab/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const ns_run_params params = {.size = sizeof params, .config = FUZZ_FILE, .folder = FUZZ_ROOT "run"};
    ns_run run;
    ns_error err = {""};
    fuzz_put(FUZZ_FILE, data, n);
    const int rc = ns_run_read(&run, &params, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &run : NULL, &err);
    if (rc == NS_OK) {
        fuzz_check(run.name && run.coords && strlen(run.sha256) == 64, "a run has a name, coordinates and a hash");
        fuzz_check(run.checkpoint_every >= 1 && run.validation_sequences >= 1, "counts are positive");
        fuzz_check(!run.corpus_file || run.corpus_width == 2 || run.corpus_width == 4, "ids have 2 or 4 bytes");
    }
    ns_run_clear(&run);
    return 0;
}
