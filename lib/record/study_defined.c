/* study_defined.c - is a score without a number one that has none? It is where nothing was counted: no case has such a row. And a score
 * whose axes have lost their names is no other dataset. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/open_study.h"

/* What says which end of it is the best is a score, whatever became of its axes. */
int ns_study_check_lost(const ns_study *s, const char *name, const char *axes, const char *wanted, ns_error *err)
{
    ns_score_meaning meaning;
    if (!strchr(axes, '?'))
        return NS_OK;
    const int64_t shape[4] = {s->n.R, s->n.P, s->n.L, s->n.H};
    const int rc = ns_file_meaning(s->file, name, &meaning, err), skip = s->one ? 2 : 0;
    ns_expected w = {.size = sizeof w, .name = name, .type = NS_F32, .rank = 4 - skip, .axes = wanted};
    memcpy(w.shape, shape + skip, (size_t)w.rank * sizeof *shape);
    return rc != NS_OK || meaning.assumed ? rc : ns_file_expect(s->file, &w, err);
}

/* Of a probe of the user's, hits or means. */
static bool find_counts(const ns_study *s, const char *score, char out[NS_CHANCE_NAME])
{
    if (ns_study_has(s, ns_score_counted_of(score, out)))
        return true;
    snprintf(out, NS_CHANCE_NAME, "%s_events", score);
    return ns_study_has(s, out);
}

static bool lacks(const ns_study *s, const ns_head_values *v, int64_t run)
{
    bool found = false;
    for (int64_t i = 0; i < v->L * v->H && !found; i++)
        found = isnan(v->values[i]) && s->valid[run * v->L * v->H + i];
    return found;
}

int ns_study_check_defined(const ns_study *s, const ns_head_values *v, int64_t run, int64_t step, ns_error *err)
{
    char name[NS_CHANCE_NAME];
    if (s->status[run * s->n.P + step] != NS_STUDY_DONE || !lacks(s, v, run) || !find_counts(s, v->score, name))
        return NS_OK;
    float *const counts = ns_alloc_array((size_t)(s->n.C * v->L * v->H), sizeof *counts);
    int rc = counts ? ns_study_counts(s, name, run, step, counts, err) : ns_oom(err, name);
    rc = rc != NS_OK ? rc : ns_check_defined(v, name, counts, s->n.C, err);
    free(counts);
    return rc;
}
