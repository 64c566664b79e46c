/* paper.c - runs -> what is computed on them (plan.c) -> measures -> figures -> the page. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <needlescope/machine.h>

#include "paper.h"

/* The folder, the jobs and the rules are a laboratory's, by the committed protocol. */
static int plan_laboratory(paper *p, ns_error *err)
{
    const ns_paper_params *const a = p->params;
    p->lab_params = (ns_laboratory_params){
        .size = sizeof p->lab_params, .folder = a->folder, .scale = a->scale, .seeds = a->n_runs ? 0 : a->seeds, .program = a->program,
        .cores = a->cores, .by = a->by, .say = a->say, .progress = a->progress, .cancelled = a->cancelled, .user = a->user,
        .study = "paper",
    };
    p->lab.resamples = 1;                        /* births have an interval of their own here */
    p->lab.lock = -1;
    p->lab.cores = a->cores > 0 ? a->cores : ns_machine_cpus();
    return ns_laboratory_plan(&p->lab, &p->lab_params, err);
}

static int end_plan(paper *p, ns_paper_report *out, ns_error *err)
{
    ns_stream *const plan = p->plan;
    p->plan = NULL;
    const int rc = ns_stream_end(plan, "the plan", &out->text, NULL, err);
    if (rc == NS_OK && !(out->json = ns_json_print(p->plan_json, true)))
        return ns_oom(err, "the plan");
    return rc;
}

static int work(paper *p, ns_paper_report *out, ns_error *err)
{
    int rc = ns_paper_find_runs(p, err);
    out->runs = p->n_runs;
    if (rc == NS_OK && p->params->dry_run && !(p->plan = ns_stream_open()))
        rc = ns_oom(err, "the plan");
    rc = rc != NS_OK ? rc : ns_paper_compute(p, err);
    if (rc == NS_OK && p->plan)
        return end_plan(p, out, err);
    rc = rc != NS_OK ? rc : ns_paper_measure(p, err);
    rc = rc != NS_OK ? rc : ns_paper_draw(p, err);
    return rc != NS_OK ? rc : ns_paper_write(p, out, err);
}

int ns_paper_run(ns_paper_report *out, const ns_paper_params *params, ns_error *err)
{
    ns_paper_params own;
    int rc = ns_sized_copy(&own, sizeof own, params, "ns_paper_params", err);
    if (rc == NS_OK && out->size != sizeof *out)
        rc = ns_fail(err, NS_E_ARG, "ns_paper_report: its size field is %zu, not %zu", out->size, sizeof *out);
    if (rc == NS_OK && !own.folder)
        rc = ns_fail(err, NS_E_ARG, "a page needs a folder");
    if (rc == NS_OK && own.n_runs && own.scale)
        rc = ns_fail(err, NS_E_ARG, "scale '%s' is of runs that are trained; runs are named", own.scale);
    if (rc != NS_OK)
        return rc;
    paper p = {.params = &own};
    *out = (ns_paper_report){.size = out->size};
    rc = plan_laboratory(&p, err);
    rc = rc != NS_OK ? rc : work(&p, out, err);
    out->failures = p.lab.failures;
    if (p.lab.lock >= 0)
        close(p.lab.lock);
    ns_paper_clear(&p);
    if (rc != NS_OK)
        ns_paper_report_clear(out);
    return rc == NS_OK && out->failures ? NS_STOP : rc;
}

void ns_paper_report_clear(ns_paper_report *r)
{
    free(r->text);
    free(r->json);
    *r = (ns_paper_report){.size = r->size};
}
