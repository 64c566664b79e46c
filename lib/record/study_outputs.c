/* study_outputs.c - what the probes of a study said, over axes of their own: which there are, and their values at one checkpoint. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/open_study.h"

/* ---- axes ---- */

int ns_file_extent(const ns_file *f, ns_extent *out, ns_error *err)
{
    int rc = NS_OK;
    *out = (ns_extent){{0}};
    for (ns_axis a = NS_AXIS_RUN; a < NS_N_AXES && rc == NS_OK; a++) {
        const char *const name = ns_axis_name(a);
        char *axes = NULL;
        int64_t shape[NS_MAX_RANK];
        rc = ns_file_has(f, name) ? ns_file_describe(f, name, NULL, NULL, shape, &axes, err) : NS_OK;
        if (axes && strcmp(axes, name) == 0)             /* and no coordinate of runs that somebody called so */
            out->n[a] = shape[0];
        free(axes);
    }
    return rc;
}

const ns_extent *ns_study_extent(const ns_study *s)
{
    return &s->extent;
}

/* The axes of a dataset behind run and step, which those of one checkpoint do not have. */
static bool find_axes(const ns_study *s, const char *words, ns_axes *out)
{
    ns_axes all;
    const int lead = s->one ? 0 : 2;
    if (!ns_axes_find(&all, words) || all.rank < lead)
        return false;
    *out = ns_axes_behind(&all, lead);
    const bool led = s->one || (all.at[0] == NS_AXIS_RUN && all.at[1] == NS_AXIS_STEP);
    return led && (out->rank == 0 || out->at[0] >= NS_AXIS_CASE);
}

/* ---- which there are ---- */

/* What says which of the cases were answered is a fact about them, not about a probe. */
static bool is_of_cases_alone(const ns_axes *axes, const char *name)
{
    return axes->rank == 1 && axes->at[0] == NS_AXIS_CASE && ns_score_name_is_taken(name);
}

static bool is_of_heads_alone(const ns_axes *axes)
{
    return axes->rank == 2 && axes->at[0] == NS_AXIS_LAYER && axes->at[1] == NS_AXIS_HEAD;
}

int ns_study_take_output(ns_study *s, const char *name, const char *axes, ns_dtype dtype, ns_error *err)
{
    ns_axes *const own = &s->output_axes[s->n_outputs];
    if ((dtype != NS_F32 && dtype != NS_U8) || strcmp(name, axes) == 0 || !find_axes(s, axes, own) || own->rank == 0 ||
        is_of_heads_alone(own) || is_of_cases_alone(own, name))
        return NS_OK;
    s->output[s->n_outputs] = ns_strdup(name);
    return s->output[s->n_outputs++] ? NS_OK : ns_oom(err, name);
}

void ns_study_forget_outputs(ns_study *s)
{
    ns_free_strings(s->output, s->n_outputs);
    free(s->output_axes);
}

const char *const *ns_study_outputs(const ns_study *s, int64_t *n)
{
    *n = s->n_outputs;
    return (const char *const *)s->output;
}

static int no_such_output(const ns_study *s, const char *name, ns_error *err)
{
    char known[600] = "";
    for (int64_t i = 0; i < s->n_outputs && strlen(known) + strlen(s->output[i]) < 560; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", s->output[i]);
    const char *const near = ns_nearest_word(name, (const char *const *)s->output, s->n_outputs);
    return ns_fail(err, NS_E_ARG, "%s: no output or score '%.60s'%s%.60s%s; its outputs are %s", s->path, name,
                   near ? " (did you mean " : "", near ? near : "", near ? "?)" : "", known[0] ? known : "none");
}

int ns_study_axes(const ns_study *s, const char *name, ns_axes *out, ns_error *err)
{
    *out = (ns_axes){.rank = 2, .at = {NS_AXIS_LAYER, NS_AXIS_HEAD}};
    for (int64_t i = 0; i < s->n_scores; i++)
        if (strcmp(s->score[i], name) == 0)
            return NS_OK;
    for (int64_t i = 0; i < s->n_outputs; i++)
        if (strcmp(s->output[i], name) == 0) {
            *out = s->output_axes[i];
            return NS_OK;
        }
    return no_such_output(s, name, err);
}

/* ---- values ---- */

/* Part (run, step) of a dataset over `axes` behind those two, into out. */
static int part_of(const ns_study *s, const char *name, const ns_axes *axes, int64_t run, int64_t step, float *out, ns_error *err)
{
    const int lead = s->one ? 0 : 2;
    char words[NS_AXES_TEXT], behind[NS_AXES_TEXT];
    int64_t start[NS_MAX_RANK] = {run, step}, count[NS_MAX_RANK] = {1, 1};
    snprintf(words, sizeof words, "%s%s", lead ? "run step " : "", ns_axes_text(axes, behind));
    ns_expected w = {.size = sizeof w, .name = name, .type = NS_F32, .rank = axes->rank + lead, .shape = {s->n.R, s->n.P},
                     .range = ns_score_range(name, NULL), .axes = words};
    (void)ns_axes_shape(axes, &s->extent, w.shape + lead, NULL);
    for (int i = lead; i < w.rank; i++) {
        start[i] = 0;
        count[i] = w.shape[i];
    }
    if (s->one)
        start[0] = start[1] = 0;
    return ns_file_part(s->file, &w, start, count, out, err);
}

int ns_study_values(const ns_study *s, const char *name, int64_t run, int64_t step, float **out, int64_t *n, ns_error *err)
{
    ns_axes axes;
    int64_t shape[NS_MAX_RANK];
    *out = NULL;
    int rc = ns_study_axes(s, name, &axes, err);
    if (rc != NS_OK)
        return rc;
    *out = ns_axes_shape(&axes, &s->extent, shape, n) ? ns_alloc_array((size_t)*n, sizeof **out) : NULL;
    rc = *out ? part_of(s, name, &axes, run, step, *out, err) : ns_oom(err, name);
    if (rc != NS_OK) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

/* ---- cases ---- */

static const ns_axes case_heads = {.rank = 3, .at = {NS_AXIS_CASE, NS_AXIS_LAYER, NS_AXIS_HEAD}},
                     only_cases = {.rank = 1, .at = {NS_AXIS_CASE}};

int ns_study_counts(const ns_study *s, const char *name, int64_t run, int64_t step, float *out, ns_error *err)
{
    const int64_t n = s->n.C * s->n.L * s->n.H;
    const char *const of = ns_hits_of(name);
    int rc = part_of(s, name, &case_heads, run, step, out, err);
    if (rc != NS_OK || !of || !ns_file_has(s->file, of))
        return rc;
    float *const all = ns_alloc_array((size_t)n, sizeof *all);
    rc = all ? part_of(s, of, &case_heads, run, step, all, err) : ns_oom(err, of);
    rc = rc != NS_OK ? rc : ns_check_hits(s->path, name, out, all, n, err);
    free(all);
    return rc;
}

int ns_study_case_series(const ns_study *s, const char *name, int64_t run, int64_t step, float *out, ns_error *err)
{
    const char *const of = ns_hits_of(name);
    int rc = part_of(s, name, &only_cases, run, step, out, err);
    if (rc != NS_OK || !of || !ns_file_has(s->file, of))
        return rc;
    float *const all = ns_alloc_array((size_t)s->n.C, sizeof *all);
    rc = all ? ns_study_case_numbers(s, of, all, err) : ns_oom(err, of);
    rc = rc != NS_OK ? rc : ns_check_hits(s->path, name, out, all, s->n.C, err);
    free(all);
    return rc;
}

int ns_study_case_numbers(const ns_study *s, const char *name, float *out, ns_error *err)
{
    const int64_t start[1] = {0}, count[1] = {s->n.C};
    const ns_expected w = {sizeof w, name, NS_F32, 1, {s->n.C}, ns_score_range(name, NULL), "case"};
    return ns_file_part(s->file, &w, start, count, out, err);
}
