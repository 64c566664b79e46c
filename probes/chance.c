/* chance.c - a score's level where there is nothing to find: measured at the placebo, a constant of its definition, or what uniform
 * attention gives.
 *
 * Uniform attention: a row at position q of a head with window W sees min(q + 1, W) keys, so 1 / that goes to the token before it. Of a
 * score that looks at that token in all rows (previous_token) its mean over the rows is the chance: .5 for W = 2. A score that looks for a
 * place anywhere has no such level of its own. */
#include <math.h>
#include <string.h>

#include <needlescope/training.h>

#include "score.h"

/* Rows 1 ... n - 1: the first has no key before it. */
double ns_chance_of_rows(double n, double window)
{
    double sum = 0;
    for (double q = 1; q < n; q++)
        sum += 1 / (window > 0 ? fmin(q + 1, window) : q + 1);
    return n > 1 ? sum / (n - 1) : 0;
}

static bool looks_at_previous(const ns_probe *p)
{
    return p->definition && strstr(p->definition, "\"offset:-1\"") && strstr(p->definition, "\"all\"") && strstr(p->definition, "\"mass\"");
}

static double uniform(const ns_scores *s, int64_t window)
{
    double sum = 0;
    for (int64_t c = 0; c < s->n_cases; c++)
        sum += ns_chance_of_rows((double)s->cases[c].n_tokens, (double)window);
    return s->n_cases ? sum / (double)s->n_cases : (double)NAN;
}

double ns_scores_known_chance(const ns_scores *s, int k, int64_t head)
{
    const ns_score *const def = s->defs[k];
    if (def->chance_of || !isnan(def->chance))
        return def->chance_of ? (double)NAN : def->chance;
    return looks_at_previous(s->probes[ns_scores_probe(s, k)]) && s->valid[head] ? uniform(s, s->windows[head]) : (double)NAN;
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
