/* chance.c - a score's level where there is nothing to find: measured at the placebo, a constant of its definition, or what uniform
 * attention gives (ns_probe_chance): of a score that looks at the token before, ½ for a window of two. A score that looks for a place
 * anywhere has no such level of its own. */
#include <math.h>
#include <stdlib.h>

#include "score.h"

static int uniform(const ns_scores *s, const ns_probe *probe, int64_t window, double *out, ns_error *err)
{
    double sum = 0, chance = 0;
    int rc = NS_OK;
    for (int64_t c = 0; c < s->n_cases && rc == NS_OK; c++) {
        const bool again = c > 0 && s->cases[c].n_tokens == s->cases[c - 1].n_tokens;
        rc = again ? NS_OK : ns_probe_chance(probe, (double)s->cases[c].n_tokens, (double)window, &chance, err);
        sum += chance;
    }
    *out = s->n_cases ? sum / (double)s->n_cases : (double)NAN;
    return rc;
}

/* Heads of one window have one chance: it is not computed again for each. */
static int follow_rows(ns_scores *s, int k, ns_error *err)
{
    double sum = 0, chance = (double)NAN;
    int64_t n = 0, last = -1;
    int rc = NS_OK;
    for (int64_t head = 0; head < ns_scores_size(s) && rc == NS_OK; head++) {
        s->known_chance[k][head] = (double)NAN;
        if (!s->valid[head])
            continue;
        if (s->windows[head] != last || n == 0)
            rc = uniform(s, s->probes[ns_scores_probe(s, k)], s->windows[head], &chance, err);
        last = s->windows[head];
        s->known_chance[k][head] = chance;
        sum += chance;
        n++;
    }
    s->chance_level[k] = n ? sum / (double)n : (double)NAN;
    return rc;
}

int ns_scores_find_chance(ns_scores *s, int k, ns_error *err)
{
    const ns_score *const def = s->defs[k];
    if (def->chance_of || !isnan(def->chance)) {
        s->chance_level[k] = def->chance_of ? s->chance_level[k] : def->chance;
        return NS_OK;
    }
    free(s->known_chance[k]);
    s->known_chance[k] = ns_alloc_array((size_t)ns_scores_size(s), sizeof *s->known_chance[k]);
    return s->known_chance[k] ? follow_rows(s, k, err) : ns_oom(err, def->name);
}

double ns_scores_known_chance(const ns_scores *s, int k, int64_t head)
{
    const ns_score *const def = s->defs[k];
    return def->chance_of ? (double)NAN : s->known_chance[k] ? s->known_chance[k][head] : def->chance;
}
