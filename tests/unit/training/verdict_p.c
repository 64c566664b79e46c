/* verdict_p.c - the p-values of verdicts, a line each, for referee_verdict.py: sign YES NO N p least; ranks RANK/OF,... p least; order
 * TIMES_A TIMES_B p; trend S W TIMES p least. */
#include <math.h>
#include <stdio.h>

#include <needlescope/training.h>

#include "core/core.h"

static void print_signs(void)
{
    for (int n = 1; n <= 9; n++)
        for (int yes = 0; yes <= n; yes++)
            for (int no = 0; yes + no <= n; no++) {
                const ns_evidence e = ns_sign_evidence(yes, no, n);
                printf("sign %d %d %d %.17g %.17g\n", yes, no, n, e.p, e.least);
            }
}

static void print_ranks(ns_rng *rng)
{
    for (int trial = 0; trial < 60; trial++) {
        int64_t rank[4], of[4];
        const int64_t n = 1 + trial % 4;
        double least;
        printf("ranks ");
        for (int64_t i = 0; i < n; i++) {
            of[i] = 2 + ns_rng_below(rng, 9);
            rank[i] = 1 + ns_rng_below(rng, of[i]);
            printf("%s%lld/%lld", i ? "," : "", (long long)rank[i], (long long)of[i]);
        }
        const double p = ns_rank_sum_p(rank, of, n, &least);
        printf(" %.17g %.17g\n", p, least);
    }
}

static void print_time(double t)
{
    printf(isinf(t) ? "inf" : "%g", t);
}

/* Times of few values, so that many are tied; some censored. */
static int print_trends(ns_rng *rng, ns_error *err)
{
    int rc = NS_OK;
    for (int trial = 0; trial < 80 && rc == NS_OK; trial++) {
        const int64_t S = 1 + trial % 5, W = 2 + trial % 3;
        ns_birth_grid g;
        rc = ns_birth_grid_new(&g, S, W, err);
        for (int64_t i = 0; rc == NS_OK && i < S * W; i++) {
            const int64_t t = 1 + ns_rng_below(rng, 6);
            ns_birth_grid_set(&g, i / W, i % W, (ns_event){(double)t, t == 6 ? INFINITY : (double)t, -1, -1, 0});
        }
        ns_grid_trend trend = {0};
        ns_order order = {0};
        rc = rc != NS_OK ? rc : ns_trend_of(&g, &trend, err);
        rc = rc != NS_OK ? rc : ns_order_in(&g, 0, 1, &order, err);
        printf("trend %lld %lld ", (long long)S, (long long)W);
        for (int64_t i = 0; rc == NS_OK && i < S * W; i++) {
            print_time(g.time[i]);
            printf("%s", i + 1 < S * W ? "," : "");
        }
        printf(" %.17g %.17g %.17g\n", trend.page, trend.least, order.p);
        ns_birth_grid_clear(&g);
    }
    return rc;
}

int main(void)
{
    ns_error err = {0};
    ns_rng rng = ns_rng_seed(1, 0);
    print_signs();
    print_ranks(&rng);
    return print_trends(&rng, &err) == NS_OK ? 0 : 1;
}
