/* ablate_draws.c - which conditions there are, and the heads of every control (draws.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ablate.h"
#include "draws.h"

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

static int draws_of(const ns_ablating *a)
{
    return a->p->draws > 0 ? a->p->draws : 20;
}

/* Knockouts have the very same heads in their controls; all other modes the same draws, so that they can be compared. */
static int add_mode(ns_ablating *a, ns_edit_mode mode)
{
    if (!add(a, NS_CONDITION_TARGET, mode, -1))
        return ns_oom(a->err, "conditions");
    for (int i = 0; i < draws_of(a); i++) {
        ns_condition *const c = add(a, NS_CONDITION_CONTROL, mode == NS_EDIT_KNOCKOUT ? NS_EDIT_KNOCKOUT_OTHERS : mode, i);
        if (!c)
            return ns_oom(a->err, "conditions");
        c->layer_matched = mode == NS_EDIT_KNOCKOUT || ns_controls_in_layer(&a->out->controls, i);
        c->matched = mode == NS_EDIT_KNOCKOUT || ns_controls_matched(&a->out->controls, i);
        if (mode != NS_EDIT_KNOCKOUT)
            ns_controls_heads(&a->out->controls, i, c->heads);
    }
    return NS_OK;
}

static int draw_controls(ns_ablating *a)
{
    const ns_matching matching = {a->arch, a->out->norm, a->out->L, a->out->H, a->p->heads, a->p->n_heads, NS_POINT_Z};
    const bool others = a->p->modes & ~(1u << NS_EDIT_KNOCKOUT);
    return others ? ns_controls_draw(&a->out->controls, &matching, draws_of(a), a->p->seed, a->err) : NS_OK;
}

int ns_ablate_plan(ns_ablating *a)
{
    static const ns_edit_mode modes[] = {NS_EDIT_ZERO_Z, NS_EDIT_MEAN_Z, NS_EDIT_UNIFORM_ATTN, NS_EDIT_KNOCKOUT};
    a->out->list = ns_alloc_array((size_t)(2 + 4 * (1 + draws_of(a))), sizeof *a->out->list);
    const bool there = a->out->list && add(a, NS_CONDITION_NONE, NS_EDIT_NOOP, -1) && add(a, NS_CONDITION_NOOP, NS_EDIT_NOOP, -1);
    int rc = there ? NS_OK : ns_oom(a->err, "conditions");
    rc = rc != NS_OK ? rc : draw_controls(a);
    for (size_t i = 0; i < sizeof modes / sizeof *modes && rc == NS_OK; i++)
        if (a->p->modes & 1u << modes[i])
            rc = add_mode(a, modes[i]);
    return rc;
}
