/* ablate.c - an ablation from its parameters: cases chosen and sorted, survey, plan, conditions, losses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ablate.h"
#include "draws.h"

static int by_id(const void *a, const void *b)
{
    return strcmp((*(const ns_case *const *)a)->id, (*(const ns_case *const *)b)->id);
}

static const char *reason_to_drop(const ns_arch *arch, const ns_case *c)
{
    if (c->n_answer - c->n_lead < 1)
        return "no answer";
    if (c->n_tokens < 2)
        return "a prompt of one token";
    if (!ns_case_span(c, "needle"))
        return "no needle span";
    if (arch->max_positions > 0 && ns_case_length(c) > arch->max_positions)
        return "longer than the model's positions";
    for (int64_t i = 0; i < c->n_tokens + c->n_answer; i++)
        if ((i < c->n_tokens ? c->tokens[i] : c->answer[i - c->n_tokens]) >= arch->vocab)
            return "a token id beyond the vocabulary";
    return NULL;
}

static int choose_cases(ns_ablating *a, const ns_cases *cases)
{
    ns_ablation *const o = a->out;
    a->cases = ns_alloc_array((size_t)cases->n, sizeof *a->cases);
    if (!a->cases)
        return ns_oom(a->err, "cases");
    for (int64_t i = 0; i < cases->n; i++) {
        const char *const reason = reason_to_drop(a->arch, &cases->list[i]);
        if (!reason) {
            a->cases[o->n_cases++] = &cases->list[i];
        } else if (o->n_dropped++ == 0) {
            o->dropped_reason = reason;
            snprintf(o->first_dropped, sizeof o->first_dropped, "%s", cases->list[i].id);
        }
    }
    if (o->n_cases == 0)
        return ns_fail(a->err, NS_E_ARG, "no case left: %lld dropped%s%s%s%s", (long long)o->n_dropped, o->n_dropped ? ", the first ('" : "", o->first_dropped,
                       o->n_dropped ? "') has " : "", o->n_dropped ? o->dropped_reason : "");
    qsort(a->cases, (size_t)o->n_cases, sizeof *a->cases, by_id);
    return NS_OK;
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
    for (int i = 0; i < a->p->n_heads; i++)
        for (int k = 0; k < i; k++)
            if (ns_head_is(a->p->heads[i], a->p->heads[k]))
                return ns_fail(a->err, NS_E_ARG, "head %lld.%lld is named twice", (long long)a->p->heads[i].layer, (long long)a->p->heads[i].head);
    ns_edits *edits;                                /* a head that is not there, a recurrent layer: known before any pass */
    const bool patterns = a->p->modes & (1u << NS_EDIT_KNOCKOUT | 1u << NS_EDIT_UNIFORM_ATTN);
    const ns_edit one = {.size = sizeof one, .mode = patterns ? NS_EDIT_UNIFORM_ATTN : NS_EDIT_ZERO_Z, .heads = a->p->heads, .n_heads = a->p->n_heads};
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
    bool good = o->case_id && o->content && o->first_right && o->content_right && o->margin && o->margin_first;
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
    ns_ablating a = {.model = model, .arch = ns_model_arch(model), .p = params, .out = o, .err = err, .d = ns_arch_max_head_dim(ns_model_arch(model))};
    o->L = a.arch->n_layers;
    o->H = ns_arch_max_heads(a.arch);
    o->scope = params->scope;
    o->seed = params->seed;
    int rc = check_heads(&a);
    rc = rc ? rc : choose_cases(&a, cases);
    rc = rc ? rc : hash_cases(&a);
    rc = rc ? rc : ns_ablate_survey(&a);
    rc = rc ? rc : ns_ablate_plan(&a);
    rc = rc ? rc : allocate(&a);
    rc = rc ? rc : ns_ablate_conditions(&a);
    if (rc == NS_OK && params->loss_cases >= 0)
        rc = ns_ablate_losses(&a);
    free(a.cases);
    free(a.mean);
    if (rc)
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
    void *const lists[] = {o->list, o->case_id, o->first_right, o->content_right, o->content, o->margin, o->margin_first, o->norm};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]);
    ns_controls_clear(&o->controls);
    free(o);
}
