/* params.c - the weights of an arch as the trainer holds them: a table of parameters, found by the walk over its branches and their slots;
 * their arenas, first values, and the packed forms that products read.
 *
 * Matrices that one product reads (q, k, v; gate, up) lie one after the other, and so do their biases. */
#include "train/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Random streams of the roles that letters of a pattern have; 64 a layer. */
static const struct { const char *role; int stream; } streams[] = {
    {"attn.q", 1}, {"attn.k", 2}, {"attn.v", 3}, {"attn.z_gate", 4}, {"attn.o", 5}, {"ffn.gate", 8}, {"ffn.up", 9}, {"ffn.down", 10},
    {"embed", 11}, {"head", 13},
};

/* What one holds does not depend on the others' sizes. */
static uint64_t stream_of(const char *role, int64_t layer, const char *name)
{
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (strcmp(streams[i].role, role) == 0)
            return (uint64_t)((layer + 1) * 64 + streams[i].stream);
    uint64_t hash = UINT64_C(14695981039346656037);          /* FNV-1a, above all of those numbers */
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * UINT64_C(1099511628211);
    return hash | UINT64_C(1) << 63;
}

/* ---- the walk: once without memory to learn its size, then in it ---- */

/* What a parameter is: of a layer (-1: none) and an expert (-1: none); with a role, by which it is begun. */
typedef struct place { const char *role; int64_t layer, expert; ns_param_kind kind; double sd, start; ns_init init; } place;

static ns_param *add(ns_trainer *t, const ns_tref *ref, place at)
{
    ns_param *const p = &t->params[t->n_params++];
    char name[NS_TENSOR_NAME];
    ns_tref_name(ref, at.expert, name);
    free(p->name);                             /* of the first walk */
    *p = (ns_param){.name = ns_strdup(name), .ref = ref, .layer = at.layer, .expert = ns_tref_split(ref) ? -1 : at.expert, .kind = at.kind,
                    .rows = ref->n_out, .cols = ref->n_in, .at = t->n_floats, .sd = at.sd, .start = (float)at.start, .init = at.init};
    t->lacks |= !p->name;
    p->stream = p->name ? stream_of(t->given ? "" : at.role, at.layer, p->name) + (p->expert > 0 ? (uint64_t)p->expert << 32 : 0) : 0;
    p->muon = at.layer >= 0 && at.kind == NS_PARAM_MATRIX && t->config.optimizer == NS_OPTIMIZER_MUON;
    t->n_floats += p->rows * p->cols;
    return p;
}

static float *value_at(const ns_trainer *t, int64_t at)
{
    return t->w ? t->w + at : NULL;
}

static float *gradient_at(const ns_trainer *t, int64_t at)
{
    return t->g ? t->g + at : NULL;
}

static void lay_numbers(ns_trainer *t, const ns_tref *ref, place where, float **at, float **grad)
{
    if (!ref || !ref->name)
        return;
    const ns_param *const p = add(t, ref, where);
    *at = value_at(t, p->at);
    *grad = gradient_at(t, p->at);
}

static place vector_of(int64_t layer, double start)
{
    return (place){.role = "", .layer = layer, .expert = -1, .kind = NS_PARAM_VECTOR, .start = start};
}

static void lay_norm(ns_trainer *t, const ns_norm *norm, int64_t layer, ns_gains *gains)
{
    lay_numbers(t, &norm->weight, vector_of(layer, 1 - (double)norm->offset), &gains->gain, &gains->gain_grad);
    lay_numbers(t, &norm->bias, vector_of(layer, 0), &gains->bias, &gains->bias_grad);
}

static double sd_of(const ns_trainer *t, const ns_slot *slot, int64_t fan_in)
{
    const bool out = slot->shape[0] == 'D';                  /* into the residual stream: smaller with depth */
    const double given = out ? t->config.init_out : t->config.init_in;
    return given > 0 ? given : 1 / sqrt((double)(out ? fan_in * 2 * t->arch->n_layers : fan_in));
}

/* Both packed forms. */
static void lay_packed(ns_trainer *t, ns_weight *w)
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
static void lay_biases(ns_trainer *t, const ns_branch *b, int weight, int64_t layer, int64_t expert, ns_weight *w)
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
            add(t, bias, (place){.role = "", .layer = layer, .expert = expert, .kind = NS_PARAM_VECTOR});
        else if (joins(b, s, weight))
            t->n_floats += ns_slot_tref(b, s)->n_out;
    }
}

static void lay_one(ns_trainer *t, const ns_branch *b, int weight, int64_t layer, int64_t expert, ns_weight *w)
{
    *w = (ns_weight){.dtype = NS_F32, .at = t->n_floats, .grad = gradient_at(t, t->n_floats)};
    for (const ns_slot *s = b->class_->slots; s->role; s++) {
        if (!joins(b, s, weight))
            continue;
        const ns_tref *const ref = ns_slot_tref(b, s);
        add(t, ref, (place){.role = s->role, .layer = layer, .expert = expert, .sd = sd_of(t, s, ref->n_in)});
        w->n += ref->n_out;
        w->k = ref->n_in;
    }
    if (w->n)
        lay_packed(t, w);
    lay_biases(t, b, weight, layer, expert, w);
}

static void lay_weight(ns_trainer *t, const ns_branch *b, int weight, int64_t layer, ns_weight *w)
{
    if (!w->n_experts)
        lay_one(t, b, weight, layer, -1, w);
    for (int64_t e = 0; e < w->n_experts; e++)
        lay_one(t, b, weight, layer, e, &w->experts[e]);
}

static void lay_slot(ns_trainer *t, const ns_branch *b, const ns_slot *s, int64_t layer, ns_gains *g)
{
    const place at = {.role = s->role, .layer = layer, .expert = -1, .kind = s->kind == NS_SLOT_TABLE ? NS_PARAM_TABLE : NS_PARAM_VECTOR,
                      .init = s->init};
    if (s->kind == NS_SLOT_NORM)
        lay_norm(t, ns_slot_norm(b, s), layer, g);
    if (s->kind == NS_SLOT_VECTOR || s->kind == NS_SLOT_TABLE)
        lay_numbers(t, ns_slot_tref(b, s), at, &g->gain, &g->gain_grad);
    if (s->kind == NS_SLOT_TABLE)
        lay_numbers(t, ns_slot_bias(b, s), vector_of(layer, 0), &g->bias, &g->bias_grad);
}

static void lay_branch(ns_trainer *t, const ns_branch *b, int64_t layer, ns_branch_weights *w)
{
    lay_norm(t, &b->in_norm, layer, &w->in_norm);
    for (int i = 0; i < w->n_packed; i++)
        lay_weight(t, b, i, layer, &w->packed[i]);
    for (int i = 0; i < w->n_slots; i++)
        lay_slot(t, b, &b->class_->slots[i], layer, &w->gains[i]);
    lay_norm(t, &b->out_norm, layer, &w->out_norm);
}

static place outside(const char *role, double sd)
{
    return (place){.role = role, .layer = -1, .expert = -1, .sd = sd};
}

static void lay_head(ns_trainer *t)
{
    const ns_arch *const a = t->arch;
    ns_weight *const head = &t->model.head;
    const bool tied = strcmp(a->head.name, a->embed.name) == 0;
    const ns_param *const p = tied ? t->embed : add(t, &a->head, outside("head", t->config.init_head));
    *head = (ns_weight){.dtype = NS_F32, .n = p->rows, .k = p->cols, .at = p->at, .grad = gradient_at(t, p->at)};
    lay_packed(t, head);
    lay_numbers(t, &a->head_bias, vector_of(-1, 0), &head->bias, &head->bias_grad);
}

typedef void (*branch_fn)(ns_trainer *, const ns_branch *, int64_t layer, ns_branch_weights *);

static void each_branch(ns_trainer *t, branch_fn fn)
{
    for (int64_t l = 0; t->model.layers && l < t->arch->n_layers; l++)
        for (int s = 0; s < t->arch->layers[l].n_stages; s++)
            for (int i = 0; i < t->arch->layers[l].stages[s].n_branches; i++)
                fn(t, &t->arch->layers[l].stages[s].branches[i], l, &t->model.layers[l].branch[s][i]);
}

static void lay(ns_trainer *t)
{
    const ns_arch *const a = t->arch;
    t->n_params = t->n_floats = t->n_packed = 0;
    t->embed = add(t, &a->embed, outside("embed", t->config.init_embed));
    t->positions = a->positions.name ? add(t, &a->positions, outside("positions", t->config.init_embed)) : NULL;
    each_branch(t, lay_branch);
    lay_norm(t, &a->final_norm, -1, &t->model.final);
    lay_head(t);
}

/* ---- memory ---- */

static void make_lists(ns_trainer *t, const ns_branch *b, int64_t layer, ns_branch_weights *w)
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

static void free_lists(ns_trainer *t, const ns_branch *b, int64_t layer, ns_branch_weights *w)
{
    (void)t;
    (void)b;
    (void)layer;
    for (int i = 0; w->packed && i < w->n_packed; i++)
        free(w->packed[i].experts);
    free(w->packed);
    free(w->gains);
}

static int64_t largest_matrix(const ns_trainer *t)
{
    int64_t most = 0;
    for (int64_t i = 0; i < t->n_params; i++)
        if (t->params[i].muon && t->params[i].rows * t->params[i].cols > most)
            most = t->params[i].rows * t->params[i].cols;
    return most;
}

static bool make_arenas(ns_trainer *t)
{
    const size_t n = (size_t)t->n_floats + NS_SLACK;
    t->w = ns_alloc_array(n, sizeof(float));
    t->g = ns_alloc_array(n, sizeof(float));
    t->m = ns_alloc_array(n, sizeof(float));
    t->v = ns_alloc_array(n, sizeof(float));
    t->muon = ns_alloc_array((size_t)(4 * (largest_matrix(t) + NS_SLACK)), sizeof(float));
    t->packed = ns_alloc_aligned((size_t)t->n_packed * sizeof(float));
    return t->w && t->g && t->m && t->v && t->muon && t->packed;
}

/* The head may be the embedding; other parts that share a tensor would each move it. */
static int check_shared(const ns_trainer *t, ns_error *err)
{
    for (int64_t i = 0; i < t->n_params; i++)
        for (int64_t j = 0; j < i; j++)
            if (strcmp(t->params[i].name, t->params[j].name) == 0 && t->params[i].ref->start == t->params[j].ref->start &&
                t->params[i].expert == t->params[j].expert)
                return ns_fail(err, NS_E_UNSUPPORTED, "tensor '%s' is two parts of the model: such a model is not trained yet",
                               t->params[i].name);
    return NS_OK;
}

int ns_params_new(ns_trainer *t, ns_error *err)
{
    t->model.layers = ns_alloc_array((size_t)t->arch->n_layers, sizeof *t->model.layers);
    t->n_params = 8;                           /* outside the layers, at most */
    each_branch(t, make_lists);
    t->n_listed = t->n_params;
    t->params = t->lacks || !t->model.layers ? NULL : ns_alloc_array((size_t)t->n_params, sizeof *t->params);
    if (!t->params)
        return ns_oom(err, "the table of parameters");
    lay(t);
    const int rc = t->lacks ? ns_oom(err, "the table of parameters") : check_shared(t, err);
    if (rc != NS_OK)
        return rc;
    if (!make_arenas(t))
        return ns_oom(err, "parameters and the state of the optimiser");
    lay(t);
    return t->lacks ? ns_oom(err, "the table of parameters") : NS_OK;
}

void ns_params_free(ns_trainer *t)
{
    each_branch(t, free_lists);
    free(t->model.layers);
    for (int64_t i = 0; t->params && i < t->n_listed; i++)
        free(t->params[i].name);
    free(t->params);
    free(t->w);
    free(t->g);
    free(t->m);
    free(t->v);
    free(t->muon);
    free(t->packed);
}

/* ---- values ---- */

/* One of the first values. Rates of decay and steps as Mamba-2 begins them: a rate e^table of 1 to 16, a step softplus(bias) of .001 to
 * .1; taps within 1 / taps^1/2, as PyTorch's convolution. */
static float first_value(const ns_param *p, ns_rng *rng)
{
    const double u = p->init ? ns_rng_uniform(rng) : 0;
    switch (p->init) {
    case NS_INIT_ONE: return 1;
    case NS_INIT_RATE: return (float)ns_log(1 + 15 * u);
    case NS_INIT_STEP: return (float)ns_log(ns_pow(2.718281828459045, 0.001 * ns_pow(100, u)) - 1);
    case NS_INIT_TAPS: return (float)((2 * u - 1) / sqrt((double)p->cols));
    case NS_INIT_USUAL: break;
    }
    return p->kind == NS_PARAM_VECTOR ? p->start : (float)(p->sd * ns_rng_normal(rng));
}

void ns_params_init(ns_trainer *t)
{
    for (int64_t i = 0; i < t->n_params; i++) {
        const ns_param *const p = &t->params[i];
        ns_rng rng = ns_rng_seed((uint64_t)t->config.seed, p->stream);
        for (int64_t j = 0; j < p->rows * p->cols; j++)
            t->w[p->at + j] = first_value(p, &rng);
    }
    t->stale = true;
}

static void fill(const ns_trainer *t, ns_weight *w)
{
    if (w->n)
        ns_weight_fill(w, t->w + w->at);
}

static void pack_branch(ns_trainer *t, const ns_branch *b, int64_t layer, ns_branch_weights *w)
{
    (void)b;
    (void)layer;
    for (int i = 0; i < w->n_packed; i++) {
        fill(t, &w->packed[i]);
        for (int64_t e = 0; e < w->packed[i].n_experts; e++)
            fill(t, &w->packed[i].experts[e]);
    }
}

void ns_params_pack(ns_trainer *t)
{
    if (!t->stale)
        return;
    t->stale = false;
    fill(t, &t->model.head);
    each_branch(t, pack_branch);
}

ns_param *ns_param_find(const ns_trainer *t, const char *name)
{
    for (int64_t i = 0; i < t->n_params; i++)
        if (strcmp(t->params[i].name, name) == 0)
            return &t->params[i];
    return NULL;
}
