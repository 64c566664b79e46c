/* advise.c - how a streamed model treats the page cache: the layer after the one that runs is read ahead of it, so that the disk works
 * while the processor does; and of files larger than the memory that this process may use, what was read leaves the cache behind it,
 * which could not keep it until the next wave. */
#include <needlescope/machine.h>

#include "model/internal.h"

typedef void (*tensor_fn)(const ns_tensor *);

static void of_tref(const ns_model *m, const ns_tref *ref, int64_t expert, tensor_fn fn)
{
    ns_source from;
    if (ref && ref->name && ns_tref_source(ref, m->checkpoint, expert, &from, NULL) == NS_OK)
        for (int i = 0; i <= from.n_more; i++)
            fn(i ? from.more[i - 1] : from.tensor);
}

static void of_norm(const ns_model *m, const ns_norm *norm, tensor_fn fn)
{
    of_tref(m, &norm->weight, -1, fn);
    of_tref(m, &norm->bias, -1, fn);
}

/* experts: those too, which are read when a row wants them. */
static void of_slot(const ns_model *m, const ns_branch *br, const ns_slot *slot, bool experts, tensor_fn fn)
{
    const int64_t copies = ns_slot_copies(br, slot);
    if (slot->kind == NS_SLOT_NORM)
        of_norm(m, ns_slot_norm(br, slot), fn);
    for (int64_t e = copies ? 0 : -1; slot->kind != NS_SLOT_NORM && e < copies && (experts || !copies); e++) {
        of_tref(m, ns_slot_tref(br, slot), e, fn);
        of_tref(m, ns_slot_bias(br, slot), e, fn);
    }
}

/* Layer n_layers: the head. Those behind it: nothing. */
static void of_layer(const ns_model *m, int64_t layer, bool experts, tensor_fn fn)
{
    const ns_layer *const l = layer < m->arch->n_layers ? &m->arch->layers[layer] : NULL;
    if (layer == m->arch->n_layers)
        of_tref(m, &m->arch->head, -1, fn);
    for (int s = 0; l && s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++) {
            const ns_branch *const br = &l->stages[s].branches[b];
            for (const ns_slot *slot = br->class_->slots; slot->role; slot++)
                of_slot(m, br, slot, experts, fn);
            of_norm(m, &br->in_norm, fn);
            of_norm(m, &br->out_norm, fn);
        }
}

void ns_advise_plan(ns_model *m, int64_t largest)
{
    enum { SMALL = 64 << 20 };                           /* what any process may use: the limits, which lie in files, need not be asked */
    ns_machine machine;
    int64_t stored = 0;
    for (int64_t i = 0; i < ns_checkpoint_count(m->checkpoint); i++)
        stored += ns_checkpoint_tensor(m->checkpoint, i)->n_bytes;
    if (stored <= SMALL && !m->streamed)
        return;
    ns_machine_find(&machine, NULL);
    m->drops = stored > machine.memory;
    m->ahead = m->streamed && largest <= machine.memory / 4;       /* two of them are in the cache, beside the half that is ours */
}

void ns_advise_soon(const ns_model *m, int64_t layer)
{
    if (m->ahead)
        of_layer(m, layer, false, ns_tensor_soon);
}

void ns_advise_done(const ns_model *m, int64_t layer)
{
    if (m->drops)
        of_layer(m, layer, true, ns_tensor_done);
}
