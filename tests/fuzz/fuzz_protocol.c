/* fuzz_protocol.c - the input as a protocol of the laboratory: what is accepted is a plan. */
#include "fuzz.h"
#include "lab/laboratory.h"

static void check(const laboratory *lab)
{
    fuzz_check(lab->n_runs >= 1 && lab->steps >= 1 && lab->every >= 1 && lab->n_lengths >= 1 && lab->n_lengths <= LAB_LENGTHS,
               "counts are sound");
    fuzz_check(lab->birth.theta > 0 && lab->birth.theta <= 1 && lab->claims.alpha > 0 && lab->claims.alpha < 1, "thresholds are sound");
    for (int64_t i = 0; i < lab->n_runs; i++)
        fuzz_check(lab->runs[i].name && lab->runs[i].window >= 1, "a run has a name and a window");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const scales[] = {"quick", "default", "full"};
    ns_laboratory_params params = {.size = sizeof params, .folder = FUZZ_ROOT "lab", .protocol = FUZZ_FILE};
    ns_error err = {""};
    fuzz_put(FUZZ_FILE, data, n);
    for (int i = 0; i < 3; i++) {
        laboratory lab = {0};
        params.scale = scales[i];
        const int rc = ns_laboratory_plan(&lab, &params, &err);
        fuzz_check_outcome(rc, rc == NS_OK ? &lab : NULL, &err);
        if (rc == NS_OK)
            check(&lab);
        ns_laboratory_clear(&lab);
    }
    return 0;
}
