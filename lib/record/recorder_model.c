/* recorder_model.c - a recorder for a model: its provenance, the threads of its engine, and the hash of its weights. */
#include "record/recorder.h"
#include "model/threads.h"

int ns_recorder_new(ns_recorder **out, const ns_model *model, const ns_cases *cases, const char *path, const ns_recorder_params *params,
                    const ns_provenance *by, ns_error *err)
{
    ns_fact_list facts = {0};
    *out = NULL;
    int rc = ns_provenance_of_model(&facts, model, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_cases(&facts, cases, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_run(&facts, by, err);
    rc = rc != NS_OK ? rc : ns_provenance_check_output(&facts, path, err);
    if (rc == NS_OK)
        rc = ns_recorder_new_in(out, ns_model_arch(model), ns_engine_pool(ns_model_engine(model)), cases, path, params, facts.list,
                                (int)facts.n, err);
    ns_fact_list_clear(&facts);
    if (rc == NS_OK)
        ns_recorder_set_model(*out, model, ns_model_weights_sha256);
    return rc;
}
