/* chance.c - a score's level where there is nothing to find: measured at the placebo, a constant of its definition, or what even attention
 * gives over the rows that it judges (ns_probe_chance): of a score that looks at the token before, ½ for a window of two. */
#include <math.h>
#include <stdlib.h>

#include "score.h"

/* Put together as the score is: hits over all rows of all cases, shares case by case. */
static int even(const ns_scoring *r, int k, int64_t head, double *out)
{
    const ns_scores *const s = r->scores;
    const ns_attn *const attn = ns_arch_attn(ns_model_arch(r->model), head / s->H);
    const bool pooled = s->defs[k]->over != NULL;
    double sum = 0, n = 0;
    int rc = NS_OK;
    for (int64_t c = 0; c < r->n_cases && rc == NS_OK; c++) {
        ns_probe_context ctx;
        double chance = (double)NAN;
        int64_t rows = 0;
        rc = ns_scoring_context(r, s->probes[ns_scores_probe(s, k)], r->cases[c], &ctx);
        rc = rc != NS_OK ? rc : ns_probe_chance(&ctx, attn, head % s->H, &chance, &rows, r->err);
        const double weight = pooled ? (double)rows : rows > 0;
        if (rows)
            sum += weight * chance;
        n += weight;
    }
    *out = n > 0 ? sum / n : (double)NAN;
    return rc;
}

static bool same_mask(const ns_scores *s, const ns_arch *arch, int64_t i, int64_t j)
{
    const ns_attn *const a = ns_arch_attn(arch, i / s->H), *const b = ns_arch_attn(arch, j / s->H);
    return ns_attn_window(a, i % s->H) == ns_attn_window(b, j % s->H) && a->chunk == b->chunk && a->cut == b->cut && a->kept == b->kept;
}

/* An earlier head with this mask: heads of one mask have one chance. -1: none. */
static int64_t alike(const ns_scoring *r, int64_t head)
{
    int64_t i = 0;
    while (i < head && !(r->scores->valid[i] && same_mask(r->scores, ns_model_arch(r->model), i, head)))
        i++;
    return i < head ? i : -1;
}

static int of_heads(const ns_scoring *r, int k)
{
    ns_scores *const s = r->scores;
    double sum = 0, *const chance = s->known_chance[k];
    int64_t n = 0;
    int rc = NS_OK;
    for (int64_t head = 0; head < ns_scores_size(s) && rc == NS_OK; head++) {
        chance[head] = (double)NAN;
        if (!s->valid[head])
            continue;
        const int64_t before = alike(r, head);
        if (before >= 0)
            chance[head] = chance[before];
        else
            rc = even(r, k, head, &chance[head]);
        sum += chance[head];
        n++;
    }
    s->chance_level[k] = n ? sum / (double)n : (double)NAN;
    return rc;
}

int ns_scoring_chance(const ns_scoring *r)
{
    ns_scores *const s = r->scores;
    int rc = NS_OK;
    for (int k = 0; k < s->n_scores && rc == NS_OK; k++) {
        const ns_score *const def = s->defs[k];
        s->chance_level[k] = def->chance_of ? s->chance_level[k] : def->chance;
        if (def->chance_of || !isnan(def->chance) || !s->probes[ns_scores_probe(s, k)]->definition)
            continue;
        s->known_chance[k] = ns_alloc_array((size_t)ns_scores_size(s), sizeof *s->known_chance[k]);
        rc = s->known_chance[k] ? of_heads(r, k) : ns_oom(r->err, def->name);
    }
    return rc;
}

double ns_scores_known_chance(const ns_scores *s, int k, int64_t head)
{
    const ns_score *const def = s->defs[k];
    return def->chance_of ? (double)NAN : s->known_chance[k] ? s->known_chance[k][head] : def->chance;
}
