/* series_gaps.c - steps that are not there: where checkpoints come at an even spacing, a distance of several spacings has some missing. */
#include "io/series.h"

#include <stdlib.h>
#include <string.h>

static bool is_pair(const ns_series *s, int64_t i)
{
    return i >= 0 && i + 1 < s->n && ns_series_stage(&s->list[i]) == ns_series_stage(&s->list[i + 1]) &&
           s->list[i].branch == s->list[i + 1].branch;
}

/* Between the i-th checkpoint and the next of its stage; 0: there is none. */
static int64_t distance(const ns_series *s, int64_t i)
{
    return is_pair(s, i) ? s->list[i + 1].step - s->list[i].step : 0;
}

/* Spacing is what a neighbouring pair has: spacings that grow with the training (1, 2, 4, ...) have no gaps. */
static bool is_gap(const ns_series *s, int64_t i, int64_t *spacing)
{
    const int64_t here = distance(s, i), sides[2] = {distance(s, i - 1), distance(s, i + 1)};
    for (int k = 0; k < 2; k++) {
        const int64_t beyond = distance(s, k ? i + 2 : i - 2);
        *spacing = sides[k];
        if (sides[k] && sides[k] == beyond && here > sides[k] && here % sides[k] == 0 && (!sides[!k] || sides[!k] % sides[k] == 0) &&
            (!sides[!k] || sides[!k] < here))
            return true;
    }
    return false;
}

int ns_series_gaps(const ns_series *s, ns_series_gap **out, int64_t *n, ns_error *err)
{
    int64_t capacity = 0, spacing;
    *out = NULL;
    *n = 0;
    for (int64_t i = 0; i < s->n; i++) {
        if (!is_gap(s, i, &spacing))
            continue;
        if (!ns_grow(out, &capacity, *n + 1, sizeof **out)) {
            free(*out);
            *out = NULL;
            return ns_oom(err, "gaps of a series");
        }
        (*out)[(*n)++] = (ns_series_gap){s->list[i].step, s->list[i + 1].step, distance(s, i) / spacing - 1};
    }
    return NS_OK;
}
