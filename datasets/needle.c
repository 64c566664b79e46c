/* needle.c - the needle grid: value types x templates x lengths x depths (or distances) x count -> cells -> a case and its twins, by text
 * or by tokens.
 * Every cell has its own random stream, keyed by what it is, so a case never depends on which others are made with it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

int ns_needle_asked(const ns_needle_cell *cell)
{
    return cell->ask == NS_ASK_TARGET || cell->ask == NS_ASK_WITHOUT ? 0 : cell->ask == NS_ASK_SWAP ? 1 : cell->keys;
}

/* Distractors are numbered in the order of the draw, without the needle. */
void ns_needle_label(const ns_needle_cell *cell, int k, bool answer, char out[40])
{
    const int asked = ns_needle_asked(cell);
    if (k == asked)
        snprintf(out, 40, "needle%s", answer ? "_answer" : "");
    else
        snprintf(out, 40, "distractor%s.%d", answer ? "_answer" : "", k > asked ? k - 1 : k);
}

/* The span that a twin's needle has, or (absent, null) its original's. */
static const ns_span *answer_of(const ns_case *c, const ns_needle_cell *cell)
{
    return ns_case_span(c, ns_needle_asked(cell) == cell->keys ? "distractor_answer.0" : "needle_answer");
}

static void place_text(const ns_case *c, const ns_needle_cell *cell, double depth, char out[64])
{
    const int64_t row = c->n_tokens - 1 + c->n_lead;
    if (cell->distance && cell->ask == NS_ASK_WITHOUT)
        snprintf(out, 64, "\"distance\": %lld", (long long)cell->distance);
    else if (cell->distance)
        snprintf(out, 64, "\"distance\": %lld", (long long)(row - answer_of(c, cell)->begin));
    else
        snprintf(out, 64, "\"depth\": %.6g", depth);
}

static int set_meta(ns_case *c, const ns_needle_cell *cell, double depth, const char *key, const char *value)
{
    static const char *const asks[NS_ASKS] = {"", ", \"twin\": \"swap\"", ", \"twin\": \"absent\"", ", \"twin\": \"null\"",
                                              ", \"twin\": \"without\""};
    const ns_needle_params *const p = cell->params;
    const ns_cases one = {c, 1, 1};
    char ids[65], place[64];
    ns_cases_hash(&one, ids);
    place_text(c, cell, depth, place);
    const char *const chat = p->chat ? p->chat : p->prefix || p->suffix ? "custom" : "none",
    *const tokenizer = p->tokenizer ? ns_tokenizer_sha256(p->tokenizer) : NULL;
    c->meta = ns_printf_alloc("{\"length\": %lld, %s, \"value_type\": \"%s\", \"template\": \"%s\", \"chat\": \"%s\", "
                              "\"keys\": %d, \"key\": \"%s\", \"value\": \"%s\"%s, \"seed\": %llu, \"index\": %d, \"ids_sha256\": "
                              "\"%s\"%s%s%s}",
                              (long long)cell->length, place, cell->type ? cell->type->name : "tokens",
                              cell->template_ ? ns_template_name(cell->template_) : "tokens", chat, cell->keys, key, value, asks[cell->ask],
                              (unsigned long long)p->seed, cell->index, ids, tokenizer ? ", \"tokenizer_sha256\": \"" : "",
                              tokenizer ? tokenizer : "", tokenizer ? "\"" : "");
    return c->meta ? NS_OK : NS_E_MEMORY;
}

static bool is_free(const ns_case *c, int64_t begin, int64_t end)
{
    for (int i = 0; i < c->n_spans; i++)
        if (c->spans[i].begin < end && c->spans[i].end > begin)
            return false;
    return true;
}

ns_rng ns_needle_value_rng(const ns_needle_cell *cell)
{
    return ns_rng_seed(cell->params->seed, ns_stream_of(cell->type ? cell->type->name : "tokens"));
}

/* Which values the needles of a cell have: the target the cell's own, the distractors others, drawn without replacement by a stream of
 * their own; of a twin without needle anew, from all. */
void ns_needle_values(const ns_needle_cell *cell, int64_t *out)
{
    const int64_t N = cell->params->n_values;
    const uint64_t stream = ns_stream_of(cell->ask == NS_ASK_WITHOUT ? "values without the needle" : "values");
    ns_rng rng = ns_rng_seed(cell->params->seed, cell->stream ^ stream);
    out[0] = cell->index % N;
    for (int k = 1; k < cell->keys; k++) {
        bool taken;
        do {
            out[k] = ns_rng_below(&rng, N);
            taken = false;
            for (int i = cell->ask == NS_ASK_WITHOUT; i < k; i++)
                taken |= out[i] == out[k];
        } while (taken);
    }
}

/* The stretch of [begin, end), as long as the answer's span and free of needles, that is nearest to it; the earlier of two. The absent
 * and the null twin's is their original's. No haystack is free: no placebo. */
static int set_placebo(ns_case *c, const ns_needle_cell *cell, int64_t begin, int64_t end, ns_error *err)
{
    const ns_span *const answer = answer_of(c, cell);
    const int64_t at = answer->begin, m = answer->end - at, farthest = end - begin;
    for (int64_t step = 1; step <= farthest; step++) {
        if (at - step >= begin && at - step + m <= end && is_free(c, at - step, at - step + m))
            return ns_case_set_span(c, "placebo", at - step, at - step + m, err);
        if (at + step >= begin && at + step + m <= end && is_free(c, at + step, at + step + m))
            return ns_case_set_span(c, "placebo", at + step, at + step + m, err);
    }
    return NS_OK;
}

int ns_needle_finish(ns_case *c, const ns_needle_cell *cell, int64_t begin, int64_t end, double depth, const char *key, const char *value,
                     ns_error *err)
{
    const bool placed = cell->ask != NS_ASK_WITHOUT;
    const char *const dash = strrchr(cell->id, '-');
    if (cell->ask && !(c->twin_of = ns_printf_alloc("%.*s", (int)(dash - cell->id), cell->id)))
        return ns_oom(err, "a needle case");
    if (set_meta(c, cell, depth, key, value) < 0)
        return ns_oom(err, "a needle case");
    return placed ? set_placebo(c, cell, begin, end, err) : NS_OK;
}

/* FNV-1a over what makes the cell; never 0, which is the haystack's stream. */
static uint64_t stream_of(const ns_needle_cell *cell, const char *type)
{
    const uint64_t place = cell->distance ? (uint64_t)-cell->distance : (uint64_t)(int64_t)floor(cell->depth * 1e6 + 0.5);
    const uint64_t parts[] = {(uint64_t)cell->length, place, (uint64_t)cell->index};
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof parts; i++)
        hash = (hash ^ (uint8_t)(parts[i / 8] >> (8 * (i % 8)))) * 0x100000001b3u;
    for (; *type; type++)
        hash = (hash ^ (uint8_t)*type) * 0x100000001b3u;
    return hash ? hash : 1;
}

static int64_t longest_of(const ns_needle_params *p)
{
    int64_t longest = 0;
    for (int i = 0; i < p->n_lengths; i++)
        longest = p->lengths[i] > longest ? p->lengths[i] : longest;
    return longest;
}

static int check_twins(const ns_needle_params *p, int keys, ns_error *err)
{
    if (p->twins & ~(unsigned)(NS_TWIN_SWAP | NS_TWIN_ABSENT | NS_TWIN_NULL | NS_TWIN_WITHOUT))
        return ns_fail(err, NS_E_ARG, "needle: unknown twins %#x", p->twins);
    if (p->twins & NS_TWIN_SWAP && keys < 2)
        return ns_fail(err, NS_E_ARG, "needle: a swap twin asks for another key of the prompt, which has one (give 2 keys or more)");
    if (p->chat && (p->prefix || p->suffix))
        return ns_fail(err, NS_E_ARG, "needle: chat template '%.40s' and a prefix or suffix of your own (choose one)", p->chat);
    if (!p->tokenizer && (p->n_value_types || p->n_templates || p->prefix || p->suffix))
        return ns_fail(err, NS_E_ARG, "needle: value types, templates, prefix and suffix are of text, and need a tokenizer");
    for (int i = 0; i < p->n_value_types; i++) {
        if (!ns_value_type_find(p->value_types[i]))
            return ns_fail(err, NS_E_ARG, "needle: unknown value type '%.40s' (numbers, words, uuids)", p->value_types[i]);
        for (int j = 0; j < i; j++)
            if (strcmp(p->value_types[i], p->value_types[j]) == 0)
                return ns_fail(err, NS_E_ARG, "needle: value type '%s' is given twice", p->value_types[i]);
    }
    for (int i = 0; i < p->n_templates; i++) {
        if (!ns_template_find(p->templates[i]))
            return ns_fail(err, NS_E_ARG, "needle: unknown template '%.40s' (noise, essay)", p->templates[i]);
        for (int j = 0; j < i; j++)
            if (strcmp(p->templates[i], p->templates[j]) == 0)
                return ns_fail(err, NS_E_ARG, "needle: template '%s' is given twice", p->templates[i]);
    }
    return NS_OK;
}

/* One that some of the lengths have room for is a case of theirs; one that none has is a slip. */
static int check_distances(const ns_needle_params *p, ns_error *err)
{
    const int64_t longest = longest_of(p);
    for (int i = 0; i < p->n_distances; i++) {
        if (p->distances[i] < 1)
            return ns_fail(err, NS_E_ARG, "needle: distance %lld is not a number of tokens (1 or more)", (long long)p->distances[i]);
        if (p->distances[i] >= longest)
            return ns_fail(err, NS_E_ARG, "needle: distance %lld lies outside prompts of %lld tokens (give a longer length)",
                           (long long)p->distances[i], (long long)longest);
        for (int j = 0; j < i; j++)
            if (p->distances[i] == p->distances[j])
                return ns_fail(err, NS_E_ARG, "needle: distance %lld is given twice", (long long)p->distances[i]);
    }
    return NS_OK;
}

static int check_params(const ns_needle_params *p, int keys, ns_error *err)
{
    if (p->n_lengths < 1 || (p->n_depths < 1 && p->n_distances < 1) || p->count < 0)
        return ns_fail(err, NS_E_ARG, "needle: at least one length and one depth are needed, and a count that is not negative");
    if (p->n_depths > 0 && p->n_distances > 0)
        return ns_fail(err, NS_E_ARG, "needle: a place is a depth or a distance, not both");
    if (keys < 1 || keys > NS_NEEDLE_MAX_KEYS)
        return ns_fail(err, NS_E_ARG, "needle: %d keys (1 to %d)", keys, NS_NEEDLE_MAX_KEYS);
    if (p->n_values < 0 || (p->n_values && p->n_values < keys) || p->n_values > NS_NEEDLE_MAX_KEYS)
        return ns_fail(err, NS_E_ARG, "needle: %d values in all for %d keys, whose values in a prompt differ (%d to %d, or fewer keys)",
                       p->n_values, keys, keys, NS_NEEDLE_MAX_KEYS);
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
    return check_distances(p, err);
}

typedef struct grid {
    ns_cases      *cases;
    const int32_t *filler;
    ns_error      *err;
    int64_t        dropped;
    ns_error       first;      /* why the first case was dropped */
} grid;

/* What belongs to this one case (no room for it, another tokenisation of its answer) drops it where the caller has a list for that. */
static int drop(grid *g, const ns_needle_cell *cell, int rc, const ns_error *why)
{
    const ns_needle_params *const p = cell->params;
    if (!p->dropped || (rc != NS_E_ARG && rc != NS_E_FORMAT)) {
        *g->err = *why;
        return rc;
    }
    g->first = g->dropped++ ? g->first : *why;
    const char *const name_ends = ns_starts(why->message, "case '") ? strstr(why->message, "': ") : NULL;     /* its id stands beside it */
    return ns_case_drops_add(p->dropped, cell->id, name_ends ? name_ends + 3 : why->message, g->err);
}

static int add_case(grid *g, ns_needle_cell *cell, ns_ask ask)
{
    static const char *const suffix[NS_ASKS] = {"", "-swap", "-absent", "-null", "-without"};
    const ns_needle_params *const p = cell->params;
    const char *const type = cell->type ? cell->type->name : "", *const template_ = cell->type ? ns_template_name(cell->template_) : "";
    const char *const dash = cell->type ? "-" : "";
    char place[32];
    ns_case c = {0};
    ns_error why = {0};
    cell->ask = ask;
    snprintf(place, sizeof place, cell->distance ? "d%.0f" : "%.6g", cell->distance ? (double)cell->distance : cell->depth);
    snprintf(cell->id, sizeof cell->id, "needle-s%llu%s%s%s%s-%lld-%s-%d%s", (unsigned long long)p->seed, dash, type, dash, template_,
             (long long)cell->length, place, cell->index, suffix[ask]);
    cell->stream = stream_of(cell, type);
    cell->rng = ns_rng_seed(p->seed, cell->stream);
    int rc = cell->distance >= cell->length ? ns_needle_no_front(cell, &why)
             : p->tokenizer ? ns_needle_from_text(&c, cell, &why) : ns_needle_from_tokens(&c, cell, g->filler, &why);
    if (rc == NS_OK)
        rc = ns_cases_add(g->cases, &c, &why);
    ns_case_clear(&c);
    return rc != NS_OK ? drop(g, cell, rc, &why) : NS_OK;
}

static int add_cell(grid *g, ns_needle_cell *cell)
{
    static const unsigned twins[NS_ASKS] = {[NS_ASK_SWAP] = NS_TWIN_SWAP, [NS_ASK_ABSENT] = NS_TWIN_ABSENT, [NS_ASK_NULL] = NS_TWIN_NULL,
                                            [NS_ASK_WITHOUT] = NS_TWIN_WITHOUT};
    int rc = add_case(g, cell, NS_ASK_TARGET);
    for (int k = NS_ASK_SWAP; k < NS_ASKS && rc == NS_OK; k++)
        if (cell->params->twins & twins[k])
            rc = add_case(g, cell, (ns_ask)k);
    return rc;
}

/* Lengths x places x count of one value type in one template. */
static int add_grid(grid *g, const ns_needle_params *p, const char *type, const char *template_)
{
    const int count = p->count ? p->count : 1, n_places = p->n_distances ? p->n_distances : p->n_depths;
    int rc = NS_OK;
    for (int l = 0; l < p->n_lengths && rc == NS_OK; l++) {
        for (int d = 0; d < n_places && rc == NS_OK; d++) {
            for (int i = 0; i < count && rc == NS_OK; i++) {
                ns_needle_cell cell = {.params = p, .keys = p->keys ? p->keys : 4, .length = p->lengths[l], .index = i,
                                       .depth = p->n_distances ? 0 : p->depths[d], .distance = p->n_distances ? p->distances[d] : 0,
                                       .type = type ? ns_value_type_find(type) : NULL,
                                       .template_ = type ? ns_template_find(template_) : NULL};
                rc = add_cell(g, &cell);
            }
        }
    }
    return rc;
}

/* The i-th of the names given, of all names where none is given; NULL ends them. */
static const char *name_at(const char *const *given, int n, int i, const char *(*all)(int))
{
    return n ? (i < n ? given[i] : NULL) : all(i);
}

int ns_needle_cases(ns_cases *cases, const ns_needle_params *p, ns_error *err)
{
    const int64_t before = cases->n;
    int32_t *filler = NULL;
    ns_error unused;
    grid g = {.cases = cases, .err = err ? err : &unused};
    const char *type, *template_;
    ns_needle_params params;
    int rc = ns_sized_copy(&params, sizeof params, p, "ns_needle_params", err);
    p = &params;
    rc = rc != NS_OK ? rc : check_params(p, p->keys ? p->keys : 4, err);
    rc = rc != NS_OK ? rc : check_twins(p, p->keys ? p->keys : 4, err);
    if (rc != NS_OK)
        return rc;
    if (!p->tokenizer) {
        rc = ns_needle_filler(&filler, p, longest_of(p), err);
        g.filler = filler;
        rc = rc != NS_OK ? rc : add_grid(&g, p, NULL, NULL);
    }
    for (int t = 0; p->tokenizer && (type = name_at(p->value_types, p->n_value_types, t, ns_needle_value_type)); t++)
        for (int i = 0; rc == NS_OK && (template_ = name_at(p->templates, p->n_templates, i, ns_needle_template)); i++)
            rc = add_grid(&g, p, type, template_);
    if (rc == NS_OK && cases->n == before)
        rc = ns_fail(err, NS_E_ARG, "no case can be made: all %lld were dropped, the first because: %s", (long long)g.dropped,
                     g.first.message);
    while (rc != NS_OK && cases->n > before)
        ns_case_clear(&cases->list[--cases->n]);
    free(filler);
    return rc;
}
