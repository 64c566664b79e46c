/* fit.c - probes that learn from all cases at once: one call behind the last row of the last case, and the folds they may learn over. */
#include <stdlib.h>
#include <string.h>

#include "score.h"

void *ns_fit_state(const ns_fit *f, int64_t i)
{
    return f->states + (size_t)i * f->run->probe->state_size;
}

int ns_fit_probes(ns_scoring *r)
{
    ns_scores *const s = r->scores;
    int rc = NS_OK, first = 0;
    for (int p = 0; p < s->n_probes && rc == NS_OK; first += s->probes[p++]->n_scores) {
        ns_probe_context run;
        if (!s->probes[p]->fit || r->n_cases == 0)
            continue;
        rc = ns_scoring_context(r, s->probes[p], NULL, &run);
        const ns_fit fit = {.size = sizeof fit, .run = &run, .cases = r->cases, .n = r->n_cases, .states = r->states[p],
                            .outputs = s->outputs[p], .values = s->values + first, .cancelled = r->params->cancelled,
                            .user = r->params->user};
        rc = rc != NS_OK ? rc : s->probes[p]->fit(&fit, r->err);
    }
    return rc;
}

/* ---- folds ---- */

enum { HEX = 65 };
typedef struct unit { int64_t stratum; char hash[HEX]; int64_t prompt; } unit;

static int by_hash(const void *a, const void *b)
{
    const unit *const x = a, *const y = b;
    const int order = x->stratum != y->stratum ? (x->stratum > y->stratum) - (x->stratum < y->stratum) : strcmp(x->hash, y->hash);
    return order ? order : x->prompt < y->prompt ? -1 : x->prompt > y->prompt;
}

static void hash_tokens(const ns_case *c, uint64_t seed, char out[HEX])
{
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    ns_sha256_add(&sha, &seed, sizeof seed);
    ns_sha256_add(&sha, c->tokens, (size_t)c->n_tokens * sizeof *c->tokens);
    ns_sha256_end(&sha, out);
}

/* Of a prompt the least hash of its cases, whatever they are called, and the stratum of its first; how many prompts there are. */
static int64_t hash_prompts(const ns_fit *f, const ns_case_result *results, uint64_t seed, const int64_t *stratum, unit *units)
{
    int64_t n = 0;
    for (int64_t i = 0; i < f->n; i++) {
        char hash[HEX];
        unit *const u = &units[results[i].prompt];
        hash_tokens(f->cases[i], seed, hash);
        u->stratum = u->hash[0] || !stratum ? u->stratum : stratum[i];
        if (!u->hash[0] || strcmp(hash, u->hash) < 0)
            memcpy(u->hash, hash, HEX);
        u->prompt = results[i].prompt;
        n = u->prompt >= n ? u->prompt + 1 : n;
    }
    return n;
}

/* Into of[n]: the fold of each prompt; how many of the prompts differ. */
static int64_t deal(unit *units, int64_t n, int folds, int64_t *of)
{
    int64_t different = 0;
    qsort(units, (size_t)n, sizeof *units, by_hash);
    for (int64_t i = 0; i < n; i++) {
        different += i == 0 || strcmp(units[i].hash, units[i - 1].hash) != 0;
        of[units[i].prompt] = (different - 1) % folds;
    }
    return different;
}

int ns_fit_folds(const ns_fit *f, int folds, uint64_t seed, const int64_t *stratum, int64_t *fold, ns_error *err)
{
    ns_case_result *const results = ns_alloc_array((size_t)f->n, sizeof *results);
    unit *const units = ns_alloc_array((size_t)f->n, sizeof *units);
    int64_t *const of = ns_alloc_array((size_t)f->n, sizeof *of);
    int rc = !results || !units || !of ? ns_oom(err, "folds") : folds >= 1 ? NS_OK : ns_fail(err, NS_E_ARG, "%d folds", folds);
    if (rc == NS_OK) {
        ns_number_prompts(results, f->cases, f->n);
        const int64_t different = deal(units, hash_prompts(f, results, seed, stratum, units), folds, of);
        for (int64_t i = 0; i < f->n; i++)
            fold[i] = of[results[i].prompt];
        rc = different >= folds ? NS_OK : ns_fail(err, NS_E_ARG, "%lld different prompt%s cannot be split into %d folds",
                                                  (long long)different, ns_plural(different), folds);
    }
    free(results);
    free(units);
    free(of);
    return rc;
}
