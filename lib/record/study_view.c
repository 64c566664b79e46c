/* study_view.c - an output where a score is meant, by a name that says so: "answer_hits@answer=0" is its mean over the cases at the first
 * token of the answer, "find_margin@mean" that over the cases. Every axis that is neither named nor layer or head is averaged over. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/open_study.h"

typedef struct view {
    char    name[NS_CHANCE_NAME];            /* of the output */
    ns_axes axes;
    int64_t shape[NS_MAX_RANK], n, fixed[NS_MAX_RANK];      /* -1: averaged, or the place itself */
    float   nothing;                         /* bytes that stand for none; NaN: there are no such */
} view;

bool ns_study_is_view(const char *name)
{
    return strchr(name, '@') != NULL;
}

/* "answer=0" of n bytes. */
static int fix(const ns_study *s, view *v, const char *word, size_t n, ns_error *err)
{
    for (int i = 0; i < v->axes.rank; i++) {
        const char *const axis = ns_axis_name(v->axes.at[i]);
        const size_t length = strlen(axis);
        char *end;
        if (n <= length + 1 || memcmp(word, axis, length) || word[length] != '=' || v->axes.at[i] == NS_AXIS_LAYER ||
            v->axes.at[i] == NS_AXIS_HEAD)
            continue;
        errno = 0;
        const long long at = strtoll(word + length + 1, &end, 10);
        if (end != word + n || errno || at < 0 || at >= v->shape[i])
            return ns_fail(err, NS_E_ARG, "%s: '%.*s': '%s' has the places 0 to %lld of that axis", s->path, (int)n, word, v->name,
                           (long long)v->shape[i] - 1);
        v->fixed[i] = at;
        return NS_OK;
    }
    char text[NS_AXES_TEXT];
    return ns_fail(err, NS_E_ARG, "%s: '%.*s' is neither mean nor AXIS=PLACE of an axis of '%s' that can be averaged over (%s)", s->path,
                   (int)n, word, v->name, ns_axes_text(&v->axes, text));
}

static int check_places(const ns_study *s, const view *v, ns_error *err)
{
    char text[NS_AXES_TEXT];
    if (ns_axes_have(&v->axes, NS_AXIS_LAYER) && !ns_axes_have(&v->axes, NS_AXIS_KV_HEAD))
        return NS_OK;
    return ns_fail(err, NS_E_ARG, "%s: '%s' lies on %s: no score over layers and heads can be made of it", s->path, v->name,
                   ns_axes_text(&v->axes, text));
}

static int parse(const ns_study *s, const char *name, view *v, ns_error *err)
{
    const char *word = strchr(name, '@');
    ns_dtype dtype = NS_F32;
    *v = (view){.nothing = NAN};
    snprintf(v->name, sizeof v->name, "%.*s", (int)(word - name), name);
    int rc = ns_study_axes(s, v->name, &v->axes, err);
    rc = rc != NS_OK ? rc : check_places(s, v, err);
    rc = rc != NS_OK ? rc : ns_file_describe(s->file, v->name, &dtype, NULL, NULL, NULL, err);
    if (rc != NS_OK)
        return rc;
    (void)ns_axes_shape(&v->axes, &s->extent, v->shape, &v->n);
    v->nothing = ns_axes_nothing(&v->axes, dtype) > 0 ? UINT8_MAX : NAN;
    for (int i = 0; i < v->axes.rank; i++)
        v->fixed[i] = -1;
    while (rc == NS_OK && *word) {
        const size_t n = strcspn(++word, "@");
        rc = n == 4 && memcmp(word, "mean", 4) == 0 ? NS_OK : fix(s, v, word, n, err);
        word += n;
    }
    return rc;
}

/* The place of cell i in [L, H], of a layer its first head; -1: another than the fixed one of an axis. */
static int64_t place_of_cell(const ns_study *s, const view *v, int64_t i)
{
    int64_t layer = 0, head = 0;
    for (int d = v->axes.rank - 1; d >= 0; i /= v->shape[d--]) {
        const int64_t at = i % v->shape[d];
        layer = v->axes.at[d] == NS_AXIS_LAYER ? at : layer;
        head = v->axes.at[d] == NS_AXIS_HEAD ? at : head;
        if (v->fixed[d] >= 0 && v->fixed[d] != at)
            return -1;
    }
    return layer * s->n.H + head;
}

/* out[L, H] at a checkpoint; what lies on layers alone is every head's of the layer. */
static int average(const ns_study *s, const view *v, int64_t run, const float *values, float *out, ns_error *err)
{
    const int64_t heads = s->n.L * s->n.H;
    double *const sum = ns_alloc_array((size_t)heads, 2 * sizeof *sum);
    if (!sum)
        return ns_oom(err, v->name);
    double *const times = sum + heads;
    for (int64_t i = 0; i < v->n; i++) {
        const int64_t at = place_of_cell(s, v, i);
        if (at < 0 || isnan(values[i]) || values[i] >= v->nothing)
            continue;
        sum[at] += (double)values[i];
        times[at]++;
    }
    for (int64_t i = 0; i < heads; i++) {
        const int64_t from = ns_axes_have(&v->axes, NS_AXIS_HEAD) ? i : i - i % s->n.H;
        out[i] = s->valid[run * heads + i] && times[from] > 0 ? (float)(sum[from] / times[from]) : NAN;
    }
    free(sum);
    return NS_OK;
}

int ns_study_view_meaning(const ns_study *s, const char *name, ns_score_meaning *out, ns_error *err)
{
    view v;
    *out = (ns_score_meaning){.best = NS_BEST_LARGEST, .lo = -(double)INFINITY, .hi = (double)INFINITY, .chance = (double)NAN};
    const int rc = parse(s, name, &v, err);
    if (rc == NS_OK && ns_ends(v.name, "_hits") && ns_axes_have(&v.axes, NS_AXIS_ANSWER)) {      /* a row says one token: yes or no */
        out->lo = 0;
        out->hi = 1;
    }
    return rc;
}

int ns_study_view(const ns_study *s, const char *name, float **out, ns_error *err)
{
    const int64_t heads = s->n.L * s->n.H;
    view v;
    *out = NULL;
    int rc = parse(s, name, &v, err);
    float *const all = rc == NS_OK ? ns_alloc_array((size_t)(s->n.R * s->n.P * heads), sizeof *all) : NULL;
    rc = rc == NS_OK && !all ? ns_oom(err, name) : rc;
    for (int64_t i = 0; i < s->n.R * s->n.P && rc == NS_OK; i++) {
        float *values = NULL;
        int64_t n;
        for (int64_t k = 0; k < heads; k++)
            all[i * heads + k] = NAN;
        if (s->status[i] != NS_STUDY_DONE)
            continue;
        rc = ns_study_values(s, v.name, i / s->n.P, i % s->n.P, &values, &n, err);
        rc = rc != NS_OK ? rc : average(s, &v, i / s->n.P, values, all + i * heads, err);
        free(values);
    }
    if (rc == NS_OK)
        *out = all;
    else
        free(all);
    return rc;
}
