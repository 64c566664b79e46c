/* ablate_draws.c - which conditions there are, and the heads of every control.
 *
 * A draw takes for each target head one other head out of the NEAREST whose norm is nearest, of its layer where that has others enough, else of
 * any layer; no head twice in a draw. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ablate.h"

enum { NEAREST = 8 };

typedef struct candidate { int64_t layer, head; double distance; } candidate;

static int by_distance(const void *a, const void *b)
{
    const candidate *const x = a, *const y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->layer != y->layer ? (x->layer < y->layer ? -1 : 1) : x->head < y->head ? -1 : 1;
}

static bool is_target(const ns_ablate_params *p, int64_t layer, int64_t head)
{
    for (int i = 0; i < p->n_heads; i++)
        if (p->heads[i][0] == layer && p->heads[i][1] == head)
            return true;
    return false;
}

static bool is_taken(const ns_condition *c, int n, int64_t layer, int64_t head)
{
    for (int i = 0; i < n; i++)
        if (c->heads[i][0] == layer && c->heads[i][1] == head)
            return true;
    return false;
}

/* Heads that may stand for a target head: of its layer, or of all. */
static int candidates(const ns_ablating *a, const ns_condition *c, int n, const int64_t target[2], bool same_layer, candidate *list)
{
    const double norm = (double)a->out->norm[target[0] * a->out->H + target[1]];
    int found = 0;
    for (int64_t l = same_layer ? target[0] : 0; l < (same_layer ? target[0] + 1 : a->out->L); l++) {
        const ns_attn *const attn = ns_arch_attn(a->arch, l);
        for (int64_t h = 0; attn && h < attn->n_heads; h++)
            if (!is_target(a->p, l, h) && !is_taken(c, n, l, h))
                list[found++] = (candidate){l, h, fabs((double)a->out->norm[l * a->out->H + h] - norm)};
    }
    qsort(list, (size_t)found, sizeof *list, by_distance);
    return found;
}

static int draw(const ns_ablating *a, ns_condition *c, ns_rng *rng)
{
    candidate *const list = ns_alloc_array((size_t)(a->out->L * a->out->H), sizeof *list);
    int rc = list ? NS_OK : ns_oom(a->err, "controls");
    c->layer_matched = true;
    for (int i = 0; i < a->p->n_heads && rc == NS_OK; i++) {
        int n = candidates(a, c, i, a->p->heads[i], true, list);
        if (n < NS_ABLATE_LAYER_OTHERS) {
            n = candidates(a, c, i, a->p->heads[i], false, list);
            c->layer_matched = false;
        }
        if (n == 0) {
            rc = ns_fail(a->err, NS_E_ARG, "the %d heads leave no others to compare with", a->p->n_heads);
        } else {
            const candidate *const one = &list[ns_rng_below(rng, n < NEAREST ? n : NEAREST)];
            c->heads[i][0] = one->layer;
            c->heads[i][1] = one->head;
        }
    }
    free(list);
    return rc;
}

static ns_condition *add(ns_ablating *a, ns_condition_kind kind, ns_edit_mode mode, int number)
{
    ns_condition *const c = &a->out->list[a->out->n];
    *c = (ns_condition){.kind = kind, .mode = mode, .draw = number, .n_heads = kind == NS_CONDITION_NONE ? 0 : a->p->n_heads, .loss = NAN};
    c->heads = ns_alloc_array((size_t)c->n_heads, sizeof *c->heads);
    if (!c->heads)
        return NULL;
    if (c->n_heads)
        memcpy(c->heads, a->p->heads, (size_t)c->n_heads * sizeof *c->heads);
    a->out->n++;
    return c;
}

static int add_mode(ns_ablating *a, ns_edit_mode mode, int draws)
{
    if (!add(a, NS_CONDITION_TARGET, mode, -1))
        return ns_oom(a->err, "conditions");
    ns_rng rng = ns_rng_seed(a->p->seed, 17);             /* the same draws for every mode: they are compared */
    int rc = NS_OK;
    for (int i = 0; i < draws && rc == NS_OK; i++) {
        ns_condition *const c = add(a, NS_CONDITION_CONTROL, mode == NS_EDIT_KNOCKOUT ? NS_EDIT_KNOCKOUT_OTHERS : mode, i);
        if (!c)
            rc = ns_oom(a->err, "conditions");
        else if (mode == NS_EDIT_KNOCKOUT)
            c->layer_matched = true;                      /* the very same heads */
        else
            rc = draw(a, c, &rng);
    }
    return rc;
}

int ns_ablate_plan(ns_ablating *a)
{
    static const ns_edit_mode modes[] = {NS_EDIT_ZERO_Z, NS_EDIT_MEAN_Z, NS_EDIT_UNIFORM_ATTN, NS_EDIT_KNOCKOUT};
    const int draws = a->p->draws > 0 ? a->p->draws : 20;
    a->out->list = ns_alloc_array((size_t)(2 + 4 * (1 + draws)), sizeof *a->out->list);
    int rc = a->out->list && add(a, NS_CONDITION_NONE, NS_EDIT_NOOP, -1) && add(a, NS_CONDITION_NOOP, NS_EDIT_NOOP, -1) ? NS_OK
                                                                                                                    : ns_oom(a->err, "conditions");
    for (size_t i = 0; i < sizeof modes / sizeof *modes && rc == NS_OK; i++)
        if (a->p->modes & 1u << modes[i])
            rc = add_mode(a, modes[i], draws);
    return rc;
}
