/* order.c - births over seeds and windows, given to the tests of trend.c and survival.c: a trend over all windows, an order of two. */
#include <math.h>
#include <stdlib.h>

#include "training.h"

enum { MOST_WINDOWS = 8, PERMUTATIONS = 9999 };      /* of the exact test; of the log-rank's null */

int ns_birth_grid_new(ns_birth_grid *g, int64_t S, int64_t W, ns_error *err)
{
    *g = (ns_birth_grid){S, W, ns_alloc_array((size_t)(S * W), sizeof *g->time), ns_alloc_array((size_t)(S * W), sizeof *g->limit)};
    if (!g->time || !g->limit)
        return ns_oom(err, "births");
    for (int64_t i = 0; i < S * W; i++)
        g->time[i] = g->limit[i] = (double)NAN;
    return NS_OK;
}

void ns_birth_grid_clear(ns_birth_grid *g)
{
    free(g->time);
    free(g->limit);
    *g = (ns_birth_grid){0};
}

void ns_birth_grid_set(ns_birth_grid *g, int64_t s, int64_t w, ns_event e)
{
    g->time[s * g->W + w] = e.at;
    g->limit[s * g->W + w] = e.after;
}

/* What a test cannot be made of has no p: that is no error. */
static int unless_memory(int rc)
{
    return rc == NS_E_MEMORY ? rc : NS_OK;
}

/* p of the log-rank test, the rank of the window as dose, windows permuted within seeds; NaN where nothing was born. */
static int logrank_of(const ns_birth_grid *g, double *out, ns_error *err)
{
    const size_t cells = (size_t)(g->S * g->W);
    double *const time = ns_alloc_array(cells, sizeof *time), *const dose = ns_alloc_array(cells, sizeof *dose);
    bool *const born = ns_alloc_array(cells, sizeof *born);
    int64_t *const block = ns_alloc_array(cells, sizeof *block), n = 0;
    ns_logrank result = {0};
    int rc = time && dose && born && block ? NS_OK : ns_oom(err, "births");
    *out = (double)NAN;
    for (int64_t i = 0; rc == NS_OK && i < g->S * g->W; i++) {
        if (isnan(g->time[i]))
            continue;
        born[n] = isfinite(g->time[i]);
        time[n] = born[n] ? g->time[i] : g->limit[i];
        dose[n] = (double)(i % g->W);
        block[n++] = i / g->W;
    }
    if (n)
        rc = ns_logrank_trend(time, born, dose, block, n, PERMUTATIONS, 0, &result, err);
    if (rc == NS_OK && result.events)
        *out = result.p_permuted;
    free(time);
    free(dose);
    free(born);
    free(block);
    return unless_memory(rc);
}

double ns_trend_orders(int64_t W, int64_t B)
{
    double least = 1;
    for (int64_t b = 0; b < B; b++)
        for (int64_t w = 2; w <= W; w++)
            least /= (double)w;
    return least;
}

int ns_trend_of(const ns_birth_grid *g, ns_grid_trend *out, ns_error *err)
{
    *out = (ns_grid_trend){(double)NAN, (double)NAN, (double)NAN, 0};
    ns_trend page;
    if (g->W < 2 || g->W > MOST_WINDOWS)
        return NS_OK;
    const int rc = ns_page_trend(g->time, g->S, g->W, &page, err);
    if (rc == NS_OK) {
        out->page = page.p_exact;
        out->n_seeds = (int)page.B;
        out->least = page.B ? ns_trend_orders(g->W, page.B) : out->least;
    }
    return rc == NS_E_MEMORY ? rc : logrank_of(g, &out->logrank, err);
}

/* Page's L of two columns. */
static int pair_p(const ns_birth_grid *g, int64_t a, int64_t b, double *p, ns_error *err)
{
    ns_birth_grid two;
    ns_trend page;
    *p = (double)NAN;
    int rc = ns_birth_grid_new(&two, g->S, 2, err);
    if (rc == NS_OK) {
        for (int64_t s = 0; s < g->S; s++) {
            two.time[2 * s] = g->time[s * g->W + a];
            two.time[2 * s + 1] = g->time[s * g->W + b];
        }
        rc = ns_page_trend(two.time, two.S, 2, &page, err);
        *p = rc == NS_OK ? page.p_exact : *p;
    }
    ns_birth_grid_clear(&two);
    return unless_memory(rc);
}

int ns_order_in(const ns_birth_grid *g, int64_t a, int64_t b, ns_order *out, ns_error *err)
{
    ns_order o = {0};
    const int rc = pair_p(g, a, b, &o.p, err);
    for (int64_t s = 0; s < g->S; s++) {
        const double x = g->time[s * g->W + a], y = g->time[s * g->W + b];
        if (isnan(x) || isnan(y))
            continue;
        o.earlier += x < y;
        o.later += x > y;
        o.same += x == y;
        o.n++;
    }
    *out = o;
    return rc;
}
