/* scan_reference.c - the checkpoint that others of its run are compared with: the last one that opens. What was measured against another is
 * not what is asked, so a shard says which it was, and is scored again when the run goes on. */
#include <string.h>

#include "scan_shard.h"

static bool needs_reference(const ns_score_params *s)
{
    for (int i = 0; i < s->n_probes; i++) {
        const ns_probe *const probe = ns_probe_find(s->probes[i]);
        if (probe && strcmp(probe->name, "distance") == 0)
            return true;
    }
    return false;
}

/* One that does not open is said to have failed in its own turn. */
int ns_scan_find_reference(ns_scan_pass *s)
{
    ns_error why = {""};
    s->reference_stamp[0] = '\0';
    if (!needs_reference(&s->p->score))
        return NS_OK;
    for (int64_t i = s->run->series.n - 1; i >= 0; i--) {
        const ns_series_item *const item = &s->run->series.list[i];
        ns_opened *m = NULL;
        const int rc = ns_scan_open(&m, s, item, &why);
        ns_close(m);
        if (rc == NS_E_MEMORY)
            return ns_fail(s->err, rc, "%s", why.message);
        if (rc == NS_OK)
            return ns_checkpoint_stamp(item->path, item->revision, s->reference_stamp, s->err);
    }
    return NS_OK;
}

/* With its weights, once a run. */
int ns_scan_load_reference(ns_scan_pass *s, ns_error *err)
{
    int rc = NS_OK;
    if (!needs_reference(&s->p->score))
        return NS_OK;
    for (int64_t i = s->run->series.n - 1; i >= 0 && !s->reference; i--) {
        rc = ns_scan_open(&s->reference, s, &s->run->series.list[i], err);
        if (rc == NS_OK)
            rc = ns_open_more(s->reference, NS_OPEN_WEIGHTS, err);
        if (rc != NS_OK) {
            ns_close(s->reference);
            s->reference = NULL;
        }
    }
    return rc;
}

/* By the same files, or the same hash of weights. */
int ns_scan_same_reference(ns_scan_pass *s, const ns_file *f, bool *same, ns_error *err)
{
    const char *const stamp = ns_file_fact(f, "reference_stamp"), *const was = ns_file_fact(f, "reference_weights_sha256");
    *same = !s->reference_stamp[0] || (stamp && strcmp(stamp, s->reference_stamp) == 0);
    if (*same || !was)
        return NS_OK;
    const int rc = ns_scan_load_reference(s, err);
    const char *const is = rc == NS_OK && s->reference ? ns_model_weights_sha256(s->reference->model) : NULL;
    *same = is && strcmp(was, is) == 0;
    return rc;
}
