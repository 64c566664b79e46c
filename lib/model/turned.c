/* turned.c - weights of the way back: W^T of every matrix of a layer, packed in f32 for as long as the layer is walked. */
#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

int ns_weight_turned(const ns_model *m, ns_weight *w, ns_error *err)
{
    if (!w->packed)
        return NS_OK;
    float *const plain = ns_alloc_array((size_t)(w->n * w->k), sizeof *plain);
    w->turned = ns_alloc_aligned((size_t)ns_packed_floats(w->k, w->n) * sizeof *w->turned);
    const int rc = plain && w->turned ? NS_OK : ns_oom(err, "weights of the way back");
    if (rc == NS_OK) {
        ns_weight_unpack(w, m->engine->math, plain);
        ns_weight_turn(w, plain);
    }
    free(plain);
    return rc;
}

static ns_weight *own_list(const ns_weight *list, int64_t n)
{
    ns_weight *const own = ns_alloc_array((size_t)n, sizeof *own);
    if (own)
        memcpy(own, list, (size_t)n * sizeof *own);
    return own;
}

static int turn_experts(const ns_model *m, ns_weight *w, ns_error *err)
{
    w->experts = own_list(w->experts, w->n_experts);
    int rc = w->experts ? NS_OK : ns_oom(err, "weights of the way back");
    for (int64_t e = 0; e < w->n_experts && rc == NS_OK; e++)
        rc = ns_weight_turned(m, &w->experts[e], err);
    return rc;
}

/* Lists of its own, for the model's are everybody's. All experts of a streamed model are packed: a row may choose any. */
static int turn_branch(const ns_model *m, const ns_branch *branch, ns_branch_weights *w, ns_error *err)
{
    int64_t experts = 0;
    int rc = NS_OK;
    for (int i = 0; i < w->n_packed; i++)
        experts = w->packed[i].n_experts > experts ? w->packed[i].n_experts : experts;
    for (int64_t e = 0; e < experts && rc == NS_OK; e++)
        rc = ns_weights_expert(m, branch, w, e, err);
    ns_weight *const own = rc == NS_OK ? own_list(w->packed, w->n_packed) : NULL;
    w->packed = own;
    rc = rc != NS_OK ? rc : own ? NS_OK : ns_oom(err, "weights of the way back");
    for (int i = 0; own && i < w->n_packed; i++) {
        if (rc != NS_OK)
            own[i] = (ns_weight){0};           /* nothing of it is this list's to free */
        else
            rc = own[i].experts ? turn_experts(m, &own[i], err) : ns_weight_turned(m, &own[i], err);
    }
    return rc;
}

static void unturn_weight(ns_weight *w)
{
    for (int64_t e = 0; w->experts && e < w->n_experts; e++)
        free(w->experts[e].turned);
    free(w->experts);
    free(w->turned);
}

void ns_weights_unturn(const ns_arch *arch, int64_t layer, ns_layer_weights *w)
{
    for (int s = 0; s < arch->layers[layer].n_stages; s++)
        for (int b = 0; b < arch->layers[layer].stages[s].n_branches; b++) {
            ns_branch_weights *const own = &w->branch[s][b];
            for (int i = 0; own->packed && i < own->n_packed; i++)
                unturn_weight(&own->packed[i]);
            free(own->packed);
        }
}

int ns_weights_turn(const ns_model *m, int64_t layer, ns_layer_weights *w, ns_error *err)
{
    const ns_layer *const l = &m->arch->layers[layer];
    int rc = NS_OK;
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++) {
            if (rc == NS_OK)
                rc = turn_branch(m, &l->stages[s].branches[b], &w->branch[s][b], err);
            else
                w->branch[s][b].packed = NULL;
        }
    return rc;
}
