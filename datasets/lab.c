/* lab.c - a sequence of the laboratory's language: a filler chain, then mentions "key value" written over it.
 * At each mention a distance d is drawn from p(d) ~ 1/d; the entity whose last mention is nearest to d ago (in ratio) is mentioned again,
 * or, when none is within a factor 1.5, a new one. Only IEEE + - * / on doubles: the same tokens on every machine. */
#include "lab.h"

enum { NEAREST = 3, FARTHEST = 60, CHAIN_SEED = 7 };
static const double same_factor = 1.5, mean_gap = 1.5;
static const double successor_cumulative[3] = {.5, .75, .9};

void ns_lab_language_make(ns_lab_language *l)
{
    ns_rng rng = ns_rng_seed(CHAIN_SEED, 0);
    for (int i = 0; i < NS_LAB_FILLERS; i++) {
        int32_t pool[NS_LAB_FILLERS];
        for (int k = 0; k < NS_LAB_FILLERS; k++)
            pool[k] = k;
        for (int k = 0; k < 4; k++) {
            const int64_t j = k + ns_rng_below(&rng, NS_LAB_FILLERS - k);
            l->successor[i][k] = pool[j];
            pool[j] = pool[k];
        }
    }
    double sum = 0;
    for (int d = NEAREST; d <= FARTHEST; d++)
        l->cumulative[d - NEAREST] = sum += 1.0 / d;
    for (int d = NEAREST; d <= FARTHEST; d++)
        l->cumulative[d - NEAREST] /= sum;
}

ns_rng ns_lab_stream(uint64_t seed, ns_lab_part part, int64_t index)
{
    return ns_rng_seed(seed, ((uint64_t)part << 56) + (uint64_t)index + 1);
}

static int64_t draw_distance(const ns_lab_language *l, ns_rng *rng)
{
    const double u = ns_rng_uniform(rng);
    int64_t d = NEAREST;
    while (d < FARTHEST && u >= l->cumulative[d - NEAREST])
        d++;
    return d;
}

/* Geometric on 1, 2, ... */
static int64_t draw_gap(ns_rng *rng)
{
    int64_t gap = 1;
    while (ns_rng_uniform(rng) >= 1 / mean_gap)
        gap++;
    return gap;
}

/* The first token is already a successor of a uniform state; the chain runs on under what is written over it. */
static void write_filler(const ns_lab_language *l, ns_rng *rng, ns_lab_sequence *s)
{
    int64_t state = ns_rng_below(rng, NS_LAB_FILLERS);
    for (int64_t t = 0; t < s->T; t++) {
        const double u = ns_rng_uniform(rng);
        int k = 0;
        while (k < 3 && u >= successor_cumulative[k])
            k++;
        s->tokens[t] = l->successor[state][k];
        state = s->tokens[t];
    }
}

static void draw_entities(ns_rng *rng, ns_lab_sequence *s)
{
    int32_t keys[NS_LAB_KEYS], values[NS_LAB_VALUES];
    for (int i = 0; i < NS_LAB_KEYS; i++)
        keys[i] = NS_LAB_FILLERS + i;
    for (int i = 0; i < NS_LAB_VALUES; i++)
        values[i] = NS_LAB_FILLERS + NS_LAB_KEYS + i;
    for (int i = 0; i < NS_LAB_KEYS; i++) {
        const int64_t k = i + ns_rng_below(rng, NS_LAB_KEYS - i),
                      v = (s->distinct ? i : 0) + ns_rng_below(rng, NS_LAB_VALUES - (s->distinct ? i : 0));
        s->key[i] = keys[k];
        s->value[i] = values[v];
        keys[k] = keys[i];
        if (s->distinct)
            values[v] = values[i];
    }
}

static double ratio(double a, double b)
{
    return a > b ? a / b : b / a;
}

/* The entity to mention at t: n are known, last mentioned at last[]. */
static int choose(const int64_t *last, int n, int64_t t, int64_t d)
{
    int best = -1;
    double nearest = 0;
    for (int e = 0; e < n; e++) {
        const double r = ratio((double)(t - last[e]), (double)d);
        if (best < 0 || r < nearest) {
            best = e;
            nearest = r;
        }
    }
    return best < 0 || (nearest > same_factor && n < NS_LAB_ENTITIES) ? n : best;
}

static void mention(ns_lab_sequence *s, int64_t t, int entity, int64_t distance)
{
    s->tokens[t] = s->key[entity];
    s->tokens[t + 1] = s->value[entity];
    if (s->distance)
        s->distance[t + 1] = (int32_t)distance;
    if (s->mentions)
        s->mentions[s->n_mentions] = (ns_lab_mention){t, entity};
    s->n_mentions++;
}

static void classify(ns_lab_sequence *s)
{
    for (int64_t t = 1; t < s->T; t++)
        if (s->tokens[t] < NS_LAB_FILLERS && s->tokens[t - 1] < NS_LAB_FILLERS)
            s->distance[t] = NS_LAB_FILLER;
}

void ns_lab_write(const ns_lab_language *l, ns_rng *rng, ns_lab_sequence *s)
{
    int64_t last[NS_LAB_ENTITIES], reserved = s->reserved_at;
    int n = 0;
    write_filler(l, rng, s);
    draw_entities(rng, s);
    s->n_mentions = 0;
    for (int64_t t = 0; s->distance && t < s->T; t++)
        s->distance[t] = NS_LAB_NEW;
    for (int64_t t = draw_gap(rng); t + 2 <= s->T || reserved >= 0;) {
        if (reserved >= 0 && t + 2 > reserved) {      /* no mention may cover the reserved one */
            mention(s, reserved, NS_LAB_RESERVED, NS_LAB_NEW);
            t = (t > reserved + 2 ? t : reserved + 2) + draw_gap(rng);
            reserved = -1;
            continue;
        }
        const int e = choose(last, n, t, draw_distance(l, rng));
        mention(s, t, e, e < n ? t - last[e] : NS_LAB_NEW);
        n += e == n;
        last[e] = t;
        t += 2 + draw_gap(rng);
    }
    if (s->distance)
        classify(s);
}
