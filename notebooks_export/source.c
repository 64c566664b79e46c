/* source.c - what every export begins with: the study's shape at hand, and parameters that fit it. */
#include "source.h"

static ns_source source_of(ns_study *s)
{
    const ns_study_shape n = ns_study_size(s);
    ns_source x = {.study = s, .file = ns_study_file(s), .path = ns_study_path(s), .is_study = !ns_study_is_one(s), .R = n.R, .P = n.P,
                   .L = n.L, .H = n.H, .C = n.C,
                   .step = ns_study_steps(s), .tokens = ns_study_tokens(s), .status = ns_study_status(s), .run = -1};
    x.coord = ns_study_coords(s, &x.n_coords);
    return x;
}

int ns_source_begin(ns_source *x, ns_study *study, const char *path, ns_kind makes, const ns_export_params *given, ns_export_params *out,
                    ns_error *err)
{
    ns_score_meaning meaning;
    *x = source_of(study);
    int rc = ns_check_not_input(path, &x->path, 1, err);
    rc = rc != NS_OK ? rc : ns_output_check(path, NS_KINDS(makes), true, err);
    rc = rc != NS_OK ? rc : ns_sized_copy(out, sizeof *out, given, "ns_export_params", err);
    if (rc == NS_OK && out->n_scores < 1)
        rc = ns_fail(err, NS_E_ARG, "%s: an export needs a score at least", x->path);
    if (rc != NS_OK)
        return rc;
    out->top = out->top ? out->top : NS_EXPORT_TOP;
    rc = out->run ? ns_study_find_run(study, out->run, &x->run, err) : NS_OK;
    for (int i = 0; i < out->n_scores && rc == NS_OK; i++)
        rc = ns_study_meaning(study, out->scores[i].name, &meaning, err);
    return rc;
}

int ns_source_facts(const ns_source *x, const ns_provenance *by, ns_fact_list *out, ns_error *err)
{
    const int rc = ns_provenance_of_export(out, by, err);
    return rc != NS_OK ? rc : ns_provenance_of_file(out, x->path, 1, err);
}
