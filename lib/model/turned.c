/* turned.c - weights of the way back: W^T of every matrix of a layer, packed as W is. The layer's lists are copied first, for the model's
 * are everybody's; a tape that was made with the copies finds W^T there once they are turned. */
#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

int ns_weight_turned(const ns_model *m, ns_weight *w, ns_error *err)
{
    if (!w->packed)
        return NS_OK;
    w->turned = ns_alloc_aligned((size_t)ns_packed_floats(w->k, w->n) * ns_dtype_size(w->dtype));
    if (!w->turned)
        return ns_oom(err, "weights of the way back");
    ns_weight_turn(m->engine, w);
    return NS_OK;
}

static ns_weight *own_list(const ns_weight *list, int64_t n)
{
    ns_weight *const own = ns_alloc_array((size_t)n, sizeof *own);
    if (own)
        memcpy(own, list, (size_t)n * sizeof *own);
    return own;
}

/* All experts of a streamed model are packed: a row may choose any. */
static int own_branch(const ns_model *m, const ns_branch *branch, ns_branch_weights *w, ns_error *err)
{
    int64_t experts = 0;
    int rc = NS_OK;
    for (int i = 0; i < w->n_packed; i++)
        experts = w->packed[i].n_experts > experts ? w->packed[i].n_experts : experts;
    for (int64_t e = 0; e < experts && rc == NS_OK; e++)
        rc = ns_weights_expert(m, branch, w, e, err);
    w->packed = rc == NS_OK ? own_list(w->packed, w->n_packed) : NULL;
    rc = rc != NS_OK ? rc : w->packed ? NS_OK : ns_oom(err, "weights of the way back");
    for (int i = 0; w->packed && i < w->n_packed; i++) {
        ns_weight *const one = &w->packed[i];
        one->experts = rc == NS_OK && one->experts ? own_list(one->experts, one->n_experts) : NULL;
        if (!one->experts && one->n_experts > 0)
            rc = ns_oom(err, "weights of the way back");
    }
    return rc;
}

/* fn for each matrix of the layer, those of experts among them. */
typedef int (*weight_fn)(const ns_model *, ns_weight *, ns_error *);
static int each_weight(const ns_model *m, int64_t layer, ns_layer_weights *w, weight_fn fn, ns_error *err)
{
    const ns_layer *const l = &m->arch->layers[layer];
    int rc = NS_OK;
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++) {
            const ns_branch_weights *const own = &w->branch[s][b];
            for (int i = 0; own->packed && i < own->n_packed && rc == NS_OK; i++) {
                ns_weight *const one = &own->packed[i];
                for (int64_t e = 0; one->experts && e < one->n_experts && rc == NS_OK; e++)
                    rc = fn(m, &one->experts[e], err);
                rc = rc != NS_OK || one->n_experts ? rc : fn(m, one, err);
            }
        }
    return rc;
}

static int turn(const ns_model *m, ns_weight *w, ns_error *err)
{
    return w->turned ? NS_OK : ns_weight_turned(m, w, err);
}

static int unturn(const ns_model *m, ns_weight *w, ns_error *err)
{
    (void)m, (void)err;
    free(w->turned);
    w->turned = NULL;
    return NS_OK;
}

int ns_weights_turn(const ns_model *m, int64_t layer, ns_layer_weights *own, ns_error *err)
{
    return each_weight(m, layer, own, turn, err);
}

void ns_weights_unturn(const ns_model *m, int64_t layer, ns_layer_weights *own)
{
    (void)each_weight(m, layer, own, unturn, NULL);
}

int ns_weights_own(const ns_model *m, int64_t layer, ns_layer_weights *w, ns_error *err)
{
    const ns_layer *const l = &m->arch->layers[layer];
    int rc = NS_OK;
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++) {
            if (rc == NS_OK)
                rc = own_branch(m, &l->stages[s].branches[b], &w->branch[s][b], err);
            else
                w->branch[s][b].packed = NULL;
        }
    return rc;
}

void ns_weights_disown(const ns_model *m, int64_t layer, ns_layer_weights *own)
{
    const ns_layer *const l = &m->arch->layers[layer];
    ns_weights_unturn(m, layer, own);
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++) {
            ns_branch_weights *const of = &own->branch[s][b];
            for (int i = 0; of->packed && i < of->n_packed; i++)
                free(of->packed[i].experts);
            free(of->packed);
            of->packed = NULL;
        }
}
