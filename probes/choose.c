/* choose.c - what a score run works on: its probes, its cases sorted by id and checked against every probe, and each case's null twin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/study.h>

#include "heads/heads.h"
#include "score.h"

/* ---- null twins ---- */

/* What is no JSON names no twin; NS_E_MEMORY alone is an error. */
static int is_null_twin(const ns_case *c, bool *null, ns_error *err)
{
    cJSON *meta = NULL;
    *null = false;
    if (c->twin_of && c->meta && ns_json_parse(&meta, c->meta, strlen(c->meta), 64, "meta", err) == NS_E_MEMORY)
        return NS_E_MEMORY;
    const cJSON *const twin = cJSON_GetObjectItemCaseSensitive(meta, "twin");
    *null = cJSON_IsString(twin) && strcmp(twin->valuestring, "null") == 0;
    cJSON_Delete(meta);
    return NS_OK;
}

/* *out = NULL: it has none. */
static int null_twin_of(const ns_scoring *r, const ns_case *c, const ns_case **out)
{
    int rc = NS_OK;
    *out = NULL;
    for (int64_t i = 0; i < r->given->n && rc == NS_OK && !*out; i++) {
        const ns_case *const twin = &r->given->list[i];
        bool null = false;
        if (twin->twin_of && strcmp(twin->twin_of, c->id) == 0)
            rc = is_null_twin(twin, &null, r->err);
        *out = null ? twin : NULL;
    }
    return rc;
}

int ns_scoring_context(const ns_scoring *r, const ns_probe *probe, const ns_case *c, ns_probe_context *out)
{
    *out = (ns_probe_context){.model = r->model, .reference = r->params->reference, .arch = ns_model_arch(r->model), .c = c, .probe = probe,
                            .n_layers = r->scores->L, .n_heads = r->scores->H, .extent = r->measured ? &r->scores->extent : NULL,
                            .special = r->params->special,
                            .n_special = r->params->n_special,
                            .stop = r->params->stop, .n_stop = r->params->n_stop};
    if (!probe->wants_null || !c)
        return NS_OK;
    const int rc = is_null_twin(c, &out->is_null, r->err);
    return rc != NS_OK || out->is_null ? rc : null_twin_of(r, c, &out->null_twin);
}

/* ---- which probes ---- */

static int add_probe(const ns_probe *probe, const ns_probe **out, int *n, ns_error *err)
{
    if (*n == NS_MAX_PROBES)
        return ns_fail(err, NS_E_ARG, "more than %d probes in one run", NS_MAX_PROBES);
    for (int i = 0; i < *n; i++)
        if (strcmp(out[i]->name, probe->name) == 0)
            return ns_fail(err, NS_E_ARG, "two probes are called '%s'", probe->name);
    out[(*n)++] = probe;
    return NS_OK;
}

static const ns_probe *find_definition(const ns_score_params *params, const char *name)
{
    for (int i = 0; i < params->n_definitions; i++)
        if (strcmp(params->definitions[i]->name, name) == 0)
            return params->definitions[i];
    return NULL;
}

int ns_probe_check(const char *name, ns_error *err)
{
    enum { MOST = 512 };
    const char *known[MOST];
    int64_t n = 0;
    if (ns_probe_find(name))
        return NS_OK;
    for (const ns_probe *const *p = ns_probes(); *p; p++) {
        if (n < MOST)
            known[n++] = (*p)->name;
        for (int i = 0; i < (*p)->n_scores && n < MOST; i++)
            known[n++] = (*p)->scores[i].name;
    }
    const char *const near = ns_nearest_word(name, known, n);
    return near ? ns_fail(err, NS_E_ARG, "%.60s: no such probe or score (did you mean %s?)", name, near)
                : ns_fail(err, NS_E_ARG, "%.60s: no such probe or score (needlescope score --list)", name);
}

/* Ours in the order of the table, then the caller's definitions. */
int ns_choose_probes(const ns_score_params *params, const ns_probe **out, int *n, ns_error *err)
{
    int rc = NS_OK;
    *n = 0;
    for (int i = 0; i < params->n_probes; i++)
        if (!find_definition(params, params->probes[i]) && ns_probe_check(params->probes[i], err) < 0)
            return NS_E_ARG;
    for (const ns_probe *const *p = ns_probes(); *p && rc == NS_OK; p++) {
        bool wanted = false;
        for (int i = 0; i < params->n_probes && !wanted; i++)
            wanted = ns_probe_find(params->probes[i]) == *p;
        if (wanted)
            rc = add_probe(*p, out, n, err);
    }
    for (int i = 0; i < params->n_definitions && rc == NS_OK; i++) {
        const ns_probe *const own = params->definitions[i];
        const ns_probe *const ours = ns_probe_find(own->name);
        if (ours && ours->begin != own->begin)           /* one of ours with other settings is welcome (linear_probe) */
            return ns_fail(err, NS_E_ARG, "a definition is called '%s', which is one of needlescope's own probes or scores", own->name);
        rc = add_probe(own, out, n, err);
    }
    return rc != NS_OK || *n > 0 ? rc : ns_fail(err, NS_E_ARG, "no probe is named");
}

/* ---- which cases ---- */

/* *out: NULL, or why the case cannot be scored; buffer holds reasons with a number in them. */
static int reason_to_drop(const ns_scoring *r, const ns_case *c, char buffer[NS_REASON], const char **out)
{
    int rc = NS_OK;
    *out = ns_unfit(ns_model_arch(r->model), c, buffer);
    for (int p = 0; p < r->scores->n_probes && rc == NS_OK && !*out; p++) {
        const ns_probe *const probe = r->scores->probes[p];
        ns_probe_context ctx;
        rc = ns_scoring_context(r, probe, c, &ctx);
        *out = rc == NS_OK && probe->rejects ? probe->rejects(&ctx, buffer) : NULL;
    }
    return rc;
}

static bool sees_cases(const ns_scores *s)
{
    for (int p = 0; p < s->n_probes; p++)
        if (s->probes[p]->at)
            return true;
    return false;
}

int ns_choose_cases(ns_scoring *r, const ns_cases *cases)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < cases->n; i++)
        r->cases[i] = &cases->list[i];
    qsort(r->cases, (size_t)cases->n, sizeof *r->cases, ns_by_case);
    for (int64_t i = 0; i < cases->n && rc == NS_OK; i++) {
        char buffer[NS_REASON];
        const char *reason;
        rc = reason_to_drop(r, r->cases[i], buffer, &reason);
        if (rc == NS_OK && reason) {
            rc = ns_drops_add(&r->scores->drops, reason, r->cases[i]->id, r->err);
        } else if (rc == NS_OK) {
            r->index[r->n_cases] = r->n_cases;
            r->cases[r->n_cases++] = r->cases[i];
        }
    }
    return rc == NS_OK && r->n_cases == 0 && sees_cases(r->scores) ? ns_drops_fail(&r->scores->drops, "case", r->err) : rc;
}

/* ---- names ---- */

bool ns_output_name_is_taken(const char *name)
{
    for (const ns_probe *const *own = ns_probes(); *own; own++)
        for (int i = 0; i < (*own)->n_outputs; i++)
            if (!(*own)->definition && strcmp((*own)->outputs[i].name, name) == 0)
                return true;
    return false;
}

bool ns_coordinate_name_is_taken(const char *name)
{
    static const char *const of_runs[] = {"window", "seed", "pattern", "nope"};        /* what studies themselves know runs by */
    for (size_t i = 0; i < sizeof of_runs / sizeof *of_runs; i++)
        if (strcmp(name, of_runs[i]) == 0)
            return false;
    return ns_score_name_is_taken(name) || ns_output_name_is_taken(name) || ns_probe_find(name);
}
