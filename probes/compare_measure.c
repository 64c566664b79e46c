/* compare_measure.c - two rankings of one model's heads: how alike they are, and how alike they would be by chance. For chance, b's heads
 * are exchanged: among all, and among those of their layer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "score.h"

/* ---- chance ---- */

/* A measure where head i of b has the number of head exchange[i]. */
typedef double (*measure_fn)(void *of, const int64_t *exchange);

/* Among neighbours of one group. */
static void exchange_heads(ns_rng *rng, int64_t *list, const int64_t *group, int64_t n)
{
    for (int64_t first = 0, last; first < n; first = last) {
        for (last = first + 1; last < n && (!group || group[last] == group[first]);)
            last++;
        for (int64_t i = last - 1; i > first; i--) {
            const int64_t other = first + ns_rng_below(rng, i - first + 1), kept = list[i];
            list[i] = list[other];
            list[other] = kept;
        }
    }
}

static const ns_null unknown = {(double)NAN, (double)NAN, (double)NAN, (double)NAN};

/* A permutation can give the very lists, and its sum in another order: as large but for rounding is as large. */
static ns_null null_of(double *draws, int64_t n, double value)
{
    int64_t as_large = 0;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        as_large += draws[i] >= value - 1e-12;
        sum += draws[i];
    }
    qsort(draws, (size_t)n, sizeof *draws, ns_compare_double);
    return (ns_null){sum / (double)n, ns_quantile_sorted(draws, n, .025), ns_quantile_sorted(draws, n, .975),
                     (double)(1 + as_large) / (double)(1 + n)};
}

/* group[n] = NULL: all heads are one. */
static ns_null draw(measure_fn measure, void *of, int64_t n, const int64_t *group, const ns_compare_params *p, double value, double *draws,
                    int64_t *exchange)
{
    ns_rng rng = ns_rng_seed(p->seed, group != NULL);
    for (int64_t i = 0; i < n; i++)
        exchange[i] = i;
    for (int64_t d = 0; d < p->permutations; d++) {
        exchange_heads(&rng, exchange, group, n);
        draws[d] = measure(of, exchange);
    }
    return null_of(draws, p->permutations, value);
}

static int beside_chance(measure_fn measure, void *of, int64_t n, const int64_t *layer, const ns_compare_params *p, ns_likeness *out,
                         ns_error *err)
{
    int64_t *const exchange = ns_alloc_array((size_t)n, sizeof *exchange);
    double *const draws = ns_alloc_array((size_t)p->permutations, sizeof *draws);
    const bool good = exchange && draws;
    for (int64_t i = 0; good && i < n; i++)
        exchange[i] = i;
    out->value = good ? measure(of, exchange) : (double)NAN;
    out->anywhere = out->in_layer = unknown;
    if (!isnan(out->value)) {
        out->anywhere = draw(measure, of, n, NULL, p, out->value, draws, exchange);
        out->in_layer = draw(measure, of, n, layer, p, out->value, draws, exchange);
    }
    free(exchange);
    free(draws);
    return good ? NS_OK : ns_oom(err, "permutations of heads");
}

/* ---- the measures ---- */

typedef struct shares { float *a, *b, *moved; int64_t n; } shares;
static double jaccard(void *of, const int64_t *exchange)
{
    const shares *const s = of;
    for (int64_t i = 0; i < s->n; i++)
        s->moved[i] = s->b[exchange[i]];
    return ns_shares_jaccard(s->a, s->moved, s->n);
}

typedef struct ranks { double *a, *b; int64_t n; } ranks;              /* centred, and of length 1 */
static double correlation(void *of, const int64_t *exchange)
{
    const ranks *const r = of;
    double sum = 0;
    for (int64_t i = 0; i < r->n; i++)
        sum += r->a[i] * r->b[exchange[i]];
    return r->n > 1 ? sum : (double)NAN;
}

typedef struct orders { int64_t *a, *b, *where, *moved, n, n_a, n_b; uint8_t *seen; double persistence; } orders;
static double overlap(void *of, const int64_t *exchange)
{
    const orders *const o = of;
    for (int64_t i = 0; i < o->n; i++)
        o->where[exchange[i]] = i;
    for (int64_t i = 0; i < o->n_b; i++)
        o->moved[i] = o->where[o->b[i]];
    return o->n_a && o->n_b ? ns_rank_biased(o->a, o->n_a, o->moved, o->n_b, o->persistence, o->seen) : (double)NAN;
}

/* ---- what they are of: heads that either has, numbered anew; heads that both have ---- */

typedef struct heads { float *a, *b; int64_t *layer, n; } heads;

static int take_heads(heads *out, const ns_ranking_pair *pair, bool in_both, ns_error *err)
{
    *out = (heads){.a = ns_alloc_array((size_t)pair->n, sizeof *out->a), .b = ns_alloc_array((size_t)pair->n, sizeof *out->b),
                   .layer = ns_alloc_array((size_t)pair->n, sizeof *out->layer)};
    if (!out->a || !out->b || !out->layer)
        return ns_oom(err, "scores of heads");
    for (int64_t i = 0; i < pair->n; i++) {
        const bool in_a = !isnan(pair->a[i]), in_b = !isnan(pair->b[i]);
        if (in_both ? !in_a || !in_b : !in_a && !in_b)
            continue;
        out->a[out->n] = pair->a[i];
        out->b[out->n] = pair->b[i];
        out->layer[out->n++] = i / pair->H;
    }
    return NS_OK;
}

static void drop_heads(heads *h)
{
    free(h->a);
    free(h->b);
    free(h->layer);
}

static int measure_jaccard(const heads *h, const ns_ranking_pair *pair, const ns_compare_params *p, ns_compared *out, ns_error *err)
{
    float *const room = ns_alloc_array((size_t)h->n, 3 * sizeof *room);
    if (!room)
        return ns_oom(err, "the best heads");
    shares s = {room, room + h->n, room + 2 * h->n, h->n};
    ns_best_shares(h->a, h->n, p->k, &pair->meaning_a, s.a);
    ns_best_shares(h->b, h->n, p->k, &pair->meaning_b, s.b);
    const int rc = beside_chance(jaccard, &s, h->n, h->layer, p, &out->jaccard, err);
    free(room);
    return rc;
}

/* Scores without a spread have no correlation. */
static void normalise(double *ranks_of, int64_t n)
{
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; i++)
        mean += ranks_of[i] / (double)n;
    for (int64_t i = 0; i < n; i++) {
        ranks_of[i] -= mean;
        square += ranks_of[i] * ranks_of[i];
    }
    for (int64_t i = 0; i < n; i++)
        ranks_of[i] = square > 0 ? ranks_of[i] / sqrt(square) : (double)NAN;
}

static int measure_spearman(const heads *h, const ns_compare_params *p, ns_compared *out, ns_error *err)
{
    double *const room = ns_alloc_array((size_t)h->n, 2 * sizeof *room);
    int rc = room ? ns_ranks(h->a, h->n, room, err) : ns_oom(err, "ranks of heads");
    rc = rc != NS_OK ? rc : ns_ranks(h->b, h->n, room + h->n, err);
    if (rc == NS_OK) {
        normalise(room, h->n);
        normalise(room + h->n, h->n);
        rc = beside_chance(correlation, &(ranks){room, room + h->n, h->n}, h->n, h->layer, p, &out->spearman, err);
    }
    free(room);
    return rc;
}

typedef struct placed { float value; int64_t at; } placed;              /* the best have the largest */
static int by_value(const void *a, const void *b)
{
    const placed *const x = a, *const y = b;
    return x->value != y->value ? (x->value > y->value ? -1 : 1) : (x->at > y->at) - (x->at < y->at);
}

/* Those that count, best first. */
static int64_t order(const float *values, int64_t n, const ns_score_meaning *m, placed *sorted, int64_t *out, int64_t *ties)
{
    int64_t counting = 0;
    for (int64_t i = 0; i < n; i++)
        if (ns_score_counts(m, values[i]))
            sorted[counting++] = (placed){m->best == NS_BEST_SMALLEST ? -values[i] : values[i], i};
    qsort(sorted, (size_t)counting, sizeof *sorted, by_value);
    for (int64_t i = 0; i < counting; i++) {
        out[i] = sorted[i].at;
        *ties += (i > 0 && sorted[i - 1].value == sorted[i].value) || (i + 1 < counting && sorted[i + 1].value == sorted[i].value);
    }
    return counting;
}

static int measure_overlap(const heads *h, const ns_ranking_pair *pair, const ns_compare_params *p, ns_compared *out, int64_t *ties,
                           ns_error *err)
{
    int64_t *const room = ns_alloc_array((size_t)h->n, 4 * sizeof *room);
    placed *const sorted = ns_alloc_array((size_t)h->n, sizeof *sorted);
    uint8_t *const seen = ns_alloc_array((size_t)h->n, 1);
    int rc = room && sorted && seen ? NS_OK : ns_oom(err, "the order of heads");
    if (rc == NS_OK) {
        orders o = {room, room + h->n, room + 2 * h->n, room + 3 * h->n, .n = h->n, .seen = seen, .persistence = p->persistence};
        o.n_a = order(h->a, h->n, &pair->meaning_a, sorted, o.a, ties);
        o.n_b = order(h->b, h->n, &pair->meaning_b, sorted, o.b, ties);
        rc = beside_chance(overlap, &o, h->n, h->layer, p, &out->overlap, err);
    }
    free(room);
    free(sorted);
    free(seen);
    return rc;
}

static void count(const ns_ranking_pair *pair, ns_compared *out)
{
    out->apart = (double)NAN;
    for (int64_t i = 0; i < pair->n; i++) {
        const bool in_a = !isnan(pair->a[i]), in_b = !isnan(pair->b[i]);
        const double apart = fabs((double)pair->a[i] - (double)pair->b[i]);
        out->heads += in_a && in_b;
        out->only_a += in_a && !in_b;
        out->only_b += in_b && !in_a;
        if (!in_a || !in_b || apart <= out->apart)
            continue;
        out->apart = apart;
        out->apart_at = (ns_head){i / pair->H, i % pair->H};
    }
}

int ns_compare_measure(const ns_ranking_pair *pair, const ns_compare_params *p, ns_compared *out, int64_t *ties, ns_error *err)
{
    heads either = {0}, both = {0};
    *ties = 0;
    count(pair, out);
    out->k = p->k;
    int rc = take_heads(&either, pair, false, err);
    rc = rc != NS_OK ? rc : take_heads(&both, pair, true, err);
    rc = rc != NS_OK ? rc : measure_jaccard(&either, pair, p, out, err);
    rc = rc != NS_OK ? rc : measure_spearman(&both, p, out, err);
    rc = rc != NS_OK ? rc : measure_overlap(&either, pair, p, out, ties, err);
    drop_heads(&either);
    drop_heads(&both);
    return rc;
}
