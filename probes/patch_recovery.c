/* patch_recovery.c - how much of what tells two twins apart a patch brings back, with its interval over resampled prompts. */
#include "patch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "resample.h"

/* count[C]: how often a pair is in the resample, NULL = once each. */
static double ratio(const ns_patching *o, int k, const uint16_t *count)
{
    double gained = 0, there = 0;
    for (int64_t i = 0; i < o->C; i++) {
        const double n = count ? count[i] : 1, base = (double)o->difference[i];
        gained += n * ((double)o->difference[k * o->C + i] - base);
        there += n * ((double)o->source_difference[i] - base);
    }
    return there > 0 ? gained / there : (double)NAN;
}

/* Pairs of one prompt are one draw, as a prompt's twins share nearly all of their tokens. Into prompt[C]: numbers in the order of the
 * pairs; how many. */
static int64_t number_pairs(const ns_patch_pair *pairs, int64_t C, int64_t *prompt)
{
    int64_t n = 0;
    for (int64_t i = 0; i < C; i++) {
        int64_t first = 0;
        while (pairs[first].prompt != pairs[i].prompt)
            first++;
        prompt[i] = first < i ? prompt[first] : n++;
    }
    return n;
}

/* count[B, C]: how often each pair is in each of B resamples of the prompts. */
static int resample(const ns_patch_run *r, int64_t B, uint16_t *count)
{
    const int64_t C = r->out->C;
    int64_t *const prompt = ns_alloc_array((size_t)C, sizeof *prompt);
    uint16_t *const times = ns_alloc_array((size_t)C, sizeof *times);
    ns_rng rng = ns_rng_seed(r->p->seed, 23);
    const int64_t n = prompt && times ? number_pairs(r->pairs, C, prompt) : 0;
    for (int64_t b = 0; n && b < B; b++) {
        memset(times, 0, (size_t)n * sizeof *times);
        for (int64_t i = 0; i < n; i++)
            times[ns_rng_below(&rng, n)]++;
        for (int64_t i = 0; i < C; i++)
            count[b * C + i] = times[prompt[i]];
    }
    r->out->n_prompts = n;
    free(prompt);
    free(times);
    return n ? NS_OK : ns_oom(r->err, "intervals");
}

/* The same resamples for every condition. A resample whose runs do not differ says nothing. */
static int find_intervals(ns_patch_run *r)
{
    ns_patching *const o = r->out;
    const int64_t B = r->p->resamples > 0 ? r->p->resamples : 1000;
    uint16_t *const count = ns_alloc_array((size_t)(B * o->C), sizeof *count);
    double *const values = ns_alloc_array((size_t)B, sizeof *values);
    int rc = count && values ? resample(r, B, count) : ns_oom(r->err, "intervals");
    for (int k = 0; rc == NS_OK && k < o->n; k++) {
        ns_recovery *const found = &o->list[k].recovery;
        for (int64_t b = 0; b < B; b++)
            values[b] = ratio(o, k, count + b * o->C);
        found->value = ratio(o, k, NULL);
        ns_percentile_interval(values, B, o->n_prompts, &found->low, &found->high);
    }
    free(count);
    free(values);
    return rc;
}

int ns_patch_reduce(ns_patch_run *r)
{
    ns_patching *const o = r->out;
    for (int k = 0; k < o->n; k++) {
        int64_t flipped = 0;
        for (int64_t i = 0; i < o->C; i++)
            flipped += o->says_source[k * o->C + i];
        o->list[k].flipped = (double)flipped / (double)o->C;
    }
    return find_intervals(r);
}
