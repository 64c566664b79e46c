/* ablate_spread.c - the controls of a mode as three conditions: their mean, least and most. */
#include <math.h>

#include "ablate.h"

enum { MEASURES = 7 };

/* The measures of a condition, in one order. */
static void measures(ns_condition *c, double *out[MEASURES])
{
    double *const all[MEASURES] = {&c->first, &c->rest, &c->answered, &c->margin, &c->margin_first, &c->loss, &c->hidden};
    for (int i = 0; i < MEASURES; i++)
        out[i] = all[i];
}

int ns_ablation_spread(const ns_ablation *a, int target, ns_condition *mean, ns_condition *least, ns_condition *most)
{
    double *sum[MEASURES], *low[MEASURES], *high[MEASURES], *value[MEASURES];
    *mean = *least = *most = (ns_condition){.kind = NS_CONDITION_CONTROL, .mode = a->list[target].mode, .draw = -1};
    measures(mean, sum);
    measures(least, low);
    measures(most, high);
    int n = 0;
    for (; target + 1 + n < a->n && a->list[target + 1 + n].kind == NS_CONDITION_CONTROL; n++) {
        ns_condition one = a->list[target + 1 + n];
        measures(&one, value);
        for (int i = 0; i < MEASURES; i++) {
            *sum[i] += *value[i];
            *low[i] = n && *low[i] < *value[i] ? *low[i] : *value[i];
            *high[i] = n && *high[i] > *value[i] ? *high[i] : *value[i];
        }
    }
    for (int i = 0; i < MEASURES; i++)
        *sum[i] = n ? *sum[i] / n : (double)NAN;
    return n;
}
