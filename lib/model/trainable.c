/* trainable.c - the table of parameters of an arch, found by the walk over its branches and their slots; their arenas, and the packed forms
 * that products read. */
#include "model/trainable.h"

#include <stdlib.h>
#include <string.h>

/* ---- the walk: once without memory to learn its size, then in it ---- */

static ns_param *add(ns_trainable *t, const ns_tref *ref, ns_param what)
{
    ns_param *const p = &t->params[t->n_params++];
    char name[NS_TENSOR_NAME];
    ns_tref_name(ref, what.expert, name);
    free(p->name);                             /* of the first walk */
    *p = what;
    p->name = ns_strdup(name);
    p->ref = ref;
    p->expert = ns_tref_split(ref) ? -1 : what.expert;
    p->rows = ref->n_out;
    p->cols = ref->n_in;
    p->at = t->n_floats;
    t->lacks |= !p->name;
    t->n_floats += p->rows * p->cols;
    return p;
}

static float *value_at(const ns_trainable *t, int64_t at)
{
    return t->w ? t->w + at : NULL;
}

static float *gradient_at(const ns_trainable *t, int64_t at)
{
    return t->g ? t->g + at : NULL;
}

static void lay_numbers(ns_trainable *t, const ns_tref *ref, ns_param what, float **at, float **grad)
{
    if (!ref || !ref->name)
        return;
    const ns_param *const p = add(t, ref, what);
    *at = value_at(t, p->at);
    *grad = gradient_at(t, p->at);
}

static ns_param vector_of(int64_t layer, double start)
{
    return (ns_param){.role = "", .layer = layer, .expert = -1, .kind = NS_PARAM_VECTOR, .start = (float)start};
}

static void lay_norm(ns_trainable *t, const ns_norm *norm, int64_t layer, ns_gains *gains)
{
    lay_numbers(t, &norm->weight, vector_of(layer, 1 - (double)norm->offset), &gains->gain, &gains->gain_grad);
    lay_numbers(t, &norm->bias, vector_of(layer, 0), &gains->bias, &gains->bias_grad);
}

/* Both packed forms. */
static void lay_packed(ns_trainable *t, ns_weight *w)
{
    w->packed = t->packed ? t->packed + t->n_packed : NULL;
    w->turned = t->packed ? (float *)w->packed + ns_packed_floats(w->n, w->k) : NULL;
    t->n_packed += ns_packed_floats(w->n, w->k) + ns_packed_floats(w->k, w->n);
}

static bool joins(const ns_branch *b, const ns_slot *s, int weight)
{
    return s->kind == NS_SLOT_MATRIX && s->weight == weight && ns_slot_tref(b, s)->name;
}

/* A slot without a bias among others that have one keeps its zeros. */
static void lay_biases(ns_trainable *t, const ns_branch *b, int weight, int64_t layer, int64_t expert, ns_weight *w)
{
    bool any = false;
    for (const ns_slot *s = b->class_->slots; s->role; s++)
        any |= joins(b, s, weight) && ns_slot_bias(b, s) && ns_slot_bias(b, s)->name;
    if (!any)
        return;
    w->bias = value_at(t, t->n_floats);
    w->bias_grad = gradient_at(t, t->n_floats);
    for (const ns_slot *s = b->class_->slots; s->role; s++) {
        const ns_tref *const bias = joins(b, s, weight) ? ns_slot_bias(b, s) : NULL;
        if (bias && bias->name)
            add(t, bias, (ns_param){.role = "", .layer = layer, .expert = expert, .kind = NS_PARAM_VECTOR});
        else if (joins(b, s, weight))
            t->n_floats += ns_slot_tref(b, s)->n_out;
    }
}

static void lay_one(ns_trainable *t, const ns_branch *b, int weight, int64_t layer, int64_t expert, ns_weight *w)
{
    *w = (ns_weight){.dtype = NS_F32, .at = t->n_floats, .grad = gradient_at(t, t->n_floats)};
    for (const ns_slot *s = b->class_->slots; s->role; s++) {
        if (!joins(b, s, weight))
            continue;
        const ns_tref *const ref = ns_slot_tref(b, s);
        add(t, ref, (ns_param){.role = s->role, .layer = layer, .expert = expert, .out = s->shape[0] == 'D'});
        w->n += ref->n_out;
        w->k = ref->n_in;
    }
    if (w->n)
        lay_packed(t, w);
    lay_biases(t, b, weight, layer, expert, w);
}

static void lay_weight(ns_trainable *t, const ns_branch *b, int weight, int64_t layer, ns_weight *w)
{
    if (!w->n_experts)
        lay_one(t, b, weight, layer, -1, w);
    for (int64_t e = 0; e < w->n_experts; e++)
        lay_one(t, b, weight, layer, e, &w->experts[e]);
}

/* The numbers of a tensor that layers share: those that the first of them has. */
static void lay_shared(ns_trainable *t, const ns_tref *ref, ns_param what, float **at, float **grad)
{
    for (int64_t i = 0; i < t->n_params && ref->name; i++) {
        const ns_param *const p = &t->params[i];
        if (strcmp(p->name, ref->name) == 0 && p->kind == what.kind && p->rows == ref->n_out && p->cols == ref->n_in) {
            *at = value_at(t, p->at);
            *grad = gradient_at(t, p->at);
            return;
        }
    }
    lay_numbers(t, ref, what, at, grad);
}

static void lay_slot(ns_trainable *t, const ns_branch *b, const ns_slot *s, int64_t layer, ns_gains *g)
{
    const ns_param numbers = {.role = s->role, .layer = layer, .expert = -1, .init = s->init,
                              .kind = s->kind == NS_SLOT_TABLE ? NS_PARAM_TABLE : NS_PARAM_VECTOR};
    if (s->kind == NS_SLOT_NORM)
        lay_norm(t, ns_slot_norm(b, s), layer, g);
    if (s->kind == NS_SLOT_VECTOR || s->kind == NS_SLOT_TABLE)
        (s->shared ? lay_shared : lay_numbers)(t, ns_slot_tref(b, s), numbers, &g->gain, &g->gain_grad);
    if (s->kind == NS_SLOT_TABLE)
        lay_numbers(t, ns_slot_bias(b, s), vector_of(layer, 0), &g->bias, &g->bias_grad);
}

static void lay_branch(ns_trainable *t, const ns_branch *b, int64_t layer, ns_branch_weights *w)
{
    lay_norm(t, &b->in_norm, layer, &w->in_norm);
    for (int i = 0; i < w->n_packed; i++)
        lay_weight(t, b, i, layer, &w->packed[i]);
    for (int i = 0; i < w->n_slots; i++)
        lay_slot(t, b, &b->class_->slots[i], layer, &w->gains[i]);
    lay_norm(t, &b->out_norm, layer, &w->out_norm);
}

static ns_param outside(const char *role)
{
    return (ns_param){.role = role, .layer = -1, .expert = -1};
}

static void lay_head(ns_trainable *t)
{
    const ns_arch *const a = t->model.arch;
    ns_weight *const head = &t->model.head;
    const bool tied = strcmp(a->head.name, a->embed.name) == 0;
    const ns_param *const p = tied ? t->embed : add(t, &a->head, outside("head"));
    *head = (ns_weight){.dtype = NS_F32, .n = p->rows, .k = p->cols, .at = p->at, .grad = gradient_at(t, p->at)};
    lay_packed(t, head);
    lay_numbers(t, &a->head_bias, vector_of(-1, 0), &head->bias, &head->bias_grad);
}

typedef void (*branch_fn)(ns_trainable *, const ns_branch *, int64_t layer, ns_branch_weights *);

static void each_branch(ns_trainable *t, branch_fn fn)
{
    for (int64_t l = 0; t->model.layers && l < t->model.arch->n_layers; l++)
        for (int s = 0; s < t->model.arch->layers[l].n_stages; s++)
            for (int i = 0; i < t->model.arch->layers[l].stages[s].n_branches; i++)
                fn(t, &t->model.arch->layers[l].stages[s].branches[i], l, &t->model.layers[l].branch[s][i]);
}

static void lay(ns_trainable *t)
{
    const ns_arch *const a = t->model.arch;
    t->n_params = t->n_floats = t->n_packed = 0;
    t->embed = add(t, &a->embed, outside("embed"));
    t->positions = a->positions.name ? add(t, &a->positions, outside("positions")) : NULL;
    each_branch(t, lay_branch);
    lay_norm(t, &a->final_norm, -1, &t->model.final);
    lay_head(t);
}

/* ---- memory ---- */

static void make_lists(ns_trainable *t, const ns_branch *b, int64_t layer, ns_branch_weights *w)
{
    (void)layer;
    w->n_packed = ns_branch_n_weights(b->class_);
    w->n_slots = ns_branch_n_slots(b->class_);
    w->packed = ns_alloc_array((size_t)w->n_packed, sizeof *w->packed);
    w->gains = ns_alloc_array((size_t)w->n_slots, sizeof *w->gains);
    t->lacks |= !w->packed || !w->gains;
    t->n_params += 4;                          /* two norms */
    for (const ns_slot *s = b->class_->slots; s->role && !t->lacks; s++) {
        const int64_t experts = s->kind == NS_SLOT_MATRIX ? ns_slot_copies(b, s) : 0;
        ns_weight *const weight = &w->packed[s->weight];
        t->n_params += 2 * (experts ? experts : 1);
        if (!experts || weight->experts)
            continue;
        weight->n_experts = experts;
        weight->experts = ns_alloc_array((size_t)experts, sizeof *weight->experts);
        t->lacks |= !weight->experts;
    }
}

static void free_lists(ns_trainable *t, const ns_branch *b, int64_t layer, ns_branch_weights *w)
{
    (void)t;
    (void)b;
    (void)layer;
    for (int i = 0; w->packed && i < w->n_packed; i++)
        free(w->packed[i].experts);
    free(w->packed);
    free(w->gains);
}

static bool make_arenas(ns_trainable *t)
{
    const size_t n = (size_t)t->n_floats + NS_TRAINABLE_SLACK;
    t->w = ns_alloc_array(n, sizeof(float));
    t->g = ns_alloc_array(n, sizeof(float));
    t->packed = ns_alloc_aligned((size_t)t->n_packed * sizeof(float));
    return t->w && t->g && t->packed;
}

static int make_table(ns_trainable *t, ns_error *err)
{
    t->model.layers = ns_alloc_array((size_t)t->model.arch->n_layers, sizeof *t->model.layers);
    t->n_params = 8;                           /* outside the layers, at most */
    each_branch(t, make_lists);
    t->n_listed = t->n_params;
    t->params = t->lacks || !t->model.layers ? NULL : ns_alloc_array((size_t)t->n_params, sizeof *t->params);
    if (!t->params)
        return ns_oom(err, "the table of parameters");
    lay(t);
    const int rc = t->lacks ? ns_oom(err, "the table of parameters") : ns_trainable_check(t, err);
    if (rc != NS_OK)
        return rc;
    if (!make_arenas(t))
        return ns_oom(err, "parameters and their gradients");
    lay(t);
    return t->lacks ? ns_oom(err, "the table of parameters") : NS_OK;
}

int ns_trainable_new(ns_trainable *t, ns_engine *engine, const ns_arch *arch, ns_error *err)
{
    *t = (ns_trainable){.model = {.engine = engine, .arch = arch}, .stale = true};
    t->pass = (ns_pass){.model = &t->model, .arch = arch, .engine = engine, .math = engine->math, .scratch = &t->scratch};
    t->scratch.n_workers = ns_pool_size(engine->pool);
    t->scratch.worker = ns_alloc_array((size_t)t->scratch.n_workers, sizeof *t->scratch.worker);
    return t->scratch.worker ? make_table(t, err) : ns_oom(err, "the pass of a batch");
}

int ns_trainable_rename(ns_trainable *t, const ns_arch *arch, ns_error *err)
{
    t->model.arch = t->pass.arch = arch;
    lay(t);
    return t->lacks ? ns_oom(err, "the table of parameters") : ns_trainable_check(t, err);
}

void ns_trainable_free(ns_trainable *t)
{
    if (!t->model.arch)
        return;
    ns_tape_free(&t->tape);
    ns_pass_free(&t->pass);
    free(t->members);
    each_branch(t, free_lists);
    free(t->model.layers);
    for (int64_t i = 0; t->params && i < t->n_listed; i++)
        free(t->params[i].name);
    free(t->params);
    free(t->w);
    free(t->g);
    free(t->packed);
}

/* ---- packed forms ---- */

static void fill(const ns_trainable *t, ns_weight *w)
{
    if (w->n)
        ns_weight_fill(w, t->w + w->at);
}

static void pack_branch(ns_trainable *t, const ns_branch *b, int64_t layer, ns_branch_weights *w)
{
    (void)b;
    (void)layer;
    for (int i = 0; i < w->n_packed; i++) {
        fill(t, &w->packed[i]);
        for (int64_t e = 0; e < w->packed[i].n_experts; e++)
            fill(t, &w->packed[i].experts[e]);
    }
}

void ns_trainable_pack(ns_trainable *t)
{
    if (!t->stale)
        return;
    t->stale = false;
    fill(t, &t->model.head);
    each_branch(t, pack_branch);
}

ns_param *ns_trainable_find(const ns_trainable *t, const char *name)
{
    for (int64_t i = 0; i < t->n_params; i++)
        if (strcmp(t->params[i].name, name) == 0)
            return &t->params[i];
    return NULL;
}
