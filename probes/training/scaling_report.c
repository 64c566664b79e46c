/* scaling_report.c - tables to fits, and to the differences of all pairs of them. */
#include "scaling.h"

#include <stdlib.h>

static int compare_all(ns_scaling_report *r, const ns_scaling_params *p, ns_error *err)
{
    ns_scaling_difference *d = r->differences;
    int rc = NS_OK;
    for (int i = 0; i < r->n && rc == NS_OK; i++)
        for (int k = i + 1; k < r->n && rc == NS_OK; k++)
            rc = ns_scaling_compare(d++, r->fits[i], r->fits[k], p->resamples, p->seed, err);
    return rc;
}

static int fit_files(ns_scaling_report *r, const char *const *paths, const ns_scaling_params *p, ns_error *err)
{
    int rc = NS_OK;
    for (int i = 0; i < r->n && rc == NS_OK; i++) {
        rc = ns_scaling_read(&r->tables[i], paths[i], p->longppl, err);
        rc = rc != NS_OK ? rc : ns_scaling_new(&r->fits[i], &r->tables[i], p->hold_largest, err);
    }
    return rc != NS_OK ? rc : compare_all(r, p, err);
}

int ns_scaling_of_files(ns_scaling_report **out, const char *const *paths, int n, const ns_scaling_params *params, ns_error *err)
{
    ns_scaling_params p;
    *out = NULL;
    int rc = ns_sized_copy(&p, sizeof p, params, "ns_scaling_params", err);
    if (rc == NS_OK && n < 1)
        rc = ns_fail(err, NS_E_ARG, "no table to fit a scaling law to");
    if (rc != NS_OK)
        return rc;
    ns_scaling_report *const r = ns_alloc_array(1, sizeof *r);
    if (!r)
        return ns_oom(err, "scaling laws");
    *r = (ns_scaling_report){ns_alloc_array((size_t)n, sizeof *r->tables), ns_alloc_array((size_t)n, sizeof *r->fits), n,
                             ns_alloc_array((size_t)n * (size_t)n, sizeof *r->differences)};
    rc = r->tables && r->fits && r->differences ? fit_files(r, paths, &p, err) : ns_oom(err, "scaling laws");
    if (rc == NS_OK)
        *out = r;
    else
        ns_scaling_report_free(r);
    return rc;
}

void ns_scaling_report_free(ns_scaling_report *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->n; i++) {
        if (r->fits)
            ns_scaling_free(r->fits[i]);
        if (r->tables)
            ns_scaling_clear(&r->tables[i]);
    }
    free(r->tables);
    free(r->fits);
    free(r->differences);
    free(r);
}
