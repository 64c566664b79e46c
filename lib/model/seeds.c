/* seeds.c - what a pass that is walked back is asked for: seeds find their points, hooks are held to what can be walked. */
#include "model/walk.h"

#include <stdlib.h>
#include <string.h>

/* ---- seeds ---- */

static bool goes_through(ns_point p)
{
    return p != NS_POINT_RESULT && p != NS_POINT_EXPERTS && p != NS_POINT_SSM_STATE;
}

/* What to ask for in place of a point that is not walked back. */
static const char *instead(ns_point p)
{
    return p == NS_POINT_RESULT    ? "hook_z, which it is made of, or hook_attn_out, the sum of all heads"
           : p == NS_POINT_EXPERTS ? "hook_router, which chooses them"
                                   : "hook_recurrence_out, which is read of it, or hook_k and hook_v, which are written to it";
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

static int place_seed(ns_walk *r, const ns_seed *given, ns_placed_seed *out)
{
    ns_error *const err = r->p.err;
    if (!given->at || !find_point(r->p.arch, given->at, &out->point, &out->layer))
        return ns_fail(err, NS_E_ARG, "seed '%.80s': this model has no such point (inspect --points lists them)",
                       given->at ? given->at : "");
    if (!goes_through(out->point))
        return ns_fail(err, NS_E_ARG, "seed '%s': this point is not walked back by itself: take %s", given->at, instead(out->point));
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

static void reach(ns_walk *r, ns_point point, int64_t layer, int64_t row0, int64_t row1)
{
    if (is_final(point)) {
        r->logits |= point == NS_POINT_LOGITS;
        const bool none = r->first == r->last;
        r->first = none || row0 < r->first ? row0 : r->first;
        r->last = none || row1 > r->last ? row1 : r->last;
        r->deepest = r->p.arch->n_layers - 1;
    } else if (layer > r->deepest) {
        r->deepest = layer;
    }
}

static const ns_placed_seed *last_seed(const ns_walk *r)
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
static int check_reached(ns_walk *r)
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

static int place_all(ns_walk *r, const ns_seed *seeds, int64_t n)
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

static int check_wanted(ns_walk *r)
{
    int n = 0;
    const ns_hook *const list = ns_hooks_list(r->p.hooks, &n);
    for (int i = 0; i < n; i++)
        if (list[i].edit)
            return ns_fail(r->p.err, NS_E_ARG, "'%s' edits: on the way back hooks read", list[i].at);
    for (int p = 0; p < NS_N_POINTS; p++)
        for (int64_t l = -1; l < r->p.arch->n_layers; l++)
            if (!goes_through((ns_point)p) && ns_hooks_any(r->p.hooks, (ns_point)p, l)) {
                char name[128];
                ns_point_format((ns_point)p, l, name, sizeof name);
                return ns_fail(r->p.err, NS_E_ARG, "%s: this point is not walked back by itself: take %s", name, instead((ns_point)p));
            }
    return NS_OK;
}

int ns_walk_place(ns_walk *r, const ns_seed *seeds, int64_t n)
{
    int rc = check_wanted(r);
    rc = rc != NS_OK ? rc : place_all(r, seeds, n);
    return rc != NS_OK ? rc : check_reached(r);
}

int ns_walk_all_used(const ns_walk *r)
{
    for (int64_t i = 0; i < r->watch.n_seeds; i++)
        if (!r->watch.seeds[i].used)
            return ns_fail(r->p.err, NS_E_UNSUPPORTED, "seed '%s': this branch does not pass through the point on its way back",
                           r->watch.seeds[i].seed->at);
    return NS_OK;
}
