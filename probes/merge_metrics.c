/* merge_metrics.c - the trainer's metrics of every run, over the study's (run, step). Steps that were not scanned are left out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"

typedef struct metric { char *name; float *values; } metric;      /* [R, P] */
typedef struct metrics { metric *list; int64_t n, capacity; } metrics;

static float *metric_named(ns_merging *m, metrics *all, const char *name)
{
    for (int64_t i = 0; i < all->n; i++)
        if (strcmp(all->list[i].name, name) == 0)
            return all->list[i].values;
    if (!ns_grow(&all->list, &all->capacity, all->n + 1, sizeof *all->list))
        return NULL;
    const int64_t n = m->job.R * m->job.P;
    metric *const one = &all->list[all->n];
    *one = (metric){ns_strdup(name), ns_alloc_array((size_t)n, sizeof(float))};
    if (!one->name || !one->values) {
        free(one->name);
        free(one->values);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        one->values[i] = NAN;
    all->n++;
    return one->values;
}

typedef struct run_metrics { metrics *all; int64_t run, n, *steps; } run_metrics;      /* steps [n] */

static int read_metric(ns_merging *m, void *user, const ns_file *f, const char *name, const char *axes, ns_dtype dtype)
{
    (void)dtype;
    const run_metrics *const r = user;
    float *values = NULL, *out;
    ns_expected w = {sizeof w, name, NS_F32, 1, {r->n}, ns_score_range(name, NULL)};        /* as the study's readers ask of it */
    if (strcmp(axes, "step") || strcmp(name, "step") == 0 || strcmp(name, "tokens") == 0)
        return NS_OK;
    const int rc = (out = metric_named(m, r->all, name)) ? ns_file_array(f, &w, &values, m->err) : ns_oom(m->err, name);
    for (int64_t i = 0; rc == NS_OK && i < r->n; i++)
        for (int64_t p = 0; p < m->job.P; p++)
            if (m->job.steps[p] == r->steps[i])
                out[r->run * m->job.P + p] = values[i];
    free(values);
    return rc;
}

/* Of a step that stands twice, one of the two would be taken. */
static int check_steps(const char *path, const int64_t *steps, int64_t n, ns_error *err)
{
    for (int64_t i = 1; i < n; i++)
        if (steps[i] <= steps[i - 1])
            return ns_fail(err, NS_E_FORMAT, "%s: dataset 'step' holds %lld behind %lld: steps ascend", path, (long long)steps[i],
                           (long long)steps[i - 1]);
    return NS_OK;
}

static int read_metrics(ns_merging *m, metrics *all, const char *path, int64_t run)
{
    ns_file *f;
    run_metrics r = {.all = all, .run = run};
    ns_expected w = {sizeof w, "step", NS_I64, 1, {NS_ANY}, ns_between(0, 0x1p53)};
    static const ns_kinds kinds = NS_KINDS(NS_KIND_METRICS) | NS_KINDS(NS_KIND_TABLE);       /* of a trainer that says no kind, too */
    int rc = ns_file_open_inside(&f, path, kinds, "training metrics", m->err);
    if (rc != NS_OK)
        return rc;
    rc = ns_file_verify(f, m->err);
    rc = rc != NS_OK ? rc : ns_file_array(f, &w, &r.steps, m->err);
    rc = rc == NS_E_MISSING ? NS_E_FORMAT : rc;
    r.n = rc == NS_OK ? w.shape[0] : 0;
    rc = rc != NS_OK ? rc : check_steps(path, r.steps, r.n, m->err);
    if (rc == NS_OK)
        rc = ns_merge_each(m, f, read_metric, &r);
    free(r.steps);
    ns_file_close(f);
    return rc;
}

/* What scan copied is mended where it came from. */
static int with_remedy(int rc, ns_error *err)
{
    if (rc != NS_E_FORMAT && rc != NS_E_UNSUPPORTED)
        return rc;
    return ns_fail(err, rc, "%s (scan copied the metrics.h5 of the run's folder: mend it there and scan again, or remove both to merge "
                   "without the run's metrics)", err ? err->message : "");
}

char *ns_merge_metrics_path(const char *out, const char *run)
{
    return ns_printf_alloc("%s/shards/%s/metrics.h5", out, run);
}

int ns_merge_write_metrics(ns_merging *m, const char *out)
{
    metrics all = {0};
    int rc = NS_OK;
    for (int64_t r = 0; rc == NS_OK && r < m->job.R; r++) {
        char *const path = ns_merge_metrics_path(out, m->job.runs[r]);
        rc = !path ? ns_oom(m->err, out) : ns_path_exists(path) ? with_remedy(read_metrics(m, &all, path, r), m->err) : NS_OK;
        free(path);
    }
    const int64_t grid[2] = {m->job.R, m->job.P};
    for (int64_t i = 0; i < all.n; i++) {
        const ns_view view = ns_view_of(all.list[i].values, NS_F32, 2, grid);
        if (rc == NS_OK)
            rc = ns_table_array(m->w, all.list[i].name, "run step", &view, "of the trainer's metrics", m->err);
        free(all.list[i].name);
        free(all.list[i].values);
    }
    free(all.list);
    return rc;
}

