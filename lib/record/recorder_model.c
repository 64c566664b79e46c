/* recorder_model.c - a recorder for a model: threads and kernel class of its engine, and the hash of its weights. */
#include "record/recorder.h"

int ns_recorder_new(ns_recorder **out, const ns_model *model, const ns_cases *cases, const char *path, const ns_recorder_params *params,
                    const ns_fact *facts, int n_facts, ns_error *err)
{
    const ns_engine *const engine = ns_model_engine(model);
    int rc = ns_recorder_new_for(out, ns_model_arch(model), ns_engine_threads(engine), cases, path, params, facts, n_facts, err);
    if (rc < 0)
        return rc;
    rc = ns_recorder_fact(*out, "kernel_class", ns_engine_kernel_class(engine), err);
    if (rc < 0) {
        ns_recorder_abort(*out);
        *out = NULL;
        return rc;
    }
    ns_recorder_set_model(*out, model, ns_model_weights_sha256);
    return NS_OK;
}
