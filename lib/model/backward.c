/* backward.c - ns_backward: forward through the layers keeping what enters each, and back.
 *
 * x_0 -> x_1 ... x_(deepest + 1) -> final norm and logits of the rows that are seeded;  dx -> ... -> dx_0, points read on the way.
 * The last layers, as many as there is memory for, stand on one tape and run once; each layer before them runs again, on a tape of its own,
 * when its turn comes. Of a tape what the way back looks at is kept: without gradients of weights no input of a product. Which layer is
 * which changes no bit. */
#include "model/walk.h"

#include <stdlib.h>
#include <string.h>

/* ---- a layer, forward on a tape; and back ---- */

static float *input_of(const ns_walk *r, int64_t layer)
{
    return r->w->inputs.data + layer * r->n * r->D;
}

static int begin_tape(ns_walk *r, int64_t layer)
{
    const int rc = ns_tape_begin(&r->band, &r->p, &r->w->tape, &r->member, 1);
    r->begin = r->band.x;
    if (rc == NS_OK)
        memcpy(r->begin->data, input_of(r, layer), (size_t)(r->n * r->D) * sizeof(float));
    return rc;
}

/* How much the tape of this layer takes. */
static void measure(ns_walk *r, int first)
{
    int64_t floats = 0;
    for (int i = first; i < r->band.used; i++)
        floats += r->w->layers.sheets[i]->data ? r->w->layers.sheets[i]->rows * r->w->layers.sheets[i]->ld : 0;
    r->w->row_floats = floats / r->n + 1 > r->w->row_floats ? floats / r->n + 1 : r->w->row_floats;
}

static int on_tape(ns_walk *r, int64_t layer, ns_layer_weights *own)
{
    const int first = r->band.used;
    r->w->marks[layer] = r->w->tape.n_steps;
    const int rc = ns_tape_layer(&r->band, layer, own);
    if (rc == NS_OK) {
        ns_tape_thin(&r->band, first);
        measure(r, first);
    }
    return rc;
}

/* Bytes that the model leaves of its memory. */
static int64_t room_of(const ns_model *m)
{
    return m->streamed ? 0 : m->memory - m->weight_bytes;
}

/* W^T stay for the caller's next pass while they take no more than a quarter of the room. */
static bool stays(ns_walker *w, int64_t bytes)
{
    const bool fits = w->lasts && w->turned + bytes <= room_of(w->model) / 4;
    w->turned += fits ? bytes : 0;
    return fits;
}

static bool is_turned(const ns_layer_weights *own)
{
    const ns_branch_weights *const first = &own->branch[0][0];
    for (int i = 0; i < first->n_packed; i++)
        if (first->packed[i].turned)
            return true;
    return false;
}

/* dx of what the layer gives becomes that of what enters it; within the tail it stays on the tape. */
static int back_layer(ns_walk *r, int64_t layer, ns_layer_weights *own)
{
    const ns_model *const m = r->p.model;
    const bool was = is_turned(own), enters = layer == r->deepest || layer < r->tail, leaves = layer <= r->tail;
    bool fresh;
    r->band.layer = layer;
    int rc = ns_weights_turn(m, layer, own, r->p.err);
    float *const to = rc == NS_OK && enters ? ns_grad_into(&r->band, ns_band_x(&r->band), &fresh) : NULL;
    if (to)
        memcpy(to, r->w->dx.data, (size_t)(r->n * r->D) * sizeof *to);
    rc = rc != NS_OK ? rc : r->band.rc != NS_OK ? r->band.rc : ns_tape_back(&r->band, r->w->marks[layer]);
    const ns_cols begin = {r->begin, 0, r->D};
    const float *const from = rc == NS_OK && leaves ? ns_grad_onto(&r->band, begin) : NULL;
    if (from)
        memcpy(r->w->dx.data, from, (size_t)(r->n * r->D) * sizeof *from);
    if (!was && !(rc == NS_OK && stays(r->w, ns_weights_layer_size(r->p.arch, m->checkpoint, layer).bytes)))
        ns_weights_unturn(m, layer, own);
    return rc != NS_OK ? rc : r->band.rc;
}

static int again_and_back(ns_walk *r, int64_t layer, ns_layer_weights *own)
{
    int rc = begin_tape(r, layer);
    rc = rc != NS_OK ? rc : on_tape(r, layer, own);
    return rc != NS_OK ? rc : back_layer(r, layer, own);
}

/* Of a streamed model the weights are there for as long as the layer needs them. */
static int with_weights(ns_walk *r, int64_t layer, int (*fn)(ns_walk *, int64_t, ns_layer_weights *))
{
    const ns_model *const m = r->p.model;
    ns_layer_weights streamed = {0};
    if (r->params && r->params->cancelled && r->params->cancelled(r->params->user))
        return NS_STOP;
    if (!m->streamed)
        return fn(r, layer, &r->w->own[layer]);
    int rc = ns_weights_layer(m, layer, &streamed, r->p.err);
    ns_layer_weights own = streamed;
    if (rc == NS_OK) {
        rc = ns_weights_own(m, layer, &own, r->p.err);
        rc = rc != NS_OK ? rc : fn(r, layer, &own);
        ns_weights_disown(m, layer, &own);
    }
    ns_weights_layer_free(&streamed);
    return rc;
}

/* ---- the final norm and the logits of the seeded rows, on their own tape ---- */

static int back_final_rows(ns_walk *r, const ns_weight *head)
{
    const int64_t n = r->last - r->first;
    const float *const from = r->tail <= r->deepest ? r->band.x->data : input_of(r, r->deepest + 1);
    float *const dx = r->w->dx.data + r->first * r->D;
    const ns_member rows = {.s = r->s, .begin = r->first, .end = r->last};
    ns_band b;
    int rc = ns_tape_begin(&b, &r->p, &r->w->final_tape, &rows, 1);
    if (rc != NS_OK)
        return rc;
    const ns_cols begin = ns_band_x(&b);
    memcpy(b.x->data, from + r->first * r->D, (size_t)(n * r->D) * sizeof *from);
    b.layer = -1;
    ns_tape_logits(&b, head);
    rc = b.rc != NS_OK ? b.rc : ns_tape_back(&b, 0);
    const float *const by = rc == NS_OK ? ns_grad_onto(&b, begin) : NULL;
    for (int64_t i = 0; by && i < n * r->D; i++)
        dx[i] += by[i];
    return rc != NS_OK ? rc : b.rc;
}

static int with_head(ns_walk *r)
{
    const ns_model *const m = r->p.model;
    ns_weight streamed = {0}, own;
    int rc = m->streamed ? ns_weights_head(m, &streamed, r->p.err) : NS_OK;
    own = m->streamed ? streamed : m->head;
    own.turned = r->w->head.turned;
    rc = rc != NS_OK || own.turned ? rc : ns_weight_turned(m, &own, r->p.err);
    rc = rc != NS_OK ? rc : back_final_rows(r, &own);
    if (own.turned == r->w->head.turned || (rc == NS_OK && stays(r->w, own.n * own.k * (int64_t)ns_dtype_size(own.dtype))))
        r->w->head.turned = own.turned;
    else
        free(own.turned);
    ns_weight_free(&streamed);
    return rc;
}

static int back_final(ns_walk *r)
{
    r->w->final.worker = r->w->layers.worker;
    r->w->final.n_workers = r->w->layers.n_workers;
    r->p.scratch = &r->w->final;
    r->w->final_tape.watch = &r->watch;
    const int rc = r->logits ? with_head(r) : back_final_rows(r, NULL);
    r->p.scratch = &r->w->layers;
    return rc;
}

/* ---- the embedding: what is left of dx ---- */

static int back_embed(ns_walk *r)
{
    const ns_point points[] = {NS_POINT_EMBED, NS_POINT_POS_EMBED};
    float *const dx = r->w->dx.data;
    int rc = NS_OK;
    for (int i = 0; i < 2 && rc == NS_OK; i++) {
        for (int64_t s = 0; s < r->watch.n_seeds; s++)
            if (r->watch.seeds[s].point == points[i])
                rc = rc != NS_OK ? rc : ns_seed_add(&r->p, &r->watch.seeds[s], dx, r->D, r->D, 0);
        ns_view v = ns_view_of(dx, NS_F32, 2, (int64_t[]){r->n, r->D});
        if (rc == NS_OK && ns_point_exists(r->p.arch, points[i], -1) && ns_hooks_any(r->p.hooks, points[i], -1))
            rc = ns_deliver(&r->p, 0, points[i], -1, 0, &v, NULL, 0);
    }
    return rc;
}

/* ---- the whole ---- */

static int check_session(const ns_model *m, const ns_session *s, ns_error *err)
{
    return s->model != m                       ? ns_fail(err, NS_E_ARG, "the session belongs to another model")
           : s->ran || s->computed || s->parent || s->leader
                                               ? ns_fail(err, NS_E_ARG, "a pass that is walked back needs a new session, no fork")
           : s->n_tokens == 0                  ? ns_fail(err, NS_E_ARG, "the session has no tokens")
                                               : NS_OK;
}

static int need_memory(ns_walk *r)
{
    size_t inputs = 0;
    const bool fits = ns_mul_size((size_t)(r->deepest + 2), (size_t)(r->n * r->D), &inputs) && inputs <= INT64_MAX / sizeof(float);
    if (!fits || !ns_buffer_need(&r->w->inputs, (int64_t)inputs, NULL) || !ns_buffer_need(&r->w->dx, r->n * r->D, NULL))
        return ns_oom(r->p.err, "the inputs of the layers: use fewer tokens");
    memset(r->w->dx.data, 0, (size_t)(r->n * r->D) * sizeof(float));
    return NS_OK;
}

static int begin_with(ns_walk *r, const float *stream)
{
    if (!r->p.math->all_finite(stream, r->n * r->D))
        return ns_fail(r->p.err, NS_E_NUMERIC, "the stream that is given in place of the embeddings: a value is NaN or Inf");
    memcpy(input_of(r, 0), stream, (size_t)(r->n * r->D) * sizeof *stream);
    return NS_OK;
}

/* Without the hooks: on the way there nobody reads. */
static int embed(ns_walk *r)
{
    if (r->params->stream)
        return begin_with(r, r->params->stream);
    const ns_hooks *const wanted = r->p.hooks;
    r->p.hooks = NULL;
    const int rc = ns_pass_embed(&r->p, 0);
    r->p.hooks = wanted;
    if (rc == NS_OK)
        memcpy(input_of(r, 0), r->s->x, (size_t)(r->n * r->D) * sizeof(float));
    return rc;
}

static bool alike(const ns_layer *a, const ns_layer *b)
{
    bool same = a->n_stages == b->n_stages;
    for (int s = 0; same && s < a->n_stages; s++) {
        same = a->stages[s].n_branches == b->stages[s].n_branches;
        for (int i = 0; same && i < a->stages[s].n_branches; i++)
            same = a->stages[s].branches[i].class_ == b->stages[s].branches[i].class_;
    }
    return same;
}

/* Was every layer behind this one measured, or one of its kind? */
static bool all_measured(const ns_walk *r, int64_t layer)
{
    const ns_layer *const layers = r->p.arch->layers;
    bool all = true;
    for (int64_t l = layer + 1; l <= r->deepest && all && r->w->n_walks == 0; l++) {
        int64_t like = layer;
        while (like >= 0 && !alike(&layers[like], &layers[l]))
            like--;
        all = like >= 0;
    }
    return all;
}

/* May the tape that has this layer go on to the last? Weights that stream are gone by then. */
static bool tail_fits(const ns_walk *r, int64_t layer)
{
    const int64_t layers = r->deepest + 1 - layer, inputs = (r->deepest + 2) * r->n * r->D * (int64_t)sizeof(float);
    if (r->p.model->streamed)
        return false;
    return layer == r->deepest || (all_measured(r, layer) &&
           layers * r->w->row_floats * r->n * (int64_t)sizeof(float) <= room_of(r->p.model) * 3 / 4 - inputs);
}

/* On a tape of its own, and that tape is the tail's, if there is room for it. */
static int forward_layer(ns_walk *r, int64_t layer, ns_layer_weights *own)
{
    int rc = begin_tape(r, layer);
    rc = rc != NS_OK ? rc : on_tape(r, layer, own);
    if (rc == NS_OK && tail_fits(r, layer))
        r->tail = layer;
    else if (rc == NS_OK)
        memcpy(input_of(r, layer + 1), r->band.x->data, (size_t)(r->n * r->D) * sizeof(float));
    return rc;
}

static int walk_there(ns_walk *r)
{
    int rc = embed(r);
    r->tail = r->deepest + 1;
    for (int64_t l = 0; l <= r->deepest && rc == NS_OK; l++)
        rc = with_weights(r, l, l < r->tail ? forward_layer : on_tape);
    return rc;
}

static int walk(ns_walk *r)
{
    r->p.scratch = &r->w->layers;
    r->w->tape.watch = &r->watch;
    int rc = walk_there(r);
    if (rc == NS_OK && r->first < r->last)
        rc = back_final(r);
    for (int64_t l = r->deepest; l >= 0 && rc == NS_OK; l--)
        rc = with_weights(r, l, l < r->tail ? again_and_back : back_layer);
    r->w->tape.watch = r->w->final_tape.watch = NULL;
    r->w->n_walks++;
    rc = rc != NS_OK ? rc : back_embed(r);
    return rc != NS_OK ? rc : ns_walk_all_used(r);
}

static int run(ns_walk *r, const ns_seed *seeds, int64_t n_seeds)
{
    int rc = ns_walk_place(r, seeds, n_seeds);
    rc = rc != NS_OK ? rc : need_memory(r);
    rc = rc != NS_OK ? rc : ns_pass_rows(&r->p);
    return rc != NS_OK ? rc : walk(r);
}

/* ---- what several passes share ---- */

static int own_layers(ns_walker *w, ns_error *err)
{
    const int64_t L = w->model->arch->n_layers;
    int rc = NS_OK;
    w->own = ns_alloc_array((size_t)L, sizeof *w->own);
    w->marks = ns_alloc_array((size_t)L, sizeof *w->marks);
    w->layers.n_workers = ns_pool_size(w->model->engine->pool);
    w->layers.worker = ns_alloc_array((size_t)w->layers.n_workers, sizeof *w->layers.worker);
    if (!w->own || !w->marks || !w->layers.worker)
        return ns_oom(err, "a walk through the layers");
    for (int64_t l = 0; l < L && rc == NS_OK && !w->model->streamed; l++) {
        w->own[l] = w->model->layers[l];
        rc = ns_weights_own(w->model, l, &w->own[l], err);
    }
    return rc;
}

int ns_walker_new(ns_walker **out, const ns_model *m, ns_error *err)
{
    *out = ns_alloc_array(1, sizeof **out);
    if (!*out)
        return ns_oom(err, "a walk through the layers");
    **out = (ns_walker){.model = m, .lasts = true, .tape.passes = true};
    const int rc = own_layers(*out, err);
    if (rc != NS_OK) {
        ns_walker_free(*out);
        *out = NULL;
    }
    return rc;
}

void ns_walker_free(ns_walker *w)
{
    if (!w)
        return;
    for (int64_t l = 0; w->own && l < w->model->arch->n_layers; l++)
        ns_weights_disown(w->model, l, &w->own[l]);
    w->final.worker = NULL;                    /* the layers' */
    ns_scratch_free(&w->layers);
    ns_scratch_free(&w->final);
    ns_tape_free(&w->tape);
    ns_tape_free(&w->final_tape);
    free(w->head.turned);
    free(w->own);
    free(w->marks);
    free(w->inputs.data);
    free(w->dx.data);
    free(w);
}

static int walk_locked(ns_walk *r, const ns_seed *seeds, int64_t n_seeds)
{
    const ns_model *const m = r->p.model;
    const ns_fpenv env = ns_fpenv_set();
    if (m->streamed)
        pthread_mutex_lock((pthread_mutex_t *)&m->lock);
    const int rc = run(r, seeds, n_seeds);
    if (m->streamed)
        pthread_mutex_unlock((pthread_mutex_t *)&m->lock);
    ns_fpenv_restore(env);
    return rc;
}

int ns_backward(const ns_model *m, ns_session *s, const ns_seed *seeds, int64_t n_seeds, const ns_hooks *wanted,
                const ns_backward_params *params, ns_error *err)
{
    ns_error own;
    ns_backward_params given = {.size = sizeof given};
    int rc = params ? ns_sized_copy(&given, sizeof given, params, "ns_backward_params", err) : NS_OK;
    ns_walk r = {.w = given.walker, .s = s, .n = s->n_tokens, .D = m->arch->d_model, .deepest = -1, .params = &given};
    r.p = (ns_pass){.model = m, .arch = m->arch, .hooks = wanted, .engine = m->engine, .math = m->engine->math, .sessions = &s,
                    .n_sessions = 1, .err = err ? err : &own};
    r.member = (ns_member){.s = s, .end = s->n_tokens};
    rc = rc != NS_OK ? rc : check_session(m, s, r.p.err);
    if (rc == NS_OK && wanted && wanted->n_layers != m->arch->n_layers)
        rc = ns_fail(r.p.err, NS_E_ARG, "hooks were made for %lld layers, this model has %lld", (long long)wanted->n_layers,
                     (long long)m->arch->n_layers);
    if (rc == NS_OK && r.w && r.w->model != m)
        rc = ns_fail(r.p.err, NS_E_ARG, "the walker belongs to another model");
    rc = rc != NS_OK || r.w ? rc : ns_walker_new(&r.w, m, r.p.err);
    if (rc != NS_OK)
        return rc;
    r.w->lasts = given.walker != NULL;
    rc = walk_locked(&r, seeds, n_seeds);
    ns_pass_finish(&r.p, rc);
    r.p.scratch = NULL;
    ns_pass_free(&r.p);
    if (!given.walker)
        ns_walker_free(r.w);
    free(r.watch.seeds);
    return rc;
}
