/* bounds.c - what the values of scores, counts and answers can be: files are mailed, and one that is sealed again may say anything. */
#include <math.h>
#include <string.h>

#include <needlescope/study.h>

#include "core/core.h"

/* What a score file or study calls so is a share of cases, yes or no, or a count, whoever wrote it. */
static const struct { const char *name; double most; bool nan; } named[] = {
    {"answered", 1, false},      {"first_right", 1, false},          {"accuracy", 1, true},       {"first_token_accuracy", 1, true},
    {"score_top4", 1, true},            {"score_top10", 1, true},    {"content_right", 0x1p53, true},
    {"n_tokens", 0x1p53, false}, {"n_answer", 0x1p53, false},        {"n_mentions", 0x1p53, false},
    {"n_distractors", 0x1p53, false},
};

/* Hits, and the rows that were judged. */
static const struct { const char *hits, *of; } quotients[] = {
    {"find_hits", "find_events"},                      {"find_nosink_hits", "find_events"},
    {"find_distractor_hits", "find_events"},           {"find_placebo_hits", "find_placebo_events"},
    {"continue_hits", "continue_events"},              {"continue_nosink_hits", "continue_events"},
    {"continue_placebo_hits", "continue_placebo_events"},
    {"copy_hits", "copy_events"},                      {"copy_nosink_hits", "copy_events"},
    {"copy_distractor_hits", "copy_events"},           {"copy_placebo_hits", "copy_placebo_events"},
    {"any_hits", "copy_events"},                       {"any_nosink_hits", "copy_events"},
};

const char *ns_hits_of(const char *hits)
{
    for (size_t i = 0; i < sizeof quotients / sizeof *quotients; i++)
        if (strcmp(hits, quotients[i].hits) == 0)
            return quotients[i].of;
    return NULL;
}

/* Means of f32 weights that sum to 1 but for their rounding. */
static double rounding(double end)
{
    return 1e-4 * fmax(1, fabs(end));
}

ns_range ns_score_range(const char *dataset, const ns_score_meaning *meaning, bool unrolled)
{
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strcmp(dataset, named[i].name) == 0)
            return (ns_range){0, named[i].most, named[i].nan};
    if (!meaning || !(meaning->lo < meaning->hi) || unrolled)
        return ns_or_nan(ns_finite());
    const double least = isfinite(meaning->lo) ? meaning->lo - rounding(meaning->lo) : ns_finite().least;
    const double most = isfinite(meaning->hi) ? meaning->hi + rounding(meaning->hi) : ns_finite().most;
    return ns_or_nan(ns_between(least, most));
}

int ns_check_hits(const char *path, const char *name, const float *hits, const float *of, int64_t n, ns_error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (hits[i] > of[i])
            return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' holds %g (value %lld), of %g in '%s'", path, name, (double)hits[i],
                           (long long)i, (double)of[i], ns_hits_of(name));
    return NS_OK;
}
