/* resample.c - prompts with their twins, in strata; draws of them as weights of cases. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "resample.h"

void ns_units_free(ns_units *u)
{
    free(u->kind);
    free(u->stratum);
    free(u->order);
    free(u->size);
    free(u->times);
    *u = (ns_units){0};
}

/* A prompt is of the kind of its first case. */
static void find_kinds(ns_units *u, const int64_t *kind_of)
{
    for (int64_t i = u->n_cases - 1; i >= 0; i--)
        u->kind[u->cases[i].prompt] = kind_of[i];
}

/* Into map[kinds]: the stratum of each kind. The pooled one comes last; where even it has too few, the smallest other joins it. A kind of
 * twins alone has no prompt: it is in none. */
static void map_strata(ns_units *u, const int64_t *prompts, int64_t *map, int64_t n_kinds)
{
    int64_t pooled = 0, smallest = -1;
    for (int64_t k = 0; k < n_kinds; k++) {
        const bool small = prompts[k] > 0 && prompts[k] < NS_STRATUM;
        u->n_pooled += small;
        pooled += small ? prompts[k] : 0;
        smallest = prompts[k] >= NS_STRATUM && (smallest < 0 || prompts[k] < prompts[smallest]) ? k : smallest;
    }
    const bool joined = pooled > 0 && pooled < NS_STRATUM && smallest >= 0;
    u->n_pooled += joined;
    for (int64_t k = 0; k < n_kinds; k++) {
        map[k] = -1;
        if (prompts[k] >= NS_STRATUM && !(joined && k == smallest))
            map[k] = u->n_strata++;
    }
    for (int64_t k = 0; k < n_kinds; k++)
        map[k] = map[k] < 0 ? u->n_strata : map[k];
    u->n_strata += u->n_pooled > 0;
    u->n_pooled = u->n_pooled > 1 ? u->n_pooled : 0;          /* a kind that is alone is pooled with none */
}

int ns_units_find(ns_units *u, const ns_scores *s, const int64_t *kind_of, int64_t n_kinds, ns_error *err)
{
    *u = (ns_units){.n_cases = s->n_cases, .cases = s->cases};
    for (int64_t i = 0; i < s->n_cases; i++)
        u->n_prompts = s->cases[i].prompt >= u->n_prompts ? s->cases[i].prompt + 1 : u->n_prompts;
    const size_t n = (size_t)u->n_prompts;
    u->kind = ns_alloc_array(n, sizeof *u->kind);
    u->stratum = ns_alloc_array(n, sizeof *u->stratum);
    u->order = ns_alloc_array(n, sizeof *u->order);
    u->times = ns_alloc_array(n, sizeof *u->times);
    u->size = ns_alloc_array((size_t)n_kinds + 1, sizeof *u->size);
    int64_t *const prompts = ns_alloc_array((size_t)n_kinds, sizeof *prompts), *const map = ns_alloc_array((size_t)n_kinds, sizeof *map);
    const bool good = u->kind && u->stratum && u->order && u->times && u->size && prompts && map;
    if (good) {
        find_kinds(u, kind_of);
        for (int64_t i = 0; i < u->n_prompts; i++)
            prompts[u->kind[i]]++;
        map_strata(u, prompts, map, n_kinds);
    }
    int64_t at = 0;
    for (int64_t g = 0; good && g < u->n_strata; g++)
        for (int64_t i = 0; i < u->n_prompts; i++)
            if (map[u->kind[i]] == g) {
                u->stratum[i] = g;
                u->order[at++] = i;
                u->size[g]++;
            }
    free(prompts);
    free(map);
    return good ? NS_OK : ns_oom(err, "the units of resampling");
}

/* ---- prompts ---- */

static int64_t case_of(const ns_case *const *cases, int64_t n, const char *id)
{
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (strcmp(cases[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && strcmp(cases[low]->id, id) == 0 ? low : -1;
}

static int64_t case_before(const ns_case *const *cases, int64_t n, int64_t i)
{
    return cases[i]->twin_of ? case_of(cases, n, cases[i]->twin_of) : -1;
}

/* The id that a case and its twins share: that of the case at the end of twin_of, here or not; where twins name each other round and round,
 * that of the first of them. */
static const char *root_of(const ns_case *const *cases, int64_t n, int64_t i)
{
    int64_t steps = 0, first;
    for (int64_t next; steps < n && (next = case_before(cases, n, i)) >= 0; steps++)
        i = next;
    if (steps < n)
        return cases[i]->twin_of ? cases[i]->twin_of : cases[i]->id;
    first = i;
    for (int64_t at = case_before(cases, n, i); at != i; at = case_before(cases, n, at))
        first = at < first ? at : first;
    return cases[first]->id;
}

/* Cases lie by id, so a twin may lie before the case that it is a twin of. */
void ns_number_prompts(ns_case_result *out, const ns_case *const *cases, int64_t n)
{
    int64_t prompts = 0;
    for (int64_t i = 0; i < n; i++)
        out[i].prompt = -1;
    for (int64_t i = 0; i < n; i++) {
        const char *const root = root_of(cases, n, i);
        int64_t same = case_of(cases, n, root);
        for (int64_t k = 0; same < 0; k++)                 /* it is not here: the first of its twins stands for it */
            same = k == i || strcmp(root_of(cases, n, k), root) == 0 ? k : -1;
        if (out[same].prompt < 0)
            out[same].prompt = prompts++;
        out[i].prompt = out[same].prompt;
    }
}

/* ---- draws ---- */

void ns_units_resample(const ns_units *u, ns_rng *rng, uint16_t *weights)
{
    memset(u->times, 0, (size_t)u->n_prompts * sizeof *u->times);
    for (int64_t g = 0, at = 0; g < u->n_strata; at += u->size[g++])
        for (int64_t i = 0; i < u->size[g]; i++)
            u->times[u->order[at + ns_rng_below(rng, u->size[g])]]++;
    for (int64_t i = 0; i < u->n_cases; i++)
        weights[i] = u->times[u->cases[i].prompt];
}

void ns_units_halve(const ns_units *u, ns_rng *rng, uint16_t *weights, uint16_t *others)
{
    memset(u->times, 0, (size_t)u->n_prompts * sizeof *u->times);
    for (int64_t g = 0, at = 0; g < u->n_strata; at += u->size[g++]) {
        const int64_t n = u->size[g];
        int64_t left = n / 2 + (n % 2 ? ns_rng_below(rng, 2) : 0);
        for (int64_t i = 0; i < n; i++) {                  /* selection sampling: left of the n - i that remain */
            if (ns_rng_below(rng, n - i) >= left)
                continue;
            left--;
            u->times[u->order[at + i]] = 1;
        }
    }
    for (int64_t i = 0; i < u->n_cases; i++) {
        weights[i] = u->times[u->cases[i].prompt];
        others[i] = !weights[i];
    }
}

/* scratch[prompts] = count - less (NULL: 0), summed over the cases of each. */
static void add_up(const ns_units *u, const float *count, const float *less, int64_t stride, double *scratch)
{
    memset(scratch, 0, (size_t)u->n_prompts * sizeof *scratch);
    for (int64_t i = 0; i < u->n_cases; i++)
        scratch[u->cases[i].prompt] += (double)count[i * stride] - (less ? (double)less[i * stride] : 0);
}

static double prompts_with(const ns_units *u, const float *count, const float *less, int64_t stride, double *scratch)
{
    double n = 0;
    add_up(u, count, less, stride, scratch);
    for (int64_t i = 0; i < u->n_prompts; i++)
        n += scratch[i] > 0;
    return n;
}

/* How many prompts of equal size tell as much, (sum m)^2 / sum m^2 (Kish 1965). */
static double prompts_worth(const ns_units *u, const float *events, int64_t stride, double *scratch)
{
    double sum = 0, squares = 0;
    add_up(u, events, NULL, stride, scratch);
    for (int64_t i = 0; i < u->n_prompts; i++) {
        sum += scratch[i];
        squares += scratch[i] * scratch[i];
    }
    return squares > 0 ? sum * sum / squares : 0;
}

double ns_units_events(const ns_units *u, const float *hits, const float *events, int64_t stride, double seen, double *scratch)
{
    const double prompts = prompts_worth(u, events, stride, scratch);
    if (!(seen > prompts))
        return seen > 0 ? seen : prompts;
    const double hit = prompts_with(u, hits, NULL, stride, scratch), missed = prompts_with(u, events, hits, stride, scratch);
    const double telling = fmin(hit, missed);
    return (telling + 1) / (telling / seen + 1 / prompts);
}
