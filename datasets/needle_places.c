/* needle_places.c - where the needles go among the units of a haystack: the target by its depth or its distance from the query, the
 * distractors by their draws.
 *
 * By distance the prompt turns at the target: distractors whose draw lies behind the turn stand behind the target, so that what stands
 * behind it can be counted before anything in front is known. */
#include <math.h>
#include <stdlib.h>

#include "needle_internal.h"

static int by_slot(const void *a, const void *b)
{
    const ns_needle_place *const x = a, *const y = b;
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    return x->needle - y->needle;
}

static bool taken(const ns_needle_place *places, int n, int64_t slot)
{
    for (int i = 0; i < n; i++)
        if (places[i].slot == slot)
            return true;
    return false;
}

static int64_t slot_of(double depth, int64_t n)
{
    return (int64_t)floor(depth * (double)n + 0.5);
}

/* The asked depth that is nearest to where this one's needle would stand: of two as near, the smaller. */
static double nearest_depth(const ns_needle_cell *cell, int64_t n)
{
    const ns_needle_params *const p = cell->params;
    const int64_t slot = slot_of(cell->depth, n);
    double best = cell->depth;
    for (int i = 0; i < p->n_depths; i++) {
        const double depth = p->depths[i], nearer = fabs(best * (double)n - (double)slot) - fabs(depth * (double)n - (double)slot);
        if (slot_of(depth, n) == slot && (nearer > 1e-9 || (nearer > -1e-9 && depth < best)))
            best = depth;
    }
    return best;
}

/* A depth is rounded to the haystack's own grain, so it is off by half a unit at most; of depths that would be one place, one stays. */
int ns_needle_check_room(const ns_needle_cell *cell, int64_t n, const char *unit, ns_error *err)
{
    if (n == 0)
        return ns_fail(err, NS_E_ARG, "needle: length %lld has no room for a haystack beside %d keys, so that every depth would be one "
                       "place (a longer length or fewer keys)", (long long)cell->length, cell->keys);
    const double nearest = nearest_depth(cell, n);
    if (nearest == cell->depth)
        return NS_OK;
    return ns_fail(err, NS_E_ARG, "needle: length %lld has no room for every depth (for %.6g: its nearest place among %lld %s of haystack "
                   "is %.6g, which is depth %.6g's; a longer length or fewer depths)", (long long)cell->length, cell->depth, (long long)n,
                   unit, (double)slot_of(cell->depth, n) / (double)n, nearest);
}

/* The share of the prompt that lies before the target. */
static double turn_of(const ns_needle_cell *cell)
{
    return 1 - (double)cell->distance / (double)cell->length;
}

int ns_needle_behind(const ns_needle_cell *cell, const double *where)
{
    int n = 0;
    for (int k = 1; k < cell->keys; k++)
        n += where[k] >= turn_of(cell);
    return n;
}

bool ns_needle_to_front(const ns_needle_cell *cell, double *where)
{
    int last = 0;
    for (int k = 1; k < cell->keys; k++)
        if (where[k] >= turn_of(cell) && (!last || where[k] > where[last]))
            last = k;
    where[last] *= turn_of(cell);
    return last > 0;
}

int ns_needle_too_near(const ns_needle_cell *cell, int64_t least, ns_error *err)
{
    return ns_fail(err, NS_E_ARG, "needle: distance %lld is too near: the value, what ends its needle and the question take %lld tokens",
                   (long long)cell->distance, (long long)least);
}

int ns_needle_no_front(const ns_needle_cell *cell, ns_error *err)
{
    return ns_fail(err, NS_E_ARG, "needle: length %lld has no room for a haystack in front of a needle at distance %lld (%d keys; a longer "
                   "length or fewer keys)", (long long)cell->length, (long long)cell->distance, cell->keys);
}

/* n slots from `first` on, and the draw within them. */
typedef struct stretch { int64_t first, n; double draw; } stretch;

static stretch stretch_of(const ns_needle_cell *cell, int64_t n, int64_t target, double draw)
{
    const double turn = turn_of(cell);
    if (!cell->distance)
        return (stretch){0, n + 1, draw};
    return draw < turn ? (stretch){0, target, draw / turn} : (stretch){target, n + 1 - target, (draw - turn) / (1 - turn)};
}

int64_t ns_needle_slot(const ns_needle_cell *cell, int64_t n, int64_t behind)
{
    return cell->distance ? n - behind : slot_of(cell->depth, n);
}

/* Distractors move on to the next free slot while there is one. */
void ns_needle_places(const ns_needle_cell *cell, int64_t n, int64_t target, const double *where, ns_needle_place *places)
{
    places[0] = (ns_needle_place){target, 0};
    for (int k = 1; k < cell->keys; k++) {
        const stretch s = stretch_of(cell, n, target, where[k]);
        int64_t slot = s.first + (int64_t)floor(s.draw * (double)s.n);
        for (int64_t step = 1; step < s.n + 1 && taken(places, k, slot); step++)
            slot = slot == s.first + s.n - 1 ? s.first : slot + 1;
        places[k] = (ns_needle_place){slot, k};
    }
    qsort(places, (size_t)cell->keys, sizeof *places, by_slot);
}
