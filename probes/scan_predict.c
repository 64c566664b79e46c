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
static int flops_of(const ns_scan_params *p, const ns_arch *arch, const ns_checkpoint *ck, double *out, ns_error *err)
{
    int64_t *const lengths = ns_alloc_array((size_t)p->cases->n + 1, sizeof *lengths);
    ns_cost cost = {0};
    if (!lengths)
        return ns_oom(err, "lengths of cases");
    for (int64_t i = 0; i < p->cases->n; i++)
        lengths[i] = p->cases->list[i].n_tokens + (p->cases->list[i].n_answer > 1 ? p->cases->list[i].n_answer - 1 : 0);
    const int rc = ns_model_cost(arch, ck, p->open.memory, lengths, p->cases->n, &cost, err);
    *out = cost.flops;
    free(lengths);
    return rc;
}

static int64_t is_present(const ns_scan_pass *s)
{
    char *const folder = s->p->out ? ns_printf_alloc("%s/shards/%s", s->p->out, s->run->name) : NULL;
    char *const shard = folder ? ns_shard_path(s, folder, "h5") : NULL;
    const bool there = shard && ns_path_exists(shard);
    free(shard);
    free(folder);
    return there && !s->p->force;
}

/* One that does not open would fail in its own turn. */
static int add_checkpoint(ns_scan_pass *s, ns_scan_prediction *out, ns_error *err)
{
    ns_opened *m = NULL;
    double flops = 0;
    ns_error why = {""};
    out->checkpoints++;
    if (is_present(s)) {
        out->present++;
        return NS_OK;
    }
    int rc = ns_scan_open(&m, s, s->item, &why);
    if (rc == NS_E_MEMORY)
        return ns_fail(err, rc, "%s", why.message);
    rc = rc != NS_OK ? rc : flops_of(s->p, m->arch, m->checkpoint, &flops, &why);
    if (rc == NS_OK) {
        out->bytes += bytes_of(m->arch, m->checkpoint);
        out->flops += flops;
    }
    if (rc != NS_OK && out->failing++ == 0)
        ns_line(out->why, sizeof out->why, "%s step %lld: %s", s->run->name, (long long)s->item->step, why.message);
    ns_close(m);
    return NS_OK;
}

static int add_run(ns_scan_pass *s, int64_t *number, ns_scan_prediction *out, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < s->run->series.n && rc == NS_OK; i++) {
        s->item = &s->run->series.list[i];
        if (!ns_scan_takes(s->p, s->item->step))
            continue;
        const int64_t mine = (*number)++;
        if (s->p->score.cancelled && s->p->score.cancelled(s->p->score.user))
            rc = NS_STOP;
        else if (s->p->n_shards <= 1 || mine % s->p->n_shards == s->p->shard)
            rc = add_checkpoint(s, out, err);
    }
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
    ns_scan_pass s = {.p = p, .err = err, .told = true};
    int64_t number = 0;
    int rc = p->cases->n ? NS_OK : ns_fail(err, NS_E_ARG, "there is no case to predict a scan of");
    *out = (ns_scan_prediction){0};
    for (int64_t i = 0; i < n_runs && rc == NS_OK; i++) {
        s.run = &runs[i];
        rc = add_run(&s, &number, out, err);
    }
    return rc == NS_OK && out->bytes ? measure(p, first, out, err) : rc;
}
