/* trace.c - fig. 5b of arXiv 2606.15378 out of a study: what entropy and the distance of Q and K to the last checkpoint are, over
 * training, for the heads that are the best at the end, for those of each step, and for all others. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "telling.h"
#include "training.h"

static const struct measure { const char *name, *summary; size_t at; } measures[] = {
    {"final_top", "mean over the best heads of the last checkpoint", offsetof(ns_trace, final_top)},
    {"step_top", "mean over the best heads of this checkpoint", offsetof(ns_trace, step_top)},
    {"others", "mean over the heads that are not the best of the last checkpoint", offsetof(ns_trace, others)},
    {"with_final", "Jaccard index of this checkpoint's best heads and the last one's", offsetof(ns_trace, with_final)},
    {"with_previous", "Jaccard index of this checkpoint's best heads and those of the one before", offsetof(ns_trace, with_previous)},
};
enum { N_MEANS = 3, N_MEASURES = sizeof measures / sizeof *measures };

/* ---- what there is ---- */

static int check(const ns_emergence *e, ns_error *err)
{
    static const char *const needed[] = {"entropy_norm", "qk_distance"};
    const char *const path = ns_study_path(e->study);
    for (int i = 0; i < 2; i++)
        if (!ns_study_has(e->study, needed[i]))
            return ns_fail(err, NS_E_ARG, "%s: holds no %s, which a trace is of (scan its runs with --probe %s,entropy_norm,distance, and "
                           "merge)", path, needed[i], e->score);
    return NS_OK;
}

/* NULL where the run was not measured. */
static const ns_trace *trace_of(const ns_run_emergence *run, bool distance)
{
    return distance ? run->distance : run->entropy;
}

/* values[R, P], NaN beyond a run's horizon. */
static void collect(const ns_emergence *e, bool distance, size_t at, double *values)
{
    for (int64_t i = 0; i < e->shape.R * e->shape.P; i++) {
        const ns_run_emergence *const run = &e->runs[i / e->shape.P];
        const ns_trace *const t = trace_of(run, distance);
        values[i] = t && i % e->shape.P < run->P ? *(const double *)((const char *)&t[i % e->shape.P] + at) : (double)NAN;
    }
}

/* ---- the file ---- */

static int put_numbers(ns_table_writer *w, const ns_emergence *e, const char *name, const double *values, const char *summary,
                       ns_error *err)
{
    const ns_view view = ns_view_of((void *)(uintptr_t)values, NS_F64, 2, (int64_t[]){e->shape.R, e->shape.P});
    return ns_table_array(w, name, "run step", &view, summary, err);
}

static int put_traces(ns_table_writer *w, const ns_emergence *e, ns_error *err)
{
    double *const values = ns_alloc_array((size_t)(e->shape.R * e->shape.P), sizeof *values);
    int rc = values ? put_numbers(w, e, "at", e->axis, e->in_tokens ? "tokens" : "steps", err) : ns_oom(err, "a trace");
    for (int i = 0; i < 2 * N_MEANS && rc == NS_OK; i++) {
        char name[48];
        snprintf(name, sizeof name, "%s_%s", i < N_MEANS ? "entropy" : "distance", measures[i % N_MEANS].name);
        collect(e, i >= N_MEANS, measures[i % N_MEANS].at, values);
        rc = put_numbers(w, e, name, values, measures[i % N_MEANS].summary, err);
    }
    for (int i = N_MEANS; i < N_MEASURES && rc == NS_OK; i++) {
        collect(e, false, measures[i].at, values);
        rc = put_numbers(w, e, measures[i].name, values, measures[i].summary, err);
    }
    free(values);
    return rc;
}

/* Of each run: its name, and what it is one of: the runs that differ in their seed alone. */
static int put_names(ns_table_writer *w, const ns_emergence *e, ns_error *err)
{
    const int64_t R = e->shape.R;
    const char **const names = ns_alloc_array((size_t)R, sizeof *names), **const groups = ns_alloc_array((size_t)R, sizeof *groups);
    char (*const words)[NS_GROUP_TEXT] = ns_alloc_array((size_t)e->n_groups, sizeof *words);
    int rc = names && groups && words ? NS_OK : ns_oom(err, "a trace");
    for (int64_t r = 0; r < R && rc == NS_OK; r++)
        names[r] = groups[r] = ns_study_run_name(e->study, r);
    for (int64_t g = 0; g < e->n_groups && rc == NS_OK; g++) {
        const ns_seed_group *const group = &e->groups[g];
        ns_group_text(group, names[group->runs[0]], words[g]);
        for (int64_t i = 0; i < group->n; i++)
            groups[group->runs[i]] = words[g];
    }
    rc = rc != NS_OK ? rc : ns_table_strings(w, "run_name", "run", names, R, err);
    rc = rc != NS_OK ? rc : ns_table_strings(w, "group", "run", groups, R, err);
    free(names);
    free(groups);
    free(words);
    return rc;
}

static int put_axes(ns_table_writer *w, const ns_emergence *e, ns_error *err)
{
    const ns_view steps = ns_view_of((void *)(uintptr_t)ns_study_steps(e->study), NS_I64, 1, (int64_t[]){e->shape.P});
    const int rc = ns_table_count(w, "run", e->shape.R, err);
    return rc != NS_OK ? rc : ns_table_axis(w, "step", &steps, err);
}

static int gather_facts(const ns_emergence *e, int64_t top, ns_fact_list *facts, ns_error *err)
{
    char k[24];
    snprintf(k, sizeof k, "%lld", (long long)(top ? top : 4));
    const ns_fact own[] = {{"kind", "trace", false}, {"score", e->score, false}, {"top", k, false},
                           {"axis", e->in_tokens ? "tokens" : "steps", false}};
    const int rc = ns_fact_list_add_all(facts, own, sizeof own / sizeof *own, err);
    return rc != NS_OK ? rc : ns_provenance_of_file(facts, ns_study_path(e->study), 1, err);
}

int ns_trace_write(const ns_emergence *e, int64_t top, const char *path, const ns_provenance *by, ns_error *err)
{
    ns_fact_list facts = {0};
    ns_table_writer *w = NULL;
    int rc = check(e, err);
    rc = rc != NS_OK ? rc : gather_facts(e, top, &facts, err);
    rc = rc != NS_OK ? rc : ns_provenance_check_file(&facts, "trace", path, err);
    rc = rc != NS_OK ? rc : ns_table_create_by(&w, path, &facts, by, err);
    if (rc == NS_OK) {
        rc = put_axes(w, e, err);
        rc = rc != NS_OK ? rc : put_names(w, e, err);
        rc = rc != NS_OK ? rc : put_traces(w, e, err);
        rc = ns_table_end(w, rc, err);
    }
    ns_fact_list_clear(&facts);
    return rc;
}

/* ---- the answer ---- */

static void tell_checkpoint(const ns_answer *a, const ns_emergence *e, int64_t r, int64_t p)
{
    const ns_trace *const t = &e->runs[r].entropy[p], *const d = e->runs[r].distance ? &e->runs[r].distance[p] : NULL;
    tell_text(a, ns_study_run_name(e->study, r));
    tell_integer(a, ns_study_steps(e->study)[p]);
    tell_number(a, t->with_final);
    tell_number(a, t->final_top);
    tell_number(a, t->step_top);
    tell_number(a, t->others);
    tell_number(a, d ? d->final_top : (double)NAN);
    tell_number(a, d ? d->step_top : (double)NAN);
    tell_number(a, d ? d->others : (double)NAN);
}

void ns_trace_tell(const ns_emergence *e, const ns_answer *a)
{
    static const ns_column columns[] = {
        {"run", "run", NS_CELL_TEXT}, {"step", "step", NS_CELL_INT}, {"with_final", "with final", NS_CELL_NUMBER},
        {"entropy_final_top", "entropy: final", NS_CELL_NUMBER}, {"entropy_step_top", "step's", NS_CELL_NUMBER},
        {"entropy_others", "others", NS_CELL_NUMBER}, {"distance_final_top", "distance: final", NS_CELL_NUMBER},
        {"distance_step_top", "step's", NS_CELL_NUMBER}, {"distance_others", "others", NS_CELL_NUMBER},
    };
    TELL_TABLE(a, "trace", "The best heads of the last checkpoint, of each step, and the others: first and last", columns);
    for (int64_t r = 0; r < e->shape.R; r++) {
        const int64_t P = e->runs[r].entropy ? e->runs[r].P : 0;
        int64_t first = 0, last = P - 1;
        while (first < P && isnan(e->runs[r].entropy[first].with_final))
            first++;
        while (last > first && isnan(e->runs[r].entropy[last].with_final))
            last--;
        for (int64_t p = first; p < P && p <= last; p += last > first ? last - first : 1)
            tell_checkpoint(a, e, r, p);
    }
    a->end(a->user);
}
