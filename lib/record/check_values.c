/* check_values.c - a whole score file or study, dataset by dataset, through the readers that hold each value to what it can be: what such a
 * dataset is called and which axes it has say which reader that is. */
#include <stdlib.h>
#include <string.h>

#include "record/file.h"
#include "record/open_study.h"

/* ---- by their axes ---- */

typedef int check_dataset(ns_study *, const char *name, ns_error *);

static int check_series(ns_study *s, const char *name, ns_error *err)
{
    const float *values;
    return ns_study_series(s, name, &values, err);
}

static int check_cases(ns_study *s, const char *name, ns_error *err)
{
    float *const values = ns_alloc_array((size_t)s->n.C, sizeof *values);
    int rc = !values ? ns_oom(err, name) : ns_hits_of(name) ? ns_study_case_series(s, name, 0, 0, values, err)
                                                            : ns_study_case_numbers(s, name, values, err);
    free(values);
    return rc;
}

/* Of each checkpoint. The product of the sizes was looked at when the study was opened. */
static int check_parts(ns_study *s, const char *name, size_t cells,
                       int read(const ns_study *, const char *, int64_t, int64_t, float *, ns_error *), ns_error *err)
{
    float *const values = ns_alloc_array(cells, sizeof *values);
    int rc = values ? NS_OK : ns_oom(err, name);
    for (int64_t i = 0; i < s->n.R * s->n.P && rc == NS_OK; i++)
        rc = read(s, name, i / s->n.P, i % s->n.P, values, err);
    free(values);
    return rc;
}

static int check_case_series(ns_study *s, const char *name, ns_error *err)
{
    return check_parts(s, name, (size_t)s->n.C, ns_study_case_series, err);
}

static int check_counts(ns_study *s, const char *name, ns_error *err)
{
    return check_parts(s, name, (size_t)(s->n.C * s->n.L * s->n.H), ns_study_counts, err);
}

/* Over axes of its own. Of a dataset that is no output nothing is asked. */
static int check_output(ns_study *s, const char *name, ns_error *err)
{
    int64_t at = s->n_outputs - 1;
    int rc = NS_OK;
    while (at >= 0 && strcmp(s->output[at], name))
        at--;
    for (int64_t i = 0; i < s->n.R * s->n.P && rc == NS_OK && at >= 0; i++) {
        float *values;
        int64_t n;
        rc = ns_study_values(s, name, i / s->n.P, i % s->n.P, &values, &n, err);
        free(values);
    }
    return rc;
}

static int check_ranked(ns_study *s, const char *name, ns_error *err)
{
    const float *values;
    int rc = NS_OK;
    for (int64_t i = 0; i < s->n_scores && rc == NS_OK; i++)
        rc = ns_study_ranked(s, name, s->score[i], &values, err);
    return rc;
}

static const struct { bool one, f32; const char *axes; check_dataset *check; } readers[] = {
    {true, false, "case", check_cases},          {false, false, "case", check_cases},     {true, false, "case layer head", check_counts},
    {true, true, "score layer head", check_ranked},                                       {false, true, "run step", check_series},
    {false, false, "run step case", check_case_series},                        {false, false, "run step case layer head", check_counts},
};

static int check_by_axes(ns_study *s, const char *name, ns_error *err)
{
    char *axes = NULL;
    ns_dtype dtype;
    int rc = ns_file_describe(s->file, name, &dtype, NULL, NULL, &axes, err);
    if (rc == NS_OK && strchr(axes, '?') && ns_score_name_is_taken(name))       /* what somebody put beside ours is none of ours */
        rc = ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has the axes '%s': their names are lost (copy or make the file again)", s->path,
                     name, axes);
    check_dataset *check = check_output;
    for (size_t i = 0; rc == NS_OK && axes && i < sizeof readers / sizeof *readers; i++)
        if (readers[i].one == s->one && strcmp(readers[i].axes, axes) == 0 && (dtype == NS_F32 || !readers[i].f32))
            check = readers[i].check;
    rc = rc == NS_OK && dtype != NS_N_DTYPES ? check(s, name, err) : rc;
    free(axes);
    return rc;
}

/* ---- the whole ---- */

static int check_scores(ns_study *s, ns_error *err)
{
    const float *values;
    int rc = NS_OK;
    for (int64_t i = 0; i < s->n_scores && rc == NS_OK; i++) {
        rc = ns_study_score(s, s->score[i], &values, err);
        rc = rc != NS_OK ? rc : ns_study_chance(s, s->score[i], &values, err);
    }
    return rc;
}

static int check_others(ns_study *s, ns_error *err)
{
    char **list;
    int64_t n = 0;
    int rc = ns_file_list(s->file, &list, &n, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        const char *const name = list[i] + (list[i][0] == '/');
        rc = strchr(name, '/') ? NS_OK : check_by_axes(s, name, err);
    }
    ns_free_strings(list, n);
    return rc;
}

/* ---- of ablations and patchings: by their names ---- */

static int check_of_intervention(const ns_file *f, const char *name, ns_error *err)
{
    float *values = NULL;
    ns_dtype dtype;
    ns_expected w = {.size = sizeof w, .name = name, .type = NS_F32, .range = ns_intervention_range(name)};
    int rc = ns_file_describe(f, name, &dtype, &w.rank, w.shape, NULL, err);
    if (rc == NS_OK && dtype != NS_N_DTYPES)
        rc = ns_file_array(f, &w, &values, err);
    free(values);
    return rc;
}

/* Of two datasets the lesser and the greater, number by number: repeated for each condition, where the greater is of cases alone. */
static int check_order(const ns_file *f, const char *lesser, const char *greater, ns_error *err)
{
    float *a = NULL, *b = NULL;
    int64_t n = 1, m = 1;
    ns_expected of_a = {.size = sizeof of_a, .name = lesser, .type = NS_F32, .range = ns_intervention_range(lesser)},
                of_b = {.size = sizeof of_b, .name = greater, .type = NS_F32, .range = ns_intervention_range(greater)};
    if (!ns_file_has(f, lesser) || !ns_file_has(f, greater))
        return NS_OK;
    int rc = ns_file_describe(f, lesser, NULL, &of_a.rank, of_a.shape, NULL, err);
    rc = rc != NS_OK ? rc : ns_file_describe(f, greater, NULL, &of_b.rank, of_b.shape, NULL, err);
    for (int i = 1; rc == NS_OK && i <= of_b.rank && i <= of_a.rank; i++)       /* what is over the same axes at their ends */
        of_b.shape[of_b.rank - i] = of_a.shape[of_a.rank - i];
    rc = rc != NS_OK ? rc : ns_file_array(f, &of_a, &a, err);
    rc = rc != NS_OK ? rc : ns_file_array(f, &of_b, &b, err);
    for (int i = 0; i < of_a.rank; i++)
        n *= of_a.shape[i];
    for (int i = 0; i < of_b.rank; i++)
        m *= of_b.shape[i];
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        if (m > 0 && a[i] > b[i % m])
            rc = ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' holds %g (value %lld), above %g in '%s'", f->path, lesser, (double)a[i],
                         (long long)i, (double)b[i % m], greater);
    free(a);
    free(b);
    return rc;
}

static int check_interventions(const ns_file *f, ns_error *err)
{
    static const struct { const char *lesser, *greater; } ordered[] = {
        {"content_right", "n_content"}, {"recovery_low", "recovery_high"}, {"set_recovery_low", "set_recovery_high"},
    };
    char **list;
    int64_t n = 0;
    int rc = ns_file_list(f, &list, &n, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = check_of_intervention(f, list[i] + (list[i][0] == '/'), err);
    for (size_t i = 0; i < sizeof ordered / sizeof *ordered && rc == NS_OK; i++)
        rc = check_order(f, ordered[i].lesser, ordered[i].greater, err);
    ns_free_strings(list, n);
    return rc;
}

int ns_file_check_values(const ns_file *f, ns_error *err)
{
    static const ns_kinds interventions = NS_KINDS(NS_KIND_ABLATION) | NS_KINDS(NS_KIND_PATCHING);
    ns_study *s;
    if (ns_file_kind(f) == NS_KIND_RECORDING)
        return ns_recording_check(f, err);
    if (interventions & NS_KINDS(ns_file_kind(f))) {
        const int rc = check_interventions(f, err);
        if (rc != NS_OK)
            return rc;
    }
    if (!(NS_STUDY_KINDS & NS_KINDS(ns_file_kind(f))) || !ns_file_has(f, "layer_kind"))
        return NS_OK;
    int rc = ns_study_of(&s, f, f->path, err);
    rc = rc != NS_OK ? rc : check_scores(s, err);
    rc = rc != NS_OK ? rc : check_others(s, err);
    ns_study_close(s);
    return rc;
}
