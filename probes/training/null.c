/* null.c - the null of "best": a maximum over heads is large by chance, and a head that looks at any value hits the needle now and then. If
 * it made no difference which value was asked for, the needle's places would be as good as those of its distractors: their names are drawn
 * anew, case by case. */
#include <math.h>
#include <stdlib.h>

#include "training.h"

/* Odds of a case: so many places of the needle, so many of its controls. */
typedef struct odds { int64_t needle, control; } odds;

static odds odds_of(const ns_null_cases *n, int64_t c)
{
    const double needle = n->needle_places ? n->needle_places[c] : 1, control = n->control_places ? n->control_places[c] : 1;
    return needle >= 1 && control >= 1 ? (odds){(int64_t)needle, (int64_t)control} : (odds){0, 0};
}

static bool falls_on_needle(odds o, ns_rng *rng)
{
    return ns_rng_below(rng, o.needle + o.control) >= o.control;
}

/* Adds a case's hits minus those of as many average controls; rng NULL: as observed. sums[K], counts[K] */
static void add_case(const ns_null_cases *n, int64_t c, ns_rng *rng, double *sums, double *counts)
{
    const odds o = odds_of(n, c);
    const bool single = o.needle == 1 && o.control == 1;
    if (o.control == 0)
        return;
    const bool stays = !rng || falls_on_needle(o, rng);
    for (int64_t h = 0; h < n->K; h++) {
        const double hits = (double)n->hits[c * n->K + h], control = (double)n->control[c * n->K + h];
        if (isnan(hits) || isnan(control))
            continue;
        const bool comes = rng && control > 0 && (single ? !stays : falls_on_needle(o, rng));
        const double now = (stays ? hits : 0) + (comes ? control : 0);
        sums[h] += now - (hits + control - now) * (double)o.needle / (double)o.control;
        counts[h]++;
    }
}

/* max over heads. sums[2 K] is scratch. */
static double largest(const ns_null_cases *n, ns_rng *rng, double *sums)
{
    double best = -(double)INFINITY;
    for (int64_t h = 0; h < 2 * n->K; h++)
        sums[h] = 0;
    for (int64_t c = 0; c < n->C; c++)
        add_case(n, c, rng, sums, sums + n->K);
    for (int64_t h = 0; h < n->K; h++)
        if (sums[n->K + h] > 0)
            best = fmax(best, sums[h] / sums[n->K + h]);
    return best;
}

int ns_max_permutation(const ns_null_cases *n, int64_t resamples, uint64_t seed, ns_max_null *out, ns_error *err)
{
    double *const sums = ns_alloc_array((size_t)(2 * n->K), sizeof *sums), *const null = ns_alloc_array((size_t)resamples, sizeof *null);
    *out = (ns_max_null){(double)NAN, (double)NAN, (double)NAN};
    const bool fine = sums && null;
    ns_rng rng = ns_rng_seed(seed, 0);
    int64_t as_large = 0;
    if (fine)
        out->observed = largest(n, NULL, sums);
    for (int64_t i = 0; fine && i < resamples; i++) {
        null[i] = largest(n, &rng, sums);
        as_large += null[i] >= out->observed - 1e-12;
    }
    if (fine && resamples > 0 && isfinite(out->observed)) {
        qsort(null, (size_t)resamples, sizeof *null, ns_compare_double);
        out->bound = ns_quantile_sorted(null, resamples, .95);
        out->p = (double)(1 + as_large) / (double)(1 + resamples);
    }
    free(sums);
    free(null);
    return fine ? NS_OK : ns_oom(err, "permutation of needle and control");
}
