/* chance.c - what a head reaches that knows nothing: uniform attention over the keys that it sees. Of a score whose keys lie at a fixed
 * distance, or are the nearest (previous_token, local_mass ...), that follows from the row and the head's window (ns_probe_chance), mean
 * over the cases: .5 of previous_token for a window of 2, so that a threshold of .5 is passed by heads that were never trained. Other
 * scores look for a place anywhere in the prompt: 1 / its length, or what the file says of the score (ns_study_meaning) where that is
 * more. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/probe.h>

#include "emergence.h"

double ns_above_chance(double score, double chance)
{
    if (!(chance > NS_CHANCE_SMALL))
        return score;
    return chance < 1 ? (score - chance) / (1 - chance) : (double)NAN;
}

double ns_theta_above_chance(double theta, double chance)
{
    return chance > NS_CHANCE_SMALL ? chance + theta * (1 - chance) : theta;
}

/* The length of the JSON object that the text begins with. */
static size_t object_length(const char *text)
{
    int depth = 0;
    bool quoted = false;
    size_t n = 0;
    do {
        if (quoted && text[n] == '\\' && text[n + 1])
            n++;
        else if (text[n] == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (text[n] == '{') - (text[n] == '}');
    } while (text[++n] && depth > 0);
    return n;
}

/* A definition of the caller's own stands in the fact `probes` of the study, among the names: "retrieval,{...}". *out = NULL: there is
 * none. */
static int own_probe(const ns_study *study, const char *score, ns_probe **out, ns_error *err)
{
    const char *at = ns_file_fact(ns_study_file(study), "probes");
    *out = NULL;
    for (at = at ? strchr(at, '{') : NULL; at; at = strchr(at + object_length(at), '{')) {
        ns_probe *probe;
        const int rc = ns_probe_from_json(&probe, at, object_length(at), "probes", err);
        if (rc == NS_E_MEMORY)
            return rc;
        if (rc == NS_OK && strcmp(probe->name, score) == 0) {
            *out = probe;
            return NS_OK;
        }
        if (rc == NS_OK)
            ns_probe_free(probe);
    }
    return NS_OK;
}

/* fixed: of a score for which it follows from the row. */
static int mean_chance(const float *n_tokens, int64_t C, const ns_probe *fixed, double window, double *out, ns_error *err)
{
    double sum = 0, before = 0;
    int rc = NS_OK;
    for (int64_t c = 0; c < C && rc == NS_OK; c++) {
        const bool again = c > 0 && n_tokens[c] == n_tokens[c - 1];
        if (!again && fixed)
            rc = ns_probe_chance(fixed, (double)n_tokens[c], window, &before, err);
        else if (!again)
            before = 1 / fmax((double)n_tokens[c], 1);
        sum += before;
    }
    *out = C ? sum / (double)C : 0;
    return rc;
}

/* A number from a file: rows of a prompt are counted one by one. */
static int read_tokens(const ns_emergence *e, float *tokens, ns_error *err)
{
    enum { LONGEST = 1 << 22 };
    const int rc = ns_study_case_numbers(e->study, "n_tokens", tokens, err);
    for (int64_t c = 0; rc == NS_OK && c < e->shape.C; c++)
        if (!(tokens[c] >= 0 && tokens[c] <= LONGEST))
            return ns_fail(err, NS_E_FORMAT, "%s: dataset 'n_tokens' holds %.9g (value %lld), where 0 to %d can be",
                           ns_study_path(e->study), (double)tokens[c], (long long)c, LONGEST);
    return rc;
}

/* fixed: of a score for which it follows from the row; tokens: NULL where the study does not say. */
static int fill(const ns_emergence *e, const ns_probe *fixed, const float *tokens, double said, double *out, ns_error *err)
{
    const ns_study_shape n = e->shape;
    const int64_t K = n.L * n.H;
    int64_t last = -1;                                   /* the window that `chance` is of */
    double chance = 0;
    int rc = NS_OK;
    for (int64_t i = 0; i < n.R * K && rc == NS_OK; i++) {
        const int64_t window = fixed ? ns_study_head_window(e->study, i / K, i % K / n.H, i % n.H) : 0;
        if (window != last && tokens)
            rc = mean_chance(tokens, n.C, fixed, (double)window, &chance, err);
        last = window;
        /* What the file says of a fixed distance is a mean over heads of all windows. fmax passes over NaN. */
        out[i] = fixed && tokens ? chance : fmax(chance, said);
    }
    return rc;
}

/* *out = NULL: the score's chance does not follow from the row. */
static int find_fixed(const ns_probe *probe, const ns_probe **out, ns_error *err)
{
    double chance;
    const int rc = ns_probe_chance(probe, 2, 0, &chance, err);
    *out = rc == NS_OK && !isnan(chance) ? probe : NULL;
    return rc;
}

int ns_emergence_chance(const ns_emergence *e, const char *score, double **out, ns_error *err)
{
    ns_score_meaning meaning = {.chance = (double)NAN};
    ns_probe *own = NULL;
    const ns_probe *fixed = NULL;
    const bool known = ns_study_has(e->study, "n_tokens");
    int rc = ns_study_meaning(e->study, score, &meaning, err);
    if (rc != NS_OK)
        return rc;
    float *const tokens = ns_alloc_array((size_t)e->shape.C, sizeof *tokens);
    *out = ns_alloc_array((size_t)(e->shape.R * e->shape.L * e->shape.H), sizeof **out);
    rc = tokens && *out ? own_probe(e->study, score, &own, err) : ns_oom(err, "chance");
    rc = rc != NS_OK ? rc : find_fixed(own ? own : ns_probe_find(score), &fixed, err);
    rc = rc != NS_OK || !known ? rc : read_tokens(e, tokens, err);
    rc = rc != NS_OK ? rc : fill(e, fixed, known ? tokens : NULL, meaning.chance, *out, err);
    free(tokens);
    ns_probe_free(own);
    return rc;
}
