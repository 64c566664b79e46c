/* chance.c - what a head reaches that knows nothing: even attention over the keys that it sees. The file says what a definition's score is
 * then (NAME_chance, of each head: .5 of previous_token for a window of 2), so that a threshold of .5 is not passed by heads that were
 * never trained. Other scores look for a place anywhere in the prompt: 1 / its length, or what the file says of the score
 * (ns_study_meaning) where that is more. */
#include <math.h>
#include <stdlib.h>

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

/* One of n_tokens[C], mean over the cases. */
static double any_place(const float *n_tokens, int64_t C)
{
    double sum = 0;
    for (int64_t c = 0; c < C; c++)
        sum += 1 / fmax((double)n_tokens[c], 1);
    return C ? sum / (double)C : 0;
}

/* of_heads [R, P, L, H]: the same at every step; NaN where it was not measured or is not known. NULL: the file does not say. */
static void fill(const ns_emergence *e, const float *of_heads, double otherwise, double *out)
{
    const ns_study_shape n = e->shape;
    const int64_t K = n.L * n.H;
    for (int64_t i = 0; i < n.R * K; i++) {
        out[i] = (double)NAN;
        for (int64_t p = 0; of_heads && p < n.P && isnan(out[i]); p++)
            out[i] = (double)of_heads[(i / K * n.P + p) * K + i % K];
        out[i] = isnan(out[i]) ? otherwise : out[i];
    }
}

int ns_emergence_chance(const ns_emergence *e, ns_study *study, const char *score, double **out, ns_error *err)
{
    ns_score_meaning meaning = {.chance = (double)NAN};
    const float *of_heads = NULL;
    const bool known = ns_study_has(e->study, "n_tokens");
    int rc = ns_study_meaning(e->study, score, &meaning, err);
    rc = rc != NS_OK ? rc : ns_study_chance(study, score, &of_heads, err);
    if (rc != NS_OK)
        return rc;
    float *const tokens = ns_alloc_array((size_t)e->shape.C, sizeof *tokens);
    *out = ns_alloc_array((size_t)(e->shape.R * e->shape.L * e->shape.H), sizeof **out);
    rc = tokens && *out ? NS_OK : ns_oom(err, "chance");
    rc = rc != NS_OK || !known ? rc : read_tokens(e, tokens, err);
    if (rc == NS_OK)                                     /* fmax passes over NaN */
        fill(e, of_heads, fmax(known ? any_place(tokens, e->shape.C) : 0, meaning.chance), *out);
    free(tokens);
    return rc;
}
