/* scan_predict.c - what a scan would do, before it does: its checkpoints, the weights that they have, the operations of a pass over the
 * cases, and how long that takes, by one layer that is read and run here. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scan_shard.h"

enum { ARCH_DEPTH = 32, PASSES = 3 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- what there is to do ---- */

static int64_t bytes_of(const ns_arch *arch, const ns_checkpoint *ck)
{
    int64_t bytes = 0;
    for (int64_t i = 0; i < ns_checkpoint_count(ck); i++)
        bytes += ns_arch_ignores(arch, ns_checkpoint_tensor(ck, i)->name) ? 0 : ns_checkpoint_tensor(ck, i)->n_bytes;
    return bytes;
}

/* Prompts with their answers; shared beginnings are computed once, so it is less as a rule. */
static int flops_of(const ns_scan_pass *s, const ns_arch *arch, const ns_checkpoint *ck, double *out, ns_error *err)
{
    const ns_cases *const cases = s->cases;
    int64_t *const lengths = ns_alloc_array((size_t)cases->n + 1, sizeof *lengths);
    ns_cost cost = {0};
    if (!lengths)
        return ns_oom(err, "lengths of cases");
    for (int64_t i = 0; i < cases->n; i++)
        lengths[i] = cases->list[i].n_tokens + (cases->list[i].n_answer > 1 ? cases->list[i].n_answer - 1 : 0);
    const int rc = ns_model_cost(arch, ck, s->p->open.memory, lengths, cases->n, &cost, err);
    *out = cost.flops;
    free(lengths);
    return rc;
}

static int add_work(ns_scan_pass *s, const ns_opened *m, ns_error *err)
{
    ns_scan_prediction *const out = s->user;
    double flops = 0;
    const int rc = flops_of(s, m->arch, m->checkpoint, &flops, err);
    out->bytes += rc == NS_OK ? bytes_of(m->arch, m->checkpoint) : 0;
    out->flops += flops;
    return rc;
}

static void count_failing(const ns_scan_pass *s, const char *why)
{
    ns_scan_prediction *const out = s->user;
    if (out->failing++ == 0)
        ns_line(out->why, sizeof out->why, "%s step %lld: %s", s->run->name, (long long)s->item->step, why);
}

/* Opened, as its scan would. */
static int look(ns_scan_pass *s, const ns_scan_place *at)
{
    ns_scan_prediction *const out = s->user;
    ns_opened *m = NULL;
    ns_fact_list f = {0};
    ns_error why = {""};
    bool done;
    int rc = ns_scan_look(s, at, &m, &f, &done, &why);
    if (rc == NS_OK && done)
        out->present++;
    else if (rc == NS_OK)
        rc = add_work(s, m, &why);
    if (rc != NS_OK && rc != NS_E_MEMORY && rc != NS_STOP)
        count_failing(s, why.message);
    ns_fact_list_clear(&f);
    ns_close(m);
    return rc == NS_E_MEMORY || rc == NS_STOP ? ns_fail(s->err, rc, "%s", why.message) : NS_OK;
}

/* Done, failed on these very files, or looked at. */
static int predict_one(ns_scan_pass *s, const char *folder)
{
    ns_scan_prediction *const out = s->user;
    char why[NS_SCAN_WHY];
    ns_scan_place at;
    int rc = ns_scan_place_of(s, folder, &at, s->err);
    out->checkpoints++;
    if (rc == NS_OK && !s->p->force && ns_scan_seen(s, &at))
        out->present++;
    else if (rc == NS_OK && !s->p->force && !s->p->retry_failed && ns_scan_failed(&at, why))
        count_failing(s, why);
    else if (rc == NS_OK)
        rc = look(s, &at);
    ns_scan_place_clear(&at);
    return rc;
}

/* ---- one layer, measured ---- */

/* The same model with its first layer alone: other layers' tensors are ignored. */
static int first_layer(ns_arch **out, const ns_arch *arch, ns_error *err)
{
    char *text = NULL;
    cJSON *root = NULL;
    int rc = ns_arch_to_json(arch, &text, err);
    rc = rc != NS_OK ? rc : ns_json_parse(&root, text, strlen(text), ARCH_DEPTH, "a description", err);
    free(text);
    text = NULL;
    cJSON *const layers = cJSON_GetObjectItemCaseSensitive(root, "layers");
    cJSON *const ignored = cJSON_GetObjectItemCaseSensitive(root, "ignored");
    while (rc == NS_OK && cJSON_GetArraySize(layers) > 1)
        cJSON_DeleteItemFromArray(layers, 1);
    cJSON *const all = rc == NS_OK ? cJSON_CreateString("*") : NULL;
    if (rc == NS_OK && !(all && ignored && cJSON_AddItemToArray(ignored, all) && (text = ns_json_print(root, false))))
        rc = ns_oom(err, "a description");
    rc = rc != NS_OK ? rc : ns_arch_from_json(out, text, strlen(text), "the first layer", NULL, err);
    cJSON_Delete(root);
    free(text);
    return rc;
}

static const ns_case *longest(const ns_cases *cases)
{
    const ns_case *most = &cases->list[0];
    for (int64_t i = 1; i < cases->n; i++)
        most = cases->list[i].n_tokens > most->n_tokens ? &cases->list[i] : most;
    return most;
}

/* The fastest of a few passes over the longest prompt: the first one warms up. */
static int time_pass(const ns_model *model, const ns_case *c, double *seconds, ns_error *err)
{
    int rc = NS_OK;
    *seconds = 1e300;
    for (int i = 0; i < PASSES && rc == NS_OK; i++) {
        ns_session *s = NULL;
        rc = ns_session_new(&s, model, NULL, err);
        rc = rc != NS_OK ? rc : ns_session_append(s, c->tokens, c->n_tokens, err);
        const double begin = now();
        rc = rc != NS_OK ? rc : ns_forward(model, &s, 1, NULL, NULL, err);
        const double took = now() - begin;
        *seconds = took < *seconds ? took : *seconds;
        ns_session_free(s);
    }
    return rc;
}

static int measure(const ns_scan_params *p, const ns_opened *m, ns_scan_prediction *out, ns_error *err)
{
    ns_arch *arch = NULL;
    ns_model *model = NULL;
    ns_cost cost;
    double seconds;
    const ns_case *const c = longest(p->cases);
    const ns_model_params how = {.size = sizeof how, .memory = p->open.memory, .hash = !p->open.no_hash};
    int rc = first_layer(&arch, m->arch, err);
    const double begin = now();
    rc = rc != NS_OK ? rc : ns_model_load(&model, p->open.engine, m->checkpoint, arch, &how, err);
    const double loaded = now() - begin;
    rc = rc != NS_OK ? rc : time_pass(model, c, &seconds, err);
    rc = rc != NS_OK ? rc : ns_model_cost(arch, m->checkpoint, p->open.memory, &c->n_tokens, 1, &cost, err);
    if (rc == NS_OK) {
        out->bytes_per_second = (double)cost.weight_bytes / loaded;
        out->flops_per_second = cost.flops / seconds;
        out->seconds = (double)out->bytes / out->bytes_per_second + out->flops / out->flops_per_second;
    }
    ns_model_free(model);
    ns_arch_free(arch);
    return rc;
}

int ns_scan_predict(const ns_scan_run *runs, int64_t n_runs, const ns_scan_params *p, const ns_opened *first, ns_scan_prediction *out,
                    ns_error *err)
{
    int rc = p->cases->n ? NS_OK : ns_fail(err, NS_E_ARG, "there is no case to predict a scan of");
    *out = (ns_scan_prediction){0};
    rc = rc != NS_OK ? rc : ns_scan_walk(runs, n_runs, p, predict_one, out, err);
    return rc == NS_OK && out->bytes ? measure(p, first, out, err) : rc;
}
