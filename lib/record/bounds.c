/* bounds.c - what the values of scores, counts and answers can be: files are mailed, and one that is sealed again may say anything. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <needlescope/arch.h>
#include <needlescope/study.h>

#include "core/core.h"

/* What one of our files calls so is a share, yes or no, a count or a loss, whoever wrote it. */
struct named { const char *name; double least, most; bool nan; };
static const struct named of_all[] = {
    {"answered", 0, 1, false},           {"first_right", 0, 1, false},         {"accuracy", 0, 1, true},
    {"first_token_accuracy", 0, 1, true},                                      {"score_top4", 0, 1, true},
    {"score_top10", 0, 1, true},         {"content_right", 0, 0x1p53, true},   {"n_tokens", 0, 0x1p53, false},
    {"n_answer", 0, 0x1p53, false},      {"n_mentions", 0, 0x1p53, false},     {"n_distractors", 0, 0x1p53, false},
    {"length", 0, 0x1p53, false},        {"depth", 0, 1, true},            {"distance", 0, 0x1p53, true},
    {"weight_distance", 0, FLT_MAX, true},                                     {"weight_across", 0, FLT_MAX, true},
    {"flipped", 0, 1, true},             {"recall_in_window", 0, 1, true},     {"recall_beyond_window", 0, 1, true},
};

/* And in an ablation or patching alone: a series that a trainer wrote may have any name. */
static const struct named of_interventions[] = {
    {"first_accuracy", 0, 1, true},      {"rest_accuracy", 0, 1, true},          {"answered_share", 0, 1, true},
    {"set_flipped", 0, 1, true},         {"hidden_share", 0, 1 + 1e-4, true},    {"matched", 0, 1, true},
    {"layer_matched", 0, 1, true},       {"says_source", 0, 1, false},           {"source_right", 0, 1, false},
    {"in_loss", 0, 1, false},            {"n_content", 0, 0x1p53, false},        {"z_norm", 0, FLT_MAX, true},
    {"loss", -1e-4, FLT_MAX, true},      /* nats: a difference of f32 numbers, 0 but for their rounding */
    {"control_ratio", 0, (double)INFINITY, false},                               {"control_caliper", 0, (double)INFINITY, false},
    {"control_candidates", 0, 0x1p31, false},                                    {"control_tier", 0, 2, false},
    {"control_layer", 0, 0x1p31, false},                                         {"control_head", 0, 0x1p31, false},
};

/* Of a recording: cells of rows that sum to 1, their sums and means (of f32, or rounded to half); and what has no unit. */
#define MOST_MASS (1 + 1e-3)
#define STAT(name, most) {"stat_" name, 0, most, true}, {"stat_" name "_sq", 0, most, true}
static const struct named of_recordings[] = {
    {"attn", 0, MOST_MASS, false},       {"rows_attn", 0, MOST_MASS, false},     {"topk_value", 0, MOST_MASS, false},
    {"topk_rest", 0, MOST_MASS, false},  {"pool_max", 0, MOST_MASS, true},       {"pool_mean", 0, MOST_MASS, true},
    STAT("sink", MOST_MASS),             STAT("local", MOST_MASS),               STAT("needle", MOST_MASS),
    STAT("needle_max", MOST_MASS),       STAT("top1_mass", MOST_MASS),           STAT("prev_token", MOST_MASS),
    STAT("same_token", MOST_MASS),       STAT("induction", MOST_MASS),           STAT("entropy", FLT_MAX),
    STAT("argmax_dist", FLT_MAX),
};

/* Scores of hits or of the model's weights: their range holds whatever the rows are. The others are of rows that sum to 1, which those of
 * recurrent layers do not. */
static const char *const of_any_rows[] = {
    "retrieval_find", "retrieval_continue", "retrieval_copy", "copy_any", "retrieval_find_nosink", "retrieval_continue_nosink",
    "retrieval_copy_nosink", "copy_any_nosink", "retrieval_selectivity", "copy_selectivity", "retrieval_wu", "retrieval_wu2024",
    "q_distance", "k_distance", "qk_distance", "ov_copying",
};

/* Hits, and the rows that were judged; tokens that are right, and those of the answer. */
static const struct { const char *hits, *of; } quotients[] = {
    {"find_hits", "find_events"},                      {"find_nosink_hits", "find_events"},
    {"find_distractor_hits", "find_events"},           {"find_placebo_hits", "find_placebo_events"},
    {"continue_hits", "continue_events"},              {"continue_nosink_hits", "continue_events"},
    {"continue_placebo_hits", "continue_placebo_events"},
    {"copy_hits", "copy_events"},                      {"copy_nosink_hits", "copy_events"},
    {"copy_distractor_hits", "copy_events"},           {"copy_placebo_hits", "copy_placebo_events"},
    {"any_hits", "copy_events"},                       {"any_nosink_hits", "copy_events"},
    {"content_right", "n_answer"},
};

const char *ns_hits_of(const char *hits)
{
    for (size_t i = 0; i < sizeof quotients / sizeof *quotients; i++)
        if (strcmp(hits, quotients[i].hits) == 0)
            return quotients[i].of;
    return NULL;
}

/* Scores, and what they are counted of where their names do not say it. */
static const struct { const char *score, *counts; } counted[] = {
    {"retrieval_find", "find_events"},         {"retrieval_continue", "continue_events"},     {"retrieval_copy", "copy_events"},
    {"retrieval_find_nosink", "find_events"},  {"retrieval_continue_nosink", "continue_events"},
    {"retrieval_copy_nosink", "copy_events"},  {"copy_any", "copy_events"},                   {"copy_any_nosink", "copy_events"},
    {"retrieval_logit", "case_retrieval_logit"},              {"retrieval_logit_rest", "case_retrieval_logit_rest"},
    {"mass_lift_first", "case_mass_first_lift"},                                              {"mass_lift_last", "case_mass_last_lift"},
};

const char *ns_score_counted_of(const char *score, char out[NS_CHANCE_NAME])
{
    static const char family[] = "retrieval_";
    snprintf(out, NS_CHANCE_NAME, "case_%s", score + (ns_starts(score, family) ? strlen(family) : 0));
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        if (strcmp(score, counted[i].score) == 0)
            snprintf(out, NS_CHANCE_NAME, "%s", counted[i].counts);
    return out;
}

int ns_check_defined(const ns_head_values *v, const char *name, const float *counts, int64_t n, ns_error *err)
{
    const bool events = ns_ends(name, "_events");
    for (int64_t i = 0; i < v->L * v->H; i++) {
        int64_t of = 0;
        for (int64_t c = 0; c < n && isnan(v->values[i]); c++)
            of += events ? counts[c * v->L * v->H + i] > 0 : isfinite(counts[c * v->L * v->H + i]);
        if (of > 0)
            return ns_fail(err, NS_E_FORMAT,
                           "%s: dataset '%s' holds nan of head %lld.%lld (value %lld), though '%s' counts %lld case%s for it", v->path,
                           v->dataset, (long long)(i / v->H), (long long)(i % v->H), (long long)(v->before + i), name,
                           (long long)of, ns_plural(of));
    }
    return NS_OK;
}

/* Means of f32 weights that sum to 1 but for their rounding. */
static double rounding(double end)
{
    return 1e-4 * fmax(1, fabs(end));
}

bool ns_score_of_any_rows(const char *score)
{
    for (size_t i = 0; i < sizeof of_any_rows / sizeof *of_any_rows; i++)
        if (strcmp(score, of_any_rows[i]) == 0)
            return true;
    return false;
}

static bool find_range(const struct named *list, size_t n, const char *dataset, ns_range *out)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(dataset, list[i].name) == 0) {
            *out = (ns_range){list[i].least, list[i].most, list[i].nan};
            return true;
        }
    return false;
}

ns_range ns_intervention_range(const char *dataset)
{
    ns_range of_name;
    return find_range(of_interventions, sizeof of_interventions / sizeof *of_interventions, dataset, &of_name)
               ? of_name
               : ns_score_range(dataset, NULL);
}

ns_range ns_recording_range(const char *dataset, bool signed_rows)
{
    ns_range of_name = {-(double)INFINITY, (double)INFINITY, false};        /* activations: of halves that are too large, infinite */
    const bool known = find_range(of_recordings, sizeof of_recordings / sizeof *of_recordings, dataset, &of_name);
    if (known && signed_rows && !ns_ends(dataset, "_sq") && !ns_starts(dataset, "stat_argmax"))
        of_name.least = -(double)INFINITY;
    if (known && signed_rows)
        of_name.most = (double)INFINITY;
    return of_name;
}

ns_range ns_score_range(const char *dataset, const ns_score_meaning *meaning)
{
    ns_range of_name;
    if (find_range(of_all, sizeof of_all / sizeof *of_all, dataset, &of_name))
        return of_name;
    if (!meaning || !(meaning->lo < meaning->hi))
        return ns_or_nan(ns_finite());
    const double least = isfinite(meaning->lo) ? meaning->lo - rounding(meaning->lo) : ns_finite().least;
    const double most = isfinite(meaning->hi) ? meaning->hi + rounding(meaning->hi) : ns_finite().most;
    return ns_or_nan(ns_between(least, most));
}

static int check_layer(const ns_head_values *v, int64_t layer, ns_range range, ns_error *err)
{
    for (int64_t i = layer * v->H; i < (layer + 1) * v->H; i++) {
        const double x = (double)v->values[i];
        if (isnan(x) ? !range.nan : !(x >= range.least && x <= range.most))
            return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' holds %.9g (value %lld), where %.9g to %.9g can be", v->path, v->dataset, x,
                           (long long)(v->before + i), range.least, range.most);
    }
    return NS_OK;
}

int ns_check_heads(const ns_head_values *v, const ns_score_meaning *meaning, ns_error *err)
{
    const ns_range rows = ns_score_range(v->dataset, meaning), any = ns_score_range(v->dataset, NULL);
    const bool always = ns_score_of_any_rows(v->score);
    int rc = NS_OK;
    for (int64_t l = 0; l < v->L && rc == NS_OK; l++) {
        const bool unrolled = strcmp(v->kinds[l], ns_layer_kind_name(NS_LAYER_RECURRENT)) == 0;
        rc = check_layer(v, l, unrolled && !always ? any : rows, err);
    }
    return rc;
}

int ns_check_hits(const char *path, const char *name, const float *hits, const float *of, int64_t n, ns_error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (hits[i] > of[i])
            return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' holds %g (value %lld), of %g in '%s'", path, name, (double)hits[i],
                           (long long)i, (double)of[i], ns_hits_of(name));
    return NS_OK;
}

/* An end that is NaN is no end, and its interval is none. */
int ns_check_interval(const ns_head_values *v, const float *low, const float *high, ns_error *err)
{
    for (int64_t i = 0; i < v->L * v->H; i++) {
        const double x = (double)v->values[i], from = (double)low[i], to = (double)high[i];
        const bool none = isnan(from) && isnan(to), whole = from <= to && x >= from - rounding(from) && x <= to + rounding(to);
        if (!none && !whole)
            return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' holds an interval of %g to %g about %g ('%s' of head %lld.%lld)", v->path,
                           v->dataset, from, to, x, v->score, (long long)(i / v->H), (long long)(i % v->H));
    }
    return NS_OK;
}
