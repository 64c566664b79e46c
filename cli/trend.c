/* trend.c - births over seeds and windows, given to the tests of needlescope/training.h. */
#include "cli/trend.h"

#include <math.h>
#include <stdlib.h>

#include "core/core.h"

enum { MOST_WINDOWS = 8, PERMUTATIONS = 9999 };      /* of the exact test; of the log-rank's null */

bool cli_birth_grid_new(cli_birth_grid *g, int64_t S, int64_t W)
{
    *g = (cli_birth_grid){S, W, ns_alloc_array((size_t)(S * W) + 1, sizeof *g->time), ns_alloc_array((size_t)(S * W) + 1, sizeof *g->limit)};
    for (int64_t i = 0; g->time && g->limit && i < S * W; i++)
        g->time[i] = g->limit[i] = (double)NAN;
    return g->time && g->limit;
}

void cli_birth_grid_clear(cli_birth_grid *g)
{
    free(g->time);
    free(g->limit);
    *g = (cli_birth_grid){0};
}

/* p of the log-rank test, the rank of the window as dose, windows permuted within seeds. */
static double logrank_of(const cli_birth_grid *g)
{
    const size_t cells = (size_t)(g->S * g->W) + 1;
    double *const time = ns_alloc_array(cells, sizeof *time), *const dose = ns_alloc_array(cells, sizeof *dose), p = (double)NAN;
    bool *const born = ns_alloc_array(cells, sizeof *born);
    int64_t *const block = ns_alloc_array(cells, sizeof *block), n = 0;
    ns_logrank result;
    for (int64_t i = 0; time && dose && born && block && i < g->S * g->W; i++) {
        if (isnan(g->time[i]))
            continue;
        born[n] = isfinite(g->time[i]);
        time[n] = born[n] ? g->time[i] : g->limit[i];
        dose[n] = (double)(i % g->W);
        block[n++] = i / g->W;
    }
    if (n && ns_logrank_trend(time, born, dose, block, n, PERMUTATIONS, 0, &result, NULL) == NS_OK && result.events)
        p = result.p_permuted;
    free(time);
    free(dose);
    free(born);
    free(block);
    return p;
}

cli_trend cli_trend_of(const cli_birth_grid *g)
{
    cli_trend out = {(double)NAN, (double)NAN, 0};
    ns_trend page;
    if (g->W < 2 || g->W > MOST_WINDOWS)
        return out;
    if (ns_page_trend(g->time, g->S, g->W, &page, NULL) == NS_OK) {
        out.page = page.p_exact;
        out.n_seeds = (int)page.B;
    }
    out.logrank = logrank_of(g);
    return out;
}

cli_order cli_order_in(const cli_birth_grid *g, int64_t a, int64_t b)
{
    cli_order o = {0};
    for (int64_t s = 0; s < g->S; s++) {
        const double x = g->time[s * g->W + a], y = g->time[s * g->W + b];
        if (isnan(x) || isnan(y))
            continue;
        o.earlier += x < y;
        o.later += x > y;
        o.same += x == y;
        o.n++;
    }
    return o;
}

double cli_pair_p(const cli_birth_grid *g, int64_t a, int64_t b)
{
    cli_birth_grid two;
    ns_trend page;
    double p = (double)NAN;
    if (cli_birth_grid_new(&two, g->S, 2)) {
        for (int64_t s = 0; s < g->S; s++) {
            two.time[2 * s] = g->time[s * g->W + a];
            two.time[2 * s + 1] = g->time[s * g->W + b];
        }
        p = ns_page_trend(two.time, two.S, 2, &page, NULL) == NS_OK ? page.p_exact : p;
    }
    cli_birth_grid_clear(&two);
    return p;
}

const char *cli_order_verdict(cli_order o)
{
    if (o.n == 0)
        return "not run";
    if (o.earlier == o.n)
        return "holds";
    if (o.earlier + o.later == 0)
        return "undecided";
    if (o.earlier > 0 && o.later == 0)
        return "holds where births differ";
    return o.earlier > o.later ? "mixed" : "does not hold";
}
