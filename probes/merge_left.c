/* merge_left.c - what the scans found and left out, and why: a study says what it is not of. */
#include <stdlib.h>

#include "merge.h"

/* Logs and the like, which hold no weights, are not counted. */
int ns_merge_leave(ns_merge_job *m, const char *run, const ns_scan_index *x, ns_error *err)
{
    for (int64_t i = 0; i < x->n_left_out; i++) {
        const ns_scan_left_out *const left = &x->left_out[i];
        const char *const texts[NS_MERGE_LEFT] = {run, left->name, left->why};
        if (left->no_checkpoint)
            continue;
        if (!ns_grow(&m->left_out, &m->left_capacity, m->n_left_out + 1, sizeof *m->left_out))
            return ns_oom(err, run);
        char **const text = m->left_out[m->n_left_out++].text;
        for (int k = 0; k < NS_MERGE_LEFT; k++)
            if (!(text[k] = ns_strdup(texts[k])))
                return ns_oom(err, run);
    }
    return NS_OK;
}

void ns_merge_left_clear(ns_merge_job *m)
{
    for (int64_t i = 0; i < m->n_left_out; i++)
        for (int k = 0; k < NS_MERGE_LEFT; k++)
            free(m->left_out[i].text[k]);
    free(m->left_out);
}

int ns_merge_write_left(ns_merging *m)
{
    static const char *const names[NS_MERGE_LEFT] = {"left_out_run", "left_out_name", "left_out_why"};
    const int64_t n = m->job.n_left_out;
    if (!n)
        return NS_OK;
    const char **const list = ns_alloc_array((size_t)n, sizeof *list);
    int rc = list ? ns_merge_write_axis(m, "left_out", NULL, n) : ns_oom(m->err, "what was left out");
    for (int k = 0; k < NS_MERGE_LEFT && rc == NS_OK; k++) {
        for (int64_t i = 0; i < n; i++)
            list[i] = m->job.left_out[i].text[k];
        rc = ns_table_strings(m->w, names[k], "left_out", list, n, m->err);
    }
    free(list);
    return rc;
}
