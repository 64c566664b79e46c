/* needle_tokens.c - needles without a tokenizer:
 *     BOS filler .. [KEY v1 .. vm] .. [KEY' v1' .. vm'] .. filler QUERY KEY ANS -> v1 .. vm
 * The last two prompt tokens are the key and a marker, so the paper's row (T - 2, the key) and the first answer row (T - 1) both
 * ask for the needle. Keys and values occur nowhere else in the prompt; the filler is one stream per seed, cut to length. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

enum { MARKERS = 3, BOS = 0, QUERY = 1, ANSWER = 2 };

static int64_t content_first(const ns_needle_params *p)
{
    return p->first_id + MARKERS;
}

/* Filler ids are [content_first, needles_first), ids of keys and values [needles_first, vocab). */
static int64_t needles_first(const ns_needle_params *p)
{
    return content_first(p) + (p->vocab - content_first(p)) / 2;
}

int ns_needle_filler(int32_t **out, const ns_needle_params *p, int64_t n, ns_error *err)
{
    *out = NULL;
    if (p->first_id < 0 || p->vocab > INT32_MAX || p->vocab - p->first_id < MARKERS + 2)
        return ns_fail(err, NS_E_ARG, "needle: no room for markers, filler and values in ids [%lld, %lld)", (long long)p->first_id,
                       (long long)p->vocab);
    if (p->chat)
        return ns_fail(err, NS_E_ARG, "needle: a chat template needs a tokenizer");
    *out = ns_alloc_array((size_t)n, sizeof **out);
    if (!*out)
        return ns_oom(err, "the haystack");
    ns_rng rng = ns_rng_seed(p->seed, 0);
    for (int64_t i = 0; i < n; i++)
        (*out)[i] = (int32_t)(content_first(p) + ns_rng_below(&rng, needles_first(p) - content_first(p)));
    return NS_OK;
}

/* Puts n of ids[from ... pool - 1] at from, in random order. */
static void draw_ids(ns_rng *rng, int32_t *ids, int64_t pool, int64_t from, int64_t n)
{
    for (int64_t i = from; i < from + n; i++) {
        const int64_t j = i + ns_rng_below(rng, pool - i);
        const int32_t id = ids[j];
        ids[j] = ids[i];
        ids[i] = id;
    }
}

/* Under n_values: values of m ids that all cases of a seed share, and keys from what is left. */
static int draw_fixed(ns_needle_cell *cell, int32_t *ids, int64_t pool, int64_t m, int32_t *needles, ns_error *err)
{
    const int64_t values = cell->params->n_values * m;
    int64_t *const which = ns_alloc_array((size_t)cell->keys, sizeof *which);
    ns_rng rng = ns_needle_value_rng(cell);
    if (!which)
        return ns_oom(err, "ids of needles");
    ns_needle_values(cell, which);
    draw_ids(&rng, ids, pool, 0, values);
    draw_ids(&cell->rng, ids, pool, values, cell->keys + 1);
    for (int64_t k = 0; k < cell->keys; k++) {
        needles[k * (1 + m)] = ids[values + k];
        memcpy(needles + k * (1 + m) + 1, ids + which[k] * m, (size_t)m * sizeof *ids);
    }
    needles[cell->keys * (1 + m)] = ids[values + cell->keys];
    free(which);
    return NS_OK;
}

/* Keys and values, distinct ids of the upper half: [keys, 1 + m], and one more for the absent twin. */
static int draw_distinct(ns_needle_cell *cell, int64_t m, int32_t *out, ns_error *err)
{
    const int64_t first = needles_first(cell->params), pool = cell->params->vocab - first, fixed = cell->params->n_values;
    const int64_t n = fixed ? fixed * m + cell->keys + 1 : cell->keys * (1 + m) + (cell->ask == NS_ASK_ABSENT);
    if (n > pool)
        return ns_fail(err, NS_E_ARG,
                       "needle: %lld keys and values, but only %lld ids in the upper half of the vocabulary (fewer keys or answer tokens)",
                       (long long)n, (long long)pool);
    int32_t *const ids = ns_alloc_array((size_t)pool, sizeof *ids);
    if (!ids)
        return ns_oom(err, "ids of needles");
    for (int64_t i = 0; i < pool; i++)
        ids[i] = (int32_t)(first + i);
    int rc = NS_OK;
    if (fixed) {
        rc = draw_fixed(cell, ids, pool, m, out, err);
    } else {
        draw_ids(&cell->rng, ids, pool, 0, n);
        memcpy(out, ids, (size_t)n * sizeof *out);
    }
    free(ids);
    return rc;
}

/* The null twin asks for the marker itself. */
static int32_t asked_token(const ns_needle_cell *cell, const int32_t *needles, int64_t m)
{
    return cell->ask == NS_ASK_NULL ? (int32_t)cell->params->first_id + QUERY : needles[ns_needle_asked(cell) * (1 + m)];
}

/* The prompt into c->tokens: needle k is [1 + m] ids at needles + k (1 + m). */
static int lay_out(ns_case *c, const ns_needle_cell *cell, const int32_t *filler, int64_t n_filler, const ns_needle_place *places,
                   const int32_t *needles, int64_t m, ns_error *err)
{
    const int32_t first = (int32_t)cell->params->first_id;
    int64_t at = 0, used = 0;
    int rc = NS_OK;
    c->tokens[at++] = first + BOS;
    for (int i = 0; i < cell->keys && rc == NS_OK; i++) {
        char name[40], answer[40];
        const int64_t upto = places[i].slot;
        memcpy(c->tokens + at, filler + used, (size_t)(upto - used) * sizeof *filler);
        at += upto - used;
        used = upto;
        const bool left_out = cell->ask == NS_ASK_WITHOUT && places[i].needle == 0;      /* haystack that nothing else uses */
        memcpy(c->tokens + at, left_out ? filler + n_filler : needles + places[i].needle * (1 + m), (size_t)(1 + m) * sizeof *needles);
        ns_needle_label(cell, places[i].needle, false, name);
        ns_needle_label(cell, places[i].needle, true, answer);
        rc = left_out ? NS_OK : ns_case_set_span(c, name, at, at + 1 + m, err);
        if (rc == NS_OK && !left_out)
            rc = ns_case_set_span(c, answer, at + 1, at + 1 + m, err);
        at += 1 + m;
    }
    if (n_filler > used)
        memcpy(c->tokens + at, filler + used, (size_t)(n_filler - used) * sizeof *filler);
    at += n_filler - used;
    c->tokens[at] = first + QUERY;
    c->tokens[at + 1] = asked_token(cell, needles, m);
    c->tokens[at + 2] = first + ANSWER;
    if (rc == NS_OK)
        rc = ns_case_set_span(c, "question", at, at + 3, err);
    return rc == NS_OK ? ns_case_set_span(c, "query", at + 1, at + 2, err) : rc;
}

/* Filler behind the target, by distance: what the distance leaves beside the rest of the value, the distractors that
 * stand there, and the question. */
static int filler_behind(const ns_needle_cell *cell, int64_t n_filler, int64_t m, double *where, int64_t *out, ns_error *err)
{
    *out = 0;
    if (!cell->distance)
        return ns_needle_check_room(cell, n_filler, "tokens", err);
    do
        *out = cell->distance - (m - 1) - MARKERS - ns_needle_behind(cell, where) * (1 + m);
    while (*out < 0 && ns_needle_to_front(cell, where));
    if (*out < 0)
        return ns_needle_too_near(cell, m - 1 + MARKERS, err);
    return *out < n_filler ? NS_OK : ns_needle_no_front(cell, err);
}

int ns_needle_from_tokens(ns_case *out, ns_needle_cell *cell, const int32_t *filler, ns_error *err)
{
    const int64_t m = cell->params->answer_tokens ? cell->params->answer_tokens : 3;
    const int64_t least = 1 + cell->keys * (1 + m) + 3, n_filler = cell->length - least;
    if (m < 1 || m > 4096)
        return ns_fail(err, NS_E_ARG, "needle: %lld tokens per value (1 to 4096)", (long long)m);
    if (n_filler < 0)
        return ns_fail(
            err, NS_E_ARG,
            "needle: length %lld is shorter than the needle text (%d keys with %lld-token values and the question take %lld tokens)",
            (long long)cell->length, cell->keys, (long long)m, (long long)least);
    int32_t *const needles = ns_alloc_array((size_t)(cell->keys * (1 + m)) + 1, sizeof *needles);
    double *const where = ns_alloc_array((size_t)cell->keys, sizeof *where);
    ns_needle_place *const places = ns_alloc_array((size_t)cell->keys, sizeof *places);
    *out = (ns_case){.id = ns_strdup(cell->id), .n_tokens = cell->length, .n_answer = cell->ask == NS_ASK_NULL ? 0 : m};
    out->tokens = ns_alloc_array((size_t)cell->length, sizeof *out->tokens);
    out->answer = ns_alloc_array((size_t)m, sizeof *out->answer);
    int rc = needles && where && places && out->id && out->tokens && out->answer ? NS_OK : ns_oom(err, "a needle case");
    if (rc != NS_OK)
        goto out;
    for (int k = 0; k < cell->keys; k++)
        where[k] = ns_rng_uniform(&cell->rng);
    int64_t behind;
    rc = filler_behind(cell, n_filler, m, where, &behind, err);
    if (rc != NS_OK)
        goto out;
    rc = draw_distinct(cell, m, needles, err);
    if (rc != NS_OK)
        goto out;
    ns_needle_places(cell, n_filler, ns_needle_slot(cell, n_filler, behind), where, places);
    rc = lay_out(out, cell, filler, n_filler, places, needles, m, err);
    if (rc != NS_OK)
        goto out;
    const int32_t *const said = needles + (cell->ask == NS_ASK_SWAP) * (1 + m);    /* the absent twin's answer is its original's, the null
                                                                                    * twin has none */
    memcpy(out->answer, said + 1, (size_t)out->n_answer * sizeof *said);
    double depth = cell->depth;
    for (int k = 0; k < cell->keys && cell->ask == NS_ASK_SWAP; k++)
        if (places[k].needle == 1)
            depth = (double)places[k].slot / (double)n_filler;
    char key[24], value[24];
    snprintf(key, sizeof key, "%d", (int)asked_token(cell, needles, m));
    snprintf(value, sizeof value, "%d", (int)said[1]);
    rc = ns_needle_finish(out, cell, 1, cell->length - 3, depth, key, value, err);
out:
    free(places);
    free(where);
    free(needles);
    return rc;
}
