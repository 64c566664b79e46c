/* dealt_p.c - odds by chance, a line each, for referee_dealt.py: heads ALL CHOSEN STRONG LEAST p; layers WEIGHT,... CHOSEN LEAST p. */
#include <stdio.h>

#include "../../../probes/score.h"

static int print_heads(ns_error *err)
{
    static const int64_t of[][3] = {{1, 1, 1}, {5, 2, 3}, {72, 12, 8}, {72, 12, 40}, {72, 60, 8}, {270, 30, 30}, {1024, 256, 100},
                                   {9, 0, 4}, {9, 9, 4}};
    int64_t weight[1024];
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        for (int64_t least = 0; least <= of[i][2] && rc == NS_OK; least += 1 + of[i][2] / 12) {
            double p = 0;
            for (int64_t k = 0; k < of[i][0]; k++)
                weight[k] = k < of[i][2];
            rc = ns_dealt_p(weight, of[i][0], of[i][1], least, &p, err);
            printf("heads %lld %lld %lld %lld %.17g\n", (long long)of[i][0], (long long)of[i][1], (long long)of[i][2], (long long)least, p);
        }
    return rc;
}

static int print_layers(ns_error *err)
{
    ns_rng rng = ns_rng_seed(1, 0);
    int rc = NS_OK;
    for (int trial = 0; trial < 60 && rc == NS_OK; trial++) {
        const int64_t units = 1 + ns_rng_below(&rng, 18), chosen = ns_rng_below(&rng, units + 1) % 7;
        int64_t weight[18], all = 0;
        double p = 0;
        for (int64_t i = 0; i < units; i++)
            all += weight[i] = ns_rng_below(&rng, 2) * ns_rng_below(&rng, 5);
        const int64_t least = ns_rng_below(&rng, all + 2);
        rc = ns_dealt_p(weight, units, chosen, least, &p, err);
        printf("layers ");
        for (int64_t i = 0; i < units; i++)
            printf("%s%lld", i ? "," : "", (long long)weight[i]);
        printf(" %lld %lld %.17g\n", (long long)chosen, (long long)least, p);
    }
    return rc;
}

int main(void)
{
    ns_error err = {0};
    const int rc = print_heads(&err);
    return rc == NS_OK && print_layers(&err) == NS_OK ? 0 : 1;
}
