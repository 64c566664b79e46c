/* weights_layer.c - the weights of a branch, a layer and the head, by the slots of the classes: packed, read, freed; how large they are.
 *
 * Experts of a model that is kept are packed with their layer, those of one that is streamed when a row wants them. */
#include "model/weights.h"

#include <stdlib.h>
#include <string.h>

/* ---- stacks ---- */

static void stack_add(ns_stack *s, const ns_tref *ref, const ns_tref *bias)
{
    if (!ref->name)
        return;
    s->ref[s->n] = ref;
    s->bias[s->n++] = bias;
}

/* Packed weight number `weight` of a branch: the slots that join it, in the order of the class's table. */
static ns_stack branch_stack(const ns_branch *b, int weight, int64_t expert)
{
    ns_stack s = {.expert = expert};
    for (const ns_slot *slot = b->class_->slots; slot->role; slot++)
        if (slot->kind == NS_SLOT_MATRIX && slot->weight == weight)
            stack_add(&s, ns_slot_tref(b, slot), ns_slot_bias(b, slot));
    return s;
}

static ns_stack head_stack(const ns_arch *arch)
{
    ns_stack s = {.expert = -1};
    stack_add(&s, &arch->head, &arch->head_bias);
    return s;
}

/* ---- packing ---- */

static int read_gains(const ns_model *m, const ns_norm *norm, ns_gains *out, ns_error *err)
{
    const int rc = ns_weights_vector(m, &norm->weight, &out->gain, err);
    return rc != NS_OK ? rc : ns_weights_vector(m, &norm->bias, &out->bias, err);
}

/* The first slot that joins a packed weight. */
static const ns_slot *slot_of(const ns_branch *br, int weight)
{
    const ns_slot *slot = br->class_->slots;
    while (slot->kind != NS_SLOT_MATRIX || slot->weight != weight)
        slot++;
    return slot;
}

int ns_weights_expert(const ns_model *m, const ns_branch *br, const ns_branch_weights *w, int64_t expert, ns_error *err)
{
    int rc = NS_OK;
    for (int i = 0; i < w->n_packed && rc == NS_OK; i++) {
        const ns_stack s = branch_stack(br, i, expert);
        if (w->packed[i].experts && !w->packed[i].experts[expert].packed && s.n)
            rc = ns_stack_pack(m, &s, &w->packed[i].experts[expert], err);
    }
    return rc;
}

/* One weight; of experts, room for each: those of a model that is kept are packed now, of one that is streamed when a row wants them. */
static int pack_weight(const ns_model *m, const ns_branch *br, int weight, ns_weight *out, ns_error *err)
{
    out->n_experts = ns_slot_copies(br, slot_of(br, weight));
    const ns_stack s = branch_stack(br, weight, -1);
    if (!out->n_experts)
        return s.n ? ns_stack_pack(m, &s, out, err) : NS_OK;
    out->experts = ns_alloc_array((size_t)out->n_experts, sizeof *out->experts);
    return out->experts ? NS_OK : ns_oom(err, "packed weights");
}

static int pack_experts(const ns_model *m, const ns_branch *br, const ns_branch_weights *w, ns_error *err)
{
    int64_t n = 0;
    int rc = NS_OK;
    for (int i = 0; i < w->n_packed; i++)
        n = w->packed[i].n_experts > n ? w->packed[i].n_experts : n;
    for (int64_t e = 0; e < n && !m->streamed && rc == NS_OK; e++)
        rc = ns_weights_expert(m, br, w, e, err);
    return rc;
}

static int read_table(const ns_model *m, const ns_branch *br, const ns_slot *s, ns_gains *out, ns_error *err)
{
    const ns_tref *const t = ns_slot_tref(br, s), *const bias = ns_slot_bias(br, s);
    if (!t->name)
        return NS_OK;
    out->gain = ns_alloc_array((size_t)(t->n_out * t->n_in), sizeof *out->gain);
    const int rc = out->gain ? ns_weights_rows(m, t, 0, t->n_out, out->gain, err) : ns_oom(err, t->name);
    return rc != NS_OK || !bias ? rc : ns_weights_vector(m, bias, &out->bias, err);
}

static int read_numbers(const ns_model *m, const ns_branch *br, const ns_slot *slot, ns_gains *out, ns_error *err)
{
    return slot->kind == NS_SLOT_NORM     ? read_gains(m, ns_slot_norm(br, slot), out, err)
           : slot->kind == NS_SLOT_VECTOR ? ns_weights_vector(m, ns_slot_tref(br, slot), &out->gain, err)
           : slot->kind == NS_SLOT_TABLE  ? read_table(m, br, slot, out, err)
                                          : NS_OK;
}

static int pack_branch(const ns_model *m, const ns_branch *br, ns_branch_weights *w, ns_error *err)
{
    const int slots = ns_branch_n_slots(br->class_);
    w->n_packed = ns_branch_n_weights(br->class_);
    w->n_slots = slots;
    w->packed = ns_alloc_array((size_t)w->n_packed, sizeof *w->packed);
    w->gains = ns_alloc_array((size_t)slots, sizeof *w->gains);
    int rc = w->packed && w->gains ? NS_OK : ns_oom(err, "packed weights");
    for (int i = 0; i < w->n_packed && rc == NS_OK; i++)
        rc = pack_weight(m, br, i, &w->packed[i], err);
    rc = rc != NS_OK ? rc : pack_experts(m, br, w, err);
    for (int i = 0; i < slots && rc == NS_OK; i++)
        rc = read_numbers(m, br, &br->class_->slots[i], &w->gains[i], err);
    rc = rc != NS_OK ? rc : read_gains(m, &br->in_norm, &w->in_norm, err);
    return rc != NS_OK ? rc : read_gains(m, &br->out_norm, &w->out_norm, err);
}

int ns_weights_layer(const ns_model *m, int64_t layer, ns_layer_weights *out, ns_error *err)
{
    const ns_layer *l = &m->arch->layers[layer];
    memset(out, 0, sizeof *out);
    int rc = NS_OK;
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches && rc == NS_OK; b++)
            rc = pack_branch(m, &l->stages[s].branches[b], &out->branch[s][b], err);
    out->packed = rc == NS_OK;
    if (rc != NS_OK)
        ns_weights_layer_free(out);
    return rc;
}

int ns_weights_head(const ns_model *m, ns_weight *out, ns_error *err)
{
    const ns_stack s = head_stack(m->arch);
    memset(out, 0, sizeof *out);
    int rc = ns_stack_pack(m, &s, out, err);
    if (rc != NS_OK)
        ns_weight_free(out);
    return rc;
}

static void gains_free(ns_gains *g)
{
    free(g->gain);
    free(g->bias);
}

static void branch_free(ns_branch_weights *w)
{
    for (int i = 0; w->packed && i < w->n_packed; i++)
        ns_weight_free(&w->packed[i]);
    for (int i = 0; w->gains && i < w->n_slots; i++)
        gains_free(&w->gains[i]);
    gains_free(&w->in_norm);
    gains_free(&w->out_norm);
    free(w->packed);
    free(w->gains);
}

void ns_weights_layer_free(ns_layer_weights *l)
{
    for (int s = 0; s < 2; s++)
        for (int b = 0; b < 2; b++)
            branch_free(&l->branch[s][b]);
    memset(l, 0, sizeof *l);
}

/* ---- sizes, for the plan ---- */

/* Of copies of the stack, `used` of which a row is multiplied by. */
static void add_size(ns_bytes *sum, const ns_checkpoint *c, const ns_stack *s, int64_t copies, int64_t used)
{
    int64_t n = 0;
    for (int i = 0; i < s->n; i++)
        n += s->ref[i]->n_out;
    const int64_t numbers = s->n ? (n + NS_PANEL - 1) / NS_PANEL * NS_PANEL * s->ref[0]->n_in : 0;
    sum->numbers += numbers * used;
    sum->bytes += numbers * copies * (int64_t)ns_dtype_size(ns_stack_dtype(c, s));
}

static void add_branch_size(ns_bytes *sum, const ns_checkpoint *c, const ns_branch *br)
{
    for (int i = 0; i < ns_branch_n_weights(br->class_); i++) {
        const ns_slot *const slot = slot_of(br, i);
        const int64_t copies = ns_slot_copies(br, slot);
        const ns_stack s = branch_stack(br, i, copies ? 0 : -1);
        add_size(sum, c, &s, copies ? copies : 1, ns_slot_used(br, slot));
    }
}

ns_bytes ns_weights_layer_size(const ns_arch *arch, const ns_checkpoint *c, int64_t layer)
{
    ns_bytes sum = {0, 0};
    const ns_layer *l = &arch->layers[layer];
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++)
            add_branch_size(&sum, c, &l->stages[s].branches[b]);
    return sum;
}

ns_bytes ns_weights_head_size(const ns_arch *arch, const ns_checkpoint *c)
{
    const ns_stack s = head_stack(arch);
    ns_bytes sum = {0, 0};
    add_size(&sum, c, &s, 1, 1);
    return sum;
}
