/* births.c - a score over checkpoints -> lives: born in (after, at], died in (died_after, died], perhaps born again.
 * One walk: the state (alive or not) changes at the first of `persist` measured checkpoints on the other side of theta; what was not
 * measured is passed over. A row that the horizon cuts short changes nothing: that is what censored means. */
#include <math.h>
#include <stdlib.h>

#include "training.h"

ns_birth_params ns_birth_defaults(const ns_birth_params *given)
{
    ns_birth_params p = {sizeof p, .5, 3};
    if (given && given->theta != 0)
        p.theta = given->theta;
    if (given && given->persist > 0)
        p.persist = given->persist;
    return p;
}

typedef struct walk {
    bool    alive;
    int     row;                      /* measured checkpoints in a row on the other side */
    int64_t first, after, last;       /* first of that row, the measured one before it, the last measured one */
} walk;

/* Takes checkpoint p; true when the state changes, at w->first, after w->after. */
static bool step(walk *w, double score, int64_t p, const ns_birth_params *params)
{
    if (isnan(score))
        return false;
    if ((score >= params->theta) == w->alive) {
        w->row = 0;
    } else if (w->row++ == 0) {
        w->first = p;
        w->after = w->last;
    }
    w->last = p;
    if (w->row < params->persist)
        return false;
    w->alive = !w->alive;
    w->row = 0;
    return true;
}

static int64_t missing_between(const double *score, int64_t after, int64_t at)
{
    int64_t n = 0;
    for (int64_t p = after + 1; p < at; p++)
        n += isnan(score[p]);
    return n;
}

static ns_life born(const walk *w, const double *score)
{
    return (ns_life){w->after, w->first, NS_NEVER, NS_NEVER, missing_between(score, w->after, w->first)};
}

static const walk start = {false, 0, NS_NEVER, NS_NEVER, NS_NEVER};

ns_life ns_first_birth(const double *score, int64_t P, const ns_birth_params *given)
{
    const ns_birth_params params = ns_birth_defaults(given);
    walk w = start;
    for (int64_t p = 0; p < P; p++)
        if (step(&w, score[p], p, &params))
            return born(&w, score);
    return (ns_life){NS_NEVER, NS_NEVER, NS_NEVER, NS_NEVER, 0};
}

int ns_lives(const double *score, int64_t P, const ns_birth_params *given, ns_life **out, int64_t *n, ns_error *err)
{
    const ns_birth_params params = ns_birth_defaults(given);
    ns_life *list = NULL;
    int64_t capacity = 0;
    walk w = start;
    *out = NULL;
    *n = 0;
    for (int64_t p = 0; p < P; p++) {
        if (!step(&w, score[p], p, &params))
            continue;
        if (!w.alive) {
            list[*n - 1].died_after = w.after;
            list[*n - 1].died = w.first;
            continue;
        }
        if (!ns_grow(&list, &capacity, *n + 1, sizeof *list)) {
            free(list);
            *n = 0;
            return ns_oom(err, "lives of heads");
        }
        list[(*n)++] = born(&w, score);
    }
    *out = list;
    return NS_OK;
}

int64_t ns_birth_limit(const double *score, int64_t P, const ns_birth_params *given)
{
    const ns_birth_params params = ns_birth_defaults(given);
    int measured = 0;
    for (int64_t p = P - 1; p >= 0; p--)
        if (!isnan(score[p]) && ++measured == params.persist)
            return p;
    return NS_NEVER;
}

int64_t ns_horizon_cut(const int64_t *axis, int64_t P, double horizon)
{
    int64_t n = 0;
    while (n < P && (double)axis[n] <= horizon)
        n++;
    return n;
}

/* ---- the best of many ---- */

/* Index of the k-th largest of score[K], -1 when fewer are finite: k passes, each below the one before in (value, index). */
static int64_t kth(const float *score, int64_t K, const bool *use, int k)
{
    int64_t at = -1;
    for (int pass = 0; pass <= k; pass++) {
        const int64_t above = at;
        at = -1;
        for (int64_t h = 0; h < K; h++) {
            if ((use && !use[h]) || isnan(score[h]))
                continue;
            const bool below = above < 0 || score[h] < score[above] || (score[h] == score[above] && h > above);
            if (below && (at < 0 || score[h] > score[at]))
                at = h;
        }
        if (at < 0)
            return -1;
    }
    return at;
}

void ns_best_series(const float *score, int64_t P, int64_t K, const bool *use, int k, double *out, int64_t *who)
{
    for (int64_t p = 0; p < P; p++) {
        const int64_t at = kth(score + p * K, K, use, k);
        out[p] = at < 0 ? (double)NAN : (double)score[p * K + at];
        if (who)
            who[p] = at;
    }
}

double ns_median_censored(double *time, int64_t n)
{
    if (n > 1)
        qsort(time, (size_t)n, sizeof *time, ns_compare_double);
    return ns_median_sorted(time, n);
}
