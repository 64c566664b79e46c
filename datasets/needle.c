/* needle.c - the needle grid: lengths x depths x count -> cells -> cases, by text or by tokens.
 * Every cell has its own random stream, keyed by what it is, so a case never depends on which others are made with it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

void ns_needle_label(int k, bool answer, char out[40])
{
    if (k == 0)
        snprintf(out, 40, "needle%s", answer ? "_answer" : "");
    else
        snprintf(out, 40, "distractor%s.%d", answer ? "_answer" : "", k - 1);
}

char *ns_needle_meta(const ns_needle_cell *cell, const char *template_name, const char *value_type, const char *key, const char *value)
{
    const ns_needle_params *const p = cell->params;
    return ns_printf_alloc("{\"length\": %lld, \"depth\": %.6g, \"value_type\": \"%s\", \"template\": \"%s\", \"chat\": \"%s\", \"keys\": %d,"
                           " \"key\": \"%s\", \"value\": \"%s\", \"seed\": %llu, \"index\": %d}",
                           (long long)cell->length, cell->depth, value_type, template_name, p->chat ? p->chat : "none", cell->keys, key, value,
                           (unsigned long long)p->seed, cell->index);
}

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

/* Distractors move on to the next free slot while there is one. */
void ns_needle_places(const ns_needle_cell *cell, int64_t n, const double *where, ns_needle_place *places)
{
    places[0] = (ns_needle_place){(int64_t)floor(cell->depth * (double)n + 0.5), 0};
    for (int k = 1; k < cell->keys; k++) {
        int64_t slot = (int64_t)floor(where[k] * (double)(n + 1));
        for (int64_t step = 0; step <= n && taken(places, k, slot); step++)
            slot = slot == n ? 0 : slot + 1;
        places[k] = (ns_needle_place){slot, k};
    }
    qsort(places, (size_t)cell->keys, sizeof *places, by_slot);
}

/* FNV-1a over the numbers that make the cell; never 0, which is the haystack's stream. */
static uint64_t stream_of(int64_t length, double depth, int index)
{
    const uint64_t parts[] = {(uint64_t)length, (uint64_t)(int64_t)floor(depth * 1e6 + 0.5), (uint64_t)index};
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof parts; i++)
        hash = (hash ^ (uint8_t)(parts[i / 8] >> (8 * (i % 8)))) * 0x100000001b3u;
    return hash ? hash : 1;
}

static int check_params(const ns_needle_params *p, int keys, ns_error *err)
{
    if (p->size != sizeof *p)
        return ns_fail(err, NS_E_ARG, "needle: params.size is %zu, expected %zu (set it to sizeof)", p->size, sizeof *p);
    if (p->n_lengths < 1 || p->n_depths < 1 || p->count < 0)
        return ns_fail(err, NS_E_ARG, "needle: at least one length and one depth are needed, and a count that is not negative");
    if (keys < 1 || keys > NS_NEEDLE_MAX_KEYS)
        return ns_fail(err, NS_E_ARG, "needle: %d keys (1 to %d)", keys, NS_NEEDLE_MAX_KEYS);
    for (int i = 0; i < p->n_lengths; i++) {
        if (p->lengths[i] < 1 || p->lengths[i] > (int64_t)1 << 31)
            return ns_fail(err, NS_E_ARG, "needle: length %lld is not a number of tokens", (long long)p->lengths[i]);
        for (int j = 0; j < i; j++)
            if (p->lengths[i] == p->lengths[j])
                return ns_fail(err, NS_E_ARG, "needle: length %lld is given twice", (long long)p->lengths[i]);
    }
    for (int i = 0; i < p->n_depths; i++) {
        if (!(p->depths[i] >= 0 && p->depths[i] <= 1))
            return ns_fail(err, NS_E_ARG, "needle: depth %g is outside 0 (start) to 1 (end)", p->depths[i]);
        for (int j = 0; j < i; j++)
            if (fabs(p->depths[i] - p->depths[j]) < 1e-6)
                return ns_fail(err, NS_E_ARG, "needle: depth %g is given twice", p->depths[i]);
    }
    return NS_OK;
}

static int add_cell(ns_cases *cases, ns_needle_cell *cell, const int32_t *filler, ns_error *err)
{
    const ns_needle_params *const p = cell->params;
    ns_case c = {0};
    snprintf(cell->id, sizeof cell->id, "needle-s%llu-%lld-%.6g-%d", (unsigned long long)p->seed, (long long)cell->length, cell->depth, cell->index);
    cell->rng = ns_rng_seed(p->seed, stream_of(cell->length, cell->depth, cell->index));
    int rc = p->tokenizer ? ns_needle_from_text(&c, cell, err) : ns_needle_from_tokens(&c, cell, filler, err);
    if (rc == NS_OK)
        rc = ns_cases_add(cases, &c, err);
    ns_case_clear(&c);
    return rc;
}

int ns_needle_cases(ns_cases *cases, const ns_needle_params *p, ns_error *err)
{
    const int keys = p->keys ? p->keys : 4, count = p->count ? p->count : 1;
    const int64_t before = cases->n;
    int32_t *filler = NULL;
    int64_t longest = 0;
    int rc = check_params(p, keys, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < p->n_lengths; i++)
        longest = p->lengths[i] > longest ? p->lengths[i] : longest;
    if (!p->tokenizer)
        rc = ns_needle_filler(&filler, p, longest, err);
    for (int l = 0; l < p->n_lengths && rc == NS_OK; l++) {
        for (int d = 0; d < p->n_depths && rc == NS_OK; d++) {
            for (int i = 0; i < count && rc == NS_OK; i++) {
                ns_needle_cell cell = {.params = p, .keys = keys, .length = p->lengths[l], .depth = p->depths[d], .index = i};
                rc = add_cell(cases, &cell, filler, err);
            }
        }
    }
    while (rc < 0 && cases->n > before)
        ns_case_clear(&cases->list[--cases->n]);
    free(filler);
    return rc;
}
