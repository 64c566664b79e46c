/* ablate.c - an ablation from its parameters: cases chosen and sorted, survey, plan, conditions, losses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ablate.h"
#include "draws.h"

static const char *reason_to_drop(const ns_arch *arch, const ns_case *c, char buffer[NS_REASON])
{
    if (c->n_answer - c->n_lead < 1)
        return "no answer";
    if (c->n_tokens < 2)
        return "a prompt of one token";
    if (!ns_case_span(c, "needle"))
        return "no needle span";
    return ns_unfit(arch, c, buffer);
}

/* In the order of their ids from here on: the order in which they were given is forgotten. */
static int choose_cases(ns_ablating *a, const ns_cases *cases)
{
    ns_ablation *const o = a->out;
    int rc = NS_OK;
    a->cases = ns_alloc_array((size_t)cases->n, sizeof *a->cases);
    if (!a->cases)
        return ns_oom(a->err, "cases");
    for (int64_t i = 0; i < cases->n; i++)
        a->cases[i] = &cases->list[i];
    qsort(a->cases, (size_t)cases->n, sizeof *a->cases, ns_by_case);
    for (int64_t i = 0; i < cases->n && rc == NS_OK; i++) {
        char buffer[NS_REASON];
        const char *const reason = reason_to_drop(a->arch, a->cases[i], buffer);
        if (reason)
            rc = ns_drops_add(&a->drops, reason, a->cases[i]->id, a->err);
        else
            a->cases[o->n_cases++] = a->cases[i];
    }
    return rc == NS_OK && o->n_cases == 0 ? ns_drops_fail(&a->drops, "case", a->err) : rc;
}

static int choose_loss_cases(ns_ablating *a)
{
    ns_ablation *const o = a->out;
    const int64_t wanted = a->p->loss_cases < 0 ? 0 : a->p->loss_cases ? a->p->loss_cases : 16;
    o->in_loss = ns_alloc_array((size_t)o->n_cases, 1);
    if (!o->in_loss)
        return ns_oom(a->err, "cases");
    o->n_loss = wanted < o->n_cases ? wanted : o->n_cases;
    return o->n_loss ? ns_spread_cases(a->cases, o->n_cases, o->n_loss, o->in_loss, &o->n_loss_kinds, a->err) : NS_OK;
}

static int hash_cases(ns_ablating *a)
{
    ns_cases sorted = {.n = a->out->n_cases, .list = ns_alloc_array((size_t)a->out->n_cases, sizeof *sorted.list)};
    if (!sorted.list)
        return ns_oom(a->err, "cases");
    for (int64_t i = 0; i < sorted.n; i++)
        sorted.list[i] = *a->cases[i];
    ns_cases_hash(&sorted, a->out->cases_sha256);
    free(sorted.list);
    return NS_OK;
}

static int check_heads(const ns_ablating *a)
{
    if (a->p->n_heads < 1)
        return ns_fail(a->err, NS_E_ARG, "no heads to silence");
    if (!a->p->modes)
        return ns_fail(a->err, NS_E_ARG, "no mode of ablation");
    if (a->p->scope == NS_SCOPE_PREFILL && a->p->modes & 1u << NS_EDIT_KNOCKOUT)
        return ns_fail(a->err, NS_E_ARG, "mode knockout with scope prefill: it edits the rows that say the answer, and none of the "
                                         "prompt's");
    for (int i = 0; i < a->p->n_heads; i++)
        for (int k = 0; k < i; k++)
            if (ns_head_is(a->p->heads[i], a->p->heads[k]))
                return ns_fail(a->err, NS_E_ARG, "head %lld.%lld is named twice", (long long)a->p->heads[i].layer,
                               (long long)a->p->heads[i].head);
    ns_edits *edits;                                /* a head that is not there, a recurrent layer: known before any pass */
    const bool uniform = a->p->modes & 1u << NS_EDIT_UNIFORM_ATTN;
    const ns_edit one = {.size = sizeof one, .mode = uniform ? NS_EDIT_UNIFORM_ATTN : NS_EDIT_ZERO_Z, .heads = a->p->heads,
                         .n_heads = a->p->n_heads};
    const int rc = ns_edits_new(&edits, a->arch, &one, 1, NULL, NULL, a->err);
    ns_edits_free(edits);
    return rc;
}

static int allocate(ns_ablating *a)
{
    ns_ablation *const o = a->out;
    const size_t cells = (size_t)o->n * (size_t)o->n_cases;
    o->case_id = ns_alloc_array((size_t)o->n_cases, sizeof *o->case_id);
    o->content = ns_alloc_array((size_t)o->n_cases, sizeof *o->content);
    o->first_right = ns_alloc_array(cells, 1);
    o->content_right = ns_alloc_array(cells, sizeof *o->content_right);
    o->margin = ns_alloc_array(cells, sizeof *o->margin);
    o->margin_first = ns_alloc_array(cells, sizeof *o->margin_first);
    a->hidden = ns_alloc_array(cells, sizeof *a->hidden);
    a->needle = ns_alloc_array(cells, sizeof *a->needle);
    bool good = a->hidden && a->needle && o->case_id && o->content && o->first_right && o->content_right && o->margin && o->margin_first;
    for (int64_t i = 0; good && i < o->n_cases; i++) {
        o->content[i] = a->cases[i]->n_answer - a->cases[i]->n_lead;
        good = (o->case_id[i] = ns_strdup(a->cases[i]->id)) != NULL;
    }
    return good ? NS_OK : ns_oom(a->err, "an ablation");
}

int ns_ablate(ns_ablation **out, const ns_model *model, const ns_cases *cases, const ns_ablate_params *params, ns_error *err)
{
    *out = NULL;
    ns_ablation *const o = ns_alloc_array(1, sizeof *o);
    if (!o)
        return ns_oom(err, "an ablation");
    ns_ablating a = {.model = model, .arch = ns_model_arch(model), .p = params, .out = o, .err = err,
                     .work = {params->progress, params->cancelled, params->user, 0, 0}, .d = ns_arch_max_head_dim(ns_model_arch(model))};
    o->L = a.arch->n_layers;
    o->H = ns_arch_max_heads(a.arch);
    o->scope = params->scope;
    o->seed = params->seed;
    snprintf(o->scores_sha256, sizeof o->scores_sha256, "%s", params->scores_sha256 ? params->scores_sha256 : "");
    int rc = check_heads(&a);
    rc = rc != NS_OK ? rc : choose_cases(&a, cases);
    rc = rc != NS_OK ? rc : hash_cases(&a);
    rc = rc != NS_OK ? rc : choose_loss_cases(&a);
    rc = rc != NS_OK ? rc : ns_ablate_survey(&a);
    rc = rc != NS_OK ? rc : ns_ablate_plan(&a);
    rc = rc != NS_OK ? rc : allocate(&a);
    rc = rc != NS_OK ? rc : ns_ablate_conditions(&a);
    if (rc == NS_OK && o->n_loss)
        rc = ns_ablate_losses(&a);
    rc = rc != NS_OK ? rc : ns_provenance_of_model(&o->made_with, model, err);
    o->scores_are_of = ns_scores_are_of(params->scores_sha256, params->scores_arch_sha256, &o->made_with);
    rc = rc != NS_OK ? rc : ns_provenance_of_cases(&o->made_with, cases, err);
    free(a.cases);
    free(a.mean);
    free(a.hidden);
    free(a.needle);
    o->dropped = a.drops.list;
    o->n_reasons = a.drops.n;
    if (rc != NS_OK)
        ns_ablation_free(o);
    else
        *out = o;
    return rc;
}

void ns_ablation_free(ns_ablation *o)
{
    if (!o)
        return;
    for (int i = 0; i < o->n; i++)
        free(o->list[i].heads);
    for (int64_t i = 0; o->case_id && i < o->n_cases; i++)
        free(o->case_id[i]);
    void *const lists[] = {o->list, o->case_id, o->first_right, o->content_right, o->content, o->margin, o->margin_first, o->norm,
                           o->in_loss};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]);
    ns_controls_clear(&o->controls);
    ns_drops_clear(&(ns_drops){o->dropped, o->n_reasons});
    ns_fact_list_clear(&o->made_with);
    free(o);
}
