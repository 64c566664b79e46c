/* verdict.c - which word a claim earns. "Holds" asks for two things: every seed shows it, and a test that could have said no gives p <=
 * alpha. Where even unanimous seeds are too few for such a p, the verdict tells what was seen and that no p backs it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "training.h"

static const double usual_alpha = .05;

/* All n seeds show it, or all that decide. */
static const char *unanimous(ns_evidence e, double alpha, char out[NS_VERDICT_TEXT])
{
    char where[64];
    if (e.yes < e.n)
        snprintf(where, sizeof where, "in the %d of %d seeds that decide", e.yes, e.n);
    else if (e.n == 1)
        snprintf(where, sizeof where, "in the one seed");
    else
        snprintf(where, sizeof where, "in all %d seeds", e.n);
    if (isnan(e.p))
        snprintf(out, NS_VERDICT_TEXT, "%s; there is no test of it", where);
    else if (e.p <= alpha && e.n == 1)
        snprintf(out, NS_VERDICT_TEXT, "%s, p = %.2g", where, e.p);
    else if (e.p <= alpha && e.yes == e.n)
        snprintf(out, NS_VERDICT_TEXT, "holds");
    else if (e.p <= alpha)
        snprintf(out, NS_VERDICT_TEXT, "holds where births differ");
    else if (!(e.least <= alpha))
        snprintf(out, NS_VERDICT_TEXT, "%s; too few for a p below %g", where, alpha);
    else
        snprintf(out, NS_VERDICT_TEXT, "%s, but p = %.2g", where, e.p);
    return out;
}

const char *ns_verdict(ns_evidence e, double alpha, char out[NS_VERDICT_TEXT])
{
    if (!(alpha > 0))
        alpha = usual_alpha;
    if (e.n > 0 && e.yes > 0 && e.no == 0)
        return unanimous(e, alpha, out);
    snprintf(out, NS_VERDICT_TEXT, "%s", e.n == 0 ? "not run" : e.yes + e.no == 0 ? "undecided" : e.yes > e.no ? "mixed" : "does not hold");
    return out;
}

ns_evidence ns_sign_evidence(int yes, int no, int n)
{
    const int decided = yes + no;
    double p = 0, ways = 1;                      /* C(decided, k), from k = decided down */
    for (int k = decided; k >= yes; k--) {
        p += ways;
        ways = ways * k / (decided - k + 1);
    }
    return (ns_evidence){yes, no, n, n ? ldexp(p, -decided) : (double)NAN, n ? ldexp(1, -n) : (double)NAN};
}

double ns_rank_sum_p(const int64_t *rank, const int64_t *of, int64_t n, double *least)
{
    int64_t observed = 0, most = 0;
    for (int64_t i = 0; i < n; i++) {
        observed += rank[i];
        most += of[i];
    }
    double *const ways = ns_alloc_array((size_t)most + 1, sizeof *ways), p = n ? 0 : (double)NAN, all = 1; /* ways[s]: orders with sum s */
    if (!ways)
        return (double)NAN;
    ways[0] = 1;
    for (int64_t i = 0; i < n; i++) {
        all *= (double)of[i];
        for (int64_t s = most; s >= 0; s--) {
            ways[s] = 0;
            for (int64_t r = 1; r <= of[i] && r <= s; r++)
                ways[s] += ways[s - r];
        }
    }
    for (int64_t s = 0; n && s <= observed; s++)
        p += ways[s] / all;
    if (least)
        *least = n ? 1 / all : (double)NAN;
    free(ways);
    return p;
}

const char *ns_order_verdict(ns_order o, double alpha, char out[NS_VERDICT_TEXT])
{
    return ns_verdict((ns_evidence){o.earlier, o.later, o.n, o.p, o.n ? ldexp(1, -o.n) : (double)NAN}, alpha, out);
}
