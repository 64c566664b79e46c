/* chance.c - a score's level where there is nothing to find: measured at the placebo, a constant of its definition, or what uniform
 * attention gives (ns_probe_chance): of a score that looks at the token before, ½ for a window of two. A score that looks for a place
 * anywhere has no such level of its own. */
#include <math.h>

#include "score.h"

static double uniform(const ns_scores *s, const ns_probe *probe, int64_t window)
{
    double sum = 0, chance = 0;
    for (int64_t c = 0; c < s->n_cases; c++) {
        const bool again = c > 0 && s->cases[c].n_tokens == s->cases[c - 1].n_tokens;
        chance = again ? chance : ns_probe_chance(probe, (double)s->cases[c].n_tokens, (double)window);
        sum += chance;
    }
    return s->n_cases ? sum / (double)s->n_cases : (double)NAN;
}

double ns_scores_known_chance(const ns_scores *s, int k, int64_t head)
{
    const ns_score *const def = s->defs[k];
    if (def->chance_of || !isnan(def->chance))
        return def->chance_of ? (double)NAN : def->chance;
    return s->valid[head] ? uniform(s, s->probes[ns_scores_probe(s, k)], s->windows[head]) : (double)NAN;
}

/* Heads of one window have one chance: it is not computed again for each. */
double ns_scores_mean_chance(const ns_scores *s, int k)
{
    double sum = 0, chance = s->defs[k]->chance;
    int64_t n = 0, last = -1;
    if (!isnan(chance))
        return chance;
    for (int64_t head = 0; head < ns_scores_size(s); head++) {
        if (!s->valid[head])
            continue;
        if (s->windows[head] != last || n == 0)
            chance = ns_scores_known_chance(s, k, head);
        last = s->windows[head];
        sum += chance;
        n++;
    }
    return n ? sum / (double)n : (double)NAN;
}
