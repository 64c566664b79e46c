/* survival.c - births with a horizon: the log-rank test for trend over doses, and Kaplan-Meier curves.
 * Trend: at each time t of a birth, d births among n at risk; U = sum over t of (doses born - d * mean dose at risk), V = sum of d (n - d)
 * / (n - 1) * the variance of doses at risk (Tarone 1975; Peto's test for dose 0 and 1). Larger doses born later make U negative. Censored
 * at t counts as at risk at t. */
#include <math.h>
#include <stdlib.h>

#include "training.h"

static bool first_of_time(const double *time, const bool *dead, int64_t i)
{
    for (int64_t k = 0; k < i; k++)
        if (dead[k] && time[k] == time[i])
            return false;
    return dead[i];
}

static void add_time(const double *time, const bool *dead, const double *dose, int64_t n, double t, ns_logrank *sum)
{
    double at_risk = 0, mean = 0, square = 0, born = 0, born_dose = 0;
    for (int64_t k = 0; k < n; k++) {
        if (time[k] < t)
            continue;
        at_risk++;
        mean += dose[k];
        square += dose[k] * dose[k];
        if (dead[k] && time[k] == t) {
            born++;
            born_dose += dose[k];
        }
    }
    mean /= at_risk;
    sum->U += born_dose - born * mean;
    if (at_risk > 1)
        sum->V += born * (at_risk - born) / (at_risk - 1) * (square / at_risk - mean * mean);
    sum->events += (int64_t)born;
}

static ns_logrank statistic(const double *time, const bool *dead, const double *dose, int64_t n)
{
    ns_logrank s = {0};
    for (int64_t i = 0; i < n; i++)
        if (first_of_time(time, dead, i))
            add_time(time, dead, dose, n, time[i], &s);
    s.z = s.V > 0 ? -s.U / sqrt(s.V) : (double)NAN;
    s.p_normal = s.V > 0 ? ns_normal_tail(s.z) : (double)NAN;
    return s;
}

/* Fisher-Yates inside every block: position i changes places with a later one of its block. */
static void shuffle(double *dose, const int64_t *block, int64_t n, ns_rng *rng)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t later = 0;
        for (int64_t k = i; k < n; k++)
            later += !block || block[k] == block[i];
        int64_t pick = ns_rng_below(rng, later), k = i;
        while (block && block[k] != block[i])
            k++;
        for (; pick > 0; pick--)
            do
                k++;
            while (block && block[k] != block[i]);
        const double here = dose[i];
        dose[i] = dose[k];
        dose[k] = here;
    }
}

int ns_logrank_trend(const double *time, const bool *dead, const double *dose, const int64_t *block, int64_t n, int64_t resamples,
                     uint64_t seed, ns_logrank *out, ns_error *err)
{
    double *const mixed = ns_alloc_array((size_t)n, sizeof *mixed);
    if (!mixed)
        return ns_oom(err, "log-rank test");
    *out = statistic(time, dead, dose, n);
    ns_rng rng = ns_rng_seed(seed, 0);
    int64_t as_large = 0;
    for (int64_t i = 0; i < n; i++)
        mixed[i] = dose[i];
    for (int64_t b = 0; b < resamples; b++) {
        shuffle(mixed, block, n, &rng);
        as_large += -statistic(time, dead, mixed, n).U >= -out->U - 1e-9;
    }
    out->p_permuted = resamples > 0 && out->V > 0 ? (double)(1 + as_large) / (double)(1 + resamples) : (double)NAN;
    free(mixed);
    return NS_OK;
}

/* ---- Kaplan-Meier ---- */

static ns_km_point count_at(const double *time, const bool *dead, int64_t n, double t)
{
    ns_km_point k = {.time = t, .low = (double)NAN, .high = (double)NAN};
    for (int64_t i = 0; i < n; i++) {
        k.at_risk += time[i] >= t;
        k.events += time[i] == t && dead[i];
        k.censored += time[i] == t && !dead[i];
    }
    return k;
}

/* greenwood = sum of d / (n (n - d)): S ^ exp(-+ 1.96 sqrt(greenwood) / log S). */
static void interval(ns_km_point *k, double greenwood)
{
    if (k->survival >= 1 || k->survival <= 0)
        return;
    const double half = 1.959963984540054 * sqrt(greenwood) / -log(k->survival);
    k->low = pow(k->survival, exp(half));
    k->high = pow(k->survival, exp(-half));
}

int ns_kaplan_meier(const double *time, const bool *dead, int64_t n, ns_km_point **out, int64_t *n_points, ns_error *err)
{
    ns_km_point *const points = ns_alloc_array((size_t)n, sizeof *points);
    double *const sorted = ns_alloc_array((size_t)n, sizeof *sorted), survival = 1, greenwood = 0;
    *out = NULL;
    *n_points = 0;
    if (!points || !sorted) {
        free(points);
        free(sorted);
        return ns_oom(err, "Kaplan-Meier curve");
    }
    for (int64_t i = 0; i < n; i++)
        sorted[i] = time[i];
    qsort(sorted, (size_t)n, sizeof *sorted, ns_compare_double);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && sorted[i] == sorted[i - 1])
            continue;
        ns_km_point k = count_at(time, dead, n, sorted[i]);
        survival *= 1 - (double)k.events / (double)k.at_risk;
        greenwood += (double)k.events / ((double)k.at_risk * (double)(k.at_risk - k.events));
        k.survival = survival;
        interval(&k, greenwood);
        points[(*n_points)++] = k;
    }
    free(sorted);
    *out = points;
    return NS_OK;
}
