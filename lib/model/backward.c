/* backward.c - ns_backward: forward through the layers keeping what enters each, then each layer again on a tape and back.
 *
 * x_0 -> x_1 ... x_(deepest + 1) -> final norm and logits of the rows that are seeded;  dx -> ... -> dx_0, points read on the way. */
#include <needlescope/backward.h>

#include "model/tape.h"

#include <stdlib.h>
#include <string.h>

typedef struct run {
    ns_pass       p;
    ns_scratch    scratch;
    ns_tape       tape;
    ns_band       band;
    ns_session   *s;
    ns_member     member;
    ns_watch      watch;
    float        *inputs;                      /* [deepest + 2][n, D]: what enters each layer, and what leaves the last */
    float        *dx;                          /* [n, D] */
    ns_sheet     *begin;                       /* of the layer at hand: what enters it */
    int64_t       n, D, deepest;               /* the last layer that is walked; -1: none */
    int64_t       first, last;                 /* rows of the final norm and logits; first = last: none */
    const ns_backward_params *params;
} run;

/* ---- seeds ---- */

static bool goes_through(ns_point p)
{
    return p != NS_POINT_RESULT && p != NS_POINT_EXPERTS && p != NS_POINT_SSM_STATE;
}

static bool is_final(ns_point p)
{
    return p == NS_POINT_LN_FINAL || p == NS_POINT_LOGITS;
}

static bool find_point(const ns_arch *arch, const char *name, ns_point *point, int64_t *layer)
{
    char at[128];
    for (int p = 0; p < NS_N_POINTS; p++)
        for (int64_t l = -1; l < arch->n_layers; l++) {
            ns_point_format((ns_point)p, l, at, sizeof at);
            if (ns_point_exists(arch, (ns_point)p, l) && strcmp(at, name) == 0) {
                *point = (ns_point)p;
                *layer = l;
                return true;
            }
        }
    return false;
}

static int place_seed(run *r, const ns_seed *given, ns_placed_seed *out)
{
    ns_error *const err = r->p.err;
    if (!given->at || !find_point(r->p.arch, given->at, &out->point, &out->layer))
        return ns_fail(err, NS_E_ARG, "seed '%.80s': this model has no such point (inspect --points lists them)",
                       given->at ? given->at : "");
    if (!goes_through(out->point))
        return ns_fail(err, NS_E_ARG, "seed '%s': this point is not walked back by itself", given->at);
    if (out->point == NS_POINT_PATTERN && ns_arch_row_kind(r->p.arch, out->layer) == NS_ROW_UNROLLED)
        return ns_fail(err, NS_E_ARG, "seed '%s': rows of a recurrence have gradients and take no seed: seed hook_z, these rows times v",
                       given->at);
    if (given->row0 < 0 || given->n_rows < 1 || given->row0 > r->n - given->n_rows)
        return ns_fail(err, NS_E_ARG, "seed '%s': rows %lld to %lld of a session of %lld tokens", given->at, (long long)given->row0,
                       (long long)(given->row0 + given->n_rows - 1), (long long)r->n);
    if (!given->values)
        return ns_fail(err, NS_E_ARG, "seed '%s' has no values", given->at);
    out->seed = given;
    return NS_OK;
}

static void reach(run *r, ns_point point, int64_t layer, int64_t row0, int64_t row1)
{
    if (is_final(point)) {
        const bool none = r->first == r->last;
        r->first = none || row0 < r->first ? row0 : r->first;
        r->last = none || row1 > r->last ? row1 : r->last;
        r->deepest = r->p.arch->n_layers - 1;
    } else if (layer > r->deepest) {
        r->deepest = layer;
    }
}

static const ns_placed_seed *last_seed(const run *r)
{
    const ns_placed_seed *last = NULL;
    for (int64_t i = 0; i < r->watch.n_seeds; i++) {
        const ns_placed_seed *const s = &r->watch.seeds[i];
        if (!last || ns_pass_place(r->p.arch, s->point, s->layer) > ns_pass_place(r->p.arch, last->point, last->layer))
            last = s;
    }
    return last;
}

static bool names_up_to(const ns_arch *arch, const char *glob, int64_t last)
{
    char at[128];
    for (int p = 0; p < NS_N_POINTS; p++)
        for (int64_t l = -1; l < arch->n_layers; l++) {
            ns_point_format((ns_point)p, l, at, sizeof at);
            if (ns_point_exists(arch, (ns_point)p, l) && ns_pass_place(arch, (ns_point)p, l) <= last && ns_glob(glob, at))
                return true;
        }
    return false;
}

/* torch.autograd.grad refuses what was not used, too. */
static int check_reached(run *r)
{
    int n = 0;
    const ns_hook *const list = ns_hooks_list(r->p.hooks, &n);
    const ns_placed_seed *const last = last_seed(r);
    r->watch.last = ns_pass_place(r->p.arch, last->point, last->layer);
    for (int i = 0; i < n; i++)
        if (!names_up_to(r->p.arch, list[i].at, r->watch.last))
            return ns_fail(r->p.err, NS_E_ARG, "'%s' lies behind the seed at %s, which does not depend on it: there is no derivative",
                           list[i].at, last->seed->at);
    return NS_OK;
}

static int place_seeds(run *r, const ns_seed *seeds, int64_t n)
{
    if (n < 1)
        return ns_fail(r->p.err, NS_E_ARG, "no seed: nothing has a derivative");
    r->watch.seeds = ns_alloc_array((size_t)n, sizeof *r->watch.seeds);
    if (!r->watch.seeds)
        return ns_oom(r->p.err, "seeds");
    r->watch.n_seeds = n;
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        ns_placed_seed *const s = &r->watch.seeds[i];
        rc = place_seed(r, &seeds[i], s);
        if (rc == NS_OK)
            reach(r, s->point, s->layer, seeds[i].row0, seeds[i].row0 + seeds[i].n_rows);
    }
    return rc;
}

static int check_wanted(run *r)
{
    int n = 0;
    const ns_hook *const list = ns_hooks_list(r->p.hooks, &n);
    for (int i = 0; i < n; i++)
        if (list[i].edit)
            return ns_fail(r->p.err, NS_E_ARG, "'%s' edits: on the way back hooks read", list[i].at);
    for (int p = 0; p < NS_N_POINTS; p++)
        for (int64_t l = -1; l < r->p.arch->n_layers; l++)
            if (!goes_through((ns_point)p) && ns_hooks_any(r->p.hooks, (ns_point)p, l))
                return ns_fail(r->p.err, NS_E_ARG, "%s: this point is not walked back by itself", ns_point_name((ns_point)p));
    return NS_OK;
}

/* ---- a layer, forward on a tape; and back ---- */

static float *input_of(const run *r, int64_t layer)
{
    return r->inputs + layer * r->n * r->D;
}

static int on_tape(run *r, int64_t layer, const ns_layer_weights *w)
{
    int rc = ns_tape_begin(&r->band, &r->p, &r->tape, &r->member, 1);
    if (rc != NS_OK)
        return rc;
    r->begin = r->band.x;
    memcpy(r->begin->data, input_of(r, layer), (size_t)(r->n * r->D) * sizeof(float));
    return ns_tape_layer(&r->band, layer, w);
}

static int forward_layer(run *r, int64_t layer, const ns_layer_weights *w)
{
    const int rc = on_tape(r, layer, w);
    if (rc == NS_OK)
        memcpy(input_of(r, layer + 1), r->band.x->data, (size_t)(r->n * r->D) * sizeof(float));
    return rc;
}

/* dx of what the layer gives becomes that of what enters it. */
static int back_layer(run *r, int64_t layer, const ns_layer_weights *w)
{
    ns_layer_weights own = *w;
    bool fresh;
    int rc = ns_weights_turn(r->p.model, layer, &own, r->p.err);
    rc = rc != NS_OK ? rc : on_tape(r, layer, &own);
    const ns_cols begin = {r->begin, 0, r->D};
    float *const to = rc == NS_OK ? ns_grad_into(&r->band, ns_band_x(&r->band), &fresh) : NULL;
    if (to) {
        memcpy(to, r->dx, (size_t)(r->n * r->D) * sizeof *to);
        rc = ns_tape_back(&r->band);
    }
    float *const from = to && rc == NS_OK ? ns_grad_onto(&r->band, begin) : NULL;
    if (from)
        memcpy(r->dx, from, (size_t)(r->n * r->D) * sizeof *from);
    ns_weights_unturn(r->p.arch, layer, &own);
    return rc != NS_OK ? rc : r->band.rc;
}

/* The weights of a layer, of a streamed model for as long as they are needed. */
static int with_weights(run *r, int64_t layer, int (*fn)(run *, int64_t, const ns_layer_weights *))
{
    const ns_model *const m = r->p.model;
    ns_layer_weights streamed = {0};
    if (r->params && r->params->cancelled && r->params->cancelled(r->params->user))
        return NS_STOP;
    if (!m->streamed)
        return fn(r, layer, &m->layers[layer]);
    int rc = ns_weights_layer(m, layer, &streamed, r->p.err);
    if (rc == NS_OK)
        rc = fn(r, layer, &streamed);
    ns_weights_layer_free(&streamed);
    return rc;
}

/* ---- the final norm and the logits of the seeded rows ---- */

static int back_final_rows(run *r, const ns_weight *head)
{
    const int64_t n = r->last - r->first;
    float *const x = input_of(r, r->deepest + 1) + r->first * r->D, *const dx = r->dx + r->first * r->D;
    const ns_member rows = {.s = r->s, .begin = r->first, .end = r->last};
    int rc = ns_tape_begin(&r->band, &r->p, &r->tape, &rows, 1);
    if (rc != NS_OK)
        return rc;
    const ns_cols begin = ns_band_x(&r->band);
    memcpy(r->band.x->data, x, (size_t)(n * r->D) * sizeof *x);
    r->band.layer = -1;
    ns_tape_logits(&r->band, head);
    rc = r->band.rc != NS_OK ? r->band.rc : ns_tape_back(&r->band);
    const float *const from = rc == NS_OK ? ns_grad_onto(&r->band, begin) : NULL;
    for (int64_t i = 0; from && i < n * r->D; i++)
        dx[i] += from[i];
    return rc != NS_OK ? rc : r->band.rc;
}

static int back_final(run *r)
{
    const ns_model *const m = r->p.model;
    ns_weight own = m->head, streamed = {0};
    int rc = m->streamed ? ns_weights_head(m, &streamed, r->p.err) : NS_OK;
    own = m->streamed ? streamed : own;
    rc = rc != NS_OK ? rc : ns_weight_turned(m, &own, r->p.err);
    rc = rc != NS_OK ? rc : back_final_rows(r, &own);
    free(own.turned);
    ns_weight_free(&streamed);
    return rc;
}

/* ---- the embedding: what is left of dx ---- */

static int back_embed(run *r)
{
    const ns_point points[] = {NS_POINT_EMBED, NS_POINT_POS_EMBED};
    int rc = NS_OK;
    for (int i = 0; i < 2 && rc == NS_OK; i++) {
        for (int64_t s = 0; s < r->watch.n_seeds; s++)
            if (r->watch.seeds[s].point == points[i])
                rc = rc != NS_OK ? rc : ns_seed_add(&r->p, &r->watch.seeds[s], r->dx, r->D, r->D, 0);
        ns_view v = ns_view_of(r->dx, NS_F32, 2, (int64_t[]){r->n, r->D});
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

static int need_memory(run *r)
{
    size_t inputs = 0;
    const bool fits = ns_mul_size((size_t)(r->deepest + 2), (size_t)(r->n * r->D), &inputs);
    r->inputs = fits ? ns_alloc_array(inputs, sizeof *r->inputs) : NULL;
    r->dx = ns_alloc_array((size_t)(r->n * r->D), sizeof *r->dx);
    r->scratch.n_workers = ns_pool_size(r->p.engine->pool);
    r->scratch.worker = ns_alloc_array((size_t)r->scratch.n_workers, sizeof *r->scratch.worker);
    return r->inputs && r->dx && r->scratch.worker ? NS_OK : ns_oom(r->p.err, "the inputs of the layers: use fewer tokens");
}

/* Without the hooks: on the way there nobody reads. */
static int embed(run *r)
{
    const ns_hooks *const wanted = r->p.hooks;
    r->p.hooks = NULL;
    const int rc = ns_pass_embed(&r->p, 0);
    r->p.hooks = wanted;
    if (rc == NS_OK)
        memcpy(r->inputs, r->s->x, (size_t)(r->n * r->D) * sizeof *r->inputs);
    return rc;
}

static int all_used(const run *r)
{
    for (int64_t i = 0; i < r->watch.n_seeds; i++)
        if (!r->watch.seeds[i].used)
            return ns_fail(r->p.err, NS_E_UNSUPPORTED, "seed '%s': this branch does not pass through the point on its way back",
                           r->watch.seeds[i].seed->at);
    return NS_OK;
}

static int walk(run *r)
{
    int rc = embed(r);
    for (int64_t l = 0; l <= r->deepest && rc == NS_OK; l++)
        rc = with_weights(r, l, forward_layer);
    r->tape.watch = &r->watch;
    if (rc == NS_OK && r->first < r->last)
        rc = back_final(r);
    for (int64_t l = r->deepest; l >= 0 && rc == NS_OK; l--)
        rc = with_weights(r, l, back_layer);
    rc = rc != NS_OK ? rc : back_embed(r);
    return rc != NS_OK ? rc : all_used(r);
}

static int run_backward(run *r, const ns_seed *seeds, int64_t n_seeds)
{
    int rc = check_wanted(r);
    rc = rc != NS_OK ? rc : place_seeds(r, seeds, n_seeds);
    rc = rc != NS_OK ? rc : check_reached(r);
    rc = rc != NS_OK ? rc : need_memory(r);
    rc = rc != NS_OK ? rc : ns_pass_rows(&r->p);
    return rc != NS_OK ? rc : walk(r);
}

int ns_backward(const ns_model *m, ns_session *s, const ns_seed *seeds, int64_t n_seeds, const ns_hooks *wanted,
                const ns_backward_params *params, ns_error *err)
{
    ns_error own;
    run r = {.s = s, .n = s->n_tokens, .D = m->arch->d_model, .deepest = -1, .params = params};
    r.p = (ns_pass){.model = m, .arch = m->arch, .hooks = wanted, .engine = m->engine, .math = m->engine->math, .sessions = &s,
                    .n_sessions = 1, .scratch = &r.scratch, .err = err ? err : &own};
    r.member = (ns_member){.s = s, .end = s->n_tokens};
    int rc = check_session(m, s, r.p.err);
    if (rc == NS_OK && wanted && wanted->n_layers != m->arch->n_layers)
        rc = ns_fail(r.p.err, NS_E_ARG, "hooks were made for %lld layers, this model has %lld", (long long)wanted->n_layers,
                     (long long)m->arch->n_layers);
    if (rc != NS_OK)
        return rc;
    const ns_fpenv env = ns_fpenv_set();
    if (m->streamed)
        pthread_mutex_lock((pthread_mutex_t *)&m->lock);
    rc = run_backward(&r, seeds, n_seeds);
    if (m->streamed)
        pthread_mutex_unlock((pthread_mutex_t *)&m->lock);
    ns_fpenv_restore(env);
    ns_pass_finish(&r.p, rc);
    ns_tape_free(&r.tape);
    ns_pass_free(&r.p);
    free(r.watch.seeds);
    free(r.inputs);
    free(r.dx);
    return rc;
}
